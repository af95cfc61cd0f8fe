package passes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// syscallJudges judge system and cgo calls.
var syscallJudges = []*analysis.Analyzer{blockingHandoffs, pHostage, syscallReturnWait, threadGrowth, chattySyscalls, blockedCalls}

// judgedWindow is the length, in ns, of the stretches of which the worst one is
// judged: one that a person notices. Shorter traces are one stretch.
const judgedWindow = 1e9

// worstStretch returns the stretch of about length ns, of whole buckets within the
// analysed time, whose sums score highest; the earliest of equals.
func worstStretch(p *analysis.Pass, s *sketch.Series, length int64, score func(sums []int64, ns int64) float64) (from, to parse.Time, best float64) {
	whole := wholeTrace(p, s)
	n := min(int(max(1, length/whole.Width())), whole.Len())
	sums := make([]int64, whole.Lanes())
	var ns int64
	for i := range whole.Len() {
		begin, held := bucketSpan(p, whole, i)
		ns += held
		for lane := range sums {
			sums[lane] += whole.At(i, lane)
		}
		if i >= n {
			_, held := bucketSpan(p, whole, i-n)
			ns -= held
			for lane := range sums {
				sums[lane] -= whole.At(i-n, lane)
			}
		}
		if i < n-1 || ns <= 0 {
			continue
		}
		if v := score(sums, ns); to == 0 || v > best {
			first, _ := bucketSpan(p, whole, i-n+1)
			from, to, best = first, begin+parse.Time(held), v
		}
	}
	return from, to, best
}

// sumWithin sums a lane over the buckets that begin in from…to.
func sumWithin(s *sketch.Series, lane int, from, to parse.Time) (sum int64) {
	for i := range s.Len() {
		start := s.Start() + int64(i)*s.Width()
		if start+s.Width() > int64(from) && start < int64(to) {
			sum += s.At(i, lane)
		}
	}
	return sum
}

// procTimeIn is the P time of from…to.
func procTimeIn(over *sketch.Series, from, to parse.Time) (ns int64) {
	for s := range int(numShares) {
		ns += sumWithin(over, s, from, to)
	}
	return ns
}

// A siteSum is what was summed up for one site of the program, and the stack there
// that costs most.
type siteSum[V any] struct {
	site  string
	stack parse.StackID
	v     *V
}

// rankSites joins values by the site of their stack, the costliest first, without
// those that cost nothing.
func rankSites[K comparable, V any](p *analysis.Pass, m map[K]*V, stack func(K) parse.StackID, add func(into, from *V), cost func(*V) int64) []siteSum[V] {
	sums := make(map[string]*siteSum[V])
	most := make(map[string]int64)
	for k, v := range m {
		id, c := stack(k), cost(v)
		if c <= 0 {
			continue
		}
		site := p.SiteName(id)
		s := sums[site]
		if s == nil {
			s = &siteSum[V]{site: site, v: new(V)}
			sums[site] = s
		}
		add(s.v, v)
		if c > most[site] || c == most[site] && id < s.stack {
			most[site], s.stack = c, id
		}
	}
	var out []siteSum[V]
	for _, s := range sums {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b siteSum[V]) int {
		return cmp.Or(cmp.Compare(cost(b.v), cost(a.v)), cmp.Compare(a.site, b.site))
	})
	return out
}

// evidenceRows is how many rows of evidence a finding shows of a list of sites.
const evidenceRows = 5

// siteEvidence shows the first of the sites, each with a note.
func siteEvidence[V any](p *analysis.Pass, sites []siteSum[V], from, to parse.Time, note func(*V) string) []analysis.Evidence {
	var out []analysis.Evidence
	for _, s := range sites[:min(evidenceRows, len(sites))] {
		out = append(out, analysis.Evidence{From: p.Rel(from), To: p.Rel(to), Func: stackFunc(p, s.stack), Note: note(s.v), Stack: p.Stack(s.stack)})
	}
	return out
}

