package config

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/compare"
	"github.com/tracelens/tracelens/analysis/fleet"
)

// Budgets are those of the file, for audits.
func (c *Config) Budgets() []fleet.Budget { return c.budgets }

// Differences are the budgets on differences, for comparisons.
func (c *Config) Differences() []compare.Budget { return c.differences }

// Settings says all of a configuration that the findings of a trace depend on, on a
// day: two that say the same give the same findings.
func (c *Config) Settings(catalogue []*analysis.Analyzer, today time.Time) string {
	var b strings.Builder
	fmt.Fprint(&b, c.Levels(catalogue), c.preset.batch)
	fmt.Fprintf(&b, " %q", c.requests)
	for _, name := range slices.Sorted(maps.Keys(c.severities)) {
		fmt.Fprintf(&b, " %q:%s", name, c.severities[name].level)
	}
	for _, s := range c.suppressions {
		expired := s.Expires != "" && today.UTC().Format(time.DateOnly) > s.Expires
		fmt.Fprintf(&b, " %q %q %q %v", s.Code, s.Func, s.File, expired)
	}
	return b.String()
}

// budgetKeys are those of a budget.
var budgetKeys = []struct{ name, doc string }{
	{"name", "what it is called in reports and baselines; without it its metric, limit and selection"},
	{"preset", "budgets that suit many programs: service, latency or batch; only traces, group and level go with it"},
	{"metric", "a metric, such as sched.latency.user.p99"},
	{"max", "the most that is allowed, such as 5ms, 20% or 100"},
	{"min", "the least that is allowed"},
	{"more", "of comparisons: by how much the metric may be more than before, as 10% of what it was or as an amount, such as 5ms"},
	{"less", "of comparisons: by how much it may be less than before"},
	{"level", "how severe it is to break it: note, warning or error, the default"},
	{"traces", "only traces whose path matches; * and ? match anything"},
	{"group", "only traces of groups that match (see --group-by)"},
	{"quantile", "over the traces, such as p90; p100, the worst trace, without it"},
	{"least", "how many traces are needed; without it as many as the quantile needs"},
}

// budgetPresets are budgets that suit many programs. The collector's share is its own
// goal (runtime/mgcpacer.go: gcBackgroundUtilization); a P may be held for 10 ms before
// its goroutine is preempted (runtime/proc.go: forcePreemptNS).
var budgetPresets = map[string][]map[string]string{
	"service": {
		{"metric": "sched.latency.user.p99", "max": "10ms"},
		{"metric": "stw.gc.total.max", "max": "10ms"},
		{"metric": "procs.share.gcworker", "max": "25%"},
		{"metric": "procs.share.assist", "max": "5%"},
	},
	"latency": {
		{"metric": "sched.latency.user.p99", "max": "1ms"},
		{"metric": "stw.gc.total.max", "max": "1ms"},
		{"metric": "procs.share.gcworker", "max": "25%"},
		{"metric": "procs.share.assist", "max": "1%"},
	},
	"batch": {
		{"metric": "procs.share.idle", "max": "25%"},
		{"metric": "procs.share.gcworker", "max": "25%"},
		{"metric": "procs.share.assist", "max": "10%"},
	},
}

func (p *parser) budgets(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		p.fault(n.Line, "budgets is %s, must be a list", kind(n))
		return
	}
	for _, item := range n.Content {
		p.budget(item)
	}
}

func (p *parser) budget(item *yaml.Node) {
	var names []string
	for _, k := range budgetKeys {
		names = append(names, k.name)
	}
	before := len(p.errs)
	values, lines := make(map[string]string), make(map[string]int)
	p.mapping(item, "a budget", func(name string, k, v *yaml.Node) {
		if !slices.Contains(names, name) {
			p.unknown(k.Line, "key", name, names)
			return
		}
		if text, ok := p.text(v, name); ok {
			if values[name], lines[name] = strings.TrimSpace(text), v.Line; values[name] == "" {
				p.fault(v.Line, "%s is empty", name)
			}
		}
	})
	if len(p.errs) > before {
		return
	}
	preset := values["preset"]
	if preset == "" {
		p.oneBudget(item, values, lines)
		return
	}
	all, ok := budgetPresets[preset]
	if !ok {
		p.unknown(lines["preset"], "preset", preset, slices.Sorted(maps.Keys(budgetPresets)))
		return
	}
	for name, line := range lines {
		if !slices.Contains([]string{"preset", "traces", "group", "level"}, name) {
			p.fault(line, "%s does not go with preset, which says it", name)
			return
		}
	}
	for _, budget := range all {
		budget = maps.Clone(budget)
		for _, name := range []string{"traces", "group", "level"} {
			budget[name] = values[name]
		}
		p.oneBudget(item, budget, lines)
	}
}

