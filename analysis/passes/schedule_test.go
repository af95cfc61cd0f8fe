package passes

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// TestSchedule: every measure agrees with what a made-up scheduler did.
func TestSchedule(t *testing.T) {
	for _, version := range []int{22, 23, 25, 26} {
		for seed := range uint64(30) {
			plan := tracetest.Plan{Version: version, Seed: seed, Procs: 1 + int(seed%9), Steps: 4000, Generations: 1 + int(seed%4)}
			b, truth := tracetest.Schedule(plan)
			rep, err := analysis.Analyze(context.Background(), bytes.NewReader(b), plan.String(), analysis.Options{}, All())
			if err != nil || !rep.Trace.Complete {
				t.Fatalf("%s: %v %s", plan, err, rep.Trace.Fault)
			}
			compareSchedule(t, plan, rep, truth)
		}
	}
}

func compareSchedule(t *testing.T, plan tracetest.Plan, rep *analysis.Report, truth *tracetest.Truth) {
	t.Helper()
	wall := int64(truth.Last - truth.First)
	equal := func(id string, want int64) {
		t.Helper()
		m, ok := rep.Metrics[id]
		if !ok && want == 0 {
			return
		}
		if int64(m.Value) != want {
			t.Errorf("%s: %s is %v, want %d", plan, id, m.Value, want)
		}
	}
	equal("trace.duration", wall)
	equal("procs.time", wall*int64(plan.Procs))
	equal("goroutines.created", truth.Created)
	for _, how := range []string{"created", "unblocked", "timer", "yield", "preempted", "syscall"} {
		d := truth.Latency[how]
		if d == nil {
			d = new(tracetest.Dist)
		}
		equal("sched.latency."+how+".max", d.Max)
		equal("sched.latency."+how+".total", d.Sum)
		if m := rep.Metrics["sched.latency."+how+".max"]; m.N != d.N {
			t.Errorf("%s: %d waits %s, want %d", plan, m.N, how, d.N)
		}
	}
	equal("syscall.count", truth.Calls)
	equal("preempt.async", truth.Async)
	equal("preempt.cooperative", truth.Cooperative)
	equal("preempt.yield", truth.Yields)
	equal("gc.cycles", truth.Cycles)
	equal("gc.mark.wall", truth.Mark)
	var gc, other tracetest.Dist
	for kind, d := range truth.STW {
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
	equal("stw.gc.total.total", gc.Sum)
	equal("stw.gc.total.max", gc.Max)
	equal("stw.other.total.total", other.Sum)
	equal("stw.other.total.max", other.Max)
	equal("syscall.duration.total", truth.Syscalls.Sum)
	equal("syscall.duration.max", truth.Syscalls.Max)
	equal("syscall.phandoff.count", truth.Handoffs)
	equal("block.sync.total", truth.Blocked["sync"])
	equal("block.chan.total", truth.Blocked["chan receive"])
	equal("block.select.total", truth.Blocked["select"])
	equal("block.sleep.total", truth.Blocked["sleep"])
	for id, want := range map[string]float64{
		"goroutines.running.mean": float64(truth.Running) / float64(wall),
		"procs.share.idle":        float64(truth.Idle) / float64(wall*int64(plan.Procs)),
	} {
		if got := float64(rep.Metrics[id].Value); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %s is %v, want %v", plan, id, got, want)
		}
	}
}

// TestScheduleSteals: every steal that is told was one, and each that is not told is
// said to be ambiguous.
func TestScheduleSteals(t *testing.T) {
	var told, missed int
	for _, version := range []int{22, 26} {
		for seed := range uint64(20) {
			plan := tracetest.Plan{Version: version, Seed: seed, Procs: 2 + int(seed%15), Steps: 6000, Generations: 1 + int(seed%4)}
			b, truth := tracetest.Schedule(plan)
			if _, err := parse.Read(context.Background(), bytes.NewReader(b), parse.Options{}, func(e *parse.Event) {
				if e.Kind != parse.KindGoRunnable || e.Go.To != parse.GoRunning {
					return
				}
				_, stolen := slices.BinarySearch(truth.Stolen, uint64(e.Time))
				switch o := e.Go.Origin; {
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
	if told == 0 || missed > told/10 {
		t.Errorf("%d steals are told, %d are ambiguous", told, missed)
	}
}
