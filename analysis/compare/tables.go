package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// shown bounds tables that people read.
const shown = 12

// amount writes a mean number of goroutines.
func amount(v float64) string {
	switch a := math.Abs(v); {
	case v == 0:
		return "0"
	case a < .001:
		return "<0.001"
	case a < 1:
		return fmt.Sprintf("%.3f", v)
	case a < 10:
		return fmt.Sprintf("%.3g", v)
	case a < 1000:
		return fmt.Sprintf("%.1f", v)
	}
	return analysis.FormatCount(int64(math.Round(v)))
}

// time writes what goroutines spend: how many do on average, or for how long for each request.
func (c *comparison) time(v float64) string {
	if c.by == PerRequest {
		return analysis.FormatDuration(int64(math.Round(v*1e9)), 0)
	}
	return amount(v)
}

// signed is time with a sign.
func (c *comparison) signed(v float64) string {
	switch {
	case v > 0:
		return "+" + c.time(v)
	case v < 0:
		return "-" + c.time(-v)
	}
	return c.time(v)
}

// show writes a value of a change, with what it is per.
func show(ch *analysis.Change, v float64) string {
	text, per := "", "/request"
	if ch.Per == PerRequest && ch.Unit == analysis.Count && max(math.Abs(float64(ch.Old)), math.Abs(float64(ch.New))) < 1 {
		v, per = 1000*v, "/1,000 requests"
	}
	switch ch.Unit {
	case analysis.Ratio, analysis.PerS:
		text = analysis.Format(v, ch.Unit, 0)
	case analysis.Count:
		text = amount(v)
	default:
		text = analysis.Format(int64(math.Round(v)), ch.Unit, 0)
	}
	switch ch.Per {
	case PerSecond:
		text += "/s"
	case PerRequest:
		text += per
	case PerBusy:
		text += "/busy s"
	}
	return text
}

// chance writes how probable a difference is by chance.
func chance(ch *analysis.Change) any {
	if ch.P == nil {
		return nil
	}
	if *ch.P < .001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.2g", float64(*ch.P))
}

func (c *comparison) per() string {
	switch c.by {
	case PerRequest:
		return "for each request"
	case PerBusy:
		return "for each second of P time that the program takes, in seconds of goroutines"
	}
	return "in goroutines on average"
}

// partsTable is where the time of goroutines goes, on both sides; the rows add up to the
// total.
func (c *comparison) partsTable() *analysis.Table {
	if c.c.Total == nil || c.identical() {
		return nil
	}
	t := &analysis.Table{Name: "compare.parts", Title: "where the time of goroutines that are at work or held up goes, " + c.per() + "; the rows add up to the total", N: int64(len(c.c.Parts)), Columns: []analysis.Column{
		{Name: "goroutines", Unit: analysis.Text}, {Name: "old", Unit: analysis.Text}, {Name: "new", Unit: analysis.Text}, {Name: "difference", Unit: analysis.Text},
		{Name: "change", Unit: analysis.Text}, {Name: "chance", Unit: analysis.Text}, {Name: "judged", Unit: analysis.Text},
	}}
	row := func(ch *analysis.Change, judged any) {
		t.Add(ch.Name, c.time(float64(ch.Old)), c.time(float64(ch.New)), c.signed(ch.Delta()), changeOf(float64(ch.Old), float64(ch.New)), chance(ch), judged)
	}
	row(c.c.Total, nil)
	rest, n := analysis.Change{}, 0
	for i := range c.c.Parts {
		ch := &c.c.Parts[i]
		if i < shown && ch.Old != ch.New {
			row(ch, string(ch.Judged))
			continue
		}
		n++
		rest.Old += ch.Old
		rest.New += ch.New
	}
	if n > 0 {
		rest.Name = fmt.Sprintf("%d others", n)
		row(&rest, nil)
	}
	return t
}

