package parse

import (
	"math"
	"slices"
	"strings"
)

// This file tells requests: what a program does for one who asked. A program says so
// with runtime/trace, or the functions on its stacks do: those of servers that everybody
// uses, and those that Options.Requests names. How the time of a request went is its
// critical path, see walk in paths.go.

// RequestKind is how a request is known.
type RequestKind uint8

const (
	RequestTask   RequestKind = iota + 1 // runtime/trace.Task
	RequestRegion                        // runtime/trace.Region
	RequestHTTP                          // net/http, HTTP/1: from the end of the wait for its header to the last write of the answer
	RequestHTTP2                         // net/http or golang.org/x/net/http2: the life of the handler's goroutine
	RequestGRPC                          // google.golang.org/grpc: the life of the handler's goroutine, or a worker's call
	RequestSQL                           // a call of database/sql that waits or enters the system: from the first time to the last
	RequestEntry                         // a function of Options.Requests: from the end of the wait before it to what follows it
	RequestJob                           // a goroutine that the program starts outside of other requests, which ends
	NumRequestKinds
)

func (k RequestKind) String() string {
	return [...]string{"", "task", "region", "HTTP", "HTTP2", "gRPC", "SQL", "entry", "goroutine"}[k]
}

// RequestEnd is how a request ended.
type RequestEnd uint8

const (
	RequestDone     RequestEnd = iota
	RequestStream              // it sent parts of the answer before it was done: http.Flusher, a streaming call of gRPC
	RequestHijacked            // the handler took the connection over
	RequestAborted             // the handler left without an answer: it panicked
	RequestOpen                // it goes on at the end of the trace
	NumRequestEnds
)

func (e RequestEnd) String() string {
	return [...]string{"done", "streamed", "hijacked", "aborted", "open"}[e]
}

// Request is a request, and where its time went.
type Request struct {
	Kind  RequestKind
	End   RequestEnd
	Name  StringID // type of a task or region; else the handler, or what is called; 0 if not told
	Group StringID // of tasks and regions, see Symbols.Group

	Since, Until Time
	Partial      bool // it began before the trace or window

	ID, Parent uint64 // of tasks; a region's task
	G          GoID   // whose path it is: the one that ended it
	Seq        uint32 // how many requests ended in that goroutine before
	Func, Body StringID
	Stack      StackID // where the goroutine was started, or the task begun; 0 if not told

	// Parts are its critical path, the latest first. They sum to Until-Since.
	Parts []RequestPart

	Logs     []RequestLog // at most MaxRequestLogs
	MoreLogs int
}

// openRequest is a request that goes on.
type openRequest struct {
	kind    RequestKind // 0: none
	strm    bool
	flushes int
	taken   bool
	partial bool
	blocked bool // phaseFlush: it waited for the peer
	deep    uint8
	name    StringID
	since   Time
	until   Time // of the answer, or of the latest call; 0 before
	logs    requestLogs
}

// goRequests are the requests of a goroutine.
type goRequests struct {
	serve  openRequest // of its server, or its life
	call   openRequest
	ready  Time // RequestHTTP: when the header was there
	woke   Time // RequestEntry and workers of gRPC: when the wait before ended, or the call before
	held   int  // of requests.open
	loops  bool // it has had a call that begins with the end of a wait
	job    bool // it is one of many of its function, which are jobs
	served bool // it has had a request of a server
	seq    uint32
}

// requests is what the tracker needs to tell requests.
type requests struct {
	on     bool    // a sink wants them
	always bool    // to keep the steps, since some function may turn out to be asked for
	open   int     // for which steps are kept
	until  int64   // the step up to which those of jobs are kept
	jobs   []uint8 // by StringID: how many goroutines of a function have ended, up to knownJobs
	log    stepLog
	walk   walk
	req    Request
}

// of returns the requests of g.
func (g *goroutine) requests() *goRequests {
	if g.reqs == nil {
		g.reqs = new(goRequests)
	}
	return g.reqs
}

