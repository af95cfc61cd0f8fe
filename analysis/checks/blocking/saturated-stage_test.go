package blocking

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var (
	sends    = []string{"runtime.chansend1", "main.submit:39"}
	receives = []string{"runtime.chanrecv1"}
)

// A stage takes work in a second.
type stage struct {
	workers, idle int   // of the workers, that wait for work all the time
	idleNS        int64 // that the first one waits for work
	senders       int
	sending       int64 // that each of them waits
	waits         int   // of each
	others        int64 // of that time, that goroutines of another kind end
	ask           bool  // they wait to receive what the workers answer
	reversed      int64 // rounds in which the last to come is the first to go
	sleeps        bool  // the workers do
}

func (x stage) tell(t *testing.T) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		var ws []*checktest.Actor
		for i := range x.workers {
			w := s.Go("main.worker")
			ws = append(ws, w)
			if i >= x.workers-x.idle {
				w.Block(1000, receives...)
			}
		}
		other := s.Go("main.drain")
		for i := range int64(x.senders) {
			from := s.Go("main.handle")
			each := x.sending / int64(x.waits)
			for k := range int64(x.waits) {
				at := 40*ms + i*1000 + k*(950*ms/int64(x.waits))
				by := ws[0]
				if k*each < x.others {
					by = other
				}
				to, stack := at+each, sends
				if x.ask {
					stack = append(slices.Clone(receives), "main.submit:39")
				}
				if k < x.reversed {
					to -= 2 * i * 1000
				}
				if x.sleeps && i == 0 {
					by.Wait(at+10, to-2*int64(x.senders)*1000, nil, "", "time.Sleep", "main.take:20")
				}
				from.Wait(at, to, by, "main.take:22", stack...)
			}
			if i == 0 && x.idleNS > 0 {
				ws[0].Wait(1000, 1000+x.idleNS, from, "main.submit:39", receives...)
			}
		}
		if x.senders == 0 {
			other.Block(2000, "time.Sleep")
		}
	})
}

// A stage that waits for a P most of the time is not slow itself, one that is being woken
// is.
func TestStageCode(t *testing.T) {
	for cause, want := range map[parse.Cause]string{parse.CauseUser: "saturated-stage/starved", parse.CauseWakeup: "saturated-stage"} {
		if got := stageCode(&reason{chain: measures.Chain{Root: measures.Root{Kind: measures.RootStarved, Part: &measures.HeldPart{Cause: cause}}}}); got != want {
			t.Errorf("waiting for a P, %s: %s, want %s", cause, got, want)
		}
	}
	if got := stageCode(&reason{chain: measures.Chain{Root: measures.Root{Kind: measures.RootRunning}}}); got != "saturated-stage" {
		t.Errorf("running: %s", got)
	}
}

func TestSaturatedStage(t *testing.T) {
	full := stage{workers: 1, senders: 3, sending: 900 * ms, waits: 20}
	checktest.Run(t, saturatedStage, func(t *testing.T) {
		at := func(what string, tell func(x *stage, v int64), cases ...checktest.Case) {
			checktest.At(t, saturatedStage, what, func(v int64) *checktest.Trace {
				x := full
				tell(&x, v)
				return x.tell(t)
			}, cases...)
		}
		at("ms that each of 3 waits for an answer, one of them in turn", func(x *stage, v int64) { x.ask, x.sending = true, v*ms },
			checktest.Case{V: 410, Want: "clear"}, checktest.Case{V: 420, Want: "note"}, checktest.Case{V: 490, Want: "note"}, checktest.Case{V: 510, Want: "warning"})
		at("reversed of 20 rounds", func(x *stage, v int64) { x.ask, x.reversed = true, v },
			checktest.Case{V: 3, Want: "warning"}, checktest.Case{V: 4, Want: "n/a"})
		at("reversed of 19 rounds", func(x *stage, v int64) { x.ask, x.waits, x.reversed = true, 19, v },
			checktest.Case{V: 2, Want: "warning"}, checktest.Case{V: 3, Want: "n/a"})
		at("of those who answer, all sleep", func(x *stage, v int64) { x.ask, x.sleeps = true, v == 1 },
			checktest.Case{V: 0, Want: "warning"}, checktest.Case{V: 1, Want: "n/a"})
		at("no senders", func(x *stage, v int64) { x.senders = 0 }, checktest.Case{V: 0, Want: "n/a"})
		at("ms that each of 3 waits", func(x *stage, v int64) { x.sending = v * ms },
			checktest.Case{V: 82, Want: "clear"}, checktest.Case{V: 85, Want: "note"}, checktest.Case{V: 165, Want: "note"}, checktest.Case{V: 168, Want: "warning"})
		at("senders", func(x *stage, v int64) { x.senders = int(v) }, checktest.Case{V: 17, Want: "warning"}, checktest.Case{V: 18, Want: "error"})
		at("µs without work", func(x *stage, v int64) { x.idleNS = v * 1000 }, checktest.Case{V: 29500, Want: "warning"}, checktest.Case{V: 31500, Want: "clear"})
		at("waits", func(x *stage, v int64) { x.senders, x.waits = 1, int(v) }, checktest.Case{V: 9, Want: "clear"}, checktest.Case{V: 10, Want: "warning"})
		at("ms that others end", func(x *stage, v int64) { x.others = v * ms }, checktest.Case{V: 340, Want: "warning"}, checktest.Case{V: 390, Want: "clear"})
		at("workers without work of 20", func(x *stage, v int64) { x.workers, x.idle = 20, int(v) },
			checktest.Case{V: 9, Want: "clear"}, checktest.Case{V: 10, Want: "warning/skewed"})
	})
	naps := full
	naps.sleeps = true
	if f := checktest.Report(t, saturatedStage, naps.tell(t)).Results[0].Findings[0]; !strings.HasPrefix(f.Advice, "Shorten the pause (main.take:20 (sleep)): if it looks again for something, wait to be told of it") {
		t.Error(f.Advice)
	}
	asks := full
	asks.ask = true
	if f := checktest.Report(t, saturatedStage, asks.tell(t)).Results[0].Findings[0]; !strings.Contains(f.Summary, "while 1.7 at any time wait for their turn with it at main.submit:39 (chan receive)") {
		t.Error(f.Summary)
	}
	f := checktest.Report(t, saturatedStage, full.tell(t)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "main.worker cannot keep up") || !strings.Contains(f.Summary, "main.submit:39") || !strings.Contains(f.Summary, "runs in main.take") {
		t.Error(f.Summary)
	}
}

