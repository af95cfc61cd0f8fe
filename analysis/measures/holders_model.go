package measures

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// A HeldPlace is where goroutines wait for one another, with who held them up there.
type HeldPlace struct {
	ID      parse.PlaceID
	Place   parse.Place
	Label   string
	Held    int64      // ns in which somebody waited there
	Waited  int64      // ns that goroutines waited there in all
	Parked  int64      // of Waited, of goroutines with nothing to do: see Stay.Parked
	Waits   int64      // that ended in the trace
	Open    int64      // goroutines that wait there at the end of the trace
	Most    int64      // waiting at once
	Last    parse.Time // when a goroutine ended a wait there last, 0 for never
	Longest int64      // time from the end of one wait to the end of the next, the longest
	Parts   []*HeldPart
	Waiters []KindShare // the costliest first
	Holders []KindShare // likewise
	Permits int64       // distinct goroutines that ended waits: at least so many held it
	Own     float64     // share of goroutines that both waited and ended waits, in all that did either

	// Peer: goroutines wait there for connections or pipes whose other end is one of the
	// program's, it seems: inferred.
	Peer bool

	ended [parse.NumReady]holdSum
	holds *placeHolds
	kinds *GoKinds
}

// A KindShare is the part of a kind of goroutines in something.
type KindShare struct {
	Kind  *GoKind
	N, NS int64
}

// A HeldPart is time of a place in which who ended the next wait was in one state.
// Those of a place sum to its Held.
type HeldPart struct {
	Holder string // the kind; "" where no goroutine ended the wait
	Ready  parse.Ready
	Cause  parse.Cause   // GoRunnable: what most of the wait for a P was made of
	State  parse.GoState // GoUndetermined: not known; GoNotExist: not created yet
	Place  parse.Place   // where it waited, was in a call, ran
	ID     parse.PlaceID
	Label  string // that in words
	NS     int64
	Stack  parse.StackID // the costliest

	// Spared: of what nobody seems to have ended, most is of waits that may have ended, with
	// shorter ones between.
	Spared bool

	most int64
}

// A WorstHold is the longest time that one goroutine was in the way at a place.
type WorstHold struct {
	Since, Until parse.Time
	Holder       parse.GoID
	Kind         string        // of the holder
	Stack        parse.StackID // where it ended the wait
	Waiters      int64         // then
}

// Worst is the longest hold at a place that a goroutine ended; ok is false without any.
func (h *HeldPlace) Worst() (w WorstHold, ok bool) {
	items := h.holds.worst.Items()
	if len(items) == 0 {
		return w, false
	}
	i := items[0].Item
	return WorstHold{i.since, i.until, i.holder, h.kinds.Name(i.id.fn, i.id.body), i.holderStack, i.waiters}, true
}

// Busy is the waiting time of goroutines that were about something.
func (h *HeldPlace) Busy() int64 { return h.Waited - h.Parked }

// Shared reports whether goroutines wait there for a call that one of them makes for all,
// in a library that joins equal calls: who waits once makes it another time.
func (h *HeldPlace) Shared() bool {
	return h.Place.Prim == parse.PrimWaitGroup && h.Place.Call != 0 && !parse.IsStd(h.kinds.tr.String(h.Place.Call)) && h.ServesItself()
}

// ServesItself reports whether nine in ten and more of the waits there were ended by kinds
// of goroutines that wait there themselves.
func (h *HeldPlace) ServesItself() bool {
	var own, all int64
	for _, k := range h.Holders {
		all += k.N
		if slices.ContainsFunc(h.Waiters, func(w KindShare) bool { return w.Kind == k.Kind }) {
			own += k.N
		}
	}
	return all > 0 && 10*own >= 9*all
}

// Timed is the share of the time that a timer ended.
func (h *HeldPlace) Timed() float64 { return say.Ratio(h.ended[parse.ReadyTimer].ns, h.Held) }

// Ticks are the times from the end of one wait to the end of the next that a timer ended.
func (h *HeldPlace) Ticks() *sketch.Histogram { return &h.holds.ticks }

// By is the time in which the holder was as wanted says.
func (h *HeldPlace) By(wanted func(*HeldPart) bool) (ns int64) {
	for _, p := range h.Parts {
		if wanted(p) {
			ns += p.NS
		}
	}
	return ns
}

// HeldPlaces are the places of a trace where goroutines waited for one another.
type HeldPlaces struct {
	Stalls []Stall      // the longest holds of goroutines that were about something, in the order of time
	Places []*HeldPlace // the most waiting of busy goroutines first
	Kinds  *GoKinds
	Peers  []*HeldPlace // where they wait for connections and pipes to each other, likewise; not in Places
	byID   map[parse.PlaceID]*HeldPlace
	tr     *parse.Trace
}

// A Stall is a stretch of time in which a goroutine held others up at a place, other than
// those that wait for all to be done.
type Stall struct {
	Since, Until parse.Time
	Place        *HeldPlace
	Holder       string // its kind
}

