package plots

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// ecdf draws cumulative shares over a log axis, and dots on the first series.
func ecdf(c *chart) error {
	if len(c.fig.Y) == 0 {
		return fmt.Errorf("mark ecdf needs a column of shares")
	}
	cols, err := c.columns(c.fig.X, c.fig.Y[0], c.fig.Series)
	if err != nil {
		return err
	}
	x, share, series := cols[0], cols[1], cols[2]
	names, rows := c.groups(series)
	least, most := math.Inf(1), 0.0
	for r := range c.table.Rows {
		if v, ok := c.num(r, x); ok && v > 0 {
			least, most = min(least, v), max(most, v)
		}
	}
	if most == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	if n := c.table.N; n > 0 && n < fewValues {
		var values []string
		for _, r := range rows[names[0]] {
			if v, ok := c.num(r, x); ok {
				values = append(values, number(v, 0, c.unit(x)))
			}
		}
		if err := few(values); err != nil {
			return err
		}
	}
	lo, hi := least/1.5, most*1.5
	var curves []curve
	colors := c.theme.colors(names)
	for i, name := range names {
		k := curve{name: name, color: colors[i], dashed: slices.Contains(colors[:i], colors[i])}
		below := 0.0
		for _, r := range rows[name] {
			v, ok1 := c.num(r, x)
			s, ok2 := c.num(r, share)
			if !ok1 || !ok2 {
				continue
			}
			v = max(v, lo) // shorter than the clock can tell
			if len(k.xy) == 0 {
				k.xy = append(k.xy, [2]float64{lo, 0})
			}
			k.xy = append(k.xy, [2]float64{v, below}, [2]float64{v, s})
			below = s
		}
		if len(k.xy) > 0 {
			k.xy = append(k.xy, [2]float64{hi, below})
			curves = append(curves, k)
		}
	}
	if len(curves) == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	p := c.plot
	p.X.Min, p.X.Max, p.X.Scale, p.X.Tick.Marker = lo, hi, logScale{}, logTicks(c.unit(x))
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, 1, linearTicks(analysis.Ratio, 4)
	c.top = 6 * px
	c.grid(true, true)
	if len(curves) > 1 {
		for _, k := range curves {
			c.keys = append(c.keys, key{name: k.name, color: k.color, line: true, dashed: k.dashed})
		}
	}
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for i := len(curves) - 1; i >= 0; i-- {
			line := draw.LineStyle{Color: curves[i].color, Width: 1.5 * px}
			if i == 0 {
				line.Width = 2.6 * px
			}
			if curves[i].dashed {
				line.Dashes = dashes
			}
			pts := make([]vg.Point, len(curves[i].xy))
			for j, pt := range curves[i].xy {
				pts[j] = vg.Point{X: x(pt[0]), Y: y(pt[1])}
			}
			c.part(curves[i].name, func() { dc.StrokeLines(line, pts) })
		}
		c.markRefs(dc, curves[0], x, y)
	})
	return nil
}

// markRefs puts dots on a curve. Labels stand one below the other.
func (c *chart) markRefs(dc draw.Canvas, k curve, x, y func(float64) vg.Length) {
	below := dc.Max.Y + 4*px
	for _, r := range slices.Backward(c.fig.Refs) {
		at := float64(r.Value)
		if r.Axis != "x" || at < c.plot.X.Min || at > c.plot.X.Max {
			continue
		}
		i := max(slices.IndexFunc(k.xy, func(pt [2]float64) bool { return pt[0] >= at }), 0)
		for i < len(k.xy)-1 && k.xy[i+1][0] == k.xy[i][0] {
			i++ // the top of the step
		}
		dot := vg.Point{X: x(at), Y: y(k.xy[i][1])}
		dc.DrawGlyph(draw.GlyphStyle{Color: c.theme.back, Radius: 4.5 * px, Shape: draw.CircleGlyph{}}, dot)
		dc.DrawGlyph(draw.GlyphStyle{Color: c.theme.text, Radius: 3.2 * px, Shape: draw.CircleGlyph{}}, dot)
		below = min(below-15*px, dot.Y-2*px)
		l := label{text: clean(r.Label), x: dot.X + 8*px, y: below, yAlign: -1, color: c.theme.text, halo: true, size: 11.5, bold: true}
		// A label never stands left of its dot, where that of another is.
		if over := c.style(11.5, true, nil).Width(l.text) + l.x - dc.Max.X; over > 0 {
			below = min(below, dot.Y-9*px)
			l.x, l.y = l.x-over, below
		}
		if dot.Y-l.y > 12*px || l.x < dot.X {
			dc.StrokeLine2(draw.LineStyle{Color: c.theme.weak, Width: .75 * px}, dot.X, dot.Y-4*px, max(l.x, dot.X), l.y-2*px)
		}
		c.write(dc, l)
	}
}
