package evidence

import (
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// NoWaits reports whether there is nothing to check waits by, and says so.
func NoWaits(p *analysis.Pass, sites []*measures.WaitingAt) bool {
	if len(sites) == 0 {
		p.NotApplicable("no user goroutine blocked in the trace; record one while the program does its work, for some seconds")
		return true
	}
	return false
}

// TooShort reports whether the trace is too short to check rates by, and says so.
func TooShort(p *analysis.Pass) bool {
	if !p.Met("trace", float64(p.Trace.Duration())) {
		p.NotApplicable(fmt.Sprintf("%s are too short to tell a rate; record at least %s", p.Dur(p.Trace.Duration()), p.Dur(int64(p.Limit("trace")))))
		return true
	}
	return false
}

const MaxFindings = 5 // of one kind by one check: the costliest

const NoTasks = "the program marks no tasks; call runtime/trace.NewTask at the start of each request and its End, and record again"

// NoGC is why a trace without a cycle cannot be checked.
func NoGC(p *analysis.Pass) string {
	return fmt.Sprintf("no GC cycle in %s; record longer, under load", p.Dur(p.Trace.Duration()))
}

// IsForced reports whether the program asked for a cycle with that trigger.
func IsForced(trigger string) bool {
	return trigger == "runtime.GC" || trigger == "debug.FreeOSMemory" || trigger == measures.LeakProfile
}

// NoTime ends a check on a trace in which no time passes.
func NoTime(p *analysis.Pass) bool {
	if p.Trace.Duration() > 0 {
		return false
	}
	p.NotApplicable("no time passes in this trace; record while the program works")
	return true
}

// CauseShare is the part of some causes in all waiting of user goroutines for a P.
func CauseShare(p *analysis.Pass, causes ...parse.Cause) float64 {
	f := measures.WaitsOf(p)
	var all measures.WaitParts
	for r := range f.Whole() {
		all.Add(&f.Whole()[r])
	}
	var sum int64
	for _, c := range causes {
		sum += all.Parts[c]
	}
	return say.Ratio(sum, all.Total)
}

// MostlyBecause says what most of some waits for a P were made of, for the end of a sentence.
func MostlyBecause(w measures.WaitParts) string {
	if w.Total == 0 {
		return ""
	}
	c, share := w.Largest()
	return fmt.Sprintf("; %s of it: %s", analysis.FormatRatio(share), measures.CauseTexts[c])
}

// NoFrame is what is said of goroutines that no stack names though they run.
const NoFrame = "a loop without calls in a goroutine begun before the trace, which no stack names"

// Ran is the name of goroutines that ran, for sentences.
func Ran(k *measures.GoKind) string {
	if k.Name == measures.Unnamed {
		return NoFrame
	}
	return k.Name
}

// InTheWay names the runs that half of all waiting for a P or more is blamed on, with their
// part: those of one kind of goroutines, or of two that together have most; "" where there
// are none.
func InTheWay(p *analysis.Pass) string {
	blamed := measures.WaitsOf(p).InTheWay(p)
	runs := func(b measures.Blamed) string {
		switch {
		case b.Who == p.FuncName(0) || b.Who == measures.Unnamed:
			return NoFrame
		case b.Ended != "":
			return b.Who + " that end in " + b.Ended
		}
		return b.Who
	}
	switch {
	case len(blamed) > 0 && blamed[0].Share >= .5:
		return fmt.Sprintf("runs of %s (%s of all waiting for a P is blamed on them)", runs(blamed[0]), analysis.FormatRatio(blamed[0].Share))
	case len(blamed) > 1 && blamed[0].Share+blamed[1].Share >= ExplainsFrom:
		return fmt.Sprintf("runs of %s and of %s (%s and %s of all waiting for a P is blamed on them)", runs(blamed[0]), runs(blamed[1]), analysis.FormatRatio(blamed[0].Share), analysis.FormatRatio(blamed[1].Share))
	}
	return ""
}

// Instead says what the Ps did while goroutines waited for one: see InTheWay, or else whose
// half of all running or more was; "" where neither is known.
func Instead(p *analysis.Pass) string {
	if who := InTheWay(p); who != "" {
		return "most is for " + who
	}
	if kind, share := Busiest(p); share >= .5 {
		return fmt.Sprintf("%s of all running is that of %s", analysis.FormatRatio(share), kind.Title())
	}
	return ""
}

// ExplainsFrom is the share of a symptom from which on a cause explains it.
const ExplainsFrom = .6

// Causes reports whether part is enough of whole to explain it.
func Causes(part, whole int64) bool { return say.Ratio(part, whole) >= ExplainsFrom }

// WorstMoment are the 100 ms in which most of the long waits of user goroutines for a P
// ended, and their share; 0 in a trace that is too short to have a worst one.
func WorstMoment(p *analysis.Pass, f *measures.LatencyFold) (at window.Stretch, share float64) {
	s := f.OverTime()
	long := func(sums []int64, _ int64) (n float64) {
		for _, k := range sums[measures.LatencyLane(measures.LongWait):] {
			n += float64(k)
		}
		return n
	}
	if at = window.Worst(p, s, window.Moment, long); p.Trace.Duration() < 10*window.Moment || at.Score == 0 {
		return at, 0
	}
	var all float64
	for lane := measures.LatencyLane(measures.LongWait); lane < s.Lanes(); lane++ {
		all += float64(window.Sum(p, s, lane, p.Trace.From, p.Trace.To))
	}
	return at, at.Score / all
}

// WokenFromOutside is how many waits of user goroutines timers and the network ended.
// Where nobody comes from outside, as in a batch job, nobody minds waiting for a P.
func WokenFromOutside(p *analysis.Pass) float64 {
	f := measures.LatencyOf(p)
	return float64(f.Hist()[parse.ClassUser][parse.ReadyTimer].N() + f.Hist()[parse.ClassUser][parse.ReadyNetpoll].N())
}

// Clear says what was looked at of the places that were nearest to a finding, or that
// there was none.
func Clear(p *analysis.Pass, none string, near ...analysis.Gate) {
	if !slices.ContainsFunc(near, func(g analysis.Gate) bool { return g.Said != "" }) {
		p.Say("there was %s", none)
	}
	p.Clear(near...)
}

// NoCalls ends a check of calls on a trace that cannot tell how long calls took, or in
// which none was seen.
func NoCalls(p *analysis.Pass, seen bool) bool {
	switch {
	case p.Trace.V1():
		p.NotApplicable("the traces of Go 1.11 to 1.21 do not say how long calls took, nor who took a P; record with Go 1.22 or later")
	case !seen:
		p.NotApplicable("no system or cgo call was seen; record a longer trace under load")
	default:
		return false
	}
	return true
}

// WaitTail returns the quantile that checks the tail: p99, or p90 when the
// population supports no more; ok is false when not even that.
func WaitTail(h *sketch.Histogram) (v int64, name string, ok bool) {
	if v, ok = h.Quantile(.99); ok {
		return v, "p99", true
	}
	v, ok = h.Quantile(.9)
	return v, "p90", ok
}

// MMUPart is the share of a lane in what the GC took in the worst 10 ms.
func MMUPart(p *analysis.Pass, c *measures.GCFold, lane int) float64 {
	const length = 10e6
	worst := c.MMU().Worst()[slices.Index(measures.MMUWindows[:], length)]
	if !worst.Ok {
		return 0
	}
	took := func(lane int) int64 {
		return window.Sum(p, c.Time(), lane, parse.Time(worst.At), parse.Time(worst.At+length))
	}
	return say.Ratio(took(lane), took(measures.GCLaneWorkers)+took(measures.GCLaneAssist)+took(measures.GCLanePauses))
}
