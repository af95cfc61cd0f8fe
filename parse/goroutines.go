package parse

import "github.com/tracelens/tracelens/parse/internal/wire"

// blockKind groups block reasons by who ends the wait.
type blockKind uint8

const (
	blockOther blockKind = iota
	blockNetwork
	blockSleep
	blockAssist
	blockGC
	blockPreempted
	blockSystem
	blockNone // unknown: blocked before the trace, or a coroutine switch
)

func (t *tracker) blockKind(reason StringID) blockKind {
	if int(reason) >= len(t.blocks) {
		t.blocks = append(t.blocks, make([]blockKind, len(t.strings)-len(t.blocks))...)
	}
	if k := t.blocks[reason]; k != 0 {
		return k - 1
	}
	k := blockOther
	switch t.strings[reason] {
	case "":
		k = blockNone
	case "network":
		k = blockNetwork
	case "sleep":
		k = blockSleep
	case "GC mark assist wait for work":
		k = blockAssist
	case "wait until GC ends", "GC weak to strong wait":
		k = blockGC
	case "preempted":
		k = blockPreempted
	case "system goroutine wait", "GC background sweeper wait":
		k = blockSystem
	}
	t.blocks[reason] = k + 1
	return k
}

func (t *tracker) class(entry StringID) Class {
	if int(entry) >= len(t.classes) {
		t.classes = append(t.classes, make([]uint8, len(t.strings)-len(t.classes))...)
	}
	if c := t.classes[entry]; c != 0 {
		return Class(c - 1)
	}
	c := classOf(t.strings[entry])
	t.classes[entry] = uint8(c) + 1
	return c
}

func (t *tracker) newGoroutine(id GoID, slot uint32) *goroutine {
	var g *goroutine
	if n := len(t.freeGs); n > 0 {
		g = t.freeGs[n-1]
		t.freeGs = t.freeGs[:n-1]
		*g = goroutine{regions: g.regions[:0]}
	} else {
		g = new(goroutine)
	}
	g.id, g.slot, g.home, g.lastP, g.onP, g.waker = id, slot, NoProc, NoProc, NoProc, NoGo
	g.incarnation = t.incarnations[id]
	g.born, g.since = t.now, t.now
	t.gs[slot] = g
	return g
}

// counts returns where goroutines of g's class are counted.
func (t *tracker) counts(g *goroutine) *[NumGoStates]int32 {
	if g.class == ClassUser {
		return &t.ev.Interval.User
	}
	return &t.ev.Interval.Runtime
}

func (t *tracker) count(g *goroutine, by int32) {
	t.counts(g)[g.state] += by
	if g.state == GoRunnable && g.ready == ReadyYield && g.class == ClassUser {
		t.ev.Interval.Yielding += by
	}
}

// name learns g's entry function from one of its stacks.
func (t *tracker) name(g *goroutine, s StackID) {
	if s == 0 {
		return
	}
	entry := t.stacks[s].entry
	if entry == 0 {
		return
	}
	g.fn = entry
	t.reclass(g, t.class(entry))
}

func (t *tracker) reclass(g *goroutine, c Class) {
	if c == g.class {
		return
	}
	t.touch()
	t.count(g, -1)
	g.class = c
	t.count(g, 1)
	if g.state == GoRunning && g.p != nil {
		// It was of that class all the time it ran.
		t.retroProc(g.p, t.runState(g))
	}
}

// exist makes g known in a state it has been in since the trace began.
func (t *tracker) exist(id GoID, slot uint32, state GoState) *goroutine {
	t.touch()
	g := t.newGoroutine(id, slot)
	g.born, g.since, g.partial = t.begin, t.begin, true
	g.state = state
	if id >= 2 && id <= 4 {
		// forcegchelper, bgsweep and bgscavenge are the first to be started (proc.go:init,
		// mgc.go:gcenable); their names may come only after their first wait.
		g.class = ClassSystem
	}
	if state == GoRunnable {
		g.ready = ReadyUnknown
		t.enqueue(g)
	}
	t.count(g, 1)
	t.tr.Initial++
	return g
}

