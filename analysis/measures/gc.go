package measures

import (
	"cmp"
	"fmt"
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
		{ID: "gc.mark.wall", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.Wall, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "concurrent mark: restart after the first pause to the begin of the last"},
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
	cut    int64 // not seen from begin to end
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
	Since parse.Time // its begin

	begun      bool // its begin is in this part of the trace
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
		assists: make(map[GCSite]*GCSum), sweeps: make(map[parse.StackID]*GCSum), starts: make(map[parse.StackID]*GCSum),
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
	switch e.Kind {
	case parse.KindInterval:
		c.interval(e)
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
	iv := e.Interval
	if iv.Marking && !iv.STW {
		c.idle += int64(iv.P[parse.ProcIdle]) * int64(e.Time-iv.Since)
	}
	part := gcPart{iv.Procs, iv.GCPs, iv.P[parse.ProcWorker], iv.P[parse.ProcAssist], iv.STW, iv.Marking, e.GC}
	if part.procs == 0 {
		for _, n := range iv.P[parse.ProcIdle:] {
			part.procs += n
		}
		if part.procs == 0 {
			return
		}
	}
	if part == c.run.gcPart && int64(iv.Since) == c.run.to {
		c.run.to = int64(e.Time)
		return
	}
	c.endRun()
	c.run = gcRun{part, int64(iv.Since), int64(e.Time)}
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
func (c *GCFold) Closed() *GCFold {
	all := *c
	all.mmu, all.time = c.mmu.clone(), sketch.NewSeries(GCLanes)
	all.time.Merge(c.time)
	all.endRun()
	return &all
}

// Marked is the time of workers that do the background share: all but the idle
// ones. A worker that is resumed without label (mgc.go:gcMarkDone) counts as
// dedicated, as do the Ps in Interval.GCPs.
func (c *GCFold) Marked() int64 {
	return c.workers[parse.ModeNone].CPU + c.workers[parse.ModeDedicated].CPU + c.workers[parse.ModeFractional].CPU
}

func runGC(p *analysis.Pass) error {
	c := analysis.Fold[*GCFold](p).Closed()
	w := &c.workers
	cycles := c.cycles + c.cut
	p.Metric("gc.cycles", c.cycles, c.cycles)
	p.Metric("gc.mark.wall", c.mark, cycles)
	p.Metric("gc.worker.dedicated", w[parse.ModeDedicated].CPU+w[parse.ModeNone].CPU, w[parse.ModeDedicated].N+w[parse.ModeNone].N)
	p.Metric("gc.worker.fractional", w[parse.ModeFractional].CPU, w[parse.ModeFractional].N)
	p.Metric("gc.worker.idle", w[parse.ModeIdle].CPU, w[parse.ModeIdle].N)
	p.Metric("gc.assist.cpu", c.assist.CPU, c.assist.N)
	p.Metric("gc.assist.wall", c.assist.Wall, c.assist.N)
	p.Metric("gc.assist.count", c.assist.N, c.assist.N)
	p.Metric("gc.sweep.cpu", c.sweep.CPU, c.sweep.N)
	worst := c.mmu.Worst()
	for k, id := range map[int]string{3: "1ms", 6: "10ms", 9: "100ms"} {
		if worst[k].Ok {
			p.Ratio("gc.mmu."+id, worst[k].Utilization, cycles)
			p.When("gc.mmu."+id, parse.Time(worst[k].At))
		}
	}
	if n := c.live.N(); n > 0 {
		p.Metric("heap.live.max", c.live.Max(), n)
	}
	// A goal of 0 says that the GC is off.
	if n := c.goal.N(); n > 0 {
		if v := c.goal.Max(); v > 0 {
			p.Metric("heap.goal.max", v, n)
		}
		if _, v := c.goal.Last(); v > 0 {
			p.Metric("heap.goal.last", v, n)
		}
	}
	sites := GCAssistSites(p, c)
	gcSay(p, c, worst, sites)
	gcCostTable(p, c)
	gcCycleTables(p, c)
	gcWorstCycle(p, c)
	gcAssistTables(p, c, sites)
	gcSiteTables(p, c)
	gcMMU(p, c, worst)
	gcTime(p, c)
	gcHeap(p, c)
	return nil
}

func gcSay(p *analysis.Pass, c *GCFold, worst mmuWorst, sites []tally.Ranked[GCSum]) {
	wall := p.Trace.Duration()
	heap := ""
	if c.live.N() > 0 {
		heap = "heap up to " + analysis.FormatBytes(c.live.Max())
	}
	if v := c.goal.Max(); c.goal.N() > 0 && v > 0 {
		heap = join(heap, "goal up to "+analysis.FormatBytes(v))
	}
	if c.cycles+c.cut == 0 {
		p.Say("%s", join("no GC cycle in "+p.Dur(wall), heap))
		return
	}
	line := fmt.Sprintf("%s ended in %s", say.Counted(c.cycles, "GC cycle", "GC cycles"), p.Dur(wall))
	if c.cycles > 1 && wall > 0 {
		line += fmt.Sprintf(" (%s)", analysis.FormatRate(float64(c.cycles)*1e9/float64(wall)))
	}
	if c.cut > 0 {
		line += fmt.Sprintf(", %s cut by the edge of the trace", analysis.FormatCount(c.cut))
	}
	idle := c.workers[parse.ModeIdle].CPU
	all := c.Marked() + idle + c.assist.CPU + c.pauses.CPU
	share := func(ns int64) string { return analysis.FormatRatio(say.Ratio(ns, c.procs)) }
	line += fmt.Sprintf("; concurrent mark %s of wall; the GC took %s of P time: workers %s, idle workers %s, assist %s, pauses %s",
		analysis.FormatRatio(say.Ratio(c.mark, wall)), share(all), share(c.Marked()), share(idle), share(c.assist.CPU), share(c.pauses.CPU))
	p.Say("%s", line)

	line = "the program is left " + analysis.FormatRatio(1-say.Ratio(c.taken, c.procs)) + " of P time in the mean"
	for _, k := range []int{9, 6, 3} {
		if worst[k].Ok {
			line += fmt.Sprintf(", %s in the worst %s (at %s)", analysis.FormatRatio(worst[k].Utilization), p.Dur(MMUWindows[k]), p.At(parse.Time(worst[k].At)))
		}
	}
	p.Say("%s", line)
	if c.assist.N == 0 {
		p.Say("%s", join("no mark assist", heap))
		return
	}
	p.Say("%s", join(fmt.Sprintf("%s: %s of goroutines' time, %s of it running; most at %s", say.Counted(c.assist.N, "mark assist", "mark assists"),
		p.Dur(c.assist.Wall), p.Dur(c.assist.CPU), sites[0].Label[0]), heap))
}

// join puts two clauses in one sentence; either may be missing.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

func gcCostTable(p *analysis.Pass, c *GCFold) {
	if c.cycles+c.cut+c.assist.N+c.sweep.N+c.pauses.N == 0 {
		return
	}
	t := &analysis.Table{
		Name: "gc.cost", Title: "P time of the GC by kind of work, of all P time in the trace; sweeping is done by goroutines that allocate",
		Columns: []analysis.Column{
			{Name: "work", Unit: analysis.Text}, {Name: "count", Unit: analysis.Count},
			{Name: "P time", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "share", Unit: analysis.Ratio, Polarity: analysis.Lower},
		},
	}
	add := func(name string, s GCSum) {
		if s.N > 0 {
			t.N += s.N
			t.Add(name, s.N, s.CPU, say.RatioCell(s.CPU, c.procs))
		}
	}
	add("dedicated workers", c.workers[parse.ModeDedicated])
	add("fractional workers", c.workers[parse.ModeFractional])
	add("workers without label", c.workers[parse.ModeNone])
	add("idle workers", c.workers[parse.ModeIdle])
	add("mark assist", c.assist)
	add("GC pauses", c.pauses)
	add("sweep on allocation", c.sweep)
	slices.SortStableFunc(t.Rows, func(a, b []any) int { return cmp.Compare(b[2].(int64), a[2].(int64)) })
	p.Table(t)
}

func gcCycleTables(p *analysis.Pass, c *GCFold) {
	table := func(name, title string, detail bool) *analysis.Table {
		return &analysis.Table{
			Name: name, Title: title, Detail: detail, N: c.cycles + c.cut,
			Columns: []analysis.Column{
				{Name: "at", Unit: analysis.Moment}, {Name: "mark", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "background", Unit: analysis.Ratio},
				{Name: "assist wall", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "assist P time", Unit: analysis.NS, Polarity: analysis.Lower},
				{Name: "heap before", Unit: analysis.Bytes}, {Name: "goal", Unit: analysis.Bytes}, {Name: "heap after", Unit: analysis.Bytes},
				{Name: "sweep termination", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "mark termination", Unit: analysis.NS, Polarity: analysis.Lower},
				{Name: "dedicated", Unit: analysis.NS}, {Name: "fractional", Unit: analysis.NS}, {Name: "idle", Unit: analysis.NS},
				{Name: "assists", Unit: analysis.Count, Polarity: analysis.Lower},
				{Name: "note", Unit: analysis.Text},
			},
		}
	}
	longest := table("gc.cycles", "longest GC cycles by concurrent mark, wall clock; workers and assist running in P time", false)
	inOrder := table("gc.recent", "the longest GC cycles in the order of time", true)
	items := c.longest.Items()
	for i, it := range items {
		r := &it.Item
		d := new(GCCycle)
		if i := slices.IndexFunc(c.details, func(d *GCCycle) bool { return d.Since == r.Since }); i >= 0 {
			d = c.details[i]
		}
		mark := GCMark(r)
		dedicated := d.workers[parse.ModeDedicated] + d.workers[parse.ModeNone]
		note := ""
		switch {
		case r.Partial && r.Unfinished:
			note = "reaches over the trace"
		case r.Partial:
			note = "began before the trace"
		case r.Unfinished:
			note = "not ended in the trace"
		}
		row := []any{
			p.Rel(r.Since), mark, say.RatioCell(dedicated+d.workers[parse.ModeFractional], int64(d.procs)*mark),
			d.assist.Wall, d.assist.CPU,
			known(d.live, d.liveKnown), known(d.Goal, d.GoalKnown && d.Goal > 0), known(d.LastLive, d.LiveAt > 0 && !r.Unfinished),
			known(d.sweepTerm, d.sweepTerm > 0), known(d.mark, d.mark > 0),
			dedicated, d.workers[parse.ModeFractional], d.workers[parse.ModeIdle], d.assist.N, note,
		}
		if i < 10 {
			longest.Add(row...)
		}
		inOrder.Add(row...)
	}
	longest.More = longest.N - int64(len(longest.Rows))
	inOrder.More = inOrder.N - int64(len(inOrder.Rows))
	slices.SortFunc(inOrder.Rows, func(a, b []any) int { return cmp.Compare(a[0].(int64), b[0].(int64)) })
	p.Table(longest)
	p.Table(inOrder)
}

func known(v int64, ok bool) any {
	if !ok {
		return nil
	}
	return v
}

func gcAssistTables(p *analysis.Pass, c *GCFold, sites []tally.Ranked[GCSum]) {
	lengths := &analysis.Table{
		Name: "gc.assist", Title: "length of mark assists seen from begin to end: as the goroutine waits, and its running part",
		Columns: []analysis.Column{
			{Name: "measure", Unit: analysis.Text}, {Name: "count", Unit: analysis.Count},
			{Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p90", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "total", Unit: analysis.NS, Polarity: analysis.Lower},
		},
		N: c.assistWall.N(),
	}
	for _, m := range []struct {
		name string
		h    *sketch.Histogram
	}{{"wall", &c.assistWall}, {"running", &c.assistCPU}} {
		if m.h.N() > 0 {
			lengths.Add(m.name, m.h.N(), say.QuantileCell(m.h, .5), say.QuantileCell(m.h, .9), say.QuantileCell(m.h, .99), m.h.Max(), m.h.Sum())
		}
	}
	p.Table(lengths)

	t := &analysis.Table{
		Name: "gc.assists", Title: "where goroutines were made to assist, by the wall time of their assists", N: c.assist.N,
		Columns: []analysis.Column{
			{Name: "site", Unit: analysis.Text}, {Name: "goroutine", Unit: analysis.Text},
			{Name: "count", Unit: analysis.Count, Polarity: analysis.Lower},
			{Name: "wall", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max wall", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "P time", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for _, r := range sites {
		t.Add(r.Label[0], r.Label[1], r.V.N, r.V.Wall, r.V.MaxWall, r.V.CPU)
	}
	t.Limit(10)
	p.Table(t)
}

func GCAssistSites(p *analysis.Pass, c *GCFold) []tally.Ranked[GCSum] {
	return tally.Rank(c.assists, func(s GCSite) tally.Label { return tally.Label{p.SiteName(s.Stack), p.FuncName(s.fn)} },
		(*GCSum).Add, func(s *GCSum) int64 { return s.Wall })
}

func gcSiteTables(p *analysis.Pass, c *GCFold) {
	starts := &analysis.Table{
		Name: "gc.starts", Title: "who began the GC cycles that begin in the trace",
		Columns: []analysis.Column{
			{Name: "trigger", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text},
			{Name: "count", Unit: analysis.Count}, {Name: "mark", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for _, r := range tally.Rank(c.starts, func(s parse.StackID) tally.Label { return tally.Label{GCTrigger(p, s), p.SiteName(s)} },
		(*GCSum).Add, func(s *GCSum) int64 { return s.N }) {
		starts.N += r.V.N
		starts.Add(r.Label[0], r.Label[1], r.V.N, r.V.Wall)
	}
	starts.Limit(10)
	p.Table(starts)

	sweeps := &analysis.Table{
		Name: "gc.sweeps", Title: "where goroutines swept spans in order to allocate", N: c.sweep.N,
		Columns: []analysis.Column{
			{Name: "site", Unit: analysis.Text}, {Name: "count", Unit: analysis.Count, Polarity: analysis.Lower},
			{Name: "P time", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "swept", Unit: analysis.Bytes},
		},
	}
	for _, r := range tally.Rank(c.sweeps, func(s parse.StackID) tally.Label { return tally.Label{p.SiteName(s)} },
		(*GCSum).Add, func(s *GCSum) int64 { return s.CPU }) {
		sweeps.Add(r.Label[0], r.V.N, r.V.CPU, r.V.MaxWall, r.V.Bytes)
	}
	sweeps.Limit(10)
	p.Table(sweeps)
}

// GCTrigger tells by its stack why a cycle began (mgc.go:gcTrigger).
func GCTrigger(p *analysis.Pass, s parse.StackID) string {
	frames := p.Trace.Stack(s)
	if len(frames) == 0 {
		return "unknown"
	}
	trigger := "allocation"
	for _, f := range frames {
		switch p.Trace.String(f.Func) {
		case "runtime.GC":
			trigger = "runtime.GC"
		case "runtime/debug.FreeOSMemory", "runtime/debug.freeOSMemory": // calls runtime.GC
			trigger = "debug.FreeOSMemory"
		case "runtime.forcegchelper":
			trigger = "two minutes without one"
		}
	}
	return trigger
}

func gcMMU(p *analysis.Pass, c *GCFold, worst mmuWorst) {
	t := &analysis.Table{
		Name: "gc.mmu", Title: "least share of P time left to the program in any window of that length", Detail: true, N: c.cycles + c.cut,
		Columns: []analysis.Column{
			{Name: "window", Unit: analysis.NS}, {Name: "utilization", Unit: analysis.Ratio, Polarity: analysis.Higher}, {Name: "at", Unit: analysis.Moment},
		},
	}
	for k, w := range worst {
		if w.Ok {
			t.Add(MMUWindows[k], w.Utilization, p.Rel(parse.Time(w.At)))
		}
	}
	p.Table(t)
	if c.cycles+c.cut == 0 || len(t.Rows) == 0 {
		return
	}
	last := t.Rows[len(t.Rows)-1]
	p.Figure(analysis.Figure{
		Name: "gc.mmu", Mark: analysis.Line, Table: t.Name, X: "window", Y: []string{"utilization"},
		Title: fmt.Sprintf("The GC leaves the program at least %s of the P time of any %s", analysis.FormatRatio(last[1].(float64)), p.Dur(last[0].(int64))),
	})
}

func gcTime(p *analysis.Pass, c *GCFold) {
	if c.cycles+c.cut+c.assist.N == 0 {
		return
	}
	t := &analysis.Table{
		Name: "gc.time", Title: "share of P time that the GC took, over time; a pause takes all Ps", Detail: true,
		Columns: []analysis.Column{
			{Name: "time", Unit: analysis.Moment},
			{Name: "workers", Unit: analysis.Ratio}, {Name: "idle workers", Unit: analysis.Ratio},
			{Name: "assist", Unit: analysis.Ratio, Polarity: analysis.Lower}, {Name: "pauses", Unit: analysis.Ratio, Polarity: analysis.Lower},
		},
	}
	for i := range c.time.Len() {
		row := []any{p.Rel(max(p.Trace.From, parse.Time(c.time.Start()+int64(i)*c.time.Width())))}
		for lane := range GCLaneProcs {
			row = append(row, say.Ratio(c.time.At(i, lane), c.time.At(i, GCLaneProcs)))
		}
		t.Add(row...)
	}
	t.N = int64(len(t.Rows))
	p.Table(t)
	p.Figure(analysis.Figure{
		Name: "gc.share", Mark: analysis.Area, Table: t.Name, X: "time", Y: []string{"pauses", "workers", "assist", "idle workers"},
		Title: gcShareTitle(c),
	})
}

func gcShareTitle(c *GCFold) string {
	title := fmt.Sprintf("The GC took %s of P time from the program", analysis.FormatRatio(say.Ratio(c.taken, c.procs)))
	if idle := c.workers[parse.ModeIdle].CPU; idle > 0 {
		title += fmt.Sprintf("; idle workers had %s", analysis.FormatRatio(say.Ratio(idle, c.procs)))
	}
	return title
}

func gcHeapTitle(c *GCFold) string {
	title := "The heap in use reaches " + analysis.FormatBytes(c.live.Max())
	if v := c.goal.Max(); c.goal.N() > 0 && v > 0 {
		title += ", its goal " + analysis.FormatBytes(v)
	}
	return title
}

func gcHeap(p *analysis.Pass, c *GCFold) {
	t := &analysis.Table{
		Name: "gc.heap", Title: "heap in use (heapLive) and its goal as the runtime told them, over time; with dead objects until they are marked", Detail: true,
		Columns: []analysis.Column{
			{Name: "time", Unit: analysis.Moment}, {Name: "series", Unit: analysis.Text},
			{Name: "low", Unit: analysis.Bytes}, {Name: "high", Unit: analysis.Bytes}, {Name: "last", Unit: analysis.Bytes},
		},
	}
	for _, s := range []struct {
		name  string
		gauge *sketch.Gauge
	}{{"heap", c.live}, {"goal", c.goal}} {
		for i := range s.gauge.Len() {
			if low, high, last, ok := s.gauge.At(i); ok && (s.name == "heap" || last > 0) {
				t.Add(p.Rel(max(p.Trace.From, parse.Time(s.gauge.Start()+int64(i)*s.gauge.Width()))), s.name, low, high, last)
			}
		}
		t.N += s.gauge.N()
	}
	p.Table(t)
	if c.live.N() > 0 {
		p.Figure(analysis.Figure{
			Name: "gc.heap", Mark: analysis.Steps, Table: t.Name, X: "time", Y: []string{"high"}, Series: "series",
			Title: gcHeapTitle(c),
		})
	}
}
