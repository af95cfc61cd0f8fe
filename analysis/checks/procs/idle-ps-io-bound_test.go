package procs

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestIdlePsIOBound(t *testing.T) { checktest.Run(t, idlePsIOBound, casesIdlePsIOBound) }

func casesIdlePsIOBound(t *testing.T) {
	checktest.Idle(t, idlePsIOBound)
	make := func(idle, network int64, wakes int) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Proc(0, parse.ProcIdle, 0, idle)
		tr.Proc(0, parse.ProcUser, idle, checktest.S)
		tr.Blocked(1, "network", network)
		tr.Lives(1, 1, parse.GoWaiting, checktest.S, 0)
		for range wakes {
			tr.Add(parse.Event{Time: 5000, Kind: parse.KindGoWaiting, P: 0, Go: &parse.Go{ID: 9, From: parse.GoWaiting, To: parse.GoRunnable, Since: 5000, Ready: parse.ReadyNetpoll, Waker: parse.NoGo}})
		}
		return tr
	}
	checktest.At(t, idlePsIOBound, "idle", func(v int64) *checktest.Trace { return make(v, 900*checktest.MS, 200) },
		checktest.Case{V: 700*checktest.MS - 1, Want: "clear"}, checktest.Case{V: 700 * checktest.MS, Want: "note"})
	checktest.At(t, idlePsIOBound, "network", func(v int64) *checktest.Trace { return make(900*checktest.MS, v, 200) },
		checktest.Case{V: 800*checktest.MS - 1, Want: "clear"}, checktest.Case{V: 800 * checktest.MS, Want: "note"})
	checktest.At(t, idlePsIOBound, "wake-ups", func(v int64) *checktest.Trace { return make(900*checktest.MS, 900*checktest.MS, int(v)) },
		checktest.Case{V: 99, Want: "clear"}, checktest.Case{V: 100, Want: "note"})
	checktest.At(t, idlePsIOBound, "no goroutines in", func(v int64) *checktest.Trace { return checktest.New(t, v) }, checktest.Case{V: checktest.S, Want: "n/a"})
	checktest.Real(t, "netpoll-echo", map[*analysis.Analyzer]string{idlePsIOBound: "note"})
	checktest.Real(t, "idle", map[*analysis.Analyzer]string{idlePsIOBound: "clear"})
	checktest.Real(t, "preempt-async", map[*analysis.Analyzer]string{idlePsIOBound: "clear"})
	checktest.Real(t, "io/net-echo", map[*analysis.Analyzer]string{idlePsIOBound: "note"})
	checktest.Real(t, "sched/idle", map[*analysis.Analyzer]string{idlePsIOBound: "clear"})
}
