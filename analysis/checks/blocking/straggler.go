package blocking

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var straggler = &analysis.Analyzer{
	Name: "straggler", Proof: "holders.graph",
	Doc:      say.Page(pages, "straggler"),
	Requires: []*analysis.Analyzer{measures.Blocking, measures.Goroutines, measures.Syscalls, measures.Kinds, measures.Holders, measures.Parallelism, measures.Preemption},
	Thresholds: []analysis.Threshold{
		{
			Name: "straggler.waiting", Doc: "goroutines that wait at one place for others that they started, mean of the trace, less the share of it in which the Ps were saturated", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .25, Warning: .5},
			Source: "half of the time somebody waits: with the slow ones as fast as the others most of that would be gone, but for the time in which all Ps were busy with more to do",
		},
		{
			Name: "straggler.times", Doc: "length that those waited for with the longest tenth of the time reach, over their median (without waiting for a P)", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3},
			Source: "equal pieces of work with CPUs of their own come to 1.5; planted slow ones to 5 to 15",
		},
		{
			Name: "straggler.ran", Doc: "length that those waited for with the longest tenth of the time reach, over their median, where the slow ones ran all the time, beside others (never a warning)", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5},
			Source: "running is time on a P: on a machine with four times as much work as CPUs equal pieces came to 7. Never a warning",
		},
		{
			Name: "straggler.length", Doc: "length that the waits there with the longest tenth of the waiting time reach", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 5e6}, Source: "half a time slice (proc.go:forcePreemptNS): less is the scheduler's noise",
		},
		{
			Name: "straggler.goroutines", Doc: "goroutines waited for that started and ended in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 4}, Source: "of fewer the median is one of the slow ones",
		},
	},
	Run: runStraggler,
}

// joinedKind is goroutines that others started and waited for.
type joinedKind struct {
	fn     parse.StringID
	site   parse.StackID      // where started
	work   measures.Lifetimes // without waiting for a P
	median int64
	slow   int64 // that those with the longest tenth of the time reach
}

// waitedFor are the goroutines that ended the waits at a place and were started by
// those that wait there; ok is false if there are none. Of several kinds with one
// entry function that could have been as slow, it is the one with the longest median.
func waitedFor(p *analysis.Pass, w *measures.WaitingAt, long int64) (k joinedKind, ok bool) {
	// Waits that are much shorter than the slow ones are not for them. Goroutines
	// that wait for their own kind are a tree, with all the work below the first ones.
	ended := make(map[parse.StringID]int64)
	for stack, n := range w.Wakers {
		ended[p.Trace.Entry(stack)] += n
	}
	waits := goesBy(p, w.Stack)
	for o, v := range measures.GoroutinesOf(p).Populations().ByKey() {
		slow := v.Work.Buckets.Long(v.Work.Max)
		if strings.HasPrefix(p.Trace.String(o.Fn), "testing.") {
			continue // the harness waits for one test or benchmark after the other
		}
		if fn := p.FuncName(o.Fn); !o.Seen || o.Class != parse.ClassUser || fn == waits || 2*ended[p.Trace.Starts(o.Fn)] < w.Spans-w.Open || goesBy(p, o.Site) != waits || 2*slow < long || slow > 2*long {
			continue
		}
		if m := v.Work.Buckets.Middle(v.Work.Max); !ok || m > k.median || m == k.median && o.Site < k.site {
			k, ok = joinedKind{o.Fn, o.Site, v.Work, m, slow}, true
		}
	}
	return k, ok
}

// startedAs counts the goroutines that go by a function.
func startedAs(p *analysis.Pass, fn string) (n int64) {
	for o, v := range measures.GoroutinesOf(p).Populations().ByKey() {
		if p.FuncName(o.Fn) == fn {
			n += v.Count
		}
	}
	return n
}

