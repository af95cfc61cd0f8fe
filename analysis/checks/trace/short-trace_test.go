package trace

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

func TestShortTrace(t *testing.T) { checktest.Run(t, shortTrace, casesShortTrace) }

func casesShortTrace(t *testing.T) {
	checktest.Idle(t, shortTrace)
	checktest.At(t, shortTrace, "length with 999 waits", func(v int64) *checktest.Trace {
		tr := checktest.New(t, v)
		tr.Waits(999, 0, 1000, nil)
		return tr
	}, checktest.Case{V: 1, Want: "note"}, checktest.Case{V: checktest.S, Want: "note"}, checktest.Case{V: checktest.S + 1, Want: "clear"})
	checktest.At(t, shortTrace, "waits in 0.5 s", func(v int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S/2)
		tr.Waits(int(v), 0, 1000, nil)
		return tr
	}, checktest.Case{V: 0, Want: "note"}, checktest.Case{V: 999, Want: "note"}, checktest.Case{V: 1000, Want: "clear"})
	checktest.Real(t, "annotations", map[*analysis.Analyzer]string{shortTrace: "note"})
	checktest.Real(t, "idle", map[*analysis.Analyzer]string{shortTrace: "clear"})
	checktest.Real(t, "edge/short-20ms", map[*analysis.Analyzer]string{shortTrace: "note"})
}
