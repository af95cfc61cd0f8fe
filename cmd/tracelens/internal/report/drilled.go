package report

import (
	"fmt"
	"io"
	"math"

	"github.com/tracelens/tracelens/analysis"
)

// Drilled writes what a question about one thing of a trace has found: a page of it, from
// row number offset on.
func Drilled(w io.Writer, rep *analysis.Report, opt Options, offset int) error {
	p := newPrinter(opt, rep.Trace.Quantum)
	p.depth = depth{tables: math.MaxInt, rows: math.MaxInt, lines: 3}
	p.header(rep)
	p.line("")
	p.say("", rep.Results[0].Summary...)
	for _, t := range rep.Results[0].Tables {
		one := *t
		one.More = 0
		p.line("")
		p.table(&one)
		for _, l := range Paged(t, offset) {
			p.line("  " + l)
		}
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

// Paged says which part of a table a page of it is that begins at row number offset.
func Paged(t *analysis.Table, offset int) (lines []string) {
	if len(t.Rows) == 0 && offset > 0 {
		return []string{fmt.Sprintf("(it has %s: --offset %d is behind them)", counted(t.More, "row"), offset)}
	}
	if offset > 0 {
		lines = append(lines, fmt.Sprintf("(from number %d of %s)", offset+1, analysis.FormatCount(t.More+int64(len(t.Rows)))))
	}
	if later := t.More - int64(offset); later > 0 && len(t.Rows) > 0 {
		lines = append(lines, fmt.Sprintf("… %s more: --offset %d", analysis.FormatCount(later), offset+len(t.Rows)))
	}
	return lines
}