// stackFunc is the program's own function of a stack.
func stackFunc(p *analysis.Pass, id parse.StackID) string {
	f, ok := p.Trace.Site(id)
	if !ok {
		return ""
	}
	return p.Trace.String(f.Func)
}

func callSitesBy(p *analysis.Pass, f *syscallsFold, cost func(*callSite) int64) []siteSum[callSite] {
	return rankSites(p, f.sites.byKey(), func(s parse.StackID) parse.StackID { return s }, (*callSite).add, cost)
}

// graded returns the graver of two severities: for conditions of which one is enough.
func graded(a, b analysis.Severity) analysis.Severity {
	if b.Rank() > a.Rank() {
		return b
	}
	return a
}

func percent(v float64) string { return analysis.FormatRatio(v) }

// noCalls ends a judge of calls on a trace that cannot tell how long calls took, or in
// which none was seen.
func noCalls(p *analysis.Pass, seen bool) bool {
	switch {
	case p.Trace.V1():
		p.NotApplicable("the traces of Go 1.11 to 1.21 do not say how long calls took, nor who took a P; record with Go 1.22 or later")
	case !seen:
		p.NotApplicable("no system or cgo call was seen; record a longer trace under load")
	default:
		return false
	}
	return true
}

var blockingHandoffs = &analysis.Analyzer{
	Name:     "blocking-p-handoffs",
	Doc:      judgePage("blocking-p-handoffs"),
	Requires: []*analysis.Analyzer{syscalls, timeline},
	Thresholds: []analysis.Threshold{
		{Name: "blocking-p-handoffs.rate", Doc: "Ps that sysmon took from calls, per second and P, in the worst second", Unit: analysis.PerS,
			Levels: analysis.Levels{Warning: 50}, Source: "a P that runs 10 ms slices changes hands 100 times a second: half as much again only because of calls"},
		{Name: "blocking-p-handoffs.share", Doc: "share of the calls at one site that lose their P to sysmon", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .05}, Source: "a call must outlast two ticks of sysmon (20 µs or more, proc.go:retake); calls that rarely block stay below 1 % in measured services"},
		{Name: "blocking-p-handoffs.handoffs", Doc: "Ps that sysmon took at that site", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 20}, Source: "fewer are a few chances, and at 5 % already 400 calls"},
		{Name: "blocking-p-handoffs.cost", Doc: "P time held by calls beyond 20 µs while user goroutines were runnable, of all P time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .001, Warning: .01}, Source: "1 % is what other judges take for noticeable; calls that block beside idle Ps cost nothing and are healthy"},
	},
	Run: func(p *analysis.Pass) error {
		f := analysis.FoldOf[*syscallsFold](p, syscalls)
		if noCalls(p, f.calls > 0 || f.pTime > 0) {
			return nil
		}
		over := analysis.FoldOf[*timelineFold](p, timeline).sums().over
		procs, _ := p.Value("procs.time")
		ps := procs / float64(max(1, p.Trace.Duration()))
		from, to, rate := worstStretch(p, f.load, judgedWindow, func(sums []int64, ns int64) float64 {
			return float64(sums[loadSysmon]) * 1e9 / float64(ns) / max(1, ps)
		})
		costShare := min(1, ratio(f.hostage, procTimeIn(over, p.Trace.From, p.Trace.To)))
		sites := callSitesBy(p, f, func(s *callSite) int64 { return s.lost[parse.TakerSysmon] })
		var severity analysis.Severity
		var worst siteSum[callSite]
		var share float64
		if len(sites) > 0 {
			worst = sites[0]
			share = lostShare(worst.v)
			severity = analysis.Least(p.Severity("rate", rate), p.Severity("share", share), p.Severity("cost", costShare))
		}
		if severity == "" || !p.Met("handoffs", float64(worst.v.lost[parse.TakerSysmon])) {
			where := ""
			if worst.v != nil {
				where = fmt.Sprintf("; most at %s, %s (limit %.0f) and %s of the calls (limit %s)", worst.site,
					analysis.FormatCount(worst.v.lost[parse.TakerSysmon]), p.Limit("handoffs"), percent(share), percent(p.Limit("share")))
			}
			p.Say("sysmon took %s from calls, %s per P in the worst second (limit %s), at a cost of %s of P time (limit %s)%s",
				counted(f.lost[parse.TakerSysmon], "P", "Ps"), analysis.FormatRate(rate), analysis.FormatRate(p.Limit("rate")), percent(costShare), percent(p.Limit("cost")), where)
			return nil
		}
		// What calls held and how long goroutines waited after them, at sites that lose their P.
		var held, waited, waits int64
		for _, s := range callSitesBy(p, f, func(s *callSite) int64 { return s.hostage + s.wait }) {
			waits += s.v.wait
			if p.Met("share", lostShare(s.v)) {
				held += s.v.hostage
				waited += s.v.wait
			}
		}
		var explains []string
		if float64(held) >= explainsFrom*float64(f.hostage) {
			explains = append(explains, "p-hostage")
		}
		if waits > 0 && float64(waited) >= explainsFrom*float64(waits) {
			explains = append(explains, "syscall-return-wait")
		}
		p.Find(analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("Calls that block made sysmon take %s, %s per P in the worst second; most at %s, where %s of %s lost their P",
				counted(f.lost[parse.TakerSysmon], "P", "Ps"), analysis.FormatRate(rate), worst.site, percent(share), counted(worst.v.calls, "call", "calls")),
			Cost:       analysis.Cost{Value: f.hostage, Total: int64(procs), Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence: siteEvidence(p, sites, from, to, func(s *callSite) string {
				return fmt.Sprintf("sysmon took the P of %s of %s; longest %s", analysis.FormatCount(s.lost[parse.TakerSysmon]), counted(s.calls, "call", "calls"), p.Dur(s.longest))
			}),
			Advice: "Let fewer goroutines block in calls at once (a worker pool, a semaphore), or let the network poller wait: SetDeadline-capable files, os.Pipe and sockets park the goroutine and keep the P. Batch fsyncs. syscall.phandoff.sysmon should fall.",
			Caveat: "The cost is the P time that the calls held; waits for a P after the calls are in syscall-return-wait.",
			Figure: "syscalls.time", Explains: explains,
		})
		return nil
	},
}

