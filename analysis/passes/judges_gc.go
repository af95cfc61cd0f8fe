package passes

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// gcJudges judge the GC: causes before their effects.
var gcJudges = []*analysis.Analyzer{
	memoryLimitThrash, gcCPUDominant, forcedGC, liveHeapGrowth, serialMark, costlyMark, assistHeavy, assistQueueWait, markStarvesUsers,
	mmuLow, sweepOnAllocation, heapOvershoot, gcPacingChange, idleMarking,
}

// stwJudges judge stops of the world.
var stwJudges = []*analysis.Analyzer{stwStraggler, stwByTooling, stwLong}

// gcWindow is what the GC did in a stretch of time.
type gcWindow struct {
	from, to parse.Time
	lanes    [gcLanes]int64
	time     shares // of Ps
}

func newGCWindow(c *gcFold, over *sketch.Series, from, to parse.Time) *gcWindow {
	w := &gcWindow{from: from, to: to}
	for lane := range w.lanes {
		w.lanes[lane] = sumWithin(c.time, lane, from, to)
	}
	for s := range w.time {
		w.time[s] = sumWithin(over, s, from, to)
	}
	return w
}

// wall is the length in ns of the buckets in it.
func (w *gcWindow) wall() int64 { return int64(w.to - w.from) }

// taken is P time the GC took from the program: all but idle workers.
func (w *gcWindow) taken() int64 {
	return w.lanes[gcLaneWorkers] + w.lanes[gcLaneAssist] + w.lanes[gcLanePauses]
}

// used is P time that was used, but for idle workers.
func (w *gcWindow) used() int64 {
	return max(w.taken(), w.time.sum()-w.time[shareIdle]-w.lanes[gcLaneIdle])
}

func (w *gcWindow) marking() float64 { return min(1, ratio(w.lanes[gcLaneMarking], w.wall())) }

func (w *gcWindow) cycleRate() float64 {
	return float64(w.lanes[gcLaneCycles]) * 1e9 / float64(max(1, w.wall()))
}

// noGC is why a trace without a cycle cannot be judged.
func noGC(p *analysis.Pass) string {
	return fmt.Sprintf("no GC cycle in %s; record longer, under load", p.Dur(p.Trace.Duration()))
}

// gcOf returns the folds that most of the judges read, and the stretch that scores
// highest; w is nil when there was no GC.
func gcOf(p *analysis.Pass, score func(sums []int64, ns int64) float64) (c *gcFold, over *sketch.Series, w *gcWindow) {
	c = analysis.FoldOf[*gcFold](p, gc).closed()
	if c.cycles+c.cut == 0 {
		p.NotApplicable(noGC(p))
		return c, nil, nil
	}
	over = analysis.FoldOf[*timelineFold](p, timeline).sums().over
	from, to, _ := worstStretch(p, c.time, judgedWindow, score)
	return c, over, newGCWindow(c, over, from, to)
}

func markingScore(sums []int64, ns int64) float64 { return ratio(sums[gcLaneMarking], ns) }

func takenScore(sums []int64, _ int64) float64 {
	return float64(sums[gcLaneWorkers] + sums[gcLaneAssist] + sums[gcLanePauses])
}

// allocationSites shows where the program allocates most, as far as a trace tells:
// where goroutines assisted, and where cycles began.
func allocationSites(p *analysis.Pass, c *gcFold, from, to parse.Time) []analysis.Evidence {
	assists := rankSites(p, c.assists, func(s gcSite) parse.StackID { return s.stack }, (*gcSum).add, func(s *gcSum) int64 { return s.wall })
	out := siteEvidence(p, assists, from, to, func(s *gcSum) string {
		return fmt.Sprintf("%s: %s, %s of it running", counted(s.n, "mark assist", "mark assists"), p.Dur(s.wall), p.Dur(s.cpu))
	})
	starts := rankSites(p, c.starts, func(s parse.StackID) parse.StackID { return s }, (*gcSum).add, func(s *gcSum) int64 { return s.n })
	return append(out, siteEvidence(p, starts, from, to, func(s *gcSum) string {
		return counted(s.n, "cycle", "cycles") + " began here"
	})...)
}

// waitShare is the share of a cause in the waits of user goroutines for a P.
func waitShare(f *waitsFold, causes ...parse.Cause) float64 {
	var part, total int64
	for r := range f.whole {
		total += f.whole[r].total
		for _, c := range causes {
			part += f.whole[r].parts[c]
		}
	}
	return ratio(part, total)
}

// assistWaits is the share of the Ps in mark assist in these waits.
func assistWaits(f *waitsFold) float64 {
	var part, total int64
	for _, b := range f.byFunc[parse.ProcAssist].byKey() {
		part += b.waits
	}
	for r := range f.whole {
		total += f.whole[r].total
	}
	return ratio(part, total+f.apart.total)
}

const lessGarbage = "Allocate less at the sites shown (reuse buffers, avoid boxing, size slices), or give the heap room: a higher GOGC, or GOGC=off with a GOMEMLIMIT that leaves memory to spare."

var gcCPUDominant = &analysis.Analyzer{
	Name:     "gc-cpu-dominant",
	Doc:      judgePage("gc-cpu-dominant"),
	Covers:   []string{"limits/gc"},
	Requires: []*analysis.Analyzer{gc, timeline, waits},
	Thresholds: []analysis.Threshold{
		{Name: "gc-cpu-dominant.marking", Doc: "wall time with a GC cycle under way, of the worst second", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .5, Error: .8}, Source: "marking takes a quarter of the Ps (gcBackgroundUtilization): half of the time is an eighth of the machine, and assist beside it"},
		{Name: "gc-cpu-dominant.rate", Doc: "cycles ended per second in it", Unit: analysis.PerS,
			Levels: analysis.Levels{Warning: 10}, Source: "two pauses and two flushes of every P each: 10 a second are seen in programs with a tiny heap or a low GOGC"},
		{Name: "gc-cpu-dominant.cpu", Doc: "P time of GC pauses, assist and workers, without idle workers, of all that is used in it", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .15, Error: .25}, Source: "tiny heaps cycle often and cheaply; a quarter is the GC's own goal at work without end"},
		{Name: "gc-cpu-dominant.time", Doc: "such P time in it", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 50e6}, Source: "5 % of a core for a second: a nearly idle program does not matter"},
		{Name: "gc-cpu-dominant.cycles", Doc: "cycles in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "a few cycles say nothing of what follows: programs start with them"},
		{Name: "gc-cpu-dominant.ended", Doc: "cycles ended in the worst second", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 2}, Source: "one long mark of a large heap is no GC without end"},
	},
	Run: func(p *analysis.Pass) error {
		c, over, w := gcOf(p, markingScore)
		if w == nil {
			return nil
		}
		share := ratio(w.taken(), w.used())
		severity := analysis.Least(graded(p.Severity("marking", w.marking()), p.Severity("rate", w.cycleRate())), p.Severity("cpu", share))
		if severity == "" || !p.Met("time", float64(w.taken())) || !p.Met("cycles", float64(c.cycles+c.cut)) || !p.Met("ended", float64(w.lanes[gcLaneCycles])) {
			p.Say("the worst second has a GC cycle under way %s of the time (limit %s), %.3g cycles/s (limit %.0f); the GC has %s of the P time used (limit %s)",
				percent(w.marking()), percent(p.Limit("marking")), w.cycleRate(), p.Limit("rate"), percent(share), percent(p.Limit("cpu")))
			return nil
		}
		all := newGCWindow(c, over, p.Trace.From, p.Trace.To)
		finding := analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("The GC takes %s of the P time used in the worst %s, from %s: a cycle is under way %s of the time, %.3g a second end",
				percent(share), p.Dur(w.wall()), p.At(w.from), percent(w.marking()), w.cycleRate()),
			Cost:       analysis.Cost{Value: all.taken(), Total: all.used(), Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence:   allocationSites(p, c, w.from, w.to),
			Advice:     lessGarbage + " gc.cycles, gc.mark.wall and gc.worker.dedicated should fall.",
			Caveat:     "P time of workers and assist is an upper bound of the runtime's own count. Sites are where assists happened and cycles began: likely, not surely, where most is allocated; a heap profile (alloc_space) tells.",
			Figure:     "gc.share",
		}
		// A mark that is always under way is what makes allocation pay.
		finding.Explains = []string{"assist-heavy", "mmu-low", "sweep-on-allocation", "assist-queue-wait", "limits/gc"}
		if waitShare(analysis.FoldOf[*waitsFold](p, waits), parse.CauseGC, parse.CauseSTW) >= explainsFrom {
			finding.Explains = append(finding.Explains, "latency-tail", "mark-starves-users")
		}
		p.Find(finding)
		return nil
	},
}

