//go:build linux

package passes_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/parse"
)

// The oracle of these tests is the runtime itself: a workload is traced, and
// runtime/metrics is read at both ends of a window that two log events mark.
// Read, mark, work, mark, read: what the metrics count beyond the window is what
// happens between a mark and the read beside it, so edges are off by one at most.
//
// Bars on counts hold at the first try. Bars on times depend on what else the
// machine does; they get three tries of the whole measurement.

// A recording is one traced run of a workload between two reads of the metrics.
type recording struct {
	trace      []byte
	first      parse.Time // first event of the trace
	begin, end parse.Time // the marks
	pauses     []pause    // of the whole trace, in order
	cycles     []int64    // ns of both pauses of each GC cycle from mark to mark, as debug.ReadGCStats has it
	before     map[string]metrics.Value
	after      map[string]metrics.Value
}

type pause struct {
	gc, mark               bool
	reason                 string
	begin, restart, end    parse.Time
	total, stopping, onCPU int64
}

func readMetrics(samples []metrics.Sample) map[string]metrics.Value {
	metrics.Read(samples)
	values := make(map[string]metrics.Value, len(samples))
	for _, s := range samples {
		values[s.Name] = s.Value
	}
	return values
}

func newSamples() []metrics.Sample {
	all := metrics.All()
	samples := make([]metrics.Sample, len(all))
	for i, d := range all {
		samples[i].Name = d.Name
	}
	metrics.Read(samples) // allocate the histograms
	return samples
}

