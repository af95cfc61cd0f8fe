package report

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/tracelens/tracelens/analysis"
)

// htmlFleet is what a page about many traces begins with.
type htmlFleet struct {
	Every  *htmlTable // nil where nothing is told of each
	Grid   *htmlGrid
	Strips []htmlStrip
	Fired  *htmlGrid
}

// htmlGrid is traces by something, a coloured cell each.
type htmlGrid struct {
	Columns []string
	Rows    []htmlGridRow
}

type htmlGridRow struct {
	Name, Link string
	Cells      []htmlGridCell
}

// htmlGridCell has a class: how far from the others, or how grave.
type htmlGridCell struct{ Text, Sort, Class, Title string }

// htmlStrip is how a metric is distributed over the traces: a dot for each, and the names
// of those that stand out.
type htmlStrip struct {
	Metric, Least, Most string
	Dots                []htmlDot
}

type htmlDot struct {
	X, Class, Title string
	Label           string // "" for none
	Anchor          string // of the label
}

// stripWidth is that of a strip, stripLetter of a letter in it.
const (
	stripWidth  = 800
	stripLetter = 6.2
)

func (p *htmlPage) fleet() {
	if p.rep.Fleet == nil {
		return
	}
	p.Fleet = new(htmlFleet)
	if t := tableOf(p.rep, analysis.RoleEvery); t != nil {
		every := p.table(t, len(t.Rows))
		every.Filter = true
		p.Fleet.Every = &every
	}
	p.grid()
	p.fired()
}

func (p *htmlPage) place(trace string) string {
	if p.opt.Links == nil {
		return ""
	}
	return p.opt.Links(trace)
}

// row is the row of a trace in a grid, made where there is none.
func (g *htmlGrid) row(p *htmlPage, at map[string]int, trace string) *htmlGridRow {
	i, ok := at[trace]
	if !ok {
		i = len(g.Rows)
		at[trace] = i
		g.Rows = append(g.Rows, htmlGridRow{Name: trace, Link: p.place(trace)})
	}
	return &g.Rows[i]
}

// grid has a row for each trace, a column for each metric, and the strips of the same.
func (p *htmlPage) grid() {
	t := tableOf(p.rep, analysis.RoleGrid)
	if t == nil {
		return
	}
	g, at, column := new(htmlGrid), make(map[string]int), make(map[string]int)
	text := func(i int, name string) string { s, _ := t.Cell(i, name).(string); return s }
	for i := range t.Rows {
		metric := text(i, "metric")
		if _, ok := column[metric]; !ok {
			column[metric] = len(g.Columns)
			g.Columns = append(g.Columns, metric)
			p.Fleet.Strips = append(p.Fleet.Strips, htmlStrip{Metric: metric})
		}
		g.row(p, at, text(i, "trace"))
	}
	slices.SortFunc(g.Rows, func(a, b htmlGridRow) int { return compareText(a.Name, b.Name) })
	for i := range g.Rows {
		at[g.Rows[i].Name] = i
		g.Rows[i].Cells = make([]htmlGridCell, len(g.Columns))
	}
	for i := range t.Rows {
		metric, trace, value := text(i, "metric"), text(i, "trace"), text(i, "value")
		position, _ := number(t.Cell(i, "position"))
		level, _ := integer(t.Cell(i, "level"))
		class := map[int64]string{-2: "low-2", -1: "low-1", 1: "high-1", 2: "high-2", 3: "high-3"}[min(max(level, -2), 3)]
		title := fmt.Sprintf("%s: %s %s", trace, metric, value)
		g.Rows[at[trace]].Cells[column[metric]] = htmlGridCell{value, fmt.Sprintf("%.6f", position), class, title}
		strip := &p.Fleet.Strips[column[metric]]
		if position <= 0 && strip.Least == "" {
			strip.Least = value
		}
		if position >= 1 && strip.Most == "" {
			strip.Most = value
		}
		dot := htmlDot{X: fmt.Sprintf("%.1f", stripWidth*min(max(position, 0), 1)), Class: class, Title: title}
		if level == 3 {
			dot.Label = filepath.Base(trace)
		}
		strip.Dots = append(strip.Dots, dot)
	}
	for i := range p.Fleet.Strips {
		p.Fleet.Strips[i].label()
	}
	p.Fleet.Grid = g
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// label leaves labels only where they do not run into one another, those of the far end
// first; dots that stand out are drawn last.
func (s *htmlStrip) label() {
	slices.SortStableFunc(s.Dots, func(a, b htmlDot) int { return compareText(a.Class, b.Class) })
	type span struct{ from, to float64 }
	var taken []span
	for i := len(s.Dots) - 1; i >= 0; i-- {
		d := &s.Dots[i]
		if d.Label == "" {
			continue
		}
		var x float64
		fmt.Sscan(d.X, &x)
		wide := stripLetter * float64(len([]rune(d.Label)))
		at := span{x - wide/2, x + wide/2}
		switch {
		case at.from < 0:
			d.Anchor, at = "start", span{x, x + wide}
		case at.to > stripWidth:
			d.Anchor, at = "end", span{x - wide, x}
		default:
			d.Anchor = "middle"
		}
		if slices.ContainsFunc(taken, func(t span) bool { return at.from < t.to+4 && at.to > t.from-4 }) {
			d.Label = ""
			continue
		}
		taken = append(taken, at)
	}
}

// fired has a row for each trace with a finding, a column for each finding.
func (p *htmlPage) fired() {
	t := tableOf(p.rep, analysis.RoleFired)
	if t == nil {
		return
	}
	g, at := new(htmlGrid), make(map[string]int)
	text := func(i int, name string) string { s, _ := t.Cell(i, name).(string); return s }
	for _, f := range p.rep.Findings() { // gravest and most frequent first
		g.Columns = append(g.Columns, f.Code)
	}
	for i := range t.Rows {
		code := text(i, "finding")
		if !slices.Contains(g.Columns, code) {
			g.Columns = append(g.Columns, code)
		}
	}
	for i := range t.Rows {
		row := g.row(p, at, text(i, "trace"))
		if row.Cells == nil {
			row.Cells = make([]htmlGridCell, len(g.Columns))
		}
		code, level := text(i, "finding"), text(i, "level")
		rank := analysis.Severity(level).Rank()
		row.Cells[slices.Index(g.Columns, code)] = htmlGridCell{map[int]string{3: "E", 2: "W", 1: "n"}[rank], fmt.Sprint(rank), level, fmt.Sprintf("%s: %s, %s", row.Name, code, level)}
	}
	p.Fleet.Fired = g
}
