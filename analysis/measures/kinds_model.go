package measures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/parse"
)

// A GoKind is goroutines that are about the same function, and where their time goes.
type GoKind struct {
	Name    string // that function
	Entry   string // the wrapper that the go statement starts; "" for Name itself
	Count   int64  // goroutines
	Created int64  // of them, in the trace
	Ended   int64
	Life    int64 // sum of their lives in the trace, in ns
	Parked  int64 // of Life, waiting for something to do: see Stay.Parked
	State   [parse.NumGoStates]int64
	Alone   int64 // of State[GoRunning], while no other of the program ran or could run: see parse.GoLife
	// Unblocked is for how long one of them has neither waited nor been in a call when the
	// trace ends, the longest.
	Unblocked int64
	Stays     []*Stay // the costliest first
	// BusyBy counts goroutines that lived for 100 ms and longer by the share of their life
	// in which they did not wait for work in the function that they are about, in
	// twentieths.
	BusyBy [busySteps]int64

	stays map[stayKey]*Stay
}

// A Stay is the time that goroutines of a kind spent in one state at one place.
type Stay struct {
	State   parse.GoState
	Place   parse.Place   // GoWaiting, GoSyscall
	PlaceID parse.PlaceID // its first
	Label   string        // of the place; what they did where there is none
	N, NS   int64
	Longest int64
	Alone   int64 // GoSyscall: of NS, while no goroutine of the program ran or could run
	Whole   int64 // that lasted through the whole trace
	WholeNS int64
	Open    int64                 // that the end of the trace cut
	Oldest  int64                 // the longest of them
	Ready   [parse.NumReady]int64 // GoWaiting: ns by what ended it
	// Parked is why this is no part of work that was begun, "" where goroutines are held up.
	Parked Parked

	handles        bool   // below a handler of requests
	site, call, op string // of its first place: the function there, what it calls, and the innermost one
}

// Parked says how goroutines wait that have nothing to do.
type Parked string

const (
	ParkedInput       Parked = "input"        // for the next piece of work, or the next message
	ParkedConnections Parked = "connections"  // for the next connection
	ParkedTicker      Parked = "ticker"       // for the next tick, or asleep between rounds
	ParkedWhole       Parked = "whole trace"  // in one wait that lasts nearly all of it
	ParkedBefore      Parked = "since before" // since before the trace, where is not told; or through all of it
	ParkedForever     Parked = "for ever"     // select{}
	ParkedTests       Parked = "tests"        // for the tests it runs, or for its turn among them
)

// rest says to people how goroutines wait that have nothing to do. Those in one wait for all
// of the trace may also hang.
func (s *Stay) rest() string {
	switch s.Parked {
	case ParkedInput:
		return "idle until the next input"
	case ParkedConnections:
		return "idle until the next connection"
	case ParkedTicker:
		if s.Place.Prim == parse.PrimSleep {
			return "idle between rounds"
		}
		return "idle until the next tick"
	case ParkedWhole:
		return "for the whole trace"
	case ParkedBefore:
		return "since before the trace"
	case ParkedTests:
		return "for its tests"
	}
	return "idle for ever"
}

// Busy is the part of the life in which they were about something.
func (k *GoKind) Busy() int64 { return k.Life - k.Parked }

// Share is the share of NS in the life of the kind.
func (k *GoKind) Share(ns int64) float64 { return say.Ratio(ns, k.Life) }

// Title is the name with the number of goroutines: "main.worker ×8".
func (k *GoKind) Title() string {
	if k.Count <= 1 {
		return k.Name
	}
	return fmt.Sprintf("%s ×%s", k.Name, analysis.FormatCount(k.Count))
}

// Lives is whose life a share is of.
func (k *GoKind) Lives() string {
	if k.Count == 1 {
		return "its life"
	}
	return "their lives"
}

