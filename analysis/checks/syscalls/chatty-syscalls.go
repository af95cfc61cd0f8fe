package syscalls

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var chattySyscalls = &analysis.Analyzer{
	Name: "chatty-syscalls", Proof: "syscalls.durations",
	Doc:      say.Page(pages, "chatty-syscalls"),
	Requires: []*analysis.Analyzer{measures.Syscalls, measures.Timeline, measures.Kinds},
	Thresholds: []analysis.Threshold{
		{Name: "chatty-syscalls.rate", Doc: "calls per second at one place, in the whole trace", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 50e3}, Source: "at about 0.3 µs of entry and exit each, 50,000 cost 1.5 % of a core"},
		{Name: "chatty-syscalls.median", Doc: "median length of the calls at one place", Unit: analysis.NS, Below: true,
			Levels: analysis.Levels{Note: 5e3}, Source: "below a few µs the way into the kernel and back is what is paid for"},
		{Name: "chatty-syscalls.share", Doc: "time in the calls at one place, as a share of the P time of user goroutines and their calls; the level by that of all such places", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .2, Warning: .5}, Source: "a fifth of what the program uses; with half of it, a third or more without the tracer's part, it would be faster by as much"},
		{Name: "chatty-syscalls.calls", Doc: "calls at one place", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1000}, Source: "a rate needs a second of it, or many"},
	},
	Run: func(p *analysis.Pass) error {
		f := measures.SyscallsOf(p)
		if evidence.NoCalls(p, f.Calls() > 0) {
			return nil
		}
		total := measures.TimelineOf(p).Sums(p).Total
		used := total[measures.ShareUser] + total[measures.ShareSyscall]
		perS := func(calls int64) float64 { return say.PerSecond(calls, p.Trace.Duration()) }
		sites := evidence.CallSitesBy(p, f, func(s *measures.CallSite) int64 { return s.Calls })
		var chatty []measures.SiteSum[measures.CallSite]
		var sum, calls int64
		var near analysis.Gate
		for _, s := range sites {
			median, ok := s.V.Durations.Quantile(50, s.V.Longest).(int64)
			conditions := []analysis.Condition{analysis.Needs("rate", perS(s.V.Calls)), analysis.Grades("share", say.Ratio(s.V.Total, used)), analysis.Needs("calls", float64(s.V.Calls))}
			if ok {
				conditions = append(conditions, analysis.Needs("median", float64(median)))
			}
			g := p.Gate(conditions...)
			near = near.Nearer(g.At(s.Site))
			if ok && g.Severity != "" {
				chatty = append(chatty, s)
				sum += s.V.Total
				calls += s.V.Calls
			}
		}
		if len(chatty) == 0 {
			p.Clear(near)
			return nil
		}
		worst := chatty[0]
		who := worst.Site + " makes"
		if n := len(chatty) - 1; n > 0 {
			who = fmt.Sprintf("%s and %s make", worst.Site, say.Counted(int64(n), "other place", "other places"))
		}
		p.Find(analysis.Finding{
			Severity: p.Gate(analysis.Grades("share", say.Ratio(sum, used))).Severity,
			Summary: fmt.Sprintf("%s %s short calls (p50 %s), which take %s of the time of user goroutines and their calls",
				who, analysis.FormatRate(perS(calls)), p.Dur(worst.V.Durations.Quantile(50, worst.V.Longest).(int64)), say.Percent(min(1, say.Ratio(sum, used)))),
			Cost:       analysis.Cost{Value: min(sum, used), Total: used, Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence: evidence.SiteEvidence(p, chatty, p.Trace.From, p.Trace.To, func(s *measures.CallSite) string {
				return fmt.Sprintf("%s, p50 %s, %s in all", say.Counted(s.Calls, "call", "calls"), p.Dur(s.Durations.Quantile(50, s.Longest).(int64)), p.Dur(s.Total))
			}),
			Advice: "Do more with one call: bufio, larger buffers, readv or writev, one cgo call for many items" + tries(p, worst.Stack) + ". syscall.count and procs.share.syscall should fall.",
			Caveat: "Events make short calls longer: of a call of 0.5 µs up to half is the tracer's.",
		})
		return nil
	},
}

// tries says, of calls that goroutines make without ever waiting, that they may be tries:
// what a call comes back with is not in the trace.
func tries(p *analysis.Pass, stack parse.StackID) string {
	k := measures.KindsOf(p).OfStack(stack)
	if k == nil || k.Share(k.State[parse.GoRunning]+k.State[parse.GoRunnable]+k.State[parse.GoSyscall]) < unceasing {
		return ""
	}
	return fmt.Sprintf(", or, where it only asks or fails (end of file, full disk), wait before the next try: %s never waits", k.Title())
}

const unceasing = .98 // of their lives, as of who polls: the rest is stops
