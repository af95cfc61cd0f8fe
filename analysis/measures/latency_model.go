package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// LatencyOf is the fold of latency, for an analyzer that requires it.
func LatencyOf(p *analysis.Pass) *LatencyFold { return analysis.FoldOf[*LatencyFold](p, Latency) }

// Coroutines counts starts that are switches of coroutines.
func (f *LatencyFold) Coroutines() int64 { return f.coroutines }

// Placed counts starts of goroutines that ran before, without coroutines.
func (f *LatencyFold) Placed() int64 { return f.placed }

// Migrations counts those of Placed on another P than before.
func (f *LatencyFold) Migrations() int64 { return f.migrations }

// Hist are the waits for a P in ns, by class and by how the goroutine became runnable.
func (f *LatencyFold) Hist() *[parse.NumClasses][parse.NumReady]sketch.Histogram { return &f.hist }

// OverTime counts the waits of the headline by when they ended, a lane for each class of length (see LatencyClass).
func (f *LatencyFold) OverTime() *sketch.Series { return f.overTime }

// During are the waits of the headline that touched a GC cycle.
func (f *LatencyFold) During() *sketch.Histogram { return &f.during }

// Worst are the longest waits of the headline.
func (f *LatencyFold) Worst() *sketch.Top[worstWait] { return f.worst }

// Wakers are the waits of the headline of LongWait or longer, by what made the goroutine runnable.
func (f *LatencyFold) Wakers() *tally.Keyed[LongWaitKey, LongWaits] { return &f.wakers }

// Threads are waits of goroutines that others readied, by where they had waited, with the threads they ran on.
func (f *LatencyFold) Threads() *tally.ByID[parse.StackID, ThreadUse] { return &f.threads }
