package passes

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// parallelismJudges judge how well Ps and CPUs are used.
var parallelismJudges = []*analysis.Analyzer{
	cpuThrottled, oversubscribedHost, serialSection, saturatedPs, idlePsIOBound, pImbalance, gomaxprocsAdvice, gomaxprocsChange,
}

const (
	schedWindow     = 1e9        // ns: the worst second
	imbalanceWindow = 500e6      // ns
	samplePeriod    = 10_000_000 // ns between CPU samples of a thread, runtime.SetCPUProfileRate(100)
	holeSpread      = 3          // neighbouring phases that count as one
)

// idOf is a pointer to an id, as Evidence holds it; nil for NoGo and NoProc.
func idOf[T ~int32 | ~int64](id T) *int64 {
	if id < 0 {
		return nil
	}
	v := int64(id)
	return &v
}

// noTime ends a judge on a trace in which no time passes.
func noTime(p *analysis.Pass) bool {
	if p.Trace.Duration() > 0 {
		return false
	}
	p.NotApplicable("no time passes in this trace; record while the program works")
	return true
}

// meanProcs is GOMAXPROCS on average, 0 when it is not known.
func meanProcs(p *analysis.Pass) float64 {
	total, _ := p.Value("procs.time")
	return total / float64(p.Trace.Duration())
}

// causeShare is the part of some causes in all waiting of user goroutines for a P.
func causeShare(p *analysis.Pass, causes ...parse.Cause) float64 {
	f := analysis.FoldOf[*waitsFold](p, waits)
	var all waitParts
	for r := range f.whole {
		all.add(&f.whole[r])
	}
	var sum int64
	for _, c := range causes {
		sum += all.parts[c]
	}
	return ratio(sum, all.total)
}

// A worst window is where a sum over time is largest for its length.
type worstWindow struct {
	from, to int64 // in the trace's time
	num, den int64
}

// worstShare finds the window of length ns in which num has the largest share of
// den. A trace shorter than that is one window.
func worstShare(s *sketch.Series, num, den int, length int64) (w worstWindow) {
	k := min(max(int(length/s.Width()), 1), s.Len())
	if k == 0 {
		return w
	}
	var n, d int64
	for b := range s.Len() {
		n += s.At(b, num)
		d += s.At(b, den)
		if b >= k {
			n -= s.At(b-k, num)
			d -= s.At(b-k, den)
		}
		if b >= k-1 && d > 0 && (w.den == 0 || float64(n)*float64(w.den) > float64(w.num)*float64(d)) {
			from := s.Start() + int64(b-k+1)*s.Width()
			w = worstWindow{from, from + int64(k)*s.Width(), n, d}
		}
	}
	return w
}

// clip is a window as evidence.
func (w worstWindow) clip(p *analysis.Pass) (from, to int64) {
	return p.Rel(max(parse.Time(w.from), p.Trace.From)), p.Rel(min(parse.Time(w.to), p.Trace.To))
}

var cpuThrottled = &analysis.Analyzer{
	Name: "cpu-throttled",
	Doc:  judgePage("cpu-throttled"),
	Thresholds: []analysis.Threshold{
		{
			Name: "cpu-throttled.share", Doc: "share of the time in holes that end at the same phase of 100 ms", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .01, Error: .1},
			Source: "1 % is 10 ms lost in a second, a whole time slice; 10 % is the catalogue's limit for a quota that is too small",
		},
		{
			Name: "cpu-throttled.holes", Doc: "such holes", Unit: analysis.Count, Levels: analysis.Levels{Note: 5},
			Source: "the chance that five holes end within 6 ms of 100 by accident is below 1 in 1,000",
		},
		{
			Name: "cpu-throttled.phase", Doc: "share of all holes of 20 ms or longer, or of all from 5 ms on, that end at that phase", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .8},
			Source: "a quota of cgroup v1 and v2 is refilled by a timer each cpu.cfs_period_us (100 ms); 18 of 19 were in phase with a planted quota, at most 4 of 20 without",
		},
	},
	Requires: []*analysis.Analyzer{timeline, parallelism},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*parallelismFold](p, parallelism)
		wall := p.Trace.Duration()
		var severity analysis.Severity
		var of *holes
		var inPhase int64
		for i := range f.holes {
			h := &f.holes[i]
			n := commonestPhase(h)
			share := ratio(n, h.n)
			if !p.Met("holes", float64(n)) || !p.Met("phase", share) {
				continue
			}
			// Holes out of phase are taken out by their number.
			if s := p.Severity("share", share*ratio(h.ns, wall)); s.Rank() > severity.Rank() {
				severity, of, inPhase = s, h, n
			}
		}
		if of == nil {
			long := &f.holes[1]
			n := commonestPhase(long)
			p.Say("%s of 20 ms or longer with no event on any P though some had work, at most %d at one phase of 100 ms; limit %.0f",
				counted(long.n, "hole", "holes"), n, p.Limit("holes"))
			return nil
		}
		cost := int64(float64(of.ns) * ratio(inPhase, of.n))
		finding := analysis.Finding{
			Severity: severity, Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("A CPU quota stopped the program: %s times, %s in all (%s of the time), nothing happened on any P though some had work, and each time it went on at the same moment of a period of 100 ms",
				analysis.FormatCount(inPhase), p.Dur(cost), analysis.FormatRatio(ratio(cost, wall))),
			Cost:     analysis.Cost{Value: cost, Total: wall, Clock: analysis.Wall},
			Evidence: holeEvidence(p, f),
			Advice:   "Raise the CPU limit of the container or drop it, and set GOMAXPROCS to it (Go 1.25 and later do by default); sched.latency.user.p99 and preempt.overrun.count should fall.",
			Caveat:   "The trace does not tell on a CPU from waiting for one: cpu.stat of the cgroup (nr_throttled) has the proof.",
			Explains: []string{"oversubscribed-host", "oversubscribed-host/stalled", "slice-overrun"},
		}
		// The cause of most waiting explains its tail.
		if waited := f.runnable.Sum() - f.yielding; causes(f.holes[0].waits+f.holes[1].waits, waited) {
			finding.Explains = append(finding.Explains, "latency-tail")
		}
		p.Find(finding)
		return nil
	},
}

