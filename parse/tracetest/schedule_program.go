package tracetest

import (
	"fmt"
	"slices"
)

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
		s.heap(p, s.live+s.rnd.Uint64N(16<<20))
	case k < 130:
		s.annotate(p)
	}
}

// heap tells how large the live heap is.
func (s *schedule) heap(p *proc, live uint64) {
	s.live = live
	s.event(p, HeapAlloc, live)
	s.truth.Live = max(s.truth.Live, int64(live))
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
	s.now += 3 // readers make three events of it, 1 ns apart
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
		s.block(o, "preempted") // without a stack
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
