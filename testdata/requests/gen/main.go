// Command gen writes an execution trace of a server that counts its own requests, and
// what it counted: gen MODE OUT.trace OUT.json.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/trace"
	"sync"
	"time"
)

// A count is what the program knows of the requests of one kind.
type count struct {
	N       int   `json:"n"`
	Handler int64 `json:"handler_ns"` // sum of the times inside the handlers
	Client  int64 `json:"client_ns"`  // sum of the times that clients saw
}

var (
	mu    sync.Mutex
	truth = make(map[string]*count)
)

// note adds what a handler or a client measured.
func note(what string, n int, handler, client time.Duration) {
	mu.Lock()
	defer mu.Unlock()
	c := truth[what]
	if c == nil {
		c = new(count)
		truth[what] = c
	}
	c.N += n
	c.Handler += int64(handler)
	c.Client += int64(client)
}

// handled notes how long a handler has taken.
func handled(what string, since time.Time) { note(what, 1, time.Since(since), 0) }

var modes = map[string]func(){"http": serveHTTP, "http2": serveHTTP2, "jobs": startJobs, "workers": runWorkers, "sql": querySQL}

func main() {
	run := modes[os.Args[1]]
	out, err := os.Create(os.Args[2])
	check(err)
	check(trace.Start(out))
	run()
	trace.Stop()
	check(out.Close())
	data, err := json.MarshalIndent(truth, "", "\t")
	check(err)
	check(os.WriteFile(os.Args[3], append(data, '\n'), 0o666))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