// lostShare is the share of the calls at a site that lose their P to sysmon.
func lostShare(s *callSite) float64 { return min(1, ratio(s.lost[parse.TakerSysmon], s.calls)) }

var pHostage = &analysis.Analyzer{
	Name:     "p-hostage",
	Doc:      judgePage("p-hostage"),
	Covers:   []string{"limits/syscalls"},
	Requires: []*analysis.Analyzer{syscalls, timeline},
	Thresholds: []analysis.Threshold{
		{Name: "p-hostage.share", Doc: "P time in calls beyond 20 µs while user goroutines were runnable, of all P time of the worst second", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .01, Warning: .03, Error: .1}, Source: "servers whose calls do not block were measured at up to 2.5 %, for the kernel works in them too; with 10 % a P in ten is missing while work waits"},
		{Name: "p-hostage.time", Doc: "such P time in that second", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 5e6}, Source: "half a time slice (forcePreemptNS, 10 ms): less is noise of sysmon's ticks, which back off to 10 ms"},
	},
	Run: func(p *analysis.Pass) error {
		f := analysis.FoldOf[*syscallsFold](p, syscalls)
		if noCalls(p, f.calls > 0 || f.pTime > 0) {
			return nil
		}
		over := analysis.FoldOf[*timelineFold](p, timeline).sums().over
		from, to, _ := worstStretch(p, f.load, judgedWindow, func(sums []int64, _ int64) float64 { return float64(sums[loadHostage]) })
		held, all := sumWithin(f.load, loadHostage, from, to), procTimeIn(over, from, to)
		share := min(1, ratio(held, all))
		severity := p.Severity("share", share)
		if severity == "" || !p.Met("time", float64(held)) {
			p.Say("calls held Ps beyond 20 µs for %s while user goroutines were runnable, %s of P time in the worst second (limit %s)",
				p.Dur(f.hostage), percent(share), percent(p.Limit("share")))
			return nil
		}
		sites := callSitesBy(p, f, func(s *callSite) int64 { return s.hostage })
		var explains []string
		if severity.Rank() >= analysis.Warning.Rank() {
			explains = []string{"limits/syscalls"} // the same time
		}
		p.Find(analysis.Finding{
			Severity: severity, Explains: explains,
			Summary: fmt.Sprintf("Calls held Ps for %s while user goroutines were runnable: %s of P time in the worst second, from %s; most at %s",
				p.Dur(f.hostage), percent(share), p.At(from), sites[0].site),
			Cost:       analysis.Cost{Value: f.hostage, Total: procTimeIn(over, p.Trace.From, p.Trace.To), Clock: analysis.PTime},
			Confidence: analysis.Inferred,
			Evidence: siteEvidence(p, sites, from, to, func(s *callSite) string {
				return fmt.Sprintf("held %s of P time in %s", p.Dur(s.hostage), counted(s.calls, "call", "calls"))
			}),
			Advice: "Make the calls that hold a P rarer or shorter: larger buffers, one call for many items, a few dedicated goroutines for slow files or C code, so that other Ps stay free. syscall.hostage should fall.",
			Caveat: "An upper bound by at most 20 µs per call. A call in which the kernel works (a large write) looks like one that sleeps. sysmon's ticks are 20 µs to 10 ms apart, so that a P can be held that long even when all is well.",
			Figure: "syscalls.time",
		})
		return nil
	},
}

