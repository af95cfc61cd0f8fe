package report

import (
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/tracelens/tracelens/analysis"
)

// GitHub takes 65,536 characters in a comment. A byte is never more than one, and
// whoever posts it may add a line.
const markdownBytes = 64_000

const (
	cellWidth     = 120 // of text in a table
	proseWidth    = 600 // of a sentence
	markdownRows  = 20  // of a table
	evidenceShown = 5   // of a finding
)

// Markdown writes what fits into a comment on a review, as GitHub and GitLab render
// it: on one screen the verdict, the findings as a table and the chart of the gravest;
// then all the rest folded, in the order of use. What is of least use is left out where
// not all fits, and named.
func Markdown(w io.Writer, rep *analysis.Report, opt Options) error {
	m := &markdownWriter{Options: opt, rep: rep}
	head, foot := m.head(), m.foot()
	room := markdownBytes - len(head) - len(foot) - 500 // for what is left out
	var body strings.Builder
	var left []string
	said := make(map[string]bool)
	for _, group := range m.groups() {
		opens, closes := "", ""
		if group.line != "" {
			opens, closes = fmt.Sprintf("\n<details><summary>%s</summary>\n", group.line), "\n</details>\n"
		}
		var text strings.Builder
		for _, part := range group.parts {
			part.text = once(part.text, said)
			if len(opens)+text.Len()+len(part.text)+len(closes) > room {
				left = append(left, part.name)
				continue
			}
			text.WriteString(part.text)
		}
		if text.Len() > 0 {
			room -= len(opens) + text.Len() + len(closes)
			body.WriteString(opens + text.String() + closes)
		}
	}
	if len(left) > 0 {
		fmt.Fprintf(&body, "\nLeft out, to fit into a comment: %s.\n", m.text(strings.Join(left, ", "), 400))
	}
	_, err := io.WriteString(w, head+body.String()+foot)
	return err
}

// marked stands around what a report says once: nothing from a trace holds it.
const marked = "\x00"

// once leaves out what is marked and has been said, and what is marked twice.
func once(text string, said map[string]bool) string {
	pieces := strings.Split(text, marked)
	for i := 1; i < len(pieces); i += 2 {
		if said[pieces[i]] {
			pieces[i] = ""
		}
		said[pieces[i]] = true
	}
	return strings.Join(pieces, "")
}

type markdownWriter struct {
	Options
	rep *analysis.Report
}

// A part stands in the text as a whole or not at all.
type markdownPart struct{ name, text string }

// A group is what stands behind one line, or in the open where there is none.
type markdownGroup struct {
	line  string
	parts []markdownPart
}

// groups are all of them, what is of most use first.
func (m *markdownWriter) groups() (all []markdownGroup) {
	add := func(line string, parts ...markdownPart) {
		all = append(all, markdownGroup{line, slices.DeleteFunc(parts, func(p markdownPart) bool { return p.text == "" })})
	}
	findings := m.rep.Findings()
	if m.rep.Many() {
		for _, res := range m.rep.Results {
			add("", m.result(res)...)
		}
		var proofs []markdownPart
		for _, f := range findings {
			proofs = append(proofs, m.behind(f))
		}
		add("", proofs...)
		add("", m.checked()...)
		return all
	}
	add("", markdownPart{"findings", m.findings(findings)})
	if len(m.Charts) > 0 {
		add("", markdownPart{"chart", m.chart(m.Charts[0])})
	}
	var first, more []markdownPart
	for i, f := range findings {
		if i < shownWhole {
			first = append(first, m.behind(f))
		} else {
			more = append(more, m.behind(f))
		}
	}
	add("", first...)
	add("More findings: "+counted(int64(len(more)), "finding"), more...)
	if len(m.Charts) > 1 {
		var charts []markdownPart
		for _, c := range m.Charts[1:] {
			charts = append(charts, markdownPart{"chart " + c.Title, m.chart(c)})
		}
		add("More charts: "+analysis.FormatCount(int64(len(charts))), charts...)
	}
	// Where the time of goroutines goes comes before what else was measured.
	leading := func(res *analysis.Result) bool { return len(res.Leading) > 0 }
	for _, group := range []struct {
		line string
		of   func(*analysis.Result) bool
	}{{"Where goroutine time goes", leading}, {"What else was measured", func(res *analysis.Result) bool { return !leading(res) }}} {
		var parts []markdownPart
		for _, res := range m.rep.Results {
			if group.of(res) {
				parts = append(parts, m.result(res)...)
			}
		}
		add(group.line, parts...)
	}
	add("What was looked for", m.checked()...)
	add("", markdownPart{"metrics", m.metrics()})
	return all
}

