package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

func init() {
	workloads["http-healthy"] = workload{program: "healthy.go", procs: 2, prepare: prepareHTTP}
	workloads["idle"] = workload{program: "healthy.go", procs: 2, prepare: prepareIdle}
	workloads["heartbeat"] = workload{program: "healthy.go", procs: 2, prepare: prepareHeartbeat}
}

// prepareHTTP serves a few clients that pause between requests.
func prepareHTTP(t *truth) func() {
	const clients, requests = 3, 60
	t.plant("none", "main.serveItem", map[string]any{"clients": clients, "requests": clients * requests})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	mux := http.NewServeMux()
	mux.HandleFunc("/item", serveItem)
	go http.Serve(l, mux)
	return func() {
		times := &durations{}
		var wg sync.WaitGroup
		wg.Add(clients)
		for i := 0; i < clients; i++ {
			go requestItems("http://"+l.Addr().String()+"/item?id=", requests, times, &wg)
		}
		wg.Wait()
		t.Measured["requests"] = clients * requests
		t.Measured["request"] = times
	}
}

func serveItem(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.FormValue("id"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"id": id, "square": id * id})
}

func requestItems(url string, n int, times *durations, wg *sync.WaitGroup) {
	defer wg.Done()
	client := &http.Client{Transport: &http.Transport{}}
	for i := 0; i < n; i++ {
		time.Sleep(3 * time.Millisecond)
		start := time.Now()
		resp, err := client.Get(url + strconv.Itoa(i))
		check(err)
		_, err = io.Copy(io.Discard, resp.Body)
		check(err)
		check(resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			panic(resp.Status)
		}
		times.add(time.Since(start))
	}
}

// prepareIdle does nothing for more than two generations.
func prepareIdle(t *truth) func() {
	const naps = 5
	t.plant("none", "main.nap", map[string]any{"calls": naps, "ns": int(450 * time.Millisecond)})
	return func() {
		for i := 0; i < naps; i++ {
			nap()
		}
		t.Measured["goroutines_created"] = 0
		t.Measured["sleeps"] = naps
	}
}

//go:noinline
func nap() { time.Sleep(450 * time.Millisecond) }

// prepareHeartbeat wakes up now and then for more than two generations.
func prepareHeartbeat(t *truth) func() {
	const beats = 115
	t.plant("none", "main.sendHeartbeat", map[string]any{"calls": beats})
	return func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		received := make(chan int)
		done := make(chan int)
		go countHeartbeats(received, done)
		for i := 0; i < beats; i++ {
			<-ticker.C
			sendHeartbeat(received)
		}
		close(received)
		t.Measured["goroutines_created"] = 1
		t.Measured["heartbeats"] = <-done
	}
}

func countHeartbeats(received <-chan int, done chan<- int) {
	sum := 0
	for b := range received {
		sum += b
	}
	done <- sum
}

//go:noinline
func sendHeartbeat(to chan<- int) {
	spin(10000)
	to <- 1
}
