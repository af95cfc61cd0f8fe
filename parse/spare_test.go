package parse

import (
	"bytes"
	"context"
	"os"
	"reflect"
	"slices"
	"testing"
)

// What the memory that another trace left holds does not show.
func TestSpare(t *testing.T) {
	data, err := os.ReadFile("../testdata/traces/http-healthy.trace")
	if err != nil {
		t.Fatal(err)
	}
	read := func() (told []Event, paths [][]RequestPart) {
		_, err := Read(context.Background(), bytes.NewReader(data), Options{}, func(e *Event) {
			told = append(told, Event{Time: e.Time, Kind: e.Kind, G: e.G, P: e.P})
			if e.Kind == KindRequest {
				paths = append(paths, slices.Clone(e.Request.Parts))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return told, paths
	}
	want, paths := read()
	if len(paths) == 0 {
		t.Fatal("no requests")
	}
	for range 8 { // the pool may drop some
		s := borrow(nil)
		for k := range s.rings {
			s.rings[k] = make([]step, fewSteps<<(2*k))
			for i := range s.rings[k] {
				s.rings[k][i] = step{since: -1, g: 1, fn: 1, body: 1, stack: 1, back: 1, state: GoRunning, ready: 1, cause: 1, woken: true}
			}
		}
		for i := range s.events {
			s.events[i].Op, s.events[i].From, s.events[i].Values = 1, 1, [2]uint64{1, 1}
		}
		s.walk.parts = append(s.walk.parts, RequestPart{From: 1, To: 2, G: 3})
		s.giveBack()
	}
	got, gotPaths := read()
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(gotPaths, paths) {
		t.Error("a trace is read otherwise with the memory of another")
	}
}
