package gc

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestSerialMark(t *testing.T) { checktest.Run(t, serialMark, casesSerialMark) }

func casesSerialMark(t *testing.T) {
	run := func(n int, ns int64, workers, idle int32) [][]parse.Event {
		return [][]parse.Event{gcjMark(n, ns, 4, workers, idle, parse.ModeDedicated), checktest.Procs(4, parse.ProcUser, checktest.Length)}
	}
	checktest.Check(t, serialMark, nil, []checktest.EventCase{
		{Name: "one of four", Want: "warning", Events: run(40, 10*checktest.MSNS, 1, 3)},
		{Name: "two of four", Want: "clear", Events: run(40, 10*checktest.MSNS, 2, 2)},
		{Name: "no idle P", Want: "clear", Events: run(40, 10*checktest.MSNS, 1, 0)},
		{Name: "200 ms", Want: "note", Events: run(20, 10*checktest.MSNS, 1, 3)},
		{Name: "190 ms", Want: "clear", Events: run(19, 10*checktest.MSNS, 1, 3)},
		{Name: "5 ms each", Want: "note", Events: run(50, 5*checktest.MSNS, 1, 3)},
		{Name: "just less each", Want: "clear", Events: run(50, 5*checktest.MSNS-1, 1, 3)},
		{Name: "three tenths", Want: "warning", Events: run(27, 10*checktest.MSNS, 1, 3)},
		{Name: "just less than that", Want: "note", Events: run(26, 10*checktest.MSNS, 1, 3)},
		{Name: "a tenth", Want: "note", NS: 2000 * checktest.MSNS, Events: run(20, 10*checktest.MSNS, 1, 3)},
		{Name: "less than a tenth", Want: "clear", NS: 2001 * checktest.MSNS, Events: append(run(20, 10*checktest.MSNS, 1, 3), checktest.Procs(4, parse.ProcUser, 2001*checktest.MSNS))},
		{Name: "threads waited for CPUs", Want: "note", Events: append(run(40, 10*checktest.MSNS, 1, 3), checktest.Procs(1, parse.ProcScheduler, 27*checktest.MSNS))},
		{Name: "threads waited less", Want: "warning", Events: append(run(40, 10*checktest.MSNS, 1, 3), checktest.Procs(1, parse.ProcScheduler, 26*checktest.MSNS))},
		{Name: "no cycle", Want: "not applicable", Events: run(0, 0, 0, 0)},
		{Name: "one P", Want: "not applicable", Events: [][]parse.Event{gcjMark(40, 10*checktest.MSNS, 1, 1, 0, parse.ModeDedicated), checktest.Procs(1, parse.ProcUser, checktest.Length)}},
	})
	checktest.ExpectAll(t, All, []checktest.Expect{{Trace: "gc/linked-list", Code: "serial-mark", Severity: analysis.Warning, Names: "main.linkedList"}})
}
