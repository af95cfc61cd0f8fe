package report

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/plots"
)

// A View is a figure with its table.
type View struct {
	Figure *analysis.Figure
	Table  *analysis.Table // nil when there is nothing to draw, and then
	Why    string          // says why
}

// Figures are all figures of a report, in its order.
func Figures(r *analysis.Report) (all []View) {
	for _, res := range r.Results {
		for i := range res.Figures {
			f := &res.Figures[i]
			for _, t := range res.Tables {
				if t.Name == f.Table {
					all = append(all, View{Figure: f, Table: t})
				}
			}
		}
	}
	return all
}

// From four to six figures are drawn where nobody asks for particular ones.
const fewFigures, mostFigures = 4, 6

// MainFigures are the figures that matter most for this trace: first those that show its
// findings, the gravest first; then, in the report's order, what the Ps did, how long
// goroutines waited for one and where their time goes, those whose metric is farthest
// above the level at which it begins to matter, and the general ones.
func MainFigures(r *analysis.Report) []View {
	all := Figures(r)
	score := make(map[string]float64)
	for _, v := range all {
		score[v.Figure.Name] = float64(v.Figure.Weight)
	}
	for _, v := range all {
		if v.Figure.Replaces != "" {
			score[v.Figure.Replaces] = 0
		}
	}
	proof := make(map[string]int) // figures by the rank of the finding that they show
	for i, f := range r.Findings() {
		if _, shown := score[f.Figure]; shown && proof[f.Figure] == 0 && f.Severity.Rank() >= analysis.Warning.Rank() && len(proof) < fewFigures {
			proof[f.Figure] = -1000 + i
			score[f.Figure] = math.Inf(1)
		}
	}
	best := slices.Clone(all)
	slices.SortStableFunc(best, func(a, b View) int { return cmp.Compare(score[b.Figure.Name], score[a.Figure.Name]) })
	n := 0
	for n < min(len(best), mostFigures) && (n < fewFigures || score[best[n].Figure.Name] >= 1) {
		n++
	}
	main := slices.DeleteFunc(all, func(v View) bool { return !slices.Contains(best[:n], v) })
	slices.SortStableFunc(main, func(a, b View) int { return proof[a.Figure.Name] - proof[b.Figure.Name] })
	return main
}

// PlotOptions are those that make the pictures of a report comparable: the
// analysed time, and which trace it was.
func PlotOptions(r *analysis.Report) plots.Options {
	t := r.Trace
	footer := filepath.Base(t.Name)
	if c := r.Comparison; c != nil && c.Basis != analysis.Chosen {
		footer = filepath.Base(c.Old.Name) + " → " + filepath.Base(c.New.Name)
	} else if c == nil {
		footer += fmt.Sprintf(", %s, %s", formatName(&t), analysis.FormatDuration(t.Duration, t.Quantum))
	}
	if t.Window {
		footer += " from " + analysis.FormatMoment(t.From)
	}
	if t.Fault != "" {
		footer += ", incomplete"
	}
	return plots.Options{From: t.From, To: t.To, Quantum: t.Quantum, Footer: Clean(footer + ", " + r.Tool)}
}
