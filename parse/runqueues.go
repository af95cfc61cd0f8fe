package parse

// runQueues models the run queues (proc.go: runqput, runqget, runqgrab, globrunqput,
// findRunnable, execute), to tell from where a P took each goroutine it starts. The
// trace says when a goroutine became runnable and on which P, and which P started it;
// queue moves between leave no event.
//
// The model starts afresh at each generation from the runnable goroutines and how they
// were readied, so that it can be run on any generation by itself.
type runQueues struct {
	ps      []*procQueue // by P; nil where none was seen
	global  fifo
	procs   int // GOMAXPROCS, 0 while unknown
	handed  int // Ps with a goroutine in procQueue.handed
	scratch []*queued
}

// procQueue is the run queue of a P.
type procQueue struct {
	id           ProcID
	gone         bool // GOMAXPROCS is below it
	next         *queued
	local        fifo
	handed       *queued // readied by the scheduler on this P just now
	batch        int     // goroutines of the current netpoll batch
	dedicated    bool    // it runs a dedicated GC worker
	dedicatedEnd Time    // when it last ceased to
}

// queued is a goroutine in the queues.
type queued struct {
	where  where
	moved  moved
	inject bool       // a netpoll batch may have put it into the global queue instead
	p      *procQueue // of where
	victim ProcID     // moved by a steal: from there
}

// readying is how a goroutine became runnable.
type readying struct {
	how    Ready
	home   ProcID // P whose queue it went to, NoProc for the global queue
	at     Time
	direct bool // by the scheduler, from what is no timer
	credit bool // ReadyGC: assist credit
}

// where is the queue a goroutine is thought to be in.
type where uint8

