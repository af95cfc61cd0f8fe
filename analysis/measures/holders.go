package measures

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var Holders = &analysis.Analyzer{
	Name:     "holders",
	Doc:      say.Page(pages, "holders"),
	Requires: []*analysis.Analyzer{Kinds},
	Metrics: []analysis.MetricDef{
		{ID: "hold.time", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.Wall, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "time in which at least one goroutine waited for another, sum over places"},
		{ID: "hold.waited", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "time that goroutines waited for another"},
		{ID: "hold.{running,runnable,waiting,call,unstarted,unknown}", Unit: analysis.NS, Polarity: analysis.Neutral, Clock: analysis.Wall, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "of hold.time, by what the goroutine did that ended the first of the waits; unknown: no goroutine ended it, or more happened since than is kept"},
	},
	Figures: []analysis.FigureDef{
		{Name: "holders.places", Doc: "what holds up goroutines that wait for others, by place"},
		{Name: "holders.graph", Doc: "who waits where for whom, and what that one does"},
	},
	Kinds: parse.KindsOf(parse.KindHold),
	New:   func() analysis.Collector { return &HoldersFold{stalls: sketch.NewTop[stall](64)} },
	Run:   runHolders,
}

// HoldersFold holds the time in which goroutines waited for one another, by place, by
// who ended the waits and by what these did meanwhile.
type HoldersFold struct {
	places tally.ByID[parse.PlaceID, placeHolds]
	parts  tally.Pairs[holdPart, holdSum]
	stalls *sketch.Top[stall] // the longest holds of all places
	peers  tally.ByID[parse.PlaceID, peerHolds]
}

// peerHolds are waits at a place for connections and pipes that another goroutine of the
// program seems to have ended.
type peerHolds struct {
	n, ns, longest int64
	calls          int64 // of the program at the other ends of all, up to the last of them
}

func (p *peerHolds) merge(o *peerHolds) {
	p.n += o.n
	p.ns += o.ns
	p.longest = max(p.longest, o.longest)
	p.calls = max(p.calls, o.calls)
}

// stall is a hold by a goroutine.
type stall struct {
	until  parse.Time
	place  parse.PlaceID
	holder kindID
}

// longHold is from where on (ns) a hold may be a stall: sync.Mutex goes into starvation
// mode then (internal/sync/mutex.go: starvationThresholdNs).
const longHold = 1_000_000

type placeHolds struct {
	holds, held, waited int64
	waits, longest      int64      // that ended in the trace; the longest hold
	most                int64      // waiting at once
	open                int64      // waiting at the end of the trace
	spared              int64      // of held, that no wait accounts for though those that it is of may have ended
	last                parse.Time // when a goroutine ended a wait there last
	ended               [parse.NumReady]holdSum
	ticks               sketch.Histogram // Held of those that a timer ended
	worst               *sketch.Top[holdInstance]
	waiting, holding    sketch.IDs // goroutines whose waits of queueMin or more ended, and those that ended them
}

// worstHolds is how many of the longest holds of a place are kept.
const worstHolds = 3

// holdInstance is one hold, for evidence.
type holdInstance struct {
	since, until parse.Time
	holder       parse.GoID
	id           kindID
	holderStack  parse.StackID
	waiters      int64
}

// holdSum is how often and how long.
type holdSum struct{ n, ns int64 }

func (s *holdSum) add(o *holdSum) {
	s.n += o.n
	s.ns += o.ns
}

// holdPart is what parts of holds have in common. They are looked up by it very often, so
// that it is packed.
type holdPart struct {
	at     uint64 // place and stack
	holder uint64 // its function and body, 0 where no goroutine ended the wait
	how    uint32 // state, cause and ready
}

func packed(a, b uint32) uint64 { return uint64(a)<<32 | uint64(b) }

func (k *holdPart) place() parse.PlaceID { return parse.PlaceID(k.at >> 32) }
func (k *holdPart) stack() parse.StackID { return parse.StackID(k.at) }
func (k *holdPart) kind() kindID {
	return kindID{parse.StringID(k.holder >> 32), parse.StringID(k.holder)}
}
func (k *holdPart) state() parse.GoState { return parse.GoState(k.how) }
func (k *holdPart) cause() parse.Cause   { return parse.Cause(k.how >> 8) }
func (k *holdPart) ready() parse.Ready   { return parse.Ready(k.how >> 16) }

