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
// status can come with a stack that is written anywhere in it, or in the next one.
type told struct {
	gen    uint64     // of the generation that was searched
	ids    goroutines // that do something in it and have shown no stack
	stacks []uint32   // of these by slot; 0 while none is found
	left   int        // of stacks, those that are 0
}

// These stand for the stack of a goroutine that ended before it had shown one; of the
// second kind, its id is another's by now.
const (
	ended = math.MaxUint32 - iota
	reused
)

// foretell returns a stack of g, which has a status without one: 0 if it has shown one
// before, or shows none in this generation and the next.
func (o *order) foretell(g *gState) uint32 {
	if g.told {
		return 0
	}
	t := &o.told
	if t.gen != o.gen {
		t.gen = o.gen
		o.searchAll()
	}
	if slot := t.ids.find(g.id); slot != 0 {
		if stack := t.stacks[slot]; stack != 0 && stack < reused {
			g.told = true
			return stack
		}
	}
	return 0
}

// searchAll looks for the stacks of all goroutines of the generation that foretell may
// be asked about.
func (o *order) searchAll() {
	t := &o.told
	t.ids, t.stacks, t.left = goroutines{}, append(t.stacks[:0], 0), 0
	for _, th := range o.in.threads {
		if th.id == None {
			continue // they did nothing in it
		}
		for _, b := range th.batches {
			for data := b.data; len(data) > 0; {
				n := length(data)
				if n == 0 {
					break
				}
				if data[0] == EvGoStatus {
					o.want(int64(argument(data, 0)))
				}
				data = data[n:]
			}
		}
	}
	t.search(o.in)
	if t.left > 0 {
		if next := o.next(); next != nil {
			t.search(next)
		}
	}
}

// want makes a goroutine one whose stack is looked for, if it has shown none.
func (o *order) want(id int64) {
	t := &o.told
	if g := o.gs.get(id); g != nil && g.told || t.ids.find(id) != 0 {
		return
	}
	t.ids.put(id)
	t.stacks = append(t.stacks, 0) // slots are given one after the other
	t.left++
}

// stretch is a batch and what its thread runs.
type stretch struct {
	batch
	on *runner
}

// runner is a thread and the goroutine on it by its slot in told, 0 if that needs no
// stack.
type runner struct {
	thread int64
	slot   uint32
}

// search looks for stacks in a generation.
func (t *told) search(g *generation) {
	var all []stretch
	for _, th := range g.threads {
		if th.id == None {
			continue
		}
		own := &runner{thread: th.id}
		for _, b := range th.batches {
			all = append(all, stretch{b, own})
		}
	}
	// In the order of time, so that the search soon ends.
	slices.SortStableFunc(all, func(a, b stretch) int { return cmp.Compare(a.time, b.time) })
	for i := 0; i < len(all) && t.left > 0; i++ {
		t.searchBatch(g, all[i])
	}
}

func (t *told) searchBatch(g *generation, s stretch) {
	on := s.on
	for data := s.data; len(data) > 0; {
		n := length(data)
		if n == 0 {
			return // the batch is broken, which decoding it will tell
		}
		typ := data[0]
		if on.slot != 0 {
			if id, ok := stackAt(g, data); ok {
				t.found(on.slot, id)
				on.slot = 0
			}
		}
		switch typ {
		case EvGoStart, EvGoSwitch, EvGoSwitchDestroy:
			if on.slot != 0 && typ == EvGoSwitchDestroy {
				t.found(on.slot, ended)
			}
			on.slot = t.wanted(int64(argument(data, 0)))
		case EvGoStatus, EvGoStatusStack:
			if status := argument(data, 2); (status == goRunning || status == goSyscall) && int64(argument(data, 1)) == on.thread {
				on.slot = t.wanted(int64(argument(data, 0)))
			}
		case EvGoDestroy, EvGoDestroySyscall:
			if on.slot != 0 {
				t.found(on.slot, ended)
			}
			on.slot = 0
		case EvGoStop, EvGoBlock, EvGoSyscallEndBlocked:
			on.slot = 0
		case EvGoCreateSyscall: // what follows is of another goroutine of the same id
			if slot := t.wanted(int64(argument(data, 0))); slot != 0 {
				t.found(slot, reused)
			}
			on.slot = 0
		}
		data = data[n:]
	}
}

// wanted returns the slot of a goroutine whose stack is looked for, else 0.
func (t *told) wanted(id int64) uint32 {
	if slot := t.ids.find(id); slot != 0 && (t.stacks[slot] == 0 || t.stacks[slot] == ended) {
		return slot
	}
	return 0
}

// found notes a stack of a goroutine, or that it ended. Batches overlap in time: what was
// before its end may come after it.
func (t *told) found(slot, stack uint32) {
	if t.stacks[slot] == 0 {
		t.left--
	}
	t.stacks[slot] = stack
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
