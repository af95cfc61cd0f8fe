package passes

import (
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

func TestLatencyTail(t *testing.T) { runCases(t, latencyTail, casesLatencyTail) }

func casesLatencyTail(t *testing.T) {
	schedIdle(t, latencyTail)
	// n waits of 1 µs, and one of a hundred as long as held; all in the first second.
	make := func(n int, held, length, running int64) *schedTrace {
		tr := schedNew(t, length)
		tr.interval(0, running, 4, 1, 0, 3)
		tr.interval(running, length, 4, 0, 0, 4)
		tr.outside(10)
		tr.waits(n-n/50-10, 1000, 1000, nil)
		for i := range int64(n / 50) {
			tr.waits(1, i*20*schedMS, held, nil)
		}
		return tr
	}
	schedAt(t, latencyTail, "wait of 2 %", func(v int64) *schedTrace { return make(1000, v, schedS, schedS) },
		schedCase{990_000, "clear"}, schedCase{schedMS, "note"}, schedCase{4_980_000, "note"}, schedCase{5 * schedMS, "warning"}, schedCase{9_990_000, "warning"}, schedCase{10 * schedMS, "error"})
	schedAt(t, latencyTail, "waits", func(v int64) *schedTrace { return make(int(v), 20*schedMS, schedS, schedS) },
		schedCase{999, "n/a"}, schedCase{1000, "error"})
	schedAt(t, latencyTail, "ms of running beside 41 ms of waiting", func(v int64) *schedTrace { return make(1000, 2*schedMS, 10*schedS, v*schedMS) },
		schedCase{4000, "note"}, schedCase{4200, "clear"})
	// A bad second in a good trace.
	schedAt(t, latencyTail, "waits in the bad second", func(v int64) *schedTrace {
		tr := schedNew(t, 20*schedS)
		for i := range int64(20) {
			tr.waits(5000, i*schedS, 100, nil)
		}
		for i := range v {
			tr.waits(1, 5*schedS+i*schedS/v, 50*schedMS, nil)
		}
		tr.outside(10)
		return tr
	}, schedCase{30, "clear"}, schedCase{200, "error"})
	// Of 20 long waits of 1,000 so many in one moment.
	schedAt(t, latencyTail, "in one moment", func(v int64) *schedTrace {
		tr := schedNew(t, 2*schedS)
		tr.outside(10)
		tr.waits(970, 0, 100, nil)
		tr.waits(int(v), schedS, 50*schedMS, nil)
		for i := range 20 - v {
			tr.waits(1, i*100*schedMS, 50*schedMS, nil)
		}
		return tr
	}, schedCase{15, "error"}, schedCase{17, "note"}, schedCase{20, "note"})
	schedAt(t, latencyTail, "from outside", func(v int64) *schedTrace {
		tr := schedNew(t, 900*schedMS)
		tr.outside(int(v))
		tr.waits(1000, 0, 50*schedMS, nil)
		return tr
	}, schedCase{0, "note"}, schedCase{9, "note"}, schedCase{10, "error"})
	// Yields, coroutine switches and the runtime's own are not the program's waits.
	schedAt(t, latencyTail, "yields", func(v int64) *schedTrace {
		tr := make(1000, 1000, schedS, schedS)
		tr.waits(int(v), 0, 50*schedMS, func(g *parse.Go) { g.Ready = parse.ReadyYield })
		tr.waits(int(v), 0, 50*schedMS, func(g *parse.Go) { g.Class = parse.ClassSystem })
		return tr
	}, schedCase{1000, "clear"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "idle": "n/a", "steal-bursts": "note",
		"io/http-mix": "clear", "io/net-echo": "clear", "real/victoria-metrics": "note", "debian/nats-server": "clear", "sched/mix-procs2": "clear", "sched/mix-procs1": "note",
		"sched/goroutines-50k-parked": "note", "io/syscall-threads": "error", "real/geth-startup": "note", "real/compile": "note",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{latencyTail: want})
	}
}

func TestRunnableBurst(t *testing.T) { runCases(t, runnableBurst, casesRunnableBurst) }

func casesRunnableBurst(t *testing.T) {
	schedIdle(t, runnableBurst)
	// n bursts of that many runnable for held, in a second.
	make := func(n int, runnable int32, held int64) *schedTrace {
		tr := schedNew(t, schedS)
		step := int64(schedS / 100)
		for i := range int64(100) {
			at := i * step
			if i < int64(n) {
				tr.interval(at, at+held, 4, 4, runnable, 0)
			} else {
				tr.interval(at, at+held, 4, 4, 0, 0)
			}
			tr.interval(at+held, at+step, 4, 0, 0, 4)
		}
		return tr
	}
	schedAt(t, runnableBurst, "runnable of 4 Ps", func(v int64) *schedTrace { return make(3, int32(v), 5*schedMS) },
		schedCase{19, "clear"}, schedCase{20, "note"})
	schedAt(t, runnableBurst, "µs of a burst", func(v int64) *schedTrace { return make(10, 50, v*1000) },
		schedCase{1999, "clear"}, schedCase{2000, "warning"})
	schedAt(t, runnableBurst, "bursts of 20 for 5 ms", func(v int64) *schedTrace { return make(int(v), 20, 5*schedMS) },
		schedCase{0, "n/a"}, schedCase{1, "note"}, schedCase{9, "note"}, schedCase{10, "warning"})
	schedAt(t, runnableBurst, "bursts of 20 for 2 ms", func(v int64) *schedTrace { return make(int(v), 20, 2*schedMS) },
		schedCase{2, "clear"}, schedCase{3, "note"})
	// Of 1 s of waiting in bursts and this beside it.
	schedAt(t, runnableBurst, "share of others, 20 bursts", func(v int64) *schedTrace {
		tr := make(10, 20, 5*schedMS)
		tr.interval(0, schedS, 40, 4, int32(v), 36)
		return tr
	}, schedCase{0, "warning"}, schedCase{1, "note"}, schedCase{2, "note"}, schedCase{4, "clear"})
	// Of 1 s of waiting in bursts and this beside it, four at a time: 3 s are as much
	// as makes a quarter, 667 ms what makes 60 %.
	schedAt(t, runnableBurst, "ms of waiting of others", func(v int64) *schedTrace {
		tr := make(10, 20, 5*schedMS)
		tr.interval(0, v*schedMS/4, 40, 4, 4, 36)
		return tr
	}, schedCase{666, "warning"}, schedCase{667, "note"}, schedCase{3000, "note"}, schedCase{3004, "clear"})
	schedAt(t, runnableBurst, "µs of ten bursts of 20", func(v int64) *schedTrace { return make(10, 20, v*1000) },
		schedCase{4999, "note"}, schedCase{5000, "warning"})
	schedAt(t, runnableBurst, "µs of one burst of 20", func(v int64) *schedTrace { return make(1, 20, v*1000) },
		schedCase{4999, "clear"}, schedCase{5000, "note"})
	// Bursts of 15 ms in all, the longest of so many µs, of goroutines just created.
	schedAt(t, runnableBurst, "µs of the longest of three", func(v int64) *schedTrace {
		tr := schedNew(t, schedS)
		at := int64(0)
		for _, held := range []int64{v * 1000, 7500*1000 - v*500, 7500*1000 - v*500} {
			tr.interval(at, at+held, 4, 4, 200, 0)
			tr.interval(at+held, at+100*schedMS, 4, 0, 0, 4)
			at += 100 * schedMS
		}
		tr.waits(10, 0, 5*schedMS, func(g *parse.Go) { g.Ready, g.WakerStack = parse.ReadyCreated, tr.stack(0) })
		return tr
	}, schedCase{8990, "warning"}, schedCase{9010, "note"})
	// A standing queue is none.
	schedAt(t, runnableBurst, "ms with 40 runnable", func(v int64) *schedTrace {
		tr := schedNew(t, schedS)
		tr.interval(0, v*schedMS, 4, 4, 40, 0)
		tr.interval(v*schedMS, schedS, 4, 0, 0, 4)
		return tr
	}, schedCase{500, "warning"}, schedCase{501, "clear"})
	schedAt(t, runnableBurst, "yielding of 40", func(v int64) *schedTrace {
		tr := schedNew(t, schedS)
		tr.interval(0, 100*schedMS, 4, 4, 40, 0).Yielding = int32(v)
		tr.interval(100*schedMS, schedS, 4, 0, 0, 4)
		return tr
	}, schedCase{20, "warning"}, schedCase{21, "clear"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "netpoll-echo": "clear", "idle": "clear",
		"io/http-mix": "clear", "io/net-echo": "clear", "real/victoria-metrics": "clear", "real/etcd-embed": "clear",
		"sched/goroutines-50k-parked": "warning", "real/geth-startup": "warning", "io/syscall-threads": "warning",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{runnableBurst: want})
	}
}

func TestIdlePWhileRunnable(t *testing.T) { runCases(t, idlePWhileRunnable, casesIdlePWhileRunnable) }

func casesIdlePWhileRunnable(t *testing.T) {
	schedIdle(t, idlePWhileRunnable)
	make := func(n int, held int64, others int32) *schedTrace {
		tr := schedNew(t, schedS)
		step := int64(schedS / 100)
		for i := range int64(100) {
			at := i * step
			if i < int64(n) {
				tr.interval(at, at+held, 4, 3, 1, 1)
			} else {
				tr.interval(at, at+held, 4, 3, 0, 1)
			}
			tr.interval(at+held, at+step, 4, 4, others, 0)
		}
		return tr
	}
	schedAt(t, idlePWhileRunnable, "µs of 20 stretches", func(v int64) *schedTrace { return make(20, v*1000, 0) },
		schedCase{2499, "clear"}, schedCase{2500, "note"})
	schedAt(t, idlePWhileRunnable, "µs of 100 stretches", func(v int64) *schedTrace { return make(100, v*1000, 0) },
		schedCase{499, "clear"}, schedCase{500, "note"}, schedCase{2999, "note"}, schedCase{3000, "warning"})
	schedAt(t, idlePWhileRunnable, "stretches of 5 ms", func(v int64) *schedTrace { return make(int(v), 5*schedMS, 0) },
		schedCase{19, "clear"}, schedCase{20, "note"}, schedCase{59, "note"}, schedCase{60, "warning"})
	// Of 0.1 s beside an idle P and 0.9 s for each of the others.
	schedAt(t, idlePWhileRunnable, "waiting when none is idle", func(v int64) *schedTrace { return make(100, schedMS, int32(v)) },
		schedCase{2, "note"}, schedCase{3, "clear"})
	schedAt(t, idlePWhileRunnable, "nobody waits for", func(v int64) *schedTrace {
		tr := schedNew(t, v)
		tr.interval(0, v, 4, 1, 0, 3)
		return tr
	}, schedCase{schedS, "n/a"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "netpoll-echo": "clear", "idle": "clear", "steal-bursts": "note",
		"sync/goroutine-leak": "clear", "io/pipe-stdin": "clear", "sched/goroutine-churn": "clear", "sched/mix-procs8": "note", "io/http-mix": "clear",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{idlePWhileRunnable: want})
	}
}

func TestGoschedSpin(t *testing.T) { runCases(t, goschedSpin, casesGoschedSpin) }

func casesGoschedSpin(t *testing.T) {
	schedIdle(t, goschedSpin)
	make := func(yields int, ran int64, starts int) *schedTrace {
		tr := schedNew(t, schedS)
		tr.proc(0, parse.ProcUser, 0, schedS)
		tr.preempts(yields, parse.PreemptYield, tr.stack(0), ran)
		tr.preempts(yields, parse.PreemptAsync, tr.stack(1), ran)
		tr.waits(starts, 0, 0, nil)
		return tr
	}
	schedAt(t, goschedSpin, "yields a second", func(v int64) *schedTrace { return make(int(v), 25_000, int(v)) },
		schedCase{4999, "clear"}, schedCase{5000, "note"}, schedCase{19_999, "note"}, schedCase{20_000, "warning"})
	schedAt(t, goschedSpin, "starts for 20,000 yields", func(v int64) *schedTrace { return make(20_000, 25_000, int(v)) },
		schedCase{80_000, "warning"}, schedCase{80_001, "note"}, schedCase{200_000, "note"}, schedCase{200_001, "clear"})
	schedAt(t, goschedSpin, "ns between 20,000 yields", func(v int64) *schedTrace { return make(20_000, v, 20_000) },
		schedCase{999, "clear"}, schedCase{1000, "note"}, schedCase{4999, "note"}, schedCase{5000, "warning"})
	schedAt(t, goschedSpin, "yields in 10 ms", func(v int64) *schedTrace {
		tr := make(int(v), 200_000, int(v))
		tr.To, tr.Last = 10*schedMS, 10*schedMS
		return tr
	}, schedCase{999, "clear"}, schedCase{1000, "warning"})
	forced, _ := analysistest.Events(t, analysistest.Testdata(t, "mark-starves"))
	gcStack := parse.StackID(1)
	for !slices.ContainsFunc(forced.Stack(gcStack), func(f parse.Frame) bool { return forced.String(f.Func) == "runtime.GC" }) {
		gcStack++
	}
	schedAt(t, goschedSpin, "yields in runtime.GC", func(v int64) *schedTrace {
		tr := make(0, 0, int(v))
		tr.Symbols = forced.Symbols
		tr.preempts(int(v), parse.PreemptYield, gcStack, 25_000)
		return tr
	}, schedCase{20_000, "clear"})
	schedAt(t, goschedSpin, "nothing runs for", func(v int64) *schedTrace { return schedNew(t, v) }, schedCase{schedS, "n/a"})
	for name, want := range map[string]string{
		"preempt-cooperative": "clear", "http-healthy": "clear", "gc-assist": "clear",
		"sync/spinlock": "warning", "sched/runnext-pair-p1": "clear", "gc/finalizers-cleanups": "clear", "real/etcd-embed": "clear",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{goschedSpin: want})
	}
}

