package measures

import (
	"bytes"
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// TestKindsSum: the lives of the kinds are those of the program's goroutines, to the
// nanosecond, and their parts sum to them; so does the time that one ran alone.
func TestKindsSum(t *testing.T) {
	for _, name := range []string{"mixed-go121", "mixed-go122", "mixed-go126", "http-healthy", "flight-recorder", "straggler", "gomaxprocs-change"} {
		tr, evs := analysistest.Events(t, analysistest.Testdata(t, name))
		p := analysis.NewPartial([]*analysis.Analyzer{Parallelism, Kinds})
		var want, n int64
		bodied := make(map[parse.GoID]int64) // of the runtime's goroutines that ran the program's functions
		for i := range evs {
			e := &evs[i]
			p.Event(e)
			switch {
			case e.Kind == parse.KindGoLife && e.GoLife.Class == parse.ClassUser:
				n++
				for _, ns := range e.GoLife.Spent {
					want += ns
				}
			case e.Kind == parse.KindGoLife && e.GoLife.Body != 0:
				n++
				want += bodied[e.GoLife.ID] + e.GoLife.Spent[parse.GoRunning] + e.GoLife.Spent[parse.GoRunnable]
			case (e.Kind == parse.KindGoWaiting || e.Kind == parse.KindGoSyscall) && e.Go.Body != 0:
				bodied[e.Go.ID] += e.Held()
			}
		}
		var life, count, alone int64
		for _, k := range newKinds(tr, p.Folds[Kinds].(*KindsFold)).All {
			life += k.Life
			count += k.Count
			alone += k.Alone
			var parts, states int64
			for _, s := range k.Stays {
				parts += s.NS
			}
			for _, ns := range k.State {
				states += ns
			}
			if parts != k.Life || states != k.Life || k.Parked > k.Life {
				t.Errorf("%s: %s: parts sum to %d, states to %d of %d", name, k.Name, parts, states, k.Life)
			}
		}
		par := p.Folds[Parallelism].(*ParallelismFold)
		par.settle()
		if one := par.Alone(); alone != one || one == 0 {
			t.Errorf("%s: one goroutine ran alone for %d ns, those of kinds for %d", name, one, alone)
		}
		if life != want || count != n {
			t.Errorf("%s: %d goroutines lived %d ns, kinds say %d and %d", name, n, want, count, life)
		}
	}
}

// TestKindsOutside: between finalizers their goroutine has nothing to do, and a thread of C
// between its calls into Go is no part of a life.
func TestKindsOutside(t *testing.T) {
	data := tracetest.Binary(`go 1.26
0     m1 ProcStatus p=0 status=Running
0     m1 GoStatus g=1 status=Running
1ms   m1 GoUnblock g=5
2ms   m1 GoBlock reason="chan receive" stack=main.main
3ms   m1 GoStart g=5
5ms   m1 GoBlock reason="chan send" stack=runtime.chansend1,main.(*conn).finalize,runtime.runFinalizers
9ms   m2 ProcStart p=1
10ms  m2 GoUnblock g=5
11ms  m1 GoStart g=5
12ms  m1 GoBlock reason="system goroutine wait" stack=runtime.goparkunlock,runtime.runFinalizers
20ms  m3 GoCreateSyscall g=9
21ms  m3 ProcStart p=2
21ms  m3 GoSyscallEndBlocked
+1ns  m3 GoStart g=9
24ms  m3 GoStop reason=preempted stack=main.work,_cgoexp_work@_cgo_gotypes.go:1,runtime.cgocallbackg1,runtime.cgocallback
25ms  m3 GoStart g=9
26ms  m3 GoSyscallBegin
32ms  m3 GoSyscallEnd
33ms  m3 GoSyscallBegin
40ms  m2 ProcStop
`)
	p := analysis.NewPartial([]*analysis.Analyzer{Kinds, Syscalls})
	tr, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, p.Event)
	if err != nil || tr.Fault != nil {
		t.Fatal(err, tr.Fault)
	}
	const ms = 1e6
	found := 0
	for _, k := range newKinds(tr, p.Folds[Kinds].(*KindsFold)).All {
		round := func(ns int64) int64 { return (ns + ms/2) / ms }
		switch k.Name {
		case "main.(*conn).finalize":
			found++ // since it was seen in a finalizer; it waits from 12 to 40 ms
			if round(k.Life) != 39 || round(k.Parked) != 28 || round(k.State[parse.GoRunning]) != 3 {
				t.Errorf("finalizers: life %d, parked %d, states %v", k.Life, k.Parked, k.State)
			}
		case "main.work":
			found++
			if round(k.Life) != 6 || k.State[parse.GoSyscall] != 0 || round(k.State[parse.GoRunning]) != 5 {
				t.Errorf("called by C: life %d, states %v", k.Life, k.State)
			}
		}
	}
	if calls := p.Folds[Syscalls].(*SyscallsFold); found != 2 || calls.calls != 0 || calls.durations.N() != 0 || len(calls.sites.ByKey()) != 0 {
		t.Errorf("%d kinds of 2; %d calls, %d that ended", found, calls.calls, calls.durations.N())
	}
}

