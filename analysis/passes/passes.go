// Package passes is the catalogue of analyzers: the measures, then the checks by
// topic. The order is that of the report.
package passes

import (
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/blocking"
	"github.com/tracelens/tracelens/analysis/checks/gc"
	"github.com/tracelens/tracelens/analysis/checks/procs"
	"github.com/tracelens/tracelens/analysis/checks/sched"
	"github.com/tracelens/tracelens/analysis/checks/stw"
	"github.com/tracelens/tracelens/analysis/checks/syscalls"
	"github.com/tracelens/tracelens/analysis/checks/tasks"
	"github.com/tracelens/tracelens/analysis/checks/trace"
	"github.com/tracelens/tracelens/analysis/measures"
)

// All returns the catalogue.
func All() []*analysis.Analyzer { return slices.Concat(measures.All, Checks()) }

// Checks returns the analyzers that say what is wrong.
func Checks() []*analysis.Analyzer {
	return slices.Concat(trace.All, procs.All, sched.All, syscalls.All, gc.All, stw.All, blocking.All, tasks.All)
}

// Metrics returns the metrics of the catalogue, sorted by id.
func Metrics() []analysis.MetricDef { return analysis.MetricsOf(All()) }

// Figures returns the figures of the catalogue, in the order of the report.
func Figures() (out []analysis.FigureDef) {
	for _, a := range All() {
		out = append(out, a.Figures...)
	}
	return append(out, measures.LaneFigures...)
}
