package config

import (
	"math"

	"github.com/tracelens/tracelens/analysis"
)

// A preset is a way to set all levels at once.
type preset struct {
	Name  string
	Doc   string
	batch bool // checks of what somebody waits for are off
	// levels are the levels of a threshold; nil leaves them as they are.
	levels func(analysis.Threshold) analysis.Levels
}

// presets are all there are; the first is the default.
var presets = []preset{
	{Name: "recommended", Doc: "the levels of the catalogue"},
	{Name: "strict", Doc: "half of each limit, and what would be a warning is an error", levels: strict},
	{Name: "batch", Doc: "for jobs that nobody waits for: without the checks of latency and of full load", batch: true},
}

// strict is the levels one step lower. A count with nothing but a Note is the
// least population that a statement needs, which does not become smaller.
func strict(t analysis.Threshold) analysis.Levels {
	l := t.Levels
	if t.Unit == analysis.Count && l.Warning == 0 && l.Error == 0 {
		return l
	}
	half := func(v float64) float64 {
		switch {
		case v == 0:
			return 0
		case t.Below && t.Unit == analysis.Ratio && v < 1:
			return min(2*v, 1-(1-v)/2) // never all there is
		case t.Below:
			return 2 * v
		case v > 1 && (t.Unit == analysis.Ratio || v != math.Trunc(v)):
			return 1 + (v-1)/2 // times something
		case t.Unit == analysis.Count:
			return math.Ceil(v / 2)
		}
		return v / 2
	}
	worse := l.Warning
	if worse == 0 {
		worse = l.Error
	}
	return analysis.Levels{Note: half(l.Note), Error: half(worse)}
}
