package sched

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var preemptHeavy = &analysis.Analyzer{
	Name: "preempt-heavy", Proof: "preemption.time",
	Doc:         say.Page(pages, "preempt-heavy"),
	Interactive: true,
	Thresholds: []analysis.Threshold{
		{
			Name: "preempt-heavy.share", Doc: "share of P time in time slices of user goroutines that sysmon ended after 10 ms", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .4},
			Source: "when most of the Ps' time goes by in whole time slices, whoever wakes up waits for one",
		},
		{
			Name: "preempt-heavy.rate", Doc: "time slices that sysmon ended, per second and P", Unit: analysis.PerS, Levels: analysis.Levels{Note: 20},
			Source: "at most 100 fit into a second, and 50 to 100 come when sysmon looks late",
		},
		{
			Name: "preempt-heavy.count", Doc: "time slices that sysmon ended", Unit: analysis.Count, Levels: analysis.Levels{Note: 20}, Source: "population",
		},
		{
			Name: "preempt-heavy.runnable", Doc: "runnable user goroutines per P, on average", Unit: analysis.Count, Levels: analysis.Levels{Note: .1},
			Source: "a computation that nobody waits for may run on",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Parallelism, measures.Preemption},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.PreemptionOf(p)
		par := measures.ParallelismOf(p)
		procs := evidence.MeanProcs(p)
		if f.All() == 0 || procs == 0 {
			p.NotApplicable("no goroutine ran; record while the program works")
			return nil
		}
		used := &f.Slices()[measures.EndUsedUp]
		total, _ := p.Value("procs.time")
		share, rate := float64(used.Sum())/total, say.PerSecond(used.N(), p.Trace.Duration())/procs
		runnable := float64(par.Runnable().Sum()) / total
		g := p.Gate(analysis.Grades("share", share), analysis.Needs("rate", rate), analysis.Needs("count", float64(used.N())), analysis.Needs("runnable", runnable))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		type place struct {
			fn   string
			site measures.PreemptSite
			n    int64
		}
		var places []place
		for k, v := range f.Sites().ByKey() {
			if k.Kind == parse.PreemptAsync || k.Kind == parse.PreemptCooperative || k.Kind == parse.PreemptUnknown {
				places = append(places, place{p.FuncName(k.Fn), k, v.N})
			}
		}
		slices.SortFunc(places, func(a, b place) int {
			return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.site.Stack, b.site.Stack), cmp.Compare(a.site.Fn, b.site.Fn))
		})
		var shown []analysis.Evidence
		for _, at := range places[:min(5, len(places))] {
			shown = append(shown, evidence.Whole(p, analysis.Evidence{Func: at.fn,
				Note: fmt.Sprintf("preempted here %s", say.Counted(at.n, "time", "times")), Stack: p.Stack(at.site.Stack)}))
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Long computations share the Ps: %s used up 10 ms or more and were preempted, %s of P time, while %s goroutines waited per P",
				say.Counted(used.N(), "time slice", "time slices"), analysis.FormatRatio(share), measures.MeanCount(runnable)),
			Cost: evidence.ProcTime(p, float64(used.Sum())), Evidence: shown,
			Advice: "Keep a P free for what must be quick: fewer computations at once than Ps, or another process for them. sched.latency.user.p99 should fall.",
			Caveat: "Preemptions to stop the world and at safepoints are not counted.",
		})
		return nil
	},
}
