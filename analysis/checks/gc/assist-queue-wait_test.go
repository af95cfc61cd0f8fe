package gc

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestAssistQueueWait(t *testing.T) { checktest.Run(t, assistQueueWait, casesAssistQueueWait) }

func casesAssistQueueWait(t *testing.T) {
	sym, _ := checktest.SymbolsOf(t, "gc-assist")
	reason := checktest.StringOf(t, sym, assistQueueReason)
	wait := func(n int, held int64, reason parse.StringID) []parse.Event {
		return checktest.Times(n, parse.Event{Time: parse.Time(1000 + held), Kind: parse.KindGoWaiting,
			Go: &parse.Go{From: parse.GoWaiting, To: parse.GoRunnable, Since: 1000, FromReason: reason, FromStack: 1}})
	}
	cycle := checktest.Cycles(3, 0)
	checktest.Check(t, assistQueueWait, sym, []checktest.EventCase{
		{Name: "two cycles", Want: "note", Events: [][]parse.Event{checktest.Cycles(2, 0), wait(100, checktest.MSNS, reason)}},
		{Name: "long", Want: "warning", Events: [][]parse.Event{cycle, wait(100, checktest.MSNS, reason)}},
		{Name: "just shorter", Want: "clear", Events: [][]parse.Event{cycle, wait(100, 990*checktest.USNS, reason)}},
		{Name: "a time slice", Want: "error", Events: [][]parse.Event{cycle, wait(100, 10*checktest.MSNS, reason)}},
		{Name: "just shorter than it", Want: "warning", Events: [][]parse.Event{cycle, wait(100, 9900*checktest.USNS, reason)}},
		{Name: "rare", Want: "note", Events: [][]parse.Event{cycle, wait(89, 0, reason), wait(11, checktest.MSNS, reason)}},
		{Name: "hardly any time", Want: "clear", NS: 2e9, Events: [][]parse.Event{cycle, wait(89, 0, reason), wait(11, checktest.MSNS, reason)}},
		{Name: "few", Want: "clear", Events: [][]parse.Event{cycle, wait(99, checktest.MSNS, reason)}},
		{Name: "healthy", Want: "clear", Events: [][]parse.Event{cycle, wait(100, checktest.MSNS, 0)}},
		{Name: "no cycle", Want: "not applicable", Events: [][]parse.Event{wait(100, checktest.MSNS, reason)}},
	})
}
