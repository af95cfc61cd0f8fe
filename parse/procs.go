package parse

import "github.com/tracelens/tracelens/parse/internal/wire"

func (t *tracker) proc(id ProcID) *proc {
	if id < 0 {
		return nil
	}
	if int(id) >= len(t.ps) {
		if id >= maxProcs {
			t.tr.Quality.ImplausibleProcs++
			return nil
		}
		t.ps = append(t.ps, make([]*proc, int(id)+1-len(t.ps))...)
		t.limit()
	}
	p := t.ps[id]
	if p == nil {
		// A P that has done nothing yet has been idle since the trace began.
		t.touch()
		p = &proc{Proc: Proc{ID: id, From: ProcIdle, Since: t.begin, Partial: true}, begin: t.begin, m: NoThread, queue: t.queues.proc(id)}
		t.ps[id] = p
		t.iv.P[ProcIdle]++
		t.alive++
	}
	if p.From == ProcNotExist {
		t.touch()
		t.queues.proc(id)
		p.From, p.Prior, p.Since, p.Partial = ProcIdle, ProcNotExist, t.now, false
		p.begin, p.spent = t.now, [NumProcStates]int64{}
		p.contended, p.blame = t.waits.contended, t.waits.blamed
		t.iv.P[ProcIdle]++
		t.alive++
	}
	return p
}

// runState is the state of a P that runs g.
func (t *tracker) runState(g *goroutine) ProcState {
	switch {
	case t.stw.active && !t.stw.restarted && t.stw.g == g:
		return ProcStopper
	case g.tail:
		return ProcSystem
	case g.Class == ClassWorker:
		return ProcWorker
	case g.assist:
		return ProcAssist
	case g.Class == ClassUser:
		return ProcUser
	}
	return ProcSystem
}

// setProc ends p's span and begins one in state to. p.g is still the goroutine
// of the span that ends.
func (t *tracker) setProc(p *proc, to ProcState) { t.takeProc(p, to, TakerNone) }

func (t *tracker) takeProc(p *proc, to ProcState, taker Taker) {
	t.touch()
	t.closeProc(p, to, taker)
	t.leaveProc(p)
	p.Prior, p.From, p.Since, p.Partial = p.From, to, t.now, false
	p.contended, p.blame = t.waits.contended, t.waits.blamed
	t.enterProc(p)
}

func (t *tracker) leaveProc(p *proc) {
	t.iv.P[p.From]--
	if p.From == ProcWorker {
		t.modes[p.Mode]--
		if p.Mode == ModeDedicated {
			p.queue.dedicated, p.queue.dedicatedEnd = false, t.now
		}
		p.Mode = ModeNone
	}
}

func (t *tracker) enterProc(p *proc) {
	t.iv.P[p.From]++
	if p.From == ProcWorker {
		t.modes[p.Mode]++
		p.queue.dedicated = p.Mode == ModeDedicated
	}
}

// retroProc gives p another state for the span under way.
func (t *tracker) retroProc(p *proc, state ProcState) {
	t.touch()
	t.leaveProc(p)
	p.From = state
	if g := p.g; g != nil && state == ProcWorker {
		p.Mode = g.mode
	}
	t.enterProc(p)
}

func (t *tracker) closeProc(p *proc, to ProcState, taker Taker) {
	held := int64(t.now - p.Since)
	p.spent[p.From] += held
	p.To, p.Taker = to, taker
	p.Contended, p.Blame = t.waits.contended-p.contended, 0
	if p.From != ProcIdle && p.From != ProcStopped {
		p.Blame = t.waits.blamed - p.blame
	}
	p.G, p.Class, p.Func = NoGo, 0, 0
	if g := p.g; g != nil {
		p.G, p.Class, p.Func = g.ID, g.Class, g.Func
		if p.From == ProcAssist {
			g.assistCPU += held
		}
	}
	t.ev.Proc = &p.Proc
	t.send(KindProc)
	if to <= ProcNotExist { // or the trace ends
		t.tellProcLife(p)
	}
}

func (t *tracker) tellProcLife(p *proc) {
	t.procLife = ProcLife{p.ID, p.begin, p.spent}
	t.send(KindProcLife)
}

