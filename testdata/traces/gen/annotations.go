package main

import (
	"context"
	"runtime/trace"
	"strconv"
	"sync"
	"time"
)

func init() {
	workloads["annotations"] = workload{program: "annotations.go", procs: 2, prepare: prepareAnnotations}
}

// prepareAnnotations serves requests (tasks) that query (child tasks on other
// goroutines) within nested regions and log; one query is slow, one task is
// never ended.
func prepareAnnotations(t *truth) func() {
	const requests, queries, slow = 24, 2, 15
	t.plant("user-annotations", "main.handleRequest", map[string]any{"requests": requests, "queries": requests * queries})
	t.plant("tail-latency", "main.query20ms", map[string]any{"request": slow, "ns": int(20 * time.Millisecond)})
	t.plant("task-not-ended", "main.forgetTask", map[string]any{"tasks": 1})
	return func() {
		times := &durations{}
		for i := 0; i < requests; i++ {
			start := time.Now()
			handleRequest(i, queries, i == slow)
			times.add(time.Since(start))
		}
		forgetTask()
		t.Measured["goroutines_created"] = requests * queries
		t.Measured["tasks"] = map[string]int{"request": requests, "query": requests * queries, "forgotten": 1}
		t.Measured["tasks_ended"] = requests + requests*queries
		t.Measured["regions"] = map[string]int{"decode": requests, "validate": requests, "execute": requests * queries}
		t.Measured["logs"] = map[string]int{"id": requests, "rows": requests * queries}
		t.Measured["request"] = times
	}
}

//go:noinline
func handleRequest(id, queries int, slow bool) {
	ctx, task := trace.NewTask(context.Background(), "request")
	defer task.End()
	trace.Log(ctx, "id", strconv.Itoa(id))
	trace.WithRegion(ctx, "decode", func() {
		compute(100 * time.Microsecond)
		trace.WithRegion(ctx, "validate", func() { compute(100 * time.Microsecond) })
	})
	var wg sync.WaitGroup
	wg.Add(queries)
	for q := 0; q < queries; q++ {
		go runQuery(ctx, q, slow && q == 0, &wg)
	}
	wg.Wait()
}

func runQuery(ctx context.Context, rows int, slow bool, wg *sync.WaitGroup) {
	defer wg.Done()
	ctx, task := trace.NewTask(ctx, "query")
	defer task.End()
	defer trace.StartRegion(ctx, "execute").End()
	trace.Logf(ctx, "rows", "%d", rows)
	if slow {
		query20ms()
	} else {
		time.Sleep(time.Millisecond)
	}
}

//go:noinline
func query20ms() { time.Sleep(20 * time.Millisecond) }

//go:noinline
func forgetTask() { trace.NewTask(context.Background(), "forgotten") }