// hold keeps the steps of all goroutines while at least one request is open.
func (t *tracker) hold(r *goRequests, on bool) {
	switch {
	case on && r.held == 0:
		r.held++
		t.reqs.begin()
	case !on && r.held > 0 && r.serve.kind == 0 && r.call.kind == 0 && !r.job:
		r.held--
		t.reqs.end()
	}
}

func (r *requests) begin() {
	if r.open == 0 {
		r.log.need = r.log.n
	}
	r.open++
}

func (r *requests) end() {
	if r.open--; r.open == 0 {
		r.log.need = math.MaxInt64
	}
}

// keeping reports whether steps are kept. Those for goroutines that may turn out to be
// jobs are, for a while.
func (r *requests) keeping() bool { return r.open > 0 || r.always || r.log.n < r.until }

// jobSteps is for how many steps of all goroutines those are kept after a goroutine
// began that may turn out to be a job.
const jobSteps = 1 << 13

// jobParts is how many parts of the path of a job are told, the latest ones: many
// goroutines that end turn out to be none.
const jobParts = 1 << 10

// knownJobs is how many goroutines of a function must have ended for steps to be kept
// until the end of the next.
const knownJobs = 8

// keepStep notes the span of g that has just ended, while steps are kept. by, at stack, is
// in whose context a wait ended, nil for none.
func (t *tracker) keepStep(g, by *goroutine, stack StackID) {
	if !t.keepsSteps() || g.From == GoNotExist {
		return
	}
	l := &t.reqs.log
	woken := by != nil && by != g && g.From == GoWaiting && (g.Ready == ReadyUnblocked || g.Ready == ReadyCoroutine)
	if woken {
		s, n := l.next()
		s.current(by, n, stack)
	}
	s, n := l.next()
	s.current(g, n, g.Stack)
	s.woken, s.ready = woken, g.Ready
	if g.From == GoRunnable {
		s.cause = g.mostly
	}
	g.step = l.n
}

// keepsSteps reports whether steps are kept from now on; those from before a gap are not.
func (t *tracker) keepsSteps() bool {
	l, keep := &t.reqs.log, t.reqs.keeping()
	if keep && !l.on {
		l.clear()
	}
	l.on = keep
	return keep
}

// followRequests takes in what g, of which there are requests or stacks that serve some,
// does now. It was in state from since a while, at fromStack.
func (t *tracker) followRequests(g *goroutine, from, to GoState, fromStack StackID) {
	leaving, entering := &t.stacks[fromStack].serves, &t.stacks[g.Stack].serves
	r := g.requests()
	if from == GoWaiting || from == GoSyscall {
		switch {
		case leaving.phase == phaseRead:
			if from == GoWaiting {
				r.ready = t.now
				t.hold(r, true)
			}
		case leaving.phase == phaseFlush && r.serve.kind == RequestHTTP:
			if r.serve.blocked = from == GoWaiting; from == GoSyscall {
				r.serve.until = t.now
			}
		case leaving.call == 0 && from == GoWaiting && (r.loops || t.reqs.always):
			r.woke = t.now
			t.hold(r, true)
		}
		if leaving.call != 0 && r.call.kind == leaving.call {
			r.call.until = t.now
		}
	}
	if g.Stack != 0 && to != GoNotExist {
		t.stands(g, to, entering)
	}
}

// wakesAt takes in that by, at stack, does something to another goroutine.
func (t *tracker) wakesAt(by *goroutine, stack StackID) {
	if by == nil || stack == 0 || by.From != GoRunning {
		return
	}
	if v := &t.stacks[stack].serves; by.reqs != nil || v.some {
		t.stands(by, GoRunning, v)
	}
}

