package wire

// Event types (internal/trace/tracev2/events.go).
const (
	evEventBatch = iota + 1
	evStacks
	evStack
	evStrings
	evString
	evCPUSamples
	evCPUSample
	evFrequency
	evProcsChange
	evProcStart
	evProcStop
	evProcSteal
	evProcStatus
	evGoCreate
	evGoCreateSyscall
	evGoStart
	evGoDestroy
	evGoDestroySyscall
	evGoStop
	evGoBlock
	evGoUnblock
	evGoSyscallBegin
	evGoSyscallEnd
	evGoSyscallEndBlocked
	evGoStatus
	evSTWBegin
	evSTWEnd
	evGCActive
	evGCBegin
	evGCEnd
	evSweepActive
	evSweepBegin
	evSweepEnd
	evAssistActive
	evAssistBegin
	evAssistEnd
	evHeapAlloc
	evHeapGoal
	evGoLabel
	evTaskBegin
	evTaskEnd
	evRegionBegin
	evRegionEnd
	evLog
	evGoSwitch
	evGoSwitchDestroy
	evGoCreateBlocked
	evGoStatusStack
	evExperimentalBatch
	evSync
	evClockSnapshot
	evEndOfGeneration

	evSpan               = 128 // first experimental event
	evGoroutineStackFree = 136 // last
)

// Limits of the format.
const (
	maxBatchSize  = 64 << 10
	maxFrames     = 128
	maxStringSize = 1 << 10
)

// spec says how an event of a batch is written: how many arguments follow the
// time, and which of them name a stack or a string.
type spec struct {
	name    string
	args    int8 // -1: not an event of a batch
	stack   int8 // index of the argument that is the context's stack; -1 none
	stack2  int8 // of another stack
	string1 int8
	string2 int8
}

var specs = func() (s [256]spec) {
	for i := range s {
		s[i] = spec{args: -1}
	}
	set := func(typ int, name string, args, stack, stack2, string1, string2 int8) {
		s[typ] = spec{name, args, stack, stack2, string1, string2}
	}
	const no = -1
	set(evProcsChange, "ProcsChange", 2, 1, no, no, no)
	set(evProcStart, "ProcStart", 2, no, no, no, no)
	set(evProcStop, "ProcStop", 0, no, no, no, no)
	set(evProcSteal, "ProcSteal", 3, no, no, no, no)
	set(evProcStatus, "ProcStatus", 2, no, no, no, no)
	set(evGoCreate, "GoCreate", 3, 2, 1, no, no)
	set(evGoCreateSyscall, "GoCreateSyscall", 1, no, no, no, no)
	set(evGoStart, "GoStart", 2, no, no, no, no)
	set(evGoDestroy, "GoDestroy", 0, no, no, no, no)
	set(evGoDestroySyscall, "GoDestroySyscall", 0, no, no, no, no)
	set(evGoStop, "GoStop", 2, 1, no, 0, no)
	set(evGoBlock, "GoBlock", 2, 1, no, 0, no)
	set(evGoUnblock, "GoUnblock", 3, 2, no, no, no)
	set(evGoSyscallBegin, "GoSyscallBegin", 2, 1, no, no, no)
	set(evGoSyscallEnd, "GoSyscallEnd", 0, no, no, no, no)
	set(evGoSyscallEndBlocked, "GoSyscallEndBlocked", 0, no, no, no, no)
	set(evGoStatus, "GoStatus", 3, no, no, no, no)
	set(evSTWBegin, "STWBegin", 2, 1, no, 0, no)
	set(evSTWEnd, "STWEnd", 0, no, no, no, no)
	set(evGCActive, "GCActive", 1, no, no, no, no)
	set(evGCBegin, "GCBegin", 2, 1, no, no, no)
	set(evGCEnd, "GCEnd", 1, no, no, no, no)
	set(evSweepActive, "GCSweepActive", 1, no, no, no, no)
	set(evSweepBegin, "GCSweepBegin", 1, 0, no, no, no)
	set(evSweepEnd, "GCSweepEnd", 2, no, no, no, no)
	set(evAssistActive, "GCMarkAssistActive", 1, no, no, no, no)
	set(evAssistBegin, "GCMarkAssistBegin", 1, 0, no, no, no)
	set(evAssistEnd, "GCMarkAssistEnd", 0, no, no, no, no)
	set(evHeapAlloc, "HeapAlloc", 1, no, no, no, no)
	set(evHeapGoal, "HeapGoal", 1, no, no, no, no)
	set(evGoLabel, "GoLabel", 1, no, no, 0, no)
	set(evTaskBegin, "UserTaskBegin", 4, 3, no, 2, no)
	set(evTaskEnd, "UserTaskEnd", 2, 1, no, no, no)
	set(evRegionBegin, "UserRegionBegin", 3, 2, no, 1, no)
	set(evRegionEnd, "UserRegionEnd", 3, 2, no, 1, no)
	set(evLog, "UserLog", 4, 3, no, 1, 2)
	set(evGoSwitch, "GoSwitch", 2, no, no, no, no)
	set(evGoSwitchDestroy, "GoSwitchDestroy", 2, no, no, no, no)
	set(evGoCreateBlocked, "GoCreateBlocked", 3, 2, 1, no, no)
	set(evGoStatusStack, "GoStatusStack", 4, 3, no, no, no)
	set(evClockSnapshot, "ClockSnapshot", 3, no, no, no, no) // readable, but out of place in a thread's batch
	for i, args := range []int8{3, 3, 1, 2, 2, 1, 2, 2, 1} {
		set(evSpan+i, "Experimental", args, no, no, no, no)
	}
	return s
}()

// argsOf are the specs' args, close together.
var argsOf = func() (a [256]int8) {
	for i := range a {
		a[i] = specs[i].args
	}
	return a
}()

// maxEvent is more than an event of a batch can take: its type, the time and at
// most four arguments.
const maxEvent = 64 + 8

// uvarint reads a varint at b[i:] and returns the index after it, or -1 if there
// is no whole one of at most 64 bits.
func uvarint(b []byte, i int) (uint64, int) {
	if i < len(b) && b[i] < 0x80 {
		return uint64(b[i]), i + 1
	}
	var x uint64
	for s := uint(0); i < len(b) && s < 70; s += 7 {
		c := b[i]
		i++
		if c < 0x80 {
			if s == 63 && c > 1 {
				return 0, -1
			}
			return x | uint64(c)<<s, i
		}
		x |= uint64(c&0x7f) << s
	}
	return 0, -1
}
