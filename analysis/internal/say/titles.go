package say

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// What titles of figures are made of: a title states a fact in one line.

// Typical writes those of median, p99 and maximum that say most and that the
// population of h supports.
func Typical(p *analysis.Pass, h *sketch.Histogram) string {
	median, ok := h.Quantile(.5)
	if !ok {
		if h.N() == 1 {
			return p.Dur(h.Max())
		}
		return "at most " + p.Dur(h.Max())
	}
	s := p.Dur(median) + " at the median, "
	if v, ok := h.Quantile(.99); ok {
		return s + p.Dur(v) + " at p99"
	}
	return s + p.Dur(h.Max()) + " at most"
}

// Middle writes the median, or the maximum where the population of h is too small
// for one.
func Middle(p *analysis.Pass, h *sketch.Histogram) string {
	if v, ok := h.Quantile(.5); ok {
		return p.Dur(v) + " at the median"
	}
	return "at most " + p.Dur(h.Max())
}

// Times writes how often something happened.
func Times(n int64) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return analysis.FormatCount(n) + " times"
}

// Numbered is counted with a word for none.
func Numbered(n int64, one, many string) string {
	if n == 0 {
		return "no " + one
	}
	return Counted(n, one, many)
}

// briefLen is how many characters of a name a title has room for.
const briefLen = 28

// Brief is the name of a function without the path of its package and its type
// arguments, or the first characters of any other name.
func Brief(name string) string {
	depth := 0
	name = strings.Map(func(r rune) rune {
		if r == '[' {
			depth++
		}
		inside := depth > 0
		if r == ']' {
			depth = max(depth-1, 0)
		}
		if inside {
			return -1
		}
		return r
	}, name)
	if i := strings.LastIndexByte(name, '/'); i >= 0 && i+1 < len(name) {
		name = name[i+1:]
	}
	if r := []rune(name); len(r) > briefLen {
		return string(r[:briefLen-1]) + "…"
	}
	return name
}

// Mostly writes the two largest parts of a whole and the sum of the others: "8 by
// signal, 3 cooperative, 2 others".
func Mostly(names []string, counts []int64) string {
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(counts[b], counts[a]) })
	var parts []string
	var others int64
	for i, k := range order {
		switch {
		case counts[k] == 0:
		case i < 2:
			parts = append(parts, analysis.FormatCount(counts[k])+" "+names[k])
		default:
			others += counts[k]
		}
	}
	if others > 0 {
		parts = append(parts, Counted(others, "other", "others"))
	}
	return strings.Join(parts, ", ")
}
