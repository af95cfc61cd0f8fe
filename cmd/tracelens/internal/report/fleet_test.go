package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
)

// TestFleetCSV: of many traces CSV is a row for each, whether or not there are budgets.
func TestFleetCSV(t *testing.T) {
	budgets := &analysis.Table{Name: "budgets", Columns: []analysis.Column{{Name: "budget", Unit: analysis.Text}}}
	budgets.Add("heap.live.max")
	every := &analysis.Table{Name: "every", Role: analysis.RoleEvery, Columns: []analysis.Column{{Name: "trace", Unit: analysis.Text}}}
	every.Add("a.trace")
	every.Add("b.trace")
	for _, tables := range [][]*analysis.Table{{every}, {budgets, every}} {
		var b bytes.Buffer
		if err := CSV(&b, &analysis.Report{Fleet: &analysis.Fleet{Inputs: 2, Traces: 2}, Results: []*analysis.Result{{Tables: tables}}}, Options{}); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != "trace\na.trace\nb.trace\n" {
			t.Errorf("%q of %d tables", got, len(tables))
		}
	}
}

// TestFleetUntrusted: a path that no one should have stays text in every format.
func TestFleetUntrusted(t *testing.T) {
	evil := "=cmd|' /C calc'!A0<script>alert(1)</script>\n# EOF \x1b[31m\"} 1 | **@someone** [a](http://b)"
	table := &analysis.Table{Name: "findings", Title: evil, Columns: []analysis.Column{{Name: "finding", Unit: analysis.Text}, {Name: "level", Unit: analysis.Text}, {Name: "traces", Unit: analysis.Count}}}
	table.Add(evil, "error", int64(1))
	rep := &analysis.Report{
		Trace: analysis.Summary{Name: evil, Complete: true},
		Fleet: &analysis.Fleet{Inputs: 1, Traces: 1},
		Results: []*analysis.Result{{Name: "fleet", Outcome: analysis.Found, Summary: []string{evil}, Tables: []*analysis.Table{table},
			Findings: []analysis.Finding{{Code: evil, Severity: analysis.Error, Summary: evil}}}},
	}
	for _, c := range []struct {
		name, want string
		never      []string
	}{
		{"csv", "\n\"'=cmd", []string{"\n=cmd", "\n\"=cmd"}},
		{"openmetrics", `tracelens_finding_traces{finding="=cmd`, []string{"\n# EOF ", `[31m"} 1`}},
		{"markdown", "&#60;script", []string{"<script", "@someone", "**&#64;", "](http", "\n# EOF"}},
		{"html", "&lt;script&gt;alert", []string{"<script>alert"}},
	} {
		format, err := Named(Formats, c.name)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := format.Write(&b, rep, Options{Full: true}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), c.want) {
			t.Errorf("%s: no %q in\n%s", c.name, c.want, b.String())
		}
		for _, s := range append(c.never, "\x1b") {
			if strings.Contains(b.String(), s) {
				t.Errorf("%s: %q in\n%s", c.name, s, b.String())
			}
		}
	}
}
