package fleet

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/tracelens/tracelens/analysis"
)

// minPopulation is the least number of values among which one may stand out.
const minPopulation = 8

// minScore is from where on a value stands out: more than the 3.5 that is usual for a
// score from the median absolute deviation (Iglewicz and Hoaglin, How to Detect and
// Handle Outliers, 1993), since a trace has a hundred metrics to be far off in.
const minScore = 5

// An outlier is a trace whose metric is far from the fleet's, on its bad side where it
// has one.
type outlier struct {
	*column
	value
	median float64 // of a sum: what a trace of this length has at the median rate
	score  float64 // robust z
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

// deviations are the absolute ones of sorted values from mid, sorted.
func deviations(sorted []float64, mid float64) []float64 {
	out := make([]float64, 0, len(sorted))
	above, _ := slices.BinarySearch(sorted, mid)
	for below := above - 1; len(out) < len(sorted); {
		switch {
		case above == len(sorted), below >= 0 && mid-sorted[below] < sorted[above]-mid:
			out = append(out, mid-sorted[below])
			below--
		default:
			out = append(out, sorted[above]-mid)
			above++
		}
	}
	return out
}

// spread is a standard deviation from sorted absolute deviations: by their median, or by
// their mean where more than half are 0.
func spread(deviations []float64) float64 {
	if m := median(deviations); m > 0 {
		return 1.4826 * m
	}
	sum := 0.0
	for _, d := range deviations { // sorted: the sum does not depend on an order
		sum += d
	}
	return 1.2533 * sum / float64(len(deviations))
}

// seconds is what a sum is divided by; a level is not.
func (r *row) seconds(sum bool) float64 {
	if !sum || r.duration <= 0 {
		return 1
	}
	return float64(r.duration) / 1e9
}

// outliers are those of a metric, whose values come sorted as well, farthest first.
func (f *Fleet) outliers(col *column, values []value, sorted []float64) []outlier {
	var out []outlier
	for _, o := range f.scores(col, values, sorted) {
		if o.score >= minScore && math.Abs(o.v-o.median) >= least(col.kind.Scale == analysis.Sum, col.kind.Unit, f.rows[o.row].duration) {
			out = append(out, o)
		}
	}
	if len(out)*4 > len(values) { // another kind of trace, not a few that stand out
		return nil
	}
	slices.SortFunc(out, func(a, b outlier) int { return cmp.Or(cmp.Compare(b.score, a.score), f.compare(a.row, b.row)) })
	return out
}

// scores say how far each value of a metric is from the others, above 0 on its bad side;
// nil where there are too few. Distances are taken on a logarithmic scale that begins where
// differences can matter, except for shares.
func (f *Fleet) scores(col *column, values []value, sorted []float64) []outlier {
	m := col.kind
	if len(values) < minPopulation || m.Scale == analysis.Extent {
		return nil
	}
	sum := m.Scale == analysis.Sum // grows with the trace, so it is compared per second
	raw, usual := sorted, 1.0
	if sum {
		raw = make([]float64, len(values))
		for i, v := range values {
			raw[i] = f.rows[v.row].seconds(sum)
		}
		slices.Sort(raw)
		usual = median(raw)
		for i, v := range values {
			raw[i] = v.v / f.rows[v.row].seconds(sum)
		}
		slices.Sort(raw)
	}
	origin := least(sum, m.Unit, int64(usual*1e9)) / usual
	scale := func(v float64) float64 {
		if m.Unit == analysis.Ratio {
			return v
		}
		return math.Log(max(v, 0) + origin)
	}
	scaled := make([]float64, len(raw)) // as sorted
	for i, v := range raw {
		scaled[i] = scale(v)
	}
	mid, rawMid := median(scaled), median(raw)
	sigma := spread(deviations(scaled, mid))
	if m.Unit == analysis.Ratio {
		sigma = max(sigma, least(sum, m.Unit, 0))
	} else {
		sigma = max(sigma, minSpread)
	}
	out := make([]outlier, 0, len(values))
	for _, v := range values {
		r := &f.rows[v.row]
		z := (scale(v.v/r.seconds(sum)) - mid) / sigma
		switch m.Polarity {
		case analysis.Higher:
			z = -z
		case analysis.Neutral:
			z = math.Abs(z)
		}
		out = append(out, outlier{col, v, rawMid * r.seconds(sum), z})
	}
	return out
}

// when is the moment of the value in the trace, nil where it has none.
func (v *value) when() any {
	if v.at != nil {
		return *v.at
	}
	return nil
}

func (o *outlier) times() string {
	if o.median == 0 {
		return "median 0"
	}
	times := o.v / o.median
	switch {
	case times >= 100:
		return analysis.FormatCount(int64(math.Round(times))) + "×"
	case times > 0 && times < .001:
		return "<0.001×"
	}
	return fmt.Sprintf("%.3g×", times)
}

// shownTraces and shownPerMetric bound tables that people read.
const (
	shownTraces    = 20
	shownPerMetric = 5
)

// A ranking finds for each trace the metric in which it is farthest from the others.
type ranking map[int]*rank // by row

type rank struct {
	worst outlier
	n     int64 // metrics in which it stands out
}

func (r ranking) add(outliers []outlier) {
	for _, o := range outliers {
		k := r[o.row]
		if k == nil {
			k = &rank{worst: o}
			r[o.row] = k
		}
		k.n++
		if o.score > k.worst.score {
			k.worst = o
		}
	}
}

// table has the traces, farthest first.
func (r ranking) table(f *Fleet) *analysis.Table {
	t := &analysis.Table{Name: "traces", Title: fmt.Sprintf("traces that stand out, of %d: the metric in which each is farthest from the median, by robust z", f.sound), N: int64(f.sound), Columns: []analysis.Column{
		{Name: "trace", Unit: analysis.Text}, {Name: "worst", Unit: analysis.Text}, {Name: "value", Unit: analysis.Text}, {Name: "times", Unit: analysis.Text},
		{Name: "z", Unit: analysis.Count}, {Name: "at", Unit: analysis.Moment}, {Name: "metrics", Unit: analysis.Count},
	}}
	order := make([]*rank, 0, len(r))
	for _, k := range r {
		order = append(order, k)
	}
	slices.SortFunc(order, func(a, b *rank) int {
		return cmp.Or(cmp.Compare(b.worst.score, a.worst.score), f.compare(a.worst.row, b.worst.row))
	})
	t.More = int64(max(len(order)-shownTraces, 0))
	for _, k := range order[:min(len(order), shownTraces)] {
		o := &k.worst
		t.Add(f.rows[o.row].path, o.name, analysis.Format(cellOf(o.v, o.kind.Unit), o.kind.Unit, f.rows[o.row].quantum), o.times(), int64(math.Round(o.score)), o.when(), k.n)
	}
	return t
}

func cellOf(v float64, u analysis.Unit) any {
	if u == analysis.Ratio || u == analysis.PerS {
		return v
	}
	return int64(math.Round(v))
}

// units are those of metrics, in the order of their tables.
var units = []analysis.Unit{analysis.NS, analysis.Count, analysis.Bytes, analysis.Ratio, analysis.PerS}

var unitNames = map[analysis.Unit]string{analysis.NS: "times", analysis.Count: "counts", analysis.Bytes: "sizes", analysis.Ratio: "shares", analysis.PerS: "rates"}

// outlierTable is for the farthest traces of each metric of a unit.
func (f *Fleet) outlierTable(u analysis.Unit) *analysis.Table {
	return &analysis.Table{Name: "outliers." + unitNames[u], Title: fmt.Sprintf("outliers of each metric, %s: at most %d of %d traces", unitNames[u], shownPerMetric, f.sound), N: int64(f.sound), Detail: true, Columns: []analysis.Column{
		{Name: "metric", Unit: analysis.Text}, {Name: "trace", Unit: analysis.Text}, {Name: "value", Unit: u}, {Name: "median", Unit: u},
		{Name: "times", Unit: analysis.Text}, {Name: "z", Unit: analysis.Count}, {Name: "at", Unit: analysis.Moment}, {Name: "of", Unit: analysis.Count},
	}}
}

func (f *Fleet) addOutliers(t *analysis.Table, outliers []outlier, of int) {
	for i := range outliers {
		if i >= shownPerMetric {
			t.More += int64(len(outliers) - i)
			return
		}
		o := &outliers[i]
		u := o.kind.Unit
		t.Add(o.name, f.rows[o.row].path, cellOf(o.v, u), cellOf(o.median, u), o.times(), int64(math.Round(o.score)), o.when(), int64(of))
	}
}

// ranked is the q-quantile of sorted values by nearest rank.
func ranked(sorted []float64, q float64) float64 {
	return sorted[max(int(math.Ceil(q*float64(len(sorted))-1e-9)), 1)-1]
}

// distributionTable is for each metric of a unit over the traces. A quantile stands where
// at least one trace lies beyond it.
func (f *Fleet) distributionTable(u analysis.Unit) *analysis.Table {
	return &analysis.Table{Name: "distributions." + unitNames[u], Title: fmt.Sprintf("each metric over the traces, %s: one value a trace", unitNames[u]), N: int64(f.sound), Detail: true, Columns: []analysis.Column{
		{Name: "metric", Unit: analysis.Text}, {Name: "traces", Unit: analysis.Count}, {Name: "min", Unit: u},
		{Name: "p50", Unit: u}, {Name: "p90", Unit: u}, {Name: "p99", Unit: u}, {Name: "max", Unit: u}, {Name: "worst", Unit: analysis.Text},
	}}
}

// sortedValues are those alone.
func sortedValues(values []value) []float64 {
	sorted := make([]float64, len(values))
	for i, v := range values {
		sorted[i] = v.v
	}
	slices.Sort(sorted)
	return sorted
}

func (f *Fleet) addDistribution(t *analysis.Table, col *column, values []value, sorted []float64) {
	worst := values[0]
	for _, v := range values {
		worse := v.v > worst.v != (col.kind.Polarity == analysis.Higher)
		if v.v != worst.v && worse || v.v == worst.v && f.compare(v.row, worst.row) < 0 {
			worst = v
		}
	}
	u := col.kind.Unit
	quantile := func(q float64) any {
		if float64(len(sorted))*(1-q) < 1-1e-9 {
			return nil
		}
		return cellOf(ranked(sorted, q), u)
	}
	t.Add(col.name, int64(len(sorted)), cellOf(sorted[0], u), quantile(.5), quantile(.9), quantile(.99), cellOf(sorted[len(sorted)-1], u), f.rows[worst.row].path)
}
