package trace

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestTracerOverhead(t *testing.T) { checktest.Run(t, tracerOverhead, casesTracerOverhead) }

func casesTracerOverhead(t *testing.T) {
	checktest.Idle(t, tracerOverhead)
	trace := func(events, busy, switches int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Events = events
		tr.Add(analysistest.ProcLife(0, 0, checktest.S, checktest.S-busy, busy))
		tr.Waits(int(switches), 0, 0, func(g *parse.Go) { g.Ready = parse.ReadyCoroutine })
		return tr
	}
	checktest.At(t, tracerOverhead, "events and 200 ms busy", func(v int64) *checktest.Trace { return trace(v, 200*checktest.MS, 0) },
		checktest.Case{V: 199_999, Want: "clear"}, checktest.Case{V: 200_000, Want: "note"}, checktest.Case{V: 499_999, Want: "note"}, checktest.Case{V: 500_000, Want: "warning"})
	checktest.At(t, tracerOverhead, "events in 100 ms and 1 ms busy", func(v int64) *checktest.Trace {
		tr := trace(v, checktest.MS, 0)
		tr.To, tr.Last = 100*checktest.MS, 100*checktest.MS
		return tr
	}, checktest.Case{V: 9_999, Want: "clear"}, checktest.Case{V: 10_000, Want: "warning"})
	// Below 50,000 events per second nothing is to be gained.
	checktest.At(t, tracerOverhead, "events and 1 ms busy", func(v int64) *checktest.Trace { return trace(v, checktest.MS, 0) },
		checktest.Case{V: 49_999, Want: "clear"}, checktest.Case{V: 50_000, Want: "warning"})
	// A switch counts once.
	checktest.At(t, tracerOverhead, "coroutine switches", func(v int64) *checktest.Trace { return trace(200_000, 200*checktest.MS, v) },
		checktest.Case{V: 0, Want: "note"}, checktest.Case{V: 1, Want: "clear"})
	checktest.At(t, tracerOverhead, "busy", func(v int64) *checktest.Trace { return trace(100_000, v, 0) }, checktest.Case{V: 0, Want: "n/a"})
	checktest.Real(t, "http-healthy", map[*analysis.Analyzer]string{tracerOverhead: "clear"})
	checktest.Real(t, "sync/spinlock", map[*analysis.Analyzer]string{tracerOverhead: "clear"})
	checktest.Real(t, "sched/goroutines-50k-parked", map[*analysis.Analyzer]string{tracerOverhead: "warning"})
}

// TestAnnotations: where the program's own annotations are most of the events, they are what
// to leave out.
func TestAnnotations(t *testing.T) {
	for regions, want := range map[int]string{
		251: "of busy Ps, 50.2 % of it for the program's own annotations, most region item: 1,000,000 events|Annotate requests and phases",
		249: "of busy Ps: 1,000,000 events|Take short times as upper bounds",
	} {
		tr := checktest.New(t, checktest.S)
		tr.Events = 1_000_000
		tr.Add(analysistest.ProcLife(0, 0, checktest.S, 0, checktest.S))
		name := tr.Intern("item")
		for range 1000 * regions {
			tr.Add(parse.Event{Time: 2, Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeRegion, Name: name, Group: name, Since: 1, Until: 2}})
		}
		found := checktest.Report(t, tracerOverhead, tr).Results[0].Findings
		summary, advice, _ := strings.Cut(want, "|")
		if len(found) != 1 || !strings.Contains(found[0].Summary, summary) || !strings.HasPrefix(found[0].Advice, advice) {
			t.Errorf("%d,000 regions: %+v, want %s", regions, found, want)
		}
	}
}
