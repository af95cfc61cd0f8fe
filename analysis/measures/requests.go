package measures

import (
	"cmp"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// Requests measures requests; see SelectRequests for more of the slowest.
var Requests = requestsAnalyzer(RequestChoice{Slowest: slowestRequests})

// A RequestChoice says of which requests the whole path is kept.
type RequestChoice struct {
	Slowest int    // of each type
	ID      string // this one, too: see RequestID
	Type    string // only types with this in their kind and name
	Split   int64  // ns; where not 0, sums are kept of all that take longer, and of all others

	Quantile float64 // 0…1: where not 0, its value is told of each type with a request beyond it
}

// SelectRequests is the measure that keeps the paths of a choice of requests. It is no
// part of the catalogue.
func SelectRequests(c RequestChoice) *analysis.Analyzer { return requestsAnalyzer(c) }

func requestsAnalyzer(c RequestChoice) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:     "requests",
		Doc:      say.Page(pages, "requests"),
		Requires: []*analysis.Analyzer{Kinds, GC, STW},
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
	slowestRequests = 5    // of each type, whose paths are kept
	keptParts       = 256  // of such a path, the longest; see condense
	tailRequests    = 128  // of each type, the slowest, of which the sums of parts are kept
	sampledRequests = 1024 // of each type, likewise, of all
	requestNames    = 2    // see names
	requestGroups   = 128
)

// RequestsFold holds how long requests took, and where their time went.
type RequestsFold struct {
	shortened
	choice   RequestChoice
	kinds    [parse.NumRequestKinds]names[requestType]
	inFlight *sketch.Series   // by kind
	lengths  sketch.Histogram // of those that are no part of others
	classes  [NumPartClasses]int64
	asked    *RequestPath // RequestChoice.ID
}

// requestType is requests of one kind and name.
type requestType struct {
	ends    [parse.NumRequestEnds]int64 // also those that began before the trace
	before  int64                       // of RequestDone, that began before the trace
	seen    int64                       // ns in the trace, of all
	lengths sketch.Histogram            // of those that began and were done in the trace, as all that follows
	classes [NumPartClasses]int64
	inner   int64      // of tasks, that are parts of others
	from    parse.Time // when the first began, the last ended
	to      parse.Time
	slowest *sketch.Top[*RequestPath] // with paths in order
	tail    *sketch.Top[*RequestPath] // with the parts summed up
	sample  *sketch.Top[*RequestPath] // likewise; those with the smallest hashes
	open    *sketch.Top[*RequestPath] // with both; the longest of those that are open at the end, and no parts of others
	split   *[2]requestSums           // RequestChoice.Split: up to it, and longer
}

// requestSums are requests, and the sums of their parts.
type requestSums struct {
	lengths sketch.Histogram
	parts   map[partKey]partTotal
}

type partTotal struct{ n, ns int64 }

func (s *requestSums) add(k partKey, t partTotal) {
	if s.parts == nil {
		s.parts = make(map[partKey]partTotal)
	}
	had := s.parts[k]
	s.parts[k] = partTotal{had.n + t.n, had.ns + t.ns}
}

// RequestPath is one request with its critical path.
type RequestPath struct {
	Kind   parse.RequestKind
	End    parse.RequestEnd
	Name   parse.StringID
	Since  parse.Time
	Until  parse.Time
	Before bool   // it began before the trace
	Task   uint64 // of tasks
	G      parse.GoID
	Seq    uint32 // see parse.Request
	// Parts are in the order of time. One of State GoUndetermined and without G stands for
	// several short ones.
	Parts []PathPart
	sums  []partSum // instead, where the order is not kept
	logs  []parse.RequestLog
	more  int // of logs, that are not kept
}

// A PathPart is a part of a path, or a row of runs of one goroutine: between two that are in
// mark assist a goroutine that allocates runs for microseconds.
type PathPart struct {
	parse.RequestPart
	assist   int64         // ns of a run in mark assist
	assistAt parse.PlaceID // where the longest of these is
	longest  int64         // ns
}

// mostlyAssist reports whether at least half of a run is in mark assist.
func (p *PathPart) mostlyAssist() bool { return p.assist > 0 && 2*p.assist >= int64(p.To-p.From) }

// joined puts the runs of a goroutine that follow one another together. The parts are those
// of a path, the latest first.
func joined(parts []parse.RequestPart) []PathPart {
	out := make([]PathPart, 0, len(parts))
	for i := range parts {
		p := PathPart{RequestPart: parts[i]}
		if k := keyOf(&parts[i]); k.assist() {
			p.assist, p.assistAt, p.longest = int64(p.To-p.From), p.Place, int64(p.To-p.From)
		}
		if n := len(out); n > 0 && p.State == parse.GoRunning && out[n-1].State == parse.GoRunning && out[n-1].G == p.G && out[n-1].Hops == p.Hops && out[n-1].OwnStack == p.OwnStack {
			later := &out[n-1]
			later.From = p.From
			later.assist += p.assist
			if p.longest > later.longest {
				later.assistAt, later.longest = p.assistAt, p.longest
			}
			continue
		}
		out = append(out, p)
	}
	for i := range out {
		if p := &out[i]; p.State == parse.GoRunning {
			p.Cause = 0
			if p.mostlyAssist() {
				p.Cause = parse.CauseGC
			}
		}
	}
	return out
}

