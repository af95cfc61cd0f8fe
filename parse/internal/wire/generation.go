package wire

import (
	"cmp"
	"encoding/binary"
	"io"
	"math/bits"
	"slices"
)

// batch is one batch of events of a thread.
type batch struct {
	time uint64
	data []byte
}

// thread is the batches of one thread in a generation, and the cursor in them.
type thread struct {
	id      int64
	batches []batch
	ms      *mState // nil until its first event is tried
	on      uint32  // the goroutine that runs where told searches, by its number plus 1; 0 if it needs no stack

	next  int    // batch after the current one
	data  []byte // of the current batch, what is not decoded yet
	begin int64  // of the current batch
	last  int64  // time of the event before data
	done  int    // events of the current batch that are decoded

	// Events are decoded some at a time: of one thread they repeat themselves, and the
	// processor predicts their kinds and lengths, which it cannot in the order of all.
	evs []raw
	at  int   // in evs: the event to be ordered next
	err error // what comes after evs
}

// raw is an event as it is written.
type raw struct {
	time int64
	args [4]uint64
	typ  byte
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
	tables  Tables
	gen     uint64
	odd     odd
	chunks  [][]byte // raw bytes; what is in use of a chunk is its length
	chunk   int      // the one that is filled
	threads []*thread
	byID    map[int64]*thread
	pool    []*thread
	samples []sample
	strings table // indices in texts
	stacks  table

	minTime uint64  // 0 for none yet
	tabled  uint64  // when the last table of stacks was written: after all events (trace.go:traceAdvance)
	nsPer   float64 // ns per unit of time
	whole   int64   // the same when it is a whole number, else 0

	undivided bool // it told the frequency of the CPU's ticks

	snapshot   bool
	snapTime   uint64
	wall       int64
	batches    int // of events
	hasStrings bool
	atEnd      bool  // no other follows
	end        int64 // offset where it ends
	texts      [][]byte
	known      table // ids in the Tables of strings that were asked for
	stackRaw   []rawStack
	stackFrame []uint32 // of the stacks one after the other: in rawFrames
	frames     pcs      // to index in rawFrames: the first frame with a PC counts
	rawFrames  []rawFrame
}

// odd counts, over all generations, what no clock does.
type odd struct {
	rewound uint32 // batches that begin before the one before of their thread ends (see runsAhead)
	beyond  uint32 // events later than the end of their generation (likewise)
	late    uint32 // events that are over worthLate earlier than one that comes before them
	skipped uint32 // generations that have not the number after the one before
}

// ticksPerUnit is how many ticks of the CPU are a unit of the clock on Windows
// (runtime/tracetime.go: traceTimeDiv).
const ticksPerUnit = 256

// undivided reports whether a frequency is that of the CPU's ticks: Go 1.22.0 and 1.22.1
// wrote it on Windows instead of that of the clock (golang/go#65997). The clock has no
// units under a nanosecond, and no CPU has ten ticks in one.
func undivided(version Version, frequency uint64) bool {
	return version == 22 && frequency > 1e9 && frequency < 1e10
}

// worthLate is how much earlier (ns) events are than one of another thread that must come
// before them, where it is worth a word: a thread may lose its CPU between taking an
// event's number and its time. In 180 traces it was 0.3 ms at most.
const worthLate = 1_000_000

type rawStack struct {
	id       uint64
	from, to int // in stackFrame
}

// rawFrame is a frame by the strings of the generation, and once it is known, by
// those of the Tables.
type rawFrame struct {
	Frame
	skip     bool
	known    bool
	fn, file uint64
	pc       uint64
}

