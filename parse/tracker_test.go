package parse

import (
	"context"
	"io"
	"slices"
	"testing"

	"golang.org/x/exp/trace"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// script is a hand-written trace: raw events with known truth.
type script struct {
	sym *Symbols
	now Time
	evs []wire.Event
	i   int
}

func newScript(procs int) *script {
	s := &script{sym: newSymbols(), now: 1000}
	s.evs = append(s.evs, wire.Event{Op: wire.OpSync, Time: 1000})
	s.at(1000).add(wire.Event{Op: wire.OpMetric, Metric: wire.MetricProcs, Values: [2]uint64{uint64(procs)}, P: int32(NoProc), G: int64(NoGo)})
	return s
}

func (s *script) Read(buf []wire.Event) (int, error) {
	n := copy(buf, s.evs[s.i:])
	if s.i += n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (s *script) add(ev wire.Event) *script {
	ev.Time = int64(s.now)
	if ev.G != wire.None {
		ev.GSlot = uint32(ev.G) + 1
	}
	if ev.Op == wire.OpGo || ev.Range == wire.RangeSTW || ev.Range == wire.RangeAssist {
		ev.Slot = uint32(ev.Res) + 1
	}
	s.evs = append(s.evs, ev)
	return s
}

func (s *script) at(t Time) *script { s.now = t; return s }

func (s *script) stack(fns ...string) StackID {
	var fs []Frame
	for _, f := range fns {
		fs = append(fs, Frame{Func: s.sym.intern(f), File: s.sym.intern("f.go"), Line: 1})
	}
	return s.sym.internStack(fs)
}

// Thread ids are P ids + 100.
func th(p ProcID) ThreadID { return ThreadID(p) + 100 }

func (s *script) procStart(p ProcID) *script {
	return s.add(wire.Event{Op: wire.OpProc, G: int64(NoGo), P: int32(NoProc), M: int64(th(p)), Res: int64(p), From: uint8(trace.ProcIdle), To: uint8(trace.ProcRunning)})
}

func (s *script) procStop(p ProcID) *script {
	return s.add(wire.Event{Op: wire.OpProc, G: int64(NoGo), P: int32(p), M: int64(th(p)), Res: int64(p), From: uint8(trace.ProcRunning), To: uint8(trace.ProcIdle)})
}

// steal takes p from a system call, by thread m running g (NoGo) on P on (NoProc).
func (s *script) steal(p ProcID, g GoID, on ProcID, m ThreadID) *script {
	return s.add(wire.Event{Op: wire.OpProc, G: int64(g), P: int32(on), M: int64(m), Res: int64(p), From: uint8(trace.ProcRunning), To: uint8(trace.ProcIdle)})
}

func (s *script) goes(g GoID, from, to GoState, ctx GoID, p ProcID, reason string, stack StackID) *script {
	return s.add(wire.Event{Op: wire.OpGo, G: int64(ctx), P: int32(p), M: int64(th(p)), Res: int64(g), From: uint8(from), To: uint8(to), Reason: uint32(s.sym.intern(reason)), ResStack: uint32(stack), Stack: uint32(stack)})
}

// create makes g by a go statement of by on p.
func (s *script) create(g, by GoID, p ProcID) *script {
	return s.goes(g, GoNotExist, GoRunnable, by, p, "", s.stack("main.worker"))
}

func (s *script) start(g GoID, p ProcID) *script {
	return s.goes(g, GoRunnable, GoRunning, NoGo, p, "", 0)
}

func (s *script) block(g GoID, p ProcID, reason string) *script {
	return s.goes(g, GoRunning, GoWaiting, g, p, reason, s.stack("runtime.gopark", "main.worker"))
}

func (s *script) unblock(g, by GoID, p ProcID) *script {
	return s.goes(g, GoWaiting, GoRunnable, by, p, "", s.stack("main.wake"))
}

func (s *script) end(g GoID, p ProcID) *script {
	return s.goes(g, GoRunning, GoNotExist, g, p, "", 0)
}

func (s *script) syscall(g GoID, p ProcID) *script {
	return s.goes(g, GoRunning, GoSyscall, g, p, "", s.stack("syscall.Read", "main.worker"))
}

func (s *script) stw(op wire.Op, g GoID, p ProcID, reason string) *script {
	return s.add(wire.Event{Op: op, Range: wire.RangeSTW, G: int64(g), P: int32(p), M: int64(th(p)), Res: int64(g), Name: uint32(s.sym.intern(reason)), Stack: uint32(s.stack("runtime.stopTheWorld", "main.worker"))})
}

func (s *script) assist(op wire.Op, g GoID, p ProcID) *script {
	return s.add(wire.Event{Op: op, Range: wire.RangeAssist, G: int64(g), P: int32(p), M: int64(th(p)), Res: int64(g)})
}

func (s *script) procsChange(p ProcID, n int64) *script {
	return s.add(wire.Event{Op: wire.OpMetric, Metric: wire.MetricProcs, Values: [2]uint64{uint64(n)}, P: int32(p), M: int64(th(p)), G: int64(NoGo)})
}

// run returns the events.
func (s *script) run(t *testing.T, version int) []Event {
	t.Helper()
	var out []Event
	tr := &Trace{Symbols: s.sym, Version: version}
	k := newTracker(tr, Options{}, Sink{Kinds: AllKinds, Event: func(e *Event) { out = append(out, e.Clone()) }})
	if err := followInPlace(context.Background(), s, s.sym, new(counted), k, borrow(nil)); err != nil {
		t.Fatal(err)
	}
	if tr.Quality.StateMismatch+tr.Quality.ProcMismatch+tr.Quality.NestedBegins+tr.Quality.UnpairedEnds != 0 {
		t.Fatalf("the script is not a sound trace: %+v", tr.Quality)
	}
	return out
}

// TestClockJumps: each step of more than an hour is counted, wherever it lies, and none
// that only adds up to one.
func TestClockJumps(t *testing.T) {
	const hour = 3600e9
	s := begin(1)
	now := Time(2000)
	for _, step := range []Time{hour / 2, hour, hour + 1, 1, 3 * hour, hour, 2 * hour} {
		now += step
		s.at(now).procsChange(0, 1)
	}
	tr := &Trace{Symbols: s.sym, Version: 26}
	k := newTracker(tr, Options{}, Sink{})
	if err := followInPlace(context.Background(), s, s.sym, new(counted), k, borrow(nil)); err != nil {
		t.Fatal(err)
	}
	if got := tr.Quality.ClockJumps; got != 3 {
		t.Errorf("%d jumps, want 3", got)
	}
}

// starts returns the Runnable to Running events by goroutine, the last of each.
func starts(evs []Event) map[GoID]Event {
	m := make(map[GoID]Event)
	for _, e := range evs {
		if e.Kind.IsGo() && e.Go.From == GoRunnable && e.Go.To == GoRunning {
			m[e.Go.ID] = e
		}
	}
	return m
}

// begin starts g1 on P0.
func begin(procs int) *script {
	return newScript(procs).at(1010).procStart(0).create(1, NoGo, 0).at(1020).start(1, 0)
}

func TestSteal(t *testing.T) {
	s := begin(2)
	// g2 and g3 are kicked out of runnext to the local queue; g4 stays there.
	s.at(1100).create(2, 1, 0).create(3, 1, 0).create(4, 1, 0)
	s.at(1200).procStart(1)
	s.at(1300).start(3, 1) // a steal of g2 and g3 runs the last of its batch
	s.at(1400).block(3, 1, "sleep").start(2, 1)
	s.at(1500).block(1, 0, "chan receive").start(4, 0)
	s.at(1600).unblock(1, 4, 0)     // runnext of P0
	s.at(1700).block(2, 1, "sleep") // P1 is free
	s.at(1800).start(1, 1)          // steals runnext
	s.at(1900).goes(4, GoRunning, GoRunnable, 4, 0, "runtime.Gosched", s.stack("main.worker"))
	s.at(2000).start(4, 0) // from the global queue
	m := starts(s.run(t, 26))
	for _, w := range []struct {
		g      GoID
		origin Origin
		victim ProcID
		batch  int32
	}{
		{3, OriginStolen, 0, 2},
		{2, OriginStolen, 0, 0},
		{1, OriginStolen, 0, 1},
		{4, OriginGlobal, NoProc, 0},
	} {
		e := m[w.g].Go
		if e.Origin != w.origin || e.Victim != w.victim || e.StealBatch != w.batch {
			t.Errorf("g%d: %v from %d, batch %d; want %v from %d, batch %d", w.g, e.Origin, e.Victim, e.StealBatch, w.origin, w.victim, w.batch)
		}
	}
}

func TestOverflow(t *testing.T) {
	s := begin(2)
	s.at(1100)
	const n = 300 // more than a local queue holds
	for g := GoID(2); g < 2+n; g++ {
		s.create(g, 1, 0)
	}
	s.at(1200).procStart(1)
	s.at(1300).start(2, 1) // among the oldest, which went to the global queue
	s.at(1400).block(1, 0, "sleep").start(1+n, 0)
	m := starts(s.run(t, 26))
	if o := m[2].Go.Origin; o != OriginGlobal {
		t.Errorf("the oldest of %d goroutines is started from %v, want global", n, o)
	}
	if o := m[1+n].Go.Origin; o != OriginRunNext {
		t.Errorf("the youngest is started from %v, want runnext", o)
	}
}

// TestDedicated: a dedicated worker that is preempted on a P empties its queue,
// which looks like a steal.
func TestDedicated(t *testing.T) {
	s := begin(2)
	s.at(1100).create(2, 1, 0).create(3, 1, 0)
	s.at(1150).goes(9, GoNotExist, GoRunnable, 1, 0, "", s.stack("runtime.gcBgMarkWorker"))
	s.at(1200).block(1, 0, "sleep").start(9, 0)
	s.add(wire.Event{Op: wire.OpLabel, G: 9, P: 0, M: int64(th(0)), Mode: uint8(ModeDedicated)})
	s.at(1300).procStart(1).at(1310).start(2, 1)
	if e := starts(s.run(t, 25))[2].Go; e.Origin != OriginAmbiguous {
		t.Errorf("started from %v, want ambiguous", e.Origin)
	}
}

func TestGlobalHandback(t *testing.T) {
	for _, version := range []int{25, 26} {
		s := begin(2)
		s.at(1050).procStart(1).create(2, 1, 0).at(1060).start(2, 1)
		s.at(1100).stw(wire.OpRangeBegin, 1, 0, "GC sweep termination")
		s.at(1200).goes(2, GoRunning, GoRunnable, 2, 1, "preempted", s.stack("runtime.asyncPreempt2", "main.worker")).procStop(1)
		s.at(1300).procsChange(0, 2).at(1310).stw(wire.OpRangeEnd, 1, 0, "GC sweep termination")
		s.at(1400).procStart(1).at(1450).start(2, 1)
		e := starts(s.run(t, version))[2].Go
		want := OriginGlobal
		if version >= 26 {
			want = OriginRunNext // proc.go:goschedImpl
		}
		if e.Origin != want {
			t.Errorf("go 1.%d: stopped for a stop-the-world and started from %v, want %v", version, e.Origin, want)
		}
		if e.Ready != ReadyPreempted {
			t.Errorf("ready %v", e.Ready)
		}
	}
}

func TestStop(t *testing.T) {
	s := begin(4) // P2 and P3 idle
	s.at(1050).procStart(1).create(2, 1, 0).at(1060).start(2, 1)
	s.at(1070).procStart(2).create(3, 1, 0).at(1080).start(3, 2).at(1090).syscall(3, 2)
	s.at(2000).stw(wire.OpRangeBegin, 1, 0, "GC mark termination")
	s.at(2100).steal(2, 1, 0, th(0))
	s.at(2500).goes(2, GoRunning, GoRunnable, 2, 1, "preempted", s.stack("main.hot", "main.worker")).procStop(1)
	s.at(3000).procsChange(0, 4)
	s.at(3300).procStart(1).at(3310).start(2, 1)
	s.at(3400).stw(wire.OpRangeEnd, 1, 0, "GC mark termination")
	evs := s.run(t, 26)
	var r Range
	stopped, restarts, takers := 0, 0, 0
	for _, e := range evs {
		switch {
		case e.Kind == KindRangeEnd && e.Range.Kind == RangeSTW:
			r = *e.Range
		case e.Kind == KindProc && e.Proc.To == ProcStopped:
			stopped++
			if e.Proc.From == ProcSyscall && e.Proc.Taker == TakerSTW {
				takers++
			}
		case e.Kind == KindProc && e.Proc.From == ProcIdle && e.Proc.Prior == ProcStopped && e.Proc.To == ProcScheduler:
			restarts++
			if e.Held() != 300 || e.Proc.STW != 2000 {
				t.Errorf("P%d restarts %d ns after the stop at %d", e.Proc.ID, e.Held(), e.Proc.STW)
			}
		}
	}
	if stopped != 3 || restarts != 1 || takers != 1 {
		t.Errorf("%d Ps stopped, %d restarted, %d taken from system calls; want 3, 1, 1", stopped, restarts, takers)
	}
	if r.Total() != 1000 || r.Stopping() != 500 {
		t.Errorf("total %d, stopping %d; want 1000 (to the restart), 500", r.Total(), r.Stopping())
	}
	// P0 stops the world for 1000 ns, P1 from 2500, P2 from 2100, P3 was idle.
	if want := int64(1000 + 500 + 900 + 1000); r.Stop.CPU != want {
		t.Errorf("CPU %d, want %d", r.Stop.CPU, want)
	}
	if s := r.Stop; s.LastP != 1 || s.LastFrom != ProcUser || s.Stops != 2 || s.LastG != 2 || s.Restart != 3000 || !s.GC || !s.Mark {
		t.Errorf("anatomy %+v", s)
	}
}

// TestWait checks the parts of a wait against numbers computed by hand.
func TestWait(t *testing.T) {
	s := begin(2)
	s.at(1050).create(5, 1, 0).procStart(1).at(1060).start(5, 1) // P1 runs g5
	s.at(2000).create(2, 1, 0)                                   // waits from here
	// 2000..3000: both Ps run user goroutines.
	s.at(3000).syscall(5, 1)
	// 3000..4000: P0 user, P1 in a system call: half and half.
	s.at(4000).goes(5, GoSyscall, GoRunning, 5, 1, "", 0)
	s.at(4000).block(5, 1, "sleep").procStop(1)
	// 4000..4400: P1 idle: wake-up.
	s.at(4400).stw(wire.OpRangeBegin, 1, 0, "GC sweep termination")
	// 4400..5000: stop-the-world.
	s.at(5000).procsChange(0, 2).at(5000).stw(wire.OpRangeEnd, 1, 0, "GC sweep termination")
	s.at(5000).procStart(1)
	// 5000..5100: P0 user, P1 in the scheduler.
	s.at(5100).start(2, 1)
	evs := s.run(t, 26)
	got := starts(evs)[2].Go.Wait
	var want [NumCauses]int64
	want[CauseUser] = 1000 + 500 + 50
	want[CauseSyscall] = 500
	want[CauseWakeup] = 400
	want[CauseSTW] = 600
	want[CauseScheduler] = 50
	if got != want {
		t.Errorf("parts %v, want %v", got, want)
	}
	blame := make(map[ProcState]int64)
	for _, e := range evs {
		if e.Kind == KindProc {
			blame[e.Proc.From] += e.Proc.Blame
		}
	}
	// g5 waited 10 ns in all before it ran, with P0 on user code and P1 starting.
	if blame[ProcUser] != 1550+5 || blame[ProcSyscall] != 500 || blame[ProcScheduler] != 50+5 || blame[ProcIdle] != 0 {
		t.Errorf("blame %v", blame)
	}
}

// TestWaitAllIdle: with every P idle, waits are wake-up latency, however many
// goroutines wait.
func TestWaitAllIdle(t *testing.T) {
	s := begin(1)
	s.at(1100).create(2, 1, 0).create(3, 1, 0)
	s.at(2000).block(1, 0, "sleep").procStop(0)
	s.at(5000).procStart(0).at(5100).start(2, 0)
	w := starts(s.run(t, 26))[2].Go.Wait
	var want [NumCauses]int64
	want[CauseUser] = 900
	want[CauseWakeup] = 3000
	want[CauseScheduler] = 100
	if w != want {
		t.Errorf("parts %v, want %v", w, want)
	}
}

func TestTakers(t *testing.T) {
	base := func() *script {
		s := begin(2)
		return s.at(1050).procStart(1).create(2, 1, 0).at(1060).start(2, 1).at(1100).syscall(2, 1)
	}
	for name, c := range map[string]struct {
		take func(*script)
		want Taker
	}{
		"sysmon":    {func(s *script) { s.steal(1, NoGo, NoProc, 77) }, TakerSysmon},
		"safepoint": {func(s *script) { s.steal(1, 1, 0, th(0)) }, TakerSafepoint},
		"exiting":   {func(s *script) { s.steal(1, 9, NoProc, 78) }, TakerExiting},
		"self":      {func(s *script) { s.steal(1, 2, 1, th(1)) }, TakerSelf},
	} {
		s := base()
		s.at(1500)
		c.take(s)
		s.at(1700).goes(2, GoSyscall, GoRunnable, 2, NoProc, "", 0)
		s.at(1800).procStart(1).at(1900).start(2, 1)
		n := 0
		for _, e := range s.run(t, 26) {
			switch {
			case e.Kind == KindProc && e.Proc.From == ProcSyscall:
				n++
				if e.Proc.Taker != c.want || e.Held() != 400 || e.Proc.G != 2 {
					t.Errorf("%s: taken by %v after %d ns from g%d", name, e.Proc.Taker, e.Held(), e.Proc.G)
				}
			case e.Kind.IsGo() && e.Go.From == GoSyscall && e.Held() != 600:
				t.Errorf("%s: call of %d ns, want 600", name, e.Held())
			case e.Kind.IsGo() && e.Go.From == GoRunnable && e.Go.ID == 2 && e.Go.Ready == ReadySyscall && e.Held() != 200:
				t.Errorf("%s: waits %d ns to go on, want 200", name, e.Held())
			}
		}
		if n != 1 {
			t.Errorf("%s: %d losses of the P", name, n)
		}
	}
}

// TestSlice: a goroutine from runnext inherits the time slice, one from the
// global queue does not.
func TestSlice(t *testing.T) {
	s := begin(1)
	s.at(1100).create(2, 1, 0)
	s.at(1_000_000).block(1, 0, "chan receive").at(1_000_100).start(2, 0)
	s.at(30_000_000).goes(2, GoRunning, GoRunnable, 2, 0, "preempted", s.stack("runtime.asyncPreempt2", "main.hot", "main.worker"))
	s.at(30_000_200).start(2, 0)
	s.at(30_001_000).end(2, 0).procStop(0)
	var slices []Slice
	for _, e := range s.run(t, 26) {
		if e.Kind == KindSlice {
			slices = append(slices, *e.Slice)
		}
	}
	if len(slices) != 2 {
		t.Fatalf("%d slices, want 2", len(slices))
	}
	a, b := slices[0], slices[1]
	if a.Start != 1020 || a.End != 30_000_000 || a.Runs != 2 || a.Preempt != PreemptAsync || a.G != 2 || a.LateWait {
		t.Errorf("first slice %+v", a)
	}
	// g2 waited from 1100 to 1000100 while the only P ran g1.
	if a.Contended != 1_000_100-1100 {
		t.Errorf("contended %d", a.Contended)
	}
	if b.Start != 30_000_200 || b.End != 30_001_000 || b.To != GoNotExist || b.Runs != 1 {
		t.Errorf("second slice %+v", b)
	}
}

// TestAssist: the CPU time of an assist is its running time, up to where it stops
// the world for mark termination; its wall time is all of it.
func TestAssist(t *testing.T) {
	s := begin(1)
	s.at(2000).assist(wire.OpRangeBegin, 1, 0)
	s.at(2500).block(1, 0, "GC mark assist wait for work")
	s.at(2600).create(2, NoGo, 0).start(2, 0)
	s.at(2700).unblock(1, 2, 0).at(2800).block(2, 0, "sleep").start(1, 0)
	s.at(3000).stw(wire.OpRangeBegin, 1, 0, "GC mark termination")
	s.at(3500).procsChange(0, 1).at(3600).stw(wire.OpRangeEnd, 1, 0, "GC mark termination")
	s.at(3900).assist(wire.OpRangeEnd, 1, 0)
	s.at(4000).end(1, 0).procStop(0)
	var r Range
	states := make(map[ProcState]int64)
	for _, e := range s.run(t, 26) {
		switch {
		case e.Kind == KindRangeEnd && e.Range.Kind == RangeAssist:
			r = *e.Range
		case e.Kind == KindProc:
			states[e.Proc.From] += e.Held()
		case e.Kind.IsGo() && e.Go.ID == 1 && e.Go.From == GoWaiting && e.Go.Ready != ReadyGC:
			t.Errorf("woken by %v, want gc", e.Go.Ready)
		}
	}
	if r.CPU != 500+200 || r.Until-r.Since != 1900 {
		t.Errorf("assist: CPU %d, wall %d; want 700, 1900", r.CPU, r.Until-r.Since)
	}
	if states[ProcAssist] != 700 || states[ProcStopper] != 500 || states[ProcSystem] != 400 {
		t.Errorf("P time by state %v", states)
	}
}

// TestTaskSpent: what the goroutine that began a task did until its end, also when
// another ends it; nothing of one that ended before.
func TestTaskSpent(t *testing.T) {
	task := func(s *script, op wire.Op, id uint64, by GoID) {
		s.add(wire.Event{Op: op, Values: [2]uint64{id}, P: 0, G: int64(by), M: int64(th(0))})
	}
	s := begin(1)
	task(s.at(2000), wire.OpTaskBegin, 7, 1)
	task(s.at(2100), wire.OpTaskBegin, 8, 1)
	s.at(2500).block(1, 0, "select")
	s.at(2600).create(2, NoGo, 0).start(2, 0)
	task(s.at(2650), wire.OpTaskBegin, 9, 2)
	s.at(2700).unblock(1, 2, 0)
	task(s.at(2800), wire.OpTaskEnd, 7, 2)
	s.at(3000).end(2, 0).start(1, 0)
	task(s.at(3100), wire.OpTaskEnd, 8, 1)
	task(s.at(3200), wire.OpTaskEnd, 9, 1)
	s.at(4000).end(1, 0).procStop(0)
	want := map[uint64]map[GoState]int64{
		7: {GoRunning: 500, GoWaiting: 200, GoRunnable: 100},
		8: {GoRunning: 400 + 100, GoWaiting: 200, GoRunnable: 300},
		9: {},
	}
	for _, e := range s.run(t, 26) {
		if e.Kind != KindRangeEnd || e.Range.Kind != RangeTask {
			continue
		}
		r := e.Range
		for state, ns := range r.Spent {
			if ns != want[r.ID][GoState(state)] {
				t.Errorf("task %d: %d ns %v, want %d", r.ID, ns, GoState(state), want[r.ID][GoState(state)])
			}
		}
		delete(want, r.ID)
	}
	if len(want) != 0 {
		t.Errorf("tasks that did not end: %v", want)
	}
}

// TestTaskLast: what the goroutines of open tasks are at when the trace ends.
func TestTaskLast(t *testing.T) {
	s := begin(1)
	task := func(s *script, id uint64, by GoID) {
		s.add(wire.Event{Op: wire.OpTaskBegin, Values: [2]uint64{id}, P: 0, G: int64(by), M: int64(th(0))})
	}
	task(s.at(2000), 7, 1)
	s.at(2500).block(1, 0, "select")
	s.at(2600).create(2, NoGo, 0).start(2, 0)
	task(s.at(2700), 8, 2)
	s.at(2800).create(3, 2, 0)
	s.at(2900).end(2, 0).start(3, 0)
	task(s.at(3000), 9, 3)
	s.at(3600).create(4, 3, 0)
	want := map[uint64]LastState{
		7: {State: GoWaiting, Since: 2500, Stack: 2, Spent: 1100},
		8: {State: GoNotExist},
		9: {State: GoRunning, Since: 2900, Spent: 600},
	}
	for _, e := range s.run(t, 26) {
		if e.Kind != KindRangeEnd || e.Range.Kind != RangeTask {
			continue
		}
		if got := e.Range.Last; got != want[e.Range.ID] {
			t.Errorf("task %d: %+v, want %+v", e.Range.ID, got, want[e.Range.ID])
		}
		delete(want, e.Range.ID)
	}
	if len(want) != 0 {
		t.Errorf("tasks that are not open: %v", want)
	}
}

// TestLabels: Go 1.26 puts GC worker labels on other goroutines.
func TestLabels(t *testing.T) {
	s := begin(1)
	s.at(1030).add(wire.Event{Op: wire.OpLabel, G: 1, P: 0, M: int64(th(0)), Mode: uint8(ModeIdle)})
	s.at(2000).end(1, 0).procStop(0)
	for _, e := range s.run(t, 26) {
		if e.Kind == KindProc && (e.Proc.From == ProcWorker || e.Proc.Mode != ModeNone) {
			t.Errorf("a label made %v of P%d", e.Proc.From, e.Proc.ID)
		}
	}
}

// TestShrink: a P that GOMAXPROCS drops ends; its goroutines go to the global queue.
func TestShrink(t *testing.T) {
	s := begin(2)
	s.at(1050).procStart(1).create(2, 1, 0).at(1060).start(2, 1)
	s.at(1100).create(3, 2, 1)
	s.at(2000).stw(wire.OpRangeBegin, 1, 0, "GOMAXPROCS")
	s.at(2100).goes(2, GoRunning, GoRunnable, 2, 1, "preempted", s.stack("main.worker")).procStop(1)
	s.at(2200).procsChange(0, 1).at(2300).stw(wire.OpRangeEnd, 1, 0, "GOMAXPROCS")
	s.at(3000).block(1, 0, "sleep").start(3, 0)
	s.at(4000).end(3, 0).procStop(0)
	evs := s.run(t, 26)
	var p1 int64
	for _, e := range evs {
		if e.Kind == KindProc && e.Proc.ID == 1 {
			p1 += e.Held()
			if e.Time > 2200 {
				t.Errorf("P1 is %v at %d, after GOMAXPROCS dropped it", e.Proc.From, e.Time)
			}
		}
	}
	if p1 != 1200 {
		t.Errorf("P1 lived %d ns, want 1200", p1)
	}
	if o := starts(evs)[3].Go.Origin; o != OriginGlobal {
		t.Errorf("its goroutine is started from %v, want global", o)
	}
}

// TestGoalSetter: a heap goal outside of a stop of the world is one that a goroutine sets; one
// that a cycle sets, or that begins the trace, is nobody's.
func TestGoalSetter(t *testing.T) {
	goal := func(s *script, g GoID) *script {
		return s.add(wire.Event{Op: wire.OpMetric, Metric: wire.MetricHeapGoal, Values: [2]uint64{1 << 20}, P: 0, G: int64(g), M: int64(th(0))})
	}
	s := begin(1)
	goal(s.at(2000), NoGo)
	goal(s.at(2100), 1)
	s.at(2200).stw(wire.OpRangeBegin, 1, 0, "GC mark termination")
	goal(s.at(2300), 1)
	s.at(2400).procsChange(0, 1).at(2500).stw(wire.OpRangeEnd, 1, 0, "GC mark termination")
	s.at(3000).end(1, 0).procStop(0)
	var set []bool
	for _, e := range s.run(t, 26) {
		if e.Kind == KindMetric && e.Metric.Kind == MetricHeapGoal {
			set = append(set, e.Metric.Setter != 0)
		}
	}
	if !slices.Equal(set, []bool{false, true, false}) {
		t.Errorf("set by a goroutine: %v", set)
	}
}

// TestGCPhaseWait: who waits until a phase of the GC may begin or end waits for the GC.
func TestGCPhaseWait(t *testing.T) {
	for top, want := range map[string]Ready{"runtime.gcMarkDone": ReadyGC, "runtime.gcStart": ReadyGC, "sync.(*Mutex).Lock": ReadyUnblocked} {
		s := begin(1)
		s.at(2000).goes(1, GoRunning, GoWaiting, 1, 0, "sync", s.stack(top, "runtime.mallocgc", "main.worker"))
		s.at(2100).create(2, NoGo, 0).start(2, 0)
		s.at(2200).unblock(1, 2, 0).at(2300).end(2, 0).start(1, 0)
		s.at(3000).end(1, 0).procStop(0)
		if got := starts(s.run(t, 26))[1].Go.Ready; got != want {
			t.Errorf("waits in %s: %v, want %v", top, got, want)
		}
	}
}
