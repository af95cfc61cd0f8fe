package wire

import (
	"math/rand/v2"
	"testing"
)

// inverse is the number whose product with the multiplier of hash is 1: multiples of
// it are what a hash by that product alone puts side by side.
const inverse = 0xF1DE83E19937733D

// TestHostileIDs: ids chosen to collide are found as fast as others, and numbers that
// lie side by side are spread evenly.
func TestHostileIDs(t *testing.T) {
	const n = 20_000
	sets := map[string]func(i uint64) uint64{
		"in a row":             func(i uint64) uint64 { return i },
		"multiples of inverse": func(i uint64) uint64 { return i * inverse },
		"high bits":            func(i uint64) uint64 { return i << 48 },
		"steps of 4096":        func(i uint64) uint64 { return i << 12 },
	}
	for name, id := range sets {
		var gs goroutines
		var ps pcs
		for i := range uint64(n) {
			// Of goroutines the low bits choose within a block.
			if g := int64(id(i) << blockBits); gs.get(g) == nil {
				gs.put(g)
			}
			ps.number(id(i))
		}
		// How far entries lie from their homes, in all. In blocks of 16 of which one
		// is used most lie apart, and those that share one lie side by side.
		var far int
		for i, e := range gs.entries {
			if e.slot != 0 {
				far += (i - gs.home(gs.state(e.slot).id)) & (len(gs.entries) - 1)
			}
		}
		if far > 40*n {
			t.Errorf("goroutines, %s: %d steps to find %d", name, far, n)
		}
		far = 0
		for i, v := range ps.vals {
			if v != 0 {
				far += (i - ps.home(ps.keys[i])) & (len(ps.keys) - 1)
			}
		}
		if far > 4*n {
			t.Errorf("PCs, %s: %d steps to find %d", name, far, n)
		}
	}
}

// TestGoroutines: what is found of an id is what was put for it last, and nothing once
// that was removed, also where ids share a place among the recent ones.
func TestGoroutines(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var gs goroutines
	want := make(map[int64]*gState)
	for i := range 200_000 {
		id := int64(rnd.IntN(40)) + int64(rnd.IntN(10))<<rnd.IntN(40)
		g := gs.get(id)
		if g != want[id] || g != nil && g.id != id {
			t.Fatalf("step %d: goroutine %d is %+v, want %+v", i, id, g, want[id])
		}
		switch {
		case g == nil:
			want[id] = gs.put(id)
		case rnd.IntN(3) == 0:
			gs.remove(g)
			delete(want, id)
		}
		if gs.n != len(want) {
			t.Fatalf("step %d: there are %d goroutines, want %d", i, gs.n, len(want))
		}
	}
}
