package report

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// screen is how much of a report is on its first screen.
type screen struct {
	findings int // with their best evidence; the others by code
	lines    int // of each text
	time     int // rows of where goroutine time goes
	measures int
}

// screens are tried in turn until one has no more than screenLines: a long verdict leaves
// less room.
var screens = []screen{{4, 2, 5, 9}, {4, 2, 3, 4}, {3, 1, 3, 2}, {2, 1, 1, 0}}

const screenLines = 40

// brief writes what a terminal shows without scrolling.
func (p *printer) brief(rep *analysis.Report) {
	head := p.b.String()
	for _, s := range screens {
		p.b.Reset()
		p.b.WriteString(head)
		p.screen(rep, s)
		if strings.Count(p.b.String(), "\n") <= screenLines {
			return
		}
	}
}

// screen writes the findings with their best evidence, where the time goes, and what is
// elsewhere.
func (p *printer) screen(rep *analysis.Report, s screen) {
	var notes []*analysis.Finding
	shown := 0
	for _, f := range rep.Findings() {
		if f.Severity == analysis.Note || shown == s.findings {
			notes = append(notes, f)
			continue
		}
		shown++
		p.line("")
		p.clipped(p.mark(f.Severity)+" "+p.style(bold, Clean(f.Code))+": ", f.Summary, s.lines)
		if len(f.Evidence) > 0 {
			p.clipped("  at ", p.where(&f.Evidence[0]), 1)
		}
	}
	p.notes(notes, shown, s)
	p.time(rep, s)
	p.measures(rep, s.measures)
	clear, unable := checks(rep)
	cannot := 0
	for _, u := range unable {
		cannot += len(u.Names)
	}
	p.line("")
	p.wrapped("", faint, fmt.Sprintf("%s clear, %d cannot tell. More: --full, --only NAME; 'tracelens explain NAME' for what it looks at.", counted(int64(len(clear)), "check"), cannot))
}

// notes writes what is less grave: beside graver findings by name, else the first of them
// with what they say.
func (p *printer) notes(notes []*analysis.Finding, graver int, s screen) {
	if len(notes) == 0 {
		return
	}
	p.line("")
	said := 0
	if graver == 0 {
		said = min(s.findings, len(notes))
	}
	for _, f := range notes[:said] {
		p.clipped(p.mark(f.Severity)+" "+p.style(bold, Clean(f.Code))+": ", f.Summary, 1)
	}
	var names []string
	count := make(map[string]int64)
	for _, f := range notes[said:] {
		if count[f.Code]++; count[f.Code] == 1 {
			names = append(names, f.Code)
		}
	}
	for i, code := range names {
		if n := count[code]; n > 1 {
			names[i] = fmt.Sprintf("%s ×%s", code, analysis.FormatCount(n))
		}
	}
	if len(names) > 0 {
		p.clipped(p.style(bold, "also")+": ", strings.Join(names, ", "), s.lines)
	}
}

// time is where goroutine time goes.
func (p *printer) time(rep *analysis.Report, s screen) {
	var rows []string
	for _, res := range rep.Results {
		for _, l := range res.Leading {
			if l.Kind == analysis.VerdictTime && len(rows) < s.time {
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
		p.clipped("  ", r, s.lines)
	}
}

// measures are those that have something to say: that have a figure which is worth a
// look for what it shows in this trace.
func (p *printer) measures(rep *analysis.Report, most int) {
	const always = 1e9 // figures that always stand first say nothing of the trace
	shown := 0
	for _, res := range rep.Results {
		worth := false
		for _, f := range res.Figures {
			worth = worth || f.Weight >= 1 && f.Weight < always
		}
		if !worth || res.Check || len(res.Summary) == 0 || shown == most {
			continue
		}
		if shown == 0 {
			p.line("")
		}
		shown++
		p.clipped(p.style(bold, Clean(res.Name))+": ", res.Summary[0], 1)
	}
}

// clipped writes s after first over at most so many lines.
func (p *printer) clipped(first, s string, lines int) {
	indent := cellsOf(first)
	width := max(min(p.Width, maxProse)-indent, 20)
	for i, l := range clip(wrap(Clean(s), width), lines, width) {
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
