package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

func init() {
	workloads["heap-growth"] = workload{program: "gcpressure.go", procs: 2, prepare: prepareHeapGrowth}
	workloads["memory-limit"] = workload{program: "gcpressure.go", procs: 2, prepare: prepareMemoryLimit}
	workloads["mark-starves"] = workload{program: "gcpressure.go", procs: 1, prepare: prepareMarkStarves}
}

var leaked [][]byte

// prepareHeapGrowth keeps every block it allocates. GOGC=25 beside 8 MiB makes a
// cycle for each quarter more.
func prepareHeapGrowth(t *truth) func() {
	const before, block, blocks = 8 << 20, 256 << 10, 128
	t.plant("live-heap-growth", "main.leakBlock", map[string]any{"gogc": 25, "live_bytes": before, "leaked_bytes": block * blocks})
	debug.SetGCPercent(-1)
	for i := 0; i < before/block; i++ {
		leakBlock(block)
	}
	return func() {
		debug.SetGCPercent(25)
		for i := 0; i < blocks; i++ {
			leakBlock(block)
			time.Sleep(4 * time.Millisecond)
		}
		debug.SetGCPercent(-1)
		t.Measured["goroutines_created"] = 0
		t.Measured["bytes_leaked"] = block * blocks
	}
}

//go:noinline
func leakBlock(size int) { leaked = append(leaked, make([]byte, size)) }

// prepareMemoryLimit leaves a quarter of a MiB between what the program holds and
// its limit: each cycle ends with hardly any room to the next. GOGC is off, as is
// usual beside a limit.
func prepareMemoryLimit(t *truth) func() {
	const live, allocators, allocs, room = 150_000, 2, 125_000, 256 << 10
	t.plant("memory-limit-thrash", "main.allocateNodes", map[string]any{"live_bytes": live * nodeSize, "room_bytes": room, "goroutines": allocators, "allocs": allocators * allocs})
	debug.SetGCPercent(-1)
	graph := buildGraph(live)
	debug.FreeOSMemory()
	return func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		debug.SetMemoryLimit(int64(m.Sys-m.HeapReleased) + room)
		var wg sync.WaitGroup
		wg.Add(allocators)
		for i := 0; i < allocators; i++ {
			go allocateNodes(graph, allocs, &wg)
		}
		wg.Wait()
		debug.SetMemoryLimit(math.MaxInt64)
		t.Measured["goroutines_created"] = allocators
	}
}

// prepareMarkStarves serves short requests on one P, beside a graph that takes
// many milliseconds to mark.
func prepareMarkStarves(t *truth) func() {
	const live, servers, cycles = 1_200_000, 100, 4
	t.plant("mark-starves-users", "main.serveShort", map[string]any{"live_bytes": live * nodeSize, "goroutines": servers, "cycles": cycles})
	debug.SetGCPercent(-1)
	graph := buildGraph(live)
	return func() {
		var stop atomic.Bool
		var wg sync.WaitGroup
		wg.Add(servers)
		for i := 0; i < servers; i++ {
			go serveShort(&stop, &wg)
		}
		for i := 0; i < cycles; i++ {
			time.Sleep(30 * time.Millisecond)
			runtime.GC()
		}
		stop.Store(true)
		wg.Wait()
		t.Measured["goroutines_created"] = servers
		runtime.KeepAlive(graph)
	}
}

func serveShort(stop *atomic.Bool, wg *sync.WaitGroup) {
	defer wg.Done()
	for !stop.Load() {
		time.Sleep(8 * time.Millisecond)
		spin(2000)
	}
}