// commonestPhase is how many holes end in those holeSpread neighbouring phases where
// most do.
func commonestPhase(h *holes) (n int64) {
	for i := range h.phases {
		var sum int64
		for k := range holeSpread {
			sum += h.phases[(i+k)%holePhases]
		}
		n = max(n, sum)
	}
	return n
}

func holeEvidence(p *analysis.Pass, f *parallelismFold) (out []analysis.Evidence) {
	for _, e := range f.worstHole.Items() {
		from := p.Rel(parse.Time(e.Time))
		out = append(out, analysis.Evidence{From: from, To: from + e.Value,
			Note: fmt.Sprintf("no event for %s, %s had work", p.Dur(e.Value), counted(int64(e.Item), "P", "Ps"))})
	}
	return out
}

var oversubscribedHost = &analysis.Analyzer{
	Name: "oversubscribed-host",
	Doc:  judgePage("oversubscribed-host"),
	Thresholds: []analysis.Threshold{
		{
			Name: "oversubscribed-host.stuck", Doc: "share of the time a P's thread took 1 ms or longer between goroutines", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .01, Warning: .03},
			Source: "planted programs and their kernel schedstat: all but one with 3 % and more waited for a CPU for 38 % of their time or longer; the one fails the share of the scheduler",
		},
		{
			Name: "oversubscribed-host.scheduler", Doc: "share of that in all time of Ps in the scheduler", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .3, Warning: .6},
			Source: "as before; the scheduler neither blocks nor spins for a ms (proc.go:findRunnable)",
		},
		{
			Name: "oversubscribed-host.count", Doc: "such times", Unit: analysis.Count, Levels: analysis.Levels{Note: 20},
			Source: "a few happen on any machine",
		},
		{
			Name: "oversubscribed-host.sampled", Doc: "CPU samples × 10 ms, as a share of the time Ps ran goroutines", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Warning: .6, Error: .3},
			Source: "0.78 to 1.01 in traces with a CPU profile on a busy machine",
		},
		{
			Name: "oversubscribed-host.samples", Doc: "samples expected for that", Unit: analysis.Count, Levels: analysis.Levels{Note: 200},
			Source: "7 % standard error",
		},
		{
			Name: "oversubscribed-host.stall", Doc: "longest hole: no event on any P though some had work", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: 100e6, Error: 1e9},
			Source: "sysmon ends runs after 10 to 20 ms (proc.go:retake); five times that, and longer than a period of a CPU quota",
		},
	},
	Requires: []*analysis.Analyzer{trust, timeline, parallelism, waits, preemption, goroutines},
	Run:      runOversubscribedHost,
}