func (t *tracker) goEvent(ev *wire.Event) {
	id := GoID(ev.Res)
	from, to := GoState(ev.From), GoState(ev.To)
	g := t.gs[ev.Slot]
	if from == to || from == GoUndetermined {
		t.goStatus(ev, id, to, g)
		return
	}
	if from == GoNotExist {
		t.create(ev, id, to)
		return
	}
	if g == nil {
		t.tr.Quality.StateMismatch++
		g = t.exist(id, ev.Slot, from)
	}
	if g.state != from {
		t.tr.Quality.StateMismatch++
	}
	if g.fn == 0 {
		t.name(g, StackID(ev.ResStack))
	}
	t.touch()
	e := &t.ev.Go
	*e = Go{}
	e.Reason, e.Stack = StringID(ev.Reason), StackID(ev.ResStack)
	e.P = g.onP
	switch {
	case to == GoRunnable:
		t.readied(ev, g, from, e)
	case from == GoRunnable:
		e.Ready, e.Home, e.Waker, e.WakerStack = g.ready, g.home, g.waker, g.wakerStack
		e.BlockedOn, e.BlockedStack, e.BlockedSince = g.blockedOn, g.blockedStack, g.blockedSince
	}
	if from == GoRunning {
		e.Preempt = t.preempt(ev, to)
		e.STW = t.stw.active && !t.stw.restarted
	}
	var p *proc
	if to == GoRunning {
		e.P = ProcID(ev.P)
		if p = t.proc(ProcID(ev.P)); p == nil {
			t.tr.Quality.ProcMismatch++
		} else if from == GoRunnable {
			e.Origin, e.Victim, e.StealBatch = t.dequeue(g, p)
			t.waitParts(g, e)
		}
	}
	t.closeGo(g, to)
	t.count(g, -1)
	stack := StackID(ev.ResStack)
	if to == GoRunnable {
		g.ready, g.home, g.waker, g.wakerStack = e.Ready, e.Home, e.Waker, e.WakerStack
		g.blockedOn, g.blockedStack, g.blockedSince = e.BlockedOn, e.BlockedStack, e.BlockedSince
		g.blockedKind = t.blockKind(g.blockedOn)
		g.waited = t.waits
	}
	if from == GoRunning {
		g.ran += int64(t.now - g.since)
	}
	g.state, g.since, g.partial, g.reason, g.stack = to, t.now, false, StringID(ev.Reason), stack
	if to == GoRunnable {
		t.enqueue(g)
		t.hand(ev, g)
	}
	if to != GoNotExist {
		t.count(g, 1)
	}
	t.moveProc(ev, g, p, from, to, e.Preempt)
	if to == GoNotExist {
		t.destroy(g)
	}
}

// hand notes a goroutine that the scheduler readied on its P, which may start it
// next without queueing it. Of a netpoll batch that is the last one; the first
// ones, as many as Ps are idle, may go to the global queue.
func (t *tracker) hand(ev *wire.Event, g *goroutine) {
	if GoID(ev.G) != NoGo || g.ready != ReadyNetpoll && g.ready != ReadyRuntime {
		return
	}
	p := t.lookup(ProcID(ev.P))
	if p == nil {
		return
	}
	if p.handed == nil {
		p.batch = 0
		t.handed++
	}
	g.q.inject = g.ready == ReadyNetpoll && p.batch < int(t.ev.Interval.P[ProcIdle])
	p.batch++
	p.handed = g
}

// unhand forgets it when the P does something else.
func (t *tracker) unhand(ev *wire.Event) {
	p := t.lookup(ProcID(ev.P))
	if p == nil || p.handed == nil {
		return
	}
	if ev.Op == wire.OpGo && GoID(ev.G) == NoGo && (GoState(ev.From) == GoWaiting || GoID(ev.Res) == p.handed.id) {
		return
	}
	p.handed = nil
	t.handed--
}

// closeGo sends the end of g's span; the parts that depend on the transition
// are in t.ev.Go already.
func (t *tracker) closeGo(g *goroutine, to GoState) {
	g.lived += int64(t.now - g.since)
	e := &t.ev.Go
	e.ID, e.Incarnation, e.Class, e.Func, e.Site = g.id, g.incarnation, g.class, g.fn, g.site
	e.Born, e.BornSeen, e.Lived = g.born, g.bornSeen, g.lived
	e.From, e.To, e.Since, e.Partial = g.state, to, g.since, g.partial
	e.FromReason, e.FromStack = g.reason, g.stack
	e.LastP = g.lastP
	t.send(Kind(g.state)) // the kinds of goroutine events are numbered so
}

