package procs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestSaturated(t *testing.T) { checktest.Run(t, SaturatedPs, casesSaturated) }

func casesSaturated(t *testing.T) {
	checktest.Idle(t, SaturatedPs)
	make := func(busy int64, length int64, runnable, idle, syscall int32) *checktest.Trace {
		tr := checktest.New(t, length)
		for at := int64(0); at < length; at += checktest.MS {
			if at < busy {
				iv := tr.Interval(at, min(at+checktest.MS, busy), 4, 4-idle, runnable, idle)
				iv.P[parse.ProcSyscall] = syscall
			}
		}
		tr.Interval(busy, length, 4, 1, 0, 3)
		tr.Proc(0, parse.ProcUser, 0, length)
		tr.Outside(10)
		return tr
	}
	checktest.At(t, SaturatedPs, "from outside", func(v int64) *checktest.Trace {
		tr := make(600*checktest.MS, checktest.S, 4, 0, 0)
		tr.Happened = slices.DeleteFunc(tr.Happened, func(e parse.Event) bool { return e.Kind == parse.KindGoRunnable })
		tr.Outside(int(v))
		return tr
	}, checktest.Case{V: 0, Want: "note"}, checktest.Case{V: 9, Want: "note"}, checktest.Case{V: 10, Want: "warning"})
	checktest.At(t, SaturatedPs, "ms of a second", func(v int64) *checktest.Trace { return make(v*checktest.MS, checktest.S, 4, 0, 0) },
		checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 499, Want: "clear"}, checktest.Case{V: 500, Want: "warning"}, checktest.Case{V: 899, Want: "warning"}, checktest.Case{V: 900, Want: "error"})
	checktest.At(t, SaturatedPs, "ms of 10 s, in a row", func(v int64) *checktest.Trace { return make(v*checktest.MS, 10*checktest.S, 4, 0, 0) },
		checktest.Case{V: 850, Want: "clear"}, checktest.Case{V: 960, Want: "note"}, checktest.Case{V: 5000, Want: "warning"})
	// All of the worst second but the first ms; buckets of 16 ms hold a second to 0.8 %.
	checktest.At(t, SaturatedPs, "idle ms in each 10 of 10 s, the first two seconds but", func(v int64) *checktest.Trace {
		tr := checktest.New(t, 10*checktest.S)
		for at := int64(0); at < 10*checktest.S; at += 10 * checktest.MS {
			busy := at
			if at < 3*checktest.S {
				busy = at + 10*checktest.MS - v*checktest.MS/100
			}
			tr.Interval(at, busy, 4, 4, 4, 0)
			tr.Interval(busy, at+10*checktest.MS, 4, 1, 0, 3)
		}
		tr.Proc(0, parse.ProcUser, 0, 10*checktest.S)
		return tr
	}, checktest.Case{V: 99, Want: "note"}, checktest.Case{V: 101, Want: "clear"})
	checktest.At(t, SaturatedPs, "runnable", func(v int64) *checktest.Trace { return make(600*checktest.MS, checktest.S, int32(v), 0, 0) },
		checktest.Case{V: 3, Want: "clear"}, checktest.Case{V: 4, Want: "warning"})
	checktest.At(t, SaturatedPs, "idle Ps", func(v int64) *checktest.Trace { return make(600*checktest.MS, checktest.S, 8, int32(v), 0) }, checktest.Case{V: 1, Want: "clear"})
	checktest.At(t, SaturatedPs, "Ps in system calls", func(v int64) *checktest.Trace { return make(600*checktest.MS, checktest.S, 8, 0, int32(v)) },
		checktest.Case{V: 1, Want: "warning"}, checktest.Case{V: 2, Want: "clear"})
	checktest.At(t, SaturatedPs, "length", func(v int64) *checktest.Trace { return make(v, v, 8, 0, 0) },
		checktest.Case{V: 100*checktest.MS - 1, Want: "clear"}, checktest.Case{V: 100 * checktest.MS, Want: "error"})
	checktest.At(t, SaturatedPs, "ms of GC", func(v int64) *checktest.Trace {
		tr := make(checktest.S, checktest.S, 8, 0, 0)
		tr.Proc(1, parse.ProcWorker, 0, v*checktest.MS)
		return tr
	}, checktest.Case{V: 1000, Want: "error"}, checktest.Case{V: 1001, Want: "clear"})
	for _, name := range []string{"http-healthy", "idle", "steal-bursts", "gc/assist-gogc10", "io/syscall-threads", "sched/mix-procs1", "real/victoria-metrics"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{SaturatedPs: "clear"})
	}
	checktest.Real(t, "preempt-async", map[*analysis.Analyzer]string{SaturatedPs: "note"})
	checktest.Real(t, "preempt-cooperative", map[*analysis.Analyzer]string{SaturatedPs: "note"})
}

// TestSaturatedNames: where the running was stands in what the verdict takes over, or else
// whose it was.
func TestSaturatedNames(t *testing.T) {
	for _, c := range []struct {
		places int64
		want   string
	}{
		{1, "(100 % in the worst second); runs with 98.2 % of all running ended at main.multiply:41, most by main.render ×4; user code had"},
		{4, "(100 % in the worst second); 100 % of all running is that of main.render ×4; user code had"},
	} {
		tr := checktest.Tell(t, checktest.S, func(s *checktest.Story) {
			for k := range int64(4) {
				g := s.Go("main.render")
				for i := range int64(99) {
					g.Preempt((10*i+k+1)*checktest.MS, fmt.Sprintf("main.multiply:%d", 41+(i+k)%c.places))
				}
			}
		})
		// The Ps of a story are never too few.
		tr.Happened = slices.DeleteFunc(tr.Happened, func(e parse.Event) bool { return e.Kind == parse.KindInterval })
		tr.Interval(0, checktest.S, 4, 4, 8, 0)
		if f := checktest.Report(t, SaturatedPs, tr).Results[0].Findings; len(f) != 1 || !strings.Contains(f[0].Summary, c.want) {
			t.Errorf("%d places: %+v, want %q", c.places, f, c.want)
		}
	}
}

// TestSaturatedFills: where Ps busy with user code have most of all waiting, that is why
// requests, and holders of locks, wait for one.
func TestSaturatedFills(t *testing.T) {
	rep := analysistest.Report(t, corpus.Trace(t, "public/go1.10-mandelweb"), SaturatedPs)
	f := rep.Findings()
	if len(f) != 1 {
		t.Fatalf("%+v", f)
	}
	for _, symptom := range []string{"netpoll-delay", "request-path/starved", "lock-convoy/starved", "late-timers"} {
		if !slices.Contains(f[0].Explains, symptom) {
			t.Errorf("explains %v, want %s", f[0].Explains, symptom)
		}
	}
	// Where the Ps are full for longer than there is a queue, timers are late without it.
	tr := checktest.New(t, 10*checktest.S)
	tr.Interval(0, 2*checktest.S, 4, 4, 4, 0)
	tr.Interval(2*checktest.S, 10*checktest.S, 4, 4, 0, 0)
	for p := range parse.ProcID(4) {
		tr.Proc(p, parse.ProcUser, 0, 10*checktest.S)
	}
	if f := checktest.Report(t, SaturatedPs, tr).Results[0].Findings; len(f) != 1 || slices.Contains(f[0].Explains, "late-timers") {
		t.Errorf("a queue for a fifth of the time: %+v", f)
	}
}
