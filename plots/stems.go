package plots

import (
	"fmt"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// stems draws a vertical bar at each moment X, stacked of the value columns. A
// bar has a width that can be seen: it stands for something at its foot's middle,
// not for a time.
func stems(c *chart) error {
	if len(c.fig.Y) == 0 {
		return fmt.Errorf("mark stems needs columns of values")
	}
	at, err := c.column(c.fig.X)
	if err != nil {
		return err
	}
	cols, err := c.columns(c.fig.Y...)
	if err != nil {
		return err
	}
	colors := c.theme.colors(c.fig.Y)
	top, unit := 0.0, c.unit(cols[0])
	var moments []span
	used := make([]bool, len(cols))
	for r := range c.table.Rows {
		x, ok := c.num(r, at)
		if !ok {
			continue
		}
		sum := 0.0
		for k, col := range cols {
			if v, ok := c.num(r, col); ok && v > 0 {
				sum += v
				used[k] = true
			}
		}
		if sum > 0 {
			moments = append(moments, span{from: x, to: x, row: r})
			top = max(top, sum)
		}
	}
	if top == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	if len(moments) < fewValues {
		var values []string
		for _, m := range moments {
			sum := 0.0
			for _, col := range cols {
				if v, ok := c.num(m.row, col); ok && v > 0 {
					sum += v
				}
			}
			values = append(values, number(sum, 0, unit)+" at "+analysis.FormatMoment(int64(m.from)))
		}
		return few(values)
	}
	if err := c.timeAxis(moments); err != nil {
		return err
	}
	c.plot.Y.Min, c.plot.Y.Max, c.plot.Y.Tick.Marker = 0, top*1.06, linearTicks(unit, 5)
	for k, name := range c.fig.Y {
		if used[k] {
			c.keys = append(c.keys, key{name: name, color: colors[k]})
		}
	}
	c.grid(false, true)
	c.refs()
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		// As wide as leaves them apart, between a hair and a finger.
		half := min(max((dc.Max.X-dc.Min.X)/vg.Length(len(moments))/4, .75*px), 5*px)
		for _, m := range moments {
			mid, ground := x(m.from), 0.0
			if mid < dc.Min.X || mid > dc.Max.X {
				continue
			}
			for k, col := range cols {
				if v, ok := c.num(m.row, col); ok && v > 0 {
					c.part(fmt.Sprintf("%s: %s at %s", c.fig.Y[k], number(v, 0, unit), analysis.FormatMoment(int64(m.from))), func() {
						fill(dc, colors[k], max(mid-half, dc.Min.X), y(ground), min(mid+half, dc.Max.X), y(ground+v))
					})
					ground += v
				}
			}
		}
	})
	return nil
}
