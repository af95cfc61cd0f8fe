package procs

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All check how well Ps and CPUs are used.
var All = []*analysis.Analyzer{
	Limits, cpuThrottled, oversubscribedHost, serialSection, SaturatedPs, idlePsIOBound, pImbalance, gomaxprocsAdvice, gomaxprocsChange,
}

//go:embed *.md
var pages embed.FS
