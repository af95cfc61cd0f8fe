package parse

import "math"

// This file finds critical paths: what would have had to be shorter for a request to be.
// A path goes back from the end. While a goroutine runs, waits for a P, is in a call or
// waits for something outside of the program's goroutines, that is the path; where
// another goroutine ended its wait, the path is that one's, back to when the wait began,
// and from a goroutine's creation on its creator's.

// A RequestPart is a stretch of one goroutine's life on the path of a request.
type RequestPart struct {
	From, To   Time
	G          GoID
	Func, Body StringID // see Go; 0 if not told up to the end of the part
	// State is GoNotExist before a timer created the goroutine, GoUndetermined before the
	// trace tells of it and where more happened since than is kept.
	State GoState
	Ready Ready // GoWaiting: what ended the wait
	// GoRunnable: what most of the wait for a P was made of. GoRunning: CauseGC in mark assist.
	Cause Cause
	Stack StackID // where it waited, entered the call, stopped running, woke the next, assists; 0 if not told
	Place PlaceID // of Stack

	// Hops is how many goroutines of the path wait for this one, one for the other; 0 is
	// the one that ends the request. With Hops the others say what that one did: State is
	// GoWaiting, or GoNotExist before it was created.
	Hops     int32
	OwnState GoState
	OwnPlace PlaceID
	OwnStack StackID
}

// A step is a span of a goroutine that has ended, or the one that it was in when it woke
// another.
type step struct {
	since    Time
	g        GoID
	fn, body StringID
	stack    StackID
	back     uint32 // how many steps before is the goroutine's step before, if it is kept; 0: made up
	state    GoState
	ready    Ready
	cause    Cause
	woken    bool // by the goroutine of the step right before this one
}

// stepLog keeps the latest steps of all goroutines.
type stepLog struct {
	ring  []step // its length is a power of two
	n     int64  // steps so far
	start int64  // of what is kept without a gap
	need  int64  // the first step that an open request may need
	full  int64  // steps when there is no room for more without growing, or forgetting
	on    bool
	spare *spare // nil: none
}

const (
	fewSteps  = 1 << 10
	mostSteps = 1 << 18 // 10 MB
)

// next is room for one more step, whose number is n.
func (l *stepLog) next() (s *step, n int64) {
	n = l.n
	if n >= l.full {
		l.makeRoom()
	}
	l.n = n + 1
	return &l.ring[int(n)&(len(l.ring)-1)], n
}

func (l *stepLog) makeRoom() {
	if len(l.ring) < mostSteps {
		l.start = max(l.start, min(l.need, l.n-jobSteps))
		if l.n-l.start >= int64(len(l.ring)) {
			l.grow()
		}
	}
	l.full = math.MaxInt64
	if len(l.ring) < mostSteps {
		l.full = l.start + int64(len(l.ring))
	}
}

func (l *stepLog) grow() {
	more := l.spare.ring(max(fewSteps, 4*len(l.ring)))
	for i := max(l.start, l.n-int64(len(l.ring))); i < l.n; i++ {
		more[i&int64(len(more)-1)] = l.ring[i&int64(len(l.ring)-1)]
	}
	l.ring = more
}

// at returns a step, nil if it is not kept.
func (l *stepLog) at(i int64) *step {
	if i < l.start || i < l.n-int64(len(l.ring)) || i >= l.n {
		return nil
	}
	return &l.ring[i&int64(len(l.ring)-1)]
}

// clear forgets all steps.
func (l *stepLog) clear() {
	l.start, l.full = l.n, l.n+int64(len(l.ring))
}

// current fills in the span that g is in, at stack where it runs, as step number n.
func (s *step) current(g *goroutine, n int64, stack StackID) {
	s.since, s.g, s.fn, s.body = g.Since, g.ID, g.Func, g.Body
	s.stack, s.state, s.ready, s.cause, s.woken = g.FromStack, g.From, 0, 0, false
	if g.From == GoRunning {
		s.stack, s.since = stack, max(g.Since, g.cut)
		if g.assist {
			s.cause = CauseGC
		}
	}
	// Where there is none before, that is before the first.
	s.back = uint32(min(n-g.step+1, math.MaxUint32))
}

// cutRun notes g's run up to now, where a mark assist begins or ends in it at stack.
func (t *tracker) cutRun(g *goroutine, stack StackID) {
	if !t.reqs.on || g.From != GoRunning {
		return
	}
	if l := &t.reqs.log; t.keepsSteps() {
		s, n := l.next()
		s.current(g, n, stack)
		g.step = l.n
	}
	g.cut = t.now
}

