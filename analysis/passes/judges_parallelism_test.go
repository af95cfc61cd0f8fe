package passes

import (
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

// schedHoles is a trace with n holes of that length each period, in which two of four
// Ps run.
func schedHoles(t *testing.T, n int, hole, period, length int64) *schedTrace {
	tr := schedNew(t, length)
	now := int64(0)
	fill := func(to int64) {
		for now < to {
			end := min(now+4*schedMS, to)
			tr.interval(now, end, 4, 2, 0, 2)
			now = end
		}
	}
	for i := range int64(n) {
		fill((i+1)*period - hole)
		tr.interval(now, now+hole, 4, 2, 0, 2)
		now += hole
	}
	fill(length)
	tr.proc(0, parse.ProcUser, 0, length)
	return tr
}

func TestCPUThrottled(t *testing.T) { runCases(t, cpuThrottled, casesCPUThrottled) }

func casesCPUThrottled(t *testing.T) {
	schedIdle(t, cpuThrottled)
	schedAt(t, cpuThrottled, "holes of 30 ms", func(v int64) *schedTrace { return schedHoles(t, int(v), 30*schedMS, 100*schedMS, schedS) },
		schedCase{0, "clear"}, schedCase{4, "clear"}, schedCase{5, "error"}, schedCase{10, "error"})
	schedAt(t, cpuThrottled, "µs of ten holes in 10 s", func(v int64) *schedTrace { return schedHoles(t, 10, v*1000, 100*schedMS, 10*schedS) },
		schedCase{9_999, "clear"}, schedCase{10_000, "warning"}, schedCase{99_000, "warning"})
	schedAt(t, cpuThrottled, "ms of a quota that is hit in every period", func(v int64) *schedTrace { return schedHoles(t, 10, v*schedMS, 100*schedMS, schedS) },
		schedCase{4, "clear"}, schedCase{9, "warning"}, schedCase{10, "error"}, schedCase{90, "error"})
	// Not in phase with 100 ms.
	schedAt(t, cpuThrottled, "period of holes, in ms", func(v int64) *schedTrace { return schedHoles(t, 10, 30*schedMS, v*schedMS, 5*schedS) },
		schedCase{90, "clear"}, schedCase{93, "clear"}, schedCase{200, "warning"}, schedCase{130, "clear"})
	// Idle Ps make no hole, nor do stopped worlds.
	tr := schedNew(t, schedS)
	for i := range int64(10) {
		tr.interval(i*100*schedMS, i*100*schedMS+50*schedMS, 4, 0, 0, 4)
		tr.interval(i*100*schedMS+50*schedMS, i*100*schedMS+100*schedMS, 4, 2, 0, 2).STW = true
	}
	if got := schedVerdict(t, schedReport(t, cpuThrottled, tr).Results[0]); got != "clear" {
		t.Errorf("idle and stopped: %s", got)
	}
	for _, name := range []string{"preempt-cooperative", "spin-30ms", "http-healthy", "idle", "sched/noisy-neighbour", "sched/sigstop-hole", "sched/serial-phase", "sched/spin-noyield-asyncoff", "user/cpu-samples"} {
		schedReal(t, name, map[*analysis.Analyzer]string{cpuThrottled: "clear"})
	}
	schedReal(t, "sched/cpu-throttle", map[*analysis.Analyzer]string{cpuThrottled: "error"})
}

// TestThrottlingExplains: the quota is the finding, its effects are symptoms.
func TestThrottlingExplains(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Corpus(t, "sched/cpu-throttle"), Judges()...)
	for _, f := range rep.Findings() {
		switch f.Code {
		case "oversubscribed-host", "slice-overrun", "latency-tail":
			t.Errorf("%s stands beside its cause", f.Code)
		case "cpu-throttled":
			if len(f.Symptoms) == 0 {
				t.Error("cpu-throttled has no symptoms")
			}
		}
	}
}