const (
	nowhere     where = iota
	inRunNext         // of queued.p
	inLocal           // of queued.p
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

const localQueueLen = 256 // runtime2.go: len(p.runq)

// fifo is a queue whose elements leave from the head, several at a time.
type fifo struct {
	items []*queued
	head  int
}

func (f *fifo) len() int        { return len(f.items) - f.head }
func (f *fifo) live() []*queued { return f.items[f.head:] }
func (f *fifo) push(g *queued)  { f.items = append(f.items, g) }
func (f *fifo) reset()          { clear(f.items); f.items, f.head = f.items[:0], 0 }

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

func (f *fifo) index(g *queued) int {
	for i, x := range f.live() {
		if x == g {
			return i
		}
	}
	return -1
}

func (f *fifo) remove(g *queued) {
	if i := f.index(g); i >= 0 {
		i += f.head
		copy(f.items[i:], f.items[i+1:])
		f.items[len(f.items)-1] = nil
		f.items = f.items[:len(f.items)-1]
	}
}

// proc returns the queue of a P, which exists from here on.
func (q *runQueues) proc(id ProcID) *procQueue {
	for int(id) >= len(q.ps) {
		q.ps = append(q.ps, make([]*procQueue, int(id)+1-len(q.ps))...)
	}
	p := q.ps[id]
	if p == nil {
		p = &procQueue{id: id}
		q.ps[id] = p
	}
	p.gone = false
	return p
}

// lookup returns the queue of a P that exists, or nil.
func (q *runQueues) lookup(id ProcID) *procQueue {
	if id < 0 || int(id) >= len(q.ps) || q.ps[id] == nil || q.ps[id].gone {
		return nil
	}
	return q.ps[id]
}

// enqueue places g, which just became runnable, by how it was readied.
func (q *runQueues) enqueue(g *queued, r readying) {
	*g = queued{}
	home := q.lookup(r.home)
	switch r.how {
	case ReadyCoroutine:
		return
	case ReadyUnknown:
		g.where = fromUnknown
		return
	case ReadySyscall:
		if home != nil {
			return // its thread has a P and starts it next
		}
	}
	if home == nil {
		q.putGlobal(g, unmoved)
		return
	}
	switch {
	case r.how == ReadyNetpoll, r.how == ReadyLockHandoff,
		r.how == ReadyRuntime && r.direct, // a GC worker that the scheduler starts at once displaces nobody
		r.how == ReadyGC && r.credit:      // it is handed out with next=false; a stack scan ends with ready(next=true)
		q.putLocal(home, g, unmoved)
	default:
		q.putNext(home, g)
	}
}

func (q *runQueues) putNext(p *procQueue, g *queued) {
	if old := p.next; old != nil {
		p.next = nil
		q.putLocal(p, old, unmoved)
	}
	p.next = g
	g.where, g.p = inRunNext, p
}

func (q *runQueues) putLocal(p *procQueue, g *queued, m moved) {
	if p.local.len() >= localQueueLen {
		// runqputslow: half the queue and g go to the global queue.
		for _, o := range p.local.live()[:localQueueLen/2] {
			q.putGlobal(o, byOverrun)
		}
		p.local.drop(localQueueLen / 2)
		q.putGlobal(g, byOverrun)
		return
	}
	p.local.push(g)
	g.where, g.moved, g.p = inLocal, m, p
}

func (q *runQueues) putGlobal(g *queued, m moved) {
	q.global.push(g)
	g.where, g.moved, g.p = inGlobal, m, nil
}

// hand notes a goroutine that the scheduler readied on its P, which may start it
// next without queueing it. Of a netpoll batch that is the last one; the first
// ones, as many as Ps are idle, may go to the global queue.
func (q *runQueues) hand(g *queued, id ProcID, how Ready, idle int) {
	p := q.lookup(id)
	if p == nil {
		return
	}
	if p.handed == nil {
		p.batch = 0
		q.handed++
	}
	g.inject = how == ReadyNetpoll && p.batch < idle
	p.batch++
	p.handed = g
}

// unhand forgets what was handed to p, if anything.
func (q *runQueues) unhand(p *procQueue) {
	if p.handed != nil {
		p.handed = nil
		q.handed--
	}
}

// start removes g, which p starts, and says where it was taken from.
func (q *runQueues) start(g *queued, p *procQueue, r readying) (o Origin, victim ProcID, batch int32) {
	was := *g
	*g = queued{}
	direct := p.handed == g
	q.unhand(p)
	switch {
	case r.how == ReadyCoroutine:
		return OriginCoroutine, NoProc, 0
	case r.how == ReadySyscall && r.home != NoProc:
		return OriginSyscall, NoProc, 0
	case direct && (r.how == ReadyNetpoll || r.how == ReadyRuntime):
		q.take(g, was)
		return OriginDirect, NoProc, 0
	}
	switch was.where {
	case inRunNext:
		was.p.next = nil
		if was.p == p {
			return OriginRunNext, NoProc, 0
		}
		return was.stolen(was.p, r.at, 1)
	case inLocal:
		if was.p == p {
			return q.startOwn(g, p, was, r.at)
		}
		return q.steal(g, p, was, r.at)
	case inGlobal:
		q.startGlobal(g, p)
		return OriginGlobal, NoProc, 0
	case lostGlobal:
		return OriginGlobal, NoProc, 0
	case lostLocal:
		if was.p != nil {
			return OriginAmbiguous, was.p.id, 0
		}
		return OriginAmbiguous, NoProc, 0
	}
	return OriginUnknown, NoProc, 0
}

// startOwn takes g from the local queue of p itself.
func (q *runQueues) startOwn(g *queued, p *procQueue, was queued, at Time) (Origin, ProcID, int32) {
	older := p.local.index(g)
	for _, x := range p.local.live()[:older] {
		x.where = lostLocal
	}
	p.local.drop(older + 1)
	switch was.moved {
	case bySteal:
		from := q.lookup(was.victim)
		if from == nil {
			from = p
		}
		return was.stolen(from, at, 0)
	case byBatch, byOverrun:
		return OriginGlobal, NoProc, 0
	case byDoubt:
		return OriginAmbiguous, was.victim, 0
	}
	return OriginLocal, NoProc, 0
}

// steal takes g from the local queue of another P, and what lies before it along.
func (q *runQueues) steal(g *queued, p *procQueue, was queued, at Time) (Origin, ProcID, int32) {
	from := was.p
	older := from.local.index(g)
	o, victim, batch := was.stolen(from, at, int32(1+older))
	if was.moved.doubtful() {
		o, victim, batch = OriginAmbiguous, from.id, 0
	}
	q.scratch = append(q.scratch[:0], from.local.live()[:older]...)
	from.local.drop(older + 1)
	for _, x := range q.scratch {
		if p.local.len() >= localQueueLen {
			x.where = lostLocal
			continue
		}
		how := bySteal
		if o != OriginStolen || x.moved.doubtful() {
			how = byDoubt
		}
		x.victim = from.id
		q.putLocal(p, x, how)
	}
	return o, victim, batch
}

// startGlobal takes g from the global queue, and a batch along (globrunqgetbatch).
func (q *runQueues) startGlobal(g *queued, p *procQueue) {
	older := q.global.index(g)
	for _, x := range q.global.live()[:older] {
		x.where = lostGlobal
	}
	q.global.drop(older + 1)
	if p.next == nil && p.local.len() == 0 && q.procs > 0 {
		size := q.global.len() + 1
		n := min(localQueueLen/2, size, size/q.procs+1) - 1
		for _, x := range q.global.live()[:n] {
			q.putLocal(p, x, byBatch)
		}
		q.global.drop(n)
	}
}

// stolen tells a steal from v from the moves that look like one: a dedicated GC worker
// that is preempted puts the whole local queue of its P into the global queue
// (mgc.go:gcBgMarkWorker), and a netpoll batch goes there while Ps are idle
// (proc.go:injectglist). The goroutine became runnable at that time.
func (g *queued) stolen(v *procQueue, at Time, batch int32) (Origin, ProcID, int32) {
	if g.inject || v.dedicated || v.dedicatedEnd != 0 && v.dedicatedEnd >= at {
		return OriginAmbiguous, v.id, 0
	}
	return OriginStolen, v.id, batch
}

// remove takes g out of the queue it was placed in.
func (q *runQueues) remove(g *queued) {
	was := *g
	*g = queued{}
	q.take(g, was)
}

func (q *runQueues) take(g *queued, was queued) {
	switch was.where {
	case inRunNext:
		was.p.next = nil
	case inLocal:
		was.p.local.remove(g)
	case inGlobal:
		q.global.remove(g)
	}
}

// flush moves the queue of a P that goes away to the head of the global queue
// (proc.go:(*p).destroy).
func (q *runQueues) flush(p *procQueue) {
	all := append([]*queued(nil), p.local.live()...)
	if p.next != nil {
		all = append(all, p.next)
	}
	if len(all) == 0 {
		return
	}
	p.next = nil
	p.local.reset()
	all = append(all, q.global.live()...)
	q.global.reset()
	for _, g := range all {
		q.putGlobal(g, unmoved)
	}
}

// reset empties the queues.
func (q *runQueues) reset() {
	q.global.reset()
	q.handed = 0
	for _, p := range q.ps {
		if p != nil {
			p.next, p.handed = nil, nil
			p.local.reset()
		}
	}
}
