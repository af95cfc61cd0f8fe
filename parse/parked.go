package parse

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// This file keeps goroutines that wait for long small: a program may have a million of
// them, and a goroutine takes half a kilobyte where it is followed. Those that waited
// between two looks at all of them are parked: written into a string of some 80 bytes.
// They are unparked when an event is about them.

// parkFrom is how many goroutines are kept as they are, however long they wait.
const parkFrom = 8192

// parkAlways is the limit of tests: all who wait are parked at every event.
const parkAlways = -1

// parking says when goroutines are looked at.
type parking struct {
	parked   []string // by slot; "" where none is
	whole    int      // goroutines that are not parked
	limit    int      // of whole, from which on all are looked at
	looked   Time
	put      int // at the last look
	unparked int // since then
	buf      []byte
	free     []*goroutine // of those that were parked
}

// at is the goroutine of a slot, nil where none lives.
func (t *tracker) at(slot uint32) *goroutine {
	if int(slot) < len(t.gs) && t.gs[slot] != nil {
		return t.gs[slot]
	}
	return t.unpark(slot)
}

// park parks those who wait since before the last look, have a name, and are in no
// region, nor the author of a task that is open. Where most of them were wanted again,
// they are looked at less often.
func (t *tracker) park() {
	k := &t.parking
	switch {
	case k.limit == parkAlways:
		k.looked = t.now
	case k.unparked > k.put/2 && k.put > 0:
		k.limit *= 4
		if k.whole <= k.limit {
			k.put, k.unparked = 0, 0
			return
		}
	}
	held := make(map[*goroutine]bool) // by what does not follow its slot
	for _, p := range t.ps {
		if p != nil && p.g != nil {
			held[p.g] = true
		}
	}
	for _, o := range t.tasks {
		held[o.by] = true
	}
	for _, calls := range &t.holds.calls {
		for _, c := range calls.last {
			held[c.g] = true
		}
	}
	held[t.stw.g] = true
	k.parked = append(k.parked, make([]string, len(t.gs)-len(k.parked))...)
	before := k.whole
	for slot, g := range t.gs {
		if g == nil || g.From != GoWaiting || g.Func == 0 || g.Since >= k.looked || g.p != nil || g.assist || len(g.regions) > 0 || g.q != (queued{}) || held[g] || !t.parkRequests(g) {
			continue
		}
		code := coder{buf: k.buf[:0], from: t.tr.First}
		code.goroutine(g)
		k.buf = code.buf
		k.parked[slot] = string(code.buf)
		t.forget(g, &k.free)
	}
	k.put, k.unparked, k.looked = before-k.whole, 0, t.now
	if k.limit != parkAlways {
		k.limit = max(k.limit, 2*k.whole, len(t.gs)/32)
	}
}

// unpark follows a goroutine again, nil where none is parked.
func (t *tracker) unpark(slot uint32) *goroutine {
	k := &t.parking
	if int(slot) >= len(k.parked) || k.parked[slot] == "" {
		return nil
	}
	data := k.parked[slot]
	g := t.blankGoroutine(&k.free, &t.freeGs)
	code := coder{data: data, reading: true, from: t.tr.First}
	code.goroutine(g)
	g.From, g.slot = GoWaiting, slot
	k.parked[slot] = ""
	k.unparked++
	t.gs[slot] = g
	return g
}

// each calls f for every live goroutine; those that are parked stay so.
func (t *tracker) each(f func(*goroutine)) {
	for slot, g := range t.gs {
		if g == nil {
			if g = t.at(uint32(slot)); g == nil {
				continue
			}
			f(g)
			t.repark(g)
			continue
		}
		f(g)
	}
}

// repark parks a goroutine that was parked before.
func (t *tracker) repark(g *goroutine) {
	code := coder{buf: t.parking.buf[:0], from: t.tr.First}
	code.goroutine(g)
	t.parking.buf = code.buf
	t.parking.parked[g.slot] = string(code.buf)
	t.forget(g, &t.parking.free)
}

// forget leaves a goroutine, which is to be used again, out of those that are followed.
func (t *tracker) forget(g *goroutine, free *[]*goroutine) {
	t.gs[g.slot] = nil
	*free = append(*free, g)
	t.parking.whole--
}

