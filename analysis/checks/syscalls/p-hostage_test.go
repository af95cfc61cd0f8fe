package syscalls

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

// full are Ps of which none is idle for so long, then one.
func full(ns, length int64) []parse.Event {
	busy, idle := &parse.Interval{Procs: 4}, &parse.Interval{Since: parse.Time(ns), Procs: 4}
	busy.P[parse.ProcUser] = 4
	idle.P[parse.ProcUser], idle.P[parse.ProcIdle] = 3, 1
	return []parse.Event{{Time: parse.Time(ns), Kind: parse.KindInterval, Interval: busy}, {Time: parse.Time(length), Kind: parse.KindInterval, Interval: idle}}
}

func TestPHostage(t *testing.T) { checktest.Run(t, pHostage, casesPHostage) }

func casesPHostage(t *testing.T) {
	user := checktest.Procs(1, parse.ProcUser, checktest.Length) // the P time of the call comes on top
	held := func(ns int64) [][]parse.Event {
		return [][]parse.Event{user, {checktest.Lost(ns+20*checktest.USNS, ns, 1)}, full(checktest.Length, checktest.Length)}
	}
	checktest.Check(t, pHostage, nil, []checktest.EventCase{
		{Name: "note", Want: "note", Events: held(9200 * checktest.USNS)},
		{Name: "below", Want: "clear", Events: held(8900 * checktest.USNS)},
		{Name: "warning", Want: "warning", Events: held(28 * checktest.MSNS)},
		{Name: "below a warning", Want: "note", Events: held(27 * checktest.MSNS)},
		{Name: "error", Want: "error", Events: held(101 * checktest.MSNS)},
		{Name: "below an error", Want: "warning", Events: held(99 * checktest.MSNS)},
		{Name: "short", Want: "clear", NS: 10 * checktest.MSNS, Events: [][]parse.Event{{checktest.Lost(5*checktest.MSNS, 4900*checktest.USNS, 1)}}},
		{Name: "not so short", Want: "error", NS: 10 * checktest.MSNS, Events: [][]parse.Event{full(10*checktest.MSNS, 10*checktest.MSNS), {checktest.Lost(6*checktest.MSNS, 5100*checktest.USNS, 1)}}},
		// P time is 900 ms, and 101 ms of the call.
		{Name: "no P idle for a half of it", Want: "error", Events: [][]parse.Event{user, {checktest.Lost(101*checktest.MSNS+20*checktest.USNS, 101*checktest.MSNS, 1)}, full(46*checktest.MSNS, checktest.Length)}},
		{Name: "a P idle for most of it", Want: "clear", Events: [][]parse.Event{user, {checktest.Lost(101*checktest.MSNS+20*checktest.USNS, 101*checktest.MSNS, 1)}, full(44*checktest.MSNS, checktest.Length)}},
		{Name: "nothing runnable", Want: "clear", Events: [][]parse.Event{user, {checktest.Lost(500*checktest.MSNS, 0, 1)}}},
		{Name: "v1", Want: "not applicable", Version: 19, Events: held(101 * checktest.MSNS)},
		{Name: "no call", Want: "not applicable", Events: [][]parse.Event{user}},
	})
}
