package parse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestStress compares package wire with the reference reader, event by event, over
// traces of random programs (stress in testdata/traces/gen), for as long as
// TRACELENS_STRESS says (3 s) and with the toolchains that TRACELENS_TOOLCHAINS
// lists (the current one).
func TestStress(t *testing.T) {
	if testing.Short() {
		t.Skip("runs programs for 3 s")
	}
	length := 3 * time.Second
	if s := os.Getenv("TRACELENS_STRESS"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	toolchains := strings.Fields(os.Getenv("TRACELENS_TOOLCHAINS"))
	if len(toolchains) == 0 {
		toolchains = []string{"local"}
	}
	dir := t.TempDir()
	for _, toolchain := range toolchains {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, toolchain), ".")
		cmd.Dir = "../testdata/traces/gen"
		cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+toolchain, "GOWORK=off", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	seed := time.Now().UnixNano()
	var traces, bytes int
	for end := time.Now().Add(length); time.Now().Before(end) && !t.Failed(); traces++ {
		seed++
		toolchain := toolchains[traces%len(toolchains)]
		path := filepath.Join(dir, "stress.trace")
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, filepath.Join(dir, toolchain), "-o", path, "stress")
		cmd.Env = append(os.Environ(), fmt.Sprint("TRACEGEN_SEED=", seed), fmt.Sprint("GODEBUG=traceadvanceperiod=", 1+rand.IntN(300e6)))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %v\n%s", toolchain, cmd, err, out)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bytes += len(data)
		version, err := headerVersion(data)
		if err != nil {
			t.Fatal(err)
		}
		if !readable(data) {
			t.Errorf("%s, seed %d: the reference reader does not read the trace", toolchain, seed)
		}
		if compareReaders(t, fmt.Sprintf("%s, seed %d", toolchain, seed), data, version); t.Failed() {
			if kept := filepath.Join(os.TempDir(), "stress-"+toolchain+".trace"); os.WriteFile(kept, data, 0o644) == nil {
				t.Logf("the trace is kept in %s", kept)
			}
		}
	}
	t.Logf("%d traces, %.1f MB, by %v on %s", traces, float64(bytes)/1e6, toolchains, runtime.GOARCH)
}
