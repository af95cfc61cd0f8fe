package passes

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// TestSchedule: every measure agrees with what a made-up scheduler did.
func TestSchedule(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 8
	}
	happened := make(map[string]bool) // metrics that were not 0 once
	for _, version := range []int{22, 23, 25, 26} {
		for seed := range seeds {
			plan := tracetest.Plan{Version: version, Seed: seed, Procs: 1 + int(seed%9), Steps: 4000, Generations: 1 + int(seed%4)}
			b, truth := tracetest.Schedule(plan)
			rep, err := analysis.Analyze(context.Background(), bytes.NewReader(b), plan.String(), analysis.Options{}, All())
			if err != nil || !rep.Trace.Complete {
				t.Fatalf("%s: %v %s", plan, err, rep.Trace.Fault)
			}
			for _, fault := range analysistest.Check(rep) {
				t.Errorf("%s: %s", plan, fault)
			}
			compareSchedule(t, plan, rep, truth, happened)
			compareEvents(t, plan, b, truth)
		}
	}
	for id, once := range happened {
		if !once && id != "preempt.unknown" && id != "syscall.phandoff.other" {
			t.Errorf("nothing made up has a %s", id)
		}
	}
}

func compareSchedule(t *testing.T, plan tracetest.Plan, rep *analysis.Report, truth *tracetest.Truth, happened map[string]bool) {
	t.Helper()
	wall := int64(truth.Last - truth.First)
	equal := func(id string, want int64) {
		t.Helper()
		happened[id] = happened[id] || want != 0
		m, ok := rep.Metrics[id]
		if !ok && want == 0 {
			return
		}
		if int64(m.Value) != want {
			t.Errorf("%s: %s is %v, want %d", plan, id, m.Value, want)
		}
	}
	dist := func(id string, d *tracetest.Dist) {
		t.Helper()
		if d == nil {
			d = new(tracetest.Dist)
		}
		equal(id+".max", d.Max)
		if m := rep.Metrics[id+".max"]; m.N != d.N {
			t.Errorf("%s: %s of %d, want %d", plan, id, m.N, d.N)
		}
		if _, has := rep.Metrics[id+".total"]; has {
			equal(id+".total", d.Sum)
		}
	}
	near := func(id string, want float64) {
		t.Helper()
		happened[id] = happened[id] || want != 0
		if got := float64(rep.Metrics[id].Value); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %s is %v, want %v", plan, id, got, want)
		}
	}

	equal("trace.duration", wall)
	equal("threads.seen", int64(truth.Threads))
	equal("procs.gomaxprocs.max", truth.MaxProcs)
	equal("procs.gomaxprocs.min", truth.MinProcs)
	equal("procs.time", truth.Procs)
	for _, share := range []string{"user", "system", "gcworker", "assist", "syscall", "scheduler", "idle", "stw"} {
		near("procs.share."+share, float64(truth.Share[share])/float64(truth.Procs))
	}
	equal("procs.wakeups", truth.Wakeups)
	equal("procs.wakeups.fruitless", truth.Fruitless)
	equal("procs.idle_while_runnable", truth.IdleRunnable)

	equal("goroutines.created", truth.Created)
	equal("goroutines.max", truth.Most)
	near("goroutines.running.mean", float64(truth.Running-truth.Stoppers)/float64(wall)) // who stops the world does not run
	near("goroutines.runnable.mean", float64(truth.Runnable)/float64(wall))
	equal("goroutines.runnable.max", truth.MostRunnable)

	equal("sched.starts", truth.Starts)
	equal("sched.starts.user", truth.UserStarts)
	equal("sched.migrations", truth.Migrations)
	for _, how := range []string{"created", "unblocked", "netpoll", "timer", "yield", "preempted", "lockhandoff", "syscall", "gc"} {
		dist("sched.latency."+how, truth.Latency[how])
	}
	dist("netpoll.latency", truth.Latency["netpoll"])
	dist("syscall.reacquire", truth.Latency["syscall"])
	equal("netpoll.wakeups", truth.Polled)
	equal("netpoll.wakeups.nop", truth.PolledWithout)

	equal("preempt.async", truth.Async)
	equal("preempt.cooperative", truth.Cooperative)
	equal("preempt.unknown", 0)
	equal("preempt.yield", truth.Yields)
	equal("preempt.lockhandoff", truth.LockHandoffs)
	equal("preempt.suspend", truth.Parked)

	equal("syscall.count", truth.Calls)
	dist("syscall.duration", &truth.Syscalls)
	dist("syscall.phandoff.latency", &truth.Retaken)
	var lost int64
	for _, who := range []string{"sysmon", "stw", "safepoint", "exiting", "self", "other"} {
		equal("syscall.phandoff."+who, truth.Handoffs[who])
		lost += truth.Handoffs[who]
	}
	equal("syscall.phandoff.count", lost)

	for _, part := range []struct {
		name string
		of   map[string]*tracetest.Dist
	}{{"total", truth.STW}, {"stopping", truth.Stopping}} {
		var gc, other tracetest.Dist
		for kind, d := range part.of {
			to := &other
			if strings.HasPrefix(kind, "GC ") {
				to = &gc
			}
			to.N += d.N
			to.Sum += d.Sum
			to.Max = max(to.Max, d.Max)
		}
		equal("stw.gc.count", gc.N)
		equal("stw.other.count", other.N)
		dist("stw.gc."+part.name, &gc)
		dist("stw.other."+part.name, &other)
	}
	equal("stw.cpu", truth.StopCPU)

	equal("gc.cycles", truth.Cycles)
	equal("gc.mark.wall", truth.Mark)
	equal("gc.worker.dedicated", truth.Workers["dedicated"]+truth.Workers[""])
	equal("gc.worker.fractional", truth.Workers["fractional"])
	equal("gc.worker.idle", truth.Workers["idle"])
	equal("gc.assist.count", truth.Assists)
	equal("gc.assist.wall", truth.AssistWall)
	equal("gc.assist.cpu", truth.Share["assist"])
	equal("gc.sweep.cpu", truth.Sweep)
	equal("heap.live.max", truth.Live)
	equal("heap.goal.max", truth.Goal)
	equal("heap.goal.last", truth.LastGoal)

	equal("block.sync.total", truth.Blocked["sync"])
	equal("block.chan.total", truth.Blocked["chan receive"])
	equal("block.select.total", truth.Blocked["select"])
	equal("block.sleep.total", truth.Blocked["sleep"])
	equal("block.network.total", truth.Blocked["network"])
	equal("block.gcassist.total", truth.Blocked["GC mark assist wait for work"])
}

