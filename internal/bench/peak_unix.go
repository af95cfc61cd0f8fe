//go:build unix

package bench

import (
	"os"
	"runtime"
	"syscall"
)

// PeakMB is the largest resident set of a process that has ended, in MB.
func PeakMB(s *os.ProcessState) float64 {
	rss := float64(s.SysUsage().(*syscall.Rusage).Maxrss)
	if runtime.GOOS != "darwin" {
		rss *= 1024
	}
	return rss / 1e6
}
