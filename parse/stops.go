package parse

import "github.com/tracelens/tracelens/parse/internal/wire"

// stopProc ends p's span because the world stops.
func (t *tracker) stopProc(p *proc, taker Taker) {
	s := &t.stw.r.Stop
	if p.asked != ProcIdle {
		s.Stops++
		s.LastStop, s.LastP, s.LastFrom, s.LastStack = t.now, p.ID, p.asked, p.Stack
		s.LastG, s.LastFunc = NoGo, 0
		switch {
		case p.g != nil:
			s.LastG, s.LastFunc = p.g.ID, p.g.Func
		case p.slice.End >= t.stw.r.Since:
			s.LastG, s.LastFunc = p.slice.G, p.slice.Func
		}
	}
	p.stopped, p.STW = t.now, t.stw.r.Since
	t.takeProc(p, ProcStopped, taker)
}

func (t *tracker) beginSTW(ev *wire.Event) {
	if t.stw.active {
		t.tr.Quality.NestedBegins++
		t.endSTW(ev, true)
	}
	g := t.at(ev.Slot)
	reason := t.strings[StringID(ev.Name)]
	t.touch()
	t.stw = stopping{active: true, g: g, p: t.proc(ProcID(ev.P))}
	t.stw.r = Range{Kind: RangeSTW, Name: StringID(ev.Name), Since: t.now, G: GoID(ev.Res), P: ProcID(ev.P), Stack: StackID(ev.Stack)}
	if g != nil {
		t.stw.r.Class, t.stw.r.Func = g.Class, g.Func
	}
	t.stw.r.Stop = Stop{
		GC: reason == "GC mark termination" || reason == "GC sweep termination", Mark: reason == "GC mark termination",
		Start: reason == "start trace", LastStop: t.now, LastP: NoProc, LastG: NoGo,
	}
	t.iv.STW = true
	t.freed = t.freed || t.stw.r.Stop.Mark
	if t.stw.r.Stop.Mark && t.gcOn {
		t.gc.MarkEnd = t.now
	}
	if t.stw.r.Stop.Start {
		t.tr.Start = true
	}
	t.rng = t.stw.r
	t.send(KindRangeBegin)
	t.work(2 * len(t.ps))
	for _, p := range t.ps {
		if p == nil || p.From == ProcNotExist {
			continue
		}
		p.asked = p.From
		switch {
		case p == t.stw.p:
			p.stopped, p.STW = t.now, t.now
			t.cutSlice(p)
			t.setProc(p, ProcStopper)
		case p.From == ProcIdle:
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
		switch p.From {
		case ProcStopped:
			s.CPU += int64(t.now - p.stopped)
			t.setProc(p, ProcIdle)
		case ProcStopper:
			s.CPU += int64(t.now - p.stopped)
			if p.sliced {
				p.stretch.from = t.now
				p.sliceC += t.waits.crowded - p.stretch.crowded
			}
			if g := p.g; g != nil {
				g.tail = s.Mark && (g.Class == ClassWorker || g.assist)
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

func (t *tracker) endSTW(ev *wire.Event, unfinished bool) {
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
	t.rng = t.stw.r
	t.send(KindRangeEnd)
	t.stw.g, t.stw.p = nil, nil
	if t.gcEnded {
		t.endGC(false)
	}
}
