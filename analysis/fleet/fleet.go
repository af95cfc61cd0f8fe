package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// Options say what a Fleet's report is to hold.
type Options struct {
	Group    func(path string) string // nil for no groups
	Budgets  []Budget
	Baseline Baseline
	Titles   map[string]string // of the analyzers, by name
}

// A Fleet is the Entries of many inputs.
type Fleet struct {
	opt     Options
	tool    string
	set     string
	entries []*Entry // without their pools
	seen    map[[2]string]bool
	pools   map[string]map[string]*sketch.Histogram // by group and metric prefix
}

// New returns a Fleet without Entries.
func New(opt Options) *Fleet {
	if opt.Group == nil {
		opt.Group = func(string) string { return "" }
	}
	return &Fleet{opt: opt, seen: make(map[[2]string]bool), pools: make(map[string]map[string]*sketch.Histogram)}
}

// Add adds an Entry, and takes its pools away. One of the same path and content counts
// once. The error is about an Entry that does not compare with those before.
func (f *Fleet) Add(e *Entry) error {
	if len(f.entries) == 0 {
		f.tool, f.set = e.Tool, e.Settings
	}
	if e.Tool != f.tool {
		return fmt.Errorf("made by %s, others by %s", e.Tool, f.tool)
	}
	if e.Settings != f.set {
		return errors.New("made under another configuration than others")
	}
	key := [2]string{e.Path, e.Hash}
	if f.seen[key] {
		return nil
	}
	f.seen[key] = true
	if e.sound() {
		group := f.opt.Group(e.Path)
		if f.pools[group] == nil {
			f.pools[group] = make(map[string]*sketch.Histogram)
		}
		merge(f.pools[group], e.Pools)
	}
	e.Pools = nil
	f.entries = append(f.entries, e)
	return nil
}

func merge(into, from map[string]*sketch.Histogram) {
	for id, h := range from {
		if into[id] == nil {
			into[id] = new(sketch.Histogram)
		}
		into[id].Merge(h)
	}
}

// Entries are all that were added, by path.
func (f *Fleet) Entries() []*Entry {
	slices.SortFunc(f.entries, func(a, b *Entry) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Hash, b.Hash))
	})
	return f.entries
}

// Report says what the Entries come to, in the shapes of a trace's report: findings over
// all traces by the check that made them, and the results "fleet" and "budgets".
func (f *Fleet) Report(name string) *analysis.Report {
	rep := &analysis.Report{Schema: analysis.Schema, Tool: f.tool, Trace: analysis.Summary{Name: name, Complete: true}, Metrics: make(map[string]analysis.Metric), Fleet: new(analysis.Fleet)}
	res := &analysis.Result{Name: "fleet", Title: "how the traces differ", Outcome: analysis.Clear}
	failures := &analysis.Table{Name: "failures", Title: "inputs that are no trace, only a part of one, or contradict themselves; in no quantile, budget or outlier", Columns: []analysis.Column{{Name: "input", Unit: analysis.Text}, {Name: "lost", Unit: analysis.Text}, {Name: "reason", Unit: analysis.Text}}}
	var traces, sound []*Entry
	for _, e := range f.Entries() {
		rep.Fleet.Inputs++
		if e.Failure != "" {
			rep.Fleet.Failed++
			failures.Add(e.Path, "all", e.Failure)
			continue
		}
		traces = append(traces, e)
		rep.Fleet.Traces++
		rep.Fleet.Bytes += e.Trace.Bytes
		rep.Fleet.Events += e.Trace.Events
		rep.Fleet.Duration += e.Trace.Duration
		if !e.Trace.Complete {
			rep.Fleet.Partial++
			failures.Add(e.Path, "part", e.Trace.Fault)
		}
		if wrong := e.Trace.Odd.Wrong(); wrong != "" {
			rep.Fleet.Odd++
			failures.Add(e.Path, "odd", wrong)
		}
		if e.sound() {
			sound = append(sound, e)
		}
	}
	failures.N = int64(rep.Fleet.Inputs)

	outliers := outliersOf(sound)
	tables := []*analysis.Table{worstTraces(outliers, len(sound)), f.findings(traces)}
	tables = append(tables, outlierTables(outliers, len(sound))...)
	tables = append(tables, f.groups())
	tables = append(tables, distributions(sound)...)
	tables = append(tables, f.pooled(), failures)
	for _, t := range tables {
		if len(t.Rows) > 0 {
			res.Tables = append(res.Tables, t)
		}
	}
	switch {
	case len(sound) < minPopulation:
		res.Summary = append(res.Summary, fmt.Sprintf("Too few traces to say which stands out: %d, need %d.", len(sound), minPopulation))
	case len(outliers) == 0:
		res.Summary = append(res.Summary, fmt.Sprintf("None of %d traces stands out.", len(sound)))
	default:
		w := tables[0]
		var most []string
		for i := range min(len(w.Rows), 3) {
			most = append(most, fmt.Sprintf("%v (%v is %v)", w.Cell(i, "trace"), w.Cell(i, "worst"), w.Cell(i, "value")))
		}
		res.Summary = append(res.Summary, fmt.Sprintf("%d of %d traces stand out in some metric; most %s.", int64(len(w.Rows))+w.More, len(sound), strings.Join(most, ", ")))
	}
	if len(f.opt.Budgets) > 0 {
		rep.Results = append(rep.Results, f.Budgets())
	}
	rep.Results = append(rep.Results, res)
	rep.Results = append(rep.Results, f.checks(traces)...)
	return rep
}

