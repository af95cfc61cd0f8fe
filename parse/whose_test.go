package parse

import (
	"bytes"
	"context"
	"testing"

	"github.com/tracelens/tracelens/parse/tracetest"
)

// whose is what a trace says of whose time it is.
type whose struct {
	procs   [NumProcStates]int64 // µs
	user    [NumGoStates]int64   // of goroutines of the program, by the intervals
	spans   map[GoID][]string    // class and states
	outside map[GoID]int64
	names   map[GoID]string
}

func readWhose(t *testing.T, text string) whose {
	t.Helper()
	w := whose{spans: make(map[GoID][]string), outside: make(map[GoID]int64), names: make(map[GoID]string)}
	fns := make(map[GoID]StringID)
	tr, err := ReadTo(context.Background(), bytes.NewReader(tracetest.Binary(text)), Options{}, Sink{
		Kinds: KindsGo | KindsOf(KindProc, KindInterval, KindGoLife),
		Event: func(e *Event) {
			switch e.Kind {
			case KindProc:
				w.procs[e.Proc.From] += (e.Held() + 500) / 1000
			case KindInterval:
				for s, n := range e.Interval.User {
					w.user[s] += int64(n) * e.Held()
				}
			case KindGoLife:
				w.outside[e.GoLife.ID] += (e.GoLife.Outside + 500) / 1000
				fns[e.GoLife.ID] = e.GoLife.Func
			default:
				word := e.Go.Class.String() + " " + e.Go.From.String()
				if e.Go.Outside && e.Go.From == GoSyscall {
					word = "outside"
				}
				w.spans[e.Go.ID] = append(w.spans[e.Go.ID], word)
			}
		},
	})
	if err != nil || tr.Fault != nil {
		t.Fatal(err, tr.Fault)
	}
	for s := range w.user {
		w.user[s] = (w.user[s] + 500) / 1000
	}
	for id, fn := range fns {
		w.names[id] = tr.String(fn)
	}
	return w
}

func (w *whose) check(t *testing.T, id GoID, want ...string) {
	t.Helper()
	got := w.spans[id]
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("goroutine %d: spans are %q, want %q", id, got, want)
		}
	}
}

// What a finalizer does is the program's, also where it is blocked; what its goroutine
// does between them is not.
func TestFinalizersAreThePrograms(t *testing.T) {
	for version, fn := range map[string]string{"1.22": "runtime.runfinq", "1.26": "runtime.runFinalizers"} {
		w := readWhose(t, "go "+version+`
0    m1 ProcStatus p=0 status=Running
0    m1 GoStatus g=1 status=Running
1ms  m1 GoUnblock g=5
2ms  m1 GoBlock reason="chan receive" stack=main.main
3ms  m1 GoStart g=5
13ms m1 GoStop reason=preempted stack=main.(*conn).finalize,`+fn+`
14ms m1 GoStart g=5
20ms m1 GoBlock reason="chan send" stack=runtime.chansend1,main.(*conn).finalize,`+fn+`
30ms m2 ProcStart p=1
31ms m2 GoUnblock g=5
32ms m1 GoStart g=5
40ms m1 GoBlock reason="system goroutine wait" stack=runtime.goparkunlock,`+fn+`
50ms m1 ProcStop
`)
		w.check(t, 5, "system waiting", "user runnable", "user running", "user runnable", "user running", "user waiting", "user runnable", "user running", "system waiting")
		if w.procs[ProcUser] != 2000+10_000+6000+8000 || w.procs[ProcSystem] != 0 || w.user[GoRunning] != w.procs[ProcUser] {
			t.Errorf("%s: Ps by state (µs): %v, goroutines of the program: %v", version, w.procs, w.user)
		}
		if w.names[5] != fn {
			t.Errorf("%s: its name is %q", version, w.names[5])
		}
	}
}

