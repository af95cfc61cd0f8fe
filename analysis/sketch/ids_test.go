package sketch

import (
	"math"
	"testing"
)

func TestIDs(t *testing.T) {
	set := func(from, to int) (s IDs) {
		for i := from; i < to; i++ {
			s.Add(uint64(i))
			s.Add(uint64(i))
		}
		return s
	}
	for _, c := range []struct {
		a, b IDs
		want float64
	}{
		{IDs{}, IDs{}, 0},
		{set(0, 10), IDs{}, 0},
		{set(0, 10), set(0, 10), 1},
		{set(0, 10), set(5, 15), 1. / 3},
		{set(0, 10000), set(0, 10000), 1},
		{set(0, 10000), set(10000, 20000), 0},
		{set(0, 10000), set(5000, 15000), 1. / 3},
	} {
		got := c.a.Common(&c.b)
		if back := c.b.Common(&c.a); back != got {
			t.Errorf("common %g one way and %g the other", got, back)
		}
		if bar := .2; math.Abs(got-c.want) > bar || c.want == math.Trunc(c.want) && got != c.want {
			t.Errorf("common %g, want %g", got, c.want)
		}
	}
	for _, cut := range []int{0, 1, 50, 500, 1000} {
		a, b, whole := set(0, cut), set(cut, 1000), set(0, 1000)
		if a.Merge(&b); a != whole {
			t.Errorf("cut at %d: not the same", cut)
		}
	}
}
