package procs

import (
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var oversubscribedHost = &analysis.Analyzer{
	Name: "oversubscribed-host", Proof: "timeline.lanes",
	Doc:   say.Page(pages, "oversubscribed-host"),
	About: analysis.Host,
	Thresholds: []analysis.Threshold{
		{
			Name: "oversubscribed-host.stuck", Doc: "share of the time that Ps' threads took 1 ms or longer between goroutines", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .01, Warning: .03},
			Source: "planted programs and their kernel schedstat: all but one with 3 % and more waited for a CPU for 38 % of their time or longer; the one fails the share of the scheduler",
		},
		{
			Name: "oversubscribed-host.scheduler", Doc: "time that Ps' threads took 1 ms or longer between goroutines, as a share of all time of Ps in the scheduler", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .3, Warning: .6},
			Source: "as before; the scheduler neither blocks nor spins for a ms (proc.go:findRunnable)",
		},
		{
			Name: "oversubscribed-host.count", Doc: "stretches of 1 ms or longer that Ps' threads took between goroutines", Unit: analysis.Count, Levels: analysis.Levels{Note: 20},
			Source: "a few happen on any machine",
		},
		{
			Name: "oversubscribed-host.felt", Doc: "running and waiting for a P, as a share of the time in which goroutines of the program have something to do; with less a thread without a CPU is a note", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .1},
			Source: "who waits for something else for nine tenths of the time gains next to nothing by CPUs",
		},
		{
			Name: "oversubscribed-host.wake", Doc: "mean length of the stretches of 200 µs or longer in which a P was idle beside a runnable user goroutine", Unit: analysis.NS, Levels: analysis.Levels{Note: 1e6},
			Source: "waking the thread of an idle P takes 5 to 50 µs where a CPU is free",
		},
		{
			Name: "oversubscribed-host.asleep", Doc: "share of the time in such stretches", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .05, Warning: .3},
			Source: "as idle-p-while-runnable.share",
		},
		{
			Name: "oversubscribed-host.waited", Doc: "waiting of user goroutines in such stretches, as a share of all their waiting for a P", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .05, Warning: .5},
			Source: "as idle-p-while-runnable.waited",
		},
		{
			Name: "oversubscribed-host.sampled", Doc: "CPU samples × 10 ms, as a share of the time Ps ran goroutines", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Warning: .6, Error: .3},
			Source: "0.78 to 1.01 in traces with a CPU profile on a busy machine",
		},
		{
			Name: "oversubscribed-host.samples", Doc: "CPU samples due for the time Ps ran goroutines", Unit: analysis.Count, Levels: analysis.Levels{Note: 200},
			Source: "7 % standard error",
		},
		{
			Name: "oversubscribed-host.stall", Doc: "longest hole (no event on any P though some had work)", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: stallFrom, Error: 1e9},
			Source: "sysmon ends runs after 10 to 20 ms (proc.go:retake); five times that, and longer than a period of a CPU quota",
		},
		{
			Name: "oversubscribed-host.late", Doc: "time slices over 30 ms per second, where signals ended most of the longest, several at once", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 1, Warning: 5},
			Source: "a busy machine explains one; five lose a tenth of a P's time and more",
		},
	},
	Requires: []*analysis.Analyzer{measures.Trust, measures.Timeline, measures.Parallelism, measures.Waits, measures.Preemption, measures.Goroutines, measures.Kinds, measures.STW},
	Run:      runOversubscribedHost,
}

