package v1

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// index is what a first pass over the file finds: where each P's batches are, and all
// that stands elsewhere than where it is needed. Every event is checked on the way, so
// that nothing has to be checked when it is decoded.
type index struct {
	streams []*stream
	strings table[text]
	stacks  table[stack]
	samples []sample
	exits   []exit
	timers  map[uint64]bool // goroutines
	freq    uint64          // ticks per second; 0: not told
	events  int
	start   bool // what existed before the trace is told: a P begins with a creation (runtime/trace.go: StartTrace)
	procs   int  // the most that GOMAXPROCS was
	lost    bool // what the Ps wrote is not there to its end
}

// text is a string: where it stands in the file, and its id in the Tables once asked for.
type text struct {
	off, len int
	id       uint32
	met      bool
}

// stack is where the numbers of a stack stand, and its id in the Tables.
type stack struct {
	off int
	id  uint32
	met bool
}

// batch is a stretch of events of one P.
type batch struct {
	off, end int // without its header
	time     int64
}

// exit is the return from a system call that had lost its P: it is written when the
// goroutine gets another, at the time written, and says when that was to be, at real.
type exit struct {
	g             uint64
	written, real int64
}

type sample struct {
	time  int64
	p     int32
	g     uint64
	stack uint32
}

// maxFrames is more than any stack has (runtime/trace.go: traceStackSize is 128).
const maxFrames = 1000

// maxTime is the latest time in ticks, a hundred years of 1 GHz.
const maxTime = 1 << 62

// build indexes data from its 16th byte on. What is indexed is sound, also when an
// error says that the rest is not.
func (x *index) build(data []byte, version int) *wire.Error {
	err := x.scan(data, 16, version)
	x.lost = x.freq == 0 // it comes after them
	if x.lost && err != nil && err.Kind == wire.Corrupt {
		if at := x.footer(data, int(err.Offset)); at > 0 {
			x.scan(data, at, version)
		}
	}
	slices.SortFunc(x.streams, func(a, b *stream) int { return cmp.Compare(a.p, b.p) })
	slices.SortStableFunc(x.samples, func(a, b sample) int { return cmp.Compare(a.time, b.time) })
	slices.SortStableFunc(x.exits, exit.compare)
	return err
}

// footer looks for the frequency, which the header of a last, empty batch follows, and
// then the stacks.
func (x *index) footer(data []byte, off int) int {
	if len(x.streams) == 0 {
		return 0
	}
	first := uint64(x.streams[0].batches[0].time)
	for {
		i := bytes.IndexByte(data[off:], evFrequency)
		if i < 0 {
			return 0
		}
		at := off + i
		off = at + 1
		freq, next := varint(data, off)
		if next <= 0 || freq < 1e6 || freq > 1e11 || next == len(data) || data[next] != 1<<6|evBatch {
			continue
		}
		p, next := varint(data, next+1)
		if next <= 0 || p > math.MaxUint16 && p != math.MaxUint64 {
			continue
		}
		if time, next := varint(data, next); next > 0 && time > first && time-first < 1<<48 {
			return at
		}
	}
}

// scanner is the first pass.
type scanner struct {
	x       *index
	data    []byte
	version int
	want    [64]uint8
	byP     map[uint64]*stream
	s       *stream // of the batch under way
	time    int64
}

// scan indexes data from off on, up to where it is not sound.
func (x *index) scan(data []byte, off, version int) *wire.Error {
	sc := scanner{x: x, data: data, version: version, want: numbers(version), byP: make(map[uint64]*stream)}
	for _, s := range x.streams {
		sc.byP[uint64(s.p)] = s
	}
	for off < len(data) {
		next, err := sc.event(off)
		if err != nil {
			sc.endBatch(off)
			err.Offset = int64(off)
			if err.Kind == wire.Corrupt && bytes.HasPrefix(data[off:], []byte("go 1.")) {
				err.Detail = fmt.Sprintf("another trace begins at byte %d, and only the first is analysed: split the file there (tail -c +%d)", off, off+1)
			}
			return err
		}
		off = next
	}
	return nil
}

