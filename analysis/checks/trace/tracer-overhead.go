package trace

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

var tracerOverhead = &analysis.Analyzer{
	Name:  "tracer-overhead",
	Doc:   say.Page(pages, "tracer-overhead"),
	About: analysis.File,
	Thresholds: []analysis.Threshold{
		{
			Name: "tracer-overhead.share", Doc: "events × 100 ns, as a share of the time of busy Ps", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1, Warning: .25},
			Source: "100 to 150 ns for each event were measured with Go 1.21 and later; the least is taken. A healthy echo server has 6 %, many goroutines woken at once 31 %",
		},
		{
			Name: "tracer-overhead.rate", Doc: "events per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 50e3},
			Source: "half a percent of one P: below that nothing is to be gained",
		},
		{
			Name: "tracer-overhead.events", Doc: "events in the trace", Unit: analysis.Count, Levels: analysis.Levels{Note: 10e3},
			Source: "fewer are the start of the trace, which lists all goroutines",
		},
	},
	Requires: []*analysis.Analyzer{measures.Trust, measures.Latency, measures.Tasks},
	Run: func(p *analysis.Pass) error {
		f := measures.TrustOf(p)
		read := p.Trace.Last - p.Trace.First
		if read <= 0 || f.Busy() <= 0 {
			p.NotApplicable("no P is busy in this trace; record while the program works")
			return nil
		}
		// Events are counted of the whole reading, busy Ps of the window.
		// A coroutine switch is written as one event and read as three.
		n := max(p.Trace.Events-2*measures.LatencyOf(p).Coroutines(), 0)
		perNS := float64(n) / float64(read)
		cost := perNS * float64(p.Trace.Duration()) * measures.TrustEventLow
		share := min(cost/float64(f.Busy()), 1)
		g := p.Gate(analysis.Grades("share", share), analysis.Needs("rate", perNS*1e9), analysis.Needs("events", float64(n)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		whose := ""
		advice := "Take short times as upper bounds. Fewer regions and logs, and fewer handovers between goroutines, make fewer events"
		// A part of the trace has a part of its annotations, but all of its events.
		if own, most := measures.TasksOf(p).Written(p); 2*own >= n {
			whose = fmt.Sprintf(", %s of it for the program's own annotations, most %s", analysis.FormatRatio(say.Ratio(own, n)), most)
			advice = "Annotate requests and phases, not each item: what takes less than some µs is not worth a region or a log. Until then take short times as upper bounds"
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Heuristic,
			Summary: fmt.Sprintf("Tracing itself took about %s to %s of the time of busy Ps%s: %s events in %s, %s",
				analysis.FormatRatio(share), analysis.FormatRatio(min(share*measures.TrustEventHigh/measures.TrustEventLow, 1)), whose,
				analysis.FormatCount(n), p.Dur(int64(read)), analysis.FormatRate(perNS*1e9)),
			Cost:     analysis.Cost{Value: min(int64(cost), f.Busy()), Total: f.Busy(), Clock: analysis.PTime},
			Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Note: analysis.FormatRate(perNS*1e9) + " events on average"})},
			Advice:   advice + ": trace.events_per_s should fall.",
			Caveat:   "The cost of an event differs by CPU and is not in the trace.",
		})
		return nil
	},
}
