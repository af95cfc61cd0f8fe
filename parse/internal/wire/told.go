package wire

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"
)

// told finds stacks of goroutines that were there before the trace. Their entry
// functions, and with these whether they are the program's or the GC's, would else be
// known only when their first run ends: a GC worker would count as user code until then.
// A generation is in memory when its first event is delivered, so that a goroutine's
// status can come with a stack that is written anywhere in it.
type told struct {
	nameless map[int64]struct{} // goroutines without a stack in any generation so far
	stacks   map[int64]uint32   // of this generation, 0 while none is found
	left     int                // of stacks, those that are 0
}

// lookUp finds, in a generation that is read, stacks of the goroutines that have shown
// none; in the first generation, of all that have a status.
func (o *order) lookUp(g *generation) {
	t := &o.told
	clear(t.stacks)
	t.left = 0
	first := o.initial == 0
	maps.DeleteFunc(t.nameless, func(id int64, _ struct{}) bool { return o.gs.find(id) == 0 })
	if !first && len(t.nameless) == 0 {
		return
	}
	if t.stacks == nil {
		t.stacks, t.nameless = make(map[int64]uint32), make(map[int64]struct{})
	}
	var all []stretch
	for _, th := range g.threads {
		if th.id == None {
			continue // they did nothing in it
		}
		own := &runner{thread: th.id, g: None}
		for _, b := range th.batches {
			all = append(all, stretch{b, own})
			for data := b.data; len(data) > 0; {
				n := length(data)
				if n == 0 {
					break
				}
				if data[0] == EvGoStatus {
					id := int64(argument(data, 0))
					_, known := t.stacks[id]
					_, asked := t.nameless[id]
					if !known && (first || asked) {
						t.stacks[id] = 0
						t.left++
					}
				}
				data = data[n:]
			}
		}
	}
	// In the order of time, so that the search soon ends.
	slices.SortStableFunc(all, func(a, b stretch) int { return cmp.Compare(a.time, b.time) })
	for i := 0; i < len(all) && t.left > 0; i++ {
		t.search(g, all[i])
	}
}

// stretch is a batch and what its thread runs.
type stretch struct {
	batch
	on *runner
}

// runner is a thread and the goroutine on it, None if that needs no stack.
type runner struct {
	thread, g int64
}

// search looks for stacks in one batch.
func (t *told) search(g *generation, s stretch) {
	on := s.on
	for data := s.data; len(data) > 0; {
		n := length(data)
		if n == 0 {
			return // the batch is broken, which decoding it will tell
		}
		typ := data[0]
		if on.g != None {
			if id, ok := stackAt(g, data); ok {
				t.stacks[on.g] = id
				t.left--
				on.g = None
			}
		}
		switch typ {
		case EvGoStart, EvGoSwitch, EvGoSwitchDestroy:
			on.g = t.wanted(int64(argument(data, 0)))
		case EvGoStatus, EvGoStatusStack:
			if status := argument(data, 2); (status == goRunning || status == goSyscall) && int64(argument(data, 1)) == on.thread {
				on.g = t.wanted(int64(argument(data, 0)))
			}
		case EvGoStop, EvGoBlock, EvGoDestroy, EvGoDestroySyscall, EvGoSyscallEndBlocked:
			on.g = None
		case EvGoCreateSyscall: // what follows is of another goroutine of the same id
			if id := t.wanted(int64(argument(data, 0))); id != None {
				delete(t.stacks, id)
				t.left--
			}
			on.g = None
		}
		data = data[n:]
	}
}

// wanted returns id if a stack of it is looked for, else None.
func (t *told) wanted(id int64) int64 {
	if stack, ok := t.stacks[id]; ok && stack == 0 {
		return id
	}
	return None
}

// take returns the stack that was found of a goroutine whose status, which has none, is
// told: 0 if it has shown one before.
func (t *told) take(id int64, first bool) uint32 {
	if _, ok := t.nameless[id]; !ok && !first {
		return 0
	}
	stack := t.stacks[id]
	if stack == 0 {
		t.nameless[id] = struct{}{}
	} else {
		delete(t.nameless, id)
	}
	return stack
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
	for ; i+8 <= len(b); i += 8 {
		ends := ^binary.LittleEndian.Uint64(b[i:]) & 0x8080808080808080
		if n := bits.OnesCount64(ends); n < left {
			left -= n
			continue
		}
		for ; left > 1; left-- {
			ends &= ends - 1
		}
		return i + bits.TrailingZeros64(ends)>>3 + 1
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