func TestOversubscribedHost(t *testing.T) { runCases(t, oversubscribedHost, casesOversubscribedHost) }

func casesOversubscribedHost(t *testing.T) {
	schedIdle(t, oversubscribedHost)
	stuck := func(n int, held, length, work int64) *schedTrace {
		tr := schedNew(t, length)
		for i := range int64(n) {
			tr.proc(0, parse.ProcScheduler, i*10*schedMS, i*10*schedMS+held)
		}
		tr.proc(1, parse.ProcScheduler, 0, work)
		tr.proc(1, parse.ProcUser, work, length)
		return tr
	}
	schedAt(t, oversubscribedHost, "times of 1 ms in 2 s", func(v int64) *schedTrace { return stuck(int(v), schedMS, 2*schedS, 0) },
		schedCase{1, "clear"}, schedCase{19, "clear"}, schedCase{20, "note"}, schedCase{59, "note"}, schedCase{60, "warning"})
	schedAt(t, oversubscribedHost, "length of 20 times", func(v int64) *schedTrace { return stuck(20, v, schedS, 0) },
		schedCase{schedMS - 1, "clear"}, schedCase{schedMS, "note"})
	schedAt(t, oversubscribedHost, "length of a trace with 20 ms", func(v int64) *schedTrace { return stuck(20, schedMS, v, 0) },
		schedCase{2 * schedS, "note"}, schedCase{2*schedS + schedMS, "clear"})
	// Runs of the scheduler shorter than 1 ms come along.
	schedAt(t, oversubscribedHost, "ms in the scheduler beside 100 ms", func(v int64) *schedTrace {
		tr := stuck(100, schedMS, schedS, 0)
		for i := range v * 2 {
			tr.proc(1, parse.ProcScheduler, i*schedMS, i*schedMS+schedMS/2)
		}
		return tr
	}, schedCase{66, "warning"}, schedCase{67, "note"}, schedCase{233, "note"}, schedCase{234, "clear"})

	samples := func(n int) *schedTrace {
		tr := stuck(100, schedMS, 4*schedS, 0)
		tr.add(procLife(0, 0, 4*schedS, 2*schedS, 2*schedS))
		for range n {
			tr.add(parse.Event{Kind: parse.KindSample})
		}
		return tr
	}
	schedAt(t, oversubscribedHost, "samples of 200", func(v int64) *schedTrace { return samples(int(v)) },
		schedCase{0, "note"}, schedCase{60, "error"}, schedCase{61, "warning"}, schedCase{120, "warning"}, schedCase{121, "clear"}, schedCase{300, "clear"})

	schedAt(t, oversubscribedHost, "hole", func(v int64) *schedTrace {
		tr := stuck(1, schedMS, 3*schedS, 0)
		tr.interval(0, v, 4, 1, 0, 3)
		return tr
	}, schedCase{100*schedMS - 1, "clear"}, schedCase{100 * schedMS, "warning/stalled"}, schedCase{schedS, "error/stalled"})
	schedAt(t, oversubscribedHost, "trace of a P that does nothing, length", func(v int64) *schedTrace {
		tr := schedNew(t, v)
		tr.proc(0, parse.ProcIdle, 0, v)
		return tr
	}, schedCase{schedS, "n/a"})

	for _, name := range []string{"http-healthy", "idle", "io/http-mix", "io/net-echo", "sync/chan-slow-stage", "sched/serial-phase", "sched/single-hot-goroutine", "user/cpu-samples", "sched/spin-noyield", "sync/spinlock"} {
		schedReal(t, name, map[*analysis.Analyzer]string{oversubscribedHost: "clear"})
	}
	schedReal(t, "sched/noisy-neighbour", map[*analysis.Analyzer]string{oversubscribedHost: "warning"})
	schedReal(t, "real/victoria-metrics", map[*analysis.Analyzer]string{oversubscribedHost: "note"})
	schedReal(t, "sched/sigstop-hole", map[*analysis.Analyzer]string{oversubscribedHost: "warning/stalled"})
}

