package blocking

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// wontEnd is how much longer than the longest wait that ended at a place one must last
// there to be one that does not end.
const wontEnd = 3

// alone is the most grave that one goroutine is that waits for what another one may yet do,
// and those that wait for one that is only late.
const alone = analysis.Warning

// stuckSending reports whether a goroutine waits to send for much longer than any did
// there before: who sends has work in hand, it is never at rest.
func stuckSending(w *measures.WaitingAt) bool {
	return w.Label[0] == "chan send" && w.Open > w.Idle && w.Oldest >= wontEnd*w.Max
}

// deserted reports whether goroutines wait for others at a sync.WaitGroup, all of which
// have ended that the function which waits there has started.
func deserted(p *analysis.Pass, w *measures.WaitingAt) bool {
	tr := p.Trace
	pl := tr.Place(tr.PlaceOf(w.Stack))
	if pl.Prim != parse.PrimWaitGroup || w.Open == w.Idle {
		return false
	}
	var started, ended int64
	for _, e := range measures.GoroutinesOf(p).Populations().Entries {
		if e.Key.Site == 0 || e.Key.Class != parse.ClassUser || goesBy(p, e.Key.Site) != goesBy(p, w.Stack) {
			continue
		}
		if slices.ContainsFunc(tr.Stack(e.Key.Site), func(f parse.Frame) bool { return f.Func == pl.Site.Func }) {
			started += e.V.Created
			ended += e.V.Ended
		}
	}
	return started > 0 && started == ended
}

// stuckOnChannels finds goroutines that wait at the end to send: those that hold one
// another up, and those whose receiver is gone.
func stuckOnChannels(p *analysis.Pass, sends []*measures.WaitingAt, total int64) {
	f := analysis.Finding{
		Code: "stuck-goroutines/send", Confidence: analysis.Inferred, Explains: []string{"hung-requests"},
		Advice: "See who should receive there: whether it ended (an error, a context, a panic that was recovered), or waits itself to send to one of these. Select on a done channel beside the send, or give the channel room for what nobody may fetch. block.chan.total should fall.",
		Caveat: "Which channel it is is not in the trace, nor who could still receive: a receiver that works on one item for as long looks the same.",
	}
	waiting := gravity(p, sends, total, &f)
	who := fmt.Sprintf("%s to send at %s", say.Counted(waiting, "goroutine waits", "goroutines wait"), placesOf(sends))
	f.Summary = fmt.Sprintf("%s, and nobody receives there any more, for up to %s at the end", who, p.Dur(sends[0].Oldest))
	switch gone, blocked, late := receivers(p, sends); {
	case len(blocked) > 0:
		if late && f.Severity.Rank() > alone.Rank() {
			f.Severity = alone
		}
		f.Summary = fmt.Sprintf("%s, since who receives is blocked: %s, for up to %s at the end", who, strings.Join(blocked, " and "), p.Dur(sends[0].Oldest))
		f.Advice = fmt.Sprintf("See what it waits for there, which stops all that send to it (%s): give that wait a limit, and let senders drop or close what is not taken. block.chan.total should fall.", blocked[0])
	case len(gone) > 0:
		f.Summary += "; who received from them has ended: " + strings.Join(gone, ", ")
		f.Advice = fmt.Sprintf("See why %s returned (an error, a context, a panic that was recovered) while others still send to it: start it again, or let the senders select on a channel that it closes. block.chan.total should fall.", gone[0])
	case len(sends) > 1 || waiting > 1:
		f.Summary += "; a deadlock, or receivers that ended"
	}
	p.Find(f)
}

// stuckOnGroups finds goroutines that wait for others that have ended without saying so.
func stuckOnGroups(p *analysis.Pass, groups []*measures.WaitingAt, total int64) {
	f := analysis.Finding{
		Code: "stuck-goroutines/group", Confidence: analysis.Inferred, Explains: []string{"hung-requests"},
		Advice: "Look for a path on which a goroutine ends without Done (a return before it, a panic that was recovered): call it with defer, first of all, or start goroutines with WaitGroup.Go; and for an Add that counts more than are started. block.sync.total should fall.",
		Caveat: "Another goroutine that was not started there may call Done, too.",
	}
	waiting := gravity(p, groups, total, &f)
	f.Summary = fmt.Sprintf("%s at %s for goroutines that have all ended, for up to %s at the end; a Done is missing",
		say.Counted(waiting, "goroutine waits", "goroutines wait"), placesOf(groups), p.Dur(groups[0].Oldest))
	p.Find(f)
}