// born notes that by, at stack, created g; by is nil for a timer.
func (l *stepLog) born(g, by *goroutine, stack StackID, now Time) {
	if !l.on {
		return
	}
	if by != nil {
		s, n := l.next()
		s.current(by, n, stack)
	}
	s, _ := l.next()
	*s = step{since: now, g: g.ID, fn: g.Func, state: GoNotExist, woken: by != nil, stack: stack}
	g.step = l.n
}

// goal is how far back a walk goes along a goroutine before it returns to the one that
// waited for it.
type goal struct {
	low  Time
	next int64 // the step that waited
	hops int32
}

// walk is scratch space.
type walk struct {
	goals []goal
	parts []RequestPart
}

// MaxPathParts is more parts than a path has.
const MaxPathParts = mostSteps + 1

// maxHops bounds the goroutines that may wake one another in one moment: coroutines
// switch without time between.
const maxHops = 1000

// path is the critical path of g from since to until, the latest part first, up to so many
// parts. It is valid until the next.
func (t *tracker) path(g *goroutine, since, until Time, most int) []RequestPart {
	w, l := &t.reqs.walk, &t.reqs.log
	w.parts, w.goals = w.parts[:0], w.goals[:0]
	if since >= until {
		return nil
	}
	if g == nil {
		w.add(RequestPart{From: since, To: until, G: NoGo})
		return w.parts
	}
	// From the span that g is in, which is no step yet, through its steps.
	var cur step
	n := l.n
	cur.current(g, n, 0)
	switch {
	case g.From == GoNotExist:
		cur.since, cur.state = t.now, GoRunning
	case g.From == GoRunning && t.ev.G == g.ID:
		cur.stack = t.ev.Stack
	case g.From == GoRunnable:
		cur.cause = CauseUnknown
	}
	at, low, end := until, since, t.now // end is where cur ends
	var own RequestPart
	hops, moment := int32(0), 0
	for {
		for cur.since >= at && cur.state != GoNotExist {
			end = cur.since
			before := l.at(n - int64(cur.back))
			if cur.back == 0 || before == nil {
				cur = step{since: minTime, g: cur.g, fn: cur.fn, body: cur.body}
				break
			}
			n -= int64(cur.back)
			cur = *before
		}
		if cur.woken && end == at && moment < maxHops {
			if waker := l.at(n - 1); waker != nil {
				if hops == 0 {
					own.OwnState, own.OwnStack, own.OwnPlace = cur.state, cur.stack, t.stacks[cur.stack].place
				}
				if cur.state == GoWaiting {
					w.goals = append(w.goals, goal{low, n, hops})
					low = max(cur.since, low)
				} // else it was created: before, there is only its creator
				hops++
				moment++
				n--
				cur = *waker
				continue
			}
		}
		p := RequestPart{From: max(cur.since, low), To: at, G: cur.g, Func: cur.fn, Body: cur.body, State: cur.state, Stack: cur.stack, Place: t.stacks[cur.stack].place, Hops: hops}
		if hops > 0 {
			p.OwnState, p.OwnStack, p.OwnPlace = own.OwnState, own.OwnStack, own.OwnPlace
		}
		switch cur.state {
		case GoNotExist:
			p.From = low
		case GoWaiting:
			p.Ready = cur.ready
		case GoRunnable, GoRunning:
			p.Cause = cur.cause
		}
		w.add(p)
		at, end, moment = p.From, p.From, 0
		if len(w.parts) >= most && at > since {
			w.add(RequestPart{From: since, To: at, G: g.ID})
			return w.parts
		}
		for at <= low {
			if len(w.goals) == 0 {
				return w.parts
			}
			top := w.goals[len(w.goals)-1]
			w.goals = w.goals[:len(w.goals)-1]
			low, hops, n = top.low, top.hops, top.next
			if s := l.at(n); s != nil {
				cur = *s
			} else {
				cur = step{since: minTime, g: NoGo}
			}
		}
	}
}

const minTime = Time(-1 << 63)

// add adds a part that lies before the others.
func (w *walk) add(p RequestPart) {
	if p.From >= p.To {
		return
	}
	if n := len(w.parts); n > 0 {
		next := w.parts[n-1]
		next.From, next.To = p.From, p.To
		if next == p {
			w.parts[n-1].From = p.From
			return
		}
	}
	w.parts = append(w.parts, p)
}