// GoKinds are the kinds of a trace, those with the most time busy first.
type GoKinds struct {
	All    []*GoKind
	byID   map[kindID]*GoKind
	byBody map[parse.StringID]*GoKind // of those whose entry function stacks leave out
	byFn   map[parse.StringID]*GoKind // the largest of each entry function
	about  map[kindID]parse.StringID
	bodies map[parse.StringID]parse.StringID // of closures: see bodiesOf
	made   map[parse.StringID]parse.StackID  // by entry function: where nearly all are started of which no more is told
	tr     *parse.Trace
}

// KindsOf returns the kinds of the trace of a pass that requires the measure kinds.
func KindsOf(p *analysis.Pass) *GoKinds {
	return kindsOf(p, analysis.FoldOf[*KindsFold](p, Kinds))
}

func kindsOf(p *analysis.Pass, f *KindsFold) *GoKinds {
	return analysis.Model(p, func() *GoKinds { return newKinds(p.Trace, f) })
}

func newKinds(tr *parse.Trace, f *KindsFold) *GoKinds {
	ks := &GoKinds{byID: make(map[kindID]*GoKind), byBody: make(map[parse.StringID]*GoKind), byFn: make(map[parse.StringID]*GoKind), about: unwrapped(tr, f), bodies: bodiesOf(tr, f), made: madeAt(f), tr: tr}
	byName := make(map[string]*GoKind)
	kind := func(id kindID) *GoKind {
		if k := ks.byID[id]; k != nil {
			return k
		}
		name, entry := ks.name(id)
		k := byName[name]
		if k == nil {
			k = &GoKind{Name: name, Entry: entry, stays: make(map[stayKey]*Stay)}
			byName[name] = k
			ks.All = append(ks.All, k)
		}
		ks.byID[id] = k
		if id.body != 0 && ks.byBody[id.body] == nil {
			ks.byBody[id.body] = k
		}
		return k
	}
	for _, e := range f.lives.Entries {
		k := kind(e.Key.kindID)
		k.Count += e.V.n
		k.Created += e.V.created
		k.Ended += e.V.ended
		k.Alone += e.V.alone
		k.Unblocked = max(k.Unblocked, e.V.unblocked)
		for i, n := range e.V.busy {
			k.BusyBy[i] += n
		}
		for s, ns := range e.V.unnamed {
			k.spend(stayKey{parse.GoState(s), "not told where"}, ns)
		}
		k.spend(stayKey{parse.GoRunning, "running"}, e.V.ran)
		k.spend(stayKey{parse.GoRunnable, "runnable"}, e.V.runnable)
	}
	for _, e := range f.spans.Entries {
		k := kind(e.Key.kindID)
		s := k.spend(stayOf(tr, e.Key), e.V.ns)
		if s == nil {
			continue
		}
		s.N += e.V.n
		s.Alone += e.V.alone
		s.Longest = max(s.Longest, e.V.longest)
		s.Whole += e.V.whole
		s.WholeNS += e.V.wholeNS
		s.Open += e.V.open
		s.Oldest = max(s.Oldest, e.V.oldest)
		if e.Key.state == parse.GoWaiting {
			s.Ready[e.Key.ready] += e.V.ns
		}
		if s.PlaceID == 0 {
			s.PlaceID = tr.PlaceOf(e.Key.stack)
			s.Place = tr.Place(s.PlaceID)
			s.site, s.call, s.op = funcName(tr, s.Place.Site.Func), callName(tr, s.Place), tr.String(s.Place.Inner)
			s.handles = slices.ContainsFunc(tr.Stack(e.Key.stack), func(f parse.Frame) bool { return strings.HasSuffix(tr.String(f.Func), ".ServeHTTP") })
		}
	}
	for _, e := range f.lives.Entries {
		if k, most := ks.byID[e.Key.kindID], ks.byFn[e.Key.fn]; most == nil || k.Count > most.Count {
			ks.byFn[e.Key.fn] = k
		}
	}
	for _, k := range ks.All {
		for _, s := range k.Stays {
			if s.Parked = parkedAs(k, s, tr.Duration()); s.Parked != "" {
				k.Parked += s.NS
			}
		}
		slices.SortStableFunc(k.Stays, func(a, b *Stay) int {
			return cmp.Or(cmp.Compare(b.NS, a.NS), strings.Compare(a.Label, b.Label))
		})
	}
	slices.SortStableFunc(ks.All, func(a, b *GoKind) int {
		return cmp.Or(cmp.Compare(b.Busy(), a.Busy()), cmp.Compare(b.Life, a.Life), strings.Compare(a.Name, b.Name))
	})
	return ks
}