func TestSerialSection(t *testing.T) { runCases(t, serialSection, casesSerialSection) }

func casesSerialSection(t *testing.T) {
	schedIdle(t, serialSection)
	type serial struct{ alone, blocked, owner, length int64 }
	make := func(c serial) *schedTrace {
		tr := schedNew(t, c.length)
		tr.interval(0, c.alone, 4, 1, 0, 3)
		tr.interval(c.alone, c.length, 4, 3, 0, 1)
		for p := range parse.ProcID(4) {
			tr.proc(p, parse.ProcUser, 0, c.length)
		}
		tr.lives(1, 1, parse.GoRunning, c.owner, 0)
		tr.lives(1, 2, parse.GoRunning, 1000*schedMS-c.owner, 0)
		tr.blocked(1, "sync", c.blocked)
		return tr
	}
	schedAt(t, serialSection, "time alone", func(v int64) *schedTrace { return make(serial{v, 2 * schedS, 900 * schedMS, schedS}) },
		schedCase{500*schedMS - 1, "clear"}, schedCase{500 * schedMS, "note"}, schedCase{750*schedMS - 1, "note"}, schedCase{750 * schedMS, "warning"})
	schedAt(t, serialSection, "time blocked", func(v int64) *schedTrace { return make(serial{900 * schedMS, v, 900 * schedMS, schedS}) },
		schedCase{0, "clear"}, schedCase{250*schedMS - 1, "clear"}, schedCase{250 * schedMS, "note"}, schedCase{2*schedS - 1, "note"}, schedCase{2 * schedS, "warning"})
	schedAt(t, serialSection, "running of one function", func(v int64) *schedTrace { return make(serial{900 * schedMS, 2 * schedS, v, schedS}) },
		schedCase{500 * schedMS, "warning"}, schedCase{900 * schedMS, "warning"})
	schedAt(t, serialSection, "running of each of three functions", func(v int64) *schedTrace {
		tr := make(serial{900 * schedMS, 2 * schedS, 500 * schedMS, schedS})
		tr.lives(1, 3, parse.GoRunning, v, 0)
		return tr
	}, schedCase{0, "warning"}, schedCase{1, "clear"})
	schedAt(t, serialSection, "time alone in a short trace", func(v int64) *schedTrace { return make(serial{v, 200 * schedMS, 900 * schedMS, 100 * schedMS}) },
		schedCase{99 * schedMS, "clear"}, schedCase{100 * schedMS, "warning"})
	schedAt(t, serialSection, "GOMAXPROCS", func(v int64) *schedTrace {
		tr := make(serial{900 * schedMS, 2 * schedS, 900 * schedMS, schedS})
		tr.events = slices.DeleteFunc(tr.events, func(e parse.Event) bool { return e.Kind == parse.KindProc && int64(e.Proc.ID) >= v })
		return tr
	}, schedCase{1, "n/a"}, schedCase{2, "warning"})
	for _, name := range []string{"http-healthy", "idle", "steal-bursts", "io/http-mix", "real/victoria-metrics", "debian/nats-server", "sched/mix-procs2"} {
		schedReal(t, name, map[*analysis.Analyzer]string{serialSection: "clear"})
	}
	schedReal(t, "procs-1", map[*analysis.Analyzer]string{serialSection: "n/a"})
	schedReal(t, "mutex-starvation", map[*analysis.Analyzer]string{serialSection: "warning"})
	for name, want := range map[string]string{"sched/serial-phase": "note", "sched/single-hot-goroutine": "note", "sync/chan-slow-stage": "warning", "sync/select-fanin": "note", "sync/mutex-hold-cpu": "note"} {
		schedReal(t, name, map[*analysis.Analyzer]string{serialSection: want})
	}
}

