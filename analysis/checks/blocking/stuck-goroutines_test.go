package blocking

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestStuckGoroutines(t *testing.T) { checktest.Run(t, StuckGoroutines, casesStuckGoroutines) }

func casesStuckGoroutines(t *testing.T) {
	tr, w := checktest.Recorded(t)
	recv, lock := w["blkPing"], w["blkLocker"]
	// n goroutines that begin to wait between two moments and never go on.
	grow := func(n int, from, to int64) (out []parse.Event) {
		for i := range n {
			out = append(out, checktest.Open(recv, from+(to-from)*int64(i)/int64(n), false))
		}
		return out
	}
	idle := func(n int) (out []parse.Event) {
		for range n {
			out = append(out, checktest.Open(recv, 0, true))
		}
		return out
	}
	join := func(parts ...[]parse.Event) (out []parse.Event) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"none", nil, "not applicable"},
		{"leak", grow(100, 0, 1e9), "stuck-goroutines warning"},
		{"20", grow(20, 0, 1e9), "stuck-goroutines warning"},
		{"19", grow(19, 0, 1e9), "stuck-goroutines note"},
		{"10", grow(10, 0, 1e9), "stuck-goroutines note"},
		{"9", grow(9, 0, 1e9), ""},
		{"healthy: pool that starts", grow(100, 0, 20e6), ""},
		{"healthy: pool at rest", idle(500), ""},
		{"healthy: burst at the end", grow(100, 900e6, 1e9), ""},
		{"healthy: waits end", join(grow(20, 0, 1e9), checktest.Waits(recv, 0, 10e6, 100, 2)), ""},
		{"one in twenty ended", join(grow(38, 0, 1e9), checktest.Waits(recv, 0, 1e6, 2, 1)), "stuck-goroutines warning"},
		{"more ended", join(grow(38, 0, 1e9), checktest.Waits(recv, 0, 1e6, 3, 1)), ""},
		{"a tenth more", join(grow(20, 0, 1e9), idle(200)), "stuck-goroutines warning"},
		{"less than a tenth more", join(grow(20, 0, 1e9), idle(201)), ""},
		{"deadlock", []parse.Event{checktest.Open(lock, 0, true)}, "stuck-goroutines/lock error"},
		{"ten on a nil channel", slices.Repeat([]parse.Event{checktest.Open(w["blkNil"], 0, false)}, 10), "stuck-goroutines/forever error"},
		{"nine on a nil channel", slices.Repeat([]parse.Event{checktest.Open(w["blkNil"], 0, false)}, 9), "stuck-goroutines/forever warning"},
		{"lock for half a second", []parse.Event{checktest.Open(lock, 500e6, false)}, "stuck-goroutines/lock warning"},
		{"lock for less", []parse.Event{checktest.Open(lock, 501e6, false)}, ""},
		{"nil channel", []parse.Event{checktest.Open(w["blkNil"], 0, false)}, "stuck-goroutines/forever warning"},
		{"select{}", []parse.Event{checktest.Open(w["blkEmpty"], 0, false)}, "stuck-goroutines/forever note"},
		{"sleep", []parse.Event{checktest.Open(w["blkSleeper"], 0, false)}, ""},
	} {
		if got := checktest.Found(checktest.RunOn(t, tr, StuckGoroutines, c.events)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for end, want := range map[int64]string{499e6: "not applicable", 500e6: ""} {
		short := *tr
		short.To, short.Last = parse.Time(end), parse.Time(end)
		if got := checktest.Found(checktest.RunOn(t, &short, StuckGoroutines, checktest.Waits(recv, 0, 1e6, 3, 1))); got != want {
			t.Errorf("trace of %d ns: %q, want %q", end, got, want)
		}
	}
	for end, want := range map[int64]string{3200e6: "stuck-goroutines/lock warning", 3210e6: ""} {
		long := *tr
		long.To, long.Last = parse.Time(end), parse.Time(end)
		e := checktest.Open(lock, end-800e6, false)
		e.Time = long.To
		if got := checktest.Found(checktest.RunOn(t, &long, StuckGoroutines, []parse.Event{e})); got != want {
			t.Errorf("0.8 s of %d ns: %q, want %q", end, got, want)
		}
	}
	r := checktest.RunOn(t, tr, StuckGoroutines, grow(30, 0, 1e9), []parse.Event{checktest.Ran(recv.Fn, w["blkSender"].Stack, 0, 30e9)})
	if f := r.Findings[0]; len(f.Evidence) != 2 || !strings.Contains(f.Evidence[1].Func, "blkSender") {
		t.Errorf("where they were started is missing: %+v", f.Evidence)
	}
}

// senders is a trace in which goroutines wait to send from some moment on, and waited so
// long before.
func senders(t *testing.T, n int, since, before int64) *checktest.Trace {
	return checktest.Tell(t, 2000*ms, func(s *checktest.Story) {
		s.Go("main.main") // runs to the end
		receives := s.Go("main.collect")
		receives.End(450 * ms)
		for i := range int64(n) {
			g := s.Go("main.serve")
			g.Wait((1+i)*ms, (1+i)*ms+before, receives, "main.collect:3", "runtime.chansend1", "main.reply:9")
			g.Block(since+i, "runtime.chansend1", "main.reply:9")
		}
	})
}

// One of four waits for ever; the others end when they are served, or wait for more.
func TestLeftBehind(t *testing.T) {
	for ends, want := range map[bool]int{true: 1, false: 0} {
		tr := checktest.Tell(t, 2000*ms, func(s *checktest.Story) {
			from, deliver := s.Go("main.start"), s.Go("main.deliver")
			for i := range int64(100) {
				at := (1 + i*19) * ms
				g := from.Start(at, "main.duty", "main.start:5")
				for k := int64(1); i%4 > 0 && k < 3; k++ {
					g.Wait(at+k*6*ms, at+k*6*ms+5*ms, deliver, "main.deliver:3", "sync.(*Cond).Wait", "main.await:22")
				}
				if i%4 > 0 && ends {
					g.End(at + 18*ms)
				} else {
					g.Block(at+18*ms, "sync.(*Cond).Wait", "main.await:22")
				}
			}
		})
		found := checktest.Report(t, StuckGoroutines, tr).Results[0].Findings
		if len(found) != want {
			t.Errorf("who is served ends: %t: %+v", ends, found)
		}
		if want > 0 && (!strings.Contains(found[0].Summary, "Goroutines pile up at main.await:22 (sync.(*Cond).Wait): 25 more") || !strings.HasPrefix(found[0].Advice, "Signal wakes one")) {
			t.Error(found[0].Summary, found[0].Advice)
		}
	}
}

// Connections of net/http that wait for the body of a response are told by who made the
// requests, once.
func TestUnclosedBodies(t *testing.T) {
	tr := checktest.Tell(t, 2000*ms, func(s *checktest.Story) {
		check, other := s.Go("main.check"), s.Go("main.other")
		for i := range int64(60) {
			at, by, site := (1+i*33)*ms, check, "main.probe:17"
			if i%5 == 0 {
				by, site = other, "main.once:9"
			}
			dial := by.Start(at, "net/http.(*Transport).startDialConnForLocked.func1", "net/http.(*Transport).startDialConnForLocked", "net/http.(*Client).Get", site)
			for _, loop := range []string{"net/http.(*persistConn).readLoop", "net/http.(*persistConn).writeLoop"} {
				dial.Start(at+1000, loop, "net/http.(*Transport).dialConn").Block(at+2000, "runtime.selectgo")
			}
			dial.End(at + 3000)
		}
	})
	found := checktest.Report(t, StuckGoroutines, tr).Results[0].Findings
	if len(found) != 1 || found[0].Code != "stuck-goroutines/body" || !strings.Contains(found[0].Summary, "most of them for requests at main.probe:17") {
		t.Errorf("%+v", found)
	}
}

// joins is a trace in which goroutines wait for those that they started, so many of which
// are left.
func joins(t *testing.T, n, left int) *checktest.Trace {
	return checktest.Tell(t, 2000*ms, func(s *checktest.Story) {
		s.Go("main.main") // runs to the end
		for i := range int64(n) {
			g := s.Go("main.all")
			for k := range int64(5) {
				part := g.Start((1+i)*ms+k*100, "main.part", "main.each:4")
				if int(k) >= left {
					part.End(100*ms + i)
				}
			}
			g.Block((10+i)*ms, "sync.runtime_SemacquireWaitGroup", "sync.(*WaitGroup).Wait", "main.each:7")
		}
	})
}

func TestStuckHangs(t *testing.T) {
	for _, c := range []struct {
		name string
		tr   *checktest.Trace
		want string
	}{
		{"nobody receives", senders(t, 4, 500*ms, 10*ms), "error/send"},
		{"one sender", senders(t, 1, 500*ms, 10*ms), "warning/send"},
		{"for less than half of the time", senders(t, 4, 1100*ms, 10*ms), "warning/send"},
		{"for half a second", senders(t, 4, 1510*ms, 10*ms), "clear"},
		{"healthy: a receiver that takes as long", senders(t, 4, 1000*ms, 400*ms), "clear"},
		{"all that they wait for have ended", joins(t, 3, 0), "error/group"},
		{"one waits", joins(t, 1, 0), "warning/group"},
		{"healthy: one still works", joins(t, 3, 1), "clear"},
	} {
		if got := checktest.Verdict(t, checktest.Report(t, StuckGoroutines, c.tr).Results[0]); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	gone := checktest.Tell(t, 2000*ms, func(s *checktest.Story) {
		s.Go("main.main") // runs to the end
		receives := s.Go("main.collect")
		for i := range int64(3) {
			g := s.Go("main.serve")
			receives.Wait((1+2*i)*ms, (2+2*i)*ms, g, "main.reply:9", "runtime.chanrecv1", "main.collect:3")
			g.Block(100*ms+i, "runtime.chansend1", "main.reply:9")
		}
		receives.End(50 * ms)
	})
	// Who has gone on below the function that takes the lock seems to hold it.
	for _, c := range []struct {
		want  string
		since int64
		held  []string
	}{
		{"main.(*hub).broadcast seems to hold one, and waits at main.unregister:22 (sync.Mutex)", 100, []string{"sync.(*Mutex).Lock", "main.unregister:22", "main.(*hub).broadcast:36"}},
		{"main.(*hub).broadcast seems to hold one, and waits at main.send:9 (chan send)", 100, []string{"runtime.chansend1", "main.send:9", "main.(*hub).broadcast:36"}},
		{"a deadlock, or a lock held for very long", 100, []string{"runtime.chansend1", "main.send:9", "main.(*hub).broadcast:20"}},
		{"a deadlock, or a lock held for very long", 300, []string{"runtime.chansend1", "main.send:9", "main.(*hub).broadcast:36"}},
	} {
		f := checktest.Report(t, StuckGoroutines, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			s.Go("main.main") // runs to the end
			s.Go("main.distribute").Block(c.since*ms, c.held...)
			for i := range int64(5) {
				s.Go("main.distribute").Block((200+i)*ms, "sync.(*Mutex).Lock", "main.(*hub).broadcast:28")
			}
		})).Results[0].Findings[0]
		if !strings.Contains(f.Summary, c.want) {
			t.Error(f.Summary)
		}
	}
	// One that received from them is blocked elsewhere; one that works is slow, no hang.
	for _, c := range []struct {
		at   []string
		want string
	}{
		{[]string{"internal/poll.(*FD).Write", "net.(*conn).Write", "main.writeLoop:5"}, "warning/send"},
		{[]string{"runtime.chanrecv1", "main.ack:5", "main.writeLoop:5"}, "error/send"},
		{nil, "clear"},
	} {
		tr := checktest.Tell(t, 2000*ms, func(s *checktest.Story) {
			s.Go("main.main") // runs to the end
			writes := s.Go("main.writeLoop")
			for i := range int64(3) {
				g := s.Go("main.publish")
				g.Wait((1+2*i)*ms, (2+2*i)*ms, writes, "main.writeLoop:3", "runtime.chansend1", "main.publish:9")
				g.Block(100*ms+i, "runtime.chansend1", "main.publish:9")
			}
			if c.at != nil {
				writes.Block(90*ms, c.at...)
			}
		})
		r := checktest.Report(t, StuckGoroutines, tr).Results[0]
		if got := checktest.Verdict(t, r); got != c.want {
			t.Errorf("a receiver that is blocked at %q: %s, want %s", c.at, got, c.want)
		} else if c.at != nil && !strings.Contains(r.Findings[0].Summary, "who receives is blocked: main.writeLoop at main.") {
			t.Error(r.Findings[0].Summary)
		}
	}
	f := checktest.Report(t, StuckGoroutines, gone).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "3 goroutines wait to send at main.reply:9, and nobody receives there any more") || !strings.Contains(f.Summary, "has ended: main.collect") {
		t.Error(f.Summary)
	}
}

