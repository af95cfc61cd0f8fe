package sched

import (
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var sliceOverrun = &analysis.Analyzer{
	Name: "slice-overrun", Proof: "preemption.worst",
	Doc: say.Page(pages, "slice-overrun"),
	Thresholds: []analysis.Threshold{
		{
			Name: "slice-overrun.length", Doc: "longest time slice of a P while work was runnable", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: 25e6, Error: 100e6},
			Source: "10 ms (proc.go:forcePreemptNS), up to 10 ms until sysmon looks (proc.go:sysmon), and slack",
		},
		{
			Name: "slice-overrun.far", Doc: "time slices over 30 ms while work was runnable", Unit: analysis.Count, Levels: analysis.Levels{Note: 1, Warning: 3},
			Source: "sysmon and a busy machine explain one; spinning programs have none, those that cannot be preempted 90",
		},
		{
			Name: "slice-overrun.share", Doc: "share of time slices over 30 ms in those over 10 ms, while work was runnable", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .01, Warning: .05},
			Source: "where preemption works, later ones are rare",
		},
		{
			Name: "slice-overrun.waited", Doc: "time that work was runnable beyond the first 10 ms of time slices over 20 ms", Unit: analysis.NS, Levels: analysis.Levels{Note: 1e6, Warning: 10e6},
			Source: "a ms of waiting is felt, 10 ms are a whole time slice",
		},
		{
			Name: "slice-overrun.outside", Doc: "waits of user goroutines that timers and the network ended; with fewer the finding is a note", Unit: analysis.Count, Levels: analysis.Levels{Note: 10},
			Source: "as latency-tail.outside",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Latency, measures.Preemption, measures.Kinds},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.PreemptionOf(p)
		if f.All() == 0 {
			p.NotApplicable("no goroutine ran; record while the program works")
			return nil
		}
		worst := f.Worst().Items()
		var longest int64
		if len(worst) > 0 {
			longest = worst[0].Value
		}
		share := say.Ratio(f.Far(), f.Late()+f.Over())
		lost := f.OverWait()
		g := p.Gate(analysis.Grades("length", float64(longest)), analysis.Grades("far", float64(f.Far())), analysis.Grades("share", share), analysis.Grades("waited", float64(lost)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		severity := g.Severity
		if !p.Met("outside", evidence.WokenFromOutside(p)) || inForcedGC(p.Trace, worst) {
			severity = analysis.Note // what asks for the GC is the cause: see forced-gc
		}
		w := worst[0].Item
		var shown []analysis.Evidence
		for _, e := range worst {
			s := e.Item
			if len(shown) < 8 {
				shown = append(shown, analysis.Evidence{From: p.Rel(s.Start), To: p.Rel(s.End), P: evidence.IDOf(s.P), G: evidence.IDOf(s.G), Func: p.FuncName(s.Func),
					Note: fmt.Sprintf("%s, work runnable for %s, ended: %s", p.Dur(e.Value), p.Dur(s.Contended), measures.EndOf(&s)), Stack: p.Stack(s.Stack)})
			}
		}
		most := ""
		if runs := measures.RankLongRuns(p, f); len(runs) > 0 && runs[0].Label[1] != p.FuncName(w.Func) {
			most = fmt.Sprintf("; most by %s, whose runs ended in %s", runs[0].Label[1], runs[0].Label[0])
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("%s took over 30 ms while work was runnable, the longest %s on P %d, ended in %s%s of %s%s",
				say.Counted(f.Far(), "time slice", "time slices"), p.Dur(longest), w.P, measures.FuncAt(p, w.Stack), evidence.CalledBy(p, w.Stack), evidence.About(p, w.Func), most),
			Cost: evidence.ProcTime(p, float64(lost)), Evidence: shown,
			Advice: overrunAdvice(f) + " preempt.overrun.max should fall below 20 ms.",
			Caveat: "A thread that the operating system took off its CPU looks the same: see oversubscribed-host and cpu-throttled.",
		})
		return nil
	},
}

// overrunAdvice is what to do about long time slices. Where signals end runs, only copies
// and clears, or assembly, hold out against them.
func overrunAdvice(f *measures.PreemptionFold) string {
	if kinds := f.Kinds()[parse.PreemptAsync]; kinds[0].N+kinds[1].N > 0 {
		return "Split huge copies and clears, and loops in assembly, where the slices ended, and look for a machine that takes CPUs away where it was other code, which follows the runtime's signal at once. A CPU profile recorded with the trace tells;"
	}
	return "Let loops without calls be preempted (no asyncpreemptoff=1), split huge copies and clears into pieces, and give the program CPUs of its own: a thread that loses its CPU looks the same."
}

// inForcedGC reports whether most of the time slices ended in a call that asks for the GC
// and waits for it.
func inForcedGC(tr *parse.Trace, worst []sketch.Entry[parse.Slice]) bool {
	var in, all int64
	for _, e := range worst {
		all += e.Value
		if slices.ContainsFunc(tr.Stack(e.Item.Stack), func(f parse.Frame) bool {
			fn := tr.String(f.Func)
			return fn == "runtime.GC" || fn == "runtime/debug.freeOSMemory" || fn == "runtime/debug.FreeOSMemory"
		}) {
			in += e.Value
		}
	}
	return evidence.Causes(in, all)
}
