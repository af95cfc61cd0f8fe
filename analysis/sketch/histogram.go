package sketch

import (
	"math"
	"math/bits"
)

const (
	inline = 32 // values kept as they are

	// There are 128 buckets per power of two: a bucket is at most 1/128 of its
	// values wide, and below 256 it holds one value. It is the layout of an HDR
	// histogram of two significant digits.
	perOctave = 128
	limit     = 1 << 47 // 39 h in ns, 128 TiB in bytes; it has the last bucket
	numCounts = 41*perOctave + 1
)

// octaves counts values by bucket, perOctave buckets to an array; those without a
// value are nil, so that equal contents are equal.
type octaves [numCounts/perOctave + 1]*[perOctave]int64

func (o *octaves) at(bucket int) int64 {
	if octave := o[bucket/perOctave]; octave != nil {
		return octave[bucket%perOctave]
	}
	return 0
}

// add adds n > 0, as far as there is room for it.
func (o *octaves) add(bucket int, n int64) {
	octave := &o[bucket/perOctave]
	if *octave == nil {
		*octave = new([perOctave]int64)
	}
	sum := &(*octave)[bucket%perOctave]
	*sum = addSat(*sum, n)
}

// bucketOf returns the bucket of a value in 0…limit.
func bucketOf(v int64) int {
	if v < 2*perOctave {
		return int(v)
	}
	e := bits.Len64(uint64(v)) - bits.Len(perOctave)
	return e*perOctave + int(v>>(e&63))
}

// bucketRange returns the smallest and the largest value of a bucket.
func bucketRange(i int) (lo, hi int64) {
	e := max(i/perOctave-1, 0)
	lo = int64(i-e*perOctave) << e
	return lo, lo + 1<<e - 1
}

// Histogram is the distribution of int64 values ≥ 0 (ns, bytes, counts);
// smaller ones count as 0. N, Sum, Min and Max are exact. Up to 32 values are
// kept as they are, in 0.3 KiB; beyond that they are counted in buckets ≤ 0.8 %
// wide, in another 0.3 KiB and 1 KiB for each power of two that has values, 41 KiB
// at most. Values above 1<<47 share the last bucket. N and Sum
// stop at [math.MaxInt64]; the law holds for buckets as long as N does not get
// there. The zero value is empty.
type Histogram struct {
	n, sum, min, max int64
	few              [inline]int64 // the values in ascending order while n ≤ inline, else zero
	// Not hdrhistogram-go, which takes more than twice as long to count a
	// value. Its PackedHistogram is smaller, but remembers the bucket it hit last,
	// so that equal contents are not equal values.
	counts *octaves // nil while n ≤ inline
}

// Add adds the value v.
func (h *Histogram) Add(v int64) {
	// Most values: counted in buckets, within the extremes, far from overflow.
	i := uint(bucketOf(v))
	if uint64(v-h.min) > uint64(h.max-h.min) || (h.sum|h.n) >= 1<<62 || h.counts == nil || i >= numCounts {
		h.AddN(v, 1)
		return
	}
	octave := h.counts[i/perOctave]
	if octave == nil {
		h.AddN(v, 1)
		return
	}
	h.n++
	h.sum += v
	octave[i%perOctave]++
}

// AddN adds n times the value v; n ≤ 0 adds nothing.
func (h *Histogram) AddN(v, n int64) {
	// Most values, as in Add; v·n stays far from overflow.
	if i := uint(bucketOf(v)); uint64(v-h.min) <= uint64(h.max-h.min) && (h.sum|h.n) < 1<<62 && uint64(v|n) < 1<<30 && h.counts != nil && i < numCounts {
		if octave := h.counts[i/perOctave]; octave != nil {
			h.n += n
			h.sum += v * n
			octave[i%perOctave] += n
			return
		}
	}
	if n <= 0 {
		return
	}
	v = max(v, 0)
	if h.n == 0 {
		h.min, h.max = v, v
	} else {
		h.min, h.max = min(h.min, v), max(h.max, v)
	}
	h.sum = addSat(h.sum, mulSat(v, n))
	h.put(v, n)
}

// Merge adds the values of o.
func (h *Histogram) Merge(o *Histogram) {
	if o.n == 0 {
		return
	}
	if h.n == 0 {
		h.min, h.max = o.min, o.max
	} else {
		h.min, h.max = min(h.min, o.min), max(h.max, o.max)
	}
	h.sum = addSat(h.sum, o.sum)
	if o.counts == nil {
		for _, v := range o.few[:o.n] {
			h.put(v, 1)
		}
		return
	}
	if h.counts == nil {
		h.spread()
	}
	for i, octave := range o.counts {
		if octave == nil {
			continue
		}
		for k, n := range octave {
			if n > 0 {
				h.counts.add(i*perOctave+k, n)
			}
		}
	}
	h.n = addSat(h.n, o.n)
}

