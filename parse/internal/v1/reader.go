// Package v1 reads the format of Go 1.7 to 1.21 traces: batches of events by P, in one
// stream in order, as package wire reads that of later ones.
//
// It delivers what golang.org/x/exp/trace makes of these traces, event by event, with
// these differences, all on purpose:
//
//   - The GOMAXPROCS at the begin is told. The reference drops it.
//   - A status event has the stack of the goroutine's entry, from the creation that the
//     tracer writes for what existed before. The reference drops that too.
//   - Wake-ups by the network poller and GC cycles have the P and thread that they
//     happened on; wake-ups by the timer goroutine (up to Go 1.13), also its P, and no
//     goroutine, as those of later timers.
//   - A call is told from its P's own events: a CPU sample between its begin and its loss
//     of the P does not make it a short one.
//   - Frames that inlining puts at one PC are told apart.
//   - Any order of regions passes.
//   - Go 1.7 to 1.10 are read.
//   - Damage costs what it touches. The reference refuses such a file, and one whose
//     times contradict its order.
//
// # How
//
// Strings, stacks and the clock's frequency stand at the end of the file, so it is in
// memory whole. A first pass checks every event and notes where each P's batches are;
// a second decodes them a block at a time, through a heap of the next event of each P
// and the state machine of order.go.
//
// The return from a system call that lost its P is written when the goroutine runs
// again, and says when it was; the first pass notes these, and they are delivered at
// that time.
//
// # Cut files
//
// What is missing of a cut file is the end of what each P wrote, all that Ps wrote that
// had little to write, the stacks, and the frequency. Events are delivered up to where
// the first P is silent without having stopped; those that follow from missing ones are
// taken as they are.
package v1

import (
	"fmt"
	"io"
	"math"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

const none = wire.None

// guessedFreq stands for the frequency of the clock, in ticks per second, where that is
// missing: of a processor of 2.6 GHz (runtime/trace.go: traceTickDiv is 64 on x86).
const guessedFreq = 2.6e9 / 64

// Reader reads a v1 trace.
type Reader struct {
	data    []byte
	version int
	tables  wire.Tables
	x       index
	want    [64]uint8

	heap    []head
	gs      []goroutine // by slot
	ids     map[uint64]uint32
	free    []uint32 // slots
	gcSeq   uint64
	pending []exit // from calls under way, a heap by their real time
	sample  int    // next
	tasks   map[uint64]task
	before  []uint32 // slots of goroutines that were created before the first GOMAXPROCS
	begun   bool     // it was told, or is missing
	stw     uint32   // name of the last stop-the-world
	reasons [numEvents]uint32

	horizon int64 // up to where all is known of all Ps
	lead    int64 // by how much, in ticks, an event may come too early to be in order
	effort  int
	given   int // events
	misfits int
	misfit  *wire.Error // the first
	missing int         // times that a stack or string was asked for and is missing

	state  int
	first  int64        // ticks at time 0
	nsPer  float64      // of a tick
	last   int64        // time delivered
	rest   []wire.Event // to be delivered before anything else, in buf
	buf    []wire.Event
	frames []wire.Frame
	fault  error // after the last event
}

// States of a Reader.
const (
	unread = iota
	reading
	ended // but for the fault
	over
)

type task struct {
	name   uint32
	parent uint64
}

// NewReader reads r, which stands at the begin of the file, to its end. The header's
// content is taken for granted. A fault of r is returned by Read, after what came before
// it.
func NewReader(r io.Reader, version int, t wire.Tables) (*Reader, error) {
	data, err := io.ReadAll(r)
	rd := &Reader{
		data: data, version: version, tables: t, want: numbers(version), last: -1,
		gs: make([]goroutine, 1), ids: make(map[uint64]uint32), fault: err,
	}
	if len(data) < 16 {
		if err == nil {
			err = &wire.Error{Kind: wire.Truncated, Offset: int64(len(data)), Detail: "the file ends inside its header"}
		}
		return nil, err
	}
	rd.index()
	return rd, nil
}

// index makes the first pass.
func (r *Reader) index() {
	fault := r.x.build(r.data, r.version)
	freq := float64(r.x.freq)
	switch {
	case freq == 0:
		freq = guessedFreq
		if fault == nil {
			fault = &wire.Error{Kind: wire.Truncated, Offset: int64(len(r.data)), Detail: "the file ends before its stacks and the frequency of its clock"}
		}
		if r.x.events > 0 {
			fault.Detail += fmt.Sprintf("; without the end of the file no function has a name, and times are an estimate, one tick taken for %.0f ns", 1e9/freq)
		}
	case r.x.lost:
	case fault != nil && fault.Kind == wire.Truncated:
		fault.Detail = "the file ends inside its table of stacks: some functions have no names"
	}
	if !r.x.lost {
		// Clocks of processors may differ; by more, nothing is to be learned from them.
		r.lead = int64(freq / 100)
	}
	if fault != nil && r.fault == nil {
		r.fault = fault
	}
	if missing := r.x.procs - r.x.present(); r.x.lost && fault != nil && missing > 0 {
		fault.Detail += fmt.Sprintf("; of %d of the %d Ps nothing is in the file: they count as idle", missing, r.x.procs)
	}
	r.begun = !r.x.start
	r.nsPer = 1e9 / freq
	r.horizon = math.MaxInt64
	for _, s := range r.x.streams {
		if r.x.lost && s.p != none && s.events > 0 && s.lastType != evProcStop {
			r.horizon = min(r.horizon, s.last)
		}
		if s.refill(r.data, &r.want) {
			r.heap = append(r.heap, head{s.evs[0].time, s})
			up(r.heap, len(r.heap)-1)
		}
	}
}

// Read fills buf with the next events. The first event and the last are OpSync; after it
// comes io.EOF, or a *wire.Error that says what is wrong with the trace, or what reading
// failed with. As many events as are returned are valid, also beside an error.
func (r *Reader) Read(buf []wire.Event) (n int, err error) {
	for n < len(buf) {
		if len(r.rest) > 0 {
			r.put(&buf[n], &r.rest[0])
			r.rest = r.rest[1:]
			n++
			continue
		}
		next, sample, exit := int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64)
		if len(r.heap) > 0 {
			next = r.heap[0].time
		}
		if r.sample < len(r.x.samples) {
			sample = r.x.samples[r.sample].time
		}
		if len(r.pending) > 0 {
			exit = r.pending[0].real
		}
		now := min(next, sample, exit)
		e := &buf[n]
		switch {
		case r.state >= ended || now == math.MaxInt64 || now > r.horizon:
			more := r.state == reading
			if n, err = r.end(buf, n); more {
				continue
			}
			return n, err
		case r.state == unread:
			r.state, r.first = reading, now
			*e = wire.Event{Time: -1, Op: wire.OpSync, G: none, P: none, M: none}
			e.Tick(r.nsPer, true)
			n++
			continue
		case next <= sample && next <= exit:
			i, slot, err := r.pick()
			if err != nil {
				if r.fault == nil {
					r.fault = err
				}
				r.horizon = -1
				continue
			}
			s := r.heap[i].s
			made := r.deliver(s, &s.evs[s.at], slot, e)
			r.move(i)
			if !made {
				continue
			}
		case sample <= exit:
			r.cpuSample(e)
		default:
			if !r.leave(e) {
				continue
			}
		}
		r.tick(e)
		n++
	}
	return n, nil
}

