package gc

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var gcPacingChange = &analysis.Analyzer{
	Name: "gc-pacing-change", Proof: "gc.heap",
	Doc:      say.Page(pages, "gc-pacing-change"),
	Requires: []*analysis.Analyzer{measures.GC, measures.Waits},
	Thresholds: []analysis.Threshold{
		{Name: "gc-pacing-change.factor", Doc: "change of the heap goal for each live byte from one phase of cycles to the next, as a factor", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1.4}, Source: "stacks and globals move it by less; GOGC 100 to 50 is 2 to 1.5"},
		{Name: "gc-pacing-change.live", Doc: "live heap after the cycle before", Unit: analysis.Bytes,
			Levels: analysis.Levels{Note: 8 << 20}, Source: "the least goal of 4 MiB (mgcpacer.go: defaultHeapMinimum) rules smaller heaps"},
		{Name: "gc-pacing-change.cycles", Doc: "GC cycles in a phase", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "goals lag behind a heap that changes: two in a row came by chance in a sort that allocates as fast as it can"},
		{Name: "gc-pacing-change.set", Doc: "heap goals per second that the program sets between cycles, a tenth or more from the goal before", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: .5, Warning: .5}, Source: "an answer to a heap that has changed is rarer; with more the pacer begins anew before it has settled"},
		{Name: "gc-pacing-change.sets", Doc: "goals that the program set", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 4}, Source: "two are GOGC=off for a phase and back"},
		{Name: "gc-pacing-change.cpu", Doc: "P time that the GC takes where the program sets its goals", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .005, Warning: .05}, Source: "with less than a twentieth of the Ps the GC is nobody's problem"},
	},
	Run: func(p *analysis.Pass) error {
		c := measures.GCOf(p)
		nearSet, set := setByProgram(p, c)
		if set {
			return nil
		}
		phases, near := pacingPhases(p, c)
		if len(phases) == 0 {
			p.NotApplicable(fmt.Sprintf("no two GC cycles in a row with a heap goal and %s live or more; record longer", analysis.FormatBytes(int64(p.Limit("live")))))
			return nil
		}
		if len(phases) == 1 {
			p.Clear(nearSet, near.At(fmt.Sprintf("heap goals of %.2f times the live heap in %s", phases[0].mean(), say.Counted(phases[0].n, "cycle", "cycles"))))
			return nil
		}
		var shown []analysis.Evidence
		var text []string
		for _, f := range phases {
			text = append(text, fmt.Sprintf("%.2f", f.mean()))
			shown = append(shown, analysis.Evidence{From: p.Rel(f.from), To: p.Rel(f.to),
				Note: fmt.Sprintf("%s, heap goals %.2f times the live heap, one every %s", say.Counted(f.n, "cycle", "cycles"), f.mean(), p.Dur(int64(f.to-f.from)/f.n))})
		}
		all := c.Closed(p)
		taken := all.Taken()
		p.Find(analysis.Finding{
			Severity: phases[1].gate.Severity, Confidence: analysis.Inferred,
			Summary: fmt.Sprintf("The pacing of the GC changed at %s: heap goals went from %s times the live heap (GOGC or the memory limit was set, or the limit was reached)",
				p.At(phases[1].from), strings.Join(text, " to ")),
			Cost:     analysis.Cost{Value: taken, Total: all.Procs(), Clock: analysis.PTime},
			Evidence: append(evidence.LimitRows(shown, 5), evidence.LimitRows(evidence.AllocationSites(p, all, p.Trace.From, p.Trace.To), 5)...),
			Advice:   "Look for debug.SetGCPercent and debug.SetMemoryLimit, and check each phase by itself (--from, --to); gc.cycles and gc.worker.dedicated follow the goal.",
			Caveat:   "Goals also count stacks and globals. Only the longest cycles are looked at.",
		})
		return nil
	},
}

