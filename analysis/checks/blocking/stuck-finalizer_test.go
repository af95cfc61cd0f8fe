package blocking

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

// finalizer is a trace of two seconds in which a finalizer is blocked, until then or to
// the end.
func finalizer(t *testing.T, blocked int64, ends bool) *checktest.Trace {
	return checktest.Tell(t, 2000*ms, func(s *checktest.Story) {
		f, other := s.Go("runtime.runFinalizers"), s.Go("main.driver")
		f.Preempt(1000, "main.(*gpu).finalize:19")
		if !ends {
			f.Wait(2000, 2000+100*ms, other, "main.driver:9", "runtime.chanrecv1")
		}
		stack := []string{"runtime.chansend1", "main.(*gpu).finalize:20"}
		if ends {
			f.Wait(2000, 2000+blocked, other, "main.driver:9", stack...)
		} else {
			f.Block(2000*ms-blocked, stack...)
		}
	})
}

// cleanups is a trace of that length in which the goroutine that runs cleanups waits in
// each of them for 2 ms, and for so long at the end for the next.
func cleanups(t *testing.T, length, idle int64) *checktest.Trace {
	return checktest.Tell(t, length, func(s *checktest.Story) {
		c := s.Go("runtime.runCleanups")
		s.Go("main.driver")
		at := int64(1000)
		for ; at+3*ms < length-idle; at += 21 * ms / 10 {
			c.Wait(at, at+2*ms, nil, "", "time.Sleep", "main.releaseHandle:5")
		}
		if idle > 0 {
			c.Block(length-idle, "runtime.chanrecv1", "runtime.(*cleanupQueue).dequeue")
		}
	})
}

func TestStuckFinalizer(t *testing.T) {
	checktest.Run(t, stuckFinalizer, func(t *testing.T) {
		checktest.At(t, stuckFinalizer, "no finalizer", func(int64) *checktest.Trace { return stage{workers: 1, senders: 1, sending: ms, waits: 1}.tell(t) }, checktest.Case{V: 0, Want: "n/a"})
		checktest.At(t, stuckFinalizer, "ms at the end", func(v int64) *checktest.Trace { return finalizer(t, v*ms, false) },
			checktest.Case{V: 98, Want: "clear"}, checktest.Case{V: 102, Want: "note"}, checktest.Case{V: 490, Want: "note"}, checktest.Case{V: 510, Want: "warning"},
			checktest.Case{V: 980, Want: "warning"}, checktest.Case{V: 1020, Want: "error"})
		checktest.At(t, stuckFinalizer, "ms without a cleanup", func(v int64) *checktest.Trace { return cleanups(t, 1000*ms, v*ms) },
			checktest.Case{V: 0, Want: "warning/behind"}, checktest.Case{V: 29, Want: "warning/behind"}, checktest.Case{V: 31, Want: "clear"})
		checktest.At(t, stuckFinalizer, "ms of cleanups", func(v int64) *checktest.Trace { return cleanups(t, v*ms, 0) },
			checktest.Case{V: 495, Want: "clear"}, checktest.Case{V: 505, Want: "warning/behind"})
		checktest.At(t, stuckFinalizer, "ms, and went on", func(v int64) *checktest.Trace { return finalizer(t, v*ms, true) }, checktest.Case{V: 1200, Want: "warning"})
	})
	f := checktest.Report(t, stuckFinalizer, finalizer(t, 1500*ms, false)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "main.(*gpu).finalize has been blocked for 1.5 s") {
		t.Error(f.Summary)
	}
}

// TestCleanupsBehind: what a goroutine that runs cleanups waits for in one of them is no rest.
func TestCleanupsBehind(t *testing.T) {
	f := checktest.Report(t, stuckFinalizer, cleanups(t, 1000*ms, 0)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "Each cleanup waits for the one before") || !strings.Contains(f.Summary, "95 % of it at main.releaseHandle:5 (sleep)") {
		t.Error(f.Summary)
	}
}

// TestCleanupsCompute: it is named by what the runtime calls, and that it runs alone holds
// nobody up.
func TestCleanupsCompute(t *testing.T) {
	tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		c := s.Go("runtime.runCleanups")
		s.Go("main.driver").Block(1000, "time.Sleep")
		for at := 5 * ms; at < 990*ms; at += 10 * ms {
			c.Preempt(at, "main.blur:13", "main.freeTexture:9")
		}
	})
	f := checktest.Report(t, stuckFinalizer, tr).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "is in main.freeTexture for") || !strings.Contains(f.Summary, "of it running") || !slices.Contains(f.Explains, "serial-section") {
		t.Errorf("%s: explains %v", f.Summary, f.Explains)
	}
}