// minPopulation is the least number of values among which one may stand out.
const minPopulation = 8

// minScore is from where on a value stands out: more than the 3.5 that is usual for a
// score from the median absolute deviation (Iglewicz and Hoaglin, How to Detect and
// Handle Outliers, 1993), since a trace has a hundred metrics to be far off in.
const minScore = 5

// An outlier is a trace whose metric is far from the fleet's, on its bad side where it
// has one.
type outlier struct {
	metric string
	m      analysis.Metric
	entry  *Entry
	median float64 // of a sum: what a trace of this length has at the median rate
	score  float64 // robust z
	n      int     // traces that have the metric
}

// least is the difference from which on it can matter, of a trace of that length:
// what is less is no outlier, however rare it is.
func least(sum bool, u analysis.Unit, duration int64) float64 {
	switch u {
	case analysis.NS:
		if sum {
			return float64(duration) / 100
		}
		return 100e3 // wake-ups of threads differ by that
	case analysis.Count:
		return 10
	case analysis.Bytes:
		return 1 << 20
	case analysis.Ratio:
		return .01
	}
	return 10 // per second
}

// minSpread is what values of one kind differ by at least, as a share.
const minSpread = .1

// median is that of sorted values.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// spread is a standard deviation from absolute deviations: by their median, or by their
// mean where more than half are 0.
func spread(deviations []float64) float64 {
	slices.Sort(deviations)
	if m := median(deviations); m > 0 {
		return 1.4826 * m
	}
	sum := 0.0
	for _, d := range deviations { // sorted: the sum does not depend on an order
		sum += d
	}
	return 1.2533 * sum / float64(len(deviations))
}

type sample struct {
	m     analysis.Metric
	entry *Entry
}

// seconds is what a sum is divided by; a level is not.
func (s *sample) seconds(sum bool) float64 {
	if !sum || s.entry.Trace.Duration <= 0 {
		return 1
	}
	return float64(s.entry.Trace.Duration) / 1e9
}

// byMetric are the values of each metric over the traces.
func byMetric(traces []*Entry) map[string][]sample {
	out := make(map[string][]sample)
	for _, e := range traces {
		for id, m := range e.Metrics {
			out[id] = append(out[id], sample{m, e})
		}
	}
	return out
}

// outliersOf are those of each metric, farthest first. Distances are taken on a
// logarithmic scale that begins where differences can matter, except for shares.
func outliersOf(traces []*Entry) []outlier {
	var out []outlier
	metrics := byMetric(traces)
	for _, id := range slices.Sorted(maps.Keys(metrics)) {
		samples := metrics[id]
		m := samples[0].m
		if len(samples) < minPopulation || m.Scale == analysis.Extent {
			continue
		}
		sum := m.Scale == analysis.Sum // grows with the trace, so it is compared per second
		var seconds []float64
		for _, s := range samples {
			seconds = append(seconds, s.seconds(sum))
		}
		slices.Sort(seconds)
		usual := median(seconds)
		origin := least(sum, m.Unit, int64(usual*1e9)) / usual
		scale := func(v float64) float64 {
			if m.Unit == analysis.Ratio {
				return v
			}
			return math.Log(max(v, 0) + origin)
		}
		var raw, scaled, deviations []float64
		for _, s := range samples {
			v := float64(s.m.Value) / s.seconds(sum)
			raw = append(raw, v)
			scaled = append(scaled, scale(v))
		}
		slices.Sort(raw)
		slices.Sort(scaled)
		mid, rawMid := median(scaled), median(raw)
		for _, v := range scaled {
			deviations = append(deviations, math.Abs(v-mid))
		}
		sigma := spread(deviations)
		if m.Unit == analysis.Ratio {
			sigma = max(sigma, least(sum, m.Unit, 0))
		} else {
			sigma = max(sigma, minSpread)
		}
		first := len(out)
		for _, s := range samples {
			z := (scale(float64(s.m.Value)/s.seconds(sum)) - mid) / sigma
			switch m.Polarity {
			case analysis.Higher:
				z = -z
			case analysis.Neutral:
				z = math.Abs(z)
			}
			expected := rawMid * s.seconds(sum)
			if z >= minScore && math.Abs(float64(s.m.Value)-expected) >= least(sum, m.Unit, s.entry.Trace.Duration) {
				out = append(out, outlier{id, s.m, s.entry, expected, z, len(samples)})
			}
		}
		if (len(out)-first)*4 > len(samples) { // another kind of trace, not a few that stand out
			out = out[:first]
		}
		slices.SortStableFunc(out[first:], func(a, b outlier) int { return cmp.Compare(b.score, a.score) })
	}
	return out
}

