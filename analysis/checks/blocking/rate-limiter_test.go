package blocking

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

// limited is a trace in which a goroutine waits n times in a limiter, for total ns in all,
// of which another one ends others.
func limited(t *testing.T, length int64, n int, total, others int64) *checktest.Trace {
	return checktest.Tell(t, length, func(s *checktest.Story) {
		w, cancels := s.Go("main.worker"), s.Go("main.cancel")
		each := total / int64(n)
		for i := range int64(n) {
			at := 1000 + i*((length-2000)/int64(n))
			by, stack := (*checktest.Actor)(nil), ""
			if i*each < others {
				by, stack = cancels, "main.cancel:9"
			}
			w.Wait(at, at+each, by, stack, "runtime.selectgo", "golang.org/x/time/rate.(*Limiter).wait", "golang.org/x/time/rate.(*Limiter).Wait", "main.do:21")
		}
	})
}

func TestRateLimiter(t *testing.T) {
	checktest.Run(t, rateLimiter, func(t *testing.T) {
		checktest.At(t, rateLimiter, "no limiter", func(int64) *checktest.Trace { return stage{workers: 1, senders: 1, sending: ms, waits: 1}.tell(t) }, checktest.Case{V: 0, Want: "n/a"})
		checktest.At(t, rateLimiter, "ms waiting", func(v int64) *checktest.Trace { return limited(t, 1000*ms, 20, v*ms, 0) },
			checktest.Case{V: 248, Want: "clear"}, checktest.Case{V: 252, Want: "note"}, checktest.Case{V: 496, Want: "note"}, checktest.Case{V: 504, Want: "warning"})
		checktest.At(t, rateLimiter, "waits", func(v int64) *checktest.Trace { return limited(t, 1000*ms, int(v), 600*ms, 0) },
			checktest.Case{V: 9, Want: "clear"}, checktest.Case{V: 10, Want: "warning"})
		checktest.At(t, rateLimiter, "ms that another one ends", func(v int64) *checktest.Trace { return limited(t, 1000*ms, 100, 600*ms, v*ms) },
			checktest.Case{V: 114, Want: "warning"}, checktest.Case{V: 132, Want: "n/a"})
		checktest.At(t, rateLimiter, "ms of a short trace", func(v int64) *checktest.Trace { return limited(t, 150*ms, 20, v*ms, 0) },
			checktest.Case{V: 99, Want: "clear"}, checktest.Case{V: 101, Want: "warning"})
	})
	f := checktest.Report(t, rateLimiter, limited(t, 1000*ms, 20, 600*ms, 0)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "main.worker up") || !strings.Contains(f.Summary, "main.do:21 → golang.org/x/time/rate.(*Limiter).Wait") {
		t.Error(f.Summary)
	}
}
