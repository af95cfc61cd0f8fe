package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/internal/corpus"
)

var update = flag.Bool("update", false, "rewrite the schema")

// small is a catalogue with a threshold of each unit.
var small = []*analysis.Analyzer{
	{Name: "limits", Doc: "# limits: what holds it up", Thresholds: []analysis.Threshold{
		{Name: "limits.cpu", Unit: analysis.Ratio, Levels: analysis.Levels{Warning: .9}},
	}},
	{Name: "gc", Doc: "# gc: a measure", Metrics: []analysis.MetricDef{{ID: "gc.cycles", Unit: analysis.Count}}},
	{Name: "tail", Doc: "# tail: waits", Thresholds: []analysis.Threshold{
		{Name: "tail.p99", Doc: "p99 of waits", Unit: analysis.NS, Levels: analysis.Levels{Warning: 1e6, Error: 1e7}, Source: "a time slice"},
		{Name: "tail.n", Unit: analysis.Count, Levels: analysis.Levels{Note: 1000}},
	}},
	{Name: "share", Doc: "# share: shares", Thresholds: []analysis.Threshold{
		{Name: "share.gc", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .1, Warning: .5}},
		{Name: "share.mmu", Unit: analysis.Ratio, Levels: analysis.Levels{Warning: .5, Error: .2}, Below: true},
		{Name: "share.factor", Unit: analysis.Ratio, Levels: analysis.Levels{Warning: 4}},
		{Name: "share.spread", Unit: analysis.Ratio, Levels: analysis.Levels{Error: .02}, Below: true},
	}},
	{Name: "heap", Doc: "# heap: growth", Thresholds: []analysis.Threshold{
		{Name: "heap.growth", Unit: analysis.Bytes, Levels: analysis.Levels{Warning: 16 << 20}},
		{Name: "heap.rate", Unit: analysis.PerS, Levels: analysis.Levels{Warning: 50}},
		{Name: "heap.cycles", Unit: analysis.Count, Levels: analysis.Levels{Warning: 3}},
	}},
	{Name: "saturated", Doc: "# saturated: all Ps run", Interactive: true, Thresholds: []analysis.Threshold{
		{Name: "saturated.share", Unit: analysis.Ratio, Levels: analysis.Levels{Warning: .95}},
	}},
}

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("f.yaml", []byte(text), small)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return c
}

