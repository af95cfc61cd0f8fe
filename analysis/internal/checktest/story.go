package checktest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// A Story is what goroutines do, each on a P of its own, to be told as a trace.
type Story struct {
	length int64
	actors []*Actor
	acts   []act
}

// An Actor is a goroutine that runs from the start of the trace on, but for what it is
// told to do else.
type Actor struct {
	story *Story
	entry string
	id    uint64 // of G and M; P's is less by firstActor
	seq   uint64
	pseq  uint64
	delay int64 // from the end of a wait to running again
	born  bool  // in the trace
}

// firstActor is the id of the first goroutine: 2 to 4 are the runtime's.
const firstActor = 10

// act is one event of a story.
type act struct {
	at    int64
	by    *Actor // in whose context; nil for the scheduler
	typ   tracetest.Type
	of    *Actor // GoUnblock, GoStart
	stack []string
}

// Tell returns the trace of a story of that length in ns, and its events. Stacks are
// written innermost first without the entry function, "main.get:59" with a line.
func Tell(t testing.TB, length int64, story func(*Story)) *Trace {
	t.Helper()
	s := &Story{length: length}
	story(s)
	tr := &Trace{}
	got, err := parse.Read(context.Background(), bytes.NewReader(s.bytes()), parse.Options{}, func(e *parse.Event) { tr.Happened = append(tr.Happened, e.Clone()) })
	if err != nil {
		t.Fatal(err)
	}
	if got.Fault != nil || got.Quality.StateMismatch+got.Quality.ProcMismatch > 0 {
		t.Fatalf("the story is not sound: %v %+v", got.Fault, got.Quality)
	}
	tr.Trace = *got
	return tr
}

// Go adds a goroutine with that entry function.
func (s *Story) Go(entry string) *Actor {
	a := &Actor{story: s, entry: entry, id: uint64(len(s.actors)) + firstActor, delay: 100}
	s.actors = append(s.actors, a)
	return a
}

// Delay sets how long it takes to run again after a wait.
func (a *Actor) Delay(ns int64) *Actor {
	a.delay = ns
	return a
}

func (s *Story) add(at int64, by *Actor, typ tracetest.Type, of *Actor, stack []string) {
	s.acts = append(s.acts, act{at, by, typ, of, stack})
}

// Wait lets it wait somewhere, until another one ends that at a stack, written in one with
// spaces between, or for nil a timer or the network.
func (a *Actor) Wait(from, to int64, by *Actor, byStack string, stack ...string) {
	a.Block(from, stack...)
	a.story.add(to, by, tracetest.GoUnblock, a, strings.Split(byStack, " "))
	a.story.add(to+a.delay, a, tracetest.GoStart, a, nil)
}

// Block lets it wait from then on.
func (a *Actor) Block(from int64, stack ...string) {
	a.story.add(from, a, tracetest.GoBlock, nil, stack)
}

// Start lets it start a goroutine with that entry function.
func (a *Actor) Start(at int64, entry string, stack ...string) *Actor {
	child := a.story.Go(entry)
	child.born = true
	a.story.add(at, a, tracetest.GoCreate, child, stack)
	a.story.add(at+child.delay, child, tracetest.GoStart, child, nil)
	return child
}

// End lets it end.
func (a *Actor) End(at int64) { a.story.add(at, a, tracetest.GoDestroy, nil, nil) }

// Preempt stops it at a stack for a moment.
func (a *Actor) Preempt(at int64, stack ...string) {
	a.story.add(at, a, tracetest.GoStop, nil, stack)
	a.story.add(at+a.delay, a, tracetest.GoStart, a, nil)
}

// Call lets it be in a system call, with its P.
func (a *Actor) Call(from, to int64, stack ...string) {
	a.story.add(from, a, tracetest.GoSyscallBegin, nil, stack)
	a.story.add(to, a, tracetest.GoSyscallEnd, nil, nil)
}

