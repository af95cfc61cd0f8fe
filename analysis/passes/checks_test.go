package passes

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/checks/gc"
	"github.com/tracelens/tracelens/analysis/checks/procs"
	"github.com/tracelens/tracelens/analysis/checks/sched"
	"github.com/tracelens/tracelens/analysis/checks/stw"
	"github.com/tracelens/tracelens/analysis/checks/syscalls"
	"github.com/tracelens/tracelens/analysis/checks/trace"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// TestDocumented: every threshold says what it is and where it comes from, and every page what a
// page must say, and each threshold once.
func TestDocumented(t *testing.T) {
	for _, a := range Checks() {
		for _, th := range a.Thresholds {
			if !strings.HasPrefix(th.Name, a.Name+".") || th.Doc == "" || th.Unit == "" || th.Source == "" || th.Levels == (analysis.Levels{}) {
				t.Errorf("threshold %+v", th)
			}
		}
		page := a.Page(nil)
		for _, section := range []string{"## When it fires", "## What to do", "## False alarms"} {
			if strings.Count(page, "\n\n"+section+"\n\n") != 1 {
				t.Errorf("%s: its page has %q not once", a.Name, section)
			}
		}
		for _, th := range a.Thresholds {
			if strings.Count(page, "`"+th.Name+"`") != 1 || !strings.Contains(page, ": "+th.Describe(nil)+"\n") {
				t.Errorf("%s: its page does not say %s, %s", a.Name, th.Name, th.Describe(nil))
			}
		}
	}
}

// What folds what, when all checks look at a program that does little but GC.
func TestGCChecksFold(t *testing.T) {
	for _, r := range []struct {
		trace, cause string
		symptoms     []string
	}{
		{"gc-assist", "gc-cpu-dominant", []string{"assist-heavy", "mmu-low", "sweep-on-allocation"}},
		{"gc/assist-gogc10", "gc-cpu-dominant", []string{"assist-heavy", "mmu-low"}},
		{"mixed-go126", "stw-long", []string{"mmu-low"}},
		{"io/syscall-threads", "thread-growth", []string{"blocking-p-handoffs", "p-hostage", "syscall-return-wait"}},
	} {
		t.Run(r.trace, func(t *testing.T) {
			f := checktest.Fired(t, checktest.PathOf(t, r.trace), slices.Concat(syscalls.All, gc.All, stw.All))[r.cause]
			var got []string
			for _, s := range f.Symptoms {
				got = append(got, s.Code)
			}
			slices.Sort(got)
			for _, want := range r.symptoms {
				if !slices.Contains(got, want) {
					t.Errorf("%s explains %v, want %s too", r.cause, got, want)
				}
			}
		})
	}
}

func TestGCChecksOnTraces(t *testing.T) {
	checktest.ExpectAll(t, slices.Concat(gc.All, stw.All), []checktest.Expect{
		{Trace: "gc-assist", Code: "gc-cpu-dominant", Severity: analysis.Error, Names: "main.allocateNodes"},
		{Trace: "gc-assist", Code: "assist-heavy", Severity: analysis.Error, Names: "main.allocateNodes"},
		{Trace: "gc-sweep", Code: "sweep-on-allocation", Severity: analysis.Note, Names: "main.replaceObjects"},
		{Trace: "stw-kinds", Code: "stw-by-tooling", Severity: analysis.Error, Names: "main.writeHeapDump"},
		{Trace: "stw-kinds", Code: "forced-gc", Severity: analysis.Note, Names: "main.forceGC"},
		{Trace: "gomaxprocs-change", Code: "stw-by-tooling", Severity: analysis.Note, Names: "main.changeGOMAXPROCSTo"},
		{Trace: "gc/assist-gogc10", Code: "gc-cpu-dominant", Severity: analysis.Error, Names: "main.hardAllocator"},
		{Trace: "gc/assist-gogc10", Code: "assist-heavy", Severity: analysis.Error, Names: "main.hardAllocator"},
		{Trace: "gc/assist-gogc10", Code: "heap-overshoot", Severity: analysis.Note, Names: ""},
		{Trace: "gc/linked-list", Code: "assist-heavy", Severity: analysis.Warning, Names: "main.linkedList"},
		{Trace: "gc/debug-freeosmemory", Code: "forced-gc", Severity: analysis.Warning, Names: "main.freeOS"},
		{Trace: "gc/gcstoptheworld", Code: "forced-gc", Severity: analysis.Warning, Names: "main.gcSTW"},
		{Trace: "gc/gcstoptheworld", Code: "mmu-low", Severity: analysis.Warning, Names: ""},
		{Trace: "gc/stw-readmemstats-storm", Code: "stw-by-tooling", Severity: analysis.Warning, Names: "main.metricsScraper"},
		{Trace: "sched/gomaxprocs-change", Code: "stw-by-tooling", Severity: analysis.Note, Names: "main.gomaxprocsChange"},
		{Trace: "std-golden/v1-stress_1_19_good", Code: "gc-cpu-dominant", Severity: analysis.Warning, Names: ""},
		{Trace: "real/compile-types", Code: "stw-long", Severity: analysis.Warning, Names: ""},
		{Trace: "real/geth-startup", Code: "assist-queue-wait", Severity: analysis.Note, Names: ""},
	})
}

func TestGCChecksSilent(t *testing.T) { checktest.Silent(t, slices.Concat(gc.All, stw.All)) }

