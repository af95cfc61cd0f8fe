package passes

import (
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

func TestGCCPUDominant(t *testing.T) { runCases(t, gcCPUDominant, casesGCCPUDominant) }

func casesGCCPUDominant(t *testing.T) {
	const L = gcjLength
	user := gcjProcs(4, parse.ProcUser, L)
	run := func(marking int64, gcps int32, cycles int) [][]parse.Event {
		return [][]parse.Event{user, gcjMarking(marking, L, 4, gcps, parse.ProcWorker), gcjCycles(cycles, 0)}
	}
	unfinished := gcjCycles(4, 0)
	for i := range unfinished {
		unfinished[i].Range.Unfinished = true
	}
	tiny := func(ns int64) [][]parse.Event {
		return [][]parse.Event{gcjProcs(1, parse.ProcUser, 100*gcjMS), gcjMarking(ns, 100*gcjMS, 1, 1, parse.ProcWorker), gcjCycles(5, 0)}
	}
	gcjCheck(t, gcCPUDominant, nil, []gcjCase{
		{name: "half of the time", want: "warning", events: run(L/2+gcjMS, 2, 6)},
		{name: "just less", want: "clear", events: run(L/2-5*gcjMS, 2, 6)},
		{name: "ten a second", want: "warning", events: run(L/5, 4, 9)},
		{name: "just fewer", want: "clear", events: run(L/5, 4, 8)},
		{name: "cheap", want: "clear", events: run(L/10, 4, 30)},
		{name: "just not cheap", want: "warning", events: run(L*151/1000, 4, 30)},
		{name: "nearly always", want: "error", events: run(L*81/100, 4, 30)},
		{name: "nearly always, cheaper", want: "warning", events: run(L*81/100, 1, 6)},
		{name: "few cycles", want: "clear", events: run(L*81/100, 4, 4)},
		{name: "a nearly idle program", want: "clear", ns: 100 * gcjMS, events: tiny(49 * gcjMS)},
		{name: "not so idle", want: "warning", ns: 100 * gcjMS, events: tiny(52 * gcjMS)},
		{name: "one long mark", want: "clear", events: append(run(L*81/100, 4, 1), unfinished)},
		{name: "two marks", want: "error", events: append(run(L*81/100, 4, 2), unfinished)},
		{name: "less than a quarter", want: "warning", events: run(L*82/100, 1, 30)},
		{name: "healthy", want: "clear", events: run(L/50, 1, 2)},
		{name: "no cycle", want: "not applicable", events: run(0, 0, 0)},
	})
}

// Idle workers take Ps that nobody uses.
func TestGCCPUDominantIdleWorkers(t *testing.T) {
	iv := parse.Interval{Since: 0, Procs: 4, Marking: true}
	iv.P[parse.ProcWorker], iv.P[parse.ProcUser] = 3, 1
	gcjCheck(t, gcCPUDominant, nil, []gcjCase{{name: "idle workers", want: "clear", events: [][]parse.Event{
		gcjProcs(1, parse.ProcUser, gcjLength), {{Time: parse.Time(gcjLength), Kind: parse.KindInterval, Interval: &iv}}, gcjCycles(30, 0),
	}}})
}

func TestMemoryLimitThrash(t *testing.T) { runCases(t, memoryLimitThrash, casesMemoryLimitThrash) }

func casesMemoryLimitThrash(t *testing.T) {
	const L = gcjLength
	user := gcjProcs(4, parse.ProcUser, L)
	goals := func(v ...int64) (out []parse.Event) {
		for i, v := range v {
			out = append(out, parse.Event{Time: parse.Time(int64(i) * gcjMS), Kind: parse.KindMetric, Metric: parse.Metric{Kind: parse.MetricHeapGoal, Value: v}})
		}
		return out
	}
	run := func(marking int64, gcps int32, cycles int, goal ...int64) [][]parse.Event {
		return [][]parse.Event{user, gcjMarking(marking, L, 4, gcps, parse.ProcWorker), gcjCycles(cycles, 0), goals(goal...)}
	}
	// Goals that move with what lives after each cycle, so many thousandths of it.
	tight := func(marking int64, gcps int32, goal int64) (out [][]parse.Event) {
		out = run(marking, gcps, 0)
		for i := range int64(6) {
			before, after := 1000-(i+1)%2*50, 1000-i%2*50
			out = append(out, gcjHeap(1000+i*gcjMS, goal*before/1000, 1100, after), gcjCycles(1, 0))
		}
		return out
	}
	sym, forced := gcjForced(t)
	gcjCheck(t, memoryLimitThrash, sym, []gcjCase{
		{name: "no room", want: "error", events: run(L*84/100, 2, 5, 1000, 980, 1000)},
		{name: "one goal", want: "error", events: run(L*84/100, 2, 5, 1000)},
		{name: "gaps", want: "clear", events: run(L*82/100, 2, 5, 1000)},
		{name: "less of the CPU", want: "clear", events: run(L*84/100, 1, 5, 1000)},
		{name: "goals that move", want: "clear", events: run(L*84/100, 2, 5, 1000, 979)},
		{name: "few cycles", want: "clear", events: run(L*84/100, 2, 4, 1000)},
		{name: "healthy", want: "clear", events: run(L/50, 1, 2, 1000)},
		{name: "GOGC=off", want: "error", events: run(L*84/100, 2, 5, 0, 0)},
		{name: "GOGC=off for a time", want: "clear", events: run(L*84/100, 2, 5, 0, 1000)},
		{name: "goals at what lives", want: "error", events: tight(L*51/100, 2, 1050)},
		{name: "goals above", want: "clear", events: tight(L*51/100, 2, 1060)},
		{name: "goals at what lives, less marking", want: "clear", events: tight(L*49/100, 2, 1000)},
		{name: "goals at what lives, less of the CPU", want: "clear", events: tight(L*96/100, 1, 1000)},
		{name: "goals at what lives, just enough", want: "error", events: tight(L, 1, 1000)},
		{name: "forced", want: "clear", events: append(run(L*84/100, 2, 3, 1000), gcjCycles(3, forced))},
		{name: "a part of them forced", want: "error", events: append(run(L*84/100, 2, 6, 1000), gcjCycles(4, forced))},
		{name: "no goal", want: "not applicable", events: run(L*84/100, 2, 5)},
		{name: "no cycle", want: "not applicable", events: run(0, 0, 0, 1000)},
	})
}

// gcjForced is a stack in which runtime.GC begins a cycle.
func gcjForced(t *testing.T) (*parse.Symbols, parse.StackID) {
	t.Helper()
	sym, evs := gcjSymbols(t, "stw-kinds")
	i := slices.IndexFunc(evs, func(e parse.Event) bool { return e.Kind == parse.KindRangeEnd && e.Range.Kind == parse.RangeGC })
	return sym, evs[i].Range.Stack
}

func TestForcedGC(t *testing.T) { runCases(t, forcedGC, casesForcedGC) }

func casesForcedGC(t *testing.T) {
	sym, forced := gcjForced(t)
	gcjCheck(t, forcedGC, sym, []gcjCase{
		{name: "two", want: "warning", events: [][]parse.Event{gcjCycles(2, forced)}},
		{name: "one", want: "clear", events: [][]parse.Event{gcjCycles(1, forced)}},
		{name: "a tenth", want: "warning", events: [][]parse.Event{gcjCycles(2, forced), gcjCycles(18, 0)}},
		{name: "less than that", want: "clear", events: [][]parse.Event{gcjCycles(2, forced), gcjCycles(19, 0)}},
		{name: "one in 10 s", want: "warning", ns: 20e9, events: [][]parse.Event{gcjCycles(2, forced)}},
		{name: "rarely", want: "clear", ns: 20.1e9, events: [][]parse.Event{gcjCycles(2, forced)}},
		{name: "healthy", want: "clear", events: [][]parse.Event{gcjCycles(20, 0)}},
		{name: "no cycle", want: "not applicable"},
	})
}

func gcjAssists(n int) []parse.Event {
	return gcjTimes(n, parse.Event{Time: 2000, Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeAssist, Since: 1000, Until: 2000, CPU: 500, Stack: 1}})
}

