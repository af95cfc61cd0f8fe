package trace

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestIncompleteTrace(t *testing.T) { checktest.Run(t, incompleteTrace, casesIncompleteTrace) }

func casesIncompleteTrace(t *testing.T) {
	checktest.Real(t, "idle", map[*analysis.Analyzer]string{incompleteTrace: "clear"})
	checktest.Real(t, "edge/sigkill", map[*analysis.Analyzer]string{incompleteTrace: "warning"})
	checktest.At(t, incompleteTrace, "faults", func(v int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		if v > 0 {
			tr.Fault = &parse.Error{Kind: parse.ErrTruncated, Generation: 1, Detail: "ends early"}
		}
		return tr
	}, checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 1, Want: "warning"})
}