func TestStuckGoroutinesTraces(t *testing.T) {
	for name, want := range map[string]string{"idle": "", "heartbeat": "", "http-healthy": "not applicable"} {
		if got := checktest.Found(checktest.On(t, analysistest.Testdata(t, name), StuckGoroutines)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"sync/goroutine-leak": "stuck-goroutines warning", "sync/deadlock-abba": "stuck-goroutines/lock error",
		"sync/nil-and-empty-select": "stuck-goroutines/forever warning",
		"io/http-mix":               "", "sched/goroutines-50k-parked": "", "sched/goroutine-churn": "", "io/net-conn-churn": "", "real/etcd-embed": "", "real/geth-startup": "",
	} {
		t.Run(name, func(t *testing.T) {
			got := checktest.Found(checktest.On(t, corpus.Trace(t, name), StuckGoroutines))
			if !strings.HasPrefix(got, want) || want == "" && got != "" {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// TestUncancelled: goroutines of package context that wait for a parent are told by who does
// not cancel.
func TestUncancelled(t *testing.T) {
	tr := checktest.Tell(t, 2000*ms, func(s *checktest.Story) {
		open := s.Go("main.(*relay).open")
		for i := range int64(100) {
			at := (1 + i*19) * ms
			open.Start(at, "context.(*cancelCtx).propagateCancel.func2", "context.(*cancelCtx).propagateCancel", "context.WithCancel", "main.(*relay).open:25").Block(at+1000, "runtime.selectgo")
		}
	})
	found := checktest.Report(t, StuckGoroutines, tr).Results[0].Findings
	if len(found) != 1 || !strings.Contains(found[0].Summary, "were started at main.(*relay).open:25") || !strings.HasPrefix(found[0].Advice, "Call the function that context.WithCancel") {
		t.Errorf("%+v", found)
	}
}
