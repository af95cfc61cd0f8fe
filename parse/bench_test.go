package parse_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/exp/trace"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/internal/bench"
	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/internal/wire"
	"github.com/tracelens/tracelens/parse/tracetest"
)

var megabytes = flag.String("mb", "10", "size of the traces of BenchmarkReport in `MB`")

// steps are what BenchmarkReport compares: each reads a trace of Go 1.26 and returns
// the number of its events.
var steps = []struct {
	name string
	run  func(data []byte) (int64, error)
}{
	{"reference", func(data []byte) (events int64, err error) {
		r, err := trace.NewReader(bytes.NewReader(data))
		if err != nil {
			return 0, err
		}
		for ; err == nil; events++ {
			_, err = r.ReadEvent()
		}
		return events, err
	}},
	{"order", func(data []byte) (events int64, err error) {
		r, err := wire.NewReader(bufio.NewReader(bytes.NewReader(data)), 26, parse.NewTables())
		if err != nil {
			return 0, err
		}
		buf := make([]wire.Event, 4096)
		for n := 0; err == nil; events += int64(n) {
			n, err = r.Read(buf)
		}
		return events, err
	}},
	{"spans", func(data []byte) (int64, error) {
		tr, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, func(*parse.Event) {})
		if err != nil {
			return 0, err
		}
		return tr.Events, nil
	}},
	{"analyze-jobs1", func(data []byte) (int64, error) { return analyze(data, 1) }},
	{"analyze", func(data []byte) (int64, error) { return analyze(data, 0) }},
}

func analyze(data []byte, jobs int) (int64, error) {
	rep, err := analysis.Analyze(context.Background(), bytes.NewReader(data), "", analysis.Options{Jobs: jobs}, passes.All())
	if err != nil {
		return 0, err
	}
	return rep.Trace.Events, nil
}

// BenchmarkReport compares, in one run, a bare drain of the reference reader with
// decoding and ordering, the tracker's events, and a whole report on one core and on
// all. All but the last run on one. x-drain is the speed relative to the drain,
// peak-MB the largest resident set of a process that does it once.
func BenchmarkReport(b *testing.B) {
	for _, load := range bench.Loads {
		data := bench.Trace(b, load, *megabytes)
		var drain float64 // seconds
		for _, step := range steps {
			b.Run(load+"/"+step.name, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				if step.name != "analyze" {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
				}
				var events int64
				for b.Loop() {
					var err error
					if events, err = step.run(data); err != nil && err != io.EOF {
						b.Fatal(err)
					}
				}
				took := b.Elapsed().Seconds() / float64(b.N)
				if step.name == "reference" {
					drain = took
				}
				b.ReportMetric(float64(events)/took, "events/s")
				if drain > 0 {
					b.ReportMetric(drain/took, "x-drain")
				}
				b.ReportMetric(peak(b, load, step.name, len(data)), "peak-MB")
			})
		}
	}
}

// BenchmarkKeys has the peak memory and the speed of a whole report on traces with very
// many tasks, regions, goroutines and the like, beside those of a bare drain of the
// reference reader.
func BenchmarkKeys(b *testing.B) {
	for _, kind := range tracetest.KeyKinds {
		for _, n := range []int{10_000, 100_000, 1_000_000} {
			data := tracetest.Keys(kind, n)
			file := filepath.Join(b.TempDir(), "keys.trace")
			if err := os.WriteFile(file, data, 0o666); err != nil {
				b.Fatal(err)
			}
			for _, step := range steps {
				if step.name != "reference" && step.name != "analyze" {
					continue
				}
				b.Run(fmt.Sprintf("%s/%d/%s", kind, n, step.name), func(b *testing.B) {
					for b.Loop() {
						if _, err := step.run(data); err != nil && err != io.EOF {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(len(data))/1e6, "trace-MB")
					b.ReportMetric(peak(b, file, step.name, len(data)), "peak-MB")
				})
			}
		}
	}
}

// peak runs a step once in a process of its own and returns its largest resident
// set in MB, less the trace itself, which that process holds in memory.
func peak(b *testing.B, load, step string, size int) float64 {
	cmd := exec.Command(os.Args[0], "-test.run=^TestStep$", "-test.v", "-mb="+*megabytes)
	cmd.Env = append(os.Environ(), "TRACELENS_BENCH_STEP="+load+"/"+step)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	_, after, _ := strings.Cut(string(out), "peak MB: ")
	var mb float64
	if _, err := fmt.Sscan(after, &mb); err != nil {
		b.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return max(0, mb-float64(size)/1e6)
}

// TestStep is the process of peak.
func TestStep(t *testing.T) {
	asked := os.Getenv("TRACELENS_BENCH_STEP")
	at := strings.LastIndexByte(asked, '/')
	load, name := asked[:max(at, 0)], asked[at+1:]
	if at < 0 {
		t.Skip("for BenchmarkReport only")
	}
	var data []byte
	if filepath.IsAbs(load) {
		var err error
		if data, err = os.ReadFile(load); err != nil {
			t.Fatal(err)
		}
	} else {
		data = bench.Trace(t, load, *megabytes)
	}
	for _, step := range steps {
		if step.name == name {
			if _, err := step.run(data); err != nil && err != io.EOF {
				t.Fatal(err)
			}
			t.Logf("peak MB: %f", bench.PeakMB())
			return
		}
	}
	t.Fatalf("no step %q", name)
}
