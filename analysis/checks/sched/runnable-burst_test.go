package sched

import (
	"cmp"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestRunnableBurst(t *testing.T) { checktest.Run(t, runnableBurst, casesRunnableBurst) }

func casesRunnableBurst(t *testing.T) {
	checktest.Idle(t, runnableBurst)
	// n bursts of that many runnable for held, in a second.
	make := func(n int, runnable int32, held int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		step := int64(checktest.S / 100)
		for i := range int64(100) {
			at := i * step
			if i < int64(n) {
				tr.Interval(at, at+held, 4, 4, runnable, 0)
			} else {
				tr.Interval(at, at+held, 4, 4, 0, 0)
			}
			tr.Interval(at+held, at+step, 4, 0, 0, 4)
		}
		return tr
	}
	checktest.At(t, runnableBurst, "runnable of 4 Ps", func(v int64) *checktest.Trace { return make(3, int32(v), 5*checktest.MS) },
		checktest.Case{V: 19, Want: "clear"}, checktest.Case{V: 20, Want: "note"})
	checktest.At(t, runnableBurst, "µs of a burst", func(v int64) *checktest.Trace { return make(10, 50, v*1000) },
		checktest.Case{V: 1999, Want: "clear"}, checktest.Case{V: 2000, Want: "warning"})
	checktest.At(t, runnableBurst, "bursts of 20 for 5 ms", func(v int64) *checktest.Trace { return make(int(v), 20, 5*checktest.MS) },
		checktest.Case{V: 0, Want: "n/a"}, checktest.Case{V: 1, Want: "note"}, checktest.Case{V: 9, Want: "note"}, checktest.Case{V: 10, Want: "warning"})
	checktest.At(t, runnableBurst, "bursts of 20 for 2 ms", func(v int64) *checktest.Trace { return make(int(v), 20, 2*checktest.MS) },
		checktest.Case{V: 2, Want: "clear"}, checktest.Case{V: 3, Want: "note"})
	// Of 1 s of waiting in bursts and this beside it.
	checktest.At(t, runnableBurst, "share of others, 20 bursts", func(v int64) *checktest.Trace {
		tr := make(10, 20, 5*checktest.MS)
		tr.Interval(0, checktest.S, 40, 4, int32(v), 36)
		return tr
	}, checktest.Case{V: 0, Want: "warning"}, checktest.Case{V: 1, Want: "note"}, checktest.Case{V: 2, Want: "note"}, checktest.Case{V: 4, Want: "clear"})
	// Of 1 s of waiting in bursts and this beside it, four at a time: 3 s are as much
	// as makes a quarter, 667 ms what makes 60 %.
	checktest.At(t, runnableBurst, "ms of waiting of others", func(v int64) *checktest.Trace {
		tr := make(10, 20, 5*checktest.MS)
		tr.Interval(0, v*checktest.MS/4, 40, 4, 4, 36)
		return tr
	}, checktest.Case{V: 666, Want: "warning"}, checktest.Case{V: 667, Want: "note"}, checktest.Case{V: 3000, Want: "note"}, checktest.Case{V: 3004, Want: "clear"})
	checktest.At(t, runnableBurst, "µs of ten bursts of 20", func(v int64) *checktest.Trace { return make(10, 20, v*1000) },
		checktest.Case{V: 4999, Want: "note"}, checktest.Case{V: 5000, Want: "warning"})
	checktest.At(t, runnableBurst, "µs of one burst of 20", func(v int64) *checktest.Trace { return make(1, 20, v*1000) },
		checktest.Case{V: 4999, Want: "clear"}, checktest.Case{V: 5000, Want: "note"})
	// Bursts of 15 ms in all, the longest of so many µs, of goroutines just created.
	checktest.At(t, runnableBurst, "µs of the longest of three", func(v int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		at := int64(0)
		for _, held := range []int64{v * 1000, 7500*1000 - v*500, 7500*1000 - v*500} {
			tr.Interval(at, at+held, 4, 4, 200, 0)
			tr.Interval(at+held, at+100*checktest.MS, 4, 0, 0, 4)
			at += 100 * checktest.MS
		}
		tr.Waits(10, 0, 5*checktest.MS, func(g *parse.Go) { g.Ready, g.WakerStack = parse.ReadyCreated, tr.NthStack(0) })
		return tr
	}, checktest.Case{V: 8990, Want: "warning"}, checktest.Case{V: 9010, Want: "note"})
	// A standing queue is none.
	checktest.At(t, runnableBurst, "ms with 40 runnable", func(v int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Interval(0, v*checktest.MS, 4, 4, 40, 0)
		tr.Interval(v*checktest.MS, checktest.S, 4, 0, 0, 4)
		return tr
	}, checktest.Case{V: 500, Want: "warning"}, checktest.Case{V: 501, Want: "clear"})
	checktest.At(t, runnableBurst, "yielding of 40", func(v int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Interval(0, 100*checktest.MS, 4, 4, 40, 0).Yielding = int32(v)
		tr.Interval(100*checktest.MS, checktest.S, 4, 0, 0, 4)
		return tr
	}, checktest.Case{V: 20, Want: "warning"}, checktest.Case{V: 21, Want: "clear"})
	// Those that wait for one that is none of them are no cause of it.
	checktest.At(t, runnableBurst, "% of all waiting for a P is that of the kind it is blamed on", func(v int64) *checktest.Trace {
		tr := make(10, 20, 5*checktest.MS)
		stack := tr.NthStack(0)
		tr.Waits(10, 0, 10*checktest.MS, nil)
		tr.Add(parse.Event{Time: 50 * checktest.MS, Kind: parse.KindProc, Proc: &parse.Proc{From: parse.ProcUser, To: parse.ProcScheduler, Stack: stack, Blame: 100 * checktest.MS}})
		tr.Lives(1, cmp.Or(tr.Trace.Body(stack), tr.Trace.Goes(stack)), parse.GoRunnable, v*checktest.MS, 0)
		tr.Lives(1, tr.Trace.Intern("main.other"), parse.GoRunnable, (100-v)*checktest.MS, 0)
		return tr
	}, checktest.Case{V: 19, Want: "note"}, checktest.Case{V: 21, Want: "warning"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "netpoll-echo": "clear", "idle": "clear",
		"io/http-mix": "clear", "io/net-echo": "clear", "real/victoria-metrics": "clear", "real/etcd-embed": "clear",
		"sched/goroutines-50k-parked": "warning", "real/geth-startup": "warning", "io/syscall-threads": "warning",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{runnableBurst: want})
	}
}
