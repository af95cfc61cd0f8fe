package main

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

func init() {
	workloads["netpoll-echo"] = workload{program: "netpoll.go", procs: 2, prepare: prepareNetpoll}
}

func prepareNetpoll(t *truth) func() {
	const clients, messages, pipeMessages = 4, 120, 60
	t.plant("none", "main.echoConn", map[string]any{"clients": clients, "messages": messages})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	pipeR, pipeW, err := os.Pipe()
	check(err)

	return func() {
		roundTrips := &durations{}
		var servers, wg sync.WaitGroup
		servers.Add(1)
		go acceptConns(l, clients, &servers)
		for i := 0; i < clients; i++ {
			wg.Add(1)
			go sendAndAwaitEcho(l.Addr().String(), messages, roundTrips, &wg)
		}
		wg.Add(2)
		go sendMessages(pipeW, pipeMessages, &wg)
		go receiveMessages(pipeR, pipeMessages, &wg)
		wg.Wait()
		servers.Wait()
		t.Measured["goroutines_created"] = 1 + 2*clients + 2
		t.Measured["tcp_messages"] = clients * messages
		t.Measured["pipe_messages"] = pipeMessages
		t.Measured["round_trip"] = roundTrips
	}
}

func acceptConns(l net.Listener, n int, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 0; i < n; i++ {
		c, err := l.Accept()
		check(err)
		wg.Add(1)
		go echoConn(c, wg)
	}
}

func echoConn(c net.Conn, wg *sync.WaitGroup) {
	defer wg.Done()
	buf := make([]byte, 64)
	for {
		if _, err := io.ReadFull(c, buf); err != nil {
			check(c.Close())
			return
		}
		_, err := c.Write(buf)
		check(err)
	}
}

func sendAndAwaitEcho(addr string, n int, roundTrips *durations, wg *sync.WaitGroup) {
	defer wg.Done()
	c, err := net.Dial("tcp", addr)
	check(err)
	buf := make([]byte, 64)
	for i := 0; i < n; i++ {
		time.Sleep(time.Millisecond)
		start := time.Now()
		_, err := c.Write(buf)
		check(err)
		_, err = io.ReadFull(c, buf)
		check(err)
		roundTrips.add(time.Since(start))
	}
	check(c.Close())
}
