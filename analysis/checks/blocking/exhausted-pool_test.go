package blocking

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
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

// hanging is a trace in which so many of all senders wait up to its end for one that
// received before and has ended then, or has not.
func hanging(t *testing.T, waiting, all int, ends bool) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		server := s.Go("main.dispatch")
		s.Go("main.main") // runs to the end
		for i := range all {
			from := s.Go("main.quote")
			from.Wait(int64(i+1)*ms, int64(i+2)*ms, server, "main.dispatch:3", "runtime.chansend1", "main.ask:7")
			if i < waiting {
				from.Block(200*ms+int64(i), "runtime.chansend1", "main.ask:7")
			}
		}
		if ends {
			server.End(150 * ms)
		}
	})
}

// usedUp is a trace in which goroutines that waited elsewhere before all wait to receive
// up to its end.
func usedUp(t *testing.T, n, elsewhere int) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		s.Go("main.main") // runs to the end
		for i := range n {
			g := s.Go("main.client")
			for k := range int64(elsewhere) {
				g.Wait((10*k+1)*ms+int64(i), (10*k+2)*ms+int64(i), nil, "", "time.Sleep")
			}
			g.Block(200*ms+int64(i), "runtime.chanrecv1", "main.take:5")
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
		checktest.At(t, exhaustedPool, "ms since, of 1.9 s, with two that wait", func(v int64) *checktest.Trace { return exhausted(t, 2, v*ms, 1900*ms) },
			checktest.Case{V: 990, Want: "warning"}, checktest.Case{V: 1010, Want: "error"})
		checktest.At(t, exhaustedPool, "ms of the trace, with two that wait for 1.1 s", func(v int64) *checktest.Trace { return exhausted(t, 2, 1100*ms, v*ms) },
			checktest.Case{V: 2190, Want: "error"}, checktest.Case{V: 2210, Want: "warning"})
		checktest.At(t, exhaustedPool, "ms of the trace", func(v int64) *checktest.Trace { return exhausted(t, 12, 600*ms, v*ms) },
			checktest.Case{V: 2300, Want: "error"}, checktest.Case{V: 2500, Want: "clear"})
		checktest.At(t, exhaustedPool, "of 20 senders to one that ended", func(v int64) *checktest.Trace { return hanging(t, int(v), 20, true) },
			checktest.Case{V: 9, Want: "clear"}, checktest.Case{V: 10, Want: "warning/hang"}, checktest.Case{V: 17, Want: "warning/hang"}, checktest.Case{V: 18, Want: "error/hang"})
		checktest.At(t, exhaustedPool, "senders to one that is busy", func(v int64) *checktest.Trace { return hanging(t, int(v), 20, false) },
			checktest.Case{V: 20, Want: "n/a"})
		checktest.At(t, exhaustedPool, "waits elsewhere of 4 that wait for something that is used up", func(v int64) *checktest.Trace { return usedUp(t, 4, int(v)) },
			checktest.Case{V: 2, Want: "n/a"}, checktest.Case{V: 3, Want: "warning/hang"})
	})
	// Workers that wait for tasks that they would have to do themselves; of ten, so many.
	nested := func(waiting int, works bool, stack ...string) *checktest.Trace {
		return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			main := s.Go("main.main")
			other := s.Go("main.worker")
			for i := range 10 {
				g := other
				if i > 0 {
					g = s.Go("main.worker")
					if works {
						g.Wait(int64(i)*ms-500e3, int64(i)*ms-1000, main, "main.submit:3", "runtime.chanrecv1")
					}
					g.Wait(int64(i)*ms, int64(i)*ms+900e3, other, "main.worker:9", stack...)
				}
				if i < waiting {
					g.Block(200*ms+int64(i), stack...)
				}
			}
		})
	}
	group, answer := []string{"sync.(*WaitGroup).Wait", "main.compile:7"}, []string{"runtime.chanrecv1", "main.do:7"}
	for _, c := range []struct {
		waiting int
		works   bool
		stack   []string
		want    string
	}{
		{10, false, group, "10 of 10 goroutines of main.worker wait at main.compile:7 (sync.WaitGroup) for what only they do"},
		{9, false, group, ""}, // one still works
		{10, true, answer, "10 of 10 goroutines of main.worker wait at main.do:7 (chan receive) for what only they do"},
		{9, true, answer, ""},
		{10, false, answer, "A pool is exhausted for good"}, // tokens
	} {
		found := checktest.Report(t, exhaustedPool, nested(c.waiting, c.works, c.stack...)).Results[0].Findings
		if c.want == "" {
			for _, f := range found {
				if strings.Contains(f.Summary, "only they do") {
					t.Errorf("%d of 10: %s", c.waiting, f.Summary)
				}
			}
		} else if len(found) != 1 || found[0].Severity != analysis.Error || !strings.Contains(found[0].Summary, c.want) {
			t.Errorf("%s: %+v", c.want, found)
		}
	}
	// Goroutines that hold a connection ask for a second one, before or after another comes;
	// what was taken before in the same function may have been given back.
	for _, c := range []struct {
		since  int64
		first  []string
		second []string
		want   string
	}{
		{100, []string{"main.place:20"}, []string{"main.nextID:15", "main.place:24"}, "main.place:20 takes one and waits for another at main.nextID:15"},
		{250, []string{"main.place:20"}, []string{"main.nextID:15", "main.place:24"}, "main.place:20 takes one and waits for another at main.nextID:15"},
		{300, []string{"main.place:20"}, []string{"main.nextID:15", "main.place:24"}, ""},
		{100, []string{"main.place:20"}, []string{"main.nextID:15", "main.place:18"}, ""},
		{100, []string{"database/sql.(*DB).Query", "main.place:20"}, []string{"database/sql.(*DB).Query", "main.place:24"}, ""},
		{100, []string{"database/sql.(*DB).BeginTx", "main.place:20"}, []string{"database/sql.(*DB).Query", "main.place:24"}, "main.place:20 takes one and waits for another at main.place:24"},
	} {
		takes := func(stack []string) []string {
			return append([]string{"runtime.selectgo", "database/sql.(*DB).conn"}, stack...)
		}
		f := checktest.Report(t, exhaustedPool, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			gives := s.Go("main.place")
			for i := range int64(2) {
				g := s.Go("main.place")
				g.Wait(ms, 2*ms+i, gives, "database/sql.(*DB).putConn", takes(c.first)...)
				g.Block(c.since*ms+i, takes(c.second)...)
			}
			s.Go("main.list").Block(200*ms, takes([]string{"main.list:36"})...)
		})).Results[0].Findings[0]
		if got := strings.Contains(f.Advice, "with one in hand"); got != (c.want != "") || !strings.Contains(f.Summary, c.want) {
			t.Error(f.Summary, f.Advice)
		}
	}
	// Connections of a Transport at its limit wait for bodies to be closed, or for their peer.
	for _, c := range []struct {
		loop   []string
		served bool // before
		want   bool
	}{
		{[]string{"runtime.selectgo", "net/http.(*persistConn).readLoop"}, true, true},
		{[]string{"runtime.selectgo", "net/http.(*persistConn).readLoop"}, false, true},
		{[]string{"internal/poll.(*FD).Read", "net.(*conn).Read", "net/http.(*persistConn).readLoop"}, true, false},
	} {
		found := checktest.Report(t, exhaustedPool, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			s.Go("main.main") // runs to the end
			loop := s.Go("net/http.(*persistConn).readLoop")
			for i := range int64(12) {
				g := s.Go("main.crawl")
				if !c.served {
					g.Block(10*ms+i, "runtime.selectgo", "net/http.(*Transport).getConn", "net/http.(*Client).Get", "main.get:18")
					continue
				}
				g.Wait((1+i)*ms, (3+i)*ms, loop, "net/http.(*persistConn).readLoop:9", "runtime.selectgo", "net/http.(*Transport).getConn", "net/http.(*Client).Get", "main.get:18")
				g.Block(200*ms+i, "runtime.selectgo", "net/http.(*Transport).getConn", "net/http.(*Client).Get", "main.get:18")
			}
			loop.Block(150*ms, c.loop...)
		})).Results[0].Findings
		got := len(found) == 1 && strings.Contains(found[0].Summary, "12 goroutines wait for net/http.(*Transport).getConn, and 1 connection waits for a response body to be closed") && strings.HasPrefix(found[0].Advice, "Read each response body")
		if got != c.want {
			t.Errorf("%v: %+v", c.loop, found)
		}
	}
	gone := checktest.Report(t, exhaustedPool, hanging(t, 4, 4, true)).Results[0].Findings[0]
	if gone.Code != "exhausted-pool/hang" || !strings.Contains(gone.Summary, "4 of 4 goroutines of main.quote wait at main.ask:7") || !strings.Contains(gone.Summary, "main.dispatch") {
		t.Error(gone.Summary)
	}
	f := checktest.Report(t, exhaustedPool, exhausted(t, 12, 700*ms, 1000*ms)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "12 goroutines wait") || !strings.Contains(f.Summary, "main.lookup:20") || !strings.Contains(f.Summary, "main.export never gave anything back") {
		t.Error(f.Summary)
	}
}
