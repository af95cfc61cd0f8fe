package blocking

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// stuckOnLocks finds goroutines that wait for locks at the end. Those that hold one
// another up are few at each place, those that came by later pile up behind them.
func stuckOnLocks(p *analysis.Pass, locks []*measures.WaitingAt, total int64) {
	slices.SortStableFunc(locks, func(a, b *measures.WaitingAt) int {
		return cmp.Or(cmp.Compare(a.Open, b.Open), cmp.Compare(b.Oldest, a.Oldest))
	})
	f := analysis.Finding{
		Code: "stuck-goroutines/lock", Confidence: analysis.Inferred, Explains: []string{"hung-requests"},
		Cost:   analysis.Cost{Total: total, Clock: analysis.GTime},
		Advice: "Look for goroutines that take the same locks in another order, and for a return without Unlock; a goroutine profile (debug=2) shows who holds what now. block.sync.total should fall.",
		Caveat: "Who holds a lock is not in the trace.",
	}
	var waiting, oldest int64
	var places, first []string
	for _, w := range locks {
		if g := lockGate(p, w); g.Severity.Rank() > f.Severity.Rank() {
			f.Severity = g.Severity
		}
		waiting += w.Open
		oldest = max(oldest, w.Oldest)
		f.Cost.Value += w.Total
		if w.Open == locks[0].Open {
			first = append(first, w.Label[1])
		}
		places = append(places, fmt.Sprintf("%s at %s since %s", analysis.FormatCount(w.Open), w.Label[1], p.At(p.Trace.To-parse.Time(w.Oldest))))
		if len(f.Evidence) < maxEvidence {
			f.Evidence = append(f.Evidence, analysis.Evidence{From: p.Rel(p.Trace.To) - w.Oldest, To: p.Rel(p.Trace.To), Func: w.Label[1], Stack: p.Stack(w.Stack),
				Note: fmt.Sprintf("%s waiting, the oldest for %s", say.Counted(w.Open, "goroutine", "goroutines"), p.Dur(w.Oldest))})
		}
	}
	who, why := "", "; a deadlock, or a lock held for very long"
	by := keeperOf(p, locks)
	if by != nil && by.place.Prim.Lock() && len(first) > 1 {
		by = nil // they hold one another up
	}
	if by != nil {
		who, why = fmt.Sprintf(", since %s seems to hold one, and %s %s", by.fn, by.does(), by.label), ""
		f.Caveat += " It is told from a goroutine that has been elsewhere for longer, in a call of the function that takes the lock, or of a method of the same type."
	}
	which := "locks that nobody gives back"
	if by != nil && by.after {
		which = "locks that are handed on late"
	}
	f.Summary = fmt.Sprintf("%s at the end for %s, for up to %s%s: %s%s",
		say.Counted(waiting, "goroutine waits", "goroutines wait"), which, p.Dur(oldest), who, strings.Join(places[:min(len(places), 4)], ", "), why)
	site := func(pl parse.Place) string { return measures.SiteOf(p.Trace, pl) }
	again, at, n := takenAgain(p, locks)
	switch {
	case by != nil && by.place.Prim.Lock() && (by.n < 2 || by.place.Prim == parse.PrimRead):
		f.Advice = fmt.Sprintf("See whether %s waits at %s for the lock that it took at %s: %s; else do not take that lock with this one. ", by.fn, site(by.place), site(by.taken), onlyOnce) + f.Advice
	case by != nil && measures.OwnLock(p.Trace, by.taken) != "":
		f.Advice = fmt.Sprintf("The lock is that of %s, which %s %s with it: give that a deadline, or hand what it is given to one goroutine with a queue that drops what is too much. ", measures.OwnLock(p.Trace, by.taken), by.does(), by.label) + f.Advice
	case (by == nil || by.place.Prim.Lock()) && again != "" && n > 1 && at.Prim != parse.PrimRead && len(first) < 2:
		f.Advice = fmt.Sprintf("See whether goroutines that come from %s to %s hold what the others want there: take the locks of two objects of one type in one order, by a number of theirs. ", again, site(at)) + f.Advice
	case by != nil:
		f.Advice = fmt.Sprintf("Unlock before what %s does at %s, or give it a deadline. ", by.fn, by.label) + f.Advice
	case again != "" && (len(first) < 2 || at.Prim == parse.PrimRead):
		f.Advice = fmt.Sprintf("See whether %s has the lock already when it comes to %s: %s. ", again, site(at), onlyOnce) + f.Advice
	case len(first) > 1:
		f.Advice = fmt.Sprintf("See whether %s take the same locks in another order: goroutines that hold one another up are few at each place, the others wait behind them. ", strings.Join(first[:min(len(first), 3)], " and ")) + f.Advice
	}
	p.Find(f)
}

const onlyOnce = "neither a Mutex nor an RWMutex can be taken twice, not even to read where a writer waits"

// A keeper is a goroutine that seems to hold a lock up to the end.
type keeper struct {
	openAt
	fn    string      // which took the lock, and called what it is in
	taken parse.Place // where others wait for it
	after bool        // others had it before, while they waited
	near  bool        // that function takes it further up, else a method of the same type may
}