// frames writes a stack out, with the files that such functions have.
func frames(stack []string, entry string) (out []tracetest.Frame) {
	if entry != "" {
		stack = append(slices.Clone(stack), entry)
	}
	for _, name := range stack {
		fn, no, _ := strings.Cut(name, ":")
		line, _ := strconv.Atoi(no)
		f := tracetest.Frame{Func: fn, File: "/src/app/main.go", Line: max(line, 1)}
		switch {
		case strings.HasPrefix(fn, "golang.org/"):
			f.File = "/go/pkg/mod/golang.org/x@v1.0.0/x.go"
		case parse.IsStd(fn):
			f.File = "/usr/local/go/src/x.go"
		}
		out = append(out, f)
	}
	return out
}

// reasonOf is the reason of a wait by its innermost function.
func reasonOf(stack []string) string {
	switch fn := stack[0]; {
	case strings.HasPrefix(fn, "runtime.chansend"):
		return "chan send"
	case strings.HasPrefix(fn, "runtime.chanrecv"):
		return "chan receive"
	case fn == "runtime.selectgo":
		return "select"
	case fn == "time.Sleep":
		return "sleep"
	case strings.HasPrefix(fn, "internal/poll.(*FD)."):
		return "network"
	case fn == "sync.(*Cond).Wait":
		return fn
	case strings.HasPrefix(fn, "sync."):
		return "sync"
	}
	panic(fmt.Sprintf("nobody waits in %s", stack[0]))
}

func (s *Story) bytes() []byte {
	w := tracetest.NewWriter(26)
	const from = uint64(1_000_000)
	at := from
	for _, a := range s.actors {
		w.Event(a.id, at, tracetest.ProcStatus, a.id-firstActor, tracetest.ProcRunning)
		if !a.born {
			w.Event(a.id, at+1, tracetest.GoStatus, a.id, a.id, tracetest.GoRunning)
		}
		at += 2
	}
	w.Event(s.actors[0].id, at, tracetest.ProcsChange, uint64(len(s.actors)), 0)
	for _, a := range s.actors {
		s.add(s.length-1, a, 0, nil, nil)
	}
	slices.SortStableFunc(s.acts, func(a, b act) int { return cmp.Compare(a.at, b.at) })
	waiting := make(map[*Actor]bool)
	for _, e := range s.acts {
		if e.at >= s.length {
			continue
		}
		at = max(at+1, from+uint64(e.at))
		m := uint64(5) // of the scheduler
		if e.by != nil {
			m = e.by.id
		}
		entry := ""
		if e.by != nil {
			entry = e.by.entry
		}
		switch e.typ {
		case 0: // it is named, if it was not
			if !waiting[e.by] {
				w.Event(m, at, tracetest.GoStop, w.String("preempted"), w.Stack(frames(nil, entry)...))
			}
		case tracetest.GoBlock:
			waiting[e.by] = true
			w.Event(m, at, e.typ, w.String(reasonOf(e.stack)), w.Stack(frames(e.stack, entry)...))
		case tracetest.GoDestroy:
			waiting[e.by] = true
			w.Event(m, at, e.typ)
		case tracetest.GoStop:
			waiting[e.by] = true
			w.Event(m, at, e.typ, w.String("preempted"), w.Stack(frames(e.stack, entry)...))
		case tracetest.GoCreate:
			w.Event(m, at, e.typ, e.of.id, w.Stack(frames(nil, e.of.entry)...), w.Stack(frames(e.stack, entry)...))
		case tracetest.GoUnblock:
			e.of.seq++
			stack := uint64(0)
			if e.by != nil {
				stack = w.Stack(frames(e.stack, entry)...)
			}
			w.Event(m, at, e.typ, e.of.id, e.of.seq, stack)
		case tracetest.GoStart:
			waiting[e.of] = false
			e.of.seq++
			w.Event(m, at, e.typ, e.of.id, e.of.seq)
		case tracetest.GoSyscallBegin:
			waiting[e.by] = true
			e.by.pseq++
			w.Event(m, at, e.typ, e.by.pseq, w.Stack(frames(e.stack, entry)...))
		case tracetest.GoSyscallEnd:
			waiting[e.by] = false
			w.Event(m, at, e.typ)
		}
	}
	w.EndGeneration()
	return w.Bytes()
}
