package blocking

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

// A method of the type that others wait for a lock of seems to hold it where it waits for
// something else for longer; not where it waits for work, nor where it came later.
func TestKeeperOfType(t *testing.T) {
	const deadlock = "a deadlock, or a lock held for very long"
	for _, c := range []struct {
		entry string
		fed   bool // there before
		since int64
		at    []string
		want  string
	}{
		{"main.serve", true, 150, []string{"runtime.chanrecv1", "main.(*container).copy:9", "main.(*container).attach:7"}, "since main.(*container).attach seems to hold one, and waits at main.(*container).copy:9 (chan receive)"},
		{"main.serve", true, 150, []string{"runtime.chanrecv1", "main.copy:9", "main.(*image).attach:7"}, deadlock},
		{"main.serve", true, 270, []string{"runtime.chanrecv1", "main.(*container).copy:9", "main.(*container).attach:7"}, "since main.(*container).attach seems to hold one"},
		{"main.serve", true, 290, []string{"runtime.chanrecv1", "main.(*container).copy:9", "main.(*container).attach:7"}, deadlock},
		{"main.(*container).monitor", true, 150, []string{"runtime.chanrecv1"}, deadlock},
		{"main.(*container).sync", false, 150, []string{"runtime.chanrecv1"}, "since main.(*container).sync seems to hold one"},
	} {
		f := checktest.Report(t, StuckGoroutines, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			main, other := s.Go("main.main"), s.Go(c.entry)
			if c.fed {
				other.Wait(20*ms, 21*ms, main, "main.feed:3", c.at...)
			}
			other.Block(c.since*ms, c.at...)
			for i := range int64(5) {
				s.Go("main.ps").Block((200+i)*ms, "sync.(*Mutex).Lock", "main.(*container).inspect:26")
			}
		})).Results[0].Findings[0]
		if !strings.Contains(f.Summary, c.want) || strings.Contains(f.Advice, "Unlock before what main.(*container).") != (c.want != deadlock) {
			t.Error(f.Summary, f.Advice)
		}
	}
}

// A method that calls another one of its type, which waits to read, may have the lock
// already: a writer came between.
func TestLockTakenAgain(t *testing.T) {
	for caller, want := range map[string]string{
		"main.(*auth).users:22": "See whether main.(*auth).users has the lock already when it comes to main.(*auth).user:14: neither",
		"main.(*page).users:22": "See whether main.(*auth).set:30 (sync.(*RWMutex).Lock) and main.other:3",
	} {
		f := checktest.Report(t, StuckGoroutines, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			s.Go("main.main") // runs to the end
			s.Go("main.renew").Block(200*ms, "sync.runtime_SemacquireRWMutex", "sync.(*RWMutex).Lock", "main.(*auth).set:30")
			s.Go("main.other").Block(210*ms, "sync.runtime_SemacquireRWMutexR", "sync.(*RWMutex).RLock", "main.other:3")
			for i := range int64(5) {
				s.Go("main.list").Block((201+i)*ms, "sync.runtime_SemacquireRWMutexR", "sync.(*RWMutex).RLock", "main.(*auth).user:14", caller)
			}
		})).Results[0].Findings[0]
		if !strings.HasPrefix(f.Advice, want) {
			t.Error(f.Advice)
		}
	}
}

// Of two that wait for a lock each with that of another object in hand it is said to order
// them; one alone may wait for its own.
func TestLocksOfOneType(t *testing.T) {
	for n, want := range map[int]string{
		2: "See whether goroutines that come from main.(*account).transfer to main.(*account).deposit:15 hold what the others want there",
		1: "See whether main.(*account).transfer has the lock already when it comes to main.(*account).deposit:15",
	} {
		f := checktest.Report(t, StuckGoroutines, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			s.Go("main.main") // runs to the end
			for i := range n {
				s.Go("main.pay").Block(200*ms+int64(i), "sync.(*Mutex).Lock", "main.(*account).deposit:15", "main.(*account).transfer:24")
			}
			for i := range int64(5) {
				s.Go("main.show").Block((210+i)*ms, "sync.(*Mutex).Lock", "main.(*account).balance:29")
			}
		})).Results[0].Findings[0]
		if !strings.HasPrefix(f.Advice, want) {
			t.Errorf("%d: %s", n, f.Advice)
		}
	}
}

// A lock that goroutines take in turn up to the end is not stuck, however long its queue: not
// where nobody got it any more.
func TestLockHandedOn(t *testing.T) {
	for last, want := range map[int64]int{990: 0, 600: 1} {
		res := checktest.Report(t, StuckGoroutines, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			holder := s.Go("main.scan")
			for i := range int64(60) {
				w, at := s.Go("main.search"), (1+10*i)*ms
				if at+550*ms <= last*ms {
					w.Wait(at, at+550*ms, holder, "sync.(*Mutex).Unlock", "sync.(*Mutex).Lock", "main.(*index).search:6")
				} else {
					w.Block(at, "sync.(*Mutex).Lock", "main.(*index).search:6")
				}
			}
		})).Results[0]
		if len(res.Findings) != want {
			t.Errorf("last taken at %d ms: %+v", last, res.Findings)
		}
	}
}

// Who holds a lock and waits for something else than a lock is what to look at, however the
// others come to it.
func TestKeeperAtPeer(t *testing.T) {
	f := checktest.Report(t, StuckGoroutines, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		s.Go("main.main") // runs to the end
		s.Go("main.serve").Block(190*ms, "internal/poll.(*FD).Write", "net.(*conn).Write", "main.(*client).write:29", "main.(*client).count:20")
		for i := range int64(5) {
			s.Go("main.serve").Block((200+i)*ms, "sync.(*Mutex).Lock", "main.(*client).write:27", "main.(*client).count:20")
		}
	})).Results[0].Findings[0]
	if !strings.HasPrefix(f.Advice, "Unlock before what main.(*client).write does at main.(*client).write:29 → net.(*conn).Write (network write), or give it a deadline.") {
		t.Error(f.Advice)
	}
}

// TestKeeperAfterAnother: who has a lock up to the end may have had it from another one, while
// others waited: a dial that nobody answers, one after the other.
func TestKeeperAfterAnother(t *testing.T) {
	lock, dial := []string{"sync.(*Mutex).Lock", "main.(*client).conn:33"}, []string{"internal/poll.(*FD).WaitWrite", "net.(*netFD).connect", "net.Dial", "main.(*client).conn:38"}
	for since, named := range map[int64]bool{501: true, 900: false} {
		f := checktest.Report(t, StuckGoroutines, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			first, second := s.Go("main.call"), s.Go("main.call")
			first.Wait(ms, 400*ms, nil, "", dial...)
			second.Wait(2*ms, 500*ms, first, "main.(*client).conn:42", lock...)
			second.Block(since*ms, dial...)
			for i := range int64(4) {
				s.Go("main.call").Block((3+i)*ms, lock...)
			}
		})).Results[0].Findings[0]
		if got := strings.Contains(f.Summary, "wait at the end for locks that are handed on late, for up to 997 ms, since main.(*client).conn seems to hold one, and waits at main.(*client).conn:38 → net.Dial (network connect)"); got != named {
			t.Errorf("since %d ms: %s", since, f.Summary)
		}
	}
}
