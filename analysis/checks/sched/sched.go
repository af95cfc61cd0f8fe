// Package sched holds the checks of run queues, stealing and preemption: NAME.go, its page NAME.md and its
// cases NAME_test.go each.
package sched

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All are the checks of this topic, in the order of the report.
var All = []*analysis.Analyzer{
	LatencyTail, runnableBurst, idlePWhileRunnable, goschedSpin, goroutineChurn, lockedThreadPenalty,
	migrationChurn, singleProducerSteal, sliceOverrun, preemptHeavy, mutexStarvation, lateTimers, yieldStarvation, connectionChurn, hotFunction, busyPoll,
}

//go:embed *.md
var pages embed.FS
