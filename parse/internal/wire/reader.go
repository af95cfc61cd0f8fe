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
//
// # How
//
// A generation is read whole: raw bytes, strings, stacks, CPU samples. Each
// thread's batches are in order already, so a heap holds the next event of every
// thread by time, and the one on top goes first if the state machine of order.go
// lets it; else the first of the others that can. States are flat tables that
// outlive the generation; nothing is allocated for an event, and the goroutine
// and P of a thread are found without a look-up.
package wire

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Reader reads a v2 trace.
type Reader struct {
	r       *bufio.Reader
	version int
	tables  Tables
	g       generation
	o       order

	heap    []*thread
	samples int // next CPU sample
	last    int64
	open    bool // a generation is being delivered
	done    bool
	err     error // to be returned after the Sync that precedes it

	// Up to Go 1.25 a generation ends where a batch of the next begins.
	spilled  bool
	spill    header
	spillBuf []byte
	spillErr error

	labels map[uint32]uint8 // modes of GC workers by label
}

// NewReader returns a reader of the format of Go 1.version, which is at least 22.
// r stands at the begin of the file; the header's content is taken for granted.
func NewReader(r *bufio.Reader, version int, t Tables) (*Reader, error) {
	if _, err := r.Discard(16); err != nil {
		return nil, noEOF(err)
	}
	return &Reader{r: r, version: version, tables: t, labels: map[uint32]uint8{
		t.String([]byte("GC (dedicated)")):  1,
		t.String([]byte("GC (fractional)")): 2,
		t.String([]byte("GC (idle)")):       3,
	}}, nil
}

// Read fills buf with the next events. The first event of every generation, and
// the last event of all, is OpSync; after it comes io.EOF, or what is wrong with
// the trace. As many events as are returned are valid, also beside an error.
func (r *Reader) Read(buf []Event) (n int, err error) {
	for n < len(buf) {
		e, err := r.next()
		if err != nil {
			return n, err
		}
		buf[n] = *e
		n++
	}
	return n, nil
}

func (r *Reader) next() (*Event, error) {
	o := &r.o
	for o.outNext == o.outLen {
		o.outNext, o.outLen = 0, 0
		if r.err != nil {
			return nil, r.err
		}
		if r.done {
			return nil, io.EOF
		}
		if err := r.more(); err != nil {
			o.outLen = 0 // what it could not complete
			r.err = err
			return nil, err
		}
	}
	e := &o.out[o.outNext]
	o.outNext++
	// Times are strictly increasing.
	if e.Time <= r.last {
		e.Time = r.last + 1
	}
	r.last = e.Time
	return e, nil
}

// more puts the next event, or the events of a coroutine switch, into out.
func (r *Reader) more() error {
	if !r.open || len(r.heap) == 0 && r.samples == len(r.g.samples) {
		return r.nextGeneration()
	}
	if r.samples < len(r.g.samples) && (len(r.heap) == 0 || r.g.samples[r.samples].time < r.heap[0].ev.time) {
		return r.sample()
	}
	return r.step()
}

// sync puts out the event between two generations.
func (r *Reader) sync(at int64) {
	e := &r.o.out[0]
	r.o.outLen = 1
	*e = Event{Time: at, Op: OpSync, G: None, P: None, M: None}
	if r.open && r.g.wall != 0 {
		e.Values = [2]uint64{uint64(r.g.ns(r.g.snapTime)), uint64(r.g.wall)}
	}
}

// nextGeneration reads and opens the next generation and delivers its Sync.
func (r *Reader) nextGeneration() error {
	var more bool
	var err error
	wasOpen := r.open
	if r.version >= 26 {
		more, err = r.readMarked()
	} else {
		more, err = r.readUnmarked(wasOpen)
	}
	r.open = false
	switch {
	case err != nil:
		r.err = err
		r.sync(r.last)
		return nil
	case !more:
		r.done = true
		r.sync(r.last)
		return nil
	}
	r.open = true
	if r.o.initial == 0 {
		r.o.initial = r.g.gen
	}
	r.o.gen = r.g.gen
	r.heap, r.samples = r.heap[:0], 0
	for _, t := range r.g.threads {
		ok, err := r.g.advance(t)
		if err != nil {
			return err
		}
		if ok {
			r.heap = append(r.heap, t)
			siftUp(r.heap, len(r.heap)-1)
		}
	}
	r.sync(r.g.ns(r.g.minTime))
	return nil
}

