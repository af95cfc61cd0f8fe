package gc

import (
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestCostlyMark(t *testing.T) { checktest.Run(t, costlyMark, casesCostlyMark) }

func casesCostlyMark(t *testing.T) {
	const MiB = 1 << 20
	// A cycle of 20 ms on one P for each; live is what each leaves.
	run := func(n int, ns, live int64, goroutines int) [][]parse.Event {
		cycles := gcjMark(n, ns, 4, 1, 0, parse.ModeDedicated)
		for i := range n {
			at := parse.Time(int64(i)*2*ns + 1)
			cycles = append(cycles, parse.Event{Time: at + 10, Kind: parse.KindMetric, GC: at, Metric: parse.Metric{Kind: parse.MetricHeapLive, Value: live}})
		}
		var alive []parse.Event
		for i := range goroutines {
			alive = append(alive, parse.Event{Time: parse.Time(checktest.Length), Kind: parse.KindGoLife, GoLife: &parse.GoLife{ID: parse.GoID(i), Born: 0}})
		}
		return [][]parse.Event{cycles, checktest.Procs(2, parse.ProcUser, checktest.Length), alive}
	}
	checktest.Check(t, costlyMark, nil, []checktest.EventCase{
		{Name: "20 ms for 4 MiB", Want: "warning", Events: run(10, 20*checktest.MSNS, 4*MiB, 200)},
		{Name: "2.5 ms for each", Want: "warning", Events: run(10, 20*checktest.MSNS, 8*MiB, 200)},
		{Name: "just less", Want: "clear", Events: run(10, 20*checktest.MSNS, 8*MiB+1, 200)},
		{Name: "10 %", Want: "warning", Events: run(10, 20*checktest.MSNS, 2*MiB, 200)},
		{Name: "less than 10 %", Want: "note", Events: run(9, 20*checktest.MSNS, 2*MiB, 200)},
		{Name: "5 %", Want: "note", Events: run(5, 20*checktest.MSNS, 4*MiB, 200)},
		{Name: "less than 5 %", Want: "clear", Events: run(4, 20*checktest.MSNS, 4*MiB, 200)},
		{Name: "5 ms a cycle", Want: "warning", Events: run(40, 5*checktest.MSNS, MiB, 200)},
		{Name: "just less a cycle", Want: "clear", Events: run(40, 5*checktest.MSNS-1, MiB, 200)},
		{Name: "three cycles", Want: "warning", Events: run(3, 100*checktest.MSNS, 4*MiB, 200)},
		{Name: "two cycles", Want: "clear", Events: run(2, 100*checktest.MSNS, 4*MiB, 200)},
		{Name: "100 goroutines", Want: "warning", Events: run(10, 20*checktest.MSNS, 4*MiB, 100)},
		{Name: "99 goroutines", Want: "clear", Events: run(10, 20*checktest.MSNS, 4*MiB, 99)},
		{Name: "no live heap told", Want: "not applicable", Events: [][]parse.Event{gcjMark(10, 20*checktest.MSNS, 4, 1, 0, parse.ModeDedicated), checktest.Procs(4, parse.ProcUser, checktest.Length)}},
		{Name: "no cycle", Want: "not applicable", Events: run(0, 0, 0, 0)},
	})
	checktest.ExpectAll(t, All, []checktest.Expect{{Trace: "gc/deep-stacks", Code: "costly-mark", Severity: analysis.Warning, Names: "main.deep"}})
}

// TestCostlyMarkCauses: that cycles take long is why goroutines wait while it marks.
func TestCostlyMarkCauses(t *testing.T) {
	for _, f := range checktest.Fired(t, checktest.PathOf(t, "gc/deep-stacks"), All) {
		if f.Code == "costly-mark" && !slices.Contains(f.Explains, "mark-starves-users") {
			t.Errorf("explains %v", f.Explains)
		}
	}
}
