package parse_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

// eventHash adds up events, with all they point to.
func eventHash(t *testing.T, kinds parse.Kinds) (sink parse.Sink, sum func() uint64) {
	h := fnv.New64()
	return parse.Sink{Kinds: kinds, Event: func(e *parse.Event) {
		if !kinds.Has(e.Kind) {
			t.Errorf("an event of kind %d, which is not in %b", e.Kind, kinds)
		}
		c := e.Clone()
		text, err := json.Marshal(&c)
		if err != nil {
			t.Error(err)
		}
		h.Write(text)
	}}, h.Sum64
}

// TestReadTo: each of several sinks gets the events that a single one gets, of the
// kinds it wants, and the trace is the same.
func TestReadTo(t *testing.T) {
	before := runtime.NumGoroutine()
	gos, procs := parse.KindsGo, parse.KindsOf(parse.KindProc, parse.KindInterval, parse.KindSlice, parse.KindProcLife)
	for _, name := range []string{"mixed-go121", "mixed-go126", "heartbeat", "stw-kinds", "coroutines"} {
		data, err := os.ReadFile(testdata + "/" + name + ".trace")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			what string
			data []byte
			opt  parse.Options
		}{
			{"whole", data, parse.Options{}},
			{"a window", data, parse.Options{From: 10 * time.Millisecond, To: 40 * time.Millisecond}},
			{"cut", data[:len(data)*3/4], parse.Options{}},
		} {
			var want []uint64
			var wantTrace string
			for _, kinds := range []parse.Kinds{parse.AllKinds, gos, procs} {
				sink, sum := eventHash(t, kinds)
				tr, err := parse.ReadTo(context.Background(), bytes.NewReader(c.data), c.opt, sink)
				want = append(want, sum())
				wantTrace = describe(tr, err)
			}
			all, allSum := eventHash(t, parse.AllKinds)
			some, someSum := eventHash(t, gos)
			rest, restSum := eventHash(t, procs)
			tr, err := parse.ReadTo(context.Background(), bytes.NewReader(c.data), c.opt, all, some, rest)
			if got := describe(tr, err); got != wantTrace {
				t.Errorf("%s, %s: trace\n%s, want\n%s", name, c.what, got, wantTrace)
			}
			if allSum() != want[0] || someSum() != want[1] || restSum() != want[2] {
				t.Errorf("%s, %s: the sinks got other events than one alone", name, c.what)
			}
		}
	}
	analysistest.Ended(t, before)
}

// describe is what is known of a trace but for its symbols.
func describe(tr *parse.Trace, err error) string {
	if err != nil {
		return err.Error()
	}
	c := *tr
	c.Symbols = nil
	text, err := json.Marshal(&c)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// TestReadToEnds: whatever ends the reading, no goroutine is left, and what a sink
// panics with reaches the caller.
func TestReadToEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	data, err := os.ReadFile(testdata + "/netpoll-echo.trace")
	if err != nil {
		t.Fatal(err)
	}
	ignore := parse.Sink{Kinds: parse.AllKinds, Event: func(*parse.Event) {}}
	for after := range 40 {
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		stop := parse.Sink{Kinds: parse.AllKinds, Event: func(*parse.Event) {
			if n++; n == 500*after+1 {
				cancel()
			}
		}}
		if _, err := parse.ReadTo(ctx, bytes.NewReader(data), parse.Options{}, ignore, stop, ignore); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled after %d events: %v", n, err)
		}
		cancel()
	}
	func() {
		defer func() {
			if v := recover(); v == nil || !strings.Contains(v.(string), "a fault in a sink") {
				t.Errorf("recovered %v", v)
			}
		}()
		n := 0
		bad := parse.Sink{Kinds: parse.KindsGo, Event: func(*parse.Event) {
			if n++; n == 1000 {
				panic("a fault in a sink")
			}
		}}
		parse.ReadTo(context.Background(), bytes.NewReader(data), parse.Options{}, ignore, bad)
	}()
	analysistest.Ended(t, before)
}
