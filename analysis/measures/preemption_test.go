package measures

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

func TestPreemptionLaw(t *testing.T) {
	for _, name := range []string{"preempt-cooperative", "mutex-starvation-go124", "gc-assist", "mixed-go121", "flight-recorder"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Preemption})
	}
}

func TestPreemptionRules(t *testing.T) {
	const ms = 1e6
	stop := func(how parse.Preempt, c parse.Class, stw bool) parse.Event {
		to := parse.GoRunnable
		if how == parse.PreemptSuspend {
			to = parse.GoWaiting
		}
		return parse.Event{Time: 5 * ms, Kind: parse.KindGoRunning, Go: &parse.Go{From: parse.GoRunning, To: to, Since: 4 * ms, Class: c, Preempt: how, STW: stw, Stack: 1}}
	}
	slice := func(length parse.Time, s parse.Slice) parse.Event {
		s.Start, s.End, s.Runs = 100*ms, 100*ms+length, 1
		return parse.Event{Time: s.End, Kind: parse.KindSlice, Slice: &s}
	}
	run := func(length parse.Time, contended int64, from parse.ProcState) parse.Event {
		return parse.Event{Time: 200*ms + length, Kind: parse.KindProc, Proc: &parse.Proc{From: from, To: parse.ProcScheduler, Since: 200 * ms, Contended: contended}}
	}
	rep := analysistest.Synthetic(t, 26, Preemption,
		stop(parse.PreemptAsync, parse.ClassUser, false),
		stop(parse.PreemptAsync, parse.ClassSystem, true),
		stop(parse.PreemptCooperative, parse.ClassUser, true),
		stop(parse.PreemptUnknown, parse.ClassUser, false),
		stop(parse.PreemptSuspend, parse.ClassUser, false),
		stop(parse.PreemptLockHandoff, parse.ClassUser, false),
		stop(parse.PreemptYield, parse.ClassUser, false),
		stop(parse.PreemptYield, parse.ClassSystem, false), // the sweeper's
		// A goroutine that blocks is not preempted.
		parse.Event{Time: 5 * ms, Kind: parse.KindGoRunning, Go: &parse.Go{From: parse.GoRunning, To: parse.GoWaiting, Since: 4 * ms}},

		slice(21*ms, parse.Slice{LateWait: true, Contended: ms, To: parse.GoWaiting}),
		slice(45*ms, parse.Slice{LateWait: true, Contended: ms, Preempt: parse.PreemptAsync, Class: parse.ClassSystem}),
		slice(60*ms, parse.Slice{LateWait: true, Contended: ms, Preempt: parse.PreemptAsync, Partial: true}), // at least that long
		slice(90*ms, parse.Slice{LateWait: true, Contended: ms, Class: parse.ClassWorker}),                   // by design
		slice(50*ms, parse.Slice{Contended: ms, Preempt: parse.PreemptAsync}),                                // waited early on only
		slice(19*ms, parse.Slice{Contended: ms, Preempt: parse.PreemptCooperative, STW: true}),
		slice(2*ms, parse.Slice{Preempt: parse.PreemptCooperative}),
		slice(3*ms, parse.Slice{To: parse.GoSyscall}),

		run(30*ms, 5*ms, parse.ProcUser),
		run(30*ms, 28*ms, parse.ProcUser),
		run(30*ms, 0, parse.ProcUser), // alone
		run(30*ms, 5*ms, parse.ProcSyscall),
		run(10*ms, 5*ms, parse.ProcUser),
	)
	analysistest.WantMetrics(t, rep, map[string]float64{
		"preempt.async": 2, "preempt.cooperative": 1, "preempt.unknown": 1, "preempt.suspend": 1, "preempt.lockhandoff": 1, "preempt.yield": 1,
		"preempt.overrun.count": 3, "preempt.overrun.max": 50 * ms,
	})
	if n := rep.Metrics["preempt.overrun.count"].N; n != 7 {
		t.Errorf("%d time slices, want 7", n)
	}
	for _, c := range []struct {
		table, row, column string
		want               any
	}{
		{"preemption.kinds", "by signal", "user", int64(1)},
		{"preemption.kinds", "by signal", "stopping the world", int64(1)},
		{"preemption.kinds", "runtime.Gosched", "runtime", int64(1)},
		{"preemption.slices", "preempted after 10 ms", "slices", int64(1)}, // user, whole: the one of 50 ms
		{"preemption.slices", "preempted to stop the world", "max", int64(19 * ms)},
		{"preemption.slices", "preempted earlier (safepoint)", "max", int64(2 * ms)},
		{"preemption.slices", "P lost in a system call", "max", int64(3 * ms)},
		{"preemption.slices", "blocked", "slices", int64(1)},
		{"preemption.runs", "(no stack)", "runs", int64(2)},
		{"preemption.runs", "(no stack)", "beyond 10 ms", int64((5 + 20) * ms)},
		{"preemption.yields", "(no stack)", "count", int64(1)},
		{"preemption.locks", "(no stack)", "count", int64(1)},
	} {
		if got := analysistest.Cell(t, rep, c.table, c.row, c.column); got != c.want {
			t.Errorf("%s, %s: %s is %v, want %v", c.table, c.row, c.column, got, c.want)
		}
	}
}

