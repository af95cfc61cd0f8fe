package sched

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

var hotFunction = &analysis.Analyzer{
	Name: "hot-function", Proof: "goroutines.functions",
	Doc: say.Page(pages, "hot-function"),
	Thresholds: []analysis.Threshold{
		{
			Name: "hot-function.share", Doc: "share of one of the program's own functions, with the library that it calls, in the CPU samples", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .3},
			Source: "to make it twice as fast saves 15 % of the CPU time",
		},
		{
			Name: "hot-function.samples", Doc: "CPU samples", Unit: analysis.Count, Levels: analysis.Levels{Note: 100}, Source: "a share of .3 is then known to ±.09 (95 %)",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Samples},
	Run: func(p *analysis.Pass) error {
		f := analysis.FoldOf[measures.SamplesFold](p, measures.Samples)
		var n int64
		for _, s := range f {
			n += s.N
		}
		if n == 0 {
			p.NotApplicable(measures.NoSamples)
			return nil
		}
		own := measures.Hottest(p.Trace, f)
		if len(own) == 0 {
			p.Say("none of %s is in the program's own code", say.Counted(n, "CPU sample", "CPU samples"))
			return nil
		}
		g := p.Gate(analysis.Grades("share", say.Ratio(own[0].N, n)), analysis.Needs("samples", float64(n))).At(own[0].Name)
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		window := evidence.Whole(p, analysis.Evidence{})
		var shown []analysis.Evidence
		for _, o := range own[:min(5, len(own))] {
			e := window
			e.Func, e.Stack = o.Name, p.Stack(o.Stack)
			e.Note = fmt.Sprintf("%s, %s", say.Counted(o.N, "sample", "samples"), analysis.FormatRatio(say.Ratio(o.N, n)))
			shown = append(shown, e)
		}
		text := fmt.Sprintf("%s is hot: %s of %s were in it or what it called from the library", own[0].Name, analysis.FormatRatio(say.Ratio(own[0].N, n)), say.Counted(n, "CPU sample", "CPU samples"))
		var callers []string
		for _, c := range own[0].Callers(p.Trace, f) {
			if len(callers) < 3 {
				callers = append(callers, fmt.Sprintf("%s (%s)", c.Name, analysis.FormatRatio(say.Ratio(c.N, n))))
				shown = append(shown, analysis.Evidence{From: window.From, To: window.To, Func: c.Name, Note: "calls " + own[0].Name + ": " + say.Counted(c.N, "sample", "samples"), Stack: p.Stack(c.Stack)})
			}
		}
		if callers != nil {
			text += ", called by " + strings.Join(callers, ", ")
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured, Summary: text,
			Cost:     analysis.Cost{Value: own[0].N * measures.SamplePeriod, Total: n * measures.SamplePeriod, Clock: analysis.PTime},
			Evidence: shown,
			Advice:   "Start there when the program is to use less CPU; a CPU profile shows its lines. procs.share.user should fall.",
			Caveat:   "The cost takes 100 samples a second for each thread. A program has to be hot somewhere.",
		})
		return nil
	},
}