func (k holdPart) hash() uint32 {
	return uint32((k.at*0x9e3779b97f4a7c15 + k.holder*0xbf58476d1ce4e5b9 + uint64(k.how)*0x94d049bb133111eb) >> 32)
}

// holdParts lets those beyond the limit be at a place that is not told, but for go
// statements: without one it is a timer's goroutine.
var holdParts = tally.PairOf[holdPart, holdSum]{
	ID: func(k holdPart) uint32 {
		if k.state() == parse.GoNotExist {
			return 0
		}
		return uint32(k.stack())
	},
	Others: func(k holdPart) (holdPart, uint32) { k.at = packed(uint32(k.place()), 0); return k, k.hash() },
	Add:    (*holdSum).add,
}

// placeKind is a kind of goroutines at a place.
type placeKind struct {
	place parse.PlaceID
	kind  kindID
}

func (f *HoldersFold) place(id parse.PlaceID) *placeHolds {
	p := f.places.At(id)
	if p.worst == nil {
		p.worst = sketch.NewTop[holdInstance](worstHolds)
	}
	return p
}

func (f *HoldersFold) Event(e *parse.Event) {
	if h := e.Hold; h.Peer {
		f.peers.At(h.Place).merge(&peerHolds{1, h.Held, h.Held, h.Calls})
	} else {
		f.hold(e)
	}
	f.addParts(e.Hold)
}

// hold adds a hold that is no peer's, but for its parts.
func (f *HoldersFold) hold(e *parse.Event) {
	h := e.Hold
	p := f.place(h.Place)
	p.holds++
	p.held += h.Held
	p.waited += h.Waited
	p.longest = max(p.longest, h.Held)
	p.most = max(p.most, int64(h.Waiters))
	p.ended[h.Ready].add(&holdSum{1, h.Held})
	if h.Ready == parse.ReadyTimer {
		p.ticks.Add(h.Held)
	}
	switch {
	case h.G != parse.NoGo:
		p.waits++
		if h.Wait >= queueMin {
			p.waiting.Add(uint64(h.G))
			if h.Holder != parse.NoGo {
				p.holding.Add(uint64(h.Holder))
			}
		}
	case !h.Late:
		p.open += int64(h.Waiters)
	case h.Waited == 0: // in more pieces than are kept
		p.spared += h.Held
	}
	if h.Holder != parse.NoGo {
		p.last = e.Time
	}
	if h.Holder != parse.NoGo && p.worst.Wants(h.Held) {
		p.worst.Add(sketch.Key{Value: h.Held, Time: int64(h.Since), ID: int64(h.G)}, holdInstance{
			h.Since, e.Time, h.Holder, kindID{h.HolderFunc, h.HolderBody}, h.HolderStack, int64(h.Waiters)})
	}
	if h.Holder != parse.NoGo && h.Held >= longHold && f.stalls.Wants(h.Held) {
		f.stalls.Add(sketch.Key{Value: h.Held, Time: int64(h.Since), ID: int64(h.G)}, stall{e.Time, h.Place, kindID{h.HolderFunc, h.HolderBody}})
	}
}

// addParts adds what the holder did.
func (f *HoldersFold) addParts(h *parse.Hold) {
	var holder uint64
	if h.Holder != parse.NoGo {
		holder = packed(uint32(h.HolderFunc), uint32(h.HolderBody))
	}
	place, ready, parts := uint32(h.Place), uint32(h.Ready)<<16, h.Parts
	for i := range parts {
		part := &parts[i]
		k := holdPart{packed(place, uint32(part.Stack)), holder, uint32(part.State) | uint32(part.Cause)<<8 | ready}
		s := f.parts.At(k, k.hash(), &holdParts)
		s.n++
		s.ns += part.NS
	}
}

func (f *HoldersFold) Merge(next analysis.Collector) {
	o := next.(*HoldersFold)
	f.places.Merge(&o.places, (*placeHolds).merge)
	f.parts.Merge(&o.parts, &holdParts)
	f.stalls.Merge(o.stalls)
	f.peers.Merge(&o.peers, (*peerHolds).merge)
}

