package sched

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestSingleProducerSteal(t *testing.T) {
	checktest.Run(t, singleProducerSteal, casesSingleProducerSteal)
}

func casesSingleProducerSteal(t *testing.T) {
	checktest.Idle(t, singleProducerSteal)
	make := func(one, others, local int, held int64) *checktest.Trace {
		tr := checktest.New(t, 400*checktest.MS)
		steal := func(stack parse.StackID) func(*parse.Go) {
			return func(g *parse.Go) { g.Origin, g.WakerStack, g.Victim, g.P = parse.OriginStolen, stack, 0, 1 }
		}
		tr.Waits(one, 0, held, steal(tr.NthStack(0)))
		tr.Waits(others, 0, held, steal(tr.NthStack(1)))
		tr.Waits(local, 0, held, func(g *parse.Go) { g.Origin = parse.OriginLocal })
		return tr
	}
	checktest.At(t, singleProducerSteal, "steals", func(v int64) *checktest.Trace { return make(int(v), 0, 0, 30_000) },
		checktest.Case{V: 0, Want: "n/a"}, checktest.Case{V: 199, Want: "clear"}, checktest.Case{V: 200, Want: "note"})
	checktest.At(t, singleProducerSteal, "steals of others beside 400", func(v int64) *checktest.Trace { return make(400, int(v), 0, 30_000) },
		checktest.Case{V: 100, Want: "note"}, checktest.Case{V: 101, Want: "clear"})
	checktest.At(t, singleProducerSteal, "starts not stolen beside 400", func(v int64) *checktest.Trace { return make(400, 0, int(v), 30_000) },
		checktest.Case{V: 3600, Want: "note"}, checktest.Case{V: 3601, Want: "clear"})
	checktest.At(t, singleProducerSteal, "wait", func(v int64) *checktest.Trace { return make(400, 0, 0, v) },
		checktest.Case{V: 19_999, Want: "clear"}, checktest.Case{V: 20_000, Want: "note"})
	checktest.At(t, singleProducerSteal, "steals after timers", func(v int64) *checktest.Trace {
		tr := checktest.New(t, 400*checktest.MS)
		tr.Waits(int(v), 0, 30_000, func(g *parse.Go) { g.Origin, g.Ready = parse.OriginStolen, parse.ReadyTimer })
		return tr
	}, checktest.Case{V: 400, Want: "clear"})
	for name, want := range map[string]string{
		"steal-bursts": "note", "steal-timers": "clear", "http-healthy": "clear", "procs-1": "n/a",
		"sched/goroutine-churn": "note", "sync/select-fanin": "note", "gc/linked-list": "clear", "io/http-mix": "clear",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{singleProducerSteal: want})
	}
}
