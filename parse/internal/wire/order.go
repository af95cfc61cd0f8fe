package wire

import (
	"slices"
)

// The partial order of a generation's events (internal/trace/order.go): threads
// write their own batches, and sequence numbers of goroutines, Ps and GC cycles
// say which event of one thread must come before one of another.

var goStateOf = [numGoStatus]uint8{goRunnable: GoRunnable, goRunning: GoRunning, goSyscall: GoSyscall, goWaiting: GoWaiting}

var procStateOf = [numProcStatus]uint8{procRunning: ProcRunning, procIdle: ProcIdle, procSyscall: ProcRunning, procAbandoned: ProcIdle}

// mState is what is bound to a thread.
type mState struct {
	id int64
	t  *thread // what it wrote in this generation
	g  *gState
	p  *pState
}

// gState is half a cache line: there may be many.
type gState struct {
	id     int64
	seq    uint64
	gen    uint32 // low bits
	slot   uint32
	ranges uint32 // index in order.ranges + 1; 0 for none yet
	status uint8
	told   bool // a stack of it was shown: see told
}

type pState struct {
	id       int64
	short    int32 // id as events carry it
	status   uint8
	sweeping bool
	gen      uint32 // low bits
	seq      uint64
	m        *mState // that had it last, if any
}

// maxRanges is how many ranges a goroutine may be in at once: the runtime knows two.
const maxRanges = 64

// openRange is a stop-the-world or mark assist that a goroutine is in.
type openRange struct {
	typ  byte   // of the begin event
	name uint32 // reason of a stop-the-world
}

type task struct {
	name   uint32
	parent uint64
}

const (
	gcUnknown = iota
	gcOff
	gcOn
)

type order struct {
	in      *generation
	initial uint64 // first generation
	gen     uint64
	gs      goroutines
	ranges  [][]openRange // that goroutines are in
	ps      []*pState     // by id
	farPs   map[int64]*pState
	ms      map[int64]*mState
	tasks   map[uint64]task
	labels  map[uint32]uint8 // modes of GC workers by label
	gc      uint8
	gcSeq   uint64
	told    told
	next    func() *generation // reads the next one, nil where there is none
}

const nearPs = 1 << 12

func (o *order) proc(id int64) *pState {
	if uint64(id) < uint64(len(o.ps)) {
		return o.ps[id]
	}
	return o.farPs[id]
}

func (o *order) newProc(id int64) *pState {
	p := &pState{id: id, short: narrow(id)}
	if id >= 0 && id < nearPs {
		for int64(len(o.ps)) <= id {
			o.ps = append(o.ps, nil)
		}
		o.ps[id] = p
		return p
	}
	if o.farPs == nil {
		o.farPs = make(map[int64]*pState)
	}
	o.farPs[id] = p
	return p
}

func (o *order) thread(id int64) *mState {
	m := o.ms[id]
	if m == nil {
		m = &mState{id: id}
		if o.ms == nil {
			o.ms = make(map[int64]*mState)
		}
		o.ms[id] = m
	}
	return m
}

var (
	errWantProc = corrupt("expected a proc but didn't have one")
	errWantG    = corrupt("expected a goroutine but didn't have one")
	errNoG      = corrupt("expected no goroutine but had one")
	errWantM    = corrupt("expected a thread but didn't have one")
)

// needs says which parts of the context must be there. What is not of a thread has
// neither P nor goroutine.
func needs(m *mState, p, g bool) error {
	switch {
	case m.id == None:
		return errWantM
	case p && m.p == nil:
		return errWantProc
	case g && m.g == nil:
		return errWantG
	}
	return nil
}

// set fills what all events have.
func (e *Event) set(m *mState, ev *raw, op Op) *Event {
	*e = Event{} // filling a literal goes through a copy on the stack
	e.Time, e.Op, e.M = ev.time, op, m.id
	e.G, e.P = None, None
	if m.g != nil {
		e.G, e.GSlot = m.g.id, m.g.slot
	}
	if m.p != nil {
		e.P = m.p.short
	}
	return e
}

