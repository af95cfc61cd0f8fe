package measures

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// RequestTypes are the requests of a trace by type, those with the most time first.
// Goroutines are among them where they are units of work: see jobs.
type RequestTypes struct {
	All   []*RequestType
	kinds *GoKinds
	tr    *parse.Trace
}

// A RequestType is requests of one kind and name.
type RequestType struct {
	Kind parse.RequestKind
	Name string // of the task or region; the handler, or what is called
	*requestType
}

// RequestTypesOf returns those of the trace of a pass that requires the measures requests
// and kinds.
func RequestTypesOf(p *analysis.Pass) *RequestTypes {
	return requestTypesOf(p, analysis.FoldOf[*RequestsFold](p, Requests))
}

func requestTypesOf(p *analysis.Pass, f *RequestsFold) *RequestTypes {
	return analysis.Model(p, func() *RequestTypes { return newRequestTypes(p, f) })
}

func newRequestTypes(p *analysis.Pass, f *RequestsFold) *RequestTypes {
	ts := &RequestTypes{kinds: KindsOf(p), tr: p.Trace}
	for k := range f.kinds {
		kind := parse.RequestKind(k)
		name := func(a Annotation) tally.Label { return tally.Label{requestName(p, kind, a)} }
		for _, r := range tally.Rank(f.kinds[k].byName(), name, (*requestType).add, func(t *requestType) int64 { return t.seen }) {
			t := &RequestType{kind, r.Label[0], r.V}
			if kind != parse.RequestJob || t.isWork() {
				ts.All = append(ts.All, t)
			}
		}
	}
	slices.SortStableFunc(ts.All, func(a, b *RequestType) int {
		return cmp.Or(cmp.Compare(b.lengths.Sum(), a.lengths.Sum()), cmp.Compare(b.seen, a.seen))
	})
	return ts
}

func requestName(p *analysis.Pass, k parse.RequestKind, a Annotation) string {
	switch {
	case k == parse.RequestTask || k == parse.RequestRegion:
		return a.Label(p)[0]
	case a.Rest:
		return "(others)"
	case a.Name == 0:
		return "(handler not told)"
	}
	return funcName(p.Trace, a.Name)
}

// jobs is how many goroutines of a function must end for each to be a piece of work.
const jobs = 20

// isWork reports whether goroutines of a function are units of work: there are many, and
// they come one after the other, at least half of them.
func (t *RequestType) isWork() bool {
	n := t.lengths.N()
	return n >= jobs && float64(t.lengths.Sum()) <= float64(n)/2*float64(t.to-t.from)
}

// Lengths are how long those took that began and were done in the trace.
func (t *RequestType) Lengths() *sketch.Histogram { return &t.lengths }

// Of says what they are.
func (t *RequestType) Of() string {
	switch t.Kind {
	case parse.RequestTask:
		return "tasks " + t.Name
	case parse.RequestRegion:
		return "regions " + t.Name
	case parse.RequestSQL:
		return "calls of " + t.Name
	case parse.RequestJob:
		return "goroutines of " + t.Name
	case parse.RequestEntry:
		return "calls of " + t.Name
	}
	return t.Kind.String() + " requests of " + t.Name
}

// Ended is how many ended so, with those that began before the trace.
func (t *RequestType) Ended(how parse.RequestEnd) int64 { return t.ends[how] }

// Rate is how many ended in a second.
func (t *RequestType) Rate() float64 { return say.PerSecond(t.lengths.N(), int64(t.to-t.from)) }

// Slowest are the longest.
func (t *RequestType) Slowest() []sketch.Entry[SlowRequest] { return t.slowest.Items() }

// A LengthClass is requests of a type that took from one length to another.
type LengthClass struct{ from, to int } // buckets

// Classes are those up to the median, and from two quantiles on.
func (t *RequestType) Classes() (usual, p90, p99 LengthClass) {
	at := func(q float64) int { return tally.CoarseIndex(t.lengths.QuantileAny(q)) }
	return LengthClass{0, at(.5)}, LengthClass{at(.9), tally.CoarseLen}, LengthClass{at(.99), tally.CoarseLen}
}

// everything is all of a type.
var everything = LengthClass{0, tally.CoarseLen}

func (c LengthClass) sum(b *tally.Buckets[lengthSum]) (s lengthSum) {
	for i, v := range b.All() {
		if c.from <= i && i <= c.to {
			s.add(v)
		}
	}
	return s
}

// Count is how many of a type are in a class, and their mean length.
func (t *RequestType) Count(c LengthClass) (n, mean int64) {
	s := c.sum(&t.sums)
	return s.n, s.ns / max(s.n, 1)
}

// A RequestCause is what requests of a type were at, and who was in the way.
type RequestCause struct {
	Text  string
	Place parse.Place // where they waited or what they called; the zero value for none
	N     int64       // parts
	NS    int64       // of all of the class
	Mean  int64       // per request of the class
	Class PartClass   // what most of it is made of
	Leaf  RequestLeaf // the largest part of it
	Hold  bool        // they waited for another goroutine
	key   causeKey
	leafs []RequestLeaf
}

