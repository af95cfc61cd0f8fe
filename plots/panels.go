package plots

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// columnWidth (px) is the least width in which a value over time is drawn: thinner ones
// are drawn together.
const columnWidth = 4

// A panel is one of several pictures that share an axis of time.
type panel struct {
	name    string
	color   color.Color
	unit    analysis.Unit
	top     float64
	columns []column
	stems   []span    // what is rare, instead of columns
	values  []float64 // of stems
	title   string
}

// A column is what lies in a few px of time: the mean over it, and the least and the most.
type column struct{ from, to, mean, low, high float64 }

// panels draws each value column over time in a picture of its own: the mean as a line in
// the range of what it is made of, or stems where something happens rarely. What the
// others are held against is a line in each that comes near it.
func panels(c *chart) error {
	at, err := c.column(c.fig.X)
	if err != nil {
		return err
	}
	cols, err := c.columns(c.fig.Y...)
	if err != nil {
		return err
	}
	spans := c.spans(at, c.rows())
	if err := c.timeAxis(spans); err != nil {
		return err
	}
	lo, hi := c.plot.X.Min, c.plot.X.Max
	n := max(int(c.width()-110)/columnWidth, 10)
	var all []panel
	bound := 0.0
	colors := c.theme.colors(c.fig.Y)
	for i, col := range cols {
		v := c.values(spans, col)
		if roleOf(c.fig.Y[i]) == limit {
			for k, x := range v {
				if spans[k].to > lo && spans[k].from < hi {
					bound = max(bound, x)
				}
			}
			continue
		}
		p := newPanel(spans, v, lo, hi, n)
		p.name, p.color, p.unit = clean(c.fig.Y[i]), colors[i], c.unit(col)
		all = append(all, p)
	}
	all = slices.DeleteFunc(all, func(p panel) bool { return p.top == 0 })
	for i := range all {
		p := &all[i]
		p.title = fmt.Sprintf("%s: up to %s", p.name, number(p.top, 0, p.unit))
		if bound > 0 && p.top >= bound/4 {
			p.top = max(p.top, bound)
		}
	}
	if len(all) == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	c.layPanels(all, bound)
	return nil
}

// newPanel draws values together in n columns from lo to hi.
func newPanel(spans []span, values []float64, lo, hi float64, n int) panel {
	width := (hi - lo) / float64(n)
	var p panel
	columns := make([]column, n)
	covered := make([]float64, n)
	for i, s := range spans {
		a, b := max(s.from, lo), min(s.to, hi)
		if !(b > a) {
			continue
		}
		p.top = max(p.top, values[i])
		if values[i] > 0 {
			p.stems = append(p.stems, span{from: a, to: b, row: s.row})
			p.values = append(p.values, values[i])
		}
		for k := int((a - lo) / width); k < n && lo+float64(k)*width < b; k++ {
			x := &columns[k]
			from := lo + float64(k)*width
			share := min(b, from+width) - max(a, from)
			if share <= 0 {
				continue
			}
			if covered[k] == 0 {
				x.low, x.high = values[i], values[i]
			}
			x.low, x.high = min(x.low, values[i]), max(x.high, values[i])
			x.mean += values[i] * share
			covered[k] += share
		}
	}
	for k := range columns {
		x := &columns[k]
		x.from, x.to = lo+float64(k)*width, lo+float64(k+1)*width
		if covered[k] > 0 {
			x.mean /= covered[k]
		}
	}
	some := 0
	for _, x := range columns {
		if x.high > 0 {
			some++
		}
	}
	if some > n/4 {
		p.stems, p.values, p.columns = nil, nil, columns
	}
	return p
}

// panelHead is the share of a panel's height for its name.
const panelHead = .3

