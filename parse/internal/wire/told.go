package wire

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// told finds stacks of goroutines that were there before the trace. Their entry
// functions, and with these whether they are the program's or the GC's, would else be
// known only when their first run ends: a GC worker would count as user code until then.
// A generation is in memory when its first event is delivered, so that a goroutine's
// status can come with a stack that is written anywhere in it, or in the next one. The
// search goes no further than it has to for those that were asked about.
type told struct {
	gen    uint64      // of the generation being delivered when the search began
	in     *generation // that is searched: this one or the next
	beyond bool        // the next one was asked for
	left   []stretch   // of in, from at on what is not searched yet
	at     int
	ids    pcs      // goroutines that were met
	stacks []uint32 // of these by number; 0 while none is found
}

// These stand for the stack of a goroutine that ended before it had shown one; of the
// second kind, its id is another's by now.
const (
	ended = math.MaxUint32 - iota
	reused
)

// stretch is what is not searched yet of the i-th batch of a thread.
type stretch struct {
	of   *thread
	i    int
	time uint64
	data []byte
}

// foretell returns a stack of g, which has a status without one: 0 if it has shown one
// before, or shows none in this generation and the next.
func (o *order) foretell(g *gState) uint32 {
	if g.told {
		return 0
	}
	t := &o.told
	if t.gen != o.gen {
		t.gen, t.beyond = o.gen, false
		t.ids.reset()
		t.stacks = t.stacks[:0]
		t.begin(o.in)
	}
	n := t.number(g.id)
	for !t.search(n) {
		if t.beyond || t.stacks[n] == ended {
			return 0
		}
		t.beyond = true
		if next := o.next(); next != nil {
			t.begin(next)
		}
	}
	if t.stacks[n] == reused {
		return 0
	}
	g.told = true
	return t.stacks[n]
}

// begin makes g the generation that is searched.
func (t *told) begin(g *generation) {
	t.in, t.left, t.at = g, t.left[:0], 0
	for _, th := range g.threads {
		th.on = 0
		if th.id == None {
			continue // they did nothing in it
		}
		for i, b := range th.batches {
			t.left = append(t.left, stretch{th, i, b.time, b.data})
		}
	}
	// In the order of time, so that the search soon ends.
	slices.SortStableFunc(t.left, func(a, b stretch) int { return cmp.Compare(a.time, b.time) })
}

// number returns the number of a goroutine.
func (t *told) number(id int64) uint32 {
	n, isNew := t.ids.number(uint64(id))
	if isNew {
		t.stacks = append(t.stacks, 0)
	}
	return n
}

// open reports whether a stack of goroutine n may still be found. Batches overlap in
// time: what was before its end may come after it.
func (t *told) open(n uint32) bool { return t.stacks[n] == 0 || t.stacks[n] == ended }

// search goes on until a stack of goroutine n is found, and reports whether it is. A
// goroutine does nothing before its status, so that what was delivered is left out.
func (t *told) search(n uint32) bool {
	for ; t.at < len(t.left); t.at++ {
		if !t.open(n) {
			return true
		}
		s := &t.left[t.at]
		if s.of.next > s.i+1 {
			continue
		}
		if t.step(s, n) {
			return true
		}
	}
	return !t.open(n)
}

// step looks for stacks in what is left of a batch, until one of goroutine n is found,
// and reports whether it is.
func (t *told) step(s *stretch, n uint32) bool {
	th := s.of
	for len(s.data) > 0 {
		data := s.data
		size := length(data)
		if size == 0 {
			break // the batch is broken, which decoding it will tell
		}
		s.data = data[size:]
		typ := data[0]
		if th.on != 0 {
			if id, ok := stackAt(t.in, data); ok {
				t.stacks[th.on-1] = id
				th.on = 0
			}
		}
		switch typ {
		case EvGoStart, EvGoSwitch, EvGoSwitchDestroy:
			if typ == EvGoSwitchDestroy {
				t.ends(th)
			}
			t.runs(th, int64(argument(data, 0)))
		case EvGoStatus, EvGoStatusStack:
			if status := argument(data, 2); (status == goRunning || status == goSyscall) && int64(argument(data, 1)) == th.id {
				t.runs(th, int64(argument(data, 0)))
			}
		case EvGoDestroy, EvGoDestroySyscall:
			t.ends(th)
		case EvGoStop, EvGoBlock, EvGoSyscallEndBlocked:
			th.on = 0
		case EvGoCreateSyscall: // what follows is of another goroutine of the same id
			if n := t.number(int64(argument(data, 0))); t.open(n) {
				t.stacks[n] = reused
			}
			th.on = 0
		}
		if !t.open(n) {
			return true
		}
	}
	return false
}

// runs notes that a goroutine runs from now on.
func (t *told) runs(th *thread, id int64) {
	th.on = 0
	if n := t.number(id); t.open(n) {
		th.on = n + 1
	}
}

// ends notes that the goroutine that ran ended.
func (t *told) ends(th *thread) {
	if th.on != 0 {
		t.stacks[th.on-1] = ended
		th.on = 0
	}
}

// ahead returns the first stack after the current event of t of the goroutine that
// begins with it, a callback from C, which no other thread runs; 0 if it has none.
func (g *generation) ahead(t *thread) uint32 {
	for i := t.at + 1; i < len(t.evs); i++ {
		ev := &t.evs[i]
		if ev.typ == EvGoDestroySyscall {
			return 0
		}
		if k := layouts[ev.typ].stack; k >= 0 {
			if id, _ := g.stacks.get(ev.args[k]); id != 0 {
				return id
			}
		}
	}
	data := t.data
	for next := t.next; ; next++ {
		for len(data) > 0 {
			n := length(data)
			if n == 0 || data[0] == EvGoDestroySyscall {
				return 0
			}
			if id, ok := stackAt(g, data); ok {
				return id
			}
			data = data[n:]
		}
		if next == len(t.batches) {
			return 0
		}
		data = t.batches[next].data
	}
}

// stackAt returns the stack of the goroutine that runs, in the event at data[0].
func stackAt(g *generation, data []byte) (uint32, bool) {
	k := layouts[data[0]].stack
	if k < 0 || data[0] == EvGoStatusStack {
		return 0, false
	}
	id, _ := g.stacks.get(argument(data, int(k)))
	return id, id != 0
}

// length returns how long the event at b[0] is, 0 if it is not whole.
func length(b []byte) int {
	left := int(argsOf[b[0]]) + 1 // the time comes first
	if left == 0 {
		return 0
	}
	i := 1
	if len(b) > 8 { // nearly always these hold all of it
		ends := ^binary.LittleEndian.Uint64(b[1:]) & 0x8080808080808080
		for k := left; k > 1; k-- {
			ends &= ends - 1
		}
		if ends != 0 {
			return bits.TrailingZeros64(ends)>>3 + 2
		}
	}
	for ; i < len(b); i++ {
		if b[i] < 0x80 {
			if left--; left == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// argument returns the k-th number after the time of the event at b[0], which is whole.
func argument(b []byte, k int) uint64 {
	i := 1
	for ; k >= 0; k-- {
		for b[i] >= 0x80 {
			i++
		}
		i++
	}
	v, _ := uvarint(b, i)
	return v
}
