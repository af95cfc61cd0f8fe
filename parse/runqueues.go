package parse

// This file models the run queues (proc.go: runqput, runqget, runqgrab,
// globrunqput, findRunnable, execute), to tell from where a P took each
// goroutine it starts. The trace says when a goroutine became runnable and on
// which P, and which P started it; queue moves between leave no event.
//
// The model starts afresh at each generation from the runnable goroutines and
// how they were readied, so that it can be run on any generation by itself.

// where is the queue a goroutine is thought to be in.
type where uint8

const (
	nowhere     where = iota
	inRunNext         // of queue.p
	inLocal           // of queue.p
	inGlobal          //
	lostLocal         // it left a local queue unseen
	lostGlobal        // it left the global queue unseen
	fromUnknown       // its readying was not seen
)

// moved is how a goroutine came into the local queue it is in.
type moved uint8

const (
	unmoved   moved = iota
	bySteal         // with a stolen batch
	byBatch         // with a batch from the global queue: speculative
	byOverrun       // local queue overflow
	byDoubt         // with a batch stolen from where it may not have been
)

// doubtful reports whether a move is a guess.
func (m moved) doubtful() bool { return m == byBatch || m == byOverrun || m == byDoubt }

// queued is a goroutine's place in the queues.
type queued struct {
	where  where
	moved  moved
	p      *proc
	inject bool // a netpoll batch may have put it into the global queue instead
}

const localQueueLen = 256 // runtime2.go: len(p.runq)

// fifo is a queue whose elements leave from the head, several at a time.
type fifo struct {
	items []*goroutine
	head  int
}

func (f *fifo) len() int           { return len(f.items) - f.head }
func (f *fifo) live() []*goroutine { return f.items[f.head:] }
func (f *fifo) push(g *goroutine)  { f.items = append(f.items, g) }
func (f *fifo) reset()             { clear(f.items); f.items, f.head = f.items[:0], 0 }

// drop removes the n oldest.
func (f *fifo) drop(n int) {
	clear(f.items[f.head : f.head+n])
	f.head += n
	if f.head > 64 && f.head > len(f.items)/2 {
		k := copy(f.items, f.items[f.head:])
		clear(f.items[k:])
		f.items, f.head = f.items[:k], 0
	}
}

func (f *fifo) index(g *goroutine) int {
	for i, x := range f.live() {
		if x == g {
			return i
		}
	}
	return -1
}

func (f *fifo) remove(g *goroutine) {
	if i := f.index(g); i >= 0 {
		i += f.head
		copy(f.items[i:], f.items[i+1:])
		f.items[len(f.items)-1] = nil
		f.items = f.items[:len(f.items)-1]
	}
}

// enqueue places g, which just became runnable, by how it was readied.
func (t *tracker) enqueue(g *goroutine) {
	g.q = queued{}
	if !t.queues {
		return
	}
	home := t.homeOf(g)
	switch g.Ready {
	case ReadyCoroutine:
		return
	case ReadyUnknown:
		g.q.where = fromUnknown
		return
	case ReadySyscall:
		if home != nil {
			return // its thread has a P and starts it next
		}
	}
	if home == nil {
		t.putGlobal(g, unmoved)
		return
	}
	switch g.Ready {
	case ReadyNetpoll, ReadyLockHandoff:
		t.putLocal(home, g, unmoved)
	case ReadyRuntime:
		// N.B. a GC worker that the scheduler starts at once displaces nobody.
		if g.direct {
			t.putLocal(home, g, unmoved)
		} else {
			t.putNext(home, g)
		}
	case ReadyGC:
		// Assist credit is handed out with next=false, a stack scan ends with
		// ready(next=true).
		if g.blockedKind == blockAssist {
			t.putLocal(home, g, unmoved)
		} else {
			t.putNext(home, g)
		}
	default:
		t.putNext(home, g)
	}
}

func (t *tracker) homeOf(g *goroutine) *proc {
	if g.Home == NoProc {
		return nil
	}
	return t.lookup(g.Home)
}

func (t *tracker) putNext(p *proc, g *goroutine) {
	if old := p.runnext; old != nil {
		p.runnext = nil
		t.putLocal(p, old, unmoved)
	}
	p.runnext = g
	g.q.where, g.q.p = inRunNext, p
}

func (t *tracker) putLocal(p *proc, g *goroutine, m moved) {
	if p.local.len() >= localQueueLen {
		// runqputslow: half the queue and g go to the global queue.
		for _, o := range p.local.live()[:localQueueLen/2] {
			t.putGlobal(o, byOverrun)
		}
		p.local.drop(localQueueLen / 2)
		t.putGlobal(g, byOverrun)
		return
	}
	p.local.push(g)
	g.q.where, g.q.moved, g.q.p = inLocal, m, p
}

func (t *tracker) putGlobal(g *goroutine, m moved) {
	t.global.push(g)
	g.q.where, g.q.moved, g.q.p = inGlobal, m, nil
}

