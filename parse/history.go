package parse

import "github.com/tracelens/tracelens/parse/internal/wire"

// This file follows what goroutines did lately and who waits where, to tell why a wait
// lasted: what the goroutine that ended it did meanwhile.
//
// At any moment in which goroutines wait at a place for one another, its holder is the
// goroutine that ends the next wait there. So each end of a wait accounts for the time
// since the end before, or since somebody began to wait at the empty place. These
// stretches, one after the other, are all the time with a waiter.

// Hold is a stretch of time in which goroutines waited at a place, up to the end of one
// of the waits or of the trace. It follows the event of that goroutine.
type Hold struct {
	Place PlaceID
	Since Time  // when it began: at the end of the wait before or, at an empty place, with a wait
	Held  int64 // ns with a waiter it accounts for: Time-Since, unless Late
	// Waited is that time times how many waited, in ns. Summed over the holds of a place
	// it is the length of all waits there.
	Waited  int64
	Waiters int32 // at its end, the one whose wait ends among them
	Late    bool  // a wait since the begin of the trace, told only now, adds to the stretches before

	// Whose wait ended; G is NoGo at the end of the trace.
	G     GoID
	Func  StringID
	Body  StringID
	Stack StackID
	Wait  int64 // how long it lasted in the trace or window
	Ready Ready // how it ended; ReadyUnknown: with the trace

	// Who ended it, and where; NoGo where no goroutine did.
	Holder      GoID
	HolderClass Class
	HolderFunc  StringID
	HolderBody  StringID
	HolderStack StackID

	// Parts are what the holder did meanwhile, the latest first. They sum to Held.
	Parts []HoldPart
}

// HoldPart is a stretch of a holder's life.
type HoldPart struct {
	// State is GoNotExist before the holder was created, GoUndetermined where it is not
	// known: no goroutine held, or more happened since than is kept.
	State GoState
	Cause Cause   // GoRunnable: what most of the wait for a P was made of
	Stack StackID // where it waited, entered the call, stopped running, ended the wait; GoNotExist: the go statement
	NS    int64
}

// keptSpans is how many spans of a goroutine are kept.
const keptSpans = 32

// pastSpan is a span of a goroutine that has ended: when the next began.
type pastSpan struct {
	since Time
	stack StackID
	state GoState
	cause Cause
}

// past are the last spans of a goroutine, in a ring that grows up to keptSpans: most
// goroutines do little.
type past struct {
	spans []pastSpan // its length is a power of two
	n     uint32     // that have been added
}

func (p *past) add(s pastSpan) {
	if int(p.n) == len(p.spans) && len(p.spans) < keptSpans {
		more := make([]pastSpan, max(4, 2*len(p.spans)))
		copy(more, p.spans)
		p.spans = more
	}
	p.spans[p.n&uint32(len(p.spans)-1)] = s
	p.n++
}

// back returns the i-th last span, from 0 on.
func (p *past) back(i uint32) (s pastSpan, ok bool) {
	if i >= p.n || int(i) >= len(p.spans) {
		return s, false
	}
	return p.spans[(p.n-1-i)&uint32(len(p.spans)-1)], true
}

// waiting is who waits at a place.
type waiting struct {
	n       int32
	since   Time  // of the stretch under way
	changed Time  // when n last changed
	sum     int64 // n over time, in the stretch
	told    int64 // ns of the stretches that have been told
}

// holding is what the tracker needs to tell holds.
type holding struct {
	on     bool // a sink wants them
	places []waiting
	hold   Hold
	parts  [keptSpans + 3]HoldPart
}

func (w *waiting) count(now Time, by int32) {
	w.sum += int64(w.n) * int64(now-w.changed)
	w.changed = now
	w.n += by
}

// beginWait notes that g, which has just begun to wait, does so for another goroutine.
func (t *tracker) beginWait(g *goroutine) {
	s := &t.stacks[g.FromStack]
	if !s.mutual || g.Class != ClassUser && g.Body == 0 {
		return
	}
	if k := t.blockKind(g.FromReason); k != blockOther && k != blockNone {
		return
	}
	if int(s.place) >= len(t.holds.places) {
		t.holds.places = append(t.holds.places, make([]waiting, int(s.place)+1+len(t.holds.places)-len(t.holds.places))...)
	}
	g.place = s.place
	w := &t.holds.places[s.place]
	if w.n == 0 {
		w.since, w.changed = t.now, t.now
	}
	w.count(t.now, 1)
	if !g.Partial {
		return
	}
	// It has waited since the begin, and is told only now.
	h := &t.holds.hold
	*h = Hold{Place: g.place, Since: t.begin, Late: true, Waiters: w.n, G: NoGo, Holder: NoGo}
	h.Held = int64(t.now-t.begin) - w.told - int64(t.now-w.since)
	h.Waited = int64(t.now - g.Since)
	w.told += h.Held
	t.sendHold(0)
}

