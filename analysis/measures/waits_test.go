package measures

import (
	"context"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestWaitsLaw(t *testing.T) {
	for _, name := range []string{"procs-2", "mixed-go121", "flight-recorder", "syscall-handoff", "gc-assist"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Waits})
	}
}

func foldWaits(t *testing.T, path string) *WaitsFold {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f := newWaitsFold()
	if _, err := parse.Read(context.Background(), file, parse.Options{}, func(e *parse.Event) {
		if Waits.Kinds.Has(e.Kind) {
			f.Event(e)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return f
}

// wait is a wait of the given parts.
func wait(id parse.GoID, ready parse.Ready, parts map[parse.Cause]int64) parse.Event {
	g := parse.Go{ID: id, Ready: ready, Func: 1}
	var held int64
	for c, v := range parts {
		g.Wait[c] = v
		held += v
	}
	return analysistest.Started(held, g)
}

func ran(state parse.ProcState, fn parse.StringID, stack parse.StackID, held, blame int64) parse.Event {
	return parse.Event{Time: parse.Time(held), Kind: parse.KindProc, Proc: &parse.Proc{
		From: state, To: parse.ProcScheduler, Func: fn, Stack: stack, Blame: blame, Contended: blame / 2,
	}}
}

func TestWaitsRules(t *testing.T) {
	yield := wait(10, parse.ReadyYield, map[parse.Cause]int64{parse.CauseUser: 5000})
	coroutine := wait(10, parse.ReadyCoroutine, nil)
	system := wait(11, parse.ReadyTimer, map[parse.Cause]int64{parse.CauseUser: 7000})
	system.Go.Class = parse.ClassSystem
	partial := wait(12, parse.ReadyUnknown, map[parse.Cause]int64{parse.CauseUser: 100})
	partial.Go.Partial = true
	open := analysistest.Started(300, parse.Go{ID: 13, Func: 1, Ready: parse.ReadyUnblocked})
	open.Go.To = parse.GoUndetermined
	events := []parse.Event{
		wait(1, parse.ReadyUnblocked, map[parse.Cause]int64{parse.CauseUser: 400, parse.CauseWakeup: 100}),
		wait(2, parse.ReadyUnblocked, map[parse.Cause]int64{parse.CauseUser: 100, parse.CauseSyscall: 50}),
		wait(3, parse.ReadyNetpoll, map[parse.Cause]int64{parse.CauseWakeup: 250, parse.CauseGC: 100}),
		yield, coroutine, system, partial, open,
		ran(parse.ProcUser, 1, 1, 1000, 500),
		ran(parse.ProcUser, 2, 2, 1000, 100),
		ran(parse.ProcUser, 2, 3, 9000, 0), // nobody waited
		ran(parse.ProcSyscall, 1, 4, 200, 50),
		ran(parse.ProcWorker, 3, 5, 300, 100),
		ran(parse.ProcScheduler, 0, 6, 100, 20),
		ran(parse.ProcIdle, 0, 0, 5000, 0),
		ran(parse.ProcStopped, 0, 0, 5000, 0),
	}
	rep := analysistest.Synthetic(t, 26, Waits, events...)
	for _, c := range []struct {
		table, row, column string
		want               any
	}{
		{"waits.cause", CauseTexts[parse.CauseUser], "total", int64(500)},
		{"waits.cause", CauseTexts[parse.CauseUser], "share", 500. / 1000},
		{"waits.cause", CauseTexts[parse.CauseUser], "mostly", int64(2)},
		{"waits.cause", CauseTexts[parse.CauseUser], "longest", int64(400)},
		{"waits.cause", CauseTexts[parse.CauseWakeup], "mostly", int64(1)},
		{"waits.cause", CauseTexts[parse.CauseGC], "total", int64(100)},
		{"waits.ready", "network poller", "n", int64(1)},
		// The waits apart are in the whole that the Ps' parts are shares of.
		{"waits.function", "runtime.gcBgMarkWorker", "share", 100. / 1400},
		{"waits.function", "(no goroutine)", "waits", int64(20)},
	} {
		if got := analysistest.Cell(t, rep, c.table, c.row, c.column); got != c.want {
			t.Errorf("%s, %s: %s is %v, want %v", c.table, c.row, c.column, got, c.want)
		}
	}
	tables := make(map[string]*analysis.Table)
	for _, tb := range rep.Results[0].Tables {
		tables[tb.Name] = tb
	}
	if got := len(tables["waits.cause"].Rows); got != 4 {
		t.Errorf("%d causes, want 4", got)
	}
	var inPairs int64
	for _, r := range tables["waits.ready"].Rows {
		inPairs += r[3].(int64)
	}
	if inPairs != 1000 {
		t.Errorf("pairs of cause and how it became runnable sum to %d ns, want 1000", inPairs)
	}
	// A trace without names: functions 1 and 2 print alike, so they are one row.
	if first := tables["waits.function"].Rows[0]; first[2] != any(int64(600)) || first[4] != any(int64(11000)) || first[5] != any(int64(300)) {
		t.Errorf("first row %v, want 600 ns of waits in 11000 ns of P time, 300 while others waited", first)
	}
	if got := len(tables["waits.site"].Rows); got != 4 { // user, syscall, gcworker, scheduler
		t.Errorf("%d rows by site, want 4: %v", got, tables["waits.site"].Rows)
	}
	if tables["waits.worst"].Rows[0][1] != any(int64(500)) || len(tables["waits.worst"].Rows) != 3 {
		t.Errorf("worst waits %v", tables["waits.worst"].Rows)
	}
	said := strings.Join(rep.Results[0].Summary, "\n")
	for _, want := range []string{"1 µs of user goroutines waiting for a P (n=3, yields left out): 50 % Ps busy with user work, 35 % wake-up of idle Ps, 10 % Ps busy with GC marking", "2 waits apart (400 ns)"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q but\n%s", want, said)
		}
	}
}

// TestWaitsSum: a wait whose parts do not sum to it is our fault, and said so.
func TestWaitsSum(t *testing.T) {
	p := analysis.NewPartial([]*analysis.Analyzer{Waits})
	e := wait(1, parse.ReadyCreated, map[parse.Cause]int64{parse.CauseUser: 400})
	e.Go.Wait[parse.CauseGC]++
	p.Event(&e)
	rep := analysis.Conclude(&parse.Trace{Symbols: &parse.Symbols{}, To: 1e9}, "", p, []*analysis.Analyzer{Waits}, nil)
	if r := rep.Results[0]; r.Outcome != analysis.Failed || !strings.Contains(r.Reason, "401 ns") {
		t.Errorf("%s: %s", r.Outcome, r.Reason)
	}
}

// TestWaitsBlame: what Ps have in waits, summed by what they did, is what waits
// were made of, up to the waits set apart and a ns for each P and wait.
func TestWaitsBlame(t *testing.T) {
	check := func(path string) {
		f := foldWaits(t, path)
		var all WaitParts
		for r := range f.whole {
			all.Add(&f.whole[r])
		}
		sum := func(states ...parse.ProcState) (ns int64) {
			for _, s := range states {
				for _, b := range f.byFunc[s].ByKey() {
					ns += b.Waits
				}
			}
			return ns
		}
		// Runs of a goroutine that is nameless yet are user work in the parts, and of
		// its true class in the spans of Ps.
		running := all.Parts[parse.CauseUser] + all.Parts[parse.CauseSystem] + all.Parts[parse.CauseGC]
		slack := f.apart.Total + 8*(all.n+f.apart.n)
		for _, c := range []struct {
			name          string
			blamed, parts int64
			slack         int64
		}{
			{"user", sum(parse.ProcUser), all.Parts[parse.CauseUser], slack + running/20},
			{"system", sum(parse.ProcSystem), all.Parts[parse.CauseSystem], slack + running/20},
			{"gc", sum(parse.ProcWorker, parse.ProcAssist), all.Parts[parse.CauseGC], slack + running/20},
			{"all three", sum(parse.ProcUser, parse.ProcSystem, parse.ProcWorker, parse.ProcAssist), running, slack},
			{"syscall", sum(parse.ProcSyscall), all.Parts[parse.CauseSyscall], slack},
			{"scheduler", sum(parse.ProcScheduler), all.Parts[parse.CauseScheduler], slack},
		} {
			if d := c.blamed - c.parts; d > c.slack || -d > c.slack {
				t.Errorf("%s: Ps have %d ns in waits for %s, the waits %d ns; %d ns may differ", path, c.blamed, c.name, c.parts, c.slack)
			}
		}
		for s := range f.bySite {
			var bySite int64
			for _, b := range f.bySite[s].ByKey() {
				bySite += b.Waits
			}
			if hasSite(parse.ProcState(s)) && bySite != sum(parse.ProcState(s)) {
				t.Errorf("%s: %v: %d ns by site, %d ns by function", path, parse.ProcState(s), bySite, sum(parse.ProcState(s)))
			}
		}
	}
	for _, name := range []string{"procs-1", "procs-2", "procs-8", "mixed-go121", "mixed-go124", "gc-assist", "syscall-handoff", "spin-30ms", "netpoll-echo"} {
		check(analysistest.Testdata(t, name))
	}
	t.Run("corpus", func(t *testing.T) {
		for _, name := range []string{"sched/mix-procs2", "gc/assist-gogc10", "versions/go1.25.10"} {
			check(corpus.Trace(t, name))
		}
	})
}

// TestWaitsPlanted checks who made others wait where that is known.
func TestWaitsPlanted(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "spin-30ms"), Waits)
	if got := analysistest.Cell(t, rep, "waits.function", "main.main", "share").(float64); got < .9 {
		t.Errorf("spin-30ms: the spinning goroutine has %v of all waiting", got)
	}
	if got := analysistest.Cell(t, rep, "waits.cause", CauseTexts[parse.CauseUser], "share").(float64); got < .9 {
		t.Errorf("spin-30ms: %v of the waits are for user work", got)
	}

	path := corpus.Trace(t, "cgo/cgo-thread-explosion")
	rep = analysistest.Report(t, path, Waits)
	if got := analysistest.Cell(t, rep, "waits.cause", CauseTexts[parse.CauseSyscall], "share").(float64); got < .8 {
		t.Errorf("cgo-thread-explosion: %v of the waits are for Ps held by calls", got)
	}
}

