package passes

import (
	"context"
	"runtime/trace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/blocking"
	"github.com/tracelens/tracelens/analysis/checks/tasks"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

// Programs in which the causes are planted, so long that no load hides them.
func TestBlockingChecksLive(t *testing.T) {
	rep := checktest.Live(t, []*analysis.Analyzer{blocking.RwmutexWriterStall, tasks.SlowTasks, tasks.UnfinishedTasks, blocking.StuckGoroutines}, func() {
		var rw sync.RWMutex
		var wg sync.WaitGroup
		stop := time.Now().Add(600 * time.Millisecond)
		for range 12 {
			wg.Go(func() {
				for time.Now().Before(stop) {
					checktest.BlkReader(&rw)
					time.Sleep(time.Millisecond)
				}
			})
		}
		wg.Go(func() {
			for time.Now().Before(stop) {
				rw.RLock()
				time.Sleep(30 * time.Millisecond) // the slow reader
				rw.RUnlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
		wg.Go(func() {
			for time.Now().Before(stop) {
				checktest.BlkWriter(&rw)
				time.Sleep(5 * time.Millisecond)
			}
		})
		for range 12 {
			trace.NewTask(context.Background(), "forgotten")
		}
		for i := range 150 {
			_, task := trace.NewTask(context.Background(), "request")
			if i%30 == 7 {
				time.Sleep(50 * time.Millisecond)
			}
			task.End()
		}
		wg.Wait()
	})
	// blkEmpty of the recording before still is where it was.
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
