package gc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var forcedGC = &analysis.Analyzer{
	Name: "forced-gc", Proof: "gc.heap",
	Doc:      say.Page(pages, "forced-gc"),
	Requires: []*analysis.Analyzer{measures.GC, measures.Waits, measures.Kinds},
	Thresholds: []analysis.Threshold{
		{Name: "forced-gc.rate", Doc: "GC cycles per second that runtime.GC or debug.FreeOSMemory starts", Unit: analysis.PerS,
			Levels: analysis.Levels{Warning: .1}, Source: "the runtime itself asks for one in two minutes (forcegcperiod); twelve times that is a habit"},
		{Name: "forced-gc.cycles", Doc: "GC cycles that runtime.GC or debug.FreeOSMemory started", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 2}, Source: "a single one may be a start, a test or a heap profile"},
		{Name: "forced-gc.share", Doc: "share of the forced cycles in all GC cycles that start in the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1}, Source: "beside ten others one more does not matter"},
	},
	Run: func(p *analysis.Pass) error {
		c := measures.GCOf(p)
		var all int64
		forced := make(map[parse.StackID]*measures.GCSum)
		tests := true
		var leak int64 // begun by goroutine-leak profiles
		for id, s := range c.Starts() {
			all += s.N
			trigger := measures.GCTrigger(p, id)
			if trigger == measures.LeakProfile {
				leak += s.N
			}
			if evidence.IsForced(trigger) {
				forced[id] = s
				tests = tests && slices.ContainsFunc(p.Trace.Stack(id), func(f parse.Frame) bool { return strings.HasPrefix(p.Trace.String(f.Func), "testing.") })
			}
		}
		if all == 0 {
			p.NotApplicable(evidence.NoGC(p))
			return nil
		}
		var sum measures.GCSum
		for _, s := range forced {
			sum.Add(s)
		}
		rate := say.PerSecond(sum.N, p.Trace.Duration())
		g := p.Gate(analysis.Grades("rate", rate), analysis.Needs("cycles", float64(sum.N)), analysis.Needs("share", say.Ratio(sum.N, all)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		severity := g.Severity
		if tests {
			severity = analysis.Note
		}
		sites := measures.RankSites(p, forced, func(s parse.StackID) parse.StackID { return s }, (*measures.GCSum).Add, func(s *measures.GCSum) int64 { return s.N })
		var explains []string
		if float64(sum.N) >= evidence.ExplainsFrom*float64(all) && severity != analysis.Note {
			explains = []string{"gc-cpu-dominant", "stw-long", "mmu-low", "costly-mark", "mark-starves-users", "idle-marking", "assist-heavy", "assist-queue-wait", "request-path/gc"}
			// Who calls runtime.GC sweeps, too, and yields after each span: its waits for a P are no GC's by name.
			if sum.Wall >= int64(evidence.ExplainsFrom*float64(p.Trace.Duration())) && evidence.InTheWay(p) == "" || evidence.CauseShare(p, parse.CauseGC, parse.CauseSTW) >= evidence.ExplainsFrom {
				explains = append(explains, "latency-tail", "netpoll-delay", "request-path/starved", "limits/waits")
			}
		}
		advice := "Leave the pace to the runtime: remove the calls of runtime.GC and debug.FreeOSMemory, and bound memory by GOMEMLIMIT instead. gc.cycles should fall."
		switch {
		case leak == sum.N:
			advice = "Collect the goroutine-leak profile (/debug/pprof/goroutineleak) less often: each one marks the whole heap and stops the world four times. gc.cycles should fall."
		case leak > 0:
			advice += fmt.Sprintf(" %s of them are goroutine-leak profiles (/debug/pprof/goroutineleak): collect these less often.", analysis.FormatCount(leak))
		}
		p.Find(analysis.Finding{
			Severity: severity, Explains: explains,
			Summary: fmt.Sprintf("The program forces GC cycles: %s of %s, %s, most at %s",
				analysis.FormatCount(sum.N), say.Counted(all, "cycle", "cycles"), analysis.FormatRate(rate), sites[0].Site),
			Cost:       evidence.WallTime(p, sum.Wall),
			Confidence: analysis.Measured,
			Evidence: evidence.SiteEvidence(p, sites, p.Trace.From, p.Trace.To, func(s *measures.GCSum) string {
				return fmt.Sprintf("began %s, %s of mark in all", say.Counted(s.N, "cycle", "cycles"), p.Dur(s.Wall))
			}),
			Advice: advice,
			Caveat: "A call that joins a cycle already under way, or waits for one, begins none and is not counted. Calls in benchmarks (testing frames) are a note only.",
		})
		return nil
	},
}
