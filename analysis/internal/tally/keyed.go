// Package tally sums values by key: tables that are looked up at every event, and the
// rows that are made of them.
package tally

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tracelens/tracelens/parse"
)

// At returns what m holds under k, a new zero value if it held nothing.
func At[K comparable, V any](m map[K]*V, k K) *V {
	v := m[k]
	if v == nil {
		v = new(V)
		m[k] = v
	}
	return v
}

// MergeKeyed adds the values of from to those of into, sharing none.
func MergeKeyed[K comparable, V any](into, from map[K]*V, add func(into, from *V)) {
	for k, v := range from {
		add(At(into, k), v)
	}
}

// Keyed is a map of sums that is looked up at every event. It is as the events
// came: the same for equal sequences of keys, also when their parts are merged in
// order. The hash need not be good, but the same wherever the key is used.
type Keyed[K comparable, V any] struct {
	slots   []*keyedEntry[K, V] // by hash, at least half of them nil
	Entries []*keyedEntry[K, V] // in the order of arrival
}

type keyedEntry[K comparable, V any] struct {
	Hash uint32
	Key  K
	V    V
}

// At returns what is held under k, a new zero value if nothing was.
func (t *Keyed[K, V]) At(k K, hash uint32) *V {
	if v := t.first(k, hash); v != nil {
		return v
	}
	if v := t.known(k, hash); v != nil {
		return v
	}
	return t.add(k, hash)
}

// first returns what is held under k if that has the first place for it, as most have;
// else nil.
func (t *Keyed[K, V]) first(k K, hash uint32) *V {
	if n := len(t.slots); n > 0 {
		if e := t.slots[hash&uint32(n-1)]; e != nil && e.Key == k {
			return &e.V
		}
	}
	return nil
}

// known returns what is held under k, nil if nothing is.
func (t *Keyed[K, V]) known(k K, hash uint32) *V {
	mask := uint32(len(t.slots)) - 1
	for i := hash; len(t.slots) > 0; i++ {
		e := t.slots[i&mask]
		if e == nil {
			break
		}
		if e.Key == k {
			return &e.V
		}
	}
	return nil
}

func (t *Keyed[K, V]) add(k K, hash uint32) *V {
	e := &keyedEntry[K, V]{Hash: hash, Key: k}
	t.Entries = append(t.Entries, e)
	if 2*len(t.Entries) <= len(t.slots) {
		t.place(e)
		return &e.V
	}
	t.slots = make([]*keyedEntry[K, V], max(16, 2*len(t.slots)))
	for _, e := range t.Entries {
		t.place(e)
	}
	return &e.V
}

func (t *Keyed[K, V]) place(e *keyedEntry[K, V]) {
	mask := uint32(len(t.slots)) - 1
	i := e.Hash & mask
	for t.slots[i] != nil {
		i = (i + 1) & mask
	}
	t.slots[i] = e
}

// Merge adds the values of o, sharing none.
func (t *Keyed[K, V]) Merge(o *Keyed[K, V], add func(into, from *V)) {
	for _, e := range o.Entries {
		add(t.At(e.Key, e.Hash), &e.V)
	}
}

// ByKey returns a map of the values held.
func (t *Keyed[K, V]) ByKey() map[K]*V {
	m := make(map[K]*V, len(t.Entries))
	for _, e := range t.Entries {
		m[e.Key] = &e.V
	}
	return m
}

// Mix is a hash of two ids. These are small and dense.
func Mix(a, b uint32) uint32 {
	h := (a + b*0x85ebca6b) * 0x9e3779b1
	return h ^ h>>16
}

// ByID holds values by a small and dense id.
type ByID[K ~uint32, V any] struct {
	rows []*V // nil where there is none, up to the largest id
}

// At returns what is held under k, a new zero value if nothing was.
func (t *ByID[K, V]) At(k K) *V {
	if int(k) < len(t.rows) && t.rows[k] != nil {
		return t.rows[k]
	}
	return t.add(k)
}

func (t *ByID[K, V]) add(k K) *V {
	for len(t.rows) <= int(k) {
		t.rows = append(t.rows, nil)
	}
	t.rows[k] = new(V)
	return t.rows[k]
}

// Merge adds the values of o, sharing none.
func (t *ByID[K, V]) Merge(o *ByID[K, V], add func(into, from *V)) {
	for k, v := range o.rows {
		if v != nil {
			add(t.At(K(k)), v)
		}
	}
}

// ByKey returns a map of the values held.
func (t *ByID[K, V]) ByKey() map[K]*V {
	m := make(map[K]*V)
	for k, v := range t.rows {
		if v != nil {
			m[K(k)] = v
		}
	}
	return m
}

// ProcTable holds values by P. The ids of Ps are dense, but a trace may tell any.
type ProcTable[V any] struct {
	rows [256]*V
	more map[parse.ProcID]*V // all others
}

// At returns what is held of a P, a new zero value if nothing was.
func (t *ProcTable[V]) At(id parse.ProcID) *V {
	if uint(id) < uint(len(t.rows)) && t.rows[id] != nil {
		return t.rows[id]
	}
	return t.add(id)
}

// Known returns what is held of a P if that is quickly found, else nil.
func (t *ProcTable[V]) Known(id parse.ProcID) *V {
	if uint(id) < uint(len(t.rows)) {
		return t.rows[id]
	}
	return nil
}

func (t *ProcTable[V]) add(id parse.ProcID) *V {
	if uint(id) < uint(len(t.rows)) {
		t.rows[id] = new(V)
		return t.rows[id]
	}
	if t.more == nil {
		t.more = make(map[parse.ProcID]*V)
	}
	return At(t.more, id)
}

// ByKey returns a map of the values held.
func (t *ProcTable[V]) ByKey() map[parse.ProcID]*V {
	m := make(map[parse.ProcID]*V)
	maps.Copy(m, t.more)
	for id, v := range t.rows {
		if v != nil {
			m[parse.ProcID(id)] = v
		}
	}
	return m
}

// Label is what the rows of a table show of a key, in as many texts as needed.
type Label [3]string

// Ranked is the sum of the values whose keys print alike.
type Ranked[V any] struct {
	Label Label
	V     *V
}

// Rank joins the values of m whose keys print alike, the costliest first. add
// must be commutative. A value that is alone is the one of m: rows are only read.
func Rank[K comparable, V any](m map[K]*V, name func(K) Label, add func(into, from *V), cost func(*V) int64) []Ranked[V] {
	type row struct {
		v   *V
		own bool // v is a sum
	}
	joined := make(map[Label]row, len(m))
	for k, v := range m {
		l := name(k)
		at, some := joined[l]
		switch {
		case !some:
			joined[l] = row{v: v}
			continue
		case !at.own:
			first := at.v
			at = row{new(V), true}
			add(at.v, first)
			joined[l] = at
		}
		add(at.v, v)
	}
	out := make([]Ranked[V], 0, len(joined))
	for l, at := range joined {
		out = append(out, Ranked[V]{l, at.v})
	}
	slices.SortFunc(out, func(a, b Ranked[V]) int {
		return cmp.Or(cmp.Compare(cost(b.V), cost(a.V)), slices.Compare(a.Label[:], b.Label[:]))
	})
	return out
}