// findings are a line for each: how grave, what, where, what it costs.
func (m *markdownWriter) findings(all []*analysis.Finding) string {
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n| level | what | where | cost |\n|---|---|---|---:|\n")
	for _, f := range all[:min(len(all), markdownRows)] {
		where, cost := "", ""
		for _, e := range f.Evidence {
			if e.From > m.rep.Trace.From || e.To < m.rep.Trace.To { // all of it is no place
				where = strings.ReplaceAll(analysis.FormatMoment(e.From), " ", "&nbsp;")
				break
			}
		}
		for _, e := range f.Evidence {
			if e.Func != "" {
				where = strings.TrimSpace(where + " " + code(analysis.ShortPaths(e.Func)))
				break
			}
		}
		if f.Cost.Total > 0 {
			cost = strings.ReplaceAll(analysis.FormatRatio(f.Cost.Share()), " ", "&nbsp;")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.level(f.Severity), m.text(analysis.Headline(f.Summary), proseWidth), where, cost)
	}
	if more := len(all) - markdownRows; more > 0 {
		fmt.Fprintf(&b, "\n… and %s more\n", counted(int64(more), "finding"))
	}
	return b.String()
}

// behind is a finding with its proof, folded.
func (m *markdownWriter) behind(f *analysis.Finding) markdownPart {
	return markdownPart{"finding " + f.Code, m.folded(m.level(f.Severity)+": "+m.text(analysis.Headline(f.Summary), proseWidth), m.text(f.Summary, proseWidth)+"\n\n"+m.proof(f))}
}

// checked is what was looked for and not found, and what the trace cannot tell.
func (m *markdownWriter) checked() (parts []markdownPart) {
	clear, unable := checks(m.rep)
	if len(clear) > 0 {
		var names []string
		for _, res := range clear {
			names = append(names, code(res.Name))
		}
		parts = append(parts, markdownPart{"what was not found", m.folded(fmt.Sprintf("Looked for and not found: %d", len(clear)), strings.Join(names, ", ")+"\n")})
	}
	if len(unable) > 0 {
		var b strings.Builder
		for _, u := range unable {
			fmt.Fprintf(&b, "- %s: %s\n", m.text(strings.Join(u.Names, ", "), proseWidth), m.text(u.Reason, proseWidth))
		}
		parts = append(parts, markdownPart{"what the trace cannot tell", m.folded("This trace cannot tell", b.String())})
	}
	return parts
}

// result is what a measure says and its tables, folded; of a fleet, where they are
// what the report is about, each as a part.
func (m *markdownWriter) result(res *analysis.Result) (parts []markdownPart) {
	many := m.rep.Many()
	if !many && (res.Check || res.Leads) {
		return nil
	}
	var said strings.Builder
	for _, l := range res.Summary {
		fmt.Fprintf(&said, "%s\n\n", m.text(l, proseWidth))
	}
	if many && said.Len() > 0 {
		parts = append(parts, markdownPart{res.Name, "\n" + said.String()})
	}
	for _, t := range res.Tables {
		switch {
		case t.Detail && !m.Full || len(t.Rows) == 0:
		case many && t.Detail:
			parts = append(parts, markdownPart{"table " + t.Name, m.folded(m.text(t.Title, proseWidth), m.table(t))})
		case many:
			parts = append(parts, markdownPart{"table " + t.Name, fmt.Sprintf("\n**%s**\n\n%s", m.text(t.Title, proseWidth), m.table(t))})
		default:
			fmt.Fprintf(&said, "**%s**\n\n%s\n", m.text(t.Title, proseWidth), m.table(t))
		}
	}
	if !many && said.Len() > 0 {
		parts = append(parts, markdownPart{"measure " + res.Name, m.folded(m.text(res.Name+": "+res.Title, proseWidth), said.String())})
	}
	return parts
}

func (m *markdownWriter) head() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### tracelens: %s\n\n", m.text(m.rep.Trace.Name, proseWidth))
	if lost := lost(m.rep); lost != "" {
		fmt.Fprintf(&b, "**%s**\n\n", m.text(lost, proseWidth))
	}
	n := make(map[analysis.Severity]int64)
	for _, f := range m.rep.Findings() {
		n[f.Severity]++
	}
	var counts []string
	for _, s := range []analysis.Severity{analysis.Error, analysis.Warning, analysis.Note} {
		if n[s] > 0 {
			counts = append(counts, counted(n[s], string(s)))
		}
	}
	if len(counts) > 0 {
		fmt.Fprintf(&b, "**%s.** ", strings.Join(counts, ", "))
	}
	fmt.Fprintf(&b, "%s.\n", m.text(strings.Join(facts(m.rep), ", "), proseWidth))
	for _, l := range verdictLines(m.rep) {
		fmt.Fprintf(&b, "\n%s\n", m.text(l, 2*proseWidth))
	}
	return b.String()
}

