package parse

import (
	"bytes"
	"context"
	"testing"

	"github.com/tracelens/tracelens/parse/tracetest"
)

// Statuses that the tracer writes late do not hold up the next generation, and what is
// recorded out of time is moved and counted.
func TestSwitchOfGenerations(t *testing.T) {
	for _, version := range []string{"1.22", "1.26"} {
		for _, c := range []struct {
			last           string // event of the first generation
			moved          int64
			most           int64 // µs, as are the others: the largest move
			unblocked, ran int64 // when goroutine 1 readied goroutine 9, and when it stopped
		}{
			{"10ms m1 HeapAlloc bytes=5", 0, 0, 20_000, 30_000},
			{"25ms m1 HeapAlloc bytes=5", 1, 5_000, 25_000, 30_000},
		} {
			data := tracetest.Binary("go " + version + `
0    m1 ProcStatus p=0 status=Running
0    m1 GoStatus g=1 status=Running
` + c.last + `
150ms none GoStatus g=9 status=Waiting
generation at=20ms
20ms m1 GoUnblock g=9
30ms m1 GoBlock reason="chan receive"
200ms m1 GoStart g=9
201ms m1 GoDestroy
`)
			var unblocked, ran, across Time
			tr, err := Read(context.Background(), bytes.NewReader(data), Options{}, func(e *Event) {
				switch {
				case e.Kind == KindGoWaiting && e.Go.ID == 9:
					unblocked = e.Time
				case e.Kind == KindGoRunning && e.Go.ID == 1:
					ran = e.Time
				case e.Kind == KindInterval && e.Interval.Switch:
					across = e.Time
				}
			})
			if err != nil || tr.Fault != nil {
				t.Fatal(version, err, tr.Fault)
			}
			since := func(at Time) int64 { return (int64(at-tr.First) + 500) / 1000 }
			if q := tr.Quality; q.Moved != c.moved || (q.LargestMove+500)/1000 != c.most {
				t.Errorf("%s, %s: %d events moved by up to %d ns, want %d, %d µs", version, c.last, q.Moved, q.LargestMove, c.moved, c.most)
			}
			if since(unblocked) != c.unblocked || since(ran) != c.ran || across != unblocked {
				t.Errorf("%s, %s: goroutine 9 is readied at %d µs, 1 stops at %d; want %d, %d; the switch is in what ends at %d", version, c.last, since(unblocked), since(ran), c.unblocked, c.ran, since(across))
			}
		}
	}
}