// record traces work on procs Ps with the GC at gogc. prepare starts what is to
// run already when the window opens and returns what ends it.
func record(t *testing.T, procs, gogc int, prepare func() (stop func()), work func()) *recording {
	t.Helper()
	if trace.IsEnabled() {
		t.Skip("the test is being traced")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	defer debug.SetGCPercent(debug.SetGCPercent(gogc))
	before, after := newSamples(), newSamples()
	var buf bytes.Buffer
	buf.Grow(64 << 20) // so that the reader of the trace does not allocate much
	runtime.GC()
	if err := trace.Start(&buf); err != nil {
		t.Fatal(err)
	}
	stop := func() {}
	if prepare != nil {
		stop = prepare()
	}
	runtime.GC()
	atRest(before)
	var stats [2]debug.GCStats
	debug.ReadGCStats(&stats[0])
	ctx := context.Background()
	r := &recording{before: readMetrics(before)}
	trace.Log(ctx, "oracle", "begin")
	work()
	atRest(after)
	trace.Log(ctx, "oracle", "end")
	r.after = readMetrics(after)
	debug.ReadGCStats(&stats[1])
	for i := stats[1].NumGC - stats[0].NumGC; i > 0; i-- { // the last 256, newest first
		r.cycles = append(r.cycles, int64(stats[1].Pause[i-1]))
	}
	stop()
	trace.Stop()
	r.trace = buf.Bytes()

	type mark struct {
		at   parse.Time
		text parse.StringID
	}
	var marks []mark
	var reasons []parse.StringID
	tr, err := parse.Read(ctx, bytes.NewReader(r.trace), parse.Options{}, func(e *parse.Event) {
		switch {
		case e.Kind == parse.KindLog:
			marks = append(marks, mark{e.Time, e.Log.Message})
		case e.Kind == parse.KindRangeEnd && e.Range.Kind == parse.RangeSTW && !e.Range.Stop.Start && !e.Range.Partial && !e.Range.Unfinished:
			g := e.Range
			reasons = append(reasons, g.Name)
			r.pauses = append(r.pauses, pause{g.Stop.GC, g.Stop.Mark, "", g.Since, g.Stop.Restart, g.Until, g.Total(), g.Stopping(), g.Stop.CPU})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	quality := tr.Quality
	// A thread that loses its CPU between the number of an event and its time writes a
	// later time than what follows: with more Ps than CPUs that is no fault.
	quality.Moved, quality.LargestMove = 0, 0
	if tr.Fault != nil || quality != (parse.Quality{}) {
		t.Errorf("a sound trace is found faulty: %v, %+v", tr.Fault, tr.Quality)
	}
	for i, id := range reasons {
		r.pauses[i].reason = tr.String(id)
	}
	for _, m := range marks {
		switch tr.String(m.text) {
		case "begin":
			r.begin = m.at
		case "end":
			r.end = m.at
		}
	}
	if r.begin == 0 || r.end <= r.begin {
		t.Fatalf("%d logs, but not both marks", len(marks))
	}
	r.first = tr.First
	return r
}

// analyse runs the whole catalogue on a window of the recording and returns the
// report with the first and the last count of goroutines in the window.
func (r *recording) analyse(t *testing.T, from, to parse.Time) (rep *analysis.Report, first, last parse.Interval) {
	t.Helper()
	opt := parse.Options{From: time.Duration(from - r.first), To: time.Duration(to - r.first)}
	all := passes.All()
	p := analysis.NewPartial(all)
	tr, err := parse.Read(context.Background(), bytes.NewReader(r.trace), opt, func(e *parse.Event) {
		if e.Kind == parse.KindInterval {
			if first.Since == 0 {
				first = *e.Interval
			}
			last = *e.Interval
		}
		p.Event(e)
	})
	if err != nil {
		t.Fatal(err)
	}
	rep = analysis.Conclude(tr, "oracle", p, all, nil)
	checkReport(t, rep)
	return rep, first, last
}

// between returns the pauses that began in the window.
func (r *recording) between(from, to parse.Time) (gc, other []pause) {
	for _, p := range r.pauses {
		switch {
		case p.begin <= from || p.begin > to:
		case p.gc:
			gc = append(gc, p)
		default:
			other = append(other, p)
		}
	}
	return gc, other
}

func scalar(t *testing.T, values map[string]metrics.Value, name string) float64 {
	t.Helper()
	switch v := values[name]; v.Kind() {
	case metrics.KindUint64:
		return float64(v.Uint64())
	case metrics.KindFloat64:
		return v.Float64()
	}
	t.Fatalf("runtime/metrics has no %s", name)
	return 0
}

func (r *recording) delta(t *testing.T, name string) float64 {
	t.Helper()
	return scalar(t, r.after, name) - scalar(t, r.before, name)
}

// bucket is the runtime's count of values in [lo, hi) ns.
type bucket struct {
	lo, hi float64
	n      uint64
}

// histogram returns how a time histogram of the runtime grew in the window.
func (r *recording) histogram(t *testing.T, name string) (buckets []bucket, n uint64) {
	t.Helper()
	if r.after[name].Kind() != metrics.KindFloat64Histogram {
		t.Fatalf("runtime/metrics has no histogram %s", name)
	}
	a, b := r.before[name].Float64Histogram(), r.after[name].Float64Histogram()
	for i, c := range b.Counts {
		if d := c - a.Counts[i]; d > 0 {
			buckets = append(buckets, bucket{b.Buckets[i] * 1e9, b.Buckets[i+1] * 1e9, d})
			n += d
		}
	}
	return buckets, n
}

// tries repeats a measurement until no bar on times is broken, three times at most.
func tries(t *testing.T, measure func() (broken []string)) {
	t.Helper()
	for try := 1; ; try++ {
		broken := measure()
		if len(broken) == 0 || t.Failed() {
			return
		}
		if try == 3 {
			for _, b := range broken {
				t.Error(b)
			}
			return
		}
		t.Logf("try %d: %q", try, broken)
	}
}

// pausesOff compares single pauses with the runtime's histogram of them, which
// knows each pause to a bucket only (its width is at most a quarter of the
// value). In order of length each pause takes the first free place in a bucket
// that it is within tolerance of. A tenth, or one, may find none: after the event
// that ends a pause, or before the one that begins it, the thread can be descheduled.
func pausesOff(what string, pauses []int64, buckets []bucket, tolerance func(ns float64) (below, above float64)) []string {
	slices.Sort(pauses)
	var places []bucket
	for _, b := range buckets {
		for range b.n {
			places = append(places, b)
		}
	}
	var missed []int64
	for _, p := range pauses {
		ns := float64(p)
		below, above := tolerance(ns)
		for len(places) > 0 && ns > places[0].hi+above {
			places = places[1:]
		}
		if len(places) == 0 || ns < places[0].lo-below {
			missed = append(missed, p)
			continue
		}
		places = places[1:]
	}
	if len(missed) > max(1, len(pauses)/10) {
		return []string{fmt.Sprintf("%s: %d of %d pauses are off: %v", what, len(missed), len(pauses), missed)}
	}
	return nil
}

// checkPauses compares the stop-the-worlds of the window with /sched/pauses. The
// trace begins a pause before it takes sched.lock (+0.5 to 1 µs) and ends mark
// termination after the runtime's own stamp (+1 to 4 µs; proc.go:startTheWorldWithSema).
// Stopping is a lower bound: the runtime's includes the wake-up of the stopper.
func checkPauses(t *testing.T, r *recording, rep *analysis.Report) (broken []string) {
	t.Helper()
	gc, other := r.between(r.begin, r.end)
	for _, c := range []struct {
		kind   string
		pauses []pause
		floor  float64
		share  float64
	}{{"gc", gc, 25e3, .10}, {"other", other, 3e3, .05}} {
		buckets, n := r.histogram(t, "/sched/pauses/total/"+c.kind+":seconds")
		off(t, "stw."+c.kind+".count", value(t, rep, "stw."+c.kind+".count"), float64(n), 1)
		off(t, "stw."+c.kind+".count against the events", value(t, rep, "stw."+c.kind+".count"), float64(len(c.pauses)), 0)
		var total, stopping []int64
		var sum int64
		for _, p := range c.pauses {
			total = append(total, p.total)
			stopping = append(stopping, p.stopping)
			sum += p.total
		}
		off(t, "stw."+c.kind+".total.total against the events", value(t, rep, "stw."+c.kind+".total.total"), float64(sum), 0)
		if len(c.pauses) != int(n) {
			continue // an edge: nothing to pair
		}
		broken = append(broken, pausesOff("stw."+c.kind+".total", total, buckets, func(ns float64) (float64, float64) {
			by := max(c.floor, c.share*ns)
			return by, by
		})...)
		buckets, _ = r.histogram(t, "/sched/pauses/stopping/"+c.kind+":seconds")
		broken = append(broken, pausesOff("stw."+c.kind+".stopping", stopping, buckets, func(ns float64) (float64, float64) {
			return math.Inf(1), 3e3
		})...)
	}
	return broken
}

// atRest returns when GC workers and who else was just woken have gone to rest, so
// that the moment of the read and that of the mark see the same. On a busy machine
// that takes its time, and the last may never come: then the comparison says so.
func atRest(samples []metrics.Sample) {
	for range 20 {
		time.Sleep(5 * time.Millisecond)
		m := readMetrics(samples)
		running, ok := m["/sched/goroutines/running:goroutines"]
		if !ok || running.Kind() != metrics.KindUint64 || running.Uint64() <= 1 {
			return
		}
	}
}

// checkGoroutines compares the numbers of goroutines with /sched/goroutines, which
// since Go 1.26 counts the runtime's own too. Those that do nothing before the end
// of their generation are told only there (trace.go:traceAdvance): the whole trace
// knows them, a window that ends earlier does not. Where the states do not agree,
// the mark and the read may have seen different moments.
func checkGoroutines(t *testing.T, r *recording, rep *analysis.Report, first, last parse.Interval) (broken []string) {
	t.Helper()
	off(t, "goroutines.created", value(t, rep, "goroutines.created"), r.delta(t, "/sched/goroutines-created:goroutines"), 0)
	marks := [2]struct {
		name   string
		at     parse.Time
		window parse.Interval
		values map[string]metrics.Value
		whole  [parse.NumGoStates]float64
	}{{name: "begin", at: r.begin, window: first, values: r.before}, {name: "end", at: r.end, window: last, values: r.after}}
	if _, err := parse.Read(context.Background(), bytes.NewReader(r.trace), parse.Options{}, func(e *parse.Event) {
		for i := range marks {
			if e.Kind.IsGo() && e.Go.Since <= marks[i].at && e.Time > marks[i].at {
				marks[i].whole[e.Go.From]++
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 2 {
			broken = append(broken, fmt.Sprintf("%s: %v, the oracle says %v (±2)", what, got, want))
		}
	}
	for _, m := range marks {
		total := 0.0
		for _, s := range []struct {
			state  parse.GoState
			metric string
		}{
			{parse.GoRunning, "running"}, {parse.GoRunnable, "runnable"}, {parse.GoWaiting, "waiting"}, {parse.GoSyscall, "not-in-go"},
		} {
			want := scalar(t, m.values, "/sched/goroutines/"+s.metric+":goroutines")
			total += m.whole[s.state]
			near(fmt.Sprintf("%s goroutines at the %s", s.state, m.name), m.whole[s.state], want)
			in := m.window.User[s.state] + m.window.Runtime[s.state]
			if s.state == parse.GoWaiting {
				if float64(in) > want+2 {
					broken = append(broken, fmt.Sprintf("waiting goroutines at the %s of the window: %d, the oracle says at most %v", m.name, in, want))
				}
				continue
			}
			near(fmt.Sprintf("%s goroutines at the %s of the window", s.state, m.name), float64(in), want)
		}
		near("goroutines at the "+m.name, total, scalar(t, m.values, "/sched/goroutines:goroutines"))
	}
	return broken
}

// Timers and a ping-pong, without GC and system calls: there /sched/latencies is
// an oracle of the scheduling latency of all goroutines.
//
// It records one transition in eight of each goroutine (proc.go:casgstatus,
// gTrackingPeriod), so its quantiles carry the error of a sample: a quantile of
// the trace must lie between the buckets of the ranks 4 standard errors around
// it, give or take two ticks of the trace's clock.
func TestOracleLatency(t *testing.T) {
	tries(t, func() (broken []string) {
		r := record(t, 2, -1, nil, func() {
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					for range 400 {
						time.Sleep(time.Duration(300+37*i) * time.Microsecond)
					}
				})
			}
			ping, pong := make(chan int), make(chan int)
			wg.Go(func() {
				for range 3000 {
					ping <- 1
					<-pong
				}
				close(ping)
			})
			wg.Go(func() {
				for range ping {
					pong <- 1
				}
			})
			wg.Wait()
		})
		rep, first, last := r.analyse(t, r.begin, r.end)
		broken = append(broken, checkGoroutines(t, r, rep, first, last)...)
		off(t, "gc.cycles", value(t, rep, "gc.cycles"), 0, 0)

		buckets, n := r.histogram(t, "/sched/latencies:seconds")
		starts := value(t, rep, "sched.starts")
		if starts < 10000 {
			t.Fatalf("%v starts only", starts)
		}
		off(t, "sched.starts", starts, float64(8*n), .01*starts)
		for _, q := range []struct {
			id string
			q  float64
		}{{"p50", .5}, {"p90", .9}, {"p99", .99}} {
			got := value(t, rep, "sched.latency.all."+q.id)
			margin := 4 * math.Sqrt(q.q*(1-q.q)/float64(n))
			lo, _ := rankBucket(buckets, n, q.q-margin)
			_, hi := rankBucket(buckets, n, q.q+margin)
			if got < lo-128 || got > hi+128 {
				broken = append(broken, fmt.Sprintf("sched.latency.all.%s: %v ns is not in [%v, %v)", q.id, got, lo, hi))
			}
		}
		return broken
	})
}

// rankBucket returns the bucket that holds the value of rank q.
func rankBucket(buckets []bucket, n uint64, q float64) (lo, hi float64) {
	rank := uint64(math.Ceil(min(1, max(0, q)) * float64(n)))
	for _, b := range buckets {
		if b.n >= rank {
			return b.lo, b.hi
		}
		rank -= b.n
	}
	return buckets[len(buckets)-1].lo, math.Inf(1)
}

type node struct{ left, right *node }

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{tree(depth - 1), tree(depth - 1)}
}

var live *node

// A heap of pointers with GOGC=20 and twice as many goroutines that allocate as
// Ps: many cycles, and marking by those who allocate.
//
// The CPU classes are brought up to date at mark termination only (mgc.go:
// gcMarkTermination), so they are compared between the ends of two forced GCs.
func TestOracleGC(t *testing.T) {
	live = tree(18) // 524,287 nodes, 8 MiB
	defer func() { live = nil }()
	// Two Ps have one fractional worker, four have a dedicated one (mgcpacer.go:startCycle).
	t.Run("2", func(t *testing.T) { oracleGC(t, 2, .5, "gc.worker.fractional") })
	t.Run("4", func(t *testing.T) { oracleGC(t, 4, 2, "gc.worker.dedicated") })
}

func oracleGC(t *testing.T, procs int, assistAbove float64, worker string) {
	tries(t, func() (broken []string) {
		r := record(t, procs, 20, nil, func() {
			var wg sync.WaitGroup
			for range 2 * procs {
				wg.Go(func() {
					for range 200 {
						tree(13)
					}
				})
			}
			wg.Wait()
			runtime.GC()
		})
		rep, first, last := r.analyse(t, r.begin, r.end)
		broken = append(broken, checkGoroutines(t, r, rep, first, last)...)
		cycles := r.delta(t, "/gc/cycles/total:gc-cycles")
		if cycles < 10 {
			t.Fatalf("%v GC cycles only", cycles)
		}
		off(t, "gc.cycles", value(t, rep, "gc.cycles"), cycles, 1)
		off(t, "procs.gomaxprocs.max", value(t, rep, "procs.gomaxprocs.max"), scalar(t, r.after, "/sched/gomaxprocs:threads"), 0)
		off(t, "heap.goal.last", value(t, rep, "heap.goal.last"), scalar(t, r.after, "/gc/heap/goal:bytes"), 0)
		broken = append(broken, checkPauses(t, r, rep)...)

		var ends []pause // of the forced GCs before each mark
		for _, at := range []parse.Time{r.begin, r.end} {
			var end pause
			for _, p := range r.pauses {
				if p.mark && p.restart < at {
					end = p
				}
			}
			ends = append(ends, end)
		}
		rep, _, _ = r.analyse(t, ends[0].restart, ends[1].restart)
		class := func(name string) float64 { return r.delta(t, "/cpu/classes/"+name+":cpu-seconds") * 1e9 }
		share := func(what string, got, want, below, above float64) {
			if got < want*(1-below) || got > want*(1+above) {
				broken = append(broken, fmt.Sprintf("%s: %.0f ns, the runtime's is %.0f (-%v %% +%v %%)", what, got, want, below*100, above*100))
			}
		}
		total := value(t, rep, "procs.time")
		off(t, "procs.time against GOMAXPROCS x wall", total, float64(procs)*value(t, rep, "trace.duration"), 0)
		share("procs.time", total, class("total"), .001, .001)

		// Upper bounds: an assist's range includes its yields and the ragged barrier,
		// a worker's run the end of the mark phase.
		if n := value(t, rep, "gc.assist.count"); n < 100 {
			t.Errorf("%v assists only", n)
		}
		share("gc.assist.cpu", value(t, rep, "gc.assist.cpu"), class("gc/mark/assist"), .02, assistAbove)
		share(worker, value(t, rep, worker), class("gc/mark/dedicated"), .02, 1)

		gc, _ := r.between(ends[0].begin, ends[1].begin)
		if len(gc) != 2*len(r.cycles) {
			t.Fatalf("%d pauses of %d cycles", len(gc), len(r.cycles))
		}
		var cpu, wall int64
		var excess []int64
		for i, p := range gc {
			cpu += p.onCPU
			wall += p.total
			if i%2 == 1 {
				excess = append(excess, gc[i-1].total+p.total-r.cycles[i/2])
				wall -= r.cycles[i/2]
			}
		}
		// debug.ReadGCStats has the two pauses of each cycle to the ns (mgc.go:gcMarkTermination,
		// work.pauseNS): the trace's are longer by some µs, and now and then by much
		// where a thread is descheduled between the two stamps.
		slices.Sort(excess)
		if m := excess[len(excess)/2]; m < 0 || m > 10e3 {
			broken = append(broken, fmt.Sprintf("pauses of a GC cycle: %d ns longer than the runtime's in the median", m))
		}
		rep, _, _ = r.analyse(t, ends[0].end+1, ends[1].end)
		off(t, "stw.cpu against the events", value(t, rep, "stw.cpu"), float64(cpu), 0)
		// Where the stopper is descheduled before it restarts the world, the trace's
		// pause is longer than the runtime's, by the same time on every P.
		late := float64(procs) * float64(max(0, wall))
		if procs <= runtime.NumCPU() { // else threads are descheduled while they stop, too
			share("stw.cpu", float64(cpu)-late, class("gc/pause"), .1, .1)
		}
		return broken
	})
}

// System calls by the count of the program: reads of a file, and sleeps that keep
// a thread. The trace goes to memory, so the tracer makes none.
func TestOracleSyscalls(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 4096), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tries(t, func() (broken []string) {
		var mu sync.Mutex
		calls, asleep := 0, time.Duration(0)
		r := record(t, 2, -1, nil, func() {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					n, start := 0, time.Now()
					for range 10 {
						left := syscall.Timespec{Nsec: 2e6}
						for {
							n++
							if syscall.Nanosleep(&left, &left) != syscall.EINTR {
								break
							}
						}
					}
					mu.Lock()
					calls += n
					asleep += time.Since(start)
					mu.Unlock()
				})
			}
			wg.Go(func() {
				var b [512]byte
				for range 2000 {
					if _, err := f.ReadAt(b[:], 0); err != nil && err != io.EOF {
						t.Error(err)
					}
				}
				mu.Lock()
				calls += 2000
				mu.Unlock()
			})
			wg.Wait()
		})
		rep, first, last := r.analyse(t, r.begin, r.end)
		broken = checkGoroutines(t, r, rep, first, last)
		off(t, "syscall.count", value(t, rep, "syscall.count"), float64(calls), 0)
		// 40 sleeps of 2 ms, each within what their goroutines saw pass.
		if total, least := value(t, rep, "syscall.duration.total"), 80e6; total < least {
			t.Errorf("syscall.duration.total: %v ns, the sleeps alone are %v", total, least)
		}
		if longest := value(t, rep, "syscall.duration.max"); longest < 2e6 || longest > float64(asleep) {
			t.Errorf("syscall.duration.max: %v ns, the sleeps were of 2 ms or more and %v in all", longest, asleep)
		}
		return broken
	})
}