type stayKey struct {
	state parse.GoState
	label string
}

// spend adds ns to a part of the life of a kind, and returns it; nil for nothing.
func (k *GoKind) spend(key stayKey, ns int64) *Stay {
	if ns == 0 {
		return nil
	}
	k.State[key.state] += ns
	k.Life += ns
	s := k.stay(key)
	s.NS += ns
	return s
}

func (k *GoKind) stay(key stayKey) *Stay {
	s := k.stays[key]
	if s == nil {
		s = &Stay{State: key.state, Label: key.label}
		k.stays[key] = s
		k.Stays = append(k.Stays, s)
	}
	return s
}

// stayOf is under which name a span stands.
func stayOf(tr *parse.Trace, s kindSpan) stayKey {
	switch {
	case s.stack != 0:
		return stayKey{s.state, PlaceName(tr, tr.PlaceOf(s.stack))}
	case s.state == parse.GoSyscall:
		return stayKey{s.state, "in a call"}
	}
	return stayKey{s.state, "waiting since before the trace"}
}

// unwrapped are the functions that goroutines are about whose entry function only calls
// them: those of a library, closures, what the compiler makes for a go statement with
// arguments, and functions of the program that start two or more.
func unwrapped(tr *parse.Trace, f *KindsFold) map[kindID]parse.StringID {
	all, less := make(map[kindID]int64), make(map[kindID]int64) // goroutines; that did more than the body
	for _, e := range f.lives.Entries {
		all[e.Key.kindID] += e.V.n
		if e.Key.common != e.Key.body {
			less[e.Key.kindID] += e.V.n
		}
	}
	most := make(map[kindID]int64) // goroutines with the common function chosen
	about := make(map[kindID]parse.StringID)
	for _, e := range f.lives.Entries {
		id, name := e.Key.kindID, tr.String(e.Key.common)
		if (e.Key.common == e.Key.body) != (10*less[id] <= all[id]) {
			continue // what one in ten does besides, the others would too
		}
		if e.V.n > most[id] || e.V.n == most[id] && name < tr.String(about[id]) {
			most[id], about[id] = e.V.n, e.Key.common
		}
	}
	starts := make(map[parse.StringID]map[parse.StringID]bool)
	for id, fn := range about {
		if fn != 0 && fn != id.fn {
			if starts[id.fn] == nil {
				starts[id.fn] = make(map[parse.StringID]bool)
			}
			starts[id.fn][fn] = true
		}
	}
	for id := range about {
		if fn := tr.String(id.fn); len(starts[id.fn]) < 2 && !parse.IsStd(fn) && !parse.IsWrapper(fn) {
			delete(about, id)
		}
	}
	return about
}

// bodiesOf is what all goroutines of a closure are about where it calls one function: that
// one, or the closure where one in ten and more do something else in it. Which stack of a
// goroutine tells it is chance, and of some none does.
func bodiesOf(tr *parse.Trace, f *KindsFold) map[parse.StringID]parse.StringID {
	type closure struct {
		body         parse.StringID // but for itself
		several      bool
		itself, that int64 // goroutines
	}
	all := make(map[parse.StringID]*closure)
	for _, e := range f.lives.Entries {
		fn, body := e.Key.fn, e.Key.body
		if fn == 0 || !parse.IsWrapper(tr.String(fn)) || parse.IsStd(tr.String(fn)) {
			continue
		}
		switch c := tally.At(all, fn); {
		case body == 0:
		case tr.String(body) == tr.String(fn):
			c.itself += e.V.n
		default:
			c.several = c.several || c.body != 0 && c.body != body
			c.body = body
			c.that += e.V.n
		}
	}
	bodies := make(map[parse.StringID]parse.StringID)
	for fn, c := range all {
		switch {
		case c.several:
		case 10*c.itself >= c.that+c.itself && c.itself > 0:
			bodies[fn] = fn
		case c.that > 0:
			bodies[fn] = c.body
		}
	}
	return bodies
}

