package plots

import (
	"cmp"
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A box is one of a graph; an edge leads from one to another.
type box struct {
	name    string
	layer   int
	in, out []*edge
	color   color.Color // nil where nothing says one
	y       float64     // of its middle, 0 at the top

	x0, x1, y0, y1 vg.Length
}

type edge struct {
	from, to *box
	share    float64
	text     string
	color    color.Color
	series   string
}

// graph draws boxes in layers from left to right, and what leads from one to another as a
// line whose width and number are its share. A box that nothing leads on from has the
// colour of what leads there.
func graph(c *chart) error {
	if len(c.fig.Y) == 0 {
		return fmt.Errorf("mark graph needs a column of shares")
	}
	cols, err := c.columns(c.fig.X, c.fig.End, c.fig.Y[0], c.fig.Series)
	if err != nil {
		return err
	}
	from, to, share, series := cols[0], cols[1], cols[2], cols[3]
	if to < 0 {
		return fmt.Errorf("mark graph needs a column of where edges lead")
	}
	var boxes []*box
	byName := make(map[string]*box)
	at := func(name string) *box {
		b := byName[name]
		if b == nil {
			b = &box{name: name}
			byName[name] = b
			boxes = append(boxes, b)
		}
		return b
	}
	parts, _ := c.groups(series)
	colors := c.theme.colors(parts)
	var edges []*edge
	for r := range c.table.Rows {
		v, ok := c.num(r, share)
		a, b := c.text(r, from), c.text(r, to)
		if !ok || v <= 0 || a == b {
			continue
		}
		e := &edge{from: at(a), to: at(b), share: v, text: number(v, 0, c.unit(share)), color: c.theme.axis}
		if series >= 0 {
			e.series = c.text(r, series)
			e.color = colors[slices.Index(parts, e.series)]
		}
		e.from.out, e.to.in = append(e.from.out, e), append(e.to.in, e)
		edges = append(edges, e)
	}
	if len(edges) == 0 {
		return noData("nothing of this happened in the time analysed")
	}
	layers := layersOf(boxes)
	for _, b := range boxes {
		if len(b.out) == 0 {
			b.color = slices.MaxFunc(b.in, func(x, y *edge) int { return cmp.Compare(x.share, y.share) }).color
		}
	}
	for i, name := range parts {
		if series >= 0 {
			c.keys = append(c.keys, key{name: name, color: colors[i]})
		}
	}
	most := 0
	for _, l := range layers {
		most = max(most, len(l))
	}
	down := float64(len(layers))*boxWidth > c.width()
	c.height = vg.Length(max(most*80, 120)) * px
	if down {
		c.height = vg.Length(len(layers)*90) * px
	}
	p := c.plot
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks(nil), plot.ConstantTicks(nil)
	p.X.LineStyle.Width, p.X.Tick.LineStyle.Width, p.X.Tick.Length, p.Y.Tick.Length = 0, 0, 0, 0
	c.add(func(dc draw.Canvas, _, _ func(float64) vg.Length) { c.drawGraph(dc, layers, edges, down) })
	return nil
}

// layersOf puts each box to the right of those that lead to it. Edges that close a circle
// lead back.
func layersOf(boxes []*box) (layers [][]*box) {
	state := make(map[*box]int) // 1 while its successors are visited, 2 then
	var order []*box
	back := make(map[*edge]bool)
	var visit func(b *box)
	visit = func(b *box) {
		state[b] = 1
		for _, e := range b.out {
			switch state[e.to] {
			case 0:
				visit(e.to)
			case 1:
				back[e] = true
			}
		}
		state[b] = 2
		order = append(order, b)
	}
	for _, b := range boxes {
		if state[b] == 0 && len(b.in) == 0 {
			visit(b)
		}
	}
	for _, b := range boxes {
		if state[b] == 0 {
			visit(b)
		}
	}
	for _, b := range slices.Backward(order) {
		for _, e := range b.out {
			if !back[e] {
				e.to.layer = max(e.to.layer, b.layer+1)
			}
		}
	}
	for _, b := range boxes {
		for len(layers) <= b.layer {
			layers = append(layers, nil)
		}
		layers[b.layer] = append(layers[b.layer], b)
	}
	// Each where what leads there comes from, to cross less.
	for range 4 {
		for _, l := range layers {
			for i, b := range l {
				b.y = (float64(i) + .5) / float64(len(l))
			}
		}
		for _, l := range layers[1:] {
			slices.SortStableFunc(l, func(a, b *box) int { return cmp.Compare(a.middle(), b.middle()) })
			for i, b := range l {
				b.y = (float64(i) + .5) / float64(len(l))
			}
		}
	}
	return layers
}

// middle is where what leads to a box comes from on average.
func (b *box) middle() float64 {
	sum, all := 0.0, 0.0
	for _, e := range b.in {
		if e.from.layer < b.layer {
			sum += e.from.y * e.share
			all += e.share
		}
	}
	if all == 0 {
		return b.y
	}
	return sum / all
}

// boxWidth is how many px of a picture's width the boxes of a layer and what leads to the
// next need; where there are too many layers they lie below each other.
const boxWidth = 170

func (c *chart) drawGraph(dc draw.Canvas, layers [][]*box, edges []*edge, down bool) {
	width, height := dc.Max.X-dc.Min.X, dc.Max.Y-dc.Min.Y
	n := vg.Length(len(layers))
	sty := c.style(11, false, nil)
	lines := make(map[*box][]string)
	const line = 13 * px
	for i, l := range layers {
		k := vg.Length(len(l))
		gap := min(max(width*.12, 52*px), 120*px)
		wide, room := (width-gap*(n-1))/n, height/k-10*px
		if down {
			gap = 34 * px
			wide, room = min((width-10*px*(k-1))/k, 420*px), (height-gap*(n-1))/n
		}
		for _, b := range l {
			lines[b] = wrapName(sty, b.name, wide-10*px, min(max(int((room-6*px)/line), 1), 4))
			tall := min(vg.Length(len(lines[b]))*line+8*px, room)
			x, y := dc.Min.X+vg.Length(i)*(wide+gap)+wide/2, dc.Max.Y-vg.Length(b.y)*height
			if down {
				x, y = dc.Min.X+vg.Length(b.y)*width, dc.Max.Y-(vg.Length(i)+.5)*room-vg.Length(i)*gap
			}
			b.x0, b.x1, b.y0, b.y1 = x-wide/2, x+wide/2, y-tall/2, y+tall/2
		}
	}
	for _, e := range edges {
		c.part(fmt.Sprintf("%s → %s: %s, %s", e.from.name, e.to.name, e.series, e.text), func() { c.drawEdge(dc, e, down) })
	}
	for _, l := range layers {
		for _, b := range l {
			back, text := c.theme.grid, c.theme.text
			if b.color != nil {
				back, text = b.color, c.theme.on(b.color)
			}
			c.part(b.name, func() {
				fill(dc, back, b.x0, b.y0, b.x1, b.y1)
				for i, s := range lines[b] {
					c.write(dc, label{text: s, x: b.x0 + 5*px, y: (b.y0+b.y1)/2 + (vg.Length(len(lines[b]))/2-vg.Length(i)-.5)*line, yAlign: -.5, color: text})
				}
			})
		}
	}
	for _, e := range edges {
		from, to := e.ends(down)
		w := sty.Width(e.text)
		away := func(from, to, n vg.Length) vg.Length { // n from where it begins, before another layer
			if to < from {
				n = -n
			}
			return from + n
		}
		at := vg.Point{X: away(from.X, to.X, 8*px+w/2) - w/2, Y: from.Y + (to.Y-from.Y)*.08}
		if down {
			at = vg.Point{X: max(min(from.X+(to.X-from.X)*.1-w/2, dc.Max.X-w), dc.Min.X), Y: away(from.Y, to.Y, 11*px)}
		}
		fill(dc, c.theme.back, at.X-2*px, at.Y-6*px, at.X+w+2*px, at.Y+6*px)
		c.write(dc, label{text: e.text, x: at.X, y: at.Y, yAlign: -.5, color: c.theme.text})
	}
}

// ends are where an edge begins and ends: those of one box beside each other. One that
// leads back begins and ends at the other sides.
func (e *edge) ends(down bool) (from, to vg.Point) {
	at := func(all []*edge, other func(*edge) float64) vg.Length {
		sorted := slices.SortedStableFunc(slices.Values(all), func(x, y *edge) int { return cmp.Compare(other(x), other(y)) })
		return (vg.Length(slices.Index(sorted, e)) + .5) / vg.Length(len(all))
	}
	a, b := e.from, e.to
	leave, enter := at(a.out, func(x *edge) float64 { return x.to.y }), at(b.in, func(x *edge) float64 { return x.from.y })
	back := b.layer <= a.layer
	side := func(low, high vg.Length, first bool) vg.Length {
		if first != back {
			return low
		}
		return high
	}
	if down {
		return vg.Point{X: a.x0 + (a.x1-a.x0)*leave, Y: side(a.y0, a.y1, true)}, vg.Point{X: b.x0 + (b.x1-b.x0)*enter, Y: side(b.y1, b.y0, true)}
	}
	return vg.Point{X: side(a.x1, a.x0, true), Y: a.y1 - (a.y1-a.y0)*leave}, vg.Point{X: side(b.x0, b.x1, true), Y: b.y1 - (b.y1-b.y0)*enter}
}

func (c *chart) drawEdge(dc draw.Canvas, e *edge, down bool) {
	from, to := e.ends(down)
	wide := vg.Length(1+8*min(e.share, 1)) * px
	half := max(wide/2+2*px, 4*px)
	tip := to
	bend := vg.Point{X: (to.X - from.X) / 2}
	head := vg.Point{X: half, Y: 0}
	if down {
		bend, head = vg.Point{Y: (to.Y - from.Y) / 2}, vg.Point{Y: half}
	}
	if to.X < from.X && !down || to.Y < from.Y && down {
		head = vg.Point{X: -head.X, Y: -head.Y}
	}
	to = vg.Point{X: to.X - head.X*1.3, Y: to.Y - head.Y*1.3}
	var path vg.Path
	path.Move(from)
	path.CubeTo(vg.Point{X: from.X + bend.X, Y: from.Y + bend.Y}, vg.Point{X: to.X - bend.X, Y: to.Y - bend.Y}, to)
	dc.SetLineStyle(draw.LineStyle{Color: e.color, Width: wide})
	dc.Stroke(path)
	dc.FillPolygon(e.color, []vg.Point{{X: to.X + head.Y, Y: to.Y + head.X}, {X: to.X - head.Y, Y: to.Y - head.X}, tip})
}
