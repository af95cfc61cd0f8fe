package gc

import (
	"slices"
	"testing"

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
