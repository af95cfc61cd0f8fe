package tracetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// A Plan says what Schedule makes up.
type Plan struct {
	Version     int // of the format: 22 to 26
	Seed        uint64
	Procs       int
	Steps       int // decisions of the scheduler and the program, about as many as events
	Generations int
}

// Truth is what happened in a made-up trace. Times are ns. What the end of the trace
// cuts counts with its part in the sums of states, and in no distribution.
type Truth struct {
	First, Last uint64           // times of the first and last event
	Created     int64            // goroutines
	Running     int64            // of all goroutines
	Idle        int64            // of all Ps, but for stops of the world
	Latency     map[string]*Dist // runnable to running, by how they became runnable
	Blocked     map[string]int64 // waiting, by reason
	Calls       int64            // system calls begun
	Syscalls    Dist             // those that returned, from entry to return
	Handoffs    int64            // Ps taken from calls
	Async       int64            // preemptions by signal
	Cooperative int64
	Yields      int64
	Stolen      []uint64         // when a P started a goroutine to which it was moved by stealing, and which was readied on another
	STW         map[string]*Dist // by kind
	Cycles      int64            // GC cycles that ended
	Mark        int64            // concurrent mark: from the end of the first stop to the begin of the second
}

// Dist sums values.
type Dist struct{ N, Sum, Max int64 }

func (d *Dist) add(ns uint64) {
	d.N++
	d.Sum += int64(ns)
	d.Max = max(d.Max, int64(ns))
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
	m      uint64
	g      *goroutine
	next   *goroutine
	local  []*goroutine
	seq    uint64
	traced bool
	ticks  int
}

type goroutine struct {
	id     uint64
	status uint64 // GoRunnable…
	since  uint64
	ready  string // how it became runnable
	reason string // it waits for
	m      uint64 // of a system call
	p      *proc  // of a system call
	home   *proc  // on which it was readied
	moved  bool   // by stealing
	seq    uint64
	traced bool
}

// schedule is a scheduler at work: it keeps the run queues as the runtime does
// (proc.go: runqput, runqget, runqsteal, globrunqget).
type schedule struct {
	Plan
	rnd    *rand.Rand
	w      *Writer
	now    uint64
	ps     []*proc
	gs     []*goroutine // alive
	global []*goroutine
	free   []uint64 // threads
	lastM  uint64
	lastG  uint64
	gcSeq  uint64
	mark   uint64 // since when a cycle marks, 0 for none
	truth  Truth
}

// advancer is the thread of sysmon and of the tracer: it never has a P.
const advancer = 1

// Schedule makes up a trace and tells the truth of it.
func Schedule(plan Plan) ([]byte, *Truth) {
	s := &schedule{Plan: plan, rnd: rand.New(rand.NewPCG(plan.Seed, 1)), w: NewWriter(plan.Version), now: 1e9, lastM: 99, lastG: 100}
	s.truth.Latency, s.truth.Blocked, s.truth.STW = make(map[string]*Dist), make(map[string]int64), make(map[string]*Dist)
	for i := range plan.Procs {
		s.ps = append(s.ps, &proc{id: uint64(i)})
	}
	main := &goroutine{id: 1, status: GoRunning}
	s.gs = []*goroutine{main}
	p := s.ps[0]
	p.state, p.m, p.g = pRunning, s.thread(), main
	s.truth.First = s.now + 1
	s.emit(p.m, ProcStatus, p.id, ProcRunning)
	p.traced = true
	s.touchG(main, p.m)
	main.since = s.now
	for _, p := range s.ps[1:] {
		p.since = s.truth.First
	}
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
	return s.w.Bytes(), &s.truth
}