// waitTail returns the quantile that judges the tail: p99, or p90 when the
// population supports no more; ok is false when not even that.
func waitTail(h *sketch.Histogram) (v int64, name string, ok bool) {
	if v, ok = h.Quantile(.99); ok {
		return v, "p99", true
	}
	v, ok = h.Quantile(.9)
	return v, "p90", ok
}

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
	Name:     "syscall-return-wait",
	Doc:      judgePage("syscall-return-wait"),
	Requires: []*analysis.Analyzer{syscalls, latency},
	Thresholds: []analysis.Threshold{
		{Name: "syscall-return-wait.tail", Doc: "p99 (p90 of fewer than 1,000) of the waits of user goroutines whose call returned without a P", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: 1e6, Error: 10e6}, Source: "as latency-tail: 1 ms is the usual limit of scheduling monitors, 10 ms a whole time slice (forcePreemptNS)"},
		{Name: "syscall-return-wait.waits", Doc: "number of these waits", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 100}, Source: "a p90 needs 100 values for ten beyond it"},
		{Name: "syscall-return-wait.share", Doc: "their sum, of wall time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .01, Warning: .05, Error: .05}, Source: "less is one goroutine waiting 1 % of the time"},
	},
	Run: func(p *analysis.Pass) error {
		f := analysis.FoldOf[*syscallsFold](p, syscalls)
		h := &f.reacquire[1]
		n := h.N()
		tail, name, ok := waitTail(h)
		if !ok || !p.Met("waits", float64(n)) {
			p.NotApplicable(fmt.Sprintf("%s of user goroutines returned without a P, %.0f are needed; record longer, under load", counted(n, "call", "calls"), p.Limit("waits")))
			return nil
		}
		share := ratio(h.Sum(), p.Trace.Duration())
		severity := analysis.Least(p.Severity("tail", float64(tail)), p.Severity("share", share))
		if severity == "" {
			p.Say("user goroutines that returned from a call without a P waited %s %s for one (n=%s, limit %s), %s in all",
				name, p.Dur(tail), analysis.FormatCount(n), p.Dur(int64(p.Limit("tail"))), p.Dur(h.Sum()))
			return nil
		}
		finding := analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("User goroutines wait %s %s for a P when their call returns (n=%s, longest %s), %s in all",
				name, p.Dur(tail), analysis.FormatCount(n), p.Dur(h.Max()), p.Dur(h.Sum())),
			Cost:       analysis.Cost{Value: h.Sum(), Total: h.Sum() + f.durations.Sum(), Clock: analysis.GTime},
			Confidence: analysis.Measured,
			Evidence: siteEvidence(p, callSitesBy(p, f, func(s *callSite) int64 { return s.wait }), p.Trace.From, p.Trace.To, func(s *callSite) string {
				return fmt.Sprintf("waited %s for a P after %s", p.Dur(s.wait), counted(s.calls, "call", "calls"))
			}),
			Advice: "Give returning goroutines a free P: fewer CPU-bound goroutines at once, more CPUs, fewer calls that block (pollable files, batching), so that the P is kept. syscall.reacquire.p99 should fall.",
			Caveat: "What kept the Ps busy is told by waits; the wait counts from the return of the call, which the trace stamps after the thread has looked for a P.",
			Figure: "latency.cause",
		}
		l := analysis.FoldOf[*latencyFold](p, latency)
		limit := int64(p.Limit("tail"))
		if all := beyond(l.headline(), limit); all > 0 && float64(beyond(h, limit)) >= explainsFrom*float64(all) {
			finding.Explains = []string{"latency-tail"}
		}
		p.Find(finding)
		return nil
	},
}

