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
// gives the P to another thread.
func prepareLockOSThread(t *truth) func() {
	const turns = 600
	t.plant("lockosthread", "main.pingOnLockedThread", map[string]any{"round_trips": turns})
	return func() {
		roundTrips := &durations{}
		ping, pong := make(chan int), make(chan int)
		var wg sync.WaitGroup
		wg.Add(2)
		go pingOnLockedThread(ping, pong, turns, roundTrips, &wg)
		go pongOnLockedThread(ping, pong, &wg)
		wg.Wait()
		t.Measured["goroutines_created"] = 2
		t.Measured["round_trip"] = roundTrips
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
