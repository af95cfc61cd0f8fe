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
	checktest.At(t, threadGrowth, "threads in a second", func(v int64) *checktest.Trace { return threads(t, int(v), 2) },
		checktest.Case{V: 19, Want: "clear"}, checktest.Case{V: 20, Want: "note/churn"}, checktest.Case{V: 199, Want: "note/churn"}, checktest.Case{V: 200, Want: "warning/churn"})
	checktest.At(t, threadGrowth, "threads in a second on 50 Ps", func(v int64) *checktest.Trace { return threads(t, int(v), 50) },
		checktest.Case{V: 245, Want: "clear"}, checktest.Case{V: 255, Want: "warning/churn"})
}

// threads is a trace of a second in which so many threads were seen, and as many goroutines
// of one function ended.
func threads(t *testing.T, n, procs int) *checktest.Trace {
	tr := checktest.New(t, checktest.S)
	tr.Threads, tr.Procs = n, procs
	for _, e := range append(checktest.Procs(procs, parse.ProcUser, checktest.S), checktest.Call(1000, tr.NthStack(0))...) {
		tr.Add(e)
	}
	tr.Lives(n, tr.Intern("main.(*netns).do"), parse.GoRunning, 1000, tr.NthStack(0))
	return tr
}

// TestThreadChurn: the goroutines that end with their threads are named where there are as
// many of one kind.
func TestThreadChurn(t *testing.T) {
	f := checktest.Report(t, threadGrowth, threads(t, 1000, 4)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "1,000 were seen (1,000/s), where Ps and calls need about 4 at once; 1,000 goroutines of main.(*netns).do, started at ") || !strings.HasPrefix(f.Advice, "Call runtime.UnlockOSThread") {
		t.Errorf("%+v", f)
	}
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
	if !strings.Contains(f.Summary, "most at main.blkSync") || !strings.Contains(f.Summary, "where none of 70 calls has come back") || !strings.HasPrefix(f.Advice, "Begin no such call while the last one is under way") || !slices.Contains(f.Explains, "serial-call") || !slices.Contains(f.Explains, "blocked-calls") {
		t.Errorf("%s: explains %v", f.Summary, f.Explains)
	}
}
