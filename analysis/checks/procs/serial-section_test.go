package procs

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestSerialSection(t *testing.T) { checktest.Run(t, serialSection, casesSerialSection) }

// ranAlone adds a goroutine of a function that ran alone for so long.
func ranAlone(tr *checktest.Trace, fn parse.StringID, ns int64) {
	tr.Lives(1, fn, parse.GoRunning, ns, 0)
	tr.Happened[len(tr.Happened)-1].GoLife.Alone = ns
}

func casesSerialSection(t *testing.T) {
	checktest.Idle(t, serialSection)
	type serial struct{ alone, blocked, owner, length, parallel int64 }
	make := func(c serial) *checktest.Trace {
		tr := checktest.New(t, c.length)
		tr.Interval(0, c.alone, 4, 1, 0, 3)
		tr.Interval(c.alone, c.alone+c.parallel, 4, 3, 0, 1)
		tr.Interval(c.alone+c.parallel, c.length, 4, 0, 0, 4)
		for p := range parse.ProcID(4) {
			tr.Proc(p, parse.ProcUser, 0, c.length)
		}
		ranAlone(tr, 1, c.owner)
		ranAlone(tr, 2, 1000*checktest.MS-c.owner)
		tr.Blocked(1, "sync", c.blocked)
		return tr
	}
	checktest.At(t, serialSection, "time alone", func(v int64) *checktest.Trace {
		return make(serial{v, 2 * checktest.S, 900 * checktest.MS, checktest.S, 0})
	},
		checktest.Case{V: 500*checktest.MS - 1, Want: "clear"}, checktest.Case{V: 500 * checktest.MS, Want: "note"}, checktest.Case{V: 750*checktest.MS - 1, Want: "note"}, checktest.Case{V: 750 * checktest.MS, Want: "warning"})
	checktest.At(t, serialSection, "time blocked", func(v int64) *checktest.Trace {
		return make(serial{900 * checktest.MS, v, 900 * checktest.MS, checktest.S, 0})
	},
		checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 250*checktest.MS - 1, Want: "clear"}, checktest.Case{V: 250 * checktest.MS, Want: "note"}, checktest.Case{V: 2*checktest.S - 1, Want: "note"}, checktest.Case{V: 2 * checktest.S, Want: "warning"})
	checktest.At(t, serialSection, "time in parallel", func(v int64) *checktest.Trace {
		return make(serial{500 * checktest.MS, 0, 900 * checktest.MS, checktest.S, v})
	},
		checktest.Case{V: 99 * checktest.MS, Want: "clear"}, checktest.Case{V: 100 * checktest.MS, Want: "note"}, checktest.Case{V: 199 * checktest.MS, Want: "note"}, checktest.Case{V: 200 * checktest.MS, Want: "warning"})
	checktest.At(t, serialSection, "running of one function", func(v int64) *checktest.Trace {
		return make(serial{900 * checktest.MS, 2 * checktest.S, v, checktest.S, 0})
	},
		checktest.Case{V: 500 * checktest.MS, Want: "warning"}, checktest.Case{V: 900 * checktest.MS, Want: "warning"})
	checktest.At(t, serialSection, "running of each of three functions", func(v int64) *checktest.Trace {
		tr := make(serial{900 * checktest.MS, 2 * checktest.S, 500 * checktest.MS, checktest.S, 0})
		ranAlone(tr, 3, v)
		return tr
	}, checktest.Case{V: 0, Want: "warning"}, checktest.Case{V: 1, Want: "clear"})
	checktest.At(t, serialSection, "time alone in a short trace", func(v int64) *checktest.Trace {
		return make(serial{v, 200 * checktest.MS, 900 * checktest.MS, 100 * checktest.MS, 0})
	},
		checktest.Case{V: 99 * checktest.MS, Want: "clear"}, checktest.Case{V: 100 * checktest.MS, Want: "warning"})
	checktest.At(t, serialSection, "GOMAXPROCS", func(v int64) *checktest.Trace {
		tr := make(serial{900 * checktest.MS, 2 * checktest.S, 900 * checktest.MS, checktest.S, 0})
		tr.Happened = slices.DeleteFunc(tr.Happened, func(e parse.Event) bool { return e.Kind == parse.KindProc && int64(e.Proc.ID) >= v })
		return tr
	}, checktest.Case{V: 1, Want: "n/a"}, checktest.Case{V: 2, Want: "warning"})
	checktest.At(t, serialSection, "rest between rounds of 40 ms", func(v int64) *checktest.Trace { return paced(t, v, false, "time.Sleep", "main.pace:40") },
		checktest.Case{V: 8 * checktest.MS, Want: "warning"}, checktest.Case{V: 85 * checktest.MS / 10, Want: "clear"})
	for _, name := range []string{"http-healthy", "idle", "steal-bursts", "io/http-mix", "real/victoria-metrics", "debian/nats-server", "sched/mix-procs2"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{serialSection: "clear"})
	}
	checktest.Real(t, "procs-1", map[*analysis.Analyzer]string{serialSection: "n/a"})
	checktest.Real(t, "mutex-starvation", map[*analysis.Analyzer]string{serialSection: "warning"})
	for name, want := range map[string]string{"sched/serial-phase": "warning", "public/go1.11-mandelbrot-serial": "warning", "public/go1.21-encoding-json-tests": "clear", "sched/single-hot-goroutine": "note", "sync/chan-slow-stage": "warning", "sync/select-fanin": "note", "sync/mutex-hold-cpu": "note"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{serialSection: want})
	}
}

