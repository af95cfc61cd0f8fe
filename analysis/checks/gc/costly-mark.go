package gc

import (
	"cmp"
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var costlyMark = &analysis.Analyzer{
	Name: "costly-mark", Proof: "gc.share",
	Doc:      say.Page(pages, "costly-mark"),
	Requires: []*analysis.Analyzer{measures.GC, measures.Goroutines, measures.Timeline, measures.Kinds},
	Thresholds: []analysis.Threshold{
		{Name: "costly-mark.rate", Doc: "P time of GC workers and assist for each MiB of live heap", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 2.5e6}, Source: "heaps full of pointers take 0.2 to 1.5 ms on the machines measured; a thousand stacks of 200 frames 3 to 5 ms"},
		{Name: "costly-mark.cycle", Doc: "P time of GC workers and assist in a cycle, on average", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 5e6}, Source: "a cycle has a fixed cost, which tiny heaps feel"},
		{Name: "costly-mark.share", Doc: "P time of GC workers and assist, as a share of all P time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05, Warning: .1}, Source: "rare cycles cost little, however long they take; a tenth as limits.gc"},
		{Name: "costly-mark.goroutines", Doc: "the most goroutines at once", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 100}, Source: "fewer stacks do not explain milliseconds; compilers and emulated machines take as long for their heaps alone"},
		{Name: "costly-mark.cycles", Doc: "GC cycles whose live heap is known", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "population"},
	},
	Run: func(p *analysis.Pass) error {
		c := measures.GCOf(p).Closed(p)
		cycles := c.Cycles() + c.Cut()
		if cycles == 0 {
			p.NotApplicable(evidence.NoGC(p))
			return nil
		}
		var worked int64
		for _, w := range c.Workers() {
			worked += w.CPU
		}
		worked += c.Assist().CPU
		var live, known int64
		for _, d := range c.Details() {
			if d.LastLive > 0 {
				live += d.LastLive
				known++
			}
		}
		if known == 0 {
			p.NotApplicable("the trace tells the live heap of no cycle; record longer")
			return nil
		}
		perMiB := float64(worked) / float64(cycles) / (float64(live) / float64(known) / (1 << 20))
		total, _ := p.Value("procs.time")
		peak, _ := p.Value("goroutines.max")
		g := p.Gate(analysis.Needs("rate", perMiB), analysis.Grades("share", float64(worked)/total), analysis.Needs("cycle", float64(worked/cycles)), analysis.Needs("cycles", float64(known)), analysis.Needs("goroutines", peak))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Heuristic, Explains: []string{"mark-starves-users", "mmu-low"},
			Summary: fmt.Sprintf("The GC works more than its heap explains: %s of P time a cycle for %s live, %s for each MiB; up to %s goroutines have stacks to scan%s",
				p.Dur(worked/cycles), analysis.FormatBytes(live/known), p.Dur(int64(perMiB)), analysis.FormatCount(int64(peak)), mostOf(p)),
			Cost:     evidence.ProcTime(p, float64(worked)),
			Evidence: append(stackPopulations(p), evidence.LimitRows(evidence.AllocationSites(p, c, p.Trace.From, p.Trace.To), 5)...),
			Advice:   "What is scanned besides the live heap are goroutine stacks and globals: have fewer goroutines parked deep in calls (park at the top, or let them end). With a heap this small, a higher GOGC or a GOMEMLIMIT alone makes cycles rare. gc.worker.idle, gc.worker.fractional and gc.cycles should fall.",
			Caveat:   "The size of stacks and globals is not in a trace. Idle workers on an oversubscribed machine count time off the CPU.",
		})
		return nil
	},
}

// mostOf names the kind of goroutines of which there are most.
func mostOf(p *analysis.Pass) string {
	var most *measures.GoKind
	for _, k := range measures.KindsOf(p).All {
		if most == nil || k.Count > most.Count {
			most = k
		}
	}
	if most == nil {
		return ""
	}
	return ", most of " + most.Title()
}

// stackPopulations are the kinds of user goroutines of which there are most.
func stackPopulations(p *analysis.Pass) (out []analysis.Evidence) {
	users := make(map[measures.GoOrigin]*measures.GoPopulation)
	for k, v := range measures.GoroutinesOf(p).Populations().ByKey() {
		if k.Class == parse.ClassUser {
			users[k] = v
		}
	}
	for _, at := range measures.JoinSites(users, func(k measures.GoOrigin) tally.Label { return tally.Label{p.FuncName(k.Fn)} }, (*measures.GoPopulation).Add,
		func(v *measures.GoPopulation) int64 { return v.Count }, func(a, b measures.GoOrigin) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Fn, b.Fn)) }) {
		if len(out) < 3 && at.V.Count >= 10 {
			out = append(out, evidence.Whole(p, analysis.Evidence{Func: p.FuncName(at.Key.Fn),
				Note: say.Counted(at.V.Count, "goroutine", "goroutines") + " in all", Stack: p.Stack(at.Key.Site)}))
		}
	}
	return out
}
