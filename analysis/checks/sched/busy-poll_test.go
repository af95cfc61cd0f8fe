package sched

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

const pollMS = int64(1e6)

// pollStory is a trace in which a goroutine is preempted n times, asks times in a select
// with default; it waits for so long, and others wait for it.
func pollStory(t *testing.T, length int64, n, asks int, rests, waited int64) *checktest.Trace {
	return checktest.Tell(t, length, func(s *checktest.Story) {
		p, other, idle := s.Go("main.(*worker).poll"), s.Go("main.handle"), s.Go("main.rest")
		idle.Block(1000, "time.Sleep")
		other.Wait(2000, max(2000+waited, 3000), p, "main.publish:9", "sync.(*Mutex).Lock", "main.publish:8")
		if waited+10_000 < length {
			other.Block(waited+10_000, "time.Sleep")
		}
		if rests > 0 {
			p.Wait(waited+20_000, waited+20_000+rests, nil, "", "time.Sleep")
		}
		for i := range int64(n) {
			at := waited + rests + 30_000 + i*((length-waited-rests-60_000)/int64(n))
			stack := []string{"main.compute:7"}
			if i < int64(asks) {
				stack = []string{"runtime.asyncPreempt2", "runtime.asyncPreempt", "runtime.selectnbrecv"}
			}
			p.Preempt(at, stack...)
		}
	})
}

func TestBusyPoll(t *testing.T) {
	checktest.Run(t, busyPoll, func(t *testing.T) {
		checktest.At(t, busyPoll, "asks of 1,000", func(v int64) *checktest.Trace { return pollStory(t, 1000*pollMS, 1000, int(v), 0, 0) },
			checktest.Case{V: 19, Want: "clear"}, checktest.Case{V: 21, Want: "note"}, checktest.Case{V: 195, Want: "note"}, checktest.Case{V: 205, Want: "warning"})
		checktest.At(t, busyPoll, "ms at rest", func(v int64) *checktest.Trace { return pollStory(t, 1000*pollMS, 100, 60, v*pollMS, 0) },
			checktest.Case{V: 18, Want: "warning"}, checktest.Case{V: 22, Want: "clear"})
		checktest.At(t, busyPoll, "ms that others wait", func(v int64) *checktest.Trace { return pollStory(t, 1000*pollMS, 100, 60, 0, v*pollMS) },
			checktest.Case{V: 19, Want: "warning"}, checktest.Case{V: 21, Want: "clear"})
		checktest.At(t, busyPoll, "ms of trace", func(v int64) *checktest.Trace { return pollStory(t, v*pollMS, 100, 60, 0, 0) },
			checktest.Case{V: 195, Want: "clear"}, checktest.Case{V: 205, Want: "warning"})
		checktest.At(t, busyPoll, "ms that it lives of 500", func(v int64) *checktest.Trace { return late(t, 500*pollMS, v*pollMS) },
			checktest.Case{V: 245, Want: "clear"}, checktest.Case{V: 255, Want: "warning"})
		checktest.At(t, busyPoll, "µs between two yields", func(v int64) *checktest.Trace { return yields(t, v*1000, "runtime.Gosched") },
			checktest.Case{V: 99, Want: "warning/yields"}, checktest.Case{V: 101, Want: "clear"})
		checktest.At(t, busyPoll, "goroutines that end before they are preempted", func(v int64) *checktest.Trace { return pollers(t, v) },
			checktest.Case{V: 2, Want: "warning"}, checktest.Case{V: 40, Want: "note"}, checktest.Case{V: 110, Want: "clear"})
		checktest.At(t, busyPoll, "times of 100 that it waits for the lock, for a moment", func(v int64) *checktest.Trace { return locks(t, v) },
			checktest.Case{V: 70, Want: "warning"}, checktest.Case{V: 90, Want: "note"}, checktest.Case{V: 100, Want: "clear"})
		checktest.At(t, busyPoll, "nothing", func(v int64) *checktest.Trace { return checktest.New(t, 1e9) }, checktest.Case{V: 0, Want: "n/a"})
	})
	f := checktest.Report(t, busyPoll, pollStory(t, 1000*pollMS, 100, 60, 0, 0)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "main.(*worker).poll polls") || !strings.Contains(f.Summary, "runtime.selectnbrecv") {
		t.Error(f.Summary)
	}
}

