package blocking

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestLockConvoy(t *testing.T) { checktest.Run(t, lockConvoy, casesLockConvoy) }

// calls is a trace in which goroutines wait for one of them, or for another one, that
// makes a call for all.
func calls(t *testing.T, n int, own bool) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		var gs []*checktest.Actor
		for range n {
			gs = append(gs, s.Go("main.handle"))
		}
		other := s.Go("main.refresh")
		for i := range int64(12) {
			at, leader := (1+i*80)*ms, gs[int(i)%n]
			by := leader
			if !own {
				by = other
			}
			by.Wait(at+1000, at+70*ms-1000, nil, "", "time.Sleep", "main.fetch:30")
			for k, g := range gs {
				if g != by {
					g.Wait(at+int64(k+2)*1000, at+70*ms+int64(k)*1000, by, "golang.org/x/sync/singleflight.(*Group).doCall.func1", "sync.runtime_SemacquireWaitGroup", "sync.(*WaitGroup).Wait", "golang.org/x/sync/singleflight.(*Group).Do", "main.flags:14")
				}
			}
		}
	})
}

func TestLockConvoyShared(t *testing.T) {
	checktest.At(t, lockConvoy, "goroutines that wait for one of them", func(v int64) *checktest.Trace { return calls(t, int(v), true) },
		checktest.Case{V: 6, Want: "warning/shared"}, checktest.Case{V: 2, Want: "clear"})
	checktest.At(t, lockConvoy, "goroutines that wait for another one", func(v int64) *checktest.Trace { return calls(t, int(v), false) }, checktest.Case{V: 6, Want: "clear"})
	checktest.At(t, lockConvoy, "a tree", func(v int64) *checktest.Trace { return phases(t, v > 0) }, checktest.Case{V: 0, Want: "warning/shared"}, checktest.Case{V: 1, Want: "clear"})
	checktest.At(t, lockConvoy, "goroutines that wake the next", func(v int64) *checktest.Trace { return relay(t, int(v)) }, checktest.Case{V: 1, Want: "clear"}, checktest.Case{V: 3, Want: "error/shared"})
	for _, tr := range []*checktest.Trace{closes(t, 12, "main.handle"), phases(t, false)} {
		if f := checktest.Report(t, lockConvoy, tr).Results[0].Findings[0]; !strings.Contains(f.Summary, "Goroutines wait for what one of them does") || !strings.Contains(f.Summary, " ← asleep at main.") {
			t.Error(f.Summary)
		}
	}
	f := checktest.Report(t, lockConvoy, calls(t, 6, true)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "main.handle makes the call for all ← asleep at main.fetch:30") {
		t.Error(f.Summary)
	}
}

// closes is a trace in which one of several goroutines does something for all and then
// closes a channel, twelve times; in the first of them for four others, then for three.
func closes(t *testing.T, four int64, entry string) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		var gs []*checktest.Actor
		for range 5 {
			gs = append(gs, s.Go("main.handle"))
		}
		other := s.Go(entry)
		for i := range int64(12) {
			at, by, n := (1+i*80)*ms, gs[i%5], int64(3)
			if i < four {
				n = 4
			}
			if entry != "main.handle" {
				by = other
			}
			by.Wait(at+1000, at+70*ms-1000, nil, "", "time.Sleep", "main.renew:30")
			for _, g := range gs {
				if g != by && n > 0 { // who came last goes first
					g.Wait(at+(9-n)*1000, at+70*ms+n*1000, by, "main.token:52", "runtime.chanrecv1", "main.token:31")
					n--
				}
			}
		}
	})
}

// relay is a trace in which 40 goroutines wait so often, and each wakes the one that began
// to wait before it.
func relay(t *testing.T, rounds int) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		var gs []*checktest.Actor
		for range 41 {
			gs = append(gs, s.Go("main.pass"))
		}
		each := 900 * ms / int64(rounds)
		for r := range int64(rounds) {
			for i := range int64(40) {
				gs[i].Wait(r*each+(i+1)*1000, r*each+(41-i)*each/42, gs[i+1], "main.pass:34", "runtime.chanrecv1", "main.pass:33")
			}
		}
	})
}

