package analysis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/parse"
)

// oddities are the counters of [parse.Quality] by the code that reports have. What is
// usual in sound traces makes no number doubtful.
var oddities = map[string]struct {
	what  string
	usual bool
	of    func(q *parse.Quality) int64
}{
	"state_mismatch":     {"goroutines left a state they were not in", false, func(q *parse.Quality) int64 { return q.StateMismatch }},
	"proc_mismatch":      {"events on a P in an unfitting state", false, func(q *parse.Quality) int64 { return q.ProcMismatch }},
	"unpaired_ends":      {"ends of ranges without start", true, func(q *parse.Quality) int64 { return q.UnpairedEnds }},
	"nested_begins":      {"starts of ranges already open", false, func(q *parse.Quality) int64 { return q.NestedBegins }},
	"unnamed_goroutines": {"goroutines without a name, counted as user", true, func(q *parse.Quality) int64 { return q.Unnamed }},
	"clock_jumps":        {"jumps of the clock by over an hour", false, func(q *parse.Quality) int64 { return q.ClockJumps }},
	"clock_changes":      {"changes of the clock's frequency: times cannot be trusted", false, func(q *parse.Quality) int64 { return q.ClockChanges }},
	"clock_undivided":    {"generations whose clock is said to be 256 times as fast as it is (Go 1.22.0 and 1.22.1 on Windows, golang/go#65997): their times here are right, those of go tool trace 256 times too short", true, func(q *parse.Quality) int64 { return q.ClockUndivided }},
	"implausible_clock":  {"events in less time than they can take", false, func(q *parse.Quality) int64 { return q.ImplausibleClock }},
	"crossed_regions":    {"regions that ended before one begun inside them", true, func(q *parse.Quality) int64 { return q.CrossedRegions }},
	"implausible_procs":  {"P numbers beyond any GOMAXPROCS", false, func(q *parse.Quality) int64 { return q.ImplausibleProcs }},
	"clock_disagrees":    {"generations that took another time by the wall clock than by their events: the wall clock was set, or times cannot be trusted", false, func(q *parse.Quality) int64 { return q.ClockDisagrees }},
	"implausible_heap":   {"heap sizes beyond any address space", false, func(q *parse.Quality) int64 { return q.ImplausibleHeap }},
	"unstopped_procs":    {"changes of GOMAXPROCS with the world not stopped", false, func(q *parse.Quality) int64 { return q.UnstoppedProcs }},
	"heap_drops":         {"falls of the live heap by far without the end of a GC", false, func(q *parse.Quality) int64 { return q.HeapDrops }},
	"beyond_end":         {"events later than the end of their generation: times cannot be trusted", false, func(q *parse.Quality) int64 { return q.BeyondEnd }},
	"rewound_batches":    {"batches that begin before the one before of their thread ends: times cannot be trusted", false, func(q *parse.Quality) int64 { return q.Rewound }},
	"late_events":        {"events that follow another by their order, but by their times were over 1 ms before it", true, func(q *parse.Quality) int64 { return q.Late }},
	"skipped":            {"generations that are not the next one by their number: one is missing, or out of place", false, func(q *parse.Quality) int64 { return q.Skipped }},
	"moved_events": {"events moved at switches of generations", true, func(q *parse.Quality) int64 {
		if q.LargestMove <= worthMove {
			return 0
		}
		return q.Moved
	}},
}

// worthMove is the largest move (ns) of events at a switch of generations that is not
// worth a word.
const worthMove = 100_000

// Odd counts what is odd in a trace, by code: [parse.Quality]. Only what is not 0 is there.
type Odd map[string]int64

// OddOf returns what is odd in a trace.
func OddOf(q *parse.Quality) Odd {
	odd := make(Odd)
	for code, o := range oddities {
		if n := o.of(q); n != 0 {
			odd[code] = n
		}
	}
	return odd
}

// What says what a code counts.
func (o Odd) What(code string) string { return oddities[code].what }

// Wrong says what no sound trace has, so that numbers may be wrong; "" for nothing.
func (o Odd) Wrong() string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(o)) {
		if known, ok := oddities[code]; ok && !known.usual {
			parts = append(parts, fmt.Sprintf("%s: %s", known.what, FormatCount(o[code])))
		}
	}
	return strings.Join(parts, "; ")
}
