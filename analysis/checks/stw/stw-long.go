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

// isGCStop tells the two pauses of a cycle from other stops.
func isGCStop(r *parse.Range) bool { return r.Stop.GC }

var stwLong = &analysis.Analyzer{
	Name: "stw-long", Proof: "stw.pauses",
	Doc:      say.Page(pages, "stw-long"),
	Covers:   []string{"limits/stops"},
	Requires: []*analysis.Analyzer{measures.STW, measures.Waits, measures.GC},
	Thresholds: []analysis.Threshold{
		{Name: "stw-long.longest", Doc: "longest GC pause, until the world restarted", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 5e6, Error: 20e6}, Source: "a pause takes 10 to 100 µs; on busy hosts healthy services were measured with single ones of 1 to 5 ms"},
		{Name: "stw-long.share", Doc: "share of the worst second in GC pauses", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .005, Warning: .01, Error: .05}, Source: "1 % of every core; a measured program of 133 cycles/s had 12.6 %"},
		{Name: "stw-long.whole", Doc: "share of the whole time in which the GC stops the world", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .001, Warning: .02, Error: .05}, Source: "a warning is worth 2 % of the time; one bad second of many is worth a note"},
		{Name: "stw-long.pauses", Doc: "GC pauses in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 2}, Source: "a single one may be the operating system's doing"},
	},
	Run: func(p *analysis.Pass) error {
		if p.Trace.Version < 10 {
			p.NotApplicable(measures.NoStops)
			return nil
		}
		c := measures.STWOf(p)
		var sum measures.STWKind
		for _, k := range c.Kinds() {
			if k.GC {
				sum.Merge(k)
			}
		}
		n := sum.Total.N()
		if n == 0 {
			p.NotApplicable("no whole GC pause in the trace; record longer, under load")
			return nil
		}
		worst := window.Worst(p, c.Time(), window.Second, func(sums []int64, ns int64) float64 {
			return say.Ratio(sums[measures.STWGCStopping]+sums[measures.STWGCStopped], ns)
		})
		var longest int64
		for k, s := range c.Sites() {
			if c.Kinds()[k.Kind].GC {
				longest = max(longest, s.MaxHalt)
			}
		}
		g := p.Gate(analysis.Grades("longest", float64(longest)), analysis.Grades("share", worst.Score), analysis.Grades("whole", say.Ratio(sum.Halt, p.Trace.Duration())), analysis.Needs("pauses", float64(n)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		severity := g.Severity
		stopping := say.Ratio(sum.Stopping.Sum(), sum.Halt)
		advice := "The work in the pauses is long: fewer cycles (a higher GOGC, fewer allocations), fewer Ps."
		if stopping >= .5 {
			advice = "Most of it is the wait for the last P to stop: find the code that stops late (stw-straggler), or the thread that has no CPU (GOMAXPROCS above the CPUs or the quota)."
			if r := longestStop(c); r != nil && 2*r.Stopping() >= measures.STWHalt(r) && measures.STWRunsProgram(r) {
				advice = fmt.Sprintf("Most of it is the wait for the last P to stop, in the longest likely for %s: break up what cannot be interrupted there (copies and clears of very large memory, loops without calls), if its thread had a CPU all the time (GOMAXPROCS above the CPUs or the quota).", p.FuncName(r.Stop.LastFunc))
			}
		}
		finding := analysis.Finding{
			Severity: severity,
			Summary: fmt.Sprintf("GC pauses halt the program for %s of the time %s, up to %s at once (n=%s); %s of that is the wait until the last P stops, the rest is the work of the pauses",
				say.Percent(worst.Score), window.In(p, worst.From, worst.To), p.Dur(longest), analysis.FormatCount(n), say.Percent(min(1, stopping))),
			Cost:       evidence.WallTime(p, sum.Halt),
			Confidence: analysis.Measured,
			Evidence:   evidence.StopEvidence(p, c.Worst().Items(), isGCStop, false),
			Advice:     advice + " stw.gc.total.max and stw.gc.total.total should fall.",
			Caveat:     "On a host with fewer CPUs than GOMAXPROCS most of a pause may be the operating system's. A stop of the start of the trace is left out.",
			Explains:   gc.StopsExplained(c, severity, true),
		}
		if evidence.CauseShare(p, parse.CauseSTW) >= evidence.ExplainsFrom {
			finding.Explains = append(finding.Explains, "latency-tail")
		}
		if evidence.MMUPart(p, measures.GCOf(p).Closed(p), measures.GCLanePauses) >= evidence.ExplainsFrom {
			finding.Explains = append(finding.Explains, "mmu-low")
		}
		if stopping >= .5 && gc.PausePart(p) >= evidence.ExplainsFrom {
			finding.Explains = append(finding.Explains, "limits/gc") // what the GC takes is that wait
		}
		p.Find(finding)
		return nil
	},
}

// longestStop is the longest pause of the GC, nil where it is not kept.
func longestStop(c *measures.STWFold) *parse.Range {
	for _, e := range c.Worst().Items() {
		if r := &e.Item; isGCStop(r) {
			return r
		}
	}
	return nil
}
