package gc

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var assistQueueWait = &analysis.Analyzer{
	Name: "assist-queue-wait", Proof: "gc.share",
	Doc:         say.Page(pages, "assist-queue-wait"),
	Interactive: true,
	Requires:    []*analysis.Analyzer{measures.Blocking, measures.GC},
	Thresholds: []analysis.Threshold{
		{Name: "assist-queue-wait.tail", Doc: "p99 (p90 of fewer than 1,000) of the waits in the queue of mark assists", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: 1e6, Error: 10e6}, Source: "as latency-tail: to the goroutine it is the same as waiting for a P (golang/go#22654)"},
		{Name: "assist-queue-wait.waits", Doc: "waits in the queue of mark assists", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 100}, Source: "a p90 needs 100 values for ten beyond it"},
		{Name: "assist-queue-wait.share", Doc: "all waits in the queue of mark assists together, as a share of the time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .01, Warning: .05, Error: .05}, Source: "less is one goroutine waiting 1 % of the time"},
		{Name: "assist-queue-wait.cycles", Doc: "GC cycles in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1, Warning: 3, Error: 3}, Source: "one or two say nothing of what follows: programs start with them"},
	},
	Run: func(p *analysis.Pass) error {
		if c := measures.GCOf(p); c.Cycles()+c.Cut() == 0 {
			p.NotApplicable(evidence.NoGC(p))
			return nil
		}
		f := measures.BlockingOf(p)
		var h sketch.Histogram
		sites := make(map[parse.StackID]*measures.BlockWaits)
		for k, r := range f.Reasons().ByKey() {
			if p.Trace.String(k.Reason) == assistQueueReason {
				h.Merge(r)
			}
		}
		for k, b := range f.Sites().ByKey() {
			if p.Trace.String(k.Reason) == assistQueueReason {
				tally.At(sites, k.Stack).Add(&b.BlockWaits)
			}
		}
		tail, name, ok := evidence.WaitTail(&h)
		waits := analysis.Needs("waits", float64(h.N()))
		if !ok {
			p.Clear(p.Gate(waits))
			return nil
		}
		c := measures.GCOf(p)
		g := p.Gate(analysis.Grades("tail", float64(tail)), analysis.Grades("share", say.Ratio(h.Sum(), p.Trace.Duration())), analysis.Grades("cycles", float64(c.Cycles()+c.Cut())), waits)
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		p.Find(analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("Goroutines that must assist the GC find no work and wait %s %s for it (n=%s, longest %s), %s in all",
				name, p.Dur(tail), analysis.FormatCount(h.N()), p.Dur(h.Max()), p.Dur(h.Sum())),
			Cost:       analysis.Cost{Value: h.Sum(), Total: max(h.Sum(), c.Assist().Wall), Clock: analysis.GTime},
			Confidence: analysis.Measured,
			Evidence: evidence.SiteEvidence(p, measures.RankSites(p, sites, func(s parse.StackID) parse.StackID { return s }, (*measures.BlockWaits).Add, func(b *measures.BlockWaits) int64 { return b.Sum }),
				p.Trace.From, p.Trace.To, func(b *measures.BlockWaits) string {
					return fmt.Sprintf("%s, %s in all, longest %s", say.Counted(b.N, "wait", "waits"), p.Dur(b.Sum), p.Dur(b.Max))
				}),
			Advice: lessGarbage + " Break up what cannot be marked in parallel, such as long linked lists. block.gcassist.total should fall.",
			Caveat: "Such a goroutine is blocked, not runnable: its wait is in no scheduling latency.",
		})
		return nil
	},
}

// assistQueueReason is the reason of a wait in gcAssistAlloc's queue (mgcmark.go:gcParkAssist).
const assistQueueReason = "GC mark assist wait for work"
