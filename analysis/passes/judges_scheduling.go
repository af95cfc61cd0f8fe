package passes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

// schedulingJudges judge run queues, stealing and preemption.
var schedulingJudges = []*analysis.Analyzer{
	latencyTail, runnableBurst, idlePWhileRunnable, goschedSpin, goroutineChurn, lockedThreadPenalty,
	migrationChurn, singleProducerSteal, sliceOverrun, preemptHeavy, mutexStarvation, lateTimers, yieldStarvation, connectionChurn, hotFunction,
}

// perSecond is n events in the analysed time as a rate.
func perSecond(p *analysis.Pass, n int64) float64 {
	return float64(n) / float64(p.Trace.Duration()) * 1e9
}

// joined is the sum of the values whose keys print alike, and the key with most of it.
type joined[K comparable, V any] struct {
	key K
	v   *V
}

// joinSites sums values as rank does: one place in the code has many stacks.
func joinSites[K comparable, V any](m map[K]*V, name func(K) label, add func(into, from *V), cost func(*V) int64, order func(a, b K) int) (out []joined[K, V]) {
	most := make(map[label]K)
	for k, v := range m {
		l := name(k)
		if best, ok := most[l]; !ok || cost(v) > cost(m[best]) || cost(v) == cost(m[best]) && order(k, best) < 0 {
			most[l] = k
		}
	}
	for _, r := range rank(m, name, add, cost) {
		out = append(out, joined[K, V]{most[r.label], r.v})
	}
	return out
}

// activeTime is the cost of something in the time user goroutines ran or waited for a P.
func activeTime(p *analysis.Pass, ns int64) analysis.Cost {
	running, _ := p.Value("goroutines.running.mean")
	waited := analysis.FoldOf[*latencyFold](p, latency).headline().Sum()
	return analysis.Cost{Value: ns, Total: waited + int64(running*float64(p.Trace.Duration())), Clock: analysis.GTime}
}

// waitEvidence are the longest waits of user goroutines for a P.
func waitEvidence(p *analysis.Pass, most int) (out []analysis.Evidence) {
	for _, e := range analysis.FoldOf[*latencyFold](p, latency).worst.Items() {
		if len(out) == most {
			break
		}
		w := &e.Item
		c, _ := largest(&w.parts)
		from := p.Rel(w.since)
		out = append(out, analysis.Evidence{From: from, To: from + e.Value, P: idOf(w.p), G: idOf(w.g), Func: p.FuncName(w.fn),
			Note: fmt.Sprintf("waited %s (%s), mostly %s", p.Dur(e.Value), readyWord(w.ready), causeTexts[c]), Stack: p.Stack(w.waker)})
	}
	return out
}

// wakerEvidence are the places where goroutines that waited longest in all were made
// runnable, and the one with more than half of that, "" if there is none.
func wakerEvidence(p *analysis.Pass, most int) (out []analysis.Evidence, top string) {
	var all int64
	f := analysis.FoldOf[*latencyFold](p, latency)
	name := func(k longWaitKey) label { return label{readyName(p, k.ready, k.stack)} }
	from, to := p.Rel(p.Trace.From), p.Rel(p.Trace.To)
	wakers := joinSites(f.wakers.byKey(), name, (*longWaits).add, func(w *longWaits) int64 { return w.total },
		func(a, b longWaitKey) int {
			return cmp.Or(cmp.Compare(a.stack, b.stack), cmp.Compare(a.ready, b.ready))
		})
	for _, w := range wakers {
		all += w.v.total
	}
	for _, w := range wakers[:min(most, len(wakers))] {
		name := name(w.key)[0]
		if 2*w.v.total > all {
			top = name
		}
		out = append(out, analysis.Evidence{From: from, To: to, Func: name,
			Note: fmt.Sprintf("%s of 1 ms or longer after it, %s in all, at most %s", counted(w.v.n, "wait", "waits"), p.Dur(w.v.total), p.Dur(w.v.longest)), Stack: p.Stack(w.key.stack)})
	}
	return out, top
}

var latencyTail = &analysis.Analyzer{
	Name:   "latency-tail",
	Doc:    judgePage("latency-tail"),
	Covers: []string{"limits/waits"},
	Thresholds: []analysis.Threshold{
		{
			Name: "latency-tail.p99", Doc: "p99 of the waits of user goroutines for a P, in the trace or its worst second", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 5e6, Error: 10e6},
			Source: "10 ms is a whole time slice (proc.go:forcePreemptNS), 5 ms half of one; 1 ms the runtime's own limit for a starving mutex. Healthy services on a machine with too few CPUs have 1.2 ms, a sound mixed load on one P 3.3 ms",
		},
		{
			Name: "latency-tail.share", Doc: "waiting for a P, as a share of running and waiting for one, of user goroutines", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .01}, Source: "less is not felt",
		},
		{
			Name: "latency-tail.waits", Doc: "waits, of the trace or of its worst second", Unit: analysis.Count, Levels: analysis.Levels{Note: 1000},
			Source: "ten values lie beyond the p99",
		},
		{
			Name: "latency-tail.outside", Doc: "waits of user goroutines that timers and the network ended; with fewer it is a note", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "where next to nobody comes from outside, as in a batch job, nobody minds who waits",
		},
		{
			Name: "latency-tail.moment", Doc: "share of the waits of 1 ms or longer that ended in the worst 100 ms, of traces of 1 s and more", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: 1, Warning: .8, Error: .8}, Source: "what happens once, such as a start, makes no tail for those who come later",
		},
	},
	Requires: []*analysis.Analyzer{parallelism, latency, waits},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*latencyFold](p, latency)
		user := f.headline()
		n := user.N()
		if !p.Met("waits", float64(n)) {
			p.NotApplicable(fmt.Sprintf("%s of user goroutines for a P, longest %s: a p99 needs %.0f; record longer or under more load", counted(n, "wait", "waits"), p.Dur(user.Max()), p.Limit("waits")))
			return nil
		}
		p99 := user.QuantileAny(.99)
		w, least := worstLatency(p, f)
		severity := p.Severity("p99", float64(p99))
		if s := p.Severity("p99", float64(least)); s.Rank() > severity.Rank() {
			severity = s
		}
		moment, inMoment := worstMoment(p, f)
		severity = analysis.Least(severity, p.Severity("moment", inMoment))
		if severity != "" && !p.Met("outside", wokenFromOutside(p)) {
			severity = analysis.Note
		}
		cost := activeTime(p, user.Sum())
		if severity == "" || !p.Met("share", cost.Share()) {
			p.Say("p99 %s of %s waits for a P, %s or more in the worst second; limit %s",
				p.Dur(p99), analysis.FormatCount(n), p.Dur(least), p.Dur(int64(p.Limit("p99"))))
			return nil
		}
		text := fmt.Sprintf("User goroutines waited long for a P: p99 %s, longest %s (n=%s); waiting is %s of their running and waiting",
			p.Dur(p99), p.Dur(user.Max()), analysis.FormatCount(n), analysis.FormatRatio(cost.Share()))
		if least > p99 {
			text += fmt.Sprintf("; p99 %s or more in the worst second", p.Dur(least))
		}
		if inMoment > .5 {
			text += fmt.Sprintf("; %s of those of 1 ms or longer ended in the 100 ms from %s", analysis.FormatRatio(inMoment), p.At(moment.from))
		}
		if t := p.TableOf(waits, "waits.cause"); len(t.Rows) > 0 {
			share, _ := t.Cell(0, "share").(float64)
			text += fmt.Sprintf("; %s of it: %v", analysis.FormatRatio(share), t.Cell(0, "cause"))
		}
		wakers, top := wakerEvidence(p, 3)
		if top != "" {
			text += "; most of the long ones after " + top
		}
		evidence := append(waitEvidence(p, 5), wakers...)
		if w.den > 0 {
			from, to := w.clip(p)
			evidence = append(evidence, analysis.Evidence{From: from, To: to, Note: "the worst second"})
		}
		p.Find(analysis.Finding{
			Severity: severity, Summary: text, Confidence: analysis.Measured, Cost: cost, Evidence: evidence, Figure: "latency.time",
			Advice: "See under waits who held the Ps: make those runs shorter, wake fewer goroutines at once, or add Ps. sched.latency.user.p99 should fall.",
			Caveat: "Yields and coroutine switches are left out. On an oversubscribed machine the operating system's queue is part of it.",
		})
		return nil
	},
}

