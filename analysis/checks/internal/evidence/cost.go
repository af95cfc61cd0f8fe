package evidence

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// UserTime is all time of user goroutines.
func UserTime(p *analysis.Pass) int64 {
	return measures.GoroutinesOf(p).UserTime()
}

// MeanProcs is GOMAXPROCS on average, 0 when it is not known.
func MeanProcs(p *analysis.Pass) float64 {
	total, _ := p.Value("procs.time")
	return total / float64(p.Trace.Duration())
}

// ActiveTime is the cost of something in the time user goroutines ran or waited for a P.
func ActiveTime(p *analysis.Pass, ns int64) analysis.Cost {
	running, _ := p.Value("goroutines.running.mean")
	waited := measures.LatencyOf(p).Headline(p).Sum()
	return analysis.Cost{Value: ns, Total: waited + int64(running*float64(p.Trace.Duration())), Clock: analysis.GTime}
}

// ProcTime is the cost of something on the clock of all Ps.
func ProcTime(p *analysis.Pass, ns float64) analysis.Cost {
	total, _ := p.Value("procs.time")
	return analysis.Cost{Value: int64(ns), Total: int64(total), Clock: analysis.PTime}
}

// GoTime is the cost of something on the clock of all user goroutines.
func GoTime(p *analysis.Pass, ns int64) analysis.Cost {
	f := measures.GoroutinesOf(p)
	return analysis.Cost{Value: ns, Total: f.UserTime(), Clock: analysis.GTime}
}

// Busiest are the goroutines of the program with the most running time, by what they are
// about, and their share of it; nil where none ran.
func Busiest(p *analysis.Pass) (kind *measures.GoKind, share float64) {
	var all, most int64
	for _, k := range measures.KindsOf(p).All {
		ran := k.State[parse.GoRunning]
		all += ran
		if ran > most || ran == most && ran > 0 && k.Name < kind.Name {
			kind, most = k, ran
		}
	}
	return kind, say.Ratio(most, all)
}

// Alone is what the goroutines are about that ran most of the time in which exactly one
// ran, and their share of it; nil if none ever ran alone.
func Alone(p *analysis.Pass) (kind *measures.GoKind, share float64) {
	var all int64
	for _, k := range measures.KindsOf(p).All {
		all += k.Alone
		if k.Alone > 0 && (kind == nil || k.Alone > kind.Alone) {
			kind = k
		}
	}
	if kind == nil {
		return nil, 0
	}
	return kind, say.Ratio(kind.Alone, all)
}

// Paced is the share of the lives of a kind in which they sleep, wait for a tick or are in
// calls that wait for one, ten times and more: faster work makes them rest longer, or is not
// what takes the time.
func Paced(p *analysis.Pass, kind *measures.GoKind) float64 {
	var rests, ns int64
	for _, s := range kind.Stays {
		if s.Parked == measures.ParkedTicker || s.State == parse.GoWaiting && s.Place.Prim == parse.PrimSleep || s.State == parse.GoSyscall && measures.SyscallsOf(p).Paces(p.Trace, s.PlaceID) {
			rests, ns = rests+s.N, ns+s.NS
		}
	}
	if rests < 10*kind.Count {
		return 0
	}
	return kind.Share(ns)
}

// HeldUpBeside are the goroutines on average of other kinds that are held up by one another,
// at locks and channels: not those that wait for something to do.
func HeldUpBeside(p *analysis.Pass, kind *measures.GoKind) float64 {
	var ns int64
	for _, k := range measures.KindsOf(p).All {
		for _, s := range k.Stays {
			if k != kind && s.State == parse.GoWaiting && s.Parked == "" && s.Place.Prim.Mutual() {
				ns += s.NS
			}
		}
	}
	return say.Ratio(ns, p.Trace.Duration())
}

// About is what goroutines with an entry function are about.
func About(p *analysis.Pass, fn parse.StringID) string {
	if k := measures.KindsOf(p).Started(fn); k != nil {
		return k.Name
	}
	return p.FuncName(fn)
}

// WallTime is the cost of something in the time analysed.
func WallTime(p *analysis.Pass, ns int64) analysis.Cost {
	return analysis.Cost{Value: ns, Total: p.Trace.Duration(), Clock: analysis.Wall}
}