func narrow(p int64) int32 {
	if p < 0 || p > 1<<31-1 {
		return None
	}
	return int32(p)
}

func (e *Event) transition(p int64, from, to uint8) {
	e.Res, e.From, e.To = p, from, to
}

func (e *Event) goes(g *gState, from, to uint8) *Event {
	e.Res, e.Slot, e.From, e.To = g.id, g.slot, from, to
	return e
}

// succeeds reports whether seq of this generation follows the counter that stands
// at (gen, last).
func (o *order) succeeds(seq uint64, gen uint32, last uint64) bool {
	return gen == uint32(o.gen) && seq == last+1
}

func (ev *raw) noStack(id uint64) error {
	return corrupt("found invalid stack ID %d for event %s", id, Specs[ev.typ].Name).with(noEntry)
}

func (ev *raw) noString(id uint64) error {
	return corrupt("found invalid string ID %d for event %s", id, Specs[ev.typ].Name).with(noEntry)
}

// lead orders events of t, which leads, in a row into buf: as long as they say no later
// time than limit and can be next, and buf has room for the three that one may give. It
// returns how many it gave. The most frequent events are dealt with here, the others in
// rare.
func (r *Reader) lead(t *thread, limit int64, buf []Event) (n int, err error) {
	o, m, last := &r.o, r.bound(t), r.last
	for n < len(buf)-2 {
		before, ev, e := n, &t.evs[t.at], &buf[n]
		if ev.time > limit {
			break
		}
		a := &ev.args
		switch ev.typ {
		case EvGoStart:
			g := o.gs.get(int64(a[0]))
			if g == nil || g.status != goRunnable || !o.succeeds(a[1], g.gen, g.seq) {
				goto end
			}
			if m.p == nil {
				err = needs(m, true, false)
				goto end
			}
			if m.g != nil {
				err = errNoG
				goto end
			}
			e.set(m, ev, OpGo).goes(g, GoRunnable, GoRunning)
			g.status, g.seq = goRunning, a[1]
			m.g = g

		case EvGoStop, EvGoBlock:
			g := m.g
			if m.p == nil || g == nil || g.status != goRunning {
				err = notRunning(m, ev)
				goto end
			}
			e.set(m, ev, OpGo)
			m.g = nil
			if ev.typ == EvGoBlock {
				e.goes(g, GoRunning, GoWaiting)
				g.status = goWaiting
			} else {
				e.goes(g, GoRunning, GoRunnable)
				g.status = goRunnable
			}
			stack, ok := r.g.stacks.get(a[1])
			if !ok {
				err = ev.noStack(a[1])
				goto end
			}
			e.Stack, e.ResStack = stack, stack
			if e.Reason, ok = r.g.text(a[0]); !ok {
				err = ev.noString(a[0])
				goto end
			}

		case EvGoUnblock:
			g := o.gs.get(int64(a[0]))
			if g == nil || g.status != goWaiting || !o.succeeds(a[1], g.gen, g.seq) {
				goto end
			}
			e.set(m, ev, OpGo).goes(g, GoWaiting, GoRunnable)
			g.status, g.seq = goRunnable, a[1]
			stack, ok := r.g.stacks.get(a[2])
			if !ok {
				err = ev.noStack(a[2])
				goto end
			}
			e.Stack = stack

		case EvGoSyscallBegin:
			g, p := m.g, m.p
			if p == nil || g == nil || g.status != goRunning {
				err = notRunning(m, ev)
				goto end
			}
			if !o.succeeds(a[0], p.gen, p.seq) {
				err = corrupt("failed to advance %s: can't make sequence: %d (gen=%d) -> %d (gen=%d)", Specs[ev.typ].Name, p.seq, p.gen, a[0], o.gen).with(noEvent)
				goto end
			}
			e.set(m, ev, OpGo).goes(g, GoRunning, GoSyscall)
			g.status = goSyscall
			p.status, p.seq = procSyscall, a[0]
			stack, ok := r.g.stacks.get(a[1])
			if !ok {
				err = ev.noStack(a[1])
				goto end
			}
			e.Stack, e.ResStack = stack, stack

		case EvGoSyscallEnd:
			g, p := m.g, m.p
			if p == nil || g == nil || g.status != goSyscall || p.status != procSyscall {
				err = notInSyscall(m, ev)
				goto end
			}
			e.set(m, ev, OpGo).goes(g, GoSyscall, GoRunning)
			g.status, p.status = goRunning, procRunning

		case EvHeapAlloc:
			if m.p == nil {
				err = needs(m, true, false)
				goto end
			}
			e.set(m, ev, OpMetric)
			e.Metric, e.Values[0] = MetricHeapLive, a[0]

		default:
			out := (*[3]Event)(buf[n:])
			var k int
			if k, err = o.rare(m, ev, out); k == 0 || err != nil {
				goto end
			}
			if m.id == None {
				m.g, m.p = nil, nil
			}
			r.last = last
			if m.id == None && e.status() && r.trailing() {
				e.Time = last
			} else {
				r.tick(out[:k])
			}
			last = out[k-1].Time
			n += k
			goto next
		}
		if e.Time <= last {
			r.last = last
			r.late(e)
		}
		last = e.Time
		n++
	next:
		if t.at++; t.at == len(t.evs) {
			var more bool
			if more, err = r.g.refill(t); err != nil {
				n = before // what is wrong with the next comes instead of this one
			}
			if !more {
				break
			}
		}
	}
end:
	r.last = last
	return n, err
}

