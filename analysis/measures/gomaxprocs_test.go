package measures

import (
	"reflect"
	"testing"

	"github.com/tracelens/tracelens/parse"
)

func TestGomaxprocsStepsMerge(t *testing.T) {
	const n = keptSteps + 40
	fold := func(from, to int) *GomaxprocsSteps {
		s := new(GomaxprocsSteps)
		for i := from; i < to; i++ {
			s.set(parse.Time(i), int64(2+i/3%2)) // each value three times
		}
		return s
	}
	whole := fold(0, 3*n)
	if whole.N != n || len(whole.First) != keptSteps || whole.min != 2 || whole.Max != 3 {
		t.Fatalf("%d steps, %d kept, %d to %d", whole.N, len(whole.First), whole.min, whole.Max)
	}
	for _, cut := range []int{0, 1, 3, 100, 3*keptSteps - 1, 3 * keptSteps, 3 * n} {
		s := fold(0, cut)
		s.merge(fold(cut, 3*n))
		if !reflect.DeepEqual(s, whole) {
			t.Errorf("cut at %d: %d steps, %d kept", cut, s.N, len(s.First))
		}
	}
}
