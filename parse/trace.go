package parse

import (
	"time"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// A Trace is what is known of a trace as a whole once it has been read.
type Trace struct {
	*Symbols
	Version     int    // of the format: 7, 8, 9, 10, 11 (Go 1.11 to 1.18), 19 (1.19 and 1.20), 21 (v1), 22, 23 (Go 1.23 and 1.24), 25, 26 (Go 1.26 and 1.27)
	Compression string // "gzip", "zstd" or ""
	Bytes       int64  // uncompressed
	Events      int64  // as the reference reader delivers them, without Sync
	Generations int    // that were delivered whole
	Begun       int    // generations that the file begins

	First, Last Time  // first and last event
	From, To    Time  // what was analysed: First and Last, or the window
	Quantum     int64 // ns between times the clock can tell apart
	// TickEstimated: the clock counts ticks of the CPU, whose length the runtime estimated
	// (runtime/tracetime.go: traceClockNow, on Windows; all systems up to Go 1.21).
	TickEstimated bool
	Wall          time.Time // wall clock at First; zero before Go 1.25
	Procs         int       // GOMAXPROCS at the end; 0 when never told
	Threads       int       // distinct thread ids seen
	Quiet         int64     // ns analysed in which no goroutine of the program ran or could run
	Initial       int       // goroutines that existed when the trace began
	Start         bool      // it begins with trace.Start, not in mid-flight as a flight recorder's does

	// Fault is why the trace is not complete: an *Error, or an I/O error. What
	// was read before it is analysed.
	Fault   error
	Quality Quality
}

// V1 reports whether the trace has the format of Go 1.7 to 1.21.
func (t *Trace) V1() bool { return !wire.Version(t.Version).ByThread() }

// Duration is the analysed time in ns.
func (t *Trace) Duration() int64 { return int64(t.To - t.From) }

// Quality counts what is odd in a trace. Each counter is 0 in a sound one.
type Quality struct {
	StateMismatch    int64 `json:"state_mismatch"`     // a goroutine left a state it was not in
	ProcMismatch     int64 `json:"proc_mismatch"`      // an event on a P that was not in a fitting state
	UnpairedEnds     int64 `json:"unpaired_ends"`      // a range ended that had not begun in the trace
	NestedBegins     int64 `json:"nested_begins"`      // a range began that was open already
	Unnamed          int64 `json:"unnamed_goroutines"` // goroutines whose entry function is never told; counted as user
	ClockJumps       int64 `json:"clock_jumps"`        // more than an hour between two events
	ClockChanges     int64 `json:"clock_changes"`      // generations whose clock has another frequency than the one before
	ClockUndivided   int64 `json:"clock_undivided"`    // generations that tell the frequency of the CPU, 256 times that of their clock (Go 1.22.0 and 1.22.1 on Windows): their times are right here
	ImplausibleClock int64 `json:"implausible_clock"`  // more than 1 event per 10 ns of trace time: the number of events
	CrossedRegions   int64 `json:"crossed_regions"`    // regions that ended before one begun inside them: legal, but most likely not meant
	ImplausibleProcs int64 `json:"implausible_procs"`  // P numbers beyond any GOMAXPROCS
	ClockDisagrees   int64 `json:"clock_disagrees"`    // generations that took another time by the wall clock than by their events
	ImplausibleHeap  int64 `json:"implausible_heap"`   // heap sizes beyond any address space
	UnstoppedProcs   int64 `json:"unstopped_procs"`    // changes of GOMAXPROCS with the world not stopped
	HeapDrops        int64 `json:"heap_drops"`         // the live heap shrank by far, and no GC ended
	BeyondEnd        int64 `json:"beyond_end"`         // events later than the end of their generation
	Rewound          int64 `json:"rewound_batches"`    // batches that begin before the one before of their thread ends
	Late             int64 `json:"late_events"`        // events that say a time over 1 ms before that of an event of their generation that they follow
	Skipped          int64 `json:"skipped"`            // generations that have not the number after the one before

	// Where generations overlap in time, events of the later one were moved behind the
	// earlier: how many, and by how many ns at most.
	Moved       int64 `json:"moved_events"`
	LargestMove int64 `json:"largest_move"`
}
