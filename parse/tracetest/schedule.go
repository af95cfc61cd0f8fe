package tracetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// A Plan says what Schedule makes up.
type Plan struct {
	Version     int // of the format: 22 to 26
	Seed        uint64
	Procs       int
	Steps       int // decisions of the scheduler and the program, about as many as events
	Generations int
}

// Truth is what happened in a made-up trace. Times are ns. Goroutines are the program's
// own, where nothing else is said. What the end of the trace cuts counts with its part
// in the sums of states, and in no distribution.
type Truth struct {
	First, Last uint64 // times of the first and last event
	Threads     int    // that wrote events

	// Ps.
	Procs, MinProcs, MaxProcs int64            // GOMAXPROCS over time: its integral, its extremes
	Share                     map[string]int64 // time of Ps by what they do: the names of procs.share
	Wakeups, Fruitless        int64

	// Goroutines.
	Created, Most         int64 // of all
	Running, Runnable     int64 // time
	MostRunnable          int64
	IdleRunnable          int64            // integral of min(idle Ps, runnable goroutines), in stretches of 10 µs
	Starts, UserStarts    int64            // of all and coroutine switches too; of them the program's
	Migrations            int64            // of all
	Latency               map[string]*Dist // runnable to running, by how they became runnable
	Blocked               map[string]int64 // waiting, by reason
	Stolen                []uint64         // when a P started a goroutine to which it was moved by stealing, and which was readied on another
	StolenBack            []uint64         // of those that were stolen again by the P on which they were readied
	Async, Cooperative    int64            // preemptions of all
	Yields                int64
	LockHandoffs, Parked  int64 // parked: suspended for a stack scan
	Polled, PolledWithout int64 // woken by the network poller; without a P

	// System calls.
	Calls    int64
	Syscalls Dist             // those that returned, from entry to return
	Handoffs map[string]int64 // Ps taken from calls, by whom
	Retaken  Dist             // begin of the call to the loss, by sysmon

	// Stops of the world by kind, from begin to end as package parse defines it, and
	// until the last P stopped. StopCPU is of GC stops.
	STW, Stopping map[string]*Dist
	StopCPU       int64

	// GC.
	Cycles     int64            // that ended
	Mark       int64            // concurrent mark: from the end of the first stop to the begin of the second
	Workers    map[string]int64 // time of Ps that run them, by mode
	Assists    int64
	AssistWall int64
	Sweep      int64
	Live, Goal int64 // the largest
	LastGoal   int64

	// Annotations that ended.
	Tasks, Regions Dist
	Logs           int64
}

// Dist sums values.
type Dist struct{ N, Sum, Max int64 }

func (d *Dist) add(ns uint64) {
	d.N++
	d.Sum += int64(ns)
	d.Max = max(d.Max, int64(ns))
}

func addTo(m map[string]*Dist, key string, ns uint64) {
	if m[key] == nil {
		m[key] = new(Dist)
	}
	m[key].add(ns)
}

const (
	pIdle = iota
	pScheduler
	pRunning
	pSyscall
)

type proc struct {
	id     uint64
	state  int
	since  uint64 // of idle
	woken  bool   // from idle, and has not started a goroutine
	m      uint64
	g      *goroutine
	next   *goroutine
	local  []*goroutine
	seq    uint64
	traced bool
	ticks  int
}

type class int

const (
	user class = iota
	system
	worker
)

type goroutine struct {
	id     uint64
	class  class
	entry  string // function
	status uint64 // GoRunnable…
	since  uint64
	ready  string // how it became runnable
	reason string // it waits for
	m      uint64 // of a system call
	p      *proc  // of a system call
	old    *proc  // on which the call was entered
	home   *proc  // on which it was readied
	last   *proc  // of its last run
	moved  bool   // by stealing
	seq    uint64
	traced bool

	mode       string // of a worker's run
	assist     bool
	assistFrom uint64
	tail       bool // it ended the mark: the rest of the run or assist is not marking

	caller  *goroutine // of a coroutine that was switched to
	co      *goroutine // its coroutine, which waits
	regions []span
}

// span is a task or region that has begun.
type span struct{ id, name, from uint64 }

// schedule is a scheduler at work: it keeps the run queues as the runtime does
// (proc.go: runqput, runqget, runqsteal, globrunqget).
type schedule struct {
	Plan
	rnd     *rand.Rand
	w       *Writer
	now     uint64
	all     []*proc // that ever were
	ps      []*proc
	gs      []*goroutine // alive
	sweeper *goroutine
	global  []*goroutine
	free    []uint64 // threads
	threads map[uint64]bool
	lastM   uint64
	lastG   uint64
	gcSeq   uint64
	mark    uint64 // since when a cycle marks, 0 for none
	stopper *proc  // stops the world
	waste   uint64 // of the stretch under way: ns, and ns × idle Ps
	wasted  int64
	tasks   []span
	lastID  uint64
	truth   Truth
}

// advancer is the thread of sysmon and of the tracer: it never has a P.
const advancer = 1

