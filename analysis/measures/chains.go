package measures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/parse"
)

// A Chain is why goroutines wait at a place, down to its root: who held it, what that one
// waited for, who held that. It is made from the sums of places, as if what holds one
// place were independent of who waits there: inferred.
type Chain struct {
	Steps []ChainStep
	Root  Root
	Share float64 // of the time with a waiter at the first place: the product of the steps
	// Cycle is from which step on its places wait for each other, -1 for none: what
	// follows the last of them is said of all together.
	Cycle int
}

// A ChainStep is a place, and the largest part of what its holders did.
type ChainStep struct {
	Place  *HeldPlace
	Share  float64 // of the time with a waiter: the part below, or what leads to the next step
	Holder string  // the kind of goroutines that did most of it; "" where none did
	Part   *HeldPart
	Kept   float64 // what is told is the last part only of what the holder did: this share; 0 for all
}

// RootKind is what a chain ends at.
type RootKind uint8

const (
	RootUnknown RootKind = iota // more happened than is kept, or it was before the trace
	RootOpen                    // nobody ended the wait up to the end of the trace
	RootRunning                 // the holder ran
	RootStarved                 // it was runnable: waited for a P
	RootCall                    // in a system call or cgo call
	RootNetwork                 // waiting for the network
	RootWrite                   // writing to the network: the peer reads slowly
	RootSleep                   // asleep
	RootTimer                   // a timer ended the wait
	RootStart                   // it did not exist yet
	RootPlace                   // it waits where nothing more is known
	RootMixed                   // no part is the half of it
)

func (k RootKind) String() string {
	return [...]string{analysis.Untold, "not ended", "running", "waiting for a P", "in a call", "waiting for the network", "writing to the network", "asleep", "a timer", "not started yet", "waiting", "several things"}[k]
}

// Root is where a chain ends.
type Root struct {
	Kind   RootKind
	Holder string // the kind of goroutine, "" for none
	Label  string // where, or the function that ran
	Place  parse.Place
	Stack  parse.StackID
	Part   *HeldPart
	Kept   float64 // what is told is the last part only of what the holder did: this share; 0 for all
	Often  bool    // more happened than is kept: it is what goroutines of its kind do for most of the time, inferred
	Reader string  // RootWrite: in words, who of the program reads at the other end and what that one does; inferred
}

// HandOver reports whether the holder was runnable mostly because waking it takes time,
// not for want of a P.
func (r *Root) HandOver() bool {
	return r.Kind == RootStarved && r.Part != nil && (r.Part.Cause == parse.CauseWakeup || r.Part.Cause == parse.CauseScheduler)
}

// Keeps reports whether who is in the way waits for something outside the program's
// goroutines, or for time to pass.
func (r *Root) Keeps() bool {
	return r.Kind == RootCall || r.Kind == RootNetwork || r.Kind == RootWrite || r.Kind == RootSleep || r.Kind == RootTimer
}

// maxChain bounds the steps of a chain.
const maxChain = 8

