package parse_test

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// lived is a span of a goroutine in the memory of the brute force.
type lived struct {
	from, to parse.Time
	state    parse.GoState
	stack    parse.StackID
}

type life struct {
	id    parse.GoID
	born  parse.Time // 0 when not seen
	site  parse.StackID
	spans []lived
}

// add adds a span. Calls that return at once do not end a run.
func (l *life) add(s lived) {
	if n := len(l.spans); n > 0 {
		switch last := &l.spans[n-1]; {
		case s.state == parse.GoSyscall && s.to-s.from <= 1:
			last.to = s.to
			return
		case s.state == parse.GoRunning && last.state == parse.GoRunning:
			if s.to-s.from > s.from-last.from {
				last.stack = s.stack
			}
			last.to = s.to
			return
		}
	}
	l.spans = append(l.spans, s)
}

// waited is a wait at a place.
type waited struct{ from, to parse.Time }

// without returns the pieces of w that none of ws covers, the latest first.
func (w waited) without(ws []waited) (left []waited) {
	left = []waited{w}
	for _, c := range ws {
		var next []waited
		for _, l := range left {
			if c.from >= l.to || c.to <= l.from {
				next = append(next, l)
				continue
			}
			if c.to < l.to {
				next = append(next, waited{c.to, l.to})
			}
			if l.from < c.from {
				next = append(next, waited{l.from, c.from})
			}
		}
		left = next
	}
	return left
}

// heldAt is the holds of a place, and the waits there in the order in which they ended.
type heldAt struct {
	waits     []waited
	held, sum int64
	late      bool
}

