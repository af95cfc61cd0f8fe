package analysis

import (
	"fmt"
	"strings"
	"unicode"
)

// Page is the analyzer's page in Markdown. That of a check has a section "When it fires",
// made of its thresholds: what is looked at, the levels, why they are where they are.
// describe says the levels of one that are in force, nil the default ones.
func (a *Analyzer) Page(describe func(Threshold) string) string {
	if len(a.Thresholds) == 0 {
		return a.Doc
	}
	var b strings.Builder
	b.WriteString("\n## When it fires\n\nA finding needs all of these values to reach a level, unless this page says otherwise.\n\n")
	for _, t := range a.Thresholds {
		levels := t.Describe(nil)
		if describe != nil {
			levels = describe(t)
		}
		fmt.Fprintf(&b, "* %s: %s\n  * `%s`. Source: %s.\n", asText(t.Doc), asText(levels), t.Name, asText(strings.TrimSuffix(t.Source, ".")))
	}
	if intro, rest, more := strings.Cut(a.Doc, "\n## "); more {
		return intro + b.String() + "\n## " + rest
	}
	return a.Doc + b.String()
}

// Describe says the levels of a threshold, and where each comes from if that is told:
// "warning ≥ 1 ms (default), error never (tracelens.yaml:4)".
func (t *Threshold) Describe(from map[Severity]string) string {
	sign := " ≥ "
	if t.Below {
		sign = " ≤ "
	}
	var parts []string
	for _, s := range Severities {
		part := string(s)
		switch v := t.Levels.at(s); {
		case v != 0:
			part += sign + formatLevel(v, t.Unit, 1)
		case from[s] != "":
			part += " never"
		default:
			continue
		}
		if from[s] != "" {
			part += " (" + from[s] + ")"
		}
		parts = append(parts, part)
	}
	if parts == nil {
		return "never"
	}
	return strings.Join(parts, ", ")
}

// asText makes text stand as it is in Markdown, also the name of a file.
func asText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsControl(r):
			r = ' '
		case strings.ContainsRune("\\`*_{}[]<>#|~&!", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
