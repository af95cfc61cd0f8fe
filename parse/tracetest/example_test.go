package tracetest_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// A trace of two goroutines, of which one waits for the other.
func ExampleParse() {
	file, err := tracetest.Parse(`
go 1.26

0    m1 ProcStatus p=0 status=Running
0    m1 GoStatus g=1 status=Running
10us m1 GoCreate g=2 entry=main.worker stack=main.main@main.go:12
15us m1 GoBlock reason="chan receive" stack=runtime.gopark,main.main@main.go:13
+1us m1 GoStart g=2
2ms  m1 GoUnblock g=1 stack=main.worker@main.go:30
+1us m1 GoDestroy
+1us m1 GoStart g=1
`)
	if err != nil {
		log.Fatal(err)
	}
	tr, err := parse.Read(context.Background(), bytes.NewReader(file.Bytes()), parse.Options{}, func(e *parse.Event) {
		if e.Kind == parse.KindGoWaiting {
			fmt.Printf("goroutine %d waited %d ns and was woken by goroutine %d\n", e.Go.ID, e.Held(), e.Go.Waker)
		}
	})
	if err != nil || tr.Fault != nil {
		log.Fatal(err, tr.Fault)
	}
	// Output:
	// goroutine 1 waited 1985000 ns and was woken by goroutine 2
}
