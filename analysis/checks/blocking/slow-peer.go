package blocking

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var slowPeer = &analysis.Analyzer{
	Name: "slow-peer", Proof: "holders.graph",
	Doc:      say.Page(pages, "slow-peer"),
	Requires: []*analysis.Analyzer{measures.Kinds, measures.Holders},
	Thresholds: []analysis.Threshold{
		{
			Name: "slow-peer.blocked", Doc: "goroutines blocked in writing to the network at one place, mean of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .1, Warning: .25, Error: 16},
			Source: "a write waits only when the peer is a whole socket buffer behind: a tenth and a quarter of the time are no moment of congestion; sixteen at any time as lock-convoy.queue",
		},
		{
			Name: "slow-peer.length", Doc: "length of the waits there, on average", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6}, Source: "within a millisecond a peer on the same network that reads has made room",
		},
		{
			Name: "slow-peer.waits", Doc: "waits at this place", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "fewer may be one slow moment",
		},
		{
			Name: "slow-peer.behind", Doc: "share of the time in which other goroutines wait for who is blocked there; with less the finding is a note", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .02}, Source: "the least cost of a warning; where nobody waits behind it, the slow peer is slow for itself",
		},
	},
	Run: func(p *analysis.Pass) error {
		h := measures.HoldersOf(p)
		type writes struct {
			kind *measures.GoKind
			stay *measures.Stay
		}
		var places []writes
		for _, k := range h.Kinds.All {
			for _, s := range k.Stays {
				if s.State == parse.GoWaiting && s.Place.Prim == parse.PrimNetwork && strings.HasSuffix(s.Label, "write)") {
					places = append(places, writes{k, s})
				}
			}
		}
		if len(places) == 0 {
			p.NotApplicable("no goroutine waited to write to the network; record while the program serves its peers")
			return nil
		}
		found := 0
		var near analysis.Gate
		for _, w := range places {
			s := w.stay
			blocked, mean := say.Ratio(s.NS, p.Trace.Duration()), s.NS/max(s.N, 1)
			g := p.Gate(analysis.Grades("blocked", blocked), analysis.Needs("length", float64(mean)), analysis.Needs("waits", float64(s.N)))
			if g.Severity == "" || found == evidence.MaxFindings {
				near = near.Nearer(g.At(s.Label))
				continue
			}
			severity := g.Severity
			found++
			behind, ns := behindPlace(h, s.PlaceID)
			if !p.Met("behind", say.Ratio(ns, p.Trace.Duration())) {
				severity = analysis.Note
			}
			cost := min(max(ns, s.NS/max(w.kind.Count, 1)), p.Trace.Duration())
			shown := []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: s.Label, Note: fmt.Sprintf("%s of the lives of %s", analysis.FormatRatio(w.kind.Share(s.NS)), w.kind.Title()), Stack: p.Stack(s.Place.Stack)})}
			behindText := "nobody waits for them"
			if behind != nil {
				chain := h.Chain(behind)
				behindText = "behind them: " + behind.Waiting() + " ← " + chain.Text()
				r := reason{behind, chain}
				shown = append(shown, r.evidence(p)...)
			}
			p.Find(analysis.Finding{
				Severity: severity,
				Summary: fmt.Sprintf("Writes to the network block at %s: %s of %s at any time, %s in %s, longest %s; %s",
					s.Label, say.Number(blocked), w.kind.Title(), p.Dur(s.NS), say.Counted(s.N, "wait", "waits"), p.Dur(s.Longest), behindText),
				Cost: evidence.WallTime(p, cost), Confidence: analysis.Measured,
				Evidence: shown[:min(len(shown), maxEvidence)],
				Advice:   "A peer that reads slowly stops who writes to it: set a write deadline, give each peer a queue of its own that drops or closes when full, and never write to a peer with a lock held or in a loop over all peers. hold.waiting should fall.",
				Caveat:   "The trace tells that the socket was full, not why: a slow peer, a slow network and a small buffer look the same.",
			})
		}
		if found == 0 {
			p.Clear(near)
		}
		return nil
	},
}

// behindPlace is the place with the most time in which goroutines wait whose chain ends
// at a place, and that time.
func behindPlace(h *measures.HeldPlaces, root parse.PlaceID) (behind *measures.HeldPlace, ns int64) {
	for _, place := range h.Places {
		if place.Busy() == 0 {
			continue
		}
		c := h.Chain(place)
		if part := c.Root.Part; part == nil || part.ID != root {
			continue
		}
		if held := int64(float64(place.Held) * c.Share); held > ns {
			behind, ns = place, held
		}
	}
	return behind, ns
}
