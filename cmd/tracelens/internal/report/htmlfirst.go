package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/plots"
)

// htmlTile is one number of the first screen, and what goes with it: parts of a whole as
// a bar, or a value and what else is to be said of it.
type htmlTile struct {
	Name  string
	Lead  *htmlPart // nil for a bar
	Parts []htmlPart
}

type htmlPart struct {
	What, Value string
	Link        string // to its moment
	Ink         int    // of a bar: its colour
	From, Width string // of the bar, in thousandths; "" for none
}

// tiles are the numbers of the state of the program.
func (p *htmlPage) tiles() {
	t := tableOf(p.rep, analysis.RoleNumbers)
	if t == nil || p.Many {
		return
	}
	from := 0.0
	for i := range t.Rows {
		text := func(column string) string { s, _ := t.Cell(i, column).(string); return s }
		if n := len(p.Tiles); n == 0 || p.Tiles[n-1].Name != text("of") {
			p.Tiles = append(p.Tiles, htmlTile{Name: text("of")})
			from = 0
		}
		tile := &p.Tiles[len(p.Tiles)-1]
		part := htmlPart{What: text("what"), Value: text("value")}
		if at, ok := integer(t.Cell(i, "at")); ok {
			long, _ := integer(t.Cell(i, "length"))
			part.Link = p.link(at, at+long, nil, nil)
		}
		share, ok := number(t.Cell(i, "share"))
		switch {
		case ok && share <= 0:
			continue
		case ok:
			part.From, part.Width = fmt.Sprintf("%.1f", 1000*from), fmt.Sprintf("%.1f", 1000*share)
			from += share
		case tile.Lead == nil:
			tile.Lead = &part
			continue
		}
		tile.Parts = append(tile.Parts, part)
	}
	p.paint()
}

// paint gives the parts of each bar the colours that they have in charts.
func (p *htmlPage) paint() {
	for _, tile := range p.Tiles {
		var names []string
		for _, part := range tile.Parts {
			names = append(names, part.What)
		}
		light, dark := plots.Colors(names, false), plots.Colors(names, true)
		for i := range tile.Parts {
			tile.Parts[i].Ink = p.inks.class(light[i], dark[i])
		}
	}
}

// htmlMini is the whole trace in small: the states of all Ps over time, and where the
// findings point to. Its width is miniWidth.
type htmlMini struct {
	Areas   []htmlArea
	Marks   []htmlMark
	Moments []string // along it, from the start to the end
}

type htmlArea struct {
	State int
	Path  string
}

type htmlMark struct {
	From, Width string
	Link, Text  string
	Severity    analysis.Severity
}

const (
	miniWidth  = 1000
	miniHeight = 48
	miniMarks  = 60 // at most: the gravest findings come first
)

// mini draws the whole trace in small, as far as the report tells.
func (p *htmlPage) mini() {
	t, lanes := p.rep.Trace, tableOf(p.rep, analysis.RoleDensity)
	if p.Many || lanes == nil || t.To <= t.From || len(lanes.Rows) == 0 {
		return
	}
	d := density(lanes, p.States)
	sums, rows := make([][]int64, len(d.At)), make([]int64, len(d.At))
	for i, at := range d.Row {
		if sums[at] == nil {
			sums[at] = make([]int64, len(p.States))
		}
		for s := range p.States {
			sums[at][s] += d.Share[i*len(p.States)+s]
		}
		rows[at]++
	}
	x := func(ns int64) float64 {
		return miniWidth * float64(min(max(ns, t.From), t.To)-t.From) / float64(t.To-t.From)
	}
	m := new(htmlMini)
	paths := make([]strings.Builder, len(p.States))
	for b := range sums {
		end := t.To
		if b+1 < len(d.At) {
			end = d.At[b+1]
		}
		from, width, low := x(d.At[b]), x(end)-x(d.At[b]), float64(miniHeight)
		for s, v := range sums[b] {
			height := miniHeight * float64(v) / 1000 / float64(max(rows[b], 1))
			low -= height
			if height >= .25 {
				fmt.Fprintf(&paths[s], "M%.1f %.1fh%.1fv%.1fh-%.1fz", from, low, width, height, width)
			}
		}
	}
	for s := range paths {
		if paths[s].Len() > 0 {
			m.Areas = append(m.Areas, htmlArea{s, paths[s].String()})
		}
	}
	for i := range p.Findings {
		f := &p.Findings[i]
		for _, e := range f.Evidence {
			if e.From <= t.From && e.To >= t.To || len(m.Marks) == miniMarks {
				continue // all of it is no place
			}
			a, b := x(e.From), x(e.To)
			m.Marks = append(m.Marks, htmlMark{fmt.Sprintf("%.1f", min(a, miniWidth-5)), fmt.Sprintf("%.1f", max(b-a, 5)), e.Link, f.Code + ": " + e.When + " " + e.Note, f.Severity})
		}
	}
	slices.Reverse(m.Marks) // the gravest is drawn last
	for i := range 5 {
		m.Moments = append(m.Moments, analysis.FormatDuration(t.From+int64(math.Round(float64(t.To-t.From)*float64(i)/4)), max(t.Quantum, 1)))
	}
	p.Mini = m
}