func runOversubscribedHost(p *analysis.Pass) error {
	if evidence.NoTime(p) {
		return nil
	}
	wall := p.Trace.Duration()
	tr, tl, f := measures.TrustOf(p), measures.TimelineOf(p), measures.ParallelismOf(p)
	total, _ := p.Value("procs.time")
	scheduler, _ := p.Value("procs.share.scheduler")
	inScheduler := int64(scheduler * total)
	expected := float64(tr.ProcsRan()) / measures.SamplePeriod
	sampled := tr.Samples() > 0 && p.Met("samples", expected)
	if inScheduler == 0 && !sampled {
		p.NotApplicable("no P was in the scheduler; record a CPU profile with the trace (runtime/pprof.StartCPUProfile)")
		return nil
	}

	hole, work := int64(0), int64(0)
	var at parse.Time
	if worst := f.WorstHole().Items(); len(worst) > 0 {
		hole, work, at = worst[0].Value, int64(worst[0].Item), parse.Time(worst[0].Time)
	}
	stall := p.Gate(analysis.Grades("stall", float64(hole)))
	if stall.Severity != "" {
		n, all := stalls(p)
		times := ""
		if n > 1 {
			times = fmt.Sprintf(", %s in all in %s holes", p.Dur(all), analysis.FormatCount(n))
		}
		finding := analysis.Finding{
			Code: "oversubscribed-host/stalled", Severity: stall.Severity, Confidence: analysis.Heuristic,
			Summary: fmt.Sprintf("No event on any P for %s at %s%s, though %s had work: the process was stopped, or what they ran cannot be preempted",
				p.Dur(hole), p.At(at), times, say.Counted(work, "P", "Ps")),
			Cost:     evidence.WallTime(p, all),
			Evidence: holeEvidence(p, f), During: holeEvidence(p, f),
			Advice: "Look for what stopped the process: SIGSTOP, a debugger, a suspended or migrated machine, swapping, a CPU quota. Else it is code that cannot be preempted: a huge copy or clear. preempt.overrun.max should fall below 20 ms.",
			Caveat: "The trace does not tell the two apart where nothing else had work.",
		}
		if !inTime(measures.PreemptionOf(p)) {
			finding.Advice = "Look at what ran then: a loop that makes no calls (asyncpreemptoff=1, a huge copy)? Else look for what stopped the process: SIGSTOP, a suspended or migrated machine, a debugger, swapping, a CPU quota. preempt.overrun.max should fall below 20 ms."
		}
		// The stall is the overrun when it is most of the longest one.
		if over := measures.PreemptionOf(p).Worst().Items(); len(over) > 0 && evidence.Causes(hole, over[0].Value) {
			finding.Explains = append(finding.Explains, "slice-overrun")
		}
		p.Find(finding)
	}

	var g analysis.Gate
	switch {
	case sampled:
		share := float64(tr.Samples()) / expected
		if g = p.Gate(analysis.Grades("sampled", share), analysis.Needs("samples", expected)); g.Severity == "" {
			break
		}
		finding := analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("Ps ran goroutines for %s, but CPU samples cover only %s of it (n=%s): for the rest their threads waited for a CPU",
				p.Dur(tr.ProcsRan()), analysis.FormatRatio(share), analysis.FormatCount(tr.Samples())),
			Cost:     analysis.Cost{Value: tr.ProcsRan() - tr.Samples()*measures.SamplePeriod, Total: tr.ProcsRan(), Clock: analysis.PTime},
			Evidence: append([]analysis.Evidence{evidence.Whole(p, analysis.Evidence{Note: fmt.Sprintf("%s samples where %.0f are due at 100 Hz", analysis.FormatCount(tr.Samples()), expected)})}, evidence.RunningEvidence(p)...),
			Caveat:   "Samples are taken for 100 a second; a lower rate, or a profile of a part of the trace only, looks the same.",
		}
		oversubscribed(p, &finding)
		return nil
	default:
		stuck := tl.Stuck()
		g = p.Gate(analysis.Grades("stuck", say.Ratio(stuck.NS, wall)), analysis.Grades("scheduler", say.Ratio(stuck.NS, inScheduler)), analysis.Needs("count", float64(stuck.N)))
		if late := lateSlices(p, f); late != nil && stall.Severity == "" && (late.Severity.Rank() > g.Severity.Rank() || late.Severity == g.Severity && late.Cost.Value > stuck.NS) {
			p.Find(*late)
			return nil
		}
		if g.Severity == "" {
			g = wakes(p, f)
			break
		}
		finding := analysis.Finding{
			Severity: asFelt(p, g.Severity), Confidence: analysis.Heuristic,
			Summary: fmt.Sprintf("Threads waited for a CPU: %s times a thread needed 1 ms or longer to find its next goroutine, which takes microseconds on a CPU of its own: %s in all, %s of the time in the scheduler, the longest %s",
				analysis.FormatCount(stuck.N), p.Dur(stuck.NS), analysis.FormatRatio(say.Ratio(stuck.NS, inScheduler)), p.Dur(stuck.Longest)),
			Cost:     evidence.ProcTime(p, float64(stuck.NS)),
			Evidence: []analysis.Evidence{{From: p.Rel(parse.Time(stuck.At)), To: p.Rel(parse.Time(stuck.At)) + stuck.Longest, Note: "the longest"}},
			Caveat:   "Runs of goroutines are stretched alike, which a trace does not show: a CPU profile recorded with it would tell. The scheduler may also wait for a lock of the runtime, and it runs timers: thousands of tickers that nobody stopped (before Go 1.23 they are never collected) look the same.",
		}
		oversubscribed(p, &finding)
		return nil
	}
	if stall.Severity == "" && g.Severity == "" {
		p.Clear(g, stall)
	}
	return nil
}