// paced is a loop of rounds of 40 ms that others wait for, and that rests at the end of each
// until the clock ends that, or where it is fed another that reads.
func paced(t *testing.T, rest int64, fed bool, stack ...string) *checktest.Trace {
	return checktest.Tell(t, checktest.S, func(s *checktest.Story) {
		loop, feed := s.Go("main.main"), (*checktest.Actor)(nil)
		for range 3 {
			s.Go("main.worker").Wait(checktest.MS, 995*checktest.MS, loop, "main.done:50", "runtime.chanrecv1", "main.take:12")
		}
		if fed {
			feed = s.Go("main.feed")
		}
		last := int64(checktest.MS)
		for at := int64(40 * checktest.MS); at < 990*checktest.MS; at += 40 * checktest.MS {
			if fed {
				feed.Wait(last, at-checktest.MS/10, nil, "", "internal/poll.(*FD).Read", "net.(*conn).Read", "main.read:6")
				last = at + checktest.MS/10
				loop.Wait(at-rest, at, feed, "main.hand:9", stack...)
			} else {
				loop.Wait(at-rest, at, nil, "", stack...)
			}
		}
		if fed {
			feed.Block(last, "runtime.chanrecv1", "main.stop:7")
		}
	})
}

// locked is a loop that works under a lock that another waits for, and sleeps between.
func locked(t *testing.T, rest int64) *checktest.Trace {
	return checktest.Tell(t, checktest.S, func(s *checktest.Story) {
		loop, other := s.Go("main.main"), s.Go("main.other")
		other.Wait(0, 40*checktest.MS-rest, loop, "main.unlock:50", "sync.(*Mutex).Lock", "main.take:12", "main.handle:11")
		for at := int64(40 * checktest.MS); at < 990*checktest.MS; at += 40 * checktest.MS {
			loop.Wait(at-rest+checktest.MS/10, at, nil, "", "time.Sleep", "main.main:40")
			other.Wait(at-rest+checktest.MS/20, at+40*checktest.MS-rest, loop, "main.unlock:50", "sync.(*Mutex).Lock", "main.take:12", "main.handle:11")
		}
	})
}

// TestPacedIsNotSerial: a loop that rests by the clock for a fifth of its time, of frames or
// of ticks, is not limited by what it does alone; one that is handed its work is.
func TestPacedIsNotSerial(t *testing.T) {
	const rest = 9 * checktest.MS
	for _, c := range []struct {
		name string
		tr   *checktest.Trace
		want bool
	}{
		{"asleep", paced(t, rest, false, "time.Sleep", "main.main:40"), false},
		{"asleep in a function", paced(t, rest, false, "time.Sleep", "main.(*Game).pace:40"), false},
		{"a tick", paced(t, rest, false, "runtime.chanrecv1", "main.(*Game).Run:40"), false},
		{"asleep with others at its lock", locked(t, rest), true},
		{"handed by another", paced(t, rest, true, "runtime.chanrecv1", "main.(*Game).Run:40"), true},
	} {
		found := checktest.Report(t, serialSection, c.tr).Results[0].Findings
		limit := slices.ContainsFunc(checktest.Report(t, Limits, c.tr).Results[0].Findings, func(f analysis.Finding) bool { return f.Code == "limits/serial" })
		if (len(found) > 0) != c.want || limit != c.want {
			t.Errorf("%s: found is %v, limits/serial %v, want %v", c.name, found, limit, c.want)
		}
	}
}

