package wire

import "strings"

// Event types (internal/trace/tracev2/events.go).
const (
	EvEventBatch = iota + 1
	EvStacks
	EvStack
	EvStrings
	EvString
	EvCPUSamples
	EvCPUSample
	EvFrequency
	EvProcsChange
	EvProcStart
	EvProcStop
	EvProcSteal
	EvProcStatus
	EvGoCreate
	EvGoCreateSyscall
	EvGoStart
	EvGoDestroy
	EvGoDestroySyscall
	EvGoStop
	EvGoBlock
	EvGoUnblock
	EvGoSyscallBegin
	EvGoSyscallEnd
	EvGoSyscallEndBlocked
	EvGoStatus
	EvSTWBegin
	EvSTWEnd
	EvGCActive
	EvGCBegin
	EvGCEnd
	EvSweepActive
	EvSweepBegin
	EvSweepEnd
	EvAssistActive
	EvAssistBegin
	EvAssistEnd
	EvHeapAlloc
	EvHeapGoal
	EvGoLabel
	EvTaskBegin
	EvTaskEnd
	EvRegionBegin
	EvRegionEnd
	EvLog
	EvGoSwitch
	EvGoSwitchDestroy
	EvGoCreateBlocked
	EvGoStatusStack
	EvExperimentalBatch
	EvSync
	EvClockSnapshot
	EvEndOfGeneration

	EvSpan               = 128 // first experimental event
	EvGoroutineStackFree = 136 // last
)

// Limits of the format.
const (
	MaxBatchSize  = 64 << 10
	maxFrames     = 128
	maxStringSize = 1 << 10
)

// An ArgKind is what a number of an event is.
type ArgKind byte

const (
	ArgDelta      ArgKind = 't' // time since the event before, in units of the clock
	ArgTime       ArgKind = 'T'
	ArgG          ArgKind = 'g'
	ArgP          ArgKind = 'p'
	ArgM          ArgKind = 'm'
	ArgStack      ArgKind = 'k' // in the generation's table
	ArgString     ArgKind = 's' // in the generation's table
	ArgSeq        ArgKind = 'q' // sequence number
	ArgGoStatus   ArgKind = 'S'
	ArgProcStatus ArgKind = 'U'
	ArgNumber     ArgKind = 'n'
)

// An Arg is one number of an event.
type Arg struct {
	Name string
	Kind ArgKind
}

// A Spec is how a type of event, or of entry of a table, is written: after its type come
// its arguments, as varints. Those of an event of a thread begin with the time. The
// frames of an EvStack follow its arguments, four numbers each (PC, function, file,
// line); so do the bytes of an EvString.
type Spec struct {
	Name  string // in internal/trace/tracev2; "" if there is no such type
	Args  []Arg
	Since Version
}

// Timed reports whether it is an event of a thread, of whose batch it can be a part.
func (s *Spec) Timed() bool { return len(s.Args) > 0 && s.Args[0].Kind == ArgDelta }

