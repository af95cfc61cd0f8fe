package measures

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var Parallelism = &analysis.Analyzer{
	Name:  "parallelism",
	Doc:   say.Page(pages, "parallelism"),
	Kinds: parse.KindsOf(parse.KindInterval),
	New:   func() analysis.Collector { return newParallelismFold() },
	Run:   runParallelism,
	Metrics: []analysis.MetricDef{
		{ID: "procs.idle_while_runnable", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.PTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "integral of min(idle Ps, runnable user goroutines) outside stop-the-world, in stretches of 10 µs or more"},
		{ID: "goroutines.runnable.{mean,max}", Unit: analysis.Count, Polarity: analysis.Lower, Clock: analysis.Wall, Confidence: analysis.Measured, Doc: "runnable user goroutines"},
		{ID: "sched.pressure.{some,full}", Unit: analysis.Ratio, Polarity: analysis.Lower, Clock: analysis.Wall, Confidence: analysis.Measured, Doc: "share of the time in which a user goroutine was runnable; in which one was and no P ran user code"},
		{ID: "goroutines.running.mean", Unit: analysis.Count, Polarity: analysis.Neutral, Clock: analysis.Wall, Confidence: analysis.Measured, Doc: "running user goroutines, without one that has the world stopped"},
	},
	Figures: []analysis.FigureDef{
		{Name: "parallelism.profile", Doc: "how many user goroutines ran at once"},
		{Name: "parallelism.runnable", Doc: "how many user goroutines were runnable at once"},
		{Name: "parallelism.threads", Doc: "threads at work over time: on a P, and in calls"},
		{Name: "parallelism.time", Doc: "running and runnable user goroutines, idle Ps and GOMAXPROCS over time", Always: .8, From: []analysis.From{{Metric: "goroutines.runnable.mean", Value: 1}}},
	},
}

// wasteMin is the shortest stretch (ns) in which idle Ps beside runnable
// goroutines are more than a wake-up under way.
const wasteMin = 10_000

// The lanes of parallelismFold.over: ns times counts.
const (
	overRunning = iota
	OverRunnable
	overIdle
	overProcs
	OverTime      // weight 1
	OverSaturated // weight 1 while saturated
	overThreads   // Ps with a thread that is not in a call
	overCalls     // threads in calls
	numOver
)

const (
	// stallMin is the shortest stretch (ns) of idle Ps beside runnable goroutines
	// that a wake-up on a machine with free CPUs does not take.
	stallMin = 200_000

	// A burst is a stretch with burstPerProc or more runnable user goroutines per P
	// that lasts burstMin (ns) or longer.
	burstPerProc = 5
	burstMin     = 2_000_000

	// A hole is an interval of holeMin or longer (ns) in which goroutines run and
	// nothing at all is recorded, away from the switches of generations. With all threads on CPUs sysmon ends those of
	// holeLong or longer (proc.go:retake).
	holeMin    = 5_000_000
	holeLong   = 20_000_000
	holePeriod = 100_000_000 // ns, cpu.cfs_period_us of the kernel
	HolePhases = 50
	worstHoles = 8
)

// Holes sums holes, and counts them by when in a period of holePeriod they end:
// a CPU quota is refilled at a fixed phase.
type Holes struct {
	N, NS, Waits int64 // waits: ns × runnable user goroutines
	Phases       [HolePhases]Phase
}

// A Phase is the holes that end in one part of the period.
type Phase struct{ N, NS int64 }

func (h *Holes) Add(o *Holes) {
	h.N += o.N
	h.NS += o.NS
	h.Waits += o.Waits
	for i, p := range o.Phases {
		h.Phases[i].N += p.N
		h.Phases[i].NS += p.NS
	}
}

// holeBusy is how many Ps had a thread, and something to do for it, in a hole.
type holeBusy int32