// kindsTable is the kinds of goroutines that grew, shrank, came and went.
func (c *comparison) kindsTable() *analysis.Table {
	if c.c.Total == nil {
		return nil
	}
	t := &analysis.Table{Name: "compare.kinds", Title: "kinds of goroutines: the time in which they are at work or held up, " + c.per(), Columns: []analysis.Column{
		{Name: "kind", Unit: analysis.Text}, {Name: "old", Unit: analysis.Text}, {Name: "new", Unit: analysis.Text}, {Name: "difference", Unit: analysis.Text}, {Name: "is", Unit: analysis.Text},
	}}
	kinds := make(map[string]*analysis.Change)
	var all []*analysis.Change
	for _, p := range c.c.Parts {
		k := kinds[p.Kind]
		if k == nil {
			k = &analysis.Change{Name: p.Kind}
			kinds[p.Kind] = k
			all = append(all, k)
		}
		k.Old += p.Old
		k.New += p.New
	}
	slices.SortStableFunc(all, func(a, b *analysis.Change) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Delta()), math.Abs(a.Delta())), strings.Compare(a.Name, b.Name))
	})
	for _, k := range all {
		is := "the same"
		switch d := k.Delta(); {
		case k.Old == 0:
			is = "new"
		case k.New == 0:
			is = "gone"
		case math.Abs(d) < stateBar.least*c.seconds || math.Abs(d) < leastChange*float64(k.Old):
		case d > 0:
			is = "grown"
		default:
			is = "shrunk"
		}
		t.Add(k.Name, c.time(float64(k.Old)), c.time(float64(k.New)), c.signed(k.Delta()), is)
	}
	t.N = int64(len(all))
	t.Limit(shown)
	return t
}

// rank orders what is judged, the worst first.
func rank(j analysis.Judged) int {
	return slices.Index([]analysis.Judged{analysis.Worse, analysis.Better, analysis.Changed, analysis.SeemsWorse, analysis.SeemsBetter, analysis.SeemsOther}, j)
}

// differing are the metrics that differ, the worst and the largest changes first.
func (c *comparison) differing() (out []*analysis.Change) {
	type values struct{ old, new analysis.Number }
	seen := make(map[values]bool) // several metrics may be of the same events
	for i := range c.c.Metrics {
		ch := &c.c.Metrics[i]
		if v := (values{ch.Old, ch.New}); rank(ch.Judged) >= 0 && !seen[v] {
			seen[v] = true
			out = append(out, ch)
		}
	}
	size := func(ch *analysis.Change) float64 {
		low, high := math.Abs(float64(ch.Old)), math.Abs(float64(ch.New))
		return math.Abs(ch.Delta()) / max(low, high)
	}
	last := func(ch *analysis.Change) int {
		if extreme(ch) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b *analysis.Change) int {
		return cmp.Or(rank(a.Judged)-rank(b.Judged), last(a)-last(b), cmp.Compare(size(b), size(a)), strings.Compare(a.Name, b.Name))
	})
	return out
}

func (c *comparison) metricsTable() *analysis.Table {
	n := 0 // that both sides have
	for i := range c.c.Metrics {
		if ch := &c.c.Metrics[i]; ch.Judged != analysis.Unknown || ch.Reason == tooFew {
			n++
		}
	}
	t := &analysis.Table{Name: "compare.metrics", Title: fmt.Sprintf("metrics that differ, of %d that both sides have; medians over traces", n), N: int64(n), Columns: []analysis.Column{
		{Name: "metric", Unit: analysis.Text}, {Name: "old", Unit: analysis.Text}, {Name: "new", Unit: analysis.Text}, {Name: "change", Unit: analysis.Text},
		{Name: "difference lies in", Unit: analysis.Text}, {Name: "chance", Unit: analysis.Text}, {Name: "judged", Unit: analysis.Text},
	}}
	for _, ch := range c.differing() {
		var lies any
		if ch.Lo != nil {
			lies = show(ch, float64(*ch.Lo)) + " … " + show(ch, float64(*ch.Hi))
		}
		t.Add(ch.Name, show(ch, float64(ch.Old)), show(ch, float64(ch.New)), changeOf(float64(ch.Old), float64(ch.New)), lies, chance(ch), string(ch.Judged))
	}
	t.Limit(15)
	return t
}

// starts are the GC cycles of both sides by what began them, in a second, those that differ
// most first.
func (c *comparison) starts() (all []analysis.Change) {
	by := make(map[string]*analysis.Change)
	for i, s := range c.side {
		seconds := 0.0
		for _, t := range s.Traces {
			seconds += float64(t.Duration) / 1e9
		}
		for _, t := range s.Traces {
			for at, n := range t.Starts {
				if by[at] == nil {
					by[at] = &analysis.Change{Name: at, Unit: analysis.PerS}
				}
				rate := analysis.Number(float64(n) / seconds)
				if i == 0 {
					by[at].Old += rate
				} else {
					by[at].New += rate
				}
			}
		}
	}
	for _, ch := range by {
		all = append(all, *ch)
	}
	slices.SortFunc(all, func(a, b analysis.Change) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Delta()), math.Abs(a.Delta())), strings.Compare(a.Name, b.Name))
	})
	return all
}

