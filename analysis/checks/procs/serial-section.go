package procs

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

var serialSection = &analysis.Analyzer{
	Name:   "serial-section",
	Doc:    say.Page(pages, "serial-section"),
	Covers: []string{"limits/serial"},
	Thresholds: []analysis.Threshold{
		{
			Name: "serial-section.alone", Doc: "share of the time in which exactly one user goroutine ran, none was runnable and no P was in a system call", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5, Warning: .75},
			Source: "Amdahl: with half of the time serial no number of Ps more than doubles the speed, with three quarters none gains a third",
		},
		{
			Name: "serial-section.waiting", Doc: "user goroutines blocked on locks, conditions and channels, on average", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .25, Warning: 2},
			Source: "somebody must wait for the serial part: planted ones have 0.34 to 32. One may be main that waits for the end",
		},
		{
			Name: "serial-section.owner", Doc: "share of goroutines that are about one function in that time", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5},
			Source: "else the part that ran alone is a different one each time: light load, or tests one after the other",
		},
		{
			Name: "serial-section.time", Doc: "time in which exactly one user goroutine ran, none was runnable and no P was in a system call", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6},
			Source: "ten time slices (proc.go:forcePreemptNS)",
		},
		{
			Name: "serial-section.procs", Doc: "GOMAXPROCS, on average", Unit: analysis.Count, Levels: analysis.Levels{Note: 1.5},
			Source: "on one P everything is serial",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Parallelism, measures.Goroutines, measures.Kinds, measures.Blocking, measures.Latency},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		procs := evidence.MeanProcs(p)
		if !p.Met("procs", procs) {
			p.NotApplicable("there is one P only; record with GOMAXPROCS 2 or more")
			return nil
		}
		wall := p.Trace.Duration()
		f := measures.ParallelismOf(p)
		alone := f.Alone()
		var blocked float64
		for _, id := range []string{"block.sync.total", "block.chan.total"} {
			v, _ := p.Value(id)
			blocked += v
		}
		blocked /= float64(wall)
		owner, share := ranAlone(p)
		g := p.Gate(analysis.Grades("alone", say.Ratio(alone, wall)), analysis.Grades("waiting", blocked), analysis.Needs("owner", share), analysis.Needs("time", float64(alone)), analysis.Needs("procs", procs))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("A serial part limits the program: exactly one user goroutine ran, and no other could, for %s of the time on %s, while %s others were blocked on locks and channels on average; %s of it is that of %s%s",
				analysis.FormatRatio(say.Ratio(alone, wall)), say.Counted(int64(procs+.5), "P", "Ps"), measures.MeanCount(blocked), analysis.FormatRatio(share), owner.Title(), evidence.RanMostly(p)),
			Cost:     evidence.WallTime(p, alone),
			Evidence: aloneEvidence(p, owner),
			Advice:   "Split that work over goroutines, or make it shorter; more Ps change nothing. goroutines.running.mean should rise above 1.",
			Caveat:   "A program with one thing to do is serial by nature.",
		})
		return nil
	},
}

// ranAlone are the goroutines that ran the longest while no other could, by what they are
// about, and their share of all time of that kind; nil where there is none.
func ranAlone(p *analysis.Pass) (kind *measures.GoKind, share float64) {
	var all, most int64
	for _, k := range measures.KindsOf(p).All {
		all += k.Alone
		if k.Alone > most || k.Alone == most && most > 0 && k.Name < kind.Name {
			kind, most = k, k.Alone
		}
	}
	return kind, say.Ratio(most, all)
}

// aloneEvidence is what these did, and where runs ended.
func aloneEvidence(p *analysis.Pass, kind *measures.GoKind) []analysis.Evidence {
	alone := evidence.Whole(p, analysis.Evidence{Func: kind.Name, Note: "ran alone for " + p.Dur(kind.Alone)})
	return append([]analysis.Evidence{alone}, evidence.RunningEvidence(p)...)
}
