package analysis

import (
	"fmt"
	"math"
	"strings"
)

// A Threshold says from where on a value matters, and where that limit comes from.
type Threshold struct {
	Name   string // analyzer.value, such as "latency-tail.p99"
	Doc    string // what the value is, and of which population
	Unit   Unit
	Levels Levels
	Below  bool   // low values are the bad ones
	Source string // a constant of the runtime, a rule in the field, a measurement
}

// Levels are from where on a value has each severity; 0 is never. A value that is only
// needed, not graded, has a Note: see Needs.
type Levels struct {
	Note, Warning, Error float64
}

// At is the level of a severity, to be read or set.
func (l *Levels) At(s Severity) *float64 {
	switch s {
	case Note:
		return &l.Note
	case Warning:
		return &l.Warning
	}
	return &l.Error
}

// threshold returns a threshold of the pass's analyzer with the levels in force.
func (p *Pass) threshold(name string) Threshold {
	for i := range p.Analyzer.Thresholds {
		t := &p.Analyzer.Thresholds[i]
		if own, ok := strings.CutPrefix(t.Name, p.Analyzer.Name); !ok || len(own) != 1+len(name) || own[1:] != name {
			continue
		}
		inForce := *t
		if l, ok := p.levels[t.Name]; ok {
			inForce.Levels = l
		}
		return inForce
	}
	panic(fmt.Sprintf("%s has no threshold %q", p.Analyzer.Name, name))
}

// severity is how much v matters, "" for not at all.
func (t *Threshold) severity(v float64) (s Severity) {
	for _, level := range Severities {
		if limit := *t.Levels.At(level); limit != 0 && (v >= limit && !t.Below || v <= limit && t.Below) {
			s = level
		}
	}
	return s
}

// limit is the lowest level, 0 when there is none.
func (t *Threshold) limit() float64 {
	for _, level := range Severities {
		if limit := *t.Levels.At(level); limit != 0 {
			return limit
		}
	}
	return 0
}

// Met tells whether v reaches the lowest level of a threshold: for what a check must know
// before it looks at all conditions at once, see Gate, or besides them.
func (p *Pass) Met(name string, v float64) bool {
	t := p.threshold(name)
	return t.severity(v) != ""
}

// Limit is the lowest level of a threshold, 0 when it has none.
func (p *Pass) Limit(name string) float64 {
	t := p.threshold(name)
	return t.limit()
}

// formatLevel writes a level, or a value to compare with it, for sentences. Counts that
// are means have fractions.
func formatLevel(v float64, u Unit, quantum int64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return Format(nil, u, quantum)
	case u == Count && math.Abs(v) < 1000:
		return digits3(v)
	}
	return Format(v, u, quantum)
}
