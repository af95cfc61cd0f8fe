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

// waited is a wait at a place.
type waited struct{ from, to parse.Time }

// holdsOf keeps all spans and holds of a trace in memory.
type holdsOf struct {
	lives map[parse.GoID]*life // the latest of each id
	waits map[parse.PlaceID][]waited
	holds []parse.Event
	at    []life // of each hold, the life of its holder so far
	tr    *parse.Trace
}

func readHolds(t testing.TB, data []byte, opt parse.Options) *holdsOf {
	t.Helper()
	h := &holdsOf{lives: make(map[parse.GoID]*life), waits: make(map[parse.PlaceID][]waited)}
	var spans []parse.Event // of waits; what they waited at is known when the trace has been read
	tr, err := parse.Read(context.Background(), bytes.NewReader(data), opt, func(e *parse.Event) {
		switch {
		case e.Kind == parse.KindHold:
			h.holds = append(h.holds, e.Clone())
			l := life{id: e.Hold.Holder}
			if x := h.lives[l.id]; x != nil {
				l = *x
			}
			h.at = append(h.at, l)
		case e.Kind == parse.KindGoCreate:
			h.lives[e.Go.ID] = &life{id: e.Go.ID, born: e.Time, site: e.Go.WakerStack}
			if e.Go.To != parse.GoRunnable {
				h.lives[e.Go.ID].site = e.Stack
			}
		case e.Kind.IsGo():
			l := h.lives[e.Go.ID]
			if l == nil {
				l = &life{id: e.Go.ID}
				h.lives[e.Go.ID] = l
			}
			s := lived{e.Go.Since, e.Time, e.Go.From, e.Go.FromStack}
			if e.Go.From == parse.GoRunning {
				s.stack = e.Go.Stack
			}
			l.spans = append(l.spans, s)
			if e.Go.From == parse.GoWaiting && (e.Go.Class == parse.ClassUser || e.Go.Body != 0) && e.Go.Ready != parse.ReadyCoroutine {
				spans = append(spans, e.Clone())
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	h.tr = tr
	for _, e := range spans {
		switch tr.String(e.Go.FromReason) {
		case "network", "sleep", "GC mark assist wait for work", "wait until GC ends", "GC weak to strong wait", "preempted", "system goroutine wait", "GC background sweeper wait":
			continue
		}
		place := tr.PlaceOf(e.Go.FromStack)
		if tr.Place(place).Prim.Mutual() {
			h.waits[place] = append(h.waits[place], waited{e.Go.Since, e.Time})
		}
	}
	return h
}

// union is the time in which at least one lasts.
func union(ws []waited) (ns int64) {
	slices.SortFunc(ws, func(a, b waited) int { return cmp.Compare(a.from, b.from) })
	end := parse.Time(math.MinInt64)
	for _, w := range ws {
		if w.to > end {
			ns += int64(w.to - max(w.from, end))
			end = w.to
		}
	}
	return ns
}

// check compares the holds with what a search over all spans gives.
func (h *holdsOf) check(t *testing.T) {
	t.Helper()
	held, sum := make(map[parse.PlaceID]int64), make(map[parse.PlaceID]int64)
	for i := range h.holds {
		e, hold := &h.holds[i], h.holds[i].Hold
		held[hold.Place] += hold.Held
		sum[hold.Place] += hold.Waited
		var parts int64
		for _, p := range hold.Parts {
			if p.NS <= 0 {
				t.Fatalf("at %d: a part of %d ns", e.Time, p.NS)
			}
			parts += p.NS
		}
		if parts != hold.Held || !hold.Late && hold.Held != int64(e.Time-hold.Since) {
			t.Fatalf("at %d: parts sum to %d of %d ns since %d", e.Time, parts, hold.Held, hold.Since)
		}
		if hold.Holder != parse.NoGo {
			h.checkParts(t, e, &h.at[i])
		}
	}
	for place, ws := range h.waits {
		var total int64
		for _, w := range ws {
			total += int64(w.to - w.from)
		}
		if total != sum[place] {
			t.Errorf("place %v: waits sum to %d ns, holds say %d", h.tr.Place(place), total, sum[place])
		}
		if u := union(ws); u != held[place] {
			t.Errorf("place %v: %d ns with a waiter, holds sum to %d", h.tr.Place(place), u, held[place])
		}
	}
	for place := range held {
		if h.waits[place] == nil {
			t.Errorf("place %v: holds without waits", h.tr.Place(place))
		}
	}
}

// checkParts compares the parts of a hold with the holder's spans, all of them.
func (h *holdsOf) checkParts(t *testing.T, e *parse.Event, l *life) {
	t.Helper()
	hold := e.Hold
	rest := slices.Clone(hold.Parts)
	// N.B. the span in which it ended the wait comes later in the trace: it is what the
	// others leave of the time.
	end := e.Time
	take := func(from, to parse.Time, state parse.GoState, stack parse.StackID, any bool) bool {
		from = max(from, hold.Since)
		if to <= from {
			return true
		}
		if len(rest) == 0 || rest[0].State == parse.GoUndetermined {
			return false
		}
		p := rest[0]
		rest = rest[1:]
		if p.NS != int64(to-from) || !any && (p.State != state || p.Stack != stack) {
			t.Fatalf("at %d: goroutine %d: a part %+v, want %v at %d for %d ns", e.Time, l.id, p, state, stack, to-from)
		}
		return true
	}
	last := l.born
	i := len(l.spans) - 1
	if i >= 0 {
		last = l.spans[i].to
	}
	if i < 0 && l.born == 0 {
		last = hold.Since
	}
	if !take(last, end, 0, 0, true) {
		t.Fatalf("at %d: no part for what goroutine %d did last", e.Time, l.id)
	}
	n := 0
	for ; i >= 0 && l.spans[i].to > hold.Since; i-- {
		if n++; !take(l.spans[i].from, l.spans[i].to, l.spans[i].state, l.spans[i].stack, false) {
			break
		}
	}
	if i < 0 && l.born > hold.Since {
		take(hold.Since, l.born, parse.GoNotExist, l.site, false)
	}
	if len(rest) > 0 && (len(rest) > 1 || rest[0].State != parse.GoUndetermined || n < 32) {
		t.Fatalf("at %d: goroutine %d: parts left %+v after %d spans", e.Time, l.id, rest, n)
	}
}

// TestHolds: the holds of each place are the time in which somebody waited there, their
// parts are what the holder did by a search over all its spans.
func TestHolds(t *testing.T) {
	paths, _ := filepath.Glob("../testdata/traces/*.trace")
	if len(paths) == 0 {
		t.Fatal("no traces")
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			readHolds(t, data, parse.Options{}).check(t)
			readHolds(t, data, parse.Options{From: 20e6, To: 60e6}).check(t)
		})
	}
}

// TestHoldsRandom does so on traces of programs that are made up.
func TestHoldsRandom(t *testing.T) {
	for seed := range uint64(40) {
		data, _ := tracetest.Schedule(tracetest.Plan{Version: []int{22, 23, 25, 26}[seed%4], Seed: seed, Procs: 4, Steps: 3000, Generations: 3})
		readHolds(t, data, parse.Options{}).check(t)
	}
}
