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
	Full  bool // also the tables; of many traces those of each metric
	Color bool // escape sequences are understood
	// Terminal: text may hold small drawings, which are noise to programs.
	Terminal bool

	Charts     []Chart                  // markdown: files that show the figures
	Table      string                   // csv: the table to write, "" for the metrics
	Links      func(text string) string // html: where the text of a cell leads, "" for nowhere; nil for none
	FailOn     analysis.Severity        // junit: the level of a failure; "" is Warning
	SourceRoot string                   // sarif: paths below it are relative to it
	Pages      map[string]string        // sarif, html: the analyzers' pages in Markdown, by name
	Limits     map[string]string        // brief: the thresholds in force of checks, by name
	MetricDocs map[string]string        // html, openmetrics: what metrics are, by id
}

// A Chart is a picture in a file.
type Chart struct {
	Title string
	Path  string // as the text refers to it, with slashes
	Dark  string // likewise, for a dark page; "" for none
}

// A Format is one way to write a Report.
type Format struct {
	Name  string
	Doc   string // one line of help
	Write func(io.Writer, *analysis.Report, Options) error
	Spans int // how many exact spans of Ps it shows, if the report holds them
}

// Formats is the list of formats; the first is the default.
var Formats = []Format{
	{"text", "for people: the verdict, then what each analyzer says", Text, 0},
	{"brief", "for assistants: at most 8,000 characters, with handles for show", Agent, 0},
	{"markdown", "for a comment on a review: the verdict, its proof, the rest folded", Markdown, 0},
	{"html", "one page for a browser, offline: findings, charts, tables, a timeline", HTML, 500_000},
	{"json", "everything, for programs: times in ns, tables with their units", JSON, 0},
	{"sarif", "findings at their place in the code, for code scanning", SARIF, 0},
	{"junit", "a test for each check, for CI; it fails by --fail-on, else by warnings", JUnit, 0},
	{"csv", "the metrics, of many traces a row for each, or with --table a table, for sheets", CSV, 0},
	{"parquet", "the metrics, and every cell of the tables as a row, for SQL", Parquet, 0},
	{"openmetrics", "metrics, or how they are distributed over traces, for Prometheus", OpenMetrics, 0},
}

// Named returns the format of that name.
func Named(formats []Format, name string) (Format, error) {
	var names []string
	for _, f := range formats {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, fmt.Errorf("unknown format %q; there are: %s", name, strings.Join(names, ", "))
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
