package gc

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestGCCPUDominant(t *testing.T) { checktest.Run(t, gcCPUDominant, casesGCCPUDominant) }

func casesGCCPUDominant(t *testing.T) {
	const L = checktest.Length
	user := checktest.Procs(4, parse.ProcUser, L)
	run := func(marking int64, gcps int32, cycles int) [][]parse.Event {
		return [][]parse.Event{user, checktest.Marking(marking, L, 4, gcps, parse.ProcWorker), checktest.Cycles(cycles, 0)}
	}
	unfinished := checktest.Cycles(4, 0)
	for i := range unfinished {
		unfinished[i].Range.Unfinished = true
	}
	tiny := func(ns int64) [][]parse.Event {
		return [][]parse.Event{checktest.Procs(1, parse.ProcUser, 100*checktest.MSNS), checktest.Marking(ns, 100*checktest.MSNS, 1, 1, parse.ProcWorker), checktest.Cycles(5, 0)}
	}
	checktest.Check(t, gcCPUDominant, nil, []checktest.EventCase{
		{Name: "half of the time", Want: "warning", Events: run(L/2+checktest.MSNS, 2, 6)},
		{Name: "just less", Want: "clear", Events: run(L/2-5*checktest.MSNS, 2, 6)},
		{Name: "ten a second", Want: "warning", Events: run(L/5, 4, 9)},
		{Name: "just fewer", Want: "clear", Events: run(L/5, 4, 8)},
		{Name: "cheap", Want: "clear", Events: run(L/10, 4, 30)},
		{Name: "just not cheap", Want: "warning", Events: run(L*151/1000, 4, 30)},
		{Name: "nearly always", Want: "error", Events: run(L*81/100, 4, 30)},
		{Name: "nearly always, cheaper", Want: "warning", Events: run(L*81/100, 1, 6)},
		{Name: "few cycles", Want: "clear", Events: run(L*81/100, 4, 4)},
		{Name: "a nearly idle program", Want: "clear", NS: 100 * checktest.MSNS, Events: tiny(49 * checktest.MSNS)},
		{Name: "not so idle", Want: "warning", NS: 100 * checktest.MSNS, Events: tiny(52 * checktest.MSNS)},
		{Name: "one long mark", Want: "clear", Events: append(run(L*81/100, 4, 1), unfinished)},
		{Name: "two marks", Want: "error", Events: append(run(L*81/100, 4, 2), unfinished)},
		{Name: "less than a quarter", Want: "warning", Events: run(L*82/100, 1, 30)},
		{Name: "a twentieth of the Ps", Want: "error", Events: [][]parse.Event{user, checktest.Marking(L, L, 38, 2, parse.ProcWorker), checktest.Cycles(30, 0)}},
		{Name: "just less of the Ps", Want: "clear", Events: [][]parse.Event{user, checktest.Marking(L, L, 42, 2, parse.ProcWorker), checktest.Cycles(30, 0)}},
		{Name: "healthy", Want: "clear", Events: run(L/50, 1, 2)},
		{Name: "no cycle", Want: "not applicable", Events: run(0, 0, 0)},
	})
}

// Idle workers take Ps that nobody uses.
func TestGCCPUDominantIdleWorkers(t *testing.T) {
	iv := parse.Interval{Since: 0, Procs: 4, Marking: true}
	iv.P[parse.ProcWorker], iv.P[parse.ProcUser] = 3, 1
	checktest.Check(t, gcCPUDominant, nil, []checktest.EventCase{{Name: "idle workers", Want: "clear", Events: [][]parse.Event{
		checktest.Procs(1, parse.ProcUser, checktest.Length), {{Time: parse.Time(checktest.Length), Kind: parse.KindInterval, Interval: &iv}}, checktest.Cycles(30, 0),
	}}})
}

// TestSmallGOGC: stacks and globals add to the goal, so that room tells what GOGC is at most:
// a program with GOGC=10 has goals of 1.103 times what lives.
func TestSmallGOGC(t *testing.T) {
	for room, want := range map[float64]string{1.103: "GOGC ≤ 10", 1.15: "GOGC ≤ 15", 1.01: "", 1.7: "", 1.002: "a memory limit leaves no room"} {
		if got := smallGOGC(room, true); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%g: %q, want %q", room, got, want)
		}
	}
}

// TestFewAssists: a place is named from ten assists on, and where they did more than ten of
// the least do; with fewer it is chance.
func TestFewAssists(t *testing.T) {
	const L = checktest.Length
	for _, c := range []struct {
		n    int
		cpu  int64
		want bool
	}{{9, 200e3, false}, {10, 100e3, true}, {10, 99e3, false}} {
		var sym parse.Symbols
		stack := sym.InternStack(parse.Frame{Func: sym.Intern("main.fill"), Line: 7}, parse.Frame{Func: sym.Intern("main.main"), Line: 9})
		assists := checktest.Times(c.n, parse.Event{Time: 300_000, Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeAssist, Since: 1000, Until: 300_000, CPU: c.cpu, Stack: stack}})
		tr := &parse.Trace{Symbols: &sym, Version: 26, To: parse.Time(L), Last: parse.Time(L), Quantum: 1, Procs: 4}
		r := checktest.RunOn(t, tr, gcCPUDominant, checktest.Procs(4, parse.ProcUser, L), checktest.Marking(L*9/10, L, 4, 2, parse.ProcWorker), checktest.Cycles(30, 0), assists)
		if got := strings.Contains(r.Findings[0].Summary, "most is allocated at main.fill"); got != c.want {
			t.Errorf("%d assists of %d ns: %s", c.n, c.cpu, r.Findings[0].Summary)
		}
	}
}

