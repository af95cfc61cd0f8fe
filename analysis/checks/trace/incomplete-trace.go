package trace

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
)

var incompleteTrace = &analysis.Analyzer{
	Name:  "incomplete-trace",
	Doc:   say.Page(pages, "incomplete-trace"),
	About: analysis.File,
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
			Severity:   p.Gate(analysis.Grades("lost", 1)).Severity,
			Summary:    fmt.Sprintf("The trace is incomplete after %s: %v", p.At(p.Trace.To), p.Trace.Fault),
			Confidence: analysis.Measured,
			Evidence:   []analysis.Evidence{{From: end, To: end, Note: "the last time that could be read"}},
			Advice:     "Call trace.Stop, or wait for WriteTo of the flight recorder, before the program exits or the file is copied; then record again. Complete traces have trace.complete 1.",
			Caveat:     "Every number is about the part before the loss only.",
		})
		return nil
	},
}
