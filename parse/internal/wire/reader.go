// Package wire reads the format of Go 1.22 and later traces: batches of events
// by thread, grouped in generations, into one stream in order.
//
// It delivers what golang.org/x/exp/trace delivers, event by event: the same
// order, times, states and contexts; tests compare the two over every trace at
// hand. Differences, all on purpose:
//
//   - Regions that end in crossed order, which is legal to call, stop the
//     reference for the rest of the trace. Here they pass.
//   - The three events of a coroutine switch are marked.
//   - What a generation's last statuses say was so all along. They are written late, up
//     to 154 ms after the next generation has begun (trace.go:traceAdvance), and take
//     the time of the event before them. The reference moves all that the next
//     generation recorded meanwhile behind them.
//
// # How
//
// A generation is read whole: raw bytes, strings, stacks, CPU samples. Each
// thread's batches are in order already and are decoded a block of events at a
// time. A heap holds the next event of every thread by time, and the one on top
// goes first if the state machine of order.go lets it; else the first of the
// others that can. States are flat tables that outlive the generation; nothing is
// allocated for an event, and the goroutine and P of a thread are found without a
// look-up.
package wire

import (
	"bufio"
	"cmp"
	"io"
	"math"
	"slices"
)

// Reader reads a v2 trace.
type Reader struct {
	in      input
	version Version
	g       generation
	o       order

	heap    []head
	samples int // next CPU sample
	last    int64

	// Where generations overlap.
	floor    int64  // last when the generation began
	moved    uint32 // events that say an earlier time than floor
	farthest int64  // by how many ns they were moved at most

	open bool // a generation is being delivered
	done bool
	err  error // to be returned after the Sync that precedes it

	early *early // the next generation, where it is read before its turn

	// What was met of the trace.
	gen           uint64 // of the batch before, 0 between generations
	unframed      bool   // where the next batch begins is lost
	begun         int    // generations
	whole, tabled int    // of them, those read to their end, and those with strings

	nsPer  float64 // of the generation before
	given  int64   // events delivered
	effort int64   // threads tried for them out of turn

	// Up to Go 1.25 a generation ends where a batch of the next begins.
	spilled  bool
	spill    header
	spillBuf []byte
	spillErr error
}

// early is a generation that is read before its turn, and what came of that.
type early struct {
	g    generation
	more bool
	err  error
}

// head is a thread in the heap.
type head struct {
	time int64 // of its next event
	t    *thread
}

// NewReader returns a reader of the format of Go 1.version, which is at least 22.
// r stands at the start of the file; the header's content is taken for granted.
func NewReader(r *bufio.Reader, version Version, t Tables) (*Reader, error) {
	n, err := r.Discard(16)
	if err == io.EOF {
		err = truncated("the file ends inside its header")
	}
	if err != nil {
		return nil, err
	}
	rd := &Reader{in: input{r, int64(n)}, version: version}
	rd.g.tables = t
	rd.o.in, rd.o.next = &rd.g, rd.readAhead
	rd.o.labels = map[uint32]uint8{
		t.String([]byte("GC (dedicated)")):  1,
		t.String([]byte("GC (fractional)")): 2,
		t.String([]byte("GC (idle)")):       3,
	}
	return rd, nil
}

// Read gives the next events, until buf, of at least three, has no room for the three that
// one step may give. The first event of every generation, and the last event of all, is
// OpSync; after it comes io.EOF, or what is wrong with the trace. As many events as are
// returned are valid, also beside an error.
func (r *Reader) Read(buf []Event) (n int, err error) {
	defer func() { r.given += int64(n) }()
	for len(buf)-n >= 3 {
		var k int
		switch {
		case r.err != nil:
			return n, r.err
		case r.done:
			return n, io.EOF
		case !r.open || len(r.heap) == 0 && r.samples == len(r.g.samples):
			k, err = 1, r.nextGeneration(&buf[n])
		case r.samples < len(r.g.samples) && (len(r.heap) == 0 || r.g.samples[r.samples].time < r.heap[0].time):
			k, err = 1, r.sample(&buf[n])
		default:
			k, err = r.steps(buf[n:])
			n += k
			k = 0
		}
		if err != nil {
			r.fail(err)
			return n, r.err
		}
		r.tick(buf[n : n+k])
		n += k
	}
	return n, nil
}

