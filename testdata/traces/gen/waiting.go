package main

import (
	"sync"
	"time"
)

func init() {
	workloads["straggler"] = workload{program: "waiting.go", procs: 2, prepare: prepareSlowShard}
	workloads["pool-too-small"] = workload{program: "waiting.go", procs: 2, prepare: preparePool}
	workloads["thundering-herd"] = workload{program: "waiting.go", procs: 2, prepare: prepareHerd}
}

// prepareSlowShard splits work over goroutines, of which one is slow each time.
func prepareSlowShard(t *truth) func() {
	const rounds, shards = 20, 6
	t.plant("straggler", "main.querySlowShard40ms", map[string]any{"rounds": rounds, "goroutines": shards, "ns": int(40 * time.Millisecond)})
	return func() {
		round := &durations{}
		for i := 0; i < rounds; i++ {
			start := time.Now()
			var wg sync.WaitGroup
			wg.Add(shards)
			for shard := 0; shard < shards; shard++ {
				go queryShard(shard, &wg)
			}
			wg.Wait()
			round.add(time.Since(start))
		}
		t.Measured["goroutines_created"] = rounds * shards
		t.Measured["round"] = round
	}
}

func queryShard(shard int, wg *sync.WaitGroup) {
	defer wg.Done()
	if shard == 3 {
		querySlowShard40ms()
		return
	}
	time.Sleep(3 * time.Millisecond)
}

//go:noinline
func querySlowShard40ms() { time.Sleep(40 * time.Millisecond) }

// preparePool has two connections in a channel, and twelve clients that need one.
func preparePool(t *truth) func() {
	const connections, clients, queries = 2, 12, 20
	t.plant("pool-too-small", "main.takeConnection", map[string]any{"connections": connections, "goroutines": clients, "ns": int(4 * time.Millisecond)})
	return func() {
		pool := make(chan int, connections)
		for i := 0; i < connections; i++ {
			pool <- i
		}
		waited := &durations{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		wg.Add(clients)
		for i := 0; i < clients; i++ {
			go queryPool(pool, queries, waited, &mu, &wg)
		}
		wg.Wait()
		t.Measured["goroutines_created"] = clients
		t.Measured["queries"] = clients * queries
		t.Measured["pool_wait"] = waited
	}
}

func queryPool(pool chan int, n int, waited *durations, mu *sync.Mutex, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; i < n; i++ {
		start := time.Now()
		c := takeConnection(pool)
		wait := time.Since(start)
		time.Sleep(4 * time.Millisecond)
		pool <- c
		mu.Lock()
		waited.add(wait)
		mu.Unlock()
	}
}

//go:noinline
func takeConnection(pool chan int) int { return <-pool }

// prepareHerd wakes all workers for each of the items that one of them takes.
func prepareHerd(t *truth) func() {
	const workers, items = 40, 60
	t.plant("thundering-herd", "main.wakeAllForOne", map[string]any{"goroutines": workers, "broadcasts": items + 1})
	return func() {
		q := &herdQueue{}
		q.ready.L = &q.mu
		var wg sync.WaitGroup
		wg.Add(workers)
		for i := 0; i < workers; i++ {
			go takeItems(q, &wg)
		}
		for i := 0; i < items; i++ {
			time.Sleep(5 * time.Millisecond)
			q.wakeAll(1)
		}
		time.Sleep(5 * time.Millisecond)
		q.wakeAll(-1)
		wg.Wait()
		t.Measured["goroutines_created"] = workers
		t.Measured["items"] = q.taken
	}
}

type herdQueue struct {
	mu           sync.Mutex
	ready        sync.Cond
	items, taken int
	closed       bool
}

// wakeAll adds items, or closes the queue when n is negative.
func (q *herdQueue) wakeAll(n int) {
	q.mu.Lock()
	if n < 0 {
		q.closed = true
	} else {
		q.items += n
	}
	q.mu.Unlock()
	wakeAllForOne(&q.ready)
}

//go:noinline
func wakeAllForOne(c *sync.Cond) { c.Broadcast() }

func takeItems(q *herdQueue, wg *sync.WaitGroup) {
	defer wg.Done()
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for q.items == 0 && !q.closed {
			q.ready.Wait()
		}
		if q.items == 0 {
			return
		}
		q.items--
		q.taken++
	}
}
