package plots

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// maxMatrix is how many Ps a matrix has room for.
const maxMatrix = 512

// matrix draws a weight for each pair of a column (X) and a row (Series), as a
// colour and, where it fits, a number. What never happened stays empty.
func matrix(c *chart) error {
	if len(c.fig.Y) == 0 {
		return fmt.Errorf("mark matrix needs a column of weights")
	}
	cols, err := c.columns(c.fig.X, c.fig.Series, c.fig.Y[0])
	if err != nil {
		return err
	}
	x, y, weight := cols[0], cols[1], cols[2]
	if y < 0 {
		return fmt.Errorf("mark matrix needs a column for its rows")
	}
	across, _ := c.groups(x)
	down, rows := c.groups(y)
	if c.unit(x) == analysis.P && c.unit(y) == analysis.P {
		// The same Ps in both directions, so that the diagonal is one.
		// and with those that are between them.
		last := 0
		for _, name := range slices.Concat(across, down) {
			if _, n, ok := trailing(name); ok {
				last = max(last, n)
			}
		}
		down = nil
		for i := range min(last, maxMatrix-1) + 1 {
			down = append(down, fmt.Sprintf("P %d", i))
		}
		across = down
	}
	type cell struct{ x, y int }
	cells := make(map[cell]float64)
	top := 0.0
	column := make(map[string]int)
	for i, name := range across {
		column[name] = i
	}
	for j, name := range down {
		for _, r := range rows[name] {
			i, known := column[c.text(r, x)]
			if v, ok := c.num(r, weight); ok && v > 0 && known {
				at := cell{i, j}
				cells[at] += v
				top = max(top, cells[at])
			}
		}
	}
	if top == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	p := c.plot
	nx, ny := len(across), len(down)
	side := min(c.rowHeight(ny, min(max(560/float64(ny), 3), 34)), 34)
	c.height = vg.Length(side*float64(ny)) * px
	widest := vg.Length(0)
	for _, n := range across {
		widest = max(widest, p.X.Tick.Label.Width(n))
	}
	// Cells no wider than looks well: the axis goes on to the right of them.
	room := float64(c.opt.Width)
	if room == 0 {
		room = 960
	}
	cellWidth := max(min((room-240)/float64(nx), max(64, widest.Dots(dpi)+10)), 3)
	p.X.Min, p.X.Max = 0, max(float64(nx), (room-240)/cellWidth)
	p.Y.Min, p.Y.Max = 0, float64(ny)
	p.X.LineStyle.Width, p.X.Tick.LineStyle.Width = 0, 0
	thin := func(names []string, at func(int) float64, each, need float64, room vg.Length) plot.Ticker {
		every := int(math.Ceil(need / each))
		var ticks []plot.Tick
		for i, n := range names {
			if i%every == 0 {
				ticks = append(ticks, plot.Tick{Value: at(i), Label: fit(p.X.Tick.Label, n, room)})
			}
		}
		return plot.ConstantTicks(ticks)
	}
	long := widest.Dots(dpi)+6 > cellWidth && c.unit(x) == analysis.Text
	wide := (room - 150) / p.X.Max // px of a cell, about
	switch {
	case long && wide >= 56: // over several lines
		var ticks []plot.Tick
		for i, n := range across {
			lines := wrap(p.X.Tick.Label, n, vg.Length(wide-6)*px, 5)
			ticks = append(ticks, plot.Tick{Value: float64(i) + .5, Label: strings.Join(lines, "\n")})
		}
		p.X.Tick.Marker = plot.ConstantTicks(ticks)
	case long:
		p.X.Tick.Label.Rotation = math.Pi / 8
		p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = -1, -.8
		p.X.Tick.Marker = thin(across, func(i int) float64 { return float64(i) + .6 }, cellWidth, 14, 200*px)
	default:
		p.X.Tick.Marker = thin(across, func(i int) float64 { return float64(i) + .5 }, cellWidth, widest.Dots(dpi)+6, 200*px)
	}
	p.Y.Tick.Marker = thin(down, func(i int) float64 { return float64(ny-i) - .5 }, side, 13, c.nameRoom())
	c.yTitle = fmt.Sprintf("rows: %s; columns: %s; number: %s", c.fig.Series, c.fig.X, c.fig.Y[0])
	unit := c.unit(weight)
	numbers := cellWidth >= 44 && side >= 14
	if !numbers {
		c.scaleKeys(top, unit, unit == analysis.Count, math.Sqrt)
	}
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for i := range nx {
			for j := range ny {
				x0, y0, x1, y1 := x(float64(i)), y(float64(ny-1-j)), x(float64(i+1)), y(float64(ny-j))
				v, some := cells[cell{i, j}]
				gap := vg.Length(min(1, side/12)) * px
				if !some {
					fill(dc, c.theme.grid, x0, y0, x1-gap, y1-gap)
					continue
				}
				col := c.theme.shade(math.Sqrt(v / top))
				c.part(fmt.Sprintf("%s, %s: %s %s", down[j], across[i], number(v, 0, unit), c.fig.Y[0]), func() { fill(dc, col, x0, y0, x1-gap, y1-gap) })
				if numbers {
					c.write(dc, label{text: number(v, 0, unit), x: (x0 + x1 - gap) / 2, y: (y0 + y1 - gap) / 2, xAlign: -.5, yAlign: -.5, color: c.theme.on(col)})
				}
			}
		}
	})
	return nil
}

// scaleKeys says which colour of the ramp is how much; share maps v/top to 0…1. Whole
// amounts are no less than 1.
func (c *chart) scaleKeys(top float64, unit analysis.Unit, whole bool, share func(float64) float64) {
	last := -1.0
	for _, s := range []float64{0, .25, .5, .75, 1} {
		if s == 0 && !whole {
			continue
		}
		// The value whose colour is s, to one digit.
		v := top
		if s < 1 {
			lo, hi := 0.0, top
			for range 60 {
				if mid := (lo + hi) / 2; share(mid/top) < s {
					lo = mid
				} else {
					hi = mid
				}
			}
			v = hi
			if p := math.Pow(10, math.Floor(math.Log10(v))); p > 0 {
				v = math.Round(v/p) * p
			}
			if whole {
				v = max(v, 1)
			}
		}
		if v <= last || v > top {
			continue
		}
		last = v
		c.keys = append(c.keys, key{name: number(v, 0, unit), color: c.theme.shade(share(v / top))})
	}
}
