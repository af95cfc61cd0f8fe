// Package svgtest reads, for tests, what package plots draws as SVG with its text as text:
// where each text stands, and the parts that have titles.
package svgtest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// A Picture has its lengths in points, from the lower left corner.
type Picture struct {
	Width, Height float64
	Texts         []Text
	Parts         []Part
}

// A Text is one that stands upright: its box from the foot of its letters.
type Text struct {
	Text                string
	X, Y, Width, Height float64
}

// A Part is what has a title: its paths, each by its corners.
type Part struct {
	Title string
	Paths [][][2]float64
}

// Parse reads a picture.
func Parse(svg []byte) (*Picture, error) {
	p := new(Picture)
	d := xml.NewDecoder(bytes.NewReader(svg))
	var text *Text
	var open []int // for each g: the part that begins there, -1 for none
	turned, inTitle := 0, false
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p, nil
		} else if err != nil {
			return nil, err
		}
		switch e := tok.(type) {
		case xml.StartElement:
			attr := make(map[string]string)
			for _, a := range e.Attr {
				attr[a.Name.Local] = a.Value
			}
			switch e.Name.Local {
			case "svg":
				var x, y float64
				if _, err := fmt.Sscan(attr["viewBox"], &x, &y, &p.Width, &p.Height); err != nil {
					return nil, err
				}
			case "g":
				open = append(open, -1)
				if len(open) > 1 && attr["transform"] != "" {
					turned = len(open)
				}
			case "title":
				inTitle = len(open) > 0
				if inTitle {
					p.Parts = append(p.Parts, Part{})
					open[len(open)-1] = len(p.Parts) - 1
				}
			case "text":
				if turned > 0 {
					break
				}
				size, _ := strconv.ParseFloat(strings.TrimSuffix(between(attr["style"], "font-size:", ";"), "px"), 64)
				x, _ := strconv.ParseFloat(attr["x"], 64)
				y, _ := strconv.ParseFloat(attr["y"], 64)
				w, _ := strconv.ParseFloat(attr["textLength"], 64)
				text = &Text{X: x, Y: -y, Width: w, Height: .72 * size}
			case "path":
				if at := part(open); at >= 0 {
					p.Parts[at].Paths = append(p.Parts[at].Paths, corners(attr["d"])...)
				}
			}
		case xml.CharData:
			switch {
			case text != nil:
				text.Text += string(e)
			case inTitle:
				p.Parts[len(p.Parts)-1].Title += string(e)
			}
		case xml.EndElement:
			switch e.Name.Local {
			case "g":
				if turned == len(open) {
					turned = 0
				}
				open = open[:len(open)-1]
			case "title":
				inTitle = false
			case "text":
				if text != nil {
					p.Texts = append(p.Texts, *text)
				}
				text = nil
			}
		}
	}
}

// part is the innermost one that is open, -1 for none.
func part(open []int) int {
	for i := len(open) - 1; i >= 0; i-- {
		if open[i] >= 0 {
			return open[i]
		}
	}
	return -1
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

// corners are those of the closed shapes of a path of straight lines.
func corners(d string) (all [][][2]float64) {
	for _, shape := range strings.Split(d, "M")[1:] {
		var one [][2]float64
		for _, pt := range strings.Split(strings.TrimSuffix(shape, "Z"), "L") {
			xs, ys, _ := strings.Cut(pt, ",")
			x, err1 := strconv.ParseFloat(xs, 64)
			y, err2 := strconv.ParseFloat(ys, 64)
			if err1 == nil && err2 == nil {
				one = append(one, [2]float64{x, y})
			}
		}
		all = append(all, one)
	}
	return all
}

// Area is that of the part's shapes.
func (p *Part) Area() (sum float64) {
	for _, shape := range p.Paths {
		twice := 0.0
		for i, a := range shape {
			b := shape[(i+1)%len(shape)]
			twice += a[0]*b[1] - b[0]*a[1]
		}
		sum += math.Abs(twice) / 2
	}
	return sum
}

// Box is the least that holds the part.
func (p *Part) Box() (x0, y0, x1, y1 float64) {
	x0, y0, x1, y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, shape := range p.Paths {
		for _, pt := range shape {
			x0, y0, x1, y1 = min(x0, pt[0]), min(y0, pt[1]), max(x1, pt[0]), max(y1, pt[1])
		}
	}
	return x0, y0, x1, y1
}

// Find returns the text that is s.
func (p *Picture) Find(s string) (Text, bool) {
	for _, t := range p.Texts {
		if t.Text == s {
			return t, true
		}
	}
	return Text{}, false
}

// Faults are texts over one another, or outside of the picture.
func (p *Picture) Faults() (faults []string) {
	const slack = .75 // pt
	for i, a := range p.Texts {
		if strings.TrimSpace(a.Text) == "" {
			continue
		}
		if a.X < 0 || a.Y < 0 || a.X+a.Width > p.Width || a.Y+a.Height > p.Height {
			faults = append(faults, fmt.Sprintf("%q is not inside the picture: it begins at %.0f,%.0f and has a width of %.0f", a.Text, a.X, a.Y, a.Width))
		}
		for _, b := range p.Texts[:i] {
			if strings.TrimSpace(b.Text) != "" && a.X+slack < b.X+b.Width && b.X+slack < a.X+a.Width && a.Y+slack < b.Y+b.Height && b.Y+slack < a.Y+a.Height {
				faults = append(faults, fmt.Sprintf("%q and %q stand over one another at %.0f,%.0f", a.Text, b.Text, a.X, a.Y))
			}
		}
	}
	return faults
}
