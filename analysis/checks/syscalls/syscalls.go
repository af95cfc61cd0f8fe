package syscalls

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All check system and cgo calls.
var All = []*analysis.Analyzer{blockingHandoffs, pHostage, syscallReturnWait, threadGrowth, chattySyscalls, blockedCalls, serialCall}

//go:embed *.md
var pages embed.FS