// checkHolds keeps all spans of a trace in memory and compares its holds with what a
// search over all of them gives.
func checkHolds(t *testing.T, data []byte, opt parse.Options) {
	t.Helper()
	tr, err := parse.Read(context.Background(), bytes.NewReader(data), opt, func(*parse.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	lives := make(map[parse.GoID]*life) // the latest of each id
	places := make(map[parse.PlaceID]*heldAt)
	at := func(place parse.PlaceID) *heldAt {
		if places[place] == nil {
			places[place] = new(heldAt)
		}
		return places[place]
	}
	_, err = parse.Read(context.Background(), bytes.NewReader(data), opt, func(e *parse.Event) {
		switch {
		case e.Kind == parse.KindHold:
			h := e.Hold
			if h.Peer {
				l := lives[h.Holder]
				if l == nil {
					l = &life{id: h.Holder}
				}
				l.check(t, e, []waited{{from: h.Since, to: e.Time}})
				return
			}
			p := at(h.Place)
			p.held += h.Held
			p.sum += h.Waited
			p.late = p.late || h.Late
			var parts int64
			for _, part := range h.Parts {
				if part.NS <= 0 {
					t.Fatalf("at %d: a part of %d ns", e.Time, part.NS)
				}
				parts += part.NS
			}
			if parts != h.Held {
				t.Fatalf("at %d: parts sum to %d of %d ns", e.Time, parts, h.Held)
			}
			if h.G == parse.NoGo || p.late {
				return
			}
			i := len(p.waits) - 1
			pieces := p.waits[i].without(p.waits[:i])
			for _, w := range pieces {
				parts -= int64(w.to - w.from)
			}
			if parts != 0 {
				t.Fatalf("at %d: a hold of %d ns, %d too many", e.Time, h.Held, parts)
			}
			if h.Holder != parse.NoGo {
				l := lives[h.Holder]
				if l == nil {
					l = &life{id: h.Holder}
				}
				l.check(t, e, pieces)
			}
		case e.Kind == parse.KindGoCreate:
			l := &life{id: e.Go.ID, born: e.Time, site: e.Go.WakerStack}
			if e.Go.To != parse.GoRunnable {
				l.site = e.Stack
			}
			lives[l.id] = l
		case e.Kind.IsGo():
			g := e.Go
			l := lives[g.ID]
			if l == nil {
				l = &life{id: g.ID}
				lives[g.ID] = l
			}
			s := lived{g.Since, e.Time, g.From, g.FromStack}
			if g.From == parse.GoRunning {
				s.stack = g.Stack
			}
			l.add(s)
			if place := tr.PlaceOf(g.FromStack); mutual(tr, g) {
				at(place).waits = append(at(place).waits, waited{g.Since, e.Time})
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, p := range places {
		var total int64
		for _, w := range p.waits {
			total += int64(w.to - w.from)
		}
		if total != p.sum {
			t.Errorf("place %v: waits sum to %d ns, holds say %d", tr.Place(id), total, p.sum)
		}
		if u := union(p.waits); u != p.held {
			t.Errorf("place %v: %d ns with a waiter, holds sum to %d", tr.Place(id), u, p.held)
		}
	}
}

// mutual reports whether a span is a wait for another goroutine.
func mutual(tr *parse.Trace, g *parse.Go) bool {
	if g.From != parse.GoWaiting || g.Class != parse.ClassUser && g.Body == 0 || g.Ready == parse.ReadyCoroutine {
		return false
	}
	switch tr.String(g.FromReason) {
	case "network", "sleep", "GC mark assist wait for work", "wait until GC ends", "GC weak to strong wait", "preempted", "system goroutine wait", "GC background sweeper wait":
		return false
	}
	return tr.Place(tr.PlaceOf(g.FromStack)).Prim.Mutual()
}

// union is the time in which at least one lasts.
func union(ws []waited) (ns int64) {
	ws = slices.SortedFunc(slices.Values(ws), func(a, b waited) int { return cmp.Compare(a.from, b.from) })
	end := parse.Time(math.MinInt64)
	for _, w := range ws {
		if w.to > end {
			ns += int64(w.to - max(w.from, end))
			end = w.to
		}
	}
	return ns
}

// check compares the parts of a hold with the holder's spans so far, all of them.
func (l *life) check(t *testing.T, e *parse.Event, pieces []waited) {
	t.Helper()
	now := lived{from: l.born, to: e.Time, state: parse.GoUndetermined} // the span that it is in
	if n := len(l.spans); n > 0 {
		now.from = l.spans[n-1].to
	}
	spans := append(slices.Clone(l.spans), now)
	if l.born != 0 {
		spans = slices.Insert(spans, 0, lived{math.MinInt64, l.born, parse.GoNotExist, l.site})
	}
	rest := e.Hold.Parts
	slices.Reverse(spans)
	for i, s := range spans {
		for _, w := range pieces {
			ns := int64(min(w.to, s.to) - max(w.from, s.from))
			if ns <= 0 {
				continue
			}
			if len(rest) > 0 && rest[0].State == parse.GoUndetermined {
				if i < 16 {
					t.Fatalf("at %d: goroutine %d: not known after %d spans", e.Time, l.id, i)
				}
				return
			}
			if len(rest) == 0 || rest[0].NS != ns || i > 0 && (rest[0].State != s.state || rest[0].Stack != s.stack) {
				t.Fatalf("at %d: goroutine %d: parts %+v, want %v at %d for %d ns", e.Time, l.id, rest, s.state, s.stack, ns)
			}
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		t.Fatalf("at %d: goroutine %d: parts left: %+v", e.Time, l.id, rest)
	}
}

// TestHolds: the holds of each place are the time in which somebody waited there, each
// the part of a wait that none covers which ended before it; what the holder did is what
// a search over all its spans gives.
func TestHolds(t *testing.T) {
	paths := corpus.Own(t)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			checkHolds(t, data, parse.Options{})
			checkHolds(t, data, parse.Options{From: 20e6, To: 60e6})
		})
	}
}

// TestHoldsRandom does so on traces of programs that are made up.
func TestHoldsRandom(t *testing.T) {
	for seed := range uint64(40) {
		data, _ := tracetest.Schedule(tracetest.Plan{Version: []int{22, 23, 25, 26}[seed%4], Seed: seed, Procs: 4, Steps: 3000, Generations: 3})
		checkHolds(t, data, parse.Options{})
	}
}