// ParallelismFold is made of counts weighted by the ns they held.
type ParallelismFold struct {
	n                       int64   // intervals
	running, runnable, idle *Levels // user goroutines; Ps

	stopped  int64 // ns: world stopped or stopping
	full     int64 // ns: no P idle, world running
	starved  int64 // ns: no user goroutine running though one is runnable, world running
	alone    int64 // ns: one user goroutine running, none that could, no P in a system call, world running
	wasted   *sketch.Stretch
	yielding int64 // ns × goroutines: runnable by runtime.Gosched
	pressure int64 // ns: a user goroutine runnable
	stuck    int64 // ns: one runnable and no P running user code
	over     *sketch.Series

	// Of user goroutines without those that yield:
	demand    *Levels         // running or runnable
	saturated int64           // ns: no P idle, at most a quarter in system calls, and a runnable one or more for each, world running
	stalled   *sketch.Stretch // as wasted, of stallMin
	bursts    *sketch.Stretch

	steps   GomaxprocsSteps
	unknown int64 // ns: GOMAXPROCS not known

	holes     [2]Holes // shorter than holeLong, and the others
	worstHole *sketch.Top[holeBusy]

	// The time not yet in the sums: see Event and settle. It is of one number of Ps, and what
	// is not in over yet is of one bucket of it.
	until   int64 // where the bucket ends; before to where no time waits
	procs   int32 // GOMAXPROCS
	pending [pendingCounts]pendingTime
	used    [pendingCounts / 64]uint64 // which of them are
	to      int64                      // where the last interval ended
	on      uint8                      // the conditions that held in it
	since   [numOn]int64               // since when each did, or did not
	mass    [numOn]int64               // and its mass since, of use if it did
}

// Conditions that have a Stretch.
const (
	onWasted = iota
	onStalled
	onBurst
	numOn
)

func newParallelismFold() *ParallelismFold {
	return &ParallelismFold{
		running: new(Levels), runnable: new(Levels), idle: new(Levels),
		wasted: sketch.NewStretch(wasteMin), over: sketch.NewSeries(numOver),
		demand: new(Levels), stalled: sketch.NewStretch(stallMin), bursts: sketch.NewStretch(burstMin),
		worstHole: sketch.NewTop[holeBusy](worstHoles),
	}
}

// Event adds an interval. There is about one for each event of the trace, but the counts take
// few values: the time in which all stand at the same values is summed up first.
func (f *ParallelismFold) Event(e *parse.Event) {
	iv := e.Interval
	from, to := int64(iv.Since), int64(e.Time)
	f.n++
	if from != f.to || to > f.until || iv.Procs != f.procs || iv.STW {
		f.interval(iv, from, to)
		return
	}
	// As pendingKeyOf, which would not stay in registers.
	user, apart, ps := pair(iv.User[parse.GoRunnable], iv.User[parse.GoRunning]), pair(iv.Yielding, iv.Stoppers), pair(iv.P[parse.ProcSyscall], iv.P[parse.ProcStopped])|1<<63
	idle, calls := iv.P[parse.ProcIdle], iv.User[parse.GoSyscall]+iv.Runtime[parse.GoSyscall]
	others := ps + 8*(apart+8*(uint64(uint32(idle))+8*uint64(uint32(calls))))
	k := (user + others<<24) * 0x9e3779b97f4a7c15 >> (64 - pendingBits)
	switch t, held := &f.pending[k], to-from; {
	case t.user != user || t.apart != apart || t.ps != ps || t.idle != idle || t.calls != calls:
		f.replace(k, iv, to)
	case t.on != f.on || held >= holeMin:
		f.wait(k, iv, to)
	default: // mostly, and as wait
		f.to = to
		t.ns += held
		if t.on != 0 {
			f.weigh(t, held)
		}
	}
}

// interval adds an interval to the sums at once. What follows it in the same bucket may
// wait.
func (f *ParallelismFold) interval(iv *parse.Interval, from, to int64) {
	if iv.Procs > 0 {
		f.steps.set(parse.Time(from), int64(iv.Procs))
	}
	if from >= to {
		return
	}
	c := countsOf(iv)
	if iv.Procs != f.procs {
		f.settleTime()
	} else if from != f.to || to > f.until {
		f.settleBucket()
	}
	f.add(&c, to-from)
	over := overOf(&c)
	f.over.AddSpans(from, to, over[:])
	if iv.Procs > 0 {
		f.procs, f.until = iv.Procs, f.over.BucketEnd(to-1)
	}
	if on := c.conditions(); from != f.to || on != f.on {
		f.turn(from, on)
	}
	f.to = to
	f.mass[onWasted] += c.wasted() * (to - from)
	f.mass[onStalled] += c.stalled() * (to - from)
	f.mass[onBurst] += c.ready() * (to - from)
	if to-from >= holeMin && !iv.STW && !iv.Switch {
		f.hole(iv, from, to)
	}
}

// turn ends the conditions that no longer hold, and begins those that do from now on.
func (f *ParallelismFold) turn(from int64, on uint8) {
	for k, s := range f.stretches() {
		if from != f.to || (f.on^on)>>k&1 != 0 {
			s.Add(f.since[k], f.to, f.on>>k&1 != 0, f.mass[k])
			f.since[k], f.mass[k] = from, 0
		}
	}
	f.on = on
}

