package blocking

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
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
	const lead = "Do not wait for another goroutine (main.dispatch:23 (chan send)) under the lock: copy what it needs, unlock, then wait"
	for _, c := range []struct {
		name string
		does func(archive *checktest.Actor, from, to int64)
		want string
	}{
		{"it runs", func(a *checktest.Actor, from, to int64) { a.Preempt(from, "main.compress:7") }, lead + "; and make main."},
		{"it is in a call", func(a *checktest.Actor, from, to int64) {
			a.Call(from, to, "syscall.Fsync", "os.(*File).Sync", "main.save:12")
		}, lead + "; and make its call at main.save:12 → os.(*File).Sync rarer or shorter."},
		{"it sleeps", func(a *checktest.Actor, from, to int64) { a.Wait(from, to, nil, "", "time.Sleep", "main.rest:14") }, lead + "; and shorten its pause at main.rest:14 (sleep)."},
		{"it reads from the network", func(a *checktest.Actor, from, to int64) {
			a.Wait(from, to, nil, "", "internal/poll.(*FD).Read", "net.(*conn).Read", "main.ask:16")
		}, lead + "; and give what it waits for, which is outside, a time limit: main.ask:16"},
		{"it does several things", func(a *checktest.Actor, from, to int64) {
			a.Wait(from, from+16*ms, nil, "", "time.Sleep", "main.rest:14")
			a.Call(from+17*ms, from+33*ms, "syscall.Fsync", "os.(*File).Sync", "main.save:12")
			a.Wait(from+34*ms, to, nil, "", "internal/poll.(*FD).Read", "net.(*conn).Read", "main.ask:16")
		}, lead + "."},
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

// What the holder of a lock waits for is told where it is in the program, not in the
// library that waits on its behalf; a library that calls back with its lock is told so.
func TestWaitsInLibraryUnderLock(t *testing.T) {
	for _, c := range []struct{ lock, want string }{
		{"main.add:20", "Do not wait for another goroutine (main.onUpdate:40 → net/http.Post (select in net/http.(*persistConn).roundTrip)) under the lock"},
		{"golang.org/x/lru.(*Cache).Get", "The lock is that of golang.org/x/lru.(*Cache).Get, which calls back with it: do not wait for another goroutine there (main.onUpdate:40 → net/http.Post"},
	} {
		tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			loop, answers := s.Go("main.process"), s.Go("net/http.(*persistConn).readLoop")
			var others []*checktest.Actor
			for range 3 {
				others = append(others, s.Go("main.watch"))
			}
			for i := range int64(15) {
				at := (1 + i*60) * ms
				answers.Wait(at+1000, at+50*ms-1000, nil, "", "internal/poll.(*FD).Read", "net.(*conn).Read", "net/http.(*persistConn).Read:2174")
				loop.Wait(at, at+50*ms, answers, "net/http.(*persistConn).readLoop:9", "runtime.selectgo", "net/http.(*persistConn).roundTrip", "net/http.Post", "main.onUpdate:40")
				for k, o := range others {
					o.Wait(at+int64(k+1)*1000, at+50*ms+int64(k+1)*1000, loop, "main.process:30", "sync.runtime_SemacquireMutex", "sync.(*Mutex).Lock", c.lock, "main.get:28")
				}
			}
		})
		found := checktest.Report(t, lockConvoy, tr).Results[0].Findings
		if len(found) == 0 || !strings.HasPrefix(found[0].Advice, c.want) {
			t.Errorf("%+v, want the advice %s", found, c.want)
		}
	}
}

