package gc

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

var serialMark = &analysis.Analyzer{
	Name: "serial-mark", Proof: "gc.cycle",
	Doc:      say.Page(pages, "serial-mark"),
	Requires: []*analysis.Analyzer{measures.GC, measures.Timeline, measures.Goroutines, measures.Kinds},
	Thresholds: []analysis.Threshold{
		{Name: "serial-mark.marking", Doc: "share of the time in concurrent mark", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1, Warning: .3}, Source: "marks that are rare cost little, however long they take"},
		{Name: "serial-mark.time", Doc: "wall time in concurrent mark", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 200e6}, Source: "in less a few marks that waited for a CPU make the mean"},
		{Name: "serial-mark.cycle", Doc: "concurrent mark of a GC cycle, on average", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 5e6}, Source: "a short mark ends before idle Ps have woken up for it"},
		{Name: "serial-mark.parallel", Doc: "Ps that mark or assist while a cycle marks, on average", Unit: analysis.Count, Below: true,
			Levels: analysis.Levels{Note: 1.4}, Source: "idle Ps join the mark as long as there is work to share (mgcpacer.go: needIdleMarkWorker). Measured: 1.2 of 2 Ps for one linked list, 1.7 to 1.9 of 2 and 5.5 of 8 for other large heaps"},
		{Name: "serial-mark.idle", Doc: "idle Ps while a cycle marks, on average", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .3}, Source: "without an idle P the mark has no more to take"},
		{Name: "serial-mark.stuck", Doc: "share of the time that Ps' threads took 1 ms or longer between goroutines; with more the finding is a note and explains nothing", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .03}, Source: "as oversubscribed-host.stuck: workers that wait for a CPU do not mark"},
		{Name: "serial-mark.run", Doc: "longest time that a user goroutine ran without a stop; from here on, and from half a mark, it is what the mark waits for", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6}, Source: "ten time slices: a worker asks a goroutine to stop until it does, to scan its stack (preempt.go: suspendG)"},
	},
	Run: func(p *analysis.Pass) error {
		c := measures.GCOf(p).Closed(p)
		cycles := c.Cycles() + c.Cut()
		if cycles == 0 || c.Mark() == 0 {
			p.NotApplicable(evidence.NoGC(p))
			return nil
		}
		if procs, _ := p.Value("procs.time"); procs < 1.5*float64(p.Trace.Duration()) {
			p.NotApplicable("there is one P only; record with GOMAXPROCS 2 or more")
			return nil
		}
		var worked int64
		for _, w := range c.Workers() {
			worked += w.CPU
		}
		parallel, idle := say.Ratio(worked+c.Assist().CPU, c.Mark()), say.Ratio(c.Idle(), c.Mark())
		marking := say.Ratio(c.Mark(), p.Trace.Duration())
		g := p.Gate(analysis.Grades("marking", marking), analysis.Needs("parallel", parallel), analysis.Needs("idle", idle), analysis.Needs("time", float64(c.Mark())), analysis.Needs("cycle", float64(c.Mark()/cycles)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		severity := g.Severity
		var rows []analysis.Evidence
		for _, e := range c.Longest().Items() {
			if r := e.Item; len(rows) < 5 {
				rows = append(rows, analysis.Evidence{From: p.Rel(r.Since), To: p.Rel(r.Until), Note: "a mark of " + p.Dur(measures.GCMark(&r))})
			}
		}
		explains := []string{"assist-heavy", "assist-queue-wait"} // goroutines that find nothing to mark for their debt
		if p.Met("stuck", say.Ratio(measures.TimelineOf(p).Stuck().NS, p.Trace.Duration())) {
			severity, explains = analysis.Note, nil
		}
		finding := analysis.Finding{
			Severity: severity, Confidence: analysis.Heuristic,
			Summary: fmt.Sprintf("The GC marks one thing after the other: for %s of the time, %s a cycle, %.2f Ps marked on average while %.2f stood idle",
				say.Percent(marking), p.Dur(c.Mark()/cycles), parallel, idle),
			Cost:     evidence.WallTime(p, c.Mark()),
			Evidence: append(rows, evidence.LimitRows(evidence.AllocationSites(p, c, p.Trace.From, p.Trace.To), 5)...),
			Advice:   "Look for long chains of pointers (linked lists, intrusive queues, deep trees built one child at a time): keep their nodes in slices with indices for links, or cut them into many shorter ones. gc.mark.wall should fall.",
			Caveat:   "What is marked is not in a trace. A mark that waits for an oversubscribed machine's CPUs looks alike.",
			Explains: explains,
		}
		if at, run := longestRun(p); p.Met("run", float64(run)) && 2*run >= c.Mark()/cycles {
			finding.Code = "serial-mark/held"
			finding.Explains = append(finding.Explains, "oversubscribed-host/stalled", "limits/serial", "slice-overrun") // that run is alone meanwhile
			finding.Summary = fmt.Sprintf("The GC waits to scan a stack: concurrent mark took %s of the time, %s a cycle, with %.2f Ps at it on average, while a run of %s without a stop held it up (%s)",
				say.Percent(marking), p.Dur(c.Mark()/cycles), parallel, p.Dur(run), at)
			finding.Advice = "Look for a loop there that cannot be preempted: it makes no calls, or GODEBUG asyncpreemptoff=1 is set. Let it call something now and then (runtime.Gosched), or split it. gc.mark.wall should fall."
			finding.Caveat = "That the run held up the mark is told from its length: a goroutine that can be preempted stops within some ms for its stack to be scanned."
		}
		p.Find(finding)
		return nil
	},
}

// longestRun is the longest run of a user goroutine and the place where it ended, or where
// that is not told the function of those that ran the most.
func longestRun(p *analysis.Pass) (at string, ns int64) {
	for _, r := range evidence.RunPlaces(p) {
		if r.V.Longest > ns {
			at, ns = p.SiteName(r.Key), r.V.Longest
			if r.Key == 0 {
				if kind, _ := evidence.Busiest(p); kind != nil {
					at = kind.Name
				}
			}
		}
	}
	return at, ns
}
