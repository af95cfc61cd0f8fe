package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// SyscallsOf is the fold of syscalls, for an analyzer that requires it.
func SyscallsOf(p *analysis.Pass) *SyscallsFold { return analysis.FoldOf[*SyscallsFold](p, Syscalls) }

// Calls is begun.
func (f *SyscallsFold) Calls() int64 { return f.calls }

// Durations is of whole calls that returned.
func (f *SyscallsFold) Durations() *sketch.Histogram { return &f.durations }

// Lost is Ps, by who took them.
func (f *SyscallsFold) Lost() *[parse.NumTakers]int64 { return &f.lost }

// Hostage is TODO.
func (f *SyscallsFold) Hostage() int64 { return f.hostage }

// PTime is of Ps in calls.
func (f *SyscallsFold) PTime() int64 { return f.pTime }

// Reacquire is user goroutines: return to running; with a P found at once, without.
func (f *SyscallsFold) Reacquire() *[2]sketch.Histogram { return &f.reacquire }

// Sites is by where the call was entered.
func (f *SyscallsFold) Sites() *tally.ByID[parse.StackID, CallSite] { return &f.sites }

// Load is TODO.
func (f *SyscallsFold) Load() *sketch.Series { return f.load }
