package wire

// Version is N of the header "go 1.N trace": the version of the format, which is that
// of the first Go that wrote it. Its methods name what depends on it.
type Version int

// ByThread reports whether batches are those of threads, grouped in generations; in
// older traces they are those of Ps (internal/trace/tracev2, tracev1).
func (v Version) ByThread() bool { return v >= 22 }

// HasCoroutines reports whether a coroutine switch is an event of its own.
func (v Version) HasCoroutines() bool { return v >= 23 }

// HasSync reports whether the clock of a generation is told in a Sync batch, with a
// reading of the wall clock; before, a batch holds its frequency alone.
func (v Version) HasSync() bool { return v >= 25 }

// HidesGoyield reports whether the stack of a goroutine that hands a lock over begins
// at semrelease1, without goyield.
func (v Version) HidesGoyield() bool { return v < 25 }

// MarksEnds reports whether an event ends each generation. Before, nothing does but
// that its tables come last and another generation follows.
func (v Version) MarksEnds() bool { return v >= 26 }

// KeepsStopped reports whether a goroutine that is preempted by a stop-the-world stays
// on its P (proc.go:goschedImpl); before, it went to the global queue.
func (v Version) KeepsStopped() bool { return v >= 26 }

// LabelsStay reports whether the label of a GC worker may appear on the goroutine that
// its P runs next (proc.go: P.gcMarkWorkerMode is not reset).
func (v Version) LabelsStay() bool { return v >= 26 }

// ListsIdleProcs reports whether a generation begins with the statuses of idle Ps too.
func (v Version) ListsIdleProcs() bool { return v < 26 }

// HasScanStack reports whether a goroutine that is suspended for a scan of its stack
// says where.
func (v Version) HasScanStack() bool { return v >= 26 }