func TestAssistHeavy(t *testing.T) { runCases(t, assistHeavy, casesAssistHeavy) }

func casesAssistHeavy(t *testing.T) {
	const L = gcjLength
	run := func(length, assist int64, n int) [][]parse.Event {
		return [][]parse.Event{gcjProcs(1, parse.ProcUser, length), gcjMarking(assist, length, 4, 1, parse.ProcAssist), gcjCycles(1, 0), gcjAssists(n)}
	}
	gcjCheck(t, assistHeavy, nil, []gcjCase{
		{name: "heavy", want: "warning", events: run(L, 48*gcjMS, 30)},
		{name: "just less", want: "clear", events: run(L, 47*gcjMS, 30)},
		{name: "very heavy", want: "error", events: run(L, 159*gcjMS, 30)},
		{name: "just less heavy", want: "warning", events: run(L, 158*gcjMS, 30)},
		{name: "few", want: "clear", events: run(L, 159*gcjMS, 29)},
		{name: "a burst", want: "clear", ns: 90 * gcjMS, events: run(90*gcjMS, 19*gcjMS, 30)},
		{name: "a longer one", want: "error", ns: 90 * gcjMS, events: run(90*gcjMS, 21*gcjMS, 30)},
		{name: "healthy", want: "clear", events: run(L, gcjMS, 3)},
		{name: "no cycle", want: "not applicable", events: run(L, 0, 0)[:2]},
	})
}

