package sketch

import (
	"math"
	"math/rand"
	"reflect"
	"testing"
)

// Clocks: absolute monotonic ns, from zero, around zero, and all of int64.
var clocks = map[string]func(r *rand.Rand, i int) (t, length int64){
	"absolute": func(r *rand.Rand, i int) (int64, int64) {
		return 1e15 + int64(i)*40_000 + r.Int63n(30_000), r.Int63n(1 + 1<<r.Intn(24))
	},
	"from 0": func(r *rand.Rand, i int) (int64, int64) {
		return int64(i) * 1_000_000, r.Int63n(3_000_000)
	},
	"around 0": func(r *rand.Rand, i int) (int64, int64) {
		return r.Int63n(1<<34) - 1<<33, r.Int63n(1 << 30)
	},
	"backwards": func(r *rand.Rand, i int) (int64, int64) {
		return 1e15 - int64(i)*int64(i)*1000, r.Int63n(1 << 20)
	},
	"one bucket": func(r *rand.Rand, i int) (int64, int64) {
		return 1 << 40, r.Int63n(1 << 16)
	},
	"on the edges": func(r *rand.Rand, i int) (int64, int64) {
		return int64(i-3) * MinWidth * 2, r.Int63n(4) * MinWidth
	},
	"any": func(r *rand.Rand, i int) (int64, int64) {
		t := int64(r.Uint64()) >> r.Intn(64)
		return t, r.Int63() >> r.Intn(64)
	},
}

func drawSpans(r *rand.Rand, clock func(*rand.Rand, int) (int64, int64), n int) []span {
	var spans []span
	for i := range n {
		t, length := clock(r, i)
		to := t + length
		if to < t {
			to = math.MaxInt64
		}
		spans = append(spans, span{r.Intn(4) == 0, r.Intn(lanes), t, to, r.Int63n(20) - 5})
	}
	return spans
}

func TestSeriesLaw(t *testing.T) {
	for name, clock := range clocks {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewSource(1))
			for _, n := range []int{0, 1, 2, 3, 10, 100, 1000} {
				for range 3 {
					spans := drawSpans(r, clock, n)
					serieses.check(t, r, spans)
				}
			}
		})
	}
}

// A span is worth as much as its pieces.
func TestSeriesCutSpans(t *testing.T) {
	for name, clock := range clocks {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewSource(3))
			whole, pieces := NewSeries(lanes), NewSeries(lanes)
			for _, s := range drawSpans(r, clock, 200) {
				whole.AddSpan(s.lane, s.from, s.to, s.weight)
				at := s.from
				for range 3 {
					if at < s.to {
						cut := at + int64(r.Uint64()%uint64(s.to-at))
						pieces.AddSpan(s.lane, at, cut, s.weight)
						at = cut
					}
				}
				pieces.AddSpan(s.lane, at, s.to, s.weight)
			}
			equal(t, pieces, whole)
		})
	}
}

func equal(t *testing.T, got, want *Series) {
	t.Helper()
	if got.Len() != want.Len() || got.Start() != want.Start() || got.Width() != want.Width() || got.Lanes() != want.Lanes() {
		t.Fatalf("%d buckets of %d from %d, want %d of %d from %d", got.Len(), got.Width(), got.Start(), want.Len(), want.Width(), want.Start())
	}
	for lane := range want.Lanes() {
		for i := range want.Len() {
			if got.At(i, lane) != want.At(i, lane) {
				t.Fatalf("lane %d bucket %d: %d, want %d", lane, i, got.At(i, lane), want.At(i, lane))
			}
		}
	}
}

// The sums are those of each span's overlap with each bucket, and no narrower
// buckets would do.
func TestSeriesAgainstOverlaps(t *testing.T) {
	for name, clock := range clocks {
		if name == "any" {
			continue // edges would overflow here
		}
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewSource(2))
			for _, n := range []int{1, 2, 30, 1000} {
				spans := drawSpans(r, clock, n)
				s := serieses.fold(spans)
				first, last := int64(math.MaxInt64), int64(math.MinInt64)
				for _, in := range spans {
					if in.point {
						first, last = min(first, in.from), max(last, in.from)
					} else if in.from < in.to {
						first, last = min(first, in.from), max(last, in.to-1)
					}
				}
				if s.Empty() != (first > last) {
					t.Fatalf("Empty %v", s.Empty())
				}
				if s.Empty() {
					continue
				}
				w, start := s.Width(), s.Start()
				if w < 1<<16 || w&(w-1) != 0 || start%w != 0 || first < start || first >= start+w || s.Len() > 512 ||
					last >= start+int64(s.Len())*w || last < start+int64(s.Len()-1)*w {
					t.Fatalf("%d buckets of %d from %d for %d…%d", s.Len(), w, start, first, last)
				}
				if w > 1<<16 {
					half := w / 2
					from := start
					if first >= start+half {
						from += half
					}
					if (last-from)/half < 512 {
						t.Errorf("width %d for %d…%d is not the smallest", w, first, last)
					}
				}
				for lane := range lanes {
					for i := range s.Len() {
						lo := start + int64(i)*w
						var want int64
						for _, in := range spans {
							if in.lane != lane {
								continue
							}
							if in.point && in.from >= lo && in.from < lo+w {
								want += in.weight
							} else if overlap := min(in.to, lo+w) - max(in.from, lo); !in.point && overlap > 0 {
								want += in.weight * overlap
							}
						}
						if got := s.At(i, lane); got != want {
							t.Fatalf("lane %d bucket %d: %d, want %d", lane, i, got, want)
						}
					}
				}
			}
		})
	}
}