func runStraggler(p *analysis.Pass) error {
	sites := measures.WaitingSites(p)
	if evidence.NoWaits(p, sites) {
		return nil
	}
	h := measures.HoldersOf(p)
	found := 0
	var near analysis.Gate
	for _, w := range sites {
		op, _ := p.Trace.Operation(w.Stack)
		if r := w.Label[0]; r != "chan receive" && r != "select" && (r != "sync" || p.Trace.String(op.Func) != "sync.(*WaitGroup).Wait") {
			continue
		}
		long, mean := w.Long(), say.Ratio(w.Busy(), p.Trace.Duration())
		k, ok := waitedFor(p, w, long)
		if !ok || w.Label[0] != "chan receive" && k.work.N < 2*(w.Spans-w.Open) || k.work.N < 2*min(w.Spans-w.Open, startedAs(p, goesBy(p, w.Stack))) {
			continue // each wait is for one: it has a timeout, or does a part of the waiter's own work
		}
		free := 1 - say.Ratio(measures.ParallelismOf(p).Saturated(), p.Trace.Duration())
		times := say.Ratio(k.slow, max(k.median, 1))
		where, slow, blocked := slowPlace(p, sites, k, long)
		conditions := []analysis.Condition{analysis.Grades("waiting", mean*free), analysis.Needs("times", times), analysis.Needs("length", float64(long)), analysis.Needs("goroutines", float64(k.work.N))}
		kind := measures.KindsOf(p).Started(k.fn)
		last := kind != nil && 2*kind.Alone >= w.Busy() // the others have ended: no CPU is missing
		if !blocked && !last {
			conditions = append(conditions, analysis.Grades("ran", times))
		}
		g := p.Gate(conditions...)
		if g.Severity == "" || found == evidence.MaxFindings {
			near = near.Nearer(g.At(w.Label[1]))
			continue
		}
		found++
		shown := w.Evidence(p, window.All(p), fmt.Sprintf("waited for %s", evidence.About(p, k.fn)))
		shown = append(shown, slow...)
		for _, e := range measures.GoroutinesOf(p).Longest().Items() {
			if g := e.Item; g.Fn == k.fn && g.Ended && len(shown) < 9 {
				shown = append(shown, analysis.Evidence{From: p.Rel(parse.Time(e.Time)), To: p.Rel(parse.Time(e.Time)) + e.Value, G: evidence.IDOf(g.ID), Func: p.FuncName(g.Fn), Note: "took " + p.Dur(e.Value)})
			}
		}
		var explains []string
		if owner, _ := evidence.Busiest(p); owner != nil && owner == kind {
			explains = []string{"serial-section", "limits/serial"} // the slow ones run on when the others have ended
		}
		advice := "Cut the work into smaller and equal pieces that the goroutines take one after the other, the largest first."
		if blocked {
			advice = "Make the slow ones as fast as the others: a time limit or a second try for what hangs, smaller and equal pieces of work."
		}
		f := held(p, h, w, analysis.Finding{
			Severity: g.Severity, Explains: explains,
			Summary: fmt.Sprintf("A few slow goroutines keep the others waiting: at %s %s waited at any time, %s for each wait, for goroutines of %s, which take %s at the median, the slow ones %s (n=%s)%s",
				w.Label[1], say.Number(mean), p.Dur(long), evidence.About(p, k.fn), p.Dur(k.median), p.Dur(k.slow), analysis.FormatCount(k.work.N), where),
			Cost: evidence.GoTime(p, w.Busy()), Confidence: analysis.Inferred,
			Evidence: shown,
			Caveat:   "What goroutines take is told without their waiting for a P, but on an oversubscribed machine running includes waiting for a CPU.",
		})
		f.Advice = advice + " The max in goroutines.sites should come near its p50." // not for the one that is in the way, but for those as slow
		p.Find(f)
	}
	if found == 0 {
		evidence.Clear(p, "no goroutine that waited for others it had started", near)
	}
	return nil
}

// slowPlace is where slow goroutines of a kind likely spent their time: the place
// where they are blocked, in waits or calls of half of long or more, or else where they
// ran most.
func slowPlace(p *analysis.Pass, sites []*measures.WaitingAt, k joinedKind, long int64) (words string, rows []analysis.Evidence, blocked bool) {
	from, to := p.Rel(p.Trace.From), p.Rel(p.Trace.To)
	for _, w := range sites { // the costliest first
		if goesBy(p, w.Stack) == p.FuncName(k.fn) && 2*w.Max >= long {
			return fmt.Sprintf("; waits of theirs at %s (%s) take up to %s", w.Label[1], w.Label[0], p.Dur(w.Max)),
				[]analysis.Evidence{{From: from, To: to, Func: w.Label[1], Note: fmt.Sprintf("%s, up to %s", w.Label[0], p.Dur(w.Max)), Stack: p.Stack(w.Stack)}}, true
		}
	}
	for _, c := range evidence.CallSitesBy(p, measures.SyscallsOf(p), func(s *measures.CallSite) int64 { return s.Total }) {
		if goesBy(p, c.Stack) == p.FuncName(k.fn) && 2*c.V.Longest >= long {
			return fmt.Sprintf("; calls of theirs at %s take up to %s", c.Site, p.Dur(c.V.Longest)),
				[]analysis.Evidence{{From: from, To: to, Func: c.Site, Note: "calls up to " + p.Dur(c.V.Longest), Stack: p.Stack(c.Stack)}}, true
		}
	}
	for _, r := range evidence.RunPlaces(p) {
		if r.Key != 0 && goesBy(p, r.Key) == p.FuncName(k.fn) {
			return fmt.Sprintf("; they ran most where runs end at %s%s", p.SiteName(r.Key), evidence.CalledBy(p, r.Key)),
				[]analysis.Evidence{{From: from, To: to, Func: p.SiteName(r.Key), Note: fmt.Sprintf("ran for %s in %s that ended here", p.Dur(r.V.Ran), say.Counted(r.V.N, "run", "runs")), Stack: p.Stack(r.Key)}}, false
		}
	}
	return "", nil, false
}
