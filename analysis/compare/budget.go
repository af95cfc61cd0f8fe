package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// A Budget bounds by how much a metric may be more, or less, after a change than before.
type Budget struct {
	Name   string
	Metric string
	Less   bool    // it is less that is bounded
	Limit  float64 // of the value before where Share, else in the unit of the metric; a sum is per what it is divided by
	Share  bool
	Level  analysis.Severity // of a broken one
	From   string            // where it is written: file:line
}

// How a budget ended.
const (
	kept   = "kept"
	broken = "broken"
	open   = "inconclusive" // over, but perhaps by chance, or not known
)

// budgets says which hold. A difference over the limit that may be chance neither keeps
// nor breaks a budget.
func (c *comparison) budgets(all []Budget) *analysis.Result {
	if len(all) == 0 {
		return nil
	}
	res := &analysis.Result{Name: "budgets", Title: "are the budgets on differences kept?", Check: true, Outcome: analysis.Clear}
	t := &analysis.Table{Name: "budgets", Title: "budgets on differences", N: int64(len(all)), Columns: []analysis.Column{
		{Name: "budget", Unit: analysis.Text}, {Name: "verdict", Unit: analysis.Text}, {Name: "old", Unit: analysis.Text}, {Name: "new", Unit: analysis.Text}, {Name: "limit", Unit: analysis.Text},
	}}
	for i := range all {
		b := &all[i]
		at := slices.IndexFunc(c.c.Metrics, func(ch analysis.Change) bool { return ch.Name == b.Metric })
		if at < 0 {
			t.Add(b.Name, open, nil, nil, nil)
			res.Summary = append(res.Summary, fmt.Sprintf("Budget %s is inconclusive: no trace has %s.", b.Name, b.Metric))
			continue
		}
		ch := &c.c.Metrics[at]
		how, limit := b.check(ch), b.text(ch)
		old, now := show(ch, float64(ch.Old)), show(ch, float64(ch.New))
		t.Add(b.Name, how, old, now, limit)
		switch how {
		case broken:
			res.Outcome = analysis.Found
			res.Findings = append(res.Findings, analysis.Finding{
				Code: "budgets", Severity: b.Level, Confidence: analysis.Measured, Advice: "The budget is in " + b.From + ".",
				Summary: fmt.Sprintf("Budget %s is broken: %s %s → %s, %s.", b.Name, b.Metric, old, now, limit),
			})
		case open:
			why := ch.Reason
			if why == "" {
				why = "it may be chance"
			}
			res.Summary = append(res.Summary, fmt.Sprintf("Budget %s is inconclusive: %s %s → %s, %s, but %s.", b.Name, b.Metric, old, now, limit, why))
		}
	}
	if len(res.Findings) == 0 && len(res.Summary) > 0 {
		res.Outcome, res.Reason = analysis.NotApplicable, strings.Join(res.Summary, " ")
	}
	res.Tables = []*analysis.Table{t}
	return res
}

// check is how the budget ends.
func (b *Budget) check(ch *analysis.Change) string {
	d, limit := ch.Delta(), b.Limit
	if b.Less {
		d = -d
	}
	if b.Share {
		limit *= math.Abs(float64(ch.Old))
	}
	switch {
	case ch.N[0] == 0 || ch.N[1] == 0:
		return open
	case d <= limit:
		return kept
	case ch.Judged.Shown():
		return broken
	}
	return open
}

// text is what the budget allows, in words.
func (b *Budget) text(ch *analysis.Change) string {
	limit := show(ch, b.Limit)
	if b.Share {
		limit = analysis.FormatRatio(b.Limit)
	}
	if b.Less {
		return "at most " + limit + " less"
	}
	return "at most " + limit + " more"
}

// Budgets are the names of the budgets of a report that are broken, and of those of which
// it does not tell.
func Budgets(rep *analysis.Report) (broke, opened []string) {
	for _, res := range rep.Results {
		if res.Name != "budgets" {
			continue
		}
		for _, row := range res.Tables[0].Rows {
			switch name, _ := row[0].(string); row[1] {
			case broken:
				broke = append(broke, name)
			case open:
				opened = append(opened, name)
			}
		}
	}
	return broke, opened
}
