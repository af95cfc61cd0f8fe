package procs

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

func TestCPUThrottled(t *testing.T) { checktest.Run(t, cpuThrottled, casesCPUThrottled) }

func casesCPUThrottled(t *testing.T) {
	checktest.Idle(t, cpuThrottled)
	checktest.At(t, cpuThrottled, "holes of 30 ms", func(v int64) *checktest.Trace {
		return checktest.Holes(t, int(v), 30*checktest.MS, 100*checktest.MS, checktest.S)
	},
		checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 4, Want: "clear"}, checktest.Case{V: 5, Want: "error"}, checktest.Case{V: 10, Want: "error"})
	checktest.At(t, cpuThrottled, "µs of ten holes in 10 s", func(v int64) *checktest.Trace {
		return checktest.Holes(t, 10, v*1000, 100*checktest.MS, 10*checktest.S)
	},
		checktest.Case{V: 9_999, Want: "clear"}, checktest.Case{V: 10_000, Want: "warning"}, checktest.Case{V: 99_000, Want: "warning"})
	checktest.At(t, cpuThrottled, "ms of a quota that is hit in every period", func(v int64) *checktest.Trace {
		return checktest.Holes(t, 10, v*checktest.MS, 100*checktest.MS, checktest.S)
	},
		checktest.Case{V: 4, Want: "clear"}, checktest.Case{V: 9, Want: "warning"}, checktest.Case{V: 10, Want: "error"}, checktest.Case{V: 90, Want: "error"})
	// Not in phase with 100 ms.
	checktest.At(t, cpuThrottled, "period of holes, in ms", func(v int64) *checktest.Trace {
		return checktest.Holes(t, 10, 30*checktest.MS, v*checktest.MS, 5*checktest.S)
	},
		checktest.Case{V: 90, Want: "clear"}, checktest.Case{V: 93, Want: "clear"}, checktest.Case{V: 200, Want: "warning"}, checktest.Case{V: 130, Want: "clear"})
	// Every second one is in phase, as on a host that adds holes of its own.
	checktest.At(t, cpuThrottled, "holes of 30 ms each 50 ms", func(v int64) *checktest.Trace {
		return checktest.Holes(t, int(v), 30*checktest.MS, 50*checktest.MS, 5*checktest.S)
	},
		checktest.Case{V: 10, Want: "clear"}, checktest.Case{V: 20, Want: "warning"})
	// Goroutines that compute are preempted each 25 ms, and nothing else happens; the quota
	// makes one hole of four longer.
	checktest.At(t, cpuThrottled, "ms more of each fourth hole of 24 ms", func(v int64) *checktest.Trace {
		tr := checktest.New(t, 5*checktest.S)
		for at := int64(0); at < 5*checktest.S; at += 100 * checktest.MS {
			for i, hole := range []int64{24, 24, 24, 24 + v} {
				from := at + int64(i)*25*checktest.MS
				tr.Interval(from, from+hole*checktest.MS, 4, 3, 0, 1)
			}
		}
		return tr
	},
		checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 11, Want: "clear"}, checktest.Case{V: 13, Want: "error"})
	// Idle Ps make no hole, nor do stopped worlds.
	tr := checktest.New(t, checktest.S)
	for i := range int64(10) {
		tr.Interval(i*100*checktest.MS, i*100*checktest.MS+50*checktest.MS, 4, 0, 0, 4)
		tr.Interval(i*100*checktest.MS+50*checktest.MS, i*100*checktest.MS+100*checktest.MS, 4, 2, 0, 2).STW = true
	}
	if got := checktest.Verdict(t, checktest.Report(t, cpuThrottled, tr).Results[0]); got != "clear" {
		t.Errorf("idle and stopped: %s", got)
	}
	for _, name := range []string{"preempt-cooperative", "spin-30ms", "http-healthy", "idle", "sched/noisy-neighbour", "sched/sigstop-hole", "sched/serial-phase", "sched/spin-noyield-asyncoff", "user/cpu-samples"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{cpuThrottled: "clear"})
	}
	checktest.Real(t, "sched/cpu-throttle", map[*analysis.Analyzer]string{cpuThrottled: "error"})
}
