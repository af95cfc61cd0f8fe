package parse

import "slices"

// Time is nanoseconds on the trace's clock, which is monotonic: CLOCK_MONOTONIC
// on Linux and darwin (runtime/tracetime.go), an arbitrary origin elsewhere.
type Time int64

// GoID, ProcID and ThreadID are the runtime's own numbers for a G, a P and an M.
// A goroutine id may be used again by a later goroutine; see Go.Incarnation.
type (
	GoID     int64
	ProcID   int32
	ThreadID int64
)

const (
	NoGo     = GoID(-1)
	NoProc   = ProcID(-1)
	NoThread = ThreadID(-1)
)

// Kind says what an Event reports and which of its parts is filled.
type Kind uint8

const (
	// Event.Go: a goroutine changed state, or its last span ends with the trace. There
	// is a kind for each state it leaves, numbered as the state is.
	KindGoCreate   = Kind(GoNotExist) // it begins to exist
	KindGoRunnable = Kind(GoRunnable)
	KindGoRunning  = Kind(GoRunning)
	KindGoWaiting  = Kind(GoWaiting)
	KindGoSyscall  = Kind(GoSyscall)
)

const (
	KindGoLife     = KindGoSyscall + 1 + iota // Event.GoLife: after the last span of a goroutine, which ended or the trace did
	KindProc                                  // Event.Proc: a P changed state, or its last span ends with the trace
	KindProcLife                              // Event.ProcLife: after the last span of a P, which is gone or the trace ended
	KindSlice                                 // Event.Slice: a time slice of a P ended
	KindInterval                              // Event.Interval: how many Gs and Ps were in which state until now
	KindRangeBegin                            // Event.Range: an STW, GC cycle, assist, sweep, task or region began
	KindRangeEnd                              // Event.Range: it ended, or is still open at the end of the trace
	KindMetric                                // Event.Metric
	KindLog                                   // Event.Log
	KindSample                                // a CPU profile sample; Event.Stack
	KindGeneration                            // a new generation begins
	KindGoNamed                               // Event.GoLife: so far, of a goroutine whose entry function is told only now; before the end of its current span
	KindHold                                  // Event.Hold: a wait for another goroutine ended, after that goroutine's event
	KindRequest                               // Event.Request: a request ended, or is open at the end of the trace
	KindRound                                 // Event.Round: a wait ended at a place where timers end a goroutine's waits
	numKinds
)

// NumKinds is the number of event kinds, for tables indexed by Kind.
const NumKinds = int(numKinds)

// AllKinds is the set of all kinds.
const AllKinds = Kinds(1<<numKinds - 1)

// IsGo reports whether a goroutine changed state.
func (k Kind) IsGo() bool { return k <= KindGoSyscall }

// Kinds is a set of Kind.
type Kinds uint32

// KindsGo are the kinds of IsGo.
const KindsGo = Kinds(1<<KindGoCreate | 1<<KindGoRunnable | 1<<KindGoRunning | 1<<KindGoWaiting | 1<<KindGoSyscall)

// KindsOf returns the set of the given kinds.
func KindsOf(ks ...Kind) Kinds {
	var s Kinds
	for _, k := range ks {
		s |= 1 << k
	}
	return s
}

// Has reports whether k is in the set.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }

// An Event is one thing that happened, in trace order. It and what it points to
// are valid until the function that got it returns; [Event.Clone] makes a copy that
// lasts.
//
// Every event of KindsGo, KindProc, KindSlice and KindRangeEnd also closes a
// span: what was so from Since to Time. Whoever adds up events needs no state per
// goroutine or per P.
type Event struct {
	Time Time
	Kind Kind

	// The executing context before the event, as the tracer recorded it. For
	// events that readied a goroutine from the scheduler G is NoGo; P is NoProc
	// where no P was held.
	G     GoID
	P     ProcID
	M     ThreadID
	Stack StackID // of the executing context; 0 when none was recorded

	// GC is the time the current GC cycle began (0 outside a cycle): a key to
	// group what happens in one cycle.
	GC Time

	// The part that Kind names; the others may hold anything.
	Go       *Go
	GoLife   *GoLife
	Proc     *Proc
	ProcLife *ProcLife
	Slice    *Slice
	Interval *Interval
	Range    *Range
	Hold     *Hold
	Request  *Request
	Round    *Round
	Metric   Metric
	Log      Log
}

