package sketch

import (
	"fmt"
	"slices"
	"sort"
)

// Key orders the entries of a [Top]: the larger Value first, then the earlier
// Time, then the smaller ID.
type Key struct{ Value, Time, ID int64 }

func (k Key) before(o Key) bool {
	if k.Value != o.Value {
		return k.Value > o.Value
	}
	if k.Time != o.Time {
		return k.Time < o.Time
	}
	return k.ID < o.ID
}

// Entry is an item and its key.
type Entry[T any] struct {
	Key
	Item T
}

// Top keeps the first n entries in the order of their keys. Entries of equal
// keys stay in the order in which they were added or merged, so where one key
// has different items, parts must be merged in order. n should be small (≤ 64):
// Add moves entries.
type Top[T any] struct {
	n       int
	entries []Entry[T] // in order
}

// NewTop returns an empty Top of up to n entries.
func NewTop[T any](n int) *Top[T] { return &Top[T]{n: n} }

// Len is how many entries it keeps.
func (t *Top[T]) Len() int { return t.n }

// Wants reports whether an entry with that value may be kept: when it does not,
// there is no need to build the item.
func (t *Top[T]) Wants(value int64) bool {
	k := len(t.entries)
	return k < t.n || k > 0 && value >= t.entries[k-1].Value
}

// Add adds an entry.
func (t *Top[T]) Add(k Key, item T) {
	if !t.Wants(k.Value) {
		return
	}
	e := t.entries
	if e == nil {
		e = make([]Entry[T], 0, min(t.n, 8))
	}
	if len(e) < t.n {
		e = append(e, Entry[T]{})
	} else if !k.before(e[len(e)-1].Key) {
		return
	}
	i := sort.Search(len(e)-1, func(i int) bool { return k.before(e[i].Key) })
	copy(e[i+1:], e[i:])
	e[i] = Entry[T]{k, item}
	t.entries = e
}

// Merge adds the entries of o, which must have the same n.
func (t *Top[T]) Merge(o *Top[T]) {
	if t.n != o.n {
		panic(fmt.Sprintf("sketch: merge of a Top of %d with one of %d", t.n, o.n))
	}
	for _, e := range o.entries {
		t.Add(e.Key, e.Item)
	}
}

// Items returns a copy of the entries in order.
func (t *Top[T]) Items() []Entry[T] { return slices.Clone(t.entries) }