func runOversubscribedHost(p *analysis.Pass) error {
	if noTime(p) {
		return nil
	}
	wall := p.Trace.Duration()
	tr, tl, f := analysis.FoldOf[*trustFold](p, trust), analysis.FoldOf[*timelineFold](p, timeline), analysis.FoldOf[*parallelismFold](p, parallelism)
	total, _ := p.Value("procs.time")
	scheduler, _ := p.Value("procs.share.scheduler")
	inScheduler := int64(scheduler * total)
	expected := float64(tr.procsRan) / samplePeriod
	sampled := tr.samples > 0 && p.Met("samples", expected)
	if inScheduler == 0 && !sampled {
		p.NotApplicable("no P was in the scheduler; record a CPU profile with the trace (runtime/pprof.StartCPUProfile)")
		return nil
	}

	stalled := false
	if worst := f.worstHole.Items(); len(worst) > 0 {
		hole := worst[0]
		if severity := p.Severity("stall", float64(hole.Value)); severity != "" {
			stalled = true
			finding := analysis.Finding{
				Code: "oversubscribed-host/stalled", Severity: severity, Confidence: analysis.Heuristic,
				Summary: fmt.Sprintf("The program stood still for %s at %s: no event on any P, though %s had work",
					p.Dur(hole.Value), p.At(parse.Time(hole.Time)), counted(int64(hole.Item), "P", "Ps")),
				Cost:     analysis.Cost{Value: hole.Value, Total: wall, Clock: analysis.Wall},
				Evidence: holeEvidence(p, f),
				Advice:   "Look for what stopped the process then: SIGSTOP, a suspended or migrated machine, a debugger, swapping, a CPU quota. preempt.overrun.max should fall below 20 ms.",
				Caveat:   "A loop that cannot be preempted (asyncpreemptoff=1, a huge copy) looks the same when nothing else has work.",
			}
			// The stall is the overrun when it is most of the longest one.
			if over := analysis.FoldOf[*preemptionFold](p, preemption).worst.Items(); len(over) > 0 && causes(hole.Value, over[0].Value) {
				finding.Explains = append(finding.Explains, "slice-overrun")
			}
			p.Find(finding)
		}
	}

	switch {
	case sampled:
		share := float64(tr.samples) / expected
		severity := p.Severity("sampled", share)
		if severity == "" {
			break
		}
		finding := analysis.Finding{
			Severity: severity, Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("Ps ran goroutines for %s, but CPU samples cover only %s of it (n=%s): for the rest their threads waited for a CPU",
				p.Dur(tr.procsRan), analysis.FormatRatio(share), analysis.FormatCount(tr.samples)),
			Cost:     analysis.Cost{Value: tr.procsRan - tr.samples*samplePeriod, Total: tr.procsRan, Clock: analysis.PTime},
			Evidence: append([]analysis.Evidence{{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Note: fmt.Sprintf("%s samples where %.0f are due at 100 Hz", analysis.FormatCount(tr.samples), expected)}}, runningEvidence(p)...),
			Caveat:   "Taken at 100 samples a second; a lower rate, or a profile of a part of the trace only, looks the same.",
		}
		oversubscribed(p, &finding)
		return nil
	default:
		stuck := tl.stuck
		severity := analysis.Least(p.Severity("stuck", ratio(stuck.ns, wall)), p.Severity("scheduler", ratio(stuck.ns, inScheduler)))
		if severity == "" || !p.Met("count", float64(stuck.n)) {
			break
		}
		finding := analysis.Finding{
			Severity: severity, Confidence: analysis.Heuristic,
			Summary: fmt.Sprintf("Threads waited for a CPU: %s times one that looked for a goroutine took 1 ms or longer, %s of the time in all (%s of the time in the scheduler), longest %s",
				analysis.FormatCount(stuck.n), analysis.FormatRatio(ratio(stuck.ns, wall)), analysis.FormatRatio(ratio(stuck.ns, inScheduler)), p.Dur(stuck.longest)),
			Cost:     procTime(p, float64(stuck.ns)),
			Evidence: []analysis.Evidence{{From: p.Rel(parse.Time(stuck.at)), To: p.Rel(parse.Time(stuck.at)) + stuck.longest, Note: "the longest"}},
			Caveat:   "Runs of goroutines are stretched alike, which a trace does not show: a CPU profile recorded with it would tell. The scheduler may also wait for a lock of the runtime.",
		}
		oversubscribed(p, &finding)
		return nil
	}
	if stalled {
		return nil
	}
	if sampled {
		p.Say("CPU samples cover %s of the time Ps ran goroutines; limit %s", analysis.FormatRatio(float64(tr.samples)/expected), analysis.FormatRatio(p.Limit("sampled")))
		return nil
	}
	p.Say("threads took 1 ms or longer between goroutines %s, %s of the time; limit %s and %.0f times",
		counted(tl.stuck.n, "time", "times"), analysis.FormatRatio(ratio(tl.stuck.ns, wall)), analysis.FormatRatio(p.Limit("stuck")), p.Limit("count"))
	return nil
}

// explainsFrom is the share of a symptom from which on a cause explains it.
const explainsFrom = .6

// causes reports whether part is enough of whole to explain it.
func causes(part, whole int64) bool { return ratio(part, whole) >= explainsFrom }

// oversubscribed adds the finding that threads waited for CPUs.
func oversubscribed(p *analysis.Pass, f *analysis.Finding) {
	f.Advice = "Give the program CPUs of its own, or set GOMAXPROCS to those it has; procs.share.scheduler and sched.latency.user.p99 should fall."
	f.Explains = []string{"idle-p-while-runnable"}
	// A note must not hide what is worse.
	if f.Severity != analysis.Note && causeShare(p, parse.CauseWakeup, parse.CauseScheduler) >= explainsFrom {
		f.Explains = append(f.Explains, "latency-tail")
	}
	p.Find(*f)
}

var serialSection = &analysis.Analyzer{
	Name:   "serial-section",
	Doc:    judgePage("serial-section"),
	Covers: []string{"limits/serial"},
	Thresholds: []analysis.Threshold{
		{
			Name: "serial-section.alone", Doc: "share of the time in which exactly one user goroutine ran, none was runnable and no P in a system call", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5, Warning: .75},
			Source: "Amdahl: with half of the time serial no number of Ps more than doubles the speed, with three quarters none gains a third",
		},
		{
			Name: "serial-section.waiting", Doc: "user goroutines blocked on locks, conditions and channels, on average", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .25, Warning: 2},
			Source: "somebody must wait for the serial part: planted ones have 0.34 to 32. One may be main that waits for the end",
		},
		{
			Name: "serial-section.owner", Doc: "share of one entry function in the running time of user goroutines", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5},
			Source: "else the part that ran alone is a different one each time: light load",
		},
		{
			Name: "serial-section.time", Doc: "that time", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6},
			Source: "ten time slices (proc.go:forcePreemptNS)",
		},
		{
			Name: "serial-section.procs", Doc: "GOMAXPROCS on average", Unit: analysis.Count, Levels: analysis.Levels{Note: 1.5},
			Source: "on one P everything is serial",
		},
	},
	Requires: []*analysis.Analyzer{timeline, parallelism, goroutines, blocking, latency},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		procs := meanProcs(p)
		if !p.Met("procs", procs) {
			p.NotApplicable("there is one P only; record with GOMAXPROCS 2 or more")
			return nil
		}
		wall := p.Trace.Duration()
		f := analysis.FoldOf[*parallelismFold](p, parallelism)
		alone := f.alone
		var blocked float64
		for _, id := range []string{"block.sync.total", "block.chan.total"} {
			v, _ := p.Value(id)
			blocked += v
		}
		blocked /= float64(wall)
		owner, share := busiest(p)
		severity := analysis.Least(p.Severity("alone", ratio(alone, wall)), p.Severity("waiting", blocked))
		if severity == "" || !p.Met("owner", share) || !p.Met("time", float64(alone)) {
			p.Say("exactly one user goroutine ran, and no other could, for %s of the time, %s others were blocked on locks and channels on average; limit %s and %.2f",
				analysis.FormatRatio(ratio(alone, wall)), meanCount(blocked), analysis.FormatRatio(p.Limit("alone")), p.Limit("waiting"))
			return nil
		}
		finding := analysis.Finding{
			Severity: severity, Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("A serial part limits the program: exactly one user goroutine ran, and no other could, for %s of the time on %s, while %s others were blocked on locks and channels on average; %s of all running is that of %s%s",
				analysis.FormatRatio(ratio(alone, wall)), counted(int64(procs+.5), "P", "Ps"), meanCount(blocked), analysis.FormatRatio(share), owner, ranMostly(p)),
			Cost:     analysis.Cost{Value: alone, Total: wall, Clock: analysis.Wall},
			Evidence: runningEvidence(p),
			Advice:   "Split that work over goroutines, or make it shorter; more Ps change nothing. goroutines.running.mean should rise above 1.",
			Caveat:   "Which function ran alone is told from its share of all running. A program with one thing to do is serial by nature.",
		}
		p.Find(finding)
		return nil
	},
}

