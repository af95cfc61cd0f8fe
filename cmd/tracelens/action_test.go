package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/internal/corpus"
)

// TestAction runs the step of the GitHub action that audits.
func TestAction(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	root := corpus.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	step := func(name string) string {
		m := regexp.MustCompile(`(?s)- name: ` + name + `\n.*?run: (\|\n(.*?)\n    - name|([^\n]*))`).FindStringSubmatch(string(text))
		if m == nil {
			t.Fatalf("no step %s", name)
		}
		return regexp.MustCompile(`(?m)^        `).ReplaceAllString(m[2]+m[3], "")
	}
	for _, c := range []struct {
		traces, failOn, want string
	}{
		{"idle.trace", "", "0"},
		{"stw-straggler.trace idle.trace", "error", "1"},
		{"none.trace", "", "3"},
	} {
		temp := t.TempDir()
		out, summary := filepath.Join(temp, "out"), filepath.Join(temp, "summary")
		cmd := exec.Command(bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", step("Audit"))
		cmd.Dir = filepath.Join(root, "testdata", "traces")
		cmd.Env = append(os.Environ(), "RUNNER_TEMP="+temp, "GITHUB_OUTPUT="+out, "GITHUB_STEP_SUMMARY="+summary, "TRACES="+c.traces, "CONFIG=", "BASELINE=", "FAIL_ON="+c.failOn)
		said, err := cmd.CombinedOutput()
		if (err != nil) != (c.want == "3") {
			t.Errorf("%s: %v\n%s", c.traces, err, said)
		}
		got, err := os.ReadFile(out)
		if err != nil || !strings.HasPrefix(string(got), "code="+c.want+"\n") {
			t.Errorf("%s: output %q, %v; want code %s\n%s", c.traces, got, err, c.want, said)
		}
		if c.want == "3" {
			continue
		}
		if md, err := os.ReadFile(summary); err != nil || !strings.HasPrefix(string(md), "### tracelens: audit\n") {
			t.Errorf("%s: the summary is %.100q, %v", c.traces, md, err)
		}
		verdict := exec.Command(bash, "-eo", "pipefail", "-c", step("Verdict"))
		verdict.Env = append(os.Environ(), "CODE="+c.want)
		verdict.Run()
		if code := verdict.ProcessState.ExitCode(); strings.TrimSpace(c.want) != string(rune('0'+code)) {
			t.Errorf("%s: the verdict is exit code %d", c.traces, code)
		}
	}
}
