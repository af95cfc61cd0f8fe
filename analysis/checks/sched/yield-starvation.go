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

var yieldStarvation = &analysis.Analyzer{
	Name: "yield-starvation", Proof: "latency.cause",
	Doc: say.Page(pages, "yield-starvation"),
	Thresholds: []analysis.Threshold{
		{
			Name: "yield-starvation.wait", Doc: "median wait of user goroutines for a P after runtime.Gosched", Unit: analysis.NS, Levels: analysis.Levels{Note: 1e6, Warning: 10e6},
			Source: "a ms is felt; 10 ms are a whole time slice of others (proc.go:forcePreemptNS)",
		},
		{
			Name: "yield-starvation.count", Doc: "waits of user goroutines for a P after runtime.Gosched", Unit: analysis.Count, Levels: analysis.Levels{Note: 20}, Source: "population",
		},
		{
			Name: "yield-starvation.share", Doc: "all waits after runtime.Gosched together, as a share of the time", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .1, Warning: .25},
			Source: "a goroutine that loses a tenth of its life by being polite, or a quarter",
		},
	},
	Requires: []*analysis.Analyzer{measures.Parallelism, measures.Timeline, measures.Latency, measures.Preemption, measures.Waits},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		h := &measures.LatencyOf(p).Hist()[parse.ClassUser][parse.ReadyYield]
		if h.N() == 0 {
			p.NotApplicable("no user goroutine called runtime.Gosched in this trace")
			return nil
		}
		p50, share := h.QuantileAny(.5), float64(h.Sum())/float64(p.Trace.Duration())
		g := p.Gate(analysis.Grades("wait", float64(p50)), analysis.Grades("share", share), analysis.Needs("count", float64(h.N())))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		sites := make(map[measures.PreemptSite]*measures.Preempted)
		var own, all int64
		for k, v := range measures.PreemptionOf(p).Sites().ByKey() {
			if k.Kind != parse.PreemptYield {
				continue
			}
			if all += v.N; yieldsItself(p.Trace, k.Stack) {
				sites[k] = v
				own += v.N
			}
		}
		if all > 0 && 2*own < all {
			p.Say("%s of %s are the runtime's own, in mark assist and in runtime.GC", analysis.FormatCount(all-own), say.Counted(all, "yield", "yields"))
			return nil
		}
		var shown []analysis.Evidence
		top := "(unknown)"
		for i, at := range measures.JoinSites(sites, func(k measures.PreemptSite) tally.Label { return tally.Label{p.SiteName(k.Stack), p.FuncName(k.Fn)} }, (*measures.Preempted).Add,
			func(c *measures.Preempted) int64 { return c.N },
			func(a, b measures.PreemptSite) int {
				return cmp.Or(cmp.Compare(a.Stack, b.Stack), cmp.Compare(a.Fn, b.Fn))
			}) {
			if i == 0 {
				top = p.SiteName(at.Key.Stack)
			}
			if i < 5 {
				shown = append(shown, evidence.Whole(p, analysis.Evidence{Func: p.SiteName(at.Key.Stack),
					Note: fmt.Sprintf("%s of %s, which ran for %s before", say.Counted(at.V.N, "yield", "yields"), p.FuncName(at.Key.Fn), p.Dur(at.V.Ran)), Stack: p.Stack(at.Key.Stack)}))
			}
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Who yields is starved: after runtime.Gosched goroutines wait p50 %s for a P, longest %s (n=%s), %s in all; most at %s",
				p.Dur(p50), p.Dur(h.Max()), analysis.FormatCount(h.N()), p.Dur(h.Sum()), top),
			Cost: analysis.Cost{Value: h.Sum(), Total: evidence.ActiveTime(p, 0).Total + h.Sum(), Clock: analysis.GTime}, Evidence: shown,
			Advice: "Leave runtime.Gosched out: it puts the goroutine behind all others, into the global queue, which a P looks at each 61st time and when it has nothing else; sysmon preempts it anyway. Goroutines that hand over to each other keep a P for a whole time slice through runnext. sched.latency.yield.p99 should fall.",
			Caveat: "Yields are left out of sched.latency.user: to wait is what they ask for.",
		})
		return nil
	},
}
