package passes

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

func TestLateTimers(t *testing.T) { runCases(t, lateTimers, casesLateTimers) }

func casesLateTimers(t *testing.T) {
	schedIdle(t, lateTimers)
	// One P of two for a second: slices of that length beside others of 1 ms, all in
	// user code, and idle Ps for a part of the time.
	make := func(length, share, full int64, timers int) *schedTrace {
		tr := schedNew(t, schedS)
		tr.proc(0, parse.ProcUser, 0, schedS)
		tr.interval(0, full*schedMS, 1, 1, 0, 0)
		tr.interval(full*schedMS, schedS, 1, 0, 0, 1)
		for done := int64(0); done < share*schedMS; done += length {
			tr.add(parse.Event{Kind: parse.KindSlice, Slice: &parse.Slice{End: parse.Time(length), Class: parse.ClassUser, Func: 1, To: parse.GoRunnable, Preempt: parse.PreemptAsync}})
		}
		tr.preempts(3, parse.PreemptAsync, tr.stack(0), length)
		tr.waits(timers, 0, 1000, func(g *parse.Go) { g.Ready = parse.ReadyTimer })
		return tr
	}
	schedAt(t, lateTimers, "ms of slices of 10 ms", func(v int64) *schedTrace { return make(10*schedMS, v, 900, 100) },
		schedCase{0, "clear"}, schedCase{490, "clear"}, schedCase{500, "note"})
	schedAt(t, lateTimers, "µs of a slice", func(v int64) *schedTrace { return make(v*1000, 900, 900, 100) },
		schedCase{4_900, "clear"}, schedCase{5_200, "note"})
	schedAt(t, lateTimers, "ms without an idle P", func(v int64) *schedTrace { return make(10*schedMS, 900, v, 100) },
		schedCase{499, "clear"}, schedCase{500, "note"})
	schedAt(t, lateTimers, "timers", func(v int64) *schedTrace { return make(10*schedMS, 900, 900, int(v)) },
		schedCase{0, "n/a"}, schedCase{49, "clear"}, schedCase{50, "note"})
	for name, want := range map[string]string{
		"http-healthy": "clear", "netpoll-echo": "clear", "sched/spin-noyield": "note", "sched/spin-noyield-asyncoff": "note", "io/http-mix": "clear", "sched/idle": "clear",
	} {
		schedReal(t, name, map[*analysis.Analyzer]string{lateTimers: want})
	}
}

func TestYieldStarvation(t *testing.T) { runCases(t, yieldStarvation, casesYieldStarvation) }

func casesYieldStarvation(t *testing.T) {
	schedIdle(t, yieldStarvation)
	make := func(n int, held, length int64) *schedTrace {
		tr := schedNew(t, length)
		tr.interval(0, length, 1, 1, 1, 0)
		tr.waits(n, 0, held, func(g *parse.Go) { g.Ready = parse.ReadyYield })
		tr.preempts(n, parse.PreemptYield, tr.stack(0), 1000)
		return tr
	}
	schedAt(t, yieldStarvation, "µs of 1000 waits in a second", func(v int64) *schedTrace { return make(1000, v*1000, schedS) },
		schedCase{980, "clear"}, schedCase{1_010, "note"}, schedCase{9_800, "note"}, schedCase{10_100, "warning"})
	schedAt(t, yieldStarvation, "waits of 12 ms in 200 ms", func(v int64) *schedTrace { return make(int(v), 12*schedMS, 200*schedMS) },
		schedCase{0, "n/a"}, schedCase{19, "clear"}, schedCase{20, "warning"})
	schedAt(t, yieldStarvation, "ms of a trace with 250 ms of waits of 12.5 ms", func(v int64) *schedTrace { return make(20, 12_500_000, v*schedMS) },
		schedCase{1000, "warning"}, schedCase{1001, "note"}, schedCase{2500, "note"}, schedCase{2501, "clear"})
	for name, want := range map[string]string{"sched/runnext-pair-p1": "warning", "sync/spinlock": "clear", "http-healthy": "n/a"} {
		schedReal(t, name, map[*analysis.Analyzer]string{yieldStarvation: want})
	}
}

func TestConnectionChurn(t *testing.T) { runCases(t, connectionChurn, casesConnectionChurn) }

