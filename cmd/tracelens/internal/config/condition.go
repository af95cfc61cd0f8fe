package config

import (
	"fmt"
	"regexp"

	"github.com/tracelens/tracelens/analysis"
)

// metricValue reads a value of a metric with its unit, such as 5ms.
func metricValue(id string, in analysis.Unit, text string) (float64, error) {
	u, ok := units[in]
	if !ok {
		u = unit{example: "1", parse: number}
	}
	v, ok := u.parse(text)
	if text == "0" {
		v, ok = 0, true
	}
	if !ok || v < 0 {
		return 0, fmt.Errorf("%q is not a value of %s, which is in %s: write it as %s", text, id, in, u.example)
	}
	return v, nil
}

// A Condition compares a metric of a report with a value.
type Condition struct {
	text   string
	metric string
	unit   analysis.Unit
	holds  func(v float64) bool
}

var conditionText = regexp.MustCompile(`^\s*([a-z0-9.-]+)\s*(>=|<=|>|<)\s*(\S+(?:\s*%)?)\s*$`)

// ParseCondition reads one such as "sched.latency.user.p99 > 5ms".
func ParseCondition(text string, catalogue []*analysis.Analyzer) (*Condition, error) {
	m := conditionText.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("%q is not a condition: write it as 'sched.latency.user.p99 > 5ms', with >, >=, < or <=", text)
	}
	c := &Condition{text: m[0], metric: m[1]}
	var ids []string
	for _, def := range analysis.MetricsOf(catalogue) {
		ids = append(ids, def.ID)
		if def.ID == c.metric {
			c.unit = def.Unit
		}
	}
	if c.unit == "" {
		return nil, Unknown("metric", c.metric, ids)
	}
	limit, err := metricValue(c.metric, c.unit, m[3])
	if err != nil {
		return nil, err
	}
	c.holds = map[string]func(float64) bool{
		">":  func(v float64) bool { return v > limit },
		">=": func(v float64) bool { return v >= limit },
		"<":  func(v float64) bool { return v < limit },
		"<=": func(v float64) bool { return v <= limit },
	}[m[2]]
	return c, nil
}

// Holds says whether the condition holds of a report, and what the metric is there. Of a
// report that does not have the metric it does not.
func (c *Condition) Holds(rep *analysis.Report) (holds bool, is string) {
	m, ok := rep.Metrics[c.metric]
	if !ok {
		return false, c.metric + " is not known"
	}
	return c.holds(float64(m.Value)), c.metric + " is " + analysis.Format(m.Value, m.Unit, rep.Trace.Quantum)
}
