package drill

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func reading(t testing.TB, path string) Reading {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return func(opt parse.Options, sink parse.Sink) (*parse.Trace, error) {
		return parse.ReadTo(context.Background(), bytes.NewReader(data), opt, sink)
	}
}

// life is all that a goroutine did, for the oracle.
type life struct {
	spans   []lifeSpan
	creator *life
	born    parse.Time
	seen    bool
	id      parse.GoID
}

type lifeSpan struct {
	since, end parse.Time
	state      parse.GoState
	stack      parse.StackID
	waker      *life
}

// lives reads all spans of a trace into memory.
func lives(t testing.TB, read Reading, opt parse.Options) (tr *parse.Trace, all []*life) {
	t.Helper()
	now := make(map[parse.GoID]*life)
	incarnation := make(map[parse.GoID]uint32)
	tr, err := read(opt, parse.Sink{Kinds: parse.KindsGo, Event: func(e *parse.Event) {
		g := e.Go
		l := now[g.ID]
		if l == nil || incarnation[g.ID] != g.Incarnation {
			l = &life{id: g.ID}
			now[g.ID], incarnation[g.ID] = l, g.Incarnation
			all = append(all, l)
		}
		if g.From == parse.GoNotExist {
			l.born, l.seen, l.creator = e.Time, true, now[g.Waker]
			return
		}
		s := lifeSpan{since: g.Since, end: e.Time, state: g.From, stack: g.FromStack}
		if g.From == parse.GoRunning {
			s.stack = g.Stack
		}
		if g.From == parse.GoWaiting && g.To != parse.GoUndetermined && g.Waker != g.ID && (g.Ready == parse.ReadyUnblocked || g.Ready == parse.ReadyCoroutine) {
			s.waker = now[g.Waker]
		}
		l.spans = append(l.spans, s)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return tr, all
}

// step is a part of a path as the oracle has it.
type step struct {
	g        parse.GoID
	from, to parse.Time
	state    parse.GoState
	stack    parse.StackID
}

// between is the path of a life from one moment to another, the latest first: the
// definition, with all spans at hand.
func between(l *life, from, to parse.Time, depth int) (out []step) {
	for i := len(l.spans) - 1; i >= 0 && to > from; i-- {
		s := l.spans[i]
		if s.since >= to || s.end < to && s.since == s.end {
			continue
		}
		low := max(s.since, from)
		if s.waker != nil && s.end == to && depth < 5000 {
			out = append(out, between(s.waker, low, to, depth+1)...)
		} else {
			out = append(out, step{l.id, low, to, s.state, s.stack})
		}
		to = low
	}
	switch {
	case to <= from:
	case l.seen && l.creator != nil:
		out = append(out, between(l.creator, from, to, depth+1)...)
	case l.seen:
		out = append(out, step{l.id, from, to, parse.GoNotExist, 0})
	default:
		out = append(out, step{l.id, from, to, parse.GoUndetermined, 0})
	}
	return out
}

// TestCriticalPath: the path is that of the definition, with all spans in memory and with
// few; its parts follow one another and sum to the interval.
func TestCriticalPath(t *testing.T) {
	most := int64(300_000)
	if testing.Short() {
		most = 40_000
	}
	for _, path := range append(corpus.Own(t), corpus.More(t, "bugs/*.trace")...) {
		if info, err := os.Stat(path); err != nil || info.Size() > most {
			continue
		}
		read := reading(t, path)
		tr, all := lives(t, read, parse.Options{})
		last := make(map[parse.GoID]*life)
		for _, l := range all {
			last[l.id] = l
		}
		length := time.Duration(tr.Duration())
		n := 0
		for i, l := range all {
			if last[l.id] != l || len(l.spans) == 0 || i%(1+len(all)/6) != 0 && l.id != 1 {
				continue
			}
			n++
			for _, w := range []struct {
				from, to time.Duration
				keep     int
			}{{0, 0, 1 << 20}, {0, 0, len(all) + 100}, {length / 3, length / 2, 1 << 20}} {
				want, from, to := l, parse.Time(0), parse.Time(0)
				if w.from > 0 {
					tr, some := lives(t, read, parse.Options{From: w.from})
					want, to = nil, tr.First+parse.Time(w.to)
					for _, s := range some {
						if s.id == l.id && len(s.spans) > 0 && s.spans[0].since < to {
							want = s
						}
					}
				}
				got, err := CriticalPath(read, l.id, w.from, w.to, w.keep)
				if want == nil {
					if err != ErrNoGoroutine {
						t.Errorf("%s: goroutine %d is not there from %v to %v: error %v", path, l.id, w.from, w.to, err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%s: goroutine %d: %v", path, l.id, err)
				}
				from = want.spans[0].since
				if end := want.spans[len(want.spans)-1].end; to == 0 || end < to {
					to = end
				}
				start := to // within a wait, its end
				for _, s := range want.spans {
					if s.since < to && to < s.end && s.waker != nil {
						start = s.end
					}
				}
				if got.From != from || got.To != to {
					t.Fatalf("%s: goroutine %d: path from %d to %d, want %d to %d", path, l.id, got.From, got.To, from, to)
				}
				at := from
				var parts []step
				for _, p := range got.Parts {
					if p.From != at || p.To <= p.From {
						t.Fatalf("%s: goroutine %d: a part from %d to %d follows %d", path, l.id, p.From, p.To, at)
					}
					at = p.To
					parts = append(parts, step{p.G, p.From, p.To, p.State, p.Stack})
				}
				if at != to {
					t.Fatalf("%s: goroutine %d: the parts end at %d of %d", path, l.id, at, to)
				}
				var oracle []step
				for _, s := range slices.Backward(between(want, from, start, 0)) {
					if s.to = min(s.to, to); s.from < s.to {
						oracle = append(oracle, s)
					}
				}
				if !slices.Equal(joined(parts), joined(oracle)) {
					t.Errorf("%s: goroutine %d, %v to %v, %d kept: path differs from the definition\ngot  %v\nwant %v", path, l.id, w.from, w.to, w.keep, joined(parts)[:min(len(parts), 5)], joined(oracle)[:min(len(oracle), 5)])
				}
			}
		}
		if n == 0 {
			t.Errorf("%s: no path looked at", path)
		}
	}
}

// joined puts parts together that differ in nothing but time.
func joined(parts []step) (out []step) {
	for _, p := range parts {
		if n := len(out); n > 0 && out[n-1].g == p.g && out[n-1].state == p.state && out[n-1].stack == p.stack {
			out[n-1].to = p.to
			continue
		}
		out = append(out, p)
	}
	return out
}

func report(t *testing.T, path string, opt parse.Options, a *analysis.Analyzer) *analysis.Result {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rep, err := analysis.Analyze(context.Background(), f, path, analysis.Options{Options: opt}, []*analysis.Analyzer{a})
	if err != nil {
		t.Fatal(err)
	}
	return rep.Results[0]
}

// TestGoroutine: pages put together are the spans that the trace has of a goroutine, and
// they sum to its life.
func TestGoroutine(t *testing.T) {
	path := analysistest.Testdata(t, "http-healthy")
	_, all := lives(t, reading(t, path), parse.Options{})
	l := slices.MaxFunc(all, func(a, b *life) int { return len(a.spans) - len(b.spans) })
	var got []lifeSpan
	for len(got) < len(l.spans) {
		res := report(t, path, parse.Options{}, Goroutine(l.id, Page{len(got), 7}, nil))
		rows := res.Tables[0].Rows
		if want := int64(len(l.spans) - len(rows)); len(rows) == 0 || res.Tables[0].More != want || res.Tables[0].N != int64(len(l.spans)) {
			t.Fatalf("page from %d: %d more of %d, want %d", len(got), res.Tables[0].More, res.Tables[0].N, want)
		}
		for _, r := range rows {
			i := len(got)
			if length := int64(l.spans[i].end - l.spans[i].since); r[1] != length || r[2] != l.spans[i].state.String() {
				t.Fatalf("span %d is %v, want %v for %d", i, r, l.spans[i].state, length)
			}
			got = append(got, l.spans[i])
		}
	}
	if len(got) != len(l.spans) {
		t.Errorf("%d spans on all pages, want %d", len(got), len(l.spans))
	}
	res := report(t, path, parse.Options{}, Goroutine(1_000_000, Page{0, 5}, nil))
	if res.Outcome != analysis.NotApplicable || !strings.Contains(res.Reason, "the nearest are") {
		t.Errorf("a goroutine that is not there: %s %q", res.Outcome, res.Reason)
	}
}

// TestMoment: at any moment each goroutine and P that there is stands once.
func TestMoment(t *testing.T) {
	path := analysistest.Testdata(t, "http-healthy")
	tr, all := lives(t, reading(t, path), parse.Options{})
	for i := range 20 {
		at := time.Duration(tr.Duration() * int64(i) / 19)
		want := int64(0)
		for _, l := range all {
			for k, s := range l.spans {
				if now := tr.First + parse.Time(at); s.since <= now && (now < s.end || now == s.end && k == len(l.spans)-1 && now == tr.To) {
					want++
				}
			}
		}
		res := report(t, path, parse.Options{}, Moment(at, Page{0, 1000}))
		sum := int64(0)
		for _, r := range res.Tables[1].Rows {
			sum += r[3].(int64)
		}
		if sum != want || int64(len(res.Tables[2].Rows)) != want {
			t.Errorf("at %v: %d goroutines by kind, %d listed, want %d", at, sum, len(res.Tables[2].Rows), want)
		}
		if len(res.Tables[0].Rows) != tr.Procs {
			t.Errorf("at %v: %d Ps, want %d", at, len(res.Tables[0].Rows), tr.Procs)
		}
	}
	if res := report(t, path, parse.Options{}, Moment(time.Hour, Page{0, 5})); res.Outcome != analysis.NotApplicable {
		t.Errorf("a moment after the end: %s", res.Outcome)
	}
}

// TestPlace: a place's waits are those of the trace, found by its whole name and by a part.
func TestPlace(t *testing.T) {
	path := analysistest.Testdata(t, "pool-too-small")
	all := report(t, path, parse.Options{}, Place("main.", Page{0, 1000}))
	waiting := all.Tables[0].Rows
	i := slices.IndexFunc(waiting, func(r []any) bool { return r[2] == "waiting" })
	if i < 0 {
		t.Fatal("nothing waits in pool-too-small")
	}
	name := waiting[i][0].(string)
	one := report(t, path, parse.Options{}, Place(name, Page{0, 1000}))
	for _, r := range one.Tables[0].Rows {
		if r[0] != name {
			t.Errorf("asked for %q, got %q", name, r[0])
		}
		if !slices.ContainsFunc(waiting, func(x []any) bool { return slices.Equal(x, r) }) {
			t.Errorf("row %v is not among those of all places", r)
		}
	}
	res := report(t, path, parse.Options{}, Place("main.nosuchthing", Page{0, 5}))
	if res.Outcome != analysis.NotApplicable || !strings.Contains(res.Reason, "near are main.") {
		t.Errorf("a place that is not there: %s %q", res.Outcome, res.Reason)
	}
}

// TestLogs: messages by category and by text, and what there is where none matches.
func TestLogs(t *testing.T) {
	path := analysistest.Testdata(t, "annotations")
	n := func(pattern string) int64 {
		res := report(t, path, parse.Options{}, Logs(regexp.MustCompile(pattern), Page{0, 3}))
		if res.Outcome == analysis.NotApplicable {
			return 0
		}
		return res.Tables[0].N
	}
	var rows, all int64
	tr, err := reading(t, path)(parse.Options{}, parse.Sink{Kinds: parse.KindsOf(parse.KindLog), Event: func(e *parse.Event) { all++ }})
	if err != nil {
		t.Fatal(err)
	}
	tr, err = reading(t, path)(parse.Options{}, parse.Sink{Kinds: parse.KindsOf(parse.KindLog), Event: func(e *parse.Event) {
		if tr.String(e.Log.Category) == "rows" {
			rows++
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if n("^rows$") != rows || rows == 0 || n(".") != all || n("no such text") != 0 {
		t.Errorf("%d of category rows, want %d; %d in all, want %d; %d of no such text", n("^rows$"), rows, n("."), all, n("no such text"))
	}
}
