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
		{Name: "thread-growth.churn", Doc: "threads seen per second", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 20, Warning: 200}, Source: "idle threads are kept: a program at work makes none; 200 that are made and end cost about half a percent of a CPU, and who waits for one waits for it to be made"},
		{Name: "thread-growth.surplus", Doc: "threads seen, as a multiple of the Ps and the goroutines in calls at once", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "so many are needed; twice as many were seen in sound programs"},
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
		nearChurn, churns := threadChurn(p, most)
		quarters, rising := callQuarters(p, f)
		many := []analysis.Condition{analysis.Grades("calls", most)}
		if rising {
			many = append(many, analysis.Both(analysis.Grades("rising", quarters[3]), analysis.Needs("factor", quarters[3]/max(quarters[0], 1))))
		}
		g := p.Gate(analysis.Either(many...), analysis.Needs("perp", perP))
		if g.Severity == "" {
			if !churns {
				p.Clear(g, nearChurn)
			}
			return nil
		}
		sites := evidence.CallSitesBy(p, f, (*measures.CallSite).InCalls)
		where := ""
		advice := "Bound how many goroutines block in such calls at once (a semaphore, a worker pool), or use what the network poller can wait for."
		if len(sites) > 0 {
			where = "; most at " + sites[0].Site
			if top := sites[0].V; top.Timed == 0 && top.Open >= leastHung {
				where += fmt.Sprintf(", where none of %s has come back", say.Counted(top.Open, "call", "calls"))
				advice = "Begin no such call while the last one is under way, and let who asked for it wait with a time limit: a call that hangs keeps its thread, whoever gave up on it."
			}
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
			Advice: advice + " threads.seen and syscall.duration.total should fall.",
			Caveat: fmt.Sprintf("Goroutines in calls, not threads, are counted: the trace does not tell when threads begin and end (%d were seen). A call that is not over at the end of the trace counts up to there; one from before it is in no site.", p.Trace.Threads),
		})
		return nil
	},
}

const leastHung = 4 // calls that hang: fewer may be slow

// threadNS is about what it takes to make a thread and to end it.
const threadNS = 30_000

// threadChurn says that threads are made and end all the time, as they do where goroutines
// end that are locked to theirs (proc.go: gdestroy, mexit).
func threadChurn(p *analysis.Pass, inCalls float64) (g analysis.Gate, found bool) {
	tr := p.Trace
	read := max(int64(tr.Last-tr.First), 1)
	needed := float64(tr.Procs) + inCalls
	g = p.Gate(analysis.Grades("churn", say.PerSecond(int64(tr.Threads), read)), analysis.Needs("surplus", float64(tr.Threads)/max(needed, 1)))
	if g.Severity == "" {
		return g, false
	}
	var fn parse.StringID
	var site parse.StackID
	var most int64
	for _, e := range measures.GoroutinesOf(p).Populations().Entries {
		if e.Key.Class == parse.ClassUser && e.V.Ended > most && e.V.Ended <= int64(tr.Threads)*11/10 {
			fn, site, most = e.Key.Fn, e.Key.Site, e.V.Ended
		}
	}
	whose, shown := "", analysis.Evidence{Note: say.Counted(int64(tr.Threads), "thread", "threads") + " seen"}
	if 2*most >= int64(tr.Threads) {
		whose = fmt.Sprintf("; %s of %s, started at %s, ended meanwhile, each with its thread, it seems", say.Counted(most, "goroutine", "goroutines"), p.FuncName(fn), p.SiteName(site))
		shown.Func, shown.Stack = p.FuncName(fn), p.Stack(site)
	}
	var explains []string
	if g.Severity != analysis.Note && evidence.CauseShare(p, parse.CauseWakeup, parse.CauseScheduler) >= evidence.ExplainsFrom {
		explains = []string{"latency-tail", "netpoll-delay", "idle-p-while-runnable", "request-path/starved", "oversubscribed-host", "oversubscribed-host/stalled"}
	}
	p.Find(analysis.Finding{
		Code: "thread-growth/churn", Severity: g.Severity, Explains: explains, Confidence: analysis.Heuristic,
		Summary: fmt.Sprintf("Threads come and go: %s were seen (%s), where Ps and calls need about %.0f at once%s",
			analysis.FormatCount(int64(tr.Threads)), analysis.FormatRate(say.PerSecond(int64(tr.Threads), read)), needed, whose),
		Cost:     evidence.ProcTime(p, threadNS*float64(tr.Threads)),
		Evidence: []analysis.Evidence{evidence.Whole(p, shown)},
		Advice:   "Call runtime.UnlockOSThread before a goroutine returns that has called LockOSThread: else its thread ends with it. Where no other may have that thread (namespaces, user ids), keep a few such goroutines and send them the work. threads.seen should fall.",
		Caveat:   "That a goroutine is locked to its thread is not in the trace, nor when threads begin and end: the cost is 30 µs for each. Threads of C that call into Go count as well.",
	})
	return g, true
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
