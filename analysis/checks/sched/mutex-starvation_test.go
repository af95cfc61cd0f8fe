package sched

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestMutexStarvation(t *testing.T) { checktest.Run(t, mutexStarvation, casesMutexStarvation) }

func casesMutexStarvation(t *testing.T) {
	checktest.Idle(t, mutexStarvation)
	make := func(n int) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Lives(1, 1, parse.GoRunning, checktest.S, 0)
		tr.Preempts(n, parse.PreemptLockHandoff, tr.NthStack(0), 1000)
		tr.Preempts(9, parse.PreemptLockHandoff, tr.NthStack(5), 1000)
		return tr
	}
	checktest.At(t, mutexStarvation, "lock handoffs a second", func(v int64) *checktest.Trace { return make(int(v)) },
		checktest.Case{V: 0, Want: "clear"}, checktest.Case{V: 9, Want: "clear"}, checktest.Case{V: 10, Want: "note"}, checktest.Case{V: 49, Want: "note"}, checktest.Case{V: 50, Want: "warning"})
	checktest.At(t, mutexStarvation, "lock handoffs in 100 ms", func(v int64) *checktest.Trace {
		tr := make(int(v))
		tr.To, tr.Last = 100*checktest.MS, 100*checktest.MS
		return tr
	}, checktest.Case{V: 9, Want: "clear"}, checktest.Case{V: 10, Want: "warning"})
	checktest.At(t, mutexStarvation, "format", func(v int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Version = int(v)
		return tr
	}, checktest.Case{V: 11, Want: "n/a"}, checktest.Case{V: 19, Want: "clear"}, checktest.Case{V: 26, Want: "clear"})
	for name, want := range map[string]string{
		"mutex-starvation": "warning", "mutex-starvation-go124": "warning", "lock-5ms": "clear", "http-healthy": "clear",
		"sync/mutex-hold-sleep": "clear", "io/http-mix": "clear", "real/etcd-embed": "clear",
	} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{mutexStarvation: want})
	}
}

// TestLibraryLock: a mutex that a library function locks and unlocks is that function's own.
func TestLibraryLock(t *testing.T) {
	for call, want := range map[string]string{
		"":                         "main.scan:12 → sync.(*Mutex).Unlock; Hold the lock shorter",
		"context.(*cancelCtx).Err": "main.scan:12 → context.(*cancelCtx).Err; The lock is that of context.(*cancelCtx).Err: call it less often",
	} {
		tr := checktest.New(t, checktest.S)
		tr.Lives(1, 1, parse.GoRunning, checktest.S, 0)
		var frames []parse.Frame
		for _, fn := range []string{"runtime.semrelease1", "sync.runtime_Semrelease", "sync.(*Mutex).unlockSlow", "sync.(*Mutex).Unlock", call, "main.scan"} {
			if fn != "" {
				frames = append(frames, parse.Frame{Func: tr.Intern(fn), Line: 12})
			}
		}
		tr.Preempts(100, parse.PreemptLockHandoff, tr.InternStack(frames...), 1000)
		place, advice, _ := strings.Cut(want, "; ")
		if f := checktest.Report(t, mutexStarvation, tr).Results[0].Findings[0]; !strings.Contains(f.Summary, " at "+place+" (") || !strings.HasPrefix(f.Advice, advice) {
			t.Errorf("%s: %s, want %s", f.Summary, f.Advice, want)
		}
	}
}
