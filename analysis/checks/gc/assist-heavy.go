package gc

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

// assistWaits is the share of the Ps in mark assist in these waits.
func assistWaits(f *measures.WaitsFold) float64 {
	var part, total int64
	for _, b := range f.ByFunc()[parse.ProcAssist].ByKey() {
		part += b.Waits
	}
	for r := range f.Whole() {
		total += f.Whole()[r].Total
	}
	return say.Ratio(part, total+f.Apart().Total)
}

var assistHeavy = &analysis.Analyzer{
	Name: "assist-heavy", Proof: "gc.share",
	Doc:      say.Page(pages, "assist-heavy"),
	Covers:   []string{"limits/gc"},
	Requires: []*analysis.Analyzer{measures.GC, measures.Timeline, measures.Waits, measures.Kinds},
	Thresholds: []analysis.Threshold{
		{Name: "assist-heavy.share", Doc: "P time in mark assist in the worst second, as a share of that of user goroutines and assist", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .05, Error: .15}, Source: "the pacer plans for none in the steady state (mgcpacer.go: gcController aims at the background share alone)"},
		{Name: "assist-heavy.whole", Doc: "goroutines in assist on average, over the whole time", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .001, Warning: .02, Error: .1}, Source: "a warning is worth 2 % of the time of somebody"},
		{Name: "assist-heavy.time", Doc: "P time in mark assist in the worst second", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 20e6}, Source: "two time slices (forcePreemptNS): shorter bursts do no harm"},
		{Name: "assist-heavy.assists", Doc: "mark assists in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 30}, Source: "the time of a few is that of threads which the operating system took from their CPU"},
	},
	Run: func(p *analysis.Pass) error {
		c, over, w := gcOf(p, func(sums []int64, _ int64) float64 { return float64(sums[measures.GCLaneAssist]) })
		if w == nil {
			return nil
		}
		assist := w.lanes[measures.GCLaneAssist]
		share := say.Ratio(assist, assist+w.time[measures.ShareUser])
		all := newGCWindow(p, c, over, p.Trace.From, p.Trace.To)
		g := p.Gate(analysis.Grades("share", share), analysis.Grades("whole", say.Ratio(all.lanes[measures.GCLaneAssist], p.Trace.Duration())), analysis.Needs("time", float64(assist)), analysis.Needs("assists", float64(c.Assist().N)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		sites, slow := evidence.AssistSites(p, c), measures.GCAssistSites(p, c)[0]
		where := "; most of that at " + sites[0].Site
		if slow.Label[0] != sites[0].Site {
			where += fmt.Sprintf("; longest at %s, %s in all", slow.Label[0], p.Dur(slow.V.Wall))
		}
		if at := evidence.AllocatedAt(p, c); at != "" && !strings.Contains(at, p.FuncName(p.Trace.Place(p.Trace.PlaceOf(sites[0].Stack)).Site.Func)+":") {
			where = at + where // who must mark is another
		}
		finding := analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("User goroutines mark instead of work %s of their P time %s: %s took %s, %s of it running%s",
				say.Percent(share), window.In(p, w.from, w.to), say.Counted(c.Assist().N, "mark assist", "mark assists"), p.Dur(c.Assist().Wall), p.Dur(c.Assist().CPU), where),
			Cost:       analysis.Cost{Value: all.lanes[measures.GCLaneAssist], Total: all.lanes[measures.GCLaneAssist] + all.time[measures.ShareUser], Clock: analysis.PTime},
			Confidence: analysis.Measured,
			Evidence:   evidence.AllocationSites(p, c, w.from, w.to),
			Advice:     lessGarbage + " Spread allocation over time and over fewer goroutines while the GC marks. gc.assist.cpu and gc.assist.wall should fall.",
			Caveat:     "It is an upper bound: the runtime counts 6 to 36 % less, more in short assists.",
			Explains:   []string{"assist-queue-wait"}, // a part of these assists
		}
		if assistWaits(measures.WaitsOf(p)) >= evidence.ExplainsFrom {
			finding.Explains = append(finding.Explains, "latency-tail")
		}
		if evidence.MMUPart(p, c, measures.GCLaneAssist) >= evidence.ExplainsFrom {
			finding.Explains = append(finding.Explains, "mmu-low")
		}
		p.Find(finding)
		return nil
	},
}