// end delivers the last event, and then the fault, if there is one.
func (r *Reader) end(buf []wire.Event, n int) (int, error) {
	if r.state == reading {
		r.state = ended
		buf[n] = wire.Event{Time: r.last + 1, Op: wire.OpSync, G: none, P: none, M: none}
		return n + 1, nil
	}
	if r.state == over {
		return n, r.fault
	}
	r.state = over
	switch e, _ := r.fault.(*wire.Error); {
	case e != nil && r.x.lost && r.misfits > 0:
		e.Detail += fmt.Sprintf("; events that follow from missing ones: %d", r.misfits)
	case r.fault != nil:
	case r.misfits > 0:
		r.misfit.Detail = fmt.Sprintf("%d events do not follow from those before them; the first: %s", r.misfits, r.misfit.Detail)
		r.fault = r.misfit
	case r.missing > 0:
		r.fault = &wire.Error{Kind: wire.Truncated, Offset: int64(len(r.data)), Detail: fmt.Sprintf("%d times events refer to stacks or strings that are missing", r.missing)}
	default:
		r.fault = io.EOF
	}
	return n, r.fault
}

// Generations returns how many generations the file begins, which is one, and how many
// were delivered whole.
func (r *Reader) Generations() (begun, whole int) {
	if r.state == over && !r.x.lost && r.misfits == 0 && r.missing == 0 {
		return 1, 1
	}
	return 1, 0
}

// ns turns ticks into time.
func (r *Reader) ns(ticks int64) int64 {
	return int64(min(float64(ticks-r.first)*r.nsPer, math.MaxInt64/2))
}

// tick makes times strictly increasing.
func (r *Reader) tick(e *wire.Event) {
	if e.Time <= r.last {
		e.Time = r.last + 1
	}
	r.last = e.Time
	r.given++
}

func (r *Reader) put(e, from *wire.Event) {
	*e = *from
	r.tick(e)
}

// later has an event delivered after the one under way.
func (r *Reader) later(e *wire.Event) {
	if len(r.rest) == 0 {
		r.buf = r.buf[:0]
	}
	r.buf = append(r.buf, *e)
	r.rest = r.buf[len(r.buf)-len(r.rest)-1:]
}

func (r *Reader) cpuSample(e *wire.Event) {
	s := &r.x.samples[r.sample]
	r.sample++
	*e = wire.Event{Time: r.ns(s.time), Op: wire.OpSample, G: none, P: s.p, M: none, Stack: r.stackOf(s.stack)}
	if s.g != 0 {
		e.G, e.GSlot = int64(s.g), r.find(s.g)
	}
}
