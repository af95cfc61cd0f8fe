package v1

import "github.com/tracelens/tracelens/parse/internal/wire"

// blockReasons are the words of later versions for what a goroutine stops for.
var blockReasons = [numEvents]string{
	evGoStop:        "forever",
	evGoSched:       "runtime.Gosched",
	evGoPreempt:     "preempted",
	evGoSleep:       "sleep",
	evGoBlockSend:   "chan send",
	evGoBlockRecv:   "chan receive",
	evGoBlockSelect: "select",
	evGoBlockSync:   "sync",
	evGoBlockCond:   "sync.(*Cond).Wait",
	evGoBlockNet:    "network",
	evGoBlockGC:     "GC mark assist wait for work",
}

// stwReasons are the kinds of stop-the-worlds (runtime/trace.go of Go 1.21:
// stwReasonStrings). Go 1.10 to 1.20 trace the first two, from 0 on.
var stwReasons = [...]string{
	"", "GC mark termination", "GC sweep termination", "write heap dump", "goroutine profile",
	"goroutine profile cleanup", "all goroutine stack trace", "read mem stats", "AllThreadsSyscall", "GOMAXPROCS",
	"start trace", "stop trace", "CountPagesInUse (test)", "ReadMetricsSlow (test)", "ReadMemStatsSlow (test)",
	"PageCachePagesLeaked (test)", "ResetDebugLog (test)",
}

var workerModes = map[string]uint8{"GC (dedicated)": 1, "GC (fractional)": 2, "GC (idle)": 3}

// deliver makes e of an event of s, whose goroutine, if the order knows one, is in slot.
// It reports whether there is one to deliver.
func (r *Reader) deliver(s *stream, ev *raw, slot uint32, e *wire.Event) bool {
	*e = wire.Event{Time: r.ns(ev.time), G: none, P: s.p, M: s.m}
	if ev.g != 0 {
		e.G, e.GSlot = int64(ev.g), r.slotOf(s, ev.g)
	}
	if ev.stack != 0 {
		e.Stack = r.stackOf(ev.stack)
	}
	switch ev.typ {
	case evProcStart, evProcStop:
		r.proc(s, ev, e)
	case evGomaxprocs:
		return r.procs(ev, e)
	case evHeapAlloc:
		e.Op, e.Metric, e.Values[0] = wire.OpMetric, wire.MetricHeapLive, ev.args[0]
	case evHeapGoal:
		e.Op, e.Metric, e.Values[0] = wire.OpMetric, wire.MetricHeapGoal, ev.args[0]
	case evGCStart, evGCDone, evSTWStart, evSTWDone, evSweepStart, evSweepDone, evMarkAssistStart, evMarkAssistDone:
		return r.gc(ev, e)
	case evTaskCreate, evTaskEnd, evRegion, evLog:
		r.user(ev, e)
	case evFutileWakeup:
		return false
	default:
		return r.goroutine(s, ev, slot, e)
	}
	return true
}

// proc follows starts and stops of a P.
func (r *Reader) proc(s *stream, ev *raw, e *wire.Event) {
	e.Op, e.Res = wire.OpProc, int64(s.p)
	e.From, e.To = wire.ProcIdle, wire.ProcRunning
	if ev.typ == evProcStart {
		s.m = int64(ev.args[0])
		e.M = s.m
	} else {
		s.m = none
		e.From, e.To = wire.ProcRunning, wire.ProcIdle
	}
	if !s.started {
		s.started = true
		e.From = wire.ProcUndetermined
	}
}

// procs follows GOMAXPROCS. The first event of it ends what the tracer tells of the time
// before: what was created and not said to wait or run is runnable.
func (r *Reader) procs(ev *raw, e *wire.Event) bool {
	e.Op, e.Metric, e.Values[0] = wire.OpMetric, wire.MetricProcs, ev.args[0]
	if r.begun {
		return true
	}
	r.begun = true
	for _, slot := range r.before {
		if g := &r.gs[slot]; g.id != 0 && !g.told {
			status := wire.Event{Time: e.Time, P: none, M: none, G: none}
			r.status(&status, slot, wire.GoRunnable)
			r.later(&status)
		}
	}
	r.before = nil
	r.later(e)
	return false
}

