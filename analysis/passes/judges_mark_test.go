package passes

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

// gcjMark is n cycles, each marking for ns with so many of procs Ps, and so many idle,
// then as long as that without.
func gcjMark(n int, ns int64, procs, workers, idle int32, mode parse.Mode) (out []parse.Event) {
	for i := range int64(n) {
		at := i * 2 * ns
		iv := &parse.Interval{Since: parse.Time(at), Procs: procs, Marking: true}
		iv.P[parse.ProcWorker], iv.P[parse.ProcIdle] = workers, idle
		iv.P[parse.ProcUser] = procs - workers - idle
		if mode != parse.ModeIdle {
			iv.GCPs = workers
		}
		out = append(out, parse.Event{Time: parse.Time(at + ns), Kind: parse.KindInterval, Interval: iv, GC: parse.Time(at + 1)},
			gcjInterval(at+ns, at+2*ns, procs, 0, parse.ProcUser))
		for range workers {
			out = append(out, parse.Event{Time: parse.Time(at + ns), Kind: parse.KindProc, GC: parse.Time(at + 1), Proc: &parse.Proc{
				From: parse.ProcWorker, To: parse.ProcScheduler, Since: parse.Time(at), Mode: mode,
			}})
		}
		out = append(out, parse.Event{Time: parse.Time(at + ns + 2), Kind: parse.KindRangeEnd, GC: parse.Time(at + 1), Range: &parse.Range{
			Kind: parse.RangeGC, Since: parse.Time(at + 1), Until: parse.Time(at + ns + 2), MarkBegin: parse.Time(at + 1), MarkEnd: parse.Time(at + ns + 1),
		}})
	}
	return out
}

func TestSerialMark(t *testing.T) { runCases(t, serialMark, casesSerialMark) }

func casesSerialMark(t *testing.T) {
	run := func(n int, ns int64, workers, idle int32) [][]parse.Event {
		return [][]parse.Event{gcjMark(n, ns, 4, workers, idle, parse.ModeDedicated), gcjProcs(4, parse.ProcUser, gcjLength)}
	}
	gcjCheck(t, serialMark, nil, []gcjCase{
		{name: "one of four", want: "warning", events: run(40, 10*gcjMS, 1, 3)},
		{name: "two of four", want: "clear", events: run(40, 10*gcjMS, 2, 2)},
		{name: "no idle P", want: "clear", events: run(40, 10*gcjMS, 1, 0)},
		{name: "200 ms", want: "note", events: run(20, 10*gcjMS, 1, 3)},
		{name: "190 ms", want: "clear", events: run(19, 10*gcjMS, 1, 3)},
		{name: "5 ms each", want: "note", events: run(50, 5*gcjMS, 1, 3)},
		{name: "just less each", want: "clear", events: run(50, 5*gcjMS-1, 1, 3)},
		{name: "three tenths", want: "warning", events: run(27, 10*gcjMS, 1, 3)},
		{name: "just less than that", want: "note", events: run(26, 10*gcjMS, 1, 3)},
		{name: "a tenth", want: "note", ns: 2000 * gcjMS, events: run(20, 10*gcjMS, 1, 3)},
		{name: "less than a tenth", want: "clear", ns: 2001 * gcjMS, events: append(run(20, 10*gcjMS, 1, 3), gcjProcs(4, parse.ProcUser, 2001*gcjMS))},
		{name: "threads waited for CPUs", want: "note", events: append(run(40, 10*gcjMS, 1, 3), gcjProcs(1, parse.ProcScheduler, 27*gcjMS))},
		{name: "threads waited less", want: "warning", events: append(run(40, 10*gcjMS, 1, 3), gcjProcs(1, parse.ProcScheduler, 26*gcjMS))},
		{name: "no cycle", want: "not applicable", events: run(0, 0, 0, 0)},
		{name: "one P", want: "not applicable", events: [][]parse.Event{gcjMark(40, 10*gcjMS, 1, 1, 0, parse.ModeDedicated), gcjProcs(1, parse.ProcUser, gcjLength)}},
	})
	gcjExpectAll(t, gcJudges, []gcjExpect{{"gc/linked-list", "serial-mark", analysis.Error, "main.linkedList"}})
}

