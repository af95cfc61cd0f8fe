package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// entry is a trace whose metrics are around those of the others.
func entry(i int) *Entry {
	rnd := rand.New(rand.NewPCG(uint64(i), 7))
	h := new(sketch.Histogram)
	for range rnd.IntN(100) {
		h.Add(rnd.Int64N(1e6))
	}
	m := func(v float64, u analysis.Unit, p analysis.Polarity) analysis.Metric {
		return analysis.Metric{Value: analysis.Number(v), Unit: u, N: 9, Polarity: p}
	}
	sum := func(v float64, u analysis.Unit) analysis.Metric {
		s := m(v, u, analysis.Lower)
		s.Scale = analysis.Sum
		return s
	}
	return &Entry{
		Schema: Schema, Tool: "t", Settings: "s", Path: fmt.Sprintf("host%d/%03d.trace", i%3, i), Hash: fmt.Sprint(i),
		Trace: analysis.Summary{Complete: true, Events: int64(i), Duration: 1e9},
		Metrics: map[string]analysis.Metric{
			"sched.latency.user.p99": m(1e6*(1+rnd.Float64()), analysis.NS, analysis.Lower),
			"gc.cycles":              sum(5, analysis.Count),
			"gc.assist.wall":         sum(0, analysis.NS),
			"gc.mmu.10ms":            m(.5+rnd.Float64()/10, analysis.Ratio, analysis.Higher),
			"procs.share.user":       m(.5+rnd.Float64()/10, analysis.Ratio, analysis.Neutral),
		},
		Findings: []analysis.Finding{{Code: "latency", Severity: analysis.Warning, Cost: analysis.Cost{Value: int64(i % 7), Total: 100}, Evidence: []analysis.Evidence{{From: 5, To: 7}}}},
		Pools:    map[string]*sketch.Histogram{"sched.latency.user": h},
	}
}

