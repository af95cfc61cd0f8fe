package procs

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

const (
	holeSpread = 3 // neighbouring phases that count as one
)

var cpuThrottled = &analysis.Analyzer{
	Name: "cpu-throttled", Proof: "timeline.lanes",
	Doc:   say.Page(pages, "cpu-throttled"),
	About: analysis.Host,
	Thresholds: []analysis.Threshold{
		{
			Name: "cpu-throttled.share", Doc: "share of the time in holes (no event on any P though some had work) that end at the same phase of 100 ms", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .01, Error: .1},
			Source: "1 % is 10 ms lost in a second, a whole time slice; 10 % is the catalogue's limit for a quota that is too small",
		},
		{
			Name: "cpu-throttled.holes", Doc: "holes that end at the same phase of 100 ms", Unit: analysis.Count, Levels: analysis.Levels{Note: 5},
			Source: "the chance that five holes end within 6 ms of 100 by accident is below 1 in 1,000",
		},
		{
			Name: "cpu-throttled.phase", Doc: "share of the holes that end at the most common phase of 100 ms", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .8},
			Source: "a quota of cgroup v1 and v2 is refilled by a timer each cpu.cfs_period_us (100 ms); 18 of 19 were in phase with a planted quota, at most 4 of 20 without",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Parallelism},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.ParallelismOf(p)
		wall := p.Trace.Duration()
		var best, near analysis.Gate
		var of *measures.Holes
		var inPhase int64
		for i := range f.Holes() {
			h := &f.Holes()[i]
			n := commonestPhase(h)
			share := say.Ratio(n, h.N)
			// Holes out of phase are taken out by their number.
			g := p.Gate(analysis.Grades("share", share*say.Ratio(h.NS, wall)), analysis.Needs("holes", float64(n)), analysis.Needs("phase", share))
			if g.Severity.Rank() > best.Severity.Rank() {
				best, of, inPhase = g, h, n
			}
			near = near.Nearer(g.At("holes of " + []string{"5 to 20 ms", "20 ms or longer"}[i]))
		}
		if of == nil {
			p.Clear(near)
			return nil
		}
		cost := int64(float64(of.NS) * say.Ratio(inPhase, of.N))
		finding := analysis.Finding{
			Severity: best.Severity, Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("A CPU quota stopped the program: %s times, %s in all (%s of the time), nothing happened on any P though some had work, and each time it went on at the same moment of a period of 100 ms",
				analysis.FormatCount(inPhase), p.Dur(cost), analysis.FormatRatio(say.Ratio(cost, wall))),
			Cost:     evidence.WallTime(p, cost),
			Evidence: holeEvidence(p, f), During: holeEvidence(p, f),
			Advice:   "Raise the CPU limit of the container or drop it, and set GOMAXPROCS to it (Go 1.25 and later do by default); sched.latency.user.p99 and preempt.overrun.count should fall.",
			Caveat:   "The trace does not tell on a CPU from waiting for one: cpu.stat of the cgroup (nr_throttled) has the proof.",
			Explains: []string{"oversubscribed-host", "oversubscribed-host/stalled", "slice-overrun"},
		}
		// The cause of most waiting explains its tail.
		if waited := f.Runnable().Sum() - f.Yielding(); evidence.Causes(f.Holes()[0].Waits+f.Holes()[1].Waits, waited) {
			finding.Explains = append(finding.Explains, "latency-tail")
		}
		p.Find(finding)
		return nil
	},
}

// commonestPhase is how many holes end in those holeSpread neighbouring phases where
// most do.
func commonestPhase(h *measures.Holes) (n int64) {
	for i := range h.Phases {
		var sum int64
		for k := range holeSpread {
			sum += h.Phases[(i+k)%measures.HolePhases]
		}
		n = max(n, sum)
	}
	return n
}
