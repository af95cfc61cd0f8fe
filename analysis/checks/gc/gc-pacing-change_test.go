package gc

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestGCPacingChange(t *testing.T) { checktest.Run(t, gcPacingChange, casesGCPacingChange) }

func casesGCPacingChange(t *testing.T) {
	const MiB = 1 << 20
	// Cycles with that goal for 10 MiB live.
	run := func(live int64, goals ...int64) [][]parse.Event {
		var out []parse.Event
		for i, goal := range goals {
			out = append(out, checktest.Heap(int64(i+1)*10*checktest.MSNS, goal, live+MiB, live)...)
		}
		return [][]parse.Event{out, {checktest.Interval(0, checktest.Length, 4, 0, parse.ProcUser)}}
	}
	checktest.Check(t, gcPacingChange, nil, []checktest.EventCase{
		{Name: "GOGC 100 to 20", Want: "note", Events: run(10*MiB, 20*MiB, 20*MiB, 20*MiB, 20*MiB, 12*MiB, 12*MiB, 12*MiB)},
		{Name: "by 1.4", Want: "note", Events: run(10*MiB, 14*MiB+100, 14*MiB+100, 14*MiB+100, 14*MiB+100, 10*MiB, 10*MiB, 10*MiB)},
		{Name: "by less", Want: "clear", Events: run(10*MiB, 14*MiB-100, 14*MiB-100, 14*MiB-100, 14*MiB-100, 10*MiB, 10*MiB, 10*MiB)},
		{Name: "two cycles only", Want: "clear", Events: run(10*MiB, 20*MiB, 20*MiB, 20*MiB, 20*MiB, 12*MiB, 12*MiB)},
		{Name: "two outliers", Want: "clear", Events: run(10*MiB, 20*MiB, 20*MiB, 20*MiB, 20*MiB, 12*MiB, 12*MiB, 20*MiB, 20*MiB, 20*MiB)},
		{Name: "8 MiB", Want: "note", Events: run(8*MiB, 20*MiB, 20*MiB, 20*MiB, 20*MiB, 12*MiB, 12*MiB, 12*MiB)},
		{Name: "a smaller heap", Want: "not applicable", Events: run(8*MiB-1, 20*MiB, 20*MiB, 20*MiB, 20*MiB, 12*MiB, 12*MiB, 12*MiB)},
		{Name: "steady", Want: "clear", Events: run(10*MiB, 20*MiB, 20*MiB, 20*MiB, 20*MiB)},
		{Name: "one cycle", Want: "not applicable", Events: run(10*MiB, 20*MiB)},
	})
	checktest.ExpectAll(t, All, []checktest.Expect{{Trace: "gc/gogc-change", Code: "gc-pacing-change", Severity: analysis.Note, Names: ""}})
}
