package checktest

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// Holes is a trace with n holes of that length each period, in which two of four
// Ps run.
func Holes(t *testing.T, n int, hole, period, length int64) *Trace {
	tr := New(t, length)
	now := int64(0)
	fill := func(to int64) {
		for now < to {
			end := min(now+4*MS, to)
			tr.Interval(now, end, 4, 2, 0, 2)
			now = end
		}
	}
	for i := range int64(n) {
		fill((i+1)*period - hole)
		tr.Interval(now, now+hole, 4, 2, 0, 2)
		now += hole
	}
	fill(length)
	tr.Proc(0, parse.ProcUser, 0, length)
	return tr
}

const (
	MS = 1_000_000
	S  = 1_000_000_000
)

// Trace is a trace made by hand. Its strings and stacks are those of a real one.
type Trace struct {
	parse.Trace
	Happened []parse.Event
}

var schedSymbols = sync.OnceValue(func() func(testing.TB) *parse.Symbols {
	var symbols *parse.Symbols
	return func(t testing.TB) *parse.Symbols {
		if symbols == nil {
			tr, _ := analysistest.Events(t, analysistest.Testdata(t, "netpoll-echo"))
			symbols = tr.Symbols
		}
		return symbols
	}
})

// New is an empty trace of that length.
func New(t testing.TB, length int64) *Trace {
	tr := &Trace{}
	tr.Trace = parse.Trace{Symbols: schedSymbols()(t), Version: 26, Quantum: 64, Procs: 4, Threads: 5, To: parse.Time(length), Last: parse.Time(length)}
	return tr
}

// NthStack is the n-th of the stacks that have sites of their own in the program.
func (tr *Trace) NthStack(n int) parse.StackID {
	var seen []parse.Frame
	for id := parse.StackID(1); id < 1000; id++ {
		f, ok := tr.Site(id)
		if !ok || !strings.HasPrefix(tr.Trace.String(f.Func), "main.") || slices.Contains(seen, f) {
			continue
		}
		if len(seen) == n {
			return id
		}
		seen = append(seen, f)
	}
	panic("no such stack")
}

func (tr *Trace) ReasonOf(name string) parse.StringID {
	id, ok := tr.Lookup(name)
	if !ok {
		panic("no string " + name)
	}
	return id
}

func (tr *Trace) Add(e parse.Event) { tr.Happened = append(tr.Happened, e) }

// Interval says what Ps and user goroutines were at: procs Ps, of them so many idle and
// the others running user goroutines.
func (tr *Trace) Interval(from, to int64, procs, running, runnable, idle int32) *parse.Interval {
	iv := &parse.Interval{Since: parse.Time(from), Procs: procs}
	iv.User[parse.GoRunning], iv.User[parse.GoRunnable] = running, runnable
	iv.P[parse.ProcIdle], iv.P[parse.ProcUser] = idle, procs-idle
	tr.Add(parse.Event{Time: parse.Time(to), Kind: parse.KindInterval, Interval: iv})
	return iv
}

// Waits adds n waits for a P.
func (tr *Trace) Waits(n int, at, held int64, change func(*parse.Go)) {
	for range n {
		g := &parse.Go{ID: 9, From: parse.GoRunnable, To: parse.GoRunning, Since: parse.Time(at), Func: 1, Ready: parse.ReadyUnblocked, LastP: parse.NoProc}
		g.Wait[parse.CauseUser] = held
		if change != nil {
			change(g)
		}
		tr.Add(parse.Event{Time: parse.Time(at + held), Kind: parse.KindGoRunnable, M: 7, Go: g})
	}
}

// Outside adds n waits for a P, next to none, of goroutines that a timer readied.
func (tr *Trace) Outside(n int) {
	tr.Waits(n, 0, 100, func(g *parse.Go) { g.Ready = parse.ReadyTimer })
}

// Proc adds a span of a P.
func (tr *Trace) Proc(id parse.ProcID, state parse.ProcState, from, to int64) {
	tr.Add(analysistest.ProcSpan(id, parse.ProcUser, state, parse.ProcUser, from, to))
}

// Preempts adds n runs of that length that end so.
func (tr *Trace) Preempts(n int, kind parse.Preempt, stack parse.StackID, ran int64) {
	for range n {
		tr.Add(parse.Event{Time: parse.Time(ran), Kind: parse.KindGoRunning,
			Go: &parse.Go{ID: 9, From: parse.GoRunning, To: parse.GoRunnable, Func: 1, Preempt: kind, Stack: stack}})
	}
}

