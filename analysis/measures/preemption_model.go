package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// PreemptionOf is the fold of preemption, for an analyzer that requires it.
func PreemptionOf(p *analysis.Pass) *PreemptionFold {
	return analysis.FoldOf[*PreemptionFold](p, Preemption)
}

// Kinds is user goroutines, the runtime's own.
func (f *PreemptionFold) Kinds() *[parse.NumPreempts][2]Preempted { return &f.kinds }

// Sites is the runtime's own yields are left out.
func (f *PreemptionFold) Sites() *tally.Keyed[PreemptSite, Preempted] { return &f.sites }

// Slices is slices are the whole time slices whose last run was that of a user goroutine, by how they ended.
func (f *PreemptionFold) Slices() *[numSliceEnds]sketch.Histogram { return &f.slices }

// All is Of all time slices but those of GC workers: how many, and with work runnable those of 10 to 20 ms, over 20 ms, over 30 ms.
func (f *PreemptionFold) All() int64 { return f.all }

// Late is Of all time slices but those of GC workers: how many, and with work runnable those of 10 to 20 ms, over 20 ms, over 30 ms.
func (f *PreemptionFold) Late() int64 { return f.late }

// Over is Of all time slices but those of GC workers: how many, and with work runnable those of 10 to 20 ms, over 20 ms, over 30 ms.
func (f *PreemptionFold) Over() int64 { return f.over }

// Far is Of all time slices but those of GC workers: how many, and with work runnable those of 10 to 20 ms, over 20 ms, over 30 ms.
func (f *PreemptionFold) Far() int64 { return f.far }

// OverWait is ns of those over 20 ms, beyond 10 ms, with work runnable.
func (f *PreemptionFold) OverWait() int64 { return f.overWait }

// Worst is TODO.
func (f *PreemptionFold) Worst() *sketch.Top[parse.Slice] { return f.worst }
