package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/tracelens/tracelens/analysis"
)

// A chart is a picture being composed: a mark fills it, draw puts it on a canvas.
type chart struct {
	fig   *analysis.Figure
	table *analysis.Table
	opt   Options
	theme *theme

	plot   *plot.Plot
	keys   []key     // of what bears no label in the picture itself
	yTitle string    // what the vertical axis counts, written above it
	right  vg.Length // room for labels to the right of the data
	top    vg.Length // room for labels above the data
	height vg.Length // of the data, that suits it
	empty  string    // why there is nothing to draw

	texts map[cellKey]string // see text
	svg   *vgsvg.Canvas      // nil where the picture is of another format
	halo  bool               // of the text that is being written: see searchable
}

// A key says what a colour means.
type key struct {
	name   string
	color  color.Color
	line   bool // drawn as a line, else as an area
	dashed bool
}

func newChart(f *analysis.Figure, t *analysis.Table, o Options) *chart {
	c := &chart{fig: f, table: t, opt: o, theme: &light, plot: plot.New(), height: 260 * px, texts: make(map[cellKey]string)}
	if o.Dark {
		c.theme = &dark
	}
	if o.Scale <= 0 {
		c.opt.Scale = 1
	}
	p, th := c.plot, c.theme
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle.Color, a.Tick.LineStyle.Color = th.axis, th.axis
		a.LineStyle.Width, a.Tick.LineStyle.Width = px, px
		a.Tick.Length = 4 * px
		a.Padding = 0
		a.Tick.Label.Font = fontOf(11, false)
		a.Tick.Label.Color = th.weak
	}
	p.Y.LineStyle.Width = 0
	p.Y.Tick.LineStyle.Width = 0
	p.Y.Tick.Length = 4 * px
	p.X.Tick.Label.YAlign = text.YTop
	p.X.Tick.Label.XAlign = text.XCenter
	p.Y.Tick.Label.XAlign = text.XRight
	p.Y.Tick.Label.YAlign = text.YCenter
	return c
}

// fontOf is the one family there is, at a size in px.
func fontOf(size float64, bold bool) font.Font {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: font.Length(size) * px}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return f
}

func (c *chart) style(size float64, bold bool, col color.Color) text.Style {
	return text.Style{Color: col, Font: fontOf(size, bold), Handler: plot.DefaultTextHandler, YAlign: text.YTop}
}

const (
	margin  = 16 * px
	keyGap  = 14 * px
	swatch  = 10 * px
	keyLine = 17 * px
)

// size is the picture's, as asked or as suits the figure.
func (c *chart) size() (w, h vg.Length, err error) {
	w, h = 960*px, vg.Length(c.opt.Height)*px
	if c.opt.Width > 0 {
		w = vg.Length(c.opt.Width) * px
	}
	if h == 0 {
		head := c.lay(w)
		h = max(head.height+c.top+c.height+24*px+c.footHeight()+margin, MinHeight*px)
	}
	switch {
	case w < MinWidth*px || h < MinHeight*px:
		err = fmt.Errorf("%.0fx%.0f px is too small: need at least %dx%d", w.Dots(dpi), h.Dots(dpi), MinWidth, MinHeight)
	case w > MaxSide*px || h > MaxSide*px:
		err = fmt.Errorf("%.0fx%.0f px is too large: at most %d a side", w.Dots(dpi), h.Dots(dpi), MaxSide)
	}
	return w, h, err
}

// A head is what stands above the data.
type head struct {
	title, population []string
	keys              [][]key // by line
	height            vg.Length
}

func (c *chart) lay(width vg.Length) head {
	room := width - 2*margin
	var h head
	h.title = wrap(c.style(16, true, c.theme.text), sentence(c.fig.Title), room, 2)
	h.population = wrap(c.style(11.5, false, c.theme.weak), c.population(), room, 2)
	if c.empty == "" {
		h.keys = c.keyLines(room)
	}
	h.height = margin + vg.Length(len(h.title))*21*px + vg.Length(len(h.population))*16*px + 6*px
	if len(h.keys) > 0 {
		h.height += vg.Length(len(h.keys))*keyLine + 6*px
	}
	if c.yTitle != "" && c.empty == "" {
		h.height += 16 * px
	}
	return h
}

