package syscalls

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// beyond sums by how much values exceed limit.
func beyond(h *sketch.Histogram, limit int64) (sum int64) {
	h.Bins(func(lo, hi, n int64) bool {
		if mid := lo + (hi-lo)/2; mid > limit {
			sum += (mid - limit) * n
		}
		return true
	})
	return sum
}

var syscallReturnWait = &analysis.Analyzer{
	Name: "syscall-return-wait", Proof: "latency.cause",
	Doc:         say.Page(pages, "syscall-return-wait"),
	Interactive: true,
	Requires:    []*analysis.Analyzer{measures.Syscalls, measures.Latency},
	Thresholds: []analysis.Threshold{
		{Name: "syscall-return-wait.tail", Doc: "p99 (p90 of fewer than 1,000) of the waits of user goroutines whose call returned without a P", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: 1e6, Error: 10e6}, Source: "as latency-tail: 1 ms is the usual limit of scheduling monitors, 10 ms a whole time slice (forcePreemptNS)"},
		{Name: "syscall-return-wait.waits", Doc: "waits of user goroutines whose call returned without a P", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 100}, Source: "a p90 needs 100 values for ten beyond it"},
		{Name: "syscall-return-wait.share", Doc: "all waits of user goroutines whose call returned without a P together, as a share of the time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .01, Warning: .05, Error: .05}, Source: "less is one goroutine waiting 1 % of the time"},
	},
	Run: func(p *analysis.Pass) error {
		f := measures.SyscallsOf(p)
		h := &f.Reacquire()[1]
		n := h.N()
		tail, name, ok := evidence.WaitTail(h)
		if !ok || !p.Met("waits", float64(n)) {
			p.NotApplicable(fmt.Sprintf("%s of user goroutines returned without a P, %.0f are needed; record longer, under load", say.Counted(n, "call", "calls"), p.Limit("waits")))
			return nil
		}
		share := say.Ratio(h.Sum(), p.Trace.Duration())
		g := p.Gate(analysis.Grades("tail", float64(tail)), analysis.Grades("share", share), analysis.Needs("waits", float64(n)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		finding := analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("User goroutines wait %s %s for a P when their call returns (n=%s, longest %s), %s in all",
				name, p.Dur(tail), analysis.FormatCount(n), p.Dur(h.Max()), p.Dur(h.Sum())),
			Cost:       analysis.Cost{Value: h.Sum(), Total: h.Sum() + f.Durations().Sum(), Clock: analysis.GTime},
			Confidence: analysis.Measured,
			Evidence: evidence.SiteEvidence(p, evidence.CallSitesBy(p, f, func(s *measures.CallSite) int64 { return s.Wait }), p.Trace.From, p.Trace.To, func(s *measures.CallSite) string {
				return fmt.Sprintf("waited %s for a P after %s", p.Dur(s.Wait), say.Counted(s.Calls, "call", "calls"))
			}),
			Advice: "Give returning goroutines a free P: fewer CPU-bound goroutines at once, more CPUs, fewer calls that block (pollable files, batching), so that the P is kept. syscall.reacquire.p99 should fall.",
			Caveat: "What kept the Ps busy is told by waits; the wait counts from the return of the call, which the trace stamps after the thread has looked for a P.",
		}
		l := measures.LatencyOf(p)
		limit := int64(p.Limit("tail"))
		if all := beyond(l.Headline(p), limit); all > 0 && float64(beyond(h, limit)) >= evidence.ExplainsFrom*float64(all) {
			finding.Explains = []string{"latency-tail"}
		}
		p.Find(finding)
		return nil
	},
}
