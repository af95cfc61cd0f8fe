package checktest

import (
	"bytes"
	"context"
	_ "embed"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

// Place is a wait by its reason, stack and entry function, and the stack that ended it.
type Place struct {
	Reason parse.StringID
	Stack  parse.StackID
	Fn     parse.StringID
	Waker  parse.StackID
}

//go:embed testdata/places.trace
var placesTrace []byte

// recorded are the strings and stacks of a trace in which one goroutine waited in each
// function of testdata/record, and these waits by function.
var recorded = sync.OnceValues(func() (*parse.Trace, map[string]Place) {
	places := make(map[string]Place)
	type raw struct {
		place Place
		last  bool
	}
	var seen []raw
	born := make(map[parse.StringID]Place)
	tr, err := parse.Read(context.Background(), bytes.NewReader(placesTrace), parse.Options{}, func(e *parse.Event) {
		switch e.Kind {
		case parse.KindGoWaiting:
			g := e.Go
			seen = append(seen, raw{Place{g.FromReason, g.FromStack, g.Func, g.WakerStack}, g.To == parse.GoUndetermined})
		case parse.KindGoSyscall:
			seen = append(seen, raw{Place{Stack: e.Go.FromStack, Fn: e.Go.Func}, false})
		case parse.KindGoLife: // where it was started
			if l := e.GoLife; l.BornSeen {
				born[l.Func] = Place{Stack: l.Site, Fn: l.Func}
			}
		}
	})
	if err != nil {
		panic(err)
	}
	for _, w := range seen {
		if f, ok := tr.Site(w.place.Stack); ok {
			name := tr.String(f.Func)
			name, _, _ = strings.Cut(name[strings.LastIndexByte(name, '.')+1:], ".")
			if _, known := places[name]; !known || name == "blkPing" {
				places[name] = w.place
			}
		}
	}
	for fn, place := range born {
		if name := tr.String(fn); strings.HasSuffix(name, ".blkPiece") {
			places["go blkPiece"] = place
		}
	}
	return tr, places
})

// Recorded returns a trace of 1 s with real stacks, and the waits to be had in it.
func Recorded(t *testing.T) (*parse.Trace, map[string]Place) {
	t.Helper()
	tr, places := recorded()
	return &parse.Trace{Symbols: tr.Symbols, Version: 26, To: 1e9, Last: 1e9, Quantum: 1, Procs: 4}, places
}

// Waits makes n waits at a place, each of held ns: lanes of them at a time, from
// the moment on.
func Waits(w Place, from, held int64, n, lanes int) (out []parse.Event) {
	for i := range n {
		lane := parse.GoID(i % lanes)
		since := from + int64(i/lanes)*held
		ready := parse.ReadyUnblocked
		if w.Waker == 0 {
			ready = parse.ReadyTimer
		}
		out = append(out, BlkWait(parse.Go{ID: 100 + lane, To: parse.GoRunnable, Since: parse.Time(since), Func: w.Fn, FromReason: w.Reason, FromStack: w.Stack, Ready: ready, Waker: 99, WakerStack: w.Waker}, since+held))
	}
	return out
}

// Turns makes waits for what goroutines give back: of lanes of them, strangers do
// not wait themselves, and so many waits are late in the queue.
func Turns(w Place, held int64, n, lanes, strangers, late int) []parse.Event {
	out := Waits(w, 0, held, n, lanes)
	for i := range out {
		g := out[i].Go
		g.Waker = 100 + parse.GoID((i+strangers)%lanes)
		if (i+strangers)%lanes < strangers {
			g.Waker += 1000
		}
		if i%2 == 1 && late > 0 {
			g.Since -= 1
			late--
		}
	}
	return out
}

// Lives makes goroutines that began at a place and ended, each of which worked so
// long and waited for a P so long.
func Lives(at Place, n int, work, runnable int64) (out []parse.Event) {
	for range n {
		e := Ran(at.Fn, at.Stack, 0, work)
		e.GoLife.Ended = true
		e.GoLife.Spent[parse.GoRunnable] = runnable
		out = append(out, e)
	}
	return out
}

// Open makes a wait that is not over at the end of a trace of 1 s.
func Open(w Place, since int64, partial bool) parse.Event {
	return BlkWait(parse.Go{To: parse.GoUndetermined, Since: parse.Time(since), Partial: partial, Func: w.Fn, FromReason: w.Reason, FromStack: w.Stack}, 1e9)
}

func BlkWait(g parse.Go, until int64) parse.Event {
	g.From = parse.GoWaiting
	return parse.Event{Time: parse.Time(until), Kind: parse.KindGoWaiting, G: 1, Go: &g}
}

// Ran makes a goroutine that ran and waited for so long, and did not end.
func Ran(fn parse.StringID, site parse.StackID, running, waiting int64) parse.Event {
	l := parse.GoLife{ID: 9, Func: fn, Site: site, BornSeen: true}
	l.Spent[parse.GoRunning], l.Spent[parse.GoWaiting] = running, waiting
	return parse.Event{Time: 1e9, Kind: parse.KindGoLife, GoLife: &l}
}

// RunOn runs one check and what it requires over events.
func RunOn(t *testing.T, tr *parse.Trace, a *analysis.Analyzer, events ...[]parse.Event) *analysis.Result {
	t.Helper()
	r := Concluded(tr, a, slices.Concat(events...)).Results[0]
	switch {
	case r.Outcome == analysis.Failed:
		t.Fatal(r.Reason)
	case r.Outcome == analysis.NotApplicable && r.Reason == "", r.Outcome == analysis.Clear && len(r.Summary) == 0:
		t.Errorf("%s is %s and says nothing", a.Name, r.Outcome)
	}
	for _, f := range r.Findings {
		if f.Cost.Clock == "" || f.Cost.Value < 0 || f.Cost.Value > f.Cost.Total && f.Cost.Total > 0 {
			t.Errorf("%s costs %+v", f.Code, f.Cost)
		}
		if f.Advice == "" || f.Caveat == "" || len(f.Evidence) == 0 || len(f.Evidence) > 10 {
			t.Errorf("%s has no advice, no caveat or %d rows of evidence", f.Code, len(f.Evidence))
		}
	}
	return r
}

// Found are the codes and severities of findings, "not applicable" or "".
func Found(r *analysis.Result) string {
	if r.Outcome == analysis.NotApplicable {
		return "not applicable"
	}
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.Code+" "+string(f.Severity))
	}
	return strings.Join(out, ", ")
}

// On runs one check over a trace file.
func On(t *testing.T, path string, a *analysis.Analyzer) *analysis.Result {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rep, err := analysis.Analyze(context.Background(), f, path, analysis.Options{}, []*analysis.Analyzer{a})
	if err != nil {
		t.Fatal(err)
	}
	return rep.Results[0]
}

//go:embed testdata/causes.trace
var causesTrace []byte

// Causes analyses a trace of a program in which causes are planted.
func Causes(t *testing.T, analyzers []*analysis.Analyzer) *analysis.Report {
	t.Helper()
	rep, err := analysis.Analyze(context.Background(), bytes.NewReader(causesTrace), "causes", analysis.Options{}, analyzers)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// Task makes a task of ns, spent in one state but for usual ns of running.
func Task(ns, usual int64, in map[parse.GoState]int64) parse.Event {
	r := parse.Range{Kind: parse.RangeTask, Name: 1, ID: 7, G: 5, Since: 1000, Until: parse.Time(1000 + ns)}
	r.Spent[parse.GoRunning] = usual
	for s, v := range in {
		r.Spent[s] += v
	}
	return parse.Event{Time: r.Until, Kind: parse.KindRangeEnd, Range: &r}
}
