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
	return [...]string{"not known", "not ended", "running", "waiting for a P", "in a call", "waiting for the network", "writing to the network", "asleep", "a timer", "not started yet", "waiting", "several things"}[k]
}

// Root is where a chain ends.
type Root struct {
	Kind   RootKind
	Holder string // the kind of goroutine, "" for none
	Label  string // where, or the function that ran
	Place  parse.Place
	Stack  parse.StackID
	Part   *HeldPart
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
		part, ns, all := dominant(group)
		step := ChainStep{Place: group[len(group)-1]}
		if part == nil {
			c.Steps = append(c.Steps, step)
			c.Root = mixed(group)
			return c
		}
		step.Share, step.Holder, step.Part = say.Ratio(ns, all), part.Holder, part
		c.Steps = append(c.Steps, step)
		c.Share *= step.Share
		next := h.byID[part.ID]
		if part.unknown() {
			c.Root = rootOf(part)
			return c
		}
		if part.State != parse.GoWaiting || next == nil || !part.Place.Prim.Mutual() || len(c.Steps) == maxChain {
			c.Root = rootOf(part)
			return c
		}
		if i := slices.IndexFunc(c.Steps, func(s ChainStep) bool { return s.Place == next }); i >= 0 {
			// N.B. what its places do to each other is left out from here on.
			c.Cycle = i
			var cycle []*HeldPlace
			for _, s := range c.Steps[i:] {
				if !slices.Contains(cycle, s.Place) {
					cycle = append(cycle, s.Place)
				}
			}
			if part, _, _ := dominant(cycle); part == nil || part.State == parse.GoWaiting && h.byID[part.ID] != nil && slices.ContainsFunc(c.Steps, func(s ChainStep) bool { return s.Place.ID == part.ID }) {
				c.Root = mixed(cycle)
				return c
			}
			group = cycle
			continue
		}
		group = []*HeldPlace{next}
	}
}