// Clone returns a copy of e with the part that its kind names.
func (e *Event) Clone() Event {
	c := *e
	c.Go, c.GoLife, c.Proc, c.ProcLife, c.Slice, c.Interval, c.Range, c.Hold, c.Request, c.Round = nil, nil, nil, nil, nil, nil, nil, nil, nil, nil
	c.Metric, c.Log = Metric{}, Log{}
	switch e.Kind {
	case KindGoCreate, KindGoRunnable, KindGoRunning, KindGoWaiting, KindGoSyscall:
		c.Go = new(*e.Go)
	case KindGoLife, KindGoNamed:
		c.GoLife = new(*e.GoLife)
	case KindProc:
		c.Proc = new(*e.Proc)
	case KindProcLife:
		c.ProcLife = new(*e.ProcLife)
	case KindSlice:
		c.Slice = new(*e.Slice)
	case KindInterval:
		c.Interval = new(*e.Interval)
	case KindRangeBegin, KindRangeEnd:
		c.Range = new(*e.Range)
	case KindHold:
		c.Hold = new(*e.Hold)
		c.Hold.Parts = slices.Clone(e.Hold.Parts)
	case KindRequest:
		c.Request = new(*e.Request)
		c.Request.Parts = slices.Clone(e.Request.Parts)
	case KindRound:
		c.Round = new(*e.Round)
	case KindMetric:
		c.Metric = e.Metric
	case KindLog:
		c.Log = e.Log
	}
	return c
}

// Class says on whose behalf a goroutine works, told by its entry function. Those that
// run finalizers and cleanups work for the program while they do, and for the runtime
// while they wait for the next; their life is the runtime's.
type Class uint8

const (
	ClassUser   Class = iota // the program's; also while the entry function is not known yet
	ClassSystem              // the runtime's own: entry "runtime.*" but for runtime.main, runtime.corostart and what C calls
	ClassTracer              // the tracer's and the CPU profiler's own
	ClassWorker              // runtime.gcBgMarkWorker
	NumClasses
)

func (c Class) String() string {
	return [...]string{"user", "system", "tracer", "GC worker"}[c]
}

// GoState is the state of a goroutine.
type GoState uint8

const (
	GoUndetermined GoState = iota // as To: the trace (or window) ends here
	GoNotExist
	GoRunnable
	GoRunning
	GoWaiting
	GoSyscall
	NumGoStates
)

func (s GoState) String() string {
	return [...]string{"undetermined", "not-exist", "runnable", "running", "waiting", "syscall"}[s]
}

// Ready says how a goroutine became runnable.
type Ready uint8

const (
	ReadyUnknown     Ready = iota // it was runnable when the trace began
	ReadyCreated                  // go statement (or time.AfterFunc)
	ReadyUnblocked                // another goroutine woke it
	ReadyNetpoll                  // the network poller, from the scheduler, sysmon or a stopped world
	ReadyTimer                    // a timer
	ReadyYield                    // runtime.Gosched
	ReadyPreempted                // preempted
	ReadyLockHandoff              // it unlocked a starving sync.Mutex and yielded to the waiter (sema.go:semrelease1)
	ReadySyscall                  // its system call or cgo call returned without a P
	ReadyGC                       // the GC let it go on: assist credit, end of a stack scan, end of a phase
	ReadyCoroutine                // coroutine switch (iter.Pull): no queue, no wait
	ReadyRuntime                  // the scheduler picked one of the runtime's own goroutines
	NumReady
)

