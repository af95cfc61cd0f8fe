package compare

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"

	"github.com/tracelens/tracelens/analysis"
)

const (
	confidence = .95
	alpha      = 1 - confidence
	resamples  = 1000
	// minStretches is how many stretches a trace must have to be held against another:
	// with fewer, resampling them understates how much they vary.
	minStretches = 8
	// minTraces is from how many traces a side on a test can show a difference: of five
	// each, the most extreme order has a probability of 0.8 %, which is not rare among a
	// hundred numbers.
	minTraces = 6
	// apart is from how many a side on it says something that no trace of one side has a
	// value that one of the other has.
	apart = 3
)

// sides are the values of one number on both sides, one for each trace or stretch.
type sides [2][]float64

// median is that of the values of a side.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds), confidence).Center
}

// between tests whether traces of both sides come from one population: the probability of
// a difference like this (Mann and Whitney), and where the difference of medians lies, by
// the order statistics of each side.
func between(v sides) (p, lo, hi float64) {
	var s [2]*benchmath.Sample
	var sum [2]benchmath.Summary
	for i := range s {
		s[i] = benchmath.NewSample(slices.Clone(v[i]), &benchmath.DefaultThresholds)
		sum[i] = benchmath.AssumeNothing.Summary(s[i], confidence)
	}
	lo, hi = sum[1].Lo-sum[0].Hi, sum[1].Hi-sum[0].Lo
	if s[0].Values[0] == s[1].Values[len(s[1].Values)-1] && s[1].Values[0] == s[0].Values[len(s[0].Values)-1] {
		return 1, lo, hi // all are equal, of which the test makes nothing
	}
	return benchmath.AssumeNothing.Compare(s[0], s[1]).P, lo, hi
}

// separate reports whether all values of one side are beyond all of the other.
func separate(v sides) bool {
	return min(len(v[0]), len(v[1])) >= apart && (slices.Max(v[0]) < slices.Min(v[1]) || slices.Max(v[1]) < slices.Min(v[0]))
}

// within is between for the stretches of one trace a side. Since what happens in a stretch
// depends on the one before, the error of their mean is told by a moving-block bootstrap
// (Künsch 1989); since there are few, the difference is held against Student's t, with as
// many degrees of freedom as there are blocks.
func within(v sides) (p, lo, hi float64) {
	rng := rand.New(rand.NewPCG(1, 2)) // the same report each time
	d := mean(v[1]) - mean(v[0])
	variance, free := 0.0, 0.0
	for i := range v {
		n, block := float64(len(v[i])), float64(blockLength(v[i]))
		means := stats.Sample{Xs: make([]float64, resamples)}
		for k := range means.Xs {
			means.Xs[k] = resample(rng, v[i])
		}
		variance += means.Variance() * n / (n - block)
		free += n/block - 1
	}
	if variance == 0 {
		if d == 0 {
			return 1, 0, 0
		}
		return 0, d, d
	}
	t, e := stats.TDist{V: free}, math.Sqrt(variance)
	far := stats.InvCDF(t)(1-alpha/2) * e
	return 2 * t.CDF(-math.Abs(d)/e), d - far, d + far
}

// blockLength is how many neighbours are drawn together.
func blockLength(values []float64) int { return int(math.Ceil(math.Cbrt(float64(len(values))))) }

// resample is the mean of blocks of neighbours, drawn until there are as many as values.
func resample(rng *rand.Rand, values []float64) float64 {
	block := blockLength(values)
	sum, n := 0.0, 0
	for n < len(values) {
		at := rng.IntN(len(values) - block + 1)
		for _, v := range values[at:min(at+block, at+len(values)-n)] {
			sum += v
			n++
		}
	}
	return sum / float64(n)
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(1, len(values)))
}

// adjust makes the probabilities of many tests those of one: of the differences at or
// below one, so large a share is chance (Benjamini and Hochberg 1995).
func adjust(changes []*analysis.Change) {
	tested := slices.DeleteFunc(slices.Clone(changes), func(c *analysis.Change) bool { return c.P == nil })
	slices.SortStableFunc(tested, func(a, b *analysis.Change) int { return cmp.Compare(*a.P, *b.P) })
	least := 1.0
	for i, c := range slices.Backward(tested) {
		least = min(least, float64(*c.P)*float64(len(tested))/float64(i+1))
		*c.P = analysis.Number(least)
	}
}
