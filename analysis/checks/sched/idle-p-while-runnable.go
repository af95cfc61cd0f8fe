package sched

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var idlePWhileRunnable = &analysis.Analyzer{
	Name: "idle-p-while-runnable", Proof: "parallelism.time",
	Doc: say.Page(pages, "idle-p-while-runnable"),
	Thresholds: []analysis.Threshold{
		{
			Name: "idle-p-while-runnable.share", Doc: "share of the time in which a P was idle beside a runnable user goroutine for 200 µs or longer", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05, Warning: .3},
			Source: "at most 0.5 % in planted programs that leave CPUs free, 3 % in a healthy service, up to 26 % where threads wait for CPUs",
		},
		{
			Name: "idle-p-while-runnable.waited", Doc: "waiting of user goroutines beside an idle P for 200 µs or longer, as a share of all their waiting for a P", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05, Warning: .5}, Source: "less hides behind other causes",
		},
		{
			Name: "idle-p-while-runnable.count", Doc: "stretches of 200 µs or longer with a P idle beside a runnable user goroutine", Unit: analysis.Count, Levels: analysis.Levels{Note: 20},
			Source: "a few happen on any machine",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Parallelism, measures.Latency},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		if p.Trace.V1() && p.Trace.Fault != nil {
			p.NotApplicable("the end of what Ps recorded is missing: goroutines that had a P seem to wait for one; record the trace up to its end")
			return nil
		}
		f := measures.ParallelismOf(p)
		waited := f.Runnable().Sum() - f.Yielding()
		if waited == 0 {
			p.NotApplicable("no user goroutine waited for a P; record under load")
			return nil
		}
		count, length, mass, longest, at := f.Stalled().Result()
		share := say.Ratio(length, p.Trace.Duration())
		g := p.Gate(analysis.Grades("share", share), analysis.Grades("waited", say.Ratio(mass, waited)), analysis.Needs("count", float64(count)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		from := p.Rel(parse.Time(at))
		shown, _ := wakerEvidence(p, 3)
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("Ps were idle while user goroutines waited for one: during %s of the time, in %s of 200 µs or longer (longest %s at %s); %s of all waiting for a P",
				analysis.FormatRatio(share), say.Counted(count, "stretch", "stretches"), p.Dur(longest), p.At(parse.Time(at)), analysis.FormatRatio(say.Ratio(mass, waited))),
			Cost:     evidence.ProcTime(p, float64(mass)),
			Evidence: append([]analysis.Evidence{{From: from, To: from + longest, Note: "the longest stretch"}}, shown...),
			Advice:   "Waking a thread took long: see oversubscribed-host for CPUs, locked-thread-penalty for runtime.LockOSThread, and the machine's idle states. procs.idle_while_runnable should fall.",
			Caveat:   "A P being woken is still idle in the trace. A goroutine locked to a thread can run on no other, and idle Ps cannot help it.",
		})
		return nil
	},
}