// pollers is a trace in which n goroutines are started, of which two are preempted once in
// a select with default.
func pollers(t *testing.T, n int64) *checktest.Trace {
	return checktest.Tell(t, 500*pollMS, func(s *checktest.Story) {
		starter := s.Go("main.main")
		for i := range n {
			g := starter.Start(1000+i*1000, "main.(*worker).poll", "main.main:9")
			if i < 2 {
				g.Preempt(250*pollMS+i*1000, "runtime.asyncPreempt2", "runtime.asyncPreempt", "runtime.selectnbrecv")
			}
			g.End(499*pollMS + i*1000)
		}
	})
}

// locks is a trace in which a goroutine runs, and 100 times loses its P in Lock: n times
// since it waits for a microsecond.
func locks(t *testing.T, n int64) *checktest.Trace {
	return checktest.Tell(t, 500*pollMS, func(s *checktest.Story) {
		p := s.Go("main.(*worker).count")
		for i := range int64(100) {
			at := (5*i + 2) * pollMS
			if i < n {
				p.Wait(at, at+1000, nil, "", "sync.runtime_SemacquireMutex", "sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock")
			} else {
				p.Preempt(at, "sync.(*Mutex).Lock")
			}
		}
	})
}

// yields is a trace in which a goroutine lets others run so often, and runs all the time.
func yields(t *testing.T, each int64, at ...string) *checktest.Trace {
	return checktest.Tell(t, 500*pollMS, func(s *checktest.Story) {
		p := s.Go("main.compute")
		for now := each; now < 499*pollMS; now += each {
			p.Preempt(now, append(slices.Clone(at), "main.compute:7")...)
		}
	})
}

// late is a trace of that length in which a goroutine polls for so long at the start.
func late(t *testing.T, length, polls int64) *checktest.Trace {
	tr := pollStory(t, polls, 100, 60, 0, 0)
	tr.To, tr.Last = tr.From+parse.Time(length), tr.From+parse.Time(length)
	return tr
}

func TestBusyPollTraces(t *testing.T) {
	checktest.ExpectAll(t, []*analysis.Analyzer{busyPoll}, []checktest.Expect{
		{Trace: "bugs/e-spindefault", Code: "busy-poll", Severity: analysis.Warning, Names: "main.(*worker).startWorker"},
	})
	for _, name := range []string{"spin-30ms", "procs-1", "oversubscribed", "sched/single-hot-goroutine", "sched/spin-noyield", "public/go1.11-mandelbrot-serial", "public/go1.19-spinners", "bugs/y-healthbatch", "real/compile"} {
		t.Run(name, func(t *testing.T) {
			for code, f := range checktest.Fired(t, checktest.PathOf(t, name), []*analysis.Analyzer{busyPoll}) {
				t.Errorf("%s: %s", code, f.Summary)
			}
		})
	}
}

// TestBusyPollFills: where those that poll have most of the running time, that is why others
// wait for a P; where another computes all the time too, it is not.
func TestBusyPollFills(t *testing.T) {
	for also, want := range map[string]bool{"": true, "main.compute": false} {
		tr := checktest.Tell(t, 1000*pollMS, func(s *checktest.Story) {
			p := s.Go("main.(*worker).poll")
			for at := 10 * pollMS; at < 990*pollMS; at += 10 * pollMS {
				p.Preempt(at, "runtime.asyncPreempt2", "runtime.asyncPreempt", "runtime.selectnbrecv")
			}
			if also != "" {
				s.Go(also)
			}
		})
		f := checktest.Report(t, busyPoll, tr).Results[0].Findings[0]
		for _, symptom := range []string{"latency-tail", "late-timers", "saturated", "request-path/starved"} {
			if slices.Contains(f.Explains, symptom) != want {
				t.Errorf("beside %q: explains %v", also, f.Explains)
			}
		}
	}
}

// TestClosedChannel: who finds a channel ready each time, and never waits, has a closed one;
// who yields in mark assist is not asking.
func TestClosedChannel(t *testing.T) {
	for want, at := range map[string][]string{
		"A channel that it receives from is always ready": {"runtime.asyncPreempt2", "runtime.asyncPreempt", "runtime.sellock", "runtime.selectgo"},
		"Wait instead of asking":                          {"runtime.asyncPreempt2", "runtime.asyncPreempt", "runtime.selectnbrecv"},
		"":                                                {"runtime.Gosched", "runtime.gcAssistAlloc", "runtime.mallocgc"},
	} {
		found := checktest.Report(t, busyPoll, yields(t, 5*pollMS/100, at...)).Results[0].Findings
		if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || !strings.HasPrefix(found[0].Advice, want)) {
			t.Errorf("%v: %+v, want the advice %q", at, found, want)
		}
	}
}
