// Package corpus finds the traces for tests: those of the repository, and those that are
// too large for it.
package corpus

import (
	"os"
	"path/filepath"
	"testing"
)

// Variable is the environment variable that names the folder of the corpus: a folder for
// each group of traces, with GROUP/NAME.trace and what is known of it beside. Without it
// the corpus is ../shared/corpus, seen from the module's root.
const Variable = "TRACELENS_CORPUS"

// Dir returns the folder of the corpus. It skips the test where there is none, and in
// short mode; a folder that Variable names must be there.
func Dir(t testing.TB) string {
	t.Helper()
	dir := find(t)
	if dir == "" {
		t.Skipf("no corpus of traces, or left out in short mode: %s may name its folder", Variable)
	}
	return dir
}

// find is Dir, and "" where that skips the test.
func find(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		return ""
	}
	dir, named := os.LookupEnv(Variable)
	if !named || dir == "" {
		dir, named = filepath.Join(Root(t), "..", "shared", "corpus"), false
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		if named {
			t.Fatalf("%s=%s is no folder", Variable, dir)
		}
		return ""
	}
	return dir
}

// Trace returns the path of one of its traces, such as "sched/idle". Like Dir it may
// skip the test; a trace that the corpus does not have skips it as well.
func Trace(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Dir(t), filepath.FromSlash(name)+".trace")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the corpus has no %s (see %s)", name, Variable)
	}
	return path
}

// Files returns the paths of its files that match a pattern, such as "*/*.trace". Like
// Dir it may skip the test; a pattern that matches nothing fails it.
func Files(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(Dir(t), filepath.FromSlash(pattern)))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s matches nothing in the corpus (%v)", pattern, err)
	}
	return paths
}

// Own returns the paths of the traces in the repository, at least one.
func Own(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(Root(t), "testdata", "traces", "*.trace"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no traces in testdata (%v)", err)
	}
	return paths
}

// More returns the paths of its files that match a pattern, for tests that have traces of
// their own: none where Dir would skip the test.
func More(t testing.TB, pattern string) []string {
	t.Helper()
	dir := find(t)
	if dir == "" {
		return nil
	}
	paths, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Root is the folder of the go.mod above the working directory, which is a package's.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("not inside a module")
		}
		dir = filepath.Dir(dir)
	}
}
