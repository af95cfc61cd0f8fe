// Package measures holds the analyzers that measure: NAME.go with the fold, NAME.md
// with its page, NAME_model.go with what checks may ask of the fold.
package measures

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

//go:embed *.md
var pages embed.FS

// shortened is part of folds that keep something which a brief report leaves out.
type shortened struct{ brief bool }

// Brief says that nobody reads it.
func (s *shortened) Brief() { s.brief = true }

// All are the measures, in the order of the report.
var All = []*analysis.Analyzer{
	Trust,
	Kinds,
	Holders,
	Timeline,
	Parallelism,
	Latency,
	Waits,
	Stealing,
	Preemption,
	Syscalls,
	Netpoll,
	STW,
	GC,
	Goroutines,
	Blocking,
	Requests,
	Tasks,
	Samples,
}
