package passes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

// gcjPaths are all traces there are.
func gcjPaths(t *testing.T) []string {
	t.Helper()
	own, _ := filepath.Glob(filepath.Join(analysistest.Root(t), "testdata", "traces", "*.trace"))
	more, _ := filepath.Glob(filepath.Join(analysistest.Root(t), "..", "shared", "corpus", "*", "*.trace"))
	return append(own, more...)
}

// TestGCJudgesTable prints what each judge of calls and of the GC says of every
// trace: TRACELENS_JUDGES=found, or all.
func TestGCJudgesTable(t *testing.T) {
	mode := os.Getenv("TRACELENS_JUDGES")
	if mode == "" {
		t.Skip("set TRACELENS_JUDGES to found or all")
	}
	for _, path := range gcjPaths(t) {
		name := filepath.Base(filepath.Dir(path)) + "/" + strings.TrimSuffix(filepath.Base(path), ".trace")
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := analysis.Analyze(context.Background(), f, name, analysis.Options{}, slices.Concat(syscallJudges, gcJudges))
		f.Close()
		if err != nil {
			continue
		}
		for _, r := range rep.Results {
			if r.Outcome == analysis.Failed {
				t.Errorf("%s: %s: %s", name, r.Name, r.Reason)
			}
			for _, f := range r.Findings {
				line := fmt.Sprintf("%-40s %-22s %-8s %.3f %s", name, f.Code, f.Severity, f.Cost.Share(), f.Summary)
				for _, s := range f.Symptoms {
					line += fmt.Sprintf(" [+%s %s: %s]", s.Code, s.Severity, s.Summary)
				}
				fmt.Println(line)
			}
			if mode == "all" && len(r.Findings) == 0 {
				fmt.Printf("%-40s %-22s %-8s %s%s\n", name, r.Name, r.Outcome, r.Reason, strings.Join(r.Summary, "; "))
			}
		}
	}
}

// gcjCase is a trace by hand, and what its judge must say of it: the severity of its
// finding, clear or not applicable.
type gcjCase struct {
	name    string
	want    string
	version int   // 26 when not set
	ns      int64 // length of the trace, gcjLength when not set
	events  [][]parse.Event
}

// gcjLength is shorter than the stretch that is judged, so that all of it is judged.
const gcjLength = int64(900e6)

const (
	gcjUS = int64(1e3)
	gcjMS = int64(1e6)
)

func gcjCheck(t *testing.T, judge *analysis.Analyzer, sym *parse.Symbols, cases []gcjCase) {
	t.Helper()
	if sym == nil {
		sym = new(parse.Symbols)
	}
	for _, c := range cases {
		length, version := max(c.ns, 0), c.version
		if length == 0 {
			length = gcjLength
		}
		if version == 0 {
			version = 26
		}
		tr := &parse.Trace{Symbols: sym, Version: version, To: parse.Time(length), Last: parse.Time(length), Quantum: 1, Procs: 4}
		res := judged(tr, judge, slices.Concat(c.events...)).Results[0]
		got := string(res.Outcome)
		if len(res.Findings) == 1 {
			got = string(res.Findings[0].Severity)
		}
		if got != c.want {
			t.Errorf("%s, %s: %s, want %s (%s%q%v)", judge.Name, c.name, got, c.want, res.Reason, res.Summary, res.Findings)
		}
		gcjComplete(t, c.name, res)
	}
}

// gcjComplete checks that a result says what every judge has to say.
func gcjComplete(t *testing.T, name string, r *analysis.Result) {
	t.Helper()
	if r.Outcome != analysis.Found && r.Reason == "" && len(r.Summary) == 0 {
		t.Errorf("%s: %s is silent", name, r.Name)
	}
	for _, f := range r.Findings {
		if f.Summary == "" || f.Advice == "" || f.Caveat == "" || f.Confidence == "" || len(f.Evidence) == 0 || len(f.Evidence) > 10 || strings.Contains(f.Summary, "%!") {
			t.Errorf("%s: finding %+v", name, f)
		}
		if f.Cost.Value < 0 || f.Cost.Value > f.Cost.Total || (f.Cost.Clock == "") != (f.Cost.Total == 0) {
			t.Errorf("%s: %s costs %+v", name, r.Name, f.Cost)
		}
		if !slices.ContainsFunc(analysis.Metrics(), func(m analysis.MetricDef) bool { return strings.Contains(f.Advice, m.ID) }) {
			t.Errorf("%s: the advice of %s names no metric that should move: %s", name, r.Name, f.Advice)
		}
		for _, e := range f.Evidence {
			if e.From < 0 || e.To < e.From {
				t.Errorf("%s: %s has evidence %+v", name, r.Name, e)
			}
		}
	}
}

