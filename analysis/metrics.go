package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis/sketch"
)

// A MetricDef is a metric that an analyzer sets. An id never changes its meaning:
// budgets, audits and comparisons read it.
type MetricDef struct {
	ID         string // one with {a,b} stands for several
	Unit       Unit
	Polarity   Polarity
	Clock      Clock
	Confidence Confidence
	Scale      Scale
	Doc        string
}

// Scale says how a metric goes with the length of a trace.
type Scale string

const (
	Level  Scale = ""       // it does not: a quantile, a share, a maximum
	Sum    Scale = "sum"    // it grows with it, and adds up over traces
	Extent Scale = "extent" // it tells how large the trace is, nothing of the program
)

// MetricsOf returns the metrics that analyzers set, each id on its own, sorted by id.
func MetricsOf(analyzers []*Analyzer) []MetricDef {
	var out []MetricDef
	for _, a := range analyzers {
		out = append(out, a.metrics()...)
	}
	slices.SortFunc(out, func(a, b MetricDef) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// metrics are those that a sets, each id on its own.
func (a *Analyzer) metrics() (out []MetricDef) {
	for _, d := range a.Metrics {
		for _, id := range expand(d.ID) {
			d.ID = id
			out = append(out, d)
		}
	}
	return out
}

// byID are the metrics that a sets.
func (a *Analyzer) byID() map[string]MetricDef {
	if defs := a.defs.Load(); defs != nil {
		return *defs
	}
	defs := make(map[string]MetricDef)
	for _, d := range a.metrics() {
		defs[d.ID] = d
	}
	a.defs.Store(&defs)
	return defs
}

// A quantile is a metric of a distribution.
type quantile struct {
	id string
	of func(*sketch.Histogram) (v int64, ok bool)
}

// ofHistogram are the values of the metrics of a distribution, by the end of their ids.
var ofHistogram = map[string]func(*sketch.Histogram) (v int64, ok bool){
	"p50":   func(h *sketch.Histogram) (int64, bool) { return h.Quantile(.5) },
	"p90":   func(h *sketch.Histogram) (int64, bool) { return h.Quantile(.9) },
	"p99":   func(h *sketch.Histogram) (int64, bool) { return h.Quantile(.99) },
	"p999":  func(h *sketch.Histogram) (int64, bool) { return h.Quantile(.999) },
	"max":   func(h *sketch.Histogram) (int64, bool) { return h.Max(), h.N() > 0 },
	"total": func(h *sketch.Histogram) (int64, bool) { return h.Sum(), true },
}

// quantilesOf are the metrics of prefix that a has.
func (a *Analyzer) quantilesOf(prefix string) []quantile {
	if all := a.quantiles.Load(); all != nil {
		return (*all)[prefix]
	}
	all := make(map[string][]quantile)
	for _, d := range a.metrics() {
		if i := strings.LastIndexByte(d.ID, '.'); i >= 0 {
			if of := ofHistogram[d.ID[i+1:]]; of != nil {
				all[d.ID[:i]] = append(all[d.ID[:i]], quantile{d.ID, of})
			}
		}
	}
	a.quantiles.Store(&all)
	return all[prefix]
}

// expand writes out the alternatives of an id with {a,b}.
func expand(id string) []string {
	before, rest, ok := strings.Cut(id, "{")
	alternatives, after, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return []string{id}
	}
	var out []string
	for alt := range strings.SplitSeq(alternatives, ",") {
		out = append(out, expand(before+alt+after)...)
	}
	return out
}

// A FigureDef is a figure that an analyzer may draw. A trace has it when it holds
// something of it.
type FigureDef struct {
	Name string // ANALYZER.NAME, the analyzer's that must run for it
	Doc  string // what it shows, whatever the trace

	// How much it matters: Always, or the largest of From, whichever is more. Figures
	// from 1 on are worth a look.
	Always   float64
	From     []From
	Replaces string // a figure that shows the same less exactly
}

// From says that a figure matters in proportion to a metric, from a value on.
type From struct {
	Metric string
	Value  float64
}

// Analyzer is the name of the analyzer that must run for it.
func (f FigureDef) Analyzer() string {
	name, _, _ := strings.Cut(f.Name, ".")
	return name
}

// weight is how much a figure of the analyzer matters in a report.
func (a *Analyzer) weigh(f *Figure, metrics map[string]Metric) {
	for _, d := range a.Figures {
		if d.Name != f.Name {
			continue
		}
		weight := d.Always
		for _, from := range d.From {
			if m, ok := metrics[from.Metric]; ok {
				weight = max(weight, float64(m.Value)/from.Value)
			}
		}
		f.Weight, f.Replaces = Number(weight), d.Replaces
	}
}

// A misuse is what an analyzer does against the contract: its fault, not ours.
type misuse string

// blame panics with a fault of the pass's analyzer.
func (p *Pass) blame(format string, args ...any) {
	panic(misuse(fmt.Sprintf(format, args...)))
}
