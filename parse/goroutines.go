package parse

import (
	"slices"
	"strings"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

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
		return Class(c&^about - 1)
	}
	c := classOf(t.strings[entry])
	t.classes[entry] = uint8(c) + 1
	switch fn := t.strings[entry]; {
	case isGoWrap(fn):
		t.classes[entry] |= wraps
	case calledByC(fn):
		t.classes[entry] |= fromC
	case RunsFinalizers(fn):
		t.classes[entry] |= finalizes
	case isGroupGo(fn):
		t.classes[entry] |= groups
	}
	return c
}

// What else tracker.classes tells of an entry function.
const (
	wraps     = 0x80 // the compiler made it for a go statement
	fromC     = 0x40 // see calledByC
	finalizes = 0x20 // see RunsFinalizers
	groups    = 0x10 // see isGroupGo
	about     = wraps | fromC | finalizes | groups
)

// blankGoroutine is one to be filled in. Those that ended are still known to the last
// calls, so they are not the first to be used for who comes back.
func (t *tracker) blankGoroutine(first, second *[]*goroutine) *goroutine {
	if t.parking.whole++; t.parking.whole > t.parking.limit {
		t.next = 0
	}
	free := first
	if len(*free) == 0 {
		free = second
	}
	n := len(*free)
	if n == 0 {
		return new(goroutine)
	}
	g := (*free)[n-1]
	*free = (*free)[:n-1]
	regions, spans := g.regions[:0], g.past.spans
	*g = goroutine{}
	g.regions, g.past.spans = regions, spans
	return g
}

func (t *tracker) newGoroutine(id GoID, slot uint32) *goroutine {
	g := t.blankGoroutine(&t.freeGs, &t.parking.free)
	g.ID, g.slot, g.Home, g.LastP, g.P, g.Waker = id, slot, NoProc, NoProc, NoProc, NoGo
	g.Incarnation = t.incarnations[id]
	g.born, g.Since, g.unblocked = t.now, t.now, t.now
	if int(slot) >= len(t.gs) {
		t.gs = append(t.gs, make([]*goroutine, max(int(slot)+1-len(t.gs), len(t.gs)))...)
		t.limit()
	}
	t.gs[slot] = g
	return g
}

// counts returns where goroutines of g's class are counted.
func (t *tracker) counts(g *goroutine) *[NumGoStates]int32 {
	if g.Class == ClassUser {
		return &t.iv.User
	}
	return &t.iv.Runtime
}

func (t *tracker) count(g *goroutine, by int32) {
	if g.From == GoSyscall && g.Outside {
		return
	}
	t.counts(g)[g.From] += by
	if g.From == GoRunnable && g.Ready == ReadyYield && g.Class == ClassUser {
		t.iv.Yielding += by
	}
}

func (t *tracker) reclass(g *goroutine, c Class) {
	if c == g.Class {
		return
	}
	t.touch()
	t.count(g, -1)
	g.Class = c
	t.count(g, 1)
	if g.From == GoRunning && g.p != nil {
		// It was of that class all the time it ran.
		t.retroProc(g.p, t.runState(g))
	}
}

// exist makes g known in a state it has been in since the trace began.
func (t *tracker) exist(id GoID, slot uint32, state GoState) *goroutine {
	t.touch()
	g := t.newGoroutine(id, slot)
	g.born, g.Since, g.unblocked, g.Partial = t.begin, t.begin, t.begin, true
	g.From = state
	if id >= 2 && id <= 4 {
		// forcegchelper, bgsweep and bgscavenge are the first to be started (proc.go:init,
		// mgc.go:gcenable); their names may come only after their first wait.
		g.Class = ClassSystem
	}
	if state == GoRunnable {
		g.Ready = ReadyUnknown
		t.enqueue(g)
	}
	t.count(g, 1)
	t.tr.Initial++
	return g
}

