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
	Left  []string // names of others, which RequestChoice.Type leaves out
	kinds *GoKinds
	tr    *parse.Trace
	texts map[textKey]string
}

// textKey is what the words for a cause or a part depend on.
type textKey struct {
	place  parse.PlaceID
	state  parse.GoState
	ready  parse.Ready
	other  bool // waits for another goroutine
	assist bool
}

// A RequestType is requests of one kind and name.
type RequestType struct {
	Kind parse.RequestKind
	Name string // of the task or region; the handler, or what is called
	*requestType

	causes []*RequestCause // once asked for, as all of these
	diff   *RequestDiff
	bounds []RequestBound
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
	ts := &RequestTypes{kinds: KindsOf(p), tr: p.Trace, texts: make(map[textKey]string)}
	for k := range f.kinds {
		kind := parse.RequestKind(k)
		name := func(a Annotation) tally.Label { return tally.Label{requestName(p, kind, a)} }
		for _, r := range tally.Rank(f.kinds[k].byName(), name, (*requestType).add, func(t *requestType) int64 { return t.seen }) {
			if f.choice.Type != "" && !strings.Contains(kind.String()+" "+r.Label[0], f.choice.Type) {
				ts.Left = append(ts.Left, r.Label[0])
				continue
			}
			t := &RequestType{Kind: kind, Name: r.Label[0], requestType: r.V}
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
		return UntoldHandler
	}
	return funcName(p.Trace, a.Name)
}

// UntoldHandler is the name of requests that leave no stack of their handler.
const UntoldHandler = "(handlers that left no stack)"

// Untold says of requests of a type that others of its kind may be of it, which are quick: those
// whose handlers never wait are of no type. It is "" where there are few, and where all of the
// type take far longer: a handler that waits now and then also waits for shorter than usual.
func (ts *RequestTypes) Untold(t *RequestType) string {
	const far = 4
	shortest := t.lengths.Min()
	for _, o := range ts.All {
		n := o.lengths.N()
		if t.Name == UntoldHandler || o.Kind != t.Kind || o.Name != UntoldHandler || n == 0 || 10*n < t.lengths.N() {
			continue
		}
		if 2*shortest <= t.lengths.QuantileAny(.5) || shortest <= far*o.lengths.QuantileAny(.9) {
			return fmt.Sprintf("%s of handlers that left no stack, quick ones mostly, may be of it too", say.Counted(n, o.Kind.String()+" request", o.Kind.String()+" requests"))
		}
	}
	return ""
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
func (t *RequestType) Of() string { return t.of("s") }

// Counted says that so many are of the type.
func (t *RequestType) Counted(n int64) string {
	if n == 1 {
		return "1 " + t.of("")
	}
	return analysis.FormatCount(n) + " " + t.Of()
}

func (t *RequestType) of(plural string) string {
	switch t.Kind {
	case parse.RequestTask:
		return "task" + plural + " " + t.Name
	case parse.RequestRegion:
		return "region" + plural + " " + t.Name
	case parse.RequestSQL, parse.RequestEntry:
		return "call" + plural + " of " + t.Name
	case parse.RequestJob:
		return "goroutine" + plural + " of " + t.Name
	}
	return t.Kind.String() + " request" + plural + " of " + t.Name
}

// Ended is how many ended so, with those that began before the trace.
func (t *RequestType) Ended(how parse.RequestEnd) int64 { return t.ends[how] }

// Served reports whether they are requests that somebody asked for, no parts of others.
func (t *RequestType) Served() bool { return served(t.Kind) && t.inner < t.lengths.N() }

// Rate is how many ended in a second.
func (t *RequestType) Rate() float64 { return say.PerSecond(t.lengths.N(), int64(t.to-t.from)) }

// Slowest are the longest.
func (t *RequestType) Slowest() []sketch.Entry[*RequestPath] { return t.slowest.Items() }

// A HungClass is requests of a type that are open at the end of the trace, for longer than
// others took.
type HungClass struct {
	RequestClass
	Oldest int64
	Others int64 // requests that they are compared with
	Usual  int64 // how long the slowest of these took
	More   bool  // it may be more: the oldest are kept
}

// Paths are the requests, the oldest first, at most 128.
func (c *HungClass) Paths() []*RequestPath { return c.paths }

// Hung are those of a type. Where few requests of the type were done in the trace they are
// compared with those of its kind whose handlers left no stack, as they do that never wait,
// if none of these was done since the oldest is half as old: else it may last by nature.
func (ts *RequestTypes) Hung(t *RequestType) (c HungClass) {
	open := t.open.Items()
	if len(open) == 0 {
		return c
	}
	c.Oldest = open[0].Value
	c.Others, c.Usual = t.lengths.N(), t.lengths.Max()
	for _, o := range ts.All {
		if o.Kind == t.Kind && o.Name == UntoldHandler && o != t && c.Others < usualEnough && max(o.to, t.to) < ts.tr.To-parse.Time(c.Oldest/2) {
			c.Others += o.lengths.N()
			c.Usual = max(c.Usual, o.lengths.Max())
		}
	}
	c.RequestClass = newClass(open, func(held int64) bool { return held > c.Usual })
	c.More = c.n == tailRequests
	return c
}

// HungCauses are what hung requests are at, the longest first.
func (ts *RequestTypes) HungCauses(c *HungClass) []*RequestCause { return ts.causes(c.RequestClass) }

// Doing says what a part of a path was.
func (ts *RequestTypes) Doing(part *PathPart) string { return ts.partText(&part.RequestPart) }

// PlaceOf is where a part of a path was.
func (ts *RequestTypes) PlaceOf(part *PathPart) parse.Place { return ts.tr.Place(part.Place) }

// A RequestClass is requests of a type: all, the usual or the slow ones, as far as the
// parts of their paths are kept.
type RequestClass struct {
	paths []*RequestPath
	parts map[partKey]partTotal // of Split, instead of paths
	n     int64
	total int64
}

func newClass(items []sketch.Entry[*RequestPath], in func(held int64) bool) (c RequestClass) {
	for _, e := range items {
		if held := int64(e.Item.Until - e.Item.Since); in(held) {
			c.paths = append(c.paths, e.Item)
			c.n++
			c.total += held
		}
	}
	return c
}

// N is how many there are.
func (c *RequestClass) N() int64 { return c.n }

// Total is how long they take together.
func (c *RequestClass) Total() int64 { return c.total }

// classes are the sums of their parts.
func (c *RequestClass) classes() (ns [NumPartClasses]int64) {
	for _, path := range c.paths {
		for i := range path.sums {
			ns[path.sums[i].class()] += path.sums[i].ns
		}
	}
	return ns
}

// Mean is how long they take on average.
func (c *RequestClass) Mean() int64 { return c.total / max(c.N(), 1) }

// Everything is all of a type, or a sample.
func (t *RequestType) Everything() *RequestClass {
	c := newClass(t.sample.Items(), func(int64) bool { return true })
	return &c
}

// Sampled reports whether Everything and Usual are a sample.
func (t *RequestType) Sampled() bool { return t.lengths.N() > sampledRequests }

// Usual are those up to the median.
func (t *RequestType) Usual() RequestClass {
	p50 := t.lengths.QuantileAny(.5)
	return newClass(t.sample.Items(), func(held int64) bool { return held <= p50 })
}

// SlowQuantile is from which quantile on requests count as slow: ten and more of them,
// where there are a hundred requests.
func (t *RequestType) SlowQuantile() float64 {
	switch n := t.lengths.N(); {
	case n >= 1000:
		return .99
	case n >= 100:
		return .9
	}
	return 1
}

// beyond is how many requests are longer than that quantile.
func (t *RequestType) beyond() int64 {
	switch n := t.lengths.N(); {
	case n >= 1000:
		return n / 100
	case n >= 100:
		return n / 10
	}
	return 0
}

// Slow are the slow ones, at most 128.
func (t *RequestType) Slow() RequestClass {
	items := t.tail.Items()
	return newClass(items[:min(int64(len(items)), max(t.beyond(), 1))], func(int64) bool { return true })
}

// A RequestCause is what requests of a type were at, and who was in the way.
type RequestCause struct {
	Text  string
	Place parse.Place  // where they waited or what they called; the zero value for none
	NS    int64        // of all of the class
	Mean  int64        // per request of the class
	Leaf  *RequestLeaf // the largest part of it
	Hold  bool         // they waited for another goroutine
	leafs []*RequestLeaf
}

// Running reports whether the requests themselves ran.
func (c *RequestCause) Running() bool { return !c.Hold && c.Leaf.Class == ClassRunning }

// Unknown reports whether the trace does not tell it.
func (c *RequestCause) Unknown() bool { return !c.Hold && c.Leaf.State == parse.GoUndetermined }

// A RequestLeaf is what a goroutine did for which requests waited, or a request itself.
type RequestLeaf struct {
	Who   string // the kind of goroutine; "" for the request's own
	Text  string // what it did
	State parse.GoState
	Place parse.Place
	Class PartClass
	N, NS int64
}

// whoCell is Who in a table.
func (l *RequestLeaf) whoCell() any {
	if l.Who == "" {
		return nil
	}
	return l.Who
}

// Causes are what requests of a type were at, the longest first.
func (ts *RequestTypes) Causes(t *RequestType) []*RequestCause {
	if t.causes == nil {
		t.causes = ts.causes(*t.Everything())
	}
	return t.causes
}

// causes are what requests of a class were at.
func (ts *RequestTypes) causes(class RequestClass) []*RequestCause {
	sums := class.parts
	if sums == nil {
		sums = make(map[partKey]partTotal)
	}
	for _, path := range class.paths {
		for i := range path.sums {
			p := &path.sums[i]
			had := sums[p.partKey]
			sums[p.partKey] = partTotal{had.n + int64(p.n), had.ns + p.ns}
		}
	}
	byText := make(map[string]*RequestCause)
	leafs := make(map[[3]string]*RequestLeaf)
	var out []*RequestCause
	for _, k := range slices.SortedFunc(maps.Keys(sums), func(a, b partKey) int {
		return cmp.Or(a.cause().compare(b.cause()), cmp.Compare(a.fn, b.fn), cmp.Compare(a.body, b.body), cmp.Compare(a.state, b.state), cmp.Compare(a.ready, b.ready), cmp.Compare(a.why, b.why), cmp.Compare(a.place, b.place))
	}) {
		sum, cause := sums[k], k.cause()
		text := ts.causeText(cause)
		c := byText[text]
		if c == nil {
			c = &RequestCause{Text: text, Place: ts.tr.Place(cause.place), Hold: cause.other}
			byText[text] = c
			out = append(out, c)
		}
		c.NS += sum.ns
		part := k.part()
		who := ""
		if cause.other {
			who = ts.kinds.Name(k.fn, k.body)
		}
		id := [3]string{text, who, ts.partText(&part)}
		l := leafs[id]
		if l == nil {
			l = &RequestLeaf{Who: who, Text: id[2], State: k.state, Place: ts.tr.Place(k.place), Class: k.class()}
			leafs[id] = l
			c.leafs = append(c.leafs, l)
		}
		l.N += sum.n
		l.NS += sum.ns
	}
	for _, c := range out {
		slices.SortFunc(c.leafs, func(a, b *RequestLeaf) int {
			return cmp.Or(cmp.Compare(b.NS, a.NS), cmp.Compare(a.Who, b.Who), cmp.Compare(a.Text, b.Text))
		})
		c.Leaf = c.leafs[0]
		c.Mean = c.NS / max(class.N(), 1)
	}
	slices.SortFunc(out, func(a, b *RequestCause) int { return cmp.Or(cmp.Compare(b.NS, a.NS), cmp.Compare(a.Text, b.Text)) })
	return out
}

// part is a part with the key.
func (k *partKey) part() parse.RequestPart {
	return parse.RequestPart{State: k.state, Ready: k.ready, Cause: k.why, Place: k.place}
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

// Why is a cause of requests of a type, with what the goroutine did for which they waited
// most.
func (ts *RequestTypes) Why(t *RequestType, c *RequestCause) string {
	s := c.Text
	if !c.Hold {
		if c.Place.Stack != 0 {
			s += calledBy(ts.tr, c.Place.Stack, t.Name)
		}
		if place, ok := strings.CutPrefix(c.Leaf.Text, inAssist); ok && place != "" {
			s += fmt.Sprintf(", %s of it%s", analysis.FormatRatio(say.Ratio(c.Leaf.NS, c.NS)), place)
		}
		return s
	}
	if c.Leaf.Who != "" {
		s += fmt.Sprintf(", %s of it for %s, which was %s", analysis.FormatRatio(say.Ratio(c.Leaf.NS, c.NS)), c.Leaf.Who, c.Leaf.Text)
	}
	return s
}

// A RequestDiff is by how much slow requests exceed usual ones, of which causes.
type RequestDiff struct {
	Slow, Usual RequestClass
	Causes      []*RequestCause // of the slow ones, those that differ most first
	More        []int64         // ns per request, for each of Causes
	Share       []float64       // of all that is more
}

// Excess is by how much a slow request is longer, on average.
func (d *RequestDiff) Excess() int64 { return d.Slow.Mean() - d.Usual.Mean() }

// Difference compares the slow requests of a type with those up to the median.
func (ts *RequestTypes) Difference(t *RequestType) *RequestDiff {
	if t.diff != nil {
		return t.diff
	}
	d := &RequestDiff{Slow: t.Slow(), Usual: t.Usual()}
	t.diff = d
	before := make(map[string]int64)
	for _, c := range ts.causes(d.Usual) {
		before[c.Text] = c.Mean
	}
	d.Causes = ts.causes(d.Slow)
	slices.SortStableFunc(d.Causes, func(a, b *RequestCause) int {
		return cmp.Compare(b.Mean-before[b.Text], a.Mean-before[a.Text])
	})
	var all int64
	for _, c := range d.Causes {
		more := c.Mean - before[c.Text]
		d.More = append(d.More, more)
		all += max(more, 0)
	}
	for _, more := range d.More {
		d.Share = append(d.Share, say.Ratio(max(more, 0), all))
	}
	return d
}

// A RequestBound is how long requests of a type would take at least without something.
type RequestBound struct {
	Without string
	N       int64 // of the slow requests, of which it was a part
	P50     int64 // -1 where only a sample of the requests is known
	P99     int64 // the quantile from which on requests are slow
}

// Bounds are what taking single things away could gain at most, what gains most first. To
// take one away may let another come to the fore, so that they are lower bounds.
func (ts *RequestTypes) Bounds(t *RequestType) []RequestBound {
	if t.bounds == nil {
		t.bounds = ts.boundsOf(t)
	}
	return t.bounds
}

func (ts *RequestTypes) boundsOf(t *RequestType) (out []RequestBound) {
	texts := make(map[causeKey]string)
	text := func(k causeKey) string {
		s, ok := texts[k]
		if !ok {
			s = ts.causeText(k)
			texts[k] = s
		}
		return s
	}
	less := make(map[string][]int64) // ns, of each of the slow requests
	of := func(paths []*RequestPath, each func(i int, text string, ns int64)) {
		for i, path := range paths {
			for k := range path.sums {
				p := &path.sums[k]
				if p.waits != parse.GoUndetermined || p.assist() || p.state != parse.GoRunning && p.state != parse.GoUndetermined {
					each(i, text(p.cause()), p.ns)
				}
				if p.class() == ClassGC {
					each(i, "the garbage collector", p.ns)
				} else if p.state == parse.GoRunnable && p.waits != parse.GoUndetermined {
					each(i, "waiting for a P", p.ns)
				}
			}
		}
	}
	tail, sample := newClass(t.tail.Items(), func(int64) bool { return true }), t.Everything()
	of(tail.paths, func(i int, text string, ns int64) {
		if less[text] == nil {
			less[text] = make([]int64, len(tail.paths))
		}
		less[text][i] += ns
	})
	beyond := t.beyond()
	if beyond >= tail.N() {
		return nil
	}
	all := make(map[string][]int64)
	if !t.Sampled() {
		of(sample.paths, func(i int, text string, ns int64) {
			if less[text] == nil {
				return
			}
			if all[text] == nil {
				all[text] = make([]int64, len(sample.paths))
			}
			all[text][i] += ns
		})
	}
	rest := func(paths []*RequestPath, less []int64) []int64 {
		left := make([]int64, len(paths))
		for i, p := range paths {
			left[i] = int64(p.Until-p.Since) - less[i]
		}
		slices.Sort(left)
		return left
	}
	for _, text := range slices.Sorted(maps.Keys(less)) {
		b := RequestBound{Without: text, P50: -1}
		for _, ns := range less[text] {
			if ns > 0 {
				b.N++
			}
		}
		// Of the requests that are not kept none is longer: without them the quantile is no
		// higher.
		left := rest(tail.paths, less[text])
		b.P99 = left[int64(len(left))-1-beyond]
		if all[text] != nil {
			left := rest(sample.paths, all[text])
			b.P50 = left[(len(left)-1)/2]
		}
		out = append(out, b)
	}
	slices.SortStableFunc(out, func(a, b RequestBound) int {
		return cmp.Or(cmp.Compare(a.P99, b.P99), cmp.Compare(a.P50, b.P50), cmp.Compare(a.Without, b.Without))
	})
	return out
}

// Bound is that without a cause.
func (ts *RequestTypes) Bound(t *RequestType, c *RequestCause) (b RequestBound, ok bool) {
	for _, b := range ts.Bounds(t) {
		if b.Without == c.Text {
			return b, true
		}
	}
	return b, false
}

// Serves reports whether goroutines of a kind serve requests of a type.
func (ts *RequestTypes) Serves(t *RequestType, kind string) bool {
	for _, e := range t.slowest.Items() {
		for _, p := range e.Item.Parts {
			if p.Hops == 0 && p.Func != 0 {
				return ts.kinds.Name(p.Func, p.Body) == kind
			}
		}
	}
	return false
}

// RequestID is how a request is asked for: t17 is task 17, 12.3 the third request of
// goroutine 12.
func RequestID(k parse.RequestKind, task uint64, g parse.GoID, seq uint32) string {
	if k == parse.RequestTask {
		return fmt.Sprintf("t%d", task)
	}
	return fmt.Sprintf("%d.%d", g, seq+1)
}

// ID is how the request is asked for.
func (s *RequestPath) ID() string { return RequestID(s.Kind, s.Task, s.G, s.Seq) }