func TestAssistQueueWait(t *testing.T) { runCases(t, assistQueueWait, casesAssistQueueWait) }

func casesAssistQueueWait(t *testing.T) {
	sym, _ := gcjSymbols(t, "gc-assist")
	reason := gcjString(t, sym, assistQueueReason)
	wait := func(n int, held int64, reason parse.StringID) []parse.Event {
		return gcjTimes(n, parse.Event{Time: parse.Time(1000 + held), Kind: parse.KindGoWaiting,
			Go: &parse.Go{From: parse.GoWaiting, To: parse.GoRunnable, Since: 1000, FromReason: reason, FromStack: 1}})
	}
	cycle := gcjCycles(3, 0)
	gcjCheck(t, assistQueueWait, sym, []gcjCase{
		{name: "two cycles", want: "note", events: [][]parse.Event{gcjCycles(2, 0), wait(100, gcjMS, reason)}},
		{name: "long", want: "warning", events: [][]parse.Event{cycle, wait(100, gcjMS, reason)}},
		{name: "just shorter", want: "clear", events: [][]parse.Event{cycle, wait(100, 990*gcjUS, reason)}},
		{name: "a time slice", want: "error", events: [][]parse.Event{cycle, wait(100, 10*gcjMS, reason)}},
		{name: "just shorter than it", want: "warning", events: [][]parse.Event{cycle, wait(100, 9900*gcjUS, reason)}},
		{name: "rare", want: "note", events: [][]parse.Event{cycle, wait(89, 0, reason), wait(11, gcjMS, reason)}},
		{name: "hardly any time", want: "clear", ns: 2e9, events: [][]parse.Event{cycle, wait(89, 0, reason), wait(11, gcjMS, reason)}},
		{name: "few", want: "clear", events: [][]parse.Event{cycle, wait(99, gcjMS, reason)}},
		{name: "healthy", want: "clear", events: [][]parse.Event{cycle, wait(100, gcjMS, 0)}},
		{name: "no cycle", want: "not applicable", events: [][]parse.Event{wait(100, gcjMS, reason)}},
	})
}

func TestMarkStarvesUsers(t *testing.T) { runCases(t, markStarvesUsers, casesMarkStarvesUsers) }

