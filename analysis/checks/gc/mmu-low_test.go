package gc

import (
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