func TestLevels(t *testing.T) {
	type levels = map[string]analysis.Levels
	for _, c := range []struct {
		text string
		want levels
	}{
		{"", levels{}},
		{"# nothing\n", levels{}},
		{"{}", levels{}},
		{"preset: recommended", levels{}},
		{"thresholds: {tail.p99: 5ms}", levels{"tail.p99": {Warning: 5e6, Error: 1e7}}},
		{"thresholds: {tail.p99: 1ms}", levels{}},
		{"thresholds: {tail.p99: {error: 1.5s}}", levels{"tail.p99": {Warning: 1e6, Error: 15e8}}},
		{"thresholds: {tail.p99: {note: 500µs, warning: 1ms, error: never}}", levels{"tail.p99": {Note: 5e5, Warning: 1e6}}},
		{"thresholds: {tail.p99: {warning: 0}}", levels{"tail.p99": {Error: 1e7}}},
		{"thresholds: {tail.n: 200}", levels{"tail.n": {Note: 200}}},
		{"thresholds: {share.gc: 5%}", levels{"share.gc": {Note: .05, Warning: .5}}},
		{"thresholds: {share.gc: 0.2}", levels{"share.gc": {Note: .2, Warning: .5}}},
		{"thresholds: {share.mmu: {error: 30 %}}", levels{"share.mmu": {Warning: .5, Error: .3}}},
		{"thresholds: {share.factor: 5}", levels{"share.factor": {Warning: 5}}},
		{"thresholds: {heap.growth: 64MiB}", levels{"heap.growth": {Warning: 64 << 20}}},
		{"thresholds: {heap.growth: 1.5 GB}", levels{"heap.growth": {Warning: 1.5e9}}},
		{"thresholds: {heap.growth: 4096}", levels{"heap.growth": {Warning: 4096}}},
		{"thresholds: {heap.growth: 4096B, heap.rate: 1000/s}", levels{"heap.growth": {Warning: 4096}, "heap.rate": {Warning: 1000}}},
		{"thresholds: {heap.rate: 7}", levels{"heap.rate": {Warning: 7}}},
		{"preset: strict", levels{
			"tail.p99": {Error: 5e5}, "share.gc": {Note: .05, Error: .25}, "share.mmu": {Error: .75}, "share.factor": {Error: 2.5}, "share.spread": {Error: .04},
			"heap.growth": {Error: 8 << 20}, "heap.rate": {Error: 25}, "heap.cycles": {Error: 2}, "limits.cpu": {Error: .45}, "saturated.share": {Error: .475},
		}},
		// What is set counts over the preset, whichever comes first.
		{"thresholds: {saturated.share: 90%}\npreset: strict", levels{
			"tail.p99": {Error: 5e5}, "share.gc": {Note: .05, Error: .25}, "share.mmu": {Error: .75}, "share.factor": {Error: 2.5}, "share.spread": {Error: .04},
			"heap.growth": {Error: 8 << 20}, "heap.rate": {Error: 25}, "heap.cycles": {Error: 2}, "limits.cpu": {Error: .45}, "saturated.share": {Error: .9},
		}},
	} {
		if diff := cmp.Diff(c.want, parse(t, c.text).Levels(small)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestOrigins(t *testing.T) {
	for text, want := range map[string]string{
		"":               "warning ≥ 1 ms (default), error ≥ 10 ms (default)",
		"preset: strict": "error ≥ 500 µs (preset strict)",
		"thresholds:\n  tail.p99:\n    error: 20ms":  "warning ≥ 1 ms (default), error ≥ 20 ms (f.yaml:3)",
		"thresholds:\n  tail.p99: {error: never}":    "warning ≥ 1 ms (default), error never (f.yaml:2)",
		"preset: strict\nthresholds: {tail.p99: 3s}": "error ≥ 3 s (f.yaml:2)",
	} {
		th := parse(t, text).Thresholds(small[2])
		if got := th[0].Describe(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got := parse(t, "thresholds: {heap.cycles: 1.25}").Thresholds(small[4])[2].Describe(); got != "warning ≥ 1.25 (f.yaml:1)" {
		t.Errorf("a count with a fraction is %s", got)
	}
	th := parse(t, "").Thresholds(small[3])
	if got, want := th[1].Describe(), "warning ≤ 50 % (default), error ≤ 20 % (default)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestErrors: each says the line, and what to write instead.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"presets: strict", `f.yaml:1: unknown key "presets"; did you mean preset?`},
		{"\n\npreset: srict", `f.yaml:3: unknown preset "srict"; did you mean strict?`},
		{"preset: xyz", `f.yaml:1: unknown preset "xyz"; there are: recommended, strict, batch`},
		{"preset: [strict]", `f.yaml:1: preset is a list, must be text`},
		{"preset:", `f.yaml:1: preset is empty, must be text`},
		{"preset: strict\npreset: batch", `f.yaml:2: "preset" is already in line 1`},
		{"- a", `f.yaml:1: the file is a list, must be a mapping`},
		{"strict", `f.yaml:1: the file is "strict", must be a mapping`},
		{"requests:\n  - entry: handle\n  - {}\n  - entry: main.handle\n    x: 1\n", "f.yaml:2: \"handle\" is no function as stacks name it, such as main.(*Server).handle\nf.yaml:3: an entry of requests without entry: name the function that serves one\nf.yaml:5: unknown key \"x\"; there are: entry"},
		{"requests: main.handle", "f.yaml:1: requests is \"main.handle\", must be a list"},
		{"budgets:\n- {metric: gc.cycles, more: 10%, max: 5}", "f.yaml:2: a budget needs max or min, or more or less for comparisons, one of them"},
		{"budgets:\n- metric: gc.cycles\n  more: 10%\n  quantile: p90", "f.yaml:4: quantile does not go with more, which is about both sides of a comparison"},
		{"budgets:\n- metric: gc.cycles\n  less: x%", "f.yaml:3: \"x%\" is not a share of the value before: write it as 10%"},
		{"budgets:\n- metric: gc.cycles\n  more: 5ms", "f.yaml:3: \"5ms\" is not a value of gc.cycles, which is in count: write it as 100, or as 10% of the value before"},
		{"budgets:\n- {metric: gc.cycles, more: 10%}\n- {metric: gc.cycles, more: 20%}", "f.yaml:3: the budget \"gc.cycles more\" is already at f.yaml:2: give one a name"},
		{"a: &x 1\nb: *x", "f.yaml:1: unknown key \"a\"; there are: preset, thresholds, severities, suppressions, budgets, requests\nf.yaml:2: unknown key \"b\"; did you mean budgets?"},
		{"preset: &x strict\nthresholds: *x", `f.yaml:2: thresholds is an alias, which is not supported, must be a mapping`},
		{"preset: strict\nthresholds: *y", `f.yaml:2: not valid YAML: unknown anchor 'y' referenced`},
		{"? [a]\n: b", `f.yaml:1: a key of the file is a list, must be text`},
		{"preset: a: b", `f.yaml:1: not valid YAML: mapping values are not allowed in this context`},
		{"preset: strict\n---\npreset: batch", `f.yaml:2: a second document begins; there must be one`},
		{"a\x00b", `f.yaml:1: not valid YAML: control characters are not allowed`},
		{"thresholds: 1", `f.yaml:1: thresholds is "1", must be a mapping`},
		{"thresholds:\n  tail.p9: 1ms", `f.yaml:2: unknown threshold "tail.p9"; did you mean tail.p99 or tail.n?`},
		{"thresholds:\n  tail.zzzzz: 1ms", `f.yaml:2: unknown threshold "tail.zzzzz"; there are: tail.p99, tail.n`},
		{"thresholds:\n  tale.p99: 1ms", `f.yaml:2: unknown threshold "tale.p99"; did you mean tail.p99?`},
		{"thresholds:\n  tail.p99: 1", `f.yaml:2: "1" is not a value of tail.p99, which is in ns: write it as 1ms`},
		{"thresholds:\n  tail.p99: -1ms", `f.yaml:2: "-1ms" is negative; write never for a level that is never reached`},
		{"thresholds:\n  tail.p99: yes", `f.yaml:2: "yes" is not a value of tail.p99, which is in ns: write it as 1ms`},
		{"thresholds:\n  tail.p99:", `f.yaml:2: tail.p99 is empty, must be text`},
		{"thresholds:\n  tail.p99: [1ms]", `f.yaml:2: tail.p99 is a list, must be a value or a mapping of levels`},
		{"thresholds:\n  tail.p99:\n    warn: 1ms", `f.yaml:3: unknown level "warn"; did you mean warning?`},
		{"thresholds:\n  tail.p99: {warning: 20ms}", `f.yaml:2: tail.p99: error at 10 ms (default) is reached before warning at 20 ms (f.yaml:2); set both`},
		{"thresholds:\n  share.mmu: {error: 60%}", `f.yaml:2: share.mmu: error at 60 % (f.yaml:2) is reached before warning at 50 % (default); set both`},
		{"thresholds:\n  share.gc: 5", `f.yaml:2: "5" is 500 % as a share; for percent write 5%`},
		{"thresholds:\n  share.gc: 5ms", `f.yaml:2: "5ms" is not a value of share.gc, which is in ratio: write it as 5%`},
		{"thresholds:\n  heap.growth: 5miB", `f.yaml:2: "5miB" is not a value of heap.growth, which is in bytes: write it as 64MiB`},
		{"thresholds:\n  heap.growth: i", `f.yaml:2: "i" is not a value of heap.growth, which is in bytes: write it as 64MiB`},
		{"thresholds:\n  heap.rate: .inf", `f.yaml:2: ".inf" is not a value of heap.rate, which is in per_s: write it as 1000/s`},
		{"thresholds:\n  heap.cycles: 0x10", `f.yaml:2: "0x10" is not a value of heap.cycles, which is in count: write it as 100`},
		{"severities:\n  tial: off", `f.yaml:2: unknown check "tial"; did you mean tail?`},
		{"severities:\n  gc: off", `f.yaml:2: unknown check "gc"; there are: limits, tail, share, heap, saturated`},
		{"severities:\n  tail/: off", `f.yaml:2: "tail/" is not a code: nothing follows the /`},
		{"severities:\n  tail: info", `f.yaml:2: unknown level "info"; there are: off, note, warning, error`},
		{"suppressions: {}", `f.yaml:1: suppressions is a mapping, must be a list`},
		{"suppressions:\n- tail", `f.yaml:2: a suppression is "tail", must be a mapping`},
		{"suppressions:\n- code: tail", `f.yaml:2: a suppression without a reason: say why these findings are accepted`},
		{"suppressions:\n- reason: why", `f.yaml:2: a suppression of everything: it needs a code, a function or a file`},
		{"suppressions:\n- code: tail\n  reason: ' '", `f.yaml:3: reason is empty`},
		{"suppressions:\n- code: tial\n  reason: r", `f.yaml:2: unknown check "tial"; did you mean tail?`},
		{"suppressions:\n- code: z*\n  reason: r", `f.yaml:2: "z*" matches no check: 'tracelens explain' lists all`},
		{"suppressions:\n- code: tail\n  reason: r\n  expires: tomorrow", `f.yaml:4: "tomorrow" is not a day; write it as 2027-01-31`},
		{"suppressions:\n- code: tail\n  reason: r\n  func: f", `f.yaml:4: unknown key "func"; did you mean function?`},
	} {
		_, err := Parse("f.yaml", []byte(c.text), small)
		var es Errors
		if !errors.As(err, &es) || err.Error() != c.want {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	if _, err := Parse("f.yaml", bytes.Repeat([]byte("#"), maxBytes+1), small); err == nil {
		t.Error("a file of any size is read")
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "repo", "a", "b")
	for _, dir := range []string{deep, filepath.Join(root, "repo", ".git")} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	write := func(dir string) {
		if err := os.WriteFile(filepath.Join(root, dir, FileName), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want string) {
		t.Helper()
		if got, err := Find(deep); err != nil || filepath.ToSlash(got) != want {
			t.Errorf("found %q, %v; want %q", got, err, want)
		}
	}
	write(".") // outside the repository
	check("")
	write("repo")
	check("../../tracelens.yaml")
	t.Setenv("HOME", filepath.Join(root, "repo", "a"))
	t.Setenv("USERPROFILE", filepath.Join(root, "repo", "a"))
	check("") // above home
	write("repo/a")
	check("../tracelens.yaml")
	if err := os.WriteFile(filepath.Join(deep, "tracelens.yml"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	check("tracelens.yml")
	write("repo/a/b")
	check("tracelens.yaml")
	if os.Chown(filepath.Join(deep, FileName), 12345, -1) == nil { // root may
		t.Setenv("SUDO_UID", "")
		if got, err := Find(deep); got != "" || err == nil {
			t.Errorf("found %q of another user, %v", got, err)
		}
	}
	deep = filepath.Join(root, "plain", "sub") // in no repository
	if err := os.MkdirAll(deep, 0o777); err != nil {
		t.Fatal(err)
	}
	write("plain")
	check("")
	write("plain/sub")
	check("tracelens.yaml")
}

func TestUnknown(t *testing.T) {
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf("name-%02d-of-many", i))
	}
	many = append(many, "latency", "stealing")
	for _, c := range []struct {
		what, name string
		names      []string
		want       string
	}{
		{"level", "x", []string{"note", "error"}, `unknown level "x"; there are: note, error`},
		{"analyzer", "latncy", many, `unknown analyzer "latncy"; did you mean latency?`},
		{"analyzer", "stalling-far", many, `unknown analyzer "stalling-far"; the nearest of 42 are stealing, `},
		{"analyzer", "zzz", many, `: 'tracelens explain' lists all`},
	} {
		if got := Unknown(c.what, c.name, c.names).Error(); !strings.Contains(got, c.want) || len(got) > 200 {
			t.Errorf("%s %s: %s, want %s", c.what, c.name, got, c.want)
		}
	}
}

// report has a finding of tail with a stack that explains one of share, one of
// limits without a stack, and one of heap in other code.
func sample() *analysis.Report {
	at := func(fn, file string) []analysis.Evidence {
		return []analysis.Evidence{{Stack: []analysis.Frame{{Func: "runtime.gopark", File: "/go/src/runtime/proc.go"}, {Func: fn, File: file}}}}
	}
	return &analysis.Report{Results: []*analysis.Result{
		{Name: "limits", Findings: []analysis.Finding{{Code: "limits/gc", Severity: analysis.Warning}, {Code: "limits/cpu", Severity: analysis.Warning}}},
		{Name: "tail", Check: true, Findings: []analysis.Finding{{
			Code: "tail", Severity: analysis.Error, Evidence: at("main.(*T).serve", "/src/p/internal/gen/x.go"),
			Symptoms: []analysis.Finding{{Code: "share/gc", Severity: analysis.Warning}},
		}}},
		{Name: "share", Check: true},
		{Name: "heap", Check: true, Findings: []analysis.Finding{{Code: "heap", Severity: analysis.Note, Evidence: at("main.grow", "/src/p/main.go")}}},
	}}
}

// TestApplyVerdict: a verdict whose only finding is suppressed says where the time goes, and
// rules out no more than before.
func TestApplyVerdict(t *testing.T) {
	rep := &analysis.Report{
		Trace:   analysis.Summary{Duration: 1e9, Complete: true, Quantum: 1},
		Metrics: map[string]analysis.Metric{"procs.share.user": {Value: .1}, "sched.latency.user.total": {Value: 5e8}, "procs.share.gcworker": {Value: .3}},
		Results: []*analysis.Result{
			{Name: "tail", Check: true, Outcome: analysis.Found, Findings: []analysis.Finding{{Code: "tail", Severity: analysis.Error, Summary: "Every handler hangs", Cost: analysis.Cost{Value: 5e9, Total: 10e9, Clock: analysis.GTime}}}},
			{Name: "holders", Leading: []analysis.Leading{{Kind: analysis.VerdictLimit, Text: "handler ×8 ← main.put holds it", Place: "main.get:1", Held: 5e9, Lives: .9}}},
		},
	}
	parse(t, "").Apply(rep, time.Unix(0, 0))
	if !strings.HasPrefix(rep.Verdict.Text, "Every handler hangs") {
		t.Fatal(rep.Verdict.Text)
	}
	parse(t, "suppressions: [{code: tail, reason: known}]").Apply(rep, time.Unix(0, 0))
	if got, want := rep.Verdict.Text, "Held up: handler ×8 ← main.put holds it. Not the limit: CPU (user code has 10 % of P time)."; got != want || len(rep.Suppressed) != 1 {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestApply(t *testing.T) {
	today := time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC)
	for _, c := range []struct{ text, findings, suppressed string }{
		{"", "tail=error(share/gc) limits/gc=warning limits/cpu=warning heap=note", ""},
		{"severities: {tail: note, heap: error, limits/gc: off}", "heap=error limits/cpu=warning tail=note(share/gc)", ""},
		{"severities: {limits: off}", "tail=error(share/gc) limits/gc=warning limits/cpu=warning heap=note", ""},
		{"severities: {limits: error, limits/cpu: note}", "limits/gc=error tail=error(share/gc) limits/cpu=note heap=note", ""},
		{"severities: {share: note}", "tail=error(share/gc) limits/gc=warning limits/cpu=warning heap=note", ""},
		// A check that is off has findings only where it was asked for by name.
		{"severities: {tail: off}", "tail=error(share/gc) limits/gc=warning limits/cpu=warning heap=note", ""},
		// The symptom of a cause that is accepted is a finding of its own.
		{"suppressions: [{code: tail, reason: r}]", "limits/gc=warning limits/cpu=warning share/gc=warning heap=note", "tail"},
		{"suppressions: [{code: share, reason: r}]", "tail=error limits/gc=warning limits/cpu=warning heap=note", "share/gc"},
		{"suppressions: [{code: limits, reason: r}]", "tail=error(share/gc) heap=note", "limits/gc limits/cpu"},
		{"suppressions: [{code: limits/c*, reason: r}]", "tail=error(share/gc) limits/gc=warning heap=note", "limits/cpu"},
		{"suppressions: [{code: '*', reason: r}]", "", "share/gc tail heap limits/gc limits/cpu"},
		{"suppressions: [{function: 'main.*', reason: r}]", "limits/gc=warning limits/cpu=warning share/gc=warning", "tail heap"},
		{"suppressions: [{function: 'main.(*T).*', reason: r}]", "limits/gc=warning limits/cpu=warning share/gc=warning heap=note", "tail"},
		{"suppressions: [{code: heap, function: 'main.(*T).*', reason: r}]", "tail=error(share/gc) limits/gc=warning limits/cpu=warning heap=note", ""},
		{"suppressions: [{file: internal/gen/*, reason: r}]", "limits/gc=warning limits/cpu=warning share/gc=warning heap=note", "tail"},
		{"suppressions: [{file: p/**/*.go, reason: r}]", "limits/gc=warning limits/cpu=warning share/gc=warning", "tail heap"},
		{"suppressions: [{file: p/*.go, reason: r}]", "tail=error(share/gc) limits/gc=warning limits/cpu=warning", "heap"},
		{"suppressions: [{file: n.go, reason: r}]", "tail=error(share/gc) limits/gc=warning limits/cpu=warning heap=note", ""},
		{"suppressions: [{file: /p/*.go, reason: r}]", "tail=error(share/gc) limits/gc=warning limits/cpu=warning heap=note", ""},
		{"suppressions: [{code: heap, reason: r, expires: 2026-11-23}]", "tail=error(share/gc) limits/gc=warning limits/cpu=warning", "heap"},
		{"suppressions: [{code: heap, reason: r, expires: 2026-11-22}]", "tail=error(share/gc) limits/gc=warning limits/cpu=warning heap=note", ""},
		{"suppressions: [{code: heap, reason: r, expires: 2026-11-22}, {code: 'hea?', reason: r}]", "tail=error(share/gc) limits/gc=warning limits/cpu=warning", "heap"},
	} {
		rep := sample()
		parse(t, c.text).Apply(rep, today)
		var findings, suppressed []string
		for _, f := range rep.Findings() {
			s := f.Code + "=" + string(f.Severity)
			for _, sym := range f.Symptoms {
				s += "(" + sym.Code + ")"
			}
			findings = append(findings, s)
		}
		matched := 0
		for _, s := range rep.Suppressed {
			suppressed = append(suppressed, s.Code)
			if s.Reason != "r" || s.Source != "f.yaml:1" {
				t.Errorf("%s: suppressed for %q at %q", c.text, s.Reason, s.Source)
			}
		}
		for _, s := range rep.Suppressions {
			if !s.Expired {
				matched += s.Matched
			} else if s.Matched != 1 {
				t.Errorf("%s: an expired one would match %d", c.text, s.Matched)
			}
		}
		slices.Sort(suppressed)
		want := strings.Fields(c.suppressed)
		slices.Sort(want)
		if got := strings.Join(findings, " "); got != c.findings {
			t.Errorf("%s:\n got %s\nwant %s", c.text, got, c.findings)
		}
		if !slices.Equal(suppressed, want) || matched != len(want) {
			t.Errorf("%s: suppressed %s, matched %d; want %s", c.text, suppressed, matched, want)
		}
	}
}

func TestAtOrAbove(t *testing.T) {
	for level, want := range map[analysis.Severity]int{analysis.Note: 4, analysis.Warning: 3, analysis.Error: 1} {
		if got := AtOrAbove(sample(), level); got != want {
			t.Errorf("%s: %d findings, want %d", level, got, want)
		}
	}
}

func TestOff(t *testing.T) {
	for _, c := range []struct {
		text, off string
	}{
		{"", ""},
		{"severities: {tail: off, heap/x: off, limits: off}", "limits tail"},
		{"preset: batch", "saturated"},
		{"preset: batch\nseverities: {saturated: note, heap: off}", "heap"},
	} {
		conf := parse(t, c.text)
		var got []string
		for _, a := range small {
			if conf.Off(a) {
				got = append(got, a.Name)
			}
		}
		if strings.Join(got, " ") != c.off {
			t.Errorf("%s: off are %s, want %s", c.text, got, c.off)
		}
	}
}

// TestFinders: who may have findings is known, whatever they say of a trace.
func TestFinders(t *testing.T) {
	known := finders(passes.All())
	for _, name := range []string{"mixed-go126", "lock-5ms", "gc-assist", "spin-30ms", "stw-kinds"} {
		for _, f := range analysistest.Report(t, analysistest.Testdata(t, name), passes.All()...).Findings() {
			if !slices.Contains(known, checkOf(f.Code)) {
				t.Errorf("%s: %s has findings, but is no check", name, f.Code)
			}
		}
	}
}

// TestSchema: the committed schema is that of the catalogue, and agrees with the
// parser.
func TestSchema(t *testing.T) {
	path := filepath.Join(corpus.Root(t), "tracelens.schema.json")
	got, err := Schema(passes.All())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("tracelens.schema.json is not that of the catalogue (-file +now; -update rewrites it):\n%s", diff)
	}

	ofSmall, err := Schema(small)
	if err != nil {
		t.Fatal(err)
	}
	schema := compile(t, ofSmall)
	for text, want := range map[string]bool{
		"":                true,
		"preset: strict":  true,
		"preset: sloppy":  false,
		"presets: strict": false,
		"thresholds: {tail.p99: 5ms, tail.n: 10, share.gc: 5%, share.mmu: 0.7, heap.growth: 64MiB, heap.rate: 100/s}": true,
		"thresholds: {tail.p99: {note: 1ms, error: never}}":                                                           true,
		"thresholds: {tail.p99: {warn: 1ms}}":                                                                         false,
		"thresholds: {tail.p99: 5}":                                                                                   false,
		"thresholds: {tail.p99: 0}":                                                                                   true,
		"thresholds: {tail.p99: 5%}":                                                                                  false,
		"thresholds: {share.gc: 5ms}":                                                                                 false,
		"thresholds: {other.p99: 5ms}":                                                                                false,
		"severities: {tail: off, limits/gc: error}":                                                                   true,
		"severities: {tail: info}":                                                                                    false,
		"severities: {gc: off}":                                                                                       false,
		"severities: {tail/x: info}":                                                                                  false,
		"suppressions: [{code: tail, reason: why, expires: '2027-01-31'}]":                                            true,
		"suppressions: [{code: tail}]":                                                                                false,
		"suppressions: [{reason: why}]":                                                                               false,
		"suppressions: [{file: a, function: b, reason: why}]":                                                         true,
		"suppressions: [{file: a, func: b, reason: why}]":                                                             false,
		"suppressions: [{code: tail, reason: why, expires: '31 Jan 2027'}]":                                           false,
	} {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		err := schema.Validate(v)
		if (err == nil) != want {
			t.Errorf("%q by the schema: %v", text, err)
		}
		if _, err := Parse("f.yaml", []byte(text), small); (err == nil) != want {
			t.Errorf("%q by the parser: %v", text, err)
		}
	}
}

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestREADME: the configurations that the README shows are right.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corpus.Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?ms)^```yaml\n(# yaml-language-server: \\$schema="+regexp.QuoteMeta(SchemaURL)+"\n.*?)^```\n").FindAllSubmatch(text, -1)
	if len(shown) == 0 {
		t.Error("the README shows no configuration")
	}
	for _, m := range shown {
		if _, err := Parse("README", m[1], passes.All()); err != nil {
			t.Errorf("%s\n%v", m[1], err)
		}
	}
}

// TestBatch: the table of the preset names checks there are.
func TestBatch(t *testing.T) {
	if len(passes.Checks()) < 40 {
		t.Skipf("there are only %d checks", len(passes.Checks()))
	}
	interactive := 0
	for _, a := range passes.Checks() {
		if a.Interactive {
			interactive++
		}
	}
	if interactive < 8 {
		t.Errorf("preset batch switches %d checks off", interactive)
	}
}

// FuzzParse: any bytes give a configuration or errors with lines that are there, and
// a configuration can be applied.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "preset: strict", "thresholds: {tail.p99: {note: 1ms, error: never}, share.mmu: 5%}\nseverities: {tail: off}",
		"suppressions:\n- {code: 't*', function: 'a(*b)?', file: '**/x/*.go', reason: |\n    why\n  , expires: 2027-01-31}", "a: &a [*a]", "? {a: b}\n: c", "%YAML 1.2\n---\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.yaml", data, small)
		if err != nil {
			var es Errors
			if !errors.As(err, &es) || len(es) == 0 {
				t.Fatalf("%v is not Errors", err)
			}
			for _, e := range es {
				if e.Line < 0 || e.Line > bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte("\r"))+bytes.Count(data, []byte("\u2028"))+bytes.Count(data, []byte("\u2029"))+bytes.Count(data, []byte("\u0085"))+2 {
					t.Errorf("%q: an error in line %d: %v", data, e.Line, e)
				}
			}
			return
		}
		rep := sample()
		c.Apply(rep, time.Unix(0, 0))
		c.Levels(small)
		for _, a := range small {
			c.Off(a)
			for _, t := range c.Thresholds(a) {
				t.Describe()
			}
		}
		if _, err := json.Marshal(rep); err != nil {
			t.Error(err)
		}
	})
}
