package tally

import (
	"math/rand/v2"
	"testing"
)

// TestPairs: what is told apart, and the sums of the others, follow from the set of keys,
// however it is divided; nothing is lost.
func TestPairs(t *testing.T) {
	type key struct{ a, b uint32 }
	hash := func(k key) uint32 { return Mix(k.a, k.b) }
	of := &PairOf[key, int]{
		ID:     func(k key) uint32 { return k.b },
		Others: func(k key) (key, uint32) { k.b = 0; return k, hash(k) },
		Add:    func(into, from *int) { *into += *from },
	}
	const most = 50
	add := func(p *Pairs[key, int], keys []key) {
		for _, k := range keys {
			*p.At(k, hash(k), of)++
		}
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var keys []key
		want := make(map[uint32]int) // by first id
		for range 400 {
			k := key{rng.Uint32N(5), rng.Uint32N(1 + uint32(seed)*20)}
			keys = append(keys, k)
			want[k.a]++
		}
		whole, merged := &Pairs[key, int]{most: most}, &Pairs[key, int]{most: most}
		add(whole, keys)
		for len(keys) > 0 {
			n := min(len(keys), 1+rng.IntN(150))
			part := &Pairs[key, int]{most: most}
			add(part, keys[:n])
			merged.Merge(part, of)
			keys = keys[n:]
		}
		got := make(map[uint32]int)
		apart := 0
		for k, n := range whole.ByKey() {
			got[k.a] += *n
			if k.b != 0 {
				apart++
			}
			if m := merged.ByKey()[k]; m == nil || *m != *n {
				t.Fatalf("seed %d: %v is %d in the whole, %v in the merged parts", seed, k, *n, m)
			}
		}
		if len(whole.Entries) != len(merged.Entries) || whole.Limit != merged.Limit || apart > most || apart != whole.apart || (whole.Limit == 0) != (seed == 0) && seed > 5 {
			t.Errorf("seed %d: %d and %d entries, limits %d and %d, %d apart", seed, len(whole.Entries), len(merged.Entries), whole.Limit, merged.Limit, apart)
		}
		for a, n := range want {
			if got[a] != n {
				t.Errorf("seed %d: %d of %d: %d", seed, a, n, got[a])
			}
		}
	}
}