func fleetOf(t *testing.T, opt Options, entries ...*Entry) *Fleet {
	t.Helper()
	f := New(opt)
	for _, e := range entries {
		if err := f.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func again(t *testing.T, e *Entry) *Entry {
	t.Helper()
	var b bytes.Buffer
	if err := e.Encode(&b); err != nil {
		t.Fatal(err)
	}
	out, err := Decode(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func reportOf(t *testing.T, f *Fleet) *analysis.Report {
	t.Helper()
	rep, err := f.Report("audit")
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func checkOf(t *testing.T, f *Fleet) Judgement {
	t.Helper()
	all, err := f.Check()
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// outliersOf are those of all metrics.
func outliersOf(t *testing.T, f *Fleet) (out []outlier) {
	t.Helper()
	for _, col := range f.columns.byName {
		values, err := f.columns.values(col)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f.outliers(col, values, sortedValues(values))...)
	}
	return out
}

func text(t *testing.T, f *Fleet) string {
	t.Helper()
	out, err := json.MarshalIndent(reportOf(t, f), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestOrder: the report is that of the set of entries, read again or not, some twice.
func TestOrder(t *testing.T) {
	opt := Options{Group: func(path string) string { return path[:5] }}
	var want string
	for seed := range uint64(5) {
		var entries []*Entry
		for _, i := range rand.New(rand.NewPCG(seed, 1)).Perm(60) {
			e := entry(i)
			if seed%2 == 1 {
				e = again(t, e)
				entries = append(entries, again(t, entry(i)))
			}
			entries = append(entries, e)
		}
		got := text(t, fleetOf(t, opt, entries...))
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("order %d gives another report", seed)
		}
	}
}

// TestSetAside: metrics that went to a file count as the others do, and the file is gone
// when the fleet is closed.
func TestSetAside(t *testing.T) {
	limit := 1.5e6
	opt := Options{Dir: t.TempDir(), Budgets: []Budget{{Name: "b", Metric: "sched.latency.user.p99", Unit: analysis.NS, Quantile: .9, Least: 1, Max: &limit}}}
	at := int64(-5)
	var entries []*Entry
	for i := range 200 {
		e := entry(i)
		if i%3 == 0 {
			delete(e.Metrics, "gc.cycles")
		}
		m := e.Metrics["gc.mmu.10ms"]
		m.At = &at
		e.Metrics["gc.mmu.10ms"] = m
		if i == 50 {
			m.Value = .001
			e.Metrics["gc.mmu.10ms"] = m
		}
		entries = append(entries, e)
	}
	want := text(t, fleetOf(t, opt, entries...))
	f := New(opt)
	f.columns.most = 100
	for _, e := range entries {
		if err := f.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if f.columns.file == nil {
		t.Fatal("nothing was set aside")
	}
	if got := text(t, f); got != want || !strings.Contains(want, "host2/050.trace") {
		t.Errorf("%s\n\nwant\n%s", got, want)
	}
	f.Close()
	if left, err := os.ReadDir(opt.Dir); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// TestManyGroups: the groups that are told apart, and the sums of the others, are those
// of the set of entries, and nothing is lost.
func TestManyGroups(t *testing.T) {
	var want string
	for seed := range uint64(3) {
		f := New(Options{Group: func(path string) string { return path }})
		for _, i := range rand.New(rand.NewPCG(seed, 2)).Perm(maxGroups + 500) {
			e := entry(i % 60)
			e.Path = fmt.Sprintf("group-%05d", i)
			if err := f.Add(e); err != nil {
				t.Fatal(err)
			}
		}
		table := f.compareGroups()
		n := int64(0)
		for i := range table.Rows {
			n += table.Cell(i, "traces").(int64)
		}
		if n != maxGroups+500 || len(table.Rows) != maxGroups+1 || table.Cell(maxGroups, "traces") != int64(500) {
			t.Fatalf("%d rows of %d traces, %v in the last", len(table.Rows), n, table.Rows[len(table.Rows)-1])
		}
		got := fmt.Sprint(table.Rows)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("order %d gives other groups", seed)
		}
	}
}

// TestPooled: the values of all traces together are those of one histogram of them.
func TestPooled(t *testing.T) {
	all := new(sketch.Histogram)
	var entries []*Entry
	for i := range 60 {
		e := entry(i)
		all.Merge(e.Pools["sched.latency.user"])
		entries = append(entries, e)
	}
	f := fleetOf(t, Options{}, entries...)
	p99, ok := all.Quantile(.99)
	if row := f.pooled(); !ok || row.Cell(0, "n") != all.N() || row.Cell(0, "p99") != p99 || row.Cell(0, "total") != all.Sum() {
		t.Errorf("pooled %v, want n %d, p99 %d, total %d", row.Rows, all.N(), p99, all.Sum())
	}
}

func TestOutliers(t *testing.T) {
	for _, c := range []struct {
		metric  string
		value   float64
		seconds int64
		bad     bool
	}{
		{"sched.latency.user.p99", 50e6, 1, true},
		{"sched.latency.user.p99", 50e6, 20, true},
		{"sched.latency.user.p99", 10, 1, false}, // on the good side
		{"gc.mmu.10ms", .01, 1, true},
		{"gc.mmu.10ms", .99, 1, false},
		{"procs.share.user", .01, 1, true}, // neither side is bad
		{"procs.share.user", .99, 1, true},
		{"gc.cycles", 500, 1, true},         // all others are equal
		{"gc.cycles", 100, 20, false},       // as many a second as the others
		{"gc.cycles", 9, 1, false},          // too few more
		{"gc.assist.wall", 0.9e6, 1, false}, // all others are 0, but so little does not matter
		{"gc.assist.wall", 15e6, 1, true},
		{"gc.assist.wall", 15e6, 20, false},
	} {
		var entries []*Entry
		for i := range 40 {
			e := entry(i)
			if i == 17 {
				m := e.Metrics[c.metric]
				m.Value = analysis.Number(c.value)
				e.Metrics[c.metric] = m
				e.Trace.Duration = c.seconds * 1e9
				if c.seconds > 1 && c.metric != "gc.cycles" {
					e.Metrics["gc.cycles"] = analysis.Metric{Value: analysis.Number(5 * c.seconds), Unit: analysis.Count, N: 9, Polarity: analysis.Lower, Scale: analysis.Sum}
				}
			}
			entries = append(entries, e)
		}
		f := fleetOf(t, Options{}, entries...)
		out := outliersOf(t, f)
		if c.bad && (len(out) != 1 || f.rows[out[0].row].path != entry(17).Path || out[0].name != c.metric) || !c.bad && len(out) != 0 {
			t.Errorf("%s %v in %d s: outliers %v", c.metric, c.value, c.seconds, out)
		}
		if few := outliersOf(t, fleetOf(t, Options{}, entries[14:21]...)); len(few) != 0 {
			t.Errorf("%s: outliers among %d traces", c.metric, 7)
		}
	}
}

func TestTimes(t *testing.T) {
	for v, want := range map[float64]string{0: "0×", 1e-6: "<0.001×", .25: "0.25×", 3: "3×", 1234: "1,234×"} {
		o := outlier{median: 1}
		o.v = v
		if got := o.times(); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

func TestBudgets(t *testing.T) {
	num := func(v float64) *float64 { return &v }
	const id = "sched.latency.user.p99"
	base := Budget{Name: "b", Metric: id, Unit: analysis.NS, Level: analysis.Error, Quantile: 1, Least: 1}
	var entries []*Entry
	for i := range 10 {
		e := entry(i)
		m := e.Metrics[id]
		m.Value = analysis.Number(i + 1)
		e.Metrics = map[string]analysis.Metric{id: m}
		entries = append(entries, e)
	}
	for _, c := range []struct {
		name   string
		set    func(*Budget)
		before Baseline
		want   Verdict
		value  float64
	}{
		{"worst is over", func(b *Budget) { b.Max = num(9) }, nil, Broken, 10},
		{"worst is at it", func(b *Budget) { b.Max = num(10) }, nil, Kept, 10},
		{"p90 is not over", func(b *Budget) { b.Max, b.Quantile = num(9), .9 }, nil, Kept, 9},
		{"min", func(b *Budget) { b.Min = num(2) }, nil, Broken, 1},
		{"p90 of min", func(b *Budget) { b.Min, b.Quantile = num(2), .8 }, nil, Kept, 2},
		{"as in the baseline", func(b *Budget) { b.Max = num(9) }, Baseline{"b": 10}, Known, 10},
		{"worse than the baseline", func(b *Budget) { b.Max = num(9) }, Baseline{"b": 9.5}, Broken, 10},
		{"kept, whatever the baseline", func(b *Budget) { b.Max = num(11) }, Baseline{"b": 1}, Kept, 10},
		{"too few", func(b *Budget) { b.Max, b.Least = num(9), 11 }, nil, Inconclusive, 0},
		{"no such metric", func(b *Budget) { b.Max, b.Metric = num(9), "gc.cycles" }, nil, Inconclusive, 0},
		{"one trace", func(b *Budget) { b.Max, b.Traces = num(9), func(p string) bool { return p == "host0/000.trace" } }, nil, Kept, 1},
		{"no trace", func(b *Budget) { b.Max, b.Traces = num(9), func(string) bool { return false } }, nil, Inconclusive, 0},
	} {
		b := base
		c.set(&b)
		f := fleetOf(t, Options{Budgets: []Budget{b}, Baseline: c.before}, entries...)
		if j := checkOf(t, f); j.Verdict != c.want || j.Value != c.value {
			t.Errorf("%s: %s with %v, want %s with %v", c.name, j.Verdict, j.Value, c.want, c.value)
		}
	}
}

// TestUnsound: what is partial or contradicts itself is in no quantile, budget or outlier,
// and is listed.
func TestUnsound(t *testing.T) {
	const id = "sched.latency.user.p99"
	limit := 10e6
	var entries []*Entry
	for i := range 20 {
		e := entry(i)
		if i < 2 {
			m := e.Metrics[id]
			m.Value = 1e12
			e.Metrics[id] = m
			e.Trace.Complete = i == 0
			if i == 0 {
				e.Trace.Odd = analysis.Odd{"clock_disagrees": 1}
			}
		}
		if i == 2 {
			e.Trace.Odd = analysis.Odd{"unnamed_goroutines": 3} // as in sound traces
		}
		entries = append(entries, e)
	}
	f := fleetOf(t, Options{Budgets: []Budget{{Name: "b", Metric: id, Unit: analysis.NS, Level: analysis.Error, Quantile: 1, Least: 1, Max: &limit}}}, entries...)
	rep := reportOf(t, f)
	if rep.Fleet.Odd != 1 || rep.Fleet.Partial != 1 || rep.Fleet.Traces != 20 {
		t.Errorf("%+v", rep.Fleet)
	}
	if j := checkOf(t, f); j.Verdict != Kept || j.N != 18 {
		t.Errorf("budget %s by %d traces, want kept by 18", j.Verdict, j.N)
	}
	for _, e := range entries {
		e.Trace.Complete, e.Trace.Odd = true, nil
	}
	if out := outliersOf(t, fleetOf(t, Options{}, entries...)); len(out) == 0 {
		t.Error("they would not stand out: the test shows nothing")
	}
	for _, res := range rep.Results {
		for _, tb := range res.Tables {
			if tb.Name == "traces" {
				t.Errorf("outliers %v", tb.Rows)
			}
		}
	}
}

func TestAddRefuses(t *testing.T) {
	other, tool := entry(1), entry(2)
	other.Settings, tool.Tool = "other", "other"
	for _, e := range []*Entry{other, tool} {
		if err := fleetOf(t, Options{}, entry(0)).Add(e); err == nil {
			t.Errorf("%s %s is taken beside s t", e.Settings, e.Tool)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	var b bytes.Buffer
	e := entry(0)
	e.Schema = Schema + 1
	if err := e.Encode(&b); err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{nil, []byte("text"), b.Bytes(), b.Bytes()[:b.Len()/2]} {
		if _, err := Decode(data); err == nil {
			t.Errorf("%d bytes are taken for an entry", len(data))
		}
	}
}
