package verdict_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/analysis/verdict"
)

// report is one of 1 s with results.
func report(results ...*analysis.Result) *analysis.Report {
	return &analysis.Report{
		Trace:   analysis.Summary{Duration: 1e9, Complete: true, Quantum: 1},
		Results: results,
		Metrics: map[string]analysis.Metric{"procs.share.user": {Value: .1}, "sched.latency.user.total": {Value: 1e6}},
	}
}

func finding(code string, s analysis.Severity, held int64, clock analysis.Clock) analysis.Finding {
	return analysis.Finding{Code: code, Severity: s, Summary: code + " happens at main.f:1", Advice: "Stop it; or not. n should fall.", Cost: analysis.Cost{Value: held, Total: 10e9, Clock: clock}}
}

func kinds(v *analysis.Verdict) (out []string) {
	for _, p := range v.Parts {
		out = append(out, p.Kind)
	}
	return out
}

// TestLimits: the gravest first, then by one currency, three at most; then what is wrong with
// the times of the trace, then the host.
func TestLimits(t *testing.T) {
	v := verdict.Of(report(
		&analysis.Result{Name: "a", Findings: []analysis.Finding{finding("a", analysis.Warning, 2e9, analysis.GTime), finding("a/note", analysis.Note, 9e9, analysis.GTime)}},
		&analysis.Result{Name: "b", Findings: []analysis.Finding{finding("b", analysis.Warning, .5e9, analysis.Wall), finding("b/grave", analysis.Error, .1e9, analysis.PTime)}},
		&analysis.Result{Name: "c", Findings: []analysis.Finding{finding("c", analysis.Warning, .3e9, analysis.PTime)}},
		&analysis.Result{Name: "file", About: analysis.File, Findings: []analysis.Finding{finding("file", analysis.Error, 9e9, analysis.PTime)}},
		&analysis.Result{Name: "host", About: analysis.Host, Findings: []analysis.Finding{finding("host", analysis.Warning, 1e9, analysis.PTime)}},
	))
	want := []string{
		"b/grave happens at main.f:1 (10 % of one P). Stop it.",
		"a happens at main.f:1 (2.0 goroutines held up at any time). Stop it.",
		"b happens at main.f:1 (50 % of the time). Stop it.",
		"file happens at main.f:1 (9.0 Ps at any time). Stop it.",
		"host happens at main.f:1 (1 P at any time). Stop it.",
		"Not the limit: CPU (user code has 10 % of P time), the scheduler (under 0.01 goroutines wait for a P on average), GC (0 % of P time, with all stops of the world).",
	}
	for i, p := range v.Parts {
		if i >= len(want) || p.Text != want[i] {
			t.Errorf("part %d: %q", i, p.Text)
		}
	}
	if got := kinds(v); !slices.Equal(got, []string{analysis.VerdictLimit, analysis.VerdictLimit, analysis.VerdictLimit, analysis.VerdictCaution, analysis.VerdictHost, analysis.VerdictRuledOut}) {
		t.Errorf("kinds %v", got)
	}
	if v.Text != strings.Join(want, " ") {
		t.Errorf("the text is not that of the parts: %s", v.Text)
	}
}

// TestHostFirst: what keeps the whole program from running for longer than anything else
// costs comes first.
func TestHostFirst(t *testing.T) {
	for held, first := range map[int64]string{.2e9: analysis.VerdictLimit, .4e9: analysis.VerdictHost} {
		got := kinds(verdict.Of(report(
			&analysis.Result{Name: "a", Findings: []analysis.Finding{finding("a", analysis.Warning, .3e9, analysis.Wall)}},
			&analysis.Result{Name: "host", About: analysis.Host, Findings: []analysis.Finding{finding("host", analysis.Warning, held, analysis.Wall)}},
		)))
		if got[0] != first || len(got) != 3 {
			t.Errorf("a host that costs %d ns: %v", held, got)
		}
	}
}

// TestCost: the cost joins the remark that a sentence ends with, and is not said twice.
func TestCost(t *testing.T) {
	for summary, want := range map[string]string{
		"It waits (3 of 4)":                  "It waits (3 of 4; 50 % of the time). ",
		"It waits 50 % of the time (3 of 4)": "It waits 50 % of the time (3 of 4). ",
	} {
		f := finding("a", analysis.Warning, .5e9, analysis.Wall)
		f.Summary = summary
		if got := verdict.Of(report(&analysis.Result{Name: "a", Findings: []analysis.Finding{f}})).Parts[0].Text; !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q", summary, got)
		}
	}
}

