package measures

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

// TestKindsSum: the lives of the kinds are those of the program's goroutines, to the
// nanosecond, and their parts sum to them; so does the time that one ran alone.
func TestKindsSum(t *testing.T) {
	for _, name := range []string{"mixed-go121", "mixed-go122", "mixed-go126", "http-healthy", "flight-recorder", "straggler", "gomaxprocs-change"} {
		tr, evs := analysistest.Events(t, analysistest.Testdata(t, name))
		p := analysis.NewPartial([]*analysis.Analyzer{Parallelism, Kinds})
		var want, n int64
		bodied := make(map[parse.GoID]int64) // of the runtime's goroutines that ran the program's functions
		for i := range evs {
			e := &evs[i]
			p.Event(e)
			switch {
			case e.Kind == parse.KindGoLife && e.GoLife.Class == parse.ClassUser:
				n++
				for _, ns := range e.GoLife.Spent {
					want += ns
				}
			case e.Kind == parse.KindGoLife && e.GoLife.Body != 0:
				n++
				want += bodied[e.GoLife.ID] + e.GoLife.Spent[parse.GoRunning] + e.GoLife.Spent[parse.GoRunnable]
			case (e.Kind == parse.KindGoWaiting || e.Kind == parse.KindGoSyscall) && e.Go.Class != parse.ClassUser && e.Go.Body != 0:
				bodied[e.Go.ID] += e.Held()
			}
		}
		var life, count, alone int64
		for _, k := range newKinds(tr, p.Folds[Kinds].(*KindsFold)).All {
			life += k.Life
			count += k.Count
			alone += k.Alone
			var parts, states int64
			for _, s := range k.Stays {
				parts += s.NS
			}
			for _, ns := range k.State {
				states += ns
			}
			if parts != k.Life || states != k.Life || k.Parked > k.Life {
				t.Errorf("%s: %s: parts sum to %d, states to %d of %d", name, k.Name, parts, states, k.Life)
			}
		}
		if one := p.Folds[Parallelism].(*ParallelismFold).Alone(); alone != one || one == 0 {
			t.Errorf("%s: one goroutine ran alone for %d ns, those of kinds for %d", name, one, alone)
		}
		if life != want || count != n {
			t.Errorf("%s: %d goroutines lived %d ns, kinds say %d and %d", name, n, want, count, life)
		}
	}
}
