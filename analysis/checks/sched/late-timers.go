package sched

import (
	"cmp"
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var lateTimers = &analysis.Analyzer{
	Name: "late-timers", Proof: "latency.cause",
	Doc: say.Page(pages, "late-timers"),
	Thresholds: []analysis.Threshold{
		{
			Name: "late-timers.run", Doc: "length from which on a time slice of a user goroutine counts as long; the mean of these", Unit: analysis.NS, Levels: analysis.Levels{Note: 5e6, Warning: 10e6},
			Source: "a timer that comes due in one is late by half of it on average: 2.5 ms and more are felt, half a time slice (proc.go:forcePreemptNS) and more are a grievance",
		},
		{
			Name: "late-timers.share", Doc: "share of long time slices in all P time", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .5, Warning: .75},
			Source: "below, every second timer is looked at in time; above three quarters, one in four",
		},
		{
			Name: "late-timers.full", Doc: "share of the time with no P idle", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .5, Warning: .75},
			Source: "a thread that goes to sleep waits for the first timer of all Ps (proc.go:findRunnable, checkTimersNoP)",
		},
		{
			Name: "late-timers.wakeups", Doc: "wake-ups of user goroutines by timers and the network poller", Unit: analysis.Count, Levels: analysis.Levels{Note: 50}, Source: "population: a computation that waits for nothing loses nothing. Not a level: the later timers are, the fewer there are",
		},
		{
			Name: "late-timers.late", Doc: "goroutines that are late by this, mean of the trace if timers come due evenly", Unit: analysis.Count, Levels: analysis.Levels{Note: .02, Warning: .25},
			Source: "as any cost; for a quarter of the time somebody should be running and is not: a ticker of 50 ms whose ticks come 12 ms late, and no ticker of a second that prints progress",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Parallelism, measures.Latency, measures.Preemption, measures.Goroutines, measures.Kinds},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.PreemptionOf(p)
		lat := measures.LatencyOf(p)
		woken := lat.Hist()[parse.ClassUser][parse.ReadyTimer].N() + lat.Hist()[parse.ClassUser][parse.ReadyNetpoll].N()
		if woken == 0 {
			p.NotApplicable("neither a timer nor the network poller readied a user goroutine; record while the program waits for one of them")
			return nil
		}
		var long, n int64
		for i := range f.Slices() {
			f.Slices()[i].Bins(func(lo, _, count int64) bool {
				if lo >= int64(p.Limit("run")) {
					long += lo * count
					n += count
				}
				return true
			})
		}
		total, _ := p.Value("procs.time")
		share := float64(long) / total
		full := say.Ratio(measures.ParallelismOf(p).Full(), p.Trace.Duration())
		late := int64(float64(woken*(long/max(n, 1))) / 2 * share * full)
		g := p.Gate(analysis.Grades("run", float64(long/max(n, 1))), analysis.Grades("share", share), analysis.Grades("full", full),
			analysis.Needs("wakeups", float64(woken)), analysis.Grades("late", say.Ratio(late, p.Trace.Duration())))
		if g.Severity == "" || n == 0 {
			p.Clear(g.At(fmt.Sprintf("time slices of user goroutines of %s or longer", p.Dur(int64(p.Limit("run"))))))
			return nil
		}
		mean := long / n
		places, top, by := longSlices(p, f)
		in := places[0].Func + by
		if _, told := p.Trace.Site(top); !told {
			in = evidence.NoFrame
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("Timers and the network are looked at late, up to %s%s: time slices that long on average have %s of P time, most in %s, and no P was idle for %s of the time",
				p.Dur(mean), wokenMost(p), analysis.FormatRatio(share), in, analysis.FormatRatio(full)),
			Cost: evidence.GoTime(p, late), Evidence: places,
			Advice: "Leave a P without long computations: fewer of them at once than Ps, GOMAXPROCS above their number, or a runtime.Gosched in them each ms. procs.share.idle should rise, and the lateness that the program itself can measure (time.Since of when a timer was due) should fall.",
			Caveat: "A trace does not hold when a timer was due: this delay is in no latency that is measured here, sched.latency.user.p99 neither.",
		})
		return nil
	},
}

// wokenMost names the goroutines that wait for timers most often.
func wokenMost(p *analysis.Pass) string {
	var kind *measures.GoKind
	var most int64
	for _, k := range measures.KindsOf(p).All {
		for _, s := range k.Stays {
			if 2*s.Ready[parse.ReadyTimer] > s.NS && s.N > most {
				kind, most = k, s.N
			}
		}
	}
	if kind == nil {
		return ""
	}
	return ", as for " + kind.Title()
}

// longSlices are the functions whose goroutines ran longest in all before they were
// preempted, or otherwise the longest time slices.
func longSlices(p *analysis.Pass, f *measures.PreemptionFold) (out []analysis.Evidence, top parse.StackID, by string) {
	sites := make(map[measures.PreemptSite]*measures.Preempted)
	for k, v := range f.Sites().ByKey() {
		if k.Kind == parse.PreemptAsync || k.Kind == parse.PreemptCooperative || k.Kind == parse.PreemptUnknown {
			sites[k] = v
		}
	}
	from, to := p.Rel(p.Trace.From), p.Rel(p.Trace.To)
	for _, at := range measures.JoinSites(sites, func(k measures.PreemptSite) tally.Label {
		return tally.Label{measures.FuncAt(p, k.Stack), p.FuncName(k.Fn)}
	}, (*measures.Preempted).Add,
		func(c *measures.Preempted) int64 { return c.Ran },
		func(a, b measures.PreemptSite) int {
			return cmp.Or(cmp.Compare(a.Stack, b.Stack), cmp.Compare(a.Fn, b.Fn))
		}) {
		if by == "" {
			top, by = at.Key.Stack, evidence.CalledBy(p, at.Key.Stack)+" of "+evidence.About(p, at.Key.Fn)
		}
		if len(out) < 5 {
			out = append(out, analysis.Evidence{From: from, To: to, Func: measures.FuncAt(p, at.Key.Stack),
				Note: fmt.Sprintf("%s of %s, which ran for %s before", say.Counted(at.V.N, "preemption", "preemptions"), evidence.About(p, at.Key.Fn), p.Dur(at.V.Ran)), Stack: p.Stack(at.Key.Stack)})
		}
	}
	for _, e := range f.Worst().Items() {
		if s := e.Item; len(out) < 5 {
			out = append(out, analysis.Evidence{From: p.Rel(s.Start), To: p.Rel(s.End), P: evidence.IDOf(s.P), G: evidence.IDOf(s.G), Func: measures.FuncAt(p, s.Stack), Note: p.Dur(e.Value), Stack: p.Stack(s.Stack)})
		}
	}
	if out == nil {
		out = []analysis.Evidence{{From: from, To: to, Func: "runs that ended by themselves", Note: "none was preempted"}}
	}
	return out, top, by
}
