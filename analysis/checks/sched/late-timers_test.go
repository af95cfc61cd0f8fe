package sched

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestLateTimers(t *testing.T) { checktest.Run(t, lateTimers, casesLateTimers) }

func casesLateTimers(t *testing.T) {
	checktest.Idle(t, lateTimers)
	// One P of two for a second: slices of that length beside others of 1 ms, all in
	// user code, and idle Ps for a part of the time.
	make := func(length, share, full int64, timers int) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Proc(0, parse.ProcUser, 0, checktest.S)
		tr.Interval(0, full*checktest.MS, 1, 1, 0, 0)
		tr.Interval(full*checktest.MS, checktest.S, 1, 0, 0, 1)
		for done := int64(0); done < share*checktest.MS; done += length {
			tr.Add(parse.Event{Kind: parse.KindSlice, Slice: &parse.Slice{End: parse.Time(length), Class: parse.ClassUser, Func: 1, To: parse.GoRunnable, Preempt: parse.PreemptAsync}})
		}
		tr.Preempts(3, parse.PreemptAsync, tr.NthStack(0), length)
		tr.Waits(timers, 0, 1000, func(g *parse.Go) { g.Ready = parse.ReadyTimer })
		return tr
	}
	checktest.At(t, lateTimers, "ms of slices of 10 ms", func(v int64) *checktest.Trace { return make(10*checktest.MS, v, 900, 100) },
		checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 490, Want: "clear"}, checktest.Case{V: 500, Want: "note"})
	checktest.At(t, lateTimers, "µs of a slice", func(v int64) *checktest.Trace { return make(v*1000, 900, 900, 100) },
		checktest.Case{V: 4_900, Want: "clear"}, checktest.Case{V: 5_200, Want: "note"})
	checktest.At(t, lateTimers, "ms without an idle P", func(v int64) *checktest.Trace { return make(10*checktest.MS, 900, v, 100) },
		checktest.Case{V: 499, Want: "clear"}, checktest.Case{V: 500, Want: "note"})
	checktest.At(t, lateTimers, "timers", func(v int64) *checktest.Trace { return make(10*checktest.MS, 900, 900, int(v)) },
		checktest.Case{V: 0, Want: "n/a"}, checktest.Case{V: 49, Want: "clear"}, checktest.Case{V: 50, Want: "note"}, checktest.Case{V: 61, Want: "note"}, checktest.Case{V: 62, Want: "warning"})
	// 50 timers that come due in slices of 10 ms, by how long the trace is.
	checktest.At(t, lateTimers, "ms", func(v int64) *checktest.Trace {
		tr := checktest.New(t, v*checktest.MS)
		tr.Proc(0, parse.ProcUser, 0, v*checktest.MS)
		tr.Interval(0, v*checktest.MS, 1, 1, 0, 0)
		for range v / 10 {
			tr.Add(parse.Event{Kind: parse.KindSlice, Slice: &parse.Slice{End: parse.Time(10 * checktest.MS), Class: parse.ClassUser, Func: 1, To: parse.GoRunnable, Preempt: parse.PreemptAsync}})
		}
		tr.Outside(50)
		return tr
	}, checktest.Case{V: 12_000, Want: "note"}, checktest.Case{V: 12_900, Want: "clear"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "netpoll-echo": "clear", "sched/spin-noyield": "warning", "sched/spin-noyield-asyncoff": "warning", "user/cpu-samples": "note", "io/http-mix": "clear", "sched/idle": "clear",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{lateTimers: want})
	}
}

// TestLoopWithoutFrame: only code outside the runtime is interrupted by a signal, so that a
// goroutine is the program's if its stacks are of nothing else: a loop that calls nothing, at
// the top of its goroutine, is missing in them.
func TestLoopWithoutFrame(t *testing.T) {
	const ms = int64(1e6)
	tr := checktest.Tell(t, 2000*ms, func(s *checktest.Story) {
		for range 2 {
			loop := s.Go("")
			for at := 20 * ms; at < 1990*ms; at += 20 * ms {
				loop.Preempt(at, "runtime.asyncPreempt2", "runtime.asyncPreempt")
			}
		}
		serve := s.Go("main.serve")
		for at := 10 * ms; at < 1980*ms; at += 20 * ms {
			serve.Wait(at, at+19*ms, nil, "", "time.Sleep")
		}
	})
	found := checktest.Report(t, lateTimers, tr).Results[0].Findings
	if len(found) != 1 || !strings.Contains(found[0].Summary, "most in a loop without calls in a goroutine begun before the trace, which no stack names") || strings.Contains(found[0].Summary, "asyncPreempt") {
		t.Errorf("found %+v", found)
	}
}