// population is what the rows are and how many they are drawn from.
func (c *chart) population() string {
	s := sentence(c.table.Title)
	if c.table.More > 0 {
		s += fmt.Sprintf(" (%s more not drawn)", analysis.FormatCount(c.table.More))
	}
	return s
}

func (c *chart) keyLines(room vg.Length) (lines [][]key) {
	sty := c.style(11.5, false, c.theme.text)
	x := room
	var keys []key
	for _, k := range c.keys { // what looks alike has one swatch
		i := slices.IndexFunc(keys, func(o key) bool { return o.color == k.color && o.line == k.line && o.dashed == k.dashed })
		if i < 0 {
			keys = append(keys, k)
		} else {
			keys[i].name += ", " + k.name
		}
	}
	for _, k := range keys {
		k.name = fit(sty, k.name, room-swatch-5*px)
		w := swatch + 5*px + sty.Width(k.name)
		if x+keyGap+w > room {
			lines = append(lines, nil)
			x = -keyGap
		}
		last := len(lines) - 1
		lines[last] = append(lines[last], k)
		x += keyGap + w
	}
	return lines
}

func (c *chart) footHeight() vg.Length {
	if c.opt.Footer == "" {
		return 0
	}
	return 20 * px
}

// draw puts the chart on the canvas.
func (c *chart) draw(dc draw.Canvas) {
	th := c.theme
	fill(dc, th.back, dc.Min.X, dc.Min.Y, dc.Max.X, dc.Max.Y)
	head := c.lay(dc.Max.X - dc.Min.X)
	left, y := dc.Min.X+margin, dc.Max.Y-margin
	sty := c.style(16, true, th.text)
	for _, s := range head.title {
		dc.FillText(sty, vg.Point{X: left, Y: y}, s)
		y -= 21 * px
	}
	sty = c.style(11.5, false, th.weak)
	for _, s := range head.population {
		dc.FillText(sty, vg.Point{X: left, Y: y}, s)
		y -= 16 * px
	}
	y -= 6 * px
	for _, line := range head.keys {
		c.drawKeys(dc, left, y, line)
		y -= keyLine
	}
	if len(head.keys) > 0 {
		y -= 6 * px
	}
	bottom := dc.Min.Y + margin
	if c.opt.Footer != "" {
		sty := c.style(10, false, th.weak)
		sty.YAlign = text.YBottom
		dc.FillText(sty, vg.Point{X: left, Y: bottom - 4*px}, fit(sty, c.opt.Footer, dc.Max.X-margin-left))
		bottom += 20 * px
	}
	if c.empty != "" {
		sty := c.style(13, false, th.weak)
		for i, s := range wrap(sty, sentence(c.empty), dc.Max.X-dc.Min.X-2*margin, 4) {
			dc.FillText(sty, vg.Point{X: left, Y: y - vg.Length(i)*18*px - 10*px}, s)
		}
		return
	}
	if c.yTitle != "" {
		dc.FillText(c.style(11, false, th.weak), vg.Point{X: left, Y: y}, c.yTitle)
		y -= 16 * px
	}
	data := draw.Canvas{Canvas: dc.Canvas, Rectangle: vg.Rectangle{
		Min: vg.Point{X: left, Y: bottom},
		Max: vg.Point{X: dc.Max.X - margin - c.right, Y: y - c.top},
	}}
	if data.Max.Y-data.Min.Y < 30*px || data.Max.X-data.Min.X < 60*px {
		return // the head fills the picture
	}
	c.plot.Draw(data)
}

