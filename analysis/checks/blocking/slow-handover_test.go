package blocking

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

// handovers is a second in which a goroutine asks another n times, which takes delay to
// run and works for so long; in the first busy rounds others have the Ps.
func handovers(t *testing.T, n int, delay, work int64, busy int) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		asks, works := s.Go("main.eval"), s.Go("main.handle").Delay(delay)
		period := 998 * ms / int64(n)
		var last int64
		for i := range int64(n) {
			at := 5000 + i*period
			works.Wait(last+1000, at, asks, "main.ask:27", "runtime.chanrecv2")
			asks.Wait(at+10, at+delay+work, works, "main.handle:22", "runtime.chanrecv1", "main.ask:28")
			last = at + delay + work
			if i == int64(busy) {
				for range 8 {
					s.Go("main.hog").Block(at-1000, "time.Sleep", "main.rest:3")
				}
			}
		}
		if busy >= n {
			for range 8 {
				s.Go("main.hog")
			}
		}
	})
}

func TestSlowHandover(t *testing.T) {
	checktest.Run(t, slowHandover, func(t *testing.T) {
		checktest.At(t, slowHandover, "hand-overs", func(v int64) *checktest.Trace { return handovers(t, int(v), 4*ms, 1000, 0) },
			checktest.Case{V: 99, Want: "n/a"}, checktest.Case{V: 101, Want: "warning"})
		checktest.At(t, slowHandover, "µs for each of 1,000", func(v int64) *checktest.Trace { return handovers(t, 1000, v*1000, 1000, 0) },
			checktest.Case{V: 98, Want: "clear"}, checktest.Case{V: 102, Want: "note"}, checktest.Case{V: 246, Want: "note"}, checktest.Case{V: 254, Want: "warning"}, checktest.Case{V: 490, Want: "warning"}, checktest.Case{V: 510, Want: "error"})
		checktest.At(t, slowHandover, "µs of work", func(v int64) *checktest.Trace { return handovers(t, 1000, 300e3, v*1000, 0) },
			checktest.Case{V: 145, Want: "warning"}, checktest.Case{V: 155, Want: "clear"})
		checktest.At(t, slowHandover, "of 1,000 with busy Ps", func(v int64) *checktest.Trace { return handovers(t, 1000, 300e3, 1000, int(v)) },
			checktest.Case{V: 480, Want: "warning"}, checktest.Case{V: 520, Want: "clear"})
	})
	f := checktest.Report(t, slowHandover, handovers(t, 1000, 300e3, 1000, 0)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "main.eval") || !strings.Contains(f.Summary, "main.handle") || !strings.Contains(f.Summary, "main.ask:28") {
		t.Error(f.Summary)
	}
}
