package plots

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// linearTicks marks 1-2-5 steps in one unit for the whole axis.
func linearTicks(u analysis.Unit, about int) plot.Ticker {
	return plot.TickerFunc(func(lo, hi float64) []plot.Tick {
		if !(hi > lo) {
			return []plot.Tick{{Value: lo, Label: number(lo, 0, u)}}
		}
		scale := 1.0
		if u == analysis.Bytes {
			scale = binaryUnit(max(math.Abs(lo), math.Abs(hi)))
		}
		step := niceStep((hi - lo) / scale / float64(about))
		if (u == analysis.Count || u == analysis.NS || u == analysis.Moment) && step < 1 {
			step = 1
		}
		step *= scale
		var ticks []plot.Tick
		for i := math.Ceil(lo/step - 1e-9); i*step <= hi+step*1e-9; i++ {
			ticks = append(ticks, plot.Tick{Value: i * step, Label: numberTo(i*step, step, max(math.Abs(lo), math.Abs(hi)), u)})
		}
		return ticks
	})
}

// niceStep is the least of 1, 2 and 5 times a power of ten that is not below v.
func niceStep(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*p >= v*(1-1e-9) {
			return m * p
		}
	}
	return 10 * p
}

func binaryUnit(v float64) float64 {
	s := 1.0
	for v/s >= 1000 && s < 1<<40 {
		s *= 1024
	}
	return s
}

// logTicks marks decades, and what is between them when there are few.
func logTicks(u analysis.Unit) plot.Ticker {
	return plot.TickerFunc(func(lo, hi float64) []plot.Tick {
		decades := math.Log10(hi / lo)
		every := max(1, int(math.Ceil(decades/10)))
		base := math.Floor(math.Log10(lo))
		var ticks []plot.Tick
		for d := base; d <= math.Ceil(math.Log10(hi)); d++ {
			for m := 1.0; m < 10; m++ {
				v := m * math.Pow(10, d)
				if v < lo*(1-1e-9) || v > hi*(1+1e-9) {
					continue
				}
				t := plot.Tick{Value: v}
				if m == 1 && int(d-base)%every == 0 || decades < 2.2 && (m == 2 || m == 5) || decades < .5 {
					t.Label = number(v, 0, u)
				}
				ticks = append(ticks, t)
			}
		}
		return ticks
	})
}

// number writes one value as short as it can.
func number(v, step float64, u analysis.Unit) string { return numberTo(v, step, math.Abs(v), u) }

// numberTo writes v in the unit that suits the largest value of its axis, with
// the digits that tell steps apart.
func numberTo(v, step, largest float64, u analysis.Unit) string {
	type unit struct {
		scale float64
		name  string
	}
	var units []unit
	switch u {
	case analysis.NS, analysis.Moment:
		units = []unit{{1, " ns"}, {1e3, " µs"}, {1e6, " ms"}, {1e9, " s"}}
	case analysis.Bytes:
		units = []unit{{1, " B"}, {1 << 10, " KiB"}, {1 << 20, " MiB"}, {1 << 30, " GiB"}, {1 << 40, " TiB"}}
	case analysis.Ratio:
		units = []unit{{.01, " %"}}
	case analysis.PerS:
		units = []unit{{1, "/s"}, {1e3, " k/s"}, {1e6, " M/s"}, {1e9, " G/s"}}
	default:
		units = []unit{{1, ""}, {1e3, " k"}, {1e6, " M"}, {1e9, " G"}}
	}
	if v == 0 {
		if u == analysis.Ratio {
			return "0 %"
		}
		return "0"
	}
	if step == 0 {
		v, largest = round3(v), round3(largest)
	}
	best := units[0]
	for _, x := range units {
		limit := x.scale
		if u == analysis.Bytes {
			limit *= 1000.0 / 1024
		}
		if u == analysis.Count || u == analysis.PerS || u == analysis.Text {
			limit *= 10 // 5,000 reads better than 5 k
			if x.scale == 1 {
				limit = 0
			}
		}
		if largest >= limit {
			best = x
		}
	}
	digits := 0
	if step > 0 {
		digits = max(0, int(math.Ceil(-math.Log10(step/best.scale)-1e-9)))
	} else {
		return group(strconv.FormatFloat(round3(v/best.scale), 'f', -1, 64)) + best.name
	}
	return group(strconv.FormatFloat(v/best.scale, 'f', digits, 64)) + best.name
}

