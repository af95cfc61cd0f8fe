package tracetest

import (
	"fmt"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// A filler finds out what a line of text leaves out: it follows goroutines, Ps and
// threads, as a reader does.
type filler struct {
	ps    map[uint64]*filledP
	gs    map[uint64]*filledG
	ms    map[uint64]*filledM
	gcSeq uint64
	first bool // generation
	added []Item
}

type filledP struct {
	id, status, seq uint64
	told            bool // its status, in this generation
	m               *filledM
}

type filledG struct {
	id, status, seq uint64
	told            bool
	m               *filledM // of Running and Syscall
}

type filledM struct {
	id uint64
	p  *filledP
	g  *filledG
}

// procAbandoned is the status of a P in a system call as another thread tells it.
const procAbandoned = 4

func newFiller() *filler {
	return &filler{ps: make(map[uint64]*filledP), gs: make(map[uint64]*filledG), ms: make(map[uint64]*filledM)}
}

// generation begins one.
func (f *filler) generation() {
	f.first = len(f.ms) == 0
	for _, p := range f.ps {
		p.told, p.seq = false, 0
	}
	for _, g := range f.gs {
		g.told, g.seq = false, 0
	}
}

func (f *filler) thread(id uint64) *filledM {
	m := f.ms[id]
	if m == nil {
		m = &filledM{id: id}
		f.ms[id] = m
	}
	return m
}

// proc returns a P whose status is told; of one that is new it is the given one.
func (f *filler) proc(id, status uint64) *filledP {
	p := f.ps[id]
	if p == nil {
		p = &filledP{id: id, status: status}
		f.ps[id] = p
	}
	if !p.told {
		p.told = true
		f.added = append(f.added, Item{Type: ProcStatus, Args: []uint64{0, id, p.status}})
	}
	return p
}

// goroutine does so for goroutines.
func (f *filler) goroutine(id, status uint64) (*filledG, error) {
	g := f.gs[id]
	if g == nil {
		if !f.first {
			return nil, fmt.Errorf("goroutine %d is new, and not created; what existed before is told in the first generation", id)
		}
		g = &filledG{id: id, status: status}
		f.gs[id] = g
	}
	if !g.told {
		g.told = true
		m := uint64(None)
		if g.m != nil {
			m = g.m.id
		}
		f.added = append(f.added, Item{Type: GoStatus, Args: []uint64{0, id, m, g.status}})
	}
	return g, nil
}

// What an event needs of its thread.
const (
	needsP = 1 << iota
	needsG
)

// needs says what an event needs of its thread.
func needs(typ Type) int {
	switch typ {
	case ProcStatus, GoStatus, wire.EvGoStatusStack, ProcStart, ProcSteal, wire.EvGoCreateSyscall, GoUnblock, AssistActive, wire.EvSweepActive, GCActive:
		return 0
	case ProcStop, GoCreate, GoCreateBlocked, GoStart, HeapAlloc, HeapGoal, SweepBegin, SweepEnd:
		return needsP
	case wire.EvGoDestroySyscall, GoSyscallEndBlocked:
		return needsG
	}
	if typ >= wire.EvSpan {
		return 0
	}
	return needsP | needsG
}

// event fills in what is missing of an event and returns what must come before it.
func (f *filler) event(thread uint64, it *Item, missing map[string]bool) ([]Item, error) {
	f.added = nil
	m := f.thread(thread)
	if m.p != nil {
		f.proc(m.p.id, 0)
	}
	if m.g != nil {
		if _, err := f.goroutine(m.g.id, 0); err != nil {
			return nil, err
		}
	}
	switch need := needs(it.Type); {
	case need&needsP != 0 && m.p == nil:
		return nil, fmt.Errorf("m%d has no P; it gets one by ProcStart, or ProcStatus with status=Running", thread)
	case need&needsG != 0 && m.g == nil:
		return nil, fmt.Errorf("m%d runs no goroutine; it does by GoStart, or GoStatus with status=Running", thread)
	}
	err := f.follow(m, it, missing)
	return f.added, err
}

// next sets the sequence number of an event, which is that of its P or goroutine.
func next(it *Item, at int, seq *uint64, missing map[string]bool) {
	if missing["seq"] {
		it.Args[at] = *seq + 1
	}
	*seq = it.Args[at]
}

func (f *filler) follow(m *filledM, it *Item, missing map[string]bool) error {
	a := it.Args
	switch it.Type {
	case ProcStatus:
		p := &filledP{id: a[1], status: a[2], told: true, m: m}
		f.ps[p.id] = p
		if p.status == ProcRunning || p.status == ProcSyscall {
			m.p = p
		}
	case ProcStart:
		p := f.proc(a[1], ProcIdle)
		next(it, 2, &p.seq, missing)
		p.status, p.m, m.p = ProcRunning, m, p
	case ProcStop:
		m.p.status, m.p = ProcIdle, nil
	case ProcSteal:
		p := f.ps[a[1]]
		if p == nil || p.status != ProcSyscall && p.status != procAbandoned {
			return fmt.Errorf("no system call holds P %d", a[1])
		}
		if !p.told { // only its own thread can say that it still has it
			p.told = true
			f.added = append(f.added, Item{Type: ProcStatus, Args: []uint64{0, p.id, procAbandoned}})
		}
		next(it, 2, &p.seq, missing)
		if missing["m"] {
			a[3] = p.m.id
		}
		if p.m.p == p {
			p.m.p = nil
		}
		p.status = ProcIdle
	case GCActive, GCBegin, GCEnd:
		next(it, 1, &f.gcSeq, missing)
	default:
		return f.followGo(m, it, missing)
	}
	return nil
}

// followGo does so for events of goroutines.
func (f *filler) followGo(m *filledM, it *Item, missing map[string]bool) error {
	a := it.Args
	run := func(g *filledG) { g.status, g.m, m.g = GoRunning, m, g }
	leave := func(status uint64) {
		m.g.status, m.g.m = status, nil
		m.g = nil
	}
	switch it.Type {
	case GoStatus, wire.EvGoStatusStack:
		if missing["m"] {
			if a[2] = None; a[3] == GoRunning || a[3] == GoSyscall {
				a[2] = m.id
			}
		}
		g := &filledG{id: a[1], status: a[3], told: true}
		f.gs[g.id] = g
		if a[3] == GoRunning || a[3] == GoSyscall {
			on := f.thread(a[2])
			g.m, on.g = on, g
		}
	case GoCreate, GoCreateBlocked, wire.EvGoCreateSyscall:
		if f.gs[a[1]] != nil {
			return fmt.Errorf("goroutine %d exists", a[1])
		}
		g := &filledG{id: a[1], status: GoRunnable, told: true}
		f.gs[g.id] = g
		switch it.Type {
		case GoCreateBlocked:
			g.status = GoWaiting
		case wire.EvGoCreateSyscall:
			g.status, g.m, m.g = GoSyscall, m, g
		}
	case GoStart, GoUnblock, GoSwitch, GoSwitchDestroy:
		from, word := uint64(GoWaiting), "Waiting"
		if it.Type == GoStart {
			from, word = GoRunnable, "Runnable"
		}
		g, err := f.goroutine(a[1], from)
		switch {
		case err != nil:
			return err
		case g.status != from:
			return fmt.Errorf("goroutine %d is %s, not %s", g.id, wire.GoStatusNames[g.status], word)
		case it.Type == GoStart && m.g != nil:
			return fmt.Errorf("m%d runs goroutine %d", m.id, m.g.id)
		}
		next(it, 2, &g.seq, missing)
		switch it.Type {
		case GoUnblock:
			g.status = GoRunnable
		case GoSwitch:
			leave(GoWaiting)
			run(g)
		case GoSwitchDestroy:
			delete(f.gs, m.g.id)
			run(g)
		default:
			run(g)
		}
	case GoDestroy:
		delete(f.gs, m.g.id)
		m.g = nil
	case wire.EvGoDestroySyscall:
		delete(f.gs, m.g.id)
		if m.p != nil {
			m.p.status = procAbandoned
		}
		m.g, m.p = nil, nil
	case GoStop:
		leave(GoRunnable)
	case GoBlock:
		leave(GoWaiting)
	case GoSyscallBegin:
		next(it, 1, &m.p.seq, missing)
		m.p.status, m.g.status = ProcSyscall, GoSyscall
	case GoSyscallEnd:
		m.p.status, m.g.status = ProcRunning, GoRunning
	case GoSyscallEndBlocked:
		leave(GoRunnable)
	case AssistActive:
		_, err := f.goroutine(a[1], GoRunning)
		return err
	case wire.EvSweepActive:
		f.proc(a[1], ProcRunning)
	}
	return nil
}