// A thread of C that called into Go is outside between its calls.
func TestCallsFromC(t *testing.T) {
	const text = `
0     m1 ProcStatus p=0 status=Running
0     m1 GoStatus g=1 status=Running
1ms   m2 GoCreateSyscall g=9
2ms   m2 ProcStart p=1
2ms   m2 GoSyscallEndBlocked
+1ns  m2 GoStart g=9
5ms   m2 GoStop reason=preempted stack=main.work,_cgoexp_work,runtime.cgocallbackg1,runtime.cgocallback
6ms   m2 GoStart g=9
8ms   m2 GoSyscallBegin stack=syscall.write,main.work,_cgoexp_work,runtime.cgocallbackg1,runtime.cgocallback
10ms  m2 GoSyscallEnd
12ms  m2 GoSyscallBegin
32ms  m2 GoSyscallEnd
33ms  m2 GoSyscallBegin
40ms  m1 GoSyscallBegin stack=syscall.read,main.main
`
	w := readWhose(t, "go 1.26"+text)
	w.check(t, 9, "user not-exist", "outside", "user runnable", "user running", "user runnable", "user running", "user syscall", "user running", "outside", "user running", "outside")
	if w.outside[9] != 1000+20_000+7000 || w.user[GoSyscall] != 2000 {
		t.Errorf("goroutine 9 was outside Go for %d µs, goroutines of the program were in calls for %d", w.outside[9], w.user[GoSyscall])
	}
	if w.names[9] != "runtime.cgocallback" {
		t.Errorf("its name is %q", w.names[9])
	}
}

// Goroutines that a group starts go by what it was given, also those that show no stack
// of their own, and are told apart by where they were started.
func TestGroupsGoByWhatTheyAreGiven(t *testing.T) {
	for _, version := range []string{"1.22", "1.26"} {
		w := readWhose(t, "go "+version+`
0     m1 ProcStatus p=0 status=Running
0     m1 GoStatus g=1 status=Running
1ms   m1 GoCreate g=11 entry=sync.(*WaitGroup).Go.func1 stack=sync.(*WaitGroup).Go,main.all:3
+1us  m1 GoCreate g=12 entry=sync.(*WaitGroup).Go.func1 stack=sync.(*WaitGroup).Go,main.all:3
+1us  m1 GoCreate g=13 entry=sync.(*WaitGroup).Go.func1 stack=sync.(*WaitGroup).Go,main.all:5
+1us  m1 GoCreate g=14 entry=sync.(*WaitGroup).Go.func1 stack=sync.(*WaitGroup).Go,main.each:9
+1us  m1 GoCreate g=15 entry=sync.(*WaitGroup).Go.func1 stack=sync.(*WaitGroup).Go,main.each:9
+1us  m1 GoCreate g=16 entry=sync.(*WaitGroup).Go.func1 stack=sync.(*WaitGroup).Go,main.rest:2
+1us  m1 GoUnblock g=17 stack=main.main
2ms   m1 GoBlock reason=sync stack=sync.(*WaitGroup).Wait,main.main
3ms   m1 GoStart g=12
4ms   m1 GoDestroy
5ms   m1 GoStart g=11
6ms   m1 GoStop reason=preempted stack=main.parse,main.all.func1,sync.(*WaitGroup).Go.func1
7ms   m1 GoStart g=13
8ms   m1 GoBlock reason="chan receive" stack=main.(*pool).worker,sync.(*WaitGroup).Go.func1
9ms   m1 GoStart g=14
10ms  m1 GoBlock reason="chan receive" stack=main.one,sync.(*WaitGroup).Go.func1
11ms  m1 GoStart g=15
12ms  m1 GoBlock reason="chan receive" stack=main.other,sync.(*WaitGroup).Go.func1
13ms  m1 GoStart g=16
14ms  m1 GoDestroy
15ms  m1 GoStart g=17
16ms  m1 GoBlock reason="chan receive" stack=main.earlier,sync.(*WaitGroup).Go.func1
`)
		const group = "sync.(*WaitGroup).Go.func1"
		for id, want := range map[GoID]string{
			11: "main.parse", 12: "main.parse", 13: "main.(*pool).worker", 17: "main.earlier",
			14: group, 15: group, 16: group, // given several, or not told
		} {
			if w.names[id] != want {
				t.Errorf("go %s: goroutine %d goes by %q, want %q", version, id, w.names[id], want)
			}
		}
	}
}
