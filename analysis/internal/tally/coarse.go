package tally

import (
	"iter"
	"math/bits"
	"slices"
)

// Buckets holds values by the bucket of a duration, those a quarter of a power of two
// wide. It takes what the buckets that are used take.
type Buckets[V any] struct {
	used []bucket[V] // ascending
}

type bucket[V any] struct {
	i uint8
	v V
}

// At returns what is held of a bucket, a new zero value if nothing was. It is valid
// until the next call.
func (b *Buckets[V]) At(i int) *V {
	k, ok := slices.BinarySearchFunc(b.used, uint8(i), func(x bucket[V], i uint8) int { return int(x.i) - int(i) })
	if !ok {
		b.used = slices.Insert(b.used, k, bucket[V]{i: uint8(i)})
	}
	return &b.used[k].v
}

// All are the buckets that are used, ascending.
func (b *Buckets[V]) All() iter.Seq2[int, *V] {
	return func(yield func(int, *V) bool) {
		for k := range b.used {
			if !yield(int(b.used[k].i), &b.used[k].v) {
				return
			}
		}
	}
}

// Coarse counts durations in buckets a quarter of a power of two wide. It is for
// distributions per site, where a [sketch.Histogram] would be too large.
type Coarse struct {
	few Buckets[int64]    // while at most sparse are used
	all *[CoarseLen]int64 // else
}

const (
	CoarseLen = 4 * 47 // up to 1<<48 ns; longer ones share the last bucket
	sparse    = 16
)

func (c *Coarse) Add(v int64) { c.AddN(v, 1) }

// AddN adds n > 0 times v.
func (c *Coarse) AddN(v, n int64) { c.add(CoarseIndex(v), n) }

func (c *Coarse) add(i int, n int64) {
	if c.all != nil {
		c.all[i] += n
		return
	}
	*c.few.At(i) += n
	if len(c.few.used) > sparse {
		c.all = new([CoarseLen]int64)
		for i, n := range c.few.All() {
			c.all[i] = *n
		}
		c.few = Buckets[int64]{}
	}
}

// Bins are the buckets with values, ascending, and how many each has.
func (c *Coarse) Bins() iter.Seq2[int, int64] {
	return func(yield func(int, int64) bool) {
		for i, n := range c.few.All() {
			if !yield(i, *n) {
				return
			}
		}
		if c.all == nil {
			return
		}
		for i, n := range c.all {
			if n != 0 && !yield(i, n) {
				return
			}
		}
	}
}

func CoarseIndex(v int64) int {
	if v < 4 {
		return int(max(v, 0))
	}
	e := bits.Len64(uint64(v)) - 1
	return min(4*(e-1)+int(v>>(e-2)&3), CoarseLen-1)
}

// CoarseTop is the largest value of a bucket.
func CoarseTop(i int) int64 {
	if i < 4 {
		return int64(i)
	}
	return (int64(4+i%4)+1)<<(i/4-1) - 1
}

func (c *Coarse) Merge(o *Coarse) {
	for i, n := range o.Bins() {
		c.add(i, n)
	}
}

// Quantile returns the upper edge of the bucket of the p-th percentile, at most
// 25 % above it, and not above largest; nil with fewer than ten values beyond it.
func (c *Coarse) Quantile(p, largest int64) any {
	var n, below int64
	for _, k := range c.Bins() {
		n += k
	}
	if n*(100-p) < 1000 {
		return nil
	}
	rank := (n*p + 99) / 100
	for i, k := range c.Bins() {
		if below += k; below >= rank {
			return min(CoarseTop(i), largest)
		}
	}
	return nil
}

// Long is the length that those with the longest tenth of all the time reach.
func (c *Coarse) Long(largest int64) int64 {
	var total, beyond int64
	for i, n := range c.Bins() {
		total += n * CoarseTop(i)
	}
	for i, n := range c.Bins() {
		if beyond += n * CoarseTop(i); 10*(total-beyond) < total {
			return min(CoarseTop(i), largest)
		}
	}
	return 0
}

// Middle is the upper edge of the bucket of the median, of any number of values.
func (c *Coarse) Middle(largest int64) int64 {
	var n, below int64
	for _, k := range c.Bins() {
		n += k
	}
	for i, k := range c.Bins() {
		if below += k; below > 0 && 2*below >= n {
			return min(CoarseTop(i), largest)
		}
	}
	return 0
}

func CoarseBottom(i int) int64 {
	if i == 0 {
		return 0
	}
	return CoarseTop(i-1) + 1
}