// notInSyscall says why the event of thread m ends no system call.
func notInSyscall(m *mState, ev *raw) error {
	if err := needs(m, true, true); err != nil {
		return err
	}
	if m.g.status != goSyscall {
		return corrupt("%s event for goroutine that's not in a syscall", Specs[ev.typ].Name)
	}
	return corrupt("expected proc %d in state Syscall, but got %s instead", m.p.id, ProcStatusNames[m.p.status])
}

// rare orders ev of thread m if it can be next: it fills out and returns how many events
// it gave, which is 1, but for coroutine switches and the like, and 0 if ev has to wait.
func (o *order) rare(m *mState, ev *raw, out *[3]Event) (int, error) {
	switch ev.typ {
	case EvGoCreate, EvGoCreateBlocked:
		return o.create(m, ev, &out[0])
	case EvGoSwitch, EvGoSwitchDestroy:
		return o.goSwitch(m, ev, out)
	case EvGoDestroySyscall:
		return o.destroySyscall(m, ev, out)
	}
	ok, err := o.single(m, ev, &out[0])
	if !ok || err != nil {
		return 0, err
	}
	return 1, o.fill(ev, &out[0])
}

// create orders the creation of a goroutine.
func (o *order) create(m *mState, ev *raw, e *Event) (int, error) {
	a := &ev.args
	if m.p == nil {
		return 0, needs(m, true, false)
	}
	if m.g != nil && m.g.status != goRunning {
		return 0, corrupt("%s event for goroutine that's not Running", Specs[ev.typ].Name)
	}
	id := int64(a[0])
	if o.gs.get(id) != nil {
		return 0, corrupt("tried to create goroutine (%d) that already exists", id)
	}
	g := o.gs.put(id)
	g.gen = uint32(o.gen)
	e.set(m, ev, OpGo)
	if ev.typ == EvGoCreate {
		g.status = goRunnable
		e.goes(g, GoNotExist, GoRunnable)
	} else {
		g.status = goWaiting
		e.goes(g, GoNotExist, GoWaiting)
	}
	var ok bool
	if e.Stack, ok = o.in.stacks.get(a[2]); !ok {
		return 0, ev.noStack(a[2])
	}
	if e.ResStack, ok = o.in.stacks.get(a[1]); !ok {
		return 0, ev.noStack(a[1])
	}
	g.told = e.ResStack != 0
	return 1, nil
}

