package passes

import (
	"errors"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

func TestIncompleteTrace(t *testing.T) {
	judge := []*analysis.Analyzer{incompleteTrace}
	tr := &parse.Trace{First: 100, From: 100, To: 1100, Symbols: &parse.Symbols{}}
	res := analysis.Conclude(tr, "whole", analysis.NewPartial(judge), judge, nil).Results[0]
	if res.Outcome != analysis.Clear || len(res.Summary) != 1 {
		t.Errorf("a whole trace: %s, %q", res.Outcome, res.Summary)
	}
	tr.Fault = errors.New("it ends in the middle of a batch")
	res = analysis.Conclude(tr, "cut", analysis.NewPartial(judge), judge, nil).Results[0]
	if res.Outcome != analysis.Found {
		t.Fatalf("a cut trace: %s", res.Outcome)
	}
	f := res.Findings[0]
	if f.Severity != analysis.Warning || !strings.Contains(f.Summary, "middle of a batch") || f.Evidence[0].From != 1000 {
		t.Errorf("a cut trace: %+v", f)
	}
}
