package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tracelens/tracelens/analysis"
)

// TestAgentBounded: however long and many the names, a brief report is short, says what it
// leaves out, and has nothing from the trace outside of double quotes.
func TestAgentBounded(t *testing.T) {
	quoted := regexp.MustCompile(`"(\\.|[^"\\])*"`)
	for _, evil := range append([]string{strings.Repeat("EVIL", 10_000), strings.Repeat("\u0301EVIL", 5_000), strings.Repeat(`"EVIL\`, 5_000), strings.Repeat("EVIL\n", 5_000)}, hostile...) {
		rep := &analysis.Report{
			Trace:   analysis.Summary{Name: "a b.trace", Fault: evil, Format: "go 1.26", To: 1e9},
			Verdict: &analysis.Verdict{Text: evil},
			Results: []*analysis.Result{{Name: "limits", Check: true, Leads: true, Summary: []string{evil, evil}}, {Name: "x", Check: true, Outcome: analysis.Found}},
		}
		for range 30 {
			rep.Results[1].Findings = append(rep.Results[1].Findings, analysis.Finding{
				Code: "x/y", Severity: analysis.Warning, Summary: evil, Advice: evil, Cost: analysis.Cost{Value: 1, Total: 2, Clock: analysis.Wall}, Confidence: analysis.Measured,
				Evidence: []analysis.Evidence{{From: 1, To: 1e6, Func: evil, Note: evil, Stack: []analysis.Frame{{Func: evil, File: evil, Line: 7}}}, {From: 2}, {From: 3}},
			})
		}
		var b bytes.Buffer
		if err := Agent(&b, rep, Options{Limits: map[string]string{"x": strings.Repeat("limit; ", 100)}}); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if n := utf8.RuneCountInString(text); n > agentMost {
			t.Errorf("%.20q: %d characters", evil, n)
		}
		bare := quoted.ReplaceAllString(text, "")
		for _, s := range []string{"EVIL", "script", "alert", "\x1b", "\u202e"} {
			if strings.Contains(bare, s) {
				t.Errorf("%.20q: %q stands outside of quotes in\n%s", evil, s, text)
			}
		}
		for _, want := range []string{"more findings: tracelens show 'a b.trace' findings --offset ", "f1 warning x/y, cost 1 ns wall", "w1 ", "… 1 more: show f1", "\nnext:\n  tracelens show 'a b.trace' f1\n  tracelens explain x\n  tracelens analyze --format brief --from 0s --to "} {
			if !strings.Contains(text, want) {
				t.Errorf("%.20q: no %q in\n%s", evil, want, text)
			}
		}
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		e    analysis.Evidence
		want string
	}{
		{analysis.Evidence{}, ""},
		{analysis.Evidence{Func: "net/http.(*conn).serve"}, "http.(*conn).serve"},
		{analysis.Evidence{Stack: []analysis.Frame{{Func: "runtime.gopark", File: "runtime/proc.go", Line: 1}, {Func: "sync.(*Mutex).Lock", File: "sync/mutex.go", Line: 2}, {Func: "example.com/a/b.F", File: "/x/b/f.go", Line: 3}}}, "b.F f.go:3"},
		{analysis.Evidence{Stack: []analysis.Frame{{Func: "runtime.gopark", File: "runtime/proc.go", Line: 1}, {Func: "sync.(*Mutex).Lock", File: `C:\go\sync\mutex.go`, Line: 2}}}, "sync.(*Mutex).Lock mutex.go:2"},
	} {
		if got := Place(&c.e); got != c.want {
			t.Errorf("%+v is at %q, want %q", c.e, got, c.want)
		}
	}
}
