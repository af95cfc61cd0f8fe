package parse

import (
	"context"
	"io"
	"math"
	"slices"
	"time"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// goroutine is what the tracker knows of a live goroutine. The event that ends its
// current span is made ready in place.
type goroutine struct {
	Go
	slot      uint32 // in tracker.gs
	site      StackID
	born      Time
	bornSeen  bool
	callback  bool // a thread of C uses it for its calls into Go
	finalizes bool // see RunsFinalizers
	mode      Mode
	tail      bool // it stopped the world for mark termination: the rest of the run or assist is not marking
	assist    bool
	p         *proc // running, or in a system call with it

	q           queued
	blockedKind blockKind
	direct      bool             // readied by the scheduler, from what is no timer
	waited      [NumCauses]int64 // tracker.waits.parts when it became runnable
	spent       [NumGoStates]int64
	bodyStack   StackID // that told Body
	bodyDepth   uint8   // how many of its frames, from the outermost, all its stacks have in common
	place       PlaceID // where it waits for another goroutine
	past        past
	mostly      Cause // of its last wait for a P
	quiet       int64 // tracker.waits.quiet when it entered a call
	single      int64 // tracker.waits.single when it began to run
	alone       int64 // see GoLife.Alone
	idle        int64 // see GoLife.Idle
	outside     int64 // see GoLife.Outside
	unblocked   Time  // see GoLife.Unblocked: since when

	assistPart  bool
	assistFrom  Time
	assistCPU   int64
	assistStack StackID
	assistP     ProcID
	regions     []openRange

	round  *round      // nil for most
	reqs   *goRequests // nil for most
	step   int64       // in stepLog, from 1 on: its latest
	cut    Time        // up to when a step has its run, where a mark assist began or ended last
	tasks  int32       // that it began, and that go on
	tasked bool        // it has begun one
	within bool        // it was started in a request
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
	logs       requestLogs
}

// openTask is a task that has begun, and what its goroutine had done before.
type openTask struct {
	openRange
	by          *goroutine
	incarnation uint32
	spent       [NumGoStates]int64
}

// proc is what the tracker knows of a P. The event that ends its current span is
// made ready in place.
type proc struct {
	Proc
	begin Time
	spent [NumProcStates]int64
	m     ThreadID
	g     *goroutine // running on it, or in a system call with it

	contended, blame int64 // those of tracker.waits when the span began

	asked   ProcState // what it did when the current stop-the-world was requested
	stopped Time      // STW is the start of the stop-the-world it stopped for last

	slice   Slice   // the open time slice
	sliceC  int64   // tracker.waits.crowded when it began, and what its goroutine's stops of the world added
	stretch stretch // of it, since the last such stop
	sliced  bool    // a slice is open

	queue *procQueue

	dying bool // GOMAXPROCS shrank below it while it was in use

	sweeping   bool
	sweepFrom  Time
	sweepPart  bool
	sweepStack StackID
}

// stretch is the part of a time slice since its goroutine last stopped the world, or
// since the slice began.
type stretch struct {
	from    Time
	longest int64 // of those before it, in ns
	late    bool  // Slice.LateWait of one of those
	crowded int64 // tracker.waits.crowded when the stop under way began
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
// goroutine and P and the ranges, and leads the models of the run queues and of what
// runnable goroutines wait for.
type tracker struct {
	tr       *Trace
	version  wire.Version
	strings  []string   // of the trace, as far as the current events refer to them
	groups   []StringID // likewise
	stacks   []stackInfo
	opt      Options
	sink     [NumKinds]func(*Event) // nil outside the window, and for what it does not take
	later    [NumKinds]func(*Event) // the sink when the window begins
	on       bool                   // inside the window
	done     bool                   // past it, or at a fault
	fault    error
	effort   int64 // see work
	ev       Event
	iv       Interval // of ev
	rng      Range    // of ev
	life     GoLife   // of ev
	procLife ProcLife // of ev

	now, begin Time   // current event; start of the trace or window
	latest     uint64 // the largest time that is believed
	edge       Time   // begin or end of the window, what comes next
	next       uint64 // an event from this time on is looked at more closely
	first      bool   // the first event is still to come
	syncs      int
	wallAt     int64 // of the latest snapshot, on the trace's clock, and on the wall clock
	wall       int64
	generation int
	events     int64

	gs                 []*goroutine // by slot; nil where none lives, or it is parked
	parking            parking
	freeGs             []*goroutine
	incarnations       map[GoID]uint32 // of ids that cgo callbacks use
	ps                 []*proc
	procs              int // GOMAXPROCS, 0 while unknown
	threads            map[ThreadID]struct{}
	recent             [64]ThreadID // some that are in threads
	preempted, gosched StringID     // reasons
	cgocallback        StringID     // entry function
	classes            []uint8      // by StringID: class+1 of an entry function
	blocks             []blockKind  // by StringID: kind+1 of a block reason
	tasks              map[uint64]openTask
	groupGos           groupWork

	alive   int32           // Ps that exist
	modes   [NumModes]int32 // Ps in ProcWorker by mode
	stw     stopping
	gc      Range // the cycle under way
	gcOn    bool
	gcEnded bool  // GCEnd was seen, its stop-the-world still lasts
	heap    int64 // live, at the event that told it last; 0 for none
	freed   bool  // a mark has ended since

	origins bool // a sink wants to know where goroutines come from
	queues  runQueues
	waits   waits
	holds   holding
	reqs    requests
	rounds  bool // a sink wants them
}

const maxProcs = 1 << 16

func newTracker(tr *Trace, opt Options, sink Sink) *tracker {
	t := &tracker{
		tr: tr, version: wire.Version(tr.Version), opt: opt, later: sink.ByKind, first: true, latest: math.MaxInt64,
		gs: make([]*goroutine, 64), parking: parking{limit: parkFrom}, incarnations: make(map[GoID]uint32),
		threads:   make(map[ThreadID]struct{}),
		tasks:     make(map[uint64]openTask),
		groupGos:  newGroupWork(),
		preempted: tr.intern("preempted"), gosched: tr.intern("runtime.Gosched"), cgocallback: tr.intern("runtime.cgocallback"),
	}
	for k := range t.later {
		if !sink.Kinds.Has(Kind(k)) {
			t.later[k] = nil
		} else if t.later[k] == nil {
			t.later[k] = sink.Event
		}
	}
	t.holds.on, t.rounds = sink.Kinds.Has(KindHold), sink.Kinds.Has(KindRound)
	t.reqs.on, t.reqs.always, t.reqs.log.need = sink.Kinds.Has(KindRequest), len(opt.Requests) > 0, math.MaxInt64
	t.origins = sink.Kinds&KindsOf(KindGoRunnable, KindSlice) != 0
	t.ev.Interval, t.ev.Range, t.ev.GoLife, t.ev.ProcLife = &t.iv, &t.rng, &t.life, &t.procLife
	for i := range t.recent {
		t.recent[i] = NoThread
	}
	return t
}

// run follows the batches to their end or fault and closes what is open then.
func (t *tracker) run(ctx context.Context, next func() *batch) error {
	var err error
read:
	for n := 0; err == nil; n++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b := next()
		if t.opt.Progress != nil && n%64 == 0 {
			t.opt.Progress(b.bytes, t.now)
		}
		err = b.err
		t.strings, t.groups, t.stacks = b.strings, b.groups, b.stacks
		for i := range b.events {
			if t.event(&b.events[i]); t.done {
				err = t.fault
				break read
			}
		}
	}
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
func (t *tracker) event(ev *wire.Event) {
	if ev.Op == wire.OpSync {
		t.sync(ev)
		return
	}
	at := Time(ev.Time)
	coro := ev.Coro && !(ev.Op == wire.OpGo && GoState(ev.From) == GoWaiting)
	if uint64(at) >= t.next && !t.closer(at, coro) {
		return
	}
	if coro {
		at = t.now // the three events of a switch happen at once
	}
	t.events++
	if at != t.now {
		t.advance(at)
	}
	if m := ThreadID(ev.M); m != t.ev.M && m != t.recent[m&63] && m != NoThread {
		t.recent[m&63] = m
		t.threads[m] = struct{}{}
	}
	t.ev.Time, t.ev.G, t.ev.P, t.ev.M, t.ev.Stack = at, GoID(ev.G), ProcID(ev.P), ThreadID(ev.M), StackID(ev.Stack)
	if t.queues.handed > 0 {
		t.unhand(ev)
	}
	switch ev.Op {
	case wire.OpGo:
		t.goEvent(ev)
	case wire.OpProc:
		t.procEvent(ev)
	case wire.OpRangeBegin, wire.OpRangeActive:
		t.rangeBegin(ev)
	case wire.OpRangeEnd:
		t.rangeEnd(ev)
	case wire.OpTaskBegin, wire.OpTaskEnd:
		t.task(ev)
	case wire.OpRegionBegin, wire.OpRegionEnd:
		t.region(ev)
	case wire.OpMetric:
		t.metric(ev)
	case wire.OpLabel:
		t.label(ev)
	case wire.OpLog:
		t.ev.Log = Log{ev.Values[0], StringID(ev.Name), t.group(StringID(ev.Name)), StringID(ev.Text)}
		t.send(KindLog)
		if t.reqs.on {
			t.logRequests(t.at(ev.GSlot), StackID(ev.Stack))
		}
	case wire.OpSample:
		t.send(KindSample)
	}
}

func (t *tracker) send(k Kind) {
	if f := t.sink[k]; f != nil {
		t.ev.Kind = k
		f(&t.ev)
	}
}

func (t *tracker) start(at Time) {
	t.first = false
	t.now, t.begin = at, at
	t.tr.First = at
	t.limit()
	t.iv.Since = at
	t.ev.Time, t.ev.G, t.ev.P, t.ev.M = at, NoGo, NoProc, NoThread
	t.edge = at + min(Time(t.opt.From), math.MaxInt64-at)
	if t.opt.From <= 0 {
		t.on, t.sink = true, t.later
		t.setEnd()
		t.send(KindGeneration)
	}
}

// setEnd makes the end of the window, which belongs to it, the next edge.
func (t *tracker) setEnd() {
	t.edge = math.MaxInt64
	if t.opt.To > 0 {
		t.edge = t.tr.First + min(Time(t.opt.To), math.MaxInt64-1-t.tr.First) + 1
	}
}

// openWindow cuts every open span at the start of the window.
func (t *tracker) openWindow() {
	t.on, t.sink = true, t.later
	t.setEnd()
	t.begin = t.now
	t.iv.Since = t.now
	t.waits.quiet, t.waits.single = 0, 0
	t.each(func(g *goroutine) {
		g.Since, g.Partial, g.spent = t.now, true, [NumGoStates]int64{}
		g.born, g.bornSeen, g.First = t.now, false, false
		g.waited, g.quiet, g.single, g.alone, g.idle, g.outside = t.waits.parts, 0, 0, 0, 0, 0
		g.round, g.unblocked = nil, t.now
		for i := range g.regions {
			g.regions[i].since, g.regions[i].partial, g.regions[i].cpu = t.now, true, 0
		}
		if g.assist {
			g.assistFrom, g.assistPart, g.assistCPU = t.now, true, 0
		}
	})
	for _, p := range t.ps {
		if p == nil {
			continue
		}
		p.Since, p.Partial, p.begin, p.spent = t.now, true, t.now, [NumProcStates]int64{}
		p.contended, p.blame = t.waits.contended, t.waits.blamed
		if p.sliced {
			p.slice.Start, p.slice.Partial, p.sliceC = t.now, true, t.waits.crowded
			p.slice.Cut, p.stretch = 0, stretch{from: t.now, crowded: t.waits.crowded}
		}
		if p.sweeping {
			p.sweepFrom, p.sweepPart = t.now, true
		}
		p.stopped = max(p.stopped, t.now)
	}
	t.cutHolds()
	t.cutRequests()
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
		if t.gc.MarkBegin != 0 {
			t.gc.MarkBegin = t.now
		}
		t.ev.GC = t.now
	}
	t.ev.Time = t.now
	t.send(KindGeneration)
}

func (t *tracker) sync(ev *wire.Event) {
	t.syncs++
	if ev.Values[0] != 0 && t.tr.Wall.IsZero() {
		// Relative to the reading; moved to First when the trace ends.
		t.tr.Wall = time.Unix(0, int64(ev.Values[1])-int64(ev.Values[0]))
	}
	if t.tr.Quantum == 0 {
		t.tr.Quantum, t.tr.TickEstimated = int64(ev.Name), ev.Text != 0
	}
	t.clock(int64(ev.Values[0]), int64(ev.Values[1]))
	q := &t.tr.Quality
	q.ClockChanges += int64(ev.Mode & wire.SyncChanged)
	q.ClockUndivided += int64(ev.Mode&wire.SyncUndivided) / wire.SyncUndivided
	q.Moved, q.LargestMove = int64(ev.Slot), ev.Res
	q.BeyondEnd, q.Rewound, q.Late, q.Skipped = int64(ev.GSlot), int64(ev.Stack), int64(ev.ResStack), int64(ev.Reason)
	if t.first {
		return
	}
	t.iv.Switch = true
	t.ev.Time = t.now
	t.restartQueues()
	t.send(KindGeneration)
}

// clock compares how far two snapshots are apart on the trace's clock and on the wall
// clock, which may be set meanwhile, but hardly by a tenth.
func (t *tracker) clock(at, wall int64) {
	if wall == 0 {
		return
	}
	if t.wall != 0 {
		ran, took := at-t.wallAt, wall-t.wall
		off := took - ran
		if off < 0 {
			off = -off
		}
		if off > 50e6 && off > max(ran, took)/10 {
			t.tr.Quality.ClockDisagrees++
		}
	}
	t.wallAt, t.wall = at, wall
}

// advance moves the clock and the integrals to now.
func (t *tracker) advance(now Time) {
	dt := int64(now - t.now)
	t.now = now
	t.waits.pass(now, dt, &t.iv, t.alive)
}

// touch reports the counts that held until now; call it before they change.
func (t *tracker) touch() {
	if t.now != t.iv.Since {
		t.tellCounts()
	}
}

func (t *tracker) tellCounts() {
	if t.sink[KindInterval] != nil {
		iv := &t.iv
		iv.GCPs = iv.P[ProcAssist] + iv.P[ProcWorker] - t.modes[ModeIdle]
		iv.Marking = t.gcOn && !t.gcEnded
		iv.Stoppers = 0
		if t.stw.active && !t.stw.restarted {
			if t.stw.r.Stop.GC {
				iv.GCPs = t.alive
			}
			if g := t.stw.g; g != nil && g.Class == ClassUser && g.From == GoRunning {
				iv.Stoppers = 1
			}
		}
		t.send(KindInterval)
	}
	t.iv.Since, t.iv.Switch = t.now, false
}

// finish closes every open span at the end of the trace or window.
func (t *tracker) finish() {
	tr := t.tr
	tr.Events = t.events
	tr.Last = t.now
	tr.From, tr.To, tr.Quiet = t.begin, t.now, t.waits.quiet
	tr.Threads = len(t.threads)
	tr.Procs = t.procs
	if !tr.Wall.IsZero() {
		tr.Wall = tr.Wall.Add(time.Duration(tr.First))
	}
	tr.Quantum = max(1, tr.Quantum)
	if d := int64(tr.Last - tr.First); t.events > 1000 && t.events*10 > d {
		tr.Quality.ImplausibleClock = t.events
	}
	for _, g := range t.gs { // none of those that are parked
		if g != nil && g.Func == 0 && g.Class == ClassUser {
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
		t.rng = t.stw.r
		t.send(KindRangeEnd)
	}
	for _, p := range t.ps {
		if p == nil || p.From == ProcNotExist {
			continue
		}
		if p.sweeping {
			t.endSweep(p, nil, true)
		}
		t.closeProc(p, ProcUndetermined, TakerNone)
	}
	slots := t.live(nil)
	for _, slot := range slots {
		g := t.gs[slot]
		if g == nil { // parked: in neither
			continue
		}
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
		o := t.tasks[id]
		t.rng = t.ended(&o.openRange, RangeTask, t.now)
		t.rng.Unfinished = true
		t.rng.Last.State = GoNotExist
		if g := t.author(&o); g != nil {
			t.rng.Last = LastState{State: g.From, Since: g.Since, Stack: g.FromStack, Spent: t.spent(g)[g.From] - o.spent[g.From]}
		}
		t.send(KindRangeEnd)
		if t.reqs.on {
			t.taskRequest(&o.openRange, RequestTask, t.author(&o), RequestOpen)
		}
	}
	for _, slot := range slots {
		g := t.at(slot)
		if t.reqs.on {
			t.openRequests(g)
		}
		g.Reason, g.Stack = 0, 0
		if g.From == GoRunnable {
			t.waits.split(&g.Wait, &g.waited, int64(t.now-g.Since))
		}
		t.closeGo(g, GoUndetermined)
		t.forget(g, &t.freeGs)
	}
	t.endHolds()
}
