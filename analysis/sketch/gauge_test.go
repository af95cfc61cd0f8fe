package sketch

import (
	"math"
	"math/rand"
	"testing"
)

func drawSamples(r *rand.Rand, clock func(*rand.Rand, int) (int64, int64), n int) []sample {
	var samples []sample
	for i := range n {
		t, _ := clock(r, i)
		samples = append(samples, sample{t, r.Int63n(100) - 50})
		if r.Intn(4) == 0 {
			samples = append(samples, sample{t, r.Int63n(100) - 50})
		}
	}
	return samples
}

func TestGaugeLaw(t *testing.T) {
	for name, clock := range clocks {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewSource(1))
			for _, n := range []int{0, 1, 2, 3, 10, 100, 1000} {
				for range 3 {
					gauges.check(t, r, drawSamples(r, clock, n))
				}
			}
		})
	}
}

func TestGaugeAgainstSamples(t *testing.T) {
	for name, clock := range clocks {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewSource(2))
			for _, n := range []int{1, 2, 30, 1000} {
				samples := drawSamples(r, clock, n)
				g := gauges.fold(samples)
				// The same times give the same buckets as those of a Series.
				s := NewSeries(1)
				first, last, top := samples[0], samples[0], int64(math.MinInt64)
				for _, in := range samples {
					s.AddPoint(0, in.t, 1)
					if in.t < first.t || in.t == first.t && in.v > first.v {
						first = in
					}
					if in.t > last.t || in.t == last.t && in.v > last.v {
						last = in
					}
					top = max(top, in.v)
				}
				if g.Len() != s.Len() || g.Width() != s.Width() || g.Start() != s.Start() {
					t.Fatalf("%d buckets of %d from %d, a Series has %d of %d from %d", g.Len(), g.Width(), g.Start(), s.Len(), s.Width(), s.Start())
				}
				if t1, v1 := g.First(); t1 != first.t || v1 != first.v {
					t.Errorf("First %d %d, want %v", t1, v1, first)
				}
				if t1, v1 := g.Last(); t1 != last.t || v1 != last.v {
					t.Errorf("Last %d %d, want %v", t1, v1, last)
				}
				if g.N() != int64(len(samples)) || g.Max() != top {
					t.Errorf("N %d Max %d, want %d %d", g.N(), g.Max(), len(samples), top)
				}
				for i := range g.Len() {
					lowest, highest := int64(math.MaxInt64), int64(math.MinInt64)
					var latest sample
					found := false
					for _, in := range samples {
						if floorDiv(in.t, g.Width())-floorDiv(g.Start(), g.Width()) != int64(i) {
							continue
						}
						lowest, highest = min(lowest, in.v), max(highest, in.v)
						if !found || in.t > latest.t || in.t == latest.t && in.v > latest.v {
							latest = in
						}
						found = true
					}
					lo, hi, v, ok := g.At(i)
					if ok != found || found && (lo != lowest || hi != highest || v != latest.v) {
						t.Fatalf("bucket %d: %d %d %d %v, want %d %d %d %v", i, lo, hi, v, ok, lowest, highest, latest.v, found)
					}
				}
			}
		})
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func TestGaugeEdges(t *testing.T) {
	g := NewGauge()
	if at, v := g.First(); at != 0 || v != 0 || g.Max() != 0 || g.N() != 0 || g.Len() != 0 || !g.Empty() {
		t.Errorf("empty: %+v", g)
	}
	if at, v := g.Last(); at != 0 || v != 0 {
		t.Errorf("empty: Last %d %d", at, v)
	}
	g.Set(0, -4)
	if at, v := g.First(); at != 0 || v != -4 || g.Max() != -4 || g.N() != 1 {
		t.Errorf("one: %+v", g)
	}
	g.Set(1e15, -9)
	g.Set(1e15, -7) // the larger one of the same time
	if at, v := g.Last(); at != 1e15 || v != -7 || g.Max() != -4 {
		t.Errorf("Last %d %d, Max %d", at, v, g.Max())
	}
	if _, _, _, ok := g.At(1); ok {
		t.Error("a bucket without a value is ok")
	}
	if lo, hi, v, ok := g.At(g.Len() - 1); lo != -9 || hi != -7 || v != -7 || !ok {
		t.Errorf("last bucket: %d %d %d %v", lo, hi, v, ok)
	}
}

func BenchmarkGaugeSet(b *testing.B) {
	b.ReportAllocs()
	g := NewGauge()
	for i := range b.N {
		g.Set(1e15+int64(i)*300, int64(i))
	}
}