// openAt is where goroutines are at the end of the trace.
type openAt struct {
	n      int64
	stack  parse.StackID
	place  parse.Place
	label  string
	state  parse.GoState
	oldest int64
	idle   bool // with nothing to do, as at times before
}

// does is what they do there, before the place.
func (o *openAt) does() string {
	if o.state == parse.GoSyscall {
		return "is in a call at"
	}
	return "waits at"
}

// openWaits are where user goroutines wait or are in a call at the end.
func openWaits(p *analysis.Pass) (all []openAt) {
	tr, kinds := p.Trace, measures.KindsOf(p)
	add := func(n int64, stack parse.StackID, state parse.GoState, oldest int64, idle bool) {
		id := tr.PlaceOf(stack)
		all = append(all, openAt{n, stack, tr.Place(id), measures.PlaceName(tr, id), state, oldest, idle})
	}
	for _, e := range measures.BlockingOf(p).Sites().Entries {
		if e.V.Open == 0 || tr.PlaceOf(e.Key.Stack) == 0 {
			continue
		}
		idle := false
		if k := kinds.OfStack(e.Key.Stack); k != nil {
			s := k.At(tr.PlaceOf(e.Key.Stack))
			idle = s != nil && s.N > s.Open && s.Parked != "" && s.Parked != measures.ParkedWhole && s.Parked != measures.ParkedBefore
		}
		add(e.V.Open, e.Key.Stack, parse.GoWaiting, e.V.Oldest, idle)
	}
	for _, k := range kinds.All {
		for _, s := range k.Stays {
			if s.State == parse.GoSyscall && s.Open > 0 && s.PlaceID != 0 {
				add(s.Open, s.Place.Stack, s.State, s.Oldest, s.Parked != "")
			}
		}
	}
	return all
}

// keeperOf is a goroutine that has been elsewhere for about as long or longer than others
// wait for one of the locks, or than it has not been handed on: that went on in the function which takes it, or else one that waits
// for no lock in a method of the same type; nil for none.
func keeperOf(p *analysis.Pass, locks []*measures.WaitingAt) (by *keeper) {
	tr := p.Trace
	for _, o := range openWaits(p) {
		for _, w := range locks {
			taken, _ := takenIn(tr, w.Stack)
			held, after := w.Oldest, false
			if at := measures.HoldersOf(p).At(tr.PlaceOf(w.Stack)); at != nil && at.Last > 0 {
				if since := int64(tr.To - at.Last); since < held { // who had it before gave it back then
					held, after = since, true
				}
			}
			if 10*o.oldest < 9*held || taken.Func == 0 {
				continue // with the lock it may have done something else for a moment
			}
			k := keeper{openAt: o, taken: tr.Place(tr.PlaceOf(w.Stack)), after: after}
			owner := evidence.OwnerOf(tr.String(taken.Func))
			for _, f := range tr.Stack(o.stack) {
				if f.Func == taken.Func && f.Line > taken.Line {
					k.near, k.fn = true, tr.String(f.Func)
					break
				}
				if fn := tr.String(f.Func); owner != "" && evidence.OwnerOf(fn) == owner && f.Func != taken.Func && !o.place.Prim.Lock() && !o.idle && (o.oldest < p.Trace.Duration() || w.Oldest == o.oldest) {
					k.fn = fn
				}
			}
			if k.fn != "" && (by == nil || k.surer(by)) {
				by = &k
			}
		}
	}
	return by
}

// surer reports whether one is rather the holder than another one: nearer, else who has
// been there for longer, or of methods of the type who came last before others waited.
func (k *keeper) surer(than *keeper) bool {
	if k.near != than.near {
		return k.near
	}
	if k.near {
		return k.oldest > than.oldest
	}
	return k.oldest < than.oldest
}

// takenAgain is a function from which another method of its type is called that waits for
// one of the locks, where, and how many goroutines do; "" for none.
func takenAgain(p *analysis.Pass, locks []*measures.WaitingAt) (fn string, at parse.Place, n int64) {
	tr := p.Trace
	for _, o := range openWaits(p) {
		taken, i := takenIn(tr, o.stack)
		owner := evidence.OwnerOf(tr.String(taken.Func))
		if owner == "" || !slices.ContainsFunc(locks, func(w *measures.WaitingAt) bool { return tr.PlaceOf(w.Stack) == tr.PlaceOf(o.stack) }) {
			continue
		}
		for _, f := range tr.Stack(o.stack)[i+1:] {
			if name := tr.String(f.Func); evidence.OwnerOf(name) == owner && f.Func != taken.Func && (fn == "" || name < fn) {
				fn, at, n = name, o.place, o.n
			}
		}
	}
	return fn, at, n
}

// takenIn is where a lock is taken, by the stack of who waits for it, and which frame of
// it that is.
func takenIn(tr *parse.Trace, stack parse.StackID) (at parse.Frame, i int) {
	for i, f := range tr.Stack(stack) {
		switch fn := tr.String(f.Func); {
		case strings.HasPrefix(fn, "sync."), strings.HasPrefix(fn, "internal/sync."), strings.HasPrefix(fn, "runtime."):
		default:
			return f, i
		}
	}
	return at, 0
}