var memoryLimitThrash = &analysis.Analyzer{
	Name:     "memory-limit-thrash",
	Doc:      judgePage("memory-limit-thrash"),
	Requires: []*analysis.Analyzer{gc, timeline},
	Thresholds: []analysis.Threshold{
		{Name: "memory-limit-thrash.marking", Doc: "wall time with a GC cycle under way, of the worst second", Unit: analysis.Ratio,
			Levels: analysis.Levels{Error: .83}, Source: "gaps below a fifth of the mark: the next cycle begins as soon as one ends"},
		{Name: "memory-limit-thrash.cpu", Doc: "P time of the GC in it, of all that is used, without idle workers", Unit: analysis.Ratio,
			Levels: analysis.Levels{Error: .4}, Source: "the runtime itself limits the GC to half of the CPU (mgclimit.go, gcCPULimiter), which ends in a heap beyond the limit"},
		{Name: "memory-limit-thrash.goal", Doc: "spread of the heap goal in it: largest less smallest, of the largest", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Error: .02}, Source: "a goal that GOGC sets moves with the live heap; one that the limit sets does not. With GOGC=off it is told as 0 (traceruntime.go: HeapGoal), and the limit alone begins cycles"},
		{Name: "memory-limit-thrash.room", Doc: "heap goal for each byte live after the cycle before, median of the longest cycles; in place of the three above, with the two below", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Error: 1.05}, Source: "a GOGC of 10 gives 1.1 and more, with stacks and globals: only a limit that is reached sets a goal at what lives (mgcpacer.go: heapGoalInternal)"},
		{Name: "memory-limit-thrash.room-marking", Doc: "wall time with a GC cycle under way, of the worst second, with such goals", Unit: analysis.Ratio,
			Levels: analysis.Levels{Error: .5}, Source: "as gc-cpu-dominant.marking: gaps are those of a machine whose CPUs others use"},
		{Name: "memory-limit-thrash.room-cpu", Doc: "P time of the GC in it, of all that is used, without idle workers, with such goals", Unit: analysis.Ratio,
			Levels: analysis.Levels{Error: .25}, Source: "as gc-cpu-dominant.cpu"},
		{Name: "memory-limit-thrash.allocation", Doc: "cycles that allocation began, of those that begin in the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .6}, Source: "what runtime.GC begins is no thrash: see forced-gc"},
		{Name: "memory-limit-thrash.cycles", Doc: "cycles that ended in it", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "so many goals can differ by chance"},
	},
	Run: func(p *analysis.Pass) error {
		c, over, w := gcOf(p, markingScore)
		if w == nil {
			return nil
		}
		spread, largest, known := goalSpread(c.goal, w.from, w.to)
		if !known {
			p.NotApplicable("the trace tells no heap goal while the GC worked; record longer")
			return nil
		}
		share, cycles := ratio(w.taken(), w.used()), w.lanes[gcLaneCycles]
		severity := analysis.Least(p.Severity("marking", w.marking()), p.Severity("cpu", share), p.Severity("goal", spread))
		room, tight := heapRoom(c)
		tight = tight && p.Met("room", room)
		if tight {
			severity = graded(severity, analysis.Least(p.Severity("room-marking", w.marking()), p.Severity("room-cpu", share)))
		}
		var begun, forced int64
		for id, s := range c.starts {
			begun += s.n
			if isForced(gcTrigger(p, id)) {
				forced += s.n
			}
		}
		if severity == "" || !p.Met("cycles", float64(cycles)) || !p.Met("allocation", ratio(begun-forced, begun)) {
			p.Say("the worst second has a GC cycle under way %s of the time (limit %s) with %s of the P time used (limit %s); its heap goals differ by %s (limit %s)",
				percent(w.marking()), percent(p.Limit("marking")), percent(share), percent(p.Limit("cpu")), percent(spread), percent(p.Limit("goal")))
			return nil
		}
		all := newGCWindow(c, over, p.Trace.From, p.Trace.To)
		why, caveat := fmt.Sprintf("while the heap goal stays within %s", percent(spread)), "The trace does not hold GOMEMLIMIT and GOGC: a tiny GOGC beside a live heap that does not change looks the same."
		if tight {
			why = fmt.Sprintf("while heap goals are %.2f times what lives", room)
		}
		if largest == 0 {
			why, caveat = "though GOGC is off", "The trace does not hold GOMEMLIMIT; with GOGC off nothing else begins these cycles."
		}
		p.Find(analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("GC cycles follow each other closely (%s of the time, %s) and take %s of the P time used, %s: the memory limit leaves no room",
				percent(w.marking()), counted(cycles, "cycle", "cycles"), percent(share), why),
			Cost:       analysis.Cost{Value: all.taken(), Total: all.used(), Clock: analysis.PTime},
			Confidence: analysis.Inferred,
			Evidence:   append([]analysis.Evidence{{From: p.Rel(w.from), To: p.Rel(w.to), Note: "cycles back to back"}}, limitRows(allocationSites(p, c, w.from, w.to), 9)...),
			Advice:     "Raise GOMEMLIMIT, or shrink the live heap (caches, leaks) so that it lies well below the limit; with a small GOGC raise that. gc.mark.wall and gc.cycles should fall.",
			Caveat:     caveat,
			Figure:     "gc.heap",
			Explains:   []string{"gc-cpu-dominant"},
		})
		return nil
	},
}

func limitRows(rows []analysis.Evidence, n int) []analysis.Evidence { return rows[:min(n, len(rows))] }

// heapRoom is the heap goal for each byte live after the cycle before, the median of
// the longest cycles.
func heapRoom(c *gcFold) (median float64, ok bool) {
	cycles := slices.SortedFunc(slices.Values(c.details), func(a, b *gcCycle) int { return cmp.Compare(a.since, b.since) })
	var rooms []float64
	for i := 1; i < len(cycles); i++ {
		if live := cycles[i-1].lastLive; cycles[i-1].liveAt != 0 && live > 0 && cycles[i].goalKnown && cycles[i].goal > 0 {
			rooms = append(rooms, float64(cycles[i].goal)/float64(live))
		}
	}
	if len(rooms) == 0 {
		return 0, false
	}
	slices.Sort(rooms)
	return rooms[len(rooms)/2], true
}

// goalSpread is how far the heap goals set in from…to lie apart, of the largest.
func goalSpread(g *sketch.Gauge, from, to parse.Time) (spread float64, hi int64, ok bool) {
	var lo int64
	for i := range g.Len() {
		start := g.Start() + int64(i)*g.Width()
		if low, high, _, set := g.At(i); set && start+g.Width() > int64(from) && start < int64(to) {
			if !ok || low < lo {
				lo = low
			}
			hi, ok = max(hi, high), true
		}
	}
	return ratio(hi-lo, hi), hi, ok
}

// isForced reports whether the program asked for a cycle with that trigger.
func isForced(trigger string) bool { return trigger == "runtime.GC" || trigger == "debug.FreeOSMemory" }

var forcedGC = &analysis.Analyzer{
	Name:     "forced-gc",
	Doc:      judgePage("forced-gc"),
	Requires: []*analysis.Analyzer{gc},
	Thresholds: []analysis.Threshold{
		{Name: "forced-gc.rate", Doc: "cycles per second that runtime.GC or debug.FreeOSMemory began", Unit: analysis.PerS,
			Levels: analysis.Levels{Warning: .1}, Source: "the runtime itself asks for one in two minutes (forcegcperiod); twelve times that is a habit"},
		{Name: "forced-gc.cycles", Doc: "number of them", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 2}, Source: "a single one may be a start, a test or a heap profile"},
		{Name: "forced-gc.share", Doc: "of the cycles that begin in the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1}, Source: "beside ten others one more does not matter"},
	},
	Run: func(p *analysis.Pass) error {
		c := analysis.FoldOf[*gcFold](p, gc)
		var all int64
		forced := make(map[parse.StackID]*gcSum)
		tests := true
		for id, s := range c.starts {
			all += s.n
			if isForced(gcTrigger(p, id)) {
				forced[id] = s
				tests = tests && slices.ContainsFunc(p.Trace.Stack(id), func(f parse.Frame) bool { return strings.HasPrefix(p.Trace.String(f.Func), "testing.") })
			}
		}
		if all == 0 {
			p.NotApplicable(noGC(p))
			return nil
		}
		var sum gcSum
		for _, s := range forced {
			sum.add(s)
		}
		rate := float64(sum.n) * 1e9 / float64(max(1, p.Trace.Duration()))
		severity := p.Severity("rate", rate)
		if severity == "" || !p.Met("cycles", float64(sum.n)) || !p.Met("share", ratio(sum.n, all)) {
			p.Say("%s of %s were forced, %s (limits: %.0f cycles, %s)", analysis.FormatCount(sum.n), counted(all, "GC cycle", "GC cycles"),
				analysis.FormatRate(rate), p.Limit("cycles"), analysis.FormatRate(p.Limit("rate")))
			return nil
		}
		if tests {
			severity = analysis.Least(severity, analysis.Note)
		}
		sites := rankSites(p, forced, func(s parse.StackID) parse.StackID { return s }, (*gcSum).add, func(s *gcSum) int64 { return s.n })
		var explains []string
		if float64(sum.n) >= explainsFrom*float64(all) && severity != analysis.Note {
			explains = []string{"gc-cpu-dominant"}
		}
		p.Find(analysis.Finding{
			Severity: severity, Explains: explains,
			Summary: fmt.Sprintf("The program forces GC cycles: %s of %s, %s, most at %s",
				analysis.FormatCount(sum.n), counted(all, "cycle", "cycles"), analysis.FormatRate(rate), sites[0].site),
			Cost:       analysis.Cost{Value: sum.wall, Total: p.Trace.Duration(), Clock: analysis.Wall},
			Confidence: analysis.Measured,
			Evidence: siteEvidence(p, sites, p.Trace.From, p.Trace.To, func(s *gcSum) string {
				return fmt.Sprintf("began %s, %s of mark in all", counted(s.n, "cycle", "cycles"), p.Dur(s.wall))
			}),
			Advice: "Leave the pace to the runtime: remove the calls of runtime.GC and debug.FreeOSMemory, and bound memory by GOMEMLIMIT instead. gc.cycles should fall.",
			Caveat: "A call that joins a cycle already under way, or waits for one, begins none and is not counted. Calls in benchmarks (testing frames) are a note only.",
			Figure: "gc.heap",
		})
		return nil
	},
}

