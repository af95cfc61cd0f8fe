package plots

import (
	"cmp"
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// manyBars is how many categories stand upright, with some of their names, where
// fewer lie with a name and a value each.
const manyBars = 24

// bars draws a labelled bar for each category, stacked by series.
func bars(c *chart) error {
	if len(c.fig.Y) == 0 {
		return fmt.Errorf("mark bars needs a column of values")
	}
	cols, err := c.columns(c.fig.X, c.fig.Y[0], c.fig.Series)
	if err != nil {
		return err
	}
	x, y, series := cols[0], cols[1], cols[2]
	names, rows := c.groups(x)
	parts, _ := c.groups(series)
	total := make([]float64, len(names))
	values := make([][]float64, len(parts))
	for k := range parts {
		values[k] = make([]float64, len(names))
	}
	top := 0.0
	for i, name := range names {
		for _, r := range rows[name] {
			part := 0
			if series >= 0 {
				part = slices.Index(parts, c.text(r, series))
			}
			if v, ok := c.num(r, y); ok && v > 0 {
				values[part][i] += v
				total[i] += v
			}
		}
		top = max(top, total[i])
	}
	if series >= 0 { // the order of the rows is that of the parts
		by := make(map[string]float64)
		for i, name := range names {
			by[name] = total[i]
		}
		old := slices.Clone(names)
		slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(by[b], by[a]) })
		move := func(v []float64) (moved []float64) {
			for _, name := range names {
				moved = append(moved, v[slices.Index(old, name)])
			}
			return moved
		}
		total = move(total)
		for k := range values {
			values[k] = move(values[k])
		}
	}
	if top == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	unit := c.unit(y)
	colors := c.theme.colors(parts)
	if series < 0 {
		colors[0] = c.theme.roles[user]
	} else {
		for k, name := range parts {
			if anyOf(values[k]) {
				c.keys = append(c.keys, key{name: name, color: colors[k]})
			}
		}
	}
	p := c.plot
	if len(names) > manyBars {
		p.X.Min, p.X.Max = 0, float64(len(names))
		p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, top*1.06, linearTicks(unit, 5)
		every := len(names)/24 + 1
		var ticks []plot.Tick
		for i, name := range names {
			if i%every == 0 {
				ticks = append(ticks, plot.Tick{Value: float64(i) + .5, Label: fit(p.X.Tick.Label, name, 60*px)})
			}
		}
		p.X.Tick.Marker = plot.ConstantTicks(ticks)
		c.grid(false, true)
		c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
			for i := range names {
				ground := 0.0
				for k := range parts {
					if v := values[k][i]; v > 0 {
						fill(dc, colors[k], x(float64(i)+.08), y(ground), x(float64(i)+.92), y(ground+v))
						ground += v
					}
				}
			}
		})
		return nil
	}

	n := len(names)
	c.height = vg.Length(n) * 24 * px
	p.Y.Min, p.Y.Max = 0, float64(n)
	p.X.Min, p.X.Max = 0, top
	p.X.LineStyle.Width, p.X.Tick.LineStyle.Width, p.X.Tick.Length = 0, 0, 0
	p.X.Tick.Marker = plot.ConstantTicks(nil) // each bar bears its value
	var ticks []plot.Tick
	for i, name := range names {
		ticks = append(ticks, plot.Tick{Value: float64(n-i) - .5, Label: fit(p.Y.Tick.Label, name, 300*px)})
	}
	p.Y.Tick.Label.Color = c.theme.text
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	share, sum := slices.IndexFunc(c.table.Columns, func(col analysis.Column) bool { return col.Name == "share" }), 0.0
	texts := make([]string, n)
	sty := c.style(11, false, nil)
	for i, name := range names {
		sum += total[i]
		texts[i] = analysis.Format(total[i], unit, c.opt.Quantum)
		if share >= 0 && unit != analysis.Ratio && len(rows[name]) == 1 {
			if v, ok := c.num(rows[name][0], share); ok {
				texts[i] += "  (" + analysis.FormatRatio(v) + ")"
			}
		}
		c.right = max(c.right, sty.Width(texts[i])+8*px)
	}
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for i := range names {
			ground, low, high := 0.0, y(float64(n-1-i)+.12), y(float64(n-i)-.12)
			for k := range parts {
				if v := values[k][i]; v > 0 {
					fill(dc, colors[k], x(ground), low, x(ground+v), high)
					ground += v
				}
			}
			c.write(dc, label{text: texts[i], x: x(ground) + 6*px, y: (low + high) / 2, yAlign: -.5, color: c.theme.text})
		}
	})
	return nil
}
