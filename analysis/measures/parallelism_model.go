package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// ParallelismOf is the fold of parallelism, for an analyzer that requires it.
func ParallelismOf(p *analysis.Pass) *ParallelismFold {
	return analysis.FoldOf[*ParallelismFold](p, Parallelism)
}

// Running is user goroutines; Ps.
func (f *ParallelismFold) Running() *Levels { return f.running }

// Runnable is user goroutines; Ps.
func (f *ParallelismFold) Runnable() *Levels { return f.runnable }

// Full is ns: no P idle, world running.
func (f *ParallelismFold) Full() int64 { return f.full }

// Alone is ns: one user goroutine running, none that could, no P in a system call, world running.
func (f *ParallelismFold) Alone() int64 { return f.alone }

// Yielding is ns × goroutines: runnable by runtime.Gosched.
func (f *ParallelismFold) Yielding() int64 { return f.yielding }

// Over is TODO.
func (f *ParallelismFold) Over() *sketch.Series { return f.over }

// Demand is running or runnable.
func (f *ParallelismFold) Demand() *Levels { return f.demand }

// Saturated is ns: no P idle, at most a quarter in system calls, and a runnable one or more for each, world running.
func (f *ParallelismFold) Saturated() int64 { return f.saturated }

// Stalled is as wasted, of stallMin.
func (f *ParallelismFold) Stalled() *sketch.Stretch { return f.stalled }

// Bursts is TODO.
func (f *ParallelismFold) Bursts() *sketch.Stretch { return f.bursts }

// Holes is shorter than holeLong, and the others.
func (f *ParallelismFold) Holes() *[2]Holes { return &f.holes }

// WorstHole is TODO.
func (f *ParallelismFold) WorstHole() *sketch.Top[holeBusy] { return f.worstHole }
