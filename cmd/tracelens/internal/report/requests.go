package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/plots"
)

// Requests writes what a report says of requests as text: the types, then single
// requests step by step.
func Requests(w io.Writer, rep *analysis.Report, opt Options) error {
	p := newPrinter(opt, rep.Trace.Quantum)
	p.header(rep)
	for _, res := range rep.Results {
		if len(res.Summary) > 0 { // else one request is all that was asked for
			p.result(res, &rep.Trace)
		}
	}
	if t := tableOf(rep, analysis.RoleRequests); t != nil {
		paths, logs := tableOf(rep, analysis.RolePaths), tableOf(rep, analysis.RoleLogs)
		for i := range t.Rows {
			p.request(t, i, paths)
			p.logs(t, i, logs)
		}
		p.line("")
		p.wrapped("", faint, "A part that is indented is what another goroutine did for which the request waited. Parts of less than half a percent are put together.")
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

// KeepRequest takes all single requests out of a report but one, and what it says of
// types.
func KeepRequest(rep *analysis.Report, id string) {
	for _, res := range rep.Results {
		res.Summary, res.Figures = nil, nil
		res.Tables = slices.DeleteFunc(res.Tables, func(t *analysis.Table) bool {
			return !slices.Contains([]analysis.Role{analysis.RoleRequests, analysis.RolePaths, analysis.RoleLogs}, t.Role)
		})
		for _, t := range res.Tables {
			t.Rows = slices.DeleteFunc(t.Rows, func(row []any) bool { return row[0] != id })
			t.N = int64(len(t.Rows))
		}
	}
}

// pathBar is how wide the bar of a request is.
const pathBar = 24

// request writes a request of a table and its path.
func (p *printer) request(t *analysis.Table, row int, paths *analysis.Table) {
	text := func(t *analysis.Table, row int, column string) string {
		s, _ := t.Cell(row, column).(string)
		return Clean(s)
	}
	num := func(t *analysis.Table, row int, column string) int64 {
		v, _ := integer(t.Cell(row, column))
		return v
	}
	id, began, took := text(t, row, "id"), num(t, row, "began"), num(t, row, "took")
	p.line("")
	p.wrapped("", bold, fmt.Sprintf("%s  %s %s: began at %s, took %s, %s", id, text(t, row, "kind"), text(t, row, "requests"), analysis.FormatMoment(began), analysis.FormatDuration(took, p.quantum), text(t, row, "ended")))
	if paths == nil || took <= 0 {
		return
	}
	var few, fewNS, fewFrom int64
	flush := func() {
		if few > 0 {
			p.step(began, took, fewFrom, fewNS, 0, fmt.Sprintf("(%s)", counted(few, "short part")))
		}
		few, fewNS = 0, 0
	}
	while := ""
	for i := range paths.Rows {
		if text(paths, i, "id") != id {
			continue
		}
		from, length, hop := num(paths, i, "from"), num(paths, i, "length"), num(paths, i, "hop")
		if 200*length < took {
			if few == 0 {
				fewFrom = from
			}
			few++
			fewNS += length
			continue
		}
		flush()
		if now := text(paths, i, "while"); now != while {
			if while = now; now != "" {
				p.step(began, took, from, 0, 0, now+":")
			}
		}
		what := text(paths, i, "what")
		if hop > 0 {
			what = text(paths, i, "goroutine") + ": " + what
		}
		p.step(began, took, from, length, min(int(hop), 6), what)
	}
	flush()
}

// logs writes what the program logged in a request of a table.
func (p *printer) logs(t *analysis.Table, row int, logs *analysis.Table) {
	if logs == nil {
		return
	}
	began, _ := integer(t.Cell(row, "began"))
	for i := range logs.Rows {
		if logs.Cell(i, "id") != t.Cell(row, "id") {
			continue
		}
		at, _ := integer(logs.Cell(i, "at"))
		text, _ := logs.Cell(i, "message").(string)
		if category, _ := logs.Cell(i, "category").(string); category != "" {
			text = category + ": " + text
		}
		p.wrapped(fmt.Sprintf("  %10s  log  ", "+"+analysis.FormatDuration(at-began, p.quantum)), "", Clean(text))
	}
}

// step writes a part of a path: when, how long, where in the request, what.
func (p *printer) step(began, took, from, length int64, hop int, what string) {
	long, bar := "", strings.Repeat(" ", pathBar)
	if length > 0 {
		long = analysis.FormatDuration(length, p.quantum)
		a := min(int((from-began)*pathBar/took), pathBar-1)
		b := min(max(int((from+length-began)*pathBar/took), a+1), pathBar)
		bar = strings.Repeat(" ", a) + strings.Repeat("█", b-a) + strings.Repeat(" ", pathBar-b)
	}
	first := fmt.Sprintf("  %10s %9s  %s  %s", "+"+analysis.FormatDuration(from-began, p.quantum), long, bar, strings.Repeat("  ", hop))
	p.wrapped(first, "", analysis.ShortPaths(what))
}

// requestsData is what the page draws of requests. Times are ns since the start of the
// trace; texts are indexes into Strings, -1 for none.
type requestsData struct {
	From    int64                   `json:"from"`
	To      int64                   `json:"to"`
	Quantum int64                   `json:"quantum"`
	Classes []string                `json:"classes"`
	Types   []string                `json:"types"`
	Strings []string                `json:"strings"`
	Dots    [][4]int64              `json:"dots"` // began, took, class, type
	IDs     []string                `json:"ids"`  // of the dots
	Paths   map[string]*requestData `json:"paths"`
}

// requestData is one request: its parts are from, to, goroutine, class, what, while.
type requestData struct {
	Type  int64      `json:"type"`
	Class int64      `json:"class"`
	Began int64      `json:"began"`
	Took  int64      `json:"took"`
	Parts [][6]int64 `json:"parts"`
}

// requests is what the page draws of requests, nil where there are none.
func (p *htmlPage) requests() *requestsData {
	dots, single, paths := tableOf(p.rep, analysis.RoleDots), tableOf(p.rep, analysis.RoleRequests), tableOf(p.rep, analysis.RolePaths)
	if dots == nil || single == nil || paths == nil || p.Many {
		return nil
	}
	d := &requestsData{From: p.rep.Trace.From, To: p.rep.Trace.To, Quantum: p.rep.Trace.Quantum, Classes: []string{}, Types: []string{}, Strings: []string{}, Dots: [][4]int64{}, IDs: []string{}, Paths: make(map[string]*requestData)}
	index := func(list *[]string) func(cell any) int64 {
		ids := make(map[string]int64)
		return func(cell any) int64 {
			text, ok := cell.(string)
			if !ok {
				return -1
			}
			id, known := ids[text]
			if !known {
				id = int64(len(*list))
				ids[text] = id
				*list = append(*list, Clean(text))
			}
			return id
		}
	}
	class, typ, text := index(&d.Classes), index(&d.Types), index(&d.Strings)
	num := func(t *analysis.Table, row int, column string) int64 {
		v, _ := integer(t.Cell(row, column))
		return v
	}
	for i := range dots.Rows {
		d.Dots = append(d.Dots, [4]int64{num(dots, i, "began"), num(dots, i, "took"), class(dots.Cell(i, "mostly")), typ(dots.Cell(i, "requests"))})
		id, _ := dots.Cell(i, "id").(string)
		d.IDs = append(d.IDs, Clean(id))
	}
	for i := range single.Rows {
		id, _ := single.Cell(i, "id").(string)
		r := &requestData{Type: typ(single.Cell(i, "requests")), Began: num(single, i, "began"), Took: num(single, i, "took"), Parts: [][6]int64{}}
		d.Paths[Clean(id)] = r
	}
	longest := make(map[string]map[int64]int64)
	for i := range paths.Rows {
		id, _ := paths.Cell(i, "id").(string)
		id = Clean(id)
		r := d.Paths[id]
		if r == nil {
			continue
		}
		c := class(paths.Cell(i, "state"))
		r.Parts = append(r.Parts, [6]int64{num(paths, i, "from"), num(paths, i, "to"), text(paths.Cell(i, "goroutine")), c, text(paths.Cell(i, "what")), text(paths.Cell(i, "while"))})
		if longest[id] == nil {
			longest[id] = make(map[int64]int64)
		}
		longest[id][c] += num(paths, i, "length")
	}
	for id, r := range d.Paths {
		for c, ns := range longest[id] {
			if most := longest[id][r.Class]; ns > most || ns == most && c < r.Class {
				r.Class = c
			}
		}
	}
	return d
}

// classColors are the colours of what most of the time of requests was.
func classColors(classes []string) string {
	light, dark := plots.Colors(classes, false), plots.Colors(classes, true)
	return themed("rq", len(classes), func(i int, isDark bool) string {
		if isDark {
			return dark[i]
		}
		return light[i]
	}, "\n.rq-%[1]d{fill:var(--rq-%[1]d);background:var(--rq-%[1]d)}.rq-dots.rq-%[1]d{stroke:var(--rq-%[1]d)}")
}