// runPlaces are the places where runs of user goroutines ended, told apart by who
// called them, those with the most running time first.
func runPlaces(p *analysis.Pass) []joined[parse.StackID, goRuns] {
	return joinSites(analysis.FoldOf[*goroutinesFold](p, goroutines).runs.byKey(),
		func(s parse.StackID) label { return label{p.SiteName(s), callers(p.Trace, s)} },
		(*goRuns).add, func(r *goRuns) int64 { return r.ran }, cmp.Compare[parse.StackID])
}

// ranMostly names the place where runs with a third of all running time or more
// ended, for sentences.
func ranMostly(p *analysis.Pass) string {
	runs := runPlaces(p)
	var all int64
	for _, r := range runs {
		all += r.v.ran
	}
	told := slices.IndexFunc(runs, func(r joined[parse.StackID, goRuns]) bool { return r.key != 0 })
	if told < 0 || runs[told].v.ran*3 < all {
		return ""
	}
	return fmt.Sprintf("; runs with %s of all running ended at %s%s", analysis.FormatRatio(ratio(runs[told].v.ran, all)), p.SiteName(runs[told].key), calledBy(p, runs[told].key))
}

// runningEvidence are the places where the runs with the most running time ended, and
// the entry functions of those goroutines.
func runningEvidence(p *analysis.Pass) (out []analysis.Evidence) {
	t := p.TableOf(goroutines, "goroutines.functions")
	from, to := p.Rel(p.Trace.From), p.Rel(p.Trace.To)
	runs := runPlaces(p)
	for _, r := range runs[:min(3, len(runs))] {
		note := fmt.Sprintf("ran for %s in %s that ended here, the longest %s", p.Dur(r.v.ran), counted(r.v.n, "run", "runs"), p.Dur(r.v.longest))
		if by := callers(p.Trace, r.key); by != "" {
			note += ", called by " + by
		}
		out = append(out, analysis.Evidence{From: from, To: to, Func: p.SiteName(r.key), Note: note, Stack: p.Stack(r.key)})
	}
	for i := range min(3, len(t.Rows)) {
		fn, _ := t.Cell(i, "function").(string)
		ran, _ := t.Cell(i, "running").(int64)
		n, _ := t.Cell(i, "goroutines").(int64)
		if ran > 0 {
			out = append(out, analysis.Evidence{From: from, To: to, Func: fn, Note: fmt.Sprintf("ran for %s in %s", p.Dur(ran), counted(n, "goroutine", "goroutines"))})
		}
	}
	return out
}

