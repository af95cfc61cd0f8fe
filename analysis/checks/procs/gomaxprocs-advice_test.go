package procs

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestGOMAXPROCSAdvice(t *testing.T) { checktest.Run(t, gomaxprocsAdvice, casesGOMAXPROCSAdvice) }

func casesGOMAXPROCSAdvice(t *testing.T) {
	checktest.Idle(t, gomaxprocsAdvice)
	make := func(procs, demand int32, share, length int64) *checktest.Trace {
		tr := checktest.New(t, length)
		running := min(demand, procs)
		tr.Interval(0, share, procs, running, demand-running, procs-running)
		tr.Interval(share, length, procs, 0, 0, procs)
		tr.Proc(0, parse.ProcUser, 0, length)
		return tr
	}
	checktest.At(t, gomaxprocsAdvice, "needed of 8 Ps", func(v int64) *checktest.Trace { return make(8, int32(v), checktest.S, 2*checktest.S) },
		checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 4, Want: "note/fewer"}, checktest.Case{V: 5, Want: "clear"}, checktest.Case{V: 8, Want: "clear"})
	checktest.At(t, gomaxprocsAdvice, "ms of 2 s with one of 8 needed", func(v int64) *checktest.Trace { return make(8, 1, v*checktest.MS, 2*checktest.S) },
		checktest.Case{V: 39, Want: "clear"}, checktest.Case{V: 40, Want: "note/fewer"}, checktest.Case{V: 41, Want: "note/fewer"})
	checktest.At(t, gomaxprocsAdvice, "needed of 6 Ps", func(v int64) *checktest.Trace { return make(6, int32(v), checktest.S, 2*checktest.S) },
		checktest.Case{V: 2, Want: "note/fewer"}, checktest.Case{V: 3, Want: "clear"})
	checktest.At(t, gomaxprocsAdvice, "µs of 2 s with 8 of 8 needed, else one", func(v int64) *checktest.Trace {
		tr := make(8, 8, v*1000, 2*checktest.S)
		tr.Interval(v*1000, 2*checktest.S, 8, 1, 0, 7)
		return tr
	}, checktest.Case{V: 1999, Want: "note/fewer"}, checktest.Case{V: 4010, Want: "clear"})
	checktest.At(t, gomaxprocsAdvice, "time with 8 for 4 Ps", func(v int64) *checktest.Trace { return make(4, 8, v, 2*checktest.S) },
		checktest.Case{V: checktest.S - 1, Want: "clear"}, checktest.Case{V: checktest.S, Want: "note/more"})
	checktest.At(t, gomaxprocsAdvice, "length", func(v int64) *checktest.Trace { return make(8, 1, v, v) },
		checktest.Case{V: checktest.S - 1, Want: "clear"}, checktest.Case{V: checktest.S, Want: "note/fewer"})
	checktest.At(t, gomaxprocsAdvice, "GOMAXPROCS 4 and then", func(v int64) *checktest.Trace {
		tr := make(4, 1, checktest.S, 2*checktest.S)
		tr.Interval(2*checktest.S, 2*checktest.S, int32(v), 1, 0, 1)
		return tr
	}, checktest.Case{V: 4, Want: "clear"}, checktest.Case{V: 8, Want: "n/a"})
	checktest.At(t, gomaxprocsAdvice, "unknown GOMAXPROCS for", func(v int64) *checktest.Trace { return make(0, 0, v, v) }, checktest.Case{V: checktest.S, Want: "n/a"})
	checktest.Real(t, "gomaxprocs-change", map[*analysis.Analyzer]string{gomaxprocsAdvice: "n/a"})
	checktest.Real(t, "idle", map[*analysis.Analyzer]string{gomaxprocsAdvice: "clear"})
	checktest.Real(t, "sched/single-hot-goroutine", map[*analysis.Analyzer]string{gomaxprocsAdvice: "note/fewer"})
	checktest.Real(t, "sched/mix-procs8", map[*analysis.Analyzer]string{gomaxprocsAdvice: "clear"})
	checktest.Real(t, "arch/js-wasm", map[*analysis.Analyzer]string{gomaxprocsAdvice: "clear"})     // one thread
	checktest.Real(t, "gc/assist-gogc10", map[*analysis.Analyzer]string{gomaxprocsAdvice: "clear"}) // the GC has the Ps
}