// goSwitch orders a coroutine switch: the next goroutine wakes, the current one stops
// or ends, the next one starts.
func (o *order) goSwitch(m *mState, ev *raw, out *[3]Event) (int, error) {
	a := &ev.args
	g := m.g
	if m.p == nil || g == nil || g.status != goRunning {
		return 0, notRunning(m, ev)
	}
	next := o.gs.get(int64(a[0]))
	if next == nil || next.status != goWaiting || !o.succeeds(a[1], next.gen, next.seq) {
		return 0, nil
	}
	out[0].set(m, ev, OpGo).goes(next, GoWaiting, GoRunnable).Coro = true
	e := out[1].set(m, ev, OpGo)
	e.Coro = true
	m.g = nil
	out[2].set(m, ev, OpGo).goes(next, GoRunnable, GoRunning).Coro = true
	m.g = next
	if ev.typ == EvGoSwitch {
		e.goes(g, GoRunning, GoWaiting)
		g.status = goWaiting
	} else {
		e.goes(g, GoRunning, GoNotExist)
		o.gs.remove(g)
	}
	next.status, next.seq = goRunning, a[1]
	return 3, nil
}

// destroySyscall orders the end of a goroutine in C, and of the hold on a P that
// its thread still has.
func (o *order) destroySyscall(m *mState, ev *raw, out *[3]Event) (int, error) {
	if err := needs(m, false, true); err != nil {
		return 0, err
	}
	g := m.g
	if g.status != goSyscall {
		return 0, corrupt("%s event for goroutine that's not in a syscall", Specs[ev.typ].Name)
	}
	n := 0
	if p := m.p; p != nil {
		if p.status != procSyscall {
			return 0, corrupt("proc %d in unexpected state %s during %s", p.id, ProcStatusNames[p.status], Specs[ev.typ].Name)
		}
		// The thread keeps the P in C, and its id may be another thread's when the P is
		// taken: from here on it belongs to nobody.
		p.status = procAbandoned
		out[0].set(m, ev, OpProc).transition(int64(p.short), ProcRunning, ProcIdle)
		n++
	}
	out[n].set(m, ev, OpGo).goes(g, GoSyscall, GoNotExist)
	m.g, m.p = nil, nil
	o.gs.remove(g)
	return n + 1, nil
}

