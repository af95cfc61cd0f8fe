package sched

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestHotFunction(t *testing.T) { checktest.Run(t, hotFunction, casesHotFunction) }

func casesHotFunction(t *testing.T) {
	make := func(hot, others int) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		a, b := tr.NthStack(0), tr.NthStack(1)
		for i := range hot + others {
			stack := a
			if i >= hot {
				stack = b
			}
			tr.Add(parse.Event{Kind: parse.KindSample, Stack: stack})
		}
		return tr
	}
	checktest.At(t, hotFunction, "of 1000 samples", func(v int64) *checktest.Trace {
		tr := make(int(v), 0)
		for range 1000 - v {
			tr.Add(parse.Event{Kind: parse.KindSample}) // of no goroutine
		}
		return tr
	}, checktest.Case{V: 299, Want: "clear"}, checktest.Case{V: 300, Want: "note"})
	checktest.At(t, hotFunction, "samples", func(v int64) *checktest.Trace { return make(int(v), 0) },
		checktest.Case{V: 0, Want: "n/a"}, checktest.Case{V: 99, Want: "clear"}, checktest.Case{V: 100, Want: "note"})
	for name, want := range map[string]string{"http-healthy": "n/a", "user/cpu-samples": "note", "user/cpu-samples-labels": "note"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{hotFunction: want})
	}
	checktest.ExpectAll(t, []*analysis.Analyzer{hotFunction}, []checktest.Expect{
		{Trace: "user/cpu-samples", Code: "hot-function", Severity: analysis.Note, Names: "main.hotA"},
	})
}
