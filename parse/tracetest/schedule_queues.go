package tracetest

import (
	"slices"
)

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
	s.touchP(p) // a status begins the count of the P's sequence
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
