package syscalls

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestThreadGrowth(t *testing.T) { checktest.Run(t, threadGrowth, casesThreadGrowth) }

func casesThreadGrowth(t *testing.T) {
	procs := checktest.Procs(4, parse.ProcUser, checktest.Length)
	calls := func(n int, from, to int64) []parse.Event {
		return checktest.Times(n, parse.Event{Time: parse.Time(to), Kind: parse.KindGoSyscall, Go: &parse.Go{From: parse.GoSyscall, To: parse.GoRunnable, Since: parse.Time(from), FromStack: 1}})
	}
	// Quarters are 107 of 430 buckets of 2.1 ms each.
	quarters := func(ns ...int) (out [][]parse.Event) {
		const width = 107 << 21
		out = append(out, procs)
		for i, n := range ns {
			out = append(out, calls(n, int64(i)*width, int64(i+1)*width))
		}
		return out
	}
	checktest.Check(t, threadGrowth, nil, []checktest.EventCase{
		{Name: "many", Want: "warning", Events: [][]parse.Event{procs, calls(64, 0, checktest.Length)}},
		{Name: "just fewer", Want: "clear", Events: [][]parse.Event{procs, calls(63, 0, checktest.Length)}},
		{Name: "very many", Want: "error", Events: [][]parse.Event{procs, calls(5000, 0, checktest.Length)}},
		{Name: "many Ps", Want: "clear", Events: [][]parse.Event{checktest.Procs(17, parse.ProcUser, checktest.Length), calls(64, 0, checktest.Length)}},
		{Name: "a burst of 10 ms", Want: "clear", Events: [][]parse.Event{procs, calls(500, 0, 10*checktest.MSNS)}},
		{Name: "rising", Want: "note", Events: quarters(8, 16, 24, 32)},
		{Name: "rising less high", Want: "clear", Events: quarters(8, 16, 24, 31)},
		{Name: "rising less", Want: "clear", Events: quarters(31, 40, 50, 60)},
		{Name: "rising and falling", Want: "clear", Events: quarters(8, 40, 24, 32)},
		{Name: "no call", Want: "not applicable", Events: [][]parse.Event{procs}},
	})
}

// TestOpenCalls: calls that never end are the threads, too: their place is named, and they
// stand under it.
func TestOpenCalls(t *testing.T) {
	tr, w := checktest.Recorded(t)
	var open []parse.Event
	for range 70 {
		call := checktest.Call(900e6, w["blkSync"].Stack)
		call[1].Go.To = parse.GoUndetermined
		open = append(open, call...)
	}
	f := checktest.RunOn(t, tr, threadGrowth, open, checktest.Procs(4, parse.ProcUser, 1e9)).Findings[0]
	if !strings.Contains(f.Summary, "most at main.blkSync") || !slices.Contains(f.Explains, "serial-call") || !slices.Contains(f.Explains, "blocked-calls") {
		t.Errorf("%s: explains %v", f.Summary, f.Explains)
	}
}
