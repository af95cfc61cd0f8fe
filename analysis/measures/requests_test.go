package measures

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func servers(t *testing.T, name string) string {
	return filepath.Join(corpus.Root(t), "testdata", "requests", name+".trace")
}

func TestRequestsLaw(t *testing.T) {
	for _, name := range []string{"http-go126", "grpc", "jobs"} {
		analysistest.Law(t, servers(t, name), []*analysis.Analyzer{Requests})
	}
}

// TestRequestsSample: what is kept of many requests does not depend on how they come, nor
// on the order of merging.
func TestRequestsSample(t *testing.T) {
	events := make([]parse.Event, 3000)
	for i := range events {
		at := parse.Time(1000 * i)
		q := &parse.Request{Kind: parse.RequestHTTP, Name: 1, Since: at, Until: at + parse.Time(100+i*7919%5000), G: parse.GoID(i % 7), Seq: uint32(i)}
		q.Parts = []parse.RequestPart{{From: q.Since, To: q.Until, G: q.G, State: parse.GoRunning}}
		events[i] = parse.Event{Time: q.Until, Kind: parse.KindRequest, Request: q}
	}
	fold := func(events []parse.Event) *RequestsFold {
		f := Requests.New().(*RequestsFold)
		for i := range events {
			f.Event(&events[i])
		}
		return f
	}
	want := fold(events)
	for _, cut := range []int{1, 700, 2999} {
		got := fold(events[:cut])
		got.Merge(fold(events[cut:]))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("cut at %d: another fold", cut)
		}
	}
	back := slices.Clone(events)
	slices.Reverse(back)
	a, b := want.kinds[parse.RequestHTTP].byName(), fold(back).kinds[parse.RequestHTTP].byName()
	for k, v := range a {
		if n := len(v.sample.Items()); n != sampledRequests || !reflect.DeepEqual(v.sample.Items(), b[k].sample.Items()) {
			t.Errorf("%d requests are kept, others where they come in another order", n)
		}
		if !reflect.DeepEqual(v.tail.Items(), b[k].tail.Items()) {
			t.Error("other slow requests where they come in another order")
		}
	}
}

// TestRequestsSums: what is told of a type sums to its time, to the nanosecond, on every
// trace.
func TestRequestsSums(t *testing.T) {
	paths := append(corpus.More(t, "user/*.trace"), corpus.More(t, "real/etcd-embed.trace")...)
	for _, name := range []string{"http-go122", "http-go127", "http2-go126", "grpc", "jobs", "workers", "sql"} {
		paths = append(paths, servers(t, name))
	}
	for _, path := range paths {
		tr, events := analysistest.Events(t, path)
		f := Requests.New().(*RequestsFold)
		for i := range events {
			if events[i].Kind == parse.KindRequest {
				f.Event(&events[i])
			}
		}
		ts := &RequestTypes{tr: tr, texts: make(map[textKey]string), kinds: newKinds(tr, new(KindsFold))}
		for kind := range f.kinds {
			for _, v := range f.kinds[kind].byName() {
				var classes int64
				for _, ns := range v.classes {
					classes += ns
				}
				if classes != v.lengths.Sum() {
					t.Errorf("%s: classes of %s sum to %d, requests to %d", filepath.Base(path), parse.RequestKind(kind), classes, v.lengths.Sum())
				}
				typ := &RequestType{requestType: v}
				for _, class := range []*RequestClass{typ.Everything()} {
					var causes, leafs int64
					for _, c := range ts.causes(*class) {
						causes += c.NS
						for _, l := range c.leafs {
							leafs += l.NS
						}
					}
					if causes != class.Total() || leafs != class.Total() {
						t.Errorf("%s: causes of %s sum to %d, what is below them to %d, requests to %d", filepath.Base(path), parse.RequestKind(kind), causes, leafs, class.Total())
					}
				}
			}
		}
	}
}