// Schedule makes up a trace and tells the truth of it.
func Schedule(plan Plan) ([]byte, *Truth) {
	s := &schedule{
		Plan: plan, rnd: rand.New(rand.NewPCG(plan.Seed, 1)), w: NewWriter(plan.Version), now: 1e9, lastM: 99, lastG: 100,
		threads: make(map[uint64]bool),
	}
	t := &s.truth
	t.Latency, t.STW, t.Stopping = make(map[string]*Dist), make(map[string]*Dist), make(map[string]*Dist)
	t.Blocked, t.Share, t.Handoffs, t.Workers = make(map[string]int64), make(map[string]int64), make(map[string]int64), make(map[string]int64)
	s.resize(plan.Procs)
	main := &goroutine{id: 1, entry: "main.worker", status: GoRunning, last: s.ps[0]}
	p := s.ps[0]
	p.state, p.m, p.g = pRunning, s.thread(), main
	t.First = s.now + 1
	s.emit(p.m, ProcStatus, p.id, ProcRunning)
	p.traced = true
	s.touchG(main, p.m)
	main.since = s.now
	// N.B. by its number it is known to be the runtime's before its function is told.
	s.sweeper = &goroutine{id: 3, class: system, entry: "runtime.bgsweep", status: GoWaiting, reason: "GC background sweeper wait"}
	s.gs = []*goroutine{main, s.sweeper}
	t.Most = 2
	s.idleStatuses()
	s.emit(p.m, ProcsChange, uint64(plan.Procs), 0)
	for gen := range max(1, plan.Generations) {
		if gen > 0 {
			s.flip()
		}
		for range plan.Steps / max(1, plan.Generations) {
			s.step()
		}
	}
	s.finish()
	return s.w.Bytes(), t
}

// emit adds an event of a thread, some ns after the last.
func (s *schedule) emit(m uint64, typ Type, args ...uint64) uint64 {
	s.now += 1 + s.rnd.Uint64N(300)
	if s.w.last == 0 {
		s.now = s.truth.First
	} else {
		s.account(s.now - s.w.last)
	}
	s.threads[m] = true
	s.w.Event(m, s.now, typ, args...)
	return s.now
}

// account adds what was so for a while.
func (s *schedule) account(dt uint64) {
	t := &s.truth
	for _, p := range s.ps {
		share := s.share(p)
		t.Share[share] += int64(dt)
		if share == "gcworker" {
			t.Workers[p.g.mode] += int64(dt)
		}
	}
	t.Procs += int64(dt) * int64(len(s.ps))
	var runnable int64
	for _, g := range s.gs {
		switch {
		case g.class != user:
		case g.status == GoRunning:
			t.Running += int64(dt)
		case g.status == GoRunnable:
			runnable++
		}
	}
	t.Runnable += runnable * int64(dt)
	t.MostRunnable = max(t.MostRunnable, runnable)
	var idle int64
	for _, p := range s.ps {
		if p.state == pIdle {
			idle++
		}
	}
	if n := min(idle, runnable); n > 0 && s.stopper == nil {
		s.waste += dt
		s.wasted += n * int64(dt)
	} else {
		s.endWaste()
	}
}

// endWaste counts a stretch of idle Ps beside runnable goroutines.
func (s *schedule) endWaste() {
	if s.waste >= 10_000 {
		s.truth.IdleRunnable += s.wasted
	}
	s.waste, s.wasted = 0, 0
}

// share is what p does.
func (s *schedule) share(p *proc) string {
	switch {
	case s.stopper != nil && (p == s.stopper || p.state == pIdle):
		return "stw"
	case p.state == pIdle:
		return "idle"
	case p.state == pScheduler:
		return "scheduler"
	case p.state == pSyscall:
		return "syscall"
	case p.g.tail:
		return "system"
	case p.g.class == worker:
		return "gcworker"
	case p.g.assist:
		return "assist"
	case p.g.class == system:
		return "system"
	}
	return "user"
}

// event is emit by the thread of a P, whose statuses come first in a generation.
func (s *schedule) event(p *proc, typ Type, args ...uint64) uint64 {
	s.touchP(p)
	if p.g != nil {
		s.touchG(p.g, p.m)
	}
	return s.emit(p.m, typ, args...)
}

func (s *schedule) touchP(p *proc) {
	if p.traced {
		return
	}
	m, status := p.m, uint64(ProcRunning)
	switch p.state {
	case pIdle:
		status = ProcIdle
		if m == 0 {
			m = advancer
		}
	case pSyscall:
		status = ProcSyscall
	}
	s.emit(m, ProcStatus, p.id, status)
	p.traced, p.seq = true, 0
}

// touchG tells the status of g, by thread m.
func (s *schedule) touchG(g *goroutine, m uint64) {
	if g.traced {
		return
	}
	of := uint64(None)
	if g.status == GoRunning || g.status == GoSyscall {
		of = m
	}
	s.emit(m, GoStatus, g.id, of, g.status)
	g.traced, g.seq = true, 0
	if g.assist {
		s.emit(m, AssistActive, g.id)
	}
}

