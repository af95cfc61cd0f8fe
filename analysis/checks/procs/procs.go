// Package procs holds the checks of how well Ps and CPUs are used, and of what limits the program: NAME.go, its page NAME.md and its
// cases NAME_test.go each.
package procs

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All are the checks of this topic, in the order of the report.
var All = []*analysis.Analyzer{
	Limits, cpuThrottled, oversubscribedHost, serialSection, SaturatedPs, idlePsIOBound, pImbalance, gomaxprocsAdvice, gomaxprocsChange,
}

//go:embed *.md
var pages embed.FS
