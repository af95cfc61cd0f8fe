package passes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

var straggler = &analysis.Analyzer{
	Name:     "straggler",
	Doc:      judgePage("straggler"),
	Requires: []*analysis.Analyzer{blocking, goroutines, syscalls},
	Thresholds: []analysis.Threshold{
		{
			Name: "straggler.waiting", Doc: "goroutines that wait at one place for others that they started, mean of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .25, Warning: .5},
			Source: "half of the time somebody waits: with the slow ones as fast as the others most of that would be gone",
		},
		{
			Name: "straggler.times", Doc: "length that those waited for with the longest tenth of the time reach, over their median; without waiting for a P", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3},
			Source: "equal pieces of work with CPUs of their own come to 1.5; planted slow ones to 5 to 15",
		},
		{
			Name: "straggler.ran", Doc: "the same where the slow ones ran all the time", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5},
			Source: "running is time on a P: on a machine with four times as much work as CPUs equal pieces came to 7. Never a warning",
		},
		{
			Name: "straggler.length", Doc: "length that the waits with the longest tenth of the time reach", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 5e6}, Source: "half a time slice (proc.go:forcePreemptNS): less is the scheduler's noise",
		},
		{
			Name: "straggler.goroutines", Doc: "goroutines waited for that began and ended in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 4}, Source: "of fewer the median is one of the slow ones",
		},
	},
	Run: runStraggler,
}

// joinedKind is goroutines that others started and waited for.
type joinedKind struct {
	fn     parse.StringID
	site   parse.StackID // where started
	work   lifetimes     // without waiting for a P
	median int64
	slow   int64 // that those with the longest tenth of the time reach
}

// waitedFor are the goroutines that ended the waits at a place and were started by
// those that wait there; ok is false if there are none. Of several kinds with one
// entry function that could have been as slow, it is the one with the longest median.
func waitedFor(p *analysis.Pass, w *waitingAt, long int64) (k joinedKind, ok bool) {
	// N.B. Waits that are much shorter than the slow ones are not for them. Goroutines
	// that wait for their own kind are a tree, with all the work below the first ones.
	ended := make(map[parse.StringID]int64)
	for stack, n := range w.wakers {
		ended[p.Trace.Entry(stack)] += n
	}
	for o, v := range analysis.FoldOf[*goroutinesFold](p, goroutines).populations.byKey() {
		slow := v.work.buckets.long(v.work.max)
		if !o.seen || o.class != parse.ClassUser || o.fn == p.Trace.Entry(w.stack) || 2*ended[o.fn] < w.spans-w.open || p.Trace.Entry(o.site) != p.Trace.Entry(w.stack) || 2*slow < long || slow > 2*long {
			continue
		}
		if m := v.work.buckets.middle(v.work.max); !ok || m > k.median || m == k.median && o.site < k.site {
			k, ok = joinedKind{o.fn, o.site, v.work, m, slow}, true
		}
	}
	return k, ok
}