// TestAllocatedAt: the place is told by what assists did in all of a function, not by how
// long they waited, nor by how many goroutines that had just begun did a little.
func TestAllocatedAt(t *testing.T) {
	const L = checktest.Length
	var sym parse.Symbols
	stack := func(fn string, line uint32) parse.StackID {
		return sym.InternStack(parse.Frame{Func: sym.Intern(fn), File: sym.Intern("/src/app/main.go"), Line: line}, parse.Frame{Func: sym.Intern("main.main"), Line: 9})
	}
	assists := func(n int, wall, cpu int64, stack parse.StackID) []parse.Event {
		return checktest.Times(n, parse.Event{Time: 100_000, Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeAssist, Since: parse.Time(100_000 - wall), Until: 100_000, CPU: cpu, Stack: stack}})
	}
	tr := &parse.Trace{Symbols: &sym, Version: 26, To: parse.Time(L), Last: parse.Time(L), Quantum: 1, Procs: 4}
	r := checktest.RunOn(t, tr, gcCPUDominant, checktest.Procs(4, parse.ProcUser, L), checktest.Marking(L*9/10, L, 4, 2, parse.ProcWorker), checktest.Cycles(30, 0),
		assists(90, 99_000, 6000, stack("main.young", 3)), assists(30, 90_000, 40_000, stack("main.decode", 5)), assists(8, 90_000, 80_000, stack("main.load", 7)), assists(8, 90_000, 85_000, stack("main.load", 8)))
	if got := r.Findings[0].Summary; !strings.Contains(got, "most is allocated at main.load:8") {
		t.Error(got)
	}
}

// TestWhoAllocates: who did most of the assist allocates most, not who waited longest in
// it; and nobody does where each place has less than a third.
func TestWhoAllocates(t *testing.T) {
	const L = checktest.Length
	var sym parse.Symbols
	entry := parse.Frame{Func: sym.Intern("main.main"), Line: 9}
	assists := func(fn string, cpu, wall parse.Time) []parse.Event {
		stack := sym.InternStack(parse.Frame{Func: sym.Intern(fn), Line: 7}, entry)
		return checktest.Times(20, parse.Event{Time: 1000 + wall, Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeAssist, Since: 1000, Until: 1000 + wall, CPU: int64(cpu), Stack: stack}})
	}
	run := func(a *analysis.Analyzer, events ...[]parse.Event) string {
		tr := &parse.Trace{Symbols: &sym, Version: 26, To: parse.Time(L), Last: parse.Time(L), Quantum: 1, Procs: 4}
		return checktest.RunOn(t, tr, a, append(events, checktest.Procs(4, parse.ProcUser, L), checktest.Marking(L*9/10, L, 4, 2, parse.ProcAssist), checktest.Cycles(30, 0))...).Findings[0].Summary
	}
	build, handle := assists("main.build", 50_000, 60_000), assists("main.handle", 1000, 900_000)
	if got := run(gcCPUDominant, build, handle); !strings.Contains(got, "most is allocated at main.build") {
		t.Error(got)
	}
	if got := run(assistHeavy, build, handle); !strings.Contains(got, "most of that at main.build") || !strings.Contains(got, "longest at main.handle") {
		t.Error(got)
	}
	if got := run(assistHeavy, build, build); strings.Contains(got, "longest at") {
		t.Error(got)
	}
	if got := run(gcCPUDominant, build, assists("main.a", 49_000, 49_000), assists("main.b", 49_000, 49_000), assists("main.c", 49_000, 49_000)); strings.Contains(got, "most is allocated") {
		t.Error(got)
	}
}

// TestWhoBeginsCycles: whose allocations begin half of ten cycles or more allocates most,
// though others do most of the assist; cycles that are forced tell nothing of that.
func TestWhoBeginsCycles(t *testing.T) {
	const L = checktest.Length
	var sym parse.Symbols
	stack := func(line uint32, fns ...string) parse.StackID {
		var frames []parse.Frame
		for _, fn := range append(fns, "main.main") {
			frames = append(frames, parse.Frame{Func: sym.Intern(fn), File: sym.Intern("/src/app/main.go"), Line: line})
		}
		return sym.InternStack(frames...)
	}
	assists := checktest.Times(40, parse.Event{Time: 200_000, Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeAssist, Since: 1000, Until: 200_000, CPU: 150_000, Stack: stack(3, "runtime.mallocgc", "main.handle")}})
	fetch, other, forced := stack(7, "runtime.mallocgc", "main.fetch"), stack(8, "runtime.mallocgc", "main.other"), stack(9, "runtime.GC", "main.flush")
	for _, c := range []struct {
		fetch, other, forced int
		want                 string
	}{
		{10, 10, 30, "main.fetch:7"}, {9, 0, 30, "main.handle:3"}, {9, 11, 0, "main.other:8"}, {7, 7, 0, "main.fetch:7"},
	} {
		tr := &parse.Trace{Symbols: &sym, Version: 26, To: parse.Time(L), Last: parse.Time(L), Quantum: 1, Procs: 4}
		for _, a := range []*analysis.Analyzer{gcCPUDominant, assistHeavy} {
			r := checktest.RunOn(t, tr, a, checktest.Procs(4, parse.ProcUser, L), checktest.Marking(L*9/10, L, 4, 2, parse.ProcAssist), assists,
				checktest.Cycles(c.fetch, fetch), checktest.Cycles(c.other, other), checktest.Cycles(c.forced, forced), checktest.Cycles(30, 0))
			if got := r.Findings[0].Summary; c.want != "main.handle:3" && !strings.Contains(got, "most is allocated at "+c.want) || a == gcCPUDominant && !strings.Contains(got, c.want) {
				t.Errorf("%+v: %s", c, got)
			}
		}
	}
}
