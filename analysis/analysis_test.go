package analysis

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

func TestFormatDuration(t *testing.T) {
	for _, c := range []struct {
		ns, quantum int64
		want        string
	}{
		{0, 64, "0"}, {1, 64, "<64 ns"}, {63, 64, "<64 ns"}, {64, 64, "64 ns"}, {999, 1, "999 ns"}, {1000, 1, "1 µs"},
		{1234, 64, "1.23 µs"}, {12345, 64, "12.3 µs"}, {999_499, 64, "999 µs"}, {999_500, 64, "1 ms"}, {5_006_000, 64, "5.01 ms"},
		{1_999_999_999, 64, "2 s"}, {90e9, 64, "90 s"}, {12_345e9, 64, "12300 s"}, {-1500, 64, "-1.5 µs"}, {5, 1, "5 ns"},
	} {
		if got := FormatDuration(c.ns, c.quantum); got != c.want {
			t.Errorf("%d ns, clock %d ns: %q, want %q", c.ns, c.quantum, got, c.want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		v    any
		u    Unit
		want string
	}{
		{int64(1234567), Count, "1,234,567"}, {int64(-1000), Count, "-1,000"}, {int64(12), Count, "12"},
		{0.12345, Ratio, "12.3 %"}, {0.00001, Ratio, "<0.01 %"}, {0.0, Ratio, "0 %"}, {1.0, Ratio, "100 %"}, {0.0042, Ratio, "0.42 %"},
		{int64(1536), Bytes, "1.5 KiB"}, {int64(999), Bytes, "999 B"}, {int64(3 << 30), Bytes, "3 GiB"},
		{1234.5, PerS, "1,230/s"}, {0.4249, PerS, "0.425/s"}, {int64(-1), P, "–"}, {int64(3), G, "3"}, {nil, NS, "–"},
		{int64(1_500_000), Moment, "1.500 ms"}, {int64(2_345_678_900), Moment, "2.34568 s"}, {"main.f", Text, "main.f"}, {Number(2500), NS, "2.5 µs"},
	} {
		if got := Format(c.v, c.u, 64); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.v, c.u, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[Number]string{0: "0", 1e15: "1000000000000000", 0.25: "0.25", -3: "-3"} {
		if got, err := json.Marshal(v); err != nil || string(got) != want {
			t.Errorf("%v: %s (%v), want %s", float64(v), got, err, want)
		}
	}
}

func TestMetrics(t *testing.T) {
	got := expand("a.{b,c}.{d,e}")
	if want := []string{"a.b.d", "a.b.e", "a.c.d", "a.c.e"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

type counter struct{ n int64 }

func (c *counter) Event(*parse.Event)   { c.n++ }
func (c *counter) Merge(next Collector) { c.n += next.(*counter).n }

// conclude1 runs analyzers over n events of a trace of no content.
func conclude1(n int, as ...*Analyzer) *Report {
	p := NewPartial(as)
	for range n {
		p.Event(&parse.Event{Kind: parse.KindGoRunning})
	}
	return Conclude(&parse.Trace{Version: 26}, "t", p, as, nil)
}

// TestOutcomes: an analyzer that fails costs its own result, not the report.
func TestOutcomes(t *testing.T) {
	measure := &Analyzer{
		Name: "measure", Doc: "# measure: counts\n", Metrics: []MetricDef{{ID: "sched.starts", Unit: Count}}, Kinds: parse.KindsOf(parse.KindGoRunning),
		New: func() Collector { return new(counter) },
		Run: func(p *Pass) error {
			p.Metric("sched.starts", Fold[*counter](p).n, Fold[*counter](p).n)
			p.Say("%d", Fold[*counter](p).n)
			return nil
		},
	}
	check := &Analyzer{
		Name: "check", Doc: "# check: checks\n", Requires: []*Analyzer{measure},
		Run: func(p *Pass) error {
			v, ok := p.Value("sched.starts")
			if c := FoldOf[*counter](p, measure); !ok || float64(c.n) != v {
				t.Errorf("the check sees %v, %v", v, c.n)
			}
			p.Find(Finding{Severity: Note, Summary: "many"})
			return nil
		},
	}
	panics := &Analyzer{Name: "panics", Doc: "# panics: panics\n", Metrics: []MetricDef{{ID: "gc.cycles", Unit: Count}}, Run: func(p *Pass) error {
		p.Metric("gc.cycles", 1, 1)
		panic("oops")
	}}
	errs := &Analyzer{Name: "errs", Doc: "# errs: errs\n", Run: func(p *Pass) error { return errors.New("sums differ") }}
	unlisted := &Analyzer{Name: "unlisted", Doc: "# unlisted: x\n", Run: func(p *Pass) error { p.Metric("no.such", 1, 1); return nil }}
	greedy := &Analyzer{Name: "greedy", Doc: "# greedy: x\n", Run: func(p *Pass) error { FoldOf[*counter](p, measure); return nil }}
	needs := &Analyzer{Name: "needs", Doc: "# needs: x\n", Needs: func(*parse.Trace) string { return "record more" }, Run: func(*Pass) error { t.Error("Run of what does not apply"); return nil }}
	rep := conclude1(3, check, measure, panics, errs, unlisted, needs)
	want := []struct {
		name    string
		outcome Outcome
		reason  string
	}{
		{"check", Found, ""}, {"measure", Clear, ""}, {"panics", Failed, "internal error: oops at analysis_test.go:"},
		{"errs", Failed, "internal error: sums differ"}, {"unlisted", Failed, "a fault of analyzer unlisted: it sets metric no.such, which is not among its Metrics"},
		{"needs", NotApplicable, "record more"},
	}
	for i, w := range want {
		r := rep.Results[i]
		if r.Name != w.name || r.Outcome != w.outcome || !strings.HasPrefix(r.Reason, w.reason) {
			t.Errorf("%s is %s (%s), want %s (%s)", r.Name, r.Outcome, r.Reason, w.outcome, w.reason)
		}
	}
	if rep.Results[0].Findings[0].Code != "check" {
		t.Errorf("a finding without code has %q", rep.Results[0].Findings[0].Code)
	}
	if _, ok := rep.Metrics["gc.cycles"]; ok || rep.Metrics["sched.starts"].Value != 3 {
		t.Errorf("metrics %v: those of a failed analyzer must go", rep.Metrics)
	}
	if r := conclude1(1, measure, greedy).Results[1]; r.Outcome != Failed || !strings.Contains(r.Reason, "without requiring it") {
		t.Errorf("reading an undeclared fold: %s (%s)", r.Outcome, r.Reason)
	}
}

// TestModel: a model is built once in a report, whoever asks, and anew in the next one.
func TestModel(t *testing.T) {
	built := 0
	wants := func(name string) *Analyzer {
		return &Analyzer{Name: name, Doc: "# " + name + ": x\n", Run: func(p *Pass) error {
			p.Say("%d", *Model(p, func() *int { built++; n := 10 * built; return &n }))
			return nil
		}}
	}
	for report := 1; report <= 2; report++ {
		for _, r := range conclude1(1, wants("a"), wants("b")).Results {
			if want := fmt.Sprint(10 * report); built != report || !slices.Equal(r.Summary, []string{want}) {
				t.Errorf("report %d, %s: %v (%s), built %d times", report, r.Name, r.Summary, r.Reason, built)
			}
		}
	}
}

// TestQuantiles: a quantile is given only where the population allows.
func TestQuantiles(t *testing.T) {
	for n, want := range map[int][]string{
		1:     {"sched.latency.user.max", "sched.latency.user.total"},
		20:    {"sched.latency.user.max", "sched.latency.user.p50", "sched.latency.user.total"},
		999:   {"sched.latency.user.max", "sched.latency.user.p50", "sched.latency.user.p90", "sched.latency.user.total"},
		10000: {"sched.latency.user.max", "sched.latency.user.p50", "sched.latency.user.p90", "sched.latency.user.p99", "sched.latency.user.p999", "sched.latency.user.total"},
		0:     {"sched.latency.user.total"},
	} {
		a := &Analyzer{Name: "a", Doc: "# a: a\n", Metrics: []MetricDef{{ID: "sched.latency.user.{p50,p90,p99,p999,max,total}", Unit: NS}}, Run: func(p *Pass) error {
			var h sketch.Histogram
			for i := range n {
				h.Add(int64(i))
			}
			p.Quantiles("sched.latency.user", &h)
			return nil
		}}
		var got []string
		for id := range conclude1(0, a).Metrics {
			got = append(got, id)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("n = %d: %v, want %v", n, got, want)
		}
	}
}