// framed is a loop of frames that works for so long in turn and then is in a call up to the
// next beat of 40 ms, or for 10 ms.
func framed(t *testing.T, beat bool, work ...int64) *checktest.Trace {
	return checktest.Tell(t, checktest.S, func(s *checktest.Story) {
		loop := s.Go("main.main")
		for range 3 {
			s.Go("main.worker").Wait(checktest.MS, 995*checktest.MS, loop, "main.done:50", "runtime.chanrecv1", "main.take:12")
		}
		at := int64(0)
		for i := 0; at < 940*checktest.MS; i++ {
			from := at + work[i%len(work)]*checktest.MS
			if at = from + 10*checktest.MS; beat {
				at = (from/(40*checktest.MS) + 1) * 40 * checktest.MS
			}
			loop.Call(from, at, "syscall.Syscall", "main.swap:8")
		}
	})
}

// TestPacedByCall: calls that end with the beat, however long the work was before, are rests;
// calls that take the same time whenever they begin are work.
func TestPacedByCall(t *testing.T) {
	for _, c := range []struct {
		name string
		tr   *checktest.Trace
		want bool
	}{
		{"until the next beat", framed(t, true, 20, 30, 25, 33), false},
		{"after the same work", framed(t, true, 28), true},
		{"for a time", framed(t, false, 20, 30, 25, 33), true},
	} {
		if found := checktest.Report(t, serialSection, c.tr).Results[0].Findings; (len(found) > 0) != c.want {
			t.Errorf("%s: found is %v, want %v", c.name, found, c.want)
		}
	}
}

// TestStoppedIsNotSerial: the time for which the process was stopped is not that of who ran,
// unless signals do not end runs.
func TestStoppedIsNotSerial(t *testing.T) {
	for _, c := range []struct {
		preempts int64
		want     string
	}{{30, "clear"}, {0, "warning"}} {
		checktest.At(t, serialSection, "stopped for a third of the time, runs that signals end", func(v int64) *checktest.Trace {
			tr := checktest.New(t, checktest.S)
			tr.Interval(0, 150*checktest.MS, 4, 1, 0, 3)
			tr.Interval(150*checktest.MS, 550*checktest.MS, 4, 1, 0, 3)
			tr.Interval(550*checktest.MS, 850*checktest.MS, 4, 1, 0, 3)
			tr.Interval(850*checktest.MS, checktest.S, 4, 0, 0, 4)
			for p := range parse.ProcID(4) {
				tr.Proc(p, parse.ProcUser, 0, checktest.S)
			}
			ranAlone(tr, 1, 900*checktest.MS)
			tr.Blocked(1, "sync", 2*checktest.S)
			tr.Preempts(int(v), parse.PreemptAsync, 0, 10*checktest.MS)
			for i := range v {
				tr.Add(parse.Event{Kind: parse.KindSlice, Slice: &parse.Slice{Class: parse.ClassUser, Start: parse.Time(i), End: parse.Time(i + 15*checktest.MS), Contended: 1, Preempt: parse.PreemptAsync, To: parse.GoRunnable}})
			}
			return tr
		}, checktest.Case{V: c.preempts, Want: c.want})
	}
}

// TestSerialTests: what runs alone for a test is told to run beside others, what runs for a
// benchmark is not.
func TestSerialTests(t *testing.T) {
	for _, c := range []struct{ harness, fn, want string }{
		{"testing.tRunner", "main.TestParse:9", "t.Parallel"},
		{"testing.(*B).launch", "main.BenchmarkParse:9", "what it measures"},
	} {
		tr := checktest.Tell(t, checktest.S, func(s *checktest.Story) {
			main, runs := s.Go("main.main"), s.Go(c.harness)
			main.Block(2000, "runtime.chanrecv1", "testing.(*M).Run")
			for at := int64(10); at < 1000; at += 10 {
				runs.Preempt(at*checktest.MS, "main.parse:20", c.fn)
			}
		})
		f := checktest.Report(t, serialSection, tr).Results[0].Findings
		if len(f) != 1 || f[0].Severity != analysis.Note || !strings.Contains(f[0].Advice, c.want) {
			t.Errorf("%s: %+v, want a note with the advice of %q", c.harness, f, c.want)
		}
	}
}