func (t *tracker) procEvent(ev *wire.Event) {
	p := t.proc(ProcID(ev.Res))
	if p == nil {
		return
	}
	from, to := ev.From, ev.To
	v1Start := t.tr.V1() && from == wire.ProcUndetermined
	switch {
	case v1Start && to == wire.ProcRunning:
		from = wire.ProcIdle // its first start (it/tracev1.go)
	case from == to && to == wire.ProcRunning:
		return
	case from == wire.ProcUndetermined || from == wire.ProcNotExist:
		if to == wire.ProcRunning {
			p.m = ThreadID(ev.M)
			if p.From == ProcIdle || p.From == ProcStopped {
				t.retroProc(p, ProcScheduler)
			}
		}
		return
	}
	if to == wire.ProcRunning {
		if p.From != ProcIdle && p.From != ProcStopped {
			t.tr.Quality.ProcMismatch++
		}
		p.m = ThreadID(ev.M)
		t.setProc(p, ProcScheduler)
		return
	}
	// Idle, by itself or taken. Idle to Idle is the steal of a P that a thread
	// left behind in C; it was counted as idle already.
	if p.From == ProcIdle || p.From == ProcStopped {
		if from == wire.ProcRunning {
			t.tr.Quality.ProcMismatch++
		}
		return
	}
	taker := TakerNone
	if p.From == ProcSyscall {
		taker = t.taker(ev, p)
	}
	t.endSlice(p)
	if t.stw.active && !t.stw.restarted {
		t.stopProc(p, taker)
	} else {
		t.takeProc(p, ProcIdle, taker)
	}
	if p.g != nil {
		p.g.p = nil
		p.g = nil
	}
	p.m = NoThread
	if p.dying {
		t.dropProc(p) // the stopper's own P goes last
	}
}

// taker tells who takes the P of a goroutine in a system call.
func (t *tracker) taker(ev *wire.Event, p *proc) Taker {
	stopped := t.stw.active && !t.stw.restarted
	switch {
	case t.tr.V1():
		// The P is stopped under its own name, whoever does it.
		if stopped {
			return TakerSTW
		}
		return TakerOther
	case p.g != nil && p.g.callback && ProcID(ev.P) == p.ID:
		return TakerOther // end of a cgo callback: the thread keeps the P in C
	case ProcID(ev.P) == p.ID:
		return TakerSelf
	case stopped && t.stw.g != nil && GoID(ev.G) == t.stw.g.ID:
		return TakerSTW
	case GoID(ev.G) == NoGo && ProcID(ev.P) == NoProc:
		return TakerSysmon
	case GoID(ev.G) == NoGo:
		return TakerOther
	case ProcID(ev.P) == NoProc:
		return TakerExiting
	}
	return TakerSafepoint
}

// startSlice begins a time slice, unless the goroutine inherits the one under way.
func (t *tracker) startSlice(p *proc, g *goroutine, o Origin) {
	if p.sliced && (o == OriginRunNext || o == OriginCoroutine) {
		p.slice.Runs++
		return
	}
	t.endSlice(p)
	t.openSlice(p, Slice{P: p.ID, Start: t.now, Runs: 1, G: g.ID, Class: g.Class, Func: g.Func})
}

func (t *tracker) openSlice(p *proc, s Slice) {
	s.End = s.Start // until a run is seen to end: in a broken trace none may
	p.sliced, p.slice, p.sliceC, p.stretch = true, s, t.waits.crowded, stretch{from: s.Start}
}

// cutSlice notes that the goroutine of p's time slice stops the world.
func (t *tracker) cutSlice(p *proc) {
	s := &p.stretch
	s.longest = max(s.longest, int64(t.now-s.from))
	s.late = s.late || t.lateWait(p)
	s.crowded = t.waits.crowded
}

// lateWait is Slice.LateWait of the stretch under way.
func (t *tracker) lateWait(p *proc) bool {
	return t.waits.crowded > p.sliceC && t.waits.lastCrowded > p.stretch.from+20e6
}

func (t *tracker) endSlice(p *proc) {
	if !p.sliced {
		return
	}
	p.sliced = false
	if g := p.g; g != nil { // taken from a system call
		t.stampSlice(p, g, p.Stack, g.From, PreemptNone)
	}
	t.ev.Slice = &p.slice
	t.send(KindSlice)
}

// stampSlice notes the end of a goroutine run as the end of p's time slice; the
// next start may continue it.
func (t *tracker) stampSlice(p *proc, g *goroutine, stack StackID, to GoState, how Preempt) {
	s := &p.slice
	s.End, s.G, s.Class, s.Func, s.Stack = t.now, g.ID, g.Class, g.Func, stack
	s.To, s.Preempt, s.STW = to, how, t.stw.active && !t.stw.restarted
	s.Contended, s.LateWait = t.waits.crowded-p.sliceC, p.stretch.late
	now := int64(0) // the stretch under way
	if p.From != ProcStopper {
		now = int64(t.now - p.stretch.from)
		s.LateWait = s.LateWait || t.lateWait(p)
	}
	if p.stretch.from > s.Start || p.From == ProcStopper {
		s.Cut = int64(t.now-s.Start) - max(p.stretch.longest, now)
	}
}