func TestCostlyMark(t *testing.T) { runCases(t, costlyMark, casesCostlyMark) }

func casesCostlyMark(t *testing.T) {
	const MiB = 1 << 20
	// A cycle of 20 ms on one P for each; live is what each leaves.
	run := func(n int, ns, live int64, goroutines int) [][]parse.Event {
		cycles := gcjMark(n, ns, 4, 1, 0, parse.ModeDedicated)
		for i := range n {
			at := parse.Time(int64(i)*2*ns + 1)
			cycles = append(cycles, parse.Event{Time: at + 10, Kind: parse.KindMetric, GC: at, Metric: parse.Metric{Kind: parse.MetricHeapLive, Value: live}})
		}
		var alive []parse.Event
		for i := range goroutines {
			alive = append(alive, parse.Event{Time: parse.Time(gcjLength), Kind: parse.KindGoLife, GoLife: &parse.GoLife{ID: parse.GoID(i), Born: 0}})
		}
		return [][]parse.Event{cycles, gcjProcs(2, parse.ProcUser, gcjLength), alive}
	}
	gcjCheck(t, costlyMark, nil, []gcjCase{
		{name: "20 ms for 4 MiB", want: "note", events: run(10, 20*gcjMS, 4*MiB, 200)},
		{name: "2.5 ms for each", want: "note", events: run(10, 20*gcjMS, 8*MiB, 200)},
		{name: "just less", want: "clear", events: run(10, 20*gcjMS, 8*MiB+1, 200)},
		{name: "10 ms for each, 15 %", want: "warning", events: run(16, 20*gcjMS, 2*MiB, 200)},
		{name: "10 ms for each, less than 15 %", want: "note", events: run(15, 20*gcjMS, 2*MiB, 200)},
		{name: "5 %", want: "note", events: run(5, 20*gcjMS, 4*MiB, 200)},
		{name: "less than 5 %", want: "clear", events: run(4, 20*gcjMS, 4*MiB, 200)},
		{name: "5 ms a cycle", want: "note", events: run(40, 5*gcjMS, MiB, 200)},
		{name: "just less a cycle", want: "clear", events: run(40, 5*gcjMS-1, MiB, 200)},
		{name: "three cycles", want: "note", events: run(3, 100*gcjMS, 4*MiB, 200)},
		{name: "two cycles", want: "clear", events: run(2, 100*gcjMS, 4*MiB, 200)},
		{name: "100 goroutines", want: "note", events: run(10, 20*gcjMS, 4*MiB, 100)},
		{name: "99 goroutines", want: "clear", events: run(10, 20*gcjMS, 4*MiB, 99)},
		{name: "no live heap told", want: "not applicable", events: [][]parse.Event{gcjMark(10, 20*gcjMS, 4, 1, 0, parse.ModeDedicated), gcjProcs(4, parse.ProcUser, gcjLength)}},
		{name: "no cycle", want: "not applicable", events: run(0, 0, 0, 0)},
	})
	gcjExpectAll(t, gcJudges, []gcjExpect{{"gc/deep-stacks", "costly-mark", analysis.Note, "main.deep"}})
}

func TestGCPacingChange(t *testing.T) { runCases(t, gcPacingChange, casesGCPacingChange) }

