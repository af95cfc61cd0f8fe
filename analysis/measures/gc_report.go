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

// Marked is the time of workers that do the background share: all but the idle
// ones. A worker that is resumed without label (mgc.go:gcMarkDone) counts as
// dedicated, as do the Ps in Interval.GCPs.
func (c *GCFold) Marked() int64 {
	return c.workers[parse.ModeNone].CPU + c.workers[parse.ModeDedicated].CPU + c.workers[parse.ModeFractional].CPU
}

func runGC(p *analysis.Pass) error {
	c := analysis.Fold[*GCFold](p).Closed(p)
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
	if p.Bare() {
		return nil
	}
	if p.Brief() {
		gcSiteTables(p, c) // StartsOf reads them
		return nil
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
	if c.goal.N() > 0 {
		if v := c.goal.Max(); v > 0 {
			heap = join(heap, "goal up to "+analysis.FormatBytes(v))
		}
		if c.goal.Min() == 0 {
			off := "no goal while the GC was off"
			if c.goal.Max() == 0 {
				off = "no goal: the GC is off"
			}
			heap = join(heap, off)
		}
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
		Name: "gc.assist", Title: "length of mark assists seen from start to end: as the goroutine waits, and its running part",
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

// LeakProfile is the trigger of cycles that look for leaked goroutines (Go 1.26 and
// later, runtime/pprof.writeGoroutineLeak).
const LeakProfile = "goroutine-leak profile"

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
		case "runtime/pprof.writeGoroutineLeak": // asks for it in the manner of runtime.GC
			trigger = LeakProfile
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
