package drill

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
)

// Tables are a path as tables: its parts put together by kind, state and place, the
// longest first, and a page of them in order.
func (c *Path) Tables(page Page, names Names) (sums, parts *analysis.Table) {
	tr := c.Trace
	type key struct {
		kind, state, where string
		ended              any
	}
	type sum struct {
		key
		n, ns int64
	}
	total := make(map[key]*sum)
	span := fmt.Sprintf("from %s to %s", analysis.FormatMoment(int64(c.From-tr.First)), analysis.FormatMoment(int64(c.To-tr.First)))
	parts = &analysis.Table{
		Name: "path.parts", Title: fmt.Sprintf("the critical path of goroutine %d %s, in order", c.G, span), N: int64(len(c.Parts)),
		Columns: []analysis.Column{{Name: "at", Unit: analysis.Moment}, {Name: "length", Unit: analysis.NS}, {Name: "G", Unit: analysis.G}, {Name: "kind", Unit: analysis.Text}, {Name: "state", Unit: analysis.Text}, {Name: "where", Unit: analysis.Text}, {Name: "ended by", Unit: analysis.Text}},
	}
	for i, p := range c.Parts {
		k := key{names.of(tr, p.Func, p.Body), p.State.String(), label(tr, p.State, p.Stack, p.Cause), ended(p.State, p.Ready)}
		if total[k] == nil {
			total[k] = &sum{key: k}
		}
		total[k].n++
		total[k].ns += int64(p.To - p.From)
		if i < page.end() {
			parts.Add(int64(p.From-tr.First), int64(p.To-p.From), goCell(p.G), k.kind, k.state, k.where, k.ended)
		}
	}
	parts.More = parts.N - int64(len(parts.Rows))
	if c.Left > 0 {
		k := key{"(all)", "", "parts at the start, which are too many to keep", nil}
		total[k] = &sum{k, 0, c.Left}
	}
	var rows []*sum
	for _, s := range total {
		rows = append(rows, s)
	}
	slices.SortFunc(rows, func(a, b *sum) int {
		return cmp.Or(cmp.Compare(b.ns, a.ns), cmp.Compare(a.kind, b.kind), cmp.Compare(a.state, b.state), cmp.Compare(a.where, b.where), cmp.Compare(fmt.Sprint(a.ended), fmt.Sprint(b.ended)))
	})
	sums = &analysis.Table{
		Name: "path.sums", Title: fmt.Sprintf("the critical path of goroutine %d %s: what it consists of", c.G, span), N: int64(len(c.Parts)),
		Columns: []analysis.Column{{Name: "kind", Unit: analysis.Text}, {Name: "state", Unit: analysis.Text}, {Name: "where", Unit: analysis.Text}, {Name: "ended by", Unit: analysis.Text}, {Name: "parts", Unit: analysis.Count}, {Name: "total", Unit: analysis.NS}, {Name: "share", Unit: analysis.Ratio}},
	}
	for _, s := range rows {
		sums.Add(s.kind, s.state, s.where, s.ended, s.n, s.ns, float64(s.ns)/float64(max(int64(c.To-c.From), 1)))
	}
	return page.of(sums), page.of(parts)
}