var assistHeavy = &analysis.Analyzer{
	Name:     "assist-heavy",
	Doc:      judgePage("assist-heavy"),
	Covers:   []string{"limits/gc"},
	Requires: []*analysis.Analyzer{gc, timeline, waits},
	Thresholds: []analysis.Threshold{
		{Name: "assist-heavy.share", Doc: "P time in mark assist, of that of user goroutines and assist, in the worst second", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .05, Error: .15}, Source: "the pacer plans for none in the steady state (mgcpacer.go: gcController aims at the background share alone)"},
		{Name: "assist-heavy.time", Doc: "such P time in it", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 20e6}, Source: "two time slices (forcePreemptNS): shorter bursts do no harm"},
		{Name: "assist-heavy.assists", Doc: "mark assists in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 30}, Source: "the time of a few is that of threads which the operating system took from their CPU"},
	},
	Run: func(p *analysis.Pass) error {
		c, over, w := gcOf(p, func(sums []int64, _ int64) float64 { return float64(sums[gcLaneAssist]) })
		if w == nil {
			return nil
		}
		assist := w.lanes[gcLaneAssist]
		share := ratio(assist, assist+w.time[shareUser])
		severity := p.Severity("share", share)
		if severity == "" || !p.Met("time", float64(assist)) || !p.Met("assists", float64(c.assist.n)) {
			p.Say("mark assist took %s of the P time of user goroutines in the worst second (limit %s), which is %s (limit %s); %s in the trace (limit %.0f)", percent(share), percent(p.Limit("share")),
				p.Dur(assist), p.Dur(int64(p.Limit("time"))), counted(c.assist.n, "assist", "assists"), p.Limit("assists"))
			return nil
		}
		all := newGCWindow(c, over, p.Trace.From, p.Trace.To)
		sites := gcAssistSites(p, c)
		finding := analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("User goroutines mark instead of work %s of their P time in the worst %s, from %s: %s took %s, %s of it running; most at %s",
				percent(share), p.Dur(w.wall()), p.At(w.from), counted(c.assist.n, "mark assist", "mark assists"), p.Dur(c.assist.wall), p.Dur(c.assist.cpu), sites[0].label[0]),
			Cost:       analysis.Cost{Value: all.lanes[gcLaneAssist], Total: all.lanes[gcLaneAssist] + all.time[shareUser], Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence:   allocationSites(p, c, w.from, w.to),
			Advice:     lessGarbage + " Spread allocation over time and over fewer goroutines while the GC marks. gc.assist.cpu and gc.assist.wall should fall.",
			Caveat:     "An upper bound: the runtime counts 6 to 36 % less, more in short assists.",
			Figure:     "gc.share",
			Explains:   []string{"assist-queue-wait"}, // a part of these assists
		}
		if assistWaits(analysis.FoldOf[*waitsFold](p, waits)) >= explainsFrom {
			finding.Explains = append(finding.Explains, "latency-tail")
		}
		if mmuPart(c, gcLaneAssist) >= explainsFrom {
			finding.Explains = append(finding.Explains, "mmu-low")
		}
		p.Find(finding)
		return nil
	},
}

// mmuPart is the share of a lane in what the GC took in the worst 10 ms.
func mmuPart(c *gcFold, lane int) float64 {
	worst := c.mmu.worst()[mmuIndex(10e6)]
	if !worst.ok {
		return 0
	}
	w := newGCWindow(c, sketch.NewSeries(int(numShares)), parse.Time(worst.at), parse.Time(worst.at+10e6))
	return ratio(w.lanes[lane], w.taken())
}

var assistQueueWait = &analysis.Analyzer{
	Name:     "assist-queue-wait",
	Doc:      judgePage("assist-queue-wait"),
	Requires: []*analysis.Analyzer{blocking, gc},
	Thresholds: []analysis.Threshold{
		{Name: "assist-queue-wait.tail", Doc: "p99 (p90 of fewer than 1,000) of waits in the queue of mark assists", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: 1e6, Error: 10e6}, Source: "as latency-tail: to the goroutine it is the same as waiting for a P (golang/go#22654)"},
		{Name: "assist-queue-wait.waits", Doc: "number of these waits", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 100}, Source: "a p90 needs 100 values for ten beyond it"},
		{Name: "assist-queue-wait.share", Doc: "their sum, of wall time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .01, Warning: .05, Error: .05}, Source: "less is one goroutine waiting 1 % of the time"},
		{Name: "assist-queue-wait.cycles", Doc: "GC cycles in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1, Warning: 3, Error: 3}, Source: "one or two say nothing of what follows: programs start with them"},
	},
	Run: func(p *analysis.Pass) error {
		if c := analysis.FoldOf[*gcFold](p, gc); c.cycles+c.cut == 0 {
			p.NotApplicable(noGC(p))
			return nil
		}
		f := analysis.FoldOf[*blockingFold](p, blocking)
		var h sketch.Histogram
		sites := make(map[parse.StackID]*blockWaits)
		for k, r := range f.reasons.byKey() {
			if p.Trace.String(k.reason) == assistQueueReason {
				h.Merge(r)
			}
		}
		for k, b := range f.sites.byKey() {
			if p.Trace.String(k.reason) == assistQueueReason {
				at(sites, k.stack).add(&b.blockWaits)
			}
		}
		tail, name, ok := waitTail(&h)
		if !ok || !p.Met("waits", float64(h.N())) {
			p.Say("%s in the queue of mark assists, longest %s (%.0f are needed for a quantile)", counted(h.N(), "wait", "waits"), p.Dur(h.Max()), p.Limit("waits"))
			return nil
		}
		c := analysis.FoldOf[*gcFold](p, gc)
		severity := analysis.Least(p.Severity("tail", float64(tail)), p.Severity("share", ratio(h.Sum(), p.Trace.Duration())), p.Severity("cycles", float64(c.cycles+c.cut)))
		if severity == "" {
			p.Say("mark assists queued for work %s %s (n=%s, limit %s), %s in all", name, p.Dur(tail), analysis.FormatCount(h.N()), p.Dur(int64(p.Limit("tail"))), p.Dur(h.Sum()))
			return nil
		}
		p.Find(analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("Goroutines that must assist the GC find no work and wait %s %s for it (n=%s, longest %s), %s in all",
				name, p.Dur(tail), analysis.FormatCount(h.N()), p.Dur(h.Max()), p.Dur(h.Sum())),
			Cost:       analysis.Cost{Value: h.Sum(), Total: max(h.Sum(), c.assist.wall), Clock: analysis.GTime},
			Confidence: analysis.Measured,
			Evidence: siteEvidence(p, rankSites(p, sites, func(s parse.StackID) parse.StackID { return s }, (*blockWaits).add, func(b *blockWaits) int64 { return b.sum }),
				p.Trace.From, p.Trace.To, func(b *blockWaits) string {
					return fmt.Sprintf("%s, %s in all, longest %s", counted(b.n, "wait", "waits"), p.Dur(b.sum), p.Dur(b.max))
				}),
			Advice: lessGarbage + " Break up what cannot be marked in parallel, such as long linked lists. block.gcassist.total should fall.",
			Caveat: "Such a goroutine is blocked, not runnable: its wait is in no scheduling latency.",
			Figure: "gc.share",
		})
		return nil
	},
}

// assistQueueReason is the reason of a wait in gcAssistAlloc's queue (mgcmark.go:gcParkAssist).
const assistQueueReason = "GC mark assist wait for work"

var markStarvesUsers = &analysis.Analyzer{
	Name:     "mark-starves-users",
	Doc:      judgePage("mark-starves-users"),
	Requires: []*analysis.Analyzer{latency, waits, gc},
	Thresholds: []analysis.Threshold{
		{Name: "mark-starves-users.p99", Doc: "p99 of waits of user goroutines for a P that end in a GC cycle or saw it mark", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: 500e3, Error: 10e6}, Source: "half of latency-tail's warning; 10 ms is a whole time slice (forcePreemptNS)"},
		{Name: "mark-starves-users.factor", Doc: "over the p99 of the others", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: 3, Error: 3}, Source: "a quarter of the Ps less makes queues a third longer; three times as long is another regime"},
		{Name: "mark-starves-users.waits", Doc: "waits on either side", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1000}, Source: "a p99 needs 1,000 values for ten beyond it"},
		{Name: "mark-starves-users.gc", Doc: "time of waits for which Ps busy with GC marking or a stopped world are to blame, of those waits", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5}, Source: "below, load that comes with the GC is the likelier reason"},
	},
	Run: func(p *analysis.Pass) error {
		if c := analysis.FoldOf[*gcFold](p, gc); c.cycles+c.cut == 0 {
			p.NotApplicable(noGC(p))
			return nil
		}
		l := analysis.FoldOf[*latencyFold](p, latency)
		all, during := l.headline(), &l.during
		outside := all.N() - during.N()
		if n := min(during.N(), outside); !p.Met("waits", float64(n)) {
			p.NotApplicable(fmt.Sprintf("%s for a P touch a GC cycle and %s do not, %.0f are needed on either side; record longer, under load",
				counted(during.N(), "wait", "waits"), analysis.FormatCount(outside), p.Limit("waits")))
			return nil
		}
		in, out := during.QuantileAny(.99), outsideQuantile(all, during, .99)
		factor := ratio(in, max(1, out))
		f := analysis.FoldOf[*waitsFold](p, waits)
		var blamed int64
		for r := range f.whole {
			blamed += f.whole[r].parts[parse.CauseGC] + f.whole[r].parts[parse.CauseSTW]
		}
		share := min(1, ratio(blamed, during.Sum()))
		severity := analysis.Least(p.Severity("p99", float64(in)), p.Severity("factor", factor))
		if severity == "" || !p.Met("gc", share) {
			p.Say("user goroutines wait p99 %s for a P in GC cycles (limit %s) and %s outside (limit %.0f times that); the GC is to blame for %s of the former",
				p.Dur(in), p.Dur(int64(p.Limit("p99"))), p.Dur(out), p.Limit("factor"), percent(share))
			return nil
		}
		finding := analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("User goroutines wait for a P %.3g times as long while the GC marks: p99 %s in cycles (n=%s), %s outside (n=%s); %s of it is blamed on the GC",
				factor, p.Dur(in), analysis.FormatCount(during.N()), p.Dur(out), analysis.FormatCount(outside), percent(share)),
			Cost:       analysis.Cost{Value: min(blamed, all.Sum()), Total: all.Sum(), Clock: analysis.GTime},
			Confidence: analysis.Inferred,
			Evidence:   worstGCWaits(p, f),
			Advice:     "Make cycles rarer (a higher GOGC, fewer allocations) and leave Ps free: more CPUs, or fewer goroutines that run at once while it marks. gc.mark.wall and sched.latency.user.p99 should fall.",
			Caveat:     "Load that comes with allocation comes with the GC too: the comparison does not tell them apart, the blame does in part. Idle workers give way to goroutines in time; dedicated and fractional ones, and assists, do not.",
			Figure:     "waits.cause",
		}
		if waitShare(f, parse.CauseGC, parse.CauseSTW) >= explainsFrom {
			finding.Explains = []string{"latency-tail"}
		}
		p.Find(finding)
		return nil
	},
}

