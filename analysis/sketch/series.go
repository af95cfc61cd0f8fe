package sketch

import "fmt"

// Series is a sum over time for each of a number of lanes (states, say), in at
// most [Buckets] equal buckets aligned to absolute time: Len of them, Width ns
// each, the first from Start. Growing joins neighbours. It holds 4 KiB per lane, and
// little before anything is read or much is added. Sums wrap.
type Series struct {
	window
	lanes int
	sums  []int64 // the lanes of the first bucket, of the second …; nil at first

	few  [][]addition // until there are sums, in pieces
	kept int          // how many these are

	// The last bucket, to which nearly all is added as time goes on; from fit.
	from, to int64
	last     []int64

	long []longSpan // not in the sums yet
}

// An addition is one to a Series that has no sums yet: of weight for each ns of from…to
// (to excluded), or once at from, where to is the same.
type addition struct {
	lane             int
	from, to, weight int64
}

// A longSpan is what a span adds to the buckets that it covers from end to end.
type longSpan struct {
	from, to int64 // buckets, to excluded, counted from time 0
	lane     int
	sum      int64 // to each
}

const (
	longMin  = 8  // buckets of a span that waits
	longMost = 64 // spans that wait

	fewPerLane = 64 // additions without sums: half the size of theirs
)

// NewSeries returns an empty Series of that many lanes.
func NewSeries(lanes int) *Series { return &Series{lanes: lanes} }

// row returns the lanes of a bucket.
func (s *Series) row(bucket uint) []int64 {
	i := int(bucket) * s.lanes
	return s.sums[i : i+s.lanes]
}

// AddSpan adds weight for each ns of from…to (to excluded) in the bucket of that
// ns. Nothing is added when from ≥ to. The cost is that of the buckets touched.
func (s *Series) AddSpan(lane int, from, to, weight int64) {
	if s.from <= from && from < to && to <= s.to {
		s.last[lane] += weight * (to - from)
		return
	}
	s.addLong(lane, from, to, weight, longMin)
}

// addLong is AddSpan for a span that may touch any buckets. Where it covers more than wait
// from end to end, it waits.
func (s *Series) addLong(lane int, from, to, weight int64, wait uint) {
	if from >= to {
		return
	}
	last := to - 1
	s.cover(from, last)
	if s.sums == nil {
		s.early(addition{lane, from, to, weight})
		return
	}
	i, j := s.index(from), s.index(last)
	if i == j {
		s.row(i)[lane] += weight * (to - from)
		return
	}
	s.row(i)[lane] += weight * ((from>>s.shift+1)<<s.shift - from)
	s.row(j)[lane] += weight * (to - last>>s.shift<<s.shift)
	full := weight << s.shift
	if j-i > wait {
		if len(s.long) == longMost {
			s.settle()
		}
		s.long = append(s.long, longSpan{s.base + int64(i) + 1, s.base + int64(j), lane, full})
		return
	}
	for k := int(i+1)*s.lanes + lane; k < int(j)*s.lanes; k += s.lanes {
		s.sums[k] += full
	}
}

// early keeps an addition while there are no sums. Most of a short trace have few: then
// there are none but where they are read, and these do not grow.
func (s *Series) early(a addition) {
	if uint(a.lane) >= uint(s.lanes) {
		panic(fmt.Sprintf("sketch: lane %d of a Series of %d", a.lane, s.lanes))
	}
	if a.weight == 0 {
		return
	}
	last := len(s.few) - 1
	if last < 0 || len(s.few[last]) == cap(s.few[last]) {
		s.few = append(s.few, make([]addition, 0, min(8<<len(s.few), 64)))
		last++
	}
	s.few[last] = append(s.few[last], a)
	s.kept++
	if s.kept >= fewPerLane*s.lanes {
		s.sum(room(s.n))
	}
}

// sum makes the sums of a Series that covers some time, with room for more buckets.
func (s *Series) sum(room int) {
	few := s.few
	s.few, s.kept = nil, 0
	s.sums = make([]int64, s.n*s.lanes, room*s.lanes)
	s.ended()
	s.add(few)
}

// add adds to the sums what lies in the buckets.
func (s *Series) add(few [][]addition) {
	for _, piece := range few {
		for _, a := range piece {
			if a.from == a.to {
				s.row(s.index(a.from))[a.lane] += a.weight
			} else {
				s.addLong(a.lane, a.from, a.to, a.weight, longMin)
			}
		}
	}
}

// settle makes the sums complete.
func (s *Series) settle() {
	if s.sums == nil || len(s.long) > 0 {
		s.settleAll()
	}
}

// settleAll adds the long spans to the sums, all in one walk over the buckets of a lane.
func (s *Series) settleAll() {
	if s.sums == nil && !s.Empty() {
		s.sum(s.n)
	}
	if len(s.long) == 0 {
		return
	}
	for lane := range s.lanes {
		var steps [Buckets + 1]int64 // how much a bucket gets more than the one before
		some := false
		for _, l := range s.long {
			if l.lane == lane {
				steps[l.from-s.base] += l.sum
				steps[l.to-s.base] -= l.sum
				some = true
			}
		}
		if !some {
			continue
		}
		sum := int64(0)
		for i, step := range steps[:s.n] {
			sum += step
			if sum != 0 {
				s.sums[i*s.lanes+lane] += sum
			}
		}
	}
	s.long = s.long[:0]
}

