package gc

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var idleMarking = &analysis.Analyzer{
	Name: "idle-marking", Proof: "gc.share",
	Doc:      say.Page(pages, "idle-marking"),
	Requires: []*analysis.Analyzer{measures.GC, measures.Timeline},
	Thresholds: []analysis.Threshold{
		{Name: "idle-marking.share", Doc: "P time of idle GC workers, as a share of all P time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1}, Source: "a tenth of the machine that the program does not see it use"},
		{Name: "idle-marking.times", Doc: "P time of idle GC workers, as a share of that of all other GC work", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: 1}, Source: "most of the marking is then done beside the GC's own quarter of the Ps"},
		{Name: "idle-marking.time", Doc: "P time of idle GC workers", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6}, Source: "population"},
	},
	Run: func(p *analysis.Pass) error {
		c := measures.GCOf(p).Closed(p)
		if c.Cycles()+c.Cut() == 0 {
			p.NotApplicable(evidence.NoGC(p))
			return nil
		}
		idle := c.Workers()[parse.ModeIdle].CPU
		total, _ := p.Value("procs.time")
		share, rest := float64(idle)/total, c.Marked()+c.Assist().CPU+c.Pauses().CPU
		g := p.Gate(analysis.Grades("share", share), analysis.Needs("times", float64(idle)/float64(max(1, rest))), analysis.Needs("time", float64(idle)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Idle Ps mark: GC idle workers have %s of P time (%s in %s), all other GC work %s",
				say.Percent(share), p.Dur(idle), say.Counted(c.Cycles()+c.Cut(), "cycle", "cycles"), p.Dur(rest)),
			Cost:     evidence.ProcTime(p, float64(idle)),
			Evidence: evidence.LimitRows(evidence.AllocationSites(p, c, p.Trace.From, p.Trace.To), 5),
			Advice:   "No goroutine waits for it, but it is CPU that a container's quota counts and that neighbours miss: set GOMAXPROCS to the CPUs that are really there, or make cycles rarer (a higher GOGC). gc.worker.idle should fall.",
			Caveat:   "On CPUs of one's own it makes cycles shorter and does no harm.",
		})
		return nil
	},
}
