// Record writes the traces beside it, of programs in which each cause is planted, so
// long that no load hides it. In the folder of the package:
//
//	go run -trimpath ./testdata/record places >testdata/places.trace
//	go run -trimpath ./testdata/record causes >testdata/causes.trace
package main

import (
	"context"
	"log"
	"os"
	"runtime/trace"
	"sync"
	"syscall"
	"time"
)

func blkLocker(mu *sync.Mutex)      { mu.Lock(); defer mu.Unlock() }
func blkUnlocker(mu *sync.Mutex)    { mu.Unlock() }
func blkReader(mu *sync.RWMutex)    { mu.RLock(); defer mu.RUnlock() }
func blkWriter(mu *sync.RWMutex)    { mu.Lock(); defer mu.Unlock() }
func blkLeave(mu *sync.RWMutex)     { mu.RUnlock() }
func blkOnce(once *sync.Once)       { once.Do(func() { time.Sleep(20 * time.Millisecond) }) }
func blkSender(c chan int)          { c <- 1 }
func blkReceiver(c chan int) int    { return <-c }
func blkPing(to, from chan int)     { to <- 1; <-from }
func blkPong(from, to chan int)     { <-from; time.Sleep(5 * time.Millisecond); to <- 1 }
func blkNil()                       { var c chan int; <-c }
func blkEmpty()                     { select {} }
func blkCond(c *sync.Cond)          { c.L.Lock(); defer c.L.Unlock(); c.Wait() }
func blkBroadcast(c *sync.Cond)     { c.L.Lock(); defer c.L.Unlock(); c.Broadcast() }
func blkPiece(wg *sync.WaitGroup)   { time.Sleep(10 * time.Millisecond); wg.Done() }
func blkJoin()                      { var wg sync.WaitGroup; wg.Add(1); go blkPiece(&wg); wg.Wait() }
func blkSync(f *os.File)            { _ = f.Sync() }
func blkRead(fd int)                { _, _ = syscall.Read(fd, make([]byte, 1)) }
func blkSleeper(wg *sync.WaitGroup) { time.Sleep(10 * time.Millisecond); wg.Done() }

func main() {
	log.SetFlags(0)
	programs := map[string]func(){"places": places, "causes": causes}
	if len(os.Args) != 2 || programs[os.Args[1]] == nil {
		log.Fatal("record places or causes")
	}
	if os.Args[1] == "causes" {
		go blkEmpty()
		time.Sleep(10 * time.Millisecond)
	}
	if err := trace.Start(os.Stdout); err != nil {
		log.Fatal(err)
	}
	programs[os.Args[1]]()
	trace.Stop()
}

// places lets one goroutine wait in each of the functions above.
func places() {
	pause := func() { time.Sleep(10 * time.Millisecond) }
	var mu sync.Mutex
	mu.Lock()
	go blkLocker(&mu)
	pause()
	blkUnlocker(&mu)
	var rw sync.RWMutex
	rw.RLock()
	go blkWriter(&rw)
	pause()
	go blkReader(&rw)
	pause()
	blkLeave(&rw)
	var once sync.Once
	go blkOnce(&once)
	pause()
	go blkOnce(&once)
	c := make(chan int)
	go blkSender(c)
	pause()
	blkReceiver(c)
	to, from := make(chan int), make(chan int)
	go blkPong(to, from)
	pause()
	go blkPing(to, from)
	go blkNil()
	go blkEmpty()
	var wg sync.WaitGroup
	wg.Add(1)
	go blkSleeper(&wg)
	wg.Wait()
	cond := sync.NewCond(new(sync.Mutex))
	go blkCond(cond)
	pause()
	blkBroadcast(cond)
	go blkJoin()
	f, err := os.CreateTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	blkSync(f)
	blkRead(int(f.Fd()))
	pause()
	pause()
}

// causes has a slow reader of a lock that is also written, slow requests among quick
// ones, and tasks that are forgotten.
func causes() {
	var rw sync.RWMutex
	var wg sync.WaitGroup
	stop := time.Now().Add(600 * time.Millisecond)
	for range 12 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				blkReader(&rw)
				time.Sleep(time.Millisecond)
			}
		})
	}
	wg.Go(func() {
		for time.Now().Before(stop) {
			rw.RLock()
			time.Sleep(30 * time.Millisecond) // the slow reader
			rw.RUnlock()
			time.Sleep(5 * time.Millisecond)
		}
	})
	wg.Go(func() {
		for time.Now().Before(stop) {
			blkWriter(&rw)
			time.Sleep(5 * time.Millisecond)
		}
	})
	for range 12 {
		trace.NewTask(context.Background(), "forgotten")
	}
	for i := range 150 {
		_, task := trace.NewTask(context.Background(), "request")
		if i%30 == 7 {
			time.Sleep(50 * time.Millisecond)
		}
		task.End()
	}
	wg.Wait()
}