// TestChain: a finding that says why says it in the verdict, whole.
func TestChain(t *testing.T) {
	f := finding("lock", analysis.Warning, 5e9, analysis.GTime)
	f.Summary = "Goroutines queue at main.get:94: 7 at once, longest 3 ms; why: sync.Mutex ← main.put holds it ← asleep at " + strings.Repeat("x", 300)
	v := verdict.Of(report(&analysis.Result{Name: "lock", Findings: []analysis.Finding{f}}))
	if got := v.Parts[0].Text; !strings.HasPrefix(got, "Goroutines queue at main.get:94: sync.Mutex ← main.put holds it ← asleep at xxx") || !strings.Contains(got, "xxx (5.0 goroutines") {
		t.Error(got)
	}
	// The place is said once, also where a writer waits before readers.
	f.Summary = "Readers wait at main.get:94: 7 at once; why: RWMutex read at main.get:94 ← main.put waits before them to write ← blocked in RWMutex write at main.set:3"
	v = verdict.Of(report(&analysis.Result{Name: "lock", Findings: []analysis.Finding{f}}))
	if got := v.Parts[0].Text; !strings.HasPrefix(got, "Readers wait at main.get:94: main.put waits before them to write ← blocked") {
		t.Error(got)
	}
}

// TestBecause: what says step by step why a finding is gives its chain and its advice;
// what the finding causes, or a reason whose chain has no end, does not.
func TestBecause(t *testing.T) {
	f := finding("request-path", analysis.Warning, 2e9, analysis.GTime)
	effect, lost, why := finding("effect", analysis.Note, 0, ""), finding("lost", analysis.Note, 0, ""), finding("queue-head", analysis.Note, 0, "")
	effect.Summary += "; why: it is told elsewhere"
	lost.Summary += "; why: sync.Mutex ← main.put holds it ← not known"
	lost.Reason, why.Reason = true, true
	why.Summary, why.Advice = "main.compact is in the way: 5 wait; why: select at main.lookup:20 ← main.compact ends the wait", "Ask for less."
	f.Symptoms = []analysis.Finding{effect, lost}
	for want, symptom := range map[string]analysis.Finding{
		"request-path happens at main.f:1 (2.0 goroutines held up at any time). Stop it.":                                                                                                  lost,
		"request-path happens at main.f:1 (2.0 goroutines held up at any time). Because: main.compact is in the way: select at main.lookup:20 ← main.compact ends the wait. Ask for less.": why,
	} {
		f.Symptoms[1] = symptom
		if got := verdict.Of(report(&analysis.Result{Name: "a", Findings: []analysis.Finding{f}})).Parts[0].Text; got != want {
			t.Errorf("%s", got)
		}
	}
}

