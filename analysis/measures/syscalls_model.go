package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// SyscallsOf is the fold of syscalls, for an analyzer that requires it.
func SyscallsOf(p *analysis.Pass) *SyscallsFold { return analysis.FoldOf[*SyscallsFold](p, Syscalls) }

// Calls counts system and cgo calls that were entered.
func (f *SyscallsFold) Calls() int64 { return f.calls }

// Durations are the lengths in ns of whole calls that returned.
func (f *SyscallsFold) Durations() *sketch.Histogram { return &f.durations }

// Lost counts the Ps that calls lost, by who took them.
func (f *SyscallsFold) Lost() *[parse.NumTakers]int64 { return &f.lost }

// Hostage is the P time in ns in calls beyond 20 µs while user work was runnable.
func (f *SyscallsFold) Hostage() int64 { return f.hostage }

// PTime is the time in ns of Ps in calls.
func (f *SyscallsFold) PTime() int64 { return f.pTime }

// Reacquire are the waits in ns of user goroutines from return to running: with a P found at once, and without.
func (f *SyscallsFold) Reacquire() *[2]sketch.Histogram { return &f.reacquire }

// Sites are the calls by the stack that entered them.
func (f *SyscallsFold) Sites() *tally.ByID[parse.StackID, CallSite] { return &f.sites }

// Load is what calls did over time, a lane for each Load.
func (f *SyscallsFold) Load() *sketch.Series { return f.load }

// Paces reports whether calls at a place end at multiples of a period though they are not
// equally long: they wait for that, as for the next frame of a screen, and make up for what
// else the loop did.
func (f *SyscallsFold) Paces(tr *parse.Trace, place parse.PlaceID) bool {
	for stack, s := range f.sites.ByKey() {
		if s.ends == nil || s.ends.apart.N() < pacingCalls || tr.PlaceOf(stack) != place {
			continue
		}
		period, length := commonPeriod(&s.ends.apart), &s.ends.length
		if onTime(&s.ends.apart, period) >= .8 && 5*(length.QuantileAny(.9)-length.QuantileAny(.1)) >= period {
			return true
		}
	}
	return false
}