func casesMarkStarvesUsers(t *testing.T) {
	wait := func(n int, held int64, cause parse.Cause, gc parse.Time) []parse.Event {
		g := parse.Go{Ready: parse.ReadyUnblocked}
		g.Wait[cause] = held
		e := started(held, g)
		e.GC = gc
		return gcjTimes(n, e)
	}
	run := func(in, out int64, nIn, nOut int, cause parse.Cause) [][]parse.Event {
		return [][]parse.Event{gcjCycles(1, 0), wait(nIn, in, cause, 5), wait(nOut, out, parse.CauseUser, 0)}
	}
	const us = gcjUS
	half := [][]parse.Event{gcjCycles(1, 0), wait(500, 600*us, parse.CauseGC, 5), wait(500, 600*us, parse.CauseUser, 5), wait(1000, 100*us, parse.CauseUser, 0)}
	less := [][]parse.Event{gcjCycles(1, 0), wait(490, 600*us, parse.CauseGC, 5), wait(510, 600*us, parse.CauseUser, 5), wait(1000, 100*us, parse.CauseUser, 0)}
	gcjCheck(t, markStarvesUsers, nil, []gcjCase{
		{name: "starving", want: "warning", events: run(505*us, 100*us, 1000, 1000, parse.CauseGC)},
		{name: "just shorter", want: "clear", events: run(495*us, 100*us, 1000, 1000, parse.CauseGC)},
		{name: "a time slice", want: "error", events: run(10100*us, 100*us, 1000, 1000, parse.CauseSTW)},
		{name: "just shorter than it", want: "warning", events: run(9900*us, 100*us, 1000, 1000, parse.CauseGC)},
		{name: "three times", want: "warning", events: run(612*us, 200*us, 1000, 1000, parse.CauseGC)},
		{name: "just less", want: "clear", events: run(588*us, 200*us, 1000, 1000, parse.CauseGC)},
		{name: "half of it the GC's", want: "warning", events: half},
		{name: "less than half", want: "clear", events: less},
		{name: "load", want: "clear", events: run(600*us, 100*us, 1000, 1000, parse.CauseUser)},
		{name: "few inside", want: "not applicable", events: run(600*us, 100*us, 999, 1000, parse.CauseGC)},
		{name: "few outside", want: "not applicable", events: run(600*us, 100*us, 1000, 999, parse.CauseGC)},
		{name: "no cycle", want: "not applicable", events: run(600*us, 100*us, 1000, 1000, parse.CauseGC)[1:]},
	})
}

func TestSweepOnAllocation(t *testing.T) { runCases(t, sweepOnAllocation, casesSweepOnAllocation) }

func casesSweepOnAllocation(t *testing.T) {
	run := func(length, sweep int64) [][]parse.Event {
		return [][]parse.Event{gcjProcs(1, parse.ProcUser, length), gcjCycles(1, 0), {{Time: parse.Time(sweep + 1000), Kind: parse.KindRangeEnd,
			Range: &parse.Range{Kind: parse.RangeSweep, Since: 1000, Until: parse.Time(sweep + 1000), BytesSwept: 8192, Stack: 1}}}}
	}
	gcjCheck(t, sweepOnAllocation, nil, []gcjCase{
		{name: "much", want: "note", events: run(gcjLength, 27*gcjMS)},
		{name: "just less", want: "clear", events: run(gcjLength, 26900*gcjUS)},
		{name: "short", want: "clear", ns: 90 * gcjMS, events: run(90*gcjMS, 4900*gcjUS)},
		{name: "not so short", want: "note", ns: 90 * gcjMS, events: run(90*gcjMS, 5*gcjMS)},
		{name: "healthy", want: "clear", events: run(gcjLength, 10*gcjUS)},
		{name: "no cycle", want: "not applicable", events: run(gcjLength, 0)[:1]},
	})
}

func TestMMULow(t *testing.T) { runCases(t, mmuLow, casesMMULow) }

