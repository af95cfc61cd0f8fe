package procs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
)

var Limits = &analysis.Analyzer{
	Name: "limits", Proof: "timeline.time",
	Doc:      say.Page(pages, "limits"),
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Parallelism, measures.Latency, measures.Waits, measures.Syscalls, measures.STW, measures.GC, measures.Goroutines, measures.Kinds, measures.Blocking, measures.Preemption},
	Leads:    true,
	Run:      runLimits,

	Thresholds: limitThresholds,
}

// limitThresholds are where a program counts as limited. Each limit needs a share
// of the trace and, where a short trace could reach that by chance, an absolute
// floor, so that idle and short programs never have one. The page gives the reasons.
var limitThresholds = []analysis.Threshold{
	warnAt("limits.cpu", .90, analysis.Ratio, "share of P time in user code", "what is left is the scheduler's and the GC's own need"),
	warnAt("limits.cpu-queue", .25, analysis.Ratio, "runnable user goroutines per P, on average", "measured on this project's own and the corpus's loads"),
	warnAt("limits.gc", .10, analysis.Ratio, "share of P time in GC work that is not idle-time marking", "a program above it marks nearly half the time or assists: background marking aims at 25 % (mgcpacer.go: gcBackgroundUtilization)"),
	warnAt("limits.stops", .02, analysis.Ratio, "share of wall time with the world stopped", "a tenth of a latency budget of 20 ms in each 100 ms"),
	warnAt("limits.stop", 10e6, analysis.NS, "the longest stop of the world", "a whole time slice (proc.go: forcePreemptNS)"),
	warnAt("limits.wait", 10e6, analysis.NS, "p99 of waits for a P of user goroutines; with too few for a p99, a long wait", "a whole time slice (proc.go: forcePreemptNS)"),
	warnAt("limits.waits", 5, analysis.Count, "long waits in all, when too few for a p99", "fewer may be chance"),
	{Name: "limits.moment", Doc: "share of the waits of 1 ms or longer that ended in the worst 100 ms, of traces of 1 s and more; with more, waits is left out", Unit: analysis.Ratio, Below: true, Levels: analysis.Levels{Warning: .8}, Source: "as latency-tail.moment"},
	warnAt("limits.serial", .75, analysis.Ratio, "share of wall time with exactly one running user goroutine and none that could run, on 2 Ps or more", "more Ps can then give a quarter at most"),
	warnAt("limits.serial-time", 50e6, analysis.NS, "wall time with exactly one running user goroutine and none that could run", "five time slices: shorter traces tell nothing"),
	{Name: "limits.paced", Doc: "share of the lives of the goroutines that ran alone in which they rest between rounds by the clock, where others are not held up; with more, serial is left out", Unit: analysis.Ratio, Below: true, Levels: analysis.Levels{Warning: .2}, Source: "as serial-section.paced"},
	warnAt("limits.contention", .5, analysis.Count, "goroutines waiting on average at one lock or channel", "every second moment somebody waits"),
	warnAt("limits.contention-wait", 1e6, analysis.NS, "mean wait at this lock or channel", "the time after which a mutex starves (internal/sync/mutex.go: starvationThresholdNs)"),
	warnAt("limits.contention-count", 20, analysis.Count, "waits at this lock or channel", "fewer may be chance"),
	{Name: "limits.outside", Doc: "waits of user goroutines that timers and the network ended; with fewer, cpu and waits are notes", Unit: analysis.Count, Levels: analysis.Levels{Note: 10}, Source: "as latency-tail.outside: a batch job is meant to keep all Ps busy"},
	warnAt("limits.hostage", .10, analysis.Ratio, "share of P time in calls while others were runnable", "measured on this project's own and the corpus's loads"),
}

// warnAt is a threshold with the one level that limits have.
func warnAt(name string, level float64, unit analysis.Unit, doc, source string) analysis.Threshold {
	return analysis.Threshold{Name: name, Doc: doc, Unit: unit, Levels: analysis.Levels{Warning: level}, Source: source}
}

// limit is one thing that keeps user goroutines from going on.
type limit struct {
	analysis.Finding
	held float64 // Ps or goroutines it keeps back on average: what ranks it
}

