package tasks

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var UnfinishedTasks = &analysis.Analyzer{
	Name: "unfinished-tasks", Proof: "tasks.tasks",
	Doc:         say.Page(pages, "unfinished-tasks"),
	Interactive: true,
	Requires:    []*analysis.Analyzer{measures.Tasks},
	Thresholds: []analysis.Threshold{
		{
			Name: "unfinished-tasks.share", Doc: "share of the tasks of a type, of those that started in the trace, that are open at the end for longer than 99 % of the others took", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05}, Source: "by definition 1 % take longer than p99",
		},
		{
			Name: "unfinished-tasks.open", Doc: "tasks of a type that are open at the end for longer than 99 % of the others took", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "a program may have some tasks that last as long as itself",
		},
	},
	Run: func(p *analysis.Pass) error {
		f := measures.TasksOf(p)
		if len(f.Tasks()) == 0 {
			p.NotApplicable(evidence.NoTasks)
			return nil
		}
		found := 0
		var near analysis.Gate
		for _, r := range tally.Rank(f.Tasks(), func(a measures.Annotation) tally.Label { return a.Label(p) }, (*measures.Annotated).Add, func(a *measures.Annotated) int64 { return a.Unfinished }) {
			h := &r.V.Lengths
			usual := h.QuantileAny(.99) // 0 when none ended
			var open, old, oldNS int64
			for i, n := range r.V.Open.Bins() {
				open += n
				if tally.CoarseBottom(i) > usual {
					old += n
					oldNS += n * tally.CoarseBottom(i)
				}
			}
			begun := h.N() + open
			g := p.Gate(analysis.Grades("share", say.Ratio(old, begun)), analysis.Grades("open", float64(old)))
			near = near.Nearer(g.At(r.Label[0]))
			if g.Severity == "" || found == evidence.MaxFindings {
				continue
			}
			found++
			than := "none of that type ended"
			if h.N() > 0 {
				than = "99 % of the others took at most " + p.Dur(usual)
			}
			finding := analysis.Finding{
				Severity: g.Severity,
				Summary: fmt.Sprintf("%s of %s tasks of type %s did not end (%s); %s",
					analysis.FormatCount(old), analysis.FormatCount(begun), r.Label[0], analysis.FormatRatio(say.Ratio(old, begun)), than),
				Cost:       analysis.Cost{Value: oldNS, Total: r.V.Total, Clock: analysis.GTime},
				Confidence: analysis.Inferred,
				Advice:     "Call Task.End on every way out, best with defer where NewTask was called; if it is called, see what these tasks wait for. The column unfinished of tasks.tasks should fall.",
				Caveat:     "Tasks of very different length under one type look the same.",
			}
			for _, e := range f.Oldest().Items() {
				if measures.IsOf(p, e.Item.Name, r.Label[0]) && len(finding.Evidence) < 5 {
					g := int64(e.Item.G)
					from := p.Rel(parse.Time(e.Time))
					finding.Evidence = append(finding.Evidence, analysis.Evidence{From: from, To: from + e.Value, G: &g, Func: p.FuncName(e.Item.Fn), Note: "open for " + p.Dur(e.Value), Stack: p.Stack(e.Item.Stack)})
				}
			}
			p.Find(finding)
		}
		if found == 0 {
			p.Clear(near)
		}
		return nil
	},
}
