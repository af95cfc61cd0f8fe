package sched

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestLockedThreadPenalty(t *testing.T) {
	checktest.Run(t, lockedThreadPenalty, casesLockedThreadPenalty)
}

func casesLockedThreadPenalty(t *testing.T) {
	checktest.Idle(t, lockedThreadPenalty)
	make := func(n int, held, others int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Waits(n, 0, held, func(g *parse.Go) { g.BlockedStack = tr.NthStack(0) })
		tr.Waits(n, 0, others, func(g *parse.Go) { g.BlockedStack = tr.NthStack(1) })
		last := &tr.Happened[len(tr.Happened)-1]
		last.M++ // these change threads
		return tr
	}
	// Medians are the lower edges of powers of two.
	checktest.At(t, lockedThreadPenalty, "wait where others have 4096", func(v int64) *checktest.Trace { return make(100, v, 4096) },
		checktest.Case{V: 16_383, Want: "clear"}, checktest.Case{V: 16_384, Want: "note"})
	checktest.At(t, lockedThreadPenalty, "wait where others have 256", func(v int64) *checktest.Trace { return make(100, v, 256) },
		checktest.Case{V: 8191, Want: "clear"}, checktest.Case{V: 8192, Want: "note"})
	checktest.At(t, lockedThreadPenalty, "waits", func(v int64) *checktest.Trace { return make(int(v), 50_000, 256) },
		checktest.Case{V: 99, Want: "clear"}, checktest.Case{V: 100, Want: "note"})
	checktest.At(t, lockedThreadPenalty, "length", func(v int64) *checktest.Trace {
		tr := make(100, 50_000, 256)
		tr.To, tr.Last = parse.Time(v), parse.Time(v)
		return tr
	}, checktest.Case{V: checktest.S, Want: "note"}, checktest.Case{V: checktest.S + checktest.MS, Want: "clear"})
	checktest.At(t, lockedThreadPenalty, "waits and no others", func(v int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Waits(int(v), 0, 50_000, func(g *parse.Go) { g.BlockedStack = tr.NthStack(0) })
		return tr
	}, checktest.Case{V: 200, Want: "n/a"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "netpoll-echo": "clear", "procs-1": "clear",
		"sched/lockosthread-pingpong": "note", "io/http-mix": "clear", "io/net-echo": "clear", "sched/mix-procs8": "clear", "sync/mutex-hold-cpu": "clear",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{lockedThreadPenalty: want})
	}
}
