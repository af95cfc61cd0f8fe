package window

import (
	"math/rand"
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

// The worst stretch is that of a search over all.
func TestWorst(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	for range 200 {
		tr := &parse.Trace{To: parse.Time(1 + r.Int63n(40*sketch.MinWidth))}
		p := &analysis.Pass{Trace: tr}
		s := sketch.NewSeries(2)
		for range 1 + r.Intn(5) {
			from := r.Int63n(int64(tr.To))
			s.AddSpan(1, from, from+r.Int63n(int64(tr.To)-from+1), 1+r.Int63n(3))
		}
		if s.Empty() {
			continue
		}
		length := (1 + r.Int63n(8)) * s.Width()
		got := Worst(p, s, length, func(sums []int64, _ int64) float64 { return float64(sums[1]) })
		whole, n := Whole(p, s), int(length/s.Width())
		var want int64
		for i := range max(whole.Len()-n, 0) + 1 {
			var sum int64
			for k := range min(n, whole.Len()) {
				sum += whole.At(i+k, 1)
			}
			want = max(want, sum)
		}
		if got.Sums == nil || got.Sums[1] != want {
			t.Fatalf("worst %d of %d: %v, want %d", length, tr.To, got.Sums, want)
		}
	}
}
