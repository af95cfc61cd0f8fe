package passes

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var gc = &analysis.Analyzer{
	Name:  "gc",
	Doc:   page("gc"),
	Kinds: parse.KindsOf(parse.KindInterval, parse.KindProc, parse.KindRangeBegin, parse.KindRangeEnd, parse.KindMetric),
	New:   func() analysis.Collector { return newGC() },
	Run:   runGC,
}

const gcCycles = 64

// Lanes of gcFold.time, in ns of P time where nothing else is said.
const (
	gcLaneWorkers = iota // dedicated and fractional
	gcLaneIdle
	gcLaneAssist
	gcLanePauses
	gcLaneProcs
	gcLaneMarking // wall time with a cycle under way
	gcLaneCycles  // cycles ended
	gcLanes
)

type gcFold struct {
	cycles int64 // ended in the trace
	cut    int64 // not seen from begin to end
	mark   int64 // concurrent mark of all

	workers [parse.NumModes]gcSum
	assist  gcSum
	sweep   gcSum
	pauses  gcSum
	// Lengths of mark assists seen whole.
	assistWall, assistCPU sketch.Histogram

	assists map[gcSite]*gcSum
	sweeps  map[parse.StackID]*gcSum
	starts  map[parse.StackID]*gcSum

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
	details []*gcCycle // in the order in which they were first heard of
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

type gcSite struct {
	stack parse.StackID
	fn    parse.StringID
}

// gcSum is n things that took that much of a P, and of the wall clock.
type gcSum struct{ n, cpu, wall, maxWall, bytes int64 }

func (s *gcSum) add(o *gcSum) {
	s.n += o.n
	s.cpu += o.cpu
	s.wall += o.wall
	s.maxWall = max(s.maxWall, o.maxWall)
	s.bytes += o.bytes
}

// gcCycle is what happened in one cycle.
type gcCycle struct {
	since parse.Time // its begin

	begun      bool // its begin is in this part of the trace
	live, goal int64
	// whether a live heap and a goal were told before it
	liveKnown, goalKnown bool

	workers          [parse.NumModes]int64
	assist           gcSum
	sweepTerm, mark  int64 // pauses; 0 when not seen
	procs            int32 // GOMAXPROCS, the largest
	lastLive, liveAt int64 // the last live heap told in it, and when
	peak             int64 // the largest live heap told in it
}

func (c *gcCycle) merge(o *gcCycle) {
	if o.begun {
		c.begun, c.live, c.goal, c.liveKnown, c.goalKnown = true, o.live, o.goal, o.liveKnown, o.goalKnown
	}
	for m, ns := range o.workers {
		c.workers[m] += ns
	}
	c.assist.add(&o.assist)
	c.sweepTerm += o.sweepTerm
	c.mark += o.mark
	c.procs = max(c.procs, o.procs)
	c.peak = max(c.peak, o.peak)
	if o.liveAt > c.liveAt {
		c.lastLive, c.liveAt = o.lastLive, o.liveAt
	}
}

func newGC() *gcFold {
	return &gcFold{
		assists: make(map[gcSite]*gcSum), sweeps: make(map[parse.StackID]*gcSum), starts: make(map[parse.StackID]*gcSum),
		time: sketch.NewSeries(gcLanes), live: sketch.NewGauge(), goal: sketch.NewGauge(),
		longest: sketch.NewTop[parse.Range](gcCycles),
		worst:   gcWorst{spans: make(map[parse.Time]*gcSpans)},
	}
}

// WantsProc wants the runs of GC workers, and those in mark assist.
func (c *gcFold) WantsProc(from, _ parse.ProcState) bool {
	return from == parse.ProcWorker || from == parse.ProcAssist
}

func (c *gcFold) Event(e *parse.Event) {
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
			w.n++
			w.cpu += held
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
			s := gcSum{n: 1, cpu: e.Held(), wall: e.Held(), maxWall: e.Held(), bytes: r.BytesSwept}
			c.sweep.add(&s)
			at(c.sweeps, r.Stack).add(&s)
		}
	}
}

