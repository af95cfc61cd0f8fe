package sched

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

var migrationChurn = &analysis.Analyzer{
	Name: "migration-churn", Proof: "stealing.starts",
	Doc: say.Page(pages, "migration-churn"),
	Thresholds: []analysis.Threshold{
		{
			Name: "migration-churn.rate", Doc: "starts of goroutines on another P than before, per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 20e3, Warning: 100e3},
			Source: "a migration costs some µs of cache misses: 20,000 a few percent of a CPU, 100,000 a whole one",
		},
		{
			Name: "migration-churn.share", Doc: "share of starts on another P in all starts of goroutines that ran before", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .3},
			Source: "with work for all Ps most goroutines stay: planted busy programs have 0.01 to 0.25",
		},
		{
			Name: "migration-churn.busy", Doc: "share of P time not idle", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .5},
			Source: "idle Ps must steal, which is migration",
		},
		{
			Name: "migration-churn.count", Doc: "starts of goroutines on another P than before", Unit: analysis.Count, Levels: analysis.Levels{Note: 1000}, Source: "population",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Latency, measures.Stealing},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.LatencyOf(p)
		if f.Placed() == 0 || len(measures.TimelineOf(p).Procs().ByKey()) < 2 {
			p.NotApplicable("nothing can migrate: there is one P only, or no goroutine ran twice; record with GOMAXPROCS 2 or more")
			return nil
		}
		idle, _ := p.Value("procs.share.idle")
		rate, share := say.PerSecond(f.Migrations(), p.Trace.Duration()), say.Ratio(f.Migrations(), f.Placed())
		g := p.Gate(analysis.Grades("rate", rate), analysis.Needs("share", share), analysis.Needs("busy", 1-idle), analysis.Needs("count", float64(f.Migrations())))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		shown := stealEvidence(p)
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Goroutines move between Ps all the time: %s starts on another P than before (%s, %s of all) though the Ps are busy for %s of their time",
				analysis.FormatCount(f.Migrations()), analysis.FormatRate(rate), analysis.FormatRatio(share), analysis.FormatRatio(1-idle)),
			Cost:     evidence.ProcTime(p, float64(f.Migrations()*migrationCost)),
			Evidence: shown,
			Advice:   "Hand over less often: larger messages, fewer hops from goroutine to goroutine, shards with workers of their own. sched.migrations should fall.",
			Caveat:   "The cost counts 2 µs of cache misses for each, which is not in the trace.",
		})
		return nil
	},
}

// migrationCost is about what a start on another P costs, in ns.
const migrationCost = 2000
