package tally

// PairsApart is how many keys a table of Pairs tells apart.
const PairsApart = 1 << 17

// Pairs is a Keyed whose keys are of two ids, such as a place and a stack, of which there
// may be very many. Once there are more than PairsApart it tells only those apart whose
// second id is below Limit: those that the trace has first. The others are one for each
// first id. What is told apart depends on the set of keys alone, so that parts of a trace
// merge exactly.
type Pairs[K comparable, V any] struct {
	Keyed[K, V]
	Limit uint32 // 0: all are told apart
	apart int    // keys with a second id
	most  int    // of them; 0 is PairsApart
}

// PairOf says what the keys of Pairs are.
type PairOf[K comparable, V any] struct {
	ID     func(K) uint32      // the second one, 0 for none
	Others func(K) (K, uint32) // the key without it, and its hash
	Add    func(into, from *V)
}

// At returns what is held under k, or what k is one with; a new zero value if nothing was.
func (t *Pairs[K, V]) At(k K, hash uint32, of *PairOf[K, V]) *V {
	if v := t.first(k, hash); v != nil {
		return v
	}
	return t.at(k, hash, of)
}

// at is At for a key that need not have the first place for it.
func (t *Pairs[K, V]) at(k K, hash uint32, of *PairOf[K, V]) *V {
	if v := t.known(k, hash); v != nil {
		return v
	}
	if t.beyond(k, of) {
		return t.Keyed.At(of.Others(k))
	}
	v := t.add(k, hash)
	if of.ID(k) == 0 {
		return v
	}
	t.apart++
	most := t.most
	if most == 0 {
		most = PairsApart
	}
	for t.apart > most {
		if t.Limit == 0 {
			t.Limit = 1 << 31
		}
		t.Limit /= 2
		t.evict(of)
	}
	if t.beyond(k, of) {
		return t.Keyed.At(of.Others(k))
	}
	return v
}

func (t *Pairs[K, V]) beyond(k K, of *PairOf[K, V]) bool {
	return t.Limit != 0 && of.ID(k) >= t.Limit
}

// evict moves what is beyond the limit to what it is one with.
func (t *Pairs[K, V]) evict(of *PairOf[K, V]) {
	var moved []*keyedEntry[K, V]
	kept := t.Entries[:0]
	for _, e := range t.Entries {
		if t.beyond(e.Key, of) {
			moved = append(moved, e)
		} else {
			kept = append(kept, e)
		}
	}
	if len(moved) == 0 {
		return
	}
	clear(t.Entries[len(kept):])
	clear(t.slots)
	t.Entries = kept
	for _, e := range kept {
		t.place(e)
	}
	t.apart -= len(moved)
	for _, e := range moved {
		of.Add(t.Keyed.At(of.Others(e.Key)), &e.V)
	}
}

// Merge adds the values of o, sharing none.
func (t *Pairs[K, V]) Merge(o *Pairs[K, V], of *PairOf[K, V]) {
	if o.Limit != 0 && (t.Limit == 0 || o.Limit < t.Limit) {
		t.Limit = o.Limit
		t.evict(of)
	}
	for _, e := range o.Entries {
		of.Add(t.At(e.Key, e.Hash, of), &e.V)
	}
}
