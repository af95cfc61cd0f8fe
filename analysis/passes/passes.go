// Package passes is the catalogue of analyzers: measures, one file each with its
// page NAME.md beside it, and judges, one file for each topic with their pages in
// judges/. The order is that of the report.
package passes

import (
	"embed"
	"slices"

	"github.com/tracelens/tracelens/analysis"
)

//go:embed *.md judges/*.md
var pages embed.FS

// page returns the page of the measure of that name.
func page(name string) string { return pageFile(name + ".md") }

// judgePage returns the page of the judge of that name.
func judgePage(name string) string { return pageFile("judges/" + name + ".md") }

func pageFile(name string) string {
	b, err := pages.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// All returns the catalogue.
func All() []*analysis.Analyzer { return slices.Concat(measures, Judges()) }

// Judges returns the analyzers that have findings and measure nothing.
func Judges() []*analysis.Analyzer {
	return slices.Concat(qualityJudges, parallelismJudges, schedulingJudges, syscallJudges, gcJudges, blockingJudges, joinJudges)
}

var measures = []*analysis.Analyzer{
	limits,
	trust,
	kinds,
	holders,
	timeline,
	parallelism,
	latency,
	waits,
	stealing,
	preemption,
	syscalls,
	netpoll,
	stw,
	gc,
	goroutines,
	blocking,
	tasks,
	samples,
}
