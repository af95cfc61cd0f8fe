package report

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/internal/corpus"
)

// TestEvidenceHasSpans: all that the findings of a page point to has exact spans, to its
// last nanosecond; of what is half of a trace with more spans than are kept, the begin has.
func TestEvidenceHasSpans(t *testing.T) {
	paths := corpus.Own(t)
	if !testing.Short() {
		paths = append(paths, corpus.More(t, "*/*.trace")...)
	}
	format, err := Named(Formats, "html")
	if err != nil {
		t.Fatal(err)
	}
	n, halves := 0, 0
	for _, path := range paths {
		read := func(analyzers []*analysis.Analyzer) *analysis.Report {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			rep, err := analysis.Analyze(context.Background(), f, path, analysis.Options{}, analyzers)
			if err != nil {
				t.Logf("%s: %v", path, err) // it is no trace at all
				return nil
			}
			return rep
		}
		rep := read(passes.All())
		if rep == nil {
			continue
		}
		windows := measures.Windows(rep, format.Spans)
		if len(windows) == 0 {
			continue
		}
		rep.Results = append(rep.Results, read([]*analysis.Analyzer{measures.Spans(windows, format.Spans)}).Results...)
		exact := newHTMLPage(rep, Options{}).timeline().Windows
		var look func(f *analysis.Finding)
		look = func(f *analysis.Finding) {
			for _, e := range f.Evidence {
				n++
				from, to := max(e.From, rep.Trace.From), min(e.To, rep.Trace.To)
				if to-from >= rep.Trace.Duration/2 && len(windows) > 1 {
					to = min(from+1, to)
					halves++
				}
				if !slices.ContainsFunc(exact, func(w [3]int64) bool { return w[0] <= from && to <= w[1] }) {
					t.Errorf("%s: %s at %d to %d is not exact; exact are %v", path, f.Code, e.From, e.To, exact)
				}
			}
			for i := range f.Symptoms {
				look(&f.Symptoms[i])
			}
		}
		for _, f := range rep.Findings() {
			look(f)
		}
	}
	if n == 0 {
		t.Error("no evidence was looked at")
	}
	t.Logf("%d windows of evidence in %d traces; of %d, half of a trace that is too large, the begin", n, len(paths), halves)
}
