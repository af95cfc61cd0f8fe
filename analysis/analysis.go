// Package analysis is the contract between what is measured and how it is
// shown: an Analyzer folds the events of a trace and concludes findings, tables,
// figures and metrics from its fold; a Report holds them in shapes that every
// output understands. The analyzers themselves are in packages measures and
// checks, their catalogue in passes.
//
// The one law: folds merge exactly. For any cut of a trace's events into a and
// b, fold(a+b) equals fold(a).Merge(fold(b)). It gives audits of many traces and
// distributed runs. So a fold holds integers,
// extremes, and the summaries of sketch, but no float sums and nothing
// that depends on the order of merging.
package analysis

import (
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// An Analyzer is one thing to look at in a trace: a measure (New and Run), a
// check (Requires and Run), or both.
type Analyzer struct {
	Name string // a noun; also the file, the flag, the JSON key and the page
	// Doc is its page, in Markdown. The first line is "# NAME: one sentence".
	Doc string

	// Needs says why the trace cannot answer and how to record what is missing;
	// "" when it can. It is asked when the trace has been read.
	Needs func(*parse.Trace) string

	// Requires are analyzers whose folds, metrics or tables Run reads.
	Requires []*Analyzer

	// Thresholds are the levels at which its findings begin to matter: all that a
	// configuration may change of it.
	Thresholds []Threshold

	// Covers are codes of coarser findings that one of its own says better: they
	// are left out then, unless they are graver.
	Covers []string

	// Proof is the figure that shows its findings, for those that name no other.
	Proof string

	Metrics []MetricDef // that it may set
	Figures []FigureDef // that it may draw

	// Interactive says that its findings mean nothing for a job that nobody waits for.
	Interactive bool
	// Leads says that its summary is the state of the whole program, in numbers.
	Leads bool
	// About is what its findings are about, where it is not the program.
	About Subject

	Kinds parse.Kinds // of the events its Collector wants
	New   func() Collector
	Run   func(*Pass) error

	defs      atomic.Pointer[map[string]MetricDef]  // of Metrics by id, once they were asked for
	quantiles atomic.Pointer[map[string][]quantile] // of Metrics by what is before the dot, likewise
}

// A Collector folds events. New gives the identity of Merge. Neither Event nor
// Merge keeps a pointer to its argument; Merge leaves its argument as it was and
// gets a Collector of the same analyzer, for the events that follow. One that wants
// only some changes of Ps says so with WantsProc(from, to), of goroutines with WantsGo.
// Collectors of different analyzers may be called at the same time.
type Collector interface {
	Event(*parse.Event)
	Merge(next Collector)
}

// A Pass is one Analyzer applied to one trace.
type Pass struct {
	Analyzer *Analyzer
	Trace    *parse.Trace

	folds    map[*Analyzer]Collector
	results  map[*Analyzer]*Result // of the analyzers before this one
	result   *Result
	report   *Report
	defs     map[string]MetricDef // of the analyzer's own metrics
	required []*Analyzer          // by the analyzer, each after what it requires; nil until asked
	pools    []string             // of the report, those that it set
	levels   map[string]Levels    // where they are not the default
	models   map[reflect.Type]any // of the report, see Model
	brief    bool
	bare     bool
}

// FoldOf returns the fold of a, which is the pass's analyzer or one it requires.
func FoldOf[C Collector](p *Pass, a *Analyzer) C {
	if a != p.Analyzer && !slices.Contains(p.Analyzer.Requires, a) {
		p.blame("it reads the fold of %s without requiring it", a.Name)
	}
	return p.folds[a].(C)
}

// Fold returns the pass's own fold.
func Fold[C Collector](p *Pass) C { return FoldOf[C](p, p.Analyzer) }

// Model returns what build makes of folds, built once in a report and shared by the passes
// that want a model of that type: they do not change it.
func Model[M any](p *Pass, build func() M) M {
	t := reflect.TypeFor[M]()
	m, ok := p.models[t].(M)
	if !ok {
		m = build()
		p.models[t] = m
	}
	return m
}

// Say adds one line to the analyzer's summary: a statement with its numbers. A brief
// report has none.
func (p *Pass) Say(format string, args ...any) {
	if p.brief {
		return
	}
	p.result.Summary = append(p.result.Summary, fmt.Sprintf(format, args...))
}

// Lead adds a sentence that a verdict may begin with, the costliest first.
func (p *Pass) Lead(l Leading) { p.result.Leading = append(p.result.Leading, l) }

// NotApplicable says that the trace turned out to hold nothing to say, and how to
// record what is missing. Run returns after it.
func (p *Pass) NotApplicable(reason string) {
	p.result.Outcome, p.result.Reason = NotApplicable, reason
}

// Find adds a finding. One without a severity is not worth a note, and left out.
func (p *Pass) Find(f Finding) {
	if f.Severity == "" {
		return
	}
	if f.Code == "" {
		f.Code = p.Analyzer.Name
	}
	p.result.Findings = append(p.result.Findings, f)
}

// Table adds a table. Tables with no rows are dropped.
func (p *Pass) Table(t *Table) {
	if len(t.Rows) > 0 || t.Packed.Len() > 0 {
		p.result.Tables = append(p.result.Tables, t)
	}
}

// Brief says that nobody looks at summaries, tables and figures: only tables that a
// comparison reads are needed.
func (p *Pass) Brief() bool { return p.brief }

// Bare says that nobody looks at tables either.
func (p *Pass) Bare() bool { return p.bare }

// Figure adds a figure, whose Table must have been added.
func (p *Pass) Figure(f Figure) {
	for _, t := range p.result.Tables {
		if t.Name == f.Table {
			p.result.Figures = append(p.result.Figures, f)
			return
		}
	}
}

// Metric sets a metric of the analyzer's: v in its unit, n its population.
func (p *Pass) Metric(id string, v int64, n int64) { p.metric(id, float64(v), n) }

// Ratio is Metric for units ratio and per_s.
func (p *Pass) Ratio(id string, v float64, n int64) { p.metric(id, v, n) }

func (p *Pass) metric(id string, v float64, n int64) {
	d, ok := p.defs[id]
	if !ok {
		p.blame("it sets metric %s, which is not among its Metrics", id)
	}
	p.report.Metrics[id] = Metric{Value: Number(v), Unit: d.Unit, N: n, Polarity: d.Polarity, Clock: d.Clock, Confidence: d.Confidence, Scale: d.Scale}
}

// When says at which moment of the trace a metric that has been set had its value: a
// maximum or a minimum.
func (p *Pass) When(id string, at parse.Time) {
	if _, own := p.defs[id]; !own {
		return
	}
	if m, ok := p.report.Metrics[id]; ok {
		rel := p.Rel(at)
		m.At = &rel
		p.report.Metrics[id] = m
	}
}

// WhenIs is When, if the metric has that value.
func (p *Pass) WhenIs(id string, v int64, at parse.Time) {
	if float64(p.report.Metrics[id].Value) == float64(v) {
		p.When(id, at)
	}
}

// Quantiles sets those metrics of prefix.{p50,p90,p99,p999,max,total} that the analyzer
// has and that the population of h supports. An audit pools h with those of other
// traces, so it must not change afterwards.
func (p *Pass) Quantiles(prefix string, h *sketch.Histogram) {
	n := h.N()
	if n > 0 {
		p.report.Pools[prefix] = h
		p.pools = append(p.pools, prefix)
	}
	for _, q := range p.Analyzer.quantilesOf(prefix) {
		if v, ok := q.of(h); ok {
			p.Metric(q.id, v, n)
		}
	}
}

// Value returns a metric that a required analyzer sets; ok is false when it cannot be
// said of this trace.
func (p *Pass) Value(id string) (v float64, ok bool) {
	if p.required == nil {
		p.required = Closure(p.Analyzer.Requires)
	}
	if !slices.ContainsFunc(p.required, func(a *Analyzer) bool { _, sets := a.byID()[id]; return sets }) {
		p.blame("it reads metric %s, which no analyzer that it requires sets", id)
	}
	m, ok := p.report.Metrics[id]
	return float64(m.Value), ok
}

// Dur formats ns for people, never finer than the trace's clock.
func (p *Pass) Dur(ns int64) string { return FormatDuration(ns, p.Trace.Quantum) }

// At formats a moment as time since the start of the trace.
func (p *Pass) At(t parse.Time) string { return FormatMoment(int64(t - p.Trace.First)) }

// Rel is a moment as the report's tables and evidence hold it: ns since the start
// of the trace.
func (p *Pass) Rel(t parse.Time) int64 { return int64(t - p.Trace.First) }

// FuncName is the name of a goroutine by its entry function.
func (p *Pass) FuncName(fn parse.StringID) string {
	if fn == 0 {
		return "(unknown)"
	}
	return parse.CleanFunc(p.Trace.String(fn))
}

// SiteName names where in the program a stack is: the program's own function and line,
// with the innermost function of a dependency when there is one between, else with the
// operation of the standard library that it called: "main.readAll:12 (os.(*File).Read)".
func (p *Pass) SiteName(id parse.StackID) string {
	names := Model(p, func() siteNames { return make(siteNames) })
	name, ok := names[id]
	if !ok {
		name = p.siteName(id)
		names[id] = name
	}
	return name
}

// siteNames are those of stacks: many passes ask for the same.
type siteNames map[parse.StackID]string

func (p *Pass) siteName(id parse.StackID) string {
	f, ok := p.Trace.Site(id)
	if !ok {
		return "(no stack)"
	}
	name := fmt.Sprintf("%s:%d", parse.CleanFunc(p.Trace.String(f.Func)), f.Line)
	op, _ := p.Trace.Operation(id)
	if i := slices.IndexFunc(p.Trace.Stack(id), func(f parse.Frame) bool { return !parse.IsStd(p.Trace.String(f.Func)) }); i >= 0 && p.Trace.Stack(id)[i] != f {
		op = p.Trace.Stack(id)[i]
	}
	if op.Func != f.Func {
		name += " (" + parse.CleanFunc(p.Trace.String(op.Func)) + ")"
	}
	return name
}

// Stack returns a stack as evidence shows it, innermost frame first.
func (p *Pass) Stack(id parse.StackID) []Frame {
	var out []Frame
	for _, f := range p.Trace.Stack(id) {
		out = append(out, Frame{p.Trace.String(f.Func), p.Trace.String(f.File), int(f.Line)})
	}
	return out
}