func runStraggler(p *analysis.Pass) error {
	sites := waitingSites(p)
	if noWaits(p, sites) {
		return nil
	}
	found := 0
	var most float64
	for _, w := range sites {
		op, _ := p.Trace.Operation(w.stack)
		if r := w.label[0]; r != "chan receive" && r != "select" && (r != "sync" || p.Trace.String(op.Func) != "sync.(*WaitGroup).Wait") {
			continue
		}
		long, mean := w.long(), ratio(w.busy(), p.Trace.Duration())
		k, ok := waitedFor(p, w, long)
		if !ok {
			continue
		}
		most = max(most, mean)
		times := ratio(k.slow, max(k.median, 1))
		s := p.Severity("waiting", mean)
		where, slow, blocked := slowPlace(p, sites, k, long)
		if !blocked {
			s = analysis.Least(s, p.Severity("ran", times))
		}
		if s == "" || !p.Met("times", times) || !p.Met("length", float64(long)) || !p.Met("goroutines", float64(k.work.n)) || found == maxFindings {
			continue
		}
		found++
		evidence := w.evidence(p, stretch{from: p.Trace.From, to: p.Trace.To}, fmt.Sprintf("waited for %s", p.FuncName(k.fn)))
		evidence = append(evidence, slow...)
		for _, e := range analysis.FoldOf[*goroutinesFold](p, goroutines).longest.Items() {
			if g := e.Item; g.fn == k.fn && g.ended && len(evidence) < 9 {
				evidence = append(evidence, analysis.Evidence{From: p.Rel(parse.Time(e.Time)), To: p.Rel(parse.Time(e.Time)) + e.Value, G: idOf(g.id), Func: p.FuncName(g.fn), Note: "took " + p.Dur(e.Value)})
			}
		}
		var explains []string
		if owner, _ := busiest(p); owner == p.FuncName(k.fn) {
			explains = []string{"serial-section", "limits/serial"} // the slow ones run on when the others have ended
		}
		p.Find(analysis.Finding{
			Severity: s, Explains: explains,
			Summary: fmt.Sprintf("A few slow goroutines keep the others waiting: at %s %s waited at any time, %s for each wait, for goroutines of %s, which take %s at the median, the slow ones %s (n=%s)%s",
				w.label[1], number(mean), p.Dur(long), p.FuncName(k.fn), p.Dur(k.median), p.Dur(k.slow), analysis.FormatCount(k.work.n), where),
			Cost: analysis.Cost{Value: w.busy(), Total: userTime(p), Clock: analysis.GTime}, Confidence: analysis.Inferred,
			Evidence: evidence,
			Advice:   "Make the slow ones as fast as the others: smaller and equal pieces of work, the largest first, a time limit or a second try for what hangs. The max in goroutines.sites should come near its p50.",
			Caveat:   "What goroutines take is told without their waiting for a P, but on an oversubscribed machine running includes waiting for a CPU.",
		})
	}
	if found == 0 {
		p.Say("goroutines that waited for others they had started: at most %s on average at one place; worth a note from %s on, when the last take %s times the median",
			number(most), number(p.Limit("waiting")), number(p.Limit("times")))
	}
	return nil
}

// slowPlace is where slow goroutines of a kind likely spent their time: the place
// where they are blocked, in waits or calls of half of long or more, or else where they
// ran most.
func slowPlace(p *analysis.Pass, sites []*waitingAt, k joinedKind, long int64) (words string, rows []analysis.Evidence, blocked bool) {
	from, to := p.Rel(p.Trace.From), p.Rel(p.Trace.To)
	for _, w := range sites { // the costliest first
		if p.Trace.Entry(w.stack) == k.fn && 2*w.max >= long {
			return fmt.Sprintf("; waits of theirs at %s (%s) take up to %s", w.label[1], w.label[0], p.Dur(w.max)),
				[]analysis.Evidence{{From: from, To: to, Func: w.label[1], Note: fmt.Sprintf("%s, up to %s", w.label[0], p.Dur(w.max)), Stack: p.Stack(w.stack)}}, true
		}
	}
	for _, c := range callSitesBy(p, analysis.FoldOf[*syscallsFold](p, syscalls), func(s *callSite) int64 { return s.total }) {
		if p.Trace.Entry(c.stack) == k.fn && 2*c.v.longest >= long {
			return fmt.Sprintf("; calls of theirs at %s take up to %s", c.site, p.Dur(c.v.longest)),
				[]analysis.Evidence{{From: from, To: to, Func: c.site, Note: "calls up to " + p.Dur(c.v.longest), Stack: p.Stack(c.stack)}}, true
		}
	}
	for _, r := range runPlaces(p) {
		if r.key != 0 && p.Trace.Entry(r.key) == k.fn {
			return fmt.Sprintf("; they ran most where runs end at %s%s", p.SiteName(r.key), calledBy(p, r.key)),
				[]analysis.Evidence{{From: from, To: to, Func: p.SiteName(r.key), Note: fmt.Sprintf("ran for %s in %s that ended here", p.Dur(r.v.ran), counted(r.v.n, "run", "runs")), Stack: p.Stack(r.key)}}, false
		}
	}
	return "", nil, false
}

