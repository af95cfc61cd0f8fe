package measures

import (
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/parse"
)

const (
	graphPlaces = 5  // the costliest, without those that their holders wait at
	graphParts  = 2  // of what their holders do
	graphMin    = .1 // the least share that is drawn
	worstPlaces = 32
)

// holdStates are the states of holders by HeldPart.column.
var holdStates = [...]string{"running", "runnable", "in calls", "network", "asleep", "blocked", "not known"}

// graphTable is the graph of waits: from where goroutines wait to what those do for whom
// they wait, with the share of the time in which somebody waits there. One that itself waits
// for another leads to the place where it does.
func graphTable(h *HeldPlaces) *analysis.Table {
	t := &analysis.Table{
		Name: "holders.graph", Title: "who waits where, and what those do for whom they wait, as share of the time with a waiter there", Detail: true,
		Columns: []analysis.Column{
			{Name: "from", Unit: analysis.Text}, {Name: "to", Unit: analysis.Text}, {Name: "state", Unit: analysis.Text}, {Name: "time", Unit: analysis.NS}, {Name: "share", Unit: analysis.Ratio},
		},
	}
	seen := make(map[*HeldPlace]bool)
	var add func(place *HeldPlace)
	add = func(place *HeldPlace) {
		if seen[place] {
			return
		}
		seen[place] = true
		t.N++
		drawn := 0
		for _, part := range place.together() {
			share := say.Ratio(part.NS, place.Held)
			if share < graphMin || drawn == graphParts {
				continue
			}
			drawn++
			to, next := strings.TrimSpace(part.Holder+" "+rootText(part)), h.byID[part.ID]
			if part.State == parse.GoWaiting && next != nil && (part.Place.Prim.Mutual() || next.Peer) && next != place {
				to = graphText(next)
				defer add(next)
			}
			t.Add(graphText(place), to, holdStates[part.column()], part.NS, share)
		}
	}
	for i, place := range h.busiest() {
		if i == graphPlaces || 50*place.Busy() < h.tr.Duration() {
			break
		}
		add(place)
	}
	return t
}

// graphText is who waits at a place, and how.
func graphText(h *HeldPlace) string { return h.Waiting() + " wait for " + h.waitText() }

// together are the parts of a place with all running of a kind of goroutines as one, and
// all their waiting for a P; the largest first.
func (h *HeldPlace) together() (out []*HeldPart) {
	type key struct {
		holder string
		state  parse.GoState
	}
	at := make(map[key]*HeldPart)
	for _, p := range h.Parts {
		k := key{p.Holder, p.State}
		if one := at[k]; one != nil && (p.State == parse.GoRunning || p.State == parse.GoRunnable) {
			one.NS += p.NS
			continue
		}
		sum := *p
		at[k] = &sum
		out = append(out, &sum)
	}
	sortParts(out)
	return out
}

// rootText says what a part is, briefly.
func rootText(p *HeldPart) string {
	r := rootOf(p)
	return r.Text()
}

// worstTable is the longest time that one goroutine was in the way at each of the costliest
// places.
func worstTable(p *analysis.Pass, h *HeldPlaces) *analysis.Table {
	t := &analysis.Table{
		Name: "holders.worst", Title: "the longest time that one goroutine was in the way at a place, of the costliest places", N: int64(len(h.Places)), Detail: true,
		Columns: []analysis.Column{
			{Name: "place", Unit: analysis.Text}, {Name: "since", Unit: analysis.Moment}, {Name: "until", Unit: analysis.Moment}, {Name: "holder", Unit: analysis.G}, {Name: "function", Unit: analysis.Text}, {Name: "waiters", Unit: analysis.Count},
		},
	}
	for _, place := range h.Places[:min(len(h.Places), worstPlaces)] {
		if w, ok := place.Worst(); ok && place.Busy() > 0 {
			t.Add(place.Label, p.Rel(w.Since), p.Rel(w.Until), int64(w.Holder), w.Kind, w.Waiters)
		}
	}
	return t
}
