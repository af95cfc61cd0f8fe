package parse

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/tracelens/tracelens/internal/corpus"
)

func requestsOf(t *testing.T, path string, opt Options) (*Trace, []Event) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []Event
	tr, err := ReadTo(context.Background(), bytes.NewReader(data), opt, Sink{Kinds: KindsOf(KindRequest), Event: func(e *Event) { all = append(all, e.Clone()) }})
	if err != nil {
		t.Fatal(err)
	}
	return tr, all
}

// toldRequests is what a program of testdata/requests knows.
type toldRequests struct {
	N       int64 `json:"n"`
	Handler int64 `json:"handler_ns"`
	Client  int64 `json:"client_ns"`
}

// TestRequestsTold compares requests with what servers toldRequests themselves: keep-alive,
// pipelined and slow headers, bodies, streams, hijacked connections, panics; HTTP/2, gRPC,
// database/sql, goroutines and workers.
func TestRequestsTold(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(corpus.Root(t), "testdata", "requests", "*.trace"))
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d traces (%v)", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".trace")
		t.Run(name, func(t *testing.T) {
			var truth map[string]toldRequests
			data, err := os.ReadFile(strings.TrimSuffix(path, ".trace") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(data, &truth); err != nil {
				t.Fatal(err)
			}
			mode, _, _ := strings.Cut(name, "-")
			kind := map[string]RequestKind{"http": RequestHTTP, "http2": RequestHTTP2, "jobs": RequestJob, "workers": RequestEntry, "sql": RequestSQL, "grpc": RequestGRPC}[mode]
			ends := map[string]RequestEnd{"main.streams": RequestStream, "main.hijacks": RequestHijacked, "main.aborts": RequestAborted, "main._Shop_Watch_Handler": RequestStream}
			var opt Options
			if kind == RequestEntry {
				opt.Requests = []string{"main.handleJob"}
			}
			tr, all := requestsOf(t, path, opt)
			got := make(map[string]toldRequests)
			for _, e := range all {
				q := e.Request
				if q.Kind != kind {
					continue
				}
				fn := tr.String(q.Name)
				if q.End != ends[fn] || q.Partial {
					t.Errorf("%s at %d ended %s, begun before: %v", fn, q.Since-tr.First, q.End, q.Partial)
				}
				c := got[fn]
				c.N++
				c.Client += int64(q.Until - q.Since)
				got[fn] = c
			}
			for fn, want := range truth {
				g := got[fn]
				if g.N != want.N {
					t.Errorf("%s: %d requests, the program counted %d", fn, g.N, want.N)
				}
				if g.Client < want.Handler && ends[fn] != RequestHijacked && ends[fn] != RequestAborted {
					t.Errorf("%s: %d ns in all, less than the handlers' %d", fn, g.Client, want.Handler)
				}
				// The client has its answer before the server's write returns.
				if slack := want.N * 100_000; want.Client > 0 && ends[fn] == RequestDone && g.Client > want.Client+slack {
					t.Errorf("%s: %d ns in all, more than the clients' %d", fn, g.Client, want.Client)
				}
			}
			if kind == RequestHTTP && len(got) != len(truth) {
				t.Errorf("handlers %v, want those of %v", got, truth)
			}
		})
	}
}

// TestRequestParts: the parts of each request follow one another from its end to its
// begin, on all traces, also of windows.
func TestRequestParts(t *testing.T) {
	for _, path := range slices.Concat(corpus.Own(t), corpus.More(t, "user/*.trace"), corpus.More(t, "io/*.trace"), corpus.More(t, "debian/*.trace")) {
		whole, _ := requestsOf(t, path, Options{})
		for _, opt := range []Options{{}, {From: time.Duration(whole.Last-whole.First) / 2}} {
			_, all := requestsOf(t, path, opt)
			for _, e := range all {
				q := e.Request
				at := q.Until
				for i, p := range q.Parts {
					if p.To != at || p.From >= p.To || p.Hops < 0 || (p.Hops > 0) != (p.OwnState != 0) {
						t.Fatalf("%s from %v: part %d of %s at %d is %+v, want its end at %d", filepath.Base(path), opt.From, i, q.Kind, q.Since, p, at)
					}
					at = p.From
				}
				if at != q.Since {
					t.Fatalf("%s from %v: the parts of %s of G %d at %d end at %d", filepath.Base(path), opt.From, q.Kind, q.G, q.Since, at)
				}
			}
		}
	}
}

// plainGo is a goroutine's life as TestRequestPaths sees it.
type plainGo struct {
	id      GoID
	spans   []plainSpan
	creator *plainGo
	born    Time
	seen    bool
}

type plainSpan struct {
	since, end Time
	state      GoState
	waker      *plainGo
}

// A plainPart is a part of a path as TestRequestPaths compares it.
type plainPart struct {
	g           GoID
	state       GoState
	assist      bool
	from, until Time
}

