//go:build unix

package parse_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/internal/bench"
)

// cpu is the CPU time of this process so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkJobs compares, in alternation, a whole report with one job and with two:
// x-faster is by how much two are faster, x-CPU what they cost beside one, and serial the
// part of the time of one job that two do not share (Amdahl): 2/x-faster - 1.
func BenchmarkJobs(b *testing.B) {
	for _, load := range bench.Loads {
		data := bench.Trace(b, load, *megabytes)
		b.Run(load, func(b *testing.B) {
			var wall, used [3]time.Duration
			for b.Loop() {
				for jobs := 1; jobs <= 2; jobs++ {
					began, before := time.Now(), cpu(b)
					if _, err := analyze(data, jobs); err != nil {
						b.Fatal(err)
					}
					wall[jobs] += time.Since(began)
					used[jobs] += cpu(b) - before
				}
			}
			faster := float64(wall[1]) / float64(wall[2])
			b.ReportMetric(faster, "x-faster")
			b.ReportMetric(float64(used[2])/float64(used[1]), "x-CPU")
			b.ReportMetric(2/faster-1, "serial")
		})
	}
}

// BenchmarkSmall compares, in alternation, what an audit makes of traces of up to 32 KB
// with a bare drain of them by the reference reader: x-drain-CPU is its CPU time beside
// that.
func BenchmarkSmall(b *testing.B) {
	paths, err := filepath.Glob(testdata + "/*.trace")
	if err != nil {
		b.Fatal(err)
	}
	var traces [][]byte
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		if header := []byte("go 1.2"); len(data) <= 32<<10 && bytes.HasPrefix(data, header) && data[len(header)] >= '2' {
			traces = append(traces, data)
		}
	}
	all := passes.All()
	var drain, audit time.Duration
	for b.Loop() {
		began := cpu(b)
		for _, data := range traces {
			if _, err := steps[0].run(data); err != io.EOF {
				b.Fatal(err)
			}
		}
		drained := cpu(b)
		for _, data := range traces {
			if _, err := analysis.Analyze(context.Background(), bytes.NewReader(data), "", analysis.Options{Jobs: 1, Brief: true, Bare: true}, all); err != nil {
				b.Fatal(err)
			}
		}
		drain += drained - began
		audit += cpu(b) - drained
	}
	b.ReportMetric(float64(len(traces)), "traces")
	b.ReportMetric(float64(audit)/float64(drain), "x-drain-CPU")
}
