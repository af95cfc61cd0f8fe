package sketch

import (
	"math/rand"
	"reflect"
	"testing"
)

func drawIntervals(r *rand.Rand, n int) []interval {
	at := []int64{0, 1e15, -500}[r.Intn(3)]
	odds := 1 + r.Intn(10)
	var all []interval
	for range n {
		switch r.Intn(30) {
		case 0:
			at += 1 + r.Int63n(20) // a gap
		case 1:
			at -= r.Int63n(20) // a step back
		}
		length := r.Int63n(12)
		all = append(all, interval{at, at + length, r.Intn(odds) > 0, r.Int63n(5)})
		at += length
	}
	return all
}

func TestStretchLaw(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, n := range []int{0, 1, 2, 3, 4, 5, 10, 100, 1000} {
		for range 20 {
			stretches([]int64{0, 1, 10, 50}[r.Intn(4)]).check(t, r, drawIntervals(r, n))
		}
	}
}

type result struct{ count, length, mass, longest, start int64 }

func resultOf(s *Stretch) (r result) {
	r.count, r.length, r.mass, r.longest, r.start = s.Result()
	return r
}

// runsOf walks over the intervals with the one run that is open.
func runsOf(min int64, intervals []interval) (sum result) {
	var from, to, mass int64
	open := false
	end := func() {
		if open && to-from >= min {
			if sum.count == 0 || to-from > sum.longest || to-from == sum.longest && from < sum.start {
				sum.longest, sum.start = to-from, from
			}
			sum.count++
			sum.length += to - from
			sum.mass += mass
		}
		open = false
	}
	for _, in := range intervals {
		if in.from >= in.to {
			continue
		}
		if !in.on || in.from != to {
			end()
		}
		if in.on && !open {
			open, from, mass = true, in.from, 0
		}
		if in.on {
			mass += in.mass()
		}
		to = in.to
	}
	end()
	return sum
}

func TestStretchAgainstRuns(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	runs := int64(0)
	for range 500 {
		minimum := []int64{0, 1, 10, 50}[r.Intn(4)]
		intervals := drawIntervals(r, r.Intn(60))
		got, want := resultOf(stretches(minimum).fold(intervals)), runsOf(minimum, intervals)
		if got != want {
			t.Fatalf("minimum %d, %v:\n%+v\n%+v", minimum, intervals, got, want)
		}
		runs += got.count
	}
	if runs < 500 {
		t.Errorf("only %d runs in 500 tries", runs)
	}
}

// A seam may also lie within an interval.
func TestStretchCutIntervals(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	for range 200 {
		whole, pieces := NewStretch(10), NewStretch(10)
		for _, in := range drawIntervals(r, 30) {
			whole.Add(in.from, in.to, in.on, in.mass())
			cut := in.from + r.Int63n(in.to-in.from+1)
			pieces.Add(in.from, cut, in.on, in.weight*(cut-in.from))
			next := NewStretch(10)
			next.Add(cut, in.to, in.on, in.weight*(in.to-cut))
			pieces.Merge(next)
		}
		if !reflect.DeepEqual(pieces, whole) {
			t.Fatalf("%+v\n%+v", pieces, whole)
		}
	}
}

func TestStretchResult(t *testing.T) {
	const on, off = true, false
	for _, c := range []struct {
		name string
		in   []interval
		want result
	}{
		{"empty", nil, result{}},
		{"nothing", []interval{{5, 5, on, 1}, {9, 3, on, 1}}, result{}},
		{"off", []interval{{0, 100, off, 1}}, result{}},
		{"one at 0", []interval{{0, 10, on, 3}}, result{1, 10, 30, 10, 0}},
		{"too short", []interval{{0, 9, on, 3}, {9, 10, off, 0}, {10, 19, on, 3}}, result{}},
		{"joined", []interval{{0, 9, on, 1}, {9, 18, on, 2}, {18, 20, off, 9}}, result{1, 18, 27, 18, 0}},
		{"nothing does not break a run", []interval{{0, 9, on, 1}, {9, 9, off, 1}, {9, 18, on, 2}}, result{1, 18, 27, 18, 0}},
		{"gap", []interval{{0, 10, on, 1}, {11, 21, on, 1}}, result{2, 20, 20, 10, 0}},
		{"first of equals", []interval{{1e15, 1e15 + 10, on, 1}, {1e15 + 10, 1e15 + 11, off, 1}, {1e15 + 11, 1e15 + 21, on, 1}}, result{2, 20, 20, 10, 1e15}},
		{"head, middle and tail", []interval{{0, 10, on, 1}, {10, 11, off, 0}, {11, 41, on, 1}, {41, 42, off, 0}, {42, 62, on, 1}}, result{3, 60, 60, 30, 11}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := resultOf(stretches(10).fold(c.in)); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func BenchmarkStretchAdd(b *testing.B) {
	b.ReportAllocs()
	s := NewStretch(1000)
	for i := range b.N {
		t := 1e15 + int64(i)*300
		s.Add(t, t+300, i%8 > 0, 2)
	}
}
