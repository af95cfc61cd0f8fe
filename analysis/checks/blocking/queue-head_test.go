package blocking

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

// headStory is a second in which one waits n times at the head of a queue, for total ns
// in all, and so many others behind it.
func headStory(t *testing.T, n int, total int64, behind int) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		big, holds := s.Go("main.compact"), s.Go("main.lookup")
		var small []*checktest.Actor
		for range behind {
			small = append(small, s.Go("main.lookup"))
		}
		each := total / int64(n)
		for i := range int64(n) {
			at := ms + i*(998*ms/int64(n))
			holds.Wait(at-1000, at+each-2000, nil, "", "time.Sleep", "main.lookup:28")
			big.Wait(at, at+each, holds, "golang.org/x/sync/semaphore.(*Weighted).Release", "runtime.selectgo", "golang.org/x/sync/semaphore.(*Weighted).Acquire", "main.compact:35")
			for k, g := range small {
				g.Wait(at+int64(k+1)*100, at+each+int64(k+2)*100, big, "golang.org/x/sync/semaphore.(*Weighted).Release", acquires...)
			}
		}
	})
}

func TestQueueHead(t *testing.T) {
	checktest.Run(t, queueHead, func(t *testing.T) {
		checktest.At(t, queueHead, "no queue", func(int64) *checktest.Trace { return stage{workers: 1, senders: 1, sending: ms, waits: 1}.tell(t) }, checktest.Case{V: 0, Want: "n/a"})
		checktest.At(t, queueHead, "ms at the head", func(v int64) *checktest.Trace { return headStory(t, 12, v*ms, 12) },
			checktest.Case{V: 19, Want: "clear"}, checktest.Case{V: 21, Want: "note"}, checktest.Case{V: 97, Want: "note"}, checktest.Case{V: 103, Want: "warning"}, checktest.Case{V: 490, Want: "warning"}, checktest.Case{V: 510, Want: "error"})
		checktest.At(t, queueHead, "behind it, for 250 ms", func(v int64) *checktest.Trace { return headStory(t, 12, 250*ms, int(v)) },
			checktest.Case{V: 3, Want: "note"}, checktest.Case{V: 4, Want: "warning"})
		checktest.At(t, queueHead, "waits", func(v int64) *checktest.Trace { return headStory(t, int(v), 990*ms, 1) },
			checktest.Case{V: 9, Want: "clear"}, checktest.Case{V: 10, Want: "note"})
		checktest.At(t, queueHead, "the queue moves", func(int64) *checktest.Trace { return exhausted(t, 0, 1, 1000*ms) }, checktest.Case{V: 0, Want: "clear"})
	})
	f := checktest.Report(t, queueHead, headStory(t, 12, 250*ms, 6)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "main.compact, at the head of a queue, holds up the others: it waits at main.compact:35") || !strings.Contains(f.Summary, "asleep at main.lookup:28") {
		t.Error(f.Summary)
	}
}
