// Command compare is a program to trace before and after a change: requests arrive at a
// steady rate, wait for a pool and a lock, ask a backend and allocate. Each flag is a change
// that a comparison must find. With -load it is another program, in which nothing changes.
//
//	go run ./testdata/gen/compare -o base.trace
//	go run ./testdata/gen/compare -o head.trace -held 300us
//	go run ./testdata/gen/compare -o pipeline.trace -load pipeline
package main

import (
	"crypto/sha256"
	"flag"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/trace"
	"sync"
	"time"
)

var (
	out     = flag.String("o", "", "write the trace to `FILE`")
	name    = flag.String("load", "requests", "run `PROGRAM`, of loads.go; the flags below change the requests of the first")
	length  = flag.Duration("for", time.Second, "how long it goes on")
	rate    = flag.Int("rate", 400, "requests a second")
	held    = flag.Duration("held", 20*time.Microsecond, "how long a request holds the lock")
	backend = flag.Duration("backend", 2*time.Millisecond, "how long the backend takes")
	pool    = flag.Int("pool", 8, "requests to the backend at a time")
	bytes   = flag.Int("bytes", 32<<10, "bytes that a request allocates")
	record  = flag.Int("record", 0, "bytes that each request allocates as one piece, in a function of its own")
	gogc    = flag.Int("gogc", 100, "GOGC")
	procs   = flag.Int("procs", 2, "GOMAXPROCS")
)

var (
	table  sync.Mutex
	tokens chan struct{}
	sink   sync.Map
)

func main() {
	flag.Parse()
	debug.SetGCPercent(*gogc)
	runtime.GOMAXPROCS(*procs)
	tokens = make(chan struct{}, *pool)
	live := make([][]byte, 64)
	for i := range live {
		live[i] = make([]byte, 64<<10)
	}
	f, err := os.Create(*out)
	check(err)
	check(trace.Start(f))
	run, ok := loads[*name]
	if !ok {
		log.Fatalf("no program %q", *name)
	}
	stop := make(chan struct{})
	time.AfterFunc(*length, func() { close(stop) })
	run(stop)
	trace.Stop()
	check(f.Close())
	runtime.KeepAlive(live)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// serve lets requests arrive.
func serve(stop <-chan struct{}) {
	var requests sync.WaitGroup
	ticks(stop, time.Second/time.Duration(*rate), func(int) {
		requests.Add(1)
		go func() {
			defer requests.Done()
			handle()
		}()
	})
	requests.Wait()
}

func handle() {
	lookup()
	ask()
	render()
	if *record > 0 {
		keep()
	}
}

// keep allocates what is written down of a request.
func keep() {
	sink.Store("record", make([]byte, *record))
}

// lookup works for a while under a lock that all requests take.
func lookup() {
	table.Lock()
	defer table.Unlock()
	work(*held)
}

// ask waits for one of a few connections to the backend, and for its answer.
func ask() {
	tokens <- struct{}{}
	defer func() { <-tokens }()
	time.Sleep(*backend)
}

// render allocates the answer.
func render() {
	page := make([][]byte, *bytes>>10)
	for i := range page {
		page[i] = make([]byte, 1<<10)
	}
	sink.Store(len(page), page)
	work(100 * time.Microsecond)
}

// work takes CPU for about a time.
func work(d time.Duration) {
	var sum [32]byte
	for begin := time.Now(); time.Since(begin) < d; {
		sum = sha256.Sum256(sum[:])
	}
}