func TestGoroutineChurn(t *testing.T) { runCases(t, goroutineChurn, casesGoroutineChurn) }

func casesGoroutineChurn(t *testing.T) {
	schedIdle(t, goroutineChurn)
	make := func(n int, ran int64, length int64) *schedTrace {
		tr := schedNew(t, length)
		tr.proc(0, parse.ProcUser, 0, length)
		tr.lives(n, 1, parse.GoRunning, ran, tr.stack(0))
		tr.lives(n/2, 2, parse.GoRunning, ran, tr.stack(1))
		return tr
	}
	schedAt(t, goroutineChurn, "created in 100 ms", func(v int64) *schedTrace { return make(int(v), 5000, 100*schedMS) },
		schedCase{999, "clear"}, schedCase{1000, "note"}, schedCase{4999, "note"}, schedCase{5000, "warning"})
	schedAt(t, goroutineChurn, "ns of each", func(v int64) *schedTrace { return make(5000, v, 100*schedMS) },
		schedCase{10_000, "warning"}, schedCase{10_001, "note"}, schedCase{20_000, "note"}, schedCase{20_001, "clear"})
	schedAt(t, goroutineChurn, "created in 10 ms", func(v int64) *schedTrace { return make(int(v), 5000, 10*schedMS) },
		schedCase{999, "clear"}, schedCase{1000, "warning"})
	schedAt(t, goroutineChurn, "none created for", func(v int64) *schedTrace {
		tr := schedNew(t, v)
		tr.lives(5000, 1, parse.GoRunning, 1000, 0)
		return tr
	}, schedCase{schedS, "n/a"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "steal-bursts": "clear",
		"sched/goroutine-churn": "note", "io/net-conn-churn": "clear", "io/http-mix": "clear", "real/cmdgo": "clear", "real/etcd-embed": "clear",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{goroutineChurn: want})
	}
}

