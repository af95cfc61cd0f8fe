package gc

import (
	"slices"
	"strings"
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
	// A run of a goroutine that no worker could stop, however long a mark is.
	ran := func(ns int64) []parse.Event {
		return []parse.Event{{Time: parse.Time(1000 + ns), Kind: parse.KindGoRunning, Go: &parse.Go{From: parse.GoRunning, To: parse.GoRunnable, Since: 1000}}}
	}
	for _, c := range []struct {
		ms   int64
		want string
	}{{100, "waits to scan a stack"}, {99, "one thing after the other"}} {
		tr := &parse.Trace{Symbols: &parse.Symbols{}, Version: 26, To: parse.Time(checktest.Length), Last: parse.Time(checktest.Length), Quantum: 1, Procs: 4}
		found := checktest.Concluded(tr, serialMark, slices.Concat(append(run(3, 150*checktest.MSNS, 1, 3), ran(c.ms*checktest.MSNS))...)).Results[0].Findings
		if len(found) != 1 || !strings.Contains(found[0].Summary, c.want) {
			t.Errorf("a run of %d ms: %+v, want %q", c.ms, found, c.want)
		}
	}
	checktest.ExpectAll(t, All, []checktest.Expect{{Trace: "gc/linked-list", Code: "serial-mark", Severity: analysis.Warning, Names: "main.linkedList"}})
	checktest.ExpectAll(t, All, []checktest.Expect{{Trace: "public/go1.19-unpreemptible-loop", Code: "serial-mark/held", Severity: analysis.Warning, Names: "main.main"}})
}
