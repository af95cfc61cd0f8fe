package procs

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
)

var idlePsIOBound = &analysis.Analyzer{
	Name: "idle-ps-io-bound", Proof: "timeline.time",
	Doc: say.Page(pages, "idle-ps-io-bound"),
	Thresholds: []analysis.Threshold{
		{
			Name: "idle-ps-io-bound.idle", Doc: "share of P time idle", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .7},
			Source: "with 70 % idle a queue for Ps is short at any number of them",
		},
		{
			Name: "idle-ps-io-bound.waiting", Doc: "share of the time of user goroutines spent on the network or sleeping", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .8}, Source: "the rest is too little to matter",
		},
		{
			Name: "idle-ps-io-bound.rate", Doc: "wake-ups of goroutines by the network poller per second", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 100}, Source: "a program that does nothing is not bound by anything",
		},
		{
			Name: "idle-ps-io-bound.wakeups", Doc: "wake-ups of goroutines by the network poller", Unit: analysis.Count, Levels: analysis.Levels{Note: 100}, Source: "population",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Netpoll, measures.Goroutines, measures.Blocking},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		wall := p.Trace.Duration()
		idle, known := p.Value("procs.share.idle")
		of := measures.GoroutinesOf(p).UserTime()
		if !known || of == 0 {
			p.NotApplicable("no P or no user goroutine is in this trace; record while the program works")
			return nil
		}
		network, _ := p.Value("block.network.total")
		sleep, _ := p.Value("block.sleep.total")
		wakeups, _ := p.Value("netpoll.wakeups")
		rate := wakeups / float64(wall) * 1e9
		share := (network + sleep) / float64(of)
		g := p.Gate(analysis.Grades("idle", idle), analysis.Grades("waiting", share), analysis.Needs("rate", rate), analysis.Needs("wakeups", wakeups))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("CPU is not the limit: Ps were idle for %s of their time, and user goroutines spent %s of theirs waiting for the network or sleeping",
				analysis.FormatRatio(idle), analysis.FormatRatio(share)),
			Cost:     evidence.GoTime(p, int64(network+sleep)),
			Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Note: fmt.Sprintf("network %s, sleep %s of user goroutines", p.Dur(int64(network)), p.Dur(int64(sleep)))})},
			Advice:   "To be faster, look at what is at the other end of the connections, and at how many requests are under way at once; faster code or more Ps change little. block.network.total should fall for the same work.",
			Caveat:   "Goroutines that wait for connections nobody uses count as well.",
		})
		return nil
	},
}
