package plots

import (
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// area draws series stacked over time. A band that is thick enough somewhere bears
// its name there; the others have keys.
func area(c *chart) error {
	at, err := c.column(c.fig.X)
	if err != nil {
		return err
	}
	cols, err := c.columns(c.fig.Y...)
	if err != nil {
		return err
	}
	s := stack{hairs: true, spans: c.spans(at, c.rows())}
	unit := analysis.Count
	colors := c.theme.colors(c.fig.Y) // also of those that did not happen: the same in every trace
	for i, col := range cols {
		unit = c.unit(col)
		if v := c.values(s.spans, col); anyOf(v) {
			s.names = append(s.names, c.fig.Y[i])
			s.colors = append(s.colors, colors[i])
			s.values = append(s.values, v)
		}
	}
	s.order()
	s.unit = unit
	if err := c.timeAxis(s.spans); err != nil {
		return err
	}
	s.coarsen(c.columnTime())
	top := s.top()
	if top == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	whole := unit == analysis.Ratio && top > .98 && top < 1.0001
	c.plot.Y.Min, c.plot.Y.Max = 0, top*1.04
	if whole {
		c.plot.Y.Max = 1
	}
	c.plot.Y.Tick.Marker = linearTicks(unit, 5)
	c.grid(false, true)

	// Which bands bear their names must be known before keys are laid out.
	wide := .85 * vg.Length(c.width()) * px // about what the axes leave
	named := make(map[string]bool)
	for k, name := range s.names {
		if _, _, ok := s.roomFor(k, c.plot.X.Min, c.plot.X.Max, c.plot.Y.Max, float64(c.style(11.5, false, nil).Width(name)/wide), .07); ok && len(s.names) > 1 {
			named[name] = true
		}
	}
	for k := len(s.names) - 1; k >= 0; k-- {
		if !named[s.names[k]] {
			c.keys = append(c.keys, key{name: s.names[k], color: s.colors[k]})
		}
	}
	slices.Reverse(c.keys)
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		c.drawStack(dc, &s, "", x, y)
		for k, name := range s.names {
			if !named[name] {
				continue
			}
			w := float64(c.style(11.5, false, nil).Width(name) / wide)
			tx, ty, _ := s.roomFor(k, c.plot.X.Min, c.plot.X.Max, c.plot.Y.Max, w, .07)
			c.write(dc, label{text: name, x: x(tx), y: y(ty), xAlign: -.5, yAlign: -.5, color: c.theme.on(s.colors[k]), size: 11.5})
		}
	})
	return nil
}

// roomFor finds where band k is thickest over a stretch of width, a share of the
// axis, with at least height, a share of top: the middle of that place.
func (s *stack) roomFor(k int, lo, hi, top, width, height float64) (x, y float64, ok bool) {
	width = (width + .01) * (hi - lo)
	best := height * top
	first := 0
	for i, sp := range s.spans {
		// Spans first to i cover at least the width.
		for first < i && s.spans[i].to-s.spans[first+1].from >= width {
			first++
		}
		if sp.to-s.spans[first].from < width {
			continue
		}
		// The highest floor and the lowest ceiling there.
		floor, ceiling := 0.0, top
		for j := first; j <= i && ceiling-floor > best; j++ {
			sum := 0.0
			for l := range k {
				sum += s.values[l][j]
			}
			floor = max(floor, sum)
			ceiling = min(ceiling, sum+s.values[k][j])
		}
		if ceiling-floor > best {
			best = ceiling - floor
			x, y, ok = (s.spans[first].from+sp.to)/2, (floor+ceiling)/2, true
		}
	}
	return x, y, ok
}