func TestPreemptionKinds(t *testing.T) {
	for _, name := range []string{"preempt-async", "preempt-async-go124"} {
		// 4 goroutines compute for 100 ms each on two Ps.
		rep := analysistest.Report(t, analysistest.Testdata(t, name), Preemption)
		analysistest.WantMetrics(t, rep, map[string]float64{"preempt.cooperative": 0, "preempt.unknown": 0, "preempt.lockhandoff": 0})
		if n := rep.Metrics["preempt.async"].Value; n < 4 || n > 100 {
			t.Errorf("%s: %v preemptions by signal", name, n)
		}
		if got := analysistest.Cell(t, rep, "preemption.sites", "main.spin", "goroutine"); got != any("main.spinWithoutCalls") {
			t.Errorf("%s: main.spin is preempted in %v", name, got)
		}
	}
	rep := analysistest.Report(t, analysistest.Testdata(t, "preempt-cooperative"), Preemption)
	analysistest.WantMetrics(t, rep, map[string]float64{"preempt.async": 0, "preempt.unknown": 0, "preempt.yield": 200})
	if got, all := analysistest.Cell(t, rep, "preemption.sites", "main.callWithPrologue", "count"), rep.Metrics["preempt.cooperative"].Value; float64(got.(int64)) != float64(all) || all < 4 {
		t.Errorf("%v of %v cooperative preemptions in main.callWithPrologue, want all", got, all)
	}
	if got := analysistest.Cell(t, rep, "preemption.yields", "main.yieldVoluntarily:99", "count"); got != any(int64(200)) {
		t.Errorf("%v yields in main.yieldVoluntarily, want 200", got)
	}
}

// 48 unlocks of a mutex that others wait for more than 1 ms for; the first ones
// and the last one of each goroutine may find nobody starving.
func TestPreemptionLockHandoffs(t *testing.T) {
	for _, name := range []string{"mutex-starvation", "mutex-starvation-go124"} {
		rep := analysistest.Report(t, analysistest.Testdata(t, name), Preemption)
		n := rep.Metrics["preempt.lockhandoff"].Value
		if n < 40 || n > 48 {
			t.Errorf("%s: %v lock handoffs", name, n)
		}
		if tb := tableNamed(t, rep, "preemption.locks"); len(tb.Rows) != 1 || tb.Rows[0][1] != any("main.contendForLock") || tb.N != int64(n) {
			t.Errorf("%s: lock handoffs %v", name, tb.Rows)
		}
	}
}

// Four spins of 30 ms that nothing can interrupt, with goroutines waiting; the
// time slice ends with a short run of one of these.
func TestPreemptionOverruns(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "spin-30ms"), Preemption)
	analysistest.WantMetrics(t, rep, map[string]float64{"preempt.overrun.count": 4})
	if m := rep.Metrics["preempt.overrun.max"].Value; m < 20e6 {
		t.Errorf("overrun of %v ns, want at least 20 ms", m)
	}
	tb := tableNamed(t, rep, "preemption.runs")
	if len(tb.Rows) != 1 || tb.Rows[0][1] != any("main.main") || tb.Rows[0][2] != any(int64(4)) || tb.Rows[0][3].(int64) < 80e6 {
		t.Errorf("long runs %v", tb.Rows)
	}
}
