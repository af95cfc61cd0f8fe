package gc

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestIdleMarking(t *testing.T) { checktest.Run(t, idleMarking, casesIdleMarking) }

func casesIdleMarking(t *testing.T) {
	run := func(n int, ns int64, workers int32, mode parse.Mode) []parse.Event {
		return gcjMark(n, ns, 4, workers, 0, mode)
	}
	user := checktest.Procs(4, parse.ProcUser, checktest.Length)
	checktest.Check(t, idleMarking, nil, []checktest.EventCase{
		{Name: "three of four", Want: "note", Events: [][]parse.Event{run(20, 10*checktest.MSNS, 3, parse.ModeIdle), user}},
		{Name: "a tenth", Want: "note", Events: [][]parse.Event{run(20, 20*checktest.MSNS, 1, parse.ModeIdle), user}},
		{Name: "just less", Want: "clear", Events: [][]parse.Event{run(19, 20*checktest.MSNS, 1, parse.ModeIdle), user}},
		{Name: "as much as the others", Want: "note", Events: [][]parse.Event{run(20, 10*checktest.MSNS, 3, parse.ModeIdle), run(20, 10*checktest.MSNS, 3, parse.ModeDedicated), user}},
		{Name: "less than the others", Want: "clear", Events: [][]parse.Event{run(20, 10*checktest.MSNS, 3, parse.ModeIdle), run(21, 10*checktest.MSNS, 3, parse.ModeDedicated), user}},
		{Name: "100 ms", Want: "note", NS: 200 * checktest.MSNS, Events: [][]parse.Event{run(10, 10*checktest.MSNS, 1, parse.ModeIdle), checktest.Procs(2, parse.ProcUser, 200*checktest.MSNS)}},
		{Name: "90 ms", Want: "clear", NS: 200 * checktest.MSNS, Events: [][]parse.Event{run(9, 10*checktest.MSNS, 1, parse.ModeIdle), checktest.Procs(2, parse.ProcUser, 200*checktest.MSNS)}},
		{Name: "no cycle", Want: "not applicable", Events: [][]parse.Event{user}},
	})
	checktest.ExpectAll(t, All, []checktest.Expect{{Trace: "gc/idle-workers", Code: "idle-marking", Severity: analysis.Note, Names: "main.oneAllocator"}})
}
