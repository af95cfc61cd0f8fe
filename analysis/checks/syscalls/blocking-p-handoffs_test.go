package syscalls

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestBlockingHandoffs(t *testing.T) { checktest.Run(t, blockingHandoffs, casesBlockingHandoffs) }

func casesBlockingHandoffs(t *testing.T) {
	const us = checktest.USNS
	user := checktest.Procs(4, parse.ProcUser, checktest.Length)
	// 180 handoffs are 50 per second and P.
	many := func(n int, contended int64, calls int) [][]parse.Event {
		return [][]parse.Event{user, checktest.Times(calls, checktest.Call(50*us, 1)...), checktest.Times(n, checktest.Lost(contended+20*us, contended, 1)), full(checktest.Length, checktest.Length)}
	}
	// 60 ms held, of P time of four Ps.
	beside := func(ns int64) [][]parse.Event {
		return append(many(200, 300*us, 1000)[:3], full(ns, checktest.Length))
	}
	checktest.Check(t, blockingHandoffs, nil, []checktest.EventCase{
		{Name: "costly", Want: "warning", Events: many(200, 300*us, 1000)},
		{Name: "cheap", Want: "note", Events: many(200, 30*us, 1000)},
		{Name: "beside idle Ps", Want: "clear", Events: many(200, 0, 1000)},
		{Name: "rate just met", Want: "warning", Events: many(185, 300*us, 1000)},
		{Name: "rate just missed", Want: "clear", Events: many(175, 300*us, 1000)},
		{Name: "share just met", Want: "warning", Events: many(200, 300*us, 4000)},
		{Name: "share just missed", Want: "clear", Events: many(200, 300*us, 4100)},
		{Name: "few", Want: "clear", NS: 10 * checktest.MSNS, Events: [][]parse.Event{checktest.Procs(1, parse.ProcUser, 10*checktest.MSNS), checktest.Times(19, checktest.Lost(30*us, 10*us, 1)), checktest.Call(50*us, 1)}},
		{Name: "no P idle for half of it", Want: "warning", Events: beside(7600 * us)},
		{Name: "a P idle for most of it", Want: "clear", Events: beside(7300 * us)},
		{Name: "enough", Want: "warning", NS: 10 * checktest.MSNS, Events: [][]parse.Event{full(10*checktest.MSNS, 10*checktest.MSNS), checktest.Procs(1, parse.ProcUser, 10*checktest.MSNS), checktest.Times(20, checktest.Lost(30*us, 10*us, 1)), checktest.Times(20, checktest.Call(50*us, 1)...)}},
		{Name: "healthy", Want: "clear", Events: many(2, 300*us, 1000)},
		{Name: "v1", Want: "not applicable", Version: 21, Events: many(200, 300*us, 1000)},
		{Name: "no call", Want: "not applicable", Events: [][]parse.Event{user}},
	})
}