// TestRequestsCauses: servers whose handlers do one thing each, and what is said of them.
func TestRequestsCauses(t *testing.T) {
	for name, want := range map[string]map[string][2]string{
		"http-go126": {
			"main.waitsForLock": {"blocked in sync.Mutex at main.waitsForLock:30", "asleep at main.sleepsLocked:23"},
			"main.readsBody":    {"waiting for the network at main.readsBody:47 → io.Copy", ""},
		},
		"http2-go122": {"main.waitsForLock": {"blocked in sync.Mutex at main.waitsForLock:30", "asleep at main.sleepsLocked:23"}},
		"grpc":        {"main._Shop_Order_Handler": {"blocked in sync.Mutex at main._Shop_Order_Handler:62", "asleep at main._Shop_Order_Handler:63"}},
		"sql":         {"database/sql.(*DB).ExecContext": {"blocked in select at main.querySQL.func1:82 → database/sql.(*DB).ExecContext", "asleep at main.slowConn.ExecContext:104"}},
	} {
		rep := analysistest.Report(t, servers(t, name), Requests)
		parts := analysistest.ResultTable(t, rep, "requests.parts")
		for typ, cause := range want {
			i := slices.IndexFunc(parts.Rows, func(row []any) bool { return row[0] == typ })
			if i < 0 {
				t.Errorf("%s has no %s", name, typ)
				continue
			}
			at, was := parts.Cell(i, "at"), parts.Cell(i, "which was")
			if at != cause[0] || cause[1] != "" && was != cause[1] {
				t.Errorf("%s: %s was mostly %v, which was %v; want %q", name, typ, at, was, cause)
			}
		}
	}
}

// TestUntoldHandlers: where a handler leaves a stack only when it waits, its quick requests are
// of no type, and that of it says so.
func TestUntoldHandlers(t *testing.T) {
	ts := &RequestTypes{}
	add := func(kind parse.RequestKind, name string, n int, from int64) *RequestType {
		r := &RequestType{Kind: kind, Name: name, requestType: new(requestType)}
		for i := range n {
			r.lengths.Add(from + int64(i)*1e5)
		}
		ts.All = append(ts.All, r)
		return r
	}
	get, other, untold := add(parse.RequestHTTP, "main.get", 30, 3e5), add(parse.RequestGRPC, "main.Get", 30, 3e5), add(parse.RequestHTTP, UntoldHandler, 3, 1e5)
	if got := ts.Untold(get); !strings.HasPrefix(got, "3 HTTP requests of handlers that left no stack") {
		t.Errorf("%q", got)
	}
	if a, b := ts.Untold(other), ts.Untold(untold); a != "" || b != "" {
		t.Errorf("%q, %q", a, b)
	}
	if many := add(parse.RequestHTTP, "main.put", 31, 3e5); ts.Untold(many) != "" {
		t.Errorf("%q", ts.Untold(many))
	}
	if long := add(parse.RequestHTTP, "main.list", 30, 10e6); ts.Untold(long) != "" {
		t.Errorf("all wait for 10 ms: %q", ts.Untold(long))
	}
}

// TestRequestBounds: the time without a cause, against requests whose paths are known.
func TestRequestBounds(t *testing.T) {
	typ := &RequestType{requestType: new(requestType)}
	typ.fill(1)
	for i := range int64(200) {
		q := &parse.Request{Kind: parse.RequestTask, ID: uint64(i), Since: parse.Time(i), Until: parse.Time(i + 1000 + i)}
		q.Parts = []parse.RequestPart{{From: q.Since, To: q.Since + 100, State: parse.GoRunning}, {From: q.Since + 100, To: q.Until, State: parse.GoRunnable}}
		typ.addWhole(q, 1000+i, new([NumPartClasses]int64))
	}
	ts := &RequestTypes{tr: &parse.Trace{Symbols: new(parse.Symbols)}, texts: make(map[textKey]string)}
	b := ts.Bounds(typ)
	if len(b) != 1 || b[0].Without != "waiting for a P" || b[0].N != tailRequests || b[0].P50 != 100 || b[0].P99 != 100 {
		t.Errorf("%+v", b)
	}
}

// TestSlowRequests: --slowest, --type and --id of tracelens requests.
func TestSlowRequests(t *testing.T) {
	rep := analysistest.Report(t, servers(t, "grpc"), SelectRequests(RequestChoice{Slowest: 2, Type: "gRPC main._Shop"}))
	slowest := analysistest.ResultTable(t, rep, "requests.slowest")
	if len(slowest.Rows) != 2 || slowest.Cell(0, "requests") != "main._Shop_Order_Handler" {
		t.Fatalf("%v", slowest.Rows)
	}
	id := slowest.Cell(1, "id").(string)
	rep = analysistest.Report(t, servers(t, "grpc"), SelectRequests(RequestChoice{Slowest: 1, ID: id}))
	paths := analysistest.ResultTable(t, rep, "requests.paths")
	var sum int64
	for i, row := range paths.Rows {
		if row[0] == id {
			sum += paths.Cell(i, "length").(int64)
		}
	}
	if took := slowest.Cell(1, "took"); sum != took {
		t.Errorf("request %s took %v, its parts %d", id, took, sum)
	}
	for _, c := range []struct {
		choice RequestChoice
		want   string
	}{{RequestChoice{Slowest: 1, ID: "1.99"}, "no request 1.99"}, {RequestChoice{Slowest: 1, Type: "nothing"}, "main._Shop_Order_Handler"}} {
		res := analysistest.Report(t, servers(t, "grpc"), SelectRequests(c.choice)).Results[0]
		if res.Outcome != analysis.NotApplicable || !strings.Contains(res.Reason, c.want) {
			t.Errorf("%+v: %s %s", c.choice, res.Outcome, res.Reason)
		}
	}
}