func runLimits(p *analysis.Pass) error {
	wall := p.Trace.Duration()
	if wall <= 0 {
		p.NotApplicable("no time passes in this trace")
		return nil
	}
	var found []limit
	for _, look := range []func(*analysis.Pass, int64) *limit{
		limitedByCPU, limitedByGC, limitedByStops, limitedBySyscalls, limitedBySerial, limitedByContention,
	} {
		if l := look(p, wall); l != nil {
			found = append(found, *l)
		}
	}
	// Long waits for a P follow from busy Ps, GC, stops and calls: they are named
	// on their own only where none of these is.
	if !slices.ContainsFunc(found, func(l limit) bool { return l.Cost.Clock == analysis.PTime }) {
		if l := limitedByWaits(p, wall); l != nil {
			found = append(found, *l)
		}
	}
	slices.SortStableFunc(found, func(a, b limit) int { return cmp.Compare(b.held, a.held) })
	for _, l := range found {
		p.Find(l.Finding)
	}
	if !p.Brief() {
		p.Say("%s.", limitNumbers(p))
		limitTable(p)
	}
	return nil
}

// limitNumbers is the state of the program in one line.
func limitNumbers(p *analysis.Pass) string {
	share := func(id string) float64 { v, _ := p.Value("procs.share." + id); return v }
	var parts []string
	if _, known := p.Value("procs.time"); known {
		parts = append(parts, "Of all P time: "+measures.ProcShares(share))
	}
	user := measures.LatencyOf(p).Headline(p)
	switch p50, ok := user.Quantile(.5); {
	case user.N() == 0:
	case !ok:
		parts = append(parts, fmt.Sprintf("a user goroutine got a P within %s (n=%s)", p.Dur(user.Max()), analysis.FormatCount(user.N())))
	default:
		s := fmt.Sprintf("a user goroutine got a P within p50 %s", p.Dur(p50))
		if p99, ok := user.Quantile(.99); ok {
			s += ", p99 " + p.Dur(p99)
		}
		parts = append(parts, fmt.Sprintf("%s, at most %s (n=%s)", s, p.Dur(user.Max()), analysis.FormatCount(user.N())))
	}
	if worst := measures.STWOf(p).Worst().Items(); len(worst) > 0 {
		r := worst[0].Item
		parts = append(parts, "longest stop of the world "+p.Dur(measures.STWHalt(&r)))
	} else if p.Trace.Version < 10 {
		parts = append(parts, "traces of Go 1.9 and older do not tell stops of the world")
	} else {
		parts = append(parts, "no stop of the world was seen whole")
	}
	return strings.Join(parts, "; ")
}

func limitedByCPU(p *analysis.Pass, wall int64) *limit {
	user, _ := p.Value("procs.share.user")
	runnable, _ := p.Value("goroutines.runnable.mean")
	total, _ := p.Value("procs.time")
	procs := total / float64(wall)
	g := p.Gate(analysis.Grades("cpu", user), analysis.Grades("cpu-queue", runnable/procs))
	if g.Severity == "" {
		return nil
	}
	s := fmt.Sprintf("CPU: the %s ran user code %s of the time while %s user goroutines waited for one on average",
		say.Counted(int64(procs+.5), "P", "Ps"), analysis.FormatRatio(user), measures.MeanCount(runnable))
	if k, share := evidence.Busiest(p); k != nil {
		s += fmt.Sprintf("; %s of the running time is that of %s", analysis.FormatRatio(share), evidence.Ran(k)) + evidence.RanMostly(p)
	}
	severity := g.Severity
	if !p.Met("outside", evidence.WokenFromOutside(p)) {
		severity = analysis.Note
	}
	return &limit{analysis.Finding{
		Code: "limits/cpu", Summary: s, Severity: severity, Cost: evidence.ProcTime(p, user*total), Confidence: analysis.Measured,
		Evidence: evidence.RunningEvidence(p),
		Advice:   "Do less work or give it more Ps and CPUs; goroutines.runnable.mean should fall towards 0.",
		Caveat:   "Running is time on a P, not on a CPU: on an oversubscribed or throttled machine it includes waiting for the operating system.",
	}, runnable}
}

func limitedByGC(p *analysis.Pass, wall int64) *limit {
	var work [4]float64
	for i, id := range []string{"gc.worker.dedicated", "gc.worker.fractional", "gc.assist.cpu", "stw.cpu"} {
		work[i], _ = p.Value(id)
	}
	total, _ := p.Value("procs.time")
	sum := work[0] + work[1] + work[2] + work[3]
	g := p.Gate(analysis.Grades("gc", sum/total))
	if total == 0 || g.Severity == "" {
		return nil
	}
	of := func(ns float64) string { return analysis.FormatRatio(ns / total) }
	cycles, _ := p.Value("gc.cycles")
	var explains []string
	if evidence.MMUPart(p, measures.GCOf(p).Closed(p), measures.GCLanePauses) < evidence.ExplainsFrom { // else stw-long does
		explains = []string{"mmu-low"}
	}
	return &limit{analysis.Finding{
		Code: "limits/gc", Severity: g.Severity, Cost: evidence.ProcTime(p, sum), Confidence: analysis.Measured,
		Evidence: evidence.LimitRows(evidence.AllocationSites(p, measures.GCOf(p), p.Trace.From, p.Trace.To), 10),
		Summary: fmt.Sprintf("GC: the collector took %s of P time (workers %s, mark assist %s, pauses %s) in %s",
			of(sum), of(work[0]+work[1]), of(work[2]), of(work[3]), say.Counted(int64(cycles), "cycle", "cycles")) + evidence.AllocatedAt(p, measures.GCOf(p)),
		Explains: explains,
		Advice:   "Allocate less at the sites under gc, or let the heap grow (GOGC, GOMEMLIMIT); gc.cycles and gc.assist.cpu should fall.",
		Caveat:   "Worker and assist times are upper bounds of the runtime's own CPU classes.",
	}, sum / float64(wall)}
}

