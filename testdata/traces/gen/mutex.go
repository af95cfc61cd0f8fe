package main

import (
	"sync"
	"time"
)

func init() {
	workloads["mutex-starvation"] = workload{program: "mutex.go", procs: 2, prepare: prepareStarvation}
	workloads["lock-5ms"] = workload{program: "mutex.go", procs: 2, prepare: prepareLock5ms}
}

// prepareStarvation makes waiters wait longer than 1 ms: the mutex goes over to
// starvation mode, where Unlock hands it to the first waiter and yields
// (sync/mutex.go: Mutex; runtime/sema.go: semrelease1).
func prepareStarvation(t *truth) func() {
	const contenders, holds = 4, 12
	t.plant("mutex-convoy", "main.holdStarvingLock5ms", map[string]any{"goroutines": contenders, "holds": contenders * holds, "ns": int(5 * time.Millisecond)})
	return func() {
		held, waited := &durations{}, &durations{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		wg.Add(contenders)
		for i := 0; i < contenders; i++ {
			go contendForLock(&mu, holds, held, waited, &wg)
		}
		wg.Wait()
		t.Measured["goroutines_created"] = contenders
		t.Measured["lock_held"] = held
		t.Measured["lock_wait"] = waited
	}
}

func contendForLock(mu *sync.Mutex, n int, held, waited *durations, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; i < n; i++ {
		holdStarvingLock5ms(mu, held, waited)
	}
}

//go:noinline
func holdStarvingLock5ms(mu *sync.Mutex, held, waited *durations) {
	start := time.Now()
	mu.Lock()
	locked := time.Now()
	compute(5 * time.Millisecond)
	wait, hold := locked.Sub(start), time.Since(locked)
	mu.Unlock()
	waited.add(wait)
	held.add(hold)
}

// prepareLock5ms is a lock taken often and briefly, but for one function which
// sleeps under it.
func prepareLock5ms(t *truth) func() {
	const updaters, updates, holds = 4, 60, 6
	t.plant("mutex-hold", "main.holdLock5ms", map[string]any{"holds": holds, "ns": int(5 * time.Millisecond)})
	t.plant("mutex-wait", "main.updateCounter", map[string]any{"goroutines": updaters, "calls": updaters * updates})
	return func() {
		held, waited := &durations{}, &durations{}
		var mu sync.Mutex
		counter := 0
		var wg sync.WaitGroup
		wg.Add(1 + updaters)
		go holdNowAndThen(&mu, holds, held, &wg)
		for i := 0; i < updaters; i++ {
			go updateOften(&mu, &counter, updates, waited, &wg)
		}
		wg.Wait()
		t.Measured["goroutines_created"] = 1 + updaters
		t.Measured["counter"] = counter
		t.Measured["lock_held_5ms"] = held
		t.Measured["lock_wait"] = waited
	}
}

func holdNowAndThen(mu *sync.Mutex, n int, held *durations, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; i < n; i++ {
		time.Sleep(12 * time.Millisecond)
		holdLock5ms(mu, held)
	}
}

func updateOften(mu *sync.Mutex, counter *int, n int, waited *durations, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; i < n; i++ {
		time.Sleep(time.Millisecond)
		updateCounter(mu, counter, waited)
	}
}

//go:noinline
func holdLock5ms(mu *sync.Mutex, held *durations) {
	mu.Lock()
	start := time.Now()
	time.Sleep(5 * time.Millisecond)
	d := time.Since(start)
	mu.Unlock()
	held.add(d)
}

//go:noinline
func updateCounter(mu *sync.Mutex, counter *int, waited *durations) {
	start := time.Now()
	mu.Lock()
	d := time.Since(start)
	*counter++
	mu.Unlock()
	waited.add(d)
}
