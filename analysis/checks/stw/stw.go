// Package stw holds the checks of stops of the world: NAME.go, its page NAME.md and its
// cases NAME_test.go each.
package stw

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All are the checks of this topic, in the order of the report.
var All = []*analysis.Analyzer{stwStraggler, stwByTooling, stwLong}

//go:embed *.md
var pages embed.FS