func (r *Reader) gc(ev *raw, e *wire.Event) bool {
	begin := true
	switch ev.typ {
	case evGCStart, evGCDone:
		e.Range, begin = wire.RangeGC, ev.typ == evGCStart
	case evSTWStart, evSTWDone:
		if r.version < 10 {
			return false // a P's part in mark termination
		}
		if begin = ev.typ == evSTWStart; begin {
			r.stw = r.stopReason(ev.args[0])
		}
		e.Range, e.Name, e.Res, e.Slot = wire.RangeSTW, r.stw, e.G, e.GSlot
	case evSweepStart, evSweepDone:
		e.Range, begin, e.Res = wire.RangeSweep, ev.typ == evSweepStart, int64(e.P)
		if !begin {
			e.Values = [2]uint64{ev.args[0], ev.args[1]}
		}
	case evMarkAssistStart, evMarkAssistDone:
		e.Range, begin, e.Res, e.Slot = wire.RangeAssist, ev.typ == evMarkAssistStart, e.G, e.GSlot
	}
	if e.Op = wire.OpRangeEnd; begin {
		e.Op = wire.OpRangeBegin
	}
	return true
}

func (r *Reader) stopReason(kind uint64) uint32 {
	if r.version < 21 {
		kind++
		if kind > 2 {
			kind = 0
		}
	}
	if kind >= uint64(len(stwReasons)) {
		kind = 0
	}
	return r.tables.String([]byte(stwReasons[kind]))
}

func (r *Reader) user(ev *raw, e *wire.Event) {
	e.Values[0] = ev.args[0]
	switch ev.typ {
	case evTaskCreate:
		e.Op, e.Name, e.Values[1] = wire.OpTaskBegin, r.stringOf(ev.args[2]), ev.args[1]
		r.tables.Name(e.Name)
		if r.tasks == nil {
			r.tasks = make(map[uint64]task)
		}
		r.tasks[ev.args[0]] = task{e.Name, ev.args[1]}
	case evTaskEnd:
		t := r.tasks[ev.args[0]]
		delete(r.tasks, ev.args[0])
		e.Op, e.Name, e.Values[1] = wire.OpTaskEnd, t.name, t.parent
	case evRegion:
		if e.Op = wire.OpRegionBegin; ev.args[1] == 1 {
			e.Op = wire.OpRegionEnd
		}
		e.Name = r.stringOf(ev.args[2])
		r.tables.Name(e.Name)
	case evLog:
		size, off := number(r.data, int(ev.args[2]))
		e.Op = wire.OpLog
		e.Text = r.tables.Log(r.data[off : off+int(size)])
		if t := r.x.strings.get(ev.args[1]); t != nil {
			e.Name = r.tables.Log(r.data[t.off : t.off+t.len])
			r.tables.Name(e.Name)
		}
	}
}

// goroutine delivers what a goroutine does or is done to.
func (r *Reader) goroutine(s *stream, ev *raw, slot uint32, e *wire.Event) bool {
	e.Op, e.Res, e.Slot = wire.OpGo, e.G, e.GSlot
	switch ev.typ {
	case evGoCreate:
		g := &r.gs[slot]
		if !r.begun {
			r.before = append(r.before, slot)
			return false
		}
		g.told = true
		e.Res, e.Slot, e.ResStack = int64(g.id), slot, r.stackOf(g.entry)
		e.From, e.To = wire.GoNotExist, wire.GoRunnable
	case evGoStart, evGoStartLabel:
		e.From, e.To = wire.GoRunnable, wire.GoRunning
		if !r.begun {
			r.status(e, slot, wire.GoRunning)
		}
		if ev.typ == evGoStartLabel {
			label := wire.Event{Time: e.Time, Op: wire.OpLabel, G: e.G, GSlot: e.GSlot, P: e.P, M: e.M}
			if t := r.x.strings.get(ev.args[2]); t != nil {
				label.Mode = workerModes[string(r.data[t.off:t.off+t.len])]
			}
			r.later(&label)
		}
	case evGoEnd:
		e.From, e.To = wire.GoRunning, wire.GoNotExist
		s.cur = 0
		if e.GSlot != 0 {
			r.remove(e.GSlot)
		}
	case evGoSched, evGoPreempt:
		e.From, e.To, e.ResStack = wire.GoRunning, wire.GoRunnable, e.Stack
		e.Reason = r.reason(ev.typ)
	case evGoUnblock:
		e.From, e.To, e.Res, e.Slot = wire.GoWaiting, wire.GoRunnable, int64(ev.args[0]), slot
		if r.x.timers[ev.g] {
			e.G, e.GSlot = none, 0
		}
	case evGoSysCall:
		e.From, e.To, e.ResStack = wire.GoRunning, wire.GoSyscall, e.Stack
		if ev.args[0] == 0 { // how long it took is not told
			end := wire.Event{Time: e.Time + 1, Op: wire.OpGo, G: e.G, GSlot: e.GSlot, P: e.P, M: e.M, Res: e.Res, Slot: e.Slot, From: wire.GoSyscall, To: wire.GoRunning}
			r.later(&end)
		}
	case evGoSysBlock:
		r.enter(slot, ev.time)
		return false
	case evGoSysExit:
		g := &r.gs[slot]
		g.exit = 0
		if g.early {
			g.early = false
			return false
		}
		r.exited(e, slot)
	case evGoWaiting:
		r.status(e, slot, wire.GoWaiting)
	case evGoInSyscall:
		r.status(e, slot, wire.GoSyscall)
		r.enter(slot, ev.time)
	default:
		e.From, e.To, e.ResStack = wire.GoRunning, wire.GoWaiting, e.Stack
		e.Reason = r.reason(ev.typ)
	}
	return true
}

