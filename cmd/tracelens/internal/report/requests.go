package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// Requests writes what a report says of requests as text: the types, then single
// requests step by step.
func Requests(w io.Writer, rep *analysis.Report, opt Options) error {
	p := &printer{Options: opt, quantum: rep.Trace.Quantum}
	p.header(rep)
	for _, res := range rep.Results {
		p.result(res, &rep.Trace)
	}
	if t := tableOf(rep, analysis.RoleRequests); t != nil {
		paths := tableOf(rep, analysis.RolePaths)
		for i := range t.Rows {
			p.request(t, i, paths)
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
			return t.Role != analysis.RoleRequests && t.Role != analysis.RolePaths
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
	p.wrapped(first, "", what)
}