func casesGCPacingChange(t *testing.T) {
	const MiB = 1 << 20
	// Cycles with that goal for 10 MiB live.
	run := func(live int64, goals ...int64) [][]parse.Event {
		var out []parse.Event
		for i, goal := range goals {
			out = append(out, gcjHeap(int64(i+1)*10*gcjMS, goal, live+MiB, live)...)
		}
		return [][]parse.Event{out, {gcjInterval(0, gcjLength, 4, 0, parse.ProcUser)}}
	}
	gcjCheck(t, gcPacingChange, nil, []gcjCase{
		{name: "GOGC 100 to 20", want: "note", events: run(10*MiB, 20*MiB, 20*MiB, 20*MiB, 20*MiB, 12*MiB, 12*MiB, 12*MiB)},
		{name: "by 1.4", want: "note", events: run(10*MiB, 14*MiB+100, 14*MiB+100, 14*MiB+100, 14*MiB+100, 10*MiB, 10*MiB, 10*MiB)},
		{name: "by less", want: "clear", events: run(10*MiB, 14*MiB-100, 14*MiB-100, 14*MiB-100, 14*MiB-100, 10*MiB, 10*MiB, 10*MiB)},
		{name: "two cycles only", want: "clear", events: run(10*MiB, 20*MiB, 20*MiB, 20*MiB, 20*MiB, 12*MiB, 12*MiB)},
		{name: "two outliers", want: "clear", events: run(10*MiB, 20*MiB, 20*MiB, 20*MiB, 20*MiB, 12*MiB, 12*MiB, 20*MiB, 20*MiB, 20*MiB)},
		{name: "8 MiB", want: "note", events: run(8*MiB, 20*MiB, 20*MiB, 20*MiB, 20*MiB, 12*MiB, 12*MiB, 12*MiB)},
		{name: "a smaller heap", want: "not applicable", events: run(8*MiB-1, 20*MiB, 20*MiB, 20*MiB, 20*MiB, 12*MiB, 12*MiB, 12*MiB)},
		{name: "steady", want: "clear", events: run(10*MiB, 20*MiB, 20*MiB, 20*MiB, 20*MiB)},
		{name: "one cycle", want: "not applicable", events: run(10*MiB, 20*MiB)},
	})
	gcjExpectAll(t, gcJudges, []gcjExpect{{"gc/gogc-change", "gc-pacing-change", analysis.Note, ""}})
}

func TestIdleMarking(t *testing.T) { runCases(t, idleMarking, casesIdleMarking) }

func casesIdleMarking(t *testing.T) {
	run := func(n int, ns int64, workers int32, mode parse.Mode) []parse.Event {
		return gcjMark(n, ns, 4, workers, 0, mode)
	}
	user := gcjProcs(4, parse.ProcUser, gcjLength)
	gcjCheck(t, idleMarking, nil, []gcjCase{
		{name: "three of four", want: "note", events: [][]parse.Event{run(20, 10*gcjMS, 3, parse.ModeIdle), user}},
		{name: "a tenth", want: "note", events: [][]parse.Event{run(20, 20*gcjMS, 1, parse.ModeIdle), user}},
		{name: "just less", want: "clear", events: [][]parse.Event{run(19, 20*gcjMS, 1, parse.ModeIdle), user}},
		{name: "as much as the others", want: "note", events: [][]parse.Event{run(20, 10*gcjMS, 3, parse.ModeIdle), run(20, 10*gcjMS, 3, parse.ModeDedicated), user}},
		{name: "less than the others", want: "clear", events: [][]parse.Event{run(20, 10*gcjMS, 3, parse.ModeIdle), run(21, 10*gcjMS, 3, parse.ModeDedicated), user}},
		{name: "100 ms", want: "note", ns: 200 * gcjMS, events: [][]parse.Event{run(10, 10*gcjMS, 1, parse.ModeIdle), gcjProcs(2, parse.ProcUser, 200*gcjMS)}},
		{name: "90 ms", want: "clear", ns: 200 * gcjMS, events: [][]parse.Event{run(9, 10*gcjMS, 1, parse.ModeIdle), gcjProcs(2, parse.ProcUser, 200*gcjMS)}},
		{name: "no cycle", want: "not applicable", events: [][]parse.Event{user}},
	})
	gcjExpectAll(t, gcJudges, []gcjExpect{{"gc/idle-workers", "idle-marking", analysis.Note, "main.oneAllocator"}})
}
