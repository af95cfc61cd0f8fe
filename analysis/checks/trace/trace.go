package trace

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All check how far a trace can be trusted.
var All = []*analysis.Analyzer{incompleteTrace, shortTrace, tracerOverhead}

//go:embed *.md
var pages embed.FS
