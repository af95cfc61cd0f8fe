package blocking

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var queueHead = &analysis.Analyzer{
	Name: "queue-head", Proof: "holders.graph",
	Doc:      say.Page(pages, "queue-head"),
	Covers:   []string{"lock-convoy/pool"},
	Requires: []*analysis.Analyzer{measures.Kinds, measures.Holders},
	Thresholds: []analysis.Threshold{
		{
			Name: "queue-head.share", Doc: "share of the time in which goroutines wait behind one that waits itself at the head of the queue", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .02, Warning: .1, Error: .5},
			Source: "the least cost of a warning; a tenth of the time shows in the tail of every tenth request; half of it in every second one",
		},
		{
			Name: "queue-head.waiting", Doc: "goroutines that wait behind it, mean of the trace; with fewer the finding is a note", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1}, Source: "as lock-convoy.queue: somebody always waits",
		},
		{
			Name: "queue-head.waits", Doc: "waits at this place", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "as lock-convoy.waits",
		},
	},
	Run: func(p *analysis.Pass) error {
		h := measures.HoldersOf(p)
		found, any := 0, false
		var near analysis.Gate
		for _, place := range h.Places {
			if !queues(p.Trace, place) {
				continue
			}
			any = true
			chain := h.Chain(place)
			first := &chain.Steps[0]
			if len(chain.Steps) < 2 || chain.Steps[1].Place.Place.Inner != place.Place.Inner || chain.Steps[1].Place == place {
				continue
			}
			head := chain.Steps[1].Place
			ns := int64(float64(place.Held) * first.Share)
			share, waiting := say.Ratio(ns, p.Trace.Duration()), say.Ratio(place.Busy(), p.Trace.Duration())
			g := p.Gate(analysis.Grades("share", share), analysis.Needs("waits", float64(place.Waits)))
			if g.Severity == "" || found == evidence.MaxFindings {
				near = near.Nearer(g.At(place.Label))
				continue
			}
			severity := g.Severity
			if !p.Met("waiting", waiting) {
				severity = analysis.Note
			}
			found++
			r := reason{place, chain}
			shown := []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: p.SiteName(place.Place.Stack), Note: say.Number(waiting) + " wait here at any time", Stack: p.Stack(place.Place.Stack)})}
			p.Find(analysis.Finding{
				Severity: severity,
				Summary: fmt.Sprintf("%s, at the head of a queue, holds up the others: it waits at %s, and behind it for %s of the time %s (%s in %s, longest time in the way %s)%s",
					first.Holder, head.Label, analysis.FormatRatio(share), place.Waiting(), p.Dur(place.Busy()), say.Counted(place.Waits, "wait", "waits"), p.Dur(place.Longest), r.text()),
				Cost: evidence.WallTime(p, ns), Confidence: analysis.Inferred,
				Evidence: append(shown, r.evidence(p)...)[:min(maxEvidence, 1+len(r.evidence(p)))],
				Advice:   fmt.Sprintf("Let %s ask for less at once (in steps), use a queue of its own for it, or let it run when nobody else does: a queue is served in order, so who asks for much blocks who asks for little, though that is free. hold.waiting should fall.", first.Holder),
				Caveat:   "That both wait in one queue is told from the library function that they wait in. A chain of several places is made of their sums, not of one wait.",
			})
		}
		switch {
		case found > 0:
		case !any:
			p.NotApplicable("no goroutine waited in a queue that a library keeps, such as a weighted semaphore")
		default:
			evidence.Clear(p, "no goroutine that waited behind one that waits in the same queue", near)
		}
		return nil
	},
}

// queues reports whether goroutines wait at a place in a function of a library that is
// no part of the standard library's locks and channels: it has a queue of its own.
func queues(tr *parse.Trace, place *measures.HeldPlace) bool {
	inner := tr.String(place.Place.Inner)
	return !place.Place.Prim.Lock() && place.Place.Call != 0 && place.Place.Inner != place.Place.Site.Func && !parse.IsStd(inner)
}
