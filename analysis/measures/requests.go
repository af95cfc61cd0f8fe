package measures

import (
	"cmp"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// Requests measures requests; see SelectRequests for more of the slowest.
var Requests = requestsAnalyzer(RequestChoice{Slowest: slowestRequests})

// A RequestChoice says of which requests the whole path is kept.
type RequestChoice struct {
	Slowest int    // of each type
	ID      string // this one, too: see RequestID
}

// SelectRequests is the measure that keeps the paths of a choice of requests. It is no
// part of the catalogue.
func SelectRequests(c RequestChoice) *analysis.Analyzer { return requestsAnalyzer(c) }

func requestsAnalyzer(c RequestChoice) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:     "requests",
		Doc:      say.Page(pages, "requests"),
		Requires: []*analysis.Analyzer{Kinds},
		Metrics: []analysis.MetricDef{
			{ID: "requests.count", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "requests that began and ended in the trace: tasks that are no part of another, those of servers of HTTP and gRPC, configured functions"},
			{ID: "requests.duration.{p50,p99,max,total}", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.Wall, Confidence: analysis.Measured, Doc: "how long these took"},
			{ID: "requests.{running,runnable,call,network,timer,gc,waiting,unknown}", Unit: analysis.NS, Polarity: analysis.Neutral, Clock: analysis.Wall, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "of requests.duration.total, by what the goroutine did that the request waited for at last; unknown: before what is kept of the trace"},
		},
		Figures: []analysis.FigureDef{
			{Name: "requests.latency", Doc: "requests over time by duration and cause"},
			{Name: "requests.causes", Doc: "where the time of requests goes by type: usual ones and the slowest"},
			{Name: "requests.worst", Doc: "the critical path of the slowest request"},
		},
		Kinds: parse.KindsOf(parse.KindRequest),
		New: func() analysis.Collector {
			f := &RequestsFold{choice: c, inFlight: sketch.NewSeries(int(parse.NumRequestKinds))}
			for k := range f.kinds {
				f.kinds[k] = newFewNames[requestType](requestNames, requestGroups)
			}
			return f
		},
		Run: runRequests,
	}
}

const (
	slowestRequests = 5   // of each type, whose paths are kept
	sampledRequests = 256 // of each type, for what shows single requests
	keptParts       = 64  // of a path, the longest; see condense
	requestNames    = 4   // see names
	requestGroups   = 256
)

// RequestsFold holds how long requests took, and where their time went.
type RequestsFold struct {
	choice   RequestChoice
	kinds    [parse.NumRequestKinds]names[requestType]
	inFlight *sketch.Series  // by kind
	lengths  sketch.Histogram // of those that are no part of others
	classes  [NumPartClasses]int64
	asked    *sketch.Entry[SlowRequest] // of choice.ID
}

// requestType is requests of one kind and name.
type requestType struct {
	ends    [parse.NumRequestEnds]int64 // also those that began before the trace
	before  int64                       // of RequestDone, that began before the trace
	lengths sketch.Histogram            // of those that began and were done in the trace
	seen    int64                       // ns in the trace, of all
	from    parse.Time                  // when the first of lengths began, the last ended
	to      parse.Time
	sums    tally.Buckets[lengthSum]
	parts   map[partKey]*tally.Buckets[lengthSum]
	without map[causeKey]*without
	slowest *sketch.Top[SlowRequest]
	sample  *sketch.Top[sampledRequest]
}

// lengthSum is how many, and how long.
type lengthSum struct{ n, ns int64 }

func (s *lengthSum) add(o *lengthSum) {
	s.n += o.n
	s.ns += o.ns
}

func mergeLengths(into, from *tally.Buckets[lengthSum]) {
	for i, b := range from.All() {
		into.At(i).add(b)
	}
}

// partKey is what parts of paths have in common.
type partKey struct {
	cause    causeKey
	fn, body parse.StringID // of a goroutine other than the request's; 0 for its own
	state    parse.GoState
	ready    parse.Ready
	why      parse.Cause
	place    parse.PlaceID
}

// causeKey is what a request was at itself: State GoRunning, GoRunnable, or one at a
// place.
type causeKey struct {
	state parse.GoState
	other bool // it waited for another goroutine, or had not been created by it yet
	gc    bool // for the garbage collector, whatever the state; in without only
	place parse.PlaceID
}

// without are the requests that something was a part of: as they were, and less it.
type without struct{ before, after sketch.Histogram }

