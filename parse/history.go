package parse

import (
	"math"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// This file follows what goroutines did lately and who waits where, to tell why a wait
// lasted: what the goroutine that ended it did meanwhile.
//
// At any moment in which goroutines wait at a place for one another, its holder is the
// goroutine that ends the first of these waits. So each end of a wait accounts for what
// no end before it did of the time that the wait lasted: in a queue the time since the
// end before, or since somebody began to wait at the empty place; where each waits for
// its own, not the time before it began to. Together that is all the time with a waiter.

// Hold is time in which goroutines waited at a place that the end of one of the waits, or
// of the trace, accounts for. It follows the event of that goroutine.
type Hold struct {
	Place PlaceID
	Since Time  // when that time begins; it ends now, and may have gaps
	Held  int64 // ns of it
	// Waited is how many waited, over the time since the hold before, in ns. Summed over
	// the holds of a place it is the length of all waits there.
	Waited  int64
	Waiters int32 // now, the one whose wait ends among them
	// Late: no wait ends now. Either a wait since the start of the trace is told only now,
	// or more time is left to account for, in more pieces, than is kept.
	Late bool

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

	// Peer: the network poller ended a wait for a connection or pipe right after Holder, it
	// seems at the other end, wrote or read at HolderStack: inferred. These are apart from
	// all other holds: Held is the whole wait, whoever waits there besides.
	Peer  bool
	Calls int64 // such reads or writes of the program so far

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
const keptSpans = 16

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

func (p *past) add() *pastSpan {
	n, spans := p.n, p.spans
	if int(n) == len(spans) && n < keptSpans {
		p.grow()
		spans = p.spans
	}
	p.n = n + 1
	return &spans[int(n)&(len(spans)-1)]
}

func (p *past) grow() {
	more := make([]pastSpan, max(4, 4*len(p.spans)))
	copy(more, p.spans)
	p.spans = more
}

// last is the last span, nil for none.
func (p *past) last() *pastSpan {
	if p.n == 0 {
		return nil
	}
	return &p.spans[(p.n-1)&uint32(len(p.spans)-1)]
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
	nleft   int32
	since   Time               // of the last end of a wait, or when somebody began to wait
	changed Time               // when n last changed
	sum     int64              // n over time, since the last hold
	told    int64              // ns of the holds
	left    [keptLeft]timeSpan // before since, that no end of a wait has accounted for: the oldest first
}

// keptLeft is how many pieces of time that waits that go on will account for are kept of
// a place.
const keptLeft = 6

type timeSpan struct{ from, to Time }

// holding is what the tracker needs to tell holds.
type holding struct {
	on     bool // a sink wants them
	places []waiting
	hold   Hold
	spans  [keptLeft + 1]timeSpan // of the hold, the latest first
	calls  [writes + 1]peerCalls
	parts  [(keptSpans + 2) + (keptLeft + 1) + 1]HoldPart
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
	if g.Partial {
		// It has waited since the begin, and is told only now.
		t.lateHold(g.place, int64(t.now-t.begin)-w.told-w.untold(t.now), int64(t.now-g.Since))
	}
}

// untold is the time with a waiter that no hold has told yet.
func (w *waiting) untold(now Time) int64 {
	ns := int64(now - w.since)
	for _, l := range w.left[:w.nleft] {
		ns += int64(l.to - l.from)
	}
	return ns
}

// lateHold tells time that no end of a wait will account for.
func (t *tracker) lateHold(place PlaceID, held, waited int64) {
	w := &t.holds.places[place]
	t.holds.hold = Hold{Place: place, Since: t.begin, Late: true, Held: held, Waited: waited, Waiters: w.n, G: NoGo, Holder: NoGo}
	w.told += held
	t.sendHold(t.restPart(0))
}

// account takes what a wait since from accounts for out of the time that is left, and
// returns it, the latest first. What it leaves is kept.
func (t *tracker) account(place PlaceID, from Time) []timeSpan {
	w := &t.holds.places[place]
	spans := t.holds.spans[:0]
	if w.nleft == 0 && from <= w.since { // as in any queue
		if t.now > w.since {
			spans = append(spans, timeSpan{w.since, t.now})
		}
		w.since = t.now
		return spans
	}
	if t.now > w.since {
		spans = append(spans, timeSpan{max(w.since, from), t.now})
	}
	if from > w.since {
		if w.nleft == keptLeft {
			oldest := w.left[0]
			w.nleft = int32(copy(w.left[:], w.left[1:]))
			t.lateHold(place, int64(oldest.to-oldest.from), 0)
		}
		w.left[w.nleft] = timeSpan{w.since, from}
		w.nleft++
	}
	for from < w.since && w.nleft > 0 {
		l := &w.left[w.nleft-1]
		if l.to <= from {
			break
		}
		spans = append(spans, timeSpan{max(l.from, from), l.to})
		if l.from < from {
			l.to = from
			break
		}
		w.nleft--
	}
	w.since = t.now
	return spans
}

// endWait tells how g's wait came to its end; by, at stack, is in whose context.
func (t *tracker) endWait(g, by *goroutine, stack StackID) {
	place := g.place
	g.place = 0
	spans := t.account(place, g.Since)
	w := &t.holds.places[place]
	w.count(t.now, 0)
	h := &t.holds.hold
	*h = Hold{} // filled in in place, not copied
	h.Place, h.Since, h.Waited, h.Waiters = place, t.now, w.sum, w.n
	h.G, h.Func, h.Body, h.Stack, h.Wait, h.Ready, h.Holder = g.ID, g.Func, g.Body, g.FromStack, int64(t.now-g.Since), g.Ready, NoGo
	for _, s := range spans {
		h.Held += int64(s.to - s.from)
		h.Since = s.from
	}
	w.n--
	w.sum = 0
	w.told += h.Held
	if by == nil || by == g || g.Ready != ReadyUnblocked {
		t.sendHold(t.restPart(0))
		return
	}
	h.Holder, h.HolderClass, h.HolderFunc, h.HolderBody, h.HolderStack = by.ID, by.Class, by.Func, by.Body, stack
	t.sendHold(t.pastParts(by, spans, stack))
}

// contextOf is the goroutine in whose context an event was recorded, nil for none.
func (t *tracker) contextOf(ev *wire.Event) *goroutine {
	if g := t.at(ev.GSlot); g != nil && g.ID == GoID(ev.G) {
		return g
	}
	return nil
}

// pastParts fills in what g, which is at stack, did in some spans of time, the latest
// first.
func (t *tracker) pastParts(g *goroutine, spans []timeSpan, stack StackID) (n int) {
	if g.From != GoRunning {
		stack = g.FromStack
	}
	if len(spans) == 1 && g.Since <= spans[0].from { // all in the span that it is in
		s := spans[0]
		t.holds.parts[0] = HoldPart{State: g.From, Stack: stack, NS: int64(s.to - s.from)}
		return 1
	}
	now, end := pastSpan{since: g.Since, stack: stack, state: g.From}, t.now
	p := &now
	past, at := g.past.spans, int(g.past.n) // the span before p is right before at
	left := min(at, len(past))
	for _, s := range spans {
		for {
			// What of s lies in p, which ended at end.
			if from, to := max(s.from, p.since), min(s.to, end); from < to {
				q := &t.holds.parts[n]
				q.State, q.Cause, q.Stack, q.NS = p.state, p.cause, p.stack, int64(to-from)
				n++
			}
			if s.from >= p.since {
				break
			}
			end = min(end, p.since)
			switch {
			case left > 0:
				at--
				left--
				p = &past[at&(len(past)-1)]
			case g.bornSeen && end == g.born:
				p = &pastSpan{since: math.MinInt64, stack: g.site, state: GoNotExist}
			default:
				return t.restPart(n)
			}
		}
	}
	return n
}

// restPart makes what n parts leave of the hold one more, which is unknown.
func (t *tracker) restPart(n int) int {
	left := t.holds.hold.Held
	for _, p := range t.holds.parts[:n] {
		left -= p.NS
	}
	if left <= 0 {
		return n
	}
	t.holds.parts[n] = HoldPart{NS: left}
	return n + 1
}

// sendHold sends the hold with its n parts.
func (t *tracker) sendHold(n int) {
	h := &t.holds.hold
	h.Parts = t.holds.parts[:n]
	t.ev.Hold = h
	t.send(KindHold)
}

// keep notes the span of g that has just ended. Calls that returned at once, of which traces
// of Go 1.21 and older do not say how long they took, are no spans: a goroutine that makes
// many would soon have no others.
func (t *tracker) keep(g *goroutine) {
	if g.From == GoNotExist {
		return
	}
	k := pastSpan{since: g.Since, stack: g.FromStack, state: g.From}
	switch k.state {
	case GoSyscall:
		if t.now-g.Since <= 1 && g.past.n > 0 {
			return // the run goes on
		}
	case GoRunning:
		k.stack = g.Stack
		if last := g.past.last(); last != nil && last.state == GoRunning {
			if t.now-g.Since > g.Since-last.since {
				last.stack = k.stack
			}
			return
		}
	case GoRunnable:
		k.cause = g.mostly
	}
	*g.past.add() = k
}

// cutHolds lets all stretches begin now, at the start of the window.
func (t *tracker) cutHolds() {
	for i := range t.holds.places {
		w := &t.holds.places[i]
		w.since, w.changed, w.sum, w.told, w.nleft = t.now, t.now, 0, 0, 0
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
		t.holds.hold = Hold{Place: PlaceID(i), Since: w.since, Held: w.untold(t.now), Waited: w.sum, Waiters: w.n, G: NoGo, Holder: NoGo}
		if w.nleft > 0 {
			t.holds.hold.Since = w.left[0].from
		}
		t.sendHold(t.restPart(0))
	}
}
