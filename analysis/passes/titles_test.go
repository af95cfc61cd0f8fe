package passes

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
)

// TestTitles: a title is one line that begins with a capital letter and states a
// fact with its numbers.
func TestTitles(t *testing.T) {
	longest := 0
	for _, name := range analysistest.OwnTraces(t) {
		for _, r := range analysistest.Report(t, analysistest.Testdata(t, name), All()...).Results {
			for _, f := range r.Figures {
				first, _ := utf8.DecodeRuneInString(f.Title)
				n := utf8.RuneCountInString(f.Title)
				longest = max(longest, n)
				switch {
				case !unicode.IsUpper(first), strings.Contains(f.Title, "%!"), strings.ContainsAny(f.Title, "\n\t"), n > 105:
					t.Errorf("%s: %s has title %q (%d characters)", name, f.Name, f.Title, n)
				case !strings.ContainsFunc(f.Title, unicode.IsDigit) && !strings.HasPrefix(f.Title, "No "):
					t.Errorf("%s: %s has no number in title %q", name, f.Name, f.Title)
				}
			}
		}
	}
	if longest < 60 {
		t.Errorf("the longest title has %d characters: not the traces this test is about", longest)
	}
}

// TestProof: each check about the program names a figure that shows its findings.
func TestProof(t *testing.T) {
	figures := make(map[string]bool)
	for _, a := range All() {
		for _, f := range a.Figures {
			figures[f.Name] = true
		}
	}
	for _, a := range Checks() {
		switch {
		case a.Proof == "" && a.About != analysis.File:
			t.Errorf("%s names no figure", a.Name)
		case a.Proof != "" && !figures[a.Proof]:
			t.Errorf("%s names the figure %s, which there is not", a.Name, a.Proof)
		}
	}
}
