package stw

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/gc"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var stwByTooling = &analysis.Analyzer{
	Name: "stw-by-tooling", Proof: "stw.pauses",
	Doc:      say.Page(pages, "stw-by-tooling"),
	Covers:   []string{"limits/stops"},
	Requires: []*analysis.Analyzer{measures.Waits, measures.STW},
	Thresholds: []analysis.Threshold{
		{Name: "stw-by-tooling.rate", Doc: "stops of the world per second that are neither the GC's nor the tracer's", Unit: analysis.PerS,
			Levels: analysis.Levels{Warning: 1}, Source: "metrics are scraped every 10 s and more; once a second is a monitor out of hand"},
		{Name: "stw-by-tooling.share", Doc: "share of the worst second in stops of the world that are neither the GC's nor the tracer's", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .001, Warning: .005, Error: .05}, Source: "0.1 % is one stop of 1 ms in a second; half a percent halts every core for 5 ms"},
		{Name: "stw-by-tooling.stops", Doc: "stops of the world that are neither the GC's nor the tracer's", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "one or two make no rate"},
		{Name: "stw-by-tooling.longest", Doc: "the longest stop of the world that is neither the GC's nor the tracer's", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 10e6}, Source: "as stw-long, but one that is asked for on purpose (a heap dump, say) weighs less"},
	},
	Run: func(p *analysis.Pass) error {
		if p.Trace.Version < 10 {
			p.NotApplicable(measures.NoStops)
			return nil
		}
		c := measures.STWOf(p)
		var sum measures.STWKind
		for _, k := range c.Kinds() {
			if !k.GC {
				sum.Merge(k)
			}
		}
		n := sum.Total.N()
		if n == 0 {
			p.Say("no stop but the GC's and the tracer's in %s", p.Dur(p.Trace.Duration()))
			return nil
		}
		worst := window.Worst(p, c.Time(), window.Second, func(sums []int64, ns int64) float64 {
			return say.Ratio(sums[measures.STWOtherStopping]+sums[measures.STWOtherStopped], ns)
		})
		rate := say.PerSecond(n, p.Trace.Duration())
		sites := make(map[measures.STWSite]*measures.STWSum)
		var longest int64
		for k, s := range c.Sites() {
			if !c.Kinds()[k.Kind].GC {
				sites[k] = s
				longest = max(longest, s.MaxHalt)
			}
		}
		g := p.Gate(analysis.Either(analysis.Grades("longest", float64(longest)), analysis.Both(analysis.Needs("rate", rate), analysis.Grades("share", worst.Score), analysis.Needs("stops", float64(n)))))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		severity := g.Severity
		ranked := measures.RankSites(p, sites, func(k measures.STWSite) parse.StackID { return k.Stack }, (*measures.STWSum).Add, func(s *measures.STWSum) int64 { return max(1, s.Halt) })
		names := make(map[string]string)
		for k := range sites {
			if name := p.Trace.String(k.Kind); names[p.SiteName(k.Stack)] == "" || name < names[p.SiteName(k.Stack)] {
				names[p.SiteName(k.Stack)] = name
			}
		}
		explains := gc.StopsExplained(c, severity, false)
		if evidence.CauseShare(p, parse.CauseSTW) >= evidence.ExplainsFrom {
			explains = append(explains, "latency-tail", "netpoll-delay", "request-path/starved")
		}
		if len(explains) > 0 && mostStopSoon(c) {
			explains = append(explains, "stw-straggler")
		}
		stops := evidence.StopEvidence(p, c.Worst().Items(), func(r *parse.Range) bool { return !r.Stop.GC }, true)
		p.Find(analysis.Finding{
			Severity: severity, Explains: explains, During: stops,
			Summary: fmt.Sprintf("The program stops the world itself: %s (%s), %s of the time %s, the longest %s; most at %s (%s)", say.Counted(n, "time", "times"),
				analysis.FormatRate(rate), say.Percent(worst.Score), window.In(p, worst.From, worst.To), p.Dur(longest), ranked[0].Site, names[ranked[0].Site]),
			Cost:       evidence.WallTime(p, sum.Halt),
			Confidence: analysis.Measured,
			Evidence: append(evidence.SiteEvidence(p, ranked, worst.From, worst.To, func(s *measures.STWSum) string {
				return fmt.Sprintf("%s, %s in all, the longest %s", say.Counted(s.N, "stop", "stops"), p.Dur(s.Halt), p.Dur(s.MaxHalt))
			}), stops...),
			Advice: insteadOf(names[ranked[0].Site]) + " stw.other.count and stw.other.total.total should fall.",
			Caveat: "Stops by the start of the trace are left out; those of tools that ran only because of the trace are not.",
		})
		return nil
	},
}

// insteadOf is what to do instead of a stop of that kind (runtime2.go: stwReasonStrings).
func insteadOf(kind string) string {
	switch kind {
	case "read mem stats":
		return "Read runtime/metrics instead of runtime.ReadMemStats: that needs no stop."
	case "all goroutines stack trace":
		return "Dump the stacks of all goroutines only when something is wrong (pprof.Lookup(\"goroutine\") with debug=0 stops for a moment only; debug=2 and runtime.Stack(all) for all of the dump)."
	case "goroutine profile", "goroutine profile cleanup":
		return "Take goroutine profiles less often."
	case "GOMAXPROCS":
		return "Set GOMAXPROCS once, at the start."
	case "write heap dump":
		return "Write heap dumps of a copy of the service, or not at all: a heap profile needs no stop."
	}
	return "Ask for it less often."
}
