package analysis

import "math"

// Packed are the rows of a table that may have very many, by column, 8 bytes a cell: a
// text is an index into Texts, and None is a cell that cannot be said. No column is a
// Ratio or a rate.
type Packed struct {
	Columns [][]int64
	Texts   []string
}

// None stands in Packed for a cell that cannot be said.
const None = math.MinInt64

// Len is how many rows there are.
func (p *Packed) Len() int {
	if p == nil || len(p.Columns) == 0 {
		return 0
	}
	return len(p.Columns[0])
}

// Unpack gives the packed tables of a report rows like all others.
func (r *Report) Unpack() {
	for _, res := range r.Results {
		for _, t := range res.Tables {
			t.Unpack()
		}
	}
}

// Unpack gives a packed table rows like any other.
func (t *Table) Unpack() {
	p := t.Packed
	if p == nil {
		return
	}
	t.Packed, t.Rows = nil, make([][]any, p.Len())
	for i := range t.Rows {
		row := make([]any, len(t.Columns))
		for k, c := range t.Columns {
			switch v := p.Columns[k][i]; {
			case v == None:
			case c.Unit == Text:
				row[k] = p.Texts[v]
			default:
				row[k] = v
			}
		}
		t.Rows[i] = row
	}
}