func (t *tracker) goEvent(ev *wire.Event) {
	id := GoID(ev.Res)
	from, to := GoState(ev.From), GoState(ev.To)
	g := t.at(ev.Slot)
	if from == to || from == GoUndetermined {
		t.goStatus(ev, id, to, g)
		return
	}
	var by *goroutine // who does something to g
	if from == GoWaiting || from == GoNotExist {
		if by = t.contextOf(ev); by != nil && (by.Func == 0 || by.bodyStack == 0) {
			t.name(by, StackID(ev.Stack)) // which it has wherever it does something to another
		}
	}
	if from == GoNotExist {
		t.create(ev, id, to, by)
		return
	}
	if g == nil {
		t.tr.Quality.StateMismatch++
		g = t.exist(id, ev.Slot, from)
		by = t.contextOf(ev)
	}
	if g.From != from {
		t.tr.Quality.StateMismatch++
		by = t.contextOf(ev) // it may end a wait after all
	}
	stack := StackID(ev.ResStack)
	if stack != 0 && (g.Func == 0 || g.bodyDepth != 1 && stack != g.bodyStack && t.stacks[stack].tells) {
		t.name(g, stack)
	}
	t.touch()
	t.count(g, -1)
	g.Reason, g.Stack = StringID(ev.Reason), stack
	if from == GoRunning {
		if to != GoSyscall {
			g.Preempt = t.preempt(ev, to)
		}
		g.STW = t.stw.active && !t.stw.restarted
	}
	var p *proc
	switch to {
	case GoSyscall:
		g.Outside = g.callback && stack == 0
	case GoRunnable:
		t.readied(ev, g, from)
	case GoRunning:
		p = t.runs(g, from, ProcID(ev.P))
	}
	t.closeGo(g, to)
	if t.holds.on {
		t.keep(g)
		if g.place != 0 {
			t.endWait(g, by, StackID(ev.Stack))
		} else if from == GoWaiting && g.Ready == ReadyNetpoll {
			t.endPoll(g)
		}
	}
	if t.rounds && (g.round != nil || from == GoWaiting && g.Ready == ReadyTimer && t.stacks[g.FromStack].ticks) {
		t.followRound(g)
	}
	if t.reqs.on {
		t.keepStep(g, by, StackID(ev.Stack))
	}
	how, origin, fromStack := g.Preempt, g.Origin, g.FromStack
	if g.From == GoRunnable && to != GoRunnable {
		g.Ready, g.Home, g.Waker, g.WakerStack = 0, 0, 0, 0
		g.BlockedOn, g.BlockedStack, g.BlockedSince = 0, 0, 0
		g.Origin, g.Victim, g.StealBatch = 0, 0, 0
	}
	g.Preempt, g.STW = 0, false
	g.Outside = g.Outside && to == GoSyscall
	g.From, g.Since, g.First, g.Partial, g.FromReason, g.FromStack = to, t.now, false, false, g.Reason, stack
	switch to {
	case GoRunnable:
		g.waited = t.waits.parts
		t.enqueue(g)
		if t.origins && GoID(ev.G) == NoGo && (g.Ready == ReadyNetpoll || g.Ready == ReadyRuntime) {
			t.queues.hand(&g.q, ProcID(ev.P), g.Ready, int(t.iv.P[ProcIdle]))
		}
		t.count(g, 1)
	case GoNotExist:
	default:
		g.single = t.waits.single
		t.count(g, 1)
	}
	if from != GoWaiting || p != nil {
		t.moveProc(ev, g, p, from, to, how, origin)
	}
	if t.reqs.on {
		if from == GoWaiting {
			t.wakesAt(by, StackID(ev.Stack))
		}
		if g.reqs != nil || t.stacks[fromStack].serves.some || t.stacks[stack].serves.some {
			t.followRequests(g, from, to, fromStack)
		}
	}
	switch {
	case to == GoNotExist:
		t.destroy(g)
	case to == GoSyscall:
		g.quiet = t.waits.quiet
		if t.holds.on && !g.Outside {
			t.noteCall(g)
		}
	case to == GoWaiting && t.holds.on && !ev.Coro:
		t.beginWait(g)
	}
	if g.finalizes && (from == GoWaiting || to == GoWaiting) {
		t.reclass(g, t.lends(g))
	}
}

// runs takes in on which P g, in a state until now, begins to run.
func (t *tracker) runs(g *goroutine, from GoState, id ProcID) *proc {
	last := g.P
	g.P = id
	p := t.proc(id)
	if p == nil {
		t.tr.Quality.ProcMismatch++
		t.queues.remove(&g.q)
	}
	if from != GoRunnable {
		g.unblocked = t.now
		return p
	}
	if last != NoProc {
		g.LastP = last
	}
	if t.origins && p != nil {
		g.Origin, g.Victim, g.StealBatch = t.queues.start(&g.q, p.queue, g.readying())
	}
	if t.later[KindGoRunnable] != nil || t.holds.on || t.reqs.on {
		g.mostly = t.waits.split(&g.Wait, &g.waited, int64(t.now-g.Since))
	}
	return p
}

