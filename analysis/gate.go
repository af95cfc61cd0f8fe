package analysis

import (
	"slices"
	"strings"
)

// A Condition is one value that a check looked at, under the name of its threshold.
type Condition struct {
	name   string
	value  float64
	grades bool
}

// Grades is a condition whose levels say how much the finding matters.
func Grades(name string, v float64) Condition { return Condition{name, v, true} }

// Needs is a condition that holds or not: a least population, a floor.
func Needs(name string, v float64) Condition { return Condition{name, v, false} }

// A Gate is all that must hold for a finding. Its severity and the sentence of what was
// looked at come from the same conditions, so that neither forgets one.
type Gate struct {
	Severity Severity // the least of those that grade; "" where a condition is not met
	Said     string   // "VALUE WHAT (limit LIMIT), …": those that are not met first
}

// Gate looks at all conditions of a finding at once.
func (p *Pass) Gate(conditions ...Condition) (g Gate) {
	var met, failed []string
	graded := false
	for _, c := range conditions {
		t := p.threshold(c.name)
		severity := p.Severity(c.name, c.value)
		text := t.Doc + ": " + Format(c.value, t.Unit, p.Trace.Quantum) + " (limit " + Format(p.Limit(c.name), t.Unit, p.Trace.Quantum) + ")"
		if severity == "" {
			failed = append(failed, text)
		} else {
			met = append(met, text)
		}
		switch {
		case !c.grades:
		case graded:
			g.Severity = Least(g.Severity, severity)
		default:
			g.Severity, graded = severity, true
		}
	}
	if !graded && len(conditions) > 0 {
		g.Severity = Note
	}
	if len(failed) > 0 {
		g.Severity = ""
	}
	g.Said = strings.Join(slices.Concat(failed, met), "; ")
	return g
}

// Or is the gate that is open where one of two is: the graver one, the first of equals.
func (g Gate) Or(other Gate) Gate {
	if other.Severity.Rank() > g.Severity.Rank() {
		return other
	}
	if g.Severity == "" {
		g.Said += "; or " + other.Said
	}
	return g
}
