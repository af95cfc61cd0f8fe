// Load runs a program that traces itself until the trace has the wanted size: the
// input of the benchmarks.
//
//	go run ./internal/bench/load -mb 8 http >http.trace
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"runtime/trace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load starts goroutines that work until stop says so.
type load func(stop func() bool, done *sync.WaitGroup)

var loads = map[string]load{
	"channels":       channels,
	"http":           serveHTTP,
	"gc":             allocate,
	"goroutines-50k": goroutines,
	"generations":    channels, // with GODEBUG=traceadvanceperiod
}

func main() {
	log.SetFlags(0)
	mb := flag.Float64("mb", 8, "size of the trace in `MB`")
	flag.Parse()
	run, ok := loads[flag.Arg(0)]
	if !ok || flag.NArg() != 1 {
		log.Fatalf("load [-mb N] NAME: one of %s", strings.Join(slices.Sorted(maps.Keys(loads)), ", "))
	}
	if period := "traceadvanceperiod=20000000"; flag.Arg(0) == "generations" && !strings.Contains(os.Getenv("GODEBUG"), period) {
		cmd := exec.Command(os.Args[0], os.Args[1:]...)
		cmd.Env = append(os.Environ(), "GODEBUG="+period)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			log.Fatal(err)
		}
		return
	}
	out := &counter{w: bufio.NewWriterSize(os.Stdout, 1<<20)}
	if err := trace.Start(out); err != nil {
		log.Fatal(err)
	}
	limit := int64(*mb * 1e6)
	var done sync.WaitGroup
	run(func() bool { return out.n.Load() >= limit }, &done)
	done.Wait()
	trace.Stop()
	if err := out.w.Flush(); err != nil {
		log.Fatal(err)
	}
}

type counter struct {
	w *bufio.Writer
	n atomic.Int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.w.Write(p)
}

// channels are pipelines of goroutines that hand numbers on.
func channels(stop func() bool, done *sync.WaitGroup) {
	for range 8 {
		stages := make([]chan int, 6)
		for i := range stages {
			stages[i] = make(chan int, i%2)
		}
		done.Go(func() {
			for i := 0; !stop(); i++ {
				stages[0] <- i
			}
			close(stages[0])
		})
		for i, in := range stages[:5] {
			done.Go(func() {
				for v := range in {
					stages[i+1] <- v + 1
				}
				close(stages[i+1])
			})
		}
		done.Go(func() {
			for range stages[5] {
			}
		})
	}
}

// serveHTTP is a net/http server and its clients, over loopback.
func serveHTTP(stop func() bool, done *sync.WaitGroup) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, %s", r.URL.Path)
	}))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	for i := range 32 {
		done.Go(func() {
			for !stop() {
				resp, err := client.Get(fmt.Sprintf("http://%s/%d", l.Addr(), i))
				if err != nil {
					log.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
}

type node struct{ left, right *node }

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{tree(depth - 1), tree(depth - 1)}
}

// allocate keeps the collector busy, with mark assist.
func allocate(stop func() bool, done *sync.WaitGroup) {
	debug.SetGCPercent(20)
	for range 8 {
		done.Go(func() {
			kept := tree(10)
			for i := 0; !stop(); i++ {
				kept.left = tree(8)
				if i%4 == 0 {
					kept = tree(10)
				}
			}
		})
	}
}

// goroutines are 50,000 that wait for their turn, of which some always come and go.
func goroutines(stop func() bool, done *sync.WaitGroup) {
	const n = 50000
	turns := make([]chan struct{}, n)
	for i := range turns {
		turns[i] = make(chan struct{}, 1)
		done.Go(func() {
			for range turns[i] {
				var wg sync.WaitGroup
				wg.Go(func() {})
				wg.Wait()
			}
		})
	}
	done.Go(func() {
		for i := 0; !stop(); i = (i + 7919) % n {
			turns[i] <- struct{}{}
			if i%64 == 0 {
				time.Sleep(time.Microsecond)
			}
		}
		for _, c := range turns {
			close(c)
		}
	})
}
