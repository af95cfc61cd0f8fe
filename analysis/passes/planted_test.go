package passes

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
)

// plantedAs are the findings that name each kind of cause that the corpus plants.
var plantedAs = map[string][]string{
	"backpressure":      {"lock-convoy/senders", "saturated-stage"},
	"cgo-calls":         {},
	"cgo-callback":      {},
	"coroutine":         {},
	"cpu-hog":           {"late-timers", "slice-overrun", "preempt-heavy"},
	"cpu-hot":           {"hot-function"},
	"deadlock":          {"stuck-goroutines/lock"},
	"finalizers":        {"forced-gc"},
	"gc-assist":         {"assist-heavy"},
	"gc-blocks-users":   {"mark-starves-users", "mmu-low"},
	"gc-forced":         {"forced-gc"},
	"gc-idle-workers":   {"idle-marking"},
	"gc-pressure":       {},
	"gc-serial-mark":    {"serial-mark"},
	"gc-stack-scan":     {"costly-mark"},
	"gc-tuning":         {"gc-pacing-change"},
	"gomaxprocs-change": {"gomaxprocs-change"},
	"goroutine-churn":   {"goroutine-churn", "connection-churn"},
	"goroutine-leak":    {"stuck-goroutines", "stuck-goroutines/forever"},
	"herd-wake":         {"runnable-burst"},
	"mutex-hold":        {"lock-convoy"},
	"mutex-wait":        {"lock-convoy"},
	"process-stall":     {"cpu-throttled", "oversubscribed-host", "oversubscribed-host/stalled"},
	"sched-latency":     {"late-timers", "latency-tail", "slice-overrun"},
	"semaphore":         {"lock-convoy/pool"},
	"pool-too-small":    {"lock-convoy/pool"},
	"straggler":         {"straggler"},
	"thundering-herd":   {"thundering-herd", "runnable-burst"},
	"syscall-block":     {"blocked-calls", "blocking-p-handoffs"},
	"serial-bottleneck": {"serial-section", "limits/serial"},
	"slow-consumer":     {"lock-convoy/senders", "saturated-stage"},
	"slow-init":         {"lock-convoy"},
	"slow-stage":        {"lock-convoy/senders", "saturated-stage", "serial-section"},
	"spin-wait":         {"gosched-spin"},
	"starvation":        {"yield-starvation"},
	"stw-storm":         {"stw-by-tooling"},
	"thread-explosion":  {"thread-growth"},
	"thread-handoff":    {"locked-thread-penalty", "slow-handover"},
	"timeout":           {"deadlines-expired"},
	"user-annotations":  {},
}

// notNamed are causes that are planted and do no harm that a check should name, or
// that a trace does not show.
var notNamed = map[string]string{
	"io/file-fsync":   "46 ms of fsync and 28 ms of waiting for it in 1.5 s: the program itself measures a wait of 353 µs at p99",
	"io/net-deadline": "a deadline of a connection that expires looks like a wake-up by the network poller",
	"edge/short-20ms": "20 ms of a healthy mix",
}

// notShown are planted functions that no event holds.
var notShown = map[string]string{
	"main.fixedWorker":     "any code is stalled when the process is",
	"main.makeFinalizable": "what is allocated does not show, what forces GC cycles does",
	"main.slowInit":        "it has returned when the lock is released",
}

// TestPlanted: what is planted in a trace of the corpus is in the first three
// findings, or in what they explain, and one of them names the function when the
// trace holds its name. The workload of versions and arch is a healthy mix but for its lock.
func TestPlanted(t *testing.T) {
	paths, _ := filepath.Glob(filepath.Join(analysistest.Root(t), "..", "shared", "corpus", "*", "*.truth.json"))
	if len(paths) == 0 || testing.Short() {
		t.Skip("no corpus, or left out in short mode")
	}
	for _, path := range paths {
		group := filepath.Base(filepath.Dir(path))
		name := group + "/" + strings.TrimSuffix(filepath.Base(path), ".truth.json")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var truth struct {
			Planted []struct{ Kind, Func string }
		}
		if err := json.Unmarshal(b, &truth); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		trace := strings.TrimSuffix(path, ".truth.json") + ".trace"
		file, err := os.ReadFile(trace)
		if err != nil || notNamed[name] != "" {
			continue
		}
		var first map[string][]*analysis.Finding
		for _, planted := range truth.Planted {
			if (group == "versions" || group == "arch") && planted.Kind != "mutex-hold" || planted.Kind == "none" {
				continue
			}
			want, known := plantedAs[planted.Kind]
			if !known {
				t.Errorf("%s: %s is not in the table", name, planted.Kind)
			}
			if len(want) == 0 {
				continue
			}
			if first == nil {
				first = firstFindings(t, trace, 3)
			}
			named, where := false, false
			for _, code := range want {
				named = named || len(first[code]) > 0
				where = where || slices.ContainsFunc(first[code], func(f *analysis.Finding) bool { return names(f, planted.Func) })
			}
			switch {
			case !named:
				t.Errorf("%s: %s (%s) is not in the first findings: %v", name, planted.Kind, planted.Func, slices.Sorted(maps.Keys(first)))
			case !where && notShown[planted.Func] == "" && bytes.Contains(file, []byte(planted.Func)):
				t.Errorf("%s: %s is named, %s is not", name, planted.Kind, planted.Func)
			}
		}
	}
}

// names reports whether a finding shows a function, by name or in a stack.
func names(f *analysis.Finding, fn string) bool {
	return strings.Contains(f.Summary, fn) || slices.ContainsFunc(f.Evidence, func(e analysis.Evidence) bool {
		return strings.Contains(e.Func, fn) || slices.ContainsFunc(e.Stack, func(frame analysis.Frame) bool { return strings.Contains(frame.Func, fn) })
	})
}

// firstFindings are the first findings and what they explain, by code.
func firstFindings(t *testing.T, path string, n int) map[string][]*analysis.Finding {
	t.Helper()
	first := make(map[string][]*analysis.Finding)
	found := analysistest.Report(t, path, All()...).Findings()
	for _, f := range found[:min(n, len(found))] {
		first[f.Code] = append(first[f.Code], f)
		for i := range f.Symptoms {
			s := &f.Symptoms[i]
			first[s.Code] = append(first[s.Code], s)
		}
	}
	return first
}