// stands takes in that g, which goes into a state, has a stack.
func (t *tracker) stands(g *goroutine, to GoState, v *serving) {
	r := g.requests()
	if v.kind == RequestHTTP {
		t.atHTTP(g, r, to, v)
	} else if v.kind != 0 && r.serve.kind == 0 { // told only now
		t.openServe(g, r, v.kind, g.born, !g.bornSeen)
	}
	if r.serve.kind != 0 && v.phase == phaseHandle {
		r.serve.learn(v, to)
	}
	c := &r.call
	if c.kind != 0 && (v.call != c.kind || v.fn != c.name && c.kind != RequestGRPC) {
		until := c.until
		if c.kind != RequestSQL {
			until = t.now
		}
		t.endCall(g, r, until)
		if r.loops {
			r.woke = t.now
			t.hold(r, true)
		}
	}
	switch {
	case v.call != 0 && c.kind == 0:
		*c = openRequest{kind: v.call, name: v.fn, since: t.now, until: t.now, strm: v.strm}
		if v.call != RequestSQL {
			r.loops = true
			if c.since = max(r.woke, r.serve.since); c.since == 0 {
				c.since, c.partial = g.born, !g.bornSeen
			}
		}
		r.woke = 0
		t.hold(r, true)
	case v.call == RequestGRPC:
		c.learn(v, to)
	case v.call == 0 && to == GoWaiting && r.woke != 0:
		r.woke = 0
		if r.ready == 0 {
			t.hold(r, false)
		}
	}
}

// learn takes in what a stack tells that the goroutine has when it goes into a state. To
// flush once, at the end or by a middleware, is no stream. Of HTTP/2 the first time waits
// twice, for the header as well.
func (o *openRequest) learn(v *serving, to GoState) {
	o.taken = o.taken || v.taken
	switch {
	case !v.strm:
	case v.kind == RequestHTTP && to == GoSyscall, v.kind == RequestHTTP2 && to == GoWaiting:
		o.flushes++
		o.strm = o.flushes > 2 || v.kind == RequestHTTP && o.flushes > 1
	case v.kind != RequestHTTP && v.kind != RequestHTTP2:
		o.strm = true
	}
	if v.name != 0 && (o.name == 0 || v.deep > o.deep) {
		o.name, o.deep = v.name, v.deep
	}
}

func (t *tracker) openServe(g *goroutine, r *goRequests, k RequestKind, since Time, partial bool) {
	r.serve = openRequest{kind: k, since: since, partial: partial}
	r.served = true
	t.hold(r, true)
}

// atHTTP follows a connection of HTTP/1.
func (t *tracker) atHTTP(g *goroutine, r *goRequests, to GoState, v *serving) {
	o := &r.serve
	begin := func() {
		since, partial := r.ready, false
		switch {
		case since != 0:
		case r.served: // when the header came is not told
			since = t.now
		default:
			since, partial = g.born, !g.bornSeen
		}
		t.openServe(g, r, RequestHTTP, since, partial)
		r.ready = 0
	}
	// next ends a request whose answer is out where the next one is read already.
	next := func() {
		if o.kind != 0 && o.until != 0 {
			r.ready = o.until
			t.endServe(g, r, o.until, RequestDone)
		}
		if o.kind == 0 {
			begin()
		}
	}
	switch v.phase {
	case phaseHandle:
		next()
	case phaseFlush:
		if to == GoSyscall && !o.blocked {
			next()
		} else if o.kind == 0 {
			begin()
		}
		o.blocked = false
	case phaseAfter:
		if o.kind != 0 && o.until == 0 {
			o.until = t.now
		}
	case phaseRead:
		if o.kind != 0 {
			until := o.until
			if until == 0 {
				until = t.now
			}
			t.endServe(g, r, until, RequestDone)
			r.ready = 0
		}
		switch {
		case to == GoWaiting:
			r.ready = 0
			t.hold(r, false)
		case to == GoSyscall && r.ready == 0:
			r.ready = t.now
			t.hold(r, true)
		}
	case phaseOther:
		if o.kind != 0 {
			t.endServe(g, r, max(o.until, 0), RequestAborted)
		}
		r.ready = 0
		t.hold(r, false)
	}
}

// endServe tells the end of a request of g's server. It is RequestDone with an answer.
func (t *tracker) endServe(g *goroutine, r *goRequests, until Time, how RequestEnd) {
	o := r.serve
	r.serve = openRequest{}
	if until == 0 {
		until = t.now
	} else if how == RequestAborted {
		how = RequestDone
	}
	if o.taken && (how == RequestDone || how == RequestAborted) {
		how = RequestHijacked
	} else if o.strm && how == RequestDone {
		how = RequestStream
	}
	t.tellRequest(g, r, &o, until, how)
	t.hold(r, false)
}