// wakes tells by the other sign: threads that were woken for idle Ps came late.
func wakes(p *analysis.Pass, f *measures.ParallelismFold) analysis.Gate {
	count, length, mass, longest, at := f.Stalled().Result()
	mean := length / max(count, 1)
	g := p.Gate(analysis.Grades("asleep", say.Ratio(length, p.Trace.Duration())), analysis.Grades("waited", say.Ratio(mass, f.Runnable().Sum()-f.Yielding())), analysis.Needs("wake", float64(mean)), analysis.Needs("count", float64(count)))
	if g.Severity == "" {
		return g
	}
	from := p.Rel(parse.Time(at))
	finding := analysis.Finding{
		Severity: asFelt(p, g.Severity), Confidence: analysis.Heuristic,
		Summary: fmt.Sprintf("Threads waited for a CPU: %s times a P stayed idle for 200 µs or longer beside a goroutine that could run on it, though waking its thread takes microseconds where a CPU is free: %s on average, %s in all, the longest %s",
			analysis.FormatCount(count), p.Dur(mean), p.Dur(length), p.Dur(longest)),
		Cost:     evidence.ProcTime(p, float64(mass)),
		Evidence: []analysis.Evidence{{From: from, To: from + longest, Note: "the longest"}},
		Caveat:   "Runs of goroutines are stretched alike, which a trace does not show: a CPU profile recorded with it would tell.",
	}
	oversubscribed(p, &finding)
	return g
}

// asFelt is how grave it is that threads have no CPU: a note where the program hardly needs
// one.
func asFelt(p *analysis.Pass, s analysis.Severity) analysis.Severity {
	var needs, all int64
	for _, k := range measures.KindsOf(p).All {
		needs += k.State[parse.GoRunning] + k.State[parse.GoRunnable]
		all += k.Life - k.Parked
	}
	if all > 0 && !p.Met("felt", say.Ratio(needs, all)) {
		return analysis.Note
	}
	return s
}

// lateSlices is the finding that time slices went on for long after signals should have
// ended them, nil for none.
func lateSlices(p *analysis.Pass, f *measures.ParallelismFold) *analysis.Finding {
	pre := measures.PreemptionOf(p)
	worst := pre.Worst().Items()
	g := p.Gate(analysis.Grades("late", say.PerSecond(pre.Far(), p.Trace.Duration())))
	if g.Severity == "" || !offCPU(pre, f) {
		return nil
	}
	var shown []analysis.Evidence
	for _, e := range worst[:min(len(worst), 5)] {
		shown = append(shown, analysis.Evidence{From: p.Rel(e.Item.Start), To: p.Rel(e.Item.End), P: evidence.IDOf(e.Item.P), G: evidence.IDOf(e.Item.G), Func: p.FuncName(e.Item.Func), Note: "took " + p.Dur(e.Value), Stack: p.Stack(e.Item.Stack)})
	}
	return &analysis.Finding{
		Code: "oversubscribed-host/late", Severity: g.Severity, Confidence: analysis.Heuristic,
		Summary: fmt.Sprintf("Threads lost their CPUs: %s took over 30 ms, the longest %s, though a signal could end them: the runtime sends it after 10 ms, and a thread that is on a CPU follows at once",
			say.Counted(pre.Far(), "time slice", "time slices"), p.Dur(worst[0].Value)),
		Cost:     evidence.ProcTime(p, float64(pre.OverWait())),
		Evidence: shown,
		Explains: []string{"slice-overrun", "limits/waits", "limits/cpu", "idle-p-while-runnable"},
		Advice:   "Give the program CPUs of its own, set GOMAXPROCS to those it has, or raise its quota (nr_throttled in the cgroup's cpu.stat); preempt.overrun.count and sched.latency.user.p99 should fall.",
		Caveat:   "Several goroutines that clear or copy very large memory at once are late alike. Time on a P is no time on a CPU here.",
	}
}

