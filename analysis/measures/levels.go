package measures

import "github.com/tracelens/tracelens/analysis/sketch"

// Levels is how long a count stood at each value: exact below 256, in the buckets
// of a Histogram above.
type Levels struct {
	low  [256]int64 // ns
	high sketch.Histogram
}

func (l *Levels) AddN(v, ns int64) {
	if uint64(v) < uint64(len(l.low)) {
		l.low[v] += ns
		return
	}
	l.high.AddN(v, ns)
}

func (l *Levels) Merge(o *Levels) {
	for v, ns := range o.low {
		l.low[v] += ns
	}
	l.high.Merge(&o.high)
}

// N is the ns in all, Sum those weighted by their count.
func (l *Levels) N() int64 {
	n := l.high.N()
	for _, ns := range l.low {
		n += ns
	}
	return n
}

func (l *Levels) Sum() int64 {
	sum := l.high.Sum()
	for v, ns := range l.low {
		sum += int64(v) * ns
	}
	return sum
}

// At is the ns that the count stood at v, below 256.
func (l *Levels) At(v uint8) int64 { return l.low[v] }

func (l *Levels) Max() int64 {
	if l.high.N() > 0 {
		return l.high.Max()
	}
	for v := len(l.low) - 1; v > 0; v-- {
		if l.low[v] > 0 {
			return int64(v)
		}
	}
	return 0
}

// Bins yields the ns of each count, or range of counts, that occurred.
func (l *Levels) Bins(yield func(lo, hi, ns int64) bool) {
	for v, ns := range l.low {
		if ns > 0 && !yield(int64(v), int64(v), ns) {
			return
		}
	}
	l.high.Bins(yield)
}

// WeightedMean is the mean of counts over time.
func WeightedMean(h *Levels) float64 { return float64(h.Sum()) / float64(h.N()) }