func (s *schedule) thread() uint64 {
	if n := len(s.free); n > 0 {
		m := s.free[n-1]
		s.free = s.free[:n-1]
		return m
	}
	s.lastM++
	return s.lastM
}

func (s *schedule) chance(percent int) bool { return s.rnd.IntN(100) < percent }

// stack is that of a place in the made-up program, called by what g runs.
func (s *schedule) stack(g *goroutine, fns ...string) uint64 {
	var frames []Frame
	for i, fn := range append(fns, g.entry) {
		frames = append(frames, Frame{fn, "/src/main.go", 10 + i})
	}
	return s.w.Stack(frames...)
}

// step lets a P do something after a while.
func (s *schedule) step() {
	s.now += s.rnd.Uint64N(20_000)
	if s.chance(1) {
		s.now += 1_000_000 // a long one
	}
	p := s.ps[s.rnd.IntN(len(s.ps))]
	switch p.state {
	case pIdle:
		if s.work(p) || s.chance(20) && s.waiter("sleep") != nil || s.chance(3) {
			s.wake(p)
			s.findRunnable(p)
		}
	case pRunning:
		s.run(p)
	case pSyscall:
		switch other := s.running(p); {
		case s.chance(50):
			s.sysexit(p)
		case other != nil && s.chance(30):
			s.touchP(other)
			s.touchG(other.g, other.m)
			s.retake(p, other.m, "safepoint")
			s.restart(p)
		default:
			s.retake(p, advancer, "sysmon")
			s.restart(p)
		}
	}
	for _, g := range s.gs {
		if g.status == GoSyscall && g.p == nil && s.chance(30) {
			s.sysexitWithout(g)
			break
		}
	}
	if g := s.waiter("network"); g != nil && s.chance(3) { // sysmon polls
		s.touchG(g, advancer)
		g.seq++
		s.readied(g, "netpoll", s.emit(advancer, GoUnblock, g.id, g.seq, 0))
		s.truth.Polled++
		s.truth.PolledWithout++
		s.putGlobal(g)
	}
}

// run lets the goroutine of p go on to what it does next.
func (s *schedule) run(p *proc) {
	switch g := p.g; {
	case g.class == worker:
		s.runWorker(p)
	case g.class == system:
		if s.chance(70) {
			s.preempt(p, "yield", "runtime.Gosched", "runtime.goschedIfBusy")
		} else {
			s.block(p, "GC background sweeper wait", "runtime.gopark")
		}
		s.findRunnable(p)
	case g.assist:
		s.runAssist(p)
	default:
		s.runUser(p)
	}
}

func (s *schedule) runUser(p *proc) {
	g, t := p.g, &s.truth
	switch k := s.rnd.IntN(150); {
	case k < 20 && len(s.gs) < 60: // go statement
		s.create(p, &goroutine{entry: "main.worker"})
	case k < 38: // wake one that waits; one that polls by a close
		w := s.waiter("chan receive", "sync", "select")
		if s.chance(5) {
			w = s.waiter("network")
		}
		if w != nil {
			s.unblock(p, w, "unblocked")
			s.putNext(p, w)
		}
	case k < 56: // block
		reason := []string{"chan receive", "sync", "select", "sleep", "network"}[s.rnd.IntN(5)]
		if g.id == 1 {
			reason = "sleep" // or all might wait for each other
		}
		s.block(p, reason, "main.wait")
		s.findRunnable(p)
	case k < 61: // runtime.Gosched
		s.preempt(p, "yield", "runtime.Gosched", "runtime.Gosched", "main.yield")
		t.Yields++
		s.findRunnable(p)
	case k < 66: // time slice used up
		if s.chance(50) {
			s.preempt(p, "preempted", "preempted", "runtime.asyncPreempt2", "runtime.asyncPreempt", "main.loop")
			t.Async++
		} else {
			s.preempt(p, "preempted", "preempted", "main.loop")
			t.Cooperative++
		}
		s.findRunnable(p)
	case k < 80:
		s.syscall(p)
	case k < 84:
		s.stopTheWorld(p)
	case k < 87 && g.id != 1 && g.caller == nil && len(s.gs) > 5: // end
		s.leave(p, s.event(p, GoDestroy))
		s.gs = slices.DeleteFunc(s.gs, func(x *goroutine) bool { return x == g })
		s.findRunnable(p)
	case k < 92: // unlock a mutex that starves: its waiter runs next, on this P
		if w := s.waiter("sync"); w != nil {
			s.unblock(p, w, "unblocked")
			s.putNext(p, w)
			fn := "runtime.goyield"
			if s.version().HidesGoyield() {
				fn = "runtime.semrelease1"
			}
			s.stop(p, "preempted", fn, "main.unlock")
			g.ready = "lockhandoff"
			s.putLocal(p, g)
			t.LockHandoffs++
			s.findRunnable(p)
		}
	case k < 95: // another's stack is looked at
		s.suspend(p)
	case k < 102 && s.version().HasCoroutines() && g.id != 1:
		s.coroutine(p)
	case k < 108 && s.mark != 0 && g.id != 1:
		g.assist, g.assistFrom = true, s.event(p, AssistBegin, s.stack(g, "main.alloc"))
		t.Assists++
	case k < 111:
		from := s.event(p, SweepBegin, s.stack(g, "main.alloc"))
		t.Sweep += int64(s.event(p, SweepEnd, 8192, 4096) - from)
	case k < 117:
		live := 1<<20 + s.rnd.Uint64N(1<<30)
		s.event(p, HeapAlloc, live)
		t.Live = max(t.Live, int64(live))
	case k < 130:
		s.annotate(p)
	}
}

