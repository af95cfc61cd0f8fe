package sched

import (
	"io"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

func TestIdlePWhileRunnable(t *testing.T) {
	checktest.Run(t, idlePWhileRunnable, casesIdlePWhileRunnable)
}

func casesIdlePWhileRunnable(t *testing.T) {
	checktest.Idle(t, idlePWhileRunnable)
	make := func(n int, held int64, others int32) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		step := int64(checktest.S / 100)
		for i := range int64(100) {
			at := i * step
			if i < int64(n) {
				tr.Interval(at, at+held, 4, 3, 1, 1)
			} else {
				tr.Interval(at, at+held, 4, 3, 0, 1)
			}
			tr.Interval(at+held, at+step, 4, 4, others, 0)
		}
		return tr
	}
	checktest.At(t, idlePWhileRunnable, "µs of 20 stretches", func(v int64) *checktest.Trace { return make(20, v*1000, 0) },
		checktest.Case{V: 2499, Want: "clear"}, checktest.Case{V: 2500, Want: "note"})
	checktest.At(t, idlePWhileRunnable, "µs of 100 stretches", func(v int64) *checktest.Trace { return make(100, v*1000, 0) },
		checktest.Case{V: 499, Want: "clear"}, checktest.Case{V: 500, Want: "note"}, checktest.Case{V: 2999, Want: "note"}, checktest.Case{V: 3000, Want: "warning"})
	checktest.At(t, idlePWhileRunnable, "stretches of 5 ms", func(v int64) *checktest.Trace { return make(int(v), 5*checktest.MS, 0) },
		checktest.Case{V: 19, Want: "clear"}, checktest.Case{V: 20, Want: "note"}, checktest.Case{V: 59, Want: "note"}, checktest.Case{V: 60, Want: "warning"})
	// Of 0.1 s beside an idle P and 0.9 s for each of the others.
	checktest.At(t, idlePWhileRunnable, "waiting when none is idle", func(v int64) *checktest.Trace { return make(100, checktest.MS, int32(v)) },
		checktest.Case{V: 2, Want: "note"}, checktest.Case{V: 3, Want: "clear"})
	checktest.At(t, idlePWhileRunnable, "nobody waits for", func(v int64) *checktest.Trace {
		tr := checktest.New(t, v)
		tr.Interval(0, v, 4, 1, 0, 3)
		return tr
	}, checktest.Case{V: checktest.S, Want: "n/a"})
	checktest.At(t, idlePWhileRunnable, "version of a cut trace", func(v int64) *checktest.Trace {
		tr := make(100, 5*checktest.MS, 0)
		tr.Version, tr.Fault = int(v), io.ErrUnexpectedEOF
		return tr
	}, checktest.Case{V: 21, Want: "n/a"}, checktest.Case{V: 22, Want: "warning"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "netpoll-echo": "clear", "idle": "clear", "steal-bursts": "note",
		"sync/goroutine-leak": "clear", "io/pipe-stdin": "clear", "sched/goroutine-churn": "clear", "sched/mix-procs8": "note", "io/http-mix": "clear",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{idlePWhileRunnable: want})
	}
}
