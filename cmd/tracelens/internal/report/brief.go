package report

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/tracelens/tracelens/analysis"
)

// How much of a report is on its first screen.
const (
	briefFindings = 4 // with their best evidence; the others by code
	briefLines    = 2 // of a finding's summary
	briefTime     = 5 // rows of where goroutine time goes
)

// brief writes what a terminal shows without scrolling: the verdict, the findings with
// their best evidence, where the time goes, and what is elsewhere.
func (p *printer) brief(rep *analysis.Report) {
	var notes []string
	shown := 0
	for _, f := range rep.Findings() {
		if f.Severity == analysis.Note || shown == briefFindings {
			notes = append(notes, f.Code)
			continue
		}
		shown++
		p.line("")
		p.clipped(p.mark(f.Severity)+" "+p.style(bold, Clean(f.Code))+": ", f.Summary, briefLines)
		if len(f.Evidence) > 0 {
			p.clipped("  at ", p.where(&f.Evidence[0]), 1)
		}
	}
	if len(notes) > 0 {
		p.line("")
		p.clipped(p.style(bold, "also")+": ", strings.Join(notes, ", "), briefLines)
	}
	p.time(rep)
	p.measures(rep)
	clear, unable := checks(rep)
	cannot := 0
	for _, u := range unable {
		cannot += len(u.Names)
	}
	p.line("")
	p.wrapped("", faint, fmt.Sprintf("%s clear, %d cannot tell. More: --full, --only NAME; 'tracelens explain NAME' for what it looks at.", counted(int64(len(clear)), "check"), cannot))
}

// time is where goroutine time goes.
func (p *printer) time(rep *analysis.Report) {
	var rows []string
	for _, res := range rep.Results {
		for _, l := range res.Leading {
			if l.Kind == analysis.VerdictTime && len(rows) < briefTime {
				rows = append(rows, l.Text)
			}
		}
	}
	if len(rows) == 0 {
		return
	}
	p.line("")
	p.line(p.style(bold, "where goroutine time goes") + ":")
	for _, r := range rows {
		p.clipped("  ", r, briefLines)
	}
}

// measures are those that have something to say: that have a figure which is worth a
// look for what it shows in this trace.
func (p *printer) measures(rep *analysis.Report) {
	const always = 1e9 // figures that always stand first say nothing of the trace
	first := true
	for _, res := range rep.Results {
		worth := false
		for _, f := range res.Figures {
			worth = worth || f.Weight >= 1 && f.Weight < always
		}
		if !worth || res.Check || len(res.Summary) == 0 {
			continue
		}
		if first {
			p.line("")
			first = false
		}
		p.clipped(p.style(bold, Clean(res.Name))+": ", res.Summary[0], 1)
	}
}

// clipped writes s after first over at most so many lines.
func (p *printer) clipped(first, s string, lines int) {
	indent := ansi.StringWidth(first)
	width := max(min(p.Width, maxProse)-indent, 20)
	all := wrap(Clean(s), width)
	if len(all) > lines {
		all = all[:lines]
		all[lines-1] = ansi.Truncate(all[lines-1]+" …", width, "…")
	}
	for i, l := range all {
		if i > 0 {
			first = strings.Repeat(" ", min(indent, 4))
		}
		p.line(first + l)
	}
}

// where says when and where in the trace evidence is.
func (p *printer) where(e *analysis.Evidence) string {
	where := analysis.FormatMoment(e.From)
	if e.To > e.From {
		where += " +" + p.dur(e.To-e.From)
	}
	if e.P != nil {
		where += fmt.Sprintf(" P %d", *e.P)
	}
	if e.G != nil {
		where += fmt.Sprintf(" G %d", *e.G)
	}
	for _, s := range []string{e.Func, e.Note} {
		if s != "" {
			where += " " + s
		}
	}
	return where
}
