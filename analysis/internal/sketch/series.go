package sketch

import "fmt"

// Series is a sum over time for each of a number of lanes (states, say), in at
// most [Buckets] equal buckets aligned to absolute time: Len of them, Width ns
// each, the first from Start. Growing joins neighbours. It holds 4 KiB per lane.
// Sums wrap.
type Series struct {
	window
	lanes [][]int64 // of Len buckets each
}

// NewSeries returns an empty Series of that many lanes.
func NewSeries(lanes int) *Series { return &Series{lanes: make([][]int64, lanes)} }

// AddSpan adds weight for each ns of from…to (to excluded) in the bucket of that
// ns. Nothing is added when from ≥ to. The cost is that of the buckets touched.
func (s *Series) AddSpan(lane int, from, to, weight int64) {
	if from >= to {
		return
	}
	last := to - 1
	s.cover(from, last)
	row := s.lanes[lane]
	i, j := s.index(from), s.index(last)
	if i == j {
		row[i] += weight * (to - from)
		return
	}
	row[i] += weight * ((from>>s.shift+1)<<s.shift - from)
	row[j] += weight * (to - last>>s.shift<<s.shift)
	full := weight << s.shift
	for k := i + 1; k < j; k++ {
		row[k] += full
	}
}

// AddSpans is AddSpan for every lane at once: weights[lane] for each ns of from…to.
func (s *Series) AddSpans(from, to int64, weights []int64) {
	if from >= to {
		return
	}
	last := to - 1
	s.cover(from, last)
	i, j := s.index(from), s.index(last)
	for lane, weight := range weights {
		if weight == 0 {
			continue
		}
		row := s.lanes[lane]
		if i == j {
			row[i] += weight * (to - from)
			continue
		}
		row[i] += weight * ((from>>s.shift+1)<<s.shift - from)
		row[j] += weight * (to - last>>s.shift<<s.shift)
		full := weight << s.shift
		for k := i + 1; k < j; k++ {
			row[k] += full
		}
	}
}

// AddPoint adds v to the bucket of time t.
func (s *Series) AddPoint(lane int, t, v int64) {
	s.cover(t, t)
	s.lanes[lane][s.index(t)] += v
}

// Merge adds the sums of o, which must have as many lanes.
func (s *Series) Merge(o *Series) {
	if len(s.lanes) != len(o.lanes) {
		panic(fmt.Sprintf("sketch: merge of a Series of %d lanes with one of %d", len(s.lanes), len(o.lanes)))
	}
	if o.Empty() {
		return
	}
	s.cover(o.first, o.last)
	d := s.shift - o.shift
	for lane, row := range o.lanes {
		for i, v := range row {
			s.lanes[lane][(o.base()+int64(i))>>d-s.base()] += v
		}
	}
}

func (s *Series) cover(first, last int64) {
	if s.covers(first, last) {
		return
	}
	to := s.extended(first, last)
	if to.shift != s.shift || to.Len() != s.Len() {
		for lane, row := range s.lanes {
			s.lanes[lane] = refit(row, s.window, to, func(sum *int64, v int64) { *sum += v })
		}
	}
	s.window = to
}

// Lanes returns the number of lanes.
func (s *Series) Lanes() int { return len(s.lanes) }

// At returns the sum of a lane in a bucket, 0 ≤ bucket < Len.
func (s *Series) At(bucket, lane int) int64 { return s.lanes[lane][bucket] }
