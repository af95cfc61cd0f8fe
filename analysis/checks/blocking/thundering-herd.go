package blocking

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var thunderingHerd = &analysis.Analyzer{
	Name: "thundering-herd", Proof: "holders.graph",
	Doc:      say.Page(pages, "thundering-herd"),
	Requires: []*analysis.Analyzer{measures.Blocking, measures.Goroutines, measures.Timeline},
	Thresholds: []analysis.Threshold{
		{
			Name: "thundering-herd.rate", Doc: "waits at one sync.Cond.Wait that Broadcast ended, per second", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 2000, Warning: 20e3},
			Source: "as channel-ping-pong: a wake costs 1 to 50 µs in the scheduler, so that 20,000 take a fifth of a P or more",
		},
		{
			Name: "thundering-herd.waiting", Doc: "goroutines that wait at one sync.Cond.Wait, on average", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 8}, Source: "a few workers may all be needed",
		},
		{
			Name: "thundering-herd.run", Doc: "mean of the runs of goroutines until they wait at this sync.Cond.Wait again", Unit: analysis.NS, Below: true,
			Levels: analysis.Levels{Note: 20e3}, Source: "as ticker-storm.work: less work than it costs to wake up for it, as to look whether there is any",
		},
		{
			Name: "thundering-herd.wakes", Doc: "waits at one sync.Cond.Wait that Broadcast ended", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1000}, Source: "one Broadcast to many at the end is no herd",
		},
	},
	Run: runThunderingHerd,
}

func runThunderingHerd(p *analysis.Pass) error {
	sites := measures.WaitingSites(p)
	if evidence.NoWaits(p, sites) {
		return nil
	}
	ended := make(map[string]*measures.GoRuns) // runs, by the place
	for stack, r := range measures.GoroutinesOf(p).Runs().ByKey() {
		tally.At(ended, p.SiteName(stack)).Add(r)
	}
	found := 0
	var near analysis.Gate
	for _, w := range sites {
		if w.Label[0] != "sync.(*Cond).Wait" {
			continue
		}
		var woken int64
		for stack, n := range w.Wakers {
			if slices.ContainsFunc(p.Trace.Stack(stack), func(f parse.Frame) bool {
				return strings.HasPrefix(p.Trace.String(f.Func), "sync.(*Cond).Broadcast")
			}) {
				woken += n
			}
		}
		runs := ended[w.Label[1]]
		if runs == nil || woken == 0 {
			continue
		}
		rate, run, waiting := say.PerSecond(woken, p.Trace.Duration()), runs.Ran/runs.N, say.Ratio(w.Busy(), p.Trace.Duration())
		g := p.Gate(analysis.Grades("rate", rate), analysis.Needs("waiting", waiting), analysis.Needs("run", float64(run)), analysis.Needs("wakes", float64(woken)))
		if g.Severity == "" || found == evidence.MaxFindings {
			near = near.Nearer(g.At(w.Label[1]))
			continue
		}
		found++
		p.Find(analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("Broadcast wakes a herd for next to nothing: %s of %s goroutines that wait at %s, which run %s until they wait again%s",
				analysis.FormatRate(rate), say.Number(waiting), w.Label[1], p.Dur(run), w.WokenBy(p)),
			Cost: evidence.ProcTime(p, float64(runs.Ran)), Confidence: analysis.Inferred,
			Evidence: w.Evidence(p, window.Worst(p, w.OverTime(), window.Moment, window.Mean(0)), fmt.Sprintf("woken %s times", analysis.FormatCount(woken))),
			Advice:   "Wake as many as there is work for: Signal once for each item, or a channel of items, which wakes one receiver. sched.starts.user should fall.",
			Caveat:   "That most find nothing to do is told from how short they run. What waking them costs the scheduler, and their queue for the lock, comes on top of the time shown.",
			Explains: []string{"single-producer-steal"},
		})
	}
	if found == 0 {
		evidence.Clear(p, "no wait at a sync.Cond.Wait that Broadcast ended", near)
	}
	return nil
}