func (c *chart) drawKeys(dc draw.Canvas, x, y vg.Length, line []key) {
	sty := c.style(11.5, false, c.theme.text)
	for _, k := range line {
		if k.line {
			l := draw.LineStyle{Color: k.color, Width: 2.5 * px}
			if k.dashed {
				l.Dashes = dashes
			}
			dc.StrokeLine2(l, x, y-6*px, x+swatch, y-6*px)
		} else {
			fill(dc, k.color, x, y-1*px-swatch, x+swatch, y-1*px)
			dc.StrokeLines(draw.LineStyle{Color: c.theme.axis, Width: .5 * px}, []vg.Point{
				{X: x, Y: y - px - swatch}, {X: x + swatch, Y: y - px - swatch}, {X: x + swatch, Y: y - px}, {X: x, Y: y - px}, {X: x, Y: y - px - swatch}})
		}
		x += swatch + 5*px
		dc.FillText(sty, vg.Point{X: x, Y: y}, k.name)
		x += sty.Width(k.name) + keyGap
	}
}

var dashes = []vg.Length{5 * px, 3 * px}

// add is plot.Add of something drawn by a function in data coordinates.
func (c *chart) add(f func(dc draw.Canvas, x, y func(float64) vg.Length)) {
	c.plot.Add(painter(f))
}

// A painter is a plot.Plotter that has neither range nor glyphs of its own, so
// that labels near an edge do not make the data smaller.
type painter func(dc draw.Canvas, x, y func(float64) vg.Length)

func (f painter) Plot(dc draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&dc)
	f(dc, x, y)
}

func fill(dc draw.Canvas, col color.Color, x0, y0, x1, y1 vg.Length) {
	dc.FillPolygon(col, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}})
}

// sentence begins with a capital and holds nothing that cannot be printed.
func sentence(s string) string {
	s = clean(s)
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || strings.ContainsAny(firstWord(s), "./_(") {
		return s // a name
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

func firstWord(s string) string {
	w, _, _ := strings.Cut(s, " ")
	return w
}

// clean writes out what is no printable text, and what the font has no shape for
// as "?".
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r), !hasGlyph(r):
			return '?'
		}
		return r
	}, s)
}

// label is text at a point, drawn last; it keeps inside dc.
type label struct {
	text   string
	x, y   vg.Length
	xAlign float64 // as text.XLeft …
	yAlign float64
	color  color.Color
	size   float64
	bold   bool
	halo   bool // an outline in the background's colour
}

func (c *chart) write(dc draw.Canvas, l label) {
	if l.size == 0 {
		l.size = 11
	}
	sty := c.style(l.size, l.bold, l.color)
	sty.XAlign, sty.YAlign = text.XAlignment(l.xAlign), text.YAlignment(l.yAlign)
	c.halo = l.halo && c.opt.Text && c.svg != nil
	if l.halo && !c.halo {
		back := sty
		back.Color = c.theme.back
		for _, d := range [][2]vg.Length{{-1, 0}, {1, 0}, {0, -1}, {0, 1}, {-1, -1}, {1, 1}, {-1, 1}, {1, -1}} {
			dc.FillText(back, vg.Point{X: l.x + d[0]*px, Y: l.y + d[1]*px}, l.text)
		}
	}
	dc.FillText(sty, vg.Point{X: l.x, Y: l.y}, l.text)
	c.halo = false
}

// spread moves ys, sorted from top to bottom, apart to be at least gap away from
// each other, as little as it can, within lo and hi.
func spread(ys []vg.Length, gap, lo, hi vg.Length) {
	for i := range ys {
		limit := hi
		if i > 0 {
			limit = ys[i-1] - gap
		}
		ys[i] = min(ys[i], limit)
	}
	for i := len(ys) - 1; i >= 0; i-- {
		limit := lo
		if i < len(ys)-1 {
			limit = ys[i+1] + gap
		}
		ys[i] = max(ys[i], limit)
	}
}

// finite tells numbers that can be drawn: 1e18 ns are 31 years.
func finite(v float64) bool { return math.Abs(v) <= 1e18 }
