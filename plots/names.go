package plots

import (
	"regexp"
	"strings"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

var (
	folders  = regexp.MustCompile(`(?:[\w.~-]+/)+([\w-]+\.)`)
	typeArgs = regexp.MustCompile(`\[[^\[\]]*\]`)
)

// brief leaves out of names of functions the folders of their packages and their type
// arguments.
func brief(s string) string {
	return typeArgs.ReplaceAllString(folders.ReplaceAllString(s, "$1"), "")
}

// fit shortens s to be no wider than room: what says least goes first, the folders of a
// package, then what stands in brackets at the end, then the last letters.
func fit(sty text.Style, s string, room vg.Length) string {
	if sty.Width(s) <= room {
		return s
	}
	if s = brief(s); sty.Width(s) <= room {
		return s
	}
	if i := strings.LastIndex(s, " ("); i > 0 && sty.Width(s[:i]+"…") <= room {
		return s[:i] + "…"
	}
	r := []rune(s)
	lo, hi := 0, len(r) // runes kept
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if mid < len(r) && sty.Width(string(r[:mid])+"…") <= room {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	if lo == 0 {
		return ""
	}
	return string(r[:lo]) + "…"
}

// wrap breaks s at spaces into at most n lines, the last of which is cut.
func wrap(sty text.Style, s string, room vg.Length, n int) []string {
	return wrapAt(sty, s, room, n, " ")
}

// wrapName breaks a name after what separates its parts.
func wrapName(sty text.Style, s string, room vg.Length, n int) []string {
	if sty.Width(s) > room {
		s = brief(s)
	}
	return wrapAt(sty, s, room, n, " ./")
}

func wrapAt(sty text.Style, s string, room vg.Length, n int, separators string) (lines []string) {
	for s != "" && len(lines) < n-1 && sty.Width(s) > room {
		cut, space := 0, 0
		for i, r := range s {
			if i == 0 || !strings.ContainsRune(separators, r) || r == ' ' && bound(s[:i], s[i+1:]) {
				continue
			}
			end := i
			if r != ' ' {
				end++
			}
			if sty.Width(s[:end]) > room {
				break
			}
			cut = end
			if r == ' ' {
				space = end
			}
		}
		if 2*space > cut { // words stay whole where that leaves the line half full
			cut = space
		}
		if cut == 0 {
			break
		}
		lines = append(lines, s[:cut])
		s = strings.TrimPrefix(s[cut:], " ")
	}
	if s != "" {
		lines = append(lines, fit(sty, s, room))
	}
	return lines
}

// bound tells what must stand in one line: a number and its unit, a G and its number.
func bound(before, after string) bool {
	isDigit := func(r byte) bool { return '0' <= r && r <= '9' }
	unit, _, _ := strings.Cut(after, " ")
	switch n := len(before); {
	case n == 0 || after == "":
		return false
	case isDigit(before[n-1]):
		switch strings.TrimRight(unit, ",;:.") {
		case "%", "ns", "µs", "ms", "s", "KiB", "MiB", "GiB", "k", "M", "B":
			return true
		}
	case before[n-1] == 'G' || before[n-1] == 'P':
		return isDigit(after[0]) && (n == 1 || before[n-2] == ' ')
	}
	return false
}

// nameRoom is how wide the names of rows beside the data may be.
func (c *chart) nameRoom() vg.Length { return min(vg.Length(c.width())*.36, 300) * px }
