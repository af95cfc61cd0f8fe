package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// What is longer than the terminal goes to the pager whole, other text and what has no
// pager to the terminal.
func TestPager(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the pager of the test is a command of a POSIX shell")
	}
	file := filepath.Join(t.TempDir(), "it's paged")
	text := strings.Repeat("a line\n", 40)
	for _, c := range []struct {
		pager string
		lines int
		paged bool
	}{
		{`tee "` + file + `"`, 40, true},
		{`tee "` + file + `"`, 41, false},
		{"cat", 10, false},
		{"/no/such/pager -x", 10, false},
		{" ", 10, false},
	} {
		t.Setenv("PAGER", c.pager)
		var out strings.Builder
		if err := paged(&checked{Writer: &out}, []byte(text), c.lines); err != nil || out.String() != text {
			t.Errorf("%q, %d lines: %v, %q", c.pager, c.lines, err, out.String())
		}
		b, err := os.ReadFile(file)
		if got := err == nil; got != c.paged || got && string(b) != text {
			t.Errorf("%q, %d lines: paged is %t: %q", c.pager, c.lines, got, b)
		}
		os.Remove(file)
	}
}
