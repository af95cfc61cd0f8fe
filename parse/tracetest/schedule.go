package tracetest

import (
	"fmt"
	"math/rand/v2"
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
	Retaken  Dist             // from the start of the call to the loss, by sysmon

	// Stops of the world by kind, from begin to end as package parse defines it, and
	// until the last P stopped. StopCPU is of GC stops.
	STW, Stopping map[string]*Dist
	StopCPU       int64
	Stoppers      int64 // ns that user goroutines spent in stops they asked for, until the restart

	// GC.
	Cycles     int64            // that ended
	Mark       int64            // concurrent mark: from the end of the first stop to the start of the second
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
	live    uint64 // heap
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
	// By its number it is known to be the runtime's before its function is told.
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

func (p Plan) String() string {
	return fmt.Sprintf("go1.%d seed %d: %d Ps, %d steps, %d generations", p.Version, p.Seed, p.Procs, p.Steps, p.Generations)
}
