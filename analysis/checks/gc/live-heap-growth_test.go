package gc

import (
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestLiveHeapGrowth(t *testing.T) { checktest.Run(t, liveHeapGrowth, casesLiveHeapGrowth) }

func casesLiveHeapGrowth(t *testing.T) {
	run := func(step int64, mib ...int64) (out [][]parse.Event) {
		for i, v := range mib {
			out = append(out, checktest.Heap(int64(i)*step+checktest.MSNS, 1<<30, v<<20, v<<20))
		}
		return out
	}
	// With so much in % that lives of what was allocated between two cycles.
	keptAt := func(step, percent int64, mib ...int64) (out [][]parse.Event) {
		out = run(step, mib...)
		for i := 1; i < len(mib); i++ {
			begin := out[i][2].Time
			before := mib[i-1]<<20 + (mib[i]-mib[i-1])<<20*100/percent
			out[i] = slices.Insert(out[i], 2, parse.Event{Time: begin - 4, Kind: parse.KindMetric, Metric: parse.Metric{Kind: parse.MetricHeapLive, Value: before}})
		}
		return out
	}
	kept := func(percent int64, mib ...int64) [][]parse.Event {
		return keptAt(100*checktest.MSNS, percent, mib...)
	}
	slow := func(ms int64, mib ...int64) [][]parse.Event { return keptAt(ms*checktest.MSNS, 100, mib...) }
	const step = 25 * checktest.MSNS
	checktest.Check(t, liveHeapGrowth, nil, []checktest.EventCase{
		{Name: "growing", Want: "note", Events: run(step, 100, 105, 110, 115, 120, 125)},
		{Name: "64 MiB in 1 s", Want: "warning", NS: 2e9, Events: run(200*checktest.MSNS, 100, 110, 120, 130, 140, 164)},
		{Name: "63 MiB in 1 s", Want: "note", NS: 2e9, Events: run(200*checktest.MSNS, 100, 110, 120, 130, 140, 163)},
		{Name: "not quite 1 s", Want: "note", NS: 2e9, Events: run(199*checktest.MSNS, 100, 110, 120, 130, 140, 164)},
		{Name: "four times", Want: "note", Events: run(step, 105, 100, 107, 112, 118, 125)},
		{Name: "three times", Want: "clear", NS: 2e9, Events: kept(20, 107, 105, 100, 112, 118, 125)},
		{Name: "three times after a fall, and all lives", Want: "clear", NS: 2e9, Events: kept(100, 107, 105, 100, 112, 118, 125)},
		{Name: "three times, and four fifths live", Want: "note", NS: 2e9, Events: kept(81, 20, 40, 80, 160)},
		{Name: "three times, and not quite", Want: "clear", NS: 2e9, Events: kept(79, 20, 40, 80, 160)},
		{Name: "twice, and all lives", Want: "clear", NS: 2e9, Events: kept(100, 20, 40, 80)},
		{Name: "four times, by far", Want: "warning", NS: 2e9, Events: run(400*checktest.MSNS, 10, 20, 40, 80, 160)},
		{Name: "five times, by far", Want: "warning", NS: 2e9, Events: run(250*checktest.MSNS, 10, 20, 40, 80, 160, 320)},
		{Name: "all that is allocated lives", Want: "note", Events: run(30*checktest.MSNS, 4, 8, 16, 32, 64)},
		{Name: "three times, and all lives, for a second", Want: "warning", NS: 2e9, Events: slow(340, 20, 40, 80, 160)},
		{Name: "half as fast in the end", Want: "warning", NS: 3e9, Events: run(400*checktest.MSNS, 100, 140, 180, 220, 240, 260, 280)},
		{Name: "more slowly", Want: "note", NS: 3e9, Events: run(400*checktest.MSNS, 100, 140, 180, 222, 242, 262, 281)},
		{Name: "a fifth", Want: "note", Events: run(step, 100, 104, 108, 112, 116, 120)},
		{Name: "less", Want: "clear", Events: run(step, 100, 104, 108, 112, 116, 119)},
		{Name: "16 MiB", Want: "note", Events: run(step, 40, 43, 46, 49, 52, 56)},
		{Name: "15 MiB", Want: "clear", Events: run(step, 40, 43, 46, 49, 52, 55)},
		{Name: "100 ms", Want: "note", Events: run(20*checktest.MSNS+1, 100, 105, 110, 115, 120, 125)},
		{Name: "less than 100 ms", Want: "clear", Events: run(19*checktest.MSNS, 100, 105, 110, 115, 120, 125)},
		{Name: "after a fall", Want: "clear", Events: run(step, 200, 190, 180, 170, 160, 100, 105, 110, 115, 120, 125)},
		{Name: "steady", Want: "clear", Events: run(step, 100, 101, 100, 101, 100, 101)},
		{Name: "one cycle", Want: "not applicable", Events: run(step, 100)},
		{Name: "no cycle", Want: "not applicable"},
	})
}
