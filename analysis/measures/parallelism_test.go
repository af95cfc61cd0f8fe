package measures

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestParallelismLaw(t *testing.T) {
	for _, name := range []string{"gomaxprocs-change", "mixed-go121", "steal-bursts", "flight-recorder"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Parallelism})
	}
}

func TestParallelismRules(t *testing.T) {
	const µs = 1000
	var events []parse.Event
	now := int64(0)
	add := func(length, running, runnable, idle int32, stw bool) {
		e := parse.Event{Kind: parse.KindInterval, Interval: &parse.Interval{Since: parse.Time(now), Procs: 4, STW: stw}}
		e.Interval.User[parse.GoRunning], e.Interval.User[parse.GoRunnable] = running, runnable
		e.Interval.Runtime[parse.GoRunning], e.Interval.Runtime[parse.GoRunnable] = 7, 7 // not counted
		e.Interval.P[parse.ProcIdle] = idle
		now += int64(length) * µs
		e.Time = parse.Time(now)
		events = append(events, e)
	}
	add(100, 4, 10, 0, false)
	add(5, 3, 2, 1, false) // one stretch of 12 µs
	add(7, 2, 1, 2, false)
	add(50, 1, 0, 3, false)
	add(9, 2, 5, 2, false) // too short
	add(1, 3, 0, 1, false)
	add(200, 0, 8, 4, true) // the world is stopped
	add(28, 0, 3, 4, false) // a stretch of 28 µs
	rep := analysistest.Synthetic(t, 26, Parallelism, events...)
	const wall = 400.
	analysistest.WantMetrics(t, rep, map[string]float64{
		"procs.idle_while_runnable": (5*1 + 7*1 + 28*3) * µs,
		"goroutines.running.mean":   (100*4 + 5*3 + 7*2 + 50*1 + 9*2 + 1*3) / wall,
		"goroutines.runnable.mean":  (100*10 + 5*2 + 7*1 + 9*5 + 200*8 + 28*3) / wall,
		"goroutines.runnable.max":   10,
	})
	if n := rep.Metrics["procs.idle_while_runnable"].N; n != 2 {
		t.Errorf("%d stretches, want 2", n)
	}
	for _, c := range []struct {
		table, row string
		want       int64
	}{
		{"parallelism.profile", "0", 228}, {"parallelism.profile", "1", 50}, {"parallelism.profile", "2", 16},
		{"parallelism.profile", "3", 6}, {"parallelism.profile", "4", 100},
		{"parallelism.runnable", "0", 51}, {"parallelism.runnable", "1", 7}, {"parallelism.runnable", "2–3", 33},
		{"parallelism.runnable", "4–7", 9}, {"parallelism.runnable", "8–15", 300},
		{"parallelism.shares", "no P idle (world running)", 100},
		{"parallelism.shares", "no user goroutine running, some runnable (world running)", 28},
		{"parallelism.shares", "idle Ps and runnable user goroutines, 10 µs or longer", 40},
		{"parallelism.shares", "world stopped or stopping", 200},
	} {
		if got := analysistest.Cell(t, rep, c.table, c.row, "time"); got != c.want*µs {
			t.Errorf("%s, %s: %v, want %d µs", c.table, c.row, got, c.want)
		}
	}
}

// The integral of running and runnable goroutines is the sum of their spans.
func TestParallelismAgreesWithSpans(t *testing.T) {
	for _, name := range []string{"steal-bursts", "steal-timers", "lockosthread-pingpong", "netpoll-echo", "coroutines", "syscall-handoff"} {
		path := analysistest.Testdata(t, name)
		_, evs := analysistest.Events(t, path)
		var held [parse.NumGoStates]int64
		for i := range evs {
			if e := &evs[i]; e.Kind.IsGo() && e.Go.Class == parse.ClassUser && e.Go.From != parse.GoNotExist {
				held[e.Go.From] += e.Held()
			}
		}
		rep := analysistest.Report(t, path, Parallelism)
		wall := float64(rep.Trace.Duration)
		for id, s := range map[string]parse.GoState{"goroutines.running.mean": parse.GoRunning, "goroutines.runnable.mean": parse.GoRunnable} {
			got, want := float64(rep.Metrics[id].Value)*wall, float64(held[s])
			// Before its first event a goroutine's state is known to its spans only, and
			// the class of one without a name may change; there is little of both here.
			if math.Abs(got-want) > .001*want {
				t.Errorf("%s: %s says %.0f ns, the spans sum to %.0f ns", name, id, got, want)
			}
		}
	}
}

