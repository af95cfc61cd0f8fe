package blocking

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestDeadlinesExpired(t *testing.T) { checktest.Run(t, deadlinesExpired, casesDeadlinesExpired) }

func casesDeadlinesExpired(t *testing.T) {
	real, events := analysistest.Events(t, corpus.Trace(t, "sync/context-cancel"))
	expires, ok := real.Lookup("context.WithDeadlineCause.func2")
	if !ok {
		t.Fatal("no deadline expires in the corpus trace")
	}
	var cut parse.Go
	for _, e := range events {
		if e.Kind == parse.KindGoWaiting && expiresDeadline(real.String(real.Entry(e.Go.WakerStack))) {
			cut = *e.Go
		}
	}
	make := func(n int, length int64) *checktest.Trace {
		tr := checktest.New(t, length)
		tr.Symbols = real.Symbols
		tr.Lives(n, expires, parse.GoRunning, 1000, 1)
		for range n {
			g := cut
			g.Since = 0
			tr.Add(parse.Event{Time: checktest.MS, Kind: parse.KindGoWaiting, Go: &g})
			tr.Lives(1, 1, parse.GoWaiting, checktest.MS, 0)
		}
		return tr
	}
	checktest.At(t, deadlinesExpired, "in a second", func(v int64) *checktest.Trace { return make(int(v), checktest.S) },
		checktest.Case{V: 0, Want: "n/a"}, checktest.Case{V: 19, Want: "clear"}, checktest.Case{V: 20, Want: "note"}, checktest.Case{V: 99, Want: "note"}, checktest.Case{V: 100, Want: "warning"})
	checktest.At(t, deadlinesExpired, "seconds with 20", func(v int64) *checktest.Trace { return make(20, v*checktest.S) },
		checktest.Case{V: 4, Want: "note"}, checktest.Case{V: 5, Want: "clear"})
	for name, want := range map[string]string{"sync/context-cancel": "warning", "io/http-mix": "clear", "http-healthy": "clear", "idle": "clear"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{deadlinesExpired: want})
	}
}
