// Package bench makes the traces that benchmarks read, and measures what a
// benchmark cannot see of itself.
package bench

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
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

// PeakMB is the largest resident set that this process had, in MB; 0 where the system
// does not tell. (What wait4 tells of a child begins with its parent's.)
func PeakMB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	var kb float64
	if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
		fmt.Sscan(after, &kb)
	}
	return kb * 1024 / 1e6
}

// Table makes the README's table from the output of the benchmarks: of several runs
// the medians count.
func Table(output string) (string, error) {
	type key struct{ load, step, unit string }
	values := make(map[key][]float64)
	var cpu string
	lines := bufio.NewScanner(strings.NewReader(output))
	for lines.Scan() {
		if c, ok := strings.CutPrefix(lines.Text(), "cpu: "); ok {
			cpu = c
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.Split(fields[0][:strings.LastIndexByte(fields[0], '-')], "/")
		step := "decode"
		if len(name) == 3 {
			step = name[2]
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return "", fmt.Errorf("%s: %w", fields[0], err)
			}
			k := key{name[1], step, fields[i+1]}
			values[k] = append(values[k], v)
		}
	}
	var missing error
	median := func(load, step, unit string) float64 {
		v := slices.Sorted(slices.Values(values[key{load, step, unit}]))
		if len(v) == 0 {
			missing = fmt.Errorf("no %s of %s/%s", unit, load, step)
			return 0
		}
		return v[len(v)/2]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Million events per second, and times the reference drain, on two cores of an %s:\n\n", cpu)
	b.WriteString("| trace | reference drain | decode | + order | + spans | analyze, 1 core | analyze | its peak memory |\n|---|---|---|---|---|---|---|---|\n")
	for _, load := range Loads {
		rate := func(step string) float64 { return median(load, step, "events/s") / 1e6 }
		fmt.Fprintf(&b, "| %s | %.1f | %.0f |", load, rate("reference"), rate("decode"))
		for _, step := range []string{"order", "spans", "analyze-jobs1", "analyze"} {
			fmt.Fprintf(&b, " %.1f (%.1f ×) |", rate(step), median(load, step, "x-drain"))
		}
		fmt.Fprintf(&b, " %.0f MB |\n", median(load, "analyze", "peak-MB"))
	}
	return b.String(), missing
}