// readMarked reads a generation up to its end mark (Go 1.26 and later).
func (r *Reader) readMarked() (more bool, err error) {
	g := &r.g
	g.reset()
	for {
		h, err := readHeader(r.r)
		if err == io.EOF {
			if g.batches > 0 {
				return false, errors.New("incomplete generation found; trace likely truncated")
			}
			return false, nil
		}
		if err != nil {
			return false, err
		}
		from := len(g.data)
		if err := g.read(r.r, h); err != nil {
			return false, err
		}
		if g.gen == 0 {
			g.gen = h.gen
		}
		if h.end || !h.exp && h.size > 0 && g.data[from] == evEndOfGeneration {
			g.data = g.data[:from]
			break
		}
		if h.gen == 0 {
			return false, fmt.Errorf("invalid generation number %d", h.gen)
		}
		if h.gen != g.gen {
			return false, errors.New("broken trace: missing end-of-generation event, or generations are interleaved")
		}
		if err := g.file(h, from, r.version); err != nil {
			return false, err
		}
	}
	return true, g.finish(r.tables, r.version)
}

// readUnmarked reads a generation up to the first batch of the next.
func (r *Reader) readUnmarked(wasOpen bool) (more bool, err error) {
	if r.spillErr != nil {
		return false, r.spillErr
	}
	if wasOpen && !r.spilled {
		return false, nil
	}
	g := &r.g
	g.reset()
	if r.spilled {
		r.spilled = false
		g.gen = r.spill.gen
		g.data = append(g.data, r.spillBuf...)
		if err := g.file(r.spill, 0, r.version); err != nil {
			return false, err
		}
	}
	for {
		h, err := readHeader(r.r)
		from := len(g.data)
		if err == nil {
			err = g.read(r.r, h)
		}
		switch {
		case err == io.EOF:
			return true, g.finish(r.tables, r.version)
		case err != nil && g.gen == 0:
			return false, err
		case err != nil:
			// It may concern only the next generation: deliver this one first.
			r.spillErr = err
			return true, g.finish(r.tables, r.version)
		case h.gen == 0: // also an end mark, which there is none of before Go 1.26
			return false, fmt.Errorf("invalid generation number %d", h.gen)
		case g.gen == 0:
			g.gen = h.gen
		case h.gen == g.gen+1:
			r.spilled, r.spill = true, h
			r.spillBuf = append(r.spillBuf[:0], g.data[from:]...)
			g.data = g.data[:from]
			return true, g.finish(r.tables, r.version)
		case h.gen != g.gen:
			return false, errors.New("generations out of order")
		}
		if err := g.file(h, from, r.version); err != nil {
			return false, err
		}
	}
}

func (r *Reader) sample() error {
	s := &r.g.samples[r.samples]
	r.samples++
	stack, ok := r.g.stacks.get(s.stack)
	if !ok {
		return fmt.Errorf("found invalid stack ID %d for event CPUSample", s.stack)
	}
	r.o.out[0] = Event{Time: s.time, Op: OpSample, G: s.g, P: narrow(s.p), M: s.m, Stack: stack}
	r.o.outLen = 1
	return nil
}

// step orders one event: that of the earliest thread, or else of the first thread
// that can go on.
func (r *Reader) step() error {
	ok, err := r.try(0)
	if ok || err != nil {
		return err
	}
	slices.SortFunc(r.heap, func(a, b *thread) int { return cmp.Compare(a.ev.time, b.ev.time) })
	for i := 1; i < len(r.heap); i++ {
		if ok, err := r.try(i); ok || err != nil {
			return err
		}
	}
	t := r.heap[0]
	return fmt.Errorf("broken trace: failed to advance: generation %d, earliest event %s of thread %d", r.g.gen, specs[t.ev.typ].name, t.id)
}

func (r *Reader) try(i int) (bool, error) {
	t := r.heap[i]
	if t.ms == nil {
		if t.id == None {
			t.ms = &mState{id: None}
		} else {
			t.ms = r.o.thread(t.id)
		}
	}
	ok, err := r.o.advance(t.ms, &t.ev)
	if !ok || err != nil {
		return false, err
	}
	if t.id == None {
		t.ms.g, t.ms.p = nil, nil
	}
	if err := r.fill(&t.ev); err != nil {
		return false, err
	}
	more, err := r.g.advance(t)
	if err != nil {
		return false, err
	}
	if more {
		if i == 0 || siftUp(r.heap, i) == i {
			siftDown(r.heap, i)
		}
	} else {
		r.heap = remove(r.heap, i)
	}
	return true, nil
}

