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
	// Goals that the program sets, and a GC that takes so many ns of 4 Ps.
	set := func(n int, gc, length int64, value func(i int) int64) [][]parse.Event {
		var goals []parse.Event
		for i := range n + 1 {
			goals = append(goals, parse.Event{Time: parse.Time(i + 1), Kind: parse.KindMetric, Metric: parse.Metric{Kind: parse.MetricHeapGoal, Value: value(i), Setter: 1}})
		}
		goals[0].Metric.Setter = 0
		return [][]parse.Event{goals, checktest.Procs(4, parse.ProcUser, length), checktest.Marking(gc, length, 4, 1, parse.ProcWorker)}
	}
	swings := func(i int) int64 { return int64(100+i%2*10) * MiB }
	const all = checktest.Length
	checktest.Check(t, gcPacingChange, nil, []checktest.EventCase{
		{Name: "sets it four times", Want: "warning", Events: set(4, all/4, all, swings)},
		{Name: "three times", Want: "not applicable", Events: set(3, all/4, all, swings)},
		{Name: "one in two seconds", Want: "warning", NS: 10e9, Events: set(5, 10e9/4, 10e9, swings)},
		{Name: "more rarely", Want: "not applicable", NS: 10.1e9, Events: set(5, 10e9/4, 10.1e9, swings)},
		{Name: "a GC of 5 %", Want: "warning", Events: set(4, all/5+1000, all, swings)},
		{Name: "of less", Want: "note", Events: set(4, all/5-100_000, all, swings)},
		{Name: "a GC of half a percent", Want: "note", Events: set(4, all/50+1000, all, swings)},
		{Name: "of less than that", Want: "not applicable", Events: set(4, all/50-100_000, all, swings)},
		{Name: "about the same again and again", Want: "not applicable", Events: set(9, all/4, all, func(i int) int64 { return int64(100+i%2*9) * MiB })},
	})
	checktest.ExpectAll(t, All, []checktest.Expect{{Trace: "gc/gogc-change", Code: "gc-pacing-change", Severity: analysis.Note, Names: ""}})
}
