package procs

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

var serialSection = &analysis.Analyzer{
	Name: "serial-section", Proof: "parallelism.profile",
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
			Name: "serial-section.parallel", Doc: "share of the time in which two or more user goroutines ran", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1, Warning: .2},
			Source: "the program can use several Ps: what runs alone is a phase between two that do",
		},
		{
			Name: "serial-section.owner", Doc: "share of the goroutines of one kind in the time in which exactly one ran", Unit: analysis.Ratio,
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
		{
			Name: "serial-section.paced", Doc: "share of the lives of that kind in which it rests between rounds by the clock, where others are not held up; with more, it is paced", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .2},
			Source: "a loop of frames, ticks or polls with a fifth of its time to spare: with faster work it rests longer",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Parallelism, measures.Goroutines, measures.Kinds, measures.Blocking, measures.Latency, measures.Preemption, measures.Syscalls},
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
		alone := alone(p)
		var blocked float64
		for _, id := range []string{"block.sync.total", "block.chan.total"} {
			v, _ := p.Value(id)
			blocked += v
		}
		blocked /= float64(wall)
		parallel := say.Ratio(wall-f.Running().At(0)-f.Running().At(1), wall)
		owner, share := evidence.Alone(p)
		if owner == nil {
			p.NotApplicable("no user goroutine ran alone in this trace; record while the program works")
			return nil
		}
		paced := evidence.Paced(p, owner)
		if p.Met("waiting", evidence.HeldUpBeside(p, owner)) {
			paced = 0 // its rests are no comfort to those who wait for it
		}
		g := p.Gate(analysis.Either(analysis.Both(analysis.Grades("alone", say.Ratio(alone, wall)), analysis.Grades("waiting", blocked)),
			analysis.Both(analysis.Needs("alone", say.Ratio(alone, wall)), analysis.Grades("parallel", parallel))), analysis.Needs("owner", share), analysis.Needs("time", float64(alone)), analysis.Needs("procs", procs), analysis.Needs("paced", paced))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		others := fmt.Sprintf("two or more ran for %s", analysis.FormatRatio(parallel))
		if p.Met("waiting", blocked) {
			others = fmt.Sprintf("meanwhile %s others were blocked on locks and channels on average", measures.MeanCount(blocked))
		}
		p.Find(serial(p, owner, analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("A serial part limits the program: for %s of the time exactly one user goroutine ran, and no other could, though there are %s: %s of it %s%s; %s",
				analysis.FormatRatio(say.Ratio(alone, wall)), say.Counted(int64(procs+.5), "P", "Ps"), analysis.FormatRatio(share), evidence.Ran(owner), evidence.AloneAt(p), others),
			Cost: evidence.WallTime(p, alone),
		}))
		return nil
	},
}

// serial completes a finding about a part of the program that runs alone. Tests run one
// after the other by design.
func serial(p *analysis.Pass, owner *measures.GoKind, f analysis.Finding) analysis.Finding {
	alone := evidence.Whole(p, analysis.Evidence{Func: owner.Name, Note: "ran alone for " + p.Dur(owner.Alone)})
	f.Evidence = append([]analysis.Evidence{alone}, evidence.RunningEvidence(p)...)
	f.Advice = "Split that work over goroutines, or make it shorter; more Ps change nothing. goroutines.running.mean should rise above 1."
	f.Caveat = "A program with one thing to do is serial by nature."
	if strings.HasPrefix(owner.Entry, "testing.") {
		f.Severity = analysis.Note
		f.Advice = "Tests run one after the other unless they call t.Parallel: let those run side by side that share nothing. goroutines.running.mean should rise above 1."
	}
	if strings.HasPrefix(owner.Entry, "testing.(*B).") {
		f.Advice = "A benchmark runs one goroutine unless it calls b.RunParallel: it takes as long as what it measures. Make that shorter; ns/op should fall."
	}
	return f
}
