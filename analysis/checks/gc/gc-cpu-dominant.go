package gc

import (
	"fmt"
	"math"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

func (w *gcWindow) cycleRate() float64 {
	return say.PerSecond(w.lanes[measures.GCLaneCycles], w.wall())
}

var gcCPUDominant = &analysis.Analyzer{
	Name: "gc-cpu-dominant", Proof: "gc.share",
	Doc:      say.Page(pages, "gc-cpu-dominant"),
	Covers:   []string{"limits/gc"},
	Requires: []*analysis.Analyzer{measures.GC, measures.Timeline, measures.Waits, measures.Kinds, measures.STW},
	Thresholds: []analysis.Threshold{
		{Name: "gc-cpu-dominant.marking", Doc: "share of the worst second with a GC cycle under way", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .5, Error: .8}, Source: "marking takes a quarter of the Ps (gcBackgroundUtilization): half of the time is an eighth of the machine, and assist beside it"},
		{Name: "gc-cpu-dominant.rate", Doc: "GC cycles ended per second in the worst second", Unit: analysis.PerS,
			Levels: analysis.Levels{Warning: 10}, Source: "two pauses and two flushes of every P each: 10 a second are seen in programs with a tiny heap or a low GOGC"},
		{Name: "gc-cpu-dominant.cpu", Doc: "P time of GC pauses, assist and workers in the worst second, as a share of the P time used (without idle workers)", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .15, Error: .25}, Source: "tiny heaps cycle often and cheaply; a quarter is the GC's own goal at work without end"},
		{Name: "gc-cpu-dominant.procs", Doc: "P time of GC pauses, assist and workers in the worst second, as a share of all P time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05}, Source: "a GC that works beside idle Ps holds nobody up: a fifth of the machine's quarter while it marks (gcBackgroundUtilization)"},
		{Name: "gc-cpu-dominant.time", Doc: "P time of GC pauses, assist and workers in the worst second", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 50e6}, Source: "5 % of a core for a second: a nearly idle program does not matter"},
		{Name: "gc-cpu-dominant.cycles", Doc: "GC cycles in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "a few cycles say nothing of what follows: programs start with them"},
		{Name: "gc-cpu-dominant.ended", Doc: "GC cycles ended in the worst second", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 2}, Source: "one long mark of a large heap is no GC without end"},
	},
	Run: func(p *analysis.Pass) error {
		c, over, w := gcOf(p, markingScore)
		if w == nil {
			return nil
		}
		share := say.Ratio(w.taken(), w.used())
		g := p.Gate(analysis.Either(analysis.Grades("marking", w.marking()), analysis.Grades("rate", w.cycleRate())), analysis.Grades("cpu", share),
			analysis.Needs("procs", say.Ratio(w.taken(), w.lanes[measures.GCLaneProcs])),
			analysis.Needs("time", float64(w.taken())), analysis.Needs("cycles", float64(c.Cycles()+c.Cut())), analysis.Needs("ended", float64(w.lanes[measures.GCLaneCycles])))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		all := newGCWindow(p, c, over, p.Trace.From, p.Trace.To)
		finding := analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("The GC takes %s of the P time used %s: a cycle is under way %s of the time, %s end",
				say.Percent(share), window.In(p, w.from, w.to), say.Percent(w.marking()), analysis.FormatRate(w.cycleRate())) + evidence.AllocatedAt(p, c) + smallGOGC(heapRoom(c)) + assistPart(all),
			Cost:       analysis.Cost{Value: all.taken(), Total: all.used(), Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence:   evidence.AllocationSites(p, c, w.from, w.to),
			Advice:     lessGarbage + " gc.cycles, gc.mark.wall and gc.worker.dedicated should fall.",
			Caveat:     "P time of workers and assist is an upper bound of the runtime's own count. Sites are where assists happened and cycles began: likely, not surely, where most is allocated; a heap profile (alloc_space) tells.",
		}
		// A mark that is always under way is what makes allocation pay.
		finding.Explains = []string{"assist-heavy", "mmu-low", "sweep-on-allocation", "assist-queue-wait", "stw-long", "limits/gc"}
		finding.Explains = append(finding.Explains, StopsExplained(measures.STWOf(p), g.Severity, true)...)
		if evidence.CauseShare(p, parse.CauseGC, parse.CauseSTW) >= evidence.ExplainsFrom {
			finding.Explains = append(finding.Explains, "latency-tail", "netpoll-delay", "syscall-return-wait", "mark-starves-users", "request-path/starved")
		}
		p.Find(finding)
		return nil
	},
}

// assistPart says how much of what the GC took was mark assist, where it is a lot.
func assistPart(w *gcWindow) string {
	if share := say.Ratio(w.lanes[measures.GCLaneAssist], w.taken()); share >= .1 {
		return fmt.Sprintf("; %s of it is mark assist, done by the goroutines that allocate", say.Percent(share))
	}
	return ""
}

// smallGOGC says what GOGC is at most where heap goals leave little room above what lives:
// stacks and globals add to the goal (mgcpacer.go: commit), and are not in what lives.
func smallGOGC(room float64, ok bool) string {
	if ok && room <= 1.005 { // GOGC=1 leaves more
		return "; heap goals are what lives: a memory limit leaves no room"
	}
	if ok && room > 1.02 && room < 1.6 {
		return fmt.Sprintf("; heap goals are %.2f times what lives: GOGC ≤ %.0f", room, math.Floor(100*(room-1)+1e-6))
	}
	return ""
}