// Chain follows what holds a place down to its root.
func (h *HeldPlaces) Chain(place *HeldPlace) Chain {
	c := Chain{Share: 1, Cycle: -1}
	group := []*HeldPlace{place} // the place looked at, and those in a cycle with it
	for {
		var cycle []*HeldPlace
		if len(group) > 1 {
			cycle = group
		}
		but := c.waiting(group)
		part, ns, all := dominant(group, cycle)
		if part == nil && cycle == nil {
			if part, ns, all = dominant(group, but); part != nil && part.unknown() {
				part = nil
			}
		}
		step := ChainStep{Place: group[len(group)-1]}
		if part == nil {
			c.Steps = append(c.Steps, step)
			c.Root = mixed(group, but)
			return c
		}
		step.Share, step.Holder, step.Part = say.Ratio(ns, all), part.Holder, part
		c.Steps = append(c.Steps, step)
		c.Share *= step.Share
		next := h.byID[part.ID]
		if next != nil && next.Peer && rootOf(part).Kind == RootWrite {
			c.Root = rootOf(part)
			c.Root.Reader = h.readerOf(next)
			return c
		}
		if part.unknown() {
			last, share := lastKept(group, part)
			if last == nil {
				c.Root = h.oftenOf(part)
				return c
			}
			if next = h.byID[last.ID]; next == nil || last.State != parse.GoWaiting || !last.Place.Prim.Mutual() || slices.ContainsFunc(c.Steps, func(s ChainStep) bool { return s.Place == next }) {
				c.Root = rootOf(last)
				c.Root.Kept = share
				return c
			}
			part = last
			c.Steps[len(c.Steps)-1].Part, c.Steps[len(c.Steps)-1].Holder, c.Steps[len(c.Steps)-1].Kept = last, last.Holder, share
		}
		if part.State != parse.GoWaiting || next == nil || !part.Place.Prim.Mutual() && !next.Peer || len(c.Steps) == maxChain {
			c.Root = rootOf(part)
			return c
		}
		if i := slices.IndexFunc(c.Steps, func(s ChainStep) bool { return s.Place == next }); i >= 0 {
			if k := lastPeer(c.Steps[i:]); k >= 0 {
				// Connections of one place lead to different ones: no circle.
				c.endAt(i+k, next, part)
				return c
			}
			// What its places do to each other is left out from here on.
			c.Cycle = i
			var cycle []*HeldPlace
			for _, s := range c.Steps[i:] {
				if !slices.Contains(cycle, s.Place) {
					cycle = append(cycle, s.Place)
				}
			}
			if part, _, _ := dominant(cycle, cycle); part == nil || part.State == parse.GoWaiting && h.byID[part.ID] != nil && slices.ContainsFunc(c.Steps, func(s ChainStep) bool { return s.Place.ID == part.ID }) {
				c.Root = mixed(cycle, cycle)
				return c
			}
			group = cycle
			continue
		}
		group = []*HeldPlace{next}
	}
}

// waiting are places where who waits there is not in the way at some others: these, where they
// are a cycle; at a connection or pipe of the program those that the chain comes from.
func (c *Chain) waiting(group []*HeldPlace) (at []*HeldPlace) {
	if len(group) > 1 {
		return group
	}
	if group[0].Peer {
		for _, s := range c.Steps {
			at = append(at, s.Place)
		}
	}
	return at
}

// lastPeer is the last step that is a connection or pipe of the program, -1 for none.
func lastPeer(steps []ChainStep) int {
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].Place.Peer {
			return i
		}
	}
	return -1
}

// endAt ends a chain that comes to next, one of its places, once more by part, at the step
// i of it, which waits for the network: before it, or where the chain comes to it again.
func (c *Chain) endAt(i int, next *HeldPlace, part *HeldPart) {
	switch {
	case next == c.Steps[i].Place:
		c.Root = rootOf(part)
	case i == 0:
		c.Share, c.Steps = 1, c.Steps[:1]
		c.Steps[0].Share, c.Steps[0].Holder, c.Steps[0].Part = 1, "", nil
		c.Root = Root{Kind: RootNetwork, Label: next.Label, Place: next.Place}
	default:
		c.Steps, c.Share = c.Steps[:i], 1
		for _, s := range c.Steps {
			c.Share *= s.Share
		}
		c.Root = rootOf(c.Steps[i-1].Part)
	}
}

// dominant is the largest part of what held some places up that is not waiting at one of
// others, all waits for a P taken together and all running of a kind of goroutines, if it is
// the half of what is known. What is not known is the answer where it is more than that.
func dominant(places, but []*HeldPlace) (part *HeldPart, ns, all int64) {
	type key struct {
		state         parse.GoState
		ready         parse.Ready
		holder, label string
	}
	var unknown int64
	sums := make(map[key]int64)
	first := make(map[key]*HeldPart)
	for _, p := range places {
		for _, x := range p.Parts {
			if x.State == parse.GoWaiting && slices.ContainsFunc(but, func(p *HeldPlace) bool { return p.ID == x.ID }) {
				continue
			}
			if x.unknown() {
				unknown += x.NS
			} else {
				all += x.NS
			}
			k := key{state: x.State, ready: x.Ready, label: x.Label}
			switch x.State {
			case parse.GoRunnable:
				k.label = ""
			case parse.GoRunning: // what it does may be in several functions
				k.holder, k.label = x.Holder, ""
			}
			sums[k] += x.NS
			if f := first[k]; f == nil || x.NS > f.NS {
				first[k] = x
			}
		}
	}
	if unknown > all {
		all = unknown
	}
	for k, v := range sums {
		if x := first[k]; 2*v >= all && v > 0 && (part == nil || v > ns || v == ns && x.Label < part.Label) && x.unknown() == (all == unknown) {
			part, ns = x, v
		}
	}
	return part, ns, all
}