// runWorker lets a GC mark worker go on.
func (s *schedule) runWorker(p *proc) {
	switch k := s.rnd.IntN(100); {
	case s.mark == 0 || k < 25:
		s.block(p, "system goroutine wait", "runtime.gopark")
		s.findRunnable(p)
	case k < 45: // credit for an assist: mgcmark.go:gcFlushBgCredit
		if w := s.waiter("GC mark assist wait for work"); w != nil {
			s.unblock(p, w, "gc")
			s.putLocal(p, w)
		}
	case k < 60:
		s.suspend(p)
	case k < 65:
		s.stopTheWorld(p)
	}
}

// runAssist lets a goroutine in mark assist go on.
func (s *schedule) runAssist(p *proc) {
	g := p.g
	switch k := s.rnd.IntN(100); {
	case k < 40:
		at := s.event(p, AssistEnd)
		s.truth.AssistWall += int64(at - g.assistFrom)
		g.assist, g.tail = false, false
	case k < 60 && s.mark != 0:
		s.block(p, "GC mark assist wait for work", "main.alloc")
		s.findRunnable(p)
	case k < 70:
		s.preempt(p, "yield", "runtime.Gosched", "runtime.Gosched", "main.alloc")
		s.truth.Yields++
		s.findRunnable(p)
	case k < 75 && s.mark != 0:
		s.stopTheWorld(p)
	}
}

// create starts a goroutine by a go statement.
func (s *schedule) create(p *proc, g *goroutine) {
	s.lastG++
	g.id, g.status, g.ready, g.traced = s.lastG, GoRunnable, "created", true
	g.since = s.event(p, GoCreate, g.id, s.stack(g), s.stack(p.g, "main.spawn"))
	s.gs = append(s.gs, g)
	s.truth.Created++
	s.truth.Most = max(s.truth.Most, int64(len(s.gs)))
	s.putNext(p, g)
}

// coroutine switches to the coroutine of p's goroutine, or back to who switched to it.
func (s *schedule) coroutine(p *proc) {
	g := p.g
	next, typ := g.co, GoSwitch
	switch {
	case g.caller != nil && s.chance(30):
		next, typ = g.caller, GoSwitchDestroy
	case g.caller != nil:
		next = g.caller
	case g.co == nil && len(s.gs) < 60:
		s.lastG++
		next = &goroutine{id: s.lastG, entry: "runtime.corostart", status: GoWaiting, traced: true}
		next.since = s.event(p, GoCreateBlocked, next.id, s.stack(next), s.stack(g, "main.pull"))
		s.gs = append(s.gs, next)
		s.truth.Created++
		s.truth.Most = max(s.truth.Most, int64(len(s.gs)))
	}
	if next == nil {
		return
	}
	s.touchP(p)
	s.touchG(g, p.m)
	s.touchG(next, p.m)
	next.seq++
	at := s.emit(p.m, typ, next.id, next.seq)
	s.now += 3 // N.B. readers make three events of it, 1 ns apart
	s.truth.Starts++
	s.truth.UserStarts++
	g.status, g.since, g.reason = GoWaiting, at, ""
	next.status, next.since, next.last = GoRunning, at, p
	p.g = next
	switch {
	case typ == GoSwitchDestroy:
		next.co = nil
		s.gs = slices.DeleteFunc(s.gs, func(x *goroutine) bool { return x == g })
	case next == g.caller:
		g.caller, next.co = nil, g
	default:
		g.co, next.caller = nil, g
	}
}