// At returns a place, nil where nobody waited for another goroutine.
func (h *HeldPlaces) At(id parse.PlaceID) *HeldPlace { return h.byID[id] }

// HoldersOf returns the places of the trace of a pass that requires the measures kinds
// and holders.
func HoldersOf(p *analysis.Pass) *HeldPlaces {
	return holdersOf(p, analysis.FoldOf[*HoldersFold](p, Holders))
}

func holdersOf(p *analysis.Pass, f *HoldersFold) *HeldPlaces {
	ks := KindsOf(p)
	return analysis.Model(p, func() *HeldPlaces { return newHolders(p.Trace, f, ks) })
}

func newHolders(tr *parse.Trace, f *HoldersFold, ks *GoKinds) *HeldPlaces {
	h := &HeldPlaces{Kinds: ks, byID: make(map[parse.PlaceID]*HeldPlace), tr: tr}
	places := f.places.ByKey()
	for _, pid := range slices.Sorted(maps.Keys(places)) {
		v := places[pid]
		place := &HeldPlace{
			ID: pid, Place: tr.Place(pid), Label: PlaceName(tr, pid), Held: v.held, Waited: v.waited, Waits: v.waits, Open: v.open,
			Most: v.most, Last: v.last, Longest: v.longest, Permits: int64(v.holding.Len()), Own: v.waiting.Common(&v.holding), ended: v.ended, holds: v, kinds: ks,
		}
		h.byID[pid] = place
		h.Places = append(h.Places, place)
	}
	h.addPeers(f)
	for _, k := range ks.All {
		for _, s := range k.Stays {
			place := h.byID[s.PlaceID]
			if place == nil || s.State != parse.GoWaiting {
				continue
			}
			place.Waiters = append(place.Waiters, KindShare{k, s.N, s.NS})
			if place.Peer {
				place.Waited += s.NS // also what no goroutine of the program seems to have ended
			}
			if s.Parked != "" {
				place.Parked += s.NS
			}
		}
	}
	type partKey struct {
		place         parse.PlaceID
		holder, label string
		state         parse.GoState
		ready         parse.Ready
	}
	parts := make(map[partKey]*HeldPart)
	holding := make(map[placeKind]*holdSum)
	for _, e := range f.parts.Entries {
		k := partKey{place: e.Key.place(), state: e.Key.state()}
		if by := e.Key.kind(); by != (kindID{}) {
			k.holder = ks.Name(by.fn, by.body)
			tally.At(holding, placeKind{k.place, by}).add(&e.V)
		} else {
			k.ready = e.Key.ready()
		}
		k.label = partLabel(tr, &e.Key, k.holder)
		place := h.byID[k.place]
		if place == nil {
			continue // it seems to be chance
		}
		part := parts[k]
		if part == nil {
			part = &HeldPart{Holder: k.holder, Ready: k.ready, State: k.state, Cause: e.Key.cause(), Label: k.label}
			parts[k] = part
			place.Parts = append(place.Parts, part)
		}
		part.NS += e.V.ns
		if e.V.ns > part.most {
			part.most, part.Stack = e.V.ns, e.Key.stack()
			part.ID = tr.PlaceOf(e.Key.stack())
			part.Place = tr.Place(part.ID)
		}
	}
	for k, v := range holding {
		place := h.byID[k.place]
		if place == nil {
			continue
		}
		place.Holders = addShare(place.Holders, ks.Of(k.kind.fn, k.kind.body), v)
	}
	for _, place := range slices.Concat(h.Places, h.Peers) {
		sortShares(place.Waiters)
		sortShares(place.Holders)
		sortParts(place.Parts)
		for _, part := range place.Parts {
			part.Spared = part.Holder == "" && part.State == parse.GoUndetermined && part.Ready == parse.ReadyUnknown && 2*place.holds.spared > part.NS
		}
	}
	for _, e := range f.stalls.Items() {
		if place := h.byID[e.Item.place]; 2*place.Busy() >= place.Waited && place.Place.Prim != parse.PrimWaitGroup {
			h.Stalls = append(h.Stalls, Stall{parse.Time(e.Time), e.Item.until, place, ks.Name(e.Item.holder.fn, e.Item.holder.body)})
		}
	}
	slices.SortStableFunc(h.Stalls, func(a, b Stall) int { return cmp.Compare(a.Since, b.Since) })
	slices.SortStableFunc(h.Places, busier)
	slices.SortStableFunc(h.Peers, busier)
	return h
}

// busier orders places, the most waiting of busy goroutines first.
func busier(a, b *HeldPlace) int {
	return cmp.Or(cmp.Compare(b.Busy(), a.Busy()), cmp.Compare(b.Held, a.Held), strings.Compare(a.Label, b.Label))
}

// busiest are all places in that order.
func (h *HeldPlaces) busiest() []*HeldPlace {
	all := slices.Concat(h.Places, h.Peers)
	slices.SortStableFunc(all, busier)
	return all
}

