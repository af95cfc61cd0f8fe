package plots

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
)

// column returns the index of a column; a figure that names one its table lacks
// is a fault of its analyzer.
func (c *chart) column(name string) (int, error) {
	i := slices.IndexFunc(c.table.Columns, func(col analysis.Column) bool { return col.Name == name })
	if i < 0 {
		return 0, fmt.Errorf("table %s has no column %q", c.table.Name, name)
	}
	return i, nil
}

// columns is column for several names; "" gives -1.
func (c *chart) columns(names ...string) ([]int, error) {
	out := make([]int, len(names))
	for i, n := range names {
		if n == "" {
			out[i] = -1
			continue
		}
		var err error
		if out[i], err = c.column(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// num is a cell as a number; ok is false for one that cannot be said or drawn.
func (c *chart) num(row, col int) (v float64, ok bool) {
	switch x := c.table.Rows[row][col].(type) {
	case int64:
		v = float64(x)
	case int:
		v = float64(x)
	case float64:
		v = x
	case analysis.Number:
		v = float64(x)
	case json.Number: // of a saved report
		f, err := x.Float64()
		if err != nil {
			return 0, false
		}
		v = f
	default:
		return 0, false
	}
	return v, finite(v)
}

// text is a cell as the name of a row or series.
func (c *chart) text(row, col int) string {
	cell, unit := c.table.Rows[row][col], c.table.Columns[col].Unit
	if cell == nil {
		return "(none)"
	}
	if s, ok := c.texts[cellKey{unit, cell}]; ok {
		return s
	}
	s, ok := cell.(string)
	if ok {
		s = clean(s)
	} else {
		v, _ := c.num(row, col)
		switch unit {
		case analysis.P:
			s = fmt.Sprintf("P %d", int64(v))
		case analysis.G:
			s = fmt.Sprintf("G %d", int64(v))
		default:
			s = analysis.Format(v, unit, c.opt.Quantum)
		}
	}
	c.texts[cellKey{unit, cell}] = s
	return s
}

// A cellKey tells cells that have the same text.
type cellKey struct {
	unit analysis.Unit
	cell any
}

func (c *chart) unit(col int) analysis.Unit { return c.table.Columns[col].Unit }

// A span is a row of a time table: what it covers, and its index.
type span struct {
	from, to float64
	row      int
}

// spans returns the rows of a table whose column at starts buckets of one width:
// each covers the time to the next, but no more than the width.
func (c *chart) spans(at int, rows []int) []span {
	var out []span
	for _, r := range rows {
		if v, ok := c.num(r, at); ok {
			out = append(out, span{from: v, row: r})
		}
	}
	slices.SortStableFunc(out, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	_, end := c.timeRange(out)
	width := 0.0
	for i := range len(out) - 1 {
		// The first bucket may have begun before the time analysed.
		if d := out[i+1].from - out[i].from; d > 0 && (width == 0 || i == 1 || d < width) {
			width = d
		}
	}
	for i := range out {
		next := end
		if i < len(out)-1 {
			next = out[i+1].from
		}
		if width > 0 && next-out[i].from > width {
			next = out[i].from + width
		}
		out[i].to = max(next, out[i].from)
	}
	return out
}

// timeRange is what time axes show: the analysed time, or what the rows cover.
func (c *chart) timeRange(rows []span) (from, to float64) {
	if c.opt.To > c.opt.From {
		return float64(c.opt.From), float64(c.opt.To)
	}
	for i, s := range rows {
		if i == 0 || s.from < from {
			from = s.from
		}
		to = max(to, s.from, s.to)
	}
	return from, to
}

// timeAxis sets the horizontal axis to the analysed time.
func (c *chart) timeAxis(rows []span) error {
	from, to := c.timeRange(rows)
	if !(to > from) {
		return noData("nothing to draw: the time analysed is empty")
	}
	c.plot.X.Min, c.plot.X.Max = from, to
	c.plot.X.Tick.Marker = linearTicks(analysis.Moment, 8)
	return nil
}

// rows are the indices of all rows.
func (c *chart) rows() []int {
	out := make([]int, len(c.table.Rows))
	for i := range out {
		out[i] = i
	}
	return out
}

// groups are the rows by the name in a column, in order of appearance.
func (c *chart) groups(col int) (names []string, rows map[string][]int) {
	rows = make(map[string][]int)
	for r := range c.table.Rows {
		name := ""
		if col >= 0 {
			name = c.text(r, col)
		}
		if rows[name] == nil {
			names = append(names, name)
		}
		rows[name] = append(rows[name], r)
	}
	return names, rows
}