// worstMoment are the 100 ms in which most of the long waits of user goroutines for a P
// ended, and their share; 0 in a trace that is too short to have a worst one.
func worstMoment(p *analysis.Pass, f *latencyFold) (at stretch, share float64) {
	s := f.overTime
	long := func(from, to int) (n int64, ok bool) {
		for lane := latencyLane(longWait); lane < s.Lanes(); lane++ {
			for b := from; b < to; b++ {
				n += s.At(b, lane)
			}
		}
		return n, true
	}
	if at = worst(p, s, long); p.Trace.Duration() < 10*blockingStretch {
		return at, 0
	}
	all, _ := long(0, s.Len())
	return at, ratio(at.sum, all)
}

// wokenFromOutside is how many waits of user goroutines timers and the network ended.
// Where nobody comes from outside, as in a batch job, nobody minds waiting for a P.
func wokenFromOutside(p *analysis.Pass) float64 {
	f := analysis.FoldOf[*latencyFold](p, latency)
	return float64(f.hist[parse.ClassUser][parse.ReadyTimer].N() + f.hist[parse.ClassUser][parse.ReadyNetpoll].N())
}

// worstLatency is the second with the longest p99 among those with enough waits, and
// the lower edge of that p99's class.
func worstLatency(p *analysis.Pass, f *latencyFold) (w worstWindow, least int64) {
	s := f.overTime
	k := min(max(int(schedWindow/s.Width()), 1), s.Len())
	if k == 0 {
		return w, 0
	}
	sums := make([]int64, s.Lanes())
	var n int64
	for b := range s.Len() {
		for lane := range sums {
			v := s.At(b, lane)
			if b >= k {
				v -= s.At(b-k, lane)
			}
			sums[lane] += v
			n += v
		}
		if b < k-1 || !p.Met("waits", float64(n)) {
			continue
		}
		lane := len(sums) - 1
		for beyond := sums[lane]; beyond*100 < n && lane > 0; beyond += sums[lane] {
			lane--
		}
		if from, _ := latencyClass(lane); from > least {
			at := s.Start() + int64(b-k+1)*s.Width()
			w, least = worstWindow{at, at + int64(k)*s.Width(), sums[lane], n}, from
		}
	}
	return w, least
}

var runnableBurst = &analysis.Analyzer{
	Name: "runnable-burst",
	Doc:  judgePage("runnable-burst"),
	Thresholds: []analysis.Threshold{
		{
			Name: "runnable-burst.waited", Doc: "time of goroutines waiting in bursts (five runnable for each P, 2 ms or longer), as a share of all their waiting for a P", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .25, Warning: .6},
			Source: "60 % is what makes a cause",
		},
		{
			Name: "runnable-burst.time", Doc: "the same, goroutines × time", Unit: analysis.NS, Levels: analysis.Levels{Note: 100e6, Warning: 1e9},
			Source: "a thousand goroutines that wait a ms each",
		},
		{
			Name: "runnable-burst.count", Doc: "bursts", Unit: analysis.Count, Levels: analysis.Levels{Note: 1},
			Source: "one is enough when most of the waiting is in it",
		},
		{
			Name: "runnable-burst.once", Doc: "the longest burst, as a share of the time in all, where most that waited had just been created", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: 1, Warning: .6}, Source: "one burst of new goroutines is a start or a fan-out",
		},
		{
			Name: "runnable-burst.standing", Doc: "share of the time in bursts", Unit: analysis.Ratio, Below: true, Levels: analysis.Levels{Note: .5},
			Source: "more is a standing queue: saturated",
		},
	},
	Requires: []*analysis.Analyzer{parallelism, latency},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*parallelismFold](p, parallelism)
		count, length, mass, longest, at := f.bursts.Result()
		wall := p.Trace.Duration()
		waited := f.runnable.Sum() - f.yielding
		if waited == 0 {
			p.NotApplicable("no user goroutine waited for a P; record under load")
			return nil
		}
		severity := analysis.Least(p.Severity("waited", ratio(mass, waited)), p.Severity("time", float64(mass)))
		if mostlyCreated(analysis.FoldOf[*latencyFold](p, latency)) {
			severity = analysis.Least(severity, p.Severity("once", ratio(longest, length)))
		}
		standing := ratio(length, wall)
		if severity == "" || !p.Met("count", float64(count)) || !p.Met("standing", standing) {
			p.Say("%s with five runnable user goroutines or more for each P for 2 ms: %s of the time, %s of all waiting for a P; limit %s",
				counted(count, "stretch", "stretches"), analysis.FormatRatio(standing), analysis.FormatRatio(ratio(mass, waited)), analysis.FormatRatio(p.Limit("waited")))
			return nil
		}
		from := p.Rel(parse.Time(at))
		evidence, top := wakerEvidence(p, 5)
		evidence = append([]analysis.Evidence{{From: from, To: from + longest, Note: "the longest burst"}}, evidence...)
		text := fmt.Sprintf("Many goroutines become runnable at once: %s with five or more for each P (%s on average), %s in all, the longest %s at %s; %s of all waiting for a P",
			counted(count, "burst", "bursts"), meanCount(float64(mass)/float64(length)), p.Dur(length), p.Dur(longest), p.At(parse.Time(at)), analysis.FormatRatio(ratio(mass, waited)))
		if top != "" {
			text += "; most were made runnable at " + top
		}
		finding := analysis.Finding{
			Severity: severity, Summary: text, Confidence: analysis.Measured, Evidence: evidence,
			Cost:   analysis.Cost{Value: mass, Total: f.running.Sum() + waited, Clock: analysis.GTime},
			Advice: "Wake fewer at once: jitter for timers and tickers, Signal instead of Broadcast, workers that take batches, a bound on fan-out. goroutines.runnable.max should fall.",
			Caveat: "A deliberate fan-out of work that keeps all Ps busy is no harm. Who made them runnable is told from all waits of 1 ms or longer.",
		}
		if causes(mass, waited) && severity != analysis.Note {
			finding.Explains = []string{"latency-tail"}
		}
		p.Find(finding)
		return nil
	},
}

// mostlyCreated reports whether go statements made most of those runnable that waited
// long.
func mostlyCreated(f *latencyFold) bool {
	var created, all int64
	for k, w := range f.wakers.byKey() {
		if all += w.total; k.ready == parse.ReadyCreated && k.stack != 0 {
			created += w.total
		}
	}
	return causes(created, all)
}

