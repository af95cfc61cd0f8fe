package plots

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// waterfall draws one stop-the-world: for each P, from the request (X) to where
// it stopped (the value column), and from there to where it ran again (End).
func waterfall(c *chart) error {
	if len(c.fig.Y) == 0 {
		return fmt.Errorf("mark waterfall needs a column of when the Ps stopped")
	}
	cols, err := c.columns(c.fig.X, c.fig.Y[0], c.fig.End, c.fig.Series)
	if err != nil {
		return err
	}
	requested, stopped, restarted, p := cols[0], cols[1], cols[2], cols[3]
	if restarted < 0 || p < 0 {
		return fmt.Errorf("mark waterfall needs columns of restarts and of Ps")
	}
	type bar struct {
		name    string
		a, b, d float64
	}
	column := func(name string) int {
		return slices.IndexFunc(c.table.Columns, func(col analysis.Column) bool { return col.Name == name })
	}
	doing, at := column("doing"), column("stopped at")
	lo, hi := math.Inf(1), math.Inf(-1)
	var bars []bar
	last, where := math.Inf(-1), "" // the P that stopped last, and what ran on it
	for r := range c.table.Rows {
		a, ok1 := c.num(r, requested)
		b, ok2 := c.num(r, stopped)
		d, ok3 := c.num(r, restarted)
		if !ok1 || !ok2 || !ok3 {
			continue
		}
		name := c.text(r, p)
		if doing >= 0 && c.table.Rows[r][doing] != nil {
			name += ", " + c.text(r, doing)
		}
		if b > last {
			last, where = b, ""
			if at >= 0 && c.table.Rows[r][at] != nil {
				where = c.text(r, at)
			}
		}
		bars = append(bars, bar{name, a, b, d})
		lo, hi = min(lo, a), max(hi, d, b)
	}
	var names []string
	for _, b := range bars {
		if b.b == last && where != "" && last > lo {
			b.name += ": " + where
		}
		names = append(names, b.name)
	}
	if err := c.closeUp(lo, hi, names); err != nil {
		return err
	}
	c.keys = []key{{name: "asked to stop, still running", color: c.theme.roles[stopping]}, {name: "stopped", color: c.theme.roles[stw]}}
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for i, b := range bars {
			low, high := thick(y(float64(len(bars)-1-i)+.15), y(float64(len(bars)-i)-.15))
			c.part(fmt.Sprintf("%s: stopping for %s, stopped for %s", b.name, number(b.b-b.a, 0, analysis.NS), number(b.d-b.b, 0, analysis.NS)), func() {
				fill(dc, c.theme.roles[stopping], x(b.a), low, x(b.b), high)
				fill(dc, c.theme.roles[stw], x(b.b), low, max(x(b.d), x(b.b)+.75*px), high)
			})
			if high-low < 11*px {
				continue
			}
			for _, part := range []struct {
				from, to float64
				color    role
			}{{b.a, b.b, stopping}, {b.b, b.d, stw}} {
				text := number(part.to-part.from, 0, analysis.NS)
				if w := c.style(10.5, false, nil).Width(text); w+6*px <= x(part.to)-x(part.from) {
					c.write(dc, label{text: text, x: (x(part.from) + x(part.to)) / 2, y: (low + high) / 2, xAlign: -.5, yAlign: -.5, size: 10.5, color: c.theme.on(c.theme.roles[part.color])})
				}
			}
		}
	})
	return nil
}
