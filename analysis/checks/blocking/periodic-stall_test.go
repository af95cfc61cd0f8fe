package blocking

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

// stallStory is a second in which a lock is held for length ns every period, but for
// those that are off by a third of it, by another function in the last others.
func stallStory(t *testing.T, n int, length, period int64, off, others int) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		flush, other, waits := s.Go("main.flush"), s.Go("main.other"), s.Go("main.handle")
		for i := range int64(n) {
			at := ms + i*period
			if i > 0 && i <= int64(off) {
				at += period / 3 * (i % 2)
			}
			by := flush
			if i >= int64(n-others) {
				by = other
			}
			waits.Wait(at, at+length, by, "sync.(*Mutex).Unlock", locks...)
		}
	})
}

func TestPeriodicStall(t *testing.T) {
	checktest.Run(t, periodicStall, func(t *testing.T) {
		checktest.At(t, periodicStall, "no stall", func(int64) *checktest.Trace { return stallStory(t, 10, 900e3, 90*ms, 0, 0) }, checktest.Case{V: 0, Want: "n/a"})
		checktest.At(t, periodicStall, "µs each", func(v int64) *checktest.Trace { return stallStory(t, 10, v*1000, 95*ms, 0, 0) },
			checktest.Case{V: 1970, Want: "clear"}, checktest.Case{V: 2030, Want: "note"}, checktest.Case{V: 9800, Want: "note"}, checktest.Case{V: 10200, Want: "warning"})
		checktest.At(t, periodicStall, "stalls", func(v int64) *checktest.Trace { return stallStory(t, int(v), 15*ms, 95*ms, 0, 0) },
			checktest.Case{V: 7, Want: "clear"}, checktest.Case{V: 8, Want: "warning"})
		checktest.At(t, periodicStall, "irregular of 26", func(v int64) *checktest.Trace { return stallStory(t, 26, 5*ms, 38*ms, int(v), 0) },
			checktest.Case{V: 4, Want: "warning"}, checktest.Case{V: 6, Want: "clear"})
		checktest.At(t, periodicStall, "µs of 30 ms", func(v int64) *checktest.Trace { return stallStory(t, 30, v*1000, 30*ms, 0, 0) },
			checktest.Case{V: 9800, Want: "warning"}, checktest.Case{V: 10200, Want: "clear"})
		checktest.At(t, periodicStall, "by another of 20", func(v int64) *checktest.Trace { return stallStory(t, 20, 6*ms, 48*ms, 0, int(v)) },
			checktest.Case{V: 8, Want: "warning"}, checktest.Case{V: 9, Want: "clear"})
	})
	// Requests that come every 95 ms wait 15 ms for their answers: so do all, or only one in
	// thirteen; who waits to send is not in an answer's way.
	for _, c := range []struct {
		quick int64
		stack []string
		want  int
	}{
		{0, []string{"sync.(*Cond).Wait", "main.ask:7"}, 0},
		{12, []string{"sync.(*Cond).Wait", "main.ask:7"}, 1},
		{0, []string{"runtime.chansend1", "main.ask:7"}, 1},
	} {
		tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			server, client := s.Go("main.serve"), s.Go("main.call")
			for at := ms; at < 950*ms; at += 95 * ms {
				client.Wait(at, at+15*ms, server, "main.serve:3", c.stack...)
				client.Wait(at+17*ms, at+18*ms, nil, "", "time.Sleep", "main.call:5")
				for j := at + 20*ms; j < at+(20+2*c.quick)*ms; j += 2 * ms {
					client.Wait(j, j+900e3, server, "main.serve:3", c.stack...)
				}
			}
		})
		got := checktest.Report(t, periodicStall, tr).Results[0].Findings
		if len(got) != c.want {
			t.Errorf("%d quick waits at %s for each of 15 ms: %v", c.quick, c.stack[0], got)
		}
		// Short waits between the stalls may be half of all waiting.
		if len(got) > 0 && slices.Contains(got[0].Explains, "lock-convoy/senders") != (c.quick == 0) {
			t.Errorf("%d quick waits for each stall of 15 ms: explains %v", c.quick, got[0].Explains)
		}
	}
	f := checktest.Report(t, periodicStall, stallStory(t, 10, 15*ms, 95*ms, 0, 0)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "every 95 ms") || !strings.Contains(f.Summary, "main.flush is in the way") || !strings.HasSuffix(f.Summary, "main.flush holds it ← runs in main.flush") {
		t.Error(f.Summary)
	}
}

// Who is at the end of what holds others up is in the way, not who hands that on.
func TestStallRoot(t *testing.T) {
	f := checktest.Report(t, periodicStall, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		sweep, work, handle := s.Go("main.sweep"), s.Go("main.work"), s.Go("main.handle")
		for i := range int64(10) {
			at := (1 + 95*i) * ms
			work.Wait(at, at+15*ms, sweep, "sync.(*Mutex).Unlock", locks...)
			handle.Wait(at-100, at+16*ms, work, "main.work:4", "runtime.chansend1", "main.handle:7")
		}
	})).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "main.sweep is in the way in 10 of them") {
		t.Error(f.Summary)
	}
}
