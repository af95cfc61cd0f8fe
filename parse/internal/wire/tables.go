package wire

// goroutines maps goroutine ids to their states: open addressing with linear
// probing, grown at half load. The runtime gives ids to Ps in blocks of 16, so the
// 16 ids of a block lie side by side and only blocks are hashed: goroutines that
// are made together are found together.
type goroutines struct {
	entries []entry
	n       int
	shift   uint
	free    []*gState
	slots   uint32 // given out
	slab    []gState
}

type entry struct {
	id int64
	g  *gState // nil: the entry is empty
}

const blockBits = 4

func (t *goroutines) home(id int64) int {
	h := uint64(id) >> blockBits * 0x9E3779B97F4A7C15
	return int(h>>t.shift<<blockBits | uint64(id)&(1<<blockBits-1))
}

func (t *goroutines) get(id int64) *gState {
	entries := t.entries
	for i := t.home(id); len(entries) > 0; i++ {
		e := &entries[i&(len(entries)-1)]
		if e.id == id || e.g == nil {
			return e.g
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
		g = t.free[k-1]
		t.free = t.free[:k-1]
		*g = gState{id: id, slot: g.slot, ranges: g.ranges}
	} else {
		if len(t.slab) == 0 {
			t.slab = make([]gState, 256)
		}
		g = &t.slab[0]
		t.slab = t.slab[1:]
		t.slots++
		g.id, g.slot = id, t.slots
	}
	t.insert(g)
	t.n++
	return g
}

func (t *goroutines) insert(g *gState) {
	i, mask := t.home(g.id), len(t.entries)-1
	for t.entries[i].g != nil {
		i = (i + 1) & mask
	}
	t.entries[i] = entry{g.id, g}
}

func (t *goroutines) grow() {
	old := t.entries
	size := max(64, 2*len(old))
	t.entries = make([]entry, size)
	t.shift = 64 + blockBits
	for ; size > 1; size >>= 1 {
		t.shift--
	}
	for _, e := range old {
		if e.g != nil {
			t.insert(e.g)
		}
	}
}

// remove deletes id, closing the gap so that no probe is cut short.
func (t *goroutines) remove(id int64) {
	mask := len(t.entries) - 1
	i := t.home(id)
	for t.entries[i].id != id || t.entries[i].g == nil {
		if t.entries[i].g == nil {
			return
		}
		i = (i + 1) & mask
	}
	t.free = append(t.free, t.entries[i].g)
	t.n--
	for j := i; ; {
		t.entries[i] = entry{}
		for {
			j = (j + 1) & mask
			if t.entries[j].g == nil {
				return
			}
			// Move an entry back unless its home lies cyclically in (i, j].
			if home := t.home(t.entries[j].id); (j-home)&mask >= (j-i)&mask {
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
	clear(t.vals)
	t.n = 0
}

func (t *pcs) home(pc uint64) int { return int(pc * 0x9E3779B97F4A7C15 >> t.shift) }

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
	// N.B. never more than twice what the ids seen so far take.
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
