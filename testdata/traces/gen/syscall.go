package main

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	workloads["syscall-handoff"] = workload{program: "syscall.go", procs: 2, prepare: prepareSyscall}
	workloads["chatty-syscalls"] = workload{program: "syscall.go", procs: 2, prepare: prepareChatty}
}

// prepareSyscall blocks threads in the kernel while another goroutine wants
// every P, so sysmon takes the Ps away. Each function makes exactly one system
// call per call; the traced ones are those through syscall.Syscall.
func prepareSyscall(t *truth) func() {
	const (
		sleepers  = 2
		naps      = 15
		pipeReads = 20
		fileReads = 2000
	)
	t.plant("syscall-block", "main.nanosleep3ms", map[string]any{"calls": sleepers * naps, "ns": int(3 * time.Millisecond)})
	t.plant("syscall-block", "main.readBlockingPipe", map[string]any{"calls": pipeReads, "ns_about": int(3 * time.Millisecond)})
	t.plant("syscall-short", "main.readSmallFile", map[string]any{"calls": fileReads, "bytes": smallFileSize})
	fd := openSmallFile()
	var pipe [2]int
	check(syscall.Pipe(pipe[:]))

	return func() {
		sleeps, reads := &durations{}, &durations{}
		var stop atomic.Bool
		var blocked, all sync.WaitGroup
		all.Add(1)
		go computeUntil(&stop, &all)
		blocked.Add(sleepers + 2)
		for i := 0; i < sleepers; i++ {
			go sleepInKernel(naps, sleeps, &blocked)
		}
		go readPipe(pipe[0], pipeReads, reads, &blocked)
		go feedPipe(pipe[1], pipeReads, &blocked)
		blocked.Wait()
		stop.Store(true)
		all.Add(1)
		go readFiles(fd, fileReads, &all)
		all.Wait()

		t.Measured["goroutines_created"] = sleepers + 4
		t.Measured["syscalls"] = map[string]int{
			"main.nanosleep3ms":     sleepers * naps,
			"main.readBlockingPipe": pipeReads,
			"main.writePipe":        pipeReads,
			"main.readSmallFile":    fileReads,
		}
		t.Measured["nanosleep"] = sleeps
		t.Measured["pipe_read"] = reads
	}
}

func computeUntil(stop *atomic.Bool, wg *sync.WaitGroup) {
	defer wg.Done()
	for !stop.Load() {
		spin(500)
	}
}

func sleepInKernel(n int, sleeps *durations, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; i < n; i++ {
		start := time.Now()
		nanosleep3ms()
		sleeps.add(time.Since(start))
	}
}

func readPipe(fd, n int, reads *durations, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; i < n; i++ {
		start := time.Now()
		readBlockingPipe(fd)
		reads.add(time.Since(start))
	}
}

func feedPipe(fd, n int, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; i < n; i++ {
		time.Sleep(3 * time.Millisecond)
		writePipe(fd)
	}
}

//go:noinline
func nanosleep3ms() {
	ts := syscall.NsecToTimespec(int64(3 * time.Millisecond))
	if err := syscall.Nanosleep(&ts, nil); err != syscall.EINTR {
		check(err)
	}
}

//go:noinline
func readBlockingPipe(fd int) {
	var b [1]byte
	_, err := syscall.Read(fd, b[:])
	check(err)
}

//go:noinline
func writePipe(fd int) {
	_, err := syscall.Write(fd, []byte{1})
	check(err)
}

// prepareChatty reads a file byte by byte, one system call each, some bytes at a time.
func prepareChatty(t *truth) func() {
	const bursts, each = 20, 500
	t.plant("chatty-syscalls", "main.readByte", map[string]any{"calls": bursts * each, "bytes": 1})
	fd := openSmallFile()
	return func() {
		sum := 0
		for i := 0; i < bursts; i++ {
			for k := 0; k < each; k++ {
				sum += int(readByte(fd, int64(k)))
				spin(500)
			}
			time.Sleep(3 * time.Millisecond)
		}
		if sum != 0 {
			panic("the small file holds zeros only")
		}
		t.Measured["goroutines_created"] = 0
		t.Measured["syscalls"] = map[string]int{"main.readByte": bursts * each}
	}
}

//go:noinline
func readByte(fd int, offset int64) byte {
	var b [1]byte
	n, err := syscall.Pread(fd, b[:], offset)
	check(err)
	if n != 1 {
		panic("no byte in a small file")
	}
	return b[0]
}