// lends says for whom a goroutine that runs finalizers or cleanups works: for the
// program, but where it waits for the next, in no function but the runtime's.
func (t *tracker) lends(g *goroutine) Class {
	if g.From == GoWaiting && g.FromReason != t.preempted && !slices.ContainsFunc(t.stacks[g.FromStack].frames, func(f Frame) bool {
		return !strings.HasPrefix(t.strings[f.Func], "runtime.")
	}) {
		return ClassSystem
	}
	return ClassUser
}

// readying says how g became runnable.
func (g *goroutine) readying() readying {
	return readying{g.Ready, g.Home, g.Since, g.direct, g.blockedKind == blockAssist}
}

// enqueue places g, which just became runnable.
func (t *tracker) enqueue(g *goroutine) {
	if t.origins {
		t.queues.enqueue(&g.q, g.readying())
	}
}

// restartQueues places the runnable goroutines anew, oldest readying first.
func (t *tracker) restartQueues() {
	if !t.origins {
		return
	}
	t.work(len(t.gs))
	t.queues.reset()
	for _, slot := range t.live(func(g *goroutine) bool { return g.From == GoRunnable }) {
		t.enqueue(t.gs[slot])
	}
}

// unhand forgets what the scheduler readied on a P when the P does something else.
func (t *tracker) unhand(ev *wire.Event) {
	p := t.queues.lookup(ProcID(ev.P))
	if p == nil || p.handed == nil {
		return
	}
	if ev.Op == wire.OpGo && GoID(ev.G) == NoGo {
		if g := t.at(ev.Slot); GoState(ev.From) == GoWaiting || g != nil && p.handed == &g.q {
			return
		}
	}
	t.queues.unhand(p)
}

// closeGo sends the end of g's span; what depends on the transition is in g already.
func (t *tracker) closeGo(g *goroutine, to GoState) {
	held := int64(t.now - g.Since)
	g.spent[g.From] += held
	g.To = to
	switch {
	case g.From == GoRunning && g.Class == ClassUser:
		g.Alone, g.alone = t.waits.single-g.single, g.alone+t.waits.single-g.single
	case g.From == GoSyscall && g.Outside:
		g.outside += held
		g.idle += held
	case g.From == GoSyscall:
		g.Alone = t.waits.quiet - g.quiet
	case g.From == GoWaiting && (t.stacks[g.FromStack].idle || g.finalizes && g.Class == ClassSystem):
		g.idle += held
	}
	t.ev.Go = &g.Go
	t.send(Kind(g.From))  // the kinds of goroutine events are numbered so
	if to <= GoNotExist { // or the trace ends
		t.tellLife(g, KindGoLife, to == GoNotExist)
	}
}

// tellLife tells what g has done so far.
func (t *tracker) tellLife(g *goroutine, k Kind, ended bool) {
	class := g.Class
	if g.finalizes {
		class = ClassSystem
	}
	unblocked := int64(0)
	if !ended && (g.From == GoRunning || g.From == GoRunnable) {
		unblocked = int64(t.now - g.unblocked)
	}
	t.life = GoLife{g.ID, class, g.Func, g.Body, t.common(g), g.site, g.born, g.bornSeen, ended, g.spent, g.idle, g.alone, g.outside, unblocked}
	t.send(k)
}

// moveProc follows on the P what a goroutine's transition means.
func (t *tracker) moveProc(ev *wire.Event, g *goroutine, p *proc, from, to GoState, how Preempt, origin Origin) {
	switch {
	case to == GoRunning && p != nil:
		if from == GoRunnable {
			g.mode = ModeNone
			t.startSlice(p, g, origin)
		}
		if old := p.g; old != nil && old != g && p.From == ProcSyscall && t.tr.V1() {
			// Up to Go 1.21 a thread leaving its system call can take the P of
			// another without an event.
			t.takeProc(p, ProcScheduler, TakerOther)
			p.g, old.p = nil, nil
		}
		if p.From == ProcIdle || p.From == ProcStopped || p.g != nil && p.g != g && !ev.Coro {
			t.tr.Quality.ProcMismatch++
		}
		t.setProc(p, t.runState(g))
		p.g, g.p = g, p
		p.Stack = 0
	case from == GoRunning:
		p = g.p
		if p == nil {
			return
		}
		p.Stack = StackID(ev.ResStack)
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
			if p.g == g && p.From == ProcSyscall {
				t.setProc(p, ProcScheduler)
			}
			if p.g == g {
				p.g = nil
			}
			g.p = nil
		}
	}
}

