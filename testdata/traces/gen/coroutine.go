//go:build go1.23

package main

import (
	"iter"
	"sync"
)

func init() {
	workloads["coroutines"] = workload{program: "coroutine.go", procs: 2, prepare: prepareCoroutines}
	pull = pullOne
}

// prepareCoroutines pulls from iterators. Each call of next switches there and
// back; stop before the end does so once more.
func prepareCoroutines(t *truth) func() {
	const consumers, values, stopped = 2, 400, 10
	t.plant("coroutine", "main.pullAll", map[string]any{"goroutines": consumers, "values": consumers * values})
	t.plant("coroutine", "main.pullOne", map[string]any{"calls": stopped})
	return func() {
		var wg sync.WaitGroup
		wg.Add(consumers)
		for i := 0; i < consumers; i++ {
			go pullAll(values, &wg)
		}
		wg.Wait()
		for i := 0; i < stopped; i++ {
			pullOne()
		}
		t.Measured["goroutines_created"] = consumers
		t.Measured["coroutines_created"] = consumers + stopped
		t.Measured["next_calls"] = consumers*(values+1) + stopped
		t.Measured["stop_calls_before_end"] = stopped
	}
}

func pullAll(n int, wg *sync.WaitGroup) {
	defer wg.Done()
	next, stop := iter.Pull(generateValues(n))
	defer stop()
	for {
		if _, ok := next(); !ok {
			return
		}
		spin(20000)
	}
}

func pullOne() {
	next, stop := iter.Pull(generateValues(3))
	defer stop()
	next()
}

func generateValues(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < n; i++ {
			spin(20000)
			if !yield(i) {
				return
			}
		}
	}
}