func (t *tracker) endCall(g *goroutine, r *goRequests, until Time) {
	o := r.call
	r.call = openRequest{}
	how := RequestDone
	if o.strm {
		how = RequestStream
	}
	t.tellRequest(g, r, &o, until, how)
	t.hold(r, false)
}

// tellRequest sends a request of g.
func (t *tracker) tellRequest(g *goroutine, r *goRequests, o *openRequest, until Time, how RequestEnd) {
	t.reqs.req = Request{Kind: o.kind, End: how, Name: o.name, Since: o.since, Until: max(until, o.since), Partial: o.partial, Stack: g.site, Logs: o.logs.first, MoreLogs: o.logs.more}
	t.sendRequest(g, r)
}

// sendRequest sends the request, whose path ends in g.
func (t *tracker) sendRequest(g *goroutine, r *goRequests) {
	q := &t.reqs.req
	q.G = NoGo
	if g != nil {
		q.G, q.Func, q.Body, q.Seq = g.ID, g.Func, g.Body, r.seq
		r.seq++
	}
	if !t.on {
		return
	}
	most := MaxPathParts
	if q.Kind == RequestJob {
		most = jobParts
	}
	q.Parts = t.path(g, q.Since, q.Until, most)
	t.ev.Request = q
	t.send(KindRequest)
}

// beginRequests takes in that by, at stack, started g.
func (t *tracker) beginRequests(g, by *goroutine, stack StackID) {
	t.reqs.log.born(g, by, stack, t.now)
	t.wakesAt(by, stack)
	if by != nil {
		g.within = by.within || by.reqs != nil && (by.reqs.serve.kind != 0 || by.reqs.call.kind != 0) || by.tasks > 0
	}
	if g.Func == 0 {
		return
	}
	switch k := serverRoot(t.strings[g.Func]); {
	case k == RequestHTTP2, k == RequestGRPC && !strings.HasSuffix(t.strings[g.Func], ".serverWorker"):
		t.openServe(g, g.requests(), k, t.now, false)
	case k == 0 && g.Class == ClassUser && !g.within:
		if t.endedJobs(g.Func) == knownJobs {
			g.requests().job = true
			t.hold(g.reqs, true)
			break
		}
		t.reqs.until = t.reqs.log.n + jobSteps
	}
}

// endRequests tells the requests that end with g.
func (t *tracker) endRequests(g *goroutine) {
	r := g.reqs
	if r != nil {
		if o := &r.call; o.kind != 0 {
			until := o.until
			if o.kind != RequestSQL {
				until = t.now
			}
			t.endCall(g, r, until)
		}
		switch o := &r.serve; o.kind {
		case 0:
		case RequestHTTP:
			how := RequestAborted
			if o.until == 0 {
				how = RequestHijacked // it returned without a word
			}
			t.endServe(g, r, o.until, how)
		default:
			t.endServe(g, r, t.now, RequestDone)
		}
		r.serve, r.call, r.job = openRequest{}, openRequest{}, false
	}
	if g.bornSeen && !g.within && g.Class == ClassUser && !g.callback && !g.tasked && (r == nil || !r.served) && t.isJob(g) {
		t.reqs.req = Request{Kind: RequestJob, Name: t.jobName(g), Since: g.born, Until: t.now, Stack: g.site}
		t.sendRequest(g, g.requests())
		if t.endedJobs(g.Func) < knownJobs {
			t.reqs.jobs[g.Func]++
		}
	}
	if r != nil {
		t.hold(r, false)
	}
}

// endedJobs is how many goroutines of a function have ended, at most knownJobs.
func (t *tracker) endedJobs(fn StringID) uint8 {
	if int(fn) >= len(t.reqs.jobs) {
		t.reqs.jobs = append(t.reqs.jobs, make([]uint8, len(t.strings)-len(t.reqs.jobs))...)
	}
	return t.reqs.jobs[fn]
}