func TestLockedThreadPenalty(t *testing.T) {
	runCases(t, lockedThreadPenalty, casesLockedThreadPenalty)
}

func casesLockedThreadPenalty(t *testing.T) {
	schedIdle(t, lockedThreadPenalty)
	make := func(n int, held, others int64) *schedTrace {
		tr := schedNew(t, schedS)
		tr.waits(n, 0, held, func(g *parse.Go) { g.BlockedStack = tr.stack(0) })
		tr.waits(n, 0, others, func(g *parse.Go) { g.BlockedStack = tr.stack(1) })
		last := &tr.events[len(tr.events)-1]
		last.M++ // these change threads
		return tr
	}
	// Medians are the lower edges of powers of two.
	schedAt(t, lockedThreadPenalty, "wait where others have 4096", func(v int64) *schedTrace { return make(100, v, 4096) },
		schedCase{16_383, "clear"}, schedCase{16_384, "note"})
	schedAt(t, lockedThreadPenalty, "wait where others have 256", func(v int64) *schedTrace { return make(100, v, 256) },
		schedCase{8191, "clear"}, schedCase{8192, "note"})
	schedAt(t, lockedThreadPenalty, "waits", func(v int64) *schedTrace { return make(int(v), 50_000, 256) },
		schedCase{99, "clear"}, schedCase{100, "note"})
	schedAt(t, lockedThreadPenalty, "length", func(v int64) *schedTrace {
		tr := make(100, 50_000, 256)
		tr.To, tr.Last = parse.Time(v), parse.Time(v)
		return tr
	}, schedCase{schedS, "note"}, schedCase{schedS + schedMS, "clear"})
	schedAt(t, lockedThreadPenalty, "waits and no others", func(v int64) *schedTrace {
		tr := schedNew(t, schedS)
		tr.waits(int(v), 0, 50_000, func(g *parse.Go) { g.BlockedStack = tr.stack(0) })
		return tr
	}, schedCase{200, "n/a"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "netpoll-echo": "clear", "procs-1": "clear",
		"sched/lockosthread-pingpong": "note", "io/http-mix": "clear", "io/net-echo": "clear", "sched/mix-procs8": "clear", "sync/mutex-hold-cpu": "clear",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{lockedThreadPenalty: want})
	}
}

