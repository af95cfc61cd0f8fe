package procs

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

func TestGOMAXPROCSChange(t *testing.T) { checktest.Run(t, gomaxprocsChange, casesGOMAXPROCSChange) }

func casesGOMAXPROCSChange(t *testing.T) {
	make := func(procs ...int32) *checktest.Trace {
		tr := checktest.New(t, int64(len(procs))*100*checktest.MS)
		for i, n := range procs {
			tr.Interval(int64(i)*100*checktest.MS, int64(i+1)*100*checktest.MS, n, n, 0, 0)
		}
		return tr
	}
	for _, c := range []struct {
		procs []int32
		want  string
	}{{[]int32{0, 0}, "n/a"}, {[]int32{4, 4, 4}, "clear"}, {[]int32{4, 2}, "note"}, {[]int32{4, 2, 8, 8}, "note"}} {
		rep := checktest.Report(t, gomaxprocsChange, make(c.procs...))
		if got := checktest.Verdict(t, rep.Results[0]); got != c.want {
			t.Errorf("%v: %s, want %s", c.procs, got, c.want)
		}
	}
	// Long waits while there were fewer Ps follow from that.
	checktest.At(t, gomaxprocsChange, "of 10 long waits with 2 Ps of 4", func(v int64) *checktest.Trace {
		tr := make(4, 2)
		tr.Waits(int(v), 120*checktest.MS, 5*checktest.MS, nil)
		tr.Waits(int(10-v), 20*checktest.MS, 5*checktest.MS, nil)
		for _, f := range checktest.Report(t, gomaxprocsChange, tr).Results[0].Findings {
			if (len(f.Explains) > 0) != (v >= 6) {
				t.Errorf("%d of 10: explains %v", v, f.Explains)
			}
		}
		return tr
	}, checktest.Case{V: 5, Want: "note"}, checktest.Case{V: 6, Want: "note"})
	for name, want := range map[string]string{"gomaxprocs-change": "note", "idle": "clear", "sched/gomaxprocs-change": "note"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{gomaxprocsChange: want})
	}
}
