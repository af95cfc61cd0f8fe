package tasks

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestRequestPath(t *testing.T) { checktest.Run(t, RequestPath, casesRequestPath) }

func casesRequestPath(t *testing.T) {
	sym := new(parse.Symbols)
	frame := func(fn string, line uint32) parse.Frame {
		return parse.Frame{Func: sym.Intern(fn), File: sym.Intern("/src/app/main.go"), Line: line}
	}
	lock := sym.InternStack(frame("sync.(*Mutex).Lock", 1), frame("main.get", 12))
	accept := sym.InternStack(frame("runtime.selectgo", 1), frame("main.(*limit).acquire", 3), frame("main.(*limit).Accept", 4), frame("net/http.(*Server).Serve", 5), frame("main.serve", 6))
	next := sym.InternStack(frame("runtime.selectgo", 1), frame("main.(*queue).Accept", 4), frame("net/http.(*Server).Serve", 5), frame("main.serve", 6))
	const streams = "google.golang.org/grpc/internal/transport.(*http2Server).HandleStreams"
	read := sym.InternStack(frame("runtime.selectgo", 1), frame("example.org/quic.(*Stream).Read", 3), frame("main.(*conn).Read", 4), frame("io.ReadAtLeast", 5), frame(streams, 6))
	quota := sym.InternStack(frame("runtime.selectgo", 1), frame("main.(*limit).acquire", 3), frame(streams, 6))
	query := sym.InternStack(frame("internal/poll.(*FD).Read", 1), frame("net.(*conn).Read", 2), frame("database/sql.(*DB).Query", 3), frame("main.(*items).find", 14))
	stream := sym.InternStack(frame("internal/poll.(*FD).Read", 1), frame("net.(*conn).Read", 2), frame("bufio.(*Reader).ReadString", 3), frame("main.(*items).find", 15))
	handler := sym.Intern("main.handle")
	ms := checktest.MSNS
	n := 0
	// request runs, and is held up at the lock by another goroutine that runs.
	request := func(runs, held int64) parse.Event {
		n++
		since := parse.Time(n) * 1000
		q := &parse.Request{Kind: parse.RequestHTTP, Name: handler, Since: since, Until: since + parse.Time(runs+held), G: parse.GoID(n), Func: handler}
		q.Parts = []parse.RequestPart{
			{From: since + parse.Time(runs), To: q.Until, G: 9, Func: sym.Intern("main.holder"), State: parse.GoRunning, Hops: 1, OwnState: parse.GoWaiting, OwnStack: lock, OwnPlace: sym.PlaceOf(lock)},
			{From: since, To: since + parse.Time(runs), G: q.G, Func: handler, State: parse.GoRunning},
		}
		if held == 0 {
			q.Parts = q.Parts[1:]
		}
		return parse.Event{Time: q.Until, Kind: parse.KindRequest, Request: q}
	}
	some := func(n int, runs, held int64) (out []parse.Event) {
		for range n {
			out = append(out, request(runs, held))
		}
		return out
	}
	// thirds are requests that run, are held up and wait for the network.
	thirds := func(runs, each int64) []parse.Event {
		out := some(30, runs, each)
		for i := range out {
			q := out[i].Request
			out[i].Time += parse.Time(each)
			q.Until += parse.Time(each)
			q.Parts = append([]parse.RequestPart{{From: q.Parts[0].To, To: q.Until, G: q.G, Func: handler, State: parse.GoWaiting, Ready: parse.ReadyNetpoll}}, q.Parts...)
		}
		return out
	}
	// asks are requests of 40 ms that wait so many times for the network at a stack.
	asks := func(at parse.StackID, turns int) []parse.Event {
		out := some(30, ms, 0)
		for i := range out {
			q := out[i].Request
			end, each := q.Until, parse.Time(40*ms/int64(turns))
			for range turns {
				q.Parts = append([]parse.RequestPart{{From: end, To: end + each, G: q.G, Func: handler, State: parse.GoWaiting, Ready: parse.ReadyNetpoll, Stack: at, Place: sym.PlaceOf(at)},
					{From: end - 1000, To: end, G: q.G, Func: handler, State: parse.GoRunning}}, q.Parts...)
				end += each
			}
			q.Until, out[i].Time = end, end
		}
		return out
	}
	// waits is a goroutine that takes requests in, which waits for others for a while.
	waits := func(stack parse.StackID, ns, life int64) []parse.Event {
		g := parse.Go{ID: 5, Func: sym.Intern("main.serve"), From: parse.GoWaiting, To: parse.GoRunnable, FromStack: stack, Since: parse.Time(life - ns), Ready: parse.ReadyUnblocked}
		l := parse.GoLife{ID: 5, Func: sym.Intern("main.serve"), BornSeen: true, Spent: [parse.NumGoStates]int64{parse.GoWaiting: ns, parse.GoRunning: life - ns}}
		return []parse.Event{
			{Time: parse.Time(life), Kind: parse.KindGoWaiting, Go: &g},
			{Time: parse.Time(life), Kind: parse.KindGoLife, GoLife: &l},
		}
	}
	checktest.Check(t, RequestPath, sym, []checktest.EventCase{
		{Name: "no requests", Want: "not applicable", Events: nil},
		{Name: "19", Want: "not applicable", Events: [][]parse.Event{some(19, ms, 20*ms)}},
		{Name: "20", Want: "warning", Events: [][]parse.Event{some(20, ms, 20*ms)}},
		{Name: "all the same, running", Want: "clear", Events: [][]parse.Event{some(30, 20*ms, 0)}},
		{Name: "all wait for the network", Want: "clear", Events: [][]parse.Event{thirds(30*ms, 20*ms)}},
		{Name: "ask 7 times", Want: "clear", Events: [][]parse.Event{asks(query, 7)}},
		{Name: "ask 8 times", Want: "warning", Events: [][]parse.Event{asks(query, 8)}},
		{Name: "reads what comes", Want: "clear", Events: [][]parse.Event{asks(stream, 40)}},
		{Name: "one runs for long", Want: "note", Events: [][]parse.Event{some(30, ms, 0), some(1, 40*ms, 0)}},
		{Name: "52 % of the difference runs", Want: "note", Events: [][]parse.Event{some(30, ms, 0), thirds(53*ms, 24*ms)[:1]}},
		{Name: "48 % of the difference runs", Want: "clear", Events: [][]parse.Event{some(30, ms, 0), thirds(48*ms, 26*ms)[:1]}},
		{Name: "4.8 times as long", Want: "clear", Events: [][]parse.Event{some(30, 10*ms, 0), some(1, 48*ms, 0)}},
		{Name: "5.2 times as long", Want: "note", Events: [][]parse.Event{some(30, 10*ms, 0), some(1, 52*ms, 0)}},
		{Name: "held up for 29 %", Want: "clear", Events: [][]parse.Event{some(30, 71*ms, 29*ms)}},
		{Name: "held up for 31 %", Want: "note", Events: [][]parse.Event{some(30, 69*ms, 31*ms)}},
		{Name: "held up for 49 %", Want: "note", Events: [][]parse.Event{some(30, 51*ms, 49*ms)}},
		{Name: "held up for 51 %", Want: "warning", Events: [][]parse.Event{some(30, 49*ms, 51*ms)}},
		{Name: "0.96 ms", Want: "clear", Events: [][]parse.Event{some(30, ms/10, 96*ms/100)}},
		{Name: "1.04 ms", Want: "note", Events: [][]parse.Event{some(30, ms/10, 104*ms/100)}},
		{Name: "9.6 ms", Want: "note", Events: [][]parse.Event{some(30, ms, 96*ms/10)}},
		{Name: "10.4 ms", Want: "warning", Events: [][]parse.Event{some(30, ms, 104*ms/10)}},
		{Name: "one is slow", Want: "warning", Events: [][]parse.Event{some(30, ms, 0), some(1, ms, 30*ms)}},
		{Name: "accept 9 %", Want: "clear", Events: [][]parse.Event{some(30, ms/2, 0), waits(accept, 81*ms, 900*ms)}},
		{Name: "accept 11 %", Want: "note", Events: [][]parse.Event{some(30, ms/2, 0), waits(accept, 99*ms, 900*ms)}},
		{Name: "accept 48 %", Want: "note", Events: [][]parse.Event{some(30, ms/2, 0), waits(accept, 432*ms, 900*ms)}},
		{Name: "accept 52 %", Want: "warning", Events: [][]parse.Event{some(30, ms/2, 0), waits(accept, 468*ms, 900*ms)}},
		{Name: "waits for the next", Want: "clear", Events: [][]parse.Event{some(30, ms/2, 0), waits(next, 800*ms, 900*ms)}},
		{Name: "reads the next from a connection of the program's own", Want: "clear", Events: [][]parse.Event{some(30, ms/2, 0), waits(read, 800*ms, 900*ms)}},
		{Name: "waits to hand a stream over", Want: "warning", Events: [][]parse.Event{some(30, ms/2, 0), waits(quota, 800*ms, 900*ms)}},
	})
}