func (c *chart) layPanels(all []panel, bound float64) {
	p, n := c.plot, len(all)
	p.Y.Min, p.Y.Max = 0, float64(n)
	c.height = vg.Length(min(max(320/n, 70), 110)*n) * px
	ground := func(i int) float64 { return float64(n - 1 - i) }
	scale := func(i int, v float64) float64 {
		return ground(i) + (1-panelHead)*v/max(all[i].top, 1e-300)
	}
	var ticks []plot.Tick
	for i, x := range all {
		ticks = append(ticks, plot.Tick{Value: ground(i), Label: number(0, 0, x.unit)})
		if x.top > 0 {
			ticks = append(ticks, plot.Tick{Value: scale(i, x.top), Label: number(x.top, 0, x.unit)})
		}
	}
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	if bound > 0 {
		c.keys = append(c.keys, key{name: limitName(c.fig.Y), color: c.theme.roles[limit], line: true, dashed: true})
	}
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
			dc.StrokeLine2(draw.LineStyle{Color: c.theme.grid, Width: px}, x(t.Value), dc.Min.Y, x(t.Value), dc.Max.Y)
		}
		for i, k := range all {
			at := func(v float64) vg.Length { return y(scale(i, v)) }
			dc.StrokeLine2(draw.LineStyle{Color: c.theme.axis, Width: px}, dc.Min.X, y(ground(i)), dc.Max.X, y(ground(i)))
			c.part(k.title, func() { c.drawPanel(dc, &k, x, at) })
			if bound > 0 && k.top >= bound && k.unit == analysis.Count {
				dc.StrokeLine2(draw.LineStyle{Color: c.theme.roles[limit], Width: 1.2 * px, Dashes: dashes}, dc.Min.X, at(bound), dc.Max.X, at(bound))
			}
			top := y(ground(i) + 1)
			fill(dc, k.color, dc.Min.X+2*px, top-13*px, dc.Min.X+2*px+swatch, top-13*px+swatch)
			sty := c.style(11, false, nil)
			c.write(dc, label{text: fit(sty, k.title, dc.Max.X-dc.Min.X-20*px), x: dc.Min.X + 17*px, y: top - 2*px, yAlign: -1, color: c.theme.text, halo: true})
		}
	})
}

func limitName(names []string) string {
	for _, n := range names {
		if roleOf(n) == limit {
			return clean(n)
		}
	}
	return ""
}

// drawPanel draws stems, or the range and in it the mean.
func (c *chart) drawPanel(dc draw.Canvas, k *panel, x, y func(float64) vg.Length) {
	for i, s := range k.stems {
		mid := (x(s.from) + x(s.to)) / 2
		half := max((x(s.to)-x(s.from))/2, px)
		fill(dc, k.color, max(mid-half, dc.Min.X), y(0), min(mid+half, dc.Max.X), max(y(k.values[i]), y(0)+px))
	}
	if len(k.columns) == 0 {
		return
	}
	var band, line []vg.Point
	for _, s := range k.columns {
		band = append(band, vg.Point{X: x(s.from), Y: y(s.high)}, vg.Point{X: x(s.to), Y: y(s.high)})
		line = append(line, vg.Point{X: x(s.from), Y: y(s.mean)}, vg.Point{X: x(s.to), Y: y(s.mean)})
	}
	for i := len(k.columns) - 1; i >= 0; i-- {
		s := k.columns[i]
		band = append(band, vg.Point{X: x(s.to), Y: y(s.low)}, vg.Point{X: x(s.from), Y: y(s.low)})
	}
	pale, strong := mix(k.color, c.theme.back, .6), k.color
	if math.Abs(lightness(strong)-lightness(c.theme.back)) < 30 { // what is pale as an area cannot be seen as a line
		pale, strong = k.color, c.theme.axis
	}
	dc.FillPolygon(pale, band)
	dc.StrokeLines(draw.LineStyle{Color: strong, Width: 1.5 * px}, line)
}

// width is that of the picture in px.
func (c *chart) width() float64 { return float64(cmp.Or(c.opt.Width, 960)) }
