package parse

import (
	"slices"
)

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
		if g == nil || !g.assist {
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