func (h *Histogram) put(v, n int64) {
	if h.counts == nil {
		if n <= inline-h.n {
			for range n {
				i := h.n
				for ; i > 0 && h.few[i-1] > v; i-- {
					h.few[i] = h.few[i-1]
				}
				h.few[i] = v
				h.n++
			}
			return
		}
		h.spread()
	}
	if n = min(n, math.MaxInt64-h.n); n > 0 {
		h.counts.add(bucketOf(min(v, limit)), n)
		h.n += n
	}
}

// spread counts the inline values in buckets.
func (h *Histogram) spread() {
	h.counts = new(octaves)
	for _, v := range h.few[:h.n] {
		h.counts.add(bucketOf(min(v, limit)), 1)
	}
	h.few = [inline]int64{}
}

// N returns the number of values.
func (h *Histogram) N() int64 { return h.n }

// Sum returns the sum of the values.
func (h *Histogram) Sum() int64 { return h.sum }

// Min returns the smallest value, 0 when empty.
func (h *Histogram) Min() int64 { return h.min }

// Max returns the largest value, 0 when empty.
func (h *Histogram) Max() int64 { return h.max }

// Mean returns the mean, rounded to the nearest integer (halves up), 0 when
// empty.
func (h *Histogram) Mean() int64 {
	if h.n == 0 {
		return 0
	}
	mean, rest := h.sum/h.n, h.sum%h.n
	if rest >= h.n-rest {
		mean++
	}
	return mean
}

// Quantile returns the q-quantile as [Histogram.QuantileAny] does. It is not ok,
// and 0, unless N ≥ 10/(1-q): ten values lie beyond it.
func (h *Histogram) Quantile(q float64) (v int64, ok bool) {
	above := billion - billionths(q)
	if above == 0 || h.n < (10*billion+above-1)/above {
		return 0, false
	}
	return h.QuantileAny(q), true
}

// QuantileAny returns the value of rank ⌈q·N⌉ (nearest rank, from 1) for q in
// 0…1, taken to nine decimals; 0 when empty. It is exact while N ≤ 32 and for
// the first and last rank; otherwise it is the upper edge of the bucket of that
// value: never below it up to 1<<47, less than 0.8 % above it, and in Min…Max.
func (h *Histogram) QuantileAny(q float64) int64 {
	if h.n == 0 {
		return 0
	}
	// In integers, because 0.07*100 is above 7.
	hi, lo := bits.Mul64(uint64(billionths(q)), uint64(h.n))
	quo, rem := bits.Div64(hi, lo, billion)
	if rem > 0 {
		quo++
	}
	rank := max(int64(quo), 1)
	switch {
	case h.counts == nil:
		return h.few[rank-1]
	case rank == 1:
		return h.min
	case rank == h.n:
		return h.max
	}
	below := int64(0)
	for i, octave := range h.counts {
		if octave == nil {
			continue
		}
		for k, n := range octave {
			if below += n; below >= rank {
				_, v := bucketRange(i*perOctave + k)
				return min(v, h.max)
			}
		}
	}
	return h.max
}

const billion = 1_000_000_000

func billionths(q float64) int64 {
	if !(q > 0) {
		return 0
	}
	return int64(math.Round(min(q, 1) * billion))
}

// Above returns the number of values ≥ v. It is exact while N ≤ 32, for v ≤ 256,
// for v ≤ Min and for v > Max; otherwise it also counts those of the values
// below v that share its bucket: less than 0.8 % below, or, for v > 1<<47, down
// to 1<<47.
func (h *Histogram) Above(v int64) int64 {
	switch {
	case v <= h.min:
		return h.n
	case v > h.max:
		return 0
	}
	if h.counts != nil {
		v = min(v, limit)
	}
	var above int64
	h.bars(func(_, hi, n int64) bool {
		if hi >= v {
			above += n
		}
		return true
	})
	return above
}

// Bins yields the non-empty bins in ascending order: n values in lo…hi, both
// included. Bins are single values while N ≤ 32 and below 256; the first begins
// at Min and the last ends at Max.
func (h *Histogram) Bins(yield func(lo, hi, n int64) bool) {
	h.bars(func(lo, hi, n int64) bool {
		if lo == limit {
			hi = h.max
		}
		return yield(max(lo, h.min), min(hi, h.max), n)
	})
}

func (h *Histogram) bars(yield func(lo, hi, n int64) bool) {
	if h.counts != nil {
		for i := bucketOf(min(h.min, limit)); i <= bucketOf(min(h.max, limit)); i++ {
			if n := h.counts.at(i); n > 0 {
				if lo, hi := bucketRange(i); !yield(lo, hi, n) {
					return
				}
			}
		}
		return
	}
	for i := int64(0); i < h.n; {
		v, n := h.few[i], int64(1)
		for i++; i < h.n && h.few[i] == v; i++ {
			n++
		}
		if !yield(v, v, n) {
			return
		}
	}
}

// addSat and mulSat take values ≥ 0 and stop at MaxInt64. For such values that
// is still associative; with wrapping, a sum could be negative.

func addSat(a, b int64) int64 {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

func mulSat(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi > 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}
