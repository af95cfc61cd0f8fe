package gc

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestMarkStarvesUsers(t *testing.T) { checktest.Run(t, markStarvesUsers, casesMarkStarvesUsers) }

func casesMarkStarvesUsers(t *testing.T) {
	wait := func(n int, held int64, cause parse.Cause, gc parse.Time) []parse.Event {
		g := parse.Go{Ready: parse.ReadyUnblocked}
		g.Wait[cause] = held
		e := analysistest.Started(held, g)
		e.GC = gc
		return checktest.Times(n, e)
	}
	run := func(in, out int64, nIn, nOut int, cause parse.Cause) [][]parse.Event {
		return [][]parse.Event{checktest.Cycles(1, 0), wait(nIn, in, cause, 5), wait(nOut, out, parse.CauseUser, 0)}
	}
	const us = checktest.USNS
	half := [][]parse.Event{checktest.Cycles(1, 0), wait(500, 600*us, parse.CauseGC, 5), wait(500, 600*us, parse.CauseUser, 5), wait(1000, 100*us, parse.CauseUser, 0)}
	less := [][]parse.Event{checktest.Cycles(1, 0), wait(490, 600*us, parse.CauseGC, 5), wait(510, 600*us, parse.CauseUser, 5), wait(1000, 100*us, parse.CauseUser, 0)}
	checktest.Check(t, markStarvesUsers, nil, []checktest.EventCase{
		{Name: "starving", Want: "warning", Events: run(505*us, 100*us, 1000, 1000, parse.CauseGC)},
		{Name: "just shorter", Want: "clear", Events: run(495*us, 100*us, 1000, 1000, parse.CauseGC)},
		{Name: "a time slice", Want: "error", Events: run(10100*us, 100*us, 1000, 1000, parse.CauseSTW)},
		{Name: "just shorter than it", Want: "warning", Events: run(9900*us, 100*us, 1000, 1000, parse.CauseGC)},
		{Name: "three times", Want: "warning", Events: run(612*us, 200*us, 1000, 1000, parse.CauseGC)},
		{Name: "just less", Want: "clear", Events: run(588*us, 200*us, 1000, 1000, parse.CauseGC)},
		{Name: "half of it the GC's", Want: "warning", Events: half},
		{Name: "less than half", Want: "clear", Events: less},
		{Name: "load", Want: "clear", Events: run(600*us, 100*us, 1000, 1000, parse.CauseUser)},
		{Name: "few inside", Want: "not applicable", Events: run(600*us, 100*us, 999, 1000, parse.CauseGC)},
		{Name: "few outside", Want: "not applicable", Events: run(600*us, 100*us, 1000, 999, parse.CauseGC)},
		{Name: "no cycle", Want: "not applicable", Events: run(600*us, 100*us, 1000, 1000, parse.CauseGC)[1:]},
	})
}
