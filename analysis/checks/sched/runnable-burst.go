package sched

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var runnableBurst = &analysis.Analyzer{
	Name: "runnable-burst", Proof: "parallelism.time",
	Doc:         say.Page(pages, "runnable-burst"),
	Interactive: true,
	Thresholds: []analysis.Threshold{
		{
			Name: "runnable-burst.waited", Doc: "share of the waiting in bursts (2 ms or longer with five runnable user goroutines for each P) in all waiting of user goroutines for a P", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .25, Warning: .6},
			Source: "60 % is what makes a cause",
		},
		{
			Name: "runnable-burst.time", Doc: "waiting in bursts, goroutines × time", Unit: analysis.NS, Levels: analysis.Levels{Note: 100e6, Warning: 1e9},
			Source: "a thousand goroutines that wait a ms each",
		},
		{
			Name: "runnable-burst.count", Doc: "bursts", Unit: analysis.Count, Levels: analysis.Levels{Note: 1},
			Source: "one is enough when most of the waiting is in it",
		},
		{
			Name: "runnable-burst.once", Doc: "share of the longest burst in the time in bursts, where most that waited had just been created", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: 1, Warning: .6}, Source: "one burst of new goroutines is a start or a fan-out",
		},
		{
			Name: "runnable-burst.standing", Doc: "share of the time in bursts", Unit: analysis.Ratio, Below: true, Levels: analysis.Levels{Note: .5},
			Source: "more is a standing queue: saturated",
		},
	},
	Requires: []*analysis.Analyzer{measures.Parallelism, measures.Latency, measures.Kinds, measures.Waits},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.ParallelismOf(p)
		count, length, mass, longest, at := f.Bursts().Result()
		wall := p.Trace.Duration()
		waited := f.Runnable().Sum() - f.Yielding()
		if waited == 0 {
			p.NotApplicable("no user goroutine waited for a P; record under load")
			return nil
		}
		conditions := []analysis.Condition{analysis.Grades("waited", say.Ratio(mass, waited)), analysis.Grades("time", float64(mass)),
			analysis.Needs("count", float64(count)), analysis.Needs("standing", say.Ratio(length, wall))}
		if evidence.MostlyCreated(measures.LatencyOf(p)) {
			conditions = append(conditions, analysis.Grades("once", say.Ratio(longest, length)))
		}
		g := p.Gate(conditions...)
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		severity := g.Severity
		if max(evidence.CauseShare(p, parse.CauseGC, parse.CauseSTW), evidence.CauseShare(p, parse.CauseSyscall)) >= evidence.ExplainsFrom {
			severity = analysis.Note // how many became runnable is not why they wait
		}
		if by := measures.WaitsOf(p).InTheWay(p); len(by) > 0 && by[0].Share >= evidence.ExplainsFrom && runnableOf(p, by[0].Who) < .2 {
			severity = analysis.Note // they wait for one that is none of them
		}
		from := p.Rel(parse.Time(at))
		shown, top := wakerEvidence(p, 5)
		shown = append([]analysis.Evidence{{From: from, To: from + longest, Note: "the longest burst"}}, shown...)
		who := ""
		if k := mostRunnable(p); k != nil {
			who = ": most are " + k.Title()
		}
		if top != "" {
			who += ", made runnable by " + top
		}
		text := fmt.Sprintf("Many goroutines become runnable at once%s: %s with five or more for each P (%s on average), %s in all, the longest %s at %s; %s of all waiting for a P",
			who, say.Counted(count, "burst", "bursts"), measures.MeanCount(float64(mass)/float64(length)), p.Dur(length), p.Dur(longest), p.At(parse.Time(at)), analysis.FormatRatio(say.Ratio(mass, waited)))
		finding := analysis.Finding{
			Severity: severity, Summary: text, Confidence: analysis.Measured, Evidence: shown,
			Cost:   analysis.Cost{Value: mass, Total: f.Running().Sum() + waited, Clock: analysis.GTime},
			Advice: "Wake fewer at once: jitter for timers and tickers, Signal instead of Broadcast, workers that take batches, a bound on fan-out. goroutines.runnable.max should fall.",
			Caveat: "A deliberate fan-out of work that keeps all Ps busy is no harm. Who made them runnable is told from all waits of 1 ms or longer.",
		}
		if evidence.Causes(mass, waited) && severity != analysis.Note {
			finding.Explains = []string{"latency-tail"}
		}
		p.Find(finding)
		return nil
	},
}

// runnableOf is the share of a kind of goroutines in all waiting for a P.
func runnableOf(p *analysis.Pass, kind string) float64 {
	var of, all int64
	for _, k := range measures.KindsOf(p).All {
		if all += k.State[parse.GoRunnable]; k.Name == kind {
			of = k.State[parse.GoRunnable]
		}
	}
	return say.Ratio(of, all)
}

// mostRunnable is the kind of goroutines with more than half of all waiting for a P.
func mostRunnable(p *analysis.Pass) (most *measures.GoKind) {
	var all int64
	for _, k := range measures.KindsOf(p).All {
		if all += k.State[parse.GoRunnable]; most == nil || k.State[parse.GoRunnable] > most.State[parse.GoRunnable] {
			most = k
		}
	}
	if most == nil || 2*most.State[parse.GoRunnable] <= all {
		return nil
	}
	return most
}
