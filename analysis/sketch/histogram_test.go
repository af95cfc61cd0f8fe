package sketch

import (
	"math"
	"math/rand"
	"slices"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
)

var distributions = map[string]func(*rand.Rand) int64{
	"constant":    func(*rand.Rand) int64 { return 12345 },
	"small":       func(r *rand.Rand) int64 { return r.Int63n(6) },
	"uniform":     func(r *rand.Rand) int64 { return r.Int63n(1e6) },
	"exponential": func(r *rand.Rand) int64 { return int64(r.ExpFloat64() * 50_000) },
	"lognormal":   func(r *rand.Rand) int64 { return int64(math.Exp(10 + 3*r.NormFloat64())) },
	"pareto":      func(r *rand.Rand) int64 { return int64(64 / math.Pow(1-r.Float64(), 1/0.7)) },
	"two humps": func(r *rand.Rand) int64 {
		if r.Intn(20) > 0 {
			return 64 + r.Int63n(64)
		}
		return 10_000_000 + r.Int63n(5_000_000)
	},
	"any": func(r *rand.Rand) int64 { return int64(r.Uint64()) >> r.Intn(64) },
}

func TestHistogramLaw(t *testing.T) {
	for name, draw := range distributions {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewSource(1))
			for _, n := range []int{0, 1, 2, 31, 32, 33, 34, 64, 200, 1500} {
				for _, most := range []int64{1, 40} {
					var inputs []valueN
					for range n {
						inputs = append(inputs, valueN{draw(r), 1 + r.Int63n(most)})
					}
					histograms.check(t, r, inputs)
				}
			}
		})
	}
}

// rankOf is the nearest rank of the quantile num/den.
func rankOf(n, num, den int) int { return max((n*num+den-1)/den, 1) }

func TestHistogramAgainstSorted(t *testing.T) {
	quantiles := [][2]int{{0, 1}, {1, 100}, {7, 100}, {1, 4}, {1, 2}, {3, 4}, {9, 10}, {95, 100}, {99, 100}, {999, 1000}, {9999, 10000}, {1, 1}}
	for name, draw := range distributions {
		if name == "any" {
			continue // mostly beyond the last bucket
		}
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewSource(2))
			for _, n := range []int{1, 2, 5, 10, 32, 33, 100, 1001, 20_000} {
				var h Histogram
				var values []int64
				var sum int64
				for range n {
					v := draw(r)
					h.Add(v)
					values = append(values, v)
					sum += v
				}
				slices.Sort(values)
				if h.N() != int64(n) || h.Sum() != sum || h.Min() != values[0] || h.Max() != values[n-1] {
					t.Fatalf("N %d Sum %d Min %d Max %d, want %d %d %d %d", h.N(), h.Sum(), h.Min(), h.Max(), n, sum, values[0], values[n-1])
				}
				if want := int64(math.Round(float64(sum) / float64(n))); h.Mean() != want {
					t.Errorf("Mean %d, want %d", h.Mean(), want)
				}
				for _, q := range quantiles {
					exact := values[rankOf(n, q[0], q[1])-1]
					got := h.QuantileAny(float64(q[0]) / float64(q[1]))
					if got < exact || n <= inline && got != exact || float64(got-exact) >= float64(exact)/128 && got != exact || got > h.Max() {
						t.Errorf("n %d, quantile %d/%d: %d, exactly %d", n, q[0], q[1], got, exact)
					}
				}
				for _, q := range quantiles {
					v := values[rankOf(n, q[0], q[1])-1]
					for _, v := range []int64{v - 1, v, v + 1} {
						i, _ := slices.BinarySearch(values, v)
						j, _ := slices.BinarySearch(values, v-v/128)
						got := h.Above(v)
						if got < int64(n-i) || got > int64(n-j) || (n <= inline || v <= 256) && got != int64(n-i) {
							t.Errorf("n %d: Above(%d) = %d, exactly %d, and %d from 1/128 below", n, v, got, n-i, n-j)
						}
					}
				}
				i, before := 0, int64(-1)
				for _, b := range binsOf(&h) {
					lo, hi, k := b.lo, b.hi, b.n
					if lo <= before || hi < lo || k < 1 || hi-lo > lo/128 || n <= inline && lo != hi {
						t.Fatalf("bin %d…%d of %d after one to %d", lo, hi, k, before)
					}
					for range k {
						if i >= n || values[i] < lo || values[i] > hi {
							t.Fatalf("bin %d…%d of %d does not hold value %d of the sorted ones", lo, hi, k, i)
						}
						i++
					}
					before = hi
				}
				if i != n {
					t.Errorf("bins hold %d of %d values", i, n)
				}
			}
		})
	}
}