// tick makes times strictly increasing.
func (r *Reader) tick(events []Event) {
	for i := range events {
		e := &events[i]
		if e.Time <= r.last {
			r.late(e)
		}
		r.last = e.Time
	}
}

// late moves e, which says no later time than the event before it.
func (r *Reader) late(e *Event) {
	at := r.last + 1
	if e.Time < r.floor && e.Op != OpSync && !e.status() {
		r.moved += min(1, math.MaxUint32-r.moved)
		r.farthest = max(r.farthest, at-e.Time)
	} else if at-e.Time > worthLate && e.Op != OpSync && !e.status() {
		r.g.odd.late++
	}
	e.Time = at
}

// Tick tells in e, an OpSync, the length of a tick in ns.
func (e *Event) Tick(ns float64, estimated bool) {
	if ns >= 0 && ns < math.MaxUint32 {
		e.Name = uint32(math.Round(ns))
		if estimated {
			e.Text = 1
		}
	}
}

// trailing reports whether no thread has an event left, so that what remains of the
// generation are the statuses of what did nothing in it.
func (r *Reader) trailing() bool {
	return len(r.heap) == 1 && r.heap[0].t.id == None && (r.floor != 0 || len(r.g.threads) > 1)
}

// sync is the event between two generations.
func (r *Reader) sync(e *Event, at int64) {
	*e = Event{Time: at, Op: OpSync, G: None, P: None, M: None}
	e.Slot, e.Res = r.moved, r.farthest
	e.GSlot, e.Stack, e.ResStack, e.Reason = r.g.odd.beyond, r.g.odd.rewound, r.g.odd.late, r.g.odd.skipped
	if r.open && r.g.wall != 0 {
		e.Values = [2]uint64{uint64(r.g.ns(r.g.snapTime)), uint64(r.g.wall)}
	}
}

// nextGeneration reads and opens the next generation and delivers its Sync.
func (r *Reader) nextGeneration(e *Event) error {
	var more bool
	var err error
	if next := r.early; next != nil {
		more, err = next.more, next.err
		r.g, r.early = next.g, nil
	} else {
		more, err = r.read(&r.g)
	}
	r.open = false
	switch {
	case err != nil:
		r.fail(err)
		r.sync(e, r.last)
		return nil
	case !more:
		r.done = true
		r.sync(e, r.last)
		return nil
	}
	r.open, r.floor = true, r.last
	if r.o.gen != 0 && r.g.gen != r.o.gen+1 {
		r.g.odd.skipped++
	}
	r.o.gen = r.g.gen
	r.heap, r.samples = r.heap[:0], 0
	for _, t := range r.g.threads {
		ok, err := r.g.refill(t)
		if err != nil {
			return err
		}
		if ok {
			r.heap = append(r.heap, head{t.evs[0].time, t})
			siftUp(r.heap, len(r.heap)-1)
		}
	}
	if r.o.initial == 0 && len(r.heap) > 0 {
		r.o.initial = r.g.gen
	}
	r.sync(e, r.g.ns(r.g.minTime))
	if r.nsPer != 0 && r.nsPer != r.g.nsPer {
		e.Mode |= SyncChanged
	}
	if r.g.undivided {
		e.Mode |= SyncUndivided
	}
	r.nsPer = r.g.nsPer
	e.Tick(r.nsPer, r.g.whole != 64) // what all but Windows have
	return nil
}

// readAhead reads the next generation while one is being delivered; nil where there is
// none, or where it is broken, which is told in its turn.
func (r *Reader) readAhead() *generation {
	if r.early == nil {
		r.early = &early{g: generation{tables: r.g.tables}}
		r.early.more, r.early.err = r.read(&r.early.g)
	}
	if !r.early.more || r.early.err != nil {
		return nil
	}
	return &r.early.g
}

// read reads the next generation into g, which may be the one that was delivered.
func (r *Reader) read(g *generation) (more bool, err error) {
	if r.version.MarksEnds() {
		more, err = r.readMarked(g)
	} else {
		more, err = r.readUnmarked(g)
	}
	g.end = r.in.n
	return more, err
}

