package report

import (
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
		more := t.More
		one := *t
		one.More = 0
		p.line("")
		p.table(&one)
		if offset > 0 {
			p.line("  (from number " + analysis.FormatCount(int64(offset)+1) + " of " + analysis.FormatCount(more+int64(len(t.Rows))) + ")")
		}
		if later := more - int64(offset); later > 0 && len(t.Rows) > 0 {
			p.line("  … " + analysis.FormatCount(later) + " more: --offset " + analysis.FormatCount(int64(offset+len(t.Rows))))
		}
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}