// partKey is what parts of paths have in common.
type partKey struct {
	place, own parse.PlaceID  // own: where the request waited for another goroutine
	fn, body   parse.StringID // of that; 0 for the request's own
	state      parse.GoState
	ready      parse.Ready
	why        parse.Cause   // of a wait for a P; parse.CauseGC also of a run in mark assist
	waits      parse.GoState // what the request's own was in meanwhile; 0 where that is its own part
}

// partSum is a sum over the parts of a path.
type partSum struct {
	partKey
	n  int32
	ns int64
}

func keyOf(p *parse.RequestPart) partKey {
	k := partKey{place: p.Place, state: p.State, ready: p.Ready, why: p.Cause}
	if p.Hops > 0 {
		k.own, k.fn, k.body, k.waits = p.OwnPlace, p.Func, p.Body, p.OwnState
	}
	return k
}

// causeKey is what a request was at itself: GoRunning, GoRunnable, or a state at a place.
type causeKey struct {
	place parse.PlaceID
	state parse.GoState
	other bool // it waited for another goroutine, or had not been created by it yet
	gc    bool // it ran in mark assist, or waited for the GC
}

// assist reports whether a part is a run in mark assist.
func (k *partKey) assist() bool { return k.state == parse.GoRunning && k.why == parse.CauseGC }

