package sched

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestGoroutineChurn(t *testing.T) { checktest.Run(t, goroutineChurn, casesGoroutineChurn) }

func casesGoroutineChurn(t *testing.T) {
	checktest.Idle(t, goroutineChurn)
	make := func(n int, ran int64, length int64) *checktest.Trace {
		tr := checktest.New(t, length)
		tr.Proc(0, parse.ProcUser, 0, length)
		tr.Lives(n, 1, parse.GoRunning, ran, tr.NthStack(0))
		tr.Lives(n/2, 2, parse.GoRunning, ran, tr.NthStack(1))
		return tr
	}
	checktest.At(t, goroutineChurn, "created in 100 ms", func(v int64) *checktest.Trace { return make(int(v), 5000, 100*checktest.MS) },
		checktest.Case{V: 999, Want: "clear"}, checktest.Case{V: 1000, Want: "note"}, checktest.Case{V: 4999, Want: "note"}, checktest.Case{V: 5000, Want: "warning"})
	checktest.At(t, goroutineChurn, "ns of each", func(v int64) *checktest.Trace { return make(5000, v, 100*checktest.MS) },
		checktest.Case{V: 10_000, Want: "warning"}, checktest.Case{V: 10_001, Want: "note"}, checktest.Case{V: 20_000, Want: "note"}, checktest.Case{V: 20_001, Want: "clear"})
	checktest.At(t, goroutineChurn, "created in 10 ms", func(v int64) *checktest.Trace { return make(int(v), 5000, 10*checktest.MS) },
		checktest.Case{V: 999, Want: "clear"}, checktest.Case{V: 1000, Want: "warning"})
	checktest.At(t, goroutineChurn, "none created for", func(v int64) *checktest.Trace {
		tr := checktest.New(t, v)
		tr.Lives(5000, 1, parse.GoRunning, 1000, 0)
		return tr
	}, checktest.Case{V: checktest.S, Want: "n/a"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "steal-bursts": "clear",
		"sched/goroutine-churn": "note", "io/net-conn-churn": "clear", "io/http-mix": "clear", "real/cmdgo": "clear", "real/etcd-embed": "clear",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{goroutineChurn: want})
	}
}

// TestChurnOfLibrary: of what the standard library starts the program can only make less.
func TestChurnOfLibrary(t *testing.T) {
	for _, c := range []struct{ by, entry, want, advice string }{
		{"main.serve", "main.handle", "warning", "Give each goroutine more to do"},
		{"net/http.(*connReader).startBackgroundRead", "net/http.(*connReader).backgroundRead", "note", "The standard library starts them"},
		{"main.serve", "net/http.(*connReader).backgroundRead", "warning", "Give each goroutine more to do"},
	} {
		tr := checktest.Tell(t, 20*checktest.MS, func(s *checktest.Story) {
			a := s.Go("main.main")
			for i := range int64(1900) {
				a.Start(i*10_000+1000, c.entry, c.by).End(i*10_000 + 3000)
			}
		})
		res := checktest.Report(t, goroutineChurn, tr).Results[0]
		if got := checktest.Verdict(t, res); got != c.want || !strings.HasPrefix(res.Findings[0].Advice, c.advice) {
			t.Errorf("%s by %s: %s, want %s and %q; %+v", c.entry, c.by, got, c.want, c.advice, res)
		}
	}
}
