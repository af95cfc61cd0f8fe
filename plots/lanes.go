package plots

import (
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tracelens/tracelens/analysis"
)

// lanes draws what each P did over time: in each lane the states' shares of each
// moment, stacked. Rows are shares by bucket of time, or, with an End, exact spans
// that are first turned into shares of slices thinner than a pixel. So the picture
// has the same size for any number of spans, and none is drawn wider than it was.
func lanes(c *chart) error {
	cols, err := c.columns(c.fig.X, c.fig.Series)
	if err != nil {
		return err
	}
	at, lane := cols[0], cols[1]
	names, rows := c.groups(lane)
	if len(names) == 0 {
		return errIdle
	}
	slices.SortStableFunc(names, natural)

	var all []lanePicture
	if c.fig.End != "" {
		var begin, finish float64
		if begin, finish, err = c.spanned(at); err != nil {
			return err
		}
		all, err = c.exactLanes(at, names, rows, begin, finish)
	} else {
		all, err = c.densityLanes(at, names, rows)
	}
	if err != nil {
		return err
	}
	if err := c.timeAxis(all[0].stack.spans); err != nil {
		return err
	}
	for i := range all {
		if c.fig.End == "" {
			all[i].stack.coarsen(c.columnTime())
		}
	}
	n := len(names)
	c.plot.Y.Min, c.plot.Y.Max = 0, float64(n)
	each := c.rowHeight(n, max(min(280/float64(n), 60), min(640/float64(n), 34), 6))
	c.height = vg.Length(each*float64(n)) * px
	c.plot.Y.Tick.Marker = c.rowNames(names, each)

	c.laneKeys(all)
	gap := .12
	if each < 10 {
		gap = .04
	}
	c.add(func(dc draw.Canvas, x, y func(float64) vg.Length) {
		for i, l := range all {
			ground := float64(n - 1 - i)
			c.drawStack(dc, &l.stack, names[i], x, func(v float64) vg.Length { return y(ground + gap/2 + min(v, 1)*(1-gap)) })
			for _, s := range l.names {
				c.nameSpan(dc, s, max(x(s.from), dc.Min.X), min(x(s.to), dc.Max.X), y(ground+.5), vg.Length(each)*px)
			}
		}
	})
	return nil
}

// rowNames are the names of rows of a height (px), as many as have room.
func (c *chart) rowNames(names []string, each float64) plot.Ticker {
	thin := int(math.Ceil(12 / each))
	var ticks []plot.Tick
	for i, name := range names {
		if i%thin == 0 {
			ticks = append(ticks, plot.Tick{Value: float64(len(names)-i) - .5, Label: fit(c.plot.Y.Tick.Label, name, c.nameRoom())})
		}
	}
	return plot.ConstantTicks(ticks)
}

// laneKeys are the states that are in some lane.
func (c *chart) laneKeys(all []lanePicture) {
	for k, name := range all[0].stack.names {
		if slices.ContainsFunc(all, func(l lanePicture) bool { return anyOf(l.stack.values[k]) }) {
			c.keys = append(c.keys, key{name: name, color: all[0].stack.colors[k]})
		}
	}
}

// dataWidth is about how many px the data have.
func (c *chart) dataWidth() float64 { return max(c.width()-110, 60) }

// columnTime is the time on the axis that columnWidth is.
func (c *chart) columnTime() float64 {
	return (c.plot.X.Max - c.plot.X.Min) * columnWidth / c.dataWidth()
}

const errIdle = noData("nothing is known of any P in the time analysed")

// A lanePicture is one lane, and the spans that have a name.
type lanePicture struct {
	stack stack
	names []namedSpan
}

type namedSpan struct {
	from, to float64
	name     string
	color    color.Color
}

// nameSpan writes a span's name into it where it fits.
func (c *chart) nameSpan(dc draw.Canvas, s namedSpan, x0, x1, y, height vg.Length) {
	if height < 12*px || x1-x0 < 24*px {
		return
	}
	sty := c.style(10, false, c.theme.on(s.color))
	sty.XAlign, sty.YAlign = -.5, -.5
	short := s.name[strings.LastIndexByte(s.name, '/')+1:] // package.Func
	_, shorter, _ := strings.Cut(short, ".")
	for _, name := range []string{short, shorter} {
		if name != "" && sty.Width(name) <= x1-x0-6*px {
			dc.FillText(sty, vg.Point{X: (x0 + x1) / 2, Y: y}, name)
			return
		}
	}
}

