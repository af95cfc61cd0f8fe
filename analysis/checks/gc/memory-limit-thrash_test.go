package gc

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestMemoryLimitThrash(t *testing.T) { checktest.Run(t, memoryLimitThrash, casesMemoryLimitThrash) }

func casesMemoryLimitThrash(t *testing.T) {
	const L = checktest.Length
	user := checktest.Procs(4, parse.ProcUser, L)
	goals := func(v ...int64) (out []parse.Event) {
		for i, v := range v {
			out = append(out, parse.Event{Time: parse.Time(int64(i) * checktest.MSNS), Kind: parse.KindMetric, Metric: parse.Metric{Kind: parse.MetricHeapGoal, Value: v}})
		}
		return out
	}
	run := func(marking int64, gcps int32, cycles int, goal ...int64) [][]parse.Event {
		return [][]parse.Event{user, checktest.Marking(marking, L, 4, gcps, parse.ProcWorker), checktest.Cycles(cycles, 0), goals(goal...)}
	}
	// Goals that move with what lives after each cycle, so many thousandths of it.
	tight := func(marking int64, gcps int32, goal int64) (out [][]parse.Event) {
		out = run(marking, gcps, 0)
		for i := range int64(6) {
			before, after := 1000-(i+1)%2*50, 1000-i%2*50
			out = append(out, checktest.Heap(1000+i*checktest.MSNS, goal*before/1000, 1100, after), checktest.Cycles(1, 0))
		}
		return out
	}
	// Goals that do not move beside a live heap that does not either.
	flat := func(goal int64) (out [][]parse.Event) {
		out = run(L*84/100, 2, 0)
		for i := range int64(6) {
			out = append(out, checktest.Heap(1000+i*checktest.MSNS, goal, 1200, 1000), checktest.Cycles(1, 0))
		}
		return out
	}
	// Cycles that mark next to nothing, with so many hundredths of P time in the runtime.
	sweeping := func(length, share int64, cycles int, goal ...int64) [][]parse.Event {
		var ps []parse.Event
		for id := range parse.ProcID(4) {
			ps = append(ps,
				analysistest.ProcSpan(id, parse.ProcScheduler, parse.ProcSystem, parse.ProcUser, 0, length*share/100),
				analysistest.ProcSpan(id, parse.ProcSystem, parse.ProcUser, parse.ProcUndetermined, length*share/100, length))
		}
		return [][]parse.Event{ps, checktest.Marking(0, length, 4, 0, parse.ProcWorker), checktest.Cycles(cycles, 0), goals(goal...)}
	}
	sym, forced := gcjForced(t)
	checktest.Check(t, memoryLimitThrash, sym, []checktest.EventCase{
		{Name: "no room", Want: "error", Events: run(L*84/100, 2, 5, 1000, 980, 1000)},
		{Name: "one goal", Want: "error", Events: run(L*84/100, 2, 5, 1000)},
		{Name: "gaps", Want: "clear", Events: run(L*82/100, 2, 5, 1000)},
		{Name: "less of the CPU", Want: "clear", Events: run(L*84/100, 1, 5, 1000)},
		{Name: "goals that move", Want: "clear", Events: run(L*84/100, 2, 5, 1000, 979)},
		{Name: "few cycles", Want: "clear", Events: run(L*84/100, 2, 4, 1000)},
		{Name: "healthy", Want: "clear", Events: run(L/50, 1, 2, 1000)},
		{Name: "GOGC=off", Want: "error", Events: run(L*84/100, 2, 5, 0, 0)},
		{Name: "GOGC=off for a time", Want: "clear", Events: run(L*84/100, 2, 5, 0, 1000)},
		{Name: "goals at what lives", Want: "error", Events: tight(L*51/100, 2, 1050)},
		{Name: "goals above", Want: "clear", Events: tight(L*51/100, 2, 1060)},
		{Name: "goals at what lives, less marking", Want: "clear", Events: tight(L*49/100, 2, 1000)},
		{Name: "goals at what lives, less of the CPU", Want: "clear", Events: tight(L*96/100, 1, 1000)},
		{Name: "goals at what lives, just enough", Want: "error", Events: tight(L, 1, 1000)},
		{Name: "goals of GOGC=10", Want: "error", Events: flat(1099)},
		{Name: "goals of GOGC=11", Want: "clear", Events: flat(1101)},
		{Name: "GOGC=off, quick marks", Want: "error", Events: sweeping(L, 41, 9, 0, 0)},
		{Name: "GOGC=off, fewer", Want: "clear", NS: 950e6, Events: sweeping(950e6, 41, 9, 0, 0)},
		{Name: "GOGC=off, less sweeping", Want: "clear", Events: sweeping(L, 39, 9, 0, 0)},
		{Name: "quick marks", Want: "clear", Events: sweeping(L, 60, 9, 1000, 2000)},
		{Name: "forced", Want: "clear", Events: append(run(L*84/100, 2, 3, 1000), checktest.Cycles(3, forced))},
		{Name: "a part of them forced", Want: "error", Events: append(run(L*84/100, 2, 6, 1000), checktest.Cycles(4, forced))},
		{Name: "no goal", Want: "not applicable", Events: run(L*84/100, 2, 5)},
		{Name: "no cycle", Want: "not applicable", Events: run(0, 0, 0, 1000)},
	})
}