// TestLastRuns: a goroutine ends without a stack, and is about what its function is known to
// call; what a goroutine of a library served is not known.
func TestLastRuns(t *testing.T) {
	sym := new(parse.Symbols)
	frame := func(fn string) parse.Frame {
		return parse.Frame{Func: sym.Intern(fn), File: sym.Intern("/src/app/main.go"), Line: 7}
	}
	f := new(WaitsFold)
	runs := func(fn string, ns int64, stack parse.StackID) {
		f.byFunc[parse.ProcUser].At(sym.Intern(fn)).Waits += ns
		f.bySite[parse.ProcUser].At(stack).Waits += ns
	}
	walk, serve := sym.InternStack(frame("main.walk"), frame("main.handle.func1")), sym.InternStack(frame("main.get"), frame("net/http.(*conn).serve"))
	runs("main.handle.func1", 20, walk)
	runs("main.handle.func1", 60, 0)
	runs("main.render", 40, 0)
	runs("net/http.(*conn).serve", 30, serve)
	runs("net/http.(*conn).serve", 30, 0)
	tr := &parse.Trace{Symbols: sym}
	want := map[kindID]int64{{sym.Intern("main.handle.func1"), sym.Intern("main.walk")}: 60, {fn: sym.Intern("main.render")}: 40}
	if got := f.ended(tr); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