// phases is a trace in which goroutines wait for the last of them, or each for those that
// it started.
func phases(t *testing.T, tree bool) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		wait := func(g *checktest.Actor, from, to int64, by *checktest.Actor) {
			g.Wait(from, to, by, "main.part:22", "sync.runtime_SemacquireWaitGroup", "sync.(*WaitGroup).Wait", "main.part:24")
		}
		first := s.Go("main.part")
		for i := range int64(12) {
			at, gs := (1+i*80)*ms, []*checktest.Actor{first}
			for k := range int64(6) {
				by := s.Go("main.begin")
				if tree {
					by = gs[k]
				}
				gs = append(gs, by.Start(at+k*1000, "main.part", "main.begin:12"))
			}
			last := gs[6]
			last.Wait(at+20000, at+70*ms, nil, "", "time.Sleep", "main.fetch:30")
			for k := 5; k >= 0; k-- {
				wait(gs[k], at+30000, at+70*ms+int64(7-k)*1000, gs[6])
			}
			for _, g := range gs[1:] {
				g.End(at + 75*ms)
			}
		}
	})
}

func casesLockConvoy(t *testing.T) {
	tr, w := checktest.Recorded(t)
	checktest.At(t, lockConvoy, "closes of a channel for which four wait", func(v int64) *checktest.Trace { return closes(t, v, "main.handle") },
		checktest.Case{V: 12, Want: "note/shared"}, checktest.Case{V: 6, Want: "clear"})
	checktest.At(t, lockConvoy, "closes by another kind", func(v int64) *checktest.Trace { return closes(t, v, "main.refresh") }, checktest.Case{V: 12, Want: "clear"})
	lock := w["blkLocker"]
	// Each wait followed by a pause, one at a time.
	withPauses := func(held, pause int64) (out []parse.Event) {
		for i := range int64(80) {
			out = append(out, checktest.Waits(lock, i*(held+pause), held, 1, 1)...)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"none", nil, "not applicable"},
		{"healthy: short waits of many", checktest.Waits(lock, 100e6, 100e3, 8000, 8), ""},
		{"healthy: long waits, seldom", withPauses(5e6, 7e6), ""},
		{"queue of 8", checktest.Waits(lock, 100e6, 5e6, 480, 8), "lock-convoy warning"},
		{"queue of 4", checktest.Waits(lock, 100e6, 5e6, 240, 4), "lock-convoy warning"},
		{"queue of 3", checktest.Waits(lock, 100e6, 5e6, 180, 3), "lock-convoy note"},
		{"one waits always", checktest.Waits(lock, 100e6, 5e6, 60, 1), "lock-convoy note"},
		{"one waits mostly", withPauses(5e6, 1e6), ""},
		{"3.9 ms", checktest.Waits(lock, 100e6, 3900e3, 480, 8), "lock-convoy note"},
		{"4 ms", checktest.Waits(lock, 100e6, 4e6, 480, 8), "lock-convoy warning"},
		{"0.9 ms", checktest.Waits(lock, 100e6, 900e3, 1600, 8), ""},
		{"1 ms", checktest.Waits(lock, 100e6, 1e6, 1600, 8), "lock-convoy note"},
		{"9 waits", checktest.Waits(lock, 100e6, 90e6, 9, 9), ""},
		{"10 waits", checktest.Waits(lock, 100e6, 90e6, 10, 10), "lock-convoy warning"},
		{"one of 99 ms", checktest.Waits(lock, 100e6, 99e6, 1, 1), ""},
		{"one of 100 ms", checktest.Waits(lock, 100e6, 100e6, 1, 1), "lock-convoy note"},
		{"one of 249 ms", checktest.Waits(lock, 100e6, 249e6, 1, 1), "lock-convoy note"},
		{"one of 250 ms", checktest.Waits(lock, 100e6, 250e6, 1, 1), "lock-convoy warning"},
		{"worst stretch only", append(withPauses(1e6, 5e6), checktest.Waits(lock, 800e6, 10e6, 100, 10)...), "lock-convoy warning"},
		{"once", checktest.Waits(w["blkOnce"], 100e6, 200e6, 50, 50), "lock-convoy error"},
		{"queue of 16", checktest.Waits(lock, 100e6, 100e6, 80, 16), "lock-convoy error"},
		{"queue of 15", checktest.Waits(lock, 100e6, 100e6, 75, 15), "lock-convoy warning"},
		{"99 ms in a queue of 16", checktest.Waits(lock, 100e6, 99e6, 80, 16), "lock-convoy warning"},
		{"readers are another check's", checktest.Waits(w["blkReader"], 100e6, 5e6, 480, 8), ""},
		{"senders", checktest.Waits(w["blkSender"], 0, 10e6, 80, 1), "lock-convoy/senders note"},
		{"senders that wait less", checktest.Waits(w["blkSender"], 0, 10e6, 79, 1), ""},
		{"many senders", checktest.Waits(w["blkSender"], 0, 10e6, 3000, 30), "lock-convoy/senders note"},
		{"healthy: workers wait for work", checktest.Waits(w["blkPing"], 0, 10e6, 2000, 20), ""},
		{"pool of 20", checktest.Turns(w["blkPing"], 10e6, 2000, 20, 0, 0), "lock-convoy/pool warning"},
		{"semaphore", checktest.Turns(w["blkSender"], 10e6, 2000, 20, 0, 0), "lock-convoy/pool warning"},
		{"4 wait", checktest.Turns(w["blkPing"], 10e6, 400, 4, 0, 0), "lock-convoy/pool warning"},
		{"nearly 4 wait", checktest.Turns(w["blkPing"], 10e6, 396, 4, 0, 0), "lock-convoy/pool note"},
		{"one waits", checktest.Turns(w["blkPing"], 10e6, 100, 1, 0, 0), "lock-convoy/pool note"},
		{"nearly one waits", checktest.Turns(w["blkPing"], 10e6, 99, 1, 0, 0), ""},
		{"short", checktest.Turns(w["blkPing"], 900e3, 20000, 20, 0, 0), ""},
		{"some give work only", checktest.Turns(w["blkPing"], 10e6, 2000, 20, 2, 0), "lock-convoy/pool warning"},
		{"more give work only", checktest.Turns(w["blkPing"], 10e6, 2000, 20, 3, 0), ""},
		{"few out of turn", checktest.Turns(w["blkPing"], 10e6, 2000, 20, 0, 200), "lock-convoy/pool warning"},
		{"each its own", checktest.Turns(w["blkPing"], 10e6, 2000, 20, 0, 201), ""},
	} {
		r := checktest.RunOn(t, tr, lockConvoy, c.events, []parse.Event{checktest.Ran(lock.Fn, 0, 1e8, 40e9)})
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	f := checktest.RunOn(t, tr, lockConvoy, checktest.Waits(lock, 100e6, 5e6, 480, 8), []parse.Event{checktest.Ran(lock.Fn, 0, 1e8, 4e9)}).Findings[0]
	if f.Cost.Value != 2400e6 || f.Cost.Total != 4100e6 || !strings.Contains(f.Summary, "8.0 waiting on average") || !strings.Contains(f.Summary, "blkUnlocker") {
		t.Errorf("%+v", f)
	}
	if len(f.Evidence) != 2 || len(f.Evidence[0].Stack) == 0 || !strings.Contains(f.Evidence[1].Func, "blkUnlocker") || f.Evidence[0].To-f.Evidence[0].From < window.Moment {
		t.Errorf("evidence %+v", f.Evidence)
	}
}

// Of a pipeline only the last full channel is named.
func TestLockConvoyPipeline(t *testing.T) {
	tr, w := checktest.Recorded(t)
	last := w["blkSender"]
	first := w["blkLocker"] // any other function
	first.Reason, first.Waker = last.Reason, last.Stack
	r := checktest.RunOn(t, tr, lockConvoy, checktest.Waits(first, 0, 10e6, 95, 1), checktest.Waits(last, 0, 10e6, 90, 1))
	if len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Summary, "blkSender") || len(r.Findings[0].Explains) != 1 {
		t.Errorf("%+v", r.Findings)
	}
}