// threadWindow is the time, in ns, over which goroutines in calls are averaged: a
// burst that is over sooner needs threads, but not for long.
const threadWindow = 100e6

var threadGrowth = &analysis.Analyzer{
	Name:     "thread-growth",
	Doc:      judgePage("thread-growth"),
	Covers:   []string{"limits/syscalls"},
	Requires: []*analysis.Analyzer{syscalls, timeline, goroutines},
	Thresholds: []analysis.Threshold{
		{Name: "thread-growth.calls", Doc: "goroutines in system or cgo calls at once, mean of the worst 100 ms", Unit: analysis.Count,
			Levels: analysis.Levels{Warning: 64, Error: 5000}, Source: "each needs a thread; the program dies at 10,000 (runtime/debug.SetMaxThreads), the Error is half of it"},
		{Name: "thread-growth.perp", Doc: "of them, per P", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 4}, Source: "four threads per core are common in programs of blocking I/O"},
		{Name: "thread-growth.rising", Doc: "goroutines in calls in the last quarter of the trace, when each quarter has more than the one before it", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 32}, Source: "half of the Warning: at this pace it is near"},
		{Name: "thread-growth.factor", Doc: "last quarter over the first", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: 2}, Source: "doubled in the trace"},
	},
	Run: func(p *analysis.Pass) error {
		f := analysis.FoldOf[*syscallsFold](p, syscalls)
		inCalls := sumWithin(f.load, loadInCall, p.Trace.From, p.Trace.To)
		if f.calls == 0 && inCalls == 0 {
			p.NotApplicable("no system or cgo call was seen; record a longer trace under load")
			return nil
		}
		from, to, most := worstStretch(p, f.load, threadWindow, func(sums []int64, ns int64) float64 { return float64(sums[loadInCall]) / float64(ns) })
		procs := procTimeIn(analysis.FoldOf[*timelineFold](p, timeline).sums().over, p.Trace.From, p.Trace.To)
		perP := most * float64(p.Trace.Duration()) / float64(max(1, procs))
		quarters, rising := callQuarters(p, f)
		var severity analysis.Severity
		if p.Met("perp", perP) {
			severity = p.Severity("calls", most)
			if severity == "" && rising && p.Met("factor", quarters[3]/max(quarters[0], 1)) {
				severity = p.Severity("rising", quarters[3])
			}
		}
		if severity == "" {
			p.Say("up to %.3g goroutines were in calls at once (mean of the worst %s; limit %.0f, and %.0f per P); %s seen",
				most, p.Dur(int64(to-from)), p.Limit("calls"), p.Limit("perp"), counted(int64(p.Trace.Threads), "thread", "threads"))
			return nil
		}
		sites := callSitesBy(p, f, func(s *callSite) int64 { return s.total })
		where := ""
		if len(sites) > 0 {
			where = "; most at " + sites[0].site
		}
		trend := ""
		if rising {
			trend = fmt.Sprintf(", rising from %.3g in the first quarter of the trace to %.3g in the last", quarters[0], quarters[3])
		}
		var explains []string
		if taken := f.lost[parse.TakerSysmon]; len(sites) > 0 && float64(sites[0].v.lost[parse.TakerSysmon]) >= explainsFrom*float64(max(1, taken)) {
			explains = []string{"blocking-p-handoffs", "blocked-calls"}
		}
		p.Find(analysis.Finding{
			Severity: severity, Explains: explains,
			Summary: fmt.Sprintf("%.3g goroutines at once are in calls, each on a thread of its own (mean of the worst %s, %.3g per P%s)%s",
				most, p.Dur(int64(to-from)), perP, trend, where),
			Cost:       analysis.Cost{Value: inCalls, Total: max(inCalls, analysis.FoldOf[*goroutinesFold](p, goroutines).userTime()), Clock: analysis.GTime},
			Confidence: analysis.Measured,
			Evidence: siteEvidence(p, sites, from, to, func(s *callSite) string {
				return fmt.Sprintf("%s took %s in all, the longest %s", counted(s.calls, "call", "calls"), p.Dur(s.total), p.Dur(s.longest))
			}),
			Advice: "Bound how many goroutines block in such calls at once (a semaphore, a worker pool), or use what the network poller can wait for. threads.seen and syscall.duration.total should fall.",
			Caveat: fmt.Sprintf("Goroutines in calls, not threads, are counted: the trace does not tell when threads begin and end (%d were seen). Calls not over at the end of the trace are in the numbers, but not in the sites.", p.Trace.Threads),
		})
		return nil
	},
}

