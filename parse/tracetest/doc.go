// Package tracetest makes execution traces for tests, in three ways: Parse makes one of
// text that a person can write and read; a Writer puts events into the bytes that the
// runtime of a Go version would write; and Schedule makes up a program and its scheduler
// at random and knows all that happened. The traces of Schedule are valid:
// golang.org/x/exp/trace reads them. Their times are ns, and no two events have the same.
//
// A File is any trace in its parts: to write the same in another way, as text, or
// damaged.
//
// # Text
//
// The text form of a trace is one line for each event:
//
//	go 1.26
//
//	# P0 runs goroutine 1 on thread 1, which makes another and waits.
//	0    m1 ProcStatus p=0 status=Running
//	0    m1 GoStatus g=1 status=Running
//	10us m1 GoCreate g=2 entry=main.worker stack=main.main@main.go:12
//	15us m1 GoBlock reason="chan receive" stack=runtime.gopark,main.main@main.go:13
//	+1us m1 GoStart g=2
//	2ms  m1 GoDestroy
//
// A line has the time, the thread and the event with its arguments; internal/wire/spec.go names
// them. The time is in ns since the trace's start, or in another unit (us, ms, s), and
// with a + since the line before; digits may be grouped (1_000_000). One that is the
// same as before is 1 ns later. A missing thread is that of the line before.
//
// A string is a word, or quoted as in Go. A stack lists its frames, innermost first,
// with commas between: function@file:line, or the function alone. "$name = frames"
// names a stack, and stack=$name refers to it. "none" is no thread, P or goroutine. What
// follows a # is a comment.
//
// What may be left out: stacks and strings, for none; sequence numbers; the m of a
// status, for the line's thread or none; a task and its parent, for none; and what a
// generation must hold but tells no more: statuses of goroutines and Ps that follow from
// what is known of them or what happens to them first, clock, tables, end.
//
// "generation" begins the next one. It may say
//
//	generation 3 at=1ms frequency=1_000_000_000 clock=1ms mono=5 wall=1700000000.000000000 threads=m2,m1
//
// its number, the time of its start, units of the clock per second, when the clocks
// were read, what they said, and the order of its threads in the file, which decides
// between events of equal time. In a generation whose unit is no whole number of ns,
// times are in units of the clock since its own start and end in t: 1234t.
//
// After "go 1.26 exact start=12345" nothing is filled in and no time is moved, and the
// trace's start is at 12345 ns on the clock, which is 1 s otherwise. That is how Text
// writes a trace.
package tracetest