func (r Ready) String() string {
	return [...]string{"unknown", "created", "unblocked", "netpoll", "timer", "yield", "preempted", "lockhandoff", "syscall", "gc", "coroutine", "runtime"}[r]
}

// Origin says from where a P took the goroutine it starts. All but Direct,
// Syscall and Coroutine come from a model of the run queues (runqueues.go).
type Origin uint8

const (
	OriginUnknown   Origin = iota // known from its status only
	OriginRunNext                 // the P's runnext slot: inherits the time slice
	OriginLocal                   // the P's local queue
	OriginStolen                  // another P's queue
	OriginGlobal                  // the global queue
	OriginAmbiguous               // stolen, or moved in a way the trace does not show
	OriginDirect                  // handed to the P by the scheduler: netpoll, GC worker, trace reader
	OriginSyscall                 // came back from a system call with a P
	OriginCoroutine               // coroutine switch
	NumOrigins
)

func (o Origin) String() string {
	return [...]string{"unknown", "runnext", "local", "stolen", "global", "ambiguous", "direct", "syscall", "coroutine"}[o]
}

// Preempt says how a goroutine was made to stop running, from the reason of its
// GoStop or GoBlock event and the top frame of its stack (proc.go:goschedImpl,
// preempt.go:asyncPreempt2, sema.go:semrelease1).
type Preempt uint8

const (
	PreemptNone        Preempt = iota
	PreemptAsync               // by signal (top frame asyncPreempt2, asyncPreempt)
	PreemptCooperative         // at a function prologue
	PreemptUnknown             // no stack was recorded
	PreemptSuspend             // parked by suspendG, for a stack scan or the tracer
	PreemptYield               // runtime.Gosched
	PreemptLockHandoff         // unlocked a starving mutex: not a preemption
	NumPreempts
)

func (p Preempt) String() string {
	return [...]string{"none", "async", "cooperative", "unknown", "suspend", "yield", "lockhandoff"}[p]
}

// Cause is what a runnable goroutine waited for, or rather what kept each P
// from running it.
type Cause uint8

const (
	CauseUser      Cause = iota // Ps ran user goroutines
	CauseSystem                 // Ps ran the runtime's own goroutines
	CauseGC                     // Ps ran GC workers or mark assist
	CauseSTW                    // the world was stopped or stopping
	CauseWakeup                 // a P was idle: the wait is wake-up latency
	CauseSyscall                // Ps were held by system calls
	CauseScheduler              // Ps were between goroutines: in the scheduler
	CauseUnknown                // the state of the Ps is not known
	NumCauses
)

func (c Cause) String() string {
	return [...]string{"user", "system", "gc", "stw", "wakeup", "syscall", "scheduler", "unknown"}[c]
}

// Go is a goroutine's change of state and the span it closes.
type Go struct {
	ID          GoID
	Incarnation uint32 // how many goroutines used this id before
	Class       Class
	Func        StringID // entry function, one for each go statement of a group: see Symbols.Goes; 0 while unknown
	Body        StringID // what it is about where its entry function only calls it, the first if several; 0 while unknown

	From, To   GoState  // To is GoUndetermined at the end of the trace
	Since      Time     // when the span in From began
	First      bool     // From is the state it was created in, during the trace
	Partial    bool     // From began before the trace or window: Held is a lower bound, leave it out of distributions
	FromReason StringID // why it entered From
	FromStack  StackID  // its stack when it entered From
	Reason     StringID // why it enters To
	Stack      StackID  // its stack now, when recorded

	P     ProcID // From or To running, or From syscall: the P it ran on, runs on, entered the call on
	LastP ProcID // the P of the run before, NoProc at the first run

	// How it became runnable; set with To or From runnable.
	Ready        Ready
	Home         ProcID   // P whose queue it went to, NoProc for the global queue
	Waker        GoID     // NoGo when the scheduler, a timer, the poller or the runtime did it
	WakerStack   StackID  // where the waker woke it; for ReadyCreated the go statement
	BlockedOn    StringID // the reason of the wait it was woken from
	BlockedStack StackID  // and where it waited; ReadySyscall: where it entered the call
	BlockedSince Time     // and since when; 0 if not seen

	// Set with From runnable: ns, what the wait consists of; sums to Held.
	Wait [NumCauses]int64

	// Set with From runnable and To running.
	Origin     Origin
	Victim     ProcID // OriginStolen, OriginAmbiguous: the P it was queued on
	StealBatch int32  // OriginStolen: goroutines moved by the steal that this start reveals, 0 when it came with an earlier one

	// From syscall: ns in which no goroutine of the program ran or could; running: see GoLife.
	Alone int64
	// From or To syscall is no call: a thread of C that called into Go is in C again.
	Outside bool

	// Set with From running.
	Preempt Preempt
	STW     bool // stopped while the world was being stopped
}

