package measures

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestSyscallsLaw(t *testing.T) {
	for _, name := range []string{"syscall-handoff", "syscall-handoff-go124", "mixed-go121", "flight-recorder"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Syscalls})
	}
}

func TestSyscallsRules(t *testing.T) {
	const us = 1000
	span := func(from, to parse.GoState, held int64, g parse.Go) parse.Event {
		g.From, g.To, g.Since = from, to, 1000
		return parse.Event{Time: parse.Time(1000 + held), Kind: parse.Kind(g.From), Go: &g}
	}
	enter := func(stack parse.StackID) parse.Event {
		return span(parse.GoRunning, parse.GoSyscall, 50, parse.Go{Stack: stack})
	}
	held := func(to parse.ProcState, held, contended int64, p parse.Proc) parse.Event {
		p.From, p.To, p.Since, p.Contended = parse.ProcSyscall, to, 1000, contended
		return parse.Event{Time: parse.Time(1000 + held), Kind: parse.KindProc, Proc: &p}
	}
	rep := analysistest.Synthetic(t, 26, Syscalls,
		enter(1), enter(1), enter(2),
		span(parse.GoRunning, parse.GoSyscall, 50, parse.Go{Class: parse.ClassTracer}),
		span(parse.GoRunning, parse.GoSyscall, 50, parse.Go{Class: parse.ClassSystem, Stack: 1}),

		span(parse.GoSyscall, parse.GoRunning, 64, parse.Go{FromStack: 1}),
		span(parse.GoSyscall, parse.GoRunnable, 5000, parse.Go{FromStack: 1}),
		span(parse.GoSyscall, parse.GoRunnable, 9000, parse.Go{Partial: true}),
		span(parse.GoSyscall, parse.GoUndetermined, 9000, parse.Go{}),
		span(parse.GoSyscall, parse.GoNotExist, 9000, parse.Go{}),              // a callback returns to C
		span(parse.GoSyscall, parse.GoRunnable, 9000, parse.Go{Outside: true}), // and one begins
		span(parse.GoSyscall, parse.GoRunning, 9000, parse.Go{Class: parse.ClassTracer}),

		span(parse.GoRunnable, parse.GoRunning, 300, parse.Go{Ready: parse.ReadySyscall, Origin: parse.OriginGlobal, BlockedStack: 1}),
		span(parse.GoRunnable, parse.GoRunning, 100, parse.Go{Ready: parse.ReadySyscall, Origin: parse.OriginSyscall, BlockedStack: 1}),
		span(parse.GoRunnable, parse.GoRunning, 900, parse.Go{Ready: parse.ReadyUnblocked}),
		span(parse.GoRunnable, parse.GoRunning, 900, parse.Go{Ready: parse.ReadySyscall, Class: parse.ClassSystem}),

		held(parse.ProcIdle, 120*us, 50*us, parse.Proc{Taker: parse.TakerSysmon}),              // hostage 50 µs
		held(parse.ProcStopped, 30*us, 30*us, parse.Proc{Taker: parse.TakerSTW}),               // 10 µs
		held(parse.ProcUser, 21*us, 21*us, parse.Proc{}),                                       // 1 µs, P kept
		held(parse.ProcUser, 20*us, 20*us, parse.Proc{}),                                       // short enough
		held(parse.ProcIdle, 90*us, 5*us, parse.Proc{Taker: parse.TakerSysmon, Partial: true}), // 5 µs, no latency
		held(parse.ProcIdle, 10*us, 0, parse.Proc{Taker: parse.TakerExiting}),                  //
		held(parse.ProcIdle, 80*us, 80*us, parse.Proc{Taker: parse.TakerSysmon, Class: parse.ClassTracer}),
		held(parse.ProcUndetermined, 40*us, 4*us, parse.Proc{}), // 4 µs, still in the call at the end
	)
	analysistest.WantMetrics(t, rep, map[string]float64{
		"syscall.count": 4, "syscall.duration.max": 5000, "syscall.duration.total": 5064, "syscall.duration.p50": -1,
		"syscall.phandoff.count": 4, "syscall.phandoff.sysmon": 2, "syscall.phandoff.stw": 1, "syscall.phandoff.exiting": 1,
		"syscall.phandoff.safepoint": 0, "syscall.phandoff.self": 0, "syscall.phandoff.other": 0,
		"syscall.phandoff.latency.max": 120 * us, "syscall.hostage": 70 * us, "syscall.reacquire.max": 300,
	})
	if n := rep.Metrics["syscall.reacquire.max"].N; n != 2 {
		t.Errorf("%d returns, want 2", n)
	}
	if got := analysistest.Cell(t, rep, "syscalls.sites", "(no stack)", "calls"); got != any(int64(4)) {
		t.Errorf("%v calls, want 4", got)
	}
	if got := analysistest.Cell(t, rep, "syscalls.sites", "(no stack)", "wait for a P"); got != any(int64(400)) { // stack 1 prints so here
		t.Errorf("wait for a P is %v, want 400", got)
	}
	if got, want := tableNamed(t, rep, "syscalls.handoff").Rows, [][]any{
		{"sysmon taking the P", int64(120 * us), 1.}, {"return without a P", int64(300), 1.}, {"return with a P found at once", int64(100), 1.},
	}; !reflect.DeepEqual(got, want) {
		t.Errorf("curves %v, want %v", got, want)
	}
	titles := make(map[string]string)
	for _, f := range rep.Results[0].Figures {
		titles[f.Name] = f.Title
	}
	for name, want := range map[string]string{
		"syscalls.handoffs":  "Ps were taken from calls 4 times: 2 sysmon, 1 a stop-the-world, 1 other",
		"syscalls.handoff":   "Sysmon takes the P after at most 120 µs; a return without a P waits at most 300 ns",
		"syscalls.durations": "System and cgo calls take at most 5 µs; 4 P handoffs",
	} {
		if titles[name] != want {
			t.Errorf("%s has title %q, want %q", name, titles[name], want)
		}
	}

	// v1: a begin and an end 1 ns later say nothing of the time between.
	rep = analysistest.Synthetic(t, 21, Syscalls, enter(1), enter(1), span(parse.GoSyscall, parse.GoRunning, 1, parse.Go{}), span(parse.GoSyscall, parse.GoRunnable, 700, parse.Go{}),
		held(parse.ProcIdle, 120*us, 50*us, parse.Proc{Taker: parse.TakerOther}))
	analysistest.WantMetrics(t, rep, map[string]float64{"syscall.count": 2, "syscall.duration.max": -1, "syscall.duration.total": -1,
		"syscall.phandoff.count": 1, "syscall.phandoff.sysmon": -1, "syscall.hostage": -1})
	if got := analysistest.Cell(t, rep, "syscalls.sites", "(no stack)", "max"); got != any(int64(700)) {
		t.Errorf("longest call %v, want the blocking one", got)
	}
}

