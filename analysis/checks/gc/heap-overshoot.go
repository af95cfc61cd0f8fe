package gc

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

var heapOvershoot = &analysis.Analyzer{
	Name: "heap-overshoot", Proof: "gc.heap",
	Doc:      say.Page(pages, "heap-overshoot"),
	Requires: []*analysis.Analyzer{measures.GC},
	Thresholds: []analysis.Threshold{
		{Name: "heap-overshoot.share", Doc: "most by which the heap in use exceeds the goal of its cycle, as a share of the goal", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1}, Source: "the pacer lets allocation pass the goal by 10 % before assists do all (mgcpacer.go: the hard goal)"},
		{Name: "heap-overshoot.bytes", Doc: "most by which the heap in use exceeds the goal of its cycle", Unit: analysis.Bytes,
			Levels: analysis.Levels{Note: 1 << 20}, Source: "a quarter of a minimal heap (4 MiB): spans are counted whole, and 10 % of a tiny heap is a few of them"},
		{Name: "heap-overshoot.cycles", Doc: "GC cycles whose heap exceeds its goal by both limits", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "the pacer learns from a cycle or two"},
	},
	Run: func(p *analysis.Pass) error {
		c := measures.GCOf(p)
		var checked, over, atOnce int64
		type row struct {
			e    analysis.Evidence
			by   int64
			part float64
		}
		var rows []row
		var most, sum float64
		var mostBytes int64
		for _, it := range c.Longest().Items() {
			i := slices.IndexFunc(c.Details(), func(d *measures.GCCycle) bool { return d.Since == it.Item.Since })
			if i < 0 || it.Item.Partial || it.Item.Unfinished {
				continue
			}
			d := c.Details()[i]
			if !d.GoalKnown || d.Goal <= 0 || d.Peak == 0 {
				continue
			}
			checked++
			by := d.Peak - d.Goal
			most, mostBytes = max(most, say.Ratio(by, d.Goal)), max(mostBytes, by)
			if p.Met("share", say.Ratio(by, d.Goal)) && p.Met("bytes", float64(by)) {
				over++
				if before, ok := d.Before(); ok && p.Met("share", say.Ratio(before-d.Goal, d.Goal)) {
					atOnce++
				}
				sum += say.Ratio(by, d.Goal)
				rows = append(rows, row{analysis.Evidence{From: p.Rel(d.Since), To: p.Rel(it.Item.Until),
					Note: fmt.Sprintf("%s in use, goal %s", analysis.FormatBytes(d.Peak), analysis.FormatBytes(d.Goal))}, by, say.Ratio(by, d.Goal)})
			}
		}
		if checked == 0 {
			p.NotApplicable("no whole GC cycle whose goal is in the trace; record longer, with the GC on")
			return nil
		}
		g := p.Gate(analysis.Grades("cycles", float64(over)), analysis.Needs("share", most), analysis.Needs("bytes", float64(mostBytes))).At(say.Counted(checked, "GC cycle", "GC cycles"))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		slices.SortStableFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(b.by, a.by), cmp.Compare(a.e.From, b.e.From)) })
		finding := analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("The heap passes its goal in %s of %s, by %s in the mean and %s at most",
				analysis.FormatCount(over), say.Counted(checked, "cycle", "cycles"), say.Percent(sum/float64(over)), say.Percent(most)),
			Confidence: analysis.Measured,
			Advice:     "Marking is too slow for the pace of allocation: look for what cannot be marked in parallel (long lists), for bursts of allocation, for Ps that C code or other processes hold. Leave that much more memory below the limit of the container. heap.live.max should come near heap.goal.max.",
			Caveat:     "heapLive counts whole spans. Only the longest cycles are kept, where a trace has more than 64. It costs memory, no time: the finding has no cost.",
		}
		if evidence.Causes(atOnce, over) {
			finding.Summary += fmt.Sprintf("; in %s it was above already when the cycle began: single allocations are larger than the room that was left", analysis.FormatCount(atOnce))
			finding.Advice = "Make what is large once and use it again, or in pieces: a large allocation passes the goal at once, however fast marking is. Leave that much more memory below the limit of the container. heap.live.max should come near heap.goal.max."
		}
		for _, r := range rows[:min(evidence.EvidenceRows, len(rows))] {
			finding.Evidence = append(finding.Evidence, r.e)
		}
		p.Find(finding)
		return nil
	},
}