// single orders ev like rare, where that gives one event, but leaves its strings and
// stacks to fill.
func (o *order) single(m *mState, ev *raw, e *Event) (bool, error) {
	a := &ev.args
	switch ev.typ {
	case EvGoDestroy:
		g := m.g
		if m.p == nil || g == nil || g.status != goRunning {
			return false, notRunning(m, ev)
		}
		e.set(m, ev, OpGo).goes(g, GoRunning, GoNotExist)
		m.g = nil
		o.gs.remove(g)

	case EvGoSyscallEndBlocked:
		// As long as the thread holds a P that can be taken, it has yet to lose it.
		if m.p != nil && m.p.status == procSyscall {
			return false, nil
		}
		if err := needs(m, false, true); err != nil {
			return false, err
		}
		if m.g.status != goSyscall {
			return false, corrupt("%s event for goroutine that's not in a syscall", Specs[ev.typ].Name)
		}
		e.set(m, ev, OpGo).goes(m.g, GoSyscall, GoRunnable)
		m.g.status = goRunnable
		m.g = nil

	case EvGoCreateSyscall:
		if err := needs(m, false, false); err != nil {
			return false, err
		}
		if m.g != nil {
			return false, errNoG
		}
		id := int64(a[0])
		if o.gs.get(id) != nil {
			return false, corrupt("tried to create goroutine (%d) in syscall that already exists", id)
		}
		e.set(m, ev, OpGo)
		g := o.gs.put(id)
		g.status, g.gen = goSyscall, uint32(o.gen)
		e.goes(g, GoNotExist, GoSyscall)
		e.Values[0] = uint64(o.in.ahead(m.t))
		g.told = e.Values[0] != 0
		m.g = g

	case EvGoStatus, EvGoStatusStack:
		return o.goStatus(m, ev, e)

	case EvProcStart:
		p := o.proc(int64(a[0]))
		if p == nil || p.status != procIdle || !o.succeeds(a[1], p.gen, p.seq) || m.p != nil {
			return false, nil
		}
		if err := needs(m, false, false); err != nil {
			return false, err
		}
		e.set(m, ev, OpProc).transition(int64(p.short), ProcIdle, ProcRunning)
		p.status, p.seq = procRunning, a[1]
		m.p, p.m = p, m

	case EvProcStop:
		p := m.p
		if p == nil {
			return false, corrupt("event %s for proc (-1) that doesn't exist", Specs[ev.typ].Name)
		}
		if p.status != procRunning && p.status != procSyscall {
			return false, corrupt("%s event for proc that's not Running or Syscall", Specs[ev.typ].Name)
		}
		e.set(m, ev, OpProc).transition(int64(p.short), ProcRunning, ProcIdle)
		p.status = procIdle
		m.p = nil

	case EvProcSteal:
		return o.procSteal(m, ev, e)
	case EvProcStatus:
		return o.procStatus(m, ev, e)

	case EvProcsChange:
		if err := needs(m, true, true); err != nil {
			return false, err
		}
		e.set(m, ev, OpMetric)
		e.Metric, e.Values[0] = MetricProcs, a[0]
	case EvHeapGoal:
		if err := needs(m, true, false); err != nil {
			return false, err
		}
		e.set(m, ev, OpMetric)
		e.Metric, e.Values[0] = MetricHeapGoal, a[0]

	case EvSTWBegin, EvSTWEnd, EvAssistBegin, EvAssistEnd, EvAssistActive:
		return o.goRange(m, ev, e)
	case EvSweepBegin, EvSweepEnd, EvSweepActive:
		return o.sweep(m, ev, e)
	case EvGCBegin, EvGCEnd, EvGCActive:
		return o.gcCycle(m, ev, e)

	case EvGoLabel, EvLog, EvRegionBegin, EvRegionEnd, EvTaskBegin, EvTaskEnd:
		return o.annotate(m, ev, e)
	default:
		if ev.typ < EvSpan {
			return false, corrupt("bad event type found while ordering: %d", ev.typ)
		}
		if err := needs(m, false, false); err != nil {
			return false, err
		}
		e.set(m, ev, OpOther)
	}
	return true, nil
}

// annotate orders labels, and what the program tells the tracer.
func (o *order) annotate(m *mState, ev *raw, e *Event) (bool, error) {
	a := &ev.args
	if ev.typ == EvTaskBegin {
		if _, ok := o.tasks[a[0]]; ok {
			return false, corrupt("task ID conflict: %d", a[0])
		}
	}
	if err := needs(m, true, true); err != nil {
		return false, err
	}
	switch ev.typ {
	case EvGoLabel:
		e.set(m, ev, OpLabel)
	case EvLog:
		e.set(m, ev, OpLog).Values[0] = a[0]
	case EvRegionBegin, EvRegionEnd:
		// Regions that end in crossed order are legal to call; pairing them is
		// left to who reads the events.
		op := OpRegionBegin
		if ev.typ == EvRegionEnd {
			op = OpRegionEnd
		}
		e.set(m, ev, op).Values[0] = a[0]
	case EvTaskBegin:
		e.set(m, ev, OpTaskBegin)
		e.Values = [2]uint64{a[0], a[1]}
		if a[1] == ^uint64(0) {
			e.Values[1] = 0
		}
	case EvTaskEnd:
		e.set(m, ev, OpTaskEnd)
		e.Values[0] = a[0]
		if t, ok := o.tasks[a[0]]; ok {
			e.Name, e.Values[1] = t.name, t.parent
			delete(o.tasks, a[0])
		}
	}
	return true, nil
}

// notRunning says why no goroutine runs on m.
func notRunning(m *mState, ev *raw) error {
	if err := needs(m, true, true); err != nil {
		return err
	}
	return corrupt("%s event for goroutine that's not Running", Specs[ev.typ].Name)
}

