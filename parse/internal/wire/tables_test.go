package wire

import "testing"

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