func casesConnectionChurn(t *testing.T) {
	for name, want := range map[string]bool{
		"net/http.(*Transport).dialConnFor":                     true,
		"net/http.(*Transport).startDialConnForLocked.func1":    true,
		"net/http.(*Transport).queueForDial.gowrap1":            true,
		"net/http.(*Transport).dialConn.gowrap3":                false, // a connection's reader
		"net/http.(*persistConn).readLoop":                      false,
		"example.org/proxy.(*Transport).startDialConnForLocked": false,
	} {
		if dialsHTTP(name) != want {
			t.Errorf("%s dials: %t", name, !want)
		}
	}
	schedIdle(t, connectionChurn)
	schedAt(t, connectionChurn, "goroutines that do not dial", func(v int64) *schedTrace {
		tr := schedNew(t, schedS)
		tr.lives(int(v), 1, parse.GoRunning, 1000, tr.stack(0))
		return tr
	}, schedCase{0, "n/a"}, schedCase{5000, "clear"})
	real, _ := analysistest.Events(t, analysistest.Corpus(t, "io/net-conn-churn"))
	dial, ok := real.Lookup("net/http.(*Transport).startDialConnForLocked.func1")
	if !ok {
		t.Fatal("the corpus trace does not dial")
	}
	dials := func(n int, length int64) *schedTrace {
		tr := schedNew(t, length)
		tr.Symbols = real.Symbols
		tr.proc(0, parse.ProcUser, 0, length)
		tr.lives(n, dial, parse.GoRunning, 1000, 1)
		return tr
	}
	schedAt(t, connectionChurn, "dials in a second", func(v int64) *schedTrace { return dials(int(v), schedS) },
		schedCase{49, "clear"}, schedCase{50, "note"}, schedCase{469, "note"}, schedCase{470, "warning"})
	schedAt(t, connectionChurn, "dials in 100 ms", func(v int64) *schedTrace { return dials(int(v), 100*schedMS) },
		schedCase{49, "clear"}, schedCase{50, "warning"})
	for name, want := range map[string]string{"io/net-conn-churn": "warning", "io/http-mix": "clear", "http-healthy": "clear", "versions/go1.26.8": "clear"} {
		schedReal(t, name, map[*analysis.Analyzer]string{connectionChurn: want})
	}
}

func TestGOMAXPROCSChange(t *testing.T) { runCases(t, gomaxprocsChange, casesGOMAXPROCSChange) }

func casesGOMAXPROCSChange(t *testing.T) {
	make := func(procs ...int32) *schedTrace {
		tr := schedNew(t, int64(len(procs))*100*schedMS)
		for i, n := range procs {
			tr.interval(int64(i)*100*schedMS, int64(i+1)*100*schedMS, n, n, 0, 0)
		}
		return tr
	}
	for _, c := range []struct {
		procs []int32
		want  string
	}{{[]int32{0, 0}, "n/a"}, {[]int32{4, 4, 4}, "clear"}, {[]int32{4, 2}, "note"}, {[]int32{4, 2, 8, 8}, "note"}} {
		rep := schedReport(t, gomaxprocsChange, make(c.procs...))
		if got := schedVerdict(t, rep.Results[0]); got != c.want {
			t.Errorf("%v: %s, want %s", c.procs, got, c.want)
		}
	}
	// Long waits while there were fewer Ps follow from that.
	schedAt(t, gomaxprocsChange, "of 10 long waits with 2 Ps of 4", func(v int64) *schedTrace {
		tr := make(4, 2)
		tr.waits(int(v), 120*schedMS, 5*schedMS, nil)
		tr.waits(int(10-v), 20*schedMS, 5*schedMS, nil)
		for _, f := range schedReport(t, gomaxprocsChange, tr).Results[0].Findings {
			if (len(f.Explains) > 0) != (v >= 6) {
				t.Errorf("%d of 10: explains %v", v, f.Explains)
			}
		}
		return tr
	}, schedCase{5, "note"}, schedCase{6, "note"})
	for name, want := range map[string]string{"gomaxprocs-change": "note", "idle": "clear", "sched/gomaxprocs-change": "note"} {
		schedReal(t, name, map[*analysis.Analyzer]string{gomaxprocsChange: want})
	}
	rep := analysistest.Report(t, analysistest.Corpus(t, "sched/gomaxprocs-change"), Judges()...)
	if f := rep.Findings()[0]; f.Code != "gomaxprocs-change" || f.Severity != analysis.Error || f.Symptoms == nil {
		t.Errorf("the first finding is %s %s", f.Severity, f.Code)
	}
}

func TestDeadlinesExpired(t *testing.T) { runCases(t, deadlinesExpired, casesDeadlinesExpired) }

func casesDeadlinesExpired(t *testing.T) {
	real, events := analysistest.Events(t, analysistest.Corpus(t, "sync/context-cancel"))
	expires, ok := real.Lookup("context.WithDeadlineCause.func2")
	if !ok {
		t.Fatal("no deadline expires in the corpus trace")
	}
	var cut parse.Go
	for _, e := range events {
		if e.Kind == parse.KindGoWaiting && expiresDeadline(real.String(real.Entry(e.Go.WakerStack))) {
			cut = *e.Go
		}
	}
	make := func(n int, length int64) *schedTrace {
		tr := schedNew(t, length)
		tr.Symbols = real.Symbols
		tr.lives(n, expires, parse.GoRunning, 1000, 1)
		for range n {
			g := cut
			g.Since = 0
			tr.add(parse.Event{Time: schedMS, Kind: parse.KindGoWaiting, Go: &g})
			tr.lives(1, 1, parse.GoWaiting, schedMS, 0)
		}
		return tr
	}
	schedAt(t, deadlinesExpired, "in a second", func(v int64) *schedTrace { return make(int(v), schedS) },
		schedCase{0, "n/a"}, schedCase{19, "clear"}, schedCase{20, "note"})
	schedAt(t, deadlinesExpired, "seconds with 20", func(v int64) *schedTrace { return make(20, v*schedS) },
		schedCase{4, "note"}, schedCase{5, "clear"})
	for name, want := range map[string]string{"sync/context-cancel": "note", "io/http-mix": "clear", "http-healthy": "clear", "idle": "clear"} {
		schedReal(t, name, map[*analysis.Analyzer]string{deadlinesExpired: want})
	}
}
