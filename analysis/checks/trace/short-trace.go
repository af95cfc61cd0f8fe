package trace

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

var shortTrace = &analysis.Analyzer{
	Name:  "short-trace",
	Doc:   say.Page(pages, "short-trace"),
	About: analysis.File,
	Thresholds: []analysis.Threshold{
		{
			Name: "short-trace.duration", Doc: "length of what was analysed", Unit: analysis.NS, Below: true,
			Levels: analysis.Levels{Note: 1e9},
			Source: "checks look for the worst second (schedWindow); the tracer writes a generation a second (runtime/trace.go)",
		},
		{
			Name: "short-trace.waits", Doc: "waits of user goroutines for a P", Unit: analysis.Count, Below: true,
			Levels: analysis.Levels{Note: 999},
			Source: "a p99 is given when ten values lie beyond it: from 1,000 on",
		},
	},
	Requires: []*analysis.Analyzer{measures.Latency},
	Run: func(p *analysis.Pass) error {
		wall := p.Trace.Duration()
		if wall <= 0 {
			p.NotApplicable("no time passes in this trace; record while the program works")
			return nil
		}
		n := measures.LatencyOf(p).Headline(p).N()
		g := p.Gate(analysis.Grades("duration", float64(wall)), analysis.Grades("waits", float64(n)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("The trace is short: %s with %s of user goroutines for a P, too few for a p99 and for what happens once a second",
				p.Dur(wall), say.Counted(n, "wait", "waits")),
			Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Note: "all that was analysed"})},
			Advice:   "Record a few seconds under the load in question, or widen the window; trace.duration should be 1 s or more.",
			Caveat:   "What is in the trace is measured as ever; rare things may be missing.",
		})
		return nil
	},
}
