// Package window finds the worst stretch of a time: the one search that checks, tables
// and charts share, so that two findings that speak of the worst second speak of the
// same kind of second.
package window

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// Lengths of stretches, in ns.
const (
	Second = int64(1e9)   // what a person notices
	Moment = int64(100e6) // what a burst or a queue takes
)

// A Stretch is a part of the analysed time that consists of whole buckets of a series.
type Stretch struct {
	From, To parse.Time
	Score    float64
	Sums     []int64 // of each lane
}

// Worst returns the stretch whose sums score highest, the earliest of equals. It has as
// many buckets as make up length ns or more; a shorter trace is one stretch. The score
// gets the length of the stretch in ns, at least length or the whole time, so that a
// part of a bucket at the end is not taken for a whole stretch; below 0 it is out of the question. Without one that
// counts, all of the result is 0.
func Worst(p *analysis.Pass, s *sketch.Series, length int64, score func(sums []int64, ns int64) float64) Stretch {
	worst := worstOf(p, s, length, score)
	if worst.Sums == nil {
		worst.Sums = make([]int64, s.Lanes())
	}
	return worst
}

func worstOf(p *analysis.Pass, s *sketch.Series, length int64, score func(sums []int64, ns int64) float64) (worst Stretch) {
	if s.Empty() {
		return worst
	}
	least := min(length, p.Trace.Duration())
	extent := s.Extended(span(p))
	n := min(int((length+extent.Width()-1)/extent.Width()), extent.Len())
	if n == extent.Len() {
		return only(p, extent, s.Totals(), least, score)
	}
	whole := Whole(p, s)
	sums := make([]int64, whole.Lanes())
	var ns int64
	for i := range whole.Len() {
		from, held := Bucket(p, whole, i)
		ns += held
		for lane, v := range whole.Row(i) {
			sums[lane] += v
		}
		if i >= n {
			_, held := Bucket(p, whole, i-n)
			ns -= held
			for lane, v := range whole.Row(i - n) {
				sums[lane] -= v
			}
		}
		if i < n-1 || max(ns, least) <= 0 {
			continue
		}
		if v := score(sums, max(ns, least)); v >= 0 && (worst.Sums == nil || v > worst.Score) {
			first, _ := Bucket(p, whole, i-n+1)
			worst = Stretch{first, from + parse.Time(held), v, append(worst.Sums[:0], sums...)}
		}
	}
	return worst
}

// only is the worst stretch where all buckets are one.
func only(p *analysis.Pass, extent *sketch.Series, sums []int64, least int64, score func(sums []int64, ns int64) float64) (worst Stretch) {
	first, _ := Bucket(p, extent, 0)
	last, held := Bucket(p, extent, extent.Len()-1)
	ns := int64(0)
	for i := range extent.Len() {
		_, held := Bucket(p, extent, i)
		ns += held
	}
	if max(ns, least) <= 0 {
		return worst
	}
	if v := score(sums, max(ns, least)); v >= 0 {
		worst = Stretch{first, last + parse.Time(held), v, sums}
	}
	return worst
}

// span is the analysed time as its first and last ns.
func span(p *analysis.Pass) (first, last int64) {
	return int64(p.Trace.From), max(int64(p.Trace.From), int64(p.Trace.To)-1)
}

// Mean scores by the mean of a lane per ns: of goroutine time, how many at once.
func Mean(lane int) func(sums []int64, ns int64) float64 {
	return func(sums []int64, ns int64) float64 { return float64(sums[lane]) / float64(ns) }
}

// Sum is the sum of a lane over from…to, with the buckets at its ends cut in proportion.
func Sum(p *analysis.Pass, s *sketch.Series, lane int, from, to parse.Time) (sum int64) {
	if s.Empty() {
		return 0
	}
	// The buckets that lie in it whole.
	first := int((int64(max(from, p.Trace.From)) - s.Start() + s.Width() - 1) / s.Width())
	until := min(int((int64(min(to, p.Trace.To))-s.Start())/s.Width()), s.Len())
	for i := max(int((int64(from)-s.Start())/s.Width()), 0); i < s.Len(); i++ {
		if first <= i && i < until {
			sum += s.Sum(lane, i, until)
			i = until
			if i == s.Len() {
				break
			}
		}
		start, held := Bucket(p, s, i)
		end := start + parse.Time(held)
		if start >= to {
			break
		}
		switch part := int64(min(to, end) - max(from, start)); {
		case held <= 0: // outside
		case part >= held:
			sum += s.At(i, lane)
		case part > 0:
			sum += s.At(i, lane) * part / held
		}
	}
	return sum
}

// Whole is s over the whole of the analysed time, s itself where it is that. It is only
// read.
func Whole(p *analysis.Pass, s *sketch.Series) *sketch.Series {
	first, last := span(p)
	if !s.Empty() && s.Covers(first, last) {
		return s
	}
	whole := s.Extended(first, last)
	whole.Merge(s)
	return whole
}

// All is the whole of the analysed time.
func All(p *analysis.Pass) Stretch { return Stretch{From: p.Trace.From, To: p.Trace.To} }

// In says where a stretch is, for sentences: "in the worst 1 s, from 454.218 ms", or "in
// the trace" where it is most of it, as in a short one.
func In(p *analysis.Pass, from, to parse.Time) string {
	if int64(to-from)*10 >= p.Trace.Duration()*8 {
		return "in the trace"
	}
	return fmt.Sprintf("in the worst %s, from %s", p.Dur(int64(to-from)), p.At(from))
}

// Bucket is the part of a bucket that lies in the analysed time.
func Bucket(p *analysis.Pass, s *sketch.Series, bucket int) (from parse.Time, length int64) {
	start := s.Start() + int64(bucket)*s.Width()
	clipped := max(start, int64(p.Trace.From))
	return parse.Time(clipped), min(start+s.Width(), int64(p.Trace.To)) - clipped
}
