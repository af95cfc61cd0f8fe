package plots

import (
	"fmt"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// points draws a dot for each row at its moment X and its value Y[0], on a log axis, in the
// colour of its Series.
func points(c *chart) error {
	if len(c.fig.Y) == 0 {
		return fmt.Errorf("mark points needs a column of values")
	}
	cols, err := c.columns(c.fig.X, c.fig.Y[0], c.fig.Series)
	if err != nil {
		return err
	}
	at, value, series := cols[0], cols[1], cols[2]
	names, rows := c.groups(series)
	colors := c.theme.colors(names)
	var all []span
	lo, hi := math.Inf(1), math.Inf(-1)
	for r := range c.table.Rows {
		x, ok1 := c.num(r, at)
		v, ok2 := c.num(r, value)
		if !ok1 || !ok2 || v <= 0 {
			continue
		}
		all = append(all, span{from: x, to: x, row: r})
		lo, hi = min(lo, v), max(hi, v)
	}
	if len(all) == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	if len(all) < fewValues {
		var values []string
		for _, s := range all {
			v, _ := c.num(s.row, value)
			values = append(values, number(v, 0, c.unit(value))+" at "+analysis.FormatMoment(int64(s.from)))
		}
		return few(values)
	}
	if err := c.timeAxis(all); err != nil {
		return err
	}
	c.plot.Y.Min, c.plot.Y.Max = lo/1.3, hi*1.3
	c.plot.Y.Scale, c.plot.Y.Tick.Marker = logScale{}, logTicks(c.unit(value))
	for i, n := range names {
		if series >= 0 {
			c.keys = append(c.keys, key{name: n, color: colors[i]})
		}
	}
	c.bands()
	c.grid(false, true)
	c.refs()
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		half := min(max((dc.Max.X-dc.Min.X)/vg.Length(len(all))/2, 1*px), 2.2*px)
		for i, n := range names {
			for _, r := range rows[n] {
				a, ok1 := c.num(r, at)
				v, ok2 := c.num(r, value)
				if mid := x(a); ok1 && ok2 && v > 0 && mid >= dc.Min.X && mid <= dc.Max.X {
					c.part(fmt.Sprintf("%s: %s at %s", n, number(v, 0, c.unit(value)), analysis.FormatMoment(int64(a))), func() {
						fill(dc, colors[i], mid-half, y(v)-half, mid+half, y(v)+half)
					})
				}
			}
		}
	})
	return nil
}
