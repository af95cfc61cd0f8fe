// Package tracetest writes execution traces for tests: a Writer puts events into the
// bytes that the runtime of a Go version would write, and Schedule makes up a program
// and its scheduler at random and knows all that happened. These traces are valid:
// golang.org/x/exp/trace reads them. Times are ns, and no two events have the same.
//
// A File is any trace in its parts: to write the same in another way, or to damage it.
package tracetest

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// Type is the type of an event (internal/trace/tracev2/events.go).
type Type byte

const (
	evEventBatch        Type = 1
	evStacks            Type = 2
	evStack             Type = 3
	evStrings           Type = 4
	evString            Type = 5
	evCPUSamples        Type = 6
	evFrequency         Type = 8
	evExperimentalBatch Type = 49
	evSync              Type = 50
	evClockSnapshot     Type = 51
	evEndOfGeneration   Type = 52

	ProcsChange         Type = 9  // procs, stack
	ProcStart           Type = 10 // P, P's sequence number
	ProcStop            Type = 11
	ProcSteal           Type = 12 // P, P's sequence number, M that had it
	ProcStatus          Type = 13 // P, status
	GoCreate            Type = 14 // G, its stack, stack
	GoStart             Type = 16 // G, G's sequence number
	GoDestroy           Type = 17
	GoStop              Type = 19 // reason, stack
	GoBlock             Type = 20 // reason, stack
	GoUnblock           Type = 21 // G, G's sequence number, stack
	GoSyscallBegin      Type = 22 // P's sequence number, stack
	GoSyscallEnd        Type = 23
	GoSyscallEndBlocked Type = 24
	GoStatus            Type = 25 // G, M or none, status
	STWBegin            Type = 26 // kind, stack
	STWEnd              Type = 27
	GCActive            Type = 28 // sequence number
	GCBegin             Type = 29 // sequence number, stack
	GCEnd               Type = 30 // sequence number
	SweepBegin          Type = 32 // stack
	SweepEnd            Type = 33 // bytes swept, bytes reclaimed
	AssistActive        Type = 34 // G
	AssistBegin         Type = 35 // stack
	AssistEnd           Type = 36
	HeapAlloc           Type = 37 // bytes
	HeapGoal            Type = 38 // bytes
	GoLabel             Type = 39 // label
	TaskBegin           Type = 40 // task, parent, type, stack
	TaskEnd             Type = 41 // task, stack
	RegionBegin         Type = 42 // task, type, stack
	RegionEnd           Type = 43 // task, type, stack
	Log                 Type = 44 // task, category, message, stack
	GoSwitch            Type = 45 // G, G's sequence number
	GoSwitchDestroy     Type = 46 // G, G's sequence number
	GoCreateBlocked     Type = 47 // G, its stack, stack
)

// Statuses of ProcStatus and GoStatus.
const (
	ProcRunning = 1
	ProcIdle    = 2
	ProcSyscall = 3

	GoRunnable = 1
	GoRunning  = 2
	GoSyscall  = 3
	GoWaiting  = 4
)

// None is the thread of what has none.
const None = ^uint64(0)

// A Frame is one call of a stack.
type Frame struct {
	Func, File string
	Line       int
}

// A Writer collects the events of a trace.
type Writer struct {
	version wire.Version
	out     []byte
	gen     uint64

	threads map[uint64]*batches
	order   []uint64 // threads as they came
	strings map[string]uint64
	texts   []string
	stacks  map[string]uint64
	frames  [][]Frame
	first   uint64 // time of the generation's first event
	last    uint64
}

// batches are the events of one thread in a generation.
type batches struct {
	full [][]byte
	now  []byte // without its header
	from uint64 // time of its begin
	last uint64
}

// maxBatch is below the 64 KiB that the format allows.
const maxBatch = 60 << 10

// NewWriter returns a writer of the format of Go 1.version, 22 to 26.
func NewWriter(version int) *Writer {
	w := &Writer{version: wire.Version(version), out: fmt.Appendf(nil, "go 1.%d trace\x00\x00\x00", version)}
	w.reset()
	return w
}

func (w *Writer) reset() {
	w.gen++
	w.threads, w.order = make(map[uint64]*batches), nil
	w.strings, w.texts = make(map[string]uint64), nil
	w.stacks, w.frames = make(map[string]uint64), nil
	w.first = 0
}