// outsideQuantile is the quantile of the values of all that are not in part.
func outsideQuantile(all, part *sketch.Histogram, q float64) int64 {
	most := int64(float64(all.N()-part.N()) * (1 - q))
	lo, hi := int64(-1), all.Max()
	for lo+1 < hi {
		mid := lo + (hi-lo)/2
		if all.Above(mid)-part.Above(mid) <= most {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// worstGCWaits are the longest waits of which the GC has the largest part.
func worstGCWaits(p *analysis.Pass, f *waitsFold) (out []analysis.Evidence) {
	for _, e := range f.worst.Items() {
		w := &e.Item
		if c, ns := largest(&w.parts); c == parse.CauseGC || c == parse.CauseSTW {
			out = append(out, analysis.Evidence{From: p.Rel(w.since), To: p.Rel(w.since) + e.Value, P: idOf(w.p), G: idOf(w.g), Func: p.FuncName(w.fn),
				Note: fmt.Sprintf("waited %s, %s of it: %s", p.Dur(e.Value), p.Dur(ns), causeTexts[c]), Stack: p.Stack(w.waker)})
		}
	}
	return out
}

var mmuLow = &analysis.Analyzer{
	Name:     "mmu-low",
	Doc:      judgePage("mmu-low"),
	Requires: []*analysis.Analyzer{gc, timeline},
	Thresholds: []analysis.Threshold{
		{Name: "mmu-low.10ms", Doc: "least share of P time left to the program in any 10 ms", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .49, Warning: .2}, Source: "background marking leaves three quarters, on two Ps with one dedicated worker half"},
		{Name: "mmu-low.100ms", Doc: "the same of any 100 ms", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Warning: .4}, Source: "over a tenth of a second, what a person notices, assists have taken more than the GC's own share"},
		{Name: "mmu-low.taken", Doc: "P time that the GC took in the worst second, of what was used", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .02, Warning: .1}, Source: "a rare dip is a note: it costs a request at most"},
	},
	Run: func(p *analysis.Pass) error {
		c, over, w := gcOf(p, takenScore)
		if w == nil {
			return nil
		}
		worst := c.mmu.worst()
		short, long := worst[mmuIndex(10e6)], worst[mmuIndex(100e6)]
		if !short.ok {
			p.NotApplicable(fmt.Sprintf("the trace is shorter than 10 ms (%s); record longer", p.Dur(p.Trace.Duration())))
			return nil
		}
		severity := p.Severity("10ms", short.utilization)
		text := fmt.Sprintf("the GC leaves the program at least %s of the P time of any 10 ms (limit %s)", percent(short.utilization), percent(p.Limit("10ms")))
		if long.ok {
			severity = graded(severity, p.Severity("100ms", long.utilization))
			text += fmt.Sprintf(" and %s of any 100 ms (limit %s)", percent(long.utilization), percent(p.Limit("100ms")))
		}
		taken := ratio(w.taken(), w.used())
		severity = analysis.Least(severity, p.Severity("taken", taken))
		if severity == "" {
			p.Say("%s", text)
			return nil
		}
		all := newGCWindow(c, over, p.Trace.From, p.Trace.To)
		summary := fmt.Sprintf("The GC leaves the program %s of the P time of the worst 10 ms, at %s", percent(short.utilization), p.At(parse.Time(short.at)))
		evidence := []analysis.Evidence{gcMoment(p, c, short.at, 10e6)}
		if long.ok {
			summary += fmt.Sprintf(", and %s of the worst 100 ms, at %s", percent(long.utilization), p.At(parse.Time(long.at)))
			evidence = append(evidence, gcMoment(p, c, long.at, 100e6))
		}
		p.Find(analysis.Finding{
			Severity:   severity,
			Summary:    summary,
			Cost:       analysis.Cost{Value: all.taken(), Total: all.lanes[gcLaneProcs], Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence:   append(evidence, limitRows(allocationSites(p, c, w.from, w.to), 8)...),
			Advice:     "What takes the Ps tells what to change: assists (allocate less while it marks), pauses (see stw-long), workers (rarer cycles: a higher GOGC). gc.mmu.10ms should rise.",
			Caveat:     "Idle workers are not counted: they take Ps that the program does not use. A P that the program would not have used counts as taken.",
			Figure:     "gc.mmu",
		})
		return nil
	},
}

func mmuIndex(ns int64) int { return slices.Index(mmuWindows[:], ns) }

// gcMoment says what the GC did in a window of the utilization curve.
func gcMoment(p *analysis.Pass, c *gcFold, at, length int64) analysis.Evidence {
	w := newGCWindow(c, sketch.NewSeries(int(numShares)), parse.Time(at), parse.Time(at+length))
	part := func(lane int) string { return percent(ratio(w.lanes[lane], w.lanes[gcLaneProcs])) }
	return analysis.Evidence{From: p.Rel(parse.Time(at)), To: p.Rel(parse.Time(at + length)),
		Note: fmt.Sprintf("about: workers %s, assist %s, pauses %s of P time", part(gcLaneWorkers), part(gcLaneAssist), part(gcLanePauses))}
}

var sweepOnAllocation = &analysis.Analyzer{
	Name:     "sweep-on-allocation",
	Doc:      judgePage("sweep-on-allocation"),
	Requires: []*analysis.Analyzer{gc, timeline},
	Thresholds: []analysis.Threshold{
		{Name: "sweep-on-allocation.share", Doc: "P time of user goroutines in which they swept spans in order to allocate", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .03}, Source: "sweeping is bought with each allocation; 3 % is twice what programs with a healthy heap pay"},
		{Name: "sweep-on-allocation.time", Doc: "such P time in the trace", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 5e6}, Source: "half a time slice (forcePreemptNS)"},
	},
	Run: func(p *analysis.Pass) error {
		c := analysis.FoldOf[*gcFold](p, gc)
		if c.cycles+c.cut+c.sweep.n == 0 {
			p.NotApplicable(noGC(p))
			return nil
		}
		total := analysis.FoldOf[*timelineFold](p, timeline).sums().total
		user := max(c.sweep.cpu, total[shareUser])
		share := ratio(c.sweep.cpu, user)
		severity := p.Severity("share", share)
		if severity == "" || !p.Met("time", float64(c.sweep.cpu)) {
			p.Say("user goroutines swept %s in order to allocate, %s of their P time (limit %s)", p.Dur(c.sweep.cpu), percent(share), percent(p.Limit("share")))
			return nil
		}
		sites := rankSites(p, c.sweeps, func(s parse.StackID) parse.StackID { return s }, (*gcSum).add, func(s *gcSum) int64 { return s.cpu })
		p.Find(analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("User goroutines spend %s of their P time sweeping spans in order to allocate: %s in %s, most at %s",
				percent(share), p.Dur(c.sweep.cpu), counted(c.sweep.n, "sweep", "sweeps"), sites[0].site),
			Cost:       analysis.Cost{Value: c.sweep.cpu, Total: user, Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence: siteEvidence(p, sites, p.Trace.From, p.Trace.To, func(s *gcSum) string {
				return fmt.Sprintf("%s, %s in all, the longest %s, %s swept", counted(s.n, "sweep", "sweeps"), p.Dur(s.cpu), p.Dur(s.maxWall), analysis.FormatBytes(s.bytes))
			}),
			Advice: "Rarer cycles need less sweeping (a higher GOGC, fewer allocations); fewer small objects that live and die apart leave fewer spans to search. gc.sweep.cpu should fall.",
			Caveat: "Sweeping in the background is not counted, nor harmful.",
			Figure: "gc.share",
		})
		return nil
	},
}

