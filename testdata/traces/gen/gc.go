package main

import (
	"math/rand"
	"runtime"
	"runtime/debug"
	"sync"
)

func init() {
	workloads["gc-assist"] = workload{program: "gc.go", procs: 2, prepare: prepareAssist}
	workloads["gc-sweep"] = workload{program: "gc.go", procs: 2, prepare: prepareSweep}
}

// N.B. GOGC is off outside the traced work, so every cycle is wholly in the trace.

type node struct {
	next, other *node
	payload     [6]uint64
}

const nodeSize = 64

// prepareAssist allocates beside a large graph with GOGC=10: each cycle has
// little room, so the allocating goroutines have to mark.
func prepareAssist(t *truth) func() {
	const live, allocators, allocs = 60_000, 3, 75_000
	t.plant("gc-assist", "main.allocateNodes", map[string]any{"gogc": 10, "live_bytes": live * nodeSize, "goroutines": allocators, "allocs": allocators * allocs})
	debug.SetGCPercent(-1)
	graph := buildGraph(live)
	return func() {
		debug.SetGCPercent(10)
		var wg sync.WaitGroup
		wg.Add(allocators)
		for i := 0; i < allocators; i++ {
			go allocateNodes(graph, allocs, &wg)
		}
		wg.Wait()
		debug.SetGCPercent(-1)
		t.Measured["goroutines_created"] = allocators
		t.Measured["nodes_allocated"] = allocators * allocs
		t.Measured["bytes_allocated"] = allocators * allocs * nodeSize
	}
}

func buildGraph(n int) []*node {
	graph := make([]*node, n)
	r := rand.New(rand.NewSource(1))
	for i := range graph {
		graph[i] = &node{}
		graph[i].next = graph[r.Intn(i+1)]
		graph[i].other = graph[r.Intn(i+1)]
	}
	return graph
}

func allocateNodes(graph []*node, n int, wg *sync.WaitGroup) {
	defer wg.Done()
	var list *node
	for i := 0; i < n; i++ {
		if i%1000 == 0 {
			list = graph[i%len(graph)]
		}
		list = &node{next: list, other: graph[i%len(graph)]}
	}
	runtime.KeepAlive(list)
}

// prepareSweep replaces small objects at random, so that every span is partly
// free after a cycle and the allocators sweep for room.
func prepareSweep(t *truth) func() {
	const objects, size, allocators, replacements = 16_000, 256, 2, 80_000
	t.plant("gc-sweep", "main.replaceObjects", map[string]any{"gogc": 50, "live_bytes": objects * size, "goroutines": allocators, "allocs": allocators * replacements})
	debug.SetGCPercent(-1)
	sets := make([][]*[size]byte, allocators)
	for i := range sets {
		sets[i] = make([]*[size]byte, objects/allocators)
		for j := range sets[i] {
			sets[i][j] = new([size]byte)
		}
	}
	return func() {
		debug.SetGCPercent(50)
		var wg sync.WaitGroup
		wg.Add(allocators)
		for _, set := range sets {
			go replaceObjects(set, replacements, &wg)
		}
		wg.Wait()
		debug.SetGCPercent(-1)
		t.Measured["goroutines_created"] = allocators
		t.Measured["objects_allocated"] = allocators * replacements
		t.Measured["bytes_allocated"] = allocators * replacements * size
	}
}

func replaceObjects(set []*[256]byte, n int, wg *sync.WaitGroup) {
	defer wg.Done()
	r := rand.New(rand.NewSource(1))
	for i := 0; i < n; i++ {
		set[r.Intn(len(set))] = new([256]byte)
	}
}
