package main

import (
	"context"
	"os"
	"runtime/trace"
	"sync"
	"time"
)

func init() {
	workloads["mixed"] = workload{program: "mixed.go", procs: 4, prepare: prepareMixed}
}

// prepareMixed is a little of everything, so that the same program can be
// compared between toolchains and between numbers of Ps.
func prepareMixed(t *truth) func() {
	const (
		records  = 240
		workers  = 3
		reads    = 50
		messages = 20
		polls    = 20
		computes = 2
		garbage  = 640 // 10 MB: a few cycles at GOGC=100 and the least heap of 4 MB
	)
	t.plant("cpu-hot", "main.compute30ms", map[string]any{"calls": computes})
	t.plant("gc", "main.allocateGarbage", map[string]any{"bytes": garbage * garbageSize})
	fd := openSmallFile()
	pipeR, pipeW, err := os.Pipe()
	check(err)

	return func() {
		var wg sync.WaitGroup
		wg.Add(6 + workers + computes)
		parsed := make(chan int, 8)
		var tally recordTally
		go parseRecords(parsed, records, &wg)
		for i := 0; i < workers; i++ {
			go countRecords(parsed, &tally, &wg)
		}
		for i := 0; i < computes; i++ {
			go compute30ms(&wg)
		}
		go pollEvery2ms(polls, &wg)
		go readFiles(fd, reads, &wg)
		go sendMessages(pipeW, messages, &wg)
		go receiveMessages(pipeR, messages, &wg)
		go allocateGarbage(garbage, &wg)
		wg.Wait()

		t.Measured["goroutines_created"] = 6 + workers + computes
		t.Measured["records_counted"] = tally.n
		t.Measured["records_sum"] = tally.sum
		t.Measured["small_file_reads"] = reads
		t.Measured["pipe_messages"] = messages
		t.Measured["sleeps_2ms"] = polls
		t.Measured["tasks"] = map[string]int{"parse": 1}
		t.Measured["regions"] = map[string]int{"record": records}
		t.Measured["garbage_bytes"] = garbage * garbageSize
	}
}

type recordTally struct {
	mu     sync.Mutex
	n, sum int
}

func parseRecords(out chan<- int, n int, wg *sync.WaitGroup) {
	defer wg.Done()
	ctx, task := trace.NewTask(context.Background(), "parse")
	defer task.End()
	defer close(out)
	for i := 0; i < n; i++ {
		trace.WithRegion(ctx, "record", func() { spin(20000) })
		out <- i
	}
}

func countRecords(in <-chan int, tally *recordTally, wg *sync.WaitGroup) {
	defer wg.Done()
	for r := range in {
		spin(20000)
		tally.mu.Lock()
		tally.n++
		tally.sum += r
		tally.mu.Unlock()
	}
}

func compute30ms(wg *sync.WaitGroup) {
	defer wg.Done()
	compute(30 * time.Millisecond)
}

func pollEvery2ms(n int, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; i < n; i++ {
		time.Sleep(2 * time.Millisecond)
	}
}

func readFiles(fd, n int, wg *sync.WaitGroup) {
	defer wg.Done()
	buf := make([]byte, smallFileSize)
	for i := 0; i < n; i++ {
		readSmallFile(fd, buf)
	}
}

func sendMessages(w *os.File, n int, wg *sync.WaitGroup) {
	defer wg.Done()
	msg := make([]byte, 64)
	for i := 0; i < n; i++ {
		time.Sleep(time.Millisecond)
		_, err := w.Write(msg)
		check(err)
	}
	check(w.Close())
}

func receiveMessages(r *os.File, n int, wg *sync.WaitGroup) {
	defer wg.Done()
	msg := make([]byte, 64)
	for i := 0; i < n; i++ {
		_, err := r.Read(msg)
		check(err)
	}
	check(r.Close())
}

const garbageSize = 16 << 10

var garbageSink []byte

// N.B. no runtime.GC: up to Go 1.25 it fills the trace with tens of thousands
// of Gosched while it waits for the sweepers.
func allocateGarbage(n int, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; i < n; i++ {
		garbageSink = make([]byte, garbageSize)
		if i%16 == 15 {
			time.Sleep(time.Millisecond)
		}
	}
}