var liveHeapGrowth = &analysis.Analyzer{
	Name:     "live-heap-growth",
	Doc:      judgePage("live-heap-growth"),
	Requires: []*analysis.Analyzer{gc},
	Thresholds: []analysis.Threshold{
		{Name: "live-heap-growth.cycles", Doc: "cycles in a row after which more was live than after the one before, up to the end of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "by chance one in 720 orders of six values rises throughout"},
		{Name: "live-heap-growth.trend", Doc: "Mann–Kendall's z of the live heap after all cycles kept", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1.96}, Source: "two-sided 5 %: the interval of Theil and Sen's slope is above 0"},
		{Name: "live-heap-growth.share", Doc: "by how much the heap after the last of them is larger than before the first", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .2}, Source: "a fifth: GOGC=100 pays it twice, in memory"},
		{Name: "live-heap-growth.bytes", Doc: "the same in bytes", Unit: analysis.Bytes,
			Levels: analysis.Levels{Note: 16 << 20}, Source: "four minimal heaps (4 MiB): less is a program that starts"},
		{Name: "live-heap-growth.time", Doc: "how long it rose", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6, Warning: 10e9}, Source: "caches and batches fill for seconds; a leak goes on"},
	},
	Run: func(p *analysis.Pass) error {
		c := analysis.FoldOf[*gcFold](p, gc)
		floors := heapFloors(c)
		if len(floors) < 2 {
			p.NotApplicable(fmt.Sprintf("the live heap after a cycle is told %s; record longer, until there are six cycles or more", counted(int64(len(floors)), "time", "times")))
			return nil
		}
		first := len(floors) - 1
		for first > 0 && floors[first-1].bytes < floors[first].bytes {
			first--
		}
		from, to := floors[first], floors[len(floors)-1]
		rises := int64(len(floors) - 1 - first)
		grown, z := to.bytes-from.bytes, mannKendall(floors)
		severity := p.Severity("time", float64(to.at-from.at))
		if severity == "" || !p.Met("cycles", float64(rises)) || !p.Met("trend", z) || !p.Met("share", ratio(grown, from.bytes)) || !p.Met("bytes", float64(grown)) {
			p.Say("the heap left by GC cycles went from %s to %s; it rose in the last %s (limit %.0f)", analysis.FormatBytes(floors[0].bytes),
				analysis.FormatBytes(to.bytes), counted(rises, "cycle", "cycles"), p.Limit("cycles"))
			return nil
		}
		slope := senSlope(floors[first:])
		finding := analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("The live heap grew from %s to %s over the last %s of the trace, in %s; at this rate it doubles in %s",
				analysis.FormatBytes(from.bytes), analysis.FormatBytes(to.bytes), counted(rises, "cycle", "cycles"), p.Dur(int64(to.at-from.at)), p.Dur(int64(float64(to.bytes)/max(slope, 1e-9)))),
			Confidence: analysis.Inferred,
			Advice:     "Compare two heap profiles (inuse_space) some minutes apart; look for maps and caches without bound and for goroutines that never end. heap.live.max should stop rising.",
			Caveat:     "In this trace: caches that warm up and batches that build a result look the same. What was allocated while a cycle marked counts as live. Sites are where cycles began and goroutines assisted: where much is allocated, not what holds it. It costs memory, no time: the finding has no cost.",
			Figure:     "gc.heap",
		}
		rows := floors[first:]
		for _, i := range []int{0, len(rows) / 2, len(rows) - 1} {
			at := p.Rel(rows[i].at)
			finding.Evidence = append(finding.Evidence, analysis.Evidence{From: at, To: at, Note: analysis.FormatBytes(rows[i].bytes) + " live after the cycle"})
		}
		finding.Evidence = append(finding.Evidence, limitRows(allocationSites(p, c, from.at, to.at), evidenceRows)...)
		p.Find(finding)
		return nil
	},
}

// heapFloor is what was live after a cycle.
type heapFloor struct {
	at    parse.Time
	bytes int64
}

// heapFloors is what was live after each whole cycle of which details are kept, in
// the order of time.
func heapFloors(c *gcFold) (out []heapFloor) {
	for _, it := range c.longest.Items() {
		if it.Item.Unfinished {
			continue
		}
		for _, d := range c.details {
			if d.since == it.Item.Since && d.liveAt > 0 {
				out = append(out, heapFloor{parse.Time(d.liveAt), d.lastLive})
			}
		}
	}
	slices.SortFunc(out, func(a, b heapFloor) int { return cmp.Compare(a.at, b.at) })
	return out
}

// mannKendall is the z of Mann and Kendall's test for a trend.
func mannKendall(v []heapFloor) float64 {
	s := 0.0
	for i := range v {
		for j := range i {
			s += float64(cmp.Compare(v[i].bytes, v[j].bytes))
		}
	}
	n := float64(len(v))
	sigma := math.Sqrt(n * (n - 1) * (2*n + 5) / 18)
	switch {
	case s > 0:
		return (s - 1) / sigma
	case s < 0:
		return (s + 1) / sigma
	}
	return 0
}

// senSlope is Theil and Sen's slope in bytes per ns: the median over all pairs.
func senSlope(v []heapFloor) float64 {
	var slopes []float64
	for i := range v {
		for j := range i {
			slopes = append(slopes, float64(v[i].bytes-v[j].bytes)/float64(max(1, v[i].at-v[j].at)))
		}
	}
	slices.Sort(slopes)
	if len(slopes) == 0 {
		return 0
	}
	return slopes[len(slopes)/2]
}

var heapOvershoot = &analysis.Analyzer{
	Name:     "heap-overshoot",
	Doc:      judgePage("heap-overshoot"),
	Requires: []*analysis.Analyzer{gc},
	Thresholds: []analysis.Threshold{
		{Name: "heap-overshoot.share", Doc: "by how much the heap in use exceeds the goal of its cycle", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1}, Source: "the pacer lets allocation pass the goal by 10 % before assists do all (mgcpacer.go: the hard goal)"},
		{Name: "heap-overshoot.bytes", Doc: "the same in bytes", Unit: analysis.Bytes,
			Levels: analysis.Levels{Note: 1 << 20}, Source: "a quarter of a minimal heap (4 MiB): spans are counted whole, and 10 % of a tiny heap is a few of them"},
		{Name: "heap-overshoot.cycles", Doc: "cycles in which it does", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "the pacer learns from a cycle or two"},
	},
	Run: func(p *analysis.Pass) error {
		c := analysis.FoldOf[*gcFold](p, gc)
		var judged, over int64
		type row struct {
			e    analysis.Evidence
			by   int64
			part float64
		}
		var rows []row
		var most, sum float64
		for _, it := range c.longest.Items() {
			i := slices.IndexFunc(c.details, func(d *gcCycle) bool { return d.since == it.Item.Since })
			if i < 0 || it.Item.Partial || it.Item.Unfinished {
				continue
			}
			d := c.details[i]
			if !d.goalKnown || d.goal <= 0 || d.peak == 0 {
				continue
			}
			judged++
			by := d.peak - d.goal
			most = max(most, ratio(by, d.goal))
			if p.Met("share", ratio(by, d.goal)) && p.Met("bytes", float64(by)) {
				over++
				sum += ratio(by, d.goal)
				rows = append(rows, row{analysis.Evidence{From: p.Rel(d.since), To: p.Rel(it.Item.Until),
					Note: fmt.Sprintf("%s in use, goal %s", analysis.FormatBytes(d.peak), analysis.FormatBytes(d.goal))}, by, ratio(by, d.goal)})
			}
		}
		if judged == 0 {
			p.NotApplicable("no whole GC cycle whose goal is in the trace; record longer, with the GC on")
			return nil
		}
		severity := p.Severity("cycles", float64(over))
		if severity == "" {
			p.Say("the heap passed its goal by %s and %s or more in %s of %s (limit %.0f), by %s at most",
				percent(p.Limit("share")), analysis.FormatBytes(int64(p.Limit("bytes"))), analysis.FormatCount(over), counted(judged, "cycle", "cycles"), p.Limit("cycles"), percent(max(0, most)))
			return nil
		}
		slices.SortStableFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(b.by, a.by), cmp.Compare(a.e.From, b.e.From)) })
		finding := analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("The heap passes its goal in %s of %s, by %s in the mean and %s at most",
				analysis.FormatCount(over), counted(judged, "cycle", "cycles"), percent(sum/float64(over)), percent(most)),
			Confidence: analysis.Measured,
			Advice:     "Marking is too slow for the pace of allocation: look for what cannot be marked in parallel (long lists), for bursts of allocation, for Ps that C code or other processes hold. Leave that much more memory below the limit of the container. heap.live.max should come near heap.goal.max.",
			Caveat:     "heapLive counts whole spans. Only the longest cycles are kept, where a trace has more than 64. It costs memory, no time: the finding has no cost.",
			Figure:     "gc.heap",
		}
		for _, r := range rows[:min(evidenceRows, len(rows))] {
			finding.Evidence = append(finding.Evidence, r.e)
		}
		p.Find(finding)
		return nil
	},
}

// stopEvidence shows stops.
func stopEvidence(p *analysis.Pass, items []sketch.Entry[parse.Range], want func(*parse.Range) bool, requester bool) (out []analysis.Evidence) {
	for _, it := range items {
		r := &it.Item
		if !want(r) || len(out) >= evidenceRows {
			continue
		}
		e := analysis.Evidence{From: p.Rel(r.Since), To: p.Rel(r.Since) + stwHalt(r),
			Note: fmt.Sprintf("%s: %s stopping, %s stopped", p.Trace.String(r.Name), p.Dur(r.Stopping()), p.Dur(max(0, stwHalt(r)-r.Stopping())))}
		stack, fn := r.Stop.LastStack, r.Stop.LastFunc
		if requester {
			stack, fn = r.Stack, r.Func
		}
		if !requester && r.Stop.LastP != parse.NoProc {
			e.P, e.G = idOf(r.Stop.LastP), idOf(r.Stop.LastG)
			e.Note += "; likely the last to stop was " + stwDoing(p, &r.Stop)
		}
		if fn != 0 {
			e.Func = p.FuncName(fn)
		}
		e.Stack = p.Stack(stack)
		out = append(out, e)
	}
	return out
}

