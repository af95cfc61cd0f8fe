package parse

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/exp/trace"
)

// goroutine is what the tracker knows of a live goroutine.
type goroutine struct {
	id          GoID
	incarnation uint32
	class       Class
	fn          StringID // entry function, 0 while unknown
	site        StackID
	born        Time
	bornSeen    bool
	callback    bool // created by a cgo callback on a C thread
	lived       int64
	ran         int64 // ns running in closed spans

	state   GoState
	since   Time
	partial bool
	reason  StringID
	stack   StackID

	p     *proc  // running, or in a system call with it
	onP   ProcID // P of the current or last run
	lastP ProcID // P of the run before

	ready        Ready
	home         ProcID
	waker        GoID
	wakerStack   StackID
	blockedOn    StringID
	blockedKind  blockKind
	blockedStack StackID
	blockedSince Time
	waited       [NumCauses]int64 // tracker.waits when it became runnable

	q          queued
	stolenFrom ProcID

	mode        Mode
	tail        bool // it stopped the world for mark termination: the rest of the run or assist is not marking
	assist      bool
	assistFrom  Time
	assistPart  bool
	assistCPU   int64
	assistStack StackID
	assistP     ProcID
	regions     []openRange
}

// openRange is a task or region that has begun.
type openRange struct {
	id, parent uint64
	name       StringID
	since      Time
	partial    bool
	stack      StackID
	p          ProcID
	cpu        int64 // of the goroutine when it began
	g          GoID
	class      Class
	fn         StringID
}

// proc is what the tracker knows of a P.
type proc struct {
	id      ProcID
	state   ProcState
	prior   ProcState
	since   Time
	partial bool
	lived   int64
	m       ThreadID
	g       *goroutine // running on it, or in a system call with it
	mode    Mode
	stack   StackID

	contended, blame int64 // tracker.contended and .blamed when the span began

	asked   ProcState // what it did when the current stop-the-world was requested
	stopped Time
	stw     Time // begin of the stop-the-world it stopped for last

	slice  Slice // the open time slice
	sliceC int64 // tracker.crowded when it began
	sliced bool  // a slice is open

	runnext      *goroutine
	local        fifo
	handed       *goroutine // readied by the scheduler on this P just now
	batch        int        // goroutines of the current netpoll batch
	dedicated    bool
	dedicatedEnd Time

	dying bool // GOMAXPROCS shrank below it while it was in use

	sweeping   bool
	sweepFrom  Time
	sweepPart  bool
	sweepStack StackID
}

// stopping is the stop-the-world under way.
type stopping struct {
	active    bool
	restarted bool
	g         *goroutine
	p         *proc
	r         Range
}

// tracker turns the events of a reader into spans: it follows the state of every
// goroutine and P, the ranges, the run queues, and the integrals that say what
// runnable goroutines wait for.
type tracker struct {
	tr   *Trace
	sym  *Symbols
	opt  Options
	emit func(*Event)
	on   bool // inside the window
	done bool // past it
	ev   Event

	now, begin Time // current event; start of the trace or window
	first      bool // the first event is still to come
	syncs      int
	generation int
	events     int64
	unmoved    int64
	zeros      [8]int64 // of them: by the number of trailing zero bits of their time

	gs           map[GoID]*goroutine
	freeGs       []*goroutine
	incarnations map[GoID]uint32 // of ids that cgo callbacks use
	ps           []*proc
	procs        int // GOMAXPROCS, 0 while unknown
	threads      map[ThreadID]struct{}
	lastThread   ThreadID
	classes      []uint8     // by StringID: class+1 of an entry function
	blocks       []blockKind // by StringID: kind+1 of a block reason
	tasks        map[uint64]openRange

	iv      Interval
	modes   [NumModes]int32 // Ps in ProcWorker by mode
	stw     stopping
	gc      Range // the cycle under way
	gcOn    bool
	gcEnded bool // GCEnd was seen, its stop-the-world still lasts

	global  fifo
	scratch []*goroutine

	// Integrals over time, in ns. At each instant the wait of every runnable
	// goroutine is made of: stop-the-world if one is under way; else wake-up, as far
	// as idle Ps could take the runnable goroutines; else what the other Ps do, each
	// an equal part.
	waits       [NumCauses]int64
	rest        int64 // of the division by the number of Ps
	contended   int64 // time with a runnable user goroutine
	blamed      int64 // per busy P: time times waiting user goroutines (no yields)
	crowded     int64 // time with a runnable user goroutine and no idle P
	lastCrowded Time
}

const maxProcs = 1 << 16

func newTracker(tr *Trace, opt Options, emit func(*Event)) *tracker {
	return &tracker{
		tr: tr, sym: tr.Symbols, opt: opt, emit: emit, first: true,
		gs: make(map[GoID]*goroutine), incarnations: make(map[GoID]uint32),
		threads: make(map[ThreadID]struct{}), lastThread: NoThread,
		tasks: make(map[uint64]openRange),
	}
}

// run reads src to its end or fault and closes what is open then.
func (t *tracker) run(ctx context.Context, src source, progress func()) error {
	var ev rawEvent
	var err error
	for n := 0; ; n++ {
		if n&0xfff == 0 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if n&0x3ffff == 0 {
				progress()
			}
		}
		if err = src.next(&ev); err != nil {
			break
		}
		if ev.time < 0 && ev.op != opSync {
			err = fmt.Errorf("event time %d: the clock frequency is broken", ev.time)
			break
		}
		t.event(&ev)
		if t.done {
			break
		}
	}
	progress()
	t.finish()
	if err == io.EOF {
		t.generation = max(0, t.syncs-1)
		if t.tr.V1() {
			t.generation = 1
		}
		return nil
	}
	t.generation = t.syncs
	return err
}