// LastState is the state of a goroutine at the end of the trace.
type LastState struct {
	State GoState // GoNotExist when it has ended
	Since Time
	Stack StackID // where it entered the state, if told
	Spent int64   // ns in that state since its task began
}

// GoLife is what a goroutine did while it lived in the trace or window.
type GoLife struct {
	ID       GoID
	Class    Class
	Func     StringID // entry function; 0 if never told
	Body     StringID // of Go, 0 if never told
	Common   StringID // the innermost function that all it did has in common, down to Body; 0 if that is a library's
	Site     StackID  // stack of the go statement; 0 when created before the trace
	Born     Time     // creation, or the start of the trace or window
	BornSeen bool     // Born is its creation
	Ended    bool     // it ended, not the trace
	// Spent is the sum of its spans by state, in ns: Time-Born in all.
	Spent [NumGoStates]int64
	// Idle is the part of it waiting for work, in the function that it is about.
	Idle int64
	// Alone is the part of Spent[GoRunning] for the program in which no other goroutine of
	// it ran or could run, no P was in a system call, and the world was not stopped.
	Alone   int64
	Outside int64 // of Spent[GoSyscall]: see Go
	// Unblocked is for how long it has neither waited nor been in a call at the end of the
	// trace; 0 for one that does then, or that ended.
	Unblocked int64
}

// Held is the length of the closed span in ns.
func (e *Event) Held() int64 {
	switch e.Kind {
	case KindGoCreate, KindGoRunnable, KindGoRunning, KindGoWaiting, KindGoSyscall:
		return int64(e.Time - e.Go.Since)
	case KindProc:
		return int64(e.Time - e.Proc.Since)
	case KindInterval:
		return int64(e.Time - e.Interval.Since)
	case KindRangeEnd:
		return int64(e.Range.Until - e.Range.Since)
	case KindSlice:
		return int64(e.Slice.End - e.Slice.Start)
	case KindHold:
		return e.Hold.Held
	case KindRequest:
		return int64(e.Request.Until - e.Request.Since)
	case KindRound:
		return int64(e.Round.Until - e.Round.Since)
	}
	return 0
}

// ProcState is what a P is doing. Exactly one holds at any time.
type ProcState uint8

const (
	ProcUndetermined ProcState = iota // as To: the trace (or window) ends here
	ProcNotExist                      // as From or To: GOMAXPROCS changed
	ProcIdle                          // no thread on it (more than the runtime's idle list: a P being woken is still idle here)
	ProcScheduler                     // a thread on it, no goroutine: scheduling, spinning, waking
	ProcUser                          // running a user goroutine
	ProcSystem                        // running one of the runtime's or tracer's own, or the tail of mark termination
	ProcWorker                        // running a GC mark worker
	ProcAssist                        // running a user goroutine in mark assist
	ProcSyscall                       // its goroutine is in a system call or cgo call and it is not taken yet
	ProcStopped                       // stopped for a stop-the-world
	ProcStopper                       // its goroutine stops the world
	NumProcStates
)

