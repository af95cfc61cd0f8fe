package gc

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestHeapOvershoot(t *testing.T) { checktest.Run(t, heapOvershoot, casesHeapOvershoot) }

func casesHeapOvershoot(t *testing.T) {
	run := func(n int, goal, peak int64) (out [][]parse.Event) {
		for i := range n {
			out = append(out, checktest.Heap(int64(i+1)*checktest.MSNS, goal<<10, peak<<10, goal<<9))
		}
		return out
	}
	checktest.Check(t, heapOvershoot, nil, []checktest.EventCase{
		{Name: "three", Want: "note", Events: run(3, 100<<10, 110<<10)},
		{Name: "two", Want: "clear", Events: run(2, 100<<10, 110<<10)},
		{Name: "less", Want: "clear", Events: run(3, 100<<10, 109<<10)},
		{Name: "1 MiB", Want: "note", Events: run(3, 4<<10, 5<<10)},
		{Name: "less than 1 MiB", Want: "clear", Events: run(3, 4<<10, 5<<10-1)},
		{Name: "healthy", Want: "clear", Events: run(9, 100<<10, 99<<10)},
		{Name: "no goal", Want: "not applicable", Events: [][]parse.Event{checktest.Cycles(9, 0)}},
	})
	// Where the heap is above already when a cycle begins it is no matter of marking.
	for before, want := range map[int64]string{90: "Marking is too slow", 115: "single allocations are larger"} {
		var evs [][]parse.Event
		for i := range int64(3) {
			at := (i + 1) * checktest.MSNS
			evs = append(evs, []parse.Event{{Time: parse.Time(at - 5), Kind: parse.KindMetric, Metric: parse.Metric{Kind: parse.MetricHeapLive, Value: before << 20}}})
			evs = append(evs, checktest.Heap(at, 100<<20, 120<<20, 50<<20))
		}
		tr := &parse.Trace{Symbols: &parse.Symbols{}, Version: 26, To: parse.Time(checktest.Length), Last: parse.Time(checktest.Length), Quantum: 1, Procs: 4}
		found := checktest.Concluded(tr, heapOvershoot, slices.Concat(evs...)).Results[0].Findings
		if len(found) != 1 || !strings.Contains(found[0].Summary+found[0].Advice, want) {
			t.Errorf("%d MiB before a goal of 100 MiB: %+v, want %q", before, found, want)
		}
	}
}