// Every threshold says what it is and where it comes from, and every page what a
// page must say.
func TestGCJudgesAreDocumented(t *testing.T) {
	for _, a := range slices.Concat(syscallJudges, gcJudges) {
		for _, th := range a.Thresholds {
			if !strings.HasPrefix(th.Name, a.Name+".") || th.Doc == "" || th.Unit == "" || th.Source == "" || th.Levels == (analysis.Levels{}) {
				t.Errorf("threshold %+v", th)
			}
		}
		for _, section := range []string{"## When it fires", "## What to do", "## False alarms"} {
			if !strings.Contains(a.Doc, "\n\n"+section+"\n\n") {
				t.Errorf("%s: its page lacks %q", a.Name, section)
			}
		}
	}
}

// gcjTimes repeats events.
func gcjTimes(n int, evs ...parse.Event) (out []parse.Event) {
	for range n {
		for _, e := range evs {
			out = append(out, e.Clone())
		}
	}
	return out
}

// gcjProcs are n Ps in a state from begin to end.
func gcjProcs(n int, s parse.ProcState, length int64) (out []parse.Event) {
	for id := range n {
		out = append(out, procSpan(parse.ProcID(id), parse.ProcScheduler, s, parse.ProcUndetermined, 0, length))
	}
	return out
}

// gcjCall is a call from entry to return at a site, and no more.
func gcjCall(held int64, site parse.StackID) []parse.Event {
	enter := parse.Go{From: parse.GoRunning, To: parse.GoSyscall, Since: 1000, Stack: site}
	leave := parse.Go{From: parse.GoSyscall, To: parse.GoRunning, Since: 2000, FromStack: site}
	return []parse.Event{
		{Time: 2000, Kind: parse.KindGoRunning, Go: &enter},
		{Time: parse.Time(2000 + held), Kind: parse.KindGoSyscall, Go: &leave},
	}
}

// gcjLost is a P that sysmon takes from a call.
func gcjLost(held, contended int64, site parse.StackID) parse.Event {
	return parse.Event{Time: parse.Time(1000 + held), Kind: parse.KindProc, Proc: &parse.Proc{
		From: parse.ProcSyscall, To: parse.ProcIdle, Since: 1000, Contended: contended, Taker: parse.TakerSysmon, Stack: site,
	}}
}

// gcjInterval is a stretch with gcps of procs Ps marking, all of them workers or all in assist.
func gcjInterval(from, to int64, procs, gcps int32, state parse.ProcState) parse.Event {
	iv := &parse.Interval{Since: parse.Time(from), Procs: procs, GCPs: gcps, Marking: gcps > 0}
	iv.P[parse.ProcUser], iv.P[state] = procs-gcps, gcps
	if state == parse.ProcUser {
		iv.P[state] = procs
	}
	return parse.Event{Time: parse.Time(to), Kind: parse.KindInterval, Interval: iv}
}

// gcjMarking is marking by gcps of procs Ps for ns, then none.
func gcjMarking(ns, length int64, procs, gcps int32, state parse.ProcState) []parse.Event {
	return []parse.Event{gcjInterval(0, ns, procs, gcps, state), gcjInterval(ns, length, procs, 0, parse.ProcUser)}
}

// gcjCycles are n cycles of which only the end is told.
func gcjCycles(n int, stack parse.StackID) (out []parse.Event) {
	for i := range n {
		at := parse.Time(i+1) * 1000
		out = append(out, parse.Event{Time: at + 500, Kind: parse.KindRangeEnd, GC: at, Range: &parse.Range{
			Kind: parse.RangeGC, Since: at, Until: at + 500, MarkBegin: at + 100, MarkEnd: at + 400, Stack: stack,
		}})
	}
	return out
}

// gcjHeap is a cycle with its heap: goal and heap in use before it, largest in it, after it.
func gcjHeap(at, goal, peak, after int64) []parse.Event {
	begin := parse.Time(at)
	live := func(t parse.Time, v int64, gc parse.Time) parse.Event {
		return parse.Event{Time: t, Kind: parse.KindMetric, GC: gc, Metric: parse.Metric{Kind: parse.MetricHeapLive, Value: v}}
	}
	return []parse.Event{
		{Time: begin - 10, Kind: parse.KindMetric, Metric: parse.Metric{Kind: parse.MetricHeapGoal, Value: goal}},
		live(begin-5, after, 0),
		{Time: begin, Kind: parse.KindRangeBegin, GC: begin, Range: &parse.Range{Kind: parse.RangeGC, Since: begin}},
		live(begin+10, peak, begin), live(begin+20, after, begin),
		{Time: begin + 30, Kind: parse.KindRangeEnd, GC: begin, Range: &parse.Range{Kind: parse.RangeGC, Since: begin, Until: begin + 30, MarkBegin: begin + 1, MarkEnd: begin + 20}},
	}
}