var idlePWhileRunnable = &analysis.Analyzer{
	Name: "idle-p-while-runnable",
	Doc:  judgePage("idle-p-while-runnable"),
	Thresholds: []analysis.Threshold{
		{
			Name: "idle-p-while-runnable.share", Doc: "share of the time in which a P was idle beside a runnable user goroutine for 200 µs or longer", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05, Warning: .3},
			Source: "at most 0.5 % in planted programs that leave CPUs free, 3 % in a healthy service, up to 26 % where threads wait for CPUs",
		},
		{
			Name: "idle-p-while-runnable.waited", Doc: "share of that in all waiting of user goroutines for a P", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05, Warning: .5}, Source: "less hides behind other causes",
		},
		{
			Name: "idle-p-while-runnable.count", Doc: "such stretches", Unit: analysis.Count, Levels: analysis.Levels{Note: 20},
			Source: "a few happen on any machine",
		},
	},
	Requires: []*analysis.Analyzer{timeline, parallelism, latency},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*parallelismFold](p, parallelism)
		waited := f.runnable.Sum() - f.yielding
		if waited == 0 {
			p.NotApplicable("no user goroutine waited for a P; record under load")
			return nil
		}
		count, length, mass, longest, at := f.stalled.Result()
		share := ratio(length, p.Trace.Duration())
		severity := analysis.Least(p.Severity("share", share), p.Severity("waited", ratio(mass, waited)))
		if severity == "" || !p.Met("count", float64(count)) {
			p.Say("a P was idle beside a runnable user goroutine for 200 µs or longer during %s of the time (%s, longest %s); limit %s",
				analysis.FormatRatio(share), counted(count, "stretch", "stretches"), p.Dur(longest), analysis.FormatRatio(p.Limit("share")))
			return nil
		}
		from := p.Rel(parse.Time(at))
		evidence, _ := wakerEvidence(p, 3)
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Ps were idle while user goroutines waited for one: during %s of the time, in %s of 200 µs or longer (longest %s at %s); %s of all waiting for a P",
				analysis.FormatRatio(share), counted(count, "stretch", "stretches"), p.Dur(longest), p.At(parse.Time(at)), analysis.FormatRatio(ratio(mass, waited))),
			Cost:     procTime(p, float64(mass)),
			Evidence: append([]analysis.Evidence{{From: from, To: from + longest, Note: "the longest stretch"}}, evidence...),
			Advice:   "Waking a thread took long: see oversubscribed-host for CPUs, locked-thread-penalty for runtime.LockOSThread, and the machine's idle states. procs.idle_while_runnable should fall.",
			Caveat:   "A P being woken is still idle in the trace. A goroutine locked to a thread can run on no other, and idle Ps cannot help it.",
		})
		return nil
	},
}

var goschedSpin = &analysis.Analyzer{
	Name: "gosched-spin",
	Doc:  judgePage("gosched-spin"),
	Thresholds: []analysis.Threshold{
		{
			Name: "gosched-spin.rate", Doc: "runtime.Gosched of user goroutines at one place, per second", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 5e3, Warning: 20e3},
			Source: "20,000 come every 50 µs, faster than a thread is woken: nobody waits in earnest; a planted spin lock has 97,000, etcd 7,100",
		},
		{
			Name: "gosched-spin.share", Doc: "share of those in all starts of user goroutines", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .1, Warning: .25},
			Source: "less is lost in the work around it",
		},
		{
			Name: "gosched-spin.time", Doc: "time run between them, as a share of P time", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .02, Warning: .1},
			Source: "a loop in runtime.GC that yields while it sweeps has 0.3 % and less, a planted spin lock 98 %",
		},
		{
			Name: "gosched-spin.count", Doc: "of those, in all", Unit: analysis.Count, Levels: analysis.Levels{Note: 1000}, Source: "population",
		},
	},
	Requires: []*analysis.Analyzer{timeline, latency, preemption},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*preemptionFold](p, preemption)
		starts, _ := p.Value("sched.starts.user")
		var top preemptSite
		var worst preempted
		yields := make(map[preemptSite]*preempted)
		for k, v := range f.sites.byKey() {
			// runtime.GC yields while it sweeps: forced-gc names that.
			if k.kind == parse.PreemptYield && !isForced(gcTrigger(p, k.stack)) {
				yields[k] = v
			}
		}
		for _, at := range joinSites(yields, func(k preemptSite) label { return label{p.SiteName(k.stack), p.FuncName(k.fn)} },
			(*preempted).add, func(c *preempted) int64 { return c.n },
			func(a, b preemptSite) int { return cmp.Or(cmp.Compare(a.stack, b.stack), cmp.Compare(a.fn, b.fn)) }) {
			top, worst = at.key, *at.v
			break
		}
		if total, _ := p.Value("procs.time"); starts == 0 || total == 0 {
			p.NotApplicable("no user goroutine was started in this trace; record while the program works")
			return nil
		}
		rate, share := perSecond(p, worst.n), float64(worst.n)/starts
		total, _ := p.Value("procs.time")
		severity := analysis.Least(p.Severity("rate", rate), p.Severity("share", share), p.Severity("time", float64(worst.ran)/total))
		if severity == "" || !p.Met("count", float64(worst.n)) {
			p.Say("runtime.Gosched at one place by user goroutines: at most %s, with %s of P time between them; limit %s and %s",
				analysis.FormatRate(rate), analysis.FormatRatio(float64(worst.ran)/total), analysis.FormatRate(p.Limit("rate")), analysis.FormatRatio(p.Limit("time")))
			return nil
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("%s yields in a loop: %s runtime.Gosched (%s) at %s, %s of all starts of user goroutines",
				p.FuncName(top.fn), analysis.FormatCount(worst.n), analysis.FormatRate(rate), p.SiteName(top.stack), analysis.FormatRatio(share)),
			Cost:     procTime(p, float64(worst.ran)),
			Evidence: []analysis.Evidence{{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: p.FuncName(top.fn), Note: "yields here; running between yields " + p.Dur(worst.ran), Stack: p.Stack(top.stack)}},
			Advice:   "Wait instead of asking again and again: a channel, sync.Cond or sync.Mutex wakes the goroutine when there is something to do. preempt.yield should fall.",
			Caveat:   "A long computation that yields to be polite does not need to: the scheduler preempts it.",
		})
		return nil
	},
}

var goroutineChurn = &analysis.Analyzer{
	Name: "goroutine-churn",
	Doc:  judgePage("goroutine-churn"),
	Thresholds: []analysis.Threshold{
		{
			Name: "goroutine-churn.rate", Doc: "goroutines created at one place per second", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 10e3, Warning: 50e3},
			Source: "the catalogue's 50,000; a planted program has 16,000, servers with a goroutine per request some 1,000",
		},
		{
			Name: "goroutine-churn.run", Doc: "running time of each, on average", Unit: analysis.NS, Below: true, Levels: analysis.Levels{Note: 20e3, Warning: 10e3},
			Source: "creating, starting and ending a goroutine costs 0.5 to 1 µs: 5 to 10 % of that",
		},
		{
			Name: "goroutine-churn.count", Doc: "goroutines created there", Unit: analysis.Count, Levels: analysis.Levels{Note: 1000}, Source: "population",
		},
	},
	Requires: []*analysis.Analyzer{timeline, goroutines},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*goroutinesFold](p, goroutines)
		var top goOrigin
		var worst *goPopulation
		made := make(map[goOrigin]*goPopulation)
		for k, v := range f.populations.byKey() {
			if k.class == parse.ClassUser && k.seen {
				made[k] = v
			}
		}
		for _, at := range joinSites(made, func(k goOrigin) label { return label{p.SiteName(k.site), p.FuncName(k.fn)} },
			(*goPopulation).add, func(v *goPopulation) int64 { return v.created },
			func(a, b goOrigin) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.fn, b.fn)) }) {
			top, worst = at.key, at.v
			break
		}
		if worst == nil || worst.created == 0 {
			p.NotApplicable("no user goroutine was created in this trace; record while the program works")
			return nil
		}
		rate, mean := perSecond(p, worst.created), worst.states[parse.GoRunning]/max(worst.count, 1)
		severity := analysis.Least(p.Severity("rate", rate), p.Severity("run", float64(mean)))
		if severity == "" || !p.Met("count", float64(worst.created)) {
			p.Say("at most %s goroutines were created at one place, which ran for %s each; limit %s that run for %s or less",
				analysis.FormatRate(rate), p.Dur(mean), analysis.FormatRate(p.Limit("rate")), p.Dur(int64(p.Limit("run"))))
			return nil
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Goroutines are made for tiny work: %s of %s (%s), which ran for %s each and waited %s for a P",
				analysis.FormatCount(worst.created), p.FuncName(top.fn), analysis.FormatRate(rate), p.Dur(mean), p.Dur(worst.states[parse.GoRunnable]/max(worst.count, 1))),
			Cost:     procTime(p, float64(worst.created*churnCost)),
			Evidence: []analysis.Evidence{{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: p.FuncName(top.fn), Note: "created here", Stack: p.Stack(top.site)}},
			Advice:   "Give each goroutine more to do: batches, or a fixed number of workers that take items from a channel. goroutines.created should fall.",
			Caveat:   "The cost counts 1 µs for each, which is not in the trace. Goroutines are cheap: where the rate is right for the design, leave it.",
		})
		return nil
	},
}

