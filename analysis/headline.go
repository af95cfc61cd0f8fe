package analysis

import "strings"

// Why stands in a summary before the steps that led to what it says.
const Why = "; why: "

// Untold ends the steps where the trace does not tell more.
const Untold = "not known"

// Headline is a summary without paths of packages, up to the last clause that fits on a
// line.
func Headline(summary string) string {
	const most = 84
	s, _, _ := strings.Cut(ShortPaths(summary), Why)
	for {
		if len([]rune(s)) <= most {
			return s
		}
		depth, at := 0, -1
		for i, c := range s {
			if rest := s[i:]; depth == 0 && i >= most/3 && (strings.HasPrefix(rest, "; ") || strings.HasPrefix(rest, ", ") || strings.HasPrefix(rest, ": ") || strings.HasPrefix(rest, " (")) {
				at = i
			}
			switch c {
			case '(':
				depth++
			case ')':
				depth--
			}
		}
		if at < 0 {
			return s
		}
		s = s[:at]
	}
}

// ShortPaths leaves the paths of packages out of a text with names of functions, which
// have a dot after the last slash: 10/s is none.
func ShortPaths(s string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		if at := strings.LastIndexByte(w, '/'); at >= 0 && strings.Contains(w[at+1:], ".") {
			open := w[:len(w)-len(strings.TrimLeft(w, "("))]
			words[i] = open + w[at+1:]
		}
	}
	return strings.Join(words, " ")
}
