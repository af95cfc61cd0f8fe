package wire

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
)

// batch is one batch of events of a thread, in generation.data.
type batch struct {
	time     uint64
	from, to int
}

// thread is the batches of one thread in a generation, and the cursor in them.
type thread struct {
	id      int64
	batches []batch
	ms      *mState // nil until its first event is tried

	next int // batch after the current one
	pos  int // in generation.data: the event after ev
	end  int // of the current batch
	last int64
	ev   raw // the event to be ordered next
}

// raw is an event as it is written.
type raw struct {
	time int64
	typ  byte
	args [4]uint64
}

type sample struct {
	time  int64
	m     int64
	p, g  int64
	stack uint64
}

// generation holds the raw bytes of a generation and its tables. Its memory is
// used again for the next one.
type generation struct {
	gen     uint64
	data    []byte
	threads []*thread
	byID    map[int64]*thread
	pool    []*thread
	samples []sample
	strings table
	stacks  table

	minTime uint64  // 0 for none yet
	nsPer   float64 // ns per unit of time
	whole   int64   // the same when it is a whole number, else 0

	snapshot   bool
	snapTime   uint64
	wall       int64
	hasFreq    bool
	batches    int      // of events
	texts      []span   // strings, in data
	interned   []uint32 // by index in texts: id in the Tables + 1, 0 while not asked for
	stackRaw   []rawStack
	rawFrames  []rawFrame
	frameIndex map[uint64]int // by PC: the first frame with it counts
}

type span struct{ from, to int }

type rawStack struct {
	id       uint64
	from, to int // in rawFrames
}

type rawFrame struct{ pc, fn, file, line uint64 }

func (g *generation) reset() {
	g.gen = 0
	g.data = g.data[:0]
	g.pool = append(g.pool, g.threads...)
	g.threads = g.threads[:0]
	clear(g.byID)
	g.samples = g.samples[:0]
	g.strings.reset()
	g.stacks.reset()
	g.minTime = 0
	g.nsPer, g.whole, g.hasFreq = 0, 0, false
	g.snapshot, g.snapTime, g.wall = false, 0, 0
	g.batches = 0
	g.texts = g.texts[:0]
	clear(g.interned)
	g.interned = g.interned[:0]
	g.stackRaw = g.stackRaw[:0]
	g.rawFrames = g.rawFrames[:0]
	clear(g.frameIndex)
}

// ns converts units of time. The reference computes in float64.
func (g *generation) ns(t uint64) int64 {
	if g.whole != 0 && t < 1<<46 {
		return int64(t) * g.whole
	}
	return int64(float64(t) * g.nsPer)
}

// header is the head of a batch.
type header struct {
	exp  bool
	end  bool // EndOfGeneration
	gen  uint64
	m    int64
	time uint64
	size int
}