// TestSlowInAssist: a request that marks for the GC while it allocates does no more work than
// others.
func TestSlowInAssist(t *testing.T) {
	sym := new(parse.Symbols)
	frame := func(fn string) parse.Frame {
		return parse.Frame{Func: sym.Intern(fn), File: sym.Intern("/src/app/main.go"), Line: 7}
	}
	alloc := sym.InternStack(frame("runtime.mallocgc"), frame("main.decode"), frame("main.handle"))
	handler := sym.Intern("main.handle")
	var events []parse.Event
	for n := range parse.Time(30) {
		since := (n + 1) * 10_000
		q := &parse.Request{Kind: parse.RequestHTTP, Name: handler, Since: since, Until: since + 1e6, G: parse.GoID(n + 1), Func: handler}
		if n == 29 {
			q.Until += 20e6
			q.Parts = []parse.RequestPart{
				{From: since + 20e6 + 5e5, To: q.Until, G: q.G, State: parse.GoRunning},
				{From: since + 5e5, To: since + 20e6 + 5e5, G: q.G, State: parse.GoRunning, Cause: parse.CauseGC, Stack: alloc, Place: sym.PlaceOf(alloc)},
				{From: since, To: since + 5e5, G: q.G, State: parse.GoRunning},
			}
		} else {
			q.Parts = []parse.RequestPart{{From: since, To: q.Until, G: q.G, State: parse.GoRunning}}
		}
		events = append(events, parse.Event{Time: q.Until, Kind: parse.KindRequest, Request: q})
	}
	tr := &parse.Trace{Symbols: sym, Version: 26, To: parse.Time(checktest.Length), Last: parse.Time(checktest.Length), Quantum: 1, Procs: 4}
	f := checktest.Concluded(tr, RequestPath, events).Findings()
	if len(f) != 1 || f[0].Code != "request-path/gc" || f[0].Severity != analysis.Warning || !strings.Contains(f[0].Summary, "in mark assist, 100 % of it at main.decode:7") || !strings.Contains(f[0].Advice, "garbage collector") {
		t.Errorf("%+v", f)
	}
}