// dominant is the largest part of what held some places up that is not waiting at one of
// them, all waits for a P taken together, if it is the half of what is known. What is not
// known is the answer where it is more than that.
func dominant(places []*HeldPlace) (part *HeldPart, ns, all int64) {
	type key struct {
		state parse.GoState
		ready parse.Ready
		label string
	}
	var unknown int64
	sums := make(map[key]int64)
	first := make(map[key]*HeldPart)
	for _, p := range places {
		for _, x := range p.Parts {
			if len(places) > 1 && x.State == parse.GoWaiting && slices.ContainsFunc(places, func(p *HeldPlace) bool { return p.ID == x.ID }) {
				continue
			}
			if x.unknown() {
				unknown += x.NS
			} else {
				all += x.NS
			}
			k := key{state: x.State, ready: x.Ready, label: x.Label}
			if x.State == parse.GoRunnable {
				k.label = ""
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
// the largest in words.
func mixed(places []*HeldPlace) Root {
	var all int64
	var parts []*HeldPart
	for _, p := range places {
		for _, x := range p.Parts {
			if !x.unknown() && !(x.State == parse.GoWaiting && len(places) > 1 && slices.ContainsFunc(places, func(p *HeldPlace) bool { return p.ID == x.ID })) {
				parts = append(parts, x)
				all += x.NS
			}
		}
	}
	slices.SortStableFunc(parts, func(a, b *HeldPart) int { return cmp.Compare(b.NS, a.NS) })
	var words []string
	for _, x := range parts[:min(2, len(parts))] {
		r := rootOf(x)
		words = append(words, strings.TrimSpace(analysis.FormatRatio(say.Ratio(x.NS, all))+" "+x.Holder+" "+r.text()))
	}
	return Root{Kind: RootMixed, Label: strings.Join(words, ", ")}
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
		case p.Ready == parse.ReadyUnknown:
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

// Text is the chain in one line, from who waits to the root.
func (c *Chain) Text() string {
	var parts []string
	for i, s := range c.Steps {
		switch {
		case i == 0:
			parts = append(parts, s.Place.waitText())
		case s.Place == c.Steps[i-1].Place:
		default:
			parts = append(parts, "blocked in "+s.Place.waitText())
		}
		if i == c.Cycle && len(c.Steps) > i+1 {
			parts[len(parts)-1] += " (in a circle with what follows)"
		}
		if s.Holder != "" {
			who := s.Place.holderText(s.Holder)
			if s.Share < .995 {
				who += " (" + analysis.FormatRatio(s.Share) + ")"
			}
			parts = append(parts, who)
		}
	}
	return strings.Join(append(parts, c.Root.text()), " ← ")
}

// waitText is a place as what goroutines wait at there: "sync.Mutex at main.get:12".
func (h *HeldPlace) waitText() string {
	at, _, _ := strings.Cut(h.Label, " (")
	return h.Place.Prim.String() + " at " + at
}

// holderText says how a goroutine of a kind is in the way at a place.
func (h *HeldPlace) holderText(kind string) string {
	switch p := h.Place.Prim; {
	case p.Lock():
		return kind + " holds it"
	case p == parse.PrimChanSend:
		return "its receiver " + kind
	case p == parse.PrimWaitGroup:
		return "the last of " + kind
	}
	return kind + " ends the wait"
}

// text says what the root does.
func (r *Root) text() string {
	at, _, _ := strings.Cut(r.Label, " (")
	switch r.Kind {
	case RootRunning:
		return "runs in " + r.Label
	case RootStarved:
		return "waits for a P"
	case RootCall:
		return "in a call at " + r.Label
	case RootNetwork:
		return "waits for the network at " + at
	case RootWrite:
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
		s += fmt.Sprintf(" (%s of their lives)", analysis.FormatRatio(k.Share(stay.NS)))
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

func runHolders(p *analysis.Pass) error {
	h := newHolders(p.Trace, analysis.Fold[*HoldersFold](p), KindsOf(p))
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

	said := 0
	for _, place := range h.Places {
		if said == 3 || 50*place.Busy() < p.Trace.Duration() {
			break
		}
		c := h.Chain(place)
		p.Say("%s ← %s.", place.Waiting(), c.Text())
		p.Lead(analysis.Leading{Kind: analysis.VerdictLimit, Text: place.Waiting() + " ← " + c.Text(), Place: place.Label, Held: place.Busy(), Lives: place.Lives(), Outside: c.Root.Kind == RootNetwork})
		said++
	}
	if said == 0 {
		p.Say("No goroutine of the program was held up by another for long: at no place 2 %% of the time, without those that had nothing to do.")
	}
	p.Table(chainsTable(h))
	p.Table(holdersTable(h))
	figure := holdersFigure(p, h)
	p.Table(figure)
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
	for _, place := range h.Places {
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
			t.Add(place.Label, place.Waits, place.Open, place.Held, place.Waited, holder, part.stateWord(), where, part.NS, say.RatioCell(part.NS, place.Held))
		}
	}
	t.Limit(1000)
	return t
}

// stateWord is what a holder did, in words.
func (p *HeldPart) stateWord() string {
	switch {
	case p.State == parse.GoNotExist:
		return "not started yet"
	case p.State == parse.GoUndetermined && p.Holder != "":
		return "earlier than kept"
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
	return fmt.Sprintf("Most waiting: %s, %s of the time; root: %s", say.Brief(place.Label), analysis.FormatRatio(say.Ratio(place.Held, p.Trace.Duration())), c.Root.Kind)
}

// At is what a kind spent at a place, nil for nothing.
func (k *GoKind) At(id parse.PlaceID) *Stay {
	i := slices.IndexFunc(k.Stays, func(s *Stay) bool { return s.State == parse.GoWaiting && s.PlaceID == id })
	if i < 0 {
		return nil
	}
	return k.Stays[i]
}