func (o *order) goStatus(m *mState, ev *raw, e *Event) (bool, error) {
	id, mid, status := int64(ev.args[0]), int64(ev.args[1]), ev.args[2]
	if status >= numGoStatus {
		return false, corrupt("invalid status for goroutine %d: %d", id, status)
	}
	from := goStateOf[status]
	g := o.gs.get(id)
	switch {
	case g != nil:
		if uint64(g.status) != status {
			return false, corrupt("inconsistent status for goroutine %d: old %s vs. new %s", id, GoStatusNames[g.status], GoStatusNames[status])
		}
	case o.gen == o.initial:
		g = o.gs.put(id)
		g.status = uint8(status)
		from = GoUndetermined
	default:
		return false, corrupt("found goroutine status for new goroutine after the first generation: id=%d status=%s", id, GoStatusNames[status])
	}
	g.gen, g.seq = uint32(o.gen), 0

	e.set(m, ev, OpGo).goes(g, from, goStateOf[status])
	if ev.typ == EvGoStatus {
		if m.id != None { // else it did nothing in this generation
			e.Values[0] = uint64(o.foretell(g))
		}
	} else if ev.args[3] != 0 {
		g.told = true
	}
	switch status {
	case goRunning:
		m.g = g
	case goSyscall:
		if mid == None {
			return false, corrupt("found goroutine %d in syscall without a thread", id)
		}
		if mid == m.id {
			if o.gen != o.initial && m.g != g {
				return false, corrupt("inconsistent thread for syscalling goroutine %d: thread has goroutine %d", id, e.G)
			}
			m.g = g
			break
		}
		// A goroutine that sat in a call for the whole generation, on another thread.
		if other := o.ms[mid]; other != nil {
			if other.g != g {
				return false, corrupt("inconsistent thread for syscalling goroutine %d: its thread has another", id)
			}
			e.G, e.GSlot = id, g.slot
		} else {
			o.thread(mid).g = g
		}
		e.M = mid
	}
	return true, nil
}

func (o *order) procStatus(m *mState, ev *raw, e *Event) (bool, error) {
	id, status := int64(ev.args[0]), ev.args[1]
	if status >= numProcStatus {
		return false, corrupt("invalid status for proc %d: %d", id, status)
	}
	from := procStateOf[status]
	p := o.proc(id)
	promoted := false
	switch {
	case p == nil:
		p = o.newProc(id)
		p.status = uint8(status)
		from = ProcNotExist
		if o.gen == o.initial {
			from = ProcUndetermined
		}
	case status == procAbandoned && p.status == procSyscall:
		// Nothing is lost: its thread is still known.
		from = ProcRunning
		status = procSyscall
		promoted = true
	case status == procAbandoned && p.status == procAbandoned:
		from = ProcIdle
	case uint64(p.status) != status:
		return false, corrupt("inconsistent status for proc %d: old %s vs. new %s", id, ProcStatusNames[p.status], ProcStatusNames[status])
	}
	p.gen, p.seq = uint32(o.gen), 0
	e.set(m, ev, OpProc)
	e.transition(int64(narrow(id)), from, procStateOf[status])
	if promoted {
		// It is about to be taken, and most likely somebody else says so: the event
		// belongs to the thread that holds it.
		holder := p.m
		if holder == nil || holder.p != p {
			return false, corrupt("failed to find sched context for proc %d that's about to be stolen", id)
		}
		e.M, e.P, e.G, e.GSlot = holder.id, narrow(id), None, 0
		if holder.g != nil {
			e.G, e.GSlot = holder.g.id, holder.g.slot
		}
		return true, nil
	}
	if status == procRunning || status == procSyscall {
		m.p, p.m = p, m
	}
	return true, nil
}

func (o *order) procSteal(m *mState, ev *raw, e *Event) (bool, error) {
	p := o.proc(int64(ev.args[0]))
	if p == nil || p.status != procSyscall && p.status != procAbandoned || !o.succeeds(ev.args[1], p.gen, p.seq) {
		return false, nil
	}
	if err := needs(m, false, false); err != nil {
		return false, err
	}
	abandoned := p.status == procAbandoned
	p.status, p.seq = procIdle, ev.args[1]
	from := uint8(ProcRunning)
	if abandoned {
		from = ProcIdle
	}
	mid := int64(ev.args[2])
	holder := m
	if !abandoned && mid != m.id {
		if holder = o.ms[mid]; holder == nil {
			return false, corrupt("stole proc from non-existent thread %d", mid)
		}
	}
	if !abandoned && holder.p != p {
		return false, corrupt("tried to steal proc %d from thread %d, but got another proc instead", p.id, mid)
	}
	e.set(m, ev, OpProc).transition(int64(p.short), from, ProcIdle)
	if !abandoned {
		holder.p = nil
	}
	return true, nil
}

