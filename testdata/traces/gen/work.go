package main

import (
	"os"
	"syscall"
	"time"
	"unsafe"
)

// spin holds no call, so the compiler leaves no point for a cooperative preemption.
//
//go:noinline
func spin(iterations int) (x uint64) {
	for i := 0; i < iterations; i++ {
		x = x*6364136223846793005 + 1442695040888963407
		x ^= x >> 29
	}
	return x
}

// calibrate returns how many iterations of spin take d on an undisturbed CPU.
func calibrate(d time.Duration) int {
	const try = 1 << 20
	best := time.Duration(1 << 62)
	for i := 0; i < 10; i++ {
		start := time.Now()
		spin(try)
		best = min(best, time.Since(start))
	}
	return int(int64(try) * int64(d) / int64(best))
}

// compute burns d of wall time, preemptible at any moment.
func compute(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
		spin(500)
	}
}

// monotonic reads the clock without a preemption point: time.Now has a
// prologue, RawSyscall is nosplit and its assembly no safe point.
//
//go:nosplit
func monotonic() int64 {
	const clockMonotonic = 1
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

const smallFileSize = 4096

// openSmallFile returns the descriptor of a file of smallFileSize bytes which
// disappears with the process.
func openSmallFile() int {
	f, err := os.CreateTemp("", "tracegen")
	check(err)
	check(os.Remove(f.Name()))
	_, err = f.Write(make([]byte, smallFileSize))
	check(err)
	fd, err := syscall.Dup(int(f.Fd()))
	check(err)
	check(f.Close())
	return fd
}

// readSmallFile makes exactly one system call.
//
//go:noinline
func readSmallFile(fd int, buf []byte) {
	n, err := syscall.Pread(fd, buf, 0)
	check(err)
	if n != smallFileSize {
		panic("short read of a small file")
	}
}

// check panics: a workload that fails has no truth to tell.
func check(err error) {
	if err != nil {
		panic(err)
	}
}