var saturatedPs = &analysis.Analyzer{
	Name:   "saturated",
	Doc:    judgePage("saturated"),
	Covers: []string{"limits/cpu"},
	Thresholds: []analysis.Threshold{
		{
			Name: "saturated.share", Doc: "share of the time with all Ps busy and a runnable user goroutine or more for each", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .5, Error: .9},
			Source: "half of the time every goroutine that wakes up waits for a whole run of another one; at 90 % the queue never drains",
		},
		{
			Name: "saturated.second", Doc: "the same in the worst second", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .9},
			Source: "as before; a second of it is a burst of work, worth knowing",
		},
		{
			Name: "saturated.user", Doc: "share of user code in P time", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .5},
			Source: "else GC or system calls keep the Ps busy",
		},
		{
			Name: "saturated.time", Doc: "time of it", Unit: analysis.NS, Levels: analysis.Levels{Note: 100e6},
			Source: "ten time slices (proc.go:forcePreemptNS)",
		},
		{
			Name: "saturated.outside", Doc: "waits of user goroutines that timers and the network ended; with fewer it is a note", Unit: analysis.Count, Levels: analysis.Levels{Note: 10},
			Source: "as latency-tail.outside: a batch job is meant to keep all Ps busy",
		},
	},
	Requires: []*analysis.Analyzer{timeline, parallelism, goroutines, latency, waits},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		wall := p.Trace.Duration()
		f := analysis.FoldOf[*parallelismFold](p, parallelism)
		w := worstShare(f.over, overSaturated, overTime, schedWindow)
		severity := p.Severity("share", ratio(f.saturated, wall))
		if s := p.Severity("second", ratio(w.num, w.den)); s.Rank() > severity.Rank() {
			severity = s
		}
		user, _ := p.Value("procs.share.user")
		if severity == "" || !p.Met("time", float64(f.saturated)) || !p.Met("user", user) {
			p.Say("all Ps were busy with a goroutine or more waiting for each for %s of the time, %s in the worst second, with %s of P time in user code; limit %s, %s and %s",
				analysis.FormatRatio(ratio(f.saturated, wall)), analysis.FormatRatio(ratio(w.num, w.den)), analysis.FormatRatio(user),
				analysis.FormatRatio(p.Limit("share")), analysis.FormatRatio(p.Limit("second")), analysis.FormatRatio(p.Limit("user")))
			return nil
		}
		if !p.Met("outside", wokenFromOutside(p)) {
			severity = analysis.Note
		}
		from, to := w.clip(p)
		finding := analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("The Ps are saturated (GOMAXPROCS %.0f): all were busy, with a user goroutine or more waiting for each, for %s of the time (%s in the worst second); user code had %s of P time, %s goroutines waited on average%s",
				meanProcs(p), analysis.FormatRatio(ratio(f.saturated, wall)), analysis.FormatRatio(ratio(w.num, w.den)),
				analysis.FormatRatio(user), meanCount(float64(f.runnable.Sum()-f.yielding)/float64(wall)), ranMostly(p)),
			Cost:     analysis.Cost{Value: f.saturated, Total: wall, Clock: analysis.Wall},
			Evidence: append([]analysis.Evidence{{From: from, To: to, Note: "the worst second"}}, runningEvidence(p)...),
			Advice:   "Do less work, admit less of it at once, or add CPUs and Ps; goroutines.runnable.mean should fall towards 0.",
			Caveat:   "A batch job is meant to keep all Ps busy.",
			Explains: []string{"preempt-heavy", "gomaxprocs-advice/more"},
		}
		if causeShare(p, parse.CauseUser) >= explainsFrom {
			finding.Explains = append(finding.Explains, "latency-tail", "runnable-burst")
		}
		p.Find(finding)
		return nil
	},
}

var idlePsIOBound = &analysis.Analyzer{
	Name: "idle-ps-io-bound",
	Doc:  judgePage("idle-ps-io-bound"),
	Thresholds: []analysis.Threshold{
		{
			Name: "idle-ps-io-bound.idle", Doc: "share of P time idle", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .7},
			Source: "with 70 % idle a queue for Ps is short at any number of them",
		},
		{
			Name: "idle-ps-io-bound.waiting", Doc: "share of the network and of sleeping in the time of user goroutines", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .8}, Source: "the rest is too little to matter",
		},
		{
			Name: "idle-ps-io-bound.rate", Doc: "wake-ups of goroutines by the network poller per second", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 100}, Source: "a program that does nothing is not bound by anything",
		},
		{
			Name: "idle-ps-io-bound.wakeups", Doc: "such wake-ups", Unit: analysis.Count, Levels: analysis.Levels{Note: 100}, Source: "population",
		},
	},
	Requires: []*analysis.Analyzer{timeline, netpoll, goroutines, blocking},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		wall := p.Trace.Duration()
		idle, known := p.Value("procs.share.idle")
		of := analysis.FoldOf[*goroutinesFold](p, goroutines).userTime()
		if !known || of == 0 {
			p.NotApplicable("no P or no user goroutine is in this trace; record while the program works")
			return nil
		}
		network, _ := p.Value("block.network.total")
		sleep, _ := p.Value("block.sleep.total")
		wakeups, _ := p.Value("netpoll.wakeups")
		rate := wakeups / float64(wall) * 1e9
		share := (network + sleep) / float64(of)
		severity := analysis.Least(p.Severity("idle", idle), p.Severity("waiting", share))
		if severity == "" || !p.Met("rate", rate) || !p.Met("wakeups", wakeups) {
			p.Say("Ps were idle for %s of their time and user goroutines spent %s of theirs on the network or sleeping, at %s wake-ups by the poller; limit %s and %s from %s on",
				analysis.FormatRatio(idle), analysis.FormatRatio(share), analysis.FormatRate(rate),
				analysis.FormatRatio(p.Limit("idle")), analysis.FormatRatio(p.Limit("waiting")), analysis.FormatRate(p.Limit("rate")))
			return nil
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("CPU is not the limit: Ps were idle for %s of their time, and user goroutines spent %s of theirs waiting for the network or sleeping",
				analysis.FormatRatio(idle), analysis.FormatRatio(share)),
			Cost:     goTime(p, int64(network+sleep)),
			Evidence: []analysis.Evidence{{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Note: fmt.Sprintf("network %s, sleep %s of user goroutines", p.Dur(int64(network)), p.Dur(int64(sleep)))}},
			Advice:   "To be faster, look at what is at the other end of the connections, and at how many requests are under way at once; faster code or more Ps change little. block.network.total should fall for the same work.",
			Caveat:   "Goroutines that wait for connections nobody uses count as well.",
		})
		return nil
	},
}

