package measures

import (
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// PreemptionOf is the fold of preemption, for an analyzer that requires it.
func PreemptionOf(p *analysis.Pass) *PreemptionFold {
	return analysis.FoldOf[*PreemptionFold](p, Preemption)
}

// Kinds are the stops of user goroutines, and of the runtime's own, by kind.
func (f *PreemptionFold) Kinds() *[parse.NumPreempts][2]Preempted { return &f.kinds }

// Sites are the stops by where they were, without the runtime's own yields.
func (f *PreemptionFold) Sites() *tally.Keyed[PreemptSite, Preempted] { return &f.sites }

// RunsIn is the function of the program in which goroutines of a kind are for most of the
// time that they run below a function, 0 for all, by where they were preempted, which is as
// good as a sample of it; "" where that was less than five times, or at no function for more
// than half of them.
func (f *PreemptionFold) RunsIn(tr *parse.Trace, kind string, below parse.StringID) string {
	var all int64
	in := make(map[string]int64)
	for _, e := range f.sites.Entries {
		k := e.Key
		if k.Kind != parse.PreemptAsync && k.Kind != parse.PreemptCooperative || funcName(tr, tr.Goes(k.Stack)) != kind ||
			below != 0 && !slices.ContainsFunc(tr.Stack(k.Stack), func(f parse.Frame) bool { return f.Func == below }) {
			continue
		}
		all += e.V.N
		in[runName(tr, tr.PlaceOf(k.Stack))] += e.V.N
	}
	for name, n := range in {
		if all >= 5 && 2*n > all {
			return name
		}
	}
	return ""
}

// Slices are the lengths in ns of whole time slices that ended with a user goroutine, by how they ended.
func (f *PreemptionFold) Slices() *[numSliceEnds]sketch.Histogram { return &f.slices }

// All counts the time slices, without those of GC workers.
func (f *PreemptionFold) All() int64 { return f.all }

// Late counts time slices of 10 to 20 ms while work was runnable.
func (f *PreemptionFold) Late() int64 { return f.late }

// Over counts time slices over 20 ms while work was runnable.
func (f *PreemptionFold) Over() int64 { return f.over }

// Far counts time slices over 30 ms while work was runnable.
func (f *PreemptionFold) Far() int64 { return f.far }

// OverWait is the time in ns of slices over 20 ms, beyond 10 ms, with work runnable.
func (f *PreemptionFold) OverWait() int64 { return f.overWait }

// Worst are the longest slices while work was runnable.
func (f *PreemptionFold) Worst() *sketch.Top[parse.Slice] { return f.worst }
