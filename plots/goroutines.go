package plots

import (
	"fmt"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// maxWakes is how many arrows a picture has room for.
const maxWakes = 150

// goroutines draws what each goroutine did over a short time, and who woke it: spans from X
// to End in the colour of their state Y[0], and at the end of one an arrow from the lane
// that Y[1] names.
func goroutines(c *chart) error {
	if len(c.fig.Y) < 2 {
		return fmt.Errorf("mark goroutines needs columns of the state and of the waker")
	}
	cols, err := c.columns(c.fig.X, c.fig.End, c.fig.Series, c.fig.Y[0], c.fig.Y[1])
	if err != nil {
		return err
	}
	from, to, lane, waker := cols[0], cols[1], cols[2], cols[4]
	if to < 0 || lane < 0 {
		return fmt.Errorf("mark goroutines needs columns of ends and of lanes")
	}
	names, rows := c.groups(lane)
	lo, hi := math.Inf(1), math.Inf(-1)
	for r := range c.table.Rows {
		a, ok1 := c.num(r, from)
		b, ok2 := c.num(r, to)
		if ok1 && ok2 && b >= a {
			lo, hi = min(lo, a), max(hi, b)
		}
	}
	if err := c.closeUp(lo, hi, names); err != nil {
		return err
	}
	all, err := c.exactLanes(from, names, rows, lo, hi)
	if err != nil {
		return err
	}
	c.laneKeys(all)
	at := make(map[string]int)
	for i, name := range names {
		at[name] = i
	}
	n := len(names)
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for i, l := range all {
			mid := y(float64(n-1-i) + .5)
			high := min((y(1)-y(0))*.64, 26*px)
			c.drawStack(dc, &l.stack, names[i], x, func(v float64) vg.Length { return mid + vg.Length(min(v, 1)-.5)*high })
		}
		drawn := 0
		type place struct{ from, to, x int }
		taken := make(map[place]bool)
		for i, name := range names {
			for _, r := range rows[name] {
				end, ok := c.num(r, to)
				j, known := at[c.text(r, waker)]
				if !ok || !known || i == j || drawn == maxWakes {
					continue
				}
				when := x(end)
				spot := place{j, i, int(when.Dots(dpi) / columnWidth)}
				if taken[spot] {
					continue
				}
				taken[spot] = true
				drawn++
				c.part(fmt.Sprintf("%s wakes %s", names[j], name), func() {
					c.arrow(dc, when, y(float64(n-1-j)+.5), y(float64(n-1-i)+.5))
				})
			}
		}
	})
	return nil
}

// arrow is a vertical one.
func (c *chart) arrow(dc draw.Canvas, x, from, to vg.Length) {
	head := vg.Length(5 * px)
	if to < from {
		head = -head
	}
	for _, l := range []draw.LineStyle{{Color: c.theme.back, Width: 3 * px}, {Color: c.theme.text, Width: 1.2 * px}} {
		dc.StrokeLine2(l, x, from, x, to-head)
	}
	dc.FillPolygon(c.theme.back, []vg.Point{{X: x - 4.2*px, Y: to - head*1.3}, {X: x + 4.2*px, Y: to - head*1.3}, {X: x, Y: to + head*.3}})
	dc.FillPolygon(c.theme.text, []vg.Point{{X: x - 3*px, Y: to - head}, {X: x + 3*px, Y: to - head}, {X: x, Y: to}})
}
