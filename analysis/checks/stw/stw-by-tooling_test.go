package stw

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

// It is applicable to every trace: without a stop that is the answer.
func TestSTWByTooling(t *testing.T) { checktest.Run(t, stwByTooling, casesSTWByTooling) }

func casesSTWByTooling(t *testing.T) {
	stops := func(n int, halt int64) [][]parse.Event {
		return [][]parse.Event{checktest.Stops(n, false, 10*checktest.USNS, halt, 0, parse.ProcUser)}
	}
	checktest.Check(t, stwByTooling, nil, []checktest.EventCase{
		{Name: "a permille", Want: "note", Events: stops(3, 301*checktest.USNS)},
		{Name: "just less", Want: "clear", Events: stops(3, 299*checktest.USNS)},
		{Name: "half a percent", Want: "warning", Events: stops(5, 901*checktest.USNS)},
		{Name: "just less than that", Want: "note", Events: stops(5, 899*checktest.USNS)},
		{Name: "five percent", Want: "error", Events: stops(30, 1501*checktest.USNS)},
		{Name: "just less than five", Want: "warning", Events: stops(30, 1499*checktest.USNS)},
		{Name: "two", Want: "clear", Events: stops(2, 901*checktest.USNS)},
		{Name: "rarely", Want: "clear", NS: 4e9, Events: stops(3, 990*checktest.USNS)},
		{Name: "not so rarely", Want: "note", NS: 3e9, Events: stops(3, 990*checktest.USNS)},
		{Name: "one of 1 ms", Want: "note", Events: stops(1, checktest.MSNS)},
		{Name: "one just shorter", Want: "clear", Events: stops(1, 999*checktest.USNS)},
		{Name: "one of 10 ms", Want: "warning", Events: stops(1, 10*checktest.MSNS)},
		{Name: "the GC's", Want: "clear", Events: [][]parse.Event{checktest.Stops(30, true, checktest.USNS, checktest.MSNS, 0, parse.ProcUser)}},
		{Name: "none", Want: "clear"},
	})
}

// TestInsteadOf: what to do follows the kind of stop (runtime2.go: stwReasonStrings).
func TestInsteadOf(t *testing.T) {
	for kind, want := range map[string]string{
		"read mem stats": "runtime/metrics", "all goroutines stack trace": "Dump the stacks", "goroutine profile": "goroutine profiles less", "GOMAXPROCS": "Set GOMAXPROCS once",
		"write heap dump": "heap dumps", "AllThreadsSyscall": "less often",
	} {
		if got := insteadOf(kind); !strings.Contains(got, want) || kind != "read mem stats" && strings.Contains(got, "ReadMemStats") {
			t.Errorf("%s: %s", kind, got)
		}
	}
}