// Specs are the types of events by number.
var Specs = func() (specs [256]Spec) {
	for _, e := range []struct {
		typ   byte
		since Version
		name  string
		args  string // name:kind
	}{
		{EvEventBatch, 22, "EventBatch", ""},
		{EvStacks, 22, "Stacks", ""},
		{EvStack, 22, "Stack", "id:k frames:n"},
		{EvStrings, 22, "Strings", ""},
		{EvString, 22, "String", "id:s size:n"},
		{EvCPUSamples, 22, "CPUSamples", ""},
		{EvCPUSample, 22, "CPUSample", "time:T m:m p:p g:g stack:k"},
		{EvFrequency, 22, "Frequency", "freq:n"},
		{EvProcsChange, 22, "ProcsChange", "dt:t procs:n stack:k"},
		{EvProcStart, 22, "ProcStart", "dt:t p:p seq:q"},
		{EvProcStop, 22, "ProcStop", "dt:t"},
		{EvProcSteal, 22, "ProcSteal", "dt:t p:p seq:q m:m"},
		{EvProcStatus, 22, "ProcStatus", "dt:t p:p status:U"},
		{EvGoCreate, 22, "GoCreate", "dt:t g:g entry:k stack:k"},
		{EvGoCreateSyscall, 22, "GoCreateSyscall", "dt:t g:g"},
		{EvGoStart, 22, "GoStart", "dt:t g:g seq:q"},
		{EvGoDestroy, 22, "GoDestroy", "dt:t"},
		{EvGoDestroySyscall, 22, "GoDestroySyscall", "dt:t"},
		{EvGoStop, 22, "GoStop", "dt:t reason:s stack:k"},
		{EvGoBlock, 22, "GoBlock", "dt:t reason:s stack:k"},
		{EvGoUnblock, 22, "GoUnblock", "dt:t g:g seq:q stack:k"},
		{EvGoSyscallBegin, 22, "GoSyscallBegin", "dt:t seq:q stack:k"},
		{EvGoSyscallEnd, 22, "GoSyscallEnd", "dt:t"},
		{EvGoSyscallEndBlocked, 22, "GoSyscallEndBlocked", "dt:t"},
		{EvGoStatus, 22, "GoStatus", "dt:t g:g m:m status:S"},
		{EvSTWBegin, 22, "STWBegin", "dt:t kind:s stack:k"},
		{EvSTWEnd, 22, "STWEnd", "dt:t"},
		{EvGCActive, 22, "GCActive", "dt:t seq:q"},
		{EvGCBegin, 22, "GCBegin", "dt:t seq:q stack:k"},
		{EvGCEnd, 22, "GCEnd", "dt:t seq:q"},
		{EvSweepActive, 22, "GCSweepActive", "dt:t p:p"},
		{EvSweepBegin, 22, "GCSweepBegin", "dt:t stack:k"},
		{EvSweepEnd, 22, "GCSweepEnd", "dt:t swept:n reclaimed:n"},
		{EvAssistActive, 22, "GCMarkAssistActive", "dt:t g:g"},
		{EvAssistBegin, 22, "GCMarkAssistBegin", "dt:t stack:k"},
		{EvAssistEnd, 22, "GCMarkAssistEnd", "dt:t"},
		{EvHeapAlloc, 22, "HeapAlloc", "dt:t bytes:n"},
		{EvHeapGoal, 22, "HeapGoal", "dt:t bytes:n"},
		{EvGoLabel, 22, "GoLabel", "dt:t label:s"},
		{EvTaskBegin, 22, "UserTaskBegin", "dt:t task:n parent:n type:s stack:k"},
		{EvTaskEnd, 22, "UserTaskEnd", "dt:t task:n stack:k"},
		{EvRegionBegin, 22, "UserRegionBegin", "dt:t task:n type:s stack:k"},
		{EvRegionEnd, 22, "UserRegionEnd", "dt:t task:n type:s stack:k"},
		{EvLog, 22, "UserLog", "dt:t task:n category:s message:s stack:k"},
		{EvGoSwitch, 23, "GoSwitch", "dt:t g:g seq:q"},
		{EvGoSwitchDestroy, 23, "GoSwitchDestroy", "dt:t g:g seq:q"},
		{EvGoCreateBlocked, 23, "GoCreateBlocked", "dt:t g:g entry:k stack:k"},
		{EvGoStatusStack, 23, "GoStatusStack", "dt:t g:g m:m status:S stack:k"},
		{EvExperimentalBatch, 23, "ExperimentalBatch", ""},
		{EvSync, 25, "Sync", ""},
		{EvClockSnapshot, 25, "ClockSnapshot", "dt:t mono:n sec:n nsec:n"}, // an event of a thread by its form only
		{EvEndOfGeneration, 26, "EndOfGeneration", ""},
		{EvSpan, 23, "Span", "dt:t id:n pages:n class:n"},
		{EvSpan + 1, 23, "SpanAlloc", "dt:t id:n pages:n class:n"},
		{EvSpan + 2, 23, "SpanFree", "dt:t id:n"},
		{EvSpan + 3, 23, "HeapObject", "dt:t id:n type:n"},
		{EvSpan + 4, 23, "HeapObjectAlloc", "dt:t id:n type:n"},
		{EvSpan + 5, 23, "HeapObjectFree", "dt:t id:n"},
		{EvSpan + 6, 23, "GoroutineStack", "dt:t id:n order:n"},
		{EvSpan + 7, 23, "GoroutineStackAlloc", "dt:t id:n order:n"},
		{EvGoroutineStackFree, 23, "GoroutineStackFree", "dt:t id:n"},
	} {
		s := Spec{Name: e.name, Since: e.since}
		for arg := range strings.FieldsSeq(e.args) {
			name, kind, _ := strings.Cut(arg, ":")
			s.Args = append(s.Args, Arg{name, ArgKind(kind[0])})
		}
		specs[e.typ] = s
	}
	return specs
}()

// Statuses of goroutines and Ps, as ArgGoStatus and ArgProcStatus number them.
const (
	statusBad = iota
	goRunnable
	goRunning
	goSyscall
	goWaiting
	numGoStatus
)

const (
	procRunning = iota + 1
	procIdle
	procSyscall
	procAbandoned // in a system call, but of which thread is lost
	numProcStatus
)

var (
	GoStatusNames   = [numGoStatus]string{"Bad", "Runnable", "Running", "Syscall", "Waiting"}
	ProcStatusNames = [numProcStatus]string{"Bad", "Running", "Idle", "Syscall", "SyscallAbandoned"}
)

// layout is what decoding and ordering need of a Spec: how many arguments follow the
// time, and which of them name a stack or a string.
type layout struct {
	args    int8 // -1: not an event of a thread
	stack   int8 // index of the argument that is the context's stack; -1 none
	string1 int8
	string2 int8
}

var layouts = func() (ls [256]layout) {
	for typ := range ls {
		l := layout{-1, -1, -1, -1}
		if s := &Specs[typ]; s.Timed() {
			l.args = int8(len(s.Args) - 1)
			for i, arg := range s.Args[1:] {
				switch {
				case arg.Name == "stack":
					l.stack = int8(i)
				case arg.Kind == ArgString && l.string1 < 0:
					l.string1 = int8(i)
				case arg.Kind == ArgString:
					l.string2 = int8(i)
				}
			}
		}
		ls[typ] = l
	}
	return ls
}()

// argsOf are the layouts' args, close together.
var argsOf = func() (a [256]int8) {
	for i := range a {
		a[i] = layouts[i].args
	}
	return a
}()

// maxEvent is more than an event of a batch can take: its type, the time and at
// most four arguments.
const maxEvent = 64 + 8