func TestMigrationChurn(t *testing.T) { runCases(t, migrationChurn, casesMigrationChurn) }

func casesMigrationChurn(t *testing.T) {
	schedIdle(t, migrationChurn)
	make := func(migrations, stays int, idle int64) *schedTrace {
		tr := schedNew(t, schedS)
		tr.proc(0, parse.ProcUser, 0, schedS)
		tr.proc(1, parse.ProcIdle, 0, idle)
		tr.proc(1, parse.ProcUser, idle, schedS)
		move := func(last parse.ProcID) func(*parse.Go) {
			return func(g *parse.Go) {
				g.P, g.LastP, g.Origin, g.Victim, g.WakerStack = 1, last, parse.OriginStolen, last, tr.stack(0)
			}
		}
		tr.waits(migrations, 0, 0, move(0))
		tr.waits(stays, 0, 0, move(1))
		return tr
	}
	schedAt(t, migrationChurn, "migrations a second", func(v int64) *schedTrace { return make(int(v), 10_000, 0) },
		schedCase{19_999, "clear"}, schedCase{20_000, "note"}, schedCase{99_999, "note"}, schedCase{100_000, "warning"})
	schedAt(t, migrationChurn, "starts on the same P beside 30,000", func(v int64) *schedTrace { return make(30_000, int(v), 0) },
		schedCase{70_000, "note"}, schedCase{70_001, "clear"})
	schedAt(t, migrationChurn, "idle of one of two Ps", func(v int64) *schedTrace { return make(30_000, 0, v) }, schedCase{schedS, "note"})
	schedAt(t, migrationChurn, "idle of a third P beside", func(v int64) *schedTrace {
		tr := make(30_000, 0, schedS)
		tr.proc(2, parse.ProcIdle, 0, v)
		return tr
	}, schedCase{1, "clear"})
	// Two Ps that are busy, or idle, for the same time.
	schedAt(t, migrationChurn, "ms more of an idle P beside one busy for 1 s", func(v int64) *schedTrace {
		return make(30_000, 0, schedS+v*schedMS)
	}, schedCase{0, "note"}, schedCase{1, "clear"})
	schedAt(t, migrationChurn, "migrations in 10 ms", func(v int64) *schedTrace {
		tr := make(int(v), 0, 0)
		tr.To, tr.Last = 10*schedMS, 10*schedMS
		return tr
	}, schedCase{999, "clear"}, schedCase{1000, "warning"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "procs-1": "n/a", "steal-bursts": "clear",
		"io/net-echo": "clear", "real/nats-server": "clear", "real/etcd-embed": "clear", "sync/spinlock": "clear",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{migrationChurn: want})
	}
}