func corrupt(format string, args ...any) *wire.Error {
	return &wire.Error{Detail: fmt.Sprintf(format, args...)}
}

// short is the fault of a number that could not be read.
func short(next int) *wire.Error {
	if next < 0 {
		return corrupt("a number has more than 64 bits")
	}
	return &wire.Error{Kind: wire.Truncated, Detail: "the file ends inside an event"}
}

func (sc *scanner) endBatch(at int) {
	if sc.s != nil {
		sc.s.batches[len(sc.s.batches)-1].end = at
	}
}

// event indexes the event at a place in data and returns where the next one begins.
func (sc *scanner) event(at int) (off int, err *wire.Error) {
	data := sc.data
	typ := data[at] & 0x3f
	off = at + 1
	spec, want := &specs[typ], int(sc.want[typ])
	if spec.name == "" || int(spec.since) > sc.version {
		return 0, corrupt("there is no event of type %d in Go 1.%d", typ, sc.version)
	}
	if typ == evString {
		return sc.x.string(data, off)
	}
	n, end := int(data[at]>>6)+1, -1
	if n == 4 {
		size, next := varint(data, off)
		if next <= 0 {
			return 0, short(next)
		}
		if off = next; size > uint64(len(data)-off) {
			return 0, short(0)
		}
		n, end = want, off+int(size)
	}
	if typ == evStack {
		return sc.x.stack(data, off, end)
	}
	if n != want {
		return 0, corrupt("%s has %d numbers, not %d", spec.name, n, want)
	}
	first := off
	var arg [5]uint64
	for i := range n {
		v, next := varint(data, off)
		if next <= 0 {
			return 0, short(next)
		}
		arg[i], off = v, next
	}
	if end >= 0 && off != end {
		return 0, corrupt("%s has %d bytes, not %d", spec.name, end-first, off-first)
	}
	switch typ {
	case evBatch:
		return off, sc.batch(at, off, arg[0], arg[1])
	case evFrequency:
		if arg[0] == 0 || arg[0] > maxTime {
			return 0, corrupt("a clock of %d ticks per second", arg[0])
		}
		sc.x.freq = arg[0]
		return off, nil
	case evTimerGoroutine:
		if sc.x.timers == nil {
			sc.x.timers = make(map[uint64]bool)
		}
		sc.x.timers[arg[0]] = true
		return off, nil
	}
	return sc.timed(typ, off, &arg)
}

// batch begins the batch of a P whose header stands from at to off.
func (sc *scanner) batch(at, off int, p, time uint64) *wire.Error {
	if p > math.MaxInt32 && p != math.MaxUint64 || time > maxTime {
		return corrupt("a batch of P %d at %d", p, time)
	}
	sc.endBatch(at)
	if sc.s = sc.byP[p]; sc.s == nil {
		sc.s = newStream(int32(p))
		sc.byP[p] = sc.s
		sc.x.streams = append(sc.x.streams, sc.s)
	}
	sc.time = int64(time)
	sc.s.batches = append(sc.s.batches, batch{off: off, end: len(sc.data), time: sc.time})
	return nil
}