func TestQuantilePopulation(t *testing.T) {
	for _, c := range []struct {
		q float64
		n int64 // the fewest values that are enough, 0 when none are
	}{{0, 10}, {0.25, 14}, {0.5, 20}, {0.75, 40}, {0.9, 100}, {0.95, 200}, {0.97, 334}, {0.99, 1000}, {0.999, 10_000}, {0.9999, 100_000}, {0.99999, 1_000_000}, {1, 0}, {2, 0}, {-1, 10}, {math.NaN(), 10}} {
		var h Histogram
		if c.n == 0 {
			h.AddN(7, math.MaxInt64)
			if v, ok := h.Quantile(c.q); ok || v != 0 {
				t.Errorf("quantile %v: %d, %v", c.q, v, ok)
			}
			continue
		}
		h.AddN(7, c.n-1)
		if v, ok := h.Quantile(c.q); ok || v != 0 {
			t.Errorf("quantile %v of %d values: %d, %v", c.q, h.N(), v, ok)
		}
		h.Add(7)
		if v, ok := h.Quantile(c.q); !ok || v != 7 {
			t.Errorf("quantile %v of %d values: %d, %v", c.q, h.N(), v, ok)
		}
	}
}

// 0.07*100 and 0.29*100 are not whole numbers in float64.
func TestQuantileRank(t *testing.T) {
	for _, n := range []int{10, 20, 30, 100, 200} {
		var h Histogram
		for v := range n {
			h.Add(int64(v) + 1) // one value per bucket
		}
		for p := range 101 {
			if got, want := h.QuantileAny(float64(p)/100), int64(rankOf(n, p, 100)); got != want {
				t.Errorf("percentile %d of 1…%d: %d, want %d", p, n, got, want)
			}
		}
	}
}

func TestHistogramEdges(t *testing.T) {
	type got struct {
		n, sum, min, max, mean, median, above1 int64
	}
	const huge = math.MaxInt64
	for _, c := range []struct {
		name   string
		values []valueN
		want   got
	}{
		{"empty", nil, got{}},
		{"no times", []valueN{{5, 0}, {5, -3}}, got{}},
		{"one", []valueN{{5, 1}}, got{1, 5, 5, 5, 5, 5, 1}},
		{"zero", []valueN{{0, 1}}, got{n: 1}},
		{"negative", []valueN{{-5, 2}, {math.MinInt64, 1}, {4, 1}}, got{4, 4, 0, 4, 1, 0, 1}},
		{"mean rounds up from a half", []valueN{{0, 1}, {1, 1}}, got{2, 1, 0, 1, 1, 0, 1}},
		{"huge", []valueN{{huge, 1}}, got{1, huge, huge, huge, huge, huge, 1}},
		{"huge sum", []valueN{{huge, 2}, {0, 1}}, got{3, huge, 0, huge, huge / 3, huge, 2}},
		{"huge n", []valueN{{3, huge}, {9, huge}}, got{huge, huge, 3, 9, 1, 3, huge}},
		{"beyond the last bucket", []valueN{{1, 40}, {1 << 50, 41}}, got{81, 40 + 41<<50, 1, 1 << 50, (40 + 41<<50 + 40) / 81, 1<<47 + 1<<40 - 1, 81}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := histograms.fold(c.values)
			if g := (got{h.N(), h.Sum(), h.Min(), h.Max(), h.Mean(), h.QuantileAny(0.5), h.Above(1)}); g != c.want {
				t.Errorf("got %+v\nwant %+v", g, c.want)
			}
		})
	}

	var h Histogram
	h.AddN(1<<47-1, 50)
	h.AddN(1<<47, 50)
	h.AddN(1<<50, 50)
	if n := h.Above(1 << 50); n != 100 {
		t.Errorf("Above(1<<50) = %d, want those of the last bucket", n)
	}
	if n := h.Above(1<<50 + 1); n != 0 {
		t.Errorf("Above(Max+1) = %d", n)
	}
	if lo, hi := h.QuantileAny(0), h.QuantileAny(1); lo != 1<<47-1 || hi != 1<<50 {
		t.Errorf("first %d and last %d, want Min and Max", lo, hi)
	}
	bins := binsOf(&h)
	// The first begins at Min, the last ends at Max.
	if want := []bin{{1<<47 - 1, 1<<47 - 1, 50}, {1 << 47, 1 << 50, 100}}; !slices.Equal(bins, want) {
		t.Errorf("bins %v, want %v", bins, want)
	}
}