// status says in which state the goroutine in slot is since before the trace. The stack
// is that of its entry.
func (r *Reader) status(e *wire.Event, slot uint32, state uint8) {
	g := &r.gs[slot]
	g.told = true
	e.Op, e.From, e.To = wire.OpGo, wire.GoUndetermined, state
	e.Res, e.Slot, e.ResStack = int64(g.id), slot, r.stackOf(g.entry)
}

// enter notes when the goroutine in slot leaves the system call that it blocks in at a
// time.
func (r *Reader) enter(slot uint32, at int64) {
	g := &r.gs[slot]
	ex, ok := r.x.exitOf(g.id, at)
	if !ok || g.exit != 0 || g.early {
		return
	}
	g.exit = ex.written
	h := append(r.pending, ex)
	for i := len(h) - 1; i > 0; {
		p := (i - 1) / 2
		if !h[i].before(&h[p]) {
			break
		}
		h[i], h[p] = h[p], h[i]
		i = p
	}
	r.pending = h
}

// leave delivers the earliest exit from a system call before it is written.
func (r *Reader) leave(e *wire.Event) bool {
	h := r.pending
	ex := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && h[c+1].before(&h[c]) {
			c++
		}
		if !h[c].before(&h[i]) {
			break
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
	r.pending = h
	slot := r.find(ex.g)
	g := &r.gs[slot]
	if slot == 0 || g.exit != ex.written {
		return false
	}
	g.exit, g.early = 0, true
	*e = wire.Event{Time: r.ns(ex.real)}
	r.exited(e, slot)
	return true
}

func (e *exit) before(o *exit) bool {
	return e.real < o.real || e.real == o.real && e.written < o.written
}

// exited says that the goroutine in slot left its system call. On which P it runs next
// is not known then.
func (r *Reader) exited(e *wire.Event, slot uint32) {
	id := int64(r.gs[slot].id)
	e.Op, e.From, e.To = wire.OpGo, wire.GoSyscall, wire.GoRunnable
	e.G, e.GSlot, e.Res, e.Slot = id, slot, id, slot
	e.P, e.M = none, none
}

// reason returns the reason that an event of the type gives.
func (r *Reader) reason(typ uint8) uint32 {
	if r.reasons[typ] == 0 {
		r.reasons[typ] = r.tables.String([]byte(blockReasons[typ])) + 1
	}
	return r.reasons[typ] - 1
}

// stringOf returns a string of the file, "" for one that it does not tell.
func (r *Reader) stringOf(id uint64) uint32 {
	t := r.x.strings.get(id)
	if t == nil {
		if id != 0 {
			r.missing++
		}
		return 0
	}
	if !t.met {
		t.id, t.met = r.tables.String(r.data[t.off:t.off+t.len]), true
	}
	return t.id
}

// stackOf returns a stack of the file.
func (r *Reader) stackOf(id uint32) uint32 {
	if id == 0 {
		return 0
	}
	s := r.x.stacks.get(uint64(id))
	if s == nil {
		r.missing++
		return 0
	}
	if s.met {
		return s.id
	}
	s.met = true
	_, off := number(r.data, s.off)
	n, off := number(r.data, off)
	r.frames = r.frames[:0]
	for range n {
		var pc, fn, file, line uint64
		pc, off = number(r.data, off)
		fn, off = number(r.data, off)
		file, off = number(r.data, off)
		line, off = number(r.data, off)
		f := wire.Frame{Func: r.stringOf(fn), File: r.stringOf(file), Line: uint32(line)}
		if pc != 0 || f.Func != 0 {
			r.frames = append(r.frames, f)
		}
	}
	s.id = r.tables.Stack(r.frames)
	return s.id
}
