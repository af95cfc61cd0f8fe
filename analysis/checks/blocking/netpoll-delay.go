package blocking

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var netpollDelay = &analysis.Analyzer{
	Name: "netpoll-delay", Proof: "netpoll.latency",
	Doc:         say.Page(pages, "netpoll-delay"),
	Interactive: true,
	Requires:    []*analysis.Analyzer{measures.Netpoll, measures.Goroutines, measures.Waits, measures.Kinds},
	Thresholds: []analysis.Threshold{
		{
			Name: "netpoll-delay.p99", Doc: "p99 of the time from readied by the network poller to running", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 5e6, Error: 20e6},
			Source: "1 ms shows in a client's latency; 5 and 20 ms are half of a time slice and two of them (runtime/proc.go: forcePreemptNS); sound servers on two shared CPUs reach 1.3 ms",
		},
		{
			Name: "netpoll-delay.stretch", Doc: "mean of the time from readied by the network poller to running in the worst 100 ms", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 5e6}, Source: "a mean of half a time slice: nearly all had to wait for a preemption",
		},
		{
			Name: "netpoll-delay.starts", Doc: "goroutines readied by the network poller", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 20}, Source: "one late packet is not a delay",
		},
		{
			Name: "netpoll-delay.share", Doc: "all time from readied by the network poller to running, as a share of the time that user goroutines ran", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05, Warning: .2, Error: .5}, Source: "the queue of a server at half load adds less than a tenth to its work",
		},
		{
			Name: "netpoll-delay.moment", Doc: "share of the worst 100 ms in all time from readied by the network poller to running, in traces of 1 s and more", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: 1, Warning: .8, Error: .8}, Source: "as latency-tail.moment",
		},
	},
	Run: func(p *analysis.Pass) error {
		f := measures.NetpollOf(p)
		var wakeups int64
		for _, n := range f.Wakeups() {
			wakeups += n
		}
		var all sketch.Histogram
		for i := range f.Latency() {
			all.Merge(&f.Latency()[i])
		}
		if wakeups == 0 || all.N() == 0 {
			p.NotApplicable("the network poller readied no goroutine; record the program while it serves requests")
			return nil
		}
		var running int64
		for o, v := range measures.GoroutinesOf(p).Populations().ByKey() {
			if o.Class == parse.ClassUser {
				running += v.States[parse.GoRunning]
			}
		}
		at := worstDelay(p, f.Delays())
		mean := int64(at.Score)
		late := []analysis.Condition{analysis.Grades("stretch", float64(mean))}
		if p99, known := all.Quantile(.99); known {
			late = append(late, analysis.Grades("p99", float64(p99)))
		}
		conditions := []analysis.Condition{analysis.Either(late...), analysis.Grades("share", say.Ratio(all.Sum(), running)), analysis.Needs("starts", float64(all.N()))}
		if p.Trace.Duration() >= 10*window.Moment {
			moment := window.Worst(p, f.Delays(), window.Moment, window.Mean(measures.DelayTotal))
			conditions = append(conditions, analysis.Grades("moment", say.Ratio(moment.Sums[measures.DelayTotal], all.Sum())))
		}
		g := p.Gate(conditions...)
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		dist := fmt.Sprintf("%s; in the worst 100 ms mean %s", say.Spread(p, &all), p.Dur(mean))
		if !p.Trace.V1() {
			dist += "; without a P " + analysis.FormatRatio(say.Ratio(f.Wakeups()[measures.PollNoP], wakeups))
		}
		instead := "what they did instead is in waits.function"
		if did := evidence.Instead(p); did != "" {
			instead = did
		}
		finding := analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("Goroutines that the network made ready wait for a P: %s (n=%s); %s of delay for %s of running%s",
				dist, analysis.FormatCount(all.N()), p.Dur(all.Sum()), p.Dur(running), evidence.MostlyBecause(measures.WaitsOf(p).Whole()[parse.ReadyNetpoll])),
			Cost: analysis.Cost{Value: all.Sum(), Total: all.Sum() + running, Clock: analysis.GTime}, Confidence: analysis.Measured,
			Evidence: []analysis.Evidence{{From: p.Rel(at.From), To: p.Rel(at.To), Note: "the worst 100 ms: mean " + p.Dur(mean)}},
			Advice:   "Free the Ps: " + instead + ". Split long computations, move batch work to times or processes of its own, or give the program more CPUs and as many Ps. netpoll.latency.p99 should fall.",
			Caveat:   "Time in the kernel's queues before the poller looked is not in it; with fewer CPUs than Ps it holds time in which the operating system ran something else.",
		}
		for _, r := range tally.Rank(f.Sites().ByKey(), func(k measures.WaitSite) tally.Label { return tally.Label{p.SiteName(k.Stack)} }, (*measures.NetworkWaits).Add, func(w *measures.NetworkWaits) int64 { return w.Delay }) {
			if r.V.Delay > 0 && len(finding.Evidence) < 4 {
				finding.Evidence = append(finding.Evidence, evidence.Whole(p, analysis.Evidence{Func: r.Label[0],
					Note: fmt.Sprintf("waited here for the network, then %s in all for a P, longest %s", p.Dur(r.V.Delay), p.Dur(r.V.MaxDelay)), Stack: delayedStack(p, f, r.Label[0])}))
			}
		}
		p.Find(finding)
		return nil
	},
}

// delayedStack is the stack with the most delay of those that print alike.
func delayedStack(p *analysis.Pass, f *measures.NetpollFold, name string) []analysis.Frame {
	var stack parse.StackID
	var most int64
	for _, e := range f.Sites().Entries {
		if e.V.Delay > most && p.SiteName(e.Key.Stack) == name {
			stack, most = e.Key.Stack, e.V.Delay
		}
	}
	return p.Stack(stack)
}

// worstDelay is the stretch with the largest mean delay, its score, among those with
// enough starts.
func worstDelay(p *analysis.Pass, s *sketch.Series) window.Stretch {
	return window.Worst(p, s, window.Moment, func(sums []int64, _ int64) float64 {
		if n := sums[measures.DelayStarts]; p.Met("starts", float64(n)) {
			return float64(sums[measures.DelayTotal] / max(n, 1))
		}
		return -1
	})
}
