package plots

import (
	"cmp"
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// manyBars is how many categories stand upright, with some of their names, where
// fewer lie with a name and a value each.
const manyBars = 24

// barData are the categories and what each is made of.
type barData struct {
	names   []string
	rows    map[string][]int // of each category
	parts   []string
	values  [][]float64   // by part and category
	total   []float64     // by category
	colors  []color.Color // of the parts
	unit    analysis.Unit
	stacked bool // of several parts
}

// bars draws a labelled bar for each category, stacked by series, or else by the columns
// of values.
func bars(c *chart) error {
	d, err := c.barData()
	if err != nil {
		return err
	}
	top := slices.Max(append(d.total, 0))
	if top == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	d.colors = c.theme.colors(d.parts)
	if d.stacked {
		for k, name := range d.parts {
			if anyOf(d.values[k]) {
				c.keys = append(c.keys, key{name: name, color: d.colors[k]})
			}
		}
	}
	if len(d.names) > manyBars {
		c.uprightBars(d, top)
	} else {
		c.lyingBars(d, top)
	}
	return nil
}

// barData sums the rows of the table.
func (c *chart) barData() (*barData, error) {
	if len(c.fig.Y) == 0 {
		return nil, fmt.Errorf("mark bars needs a column of values")
	}
	cols, err := c.columns(append([]string{c.fig.X, c.fig.Series}, c.fig.Y...)...)
	if err != nil {
		return nil, err
	}
	x, series, ys := cols[0], cols[1], cols[2:]
	d := &barData{unit: c.unit(ys[0])}
	d.names, d.rows = c.groups(x)
	d.parts = c.fig.Y
	if series >= 0 {
		d.parts, _ = c.groups(series)
		ys = ys[:1]
	}
	d.total = make([]float64, len(d.names))
	d.values = make([][]float64, len(d.parts))
	for k := range d.parts {
		d.values[k] = make([]float64, len(d.names))
	}
	for i, name := range d.names {
		for _, r := range d.rows[name] {
			for part, y := range ys {
				if series >= 0 {
					part = slices.Index(d.parts, c.text(r, series))
				}
				if v, ok := c.num(r, y); ok && v > 0 {
					d.values[part][i] += v
					d.total[i] += v
				}
			}
		}
	}
	d.stacked = series >= 0 || len(ys) > 1
	if series >= 0 { // the order of the rows is that of the parts
		d.sort()
	}
	return d, nil
}

// sort puts the largest category first.
func (d *barData) sort() {
	by := make(map[string]float64)
	for i, name := range d.names {
		by[name] = d.total[i]
	}
	old := slices.Clone(d.names)
	slices.SortStableFunc(d.names, func(a, b string) int { return cmp.Compare(by[b], by[a]) })
	move := func(v []float64) (moved []float64) {
		for _, name := range d.names {
			moved = append(moved, v[slices.Index(old, name)])
		}
		return moved
	}
	d.total = move(d.total)
	for k := range d.values {
		d.values[k] = move(d.values[k])
	}
}

// thick keeps the bar of a row from being more than that where there are few.
func thick(low, high vg.Length) (vg.Length, vg.Length) {
	mid, half := (low+high)/2, min((high-low)/2, 16*px)
	return mid - half, mid + half
}

// says is part k of category i in words.
func (d *barData) says(k, i int) string {
	return fmt.Sprintf("%s, %s: %s", d.names[i], d.parts[k], number(d.values[k][i], 0, d.unit))
}

// uprightBars draws many categories, with some of their names.
func (c *chart) uprightBars(d *barData, top float64) {
	p := c.plot
	p.X.Min, p.X.Max = 0, float64(len(d.names))
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, top*1.06, linearTicks(d.unit, 5)
	every := len(d.names)/manyBars + 1
	var ticks []plot.Tick
	for i, name := range d.names {
		if i%every == 0 {
			ticks = append(ticks, plot.Tick{Value: float64(i) + .5, Label: fit(p.X.Tick.Label, name, 60*px)})
		}
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	c.grid(false, true)
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for i := range d.names {
			ground := 0.0
			for k := range d.parts {
				if v := d.values[k][i]; v > 0 {
					c.part(d.says(k, i), func() { fill(dc, d.colors[k], x(float64(i)+.08), y(ground), x(float64(i)+.92), y(ground+v)) })
					ground += v
				}
			}
		}
	})
}

// lyingBars draws few categories, each with its name and value.
func (c *chart) lyingBars(d *barData, top float64) {
	p, n := c.plot, len(d.names)
	c.height = vg.Length(n) * 24 * px
	p.Y.Min, p.Y.Max = 0, float64(n)
	p.X.Min, p.X.Max = 0, top
	p.X.LineStyle.Width, p.X.Tick.LineStyle.Width, p.X.Tick.Length = 0, 0, 0
	p.X.Tick.Marker = plot.ConstantTicks(nil) // each bar bears its value
	var ticks []plot.Tick
	for i, name := range d.names {
		ticks = append(ticks, plot.Tick{Value: float64(n-i) - .5, Label: fit(p.Y.Tick.Label, name, c.nameRoom())})
	}
	p.Y.Tick.Label.Color = c.theme.text
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	share := slices.IndexFunc(c.table.Columns, func(col analysis.Column) bool { return col.Name == "share" })
	texts := make([]string, n)
	sty := c.style(11, false, nil)
	for i, name := range d.names {
		texts[i] = analysis.Format(d.total[i], d.unit, c.opt.Quantum)
		if share >= 0 && d.unit != analysis.Ratio && len(d.rows[name]) == 1 {
			if v, ok := c.num(d.rows[name][0], share); ok {
				texts[i] += "  (" + analysis.FormatRatio(v) + ")"
			}
		}
		c.right = max(c.right, sty.Width(texts[i])+8*px)
	}
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for i := range d.names {
			low, high := thick(y(float64(n-1-i)+.12), y(float64(n-i)-.12))
			ground := 0.0
			for k := range d.parts {
				if v := d.values[k][i]; v > 0 {
					c.part(d.says(k, i), func() { fill(dc, d.colors[k], x(ground), low, x(ground+v), high) })
					ground += v
				}
			}
			c.write(dc, label{text: texts[i], x: x(ground) + 6*px, y: (low + high) / 2, yAlign: -.5, color: c.theme.text})
		}
	})
}
