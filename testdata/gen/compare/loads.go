package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// loads are healthy programs: run again, nothing of them differs but by chance. Each goes on
// until stop is closed, and ends what it started.
var loads = map[string]func(stop <-chan struct{}){
	"requests": serve,
	"pipeline": pipeline,
	"fanout":   fanOut,
	"http":     serveHTTP,
	"echo":     echo,
	"cache":    cache,
	"batch":    batch,
	"timers":   timers,
	"files":    files,
	"limit":    limited,
}

// A group is a sync.WaitGroup that starts goroutines as Go 1.25 and later do.
type group struct{ sync.WaitGroup }

func (g *group) Go(do func()) {
	g.Add(1)
	go func() {
		defer g.Done()
		do()
	}()
}

// ticks calls do at a steady pace.
func ticks(stop <-chan struct{}, period time.Duration, do func(i int)) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-tick.C:
			do(i)
		}
	}
}

// pipeline has three stages, the second with three workers.
func pipeline(stop <-chan struct{}) {
	in, out := make(chan int, 16), make(chan int, 16)
	var stages, last group
	for range 3 {
		stages.Go(func() {
			for i := range in {
				work(150 * time.Microsecond)
				out <- i
			}
		})
	}
	last.Go(func() {
		for range out {
			work(30 * time.Microsecond)
		}
	})
	ticks(stop, 2*time.Millisecond, func(i int) { in <- i })
	close(in)
	stages.Wait()
	close(out)
	last.Wait()
}

// fanOut starts eight goroutines for each piece of work, and waits for them.
func fanOut(stop <-chan struct{}) {
	ticks(stop, 5*time.Millisecond, func(int) {
		var parts group
		for range 8 {
			parts.Go(func() { work(100 * time.Microsecond) })
		}
		parts.Wait()
	})
}

// serveHTTP serves four clients that ask again and again.
func serveHTTP(stop <-chan struct{}) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		work(100 * time.Microsecond)
		io.WriteString(w, r.URL.Path)
	}))
	defer s.Close()
	var clients group
	for range 4 {
		clients.Go(func() {
			ticks(stop, 5*time.Millisecond, func(int) {
				if res, err := s.Client().Get(s.URL); err == nil {
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			})
		})
	}
	clients.Wait()
}

// echo has ten connections on which what comes is sent back.
func echo(stop <-chan struct{}) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	var all group
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
			})
		}
	})
	var clients group
	for range 10 {
		c, err := net.Dial("tcp", l.Addr().String())
		check(err)
		clients.Go(func() {
			defer c.Close()
			line := make([]byte, 64)
			ticks(stop, 7*time.Millisecond, func(int) {
				c.Write(line)
				io.ReadFull(c, line)
			})
		})
	}
	clients.Wait()
	l.Close()
	all.Wait()
}

// cache is read by many and written by one.
func cache(stop <-chan struct{}) {
	var mu sync.RWMutex
	values := make(map[int]int)
	var all group
	for r := range 12 {
		all.Go(func() {
			ticks(stop, 3*time.Millisecond, func(i int) {
				mu.RLock()
				defer mu.RUnlock()
				work(time.Duration(20+values[r+i]%2) * time.Microsecond)
			})
		})
	}
	all.Go(func() {
		ticks(stop, 10*time.Millisecond, func(i int) {
			mu.Lock()
			defer mu.Unlock()
			values[i%100] = i
			work(200 * time.Microsecond)
		})
	})
	all.Wait()
}

// batch computes and allocates on all Ps.
func batch(stop <-chan struct{}) {
	var all group
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			var kept [][]byte
			for {
				select {
				case <-stop:
					return
				default:
				}
				kept = append(kept, make([]byte, 8<<10))
				if len(kept) > 200 {
					kept = slices.Clone(kept[100:])
				}
				work(50 * time.Microsecond)
			}
		})
	}
	all.Wait()
}

// timers has a hundred goroutines that wake up every now and then.
func timers(stop <-chan struct{}) {
	var all group
	for i := range 100 {
		all.Go(func() {
			ticks(stop, 10*time.Millisecond+time.Duration(i)*100*time.Microsecond, func(int) { work(10 * time.Microsecond) })
		})
	}
	all.Wait()
}

// files writes files and reads them.
func files(stop <-chan struct{}) {
	dir, err := os.MkdirTemp("", "compare")
	check(err)
	defer os.RemoveAll(dir)
	var all group
	for w := range 3 {
		all.Go(func() {
			name := filepath.Join(dir, string(rune('a'+w)))
			page := make([]byte, 64<<10)
			ticks(stop, 4*time.Millisecond, func(int) {
				check(os.WriteFile(name, page, 0o600))
				_, err := os.ReadFile(name)
				check(err)
			})
		})
	}
	all.Wait()
}

// limited is work of which four pieces go on at a time, and others wait.
func limited(stop <-chan struct{}) {
	slots := make(chan struct{}, 4)
	var all group
	ticks(stop, 2*time.Millisecond, func(i int) {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			time.Sleep(time.Duration(5+i%5) * time.Millisecond)
			work(50 * time.Microsecond)
		})
	})
	all.Wait()
}