func (c *chart) densityLanes(at int, names []string, rows map[string][]int) ([]lanePicture, error) {
	states, err := c.columns(c.fig.Y...)
	if err != nil {
		return nil, err
	}
	colors := c.theme.colors(c.fig.Y)
	var out []lanePicture
	some := false
	for _, name := range names {
		s := stack{unit: analysis.Ratio, names: slices.Clone(c.fig.Y), colors: slices.Clone(colors), spans: c.spans(at, rows[name])}
		for _, col := range states {
			s.values = append(s.values, c.values(s.spans, col))
		}
		some = some || slices.ContainsFunc(s.values, anyOf)
		s.order()
		out = append(out, lanePicture{stack: s})
	}
	if !some {
		return nil, errIdle
	}
	return out, nil
}

// values of a column over spans; what cannot be said is 0.
func (c *chart) values(spans []span, col int) []float64 {
	v := make([]float64, len(spans))
	for i, sp := range spans {
		if x, ok := c.num(sp.row, col); ok && x > 0 {
			v[i] = x
		}
	}
	return v
}

// sliceCount is how many slices of time a lane of so many spans is drawn with: about four to
// a px where they can be seen, else as many as there are columns.
func (c *chart) sliceCount(spans int) int {
	columns := int(c.dataWidth() / columnWidth)
	if spans > columns {
		return columns
	}
	return 16 * columns
}

// spanned is the time that exact spans are drawn over.
func (c *chart) spanned(at int) (begin, finish float64, err error) {
	end, err := c.column(c.fig.End)
	if err != nil {
		return 0, 0, err
	}
	var bounds []span
	for r := range c.table.Rows {
		from, ok1 := c.num(r, at)
		to, ok2 := c.num(r, end)
		if ok1 && ok2 {
			bounds = append(bounds, span{from: from, to: to})
		}
	}
	if begin, finish = c.timeRange(bounds); !(finish > begin) {
		err = noData("nothing to draw: the time analysed is empty")
	}
	return begin, finish, err
}

// exactLanes are lanes of exact spans from begin to finish.
func (c *chart) exactLanes(at int, names []string, rows map[string][]int, begin, finish float64) ([]lanePicture, error) {
	if len(c.fig.Y) == 0 {
		return nil, noData("the figure names no column of states")
	}
	cols, err := c.columns(c.fig.End, c.fig.Y[0])
	if err != nil {
		return nil, err
	}
	end, state := cols[0], cols[1]
	label := slices.IndexFunc(c.table.Columns, func(col analysis.Column) bool { return col.Name == "function" })
	states, _ := c.groups(state)
	slices.SortStableFunc(states, func(a, b string) int { return int(roleOf(a)) - int(roleOf(b)) })
	colors := c.theme.colors(states)
	index := make(map[string]int)
	for i, s := range states {
		index[s] = i
	}
	var out []lanePicture
	some := false
	for _, name := range names {
		count := c.sliceCount(len(rows[name]))
		width := (finish - begin) / float64(count)
		s := stack{unit: analysis.Ratio, names: slices.Clone(states), colors: slices.Clone(colors)}
		for range states {
			s.values = append(s.values, make([]float64, count))
		}
		for i := range count {
			s.spans = append(s.spans, span{from: begin + float64(i)*width, to: begin + float64(i+1)*width})
		}
		l := lanePicture{}
		for _, r := range rows[name] {
			from, ok1 := c.num(r, at)
			to, ok2 := c.num(r, end)
			if !ok1 || !ok2 {
				continue
			}
			k := index[c.text(r, state)]
			from, to = (max(from, begin)-begin)/width, (min(to, finish)-begin)/width
			if !(from < to) {
				continue // outside of the time analysed
			}
			for i := int(from); i < count && float64(i) < to; i++ {
				s.values[k][i] += min(to, float64(i+1)) - max(from, float64(i))
			}
			if label >= 0 && to-from > float64(count)/40 && c.table.Rows[r][label] != nil {
				l.names = append(l.names, namedSpan{begin + from*width, begin + to*width, c.text(r, label), colors[k]})
			}
		}
		some = some || slices.ContainsFunc(s.values, anyOf)
		s.order()
		l.stack = s
		out = append(out, l)
	}
	if !some {
		return nil, errIdle
	}
	return out, nil
}

// natural orders "P 2" before "P 10".
func natural(a, b string) int {
	pa, na, oka := trailing(a)
	pb, nb, okb := trailing(b)
	if oka && okb && pa == pb {
		return na - nb
	}
	return 0
}

func trailing(s string) (prefix string, n int, ok bool) {
	i := strings.LastIndexByte(s, ' ')
	n, err := strconv.Atoi(s[i+1:])
	return s[:i+1], n, err == nil
}
