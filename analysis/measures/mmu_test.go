package measures

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

func randomSteps(r *rand.Rand, n int, length func() int64) []mmuStep {
	var out []mmuStep
	at := r.Int64N(1e12)
	for range n {
		to := at + length()
		out = append(out, mmuStep{at, to, mmuWhole * r.Int64N(4) / 3})
		at = to
	}
	return out
}

func foldSteps(steps []mmuStep) *mmu {
	m := new(mmu)
	for _, s := range steps {
		m.add(s.from, s.to, s.busy)
	}
	return m
}

var mmuLengths = map[string]func(*rand.Rand) int64{
	"short":   func(r *rand.Rand) int64 { return 1 + r.Int64N(1e5) },
	"mixed":   func(r *rand.Rand) int64 { return 1 + r.Int64N(1<<r.IntN(31)) },
	"long":    func(r *rand.Rand) int64 { return 1 + r.Int64N(5e8) },
	"windows": func(r *rand.Rand) int64 { return MMUWindows[r.IntN(len(MMUWindows))] },
}

// For any cut, also inside steps, and any grouping.
func TestMMULaw(t *testing.T) {
	for name, length := range mmuLengths {
		r := rand.New(rand.NewPCG(1, 2))
		for range 60 {
			steps := randomSteps(r, 1+r.IntN(300), func() int64 { return length(r) })
			want := foldSteps(steps)
			var parts []*mmu
			for len(steps) > 0 {
				n := 1 + r.IntN(min(len(steps), 120))
				last := steps[n-1]
				if mid := last.from + (last.to-last.from)/2; mid > last.from && r.IntN(2) == 0 {
					part := append([]mmuStep(nil), steps[:n]...)
					part[n-1].to = mid
					parts = append(parts, foldSteps(part))
					steps = append([]mmuStep{{mid, last.to, last.busy}}, steps[n:]...)
					continue
				}
				parts = append(parts, foldSteps(steps[:n]))
				steps = steps[n:]
			}
			for len(parts) > 1 {
				i := r.IntN(len(parts) - 1)
				right := parts[i+1].clone()
				parts[i].merge(parts[i+1])
				if !reflect.DeepEqual(&right, parts[i+1]) {
					t.Fatalf("%s: merge changed its argument", name)
				}
				parts = append(parts[:i+1], parts[i+2:]...)
			}
			if !reflect.DeepEqual(parts[0], want) {
				t.Fatalf("%s: merged differs\n%+v\n%+v", name, parts[0].win, want.win)
			}
		}
	}
}

// Against the definition: every window whose edge is a step's edge.
func TestMMUDefinition(t *testing.T) {
	for name, length := range mmuLengths {
		r := rand.New(rand.NewPCG(3, 4))
		for range 15 {
			steps := randomSteps(r, 1+r.IntN(80), func() int64 { return length(r) })
			begin, end := steps[0].from, steps[len(steps)-1].to
			got := foldSteps(steps).Worst()
			for k, w := range MMUWindows {
				worst, at := int64(-1), int64(0)
				look := func(from int64) {
					if from < begin || from+w > end {
						return
					}
					var sum int64
					for _, s := range steps {
						sum += s.busy * max(0, min(s.to, from+w)-max(s.from, from))
					}
					if sum > worst || sum == worst && from < at {
						worst, at = sum, from
					}
				}
				for _, s := range steps {
					look(s.from)
					look(s.to - w)
				}
				look(end - w)
				if got[k].Ok != (worst >= 0) {
					t.Fatalf("%s: window of %d ns in %d ns: ok %v", name, w, end-begin, got[k].Ok)
				}
				if want := 1 - float64(worst)/(float64(w)*mmuWhole); got[k].Ok && (got[k].Utilization != want || got[k].At != at) {
					t.Fatalf("%s: window of %d ns: %v at %d, want %v at %d", name, w, got[k].Utilization, got[k].At, want, at)
				}
			}
		}
	}
}

func TestMMUByHand(t *testing.T) {
	m := new(mmu)
	m.add(0, 10e6, 0)
	m.add(10e6, 10e6+200e3, mmuWhole) // 200 µs pause
	m.add(10e6+200e3, 14e6, mmuWhole/4)
	m.add(14e6, 50e6, 0)
	for k, want := range map[int]float64{0: 0, 1: 0, 2: 1 - (200+300.0/4)/500, 3: 1 - (200+800.0/4)/1000, 6: 1 - (200+3800.0/4)/10000, 8: 1 - (200+3800.0/4)/50000} {
		if got := m.Worst()[k]; !got.Ok || math.Abs(got.Utilization-want) > 1e-12 {
			t.Errorf("over %d ns: %v, want %v", MMUWindows[k], got, want)
		}
	}
	if got := m.Worst()[3].At; got != 10e6 {
		t.Errorf("the worst ms begins at %d", got)
	}
	if m.Worst()[9].Ok {
		t.Error("a window longer than the trace")
	}
	if new(mmu).Worst()[0].Ok {
		t.Error("a window of nothing")
	}
}

func BenchmarkMMUAdd(b *testing.B) {
	b.ReportAllocs()
	m := new(mmu)
	for i := range int64(b.N) {
		m.add(i*5000, i*5000+5000, mmuWhole*(i%3)/4)
	}
}