var pImbalance = &analysis.Analyzer{
	Name: "p-imbalance",
	Doc:  judgePage("p-imbalance"),
	Thresholds: []analysis.Threshold{
		{
			Name: "p-imbalance.ratio", Doc: "running time of the busiest P over the mean of all, in each of the windows", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1.5, Warning: 2},
			Source: "the catalogue's; stealing keeps it near 1 when there is work for all",
		},
		{
			Name: "p-imbalance.windows", Doc: "windows of 0.5 s in a row", Unit: analysis.Count, Levels: analysis.Levels{Note: 3},
			Source: "less is chance",
		},
		{
			Name: "p-imbalance.used", Doc: "mean share of running in P time", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .2},
			Source: "with less to do a few Ps do it all, and should",
		},
		{
			Name: "p-imbalance.unused", Doc: "mean share of the rest", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .1},
			Source: "with less unused there is nothing to share better",
		},
		{
			Name: "p-imbalance.runnable", Doc: "runnable user goroutines per P on average", Unit: analysis.Count, Levels: analysis.Levels{Note: .25},
			Source: "an uneven load hurts only who waits beside idle Ps",
		},
	},
	Requires: []*analysis.Analyzer{timeline, parallelism},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		tl, f := analysis.FoldOf[*timelineFold](p, timeline).sums(), analysis.FoldOf[*parallelismFold](p, parallelism)
		if len(tl.ps) < 2 {
			p.NotApplicable("there is one P only; record with GOMAXPROCS 2 or more")
			return nil
		}
		if need := int64(p.Limit("windows") * imbalanceWindow); p.Trace.Duration() < need {
			p.NotApplicable(fmt.Sprintf("the trace has %s and uneven load shows in %s; record longer", p.Dur(p.Trace.Duration()), p.Dur(need)))
			return nil
		}
		windows := imbalances(tl, f.over)
		var row, best []imbalance
		for _, w := range windows {
			if p.Met("ratio", w.ratio) && p.Met("used", w.used) && p.Met("unused", 1-w.used) && p.Met("runnable", w.runnable) {
				row = append(row, w)
			} else {
				row = nil
			}
			if len(row) > len(best) {
				best = slices.Clone(row)
			}
		}
		if !p.Met("windows", float64(len(best))) {
			var most imbalance
			for _, w := range windows {
				if p.Met("used", w.used) && w.ratio > most.ratio {
					most = w
				}
			}
			if most.ratio == 0 {
				p.Say("Ps ran goroutines for less than %s of their time in every 0.5 s", analysis.FormatRatio(p.Limit("used")))
			} else {
				p.Say("the busiest P ran %.2f times the mean in the worst 0.5 s, with %s goroutines waiting per P; limit %.1f and %.2f in %.0f in a row",
					most.ratio, meanCount(most.runnable), p.Limit("ratio"), p.Limit("runnable"), p.Limit("windows"))
			}
			return nil
		}
		least := slices.MinFunc(best, func(a, b imbalance) int { return int(1e6 * (a.ratio - b.ratio)) })
		from, to := best[0].from, best[len(best)-1].to
		lost := int64(0)
		var evidence []analysis.Evidence
		for _, w := range best {
			lost += w.lost
			if len(evidence) < 10 {
				evidence = append(evidence, analysis.Evidence{From: p.Rel(parse.Time(max(w.from, int64(p.Trace.From)))), To: p.Rel(parse.Time(min(w.to, int64(p.Trace.To)))), P: idOf(w.busiest),
					Note: fmt.Sprintf("ran %.2f times the mean, %s goroutines waited per P", w.ratio, meanCount(w.runnable))})
			}
		}
		p.Find(analysis.Finding{
			Severity: p.Severity("ratio", least.ratio), Confidence: analysis.Measured,
			Summary: fmt.Sprintf("The Ps are unevenly loaded: for %s the busiest ran %.2f times the mean or more, while others were idle and user goroutines waited",
				p.Dur(to-from), least.ratio),
			Cost: procTime(p, float64(lost)), Evidence: evidence,
			Advice: "Look for goroutines that must stay on one thread (runtime.LockOSThread) or wake each other on one P; procs.idle_while_runnable should fall.",
			Caveat: "On an oversubscribed machine a thread without a CPU makes its P look busy.",
		})
		return nil
	},
}

// imbalance is how unevenly Ps ran in one window.
type imbalance struct {
	from, to              int64
	busiest               parse.ProcID
	ratio, used, runnable float64 // runnable: per P
	lost                  int64   // P time of the busiest beyond the mean
}

// imbalances are the windows of the trace, a last shorter one left out.
func imbalances(tl *timelineSums, over *sketch.Series) (out []imbalance) {
	n, width := tl.over.Len(), tl.over.Width()
	k := max(1, int(imbalanceWindow/width))
	ids := slices.Sorted(maps.Keys(tl.ps))
	ran := make(map[parse.ProcID][]int64)
	for _, id := range ids {
		s := tl.ps[id].over
		if s == nil {
			continue
		}
		by := make([]int64, n)
		for b := range s.Len() {
			at := int((s.Start() + int64(b)*s.Width() - tl.over.Start()) / width)
			for _, share := range []share{shareUser, shareSystem, shareWorker, shareAssist} {
				by[at] += s.At(b, int(share))
			}
		}
		ran[id] = by
	}
	runnable := make([]int64, n)
	for b := range over.Len() {
		if at := int((over.Start() + int64(b)*over.Width() - tl.over.Start()) / width); at >= 0 && at < n {
			runnable[at] += over.At(b, overRunnable)
		}
	}
	for b := 0; b+k <= n; b += k {
		w := imbalance{from: tl.over.Start() + int64(b)*width, to: tl.over.Start() + int64(b+k)*width}
		var sum, most, waited int64
		for _, id := range ids {
			var own int64
			for _, v := range ran[id][b:min(b+k, len(ran[id]))] {
				own += v
			}
			sum += own
			if own > most {
				most, w.busiest = own, id
			}
		}
		var all int64
		for i := b; i < b+k; i++ {
			waited += runnable[i]
			for s := range numShares {
				all += tl.over.At(i, int(s))
			}
		}
		if sum == 0 || all == 0 {
			out = append(out, w)
			continue
		}
		mean := sum / int64(len(ids))
		w.ratio = ratio(most*int64(len(ids)), sum)
		w.used = ratio(sum, all)
		w.runnable = ratio(waited, all)
		w.lost = most - mean
		out = append(out, w)
	}
	return out
}

