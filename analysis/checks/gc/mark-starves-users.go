package gc

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var markStarvesUsers = &analysis.Analyzer{
	Name: "mark-starves-users", Proof: "waits.cause",
	Doc:         say.Page(pages, "mark-starves-users"),
	Interactive: true,
	Requires:    []*analysis.Analyzer{measures.Latency, measures.Waits, measures.GC, measures.Kinds},
	Thresholds: []analysis.Threshold{
		{Name: "mark-starves-users.p99", Doc: "p99 of the waits of user goroutines for a P that touch a GC cycle (end in one, or saw it mark)", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: 500e3, Error: 10e6}, Source: "half of latency-tail's warning; 10 ms is a whole time slice (forcePreemptNS)"},
		{Name: "mark-starves-users.factor", Doc: "p99 of the waits for a P that touch a GC cycle, as a share of the p99 of all others", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: 3, Error: 3}, Source: "a quarter of the Ps less makes queues a third longer; three times as long is another regime"},
		{Name: "mark-starves-users.waits", Doc: "waits for a P that touch a GC cycle, or those that do not, whichever are fewer", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1000}, Source: "a p99 needs 1,000 values for ten beyond it"},
		{Name: "mark-starves-users.gc", Doc: "share of the waits that touch a GC cycle for which Ps busy with GC marking or a stopped world are to blame", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5}, Source: "below, load that comes with the GC is the likelier reason"},
	},
	Run: func(p *analysis.Pass) error {
		if c := measures.GCOf(p); c.Cycles()+c.Cut() == 0 {
			p.NotApplicable(evidence.NoGC(p))
			return nil
		}
		l := measures.LatencyOf(p)
		all, during := l.Headline(p), l.During()
		outside := all.N() - during.N()
		if n := min(during.N(), outside); !p.Met("waits", float64(n)) {
			p.NotApplicable(fmt.Sprintf("%s for a P touch a GC cycle and %s do not, %.0f are needed on either side; record longer, under load",
				say.Counted(during.N(), "wait", "waits"), analysis.FormatCount(outside), p.Limit("waits")))
			return nil
		}
		in, out := during.QuantileAny(.99), outsideQuantile(all, during, .99)
		factor := say.Ratio(in, max(1, out))
		f := measures.WaitsOf(p)
		var blamed int64
		for r := range f.Whole() {
			blamed += f.Whole()[r].Parts[parse.CauseGC] + f.Whole()[r].Parts[parse.CauseSTW]
		}
		share := min(1, say.Ratio(blamed, during.Sum()))
		g := p.Gate(analysis.Grades("p99", float64(in)), analysis.Grades("factor", factor), analysis.Needs("gc", share), analysis.Needs("waits", float64(min(during.N(), outside))))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		finding := analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("User goroutines wait for a P %.3g times as long while the GC marks: p99 %s in cycles (n=%s), %s outside (n=%s); %s of it is blamed on the GC%s",
				factor, p.Dur(in), analysis.FormatCount(during.N()), p.Dur(out), analysis.FormatCount(outside), say.Percent(share), evidence.AllocatedAt(p, measures.GCOf(p).Closed(p))),
			Cost:       analysis.Cost{Value: min(blamed, all.Sum()), Total: all.Sum(), Clock: analysis.GTime},
			Confidence: analysis.Inferred,
			Evidence:   worstGCWaits(p, f),
			Advice:     "Make cycles rarer (a higher GOGC, fewer allocations) and leave Ps free: more CPUs, or fewer goroutines that run at once while it marks. gc.mark.wall and sched.latency.user.p99 should fall.",
			Caveat:     "Load that comes with allocation comes with the GC too: the comparison does not tell them apart, the blame does in part. Idle workers give way to goroutines in time; dedicated and fractional ones, and assists, do not.",
		}
		if evidence.CauseShare(p, parse.CauseGC, parse.CauseSTW) >= evidence.ExplainsFrom {
			finding.Explains = []string{"latency-tail"}
		}
		p.Find(finding)
		return nil
	},
}

// outsideQuantile is the quantile of the values of all that are not in part.
func outsideQuantile(all, part *sketch.Histogram, q float64) int64 {
	most := int64(float64(all.N()-part.N()) * (1 - q))
	lo, hi := int64(-1), all.Max()
	for lo+1 < hi {
		mid := lo + (hi-lo)/2
		if all.Above(mid)-part.Above(mid) <= most {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// worstGCWaits are the longest waits of which the GC has the largest part.
func worstGCWaits(p *analysis.Pass, f *measures.WaitsFold) (out []analysis.Evidence) {
	for _, e := range f.Worst().Items() {
		w := &e.Item
		if c, ns := measures.Largest(&w.Parts); c == parse.CauseGC || c == parse.CauseSTW {
			out = append(out, analysis.Evidence{From: p.Rel(w.Since), To: p.Rel(w.Since) + e.Value, P: evidence.IDOf(w.P), G: evidence.IDOf(w.G), Func: p.FuncName(w.Fn),
				Note: fmt.Sprintf("waited %s, %s of it: %s", p.Dur(e.Value), p.Dur(ns), measures.CauseTexts[c]), Stack: p.Stack(w.Waker)})
		}
	}
	return out
}
