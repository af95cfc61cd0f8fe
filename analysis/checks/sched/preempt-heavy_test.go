package sched

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestPreemptHeavy(t *testing.T) { checktest.Run(t, preemptHeavy, casesPreemptHeavy) }

func casesPreemptHeavy(t *testing.T) {
	checktest.Idle(t, preemptHeavy)
	make := func(n int, length int64, runnable int32) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Interval(0, checktest.S, 1, 1, runnable, 0)
		tr.Proc(0, parse.ProcUser, 0, checktest.S)
		for range n {
			tr.Add(parse.Event{Kind: parse.KindSlice, Slice: &parse.Slice{G: 9, End: parse.Time(length), Preempt: parse.PreemptAsync, To: parse.GoRunnable}})
		}
		tr.Preempts(n, parse.PreemptAsync, tr.NthStack(0), length)
		return tr
	}
	checktest.At(t, preemptHeavy, "slices of 20 ms", func(v int64) *checktest.Trace { return make(int(v), 20*checktest.MS, 1) },
		checktest.Case{V: 0, Want: "n/a"}, checktest.Case{V: 19, Want: "clear"}, checktest.Case{V: 20, Want: "note"}, checktest.Case{V: 50, Want: "note"})
	checktest.At(t, preemptHeavy, "slices of 10 ms", func(v int64) *checktest.Trace { return make(int(v), 10*checktest.MS, 1) },
		checktest.Case{V: 39, Want: "clear"}, checktest.Case{V: 40, Want: "note"})
	checktest.At(t, preemptHeavy, "length of 60", func(v int64) *checktest.Trace { return make(60, v, 1) },
		checktest.Case{V: 10*checktest.MS - 1, Want: "clear"}, checktest.Case{V: 10 * checktest.MS, Want: "note"})
	checktest.At(t, preemptHeavy, "runnable", func(v int64) *checktest.Trace { return make(60, 10*checktest.MS, int32(v)) },
		checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 1, Want: "note"})
	for name, want := range map[string]string{
		"preempt-cooperative": "note", "http-healthy": "clear", "idle": "clear",
		"sched/runnext-pair-p1": "note", "sched/spin-noyield": "clear", "io/http-mix": "clear", "sched/single-hot-goroutine": "clear",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{preemptHeavy: want})
	}
}