// isGCStop tells the two pauses of a cycle from other stops.
func isGCStop(r *parse.Range) bool { return r.Stop.GC }

var stwStraggler = &analysis.Analyzer{
	Name:     "stw-straggler",
	Doc:      judgePage("stw-straggler"),
	Requires: []*analysis.Analyzer{stw},
	Thresholds: []analysis.Threshold{
		{Name: "stw-straggler.longest", Doc: "longest time from the request to the last P stopped, with this code on it", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: 1e6, Error: 10e6}, Source: "a signal and a wake-up take 10 to 20 µs; 10 ms is a whole time slice (forcePreemptNS)"},
		{Name: "stw-straggler.stops", Doc: "stops of 200 µs of stopping or more that this function was the last to stop for", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "once or twice may be the operating system, which took the thread from the CPU"},
		{Name: "stw-straggler.share", Doc: "its part of the stopping time of all such stops", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5}, Source: "when many functions are late in turn, it is the machine"},
	},
	Run: func(p *analysis.Pass) error {
		c := analysis.FoldOf[*stwFold](p, stw)
		var n, all int64
		for _, k := range c.kinds {
			n += k.total.N()
		}
		if n == 0 {
			p.NotApplicable(fmt.Sprintf("the world was not stopped in %s; record longer, with GC cycles in it", p.Dur(p.Trace.Duration())))
			return nil
		}
		byFunc := make(map[string]*stwSum)
		for k, s := range c.last {
			all += s.halt
			at(byFunc, p.FuncName(k.fn)).add(s)
		}
		worst, sum := "", new(stwSum)
		for fn, s := range byFunc {
			if s.halt > sum.halt || s.halt == sum.halt && fn < worst {
				worst, sum = fn, s
			}
		}
		severity := p.Severity("longest", float64(sum.maxHalt))
		if severity == "" || !p.Met("stops", float64(sum.n)) || !p.Met("share", ratio(sum.halt, all)) {
			line := fmt.Sprintf("no stop took %s or more until the program's own code stopped", p.Dur(stwSlow))
			if sum.n > 0 {
				line = fmt.Sprintf("%s was likely the last to stop in %s of %s or more (limit %.0f), the longest %s (limit %s)", worst,
					counted(sum.n, "stop", "stops"), p.Dur(stwSlow), p.Limit("stops"), p.Dur(sum.maxHalt), p.Dur(int64(p.Limit("longest"))))
			}
			p.Say("%s", line)
			return nil
		}
		var halt int64
		for _, k := range c.kinds {
			halt += k.halt
		}
		stacks := make(map[stwLast]*stwSum)
		for k, s := range c.last {
			if p.FuncName(k.fn) == worst {
				stacks[k] = s
			}
		}
		sites := rankSites(p, stacks, func(k stwLast) parse.StackID { return k.stack }, (*stwSum).add, func(s *stwSum) int64 { return s.halt })
		evidence := siteEvidence(p, sites, p.Trace.From, p.Trace.To, func(s *stwSum) string {
			return fmt.Sprintf("last to stop in %s, %s in all, the longest %s", counted(s.n, "stop", "stops"), p.Dur(s.halt), p.Dur(s.maxHalt))
		})
		finding := analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("%s stops late when the world must stop: likely the last in %s that took 200 µs or more until then, the longest %s, %s in all (%s of such time)",
				worst, counted(sum.n, "stop", "stops"), p.Dur(sum.maxHalt), p.Dur(sum.halt), percent(ratio(sum.halt, all))),
			Cost:       analysis.Cost{Value: sum.halt, Total: p.Trace.Duration(), Clock: analysis.Wall},
			Confidence: analysis.Inferred,
			Evidence: append(evidence, stopEvidence(p, c.worst.Items(), func(r *parse.Range) bool {
				return r.Stopping() >= stwSlow && stwRunsProgram(r) && p.FuncName(r.Stop.LastFunc) == worst
			}, false)...),
			Advice: "Break up what cannot be interrupted there: copies and clears of very large memory, long loops without calls in code built or run without asynchronous preemption (GODEBUG=asyncpreemptoff). stw.gc.stopping.max should fall.",
			Caveat: "The last P to stop is likely, not certain. A thread that the operating system took from its CPU is late in the same way: check whether GOMAXPROCS exceeds the CPUs.",
			Figure: "stw.waterfall",
		}
		if ratio(sum.halt, halt) >= explainsFrom {
			finding.Explains = []string{"stw-long", "stw-by-tooling"}
		}
		p.Find(finding)
		return nil
	},
}

var stwByTooling = &analysis.Analyzer{
	Name:     "stw-by-tooling",
	Doc:      judgePage("stw-by-tooling"),
	Covers:   []string{"limits/stops"},
	Requires: []*analysis.Analyzer{stw},
	Thresholds: []analysis.Threshold{
		{Name: "stw-by-tooling.rate", Doc: "stops per second that are neither the GC's nor the tracer's", Unit: analysis.PerS,
			Levels: analysis.Levels{Warning: 1}, Source: "metrics are scraped every 10 s and more; once a second is a monitor out of hand"},
		{Name: "stw-by-tooling.share", Doc: "wall time in them, of the worst second", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .001, Warning: .005, Error: .05}, Source: "0.1 % is one stop of 1 ms in a second; half a percent halts every core for 5 ms"},
		{Name: "stw-by-tooling.stops", Doc: "number of them", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "one or two make no rate"},
		{Name: "stw-by-tooling.longest", Doc: "the longest", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 10e6}, Source: "as stw-long, but one that is asked for on purpose (a heap dump, say) weighs less"},
	},
	Run: func(p *analysis.Pass) error {
		c := analysis.FoldOf[*stwFold](p, stw)
		var sum stwKind
		for _, k := range c.kinds {
			if !k.gc {
				sum.merge(k)
			}
		}
		n := sum.total.N()
		if n == 0 {
			p.Say("no stop but the GC's and the tracer's in %s", p.Dur(p.Trace.Duration()))
			return nil
		}
		from, to, share := worstStretch(p, c.time, judgedWindow, func(sums []int64, ns int64) float64 {
			return ratio(sums[stwOtherStopping]+sums[stwOtherStopped], ns)
		})
		rate := float64(n) * 1e9 / float64(max(1, p.Trace.Duration()))
		sites := make(map[stwSite]*stwSum)
		var longest int64
		for k, s := range c.sites {
			if !c.kinds[k.kind].gc {
				sites[k] = s
				longest = max(longest, s.maxHalt)
			}
		}
		severity := p.Severity("longest", float64(longest))
		if often := analysis.Least(raised(p.Severity("rate", rate)), p.Severity("share", share)); p.Met("stops", float64(n)) {
			severity = graded(severity, often)
		}
		if severity == "" {
			p.Say("%s but the GC's and the tracer's, %s (limit %s), %s of the worst second (limit %s), the longest %s (limit %s)", counted(n, "stop", "stops"),
				analysis.FormatRate(rate), analysis.FormatRate(p.Limit("rate")), percent(share), percent(p.Limit("share")), p.Dur(longest), p.Dur(int64(p.Limit("longest"))))
			return nil
		}
		ranked := rankSites(p, sites, func(k stwSite) parse.StackID { return k.stack }, (*stwSum).add, func(s *stwSum) int64 { return max(1, s.halt) })
		names := make(map[string]string)
		for k := range sites {
			if name := p.Trace.String(k.kind); names[p.SiteName(k.stack)] == "" || name < names[p.SiteName(k.stack)] {
				names[p.SiteName(k.stack)] = name
			}
		}
		p.Find(analysis.Finding{
			Severity: severity, Explains: stopsExplained(c, severity, false),
			Summary: fmt.Sprintf("The program stops the world itself: %s (%s), %s of the worst second, the longest %s; most at %s (%s)", counted(n, "time", "times"),
				analysis.FormatRate(rate), percent(share), p.Dur(longest), ranked[0].site, names[ranked[0].site]),
			Cost:       analysis.Cost{Value: sum.halt, Total: p.Trace.Duration(), Clock: analysis.Wall},
			Confidence: analysis.Measured,
			Evidence: append(siteEvidence(p, ranked, from, to, func(s *stwSum) string {
				return fmt.Sprintf("%s, %s in all, the longest %s", counted(s.n, "stop", "stops"), p.Dur(s.halt), p.Dur(s.maxHalt))
			}), stopEvidence(p, c.worst.Items(), func(r *parse.Range) bool { return !r.Stop.GC }, true)...),
			Advice: "Read runtime/metrics instead of runtime.ReadMemStats, which needs no stop; lower the rate of scrapes and of goroutine profiles; set GOMAXPROCS once. stw.other.count and stw.other.total.total should fall.",
			Caveat: "Stops by the start of the trace are left out; those of tools that ran only because of the trace are not.",
			Figure: "stw.pauses",
		})
		return nil
	},
}

// stopsExplained is the limit that a grave finding about the GC's stops, or the
// others, explains: when it has most of the time that the world was halted.
func stopsExplained(c *stwFold, s analysis.Severity, gc bool) []string {
	var part, all int64
	for _, k := range c.kinds {
		all += k.halt
		if k.gc == gc {
			part += k.halt
		}
	}
	if s.Rank() < analysis.Warning.Rank() || float64(part) < explainsFrom*float64(all) {
		return nil
	}
	return []string{"limits/stops"}
}

// raised makes a condition that is met the gravest, so that others grade the
// finding.
func raised(s analysis.Severity) analysis.Severity {
	if s != "" {
		return analysis.Error
	}
	return s
}