// detail returns what is kept of the cycle that began then; nil when nothing is.
func (c *gcFold) detail(begin parse.Time) *gcCycle {
	if begin == 0 {
		return nil
	}
	for i := len(c.details) - 1; i >= 0; i-- {
		if c.details[i].since == begin {
			return c.details[i]
		}
	}
	if !c.keeps(begin) {
		return nil
	}
	return c.newDetail(begin)
}

func (c *gcFold) newDetail(begin parse.Time) *gcCycle {
	d := &gcCycle{since: begin}
	c.details = append(c.details, d)
	return d
}

func (c *gcFold) keeps(begin parse.Time) bool {
	if !c.ended.has(begin) {
		return true
	}
	return slices.ContainsFunc(c.longest.Items(), func(it sketch.Entry[parse.Range]) bool { return it.Item.Since == begin })
}

// prune forgets the details of cycles that are not among the longest.
func (c *gcFold) prune() {
	keep := make(map[parse.Time]bool)
	for _, it := range c.longest.Items() {
		keep[it.Item.Since] = true
	}
	c.details = slices.DeleteFunc(c.details, func(d *gcCycle) bool { return c.ended.has(d.since) && !keep[d.since] })
}

func (c *gcFold) interval(e *parse.Event) {
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
func (c *gcFold) endRun() {
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
	lanes := [gcLanes]int64{gcLaneProcs: procs}
	switch {
	case gcps == 0 && workers == 0: // mostly
	case r.stw && gcps > workers+assist: // a GC pause: all Ps
		lanes[gcLanePauses] = taken
	default:
		marking := gcps - assist
		lanes[gcLaneWorkers], lanes[gcLaneIdle], lanes[gcLaneAssist] = marking, workers-marking, assist
	}
	if r.marking {
		lanes[gcLaneMarking] = 1
	}
	c.time.AddSpans(r.from, r.to, lanes[:])
}

func (c *gcFold) metric(e *parse.Event) {
	v := e.Metric.Value
	switch e.Metric.Kind {
	case parse.MetricHeapLive:
		c.live.Set(int64(e.Time), v)
		if d := c.detail(e.GC); d != nil {
			d.lastLive, d.liveAt = v, int64(e.Time)
			d.peak = max(d.peak, v)
		}
	case parse.MetricHeapGoal:
		c.goal.Set(int64(e.Time), v)
	}
}

func (c *gcFold) begin(e *parse.Event) {
	d := c.detail(e.GC)
	if d == nil || e.Range.Partial {
		return
	}
	d.begun = true
	c.before(d)
}

// before tells a cycle that begins here the heap just before.
func (c *gcFold) before(d *gcCycle) {
	if !d.liveKnown && c.live.N() > 0 {
		_, d.live = c.live.Last()
		d.liveKnown = true
	}
	if !d.goalKnown && c.goal.N() > 0 {
		_, d.goal = c.goal.Last()
		d.goalKnown = true
	}
}

// gcMark is the concurrent mark of a cycle as far as it lies in the trace.
func gcMark(r *parse.Range) int64 {
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

func (c *gcFold) end(r *parse.Range) {
	mark := gcMark(r)
	c.mark += mark
	if !r.Unfinished {
		c.cycles++
		c.time.AddPoint(gcLaneCycles, int64(r.Until), 1)
	}
	if r.Partial || r.Unfinished {
		c.cut++
	}
	if !r.Partial {
		at(c.starts, r.Stack).add(&gcSum{n: 1, wall: mark})
	}
	c.ended.add(r.Since)
	c.worst.end(r, &c.ended)
	if !c.longest.Wants(mark) { // as of most, once there are many
		c.details = slices.DeleteFunc(c.details, func(d *gcCycle) bool { return d.since == r.Since })
		return
	}
	c.longest.Add(sketch.Key{Value: mark, Time: int64(r.Since)}, *r)
	c.prune()
}

func (c *gcFold) stop(e *parse.Event) {
	r := e.Range
	if !r.Stop.GC {
		return
	}
	c.pauses.add(&gcSum{n: 1, cpu: r.Stop.CPU, wall: r.Total()})
	c.worst.stop(e, &c.ended)
	if d := c.detail(e.GC); d != nil {
		if r.Stop.Mark {
			d.mark += r.Total()
		} else {
			d.sweepTerm += r.Total()
		}
	}
}

func (c *gcFold) assisted(e *parse.Event) {
	r := e.Range
	s := gcSum{n: 1, cpu: r.CPU, wall: e.Held(), maxWall: e.Held()}
	c.assist.add(&s)
	if !r.Partial && !r.Unfinished {
		c.assistWall.Add(s.wall)
		c.assistCPU.Add(s.cpu)
	}
	at(c.assists, gcSite{r.Stack, r.Func}).add(&s)
	if d := c.detail(e.GC); d != nil {
		d.assist.add(&s)
	}
}

func (c *gcFold) Merge(next analysis.Collector) {
	o := next.(*gcFold)
	for _, od := range o.details {
		d := *od
		if d.begun {
			c.before(&d)
		}
		i := slices.IndexFunc(c.details, func(own *gcCycle) bool { return own.since == d.since })
		if i < 0 {
			c.newDetail(d.since).merge(&d)
		} else {
			c.details[i].merge(&d)
		}
	}
	c.cycles += o.cycles
	c.cut += o.cut
	c.mark += o.mark
	c.idle += o.idle
	for m := range c.workers {
		c.workers[m].add(&o.workers[m])
	}
	c.assist.add(&o.assist)
	c.sweep.add(&o.sweep)
	c.pauses.add(&o.pauses)
	c.assistWall.Merge(&o.assistWall)
	c.assistCPU.Merge(&o.assistCPU)
	mergeKeyed(c.assists, o.assists, (*gcSum).add)
	mergeKeyed(c.sweeps, o.sweeps, (*gcSum).add)
	mergeKeyed(c.starts, o.starts, (*gcSum).add)
	c.mergeRuns(o)
	c.live.Merge(o.live)
	c.goal.Merge(o.goal)
	c.longest.Merge(o.longest)
	c.ended.merge(&o.ended)
	c.worst.merge(&o.worst, &c.ended)
	c.prune()
}

func (c *gcFold) mergeRuns(o *gcFold) {
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

// closed is a copy of the fold whose sums over time include the last run.
func (c *gcFold) closed() *gcFold {
	all := *c
	all.mmu, all.time = c.mmu.clone(), sketch.NewSeries(gcLanes)
	all.time.Merge(c.time)
	all.endRun()
	return &all
}

// marked is the time of workers that do the background share: all but the idle
// ones. A worker that is resumed without label (mgc.go:gcMarkDone) counts as
// dedicated, as do the Ps in Interval.GCPs.
func (c *gcFold) marked() int64 {
	return c.workers[parse.ModeNone].cpu + c.workers[parse.ModeDedicated].cpu + c.workers[parse.ModeFractional].cpu
}

func runGC(p *analysis.Pass) error {
	c := analysis.Fold[*gcFold](p).closed()
	w := &c.workers
	cycles := c.cycles + c.cut
	p.Metric("gc.cycles", c.cycles, c.cycles)
	p.Metric("gc.mark.wall", c.mark, cycles)
	p.Metric("gc.worker.dedicated", w[parse.ModeDedicated].cpu+w[parse.ModeNone].cpu, w[parse.ModeDedicated].n+w[parse.ModeNone].n)
	p.Metric("gc.worker.fractional", w[parse.ModeFractional].cpu, w[parse.ModeFractional].n)
	p.Metric("gc.worker.idle", w[parse.ModeIdle].cpu, w[parse.ModeIdle].n)
	p.Metric("gc.assist.cpu", c.assist.cpu, c.assist.n)
	p.Metric("gc.assist.wall", c.assist.wall, c.assist.n)
	p.Metric("gc.assist.count", c.assist.n, c.assist.n)
	p.Metric("gc.sweep.cpu", c.sweep.cpu, c.sweep.n)
	worst := c.mmu.worst()
	for k, id := range map[int]string{3: "1ms", 6: "10ms", 9: "100ms"} {
		if worst[k].ok {
			p.Ratio("gc.mmu."+id, worst[k].utilization, cycles)
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
	sites := gcAssistSites(p, c)
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

func gcSay(p *analysis.Pass, c *gcFold, worst mmuWorst, sites []ranked[gcSum]) {
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
	line := fmt.Sprintf("%s ended in %s", counted(c.cycles, "GC cycle", "GC cycles"), p.Dur(wall))
	if c.cycles > 1 && wall > 0 {
		line += fmt.Sprintf(" (%s)", analysis.FormatRate(float64(c.cycles)*1e9/float64(wall)))
	}
	if c.cut > 0 {
		line += fmt.Sprintf(", %s cut by the edge of the trace", analysis.FormatCount(c.cut))
	}
	idle := c.workers[parse.ModeIdle].cpu
	all := c.marked() + idle + c.assist.cpu + c.pauses.cpu
	share := func(ns int64) string { return analysis.FormatRatio(ratio(ns, c.procs)) }
	line += fmt.Sprintf("; concurrent mark %s of wall; the GC took %s of P time: workers %s, idle workers %s, assist %s, pauses %s",
		analysis.FormatRatio(ratio(c.mark, wall)), share(all), share(c.marked()), share(idle), share(c.assist.cpu), share(c.pauses.cpu))
	p.Say("%s", line)

	line = "the program is left " + analysis.FormatRatio(1-ratio(c.taken, c.procs)) + " of P time in the mean"
	for _, k := range []int{9, 6, 3} {
		if worst[k].ok {
			line += fmt.Sprintf(", %s in the worst %s (at %s)", analysis.FormatRatio(worst[k].utilization), p.Dur(mmuWindows[k]), p.At(parse.Time(worst[k].at)))
		}
	}
	p.Say("%s", line)
	if c.assist.n == 0 {
		p.Say("%s", join("no mark assist", heap))
		return
	}
	p.Say("%s", join(fmt.Sprintf("%s: %s of goroutines' time, %s of it running; most at %s", counted(c.assist.n, "mark assist", "mark assists"),
		p.Dur(c.assist.wall), p.Dur(c.assist.cpu), sites[0].label[0]), heap))
}

// join puts two clauses in one sentence; either may be missing.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

func gcCostTable(p *analysis.Pass, c *gcFold) {
	if c.cycles+c.cut+c.assist.n+c.sweep.n+c.pauses.n == 0 {
		return
	}
	t := &analysis.Table{
		Name: "gc.cost", Title: "P time of the GC by kind of work, of all P time in the trace; sweeping is done by goroutines that allocate",
		Columns: []analysis.Column{
			{Name: "work", Unit: analysis.Text}, {Name: "count", Unit: analysis.Count},
			{Name: "P time", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "share", Unit: analysis.Ratio, Polarity: analysis.Lower},
		},
	}
	add := func(name string, s gcSum) {
		if s.n > 0 {
			t.N += s.n
			t.Add(name, s.n, s.cpu, ratioCell(s.cpu, c.procs))
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

func gcCycleTables(p *analysis.Pass, c *gcFold) {
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
		d := new(gcCycle)
		if i := slices.IndexFunc(c.details, func(d *gcCycle) bool { return d.since == r.Since }); i >= 0 {
			d = c.details[i]
		}
		mark := gcMark(r)
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
			p.Rel(r.Since), mark, ratioCell(dedicated+d.workers[parse.ModeFractional], int64(d.procs)*mark),
			d.assist.wall, d.assist.cpu,
			known(d.live, d.liveKnown), known(d.goal, d.goalKnown && d.goal > 0), known(d.lastLive, d.liveAt > 0 && !r.Unfinished),
			known(d.sweepTerm, d.sweepTerm > 0), known(d.mark, d.mark > 0),
			dedicated, d.workers[parse.ModeFractional], d.workers[parse.ModeIdle], d.assist.n, note,
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

func gcAssistTables(p *analysis.Pass, c *gcFold, sites []ranked[gcSum]) {
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
			lengths.Add(m.name, m.h.N(), quantileCell(m.h, .5), quantileCell(m.h, .9), quantileCell(m.h, .99), m.h.Max(), m.h.Sum())
		}
	}
	p.Table(lengths)

	t := &analysis.Table{
		Name: "gc.assists", Title: "where goroutines were made to assist, by the wall time of their assists", N: c.assist.n,
		Columns: []analysis.Column{
			{Name: "site", Unit: analysis.Text}, {Name: "goroutine", Unit: analysis.Text},
			{Name: "count", Unit: analysis.Count, Polarity: analysis.Lower},
			{Name: "wall", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max wall", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "P time", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for _, r := range sites {
		t.Add(r.label[0], r.label[1], r.v.n, r.v.wall, r.v.maxWall, r.v.cpu)
	}
	t.Limit(10)
	p.Table(t)
}

func gcAssistSites(p *analysis.Pass, c *gcFold) []ranked[gcSum] {
	return rank(c.assists, func(s gcSite) label { return label{p.SiteName(s.stack), p.FuncName(s.fn)} },
		(*gcSum).add, func(s *gcSum) int64 { return s.wall })
}

func gcSiteTables(p *analysis.Pass, c *gcFold) {
	starts := &analysis.Table{
		Name: "gc.starts", Title: "who began the GC cycles that begin in the trace",
		Columns: []analysis.Column{
			{Name: "trigger", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text},
			{Name: "count", Unit: analysis.Count}, {Name: "mark", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for _, r := range rank(c.starts, func(s parse.StackID) label { return label{gcTrigger(p, s), p.SiteName(s)} },
		(*gcSum).add, func(s *gcSum) int64 { return s.n }) {
		starts.N += r.v.n
		starts.Add(r.label[0], r.label[1], r.v.n, r.v.wall)
	}
	starts.Limit(10)
	p.Table(starts)

	sweeps := &analysis.Table{
		Name: "gc.sweeps", Title: "where goroutines swept spans in order to allocate", N: c.sweep.n,
		Columns: []analysis.Column{
			{Name: "site", Unit: analysis.Text}, {Name: "count", Unit: analysis.Count, Polarity: analysis.Lower},
			{Name: "P time", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "swept", Unit: analysis.Bytes},
		},
	}
	for _, r := range rank(c.sweeps, func(s parse.StackID) label { return label{p.SiteName(s)} },
		(*gcSum).add, func(s *gcSum) int64 { return s.cpu }) {
		sweeps.Add(r.label[0], r.v.n, r.v.cpu, r.v.maxWall, r.v.bytes)
	}
	sweeps.Limit(10)
	p.Table(sweeps)
}

// gcTrigger tells by its stack why a cycle began (mgc.go:gcTrigger).
func gcTrigger(p *analysis.Pass, s parse.StackID) string {
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

func gcMMU(p *analysis.Pass, c *gcFold, worst mmuWorst) {
	t := &analysis.Table{
		Name: "gc.mmu", Title: "least share of P time left to the program in any window of that length", Detail: true, N: c.cycles + c.cut,
		Columns: []analysis.Column{
			{Name: "window", Unit: analysis.NS}, {Name: "utilization", Unit: analysis.Ratio, Polarity: analysis.Higher}, {Name: "at", Unit: analysis.Moment},
		},
	}
	for k, w := range worst {
		if w.ok {
			t.Add(mmuWindows[k], w.utilization, p.Rel(parse.Time(w.at)))
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

func gcTime(p *analysis.Pass, c *gcFold) {
	if c.cycles+c.cut+c.assist.n == 0 {
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
		for lane := range gcLaneProcs {
			row = append(row, ratio(c.time.At(i, lane), c.time.At(i, gcLaneProcs)))
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

func gcShareTitle(c *gcFold) string {
	title := fmt.Sprintf("The GC took %s of P time from the program", analysis.FormatRatio(ratio(c.taken, c.procs)))
	if idle := c.workers[parse.ModeIdle].cpu; idle > 0 {
		title += fmt.Sprintf("; idle workers had %s", analysis.FormatRatio(ratio(idle, c.procs)))
	}
	return title
}

func gcHeapTitle(c *gcFold) string {
	title := "The heap in use reaches " + analysis.FormatBytes(c.live.Max())
	if v := c.goal.Max(); c.goal.N() > 0 && v > 0 {
		title += ", its goal " + analysis.FormatBytes(v)
	}
	return title
}

func gcHeap(p *analysis.Pass, c *gcFold) {
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
