package tally

import (
	"math/bits"
)

// Coarse counts durations in buckets a quarter of a power of two wide. It is for
// distributions per site, where a [sketch.Histogram] would be too large.
type Coarse [CoarseLen]int64

const CoarseLen = 4 * 47 // up to 1<<48 ns; longer ones share the last bucket

func (c *Coarse) Add(v int64) { c[CoarseIndex(v)]++ }

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
	for i, n := range o {
		c[i] += n
	}
}

// Quantile returns the upper edge of the bucket of the p-th percentile, at most
// 25 % above it, and not above largest; nil with fewer than ten values beyond it.
func (c *Coarse) Quantile(p, largest int64) any {
	var n, below int64
	for _, k := range c {
		n += k
	}
	if n*(100-p) < 1000 {
		return nil
	}
	rank := (n*p + 99) / 100
	for i, k := range c {
		if below += k; below >= rank {
			return min(CoarseTop(i), largest)
		}
	}
	return nil
}

// Long is the length that those with the longest tenth of all the time reach.
func (c *Coarse) Long(largest int64) int64 {
	var total, beyond int64
	for i, n := range c {
		total += n * CoarseTop(i)
	}
	for i := CoarseLen - 1; i >= 0; i-- {
		if beyond += c[i] * CoarseTop(i); beyond > 0 && 10*beyond >= total {
			return min(CoarseTop(i), largest)
		}
	}
	return 0
}

// Middle is the upper edge of the bucket of the median, of any number of values.
func (c *Coarse) Middle(largest int64) int64 {
	var n, below int64
	for _, k := range c {
		n += k
	}
	for i, k := range c {
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