// when is the moment of the value in the trace, nil where it has none.
func (o *outlier) when() any {
	if o.m.At != nil {
		return *o.m.At
	}
	return nil
}

func (o *outlier) times() string {
	if o.median == 0 {
		return "median 0"
	}
	times := float64(o.m.Value) / o.median
	if times >= 100 {
		return analysis.FormatCount(int64(math.Round(times))) + "×"
	}
	return fmt.Sprintf("%.3g×", times)
}

// shownTraces and shownPerMetric bound tables that people read.
const (
	shownTraces    = 20
	shownPerMetric = 5
)

// worstTraces ranks the traces by the metric in which each is farthest from the others.
func worstTraces(outliers []outlier, n int) *analysis.Table {
	t := &analysis.Table{Name: "traces", Title: fmt.Sprintf("traces that stand out, of %d: the metric in which each is farthest from the median, by robust z", n), N: int64(n), Columns: []analysis.Column{
		{Name: "trace", Unit: analysis.Text}, {Name: "worst", Unit: analysis.Text}, {Name: "value", Unit: analysis.Text}, {Name: "times", Unit: analysis.Text},
		{Name: "z", Unit: analysis.Count}, {Name: "at", Unit: analysis.Moment}, {Name: "metrics", Unit: analysis.Count},
	}}
	type rank struct {
		worst outlier
		n     int64
	}
	ranks := make(map[*Entry]*rank)
	var order []*rank
	for _, o := range outliers {
		r := ranks[o.entry]
		if r == nil {
			r = &rank{worst: o}
			ranks[o.entry] = r
			order = append(order, r)
		}
		r.n++
		if o.score > r.worst.score {
			r.worst = o
		}
	}
	slices.SortFunc(order, func(a, b *rank) int {
		return cmp.Or(cmp.Compare(b.worst.score, a.worst.score), cmp.Compare(a.worst.entry.Path, b.worst.entry.Path), cmp.Compare(a.worst.entry.Hash, b.worst.entry.Hash))
	})
	for _, r := range order {
		o := &r.worst
		t.Add(o.entry.Path, o.metric, analysis.Format(cell(o.m), o.m.Unit, o.entry.Trace.Quantum), o.times(), int64(math.Round(o.score)), o.when(), r.n)
	}
	t.Limit(shownTraces)
	return t
}

// cell is a metric's value as a table holds it.
func cell(m analysis.Metric) any { return cellOf(float64(m.Value), m.Unit) }

func cellOf(v float64, u analysis.Unit) any {
	if u == analysis.Ratio || u == analysis.PerS {
		return v
	}
	return int64(math.Round(v))
}

// units are those of metrics, in the order of their tables.
var units = []analysis.Unit{analysis.NS, analysis.Count, analysis.Bytes, analysis.Ratio, analysis.PerS}

var unitNames = map[analysis.Unit]string{analysis.NS: "times", analysis.Count: "counts", analysis.Bytes: "sizes", analysis.Ratio: "shares", analysis.PerS: "rates"}

