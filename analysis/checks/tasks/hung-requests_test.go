package tasks

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestHungRequests(t *testing.T) { checktest.Run(t, HungRequests, casesHungRequests) }

func casesHungRequests(t *testing.T) {
	sym := new(parse.Symbols)
	handler := sym.Intern("main.handle")
	n := 0
	// some are requests that took so long, or are open at the end of the trace.
	some := func(count int, ns int64, end parse.RequestEnd) (out []parse.Event) {
		for range count {
			n++
			until := parse.Time(checktest.Length) / 2
			if end == parse.RequestOpen {
				until = parse.Time(checktest.Length)
			}
			q := &parse.Request{Kind: parse.RequestHTTP, Name: handler, Since: until - parse.Time(ns), Until: until, End: end, G: parse.GoID(n), Func: handler}
			q.Parts = []parse.RequestPart{{From: q.Since, To: q.Until, G: q.G, Func: handler, State: parse.GoRunning}}
			out = append(out, parse.Event{Time: until, Kind: parse.KindRequest, Request: q})
		}
		return out
	}
	ms := checktest.MSNS
	checktest.Check(t, HungRequests, sym, []checktest.EventCase{
		{Name: "no requests", Want: "not applicable", Events: nil},
		{Name: "none is open", Want: "clear", Events: [][]parse.Event{some(30, ms, parse.RequestDone)}},
		{Name: "19 others", Want: "clear", Events: [][]parse.Event{some(19, ms, parse.RequestDone), some(1, 200*ms, parse.RequestOpen)}},
		{Name: "20 others", Want: "warning", Events: [][]parse.Event{some(20, ms, parse.RequestDone), some(1, 200*ms, parse.RequestOpen)}},
		{Name: "19 ms", Want: "clear", Events: [][]parse.Event{some(20, ms, parse.RequestDone), some(1, 19*ms, parse.RequestOpen)}},
		{Name: "21 ms", Want: "note", Events: [][]parse.Event{some(20, ms, parse.RequestDone), some(1, 21*ms, parse.RequestOpen)}},
		{Name: "96 ms", Want: "note", Events: [][]parse.Event{some(20, ms, parse.RequestDone), some(1, 96*ms, parse.RequestOpen)}},
		{Name: "104 ms", Want: "warning", Events: [][]parse.Event{some(20, ms, parse.RequestDone), some(1, 104*ms, parse.RequestOpen)}},
		{Name: "0.48 s", Want: "warning", Events: [][]parse.Event{some(20, ms, parse.RequestDone), some(1, 480*ms, parse.RequestOpen)}},
		{Name: "0.52 s", Want: "error", Events: [][]parse.Event{some(20, ms, parse.RequestDone), some(1, 520*ms, parse.RequestOpen)}},
		{Name: "2.9 times as long", Want: "clear", Events: [][]parse.Event{some(20, 100*ms, parse.RequestDone), some(1, 290*ms, parse.RequestOpen)}},
		{Name: "3.1 times as long", Want: "warning", Events: [][]parse.Event{some(20, 100*ms, parse.RequestDone), some(1, 310*ms, parse.RequestOpen)}},
		{Name: "a part of another", Want: "clear", Events: [][]parse.Event{some(20, ms, parse.RequestDone), inner(some(1, 200*ms, parse.RequestOpen))}},
	})
}

// inner makes a request a task in another one.
func inner(events []parse.Event) []parse.Event {
	events[0].Request.Kind, events[0].Request.Parent = parse.RequestTask, 7
	return events
}