type bin struct{ lo, hi, n int64 }

func binsOf(h *Histogram) (bins []bin) {
	h.Bins(func(lo, hi, n int64) bool {
		bins = append(bins, bin{lo, hi, n})
		return true
	})
	return bins
}

func TestBinsStop(t *testing.T) {
	for _, n := range []int64{3, 100} {
		var h Histogram
		h.AddN(1, n)
		h.AddN(1000, n)
		calls := 0
		h.Bins(func(_, _, _ int64) bool {
			calls++
			return false
		})
		if calls != 1 {
			t.Errorf("%d calls after the first said stop", calls-1)
		}
	}
}

func TestHistogramForm(t *testing.T) {
	var h Histogram
	for v := range int64(inline) {
		h.Add(inline - v)
	}
	if h.counts != nil || !slices.IsSorted(h.few[:]) {
		t.Errorf("%d values are not inline and sorted: %v", inline, h.few)
	}
	h.Add(1)
	if h.counts == nil || h.few != [inline]int64{} {
		t.Errorf("%d values are not in buckets: %v", inline+1, h.few)
	}
}

// The buckets, and so all that is told of them, are those of hdrhistogram-go.
func TestHistogramBuckets(t *testing.T) {
	hdr := hdrhistogram.New(1, limit, 2)
	before := int64(-1)
	for i := range numCounts {
		lo, hi := bucketRange(i)
		if lo != before+1 || bucketOf(lo) != i || bucketOf(min(hi, limit)) != i {
			t.Fatalf("bucket %d is %d…%d, after one that ends at %d; theirs are %d and %d", i, lo, hi, before, bucketOf(lo), bucketOf(min(hi, limit)))
		}
		if !hdr.ValuesAreEquivalent(lo, hi) || hdr.ValuesAreEquivalent(lo-1, lo) && lo > 0 {
			t.Fatalf("bucket %d, %d…%d, is none of the reference", i, lo, hi)
		}
		before = hi
	}

	r := rand.New(rand.NewSource(5))
	var h Histogram
	for range 10_000 {
		v := distributions["lognormal"](r)
		h.Add(v)
		if err := hdr.RecordValue(v); err != nil {
			t.Fatal(err)
		}
	}
	for p := 1.0; p < 100; p++ {
		if got, want := h.QuantileAny(p/100), hdr.ValueAtPercentile(p); got != want {
			t.Errorf("percentile %v is %d, that of the reference %d", p, got, want)
		}
	}
}

func BenchmarkHistogramAdd(b *testing.B) {
	values := make([]int64, 4096)
	r := rand.New(rand.NewSource(1))
	for i := range values {
		values[i] = distributions["lognormal"](r)
	}
	b.Run("inline", func(b *testing.B) {
		b.ReportAllocs()
		var h Histogram
		for i := range b.N {
			if i%inline == 0 {
				h = Histogram{}
			}
			h.Add(values[i%len(values)])
		}
	})
	b.Run("buckets", func(b *testing.B) {
		b.ReportAllocs()
		var h Histogram
		for i := range b.N {
			h.Add(values[i%len(values)])
		}
	})
}

func BenchmarkHistogramMerge(b *testing.B) {
	b.ReportAllocs()
	var h, o Histogram
	r := rand.New(rand.NewSource(1))
	for range 10_000 {
		o.Add(distributions["lognormal"](r))
	}
	for range b.N {
		h.Merge(&o)
	}
}

func BenchmarkHistogramQuantile(b *testing.B) {
	b.ReportAllocs()
	var h Histogram
	r := rand.New(rand.NewSource(1))
	for range 10_000 {
		h.Add(distributions["lognormal"](r))
	}
	for range b.N {
		h.QuantileAny(0.99)
	}
}
