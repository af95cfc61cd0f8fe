package gc

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestMMULow(t *testing.T) { checktest.Run(t, mmuLow, casesMMULow) }

func casesMMULow(t *testing.T) {
	const L = checktest.Length
	run := func(ns int64, gcps int32) [][]parse.Event {
		return [][]parse.Event{checktest.Procs(100, parse.ProcUser, L), checktest.Marking(ns, L, 100, gcps, parse.ProcWorker), checktest.Cycles(1, 0)}
	}
	checktest.Check(t, mmuLow, nil, []checktest.EventCase{
		{Name: "dip", Want: "note", Events: run(50*checktest.MSNS, 52)},
		{Name: "half", Want: "clear", Events: run(50*checktest.MSNS, 50)},
		{Name: "deep and often", Want: "warning", Events: run(130*checktest.MSNS, 81)},
		{Name: "deep", Want: "note", Events: run(90*checktest.MSNS, 81)},
		{Name: "deep and rare", Want: "clear", Events: run(15*checktest.MSNS, 81)},
		{Name: "not so deep", Want: "note", Events: run(90*checktest.MSNS, 79)},
		{Name: "long", Want: "warning", Events: run(180*checktest.MSNS, 61)},
		{Name: "not so low", Want: "note", Events: run(180*checktest.MSNS, 59)},
		{Name: "healthy", Want: "clear", Events: run(180*checktest.MSNS, 25)},
		{Name: "short", Want: "not applicable", NS: 5 * checktest.MSNS, Events: [][]parse.Event{checktest.Marking(checktest.MSNS, 5*checktest.MSNS, 4, 4, parse.ProcWorker), checktest.Cycles(1, 0)}},
		{Name: "no cycle", Want: "not applicable", Events: run(0, 0)[:2]},
	})
}

// TestMMUAdvice: the advice is about what takes most of the Ps.
func TestMMUAdvice(t *testing.T) {
	const L = checktest.Length
	for state, want := range map[parse.ProcState]string{parse.ProcWorker: "Make cycles rarer", parse.ProcAssist: "Allocate less while it marks"} {
		tr := &parse.Trace{Symbols: new(parse.Symbols), Version: 26, To: parse.Time(L), Last: parse.Time(L), Quantum: 1, Procs: 100}
		f := checktest.RunOn(t, tr, mmuLow, checktest.Procs(100, parse.ProcUser, L), checktest.Marking(130*checktest.MSNS, L, 100, 81, state), checktest.Cycles(1, 0)).Findings[0]
		if !strings.HasPrefix(f.Advice, want) {
			t.Errorf("%v: %s", state, f.Advice)
		}
	}
}
