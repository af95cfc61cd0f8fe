package analysis

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/parse"
)

// A finding is as grave as its thresholds say, its cost bears and its confidence allows.
func TestGrade(t *testing.T) {
	const second = int64(1e9)
	for name, c := range map[string]struct {
		cost       Cost
		confidence Confidence
		about      Subject
		want       Severity
	}{
		"an error":                    {Cost{50e6, second, Wall}, Measured, "", Error},
		"less than one in twenty":     {Cost{49e6, second, Wall}, Measured, "", Warning},
		"one in fifty":                {Cost{20e6, second, Wall}, Measured, "", Warning},
		"less than one in fifty":      {Cost{19e6, second, Wall}, Measured, "", Note},
		"of Ps, by wall time":         {Cost{50e6, 64 * second, PTime}, Measured, "", Error},
		"of goroutines, by wall time": {Cost{50e6, 1e5 * second, GTime}, Measured, "", Error},
		"of short lives":              {Cost{10e6, 100e6, GTime}, Measured, "", Error},
		"less than a time slice":      {Cost{9e6, 90e6, GTime}, Measured, "", Note},
		"a guess":                     {Cost{second, second, Wall}, Heuristic, "", Warning},
		"an inference":                {Cost{second, second, Wall}, Inferred, "", Error},
		"of no known cost":            {Cost{}, Measured, "", Error},
		"of the file":                 {Cost{1, second, Wall}, Measured, File, Error},
		"of the host":                 {Cost{1, second, Wall}, Measured, Host, Note},
	} {
		a := []*Analyzer{{
			Name: "c", Doc: "# c: one", About: c.about, Thresholds: []Threshold{{Name: "c.v"}},
			Run: func(p *Pass) error {
				p.Find(Finding{Severity: Error, Cost: c.cost, Confidence: c.confidence})
				return nil
			},
		}}
		tr := &parse.Trace{To: parse.Time(second)}
		if got := Conclude(tr, "t", NewPartial(a), a, nil).Findings()[0].Severity; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if got := ByThresholds(tr, "t", NewPartial(a), a, nil).Findings()[0].Severity; got != Error {
			t.Errorf("%s by its threshold: %s", name, got)
		}
	}
}

// What says the reason of a finding at one place stands under it, also where it is graver,
// but for what costs more, and for errors.
func TestFoldReasons(t *testing.T) {
	cost := func(ns int64) Cost { return Cost{Value: ns, Total: 1e10, Clock: GTime} }
	for name, c := range map[string]struct {
		of, reason Severity
		cost       int64
		want       bool
	}{
		"a note":                    {Note, Note, 2e8, true},
		"a warning that costs less": {Note, Warning, 2e8, true},
		"a warning that costs more": {Note, Warning, 2e9, false},
		"an error":                  {Note, Error, 2e8, false},
		"an error of a warning":     {Warning, Error, 2e8, false},
		"a warning of an error":     {Error, Warning, 2e9, true},
	} {
		rep := &Report{Trace: Summary{Duration: 1e9}, Results: []*Result{
			{Name: "slow", Findings: []Finding{{Code: "slow", Severity: c.of, Cost: cost(1e9), Because: []Because{{Check: "call", Place: "main.sync"}}}}},
			{Name: "call", Findings: []Finding{{Code: "call", Severity: c.reason, Cost: cost(c.cost), Evidence: []Evidence{{Func: "main.sync:7"}}}}},
		}}
		rep.Fold()
		slow := rep.Results[0].Findings[0]
		if got := len(slow.Symptoms) == 1 && len(rep.Results[1].Findings) == 0; got != c.want {
			t.Errorf("%s: folded is %t", name, got)
		}
		if want := max(c.of.Rank(), c.reason.Rank()); c.want && slow.Severity.Rank() != want {
			t.Errorf("%s: then it is a %s", name, slow.Severity)
		}
	}
}