func TestSingleProducerSteal(t *testing.T) {
	runCases(t, singleProducerSteal, casesSingleProducerSteal)
}

func casesSingleProducerSteal(t *testing.T) {
	schedIdle(t, singleProducerSteal)
	make := func(one, others, local int, held int64) *schedTrace {
		tr := schedNew(t, 400*schedMS)
		steal := func(stack parse.StackID) func(*parse.Go) {
			return func(g *parse.Go) { g.Origin, g.WakerStack, g.Victim, g.P = parse.OriginStolen, stack, 0, 1 }
		}
		tr.waits(one, 0, held, steal(tr.stack(0)))
		tr.waits(others, 0, held, steal(tr.stack(1)))
		tr.waits(local, 0, held, func(g *parse.Go) { g.Origin = parse.OriginLocal })
		return tr
	}
	schedAt(t, singleProducerSteal, "steals", func(v int64) *schedTrace { return make(int(v), 0, 0, 30_000) },
		schedCase{0, "n/a"}, schedCase{199, "clear"}, schedCase{200, "note"})
	schedAt(t, singleProducerSteal, "steals of others beside 400", func(v int64) *schedTrace { return make(400, int(v), 0, 30_000) },
		schedCase{100, "note"}, schedCase{101, "clear"})
	schedAt(t, singleProducerSteal, "starts not stolen beside 400", func(v int64) *schedTrace { return make(400, 0, int(v), 30_000) },
		schedCase{3600, "note"}, schedCase{3601, "clear"})
	schedAt(t, singleProducerSteal, "wait", func(v int64) *schedTrace { return make(400, 0, 0, v) },
		schedCase{19_999, "clear"}, schedCase{20_000, "note"})
	schedAt(t, singleProducerSteal, "steals after timers", func(v int64) *schedTrace {
		tr := schedNew(t, 400*schedMS)
		tr.waits(int(v), 0, 30_000, func(g *parse.Go) { g.Origin, g.Ready = parse.OriginStolen, parse.ReadyTimer })
		return tr
	}, schedCase{400, "clear"})
	for name, want := range map[string]string{
		"steal-bursts": "note", "steal-timers": "clear", "http-healthy": "clear", "procs-1": "n/a",
		"sched/goroutine-churn": "note", "sync/select-fanin": "note", "gc/linked-list": "clear", "io/http-mix": "clear",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{singleProducerSteal: want})
	}
}