var gomaxprocsAdvice = &analysis.Analyzer{
	Name: "gomaxprocs-advice",
	Doc:  judgePage("gomaxprocs-advice"),
	Thresholds: []analysis.Threshold{
		{
			Name: "gomaxprocs-advice.unused", Doc: "Ps that no user goroutine needed for 99.9 % of the time", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 4}, Source: "fewer are room for a peak",
		},
		{
			Name: "gomaxprocs-advice.spare", Doc: "share of those in all Ps", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .5},
			Source: "half of the Ps is twice what was ever needed",
		},
		{
			Name: "gomaxprocs-advice.used", Doc: "user goroutines running, on average", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .02}, Source: "for a program that sleeps, the number of Ps does not matter: sched/idle has 0.001",
		},
		{
			Name: "gomaxprocs-advice.short", Doc: "share of the time in which more user goroutines could have run than there are Ps, all Ps busy", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5}, Source: "as saturated.share",
		},
		{
			Name: "gomaxprocs-advice.duration", Doc: "length of the trace", Unit: analysis.NS, Levels: analysis.Levels{Note: 1e9},
			Source: "a shorter one says nothing about peaks",
		},
	},
	Requires: []*analysis.Analyzer{trust, timeline, parallelism, waits},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		low, ok := p.Value("procs.gomaxprocs.min")
		high, _ := p.Value("procs.gomaxprocs.max")
		switch {
		case !ok:
			p.NotApplicable("the trace does not tell GOMAXPROCS; record with Go 1.22 or later")
			return nil
		case low != high:
			p.NotApplicable(fmt.Sprintf("GOMAXPROCS changed between %.0f and %.0f; analyse a part of the trace in which it does not", low, high))
			return nil
		}
		f := analysis.FoldOf[*parallelismFold](p, parallelism)
		wall, procs := p.Trace.Duration(), int64(high)
		need := min(levelQuantile(f.demand, 999, 1000), procs)
		mean := weightedMean(f.running)
		short := ratio(f.saturated, wall)
		long := p.Met("duration", float64(wall))
		fewer := analysis.Least(p.Severity("unused", float64(procs-need)), p.Severity("spare", ratio(procs-need, procs)))
		more := p.Severity("short", short)
		window := []analysis.Evidence{{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To),
			Note: fmt.Sprintf("user goroutines running %s on average, running or runnable at most %d for 99.9 %% of the time, %s at the peak",
				meanCount(mean), levelQuantile(f.demand, 999, 1000), analysis.FormatCount(f.demand.Max()))}}
		_, js := p.Trace.Lookup("runtime.handleEvent") // lock_js.go: WebAssembly has one thread
		byGC := waitShare(analysis.FoldOf[*waitsFold](p, waits), parse.CauseGC, parse.CauseSTW)
		switch {
		case long && more != "" && !js && byGC < explainsFrom:
			over, twice := unmet(f.demand, procs), unmet(f.demand, 2*procs)
			p.Find(analysis.Finding{
				Code: "gomaxprocs-advice/more", Severity: more, Confidence: analysis.Inferred,
				Summary: fmt.Sprintf("More Ps could help: for %s of the time all were busy (GOMAXPROCS %d) and as many goroutines or more waited; of %d, %s of the waiting would have found one",
					analysis.FormatRatio(short), procs, 2*procs, analysis.FormatRatio(1-ratio(twice, over))),
				Cost: analysis.Cost{Value: f.saturated, Total: wall, Clock: analysis.Wall}, Evidence: window,
				Advice: "Raise GOMAXPROCS if there are CPUs for it; goroutines.runnable.mean should fall.",
				Caveat: "It only helps when the machine has CPUs to spare, and when the goroutines do not wait for each other.",
			})
		case long && fewer != "" && p.Met("used", mean):
			idle, _ := p.Value("procs.share.idle")
			p.Find(analysis.Finding{
				Code: "gomaxprocs-advice/fewer", Severity: fewer, Confidence: analysis.Inferred,
				Summary: fmt.Sprintf("%d of %d Ps would do: user goroutines used %s on average, and for 99.9 %% of the time at most %d ran or could have run",
					max(need, 1), procs, meanCount(mean), need),
				Cost: procTime(p, idle*float64(procs*wall)), Evidence: window,
				Advice: "Unless higher peaks are due, GOMAXPROCS may be lower: less is woken and searched in vain (procs.wakeups.fruitless), and the GC takes a quarter of fewer Ps while it marks.",
				Caveat: "The GC uses idle Ps for marking: fewer Ps make its cycles longer.",
			})
		default:
			full := analysis.FormatRatio(ratio(f.full, wall))
			p.Say("user goroutines used %s of %d Ps on average, at most %d could have run at once for 99.9 %% of the time; all Ps were busy for %s of it, with a goroutine waiting for each for %s (more Ps help from %s on)",
				meanCount(mean), procs, levelQuantile(f.demand, 999, 1000), full, analysis.FormatRatio(short), analysis.FormatRatio(p.Limit("short")))
		}
		return nil
	},
}