// event follows one event of the reader.
func (t *tracker) event(ev *rawEvent) {
	if ev.op == opSync {
		t.sync(ev)
		return
	}
	if t.first {
		t.start(ev.time)
	} else if ev.time-t.now > 3600e9 {
		t.tr.Quality.ClockJumps++
	}
	t.events++
	if ev.coro && !(ev.op == opGo && GoState(ev.from) == GoWaiting) {
		ev.time = t.now // the three events of a switch happen at once
	}
	if ev.time > t.now+1 {
		t.zeros[trailingZeros(ev.time)]++ // not moved by the reader
		t.unmoved++
	}
	if t.opt.To > 0 && ev.time > t.tr.First+Time(t.opt.To) {
		t.advance(t.tr.First + Time(t.opt.To))
		t.done = true
		return
	}
	if !t.on && ev.time >= t.tr.First+Time(t.opt.From) {
		t.advance(t.tr.First + Time(t.opt.From))
		t.openWindow()
	}
	t.advance(ev.time)
	if ev.m != t.lastThread && ev.m != NoThread {
		t.lastThread = ev.m
		t.threads[ev.m] = struct{}{}
	}
	t.ev.Time, t.ev.G, t.ev.P, t.ev.M, t.ev.Stack = ev.time, ev.g, ev.p, ev.m, ev.stack
	t.unhand(ev)
	switch ev.op {
	case opGo:
		t.goEvent(ev)
	case opProc:
		t.procEvent(ev)
	case opRangeBegin, opRangeActive:
		t.rangeBegin(ev)
	case opRangeEnd:
		t.rangeEnd(ev)
	case opTaskBegin, opTaskEnd:
		t.task(ev)
	case opRegionBegin, opRegionEnd:
		t.region(ev)
	case opMetric:
		t.metric(ev)
	case opLabel:
		t.label(ev)
	case opLog:
		t.ev.Log = Log{ev.id, ev.name, ev.text}
		t.send(KindLog)
	case opSample:
		t.send(KindSample)
	}
}

func trailingZeros(v Time) int {
	n := 0
	for n < 7 && v&(1<<n) == 0 {
		n++
	}
	return n
}

func (t *tracker) send(k Kind) {
	if t.on {
		t.ev.Kind = k
		t.emit(&t.ev)
	}
}

func (t *tracker) start(at Time) {
	t.first = false
	t.now, t.begin = at, at
	t.tr.First = at
	t.iv.Since = at
	t.ev.Time, t.ev.G, t.ev.P, t.ev.M = at, NoGo, NoProc, NoThread
	if t.opt.From <= 0 {
		t.on = true
		t.send(KindGeneration)
	}
}

// openWindow cuts every open span at the begin of the window.
func (t *tracker) openWindow() {
	t.on = true
	t.begin = t.now
	t.iv.Since = t.now
	for _, g := range t.gs {
		g.since, g.partial, g.lived = t.now, true, 0
		g.waited = t.waits
		g.ran = 0
		for i := range g.regions {
			g.regions[i].since, g.regions[i].partial, g.regions[i].cpu = t.now, true, 0
		}
		if g.assist {
			g.assistFrom, g.assistPart, g.assistCPU = t.now, true, 0
		}
	}
	for _, p := range t.ps {
		if p == nil {
			continue
		}
		p.since, p.partial, p.lived = t.now, true, 0
		p.contended, p.blame = t.contended, t.blamed
		if p.sliced {
			p.slice.Start, p.slice.Partial, p.sliceC = t.now, true, t.crowded
		}
		if p.sweeping {
			p.sweepFrom, p.sweepPart = t.now, true
		}
		p.stopped = max(p.stopped, t.now)
	}
	for id, o := range t.tasks {
		o.since, o.partial = t.now, true
		t.tasks[id] = o
	}
	if t.stw.active {
		t.stw.r.Since, t.stw.r.Partial = t.now, true
		t.stw.r.Stop.LastStop = max(t.stw.r.Stop.LastStop, t.now)
	}
	if t.gcOn {
		t.gc.Since, t.gc.Partial = t.now, true
		t.ev.GC = t.now
	}
	t.ev.Time = t.now
	t.send(KindGeneration)
}

func (t *tracker) sync(ev *rawEvent) {
	t.syncs++
	if ev.wallAt != 0 && t.tr.Wall.IsZero() {
		// Relative to the reading; moved to First when the trace ends.
		t.tr.Wall = ev.wall.Add(-time.Duration(ev.wallAt))
	}
	if t.first {
		return
	}
	t.ev.Time = t.now
	t.restartQueues()
	t.send(KindGeneration)
}

// advance moves the clock and the integrals to now.
func (t *tracker) advance(now Time) {
	dt := int64(now - t.now)
	t.now = now
	iv := &t.iv
	user := int64(iv.User[GoRunnable])
	all := user + int64(iv.Runtime[GoRunnable])
	if all == 0 || dt == 0 {
		return
	}
	idle := int64(iv.P[ProcIdle])
	if user > 0 {
		t.contended += dt
		if idle == 0 {
			t.crowded += dt
			t.lastCrowded = now
		}
	}
	if iv.STW {
		t.waits[CauseSTW] += dt
		return
	}
	if idle > 0 {
		wake := dt
		if idle < all {
			wake = dt * idle / all
		}
		t.waits[CauseWakeup] += wake
		if dt -= wake; dt == 0 {
			return
		}
	}
	var busy int64
	for s := ProcScheduler; s < NumProcStates; s++ {
		busy += int64(iv.P[s])
	}
	if busy == 0 {
		c := CauseUnknown
		if idle > 0 { // fewer idle Ps than goroutines, and nothing else to wait for
			c = CauseWakeup
		}
		t.waits[c] += dt
		return
	}
	dt += t.rest
	share := dt / busy
	t.rest = dt - share*busy
	t.blamed += share * (user - int64(iv.Yielding))
	t.waits[CauseUser] += share * int64(iv.P[ProcUser])
	t.waits[CauseSystem] += share * int64(iv.P[ProcSystem])
	t.waits[CauseGC] += share * int64(iv.P[ProcWorker]+iv.P[ProcAssist])
	t.waits[CauseSyscall] += share * int64(iv.P[ProcSyscall])
	t.waits[CauseScheduler] += share * int64(iv.P[ProcScheduler])
	t.waits[CauseSTW] += share * int64(iv.P[ProcStopped]+iv.P[ProcStopper])
}

