package sched

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestLatencyTail(t *testing.T) { checktest.Run(t, LatencyTail, casesLatencyTail) }

func casesLatencyTail(t *testing.T) {
	checktest.Idle(t, LatencyTail)
	// n waits of 1 µs, and one of a hundred as long as held; all in the first second.
	make := func(n int, held, length, running int64) *checktest.Trace {
		tr := checktest.New(t, length)
		tr.Interval(0, running, 4, 1, 0, 3)
		tr.Interval(running, length, 4, 0, 0, 4)
		tr.Outside(10)
		tr.Waits(n-n/50-10, 1000, 1000, nil)
		for i := range int64(n / 50) {
			tr.Waits(1, i*20*checktest.MS, held, nil)
		}
		return tr
	}
	checktest.At(t, LatencyTail, "wait of 2 %", func(v int64) *checktest.Trace { return make(1000, v, checktest.S, checktest.S) },
		checktest.Case{V: 990_000, Want: "clear"}, checktest.Case{V: checktest.MS, Want: "note"}, checktest.Case{V: 4_980_000, Want: "note"}, checktest.Case{V: 5 * checktest.MS, Want: "warning"}, checktest.Case{V: 9_990_000, Want: "warning"}, checktest.Case{V: 10 * checktest.MS, Want: "error"})
	checktest.At(t, LatencyTail, "waits", func(v int64) *checktest.Trace { return make(int(v), 20*checktest.MS, checktest.S, checktest.S) },
		checktest.Case{V: 999, Want: "n/a"}, checktest.Case{V: 1000, Want: "error"})
	checktest.At(t, LatencyTail, "ms of running beside 41 ms of waiting", func(v int64) *checktest.Trace { return make(1000, 2*checktest.MS, 10*checktest.S, v*checktest.MS) },
		checktest.Case{V: 4000, Want: "note"}, checktest.Case{V: 4200, Want: "clear"})
	// A bad second in a good trace.
	checktest.At(t, LatencyTail, "waits in the bad second", func(v int64) *checktest.Trace {
		tr := checktest.New(t, 20*checktest.S)
		for i := range int64(20) {
			tr.Waits(5000, i*checktest.S, 100, nil)
		}
		for i := range v {
			tr.Waits(1, 5*checktest.S+i*checktest.S/v, 50*checktest.MS, nil)
		}
		tr.Outside(10)
		return tr
	}, checktest.Case{V: 30, Want: "clear"}, checktest.Case{V: 200, Want: "error"})
	// Of 20 long waits of 1,000 so many in one moment.
	checktest.At(t, LatencyTail, "in one moment", func(v int64) *checktest.Trace {
		tr := checktest.New(t, 2*checktest.S)
		tr.Outside(10)
		tr.Waits(970, 0, 100, nil)
		tr.Waits(int(v), checktest.S, 50*checktest.MS, nil)
		for i := range 20 - v {
			tr.Waits(1, i*100*checktest.MS, 50*checktest.MS, nil)
		}
		return tr
	}, checktest.Case{V: 15, Want: "error"}, checktest.Case{V: 17, Want: "note"}, checktest.Case{V: 20, Want: "note"})
	checktest.At(t, LatencyTail, "from outside", func(v int64) *checktest.Trace {
		tr := checktest.New(t, 900*checktest.MS)
		tr.Outside(int(v))
		tr.Waits(1000, 0, 50*checktest.MS, nil)
		return tr
	}, checktest.Case{V: 0, Want: "note"}, checktest.Case{V: 9, Want: "note"}, checktest.Case{V: 10, Want: "error"})
	// Yields, coroutine switches and the runtime's own are not the program's waits.
	checktest.At(t, LatencyTail, "yields", func(v int64) *checktest.Trace {
		tr := make(1000, 1000, checktest.S, checktest.S)
		tr.Waits(int(v), 0, 50*checktest.MS, func(g *parse.Go) { g.Ready = parse.ReadyYield })
		tr.Waits(int(v), 0, 50*checktest.MS, func(g *parse.Go) { g.Class = parse.ClassSystem })
		return tr
	}, checktest.Case{V: 1000, Want: "clear"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "idle": "n/a", "steal-bursts": "note",
		"io/http-mix": "clear", "io/net-echo": "clear", "real/victoria-metrics": "note", "debian/nats-server": "clear", "sched/mix-procs2": "clear", "sched/mix-procs1": "note",
		"sched/goroutines-50k-parked": "note", "io/syscall-threads": "error", "real/geth-startup": "note", "real/compile": "note",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{LatencyTail: want})
	}
}