// SlowRequest is one request with its path.
type SlowRequest struct {
	Kind   parse.RequestKind
	End    parse.RequestEnd
	Name   parse.StringID
	Since  parse.Time
	Until  parse.Time
	Before bool // it began before the trace
	Parent uint64
	TaskID uint64
	G      parse.GoID
	Seq    uint32
	Func   parse.StringID
	Body   parse.StringID
	Stack  parse.StackID
	Parts  []parse.RequestPart // in the order of time; of State GoUndetermined and without G several short ones
}

type sampledRequest struct {
	at    parse.Time
	took  int64
	class PartClass
	g     parse.GoID
	seq   uint32
	task  uint64
}

// PartClass is what a part of a path is, roughly.
type PartClass uint8

const (
	ClassRunning PartClass = iota
	ClassRunnable
	ClassCall
	ClassNetwork
	ClassTimer
	ClassGC
	ClassWaiting
	ClassUnknown
	NumPartClasses
)

func (c PartClass) String() string {
	return [...]string{"running", "waiting for a P", "in calls", "network", "asleep or for a timer", "for the GC", "other waits", "not known"}[c]
}

// classOf tells what a part is.
func classOf(p *parse.RequestPart) PartClass {
	switch p.State {
	case parse.GoRunning:
		return ClassRunning
	case parse.GoRunnable:
		if p.Cause == parse.CauseGC || p.Cause == parse.CauseSTW {
			return ClassGC
		}
		return ClassRunnable
	case parse.GoSyscall:
		return ClassCall
	case parse.GoWaiting:
		switch p.Ready {
		case parse.ReadyNetpoll:
			return ClassNetwork
		case parse.ReadyTimer:
			return ClassTimer
		case parse.ReadyGC:
			return ClassGC
		}
		return ClassWaiting
	}
	return ClassUnknown
}

// causeOf is what the request was at itself in a part of its path.
func causeOf(p *parse.RequestPart) causeKey {
	if p.Hops > 0 {
		return causeKey{state: p.OwnState, other: true, place: p.OwnPlace}
	}
	switch p.State {
	case parse.GoWaiting, parse.GoSyscall:
		return causeKey{state: p.State, place: p.Place}
	}
	return causeKey{state: p.State}
}

func (f *RequestsFold) Event(e *parse.Event) {
	q := e.Request
	held := e.Held()
	f.inFlight.AddSpan(int(q.Kind), int64(q.Since), int64(q.Until), 1)
	group := q.Group
	if group == 0 {
		group = q.Name
	}
	t := f.kinds[q.Kind].at(q.Name, Annotation{Name: group, Untold: q.Partial && q.Name == 0 && q.Kind <= parse.RequestRegion}, (*requestType).add)
	t.fill(f.choice.Slowest)
	t.ends[q.End]++
	t.seen += held
	id := sketch.Key{Value: held, Time: int64(q.Since), ID: int64(q.G)}
	if f.choice.ID != "" && f.asked == nil && RequestID(q.Kind, q.ID, q.G, q.Seq) == f.choice.ID {
		f.asked = &sketch.Entry[SlowRequest]{Key: id, Item: slowRequest(q, parse.MaxPathParts)}
	}
	if q.Partial {
		if q.End == parse.RequestDone {
			t.before++
		}
		return
	}
	if q.End != parse.RequestDone {
		return
	}
	classes := t.addWhole(q, held)
	if served(q.Kind) && (q.Kind != parse.RequestTask || q.Parent == 0) {
		f.lengths.Add(held)
		for c, ns := range classes {
			f.classes[c] += ns
		}
	}
	if t.slowest.Wants(held) {
		most := keptParts
		if f.choice.Slowest > slowestRequests {
			most = parse.MaxPathParts
		}
		t.slowest.Add(id, slowRequest(q, most))
	}
}

// fill makes what a zero value lacks.
func (t *requestType) fill(slowest int) {
	if t.parts != nil {
		return
	}
	t.parts = make(map[partKey]*tally.Buckets[lengthSum])
	t.without = make(map[causeKey]*without)
	t.slowest = sketch.NewTop[SlowRequest](slowest)
	t.sample = sketch.NewTop[sampledRequest](sampledRequests)
}

