package compare

import (
	"math/rand/v2"
	"testing"

	"github.com/tracelens/tracelens/analysis"
)

// autoregressive are values of which each depends on the one before.
func autoregressive(rng *rand.Rand, n int, mean, depends float64) []float64 {
	out := make([]float64, n)
	last := rng.NormFloat64()
	for i := range out {
		last = depends*last + rng.NormFloat64()
		out[i] = mean + last
	}
	return out
}

// TestChance: of two sides that do not differ, about one in twenty is said to; of two that
// do, nearly all are.
func TestChance(t *testing.T) {
	for name, c := range map[string]struct {
		n       int
		depends float64
		test    func(sides) (p, lo, hi float64)
		most    float64 // of false alarms
	}{
		"8 stretches":  {8, .3, within, .1},
		"6 traces":     {6, 0, between, .07},
		"20 traces":    {20, 0, between, .07},
		"20 stretches": {20, .3, within, .1},
		"32 stretches": {32, .3, within, .1},
	} {
		rng := rand.New(rand.NewPCG(7, 7))
		const times = 400
		alarms, seen, covered := 0, 0, 0
		for range times {
			v := sides{autoregressive(rng, c.n, 10, c.depends), autoregressive(rng, c.n, 10, c.depends)}
			p, lo, hi := c.test(v)
			if p < alpha {
				alarms++
			}
			if lo <= 0 && 0 <= hi {
				covered++
			}
			if p, _, _ := c.test(sides{v[0], autoregressive(rng, c.n, 14, c.depends)}); p < alpha {
				seen++
			}
		}
		if share := float64(alarms) / times; share > c.most {
			t.Errorf("%s: %.1f %% false alarms", name, 100*share)
		}
		if share := float64(covered) / times; share < 1-c.most {
			t.Errorf("%s: the interval holds no difference in %.1f %%", name, 100*share)
		}
		if share := float64(seen) / times; share < .95 {
			t.Errorf("%s: a difference of four deviations is seen in %.1f %%", name, 100*share)
		}
	}
}

// TestAdjust: the adjusted probabilities are those of R's p.adjust(method = "BH").
func TestAdjust(t *testing.T) {
	var all []*analysis.Change
	for _, p := range []float64{.01, .02, .03, .04, .5} {
		all = append(all, &analysis.Change{P: number(p)})
	}
	all = append(all, &analysis.Change{}) // not tested
	adjust(all)
	for i, want := range []float64{.05, .05, .05, .05, .5} {
		if got := float64(*all[i].P); got < want-1e-12 || got > want+1e-12 {
			t.Errorf("probability %d is %v, want %v", i, got, want)
		}
	}
	if all[5].P != nil {
		t.Error("what was not tested has a probability")
	}
}

// TestEqual: values that are all the same are no difference, and no error.
func TestEqual(t *testing.T) {
	same := []float64{3, 3, 3, 3, 3, 3, 3, 3}
	for _, test := range []func(sides) (p, lo, hi float64){between, within} {
		if p, lo, hi := test(sides{same, same}); p < 1 || lo != 0 || hi != 0 {
			t.Errorf("probability %v, from %v to %v", p, lo, hi)
		}
	}
}
