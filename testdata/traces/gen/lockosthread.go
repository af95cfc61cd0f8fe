package main

import (
	"runtime"
	"sync"
	"time"
)

func init() {
	workloads["lockosthread-pingpong"] = workload{program: "lockosthread.go", procs: 2, prepare: prepareLockOSThread}
}

// prepareLockOSThread plays ping-pong between two locked threads: each turn
// gives the P to another thread. Then free goroutines do the same for comparison.
func prepareLockOSThread(t *truth) func() {
	const turns, pairs = 600, 4
	t.plant("locked-thread-penalty", "main.pingOnLockedThread", map[string]any{"round_trips": turns})
	return func() {
		roundTrips := &durations{}
		ping, pong := make(chan int), make(chan int)
		var wg sync.WaitGroup
		wg.Add(2)
		go pingOnLockedThread(ping, pong, turns, roundTrips, &wg)
		go pongOnLockedThread(ping, pong, &wg)
		wg.Wait()
		free := &durations{}
		wg.Add(2 * pairs)
		for i := 0; i < pairs; i++ {
			ping, pong := make(chan int), make(chan int)
			go pingOnAnyThread(ping, pong, turns/pairs, free, &wg)
			go pongOnAnyThread(ping, pong, &wg)
		}
		wg.Wait()
		t.Measured["goroutines_created"] = 2 + 2*pairs
		t.Measured["round_trip"] = roundTrips
		t.Measured["round_trip_free"] = free
	}
}

func pingOnLockedThread(ping chan<- int, pong <-chan int, n int, roundTrips *durations, wg *sync.WaitGroup) {
	defer wg.Done()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := 0; i < n; i++ {
		start := time.Now()
		spin(20000)
		ping <- i
		<-pong
		roundTrips.add(time.Since(start))
	}
	close(ping)
}

func pongOnLockedThread(ping <-chan int, pong chan<- int, wg *sync.WaitGroup) {
	defer wg.Done()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := range ping {
		pong <- i
	}
}

// The free ones wait in functions of their own, to be told apart by their stacks.

func pingOnAnyThread(ping chan<- int, pong <-chan int, n int, roundTrips *durations, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; i < n; i++ {
		start := time.Now()
		spin(20000)
		ping <- i
		<-pong
		roundTrips.add(time.Since(start))
	}
	close(ping)
}

func pongOnAnyThread(ping <-chan int, pong chan<- int, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := range ping {
		pong <- i
	}
}
