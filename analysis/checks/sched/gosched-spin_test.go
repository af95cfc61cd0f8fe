package sched

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestGoschedSpin(t *testing.T) { checktest.Run(t, goschedSpin, casesGoschedSpin) }

func casesGoschedSpin(t *testing.T) {
	checktest.Idle(t, goschedSpin)
	make := func(yields int, ran int64, starts int) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Proc(0, parse.ProcUser, 0, checktest.S)
		tr.Preempts(yields, parse.PreemptYield, tr.NthStack(0), ran)
		tr.Preempts(yields, parse.PreemptAsync, tr.NthStack(1), ran)
		tr.Waits(starts, 0, 0, nil)
		return tr
	}
	checktest.At(t, goschedSpin, "yields a second", func(v int64) *checktest.Trace { return make(int(v), 25_000, int(v)) },
		checktest.Case{V: 4999, Want: "clear"}, checktest.Case{V: 5000, Want: "note"}, checktest.Case{V: 19_999, Want: "note"}, checktest.Case{V: 20_000, Want: "warning"})
	checktest.At(t, goschedSpin, "starts for 20,000 yields", func(v int64) *checktest.Trace { return make(20_000, 25_000, int(v)) },
		checktest.Case{V: 80_000, Want: "warning"}, checktest.Case{V: 80_001, Want: "note"}, checktest.Case{V: 200_000, Want: "note"}, checktest.Case{V: 200_001, Want: "clear"})
	checktest.At(t, goschedSpin, "ns between 20,000 yields", func(v int64) *checktest.Trace { return make(20_000, v, 20_000) },
		checktest.Case{V: 999, Want: "clear"}, checktest.Case{V: 1000, Want: "note"}, checktest.Case{V: 4999, Want: "note"}, checktest.Case{V: 5000, Want: "warning"})
	for between, want := range map[int64]string{9_999: "to do. preempt.yield", 10_000: "if what it runs from one yield to the next (10 µs) is work"} {
		if f := checktest.Report(t, goschedSpin, make(20_000, between, 20_000)).Results[0].Findings[0]; !slices.Contains(f.Explains, "busy-poll/yields") || !strings.Contains(f.Advice, want) {
			t.Errorf("explains %v, advice %s, want %s", f.Explains, f.Advice, want)
		}
	}
	checktest.At(t, goschedSpin, "yields in 10 ms", func(v int64) *checktest.Trace {
		tr := make(int(v), 200_000, int(v))
		tr.To, tr.Last = 10*checktest.MS, 10*checktest.MS
		return tr
	}, checktest.Case{V: 999, Want: "clear"}, checktest.Case{V: 1000, Want: "warning"})
	forced, _ := analysistest.Events(t, analysistest.Testdata(t, "mark-starves"))
	gcStack := parse.StackID(1)
	for !slices.ContainsFunc(forced.Stack(gcStack), func(f parse.Frame) bool { return forced.String(f.Func) == "runtime.GC" }) {
		gcStack++
	}
	checktest.At(t, goschedSpin, "yields in runtime.GC", func(v int64) *checktest.Trace {
		tr := make(0, 0, int(v))
		tr.Symbols = forced.Symbols
		tr.Preempts(int(v), parse.PreemptYield, gcStack, 25_000)
		return tr
	}, checktest.Case{V: 20_000, Want: "clear"})
	checktest.At(t, goschedSpin, "nothing runs for", func(v int64) *checktest.Trace { return checktest.New(t, v) }, checktest.Case{V: checktest.S, Want: "n/a"})
	for name, want := range map[string]string{
		"preempt-cooperative": "clear", "http-healthy": "clear", "gc-assist": "clear",
		"sync/spinlock": "warning", "sched/runnext-pair-p1": "clear", "gc/finalizers-cleanups": "clear", "real/etcd-embed": "clear",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{goschedSpin: want})
	}
}