// callQuarters is the mean number of goroutines in calls in each quarter of the
// trace, and whether each has more than the one before it.
func callQuarters(p *analysis.Pass, f *syscallsFold) (means [4]float64, rising bool) {
	whole := wholeTrace(p, f.load)
	n := whole.Len() / 4
	if n == 0 {
		return means, false
	}
	rising = true
	for q := range means {
		var sum, ns int64
		for i := q * n; i < (q+1)*n; i++ {
			_, held := bucketSpan(p, whole, i)
			ns += held
			sum += whole.At(i, loadInCall)
		}
		means[q] = float64(sum) / float64(max(1, ns))
		rising = rising && (q == 0 || means[q] > means[q-1])
	}
	return means, rising
}

var chattySyscalls = &analysis.Analyzer{
	Name:     "chatty-syscalls",
	Doc:      judgePage("chatty-syscalls"),
	Requires: []*analysis.Analyzer{syscalls, timeline},
	Thresholds: []analysis.Threshold{
		{Name: "chatty-syscalls.rate", Doc: "calls per second at one site, in the whole trace", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 50e3}, Source: "at about 0.3 µs of entry and exit each, 50,000 cost 1.5 % of a core"},
		{Name: "chatty-syscalls.median", Doc: "p50 of their durations", Unit: analysis.NS, Below: true,
			Levels: analysis.Levels{Note: 5e3}, Source: "below a few µs the way into the kernel and back is what is paid for"},
		{Name: "chatty-syscalls.share", Doc: "time in these calls, of the P time of user goroutines and their calls", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .2}, Source: "a fifth of what the program uses"},
		{Name: "chatty-syscalls.calls", Doc: "calls at that site", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1000}, Source: "a rate needs a second of it, or many"},
	},
	Run: func(p *analysis.Pass) error {
		f := analysis.FoldOf[*syscallsFold](p, syscalls)
		if noCalls(p, f.calls > 0) {
			return nil
		}
		total := analysis.FoldOf[*timelineFold](p, timeline).sums().total
		used := total[shareUser] + total[shareSyscall]
		perS := func(calls int64) float64 { return float64(calls) * 1e9 / float64(max(1, p.Trace.Duration())) }
		sites := callSitesBy(p, f, func(s *callSite) int64 { return s.calls })
		var chatty []siteSum[callSite]
		var sum int64
		for _, s := range sites {
			median, ok := s.v.durations.quantile(50, s.v.longest).(int64)
			if ok && p.Met("calls", float64(s.v.calls)) && p.Met("rate", perS(s.v.calls)) && p.Met("median", float64(median)) && p.Met("share", ratio(s.v.total, used)) {
				chatty = append(chatty, s)
				sum += s.v.total
			}
		}
		if len(chatty) == 0 {
			p.Say("the most frequent call, at %s, is made %s (limit %s) and takes %s of the time of user goroutines and their calls (limit %s)", sites[0].site,
				analysis.FormatRate(perS(sites[0].v.calls)), analysis.FormatRate(p.Limit("rate")), percent(min(1, ratio(sites[0].v.total, used))), percent(p.Limit("share")))
			return nil
		}
		worst := chatty[0]
		p.Find(analysis.Finding{
			Severity: p.Severity("rate", perS(worst.v.calls)),
			Summary: fmt.Sprintf("%s makes %s short calls, which take %s of the time of user goroutines and their calls",
				worst.site, analysis.FormatRate(perS(worst.v.calls)), percent(min(1, ratio(worst.v.total, used)))),
			Cost:       analysis.Cost{Value: min(sum, used), Total: used, Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence: siteEvidence(p, chatty, p.Trace.From, p.Trace.To, func(s *callSite) string {
				return fmt.Sprintf("%s, p50 %s, %s in all", counted(s.calls, "call", "calls"), p.Dur(s.durations.quantile(50, s.longest).(int64)), p.Dur(s.total))
			}),
			Advice: "Do more with one call: bufio, larger buffers, readv or writev, one cgo call for many items. syscall.count and procs.share.syscall should fall.",
			Caveat: "Events make short calls longer: of a call of 0.5 µs up to half is the tracer's.",
			Figure: "syscalls.durations",
		})
		return nil
	},
}

