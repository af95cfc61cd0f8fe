package procs

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestOversubscribedHost(t *testing.T) {
	checktest.Run(t, oversubscribedHost, casesOversubscribedHost)
}

// overdue is a trace of 10 s with n time slices of 40 ms while work was runnable, all
// ended by a signal, of two goroutines at once or of one.
func overdue(t *testing.T, n int, goroutines int, by parse.Preempt) *checktest.Trace {
	tr := checktest.New(t, 10*checktest.S)
	tr.Proc(0, parse.ProcUser, 0, 10*checktest.S)
	tr.Proc(1, parse.ProcScheduler, 0, 10*checktest.S)
	for i := range n {
		start := int64(i/goroutines) * 40 * checktest.MS
		tr.Add(parse.Event{Time: parse.Time(start + 40*checktest.MS), Kind: parse.KindSlice, Slice: &parse.Slice{
			P: parse.ProcID(i % goroutines), G: parse.GoID(9 + i%goroutines), Start: parse.Time(start), End: parse.Time(start + 40*checktest.MS),
			Contended: checktest.MS, LateWait: true, Preempt: by, To: parse.GoRunnable, Stack: tr.NthStack(0),
		}})
	}
	return tr
}

func casesOversubscribedHost(t *testing.T) {
	checktest.At(t, oversubscribedHost, "late slices in 10 s, two at once", func(v int64) *checktest.Trace { return overdue(t, int(v), 2, parse.PreemptAsync) },
		checktest.Case{V: 8, Want: "clear"}, checktest.Case{V: 10, Want: "note/late"}, checktest.Case{V: 48, Want: "note/late"}, checktest.Case{V: 50, Want: "warning/late"})
	checktest.At(t, oversubscribedHost, "late slices in 10 s, one after the other", func(v int64) *checktest.Trace { return overdue(t, int(v), 1, parse.PreemptAsync) }, checktest.Case{V: 60, Want: "clear"})
	checktest.At(t, oversubscribedHost, "slices that end at calls", func(v int64) *checktest.Trace { return overdue(t, int(v), 2, parse.PreemptCooperative) }, checktest.Case{V: 60, Want: "clear"})

	// Beside 60 slices that end at calls, two at once, others that end in time, in a trace
	// in which signals preempt goroutines or none does.
	inTime := func(n int64, by parse.Preempt) *checktest.Trace {
		tr := overdue(t, 60, 2, parse.PreemptCooperative)
		tr.Preempts(1, by, tr.NthStack(0), checktest.MS)
		for i := range tr.Happened {
			if s := tr.Happened[i].Slice; s != nil {
				s.Class = parse.ClassUser
			}
		}
		for i := range n {
			tr.Add(parse.Event{Kind: parse.KindSlice, Slice: &parse.Slice{Class: parse.ClassUser, Start: parse.Time(i), End: parse.Time(i + 15*checktest.MS), Contended: 1, Preempt: parse.PreemptCooperative, To: parse.GoRunnable}})
		}
		return tr
	}
	checktest.At(t, oversubscribedHost, "slices that end in time", func(v int64) *checktest.Trace { return inTime(v, parse.PreemptAsync) },
		checktest.Case{V: 58, Want: "clear"}, checktest.Case{V: 62, Want: "warning/late"})
	checktest.At(t, oversubscribedHost, "slices that end in time, without signals", func(v int64) *checktest.Trace { return inTime(v, parse.PreemptCooperative) }, checktest.Case{V: 62, Want: "clear"})

	checktest.Idle(t, oversubscribedHost)
	stuck := func(n int, held, length, work int64) *checktest.Trace {
		tr := checktest.New(t, length)
		for i := range int64(n) {
			tr.Proc(0, parse.ProcScheduler, i*10*checktest.MS, i*10*checktest.MS+held)
		}
		tr.Proc(1, parse.ProcScheduler, 0, work)
		tr.Proc(1, parse.ProcUser, work, length)
		return tr
	}
	checktest.At(t, oversubscribedHost, "times of 1 ms in 2 s", func(v int64) *checktest.Trace { return stuck(int(v), checktest.MS, 2*checktest.S, 0) },
		checktest.Case{V: 1, Want: "clear"}, checktest.Case{V: 19, Want: "clear"}, checktest.Case{V: 20, Want: "note"}, checktest.Case{V: 59, Want: "note"}, checktest.Case{V: 60, Want: "warning"})
	checktest.At(t, oversubscribedHost, "length of 20 times", func(v int64) *checktest.Trace { return stuck(20, v, checktest.S, 0) },
		checktest.Case{V: checktest.MS - 1, Want: "clear"}, checktest.Case{V: checktest.MS, Want: "note"})
	checktest.At(t, oversubscribedHost, "length of a trace with 20 ms", func(v int64) *checktest.Trace { return stuck(20, checktest.MS, v, 0) },
		checktest.Case{V: 2 * checktest.S, Want: "note"}, checktest.Case{V: 2*checktest.S + checktest.MS, Want: "clear"})
	// Runs of the scheduler shorter than 1 ms come along.
	checktest.At(t, oversubscribedHost, "ms in the scheduler beside 100 ms", func(v int64) *checktest.Trace {
		tr := stuck(100, checktest.MS, checktest.S, 0)
		for i := range v * 2 {
			tr.Proc(1, parse.ProcScheduler, i*checktest.MS, i*checktest.MS+checktest.MS/2)
		}
		return tr
	}, checktest.Case{V: 66, Want: "warning"}, checktest.Case{V: 67, Want: "note"}, checktest.Case{V: 233, Want: "note"}, checktest.Case{V: 234, Want: "clear"})

	for _, c := range []struct {
		by   parse.Preempt
		end  string // of a long slice
		want bool
	}{{parse.PreemptAsync, "main.work", true}, {parse.PreemptCooperative, "main.work", false}, {parse.PreemptAsync, "runtime.memclrNoHeapPointers", false}} {
		tr := stuck(100, checktest.MS, checktest.S, 0)
		tr.Preempts(1, c.by, tr.NthStack(0), checktest.MS)
		tr.Add(parse.Event{Kind: parse.KindSlice, Slice: &parse.Slice{End: parse.Time(40 * checktest.MS), Contended: checktest.MS, LateWait: true, To: parse.GoWaiting,
			Stack: tr.InternStack(parse.Frame{Func: tr.Intern(c.end), Line: 1})}})
		f := checktest.Report(t, oversubscribedHost, tr).Results[0].Findings[0]
		for _, symptom := range []string{"slice-overrun", "stw-straggler"} {
			if slices.Contains(f.Explains, symptom) != c.want {
				t.Errorf("%v, slice that ends in %s: explains %v", c.by, c.end, f.Explains)
			}
		}
	}

	// Stops of the world that wait for the last P, or that have much to do themselves.
	for stopping, want := range map[int64]bool{7: true, 5: false} {
		tr := stuck(100, checktest.MS, checktest.S, 0)
		tr.Preempts(1, parse.PreemptAsync, tr.NthStack(0), checktest.MS)
		r := &parse.Range{Kind: parse.RangeSTW, Name: tr.Intern("GC mark termination"), Since: 1000, Until: 1000 + parse.Time(10*checktest.MS)}
		r.Stop.LastStop, r.Stop.Restart = r.Since+parse.Time(stopping*checktest.MS), r.Until
		tr.Add(parse.Event{Time: r.Until, Kind: parse.KindRangeEnd, Range: r})
		if f := checktest.Report(t, oversubscribedHost, tr).Results[0].Findings[0]; slices.Contains(f.Explains, "stw-long") != want {
			t.Errorf("%d of 10 ms until the last P stops: explains %v", stopping, f.Explains)
		}
	}

	// A P that is idle beside a goroutine which could run on it, n times in 1 s.
	// Others wait in the rest of the time.
	asleep := func(n int, held int64, others int32) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Proc(0, parse.ProcScheduler, 0, 1000)
		tr.Proc(1, parse.ProcUser, 0, checktest.S)
		step := checktest.S / int64(n)
		for i := range int64(n) {
			tr.Interval(i*step, i*step+held, 4, 3, 1, 1)
			tr.Interval(i*step+held, (i+1)*step, 4, 4, others, 0)
		}
		return tr
	}
	checktest.At(t, oversubscribedHost, "µs of 100 idle Ps", func(v int64) *checktest.Trace { return asleep(100, v*1000, 0) },
		checktest.Case{V: 990, Want: "clear"}, checktest.Case{V: 1010, Want: "note"}, checktest.Case{V: 2990, Want: "note"}, checktest.Case{V: 3010, Want: "warning"})
	checktest.At(t, oversubscribedHost, "µs of 20 idle Ps", func(v int64) *checktest.Trace { return asleep(20, v*1000, 0) },
		checktest.Case{V: 2490, Want: "clear"}, checktest.Case{V: 2510, Want: "note"})
	checktest.At(t, oversubscribedHost, "idle Ps", func(v int64) *checktest.Trace { return asleep(int(v), 20*checktest.MS, 0) },
		checktest.Case{V: 19, Want: "clear"}, checktest.Case{V: 20, Want: "warning"})
	// Of 0.5 s beside an idle P and 0.5 s without one for each of the others.
	checktest.At(t, oversubscribedHost, "waiting when none is idle", func(v int64) *checktest.Trace { return asleep(50, 10*checktest.MS, int32(v)) },
		checktest.Case{V: 1, Want: "warning"}, checktest.Case{V: 2, Want: "note"}, checktest.Case{V: 19, Want: "note"}, checktest.Case{V: 20, Want: "clear"})
	woken := asleep(50, 10*checktest.MS, 0)
	woken.Waits(9, 0, checktest.MS, func(g *parse.Go) { g.Wait = [parse.NumCauses]int64{parse.CauseWakeup: checktest.MS} })
	if f := checktest.Report(t, oversubscribedHost, woken).Results[0].Findings[0]; !slices.Contains(f.Explains, "latency-tail") || !slices.Contains(f.Explains, "idle-p-while-runnable") {
		t.Errorf("idle Ps whose threads come late explain %v", f.Explains)
	}

	// Goroutines that wait for a P beside Ps that are idle, and beside none.
	for idle, want := range map[bool]bool{true: true, false: false} {
		tr := stuck(60, checktest.MS, checktest.S, 0)
		for id := range parse.ProcID(4) {
			if idle {
				tr.Proc(2+id, parse.ProcIdle, 0, checktest.S)
			}
		}
		tr.Waits(50, 0, checktest.MS, nil)
		if f := checktest.Report(t, oversubscribedHost, tr).Results[0].Findings[0]; slices.Contains(f.Explains, "latency-tail") != want {
			t.Errorf("Ps idle: %t, explains %v", idle, f.Explains)
		}
	}

	// Goroutines that run for so long of a second, and wait for the network else.
	checktest.At(t, oversubscribedHost, "ms of work in a second", func(v int64) *checktest.Trace {
		tr := checktest.Tell(t, checktest.S, func(s *checktest.Story) {
			s.Go("main.main").Wait(v*checktest.MS, checktest.S-2000, nil, "", "internal/poll.(*FD).Read", "net.(*conn).Read", "main.query:5")
		})
		tr.Happened = slices.DeleteFunc(tr.Happened, func(e parse.Event) bool {
			return e.Kind == parse.KindProc || e.Kind == parse.KindSlice || e.Kind == parse.KindInterval
		})
		from := int64(tr.From)
		for i := range int64(60) {
			tr.Proc(0, parse.ProcScheduler, from+i*10*checktest.MS, from+i*10*checktest.MS+checktest.MS)
		}
		tr.Proc(1, parse.ProcUser, from, from+checktest.S)
		return tr
	}, checktest.Case{V: 99, Want: "note"}, checktest.Case{V: 101, Want: "warning"})

	samples := func(n int) *checktest.Trace {
		tr := stuck(100, checktest.MS, 4*checktest.S, 0)
		tr.Add(analysistest.ProcLife(0, 0, 4*checktest.S, 2*checktest.S, 2*checktest.S))
		for range n {
			tr.Add(parse.Event{Kind: parse.KindSample})
		}
		return tr
	}
	checktest.At(t, oversubscribedHost, "samples of 200", func(v int64) *checktest.Trace { return samples(int(v)) },
		checktest.Case{V: 0, Want: "note"}, checktest.Case{V: 60, Want: "error"}, checktest.Case{V: 61, Want: "warning"}, checktest.Case{V: 120, Want: "warning"}, checktest.Case{V: 121, Want: "clear"}, checktest.Case{V: 300, Want: "clear"})

	checktest.At(t, oversubscribedHost, "hole", func(v int64) *checktest.Trace {
		tr := stuck(1, checktest.MS, 3*checktest.S, 0)
		tr.Interval(0, v, 4, 1, 0, 3)
		return tr
	}, checktest.Case{V: 100*checktest.MS - 1, Want: "clear"}, checktest.Case{V: 100 * checktest.MS, Want: "warning/stalled"}, checktest.Case{V: checktest.S, Want: "error/stalled"})
	twice := stuck(1, checktest.MS, 3*checktest.S, 0)
	twice.Interval(0, 300*checktest.MS, 4, 1, 0, 3)
	twice.Interval(500*checktest.MS, 700*checktest.MS, 4, 1, 0, 3)
	if f := checktest.Report(t, oversubscribedHost, twice).Results[0].Findings; len(f) != 1 || !strings.Contains(f[0].Summary, "for 300 ms at 0.000 ms, 500 ms in all in 2 holes") || f[0].Cost.Value != 500*checktest.MS {
		t.Errorf("two holes: %+v", f)
	}
	checktest.At(t, oversubscribedHost, "trace of a P that does nothing, length", func(v int64) *checktest.Trace {
		tr := checktest.New(t, v)
		tr.Proc(0, parse.ProcIdle, 0, v)
		return tr
	}, checktest.Case{V: checktest.S, Want: "n/a"})

	for _, name := range []string{"http-healthy", "idle", "io/http-mix", "io/net-echo", "sync/chan-slow-stage", "sched/serial-phase", "sched/single-hot-goroutine", "user/cpu-samples", "sched/spin-noyield", "sync/spinlock"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{oversubscribedHost: "clear"})
	}
	checktest.Real(t, "sched/noisy-neighbour", map[*analysis.Analyzer]string{oversubscribedHost: "warning"})
	checktest.Real(t, "real/victoria-metrics", map[*analysis.Analyzer]string{oversubscribedHost: "note"})
	checktest.Real(t, "sched/sigstop-hole", map[*analysis.Analyzer]string{oversubscribedHost: "warning/stalled"})
}
