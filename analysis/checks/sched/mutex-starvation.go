package sched

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var mutexStarvation = &analysis.Analyzer{
	Name: "mutex-starvation", Proof: "holders.graph",
	Doc: say.Page(pages, "mutex-starvation"),
	Thresholds: []analysis.Threshold{
		{
			Name: "mutex-starvation.rate", Doc: "lock handoffs at one place per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 10, Warning: 50},
			Source: "for each somebody waited 1 ms or longer (sync/mutex.go:starvationThresholdNs): 10 are 1 % of the time, 50 are 5 %",
		},
		{
			Name: "mutex-starvation.count", Doc: "lock handoffs at one place", Unit: analysis.Count, Levels: analysis.Levels{Note: 10}, Source: "population",
		},
	},
	Requires: []*analysis.Analyzer{measures.Preemption, measures.Goroutines, measures.Blocking},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.PreemptionOf(p)
		if p.Trace.Version < 19 && f.Kinds()[parse.PreemptLockHandoff][0].N == 0 {
			p.NotApplicable("traces of Go 1.18 and older do not tell lock handoffs; record with a later Go")
			return nil
		}
		byStack := evidence.LockHandoffs(f)
		sites := tally.Rank(byStack, func(s parse.StackID) tally.Label { return tally.Label{unlockedAt(p, s)} }, (*measures.Preempted).Add, func(c *measures.Preempted) int64 { return c.N })
		if len(sites) == 0 {
			p.Say("no mutex was handed over to a starving waiter in %s", p.Dur(p.Trace.Duration()))
			return nil
		}
		top := sites[0]
		rate := say.PerSecond(top.V.N, p.Trace.Duration())
		g := p.Gate(analysis.Grades("rate", rate), analysis.Needs("count", float64(top.V.N))).At(top.Label[0])
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		var stacks []parse.StackID
		for s := range byStack {
			stacks = append(stacks, s)
		}
		slices.SortFunc(stacks, func(a, b parse.StackID) int {
			return cmp.Or(cmp.Compare(byStack[b].N, byStack[a].N), cmp.Compare(a, b))
		})
		var shown []analysis.Evidence
		for _, s := range stacks[:min(5, len(stacks))] {
			shown = append(shown, evidence.Whole(p, analysis.Evidence{Func: unlockedAt(p, s),
				Note: fmt.Sprintf("unlocked here %s for a waiter of 1 ms or longer", say.Counted(byStack[s].N, "time", "times")), Stack: p.Stack(s)}))
		}
		advice := "Hold the lock shorter (no I/O, no computation under it), split it, or use sync.RWMutex or atomics for readers."
		if _, call, ok := strings.Cut(top.Label[0], " → "); ok && !strings.HasPrefix(call, "sync.") {
			advice = evidence.LibraryLock(call)
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("A mutex is in starvation mode: it was handed over %s at %s (%s), each time to a goroutine that had waited 1 ms or longer",
				say.Counted(top.V.N, "time", "times"), top.Label[0], analysis.FormatRate(rate)),
			Cost:     evidence.GoTime(p, top.V.N*starving),
			Evidence: shown,
			Advice:   advice + " preempt.lockhandoff should fall to 0, and block.sync.total with it.",
			Caveat:   "The cost is a lower bound: 1 ms for each. Which mutex it is, is told by where it is unlocked.",
		})
		return nil
	},
}

// starving is how long (ns) a goroutine waits for a sync.Mutex before it is handed
// over (sync/mutex.go:starvationThresholdNs).
const starving = 1_000_000

// unlockedAt names where a lock is given back: "main.put:12 → sync.(*Mutex).Unlock", or by
// which library function, whose own it is.
func unlockedAt(p *analysis.Pass, stack parse.StackID) string {
	return measures.PlaceName(p.Trace, p.Trace.PlaceOf(stack))
}