// setByProgram says that the program sets the pace itself, again and again.
func setByProgram(p *analysis.Pass, c *measures.GCFold) (near analysis.Gate, found bool) {
	var sum measures.GoalsSet
	set := maps.Clone(c.GoalsSet())
	maps.DeleteFunc(set, func(fn parse.StringID, _ *measures.GoalsSet) bool {
		return strings.HasPrefix(p.Trace.String(fn), "testing.") // tests that switch the GC off for a while
	})
	sites := tally.Rank(set, func(fn parse.StringID) tally.Label { return tally.Label{p.FuncName(fn)} }, (*measures.GoalsSet).Add, func(s *measures.GoalsSet) int64 { return s.N })
	if len(sites) == 0 {
		return near, false
	}
	for _, s := range sites {
		sum.Add(s.V)
	}
	all := c.Closed(p)
	cost := analysis.Cost{Value: all.Taken(), Total: all.Procs(), Clock: analysis.PTime}
	rate := say.PerSecond(sum.N, p.Trace.Duration())
	g := p.Gate(analysis.Grades("set", rate), analysis.Needs("sets", float64(sum.N)), analysis.Grades("cpu", cost.Share()))
	if g.Severity == "" {
		return g.At(sites[0].Label[0]), false
	}
	var shown []analysis.Evidence
	for _, s := range sites {
		shown = append(shown, evidence.Whole(p, analysis.Evidence{Func: s.Label[0], Note: fmt.Sprintf("set %s from %s to %s", say.Counted(s.V.N, "goal", "goals"), goal(s.V.Least), goal(s.V.Most))}))
	}
	var explains []string
	if g.Severity != analysis.Note {
		explains = []string{"gc-cpu-dominant", "assist-heavy", "assist-queue-wait", "memory-limit-thrash", "heap-overshoot", "mmu-low", "mark-starves-users", "request-path/gc", "limits/gc"}
		if evidence.CauseShare(p, parse.CauseGC, parse.CauseSTW) >= evidence.ExplainsFrom {
			explains = append(explains, "latency-tail", "netpoll-delay", "syscall-return-wait", "request-path/starved", "limits/waits")
		}
	}
	p.Find(analysis.Finding{
		Code: "gc-pacing-change/set", Severity: g.Severity, Explains: explains, Confidence: analysis.Inferred,
		Summary: fmt.Sprintf("The program sets the pace of the GC again and again: %s (%s) %s sets a heap goal between cycles (debug.SetGCPercent or SetMemoryLimit), from %s to %s; the GC takes %s of P time",
			say.Counted(sum.N, "time", "times"), analysis.FormatRate(rate), sites[0].Label[0], goal(sum.Least), goal(sum.Most), analysis.FormatRatio(cost.Share())),
		Cost: cost, Evidence: append(evidence.LimitRows(shown, 5), evidence.LimitRows(evidence.AllocationSites(p, all, p.Trace.From, p.Trace.To), 5)...),
		Advice: "Set GOGC and GOMEMLIMIT once: the memory limit makes the GC work harder only when memory is short. Where a tuner must be, let it act on what lives after a cycle, and seldom. gc.cycles should fall.",
		Caveat: "Which of the two it sets, and to what, is not in the trace.",
	})
	return g, true
}

// goal is a heap goal in words.
func goal(bytes int64) string {
	if bytes == 0 {
		return "none (GOGC=off)"
	}
	return analysis.FormatBytes(bytes)
}

// pacingPhase is cycles in a row with about the same goal for each byte live.
type pacingPhase struct {
	from, to parse.Time
	n        int64
	ratios   float64       // sum
	live     int64         // the least
	gate     analysis.Gate // against the phase before
}

func (f *pacingPhase) mean() float64 { return f.ratios / float64(f.n) }

// pacingPhases are the phases with enough cycles, and what was nearest to be another one.
// What lies between two is left out.
func pacingPhases(p *analysis.Pass, c *measures.GCFold) (out []pacingPhase, near analysis.Gate) {
	cycles := slices.SortedFunc(slices.Values(c.Details()), func(a, b *measures.GCCycle) int { return cmp.Compare(a.Since, b.Since) })
	apart := func(a, b float64) float64 { return max(a/b, b/a) }
	var now pacingPhase
	end := func() {
		enough := p.Met("cycles", float64(now.n))
		if len(out) > 0 && now.n > 0 {
			last := &out[len(out)-1]
			factor := apart(now.mean(), last.mean())
			now.gate = p.Gate(analysis.Grades("factor", factor), analysis.Needs("cycles", float64(now.n)), analysis.Needs("live", float64(now.live)))
			if now.gate.Severity == "" {
				near = near.Nearer(now.gate)
			}
			if enough && !p.Met("factor", factor) {
				last.to, last.n, last.ratios = now.to, last.n+now.n, last.ratios+now.ratios
				return
			}
		}
		if enough {
			out = append(out, now)
		}
	}
	for i := 1; i < len(cycles); i++ {
		before, d := cycles[i-1], cycles[i]
		if before.LiveAt == 0 || !d.GoalKnown || d.Goal == 0 || !p.Met("live", float64(before.LastLive)) {
			continue
		}
		r := float64(d.Goal) / float64(before.LastLive)
		if now.n == 0 || apart(r, now.mean()) >= p.Limit("factor") {
			end()
			now = pacingPhase{from: d.Since, live: before.LastLive}
		}
		now.n++
		now.live = min(now.live, before.LastLive)
		now.ratios += r
		now.to = d.Since
	}
	end()
	if len(out) == 1 && near.Said == "" { // there was no other phase
		near = p.Gate(analysis.Grades("factor", 1), analysis.Needs("cycles", float64(out[0].n)), analysis.Needs("live", float64(out[0].live)))
	}
	return out, near
}