func TestSliceOverrun(t *testing.T) { runCases(t, sliceOverrun, casesSliceOverrun) }

func casesSliceOverrun(t *testing.T) {
	schedIdle(t, sliceOverrun)
	make := func(n int, length, contended int64, late int) *schedTrace {
		tr := schedNew(t, 10*schedS)
		tr.proc(0, parse.ProcUser, 0, 10*schedS)
		tr.outside(10)
		slice := func(length, contended int64) {
			tr.add(parse.Event{Kind: parse.KindSlice, Slice: &parse.Slice{P: 1, G: 9, End: parse.Time(length), Contended: contended, LateWait: length > 20*schedMS && contended > 0, Preempt: parse.PreemptAsync, To: parse.GoRunnable, Stack: tr.stack(0)}})
		}
		for range n {
			slice(length, contended)
		}
		for range late {
			slice(15*schedMS, schedMS)
		}
		return tr
	}
	schedAt(t, sliceOverrun, "length of three", func(v int64) *schedTrace { return make(3, v, 10*schedMS, 0) },
		schedCase{30 * schedMS, "clear"}, schedCase{30*schedMS + 1, "warning"}, schedCase{100*schedMS - 1, "warning"})
	schedAt(t, sliceOverrun, "number", func(v int64) *schedTrace { return make(int(v), 40*schedMS, 10*schedMS, 0) },
		schedCase{0, "n/a"}, schedCase{1, "note"}, schedCase{2, "note"}, schedCase{3, "warning"})
	schedAt(t, sliceOverrun, "others beside five", func(v int64) *schedTrace { return make(5, 40*schedMS, 10*schedMS, int(v)) },
		schedCase{95, "warning"}, schedCase{96, "note"}, schedCase{495, "note"}, schedCase{496, "clear"})
	schedAt(t, sliceOverrun, "ns of waiting in each of four", func(v int64) *schedTrace { return make(4, 40*schedMS, v, 0) },
		schedCase{0, "clear"}, schedCase{249_999, "clear"}, schedCase{250_000, "note"}, schedCase{2_499_999, "note"}, schedCase{2_500_000, "warning"})
	schedAt(t, sliceOverrun, "from outside", func(v int64) *schedTrace {
		tr := make(4, 40*schedMS, 10*schedMS, 0)
		tr.events = slices.DeleteFunc(tr.events, func(e parse.Event) bool { return e.Kind == parse.KindGoRunnable })
		tr.outside(int(v))
		return tr
	}, schedCase{0, "note"}, schedCase{9, "note"}, schedCase{10, "warning"})
	for name, want := range map[string]string{
		"spin-30ms": "note", "preempt-async": "clear", "preempt-cooperative": "clear", "http-healthy": "clear", "idle": "clear",
		"sched/spin-noyield-asyncoff": "note", "sched/spin-noyield": "clear", "io/http-mix": "clear", "gc/idle-workers": "clear", "real/etcd-embed": "clear",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{sliceOverrun: want})
	}
}

