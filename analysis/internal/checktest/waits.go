package checktest

import (
	"bytes"
	"context"
	"os"
	"runtime/trace"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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

func blkLocker(mu *sync.Mutex)      { mu.Lock(); defer mu.Unlock() }
func blkUnlocker(mu *sync.Mutex)    { mu.Unlock() }
func BlkReader(mu *sync.RWMutex)    { mu.RLock(); defer mu.RUnlock() }
func BlkWriter(mu *sync.RWMutex)    { mu.Lock(); defer mu.Unlock() }
func blkLeave(mu *sync.RWMutex)     { mu.RUnlock() }
func blkOnce(once *sync.Once)       { once.Do(func() { time.Sleep(20 * time.Millisecond) }) }
func blkSender(c chan int)          { c <- 1 }
func blkReceiver(c chan int) int    { return <-c }
func blkPing(to, from chan int)     { to <- 1; <-from }
func blkPong(from, to chan int)     { <-from; time.Sleep(5 * time.Millisecond); to <- 1 }
func blkNil()                       { var c chan int; <-c }
func blkEmpty()                     { select {} }
func blkCond(c *sync.Cond)          { c.L.Lock(); defer c.L.Unlock(); c.Wait() }
func blkBroadcast(c *sync.Cond)     { c.L.Lock(); defer c.L.Unlock(); c.Broadcast() }
func blkPiece(wg *sync.WaitGroup)   { time.Sleep(10 * time.Millisecond); wg.Done() }
func blkJoin()                      { var wg sync.WaitGroup; wg.Add(1); go blkPiece(&wg); wg.Wait() }
func blkSync(f *os.File)            { _ = f.Sync() }
func blkRead(fd int)                { _, _ = syscall.Read(fd, make([]byte, 1)) }
func blkSleeper(wg *sync.WaitGroup) { time.Sleep(10 * time.Millisecond); wg.Done() }

// blkRecorded are the strings and stacks of a trace of this process, in which one
// goroutine waited in each of the functions above, and these waits by function.
var blkRecorded = sync.OnceValues(func() (*parse.Trace, map[string]Place) {
	var buf bytes.Buffer
	if err := trace.Start(&buf); err != nil {
		return nil, nil
	}
	pause := func() { time.Sleep(10 * time.Millisecond) }
	var mu sync.Mutex
	mu.Lock()
	go blkLocker(&mu)
	pause()
	blkUnlocker(&mu)
	var rw sync.RWMutex
	rw.RLock()
	go BlkWriter(&rw)
	pause()
	go BlkReader(&rw)
	pause()
	blkLeave(&rw)
	var once sync.Once
	go blkOnce(&once)
	pause()
	go blkOnce(&once)
	c := make(chan int)
	go blkSender(c)
	pause()
	blkReceiver(c)
	to, from := make(chan int), make(chan int)
	go blkPong(to, from)
	pause()
	go blkPing(to, from)
	go blkNil()
	go blkEmpty()
	var wg sync.WaitGroup
	wg.Add(1)
	go blkSleeper(&wg)
	wg.Wait()
	cond := sync.NewCond(new(sync.Mutex))
	go blkCond(cond)
	pause()
	blkBroadcast(cond)
	go blkJoin()
	if f, err := os.CreateTemp("", ""); err == nil {
		defer os.Remove(f.Name())
		defer f.Close()
		blkSync(f)
		blkRead(int(f.Fd()))
	}
	pause()
	pause()
	trace.Stop()

	places := make(map[string]Place)
	type raw struct {
		place Place
		last  bool
	}
	var seen []raw
	born := make(map[parse.StringID]Place)
	tr, err := parse.Read(context.Background(), &buf, parse.Options{}, func(e *parse.Event) {
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
		return nil, nil
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
	recorded, places := blkRecorded()
	if recorded == nil {
		t.Skip("a trace of this process is being recorded already")
	}
	return &parse.Trace{Symbols: recorded.Symbols, Version: 26, To: 1e9, Last: 1e9, Quantum: 1, Procs: 4}, places
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

// Live analyses a trace of this process while it runs a program.
func Live(t *testing.T, analyzers []*analysis.Analyzer, program func()) *analysis.Report {
	t.Helper()
	blkRecorded() // its goroutines end before
	var buf bytes.Buffer
	if err := trace.Start(&buf); err != nil {
		t.Skip(err)
	}
	program()
	trace.Stop()
	rep, err := analysis.Analyze(context.Background(), &buf, "live", analysis.Options{}, analyzers)
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
