package main

import (
	"bytes"
	"runtime/pprof"
	"sync"
	"time"
)

func init() {
	workloads["oversubscribed"] = workload{program: "crowding.go", procs: 8, prepare: prepareOversubscribed}
	workloads["migration"] = workload{program: "crowding.go", procs: 2, prepare: prepareMigration}
}

// prepareOversubscribed keeps more Ps busy than there are CPUs, with a CPU
// profile in the trace to tell.
func prepareOversubscribed(t *truth) func() {
	const burners, each = 8, 600 * time.Millisecond
	t.plant("oversubscribed-host", "main.burnShare", map[string]any{"goroutines": burners, "ns": int(each)})
	return func() {
		var profile bytes.Buffer
		check(pprof.StartCPUProfile(&profile))
		var wg sync.WaitGroup
		wg.Add(burners)
		for i := 0; i < burners; i++ {
			go burnShare(each, &wg)
		}
		wg.Wait()
		pprof.StopCPUProfile()
		samples, cpu := sumProfile(&profile)
		t.Measured["samples"] = samples
		t.Measured["samples_cpu_ns"] = cpu
	}
}

func burnShare(d time.Duration, wg *sync.WaitGroup) {
	defer wg.Done()
	compute(d)
}

// prepareMigration passes tokens among more goroutines than Ps: who waits longest
// gets the next one, wherever it ran before.
func prepareMigration(t *truth) func() {
	const workers, tokens, hops = 8, 3, 2000
	t.plant("migration-churn", "main.passTokens", map[string]any{"goroutines": workers, "tokens": tokens, "hops": hops})
	return func() {
		ring := make(chan int)
		done := make(chan struct{})
		var wg sync.WaitGroup
		wg.Add(workers)
		for i := 0; i < workers; i++ {
			go passTokens(ring, done, &wg)
		}
		for i := 0; i < tokens; i++ {
			ring <- hops
		}
		wg.Wait()
		t.Measured["goroutines_created"] = workers
	}
}

// passTokens hands each token on until its hops are used up.
func passTokens(ring chan int, done chan struct{}, wg *sync.WaitGroup) {
	defer wg.Done()
	for {
		select {
		case hops := <-ring:
			spin(8000)
			if hops == 0 {
				close(done)
				return
			}
			select {
			case ring <- hops - 1:
			case <-done:
				return
			}
		case <-done:
			return
		}
	}
}
