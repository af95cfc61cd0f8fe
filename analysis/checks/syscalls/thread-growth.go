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

var threadGrowth = &analysis.Analyzer{
	Name: "thread-growth", Proof: "syscalls.time",
	Doc:      say.Page(pages, "thread-growth"),
	Covers:   []string{"limits/syscalls"},
	Requires: []*analysis.Analyzer{measures.Syscalls, measures.Timeline, measures.Goroutines, measures.Waits},
	Thresholds: []analysis.Threshold{
		{Name: "thread-growth.calls", Doc: "goroutines in system or cgo calls at once, mean of the worst 100 ms", Unit: analysis.Count,
			Levels: analysis.Levels{Warning: 64, Error: 5000}, Source: "each needs a thread; the program dies at 10,000 (runtime/debug.SetMaxThreads), the Error is half of it"},
		{Name: "thread-growth.perp", Doc: "goroutines in system or cgo calls at once per P, mean of the worst 100 ms", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 4}, Source: "four threads per core are common in programs of blocking I/O"},
		{Name: "thread-growth.rising", Doc: "goroutines in calls in the last quarter of the trace, when each quarter has more than the one before it", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 32}, Source: "half of the Warning: at this pace it is near"},
		{Name: "thread-growth.factor", Doc: "goroutines in calls in the last quarter of the trace, as a share of those in the first", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: 2}, Source: "doubled in the trace"},
	},
	Run: func(p *analysis.Pass) error {
		f := measures.SyscallsOf(p)
		inCalls := window.Sum(p, f.Load(), measures.LoadInCall, p.Trace.From, p.Trace.To)
		if f.Calls() == 0 && inCalls == 0 {
			p.NotApplicable("no system or cgo call was seen; record a longer trace under load")
			return nil
		}
		worst := window.Worst(p, f.Load(), window.Moment, window.Mean(measures.LoadInCall))
		most := worst.Score
		procs := procTimeIn(p, measures.TimelineOf(p).Sums(p).Over, p.Trace.From, p.Trace.To)
		perP := most * float64(p.Trace.Duration()) / float64(max(1, procs))
		quarters, rising := callQuarters(p, f)
		many := []analysis.Condition{analysis.Grades("calls", most)}
		if rising {
			many = append(many, analysis.Both(analysis.Grades("rising", quarters[3]), analysis.Needs("factor", quarters[3]/max(quarters[0], 1))))
		}
		g := p.Gate(analysis.Either(many...), analysis.Needs("perp", perP))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		sites := evidence.CallSitesBy(p, f, (*measures.CallSite).InCalls)
		where := ""
		if len(sites) > 0 {
			where = "; most at " + sites[0].Site
		}
		trend := ""
		if rising {
			trend = fmt.Sprintf(", rising from %.3g in the first quarter of the trace to %.3g in the last", quarters[0], quarters[3])
		}
		var explains []string
		if taken := f.Lost()[parse.TakerSysmon]; len(sites) > 0 && float64(sites[0].V.Lost[parse.TakerSysmon]) >= evidence.ExplainsFrom*float64(max(1, taken)) {
			explains = []string{"blocking-p-handoffs", "blocked-calls"}
		}
		if len(sites) > 0 && evidence.Causes(sites[0].V.InCalls(), inCalls) { // these calls are the threads
			explains = append(explains, "blocked-calls", "serial-call")
		}
		if evidence.CauseShare(p, parse.CauseSyscall) >= evidence.ExplainsFrom {
			explains = append(explains, "latency-tail", "runnable-burst")
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Explains: explains,
			Summary: fmt.Sprintf("%.3g goroutines at once are in calls, each on a thread of its own (mean of the worst %s, %.3g per P%s)%s",
				most, p.Dur(int64(worst.To-worst.From)), perP, trend, where),
			Cost:       analysis.Cost{Value: inCalls, Total: max(inCalls, measures.GoroutinesOf(p).UserTime()), Clock: analysis.GTime},
			Confidence: analysis.Measured,
			Evidence: evidence.SiteEvidence(p, sites, worst.From, worst.To, func(s *measures.CallSite) string {
				return fmt.Sprintf("%s took %s in all, the longest %s", say.Counted(s.Timed+s.Open, "call", "calls"), p.Dur(s.InCalls()), p.Dur(max(s.Longest, s.OpenLongest)))
			}),
			Advice: "Bound how many goroutines block in such calls at once (a semaphore, a worker pool), or use what the network poller can wait for. threads.seen and syscall.duration.total should fall.",
			Caveat: fmt.Sprintf("Goroutines in calls, not threads, are counted: the trace does not tell when threads begin and end (%d were seen). A call that is not over at the end of the trace counts up to there; one from before it is in no site.", p.Trace.Threads),
		})
		return nil
	},
}

// callQuarters is the mean number of goroutines in calls in each quarter of the
// trace, and whether each has more than the one before it.
func callQuarters(p *analysis.Pass, f *measures.SyscallsFold) (means [4]float64, rising bool) {
	whole := window.Whole(p, f.Load())
	n := whole.Len() / 4
	if n == 0 {
		return means, false
	}
	rising = true
	for q := range means {
		var sum, ns int64
		for i := q * n; i < (q+1)*n; i++ {
			_, held := window.Bucket(p, whole, i)
			ns += held
			sum += whole.At(i, measures.LoadInCall)
		}
		means[q] = float64(sum) / float64(max(1, ns))
		rising = rising && (q == 0 || means[q] > means[q-1])
	}
	return means, rising
}
