package sched

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var lockedThreadPenalty = &analysis.Analyzer{
	Name: "locked-thread-penalty", Proof: "latency.cause",
	Doc: say.Page(pages, "locked-thread-penalty"),
	Thresholds: []analysis.Threshold{
		{
			Name: "locked-thread-penalty.ratio", Doc: "median wait for a P of goroutines that always ran on one thread, over that of the others", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 4},
			Source: "two classes of a power of two; a handover to a locked thread costs a switch of threads (proc.go:startlockedm), 50 µs where others take 1",
		},
		{
			Name: "locked-thread-penalty.wait", Doc: "median wait for a P of goroutines that always ran on one thread", Unit: analysis.NS, Levels: analysis.Levels{Note: 8192},
			Source: "a wake-up of a thread takes 5 to 50 µs",
		},
		{
			Name: "locked-thread-penalty.waits", Doc: "waits at a place after which goroutines always ran on one thread", Unit: analysis.Count, Levels: analysis.Levels{Note: 100},
			Source: "a hundred starts on one thread by accident are not to be expected where others change threads",
		},
		{
			Name: "locked-thread-penalty.rate", Doc: "waits of such goroutines per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 100},
			Source: "fewer cost less than 1 % of the time",
		},
	},
	Requires: []*analysis.Analyzer{measures.Parallelism, measures.Latency},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.LatencyOf(p)
		var locked, others measures.ThreadUse
		var sites []parse.StackID
		var most int64
		for stack, use := range f.Threads().ByKey() {
			switch {
			case use.Mixed:
				others.Add(use)
			case !p.Met("waits", float64(use.N)):
				most = max(most, use.N)
			default:
				locked.Add(use)
				sites = append(sites, stack)
			}
		}
		if len(sites) == 0 {
			p.Clear(p.Gate(analysis.Needs("waits", float64(most))))
			return nil
		}
		// With one thread there is no other to compare with.
		own := medianWait(&locked)
		var than int64
		if p.Met("waits", float64(others.N)) {
			than = medianWait(&others)
		} else if f.Headline(p).N() > locked.N {
			than = f.Headline(p).QuantileAny(.5)
		}
		if than == 0 || len(sites) == 1 && p.Trace.Threads < 2 {
			p.NotApplicable("no goroutine changed threads, so that there is none to compare with; record with GOMAXPROCS 2 or more")
			return nil
		}
		g := p.Gate(analysis.Grades("ratio", float64(own)/float64(than)), analysis.Needs("wait", float64(own)), analysis.Needs("rate", say.PerSecond(locked.N, p.Trace.Duration())), analysis.Needs("waits", float64(locked.N)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		slices.SortFunc(sites, func(a, b parse.StackID) int {
			return cmp.Or(cmp.Compare(f.Threads().At(b).N, f.Threads().At(a).N), cmp.Compare(a, b))
		})
		var shown []analysis.Evidence
		for _, stack := range sites[:min(5, len(sites))] {
			use := f.Threads().At(stack)
			shown = append(shown, evidence.Whole(p, analysis.Evidence{Func: p.SiteName(stack),
				Note: fmt.Sprintf("waited here, then always ran on thread %d (%s, median wait %s)", use.M, say.Counted(use.N, "time", "times"), p.Dur(medianWait(use))), Stack: p.Stack(stack)}))
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Heuristic,
			Summary: fmt.Sprintf("Goroutines that seem to be locked to a thread pay for it: they waited %s for a P (median of %s), others %s; first of all at %s",
				p.Dur(own), analysis.FormatCount(locked.N), p.Dur(than), p.SiteName(sites[0])),
			Cost:     evidence.ActiveTime(p, max(own-than, 0)*locked.N),
			Evidence: shown,
			Advice:   "Drop runtime.LockOSThread where nothing needs it, or hand such goroutines more work at once: each wake-up switches threads. sched.latency.unblocked.p50 should fall.",
			Caveat:   "The trace does not tell LockOSThread: these are places after which goroutines always ran on the same thread. Medians are within a factor of two.",
			Explains: []string{"idle-p-while-runnable"},
		})
		return nil
	},
}

// medianWait is the lower edge of the class of the median wait.
func medianWait(u *measures.ThreadUse) int64 {
	var below int64
	for i, n := range u.Octaves {
		if below += n; 2*below >= u.N && below > 0 {
			return int64(1) << max(i-1, 0)
		}
	}
	return 0
}
