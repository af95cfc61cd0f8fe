package gc

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

// gcjForced is a stack in which runtime.GC begins a cycle.
func gcjForced(t *testing.T) (*parse.Symbols, parse.StackID) {
	t.Helper()
	sym, evs := checktest.SymbolsOf(t, "stw-kinds")
	i := slices.IndexFunc(evs, func(e parse.Event) bool { return e.Kind == parse.KindRangeEnd && e.Range.Kind == parse.RangeGC })
	return sym, evs[i].Range.Stack
}

func TestForcedGC(t *testing.T) { checktest.Run(t, forcedGC, casesForcedGC) }

func casesForcedGC(t *testing.T) {
	sym, forced := gcjForced(t)
	checktest.Check(t, forcedGC, sym, []checktest.EventCase{
		{Name: "two", Want: "warning", Events: [][]parse.Event{checktest.Cycles(2, forced)}},
		{Name: "one", Want: "clear", Events: [][]parse.Event{checktest.Cycles(1, forced)}},
		{Name: "a tenth", Want: "warning", Events: [][]parse.Event{checktest.Cycles(2, forced), checktest.Cycles(18, 0)}},
		{Name: "less than that", Want: "clear", Events: [][]parse.Event{checktest.Cycles(2, forced), checktest.Cycles(19, 0)}},
		{Name: "one in 10 s", Want: "warning", NS: 20e9, Events: [][]parse.Event{checktest.Cycles(2, forced)}},
		{Name: "rarely", Want: "clear", NS: 20.1e9, Events: [][]parse.Event{checktest.Cycles(2, forced)}},
		{Name: "healthy", Want: "clear", Events: [][]parse.Event{checktest.Cycles(20, 0)}},
		{Name: "no cycle", Want: "not applicable"},
	})
}

// TestLeakProfile: a cycle of a goroutine-leak profile is one that the program forces, by
// a trigger of its own that has its own advice.
func TestLeakProfile(t *testing.T) {
	var sym parse.Symbols
	stack := func(fns ...string) parse.StackID {
		var frames []parse.Frame
		for _, fn := range fns {
			frames = append(frames, parse.Frame{Func: sym.Intern(fn), Line: 1})
		}
		return sym.InternStack(frames...)
	}
	// As a program of Go 1.27 recorded it.
	leak := stack("runtime.GC", "runtime/pprof.runtime_goroutineLeakGC", "runtime/pprof.writeGoroutineLeak", "runtime/pprof.(*Profile).WriteTo", "main.main", "runtime.main")
	own := stack("runtime.GC", "main.main", "runtime.main")
	const profile, calls = "Collect the goroutine-leak profile", "remove the calls of runtime.GC"
	for _, c := range []struct {
		name         string
		events       [][]parse.Event
		want, wanted string // in the advice
		not          string
	}{
		{"profiles", [][]parse.Event{checktest.Cycles(3, leak)}, profile, "less often", calls},
		{"calls", [][]parse.Event{checktest.Cycles(3, own)}, calls, "gc.cycles", "profile"},
		{"both", [][]parse.Event{checktest.Cycles(3, own), checktest.Cycles(2, leak)}, calls, "2 of them are goroutine-leak profiles", profile},
	} {
		tr := &parse.Trace{Symbols: &sym, Version: 26, To: 1e9, Last: 1e9, Quantum: 1, Procs: 4}
		found := checktest.Concluded(tr, forcedGC, slices.Concat(c.events...)).Results[0].Findings
		if len(found) != 1 || !strings.Contains(found[0].Advice, c.want) || !strings.Contains(found[0].Advice, c.wanted) || strings.Contains(found[0].Advice, c.not) {
			t.Errorf("%s: %+v, want %q and %q, not %q", c.name, found, c.want, c.wanted, c.not)
		}
	}
}

// TestForcedGCExplains: what the GC does to others is the fault of who asks for it, when most
// cycles are forced; who waits for a P waits for that, too, while they take most of the time.
func TestForcedGCExplains(t *testing.T) {
	var sym parse.Symbols
	own := sym.InternStack(parse.Frame{Func: sym.Intern("runtime.GC"), Line: 1}, parse.Frame{Func: sym.Intern("main.handle"), Line: 22})
	for _, c := range []struct {
		forced, others int
		wall           int64 // of each
		gc, waits      bool
	}{
		{6, 4, 110e6, true, true},
		{6, 4, 90e6, true, false},
		{5, 5, 150e6, false, false},
	} {
		var events []parse.Event
		cycles := func(n int, stack parse.StackID, wall int64) {
			for range n {
				events = append(events, parse.Event{Time: parse.Time(wall), Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeGC, Stack: stack, Until: parse.Time(wall), MarkBegin: 1, MarkEnd: parse.Time(wall)}})
			}
		}
		cycles(c.forced, own, c.wall)
		cycles(c.others, 0, 1e6)
		tr := &parse.Trace{Symbols: &sym, Version: 26, To: 1e9, Last: 1e9, Quantum: 1, Procs: 4}
		found := checktest.Concluded(tr, forcedGC, events).Results[0].Findings
		if len(found) != 1 {
			t.Fatalf("%+v: %+v", c, found)
		}
		for code, want := range map[string]bool{"gc-cpu-dominant": c.gc, "request-path/gc": c.gc, "latency-tail": c.waits, "request-path/starved": c.waits} {
			if slices.Contains(found[0].Explains, code) != want {
				t.Errorf("%+v: explains %v", c, found[0].Explains)
			}
		}
	}
}

// TestGCHoldsPs: who waits for a P that the GC has waits for who forces its cycles, or sets
// its pace.
func TestGCHoldsPs(t *testing.T) {
	for cause, want := range map[parse.Cause]bool{parse.CauseGC: true, parse.CauseUser: false} {
		for _, check := range []*analysis.Analyzer{forcedGC, gcPacingChange} {
			tr := checktest.New(t, checktest.S)
			tr.Waits(100, 0, checktest.MS, func(g *parse.Go) { g.Wait[parse.CauseUser], g.Wait[cause] = 0, checktest.MS })
			events := checktest.Cycles(3, tr.InternStack(parse.Frame{Func: tr.Intern("runtime.GC"), Line: 1}, parse.Frame{Func: tr.Intern("main.handle"), Line: 22}))
			events = append(append(events, checktest.Procs(4, parse.ProcUser, checktest.S)...), checktest.Marking(checktest.S/4, checktest.S, 4, 1, parse.ProcWorker)...)
			for i := range parse.Time(6) {
				events = append(events, parse.Event{Time: i + 1, Kind: parse.KindMetric, Metric: parse.Metric{Kind: parse.MetricHeapGoal, Value: int64(1+i%2) << 27, Setter: 1}})
			}
			for _, e := range events {
				tr.Add(e)
			}
			found := checktest.Report(t, check, tr).Results[0].Findings
			if len(found) != 1 || slices.Contains(found[0].Explains, "latency-tail") != want {
				t.Errorf("%s, waits for %v: %+v", check.Name, cause, found)
			}
		}
	}
}