// annotate begins or ends a task or region, or logs.
func (s *schedule) annotate(p *proc) {
	g, t := p.g, &s.truth
	switch {
	case s.chance(20):
		s.lastID++
		task := span{id: s.lastID, name: s.rnd.Uint64N(3)}
		task.from = s.event(p, TaskBegin, task.id, 0, s.w.String(fmt.Sprint("task", task.name)), s.stack(g, "main.handle"))
		s.tasks = append(s.tasks, task)
	case s.chance(25) && len(s.tasks) > 0:
		i := s.rnd.IntN(len(s.tasks))
		t.Tasks.add(s.event(p, TaskEnd, s.tasks[i].id, s.stack(g, "main.handle")) - s.tasks[i].from)
		s.tasks = slices.Delete(s.tasks, i, i+1)
	case s.chance(40) && len(g.regions) < 5:
		r := span{name: s.rnd.Uint64N(3)}
		r.from = s.event(p, RegionBegin, 0, s.w.String(fmt.Sprint("region", r.name)), s.stack(g, "main.part"))
		g.regions = append(g.regions, r)
	case s.chance(60) && len(g.regions) > 0:
		last := len(g.regions) - 1
		r := g.regions[last]
		t.Regions.add(s.event(p, RegionEnd, 0, s.w.String(fmt.Sprint("region", r.name)), s.stack(g, "main.part")) - r.from)
		g.regions = g.regions[:last]
	default:
		s.event(p, Log, 0, s.w.String("key"), s.w.String("value"), s.stack(g, "main.log"))
		t.Logs++
	}
}

// suspend lets p's goroutine park a running one and let it go on (preempt.go:
// suspendG, resumeG).
func (s *schedule) suspend(p *proc) {
	o := s.running(p)
	if o == nil || o.g.class != user || o.g.assist {
		return
	}
	g := o.g
	if s.version().HasScanStack() {
		s.block(o, "preempted", "main.loop")
	} else {
		s.block(o, "preempted") // N.B. without a stack
	}
	s.truth.Parked++
	s.unblock(p, g, "gc")
	s.putNext(p, g)
	s.findRunnable(o)
}

// block lets p's goroutine wait.
func (s *schedule) block(p *proc, reason string, fns ...string) {
	g, stack := p.g, uint64(0)
	if len(fns) > 0 {
		stack = s.stack(g, fns...)
	}
	s.leave(p, s.event(p, GoBlock, s.w.String(reason), stack))
	g.status, g.reason = GoWaiting, reason
}

// unblock lets the goroutine of p wake another.
func (s *schedule) unblock(p *proc, w *goroutine, how string) {
	s.touchP(p)
	s.touchG(p.g, p.m)
	s.touchG(w, p.m)
	w.seq++
	s.readied(w, how, s.event(p, GoUnblock, w.id, w.seq, s.stack(p.g, "main.send")))
}

// leave ends the run of p's goroutine at a time.
func (s *schedule) leave(p *proc, at uint64) {
	g := p.g
	g.since = at
	g.tail = g.tail && g.assist
	p.g = nil
	p.state = pScheduler
}

// stop lets p's goroutine stop and stay runnable.
func (s *schedule) stop(p *proc, reason string, fns ...string) {
	g := p.g
	s.leave(p, s.event(p, GoStop, s.w.String(reason), s.stack(g, fns...)))
	g.status = GoRunnable
}

// preempt lets p's goroutine stop and go to the global queue.
func (s *schedule) preempt(p *proc, ready, reason string, fns ...string) {
	g := p.g
	s.stop(p, reason, fns...)
	g.ready = ready
	s.putGlobal(g)
}

// readied makes a goroutine runnable.
func (s *schedule) readied(g *goroutine, how string, at uint64) {
	if g.class == user {
		s.truth.Blocked[g.reason] += int64(at - g.since)
	}
	g.status, g.ready, g.since, g.reason = GoRunnable, how, at, ""
}

// putNext is runqput with next.
func (s *schedule) putNext(p *proc, g *goroutine) {
	g.home, g.moved = p, false
	if old := p.next; old != nil {
		p.local = append(p.local, old)
	}
	p.next = g
}

// putLocal is runqput without next.
func (s *schedule) putLocal(p *proc, g *goroutine) {
	g.home, g.moved = p, false
	p.local = append(p.local, g)
}

func (s *schedule) putGlobal(g *goroutine) {
	g.home, g.moved = nil, false
	s.global = append(s.global, g)
}

// waiters are the goroutines that wait for one of the reasons.
func (s *schedule) waiters(reasons ...string) (all []*goroutine) {
	for _, g := range s.gs {
		if g.status == GoWaiting && slices.Contains(reasons, g.reason) {
			all = append(all, g)
		}
	}
	return all
}

func (s *schedule) waiter(reasons ...string) *goroutine {
	all := s.waiters(reasons...)
	if len(all) == 0 {
		return nil
	}
	return all[s.rnd.IntN(len(all))]
}

// work tells whether there is something for p to run.
func (s *schedule) work(p *proc) bool {
	if p.next != nil || len(p.local) > 0 || len(s.global) > 0 {
		return true
	}
	return slices.ContainsFunc(s.ps, func(o *proc) bool { return len(o.local) > 0 })
}

// wake starts a thread on an idle P.
func (s *schedule) wake(p *proc) { s.acquire(p, s.thread()) }

func (s *schedule) acquire(p *proc, m uint64) {
	s.touchP(p)
	p.m = m
	p.seq++
	s.emit(p.m, ProcStart, p.id, p.seq)
	s.truth.Wakeups++
	p.state, p.woken = pScheduler, true
}