func limitedByStops(p *analysis.Pass, wall int64) *limit {
	f := measures.STWOf(p)
	var halt, n int64
	for _, k := range f.Kinds() {
		halt += k.Halt
		n += k.Total.N()
	}
	worst := f.Worst().Items()
	if n == 0 || len(worst) == 0 {
		return nil
	}
	r := worst[0].Item
	longest := measures.STWHalt(&r)
	g := p.Gate(analysis.Either(analysis.Grades("stops", say.Ratio(halt, wall)), analysis.Grades("stop", float64(longest))))
	if g.Severity == "" {
		return nil
	}
	s := fmt.Sprintf("Stops: the world was stopped %s for %s (%s of the time), longest %s (%s), of which %s passed until the last P stopped",
		say.Counted(n, "time", "times"), p.Dur(halt), analysis.FormatRatio(say.Ratio(halt, wall)), p.Dur(longest), p.Trace.String(r.Name), p.Dur(r.Stopping()))
	if others := f.Requesters(p); n > 1 && len(others) > 0 && !r.Stop.GC {
		s += "; GC aside, most of that time was requested at " + others[0].Label[1]
	}
	e := analysis.Evidence{From: p.Rel(r.Since), To: p.Rel(r.Since) + longest, Func: p.FuncName(r.Func), Note: "longest stop, requested here", Stack: p.Stack(r.Stack)}
	procs, _ := p.Value("procs.time")
	return &limit{analysis.Finding{
		Code: "limits/stops", Summary: s, Severity: g.Severity, Confidence: analysis.Measured, Evidence: []analysis.Evidence{e},
		Cost:   evidence.WallTime(p, halt),
		Advice: "For GC pauses see what the last P to stop was doing; for others stop asking (runtime/metrics instead of runtime.ReadMemStats). stw.gc.total and stw.other.total should fall.",
		Caveat: "On an oversubscribed machine a descheduled thread makes a stop long.",
	}, say.Ratio(halt, wall) * procs / float64(wall)}
}

func limitedBySyscalls(p *analysis.Pass, wall int64) *limit {
	hostage, ok := p.Value("syscall.hostage")
	total, _ := p.Value("procs.time")
	g := p.Gate(analysis.Grades("hostage", hostage/total))
	if !ok || total == 0 || g.Severity == "" {
		return nil
	}
	s := fmt.Sprintf("System calls: goroutines in calls held Ps for %s (%s of P time) while other user goroutines were runnable",
		p.Dur(int64(hostage)), analysis.FormatRatio(hostage/total))
	if sites := evidence.CallSitesBy(p, measures.SyscallsOf(p), func(s *measures.CallSite) int64 { return s.Hostage }); len(sites) > 0 {
		s += "; most at " + sites[0].Site
	}
	return &limit{analysis.Finding{
		Code: "limits/syscalls", Summary: s, Severity: g.Severity, Cost: evidence.ProcTime(p, hostage), Confidence: analysis.Inferred,
		Advice: "Bound how many goroutines are in blocking calls at once, or use descriptors the poller can wait for; syscall.hostage should fall.",
		Caveat: "It is an upper bound, by at most 20 µs for each call.",
	}, hostage / float64(wall)}
}

func limitedBySerial(p *analysis.Pass, wall int64) *limit {
	total, _ := p.Value("procs.time")
	procs := total / float64(wall)
	alone := alone(p)
	one := say.Ratio(alone, wall)
	owner, share := evidence.Alone(p)
	if procs < 1.5 || owner == nil {
		return nil
	}
	paced := evidence.Paced(p, owner)
	if p.Met("contention", evidence.HeldUpBeside(p, owner)) {
		paced = 0
	}
	g := p.Gate(analysis.Grades("serial", one), analysis.Grades("serial-time", float64(alone)), analysis.Needs("paced", paced))
	if g.Severity == "" {
		return nil
	}
	s := fmt.Sprintf("Serial: for %s of the time exactly one user goroutine ran, and no other could, though there are %s", analysis.FormatRatio(one), say.Counted(int64(procs+.5), "P", "Ps"))
	s += fmt.Sprintf(": %s of it %s", analysis.FormatRatio(share), evidence.Ran(owner)) + evidence.AloneAt(p)
	return &limit{serial(p, owner, analysis.Finding{
		Code: "limits/serial", Summary: s, Severity: g.Severity, Confidence: analysis.Measured,
		Cost: evidence.WallTime(p, alone),
	}), (procs - 1) * one}
}

