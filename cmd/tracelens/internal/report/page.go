package report

import (
	"io"
	"strings"
)

// Page writes a page of Markdown for a terminal: headings without marks,
// paragraphs and list items filled to the width, code as it is, a table as a list
// of its rows.
func Page(w io.Writer, markdown string, opt Options) error {
	p := &printer{Options: opt}
	var par []string // lines of the paragraph or list item being read
	flush := func() {
		if len(par) > 0 {
			text := strings.Join(par, " ")
			body := strings.TrimLeft(text, " ")
			lead := text[:len(text)-len(body)]
			if m := marker(body); m != "" {
				lead += m
				body = body[len(m):]
			}
			p.wrapped(lead, "", strings.ReplaceAll(body, "**", ""))
			par = nil
		}
	}
	fenced, inTable := false, false
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, " \n")
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case strings.HasPrefix(trimmed, "```"):
			flush()
			fenced = !fenced
		case fenced:
			p.line("    " + Clean(line))
		case line == "":
			flush()
			p.line("")
		case strings.HasPrefix(line, "#"):
			flush()
			p.line(p.style(bold, Clean(strings.TrimLeft(line, "# "))))
		case strings.HasPrefix(trimmed, "|"):
			flush()
			cells := strings.Split(strings.Trim(trimmed, "|"), "|")
			for i, c := range cells {
				cells[i] = strings.TrimSpace(c)
			}
			switch {
			case strings.Trim(trimmed, "|-: ") == "": // under the head of the table
			case !inTable:
				p.wrapped("", faint, strings.Join(cells, " · ")+":")
			default:
				p.wrapped("* ", "", cells[0]+": "+strings.Join(cells[1:], "; "))
			}
			inTable = true
			continue
		case strings.HasPrefix(line, "    ") && len(par) == 0:
			flush()
			p.line(Clean(line))
		case marker(trimmed) != "":
			flush()
			par = []string{line}
		case len(par) > 0:
			par = append(par, trimmed)
		default:
			par = []string{line}
		}
		inTable = false
	}
	flush()
	_, err := io.WriteString(w, p.b.String())
	return err
}

// marker returns the mark that begins a list item: "* ", "- ", "12. ".
func marker(s string) string {
	if strings.HasPrefix(s, "* ") || strings.HasPrefix(s, "- ") {
		return s[:2]
	}
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if digits > 0 && strings.HasPrefix(s[digits:], ". ") {
		return s[:digits+2]
	}
	return ""
}
