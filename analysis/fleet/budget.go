package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// A Budget bounds a metric over traces.
type Budget struct {
	Name     string
	Metric   string
	Max, Min *float64 // one of them
	Unit     analysis.Unit
	Level    analysis.Severity      // of a broken one
	Traces   func(path string) bool // nil for all
	Group    func(name string) bool // nil for all
	Quantile float64                // over traces, 0…1; 1 is the worst trace
	Least    int                    // traces to check by
	From     string                 // where it is written: file:line
}

// Baseline are the values of budgets at an earlier time, by name. A budget that was
// broken then is broken now only when it is worse.
type Baseline map[string]float64

// Verdict is how a budget ended.
type Verdict string

const (
	Kept         Verdict = "kept"
	Broken       Verdict = "broken"
	Known        Verdict = "known" // over, but not worse than the baseline
	Inconclusive Verdict = "inconclusive"
)

// A Judgement is a Budget with its value over the traces.
type Judgement struct {
	*Budget
	Verdict Verdict
	Value   float64 // not of an inconclusive one
	N       int     // traces that have the metric
	Worst   string  // path; "" where N is 0
	Limit   float64
	Before  *float64 // in the baseline
}

// Check says which budgets hold. The error is about what was set aside.
func (f *Fleet) Check() ([]Judgement, error) {
	var out []Judgement
	for i := range f.opt.Budgets {
		j, err := f.check(&f.opt.Budgets[i])
		if err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	return out, nil
}

func (f *Fleet) check(b *Budget) (Judgement, error) {
	j := Judgement{Budget: b, Verdict: Kept}
	var all []value
	if col := f.columns.byName[b.Metric]; col != nil {
		var err error
		if all, err = f.columns.values(col); err != nil {
			return j, err
		}
	}
	var values []float64
	var worst float64
	for _, v := range all {
		path := f.rows[v.row].path
		if b.Traces != nil && !b.Traces(path) || b.Group != nil && !b.Group(f.opt.Group(path)) {
			continue
		}
		better := b.Max != nil && v.v < worst || b.Max == nil && v.v > worst
		tie := v.v == worst && path > j.Worst
		if len(values) == 0 || !better && !tie {
			j.Worst, worst = path, v.v
		}
		values = append(values, v.v)
	}
	j.N = len(values)
	worse := func(a, b float64) bool { return a > b }
	q := b.Quantile
	if b.Max != nil {
		j.Limit = *b.Max
	} else {
		j.Limit = *b.Min
		worse = func(a, b float64) bool { return a < b }
		q = 1 - q
	}
	if j.N == 0 || j.N < b.Least {
		j.Verdict = Inconclusive
		return j, nil
	}
	slices.Sort(values)
	j.Value = ranked(values, q)
	over := worse(j.Value, j.Limit)
	if over {
		j.Verdict = Broken
	}
	if before, ok := f.opt.Baseline[b.Name]; ok {
		j.Before = &before
		if over && !worse(j.Value, before) {
			j.Verdict = Known
		}
	}
	return j, nil
}

// NewBaseline holds the values that the traces have now.
func (f *Fleet) NewBaseline() (Baseline, error) {
	all, err := f.Check()
	out := make(Baseline)
	for _, j := range all {
		if j.Verdict != Inconclusive {
			out[j.Name] = j.Value
		}
	}
	return out, err
}

// Budgets says which budgets hold, in the shape of a check's result.
func (f *Fleet) Budgets() (*analysis.Result, error) {
	all, err := f.Check()
	if err != nil {
		return nil, err
	}
	res := &analysis.Result{Name: "budgets", Title: "are the budgets of the configuration kept?", Check: true, Outcome: analysis.Clear}
	t := &analysis.Table{Name: "budgets", Title: "budgets: the value is a quantile over the traces that have the metric", Columns: []analysis.Column{
		{Name: "budget", Unit: analysis.Text}, {Name: "verdict", Unit: analysis.Text}, {Name: "value", Unit: analysis.Text}, {Name: "limit", Unit: analysis.Text},
		{Name: "baseline", Unit: analysis.Text}, {Name: "traces", Unit: analysis.Count}, {Name: "worst", Unit: analysis.Text},
	}}
	for _, j := range all {
		show := func(v float64) string { return analysis.Format(cellOf(v, j.Unit), j.Unit, 1) }
		value, before, worst, bound := "", "", j.Worst, "at most "
		if j.Verdict != Inconclusive {
			value = show(j.Value)
		}
		if j.Before != nil {
			before = show(*j.Before)
		}
		if j.Max == nil {
			bound = "at least "
		}
		t.Add(j.Name, string(j.Verdict), value, bound+show(j.Limit), before, int64(j.N), worst)
		t.N++
		switch j.Verdict {
		case Broken:
			s := fmt.Sprintf("Budget %s is broken: %s is %s over %d traces, %s%s; worst in %s.", j.Name, j.Metric, value, j.N, bound, show(j.Limit), worst)
			if len(f.rows) == 1 {
				s = fmt.Sprintf("Budget %s is broken: %s is %s, %s%s.", j.Name, j.Metric, value, bound, show(j.Limit))
			}
			if j.Before != nil {
				s += " The baseline has " + before + "."
			}
			one := analysis.Finding{Code: "budgets", Severity: j.Level, Summary: s, Confidence: analysis.Measured, Advice: "The budget is in " + j.From + "."}
			if len(f.rows) > 1 {
				one.Trace = j.Worst
			}
			res.Findings = append(res.Findings, one)
			res.Outcome = analysis.Found
		case Inconclusive:
			res.Summary = append(res.Summary, fmt.Sprintf("Budget %s is inconclusive: %s is known of %d traces, and at least %d are needed.", j.Name, j.Metric, j.N, max(j.Least, 1)))
		}
	}
	if len(res.Findings) == 0 && len(res.Summary) > 0 {
		res.Outcome, res.Reason = analysis.NotApplicable, strings.Join(res.Summary, " ")
	}
	res.Tables = []*analysis.Table{t}
	return res, nil
}
