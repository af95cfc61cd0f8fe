package analysis

import "testing"

func TestPage(t *testing.T) {
	a := &Analyzer{Name: "tail", Doc: "# tail: a long tail\n\nWhy.\n\n## What to do\n\nLess.\n", Thresholds: []Threshold{
		{Name: "tail.p99", Doc: "p99 of *all* waits", Unit: NS, Levels: Levels{Note: 1e6, Error: 10e6}, Source: "a time slice (proc.go)"},
		{Name: "tail.mmu", Doc: "the least", Unit: Count, Below: true, Levels: Levels{Warning: .4}, Source: "measured."},
	}}
	want := "# tail: a long tail\n\nWhy.\n\n## When it fires\n\nA finding needs all of these values to reach a level, unless this page says otherwise.\n\n" +
		"* p99 of \\*all\\* waits: note ≥ 1 ms, error ≥ 10 ms\n  * `tail.p99`. Source: a time slice (proc.go).\n" +
		"* the least: warning ≤ 0.4\n  * `tail.mmu`. Source: measured.\n\n## What to do\n\nLess.\n"
	if got := a.Page(nil); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	a.Thresholds = a.Thresholds[:1]
	a.Doc = "# tail: a long tail\n"
	want = "# tail: a long tail\n\n## When it fires\n\nA finding needs all of these values to reach a level, unless this page says otherwise.\n\n* p99 of \\*all\\* waits: never (a\\_b 1)\n  * `tail.p99`. Source: a time slice (proc.go).\n"
	if got := a.Page(func(Threshold) string { return "never (a_b\n1)" }); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	a.Thresholds = nil
	if got := a.Page(nil); got != a.Doc {
		t.Errorf("a measure's page: %q", got)
	}
}

func TestDescribe(t *testing.T) {
	th := Threshold{Unit: Ratio, Levels: Levels{Warning: .1}}
	for _, c := range []struct {
		from map[Severity]string
		want string
	}{
		{nil, "warning ≥ 10 %"},
		{map[Severity]string{Warning: "default", Error: "f.yaml:2"}, "warning ≥ 10 % (default), error never (f.yaml:2)"},
	} {
		if got := th.Describe(c.from); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if got := new(Threshold).Describe(nil); got != "never" {
		t.Errorf("no level: %q", got)
	}
}
