package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// LatencyOf is the fold of latency, for an analyzer that requires it.
func LatencyOf(p *analysis.Pass) *LatencyFold { return analysis.FoldOf[*LatencyFold](p, Latency) }

// Coroutines is of starts.
func (f *LatencyFold) Coroutines() int64 { return f.coroutines }

// Placed is of starts without coroutines: that ran before, and on another P.
func (f *LatencyFold) Placed() int64 { return f.placed }

// Migrations is of starts without coroutines: that ran before, and on another P.
func (f *LatencyFold) Migrations() int64 { return f.migrations }

// Hist is TODO.
func (f *LatencyFold) Hist() *[parse.NumClasses][parse.NumReady]sketch.Histogram { return &f.hist }

// OverTime is awaitsP, a lane for each class of latencyBounds.
func (f *LatencyFold) OverTime() *sketch.Series { return f.overTime }

// During is awaitsP, that touched a GC cycle.
func (f *LatencyFold) During() *sketch.Histogram { return &f.during }

// Worst is TODO.
func (f *LatencyFold) Worst() *sketch.Top[worstWait] { return f.worst }

// Wakers is awaitsP of longWait or longer.
func (f *LatencyFold) Wakers() *tally.Keyed[LongWaitKey, LongWaits] { return &f.wakers }

// Threads is awaitsP of ReadyUnblocked, by where it had waited.
func (f *LatencyFold) Threads() *tally.ByID[parse.StackID, ThreadUse] { return &f.threads }