// isJob reports whether g is about a function of the program.
func (t *tracker) isJob(g *goroutine) bool {
	return g.Func != 0 && (g.Body != 0 || !IsStd(t.strings[g.Func])) && serverRoot(t.strings[g.Func]) == 0
}

// jobName is the function that a job is about.
func (t *tracker) jobName(g *goroutine) StringID {
	if g.Body != 0 && (isGoWrap(t.strings[g.Func]) || t.stacks[g.bodyStack].body.own > 1) {
		return g.Body // of the main module, where the entry function is none of it
	}
	if g.Body == 0 && isGroupGo(t.strings[g.Func]) {
		if fn := t.starter(g); fn != 0 {
			return fn
		}
	}
	return g.Func
}

// openRequests tells the requests of g that go on at the end.
func (t *tracker) openRequests(g *goroutine) {
	if g.reqs == nil && g.Func != 0 && !g.bornSeen {
		if k := serverRoot(t.strings[g.Func]); k == RequestHTTP2 || k == RequestGRPC && !strings.HasSuffix(t.strings[g.Func], ".serverWorker") {
			t.openServe(g, g.requests(), k, g.born, true) // it did nothing that tells
		}
	}
	r := g.reqs
	if r == nil {
		return
	}
	for _, o := range []*openRequest{&r.call, &r.serve} {
		switch {
		case o.kind == RequestHTTP && o.until != 0:
			t.endServe(g, r, o.until, RequestDone)
		case o.kind == RequestSQL && g.From != GoWaiting && g.From != GoSyscall:
			t.endCall(g, r, o.until)
		case o.kind != 0:
			t.tellRequest(g, r, o, t.now, RequestOpen)
		}
	}
}

// parkRequests reports whether g may be parked: it is in no request. One that may turn out
// to be a job is no longer waited for.
func (t *tracker) parkRequests(g *goroutine) bool {
	r := g.reqs
	if r == nil {
		return true
	}
	if r.serve.kind != 0 || r.call.kind != 0 || r.ready != 0 || r.woke != 0 {
		return false
	}
	r.job = false
	t.hold(r, false)
	return true
}

// requests has what a goroutine that is in no request knows of those before.
func (c *coder) requests(g *goroutine) {
	number(c, &g.step)
	var r goRequests
	known := g.reqs != nil
	if known {
		r = *g.reqs
	}
	flags(c, &known, &r.loops, &r.served, &g.within, &g.tasked)
	number(c, &r.seq)
	if c.reading && known {
		g.reqs = &goRequests{loops: r.loops, served: r.served, seq: r.seq}
	}
}

// cutRequests lets all open requests begin now, at the start of the window.
func (t *tracker) cutRequests() {
	t.reqs.log.clear()
	for _, g := range t.gs {
		if g == nil || g.reqs == nil {
			continue
		}
		for _, o := range []*openRequest{&g.reqs.serve, &g.reqs.call} {
			if o.kind != 0 {
				o.since, o.partial, o.until = t.now, true, 0
			}
		}
		if g.reqs.ready != 0 {
			g.reqs.ready = t.now
		}
		if g.reqs.woke != 0 {
			g.reqs.woke = t.now
		}
	}
}

// taskRequest tells a task that g, nil for none, ended, or that goes on in it.
func (t *tracker) taskRequest(o *openRange, k RequestKind, g *goroutine, how RequestEnd) {
	t.reqs.req = Request{
		Kind: k, End: how, Name: o.name, Group: t.group(o.name), ID: o.id, Parent: o.parent,
		Since: o.since, Until: t.now, Partial: o.partial, Stack: o.stack, Logs: o.logs.first, MoreLogs: o.logs.more,
	}
	var r *goRequests
	if g != nil {
		r = g.requests()
	}
	t.sendRequest(g, r)
}

// entriesOf are the functions of Options.Requests.
func entriesOf(names []string) map[string]struct{} {
	m := make(map[string]struct{})
	for _, n := range slices.Compact(slices.Sorted(slices.Values(names))) {
		m[n] = struct{}{}
	}
	return m
}
