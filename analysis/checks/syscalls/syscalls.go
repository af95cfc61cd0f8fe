// Package syscalls holds the checks of system and cgo calls: NAME.go, its page NAME.md and its
// cases NAME_test.go each.
package syscalls

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All are the checks of this topic, in the order of the report.
var All = []*analysis.Analyzer{blockingHandoffs, pHostage, syscallReturnWait, threadGrowth, chattySyscalls, blockedCalls, serialCall}

//go:embed *.md
var pages embed.FS