// churnCost is about what creating, starting and ending a goroutine costs, in ns.
const churnCost = 1000

var lockedThreadPenalty = &analysis.Analyzer{
	Name: "locked-thread-penalty",
	Doc:  judgePage("locked-thread-penalty"),
	Thresholds: []analysis.Threshold{
		{
			Name: "locked-thread-penalty.ratio", Doc: "median wait for a P of goroutines that always ran on one thread, over that of the others", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 4},
			Source: "two classes of a power of two; a handover to a locked thread costs a switch of threads (proc.go:startlockedm), 50 µs where others take 1",
		},
		{
			Name: "locked-thread-penalty.wait", Doc: "that median", Unit: analysis.NS, Levels: analysis.Levels{Note: 8192},
			Source: "a wake-up of a thread takes 5 to 50 µs",
		},
		{
			Name: "locked-thread-penalty.waits", Doc: "waits of each side", Unit: analysis.Count, Levels: analysis.Levels{Note: 100},
			Source: "a hundred starts on one thread by accident are not to be expected where others change threads",
		},
		{
			Name: "locked-thread-penalty.rate", Doc: "such waits per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 100},
			Source: "fewer cost less than 1 % of the time",
		},
	},
	Requires: []*analysis.Analyzer{parallelism, latency},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*latencyFold](p, latency)
		var locked, others threadUse
		var sites []parse.StackID
		for stack, use := range f.threads.byKey() {
			switch {
			case use.mixed:
				others.add(use)
			case p.Met("waits", float64(use.n)):
				locked.add(use)
				sites = append(sites, stack)
			}
		}
		if len(sites) == 0 {
			p.Say("no place where goroutines waited %.0f times or more and then always ran on the same thread", p.Limit("waits"))
			return nil
		}
		// With one thread there is no other to compare with.
		own := medianWait(&locked)
		var than int64
		if p.Met("waits", float64(others.n)) {
			than = medianWait(&others)
		} else if f.headline().N() > locked.n {
			than = f.headline().QuantileAny(.5)
		}
		if than == 0 || len(sites) == 1 && p.Trace.Threads < 2 {
			p.NotApplicable("no goroutine changed threads, so that there is none to compare with; record with GOMAXPROCS 2 or more")
			return nil
		}
		times := float64(own) / float64(than)
		severity := p.Severity("ratio", times)
		if severity == "" || !p.Met("wait", float64(own)) || !p.Met("rate", perSecond(p, locked.n)) {
			p.Say("goroutines that always ran on one thread waited %s for a P (median of %s), others %s; limit %.0f times",
				p.Dur(own), analysis.FormatCount(locked.n), p.Dur(than), p.Limit("ratio"))
			return nil
		}
		slices.SortFunc(sites, func(a, b parse.StackID) int {
			return cmp.Or(cmp.Compare(f.threads.at(b).n, f.threads.at(a).n), cmp.Compare(a, b))
		})
		var evidence []analysis.Evidence
		for _, stack := range sites[:min(5, len(sites))] {
			use := f.threads.at(stack)
			evidence = append(evidence, analysis.Evidence{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: p.SiteName(stack),
				Note: fmt.Sprintf("waited here, then always ran on thread %d (%s, median wait %s)", use.m, counted(use.n, "time", "times"), p.Dur(medianWait(use))), Stack: p.Stack(stack)})
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Heuristic,
			Summary: fmt.Sprintf("Goroutines that seem to be locked to a thread pay for it: they waited %s for a P (median of %s), others %s; first of all at %s",
				p.Dur(own), analysis.FormatCount(locked.n), p.Dur(than), p.SiteName(sites[0])),
			Cost:     activeTime(p, max(own-than, 0)*locked.n),
			Evidence: evidence,
			Advice:   "Drop runtime.LockOSThread where nothing needs it, or hand such goroutines more work at once: each wake-up switches threads. sched.latency.unblocked.p50 should fall.",
			Caveat:   "The trace does not tell LockOSThread: these are places after which goroutines always ran on the same thread. Medians are within a factor of two.",
			Explains: []string{"idle-p-while-runnable"},
		})
		return nil
	},
}

// medianWait is the lower edge of the class of the median wait.
func medianWait(u *threadUse) int64 {
	var below int64
	for i, n := range u.octaves {
		if below += n; 2*below >= u.n && below > 0 {
			return int64(1) << max(i-1, 0)
		}
	}
	return 0
}

var migrationChurn = &analysis.Analyzer{
	Name: "migration-churn",
	Doc:  judgePage("migration-churn"),
	Thresholds: []analysis.Threshold{
		{
			Name: "migration-churn.rate", Doc: "starts of goroutines on another P than before, per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 20e3, Warning: 100e3},
			Source: "a migration costs some µs of cache misses: 20,000 a few percent of a CPU, 100,000 a whole one",
		},
		{
			Name: "migration-churn.share", Doc: "share of those in all starts of goroutines that ran before", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .3},
			Source: "with work for all Ps most goroutines stay: planted busy programs have 0.01 to 0.25",
		},
		{
			Name: "migration-churn.busy", Doc: "share of P time not idle", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .5},
			Source: "idle Ps must steal, which is migration",
		},
		{
			Name: "migration-churn.count", Doc: "such starts", Unit: analysis.Count, Levels: analysis.Levels{Note: 1000}, Source: "population",
		},
	},
	Requires: []*analysis.Analyzer{timeline, latency, stealing},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*latencyFold](p, latency)
		if f.placed == 0 || len(analysis.FoldOf[*timelineFold](p, timeline).procs.byKey()) < 2 {
			p.NotApplicable("nothing can migrate: there is one P only, or no goroutine ran twice; record with GOMAXPROCS 2 or more")
			return nil
		}
		idle, _ := p.Value("procs.share.idle")
		rate, share := perSecond(p, f.migrations), ratio(f.migrations, f.placed)
		severity := p.Severity("rate", rate)
		if severity == "" || !p.Met("share", share) || !p.Met("busy", 1-idle) || !p.Met("count", float64(f.migrations)) {
			p.Say("goroutines started on another P than before %s (%s of starts) with Ps busy for %s of their time; limit %s, %s and %s",
				analysis.FormatRate(rate), analysis.FormatRatio(share), analysis.FormatRatio(1-idle), analysis.FormatRate(p.Limit("rate")), analysis.FormatRatio(p.Limit("share")), analysis.FormatRatio(p.Limit("busy")))
			return nil
		}
		evidence := stealEvidence(p)
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Goroutines move between Ps all the time: %s starts on another P than before (%s, %s of all) though the Ps are busy for %s of their time",
				analysis.FormatCount(f.migrations), analysis.FormatRate(rate), analysis.FormatRatio(share), analysis.FormatRatio(1-idle)),
			Cost:     procTime(p, float64(f.migrations*migrationCost)),
			Evidence: evidence,
			Advice:   "Hand over less often: larger messages, fewer hops from goroutine to goroutine, shards with workers of their own. sched.migrations should fall.",
			Caveat:   "The cost counts 2 µs of cache misses for each, which is not in the trace.",
		})
		return nil
	},
}

