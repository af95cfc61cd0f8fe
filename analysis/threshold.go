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

// Findings are all findings of the report, the gravest and costliest first.
func (r *Report) Findings() []*Finding {
	var all []*Finding
	for _, res := range r.Results {
		for i := range res.Findings {
			all = append(all, &res.Findings[i])
		}
	}
	slices.SortStableFunc(all, func(a, b *Finding) int {
		if d := b.Severity.Rank() - a.Severity.Rank(); d != 0 {
			return d
		}
		switch x, y := a.Cost.Share(), b.Cost.Share(); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return all
}

// cover leaves out the findings that a finer one says better: one that is no less
// grave, or that is about the same place, to which it then leaves its severity.
func (r *Report) cover(analyzers []*Analyzer) {
	place := func(f *Finding) string {
		if len(f.Evidence) == 0 {
			return ""
		}
		return f.Evidence[0].Func
	}
	finer := func(coarse *Finding) *Finding {
		for i, a := range analyzers {
			if !slices.Contains(a.Covers, coarse.Code) {
				continue
			}
			for k := range r.Results[i].Findings {
				f := &r.Results[i].Findings[k]
				if f.Severity.Rank() >= coarse.Severity.Rank() || place(f) != "" && place(f) == place(coarse) {
					return f
				}
			}
		}
		return nil
	}
	for _, res := range r.Results {
		res.Findings = slices.DeleteFunc(res.Findings, func(coarse Finding) bool {
			f := finer(&coarse)
			if f != nil && f.Severity.Rank() < coarse.Severity.Rank() {
				f.Severity = coarse.Severity
			}
			return f != nil
		})
	}
}

// Fold moves the findings that another explains to its symptoms, and gives it the
// severity of the gravest. Of a chain, all go to its first cause. To fold again changes nothing.
func (r *Report) Fold() {
	cause := make(map[string]string) // code to the code that explains it
	for _, f := range r.Findings() {
		for _, code := range f.Explains {
			if cause[code] == "" && code != f.Code {
				cause[code] = f.Code
			}
		}
	}
	root := func(code string) string {
		for range len(cause) {
			c := cause[code]
			if c == "" {
				break
			}
			code = c
		}
		return code
	}
	symptoms := make(map[string][]Finding)
	for _, res := range r.Results {
		res.Findings = slices.DeleteFunc(res.Findings, func(f Finding) bool {
			// A ring of causes explains nothing.
			first := root(f.Code)
			if first == f.Code || cause[first] != "" {
				return false
			}
			symptoms[first] = append(symptoms[first], f)
			return true
		})
	}
	for _, res := range r.Results {
		for i := range res.Findings {
			f := &res.Findings[i]
			f.Symptoms = append(f.Symptoms, symptoms[f.Code]...)
			for _, s := range symptoms[f.Code] { // a cause is as grave as what it does
				if s.Severity.Rank() > f.Severity.Rank() {
					f.Severity = s.Severity
				}
			}
			delete(symptoms, f.Code) // the first of several with one code has them
		}
	}
}
