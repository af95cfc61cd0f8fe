package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// GCOf is the fold of gc, for an analyzer that requires it.
func GCOf(p *analysis.Pass) *GCFold { return analysis.FoldOf[*GCFold](p, GC) }

// Cycles counts the cycles that ended in the trace.
func (f *GCFold) Cycles() int64 { return f.cycles }

// Cut counts the cycles that were not seen from start to end.
func (f *GCFold) Cut() int64 { return f.cut }

// Mark is the concurrent mark of all cycles, in ns of wall clock.
func (f *GCFold) Mark() int64 { return f.mark }

// Workers are the runs of mark workers by mode, in P time.
func (f *GCFold) Workers() *[parse.NumModes]GCSum { return &f.workers }

// Assist are the mark assists, in P time and wall clock.
func (f *GCFold) Assist() *GCSum { return &f.assist }

// Sweep are the stretches of sweeping on allocation, in P time.
func (f *GCFold) Sweep() *GCSum { return &f.sweep }

// Pauses are the stops of the world by the GC, in P time lost.
func (f *GCFold) Pauses() *GCSum { return &f.pauses }

// Assists are the mark assists by where they were.
func (f *GCFold) Assists() map[GCSite]*GCSum { return f.assists }

// Sweeps are the stretches of sweeping by the stack of the allocation.
func (f *GCFold) Sweeps() map[parse.StackID]*GCSum { return f.sweeps }

// Starts are the cycles by the stack that started them.
func (f *GCFold) Starts() map[parse.StackID]*GCSum { return f.starts }

// Procs is the P time analysed, in ns.
func (f *GCFold) Procs() int64 { return f.procs }

// Taken is the P time that the GC took from the program, in ns: all but idle workers.
func (f *GCFold) Taken() int64 { return f.taken }

// Idle is the P time of idle Ps while a cycle was under way, in ns.
func (f *GCFold) Idle() int64 { return f.idle }

// MMU is the minimum mutator utilization.
func (f *GCFold) MMU() *mmu { return &f.mmu }

// Time is the GC's work over time, a lane for each GCLane.
func (f *GCFold) Time() *sketch.Series { return f.time }

// Goal is the heap goal in bytes, over time.
func (f *GCFold) Goal() *sketch.Gauge { return f.goal }

// GoalsSet are the heap goals that the program set, by the entry function of the goroutines
// that did.
func (f *GCFold) GoalsSet() map[parse.StringID]*GoalsSet { return f.set }

// Longest are the longest cycles.
func (f *GCFold) Longest() *sketch.Top[parse.Range] { return f.longest }

// Details are the heaps of cycles, in the order in which they were first heard of.
func (f *GCFold) Details() []*GCCycle { return f.details }
