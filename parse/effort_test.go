package parse_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// TestEffort: a trace whose bytes make far more work than those of others do is refused
// where that begins, and what came before is read.
func TestEffort(t *testing.T) {
	const spanAlloc = tracetest.Type(129)
	for name, c := range map[string]struct {
		write func(w *tracetest.Writer, at func() uint64)
		want  string
	}{
		"an event that waits for ever, beside many threads": {func(w *tracetest.Writer, at func() uint64) {
			w.Event(7, at(), tracetest.GoStart, 99, 1)
			for range 2 {
				for m := range uint64(20_000) {
					w.Event(100+m, at(), spanAlloc, 1, 2, 3)
				}
			}
		}, "wait for one another"},
		"GOMAXPROCS to and fro": {func(w *tracetest.Writer, at func() uint64) {
			for range 300 {
				w.Event(1, at(), tracetest.ProcsChange, 65_535, 0)
				w.Event(1, at(), tracetest.ProcsChange, 1, 0)
			}
		}, "more goroutines, Ps or regions"},
		"regions that end in the order in which they began": {func(w *tracetest.Writer, at func() uint64) {
			for _, typ := range []tracetest.Type{tracetest.RegionBegin, tracetest.RegionEnd} {
				for i := range uint64(20_000) {
					w.Event(1, at(), typ, i, w.String("region"), 0)
				}
			}
		}, "more goroutines, Ps or regions"},
	} {
		w := tracetest.NewWriter(23)
		now := uint64(1000)
		at := func() uint64 { now += 20; return now }
		w.Event(1, at(), tracetest.ProcStatus, 0, tracetest.ProcRunning)
		w.Event(1, at(), tracetest.GoStatus, 1, 1, tracetest.GoRunning)
		c.write(w, at)
		w.EndGeneration()
		tr, err := parse.Read(context.Background(), bytes.NewReader(w.Bytes()), parse.Options{}, func(*parse.Event) {})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !errors.Is(tr.Fault, parse.ErrCorrupt) || !strings.Contains(fmt.Sprint(tr.Fault), c.want) || tr.Events < 20 {
			t.Errorf("%s: %d events, fault %v; want %q", name, tr.Events, tr.Fault, c.want)
		}
	}
}
