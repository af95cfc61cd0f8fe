package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
)

// TimelineOf is the fold of timeline, for an analyzer that requires it.
func TimelineOf(p *analysis.Pass) *TimelineFold { return analysis.FoldOf[*TimelineFold](p, Timeline) }

// Procs are the Ps.
func (f *TimelineFold) Procs() *tally.ProcTable[timelineProc] { return &f.procs }

// Stuck are the times of 1 ms or longer that a P's thread took between goroutines.
func (f *TimelineFold) Stuck() *stuckThreads { return &f.stuck }

// String is the share in words.
func (s Share) String() string { return shareNames[s] }
