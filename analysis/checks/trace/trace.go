// Package trace holds the checks of how far a trace can be trusted: NAME.go, its page NAME.md and its
// cases NAME_test.go each.
package trace

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All are the checks of this topic, in the order of the report.
var All = []*analysis.Analyzer{incompleteTrace, shortTrace, tracerOverhead}

//go:embed *.md
var pages embed.FS