func (k *partKey) cause() causeKey {
	switch {
	case k.waits != parse.GoUndetermined:
		return causeKey{place: k.own, state: k.waits, other: true}
	case k.state == parse.GoWaiting || k.state == parse.GoSyscall:
		return causeKey{place: k.place, state: k.state, gc: k.state == parse.GoWaiting && k.ready == parse.ReadyGC}
	}
	return causeKey{state: k.state, gc: k.assist()}
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

// class is what a part is.
func (k *partKey) class() PartClass {
	switch k.state {
	case parse.GoRunning:
		if k.assist() {
			return ClassGC
		}
		return ClassRunning
	case parse.GoRunnable:
		if k.why == parse.CauseGC || k.why == parse.CauseSTW {
			return ClassGC
		}
		return ClassRunnable
	case parse.GoSyscall:
		return ClassCall
	case parse.GoWaiting:
		switch k.ready {
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

func (f *RequestsFold) Event(e *parse.Event) {
	q := e.Request
	held := e.Held()
	if !f.brief {
		f.inFlight.AddSpan(int(q.Kind), int64(q.Since), int64(q.Until), 1)
	}
	group := q.Group
	if group == 0 {
		group = q.Name
	}
	t := f.kinds[q.Kind].at(q.Name, Annotation{Name: group, Untold: q.Partial && q.Name == 0 && q.Kind <= parse.RequestRegion}, (*requestType).add)
	t.fill(f.choice.Slowest)
	t.ends[q.End]++
	t.seen += held
	if f.choice.ID != "" && f.asked == nil && RequestID(q.Kind, q.ID, q.G, q.Seq) == f.choice.ID {
		f.asked = requestPath(q, inOrder(q.Parts, parse.MaxPathParts), nil)
	}
	switch {
	case q.End == parse.RequestOpen && served(q.Kind) && (q.Kind != parse.RequestTask || q.Parent == 0):
		if t.open.Wants(held) {
			t.open.Add(keyOfRequest(q), requestPath(q, inOrder(q.Parts, keptParts), summedUp(q.Parts)))
		}
	case q.End != parse.RequestDone:
	case q.Partial:
		t.before++
	default:
		var classes [NumPartClasses]int64
		for i := range q.Parts {
			k := partKey{state: q.Parts[i].State, ready: q.Parts[i].Ready, why: q.Parts[i].Cause}
			classes[k.class()] += int64(q.Parts[i].To - q.Parts[i].From)
		}
		t.addWhole(q, held, &classes)
		if f.choice.Split > 0 {
			t.divide(q, held, f.choice.Split)
		}
		if served(q.Kind) && (q.Kind != parse.RequestTask || q.Parent == 0) {
			f.lengths.Add(held)
			addClasses(&f.classes, &classes)
		}
	}
}

func addClasses(into, from *[NumPartClasses]int64) {
	for c, ns := range from {
		into[c] += ns
	}
}

// fill makes what a zero value lacks.
func (t *requestType) fill(slowest int) {
	if t.slowest == nil {
		t.slowest = sketch.NewTop[*RequestPath](slowest)
		t.tail = sketch.NewTop[*RequestPath](tailRequests)
		t.sample = sketch.NewTop[*RequestPath](sampledRequests)
		t.open = sketch.NewTop[*RequestPath](tailRequests)
	}
}

// addWhole adds a request that began and was done in the trace.
func (t *requestType) addWhole(q *parse.Request, held int64, classes *[NumPartClasses]int64) {
	if t.lengths.N() == 0 || q.Since < t.from {
		t.from = q.Since
	}
	t.to = max(t.to, q.Until)
	t.lengths.Add(held)
	addClasses(&t.classes, classes)
	if q.Kind == parse.RequestTask && q.Parent != 0 {
		t.inner++
	}

	key := keyOfRequest(q)
	if t.slowest.Wants(held) {
		most := keptParts
		if t.slowest.Len() > slowestRequests {
			most = parse.MaxPathParts
		}
		t.slowest.Add(key, requestPath(q, inOrder(q.Parts, most), nil))
	}
	// The smallest hashes are a sample that does not depend on how the trace is cut.
	hash := -int64(hashOf(uint64(key.Time), uint64(key.ID)) >> 1)
	slow, some := t.tail.Wants(held), t.sample.Wants(hash)
	if !slow && !some {
		return
	}
	path := requestPath(q, nil, summedUp(q.Parts))
	if slow {
		t.tail.Add(key, path)
	}
	if some {
		key.Value = hash
		t.sample.Add(key, path)
	}
}

func keyOfRequest(q *parse.Request) sketch.Key {
	return sketch.Key{Value: int64(q.Until - q.Since), Time: int64(q.Since), ID: int64(q.G)<<20 | int64(q.Seq)}
}

// divide adds a request to those that take longer than at, or to the others.
func (t *requestType) divide(q *parse.Request, held, at int64) {
	if t.split == nil {
		t.split = new([2]requestSums)
	}
	side := &t.split[0]
	if held > at {
		side = &t.split[1]
	}
	side.lengths.Add(held)
	for i := range q.Parts {
		side.add(keyOf(&q.Parts[i]), partTotal{1, int64(q.Parts[i].To - q.Parts[i].From)})
	}
}

// hashOf mixes two numbers (splitmix64).
func hashOf(a, b uint64) uint64 {
	x := a*0x9e3779b97f4a7c15 + b
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func requestPath(q *parse.Request, parts []PathPart, sums []partSum) *RequestPath {
	path := &RequestPath{Kind: q.Kind, End: q.End, Name: q.Name, Since: q.Since, Until: q.Until, Before: q.Partial, Task: q.ID, G: q.G, Seq: q.Seq, Parts: parts, sums: sums}
	if parts != nil {
		path.logs, path.more = slices.Clone(q.Logs), q.MoreLogs
	}
	return path
}

// inOrder are at most so many parts of a path in the order of time.
func inOrder(parts []parse.RequestPart, most int) []PathPart {
	out := condense(joined(parts), most)
	slices.Reverse(out)
	return out
}

// summedUp are the parts of a path, equal ones as one.
func summedUp(parts []parse.RequestPart) []partSum {
	var few [64]partSum
	out := few[:0]
next:
	for i := range parts {
		k, ns := keyOf(&parts[i]), int64(parts[i].To-parts[i].From)
		for j := range out {
			if out[j].partKey == k {
				out[j].n++
				out[j].ns += ns
				continue next
			}
		}
		out = append(out, partSum{k, 1, ns})
	}
	return slices.Clone(out)
}

// condense keeps the longest parts of a path, and puts one without a goroutine in place
// of each row of others.
func condense(parts []PathPart, most int) []PathPart {
	if len(parts) <= most {
		return parts
	}
	order := make([]int, len(parts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(parts[b].To-parts[b].From, parts[a].To-parts[a].From), cmp.Compare(a, b))
	})
	keep := make([]bool, len(parts))
	for _, i := range order[:most/2] { // between each two may be a gap
		keep[i] = true
	}
	var out []PathPart
	for i, p := range parts {
		n := len(out)
		switch {
		case keep[i]:
			out = append(out, p)
		case n > 0 && out[n-1].G == parse.NoGo && out[n-1].State == parse.GoUndetermined:
			out[n-1].From = p.From
		default:
			out = append(out, PathPart{RequestPart: parse.RequestPart{From: p.From, To: p.To, G: parse.NoGo}})
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
	addClasses(&f.classes, &o.classes)
	if f.asked == nil {
		f.asked = o.asked
	}
}

func (t *requestType) add(o *requestType) {
	if o.slowest == nil {
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
	addClasses(&t.classes, &o.classes)
	t.inner += o.inner
	t.slowest.Merge(o.slowest)
	t.tail.Merge(o.tail)
	t.sample.Merge(o.sample)
	t.open.Merge(o.open)
	if o.split == nil {
		return
	}
	if t.split == nil {
		t.split = new([2]requestSums)
	}
	for i := range o.split {
		t.split[i].lengths.Merge(&o.split[i].lengths)
		for k, sum := range o.split[i].parts {
			t.split[i].add(k, sum)
		}
	}
}

// served reports whether requests of a kind are no parts of others.
func served(k parse.RequestKind) bool {
	return k != parse.RequestRegion && k != parse.RequestSQL && k != parse.RequestJob
}
