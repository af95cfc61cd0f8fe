package blocking

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

var acquires = []string{"runtime.selectgo", "golang.org/x/sync/semaphore.(*Weighted).Acquire", "main.lookup:20"}

// exhausted is a trace in which goroutines wait for a semaphore up to its end, and the
// last one was served before.
func exhausted(t *testing.T, open int, since, length int64) *checktest.Trace {
	return checktest.Tell(t, length, func(s *checktest.Story) {
		gives, takes := s.Go("main.lookup"), s.Go("main.lookup")
		takes.Wait(100, 100*ms, gives, "golang.org/x/sync/semaphore.(*Weighted).Release", acquires...)
		for range open {
			s.Go("main.export").Block(length-since, acquires...)
		}
	})
}

func TestExhaustedPool(t *testing.T) {
	checktest.Run(t, exhaustedPool, func(t *testing.T) {
		checktest.At(t, exhaustedPool, "no pool", func(int64) *checktest.Trace { return stage{workers: 1, senders: 1, sending: ms, waits: 1}.tell(t) }, checktest.Case{V: 0, Want: "n/a"})
		checktest.At(t, exhaustedPool, "waiting", func(v int64) *checktest.Trace { return exhausted(t, int(v), 700*ms, 1000*ms) },
			checktest.Case{V: 1, Want: "clear"}, checktest.Case{V: 2, Want: "warning"}, checktest.Case{V: 9, Want: "warning"}, checktest.Case{V: 10, Want: "error"})
		checktest.At(t, exhaustedPool, "ms since", func(v int64) *checktest.Trace { return exhausted(t, 12, v*ms, 1000*ms) },
			checktest.Case{V: 490, Want: "clear"}, checktest.Case{V: 510, Want: "error"})
		checktest.At(t, exhaustedPool, "ms of the trace", func(v int64) *checktest.Trace { return exhausted(t, 12, 600*ms, v*ms) },
			checktest.Case{V: 2300, Want: "error"}, checktest.Case{V: 2500, Want: "clear"})
	})
	f := checktest.Report(t, exhaustedPool, exhausted(t, 12, 700*ms, 1000*ms)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "12 goroutines wait") || !strings.Contains(f.Summary, "main.lookup:20") || !strings.Contains(f.Summary, "main.export never gave anything back") {
		t.Error(f.Summary)
	}
}
