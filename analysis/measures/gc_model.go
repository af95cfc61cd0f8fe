package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// GCOf is the fold of gc, for an analyzer that requires it.
func GCOf(p *analysis.Pass) *GCFold { return analysis.FoldOf[*GCFold](p, GC) }

// Cycles is ended in the trace.
func (f *GCFold) Cycles() int64 { return f.cycles }

// Cut is not seen from begin to end.
func (f *GCFold) Cut() int64 { return f.cut }

// Mark is concurrent mark of all.
func (f *GCFold) Mark() int64 { return f.mark }

// Workers is TODO.
func (f *GCFold) Workers() *[parse.NumModes]GCSum { return &f.workers }

// Assist is TODO.
func (f *GCFold) Assist() *GCSum { return &f.assist }

// Sweep is TODO.
func (f *GCFold) Sweep() *GCSum { return &f.sweep }

// Pauses is TODO.
func (f *GCFold) Pauses() *GCSum { return &f.pauses }

// Assists is TODO.
func (f *GCFold) Assists() map[GCSite]*GCSum { return f.assists }

// Sweeps is TODO.
func (f *GCFold) Sweeps() map[parse.StackID]*GCSum { return f.sweeps }

// Starts is TODO.
func (f *GCFold) Starts() map[parse.StackID]*GCSum { return f.starts }

// Procs is The time up to run: P time, and that which the GC took from the program.
func (f *GCFold) Procs() int64 { return f.procs }

// Taken is The time up to run: P time, and that which the GC took from the program.
func (f *GCFold) Taken() int64 { return f.taken }

// Idle is P time of idle Ps while a GC cycle was under way.
func (f *GCFold) Idle() int64 { return f.idle }

// MMU is TODO.
func (f *GCFold) MMU() *mmu { return &f.mmu }

// Time is TODO.
func (f *GCFold) Time() *sketch.Series { return f.time }

// Goal is TODO.
func (f *GCFold) Goal() *sketch.Gauge { return f.goal }

// Longest is The longest cycles, and what happened in them and in those that end elsewhere.
func (f *GCFold) Longest() *sketch.Top[parse.Range] { return f.longest }

// Details is in the order in which they were first heard of.
func (f *GCFold) Details() []*GCCycle { return f.details }