// TestWakerWords: who made goroutines runnable is told in words where no stack tells it, and
// by what the runtime did for itself, not by its switch of stacks.
func TestWakerWords(t *testing.T) {
	for want, change := range map[string]func(*checktest.Trace, *parse.Go){
		"time.AfterFunc": func(_ *checktest.Trace, g *parse.Go) { g.Ready = parse.ReadyCreated },
		"timer":          func(_ *checktest.Trace, g *parse.Go) { g.Ready = parse.ReadyTimer },
		"runtime.gcMarkTermination:1458": func(tr *checktest.Trace, g *parse.Go) {
			g.Ready = parse.ReadyGC
			g.WakerStack = tr.InternStack(parse.Frame{Func: tr.Intern("runtime.traceLocker.stack"), Line: 66}, parse.Frame{Func: tr.Intern("runtime.traceLocker.GoUnpark"), Line: 470},
				parse.Frame{Func: tr.Intern("runtime.injectglist"), Line: 4058}, parse.Frame{Func: tr.Intern("runtime.gcMarkTermination"), Line: 1458})
		},
		"runtime.gcBgMarkWorker:1847": func(tr *checktest.Trace, g *parse.Go) {
			g.Ready = parse.ReadyGC
			g.WakerStack = tr.InternStack(parse.Frame{Func: tr.Intern("runtime.systemstack_switch"), Line: 516}, parse.Frame{Func: tr.Intern("runtime.gcBgMarkWorker"), Line: 1847})
		},
	} {
		tr := checktest.New(t, checktest.S)
		tr.Interval(0, checktest.S, 4, 1, 0, 3)
		tr.Waits(1000, 0, 20*checktest.MS, func(g *parse.Go) { change(tr, g) })
		if f := checktest.Report(t, LatencyTail, tr).Results[0].Findings[0]; !strings.HasSuffix(f.Summary, "; most of the long ones after "+want) {
			t.Errorf("%s, want %s", f.Summary, want)
		}
	}
}

// TestLatencyTailNames: the function that half of the waiting is blamed on is named.
func TestLatencyTailNames(t *testing.T) {
	for _, c := range []struct {
		blamed int64 // of 100 s of waiting
		state  parse.ProcState
		want   string
	}{
		{51 * checktest.S, parse.ProcUser, "Shorten runs of main."},
		{49 * checktest.S, parse.ProcUser, "See under waits who held the Ps"},
		{51 * checktest.S, parse.ProcSyscall, "See under waits who held the Ps"},
	} {
		tr := checktest.New(t, 900*checktest.MS)
		tr.Waits(2000, 0, 50*checktest.MS, nil)
		tr.Proc(0, c.state, 0, 800*checktest.MS)
		span := tr.Happened[len(tr.Happened)-1].Proc
		span.Stack, span.Blame = tr.NthStack(0), c.blamed
		res := checktest.Report(t, LatencyTail, tr).Results[0]
		if len(res.Findings) != 1 || !strings.HasPrefix(res.Findings[0].Advice, c.want) {
			t.Errorf("%+v: %+v", c, res)
			continue
		}
		named := strings.HasPrefix(c.want, "Shorten") // who waits for the same runs stands under it
		if got := slices.Contains(res.Findings[0].Explains, "netpoll-delay"); got != named {
			t.Errorf("%+v: explains %v", c, res.Findings[0].Explains)
		}
		if !slices.Contains(res.Findings[0].Explains, "late-timers") {
			t.Errorf("%+v: explains %v, which are of the same runs", c, res.Findings[0].Explains)
		}
	}
}

// TestLatencyTailNamesTwo: where two kinds of goroutines together are in the way, both are named.
func TestLatencyTailNamesTwo(t *testing.T) {
	for second, want := range map[int64]string{16 * checktest.S: "Shorten runs of main.", 14 * checktest.S: "See under waits"} {
		tr := checktest.New(t, 900*checktest.MS)
		tr.Waits(2000, 0, 50*checktest.MS, nil)
		stacks, n := []parse.StackID{tr.NthStack(0)}, 1
		for tr.Goes(tr.NthStack(n)) == tr.Goes(stacks[0]) {
			n++
		}
		stacks = append(stacks, tr.NthStack(n))
		for i, blamed := range []int64{45 * checktest.S, second} {
			tr.Proc(parse.ProcID(i), parse.ProcUser, 0, 800*checktest.MS)
			span := tr.Happened[len(tr.Happened)-1].Proc
			span.Stack, span.Blame = stacks[i], blamed
		}
		f := checktest.Report(t, LatencyTail, tr).Results[0].Findings
		if len(f) != 1 || !strings.HasPrefix(f[0].Advice, want) || strings.Contains(f[0].Advice, " and of main.") != (second == 16*checktest.S) {
			t.Errorf("%d ns: %+v", second, f)
		}
	}
}

// TestLatencyTailGC: where the GC has the Ps, that is what to change, and with one P this.
func TestLatencyTailGC(t *testing.T) {
	for procs, want := range map[int]string{1: "The GC marks on the only P: set GOMAXPROCS to 2 or more", 4: "The GC has the Ps: allocate less"} {
		tr := checktest.New(t, checktest.S)
		tr.Procs = procs
		tr.Interval(0, checktest.S, int32(procs), 1, 1, int32(procs-1))
		tr.Waits(1000, 0, 20*checktest.MS, func(g *parse.Go) { g.Wait[parse.CauseGC] = 20 * checktest.MS })
		if f := checktest.Report(t, LatencyTail, tr).Results[0].Findings[0]; !strings.HasPrefix(f.Advice, want) {
			t.Errorf("%d Ps: %s, want %s", procs, f.Advice, want)
		}
	}
}