// Lives adds goroutines of a function that were so long in a state.
func (tr *Trace) Lives(n int, fn parse.StringID, state parse.GoState, held int64, site parse.StackID) {
	for range n {
		if site != 0 {
			tr.Add(parse.Event{Kind: parse.KindGoCreate, Go: &parse.Go{From: parse.GoNotExist, To: parse.GoRunnable, Func: fn}})
		}
		l := &parse.GoLife{ID: 9, Func: fn, Site: site, BornSeen: site != 0, Ended: true}
		l.Spent[state] = held
		l.Alone = l.Spent[parse.GoRunning]
		tr.Add(parse.Event{Time: parse.Time(held), Kind: parse.KindGoLife, GoLife: l})
	}
}

// Blocked adds n waits of a goroutine for a reason.
func (tr *Trace) Blocked(n int, reason string, held int64) {
	for range n {
		tr.Add(parse.Event{Time: parse.Time(held), Kind: parse.KindGoWaiting, Go: &parse.Go{
			ID: 9, From: parse.GoWaiting, To: parse.GoRunnable, Func: 1, FromReason: tr.ReasonOf(reason), FromStack: tr.NthStack(0),
			Ready: parse.ReadyUnblocked, Waker: parse.NoGo,
		}})
	}
}

// Report runs one check and what it requires.
func Report(t testing.TB, check *analysis.Analyzer, tr *Trace) *analysis.Report {
	t.Helper()
	return Concluded(&tr.Trace, check, tr.Happened)
}

// Verdict says how a check ended: "clear", "n/a", or the severities with the codes
// after a slash, "note" or "warning/stalled". It checks what every finding must have.
func Verdict(t testing.TB, res *analysis.Result) string {
	t.Helper()
	switch res.Outcome {
	case analysis.NotApplicable:
		if res.Reason == "" {
			t.Errorf("%s is not applicable and does not say why", res.Name)
		}
		return "n/a"
	case analysis.Clear:
		if len(res.Summary) != 1 {
			t.Errorf("%s is clear and says %q", res.Name, res.Summary)
		}
		return "clear"
	case analysis.Failed:
		t.Fatalf("%s failed: %s", res.Name, res.Reason)
	}
	var out []string
	for _, f := range res.Findings {
		_, variant, found := strings.Cut(f.Code, "/")
		v := string(f.Severity)
		if found {
			v += "/" + variant
		}
		out = append(out, v)
		if f.Summary == "" || f.Advice == "" || f.Caveat == "" || f.Confidence == "" || len(f.Evidence) == 0 || len(f.Evidence) > 10 {
			t.Errorf("%s lacks a part: %+v", f.Code, f)
		}
		if f.Cost.Share() > 1 || f.Cost.Value < 0 {
			t.Errorf("%s costs %+v", f.Code, f.Cost)
		}
		for _, e := range f.Evidence {
			if e.From > e.To || e.From < 0 {
				t.Errorf("%s: evidence from %d to %d", f.Code, e.From, e.To)
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// Case is a value and how the check ends with it.
type Case struct {
	V    int64
	Want string
}

// At checks a check on traces made from values, mostly those beside a limit.
func At(t *testing.T, check *analysis.Analyzer, what string, make func(v int64) *Trace, cases ...Case) {
	t.Helper()
	for _, c := range cases {
		rep := Report(t, check, make(c.V))
		if got := Verdict(t, rep.Results[0]); got != c.Want {
			t.Errorf("%s, %s %d: %s, want %s (%v)", check.Name, what, c.V, got, c.Want, rep.Results[0].Summary)
		}
	}
}

// Idle checks that a check of the Ps says that a trace without time tells nothing.
func Idle(t *testing.T, checks ...*analysis.Analyzer) {
	t.Helper()
	for _, check := range checks {
		At(t, check, "length", func(v int64) *Trace { return New(t, v) }, Case{0, "n/a"})
	}
}

// Real checks how checks end on a real trace, "name" for one of testdata and
// "group/name" for one of the corpus.
func Real(t *testing.T, name string, want map[*analysis.Analyzer]string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		path := ""
		if strings.Contains(name, "/") {
			path = corpus.Trace(t, name)
		} else {
			path = analysistest.Testdata(t, name)
		}
		var checks []*analysis.Analyzer
		for j := range want {
			checks = append(checks, j)
		}
		slices.SortFunc(checks, func(a, b *analysis.Analyzer) int { return strings.Compare(a.Name, b.Name) })
		p := analysistest.Report(t, path, checks...)
		for i, j := range checks {
			// Findings that another explains have left their result.
			got, _, _ := strings.Cut(Verdict(t, p.Results[i]), "!")
			if got != want[j] {
				t.Errorf("%s: %s, want %s (%v)", j.Name, got, want[j], p.Results[i].Summary)
			}
		}
	})
}