// A holder that does more under the lock than is kept of it is told by what it does for most
// of the time, if that is the half.
func TestHolderOfManyCalls(t *testing.T) {
	for _, c := range []struct {
		read, nap bool
		want      string
	}{
		{false, false, "main.walk holds it ← in many short calls, most at main.size:20 → os.Lstat"},
		{true, false, "main.walk holds it ← waits for the network many times, most at main.ask:20 → net.(*conn).Read"},
		{false, true, "main.walk holds it ← not known"},
	} {
		tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			walk := s.Go("main.walk")
			var others []*checktest.Actor
			for range 3 {
				others = append(others, s.Go("main.list"))
			}
			for i := range int64(15) {
				at := (1 + i*60) * ms
				for k, o := range others {
					o.Wait(at+int64(k+1)*1000, at+50*ms+int64(k+1)*1000, walk, "main.walk:30", "sync.runtime_SemacquireMutex", "sync.(*Mutex).Lock", "main.ps:36")
				}
				for k := range int64(50) {
					from := at + k*900e3
					switch {
					case c.read:
						walk.Wait(from+10e3, from+700e3, nil, "", "internal/poll.(*FD).Read", "net.(*conn).Read", "main.ask:20")
					case !c.nap:
						walk.Call(from+10e3, from+700e3, "syscall.lstat", "os.Lstat", "main.size:20")
					default:
						walk.Call(from+10e3, from+300e3, "syscall.lstat", "os.Lstat", "main.size:20")
						walk.Wait(from+310e3, from+800e3, nil, "", "time.Sleep", "main.pause:21")
					}
				}
				walk.Wait(at+52*ms, at+58*ms, nil, "", "time.Sleep", "main.walk:22")
			}
		})
		found := checktest.Report(t, lockConvoy, tr).Results[0].Findings
		if len(found) != 1 || !strings.Contains(found[0].Summary, c.want) {
			t.Errorf("%+v, want %s", found, c.want)
		}
	}
}

// Who has it of a pool is told by where it waits, not by what it waits for.
func TestKeptByWhoWaits(t *testing.T) {
	found := checktest.Report(t, lockConvoy, checktest.Tell(t, 2000*ms, func(s *checktest.Story) {
		server := s.Go("main.server")
		var gs []*checktest.Actor
		for range 6 {
			gs = append(gs, s.Go("main.quote"))
		}
		for i := range int64(90) { // each has it for 20 ms, in turn
			at, g := (5+i*20)*ms, gs[i%6]
			server.Wait(at+2000, at+20*ms-2000, nil, "", "time.Sleep", "main.server:41")
			g.Wait(at+1000, at+20*ms-1000, server, "main.server:44", "runtime.chanrecv1", "main.trip:36")
			if i < 84 {
				g.Wait(at+20*ms, at+120*ms, gs[(i+5)%6], "main.release:30", "runtime.selectgo", "main.acquire:25")
			}
		}
	})).Results[0].Findings
	if len(found) == 0 || !strings.Contains(found[0].Advice, "who has it waits at main.trip:36 (chan receive), for one that is asleep at main.server:41.") {
		t.Errorf("%+v", found)
	}
}

// Calls that return at once do not hide what the holder of a lock does.
func TestCallsUnderLock(t *testing.T) {
	tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		load := s.Go("main.load")
		var others []*checktest.Actor
		for range 3 {
			others = append(others, s.Go("main.count"))
		}
		for i := range int64(15) {
			at := (1 + i*60) * ms
			for call := range int64(48) {
				load.Call(at+call*ms, at+call*ms+1, "syscall.Read", "os.(*File).Read", "main.decode:16")
			}
			for k, o := range others {
				o.Wait(at+int64(k+1)*1000, at+50*ms+int64(k+1)*1000, load, "main.load:30", "sync.runtime_SemacquireMutex", "sync.(*Mutex).Lock", "main.size:36")
			}
		}
	})
	found := checktest.Report(t, lockConvoy, tr).Results[0].Findings
	if len(found) == 0 || !strings.Contains(found[0].Summary, "main.load holds it ← runs in main.decode") {
		t.Errorf("%+v", found)
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

// What other checks say of the call that the one in the way makes stands under the finding
// that says so itself.
func TestBecauseOfCall(t *testing.T) {
	tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		wal := s.Go("main.log")
		var clients []*checktest.Actor
		for range 6 {
			clients = append(clients, s.Go("main.client"))
		}
		for i := range int64(12) {
			at := (1 + i*80) * ms
			wal.Call(at+1000, at+70*ms, "syscall.Fsync", "os.(*File).Sync", "main.write:24")
			for k, c := range clients {
				c.Wait(at+int64(k)*100, at+70*ms+int64(k+1)*1000, wal, "main.log:22", "runtime.chansend1", "main.append:31")
			}
		}
	})
	found := checktest.Report(t, saturatedStage, tr).Results[0].Findings
	if len(found) == 0 {
		t.Fatal("no stage was found")
	}
	for _, check := range []string{"blocked-calls", "blocking-p-handoffs", "p-hostage", "serial-call"} {
		if !slices.Contains(found[0].Because, analysis.Because{Check: check, Place: "main.write:24", Told: true}) {
			t.Errorf("%s is no reason: %+v", check, found[0].Because)
		}
	}
}