func limitedByContention(p *analysis.Pass, wall int64) *limit {
	// The costliest that is contended; waiting for assist credit is the GC's.
	sites := measures.WaitingSites(p)
	contended := func(w *measures.WaitingAt) analysis.Gate {
		return p.Gate(analysis.Grades("contention", say.Ratio(w.Busy(), wall)), analysis.Grades("contention-wait", float64(w.Mean())), analysis.Grades("contention-count", float64(w.N)))
	}
	i := slices.IndexFunc(sites, func(w *measures.WaitingAt) bool {
		return measures.BlockContends(p.Trace, w.Label[0], w.Stack) && w.Label[0] != "GC mark assist wait for work" && contended(w).Severity != ""
	})
	if i < 0 {
		return nil
	}
	w := sites[i]
	n, mean, total, queued := w.N, w.Mean(), w.Busy(), say.Ratio(w.Busy(), wall)
	s := fmt.Sprintf("Contention: %s user goroutines on average waited (%s) at %s, %s times, mean %s%s",
		measures.MeanCount(queued), w.Label[0], w.Label[1], analysis.FormatCount(n), p.Dur(mean), w.WokenBy(p))
	advice := "Hold the lock shorter, or shard it"
	if w.Label[0] == "chan send" {
		advice = "Speed up the side that takes from the channel, or let more goroutines take from it"
	}
	shown := w.Evidence(p, window.All(p), say.Counted(n, "wait", "waits")+", "+p.Dur(total)+" in all")
	return &limit{analysis.Finding{
		Code: "limits/contention", Summary: s,
		Severity:   contended(w).Severity,
		Confidence: analysis.Measured,
		Cost:       evidence.GoTime(p, total),
		Evidence:   shown,
		Advice:     advice + "; the total under blocking should fall.",
		Caveat:     "Waiting for one's turn is right where the program limits itself on purpose.",
	}, queued}
}

func limitedByWaits(p *analysis.Pass, wall int64) *limit {
	user := measures.LatencyOf(p).Headline(p)
	p99, ok := user.Quantile(.99)
	long := user.Above(int64(p.Limit("wait")))
	late := analysis.Grades("waits", float64(long))
	if ok {
		late = analysis.Grades("wait", float64(p99))
	}
	_, inMoment := evidence.WorstMoment(p, measures.LatencyOf(p))
	g := p.Gate(late, analysis.Needs("moment", inMoment))
	if g.Severity == "" {
		return nil
	}
	s := fmt.Sprintf("Scheduling: user goroutines waited %s for a P, %s of %s waits for %s or longer, at most %s",
		p.Dur(user.Sum()), analysis.FormatCount(long), analysis.FormatCount(user.N()), p.Dur(int64(p.Limit("wait"))), p.Dur(user.Max()))
	s += evidence.MostlyBecause(measures.WaitsOf(p).All())
	var shown []analysis.Evidence
	worst := measures.LatencyOf(p).Worst().Items()
	for _, e := range worst[:min(3, len(worst))] {
		at := p.Rel(e.Item.Since)
		shown = append(shown, analysis.Evidence{From: at, To: at + e.Value, G: evidence.IDOf(e.Item.G), Func: p.FuncName(e.Item.Fn), Note: "waited for a P"})
	}
	severity := g.Severity
	if !p.Met("outside", evidence.WokenFromOutside(p)) || inMoment > .5 && evidence.MostlyCreated(measures.LatencyOf(p)) {
		severity = analysis.Note
	}
	advice := "See waits for who held the Ps: shorter runs"
	if who := evidence.InTheWay(p); who != "" {
		advice = "Shorten " + who
	}
	return &limit{analysis.Finding{
		Code: "limits/waits", Summary: s, Severity: severity, Confidence: analysis.Measured, Evidence: shown,
		Cost:   evidence.GoTime(p, user.Sum()),
		Advice: advice + ", fewer goroutines made runnable at once, or more Ps. sched.latency.user.p99 should fall.",
		Caveat: "Many goroutines woken at once wait for each other by nature.",
	}, say.Ratio(user.Sum(), wall)}
}