func casesMMULow(t *testing.T) {
	const L = gcjLength
	run := func(ns int64, gcps int32) [][]parse.Event {
		return [][]parse.Event{gcjProcs(100, parse.ProcUser, L), gcjMarking(ns, L, 100, gcps, parse.ProcWorker), gcjCycles(1, 0)}
	}
	gcjCheck(t, mmuLow, nil, []gcjCase{
		{name: "dip", want: "note", events: run(50*gcjMS, 52)},
		{name: "half", want: "clear", events: run(50*gcjMS, 50)},
		{name: "deep and often", want: "warning", events: run(130*gcjMS, 81)},
		{name: "deep", want: "note", events: run(90*gcjMS, 81)},
		{name: "deep and rare", want: "clear", events: run(15*gcjMS, 81)},
		{name: "not so deep", want: "note", events: run(90*gcjMS, 79)},
		{name: "long", want: "warning", events: run(180*gcjMS, 61)},
		{name: "not so low", want: "note", events: run(180*gcjMS, 59)},
		{name: "healthy", want: "clear", events: run(180*gcjMS, 25)},
		{name: "short", want: "not applicable", ns: 5 * gcjMS, events: [][]parse.Event{gcjMarking(gcjMS, 5*gcjMS, 4, 4, parse.ProcWorker), gcjCycles(1, 0)}},
		{name: "no cycle", want: "not applicable", events: run(0, 0)[:2]},
	})
}

func TestLiveHeapGrowth(t *testing.T) { runCases(t, liveHeapGrowth, casesLiveHeapGrowth) }

func casesLiveHeapGrowth(t *testing.T) {
	run := func(step int64, mib ...int64) (out [][]parse.Event) {
		for i, v := range mib {
			out = append(out, gcjHeap(int64(i)*step+gcjMS, 1<<30, v<<20, v<<20))
		}
		return out
	}
	const step = 25 * gcjMS
	gcjCheck(t, liveHeapGrowth, nil, []gcjCase{
		{name: "growing", want: "note", events: run(step, 100, 105, 110, 115, 120, 125)},
		{name: "for 10 s", want: "warning", ns: 11e9, events: run(2e9, 100, 105, 110, 115, 120, 125)},
		{name: "not quite 10 s", want: "note", ns: 11e9, events: run(1990*gcjMS, 100, 105, 110, 115, 120, 125)},
		{name: "four times", want: "clear", events: run(step, 105, 100, 107, 112, 118, 125)},
		{name: "a fifth", want: "note", events: run(step, 100, 104, 108, 112, 116, 120)},
		{name: "less", want: "clear", events: run(step, 100, 104, 108, 112, 116, 119)},
		{name: "16 MiB", want: "note", events: run(step, 40, 43, 46, 49, 52, 56)},
		{name: "15 MiB", want: "clear", events: run(step, 40, 43, 46, 49, 52, 55)},
		{name: "100 ms", want: "note", events: run(20*gcjMS+1, 100, 105, 110, 115, 120, 125)},
		{name: "less than 100 ms", want: "clear", events: run(19*gcjMS, 100, 105, 110, 115, 120, 125)},
		{name: "after a fall", want: "clear", events: run(step, 200, 190, 180, 170, 160, 100, 105, 110, 115, 120, 125)},
		{name: "steady", want: "clear", events: run(step, 100, 101, 100, 101, 100, 101)},
		{name: "one cycle", want: "not applicable", events: run(step, 100)},
		{name: "no cycle", want: "not applicable"},
	})
}

func TestHeapOvershoot(t *testing.T) { runCases(t, heapOvershoot, casesHeapOvershoot) }

func casesHeapOvershoot(t *testing.T) {
	run := func(n int, goal, peak int64) (out [][]parse.Event) {
		for i := range n {
			out = append(out, gcjHeap(int64(i+1)*gcjMS, goal<<10, peak<<10, goal<<9))
		}
		return out
	}
	gcjCheck(t, heapOvershoot, nil, []gcjCase{
		{name: "three", want: "note", events: run(3, 100<<10, 110<<10)},
		{name: "two", want: "clear", events: run(2, 100<<10, 110<<10)},
		{name: "less", want: "clear", events: run(3, 100<<10, 109<<10)},
		{name: "1 MiB", want: "note", events: run(3, 4<<10, 5<<10)},
		{name: "less than 1 MiB", want: "clear", events: run(3, 4<<10, 5<<10-1)},
		{name: "healthy", want: "clear", events: run(9, 100<<10, 99<<10)},
		{name: "no goal", want: "not applicable", events: [][]parse.Event{gcjCycles(9, 0)}},
	})
}

func TestSTWStraggler(t *testing.T) { runCases(t, stwStraggler, casesSTWStraggler) }

