package sched

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All check run queues, stealing and preemption.
var All = []*analysis.Analyzer{
	LatencyTail, runnableBurst, idlePWhileRunnable, goschedSpin, goroutineChurn, lockedThreadPenalty,
	migrationChurn, singleProducerSteal, sliceOverrun, preemptHeavy, mutexStarvation, lateTimers, yieldStarvation, connectionChurn, hotFunction, busyPoll,
}

//go:embed *.md
var pages embed.FS