func (g *generation) reset() {
	g.gen = 0
	for i := range g.chunks {
		g.chunks[i] = g.chunks[i][:0]
	}
	g.chunk = 0
	g.pool = append(g.pool, g.threads...)
	g.threads = g.threads[:0]
	clear(g.byID)
	g.samples = g.samples[:0]
	g.strings.reset()
	g.stacks.reset()
	g.minTime, g.tabled = 0, 0
	g.nsPer, g.whole, g.undivided = 0, 0, false
	g.snapshot, g.snapTime, g.wall = false, 0, 0
	g.batches, g.hasStrings, g.atEnd = 0, false, false
	g.texts = g.texts[:0]
	g.known.reset()
	g.stackRaw = g.stackRaw[:0]
	g.stackFrame = g.stackFrame[:0]
	g.frames.reset()
	g.rawFrames = g.rawFrames[:0]
}

// ns converts units of time. The reference computes in float64.
func (g *generation) ns(t uint64) int64 {
	if g.whole != 0 && t < 1<<46 {
		return int64(t) * g.whole
	}
	return int64(float64(t) * g.nsPer)
}

// hold returns size bytes of the chunks, at most MaxBatchSize. The first chunk is small: so
// are most traces that many are read of.
func (g *generation) hold(size int) []byte {
	for ; g.chunk < len(g.chunks); g.chunk++ {
		if c := g.chunks[g.chunk]; cap(c)-len(c) >= size {
			g.chunks[g.chunk] = c[:len(c)+size]
			return c[len(c) : len(c)+size : len(c)+size]
		}
	}
	g.chunks = append(g.chunks, make([]byte, size, max(size, MaxBatchSize/2<<min(len(g.chunks), 5))))
	return g.chunks[g.chunk][:size:size]
}

// release gives back what hold returned last.
func (g *generation) release(b []byte) {
	c := g.chunks[g.chunk]
	g.chunks[g.chunk] = c[:len(c)-len(b)]
}

// read returns the data of a batch, held in the chunks.
func (g *generation) read(in *input, h header) ([]byte, error) {
	b := g.hold(h.size)
	n, err := io.ReadFull(in.r, b)
	in.n += int64(n)
	if err == nil {
		return b, nil
	}
	g.release(b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, truncated("failed to read full batch: read %d but wanted %d", n, h.size)
	}
	return nil, err
}

