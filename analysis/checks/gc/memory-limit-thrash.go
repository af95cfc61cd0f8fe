package gc

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var memoryLimitThrash = &analysis.Analyzer{
	Name: "memory-limit-thrash", Proof: "gc.heap",
	Doc:      say.Page(pages, "memory-limit-thrash"),
	Requires: []*analysis.Analyzer{measures.GC, measures.Timeline, measures.Kinds},
	Thresholds: []analysis.Threshold{
		{Name: "memory-limit-thrash.marking", Doc: "share of the worst second with a GC cycle under way", Unit: analysis.Ratio,
			Levels: analysis.Levels{Error: .83}, Source: "gaps below a fifth of the mark: the next cycle begins as soon as one ends"},
		{Name: "memory-limit-thrash.cpu", Doc: "P time of the GC in the worst second, as a share of the P time used (without idle workers)", Unit: analysis.Ratio,
			Levels: analysis.Levels{Error: .4}, Source: "the runtime itself limits the GC to half of the CPU (mgclimit.go, gcCPULimiter), which ends in a heap beyond the limit"},
		{Name: "memory-limit-thrash.goal", Doc: "spread of the heap goal in the worst second (largest less smallest, as a share of the largest)", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Error: .02}, Source: "a goal that GOGC sets moves with the live heap; one that the limit sets does not. With GOGC=off it is told as 0 (traceruntime.go: HeapGoal), and the limit alone begins cycles"},
		{Name: "memory-limit-thrash.gogc", Doc: "heap goal for each byte live after the cycle before, where goals do not move", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: 1.1}, Source: "a GOGC of 10 or more beside a live heap that does not change: that is no limit (mgcpacer.go: heapGoalInternal)"},
		{Name: "memory-limit-thrash.room", Doc: "heap goal for each byte live after the cycle before, median of the longest cycles", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Error: 1.05}, Source: "a GOGC of 10 gives 1.1 and more, with stacks and globals: only a limit that is reached sets a goal at what lives (mgcpacer.go: heapGoalInternal)"},
		{Name: "memory-limit-thrash.room-marking", Doc: "share of the worst second with a GC cycle under way, where heap goals are at what lives", Unit: analysis.Ratio,
			Levels: analysis.Levels{Error: .5}, Source: "as gc-cpu-dominant.marking: gaps are those of a machine whose CPUs others use"},
		{Name: "memory-limit-thrash.room-cpu", Doc: "P time of the GC in the worst second, as a share of the P time used (without idle workers), where heap goals are at what lives", Unit: analysis.Ratio,
			Levels: analysis.Levels{Error: .25}, Source: "as gc-cpu-dominant.cpu"},
		{Name: "memory-limit-thrash.rate", Doc: "GC cycles ended per second in the worst second, where heap goals are at what lives or GOGC is off", Unit: analysis.PerS,
			Levels: analysis.Levels{Error: 10}, Source: "as gc-cpu-dominant.rate: what holds no pointers is marked in no time, so that the cost is in sweeping"},
		{Name: "memory-limit-thrash.runtime", Doc: "P time of the GC, of sweeping and of the runtime's own goroutines in that second, as a share of the P time used", Unit: analysis.Ratio,
			Levels: analysis.Levels{Error: .4}, Source: "as memory-limit-thrash.cpu: goroutines of the runtime sweep in the background and give memory back"},
		{Name: "memory-limit-thrash.allocation", Doc: "share of the cycles that allocation started in all that start in the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .6}, Source: "what runtime.GC begins is no thrash: see forced-gc"},
		{Name: "memory-limit-thrash.cycles", Doc: "GC cycles ended in the worst second", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "so many goals can differ by chance"},
	},
	Run: func(p *analysis.Pass) error {
		c, over, w := gcOf(p, markingScore)
		if w == nil {
			return nil
		}
		spread, largest, known := goalSpread(c.Goal(), w.from, w.to)
		if !known {
			p.NotApplicable("the trace tells no heap goal while the GC worked; record longer")
			return nil
		}
		share, cycles := say.Ratio(w.taken(), w.used()), w.lanes[measures.GCLaneCycles]
		swept := false
		room, tight := heapRoom(c)
		flat := []analysis.Condition{analysis.Grades("marking", w.marking()), analysis.Grades("cpu", share), analysis.Grades("goal", spread)}
		if tight {
			flat = append(flat, analysis.Needs("gogc", room))
		}
		ways := []analysis.Condition{analysis.Both(flat...)}
		if tight {
			ways = append(ways, analysis.Both(analysis.Grades("room-marking", w.marking()), analysis.Grades("room-cpu", share), analysis.Needs("room", room)))
			tight = p.Met("room", room)
		}
		if largest == 0 || tight {
			rate, runtime := say.PerSecond(cycles, w.wall()), say.Ratio(w.runtime(), w.used())
			ways = append(ways, analysis.Both(analysis.Grades("rate", rate), analysis.Grades("runtime", runtime)))
			swept = !p.Met("cpu", share) && p.Met("runtime", runtime)
		}
		var begun, forced int64
		for id, s := range c.Starts() {
			begun += s.N
			if evidence.IsForced(measures.GCTrigger(p, id)) {
				forced += s.N
			}
		}
		g := p.Gate(analysis.Either(ways...), analysis.Needs("cycles", float64(cycles)), analysis.Needs("allocation", say.Ratio(begun-forced, begun)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		all := newGCWindow(p, c, over, p.Trace.From, p.Trace.To)
		why, caveat := fmt.Sprintf("while the heap goal stays within %s", say.Percent(spread)), "The trace does not hold GOMEMLIMIT and GOGC: a tiny GOGC beside a live heap that does not change looks the same."
		if tight {
			why = fmt.Sprintf("while heap goals are %.2f times what lives", room)
		}
		if largest == 0 {
			why, caveat = "though GOGC is off", "The trace does not hold GOMEMLIMIT; with GOGC off nothing else begins these cycles."
		}
		taken, with := all.taken(), ""
		if swept {
			taken, share, with = all.runtime(), say.Ratio(w.runtime(), w.used()), " with sweeping and the runtime's own goroutines"
		}
		p.Find(analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("GC cycles follow each other closely (%s of the time, %s) and take %s of the P time used%s, %s: the memory limit leaves no room",
				say.Percent(w.marking()), say.Counted(cycles, "cycle", "cycles"), say.Percent(share), with, why) + evidence.AllocatedAt(p, c),
			Cost:       analysis.Cost{Value: taken, Total: all.used(), Clock: analysis.PTime},
			Confidence: analysis.Inferred,
			Evidence:   append([]analysis.Evidence{{From: p.Rel(w.from), To: p.Rel(w.to), Note: "cycles back to back"}}, evidence.LimitRows(evidence.AllocationSites(p, c, w.from, w.to), 9)...),
			Advice:     "Raise GOMEMLIMIT, or shrink the live heap (caches, leaks) so that it lies well below the limit; with a small GOGC raise that. gc.mark.wall and gc.cycles should fall.",
			Caveat:     caveat,
			Explains:   []string{"gc-cpu-dominant", "sweep-on-allocation", "stw-long", "mmu-low"},
		})
		return nil
	},
}

// heapRoom is the heap goal for each byte live after the cycle before, the median of
// the longest cycles.
func heapRoom(c *measures.GCFold) (median float64, ok bool) {
	cycles := slices.SortedFunc(slices.Values(c.Details()), func(a, b *measures.GCCycle) int { return cmp.Compare(a.Since, b.Since) })
	var rooms []float64
	for i := 1; i < len(cycles); i++ {
		if live := cycles[i-1].LastLive; cycles[i-1].LiveAt != 0 && live > 0 && cycles[i].GoalKnown && cycles[i].Goal > 0 {
			rooms = append(rooms, float64(cycles[i].Goal)/float64(live))
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
	return say.Ratio(hi-lo, hi), hi, ok
}