// release lets p, which has a thread, go idle.
func (s *schedule) release(p *proc) {
	at := s.event(p, ProcStop)
	s.free = append(s.free, p.m)
	p.state, p.m, p.since, p.woken = pIdle, 0, at, false
}

// findRunnable lets p, which has a thread and no goroutine, fire timers, poll the
// network and start a goroutine, or go idle.
func (s *schedule) findRunnable(p *proc) {
	for s.chance(30) {
		g := s.waiter("sleep")
		if g == nil {
			break
		}
		s.unblockAlone(p, g, "timer")
		s.putNext(p, g)
	}
	if s.chance(25) {
		if g := s.poll(p); g != nil {
			s.start(p, g)
			return
		}
	}
	if g := s.waiter("system goroutine wait"); g != nil && s.mark != 0 && s.chance(25) {
		s.unblockAlone(p, g, "runtime")
		g.home, g.moved = p, false
		s.start(p, g)
		mode := []string{"dedicated", "fractional", "idle"}[s.rnd.IntN(3)]
		s.event(p, GoLabel, s.w.String("GC ("+mode+")"))
		s.relabel(p, mode)
		return
	}
	if g := s.pick(p); g != nil {
		s.start(p, g)
		return
	}
	if p.woken {
		s.truth.Fruitless++
	}
	s.release(p)
}

// relabel gives a worker the mode of its run, which counts from its start.
func (s *schedule) relabel(p *proc, mode string) {
	g := p.g
	s.truth.Workers[g.mode] -= int64(s.now - g.since)
	s.truth.Workers[mode] += int64(s.now - g.since)
	g.mode = mode
}

// unblockAlone is unblock by the scheduler on p.
func (s *schedule) unblockAlone(p *proc, g *goroutine, how string) {
	s.touchP(p)
	s.touchG(g, p.m)
	g.seq++
	s.readied(g, how, s.event(p, GoUnblock, g.id, g.seq, 0))
}

// poll readies what waits for the network and returns the last of them, which p runs;
// the others are queued (proc.go: injectglist).
func (s *schedule) poll(p *proc) *goroutine {
	ready := s.waiters("network")
	if len(ready) == 0 {
		return nil
	}
	ready = ready[:1+s.rnd.IntN(len(ready))]
	s.touchP(p)
	idle := 0
	for _, o := range s.ps {
		if o.state == pIdle {
			idle++
		}
	}
	for _, g := range ready {
		s.touchG(g, p.m)
	}
	for i, g := range ready {
		s.unblockAlone(p, g, "netpoll")
		s.truth.Polled++
		switch {
		case i == len(ready)-1:
			g.home, g.moved = p, false
			return g
		case i < idle:
			s.putGlobal(g)
		default:
			s.putLocal(p, g)
		}
	}
	return nil
}

// start lets p run g.
func (s *schedule) start(p *proc, g *goroutine) {
	s.touchP(p)
	s.touchG(g, p.m)
	g.seq++
	at := s.emit(p.m, GoStart, g.id, g.seq)
	t := &s.truth
	t.Starts++
	if g.class == user {
		t.UserStarts++
		addTo(t.Latency, g.ready, at-g.since)
	}
	if g.last != nil && g.last != p {
		t.Migrations++
	}
	switch {
	case g.moved && g.home != p:
		t.Stolen = append(t.Stolen, at)
	case g.moved:
		t.StolenBack = append(t.StolenBack, at)
	}
	g.status, g.since, g.last, g.mode = GoRunning, at, p, ""
	p.state, p.g, p.woken = pRunning, g, false
}

func (s *schedule) pick(p *proc) *goroutine {
	p.ticks++
	if p.ticks%61 == 0 && len(s.global) > 0 {
		g := s.global[0]
		s.global = s.global[1:]
		return g
	}
	if g := p.next; g != nil {
		p.next = nil
		return g
	}
	if len(p.local) > 0 {
		g := p.local[0]
		p.local = p.local[1:]
		return g
	}
	if n := min(len(s.global), len(s.global)/len(s.ps)+1, 128); n > 0 {
		batch := s.global[:n]
		s.global = slices.Clone(s.global[n:])
		p.local = append(p.local, batch[1:]...)
		return batch[0]
	}
	for _, i := range s.rnd.Perm(len(s.ps)) {
		victim := s.ps[i]
		if n := len(victim.local) - len(victim.local)/2; victim != p && n > 0 {
			batch := victim.local[:n]
			victim.local = slices.Clone(victim.local[n:])
			for _, g := range batch {
				g.moved = true
			}
			p.local = append(p.local, batch[:n-1]...)
			return batch[n-1]
		}
	}
	return nil
}

// syscall lets p's goroutine enter a call.
func (s *schedule) syscall(p *proc) {
	g := p.g
	s.touchP(p) // N.B. a status begins the count of the P's sequence
	p.seq++
	s.leave(p, s.event(p, GoSyscallBegin, p.seq, s.stack(g, "syscall.read", "main.read")))
	s.truth.Calls++
	g.status, g.m, g.p, g.old = GoSyscall, p.m, p, p
	p.state = pSyscall
}