// A RequestLeaf is what a goroutine did for which requests waited, or a request itself.
type RequestLeaf struct {
	Who   string // the kind of goroutine; "" for the request's own
	Text  string // what it did
	State parse.GoState
	Place parse.Place
	Class PartClass
	N, NS int64
}

// Causes are what requests of a class were at, the longest first.
func (ts *RequestTypes) Causes(t *RequestType, c LengthClass) []*RequestCause {
	all, _ := t.Count(c)
	byKey := make(map[causeKey]*RequestCause)
	classes := make(map[causeKey]*[NumPartClasses]int64)
	leafs := make(map[causeKey]map[string]*RequestLeaf)
	for k, b := range t.parts {
		s := c.sum(b)
		if s.ns == 0 {
			continue
		}
		x := byKey[k.cause]
		if x == nil {
			x = &RequestCause{key: k.cause, Text: ts.causeText(k.cause), Place: ts.tr.Place(k.cause.place), Hold: k.cause.other}
			byKey[k.cause], classes[k.cause], leafs[k.cause] = x, new([NumPartClasses]int64), make(map[string]*RequestLeaf)
		}
		x.N += s.n
		x.NS += s.ns
		part := parse.RequestPart{State: k.state, Ready: k.ready, Cause: k.why, Place: k.place}
		class := classOf(&part)
		classes[k.cause][class] += s.ns
		who := ""
		if k.cause.other {
			who = ts.kinds.Name(k.fn, k.body)
		}
		text := ts.partText(&part)
		l := leafs[k.cause][who+"\x00"+text]
		if l == nil {
			l = &RequestLeaf{Who: who, Text: text, State: k.state, Place: ts.tr.Place(k.place), Class: class}
			leafs[k.cause][who+"\x00"+text] = l
		}
		l.N += s.n
		l.NS += s.ns
	}
	var out []*RequestCause
	joined := make(map[string]*RequestCause)
	for _, k := range slices.SortedFunc(maps.Keys(byKey), causeKey.compare) {
		x := byKey[k]
		for _, l := range leafs[k] {
			x.leafs = append(x.leafs, *l)
		}
		for class, ns := range classes[k] {
			if ns > classes[k][x.Class] {
				x.Class = PartClass(class)
			}
		}
		if j := joined[x.Text]; j != nil { // places that print alike
			j.N, j.NS, j.leafs = j.N+x.N, j.NS+x.NS, append(j.leafs, x.leafs...)
			continue
		}
		joined[x.Text] = x
		out = append(out, x)
	}
	for _, x := range out {
		slices.SortFunc(x.leafs, func(a, b RequestLeaf) int {
			return cmp.Or(cmp.Compare(b.NS, a.NS), cmp.Compare(a.Who, b.Who), cmp.Compare(a.Text, b.Text))
		})
		x.Leaf = x.leafs[0]
		x.Mean = x.NS / max(all, 1)
	}
	slices.SortFunc(out, func(a, b *RequestCause) int { return cmp.Or(cmp.Compare(b.NS, a.NS), cmp.Compare(a.Text, b.Text)) })
	return out
}

func (k causeKey) compare(o causeKey) int {
	number := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(k.place, o.place), cmp.Compare(k.state, o.state), number(k.other)-number(o.other), number(k.gc)-number(o.gc))
}

// causeText is what a request was at, in words.
func (ts *RequestTypes) causeText(k causeKey) string {
	switch {
	case k.gc:
		return "the garbage collector"
	case k.state == parse.GoNotExist && k.other:
		return "not started yet by " + ts.at(k.place)
	case k.state == parse.GoWaiting && k.other:
		return ts.waitText(k.place)
	}
	return ts.partText(&parse.RequestPart{State: k.state, Place: k.place, Ready: parse.ReadyNetpoll})
}

// waitText is a wait for another goroutine in words.
func (ts *RequestTypes) waitText(place parse.PlaceID) string {
	pl := ts.tr.Place(place)
	if pl.Prim == parse.PrimNone {
		return "blocked at " + ts.at(place)
	}
	return "blocked in " + pl.Prim.String() + " at " + ts.at(place)
}

// partText is what a goroutine did, in words.
func (ts *RequestTypes) partText(p *parse.RequestPart) string {
	switch p.State {
	case parse.GoRunning:
		if p.Place == 0 {
			return "running"
		}
		return "running up to " + ts.at(p.Place)
	case parse.GoRunnable:
		return "waiting for a P"
	case parse.GoSyscall:
		return "in a call at " + ts.at(p.Place)
	case parse.GoNotExist:
		return "not started yet by a timer"
	case parse.GoUndetermined:
		return "not known: before what is kept of the trace"
	}
	pl := ts.tr.Place(p.Place)
	switch {
	case p.Ready == parse.ReadyGC:
		return "waiting for the GC at " + ts.at(p.Place)
	case pl.Prim == parse.PrimSleep:
		return "asleep at " + ts.at(p.Place)
	case pl.Prim == parse.PrimNetwork:
		return "waiting for the network at " + ts.at(p.Place)
	case p.Ready == parse.ReadyTimer:
		return "waiting for a timer at " + ts.at(p.Place)
	}
	return ts.waitText(p.Place)
}

