package analysis

import (
	"slices"
	"strings"
)

// A Condition is a value that a check looked at, under the name of its threshold, or
// several of which some or all must be met.
type Condition struct {
	name   string
	value  float64
	grades bool
	any    bool
	of     []Condition
}

// Grades is a condition whose levels say how much the finding matters.
func Grades(name string, v float64) Condition { return Condition{name: name, value: v, grades: true} }

// Needs is a condition that holds or not: a least population, a floor.
func Needs(name string, v float64) Condition { return Condition{name: name, value: v} }

// Either is a condition that is met where one of several is, as gravely as the gravest.
func Either(of ...Condition) Condition { return Condition{grades: graded(of), any: true, of: of} }

// Both is a condition that is met where all of several are: for one side of Either.
func Both(of ...Condition) Condition { return Condition{grades: graded(of), of: of} }

func graded(of []Condition) bool {
	return slices.ContainsFunc(of, func(c Condition) bool { return c.grades })
}

// A Gate is all that must hold for a finding. Its severity and the sentence of what was
// looked at come from the same conditions, so that neither forgets one.
type Gate struct {
	Severity Severity // the least of those that grade; "" where a condition is not met
	Said     string   // "WHAT: VALUE (limit LIMIT); …", those that are not met first; lookedAt in a brief report
	unmet    int
}

// lookedAt is what a Gate says in a brief report, in which nobody reads it.
const lookedAt = "looked at"

// Gate looks at all conditions of a finding at once.
func (p *Pass) Gate(conditions ...Condition) Gate { return p.all(conditions, "; ") }

// At is the gate with where its values were taken, for a check that looks at many places.
func (g Gate) At(place string) Gate {
	g.Said = place + ": " + g.Said
	return g
}

// Nearer is the gate of two that lacks less to be open, the first of equals. The zero
// Gate, which looked at nothing, lacks most.
func (g Gate) Nearer(other Gate) Gate {
	if g.Said == "" || other.Said != "" && other.unmet < g.unmet {
		return other
	}
	return g
}

// Clear says what was looked at where that was not worth a finding. Zero Gates, which
// looked at nothing, are left out: a check that had no other says so in its own words.
func (p *Pass) Clear(gates ...Gate) {
	if p.brief {
		return
	}
	var said []string
	for _, g := range gates {
		if g.Said != "" {
			said = append(said, g.Said)
		}
	}
	if said != nil {
		p.Say("looked at %s", strings.Join(said, "; and at "))
	}
}

// all is the gate of conditions of which each must be met.
func (p *Pass) all(conditions []Condition, and string) (g Gate) {
	var met, failed []string
	closed := false
	if g.Severity = Error; !graded(conditions) {
		g.Severity = Note
	}
	for _, c := range conditions {
		one := p.one(c)
		g.unmet += one.unmet
		switch {
		case one.Severity == "":
			closed = true
			if !p.brief {
				failed = append(failed, one.Said)
			}
		case !p.brief:
			met = append(met, one.Said)
		}
		if c.grades && one.Severity.Rank() < g.Severity.Rank() {
			g.Severity = one.Severity
		}
	}
	if closed {
		g.Severity = ""
	}
	if p.brief {
		g.Said = lookedAt
		return g
	}
	g.Said = strings.Join(slices.Concat(failed, met), and)
	return g
}

// one is the gate of a single condition.
func (p *Pass) one(c Condition) (g Gate) {
	switch {
	case c.any:
		var said []string
		for i, alternative := range c.of {
			a := p.one(alternative)
			if a.Severity.Rank() > g.Severity.Rank() {
				g.Severity = a.Severity
			}
			if i == 0 || a.unmet < g.unmet {
				g.unmet = a.unmet
			}
			said = append(said, a.Said)
		}
		g.Said = strings.Join(said, ", or ")
		return g
	case c.of != nil:
		return p.all(c.of, " and ")
	}
	t := p.threshold(c.name)
	g.Severity = t.severity(c.value)
	if g.Severity == "" {
		g.unmet = 1
	}
	if p.brief {
		g.Said = lookedAt
		return g
	}
	limit := formatLevel(t.limit(), t.Unit, p.Trace.Quantum)
	if t.Below {
		limit += " or less"
	}
	if g.Severity != "" {
		limit += ", reached"
	}
	g.Said = t.Doc + ": " + formatLevel(c.value, t.Unit, p.Trace.Quantum) + " (limit " + limit + ")"
	return g
}
