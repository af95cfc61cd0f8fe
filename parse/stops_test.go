package parse

import (
	"bytes"
	"context"
	"testing"

	"github.com/tracelens/tracelens/parse/tracetest"
)

// A goroutine that stops the world is stopped itself: the stop is no part of its time
// slice, and nobody of the program runs in it.
func TestStopperIsStopped(t *testing.T) {
	data := tracetest.Binary(`go 1.26
0    m1 ProcStatus p=0 status=Running
1us  m1 GoStatus g=1 status=Running
2us  m1 ProcsChange procs=1
3us  m1 GoCreate g=3 entry=main.worker
4us  m1 GoCreate g=2 entry=main.worker
1ms  m1 GoBlock reason="chan receive"
+1us m1 GoStart g=2
6ms  m1 STWBegin kind="all goroutines stack trace"
46ms m1 ProcsChange procs=1
+1us m1 STWEnd
54ms m1 GoStop reason=preempted
+1us m1 GoStart g=3
90ms m1 GoDestroy
`)
	ms := func(ns int64) int64 { return (ns + 500_000) / 1_000_000 }
	var slices []Slice
	var stopped int64
	tr, err := Read(context.Background(), bytes.NewReader(data), Options{}, func(e *Event) {
		switch e.Kind {
		case KindSlice:
			slices = append(slices, *e.Slice)
		case KindInterval:
			stopped += int64(e.Interval.Stoppers) * e.Held()
			if n := e.Interval.Stoppers; n > 0 && (!e.Interval.STW || e.Interval.User[GoRunning] != n) {
				t.Errorf("%+v: %d stoppers", *e.Interval, n)
			}
		}
	})
	if err != nil || tr.Fault != nil {
		t.Fatal(err, tr.Fault)
	}
	if ms(stopped) != 40 {
		t.Errorf("a user goroutine had the world stopped for %d ns", stopped)
	}
	var own *Slice
	for i := range slices {
		if s := &slices[i]; s.G == 2 {
			own = s
		}
	}
	if own == nil {
		t.Fatalf("no slice of goroutine 2 in %+v", slices)
	}
	// It goes on with that of goroutine 1: 6 ms, a stop of 40 ms, 8 ms.
	if ms(int64(own.End-own.Start)) != 54 || ms(own.Cut) != 46 || ms(own.Contended) != 14 || own.LateWait {
		t.Errorf("%+v", *own)
	}
}