func round3(v float64) float64 {
	f, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return f
}

// group separates thousands.
func group(s string) string {
	whole, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n == 0 {
		return s
	}
	whole = analysis.FormatCount(n)
	if frac != "" {
		return whole + "." + frac
	}
	return whole
}

// logScale is plot.LogScale for values that are above zero.
type logScale struct{}

func (logScale) Normalize(lo, hi, v float64) float64 {
	return math.Log(v/lo) / math.Log(hi/lo)
}

// grid draws lines at the labelled ticks, behind the data.
func (c *chart) grid(vertical, horizontal bool) {
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		line := draw.LineStyle{Color: c.theme.grid, Width: px}
		p := c.plot
		if vertical {
			for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
				if t.Label != "" {
					dc.StrokeLine2(line, x(t.Value), dc.Min.Y, x(t.Value), dc.Max.Y)
				}
			}
		}
		if horizontal {
			for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
				if t.Label != "" {
					dc.StrokeLine2(line, dc.Min.X, y(t.Value), dc.Max.X, y(t.Value))
				}
			}
		}
	})
}

// bands draws the stretches of time that the figure refers to behind the data, in the
// colour of what they are; each kind has a key.
func (c *chart) bands() {
	var kinds []string
	for _, r := range c.fig.Refs {
		if r.Until > r.Value && r.Axis == "x" && !slices.Contains(kinds, r.Label) {
			kinds = append(kinds, r.Label)
		}
	}
	colors := c.theme.colors(kinds)
	for i, k := range kinds {
		c.keys = append(c.keys, key{name: clean(k), color: colors[i]})
	}
	c.add(func(dc draw.Canvas, x, _ func(float64) vg.Length) {
		for _, r := range c.fig.Refs {
			from, to := max(x(float64(r.Value)), dc.Min.X), min(x(float64(r.Until)), dc.Max.X)
			if r.Until <= r.Value || r.Axis != "x" || to <= from {
				continue
			}
			col := colors[slices.Index(kinds, r.Label)]
			c.part(fmt.Sprintf("%s: %s from %s", r.Label, number(float64(r.Until-r.Value), 0, analysis.NS), analysis.FormatMoment(int64(r.Value))), func() {
				fill(dc, mix(col, c.theme.back, .75), from, dc.Min.Y, to, dc.Max.Y)
				fill(dc, col, from, dc.Max.Y-5*px, max(to, from+px), dc.Max.Y)
			})
		}
	})
}

// refs draws the figure's fixed lines, and writes what they mean.
func (c *chart) refs() {
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		line := draw.LineStyle{Color: c.theme.text, Width: 1.2 * px, Dashes: dashes}
		for _, r := range c.fig.Refs {
			if r.Until > 0 {
				continue
			}
			v := float64(r.Value)
			l := label{text: clean(r.Label), color: c.theme.text, yAlign: -1, halo: true}
			switch {
			case r.Axis == "x" && v >= c.plot.X.Min && v <= c.plot.X.Max:
				at := x(v)
				dc.StrokeLine2(line, at, dc.Min.Y, at, dc.Max.Y)
				l.x, l.y = at+4*px, dc.Max.Y-2*px
				if sty := c.style(11, false, nil); l.x+sty.Width(l.text) > dc.Max.X {
					l.x, l.xAlign = at-4*px, -1
				}
				c.write(dc, l)
			case r.Axis == "y" && v >= c.plot.Y.Min && v <= c.plot.Y.Max:
				dc.StrokeLine2(line, dc.Min.X, y(v), dc.Max.X, y(v))
				l.x, l.y, l.xAlign, l.yAlign = dc.Max.X, y(v)+2*px, -1, 0
				c.write(dc, l)
			}
		}
	})
}
