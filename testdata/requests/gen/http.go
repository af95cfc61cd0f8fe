package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"time"
)

// order is a lock that a slow handler holds.
var order sync.Mutex

func sleepsLocked(w http.ResponseWriter, r *http.Request) {
	defer handled("main.sleepsLocked", time.Now())
	order.Lock()
	time.Sleep(4 * time.Millisecond)
	order.Unlock()
	io.WriteString(w, "slept\n")
}

func waitsForLock(w http.ResponseWriter, r *http.Request) {
	defer handled("main.waitsForLock", time.Now())
	order.Lock()
	time.Sleep(50 * time.Microsecond)
	order.Unlock()
	io.WriteString(w, "had the lock\n")
}

func readsFile(w http.ResponseWriter, r *http.Request) {
	defer handled("main.readsFile", time.Now())
	data, err := os.ReadFile("http.go")
	if err != nil {
		panic(err)
	}
	w.Write(data)
}

func readsBody(w http.ResponseWriter, r *http.Request) {
	defer handled("main.readsBody", time.Now())
	n, _ := io.Copy(io.Discard, r.Body)
	fmt.Fprintln(w, n)
}

func streams(w http.ResponseWriter, r *http.Request) {
	defer handled("main.streams", time.Now())
	for range 4 {
		io.WriteString(w, "part\n")
		w.(http.Flusher).Flush()
		time.Sleep(time.Millisecond)
	}
}

func hijacks(w http.ResponseWriter, r *http.Request) {
	defer handled("main.hijacks", time.Now())
	time.Sleep(time.Millisecond)
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	rw.WriteString("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nok\n")
	rw.Flush()
	time.Sleep(time.Millisecond)
	conn.Close()
}

func aborts(w http.ResponseWriter, r *http.Request) {
	defer handled("main.aborts", time.Now())
	time.Sleep(time.Millisecond)
	panic(http.ErrAbortHandler)
}

// asksBackend waits for another request of this server.
func asksBackend(w http.ResponseWriter, r *http.Request) {
	defer handled("main.asksBackend", time.Now())
	get(http.DefaultClient, "http://"+r.Host+"/sleep", "main.sleepsLocked")
	io.WriteString(w, "asked\n")
}

func mux() *http.ServeMux {
	m := http.NewServeMux()
	for path, h := range map[string]http.HandlerFunc{
		"/sleep": sleepsLocked, "/lock": waitsForLock, "/file": readsFile, "/body": readsBody, "/stream": streams, "/hijack": hijacks, "/abort": aborts, "/backend": asksBackend,
	} {
		m.HandleFunc(path, h)
	}
	return m
}

func get(c *http.Client, url, what string) {
	since := time.Now()
	r, err := c.Get(url)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	if err != nil && what != "main.aborts" {
		panic(err)
	}
	note(what, 0, 0, time.Since(since))
}

func serveHTTP() {
	server := httptest.NewUnstartedServer(mux())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	each(server)
	pipeline(server.Listener.Addr().String())
	slowHeader(server.Listener.Addr().String())
	http.DefaultClient.CloseIdleConnections()
	server.Close()
}

func serveHTTP2() {
	server := httptest.NewUnstartedServer(mux())
	server.EnableHTTP2 = true
	server.StartTLS()
	client := server.Client()
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 5 {
				get(client, server.URL+"/sleep", "main.sleepsLocked")
				get(client, server.URL+"/lock", "main.waitsForLock")
				get(client, server.URL+"/file", "main.readsFile")
			}
			get(client, server.URL+"/stream", "main.streams")
		}()
	}
	wg.Wait()
	client.CloseIdleConnections()
	server.Close()
}

// each asks for everything over connections that are kept alive.
func each(server *httptest.Server) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			client := &http.Client{Transport: new(http.Transport)}
			for range 8 {
				get(client, server.URL+"/sleep", "main.sleepsLocked")
				get(client, server.URL+"/lock", "main.waitsForLock")
				get(client, server.URL+"/file", "main.readsFile")
				post(client, server.URL+"/body", "main.readsBody")
			}
			get(client, server.URL+"/stream", "main.streams")
			get(client, server.URL+"/backend", "main.asksBackend")
			get(client, server.URL+"/hijack", "main.hijacks")
			get(client, server.URL+"/abort", "main.aborts")
			client.CloseIdleConnections()
		}()
	}
	wg.Wait()
}

func post(c *http.Client, url, what string) {
	since := time.Now()
	body, in := io.Pipe()
	go func() {
		for range 3 {
			in.Write(make([]byte, 100))
			time.Sleep(200 * time.Microsecond)
		}
		in.Close()
	}()
	r, err := c.Post(url, "text/plain", body)
	if err != nil {
		panic(err)
	}
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	note(what, 0, 0, time.Since(since))
}

// pipeline sends five requests at once, and reads the answers.
func pipeline(addr string) {
	conn, err := net.Dial("tcp", addr)
	check(err)
	since := time.Now()
	for range 5 {
		io.WriteString(conn, "GET /lock HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	r := bufio.NewReader(conn)
	for range 5 {
		resp, err := http.ReadResponse(r, nil)
		check(err)
		io.Copy(io.Discard, resp.Body)
		note("main.waitsForLock", 0, 0, time.Since(since)) // from when the first was sent
	}
	conn.Close()
}

// slowHeader sends a header in two pieces: the server waits for the second.
func slowHeader(addr string) {
	conn, err := net.Dial("tcp", addr)
	check(err)
	io.WriteString(conn, "GET /lock HTTP/1.1\r\nHo")
	time.Sleep(20 * time.Millisecond)
	since := time.Now()
	io.WriteString(conn, "st: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	check(err)
	if _, err := io.Copy(io.Discard, resp.Body); err != nil && !errors.Is(err, io.EOF) {
		check(err)
	}
	note("main.waitsForLock", 0, 0, time.Since(since))
	conn.Close()
}