// Goroutines in every state at the first mark, and a churn of short ones.
func TestOracleGoroutines(t *testing.T) {
	const parked, spinning, inCalls = 50, 7, 3
	prepare := func() func() {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		var fds [2]int
		if err := syscall.Pipe(fds[:]); err != nil {
			t.Fatal(err)
		}
		for range parked {
			wg.Go(func() { <-stop })
		}
		for range inCalls {
			wg.Go(func() {
				var b [1]byte
				for {
					if _, err := syscall.Read(fds[0], b[:]); err != syscall.EINTR {
						return
					}
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		for range spinning {
			wg.Go(func() {
				spin(stop)
			})
		}
		time.Sleep(20 * time.Millisecond)
		return func() {
			close(stop)
			syscall.Close(fds[1])
			wg.Wait()
			syscall.Close(fds[0])
		}
	}
	tries(t, func() (broken []string) {
		r := record(t, 4, -1, prepare, func() {
			var wg sync.WaitGroup
			for range 1000 {
				wg.Go(func() {})
			}
			wg.Wait()
		})
		rep, first, last := r.analyse(t, r.begin, r.end)
		broken = checkGoroutines(t, r, rep, first, last)
		off(t, "goroutines.created", value(t, rep, "goroutines.created"), 1000, 0)
		for _, s := range []struct {
			state parse.GoState
			least int32
		}{{parse.GoWaiting, parked}, {parse.GoRunnable, 3}, {parse.GoSyscall, inCalls}} {
			if n := first.User[s.state]; n < s.least {
				t.Errorf("%d %s user goroutines at the start, %d were made so", n, s.state, s.least)
			}
		}
		if most := value(t, rep, "goroutines.max"); most < parked+spinning+inCalls {
			t.Errorf("goroutines.max: %v", most)
		}
		return broken
	})
}

// Stop-the-worlds of kinds that the program asks for, beside goroutines that have
// to be stopped.
func TestOracleStops(t *testing.T) {
	tries(t, func() (broken []string) {
		prepare := func() func() {
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					spin(stop)
				})
			}
			return func() { close(stop); wg.Wait() }
		}
		r := record(t, 2, -1, prepare, func() {
			var m runtime.MemStats
			for range 20 {
				runtime.ReadMemStats(&m)
			}
			for _, n := range []int{3, 1, 4, 4, 2} {
				runtime.GOMAXPROCS(n)
			}
			for range 3 {
				pprof.Lookup("goroutine").WriteTo(io.Discard, 0)
			}
			for range 2 {
				runtime.GC()
			}
		})
		rep, first, last := r.analyse(t, r.begin, r.end)
		broken = append(broken, checkGoroutines(t, r, rep, first, last)...)
		want := map[string]int{
			"read mem stats": 20, "GOMAXPROCS": 4, "goroutine profile": 3, "goroutine profile cleanup": 3,
			"GC sweep termination": 2, "GC mark termination": 2,
		}
		got := make(map[string]int)
		gc, other := r.between(r.begin, r.end)
		for _, p := range slices.Concat(gc, other) {
			got[p.reason]++
		}
		for reason, n := range want {
			off(t, "stop-the-worlds for "+reason, float64(got[reason]), float64(n), 0)
		}
		off(t, "stw.other.count", value(t, rep, "stw.other.count"), 30, 0)
		off(t, "stw.gc.count", value(t, rep, "stw.gc.count"), 4, 0)
		off(t, "gc.cycles", value(t, rep, "gc.cycles"), 2, 0)
		off(t, "procs.gomaxprocs.max", value(t, rep, "procs.gomaxprocs.max"), 4, 0)
		off(t, "procs.gomaxprocs.min", value(t, rep, "procs.gomaxprocs.min"), 1, 0)
		off(t, "GOMAXPROCS at the end", float64(rep.Trace.Procs), scalar(t, r.after, "/sched/gomaxprocs:threads"), 0)
		return append(broken, checkPauses(t, r, rep)...)
	})
}

// spin runs until stop is closed.
func spin(stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			runtime.KeepAlive(n)
			return
		default:
		}
	}
}
