package main

import (
	"context"
	"io"
	"math/rand"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"sync"
	"time"
)

func init() {
	workloads["stress"] = workload{program: "stress.go", procs: 4, prepare: prepareStress}
}

// prepareStress does, for 200 ms, what a random choice of goroutines can do to the
// scheduler; TRACEGEN_SEED chooses. It knows nothing of its trace: it is for
// comparing readers.
func prepareStress(t *truth) func() {
	seed, _ := strconv.ParseInt(os.Getenv("TRACEGEN_SEED"), 10, 64)
	r := rand.New(rand.NewSource(seed))
	s := &stress{until: time.Now().Add(200 * time.Millisecond), values: make(chan int, r.Intn(4))}
	s.cond = sync.NewCond(&s.mu)
	s.r, s.w, _ = os.Pipe()
	s.l, _ = net.Listen("tcp", "127.0.0.1:0")
	runtime.GOMAXPROCS(1 + r.Intn(8))
	return func() {
		var wg sync.WaitGroup
		for i, n := 0, 1+r.Intn(24); i < n; i++ {
			wg.Add(1)
			r, acts := rand.New(rand.NewSource(r.Int63())), make([]func(*rand.Rand), 1+r.Intn(6))
			for k := range acts {
				acts[k] = s.act(r.Intn(24))
			}
			go func() {
				defer wg.Done()
				for time.Now().Before(s.until) {
					acts[r.Intn(len(acts))](r)
				}
			}()
		}
		wg.Wait()
	}
}

type stress struct {
	until  time.Time
	mu     sync.Mutex
	rw     sync.RWMutex
	cond   *sync.Cond
	values chan int
	r, w   *os.File
	l      net.Listener
	kept   []byte
}

// pull switches between coroutines where the Go version has them.
var pull = func() {}

func (s *stress) act(n int) func(*rand.Rand) {
	switch n {
	case 0:
		return func(r *rand.Rand) {
			select {
			case s.values <- 1:
			case <-time.After(time.Duration(r.Intn(200)) * time.Microsecond):
			}
		}
	case 1:
		return func(r *rand.Rand) {
			select {
			case <-s.values:
			case <-time.After(time.Duration(r.Intn(200)) * time.Microsecond):
			}
		}
	case 2:
		return func(r *rand.Rand) {
			s.mu.Lock()
			spin(r.Intn(20000))
			s.mu.Unlock()
		}
	case 3:
		return func(r *rand.Rand) {
			s.rw.RLock()
			time.Sleep(time.Duration(r.Intn(50)) * time.Microsecond)
			s.rw.RUnlock()
		}
	case 4:
		return func(*rand.Rand) {
			s.rw.Lock()
			runtime.Gosched()
			s.rw.Unlock()
		}
	case 5:
		return func(r *rand.Rand) { time.Sleep(time.Duration(r.Intn(3000)) * time.Microsecond) }
	case 6:
		return func(*rand.Rand) { runtime.Gosched() }
	case 7:
		return func(r *rand.Rand) { spin(r.Intn(15_000_000)) }
	case 8:
		return func(r *rand.Rand) { s.kept = make([]byte, r.Intn(1<<20)) }
	case 9:
		return func(*rand.Rand) { runtime.GC() }
	case 10:
		return func(*rand.Rand) {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
		}
	case 11:
		return func(r *rand.Rand) { runtime.GOMAXPROCS(1 + r.Intn(8)) }
	case 12:
		return func(*rand.Rand) {
			s.w.SetWriteDeadline(time.Now().Add(time.Millisecond))
			s.w.Write([]byte("0123456789"))
		}
	case 13:
		return func(*rand.Rand) {
			s.r.SetReadDeadline(time.Now().Add(time.Millisecond))
			s.r.Read(make([]byte, 16))
		}
	case 14:
		return func(r *rand.Rand) {
			var wg sync.WaitGroup
			for i := r.Intn(20); i > 0; i-- {
				wg.Add(1)
				go func() {
					defer wg.Done()
					runtime.Gosched()
				}()
			}
			wg.Wait()
		}
	case 15:
		return func(*rand.Rand) {
			done := make(chan bool)
			go func() {
				runtime.LockOSThread() // its thread ends with it
				close(done)
			}()
			<-done
		}
	case 16:
		return func(*rand.Rand) {
			ctx, task := trace.NewTask(context.Background(), "task")
			trace.WithRegion(ctx, "outer", func() {
				defer trace.StartRegion(ctx, "inner").End()
				trace.Log(ctx, "key", "value")
			})
			task.End()
		}
	case 17:
		return func(*rand.Rand) {
			c, err := net.Dial("tcp", s.l.Addr().String())
			if err != nil {
				return
			}
			defer c.Close()
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			c.Read(make([]byte, 1))
		}
	case 18:
		return func(*rand.Rand) {
			s.l.(*net.TCPListener).SetDeadline(time.Now().Add(time.Millisecond))
			if c, err := s.l.Accept(); err == nil {
				c.Write([]byte{1})
				c.Close()
			}
		}
	case 19:
		return func(*rand.Rand) { pull() }
	case 20:
		return func(r *rand.Rand) { debug.SetGCPercent(5 + r.Intn(200)) }
	case 21:
		return func(*rand.Rand) { pprof.Lookup("goroutine").WriteTo(io.Discard, 0) }
	case 22:
		return func(*rand.Rand) { os.ReadFile("/proc/self/status") }
	}
	return func(*rand.Rand) {
		if pprof.StartCPUProfile(io.Discard) == nil {
			time.Sleep(20 * time.Millisecond)
			pprof.StopCPUProfile()
		}
	}
}
