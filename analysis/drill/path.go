package drill

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/tracelens/tracelens/parse"
)

// A Reading reads the trace once more, from its start, and sends the events of some kinds
// to the sink.
type Reading func(opt parse.Options, sink parse.Sink) (*parse.Trace, error)

// Path is the critical path of an interval of a goroutine's life: what would have had to
// be shorter for it to be. It goes back from the end. While the goroutine runs, waits for
// a P, is in a call or waits for something outside of the program's goroutines, that is
// the path; where another goroutine ended its wait, the path is that one's, back to when
// the wait began, and from a goroutine's creation on its creator's.
type Path struct {
	From, To parse.Time
	G        parse.GoID
	Parts    []PathPart // in the order of time; they sum to To-From
	Left     int64      // ns at the start whose parts are not kept, of MaxParts and more
	Readings int        // of the trace

	Trace *parse.Trace // of the last reading
}

// A PathPart is a stretch of one goroutine's life on a path.
type PathPart struct {
	From, To   parse.Time
	G          parse.GoID
	Func, Body parse.StringID // see parse.Go; 0 if not told up to the end of the part
	// State is GoNotExist before a timer created the goroutine, GoUndetermined before the
	// trace tells of it.
	State parse.GoState
	Ready parse.Ready   // GoWaiting: what ended the wait
	Cause parse.Cause   // GoRunnable: what most of the wait for a P was made of
	Stack parse.StackID // where it waited, entered the call, stopped running
}

// MaxParts is how many parts of a path are kept, the latest ones.
const MaxParts = 1 << 20

// ErrNoGoroutine is the error of a path of a goroutine that the trace, or the interval,
// does not have.
var ErrNoGoroutine = errors.New("no such goroutine")

// CriticalPath finds the critical path of the goroutine g from one moment to another, or
// of what it lived in between. Moments are relative to the first event; to 0 is the end.
// Where the interval ends within a wait, the path is that of who ends it later.
// keep bounds how many spans are in memory (24 to 48 bytes each): of an interval with
// more, the trace is read again for what was before those.
func CriticalPath(read Reading, g parse.GoID, from, to time.Duration, keep int) (*Path, error) {
	p := &Path{G: g}
	w := walk{path: p, at: math.MaxInt64, to: math.MaxInt64}
	if to > 0 {
		tr, err := read(parse.Options{To: 1}, parse.Sink{Event: func(*parse.Event) {}})
		if err != nil {
			return nil, err
		}
		w.to = tr.First + parse.Time(to)
	}
	var ring []kept // of all readings
	for {
		k := newKeeper(keep, g)
		k.ring = ring[:0]
		k.until, k.interval = w.at, w.to
		tr, err := read(parse.Options{From: from}, parse.Sink{Kinds: parse.KindsGo, Event: k.event})
		if err != nil {
			return nil, err
		}
		p.Trace, ring = tr, k.ring
		if p.Readings++; p.Readings == 1 {
			if !k.seen {
				return nil, ErrNoGoroutine
			}
			p.From, p.To = k.from, min(k.to, w.to)
			w.at, w.to = max(k.wait, p.To), p.To
			w.stack = []goal{{k.wanted, p.From}}
		}
		before := w.at
		if w.back(k) {
			break
		}
		if w.at >= before && p.Readings > 2 {
			return nil, errors.New("a critical path goes on before what is kept of the trace")
		}
	}
	slices.Reverse(p.Parts)
	return p, nil
}

// goKey tells goroutines apart of which one came to the number of another.
type goKey struct {
	id          parse.GoID
	incarnation uint32
}

// kept is a span of a goroutine.
type kept struct {
	since, end parse.Time
	prev       int64 // its span before, -1 for none
	g          int32 // in keeper.gs
	waker      int32 // likewise, GoWaiting that another goroutine ended; -1 for none
	stack      parse.StackID
	state      parse.GoState
	ready      parse.Ready
	cause      parse.Cause
}

