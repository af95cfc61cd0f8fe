package plots

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// heat draws how much there was over time, from X to End: of each class on a log axis from
// Series to the second value column, or without that in a row for each Series.
func heat(c *chart) error {
	if len(c.fig.Y) == 0 {
		return fmt.Errorf("mark heat needs a column of weights")
	}
	upper := ""
	if len(c.fig.Y) > 1 {
		upper = c.fig.Y[1]
	}
	cols, err := c.columns(c.fig.X, c.fig.End, c.fig.Series, c.fig.Y[0], upper)
	if err != nil {
		return err
	}
	if cols[1] < 0 || cols[2] < 0 {
		return fmt.Errorf("mark heat needs columns of ends and classes")
	}
	var cells []heatCell
	var names []string
	if upper == "" {
		cells, names = c.heatRows(cols)
	} else {
		cells = c.heatClasses(cols)
	}
	top, least, most := 0.0, math.Inf(1), 0.0
	begin, end := math.Inf(1), 0.0
	for _, k := range cells {
		top, least, most = max(top, k.n), min(least, k.y0), max(most, k.y1)
		begin, end = min(begin, k.x0), max(end, k.x1)
	}
	if len(cells) == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	if err := c.timeAxis([]span{{from: begin, to: end}}); err != nil {
		return err
	}
	p, unit := c.plot, c.unit(cols[3])
	share := func(v float64) float64 { return math.Log1p(v*top) / math.Log1p(top) }
	if upper == "" {
		n := float64(len(names))
		p.Y.Min, p.Y.Max = 0, n
		each := c.rowHeight(len(names), max(min(280/n, 34), 6))
		c.height = vg.Length(each*n) * px
		p.Y.Tick.Marker = c.rowNames(names, each)
		share = func(v float64) float64 { return v }
	} else {
		p.Y.Min, p.Y.Max, p.Y.Scale, p.Y.Tick.Marker = least, most, logScale{}, logTicks(c.unit(cols[2]))
		c.grid(false, true)
	}
	c.scaleKeys(top, unit, upper != "", share)
	if len(c.keys) > 0 {
		last := &c.keys[len(c.keys)-1]
		last.name += " " + clean(c.fig.Y[0])
	}
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for _, k := range cells {
			x0, x1 := max(x(k.x0), dc.Min.X), min(x(k.x1), dc.Max.X)
			if x1 > x0 {
				c.part(number(k.n, 0, unit)+" "+c.fig.Y[0], func() {
					fill(dc, c.theme.shade(share(k.n/top)), x0, y(k.y0), x1-min(.5*px, (x1-x0)/8), y(k.y1)-.5*px)
				})
			}
		}
	})
	return nil
}

type heatCell struct{ x0, x1, y0, y1, n float64 }

// heatClasses are the cells of classes that have bounds.
func (c *chart) heatClasses(cols []int) (cells []heatCell) {
	for r := range c.table.Rows {
		var v [5]float64
		whole := true
		for i, col := range cols {
			var ok bool
			v[i], ok = c.num(r, col)
			whole = whole && ok
		}
		if !whole || v[3] <= 0 || v[4] <= 0 {
			continue
		}
		if v[2] <= 0 {
			v[2] = v[4] / 2 // the class of the least has no lower bound
		}
		cells = append(cells, heatCell{v[0], v[1], v[2], v[4], v[3]})
	}
	return cells
}

// heatRows are the cells of rows by name, the first at the top.
func (c *chart) heatRows(cols []int) (cells []heatCell, names []string) {
	names, rows := c.groups(cols[2])
	slices.SortStableFunc(names, natural)
	for i, name := range names {
		ground := float64(len(names) - 1 - i)
		for _, r := range rows[name] {
			from, ok1 := c.num(r, cols[0])
			to, ok2 := c.num(r, cols[1])
			n, ok3 := c.num(r, cols[3])
			if ok1 && ok2 && ok3 && n > 0 {
				cells = append(cells, heatCell{from, to, ground, ground + 1, n})
			}
		}
	}
	return cells, names
}
