package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSite: the site is made, every page there is has one, no link is dead, and the same
// twice.
func TestSite(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	tool := filepath.Join(t.TempDir(), "tracelens")
	if out, err := exec.Command("go", "build", "-o", tool, "../../cmd/tracelens").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		if err := generate("../..", dir, tool); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"index.html": "<h1 id=\"tracelens\">tracelens</h1>", "commands.html": "<h2 id=\"tracelens-analyze\">", "reference.html": `<a href="checks/lock-convoy.html">lock-convoy</a>`,
		"checks/lock-convoy.html": "<title>lock-convoy: ", "measures/stw.html": "<title>stw: ", "metrics.html": "<code>sched.latency.user.p99</code>", "figures.html": "<code>timeline.lanes</code>",
		"stability.html": "<h1", "changelog.html": `<a href="stability.html">`, "style.css": "main{", "pictures/timeline.spans.png": "PNG",
	} {
		a, err := os.ReadFile(filepath.Join(first, filepath.FromSlash(name)))
		if err != nil || !strings.Contains(string(a), want) {
			t.Errorf("%s: no %s, %v", name, want, err)
		}
		if b, err := os.ReadFile(filepath.Join(second, filepath.FromSlash(name))); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is not the same twice", name)
		}
	}
}

// TestDeadLinks: the check can fail.
func TestDeadLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, body := range map[string]string{
		"a.html": `<a href="b.html#there">x</a><a href="#here"><h1 id="here"></h1><img src="p.png"><a href="https://go.dev/none">`, "b.html": `<p id="there">`, "p.png": "",
		"c.html": `<a href="none.html"><a href="b.html#none"><img src="none.png">`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if wrong := deadLinks(dir); len(wrong) != 3 {
		t.Errorf("%v, want the three of c.html", wrong)
	}
	s := &site{root: dir, out: t.TempDir(), pages: map[string]string{"docs/B.md": "b.html"}}
	for to, want := range map[string]string{"B.md#x": "b.html#x", "../a.html": repository + "a.html", "https://go.dev": "https://go.dev", "#here": "#here"} {
		if got := s.link("a.html", "docs/A.md", to); got != want {
			t.Errorf("%s becomes %s, want %s", to, got, want)
		}
	}
	if len(s.wrong) > 0 {
		t.Error(s.wrong)
	}
	if s.link("a.html", "docs/A.md", "none.md"); len(s.wrong) != 1 {
		t.Error("a link that leads nowhere is no fault")
	}
}