// offCPU reports whether what ran could be preempted, and either half of the longest time
// slices were at the same time as that of another goroutine, or nothing happened on any of
// several Ps with work again and again: then it is no code that cannot be preempted.
func offCPU(pre *measures.PreemptionFold, f *measures.ParallelismFold) bool {
	var async, together, all int64
	worst := pre.Worst().Items()
	for _, e := range worst {
		all++
		s := &e.Item
		if s.Preempt == parse.PreemptAsync {
			async++
		}
		if slices.ContainsFunc(worst, func(o sketch.Entry[parse.Slice]) bool {
			return o.Item.G != s.G && o.Item.Start < s.End && s.Start < o.Item.End
		}) {
			together++
		}
	}
	var several, holes int64
	for _, e := range f.WorstHole().Items() {
		holes++
		if e.Item > 1 {
			several++
		}
	}
	return (evidence.Causes(async, all) || inTime(pre)) && (2*together >= all || f.Holes()[1].N >= 5 && 2*several >= holes)
}

// inTime reports whether preemption works: signals end runs, and half of the time slices
// that were used up and more ended within 25 ms. That is where slice-overrun begins.
func inTime(pre *measures.PreemptionFold) bool {
	used := &pre.Slices()[measures.EndUsedUp]
	return bySignal(pre) && used.N() >= 20 && used.QuantileAny(.5) <= 25e6
}

// bySignal reports whether signals end runs in this trace: asyncpreemptoff is not set.
func bySignal(pre *measures.PreemptionFold) bool {
	kinds := pre.Kinds()[parse.PreemptAsync]
	return kinds[0].N+kinds[1].N > 0
}

// large are functions that clear or copy memory, and cannot be preempted meanwhile.
var large = []string{"runtime.memclrNoHeapPointers", "runtime.memmove"}

// stretched reports whether a machine that takes CPUs away explains the longest time
// slices: signals end runs, and none of the slices ended in a large copy or clear.
func stretched(tr *parse.Trace, pre *measures.PreemptionFold) bool {
	return bySignal(pre) && !slices.ContainsFunc(pre.Worst().Items(), func(e sketch.Entry[parse.Slice]) bool {
		return endsLarge(tr, e.Item.Stack)
	})
}

// stopsExplained are the findings about stops of the world that a machine which takes CPUs
// away explains: a thread that is on a CPU stops at once, if it is not in a large copy or
// clear.
func stopsExplained(p *analysis.Pass) []string {
	c := measures.STWOf(p)
	for last := range c.Last() {
		if endsLarge(p.Trace, last.Stack) {
			return nil
		}
	}
	var stopping, all int64
	for _, k := range c.Kinds() {
		stopping += k.Stopping.Sum()
		all += k.Halt
	}
	if evidence.Causes(stopping, all) {
		return []string{"stw-straggler", "stw-long"}
	}
	return []string{"stw-straggler"}
}

// endsLarge reports whether a stack is in a large copy or clear.
func endsLarge(tr *parse.Trace, stack parse.StackID) bool {
	frames := tr.Stack(stack)
	return len(frames) > 0 && slices.Contains(large, tr.String(frames[0].Func))
}

// oversubscribed adds the finding that threads waited for CPUs.
func oversubscribed(p *analysis.Pass, f *analysis.Finding) {
	f.Advice = "Give the program CPUs of its own, or set GOMAXPROCS to those it has; procs.share.scheduler and sched.latency.user.p99 should fall."
	f.Explains = []string{"idle-p-while-runnable"}
	// A note must not hide what is worse. Beside Ps that are idle for most of the time waits
	// are of runs that took long without a CPU, unless some runs are in the way of most.
	idle, _ := p.Value("procs.share.idle")
	if f.Severity != analysis.Note && (evidence.CauseShare(p, parse.CauseWakeup, parse.CauseScheduler) >= evidence.ExplainsFrom || idle >= .5 && evidence.InTheWay(p) == "") {
		f.Explains = append(f.Explains, "latency-tail", "netpoll-delay", "syscall-return-wait", "limits/waits")
	}
	if f.Severity != analysis.Note && stretched(p.Trace, measures.PreemptionOf(p)) {
		f.Explains = append(f.Explains, append(stopsExplained(p), "slice-overrun")...)
	}
	p.Find(*f)
}