// rangesOf returns the ranges that g is in.
func (o *order) rangesOf(g *gState) *[]openRange {
	if g.ranges == 0 {
		o.ranges = append(o.ranges, nil)
		g.ranges = uint32(len(o.ranges))
	}
	return &o.ranges[g.ranges-1]
}

// goRange follows stop-the-worlds and mark assists.
func (o *order) goRange(m *mState, ev *raw, e *Event) (bool, error) {
	if ev.typ == EvAssistActive {
		id := int64(ev.args[0])
		g := o.gs.get(id)
		if g == nil {
			return false, corrupt("uninitialized goroutine %d found during %s", id, Specs[ev.typ].Name)
		}
		ranges := o.rangesOf(g)
		in := slices.ContainsFunc(*ranges, func(r openRange) bool { return r.typ == EvAssistBegin })
		switch first := o.gen == o.initial; {
		case first && in:
			return false, corrupt("found named active range already in first gen: GC mark assist")
		case first:
			*ranges = append(*ranges, openRange{typ: EvAssistBegin})
		case !in:
			return false, corrupt("resource is missing active range: GC mark assist")
		}
		e.set(m, ev, OpRangeActive)
		e.Range, e.Res, e.Slot = RangeAssist, id, g.slot
		return true, nil
	}
	if err := needs(m, true, true); err != nil {
		return false, err
	}
	g := m.g
	ranges := o.rangesOf(g)
	kind, typ := uint8(RangeSTW), byte(EvSTWBegin)
	if ev.typ == EvAssistBegin || ev.typ == EvAssistEnd {
		kind, typ = RangeAssist, EvAssistBegin
	}
	if ev.typ == typ {
		// The reference compares stop-the-worlds by reason too.
		if slices.ContainsFunc(*ranges, func(r openRange) bool { return r.typ == typ && (typ == EvAssistBegin || uint64(r.name) == ev.args[0]) }) {
			return false, corrupt("discovered event already in-flight for when starting event %s", Specs[ev.typ].Name)
		}
		if len(*ranges) == maxRanges {
			return false, corrupt("goroutine %d is in %d ranges at once", g.id, maxRanges)
		}
		*ranges = append(*ranges, openRange{typ: typ, name: uint32(ev.args[0])})
		e.set(m, ev, OpRangeBegin)
		e.Range, e.Res, e.Slot = kind, g.id, g.slot
		return true, nil
	}
	i := slices.IndexFunc(*ranges, func(r openRange) bool { return r.typ == typ })
	if i < 0 {
		return false, corrupt("tried to end event %s, but not in-flight", Specs[typ].Name)
	}
	e.set(m, ev, OpRangeEnd)
	e.Range, e.Res, e.Slot = kind, g.id, g.slot
	ev.args[0] = uint64((*ranges)[i].name)
	last := len(*ranges) - 1
	(*ranges)[i] = (*ranges)[last]
	*ranges = (*ranges)[:last]
	return true, nil
}

