package procs

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/internal/corpus"
)

// limitsOf returns the codes of the limits found in a trace, the costliest first,
// and the summary.
func limitsOf(t *testing.T, path string) (codes []string, said string) {
	t.Helper()
	rep := analysistest.Report(t, path, Limits)
	for _, f := range rep.Results[0].Findings {
		codes = append(codes, strings.TrimPrefix(f.Code, "limits/"))
		if f.Cost.Total <= 0 || f.Cost.Value <= 0 || f.Cost.Clock == "" || f.Advice == "" {
			t.Errorf("%s: %s has no cost or advice: %+v", path, f.Code, f)
		}
		if f.Cost.Share() > 1 {
			t.Errorf("%s: %s costs %v of its clock", path, f.Code, f.Cost.Share())
		}
	}
	said = strings.Join(rep.Results[0].Summary, "\n")
	for _, f := range rep.Results[0].Findings {
		said += "\n" + f.Summary
	}
	return codes, said
}

const nothing = "Of all P time: user "

// TestHealthy: sound programs read as healthy, with the numbers that say so.
func TestHealthy(t *testing.T) {
	paths := []string{analysistest.Testdata(t, "idle"), analysistest.Testdata(t, "http-healthy"), analysistest.Testdata(t, "heartbeat"), analysistest.Testdata(t, "netpoll-echo")}
	for _, path := range paths {
		if codes, said := limitsOf(t, path); len(codes) > 0 || !strings.HasPrefix(said, nothing) {
			t.Errorf("%s: %s", path, said)
		}
	}
}

// TestHealthyCorpus: the same for the corpus traces that its README calls healthy
// or whose truth plants nothing.
func TestHealthyCorpus(t *testing.T) {
	for _, name := range []string{
		"io/http-mix", "sched/idle", "io/pipe-stdin", "io/net-echo", "real/victoria-metrics", "debian/nats-server",
		"sched/mix-procs1", "sched/mix-procs2", "sched/mix-procs8", "edge/slow-writer", "edge/short-20ms",
		"flight/flightrec-with-trace", "gc/gogc-off", "gc/traceallocfree", "sched/lockosthread-pingpong",
		"edge/long-idle-gens", "edge/short-1ms", "edge/start-stop", "edge/many-start-stop",
	} {
		if codes, said := limitsOf(t, corpus.Trace(t, name)); len(codes) > 0 || !strings.HasPrefix(said, nothing) {
			t.Errorf("%s: %s", name, said)
		}
	}
	// The workload of versions/ holds a lock for 4 ms, by plan.
	for _, name := range []string{"go1.16.15", "go1.17.13", "go1.19.8", "go1.20.14", "go1.21.13", "go1.22.12", "go1.23.12", "go1.25.10", "go1.26.8", "go1.27.1"} {
		codes, said := limitsOf(t, corpus.Trace(t, "versions/"+name))
		for _, c := range codes {
			if c != "contention" || !strings.Contains(said, "main.holder") && !strings.Contains(said, "main.waiter") && !strings.Contains(said, "sync.(*Mutex)") {
				t.Errorf("versions/%s: %s", name, said)
			}
		}
	}
}

// TestLimits: what is planted is named, where it costs most first.
func TestLimits(t *testing.T) {
	for _, c := range []struct{ path, code, names string }{
		{analysistest.Testdata(t, "preempt-async"), "cpu", ""},
		{analysistest.Testdata(t, "preempt-cooperative"), "cpu", ""},
		{analysistest.Testdata(t, "gc-assist"), "gc", "most is allocated at main."},
		{analysistest.Testdata(t, "gc-sweep"), "gc", ""},
		{analysistest.Testdata(t, "stw-kinds"), "stops", ""},
		{analysistest.Testdata(t, "spin-30ms"), "waits", "Ps busy with user work"},
		{analysistest.Testdata(t, "mutex-starvation"), "contention", "sync"},
	} {
		codes, said := limitsOf(t, c.path)
		if !slices.Contains(codes, c.code) || !strings.Contains(said, c.names) {
			t.Errorf("%s: want %s (%s), got %v: %s", c.path, c.code, c.names, codes, said)
		}
	}
}

func TestLimitsCorpus(t *testing.T) {
	for _, c := range []struct{ name, code, names string }{
		{"gc/assist-gogc10", "gc", "mark assist"},
		{"gc/stw-readmemstats-storm", "stops", "main.metricsScraper"},
		{"sched/single-hot-goroutine", "serial", "8 Ps"},
		{"sync/mutex-hold-sleep", "contention", "main.mutexWaiter"},
		{"sync/mutex-hold-cpu", "contention", "main.mutexWaiter"},
		{"sync/spinlock", "cpu", ""},
		{"io/syscall-threads", "syscalls", "main.sysSleeper"},
		{"cgo/cgo-thread-explosion", "syscalls", ""},
	} {
		codes, said := limitsOf(t, corpus.Trace(t, c.name))
		if !slices.Contains(codes, c.code) || !strings.Contains(said, c.names) {
			t.Errorf("%s: want %s (%s), got %v: %s", c.name, c.code, c.names, codes, said)
		}
	}
}

// TestContentionAdvice: a channel has no lock to hold shorter.
func TestContentionAdvice(t *testing.T) {
	for stack, want := range map[string]string{"runtime.chansend1": "Speed up the side that takes", "sync.(*Mutex).Lock": "Hold the lock shorter"} {
		tr := checktest.Tell(t, checktest.S, func(s *checktest.Story) {
			w, h := s.Go("main.worker"), s.Go("main.handle")
			for at := int64(10 * checktest.MS); at < 980*checktest.MS; at += 20 * checktest.MS {
				h.Wait(at, at+19*checktest.MS, w, "main.take:22", stack, "main.submit:39")
			}
		})
		found := checktest.Report(t, Limits, tr).Results[0].Findings
		if i := slices.IndexFunc(found, func(f analysis.Finding) bool { return f.Code == "limits/contention" }); i < 0 || !strings.HasPrefix(found[i].Advice, want) {
			t.Errorf("%s: %+v", stack, found)
		}
	}
}
