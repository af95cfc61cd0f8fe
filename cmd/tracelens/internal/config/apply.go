package config

import (
	"slices"
	"strings"
	"time"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/verdict"
)

// Apply sets the severities of a report's findings and takes out those that are off
// or suppressed, on the day it is made. A finding whose cause is taken out stands
// for itself.
func (c *Config) Apply(rep *analysis.Report, today time.Time) {
	if c.File != "" {
		rep.Config = &analysis.Config{File: c.File}
		if c.presetFrom != "" && c.preset.Name != presets[0].Name {
			rep.Config.Preset = c.preset.Name
		}
	}
	rep.Suppressed, rep.Suppressions = nil, nil
	for _, s := range c.suppressions {
		s.Expired = s.Expires != "" && today.UTC().Format(time.DateOnly) > s.Expires
		rep.Suppressions = append(rep.Suppressions, s.Suppression)
	}

	var freed []analysis.Finding
	// keep tells whether a finding, without its symptoms, stays, and sets its severity.
	keep := func(f *analysis.Finding) bool {
		if level := c.severityOf(f.Code); level == off {
			return false
		} else if level != "" {
			f.Severity = analysis.Severity(level)
		}
		for i, s := range c.suppressions {
			if !s.matches(f) {
				continue
			}
			in := &rep.Suppressions[i]
			in.Matched++
			if !in.Expired {
				rep.Suppressed = append(rep.Suppressed, analysis.Suppressed{Finding: *f, Reason: s.Reason, Source: s.Source})
				return false
			}
		}
		return true
	}
	for _, res := range rep.Results {
		var kept []analysis.Finding
		for _, f := range res.Findings {
			var left []analysis.Finding
			for _, s := range f.Symptoms {
				if keep(&s) {
					left = append(left, s)
				}
			}
			f.Symptoms = nil
			if keep(&f) {
				f.Symptoms = left
				kept = append(kept, f)
			} else {
				freed = append(freed, left...)
			}
		}
		res.Findings = kept
	}
	for _, f := range freed {
		for _, res := range rep.Results {
			if res.Name == checkOf(f.Code) {
				res.Findings = append(res.Findings, f)
			}
		}
	}
	rep.Fold()
	rep.Verdict = verdict.Of(rep)
}

// checkOf is the analyzer of a code.
func checkOf(code string) string {
	check, _, _ := strings.Cut(code, "/")
	return check
}

// severityOf is what findings of a code are set to, "" for what they are.
func (c *Config) severityOf(code string) string {
	check := checkOf(code)
	if s, ok := c.severities[code]; ok && code != check {
		return s.level
	}
	level := c.severities[check].level
	// A check that is off and yet has findings was asked for by name.
	if level == off {
		return ""
	}
	return level
}

// matches tells whether a finding is one of those that s is about.
func (s *suppression) matches(f *analysis.Finding) bool {
	if s.Code != "" && !s.code(f.Code) && !s.code(checkOf(f.Code)) {
		return false
	}
	has := func(pattern string, fits func(analysis.Evidence) bool) bool {
		return pattern == "" || slices.ContainsFunc(f.Evidence, fits)
	}
	return has(s.Func, func(e analysis.Evidence) bool {
		return s.function(e.Func) || slices.ContainsFunc(e.Stack, func(fr analysis.Frame) bool { return s.function(fr.Func) })
	}) && has(s.File, func(e analysis.Evidence) bool {
		return slices.ContainsFunc(e.Stack, func(fr analysis.Frame) bool { return s.file(strings.ReplaceAll(fr.File, `\`, "/")) })
	})
}

// AtOrAbove counts the findings of a report that are as grave as a level. Those
// that another explains count with it.
func AtOrAbove(rep *analysis.Report, level analysis.Severity) int {
	n := 0
	for _, f := range rep.Findings() {
		if f.Severity.Rank() >= level.Rank() {
			n++
		}
	}
	return n
}