func (s ProcState) String() string {
	return [...]string{"undetermined", "not-exist", "idle", "scheduler", "user", "system", "GC worker", "assist", "syscall", "stopped", "stopper"}[s]
}

// RunsG reports whether a goroutine is running on a P in this state.
func (s ProcState) RunsG() bool {
	return s == ProcUser || s == ProcSystem || s == ProcWorker || s == ProcAssist || s == ProcStopper
}

// Mode is the mode of a GC mark worker for one run, from its label.
type Mode uint8

const (
	ModeNone Mode = iota // not a worker, or a worker resumed without label
	ModeDedicated
	ModeFractional
	ModeIdle
	NumModes
)

func (m Mode) String() string {
	return [...]string{"none", "dedicated", "fractional", "idle"}[m]
}

// Taker says who took the P of a goroutine in a system call.
type Taker uint8

const (
	TakerNone      Taker = iota
	TakerSysmon          // proc.go:retake
	TakerSTW             // a goroutine stopping the world
	TakerSafepoint       // forEachP on a running goroutine
	TakerExiting         // a thread leaving its own system call took its old P back
	TakerSelf            // given up at entry: a stop-the-world is pending, or entersyscallblock
	TakerOther
	NumTakers
)

func (t Taker) String() string {
	return [...]string{"none", "sysmon", "stw", "safepoint", "exiting", "self", "other"}[t]
}

// Proc is a P's change of state and the span it closes.
type Proc struct {
	ID       ProcID
	From, To ProcState
	Prior    ProcState // the state before From
	Since    Time
	Partial  bool // From began before the trace or window

	G     GoID // the goroutine of From (running or in a system call), NoGo if none
	Class Class
	Func  StringID // its entry function
	Mode  Mode     // From ProcWorker
	Stack StackID  // where G stopped running; From ProcSyscall: where it entered the call; From ProcScheduler: where the goroutine before stopped

	Taker Taker // From ProcSyscall and the P was lost

	// Contended is how many ns of the span user goroutines were runnable.
	// Blame is the share of this span in their waits: at each instant every
	// P that is not idle carries an equal part of each wait of a user goroutine
	// (voluntary yields aside). Summed by state of From it equals the sum of
	// the same part of Go.Wait, but for roundings of up to a ns per P and wait.
	Contended int64
	Blame     int64

	// STW is the start of the stop-the-world for To ProcStopped, From
	// ProcStopped, and for the restart (From ProcIdle, Prior ProcStopped).
	STW Time
}

// ProcLife is what a P did from one change of GOMAXPROCS or start of the trace or
// window to another.
type ProcLife struct {
	ID    ProcID
	Begin Time
	// Spent is the sum of its spans by state, in ns: Time-Begin in all.
	Spent [NumProcStates]int64
}

// Slice is one time slice of a P: goroutine runs that share one scheduler tick
// (proc.go:execute with inheritTime), which sysmon preempts after 10 ms.
type Slice struct {
	P          ProcID
	Start, End Time
	Runs       int32 // goroutine runs in it
	Partial    bool
	// Cut is not 0 when its goroutine stopped the world: ns of it outside the longest
	// stretch without such a stop. Sysmon passes over the P meanwhile (_Pgcstop,
	// proc.go:stopTheWorldWithSema), and begins to count anew.
	Cut       int64
	Contended int64 // ns of it, but for such stops, during which user goroutines were runnable and no P idle
	LateWait  bool  // such a moment lay more than 20 ms after Start, or the last stop before it

	// The last run: who, and how it ended.
	G       GoID
	Class   Class
	Func    StringID
	Stack   StackID
	To      GoState
	Preempt Preempt
	STW     bool
}

