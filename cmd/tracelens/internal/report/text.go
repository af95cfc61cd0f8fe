package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// Text writes a report for people.
func Text(w io.Writer, rep *analysis.Report, opt Options) error {
	p := newPrinter(opt, rep.Trace.Quantum)
	p.many = rep.Fleet != nil
	p.header(rep)
	if lines := verdictLines(rep); len(lines) > 0 {
		p.line("")
		p.say("", lines...)
	}
	if p.Brief && !rep.Many() {
		p.brief(rep)
		p.configured(rep)
		_, err := io.WriteString(w, p.b.String())
		return err
	}
	head := p.b.String()
	for _, p.depth = range depths {
		p.b.Reset()
		p.b.WriteString(head)
		p.whole(rep)
		if p.many || strings.Count(p.b.String(), "\n") < fullLines {
			break
		}
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

// printer collects lines of text.
type printer struct {
	Options
	b       strings.Builder
	quantum int64 // ns
	depth   depth
	many    bool // traces: the report is about tables
}

func newPrinter(opt Options, quantum int64) *printer {
	return &printer{Options: opt, quantum: quantum, depth: depths[0]}
}

// depth is how much is written of what has many lines.
type depth struct {
	tables   int // of a measure
	rows     int // of a table
	lines    int // of a cell
	evidence int // of a finding
}

// depths are tried in turn until the text of a trace is short enough to be read.
var depths = []depth{{100, 1000, 1000, 3}, {100, 10, 3, 3}, {3, 8, 3, 2}, {2, 8, 3, 1}, {2, 6, 2, 1}, {2, 4, 1, 1}, {1, 6, 2, 1}, {1, 3, 1, 1}, {1, 2, 1, 1}, {1, 1, 1, 1}}

const fullLines = 400

// whole writes all that the report holds, after its header.
func (p *printer) whole(rep *analysis.Report) {
	if !p.many {
		p.findings(rep)
	}
	for _, res := range rep.Results {
		if !res.Check || res.Leads || p.many && len(res.Tables) > 0 {
			p.result(res, &rep.Trace)
		}
	}
	if p.many { // the ranking leads, what it rests on follows
		p.findings(rep)
	}
	p.checks(rep)
	p.configured(rep)
	if p.depth != depths[0] {
		p.line("")
		p.say("", "Rows and tables are left out of this text: --only NAME shows more of a measure, --format json and csv have all.")
	}
}

const (
	bold  = "1"
	faint = "2"
	alarm = "1;31"
)

// style marks s up, where that is wanted.
func (p *printer) style(how, s string) string {
	if !p.Color || how == "" || s == "" {
		return s
	}
	return "\x1b[" + how + "m" + s + "\x1b[m"
}

func (p *printer) line(s string) {
	p.b.WriteString(strings.TrimRight(s, " "))
	p.b.WriteByte('\n')
}

// wrapped writes s over as many lines as it takes, the first after first, the
// others after as much space.
func (p *printer) wrapped(first, how, s string) {
	indent := cellsOf(first)
	for i, l := range wrap(Clean(s), max(min(p.Width, maxProse)-indent, 20)) {
		if i > 0 {
			first = strings.Repeat(" ", indent)
		}
		p.line(first + p.style(how, l))
	}
}

// say writes each of the lines, wrapped, with a hanging indent.
func (p *printer) say(indent string, lines ...string) {
	for _, l := range lines {
		p.wrapped(indent, "", l)
	}
}

// header says what the report is about and what is missing of it.
func (p *printer) header(rep *analysis.Report) {
	if lost := lost(rep); lost != "" {
		p.wrapped("", alarm, lost)
	}
	p.wrapped("", bold, rep.Trace.Name)
	p.say("", strings.Join(facts(rep), ", "))
}

// findings writes what costs most.
func (p *printer) findings(rep *analysis.Report) {
	for _, f := range rep.Findings() {
		p.line("")
		p.finding("", f)
	}
}

// mark stands before a finding.
func (p *printer) mark(s analysis.Severity) string {
	switch s {
	case analysis.Note:
		return p.style(bold, "i")
	case analysis.Error:
		return p.style(alarm, "!!")
	}
	return p.style(alarm, "!")
}

// fewClear is up to how many checks that found nothing say what they looked at.
const fewClear = 5

// checks says what was looked for and not found, and what the trace cannot tell.
func (p *printer) checks(rep *analysis.Report) {
	clear, unable := checks(rep)
	if len(clear)+len(unable) == 0 {
		return
	}
	p.line("")
	if len(clear) > 0 {
		var names []string
		for _, res := range clear {
			names = append(names, res.Name)
		}
		p.line(p.style(bold, "looked for and not found") + ":")
		if len(clear) <= fewClear { // somebody asked for them
			for _, res := range clear {
				p.wrapped("  "+p.style(bold, Clean(res.Name))+": ", "", strings.Join(res.Summary, "; "))
			}
		} else {
			p.wrapped("  ", "", strings.Join(names, ", "))
		}
	}
	if len(unable) == 0 {
		return
	}
	p.line(p.style(bold, "this trace cannot tell") + ":")
	for _, u := range unable {
		p.wrapped("  ", "", strings.Join(u.Names, ", ")+": "+u.Reason)
	}
}

// configured says what a configuration keeps out of the report.
func (p *printer) configured(rep *analysis.Report) {
	if off := switchedOff(rep); off != "" {
		p.line("")
		p.wrapped(p.style(bold, "not looked for")+": ", "", off)
	}
	if n := len(rep.Suppressed); n > 0 {
		p.line("")
		p.wrapped(p.style(bold, counted(int64(n), "finding")+" suppressed")+": ", "", suppressed(rep))
	}
}

func (p *printer) result(res *analysis.Result, trace *analysis.Summary) {
	var tables []*analysis.Table
	for _, t := range res.Tables {
		if !t.Detail || p.Full && p.many {
			tables = append(tables, t)
		}
	}
	said := res.Summary
	if res.Leads && len(said)+len(res.Findings) > 0 {
		if len(tables) == 0 {
			return
		}
		said = nil // at the top
	}
	head := p.style(bold, Clean(res.Name)) + ": "
	switch {
	case res.Outcome == analysis.NotApplicable, res.Outcome == analysis.Failed:
		how := ""
		if res.Outcome == analysis.Failed {
			how = alarm
		}
		p.line("")
		p.wrapped(head, how, string(res.Outcome)+": "+res.Reason)
		for _, t := range tables {
			p.line("")
			p.table(t)
		}
		return
	case len(said)+len(tables) == 0:
		said = []string{"nothing to report"}
		fallthrough
	case len(said) == 1 && len(tables) == 0:
		p.line("")
		p.wrapped(head, "", said[0])
		return
	}
	p.line("")
	p.wrapped(head, bold, res.Title)
	p.say("  ", said...)
	p.sparks(res, trace.From, trace.To)
	for _, t := range tables[:min(len(tables), p.depth.tables)] {
		p.line("")
		p.table(t)
	}
	if more := len(tables) - p.depth.tables; more > 0 {
		p.line("")
		p.line("  " + p.style(faint, fmt.Sprintf("… and %s more: --only %s", counted(int64(more), "table"), Clean(res.Name))))
	}
}

func (p *printer) finding(indent string, f *analysis.Finding) {
	p.wrapped(indent+p.mark(f.Severity)+" ", bold, f.Summary)
	p.say(indent+"  ", fmt.Sprintf("%s; %s; %s", f.Code, cost(f, p.quantum), f.Confidence))
	for _, e := range f.Evidence[:min(len(f.Evidence), p.depth.evidence)] {
		p.wrapped(indent+"  at ", faint, p.where(&e))
	}
	if f.Advice != "" {
		p.wrapped(indent+"  do: ", "", f.Advice)
	}
	if f.Caveat != "" {
		p.wrapped(indent+"  but: ", "", f.Caveat)
	}
	for i := range f.Symptoms {
		p.wrapped(indent+"  "+relation(&f.Symptoms[i])+": ", "", f.Symptoms[i].Summary+" ("+f.Symptoms[i].Code+")")
	}
}

func (p *printer) dur(ns int64) string { return analysis.FormatDuration(ns, p.quantum) }

// relation says what a symptom is to its finding.
func relation(s *analysis.Finding) string {
	if s.Reason {
		return "because"
	}
	return "it causes"
}
