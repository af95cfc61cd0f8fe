package stw

import (
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestSTWStraggler(t *testing.T) { checktest.Run(t, stwStraggler, casesSTWStraggler) }

func casesSTWStraggler(t *testing.T) {
	sym, _ := checktest.SymbolsOf(t, "stw-kinds")
	fn, other, third := checktest.StringOf(t, sym, "main.computeUntil"), checktest.StringOf(t, sym, "main.forceGC"), checktest.StringOf(t, sym, "main.writeHeapDump")
	late := func(n int, ns int64, fn parse.StringID) []parse.Event {
		return checktest.Stops(n, true, ns, ns+50*checktest.USNS, fn, parse.ProcUser)
	}
	checktest.Check(t, stwStraggler, sym, []checktest.EventCase{
		{Name: "late", Want: "warning", Events: [][]parse.Event{late(3, checktest.MSNS, fn)}},
		{Name: "just less late", Want: "clear", Events: [][]parse.Event{late(3, 990*checktest.USNS, fn)}},
		{Name: "a time slice", Want: "error", Events: [][]parse.Event{late(3, 10*checktest.MSNS, fn)}},
		{Name: "just less than it", Want: "warning", Events: [][]parse.Event{late(3, 9900*checktest.USNS, fn)}},
		{Name: "twice", Want: "clear", Events: [][]parse.Event{late(2, 10*checktest.MSNS, fn)}},
		{Name: "half of such time", Want: "warning", Events: [][]parse.Event{late(4, checktest.MSNS, fn), late(2, checktest.MSNS, other), late(2, checktest.MSNS, third)}},
		{Name: "less than half", Want: "clear", Events: [][]parse.Event{late(4, checktest.MSNS, fn), late(3, checktest.MSNS, other), late(2, checktest.MSNS, third)}},
		{Name: "idle Ps", Want: "clear", Events: [][]parse.Event{checktest.Stops(9, true, checktest.MSNS, 2*checktest.MSNS, fn, parse.ProcIdle)}},
		{Name: "the runtime's own", Want: "clear", Events: [][]parse.Event{checktest.Stops(9, true, checktest.MSNS, 2*checktest.MSNS, fn, parse.ProcSystem)}},
		{Name: "healthy", Want: "clear", Events: [][]parse.Event{late(9, 20*checktest.USNS, fn)}},
		{Name: "no stop", Want: "not applicable"},
	})
}

// TestWhichStops: who asks for many stops is the cause, also if the program's code is late
// in a few of them; where it is late in most, that code is.
func TestWhichStops(t *testing.T) {
	sym, _ := checktest.SymbolsOf(t, "stw-kinds")
	fn := checktest.StringOf(t, sym, "main.computeUntil")
	for late, want := range map[int]string{4: "stw-by-tooling", 40: "stw-straggler"} {
		checks := []*analysis.Analyzer{stwStraggler, stwByTooling}
		p := analysis.NewPartial(checks)
		for i := range 50 {
			stopping := int64(50 * checktest.USNS)
			if i < late {
				stopping = 12 * checktest.MSNS
			}
			e := checktest.StopOf(i, false, stopping, stopping+20*checktest.USNS, fn, parse.ProcUser)
			p.Event(&e)
		}
		tr := parse.Trace{Symbols: sym, To: 1e9, Last: 1e9, Version: 26}
		rep := analysis.ByThresholds(&tr, "synthetic", p, checks, nil)
		rep.Fold()
		found := rep.Findings()
		if len(found) != 1 || found[0].Code != want || len(found[0].Symptoms) != 1 {
			t.Errorf("late in %d of 50: %+v, want %s with the other under it", late, found, want)
		}
	}
}

// TestStragglerCosts: a wait for code that stops late is no work of the GC, though the pauses
// are the GC's; and what happens in these stops is of them.
func TestStragglerCosts(t *testing.T) {
	sym, _ := checktest.SymbolsOf(t, "stw-kinds")
	fn := checktest.StringOf(t, sym, "main.computeUntil")
	const L = checktest.Length
	for pause, want := range map[int64]bool{12: true, 1: false} { // ms in each cycle, beside 4 ms of marking
		var events []parse.Event
		for i := range int64(10) {
			at := i * 20 * checktest.MSNS
			iv := checktest.Interval(at, at+pause*checktest.MSNS, 4, 4, parse.ProcUser)
			iv.Interval.STW, iv.Interval.GCPs = true, 4
			mark := checktest.Interval(at+pause*checktest.MSNS, at+(pause+4)*checktest.MSNS, 4, 4, parse.ProcWorker)
			events = append(events, checktest.StopOf(int(i), true, pause*checktest.MSNS, pause*checktest.MSNS+1000, fn, parse.ProcUser), iv, mark)
		}
		tr := &parse.Trace{Symbols: sym, Version: 26, To: parse.Time(L), Last: parse.Time(L), Quantum: 1, Procs: 4}
		f := checktest.RunOn(t, tr, stwStraggler, events).Findings[0]
		if got := slices.Contains(f.Explains, "gc-cpu-dominant"); got != want || len(f.During) != 10 {
			t.Errorf("pauses of %d ms: explains %v, acts %d times", pause, f.Explains, len(f.During))
		}
	}
}
