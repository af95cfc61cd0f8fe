package analysis

import (
	"testing"

	"github.com/tracelens/tracelens/parse"
)

func TestGate(t *testing.T) {
	a := &Analyzer{Name: "j", Thresholds: []Threshold{
		{Name: "j.wait", Doc: "the wait", Unit: NS, Levels: Levels{Note: 1e6, Warning: 10e6, Error: 100e6}},
		{Name: "j.share", Doc: "its share", Unit: Ratio, Levels: Levels{Note: .1, Warning: .5}},
		{Name: "j.count", Doc: "how many", Unit: Count, Levels: Levels{Note: 10}},
	}}
	p := &Pass{Analyzer: a, Trace: &parse.Trace{Quantum: 1}}
	for _, c := range []struct {
		wait, share, count float64
		want               Severity
		said               string
	}{
		{50e6, .6, 10, Warning, "the wait: 50 ms (limit 1 ms); its share: 60 % (limit 10 %); how many: 10 (limit 10)"},
		{500e6, .2, 10, Note, "the wait: 500 ms (limit 1 ms); its share: 20 % (limit 10 %); how many: 10 (limit 10)"},
		{50e6, .6, 9, "", "how many: 9 (limit 10); the wait: 50 ms (limit 1 ms); its share: 60 % (limit 10 %)"},
		{50e6, .05, 10, "", "its share: 5 % (limit 10 %); the wait: 50 ms (limit 1 ms); how many: 10 (limit 10)"},
	} {
		g := p.Gate(Grades("wait", c.wait), Grades("share", c.share), Needs("count", c.count))
		if g.Severity != c.want || g.Said != c.said {
			t.Errorf("%v: %q %q, want %q %q", c, g.Severity, g.Said, c.want, c.said)
		}
	}
	if g := p.Gate(Needs("count", 10)); g.Severity != Note {
		t.Errorf("only a need that is met: %q", g.Severity)
	}
	low, high := p.Gate(Grades("wait", 1e6)), p.Gate(Grades("wait", 10e6))
	none := p.Gate(Grades("wait", 1))
	if low.Or(high) != high || high.Or(low) != high || none.Or(low) != low {
		t.Error("Or is not the graver one")
	}
	if both := none.Or(none); both.Severity != "" || both.Said != none.Said+"; or "+none.Said {
		t.Errorf("%+v", both)
	}
}
