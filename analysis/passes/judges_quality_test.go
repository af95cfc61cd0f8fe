package passes

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

func TestIncompleteTrace(t *testing.T) { runCases(t, incompleteTrace, casesIncompleteTrace) }

func casesIncompleteTrace(t *testing.T) {
	schedReal(t, "idle", map[*analysis.Analyzer]string{incompleteTrace: "clear"})
	schedReal(t, "edge/sigkill", map[*analysis.Analyzer]string{incompleteTrace: "warning"})
	schedAt(t, incompleteTrace, "faults", func(v int64) *schedTrace {
		tr := schedNew(t, schedS)
		if v > 0 {
			tr.Fault = &parse.Error{Kind: parse.ErrTruncated, Generation: 1, Detail: "ends early"}
		}
		return tr
	}, schedCase{0, "clear"}, schedCase{1, "warning"})
}

func TestShortTrace(t *testing.T) { runCases(t, shortTrace, casesShortTrace) }

func casesShortTrace(t *testing.T) {
	schedIdle(t, shortTrace)
	schedAt(t, shortTrace, "length with 999 waits", func(v int64) *schedTrace {
		tr := schedNew(t, v)
		tr.waits(999, 0, 1000, nil)
		return tr
	}, schedCase{1, "note"}, schedCase{schedS, "note"}, schedCase{schedS + 1, "clear"})
	schedAt(t, shortTrace, "waits in 0.5 s", func(v int64) *schedTrace {
		tr := schedNew(t, schedS/2)
		tr.waits(int(v), 0, 1000, nil)
		return tr
	}, schedCase{0, "note"}, schedCase{999, "note"}, schedCase{1000, "clear"})
	schedReal(t, "annotations", map[*analysis.Analyzer]string{shortTrace: "note"})
	schedReal(t, "idle", map[*analysis.Analyzer]string{shortTrace: "clear"})
	schedReal(t, "edge/short-20ms", map[*analysis.Analyzer]string{shortTrace: "note"})
}

func TestTracerOverhead(t *testing.T) { runCases(t, tracerOverhead, casesTracerOverhead) }

func casesTracerOverhead(t *testing.T) {
	schedIdle(t, tracerOverhead)
	trace := func(events, busy, switches int64) *schedTrace {
		tr := schedNew(t, schedS)
		tr.Events = events
		tr.add(procLife(0, 0, schedS, schedS-busy, busy))
		tr.waits(int(switches), 0, 0, func(g *parse.Go) { g.Ready = parse.ReadyCoroutine })
		return tr
	}
	schedAt(t, tracerOverhead, "events and 200 ms busy", func(v int64) *schedTrace { return trace(v, 200*schedMS, 0) },
		schedCase{199_999, "clear"}, schedCase{200_000, "note"}, schedCase{499_999, "note"}, schedCase{500_000, "warning"})
	schedAt(t, tracerOverhead, "events in 100 ms and 1 ms busy", func(v int64) *schedTrace {
		tr := trace(v, schedMS, 0)
		tr.To, tr.Last = 100*schedMS, 100*schedMS
		return tr
	}, schedCase{9_999, "clear"}, schedCase{10_000, "warning"})
	// Below 50,000 events per second nothing is to be gained.
	schedAt(t, tracerOverhead, "events and 1 ms busy", func(v int64) *schedTrace { return trace(v, schedMS, 0) },
		schedCase{49_999, "clear"}, schedCase{50_000, "warning"})
	// A switch counts once.
	schedAt(t, tracerOverhead, "coroutine switches", func(v int64) *schedTrace { return trace(200_000, 200*schedMS, v) },
		schedCase{0, "note"}, schedCase{1, "clear"})
	schedAt(t, tracerOverhead, "busy", func(v int64) *schedTrace { return trace(100_000, v, 0) }, schedCase{0, "n/a"})
	schedReal(t, "http-healthy", map[*analysis.Analyzer]string{tracerOverhead: "clear"})
	schedReal(t, "sync/spinlock", map[*analysis.Analyzer]string{tracerOverhead: "clear"})
	schedReal(t, "sched/goroutines-50k-parked", map[*analysis.Analyzer]string{tracerOverhead: "warning"})
}