// TestThrottlingExplains: the quota is the finding, its effects are symptoms.
func TestThrottlingExplains(t *testing.T) {
	rep := analysistest.Report(t, corpus.Trace(t, "sched/cpu-throttle"), Checks()...)
	for _, f := range rep.Findings() {
		switch f.Code {
		case "oversubscribed-host", "slice-overrun", "latency-tail":
			t.Errorf("%s stands beside its cause", f.Code)
		case "cpu-throttled":
			if len(f.Symptoms) == 0 {
				t.Error("cpu-throttled has no symptoms")
			}
		}
	}
}

// TestSaturationExplains: full Ps explain the tail when user work is what was waited for.
func TestSaturationExplains(t *testing.T) {
	for cause, want := range map[parse.Cause]bool{parse.CauseUser: true, parse.CauseGC: false} {
		tr := checktest.New(t, checktest.S)
		tr.Interval(0, checktest.S, 4, 4, 8, 0)
		tr.Proc(0, parse.ProcUser, 0, checktest.S)
		tr.Waits(2000, 0, 20*checktest.MS, func(g *parse.Go) { g.Wait = [parse.NumCauses]int64{}; g.Wait[cause] = 20 * checktest.MS })
		a := []*analysis.Analyzer{procs.SaturatedPs, sched.LatencyTail}
		p := analysis.NewPartial(a)
		for i := range tr.Happened {
			p.Event(&tr.Happened[i])
		}
		rep := analysis.Conclude(&tr.Trace, "synthetic", p, a, nil)
		var codes []string
		for _, f := range rep.Findings() {
			codes = append(codes, f.Code)
		}
		if got := !slices.Contains(codes, "latency-tail"); got != want {
			t.Errorf("waiting for %s: findings %v", cause, codes)
		}
		// A stage that waits for a P is late because of what fills them.
		if f := rep.Results[0].Findings[0]; slices.Contains(f.Explains, "saturated-stage/starved") != want {
			t.Errorf("waiting for %s: saturated explains %v", cause, f.Explains)
		}
	}
}

// TestHealthyIsQuiet: sound programs get no warning.
func TestHealthyIsQuiet(t *testing.T) {
	checks := slices.Concat(trace.All, procs.All, sched.All)
	// The programs of versions hold a lock for 4 ms, by plan, which limits says.
	checks = slices.DeleteFunc(checks, func(a *analysis.Analyzer) bool { return a.Leads })
	paths := []string{
		analysistest.Testdata(t, "idle"), analysistest.Testdata(t, "http-healthy"), analysistest.Testdata(t, "heartbeat"), analysistest.Testdata(t, "netpoll-echo"),
	}
	if !testing.Short() {
		for _, name := range []string{
			"io/http-mix", "sched/idle", "io/pipe-stdin", "io/net-echo", "real/victoria-metrics", "debian/nats-server",
			"sched/mix-procs1", "sched/mix-procs2", "sched/mix-procs8", "edge/slow-writer", "edge/short-20ms", "flight/flightrec-with-trace",
			"gc/gogc-off", "versions/go1.16.15", "versions/go1.22.12", "versions/go1.26.8", "versions/go1.27.1",
		} {
			paths = append(paths, corpus.Trace(t, name))
		}
	}
	for _, path := range paths {
		for _, f := range analysistest.Report(t, path, checks...).Findings() {
			for _, f := range append([]analysis.Finding{*f}, f.Symptoms...) {
				if f.Severity != analysis.Note {
					t.Errorf("%s: %s %s: %s", path, f.Severity, f.Code, f.Summary)
				}
			}
		}
	}
}

func TestSyscallChecksOnTraces(t *testing.T) {
	checktest.ExpectAll(t, syscalls.All, []checktest.Expect{
		{Trace: "syscall-handoff-go124", Code: "blocking-p-handoffs", Severity: analysis.Note, Names: "main.nanosleep3ms"},
		{Trace: "syscall-handoff", Code: "blocking-p-handoffs", Severity: analysis.Note, Names: "main.nanosleep3ms"},
		{Trace: "io/syscall-threads", Code: "thread-growth", Severity: analysis.Error, Names: "main.sysSleeper"},
		{Trace: "io/syscall-threads", Code: "blocking-p-handoffs", Severity: analysis.Warning, Names: "main.sysSleeper"},
		{Trace: "io/syscall-threads", Code: "p-hostage", Severity: analysis.Error, Names: "main.sysSleeper"},
		{Trace: "io/syscall-threads", Code: "syscall-return-wait", Severity: analysis.Error, Names: "main.sysSleeper"},
		{Trace: "cgo/cgo-thread-explosion", Code: "thread-growth", Severity: analysis.Error, Names: "main.cgoSleeper"},
		{Trace: "cgo/cgo-thread-explosion", Code: "blocking-p-handoffs", Severity: analysis.Warning, Names: "main.cgoSleeper"},
		{Trace: "real/etcd-embed", Code: "p-hostage", Severity: analysis.Warning, Names: "fileutil.Fdatasync"},
	})
}

func TestSyscallChecksSilent(t *testing.T) { checktest.Silent(t, syscalls.All) }

func TestGOMAXPROCSChangeExplains(t *testing.T) {
	rep := analysistest.Report(t, corpus.Trace(t, "sched/gomaxprocs-change"), Checks()...)
	if f := rep.Findings()[0]; f.Code != "gomaxprocs-change" || f.Severity != analysis.Error || f.Symptoms == nil {
		t.Errorf("the first finding is %s %s", f.Severity, f.Code)
	}
}