// addWhole adds a request that began and was done in the trace.
func (t *requestType) addWhole(q *parse.Request, held int64) (classes [NumPartClasses]int64) {
	if t.lengths.N() == 0 || q.Since < t.from {
		t.from = q.Since
	}
	t.to = max(t.to, q.Until)
	t.lengths.Add(held)
	i := tally.CoarseIndex(held)
	t.sums.At(i).add(&lengthSum{1, held})

	type cause struct {
		causeKey
		ns int64
	}
	var few [16]cause
	causes := few[:0]
	count := func(c causeKey, ns int64) {
		for k := range causes {
			if causes[k].causeKey == c {
				causes[k].ns += ns
				return
			}
		}
		causes = append(causes, cause{c, ns})
	}
	for k := range q.Parts {
		p := &q.Parts[k]
		ns := int64(p.To - p.From)
		class := classOf(p)
		classes[class] += ns
		key := partKey{cause: causeOf(p), state: p.State, ready: p.Ready, why: p.Cause, place: p.Place}
		if p.Hops > 0 {
			key.fn, key.body = p.Func, p.Body
		}
		b := tally.At(t.parts, key)
		b.At(i).add(&lengthSum{1, ns})
		if key.cause.state != parse.GoUndetermined && (key.cause.state != parse.GoRunning || key.cause.other) {
			count(key.cause, ns)
		}
		if class == ClassGC {
			count(causeKey{gc: true}, ns)
		} else if p.State == parse.GoRunnable && p.Hops > 0 {
			count(causeKey{state: parse.GoRunnable}, ns) // a P for another is one for this request
		}
	}
	for _, c := range causes {
		w := tally.At(t.without, c.causeKey)
		w.before.Add(held)
		w.after.Add(held - c.ns)
	}
	most := ClassRunning
	for c, ns := range classes {
		if ns > classes[most] {
			most = PartClass(c)
		}
	}
	// The smallest hashes are a sample that does not depend on how the trace is cut.
	h := int64(tally.Mix(tally.Mix(uint32(q.Since), uint32(q.Since>>32)), uint32(q.G)*0x85ebca6b+q.Seq))
	if t.sample.Wants(-h) {
		t.sample.Add(sketch.Key{Value: -h, Time: int64(q.Since), ID: int64(q.G)}, sampledRequest{q.Since, held, most, q.G, q.Seq, q.ID})
	}
	return classes
}

// slowRequest keeps a request with at most so many parts of its path.
func slowRequest(q *parse.Request, most int) SlowRequest {
	s := SlowRequest{
		Kind: q.Kind, End: q.End, Name: q.Name, Since: q.Since, Until: q.Until, Before: q.Partial, Parent: q.Parent, TaskID: q.ID,
		G: q.G, Seq: q.Seq, Func: q.Func, Body: q.Body, Stack: q.Stack, Parts: condense(q.Parts, most),
	}
	slices.Reverse(s.Parts)
	return s
}

// condense keeps the longest parts of a path, and puts one without a goroutine in place
// of each row of others.
func condense(parts []parse.RequestPart, most int) []parse.RequestPart {
	if len(parts) <= most {
		return slices.Clone(parts)
	}
	order := make([]int, len(parts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(parts[b].To-parts[b].From, parts[a].To-parts[a].From)
	})
	keep := make([]bool, len(parts))
	for _, i := range order[:most/2] { // between each two may be a gap
		keep[i] = true
	}
	var out []parse.RequestPart
	for i, p := range parts {
		n := len(out)
		switch {
		case keep[i]:
			out = append(out, p)
		case n > 0 && out[n-1].G == parse.NoGo && out[n-1].State == parse.GoUndetermined:
			out[n-1].From = p.From
		default:
			out = append(out, parse.RequestPart{From: p.From, To: p.To, G: parse.NoGo})
		}
	}
	return out
}

func (f *RequestsFold) Merge(next analysis.Collector) {
	o := next.(*RequestsFold)
	for k := range f.kinds {
		f.kinds[k].merge(&o.kinds[k], (*requestType).add)
	}
	f.inFlight.Merge(o.inFlight)
	f.lengths.Merge(&o.lengths)
	for c, ns := range o.classes {
		f.classes[c] += ns
	}
	if f.asked == nil {
		f.asked = o.asked
	}
}

// add adds o, sharing nothing that changes.
func (t *requestType) add(o *requestType) {
	if o.parts == nil {
		return
	}
	t.fill(o.slowest.Len())
	for i, n := range o.ends {
		t.ends[i] += n
	}
	t.before += o.before
	t.seen += o.seen
	if o.lengths.N() > 0 {
		if t.lengths.N() == 0 || o.from < t.from {
			t.from = o.from
		}
		t.to = max(t.to, o.to)
	}
	t.lengths.Merge(&o.lengths)
	mergeLengths(&t.sums, &o.sums)
	tally.MergeKeyed(t.parts, o.parts, mergeLengths)
	tally.MergeKeyed(t.without, o.without, func(into, from *without) {
		into.before.Merge(&from.before)
		into.after.Merge(&from.after)
	})
	t.slowest.Merge(o.slowest)
	t.sample.Merge(o.sample)
}

// served reports whether requests of a kind are no parts of others.
func served(k parse.RequestKind) bool {
	return k != parse.RequestRegion && k != parse.RequestSQL && k != parse.RequestJob
}
