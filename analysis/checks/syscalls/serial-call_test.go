package syscalls

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

const callMS = int64(1e6)

// calls is a trace in which a goroutine is n times in a call, for total ns in all, and
// another one runs meanwhile, or waits.
func calls(t *testing.T, length int64, n int, total int64, stack []string, alone bool) *checktest.Trace {
	return checktest.Tell(t, length, func(s *checktest.Story) {
		w, other := s.Go("main.commit"), s.Go("main.serve")
		if alone {
			other.Block(1000, "runtime.chanrecv1")
		}
		each := total / int64(n)
		for i := range int64(n) {
			at := 2000 + i*((length-4000)/int64(n))
			w.Call(at, at+each, stack...)
		}
	})
}

func TestSerialCall(t *testing.T) {
	sync := []string{"syscall.fsync", "syscall.Fsync", "internal/poll.(*FD).Fsync", "os.(*File).Sync", "main.save:12"}
	checktest.Run(t, serialCall, func(t *testing.T) {
		checktest.At(t, serialCall, "no calls", func(int64) *checktest.Trace { return checktest.New(t, 1e9) }, checktest.Case{V: 0, Want: "n/a"})
		checktest.At(t, serialCall, "ms alone", func(v int64) *checktest.Trace { return calls(t, 1000*callMS, 100, v*callMS, sync, true) },
			checktest.Case{V: 99, Want: "clear"}, checktest.Case{V: 101, Want: "note"}, checktest.Case{V: 248, Want: "note"}, checktest.Case{V: 252, Want: "warning"})
		checktest.At(t, serialCall, "ms beside others", func(v int64) *checktest.Trace { return calls(t, 1000*callMS, 100, v*callMS, sync, false) }, checktest.Case{V: 900, Want: "clear"})
		checktest.At(t, serialCall, "calls of 500 ms", func(v int64) *checktest.Trace { return calls(t, 1000*callMS, int(v), 500*callMS, sync, true) },
			checktest.Case{V: 4900, Want: "warning"}, checktest.Case{V: 5100, Want: "clear"})
		checktest.At(t, serialCall, "calls of 60 ms", func(v int64) *checktest.Trace { return calls(t, 100*callMS, int(v), 60*callMS, sync, true) },
			checktest.Case{V: 9, Want: "clear"}, checktest.Case{V: 10, Want: "warning"}, checktest.Case{V: 5, Want: "warning"})
		checktest.At(t, serialCall, "µs of 20 ms", func(v int64) *checktest.Trace { return calls(t, 20*callMS, 12, v*1000, sync, true) },
			checktest.Case{V: 9800, Want: "clear"}, checktest.Case{V: 10200, Want: "warning"})
		checktest.At(t, serialCall, "ms in C", func(v int64) *checktest.Trace {
			return calls(t, 1000*callMS, 100, v*callMS, []string{"runtime.cgocall", "main._Cfunc_resolve", "main.lookup:3"}, true)
		}, checktest.Case{V: 900, Want: "note"})
		checktest.At(t, serialCall, "ms in a C function that waits", func(v int64) *checktest.Trace {
			return calls(t, 1000*callMS, 100, v*callMS, []string{"runtime.cgocall", "main._Cfunc_queue_poll", "main.consume:3"}, true)
		}, checktest.Case{V: 900, Want: "clear"})
		checktest.At(t, serialCall, "ms reading", func(v int64) *checktest.Trace {
			return calls(t, 1000*callMS, 100, v*callMS, []string{"syscall.read", "syscall.Read", "internal/poll.(*FD).Read", "os.(*File).Read", "main.input:3"}, true)
		}, checktest.Case{V: 900, Want: "clear"})
	})
	f := checktest.Report(t, serialCall, calls(t, 1000*callMS, 100, 500*callMS, sync, true)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "50 %") || !strings.Contains(f.Summary, "main.save:12 → os.(*File).Sync") {
		t.Error(f.Summary)
	}
}

func TestSerialCallTraces(t *testing.T) {
	checktest.ExpectAll(t, []*analysis.Analyzer{serialCall}, []checktest.Expect{
		{Trace: "public/go1.23-benchmark-fsync", Code: "serial-call", Severity: analysis.Warning, Names: "os.(*File).Sync"},
		{Trace: "bugs/p-stdout", Code: "serial-call", Severity: analysis.Warning, Names: "main.placeOrder"},
	})
	for _, name := range []string{"http-healthy", "netpoll-echo", "idle", "syscall-handoff", "io/http-mix", "sched/idle", "io/pipe-stdin", "io/net-echo", "real/victoria-metrics", "real/nats-server", "real/compile", "public/go1.22-idle-cpuprofile", "public/go1.23-kafka-cgo", "bugs/y-healthbatch", "bugs/y-allocpipe"} {
		t.Run(name, func(t *testing.T) {
			for code, f := range checktest.Fired(t, checktest.PathOf(t, name), []*analysis.Analyzer{serialCall}) {
				t.Errorf("%s: %s", code, f.Summary)
			}
		})
	}
}