// TestRequestPathReasons: what holds the lock stands under the requests that wait for it.
func TestRequestPathReasons(t *testing.T) {
	rep := analysistest.Report(t, filepath.Join(corpus.Root(t), "testdata", "requests", "grpc.trace"), append([]*analysis.Analyzer{measures.Requests}, RequestPath)...)
	f := rep.Results[1].Findings
	if len(f) != 1 || !strings.Contains(f[0].Summary, "blocked in sync.Mutex at main._Shop_Order_Handler:62") || !strings.Contains(f[0].Summary, "without it the max is at least") {
		t.Fatalf("%+v", f)
	}
	b := f[0].Because
	convoy := analysis.Finding{Code: "lock-convoy", Severity: analysis.Error, Evidence: []analysis.Evidence{{Func: "main._Shop_Order_Handler:62 (sync.(*Mutex).Lock)"}}}
	other := analysis.Finding{Code: "lock-convoy", Severity: analysis.Error, Evidence: []analysis.Evidence{{Func: "main.other:62 (sync.(*Mutex).Lock)"}}}
	r := &analysis.Report{Results: []*analysis.Result{{Name: "request-path", Findings: []analysis.Finding{{Code: "request-path", Severity: analysis.Error, Because: b}}}, {Name: "lock-convoy", Findings: []analysis.Finding{convoy, other}}}}
	r.Fold()
	got := r.Results[0].Findings[0]
	if len(got.Symptoms) != 1 || !got.Symptoms[0].Reason || len(r.Results[1].Findings) != 1 || r.Results[1].Findings[0].Evidence[0].Func != other.Evidence[0].Func {
		t.Errorf("%+v\n%+v", got, r.Results[1].Findings)
	}
}

// TestQueueAdvice: of a limit at which requests wait for one another it is said who had a
// turn and what that one did.
func TestQueueAdvice(t *testing.T) {
	rep := analysistest.Report(t, corpus.Trace(t, "bugs/d-semaphore"), RequestPath)
	if f := rep.Findings(); len(f) != 1 || f[0].Code != "request-path/queue" || !strings.Contains(f[0].Advice, "or shed load before it: main.") || !strings.Contains(f[0].Advice, " was asleep at main.lookup:28 meanwhile (where that is a pause") {
		t.Errorf("%+v", f)
	}
}

