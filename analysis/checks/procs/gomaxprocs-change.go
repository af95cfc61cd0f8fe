package procs

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

var gomaxprocsChange = &analysis.Analyzer{
	Name: "gomaxprocs-change", Proof: "trust.gomaxprocs",
	Doc: say.Page(pages, "gomaxprocs-change"),
	Thresholds: []analysis.Threshold{
		{
			Name: "gomaxprocs-change.count", Doc: "changes of GOMAXPROCS", Unit: analysis.Count, Levels: analysis.Levels{Note: 1},
			Source: "each stops the world, and numbers per P from before and after do not compare",
		},
	},
	Requires: []*analysis.Analyzer{measures.Trust, measures.Parallelism, measures.Timeline, measures.Latency, measures.STW},
	Run: func(p *analysis.Pass) error {
		steps := measures.ParallelismOf(p).Steps()
		if steps.N == 0 {
			p.NotApplicable("the trace does not tell GOMAXPROCS; record with Go 1.22 or later")
			return nil
		}
		g := p.Gate(analysis.Grades("count", float64(steps.N-1))).At(fmt.Sprintf("GOMAXPROCS %d", steps.Last))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		var values []string
		var shown []analysis.Evidence
		var fewer int64 // ns below the largest
		for i, s := range steps.First {
			values = append(values, fmt.Sprint(s.Procs))
			end := p.Trace.To
			if i+1 < len(steps.First) {
				end = steps.First[i+1].At
			}
			if s.Procs < steps.Max {
				fewer += int64(end - max(s.At, p.Trace.From))
			}
			if len(shown) < 7 {
				shown = append(shown, analysis.Evidence{From: p.Rel(max(s.At, p.Trace.From)), To: p.Rel(end), Note: fmt.Sprintf("GOMAXPROCS %d", s.Procs)})
			}
		}
		if steps.N > int64(len(steps.First)) {
			values = append(values, "…")
		}
		c := measures.STWOf(p)
		by := make(map[measures.STWSite]*measures.STWSum)
		for k, s := range c.Sites() {
			if p.Trace.String(k.Kind) == "GOMAXPROCS" {
				by[k] = s
			}
		}
		var halted int64
		for _, s := range by {
			halted += s.Halt
		}
		callers := measures.RankSites(p, by, func(k measures.STWSite) parse.StackID { return k.Stack }, (*measures.STWSum).Add, func(s *measures.STWSum) int64 { return max(1, s.Halt) })
		where := ""
		if len(callers) > 0 {
			where = ", most at " + callers[0].Site
			shown = append(shown, evidence.LimitRows(evidence.SiteEvidence(p, callers, p.Trace.From, p.Trace.To, func(s *measures.STWSum) string {
				return fmt.Sprintf("%s of the world, %s in all", say.Counted(s.N, "stop", "stops"), p.Dur(s.Halt))
			}), 3)...)
		}
		finding := analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("GOMAXPROCS changed %s (%s)%s; it was below %d for %s",
				say.Counted(steps.N-1, "time", "times"), firstSteps(values), where, steps.Max, p.Dur(fewer)),
			Evidence: shown,
			Advice:   "Set GOMAXPROCS once, at the start, to the CPUs there are; procs.gomaxprocs.min should equal procs.gomaxprocs.max. To check the program, analyse a part of the trace without a change (--from, --to).",
			Caveat:   "Since Go 1.25 the runtime itself follows the CPU limit of the container (runtime/proc.go: sysmonUpdateGOMAXPROCS).",
		}
		if halted > 0 {
			finding.Summary += fmt.Sprintf("; its stops of the world took %s", p.Dur(halted))
			finding.Cost = evidence.WallTime(p, halted)
		}
		if longWaitsBelow(p, steps) >= evidence.ExplainsFrom {
			finding.Explains = []string{"latency-tail", "slice-overrun"}
		}
		p.Find(finding)
		return nil
	},
}

// longWaitsBelow is the share of waits of 1 ms or longer that ended while GOMAXPROCS
// was below its maximum.
func longWaitsBelow(p *analysis.Pass, steps *measures.GomaxprocsSteps) float64 {
	s := measures.LatencyOf(p).OverTime()
	var below, all int64
	for b := range s.Len() {
		at := parse.Time(s.Start() + int64(b)*s.Width() + s.Width()/2)
		procs := steps.First[0].Procs
		for _, step := range steps.First {
			if step.At <= at {
				procs = step.Procs
			}
		}
		for lane := measures.LatencyLane(measures.LongWait); lane < s.Lanes(); lane++ {
			n := s.At(b, lane)
			all += n
			if procs < steps.Max {
				below += n
			}
		}
	}
	return say.Ratio(below, all)
}

// firstSteps joins values that followed each other, the first ones of many.
func firstSteps(values []string) string {
	const most = 8
	if len(values) > most {
		values = append(slices.Clone(values[:most]), "…")
	}
	return strings.Join(values, " → ")
}
