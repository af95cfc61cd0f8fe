package config

import (
	"math"
	"strconv"

	"github.com/tracelens/tracelens/analysis"
)

// Describe returns the levels of a threshold for people, with where each comes from:
// "warning ≥ 1 ms (default), error ≥ 20 ms (tracelens.yaml:4)".
func (t *InForce) Describe() string { return t.Threshold.Describe(t.From) }

// Short is Describe without where the levels come from.
func (t *InForce) Short() string { return t.Threshold.Describe(nil) }

// format writes a level; counts on average have fractions.
func format(v float64, u analysis.Unit) string {
	if u == analysis.Count && v != math.Trunc(v) {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return analysis.Format(v, u, 1)
}