// String returns the id of a string in this generation, 0 for none.
func (w *Writer) String(s string) uint64 {
	if s == "" {
		return 0
	}
	id, ok := w.strings[s]
	if !ok {
		id = uint64(len(w.strings) + 1)
		w.strings[s] = id
		w.texts = append(w.texts, s)
	}
	return id
}

// Stack returns the id of a stack in this generation, innermost frame first; 0 for
// none.
func (w *Writer) Stack(frames ...Frame) uint64 {
	if len(frames) == 0 {
		return 0
	}
	key := fmt.Sprint(frames)
	id, ok := w.stacks[key]
	if !ok {
		id = uint64(len(w.stacks) + 1)
		w.stacks[key] = id
		w.frames = append(w.frames, slices.Clone(frames))
	}
	return id
}

// Event adds an event of thread m. Times must rise.
func (w *Writer) Event(m, at uint64, typ Type, args ...uint64) {
	if at <= w.last {
		panic(fmt.Sprintf("an event at %d after one at %d", at, w.last))
	}
	w.last = at
	if w.first == 0 {
		w.first = at - 1
	}
	b := w.threads[m]
	if b == nil {
		b = new(batches)
		w.threads[m] = b
		w.order = append(w.order, m)
	}
	if len(b.now) > maxBatch {
		b.full = append(b.full, w.batch(m, b.from, b.now))
		b.now = nil
	}
	if len(b.now) == 0 {
		b.from, b.last = at-1, at-1
	}
	b.now = append(b.now, byte(typ))
	b.now = binary.AppendUvarint(b.now, at-b.last)
	for _, v := range args {
		b.now = binary.AppendUvarint(b.now, v)
	}
	b.last = at
}

// batch is a batch with its header.
func (w *Writer) batch(m, at uint64, data []byte) []byte {
	b := []byte{byte(evEventBatch)}
	for _, v := range []uint64{w.gen, m, at, uint64(len(data))} {
		b = binary.AppendUvarint(b, v)
	}
	return append(b, data...)
}

// EndGeneration writes what there is as a generation, and begins the next. Ids of
// strings and stacks from before do not count there.
func (w *Writer) EndGeneration() {
	for _, m := range w.order {
		b := w.threads[m]
		for _, full := range b.full {
			w.out = append(w.out, full...)
		}
		w.out = append(w.out, w.batch(m, b.from, b.now)...)
	}
	var sync []byte
	if w.version.HasSync() {
		sync = append(sync, byte(evSync))
	}
	sync = append(sync, byte(evFrequency))
	sync = binary.AppendUvarint(sync, 1e9)
	if w.version.HasSync() {
		sync = append(sync, byte(evClockSnapshot))
		for _, v := range []uint64{0, w.first, 1_700_000_000 + w.first/1e9, w.first % 1e9} {
			sync = binary.AppendUvarint(sync, v)
		}
	}
	w.out = append(w.out, w.batch(None, w.first, sync)...)
	// N.B. the string table comes last (trace.go: traceAdvance): stacks name strings.
	table := []byte{byte(evStacks)}
	flush := func(kind Type) {
		if len(table) > 1 {
			w.out = append(w.out, w.batch(None, w.first, table)...)
		}
		table = []byte{byte(kind)}
	}
	for i, frames := range w.frames {
		if len(table) > maxBatch {
			flush(evStacks)
		}
		table = append(table, byte(evStack))
		table = binary.AppendUvarint(table, uint64(i+1))
		table = binary.AppendUvarint(table, uint64(len(frames)))
		for _, f := range frames {
			for _, v := range []uint64{w.String(f.Func)<<20 | uint64(f.Line), w.String(f.Func), w.String(f.File), uint64(f.Line)} {
				table = binary.AppendUvarint(table, v)
			}
		}
	}
	flush(evStrings)
	for i, s := range w.texts {
		if len(table) > maxBatch {
			flush(evStrings)
		}
		table = append(table, byte(evString))
		table = binary.AppendUvarint(table, uint64(i+1))
		table = binary.AppendUvarint(table, uint64(len(s)))
		table = append(table, s...)
	}
	flush(evStrings)
	if w.version.MarksEnds() {
		w.out = append(w.out, byte(evEndOfGeneration))
	}
	w.reset()
}

// Bytes returns the trace. The generation that is open must have been ended.
func (w *Writer) Bytes() []byte {
	if len(w.order) > 0 {
		panic("the last generation is open")
	}
	return w.out
}