// outlierTables has the farthest traces of each metric, a table for each unit.
func outlierTables(outliers []outlier, n int) []*analysis.Table {
	var out []*analysis.Table
	for _, u := range units {
		t := &analysis.Table{Name: "outliers." + unitNames[u], Title: fmt.Sprintf("outliers of each metric, %s: at most %d of %d traces", unitNames[u], shownPerMetric, n), N: int64(n), Detail: true, Columns: []analysis.Column{
			{Name: "metric", Unit: analysis.Text}, {Name: "trace", Unit: analysis.Text}, {Name: "value", Unit: u}, {Name: "median", Unit: u},
			{Name: "times", Unit: analysis.Text}, {Name: "z", Unit: analysis.Count}, {Name: "at", Unit: analysis.Moment}, {Name: "of", Unit: analysis.Count},
		}}
		last, shown := "", 0
		for i := range outliers {
			o := &outliers[i]
			if o.m.Unit != u {
				continue
			}
			if o.metric != last {
				last, shown = o.metric, 0
			}
			if shown++; shown > shownPerMetric {
				t.More++
				continue
			}
			t.Add(o.metric, o.entry.Path, cell(o.m), cellOf(o.median, u), o.times(), int64(math.Round(o.score)), o.when(), int64(o.n))
		}
		out = append(out, t)
	}
	return out
}

// ranked is the q-quantile of sorted values by nearest rank.
func ranked(sorted []float64, q float64) float64 {
	return sorted[max(int(math.Ceil(q*float64(len(sorted))-1e-9)), 1)-1]
}

// distributions has each metric over the traces, a table for each unit. A quantile
// stands where at least one trace lies beyond it.
func distributions(traces []*Entry) []*analysis.Table {
	metrics := byMetric(traces)
	var out []*analysis.Table
	for _, u := range units {
		t := &analysis.Table{Name: "distributions." + unitNames[u], Title: fmt.Sprintf("each metric over the traces, %s: one value a trace", unitNames[u]), N: int64(len(traces)), Detail: true, Columns: []analysis.Column{
			{Name: "metric", Unit: analysis.Text}, {Name: "traces", Unit: analysis.Count}, {Name: "min", Unit: u},
			{Name: "p50", Unit: u}, {Name: "p90", Unit: u}, {Name: "p99", Unit: u}, {Name: "max", Unit: u}, {Name: "worst", Unit: analysis.Text},
		}}
		for _, id := range slices.Sorted(maps.Keys(metrics)) {
			samples := metrics[id]
			if samples[0].m.Unit != u {
				continue
			}
			var values []float64
			worst := samples[0]
			for _, s := range samples {
				values = append(values, float64(s.m.Value))
				if higher := s.m.Value > worst.m.Value; s.m.Value != worst.m.Value && higher != (s.m.Polarity == analysis.Higher) {
					worst = s
				}
			}
			slices.Sort(values)
			quantile := func(q float64) any {
				if float64(len(values))*(1-q) < 1-1e-9 {
					return nil
				}
				return cellOf(ranked(values, q), u)
			}
			t.Add(id, int64(len(values)), cellOf(values[0], u), quantile(.5), quantile(.9), quantile(.99), cellOf(values[len(values)-1], u), worst.entry.Path)
		}
		out = append(out, t)
	}
	return out
}

// pooled has the distributions behind the metrics, over all traces.
func (f *Fleet) pooled() *analysis.Table {
	all := make(map[string]*sketch.Histogram)
	for _, group := range f.pools {
		merge(all, group)
	}
	t := &analysis.Table{Name: "pooled", Title: "all values of all traces together", Columns: []analysis.Column{
		{Name: "metric", Unit: analysis.Text}, {Name: "n", Unit: analysis.Count}, {Name: "p50", Unit: analysis.NS}, {Name: "p90", Unit: analysis.NS},
		{Name: "p99", Unit: analysis.NS}, {Name: "p999", Unit: analysis.NS}, {Name: "max", Unit: analysis.NS}, {Name: "total", Unit: analysis.NS},
	}}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		h := all[id]
		t.Add(id, h.N(), quantile(h, .5), quantile(h, .9), quantile(h, .99), quantile(h, .999), h.Max(), h.Sum())
		t.N += h.N()
	}
	return t
}

// quantile is nil where there are too few values.
func quantile(h *sketch.Histogram, q float64) any {
	if h == nil {
		return nil
	}
	if v, ok := h.Quantile(q); ok {
		return v
	}
	return nil
}

// A firing is one code over all traces.
type firing struct {
	code  string
	n     int64 // traces
	cost  int64
	clock analysis.Clock
	grave analysis.Severity
	worst *Entry
	proof analysis.Finding // of the worst
}

