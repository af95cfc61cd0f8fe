package report

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/tracelens/tracelens/analysis"
)

// Text writes a report for people.
func Text(w io.Writer, rep *analysis.Report, opt Options) error {
	p := &printer{Options: opt, quantum: rep.Trace.Quantum, many: rep.Fleet != nil}
	p.header(rep)
	if lines := verdictLines(rep); len(lines) > 0 {
		p.line("")
		p.say("", lines...)
	}
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
	if p.Brief && !p.many {
		p.line("")
		p.wrapped("", faint, "Tables: --full, or --only ANALYZER for one section; 'tracelens explain ANALYZER' for what it counts.")
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

// printer collects lines of text.
type printer struct {
	Options
	b       strings.Builder
	quantum int64 // ns
	many    bool  // traces: the report is about tables
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
	indent := ansi.StringWidth(first)
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

// lost says what is missing of the trace, or of the fleet, "" if nothing.
func lost(rep *analysis.Report) string {
	if f := rep.Fleet; f != nil {
		if f.Failed+f.Partial == 0 {
			return ""
		}
		return fmt.Sprintf("%s could not be read, %s in part only: see the failures.", counted(int64(f.Failed), "input"), counted(int64(f.Partial), "trace"))
	}
	s := &rep.Trace
	if s.Fault == "" {
		return ""
	}
	lost := "INCOMPLETE: " + s.Fault + ". "
	if s.FaultKind == "io" {
		lost = "INCOMPLETE: reading it failed: " + s.Fault + ". "
	}
	if s.Generations > 0 {
		return lost + fmt.Sprintf("What follows is about the %s before it.", analysis.FormatMoment(s.To))
	}
	return lost + fmt.Sprintf("No generation could be read whole; what follows is about the %s of events before it.", analysis.FormatMoment(s.To))
}

// facts say which trace or fleet it is.
func facts(rep *analysis.Report) []string {
	s := &rep.Trace
	if f := rep.Fleet; f != nil {
		return []string{
			counted(int64(f.Traces), "trace") + " of " + counted(int64(f.Inputs), "input"), analysis.FormatBytes(f.Bytes),
			counted(f.Events, "event"), analysis.FormatDuration(f.Duration, s.Quantum) + " in all",
		}
	}
	format := strings.Replace(s.Format, "go", "Go", 1) + " format"
	if s.Compression != "" {
		format += " in " + s.Compression
	}
	facts := []string{format}
	duration := analysis.FormatDuration(s.Duration, s.Quantum)
	if s.Window {
		facts = append(facts, fmt.Sprintf("%s from %s to %s", duration, analysis.FormatMoment(s.From), analysis.FormatMoment(s.To)))
	} else {
		generation := "generation"
		if !s.Complete {
			generation = "whole generation"
		}
		facts = append(facts, duration, counted(s.Events, "event"), counted(int64(s.Generations), generation))
	}
	if s.Procs > 0 {
		facts = append(facts, fmt.Sprintf("GOMAXPROCS %d", s.Procs))
	}
	if at, err := time.Parse(time.RFC3339Nano, s.Start); err == nil {
		facts = append(facts, "began "+at.Format("2006-01-02 15:04:05 MST"))
	}
	return facts
}

func counted(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return analysis.FormatCount(n) + " " + what
}

// shownWhole is how many findings stand with their proof where the report is brief.
const shownWhole = 3

// findings writes what costs most.
func (p *printer) findings(rep *analysis.Report) {
	for i, f := range rep.Findings() {
		p.line("")
		if i < shownWhole || !p.Brief {
			p.finding("", f)
			continue
		}
		if i == shownWhole {
			p.wrapped("", faint, "Also, with their proof under --full:")
		}
		p.wrapped(p.mark(f.Severity)+" ", "", f.Summary+" ("+f.Code+")")
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

// mostNamed is how many findings the verdict names.
const mostNamed = 3

// verdictLines say what the findings come to, and the state of the program in numbers;
// nil where the analyzer of these did not run. What is about the trace alone has no
// cost, and limits no program.
func verdictLines(rep *analysis.Report) []string {
	i := slices.IndexFunc(rep.Results, func(res *analysis.Result) bool { return res.Leads })
	if i < 0 || len(rep.Results[i].Summary) == 0 || rep.Fleet != nil {
		return nil
	}
	numbers := strings.Join(rep.Results[i].Summary, " ")
	var costly []string
	for _, f := range rep.Findings() {
		if f.Severity.Rank() >= analysis.Warning.Rank() && f.Cost.Total > 0 {
			costly = append(costly, fmt.Sprintf("%s (%s)", f.Code, cost(f, rep.Trace.Quantum)))
		}
	}
	if len(costly) == 0 {
		return []string{"Nothing in this trace limits the program: " + numbers}
	}
	return []string{"What matters most: " + strings.Join(costly[:min(len(costly), mostNamed)], ", ") + ".", "In numbers: " + numbers}
}

// cannot is a reason for which a trace cannot tell something.
type cannot struct {
	Reason string
	Names  []string // of judges
}

// checks are the judges that looked and found nothing, and those that could not look.
func checks(rep *analysis.Report) (clear []*analysis.Result, unable []cannot) {
	for _, res := range rep.Results {
		if !res.Check || res.Leads {
			continue
		}
		switch res.Outcome {
		case analysis.Clear:
			clear = append(clear, res)
		case analysis.NotApplicable, analysis.Failed:
			i := slices.IndexFunc(unable, func(c cannot) bool { return c.Reason == res.Reason })
			if i < 0 {
				i = len(unable)
				unable = append(unable, cannot{Reason: res.Reason})
			}
			unable[i].Names = append(unable[i].Names, res.Name)
		}
	}
	return clear, unable
}

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
		p.wrapped("  ", "", strings.Join(names, ", "))
	}
	if len(unable) == 0 {
		return
	}
	p.line(p.style(bold, "this trace cannot tell") + ":")
	var names []string
	for _, u := range unable {
		names = append(names, u.Names...)
		if !p.Brief {
			p.wrapped("  ", "", strings.Join(u.Names, ", ")+": "+u.Reason)
		}
	}
	if p.Brief {
		p.wrapped("  ", "", strings.Join(names, ", "))
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

// switchedOff says which judges a configuration did not ask, "" if none.
func switchedOff(rep *analysis.Report) string {
	c := rep.Config
	if c == nil || len(c.Off) == 0 {
		return ""
	}
	by := c.File
	if c.Preset != "" {
		by += ", preset " + c.Preset
	}
	return strings.Join(c.Off, ", ") + " (off in " + by + ")"
}

// suppressed says which findings are, and why, each once.
func suppressed(rep *analysis.Report) string {
	var why []string
	for i := range rep.Suppressed {
		s := &rep.Suppressed[i]
		if say := fmt.Sprintf("%s (%s)", s.Code, s.Reason); !slices.Contains(why, say) {
			why = append(why, say)
		}
	}
	return strings.Join(why, ", ")
}

func (p *printer) result(res *analysis.Result, trace *analysis.Summary) {
	var tables []*analysis.Table
	for _, t := range res.Tables {
		if !t.Detail || p.Full {
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
	if p.Brief && !p.many {
		return
	}
	for _, t := range tables {
		p.line("")
		p.table(t)
	}
}

// cost says what a finding costs.
func cost(f *analysis.Finding, quantum int64) string {
	c := f.Cost
	if c.Total <= 0 {
		return "cost not known"
	}
	return fmt.Sprintf("cost %s %s, %s of %s", analysis.FormatDuration(c.Value, quantum), c.Clock, analysis.FormatRatio(c.Share()), analysis.FormatDuration(c.Total, quantum))
}

func (p *printer) finding(indent string, f *analysis.Finding) {
	p.wrapped(indent+p.mark(f.Severity)+" ", bold, f.Summary)
	p.say(indent+"  ", fmt.Sprintf("%s; %s; %s", f.Code, cost(f, p.quantum), f.Confidence))
	for _, e := range f.Evidence[:min(len(f.Evidence), 3)] {
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
		p.wrapped(indent+"  at ", faint, where)
	}
	if f.Advice != "" {
		p.wrapped(indent+"  do: ", "", f.Advice)
	}
	if f.Caveat != "" {
		p.wrapped(indent+"  but: ", "", f.Caveat)
	}
	for i := range f.Symptoms {
		p.wrapped(indent+"  hence: ", "", f.Symptoms[i].Summary+" ("+f.Symptoms[i].Code+")")
	}
}

func (p *printer) dur(ns int64) string { return analysis.FormatDuration(ns, p.quantum) }

const (
	gap      = 2   // cells between columns
	minText  = 16  // cells that text is not shortened below
	maxProse = 120 // cells of a line that is no table
)

// table writes a table within the width. What is too wide loses the directories of
// files and import paths first, the widest column before others, then the middle of texts, then columns at the right.
func (p *printer) table(t *analysis.Table) {
	cols := make([]column, len(t.Columns))
	for i, c := range t.Columns {
		cols[i] = column{name: strings.ReplaceAll(Clean(c.Name), "_", " "), text: c.Unit == analysis.Text}
		for _, row := range t.Rows {
			cols[i].cells = append(cols[i].cells, Clean(analysis.Format(row[i], c.Unit, p.quantum)))
		}
		cols[i].fit()
	}
	room := p.Width - 2
	for _, strip := range []func([]string){withoutCommonDirectories, withoutDirectories} {
		for _, i := range widestFirst(cols) {
			if total(cols) > room && cols[i].text {
				strip(cols[i].cells)
				cols[i].fit()
			}
		}
	}
	for total(cols) > room && len(cols) > 1 {
		widest := -1
		for i, c := range cols {
			if c.text && c.width > minText && (widest < 0 || c.width > cols[widest].width) {
				widest = i
			}
		}
		if widest >= 0 {
			cols[widest].width = max(minText, cols[widest].width-(total(cols)-room+1)/2)
		} else {
			cols = cols[:len(cols)-1]
		}
	}
	cols[0].width = min(cols[0].width, room)

	title := t.Title
	if t.N > 0 && !strings.Contains(title, analysis.FormatCount(t.N)) {
		title += ", n = " + analysis.FormatCount(t.N)
	}
	p.wrapped("  ", faint, title)
	lines := 0
	for i := range cols {
		cols[i].head = wrap(cols[i].name, cols[i].width)
		lines = max(lines, len(cols[i].head))
	}
	for l := range lines {
		var b strings.Builder
		for i := range cols {
			c := &cols[i]
			cell := ""
			if k := l - (lines - len(c.head)); k >= 0 {
				cell = c.head[k]
			}
			b.WriteString(c.pad(cell, i == 0))
		}
		p.line("  " + p.style(bold, strings.TrimRight(b.String(), " ")))
	}
	last := &cols[len(cols)-1]
	prose := last.prose()
	for r := range t.Rows {
		var b strings.Builder
		var rest []string // of a cell that takes several lines
		for i := range cols {
			c := &cols[i]
			cell := shorten(c.cells[r], c.width)
			if c == last && prose {
				if lines := wrap(c.cells[r], c.width); len(lines) > 0 {
					cell, rest = lines[0], lines[1:]
				}
			}
			b.WriteString(c.pad(cell, i == 0))
		}
		p.line("  " + b.String())
		for _, l := range rest {
			p.line(strings.Repeat(" ", 2+total(cols)-last.width) + l)
		}
	}
	var left []string
	if t.More > 0 {
		left = append(left, counted(t.More, "row"))
	}
	if n := len(t.Columns) - len(cols); n > 0 {
		left = append(left, counted(int64(n), "column"))
	}
	if len(left) > 0 {
		p.line("  " + p.style(faint, "… and "+strings.Join(left, " and ")+" more"))
	}
}

type column struct {
	name  string
	text  bool
	head  []string // the name, over several lines
	cells []string
	width int
}

// fit makes the column as wide as its cells and the longest word of its name.
func (c *column) fit() {
	c.width = 0
	for _, word := range strings.Fields(c.name) {
		c.width = max(c.width, ansi.StringWidth(word))
	}
	for _, cell := range c.cells {
		c.width = max(c.width, ansi.StringWidth(cell))
	}
}

// prose says whether the column holds sentences, which are not shortened.
func (c *column) prose() bool {
	return c.text && slices.ContainsFunc(c.cells, func(cell string) bool { return strings.Count(cell, " ") > 6 })
}

// pad aligns a cell: text left, numbers right.
func (c *column) pad(cell string, first bool) string {
	space := strings.Repeat(" ", max(0, c.width-ansi.StringWidth(cell)))
	if c.text {
		cell += space
	} else {
		cell = space + cell
	}
	if first {
		return cell
	}
	return strings.Repeat(" ", gap) + cell
}

func total(cols []column) int {
	n := gap * (len(cols) - 1)
	for _, c := range cols {
		n += c.width
	}
	return n
}

// wrap breaks s at spaces into lines of at most width cells; a longer word is shortened.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		word = shorten(word, width)
		switch {
		case line == "":
			line = word
		case ansi.StringWidth(line)+1+ansi.StringWidth(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

func widestFirst(cols []column) []int {
	order := make([]int, len(cols))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cols[b].width, cols[a].width) })
	return order
}

// withoutCommonDirectories takes away those that all cells begin with.
func withoutCommonDirectories(cells []string) {
	if len(cells) == 0 {
		return
	}
	common := cells[0]
	for _, cell := range cells {
		for !strings.HasPrefix(cell, common) {
			common = common[:len(common)-1]
		}
	}
	common = common[:strings.LastIndexByte(common, '/')+1]
	for r := range cells {
		cells[r] = cells[r][len(common):]
	}
}

func withoutDirectories(cells []string) {
	for r, cell := range cells {
		if strings.Contains(cell, ".") { // the code of a finding has none
			cells[r] = directories.ReplaceAllString(cell, "")
		}
	}
}

// directories is the part of an import path before its last element.
var directories = regexp.MustCompile(`([\w.~@-]+/)+`)

// shorten cuts s to width cells: what follows its first word, or, when that is
// too wide itself, its middle. The end of a name, with the function's own name
// and line, says more than its begin.
func shorten(s string, width int) string {
	n := ansi.StringWidth(s)
	if n <= width {
		return s
	}
	if name, _, more := strings.Cut(s, " "); more {
		if ansi.StringWidth(name)+2 <= width {
			return strings.TrimRight(ansi.Truncate(s, width-1, ""), " (") + "…"
		}
		return shorten(name, width)
	}
	head := ansi.Truncate(s, max(0, width-1)/4, "")
	for cut := n - width + 1 + ansi.StringWidth(head); cut < n; cut++ {
		// N.B. a cut within a wide character leaves more than asked for.
		if out := head + ansi.TruncateLeft(s, cut, "…"); ansi.StringWidth(out) <= width {
			return out
		}
	}
	return "…"
}