// waitParts splits the wait that ends now.
func (t *tracker) waitParts(g *goroutine, e *Go) {
	left := int64(t.now - g.since)
	most := CauseUnknown
	for c := range e.Wait {
		e.Wait[c] = t.waits[c] - g.waited[c]
		left -= e.Wait[c]
		if e.Wait[c] > e.Wait[most] {
			most = Cause(c)
		}
	}
	// The division by the number of Ps carries less than a ns per P over either
	// end of the wait.
	e.Wait[most] += left
	for c := 0; e.Wait[most] < 0; c++ {
		take := min(-e.Wait[most], e.Wait[c])
		if Cause(c) != most && take > 0 {
			e.Wait[c] -= take
			e.Wait[most] += take
		}
	}
}

// readied tells how g becomes runnable.
func (t *tracker) readied(ev *wire.Event, g *goroutine, from GoState, e *Go) {
	e.Waker, e.Home = NoGo, ProcID(ev.P)
	switch from {
	case GoRunning:
		switch e.Preempt = t.preempt(ev, GoRunnable); e.Preempt {
		case PreemptYield:
			e.Ready, e.Home = ReadyYield, NoProc
		case PreemptLockHandoff:
			e.Ready = ReadyLockHandoff
		default:
			e.Ready = ReadyPreempted
			// proc.go:goschedImpl keeps g on its P since Go 1.26 if a stop-the-world waits.
			if t.tr.Version < 26 || !t.stw.active || t.stw.restarted {
				e.Home = NoProc
			}
		}
	case GoSyscall:
		e.Ready, e.BlockedStack = ReadySyscall, g.stack
	case GoWaiting:
		e.Waker, e.WakerStack = GoID(ev.G), StackID(ev.Stack)
		e.BlockedOn, e.BlockedStack = g.reason, g.stack
		if !g.partial {
			e.BlockedSince = g.since
		}
		e.Ready = t.wakeKind(ev, g)
		if e.Ready != ReadyUnblocked && e.Ready != ReadyCoroutine && e.Ready != ReadyGC {
			e.Waker = NoGo
		}
	}
}

func (t *tracker) wakeKind(ev *wire.Event, g *goroutine) Ready {
	if ev.Coro {
		return ReadyCoroutine
	}
	kind := t.blockKind(g.reason)
	stopped := t.stw.active && !t.stw.restarted && t.stw.g != nil && GoID(ev.G) == t.stw.g.id
	switch {
	case kind == blockAssist || kind == blockGC || kind == blockPreempted:
		return ReadyGC
	case kind == blockNetwork && (GoID(ev.G) == NoGo || stopped):
		return ReadyNetpoll
	case GoID(ev.G) != NoGo && !(kind == blockSystem && stopped):
		return ReadyUnblocked
	case kind == blockSystem || g.class != ClassUser:
		return ReadyRuntime
	case kind == blockNone && t.polls(g.stack):
		return ReadyNetpoll
	}
	return ReadyTimer
}

// polls reports whether a goroutine with this stack waits for the network
// poller: for waits that began before the trace.
func (t *tracker) polls(s StackID) bool {
	for _, f := range t.stacks[s].frames {
		if t.strings[f.Func] == "internal/poll.runtime_pollWait" {
			return true
		}
	}
	return false
}

// preempt tells how a running goroutine was made to stop.
func (t *tracker) preempt(ev *wire.Event, to GoState) Preempt {
	if to == GoWaiting {
		if StringID(ev.Reason) == t.preempted {
			return PreemptSuspend
		}
		return PreemptNone
	}
	if to != GoRunnable {
		return PreemptNone
	}
	if StringID(ev.Reason) == t.gosched {
		return PreemptYield
	}
	if StackID(ev.ResStack) == 0 {
		return PreemptUnknown
	}
	switch t.stacks[StackID(ev.ResStack)].top {
	case topAsyncPreempt:
		return PreemptAsync
	case topGoyield:
		return PreemptLockHandoff
	case topSemrelease:
		if t.tr.Version < 25 {
			return PreemptLockHandoff
		}
	}
	return PreemptCooperative
}