// sysexit is a call that returns and still has its P.
func (s *schedule) sysexit(p *proc) {
	g := s.inCall(p)
	at := s.emit(p.m, GoSyscallEnd)
	s.truth.Syscalls.add(at - g.since)
	g.status, g.since, g.p = GoRunning, at, nil
	p.state, p.g = pRunning, g
}

func (s *schedule) inCall(p *proc) *goroutine {
	return s.gs[slices.IndexFunc(s.gs, func(g *goroutine) bool { return g.p == p })]
}

// retake takes a P from a call, by a thread.
func (s *schedule) retake(p *proc, by uint64, who string) {
	g := s.inCall(p)
	p.seq++
	at := s.emit(by, ProcSteal, p.id, p.seq, p.m)
	if s.truth.Handoffs[who]++; who == "sysmon" {
		s.truth.Retaken.add(at - g.since)
	}
	g.p = nil
	p.state, p.m, p.since = pIdle, 0, at
}

// sysexitWithout is a call that returns without a P: it takes its old one back from
// another call, gets an idle one, or waits for one.
func (s *schedule) sysexitWithout(g *goroutine) {
	p := g.old
	switch i := slices.IndexFunc(s.ps, func(p *proc) bool { return p.state == pIdle }); {
	case p.state == pSyscall && s.chance(60):
		s.retake(p, g.m, "exiting")
	case i >= 0 && s.chance(40):
		p = s.ps[i]
	default:
		s.sysexitBlocked(g)
		return
	}
	s.acquire(p, g.m)
	s.returned(g, s.emit(g.m, GoSyscallEndBlocked))
	g.home, g.moved = p, false
	s.start(p, g)
}

// returned makes a goroutine runnable whose call returned.
func (s *schedule) returned(g *goroutine, at uint64) {
	s.truth.Syscalls.add(at - g.since)
	g.status, g.ready, g.since = GoRunnable, "syscall", at
}

func (s *schedule) sysexitBlocked(g *goroutine) {
	s.returned(g, s.emit(g.m, GoSyscallEndBlocked))
	s.free = append(s.free, g.m)
	s.putGlobal(g)
}

// stopTheWorld is a stop by the goroutine of p: for a step of the GC, or for another
// reason. All other Ps stop.
func (s *schedule) stopTheWorld(p *proc) {
	g, t := p.g, &s.truth
	kind, procs := "read mem stats", len(s.ps)
	switch {
	case s.mark != 0 && (g.class == worker || g.assist || s.chance(40)):
		kind = "GC mark termination"
	case s.mark == 0 && s.chance(60):
		kind = "GC sweep termination"
		if !slices.ContainsFunc(s.gs, func(g *goroutine) bool { return g.class == worker }) {
			for range s.Procs {
				s.create(p, &goroutine{class: worker, entry: "runtime.gcBgMarkWorker"})
			}
		}
		s.gcSeq++
		s.event(p, GCBegin, s.gcSeq, s.stack(g, "main.alloc"))
	case s.chance(30):
		if n := 1 + s.rnd.IntN(2*s.Procs); n > int(p.id) {
			kind, procs = "GOMAXPROCS", n
		}
	}
	from := s.event(p, STWBegin, s.w.String(kind), s.stack(g, "main.stop"))
	s.stopper = p
	p.since = from
	last := from
	for _, o := range s.ps {
		switch {
		case o == p:
		case o.state == pIdle:
			o.since = from
		case o.state == pSyscall:
			s.retake(o, p.m, "stw")
			last = o.since
		case o.g.class == user && !o.g.assist && s.chance(15):
			// It enters a call, finds that the world stops, and gives its P away.
			x := o.g
			s.syscall(o)
			at := s.emit(o.m, ProcStop)
			x.p = nil
			o.state, o.m, o.since = pIdle, 0, at
			t.Handoffs["self"]++
			last = at
		default:
			x := o.g
			s.stop(o, "preempted", "runtime.asyncPreempt2", "runtime.asyncPreempt", "main.loop")
			x.ready = "preempted"
			if t.Async++; s.version().KeepsStopped() {
				s.putNext(o, x)
			} else {
				s.putGlobal(x)
			}
			s.release(o)
			last = o.since
		}
	}
	s.now += s.rnd.Uint64N(50_000)
	if kind == "GC mark termination" {
		s.endCycle(p, from)
	}
	if g := s.waiter("network"); g != nil && s.chance(30) { // startTheWorldWithSema polls
		s.unblock(p, g, "netpoll")
		t.Polled++
		s.putLocal(p, g)
	}
	restart := s.event(p, ProcsChange, uint64(procs), 0)
	s.stopper = nil
	g.tail = kind == "GC mark termination" && (g.class == worker || g.assist)
	if kind == "GC sweep termination" {
		s.mark = restart
	}
	isGC := kind == "GC mark termination" || kind == "GC sweep termination"
	for _, o := range s.ps {
		if isGC {
			t.StopCPU += int64(restart - o.since)
		}
		o.since = restart
	}
	s.resize(procs)
	early := s.chance(50) // other Ps run before the end is told
	for _, o := range s.ps {
		if early {
			s.restart(o)
		}
	}
	end := s.event(p, STWEnd)
	if kind == "GC mark termination" {
		end = restart
	}
	addTo(t.STW, kind, end-from)
	addTo(t.Stopping, kind, last-from)
	for _, o := range s.ps {
		s.restart(o)
	}
}

