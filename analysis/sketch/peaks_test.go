package sketch

import (
	"math/rand"
	"reflect"
	"testing"
)

var peaks = kind[*Peaks[int64], Key]{
	empty: NewPeaks[int64],
	add:   func(p *Peaks[int64], k Key) { p.Add(k, 3*k.Value+k.ID) },
	merge: (*Peaks[int64]).Merge,
}

func drawPeaks(r *rand.Rand, clock func(*rand.Rand, int) (int64, int64), n int) []Key {
	var keys []Key
	for i := range n {
		t, _ := clock(r, i)
		keys = append(keys, Key{r.Int63n(20), t, r.Int63n(3)})
	}
	return keys
}

func TestPeaksLaw(t *testing.T) {
	for name, clock := range clocks {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewSource(1))
			for _, n := range []int{0, 1, 2, 3, 10, 100, 1000} {
				peaks.check(t, r, drawPeaks(r, clock, n))
			}
		})
	}
}

func TestPeaksAgainstAll(t *testing.T) {
	for name, clock := range clocks {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewSource(2))
			keys := drawPeaks(r, clock, 1000)
			p := peaks.fold(keys)
			best := make(map[int64]Key)
			for _, k := range keys {
				b := floorDiv(k.Time, p.Width())
				if own, ok := best[b]; !ok || k.before(own) {
					best[b] = k
				}
			}
			items := p.Items()
			if len(items) != len(best) || len(items) > Buckets {
				t.Fatalf("%d entries, want %d", len(items), len(best))
			}
			for i, e := range items {
				if want := best[floorDiv(e.Time, p.Width())]; e.Key != want || e.Item != 3*want.Value+want.ID {
					t.Errorf("entry %d is %v, want %v", i, e, want)
				}
				if i > 0 && e.Time < items[i-1].Time {
					t.Errorf("entry %d is before the one before it", i)
				}
			}
		})
	}
}

func TestPeaksEdges(t *testing.T) {
	p := NewPeaks[int64]()
	if p.Items() != nil || !p.Empty() {
		t.Errorf("empty: %+v", p)
	}
	p.Add(Key{5, MinWidth, 0}, 1)
	p.Add(Key{5, MinWidth + 1, 0}, 2) // later
	p.Add(Key{9, 2 * MinWidth, 0}, 3)
	if got, want := p.Items(), []Entry[int64]{{Key{5, MinWidth, 0}, 1}, {Key{9, 2 * MinWidth, 0}, 3}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