// dequeue removes g, which p starts, and says where it was taken from.
func (t *tracker) dequeue(g *goroutine, p *proc) (o Origin, victim ProcID, batch int32) {
	q := g.q
	g.q = queued{}
	direct := p.handed == g
	if p.handed != nil {
		p.handed = nil
		t.handed--
	}
	switch {
	case g.Ready == ReadyCoroutine:
		return OriginCoroutine, NoProc, 0
	case g.Ready == ReadySyscall && g.Home != NoProc:
		return OriginSyscall, NoProc, 0
	case direct && (g.Ready == ReadyNetpoll || g.Ready == ReadyRuntime):
		t.unqueue(g, q)
		return OriginDirect, NoProc, 0
	}
	switch q.where {
	case inRunNext:
		q.p.runnext = nil
		if q.p == p {
			return OriginRunNext, NoProc, 0
		}
		return t.stolen(g, q, 1)
	case inLocal:
		older := q.p.local.index(g)
		if q.p == p {
			for _, x := range p.local.live()[:older] {
				x.q.where = lostLocal
			}
			p.local.drop(older + 1)
			switch q.moved {
			case bySteal:
				if from := t.lookup(g.stolenFrom); from != nil {
					q.p = from
				}
				return t.stolen(g, q, 0)
			case byBatch, byOverrun:
				return OriginGlobal, NoProc, 0
			case byDoubt:
				return OriginAmbiguous, g.stolenFrom, 0
			}
			return OriginLocal, NoProc, 0
		}
		o, victim, batch := t.stolen(g, q, int32(1+older))
		if q.moved.doubtful() {
			o, victim, batch = OriginAmbiguous, q.p.ID, 0
		}
		t.scratch = append(t.scratch[:0], q.p.local.live()[:older]...)
		q.p.local.drop(older + 1)
		for _, x := range t.scratch {
			if p.local.len() >= localQueueLen {
				x.q.where = lostLocal
				continue
			}
			how := bySteal
			if o != OriginStolen || x.q.moved.doubtful() {
				how = byDoubt
			}
			x.stolenFrom = q.p.ID
			t.putLocal(p, x, how)
		}
		return o, victim, batch
	case inGlobal:
		older := t.global.index(g)
		for _, x := range t.global.live()[:older] {
			x.q.where = lostGlobal
		}
		t.global.drop(older + 1)
		if p.runnext == nil && p.local.len() == 0 && t.procs > 0 {
			// globrunqgetbatch
			size := t.global.len() + 1
			n := min(localQueueLen/2, size, size/t.procs+1) - 1
			for _, x := range t.global.live()[:n] {
				t.putLocal(p, x, byBatch)
			}
			t.global.drop(n)
		}
		return OriginGlobal, NoProc, 0
	case lostGlobal:
		return OriginGlobal, NoProc, 0
	case lostLocal:
		if q.p != nil {
			return OriginAmbiguous, q.p.ID, 0
		}
		return OriginAmbiguous, NoProc, 0
	}
	return OriginUnknown, NoProc, 0
}

// stolen tells a steal from the moves that look like one: a dedicated GC worker
// that is preempted puts the whole local queue of its P into the global queue
// (mgc.go:gcBgMarkWorker), and a netpoll batch goes there while Ps are idle
// (proc.go:injectglist).
func (t *tracker) stolen(g *goroutine, q queued, batch int32) (Origin, ProcID, int32) {
	v := q.p
	if q.inject || v.dedicated || v.dedicatedEnd != 0 && v.dedicatedEnd >= g.Since {
		return OriginAmbiguous, v.ID, 0
	}
	return OriginStolen, v.ID, batch
}

// unqueue takes g out of the queue it was placed in.
func (t *tracker) unqueue(g *goroutine, q queued) {
	switch q.where {
	case inRunNext:
		q.p.runnext = nil
	case inLocal:
		q.p.local.remove(g)
	case inGlobal:
		t.global.remove(g)
	}
}

// flushQueue moves the queue of a P that goes away to the head of the global
// queue (proc.go:(*p).destroy).
func (t *tracker) flushQueue(p *proc) {
	all := append([]*goroutine(nil), p.local.live()...)
	if p.runnext != nil {
		all = append(all, p.runnext)
	}
	if len(all) == 0 {
		return
	}
	p.runnext = nil
	p.local.reset()
	all = append(all, t.global.live()...)
	t.global.reset()
	for _, g := range all {
		t.putGlobal(g, unmoved)
	}
}

// restartQueues empties the model and places the runnable goroutines, oldest
// readying first.
func (t *tracker) restartQueues() {
	if !t.queues {
		return
	}
	t.work(len(t.gs))
	t.global.reset()
	t.handed = 0
	for _, p := range t.ps {
		if p != nil {
			p.runnext, p.handed = nil, nil
			p.local.reset()
		}
	}
	for _, g := range t.sorted(func(g *goroutine) bool { return g.From == GoRunnable }) {
		t.enqueue(g)
	}
}