// TestUnderLockAdvice: where the holder of a lock waits for another goroutine, it is said
// where.
func TestUnderLockAdvice(t *testing.T) {
	rep := analysistest.Report(t, corpus.Trace(t, "bugs/c-watchcache"), RequestPath)
	if f := rep.Findings(); len(f) != 1 || !strings.HasPrefix(f[0].Advice, "Do not wait at main.(*cacheWatcher).add:25 (chan send) under the lock: main.(*cacher).dispatchEvents holds it meanwhile in main.(*cacher).dispatchEvent:54, and waits for main.(*cacheWatcher).process") {
		t.Errorf("%+v", f[0].Advice)
	}
}

// Requests wait for new connections at a place where half of the waiting and more is below
// (*DB).conn of database/sql, the rest being queries.
func TestWaitsForConnections(t *testing.T) {
	const ms = 1_000_000
	for query, want := range map[int64]bool{4: true, 6: false} {
		got := false
		tr := checktest.Tell(t, checktest.S, func(s *checktest.Story) {
			s.Go("main.main") // runs to the end
			w := s.Go("main.serve")
			for i := range int64(20) {
				at := (1 + 40*i) * ms
				w.Wait(at, at+5*ms, nil, "", "internal/poll.(*FD).Read", "main.ask:6", "main.open:3", "database/sql.dsnConnector.Connect", "database/sql.(*DB).conn", "main.find:18")
				w.Wait(at+20*ms, at+20*ms+query*ms, nil, "", "internal/poll.(*FD).Read", "main.ask:6", "main.query:3", "database/sql.(*DB).queryDC", "main.find:18")
			}
		})
		checktest.Report(t, &analysis.Analyzer{Name: "connects", Requires: []*analysis.Analyzer{measures.Blocking}, Run: func(p *analysis.Pass) error {
			for _, e := range measures.BlockingOf(p).Sites().Entries {
				got = connects(p, e.Key.Stack)
			}
			return nil
		}}, tr)
		if got != want {
			t.Errorf("queries of %d ms: %t", query, got)
		}
	}
}

// Of who waits to write to an RWMutex, and keeps readers out, it is not said that it has the
// lock: who reads has; where the GC keeps the holder it is said to be so.
func TestLockAdvice(t *testing.T) {
	const ms = 1_000_000
	advice := func(story func(s *checktest.Story), who string) (got string) {
		checktest.Report(t, &analysis.Analyzer{Name: "advice", Requires: []*analysis.Analyzer{measures.Kinds, measures.Holders}, Run: func(p *analysis.Pass) error {
			for _, h := range measures.HoldersOf(p).Places {
				if strings.HasPrefix(h.Label, "main.read:30 ") {
					got = lockAdvice(p, &measures.RequestCause{Place: h.Place, Leaf: &measures.RequestLeaf{Who: who, Text: "busy"}})
				}
			}
			return nil
		}}, checktest.Tell(t, checktest.S, story))
		return got
	}
	read := []string{"sync.(*RWMutex).RLock", "main.read:30"}
	got := advice(func(s *checktest.Story) {
		reader, writer, log := s.Go("main.serve"), s.Go("main.snapshot"), s.Go("main.append")
		for i := range int64(20) {
			at := (1 + 40*i) * ms
			log.Call(at, at+20*ms, "syscall.Fsync", "main.sync:17", "main.write:20")
			writer.Wait(at+ms, at+21*ms, log, "sync.(*RWMutex).RUnlock main.write:22", "sync.(*RWMutex).Lock", "main.swap:24")
			reader.Wait(at+2*ms, at+22*ms, writer, "sync.(*RWMutex).Unlock main.swap:26", read...)
		}
	}, "main.append")
	if got != "Hold the lock for less in main.write:20: main.append was busy with it." {
		t.Error(got)
	}
	got = advice(func(s *checktest.Story) {
		reader, holder := s.Go("main.serve"), s.Go("main.render")
		for i := range int64(20) {
			at := (1 + 40*i) * ms
			holder.Wait(at, at+20*ms, nil, "", "time.Sleep", "main.fill:17", "main.build:9")
			reader.Wait(at+2*ms, at+22*ms, holder, "sync.(*RWMutex).Unlock main.build:12", read...)
		}
	}, "runtime.gcBgMarkWorker")
	if got != "Hold the lock for less in main.build:9, and allocate less: main.render waits for the GC with it." {
		t.Error(got)
	}
}

