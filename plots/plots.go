// Package plots draws an analysis.Figure and its Table as a picture. It knows
// marks, columns and units, not where they came from: an analyzer that uses a
// known mark changes nothing here.
//
// A mark reads its columns and adds plotters to a chart; the chart puts title,
// population, keys, the picture and a footer on the canvas (chart.go). Colours are
// given by what a series means (theme.go). The same input gives the same bytes.
package plots

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgpdf"

	"github.com/tracelens/tracelens/analysis"
)

// Options say how a figure is drawn.
type Options struct {
	Format        string  // one of Formats
	Width, Height int     // px of 1/96 inch; 0 is what suits the figure
	Scale         float64 // pixels of a PNG to one px; 0 is 1
	Dark          bool
	From, To      int64  // of time axes, ns since the start of the trace
	Quantum       int64  // of the trace's clock, ns
	Footer        string // which trace
	Text          bool   // svg: text is text, in a font of the viewer, not outlines
}

// Formats are the file formats there are, and their file name extensions.
var Formats = []string{"png", "svg", "pdf"}

// Limits of a picture's sides in px, and of a PNG's pixels.
const (
	MinWidth, MinHeight = 240, 160
	MaxSide             = 10_000
	MaxPixels           = 100_000_000
)

// A mark adds to a chart what draws its figure. It returns a noData when there is
// nothing to draw.
type mark func(*chart) error

var marks = map[analysis.Mark]mark{
	analysis.Lanes:     lanes,
	analysis.Area:      area,
	analysis.ECDF:      ecdf,
	analysis.HistBars:  histogram,
	analysis.Matrix:    matrix,
	analysis.HeatTime:  heat,
	analysis.Steps:     lines,
	analysis.Line:      lines,
	analysis.Bars:      bars,
	analysis.Gantt:     gantt,
	analysis.Waterfall: waterfall,
	analysis.Stems:     stems,
	analysis.Points:    points,
	analysis.Flame:     flame,

	analysis.Panels:     panels,
	analysis.Goroutines: goroutines,
	analysis.Graph:      graph,
}

// noData says why there is nothing to draw.
type noData string

func (e noData) Error() string { return string(e) }

// fewValues is from how many values on a picture says more than a sentence.
const fewValues = 5

// few is the sentence, where there are fewer.
func few(values []string) error {
	switch n := len(values); {
	case n == 1:
		return noData("there is one value only: " + values[0])
	case n > 1 && n < fewValues:
		return noData(fmt.Sprintf("there are %d values only: %s", n, strings.Join(values, ", ")))
	}
	return nil
}

// Draw writes the picture of f, a view of t. A table without anything to draw, or with few
// values, gives a picture that says so. In an SVG each part, such as a bar, a block or a
// dot, is a group whose title has its name and values: a viewer shows them on hover, and
// a page may read them.
func Draw(w io.Writer, f *analysis.Figure, t *analysis.Table, o Options) error {
	m, ok := marks[f.Mark]
	if !ok {
		return fmt.Errorf("figure %s: no mark %q", f.Name, f.Mark)
	}
	if f.X == "" {
		return fmt.Errorf("figure %s: no column for its x axis", f.Name)
	}
	c := newChart(f, t, o)
	err := m(c)
	if empty := noData(""); errors.As(err, &empty) {
		c.empty = string(empty)
	} else if err != nil {
		return fmt.Errorf("figure %s: %w", f.Name, err)
	}
	return c.encode(w)
}

// Empty writes a picture that says why there is none of a figure.
func Empty(w io.Writer, title, why string, o Options) error {
	c := newChart(&analysis.Figure{Name: title, Title: title}, &analysis.Table{}, o)
	c.empty = why
	return c.encode(w)
}

// encode writes the chart in its format.
func (c *chart) encode(w io.Writer) error {
	f := c.fig
	width, height, err := c.size()
	if err != nil {
		return fmt.Errorf("figure %s: %w", f.Name, err)
	}
	switch c.opt.Format {
	case "png":
		scale := c.opt.Scale
		if pixels := width.Dots(dpi) * height.Dots(dpi) * scale * scale; !(pixels <= MaxPixels) {
			return fmt.Errorf("figure %s: %.0f × %.0f px at scale %v have more than %d million pixels", f.Name, width.Dots(dpi), height.Dots(dpi), scale, int(MaxPixels/1e6))
		}
		canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(int(math.Round(dpi*scale))))
		c.draw(draw.NewCanvas(canvas, width, height))
		_, err = vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
	case "svg":
		err = writeSVG(w, c, width, height, c.opt.Text)
	case "pdf":
		canvas := vgpdf.New(width, height)
		c.draw(draw.NewCanvas(outlined{canvas}, width, height)) // vgpdf knows neither bold text nor µ
		var b bytes.Buffer
		if _, err = canvas.WriteTo(&b); err == nil {
			_, err = w.Write(undated(b.Bytes()))
		}
	default:
		return fmt.Errorf("no picture format %q; there are: %s", c.opt.Format, strings.Join(Formats, ", "))
	}
	return err
}

const (
	dpi = 96
	px  = vg.Inch / dpi
)