// The program knows how often each of its functions made a system call.
func TestSyscallsTruth(t *testing.T) {
	for _, name := range []string{"syscall-handoff", "syscall-handoff-go124"} {
		path := analysistest.Testdata(t, name)
		b, err := os.ReadFile(strings.TrimSuffix(path, ".trace") + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var truth struct {
			Measured struct {
				Syscalls  map[string]int64
				Nanosleep struct {
					Count int64
					Total int64 `json:"total_ns"`
				}
			}
		}
		if err := json.Unmarshal(b, &truth); err != nil {
			t.Fatal(err)
		}
		if len(truth.Measured.Syscalls) != 4 {
			t.Fatalf("%s: truth of %d functions", name, len(truth.Measured.Syscalls))
		}
		rep := analysistest.Report(t, path, Syscalls)
		var all int64
		for fn, want := range truth.Measured.Syscalls {
			all += want
			var got int64
			for _, tb := range rep.Results[0].Tables {
				for _, r := range tb.Rows {
					if tb.Name == "syscalls.sites" && strings.HasPrefix(r[0].(string), fn+":") {
						got += r[1].(int64)
					}
				}
			}
			if got != want {
				t.Errorf("%s: %d calls of %s, want %d", name, got, fn, want)
			}
		}
		if got := int64(rep.Metrics["syscall.count"].Value); got != all {
			t.Errorf("%s: %d calls, want %d", name, got, all)
		}
		var taken float64
		for _, k := range takers {
			taken += float64(rep.Metrics["syscall.phandoff."+k.String()].Value)
		}
		// 30 sleeps and 20 reads of an empty pipe, 3 ms each.
		if lost := float64(rep.Metrics["syscall.phandoff.count"].Value); lost != taken || lost < 40 {
			t.Errorf("%s: %v P handoffs, %v by taker", name, lost, taken)
		}
		for _, tb := range rep.Results[0].Tables {
			for _, r := range tb.Rows {
				if tb.Name == "syscalls.sites" && strings.HasPrefix(r[0].(string), "main.nanosleep3ms:") {
					// The program's clock runs from before the call until it has a P again.
					in, wait := r[5].(int64), r[8].(int64)
					if n := truth.Measured.Nanosleep; in < 3e6*n.Count || in+wait > n.Total || in+wait < n.Total*98/100 {
						t.Errorf("%s: nanosleep took %d ns and waited %d ns for a P, want %d ns in all", name, in, wait, n.Total)
					}
				}
			}
		}
	}
}

func TestSyscallsCgo(t *testing.T) {
	rep := analysistest.Report(t, corpus.Trace(t, "cgo/cgo-calls"), Syscalls)
	analysistest.WantMetrics(t, rep, map[string]float64{"syscall.count": 20200}) // 20,000 quick ones, and each 100th sleeps
	// 3,300 calls with a callback each: the way back into C is a start too.
	rep = analysistest.Report(t, corpus.Trace(t, "cgo/cgo-callback"), Syscalls)
	analysistest.WantMetrics(t, rep, map[string]float64{"syscall.count": 6600})
}
