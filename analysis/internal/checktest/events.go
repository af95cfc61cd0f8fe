package checktest

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// GcjPaths are all traces there are.
func GcjPaths(t *testing.T) []string {
	t.Helper()
	return append(corpus.Own(t), corpus.More(t, "*/*.trace")...)
}

// EventCase is a trace by hand, and what its check must say of it: the severity of its
// finding, clear or not applicable.
type EventCase struct {
	Name    string
	Want    string
	Version int   // 26 when not set
	NS      int64 // length of the trace, gcjLength when not set
	Events  [][]parse.Event
}

// Length is shorter than the stretch that is checked, so that all of it is checked.
const Length = int64(900e6)

const (
	USNS = int64(1e3)
	MSNS = int64(1e6)
)

func Check(t *testing.T, check *analysis.Analyzer, sym *parse.Symbols, cases []EventCase) {
	t.Helper()
	if sym == nil {
		sym = new(parse.Symbols)
	}
	for _, c := range cases {
		length, version := max(c.NS, 0), c.Version
		if length == 0 {
			length = Length
		}
		if version == 0 {
			version = 26
		}
		tr := &parse.Trace{Symbols: sym, Version: version, To: parse.Time(length), Last: parse.Time(length), Quantum: 1, Procs: 4}
		res := Concluded(tr, check, slices.Concat(c.Events...)).Results[0]
		got := string(res.Outcome)
		if len(res.Findings) == 1 {
			got = string(res.Findings[0].Severity)
		}
		if got != c.Want {
			t.Errorf("%s, %s: %s, want %s (%s%q%v)", check.Name, c.Name, got, c.Want, res.Reason, res.Summary, res.Findings)
		}
		Complete(t, c.Name, res, check)
	}
}

// Complete checks that a result says what every check has to say.
func Complete(t *testing.T, name string, r *analysis.Result, checks ...*analysis.Analyzer) {
	t.Helper()
	metrics := analysis.MetricsOf(analysis.Closure(checks))
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
		if !slices.ContainsFunc(metrics, func(m analysis.MetricDef) bool { return strings.Contains(f.Advice, m.ID) }) {
			t.Errorf("%s: the advice of %s names no metric that should move: %s", name, r.Name, f.Advice)
		}
		for _, e := range f.Evidence {
			if e.From < 0 || e.To < e.From {
				t.Errorf("%s: %s has evidence %+v", name, r.Name, e)
			}
		}
	}
}

// Times repeats events.
func Times(n int, evs ...parse.Event) (out []parse.Event) {
	for range n {
		for _, e := range evs {
			out = append(out, e.Clone())
		}
	}
	return out
}

// Procs are n Ps in a state from start to end.
func Procs(n int, s parse.ProcState, length int64) (out []parse.Event) {
	for id := range n {
		out = append(out, analysistest.ProcSpan(parse.ProcID(id), parse.ProcScheduler, s, parse.ProcUndetermined, 0, length))
	}
	return out
}

// Call is a call from entry to return at a site, and no more.
func Call(held int64, site parse.StackID) []parse.Event {
	enter := parse.Go{From: parse.GoRunning, To: parse.GoSyscall, Since: 1000, Stack: site}
	leave := parse.Go{From: parse.GoSyscall, To: parse.GoRunning, Since: 2000, FromStack: site}
	return []parse.Event{
		{Time: 2000, Kind: parse.KindGoRunning, Go: &enter},
		{Time: parse.Time(2000 + held), Kind: parse.KindGoSyscall, Go: &leave},
	}
}

// Lost is a P that sysmon takes from a call.
func Lost(held, contended int64, site parse.StackID) parse.Event {
	return parse.Event{Time: parse.Time(1000 + held), Kind: parse.KindProc, Proc: &parse.Proc{
		From: parse.ProcSyscall, To: parse.ProcIdle, Since: 1000, Contended: contended, Taker: parse.TakerSysmon, Stack: site,
	}}
}

// Interval is a stretch with gcps of procs Ps marking, all of them workers or all in assist.
func Interval(from, to int64, procs, gcps int32, state parse.ProcState) parse.Event {
	iv := &parse.Interval{Since: parse.Time(from), Procs: procs, GCPs: gcps, Marking: gcps > 0}
	iv.P[parse.ProcUser], iv.P[state] = procs-gcps, gcps
	if state == parse.ProcUser {
		iv.P[state] = procs
	}
	return parse.Event{Time: parse.Time(to), Kind: parse.KindInterval, Interval: iv}
}

// Marking is marking by gcps of procs Ps for ns, then none.
func Marking(ns, length int64, procs, gcps int32, state parse.ProcState) []parse.Event {
	return []parse.Event{Interval(0, ns, procs, gcps, state), Interval(ns, length, procs, 0, parse.ProcUser)}
}

