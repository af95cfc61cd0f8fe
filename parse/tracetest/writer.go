package tracetest

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// Type is the type of an event: see wire.Specs.
type Type byte

const (
	evEventBatch        Type = wire.EvEventBatch
	evStacks            Type = wire.EvStacks
	evStack             Type = wire.EvStack
	evStrings           Type = wire.EvStrings
	evString            Type = wire.EvString
	evCPUSamples        Type = wire.EvCPUSamples
	evCPUSample         Type = wire.EvCPUSample
	evFrequency         Type = wire.EvFrequency
	evExperimentalBatch Type = wire.EvExperimentalBatch
	evSync              Type = wire.EvSync
	evClockSnapshot     Type = wire.EvClockSnapshot
	evEndOfGeneration   Type = wire.EvEndOfGeneration

	ProcsChange         Type = wire.EvProcsChange // procs, stack
	ProcStart           Type = wire.EvProcStart   // P, P's sequence number
	ProcStop            Type = wire.EvProcStop
	ProcSteal           Type = wire.EvProcSteal  // P, P's sequence number, M that had it
	ProcStatus          Type = wire.EvProcStatus // P, status
	GoCreate            Type = wire.EvGoCreate   // G, its stack, stack
	GoStart             Type = wire.EvGoStart    // G, G's sequence number
	GoDestroy           Type = wire.EvGoDestroy
	GoStop              Type = wire.EvGoStop         // reason, stack
	GoBlock             Type = wire.EvGoBlock        // reason, stack
	GoUnblock           Type = wire.EvGoUnblock      // G, G's sequence number, stack
	GoSyscallBegin      Type = wire.EvGoSyscallBegin // P's sequence number, stack
	GoSyscallEnd        Type = wire.EvGoSyscallEnd
	GoSyscallEndBlocked Type = wire.EvGoSyscallEndBlocked
	GoStatus            Type = wire.EvGoStatus // G, M or none, status
	STWBegin            Type = wire.EvSTWBegin // kind, stack
	STWEnd              Type = wire.EvSTWEnd
	GCActive            Type = wire.EvGCActive     // sequence number
	GCBegin             Type = wire.EvGCBegin      // sequence number, stack
	GCEnd               Type = wire.EvGCEnd        // sequence number
	SweepBegin          Type = wire.EvSweepBegin   // stack
	SweepEnd            Type = wire.EvSweepEnd     // bytes swept, bytes reclaimed
	AssistActive        Type = wire.EvAssistActive // G
	AssistBegin         Type = wire.EvAssistBegin  // stack
	AssistEnd           Type = wire.EvAssistEnd
	HeapAlloc           Type = wire.EvHeapAlloc       // bytes
	HeapGoal            Type = wire.EvHeapGoal        // bytes
	GoLabel             Type = wire.EvGoLabel         // label
	TaskBegin           Type = wire.EvTaskBegin       // task, parent, type, stack
	TaskEnd             Type = wire.EvTaskEnd         // task, stack
	RegionBegin         Type = wire.EvRegionBegin     // task, type, stack
	RegionEnd           Type = wire.EvRegionEnd       // task, type, stack
	Log                 Type = wire.EvLog             // task, category, message, stack
	GoSwitch            Type = wire.EvGoSwitch        // G, G's sequence number
	GoSwitchDestroy     Type = wire.EvGoSwitchDestroy // G, G's sequence number
	GoCreateBlocked     Type = wire.EvGoCreateBlocked // G, its stack, stack
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
	from uint64 // time of its start
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
	if want := len(wire.Specs[typ].Args) - 1; len(args) != want {
		panic(fmt.Sprintf("%d arguments for %s, which has %d", len(args), wire.Specs[typ].Name, want))
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
	// The string table comes last (trace.go: traceAdvance): stacks name strings.
	table := []byte{byte(evStacks)}
	flush := func(kind Type) {
		if len(table) > 1 {
			w.out = append(w.out, w.batch(None, w.last+1, table)...)
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