// mixed is the end of a chain at places where no part of what held them up is the half:
// the largest in words, likewise.
func mixed(places, but []*HeldPlace) Root {
	var all int64
	var parts []*HeldPart
	for _, p := range places {
		for _, x := range p.Parts {
			if !x.unknown() && !(x.State == parse.GoWaiting && slices.ContainsFunc(but, func(p *HeldPlace) bool { return p.ID == x.ID })) {
				parts = append(parts, x)
				all += x.NS
			}
		}
	}
	slices.SortStableFunc(parts, func(a, b *HeldPart) int { return cmp.Compare(b.NS, a.NS) })
	var words []string
	for _, x := range parts[:min(2, len(parts))] {
		r := rootOf(x)
		words = append(words, strings.TrimSpace(analysis.FormatRatio(say.Ratio(x.NS, all))+" "+x.Holder+" "+r.Text()))
	}
	return Root{Kind: RootMixed, Label: strings.Join(words, ", ")}
}

// lastKept is what a holder did for nine tenths and more of the time that is kept of it,
// where most is not, and the share of that time: a twentieth or more.
func lastKept(places []*HeldPlace, unknown *HeldPart) (last *HeldPart, share float64) {
	var kept, all int64
	for _, p := range places {
		all += p.Held
		for _, x := range p.Parts {
			if x.Holder != unknown.Holder || x.unknown() {
				continue
			}
			if kept += x.NS; last == nil || x.NS > last.NS {
				last = x
			}
		}
	}
	if last == nil || last.Holder == "" || 10*last.NS < 9*kept || 20*kept < all {
		return nil, 0
	}
	return last, say.Ratio(kept, all)
}

// oftenOf is the end of a chain at a holder that did more than is kept: the call or the
// wait for the network in which its kind is for half of its time that is no rest, if there
// is one.
func (h *HeldPlaces) oftenOf(part *HeldPart) Root {
	r := rootOf(part)
	i := slices.IndexFunc(h.Kinds.All, func(k *GoKind) bool { return k.Name == part.Holder })
	if part.Holder == "" || i < 0 {
		return r
	}
	k := h.Kinds.All[i]
	for _, s := range k.Stays { // the costliest first
		if s.Parked != "" || s.PlaceID == 0 || 2*s.NS < k.Busy() {
			continue
		}
		if s.State == parse.GoSyscall || s.State == parse.GoWaiting && s.Place.Prim == parse.PrimNetwork {
			o := rootOf(&HeldPart{Holder: part.Holder, State: s.State, Label: PlaceName(h.tr, s.PlaceID), Place: s.Place, ID: s.PlaceID, Stack: s.Place.Stack})
			o.Part, o.Often = part, true
			return o
		}
	}
	return r
}

// unknown reports whether the trace does not tell what was in the way.
func (p *HeldPart) unknown() bool {
	return p.State == parse.GoUndetermined && (p.Holder != "" || p.Ready == parse.ReadyUnknown) || p.State == parse.GoWaiting && p.ID == 0
}

// rootOf is the end of a chain whose last place was held so.
func rootOf(p *HeldPart) Root {
	r := Root{Kind: RootPlace, Holder: p.Holder, Label: p.Label, Place: p.Place, Stack: p.Stack, Part: p}
	switch p.State {
	case parse.GoRunning:
		r.Kind = RootRunning
	case parse.GoRunnable:
		r.Kind = RootStarved
	case parse.GoSyscall:
		r.Kind = RootCall
	case parse.GoNotExist:
		if r.Kind = RootStart; p.Stack == 0 {
			r.Kind = RootTimer // time.AfterFunc
		}
	case parse.GoUndetermined:
		r.Kind = RootUnknown
		switch {
		case p.Holder != "":
		case p.Ready == parse.ReadyTimer:
			r.Kind = RootTimer
		case p.Ready == parse.ReadyUnknown && !p.Spared:
			r.Kind = RootOpen
		}
	case parse.GoWaiting:
		switch {
		case p.Place.Prim == parse.PrimSleep:
			r.Kind = RootSleep
		case p.Place.Prim == parse.PrimNetwork && strings.HasSuffix(p.Label, " write)"):
			r.Kind = RootWrite
		case p.Place.Prim == parse.PrimNetwork:
			r.Kind = RootNetwork
		}
	}
	return r
}