// timed indexes an event that has a time; what may follow its numbers stands at off.
func (sc *scanner) timed(typ uint8, off int, arg *[5]uint64) (int, *wire.Error) {
	if sc.s == nil {
		return 0, corrupt("%s stands before the first batch", specs[typ].name)
	}
	if arg[0] > uint64(maxTime-sc.time) {
		return 0, corrupt("%s is %d ticks after the event before it", specs[typ].name, arg[0])
	}
	sc.time += int64(arg[0])
	x, s := sc.x, sc.s
	switch typ {
	case evCPUSample:
		x.samples = append(x.samples, sample{int64(min(arg[1], maxTime)), int32(arg[2]), arg[3], uint32(arg[4])})
		return off, nil
	case evGomaxprocs:
		x.procs = max(x.procs, int(min(arg[1], math.MaxInt32)))
	case evGoSysExit:
		x.exit(arg[1], sc.time, arg[3])
	case evRegion:
		if arg[2] > 1 {
			return 0, corrupt("%s of mode %d", specs[typ].name, arg[2])
		}
	case evLog:
		size, next := varint(sc.data, off)
		if next <= 0 {
			return 0, short(next)
		}
		if off = next; size > uint64(len(sc.data)-off) {
			return 0, short(0)
		}
		off += int(size)
	}
	if s.events++; s.events == 1 && typ == evGoCreate {
		x.start = true
	}
	s.last, s.lastType = sc.time, typ
	x.events++
	return off, nil
}

func (x *index) exit(g uint64, written int64, real uint64) {
	if real != 0 && real < uint64(written) {
		x.exits = append(x.exits, exit{g, written, int64(real)})
	}
}

func (e exit) compare(f exit) int {
	return cmp.Or(cmp.Compare(e.g, f.g), cmp.Compare(e.written, f.written))
}

// present counts the Ps that wrote something.
func (x *index) present() (n int) {
	for _, s := range x.streams {
		if s.p != none && s.events > 0 {
			n++
		}
	}
	return n
}

// exitOf returns the first exit of g that was written at or after a time.
func (x *index) exitOf(g uint64, from int64) (exit, bool) {
	i, _ := slices.BinarySearchFunc(x.exits, exit{g: g, written: from}, exit.compare)
	if i < len(x.exits) && x.exits[i].g == g {
		return x.exits[i], true
	}
	return exit{}, false
}

// string takes in a string event.
func (x *index) string(data []byte, off int) (next int, err *wire.Error) {
	id, next := varint(data, off)
	if next <= 0 {
		return 0, short(next)
	}
	size, next := varint(data, next)
	if next <= 0 {
		return 0, short(next)
	}
	if size > uint64(len(data)-next) {
		return 0, short(0)
	}
	if id == 0 || !x.strings.add(id, text{off: next, len: int(size)}) {
		return 0, corrupt("string %d is told again", id)
	}
	return next + int(size), nil
}

// stack takes in a stack event, whose numbers are those up to end.
func (x *index) stack(data []byte, off, end int) (next int, err *wire.Error) {
	bad := corrupt("a stack whose frames do not fit its size")
	if end < 0 {
		// Two numbers or three, so it has no frame.
		return 0, bad
	}
	start := off
	data = data[:end]
	id, off := varint(data, off)
	if off <= 0 {
		return 0, bad
	}
	frames, off := varint(data, off)
	if off <= 0 || frames > maxFrames {
		return 0, bad
	}
	for range 4 * frames {
		if _, off = varint(data, off); off <= 0 {
			return 0, bad
		}
	}
	if off != end {
		return 0, bad
	}
	x.stacks.add(id, stack{off: start})
	return end, nil
}

// table maps the small numbers that the runtime gives as ids, and any others.
type table[T any] struct {
	dense  []*T
	sparse map[uint64]*T
	n      int
}

func (t *table[T]) get(id uint64) *T {
	if id < uint64(len(t.dense)) && t.dense[id] != nil {
		return t.dense[id]
	}
	return t.sparse[id]
}

// add reports whether id was new.
func (t *table[T]) add(id uint64, v T) bool {
	if t.get(id) != nil {
		return false
	}
	t.n++
	// Never more than a few times what the ids seen so far take.
	if id < 1024+8*uint64(t.n) {
		for uint64(len(t.dense)) <= id {
			t.dense = append(t.dense, nil)
		}
		t.dense[id] = &v
		return true
	}
	if t.sparse == nil {
		t.sparse = make(map[uint64]*T)
	}
	t.sparse[id] = &v
	return true
}