// endWait tells how g's wait came to its end; by, at stack, is in whose context.
func (t *tracker) endWait(g, by *goroutine, stack StackID) {
	w := &t.holds.places[g.place]
	w.count(t.now, 0)
	h := &t.holds.hold
	*h = Hold{
		Place: g.place, Since: w.since, Held: int64(t.now - w.since), Waited: w.sum, Waiters: w.n,
		G: g.ID, Func: g.Func, Body: g.Body, Stack: g.FromStack, Wait: int64(t.now - g.Since), Ready: g.Ready, Holder: NoGo,
	}
	g.place = 0
	w.n--
	w.since, w.sum = t.now, 0
	w.told += h.Held
	n := 0
	if by != nil && by != g && g.Ready == ReadyUnblocked {
		h.Holder, h.HolderClass, h.HolderFunc, h.HolderBody, h.HolderStack = by.ID, by.Class, by.Func, by.Body, stack
		n = t.pastParts(by, h.Since, stack)
	}
	t.sendHold(n)
}

// contextOf is the goroutine in whose context an event was recorded, nil for none.
func (t *tracker) contextOf(ev *wire.Event) *goroutine {
	if g := t.gs[ev.GSlot]; g != nil && g.ID == GoID(ev.G) {
		return g
	}
	return nil
}

// pastParts fills in what g, which is at stack, did since from.
func (t *tracker) pastParts(g *goroutine, from Time, stack StackID) (n int) {
	parts := &t.holds.parts
	add := func(p HoldPart) {
		if p.NS > 0 {
			parts[n] = p
			n++
		}
	}
	since := max(g.Since, from)
	if g.From != GoRunning {
		stack = g.FromStack
	}
	add(HoldPart{State: g.From, Stack: stack, NS: int64(t.now - since)})
	for i := uint32(0); since > from; i++ {
		s, ok := g.past.back(i)
		if !ok {
			break
		}
		began := max(s.since, from)
		add(HoldPart{State: s.state, Cause: s.cause, Stack: s.stack, NS: int64(since - began)})
		since = min(since, began)
	}
	if g.bornSeen && since > from && since == g.born {
		add(HoldPart{State: GoNotExist, Stack: g.site, NS: int64(since - from)})
	}
	return n
}

// sendHold sends the hold, what its n parts leave being unknown.
func (t *tracker) sendHold(n int) {
	h := &t.holds.hold
	left := h.Held
	for _, p := range t.holds.parts[:n] {
		left -= p.NS
	}
	if left > 0 {
		t.holds.parts[n] = HoldPart{NS: left}
		n++
	}
	h.Parts = t.holds.parts[:n]
	t.ev.Hold = h
	t.send(KindHold)
}

// keep notes the span of g that has just ended.
func (t *tracker) keep(g *goroutine) {
	s := pastSpan{since: g.Since, stack: g.FromStack, state: g.From}
	switch g.From {
	case GoNotExist:
		return
	case GoRunning:
		s.stack = g.Stack
	case GoRunnable:
		for c, ns := range g.Wait {
			if ns > g.Wait[s.cause] {
				s.cause = Cause(c)
			}
		}
	}
	g.past.add(s)
}

// cutHolds lets all stretches begin now, at the begin of the window.
func (t *tracker) cutHolds() {
	for i := range t.holds.places {
		w := &t.holds.places[i]
		w.since, w.changed, w.sum, w.told = t.now, t.now, 0, 0
	}
}

// endHolds tells the stretches that the end of the trace or window cuts.
func (t *tracker) endHolds() {
	for i := range t.holds.places {
		w := &t.holds.places[i]
		if w.n == 0 {
			continue
		}
		w.count(t.now, 0)
		t.holds.hold = Hold{Place: PlaceID(i), Since: w.since, Held: int64(t.now - w.since), Waited: w.sum, Waiters: w.n, G: NoGo, Holder: NoGo}
		t.sendHold(0)
	}
}