func TestSaturated(t *testing.T) { runCases(t, saturatedPs, casesSaturated) }

func casesSaturated(t *testing.T) {
	schedIdle(t, saturatedPs)
	make := func(busy int64, length int64, runnable, idle, syscall int32) *schedTrace {
		tr := schedNew(t, length)
		for at := int64(0); at < length; at += schedMS {
			if at < busy {
				iv := tr.interval(at, min(at+schedMS, busy), 4, 4-idle, runnable, idle)
				iv.P[parse.ProcSyscall] = syscall
			}
		}
		tr.interval(busy, length, 4, 1, 0, 3)
		tr.proc(0, parse.ProcUser, 0, length)
		tr.outside(10)
		return tr
	}
	schedAt(t, saturatedPs, "from outside", func(v int64) *schedTrace {
		tr := make(600*schedMS, schedS, 4, 0, 0)
		tr.events = slices.DeleteFunc(tr.events, func(e parse.Event) bool { return e.Kind == parse.KindGoRunnable })
		tr.outside(int(v))
		return tr
	}, schedCase{0, "note"}, schedCase{9, "note"}, schedCase{10, "warning"})
	schedAt(t, saturatedPs, "ms of a second", func(v int64) *schedTrace { return make(v*schedMS, schedS, 4, 0, 0) },
		schedCase{0, "clear"}, schedCase{499, "clear"}, schedCase{500, "warning"}, schedCase{899, "warning"}, schedCase{900, "error"})
	schedAt(t, saturatedPs, "ms of 10 s, in a row", func(v int64) *schedTrace { return make(v*schedMS, 10*schedS, 4, 0, 0) },
		schedCase{850, "clear"}, schedCase{960, "note"}, schedCase{5000, "warning"})
	// All of the worst second but the first ms; buckets of 16 ms hold a second to 0.8 %.
	schedAt(t, saturatedPs, "idle ms in each 10 of 10 s, the first two seconds but", func(v int64) *schedTrace {
		tr := schedNew(t, 10*schedS)
		for at := int64(0); at < 10*schedS; at += 10 * schedMS {
			busy := at
			if at < 3*schedS {
				busy = at + 10*schedMS - v*schedMS/100
			}
			tr.interval(at, busy, 4, 4, 4, 0)
			tr.interval(busy, at+10*schedMS, 4, 1, 0, 3)
		}
		tr.proc(0, parse.ProcUser, 0, 10*schedS)
		return tr
	}, schedCase{99, "note"}, schedCase{101, "clear"})
	schedAt(t, saturatedPs, "runnable", func(v int64) *schedTrace { return make(600*schedMS, schedS, int32(v), 0, 0) },
		schedCase{3, "clear"}, schedCase{4, "warning"})
	schedAt(t, saturatedPs, "idle Ps", func(v int64) *schedTrace { return make(600*schedMS, schedS, 8, int32(v), 0) }, schedCase{1, "clear"})
	schedAt(t, saturatedPs, "Ps in system calls", func(v int64) *schedTrace { return make(600*schedMS, schedS, 8, 0, int32(v)) },
		schedCase{1, "warning"}, schedCase{2, "clear"})
	schedAt(t, saturatedPs, "length", func(v int64) *schedTrace { return make(v, v, 8, 0, 0) },
		schedCase{100*schedMS - 1, "clear"}, schedCase{100 * schedMS, "error"})
	schedAt(t, saturatedPs, "ms of GC", func(v int64) *schedTrace {
		tr := make(schedS, schedS, 8, 0, 0)
		tr.proc(1, parse.ProcWorker, 0, v*schedMS)
		return tr
	}, schedCase{1000, "error"}, schedCase{1001, "clear"})
	for _, name := range []string{"http-healthy", "idle", "steal-bursts", "gc/assist-gogc10", "io/syscall-threads", "sched/mix-procs1", "real/victoria-metrics"} {
		schedReal(t, name, map[*analysis.Analyzer]string{saturatedPs: "clear"})
	}
	schedReal(t, "preempt-async", map[*analysis.Analyzer]string{saturatedPs: "note"})
	schedReal(t, "preempt-cooperative", map[*analysis.Analyzer]string{saturatedPs: "note"})
}