// TestCondense keeps the sum of a path, and its longest parts.
func TestJoinedRuns(t *testing.T) {
	var parts []parse.RequestPart // the latest first
	at := parse.Time(1000)
	part := func(ns parse.Time, state parse.GoState, cause parse.Cause) {
		parts = append(parts, parse.RequestPart{From: at - ns, To: at, G: 1, State: state, Cause: cause})
		at -= ns
	}
	part(100, parse.GoRunning, 0)
	part(300, parse.GoRunning, parse.CauseGC)
	part(50, parse.GoRunning, 0)
	part(100, parse.GoRunnable, parse.CauseGC)
	part(90, parse.GoRunning, 0)
	part(10, parse.GoRunning, parse.CauseGC)
	var got []string
	for _, p := range inOrder(parts, 64) {
		got = append(got, fmt.Sprint(int64(p.To-p.From), p.State, p.Cause, p.assist))
	}
	if want := []string{"100 running user 10", "100 runnable gc 0", "450 running gc 300"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestCondense(t *testing.T) {
	var parts []parse.RequestPart // calls, which are not put together as runs are
	at := parse.Time(1_000_000)
	for i := range 1000 {
		length := parse.Time(1 + i%10)
		if i == 500 {
			length = 100
		}
		parts = append(parts, parse.RequestPart{From: at - length, To: at, G: 1, State: parse.GoSyscall})
		at -= length
	}
	got := inOrder(parts, 64)
	if len(got) > 65 || got[0].From != at || got[len(got)-1].To != 1_000_000 {
		t.Fatalf("%d parts, %d to %d", len(got), got[0].From, got[len(got)-1].To)
	}
	for i := 1; i < len(got); i++ {
		if got[i].From != got[i-1].To {
			t.Fatalf("a gap at %d", got[i].From)
		}
	}
	if !slices.ContainsFunc(got, func(p PathPart) bool { return p.G == 1 && p.To-p.From == 100 }) {
		t.Error("the longest part is left out")
	}
}

// TestSplit: both halves of a type are the requests that events tell, and what they were at
// adds up to their time, to the nanosecond.
func TestSplit(t *testing.T) {
	for _, name := range []string{"http-go126", "grpc", "jobs"} {
		const at = 2e6
		a := SelectRequests(RequestChoice{Slowest: 1, Split: at})
		tr, events := analysistest.Events(t, servers(t, name))
		type key struct{ name, kind, side string }
		want := make(map[key][2]int64)
		for i := range events {
			q := events[i].Request
			if events[i].Kind != parse.KindRequest || q.End != parse.RequestDone || q.Partial {
				continue
			}
			side := SideOthers
			if q.Until-q.Since > at {
				side = SideLonger
			}
			fn := "(handlers that left no stack)"
			if q.Name != 0 {
				fn = funcName(tr, q.Name)
			}
			k := key{fn, q.Kind.String(), side}
			had := want[k]
			want[k] = [2]int64{had[0] + 1, had[1] + int64(q.Until-q.Since)}
		}
		rep := analysistest.Report(t, servers(t, name), a)
		both := 0
		for _, side := range []string{SideLonger, SideOthers} {
			for _, s := range SplitOf(rep, side) {
				if got := [2]int64{s.N, s.Total}; got != want[key{s.Name, s.Kind, side}] {
					t.Errorf("%s: %s %s: %d requests of %d ns, want %v", name, side, s.Name, s.N, s.Total, want[key{s.Name, s.Kind, side}])
				}
				sum := 0.0
				for _, ns := range s.Parts {
					sum += ns
				}
				if sum != float64(s.Total) {
					t.Errorf("%s: %s %s: parts sum to %.0f, requests to %d", name, side, s.Name, sum, s.Total)
				}
				if s.N > 0 {
					both++
				}
			}
		}
		if both == 0 {
			t.Errorf("%s: %d halves", name, both)
		}
		analysistest.Law(t, servers(t, name), []*analysis.Analyzer{a})
	}
}
