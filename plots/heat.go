package plots

import (
	"fmt"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// heat draws how many there were of each class over time: columns of time from X
// to End, classes on a log axis from Series to the second value column.
func heat(c *chart) error {
	if len(c.fig.Y) < 2 {
		return fmt.Errorf("mark heat needs a column of weights and one of the classes' upper bounds")
	}
	cols, err := c.columns(c.fig.X, c.fig.End, c.fig.Series, c.fig.Y[0], c.fig.Y[1])
	if err != nil {
		return err
	}
	if cols[1] < 0 || cols[2] < 0 {
		return fmt.Errorf("mark heat needs columns of ends and classes")
	}
	type cell struct{ x0, x1, y0, y1, n float64 }
	var cells []cell
	top, least, most := 0.0, math.Inf(1), 0.0
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
		cells = append(cells, cell{v[0], v[1], v[2], v[4], v[3]})
		top, least, most = max(top, v[3]), min(least, v[2]), max(most, v[4])
	}
	if len(cells) == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	if err := c.timeAxis([]span{{from: cells[0].x0, to: cells[len(cells)-1].x1}}); err != nil {
		return err
	}
	p := c.plot
	p.Y.Min, p.Y.Max, p.Y.Scale, p.Y.Tick.Marker = least, most, logScale{}, logTicks(c.unit(cols[2]))
	c.grid(false, true)
	share := func(v float64) float64 { return math.Log1p(v*top) / math.Log1p(top) }
	c.scaleKeys(top, analysis.Count, share)
	if len(c.keys) > 0 {
		last := &c.keys[len(c.keys)-1]
		last.name += " " + c.fig.Y[0]
	}
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for _, k := range cells {
			x0, x1 := max(x(k.x0), dc.Min.X), min(x(k.x1), dc.Max.X)
			if x1 > x0 {
				fill(dc, c.theme.shade(share(k.n/top)), x0, y(k.y0), x1-min(.5*px, (x1-x0)/8), y(k.y1)-.5*px)
			}
		}
	})
	return nil
}