func (p *placeHolds) merge(o *placeHolds) {
	if p.worst == nil {
		p.worst = sketch.NewTop[holdInstance](worstHolds)
	}
	p.holds += o.holds
	p.held += o.held
	p.waited += o.waited
	p.waits += o.waits
	p.longest = max(p.longest, o.longest)
	p.most = max(p.most, o.most)
	p.open += o.open
	p.spared += o.spared
	p.last = max(p.last, o.last)
	for r := range o.ended {
		p.ended[r].add(&o.ended[r])
	}
	p.ticks.Merge(&o.ticks)
	p.worst.Merge(o.worst)
	p.waiting.Merge(&o.waiting)
	p.holding.Merge(&o.holding)
}

func runHolders(p *analysis.Pass) error {
	f := analysis.Fold[*HoldersFold](p)
	h := holdersOf(p, f)
	if len(h.Places) == 0 {
		p.NotApplicable("no goroutine waited for another one in the trace; record one while the program does its work")
		return nil
	}
	var n, held, waited int64
	var parts [parse.NumGoStates]int64
	for _, place := range h.Places {
		n += place.holds.holds
		held += place.Held
		waited += place.Waited
		for _, part := range place.Parts {
			parts[part.State] += part.NS
		}
	}
	p.Metric("hold.time", held, n)
	p.Metric("hold.waited", waited, n)
	p.Metric("hold.running", parts[parse.GoRunning], n)
	p.Metric("hold.runnable", parts[parse.GoRunnable], n)
	p.Metric("hold.waiting", parts[parse.GoWaiting], n)
	p.Metric("hold.call", parts[parse.GoSyscall], n)
	p.Metric("hold.unstarted", parts[parse.GoNotExist], n)
	p.Metric("hold.unknown", parts[parse.GoUndetermined], n)

	if f.parts.Limit != 0 {
		p.Say("More than %s pairs of a place and what its holders did meanwhile: only what they did at the places named first is told apart, the rest has (no stack).", analysis.FormatCount(tally.PairsApart))
	}
	said := 0
	for _, place := range h.Places { // who waits to read may have nothing to do
		if said == 3 || 50*place.Busy() < p.Trace.Duration() {
			break
		}
		c := h.Chain(place)
		p.Say("%s ← %s.", place.Waiting(), c.Text())
		if h.holdsUp(place, &c) {
			l := analysis.Leading{Kind: analysis.VerdictLimit, Text: place.Waiting() + " ← " + c.Text(), Place: place.Label, Held: place.Busy(), Lives: place.Lives(), Outside: c.Root.Kind == RootNetwork}
			if l.Root = c.Root.Label; c.Root.Kind == RootRunning { // of which a function is known, no place
				l.Root = c.Root.Holder
			}
			p.Lead(l)
		}
		said++
	}
	if said == 0 {
		p.Say("No goroutine of the program was held up by another for long: at no place 2 %% of the time, without those that had nothing to do.")
	}
	if p.Brief() {
		return nil
	}
	p.Table(chainsTable(h))
	p.Table(holdersTable(h))
	figure := holdersFigure(p, h)
	p.Table(figure)
	p.Table(worstTable(p, h))
	graph := graphTable(h)
	p.Table(graph)
	if len(graph.Rows) > 0 {
		p.Figure(analysis.Figure{
			Name: graph.Name, Title: holdersTitle(p, h), Mark: analysis.Graph, Table: graph.Name, X: "from", End: "to", Y: []string{"share"}, Series: "state",
		})
	}
	if len(figure.Rows) > 0 {
		p.Figure(analysis.Figure{
			Name: "holders.places", Title: holdersTitle(p, h), Mark: analysis.Bars, Table: figure.Name, X: "place",
			Y: []string{"running", "runnable", "in calls", "network", "asleep", "blocked", "not known"},
		})
	}
	return nil
}