// plainParts are parts of a path, the latest first, with what is alike in a row as one.
type plainParts []plainPart

func (all *plainParts) add(p plainPart) {
	if p.from >= p.until {
		return
	}
	if n := len(*all); n > 0 {
		if later := &(*all)[n-1]; later.g == p.g && later.state == p.state && later.assist == p.assist && later.from == p.until {
			later.from = p.from
			return
		}
	}
	*all = append(*all, p)
}

// addRun adds a run of g by what of it is in its mark assists, the latest of which is the last.
func (all *plainParts) addRun(p plainPart, assists []Range) {
	for _, a := range slices.Backward(assists) {
		if a.Since < p.until && a.Until > p.from {
			rest := min(a.Until, p.until)
			all.add(plainPart{p.g, p.state, false, rest, p.until})
			p.until = max(a.Since, p.from)
			all.add(plainPart{p.g, p.state, true, p.until, rest})
		}
	}
	all.add(p)
}

// TestRequestPaths compares paths with those that all spans of the trace give by the
// definition.
func TestRequestPaths(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(corpus.Root(t), "testdata", "requests", "*.trace"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"annotations", "straggler", "pool-too-small", "lock-5ms", "coroutines", "mixed-go121", "flight-recorder"} {
		paths = append(paths, filepath.Join(corpus.Root(t), "testdata", "traces", name+".trace"))
	}
	compared, assisted := 0, 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		type key struct {
			id          GoID
			incarnation uint32
		}
		gs, current := make(map[key]*plainGo), make(map[GoID]*plainGo)
		var requests []Event
		var owners []*plainGo
		assists := make(map[GoID][]Range)
		_, err = Read(context.Background(), bytes.NewReader(data), Options{}, func(e *Event) {
			if e.Kind == KindRequest {
				requests = append(requests, e.Clone())
				owners = append(owners, current[e.Request.G])
				return
			}
			if e.Kind == KindRangeEnd && e.Range.Kind == RangeAssist {
				assists[e.Range.G] = append(assists[e.Range.G], *e.Range)
			}
			if !e.Kind.IsGo() {
				return
			}
			k := key{e.Go.ID, e.Go.Incarnation}
			g := gs[k]
			if g == nil {
				g = &plainGo{id: e.Go.ID}
				gs[k] = g
			}
			current[e.Go.ID] = g
			if e.Go.From == GoNotExist {
				g.born, g.seen = e.Time, true
				if e.Go.Waker != NoGo {
					g.creator = current[e.Go.Waker]
				}
				return
			}
			s := plainSpan{since: e.Go.Since, end: e.Time, state: e.Go.From}
			if e.Go.From == GoWaiting && e.Go.To != GoUndetermined && (e.Go.Ready == ReadyUnblocked || e.Go.Ready == ReadyCoroutine) && e.Go.Waker != NoGo && e.Go.Waker != e.Go.ID {
				s.waker = current[e.Go.Waker]
			}
			g.spans = append(g.spans, s)
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range requests {
			q := e.Request
			if len(q.Parts) == 0 || owners[i] == nil || slices.ContainsFunc(q.Parts, func(p RequestPart) bool { return p.State == GoUndetermined }) {
				continue
			}
			var got, want plainParts
			for _, p := range q.Parts {
				assist := p.State == GoRunning && p.Cause == CauseGC
				got.add(plainPart{p.G, p.State, assist, p.From, p.To})
				if assist {
					assisted++
				}
			}
			plainPath(owners[i], q.Since, q.Until, 0, func(g GoID, s GoState, from, until Time) {
				if p := (plainPart{g, s, false, from, until}); s == GoRunning {
					want.addRun(p, assists[g])
				} else {
					want.add(p)
				}
			})
			if !slices.Equal(got, want) {
				t.Fatalf("%s: %s of G %d at %d:\n%v\nwant\n%v", filepath.Base(path), q.Kind, q.G, q.Since, got, want)
			}
			compared++
		}
	}
	if compared < 1500 {
		t.Errorf("only %d paths compared", compared)
	}
	if assisted < 10 {
		t.Errorf("only %d parts in mark assist", assisted)
	}
}

// plainPath walks back from until to since.
func plainPath(g *plainGo, since, until Time, depth int, part func(g GoID, s GoState, from, until Time)) {
	for until > since {
		if g.seen && until <= g.born {
			if g.creator == nil {
				part(g.id, GoNotExist, since, until)
				return
			}
			g = g.creator
			continue
		}
		i := sort.Search(len(g.spans), func(i int) bool { return g.spans[i].end >= until })
		if i == len(g.spans) {
			part(g.id, GoUndetermined, since, until)
			return
		}
		s := g.spans[i]
		from := max(s.since, since)
		if s.waker != nil && s.end == until && depth < 100 {
			plainPath(s.waker, from, until, depth+1, part)
		} else {
			part(g.id, s.state, from, until)
		}
		until = from
	}
}
