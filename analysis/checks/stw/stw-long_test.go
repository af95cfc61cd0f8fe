package stw

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestSTWLong(t *testing.T) { checktest.Run(t, stwLong, casesSTWLong) }

func casesSTWLong(t *testing.T) {
	pauses := func(n int, halt int64) [][]parse.Event {
		return [][]parse.Event{checktest.Stops(n, true, 10*checktest.USNS, halt, 0, parse.ProcUser)}
	}
	checktest.Check(t, stwLong, nil, []checktest.EventCase{
		{Name: "1 ms", Want: "note", Events: pauses(5, checktest.MSNS)},
		{Name: "just shorter", Want: "clear", Events: pauses(5, 999*checktest.USNS)},
		{Name: "1 ms, rarely", Want: "clear", Events: pauses(4, checktest.MSNS)},
		{Name: "5 ms", Want: "warning", Events: pauses(4, 5*checktest.MSNS)},
		{Name: "just shorter than 5 ms", Want: "note", Events: pauses(4, 4999*checktest.USNS)},
		{Name: "2 % of the time", Want: "warning", Events: pauses(2, 9*checktest.MSNS)},
		{Name: "just less of the time", Want: "note", Events: pauses(2, 8990*checktest.USNS)},
		{Name: "20 ms", Want: "error", Events: pauses(3, 20*checktest.MSNS)},
		{Name: "just shorter than 20 ms", Want: "warning", Events: pauses(3, 19999*checktest.USNS)},
		{Name: "one", Want: "clear", Events: pauses(1, 20*checktest.MSNS)},
		{Name: "healthy", Want: "clear", Events: pauses(30, 50*checktest.USNS)},
		{Name: "others", Want: "not applicable", Events: [][]parse.Event{checktest.Stops(9, false, checktest.USNS, checktest.MSNS, 0, parse.ProcUser)}},
		{Name: "none", Want: "not applicable"},
	})
}

// TestLongestStop: where most of the pauses is the wait for the last P to stop, the code that
// ran there in the longest is named; the work of pauses is nobody's.
func TestLongestStop(t *testing.T) {
	sym, _ := checktest.SymbolsOf(t, "stw-kinds")
	fn := checktest.StringOf(t, sym, "main.computeUntil")
	const halt = 100 * checktest.MSNS
	for name, c := range map[string]struct {
		stopping int64
		last     parse.ProcState
		want     string
	}{
		"the program's code": {halt - checktest.MSNS, parse.ProcUser, "in the longest likely for main.computeUntil: break up"},
		"the runtime's code": {halt - checktest.MSNS, parse.ProcSystem, "find the code that stops late"},
		"the work":           {checktest.MSNS, parse.ProcUser, "The work in the pauses is long"},
	} {
		tr := &parse.Trace{Symbols: sym, To: parse.Time(checktest.Length), Last: parse.Time(checktest.Length), Version: 26}
		found := checktest.Concluded(tr, stwLong, checktest.Stops(2, true, c.stopping, halt, fn, c.last)).Findings()
		if len(found) != 1 || !strings.Contains(found[0].Advice, c.want) {
			t.Errorf("%s: %+v, want the advice %s", name, found, c.want)
		}
	}
}