// firings are the codes, gravest and costliest first.
func firings(traces []*Entry) []*firing {
	byCode := make(map[string]*firing)
	for _, e := range traces {
		in := make(map[string]bool)
		for _, f := range e.Findings {
			r := byCode[f.Code]
			if r == nil {
				r = &firing{code: f.Code, clock: f.Cost.Clock, grave: f.Severity, worst: e, proof: f}
				byCode[f.Code] = r
			}
			if !in[f.Code] {
				in[f.Code] = true
				r.n++
			}
			r.cost += f.Cost.Value
			if f.Severity.Rank() > r.grave.Rank() {
				r.grave = f.Severity
			}
			if cmp.Or(cmp.Compare(f.Severity.Rank(), r.proof.Severity.Rank()), cmp.Compare(f.Cost.Value, r.proof.Cost.Value)) > 0 {
				r.worst, r.proof = e, f
			}
		}
	}
	return slices.SortedFunc(maps.Values(byCode), func(a, b *firing) int {
		return cmp.Or(cmp.Compare(b.grave.Rank(), a.grave.Rank()), cmp.Compare(b.n, a.n), cmp.Compare(a.code, b.code))
	})
}

func (f *Fleet) findings(traces []*Entry) *analysis.Table {
	t := &analysis.Table{Name: "findings", Title: fmt.Sprintf("findings, and in how many of %d traces they fire", len(traces)), N: int64(len(traces)), Columns: []analysis.Column{
		{Name: "finding", Unit: analysis.Text}, {Name: "level", Unit: analysis.Text}, {Name: "traces", Unit: analysis.Count},
		{Name: "cost", Unit: analysis.NS}, {Name: "clock", Unit: analysis.Text}, {Name: "worst", Unit: analysis.Text}, {Name: "worst_cost", Unit: analysis.NS}, {Name: "at", Unit: analysis.Moment},
	}}
	for _, r := range firings(traces) {
		var at any
		if len(r.proof.Evidence) > 0 {
			at = r.proof.Evidence[0].From
		}
		t.Add(r.code, string(r.grave), r.n, r.cost, string(r.clock), r.worst.Path, r.proof.Cost.Value, at)
	}
	return t
}

// checks are results with one finding for each code that fires: that of the worst trace.
func (f *Fleet) checks(traces []*Entry) []*analysis.Result {
	byName := make(map[string]*analysis.Result)
	var out []*analysis.Result
	for _, r := range firings(traces) {
		name, _, _ := strings.Cut(r.code, "/")
		res := byName[name]
		if res == nil {
			res = &analysis.Result{Name: name, Title: f.opt.Titles[name], Check: true, Outcome: analysis.Found}
			byName[name] = res
			out = append(out, res)
		}
		one := r.proof
		one.Severity = r.grave
		one.Summary = fmt.Sprintf("In %d of %d traces, worst in %s: %s", r.n, len(traces), r.worst.Path, one.Summary)
		res.Findings = append(res.Findings, one)
	}
	return out
}

// groups compares the groups, where there are several.
func (f *Fleet) groups() *analysis.Table {
	t := &analysis.Table{Name: "groups", Title: "groups: the traces of each, and their values together", N: int64(len(f.entries)), Columns: []analysis.Column{
		{Name: "group", Unit: analysis.Text}, {Name: "traces", Unit: analysis.Count}, {Name: "failed", Unit: analysis.Count}, {Name: "with_warnings", Unit: analysis.Count}, {Name: "with_errors", Unit: analysis.Count},
		{Name: "latency_p50", Unit: analysis.NS}, {Name: "latency_p99", Unit: analysis.NS}, {Name: "syscall_p99", Unit: analysis.NS}, {Name: "stw_gc_max", Unit: analysis.NS},
	}}
	type counts struct{ traces, failed, warnings, errors int64 }
	groups := make(map[string]*counts)
	for _, e := range f.entries {
		name := f.opt.Group(e.Path)
		if groups[name] == nil {
			groups[name] = new(counts)
		}
		c := groups[name]
		if e.Failure != "" {
			c.failed++
			continue
		}
		c.traces++
		has := func(s analysis.Severity) bool {
			return slices.ContainsFunc(e.Findings, func(f analysis.Finding) bool { return f.Severity == s })
		}
		if has(analysis.Error) {
			c.errors++
		}
		if has(analysis.Warning) {
			c.warnings++
		}
	}
	if _, all := groups[""]; all && len(groups) == 1 {
		return t
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		c, pools := groups[name], f.pools[name]
		var stw any
		if h := pools["stw.gc.total"]; h != nil {
			stw = h.Max()
		}
		t.Add(name, c.traces, c.failed, c.warnings, c.errors, quantile(pools["sched.latency.user"], .5), quantile(pools["sched.latency.user"], .99), quantile(pools["syscall.duration"], .99), stw)
	}
	return t
}