func readUvarint(r *bufio.Reader) (uint64, error) {
	var x uint64
	for s := uint(0); ; s += 7 {
		b, err := r.ReadByte()
		if err != nil {
			if s > 0 && err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		if b < 0x80 {
			if s == 63 && b > 1 || s > 63 {
				break
			}
			return x | uint64(b)<<s, nil
		}
		if s >= 63 {
			break
		}
		x |= uint64(b&0x7f) << s
	}
	return 0, errors.New("binary: varint overflows a 64-bit integer")
}

// readHeader reads the head of the next batch; io.EOF when there is none.
func readHeader(r *bufio.Reader) (h header, err error) {
	typ, err := r.ReadByte()
	if err != nil {
		return h, err
	}
	switch typ {
	case evEndOfGeneration:
		h.end = true
		return h, nil
	case evExperimentalBatch:
		h.exp = true
		if _, err := r.ReadByte(); err != nil {
			return h, fmt.Errorf("error reading batch experiment: %w", noEOF(err))
		}
	case evEventBatch:
	default:
		return h, fmt.Errorf("expected batch event, got event %d", typ)
	}
	if h.gen, err = readUvarint(r); err != nil {
		return h, fmt.Errorf("error reading batch gen: %w", noEOF(err))
	}
	m, err := readUvarint(r)
	if err != nil {
		return h, fmt.Errorf("error reading batch M ID: %w", noEOF(err))
	}
	h.m = int64(m)
	if h.time, err = readUvarint(r); err != nil {
		return h, fmt.Errorf("error reading batch timestamp: %w", noEOF(err))
	}
	size, err := readUvarint(r)
	if err != nil {
		return h, fmt.Errorf("error reading batch size: %w", noEOF(err))
	}
	if size > maxBatchSize {
		return h, fmt.Errorf("invalid batch size %d, maximum is %d", size, maxBatchSize)
	}
	h.size = int(size)
	return h, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// read appends the data of a batch to g.data.
func (g *generation) read(r *bufio.Reader, h header) error {
	from := len(g.data)
	g.data = slices.Grow(g.data, h.size)[:from+h.size]
	n, err := io.ReadFull(r, g.data[from:])
	if err == nil {
		return nil
	}
	g.data = g.data[:from]
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("failed to read full batch: read %d but wanted %d", n, h.size)
	}
	return err
}

// file files the batch whose data is g.data[from:].
func (g *generation) file(h header, from, version int) error {
	if g.minTime == 0 || h.time < g.minTime {
		g.minTime = h.time
	}
	data := g.data[from:]
	switch {
	case h.exp:
		g.data = g.data[:from]
		return nil
	case len(data) == 0:
	case data[0] == evEndOfGeneration:
		return errors.New("end of generation inside a batch")
	case data[0] == evStrings:
		return g.takeStrings(from)
	case data[0] == evStacks:
		err := g.takeStacks(data)
		g.data = g.data[:from]
		return err
	case data[0] == evCPUSamples:
		err := g.takeSamples(data)
		g.data = g.data[:from]
		return err
	case data[0] == evFrequency && version < 25, data[0] == evSync && version >= 25:
		err := g.takeSync(h, data, version)
		g.data = g.data[:from]
		return err
	}
	t := g.byID[h.m]
	if t == nil {
		if k := len(g.pool); k > 0 {
			t = g.pool[k-1]
			g.pool = g.pool[:k-1]
			*t = thread{batches: t.batches[:0]}
		} else {
			t = new(thread)
		}
		t.id = h.m
		if g.byID == nil {
			g.byID = make(map[int64]*thread)
		}
		g.byID[h.m] = t
		g.threads = append(g.threads, t)
	}
	t.batches = append(t.batches, batch{h.time, from, len(g.data)})
	g.batches++
	return nil
}

var errVarint = errors.New("unexpected EOF or overflow in a varint of a table")

func (g *generation) takeStrings(from int) error {
	b := g.data
	for i := from + 1; i < len(b); {
		if b[i] != evString {
			return fmt.Errorf("expected string event, got %d", b[i])
		}
		id, i1 := uvarint(b, i+1)
		if i1 < 0 {
			return errVarint
		}
		size, i2 := uvarint(b, i1)
		if i2 < 0 {
			return errVarint
		}
		if size > maxStringSize {
			return fmt.Errorf("invalid string size %d, maximum is %d", size, maxStringSize)
		}
		if uint64(len(b)-i2) < size {
			return fmt.Errorf("failed to read full string: read %d but wanted %d", len(b)-i2, size)
		}
		i = i2 + int(size)
		if !g.strings.add(id, uint32(len(g.texts))) {
			return fmt.Errorf("multiple strings with the same ID: id=%d", id)
		}
		g.texts = append(g.texts, span{i2, i})
		g.interned = append(g.interned, 0)
	}
	return nil
}

func (g *generation) takeStacks(b []byte) error {
	if g.frameIndex == nil {
		g.frameIndex = make(map[uint64]int)
	}
	for i := 1; i < len(b); {
		if b[i] != evStack {
			return fmt.Errorf("expected stack event, got %d", b[i])
		}
		id, j := uvarint(b, i+1)
		if j < 0 {
			return errVarint
		}
		n, j := uvarint(b, j)
		if j < 0 {
			return errVarint
		}
		if n > maxFrames {
			return fmt.Errorf("invalid stack size %d, maximum is %d", n, maxFrames)
		}
		from := len(g.rawFrames)
		for k := range n {
			var f rawFrame
			for _, v := range []*uint64{&f.pc, &f.fn, &f.file, &f.line} {
				if *v, j = uvarint(b, j); j < 0 {
					return fmt.Errorf("reading frame %d of stack %d: %w", k+1, id, errVarint)
				}
			}
			if first, ok := g.frameIndex[f.pc]; ok {
				f = g.rawFrames[first]
			} else {
				g.frameIndex[f.pc] = len(g.rawFrames)
			}
			g.rawFrames = append(g.rawFrames, f)
		}
		g.stackRaw = append(g.stackRaw, rawStack{id, from, len(g.rawFrames)})
		i = j
	}
	return nil
}

func (g *generation) takeSamples(b []byte) error {
	for i := 1; i < len(b); {
		if b[i] != evCPUSample {
			return fmt.Errorf("expected CPU sample event, got %d", b[i])
		}
		var v [5]uint64 // time, M, P, G, stack
		j := i + 1
		for k := range v {
			if v[k], j = uvarint(b, j); j < 0 {
				return errVarint
			}
		}
		s := sample{int64(v[0]), int64(v[1]), int64(v[2]), int64(v[3]), v[4]}
		if s.g == 0 {
			s.g = None
		}
		g.samples = append(g.samples, s)
		i = j
	}
	return nil
}

func (g *generation) takeSync(h header, b []byte, version int) error {
	i := 0
	if version >= 25 {
		i = 1
	}
	last := h.time
	for i < len(b) {
		typ := b[i]
		i++
		switch {
		case typ == evFrequency:
			if g.nsPer != 0 {
				return errors.New("found multiple frequency events")
			}
			f, j := uvarint(b, i)
			if j < 0 {
				return errVarint
			}
			i = j
			g.hasFreq = true
			g.nsPer = 1.0 / (float64(f) / 1e9)
			if n := int64(g.nsPer); f != 0 && n > 0 && n < 1<<16 && float64(n) == g.nsPer {
				g.whole = n
			}
		case typ == evClockSnapshot && version >= 25:
			if g.snapshot {
				return errors.New("found multiple clock snapshot events")
			}
			g.snapshot = true
			var v [4]uint64 // time, mono, sec, nsec
			for k := range v {
				if v[k], i = uvarint(b, i); i < 0 {
					return errVarint
				}
			}
			last += v[0]
			g.snapTime = last
			if v[2] < 1<<33 && v[3] < 1e9 { // no clock says otherwise
				g.wall = int64(v[2])*1e9 + int64(v[3])
			}
		default:
			return fmt.Errorf("expected frequency or clock snapshot event, got %d", typ)
		}
	}
	return nil
}

// finish checks the tables and takes them into the Tables.
func (g *generation) finish(t Tables, version int) error {
	if g.nsPer == 0 {
		return errors.New("no frequency event found")
	}
	if version >= 25 && !g.snapshot {
		return errors.New("no clock snapshot event found")
	}
	var frames []Frame
	for _, s := range g.stackRaw {
		frames = frames[:0]
		for _, f := range g.rawFrames[s.from:s.to] {
			fn, ok := g.text(t, f.fn)
			if !ok {
				return fmt.Errorf("found invalid func string ID %d for stack %d", f.fn, s.id)
			}
			file, ok := g.text(t, f.file)
			if !ok {
				return fmt.Errorf("found invalid file string ID %d for stack %d", f.file, s.id)
			}
			if f.pc == 0 && fn == 0 {
				continue // up to Go 1.24; golang/go#68090
			}
			frames = append(frames, Frame{fn, file, uint32(f.line)})
		}
		if !g.stacks.add(s.id, t.Stack(frames)) {
			return fmt.Errorf("multiple stacks with the same ID: id=%d", s.id)
		}
	}
	for i := range g.samples {
		g.samples[i].time = g.ns(uint64(g.samples[i].time))
	}
	slices.SortFunc(g.samples, func(a, b sample) int { return cmp.Compare(a.time, b.time) })
	return nil
}

// text returns the id in the Tables of a string of this generation. Log texts
// have a way of their own, since there may be any number of them.
func (g *generation) text(t Tables, id uint64) (uint32, bool) { return g.intern(t.String, id) }
func (g *generation) log(t Tables, id uint64) (uint32, bool)  { return g.intern(t.Log, id) }

func (g *generation) intern(take func([]byte) uint32, id uint64) (uint32, bool) {
	if id == 0 {
		return 0, true
	}
	i, ok := g.strings.get(id)
	if !ok {
		return 0, false
	}
	if v := g.interned[i]; v != 0 {
		return v - 1, true
	}
	s := g.texts[i]
	v := take(g.data[s.from:s.to])
	g.interned[i] = v + 1
	return v, true
}