func TestSeriesEdges(t *testing.T) {
	s := NewSeries(2)
	s.AddSpan(0, 10, 10, 1)
	s.AddSpan(0, 10, 5, 1)
	if !s.Empty() || s.Len() != 0 || s.Start() != 0 || s.Width() != MinWidth || s.Lanes() != 2 {
		t.Errorf("empty: %+v", s)
	}

	s.AddSpan(0, 0, 1, 7)
	if s.Empty() || s.Len() != 1 || s.Start() != 0 || s.At(0, 0) != 7 || s.At(0, 1) != 0 {
		t.Errorf("1 ns at time 0: %+v", s)
	}

	// The end is not part of the span.
	s.AddSpan(0, MinWidth-1, MinWidth, 7)
	if s.Len() != 1 || s.At(0, 0) != 14 {
		t.Errorf("up to the edge: %+v", s)
	}

	// 512 buckets are enough up to their last ns.
	s.AddPoint(1, Buckets*MinWidth-1, 1)
	if s.Len() != Buckets || s.Width() != MinWidth || s.At(Buckets-1, 1) != 1 {
		t.Errorf("full: %d buckets of %d", s.Len(), s.Width())
	}
	s.AddPoint(1, Buckets*MinWidth, 2)
	if s.Len() != Buckets/2+1 || s.Width() != 2*MinWidth || s.At(Buckets/2-1, 1) != 1 || s.At(Buckets/2, 1) != 2 || s.At(0, 0) != 14 {
		t.Errorf("grown: %d buckets of %d", s.Len(), s.Width())
	}
	s.AddPoint(1, -1, 3)
	if s.Start() != -2*MinWidth || s.At(0, 1) != 3 || s.At(1, 0) != 14 {
		t.Errorf("before 0: from %d", s.Start())
	}

	s = NewSeries(1)
	s.AddSpan(0, math.MinInt64, math.MaxInt64, 1)
	if s.Len() != Buckets || s.Width() != 1<<55 || s.At(0, 0) != 1<<55 || s.At(Buckets-1, 0) != 1<<55-1 {
		t.Errorf("all of time: %d buckets of %d", s.Len(), s.Width())
	}

	defer func() {
		if recover() == nil {
			t.Error("a lane too far is no error")
		}
	}()
	s.AddPoint(1, 0, 1)
}

func BenchmarkSeriesAddSpan(b *testing.B) {
	b.Run("short", func(b *testing.B) { // one after the other, ends in time order
		b.ReportAllocs()
		s := NewSeries(lanes)
		t := int64(1e15)
		for i := range b.N {
			s.AddSpan(i%lanes, t, t+500, 1)
			t += 300
		}
	})
	b.Run("long", func(b *testing.B) { // over half of the buckets
		b.ReportAllocs()
		s := NewSeries(lanes)
		s.AddSpan(0, 1e15, 1e15+1e10, 1)
		for i := range b.N {
			t := 1e15 + int64(i%1000)*5e6
			s.AddSpan(i%lanes, t, t+5e9, 1)
		}
	})
}

func BenchmarkSeriesAddPoint(b *testing.B) {
	b.ReportAllocs()
	s := NewSeries(lanes)
	for i := range b.N {
		s.AddPoint(i%lanes, 1e15+int64(i)*300, 1)
	}
}

func TestSeriesAddSpans(t *testing.T) {
	rng := rand.New(rand.NewSource(7))
	one, all := NewSeries(3), NewSeries(3)
	for range 2000 {
		from := rng.Int63n(1 << 33)
		to := from + rng.Int63n(1<<uint(rng.Intn(33)))
		w := []int64{rng.Int63n(3), rng.Int63n(3), 0}
		for lane, weight := range w {
			if weight != 0 {
				one.AddSpan(lane, from, to, weight)
			}
		}
		if w[0]+w[1] != 0 {
			all.AddSpans(from, to, w)
		}
	}
	if one, all := serieses.settled(one), serieses.settled(all); !reflect.DeepEqual(one, all) {
		t.Error("AddSpans differs from AddSpan lane by lane")
	}
}

func BenchmarkSeriesAddSpans(b *testing.B) {
	b.ReportAllocs()
	s := NewSeries(5)
	t := int64(1e15)
	for i := range b.N {
		s.AddSpans(t, t+300, []int64{int64(i & 3), int64(i & 1), 2, 4, 1})
		t += 300
	}
}
