package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// ParallelismOf is the fold of parallelism, for an analyzer that requires it.
func ParallelismOf(p *analysis.Pass) *ParallelismFold {
	f := analysis.FoldOf[*ParallelismFold](p, Parallelism)
	f.settle()
	return f
}

// Running is the time in ns by how many user goroutines ran.
func (f *ParallelismFold) Running() *Levels { return f.running }

// Runnable is the time in ns by how many user goroutines were runnable.
func (f *ParallelismFold) Runnable() *Levels { return f.runnable }

// Full is the time in ns in which no P was idle and the world ran.
func (f *ParallelismFold) Full() int64 { return f.full }

// Alone is the time in ns in which one user goroutine ran, none could, and no P was in a system call.
func (f *ParallelismFold) Alone() int64 { return f.alone }

// Yielding is ns × goroutines runnable by runtime.Gosched.
func (f *ParallelismFold) Yielding() int64 { return f.yielding }

// Over is what ran and what could over time, a lane for each Over.
func (f *ParallelismFold) Over() *sketch.Series { return f.over }

// Demand is the time in ns by how many user goroutines ran or could, without those that yield.
func (f *ParallelismFold) Demand() *Levels { return f.demand }

// Saturated is the time in ns in which no P was idle, at most a quarter of them in system calls, and a goroutine or more was runnable for each.
func (f *ParallelismFold) Saturated() int64 { return f.saturated }

// Stalled are the stretches in which a P was idle beside a runnable goroutine.
func (f *ParallelismFold) Stalled() *sketch.Stretch { return f.stalled }

// Bursts are the stretches in which many goroutines were runnable at once.
func (f *ParallelismFold) Bursts() *sketch.Stretch { return f.bursts }

// Holes are the times in which nothing happened on any P though some had work: those shorter than 20 ms, and the others.
func (f *ParallelismFold) Holes() *[2]Holes { return &f.holes }

// WorstHole are the longest of them.
func (f *ParallelismFold) WorstHole() *sketch.Top[holeBusy] { return f.worstHole }

// Steps are the values of GOMAXPROCS over time.
func (f *ParallelismFold) Steps() *GomaxprocsSteps { return &f.steps }

// allowed is the integral of GOMAXPROCS over time, in ns; before it was told it counts as
// what was told first.
func (f *ParallelismFold) allowed() int64 {
	sum := f.steps.First[0].Procs * f.unknown
	for b := range f.over.Len() {
		sum += f.over.At(b, overProcs)
	}
	return sum
}