// TestSaturationExplains: full Ps explain the tail when user work is what was waited for.
func TestSaturationExplains(t *testing.T) {
	for cause, want := range map[parse.Cause]bool{parse.CauseUser: true, parse.CauseGC: false} {
		tr := schedNew(t, schedS)
		tr.interval(0, schedS, 4, 4, 8, 0)
		tr.proc(0, parse.ProcUser, 0, schedS)
		tr.waits(2000, 0, 20*schedMS, func(g *parse.Go) { g.Wait = [parse.NumCauses]int64{}; g.Wait[cause] = 20 * schedMS })
		a := []*analysis.Analyzer{saturatedPs, latencyTail}
		p := analysis.NewPartial(a)
		for i := range tr.events {
			p.Event(&tr.events[i])
		}
		rep := analysis.Conclude(&tr.Trace, "synthetic", p, a, nil)
		var codes []string
		for _, f := range rep.Findings() {
			codes = append(codes, f.Code)
		}
		if got := !slices.Contains(codes, "latency-tail"); got != want {
			t.Errorf("waiting for %s: findings %v", cause, codes)
		}
	}
}

func TestIdlePsIOBound(t *testing.T) { runCases(t, idlePsIOBound, casesIdlePsIOBound) }

func casesIdlePsIOBound(t *testing.T) {
	schedIdle(t, idlePsIOBound)
	make := func(idle, network int64, wakes int) *schedTrace {
		tr := schedNew(t, schedS)
		tr.proc(0, parse.ProcIdle, 0, idle)
		tr.proc(0, parse.ProcUser, idle, schedS)
		tr.blocked(1, "network", network)
		tr.lives(1, 1, parse.GoWaiting, schedS, 0)
		for range wakes {
			tr.add(parse.Event{Time: 5000, Kind: parse.KindGoWaiting, P: 0, Go: &parse.Go{ID: 9, From: parse.GoWaiting, To: parse.GoRunnable, Since: 5000, Ready: parse.ReadyNetpoll, Waker: parse.NoGo}})
		}
		return tr
	}
	schedAt(t, idlePsIOBound, "idle", func(v int64) *schedTrace { return make(v, 900*schedMS, 200) },
		schedCase{700*schedMS - 1, "clear"}, schedCase{700 * schedMS, "note"})
	schedAt(t, idlePsIOBound, "network", func(v int64) *schedTrace { return make(900*schedMS, v, 200) },
		schedCase{800*schedMS - 1, "clear"}, schedCase{800 * schedMS, "note"})
	schedAt(t, idlePsIOBound, "wake-ups", func(v int64) *schedTrace { return make(900*schedMS, 900*schedMS, int(v)) },
		schedCase{99, "clear"}, schedCase{100, "note"})
	schedAt(t, idlePsIOBound, "no goroutines in", func(v int64) *schedTrace { return schedNew(t, v) }, schedCase{schedS, "n/a"})
	schedReal(t, "netpoll-echo", map[*analysis.Analyzer]string{idlePsIOBound: "note"})
	schedReal(t, "idle", map[*analysis.Analyzer]string{idlePsIOBound: "clear"})
	schedReal(t, "preempt-async", map[*analysis.Analyzer]string{idlePsIOBound: "clear"})
	schedReal(t, "io/net-echo", map[*analysis.Analyzer]string{idlePsIOBound: "note"})
	schedReal(t, "sched/idle", map[*analysis.Analyzer]string{idlePsIOBound: "clear"})
}

