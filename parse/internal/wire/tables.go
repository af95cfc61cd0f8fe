package wire

import (
	"math/bits"
	"math/rand/v2"
)

// seed keeps whoever writes a trace from choosing ids that collide.
var seed = rand.Uint64()

// hash spreads numbers that lie close together evenly over its high bits.
func hash(x uint64) uint64 {
	hi, lo := bits.Mul64(x^seed, 0x9E3779B97F4A7C15)
	return hi ^ lo
}

// goroutines maps goroutine ids to their states: open addressing with linear
// probing, grown at half load. The runtime gives ids to Ps in blocks of 16, so the
// 16 ids of a block lie side by side and only blocks are hashed: goroutines that
// are made together are found together. States lie in slabs by slot, and neither
// they nor the entries hold pointers. Nearly all look-ups are answered by recent, without
// a hash: ids mostly follow one another, so that few share a place there.
type goroutines struct {
	recent  []*gState // by the low bits of the id: who was asked for last; nil for nobody
	entries []entry
	n       int
	shift   uint
	slabs   []*[slabSize]gState
	slots   uint32   // given out, from 1 on
	free    []uint32 // of them, those whose goroutine is gone
}

// entry is half of an id, and its slot; 0 if the entry is empty.
type entry struct{ low, slot uint32 }

const (
	slabSize  = 256
	blockBits = 4
)

func (t *goroutines) state(slot uint32) *gState { return &t.slabs[slot/slabSize][slot%slabSize] }

func (t *goroutines) home(id int64) int {
	return int(hash(uint64(id)>>blockBits)>>t.shift<<blockBits | uint64(id)&(1<<blockBits-1))
}

// near is where id is among the recent ones, if any.
func (t *goroutines) near(id int64) **gState { return &t.recent[id&int64(len(t.recent)-1)] }

// get returns the state of id, nil for none.
func (t *goroutines) get(id int64) *gState {
	if len(t.recent) > 0 {
		if g := *t.near(id); g != nil && g.id == id {
			return g
		}
	}
	return t.find(id)
}

func (t *goroutines) find(id int64) *gState {
	entries := t.entries
	for i := t.home(id); len(entries) > 0; i++ {
		e := entries[i&(len(entries)-1)]
		if e.slot == 0 {
			break
		}
		if g := t.state(e.slot); e.low == uint32(id) && g.id == id {
			*t.near(id) = g
			return g
		}
	}
	return nil
}

// put adds a state for id, which has none.
func (t *goroutines) put(id int64) *gState {
	if 2*(t.n+1) > len(t.entries) {
		t.grow()
	}
	var g *gState
	if k := len(t.free); k > 0 {
		g = t.state(t.free[k-1])
		t.free = t.free[:k-1]
		*g = gState{id: id, slot: g.slot, ranges: g.ranges}
	} else {
		t.slots++
		if int(t.slots/slabSize) == len(t.slabs) {
			t.slabs = append(t.slabs, new([slabSize]gState))
		}
		g = t.state(t.slots)
		g.id, g.slot = id, t.slots
	}
	t.insert(id, g.slot)
	*t.near(id) = g
	t.n++
	return g
}

func (t *goroutines) insert(id int64, slot uint32) {
	i, mask := t.home(id), len(t.entries)-1
	for t.entries[i].slot != 0 {
		i = (i + 1) & mask
	}
	t.entries[i] = entry{uint32(id), slot}
}

func (t *goroutines) grow() {
	old := t.entries
	size := max(64, 2*len(old))
	t.entries, t.recent = make([]entry, size), make([]*gState, size/2)
	t.shift = 64 + blockBits
	for ; size > 1; size >>= 1 {
		t.shift--
	}
	for _, e := range old {
		if e.slot != 0 {
			t.insert(t.state(e.slot).id, e.slot)
		}
	}
}

// remove deletes g, closing the gap so that no probe is cut short.
func (t *goroutines) remove(g *gState) {
	mask := len(t.entries) - 1
	i := t.home(g.id)
	for t.entries[i].slot != g.slot {
		if t.entries[i].slot == 0 {
			return
		}
		i = (i + 1) & mask
	}
	*t.near(g.id) = nil
	t.free = append(t.free, g.slot)
	t.n--
	for j := i; ; {
		t.entries[i] = entry{}
		for {
			j = (j + 1) & mask
			if t.entries[j].slot == 0 {
				return
			}
			// Move an entry back unless its home lies cyclically in (i, j].
			if home := t.home(t.state(t.entries[j].slot).id); (j-home)&mask >= (j-i)&mask {
				break
			}
		}
		t.entries[i] = t.entries[j]
		i = j
	}
}

// pcs maps the program counters of a generation to numbers from 0 on, in the way
// of goroutines.
type pcs struct {
	keys  []uint64
	vals  []uint32 // number + 1; 0: the entry is empty
	n     uint32
	shift uint
}

func (t *pcs) reset() {
	// A small generation must not pay for a large one that came before it.
	if 16*int(t.n) < len(t.keys) {
		t.keys, t.vals = nil, nil
	}
	clear(t.vals)
	t.n = 0
}

func (t *pcs) home(pc uint64) int { return int(hash(pc) >> t.shift) }

// number returns the number of pc and whether it is new.
func (t *pcs) number(pc uint64) (n uint32, isNew bool) {
	if 2*(int(t.n)+1) > len(t.keys) {
		t.grow()
	}
	keys, vals := t.keys, t.vals[:len(t.keys)]
	for i := t.home(pc); ; i++ {
		i &= len(keys) - 1
		if vals[i] == 0 {
			t.n++
			keys[i], vals[i] = pc, t.n
			return t.n - 1, true
		}
		if keys[i] == pc {
			return vals[i] - 1, false
		}
	}
}

func (t *pcs) grow() {
	keys, vals := t.keys, t.vals
	size := max(64, 2*len(keys))
	t.keys, t.vals = make([]uint64, size), make([]uint32, size)
	mask := size - 1
	t.shift = 64
	for ; size > 1; size >>= 1 {
		t.shift--
	}
	for k, v := range vals {
		if v == 0 {
			continue
		}
		i := t.home(keys[k])
		for t.vals[i] != 0 {
			i = (i + 1) & mask
		}
		t.keys[i], t.vals[i] = keys[k], v
	}
}

// table maps the ids of a generation's strings or stacks to those of the Tables:
// dense for the small numbers that the runtime gives, sparse for others.
type table struct {
	dense  []uint32 // id+1; 0 for none
	sparse map[uint64]uint32
}

const denseIDs = 1 << 20

// reset leaves only id 0, which is 0.
func (t *table) reset() {
	clear(t.dense)
	t.dense = append(t.dense[:0], 1)
	t.sparse = nil
}

func (t *table) get(id uint64) (uint32, bool) {
	if id < uint64(len(t.dense)) {
		if v := t.dense[id]; v != 0 {
			return v - 1, true
		}
	}
	v, ok := t.sparse[id]
	return v, ok
}

// add reports whether id was new.
func (t *table) add(id uint64, v uint32) bool {
	if _, ok := t.get(id); ok {
		return false
	}
	// Never more than twice what the ids seen so far take.
	if id < denseIDs && id < 1024+4*uint64(len(t.dense)) {
		for uint64(len(t.dense)) <= id {
			t.dense = append(t.dense, 0)
		}
		t.dense[id] = v + 1
		return true
	}
	if t.sparse == nil {
		t.sparse = make(map[uint64]uint32)
	}
	t.sparse[id] = v
	return true
}
