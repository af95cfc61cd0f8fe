package gc

import (
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func gcjAssists(n int) []parse.Event {
	return checktest.Times(n, parse.Event{Time: 2000, Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeAssist, Since: 1000, Until: 2000, CPU: 500, Stack: 1}})
}

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
			checktest.Interval(at+ns, at+2*ns, procs, 0, parse.ProcUser))
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