// settle adds all that waits to what it belongs to.
func (f *ParallelismFold) settle() {
	f.settleTime()
	for k, s := range f.stretches() {
		s.Add(f.since[k], f.to, f.on>>k&1 != 0, f.mass[k])
	}
	f.to, f.on, f.since, f.mass = 0, 0, [numOn]int64{}, [numOn]int64{}
}

func (f *ParallelismFold) stretches() [numOn]*sketch.Stretch {
	return [numOn]*sketch.Stretch{onWasted: f.wasted, onStalled: f.stalled, onBurst: f.bursts}
}

// add adds the time that counts stood at their values to all sums but those over time.
func (f *ParallelismFold) add(c *counts, ns int64) {
	ready := c.ready()
	f.running.AddN(c.running, ns)
	f.runnable.AddN(c.runnable, ns)
	f.idle.AddN(c.idle, ns)
	f.demand.AddN(c.running+ready, ns)
	f.yielding += c.yielding * ns
	if c.gomaxprocs == 0 {
		f.unknown += ns
	}
	if c.runnable > 0 {
		f.pressure += ns
		if c.running == 0 {
			f.stuck += ns
		}
	}
	if c.stw {
		f.stopped += ns
		return
	}
	if c.idle == 0 {
		f.full += ns
	}
	if c.saturated() {
		f.saturated += ns
	}
	if c.running == 0 && c.runnable > 0 {
		f.starved += ns
	}
	if c.running == 1 && ready == 0 && c.inCall == 0 {
		f.alone += ns
	}
}

// overOf is what counts add to over in each ns.
func overOf(c *counts) [numOver]int64 {
	var saturated int64
	if c.saturated() {
		saturated = 1
	}
	return [numOver]int64{
		overRunning: c.running, OverRunnable: c.runnable, overIdle: c.idle, overProcs: c.gomaxprocs,
		OverTime: 1, OverSaturated: saturated, overThreads: c.procs - c.idle - c.inCall - c.stopped, overCalls: c.calls,
	}
}

func (f *ParallelismFold) hole(iv *parse.Interval, from, to int64) {
	var busy int32
	for _, s := range []parse.ProcState{parse.ProcScheduler, parse.ProcUser, parse.ProcSystem, parse.ProcWorker, parse.ProcAssist} {
		busy += iv.P[s]
	}
	if busy == 0 || busy == iv.P[parse.ProcScheduler] && iv.User[parse.GoRunnable]+iv.Runtime[parse.GoRunnable] == 0 {
		return // at most a thread on its way to sleep
	}
	h := Holes{N: 1, NS: to - from, Waits: int64(iv.User[parse.GoRunnable]-iv.Yielding) * (to - from)}
	h.Phases[to%holePeriod*HolePhases/holePeriod] = Phase{1, h.NS}
	class := 0
	if h.NS >= holeLong {
		class = 1
	}
	f.holes[class].Add(&h)
	f.worstHole.Add(sketch.Key{Value: h.NS, Time: from}, holeBusy(busy))
}

func (f *ParallelismFold) Merge(next analysis.Collector) {
	o := next.(*ParallelismFold)
	f.settle()
	o.settle()
	f.n += o.n
	f.running.Merge(o.running)
	f.runnable.Merge(o.runnable)
	f.idle.Merge(o.idle)
	f.stopped += o.stopped
	f.full += o.full
	f.starved += o.starved
	f.alone += o.alone
	f.wasted.Merge(o.wasted)
	f.yielding += o.yielding
	f.pressure += o.pressure
	f.stuck += o.stuck
	f.over.Merge(o.over)
	f.demand.Merge(o.demand)
	f.saturated += o.saturated
	f.stalled.Merge(o.stalled)
	f.bursts.Merge(o.bursts)
	for i := range f.holes {
		f.holes[i].Add(&o.holes[i])
	}
	f.worstHole.Merge(o.worstHole)
	f.steps.merge(&o.steps)
	f.unknown += o.unknown
}