func TestPreemptHeavy(t *testing.T) { runCases(t, preemptHeavy, casesPreemptHeavy) }

func casesPreemptHeavy(t *testing.T) {
	schedIdle(t, preemptHeavy)
	make := func(n int, length int64, runnable int32) *schedTrace {
		tr := schedNew(t, schedS)
		tr.interval(0, schedS, 1, 1, runnable, 0)
		tr.proc(0, parse.ProcUser, 0, schedS)
		for range n {
			tr.add(parse.Event{Kind: parse.KindSlice, Slice: &parse.Slice{G: 9, End: parse.Time(length), Preempt: parse.PreemptAsync, To: parse.GoRunnable}})
		}
		tr.preempts(n, parse.PreemptAsync, tr.stack(0), length)
		return tr
	}
	schedAt(t, preemptHeavy, "slices of 20 ms", func(v int64) *schedTrace { return make(int(v), 20*schedMS, 1) },
		schedCase{0, "n/a"}, schedCase{19, "clear"}, schedCase{20, "note"}, schedCase{50, "note"})
	schedAt(t, preemptHeavy, "slices of 10 ms", func(v int64) *schedTrace { return make(int(v), 10*schedMS, 1) },
		schedCase{39, "clear"}, schedCase{40, "note"})
	schedAt(t, preemptHeavy, "length of 60", func(v int64) *schedTrace { return make(60, v, 1) },
		schedCase{10*schedMS - 1, "clear"}, schedCase{10 * schedMS, "note"})
	schedAt(t, preemptHeavy, "runnable", func(v int64) *schedTrace { return make(60, 10*schedMS, int32(v)) },
		schedCase{0, "clear"}, schedCase{1, "note"})
	for name, want := range map[string]string{
		"preempt-cooperative": "note", "http-healthy": "clear", "idle": "clear",
		"sched/runnext-pair-p1": "note", "sched/spin-noyield": "clear", "io/http-mix": "clear", "sched/single-hot-goroutine": "clear",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{preemptHeavy: want})
	}
}