// A sync takes as long for many writes as for one: that is what to do about it, under a lock
// and in a stage; not where those that wait only read.
func TestSyncAdvice(t *testing.T) {
	for _, c := range []struct {
		check    *analysis.Analyzer
		call, fn string
		lock     string
		want     string
	}{
		{lockConvoy, "syscall.Fsync", "os.(*File).Sync", "sync.(*Mutex).Lock", "Sync once for many writes (group commit) at main.append:12 → os.(*File).Sync:"},
		{lockConvoy, "syscall.Fdatasync", "syscall.Fdatasync", "sync.(*Mutex).Lock", "Sync once for many writes (group commit) at main.append:12"},
		{lockConvoy, "syscall.lstat", "os.Lstat", "sync.(*Mutex).Lock", "Do not call main.append:12 → os.Lstat under the lock"},
		{RwmutexWriterStall, "syscall.Fsync", "os.(*File).Sync", "sync.(*RWMutex).RLock", "Do not call main.append:12 → os.(*File).Sync under the lock"},
		{saturatedStage, "syscall.Fsync", "os.(*File).Sync", "", "Sync once for many writes (group commit) at main.append:12 → os.(*File).Sync:"},
	} {
		wait := []string{"runtime.chansend1", "main.put:36"}
		if c.lock != "" {
			wait = []string{"sync.runtime_SemacquireMutex", c.lock, "main.put:36"}
		}
		tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			log := s.Go("main.log")
			var others []*checktest.Actor
			for range 3 {
				others = append(others, s.Go("main.write"))
			}
			for i := range int64(15) {
				at := (1 + i*60) * ms
				log.Call(at+1000, at+55*ms, c.call, c.fn, "main.append:12")
				for k, o := range others {
					o.Wait(at+int64(k+1)*1000, at+56*ms+int64(k+1)*1000, log, "main.log:30", wait...)
				}
			}
		})
		found := checktest.Report(t, c.check, tr).Results[0].Findings
		if len(found) == 0 || !strings.HasPrefix(found[0].Advice, c.want) {
			t.Errorf("%s: %+v, want the advice %s", c.call, found, c.want)
		}
	}
}

// A lock of a library whose holder runs in that library is not held for less by the program.
func TestLibraryLockHeldRunning(t *testing.T) {
	for at, want := range map[string]string{
		"main.rows:12":  "The lock is that of golang.org/x/rate.(*Meter).Count: call it less often",
		"main.index:20": "Do less under the lock in main.index",
	} {
		tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			holder := s.Go("main.rows")
			var others []*checktest.Actor
			for range 3 {
				others = append(others, s.Go("main.rows"))
			}
			for i := range int64(15) {
				from := (1 + i*60) * ms
				for k, o := range others {
					o.Wait(from+int64(k+1)*1000, from+50*ms+int64(k+1)*1000, holder, "main.rows:12", "sync.runtime_SemacquireMutex", "sync.(*Mutex).Lock", "golang.org/x/rate.(*Meter).Count", "main.rows:12")
				}
				for k := range int64(4) {
					holder.Preempt(from+(k+1)*10*ms, "runtime.asyncPreempt2", "runtime.asyncPreempt", at)
				}
			}
		})
		found := checktest.Report(t, lockConvoy, tr).Results[0].Findings
		if len(found) == 0 || !strings.HasPrefix(found[0].Advice, want) {
			t.Errorf("runs at %s: %+v, want the advice %s", at, found, want)
		}
	}
}