// TestStageRuns: who is woken late for a stage that runs all the time would wait for it.
func TestStageRuns(t *testing.T) {
	full := stage{workers: 1, senders: 3, sending: 900 * ms, waits: 20}
	f := checktest.Report(t, saturatedStage, full.tell(t)).Results[0].Findings[0]
	if !slices.Contains(f.Explains, "idle-p-while-runnable") {
		t.Errorf("explains %v", f.Explains)
	}
	rests := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		w := s.Go("main.worker")
		for at := 10 * ms; at < 980*ms; at += 10 * ms {
			w.Call(at, at+5*ms, "syscall.Fsync", "main.save:12")
		}
		h := s.Go("main.handle")
		for at := 12 * ms; at < 980*ms; at += 10 * ms {
			h.Wait(at, at+6*ms, w, "main.take:22", sends...)
		}
	})
	for _, f := range checktest.Report(t, saturatedStage, rests).Results[0].Findings {
		if slices.Contains(f.Explains, "idle-p-while-runnable") {
			t.Errorf("in calls: explains %v", f.Explains)
		}
	}
}

// Who writes to a pipe most of the time is not the stage that is too slow: who reads it is.
func TestStageBeforePipe(t *testing.T) {
	findings := checktest.Report(t, saturatedStage, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		encode, upload, from := s.Go("main.encode"), s.Go("main.upload"), s.Go("main.export")
		for i := range int64(20) {
			at := (1 + 49*i) * ms
			encode.Wait(at+ms, at+47*ms, upload, "main.upload:8", "runtime.selectgo", "io.(*pipe).write", "io.(*PipeWriter).Write", "main.dump:7")
			from.Wait(at+2*ms, at+48*ms, encode, "main.encode:3", "runtime.chansend1", "main.export:5")
		}
	})).Results[0].Findings
	if len(findings) != 1 || !strings.HasPrefix(findings[0].Summary, "main.upload cannot keep up") {
		t.Errorf("%+v", findings)
	}
}

// A stage that computes is said to run where it was preempted: its runs end where it takes the
// next piece of work.
func TestStageRunsIn(t *testing.T) {
	for n, want := range map[int]string{8: "runs in main.(*rules).match → regexp.(*Regexp).MatchString", 3: "runs in main.worker"} {
		f := checktest.Report(t, saturatedStage, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			w, h := s.Go("main.worker"), s.Go("main.handle")
			for i := range n {
				w.Preempt(int64(15+100*i)*ms, "regexp.(*Regexp).MatchString", "main.(*rules).match:9")
			}
			for at := 10 * ms; at < 980*ms; at += 10 * ms {
				h.Wait(at, at+9*ms, w, "runtime.chanrecv1", sends...)
			}
		})).Results[0].Findings[0]
		if !strings.Contains(f.Summary, want) {
			t.Errorf("%d: %s, want %s", n, f.Summary, want)
		}
	}
}

// Uneven work is to be spread, whatever the busy ones do; not where a peer of theirs is slow.
func TestSkewAdvice(t *testing.T) {
	x := stage{workers: 20, idle: 12, senders: 3, sending: 900 * ms, waits: 20, sleeps: true}
	if f := checktest.Report(t, saturatedStage, x.tell(t)).Results[0].Findings[0]; f.Code != "saturated-stage/skewed" || !strings.HasPrefix(f.Advice, "Let all of them take from one queue, or spread the keys better") {
		t.Errorf("%+v", f)
	}
	f := checktest.Report(t, saturatedStage, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		busy, from := s.Go("main.worker"), s.Go("main.handle")
		for range 8 {
			s.Go("main.worker").Block(1000, receives...)
		}
		for i := range int64(20) {
			at := (1 + 49*i) * ms
			busy.Wait(at+ms, at+47*ms, nil, "", "internal/poll.(*FD).Write", "net.(*conn).Write", "main.send:8")
			from.Wait(at+2*ms, at+48*ms, busy, "main.take:3", sends...)
		}
	})).Results[0].Findings[0]
	if f.Code != "saturated-stage/skewed" || !strings.HasPrefix(f.Advice, "The peer behind main.send:8") {
		t.Errorf("%+v", f)
	}
}