var stwLong = &analysis.Analyzer{
	Name:     "stw-long",
	Doc:      judgePage("stw-long"),
	Covers:   []string{"limits/stops"},
	Requires: []*analysis.Analyzer{stw, waits, gc},
	Thresholds: []analysis.Threshold{
		{Name: "stw-long.longest", Doc: "longest GC pause, until the world restarted", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 5e6, Error: 20e6}, Source: "a pause takes 10 to 100 µs; on busy hosts healthy services were measured with single ones of 1 to 5 ms"},
		{Name: "stw-long.share", Doc: "wall time in GC pauses, of the worst second", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .005, Warning: .01, Error: .05}, Source: "1 % of every core; a measured program of 133 cycles/s had 12.6 %"},
		{Name: "stw-long.pauses", Doc: "GC pauses in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 2}, Source: "a single one may be the operating system's doing"},
	},
	Run: func(p *analysis.Pass) error {
		c := analysis.FoldOf[*stwFold](p, stw)
		var sum stwKind
		for _, k := range c.kinds {
			if k.gc {
				sum.merge(k)
			}
		}
		n := sum.total.N()
		if n == 0 {
			p.NotApplicable("no whole GC pause in the trace; record longer, under load")
			return nil
		}
		from, _, share := worstStretch(p, c.time, judgedWindow, func(sums []int64, ns int64) float64 {
			return ratio(sums[stwGCStopping]+sums[stwGCStopped], ns)
		})
		var longest int64
		for k, s := range c.sites {
			if c.kinds[k.kind].gc {
				longest = max(longest, s.maxHalt)
			}
		}
		severity := analysis.Least(p.Severity("longest", float64(longest)), p.Severity("share", share))
		if severity == "" || !p.Met("pauses", float64(n)) {
			p.Say("GC pauses take %s of the worst second (limit %s), the longest %s (limit %s, n=%s)", percent(share), percent(p.Limit("share")),
				p.Dur(longest), p.Dur(int64(p.Limit("longest"))), analysis.FormatCount(n))
			return nil
		}
		stopping := ratio(sum.stopping.Sum(), sum.halt)
		advice := "The work in the pauses is long: fewer cycles (a higher GOGC, fewer allocations), fewer Ps."
		if stopping >= .5 {
			advice = "Most of it is the wait for the last P to stop: find the code that stops late (stw-straggler), or the thread that has no CPU (GOMAXPROCS above the CPUs or the quota)."
		}
		finding := analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("GC pauses halt the program for %s of the worst second, from %s, up to %s at once (n=%s); %s of it is stopping, the rest stopped",
				percent(share), p.At(from), p.Dur(longest), analysis.FormatCount(n), percent(min(1, stopping))),
			Cost:       analysis.Cost{Value: sum.halt, Total: p.Trace.Duration(), Clock: analysis.Wall},
			Confidence: analysis.Measured,
			Evidence:   stopEvidence(p, c.worst.Items(), isGCStop, false),
			Advice:     advice + " stw.gc.total.max and stw.gc.total.total should fall.",
			Caveat:     "On a host with fewer CPUs than GOMAXPROCS most of a pause may be the operating system's. A stop of the start of the trace is left out.",
			Figure:     "stw.pauses",
			Explains:   stopsExplained(c, severity, true),
		}
		if waitShare(analysis.FoldOf[*waitsFold](p, waits), parse.CauseSTW) >= explainsFrom {
			finding.Explains = append(finding.Explains, "latency-tail")
		}
		if mmuPart(analysis.FoldOf[*gcFold](p, gc).closed(), gcLanePauses) >= explainsFrom {
			finding.Explains = append(finding.Explains, "mmu-low")
		}
		p.Find(finding)
		return nil
	},
}

var serialMark = &analysis.Analyzer{
	Name:     "serial-mark",
	Doc:      judgePage("serial-mark"),
	Requires: []*analysis.Analyzer{gc, timeline},
	Thresholds: []analysis.Threshold{
		{Name: "serial-mark.marking", Doc: "wall time of concurrent mark, of the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1, Warning: .3}, Source: "marks that are rare cost little, however long they take"},
		{Name: "serial-mark.time", Doc: "that time", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 200e6}, Source: "in less a few marks that waited for a CPU make the mean"},
		{Name: "serial-mark.cycle", Doc: "concurrent mark of a cycle, on average", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 5e6}, Source: "a short mark ends before idle Ps have woken up for it"},
		{Name: "serial-mark.parallel", Doc: "Ps that mark or assist, on average while a cycle marks", Unit: analysis.Count, Below: true,
			Levels: analysis.Levels{Note: 1.4}, Source: "idle Ps join the mark as long as there is work to share (mgcpacer.go: needIdleMarkWorker). Measured: 1.2 of 2 Ps for one linked list, 1.7 to 1.9 of 2 and 5.5 of 8 for other large heaps"},
		{Name: "serial-mark.idle", Doc: "idle Ps, on average while a cycle marks", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .3}, Source: "without an idle P the mark has no more to take"},
		{Name: "serial-mark.stuck", Doc: "share of the time a P's thread took 1 ms or longer between goroutines; with more it is a note and explains nothing", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .03}, Source: "as oversubscribed-host.stuck: workers that wait for a CPU do not mark"},
	},
	Run: func(p *analysis.Pass) error {
		c := analysis.FoldOf[*gcFold](p, gc).closed()
		cycles := c.cycles + c.cut
		if cycles == 0 || c.mark == 0 {
			p.NotApplicable(noGC(p))
			return nil
		}
		if procs, _ := p.Value("procs.time"); procs < 1.5*float64(p.Trace.Duration()) {
			p.NotApplicable("there is one P only; record with GOMAXPROCS 2 or more")
			return nil
		}
		var worked int64
		for _, w := range c.workers {
			worked += w.cpu
		}
		parallel, idle := ratio(worked+c.assist.cpu, c.mark), ratio(c.idle, c.mark)
		marking := ratio(c.mark, p.Trace.Duration())
		severity := p.Severity("marking", marking)
		if severity == "" || !p.Met("parallel", parallel) || !p.Met("idle", idle) || !p.Met("time", float64(c.mark)) || !p.Met("cycle", float64(c.mark/cycles)) {
			p.Say("while cycles mark, %s of the time and %s each, %.2f Ps mark and %.2f are idle; limit %s, %.1f or fewer and %.1f",
				percent(marking), p.Dur(c.mark/cycles), parallel, idle, percent(p.Limit("marking")), p.Limit("parallel"), p.Limit("idle"))
			return nil
		}
		var rows []analysis.Evidence
		for _, e := range c.longest.Items() {
			if r := e.Item; len(rows) < 5 {
				rows = append(rows, analysis.Evidence{From: p.Rel(r.Since), To: p.Rel(r.Until), Note: "a mark of " + p.Dur(gcMark(&r))})
			}
		}
		explains := []string{"assist-heavy", "assist-queue-wait"} // goroutines that find nothing to mark for their debt
		if p.Met("stuck", ratio(analysis.FoldOf[*timelineFold](p, timeline).stuck.ns, p.Trace.Duration())) {
			severity, explains = analysis.Note, nil
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Heuristic,
			Summary: fmt.Sprintf("The GC marks one thing after the other: for %s of the time, %s a cycle, %.2f Ps marked on average while %.2f stood idle",
				percent(marking), p.Dur(c.mark/cycles), parallel, idle),
			Cost:     analysis.Cost{Value: c.mark, Total: p.Trace.Duration(), Clock: analysis.Wall},
			Evidence: append(rows, limitRows(allocationSites(p, c, p.Trace.From, p.Trace.To), 5)...),
			Advice:   "Look for long chains of pointers (linked lists, intrusive queues, deep trees built one child at a time): keep their nodes in slices with indices for links, or cut them into many shorter ones. gc.mark.wall should fall.",
			Caveat:   "What is marked is not in a trace. A mark that waits for an oversubscribed machine's CPUs looks alike.",
			Figure:   "gc.cycle",
			Explains: explains,
		})
		return nil
	},
}