// create begins a goroutine that by starts, nil for none.
func (t *tracker) create(ev *wire.Event, id GoID, to GoState, by *goroutine) {
	if old := t.at(ev.Slot); old != nil {
		t.tr.Quality.StateMismatch++
		t.destroy(old)
	}
	t.touch()
	if to == GoSyscall {
		t.incarnations[id]++
	}
	g := t.newGoroutine(id, ev.Slot)
	g.bornSeen, g.First = true, true
	g.callback = to == GoSyscall
	g.site = StackID(ev.Stack)
	if StackID(ev.ResStack) != 0 {
		if g.Func = t.entry(g, StackID(ev.ResStack)); g.Func != 0 {
			g.Class = t.class(g.Func)
			g.finalizes = t.classes[g.Func]&finalizes != 0
		}
	}
	t.foretell(g, StackID(ev.Values[0]))
	if g.callback && g.Func == 0 {
		g.Func = t.cgocallback
	}
	if to == GoRunnable {
		g.Ready, g.Home, g.Waker, g.WakerStack = ReadyCreated, ProcID(ev.P), GoID(ev.G), StackID(ev.Stack)
	}
	g.From, g.Stack, g.quiet = GoNotExist, StackID(ev.ResStack), t.waits.quiet
	t.closeGo(g, to)
	g.From, g.Outside = to, g.callback
	g.waited = t.waits.parts
	if to == GoRunnable {
		t.enqueue(g)
	}
	t.count(g, 1)
	if t.reqs.on {
		t.beginRequests(g, by, StackID(ev.Stack))
	}
}

func (t *tracker) destroy(g *goroutine) {
	for _, o := range g.regions {
		t.endRegion(g, o, true)
		t.reqs.end()
	}
	if t.reqs.on {
		t.endRequests(g)
	}
	if g.Func == 0 && g.Class == ClassUser {
		t.tr.Quality.Unnamed++
	}
	if g.p != nil && g.p.g == g {
		g.p.g = nil
	}
	t.queues.remove(&g.q)
	if g.place != 0 {
		t.endWait(g, nil, 0)
	}
	t.forget(g, &t.freeGs)
}

// goStatus takes in a status event, which is no transition: the goroutine was in
// that state since the generation began.
func (t *tracker) goStatus(ev *wire.Event, id GoID, state GoState, g *goroutine) {
	if state == GoUndetermined { // the runtime's own word for a status that is none
		t.tr.Quality.StateMismatch++
		return
	}
	known := g != nil
	if !known {
		g = t.exist(id, ev.Slot, state)
		if state == GoWaiting && !t.tr.V1() { // v1 says where it started, not where it waits
			g.FromStack = StackID(ev.ResStack)
		}
	} else if g.From != state {
		t.tr.Quality.StateMismatch++
	}
	t.name(g, StackID(ev.ResStack))
	t.foretell(g, StackID(ev.Values[0]))
	if !known && state == GoSyscall && (g.callback || g.Func == 0 && t.tr.V1()) {
		// Up to Go 1.21 all others have a name (trace.go: StartTrace).
		t.count(g, -1)
		g.callback, g.Outside = true, true
		if g.Func == 0 {
			g.Func = t.cgocallback
		}
	}
	if !known && state == GoWaiting && t.holds.on {
		t.beginWait(g)
	}
	if state != GoRunning && state != GoSyscall || g.p != nil {
		return
	}
	// The context of a status event is the thread's own only when the P is bound to it.
	p := t.proc(ProcID(ev.P))
	if p == nil || p.m != ThreadID(ev.M) || p.g != nil || p.From == ProcIdle {
		return
	}
	t.touch()
	s := ProcSyscall
	if state == GoRunning {
		s = t.runState(g)
	}
	if t.tr.V1() {
		// Its start, told as a status.
		g.born, g.Since, g.unblocked = t.now, t.now, t.now
		t.setProc(p, s)
	} else {
		t.retroProc(p, s)
	}
	p.g, g.p, g.P = g, p, p.ID
	if state == GoRunning {
		t.openSlice(p, Slice{P: p.ID, Start: p.Since, Partial: true, Runs: 1})
	}
}
