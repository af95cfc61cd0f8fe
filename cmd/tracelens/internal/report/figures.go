package report

import (
	"cmp"
	"fmt"
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

// MainFigures are the figures that matter most for this trace, in the report's
// order: what the Ps did and how long goroutines waited for one; then those whose
// metric is farthest above the level at which it begins to matter; then the general
// ones.
func MainFigures(r *analysis.Report) []View {
	all := Figures(r)
	score := make(map[string]float64)
	for _, s := range salience {
		if m, ok := r.Metrics[s.metric]; ok || s.metric == "" {
			v := s.level
			if s.metric != "" {
				v = float64(m.Value) / s.level
			}
			score[s.figure] = max(score[s.figure], v)
		}
	}
	if slices.ContainsFunc(all, func(v View) bool { return v.Figure.Name == "timeline.spans" }) {
		score["timeline.lanes"] = 0 // the same, less exact
	}
	best := slices.Clone(all)
	slices.SortStableFunc(best, func(a, b View) int { return cmp.Compare(score[b.Figure.Name], score[a.Figure.Name]) })
	n := 0
	for n < min(len(best), mostFigures) && (n < fewFigures || score[best[n].Figure.Name] >= 1) {
		n++
	}
	return slices.DeleteFunc(all, func(v View) bool { return !slices.Contains(best[:n], v) })
}

// salience says from which level of a metric on a figure has something to say;
// without a metric, how much it always has.
var salience = []struct {
	figure, metric string
	level          float64
}{
	{"timeline.spans", "", 1e12},
	{"timeline.lanes", "", 1e12},
	{"latency.cause", "", 1e11},
	{"timeline.time", "", .9},
	{"parallelism.time", "", .8},
	{"blocking.waits", "", .7},
	{"parallelism.time", "goroutines.runnable.mean", 1},
	{"waits.cause", "sched.latency.user.p99", 1e6},
	{"waits.cause", "sched.latency.user.max", 10e6},
	{"gc.share", "procs.share.gcworker", .05},
	{"gc.share", "procs.share.assist", .01},
	{"gc.heap", "procs.share.gcworker", .1},
	{"gc.heap", "procs.share.assist", .02},
	{"gc.cycle", "procs.share.gcworker", .1},
	{"gc.cycle", "procs.share.assist", .02},
	{"stw.waterfall", "stw.gc.total.max", 1e6},
	{"stw.waterfall", "stw.other.total.max", 1e6},
	{"stealing.matrix", "steal.share", .2},
	{"syscalls.durations", "procs.share.syscall", .1},
	{"preemption.lengths", "preempt.overrun.count", 1},
	{"goroutines.alive", "goroutines.max", 1000},
	{"netpoll.latency", "netpoll.latency.p99", 1e6},
}

// PlotOptions are those that make the pictures of a report comparable: the
// analysed time, and which trace it was.
func PlotOptions(r *analysis.Report) plots.Options {
	t := r.Trace
	footer := fmt.Sprintf("%s, %s, %s", filepath.Base(t.Name), t.Format, analysis.FormatDuration(t.Duration, t.Quantum))
	if t.Window {
		footer += " from " + analysis.FormatMoment(t.From)
	}
	if t.Fault != "" {
		footer += ", incomplete"
	}
	return plots.Options{From: t.From, To: t.To, Quantum: t.Quantum, Footer: Clean(footer + ", " + r.Tool)}
}