// holdsUp reports whether a chain tells of goroutines that could go on if it were not for
// its root: not where it is not known, where those that are waited for do the work, and
// where who waits has nothing to do until a source sends something.
func (h *HeldPlaces) holdsUp(place *HeldPlace, c *Chain) bool {
	input := true
	for _, s := range c.Steps {
		input = input && h.receives(s.Place)
	}
	if k := c.Root.Kept; k > 0 && k < .5 {
		return false // most of it is not told
	}
	switch c.Root.Kind {
	case RootUnknown, RootStart:
		return false
	case RootTimer: // who answers waits on purpose, as for more to put together
		by := len(c.Steps) - 2
		return by >= 0 && c.Steps[by].Holder != "" && h.asked(place, c.Steps[by].Holder)
	case RootRunning, RootStarved, RootMixed:
		return place.Place.Prim != parse.PrimWaitGroup || place.Shared()
	case RootOpen:
		return !input
	case RootSleep:
		return !input || h.asked(place, c.Root.Holder)
	}
	return true
}

// receives reports whether goroutines wait at a place for something to be sent, in a
// function of the program itself.
func (h *HeldPlaces) receives(place *HeldPlace) bool {
	switch place.Place.Prim {
	case parse.PrimChanReceive, parse.PrimSelect, parse.PrimCond:
		return !place.Peer && place.Place.Own && callName(h.tr, place.Place) == ""
	}
	return false
}

// asked reports whether those that wait at a place end half as many waits of a kind of
// goroutines or more, as they do when they ask it for something.
func (h *HeldPlaces) asked(place *HeldPlace, kind string) bool {
	var ended int64
	for _, o := range h.Places {
		if !slices.ContainsFunc(o.Waiters, func(k KindShare) bool { return k.Kind.Name == kind }) {
			continue
		}
		for _, k := range o.Holders {
			if slices.ContainsFunc(place.Waiters, func(w KindShare) bool { return w.Kind == k.Kind }) {
				ended += k.N
			}
		}
	}
	return 2*ended >= place.Waits
}

// Text is the chain in one line, from who waits to the root.
func (c *Chain) Text() string {
	var parts []string
	for i, s := range c.Steps {
		switch {
		case i == 0:
			parts = append(parts, s.Place.waitText())
		case s.Place == c.Steps[i-1].Place:
		default:
			at := "blocked in " + s.Place.waitText()
			if before := &c.Steps[i-1]; s.Place.Peer && before.Part != nil && before.Within() == "" {
				at += calledBy(s.Place.kinds.tr, before.Part.Stack, before.Holder)
			}
			parts = append(parts, at)
		}
		if i == c.Cycle && len(c.Steps) > i+1 {
			parts[len(parts)-1] += " (in a circle with what follows)"
		}
		if s.Holder != "" {
			who := s.Place.holderText(s.Holder) + s.Within()
			if s.Place.Place.Prim == parse.PrimRead && s.Part != nil && s.Part.State == parse.GoWaiting && s.Part.Place.Prim == parse.PrimWrite {
				who = s.Holder + " waits before them to write" // rwmutex.go: a writer that waits keeps new readers out
			}
			if s.Kept > 0 {
				who += toldOf(s.Kept)
			} else if s.Share < .995 {
				who += " (" + analysis.FormatRatio(s.Share) + ")"
			}
			parts = append(parts, who)
		}
	}
	root := c.Root.Text()
	if n := len(c.Steps); c.Root.Keeps() && c.Steps[n-1].Within() == "" {
		root += calledBy(c.Steps[n-1].Place.kinds.tr, c.Root.Stack, c.Root.Holder)
	}
	return strings.Join(append(parts, root), " ← ")
}

// waitText is a place as what goroutines wait at there: "sync.Mutex at main.get:12".
func (h *HeldPlace) waitText() string {
	at, _, _ := strings.Cut(h.Label, " (")
	if h.Peer {
		return "a connection or pipe of the program at " + at
	}
	return h.Place.Prim.String() + " at " + at
}

// readerOf says who reads what is written at a place, and what most holds that one up.
func (h *HeldPlaces) readerOf(place *HeldPlace) string {
	part, ns, all := dominant([]*HeldPlace{place}, nil)
	if part == nil || part.Holder == "" {
		return ""
	}
	r := rootOf(part)
	return fmt.Sprintf("its reader %s (%s, inferred) ← %s", part.Holder, analysis.FormatRatio(say.Ratio(ns, all)), r.Text())
}