// fill gives the ordered event its strings and stacks.
func (r *Reader) fill(ev *raw) error {
	s := &specs[ev.typ]
	e := &r.o.out[r.o.outLen-1]
	if s.stack >= 0 {
		id, ok := r.g.stacks.get(ev.args[s.stack])
		if !ok {
			return fmt.Errorf("found invalid stack ID %d for event %s", ev.args[s.stack], s.name)
		}
		e.Stack = id
		switch ev.typ {
		case evGoStop, evGoBlock, evGoSyscallBegin, evGoStatusStack:
			e.ResStack = id
		}
	}
	if s.stack2 >= 0 {
		id, ok := r.g.stacks.get(ev.args[s.stack2])
		if !ok {
			return fmt.Errorf("found invalid stack ID %d for event %s", ev.args[s.stack2], s.name)
		}
		e.ResStack = id
	}
	if ev.typ == evSTWEnd {
		id, _ := r.g.text(r.tables, ev.args[0])
		e.Name = id
		return nil
	}
	if s.string1 < 0 {
		return nil
	}
	if ev.typ == evLog {
		var ok1, ok2 bool
		e.Name, ok1 = r.g.log(r.tables, ev.args[s.string1])
		e.Text, ok2 = r.g.log(r.tables, ev.args[s.string2])
		if !ok1 || !ok2 {
			return fmt.Errorf("found invalid string ID for event %s", s.name)
		}
		return nil
	}
	id, ok := r.g.text(r.tables, ev.args[s.string1])
	if !ok {
		return fmt.Errorf("found invalid string ID %d for event %s", ev.args[s.string1], s.name)
	}
	switch ev.typ {
	case evGoStop, evGoBlock:
		e.Reason = id
	case evGoLabel:
		e.Mode = r.labels[id]
	case evTaskBegin:
		e.Name = id
		if r.o.tasks == nil {
			r.o.tasks = make(map[uint64]task)
		}
		r.o.tasks[e.Values[0]] = task{id, e.Values[1]}
	default:
		e.Name = id
	}
	return nil
}

// advance decodes the next event of t; false at the end of its batches.
func (g *generation) advance(t *thread) (bool, error) {
	for t.pos == t.end {
		if t.next == len(t.batches) {
			return false, nil
		}
		b := t.batches[t.next]
		t.next++
		t.pos, t.end, t.last = b.from, b.to, 0
	}
	if t.last == 0 {
		t.last = g.ns(t.batches[t.next-1].time)
	}
	b := g.data[:t.end]
	typ := b[t.pos]
	n := specs[typ].args
	if n < 0 {
		return false, fmt.Errorf("found event without a timestamp: type=%d", typ)
	}
	t.ev.typ = typ
	i := t.pos + 1
	var dt uint64
	if i < len(b) && b[i] < 0x80 {
		dt = uint64(b[i])
		i++
	} else if dt, i = uvarint(b, i); i < 0 {
		return false, errors.New("found invalid uvarint for timestamp")
	}
	for k := range n {
		if i+1 < len(b) {
			if c := b[i]; c < 0x80 {
				t.ev.args[k&3] = uint64(c)
				i++
				continue
			} else if d := b[i+1]; d < 0x80 {
				t.ev.args[k&3] = uint64(c&0x7f) | uint64(d)<<7
				i += 2
				continue
			}
		}
		if t.ev.args[k&3], i = uvarint(b, i); i < 0 {
			return false, errors.New("found invalid uvarint")
		}
	}
	t.ev.time = g.ns(dt) + t.last
	t.last = t.ev.time
	t.pos = i
	return true, nil
}

// The heap by time is the reference's, ties and all, so that events of equal time
// come in the same order.

func siftUp(h []*thread, i int) int {
	for i > 0 {
		up := (i - 1) / 2
		if h[up].ev.time <= h[i].ev.time {
			break
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
	return i
}

func siftDown(h []*thread, i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(h); c++ {
			if h[c].ev.time < h[least].ev.time {
				least = c
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

func remove(h []*thread, i int) []*thread {
	for i > 0 {
		up := (i - 1) / 2
		h[up], h[i] = h[i], h[up]
		i = up
	}
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	if last > 0 {
		siftDown(h, 0)
	}
	return h
}
