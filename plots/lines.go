package plots

import (
	"cmp"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// A curve is one series of a line chart.
type curve struct {
	name   string
	color  color.Color
	xy     [][2]float64
	limit  bool // drawn dashed: what the others are held against
	dashed bool // its colour is that of another
}

// lines draws series over time as steps, or over another quantity as lines from
// point to point. Each is named at its right end. With the mark steps a value holds
// to the next; with the mark line each row is a bucket of time, and what lies
// between buckets is 0.
func lines(c *chart) error {
	cols, err := c.columns(c.fig.X, c.fig.Series, c.fig.End)
	if err != nil {
		return err
	}
	x, series, end := cols[0], cols[1], cols[2]
	ys, err := c.columns(c.fig.Y...)
	if err != nil {
		return err
	}
	overTime := c.unit(x) == analysis.Moment
	names, rows := c.groups(series)
	var curves []curve
	unit := analysis.Count
	for _, name := range names {
		for i, y := range ys {
			unit = c.unit(y)
			k := curve{name: name}
			if series < 0 {
				k.name = c.fig.Y[i]
			}
			k.limit = roleOf(k.name) == limit
			switch {
			case !overTime:
				for _, r := range rows[name] {
					v, ok1 := c.num(r, x)
					w, ok2 := c.num(r, y)
					if ok1 && ok2 && v > 0 {
						k.xy = append(k.xy, [2]float64{v, w})
					}
				}
			default:
				k.xy = c.steps(x, end, y, rows[name])
			}
			if len(k.xy) > 0 {
				curves = append(curves, k)
			}
		}
	}
	if len(curves) == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	var known []string
	for _, k := range curves {
		known = append(known, k.name)
	}
	for i, col := range c.theme.colors(known) {
		curves[i].color = col
	}

	p := c.plot
	top, left, right := 0.0, math.Inf(1), 0.0
	for _, k := range curves {
		for _, pt := range k.xy {
			left, right, top = min(left, pt[0]), max(right, pt[0]), max(top, pt[1])
		}
	}
	if overTime {
		if err := c.timeAxis([]span{{from: left, to: right}}); err != nil {
			return err
		}
	} else {
		if left == right {
			left, right = left/2, right*2
		}
		p.X.Min, p.X.Max, p.X.Scale = left, right, logScale{}
		p.X.Tick.Marker = logTicks(c.unit(x))
	}
	p.Y.Min, p.Y.Max = 0, top*1.06
	if unit == analysis.Ratio && top > .5 {
		p.Y.Max = 1.02
	}
	if top == 0 {
		p.Y.Max = 1
	}
	p.Y.Tick.Marker = linearTicks(unit, 5)
	c.grid(!overTime, true)
	c.refs()
	sty := c.style(11.5, false, nil)
	if len(curves) > 1 {
		for i := range curves {
			curves[i].name = fit(sty, curves[i].name, 150*px)
			c.right = max(c.right, sty.Width(curves[i].name)+11*px+swatch)
		}
	}
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for _, limits := range []bool{false, true} {
			for _, k := range curves {
				if k.limit == limits {
					c.drawCurve(dc, k, x, y, !overTime)
				}
			}
		}
		if len(curves) == 1 {
			return
		}
		byHeight := slices.Clone(curves)
		at := func(k curve) float64 { return k.xy[len(k.xy)-1][1] }
		slices.SortStableFunc(byHeight, func(a, b curve) int { return cmp.Compare(at(b), at(a)) })
		ys := make([]vg.Length, len(byHeight))
		for i, k := range byHeight {
			ys[i] = y(at(k))
		}
		spread(ys, 13*px, dc.Min.Y, dc.Max.Y)
		for i, k := range byHeight {
			line := draw.LineStyle{Color: k.color, Width: 2.5 * px}
			if k.limit {
				line.Dashes = dashes
			}
			dc.StrokeLine2(line, dc.Max.X+5*px, ys[i], dc.Max.X+5*px+swatch, ys[i])
			c.write(dc, label{text: k.name, x: dc.Max.X + 9*px + swatch, y: ys[i], yAlign: -.5, color: c.theme.text, size: 11.5})
		}
	})
	return nil
}

// steps are the corners of values that hold to the next, to their end where the
// table says it, and to the end of the time analysed.
func (c *chart) steps(at, end, y int, rows []int) (xy [][2]float64) {
	var spans []span
	switch {
	case end >= 0:
		for _, r := range rows {
			from, ok1 := c.num(r, at)
			to, ok2 := c.num(r, end)
			if ok1 && ok2 {
				spans = append(spans, span{from, to, r})
			}
		}
	case c.fig.Mark == analysis.Line:
		spans = c.spans(at, rows)
	default:
		for _, r := range rows {
			if v, ok := c.num(r, at); ok {
				spans = append(spans, span{from: v, row: r})
			}
		}
		slices.SortStableFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
		_, last := c.timeRange(spans)
		for i := range spans {
			spans[i].to = max(last, spans[i].from)
			if i < len(spans)-1 {
				spans[i].to = spans[i+1].from
			}
		}
	}
	for i, s := range spans {
		if v, ok := c.num(s.row, y); ok {
			if i > 0 && c.fig.Mark == analysis.Line && s.from > spans[i-1].to {
				xy = append(xy, [2]float64{spans[i-1].to, 0}, [2]float64{s.from, 0})
			}
			xy = append(xy, [2]float64{s.from, v}, [2]float64{s.to, v})
		}
	}
	if _, last := c.timeRange(spans); c.fig.Mark == analysis.Line && len(xy) > 0 && xy[len(xy)-1][0] < last {
		xy = append(xy, [2]float64{xy[len(xy)-1][0], 0}, [2]float64{last, 0})
	}
	return xy
}

// drawCurve draws the line, with what is outside of the axes left out.
func (c *chart) drawCurve(dc draw.Canvas, k curve, x, y func(float64) vg.Length, dots bool) {
	line := draw.LineStyle{Color: k.color, Width: 1.8 * px}
	if k.limit {
		line.Width, line.Dashes = 1.5*px, dashes
	}
	pts := make([]vg.Point, 0, len(k.xy))
	for _, p := range k.xy {
		pt := vg.Point{X: x(p[0]), Y: y(p[1])}
		// Steps nobody can see are not drawn: three points on one line.
		if n := len(pts); n > 1 && pts[n-1].Y == pt.Y && pts[n-2].Y == pt.Y {
			pts[n-1] = pt
			continue
		}
		pts = append(pts, pt)
	}
	c.part(k.name, func() { dc.StrokeLines(line, dc.ClipLinesXY(pts)...) })
	if dots {
		for _, pt := range pts {
			dc.DrawGlyph(draw.GlyphStyle{Color: k.color, Radius: 3 * px, Shape: draw.CircleGlyph{}}, pt)
		}
	}
}