func (m *markdownWriter) foot() string {
	var b strings.Builder
	if off := switchedOff(m.rep); off != "" {
		fmt.Fprintf(&b, "\nNot looked for: %s.\n", m.text(off, proseWidth))
	}
	if n := len(m.rep.Suppressed); n > 0 {
		fmt.Fprintf(&b, "\nSuppressed: %s: %s.\n", counted(int64(n), "finding"), m.text(suppressed(m.rep), 2*proseWidth))
	}
	how := ""
	if t := &m.rep.Trace; isFile(m.rep) {
		how = "tracelens analyze"
		if t.Window {
			how += " --from " + seconds(t.From) + " --to " + seconds(t.To)
		}
		if how += " " + ShellQuoted(t.Name); len(how) > 2*proseWidth {
			how = "" // a part of a command is none
		} else {
			how = "; reproduce with <code>" + inMarkdown(how) + "</code>"
		}
	}
	fmt.Fprintf(&b, "\n<sub>%s%s</sub>\n", m.text(m.rep.Tool, cellWidth), how)
	return b.String()
}

// level is a sign that all themes show, and the word.
func (m *markdownWriter) level(s analysis.Severity) string {
	sign := map[analysis.Severity]string{analysis.Error: "🔴&nbsp;", analysis.Warning: "🟠&nbsp;", analysis.Note: "🔵&nbsp;"}[s]
	return sign + m.text(string(s), cellWidth)
}

func (m *markdownWriter) dur(ns int64) string {
	return analysis.FormatDuration(ns, m.rep.Trace.Quantum)
}

// proof is all of a finding but its summary.
func (m *markdownWriter) proof(f *analysis.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s · %s · %s\n", cost(f, m.rep.Trace.Quantum), m.text(string(f.Confidence), cellWidth), code(f.Code))
	if f.Advice != "" {
		fmt.Fprintf(&b, "\n**Do:** %s\n", m.text(f.Advice, 2*proseWidth))
	}
	if f.Caveat != "" {
		fmt.Fprintf(&b, "\n**But:** %s\n", m.text(f.Caveat, 2*proseWidth))
	}
	for i := range f.Symptoms {
		hence := "Hence"
		if f.Symptoms[i].Reason {
			hence = "Because"
		}
		fmt.Fprintf(&b, "\n**%s:** %s (%s)\n", hence, m.text(f.Symptoms[i].Summary, proseWidth), code(f.Symptoms[i].Code))
	}
	if len(f.Evidence) == 0 {
		return b.String()
	}
	shown := f.Evidence[:min(len(f.Evidence), evidenceShown)]
	m.evidence(&b, shown)
	var how strings.Builder
	for _, e := range shown {
		for i, o := range Openings(m.rep, e.From, e.To) {
			if i == 0 {
				fmt.Fprintf(&how, "# %s\n", analysis.FormatMoment(e.From))
			}
			fmt.Fprintf(&how, "%s  # %s\n", o.Command, o.Then)
		}
	}
	if how.Len() > 0 {
		fence := "```"
		for strings.Contains(how.String(), fence) {
			fence += "`"
		}
		b.WriteString(marked + m.folded("Open these moments", fence+"sh\n"+how.String()+fence+"\n") + marked)
	}
	return b.String()
}

// evidence writes a table, without the columns that say nothing.
func (m *markdownWriter) evidence(b *strings.Builder, all []analysis.Evidence) {
	heads := []string{"at", "for", "P", "G", "where", "what"}
	used := make([]bool, len(heads))
	used[0] = true
	id := func(p *int64) string {
		if p == nil {
			return ""
		}
		return fmt.Sprint(*p)
	}
	whole := func(s string) string { return strings.ReplaceAll(s, " ", "&nbsp;") }
	var rows [][]string
	for _, e := range all {
		row := []string{whole(analysis.FormatMoment(e.From)), "", id(e.P), id(e.G), "", m.text(e.Note, cellWidth)}
		if e.To > e.From {
			row[1] = whole(m.dur(e.To - e.From))
		}
		if e.Func != "" {
			row[4] = code(e.Func)
		}
		for i, cell := range row {
			used[i] = used[i] || cell != ""
		}
		rows = append(rows, row)
	}
	line := func(cells []string) {
		for i, cell := range cells {
			if used[i] {
				b.WriteString("| " + cell + " ")
			}
		}
		b.WriteString("|\n")
	}
	b.WriteByte('\n')
	line(heads)
	line([]string{"---:", "---:", "---:", "---:", "---", "---"})
	for _, row := range rows {
		line(row)
	}
}

