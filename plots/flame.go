package plots

import (
	"cmp"
	"fmt"
	"image/color"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// flameRow is how high a level of a flame graph is.
const flameRow = 30 // px

// A block is a part of a flame graph: what rows have in common up to a level.
type block struct {
	name     string
	color    color.Color
	from, to float64
	level    int
}

// flame draws shares of a whole by level, from the top down: the width of a block is the
// sum of X, the value columns name the levels, and Series gives blocks their colour from
// the level of that column on; where it is no level, to the block that a row ends at.
func flame(c *chart) error {
	if len(c.fig.Y) == 0 {
		return fmt.Errorf("mark flame needs columns that name its levels")
	}
	cols, err := c.columns(append([]string{c.fig.X, c.fig.Series}, c.fig.Y...)...)
	if err != nil {
		return err
	}
	weight, series, levels := cols[0], cols[1], cols[2:]
	parts, _ := c.groups(series)
	colors := c.theme.colors(parts)
	colored := slices.Index(levels, series)
	total, deepest := 0.0, 0
	var rows []int
	for r := range c.table.Rows {
		v, ok := c.num(r, weight)
		if !ok || v < 0 {
			continue
		}
		total += v
		rows = append(rows, r)
		for i, level := range levels {
			if c.table.Rows[r][level] != nil {
				deepest = max(deepest, i+1)
			}
		}
	}
	levels = levels[:deepest]
	if total == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	if series >= 0 {
		for i, n := range parts {
			c.keys = append(c.keys, key{name: n, color: colors[i]})
		}
	}
	var blocks []block
	var split func(rows []int, level int, from float64)
	split = func(rows []int, level int, from float64) {
		if level == len(levels) {
			return
		}
		sums := make(map[string]float64)
		of := make(map[string][]int)
		var names []string
		for _, r := range rows {
			name := ""
			if c.table.Rows[r][levels[level]] != nil {
				name = c.text(r, levels[level])
			}
			if of[name] == nil {
				names = append(names, name)
			}
			v, _ := c.num(r, weight)
			sums[name] += v
			of[name] = append(of[name], r)
		}
		slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(sums[b], sums[a]) })
		for _, name := range names {
			b := block{name: name, color: c.theme.grid, from: from, to: from + sums[name], level: level}
			switch {
			case colored >= 0 && level >= colored:
				b.color = colors[slices.Index(parts, c.text(of[name][0], series))]
			case colored < 0 && series >= 0:
				for _, r := range of[name] {
					if level == len(levels)-1 || c.table.Rows[r][levels[level+1]] == nil {
						b.color = colors[slices.Index(parts, c.text(r, series))]
					}
				}
			}
			if name != "" && b.to > b.from {
				blocks = append(blocks, b)
			}
			split(of[name], level+1, from)
			from = b.to
		}
	}
	split(rows, 0, 0)
	p, n := c.plot, float64(len(levels))
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, total, linearTicks(c.unit(weight), 6)
	p.Y.Min, p.Y.Max = 0, n
	var marks []plot.Tick
	for i, col := range c.fig.Y[:deepest] {
		if _, err := strconv.Atoi(col); err == nil {
			continue // depths, that need no name
		}
		marks = append(marks, plot.Tick{Value: n - float64(i) - .5, Label: col})
	}
	p.Y.Tick.Marker = plot.ConstantTicks(marks)
	row := float64(flameRow)
	if deepest > 8 {
		row = 20
	}
	c.height = vg.Length(n*row) * px
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for _, b := range blocks {
			x0, x1 := x(b.from), max(x(b.to)-.75*px, x(b.from)+.25*px)
			low, high := y(n-float64(b.level)-1)+.75*px, y(n-float64(b.level))
			c.part(fmt.Sprintf("%s: %s, %s", b.name, number(b.to-b.from, 0, c.unit(weight)), analysis.FormatRatio((b.to-b.from)/total)), func() { fill(dc, b.color, x0, low, x1, high) })
			sty := c.style(10.5, false, nil)
			if high-low < 11*px {
				continue
			}
			if room := x1 - x0 - 6*px; room >= 22*px {
				c.write(dc, label{text: fit(sty, b.name, room), x: x0 + 3*px, y: (low + high) / 2, yAlign: -.5, size: 10.5, color: c.theme.on(b.color)})
			}
		}
	})
	return nil
}