// touch reports the counts that held until now; call it before they change.
func (t *tracker) touch() {
	if t.now == t.iv.Since {
		return
	}
	if t.on {
		iv := &t.iv
		switch {
		case t.stw.active && !t.stw.restarted && t.stw.r.Stop.GC:
			iv.GCPs = int32(t.nprocs())
		default:
			iv.GCPs = iv.P[ProcAssist] + iv.P[ProcWorker] - t.modes[ModeIdle]
		}
		iv.Marking = t.gcOn && !t.gcEnded
		t.ev.Interval = *iv
		t.send(KindInterval)
	}
	t.iv.Since = t.now
}

func (t *tracker) nprocs() int {
	n := int32(0)
	for s := ProcIdle; s < NumProcStates; s++ {
		n += t.iv.P[s]
	}
	return int(n)
}

// --- goroutines

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
		t.blocks = append(t.blocks, make([]blockKind, len(t.sym.strings)-len(t.blocks))...)
	}
	if k := t.blocks[reason]; k != 0 {
		return k - 1
	}
	k := blockOther
	switch t.sym.strings[reason] {
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
		t.classes = append(t.classes, make([]uint8, len(t.sym.strings)-len(t.classes))...)
	}
	if c := t.classes[entry]; c != 0 {
		return Class(c - 1)
	}
	c := classOf(t.sym.strings[entry])
	t.classes[entry] = uint8(c) + 1
	return c
}

func (t *tracker) newGoroutine(id GoID) *goroutine {
	var g *goroutine
	if n := len(t.freeGs); n > 0 {
		g = t.freeGs[n-1]
		t.freeGs = t.freeGs[:n-1]
		*g = goroutine{regions: g.regions[:0]}
	} else {
		g = new(goroutine)
	}
	g.id, g.home, g.lastP, g.onP, g.waker = id, NoProc, NoProc, NoProc, NoGo
	g.incarnation = t.incarnations[id]
	g.born, g.since = t.now, t.now
	t.gs[id] = g
	return g
}

// counts returns where goroutines of g's class are counted.
func (t *tracker) counts(g *goroutine) *[NumGoStates]int32 {
	if g.class == ClassUser {
		return &t.iv.User
	}
	return &t.iv.Runtime
}

func (t *tracker) count(g *goroutine, by int32) {
	t.counts(g)[g.state] += by
	if g.state == GoRunnable && g.ready == ReadyYield && g.class == ClassUser {
		t.iv.Yielding += by
	}
}