func (p *parser) oneBudget(item *yaml.Node, values map[string]string, lines map[string]int) {
	b := fleet.Budget{Metric: values["metric"], Level: analysis.Error, Quantile: 1, From: p.from(item.Line)}
	var ids []string
	for _, def := range analysis.MetricsOf(p.catalogue) {
		ids = append(ids, def.ID)
		if def.ID == b.Metric {
			b.Unit = def.Unit
		}
	}
	switch {
	case b.Metric == "":
		p.fault(item.Line, "a budget without a metric")
		return
	case b.Unit == "":
		family, _, _ := strings.Cut(b.Metric, ".")
		if own := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !strings.HasPrefix(id, family+".") }); len(own) > 0 {
			ids = own
		}
		p.unknown(lines["metric"], "metric", b.Metric, ids)
		return
	}
	var limits []string
	for _, name := range limitKeys {
		if values[name] != "" {
			limits = append(limits, name)
		}
	}
	if len(limits) != 1 {
		p.fault(item.Line, "a budget needs max or min, or more or less for comparisons, one of them")
		return
	}
	if text := values["level"]; text != "" {
		if b.Level = analysis.Severity(text); b.Level.Rank() == 0 {
			p.unknown(lines["level"], "level", text, []string{"note", "warning", "error"})
		}
	}
	b.Name = values["name"]
	if b.Name == "" {
		b.Name = strings.Join(slices.DeleteFunc([]string{b.Metric, values["quantile"], values["traces"], values["group"]}, func(s string) bool { return s == "" }), " ")
		if limits[0] != "max" {
			b.Name += " " + limits[0]
		}
	}
	if from := p.c.budgetAt(b.Name); from != "" {
		p.fault(item.Line, "the budget %q is already at %s: give one a name", b.Name, from)
	}
	if limits[0] == "more" || limits[0] == "less" {
		p.difference(&b, limits[0], values, lines)
		return
	}
	limit := func(key string) *float64 {
		text := values[key]
		if text == "" {
			return nil
		}
		v, err := metricValue(b.Metric, b.Unit, text)
		if err != nil {
			p.fault(lines[key], "%v", err)
		}
		return &v
	}
	b.Max, b.Min = limit("max"), limit("min")
	if text := values["quantile"]; text != "" {
		q, err := strconv.ParseFloat(strings.TrimPrefix(text, "p"), 64)
		if !regexp.MustCompile(quantilePattern).MatchString(text) || err != nil || q <= 0 || q > 100 {
			p.fault(lines["quantile"], "%q is not a quantile over traces: write it as p90", text)
		}
		b.Quantile = q / 100
	}
	b.Least = 1
	if b.Quantile < 1 { // one trace must lie beyond
		b.Least = int(math.Ceil(1/(1-b.Quantile) - 1e-9))
	}
	if text := values["least"]; text != "" {
		v, err := strconv.Atoi(text)
		if err != nil || v < 1 {
			p.fault(lines["least"], "%q is not a number of traces: write it as 10", text)
		}
		b.Least = v
	}
	if text := values["traces"]; text != "" {
		b.Traces = glob(text)
	}
	if text := values["group"]; text != "" {
		b.Group = glob(text)
	}
	p.c.budgets = append(p.c.budgets, b)
}

// limitKeys are those of which a budget has one.
var limitKeys = []string{"max", "min", "more", "less"}

// difference adds a budget on a difference. Of what it may be relative to, percent are always
// of the value before.
func (p *parser) difference(b *fleet.Budget, key string, values map[string]string, lines map[string]int) {
	for _, name := range []string{"traces", "group", "quantile", "least"} {
		if values[name] != "" {
			p.fault(lines[name], "%s does not go with %s, which is about both sides of a comparison", name, key)
		}
	}
	d := compare.Budget{Name: b.Name, Metric: b.Metric, Less: key == "less", Level: b.Level, From: b.From}
	text := values[key]
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		v, ok := number(percent)
		if !ok || v < 0 {
			p.fault(lines[key], "%q is not a share of the value before: write it as 10%%", text)
		}
		d.Limit, d.Share = v/100, true
	} else if v, err := metricValue(b.Metric, b.Unit, text); err != nil {
		p.fault(lines[key], "%v, or as 10%% of the value before", err)
	} else {
		d.Limit = v
	}
	p.c.differences = append(p.c.differences, d)
}

// budgetAt is where the budget of a name is, "" where there is none.
func (c *Config) budgetAt(name string) string {
	for _, b := range c.budgets {
		if b.Name == name {
			return b.From
		}
	}
	for _, b := range c.differences {
		if b.Name == name {
			return b.From
		}
	}
	return ""
}

const quantilePattern = `^p[0-9]+(\.[0-9]+)?$`

func budgetsSchema(s *schemas) object {
	var ids []string
	for _, def := range analysis.MetricsOf(s.catalogue) {
		ids = append(ids, def.ID)
	}
	properties := object{}
	for _, k := range budgetKeys {
		properties[k.name] = object{"type": "string", "minLength": 1, "description": k.doc}
	}
	properties["metric"].(object)["enum"] = ids
	properties["preset"].(object)["enum"] = slices.Sorted(maps.Keys(budgetPresets))
	properties["level"].(object)["enum"] = []string{"note", "warning", "error"}
	properties["quantile"].(object)["pattern"] = quantilePattern
	oneOf := []object{{"required": []string{"preset"}}}
	for _, name := range limitKeys {
		oneOf = append(oneOf, object{"required": []string{"metric", name}})
		properties[name].(object)["type"] = []string{"string", "number"}
	}
	properties["least"].(object)["type"] = []string{"string", "integer"}
	return object{"type": "array", "items": object{
		"type": "object", "properties": properties, "additionalProperties": false,
		"oneOf": oneOf,
	}}
}