func TestLockConvoyTraces(t *testing.T) {
	for name, want := range map[string]string{
		"mutex-starvation": "lock-convoy note", "mutex-starvation-go124": "lock-convoy note", "lock-5ms": "lock-convoy note",
		"http-healthy": "", "netpoll-echo": "", "heartbeat": "", "idle": "", "mixed-go121": "",
	} {
		if got := checktest.Found(checktest.On(t, analysistest.Testdata(t, name), lockConvoy)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"sync/mutex-hold-sleep": "main.mutexWaiter", "sync/mutex-hold-cpu": "main.mutexWaiter", "flight/flightrec-slow-request": "main.flightRequest",
		"sync/once-herd": "main.onceHerd", "versions/go1.26.8": "main.waiter", "versions/go1.16.15": "main.waiter",
		"sync/semaphore-chan": "main.semUser", "sync/select-fanin": "main.faninProducer", "sync/chan-slow-stage": "main.stageFast",
		"io/http-mix": "", "real/victoria-metrics": "", "real/etcd-embed": "", "real/nats-server": "", "sched/mix-procs2": "",
	} {
		t.Run(name, func(t *testing.T) {
			r := checktest.On(t, corpus.Trace(t, name), lockConvoy)
			holder := map[string]string{"sync/mutex-hold-sleep": "main.mutexHolder", "sync/mutex-hold-cpu": "main.mutexHolder", "flight/flightrec-slow-request": "main.lockHog", "versions/go1.26.8": "main.holder"}[name]
			if len(r.Findings) > 0 && !strings.Contains(r.Findings[0].Summary, holder) {
				t.Errorf("%s does not name %s", r.Findings[0].Summary, holder)
			}
			switch {
			case want == "" && len(r.Findings) > 0:
				t.Errorf("%s", r.Findings[0].Summary)
			case want != "" && (len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Summary, want)):
				t.Errorf("%+v, want one at %s", r.Findings, want)
			}
		})
	}
}