var costlyMark = &analysis.Analyzer{
	Name:     "costly-mark",
	Doc:      judgePage("costly-mark"),
	Requires: []*analysis.Analyzer{gc, goroutines, timeline},
	Thresholds: []analysis.Threshold{
		{Name: "costly-mark.rate", Doc: "P time of workers and assist for each MiB of live heap marked", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 2.5e6, Warning: 10e6}, Source: "heaps full of pointers take 0.2 to 1.5 ms on the machines measured; a thousand stacks of 200 frames 3 to 5 ms"},
		{Name: "costly-mark.cycle", Doc: "P time of workers and assist in a cycle, on average", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 5e6}, Source: "a cycle has a fixed cost, which tiny heaps feel"},
		{Name: "costly-mark.share", Doc: "P time of workers and assist, of all", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05, Warning: .15}, Source: "rare cycles cost little, however long they take"},
		{Name: "costly-mark.goroutines", Doc: "goroutines at once, at most", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 100}, Source: "fewer stacks do not explain milliseconds; compilers and emulated machines take as long for their heaps alone"},
		{Name: "costly-mark.cycles", Doc: "cycles whose live heap is known", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "population"},
	},
	Run: func(p *analysis.Pass) error {
		c := analysis.FoldOf[*gcFold](p, gc).closed()
		cycles := c.cycles + c.cut
		if cycles == 0 {
			p.NotApplicable(noGC(p))
			return nil
		}
		var worked int64
		for _, w := range c.workers {
			worked += w.cpu
		}
		worked += c.assist.cpu
		var live, known int64
		for _, d := range c.details {
			if d.lastLive > 0 {
				live += d.lastLive
				known++
			}
		}
		if known == 0 {
			p.NotApplicable("the trace tells the live heap of no cycle; record longer")
			return nil
		}
		perMiB := float64(worked) / float64(cycles) / (float64(live) / float64(known) / (1 << 20))
		total, _ := p.Value("procs.time")
		peak, _ := p.Value("goroutines.max")
		severity := analysis.Least(p.Severity("rate", perMiB), p.Severity("share", float64(worked)/total))
		if severity == "" || !p.Met("cycle", float64(worked/cycles)) || !p.Met("cycles", float64(known)) || !p.Met("goroutines", peak) {
			p.Say("marking takes %s of P time for each MiB of live heap, %s a cycle; limit %s, with %.0f goroutines",
				p.Dur(int64(perMiB)), p.Dur(worked/cycles), p.Dur(int64(p.Limit("rate"))), p.Limit("goroutines"))
			return nil
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Heuristic,
			Summary: fmt.Sprintf("The GC works more than its heap explains: %s of P time a cycle for %s live, %s for each MiB; up to %s goroutines have stacks to scan",
				p.Dur(worked/cycles), analysis.FormatBytes(live/known), p.Dur(int64(perMiB)), analysis.FormatCount(int64(peak))),
			Cost:     procTime(p, float64(worked)),
			Evidence: append(stackPopulations(p), limitRows(allocationSites(p, c, p.Trace.From, p.Trace.To), 5)...),
			Advice:   "What is scanned besides the live heap are goroutine stacks and globals: have fewer goroutines parked deep in calls (park at the top, or let them end). With a heap this small, a higher GOGC or a GOMEMLIMIT alone makes cycles rare. gc.worker.idle, gc.worker.fractional and gc.cycles should fall.",
			Caveat:   "The size of stacks and globals is not in a trace. Idle workers on an oversubscribed machine count time off the CPU.",
			Figure:   "gc.share",
		})
		return nil
	},
}

// stackPopulations are the kinds of user goroutines of which there are most.
func stackPopulations(p *analysis.Pass) (out []analysis.Evidence) {
	users := make(map[goOrigin]*goPopulation)
	for k, v := range analysis.FoldOf[*goroutinesFold](p, goroutines).populations.byKey() {
		if k.class == parse.ClassUser {
			users[k] = v
		}
	}
	for _, at := range joinSites(users, func(k goOrigin) label { return label{p.FuncName(k.fn)} }, (*goPopulation).add,
		func(v *goPopulation) int64 { return v.count }, func(a, b goOrigin) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.fn, b.fn)) }) {
		if len(out) < 3 && at.v.count >= 10 {
			out = append(out, analysis.Evidence{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: p.FuncName(at.key.fn),
				Note: counted(at.v.count, "goroutine", "goroutines") + " in all", Stack: p.Stack(at.key.site)})
		}
	}
	return out
}

var gcPacingChange = &analysis.Analyzer{
	Name:     "gc-pacing-change",
	Doc:      judgePage("gc-pacing-change"),
	Requires: []*analysis.Analyzer{gc},
	Thresholds: []analysis.Threshold{
		{Name: "gc-pacing-change.factor", Doc: "heap goal for each byte live after the cycle before, against that of the phase before", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1.4}, Source: "stacks and globals move it by less; GOGC 100 to 50 is 2 to 1.5"},
		{Name: "gc-pacing-change.live", Doc: "live heap", Unit: analysis.Bytes,
			Levels: analysis.Levels{Note: 8 << 20}, Source: "the least goal of 4 MiB (mgcpacer.go: defaultHeapMinimum) rules smaller heaps"},
		{Name: "gc-pacing-change.cycles", Doc: "cycles in each of the two phases", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "goals lag behind a heap that changes: two in a row came by chance in a sort that allocates as fast as it can"},
	},
	Run: func(p *analysis.Pass) error {
		c := analysis.FoldOf[*gcFold](p, gc)
		phases := pacingPhases(p, c)
		if len(phases) == 0 {
			p.NotApplicable(fmt.Sprintf("no two GC cycles in a row with a heap goal and %s live or more; record longer", analysis.FormatBytes(int64(p.Limit("live")))))
			return nil
		}
		if len(phases) == 1 {
			p.Say("heap goals were %.2f times the live heap in %s; limit a change by %.1f", phases[0].mean(), counted(phases[0].n, "cycle", "cycles"), p.Limit("factor"))
			return nil
		}
		var evidence []analysis.Evidence
		var text []string
		for _, f := range phases {
			text = append(text, fmt.Sprintf("%.2f", f.mean()))
			evidence = append(evidence, analysis.Evidence{From: p.Rel(f.from), To: p.Rel(f.to),
				Note: fmt.Sprintf("%s, heap goals %.2f times the live heap, one every %s", counted(f.n, "cycle", "cycles"), f.mean(), p.Dur(int64(f.to-f.from)/f.n))})
		}
		all := c.closed()
		taken := all.taken
		p.Find(analysis.Finding{
			Severity: p.Severity("factor", phases[1].factor), Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("The pacing of the GC changed at %s: heap goals went from %s times the live heap (GOGC or the memory limit was set, or the limit was reached)",
				p.At(phases[1].from), strings.Join(text, " to ")),
			Cost:     analysis.Cost{Value: taken, Total: all.procs, Clock: analysis.PTime},
			Evidence: append(limitRows(evidence, 5), limitRows(allocationSites(p, all, p.Trace.From, p.Trace.To), 5)...),
			Advice:   "Look for debug.SetGCPercent and debug.SetMemoryLimit, and judge each phase by itself (--from, --to); gc.cycles and gc.worker.dedicated follow the goal.",
			Caveat:   "Goals also count stacks and globals. Only the longest cycles are looked at.",
			Figure:   "gc.heap",
		})
		return nil
	},
}

// pacingPhase is cycles in a row with about the same goal for each byte live.
type pacingPhase struct {
	from, to parse.Time
	n        int64
	ratios   float64 // sum
	factor   float64 // against the phase before, 1 or more
}

func (f *pacingPhase) mean() float64 { return f.ratios / float64(f.n) }

// pacingPhases are the phases with enough cycles. What lies between two is left out.
func pacingPhases(p *analysis.Pass, c *gcFold) (out []pacingPhase) {
	cycles := slices.SortedFunc(slices.Values(c.details), func(a, b *gcCycle) int { return cmp.Compare(a.since, b.since) })
	apart := func(a, b float64) float64 { return max(a/b, b/a) }
	var now pacingPhase
	end := func() {
		if !p.Met("cycles", float64(now.n)) {
			return
		}
		if len(out) > 0 {
			last := &out[len(out)-1]
			if now.factor = apart(now.mean(), last.mean()); !p.Met("factor", now.factor) {
				last.to, last.n, last.ratios = now.to, last.n+now.n, last.ratios+now.ratios
				return
			}
		}
		out = append(out, now)
	}
	for i := 1; i < len(cycles); i++ {
		before, d := cycles[i-1], cycles[i]
		if before.liveAt == 0 || !d.goalKnown || d.goal == 0 || !p.Met("live", float64(before.lastLive)) {
			continue
		}
		r := float64(d.goal) / float64(before.lastLive)
		if now.n == 0 || apart(r, now.mean()) >= p.Limit("factor") {
			end()
			now = pacingPhase{from: d.since}
		}
		now.n++
		now.ratios += r
		now.to = d.since
	}
	end()
	return out
}

var idleMarking = &analysis.Analyzer{
	Name:     "idle-marking",
	Doc:      judgePage("idle-marking"),
	Requires: []*analysis.Analyzer{gc, timeline},
	Thresholds: []analysis.Threshold{
		{Name: "idle-marking.share", Doc: "P time of idle GC workers, of all", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1}, Source: "a tenth of the machine that the program does not see it use"},
		{Name: "idle-marking.times", Doc: "that time, against all other P time of the GC", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: 1}, Source: "most of the marking is then done beside the GC's own quarter of the Ps"},
		{Name: "idle-marking.time", Doc: "that time", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6}, Source: "population"},
	},
	Run: func(p *analysis.Pass) error {
		c := analysis.FoldOf[*gcFold](p, gc).closed()
		if c.cycles+c.cut == 0 {
			p.NotApplicable(noGC(p))
			return nil
		}
		idle := c.workers[parse.ModeIdle].cpu
		total, _ := p.Value("procs.time")
		share, rest := float64(idle)/total, c.marked()+c.assist.cpu+c.pauses.cpu
		severity := p.Severity("share", share)
		if severity == "" || !p.Met("times", float64(idle)/float64(max(1, rest))) || !p.Met("time", float64(idle)) {
			p.Say("idle Ps marked for %s, %s of P time, all other GC work took %s; limit %s", p.Dur(idle), percent(share), p.Dur(rest), percent(p.Limit("share")))
			return nil
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Idle Ps mark: GC idle workers have %s of P time (%s in %s), all other GC work %s",
				percent(share), p.Dur(idle), counted(c.cycles+c.cut, "cycle", "cycles"), p.Dur(rest)),
			Cost:     procTime(p, float64(idle)),
			Evidence: limitRows(allocationSites(p, c, p.Trace.From, p.Trace.To), 5),
			Advice:   "No goroutine waits for it, but it is CPU that a container's quota counts and that neighbours miss: set GOMAXPROCS to the CPUs that are really there, or make cycles rarer (a higher GOGC). gc.worker.idle should fall.",
			Caveat:   "On CPUs of one's own it makes cycles shorter and does no harm.",
			Figure:   "gc.share",
		})
		return nil
	},
}
