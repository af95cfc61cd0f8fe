package tracetest

import (
	"fmt"
)

// KeyKinds are the kinds of Keys.
var KeyKinds = []string{"tasks", "types", "regions", "logs", "sites", "waits", "calls", "pairs", "goroutines"}

// Keys returns a trace of Go 1.26 with n of one kind of key: what a reader holds for each
// shows in its memory.
func Keys(kind string, n int) []byte {
	w := &keyWriter{Writer: NewWriter(26), now: 1000}
	main := Frame{Func: "main.main", File: "/src/main.go", Line: 10}
	loop := Frame{Func: "main.worker", File: "/src/main.go", Line: 20}
	w.here, w.entry = w.Stack(main), w.Stack(loop)
	w.waits = w.Stack(Frame{Func: "runtime.chanrecv1", File: "/go/src/runtime/chan.go", Line: 509}, loop)
	w.event(ProcStatus, 0, ProcRunning)
	w.event(GoStatus, 1, 1, GoRunning)
	w.event(ProcsChange, 1, w.here)
	for i := range uint64(n) {
		keys[kind](w, i)
	}
	w.EndGeneration()
	return w.Bytes()
}

// keys write the i-th key.
var keys = map[string]func(w *keyWriter, i uint64){
	"tasks": func(w *keyWriter, i uint64) {
		w.event(TaskBegin, i+1, 0, w.String(fmt.Sprintf("req-%d", i)), w.here)
		w.event(TaskEnd, i+1, w.here)
	},
	"types": func(w *keyWriter, i uint64) { // names that are no numbers
		w.event(TaskBegin, i+1, 0, w.String(letters(i)), w.here)
		w.event(TaskEnd, i+1, w.here)
	},
	"regions": func(w *keyWriter, i uint64) {
		name := w.String(fmt.Sprintf("row-%d", i))
		w.event(RegionBegin, 0, name, w.here)
		w.event(RegionEnd, 0, name, w.here)
	},
	"logs": func(w *keyWriter, i uint64) {
		w.event(Log, 0, w.String(fmt.Sprintf("key-%d", i)), w.String(fmt.Sprintf("value %d", i)), w.here)
	},
	"sites": func(w *keyWriter, i uint64) { // goroutines that live one after the other
		w.goroutine(i+2, w.place(i))
		w.event(GoBlock, w.String("chan receive"), w.here)
		w.event(GoStart, i+2, 1)
		w.event(GoDestroy)
		w.resume()
	},
	"waits": func(w *keyWriter, i uint64) { // each somewhere else
		w.event(GoBlock, w.String("chan receive"), w.place(i, Frame{Func: "runtime.chanrecv1", File: "/go/src/runtime/chan.go", Line: 509}))
		w.resume()
	},
	"calls": func(w *keyWriter, i uint64) { // likewise
		w.event(GoSyscallBegin, i+1, w.place(i, Frame{Func: "syscall.Read", File: "/go/src/syscall/syscall_unix.go", Line: 183}))
		w.event(GoSyscallEnd)
	},
	"pairs": func(w *keyWriter, i uint64) { // of a thousand places to wait at, each with who ends it
		if i == 0 {
			w.goroutine(2, w.here)
		} else {
			w.event(GoUnblock, 2, 2*i, w.place(1000+i/1000))
		}
		w.event(GoBlock, w.String("chan receive"), w.here)
		w.event(GoStart, 2, 2*i+1)
		w.event(GoBlock, w.String("chan receive"), w.place(i%1000, Frame{Func: "runtime.chanrecv1", File: "/go/src/runtime/chan.go", Line: 509}))
		w.resume()
	},
	"goroutines": func(w *keyWriter, i uint64) { // all blocked to the end
		w.goroutine(i+2, w.here)
		w.event(GoBlock, w.String("chan receive"), w.here)
		w.event(GoStart, i+2, 1)
		w.event(GoBlock, w.String("chan receive"), w.waits)
		w.resume()
	},
}

// keyWriter writes what goroutine 1 does on P 0 and thread 1.
type keyWriter struct {
	*Writer
	now                uint64
	starts             uint64 // of goroutine 1
	here, waits, entry uint64
}

func (w *keyWriter) event(typ Type, args ...uint64) {
	w.now += 300
	w.Event(1, w.now, typ, args...)
}

func (w *keyWriter) goroutine(id, site uint64) { w.event(GoCreate, id, w.entry, site) }

// place is a stack of its own for each number.
func (w *keyWriter) place(i uint64, inner ...Frame) uint64 {
	return w.Stack(append(inner, Frame{Func: "main.spawn" + letters(i/1000), File: "/src/main.go", Line: int(i%1000) + 1}, Frame{Func: "main.main", File: "/src/main.go", Line: 10})...)
}

// resume lets goroutine 1 go on, which the network poller wakes.
func (w *keyWriter) resume() {
	w.event(GoUnblock, 1, w.starts+1, 0)
	w.event(GoStart, 1, w.starts+2)
	w.starts += 2
}

// letters is one of letters alone for each number.
func letters(i uint64) string {
	b := []byte{'Q'}
	for ; i > 0; i /= 16 {
		b = append(b, 'g'+byte(i%16))
	}
	return string(b)
}
