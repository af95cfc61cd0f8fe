package main

import (
	"sync"
	"time"
)

func init() {
	workloads["steal-bursts"] = workload{program: "steal.go", procs: 4, prepare: prepareStealBursts}
	workloads["steal-timers"] = workload{program: "steal.go", procs: 4, prepare: prepareStealTimers}
}

// prepareStealBursts fills the run queue of one P while the others are idle:
// what runs elsewhere was stolen.
func prepareStealBursts(t *truth) func() {
	const bursts, size = 40, 32
	t.plant("thundering-herd", "main.spawnBurst", map[string]any{"bursts": bursts, "goroutines": size})
	return func() {
		for i := 0; i < bursts; i++ {
			spawnBurst(size)
			time.Sleep(3 * time.Millisecond)
		}
		t.Measured["goroutines_created"] = bursts * size
		t.Measured["bursts"] = bursts
	}
}

//go:noinline
func spawnBurst(n int) {
	var wg sync.WaitGroup
	wg.Add(n)
	for i := 0; i < n; i++ {
		go burstWork(&wg)
	}
	wg.Wait()
}

func burstWork(wg *sync.WaitGroup) {
	compute(100 * time.Microsecond)
	wg.Done()
}

// prepareStealTimers lets many timers expire at once on the P that holds them.
func prepareStealTimers(t *truth) func() {
	const sleepers, rounds = 24, 30
	t.plant("thundering-herd", "main.sleepAndWork", map[string]any{"sleepers": sleepers, "rounds": rounds})
	return func() {
		var wg sync.WaitGroup
		wg.Add(sleepers)
		start := time.Now()
		for i := 0; i < sleepers; i++ {
			go sleepAndWork(start, rounds, &wg)
		}
		wg.Wait()
		t.Measured["goroutines_created"] = sleepers
		t.Measured["sleeps_at_most"] = sleepers * rounds
	}
}

func sleepAndWork(start time.Time, rounds int, wg *sync.WaitGroup) {
	defer wg.Done()
	for r := 1; r <= rounds; r++ {
		time.Sleep(time.Until(start.Add(time.Duration(r) * 5 * time.Millisecond)))
		compute(100 * time.Microsecond)
	}
}