// chainsTable is a row for each place with its chain, the costliest first.
func chainsTable(h *HeldPlaces) *analysis.Table {
	t := &analysis.Table{
		Name: "holders.chains", Title: "why goroutines wait for one another: each place, who is in the way there and why; without those with nothing to do", N: int64(len(h.Places)),
		Columns: []analysis.Column{
			{Name: "waiting", Unit: analysis.Text}, {Name: "waited", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "of the time", Unit: analysis.Ratio, Polarity: analysis.Lower},
			{Name: "share", Unit: analysis.Ratio}, {Name: "why", Unit: analysis.Text},
		},
	}
	for _, place := range h.busiest() {
		if place.Busy() == 0 {
			continue
		}
		c := h.Chain(place)
		t.Add(place.Waiting(), place.Busy(), say.RatioCell(place.Held, h.tr.Duration()), c.Share, c.Text())
	}
	t.Limit(10)
	return t
}

// holdersTable is all that held places up.
func holdersTable(h *HeldPlaces) *analysis.Table {
	t := &analysis.Table{
		Name: "holders.parts", Title: "time in which goroutines waited for another, by place and by what that other one did meanwhile", Detail: true,
		Columns: []analysis.Column{
			{Name: "place", Unit: analysis.Text}, {Name: "waits", Unit: analysis.Count}, {Name: "open", Unit: analysis.Count}, {Name: "held", Unit: analysis.NS}, {Name: "waited", Unit: analysis.NS},
			{Name: "holder", Unit: analysis.Text}, {Name: "state", Unit: analysis.Text}, {Name: "where", Unit: analysis.Text},
			{Name: "total", Unit: analysis.NS}, {Name: "of held", Unit: analysis.Ratio},
		},
	}
	for _, place := range h.Places {
		t.N += place.holds.holds
		for _, part := range place.Parts {
			var holder, where any
			if part.Holder != "" {
				holder = part.Holder
			}
			if part.Label != "" {
				where = part.Label
			}
			t.Add(place.Label, place.Waits, place.Open, place.Held, place.Waited, holder, part.StateWord(), where, part.NS, say.RatioCell(part.NS, place.Held))
		}
	}
	t.Limit(1000)
	return t
}

// StateWord is what a holder did, in words.
func (p *HeldPart) StateWord() string {
	switch {
	case p.State == parse.GoNotExist:
		return "not started yet"
	case p.State == parse.GoUndetermined && p.Holder != "":
		return "earlier than kept"
	case p.State == parse.GoUndetermined && p.Ready == parse.ReadyUnknown && p.Spared:
		return "in more pieces than kept"
	case p.State == parse.GoUndetermined && p.Ready == parse.ReadyUnknown:
		return "not ended"
	case p.State == parse.GoUndetermined:
		return "ended by " + say.ReadyWord(p.Ready)
	}
	return p.State.String()
}

// holdersFigure is the time of the costliest places by what their holders did.
func holdersFigure(p *analysis.Pass, h *HeldPlaces) *analysis.Table {
	t := &analysis.Table{
		Name: "holders.states", Title: "time in which goroutines waited for another, by place and by what that other one did", Detail: true, N: int64(len(h.Places)),
		Columns: []analysis.Column{{Name: "place", Unit: analysis.Text}},
	}
	for _, c := range []string{"running", "runnable", "in calls", "network", "asleep", "blocked", "not known"} {
		t.Columns = append(t.Columns, analysis.Column{Name: c, Unit: analysis.NS})
	}
	for _, place := range h.Places {
		if place.Busy() == 0 || len(t.Rows) == 12 {
			break
		}
		var ns [7]int64
		for _, part := range place.Parts {
			ns[part.column()] += part.NS
		}
		row := []any{place.Label}
		for _, v := range ns {
			row = append(row, v)
		}
		t.Add(row...)
	}
	return t
}

func (p *HeldPart) column() int {
	switch rootOf(p).Kind {
	case RootRunning:
		return 0
	case RootStarved:
		return 1
	case RootCall:
		return 2
	case RootNetwork, RootWrite:
		return 3
	case RootSleep, RootTimer:
		return 4
	case RootPlace:
		return 5
	}
	return 6
}

func holdersTitle(p *analysis.Pass, h *HeldPlaces) string {
	place := h.Places[0]
	c := h.Chain(place)
	at, _, _ := strings.Cut(place.Label, " (")
	return fmt.Sprintf("Most waiting: %s, %s of the time; root: %s", say.Brief(at), analysis.FormatRatio(say.Ratio(place.Held, p.Trace.Duration())), c.Root.Kind)
}
