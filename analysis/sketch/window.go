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
// but the earliest and the latest time covered, and of these only on their
// buckets: most times added change nothing here. The zero value covers nothing.
type window struct {
	shift uint8 // the width is 1<<shift; 0 when nothing is covered
	base  int64 // the bucket of the earliest time: bucket b begins at b<<shift
	n     int   // buckets up to that of the latest time
}

// Empty reports whether nothing was added.
func (w *window) Empty() bool { return w.n == 0 }

// Width returns the width of a bucket in ns, MinWidth when empty.
func (w *window) Width() int64 { return 1 << max(w.shift, minShift) }

// Start returns the time at which bucket 0 begins, a multiple of Width; 0 when
// empty.
func (w *window) Start() int64 { return w.base << w.shift }

// Len returns the number of buckets, from that of the earliest time added to
// that of the latest one; 0 when empty.
func (w *window) Len() int { return w.n }

// index is the bucket of a time. It lies in the window when it is below n, taken
// as unsigned.
func (w *window) index(t int64) uint { return uint(t>>(w.shift&63) - w.base) }

// Covers reports whether both times lie in the buckets.
func (w *window) Covers(first, last int64) bool {
	return w.index(first) < uint(w.n) && w.index(last) < uint(w.n)
}

// extended returns the window that also covers first…last.
func (w *window) extended(first, last int64) window {
	from := first >> minShift
	return w.union(window{minShift, from, int(last>>minShift-from) + 1})
}

// union returns the window that covers both. That of o, which is not empty, may
// be longer than a window is.
func (w *window) union(o window) window {
	shift := max(w.shift, o.shift)
	lo, hi := o.base>>(shift-o.shift), (o.base+int64(o.n)-1)>>(shift-o.shift)
	if w.n > 0 {
		d := shift - w.shift
		lo, hi = min(lo, w.base>>d), max(hi, (w.base+int64(w.n)-1)>>d)
	}
	for hi-lo >= Buckets {
		lo, hi = lo>>1, hi>>1
		shift++
	}
	return window{shift, lo, int(hi-lo) + 1}
}

// refit moves buckets of a number of lanes each from one window to another one
// that covers it, in place where there is room. Where there is not, the next buckets get
// room as well: times mostly come in their order.
func refit[T any](buckets []T, lanes int, from, to window, join func(*T, T)) []T {
	if from.n == 0 {
		return make([]T, to.n*lanes)
	}
	n, base := from.n, from.base
	if d := to.shift - from.shift; d > 0 {
		base >>= d
		n = int((from.base+int64(from.n)-1)>>d-base) + 1
		next := 0 // buckets written
		for i := range from.n {
			row := buckets[i*lanes : (i+1)*lanes]
			j := int((from.base+int64(i))>>d - base)
			into := buckets[j*lanes : (j+1)*lanes]
			if j == next {
				copy(into, row)
				next++
				continue
			}
			for lane, v := range row {
				join(&into[lane], v)
			}
		}
	}
	front := int(base - to.base)
	if cap(buckets) < to.n*lanes {
		into := make([]T, to.n*lanes, min(2*to.n, Buckets)*lanes)
		copy(into[front*lanes:], buckets[:n*lanes])
		return into
	}
	buckets = buckets[:to.n*lanes]
	if front > 0 {
		copy(buckets[front*lanes:], buckets[:n*lanes])
		clear(buckets[:front*lanes])
	}
	clear(buckets[(front+n)*lanes:])
	return buckets
}