// startsTable is what begins GC cycles.
func (c *comparison) startsTable() *analysis.Table {
	t := &analysis.Table{Name: "compare.gc", Title: "what begins GC cycles, of the ten most frequent places of each trace", Columns: []analysis.Column{
		{Name: "cycles begin by", Unit: analysis.Text}, {Name: "old", Unit: analysis.PerS}, {Name: "new", Unit: analysis.PerS}, {Name: "change", Unit: analysis.Text},
	}}
	all := c.starts()
	for _, ch := range all {
		if math.Abs(ch.Delta()) >= least(&ch)/10 {
			t.Add(ch.Name, float64(ch.Old), float64(ch.New), changeOf(float64(ch.Old), float64(ch.New)))
		}
	}
	t.N = int64(len(all))
	t.Limit(shown)
	return t
}

// findingsTable is the findings that are new, gone, worse or better.
func (c *comparison) findingsTable() *analysis.Table {
	t := &analysis.Table{Name: "compare.findings", Title: "findings: how many traces of each side have them, and what they cost there", Columns: []analysis.Column{
		{Name: "finding", Unit: analysis.Text}, {Name: "at", Unit: analysis.Text}, {Name: "old", Unit: analysis.Text}, {Name: "new", Unit: analysis.Text},
		{Name: "cost old", Unit: analysis.Text}, {Name: "cost new", Unit: analysis.Text}, {Name: "is", Unit: analysis.Text},
	}}
	type key struct{ code, at string }
	type seen struct {
		n    [2]int
		cost [2][]float64
	}
	all := make(map[key]*seen)
	var order []key
	for i, s := range c.side {
		for _, trace := range s.Traces {
			here := make(map[key]float64)
			for k := range trace.Findings {
				f := &trace.Findings[k]
				id := key{code: f.Code}
				if len(f.Evidence) > 0 {
					id.at = f.Evidence[0].Func
				}
				here[id] += f.Cost.Rate(trace.Duration)
			}
			for id, cost := range here {
				if all[id] == nil {
					all[id] = new(seen)
					order = append(order, id)
				}
				all[id].n[i]++
				all[id].cost[i] = append(all[id].cost[i], cost)
			}
		}
	}
	slices.SortFunc(order, func(a, b key) int { return cmp.Or(strings.Compare(a.code, b.code), strings.Compare(a.at, b.at)) })
	of := func(i int, s *seen) string { return fmt.Sprintf("%d of %d", s.n[i], len(c.side[i].Traces)) }
	cost := func(values []float64) any {
		if len(values) == 0 {
			return nil
		}
		return amount(median(values))
	}
	rows := make(map[string][][]any)
	for _, id := range order {
		s := all[id]
		old, now := median(s.cost[0]), median(s.cost[1])
		is := "the same"
		switch {
		case s.n[0] == 0 && 2*s.n[1] > len(c.side[1].Traces):
			is = "new"
		case s.n[1] == 0 && 2*s.n[0] > len(c.side[0].Traces):
			is = "gone"
		case s.n[0] == 0 || s.n[1] == 0:
			is = "now and then"
		case now > 1.5*old && now-old > .02:
			is = "worse"
		case old > 1.5*now && old-now > .02:
			is = "better"
		}
		rows[is] = append(rows[is], []any{id.code, id.at, of(0, s), of(1, s), cost(s.cost[0]), cost(s.cost[1]), is})
	}
	for _, is := range []string{"new", "worse", "better", "gone", "now and then", "the same"} {
		for _, r := range rows[is] {
			t.Add(r...)
		}
	}
	t.N = int64(len(t.Rows))
	t.Limit(20)
	return t
}

// sidesTable is what both sides are.
func (c *comparison) sidesTable() *analysis.Table {
	t := &analysis.Table{Name: "compare.sides", Title: "what is compared; medians over traces", Columns: []analysis.Column{
		{Name: "fact", Unit: analysis.Text}, {Name: "old", Unit: analysis.Text}, {Name: "new", Unit: analysis.Text},
	}}
	for _, f := range c.facts {
		t.Add(f.name, f.text[0], f.text[1])
	}
	return t
}
