package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// GoroutinesOf is the fold of goroutines, for an analyzer that requires it.
func GoroutinesOf(p *analysis.Pass) *GoroutinesFold {
	return analysis.FoldOf[*GoroutinesFold](p, Goroutines)
}

// Populations are the goroutines by entry function, creation site and class.
func (f *GoroutinesFold) Populations() *tally.Keyed[GoOrigin, GoPopulation] { return &f.populations }

// Longest are the longest lives of user goroutines created in the trace.
func (f *GoroutinesFold) Longest() *sketch.Top[goLife] { return f.longest }

// Runs are the runs of user goroutines by the stack at which they ended.
func (f *GoroutinesFold) Runs() *tally.ByID[parse.StackID, GoRuns] { return &f.runs }

// Functions are the user goroutines by entry function, those with the most running
// time first.
func (f *GoroutinesFold) Functions(p *analysis.Pass) []tally.Ranked[GoPopulation] {
	users := make(map[GoOrigin]*GoPopulation)
	for o, v := range f.populations.ByKey() {
		if o.Class == parse.ClassUser {
			users[o] = v
		}
	}
	return tally.Rank(users, func(o GoOrigin) tally.Label { return tally.Label{p.FuncName(o.Fn)} }, (*GoPopulation).Add, func(v *GoPopulation) int64 { return v.States[parse.GoRunning] })
}