// madeAt is where nine in ten and more of the goroutines with an entry function are
// started of which nothing tells what they are about.
func madeAt(f *KindsFold) map[parse.StringID]parse.StackID {
	type madeKey struct {
		fn   parse.StringID
		site parse.StackID
	}
	all, each := make(map[parse.StringID]int64), make(map[madeKey]int64)
	for _, e := range f.lives.Entries {
		if e.Key.body == 0 {
			all[e.Key.fn] += e.V.n
			each[madeKey{e.Key.fn, e.Key.site}] += e.V.n
		}
	}
	made := make(map[parse.StringID]parse.StackID)
	for k, n := range each {
		if 10*n >= 9*all[k.fn] && n > 0 {
			made[k.fn] = k.site
		}
	}
	return made
}

// Unnamed is the kind of the goroutines whose function the trace never tells: they began
// before it, and a leaf has no frame of its own in the stacks of signals.
const Unnamed = "a function that no stack names"

// name is what goroutines are about, and the wrapper that is their entry.
func (ks *GoKinds) name(id kindID) (name, entry string) {
	fn := funcName(ks.tr, id.fn)
	if body, one := ks.bodies[id.fn]; one {
		id.body = body
	}
	about := ks.about[id]
	switch {
	case id.fn == 0:
		return Unnamed, ""
	case about != 0 && about != id.fn:
		return funcName(ks.tr, about), fn
	case id.body == 0 && parse.IsStd(ks.tr.String(id.fn)) && parse.IsWrapper(ks.tr.String(id.fn)) && ks.made[id.fn] != 0:
		if pl := ks.tr.Place(ks.tr.PlaceOf(ks.made[id.fn])); pl.Own {
			return runName(ks.tr, ks.tr.PlaceOf(ks.made[id.fn])), fn
		}
	}
	return fn, ""
}

// Name is the kind of goroutines with an entry function and what it calls, as parse.Go
// has them.
func (ks *GoKinds) Name(fn, body parse.StringID) string {
	name, _ := ks.name(kindID{fn, body})
	return name
}

// Of is the kind of these goroutines, nil if there were none.
func (ks *GoKinds) Of(fn, body parse.StringID) *GoKind { return ks.byID[kindID{fn, body}] }

// Started is the largest kind of goroutines with an entry function, nil if there is none.
func (ks *GoKinds) Started(fn parse.StringID) *GoKind { return ks.byFn[fn] }

// OfStack is the kind of goroutines with a stack, by its entry function and what that
// calls; nil if there is none.
func (ks *GoKinds) OfStack(id parse.StackID) *GoKind {
	fn := ks.tr.Goes(id)
	for _, body := range []parse.StringID{ks.tr.Body(id), fn, 0} {
		if k := ks.byID[kindID{fn, body}]; k != nil {
			return k
		}
	}
	if k := ks.byFn[fn]; k != nil {
		return k
	}
	return ks.byBody[fn]
}