// Cycles are n cycles of which only the end is told.
func Cycles(n int, stack parse.StackID) (out []parse.Event) {
	for i := range n {
		at := parse.Time(i+1) * 1000
		out = append(out, parse.Event{Time: at + 500, Kind: parse.KindRangeEnd, GC: at, Range: &parse.Range{
			Kind: parse.RangeGC, Since: at, Until: at + 500, MarkBegin: at + 100, MarkEnd: at + 400, Stack: stack,
		}})
	}
	return out
}

// Heap is a cycle with its heap: goal and heap in use before it, largest in it, after it.
func Heap(at, goal, peak, after int64) []parse.Event {
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

// StopOf is the i-th stop of the world: stopping, then stopped until halt is over.
func StopOf(i int, gc bool, stopping, halt int64, fn parse.StringID, from parse.ProcState) parse.Event {
	at := parse.Time(int64(i)*MSNS*20 + 1000)
	end := at + parse.Time(halt)
	return parse.Event{Time: end, Kind: parse.KindRangeEnd, Range: &parse.Range{Kind: parse.RangeSTW, Since: at, Until: end, Stop: parse.Stop{
		GC: gc, LastStop: at + parse.Time(stopping), Restart: end, LastFrom: from, LastFunc: fn, CPU: halt, Stops: 1,
	}}}
}

func Stops(n int, gc bool, stopping, halt int64, fn parse.StringID, from parse.ProcState) (out []parse.Event) {
	for i := range n {
		out = append(out, StopOf(i, gc, stopping, halt, fn, from))
	}
	return out
}

// SymbolsOf are those of one of the module's traces, for functions, reasons and stacks.
func SymbolsOf(t *testing.T, name string) (*parse.Symbols, []parse.Event) {
	t.Helper()
	tr, evs := analysistest.Events(t, analysistest.Testdata(t, name))
	return tr.Symbols, evs
}

func StringOf(t *testing.T, s *parse.Symbols, want string) parse.StringID {
	t.Helper()
	for id := range parse.StringID(1 << 16) {
		if s.String(id) == want {
			return id
		}
	}
	t.Fatalf("no string %q", want)
	return 0
}

// Fired are the findings in a trace by code, symptoms too, with their severity.
func Fired(t *testing.T, path string, checks []*analysis.Analyzer) map[string]analysis.Finding {
	t.Helper()
	got := make(map[string]analysis.Finding)
	for _, r := range analysistest.Report(t, path, checks...).Results {
		Complete(t, path, r, checks...)
		for _, f := range r.Findings {
			got[f.Code] = f
			for _, s := range f.Symptoms {
				got[s.Code] = s
			}
		}
	}
	return got
}

// PathOf is a trace of the module, or of the corpus when the name has a slash.
func PathOf(t *testing.T, name string) string {
	t.Helper()
	if strings.Contains(name, "/") {
		return corpus.Trace(t, name)
	}
	return analysistest.Testdata(t, name)
}

// Expect is one finding in one trace, and the function it must name.
type Expect struct {
	Trace, Code string
	Severity    analysis.Severity
	Names       string
}

func ExpectAll(t *testing.T, checks []*analysis.Analyzer, want []Expect) {
	for _, w := range want {
		t.Run(w.Code+"/"+w.Trace, func(t *testing.T) {
			f, ok := Fired(t, PathOf(t, w.Trace), checks)[w.Code]
			if !ok || f.Severity != w.Severity {
				t.Fatalf("severity %q, want %q: %s", f.Severity, w.Severity, f.Summary)
			}
			if w.Names == "" {
				return
			}
			found := strings.Contains(f.Summary, w.Names)
			for _, e := range f.Evidence {
				found = found || strings.Contains(e.Func, w.Names)
			}
			if !found {
				t.Errorf("%s is neither in %q nor in the evidence", w.Names, f.Summary)
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
	"debian/nats-server", "debian/victoria-metrics", "debian/caddy", "gc/gogc-off", "gc/gogc-change", "gc/idle-workers",
	"sched/mix-procs1", "sched/mix-procs2", "sched/mix-procs8", "edge/slow-writer", "user/cpu-samples",
	"versions/go1.16.15", "versions/go1.19.8", "versions/go1.21.13", "versions/go1.22.12", "versions/go1.23.12", "versions/go1.25.10", "versions/go1.26.8", "versions/go1.27.1",
}

func Silent(t *testing.T, checks []*analysis.Analyzer) {
	for _, name := range gcjHealthy {
		t.Run(name, func(t *testing.T) {
			for code, f := range Fired(t, PathOf(t, name), checks) {
				if f.Severity != analysis.Note {
					t.Errorf("%s: %s of a healthy program: %s", code, f.Severity, f.Summary)
				}
			}
		})
	}
}