func (o *order) sweep(m *mState, ev *raw, e *Event) (bool, error) {
	if ev.typ == EvSweepActive {
		id := int64(ev.args[0])
		p := o.proc(id)
		switch first := o.gen == o.initial; {
		case p == nil:
			return false, corrupt("encountered GCSweepActive for unknown proc %d", id)
		case first && p.sweeping:
			return false, corrupt("found named active range already in first gen: GC sweep")
		case !first && !p.sweeping:
			return false, corrupt("resource is missing active range: GC sweep")
		}
		p.sweeping = true
		e.set(m, ev, OpRangeActive)
		e.Range, e.Res = RangeSweep, int64(narrow(id))
		return true, nil
	}
	if err := needs(m, true, false); err != nil {
		return false, err
	}
	op, begin := OpRangeEnd, ev.typ == EvSweepBegin
	if begin {
		op = OpRangeBegin
	}
	if m.p.sweeping == begin {
		if begin {
			return false, corrupt("discovered event already in-flight for when starting event %s", Specs[ev.typ].Name)
		}
		return false, corrupt("tried to end event GCSweepBegin, but not in-flight")
	}
	m.p.sweeping = begin
	e.set(m, ev, op)
	e.Range, e.Res = RangeSweep, int64(m.p.short)
	if !begin {
		e.Values = [2]uint64{ev.args[0], ev.args[1]}
	}
	return true, nil
}

// gcCycle follows GC cycles, whose events have sequence numbers of their own since
// they come from different threads.
func (o *order) gcCycle(m *mState, ev *raw, e *Event) (bool, error) {
	seq := ev.args[0]
	op, to := OpRangeBegin, uint8(gcOn)
	known := true // the event must be the next, on a running goroutine
	switch ev.typ {
	case EvGCActive:
		op = OpRangeActive
		if o.gen == o.initial {
			if o.gc != gcUnknown {
				return false, corrupt("GCActive in the first generation isn't first GC event")
			}
			known = false
		}
	case EvGCBegin:
		known = o.gc != gcUnknown
	case EvGCEnd:
		op, to = OpRangeEnd, gcOff
	}
	if known {
		if seq != o.gcSeq+1 {
			return false, nil
		}
		switch {
		case ev.typ == EvGCActive && o.gc != gcOn:
			return false, corrupt("encountered GCActive while GC was not in progress")
		case ev.typ == EvGCBegin && o.gc == gcOn:
			return false, corrupt("encountered GCBegin while GC was already in progress")
		case ev.typ == EvGCEnd && o.gc == gcOff:
			return false, corrupt("encountered GCEnd when GC was not in progress")
		case ev.typ == EvGCEnd && o.gc == gcUnknown:
			return false, corrupt("encountered GCEnd when GC was in an undetermined state")
		}
		if err := needs(m, true, true); err != nil {
			return false, err
		}
	}
	o.gcSeq, o.gc = seq, to
	e.set(m, ev, op).Range = RangeGC
	return true, nil
}

// fill gives a rare event its strings and stacks.
func (o *order) fill(ev *raw, e *Event) error {
	s := &layouts[ev.typ]
	if s.stack >= 0 {
		id, ok := o.in.stacks.get(ev.args[s.stack])
		if !ok {
			return ev.noStack(ev.args[s.stack])
		}
		e.Stack = id
		if ev.typ == EvGoStatusStack {
			e.ResStack = id
		}
	}
	if ev.typ == EvSTWEnd {
		e.Name, _ = o.in.text(ev.args[0])
		return nil
	}
	if s.string1 < 0 {
		return nil
	}
	if ev.typ == EvLog {
		var ok1, ok2 bool
		e.Name, ok1 = o.in.log(ev.args[s.string1])
		e.Text, ok2 = o.in.log(ev.args[s.string2])
		if !ok1 || !ok2 {
			return corrupt("found invalid string ID for event %s", Specs[ev.typ].Name).with(noEntry)
		}
		o.in.tables.Name(e.Name)
		return nil
	}
	id, ok := o.in.text(ev.args[s.string1])
	if !ok {
		return ev.noString(ev.args[s.string1])
	}
	switch ev.typ {
	case EvGoLabel:
		e.Mode = o.labels[id]
	case EvTaskBegin:
		e.Name = id
		o.in.tables.Name(id)
		if o.tasks == nil {
			o.tasks = make(map[uint64]task)
		}
		o.tasks[e.Values[0]] = task{id, e.Values[1]}
	default:
		e.Name = id
		if e.Op == OpRegionBegin || e.Op == OpRegionEnd {
			o.in.tables.Name(id)
		}
	}
	return nil
}