// Where who keeps requests waiting waits itself for another, it is said where.
func TestHeldAdvice(t *testing.T) {
	const ms = 1_000_000
	got := ""
	tr := checktest.Tell(t, checktest.S, func(s *checktest.Story) {
		place, charge, read := s.Go("main.place"), s.Go("main.holder"), s.Go("main.read")
		for i := range int64(20) {
			at := (1 + 40*i) * ms
			charge.Wait(at, at+20*ms, read, "main.read:3", "runtime.selectgo", "main.charge:18", "main.pay:9")
			place.Wait(at+ms, at+21*ms, charge, "main.pay:12", "runtime.selectgo", "main.begin:30")
		}
	})
	checktest.Report(t, &analysis.Analyzer{Name: "advice", Requires: []*analysis.Analyzer{measures.Kinds, measures.Holders, measures.Preemption}, Run: func(p *analysis.Pass) error {
		for _, h := range measures.HoldersOf(p).Places {
			if strings.HasPrefix(h.Label, "main.begin:30 ") {
				got = pathAdvice(p, nil, &measures.RequestCause{Place: h.Place, Hold: true, Leaf: &measures.RequestLeaf{Who: "main.read", Text: "busy"}})
			}
		}
		return nil
	}}, tr)
	if want := "Look at main.holder, for which they wait: it waits in main.pay:9 at main.charge:18 (select), for main.read, which was busy most of the time."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Requests ask again and again where they write to a connection as often as they wait for what
// it answers, and where they call a client that does; not where they copy what comes.
func TestAsksAgain(t *testing.T) {
	const ms = 1_000_000
	for _, c := range []struct {
		write, read string
		want        bool
	}{
		{"net.(*conn).Write main.send:5", "bufio.(*Reader).ReadString main.recv:6", true},
		{"", "bufio.(*Reader).ReadString main.recv:6", false},
		{"net.(*conn).Write net/http.(*response).Write main.copy:5", "net.(*conn).Read main.copy:6", false},
		{"net.(*conn).Write main.copy:5", "io.Copy main.copy:6", false},
		{"", "database/sql.(*DB).Query main.find:6", true},
	} {
		tr := checktest.Tell(t, checktest.S, func(s *checktest.Story) {
			s.Go("main.main") // runs to the end
			w := s.Go("main.serve")
			for i := range int64(20) {
				at := (1 + 40*i) * ms
				if c.write != "" {
					w.Call(at-5000, at-1000, append([]string{"internal/poll.(*FD).Write"}, strings.Fields(c.write)...)...)
				}
				w.Wait(at, at+5*ms, nil, "", append([]string{"internal/poll.(*FD).Read", "net.(*conn).Read"}, strings.Fields(c.read)...)...)
			}
		})
		got := false
		checktest.Report(t, &analysis.Analyzer{Name: "asks", Requires: []*analysis.Analyzer{measures.Blocking, measures.Kinds}, Run: func(p *analysis.Pass) error {
			for _, e := range measures.BlockingOf(p).Sites().Entries {
				pl := p.Trace.Place(p.Trace.PlaceOf(e.Key.Stack))
				got = asksAgain(p, &measures.RequestCause{Place: pl, NS: ms, Leaf: &measures.RequestLeaf{Class: measures.ClassNetwork, NS: ms}})
			}
			return nil
		}}, tr)
		if got != c.want {
			t.Errorf("%s, %s: %t", c.write, c.read, got)
		}
	}
}

// TestStarvedRequests: requests that wait for a P have a code of their own, so that what
// fills the Ps can be told as its cause.
func TestStarvedRequests(t *testing.T) {
	for state, want := range map[parse.GoState]string{parse.GoRunnable: "request-path/starved", parse.GoRunning: "request-path"} {
		sym := new(parse.Symbols)
		handler := sym.Intern("main.handle")
		var events []parse.Event
		for n := range parse.Time(30) {
			since := (n + 1) * 10_000
			q := &parse.Request{Kind: parse.RequestHTTP, Name: handler, Since: since, Until: since + 1e6, G: parse.GoID(n + 1), Func: handler}
			q.Parts = []parse.RequestPart{{From: since, To: q.Until, G: q.G, State: parse.GoRunning}}
			if n == 29 {
				q.Until += 30e6
				q.Parts = append([]parse.RequestPart{{From: since + 1e6, To: q.Until, G: q.G, State: state}}, q.Parts...)
			}
			events = append(events, parse.Event{Time: q.Until, Kind: parse.KindRequest, Request: q})
		}
		tr := &parse.Trace{Symbols: sym, Version: 26, To: parse.Time(checktest.Length), Last: parse.Time(checktest.Length), Quantum: 1, Procs: 4}
		f := checktest.Concluded(tr, RequestPath, events).Findings()
		if len(f) != 1 || f[0].Code != want {
			t.Errorf("%v: %+v, want %s", state, f, want)
		}
	}
}