// TestHungSuspects: who seems to be in the way of requests that hang.
func TestHungSuspects(t *testing.T) {
	const ms = 1_000_000
	const length, incident = 1000 * ms, 800 * ms
	lock := []string{"sync.runtime_SemacquireMutex", "sync.(*Mutex).Lock", "main.get:12"}
	answer := []string{"runtime.chanrecv1", "main.ask:31"}
	// serve starts a request of HTTP/2, which is its goroutine.
	serve := func(conn *checktest.Actor, at int64) *checktest.Actor {
		return conn.Start(at, "net/http.(*http2serverConn).runHandler", "net/http.(*http2serverConn).processHeaders")
	}
	handle := func(at []string) []string {
		return append(at[:len(at):len(at)], "main.handle:8", "net/http.HandlerFunc.ServeHTTP")
	}
	for _, c := range []struct {
		name string
		tell func(s *checktest.Story, conn *checktest.Actor)
		want []string // "" for no finding
	}{
		{"a worker sleeps", func(s *checktest.Story, conn *checktest.Actor) {
			worker := s.Go("main.worker")
			for i := range int64(30) {
				r := serve(conn, (1+i*20)*ms)
				r.Wait((2+i*20)*ms, (3+i*20)*ms, worker, "main.worker:41", handle(answer)...)
				r.End((4 + i*20) * ms)
			}
			worker.Block(incident, "time.Sleep", "main.flush:60")
			for i := range int64(3) {
				serve(conn, incident+(1+i)*ms).Block(incident+(2+i)*ms, handle(answer)...)
			}
		}, []string{"3 HTTP2 requests of main.handle hang at the end", "blocked in chan receive at main.ask:31", "main.worker, which ended such waits before, has been at main.flush:60 (sleep) for 200 ms"}},
		{"one runs with the lock", func(s *checktest.Story, conn *checktest.Actor) {
			for i := range int64(15) {
				a, b := serve(conn, (1+i*20)*ms), serve(conn, (2+i*20)*ms)
				b.Wait((3+i*20)*ms, (4+i*20)*ms, a, "main.get:14", handle(lock)...)
				a.Wait((5+i*20)*ms, (6+i*20)*ms, b, "main.get:14", handle(lock)...)
				a.End((8 + i*20) * ms)
				b.End((9 + i*20) * ms)
			}
			reindex := conn.Start(incident, "main.reindex", "main.nightly:3")
			for at := int64(incident + 10*ms); at < length; at += 10 * ms {
				reindex.Preempt(at, "main.scan:70")
			}
			for i := range int64(3) {
				serve(conn, incident+(1+i)*ms).Block(incident+(2+i)*ms+500_000, handle(lock)...)
			}
		}, []string{"% of their time blocked in sync.Mutex at main.get:12; meanwhile main.reindex has run, or could run, for 200 ms without a wait"}},
		{"two locks in another order", func(s *checktest.Story, conn *checktest.Actor) {
			move := s.Go("main.move")
			for i := range int64(30) {
				r := serve(conn, (1+i*20)*ms)
				r.Wait((2+i*20)*ms, (3+i*20)*ms, move, "main.move:41", handle(lock)...)
				r.End((4 + i*20) * ms)
			}
			move.Block(incident, "sync.runtime_SemacquireMutex", "sync.(*Mutex).Lock", "main.put:22")
			serve(conn, incident+ms).Block(incident+2*ms, handle(lock)...)
		}, []string{"1 HTTP2 request of main.handle hangs at the end", "meanwhile main.move waits at main.put:22 (sync.Mutex), since 800.000 ms"}},
		{"one of them is in a call with the lock", func(s *checktest.Story, conn *checktest.Actor) {
			for i := range int64(30) {
				serve(conn, (1+i*20)*ms).End((2 + i*20) * ms)
			}
			serve(conn, incident).Call(incident+ms, length-1, handle([]string{"syscall.write", "os.(*File).Write", "main.get:13"})...)
			for i := range int64(9) {
				serve(conn, incident+(2+i)*ms).Block(incident+(2+i)*ms+500_000, handle(lock)...)
			}
		}, []string{"blocked in sync.Mutex at main.get:12; one of them is in a call at main.get:13 → os.(*File).Write"}},
		{"a stream beside others that are served", func(s *checktest.Story, conn *checktest.Actor) {
			serve(conn, 100*ms).Block(101*ms, "runtime.selectgo", "main.events:90", "main.stream:8", "net/http.HandlerFunc.ServeHTTP")
			for i := range int64(60) {
				serve(conn, (101+i*14)*ms).End((102 + i*14) * ms)
			}
		}, nil},
		{"a kind of which no more is served", func(s *checktest.Story, conn *checktest.Actor) {
			for i := range int64(60) {
				serve(conn, (1+i*10)*ms).End((2 + i*10) * ms)
			}
			serve(conn, incident).Block(incident+ms, "runtime.selectgo", "main.events:90", "main.stream:8", "net/http.HandlerFunc.ServeHTTP")
		}, []string{"1 HTTP2 request of main.stream hangs at the end, for up to 200 ms (60 others took 1 ms at most)"}},
	} {
		tr := checktest.Tell(t, length, func(s *checktest.Story) { c.tell(s, s.Go("net/http.(*http2serverConn).serve")) })
		found := checktest.Report(t, HungRequests, tr).Results[0].Findings
		switch {
		case len(c.want) == 0 && len(found) > 0:
			t.Errorf("%s: %s", c.name, found[0].Summary)
		case len(c.want) > 0 && len(found) != 1:
			t.Errorf("%s: %d findings", c.name, len(found))
		}
		for _, want := range c.want {
			if len(found) == 1 && !strings.Contains(found[0].Summary, want) {
				t.Errorf("%s: %s, want %s", c.name, found[0].Summary, want)
			}
		}
	}
}