// began are a live goroutine's span and id, by which goroutines are sorted.
func (t *tracker) began(slot uint32) (Time, GoID) {
	if g := t.gs[slot]; g != nil {
		return g.Since, g.ID
	}
	code := coder{data: t.parking.parked[slot], reading: true, from: t.tr.First}
	var since Time
	var id GoID
	number(&code, &since)
	number(&code, &id)
	return since + t.tr.First, id
}

// live are the slots of the goroutines that keep selects, by when their spans began. It
// is not asked of parked ones; nil selects these as well.
func (t *tracker) live(keep func(*goroutine) bool) []uint32 {
	var slots []uint32
	for slot, g := range t.gs {
		if g != nil && (keep == nil || keep(g)) || g == nil && keep == nil && slot < len(t.parking.parked) && t.parking.parked[slot] != "" {
			slots = append(slots, uint32(slot))
		}
	}
	slices.SortFunc(slots, func(a, b uint32) int {
		since, id := t.began(a)
		other, than := t.began(b)
		return cmp.Or(cmp.Compare(since, other), cmp.Compare(id, than))
	})
	return slots
}

// A coder writes a waiting goroutine to buf, or reads it from data.
type coder struct {
	buf     []byte
	data    string
	at      int // in data
	reading bool
	from    Time // moments are written from there on
}

// number is any field.
func number[T ~int64 | ~int32 | ~uint32 | ~uint8](c *coder, v *T) {
	if !c.reading {
		c.buf = binary.AppendVarint(c.buf, int64(*v))
		return
	}
	data, i := c.data, c.at
	u := uint64(data[i])
	for shift := 7; data[i] >= 0x80; shift += 7 {
		i++
		u += (uint64(data[i]) - 1) << (shift & 63) // less the bit of the byte before that says so
	}
	c.at = i + 1
	*v = T(int64(u>>1) ^ -int64(u&1))
}

func moment(c *coder, v *Time) {
	*v -= c.from
	number(c, v)
	*v += c.from
}

func flags(c *coder, all ...*bool) {
	var bits uint8
	for i, v := range all {
		if *v {
			bits |= 1 << i
		}
	}
	number(c, &bits)
	for i, v := range all {
		*v = bits&(1<<i) != 0
	}
}

// goroutine has all fields that count while a goroutine waits, and is neither in a region
// nor in an assist.
func (c *coder) goroutine(g *goroutine) {
	moment(c, &g.Since)
	number(c, &g.ID)
	flags(c, &g.First, &g.Partial, &g.bornSeen, &g.callback, &g.direct, &g.finalizes)
	number(c, &g.Class)
	number(c, &g.Incarnation)
	number(c, &g.Func)
	number(c, &g.Body)
	number(c, &g.bodyStack)
	number(c, &g.bodyDepth)
	number(c, &g.FromReason)
	number(c, &g.FromStack)
	number(c, &g.P)
	number(c, &g.LastP)
	number(c, &g.Home)
	number(c, &g.Waker)
	number(c, &g.blockedKind)
	number(c, &g.mode)
	number(c, &g.site)
	number(c, &g.place)
	moment(c, &g.born)
	for i := range g.spent {
		number(c, &g.spent[i])
	}
	number(c, &g.idle)
	number(c, &g.alone)
	number(c, &g.outside)
	c.requests(g)
	c.round(g)
	c.past(&g.past, g.Since)
}

// past has the spans that are kept, the oldest first.
func (c *coder) past(p *past, since Time) {
	n := min(p.n, uint32(len(p.spans)))
	if !c.reading {
		number(c, &n)
		for i := n; i > 0; i-- {
			s, _ := p.back(i - 1)
			c.span(&s, since)
		}
		return
	}
	number(c, &n)
	for range n {
		var s pastSpan
		c.span(&s, since)
		*p.add() = s
	}
}

func (c *coder) span(s *pastSpan, since Time) {
	s.since -= since
	number(c, &s.since)
	s.since += since
	number(c, &s.stack)
	number(c, &s.state)
	number(c, &s.cause)
}
