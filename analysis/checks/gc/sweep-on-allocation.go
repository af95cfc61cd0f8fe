package gc

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var sweepOnAllocation = &analysis.Analyzer{
	Name: "sweep-on-allocation", Proof: "gc.share",
	Doc:      say.Page(pages, "sweep-on-allocation"),
	Requires: []*analysis.Analyzer{measures.GC, measures.Timeline},
	Thresholds: []analysis.Threshold{
		{Name: "sweep-on-allocation.share", Doc: "P time in which user goroutines swept spans in order to allocate, as a share of their P time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .03}, Source: "sweeping is bought with each allocation; 3 % is twice what programs with a healthy heap pay"},
		{Name: "sweep-on-allocation.time", Doc: "P time in which user goroutines swept spans in order to allocate", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 5e6}, Source: "half a time slice (forcePreemptNS)"},
	},
	Run: func(p *analysis.Pass) error {
		c := measures.GCOf(p)
		if c.Cycles()+c.Cut()+c.Sweep().N == 0 {
			p.NotApplicable(evidence.NoGC(p))
			return nil
		}
		total := measures.TimelineOf(p).Sums(p).Total
		user := max(c.Sweep().CPU, total[measures.ShareUser])
		share := say.Ratio(c.Sweep().CPU, user)
		g := p.Gate(analysis.Grades("share", share), analysis.Needs("time", float64(c.Sweep().CPU)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		sites := measures.RankSites(p, c.Sweeps(), func(s parse.StackID) parse.StackID { return s }, (*measures.GCSum).Add, func(s *measures.GCSum) int64 { return s.CPU })
		p.Find(analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("User goroutines spend %s of their P time sweeping spans in order to allocate: %s in %s, most at %s",
				say.Percent(share), p.Dur(c.Sweep().CPU), say.Counted(c.Sweep().N, "sweep", "sweeps"), sites[0].Site),
			Cost:       analysis.Cost{Value: c.Sweep().CPU, Total: user, Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence: evidence.SiteEvidence(p, sites, p.Trace.From, p.Trace.To, func(s *measures.GCSum) string {
				return fmt.Sprintf("%s, %s in all, the longest %s, %s swept", say.Counted(s.N, "sweep", "sweeps"), p.Dur(s.CPU), p.Dur(s.MaxWall), analysis.FormatBytes(s.Bytes))
			}),
			Advice: "Rarer cycles need less sweeping (a higher GOGC, fewer allocations); fewer small objects that live and die apart leave fewer spans to search. gc.sweep.cpu should fall.",
			Caveat: "Sweeping in the background is not counted, nor harmful.",
		})
		return nil
	},
}
