// Tracegen runs one workload under the execution tracer and writes the trace
// and, beside it, what the workload knows about itself:
//
//	tracegen [-procs N] -o NAME.trace WORKLOAD
//
// NAME.json holds the truth; its shape is in ../README.md.
// The toolchain that builds tracegen decides the format of the trace.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/trace"
	"sort"
	"strings"
)

// A workload prepares itself outside the trace and returns what runs inside it.
type workload struct {
	program string
	procs   int
	prepare func(*truth) (run func())
	record  func(w io.Writer, run func()) error // nil: trace.Start … trace.Stop
}

// workloads is filled by the init functions: some need a newer Go than others.
var workloads = map[string]workload{}

func main() {
	procs := flag.Int("procs", 0, "GOMAXPROCS; 0 means the workload's own")
	out := flag.String("o", "", "trace `file` to write")
	flag.Usage = func() {
		names := make([]string, 0, len(workloads))
		for name := range workloads {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: tracegen [-procs N] -o NAME.trace WORKLOAD\nworkloads of %s: %s\n", runtime.Version(), strings.Join(names, " "))
	}
	flag.Parse()
	w, ok := workloads[flag.Arg(0)]
	if !ok || flag.NArg() != 1 || *out == "" {
		flag.Usage()
		os.Exit(2)
	}
	if *procs > 0 {
		w.procs = *procs
	}
	if err := generate(flag.Arg(0), w, *out); err != nil {
		fmt.Fprintln(os.Stderr, "tracegen:", err)
		os.Exit(1)
	}
}

func generate(name string, w workload, out string) error {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(w.procs)
	t := &truth{
		Program:    "gen/" + w.program,
		Command:    command(name, w.procs, filepath.Base(out)),
		Go:         runtime.Version(),
		GOMAXPROCS: w.procs,
		Measured:   map[string]any{},
	}
	run := w.prepare(t)
	if w.record == nil {
		w.record = recordTrace
	}

	samples := newSamples()
	runtime.GC() // brings the CPU classes up to date
	metrics.Read(samples)
	before := takeSnapshot(samples)
	if err := w.record(f, run); err != nil {
		return err
	}
	metrics.Read(samples)
	after := takeSnapshot(samples)
	runtime.GC()
	metrics.Read(samples)
	t.Metrics = compareSnapshots(before, after, takeSnapshot(samples))

	if err := f.Close(); err != nil {
		return err
	}
	return t.write(strings.TrimSuffix(out, ".trace") + ".json")
}

func recordTrace(w io.Writer, run func()) error {
	if err := trace.Start(w); err != nil {
		return err
	}
	run()
	trace.Stop()
	return nil
}

func command(name string, procs int, out string) string {
	env := "GOTOOLCHAIN=" + runtime.Version()
	if v := os.Getenv("GODEBUG"); v != "" {
		env += " GODEBUG=" + v
	}
	return fmt.Sprintf("%s go run -trimpath . -procs %d -o ../%s %s", env, procs, out, name)
}