func runParallelism(p *analysis.Pass) error {
	f := analysis.Fold[*ParallelismFold](p)
	f.settle()
	wall := f.running.N()
	if wall == 0 {
		p.Say("no time passes in this trace")
		return nil
	}
	count, length, wasted, longest, longestAt := f.wasted.Result()
	p.Metric("procs.idle_while_runnable", wasted, count)
	p.Ratio("goroutines.runnable.mean", WeightedMean(f.runnable), f.n)
	p.Metric("goroutines.runnable.max", f.runnable.Max(), f.n)
	p.Ratio("goroutines.running.mean", WeightedMean(f.running), f.n)
	p.Ratio("sched.pressure.some", say.Ratio(f.pressure, wall), f.n)
	p.Ratio("sched.pressure.full", say.Ratio(f.stuck, wall), f.n)

	if p.Brief() {
		return nil
	}

	of := func(ns int64) string { return analysis.FormatRatio(float64(ns) / float64(wall)) }
	p.Say("user goroutines over %s: %s running on average (at most %d); %s runnable (at most %s); %s idle Ps",
		p.Dur(wall), MeanCount(WeightedMean(f.running)), f.running.Max(), MeanCount(WeightedMean(f.runnable)), analysis.FormatCount(f.runnable.Max()), MeanCount(WeightedMean(f.idle)))
	p.Say("none ran for %s of the time, one for %s; no P was idle for %s; none ran though some were runnable for %s",
		of(f.running.At(0)), of(f.running.At(1)), of(f.full), of(f.starved))
	if count == 0 {
		p.Say("no P was idle beside a runnable goroutine for 10 µs or longer (pauses aside)")
	} else {
		p.Say("idle Ps beside runnable goroutines: %s of P time, during %s of the time (%s stretches ≥ 10 µs; longest %s at %s)",
			p.Dur(wasted), of(length), analysis.FormatCount(count), p.Dur(longest), p.At(parse.Time(longestAt)))
	}

	parallelismProfile(p, f, wall)
	parallelismRunnable(p, f, wall)
	parallelismShares(p, f, wall, length)
	parallelismOver(p, f)
	parallelismThreads(p, f)
	return nil
}

