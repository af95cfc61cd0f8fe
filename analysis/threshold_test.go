package analysis

import (
	"testing"

	"github.com/tracelens/tracelens/parse"
)

// check makes an analyzer that finds one thing of the given severity.
func check(name string, s Severity, explains ...string) *Analyzer {
	return &Analyzer{Name: name, Run: func(p *Pass) error {
		p.Find(Finding{Severity: s, Explains: explains})
		return nil
	}}
}

func TestSeverity(t *testing.T) {
	up := Threshold{Name: "j.high", Levels: Levels{Note: 1, Warning: 10, Error: 100}}
	down := Threshold{Name: "j.low", Levels: Levels{Warning: .5, Error: .2}, Below: true}
	for _, c := range []struct {
		name   string
		v      float64
		levels map[string]Levels
		want   Severity
	}{
		{"high", .99, nil, ""}, {"high", 1, nil, Note}, {"high", 9.99, nil, Note}, {"high", 10, nil, Warning}, {"high", 100, nil, Error},
		{"low", .51, nil, ""}, {"low", .5, nil, Warning}, {"low", .21, nil, Warning}, {"low", .2, nil, Error}, {"low", 0, nil, Error},
		{"high", 10, map[string]Levels{"j.high": {Error: 10}}, Error}, {"high", 9, map[string]Levels{"j.high": {Error: 10}}, ""},
		{"high", 10, map[string]Levels{"other.high": {Error: 10}}, Warning},
	} {
		p := &Pass{Trace: &parse.Trace{}, Analyzer: &Analyzer{Name: "j", Thresholds: []Threshold{up, down}}, levels: c.levels}
		if got := p.Gate(Grades(c.name, c.v)).Severity; got != c.want || p.Met(c.name, c.v) != (c.want != "") {
			t.Errorf("%v of %s with %v: %q, want %q", c.v, c.name, c.levels, got, c.want)
		}
	}
}

func TestCauseFoldsItsSymptoms(t *testing.T) {
	a := []*Analyzer{check("tail", Error), check("assist", Warning, "tail", "absent"), check("gc", Note, "assist"), check("other", Warning),
		check("ring1", Note, "ring2"), check("ring2", Note, "ring1"), check("none", "")}
	rep := Conclude(&parse.Trace{}, "t", NewPartial(a), a, nil)
	got := make(map[string][]string)
	for _, f := range rep.Findings() {
		got[f.Code] = []string{}
		for _, s := range f.Symptoms {
			got[f.Code] = append(got[f.Code], s.Code)
		}
	}
	if len(got) != 4 || len(got["gc"]) != 2 || len(got["other"]) != 0 || got["tail"] != nil || got["none"] != nil {
		t.Errorf("findings and their symptoms: %v; want gc with tail and assist, and other, ring1, ring2", got)
	}
	if first := rep.Findings()[0]; first.Code != "gc" || first.Severity != Error {
		t.Errorf("the first finding is %s, a %s; want gc, an error by its symptom tail", first.Code, first.Severity)
	}
	for _, r := range rep.Results {
		if r.Name == "tail" && r.Outcome != Found {
			t.Errorf("tail is %s, want found: it was, though another explains it", r.Outcome)
		}
	}
}

func TestFinerCoversCoarser(t *testing.T) {
	fine, silent := check("fine", Warning), check("silent", "")
	fine.Covers, silent.Covers = []string{"coarse"}, []string{"other"}
	lesser := check("lesser", Note)
	lesser.Covers = []string{"other"}
	a := []*Analyzer{check("coarse", Warning), check("other", Warning), fine, silent, lesser}
	rep := Conclude(&parse.Trace{}, "t", NewPartial(a), a, nil)
	var got []string
	for _, f := range rep.Findings() {
		got = append(got, f.Code)
	}
	if len(got) != 3 || got[0] != "other" || got[1] != "fine" || got[2] != "lesser" {
		t.Errorf("findings %v, want other, which is graver than lesser, fine and lesser", got)
	}

	// About the same place the finer one is said, as gravely as the coarser.
	at := func(name string, s Severity, place string) *Analyzer {
		j := check(name, s)
		j.Run = func(p *Pass) error {
			p.Find(Finding{Severity: s, Evidence: []Evidence{{Func: place}}})
			return nil
		}
		return j
	}
	for place, want := range map[string]int{"main.lock": 1, "main.other": 2} {
		convoy := at("convoy", Note, "main.lock")
		convoy.Covers = []string{"contention"}
		a := []*Analyzer{at("contention", Warning, place), convoy}
		got := Conclude(&parse.Trace{}, "t", NewPartial(a), a, nil).Findings()
		if len(got) != want || want == 1 && (got[0].Code != "convoy" || got[0].Severity != Warning) {
			t.Errorf("%s: %d findings, the first a %s of %s", place, len(got), got[0].Severity, got[0].Code)
		}
	}
}