func TestMutexStarvation(t *testing.T) { runCases(t, mutexStarvation, casesMutexStarvation) }

func casesMutexStarvation(t *testing.T) {
	schedIdle(t, mutexStarvation)
	make := func(n int) *schedTrace {
		tr := schedNew(t, schedS)
		tr.lives(1, 1, parse.GoRunning, schedS, 0)
		tr.preempts(n, parse.PreemptLockHandoff, tr.stack(0), 1000)
		tr.preempts(9, parse.PreemptLockHandoff, tr.stack(5), 1000)
		return tr
	}
	schedAt(t, mutexStarvation, "lock handoffs a second", func(v int64) *schedTrace { return make(int(v)) },
		schedCase{0, "clear"}, schedCase{9, "clear"}, schedCase{10, "note"}, schedCase{49, "note"}, schedCase{50, "warning"})
	schedAt(t, mutexStarvation, "lock handoffs in 100 ms", func(v int64) *schedTrace {
		tr := make(int(v))
		tr.To, tr.Last = 100*schedMS, 100*schedMS
		return tr
	}, schedCase{9, "clear"}, schedCase{10, "warning"})
	schedAt(t, mutexStarvation, "format", func(v int64) *schedTrace {
		tr := schedNew(t, schedS)
		tr.Version = int(v)
		return tr
	}, schedCase{11, "n/a"}, schedCase{19, "clear"}, schedCase{26, "clear"})
	for name, want := range map[string]string{
		"mutex-starvation": "warning", "mutex-starvation-go124": "warning", "lock-5ms": "clear", "http-healthy": "clear",
		"sync/mutex-hold-sleep": "clear", "io/http-mix": "clear", "real/etcd-embed": "clear",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{mutexStarvation: want})
	}
}

// TestHealthyIsQuiet: sound programs get no warning.
func TestHealthyIsQuiet(t *testing.T) {
	judges := append(append(append([]*analysis.Analyzer{}, qualityJudges...), parallelismJudges...), schedulingJudges...)
	paths := []string{
		analysistest.Testdata(t, "idle"), analysistest.Testdata(t, "http-healthy"), analysistest.Testdata(t, "heartbeat"), analysistest.Testdata(t, "netpoll-echo"),
	}
	if !testing.Short() {
		for _, name := range []string{
			"io/http-mix", "sched/idle", "io/pipe-stdin", "io/net-echo", "real/victoria-metrics", "debian/nats-server",
			"sched/mix-procs1", "sched/mix-procs2", "sched/mix-procs8", "edge/slow-writer", "edge/short-20ms", "flight/flightrec-with-trace",
			"gc/gogc-off", "versions/go1.16.15", "versions/go1.22.12", "versions/go1.26.8", "versions/go1.27.1",
		} {
			paths = append(paths, analysistest.Corpus(t, name))
		}
	}
	for _, path := range paths {
		for _, f := range analysistest.Report(t, path, judges...).Findings() {
			for _, f := range append([]analysis.Finding{*f}, f.Symptoms...) {
				if f.Severity != analysis.Note {
					t.Errorf("%s: %s %s: %s", path, f.Severity, f.Code, f.Summary)
				}
			}
		}
	}
}
