package sketch

// Times are cut into at most Buckets buckets. Their width is a power of two
// ≥ MinWidth ns, and each begins at a multiple of it.
const (
	Buckets  = 512
	MinWidth = 1 << minShift

	minShift = 16
)

// window is a covered range of time cut into buckets. The width is the smallest
// with which the range touches at most Buckets buckets, so it depends on nothing
// but first and last. The zero value covers nothing.
type window struct {
	shift       uint8 // the width is 1<<shift; 0 when nothing is covered
	first, last int64 // the earliest and the latest time covered
}

// Empty reports whether nothing was added.
func (w *window) Empty() bool { return w.shift == 0 }

// Width returns the width of a bucket in ns, MinWidth when empty.
func (w *window) Width() int64 { return 1 << max(w.shift, minShift) }

// Start returns the time at which bucket 0 begins, a multiple of Width; 0 when
// empty.
func (w *window) Start() int64 { return w.base() << w.shift }

// Len returns the number of buckets, from that of the earliest time added to
// that of the latest one; 0 when empty.
func (w *window) Len() int {
	if w.shift == 0 {
		return 0
	}
	return int(w.last>>w.shift-w.base()) + 1
}

func (w *window) base() int64 { return w.first >> w.shift }

func (w *window) index(t int64) int { return int(t>>w.shift - w.base()) }

func (w *window) covers(first, last int64) bool {
	return w.shift != 0 && w.first <= first && last <= w.last
}

// extended returns the window that also covers first…last.
func (w *window) extended(first, last int64) window {
	if w.shift != 0 {
		first, last = min(first, w.first), max(last, w.last)
	}
	shift := max(w.shift, minShift)
	for last>>shift-first>>shift >= Buckets {
		shift++
	}
	return window{shift, first, last}
}

// refit moves the buckets of one window to another one that covers it, in place.
func refit[T any](buckets []T, from, to window, join func(*T, T)) []T {
	if from.shift == 0 {
		return make([]T, to.Len(), Buckets)
	}
	n := len(buckets)
	base := from.base()
	if d := to.shift - from.shift; d > 0 {
		n = 0
		for i, b := range buckets {
			if j := int((base+int64(i))>>d - base>>d); j < n {
				join(&buckets[j], b)
			} else {
				buckets[j] = b
				n++
			}
		}
		base >>= d
	}
	front := int(base - to.base())
	buckets = buckets[:to.Len()]
	if front > 0 {
		copy(buckets[front:], buckets[:n])
		clear(buckets[:front])
	}
	clear(buckets[front+n:])
	return buckets
}
