// Package report writes an analysis.Report in each output format, one file per
// format. A format sees nothing but the Report.
package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/tracelens/tracelens/analysis"
)

// Options say what the output is written to.
type Options struct {
	Width int  // display cells in a line
	Brief bool // text: sentences only, no tables
	Color bool // escape sequences are understood
	// Terminal: text may hold small drawings, which are noise to programs.
	Terminal bool

	FailOn     analysis.Severity // junit: the level of a failure; "" is Warning
	SourceRoot string            // sarif: paths below it are relative to it
	Pages      map[string]string // sarif: the analyzers' pages in Markdown, by name
}

// A Format is one way to write a Report.
type Format struct {
	Name  string
	Doc   string // one line of help
	Write func(io.Writer, *analysis.Report, Options) error
}

// Formats is the list of formats; the first is the default.
var Formats = []Format{
	{"text", "for people: the verdict, then what each analyzer says", Text},
	{"json", "everything, for programs: times in ns, tables with their units", JSON},
	{"sarif", "findings at their place in the code, for code scanning", SARIF},
	{"junit", "a test for each judge, for CI", JUnit},
}

// Named returns the format of that name.
func Named(name string) (Format, error) {
	for _, f := range Formats {
		if f.Name == name {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("unknown format %q; there are: %s", name, strings.Join(Names(), ", "))
}

// Names returns the names of the formats.
func Names() []string {
	var names []string
	for _, f := range Formats {
		names = append(names, f.Name)
	}
	return names
}

// Clean makes text of unknown origin safe to print on one line of a terminal:
// control characters, escapes, and what hides or reverses text are written out.
func Clean(s string) string {
	plain := func(r rune) bool { return r == ' ' || unicode.IsPrint(r) && r != unicode.ReplacementChar }
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case plain(r):
			b.WriteRune(r)
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i]) // not UTF-8
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}