// name learns g's entry function from one of its stacks.
func (t *tracker) name(g *goroutine, s StackID) {
	if g.fn != 0 || s == 0 {
		return
	}
	entry := t.sym.stacks[s].entry
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
func (t *tracker) exist(id GoID, state GoState) *goroutine {
	t.touch()
	g := t.newGoroutine(id)
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

func (t *tracker) goEvent(ev *rawEvent) {
	id := GoID(ev.res)
	from, to := GoState(ev.from), GoState(ev.to)
	g := t.gs[id]
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
		g = t.exist(id, from)
	}
	if g.state != from {
		t.tr.Quality.StateMismatch++
	}
	if ev.resStack != 0 {
		t.name(g, ev.resStack)
	}
	t.touch()
	e := &t.ev.Go
	*e = Go{}
	e.Reason, e.Stack = ev.reason, ev.resStack
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
		e.P = ev.p
		if p = t.proc(ev.p); p == nil {
			t.tr.Quality.ProcMismatch++
		} else if from == GoRunnable {
			e.Origin, e.Victim, e.StealBatch = t.dequeue(g, p)
			t.waitParts(g, e)
		}
	}
	t.closeGo(g, to)
	t.count(g, -1)
	stack := ev.resStack
	if to == GoRunnable {
		g.ready, g.home, g.waker, g.wakerStack = e.Ready, e.Home, e.Waker, e.WakerStack
		g.blockedOn, g.blockedStack, g.blockedSince = e.BlockedOn, e.BlockedStack, e.BlockedSince
		g.blockedKind = t.blockKind(g.blockedOn)
		g.waited = t.waits
	}
	if from == GoRunning {
		g.ran += int64(t.now - g.since)
	}
	g.state, g.since, g.partial, g.reason, g.stack = to, t.now, false, ev.reason, stack
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
func (t *tracker) hand(ev *rawEvent, g *goroutine) {
	if ev.g != NoGo || g.ready != ReadyNetpoll && g.ready != ReadyRuntime {
		return
	}
	p := t.lookup(ev.p)
	if p == nil {
		return
	}
	if p.handed == nil {
		p.batch = 0
	}
	g.q.inject = g.ready == ReadyNetpoll && p.batch < int(t.iv.P[ProcIdle])
	p.batch++
	p.handed = g
}

// unhand forgets it when the P does something else.
func (t *tracker) unhand(ev *rawEvent) {
	p := t.lookup(ev.p)
	if p == nil || p.handed == nil {
		return
	}
	if ev.op == opGo && ev.g == NoGo && (GoState(ev.from) == GoWaiting || GoID(ev.res) == p.handed.id) {
		return
	}
	p.handed = nil
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
	t.send(KindGo)
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
func (t *tracker) readied(ev *rawEvent, g *goroutine, from GoState, e *Go) {
	e.Waker, e.Home = NoGo, ev.p
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
		e.Waker, e.WakerStack = ev.g, ev.stack
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

func (t *tracker) wakeKind(ev *rawEvent, g *goroutine) Ready {
	if ev.coro {
		return ReadyCoroutine
	}
	kind := t.blockKind(g.reason)
	stopped := t.stw.active && !t.stw.restarted && t.stw.g != nil && ev.g == t.stw.g.id
	switch {
	case kind == blockAssist || kind == blockGC || kind == blockPreempted:
		return ReadyGC
	case kind == blockNetwork && (ev.g == NoGo || stopped):
		return ReadyNetpoll
	case ev.g != NoGo && !(kind == blockSystem && stopped):
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
	for _, f := range t.sym.stacks[s].frames {
		if t.sym.strings[f.Func] == "internal/poll.runtime_pollWait" {
			return true
		}
	}
	return false
}

// preempt tells how a running goroutine was made to stop.
func (t *tracker) preempt(ev *rawEvent, to GoState) Preempt {
	reason := t.sym.strings[ev.reason]
	if to == GoWaiting {
		if reason == "preempted" {
			return PreemptSuspend
		}
		return PreemptNone
	}
	if to != GoRunnable {
		return PreemptNone
	}
	if reason == "runtime.Gosched" {
		return PreemptYield
	}
	if ev.resStack == 0 {
		return PreemptUnknown
	}
	switch t.sym.stacks[ev.resStack].top {
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
func (t *tracker) moveProc(ev *rawEvent, g *goroutine, p *proc, from, to GoState, how Preempt) {
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
		if p.state == ProcIdle || p.state == ProcStopped || p.g != nil && p.g != g && !ev.coro {
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
		p.stack = ev.resStack
		if to == GoSyscall {
			t.setProc(p, ProcSyscall)
			return
		}
		t.stampSlice(p, g, ev.resStack, to, how)
		g.p = nil
		g.tail = g.tail && g.assist
		if ev.coro {
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

func (t *tracker) create(ev *rawEvent, id GoID, to GoState) {
	if old := t.gs[id]; old != nil {
		t.tr.Quality.StateMismatch++
		t.destroy(old)
	}
	t.touch()
	if to == GoSyscall {
		t.incarnations[id]++
	}
	g := t.newGoroutine(id)
	g.bornSeen = true
	g.callback = to == GoSyscall
	g.site = ev.stack
	if ev.resStack != 0 {
		if g.fn = t.sym.stacks[ev.resStack].entry; g.fn != 0 {
			g.class = t.class(g.fn)
		}
	}
	e := &t.ev.Go
	*e = Go{}
	if to == GoRunnable {
		g.ready, g.home, g.waker, g.wakerStack = ReadyCreated, ev.p, ev.g, ev.stack
		e.Ready, e.Home, e.Waker, e.WakerStack = g.ready, g.home, g.waker, g.wakerStack
	}
	g.state = GoNotExist
	e.Stack, e.P = ev.resStack, NoProc
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
	delete(t.gs, g.id)
	t.freeGs = append(t.freeGs, g)
}

// goStatus takes in a status event, which is no transition: the goroutine was in
// that state since the generation began.
func (t *tracker) goStatus(ev *rawEvent, id GoID, state GoState, g *goroutine) {
	if g == nil {
		g = t.exist(id, state)
		if ev.resStack != 0 && state == GoWaiting {
			g.stack = ev.resStack
		}
	} else if g.state != state {
		t.tr.Quality.StateMismatch++
	}
	t.name(g, ev.resStack)
	if state != GoRunning && state != GoSyscall || g.p != nil {
		return
	}
	// The context of a status event is the thread's own only when the P is bound to it.
	p := t.proc(ev.p)
	if p == nil || p.m != ev.m || p.g != nil || p.state == ProcIdle {
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

// --- Ps

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
	}
	p := t.ps[id]
	if p == nil {
		// A P that has done nothing yet has been idle since the trace began.
		t.touch()
		p = &proc{id: id, state: ProcIdle, since: t.begin, partial: true, m: NoThread}
		t.ps[id] = p
		t.iv.P[ProcIdle]++
	}
	if p.state == ProcNotExist {
		t.touch()
		p.state, p.prior, p.since, p.partial, p.lived = ProcIdle, ProcNotExist, t.now, false, 0
		p.contended, p.blame = t.contended, t.blamed
		t.iv.P[ProcIdle]++
	}
	return p
}

// lookup returns a P that exists, or nil.
func (t *tracker) lookup(id ProcID) *proc {
	if id < 0 || int(id) >= len(t.ps) || t.ps[id] == nil || t.ps[id].state == ProcNotExist {
		return nil
	}
	return t.ps[id]
}

// runState is the state of a P that runs g.
func (t *tracker) runState(g *goroutine) ProcState {
	switch {
	case t.stw.active && !t.stw.restarted && t.stw.g == g:
		return ProcStopper
	case g.tail:
		return ProcSystem
	case g.class == ClassWorker:
		return ProcWorker
	case g.assist:
		return ProcAssist
	case g.class == ClassUser:
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
	p.prior, p.state, p.since, p.partial = p.state, to, t.now, false
	p.contended, p.blame = t.contended, t.blamed
	t.enterProc(p)
}

func (t *tracker) leaveProc(p *proc) {
	t.iv.P[p.state]--
	if p.state == ProcWorker {
		t.modes[p.mode]--
		if p.mode == ModeDedicated {
			p.dedicated, p.dedicatedEnd = false, t.now
		}
		p.mode = ModeNone
	}
}

func (t *tracker) enterProc(p *proc) {
	t.iv.P[p.state]++
	if p.state == ProcWorker {
		t.modes[p.mode]++
		p.dedicated = p.mode == ModeDedicated
	}
}

// retroProc gives p another state for the span under way.
func (t *tracker) retroProc(p *proc, state ProcState) {
	t.touch()
	t.leaveProc(p)
	p.state = state
	if g := p.g; g != nil && state == ProcWorker {
		p.mode = g.mode
	}
	t.enterProc(p)
}

func (t *tracker) closeProc(p *proc, to ProcState, taker Taker) {
	held := int64(t.now - p.since)
	p.lived += held
	g := p.g
	if p.state == ProcAssist && g != nil {
		g.assistCPU += held
	}
	if !t.on {
		return
	}
	e := &t.ev.Proc
	*e = Proc{
		ID: p.id, From: p.state, To: to, Prior: p.prior, Since: p.since, Partial: p.partial, Lived: p.lived,
		G: NoGo, Mode: p.mode, Stack: p.stack, Taker: taker,
		Contended: t.contended - p.contended, STW: p.stw,
	}
	if p.state != ProcIdle && p.state != ProcStopped {
		e.Blame = t.blamed - p.blame
	}
	if g != nil {
		e.G, e.Class, e.Func = g.id, g.class, g.fn
	}
	t.send(KindProc)
}

func (t *tracker) procEvent(ev *rawEvent) {
	p := t.proc(ProcID(ev.res))
	if p == nil {
		return
	}
	from, to := trace.ProcState(ev.from), trace.ProcState(ev.to)
	v1Start := t.tr.V1() && from == trace.ProcUndetermined
	switch {
	case v1Start && to == trace.ProcRunning:
		from = trace.ProcIdle // its first start (it/tracev1.go)
	case from == to && to == trace.ProcRunning:
		return
	case from == trace.ProcUndetermined || from == trace.ProcNotExist:
		if to == trace.ProcRunning {
			p.m = ev.m
			if p.state == ProcIdle || p.state == ProcStopped {
				t.retroProc(p, ProcScheduler)
			}
		}
		return
	}
	if to == trace.ProcRunning {
		if p.state != ProcIdle && p.state != ProcStopped {
			t.tr.Quality.ProcMismatch++
		}
		p.m = ev.m
		t.setProc(p, ProcScheduler)
		return
	}
	// Idle, by itself or taken. Idle to Idle is the steal of a P that a thread
	// left behind in C; it was counted as idle already.
	if p.state == ProcIdle || p.state == ProcStopped {
		if from == trace.ProcRunning {
			t.tr.Quality.ProcMismatch++
		}
		return
	}
	taker := TakerNone
	if p.state == ProcSyscall {
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
func (t *tracker) taker(ev *rawEvent, p *proc) Taker {
	stopped := t.stw.active && !t.stw.restarted
	switch {
	case t.tr.V1():
		// The P is stopped under its own name, whoever does it.
		if stopped {
			return TakerSTW
		}
		return TakerOther
	case p.g != nil && p.g.callback && ev.p == p.id:
		return TakerOther // end of a cgo callback: the thread keeps the P in C
	case ev.p == p.id:
		return TakerSelf
	case stopped && t.stw.g != nil && ev.g == t.stw.g.id:
		return TakerSTW
	case ev.g == NoGo && ev.p == NoProc:
		return TakerSysmon
	case ev.g == NoGo:
		return TakerOther
	case ev.p == NoProc:
		return TakerExiting
	}
	return TakerSafepoint
}

// --- time slices

// startSlice begins a time slice, unless the goroutine inherits the one under way.
func (t *tracker) startSlice(p *proc, g *goroutine, o Origin) {
	if p.sliced && (o == OriginRunNext || o == OriginCoroutine) {
		p.slice.Runs++
		return
	}
	t.endSlice(p)
	p.sliced = true
	p.slice = Slice{P: p.id, Start: t.now, Runs: 1, G: g.id, Class: g.class, Func: g.fn}
	p.sliceC = t.crowded
}

func (t *tracker) endSlice(p *proc) {
	if !p.sliced {
		return
	}
	p.sliced = false
	if g := p.g; g != nil { // taken from a system call
		t.stampSlice(p, g, p.stack, g.state, PreemptNone)
	}
	t.ev.Slice = p.slice
	t.send(KindSlice)
}

// stampSlice notes the end of a goroutine run as the end of p's time slice; the
// next start may continue it.
func (t *tracker) stampSlice(p *proc, g *goroutine, stack StackID, to GoState, how Preempt) {
	s := &p.slice
	s.End, s.G, s.Class, s.Func, s.Stack = t.now, g.id, g.class, g.fn, stack
	s.To, s.Preempt, s.STW = to, how, t.stw.active && !t.stw.restarted
	s.Contended = t.crowded - p.sliceC
	s.LateWait = s.Contended > 0 && t.lastCrowded > s.Start+20e6
}

// --- stop-the-world

// stopProc ends p's span because the world stops.
func (t *tracker) stopProc(p *proc, taker Taker) {
	s := &t.stw.r.Stop
	if p.asked != ProcIdle {
		s.Stops++
		s.LastStop, s.LastP, s.LastFrom, s.LastStack = t.now, p.id, p.asked, p.stack
		s.LastG, s.LastFunc = NoGo, 0
		switch {
		case p.g != nil:
			s.LastG, s.LastFunc = p.g.id, p.g.fn
		case p.slice.End >= t.stw.r.Since:
			s.LastG, s.LastFunc = p.slice.G, p.slice.Func
		}
	}
	p.stopped, p.stw = t.now, t.stw.r.Since
	t.takeProc(p, ProcStopped, taker)
}

func (t *tracker) beginSTW(ev *rawEvent) {
	if t.stw.active {
		t.tr.Quality.NestedBegins++
		t.endSTW(ev, true)
	}
	g := t.gs[GoID(ev.res)]
	reason := t.sym.strings[ev.name]
	t.touch()
	t.stw = stopping{active: true, g: g, p: t.proc(ev.p)}
	t.stw.r = Range{Kind: RangeSTW, Name: ev.name, Since: t.now, G: GoID(ev.res), P: ev.p, Stack: ev.stack}
	if g != nil {
		t.stw.r.Class, t.stw.r.Func = g.class, g.fn
	}
	t.stw.r.Stop = Stop{
		GC: reason == "GC mark termination" || reason == "GC sweep termination", Mark: reason == "GC mark termination",
		Start: reason == "start trace", LastStop: t.now, LastP: NoProc, LastG: NoGo,
	}
	t.iv.STW = true
	if t.stw.r.Stop.Mark && t.gcOn {
		t.gc.MarkEnd = t.now
	}
	if t.stw.r.Stop.Start {
		t.tr.Start = true
	}
	t.ev.Range = t.stw.r
	t.send(KindRangeBegin)
	for _, p := range t.ps {
		if p == nil || p.state == ProcNotExist {
			continue
		}
		p.asked = p.state
		switch {
		case p == t.stw.p:
			p.stopped, p.stw = t.now, t.now
			t.setProc(p, ProcStopper)
		case p.state == ProcIdle:
			t.stopProc(p, TakerNone)
		}
	}
}

// restart is startTheWorldWithSema's ProcsChange: Ps may run again.
func (t *tracker) restart() {
	t.touch()
	t.stw.restarted = true
	t.iv.STW = false
	s := &t.stw.r.Stop
	for _, p := range t.ps {
		if p == nil {
			continue
		}
		switch p.state {
		case ProcStopped:
			s.CPU += int64(t.now - p.stopped)
			t.setProc(p, ProcIdle)
		case ProcStopper:
			s.CPU += int64(t.now - p.stopped)
			if g := p.g; g != nil {
				g.tail = s.Mark && (g.class == ClassWorker || g.assist)
				t.setProc(p, t.runState(g))
			} else {
				t.setProc(p, ProcScheduler)
			}
		}
	}
	if s.GC && !s.Mark && t.gcOn {
		t.gc.MarkBegin = t.now
	}
}

func (t *tracker) endSTW(ev *rawEvent, unfinished bool) {
	if !t.stw.restarted {
		t.restart()
		if !unfinished && !t.tr.V1() {
			t.tr.Quality.UnpairedEnds++
		}
	} else {
		t.touch()
	}
	t.stw.active = false
	t.iv.STW = false
	t.stw.r.Until, t.stw.r.Unfinished = t.now, unfinished
	t.ev.Range = t.stw.r
	t.send(KindRangeEnd)
	t.stw.g, t.stw.p = nil, nil
	if t.gcEnded {
		t.endGC(false)
	}
}

// --- ranges

func (t *tracker) rangeBegin(ev *rawEvent) {
	active := ev.op == opRangeActive
	switch ev.rng {
	case RangeSTW:
		if !active {
			t.beginSTW(ev)
		}
	case RangeGC:
		if t.gcOn {
			if active && !t.gcEnded {
				return // repeated in every generation
			}
			if !t.gcEnded {
				t.tr.Quality.NestedBegins++
			}
			t.endGC(true)
		}
		t.touch()
		t.gcOn, t.gcEnded = true, false
		t.gc = Range{Kind: RangeGC, Since: t.now, G: ev.g, P: ev.p, Stack: ev.stack}
		if g := t.gs[ev.g]; g != nil {
			t.gc.Class, t.gc.Func = g.class, g.fn
		}
		if active {
			t.gc.Since, t.gc.Partial = t.begin, true
		}
		t.ev.GC = t.gc.Since
		t.ev.Range = t.gc
		t.send(KindRangeBegin)
	case RangeAssist:
		g := t.gs[GoID(ev.res)]
		if g == nil {
			if !active {
				t.tr.Quality.StateMismatch++
				return
			}
			return // of a goroutine whose status is still to come
		}
		if g.assist {
			if !active {
				t.tr.Quality.NestedBegins++
			}
			return
		}
		g.assist, g.assistFrom, g.assistPart, g.assistCPU, g.assistStack, g.assistP = true, t.now, active, 0, ev.stack, ev.p
		if active {
			g.assistFrom = t.begin
		}
		t.rerun(g)
		t.ev.Range = Range{Kind: RangeAssist, Since: g.assistFrom, Partial: active, G: g.id, P: ev.p, Class: g.class, Func: g.fn, Stack: ev.stack}
		t.send(KindRangeBegin)
	case RangeSweep:
		p := t.proc(ProcID(ev.res))
		if p == nil || p.sweeping {
			return
		}
		p.sweeping, p.sweepFrom, p.sweepPart, p.sweepStack = true, t.now, active, ev.stack
		if active {
			p.sweepFrom = t.begin
		}
		t.ev.Range = Range{Kind: RangeSweep, Since: p.sweepFrom, Partial: active, G: ev.g, P: p.id, Stack: ev.stack}
		t.send(KindRangeBegin)
	}
}

// rerun gives the P that runs g, if any, the state that fits g now.
func (t *tracker) rerun(g *goroutine) {
	if g.state == GoRunning && g.p != nil {
		if s := t.runState(g); s != g.p.state {
			t.setProc(g.p, s)
		}
	}
}

func (t *tracker) rangeEnd(ev *rawEvent) {
	switch ev.rng {
	case RangeSTW:
		if !t.stw.active {
			t.tr.Quality.UnpairedEnds++
			return
		}
		t.endSTW(ev, false)
	case RangeGC:
		if !t.gcOn || t.gcEnded {
			t.tr.Quality.UnpairedEnds++
			return
		}
		t.touch()
		t.gc.Until = t.now
		t.gcEnded = true
		if !t.stw.active {
			t.endGC(false)
		}
	case RangeAssist:
		g := t.gs[GoID(ev.res)]
		if g == nil {
			t.tr.Quality.UnpairedEnds++
			return
		}
		if !g.assist {
			// Begun before the trace, and not listed as active.
			t.tr.Quality.UnpairedEnds++
			return
		}
		g.assist, g.tail = false, false
		t.rerun(g)
		t.endAssist(g, false)
	case RangeSweep:
		p := t.proc(ProcID(ev.res))
		if p == nil || !p.sweeping {
			t.tr.Quality.UnpairedEnds++
			return
		}
		t.endSweep(p, ev, false)
	}
}

func (t *tracker) endGC(unfinished bool) {
	if unfinished && !t.gcEnded {
		t.gc.Until = t.now
		t.gc.Unfinished = true
	}
	t.touch()
	t.ev.Range = t.gc
	t.send(KindRangeEnd)
	t.gcOn, t.gcEnded = false, false
	t.ev.GC = 0
}

// endAssist sends the end of g's mark assist; its running spans are closed.
func (t *tracker) endAssist(g *goroutine, unfinished bool) {
	t.ev.Range = Range{
		Kind: RangeAssist, Since: g.assistFrom, Until: t.now, Partial: g.assistPart, Unfinished: unfinished,
		G: g.id, P: g.assistP, Class: g.class, Func: g.fn, Stack: g.assistStack, CPU: g.assistCPU,
	}
	t.send(KindRangeEnd)
}

func (t *tracker) endSweep(p *proc, ev *rawEvent, unfinished bool) {
	p.sweeping = false
	r := Range{
		Kind: RangeSweep, Since: p.sweepFrom, Until: t.now, Partial: p.sweepPart, Unfinished: unfinished,
		G: NoGo, P: p.id, Stack: p.sweepStack,
	}
	if p.g != nil {
		r.G, r.Class, r.Func = p.g.id, p.g.class, p.g.fn
	}
	if ev != nil {
		r.BytesSwept, r.BytesReclaimed = ev.values[0], ev.values[1]
	}
	t.ev.Range = r
	t.send(KindRangeEnd)
}

func (t *tracker) task(ev *rawEvent) {
	if ev.op == opTaskBegin {
		o := openRange{id: ev.id, parent: ev.parent, name: ev.name, since: t.now, stack: ev.stack, p: ev.p, g: ev.g}
		if g := t.gs[ev.g]; g != nil {
			o.class, o.fn = g.class, g.fn
		}
		t.tasks[ev.id] = o
		t.ev.Range = o.end(RangeTask, 0)
		t.send(KindRangeBegin)
		return
	}
	o, ok := t.tasks[ev.id]
	if !ok { // begun before the trace; an id may also end twice
		o = openRange{id: ev.id, parent: ev.parent, name: ev.name, since: t.begin, partial: true, stack: ev.stack, p: ev.p, g: ev.g}
	}
	delete(t.tasks, ev.id)
	t.ev.Range = o.end(RangeTask, t.now)
	t.send(KindRangeEnd)
}

func (o openRange) end(k RangeKind, until Time) Range {
	return Range{
		Kind: k, Name: o.name, Since: o.since, Until: until, Partial: o.partial, ID: o.id, Parent: o.parent,
		G: o.g, P: o.p, Class: o.class, Func: o.fn, Stack: o.stack,
	}
}

func (t *tracker) region(ev *rawEvent) {
	g := t.gs[ev.g]
	if g == nil {
		t.tr.Quality.StateMismatch++
		return
	}
	if ev.op == opRegionBegin {
		o := openRange{id: ev.id, name: ev.name, since: t.now, stack: ev.stack, p: ev.p, g: g.id, class: g.class, fn: g.fn, cpu: t.cpu(g)}
		g.regions = append(g.regions, o)
		t.ev.Range = o.end(RangeRegion, 0)
		t.send(KindRangeBegin)
		return
	}
	for i := len(g.regions) - 1; i >= 0; i-- {
		if o := g.regions[i]; o.id == ev.id && o.name == ev.name {
			if i < len(g.regions)-1 {
				t.tr.Quality.CrossedRegions++
			}
			g.regions = slices.Delete(g.regions, i, i+1)
			t.endRegion(g, o, false)
			return
		}
	}
	o := openRange{id: ev.id, name: ev.name, since: max(t.begin, g.born), partial: true, stack: ev.stack, p: ev.p, g: g.id, class: g.class, fn: g.fn}
	t.endRegion(g, o, false)
}

func (t *tracker) endRegion(g *goroutine, o openRange, unfinished bool) {
	t.ev.Range = o.end(RangeRegion, t.now)
	t.ev.Range.CPU = t.cpu(g) - o.cpu
	t.ev.Range.Unfinished = unfinished
	t.send(KindRangeEnd)
}

// cpu is how long g has been running in the trace.
func (t *tracker) cpu(g *goroutine) int64 {
	if g.state == GoRunning {
		return g.ran + int64(t.now-g.since)
	}
	return g.ran
}

func (t *tracker) metric(ev *rawEvent) {
	t.ev.Metric = Metric{Kind: ev.metric, Value: ev.values[0]}
	if ev.metric == 0 {
		return
	}
	if ev.metric == MetricProcs {
		if t.stw.active && !t.stw.restarted {
			t.restart()
			t.stw.r.Stop.Restart = t.now
			t.ev.Metric.Restart = true
		}
		t.resize(int(min(ev.values[0], maxProcs)))
	}
	t.send(KindMetric)
}

// resize follows a change of GOMAXPROCS (proc.go:procresize).
func (t *tracker) resize(n int) {
	if n <= 0 {
		t.tr.Quality.ImplausibleProcs++
		return
	}
	t.touch()
	for id := range n {
		// A P that exists already has been idle since the trace began; a P that this
		// change makes begins now.
		if p := t.proc(ProcID(id)); p.since == t.begin && t.procs > 0 && id >= t.procs && p.prior == ProcUndetermined && p.lived == 0 {
			p.since, p.partial, p.prior = t.now, false, ProcNotExist
			p.contended, p.blame = t.contended, t.blamed
		}
	}
	t.procs = n
	t.iv.Procs = int32(n)
	for _, p := range t.ps[n:] {
		if p == nil || p.state == ProcNotExist {
			continue
		}
		t.flushQueue(p)
		if p.dying = p.state != ProcIdle; !p.dying {
			t.dropProc(p)
		}
	}
}

// dropProc ends an idle P.
func (t *tracker) dropProc(p *proc) {
	t.touch()
	t.closeProc(p, ProcNotExist, TakerNone)
	t.leaveProc(p)
	p.prior, p.state, p.since, p.dying = p.state, ProcNotExist, t.now, false
}

// label takes in the mode of a GC worker. Go 1.26 puts such labels on other
// goroutines too (proc.go: P.gcMarkWorkerMode is not reset), so there the entry
// function decides.
func (t *tracker) label(ev *rawEvent) {
	g := t.gs[ev.g]
	if g == nil || ev.mode == ModeNone {
		return
	}
	if g.fn == 0 {
		g.mode = ev.mode // for when its entry function is told
		if t.tr.Version < 26 {
			t.reclass(g, ClassWorker)
		}
	}
	if g.class != ClassWorker {
		return
	}
	g.mode = ev.mode
	if p := g.p; p != nil && p.state == ProcWorker && p.mode != ev.mode {
		t.retroProc(p, ProcWorker)
	}
}

// --- the end

// finish closes every open span at the end of the trace or window.
func (t *tracker) finish() {
	tr := t.tr
	tr.Events = t.events
	tr.Last = t.now
	tr.From, tr.To = t.begin, t.now
	tr.Threads = len(t.threads)
	tr.Procs = t.procs
	if !tr.Wall.IsZero() {
		tr.Wall = tr.Wall.Add(time.Duration(tr.First))
	}
	tr.Quantum = t.quantum()
	if d := int64(tr.Last - tr.First); t.events > 1000 && t.events*10 > d {
		tr.Quality.ImplausibleClock = t.events
	}
	for _, g := range t.gs {
		if g.fn == 0 && g.class == ClassUser {
			tr.Quality.Unnamed++
		}
	}
	if t.first {
		return
	}
	if !t.on { // the window lies after the end
		tr.From, tr.To = t.now, t.now
		return
	}
	t.ev.Time, t.ev.G, t.ev.P, t.ev.M, t.ev.Stack = t.now, NoGo, NoProc, NoThread, 0
	t.touch()
	if t.stw.active {
		t.stw.r.Until, t.stw.r.Unfinished = t.now, true
		t.ev.Range = t.stw.r
		t.send(KindRangeEnd)
	}
	for _, p := range t.ps {
		if p == nil || p.state == ProcNotExist {
			continue
		}
		if p.sweeping {
			t.endSweep(p, nil, true)
		}
		t.closeProc(p, ProcUndetermined, TakerNone)
	}
	gs := t.sorted(func(*goroutine) bool { return true })
	for _, g := range gs {
		if g.assist {
			t.endAssist(g, true)
		}
		for _, o := range g.regions {
			t.endRegion(g, o, true)
		}
	}
	if t.gcOn {
		t.endGC(true)
	}
	ids := make([]uint64, 0, len(t.tasks))
	for id := range t.tasks {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		t.ev.Range = t.tasks[id].end(RangeTask, t.now)
		t.ev.Range.Unfinished = true
		t.send(KindRangeEnd)
	}
	for _, g := range gs {
		e := &t.ev.Go
		*e = Go{P: g.onP}
		if g.state == GoRunnable {
			e.Ready, e.Home, e.Waker, e.WakerStack = g.ready, g.home, g.waker, g.wakerStack
			e.BlockedOn, e.BlockedStack, e.BlockedSince = g.blockedOn, g.blockedStack, g.blockedSince
			t.waitParts(g, e)
		}
		t.closeGo(g, GoUndetermined)
	}
}

// sorted returns the live goroutines that keep selects, by when their span began.
func (t *tracker) sorted(keep func(*goroutine) bool) []*goroutine {
	var gs []*goroutine
	for _, g := range t.gs {
		if keep(g) {
			gs = append(gs, g)
		}
	}
	slices.SortFunc(gs, func(a, b *goroutine) int {
		return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.id, b.id))
	})
	return gs
}

// quantum is the power of two, up to 128 ns, that nine of ten event times are
// multiples of. The reader moves some times by 1 ns to keep them apart.
func (t *tracker) quantum() int64 {
	var n int64
	for k := len(t.zeros) - 1; k > 0; k-- {
		if n += t.zeros[k]; n*10 >= t.unmoved*9 && n > 0 {
			return 1 << k
		}
	}
	return 1
}