// TestKindsOfClosures: what all goroutines of a closure are about goes for those that show
// no stack, too, and does not depend on which stack one shows.
func TestKindsOfClosures(t *testing.T) {
	data := tracetest.Binary(`go 1.26
0     m1 ProcStatus p=0 status=Running
0     m1 GoStatus g=1 status=Running
1ms   m1 GoCreate g=11 entry=main.all.func1 stack=main.all,main.main
+1us  m1 GoCreate g=12 entry=main.all.func1 stack=main.all,main.main
+1us  m1 GoCreate g=13 entry=main.each.func1 stack=main.each,main.main
+1us  m1 GoCreate g=14 entry=main.each.func1 stack=main.each,main.main
+1us  m1 GoCreate g=15 entry=main.two.func1 stack=main.two,main.main
+1us  m1 GoCreate g=16 entry=main.two.func1 stack=main.two,main.main
+1us  m1 GoCreate g=17 entry=main.two.func1 stack=main.two,main.main
2ms   m1 GoBlock reason=sync stack=sync.(*WaitGroup).Wait,main.main
3ms   m1 GoStart g=11
4ms   m1 GoStop reason=preempted stack=main.render,main.all.func1
5ms   m1 GoStart g=12
6ms   m1 GoDestroy
7ms   m1 GoStart g=13
8ms   m1 GoStop reason=preempted stack=main.render,main.each.func1
9ms   m1 GoStart g=14
10ms  m1 GoUnblock g=1 stack=sync.(*WaitGroup).Done,main.each.func1
10ms  m1 GoDestroy
11ms  m1 GoStart g=15
12ms  m1 GoStop reason=preempted stack=main.one,main.two.func1
13ms  m1 GoStart g=16
14ms  m1 GoStop reason=preempted stack=main.other,main.two.func1
15ms  m1 GoStart g=17
16ms  m1 GoDestroy
`)
	p := analysis.NewPartial([]*analysis.Analyzer{Kinds})
	tr, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, p.Event)
	if err != nil || tr.Fault != nil {
		t.Fatal(err, tr.Fault)
	}
	got := make(map[string]int64)
	for _, k := range newKinds(tr, p.Folds[Kinds].(*KindsFold)).All {
		got[k.Name] = k.Count
	}
	if want := map[string]int64{"main.main": 1, "main.render": 2, "main.each.func1": 2, "main.one": 1, "main.other": 1, "main.two.func1": 1}; !maps.Equal(got, want) {
		t.Errorf("kinds are %v, want %v", got, want)
	}
}

// Who is in one wait for all of the trace may hang: it is not said to be idle.
func TestRestOfTheWholeTrace(t *testing.T) {
	for parked, idle := range map[Parked]bool{ParkedWhole: false, ParkedBefore: false, ParkedTests: false, ParkedInput: true, ParkedForever: true} {
		if s := (&Stay{Parked: parked}).rest(); strings.Contains(s, "idle") != idle {
			t.Errorf("%s: %s", parked, s)
		}
	}
}

