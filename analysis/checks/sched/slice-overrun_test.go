package sched

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestSliceOverrun(t *testing.T) { checktest.Run(t, sliceOverrun, casesSliceOverrun) }

func casesSliceOverrun(t *testing.T) {
	checktest.Idle(t, sliceOverrun)
	make := func(n int, length, contended int64, late int) *checktest.Trace {
		tr := checktest.New(t, 10*checktest.S)
		tr.Proc(0, parse.ProcUser, 0, 10*checktest.S)
		tr.Outside(10)
		slice := func(length, contended int64) {
			tr.Add(parse.Event{Kind: parse.KindSlice, Slice: &parse.Slice{P: 1, G: 9, End: parse.Time(length), Contended: contended, LateWait: length > 20*checktest.MS && contended > 0, Preempt: parse.PreemptAsync, To: parse.GoRunnable, Stack: tr.NthStack(0)}})
		}
		for range n {
			slice(length, contended)
		}
		for range late {
			slice(15*checktest.MS, checktest.MS)
		}
		return tr
	}
	checktest.At(t, sliceOverrun, "length of three", func(v int64) *checktest.Trace { return make(3, v, 10*checktest.MS, 0) },
		checktest.Case{V: 30 * checktest.MS, Want: "clear"}, checktest.Case{V: 30*checktest.MS + 1, Want: "warning"}, checktest.Case{V: 100*checktest.MS - 1, Want: "warning"})
	checktest.At(t, sliceOverrun, "number", func(v int64) *checktest.Trace { return make(int(v), 40*checktest.MS, 10*checktest.MS, 0) },
		checktest.Case{V: 0, Want: "n/a"}, checktest.Case{V: 1, Want: "note"}, checktest.Case{V: 2, Want: "note"}, checktest.Case{V: 3, Want: "warning"})
	checktest.At(t, sliceOverrun, "others beside five", func(v int64) *checktest.Trace { return make(5, 40*checktest.MS, 10*checktest.MS, int(v)) },
		checktest.Case{V: 95, Want: "warning"}, checktest.Case{V: 96, Want: "note"}, checktest.Case{V: 495, Want: "note"}, checktest.Case{V: 496, Want: "clear"})
	checktest.At(t, sliceOverrun, "ns of waiting in each of four", func(v int64) *checktest.Trace { return make(4, 40*checktest.MS, v, 0) },
		checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 249_999, Want: "clear"}, checktest.Case{V: 250_000, Want: "note"}, checktest.Case{V: 2_499_999, Want: "note"}, checktest.Case{V: 2_500_000, Want: "warning"})
	checktest.At(t, sliceOverrun, "from outside", func(v int64) *checktest.Trace {
		tr := make(4, 40*checktest.MS, 10*checktest.MS, 0)
		tr.Happened = slices.DeleteFunc(tr.Happened, func(e parse.Event) bool { return e.Kind == parse.KindGoRunnable })
		tr.Outside(int(v))
		return tr
	}, checktest.Case{V: 0, Want: "note"}, checktest.Case{V: 9, Want: "note"}, checktest.Case{V: 10, Want: "warning"})
	checktest.At(t, sliceOverrun, "of ten in a call that asks for the GC", func(v int64) *checktest.Trace {
		tr := make(10, 40*checktest.MS, 10*checktest.MS, 0)
		asks := tr.InternStack(parse.Frame{Func: tr.Intern("runtime.GC"), Line: 1}, parse.Frame{Func: tr.Intern("main.trim"), Line: 9})
		for i := range tr.Happened {
			if s := tr.Happened[i].Slice; s != nil && v > 0 {
				s.Stack = asks
				v--
			}
		}
		return tr
	}, checktest.Case{V: 5, Want: "warning"}, checktest.Case{V: 6, Want: "note"})
	for by, want := range map[parse.Preempt]string{parse.PreemptAsync: "CPU profile", parse.PreemptCooperative: "asyncpreemptoff=1"} {
		tr := make(4, 40*checktest.MS, 10*checktest.MS, 0)
		tr.Preempts(1, by, tr.NthStack(0), checktest.MS)
		if f := checktest.Report(t, sliceOverrun, tr).Results[0].Findings[0]; !strings.Contains(f.Advice, want) {
			t.Errorf("a trace with runs that end by %v: %s", by, f.Advice)
		}
	}
	for name, want := range map[string]string{
		"spin-30ms": "note", "preempt-async": "clear", "preempt-cooperative": "clear", "http-healthy": "clear", "idle": "clear",
		"sched/spin-noyield-asyncoff": "note", "sched/spin-noyield": "clear", "io/http-mix": "clear", "gc/idle-workers": "clear", "real/etcd-embed": "clear",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{sliceOverrun: want})
	}
}