var thunderingHerd = &analysis.Analyzer{
	Name:     "thundering-herd",
	Doc:      judgePage("thundering-herd"),
	Requires: []*analysis.Analyzer{blocking, goroutines, timeline},
	Thresholds: []analysis.Threshold{
		{
			Name: "thundering-herd.rate", Doc: "waits at one sync.Cond.Wait that Broadcast ended, per second", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 2000, Warning: 20e3},
			Source: "as channel-ping-pong: a wake costs 1 to 50 µs in the scheduler, so that 20,000 take a fifth of a P or more",
		},
		{
			Name: "thundering-herd.waiting", Doc: "goroutines that wait there, on average", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 8}, Source: "a few workers may all be needed",
		},
		{
			Name: "thundering-herd.run", Doc: "mean of their runs until they wait there again", Unit: analysis.NS, Below: true,
			Levels: analysis.Levels{Note: 20e3}, Source: "as ticker-storm.work: less work than it costs to wake up for it, as to look whether there is any",
		},
		{
			Name: "thundering-herd.wakes", Doc: "such waits", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1000}, Source: "one Broadcast to many at the end is no herd",
		},
	},
	Run: runThunderingHerd,
}

func runThunderingHerd(p *analysis.Pass) error {
	sites := waitingSites(p)
	if noWaits(p, sites) {
		return nil
	}
	ended := make(map[string]*goRuns) // runs, by the place
	for stack, r := range analysis.FoldOf[*goroutinesFold](p, goroutines).runs.byKey() {
		at(ended, p.SiteName(stack)).add(r)
	}
	found := 0
	var most float64
	for _, w := range sites {
		if w.label[0] != "sync.(*Cond).Wait" {
			continue
		}
		var woken int64
		for stack, n := range w.wakers {
			if slices.ContainsFunc(p.Trace.Stack(stack), func(f parse.Frame) bool {
				return strings.HasPrefix(p.Trace.String(f.Func), "sync.(*Cond).Broadcast")
			}) {
				woken += n
			}
		}
		runs := ended[w.label[1]]
		if runs == nil || woken == 0 {
			continue
		}
		rate, run, waiting := ratePerSecond(woken, p.Trace.Duration()), runs.ran/runs.n, ratio(w.busy(), p.Trace.Duration())
		most = max(most, rate)
		s := p.Severity("rate", rate)
		if s == "" || !p.Met("waiting", waiting) || !p.Met("run", float64(run)) || !p.Met("wakes", float64(woken)) || found == maxFindings {
			continue
		}
		found++
		p.Find(analysis.Finding{
			Severity: s,
			Summary: fmt.Sprintf("Broadcast wakes a herd for next to nothing: %s of %s goroutines that wait at %s, which run %s until they wait again%s",
				analysis.FormatRate(rate), number(waiting), w.label[1], p.Dur(run), w.wokenBy(p)),
			Cost: procTime(p, float64(runs.ran)), Confidence: analysis.Inferred,
			Evidence: w.evidence(p, worstMean(p, w.overTime, 0), fmt.Sprintf("woken %s times", analysis.FormatCount(woken))),
			Advice:   "Wake as many as there is work for: Signal once for each item, or a channel of items, which wakes one receiver. sched.starts.user should fall.",
			Caveat:   "That most find nothing to do is told from how short they run. What waking them costs the scheduler, and their queue for the lock, comes on top of the time shown.",
			Explains: []string{"single-producer-steal"},
		})
	}
	if found == 0 {
		p.Say("at most %s waits at one sync.Cond.Wait were ended by Broadcast; worth a note from %s on", analysis.FormatRate(most), analysis.FormatRate(p.Limit("rate")))
	}
	return nil
}
