package gc

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestSweepOnAllocation(t *testing.T) { checktest.Run(t, sweepOnAllocation, casesSweepOnAllocation) }

func casesSweepOnAllocation(t *testing.T) {
	run := func(length, sweep int64) [][]parse.Event {
		return [][]parse.Event{checktest.Procs(1, parse.ProcUser, length), checktest.Cycles(1, 0), {{Time: parse.Time(sweep + 1000), Kind: parse.KindRangeEnd,
			Range: &parse.Range{Kind: parse.RangeSweep, Since: 1000, Until: parse.Time(sweep + 1000), BytesSwept: 8192, Stack: 1}}}}
	}
	checktest.Check(t, sweepOnAllocation, nil, []checktest.EventCase{
		{Name: "much", Want: "note", Events: run(checktest.Length, 27*checktest.MSNS)},
		{Name: "just less", Want: "clear", Events: run(checktest.Length, 26900*checktest.USNS)},
		{Name: "short", Want: "clear", NS: 90 * checktest.MSNS, Events: run(90*checktest.MSNS, 4900*checktest.USNS)},
		{Name: "not so short", Want: "note", NS: 90 * checktest.MSNS, Events: run(90*checktest.MSNS, 5*checktest.MSNS)},
		{Name: "healthy", Want: "clear", Events: run(checktest.Length, 10*checktest.USNS)},
		{Name: "no cycle", Want: "not applicable", Events: run(checktest.Length, 0)[:1]},
	})
}
