package passes

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
)

// qualityJudges judge how far a trace can be trusted.
var qualityJudges = []*analysis.Analyzer{incompleteTrace, shortTrace, tracerOverhead}

var incompleteTrace = &analysis.Analyzer{
	Name: "incomplete-trace",
	Doc:  judgePage("incomplete-trace"),
	Thresholds: []analysis.Threshold{{
		Name: "incomplete-trace.lost", Doc: "1 when the file ends or breaks before the trace does", Unit: analysis.Count,
		Levels: analysis.Levels{Warning: 1},
		Source: "a fact of the file; the format marks the end of a trace since Go 1.26, of a generation since 1.22",
	}},
	Run: func(p *analysis.Pass) error {
		if p.Trace.Fault == nil {
			p.Say("the trace was read to its end")
			return nil
		}
		end := p.Rel(p.Trace.To)
		p.Find(analysis.Finding{
			Severity:   p.Severity("lost", 1),
			Summary:    fmt.Sprintf("The trace is incomplete after %s: %v", p.At(p.Trace.To), p.Trace.Fault),
			Confidence: analysis.Measured,
			Evidence:   []analysis.Evidence{{From: end, To: end, Note: "the last time that could be read"}},
			Advice:     "Call trace.Stop, or wait for WriteTo of the flight recorder, before the program exits or the file is copied; then record again. Complete traces have trace.complete 1.",
			Caveat:     "Every number is about the part before the loss only.",
		})
		return nil
	},
}

var shortTrace = &analysis.Analyzer{
	Name: "short-trace",
	Doc:  judgePage("short-trace"),
	Thresholds: []analysis.Threshold{
		{
			Name: "short-trace.duration", Doc: "length of what was analysed", Unit: analysis.NS, Below: true,
			Levels: analysis.Levels{Note: 1e9},
			Source: "judges look for the worst second (schedWindow); the tracer writes a generation a second (runtime/trace.go)",
		},
		{
			Name: "short-trace.waits", Doc: "waits of user goroutines for a P", Unit: analysis.Count, Below: true,
			Levels: analysis.Levels{Note: 999},
			Source: "a p99 is given when ten values lie beyond it: from 1,000 on",
		},
	},
	Requires: []*analysis.Analyzer{latency},
	Run: func(p *analysis.Pass) error {
		wall := p.Trace.Duration()
		if wall <= 0 {
			p.NotApplicable("no time passes in this trace; record while the program works")
			return nil
		}
		n := analysis.FoldOf[*latencyFold](p, latency).headline().N()
		severity := analysis.Least(p.Severity("duration", float64(wall)), p.Severity("waits", float64(n)))
		if severity == "" {
			p.Say("%s with %s of user goroutines for a P: short is below %s and fewer than 1,000",
				p.Dur(wall), counted(n, "wait", "waits"), p.Dur(int64(p.Limit("duration"))))
			return nil
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("The trace is short: %s with %s of user goroutines for a P, too few for a p99 and for what happens once a second",
				p.Dur(wall), counted(n, "wait", "waits")),
			Evidence: []analysis.Evidence{{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Note: "all that was analysed"}},
			Advice:   "Record a few seconds under the load in question, or widen the window; trace.duration should be 1 s or more.",
			Caveat:   "What is in the trace is measured as ever; rare things may be missing.",
		})
		return nil
	},
}

var tracerOverhead = &analysis.Analyzer{
	Name: "tracer-overhead",
	Doc:  judgePage("tracer-overhead"),
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
			Name: "tracer-overhead.events", Doc: "events", Unit: analysis.Count, Levels: analysis.Levels{Note: 10e3},
			Source: "fewer are the begin of the trace, which lists all goroutines",
		},
	},
	Requires: []*analysis.Analyzer{trust, latency},
	Run: func(p *analysis.Pass) error {
		f := analysis.FoldOf[*trustFold](p, trust)
		read := p.Trace.Last - p.Trace.First
		if read <= 0 || f.busy <= 0 {
			p.NotApplicable("no P is busy in this trace; record while the program works")
			return nil
		}
		// Events are counted of the whole reading, busy Ps of the window.
		// A coroutine switch is written as one event and read as three.
		n := max(p.Trace.Events-2*analysis.FoldOf[*latencyFold](p, latency).coroutines, 0)
		perNS := float64(n) / float64(read)
		cost := perNS * float64(p.Trace.Duration()) * trustEventLow
		share := min(cost/float64(f.busy), 1)
		met := p.Met("rate", perNS*1e9) && p.Met("events", float64(n))
		severity := p.Severity("share", share)
		if !met || severity == "" {
			p.Say("tracing took about %s of the time of busy Ps (%s, guess: 100 ns each); limit %s from %s on",
				analysis.FormatRatio(share), analysis.FormatRate(perNS*1e9)+" events", analysis.FormatRatio(p.Limit("share")), analysis.FormatRate(p.Limit("rate")))
			return nil
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Heuristic,
			Summary: fmt.Sprintf("Tracing itself took about %s to %s of the time of busy Ps: %s events in %s, %s",
				analysis.FormatRatio(share), analysis.FormatRatio(min(share*trustEventHigh/trustEventLow, 1)),
				analysis.FormatCount(n), p.Dur(int64(read)), analysis.FormatRate(perNS*1e9)),
			Cost:     analysis.Cost{Value: min(int64(cost), f.busy), Total: f.busy, Clock: analysis.PTime},
			Evidence: []analysis.Evidence{{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Note: analysis.FormatRate(perNS*1e9) + " events on average"}},
			Advice:   "Take short times as upper bounds. Fewer regions and logs, and fewer handovers between goroutines, make fewer events: trace.events_per_s should fall.",
			Caveat:   "The cost of an event differs by CPU and is not in the trace.",
		})
		return nil
	},
}