// gcjStop is the i-th stop of the world: stopping, then stopped until halt is over.
func gcjStop(i int, gc bool, stopping, halt int64, fn parse.StringID, from parse.ProcState) parse.Event {
	at := parse.Time(int64(i)*gcjMS*20 + 1000)
	end := at + parse.Time(halt)
	return parse.Event{Time: end, Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeSTW, Since: at, Until: end, Stop: parse.Stop{
		GC: gc, LastStop: at + parse.Time(stopping), Restart: end, LastFrom: from, LastFunc: fn, CPU: halt, Stops: 1,
	}}}
}

func gcjStops(n int, gc bool, stopping, halt int64, fn parse.StringID, from parse.ProcState) (out []parse.Event) {
	for i := range n {
		out = append(out, gcjStop(i, gc, stopping, halt, fn, from))
	}
	return out
}

// gcjSymbols are those of one of the module's traces, for functions, reasons and stacks.
func gcjSymbols(t *testing.T, name string) (*parse.Symbols, []parse.Event) {
	t.Helper()
	tr, evs := analysistest.Events(t, analysistest.Testdata(t, name))
	return tr.Symbols, evs
}

func gcjString(t *testing.T, s *parse.Symbols, want string) parse.StringID {
	t.Helper()
	for id := range parse.StringID(1 << 16) {
		if s.String(id) == want {
			return id
		}
	}
	t.Fatalf("no string %q", want)
	return 0
}

// gcjFired are the findings in a trace by code, symptoms too, with their severity.
func gcjFired(t *testing.T, path string, judges []*analysis.Analyzer) map[string]analysis.Finding {
	t.Helper()
	got := make(map[string]analysis.Finding)
	for _, r := range analysistest.Report(t, path, judges...).Results {
		gcjComplete(t, path, r)
		for _, f := range r.Findings {
			got[f.Code] = f
			for _, s := range f.Symptoms {
				got[s.Code] = s
			}
		}
	}
	return got
}

// gcjPath is a trace of the module, or of the corpus when the name has a slash.
func gcjPath(t *testing.T, name string) string {
	t.Helper()
	if strings.Contains(name, "/") {
		return analysistest.Corpus(t, name)
	}
	return analysistest.Testdata(t, name)
}

// gcjExpect is one finding in one trace, and the function it must name.
type gcjExpect struct {
	trace, code string
	severity    analysis.Severity
	names       string
}

func gcjExpectAll(t *testing.T, judges []*analysis.Analyzer, want []gcjExpect) {
	for _, w := range want {
		t.Run(w.code+"/"+w.trace, func(t *testing.T) {
			f, ok := gcjFired(t, gcjPath(t, w.trace), judges)[w.code]
			if !ok || f.Severity != w.severity {
				t.Fatalf("severity %q, want %q: %s", f.Severity, w.severity, f.Summary)
			}
			if w.names == "" {
				return
			}
			found := strings.Contains(f.Summary, w.names)
			for _, e := range f.Evidence {
				found = found || strings.Contains(e.Func, w.names)
			}
			if !found {
				t.Errorf("%s is neither in %q nor in the evidence", w.names, f.Summary)
			}
		})
	}
}

// gcjHealthy are traces of programs with which nothing is wrong, as far as calls and
// the GC go.
var gcjHealthy = []string{
	"idle", "heartbeat", "http-healthy", "netpoll-echo", "flight-recorder", "annotations", "coroutines", "steal-timers", "lock-5ms", "procs-1", "procs-2",
	"mixed-go121", "mixed-go122", "mixed-go123", "mixed-go124", "mixed-go125",
	"io/http-mix", "io/pipe-stdin", "io/net-echo", "io/net-conn-churn", "sched/idle", "real/victoria-metrics", "real/nats-server", "real/cmdgo", "real/compile",
	"debian/nats-server", "debian/victoria-metrics", "debian/caddy", "gc/gogc-off", "gc/gogc-change", "gc/deep-stacks", "gc/idle-workers",
	"sched/mix-procs1", "sched/mix-procs2", "sched/mix-procs8", "edge/slow-writer", "user/cpu-samples",
	"versions/go1.16.15", "versions/go1.19.8", "versions/go1.21.13", "versions/go1.22.12", "versions/go1.23.12", "versions/go1.25.10", "versions/go1.26.8", "versions/go1.27.1",
}

func gcjSilent(t *testing.T, judges []*analysis.Analyzer) {
	for _, name := range gcjHealthy {
		t.Run(name, func(t *testing.T) {
			for code, f := range gcjFired(t, gcjPath(t, name), judges) {
				if f.Severity != analysis.Note {
					t.Errorf("%s: %s of a healthy program: %s", code, f.Severity, f.Summary)
				}
			}
		})
	}
}
