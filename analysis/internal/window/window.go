package window

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// BlockingStretch is how long the worst stretch of time is, of which checks speak.
const BlockingStretch = 100e6

// Stretch is a part of a series, with its mean per ns or its sum.
type Stretch struct {
	Sum      int64
	Mean     float64
	From, To parse.Time
}

// Worst returns the stretch of s, blockingStretch long or the whole of a shorter
// trace, where value is largest. The first of equals counts.
func Worst(p *analysis.Pass, s *sketch.Series, value func(from, to int) (sum int64, ok bool)) (w Stretch) {
	if s.Empty() {
		return w
	}
	n := int((BlockingStretch + s.Width() - 1) / s.Width())
	for i := 0; i == 0 || i+n <= s.Len(); i++ {
		end := min(i+n, s.Len())
		sum, ok := value(i, end)
		if !ok || sum <= w.Sum {
			continue
		}
		from := max(parse.Time(s.Start()+int64(i)*s.Width()), p.Trace.From)
		to := min(parse.Time(s.Start()+int64(end)*s.Width()), p.Trace.To)
		length := max(int64(to-from), min(BlockingStretch, p.Trace.Duration()))
		w = Stretch{sum, say.Ratio(sum, length), from, to}
	}
	return w
}

// WorstMean is the stretch with the largest mean of one lane.
func WorstMean(p *analysis.Pass, s *sketch.Series, lane int) Stretch {
	return Worst(p, s, func(from, to int) (sum int64, ok bool) {
		for i := from; i < to; i++ {
			sum += s.At(i, lane)
		}
		return sum, true
	})
}

// SumBetween is the sum of lane 0 of s, with buckets cut in proportion.
func SumBetween(s *sketch.Series, from, to int64) (sum int64) {
	if s.Empty() {
		return 0
	}
	width := s.Width()
	for i := max((from-s.Start())/width, 0); i < int64(s.Len()); i++ {
		begin := s.Start() + i*width
		if begin >= to {
			break
		}
		if part := min(to, begin+width) - max(from, begin); part > 0 {
			sum += s.At(int(i), 0) * part / width
		}
	}
	return sum
}

const (
	SchedWindow = 1e9 // ns: the worst second
)

// A worst window is where a sum over time is largest for its length.
type WorstWindow struct {
	From, To int64 // in the trace's time
	Num, Den int64
}

// WorstShare finds the window of length ns in which num has the largest share of
// den. A trace shorter than that is one window.
func WorstShare(s *sketch.Series, num, den int, length int64) (w WorstWindow) {
	k := min(max(int(length/s.Width()), 1), s.Len())
	if k == 0 {
		return w
	}
	var n, d int64
	for b := range s.Len() {
		n += s.At(b, num)
		d += s.At(b, den)
		if b >= k {
			n -= s.At(b-k, num)
			d -= s.At(b-k, den)
		}
		if b >= k-1 && d > 0 && (w.Den == 0 || float64(n)*float64(w.Den) > float64(w.Num)*float64(d)) {
			from := s.Start() + int64(b-k+1)*s.Width()
			w = WorstWindow{from, from + int64(k)*s.Width(), n, d}
		}
	}
	return w
}

// Clip is a window as evidence.
func (w WorstWindow) Clip(p *analysis.Pass) (from, to int64) {
	return p.Rel(max(parse.Time(w.From), p.Trace.From)), p.Rel(min(parse.Time(w.To), p.Trace.To))
}

// JudgedWindow is the length, in ns, of the stretches of which the worst one is
// checked: one that a person notices. Shorter traces are one stretch.
const JudgedWindow = 1e9

// WorstStretch returns the stretch of about length ns, of whole buckets within the
// analysed time, whose sums score highest; the earliest of equals.
func WorstStretch(p *analysis.Pass, s *sketch.Series, length int64, score func(sums []int64, ns int64) float64) (from, to parse.Time, best float64) {
	whole := WholeTrace(p, s)
	n := min(int(max(1, length/whole.Width())), whole.Len())
	sums := make([]int64, whole.Lanes())
	var ns int64
	for i := range whole.Len() {
		begin, held := BucketSpan(p, whole, i)
		ns += held
		for lane := range sums {
			sums[lane] += whole.At(i, lane)
		}
		if i >= n {
			_, held := BucketSpan(p, whole, i-n)
			ns -= held
			for lane := range sums {
				sums[lane] -= whole.At(i-n, lane)
			}
		}
		if i < n-1 || ns <= 0 {
			continue
		}
		if v := score(sums, ns); to == 0 || v > best {
			first, _ := BucketSpan(p, whole, i-n+1)
			from, to, best = first, begin+parse.Time(held), v
		}
	}
	return from, to, best
}

// SumWithin sums a lane over the buckets that begin in from…to.
func SumWithin(s *sketch.Series, lane int, from, to parse.Time) (sum int64) {
	for i := range s.Len() {
		start := s.Start() + int64(i)*s.Width()
		if start+s.Width() > int64(from) && start < int64(to) {
			sum += s.At(i, lane)
		}
	}
	return sum
}

// WholeTrace is s over the whole of the analysed time.
func WholeTrace(p *analysis.Pass, s *sketch.Series) *sketch.Series {
	whole := sketch.NewSeries(s.Lanes())
	whole.AddPoint(0, int64(p.Trace.From), 0)
	whole.AddPoint(0, max(int64(p.Trace.From), int64(p.Trace.To)-1), 0)
	whole.Merge(s)
	return whole
}

// BucketSpan is the part of a bucket that lies in the analysed time.
func BucketSpan(p *analysis.Pass, s *sketch.Series, bucket int) (from parse.Time, length int64) {
	start := s.Start() + int64(bucket)*s.Width()
	begin := max(start, int64(p.Trace.From))
	return parse.Time(begin), min(start+s.Width(), int64(p.Trace.To)) - begin
}