// AddSpans is AddSpan for every lane at once: weights[lane] for each ns of from…to.
func (s *Series) AddSpans(from, to int64, weights []int64) {
	if s.from <= from && from < to && to <= s.to {
		s.AddHeld(from, to-from, weights)
		return
	}
	if from >= to {
		return
	}
	s.cover(from, to-1)
	for lane, weight := range weights {
		if weight != 0 {
			s.addLong(lane, from, to, weight, Buckets)
		}
	}
}

// AddHeld adds weights[lane] × ns for every lane in the bucket of time t, which is in
// one.
func (s *Series) AddHeld(t, ns int64, weights []int64) {
	if s.sums == nil {
		for lane, weight := range weights {
			s.addPoint(lane, t, weight*ns)
		}
		return
	}
	row := s.row(s.index(t))[:len(weights)]
	for lane, weight := range weights {
		row[lane] += weight * ns
	}
}

// BucketEnd returns where the bucket of time t ends, which is in one.
func (s *Series) BucketEnd(t int64) int64 { return (t>>s.shift + 1) << s.shift }

// AddPoint adds v to the bucket of time t.
func (s *Series) AddPoint(lane int, t, v int64) {
	if s.from <= t && t < s.to {
		s.last[lane] += v
		return
	}
	s.addPoint(lane, t, v)
}

func (s *Series) addPoint(lane int, t, v int64) {
	s.cover(t, t)
	if s.sums == nil {
		s.early(addition{lane, t, t, v})
		return
	}
	s.row(s.index(t))[lane] += v
}

// Merge adds the sums of o, which must have as many lanes.
func (s *Series) Merge(o *Series) {
	if s.lanes != o.lanes {
		panic(fmt.Sprintf("sketch: merge of a Series of %d lanes with one of %d", s.lanes, o.lanes))
	}
	if o.Empty() {
		return
	}
	s.settle()
	s.fit(s.union(o.window))
	if o.sums == nil {
		s.settle()
		s.add(o.few)
		s.settle()
		s.long = nil
		return
	}
	o.settle()
	s.settle()
	d := s.shift - o.shift
	if d == 0 {
		add(s.sums[int(o.base-s.base)*s.lanes:], o.sums)
		return
	}
	for i := range o.n {
		add(s.row(uint((o.base+int64(i))>>d-s.base)), o.row(uint(i)))
	}
}

// Extended is an empty Series with the buckets that s has when it covers first…last, too.
func (s *Series) Extended(first, last int64) *Series {
	e := &Series{lanes: s.lanes, window: s.window}
	e.cover(first, last)
	return e
}

func (s *Series) cover(first, last int64) {
	if !s.Covers(first, last) {
		s.fit(s.extended(first, last))
	}
}

// fit makes w, which covers s, the window of s.
func (s *Series) fit(w window) {
	if w == s.window {
		return
	}
	if s.sums == nil {
		s.window = w
		return
	}
	if w.shift != s.shift {
		s.settle()
	}
	for s.n > 0 && s.shift < w.shift {
		s.halve()
	}
	s.sums = extend(s.sums, s.lanes, s.window, w)
	s.window = w
	s.ended()
}

// ended finds the last bucket.
func (s *Series) ended() {
	s.last = s.row(uint(s.n - 1))
	s.from = (s.base + int64(s.n-1)) << s.shift
	s.to = s.from + s.Width()
}

// halve joins neighbours.
func (s *Series) halve() {
	w, lanes := s.halved(), s.lanes
	into, rest := s.sums, s.sums
	if s.base&1 != 0 { // the first one has none before it
		into, rest = into[lanes:], rest[lanes:]
	}
	for len(rest) >= 2*lanes {
		a, b, sum := rest[:lanes], rest[lanes:2*lanes], into[:lanes]
		for lane := range sum {
			sum[lane] = a[lane] + b[lane]
		}
		into, rest = into[lanes:], rest[2*lanes:]
	}
	copy(into, rest)
	s.sums, s.window = s.sums[:w.n*lanes], w
}

// add adds what is as long.
func add(into, sums []int64) {
	into = into[:len(sums)]
	for i, v := range sums {
		into[i] += v
	}
}

// Lanes returns the number of lanes.
func (s *Series) Lanes() int { return s.lanes }

// At returns the sum of a lane in a bucket, 0 ≤ bucket < Len.
func (s *Series) At(bucket, lane int) int64 {
	s.settle()
	return s.row(uint(bucket))[lane]
}

// Row returns the sums of all lanes in a bucket, 0 ≤ bucket < Len, to be read only.
func (s *Series) Row(bucket int) []int64 {
	s.settle()
	return s.row(uint(bucket))
}

// Totals returns the sum of each lane.
func (s *Series) Totals() []int64 {
	all := make([]int64, s.lanes)
	for _, piece := range s.few {
		for _, a := range piece {
			if a.from == a.to {
				all[a.lane] += a.weight
			} else {
				all[a.lane] += a.weight * (a.to - a.from)
			}
		}
	}
	if s.sums != nil {
		s.settle()
		for i := range s.n {
			add(all, s.row(uint(i)))
		}
	}
	return all
}

// Sum returns the sum of a lane in the buckets from…until (until excluded).
func (s *Series) Sum(lane, from, until int) (sum int64) {
	s.settle()
	for i := from; i < until; i++ {
		sum += s.sums[i*s.lanes+lane]
	}
	return sum
}
