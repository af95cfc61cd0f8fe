package measures

import (
	"testing"

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
	table := analysistest.Report(t, path, Samples).Results[0].Tables[0]
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
