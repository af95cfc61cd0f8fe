package analysis

import (
	"math"
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
		{50e6, .6, 10, Warning, "the wait: 50 ms (limit 1 ms, reached); its share: 60 % (limit 10 %, reached); how many: 10 (limit 10, reached)"},
		{500e6, .2, 10, Note, "the wait: 500 ms (limit 1 ms, reached); its share: 20 % (limit 10 %, reached); how many: 10 (limit 10, reached)"},
		{50e6, .6, 9, "", "how many: 9 (limit 10); the wait: 50 ms (limit 1 ms, reached); its share: 60 % (limit 10 %, reached)"},
		{50e6, .05, 10, "", "its share: 5 % (limit 10 %); the wait: 50 ms (limit 1 ms, reached); how many: 10 (limit 10, reached)"},
	} {
		g := p.Gate(Grades("wait", c.wait), Grades("share", c.share), Needs("count", c.count))
		if g.Severity != c.want || g.Said != c.said {
			t.Errorf("%v: %q %q, want %q %q", c, g.Severity, g.Said, c.want, c.said)
		}
	}
	if g := p.Gate(Needs("count", 10)); g.Severity != Note {
		t.Errorf("only a need that is met: %q", g.Severity)
	}
	if g := p.Gate(Grades("wait", math.NaN())); g.Severity != "" || g.Said != "the wait: – (limit 1 ms)" {
		t.Errorf("no value: %+v", g)
	}
}

func TestGateOfAlternatives(t *testing.T) {
	a := &Analyzer{Name: "j", Thresholds: []Threshold{
		{Name: "j.wait", Doc: "the wait", Unit: NS, Levels: Levels{Note: 1e6, Warning: 10e6}},
		{Name: "j.mean", Doc: "the mean", Unit: Count, Below: true, Levels: Levels{Note: 1.5, Error: .5}},
		{Name: "j.count", Doc: "how many", Unit: Count, Levels: Levels{Note: 10}},
	}}
	p := &Pass{Analyzer: a, Trace: &parse.Trace{Quantum: 1}}
	for _, c := range []struct {
		wait, mean, count float64
		want              Severity
		said              string
	}{
		{1e6, 2, 10, Note, "the wait: 1 ms (limit 1 ms, reached), or the mean: 2 (limit 1.5 or less) and how many: 10 (limit 10, reached)"},
		{1e6, .25, 10, Error, "the wait: 1 ms (limit 1 ms, reached), or the mean: 0.25 (limit 1.5 or less, reached) and how many: 10 (limit 10, reached)"},
		{10e6, .25, 9, Warning, "the wait: 10 ms (limit 1 ms, reached), or how many: 9 (limit 10) and the mean: 0.25 (limit 1.5 or less, reached)"},
		{0, .25, 9, "", "the wait: 0 (limit 1 ms), or how many: 9 (limit 10) and the mean: 0.25 (limit 1.5 or less, reached)"},
	} {
		g := p.Gate(Either(Grades("wait", c.wait), Both(Grades("mean", c.mean), Needs("count", c.count))))
		if g.Severity != c.want || g.Said != c.said {
			t.Errorf("%v: %q %q, want %q %q", c, g.Severity, g.Said, c.want, c.said)
		}
	}
	if g := p.Gate(Grades("wait", 10e6), Either(Needs("count", 10), Needs("mean", 9))); g.Severity != Warning {
		t.Errorf("needs of which one is met make a warning %q", g.Severity)
	}
}

func TestNearer(t *testing.T) {
	a := &Analyzer{Name: "j", Thresholds: []Threshold{
		{Name: "j.wait", Doc: "the wait", Unit: NS, Levels: Levels{Note: 1e6}},
		{Name: "j.count", Doc: "how many", Unit: Count, Levels: Levels{Note: 10}},
	}}
	p := &Pass{Analyzer: a, Trace: &parse.Trace{Quantum: 1}}
	at := func(place string, wait, count float64) Gate {
		return p.Gate(Grades("wait", wait), Needs("count", count)).At(place)
	}
	far, near, also, none := at("far", 0, 0), at("near", 1e6, 0), at("also", 0, 10), Gate{}
	if far.Said != "far: the wait: 0 (limit 1 ms); how many: 0 (limit 10)" {
		t.Errorf("at a place: %q", far.Said)
	}
	if far.Nearer(near) != near || near.Nearer(far) != near || near.Nearer(also) != near || none.Nearer(far) != far || far.Nearer(none) != far {
		t.Error("Nearer is not what lacks less, the first of equals")
	}
	p.result = new(Result)
	p.Clear(none)
	p.Clear(none, near, far)
	if len(p.result.Summary) != 1 || p.result.Summary[0] != "looked at "+near.Said+"; and at "+far.Said {
		t.Errorf("clear: %q", p.result.Summary)
	}
}
