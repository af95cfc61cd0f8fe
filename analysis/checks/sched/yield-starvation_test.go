package sched

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestYieldStarvation(t *testing.T) { checktest.Run(t, yieldStarvation, casesYieldStarvation) }

func casesYieldStarvation(t *testing.T) {
	checktest.Idle(t, yieldStarvation)
	yields := func(n, assists int, held, length int64) *checktest.Trace {
		tr := checktest.New(t, length)
		tr.Interval(0, length, 1, 1, 1, 0)
		tr.Waits(n, 0, held, func(g *parse.Go) { g.Ready = parse.ReadyYield })
		tr.Preempts(n-assists, parse.PreemptYield, tr.NthStack(0), 1000)
		var assist []parse.Frame
		for _, fn := range []string{"runtime.Gosched", "runtime.gcAssistAlloc", "runtime.mallocgc", "main.decode"} {
			assist = append(assist, parse.Frame{Func: tr.Intern(fn), Line: 1})
		}
		tr.Preempts(assists, parse.PreemptYield, tr.InternStack(assist...), 1000)
		return tr
	}
	make := func(n int, held, length int64) *checktest.Trace { return yields(n, 0, held, length) }
	checktest.At(t, yieldStarvation, "yields in mark assist of 100", func(v int64) *checktest.Trace { return yields(100, int(v), 12*checktest.MS, checktest.S) },
		checktest.Case{V: 50, Want: "warning"}, checktest.Case{V: 51, Want: "clear"})
	checktest.At(t, yieldStarvation, "µs of 1000 waits in a second", func(v int64) *checktest.Trace { return make(1000, v*1000, checktest.S) },
		checktest.Case{V: 980, Want: "clear"}, checktest.Case{V: 1_010, Want: "note"}, checktest.Case{V: 9_800, Want: "note"}, checktest.Case{V: 10_100, Want: "warning"})
	checktest.At(t, yieldStarvation, "waits of 12 ms in 200 ms", func(v int64) *checktest.Trace { return make(int(v), 12*checktest.MS, 200*checktest.MS) },
		checktest.Case{V: 0, Want: "n/a"}, checktest.Case{V: 19, Want: "clear"}, checktest.Case{V: 20, Want: "warning"})
	checktest.At(t, yieldStarvation, "ms of a trace with 250 ms of waits of 12.5 ms", func(v int64) *checktest.Trace { return make(20, 12_500_000, v*checktest.MS) },
		checktest.Case{V: 1000, Want: "warning"}, checktest.Case{V: 1001, Want: "note"}, checktest.Case{V: 2500, Want: "note"}, checktest.Case{V: 2501, Want: "clear"})
	for name, want := range map[string]string{"sched/runnext-pair-p1": "warning", "sync/spinlock": "clear", "http-healthy": "n/a"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{yieldStarvation: want})
	}
}