// TestOthersOfTheWholeTrace: where most of a kind wait through the whole trace, what is told
// are the lives of the others, and nothing twice.
func TestOthersOfTheWholeTrace(t *testing.T) {
	stay := func(state parse.GoState, label string, prim parse.Primitive, parked Parked, n, ns, whole, wholeNS int64) *Stay {
		s := &Stay{State: state, Label: label, Parked: parked, N: n, NS: ns, Whole: whole, WholeNS: wholeNS}
		if s.Place.Prim = prim; prim != parse.PrimNone {
			s.PlaceID = 1
		}
		return s
	}
	const untold = "waiting since before the trace"
	for _, c := range []struct {
		stays []*Stay
		want  string
	}{
		{[]*Stay{stay(parse.GoWaiting, "main.io:9 (chan receive)", parse.PrimChanReceive, ParkedWhole, 100, 940, 9, 900), stay(parse.GoRunning, "running", 0, "", 0, 60, 0, 0)},
			"9 wait through the whole trace, of the others' lives 60 % running"},
		{[]*Stay{stay(parse.GoWaiting, "main.io:9 (chan receive)", parse.PrimChanReceive, ParkedWhole, 100, 970, 9, 900), stay(parse.GoRunning, "running", 0, "", 0, 30, 0, 0)},
			"9 wait through the whole trace, of the others' lives 70 % main.io:9 (chan receive) (idle until the next input), 30 % running"},
		{[]*Stay{stay(parse.GoWaiting, untold, parse.PrimNone, ParkedBefore, 9, 900, 9, 900)}, "100 % " + untold},
		{[]*Stay{stay(parse.GoRunning, "running", 0, "", 0, 600, 0, 0), stay(parse.GoWaiting, untold, parse.PrimNone, ParkedBefore, 1, 400, 1, 400)}, "60 % running"},
	} {
		k := &GoKind{Stays: c.stays}
		for _, s := range c.stays {
			k.Life += s.NS
		}
		if got := k.mostly(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestWaitsForTests: a test that waits for its subtests is not held up.
func TestWaitsForTests(t *testing.T) {
	data := tracetest.Binary(`go 1.26
0     m1 ProcStatus p=0 status=Running
0     m1 GoStatus g=1 status=Running
1ms   m1 GoCreate g=11 entry=testing.tRunner stack=testing.(*T).Run,testing.(*M).Run,main.main
2ms   m1 GoBlock reason="chan receive" stack=runtime.chanrecv1,testing.(*T).Run,testing.(*M).Run,main.main
3ms   m1 GoStart g=11
4ms   m1 GoCreate g=12 entry=testing.tRunner stack=testing.(*T).Run,main.TestAll,testing.tRunner
5ms   m1 GoBlock reason="chan receive" stack=runtime.chanrecv1,testing.(*T).Run,main.TestAll,testing.tRunner
6ms   m1 GoStart g=12
7ms   m1 GoBlock reason="chan receive" stack=runtime.chanrecv1,main.get,main.TestAll.func1,testing.tRunner
80ms  m1 GoUnblock g=12
81ms  m1 GoStart g=12
82ms  m1 GoUnblock g=11 stack=testing.tRunner.func1,testing.tRunner
82ms  m1 GoDestroy
83ms  m1 GoStart g=11
84ms  m1 GoDestroy
`)
	p := analysis.NewPartial([]*analysis.Analyzer{Kinds})
	tr, err := parse.Read(context.Background(), bytes.NewReader(data), parse.Options{}, p.Event)
	if err != nil || tr.Fault != nil {
		t.Fatal(err, tr.Fault)
	}
	parked := make(map[string]Parked)
	for _, k := range newKinds(tr, p.Folds[Kinds].(*KindsFold)).All {
		for _, s := range k.Stays {
			if s.State == parse.GoWaiting && strings.Contains(s.Label, "testing.") {
				parked[k.Name] = s.Parked
			}
		}
	}
	if want := map[string]Parked{"main.main": ParkedTests, "main.TestAll": ParkedTests}; !maps.Equal(parked, want) {
		t.Errorf("they wait parked as %v, want %v", parked, want)
	}
}
