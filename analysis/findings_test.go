package analysis

import (
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
