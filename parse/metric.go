package parse

// MetricKind names a metric of the trace.
type MetricKind uint8

const (
	MetricProcs    MetricKind = iota + 1 // /sched/gomaxprocs:threads
	MetricHeapLive                       // /memory/classes/heap/objects:bytes; gcController.heapLive, not the live objects
	MetricHeapGoal                       // /gc/heap/goal:bytes; 0 when the GC is off
)

// Metric is a value the runtime reported.
type Metric struct {
	Kind    MetricKind
	Value   int64
	Restart bool // MetricProcs: this is the restart point of a stop-the-world
	// MetricHeapGoal outside of a stop of the world: the entry function of the goroutine that
	// set it (debug.SetGCPercent, debug.SetMemoryLimit), 0 for goals that a cycle sets.
	Setter StringID
}

// Log is a runtime/trace.Log call.
type Log struct {
	Task            uint64
	Category, Group StringID // see Symbols.Group
	Message         StringID
}