// schedShares is a trace in which each P runs for so many hundredths of a percent of
// every 10 ms, with a goroutine runnable for each.
func schedShares(t *testing.T, length int64, ran ...int64) *schedTrace {
	tr := schedNew(t, length)
	for at := int64(0); at < length; at += 10 * schedMS {
		for p, share := range ran {
			until := at + share*schedMS/1000
			tr.proc(parse.ProcID(p), parse.ProcUser, at, until)
			tr.proc(parse.ProcID(p), parse.ProcIdle, until, at+10*schedMS)
		}
		n := int32(len(ran))
		tr.interval(at, at+10*schedMS, n, 1, n, n-1)
	}
	return tr
}

func TestPImbalance(t *testing.T) { runCases(t, pImbalance, casesPImbalance) }

func casesPImbalance(t *testing.T) {
	schedIdle(t, pImbalance)
	// Two Ps, of which the second runs for a share of the first one's time.
	make := func(length, first, second int64, runnable int32) *schedTrace {
		tr := schedNew(t, length)
		for at := int64(0); at < length; at += 10 * schedMS {
			for p, ran := range []int64{first, second} {
				tr.proc(parse.ProcID(p), parse.ProcUser, at, at+ran*schedMS/10)
				tr.proc(parse.ProcID(p), parse.ProcIdle, at+ran*schedMS/10, at+10*schedMS)
			}
			tr.interval(at, at+10*schedMS, 2, 1, runnable, 1)
		}
		return tr
	}
	schedAt(t, pImbalance, "running of the second of the first's 90 %, in %", func(v int64) *schedTrace { return make(4*schedS, 90, v, 1) },
		schedCase{0, "warning"}, schedCase{29, "note"}, schedCase{31, "clear"}, schedCase{90, "clear"})
	// A quarter of a goroutine per P, half of one with two: runnable for half of each 10 ms.
	schedAt(t, pImbalance, "µs of 10 ms with one runnable", func(v int64) *schedTrace {
		tr := make(4*schedS, 90, 0, 0)
		for at := int64(0); at < 4*schedS; at += 10 * schedMS {
			tr.interval(at, at+v*1000, 2, 1, 1, 1)
		}
		return tr
	}, schedCase{4900, "clear"}, schedCase{5200, "warning"})
	// With two Ps the other has to run for less than half of what the first does.
	schedAt(t, pImbalance, "running of the first beside 60 %, in %, hundredths", func(v int64) *schedTrace { return schedShares(t, 4*schedS, v, 3000) },
		schedCase{8900, "clear"}, schedCase{9300, "note"})
	schedAt(t, pImbalance, "running of the first of three, two idle, in hundredths of a %", func(v int64) *schedTrace { return schedShares(t, 4*schedS, v, 0, 0) },
		schedCase{5900, "clear"}, schedCase{6200, "warning"})
	schedAt(t, pImbalance, "runnable", func(v int64) *schedTrace { return make(4*schedS, 90, 0, int32(v)) },
		schedCase{0, "clear"}, schedCase{1, "warning"})
	schedAt(t, pImbalance, "running of the only one used, in %", func(v int64) *schedTrace { return make(4*schedS, v, 0, 1) },
		schedCase{38, "clear"}, schedCase{41, "warning"})
	schedAt(t, pImbalance, "length", func(v int64) *schedTrace { return make(v, 90, 0, 1) },
		schedCase{1490 * schedMS, "n/a"}, schedCase{1700 * schedMS, "warning"})
	schedAt(t, pImbalance, "one P for", func(v int64) *schedTrace {
		tr := schedNew(t, v)
		tr.proc(0, parse.ProcUser, 0, v)
		return tr
	}, schedCase{2 * schedS, "n/a"})
	for _, name := range []string{"idle", "sched/single-hot-goroutine", "sched/mix-procs8", "real/etcd-embed", "io/http-mix"} {
		schedReal(t, name, map[*analysis.Analyzer]string{pImbalance: "clear"})
	}
	schedReal(t, "procs-1", map[*analysis.Analyzer]string{pImbalance: "n/a"})
}

