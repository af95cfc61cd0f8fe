package gc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var gcPacingChange = &analysis.Analyzer{
	Name: "gc-pacing-change", Proof: "gc.heap",
	Doc:      say.Page(pages, "gc-pacing-change"),
	Requires: []*analysis.Analyzer{measures.GC},
	Thresholds: []analysis.Threshold{
		{Name: "gc-pacing-change.factor", Doc: "change of the heap goal for each live byte from one phase of cycles to the next, as a factor", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1.4}, Source: "stacks and globals move it by less; GOGC 100 to 50 is 2 to 1.5"},
		{Name: "gc-pacing-change.live", Doc: "live heap after the cycle before", Unit: analysis.Bytes,
			Levels: analysis.Levels{Note: 8 << 20}, Source: "the least goal of 4 MiB (mgcpacer.go: defaultHeapMinimum) rules smaller heaps"},
		{Name: "gc-pacing-change.cycles", Doc: "GC cycles in a phase", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "goals lag behind a heap that changes: two in a row came by chance in a sort that allocates as fast as it can"},
	},
	Run: func(p *analysis.Pass) error {
		c := measures.GCOf(p)
		phases, near := pacingPhases(p, c)
		if len(phases) == 0 {
			p.NotApplicable(fmt.Sprintf("no two GC cycles in a row with a heap goal and %s live or more; record longer", analysis.FormatBytes(int64(p.Limit("live")))))
			return nil
		}
		if len(phases) == 1 {
			p.Clear(near.At(fmt.Sprintf("heap goals of %.2f times the live heap in %s", phases[0].mean(), say.Counted(phases[0].n, "cycle", "cycles"))))
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