// compareEvents compares what no metric counts.
func compareEvents(t *testing.T, plan tracetest.Plan, data []byte, truth *tracetest.Truth) {
	t.Helper()
	var tasks, regions tracetest.Dist
	var logs int64
	a := analysistest.NewAccounts()
	tr, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, func(e *parse.Event) {
		a.Event(e)
		switch {
		case e.Kind == parse.KindLog:
			logs++
		case e.Kind == parse.KindRangeEnd && !e.Range.Unfinished && (e.Range.Kind == parse.RangeTask || e.Range.Kind == parse.RangeRegion):
			d := &tasks
			if e.Range.Kind == parse.RangeRegion {
				d = &regions
			}
			d.N++
			d.Sum += e.Held()
			d.Max = max(d.Max, e.Held())
		}
	})
	if err != nil {
		t.Fatal(plan, err)
	}
	for _, fault := range append(a.Faults(), a.Unbalanced(tr)...) {
		t.Errorf("%s: %s", plan, fault)
	}
	if tr.Quality != (parse.Quality{}) {
		t.Errorf("%s: odd: %+v", plan, tr.Quality)
	}
	if tasks != truth.Tasks || regions != truth.Regions || logs != truth.Logs {
		t.Errorf("%s: tasks %v, regions %v, %d logs; want %v, %v, %d", plan, tasks, regions, logs, truth.Tasks, truth.Regions, truth.Logs)
	}
}

// TestScheduleSteals: every steal that is told was one, and each that is not told is
// said to be ambiguous.
func TestScheduleSteals(t *testing.T) {
	var told, missed, batched int
	for _, version := range []int{22, 26} {
		for seed := range uint64(20) {
			plan := tracetest.Plan{Version: version, Seed: seed, Procs: 2 + int(seed%15), Steps: 6000, Generations: 1 + int(seed%4)}
			b, truth := tracetest.Schedule(plan)
			if _, err := parse.Read(context.Background(), bytes.NewReader(b), parse.Options{}, func(e *parse.Event) {
				if e.Kind != parse.KindGoRunnable || e.Go.To != parse.GoRunning {
					return
				}
				_, stolen := slices.BinarySearch(truth.Stolen, uint64(e.Time))
				_, back := slices.BinarySearch(truth.StolenBack, uint64(e.Time))
				switch o := e.Go.Origin; {
				case back:
				case stolen && o == parse.OriginGlobal:
					batched++
				case stolen && o == parse.OriginStolen:
					told++
				case stolen && o == parse.OriginAmbiguous:
					missed++
				case stolen || o == parse.OriginStolen:
					t.Errorf("%s: the start at %d is %s, stolen: %t", plan, e.Time, o, stolen)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Dedicated workers and the poller move queues unseen, and a goroutine that comes
	// with a batch from the global queue may be stolen from there.
	if told == 0 || missed > told/5 || batched > told/100 {
		t.Errorf("%d steals are told, %d are ambiguous, %d taken for the global queue's", told, missed, batched)
	}
}