func TestParallelismOfKnownPrograms(t *testing.T) {
	share := func(rep *analysis.Report, k int) float64 {
		return analysistest.Cell(t, rep, "parallelism.profile", fmt.Sprint(k), "share").(float64)
	}
	// One goroutine works for 120 ms, then two for 60 ms each, and so on.
	rep := analysistest.Report(t, corpus.Trace(t, "sched/serial-phase"), Parallelism)
	if m := float64(rep.Metrics["goroutines.running.mean"].Value); math.Abs(m-4./3) > .02 {
		t.Errorf("serial-phase: %v running on average, planted 1.33", m)
	}
	if s := share(rep, 1); math.Abs(s-2./3) > .02 {
		t.Errorf("serial-phase: serial for %v of the time, planted 0.67", s)
	}
	// One goroutine has more work than time.
	rep = analysistest.Report(t, corpus.Trace(t, "sched/single-hot-goroutine"), Parallelism)
	if s := share(rep, 1); s < .98 {
		t.Errorf("single-hot-goroutine: one ran for %v of the time", s)
	}
}

// TestPressure: of 10 ns a goroutine was runnable in 6, in 2 of them nobody ran.
func TestPressure(t *testing.T) {
	at := func(from, to parse.Time, running, runnable int32) parse.Event {
		iv := &parse.Interval{Since: from, Procs: 2}
		iv.User[parse.GoRunning], iv.User[parse.GoRunnable] = running, runnable
		return parse.Event{Time: to, Kind: parse.KindInterval, Interval: iv}
	}
	rep := analysistest.Synthetic(t, 26, Parallelism, at(0, 4, 2, 0), at(4, 8, 1, 3), at(8, 10, 0, 1))
	analysistest.WantMetrics(t, rep, map[string]float64{"sched.pressure.some": .6, "sched.pressure.full": .2})
}

// Nothing is recorded for 6 ms twice; the second time a generation begins in it.
func TestHolesAtSwitches(t *testing.T) {
	f := newParallelismFold()
	for i, from := range []parse.Time{0, 6e6} {
		iv := &parse.Interval{Since: from, Procs: 2, Switch: i == 1}
		iv.P[parse.ProcUser], iv.User[parse.GoRunning] = 1, 1
		f.Event(&parse.Event{Time: from + 6e6, Kind: parse.KindInterval, Interval: iv})
	}
	if f.holes[0].N != 1 || f.holes[0].NS != 6e6 {
		t.Errorf("%d holes of %d ns, want one of 6 ms", f.holes[0].N, f.holes[0].NS)
	}
}

// A thread between goroutines has something to do where one could run, else it goes to sleep.
func TestHolesWithoutWork(t *testing.T) {
	for runnable, want := range []int64{0, 1} {
		f := newParallelismFold()
		iv := &parse.Interval{Procs: 2}
		iv.P[parse.ProcScheduler], iv.P[parse.ProcIdle], iv.User[parse.GoRunnable] = 1, 1, int32(runnable)
		f.Event(&parse.Event{Time: 6e6, Kind: parse.KindInterval, Interval: iv})
		if f.holes[0].N != want {
			t.Errorf("%d holes with %d runnable, want %d", f.holes[0].N, runnable, want)
		}
	}
}

