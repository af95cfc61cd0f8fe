package parse

import (
	"slices"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

func (t *tracker) rangeBegin(ev *wire.Event) {
	active := ev.Op == wire.OpRangeActive
	switch RangeKind(ev.Range) {
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
		t.gc = Range{Kind: RangeGC, Since: t.now, G: GoID(ev.G), P: ProcID(ev.P), Stack: StackID(ev.Stack)}
		if g := t.at(ev.GSlot); g != nil {
			t.gc.Class, t.gc.Func = g.Class, g.Func
		}
		if active {
			t.gc.Since, t.gc.Partial = t.begin, true
		}
		t.ev.GC = t.gc.Since
		t.rng = t.gc
		t.send(KindRangeBegin)
	case RangeAssist:
		g := t.at(ev.Slot)
		if g == nil {
			if !active { // else its status is still to come
				t.tr.Quality.StateMismatch++
			}
			return
		}
		if g.assist {
			if !active {
				t.tr.Quality.NestedBegins++
			}
			return
		}
		if t.reqs.on {
			t.wakesAt(g, StackID(ev.Stack))
		}
		t.cutRun(g, StackID(ev.Stack))
		g.assist, g.assistFrom, g.assistPart, g.assistCPU, g.assistStack, g.assistP = true, t.now, active, 0, StackID(ev.Stack), ProcID(ev.P)
		if active {
			g.assistFrom = t.begin
		}
		t.rerun(g)
		t.rng = Range{Kind: RangeAssist, Since: g.assistFrom, Partial: active, G: g.ID, P: ProcID(ev.P), Class: g.Class, Func: g.Func, Stack: StackID(ev.Stack)}
		t.send(KindRangeBegin)
	case RangeSweep:
		p := t.proc(ProcID(ev.Res))
		if p == nil || p.sweeping {
			return
		}
		p.sweeping, p.sweepFrom, p.sweepPart, p.sweepStack = true, t.now, active, StackID(ev.Stack)
		if active {
			p.sweepFrom = t.begin
		}
		t.rng = Range{Kind: RangeSweep, Since: p.sweepFrom, Partial: active, G: GoID(ev.G), P: p.ID, Stack: StackID(ev.Stack)}
		t.send(KindRangeBegin)
	}
}

// rerun gives the P that runs g, if any, the state that fits g now.
func (t *tracker) rerun(g *goroutine) {
	if g.From == GoRunning && g.p != nil {
		if s := t.runState(g); s != g.p.From {
			t.setProc(g.p, s)
		}
	}
}

func (t *tracker) rangeEnd(ev *wire.Event) {
	switch RangeKind(ev.Range) {
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
		g := t.at(ev.Slot)
		if g == nil || !g.assist {
			// Begun before the trace, and not listed as active.
			t.tr.Quality.UnpairedEnds++
			return
		}
		t.cutRun(g, g.assistStack)
		g.assist, g.tail = false, false
		t.rerun(g)
		t.endAssist(g, false)
	case RangeSweep:
		p := t.proc(ProcID(ev.Res))
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
	t.rng = t.gc
	t.send(KindRangeEnd)
	t.gcOn, t.gcEnded = false, false
	t.ev.GC = 0
}

// endAssist sends the end of g's mark assist; its running spans are closed.
func (t *tracker) endAssist(g *goroutine, unfinished bool) {
	t.rng = Range{
		Kind: RangeAssist, Since: g.assistFrom, Until: t.now, Partial: g.assistPart, Unfinished: unfinished,
		G: g.ID, P: g.assistP, Class: g.Class, Func: g.Func, Stack: g.assistStack, CPU: g.assistCPU,
	}
	t.send(KindRangeEnd)
}

func (t *tracker) endSweep(p *proc, ev *wire.Event, unfinished bool) {
	p.sweeping = false
	r := Range{
		Kind: RangeSweep, Since: p.sweepFrom, Until: t.now, Partial: p.sweepPart, Unfinished: unfinished,
		G: NoGo, P: p.ID, Stack: p.sweepStack,
	}
	if p.g != nil {
		r.G, r.Class, r.Func = p.g.ID, p.g.Class, p.g.Func
	}
	if ev != nil {
		r.BytesSwept, r.BytesReclaimed = int64(ev.Values[0]), int64(ev.Values[1])
	}
	t.rng = r
	t.send(KindRangeEnd)
}

func (t *tracker) task(ev *wire.Event) {
	if ev.Op == wire.OpTaskBegin {
		o := openTask{openRange: openRange{id: ev.Values[0], parent: ev.Values[1], name: StringID(ev.Name), since: t.now, stack: StackID(ev.Stack), p: ProcID(ev.P), g: GoID(ev.G)}}
		if g := t.at(ev.GSlot); g != nil {
			o.class, o.fn = g.Class, g.Func
			o.by, o.incarnation, o.spent = g, g.Incarnation, t.spent(g)
			g.tasks++
			g.tasked = true
		}
		if _, twice := t.tasks[ev.Values[0]]; !twice {
			t.reqs.begin()
		}
		t.tasks[ev.Values[0]] = o
		t.rng = t.ended(&o.openRange, RangeTask, 0)
		t.send(KindRangeBegin)
		return
	}
	o, ok := t.tasks[ev.Values[0]]
	if !ok { // begun before the trace; an id may also end twice
		o = openTask{openRange: openRange{id: ev.Values[0], parent: ev.Values[1], name: StringID(ev.Name), since: t.begin, partial: true, stack: StackID(ev.Stack), p: ProcID(ev.P), g: GoID(ev.G)}}
		if g := t.at(ev.GSlot); g != nil { // that ends it
			o.class, o.fn = g.Class, g.Func
		}
	}
	delete(t.tasks, ev.Values[0])
	t.rng = t.ended(&o.openRange, RangeTask, t.now)
	g := t.author(&o)
	if g != nil && !o.partial {
		t.rng.Spent = t.spent(g)
		for state, ns := range &o.spent {
			t.rng.Spent[state] -= ns
		}
	}
	t.send(KindRangeEnd)
	if t.reqs.on {
		t.taskRequest(&o.openRange, RequestTask, t.contextOf(ev), RequestDone)
	}
	if ok {
		t.reqs.end()
	}
	if g != nil {
		g.tasks--
	}
}

// author is the goroutine that began a task, if it lives: goroutines are used again when
// they end.
func (t *tracker) author(o *openTask) *goroutine {
	if g := o.by; g != nil && g.ID == o.g && g.Incarnation == o.incarnation && t.gs[g.slot] == g {
		return g
	}
	return nil
}

// group is the Group of a name.
func (t *tracker) group(name StringID) StringID {
	if int(name) < len(t.groups) {
		return t.groups[name]
	}
	return name
}

// spent is what g did in the trace so far.
func (t *tracker) spent(g *goroutine) [NumGoStates]int64 {
	s := g.spent
	s[g.From] += int64(t.now - g.Since)
	return s
}

// ended is the Range of o; until is 0 at its begin.
func (t *tracker) ended(o *openRange, k RangeKind, until Time) Range {
	return Range{
		Kind: k, Name: o.name, Group: t.group(o.name), Since: o.since, Until: until, Partial: o.partial, ID: o.id, Parent: o.parent,
		G: o.g, P: o.p, Class: o.class, Func: o.fn, Stack: o.stack,
	}
}

func (t *tracker) region(ev *wire.Event) {
	g := t.at(ev.GSlot)
	if g == nil {
		t.tr.Quality.StateMismatch++
		return
	}
	if ev.Op == wire.OpRegionBegin {
		o := openRange{id: ev.Values[0], name: StringID(ev.Name), since: t.now, stack: StackID(ev.Stack), p: ProcID(ev.P), g: g.ID, class: g.Class, fn: g.Func, cpu: t.cpu(g)}
		g.regions = append(g.regions, o)
		t.reqs.begin()
		t.rng = t.ended(&o, RangeRegion, 0)
		t.send(KindRangeBegin)
		return
	}
	for i := len(g.regions) - 1; i >= 0; i-- {
		if o := g.regions[i]; o.id == ev.Values[0] && o.name == StringID(ev.Name) {
			if i < len(g.regions)-1 {
				t.tr.Quality.CrossedRegions++
			}
			t.work(len(g.regions) - i)
			g.regions = slices.Delete(g.regions, i, i+1)
			t.endRegion(g, o, false)
			t.reqs.end()
			return
		}
	}
	t.work(len(g.regions))
	o := openRange{id: ev.Values[0], name: StringID(ev.Name), since: g.born, partial: true, stack: StackID(ev.Stack), p: ProcID(ev.P), g: g.ID, class: g.Class, fn: g.Func}
	t.endRegion(g, o, false)
}

func (t *tracker) endRegion(g *goroutine, o openRange, unfinished bool) {
	t.rng = t.ended(&o, RangeRegion, t.now)
	t.rng.CPU = t.cpu(g) - o.cpu
	t.rng.Unfinished = unfinished
	t.send(KindRangeEnd)
	if t.reqs.on {
		how := RequestDone
		switch {
		case unfinished && g.From == GoNotExist:
			how = RequestAborted
		case unfinished:
			how = RequestOpen
		}
		t.taskRequest(&o, RequestRegion, g, how)
	}
}

// cpu is how long g has been running in the trace.
func (t *tracker) cpu(g *goroutine) int64 {
	if g.From == GoRunning {
		return g.spent[GoRunning] + int64(t.now-g.Since)
	}
	return g.spent[GoRunning]
}

func (t *tracker) metric(ev *wire.Event) {
	t.ev.Metric = Metric{Kind: MetricKind(ev.Metric), Value: int64(ev.Values[0])}
	if MetricKind(ev.Metric) == 0 {
		return
	}
	switch n := int64(ev.Values[0]); MetricKind(ev.Metric) {
	case MetricHeapLive:
		if n < 0 || n > 1<<48 {
			t.tr.Quality.ImplausibleHeap++
		}
		// What a P has set aside and did not use is taken back (mcache.go:releaseAll).
		if t.heap-n > t.heap/8+1<<20 && !t.freed {
			t.tr.Quality.HeapDrops++
		}
		if t.heap = n; !t.stw.active {
			t.freed = false
		}
	case MetricProcs:
		if t.procs > 0 && n != int64(t.procs) && !t.stw.active && t.version.ByThread() {
			t.tr.Quality.UnstoppedProcs++
		}
	}
	if MetricKind(ev.Metric) == MetricHeapGoal && !t.stw.active && ev.GSlot != 0 {
		t.ev.Metric.Setter = t.at(ev.GSlot).Func
	}
	if MetricKind(ev.Metric) == MetricProcs {
		if t.stw.active && !t.stw.restarted {
			t.restart()
			t.stw.r.Stop.Restart = t.now
			t.ev.Metric.Restart = true
		}
		t.resize(int(min(int64(ev.Values[0]), maxProcs)))
	}
	t.send(KindMetric)
}

// resize follows a change of GOMAXPROCS (proc.go:procresize).
func (t *tracker) resize(n int) {
	if n <= 0 {
		t.tr.Quality.ImplausibleProcs++
		return
	}
	t.work(max(n, len(t.ps)))
	t.touch()
	for id := range n {
		// A P that exists already has been idle since the trace began; a P that this
		// change makes begins now.
		if p := t.proc(ProcID(id)); p.Since == t.begin && t.procs > 0 && id >= t.procs && p.Prior == ProcUndetermined && p.spent == [NumProcStates]int64{} {
			p.Since, p.begin, p.Partial, p.Prior = t.now, t.now, false, ProcNotExist
			p.contended, p.blame = t.waits.contended, t.waits.blamed
		}
	}
	t.procs, t.queues.procs = n, n
	t.iv.Procs = int32(n)
	for _, p := range t.ps[n:] {
		if p == nil || p.From == ProcNotExist {
			continue
		}
		t.queues.flush(p.queue)
		if p.dying = p.From != ProcIdle; !p.dying {
			t.dropProc(p)
		}
	}
}

// dropProc ends an idle P.
func (t *tracker) dropProc(p *proc) {
	t.touch()
	t.closeProc(p, ProcNotExist, TakerNone)
	t.leaveProc(p)
	t.alive--
	p.queue.gone = true
	p.Prior, p.From, p.Since, p.dying = p.From, ProcNotExist, t.now, false
}

// label takes in the mode of a GC worker. Go 1.26 puts such labels on other
// goroutines too (proc.go: P.gcMarkWorkerMode is not reset), so there the entry
// function decides.
func (t *tracker) label(ev *wire.Event) {
	g := t.at(ev.GSlot)
	if g == nil || Mode(ev.Mode) == ModeNone {
		return
	}
	if g.Func == 0 {
		g.mode = Mode(ev.Mode) // for when its entry function is told
		if !t.version.LabelsStay() {
			t.reclass(g, ClassWorker)
		}
	}
	if g.Class != ClassWorker {
		return
	}
	g.mode = Mode(ev.Mode)
	if p := g.p; p != nil && p.From == ProcWorker && p.Mode != Mode(ev.Mode) {
		t.retroProc(p, ProcWorker)
	}
}
