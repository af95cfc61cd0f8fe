package v1

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// The order of events (internal/trace/order.go of Go 1.7 to 1.21): a goroutine's
// creations, starts and wake-ups are numbered, and of the next events of all Ps the
// earliest goes first whose goroutine is in the state before it. In a sound trace that
// is the earliest of all.

// Status of a goroutine in the order.
const (
	dead = iota
	runnable
	running
	waiting // also in a system call without P
)

// goroutine is what is known of one that lives.
type goroutine struct {
	id     uint64
	seq    uint64 // of the next start or wake-up
	exit   int64  // when the exit from its call is written, if the real one is earlier and still to come
	entry  uint32 // of the file: stack of its entry
	status uint8
	told   bool // its creation or status was delivered
	early  bool // the exit from its call was
}

// find returns the slot of a goroutine, 0 for none.
func (r *Reader) find(id uint64) uint32 { return r.ids[id] }

// slotOf returns the slot of the goroutine in whose context s writes.
func (r *Reader) slotOf(s *stream, id uint64) uint32 {
	if id == 0 {
		return 0
	}
	if s.cur != id || r.gs[s.slot].id != id {
		s.cur, s.slot = id, r.need(id)
	}
	return s.slot
}

// need returns the slot of a goroutine, which it gets if it has none.
func (r *Reader) need(id uint64) uint32 {
	slot := r.find(id)
	if slot != 0 {
		return slot
	}
	if k := len(r.free); k > 0 {
		slot = r.free[k-1]
		r.free = r.free[:k-1]
	} else {
		slot = uint32(len(r.gs))
		r.gs = append(r.gs, goroutine{})
	}
	r.gs[slot] = goroutine{id: id}
	r.ids[id] = slot
	return slot
}

func (r *Reader) remove(slot uint32) {
	delete(r.ids, r.gs[slot].id)
	r.gs[slot] = goroutine{}
	r.free = append(r.free, slot)
}

// order moves the goroutine of an event on, if that is in the state before it, or in
// any case with force. It returns the goroutine's slot.
func (r *Reader) order(s *stream, ev *raw, force bool) (slot uint32, ok bool) {
	var from, to uint8
	seq := noSeq
	switch ev.typ {
	case evGoCreate:
		if slot = r.find(ev.args[0]); slot != 0 && r.gs[slot].status != dead && !force {
			return 0, false
		}
		slot = r.need(ev.args[0])
		g := &r.gs[slot]
		g.status, g.seq, g.entry = runnable, 1, uint32(ev.args[1])
		return slot, true
	case evGoWaiting, evGoInSyscall:
		slot, seq, from, to = r.find(ev.g), 1, runnable, waiting
	case evGoStart, evGoStartLabel:
		slot, seq, from, to = r.find(ev.g), ev.args[1], runnable, running
	case evGoBlock, evGoBlockSend, evGoBlockRecv, evGoBlockSelect, evGoBlockSync, evGoBlockCond,
		evGoBlockNet, evGoSleep, evGoSysBlock, evGoBlockGC:
		slot, from, to = r.slotOf(s, ev.g), running, waiting
	case evGoSched, evGoPreempt:
		slot, from, to = r.slotOf(s, ev.g), running, runnable
	case evGoUnblock, evGoSysExit:
		slot, seq, from, to = r.find(ev.args[0]), ev.args[1], waiting, runnable
	case evGCStart:
		if ev.args[0] != r.gcSeq && !force {
			return 0, false
		}
		r.gcSeq = ev.args[0] + 1
		return 0, true
	default:
		return 0, true
	}
	g := &r.gs[slot]
	if force {
		id := ev.g
		if ev.typ == evGoUnblock {
			id = ev.args[0]
		}
		if slot == 0 {
			slot = r.need(id)
			g = &r.gs[slot]
		}
		if seq != noSeq {
			g.seq = seq
		}
	} else if slot == 0 || g.status != from || seq != noSeq && seq != g.seq {
		return 0, false
	}
	switch ev.typ {
	case evGoStart, evGoStartLabel:
		s.cur, s.slot = ev.g, slot
		g.seq++
	case evGoWaiting, evGoInSyscall, evGoUnblock, evGoSysExit:
		g.seq++
	}
	g.status = to
	return slot, true
}

// head is a stream in the heap, with the time of its next event.
type head struct {
	time int64
	s    *stream
}

// before orders events of the same time by their P, so that every reading is the same.
func (h head) before(o head) bool {
	return h.time < o.time || h.time == o.time && h.s.p < o.s.p
}

// minEffort is how many streams may be tried out of turn in any trace.
const minEffort = 1 << 22

// pick finds the event that is next and puts it in order. An event that fits nothing is
// taken as it is when no other of about the same time can come before it.
func (r *Reader) pick() (i int, slot uint32, err error) {
	s := r.heap[0].s
	ev := &s.evs[s.at]
	if slot, ok := r.order(s, ev, false); ok {
		return 0, slot, nil
	}
	if r.effort += len(r.heap); r.effort > minEffort+256*r.given {
		return 0, 0, r.wrong(s, "the events of %d Ps wait for one another", len(r.heap))
	}
	slices.SortFunc(r.heap, func(a, b head) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.s.p, b.s.p))
	})
	for i := 1; i < len(r.heap) && r.heap[i].time-ev.time <= r.lead; i++ {
		s := r.heap[i].s
		if slot, ok := r.order(s, &s.evs[s.at], false); ok {
			return i, slot, nil
		}
	}
	if r.misfits++; r.misfits == 1 {
		r.misfit = r.wrong(s, "%s of goroutine %d does not follow from the events before it", specs[ev.typ].name, max(ev.g, ev.args[0]))
	}
	if r.misfits > 64+r.given/16 {
		return 0, 0, r.misfit
	}
	slot, _ = r.order(s, ev, true)
	return 0, slot, nil
}

// wrong is a fault that was found in the batch that s is at.
func (r *Reader) wrong(s *stream, format string, args ...any) *wire.Error {
	return &wire.Error{Offset: int64(s.batches[max(s.next, 1)-1].off), Detail: fmt.Sprintf(format, args...)}
}

// move moves the i-th stream of the heap on to its next event.
func (r *Reader) move(i int) {
	s := r.heap[i].s
	if s.at++; s.at == len(s.evs) && !s.refill(r.data, &r.want) {
		last := len(r.heap) - 1
		r.heap[i] = r.heap[last]
		r.heap = r.heap[:last]
		if i == last {
			return
		}
	} else {
		r.heap[i].time = s.evs[s.at].time
	}
	up(r.heap, i)
	down(r.heap, i)
}

func up(h []head, i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !h[i].before(h[p]) {
			return
		}
		h[i], h[p] = h[p], h[i]
		i = p
	}
}

func down(h []head, i int) {
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1].before(h[c]) {
			c++
		}
		if !h[c].before(h[i]) {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}
