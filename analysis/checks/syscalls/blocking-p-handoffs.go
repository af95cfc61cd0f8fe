package syscalls

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var blockingHandoffs = &analysis.Analyzer{
	Name: "blocking-p-handoffs", Proof: "syscalls.time",
	Doc:      say.Page(pages, "blocking-p-handoffs"),
	Requires: []*analysis.Analyzer{measures.Syscalls, measures.Timeline, measures.Parallelism},
	Thresholds: []analysis.Threshold{
		{Name: "blocking-p-handoffs.rate", Doc: "Ps that sysmon took from calls, per second and P, in the worst second", Unit: analysis.PerS,
			Levels: analysis.Levels{Warning: 50}, Source: "a P that runs 10 ms slices changes hands 100 times a second: half as much again only because of calls"},
		{Name: "blocking-p-handoffs.share", Doc: "share of the calls at one place that lose their P to sysmon", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .05}, Source: "a call must outlast two ticks of sysmon (20 µs or more, proc.go:retake); calls that rarely block stay below 1 % in measured services"},
		{Name: "blocking-p-handoffs.handoffs", Doc: "Ps that sysmon took from calls at this place", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 20}, Source: "fewer are a few chances, and at 5 % already 400 calls"},
		{Name: "blocking-p-handoffs.cost", Doc: "P time held by calls beyond 20 µs while user goroutines were runnable, as a share of all P time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .001, Warning: .01}, Source: "1 % is what other checks take for noticeable; calls that block beside idle Ps cost nothing and are healthy"},
		{Name: "blocking-p-handoffs.full", Doc: "P time with no P idle, as a share of what calls held while user goroutines were runnable", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5}, Source: "with less, most of these goroutines waited for an idle P to be woken, not for those in calls"},
	},
	Run: func(p *analysis.Pass) error {
		f := measures.SyscallsOf(p)
		if evidence.NoCalls(p, f.Calls() > 0 || f.PTime() > 0) {
			return nil
		}
		over := measures.TimelineOf(p).Sums(p).Over
		procs, _ := p.Value("procs.time")
		ps := procs / float64(max(1, p.Trace.Duration()))
		second := window.Worst(p, f.Load(), window.Second, func(sums []int64, ns int64) float64 {
			return say.PerSecond(sums[measures.LoadSysmon], ns) / max(1, ps)
		})
		costShare := min(1, say.Ratio(f.Hostage(), procTimeIn(p, over, p.Trace.From, p.Trace.To)))
		sites := evidence.CallSitesBy(p, f, func(s *measures.CallSite) int64 { return s.Lost[parse.TakerSysmon] })
		worst, share := measures.SiteSum[measures.CallSite]{V: new(measures.CallSite)}, 0.0
		if len(sites) > 0 {
			worst, share = sites[0], lostShare(sites[0].V)
		}
		g := p.Gate(analysis.Grades("rate", second.Score), analysis.Grades("share", share), analysis.Grades("cost", costShare), analysis.Needs("full", fullBeside(p, f.Hostage(), int64(procs))), analysis.Needs("handoffs", float64(worst.V.Lost[parse.TakerSysmon])))
		if g.Severity == "" {
			if worst.Site != "" {
				g = g.At("most at " + worst.Site)
			}
			p.Clear(g)
			return nil
		}
		// What calls held and how long goroutines waited after them, at sites that lose their P.
		var held, waited, waits int64
		for _, s := range evidence.CallSitesBy(p, f, func(s *measures.CallSite) int64 { return s.Hostage + s.Wait }) {
			waits += s.V.Wait
			if p.Met("share", lostShare(s.V)) {
				held += s.V.Hostage
				waited += s.V.Wait
			}
		}
		var explains []string
		if float64(held) >= evidence.ExplainsFrom*float64(f.Hostage()) {
			explains = append(explains, "p-hostage")
		}
		if waits > 0 && float64(waited) >= evidence.ExplainsFrom*float64(waits) {
			explains = append(explains, "syscall-return-wait")
		}
		advice := "Let fewer goroutines block in calls at once (a worker pool, a semaphore), or let the network poller wait: SetDeadline-capable files, os.Pipe and sockets park the goroutine and keep the P. Batch fsyncs. syscall.phandoff.sysmon should fall."
		if startsProcess(p.Trace, worst.Stack) {
			advice = fewerProcesses
		}
		p.Find(analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("Calls that block made sysmon take %s, %s per P in the worst second; most at %s, where %s of %s lost their P",
				say.Counted(f.Lost()[parse.TakerSysmon], "P", "Ps"), analysis.FormatRate(second.Score), worst.Site, say.Percent(share), say.Counted(worst.V.Calls, "call", "calls")),
			Cost:       analysis.Cost{Value: f.Hostage(), Total: int64(procs), Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence: evidence.SiteEvidence(p, sites, second.From, second.To, func(s *measures.CallSite) string {
				return fmt.Sprintf("sysmon took the P of %s of %s; longest %s", analysis.FormatCount(s.Lost[parse.TakerSysmon]), say.Counted(s.Calls, "call", "calls"), p.Dur(s.Longest))
			}),
			Advice: advice,
			Caveat: "The cost is the P time that the calls held; waits for a P after the calls are in syscall-return-wait.", Explains: explains,
		})
		return nil
	},
}

// lostShare is the share of the calls at a site that lose their P to sysmon.
func lostShare(s *measures.CallSite) float64 {
	return min(1, say.Ratio(s.Lost[parse.TakerSysmon], s.Calls))
}