// endCycle is what happens at the end of a GC cycle while the world is stopped.
func (s *schedule) endCycle(p *proc, from uint64) {
	t := &s.truth
	for _, g := range s.waiters("GC mark assist wait for work") {
		s.unblock(p, g, "gc")
		s.putLocal(p, g)
	}
	goal := 4<<20 + s.rnd.Uint64N(1<<30)
	s.event(p, HeapGoal, goal)
	t.Goal, t.LastGoal = max(t.Goal, int64(goal)), int64(goal)
	if g := s.sweeper; g.status == GoWaiting {
		s.unblock(p, g, "runtime")
		s.putNext(p, g)
	}
	s.gcSeq++
	s.event(p, GCEnd, s.gcSeq)
	t.Cycles++
	t.Mark += int64(from - s.mark)
	s.mark = 0
}

// resize makes n Ps (proc.go: procresize); what those that go have queued comes to the
// head of the global queue.
func (s *schedule) resize(n int) {
	for len(s.all) < n {
		s.all = append(s.all, &proc{id: uint64(len(s.all))})
	}
	for _, o := range s.ps[min(n, len(s.ps)):] {
		queued := slices.Clone(o.local)
		if o.next != nil {
			queued = append(queued, o.next)
		}
		for _, g := range queued {
			g.home, g.moved = nil, false
		}
		s.global = append(queued, s.global...)
		o.next, o.local = nil, nil
	}
	s.ps = s.all[:n]
	t := &s.truth
	t.MaxProcs = max(t.MaxProcs, int64(n))
	if t.MinProcs == 0 || int64(n) < t.MinProcs {
		t.MinProcs = int64(n)
	}
}

// running is a P other than p that runs a goroutine, nil if none does.
func (s *schedule) running(p *proc) *proc {
	for _, o := range s.ps {
		if o != p && o.state == pRunning {
			return o
		}
	}
	return nil
}

// restart starts an idle P that has work of its own (proc.go: handoffp, procresize).
func (s *schedule) restart(p *proc) {
	if p.state == pIdle && (p.next != nil || len(p.local) > 0) {
		s.wake(p)
		s.findRunnable(p)
	}
}

// flip ends a generation, where no call is under way: the others get the statuses
// that they lack.
func (s *schedule) flip() {
	if s.mark != 0 && s.running(nil) == nil {
		return // nobody could tell that a cycle is under way
	}
	for _, p := range s.ps {
		if p.state == pSyscall {
			s.sysexit(p)
		}
	}
	for _, g := range s.gs {
		if g.status == GoSyscall {
			s.sysexitBlocked(g)
		}
	}
	s.statuses()
	s.w.EndGeneration()
	for _, p := range s.all {
		p.traced, p.seq = false, 0
	}
	for _, g := range s.gs {
		g.traced, g.seq = false, 0
	}
	s.idleStatuses()
	if s.mark != 0 {
		s.gcSeq++
		s.event(s.running(nil), GCActive, s.gcSeq)
	}
}

func (s *schedule) version() wire.Version { return wire.Version(s.Version) }

// idleStatuses tells of idle Ps at the begin of a generation, as the runtime did up to
// Go 1.25.
func (s *schedule) idleStatuses() {
	for _, p := range s.ps {
		if p.state == pIdle && s.version().ListsIdleProcs() {
			s.touchP(p)
		}
	}
}

// statuses tells of all that did nothing in the generation.
func (s *schedule) statuses() {
	for _, p := range s.ps {
		s.touchP(p)
		if p.g != nil {
			s.touchG(p.g, p.m)
		}
	}
	for _, g := range s.gs {
		s.touchG(g, advancer)
	}
}

// finish ends the trace: what is under way is cut.
func (s *schedule) finish() {
	s.statuses()
	t := &s.truth
	t.Last, t.Threads = s.w.last, len(s.threads)
	for _, g := range s.gs {
		if g.status == GoWaiting && g.class == user {
			t.Blocked[g.reason] += int64(t.Last - g.since)
		}
		if g.assist {
			t.AssistWall += int64(t.Last - g.assistFrom)
		}
	}
	if s.mark != 0 {
		t.Mark += int64(t.Last - s.mark)
	}
	s.endWaste()
	s.w.EndGeneration()
}

func (p Plan) String() string {
	return fmt.Sprintf("go1.%d seed %d: %d Ps, %d steps, %d generations", p.Version, p.Seed, p.Procs, p.Steps, p.Generations)
}