func casesSTWStraggler(t *testing.T) {
	sym, _ := gcjSymbols(t, "stw-kinds")
	fn, other, third := gcjString(t, sym, "main.computeUntil"), gcjString(t, sym, "main.forceGC"), gcjString(t, sym, "main.writeHeapDump")
	late := func(n int, ns int64, fn parse.StringID) []parse.Event {
		return gcjStops(n, true, ns, ns+50*gcjUS, fn, parse.ProcUser)
	}
	gcjCheck(t, stwStraggler, sym, []gcjCase{
		{name: "late", want: "warning", events: [][]parse.Event{late(3, gcjMS, fn)}},
		{name: "just less late", want: "clear", events: [][]parse.Event{late(3, 990*gcjUS, fn)}},
		{name: "a time slice", want: "error", events: [][]parse.Event{late(3, 10*gcjMS, fn)}},
		{name: "just less than it", want: "warning", events: [][]parse.Event{late(3, 9900*gcjUS, fn)}},
		{name: "twice", want: "clear", events: [][]parse.Event{late(2, 10*gcjMS, fn)}},
		{name: "half of such time", want: "warning", events: [][]parse.Event{late(4, gcjMS, fn), late(2, gcjMS, other), late(2, gcjMS, third)}},
		{name: "less than half", want: "clear", events: [][]parse.Event{late(4, gcjMS, fn), late(3, gcjMS, other), late(2, gcjMS, third)}},
		{name: "idle Ps", want: "clear", events: [][]parse.Event{gcjStops(9, true, gcjMS, 2*gcjMS, fn, parse.ProcIdle)}},
		{name: "the runtime's own", want: "clear", events: [][]parse.Event{gcjStops(9, true, gcjMS, 2*gcjMS, fn, parse.ProcSystem)}},
		{name: "healthy", want: "clear", events: [][]parse.Event{late(9, 20*gcjUS, fn)}},
		{name: "no stop", want: "not applicable"},
	})
}

// It is applicable to every trace: without a stop that is the answer.
func TestSTWByTooling(t *testing.T) { runCases(t, stwByTooling, casesSTWByTooling) }

func casesSTWByTooling(t *testing.T) {
	stops := func(n int, halt int64) [][]parse.Event {
		return [][]parse.Event{gcjStops(n, false, 10*gcjUS, halt, 0, parse.ProcUser)}
	}
	gcjCheck(t, stwByTooling, nil, []gcjCase{
		{name: "a permille", want: "note", events: stops(3, 301*gcjUS)},
		{name: "just less", want: "clear", events: stops(3, 299*gcjUS)},
		{name: "half a percent", want: "warning", events: stops(5, 901*gcjUS)},
		{name: "just less than that", want: "note", events: stops(5, 899*gcjUS)},
		{name: "five percent", want: "error", events: stops(30, 1501*gcjUS)},
		{name: "just less than five", want: "warning", events: stops(30, 1499*gcjUS)},
		{name: "two", want: "clear", events: stops(2, 901*gcjUS)},
		{name: "rarely", want: "clear", ns: 4e9, events: stops(3, 990*gcjUS)},
		{name: "not so rarely", want: "note", ns: 3e9, events: stops(3, 990*gcjUS)},
		{name: "one of 1 ms", want: "note", events: stops(1, gcjMS)},
		{name: "one just shorter", want: "clear", events: stops(1, 999*gcjUS)},
		{name: "one of 10 ms", want: "warning", events: stops(1, 10*gcjMS)},
		{name: "the GC's", want: "clear", events: [][]parse.Event{gcjStops(30, true, gcjUS, gcjMS, 0, parse.ProcUser)}},
		{name: "none", want: "clear"},
	})
}

func TestSTWLong(t *testing.T) { runCases(t, stwLong, casesSTWLong) }

