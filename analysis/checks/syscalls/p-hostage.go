package syscalls

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
)

var pHostage = &analysis.Analyzer{
	Name: "p-hostage", Proof: "syscalls.time",
	Doc:      say.Page(pages, "p-hostage"),
	Covers:   []string{"limits/syscalls"},
	Requires: []*analysis.Analyzer{measures.Syscalls, measures.Timeline, measures.Parallelism},
	Thresholds: []analysis.Threshold{
		{Name: "p-hostage.share", Doc: "share of P time of the worst second in calls beyond 20 µs while user goroutines were runnable", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .01, Warning: .03, Error: .1}, Source: "servers whose calls do not block were measured at up to 2.5 %, for the kernel works in them too; with 10 % a P in ten is missing while work waits"},
		{Name: "p-hostage.time", Doc: "P time of the worst second in calls beyond 20 µs while user goroutines were runnable", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 5e6}, Source: "half a time slice (forcePreemptNS, 10 ms): less is noise of sysmon's ticks, which back off to 10 ms"},
		{Name: "p-hostage.full", Doc: "P time with no P idle, as a share of what calls held while user goroutines were runnable", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5}, Source: "with less, most of these goroutines waited for an idle P to be woken, not for those in calls"},
	},
	Run: func(p *analysis.Pass) error {
		f := measures.SyscallsOf(p)
		if evidence.NoCalls(p, f.Calls() > 0 || f.PTime() > 0) {
			return nil
		}
		over := measures.TimelineOf(p).Sums(p).Over
		worst := window.Worst(p, f.Load(), window.Second, window.Mean(measures.LoadHostage))
		held, all := worst.Sums[measures.LoadHostage], procTimeIn(p, over, worst.From, worst.To)
		share := min(1, say.Ratio(held, all))
		g := p.Gate(analysis.Grades("share", share), analysis.Needs("time", float64(held)), analysis.Needs("full", fullBeside(p, f.Hostage(), procTimeIn(p, over, p.Trace.From, p.Trace.To))))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		severity := g.Severity
		sites := evidence.CallSitesBy(p, f, func(s *measures.CallSite) int64 { return s.Hostage })
		var explains []string
		if severity.Rank() >= analysis.Warning.Rank() {
			explains = []string{"limits/syscalls"} // the same time
		}
		p.Find(analysis.Finding{
			Severity: severity, Explains: explains,
			Summary: fmt.Sprintf("Calls held Ps for %s while user goroutines were runnable: %s of P time %s; most at %s",
				p.Dur(f.Hostage()), say.Percent(share), window.In(p, worst.From, worst.To), sites[0].Site),
			Cost:       analysis.Cost{Value: f.Hostage(), Total: procTimeIn(p, over, p.Trace.From, p.Trace.To), Clock: analysis.PTime},
			Confidence: analysis.Inferred,
			Evidence: evidence.SiteEvidence(p, sites, worst.From, worst.To, func(s *measures.CallSite) string {
				return fmt.Sprintf("held %s of P time in %s", p.Dur(s.Hostage), say.Counted(s.Calls, "call", "calls"))
			}),
			Advice: "Make the calls that hold a P rarer or shorter: larger buffers, one call for many items, a few dedicated goroutines for slow files or C code, so that other Ps stay free. syscall.hostage should fall.",
			Caveat: "It is an upper bound, by at most 20 µs per call. A call in which the kernel works (a large write) looks like one that sleeps. sysmon's ticks are 20 µs to 10 ms apart, so that a P can be held that long even when all is well.",
		})
		return nil
	},
}