// emit adds an event of a thread, some ns after the last.
func (s *schedule) emit(m uint64, typ Type, args ...uint64) uint64 {
	s.now += 1 + s.rnd.Uint64N(300)
	if s.w.last == 0 {
		s.now = s.truth.First
	}
	s.w.Event(m, s.now, typ, args...)
	return s.now
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

// stack is that of a place in the made-up program, called by main.worker.
func (s *schedule) stack(fns ...string) uint64 {
	var frames []Frame
	for i, fn := range append(fns, "main.worker") {
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
		if s.work(p) || s.chance(20) && s.sleeper() != nil {
			s.wake(p)
			s.findRunnable(p)
		}
	case pRunning:
		s.run(p)
	case pSyscall:
		if s.chance(50) {
			s.retake(p, advancer)
			s.restart(p)
		} else {
			s.sysexit(p)
		}
	}
	for _, g := range s.gs {
		if g.status == GoSyscall && g.p == nil && s.chance(30) {
			s.sysexitBlocked(g)
			break
		}
	}
}

// run lets the goroutine of p go on to what it does next.
func (s *schedule) run(p *proc) {
	g := p.g
	switch k := s.rnd.IntN(100); {
	case k < 25 && len(s.gs) < 60: // go statement
		s.lastG++
		child := &goroutine{id: s.lastG, status: GoRunnable, ready: "created", traced: true}
		child.since = s.event(p, GoCreate, child.id, s.stack(), s.stack("main.spawn"))
		s.gs = append(s.gs, child)
		s.truth.Created++
		s.putNext(p, child)
	case k < 45: // wake one that waits
		if w := s.waiter("chan receive", "sync", "select"); w != nil {
			s.touchP(p)
			s.touchG(g, p.m)
			s.touchG(w, p.m)
			w.seq++
			s.readied(w, "unblocked", s.event(p, GoUnblock, w.id, w.seq, s.stack("main.send")))
			s.putNext(p, w)
		}
	case k < 65: // block
		reason := []string{"chan receive", "sync", "select", "sleep"}[s.rnd.IntN(4)]
		if g.id == 1 {
			reason = "sleep" // or all might wait for each other
		}
		s.leave(p, s.event(p, GoBlock, s.w.String(reason), s.stack("main.wait")))
		g.status, g.reason = GoWaiting, reason
		s.findRunnable(p)
	case k < 70: // runtime.Gosched
		s.preempt(p, "yield", "runtime.Gosched", "runtime.Gosched", "main.yield")
		s.truth.Yields++
		s.findRunnable(p)
	case k < 75: // time slice used up
		if s.chance(50) {
			s.preempt(p, "preempted", "preempted", "runtime.asyncPreempt2", "runtime.asyncPreempt", "main.loop")
			s.truth.Async++
		} else {
			s.preempt(p, "preempted", "preempted", "main.loop")
			s.truth.Cooperative++
		}
		s.findRunnable(p)
	case k < 90: // system call
		s.touchP(p) // N.B. a status begins the count of the P's sequence
		p.seq++
		at := s.event(p, GoSyscallBegin, p.seq, s.stack("syscall.read", "main.read"))
		s.leave(p, at)
		s.truth.Calls++
		g.status, g.m, g.p = GoSyscall, p.m, p
		p.state, p.g = pSyscall, nil
	case k < 92:
		s.stopTheWorld(p)
	case k < 95 && g.id != 1 && len(s.gs) > 3: // end
		s.leave(p, s.event(p, GoDestroy))
		s.gs = slices.DeleteFunc(s.gs, func(x *goroutine) bool { return x == g })
		s.findRunnable(p)
	}
}

// leave ends the run of p's goroutine at a time.
func (s *schedule) leave(p *proc, at uint64) {
	s.truth.Running += int64(at - p.g.since)
	p.g.since = at
	p.g = nil
	p.state = pScheduler
}

func (s *schedule) preempt(p *proc, ready, reason string, fns ...string) {
	g := p.g
	s.leave(p, s.event(p, GoStop, s.w.String(reason), s.stack(fns...)))
	g.status, g.ready, g.home, g.moved = GoRunnable, ready, nil, false
	s.global = append(s.global, g)
}

// readied makes a goroutine runnable.
func (s *schedule) readied(g *goroutine, how string, at uint64) {
	if g.reason != "" {
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

func (s *schedule) waiter(reasons ...string) *goroutine {
	var all []*goroutine
	for _, g := range s.gs {
		if g.status == GoWaiting && slices.Contains(reasons, g.reason) {
			all = append(all, g)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[s.rnd.IntN(len(all))]
}

func (s *schedule) sleeper() *goroutine { return s.waiter("sleep") }

// work tells whether there is something for p to run.
func (s *schedule) work(p *proc) bool {
	if p.next != nil || len(p.local) > 0 || len(s.global) > 0 {
		return true
	}
	return slices.ContainsFunc(s.ps, func(o *proc) bool { return len(o.local) > 0 })
}

// wake starts a thread on an idle P.
func (s *schedule) wake(p *proc) {
	p.m = s.thread()
	s.touchP(p)
	p.seq++
	at := s.emit(p.m, ProcStart, p.id, p.seq)
	s.truth.Idle += int64(at - p.since)
	p.state = pScheduler
}

// findRunnable lets p, which has a thread and no goroutine, fire timers and start a
// goroutine, or go idle.
func (s *schedule) findRunnable(p *proc) {
	for s.chance(30) {
		g := s.sleeper()
		if g == nil {
			break
		}
		s.touchP(p)
		s.touchG(g, p.m)
		g.seq++
		s.readied(g, "timer", s.event(p, GoUnblock, g.id, g.seq, 0))
		s.putNext(p, g)
	}
	g := s.pick(p)
	if g == nil {
		at := s.event(p, ProcStop)
		s.free = append(s.free, p.m)
		p.state, p.m, p.since = pIdle, 0, at
		return
	}
	s.touchP(p)
	s.touchG(g, p.m)
	g.seq++
	at := s.emit(p.m, GoStart, g.id, g.seq)
	d := s.truth.Latency[g.ready]
	if d == nil {
		d = new(Dist)
		s.truth.Latency[g.ready] = d
	}
	d.add(at - g.since)
	if g.moved && g.home != p {
		s.truth.Stolen = append(s.truth.Stolen, at)
	}
	g.status, g.since = GoRunning, at
	p.state, p.g = pRunning, g
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
func (s *schedule) retake(p *proc, by uint64) {
	s.inCall(p).p = nil
	p.seq++
	at := s.emit(by, ProcSteal, p.id, p.seq, p.m)
	s.truth.Handoffs++
	p.state, p.m, p.since = pIdle, 0, at
}

// sysexitBlocked is a call that returns without a P.
func (s *schedule) sysexitBlocked(g *goroutine) {
	at := s.emit(g.m, GoSyscallEndBlocked)
	s.truth.Syscalls.add(at - g.since)
	g.status, g.ready, g.since, g.home, g.moved = GoRunnable, "syscall", at, nil, false
	s.free = append(s.free, g.m)
	s.global = append(s.global, g)
}

// stopTheWorld is a stop by the goroutine of p: for a step of the GC, or for another
// reason. All other Ps stop.
func (s *schedule) stopTheWorld(p *proc) {
	kind, gc := "read mem stats", s.chance(60)
	switch {
	case gc && s.mark == 0:
		kind = "GC sweep termination"
	case gc:
		kind = "GC mark termination"
	}
	from := s.event(p, STWBegin, s.w.String(kind), s.stack("main.stop"))
	for _, o := range s.ps {
		switch {
		case o == p:
		case o.state == pRunning:
			g := o.g
			s.preempt(o, "preempted", "preempted", "runtime.asyncPreempt2", "runtime.asyncPreempt", "main.loop")
			s.truth.Async++
			if s.Version >= 26 { // proc.go: goschedImpl
				s.global = s.global[:len(s.global)-1]
				s.putNext(o, g)
			}
			at := s.event(o, ProcStop)
			s.free = append(s.free, o.m)
			o.state, o.m, o.since = pIdle, 0, at
		case o.state == pSyscall:
			s.retake(o, p.m)
		}
	}
	s.now += s.rnd.Uint64N(50_000)
	switch kind {
	case "GC sweep termination":
		s.gcSeq++
		s.event(p, GCBegin, s.gcSeq, s.stack("main.alloc"))
	case "GC mark termination":
		s.gcSeq++
		s.event(p, GCEnd, s.gcSeq)
		s.truth.Cycles++
		s.truth.Mark += int64(from - s.mark)
		s.mark = 0
	}
	at := s.event(p, STWEnd)
	if kind == "GC sweep termination" {
		s.mark = at
	}
	d := s.truth.STW[kind]
	if d == nil {
		d = new(Dist)
		s.truth.STW[kind] = d
	}
	d.add(at - from)
	for _, o := range s.ps {
		if o.state == pIdle {
			if o.since < from {
				s.truth.Idle += int64(from - o.since)
			}
			o.since = at
		}
	}
	for _, o := range s.ps {
		s.restart(o)
	}
}

// running is a P that runs a goroutine, nil if none does.
func (s *schedule) running() *proc {
	for _, p := range s.ps {
		if p.state == pRunning {
			return p
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
	if s.mark != 0 && s.running() == nil {
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
	for _, p := range s.ps {
		p.traced, p.seq = false, 0
	}
	for _, g := range s.gs {
		g.traced, g.seq = false, 0
	}
	s.idleStatuses()
	if s.mark != 0 {
		s.gcSeq++
		s.event(s.running(), GCActive, s.gcSeq)
	}
}

// idleStatuses tells of idle Ps at the begin of a generation, as the runtime did up to
// Go 1.25.
func (s *schedule) idleStatuses() {
	for _, p := range s.ps {
		if p.state == pIdle && s.Version < 26 {
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
	s.truth.Last = s.w.last
	for _, g := range s.gs {
		switch g.status {
		case GoRunning:
			s.truth.Running += int64(s.truth.Last - g.since)
		case GoWaiting:
			s.truth.Blocked[g.reason] += int64(s.truth.Last - g.since)
		}
	}
	if s.mark != 0 {
		s.truth.Mark += int64(s.truth.Last - s.mark)
	}
	for _, p := range s.ps {
		if p.state == pIdle {
			s.truth.Idle += int64(s.truth.Last - p.since)
		}
	}
	s.w.EndGeneration()
}

func (p Plan) String() string {
	return fmt.Sprintf("go1.%d seed %d: %d Ps, %d steps, %d generations", p.Version, p.Seed, p.Procs, p.Steps, p.Generations)
}
