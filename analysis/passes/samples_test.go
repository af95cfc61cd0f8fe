package passes

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

// TestSamples: the functions of the planted program, and a count of samples as the
// events have it.
func TestSamples(t *testing.T) {
	path := analysistest.Testdata(t, "cpu-samples")
	tr, evs := analysistest.Events(t, path)
	var want int64
	in := make(map[string]int64) // samples by function, once for each
	for _, e := range evs {
		if e.Kind != parse.KindSample {
			continue
		}
		want++
		seen := make(map[string]bool)
		for _, f := range tr.Stack(e.Stack) {
			if name := tr.String(f.Func); !seen[name] {
				seen[name] = true
				in[name]++
			}
		}
	}
	table := analysistest.Report(t, path, samples).Results[0].Tables[0]
	if table.N != want || want == 0 {
		t.Errorf("%d samples, want %d", table.N, want)
	}
	var self int64
	for i := range table.Rows {
		name := table.Cell(i, "function").(string)
		if got := table.Cell(i, "with callees"); got != in[name] {
			t.Errorf("%s: %d samples with callees, want %d", name, got, in[name])
		}
		self += table.Cell(i, "self").(int64)
	}
	if self > want {
		t.Errorf("%d samples by themselves of %d", self, want)
	}
}

func TestHotFunction(t *testing.T) { runCases(t, hotFunction, casesHotFunction) }

func casesHotFunction(t *testing.T) {
	make := func(hot, others int) *schedTrace {
		tr := schedNew(t, schedS)
		a, b := tr.stack(0), tr.stack(1)
		for i := range hot + others {
			stack := a
			if i >= hot {
				stack = b
			}
			tr.add(parse.Event{Kind: parse.KindSample, Stack: stack})
		}
		return tr
	}
	schedAt(t, hotFunction, "of 1000 samples", func(v int64) *schedTrace {
		tr := make(int(v), 0)
		for range 1000 - v {
			tr.add(parse.Event{Kind: parse.KindSample}) // of no goroutine
		}
		return tr
	}, schedCase{299, "clear"}, schedCase{300, "note"})
	schedAt(t, hotFunction, "samples", func(v int64) *schedTrace { return make(int(v), 0) },
		schedCase{0, "n/a"}, schedCase{99, "clear"}, schedCase{100, "note"})
	for name, want := range map[string]string{"http-healthy": "n/a", "user/cpu-samples": "note", "user/cpu-samples-labels": "note"} {
		schedReal(t, name, map[*analysis.Analyzer]string{hotFunction: want})
	}
	gcjExpectAll(t, []*analysis.Analyzer{hotFunction}, []gcjExpect{
		{"user/cpu-samples", "hot-function", analysis.Note, "main.hotA"},
	})
}