// Interval says how many Ps and goroutines were in each state from Since to
// the event's time. Intervals follow each other without gap.
type Interval struct {
	Since    Time
	Procs    int32 // GOMAXPROCS; 0 while unknown (v1 traces)
	P        [NumProcStates]int32
	User     [NumGoStates]int32 // user goroutines
	Runtime  [NumGoStates]int32 // all others
	Yielding int32              // of User[GoRunnable]: by runtime.Gosched
	Stoppers int32              // of User[GoRunning]: 1 while a user goroutine has the world stopped, or stops it
	GCPs     int32              // Ps the GC took from the program: all in a GC stop-the-world; else those in assist, dedicated and fractional workers
	STW      bool               // the world is stopped or stopping
	Marking  bool               // a GC cycle is under way
	Switch   bool               // a generation begins in it: that nothing is recorded may be the tracer's doing
}

// RangeKind is the kind of a Range.
type RangeKind uint8

const (
	RangeSTW    RangeKind = iota + 1
	RangeGC               // one GC cycle: GCBegin to GCEnd, both stop-the-worlds in it
	RangeAssist           // GC mark assist of one goroutine
	RangeSweep            // incremental sweep on one P
	RangeTask             // runtime/trace.Task
	RangeRegion           // runtime/trace.Region
	NumRangeKinds
)

func (k RangeKind) String() string {
	return [...]string{"", "stw", "gc", "assist", "sweep", "task", "region"}[k]
}

// Range is a named stretch of time. The event that ends an RangeGC follows that
// of its last stop-the-world, which ends later than the cycle: see Until.
type Range struct {
	Kind       RangeKind
	Name       StringID // STW reason, task type, region type
	Group      StringID // of tasks and regions, see Symbols.Group
	Since      Time
	Until      Time   // on KindRangeEnd; the event's time, but for RangeGC
	Partial    bool   // began before the trace or window
	Unfinished bool   // still open at the end of the trace
	ID, Parent uint64 // task; region: ID is its task
	G          GoID   // on whose behalf
	P          ProcID // the P it began on; RangeSweep: its P
	Class      Class
	Func       StringID // entry function of G
	Stack      StackID  // where it began

	// CPU is the running time of G inside (RangeAssist, RangeRegion), in ns. A
	// mark assist that finds the mark done and stops the world is counted up to
	// that point (mgcmark.go:gcAssistAlloc, mgc.go:gcMarkDone).
	CPU int64

	// Spent is what G did in a RangeTask that began and ended in the trace, in ns by
	// state; all 0 when G ended before it.
	Spent [NumGoStates]int64

	// Last is what G is at in a RangeTask that is Unfinished.
	Last LastState

	// RangeSweep.
	BytesSwept, BytesReclaimed int64

	// RangeGC: concurrent mark, from the restart after the first stop-the-world to
	// the start of the last; 0 when not seen.
	MarkBegin, MarkEnd Time

	// RangeSTW.
	Stop Stop
}

// Stop is the anatomy of one stop-the-world (proc.go:stopTheWorldWithSema,
// startTheWorldWithSema).
type Stop struct {
	GC        bool      // one of the two GC pauses
	Mark      bool      // GC mark termination
	Start     bool      // "start trace": its start is not in the trace
	Restart   Time      // ProcsChange: Ps may run again; 0 when not seen
	LastStop  Time      // when the last P stopped; the start if none had to
	LastP     ProcID    // that P, NoProc if none had to stop
	LastFrom  ProcState // what it was doing when the stop was requested
	LastG     GoID
	LastFunc  StringID
	LastStack StackID
	Stops     int32 // Ps that had to stop
	CPU       int64 // ns, sum over Ps of Restart minus when it stopped (compatible with /cpu/classes/gc/pause)
}

// Total is the pause as /sched/pauses/total counts it, in ns.
func (r *Range) Total() int64 {
	if r.Stop.Mark && r.Stop.Restart != 0 {
		return int64(r.Stop.Restart - r.Since)
	}
	return int64(r.Until - r.Since)
}

// Stopping is the time from the request until the last P stopped, in ns: a lower
// bound of /sched/pauses/stopping, which includes the wake-up of the stopper.
func (r *Range) Stopping() int64 { return int64(r.Stop.LastStop - r.Since) }