// at names a place: the program's own line, with the library function called there; in a
// library what it does.
func (ts *RequestTypes) at(id parse.PlaceID) string {
	pl := ts.tr.Place(id)
	if pl.Stack == 0 {
		return "a place that is not told"
	}
	inner := funcName(ts.tr, pl.Inner)
	if !pl.Own && inner != "" && !parse.IsStd(inner) {
		return inner
	}
	name := SiteOf(ts.tr, pl)
	if call := callName(ts.tr, pl); call != "" && pl.Prim != parse.PrimSleep {
		name += " → " + call
	}
	if inner := funcName(ts.tr, pl.Inner); !pl.Own && inner != "" && !strings.Contains(name, inner) {
		name += " (" + inner + ")"
	}
	return name
}

// Why is a cause with what the goroutine did for which requests waited most.
func (c *RequestCause) Why() string {
	if !c.Hold {
		return c.Text
	}
	s := c.Text
	if c.Leaf.Who != "" {
		s += fmt.Sprintf(", %s of it for %s, which was %s", analysis.FormatRatio(say.Ratio(c.Leaf.NS, c.NS)), c.Leaf.Who, c.Leaf.Text)
	}
	return s
}

// A RequestDiff is by how much slow requests exceed usual ones, of which causes.
type RequestDiff struct {
	N, Mean     int64 // of the slow ones; their mean length
	Usual       int64 // mean length of the usual ones
	UsualN      int64
	Causes      []*RequestCause // of the slow ones, those that differ most first
	More        []int64         // ns per request, for each of Causes
	Share       []float64       // of Mean - Usual
}

// Difference compares requests of a class with those up to the median.
func (ts *RequestTypes) Difference(t *RequestType, slow LengthClass) RequestDiff {
	usual, _, _ := t.Classes()
	d := RequestDiff{}
	d.N, d.Mean = t.Count(slow)
	d.UsualN, d.Usual = t.Count(usual)
	before := make(map[string]int64)
	for _, c := range ts.Causes(t, usual) {
		before[c.Text] = c.Mean
	}
	d.Causes = ts.Causes(t, slow)
	slices.SortStableFunc(d.Causes, func(a, b *RequestCause) int {
		return cmp.Compare(b.Mean-before[b.Text], a.Mean-before[a.Text])
	})
	for _, c := range d.Causes {
		more := c.Mean - before[c.Text]
		d.More = append(d.More, more)
		d.Share = append(d.Share, say.Ratio(max(more, 0), d.Mean-d.Usual))
	}
	return d
}

// A RequestBound is how long requests of a type would take at least without something.
type RequestBound struct {
	Without string
	N       int64 // requests of which it was a part
	P50     int64
	P99     int64
	key     causeKey
}

// Bounds are what taking single things away could gain at most, the most at the p99
// first. To take one away may let another come to the fore, so that they are lower bounds.
func (ts *RequestTypes) Bounds(t *RequestType) (out []RequestBound) {
	named := make(map[string]int) // of places that print alike no sum is known
	for k := range t.without {
		named[ts.causeText(k)]++
	}
	for _, k := range slices.SortedFunc(maps.Keys(t.without), causeKey.compare) {
		w := t.without[k]
		if text := ts.causeText(k); named[text] == 1 {
			out = append(out, RequestBound{Without: text, N: w.before.N(), P50: t.lengths.Replaced(&w.before, &w.after, .5), P99: t.lengths.Replaced(&w.before, &w.after, .99), key: k})
		}
	}
	slices.SortStableFunc(out, func(a, b RequestBound) int {
		return cmp.Or(cmp.Compare(a.P99, b.P99), cmp.Compare(a.P50, b.P50), cmp.Compare(a.Without, b.Without))
	})
	return out
}

// Bound is that without a cause.
func (ts *RequestTypes) Bound(t *RequestType, c *RequestCause) (b RequestBound, ok bool) {
	for _, b := range ts.Bounds(t) {
		if b.key == c.key {
			return b, true
		}
	}
	return b, false
}

// RequestID is how a request is asked for: t17 is task 17, g12.3 the third request of
// goroutine 12.
func RequestID(k parse.RequestKind, task uint64, g parse.GoID, seq uint32) string {
	if k == parse.RequestTask {
		return fmt.Sprintf("t%d", task)
	}
	return fmt.Sprintf("g%d.%d", g, seq+1)
}

// ID is how the request is asked for.
func (s *SlowRequest) ID() string { return RequestID(s.Kind, s.TaskID, s.G, s.Seq) }