// What a finding says itself stands under it however grave it is, and a reason brings its
// own along; of two that are each other's, one has the other.
func TestFoldReasonsTold(t *testing.T) {
	finding := func(code string, s Severity, why ...Because) *Result {
		return &Result{Name: code, Findings: []Finding{{Code: code, Severity: s, Because: why, Cost: Cost{Value: 1e8, Total: 1e10, Clock: GTime}, Evidence: []Evidence{{Func: "main.sync:7"}}}}}
	}
	tree := func(rep *Report) string {
		rep.Fold()
		var text func(f *Finding) string
		text = func(f *Finding) string {
			s := f.Code + " " + string(f.Severity)
			for i := range f.Symptoms {
				s += " [" + text(&f.Symptoms[i]) + "]"
			}
			return s
		}
		var all []string
		for _, res := range rep.Results {
			for i := range res.Findings {
				all = append(all, text(&res.Findings[i]))
			}
		}
		return strings.Join(all, "; ")
	}
	for want, results := range map[string][]*Result{
		"queue error [call error]":                    {finding("queue", Warning, Because{"call", "main.sync", true}), finding("call", Error)},
		"queue warning; call error":                   {finding("queue", Warning, Because{"call", "main.sync", false}), finding("call", Error)},
		"slow warning [queue warning [call warning]]": {finding("slow", Warning, Because{"queue", "", false}, Because{"queue", "main.sync", false}), finding("queue", Warning, Because{"call", "main.sync", true}), finding("call", Warning)},
		"other warning [one warning]":                 {finding("one", Warning, Because{"other", "main.sync", true}), finding("other", Warning, Because{"one", "main.sync", true})},
	} {
		if got := tree(&Report{Trace: Summary{Duration: 1e9}, Results: results}); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// What happens inside the times of a cause that is no less grave stands under it.
func TestFoldInside(t *testing.T) {
	const ms = int64(1e6)
	at := func(length int64, from ...int64) (out []Evidence) {
		for _, f := range from {
			out = append(out, Evidence{From: f * ms, To: (f + length) * ms})
		}
		return out
	}
	holes := at(50, 100, 300, 500)
	for name, c := range map[string]struct {
		severity Severity
		during   []Evidence
		shown    []Evidence
		want     bool
	}{
		"inside":                          {Warning, holes, at(10, 110, 320, 540), true},
		"graver":                          {Error, holes, at(10, 110, 320, 540), false},
		"outside":                         {Warning, holes, at(10, 200, 400, 600), false},
		"60 % inside":                     {Warning, holes, at(10, 110, 320, 540, 700, 800), true},
		"less inside":                     {Warning, holes, at(10, 110, 320, 700, 800, 900), false},
		"seen twice":                      {Warning, holes, at(10, 110, 320), false},
		"of stretches, no events":         {Warning, holes, at(200, 50, 250, 450), false},
		"of moments":                      {Warning, holes, at(0, 110, 320, 540), false},
		"of a cause that is always there": {Warning, at(260, 100, 360), at(10, 110, 320, 540), false},
	} {
		rep := &Report{Trace: Summary{Duration: 1000 * ms}, Results: []*Result{
			{Name: "cause", Findings: []Finding{{Code: "cause", Severity: Warning, During: c.during}}},
			{Name: "symptom", Findings: []Finding{{Code: "symptom/one", Severity: c.severity, Evidence: c.shown}}},
		}}
		for range 2 {
			rep.Fold()
			if got := len(rep.Results[0].Findings[0].Symptoms) == 1 && len(rep.Results[1].Findings) == 0; got != c.want {
				t.Errorf("%s: folded is %t", name, got)
			}
		}
		file := &Report{Trace: rep.Trace, Results: []*Result{
			{Name: "cause", Findings: []Finding{{Code: "cause", Severity: Warning, During: c.during}}},
			{Name: "symptom", About: File, Findings: []Finding{{Code: "symptom", Severity: c.severity, Evidence: c.shown}}},
		}}
		if file.Fold(); len(file.Findings()) != 2 {
			t.Errorf("%s: what is about the file is folded", name)
		}
	}
}