// folded hides text behind a line that opens it.
func (m *markdownWriter) folded(line, text string) string {
	// Markdown within HTML needs empty lines around it.
	return fmt.Sprintf("\n<details><summary>%s</summary>\n\n%s\n</details>\n", line, text)
}

// chart shows a picture, a dark one on a dark page.
func (m *markdownWriter) chart(c Chart) string {
	path := func(p string) string { return inMarkdown((&url.URL{Path: p}).EscapedPath()) }
	dark := ""
	if c.Dark != "" {
		dark = fmt.Sprintf(`<source media="(prefers-color-scheme: dark)" srcset="%s">`, path(c.Dark))
	}
	title := strings.ReplaceAll(m.text(c.Title, proseWidth), `"`, "&#34;")
	return fmt.Sprintf("\n<picture>%s<img alt=\"%s\" src=\"%s\"></picture>\n", dark, title, path(c.Path))
}

func (m *markdownWriter) metrics() string {
	var b strings.Builder
	b.WriteString("| metric | value | n | better |\n|---|---:|---:|---|\n")
	n := 0
	for _, id := range slices.Sorted(maps.Keys(m.rep.Metrics)) {
		v := m.rep.Metrics[id]
		n++
		better := string(v.Polarity)
		if v.Polarity == analysis.Neutral {
			better = ""
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code(id), m.text(analysis.Format(v.Value, v.Unit, m.rep.Trace.Quantum), cellWidth), analysis.FormatCount(v.N), m.text(better, cellWidth))
	}
	if n == 0 {
		return ""
	}
	return m.folded(fmt.Sprintf("Metrics: %d", n), b.String())
}

func (m *markdownWriter) table(t *analysis.Table) string {
	var b strings.Builder
	b.WriteString("|")
	for _, c := range t.Columns {
		b.WriteString(" " + m.text(strings.ReplaceAll(c.Name, "_", " "), cellWidth) + " |")
	}
	b.WriteString("\n|")
	for _, c := range t.Columns {
		if c.Unit == analysis.Text {
			b.WriteString("---|")
		} else {
			b.WriteString("---:|")
		}
	}
	rows := t.Rows[:min(len(t.Rows), markdownRows)]
	for _, row := range rows {
		b.WriteString("\n|")
		for i, cell := range row {
			b.WriteString(" " + m.text(analysis.Format(cell, t.Columns[i].Unit, m.rep.Trace.Quantum), cellWidth) + " |")
		}
	}
	b.WriteString("\n")
	if more := t.More + int64(len(t.Rows)-len(rows)); more > 0 {
		fmt.Fprintf(&b, "\n… and %s more\n", counted(more, "row"))
	}
	return b.String()
}

// text makes s stand as it is, cut to width cells.
func (m *markdownWriter) text(s string, width int) string { return inMarkdown(cut(s, width)) }

// cut makes s printable, without blanks around it, and cuts it to width cells, and to
// as many runes four times over: some take no cell.
func cut(s string, width int) string {
	runes := 0
	for i := range s {
		if runes++; runes > 4*width {
			s = s[:i] + "…"
			break
		}
	}
	return strings.TrimSpace(ansi.Truncate(Clean(s), width, "…"))
}

// inMarkdown makes printable text of unknown origin stand as it is: no markup, no
// HTML, no mention of a person, no reference to an issue, no link.
func inMarkdown(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case strings.ContainsRune("&<>@#|`\\*_~[]!$:", r) && !(r == '_' && inWord(s, i)) && !(r == ':' && !linkAt(s, i)):
			fmt.Fprintf(&b, "&#%d;", r)
		case (r == '-' || r == '+' || r == '=') && i == 0:
			fmt.Fprintf(&b, "&#%d;", r) // no list, no heading
		case (r == '.' || r == ')') && i > 0 && strings.Trim(s[:i], "0123456789") == "" && (i+1 == len(s) || s[i+1] == ' '):
			fmt.Fprintf(&b, "&#%d;", r) // no numbered list
		case r == '.' && strings.HasSuffix(strings.ToLower(s[:i]), "www"):
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// inWord says whether what is at s[i] stands between letters or digits: there an
// underscore is one.
func inWord(s string, i int) bool {
	word := func(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	return i > 0 && i+1 < len(s) && word(s[i-1]) && word(s[i+1])
}

// linkAt says whether the colon at s[i] could make a link, or a sign such as :smile:.
func linkAt(s string, i int) bool {
	return i+1 < len(s) && s[i+1] != ' ' && !(s[i+1] >= '0' && s[i+1] <= '9' && inWord(s, i))
}

// code is s in the font of code, cut like a cell.
func code(s string) string {
	return "<code>" + inMarkdown(cut(s, cellWidth)) + "</code>"
}
