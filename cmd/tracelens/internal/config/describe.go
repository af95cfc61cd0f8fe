package config

import (
	"math"
	"strconv"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// Describe returns the levels of a threshold for people, with where each comes from:
// "warning ≥ 1 ms (default), error ≥ 20 ms (tracelens.yaml:4)".
func (t *InForce) Describe() string { return t.describe(true) }

// Short is Describe without where the levels come from.
func (t *InForce) Short() string { return t.describe(false) }

// describe is Describe, if need be without where the levels come from.
func (t *InForce) describe(origin bool) string {
	sign := "≥ "
	if t.Below {
		sign = "≤ "
	}
	var parts []string
	for _, s := range analysis.Severities {
		if v := *level(&t.Levels, s); v != 0 {
			part := string(s) + " " + sign + format(v, t.Unit)
			if origin {
				part += " (" + t.From[s] + ")"
			}
			parts = append(parts, part)
		} else if from := t.From[s]; from != "" && origin {
			parts = append(parts, string(s)+" never ("+from+")")
		}
	}
	if len(parts) == 0 {
		return never
	}
	return strings.Join(parts, ", ")
}

// format writes a level; counts on average have fractions.
func format(v float64, u analysis.Unit) string {
	if u == analysis.Count && v != math.Trunc(v) {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return analysis.Format(v, u, 1)
}
