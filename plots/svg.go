package plots

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"regexp"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	plotfont "gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// writeSVG writes the chart with its text as outlines, or as text in whatever
// font the viewer has, as long as in the picture's own. Parts of the picture bear their
// values as titles.
//
// An embedded font would be no help: pages that show an SVG from a repository
// forbid it to load fonts, also from data: URLs.
func writeSVG(w io.Writer, c *chart, width, height vg.Length, asText bool) error {
	svg := vgsvg.NewWith(vgsvg.UseWH(width, height))
	c.svg = svg
	canvas := vg.Canvas(outlined{svg})
	if asText {
		canvas = searchable{svg, c}
	}
	c.draw(draw.NewCanvas(canvas, width, height))
	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return err
	}
	// What the picture says, to those who do not see it.
	head, body, _ := bytes.Cut(b.Bytes(), []byte("<g "))
	body = svgTexts.ReplaceAllFunc(body, c.svgText)
	_, err := fmt.Fprintf(w, "%s<title>%s</title>\n<desc>%s</desc>\n<g %s", head, html.EscapeString(sentence(c.fig.Title)), html.EscapeString(c.population()), body)
	return err
}

// What vgsvg has no word for is said by texts that begin with one of these; no text of a
// picture does, see clean.
const (
	svgOpen  = "\x01" // a part begins, with the title that follows
	svgClose = "\x02" // it ends
	svgWide  = "\x03" // a text: its width in points, and whether it has a halo
)

var svgTexts = regexp.MustCompile(`(?s)<text ([^>]*)>([\x01-\x03])([^<]*)</text>\n`)

func (c *chart) svgText(element []byte) []byte {
	m := svgTexts.FindSubmatch(element)
	attributes, content := m[1], m[3]
	switch string(m[2]) {
	case svgOpen:
		return fmt.Appendf(nil, "<g><title>%s</title>\n", content)
	case svgClose:
		return []byte("</g>\n")
	}
	wide, rest, _ := bytes.Cut(content, []byte(svgWide))
	halo, s, _ := bytes.Cut(rest, []byte(svgWide))
	attributes = bytes.Replace(attributes, []byte("font-family:Liberation Sans;font-variant:normal;"), []byte("font-family:Liberation Sans,Arial,sans-serif;"), 1)
	if len(halo) > 0 {
		halo = fmt.Appendf(nil, ` stroke="%s" stroke-width="1.5" paint-order="stroke"`, css(c.theme.back))
	}
	return fmt.Appendf(nil, "<text textLength=\"%s\"%s %s>%s</text>\n", wide, halo, attributes, s)
}

// part draws something that has a title in an SVG.
func (c *chart) part(title string, draw func()) {
	if c.svg == nil {
		draw()
		return
	}
	say := func(s string) { c.svg.FillString(faces()[0], vg.Point{}, s) }
	say(svgOpen + clean(title))
	draw()
	say(svgClose)
}

// searchable is a canvas whose text is text.
type searchable struct {
	vg.Canvas
	c *chart
}

func (s searchable) FillString(f plotfont.Face, at vg.Point, text string) {
	halo := ""
	if s.c.halo {
		halo = "halo"
	}
	s.Canvas.FillString(f, at, fmt.Sprintf("%s%.1f%[1]s%[3]s%[1]s%[4]s", svgWide, f.Width(text).Points(), halo, clean(text)))
}

// outlined is a canvas that fills the shapes of text.
type outlined struct{ vg.Canvas }

func (c outlined) FillString(f plotfont.Face, at vg.Point, s string) {
	var (
		buf   sfnt.Buffer
		units = fixed.Int26_6(f.Face.UnitsPerEm())
		scale = f.Font.Size / vg.Length(units)
		path  vg.Path
		prev  sfnt.GlyphIndex
		x     fixed.Int26_6
	)
	for i, r := range s {
		glyph, err := f.Face.GlyphIndex(&buf, r)
		if err != nil {
			continue
		}
		if i > 0 {
			if kern, err := f.Face.Kern(&buf, prev, glyph, units, font.HintingNone); err == nil {
				x += kern
			}
		}
		point := func(p fixed.Point26_6) vg.Point {
			return vg.Point{X: at.X + vg.Length(x+p.X)*scale, Y: at.Y - vg.Length(p.Y)*scale}
		}
		segments, err := f.Face.LoadGlyph(&buf, glyph, units, nil)
		if err != nil {
			continue
		}
		for j, seg := range segments {
			switch seg.Op {
			case sfnt.SegmentOpMoveTo:
				if j > 0 {
					path.Close()
				}
				path.Move(point(seg.Args[0]))
			case sfnt.SegmentOpLineTo:
				path.Line(point(seg.Args[0]))
			case sfnt.SegmentOpQuadTo:
				path.QuadTo(point(seg.Args[0]), point(seg.Args[1]))
			case sfnt.SegmentOpCubeTo:
				path.CubeTo(point(seg.Args[0]), point(seg.Args[1]), point(seg.Args[2]))
			}
		}
		if len(segments) > 0 {
			path.Close()
		}
		if advance, err := f.Face.GlyphAdvance(&buf, glyph, units, font.HintingNone); err == nil {
			x += advance
		}
		prev = glyph
	}
	if len(path) > 0 {
		c.Fill(path)
	}
}

var faces = sync.OnceValue(func() [2]plotfont.Face {
	return [2]plotfont.Face{plotfont.DefaultCache.Lookup(fontOf(10, false), 10), plotfont.DefaultCache.Lookup(fontOf(10, true), 10)}
})

// hasGlyph tells what the fonts can draw.
func hasGlyph(r rune) bool {
	var buf sfnt.Buffer
	for _, f := range faces() {
		if i, err := f.Face.GlyphIndex(&buf, r); err != nil || i == 0 {
			return false
		}
	}
	return true
}

var pdfDate = regexp.MustCompile(`Date \(D:\d{14}\)`)

// undated takes the time of drawing out of a PDF, and keeps its length.
func undated(pdf []byte) []byte {
	return pdfDate.ReplaceAll(pdf, []byte("Date (D:20000101000000)"))
}
