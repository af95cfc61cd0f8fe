package procs

import (
	"fmt"
	"math"

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
			Name: "cpu-throttled.chance", Doc: "chance that so many of all holes end within 6 ms of 100, anywhere, if they come at random", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .001},
			Source: "a quota of cgroup v1 and v2 is refilled by a timer each cpu.cfs_period_us (100 ms); a host that others use adds holes of its own, at random: 18 of 19 were in phase with a planted quota, at most 4 of 20 without (chance 1)",
		},
		{
			Name: "cpu-throttled.longer", Doc: "mean length of holes in phase over that of the others, where these are more", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1.5},
			Source: "from one preemption to the next, goroutines that compute make holes of one length, by the system's timer: four of 25 ms (macOS), ten of 10 ms fit in 100 ms. Those of a planted quota were 12 times as long as the others",
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
		var inPhase measures.Phase
		long, short := &f.Holes()[1], &f.Holes()[0]
		all := *long
		all.Add(short)
		for _, holes := range []struct {
			of    *measures.Holes
			which string
		}{{long, "holes of 20 ms or longer"}, {short, "holes of 5 to 20 ms"}, {&all, "holes of 5 ms or longer"}} {
			phase := commonestPhase(holes.of)
			conditions := []analysis.Condition{analysis.Grades("share", say.Ratio(phase.NS, wall)), analysis.Needs("holes", float64(phase.N)), analysis.Needs("chance", byChance(phase.N, holes.of.N))}
			g := p.Gate(conditions...)
			if others := holes.of.N - phase.N; g.Severity != "" && others > phase.N {
				g = p.Gate(append(conditions, analysis.Needs("longer", say.Ratio(phase.NS*others, (holes.of.NS-phase.NS)*phase.N)))...)
			}
			if g.Severity.Rank() > best.Severity.Rank() || g.Severity != "" && g.Severity == best.Severity && phase.NS > inPhase.NS {
				best, inPhase = g, phase
			}
			near = near.Nearer(g.At(holes.which))
		}
		if best.Severity == "" {
			p.Clear(near)
			return nil
		}
		cost := inPhase.NS
		finding := analysis.Finding{
			Severity: best.Severity, Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("A CPU quota stopped the program: %s times, %s in all (%s of the time), nothing happened on any P though some had work, and each time it went on at the same moment of a period of 100 ms",
				analysis.FormatCount(inPhase.N), p.Dur(cost), analysis.FormatRatio(say.Ratio(cost, wall))),
			Cost:     evidence.WallTime(p, cost),
			Evidence: holeEvidence(p, f), During: holeEvidence(p, f),
			Advice:   "Raise the CPU limit of the container or drop it, and set GOMAXPROCS to it (Go 1.25 and later do by default); sched.latency.user.p99 and preempt.overrun.count should fall.",
			Caveat:   "The trace does not tell on a CPU from waiting for one: cpu.stat of the cgroup (nr_throttled) has the proof.",
			Explains: []string{"oversubscribed-host", "oversubscribed-host/stalled", "oversubscribed-host/late", "slice-overrun", "late-timers"},
		}
		// The cause of most waiting explains its tail.
		if waited := f.Runnable().Sum() - f.Yielding(); evidence.Causes(f.Holes()[0].Waits+f.Holes()[1].Waits, waited) {
			finding.Explains = append(finding.Explains, "latency-tail")
		}
		p.Find(finding)
		return nil
	},
}

// commonestPhase is the holes that end in those holeSpread neighbouring phases where most
// do.
func commonestPhase(h *measures.Holes) (most measures.Phase) {
	for i := range h.Phases {
		var sum measures.Phase
		for k := range holeSpread {
			p := h.Phases[(i+k)%measures.HolePhases]
			sum.N += p.N
			sum.NS += p.NS
		}
		if sum.N > most.N || sum.N == most.N && sum.NS > most.NS {
			most = sum
		}
	}
	return most
}

// byChance is the chance that k or more of n moments at random lie in holeSpread
// neighbouring ones of all phases: at most the sum over where these may begin.
func byChance(k, n int64) float64 {
	const p = float64(holeSpread) / measures.HolePhases
	lgamma := func(v int64) float64 { l, _ := math.Lgamma(float64(v)); return l }
	tail := 0.0
	for i := k; i <= n; i++ {
		tail += math.Exp(lgamma(n+1) - lgamma(i+1) - lgamma(n-i+1) + float64(i)*math.Log(p) + float64(n-i)*math.Log(1-p))
	}
	return min(1, measures.HolePhases*tail)
}
