package procs

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
)

// TestLimitTable: it says what the metrics say, and parts of a whole sum to it.
func TestLimitTable(t *testing.T) {
	for _, path := range corpus.Own(t) {
		rep := analysistest.Report(t, path, Limits)
		name := filepath.Base(path)
		var numbers *analysis.Table
		for _, res := range rep.Results {
			for _, tb := range res.Tables {
				if tb.Role == analysis.RoleNumbers {
					numbers = tb
				}
			}
		}
		if numbers == nil {
			t.Errorf("%s: no numbers", name)
			continue
		}
		sums, values := make(map[string]float64), make(map[[2]string]string)
		for i := range numbers.Rows {
			of, what := numbers.Cell(i, "of").(string), numbers.Cell(i, "what").(string)
			values[[2]string{of, what}] = numbers.Cell(i, "value").(string)
			if share, ok := numbers.Cell(i, "share").(float64); ok {
				sums[of] += share
			}
		}
		for of, sum := range sums {
			if math.Abs(sum-1) > 1e-9 {
				t.Errorf("%s: the parts of %s sum to %v", name, of, sum)
			}
		}
		for of, id := range map[[2]string]string{
			{"P time", "user"}: "procs.share.user", {"P time", "idle"}: "procs.share.idle", {"GC", "cycles"}: "gc.cycles", {"GC", "in mark assists"}: "gc.assist.wall",
			{"wait of user goroutines for a P", "p99"}: "sched.latency.user.p99", {"wait of user goroutines for a P", "longest"}: "sched.latency.user.max",
			{"user goroutines blocked", "network"}: "block.network.total", {"longest stop of the world", "of GC, together"}: "stw.gc.total.total",
		} {
			m, known := rep.Metrics[id]
			got, told := values[of]
			if want := analysis.Format(m.Value, m.Unit, rep.Trace.Quantum); told && (!known || got != want) {
				t.Errorf("%s: %v is %s, %s is %s", name, of, got, id, want)
			}
		}
	}
}
