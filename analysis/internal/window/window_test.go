package window

import (
	"math/rand"
	"reflect"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// The sum is what single ns add up to, as far as those of a bucket are alike.
func TestSum(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 200 {
		began := parse.Time(r.Int63n(4) * r.Int63n(1e6))
		tr := &parse.Trace{From: began, To: began + parse.Time(1+r.Int63n(40*sketch.MinWidth))}
		p := &analysis.Pass{Trace: tr}
		s := sketch.NewSeries(2)
		for range 1 + r.Intn(20) {
			from := int64(tr.From) + r.Int63n(int64(tr.To-tr.From))
			s.AddSpan(r.Intn(2), from, from+r.Int63n(int64(tr.To)-from+1), 1+r.Int63n(3))
		}
		from := tr.From + parse.Time(r.Int63n(int64(tr.To-tr.From)))
		to := from + parse.Time(r.Int63n(2*sketch.MinWidth)*r.Int63n(30))
		if r.Intn(4) == 0 {
			from, to = tr.From, tr.To
		}
		for lane := range 2 {
			var want int64
			for i := range s.Len() {
				start, held := Bucket(p, s, i)
				if in := int64(min(to, start+parse.Time(held)) - max(from, start)); in > 0 && held > 0 {
					want += s.At(i, lane) * min(in, held) / held
				}
			}
			if got := Sum(p, s, lane, from, to); got != want {
				t.Fatalf("Sum of %d…%d in %d…%d is %d, want %d", from, to, tr.From, tr.To, got, want)
			}
		}
	}
}

// The worst stretch is that of a search over all, also where it is the whole trace.
func TestWorst(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	ones := 0
	for range 2000 {
		from := parse.Time(r.Int63n(3 * sketch.MinWidth))
		tr := &parse.Trace{From: from, To: from + parse.Time(1+r.Int63n(12*sketch.MinWidth))}
		p := &analysis.Pass{Trace: tr}
		s := sketch.NewSeries(2)
		for range 1 + r.Intn(5) {
			at := int64(from) + r.Int63n(tr.Duration()) - r.Int63n(2)*r.Int63n(3*sketch.MinWidth) // may be before
			s.AddSpan(1, at, at+r.Int63n(int64(tr.To)-at+1), 1+r.Int63n(3))
		}
		if s.Empty() {
			continue
		}
		length := 1 + r.Int63n(8*s.Width())
		got := Worst(p, s, length, func(sums []int64, ns int64) float64 { return float64(sums[1]) / float64(ns) })
		whole := Whole(p, s)
		n := min(int((length+whole.Width()-1)/whole.Width()), whole.Len())
		if n == whole.Len() {
			ones++
		}
		var want Stretch
		for i := range whole.Len() - n + 1 {
			var sum, ns int64
			for k := i; k < i+n; k++ {
				_, held := Bucket(p, whole, k)
				sum, ns = sum+whole.At(k, 1), ns+held
			}
			first, _ := Bucket(p, whole, i)
			last, held := Bucket(p, whole, i+n-1)
			score := float64(sum) / float64(max(ns, min(length, tr.Duration())))
			if want.Sums == nil || score > want.Score {
				want = Stretch{first, last + parse.Time(held), score, []int64{0, sum}}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("worst %d of %d from %d: %v, want %v", length, tr.Duration(), from, got, want)
		}
	}
	if ones < 200 {
		t.Errorf("%d times there was one stretch: too little to compare", ones)
	}
}

// TestWorstOfNothing: where no stretch counts there is a sum of each lane all the same.
func TestWorstOfNothing(t *testing.T) {
	p := &analysis.Pass{Trace: &parse.Trace{From: 10, To: 10}}
	s := sketch.NewSeries(2)
	for _, what := range []string{"an empty series", "a trace without time"} {
		if got := Worst(p, s, Second, Mean(1)); !reflect.DeepEqual(got, Stretch{Sums: []int64{0, 0}}) {
			t.Errorf("%s: %v", what, got)
		}
		s.AddSpan(1, 5, 9, 1)
	}
}