// moveProc follows on the P what a goroutine's transition means.
func (t *tracker) moveProc(ev *wire.Event, g *goroutine, p *proc, from, to GoState, how Preempt) {
	switch {
	case to == GoRunning && p != nil:
		if from == GoRunnable {
			if g.onP != NoProc {
				g.lastP = g.onP
			}
			g.onP = p.id
			g.mode = ModeNone
			t.startSlice(p, g, t.ev.Go.Origin)
		}
		if old := p.g; old != nil && old != g && p.state == ProcSyscall && t.tr.V1() {
			// Up to Go 1.21 a thread leaving its system call can take the P of
			// another without an event.
			t.takeProc(p, ProcScheduler, TakerOther)
			p.g, old.p = nil, nil
		}
		if p.state == ProcIdle || p.state == ProcStopped || p.g != nil && p.g != g && !ev.Coro {
			t.tr.Quality.ProcMismatch++
		}
		t.setProc(p, t.runState(g))
		p.g, g.p = g, p
		p.stack = 0
	case from == GoRunning:
		p = g.p
		if p == nil {
			return
		}
		p.stack = StackID(ev.ResStack)
		if to == GoSyscall {
			t.setProc(p, ProcSyscall)
			return
		}
		t.stampSlice(p, g, StackID(ev.ResStack), to, how)
		g.p = nil
		g.tail = g.tail && g.assist
		if ev.Coro {
			return // the P goes straight to the next goroutine
		}
		t.setProc(p, ProcScheduler)
		p.g = nil
	case from == GoSyscall:
		// It lost its P, or (v1) its P's stop follows.
		if p = g.p; p != nil {
			if p.g == g && p.state == ProcSyscall {
				t.setProc(p, ProcScheduler)
			}
			if p.g == g {
				p.g = nil
			}
			g.p = nil
		}
	}
}

func (t *tracker) create(ev *wire.Event, id GoID, to GoState) {
	if old := t.gs[ev.Slot]; old != nil {
		t.tr.Quality.StateMismatch++
		t.destroy(old)
	}
	t.touch()
	if to == GoSyscall {
		t.incarnations[id]++
	}
	g := t.newGoroutine(id, ev.Slot)
	g.bornSeen = true
	g.callback = to == GoSyscall
	g.site = StackID(ev.Stack)
	if StackID(ev.ResStack) != 0 {
		if g.fn = t.stacks[StackID(ev.ResStack)].entry; g.fn != 0 {
			g.class = t.class(g.fn)
		}
	}
	e := &t.ev.Go
	*e = Go{}
	if to == GoRunnable {
		g.ready, g.home, g.waker, g.wakerStack = ReadyCreated, ProcID(ev.P), GoID(ev.G), StackID(ev.Stack)
		e.Ready, e.Home, e.Waker, e.WakerStack = g.ready, g.home, g.waker, g.wakerStack
	}
	g.state = GoNotExist
	e.Stack, e.P = StackID(ev.ResStack), NoProc
	t.closeGo(g, to)
	g.state = to
	g.waited = t.waits
	if to == GoRunnable {
		t.enqueue(g)
	}
	t.count(g, 1)
}

func (t *tracker) destroy(g *goroutine) {
	for _, o := range g.regions {
		t.endRegion(g, o, true)
	}
	if g.fn == 0 && g.class == ClassUser {
		t.tr.Quality.Unnamed++
	}
	if g.p != nil && g.p.g == g {
		g.p.g = nil
	}
	t.unqueue(g, g.q)
	t.gs[g.slot] = nil
	t.freeGs = append(t.freeGs, g)
}

// goStatus takes in a status event, which is no transition: the goroutine was in
// that state since the generation began.
func (t *tracker) goStatus(ev *wire.Event, id GoID, state GoState, g *goroutine) {
	if g == nil {
		g = t.exist(id, ev.Slot, state)
		if StackID(ev.ResStack) != 0 && state == GoWaiting {
			g.stack = StackID(ev.ResStack)
		}
	} else if g.state != state {
		t.tr.Quality.StateMismatch++
	}
	if g.fn == 0 {
		t.name(g, StackID(ev.ResStack))
	}
	if state != GoRunning && state != GoSyscall || g.p != nil {
		return
	}
	// The context of a status event is the thread's own only when the P is bound to it.
	p := t.proc(ProcID(ev.P))
	if p == nil || p.m != ThreadID(ev.M) || p.g != nil || p.state == ProcIdle {
		return
	}
	t.touch()
	s := ProcSyscall
	if state == GoRunning {
		s = t.runState(g)
	}
	if t.tr.V1() {
		// Its start, told as a status.
		g.born, g.since = t.now, t.now
		t.setProc(p, s)
	} else {
		t.retroProc(p, s)
	}
	p.g, g.p, g.onP = g, p, p.id
	if state == GoRunning {
		p.sliced = true
		p.slice = Slice{P: p.id, Start: p.since, Partial: true, Runs: 1}
		p.sliceC = t.crowded
	}
}
