// Package passes is the catalogue of analyzers, one file each, with its page
// NAME.md beside it. The order is that of the report.
package passes

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

//go:embed *.md
var pages embed.FS

// page returns the page of the analyzer of that name.
func page(name string) string {
	b, err := pages.ReadFile(name + ".md")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// All returns the catalogue.
func All() []*analysis.Analyzer {
	return []*analysis.Analyzer{
		limits,
		trust,
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
	}
}