// keptGo is a goroutine of which spans are kept.
type keptGo struct {
	goKey
	fn, body   parse.StringID
	last       int64 // its latest span
	cursor     int64 // the one that the walk has come to
	born       parse.Time
	bornSeen   bool
	creator    goKey
	hasCreator bool
	ended      bool
}

// keeper keeps the last spans of all goroutines, in the order in which they ended.
type keeper struct {
	ring   []kept
	limit  int
	until  parse.Time // spans that begin later are not wanted
	n      int64      // spans so far
	gs     []keptGo
	free   []int32
	byKey  map[goKey]int32
	latest map[parse.GoID]int32
	near   [1 << 10]int32 // a goroutine that had an event lately, by its number

	// Of the goroutine asked for, the last of that number.
	id       parse.GoID
	wanted   goKey
	seen     bool
	from, to parse.Time
	interval parse.Time // its end
	wait     parse.Time // when the wait ends in which the interval does
}

func newKeeper(limit int, id parse.GoID) *keeper {
	return &keeper{limit: max(limit, 1), byKey: make(map[goKey]int32), latest: make(map[parse.GoID]int32), id: id}
}

// of returns the place of a goroutine in gs.
func (k *keeper) of(key goKey) int32 {
	n := &k.near[key.id&(1<<10-1)]
	if int(*n) < len(k.gs) && k.gs[*n].goKey == key {
		return *n
	}
	i, ok := k.byKey[key]
	if !ok {
		fresh := keptGo{goKey: key, last: -1}
		if f := len(k.free); f > 0 {
			i, k.free = k.free[f-1], k.free[:f-1]
			k.gs[i] = fresh
		} else {
			i = int32(len(k.gs))
			k.gs = append(k.gs, fresh)
		}
		k.byKey[key], k.latest[key.id] = i, i
	}
	*n = i
	return i
}

// known is the goroutine of a number, -1 for none.
func (k *keeper) known(id parse.GoID) int32 {
	if i := k.near[id&(1<<10-1)]; int(i) < len(k.gs) && k.gs[i].id == id && !k.gs[i].ended {
		return i
	}
	if i, ok := k.latest[id]; ok {
		return i
	}
	return -1
}

func (k *keeper) event(e *parse.Event) {
	g := e.Go
	i := k.of(goKey{g.ID, g.Incarnation})
	if g.ID == k.id && g.Since < k.interval {
		if key := k.gs[i].goKey; !k.seen || k.wanted != key {
			k.seen, k.wanted, k.from, k.wait = true, key, g.Since, 0
			if g.From == parse.GoNotExist {
				k.from = e.Time
			}
		}
		k.to = e.Time
	}
	if g.Func != 0 {
		k.gs[i].fn = g.Func
	}
	if g.Body != 0 {
		k.gs[i].body = g.Body
	}
	if g.From == parse.GoNotExist {
		k.gs[i].born, k.gs[i].bornSeen = e.Time, true
		if c := k.known(g.Waker); g.Waker != parse.NoGo && c >= 0 {
			k.gs[i].creator, k.gs[i].hasCreator = k.gs[c].goKey, true
		}
		return
	}
	if g.Since >= k.until {
		k.gs[i].ended = g.To == parse.GoNotExist
		return
	}
	s := kept{since: g.Since, end: e.Time, prev: k.gs[i].last, g: i, waker: -1, stack: g.FromStack, state: g.From}
	switch g.From {
	case parse.GoRunning:
		s.stack = g.Stack
	case parse.GoRunnable:
		s.cause = causeOf(g)
	case parse.GoWaiting:
		if g.To == parse.GoUndetermined {
			break
		}
		s.ready = g.Ready
		if (g.Ready == parse.ReadyUnblocked || g.Ready == parse.ReadyCoroutine) && g.Waker != parse.NoGo && g.Waker != g.ID {
			s.waker = k.known(g.Waker)
			if g.ID == k.id && g.Since < k.interval && k.interval < e.Time {
				k.wait = e.Time
			}
		}
	}
	k.gs[i].last = k.n
	k.gs[i].ended = g.To == parse.GoNotExist
	if len(k.ring) < k.limit {
		if len(k.ring) == cap(k.ring) { // in few steps: most of the cost is new memory
			k.ring = slices.Grow(k.ring, min(max(1<<12, 3*cap(k.ring)), k.limit-len(k.ring)))
		}
		k.ring = append(k.ring, s)
	} else {
		old := &k.ring[k.n%int64(k.limit)]
		if o := &k.gs[old.g]; o.ended && o.last == k.n-int64(k.limit) {
			delete(k.byKey, o.goKey)
			if k.latest[o.id] == old.g {
				delete(k.latest, o.id)
			}
			*o = keptGo{goKey: goKey{id: parse.NoGo}, last: -1}
			k.free = append(k.free, old.g)
		}
		*old = s
	}
	k.n++
}