// header reads the head of the next batch and counts the generations.
func (r *Reader) header() (header, error) {
	h, err := r.in.header()
	r.unframed = err != nil
	switch {
	case h.end:
		r.gen = 0
	case h.gen != 0 && h.gen != r.gen:
		r.gen = h.gen
		r.begun++
	}
	return h, err
}

// next reads the next batch; its data is held in g.
func (r *Reader) next(g *generation) (header, []byte, error) {
	h, err := r.header()
	if err != nil {
		return h, nil, err
	}
	data, err := g.read(&r.in, h)
	r.unframed = err != nil
	return h, data, err
}

// Generations returns how many generations the bytes read so far begin, and how many of
// them they hold whole.
func (r *Reader) Generations() (begun, whole int) { return r.begun, r.whole }

// Skim reads what follows a fault, until stop says so, and counts its generations.
func (r *Reader) Skim(stop func() bool) {
	for !r.unframed && !stop() {
		h, err := r.header()
		if err != nil {
			return
		}
		n, err := r.in.r.Discard(h.size)
		r.in.n += int64(n)
		r.unframed = err != nil
	}
}

// readMarked reads a generation up to its end mark (Go 1.26 and later).
func (r *Reader) readMarked(g *generation) (more bool, err error) {
	g.reset()
	for {
		h, data, err := r.next(g)
		switch {
		case err == io.EOF && r.begun == 0:
			return false, errEmpty
		case err == io.EOF && g.gen != 0:
			return false, errUnended
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		}
		if g.gen == 0 {
			g.gen = h.gen
		}
		if h.end || !h.exp && h.size > 0 && data[0] == EvEndOfGeneration {
			g.release(data)
			break
		}
		if h.gen == 0 {
			return false, corrupt("invalid generation number %d", h.gen)
		}
		if h.gen != g.gen {
			return false, corrupt("broken trace: missing end-of-generation event, or generations are interleaved")
		}
		if err := g.file(h, data, r.version); err != nil {
			return false, err
		}
	}
	r.whole++
	return true, g.finish(r.version)
}

// readUnmarked reads a generation up to the first batch of the next.
func (r *Reader) readUnmarked(g *generation) (more bool, err error) {
	switch before := &r.g; {
	case r.spillErr != nil:
		return false, r.spillErr
	case r.open && !r.spilled && !before.hasStrings && (r.tabled > 0 || r.begun == 1 && before.batches == 0):
		return false, errUnended // the string table comes last (trace.go:traceAdvance)
	case r.open && !r.spilled:
		return false, nil
	}
	g.reset()
	if r.spilled {
		r.spilled = false
		g.gen = r.spill.gen
		data := g.hold(len(r.spillBuf))
		copy(data, r.spillBuf)
		if err := g.file(r.spill, data, r.version); err != nil {
			return false, err
		}
	}
	for {
		h, data, err := r.next(g)
		switch {
		case err == io.EOF && g.gen == 0:
			return false, errEmpty
		case err == io.EOF:
			g.atEnd = true
			return true, r.finishUnmarked(g)
		case err != nil && g.gen == 0:
			return false, err
		case err != nil:
			// It may concern only the next generation: deliver this one first.
			r.spillErr, g.atEnd = err, true
			return true, r.finishUnmarked(g)
		case h.gen == 0: // also an end mark, which there is none of before Go 1.26
			return false, corrupt("invalid generation number %d", h.gen)
		case g.gen == 0:
			g.gen = h.gen
		case h.gen == g.gen+1:
			r.spilled, r.spill = true, h
			r.spillBuf = append(r.spillBuf[:0], data...)
			g.release(data)
			return true, r.finishUnmarked(g)
		case h.gen != g.gen:
			return false, corrupt("generations out of order")
		}
		if err := g.file(h, data, r.version); err != nil {
			return false, err
		}
	}
}

func (r *Reader) finishUnmarked(g *generation) error {
	if g.hasStrings {
		r.tabled++
	}
	if g.hasStrings || r.tabled == 0 {
		r.whole++
	}
	return g.finish(r.version)
}