// peerShare is the share of the waiting for the network poller at a place that another
// goroutine must seem to have ended for the place to be one where the program waits for
// itself, peerChance the most that may be by chance: the share of all time that lies less
// than parse.PeerLag after some call.
const peerShare, peerChance = .7, .35

// addPeers finds the places where goroutines wait for connections and pipes whose other
// end is the program's.
func (h *HeldPlaces) addPeers(f *HoldersFold) {
	polled := make(map[parse.PlaceID]int64)
	for _, k := range h.Kinds.All {
		for _, s := range k.Stays {
			polled[s.PlaceID] += s.Ready[parse.ReadyNetpoll]
		}
	}
	peers := f.peers.ByKey()
	for _, id := range slices.Sorted(maps.Keys(peers)) {
		v := peers[id]
		chance := float64(v.calls*parse.PeerLag) / float64(max(h.tr.Duration(), 1))
		if float64(v.ns) < peerShare*float64(polled[id]) || chance > peerChance || h.byID[id] != nil {
			continue
		}
		place := &HeldPlace{
			ID: id, Place: h.tr.Place(id), Label: PlaceName(h.tr, id), Held: v.ns, Waits: v.n, Longest: v.longest,
			Peer: true, holds: &placeHolds{worst: sketch.NewTop[holdInstance](0)}, kinds: h.Kinds,
		}
		h.byID[id] = place
		h.Peers = append(h.Peers, place)
	}
}

func addShare(shares []KindShare, k *GoKind, s *holdSum) []KindShare {
	if k == nil {
		return shares
	}
	i := slices.IndexFunc(shares, func(s KindShare) bool { return s.Kind == k })
	if i < 0 {
		shares = append(shares, KindShare{Kind: k})
		i = len(shares) - 1
	}
	shares[i].N += s.n
	shares[i].NS += s.ns
	return shares
}

func sortShares(shares []KindShare) {
	slices.SortStableFunc(shares, func(a, b KindShare) int {
		return cmp.Or(cmp.Compare(b.NS, a.NS), strings.Compare(a.Kind.Name, b.Kind.Name))
	})
}

func sortParts(parts []*HeldPart) {
	slices.SortStableFunc(parts, func(a, b *HeldPart) int {
		return cmp.Or(cmp.Compare(b.NS, a.NS), strings.Compare(a.Holder, b.Holder), strings.Compare(a.Label, b.Label), cmp.Compare(a.State, b.State))
	})
}

// partLabel is where a holder of a kind was, in words.
func partLabel(tr *parse.Trace, k *holdPart, kind string) string {
	place := tr.PlaceOf(k.stack())
	switch k.state() {
	case parse.GoRunning:
		name := runName(tr, place)
		if by := OwnFrame(tr, k.stack(), 1); by != "" && by != kind && by != funcName(tr, tr.Goes(k.stack())) && !parse.IsWrapper(by) {
			name += " (called by " + by + ")" // the work is often done by a helper that many call
		}
		return name
	case parse.GoRunnable:
		return "for a P: " + waitedFor(k.cause())
	case parse.GoWaiting, parse.GoSyscall:
		if place == 0 {
			return "(no stack)"
		}
		return PlaceName(tr, place)
	case parse.GoNotExist:
		if place == 0 {
			return "(no stack)"
		}
		return SiteOf(tr, tr.Place(place))
	}
	return ""
}

// OwnLock is the library function whose own lock goroutines wait for at a place, such as
// log.(*Logger).Printf; "" where it is no lock, or the program's.
func OwnLock(tr *parse.Trace, pl parse.Place) string {
	call := funcName(tr, pl.Call)
	if !pl.Prim.Lock() || call == "" || strings.HasPrefix(call, "sync.") || strings.HasPrefix(call, "internal/sync.") {
		return ""
	}
	return call
}

// runName names the function of the program that runs with a stack of a place, and the
// library function it calls, but for the one that gives a lock back or says that it is done.
func runName(tr *parse.Trace, id parse.PlaceID) string {
	pl := tr.Place(id)
	if pl.Stack == 0 {
		return "(no stack)"
	}
	name := funcName(tr, pl.Site.Func)
	if call := funcName(tr, pl.Call); call != "" && pl.Prim == parse.PrimNone && !strings.HasPrefix(call, "runtime.") && !strings.HasPrefix(call, "sync.") {
		name += " → " + call
	}
	return name
}

// waitedFor is a cause in words: what kept the Ps.
func waitedFor(c parse.Cause) string {
	switch c {
	case parse.CauseUser:
		return "other goroutines ran"
	case parse.CauseSystem:
		return "the runtime ran"
	case parse.CauseGC:
		return "the GC ran"
	case parse.CauseSTW:
		return "the world was stopped"
	case parse.CauseWakeup:
		return "waking it took long"
	case parse.CauseSyscall:
		return "calls held the Ps"
	}
	return c.String()
}
