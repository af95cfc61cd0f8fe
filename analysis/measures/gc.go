package measures

import (
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var GC = &analysis.Analyzer{
	Name:  "gc",
	Doc:   say.Page(pages, "gc"),
	Kinds: parse.KindsOf(parse.KindInterval, parse.KindProc, parse.KindRangeBegin, parse.KindRangeEnd, parse.KindMetric),
	New:   func() analysis.Collector { return newGC() },
	Run:   runGC,
	Metrics: []analysis.MetricDef{
		{ID: "gc.cycles", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "GC cycles ended"},
		{ID: "gc.mark.wall", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.Wall, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "concurrent mark: restart after the first pause to the start of the last"},
		{ID: "gc.worker.{dedicated,fractional,idle}", Unit: analysis.NS, Polarity: analysis.Neutral, Clock: analysis.PTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "P time of mark workers by mode; an upper bound of /cpu/classes/gc/mark"},
		{ID: "gc.assist.cpu", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.PTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "running time in mark assist; an upper bound of /cpu/classes/gc/mark/assist"},
		{ID: "gc.assist.wall", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "time in mark assist, waiting and all"},
		{ID: "gc.assist.count", Unit: analysis.Count, Polarity: analysis.Lower, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "mark assists"},
		{ID: "gc.sweep.cpu", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.PTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "incremental sweeping on allocation"},
		{ID: "gc.mmu.{1ms,10ms,100ms}", Unit: analysis.Ratio, Polarity: analysis.Higher, Clock: analysis.PTime, Confidence: analysis.Measured, Doc: "minimum mutator utilization: GC pauses, assists, dedicated and fractional workers"},
		{ID: "heap.live.max", Unit: analysis.Bytes, Polarity: analysis.Lower, Confidence: analysis.Measured, Doc: "largest heapLive, which counts whole spans"},
		{ID: "heap.goal.{max,last}", Unit: analysis.Bytes, Polarity: analysis.Neutral, Confidence: analysis.Measured, Doc: "heap goal"},
	},
	Figures: []analysis.FigureDef{
		{Name: "gc.cycle", Doc: "the worst GC cycle: phases, workers and assists", From: []analysis.From{{Metric: "procs.share.gcworker", Value: .1}, {Metric: "procs.share.assist", Value: .02}}},
		{Name: "gc.mmu", Doc: "minimum mutator utilization"},
		{Name: "gc.share", Doc: "P time that the GC took, over time", From: []analysis.From{{Metric: "procs.share.gcworker", Value: .05}, {Metric: "procs.share.assist", Value: .01}}},
		{Name: "gc.heap", Doc: "heap in use and its goal over time", From: []analysis.From{{Metric: "procs.share.gcworker", Value: .1}, {Metric: "procs.share.assist", Value: .02}}},
	},
}

const gcCycles = 64

// Lanes of gcFold.time, in ns of P time where nothing else is said.
const (
	GCLaneWorkers = iota // dedicated and fractional
	GCLaneIdle
	GCLaneAssist
	GCLanePauses
	GCLaneProcs
	GCLaneMarking // wall time with a cycle under way
	GCLaneCycles  // cycles ended
	GCLanes
)

type GCFold struct {
	cycles int64 // ended in the trace
	cut    int64 // not seen from start to end
	mark   int64 // concurrent mark of all

	workers [parse.NumModes]GCSum
	assist  GCSum
	sweep   GCSum
	pauses  GCSum
	// Lengths of mark assists seen whole.
	assistWall, assistCPU sketch.Histogram

	assists map[GCSite]*GCSum
	sweeps  map[parse.StackID]*GCSum
	starts  map[parse.StackID]*GCSum

	// The time up to run: P time, and that which the GC took from the program.
	procs, taken int64
	idle         int64 // P time of idle Ps while a GC cycle was under way
	mmu          mmu
	time         *sketch.Series
	run          gcRun
	more         bool // there was a run before

	live, goal *sketch.Gauge
	set        map[parse.StringID]*GoalsSet // by the function that set goals
	unjudged   parse.Metric                 // the first goal of this part, if one was set: the goal before is not in it

	// The longest cycles, and what happened in them and in those that end elsewhere.
	longest *sketch.Top[parse.Range]
	ended   ended
	details []*GCCycle // in the order in which they were first heard of
	worst   gcWorst
}

// gcRun is a stretch of time in which the part of the GC did not change. It may
// still grow.
type gcRun struct {
	gcPart
	from, to int64
	without  bool // there are Ps, and the GC is not at work
}

// gcPart is how many Ps there are, and what of them the GC has.
type gcPart struct {
	procs                int32 // 0 when not known
	gcps, worker, assist int32 // Interval.GCPs, and Ps in these states
	stw, marking         bool
	cycle                parse.Time
}

type GCSite struct {
	Stack parse.StackID
	fn    parse.StringID
}

// GoalsSet are heap goals that the program set, not a cycle, and that were a tenth more or
// less than the goal before.
type GoalsSet struct{ N, Least, Most int64 }

func (s *GoalsSet) Add(o *GoalsSet) {
	if s.N == 0 {
		s.Least = o.Least
	}
	s.N += o.N
	s.Least, s.Most = min(s.Least, o.Least), max(s.Most, o.Most)
}

// setGoal takes in a goal that the program set.
func (c *GCFold) setGoal(m parse.Metric, before int64) {
	if max(m.Value, before)*10 >= min(m.Value, before)*11 && m.Value != before {
		tally.At(c.set, m.Setter).Add(&GoalsSet{1, m.Value, m.Value})
	}
}

// GCSum is n things that took that much of a P, and of the wall clock.
type GCSum struct{ N, CPU, Wall, MaxWall, Bytes int64 }

func (s *GCSum) Add(o *GCSum) {
	s.N += o.N
	s.CPU += o.CPU
	s.Wall += o.Wall
	s.MaxWall = max(s.MaxWall, o.MaxWall)
	s.Bytes += o.Bytes
}

// GCCycle is what happened in one cycle.
type GCCycle struct {
	Since parse.Time // its start

	begun      bool // its start is in this part of the trace
	live, Goal int64
	// whether a live heap and a goal were told before it
	liveKnown, GoalKnown bool

	workers          [parse.NumModes]int64
	assist           GCSum
	sweepTerm, mark  int64 // pauses; 0 when not seen
	procs            int32 // GOMAXPROCS, the largest
	LastLive, LiveAt int64 // the last live heap told in it, and when
	Peak             int64 // the largest live heap told in it
}

// Before is the live heap that was told last before the cycle began; ok is false for none.
func (c *GCCycle) Before() (bytes int64, ok bool) { return c.live, c.liveKnown }

func (c *GCCycle) merge(o *GCCycle) {
	if o.begun {
		c.begun, c.live, c.Goal, c.liveKnown, c.GoalKnown = true, o.live, o.Goal, o.liveKnown, o.GoalKnown
	}
	for m, ns := range o.workers {
		c.workers[m] += ns
	}
	c.assist.Add(&o.assist)
	c.sweepTerm += o.sweepTerm
	c.mark += o.mark
	c.procs = max(c.procs, o.procs)
	c.Peak = max(c.Peak, o.Peak)
	if o.LiveAt > c.LiveAt {
		c.LastLive, c.LiveAt = o.LastLive, o.LiveAt
	}
}

func newGC() *GCFold {
	return &GCFold{
		assists: make(map[GCSite]*GCSum), sweeps: make(map[parse.StackID]*GCSum), starts: make(map[parse.StackID]*GCSum), set: make(map[parse.StringID]*GoalsSet),
		time: sketch.NewSeries(GCLanes), live: sketch.NewGauge(), goal: sketch.NewGauge(),
		longest: sketch.NewTop[parse.Range](gcCycles),
		worst:   gcWorst{spans: make(map[parse.Time]*gcSpans)},
	}
}

// WantsProc wants the runs of GC workers, and those in mark assist.
func (c *GCFold) WantsProc(from, _ parse.ProcState) bool {
	return from == parse.ProcWorker || from == parse.ProcAssist
}

func (c *GCFold) Event(e *parse.Event) {
	if e.Kind == parse.KindInterval { // as most are
		iv, r := e.Interval, &c.run
		if r.without && int64(iv.Since) == r.to && iv.Procs == r.procs && e.GC == 0 && !iv.Marking && !iv.STW && iv.GCPs == 0 && pair(iv.P[parse.ProcWorker], iv.P[parse.ProcAssist]) == 0 {
			r.to = int64(e.Time)
			return
		}
		c.interval(e)
		return
	}
	switch e.Kind {
	case parse.KindProc:
		if c.WantsProc(e.Proc.From, e.Proc.To) {
			c.worst.proc(e, &c.ended)
		}
		if e.Proc.From == parse.ProcWorker {
			held := e.Held()
			w := &c.workers[e.Proc.Mode]
			w.N++
			w.CPU += held
			if d := c.detail(e.GC); d != nil {
				d.workers[e.Proc.Mode] += held
			}
		}
	case parse.KindMetric:
		c.metric(e)
	case parse.KindRangeBegin:
		if e.Range.Kind == parse.RangeGC {
			c.begin(e)
		}
	case parse.KindRangeEnd:
		switch e.Range.Kind {
		case parse.RangeGC:
			c.end(e.Range)
		case parse.RangeSTW:
			c.stop(e)
		case parse.RangeAssist:
			c.assisted(e)
		case parse.RangeSweep:
			r := e.Range
			s := GCSum{N: 1, CPU: e.Held(), Wall: e.Held(), MaxWall: e.Held(), Bytes: r.BytesSwept}
			c.sweep.Add(&s)
			tally.At(c.sweeps, r.Stack).Add(&s)
		}
	}
}

// detail returns what is kept of the cycle that began then; nil when nothing is.
func (c *GCFold) detail(begin parse.Time) *GCCycle {
	if begin == 0 {
		return nil
	}
	for i := len(c.details) - 1; i >= 0; i-- {
		if c.details[i].Since == begin {
			return c.details[i]
		}
	}
	if !c.keeps(begin) {
		return nil
	}
	return c.newDetail(begin)
}

func (c *GCFold) newDetail(begin parse.Time) *GCCycle {
	d := &GCCycle{Since: begin}
	c.details = append(c.details, d)
	return d
}

func (c *GCFold) keeps(begin parse.Time) bool {
	if !c.ended.has(begin) {
		return true
	}
	return slices.ContainsFunc(c.longest.Items(), func(it sketch.Entry[parse.Range]) bool { return it.Item.Since == begin })
}

// prune forgets the details of cycles that are not among the longest.
func (c *GCFold) prune() {
	keep := make(map[parse.Time]bool)
	for _, it := range c.longest.Items() {
		keep[it.Item.Since] = true
	}
	c.details = slices.DeleteFunc(c.details, func(d *GCCycle) bool { return c.ended.has(d.Since) && !keep[d.Since] })
}

func (c *GCFold) interval(e *parse.Event) {
	iv, r := e.Interval, &c.run
	if iv.Marking && !iv.STW {
		c.idle += int64(iv.P[parse.ProcIdle]) * int64(e.Time-iv.Since)
	}
	if int64(iv.Since) != r.to || iv.Procs != r.procs || iv.Procs == 0 || iv.GCPs != r.gcps || iv.P[parse.ProcWorker] != r.worker || iv.P[parse.ProcAssist] != r.assist ||
		iv.STW != r.stw || iv.Marking != r.marking || e.GC != r.cycle {
		c.turn(e)
		return
	}
	r.to = int64(e.Time)
}

// turn begins a run where the last one does not go on.
func (c *GCFold) turn(e *parse.Event) {
	iv := e.Interval
	part := gcPart{int32(procsOf(iv)), iv.GCPs, iv.P[parse.ProcWorker], iv.P[parse.ProcAssist], iv.STW, iv.Marking, e.GC}
	if part.procs == 0 {
		return
	}
	if c.run.gcPart == part && c.run.to == int64(iv.Since) { // GOMAXPROCS is not known
		c.run.to = int64(e.Time)
		return
	}
	c.endRun()
	c.run = gcRun{part, int64(iv.Since), int64(e.Time), part == gcPart{procs: part.procs}}
	if part.gcps > 0 || part.worker > 0 {
		if d := c.detail(e.GC); d != nil {
			d.procs = max(d.procs, part.procs)
		}
	}
}

// endRun adds the last run to the time before it.
func (c *GCFold) endRun() {
	r := &c.run
	if r.procs == 0 {
		return
	}
	c.more = true
	procs, gcps, workers, assist := int64(r.procs), int64(r.gcps), int64(r.worker), int64(r.assist)
	taken := min(gcps, procs)
	c.procs += procs * (r.to - r.from)
	c.taken += taken * (r.to - r.from)
	c.mmu.add(r.from, r.to, taken*mmuWhole/procs)
	lanes := [GCLanes]int64{GCLaneProcs: procs}
	switch {
	case gcps == 0 && workers == 0: // mostly
	case r.stw && gcps > workers+assist: // a GC pause: all Ps
		lanes[GCLanePauses] = taken
	default:
		marking := gcps - assist
		lanes[GCLaneWorkers], lanes[GCLaneIdle], lanes[GCLaneAssist] = marking, workers-marking, assist
	}
	if r.marking {
		lanes[GCLaneMarking] = 1
	}
	c.time.AddSpans(r.from, r.to, lanes[:])
}

// noGoal is from where on a goal says that there is none: GOGC=off without a memory
// limit makes it all of the address space (mgcpacer.go:memoryLimitHeapGoal).
const noGoal = 1 << 62

func (c *GCFold) metric(e *parse.Event) {
	v := e.Metric.Value
	switch e.Metric.Kind {
	case parse.MetricHeapLive:
		c.live.Set(int64(e.Time), v)
		if d := c.detail(e.GC); d != nil {
			d.LastLive, d.LiveAt = v, int64(e.Time)
			d.Peak = max(d.Peak, v)
		}
	case parse.MetricHeapGoal:
		if v >= noGoal {
			v = 0
		}
		if m := e.Metric; m.Setter != 0 {
			if m.Value = v; c.goal.N() > 0 {
				_, before := c.goal.Last()
				c.setGoal(m, before)
			} else {
				c.unjudged = m
			}
		}
		c.goal.Set(int64(e.Time), v)
	}
}

func (c *GCFold) begin(e *parse.Event) {
	d := c.detail(e.GC)
	if d == nil || e.Range.Partial {
		return
	}
	d.begun = true
	c.before(d)
}

// before tells a cycle that begins here the heap just before.
func (c *GCFold) before(d *GCCycle) {
	if !d.liveKnown && c.live.N() > 0 {
		_, d.live = c.live.Last()
		d.liveKnown = true
	}
	if !d.GoalKnown && c.goal.N() > 0 {
		_, d.Goal = c.goal.Last()
		d.GoalKnown = true
	}
}

// GCMark is the concurrent mark of a cycle as far as it lies in the trace.
func GCMark(r *parse.Range) int64 {
	begin, end := r.MarkBegin, r.MarkEnd
	if begin == 0 && r.Partial {
		begin = r.Since
	}
	if end == 0 && r.Unfinished {
		end = r.Until
	}
	if begin == 0 {
		return 0
	}
	return max(0, int64(end-begin))
}

func (c *GCFold) end(r *parse.Range) {
	mark := GCMark(r)
	c.mark += mark
	if !r.Unfinished {
		c.cycles++
		c.time.AddPoint(GCLaneCycles, int64(r.Until), 1)
	}
	if r.Partial || r.Unfinished {
		c.cut++
	}
	if !r.Partial {
		tally.At(c.starts, r.Stack).Add(&GCSum{N: 1, Wall: mark})
	}
	c.ended.add(r.Since)
	c.worst.end(r, &c.ended)
	if !c.longest.Wants(mark) { // as of most, once there are many
		c.details = slices.DeleteFunc(c.details, func(d *GCCycle) bool { return d.Since == r.Since })
		return
	}
	c.longest.Add(sketch.Key{Value: mark, Time: int64(r.Since)}, *r)
	c.prune()
}

func (c *GCFold) stop(e *parse.Event) {
	r := e.Range
	if !r.Stop.GC {
		return
	}
	c.pauses.Add(&GCSum{N: 1, CPU: r.Stop.CPU, Wall: r.Total()})
	c.worst.stop(e, &c.ended)
	if d := c.detail(e.GC); d != nil {
		if r.Stop.Mark {
			d.mark += r.Total()
		} else {
			d.sweepTerm += r.Total()
		}
	}
}

func (c *GCFold) assisted(e *parse.Event) {
	r := e.Range
	s := GCSum{N: 1, CPU: r.CPU, Wall: e.Held(), MaxWall: e.Held()}
	c.assist.Add(&s)
	if !r.Partial && !r.Unfinished {
		c.assistWall.Add(s.Wall)
		c.assistCPU.Add(s.CPU)
	}
	tally.At(c.assists, GCSite{r.Stack, r.Func}).Add(&s)
	if d := c.detail(e.GC); d != nil {
		d.assist.Add(&s)
	}
}

func (c *GCFold) Merge(next analysis.Collector) {
	o := next.(*GCFold)
	for _, od := range o.details {
		d := *od
		if d.begun {
			c.before(&d)
		}
		i := slices.IndexFunc(c.details, func(own *GCCycle) bool { return own.Since == d.Since })
		if i < 0 {
			c.newDetail(d.Since).merge(&d)
		} else {
			c.details[i].merge(&d)
		}
	}
	c.cycles += o.cycles
	c.cut += o.cut
	c.mark += o.mark
	c.idle += o.idle
	for m := range c.workers {
		c.workers[m].Add(&o.workers[m])
	}
	c.assist.Add(&o.assist)
	c.sweep.Add(&o.sweep)
	c.pauses.Add(&o.pauses)
	c.assistWall.Merge(&o.assistWall)
	c.assistCPU.Merge(&o.assistCPU)
	tally.MergeKeyed(c.assists, o.assists, (*GCSum).Add)
	tally.MergeKeyed(c.sweeps, o.sweeps, (*GCSum).Add)
	tally.MergeKeyed(c.starts, o.starts, (*GCSum).Add)
	c.mergeRuns(o)
	c.live.Merge(o.live)
	tally.MergeKeyed(c.set, o.set, (*GoalsSet).Add)
	switch {
	case o.unjudged.Setter == 0:
	case c.goal.N() > 0:
		_, before := c.goal.Last()
		c.setGoal(o.unjudged, before)
	default:
		c.unjudged = o.unjudged
	}
	c.goal.Merge(o.goal)
	c.longest.Merge(o.longest)
	c.ended.merge(&o.ended)
	c.worst.merge(&o.worst, &c.ended)
	c.prune()
}

func (c *GCFold) mergeRuns(o *GCFold) {
	c.time.Merge(o.time)
	switch {
	case o.run.procs == 0:
	case !o.more && o.run.gcPart == c.run.gcPart && o.run.from == c.run.to:
		c.run.to = o.run.to
	default:
		c.endRun()
		c.procs += o.procs
		c.taken += o.taken
		c.mmu.merge(&o.mmu)
		c.run = o.run
		c.more = c.more || o.more
	}
}

// Closed is a copy of the fold whose sums over time include the last run.
func (c *GCFold) Closed(p *analysis.Pass) *GCFold { return analysis.Model(p, c.closed) }

func (c *GCFold) closed() *GCFold {
	all := *c
	all.mmu, all.time = c.mmu.clone(), sketch.NewSeries(GCLanes)
	all.time.Merge(c.time)
	all.endRun()
	return &all
}