func (r *Reader) sample(e *Event) error {
	s := &r.g.samples[r.samples]
	r.samples++
	stack, ok := r.g.stacks.get(s.stack)
	if !ok {
		return corrupt("found invalid stack ID %d for event CPUSample", s.stack).with(noEntry)
	}
	*e = Event{Time: s.time, Op: OpSample, G: s.g, P: narrow(s.p), M: s.m, Stack: stack}
	return nil
}

// steps orders events into buf until it has no room for three or something else than the
// next event of a thread is due: those of the earliest thread, or else one of the first
// thread that can go on.
func (r *Reader) steps(buf []Event) (n int, err error) {
	sample := int64(math.MaxInt64)
	if r.samples < len(r.g.samples) {
		sample = r.g.samples[r.samples].time
	}
	for n < len(buf)-2 && len(r.heap) > 0 && r.heap[0].time <= sample {
		// While one leads no other thread's time changes.
		h, limit := r.heap, sample
		if len(h) > 1 {
			limit = min(limit, h[1].time)
		}
		if len(h) > 2 {
			limit = min(limit, h[2].time)
		}
		t := h[0].t
		k, err := r.lead(t, limit, buf[n:])
		if err != nil {
			return n + k, err
		}
		if t.at == len(t.evs) {
			r.heap = remove(h, 0)
		} else if k > 0 {
			h[0].time = t.evs[t.at].time
			siftDown(h, 0)
		} else if k, err = r.others(buf[n : n+3]); err != nil {
			return n, err
		}
		n += k
	}
	return n, nil
}

// minEffort is how many threads may be tried out of turn in any trace.
const minEffort = 1 << 22

// others orders the next event of the first thread that can go on when the earliest
// cannot.
func (r *Reader) others(out []Event) (int, error) {
	// In sound traces it is less than one thread for an event.
	if r.effort += int64(len(r.heap)); r.effort > minEffort+256*r.given {
		return 0, corrupt("broken trace: events of %d threads wait for one another", len(r.heap))
	}
	slices.SortFunc(r.heap, func(a, b head) int { return cmp.Compare(a.time, b.time) })
	for i := 1; i < len(r.heap); i++ {
		t := r.heap[i].t
		k, err := r.lead(t, math.MaxInt64, out)
		if k > 0 {
			r.settle(i)
		}
		if k > 0 || err != nil {
			return k, err
		}
	}
	t := r.heap[0].t
	return 0, corrupt("broken trace: failed to advance: generation %d, earliest event %s of thread %d", r.g.gen, Specs[t.evs[t.at].typ].Name, t.id).with(noEvent)
}

// bound returns what is bound to t, nothing if it is no thread.
func (r *Reader) bound(t *thread) *mState {
	if t.ms == nil {
		r.bind(t)
	}
	return t.ms
}

func (r *Reader) bind(t *thread) {
	if t.id == None {
		t.ms = &mState{id: None}
		return
	}
	t.ms = r.o.thread(t.id)
	t.ms.t = t
}

// settle finds the place of the i-th thread of the heap, which has moved on.
func (r *Reader) settle(i int) {
	t := r.heap[i].t
	if t.at == len(t.evs) {
		r.heap = remove(r.heap, i)
		return
	}
	r.heap[i].time = t.evs[t.at].time
	if i > 0 {
		i = siftUp(r.heap, i)
	}
	siftDown(r.heap, i)
}

// The heap by time is the reference's, ties and all, so that events of equal time
// come in the same order.

func siftUp(h []head, i int) int {
	for i > 0 {
		up := (i - 1) / 2
		if h[up].time <= h[i].time {
			break
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
	return i
}

func siftDown(h []head, i int) {
	x := h[i]
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1].time < h[c].time {
			c++
		}
		if h[c].time >= x.time {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = x
}

func remove(h []head, i int) []head {
	for i > 0 {
		up := (i - 1) / 2
		h[up], h[i] = h[i], h[up]
		i = up
	}
	last := len(h) - 1
	h[0] = h[last]
	h[last] = head{}
	h = h[:last]
	if last > 0 {
		siftDown(h, 0)
	}
	return h
}