// migrationCost is about what a start on another P costs, in ns.
const migrationCost = 2000

// stealEvidence are the places where most of the goroutines that were stolen had
// become runnable.
func stealEvidence(p *analysis.Pass) (out []analysis.Evidence) {
	f := analysis.FoldOf[*stealingFold](p, stealing)
	for _, s := range stealers(p, f) {
		if len(out) == 5 || s.v.n == 0 {
			break
		}
		out = append(out, analysis.Evidence{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: p.FuncName(s.key.fn),
			Note: fmt.Sprintf("made runnable at %s, %s stolen", readyName(p, s.key.ready, s.key.stack), counted(s.v.n, "start", "starts")), Stack: p.Stack(s.key.stack)})
	}
	return out
}

// stealers are the sites of stolen goroutines, those with most first.
func stealers(p *analysis.Pass, f *stealingFold) []joined[stealSite, stolen] {
	return joinSites(f.sites.byKey(), func(k stealSite) label { return label{readyName(p, k.ready, k.stack), p.FuncName(k.fn)} },
		(*stolen).add, func(v *stolen) int64 { return v.n },
		func(a, b stealSite) int {
			return cmp.Or(cmp.Compare(a.stack, b.stack), cmp.Compare(a.fn, b.fn), cmp.Compare(a.ready, b.ready))
		})
}

var singleProducerSteal = &analysis.Analyzer{
	Name: "single-producer-steal",
	Doc:  judgePage("single-producer-steal"),
	Thresholds: []analysis.Threshold{
		{
			Name: "single-producer-steal.share", Doc: "share of the stolen goroutines that one place in one goroutine's code made runnable", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .8}, Source: "the catalogue's",
		},
		{
			Name: "single-producer-steal.wait", Doc: "their wait for a P on average", Unit: analysis.NS, Levels: analysis.Levels{Note: 20e3},
			Source: "longer than a thief takes to wake up and look (5 to 20 µs)",
		},
		{
			Name: "single-producer-steal.rate", Doc: "of them per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 500}, Source: "fewer wait for a few ms a second in all",
		},
		{
			Name: "single-producer-steal.count", Doc: "of them", Unit: analysis.Count, Levels: analysis.Levels{Note: 200}, Source: "population",
		},
		{
			Name: "single-producer-steal.eligible", Doc: "share of all steals in the starts from run queues", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .1},
			Source: "below that most goroutines start where they became runnable",
		},
	},
	Requires: []*analysis.Analyzer{stealing, parallelism, latency},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*stealingFold](p, stealing)
		var all int64
		for _, s := range f.sites.byKey() {
			all += s.n
		}
		if all == 0 {
			p.NotApplicable("no goroutine was stolen; record under load with GOMAXPROCS 2 or more")
			return nil
		}
		var top joined[stealSite, stolen]
		for _, s := range stealers(p, f) {
			// Neither a timer nor the poller, nor the runtime on its own account.
			if site, ok := p.Trace.Site(s.key.stack); ok && !strings.HasPrefix(p.Trace.String(site.Func), "runtime.") {
				top = s
				break
			}
		}
		if top.v == nil || top.v.n == 0 {
			p.Say("none of %s was made runnable by another goroutine", counted(all, "stolen start", "stolen starts"))
			return nil
		}
		eligible, _ := p.Value("steal.share")
		share, mean, rate := ratio(top.v.n, all), top.v.wait/top.v.n, perSecond(p, top.v.n)
		severity := p.Severity("share", share)
		if severity == "" || !p.Met("wait", float64(mean)) || !p.Met("rate", rate) || !p.Met("count", float64(top.v.n)) || !p.Met("eligible", eligible) {
			p.Say("%s of %s stolen starts come from one place, %s after a mean wait of %s; limit %s, %s and %s",
				analysis.FormatRatio(share), analysis.FormatCount(all), analysis.FormatRate(rate), p.Dur(mean),
				analysis.FormatRatio(p.Limit("share")), analysis.FormatRate(p.Limit("rate")), p.Dur(int64(p.Limit("wait"))))
			return nil
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("One producer feeds the other Ps by stealing: %s of %s stolen goroutines were made runnable at %s, and waited %s on average",
				analysis.FormatRatio(share), analysis.FormatCount(all), p.SiteName(top.key.stack), p.Dur(mean)),
			Cost:     activeTime(p, top.v.wait),
			Evidence: stealEvidence(p),
			Advice:   "Let several goroutines produce, or hand out batches that a worker divides: what one P makes runnable starts elsewhere only by stealing. steal.latency.p50 should fall.",
			Caveat:   "An accept loop or a fan-out is like that by nature. Steals are told from a model of the run queues.",
		})
		return nil
	},
}

