package stw

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All check stops of the world.
var All = []*analysis.Analyzer{stwStraggler, stwByTooling, stwLong}

//go:embed *.md
var pages embed.FS
