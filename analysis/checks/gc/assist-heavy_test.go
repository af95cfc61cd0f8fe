package gc

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestAssistHeavy(t *testing.T) { checktest.Run(t, assistHeavy, casesAssistHeavy) }

func casesAssistHeavy(t *testing.T) {
	const L = checktest.Length
	run := func(length, assist int64, n int) [][]parse.Event {
		return [][]parse.Event{checktest.Procs(1, parse.ProcUser, length), checktest.Marking(assist, length, 4, 1, parse.ProcAssist), checktest.Cycles(1, 0), gcjAssists(n)}
	}
	checktest.Check(t, assistHeavy, nil, []checktest.EventCase{
		{Name: "heavy", Want: "warning", Events: run(L, 48*checktest.MSNS, 30)},
		{Name: "just less", Want: "clear", Events: run(L, 47*checktest.MSNS, 30)},
		{Name: "very heavy", Want: "error", Events: run(L, 159*checktest.MSNS, 30)},
		{Name: "just less heavy", Want: "warning", Events: run(L, 158*checktest.MSNS, 30)},
		{Name: "few", Want: "clear", Events: run(L, 159*checktest.MSNS, 29)},
		{Name: "a burst", Want: "clear", NS: 90 * checktest.MSNS, Events: run(90*checktest.MSNS, 19*checktest.MSNS, 30)},
		{Name: "a longer one", Want: "error", NS: 90 * checktest.MSNS, Events: run(90*checktest.MSNS, 21*checktest.MSNS, 30)},
		{Name: "healthy", Want: "clear", Events: run(L, checktest.MSNS, 3)},
		{Name: "no cycle", Want: "not applicable", Events: run(L, 0, 0)[:2]},
	})
}
