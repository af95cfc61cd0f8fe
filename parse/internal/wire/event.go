package wire

// Op is what an Event is.
type Op uint8

const (
	OpOther Op = iota // experimental events, counted and otherwise ignored
	OpSync
	OpGo
	OpProc
	OpRangeBegin
	OpRangeActive
	OpRangeEnd
	OpTaskBegin
	OpTaskEnd
	OpRegionBegin
	OpRegionEnd
	OpMetric
	OpLabel
	OpLog
	OpSample
)

// States of goroutines and Ps, as golang.org/x/exp/trace numbers them.
const (
	GoUndetermined = iota
	GoNotExist
	GoRunnable
	GoRunning
	GoWaiting
	GoSyscall
)

const (
	ProcUndetermined = iota
	ProcNotExist
	ProcRunning
	ProcIdle
)

// Kinds of ranges.
const (
	RangeSTW = iota + 1
	RangeGC
	RangeAssist
	RangeSweep
)

// Metrics.
const (
	MetricProcs = iota + 1
	MetricHeapLive
	MetricHeapGoal
)

// What an OpSync says of the clock, in Mode.
const (
	SyncChanged   = 1 << iota // it has another frequency than in the generation before
	SyncUndivided             // its frequency was told wrong, and is right here (undivided)
)

// None is the id of no goroutine, P or thread.
const None = -1

// An Event is one event of the trace in its order, with the scheduling context
// before it: what every reader delivers. It holds no pointers; strings and
// stacks are ids of the Tables. A goroutine has a slot besides its id: a small
// number from 1 on, its own while it lives, so that what is known of goroutines
// can be held in a slice.
type Event struct {
	Time int64 // ns
	G, M int64
	P    int32

	GSlot uint32 // of G, 0 for none
	Stack uint32 // of the context
	Slot  uint32 // OpGo, ranges of a goroutine: of the goroutine Res
	Res   int64  // OpGo, OpProc, ranges of a goroutine or P: its id

	Op       Op
	From, To uint8 // OpGo, OpProc
	Coro     bool  // OpGo: part of a coroutine switch
	Range    uint8 // ranges: RangeSTW…
	Mode     uint8 // OpLabel: 1 dedicated, 2 fractional, 3 idle GC worker; 0 for other labels. OpSync: SyncChanged, SyncUndivided
	Metric   uint8 // OpMetric

	Reason   uint32 // OpGo
	ResStack uint32 // OpGo: of the goroutine

	Name, Text uint32 // range reason, task and region type; log category and message

	// OpSync: Slot is how many events so far were moved because they say an earlier time
	// than the generation before their own, Res by how many ns at most. Name is the tick of
	// the clock in ns, rounded, 0 for not told; Text is 1 if that is an estimate. GSlot,
	// Stack, ResStack and Reason are the counts of odd: beyond, rewound, late, skipped.

	// Values are, by Op: a stack that the goroutine shows only later (OpGo, statuses and
	// callbacks from C that begin; 0 for none), the task and its parent (tasks; 0 for
	// none), the task (regions, logs), the metric's value, the bytes swept and reclaimed
	// (end of a sweep), when the wall clock was read and what it said in Unix ns (OpSync;
	// 0 for not read).
	Values [2]uint64
}

// status reports whether e says what is, not what happens.
func (e *Event) status() bool {
	switch e.Op {
	case OpGo:
		return e.From == e.To || e.From == GoUndetermined
	case OpProc:
		return e.From == e.To || e.From == ProcUndetermined || e.From == ProcNotExist
	}
	return e.Op == OpRangeActive
}

// A Frame is one call of a stack.
type Frame struct {
	Func, File uint32
	Line       uint32
}

// Tables takes in the strings and stacks of a trace and gives equal ones equal
// ids, whatever generation they are from. Id 0 is the empty one.
type Tables interface {
	String(b []byte) uint32
	Log(b []byte) uint32 // a string that only a user log refers to
	Name(id uint32)      // a string is what the program calls a task, a region or logs
	Stack(frames []Frame) uint32
}
