package passes

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/blocking"
	"github.com/tracelens/tracelens/analysis/checks/tasks"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

// A program in which the causes are planted.
func TestBlockingChecksPlanted(t *testing.T) {
	rep := checktest.Causes(t, []*analysis.Analyzer{blocking.RwmutexWriterStall, tasks.SlowTasks, tasks.UnfinishedTasks, blocking.StuckGoroutines})
	want := []string{"rwmutex-writer-stall warning", "slow-tasks warning", "unfinished-tasks note", "stuck-goroutines/forever note"}
	for i, r := range rep.Results {
		if got := checktest.Found(r); got != want[i] {
			t.Errorf("%s: %q, want %q; %q %s", r.Name, got, want[i], r.Summary, r.Reason)
		}
	}
	for i, part := range []string{"blkReader", "blocked", "forgotten"} {
		if f := rep.Results[i].Findings; len(f) > 0 && !strings.Contains(f[0].Summary, part) {
			t.Errorf("%q is not in %s", part, f[0].Summary)
		}
	}
	if f := rep.Results[0].Findings; len(f) > 0 && !strings.Contains(f[0].Summary, "blkWriter") {
		t.Errorf("the writer that waits is not named: %s", f[0].Summary)
	}
}