// A callKind is what a call that blocks waits for.
type callKind uint8

const (
	callFiles   callKind = iota // files, and locks of files: flock, fsync, write
	callOutside                 // somebody else's doing or time: input, a process, a sleep
	callC                       // C code, whatever it does
)

// outsideCalls are the system calls that wait for input, for a process or for time.
var outsideCalls = []string{
	"read", "readv", "recv", "recvfrom", "recvmsg", "accept", "accept4", "wait4", "waitid", "epollwait", "epollpwait", "kevent",
	"poll", "ppoll", "select", "pselect", "nanosleep", "clocknanosleep", "futex", "syscall", "syscall6", "rawsyscall",
}

// callOf names the call that a stack is in: the wrapper of the program's own system
// call, or the C function.
func callOf(tr *parse.Trace, stack parse.StackID) (name string, kind callKind) {
	for _, f := range tr.Stack(stack) {
		fn := tr.String(f.Func)
		short := fn[strings.LastIndexByte(fn, '.')+1:]
		pkg := strings.TrimSuffix(fn[:len(fn)-len(short)], ".")
		switch {
		case fn == "runtime.cgocall", strings.HasPrefix(short, "_Cfunc_"):
			name, kind = fn, callC
		case pkg == "syscall" || strings.HasPrefix(pkg, "internal/syscall/") || strings.HasPrefix(pkg, "golang.org/x/sys/"):
			name, kind = fn, callFiles
			if slices.Contains(outsideCalls, strings.ToLower(short)) {
				kind = callOutside
			}
		case name != "":
			return name, kind
		}
	}
	return name, kind
}