var sliceOverrun = &analysis.Analyzer{
	Name: "slice-overrun",
	Doc:  judgePage("slice-overrun"),
	Thresholds: []analysis.Threshold{
		{
			Name: "slice-overrun.length", Doc: "longest time slice of a P while work was runnable", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: 25e6, Error: 100e6},
			Source: "10 ms (proc.go:forcePreemptNS), up to 10 ms until sysmon looks (proc.go:sysmon), and slack",
		},
		{
			Name: "slice-overrun.far", Doc: "time slices over 30 ms while work was runnable", Unit: analysis.Count, Levels: analysis.Levels{Note: 1, Warning: 3},
			Source: "sysmon and a busy machine explain one; spinning programs have none, those that cannot be preempted 90",
		},
		{
			Name: "slice-overrun.share", Doc: "share of those over 30 ms in the ones over 10 ms while work was runnable", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .01, Warning: .05},
			Source: "where preemption works, later ones are rare",
		},
		{
			Name: "slice-overrun.waited", Doc: "time with work runnable of those over 20 ms, beyond 10 ms each", Unit: analysis.NS, Levels: analysis.Levels{Note: 1e6, Warning: 10e6},
			Source: "a ms of waiting is felt, 10 ms are a whole time slice",
		},
		{
			Name: "slice-overrun.outside", Doc: "waits of user goroutines that timers and the network ended; with fewer it is a note", Unit: analysis.Count, Levels: analysis.Levels{Note: 10},
			Source: "as latency-tail.outside",
		},
	},
	Requires: []*analysis.Analyzer{timeline, latency, preemption},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*preemptionFold](p, preemption)
		if f.all == 0 {
			p.NotApplicable("no goroutine ran; record while the program works")
			return nil
		}
		worst := f.worst.Items()
		var longest int64
		if len(worst) > 0 {
			longest = worst[0].Value
		}
		share := ratio(f.far, f.late+f.over)
		lost := f.overWait
		severity := analysis.Least(p.Severity("length", float64(longest)), p.Severity("far", float64(f.far)), p.Severity("share", share), p.Severity("waited", float64(lost)))
		if severity == "" {
			p.Say("%s of %s over 30 ms while work was runnable, longest %s, which others waited %s for; limit %.0f, %s and %s",
				analysis.FormatCount(f.far), counted(f.all, "time slice", "time slices"), p.Dur(longest), p.Dur(lost), p.Limit("far"), p.Dur(int64(p.Limit("length"))), p.Dur(int64(p.Limit("waited"))))
			return nil
		}
		if !p.Met("outside", wokenFromOutside(p)) {
			severity = analysis.Note
		}
		w := worst[0].Item
		var evidence []analysis.Evidence
		for _, e := range worst {
			s := e.Item
			if len(evidence) < 8 {
				evidence = append(evidence, analysis.Evidence{From: p.Rel(s.Start), To: p.Rel(s.End), P: idOf(s.P), G: idOf(s.G), Func: p.FuncName(s.Func),
					Note: fmt.Sprintf("%s, work runnable for %s, ended: %s", p.Dur(e.Value), p.Dur(s.Contended), endOf(&s)), Stack: p.Stack(s.Stack)})
			}
		}
		most := ""
		if runs := rankLongRuns(p, f); len(runs) > 0 && runs[0].label[1] != p.FuncName(w.Func) {
			most = fmt.Sprintf("; most by %s, whose runs ended in %s", runs[0].label[1], runs[0].label[0])
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("%s took over 30 ms while work was runnable, the longest %s on P %d, ended in %s%s of %s%s",
				counted(f.far, "time slice", "time slices"), p.Dur(longest), w.P, funcAt(p, w.Stack), calledBy(p, w.Stack), p.FuncName(w.Func), most),
			Cost: procTime(p, float64(lost)), Evidence: evidence, Figure: "preemption.worst",
			Advice: "Let loops without calls be preempted (no asyncpreemptoff=1), and split huge copies and clears into pieces; preempt.overrun.max should fall below 20 ms.",
			Caveat: "A thread that the operating system took off its CPU looks the same: see oversubscribed-host and cpu-throttled.",
		})
		return nil
	},
}

var preemptHeavy = &analysis.Analyzer{
	Name: "preempt-heavy",
	Doc:  judgePage("preempt-heavy"),
	Thresholds: []analysis.Threshold{
		{
			Name: "preempt-heavy.share", Doc: "P time of user goroutines' time slices that sysmon ended after 10 ms, as a share of all P time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .4},
			Source: "when most of the Ps' time goes by in whole time slices, whoever wakes up waits for one",
		},
		{
			Name: "preempt-heavy.rate", Doc: "such time slices per second and P", Unit: analysis.PerS, Levels: analysis.Levels{Note: 20},
			Source: "at most 100 fit into a second, and 50 to 100 come when sysmon looks late",
		},
		{
			Name: "preempt-heavy.count", Doc: "such time slices", Unit: analysis.Count, Levels: analysis.Levels{Note: 20}, Source: "population",
		},
		{
			Name: "preempt-heavy.runnable", Doc: "runnable user goroutines per P on average", Unit: analysis.Count, Levels: analysis.Levels{Note: .1},
			Source: "a computation that nobody waits for may run on",
		},
	},
	Requires: []*analysis.Analyzer{timeline, parallelism, preemption},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*preemptionFold](p, preemption)
		par := analysis.FoldOf[*parallelismFold](p, parallelism)
		procs := meanProcs(p)
		if f.all == 0 || procs == 0 {
			p.NotApplicable("no goroutine ran; record while the program works")
			return nil
		}
		used := &f.slices[endUsedUp]
		total, _ := p.Value("procs.time")
		share, rate := float64(used.Sum())/total, perSecond(p, used.N())/procs
		runnable := float64(par.runnable.Sum()) / total
		severity := p.Severity("share", share)
		if severity == "" || !p.Met("rate", rate) || !p.Met("count", float64(used.N())) || !p.Met("runnable", runnable) {
			p.Say("%s of user goroutines ended by preemption after 10 ms, %s of P time, with %s goroutines waiting per P; limit %s and %.2f",
				counted(used.N(), "time slice", "time slices"), analysis.FormatRatio(share), meanCount(runnable), analysis.FormatRatio(p.Limit("share")), p.Limit("runnable"))
			return nil
		}
		type place struct {
			fn   string
			site preemptSite
			n    int64
		}
		var places []place
		for k, v := range f.sites.byKey() {
			if k.kind == parse.PreemptAsync || k.kind == parse.PreemptCooperative || k.kind == parse.PreemptUnknown {
				places = append(places, place{p.FuncName(k.fn), k, v.n})
			}
		}
		slices.SortFunc(places, func(a, b place) int {
			return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.site.stack, b.site.stack), cmp.Compare(a.site.fn, b.site.fn))
		})
		var evidence []analysis.Evidence
		for _, at := range places[:min(5, len(places))] {
			evidence = append(evidence, analysis.Evidence{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: at.fn,
				Note: fmt.Sprintf("preempted here %s", counted(at.n, "time", "times")), Stack: p.Stack(at.site.stack)})
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Long computations share the Ps: %s used up 10 ms or more and were preempted, %s of P time, while %s goroutines waited per P",
				counted(used.N(), "time slice", "time slices"), analysis.FormatRatio(share), meanCount(runnable)),
			Cost: procTime(p, float64(used.Sum())), Evidence: evidence,
			Advice: "Keep a P free for what must be quick: fewer computations at once than Ps, or another process for them. sched.latency.user.p99 should fall.",
			Caveat: "Preemptions to stop the world and at safepoints are not counted.",
		})
		return nil
	},
}

// lockHandoffs are the lock handoffs by stack.
func lockHandoffs(f *preemptionFold) map[parse.StackID]*preempted {
	byStack := make(map[parse.StackID]*preempted)
	for k, v := range f.sites.byKey() {
		if k.kind == parse.PreemptLockHandoff {
			at(byStack, k.stack).add(v)
		}
	}
	return byStack
}

