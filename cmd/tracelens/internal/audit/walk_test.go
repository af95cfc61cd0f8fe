package audit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWalkGlob: a glob reaches into folders, and a link that goes round ends.
func TestWalkGlob(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a/b/one.trace", "a/two.trace", "c/three.trace", "c/note.txt"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("..", filepath.Join(dir, "a", "up")); err != nil {
		t.Skip(err)
	}
	for pattern, want := range map[string]string{
		"**/*.trace":      "a/b/one.trace a/two.trace c/three.trace",
		"*/*.trace":       "a/two.trace c/three.trace",
		"{a,c}/t*.trace":  "a/two.trace c/three.trace",
		"a/[t]wo.trace":   "a/two.trace",
		"a/**/one.trace":  "a/b/one.trace",
		"nothing/*.trace": "nothing/*.trace", // as an input that cannot be read
	} {
		found, err := Walk([]string{filepath.Join(dir, filepath.FromSlash(pattern))}, nil, Choice{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, in := range found {
			rel, err := filepath.Rel(dir, in.Path)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, filepath.ToSlash(rel))
			if (in.Err != nil) != (rel == filepath.FromSlash(pattern)) {
				t.Errorf("%s: %s: %v", pattern, rel, in.Err)
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s finds %q, want %q", pattern, s, want)
		}
	}
}
