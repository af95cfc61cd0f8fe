package main

import (
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	workloads["stw-kinds"] = workload{program: "stw.go", procs: 2, prepare: prepareSTW}
	workloads["gomaxprocs-change"] = workload{program: "stw.go", procs: 2, prepare: prepareGOMAXPROCS}
	workloads["stw-straggler"] = workload{program: "stw.go", procs: 2, prepare: prepareStraggler}
}

// prepareSTW stops the world for every reason a program can give, but for
// trace.Start, a known number of times each, while another goroutine computes.
func prepareSTW(t *truth) func() {
	stops := []struct {
		kind, fn string // kind is the runtime's name (runtime/proc.go: stwReasonStrings)
		calls    int
		perCall  int // GC and goroutine profiles stop twice; the second kind is listed apart
		stop     func()
	}{
		{"GC sweep termination", "main.forceGC", 5, 1, forceGC}, // the only cycles: GOGC is off
		{"read mem stats", "main.readMemStats", 6, 1, readMemStats},
		{"goroutine profile", "main.profileGoroutines", 4, 1, profileGoroutines},
		{"all goroutines stack trace", "main.stackOfAll", 3, 1, stackOfAll},
		{"GOMAXPROCS", "main.changeGOMAXPROCS", 2, 2, changeGOMAXPROCS},
		{"write heap dump", "main.writeHeapDump", 2, 1, writeHeapDump},
		{"AllThreadsSyscall", "main.syscallOnAllThreads", 2, 1, syscallOnAllThreads},
	}
	debug.SetGCPercent(-1)
	kinds := map[string]int{}
	for _, s := range stops {
		t.plant("stw-kinds", s.fn, map[string]any{"stw": s.kind, "calls": s.calls})
		kinds[s.kind] = s.calls * s.perCall
	}
	kinds["GC mark termination"] = kinds["GC sweep termination"]
	kinds["goroutine profile cleanup"] = kinds["goroutine profile"]

	return func() {
		var stop atomic.Bool
		var wg sync.WaitGroup
		wg.Add(1)
		go computeUntil(&stop, &wg)
		for _, s := range stops {
			for i := 0; i < s.calls; i++ {
				time.Sleep(time.Millisecond)
				s.stop()
			}
		}
		stop.Store(true)
		wg.Wait()
		t.Measured["goroutines_created"] = 1
		t.Measured["gc_forced"] = kinds["GC sweep termination"]
		t.Measured["stw"] = kinds
	}
}

//go:noinline
func forceGC() { runtime.GC() }

//go:noinline
func readMemStats() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
}

//go:noinline
func profileGoroutines() { check(pprof.Lookup("goroutine").WriteTo(io.Discard, 0)) }

//go:noinline
func stackOfAll() { runtime.Stack(make([]byte, 1<<14), true) }

//go:noinline
func changeGOMAXPROCS() {
	n := runtime.GOMAXPROCS(3)
	runtime.GOMAXPROCS(n)
}

//go:noinline
func writeHeapDump() {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	check(err)
	debug.WriteHeapDump(f.Fd())
	check(f.Close())
}

//go:noinline
func syscallOnAllThreads() {
	if _, _, errno := syscall.AllThreadsSyscall(syscall.SYS_GETPID, 0, 0, 0); errno != 0 {
		panic(errno)
	}
}

// prepareGOMAXPROCS goes through a sequence; setting the present number again
// stops nothing.
func prepareGOMAXPROCS(t *truth) func() {
	sequence := []int{4, 1, 8, 8, 3, 2}
	t.plant("gomaxprocs-change", "main.changeGOMAXPROCSTo", map[string]any{"sequence": sequence})
	return func() {
		var stop atomic.Bool
		var wg sync.WaitGroup
		const workers = 6
		wg.Add(workers)
		for i := 0; i < workers; i++ {
			go workAndRest(&stop, &wg)
		}
		for _, n := range sequence {
			time.Sleep(15 * time.Millisecond)
			changeGOMAXPROCSTo(n)
		}
		time.Sleep(15 * time.Millisecond)
		stop.Store(true)
		wg.Wait()
		t.Measured["goroutines_created"] = workers
		t.Measured["sequence"] = append([]int{t.GOMAXPROCS}, sequence...)
		t.Measured["stw"] = map[string]int{"GOMAXPROCS": 5}
	}
}

func workAndRest(stop *atomic.Bool, wg *sync.WaitGroup) {
	defer wg.Done()
	for !stop.Load() {
		compute(300 * time.Microsecond)
		time.Sleep(time.Millisecond)
	}
}

//go:noinline
func changeGOMAXPROCSTo(n int) { runtime.GOMAXPROCS(n) }

// prepareStraggler stops the world beside a loop without a preemption point.
// GODEBUG=asyncpreemptoff=1 leaves it to end its 15 ms first.
func prepareStraggler(t *truth) func() {
	const stops = 12
	loop := calibrate(15 * time.Millisecond)
	t.plant("stw-straggler", "main.loopWithoutCalls", map[string]any{"stops": stops, "ns": int(15 * time.Millisecond), "iterations": loop})
	debug.SetGCPercent(-1)
	return func() {
		var stop atomic.Bool
		var wg sync.WaitGroup
		wg.Add(1)
		go loopWithoutCalls(loop, &stop, &wg)
		for i := 0; i < stops; i++ {
			time.Sleep(25 * time.Millisecond)
			readMemStats()
		}
		stop.Store(true)
		wg.Wait()
		t.Measured["goroutines_created"] = 1
		t.Measured["stw"] = map[string]int{"read mem stats": stops}
	}
}

func loopWithoutCalls(iterations int, stop *atomic.Bool, wg *sync.WaitGroup) {
	defer wg.Done()
	for !stop.Load() {
		spin(iterations)
		callWithPrologue(1)
	}
}
