package gc

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

func takenScore(sums []int64, _ int64) float64 {
	return float64(sums[measures.GCLaneWorkers] + sums[measures.GCLaneAssist] + sums[measures.GCLanePauses])
}

var mmuLow = &analysis.Analyzer{
	Name: "mmu-low", Proof: "gc.mmu",
	Doc:         say.Page(pages, "mmu-low"),
	Interactive: true,
	Requires:    []*analysis.Analyzer{measures.GC, measures.Kinds, measures.Timeline},
	Thresholds: []analysis.Threshold{
		{Name: "mmu-low.10ms", Doc: "least share of P time left to the program in any 10 ms", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .49, Warning: .2}, Source: "background marking leaves three quarters, on two Ps with one dedicated worker half"},
		{Name: "mmu-low.100ms", Doc: "least share of P time left to the program in any 100 ms", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Warning: .4}, Source: "over a tenth of a second, what a person notices, assists have taken more than the GC's own share"},
		{Name: "mmu-low.taken", Doc: "P time that the GC took in the worst second, as a share of all P time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .02, Warning: .1}, Source: "a rare dip is a note: it costs a request at most"},
	},
	Run: func(p *analysis.Pass) error {
		c, over, w := gcOf(p, takenScore)
		if w == nil {
			return nil
		}
		worst := c.MMU().Worst()
		short, long := worst[mmuIndex(10e6)], worst[mmuIndex(100e6)]
		if !short.Ok {
			p.NotApplicable(fmt.Sprintf("the trace is shorter than 10 ms (%s); record longer", p.Dur(p.Trace.Duration())))
			return nil
		}
		left := []analysis.Condition{analysis.Grades("10ms", short.Utilization)}
		if long.Ok {
			left = append(left, analysis.Grades("100ms", long.Utilization))
		}
		g := p.Gate(analysis.Either(left...), analysis.Grades("taken", say.Ratio(w.taken(), w.lanes[measures.GCLaneProcs])))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		all := newGCWindow(p, c, over, p.Trace.From, p.Trace.To)
		summary := fmt.Sprintf("The GC leaves the program %s of the P time of the worst 10 ms, at %s", say.Percent(short.Utilization), p.At(parse.Time(short.At)))
		shown := []analysis.Evidence{gcMoment(p, c, short.At, 10e6)}
		if long.Ok {
			summary += fmt.Sprintf(", and %s of the worst 100 ms, at %s", say.Percent(long.Utilization), p.At(parse.Time(long.At)))
			shown = append(shown, gcMoment(p, c, long.At, 100e6))
		}
		advice := "What takes the Ps tells what to change: assists (allocate less while it marks), pauses (see stw-long), workers (rarer cycles: a higher GOGC)."
		for lane, only := range map[int]string{
			measures.GCLaneWorkers: "Make cycles rarer: a higher GOGC, or fewer allocations; its workers take the Ps.",
			measures.GCLaneAssist:  "Allocate less while it marks: goroutines that allocate must mark.",
			measures.GCLanePauses:  "Its pauses take the Ps: see stw-long for what makes them long.",
		} {
			if evidence.MMUPart(p, c, lane) >= evidence.ExplainsFrom {
				advice = only
			}
		}
		summary += evidence.AllocatedAt(p, c)
		p.Find(analysis.Finding{
			Severity:   g.Severity,
			Summary:    summary,
			Cost:       analysis.Cost{Value: all.taken(), Total: all.lanes[measures.GCLaneProcs], Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence:   append(shown, evidence.LimitRows(evidence.AllocationSites(p, c, w.from, w.to), 8)...),
			Advice:     advice + " gc.mmu.10ms should rise.",
			Caveat:     "Idle workers are not counted: they take Ps that the program does not use. A P that the program would not have used counts as taken.",
		})
		return nil
	},
}

// gcMoment says what the GC did in a window of the utilization curve.
func gcMoment(p *analysis.Pass, c *measures.GCFold, at, length int64) analysis.Evidence {
	w := newGCWindow(p, c, sketch.NewSeries(int(measures.NumShares)), parse.Time(at), parse.Time(at+length))
	part := func(lane int) string { return say.Percent(say.Ratio(w.lanes[lane], w.lanes[measures.GCLaneProcs])) }
	return analysis.Evidence{From: p.Rel(parse.Time(at)), To: p.Rel(parse.Time(at + length)),
		Note: fmt.Sprintf("about: workers %s, assist %s, pauses %s of P time", part(measures.GCLaneWorkers), part(measures.GCLaneAssist), part(measures.GCLanePauses))}
}
