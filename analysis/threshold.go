package analysis

import (
	"fmt"
	"slices"
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

// Levels are where each severity begins; 0 is never. A condition that either
// holds or not has only a Note: together with others, see Least, it gives way.
type Levels struct {
	Note, Warning, Error float64
}

// at returns the level of a severity.
func (l Levels) at(s Severity) float64 {
	switch s {
	case Note:
		return l.Note
	case Warning:
		return l.Warning
	}
	return l.Error
}

// threshold returns a threshold of the pass's analyzer with the levels in force.
func (p *Pass) threshold(name string) Threshold {
	i := slices.IndexFunc(p.Analyzer.Thresholds, func(t Threshold) bool { return t.Name == p.Analyzer.Name+"."+name })
	if i < 0 {
		panic(fmt.Sprintf("%s has no threshold %q", p.Analyzer.Name, name))
	}
	t := p.Analyzer.Thresholds[i]
	if l, ok := p.levels[t.Name]; ok {
		t.Levels = l
	}
	return t
}

// Severity is how much v matters by a threshold of the analyzer, "" for not at all.
func (p *Pass) Severity(name string, v float64) (s Severity) {
	t := p.threshold(name)
	for _, level := range Severities {
		if limit := t.Levels.at(level); limit != 0 && (v >= limit && !t.Below || v <= limit && t.Below) {
			s = level
		}
	}
	return s
}

// Met tells whether v reaches the lowest level of a threshold: for a condition
// that does not grade a finding, such as the least population.
func (p *Pass) Met(name string, v float64) bool { return p.Severity(name, v) != "" }

// Limit is the lowest level of a threshold, for sentences; 0 when it has none.
func (p *Pass) Limit(name string) float64 {
	t := p.threshold(name)
	for _, level := range Severities {
		if limit := t.Levels.at(level); limit != 0 {
			return limit
		}
	}
	return 0
}