// parkedAs tells how goroutines wait that have nothing to do; "" where they are about
// something that they began. It is so in the function that the goroutine is about, which
// waits for the next piece of work, and in libraries, but for those that serve requests.
func parkedAs(k *GoKind, s *Stay, wall int64) Parked {
	if s.State == parse.GoWaiting && (s.PlaceID == 0 || s.N > 0 && s.Whole == s.N) {
		return ParkedBefore
	}
	if s.State == parse.GoSyscall && (s.N > 0 && s.Whole == s.N || k.Name == "os/signal.loop") {
		return ParkedInput // the runtime's own wait (sigqueue.go: signal_recv)
	}
	if s.State != parse.GoWaiting {
		return ""
	}
	if parse.RunsFinalizers(k.Entry) {
		if strings.HasPrefix(s.site, "runtime.") {
			return ParkedInput // for the next finalizer
		}
		return "" // others wait for this one
	}
	switch p := s.Place.Prim; p {
	case parse.PrimWaitGroup, parse.PrimChanReceive, parse.PrimSelect, parse.PrimCond, parse.PrimSleep:
		if strings.HasPrefix(s.call, "testing.(*") {
			return ParkedTests // they are told for themselves
		}
		if 10*s.Longest >= 9*wall {
			return ParkedWhole
		}
		if p != parse.PrimWaitGroup && s.Place.Own && s.call == "" && 5*s.Ready[parse.ReadyTimer] >= 4*(s.NS-s.Ready[parse.ReadyUnknown]) && s.Ready[parse.ReadyTimer] > 0 && p != parse.PrimSleep {
			return ParkedTicker
		}
	}
	if s.Place.Prim == parse.PrimNetwork && strings.Contains(s.op, "ccept") {
		return ParkedConnections
	}
	lasts := k.Count == 0 || 4*k.Life/k.Count > wall
	// Handlers of requests are about something whatever they wait for.
	serves := servesHTTP(k.Entry) || servesHTTP(k.Name)
	if serves && s.Place.Prim == parse.PrimNetwork && strings.Contains(s.op, "Read") && !s.handles {
		return ParkedInput
	}
	outside := !s.Place.Own && (!serves || s.Place.Prim == parse.PrimNetwork)
	if s.site != k.Name && !outside || !lasts && !outside || serves && s.Place.Own {
		return ""
	}
	switch s.Place.Prim {
	case parse.PrimSleep:
		if s.Place.Own && asksLimiter(s.call) {
			return ""
		}
		return ParkedTicker
	case parse.PrimChanReceive, parse.PrimSelect, parse.PrimCond:
		if s.Place.Own && s.call != "" && !fetches(s.call) && !readsPipe(s.op) {
			return "" // it asked a library for something
		}
		if 2*s.Ready[parse.ReadyTimer] > s.NS {
			return ParkedTicker
		}
		return ParkedInput
	case parse.PrimNetwork:
		if strings.Contains(s.op, "Read") {
			return ParkedInput
		}
	case parse.PrimForever:
		return ParkedForever
	}
	return ""
}

// servesHTTP reports whether a function is of the server of net/http, or of its HTTP/2,
// which has had a package of its own since Go 1.27: not one of the loops of its client.
func servesHTTP(fn string) bool {
	return (strings.HasPrefix(fn, "net/http.") || strings.HasPrefix(fn, "net/http/internal/http2.")) &&
		!strings.Contains(fn, ".(*persistConn).") && !strings.Contains(fn, ".(*Transport).") && !strings.Contains(strings.ToLower(fn), "clientconn")
}

// readsPipe reports whether a function reads from a pipe inside the program: as from a
// connection.
func readsPipe(op string) bool { return op == "net.(*pipe).read" || op == "io.(*pipe).read" }

// asksLimiter reports whether a function of a library is called to be let go on, as
// go.uber.org/ratelimit's Take, which sleeps.
func asksLimiter(call string) bool {
	name := parse.ShortName(call)
	return !parse.IsStd(call) && slices.ContainsFunc([]string{"Take", "Wait", "Acquire"}, func(verb string) bool { return strings.HasPrefix(name, verb) })
}

// fetches reports whether a function of a library is called for the next piece of work.
func fetches(call string) bool {
	name := parse.ShortName(call)
	return !parse.IsStd(call) && slices.ContainsFunc([]string{"Get", "Next", "Recv", "Receive", "Read", "Fetch", "Pop", "Dequeue", "Poll", "Accept"}, func(verb string) bool {
		return strings.HasPrefix(name, verb)
	})
}

// At is what a kind spent at a place, nil for nothing.
func (k *GoKind) At(id parse.PlaceID) *Stay {
	i := slices.IndexFunc(k.Stays, func(s *Stay) bool { return s.State == parse.GoWaiting && s.PlaceID == id })
	if i < 0 {
		return nil
	}
	return k.Stays[i]
}