// gravity sets severity, cost and evidence of a finding about goroutines that wait at the
// end at some places, which it orders by how long; it returns how many there are.
func gravity(p *analysis.Pass, at []*measures.WaitingAt, total int64, f *analysis.Finding) (waiting int64) {
	slices.SortStableFunc(at, func(a, b *measures.WaitingAt) int { return cmp.Compare(b.Oldest, a.Oldest) })
	f.Cost = analysis.Cost{Total: total, Clock: analysis.GTime}
	for _, w := range at {
		if g := lockGate(p, w); g.Severity.Rank() > f.Severity.Rank() {
			f.Severity = g.Severity
		}
		waiting += w.Open
		f.Cost.Value += w.Busy()
		if len(f.Evidence) < maxEvidence {
			f.Evidence = append(f.Evidence, analysis.Evidence{From: p.Rel(p.Trace.To) - w.Oldest, To: p.Rel(p.Trace.To), Func: w.Label[1], Stack: p.Stack(w.Stack),
				Note: fmt.Sprintf("%s waiting, the oldest for %s", say.Counted(w.Open, "goroutine", "goroutines"), p.Dur(w.Oldest))})
		}
	}
	if waiting == 1 && f.Severity.Rank() > alone.Rank() {
		f.Severity = alone
	}
	return waiting
}

// placesOf names the first three places, and where there are several how many wait at each.
func placesOf(at []*measures.WaitingAt) string {
	if len(at) == 1 {
		return at[0].Label[1]
	}
	var out []string
	for _, w := range at[:min(len(at), 3)] {
		out = append(out, fmt.Sprintf("%s (%s)", w.Label[1], analysis.FormatCount(w.Open)))
	}
	if more := len(at) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("%s more", say.Counted(int64(more), "place", "places")))
	}
	return strings.Join(out, " and ")
}

// A receiver is a kind of goroutines that received what those that are stuck in sends had
// sent before.
type receiver struct {
	kind *measures.GoKind
	at   *measures.Stay // where it waits or is in a call at the end, nil for nowhere
}

// receiversOf are those that received from the senders at a place.
func receiversOf(h *measures.HeldPlaces, w *measures.WaitingAt) (out []receiver) {
	sender := h.Kinds.OfStack(w.Stack)
	add := func(k *measures.GoKind) {
		if k == sender || slices.ContainsFunc(out, func(r receiver) bool { return r.kind == k }) {
			return
		}
		r := receiver{kind: k}
		for _, s := range k.Stays {
			if s.Open > 0 && (s.Parked == "" || s.Parked == measures.ParkedWhole) && (r.at == nil || s.Oldest > r.at.Oldest) {
				r.at = s
			}
		}
		out = append(out, r)
	}
	for _, place := range h.Places {
		switch {
		case len(place.Waiters) == 0:
		case place.Place.Prim == parse.PrimChanSend && place.Waiters[0].Kind == sender:
			for _, k := range place.Holders {
				add(k.Kind)
			}
		case (place.Place.Prim == parse.PrimChanReceive || place.Place.Prim == parse.PrimSelect) && place.Place.Own &&
			slices.ContainsFunc(place.Holders, func(s measures.KindShare) bool { return s.Kind == sender }):
			add(place.Waiters[0].Kind)
		}
	}
	return out
}

// works reports whether one that received from the senders at a place still runs for most
// of its life: then it is slow, not gone.
func works(h *measures.HeldPlaces, w *measures.WaitingAt) bool {
	return slices.ContainsFunc(receiversOf(h, w), func(r receiver) bool {
		return r.kind.Ended < r.kind.Count && r.kind.Share(r.kind.State[parse.GoRunning]+r.kind.State[parse.GoRunnable]) >= .5
	})
}

// receivers names those that received from senders: those of kinds that have all ended, and
// where others are blocked; late is whether one of these waits for something outside, or for
// time to pass, which may still end.
func receivers(p *analysis.Pass, sends []*measures.WaitingAt) (gone, blocked []string, late bool) {
	h := measures.HoldersOf(p)
	for _, w := range sends {
		for _, r := range receiversOf(h, w) {
			switch {
			case r.kind.Ended >= r.kind.Count:
				if !slices.Contains(gone, r.kind.Name) {
					gone = append(gone, r.kind.Name)
				}
			case r.at != nil && !slices.ContainsFunc(sends, func(o *measures.WaitingAt) bool { return p.Trace.PlaceOf(o.Stack) == r.at.PlaceID }):
				if at := fmt.Sprintf("%s at %s", r.kind.Name, r.at.Label); !slices.Contains(blocked, at) {
					blocked = append(blocked, at)
					late = late || r.at.State == parse.GoSyscall || r.at.Place.Prim == parse.PrimSleep || r.at.Place.Prim == parse.PrimNetwork
				}
			}
		}
	}
	return gone, blocked, late
}