var blockedCalls = &analysis.Analyzer{
	Name:     "blocked-calls",
	Doc:      judgePage("blocked-calls"),
	Requires: []*analysis.Analyzer{syscalls, goroutines},
	Thresholds: []analysis.Threshold{
		{Name: "blocked-calls.files", Doc: "goroutines in calls on files and their locks, or into C, at one place, mean of the trace; never a warning for C", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .5, Warning: 4}, Source: "as limits.contention and lock-convoy.waiters: every second moment somebody waits there; a queue of four"},
		{Name: "blocked-calls.outside", Doc: "the same of calls that wait for input, a process or time", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 2}, Source: "one goroutine that reads a terminal, a pipe or a signal is how programs wait"},
		{Name: "blocked-calls.length", Doc: "mean of these calls", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6}, Source: "as limits.contention-wait; what takes less is chatty-syscalls's"},
		{Name: "blocked-calls.calls", Doc: "number of these calls", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "as lock-convoy.waits"},
	},
	Run: func(p *analysis.Pass) error {
		f := analysis.FoldOf[*syscallsFold](p, syscalls)
		if noCalls(p, f.calls > 0) {
			return nil
		}
		found, most := 0, 0.0
		for _, s := range callSitesBy(p, f, func(s *callSite) int64 { return s.total }) {
			name, kind := callOf(p.Trace, s.stack)
			inCall, mean := ratio(s.v.total, p.Trace.Duration()), s.v.total/max(s.v.timed, 1)
			limit, what := "files", "blocked in "+name
			advice := "Do it less often or not under way of others: batch writes and syncs, hold file locks shorter, use a goroutine of its own for slow files. syscall.duration.total should fall."
			switch kind {
			case callOutside:
				limit, what = "outside", "waiting in "+name
				advice = "Let the network poller wait where it can (os.Pipe, sockets, os.File with deadlines) and a timer instead of a sleep in a call: each such call holds a thread. syscall.duration.total should fall."
			case callC:
				what = "in C code (" + name + ")"
				advice = "Look at the C code with a profiler of its own (perf); bound how many goroutines call it at once, and pass more at once if calls wait. syscall.duration.total should fall."
			}
			most = max(most, inCall)
			severity := p.Severity(limit, inCall)
			if kind == callC { // whether it works or waits is not in the trace
				severity = analysis.Least(severity, analysis.Note)
			}
			if severity == "" || !p.Met("length", float64(mean)) || !p.Met("calls", float64(s.v.timed)) || found == maxFindings {
				continue
			}
			found++
			var explains []string
			if taken := f.lost[parse.TakerSysmon]; taken > 0 && causes(s.v.lost[parse.TakerSysmon], taken) {
				explains = []string{"blocking-p-handoffs"}
			}
			p.Find(analysis.Finding{
				Severity: severity, Explains: explains,
				Summary: fmt.Sprintf("%s goroutines at any time are %s at %s: %s, mean %s, longest %s",
					number(inCall), what, s.site, counted(s.v.timed, "call", "calls"), p.Dur(mean), p.Dur(s.v.longest)),
				Cost:       goTime(p, s.v.total),
				Confidence: analysis.Measured,
				Evidence:   []analysis.Evidence{{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: stackFunc(p, s.stack), Note: p.Dur(s.v.total) + " in all", Stack: p.Stack(s.stack)}},
				Advice:     advice,
				Caveat:     "The trace does not tell a call that the kernel works in from one that waits. Calls not over at the end of the trace are left out.",
				Figure:     "syscalls.durations",
			})
		}
		if found == 0 {
			p.Say("at most %s goroutines were in calls at one place on average; worth a note from %s on, of %s or longer", number(most), number(p.Limit("files")), p.Dur(int64(p.Limit("length"))))
		}
		return nil
	},
}
