package parse

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/tracelens/tracelens/parse/tracetest"
)

// A goroutine that wakes shortly before a switch of generations shows its first stack in
// the next one; where that is cut, it has no name, and what is whole is read.
func TestNamedByNextGeneration(t *testing.T) {
	for _, version := range []string{"1.22", "1.26"} {
		data := tracetest.Binary("go " + version + `
0    m1 ProcStatus p=0 status=Running
0    m1 GoStatus g=1 status=Running
5ms  m1 GoStatus g=9 status=Waiting
5ms  m1 GoUnblock g=9
6ms  m1 GoStatus g=8 status=Waiting
6ms  m1 GoUnblock g=8
7ms  m1 GoBlock reason="chan receive" stack=main.main
8ms  m1 GoStart g=8
8ms  m1 GoDestroy
9ms  m1 GoStart g=9
generation at=20ms
21ms m1 GoBlock reason="chan receive" stack=main.late,main.worker
`)
		names := func(data []byte) (*Trace, map[GoID]string, error) {
			fns := make(map[GoID]StringID) // of each goroutine's first span
			tr, err := ReadTo(context.Background(), bytes.NewReader(data), Options{}, Sink{Kinds: KindsGo, Event: func(e *Event) {
				if _, ok := fns[e.Go.ID]; !ok {
					fns[e.Go.ID] = e.Go.Func
				}
			}})
			named := make(map[GoID]string)
			for id, fn := range fns {
				named[id] = tr.String(fn)
			}
			return tr, named, err
		}
		tr, named, err := names(data)
		if err != nil || tr.Fault != nil {
			t.Fatal(version, err, tr.Fault)
		}
		if named[9] != "main.worker" || named[8] != "" || named[1] != "main.main" {
			t.Errorf("%s: names are %v", version, named)
		}
		tr, named, err = names(data[:len(data)-10])
		if err != nil || !errors.Is(tr.Fault, ErrTruncated) || tr.Generations != 1 {
			t.Fatal(version, err, tr.Fault, tr.Generations)
		}
		if named[9] != "" || named[1] != "main.main" {
			t.Errorf("%s: names of a cut trace are %v", version, named)
		}
	}
}

// A generation that was searched for names as the next one is searched anew in its turn:
// what ran last on a thread, and has shown no stack, does not get that of the thread's
// first event.
func TestSearchedTwice(t *testing.T) {
	data := tracetest.Binary(`go 1.26
0    m1 ProcStatus p=0 status=Running
0    m1 GoStatus g=1 status=Running
5ms  m1 GoStatus g=7 status=Waiting
6ms  m1 GoStatus g=6 status=Waiting
7ms  m1 GoUnblock g=7
generation at=20ms
21ms m2 GoUnblock g=6 stack=main.poll
21ms m2 ProcStatus p=1 status=Running
22ms m2 GoStart g=7
generation at=40ms
41ms m2 GoBlock reason="chan receive" stack=main.receive,main.seven
42ms m2 GoStart g=6
43ms m1 GoStop reason=preempted stack=main.main
43ms m2 GoBlock reason="chan receive" stack=main.receive,main.six
`)
	names := make(map[GoID]StringID)
	tr, err := ReadTo(context.Background(), bytes.NewReader(data), Options{}, Sink{Kinds: KindsOf(KindGoLife), Event: func(e *Event) {
		names[e.GoLife.ID] = e.GoLife.Func
	}})
	if err != nil || tr.Fault != nil {
		t.Fatal(err, tr.Fault)
	}
	if six, seven := tr.String(names[6]), tr.String(names[7]); six != "main.six" || seven != "main.seven" {
		t.Errorf("the names are %q and %q", six, seven)
	}
}
