//go:build unix

package parse_test

import (
	"syscall"
	"testing"
	"time"

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