var mutexStarvation = &analysis.Analyzer{
	Name: "mutex-starvation",
	Doc:  judgePage("mutex-starvation"),
	Thresholds: []analysis.Threshold{
		{
			Name: "mutex-starvation.rate", Doc: "lock handoffs at one place per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 10, Warning: 50},
			Source: "for each somebody waited 1 ms or longer (sync/mutex.go:starvationThresholdNs): 10 are 1 % of the time, 50 are 5 %",
		},
		{
			Name: "mutex-starvation.count", Doc: "lock handoffs there", Unit: analysis.Count, Levels: analysis.Levels{Note: 10}, Source: "population",
		},
	},
	Requires: []*analysis.Analyzer{preemption, goroutines, blocking},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*preemptionFold](p, preemption)
		if p.Trace.Version < 19 && f.kinds[parse.PreemptLockHandoff][0].n == 0 {
			p.NotApplicable("traces of Go 1.18 and older do not tell lock handoffs; record with a later Go")
			return nil
		}
		byStack := lockHandoffs(f)
		sites := rank(byStack, func(s parse.StackID) label { return label{p.SiteName(s)} }, (*preempted).add, func(c *preempted) int64 { return c.n })
		if len(sites) == 0 {
			p.Say("no mutex was handed over to a starving waiter in %s", p.Dur(p.Trace.Duration()))
			return nil
		}
		top := sites[0]
		rate := perSecond(p, top.v.n)
		severity := p.Severity("rate", rate)
		if severity == "" || !p.Met("count", float64(top.v.n)) {
			p.Say("lock handoffs at one place: at most %d, %s; limit %s", top.v.n, analysis.FormatRate(rate), analysis.FormatRate(p.Limit("rate")))
			return nil
		}
		var stacks []parse.StackID
		for s := range byStack {
			stacks = append(stacks, s)
		}
		slices.SortFunc(stacks, func(a, b parse.StackID) int {
			return cmp.Or(cmp.Compare(byStack[b].n, byStack[a].n), cmp.Compare(a, b))
		})
		var evidence []analysis.Evidence
		for _, s := range stacks[:min(5, len(stacks))] {
			evidence = append(evidence, analysis.Evidence{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: p.SiteName(s),
				Note: fmt.Sprintf("unlocked here %s for a waiter of 1 ms or longer", counted(byStack[s].n, "time", "times")), Stack: p.Stack(s)})
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("A mutex is in starvation mode: it was handed over %s at %s (%s), each time to a goroutine that had waited 1 ms or longer",
				counted(top.v.n, "time", "times"), top.label[0], analysis.FormatRate(rate)),
			Cost:     goTime(p, top.v.n*starving),
			Evidence: evidence,
			Advice:   "Hold the lock shorter (no I/O, no computation under it), split it, or use sync.RWMutex or atomics for readers. preempt.lockhandoff should fall to 0, and block.sync.total with it.",
			Caveat:   "The cost is a lower bound: 1 ms for each. Which mutex it is, is told by where it is unlocked.",
		})
		return nil
	},
}

// starving is how long (ns) a goroutine waits for a sync.Mutex before it is handed
// over (sync/mutex.go:starvationThresholdNs).
const starving = 1_000_000

var lateTimers = &analysis.Analyzer{
	Name: "late-timers",
	Doc:  judgePage("late-timers"),
	Thresholds: []analysis.Threshold{
		{
			Name: "late-timers.run", Doc: "length of the time slices of user goroutines that make up most of the P time in them", Unit: analysis.NS, Levels: analysis.Levels{Note: 5e6},
			Source: "a timer that comes due in one is late by half of it on average: 2.5 ms and more are felt",
		},
		{
			Name: "late-timers.share", Doc: "P time in time slices of that length or longer, as a share of all P time", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .5},
			Source: "below, every second timer is looked at in time",
		},
		{
			Name: "late-timers.full", Doc: "share of the time with no P idle", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .5},
			Source: "a thread that goes to sleep waits for the first timer of all Ps (proc.go:findRunnable, checkTimersNoP)",
		},
		{
			Name: "late-timers.wakeups", Doc: "wake-ups of user goroutines by timers and the network poller", Unit: analysis.Count, Levels: analysis.Levels{Note: 50}, Source: "population: a computation that waits for nothing loses nothing",
		},
	},
	Requires: []*analysis.Analyzer{timeline, parallelism, latency, preemption},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		f := analysis.FoldOf[*preemptionFold](p, preemption)
		lat := analysis.FoldOf[*latencyFold](p, latency)
		woken := lat.hist[parse.ClassUser][parse.ReadyTimer].N() + lat.hist[parse.ClassUser][parse.ReadyNetpoll].N()
		if woken == 0 {
			p.NotApplicable("neither a timer nor the network poller readied a user goroutine; record while the program waits for one of them")
			return nil
		}
		var long, n int64
		for i := range f.slices {
			f.slices[i].Bins(func(lo, _, count int64) bool {
				if lo >= int64(p.Limit("run")) {
					long += lo * count
					n += count
				}
				return true
			})
		}
		total, _ := p.Value("procs.time")
		share := float64(long) / total
		full := ratio(analysis.FoldOf[*parallelismFold](p, parallelism).full, p.Trace.Duration())
		severity := analysis.Least(p.Severity("share", share), p.Severity("full", full), p.Severity("wakeups", float64(woken)))
		if severity == "" || n == 0 {
			p.Say("time slices of %s or longer have %s of P time, and no P was idle for %s of the time; limit %s and %s",
				p.Dur(int64(p.Limit("run"))), analysis.FormatRatio(share), analysis.FormatRatio(full), analysis.FormatRatio(p.Limit("share")), analysis.FormatRatio(p.Limit("full")))
			return nil
		}
		mean := long / n
		places, by := longSlices(p, f)
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("Timers and the network are looked at late: time slices of %s on average have %s of P time, most in %s%s, and no P was idle for %s of the time; what came due in one was noticed up to that much later",
				p.Dur(mean), analysis.FormatRatio(share), places[0].Func, by, analysis.FormatRatio(full)),
			Cost: procTime(p, float64(long)), Evidence: places,
			Advice: "Leave a P without long computations: fewer of them at once than Ps, GOMAXPROCS above their number, or a runtime.Gosched in them each ms. procs.share.idle should rise, and the lateness that the program itself can measure (time.Since of when a timer was due) should fall.",
			Caveat: "A trace does not hold when a timer was due: this delay is in no latency that is measured here, sched.latency.user.p99 neither.",
		})
		return nil
	},
}

// longSlices are the functions whose goroutines ran longest in all before they were
// preempted, or otherwise the longest time slices.
func longSlices(p *analysis.Pass, f *preemptionFold) (out []analysis.Evidence, by string) {
	sites := make(map[preemptSite]*preempted)
	for k, v := range f.sites.byKey() {
		if k.kind == parse.PreemptAsync || k.kind == parse.PreemptCooperative || k.kind == parse.PreemptUnknown {
			sites[k] = v
		}
	}
	from, to := p.Rel(p.Trace.From), p.Rel(p.Trace.To)
	for _, at := range joinSites(sites, func(k preemptSite) label { return label{funcAt(p, k.stack), p.FuncName(k.fn)} }, (*preempted).add,
		func(c *preempted) int64 { return c.ran },
		func(a, b preemptSite) int { return cmp.Or(cmp.Compare(a.stack, b.stack), cmp.Compare(a.fn, b.fn)) }) {
		if by == "" {
			by = calledBy(p, at.key.stack) + " of " + p.FuncName(at.key.fn)
		}
		if len(out) < 5 {
			out = append(out, analysis.Evidence{From: from, To: to, Func: funcAt(p, at.key.stack),
				Note: fmt.Sprintf("%s of %s, which ran for %s before", counted(at.v.n, "preemption", "preemptions"), p.FuncName(at.key.fn), p.Dur(at.v.ran)), Stack: p.Stack(at.key.stack)})
		}
	}
	for _, e := range f.worst.Items() {
		if s := e.Item; len(out) < 5 {
			out = append(out, analysis.Evidence{From: p.Rel(s.Start), To: p.Rel(s.End), P: idOf(s.P), G: idOf(s.G), Func: funcAt(p, s.Stack), Note: p.Dur(e.Value), Stack: p.Stack(s.Stack)})
		}
	}
	if out == nil {
		out = []analysis.Evidence{{From: from, To: to, Func: "runs that ended by themselves", Note: "none was preempted"}}
	}
	return out, by
}

// calledBy names the program's function that called the one a stack is in, for
// sentences: the work is often done by a helper that many call.
func calledBy(p *analysis.Pass, stack parse.StackID) string {
	if by := callers(p.Trace, stack); by != "" {
		return " (called by " + by + ")"
	}
	return ""
}

// maxCallers is how many callers are named: work is often in helpers of helpers.
const maxCallers = 3

