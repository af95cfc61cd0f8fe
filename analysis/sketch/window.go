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

// halved is w with neighbours joined.
func (w *window) halved() window {
	base := w.base >> 1
	return window{w.shift + 1, base, int((w.base+int64(w.n)-1)>>1-base) + 1}
}

// refit moves buckets from one window to another one that covers it, in place where there
// is room.
func refit[T any](buckets []T, from, to window, join func(*T, T)) []T {
	for ; from.n > 0 && from.shift < to.shift; from = from.halved() {
		for i, b := range buckets {
			j := (from.base+int64(i))>>1 - from.base>>1
			if i == 0 || (from.base+int64(i))&1 == 0 {
				buckets[j] = b
			} else {
				join(&buckets[j], b)
			}
		}
		buckets = buckets[:from.halved().n]
	}
	return extend(buckets, 1, from, to)
}

// extend moves buckets of a number of lanes each from one window to another one that
// covers it and is as wide, in place where there is room. Where there is not, the next
// buckets get room as well: times mostly come in their order.
func extend[T any](buckets []T, lanes int, from, to window) []T {
	if from.n == 0 {
		return make([]T, to.n*lanes, room(to.n)*lanes)
	}
	n, front := from.n*lanes, int(from.base-to.base)*lanes
	if cap(buckets) < to.n*lanes {
		into := make([]T, to.n*lanes, room(to.n)*lanes)
		copy(into[front:], buckets[:n])
		return into
	}
	buckets = buckets[:to.n*lanes]
	if front > 0 {
		copy(buckets[front:], buckets[:n])
		clear(buckets[:front])
	}
	clear(buckets[front+n:])
	return buckets
}

// room is for how many buckets there is to be room once there are n: 8, 64 or all, so that
// growing to all costs little more than they do.
func room(n int) int {
	room := 8
	for room < n {
		room *= 8
	}
	return min(room, Buckets)
}
