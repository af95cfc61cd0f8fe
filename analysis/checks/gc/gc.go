package gc

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All check the GC: causes before their effects.
var All = []*analysis.Analyzer{
	memoryLimitThrash, gcCPUDominant, forcedGC, liveHeapGrowth, serialMark, costlyMark, assistHeavy, assistQueueWait, markStarvesUsers,
	mmuLow, sweepOnAllocation, heapOvershoot, gcPacingChange, idleMarking,
}

//go:embed *.md
var pages embed.FS
