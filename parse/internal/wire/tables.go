package wire

// goroutines maps goroutine ids to their states: open addressing with linear
// probing, grown at half load, so that a look-up is a multiplication and mostly
// one cache line.
type goroutines struct {
	keys  []int64 // id, or empty
	vals  []*gState
	n     int
	shift uint
	free  []*gState
	slots uint32 // given out
	slab  []gState
}

const emptyKey = int64(-1 << 63)

func (t *goroutines) slot(id int64) int { return int(uint64(id) * 0x9E3779B97F4A7C15 >> t.shift) }

func (t *goroutines) get(id int64) *gState {
	if t.n == 0 {
		return nil
	}
	for i := t.slot(id); ; i = (i + 1) & (len(t.keys) - 1) {
		switch t.keys[i] {
		case id:
			return t.vals[i]
		case emptyKey:
			return nil
		}
	}
}

// put adds a state for id, which has none.
func (t *goroutines) put(id int64) *gState {
	if 2*(t.n+1) > len(t.keys) {
		t.grow()
	}
	var g *gState
	if k := len(t.free); k > 0 {
		g = t.free[k-1]
		t.free = t.free[:k-1]
		*g = gState{id: id, slot: g.slot, ranges: g.ranges[:0]}
	} else {
		if len(t.slab) == 0 {
			t.slab = make([]gState, 256)
		}
		g = &t.slab[0]
		t.slab = t.slab[1:]
		t.slots++
		g.id, g.slot = id, t.slots
	}
	t.insert(id, g)
	t.n++
	return g
}

func (t *goroutines) insert(id int64, g *gState) {
	i := t.slot(id)
	for t.keys[i] != emptyKey {
		i = (i + 1) & (len(t.keys) - 1)
	}
	t.keys[i], t.vals[i] = id, g
}

func (t *goroutines) grow() {
	keys, vals := t.keys, t.vals
	size := max(64, 2*len(keys))
	t.keys, t.vals = make([]int64, size), make([]*gState, size)
	for i := range t.keys {
		t.keys[i] = emptyKey
	}
	t.shift = 64
	for ; size > 1; size >>= 1 {
		t.shift--
	}
	for i, k := range keys {
		if k != emptyKey {
			t.insert(k, vals[i])
		}
	}
}

// remove deletes id, closing the gap so that no probe is cut short.
func (t *goroutines) remove(id int64) {
	mask := len(t.keys) - 1
	i := t.slot(id)
	for t.keys[i] != id {
		if t.keys[i] == emptyKey {
			return
		}
		i = (i + 1) & mask
	}
	t.free = append(t.free, t.vals[i])
	t.n--
	for j := i; ; {
		t.keys[i], t.vals[i] = emptyKey, nil
		for {
			j = (j + 1) & mask
			if t.keys[j] == emptyKey {
				return
			}
			// Move an entry back unless its home lies cyclically in (i, j].
			if home := t.slot(t.keys[j]); (j-home)&mask >= (j-i)&mask {
				break
			}
		}
		t.keys[i], t.vals[i] = t.keys[j], t.vals[j]
		i = j
	}
}

// table maps the ids of a generation's strings or stacks to those of the Tables:
// dense for the small numbers that the runtime gives, sparse for others.
type table struct {
	dense  []uint32 // id+1; 0 for none
	sparse map[uint64]uint32
}

const denseIDs = 1 << 20

func (t *table) reset() {
	clear(t.dense)
	t.dense = t.dense[:0]
	t.sparse = nil
}

func (t *table) get(id uint64) (uint32, bool) {
	if id < uint64(len(t.dense)) {
		if v := t.dense[id]; v != 0 {
			return v - 1, true
		}
	}
	if id == 0 {
		return 0, true
	}
	v, ok := t.sparse[id]
	return v, ok
}

// add reports whether id was new.
func (t *table) add(id uint64, v uint32) bool {
	if id == 0 {
		return false
	}
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