// TestNoFinding: without a finding it says where the time goes, and never praises.
func TestNoFinding(t *testing.T) {
	led := &analysis.Result{Name: "holders", Leading: []analysis.Leading{
		{Kind: analysis.VerdictLimit, Text: "worker ×8 ← rate limiter", Place: "main.do:21", Held: 8e9, Lives: .9},
		{Kind: analysis.VerdictLimit, Text: "client ← network", Place: "main.get:1", Held: 9e9, Lives: .5, Outside: true},
		{Kind: analysis.VerdictLimit, Text: "little", Place: "main.x:1", Held: 1e6, Lives: .5},
	}}
	time := &analysis.Result{Name: "kinds", Leading: []analysis.Leading{{Kind: analysis.VerdictTime, Text: "worker: 90 % asleep", Place: "main.worker", Held: 8e9}}}
	for _, c := range []struct {
		results []*analysis.Result
		want    []string
	}{
		{[]*analysis.Result{led, time}, []string{"Held up: worker ×8 ← rate limiter.", "Held up: client ← network."}},
		{[]*analysis.Result{time}, []string{"Goroutine time goes to: worker: 90 % asleep."}},
		{nil, nil},
	} {
		v := verdict.Of(report(c.results...))
		var got []string
		for _, p := range v.Parts {
			if p.Kind == analysis.VerdictTime {
				got = append(got, p.Text)
			}
		}
		if !slices.Equal(got, c.want) || strings.Contains(strings.ToLower(v.Text), "nothing") {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	short := report()
	short.Trace.Duration = 31e3
	if got := verdict.Of(short).Parts[0]; got.Kind != analysis.VerdictCaution || !strings.Contains(got.Text, "only 31 µs long") {
		t.Errorf("%+v", got)
	}
	full := report()
	full.Metrics["procs.share.user"] = analysis.Metric{Value: .985}
	if got := verdict.Of(full).Text; !strings.HasPrefix(got, "The CPU is the limit: user code ran 98.5 % of P time.") {
		t.Error(got)
	}
	if verdict.Of(&analysis.Report{Fleet: new(analysis.Fleet)}) != nil {
		t.Error("a report over many traces has a verdict")
	}
}

// TestSmall: what costs less than 2 % of the time is worth a look, once.
func TestSmall(t *testing.T) {
	v := verdict.Of(report(&analysis.Result{Name: "a", Findings: []analysis.Finding{finding("a", analysis.Error, 19e6, analysis.Wall), finding("a/b", analysis.Warning, 18e6, analysis.Wall)}}))
	if got := kinds(v); !slices.Equal(got, []string{analysis.VerdictLook, analysis.VerdictRuledOut}) || !strings.HasPrefix(v.Text, "Worth a look: a happens") {
		t.Errorf("%v %s", got, v.Text)
	}
}

// TestNote: where no warning says what the limit is, a note does that is half of the time.
func TestNote(t *testing.T) {
	for _, c := range []struct {
		f    []analysis.Finding
		want string
	}{
		{[]analysis.Finding{finding("a", analysis.Note, .5e9, analysis.Wall)}, "a happens at main.f:1 (50 % of the time)"},
		{[]analysis.Finding{finding("a", analysis.Note, .5e9, analysis.Wall), finding("b", analysis.Note, .6e9, analysis.Wall)}, "b happens"},
		{[]analysis.Finding{finding("a", analysis.Note, .6e9, analysis.Wall), finding("b", analysis.Warning, .1e9, analysis.Wall)}, "b happens"},
		{[]analysis.Finding{finding("a", analysis.Note, .4e9, analysis.Wall)}, "Not the limit"},
		{[]analysis.Finding{finding("a", analysis.Note, 5e9, analysis.GTime)}, "Not the limit"},
	} {
		var results []*analysis.Result
		for _, f := range c.f {
			results = append(results, &analysis.Result{Name: f.Code, Findings: []analysis.Finding{f}})
		}
		if got := verdict.Of(report(results...)).Text; !strings.HasPrefix(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestPlanted: the planted cause stands in the verdict of real traces.
func TestPlanted(t *testing.T) {
	for name, want := range map[string][]string{
		"lock-5ms":       {"main.holdLock5ms"},
		"pool-too-small": {"main.takeConnection"},
		"stw-kinds":      {"main."},
	} {
		rep := analysistest.Report(t, analysistest.Testdata(t, name), passes.All()...)
		v := verdict.Of(rep)
		for _, part := range want {
			if !strings.Contains(v.Text, part) {
				t.Errorf("%s: %q is not in %s", name, part, v.Text)
			}
		}
	}
}

// TestEnd: how a flight recording ends stands before its limits, and takes no room from them.
func TestEnd(t *testing.T) {
	v := verdict.Of(report(
		&analysis.Result{Name: "a", Findings: []analysis.Finding{finding("a", analysis.Warning, 2e9, analysis.GTime)}},
		&analysis.Result{Name: "timeline", Leading: []analysis.Leading{{Kind: analysis.VerdictEnd, Text: "A flight recording"}}},
		&analysis.Result{Name: "tasks", Leading: []analysis.Leading{{Kind: analysis.VerdictEnd, Text: "Open at its end: task x"}}},
	))
	if got := kinds(v); !slices.Equal(got, []string{analysis.VerdictEnd, analysis.VerdictEnd, analysis.VerdictLimit, analysis.VerdictRuledOut}) || !strings.HasPrefix(v.Text, "A flight recording. Open at its end: task x. a happens") {
		t.Errorf("%v %s", got, v.Text)
	}
}

// TestLongNames: long sentences name functions without the paths of their modules, so that
// more than the names has room.
func TestLongNames(t *testing.T) {
	f := finding("slow", analysis.Warning, 5e8, analysis.Wall)
	f.Summary = "Slow requests of go.etcd.io/etcd/api/v3/etcdserverpb._KV_Put_Handler take 6.13 ms: 97.4 % of it in select at go.etcd.io/etcd/server/v3.(*EtcdServer).processInternalRaftRequestOnce, 50.5 % of it for net/http.(*conn).serve, which was in a call at example.com/client/pkg/fileutil.Fdatasync:33; without it 583 µs"
	want := "Slow requests of etcdserverpb._KV_Put_Handler take 6.13 ms: 97.4 % of it in select at server/v3.(*EtcdServer).processInternalRaftRequestOnce, 50.5 % of it for net/http.(*conn).serve, which was in a call at fileutil.Fdatasync:33; without it 583 µs (50 % of the time). Stop it."
	if got := verdict.Of(report(&analysis.Result{Name: "slow", Findings: []analysis.Finding{f}})).Parts[0].Text; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	f.Summary = "A short one at go.etcd.io/etcd/server/v3.run"
	if got := verdict.Of(report(&analysis.Result{Name: "slow", Findings: []analysis.Finding{f}})).Parts[0].Text; !strings.Contains(got, f.Summary) {
		t.Error(got)
	}
}

// TestRunning: what running means is said once, where user code has half of P time and no
// CPU samples tell more; not beside a finding that the host takes CPUs away, which says it.
func TestRunning(t *testing.T) {
	samples := &analysis.Result{Name: "samples", Outcome: analysis.NotApplicable}
	host := &analysis.Result{Name: "host", About: analysis.Host, Findings: []analysis.Finding{finding("host", analysis.Warning, 1e9, analysis.PTime)}}
	for _, c := range []struct {
		user    float64
		results []*analysis.Result
		want    []string
		not     string
	}{
		{.95, []*analysis.Result{samples}, []string{"The CPU is the limit", "page faults"}, "User code held"},
		{.6, []*analysis.Result{samples}, []string{"User code ran 60 % of P time. That is time on Ps", "page faults"}, "is the limit"},
		{.4, []*analysis.Result{samples}, []string{"Not the limit: CPU"}, "page faults"},
		{.95, []*analysis.Result{{Name: "samples", Outcome: analysis.Found}}, []string{"The CPU is the limit"}, "page faults"},
		{.95, []*analysis.Result{samples, host}, []string{"on a CPU the trace does not tell"}, "The CPU is the limit"},
	} {
		rep := report(c.results...)
		rep.Metrics["procs.share.user"] = analysis.Metric{Value: analysis.Number(c.user)}
		text := verdict.Of(rep).Text
		for _, want := range c.want {
			if strings.Count(text, want) != 1 {
				t.Errorf("%v: %s, want %q once", c.user, text, want)
			}
		}
		if strings.Contains(text, c.not) {
			t.Errorf("%v: %s, not %q", c.user, text, c.not)
		}
	}
}

// TestFullPs: the CPU is not ruled out where Ps are hardly idle and goroutines wait for one,
// though user code has less than half of their time.
func TestFullPs(t *testing.T) {
	const full, ruledOut = "The Ps are full: idle for", "Not the limit: CPU"
	for _, c := range []struct {
		user, idle, waiting float64
		want, not           string
	}{
		{.45, .01, 20, full, ruledOut},
		{.45, .099, .11, full, ruledOut},
		{.45, .1, 20, ruledOut, full},    // a P in ten is idle
		{.45, .01, .099, ruledOut, full}, // nobody waits for one: calls that block hold them
		{.5, .01, 20, "", ruledOut},      // what user code runs matters
	} {
		rep := report()
		rep.Metrics["procs.share.user"] = analysis.Metric{Value: analysis.Number(c.user)}
		rep.Metrics["procs.share.idle"] = analysis.Metric{Value: analysis.Number(c.idle)}
		rep.Metrics["sched.latency.user.total"] = analysis.Metric{Value: analysis.Number(c.waiting * float64(rep.Trace.Duration))}
		text := verdict.Of(rep).Text
		if !strings.Contains(text, c.want) || strings.Contains(text, c.not) || c.want == "" && strings.Contains(text, full) {
			t.Errorf("%+v: %s", c, text)
		}
	}
}
