package blocking

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

// exports is a trace in which readers wait behind a writer, which waits for a reader that
// sleeps under the lock.
func exports(t *testing.T) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		feed, export := s.Go("main.feed"), s.Go("main.export")
		var readers []*checktest.Actor
		for range 6 {
			readers = append(readers, s.Go("main.lookup"))
		}
		for i := range int64(12) {
			at := (1 + i*80) * ms
			export.Wait(at, at+70*ms, nil, "", "time.Sleep", "main.write:58")
			feed.Wait(at+1000, at+70*ms+1000, export, "main.export:49", "sync.runtime_SemacquireRWMutex", "sync.(*RWMutex).Lock", "main.set:36")
			for k, r := range readers {
				r.Wait(at+int64(k+2)*1000, at+70*ms+int64(k+2)*1000, feed, "main.set:38", "sync.runtime_SemacquireRWMutexR", "sync.(*RWMutex).RLock", "main.get:26")
			}
		}
	})
}

func TestWriterThatWaits(t *testing.T) {
	f := checktest.Report(t, RwmutexWriterStall, exports(t)).Results[0].Findings[0]
	if want := "main.feed waits before them to write ← blocked in RWMutex write at main.set:36 ← main.export holds it ← asleep at main.write:58"; !strings.Contains(f.Summary, want) {
		t.Errorf("%s, want %s", f.Summary, want)
	}
	if !strings.Contains(f.Advice, "Do not sleep or wait for a timer (main.write:58) under the lock") {
		t.Error(f.Advice)
	}
}

// Where the holder of a lock waits for another goroutine, that one has no lock, and is not
// told to do less under it.
func TestWaitsForAnotherUnderLock(t *testing.T) {
	const lead = "Do not wait for another goroutine (main.dispatch:23 (chan send)) under the lock: copy what it needs, unlock, then wait; and "
	for _, c := range []struct {
		name string
		does func(archive *checktest.Actor, from, to int64)
		want string
	}{
		{"it runs", func(a *checktest.Actor, from, to int64) { a.Preempt(from, "main.compress:7") }, lead + "make main."},
		{"it is in a call", func(a *checktest.Actor, from, to int64) {
			a.Call(from, to, "syscall.Fsync", "os.(*File).Sync", "main.save:12")
		}, lead + "make its call at main.save:12 → os.(*File).Sync rarer or shorter."},
		{"it sleeps", func(a *checktest.Actor, from, to int64) { a.Wait(from, to, nil, "", "time.Sleep", "main.rest:14") }, lead + "shorten its pause at main.rest:14 (sleep)."},
		{"it reads from the network", func(a *checktest.Actor, from, to int64) {
			a.Wait(from, to, nil, "", "internal/poll.(*FD).Read", "net.(*conn).Read", "main.ask:16")
		}, lead + "give what it waits for, which is outside, a time limit: main.ask:16"},
	} {
		tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			dispatch, archive := s.Go("main.dispatch"), s.Go("main.archive")
			var others []*checktest.Actor
			for range 3 {
				others = append(others, s.Go("main.count"))
			}
			for i := range int64(15) {
				at := (1 + i*60) * ms
				c.does(archive, at+1000, at+50*ms-1000)
				dispatch.Wait(at, at+50*ms, archive, "main.archive:9", "runtime.chansend1", "main.dispatch:23")
				for k, o := range others {
					o.Wait(at+int64(k+1)*1000, at+50*ms+int64(k+1)*1000, dispatch, "main.dispatch:30", "sync.runtime_SemacquireMutex", "sync.(*Mutex).Lock", "main.size:36")
				}
			}
		})
		found := checktest.Report(t, lockConvoy, tr).Results[0].Findings
		if len(found) == 0 || !strings.HasPrefix(found[0].Advice, c.want) {
			t.Errorf("%s: %+v, want the advice %s", c.name, found, c.want)
		}
	}
}

// What who has it of a pool does is a sentence, whatever ends it.
func TestKeptByATimer(t *testing.T) {
	found := checktest.Report(t, lockConvoy, turns(t, "runtime.selectgo", "main.acquire:25")).Results[0].Findings
	if len(found) == 0 || found[0].Code != "lock-convoy/pool" || !strings.Contains(found[0].Advice, "waited for (connections, tokens, slots), or hold it for less time: who has it waits at main.trip:36 (select).") {
		t.Errorf("%+v", found)
	}
}

// Of a pool of the standard library it is said how to set its limit.
func TestLimitOfPool(t *testing.T) {
	found := checktest.Report(t, lockConvoy, turns(t, "runtime.selectgo", "database/sql.(*DB).conn", "database/sql.(*DB).QueryContext", "main.list:47")).Results[0].Findings
	if len(found) == 0 || found[0].Code != "lock-convoy/pool" || !strings.Contains(found[0].Advice, "waited for (SetMaxOpenConns of the sql.DB), or") {
		t.Errorf("%+v", found)
	}
}

// turns is a trace in which goroutines wait somewhere for their turn, and who has it waits
// until a timer ends that.
func turns(t *testing.T, wait ...string) *checktest.Trace {
	return checktest.Tell(t, 2000*ms, func(s *checktest.Story) {
		var gs []*checktest.Actor
		for range 6 {
			gs = append(gs, s.Go("main.quote"))
		}
		for i := range int64(90) { // each has it for 20 ms, in turn
			at, g := (5+i*20)*ms, gs[i%6]
			g.Wait(at+1000, at+20*ms-1000, nil, "", "runtime.selectgo", "main.trip:36")
			if i < 84 {
				g.Wait(at+20*ms, at+120*ms, gs[(i+5)%6], "main.release:30", wait...)
			}
		}
	})
}
