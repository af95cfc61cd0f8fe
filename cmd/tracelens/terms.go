package main

import (
	_ "embed"
	"strings"
)

// termsPage says what the words of reports mean: a section each, whose heading has all
// forms of a word.
//
//go:embed terms.md
var termsPage string

// meaning is the page of a word, or all for "terms"; "" where there is none.
func meaning(name string) string {
	if name == "terms" {
		return termsPage
	}
	for section := range strings.SplitSeq(termsPage, "\n## ") {
		head, _, _ := strings.Cut(section, "\n")
		for form := range strings.SplitSeq(head, ", ") {
			if same(form, name) {
				return "# " + section
			}
		}
	}
	return ""
}

// same says whether two words differ in case and hyphens only.
func same(a, b string) bool {
	plain := func(s string) string { return strings.NewReplacer("-", " ", "_", " ").Replace(strings.ToLower(s)) }
	return plain(a) == plain(b)
}