// A channel of slots: each goroutine that is started takes one and gives it back at its
// end. Goroutines that receive all along set a pace.
func TestSlots(t *testing.T) {
	for _, c := range []struct {
		ends bool
		want string
	}{{true, "lock-convoy/pool"}, {false, "lock-convoy/senders"}} {
		tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			collect := s.Go("main.collect")
			var one *checktest.Actor
			for i := range int64(30) {
				at := (1 + i*30) * ms
				if one == nil || c.ends {
					one = collect.Start(at, "main.fetch", "main.collect:18")
				}
				one.Wait(at+1000, at+28*ms, nil, "", "internal/poll.(*FD).Read", "net.(*conn).Read", "main.ask:16")
				collect.Wait(at+2000, at+29*ms, one, "main.fetch:25", "runtime.chansend1", "main.collect:17")
				if c.ends {
					one.End(at + 29*ms + 1000)
				}
			}
		})
		found := checktest.Report(t, lockConvoy, tr).Results[0].Findings
		if len(found) != 1 || found[0].Code != c.want {
			t.Errorf("who receives ends: %v: %+v, want %s", c.ends, found, c.want)
		}
	}
}

// Tests that wait for others to end, as t.Parallel has them do, are no queue for a pool.
func TestParallelTests(t *testing.T) {
	for take, want := range map[string]string{"main.(*pool).take": "lock-convoy/pool", "testing.(*T).Parallel": ""} {
		tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			var all []*checktest.Actor
			for range 6 {
				all = append(all, s.Go("main.TestImport.func1"))
			}
			for i := range int64(40) { // of six, one runs
				all[i%6].Wait((1+i*20)*ms, (1+i*20+100)*ms, all[(i+5)%6], "main.release:9", "runtime.chanrecv1", take, "main.wait:8")
			}
		})
		got := ""
		for _, f := range checktest.Report(t, lockConvoy, tr).Results[0].Findings {
			got = f.Code
		}
		if got != want {
			t.Errorf("in %s: %q, want %q", take, got, want)
		}
	}
}

// Who computes under a lock is said to run where it was preempted below the function that has
// the lock, not where it unlocks.
func TestLockHolderRunsIn(t *testing.T) {
	for n, want := range map[int64]string{9: "runs in main.render", 4: "runs in main.(*cache).get"} {
		f := checktest.Report(t, lockConvoy, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			holder := s.Go("main.work")
			var others []*checktest.Actor
			for range 3 {
				others = append(others, s.Go("main.serve"))
			}
			for i := range int64(15) {
				at := (1 + i*60) * ms
				if i < n {
					holder.Preempt(at+30*ms, "main.render:7", "main.(*cache).get:13")
				}
				for k, o := range others {
					o.Wait(at+int64(k+1)*1000, at+56*ms+int64(k+1)*1000, holder, "sync.(*Mutex).Unlock main.(*cache).get:19", "sync.(*Mutex).Lock", "main.(*cache).get:13")
				}
			}
		})).Results[0].Findings[0]
		if !strings.Contains(f.Summary, want) {
			t.Errorf("%d: %s, want %s", n, f.Summary, want)
		}
	}
}
