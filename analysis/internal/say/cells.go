package say

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// QuantileCell is the cell of a quantile, nil when the population is too small.
func QuantileCell(h *sketch.Histogram, q float64) any {
	if v, ok := h.Quantile(q); ok {
		return v
	}
	return nil
}

// MaxCell is the cell of the largest value, nil when there is none.
func MaxCell(h *sketch.Histogram) any {
	if h.N() == 0 {
		return nil
	}
	return h.Max()
}

// RatioCell is a of b, nil when b is 0.
func RatioCell(a, b int64) any {
	if b == 0 {
		return nil
	}
	return float64(a) / float64(b)
}

// SeriesTable makes a table of counts over time, one column per lane.
func SeriesTable(p *analysis.Pass, s *sketch.Series, name, title string, lanes ...string) {
	t := &analysis.Table{Name: name, Title: fmt.Sprintf("%s, in buckets of %s", title, p.Dur(s.Width())), Detail: true,
		Columns: []analysis.Column{{Name: "time", Unit: analysis.Moment}}}
	for _, l := range lanes {
		t.Columns = append(t.Columns, analysis.Column{Name: l, Unit: analysis.Count})
	}
	for i := range s.Len() {
		from := max(p.Trace.From, parse.Time(s.Start()+int64(i)*s.Width()))
		row := []any{p.Rel(from)}
		for l := range lanes {
			v := s.At(i, l)
			t.N += v
			row = append(row, v)
		}
		t.Add(row...)
	}
	if end := parse.Time(s.Start() + int64(s.Len())*s.Width()); s.Len() > 0 && end < p.Trace.To {
		row := []any{p.Rel(end)} // nothing more happened
		for range lanes {
			row = append(row, int64(0))
		}
		t.Add(row...)
	}
	p.Table(t)
}

// HistogramTable makes a table of a distribution, in the buckets of coarse.
func HistogramTable(p *analysis.Pass, h *sketch.Histogram, name, title string) {
	t := &analysis.Table{Name: name, Title: title, N: h.N(), Detail: true,
		Columns: []analysis.Column{{Name: "from", Unit: analysis.NS}, {Name: "to", Unit: analysis.NS}, {Name: "count", Unit: analysis.Count}}}
	var c tally.Coarse
	h.Bins(func(lo, _, n int64) bool {
		c.AddN(lo, n)
		return true
	})
	for i, n := range c.Bins() {
		t.Add(tally.CoarseBottom(i), tally.CoarseTop(i), n)
	}
	p.Table(t)
}

// QuantileRefs are lines at the quantiles that h supports, or at its maximum.
func QuantileRefs(p *analysis.Pass, h *sketch.Histogram) (refs []analysis.Ref) {
	add := func(name string, v int64) {
		refs = append(refs, analysis.Ref{Axis: "x", Value: analysis.Number(v), Label: name + " " + p.Dur(v)})
	}
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p99.9", .999}} {
		if v, ok := h.Quantile(q.q); ok {
			add(q.name, v)
		}
	}
	if len(refs) == 0 && h.N() > 0 {
		add("longest", h.Max())
	}
	return refs
}

func ECDFTable(name, title, series string, n int64) *analysis.Table {
	return &analysis.Table{
		Name: name, Title: title, N: n, Detail: true,
		Columns: []analysis.Column{{Name: series, Unit: analysis.Text}, {Name: "latency", Unit: analysis.NS}, {Name: "share", Unit: analysis.Ratio}},
	}
}

// AddECDF adds the share of values up to a latency, in steps of at least 5 %.
func AddECDF(t *analysis.Table, series string, h *sketch.Histogram) {
	var upTo, last int64
	h.Bins(func(_, hi, n int64) bool {
		upTo += n
		if upTo == n || upTo == h.N() || hi >= last+last/20 {
			t.Add(series, hi, Ratio(upTo, h.N()))
			last = hi
		}
		return true
	})
}