func TestGOMAXPROCSAdvice(t *testing.T) { runCases(t, gomaxprocsAdvice, casesGOMAXPROCSAdvice) }

func casesGOMAXPROCSAdvice(t *testing.T) {
	schedIdle(t, gomaxprocsAdvice)
	make := func(procs, demand int32, share, length int64) *schedTrace {
		tr := schedNew(t, length)
		running := min(demand, procs)
		tr.interval(0, share, procs, running, demand-running, procs-running)
		tr.interval(share, length, procs, 0, 0, procs)
		tr.proc(0, parse.ProcUser, 0, length)
		return tr
	}
	schedAt(t, gomaxprocsAdvice, "needed of 8 Ps", func(v int64) *schedTrace { return make(8, int32(v), schedS, 2*schedS) },
		schedCase{0, "clear"}, schedCase{4, "note/fewer"}, schedCase{5, "clear"}, schedCase{8, "clear"})
	schedAt(t, gomaxprocsAdvice, "ms of 2 s with one of 8 needed", func(v int64) *schedTrace { return make(8, 1, v*schedMS, 2*schedS) },
		schedCase{39, "clear"}, schedCase{40, "note/fewer"}, schedCase{41, "note/fewer"})
	schedAt(t, gomaxprocsAdvice, "needed of 6 Ps", func(v int64) *schedTrace { return make(6, int32(v), schedS, 2*schedS) },
		schedCase{2, "note/fewer"}, schedCase{3, "clear"})
	schedAt(t, gomaxprocsAdvice, "µs of 2 s with 8 of 8 needed, else one", func(v int64) *schedTrace {
		tr := make(8, 8, v*1000, 2*schedS)
		tr.interval(v*1000, 2*schedS, 8, 1, 0, 7)
		return tr
	}, schedCase{1999, "note/fewer"}, schedCase{4010, "clear"})
	schedAt(t, gomaxprocsAdvice, "time with 8 for 4 Ps", func(v int64) *schedTrace { return make(4, 8, v, 2*schedS) },
		schedCase{schedS - 1, "clear"}, schedCase{schedS, "note/more"})
	schedAt(t, gomaxprocsAdvice, "length", func(v int64) *schedTrace { return make(8, 1, v, v) },
		schedCase{schedS - 1, "clear"}, schedCase{schedS, "note/fewer"})
	schedAt(t, gomaxprocsAdvice, "GOMAXPROCS 4 and then", func(v int64) *schedTrace {
		tr := make(4, 1, schedS, 2*schedS)
		tr.interval(2*schedS, 2*schedS, int32(v), 1, 0, 1)
		return tr
	}, schedCase{4, "clear"}, schedCase{8, "n/a"})
	schedAt(t, gomaxprocsAdvice, "unknown GOMAXPROCS for", func(v int64) *schedTrace { return make(0, 0, v, v) }, schedCase{schedS, "n/a"})
	schedReal(t, "gomaxprocs-change", map[*analysis.Analyzer]string{gomaxprocsAdvice: "n/a"})
	schedReal(t, "idle", map[*analysis.Analyzer]string{gomaxprocsAdvice: "clear"})
	schedReal(t, "sched/single-hot-goroutine", map[*analysis.Analyzer]string{gomaxprocsAdvice: "note/fewer"})
	schedReal(t, "sched/mix-procs8", map[*analysis.Analyzer]string{gomaxprocsAdvice: "clear"})
	schedReal(t, "arch/js-wasm", map[*analysis.Analyzer]string{gomaxprocsAdvice: "clear"})     // one thread
	schedReal(t, "gc/assist-gogc10", map[*analysis.Analyzer]string{gomaxprocsAdvice: "clear"}) // the GC has the Ps
}