// levelQuantile is the smallest count that holds for num of den of the time.
func levelQuantile(l *levels, num, den int64) (v int64) {
	var below int64
	all := l.N()
	l.Bins(func(_, hi, ns int64) bool {
		below += ns
		v = hi
		return float64(below)*float64(den) < float64(all)*float64(num)
	})
	return v
}

// unmet is ns × goroutines that would have found no P of n.
func unmet(demand *levels, n int64) (sum int64) {
	demand.Bins(func(lo, _, ns int64) bool {
		sum += max(0, lo-n) * ns
		return true
	})
	return sum
}

var gomaxprocsChange = &analysis.Analyzer{
	Name: "gomaxprocs-change",
	Doc:  judgePage("gomaxprocs-change"),
	Thresholds: []analysis.Threshold{
		{
			Name: "gomaxprocs-change.count", Doc: "changes of GOMAXPROCS", Unit: analysis.Count, Levels: analysis.Levels{Note: 1},
			Source: "each stops the world, and numbers per P from before and after do not compare",
		},
	},
	Requires: []*analysis.Analyzer{trust, timeline, latency, stw},
	Run: func(p *analysis.Pass) error {
		steps := &analysis.FoldOf[*trustFold](p, trust).steps
		if steps.n == 0 {
			p.NotApplicable("the trace does not tell GOMAXPROCS; record with Go 1.22 or later")
			return nil
		}
		if !p.Met("count", float64(steps.n-1)) {
			p.Say("GOMAXPROCS was %d all the time", steps.last)
			return nil
		}
		var values []string
		var evidence []analysis.Evidence
		var fewer int64 // ns below the largest
		for i, s := range steps.first {
			values = append(values, fmt.Sprint(s.procs))
			end := p.Trace.To
			if i+1 < len(steps.first) {
				end = steps.first[i+1].at
			}
			if s.procs < steps.max {
				fewer += int64(end - max(s.at, p.Trace.From))
			}
			if len(evidence) < 7 {
				evidence = append(evidence, analysis.Evidence{From: p.Rel(max(s.at, p.Trace.From)), To: p.Rel(end), Note: fmt.Sprintf("GOMAXPROCS %d", s.procs)})
			}
		}
		if steps.n > int64(len(steps.first)) {
			values = append(values, "…")
		}
		c := analysis.FoldOf[*stwFold](p, stw)
		by := make(map[stwSite]*stwSum)
		for k, s := range c.sites {
			if p.Trace.String(k.kind) == "GOMAXPROCS" {
				by[k] = s
			}
		}
		callers := rankSites(p, by, func(k stwSite) parse.StackID { return k.stack }, (*stwSum).add, func(s *stwSum) int64 { return max(1, s.halt) })
		where := ""
		if len(callers) > 0 {
			where = ", most at " + callers[0].site
			evidence = append(evidence, limitRows(siteEvidence(p, callers, p.Trace.From, p.Trace.To, func(s *stwSum) string {
				return fmt.Sprintf("%s of the world, %s in all", counted(s.n, "stop", "stops"), p.Dur(s.halt))
			}), 3)...)
		}
		finding := analysis.Finding{
			Severity: p.Severity("count", float64(steps.n-1)), Confidence: analysis.Measured,
			Summary: fmt.Sprintf("GOMAXPROCS changed %s (%s)%s; it was below %d for %s",
				counted(steps.n-1, "time", "times"), firstSteps(values), where, steps.max, p.Dur(fewer)),
			Cost:     analysis.Cost{Value: fewer, Total: p.Trace.Duration(), Clock: analysis.Wall},
			Evidence: evidence,
			Advice:   "Set GOMAXPROCS once, at the start, to the CPUs there are; procs.gomaxprocs.min should equal procs.gomaxprocs.max. To judge the program, analyse a part of the trace without a change (--from, --to).",
			Caveat:   "Since Go 1.25 the runtime itself follows the CPU limit of the container (runtime/proc.go: sysmonUpdateGOMAXPROCS).",
		}
		if longWaitsBelow(p, steps) >= explainsFrom {
			finding.Explains = []string{"latency-tail", "slice-overrun"}
		}
		p.Find(finding)
		return nil
	},
}

// longWaitsBelow is the share of waits of 1 ms or longer that ended while GOMAXPROCS
// was below its maximum.
func longWaitsBelow(p *analysis.Pass, steps *gomaxprocsSteps) float64 {
	s := analysis.FoldOf[*latencyFold](p, latency).overTime
	var below, all int64
	for b := range s.Len() {
		at := parse.Time(s.Start() + int64(b)*s.Width() + s.Width()/2)
		procs := steps.first[0].procs
		for _, step := range steps.first {
			if step.at <= at {
				procs = step.procs
			}
		}
		for lane := latencyLane(longWait); lane < s.Lanes(); lane++ {
			n := s.At(b, lane)
			all += n
			if procs < steps.max {
				below += n
			}
		}
	}
	return ratio(below, all)
}

// firstSteps joins values that followed each other, the first ones of many.
func firstSteps(values []string) string {
	const most = 8
	if len(values) > most {
		values = append(slices.Clone(values[:most]), "…")
	}
	return strings.Join(values, " → ")
}
