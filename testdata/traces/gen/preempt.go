package main

import (
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

func init() {
	workloads["preempt-async"] = workload{program: "preempt.go", procs: 2, prepare: prepareAsync}
	workloads["preempt-cooperative"] = workload{program: "preempt.go", procs: 2, prepare: prepareCooperative}
	workloads["spin-30ms"] = workload{program: "preempt.go", procs: 1, prepare: prepareSpin30ms}
}

// prepareAsync runs more loops without a call than there are Ps.
func prepareAsync(t *truth) func() {
	const spinners = 4
	t.plant("cpu-hog", "main.spinWithoutCalls", map[string]any{"goroutines": spinners, "cpu_ns": int(100 * time.Millisecond)})
	iterations := calibrate(100 * time.Millisecond)
	return func() {
		walls := &durations{}
		var wg sync.WaitGroup
		wg.Add(spinners)
		for i := 0; i < spinners; i++ {
			go spinWithoutCalls(iterations, walls, &wg)
		}
		wg.Wait()
		t.Measured["goroutines_created"] = spinners
		t.Measured["iterations"] = iterations
		t.Measured["spin"] = walls
	}
}

func spinWithoutCalls(iterations int, walls *durations, wg *sync.WaitGroup) {
	defer wg.Done()
	start := time.Now()
	spin(iterations)
	walls.add(time.Since(start))
}

// prepareCooperative is the same load in loops that call, with signals switched
// off: every preemption happens in a function's prologue.
func prepareCooperative(t *truth) func() {
	const spinners, yields = 4, 200
	requireNoAsyncPreemption()
	t.plant("cpu-hog", "main.spinWithCalls", map[string]any{"goroutines": spinners, "cpu_ns": int(100 * time.Millisecond)})
	t.plant("yield", "main.yieldVoluntarily", map[string]any{"calls": yields})
	const try = 1 << 14
	begin := time.Now()
	callRepeatedly(try)
	calls := int(try * (100 * time.Millisecond) / time.Since(begin))
	return func() {
		walls := &durations{}
		var wg sync.WaitGroup
		wg.Add(spinners)
		for i := 0; i < spinners; i++ {
			go spinWithCalls(calls, walls, &wg)
		}
		wg.Wait()
		yieldVoluntarily(yields)
		t.Measured["goroutines_created"] = spinners
		t.Measured["calls"] = calls
		t.Measured["gosched_calls"] = yields
		t.Measured["spin"] = walls
	}
}

func spinWithCalls(calls int, walls *durations, wg *sync.WaitGroup) {
	defer wg.Done()
	start := time.Now()
	callRepeatedly(calls)
	walls.add(time.Since(start))
}

//go:noinline
func callRepeatedly(calls int) (x byte) {
	for i := 0; i < calls; i++ {
		x += callWithPrologue(i)
	}
	return x
}

// callWithPrologue has a frame too large for a leaf without stack check.
//
//go:noinline
func callWithPrologue(seed int) byte {
	var frame [1024]byte
	for i := range frame {
		frame[i] = byte(seed * i)
	}
	return frame[seed&1023]
}

//go:noinline
func yieldVoluntarily(n int) {
	for i := 0; i < n; i++ {
		runtime.Gosched()
	}
}

// prepareSpin30ms wakes a victim and then keeps the only P for 30 ms.
func prepareSpin30ms(t *truth) func() {
	const spins, waiters = 4, 3
	requireNoAsyncPreemption()
	t.plant("spin-wait", "main.spin30ms", map[string]any{"spins": spins, "ns": int(30 * time.Millisecond)})
	t.plant("sched-latency", "main.waitForWork", map[string]any{"at_least_ns": int(30 * time.Millisecond), "times": spins * waiters})
	return func() {
		spinTimes, delays := &durations{}, &durations{}
		var wg sync.WaitGroup
		work := make([]chan time.Time, waiters)
		for i := range work {
			work[i] = make(chan time.Time)
			wg.Add(1)
			go waitForWork(work[i], delays, &wg)
		}
		for i := 0; i < spins; i++ {
			time.Sleep(10 * time.Millisecond)
			for _, w := range work {
				w <- time.Now()
			}
			spinTimes.add(spin30ms())
		}
		for _, w := range work {
			close(w)
		}
		wg.Wait()
		t.Measured["goroutines_created"] = waiters
		t.Measured["spin"] = spinTimes
		t.Measured["victim_delay"] = delays
	}
}

func waitForWork(work <-chan time.Time, delays *durations, wg *sync.WaitGroup) {
	for sent := range work {
		delays.add(time.Since(sent))
	}
	wg.Done()
}

//go:noinline
func spin30ms() time.Duration {
	start := monotonic()
	for {
		if d := time.Duration(monotonic() - start); d >= 30*time.Millisecond {
			return d
		}
	}
}

func requireNoAsyncPreemption() {
	if !strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff=1") {
		panic("this workload needs GODEBUG=asyncpreemptoff=1")
	}
}