// at returns a span by its number, nil if it is not kept any more.
func (k *keeper) at(i int64) *kept {
	if i < k.n-int64(len(k.ring)) {
		return nil
	}
	return &k.ring[i%int64(k.limit)]
}

// goal is how far back a walk goes along a goroutine before it returns to the one that
// waited for it.
type goal struct {
	g   goKey
	low parse.Time
}

// walk is how far a path has been found, from its end back.
type walk struct {
	path  *Path
	at    parse.Time
	to    parse.Time // the end of the interval: what comes later is no part of it
	stack []goal
	hops  int // from goroutine to goroutine at this moment
}

// maxHops bounds the goroutines that may wake one another in one moment: coroutines
// switch without time between.
const maxHops = 1000

// back walks as far as spans are kept; false if older ones are needed.
func (w *walk) back(k *keeper) bool {
	for i := range k.gs {
		k.gs[i].cursor = k.gs[i].last
	}
	dropped := k.n > int64(len(k.ring))
	for len(w.stack) > 0 {
		top := &w.stack[len(w.stack)-1]
		if w.at <= top.low {
			w.stack = w.stack[:len(w.stack)-1]
			continue
		}
		i, ok := k.byKey[top.g]
		if !ok {
			if dropped {
				return false
			}
			w.part(PathPart{From: top.low, G: top.g.id})
			continue
		}
		g := &k.gs[i]
		var s *kept
		for g.cursor >= 0 {
			if s = k.at(g.cursor); s == nil {
				return false
			}
			if s.since < w.at {
				break
			}
			g.cursor, s = s.prev, nil
		}
		part := PathPart{From: top.low, G: g.id, Func: g.fn, Body: g.body}
		switch {
		case s == nil && g.bornSeen && g.hasCreator:
			if w.hops++; w.hops < maxHops {
				top.g = g.creator
				continue
			}
			w.part(part)
		case s == nil:
			if g.bornSeen {
				part.State = parse.GoNotExist
			}
			w.part(part)
		case s.waker >= 0 && s.end == w.at && w.hops < maxHops:
			w.hops++
			w.stack = append(w.stack, goal{k.gs[s.waker].goKey, max(s.since, top.low)})
		default:
			part.From, part.State, part.Stack, part.Ready, part.Cause = max(s.since, top.low), s.state, s.stack, s.ready, s.cause
			w.part(part)
		}
	}
	return true
}

// part puts a part that ends now before the others.
func (w *walk) part(p PathPart) {
	p.To, w.at, w.hops = min(w.at, w.to), p.From, 0
	if p.From >= p.To {
		return
	}
	parts := w.path.Parts
	if n := len(parts); n > 0 {
		next := parts[n-1]
		next.From, next.To = p.From, p.To
		if next == p {
			parts[n-1].From = p.From
			return
		}
	}
	if len(parts) >= MaxParts {
		w.path.Left += int64(p.To - p.From)
		return
	}
	w.path.Parts = append(parts, p)
}
