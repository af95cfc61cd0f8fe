package passes

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// TestFirings is the review of all checks: what they find in every trace, one line
// each, as the report orders it, symptoms in brackets. Read every change of it
// against what is planted in the trace.
func TestFirings(t *testing.T) {
	for _, c := range []struct {
		golden string
		traces func(testing.TB) []string
	}{
		{"firings.txt", corpus.Own},
		{"firings-corpus.txt", func(t testing.TB) []string { return corpus.Files(t, "*/*.trace") }},
	} {
		t.Run(c.golden, func(t *testing.T) {
			paths := c.traces(t)
			var lines []string
			for _, path := range paths {
				name := strings.TrimSuffix(filepath.Base(path), ".trace")
				if c.golden != "firings.txt" {
					name = filepath.Base(filepath.Dir(path)) + "/" + name
				}
				if line := firings(t, path); line != "" {
					lines = append(lines, name+":"+line)
				}
			}
			golden := filepath.Join("testdata", c.golden)
			got := strings.Join(lines, "\n") + "\n"
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
			for _, line := range lines {
				if !slices.Contains(want, line) {
					t.Errorf("new:  %s", line)
				}
			}
			for _, line := range want {
				if !slices.Contains(lines, line) {
					t.Errorf("gone: %s", line)
				}
			}
		})
	}
}

// firings are the findings of one trace, "" for a file that is none.
func firings(t *testing.T, path string) (line string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rep, err := analysis.Analyze(context.Background(), f, filepath.Base(path), analysis.Options{}, All())
	if err != nil {
		return ""
	}
	for _, r := range rep.Results {
		if r.Check && (r.Outcome == analysis.Failed || r.Outcome != analysis.Found && len(r.Summary) == 0 && r.Reason == "") {
			t.Errorf("%s: %s is %s %s and says nothing", path, r.Name, r.Outcome, r.Reason)
		}
		for _, f := range r.Findings {
			if r.Check && (len(f.Evidence) > 10 || f.Advice == "" || f.Summary == "" || f.Confidence == "") {
				t.Errorf("%s: %s lacks advice, summary or confidence, or has more than 10 rows of evidence", path, f.Code)
			}
			for _, e := range f.Evidence {
				if e.P != nil && *e.P < 0 || e.G != nil && *e.G < 0 {
					t.Errorf("%s: %s has an evidence on no P or of no goroutine: %+v", path, f.Code, e)
				}
			}
		}
	}
	for _, f := range rep.Findings() {
		line += fmt.Sprintf(" %s %s", f.Code, f.Severity)
		var symptoms []string
		for _, s := range f.Symptoms {
			symptoms = append(symptoms, fmt.Sprintf("%s %s", s.Code, s.Severity))
		}
		if len(symptoms) > 0 {
			line += " [" + strings.Join(symptoms, ", ") + "]"
		}
		line += ";"
	}
	if line == "" {
		return " clear"
	}
	return strings.TrimSuffix(line, ";")
}

// TestPlanted: what a program was written to do wrong is among the first three
// findings, or what one of them explains, and the function is named.
func TestPlantedTestdata(t *testing.T) {
	for trace, want := range map[string]struct{ code, names string }{
		"chatty-syscalls":       {"chatty-syscalls", "main.readByte"},
		"stw-straggler":         {"stw-straggler", "main.loopWithoutCalls"},
		"heap-growth":           {"live-heap-growth", "main.leakBlock"},
		"memory-limit":          {"memory-limit-thrash", "main.allocateNodes"},
		"mark-starves":          {"mark-starves-users", "main.serveShort"},
		"oversubscribed":        {"oversubscribed-host", "main.burnShare"},
		"migration":             {"migration-churn", "main.passTokens"},
		"lockosthread-pingpong": {"locked-thread-penalty", "main.pingOnLockedThread"},
		"mutex-starvation":      {"mutex-starvation", "main.holdStarvingLock5ms"},
		"lock-5ms":              {"lock-convoy", "main.holdLock5ms"},
		"gc-assist":             {"assist-heavy", "main.allocateNodes"},
		"gc-sweep":              {"sweep-on-allocation", "main.replaceObjects"},
		"steal-bursts":          {"single-producer-steal", "main.spawnBurst"},
		"stw-kinds":             {"stw-by-tooling", "main.changeGOMAXPROCS"},
		"syscall-handoff":       {"blocking-p-handoffs", "main.nanosleep3ms"},
		"straggler":             {"straggler", "main.querySlowShard40ms"},
		"pool-too-small":        {"lock-convoy/pool", "main.takeConnection"},
		"thundering-herd":       {"thundering-herd", "main.wakeAllForOne"},
	} {
		t.Run(trace, func(t *testing.T) {
			all := analysistest.Report(t, analysistest.Testdata(t, trace), All()...).Findings()
			var codes []string
			for _, first := range all[:min(3, len(all))] {
				for _, f := range append([]analysis.Finding{*first}, first.Symptoms...) {
					codes = append(codes, f.Code)
					if f.Code != want.code {
						continue
					}
					text := f.Summary
					for _, e := range f.Evidence {
						text += "\n" + e.Func + " " + e.Note
						for _, frame := range e.Stack {
							text += " " + frame.Func
						}
					}
					if !strings.Contains(text, want.names) {
						t.Errorf("%s does not name %s: %s", f.Code, want.names, text)
					}
					return
				}
			}
			t.Errorf("%s is not among %v", want.code, codes)
		})
	}
}
