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

var goroutineChurn = &analysis.Analyzer{
	Name: "goroutine-churn", Proof: "goroutines.alive",
	Doc: say.Page(pages, "goroutine-churn"),
	Thresholds: []analysis.Threshold{
		{
			Name: "goroutine-churn.rate", Doc: "goroutines created at one place per second", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 10e3, Warning: 50e3},
			Source: "the catalogue's 50,000; a planted program has 16,000, servers with a goroutine per request some 1,000",
		},
		{
			Name: "goroutine-churn.run", Doc: "running time of a goroutine created there, on average", Unit: analysis.NS, Below: true, Levels: analysis.Levels{Note: 20e3, Warning: 10e3},
			Source: "creating, starting and ending a goroutine costs 0.5 to 1 µs: 5 to 10 % of that",
		},
		{
			Name: "goroutine-churn.count", Doc: "goroutines created at one place", Unit: analysis.Count, Levels: analysis.Levels{Note: 1000}, Source: "population",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Goroutines, measures.Kinds},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.GoroutinesOf(p)
		var top measures.GoOrigin
		var worst *measures.GoPopulation
		made := make(map[measures.GoOrigin]*measures.GoPopulation)
		for k, v := range f.Populations().ByKey() {
			if k.Class == parse.ClassUser && k.Seen {
				made[k] = v
			}
		}
		for _, at := range measures.JoinSites(made, func(k measures.GoOrigin) tally.Label { return tally.Label{p.SiteName(k.Site), p.FuncName(k.Fn)} },
			(*measures.GoPopulation).Add, func(v *measures.GoPopulation) int64 { return v.Created },
			func(a, b measures.GoOrigin) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Fn, b.Fn)) }) {
			top, worst = at.Key, at.V
			break
		}
		if worst == nil || worst.Created == 0 {
			p.NotApplicable("no user goroutine was created in this trace; record while the program works")
			return nil
		}
		rate, mean := say.PerSecond(worst.Created, p.Trace.Duration()), worst.States[parse.GoRunning]/max(worst.Count, 1)
		g := p.Gate(analysis.Grades("rate", rate), analysis.Grades("run", float64(mean)), analysis.Needs("count", float64(worst.Created))).At(p.SiteName(top.Site))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		severity, advice := g.Severity, "Give each goroutine more to do: batches, or a fixed number of workers that take items from a channel."
		if by := p.Trace.Place(p.Trace.PlaceOf(top.Site)).Inner; by != 0 && parse.IsStd(p.FuncName(top.Fn)) && parse.IsStd(p.FuncName(by)) {
			severity, advice = analysis.Note, "The standard library starts them, one for each call or request: do more with each, or make fewer."
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Goroutines are made for tiny work: %s of %s (%s), which ran for %s each and waited %s for a P",
				analysis.FormatCount(worst.Created), evidence.About(p, top.Fn), analysis.FormatRate(rate), p.Dur(mean), p.Dur(worst.States[parse.GoRunnable]/max(worst.Count, 1))),
			Cost:     evidence.ProcTime(p, float64(worst.Created*churnCost)),
			Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: evidence.About(p, top.Fn), Note: "created here", Stack: p.Stack(top.Site)})},
			Advice:   advice + " goroutines.created should fall.",
			Caveat:   "The cost counts 1 µs for each, which is not in the trace. Goroutines are cheap: where the rate is right for the design, leave it.",
		})
		return nil
	},
}

// churnCost is about what creating, starting and ending a goroutine costs, in ns.
const churnCost = 1000
