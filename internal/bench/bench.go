// Package bench makes the traces that benchmarks read, and measures what a
// benchmark cannot see of itself.
package bench

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Loads are the programs of package load that the benchmarks trace.
var Loads = []string{"channels", "http", "gc", "goroutines-50k", "generations"}

// Trace returns a trace of a load of about mb MB. It is made when it is first asked
// for, with this version of Go, and kept in the user's cache directory.
func Trace(tb testing.TB, load, mb string) []byte {
	tb.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(cache, "tracelens", "bench", load+"-"+mb+"MB-"+runtime.Version()+".trace")
	data, err := os.ReadFile(path)
	if err == nil {
		return data
	}
	if !errors.Is(err, os.ErrNotExist) {
		tb.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command("go", "run", "github.com/tracelens/tracelens/internal/bench/load", "-mb", mb, load)
	cmd.Stderr = os.Stderr
	if data, err = cmd.Output(); err != nil {
		tb.Fatalf("%v: %v", cmd, err)
	}
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		tb.Fatal(err)
	}
	return data
}
