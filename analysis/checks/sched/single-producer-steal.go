package sched

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

var singleProducerSteal = &analysis.Analyzer{
	Name: "single-producer-steal", Proof: "stealing.matrix",
	Doc: say.Page(pages, "single-producer-steal"),
	Thresholds: []analysis.Threshold{
		{
			Name: "single-producer-steal.share", Doc: "share of the stolen goroutines that one place in one goroutine's code made runnable", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .8}, Source: "the catalogue's",
		},
		{
			Name: "single-producer-steal.wait", Doc: "wait for a P of the goroutines stolen from there, on average", Unit: analysis.NS, Levels: analysis.Levels{Note: 20e3},
			Source: "longer than a thief takes to wake up and look (5 to 20 µs)",
		},
		{
			Name: "single-producer-steal.rate", Doc: "goroutines stolen from there per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 500}, Source: "fewer wait for a few ms a second in all",
		},
		{
			Name: "single-producer-steal.count", Doc: "goroutines stolen from there", Unit: analysis.Count, Levels: analysis.Levels{Note: 200}, Source: "population",
		},
		{
			Name: "single-producer-steal.eligible", Doc: "share of steals in the starts from run queues", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .1},
			Source: "below that most goroutines start where they became runnable",
		},
	},
	Requires: []*analysis.Analyzer{measures.Stealing, measures.Parallelism, measures.Latency},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.StealingOf(p)
		var all int64
		for _, s := range f.Sites().ByKey() {
			all += s.N
		}
		if all == 0 {
			p.NotApplicable("no goroutine was stolen; record under load with GOMAXPROCS 2 or more")
			return nil
		}
		var top measures.Joined[measures.StealSite, measures.Stolen]
		for _, s := range stealers(p, f) {
			// Neither a timer nor the poller, nor the runtime on its own account.
			if site, ok := p.Trace.Site(s.Key.Stack); ok && !strings.HasPrefix(p.Trace.String(site.Func), "runtime.") {
				top = s
				break
			}
		}
		if top.V == nil || top.V.N == 0 {
			p.Say("none of %s was made runnable by another goroutine", say.Counted(all, "stolen start", "stolen starts"))
			return nil
		}
		eligible, _ := p.Value("steal.share")
		share, mean, rate := say.Ratio(top.V.N, all), top.V.Wait/top.V.N, say.PerSecond(top.V.N, p.Trace.Duration())
		g := p.Gate(analysis.Grades("share", share), analysis.Needs("wait", float64(mean)), analysis.Needs("rate", rate), analysis.Needs("count", float64(top.V.N)), analysis.Needs("eligible", eligible)).At(p.SiteName(top.Key.Stack))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("One producer feeds the other Ps by stealing: %s of %s stolen goroutines were made runnable at %s, and waited %s on average",
				analysis.FormatRatio(share), analysis.FormatCount(all), p.SiteName(top.Key.Stack), p.Dur(mean)),
			Cost:     evidence.ActiveTime(p, top.V.Wait),
			Evidence: stealEvidence(p),
			Advice:   "Let several goroutines produce, or hand out batches that a worker divides: what one P makes runnable starts elsewhere only by stealing. steal.latency.p50 should fall.",
			Caveat:   "An accept loop or a fan-out is like that by nature. Steals are told from a model of the run queues.",
		})
		return nil
	},
}
