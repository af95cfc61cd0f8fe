package tracetest

import (
	"slices"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

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
	if g.class == user {
		t.Stoppers += int64(restart - from) // from the restart on it runs
	}
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
	s.heap(p, s.live/(2+s.rnd.Uint64N(8)))
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

// idleStatuses tells of idle Ps at the start of a generation, as the runtime did up to
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
