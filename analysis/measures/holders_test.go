package measures

import (
	"maps"
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

// TestHoldersSum: the parts of each place are all the time with a waiter there.
func TestHoldersSum(t *testing.T) {
	for _, name := range []string{"mixed-go121", "mixed-go122", "mixed-go126", "http-healthy", "heartbeat", "lock-5ms", "pool-too-small"} {
		tr, evs := analysistest.Events(t, analysistest.Testdata(t, name))
		p := analysis.NewPartial([]*analysis.Analyzer{Holders})
		held, peers := make(map[parse.PlaceID]int64), make(map[parse.PlaceID]int64)
		for i := range evs {
			p.Event(&evs[i])
			if e := &evs[i]; e.Kind == parse.KindHold && e.Hold.Peer {
				peers[e.Hold.Place] += e.Hold.Held
			} else if e.Kind == parse.KindHold {
				held[e.Hold.Place] += e.Hold.Held
			}
		}
		h := newHolders(tr, p.Folds[Holders].(*HoldersFold), newKinds(tr, p.Folds[Kinds].(*KindsFold)))
		if len(h.Places) != len(held) || len(held) == 0 {
			t.Errorf("%s: %d places of %d", name, len(h.Places), len(held))
		}
		maps.Copy(held, peers)
		for _, place := range slices.Concat(h.Places, h.Peers) {
			var parts int64
			for _, part := range place.Parts {
				parts += part.NS
			}
			if parts != place.Held || place.Held != held[place.ID] {
				t.Errorf("%s: %s: parts sum to %d of %d ns, held %d", name, place.Label, parts, place.Held, held[place.ID])
			}
			if c := h.Chain(place); c.Share < 0 || c.Share > 1 || len(c.Steps) == 0 || c.Text() == "" {
				t.Errorf("%s: %s: chain %+v", name, place.Label, c)
			}
		}
	}
}
