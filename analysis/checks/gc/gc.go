// Package gc holds the checks of the garbage collector: NAME.go, its page NAME.md and its
// cases NAME_test.go each.
package gc

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All are the checks of this topic, in the order of the report.
var All = []*analysis.Analyzer{
	memoryLimitThrash, gcCPUDominant, forcedGC, liveHeapGrowth, serialMark, costlyMark, assistHeavy, assistQueueWait, markStarvesUsers,
	mmuLow, sweepOnAllocation, heapOvershoot, gcPacingChange, idleMarking,
}

//go:embed *.md
var pages embed.FS