// callers are the program's functions that called the one a stack is in, the nearest
// first, without the goroutine's entry, which is named beside them.
func callers(tr *parse.Trace, stack parse.StackID) string {
	if stack == 0 {
		return ""
	}
	var names []string
	entry := tr.String(tr.Entry(stack))
	for i := 1; i <= maxCallers; i++ {
		name := ownFrame(tr, stack, i)
		if name == "" || name == entry {
			break
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

var yieldStarvation = &analysis.Analyzer{
	Name: "yield-starvation",
	Doc:  judgePage("yield-starvation"),
	Thresholds: []analysis.Threshold{
		{
			Name: "yield-starvation.wait", Doc: "median wait for a P after runtime.Gosched, of user goroutines", Unit: analysis.NS, Levels: analysis.Levels{Note: 1e6, Warning: 10e6},
			Source: "a ms is felt; 10 ms are a whole time slice of others (proc.go:forcePreemptNS)",
		},
		{
			Name: "yield-starvation.count", Doc: "such waits", Unit: analysis.Count, Levels: analysis.Levels{Note: 20}, Source: "population",
		},
		{
			Name: "yield-starvation.share", Doc: "such waits in all, as a share of the trace", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .1, Warning: .25},
			Source: "a goroutine that loses a tenth of its life by being polite, or a quarter",
		},
	},
	Requires: []*analysis.Analyzer{timeline, latency, preemption, waits},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		h := &analysis.FoldOf[*latencyFold](p, latency).hist[parse.ClassUser][parse.ReadyYield]
		if h.N() == 0 {
			p.NotApplicable("no user goroutine called runtime.Gosched in this trace")
			return nil
		}
		p50, share := h.QuantileAny(.5), float64(h.Sum())/float64(p.Trace.Duration())
		severity := analysis.Least(p.Severity("wait", float64(p50)), p.Severity("share", share))
		if severity == "" || !p.Met("count", float64(h.N())) {
			p.Say("%s waited p50 %s for a P, %s in all; limit %s", counted(h.N(), "yield", "yields"), p.Dur(p50), p.Dur(h.Sum()), p.Dur(int64(p.Limit("wait"))))
			return nil
		}
		sites := make(map[preemptSite]*preempted)
		for k, v := range analysis.FoldOf[*preemptionFold](p, preemption).sites.byKey() {
			if k.kind == parse.PreemptYield {
				sites[k] = v
			}
		}
		var evidence []analysis.Evidence
		top := "(unknown)"
		for i, at := range joinSites(sites, func(k preemptSite) label { return label{p.SiteName(k.stack), p.FuncName(k.fn)} }, (*preempted).add,
			func(c *preempted) int64 { return c.n },
			func(a, b preemptSite) int { return cmp.Or(cmp.Compare(a.stack, b.stack), cmp.Compare(a.fn, b.fn)) }) {
			if i == 0 {
				top = p.SiteName(at.key.stack)
			}
			if i < 5 {
				evidence = append(evidence, analysis.Evidence{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: p.SiteName(at.key.stack),
					Note: fmt.Sprintf("%s of %s, which ran for %s before", counted(at.v.n, "yield", "yields"), p.FuncName(at.key.fn), p.Dur(at.v.ran)), Stack: p.Stack(at.key.stack)})
			}
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Who yields is starved: after runtime.Gosched goroutines wait p50 %s for a P, longest %s (n=%s), %s in all; most at %s",
				p.Dur(p50), p.Dur(h.Max()), analysis.FormatCount(h.N()), p.Dur(h.Sum()), top),
			Cost: analysis.Cost{Value: h.Sum(), Total: activeTime(p, 0).Total + h.Sum(), Clock: analysis.GTime}, Evidence: evidence,
			Advice: "Leave runtime.Gosched out: it puts the goroutine behind all others, into the global queue, which a P looks at each 61st time and when it has nothing else; sysmon preempts it anyway. Goroutines that hand over to each other keep a P for a whole time slice through runnext. sched.latency.yield.p99 should fall.",
			Caveat: "Yields are left out of sched.latency.user: to wait is what they ask for.",
		})
		return nil
	},
}

var connectionChurn = &analysis.Analyzer{
	Name: "connection-churn",
	Doc:  judgePage("connection-churn"),
	Thresholds: []analysis.Threshold{
		{
			Name: "connection-churn.rate", Doc: "connections that net/http dials per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 50, Warning: 470},
			Source: "clients that reuse connections dial a few at their start; each costs a handshake, three to four goroutines and an ephemeral port for a minute (TIME_WAIT): 28,232 of them (Linux, ip_local_port_range) last for 470 a second",
		},
		{
			Name: "connection-churn.count", Doc: "such connections", Unit: analysis.Count, Levels: analysis.Levels{Note: 50}, Source: "a pool that fills up",
		},
	},
	Requires: []*analysis.Analyzer{timeline, goroutines},
	Run: func(p *analysis.Pass) error {
		if noTime(p) {
			return nil
		}
		var dials, all, made int64
		var site, maker parse.StackID
		var loop parse.StringID
		var spent int64
		for k, v := range analysis.FoldOf[*goroutinesFold](p, goroutines).populations.byKey() {
			if k.class != parse.ClassUser || !k.seen {
				continue
			}
			all += v.created
			if f, ok := p.Trace.Site(k.site); ok && p.Trace.String(f.Func) == "net/http.(*Transport).dialConn" && (v.created > made || v.created == made && k.fn < loop) {
				made, maker, loop = v.created, k.site, k.fn
			}
			if !dialsHTTP(p.FuncName(k.fn)) {
				continue
			}
			dials += v.created
			spent += v.states[parse.GoRunning] + v.states[parse.GoSyscall]
			if site == 0 || k.site < site {
				site = k.site
			}
		}
		if all == 0 {
			p.NotApplicable("no user goroutine was created in this trace; record while the program works")
			return nil
		}
		rate := perSecond(p, dials)
		severity := p.Severity("rate", rate)
		if severity == "" || !p.Met("count", float64(dials)) {
			p.Say("net/http dialled %s, %s; limit %s", counted(dials, "connection", "connections"), analysis.FormatRate(rate), analysis.FormatRate(p.Limit("rate")))
			return nil
		}
		evidence := []analysis.Evidence{{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: p.SiteName(site), Note: "dials are begun here", Stack: p.Stack(site)}}
		if made > 0 {
			evidence = append(evidence, analysis.Evidence{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: p.SiteName(maker),
				Note: fmt.Sprintf("%s of %s started here", analysis.FormatCount(made), p.FuncName(loop)), Stack: p.Stack(maker)})
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("HTTP connections are not reused: %s dials (%s), %s of %s goroutines created",
				analysis.FormatCount(dials), analysis.FormatRate(rate), analysis.FormatRatio(ratio(dials, all)), analysis.FormatCount(all)),
			Cost:     procTime(p, float64(spent)),
			Evidence: evidence,
			Advice:   "Read response bodies to their end and close them, share one http.Client, and raise MaxIdleConnsPerHost (2 by default) to the requests under way at once; goroutines.created and netpoll.wakeups should fall.",
			Caveat:   "The cost is that of the dialling goroutines alone, without TLS done elsewhere and without the peer. Peers that close connections look the same.",
		})
		return nil
	},
}

// dialsHTTP reports whether a goroutine of that entry function dials one connection
// (net/http/transport.go: queueForDial, startDialConnForLocked).
func dialsHTTP(fn string) bool {
	return strings.HasPrefix(fn, "net/http.(*Transport).") &&
		(strings.HasSuffix(fn, ".dialConnFor") || strings.HasPrefix(fn, "net/http.(*Transport).startDialConnFor") || strings.HasPrefix(fn, "net/http.(*Transport).queueForDial"))
}
