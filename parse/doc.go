// Package parse turns the bytes of a Go execution trace into events that close
// spans: it knows the format and the scheduler's state machine, and no analysis.
//
//	bytes ─ decompress ─ source ─ wire.Event ─ tracker ─ Event
//
// [Read] does it for one reader of events, [ReadTo] for several.
//
// The source is internal/wire for Go 1.22 and later, and internal/v1 for Go 1.7 to 1.21;
// tests hold them against golang.org/x/exp/trace, the reference reader, event by event.
// Where the reference gives up on sound programs, this does not: regions that end in
// crossed order are counted (Quality.CrossedRegions), and of several traces written into
// one file the second is found at its header and named in Trace.Fault.
//
// The tracker follows every goroutine, P and range, and leads two models: of the run
// queues (runqueues.go), and of what runnable goroutines wait for (waits.go). What it
// emits:
//
//   - Every change of state of a goroutine or P closes the span before it. Spans
//     of one goroutine or P follow each other without gap, from its creation or
//     the start of the trace to its end or the end of the trace, so they sum to
//     its lifetime.
//   - Status events are no transitions. The goroutine or P they name was in that
//     state since the trace began.
//   - Times are those of the reference, and strictly increasing, but for the statuses
//     at the end of a generation. These are written up to 154 ms after the next has
//     begun, say what was so all along, and do not move the clock: they have the time
//     of the event before. What events say does not overlap but by the few
//     instructions in which a thread records one, or as long as it is kept from them;
//     then an event is moved to 1 ns after the one before (Quality.Moved).
//   - Go 1.22.0 and 1.22.1 told a wrong frequency on Windows, by which the reference makes
//     times 256 times too short. Here they are right (Quality.ClockUndivided).
//   - A P that GOMAXPROCS allows and that has not shown itself is idle.
//   - A coroutine switch is three events without time between; Ready and Origin
//     say Coroutine, so that no latency counts it.
//   - A goroutine whose entry function is not told yet (one that existed before
//     the trace) counts as user. When it is told, the span under way gets the true
//     class, also where the To of the event before said user.
//
// Nothing grows with the number of events: the tracker holds the live goroutines,
// the Ps, and the distinct strings and stacks.
//
// # How long an event is valid
//
// An [Event] and all that its pointers lead to are valid until the function that got it
// returns. The parts lie in the tracker's own state of the goroutine, P or range, so
// that nothing is copied to tell it, and the next event changes them; parts that the
// event's Kind does not name hold anything. Numbers and ids may be kept, [Event.Clone]
// makes a copy. Ids of strings and stacks mean the same in the whole trace; what they
// stand for is in the [Symbols] of the [Trace] that Read returns, and not to be asked
// for before.
//
// # Cutting the events
//
// Since an event carries the span that it closes, whoever adds up events needs no state
// from before: the events of one reading may be cut anywhere, the stretches be added up
// one by one, and the sums be merged in their order, to the same result. This is so for
// the events, not for the bytes: a stretch of the trace that is read by itself, and a
// window, begin with spans that are cut at their edge (Partial).
//
// # Any bytes
//
// Whatever is read, there is an answer or an [Error], soon and in bounded memory. What
// may be large by the format's word is checked before anything is allocated: batches
// (64 KiB), strings (1 KiB), stacks (128 frames), P numbers (65,536). Log texts may
// take 16 MiB, zstd's window 128 MiB; a compressed trace may be 100 times its size and
// 64 MiB more. A whole generation is in memory, decompressed. Tables by numbers that a
// trace chooses are hashed with a seed, or grow with what is in them. Where one event
// can make all threads, goroutines or Ps be looked at, more than some hundred of them
// for each event are a fault of the trace (wire: minEffort; tracker.work).
// FuzzAnalyze holds a whole analysis to 256 MB, and 4,000 bytes for each of the trace.
//
// Damage costs what follows it, or the generation it is in; a cut trace of Go 1.21 or
// older loses its names and the clock's frequency too. There are no checksums: a bit
// flipped in a time, a number or a name is most often not seen
// (analysis/passes/testdata/damage.txt). The rest of a damaged trace is read over, to
// count its generations.
//
// # On several cores
//
// ReadTo reads ahead in one goroutine and tracks in one for each Sink. Every tracker
// follows the whole trace: to copy its events, some 300 bytes for each of the
// reader's, to another core was slower than to follow them there as well. A generation
// cannot be tracked without the one before, either: the length of a span that crosses
// into it depends on by how much the order moved the event before (times are strictly
// increasing), and the parts of a wait on the integrals up to there. So the serial
// remainder is decoding and ordering in one goroutine and tracking in another; only
// the collectors' work is shared.
package parse
