package blocking

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var slowHandover = &analysis.Analyzer{
	Name: "slow-handover", Proof: "holders.graph",
	Doc:      say.Page(pages, "slow-handover"),
	Requires: []*analysis.Analyzer{measures.Kinds, measures.Holders},
	Thresholds: []analysis.Threshold{
		{
			Name: "slow-handover.share", Doc: "share of the time in which goroutines wait at one place for another that is only waiting for a P", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1, Warning: .25, Error: .5},
			Source: "the price of the hand-over itself: a tenth of the time shows, a quarter is worth another design, with half of it the program takes twice as long",
		},
		{
			Name: "slow-handover.waits", Doc: "waits at this place", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 100}, Source: "fewer are not a way of working",
		},
		{
			Name: "slow-handover.work", Doc: "running time of the one waited for, as a share of its waits for a P", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .5}, Source: "who works longer than half of what it costs to wake it is worth waking",
		},
		{
			Name: "slow-handover.queue", Doc: "share of its waits for a P in which other goroutines ran", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .5}, Source: "else the Ps are the limit, and not the hand-over",
		},
	},
	Run: func(p *analysis.Pass) error {
		h := measures.HoldersOf(p)
		found, any := 0, false
		var near analysis.Gate
		for _, place := range h.Places {
			if place.Place.Prim.Lock() || place.Place.Prim == parse.PrimWaitGroup || 2*place.Busy() < place.Waited || !p.Met("waits", float64(place.Waits)) {
				continue
			}
			any = true
			hop := place.By(func(x *measures.HeldPart) bool { return x.State == parse.GoRunnable })
			busy := place.By(func(x *measures.HeldPart) bool {
				return x.State == parse.GoRunnable && x.Cause != parse.CauseWakeup && x.Cause != parse.CauseScheduler && x.Cause != parse.CauseUnknown && x.Cause != parse.CauseSyscall
			})
			ran := place.By(func(x *measures.HeldPart) bool { return x.State == parse.GoRunning })
			share := say.Ratio(hop, p.Trace.Duration())
			g := p.Gate(analysis.Grades("share", share), analysis.Needs("work", say.Ratio(ran, hop)), analysis.Needs("queue", say.Ratio(busy, hop)), analysis.Needs("waits", float64(place.Waits)))
			if g.Severity == "" || found == evidence.MaxFindings {
				near = near.Nearer(g.At(place.Label))
				continue
			}
			found++
			r := reason{place, h.Chain(place)}
			other := "another goroutine"
			if len(place.Holders) > 0 {
				other = place.Holders[0].Kind.Name
			}
			verb := "wait"
			if len(place.Waiters) == 1 && place.Waiters[0].Kind.Count == 1 {
				verb = "waits"
			}
			p.Find(analysis.Finding{
				Severity: g.Severity,
				Summary: fmt.Sprintf("Handing over costs more than the work: %s %s at %s for %s, which is only waiting to run for %s of the time (%s, %s each) and runs %s for each; %s hand-overs a second",
					place.Waiting(), verb, place.Label, other, analysis.FormatRatio(share), say.Counted(place.Waits, "time", "times"), p.Dur(hop/place.Waits), p.Dur(ran/place.Waits),
					say.Number(say.PerSecond(place.Waits, p.Trace.Duration()))),
				Cost: evidence.WallTime(p, hop), Confidence: analysis.Measured,
				Evidence: append([]analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: p.SiteName(place.Place.Stack), Note: "waits here for the other", Stack: p.Stack(place.Place.Stack)})}, r.evidence(p)...),
				Advice:   "Hand over more at once: send a batch, or move the loop to the goroutine that does the work (all the more where it is locked to a thread, and each hand-over switches threads); where both can be one goroutine, call instead. hold.runnable should fall.",
				Caveat:   "With fewer CPUs than Ps the wait for a P includes the wait for a CPU.",
			})
		}
		switch {
		case found > 0:
		case !any:
			p.NotApplicable(fmt.Sprintf("at no place did goroutines wait %s times for another", analysis.FormatCount(int64(p.Limit("waits")))))
		default:
			p.Clear(near)
		}
		return nil
	},
}