func casesSTWLong(t *testing.T) {
	pauses := func(n int, halt int64) [][]parse.Event {
		return [][]parse.Event{gcjStops(n, true, 10*gcjUS, halt, 0, parse.ProcUser)}
	}
	gcjCheck(t, stwLong, nil, []gcjCase{
		{name: "1 ms", want: "note", events: pauses(5, gcjMS)},
		{name: "just shorter", want: "clear", events: pauses(5, 999*gcjUS)},
		{name: "1 ms, rarely", want: "clear", events: pauses(4, gcjMS)},
		{name: "5 ms", want: "warning", events: pauses(2, 5*gcjMS)},
		{name: "just shorter than 5 ms", want: "note", events: pauses(2, 4999*gcjUS)},
		{name: "20 ms", want: "error", events: pauses(3, 20*gcjMS)},
		{name: "just shorter than 20 ms", want: "warning", events: pauses(3, 19999*gcjUS)},
		{name: "one", want: "clear", events: pauses(1, 20*gcjMS)},
		{name: "healthy", want: "clear", events: pauses(30, 50*gcjUS)},
		{name: "others", want: "not applicable", events: [][]parse.Event{gcjStops(9, false, gcjUS, gcjMS, 0, parse.ProcUser)}},
		{name: "none", want: "not applicable"},
	})
}

// What folds what, when all judges look at a program that does little but GC.
func TestGCJudgesFold(t *testing.T) {
	for _, r := range []struct {
		trace, cause string
		symptoms     []string
	}{
		{"gc-assist", "gc-cpu-dominant", []string{"assist-heavy", "mmu-low", "sweep-on-allocation"}},
		{"gc/assist-gogc10", "gc-cpu-dominant", []string{"assist-heavy", "mmu-low"}},
		{"mixed-go126", "stw-long", []string{"mmu-low"}},
		{"io/syscall-threads", "thread-growth", []string{"blocking-p-handoffs", "p-hostage", "syscall-return-wait"}},
	} {
		t.Run(r.trace, func(t *testing.T) {
			f := gcjFired(t, gcjPath(t, r.trace), slices.Concat(syscallJudges, gcJudges))[r.cause]
			var got []string
			for _, s := range f.Symptoms {
				got = append(got, s.Code)
			}
			slices.Sort(got)
			for _, want := range r.symptoms {
				if !slices.Contains(got, want) {
					t.Errorf("%s explains %v, want %s too", r.cause, got, want)
				}
			}
		})
	}
}

func TestGCJudgesOnTraces(t *testing.T) {
	gcjExpectAll(t, gcJudges, []gcjExpect{
		{"gc-assist", "gc-cpu-dominant", analysis.Error, "main.allocateNodes"},
		{"gc-assist", "assist-heavy", analysis.Error, "main.allocateNodes"},
		{"gc-sweep", "sweep-on-allocation", analysis.Note, "main.replaceObjects"},
		{"stw-kinds", "stw-by-tooling", analysis.Error, "main.writeHeapDump"},
		{"stw-kinds", "forced-gc", analysis.Warning, "main.forceGC"},
		{"gomaxprocs-change", "stw-by-tooling", analysis.Note, "main.changeGOMAXPROCSTo"},
		{"gc/assist-gogc10", "gc-cpu-dominant", analysis.Error, "main.hardAllocator"},
		{"gc/assist-gogc10", "assist-heavy", analysis.Error, "main.hardAllocator"},
		{"gc/assist-gogc10", "heap-overshoot", analysis.Note, ""},
		{"gc/linked-list", "assist-heavy", analysis.Error, "main.linkedList"},
		{"gc/debug-freeosmemory", "forced-gc", analysis.Warning, "main.freeOS"},
		{"gc/gcstoptheworld", "forced-gc", analysis.Warning, "main.gcSTW"},
		{"gc/gcstoptheworld", "mmu-low", analysis.Warning, ""},
		{"gc/stw-readmemstats-storm", "stw-by-tooling", analysis.Error, "main.metricsScraper"},
		{"sched/gomaxprocs-change", "stw-by-tooling", analysis.Note, "main.gomaxprocsChange"},
		{"std-golden/v1-stress_1_19_good", "gc-cpu-dominant", analysis.Warning, ""},
		{"real/compile-types", "stw-long", analysis.Warning, ""},
		{"real/geth-startup", "assist-queue-wait", analysis.Note, ""},
	})
}

func TestGCJudgesSilent(t *testing.T) { gcjSilent(t, gcJudges) }