// file files a batch, whose data was held last.
func (g *generation) file(h header, data []byte, version Version) error {
	if g.minTime == 0 || h.time < g.minTime {
		g.minTime = h.time
	}
	switch {
	case h.exp:
		g.release(data)
		return nil
	case len(data) == 0:
	case data[0] == EvEndOfGeneration:
		return corrupt("end of generation inside a batch")
	case data[0] == EvStrings:
		g.hasStrings = true
		return g.takeStrings(data)
	case data[0] == EvStacks:
		g.tabled = max(g.tabled, h.time)
		err := g.takeStacks(data)
		g.release(data)
		return err
	case data[0] == EvCPUSamples:
		err := g.takeSamples(data)
		g.release(data)
		return err
	case data[0] == EvFrequency && !version.HasSync(), data[0] == EvSync && version.HasSync():
		err := g.takeSync(h, data, version)
		g.release(data)
		return err
	}
	t := g.byID[h.m]
	if t == nil {
		if k := len(g.pool); k > 0 {
			t = g.pool[k-1]
			g.pool = g.pool[:k-1]
			*t = thread{batches: t.batches[:0], evs: t.evs[:0]}
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
	t.batches = append(t.batches, batch{h.time, data})
	g.batches++
	return nil
}

var errVarint = corrupt("unexpected EOF or overflow in a varint of a table")

func (g *generation) takeStrings(b []byte) error {
	for i := 1; i < len(b); {
		if b[i] != EvString {
			return corrupt("expected string event, got %d", b[i])
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
			return corrupt("invalid string size %d, maximum is %d", size, maxStringSize)
		}
		if uint64(len(b)-i2) < size {
			return corrupt("failed to read full string: read %d but wanted %d", len(b)-i2, size)
		}
		i = i2 + int(size)
		if !g.strings.add(id, uint32(len(g.texts))) {
			return corrupt("multiple strings with the same ID: id=%d", id)
		}
		g.texts = append(g.texts, b[i2:i])
	}
	return nil
}

func (g *generation) takeStacks(b []byte) error {
	for i := 1; i < len(b); {
		if b[i] != EvStack {
			return corrupt("expected stack event, got %d", b[i])
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
			return corrupt("invalid stack size %d, maximum is %d", n, maxFrames)
		}
		from := len(g.stackFrame)
		for k := range n {
			if j = g.takeFrame(b, j); j < 0 {
				return corrupt("reading frame %d of stack %d: %v", k+1, id, errVarint)
			}
		}
		g.stackRaw = append(g.stackRaw, rawStack{id, from, len(g.stackFrame)})
		i = j
	}
	return nil
}

// takeFrame adds the frame at b[i:] and returns the index after it, or -1.
func (g *generation) takeFrame(b []byte, i int) int {
	var pc uint64
	if i+8 <= len(b) && b[i+3]&0x80 == 0 && binary.LittleEndian.Uint32(b[i:])&0x808080 == 0x808080 {
		w := uint64(binary.LittleEndian.Uint32(b[i:])) // as most programs are not larger
		pc, i = w&0x7f|w>>1&0x3f80|w>>2&0x1fc000|w>>3&0xfe00000, i+4
	} else if pc, i = uvarint(b, i); i < 0 {
		return -1
	}
	number, isNew := g.frames.number(pc)
	g.stackFrame = append(g.stackFrame, number)
	if !isNew && i+8 <= len(b) {
		// The other three numbers are known: look for their ends.
		ends := ^binary.LittleEndian.Uint64(b[i:]) & 0x8080808080808080
		ends &= ends - 1
		if ends &= ends - 1; ends != 0 {
			return i + bits.TrailingZeros64(ends)>>3 + 1
		}
	}
	f := rawFrame{pc: pc}
	var line uint64
	for _, v := range []*uint64{&f.fn, &f.file, &line} {
		if *v, i = uvarint(b, i); i < 0 {
			return -1
		}
	}
	f.Line = uint32(line)
	if isNew {
		g.rawFrames = append(g.rawFrames, f)
	}
	return i
}

func (g *generation) takeSamples(b []byte) error {
	for i := 1; i < len(b); {
		if b[i] != EvCPUSample {
			return corrupt("expected CPU sample event, got %d", b[i])
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

func (g *generation) takeSync(h header, b []byte, version Version) error {
	i := 0
	if version.HasSync() {
		i = 1
	}
	last := h.time
	for i < len(b) {
		typ := b[i]
		i++
		switch {
		case typ == EvFrequency:
			if g.nsPer != 0 {
				return corrupt("found multiple frequency events")
			}
			f, j := uvarint(b, i)
			if j < 0 {
				return errVarint
			}
			i = j
			if g.undivided = undivided(version, f); g.undivided {
				f /= ticksPerUnit
			}
			g.nsPer = 1.0 / (float64(f) / 1e9)
			if n := int64(g.nsPer); f != 0 && n > 0 && n < 1<<16 && float64(n) == g.nsPer {
				g.whole = n
			}
		case typ == EvClockSnapshot && version.HasSync():
			if g.snapshot {
				return corrupt("found multiple clock snapshot events")
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
			return corrupt("expected frequency or clock snapshot event, got %d", typ)
		}
	}
	return nil
}

// finish checks the tables and takes them into the Tables.
func (g *generation) finish(version Version) error {
	if g.nsPer == 0 {
		return corrupt("no frequency event found").with(noEntry)
	}
	if version.HasSync() && !g.snapshot {
		return corrupt("no clock snapshot event found").with(noEntry)
	}
	var frames []Frame
	for _, s := range g.stackRaw {
		frames = frames[:0]
		for _, number := range g.stackFrame[s.from:s.to] {
			f := &g.rawFrames[number]
			if !f.known {
				if err := g.know(f, s.id); err != nil {
					return err
				}
			}
			if !f.skip {
				frames = append(frames, f.Frame)
			}
		}
		if !g.stacks.add(s.id, g.tables.Stack(frames)) {
			return corrupt("multiple stacks with the same ID: id=%d", s.id)
		}
	}
	for i := range g.samples {
		g.samples[i].time = g.ns(uint64(g.samples[i].time))
	}
	slices.SortFunc(g.samples, func(a, b sample) int { return cmp.Compare(a.time, b.time) })
	return nil
}

// know gives the strings of a frame their ids in the Tables.
func (g *generation) know(f *rawFrame, stack uint64) error {
	fn, ok := g.text(f.fn)
	if !ok {
		return corrupt("found invalid func string ID %d for stack %d", f.fn, stack).with(noEntry)
	}
	file, ok := g.text(f.file)
	if !ok {
		return corrupt("found invalid file string ID %d for stack %d", f.file, stack).with(noEntry)
	}
	f.Func, f.File, f.known = fn, file, true
	f.skip = f.pc == 0 && fn == 0 // up to Go 1.24; golang/go#68090
	return nil
}

// text returns the id in the Tables of a string of this generation. Log texts
// have a way of their own, since there may be any number of them.
func (g *generation) text(id uint64) (uint32, bool) {
	if v, ok := g.known.get(id); ok {
		return v, true
	}
	return g.intern(g.tables.String, id)
}

func (g *generation) log(id uint64) (uint32, bool) {
	if v, ok := g.known.get(id); ok {
		return v, true
	}
	return g.intern(g.tables.Log, id)
}

func (g *generation) intern(take func([]byte) uint32, id uint64) (uint32, bool) {
	i, ok := g.strings.get(id)
	if !ok {
		return 0, false
	}
	v := take(g.texts[i])
	g.known.add(id, v)
	return v, true
}

// block is how many events of a thread are decoded at a time.
const block = 64

// refill decodes the next events of t; false at the end of its batches.
func (g *generation) refill(t *thread) (bool, error) {
	if t.err != nil {
		return false, t.err
	}
	for len(t.data) == 0 {
		if t.next == len(t.batches) {
			return false, nil
		}
		b := &t.batches[t.next]
		t.next++
		if t.id != None && t.last > g.ns(b.time)+g.runsAhead(t) {
			g.odd.rewound++
		}
		t.data, t.begin, t.last, t.done = b.data, g.ns(b.time), 0, 0
	}
	// No more than the bytes can hold: every event takes two.
	if want := min(block, len(t.data)/2+1); cap(t.evs) < want {
		t.evs = make([]raw, want)
	}
	t.evs, t.at = t.evs[:cap(t.evs)], 0
	n := g.decode(t)
	t.evs = t.evs[:n]
	if n == 0 {
		return false, t.err
	}
	t.done += n
	if end := g.ns(g.tabled) + g.runsAhead(t); g.tabled > g.minTime && t.last > end { // else a tool wrote the table, which knows no time
		for i := n - 1; i >= 0 && t.evs[i].time > end; i-- {
			g.odd.beyond++
		}
	}
	return true, nil
}

// runsAhead is by how much at most t's last event says a later time than the clock did. An
// event in the same tick as the one before is told a tick later, and the next batch begins
// by the clock again (tracebuf.go: traceWriter.event, refill).
func (g *generation) runsAhead(t *thread) int64 { return g.ns(uint64(t.done)) }

// decode fills t.evs from t.data and returns how many events it decoded; t.err
// is what kept it from going on.
func (g *generation) decode(t *thread) (n int) {
	for n < len(t.evs) && len(t.data) > 0 {
		if t.last == 0 {
			t.last = t.begin
		}
		if g.whole != 0 {
			if k, data, last := decodeShort(t.evs[n:], t.data, t.last, g.whole); k > 0 {
				t.data, t.last = data, last
				n += k
				continue
			}
		}
		e := &t.evs[n]
		i, dt, err := e.parse(t.data)
		if err != nil {
			t.err = err
			break
		}
		t.data, t.last = t.data[i:], t.last+g.ns(dt)
		e.time = t.last
		n++
	}
	return n
}

// decodeShort decodes events from b whose time has at most two bytes, whose first
// argument has at most five, and of whose others none has more than three, as nearly all
// are, as long as they cannot run out of b. It returns how many it decoded, what is left
// of b, and the time of the last.
func decodeShort(evs []raw, b []byte, last, whole int64) (int, []byte, int64) {
	for n := range evs {
		if len(b) < maxEvent {
			return n, b, last
		}
		e, p := &evs[n], (*[maxEvent]byte)(b)
		typ, dt, j := p[0], uint64(p[1]), 2
		if dt >= 0x80 {
			if p[2] >= 0x80 {
				return n, b, last
			}
			dt, j = dt&0x7f|uint64(p[2])<<7, 3
		}
		args := argsOf[typ]
		if args > 0 {
			w := binary.LittleEndian.Uint64(p[j:])
			switch {
			case w&0x80 == 0:
				e.args[0] = w & 0x7f
				w >>= 8
				j++
			case w&0x8000 == 0:
				e.args[0] = w&0x7f | w>>1&0x3f80
				w >>= 16
				j += 2
			case w&0x800000 == 0:
				e.args[0] = w&0x7f | w>>1&0x3f80 | w>>2&0x1fc000
				w >>= 24
				j += 3
			case w&0x80000000 == 0:
				e.args[0] = w&0x7f | w>>1&0x3f80 | w>>2&0x1fc000 | w>>3&0xfe00000
				w >>= 32
				j += 4
			case w&0x8000000000 == 0:
				e.args[0] = w&0x7f | w>>1&0x3f80 | w>>2&0x1fc000 | w>>3&0xfe00000 | w>>4&0x7f0000000
				w >>= 40
				j += 5
			default:
				return n, b, last
			}
			if args > 1 {
				switch {
				case w&0x80 == 0:
					e.args[1] = w & 0x7f
					j++
				case w&0x8000 == 0:
					e.args[1] = w&0x7f | w>>1&0x3f80
					j += 2
				case w&0x800000 == 0:
					e.args[1] = w&0x7f | w>>1&0x3f80 | w>>2&0x1fc000
					j += 3
				default:
					return n, b, last
				}
				if args > 2 {
					w := binary.LittleEndian.Uint32(p[j&63:])
					switch {
					case args > 3:
						return n, b, last
					case w&0x80 == 0:
						e.args[2] = uint64(w & 0x7f)
						j++
					case w&0x8000 == 0:
						e.args[2] = uint64(w&0x7f | w>>1&0x3f80)
						j += 2
					case w&0x800000 == 0:
						e.args[2] = uint64(w&0x7f | w>>1&0x3f80 | w>>2&0x1fc000)
						j += 3
					default:
						return n, b, last
					}
				}
			}
		} else if args < 0 {
			return n, b, last
		}
		last += int64(dt) * whole
		e.typ, e.time = typ, last
		b = b[j:]
	}
	return len(evs), b, last
}

// parse reads the event at b[0] and returns its length, and the time since the event
// before in units of the clock.
func (e *raw) parse(b []byte) (i int, dt uint64, err error) {
	e.typ = b[0]
	args := argsOf[e.typ]
	if args < 0 {
		return 0, 0, corrupt("found event without a timestamp: type=%d", e.typ)
	}
	if dt, i = uvarint(b, 1); i < 0 {
		return 0, 0, errTime
	}
	for k := range args {
		if e.args[k&3], i = uvarint(b, i); i < 0 {
			return 0, 0, errArg
		}
	}
	return i, dt, nil
}

var (
	errTime = corrupt("found invalid uvarint for timestamp")
	errArg  = corrupt("found invalid uvarint")
)
