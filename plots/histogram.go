package plots

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// binsPerOctave of a histogram as it is drawn. The bins of a table have widths
// that differ on a log axis; drawn as they are, their heights would show the
// widths. So each is spread evenly over those of equal width, in whole events.
const binsPerOctave = 3

// histogram draws counts over a log axis.
func histogram(c *chart) error {
	if len(c.fig.Y) == 0 {
		return fmt.Errorf("mark histogram needs a column of counts")
	}
	cols, err := c.columns(c.fig.X, c.fig.End, c.fig.Y[0])
	if err != nil {
		return err
	}
	from, to, count := cols[0], cols[1], cols[2]
	if to < 0 {
		return fmt.Errorf("mark histogram needs the upper bounds of its bins")
	}
	type bin struct{ lo, hi, n float64 }
	var bins []bin
	total := 0.0
	least, most := math.Inf(1), 0.0
	for r := range c.table.Rows {
		lo, ok1 := c.num(r, from)
		hi, ok2 := c.num(r, to)
		n, ok3 := c.num(r, count)
		if !ok1 || !ok2 || !ok3 || n <= 0 || hi < lo {
			continue
		}
		lo, hi = max(lo, 1), max(hi+1, 2) // bounds are included; nothing is shorter than 1
		bins = append(bins, bin{lo, hi, n})
		total += n
		least, most = min(least, lo), max(most, hi)
	}
	if total == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	if total < fewValues {
		var values []string
		for _, b := range bins {
			for range int(b.n) {
				values = append(values, number(b.hi-1, 0, c.unit(from)))
			}
		}
		if err := few(values); err != nil {
			return err
		}
	}
	index := func(v float64) float64 { return math.Log2(v) * binsPerOctave }
	first := math.Floor(index(least) + 1e-9)
	bars := make([]float64, int(math.Ceil(index(most)-1e-9)-first))
	for _, b := range bins {
		lo, hi := index(b.lo)-first, index(b.hi)-first
		for i := int(lo); i < len(bars) && float64(i) < hi; i++ {
			bars[i] += b.n * (min(hi, float64(i+1)) - max(lo, float64(i))) / (hi - lo)
		}
	}
	highest, sum, drawn := 0.0, 0.0, 0.0
	for i, v := range bars { // whole events, as many as there are
		sum += v
		bars[i] = math.Round(sum) - drawn
		drawn += bars[i]
		highest = max(highest, bars[i])
	}
	edge := func(i int) float64 { return math.Exp2((first + float64(i)) / binsPerOctave) }
	p := c.plot
	p.X.Min, p.X.Max, p.X.Scale, p.X.Tick.Marker = edge(-1), edge(len(bars)+1), logScale{}, logTicks(c.unit(from))
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, highest*1.08, linearTicks(analysis.Count, 4)
	c.yTitle = "count in each third of an octave"
	c.grid(false, true)

	var refs []analysis.Ref
	for _, r := range c.fig.Refs {
		if v := float64(r.Value); r.Axis == "x" && v >= p.X.Min && v <= p.X.Max {
			refs = append(refs, r)
		}
	}
	slices.SortStableFunc(refs, func(a, b analysis.Ref) int { return cmp.Compare(a.Value, b.Value) })
	c.top = vg.Length(len(refs)) * 14 * px
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for i, n := range bars {
			if n > 0 {
				// At least a hair, so that what is rare is seen.
				c.part(fmt.Sprintf("%s to %s: %s", number(edge(i), 0, c.unit(from)), number(edge(i+1), 0, c.unit(from)), number(n, 0, analysis.Count)), func() {
					fill(dc, c.theme.roles[plain], x(edge(i))+.5*px, y(0), x(edge(i+1))-.5*px, max(y(n), y(0)+px))
				})
			}
		}
		// Each label on a line of its own above the data, so none meets another.
		for i, r := range refs {
			at, line := x(float64(r.Value)), dc.Max.Y+vg.Length(len(refs)-i)*14*px
			dc.StrokeLine2(draw.LineStyle{Color: c.theme.weak, Width: px, Dashes: []vg.Length{2 * px, 2 * px}}, at, dc.Min.Y, at, line-7*px)
			l := label{text: clean(r.Label), x: at + 4*px, y: line, yAlign: -1, color: c.theme.text, halo: true, bold: true}
			if sty := c.style(11, true, nil); l.x+sty.Width(l.text) > dc.Max.X {
				l.x, l.xAlign = at-4*px, -1
			}
			c.write(dc, l)
		}
	})
	return nil
}
