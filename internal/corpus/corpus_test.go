package corpus

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("the corpus is left out in short mode")
	}
	dir := t.TempDir()
	t.Setenv(Variable, dir)
	trace := filepath.Join(dir, "group", "name.trace")
	if err := os.Mkdir(filepath.Dir(trace), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(trace, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := Trace(t, "group/name"); got != trace {
		t.Errorf("Trace: %s, want %s", got, trace)
	}
	if got := Files(t, "*/*.trace"); len(got) != 1 || got[0] != trace {
		t.Errorf("Files: %q, want %s", got, trace)
	}
	t.Run("missing", func(t *testing.T) {
		defer func() {
			if !t.Skipped() {
				t.Error("a test of a trace that is missing is not skipped")
			}
		}()
		Trace(t, "group/other")
	})
}
