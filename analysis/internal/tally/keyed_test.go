package tally

import (
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/tracelens/tracelens/parse"
)

func TestCoarse(t *testing.T) {
	for i := range CoarseLen {
		top := CoarseTop(i)
		if CoarseIndex(top) != i || i+1 < CoarseLen && CoarseIndex(top+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, whose index is %d, and %d after it", i, top, CoarseIndex(top), CoarseIndex(top+1))
		}
	}
	if i := CoarseIndex(1 << 62); i != CoarseLen-1 {
		t.Errorf("index of 1<<62 is %d", i)
	}
	var c Coarse
	for v := int64(1); v <= 1000; v++ {
		c.Add(v)
	}
	// The 500th of 1…1000 is 500, in the bucket 448…511.
	if got := c.Quantile(50, 1000); got != any(int64(511)) {
		t.Errorf("p50 of 1…1000 is %v, want 511", got)
	}
	if got := c.Quantile(99, 1000); got != any(int64(1000)) {
		t.Errorf("p99 of 1…1000 is %v, want the largest value", got)
	}
	parts, whole := [2]Coarse{}, Coarse{}
	for i := range int64(40) { // few buckets and many
		v := i * i * i * 100
		whole.Add(v)
		parts[i%2].Add(v)
		merged := Coarse{}
		merged.Merge(&parts[1])
		merged.Merge(&parts[0])
		if !reflect.DeepEqual(merged, whole) {
			t.Fatalf("%d values: merged parts differ from the whole", i+1)
		}
	}
	var few Coarse
	for range 19 {
		few.Add(7)
	}
	if got := few.Quantile(50, 7); got != nil {
		t.Errorf("p50 of 19 values is %v, want none", got)
	}
	few.Add(7)
	if got := few.Quantile(50, 7); got != any(int64(7)) {
		t.Errorf("p50 of 20 values of 7 is %v", got)
	}
}

func TestKeyed(t *testing.T) {
	type key struct{ a, b uint32 }
	rng := rand.New(rand.NewPCG(1, 2))
	for _, hash := range []func(key) uint32{
		func(k key) uint32 { return Mix(k.a, k.b) },
		func(k key) uint32 { return math.MaxUint32 }, // all collide
	} {
		whole, parts := new(Keyed[key, int]), []*Keyed[key, int]{new(Keyed[key, int])}
		want := make(map[key]int)
		for range 500 {
			k := key{rng.Uint32N(20), rng.Uint32N(5)}
			want[k]++
			*whole.At(k, hash(k))++
			if rng.IntN(50) == 0 {
				parts = append(parts, new(Keyed[key, int]))
			}
			*parts[len(parts)-1].At(k, hash(k))++
		}
		for _, p := range parts[1:] {
			parts[0].Merge(p, func(n, more *int) { *n += *more })
		}
		if !reflect.DeepEqual(parts[0], whole) {
			t.Error("merged parts differ from the whole")
		}
		got := make(map[key]int)
		for k, n := range whole.ByKey() {
			got[k] = *n
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestProcTable(t *testing.T) {
	var table ProcTable[int]
	ids := []parse.ProcID{0, 255, 256, 1 << 30, parse.NoProc}
	for i, id := range ids {
		*table.At(id) += i
		*table.At(id) += 10
	}
	got := table.ByKey()
	for i, id := range ids {
		if n := got[id]; len(got) != len(ids) || n == nil || *n != i+10 {
			t.Errorf("P %d: %v of %v", id, n, got)
		}
	}
}
