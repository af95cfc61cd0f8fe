package procs

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

var SaturatedPs = &analysis.Analyzer{
	Name: "saturated", Proof: "parallelism.time",
	Doc:         say.Page(pages, "saturated"),
	Interactive: true,
	Covers:      []string{"limits/cpu"},
	Thresholds: []analysis.Threshold{
		{
			Name: "saturated.share", Doc: "share of the time with all Ps busy and a runnable user goroutine or more for each", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .5, Error: .9},
			Source: "half of the time every goroutine that wakes up waits for a whole run of another one; at 90 % the queue never drains",
		},
		{
			Name: "saturated.second", Doc: "share of the worst second with all Ps busy and a runnable user goroutine or more for each", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .9},
			Source: "as before; a second of it is a burst of work, worth knowing",
		},
		{
			Name: "saturated.user", Doc: "share of P time in user code", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .5},
			Source: "else GC or system calls keep the Ps busy",
		},
		{
			Name: "saturated.time", Doc: "time with all Ps busy and a runnable user goroutine or more for each", Unit: analysis.NS, Levels: analysis.Levels{Note: 100e6},
			Source: "ten time slices (proc.go:forcePreemptNS)",
		},
		{
			Name: "saturated.outside", Doc: "waits of user goroutines that timers and the network ended; with fewer the finding is a note", Unit: analysis.Count, Levels: analysis.Levels{Note: 10},
			Source: "as latency-tail.outside: a batch job is meant to keep all Ps busy",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Parallelism, measures.Goroutines, measures.Kinds, measures.Latency, measures.Waits},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		wall := p.Trace.Duration()
		f := measures.ParallelismOf(p)
		w := window.Worst(p, f.Over(), window.Second, window.Mean(measures.OverSaturated))
		user, _ := p.Value("procs.share.user")
		g := p.Gate(analysis.Either(analysis.Grades("share", say.Ratio(f.Saturated(), wall)), analysis.Grades("second", w.Score)), analysis.Needs("time", float64(f.Saturated())), analysis.Needs("user", user))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		severity := g.Severity
		if !p.Met("outside", evidence.WokenFromOutside(p)) {
			severity = analysis.Note
		}
		from, to := p.Rel(w.From), p.Rel(w.To)
		finding := analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("The Ps are saturated (GOMAXPROCS %.0f): all were busy, with a user goroutine or more waiting for each, for %s of the time (%s in the worst second)%s; user code had %s of P time, %s goroutines waited on average",
				evidence.MeanProcs(p), analysis.FormatRatio(say.Ratio(f.Saturated(), wall)), analysis.FormatRatio(w.Score), whoRan(p),
				analysis.FormatRatio(user), measures.MeanCount(float64(f.Runnable().Sum()-f.Yielding())/float64(wall))),
			Cost:     evidence.WallTime(p, f.Saturated()),
			Evidence: append([]analysis.Evidence{{From: from, To: to, Note: "the worst second"}}, evidence.RunningEvidence(p)...),
			Advice:   "Do less work, admit less of it at once, or add CPUs and Ps; goroutines.runnable.mean should fall towards 0.",
			Caveat:   "A batch job is meant to keep all Ps busy.",
			Explains: []string{"preempt-heavy", "gomaxprocs-advice/more"},
		}
		if evidence.Causes(f.Saturated(), f.Full()) {
			finding.Explains = append(finding.Explains, "late-timers")
		}
		if evidence.CauseShare(p, parse.CauseUser) >= evidence.ExplainsFrom {
			finding.Explains = append(finding.Explains, "latency-tail", "netpoll-delay", "runnable-burst", "saturated-stage/starved", "lock-convoy/starved", "request-path/starved")
		}
		p.Find(finding)
		return nil
	},
}

// whoRan names the place where most of the running was, and whose most of it was; it
// comes before numbers, since the verdict takes over what fits.
func whoRan(p *analysis.Pass) string {
	at := evidence.RanMostly(p)
	kind, share := evidence.Busiest(p)
	switch {
	case share < .5 || at != "" && strings.Contains(at, kind.Name):
		return at
	case at != "":
		return at + ", most by " + kind.Title()
	default:
		return fmt.Sprintf("; %s of all running is that of %s", analysis.FormatRatio(share), kind.Title())
	}
}