// MeanCount writes a mean of counts.
func MeanCount(v float64) string {
	switch {
	case v > 0 && v < 0.005:
		return "<0.01"
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return analysis.FormatCount(int64(math.Round(v)))
}

// parallelismProfile tells how long k user goroutines ran at once.
func parallelismProfile(p *analysis.Pass, f *ParallelismFold, wall int64) {
	every := &analysis.Table{
		Name: "parallelism.profile", Title: "user goroutines running at once, by share of wall time", N: f.n,
		Columns: []analysis.Column{{Name: "running", Unit: analysis.Text}, {Name: "time", Unit: analysis.NS}, {Name: "share", Unit: analysis.Ratio}},
		Detail:  true,
	}
	f.running.Bins(func(lo, hi, n int64) bool {
		every.Add(rangeName(lo, hi), n, float64(n)/float64(wall))
		return true
	})
	p.Table(every)
	p.Figure(analysis.Figure{
		Name: "parallelism.profile", Title: fmt.Sprintf("On average %s user goroutines ran at once, at most %d; none for %s of the time", MeanCount(WeightedMean(f.running)), f.running.Max(), analysis.FormatRatio(say.Ratio(f.running.At(0), wall))),
		Mark: analysis.Bars, Table: every.Name, X: "running", Y: []string{"share"},
	})

	top := &analysis.Table{Name: "parallelism.commonest", Title: "user goroutines running at once: the ten commonest counts", N: f.n, Columns: every.Columns, Rows: slices.Clone(every.Rows)}
	slices.SortStableFunc(top.Rows, func(a, b []any) int { return cmp.Compare(b[1].(int64), a[1].(int64)) })
	top.Limit(10)
	p.Table(top)
}

// parallelismRunnable is the same of runnable ones, in powers of two.
func parallelismRunnable(p *analysis.Pass, f *ParallelismFold, wall int64) {
	t := &analysis.Table{
		Name: "parallelism.runnable", Title: "user goroutines runnable at once, by share of wall time", N: f.n,
		Columns: []analysis.Column{{Name: "runnable", Unit: analysis.Text}, {Name: "time", Unit: analysis.NS}, {Name: "share", Unit: analysis.Ratio}},
		Detail:  true,
	}
	var ns [33]int64 // by number of bits; a bin of the histogram never holds two
	f.runnable.Bins(func(lo, _, n int64) bool {
		ns[bits.Len64(uint64(lo))] += n
		return true
	})
	for k, n := range ns {
		if n > 0 {
			t.Add(rangeName(int64(1)<<k>>1, int64(1)<<k-1), n, float64(n)/float64(wall))
		}
	}
	p.Table(t)
	p.Figure(analysis.Figure{
		Name: "parallelism.runnable", Title: fmt.Sprintf("On average %s user goroutines were runnable at once, at most %s", MeanCount(WeightedMean(f.runnable)), analysis.FormatCount(f.runnable.Max())),
		Mark: analysis.Bars, Table: t.Name, X: "runnable", Y: []string{"share"},
	})
}

// parallelismShares tells for how long the Ps and goroutines did not fit.
func parallelismShares(p *analysis.Pass, f *ParallelismFold, wall, length int64) {
	t := &analysis.Table{
		Name: "parallelism.shares", Title: "wall time by what Ps and user goroutines were at (rows overlap)", N: f.n,
		Columns: []analysis.Column{{Name: "state", Unit: analysis.Text}, {Name: "time", Unit: analysis.NS}, {Name: "share", Unit: analysis.Ratio}},
	}
	for _, row := range []struct {
		name string
		ns   int64
	}{
		{"no P idle (world running)", f.full},
		{"one user goroutine running", f.running.At(1)},
		{"no user goroutine running", f.running.At(0)},
		{"no user goroutine running, some runnable (world running)", f.starved},
		{"idle Ps and runnable user goroutines, 10 µs or longer", length},
		{"world stopped or stopping", f.stopped},
	} {
		t.Add(row.name, row.ns, float64(row.ns)/float64(wall))
	}
	p.Table(t)
}

// parallelismOver gives the mean counts over time.
func parallelismOver(p *analysis.Pass, f *ParallelismFold) {
	y := [OverTime]string{overRunning: "running", OverRunnable: "runnable", overIdle: "idle Ps", overProcs: "GOMAXPROCS"}
	t := &analysis.Table{
		Name: "parallelism.time", Title: "user goroutines running and runnable, idle Ps and GOMAXPROCS over time: mean counts", N: f.n, Detail: true,
		Columns: []analysis.Column{{Name: "at", Unit: analysis.Moment}},
	}
	for _, name := range y {
		t.Columns = append(t.Columns, analysis.Column{Name: name, Unit: analysis.Count})
	}
	for b := range f.over.Len() {
		ns := f.over.At(b, OverTime)
		if ns == 0 {
			continue
		}
		at := max(f.over.Start()+int64(b)*f.over.Width(), int64(p.Trace.From))
		row := []any{p.Rel(parse.Time(at))}
		for lane := range y {
			row = append(row, float64(f.over.At(b, lane))/float64(ns))
		}
		t.Add(row...)
	}
	p.Table(t)
	p.Figure(analysis.Figure{
		Name: "parallelism.time", Title: fmt.Sprintf("On average %s user goroutines ran, %s were runnable, and %s Ps were idle", MeanCount(WeightedMean(f.running)), MeanCount(WeightedMean(f.runnable)), MeanCount(WeightedMean(f.idle))),
		Mark: analysis.Panels, Table: t.Name, X: "at", Y: y[:],
	})
}

// parallelismThreads gives the mean count of threads at work over time. Those at rest are
// not in the trace.
func parallelismThreads(p *analysis.Pass, f *ParallelismFold) {
	t := &analysis.Table{
		Name: "parallelism.threads", Title: "threads at work over time: those on a P are running, the others in system calls or C; mean counts", N: f.n, Detail: true,
		Columns: []analysis.Column{{Name: "at", Unit: analysis.Moment}, {Name: "running", Unit: analysis.Count}, {Name: "in calls", Unit: analysis.Count}},
	}
	var wall, threads, calls int64
	for b := range f.over.Len() {
		ns := f.over.At(b, OverTime)
		if ns == 0 {
			continue
		}
		at := max(f.over.Start()+int64(b)*f.over.Width(), int64(p.Trace.From))
		t.Add(p.Rel(parse.Time(at)), float64(f.over.At(b, overThreads))/float64(ns), float64(f.over.At(b, overCalls))/float64(ns))
		wall, threads, calls = wall+ns, threads+f.over.At(b, overThreads), calls+f.over.At(b, overCalls)
	}
	p.Table(t)
	p.Figure(analysis.Figure{
		Name: t.Name, Title: fmt.Sprintf("On average %s threads were on a P, %s in calls", MeanCount(say.Ratio(threads, wall)), MeanCount(say.Ratio(calls, wall))),
		Mark: analysis.Area, Table: t.Name, X: "at", Y: []string{"running", "in calls"},
	})
}

func rangeName(lo, hi int64) string {
	if lo == hi {
		return fmt.Sprint(lo)
	}
	return fmt.Sprintf("%d–%d", lo, hi)
}