// holderText says how a goroutine of a kind is in the way at a place.
func (h *HeldPlace) holderText(kind string) string {
	switch p := h.Place.Prim; {
	case h.Peer:
		return "the other end " + kind + ", it seems"
	case p.Lock():
		return kind + " holds it"
	case p == parse.PrimChanSend:
		return "its receiver " + kind
	case h.Shared():
		return kind + " makes the call for all"
	case p == parse.PrimWaitGroup:
		return "the last of " + kind
	}
	return kind + " ends the wait"
}

// Within is the function in which the holder is and that also ends the hold, as the one
// that has the lock does: " in main.(*state).sync:22", with the line that keeps it; "" where
// that is the function of the part, or what the goroutine goes by. What it calls may be a
// helper of many.
func (s *ChainStep) Within() string {
	if s.Part == nil {
		return ""
	}
	h := s.Place
	tr := h.kinds.tr
	for _, i := range h.holds.worst.Items() {
		if h.kinds.Name(i.Item.id.fn, i.Item.id.body) != s.Holder {
			continue
		}
		if s.Part.Stack == 0 && h.Place.Prim.Lock() {
			if pl := tr.Place(tr.PlaceOf(i.Item.holderStack)); pl.Own && funcName(tr, pl.Site.Func) != s.Holder {
				return " in " + funcName(tr, pl.Site.Func)
			}
			return ""
		}
		f, ok := common(tr, s.Part.Stack, i.Item.holderStack)
		if name := funcName(tr, f.Func); ok && f.Func != s.Part.Place.Site.Func && name != s.Holder && !strings.Contains(s.Part.Label, "called by "+name) {
			return fmt.Sprintf(" in %s:%d", name, f.Line)
		}
		return ""
	}
	return ""
}

// Text says what the root does.
func (r *Root) Text() string {
	return r.does() + toldOf(r.Kept)
}

// toldOf says of which share of the time something is told, where it is not of all.
func toldOf(kept float64) string {
	if kept == 0 {
		return ""
	}
	return fmt.Sprintf(" (told of the last %s of the time)", analysis.FormatRatio(kept))
}

func (r *Root) does() string {
	at, _, _ := strings.Cut(r.Label, " (")
	switch {
	case r.Often && r.Kind == RootCall:
		return "in many short calls, most at " + r.Label
	case r.Often && r.Kind == RootNetwork:
		return "waits for the network many times, most at " + at
	}
	switch r.Kind {
	case RootRunning:
		return "runs in " + r.Label
	case RootStarved:
		if r.HandOver() {
			return "is being woken"
		}
		return "waits for a P"
	case RootCall:
		return "in a call at " + r.Label
	case RootNetwork:
		return "waits for the network at " + at
	case RootWrite:
		if r.Reader != "" {
			return "writes at " + at + " ← " + r.Reader
		}
		return "writes to the network at " + at
	case RootSleep:
		return "asleep at " + at
	case RootTimer:
		return "until a timer ends it"
	case RootOpen:
		return "nobody ends it up to the end of the trace"
	case RootStart:
		return "not started yet by " + r.Label
	case RootMixed:
		if r.Label != "" {
			return r.Label
		}
	case RootPlace:
		if r.Place.Prim == parse.PrimNone {
			return "waits at " + at
		}
		return "blocked in " + r.Place.Prim.String() + " at " + at
	}
	return r.Kind.String()
}

// Waiting says which goroutines wait at a place, with the share of their lives.
func (h *HeldPlace) Waiting() string {
	if len(h.Waiters) == 0 {
		return "goroutines"
	}
	k := h.Waiters[0].Kind
	s := k.Title()
	if stay := k.At(h.ID); stay != nil {
		s += fmt.Sprintf(" (%s of %s)", analysis.FormatRatio(k.Share(stay.NS)), k.Lives())
	}
	if n := len(h.Waiters) - 1; n > 0 && 2*h.Waiters[0].NS < h.Waited {
		s += fmt.Sprintf(" and %s", say.Counted(int64(n), "other kind", "other kinds"))
	}
	return s
}

// Lives is which share of their lives those wait there that do so most.
func (h *HeldPlace) Lives() float64 {
	if len(h.Waiters) == 0 {
		return 0
	}
	k := h.Waiters[0].Kind
	if stay := k.At(h.ID); stay != nil {
		return k.Share(stay.NS)
	}
	return 0
}
