package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// gantt draws rows of bars from X to End, told apart by Series.
func gantt(c *chart) error {
	if len(c.fig.Y) == 0 {
		return fmt.Errorf("mark gantt needs a column that names the rows")
	}
	cols, err := c.columns(c.fig.X, c.fig.End, c.fig.Y[0], c.fig.Series)
	if err != nil {
		return err
	}
	from, to, row, series := cols[0], cols[1], cols[2], cols[3]
	if to < 0 {
		return fmt.Errorf("mark gantt needs a column of ends")
	}
	names, rows := c.groups(row)
	if c.unit(row) == analysis.P {
		slices.SortStableFunc(names, natural)
	}
	parts, _ := c.groups(series)
	colors := c.theme.colors(parts)
	few := series >= 0 && len(parts) <= len(c.theme.series)
	if few {
		for i, n := range parts {
			c.keys = append(c.keys, key{name: n, color: colors[i]})
		}
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for r := range c.table.Rows {
		a, ok1 := c.num(r, from)
		b, ok2 := c.num(r, to)
		if ok1 && ok2 {
			lo, hi = min(lo, a), max(hi, b)
		}
	}
	if err := c.closeUp(lo, hi, names); err != nil {
		return err
	}
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for i, name := range names {
			low, high := thick(y(float64(len(names)-1-i)+.15), y(float64(len(names)-i)-.15))
			free := dc.Min.X
			for _, r := range rows[name] {
				a, ok1 := c.num(r, from)
				b, ok2 := c.num(r, to)
				if !ok1 || !ok2 {
					continue
				}
				part := ""
				if series >= 0 {
					part = c.text(r, series)
				}
				col := c.theme.roles[plain]
				if few {
					col = colors[slices.Index(parts, part)]
				}
				x0, x1 := x(a), max(x(b), x(a)+.75*px)
				c.part(strings.TrimPrefix(fmt.Sprintf("%s, %s: %s from %s", part, name, number(b-a, 0, analysis.NS), analysis.FormatMoment(int64(a))), ", "), func() { fill(dc, col, x0, low, x1, high) })
				if !few && part != "" {
					free = c.nameBar(dc, part, col, x0, x1, (low+high)/2, free)
				}
			}
		}
	})
	return nil
}

// nameBar writes a bar's name into it, or beside it where nothing is in the way,
// and returns to where the row is taken.
func (c *chart) nameBar(dc draw.Canvas, name string, col color.Color, x0, x1, y, free vg.Length) vg.Length {
	sty := c.style(10.5, false, nil)
	w := sty.Width(name)
	l := label{text: name, y: y, yAlign: -.5, size: 10.5}
	switch {
	case w+6*px <= x1-x0:
		l.x, l.xAlign, l.color = (x0+x1)/2, -.5, c.theme.on(col)
	case x1+4*px+w <= dc.Max.X:
		l.x, l.color = x1+4*px, c.theme.text
		x1 += w + 4*px
	case x0-4*px-w >= free:
		l.x, l.xAlign, l.color = x0-4*px, -1, c.theme.text
	default:
		return max(free, x1)
	}
	c.write(dc, l)
	return max(free, x1)
}

// rowHeight is how many px each of n rows has: what suits, or its part of a height that is
// given, without about what stands above and below the rows.
func (c *chart) rowHeight(n int, suits float64) float64 {
	if c.opt.Height == 0 {
		return suits
	}
	return max(float64(c.opt.Height-150)/float64(n), 1)
}

// closeUp sets the axes to a few rows over a short time, counted from its start.
func (c *chart) closeUp(lo, hi float64, names []string) error {
	if !(hi >= lo) || len(names) == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	if hi == lo {
		hi = lo + 1
	}
	p := c.plot
	p.X.Min, p.X.Max = lo-(hi-lo)*.01, hi+(hi-lo)*.01
	ticks := linearTicks(analysis.NS, max(min(int(c.dataWidth()/75), 8), 3))
	p.X.Tick.Marker = plot.TickerFunc(func(a, b float64) []plot.Tick {
		t := ticks.Ticks(0, b-lo)
		for i := range t {
			if t[i].Value > 0 {
				t[i].Label = "+" + t[i].Label
			} else {
				t[i].Label = analysis.FormatMoment(int64(lo))
			}
			t[i].Value += lo
		}
		return t
	})
	n := len(names)
	each := c.rowHeight(n, min(max(600/float64(n), 8), 26))
	c.height = vg.Length(each*float64(n)) * px
	p.Y.Min, p.Y.Max = 0, float64(n)
	every := int(math.Ceil(13 / each))
	var marks []plot.Tick
	for i, name := range names {
		if i%every == 0 {
			marks = append(marks, plot.Tick{Value: float64(n-i) - .5, Label: fit(p.Y.Tick.Label, name, c.nameRoom())})
		}
	}
	p.Y.Tick.Label.Color = c.theme.text
	p.Y.Tick.Marker = plot.ConstantTicks(marks)
	c.grid(true, false)
	return nil
}