// The time that waits in a fold is that of single intervals, each a fold of its own, whose
// time is added at once.
func TestParallelismPending(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var waited, unknown, steps, stretches, holes int64
	for range 30 {
		var all []parse.Event
		now := r.Int64N(1e12)
		procs, most := int32(r.IntN(5)), int32(2+r.IntN(8))
		for i := range 400 {
			if r.IntN(50) == 0 {
				now += r.Int64N(1e4) // a gap
			}
			if i == 9 && most > 5 {
				now += 1e10 // from here on buckets are longer than a hole
			}
			if r.IntN(100) == 0 {
				procs = int32(r.IntN(5))
			}
			iv := &parse.Interval{Since: parse.Time(now), Procs: procs, STW: r.IntN(30) == 0, Stoppers: int32(r.IntN(20) / 19), Switch: r.IntN(100) == 0}
			for s := range iv.User {
				iv.User[s], iv.Runtime[s] = 1+r.Int32N(most), r.Int32N(most)
				if r.IntN(100) == 0 {
					iv.User[s] = 1 << (10 + r.IntN(15))
				}
			}
			iv.Yielding = r.Int32N(iv.User[parse.GoRunnable])
			for s := range iv.P {
				if s := parse.ProcState(s); s != parse.ProcStopped || r.IntN(30) == 0 {
					iv.P[s] = r.Int32N(3)
				}
			}
			now += []int64{0, 10, 1000, 1e5, 6e6}[min(r.IntN(100)/24, 4)]
			all = append(all, parse.Event{Kind: parse.KindInterval, Time: parse.Time(now), Interval: iv})
		}
		whole, single := newParallelismFold(), singly(all, newParallelismFold)
		for i := range all {
			whole.Event(&all[i])
			for _, p := range whole.pending {
				if p.ps != 0 && p.ns > int64(all[i].Time-all[i].Interval.Since) {
					waited++ // the time of several
				}
			}
		}
		whole.settle()
		got, want := newParallelismFold(), newParallelismFold() // with all that is held back
		got.Merge(whole)
		want.Merge(single)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v\n%+v", got, want)
		}
		count, _, _, _, _ := whole.stalled.Result()
		unknown, steps, stretches, holes = unknown+whole.unknown, steps+whole.steps.N-1, stretches+count, holes+whole.holes[0].N
	}
	if waited < 1000 || unknown == 0 || steps == 0 || stretches == 0 || holes == 0 {
		t.Errorf("%d times that waited had several intervals, %d ns without GOMAXPROCS, %d steps of it, %d stretches, %d holes: too little to compare", waited, unknown, steps, stretches, holes)
	}
}

// singly is the fold of events, each of them in a fold of its own first.
func singly[C analysis.Collector](events []parse.Event, empty func() C) C {
	all := empty()
	for i := range events {
		one := empty()
		one.Event(&events[i])
		all.Merge(one)
	}
	return all
}

// Where one count takes so many values that they cannot all have a place of their own, the
// time at each is kept apart.
func TestParallelismPlaces(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, count := range map[string]func(*parse.Interval) *int32{
		"running":       func(iv *parse.Interval) *int32 { return &iv.User[parse.GoRunning] },
		"runnable":      func(iv *parse.Interval) *int32 { return &iv.User[parse.GoRunnable] },
		"yielding":      func(iv *parse.Interval) *int32 { return &iv.Yielding },
		"stoppers":      func(iv *parse.Interval) *int32 { return &iv.Stoppers },
		"calls":         func(iv *parse.Interval) *int32 { return &iv.User[parse.GoSyscall] },
		"runtime calls": func(iv *parse.Interval) *int32 { return &iv.Runtime[parse.GoSyscall] },
		"idle Ps":       func(iv *parse.Interval) *int32 { return &iv.P[parse.ProcIdle] },
		"Ps in calls":   func(iv *parse.Interval) *int32 { return &iv.P[parse.ProcSyscall] },
		"stopped Ps":    func(iv *parse.Interval) *int32 { return &iv.P[parse.ProcStopped] },
	} {
		var all []parse.Event
		now := int64(1e6)
		for range 1200 {
			iv := &parse.Interval{Since: parse.Time(now), Procs: 4}
			iv.User[parse.GoRunning], iv.User[parse.GoRunnable], iv.P[parse.ProcIdle] = 2000, 3000, 2
			*count(iv) = r.Int32N(1900)
			now += 1 + r.Int64N(30)
			all = append(all, parse.Event{Kind: parse.KindInterval, Time: parse.Time(now), Interval: iv})
		}
		whole, single := newParallelismFold(), singly(all, newParallelismFold)
		for i := range all {
			whole.Event(&all[i])
		}
		whole.settle()
		if !reflect.DeepEqual(whole, single) {
			t.Errorf("%s: the sums differ from those of single intervals", name)
		}
	}
}
