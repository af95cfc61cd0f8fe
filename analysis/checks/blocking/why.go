package blocking

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// reason is why goroutines wait at a place, for a finding.
type reason struct {
	place *measures.HeldPlace
	chain measures.Chain
}

// reasonAt is why goroutines wait where a stack is; ok is false where the trace does not
// tell of any goroutine that ended such a wait, nor of one that did not.
func reasonAt(p *analysis.Pass, h *measures.HeldPlaces, stack parse.StackID) (r reason, ok bool) {
	place := h.At(p.Trace.PlaceOf(stack))
	if place == nil {
		return r, false
	}
	r = reason{place, h.Chain(place)}
	r.runsIn(p)
	return r, true
}

// runsIn names the function in which one runs that is in the way, where its runs end where it
// unlocks or takes the next piece of work.
func (r *reason) runsIn(p *analysis.Pass) {
	root, below := &r.chain.Root, parse.StringID(0)
	switch {
	case root.Kind != measures.RootRunning:
		return
	case r.place.Place.Prim.Lock() && root.Place.Own:
		below = root.Place.Site.Func
	case root.Label != root.Holder:
		return
	}
	root.Label = cmp.Or(measures.PreemptionOf(p).RunsIn(p.Trace, root.Holder, below), root.Label)
}

// text is the chain, for the end of a summary.
func (r *reason) text() string { return analysis.Why + r.chain.Text() }

// advice is what to change, by what the one in the way does.
func (r *reason) advice(p *analysis.Pass, otherwise string) string {
	lock := r.place.Place.Prim.Lock()
	root := &r.chain.Root
	where := r.where()
	if r.place.Place.Prim == parse.PrimOnce {
		return otherwise
	}
	if steps := r.chain.Steps; lock && len(steps) > 1 && steps[1].Place.Peer {
		return fmt.Sprintf("Do not read or write a connection or pipe (%s) under the lock: its other end keeps all that want the lock waiting; hand it to a goroutine of its own with a queue that drops or closes when full. hold.waiting should fall.", steps[1].Place.Label)
	}
	if last := r.chain.Steps[len(r.chain.Steps)-1].Place; lock && !last.Place.Prim.Lock() {
		if then, ok := r.besides(); ok {
			if own := measures.OwnLock(p.Trace, r.place.Place); own != "" && r.unlocked().Place.Own {
				return fmt.Sprintf("The lock is that of %s, which calls back with it: do not wait for another goroutine there (%s), hand it what is to be done by a queue%s. hold.waiting should fall.", own, r.unlocked().Label, then)
			}
			return fmt.Sprintf("Do not wait for another goroutine (%s) under the lock: copy what it needs, unlock, then wait%s. hold.waiting should fall.", r.unlocked().Label, then)
		}
	}
	switch root.Kind {
	case measures.RootCall:
		if r.place.Place.Prim == parse.PrimFile {
			return fmt.Sprintf("Writes to one file take turns, each for as long as its disk or its reader takes (%s): write less, or collect lines in a buffer that one goroutine writes and that drops what is too much. hold.call should fall.", where)
		}
		if own := measures.OwnLock(p.Trace, r.place.Place); own != "" {
			return fmt.Sprintf("The lock is that of %s, which is in a call at %s with it: call it less often or from fewer goroutines, or hand what it is given to one goroutine with a queue or a buffer. hold.call should fall.", own, where)
		}
		if r.syncs(p) && r.place.Place.Prim != parse.PrimRead { // who waits to read writes nothing
			return fmt.Sprintf("Sync once for many writes (group commit) at %s: who comes while one sync is under way adds what it writes to the next, and waits for that. hold.call should fall.", where)
		}
		if lock {
			return fmt.Sprintf("Do not call %s under the lock: copy what it needs, unlock, then call; or let one goroutine do it for all. hold.call should fall.", where)
		}
		return fmt.Sprintf("Make the call at %s rarer or shorter (batches, a cache, a goroutine of its own), or allow more of them at once. hold.call should fall.", where)
	case measures.RootWrite:
		return fmt.Sprintf("The peer behind %s reads slowly: give the write a deadline, or a queue of its own that drops or closes when it is full, so that one slow peer does not stop the others. hold.waiting should fall.", where)
	case measures.RootNetwork:
		if lock {
			return fmt.Sprintf("Do not wait for the network (%s) under the lock: ask first, then lock. hold.waiting should fall.", where)
		}
		return fmt.Sprintf("What is waited for is outside, at %s: allow more of it at once, or make that answer faster; locks and CPUs are not in the way. hold.waiting should fall.", where)
	case measures.RootSleep, measures.RootTimer:
		if lock {
			at := ""
			if where != "" {
				at = " (" + strings.TrimSuffix(where, " (sleep)") + ")"
			}
			return "Do not sleep or wait for a timer" + at + " under the lock. hold.waiting should fall."
		}
		if at := r.chain.Steps[len(r.chain.Steps)-1].Place; at.Peer && root.Kind == measures.RootSleep {
			return fmt.Sprintf("What is waited for is the answer at %s, of %s: ask for several things at once (one request for many, more connections or goroutines), or make that answer faster. hold.waiting should fall.", at.Label, root.Holder)
		}
		if where == "" { // a timer
			where = r.unlocked().Label
		}
		return fmt.Sprintf("Shorten the pause (%s): if it looks again for something, wait to be told of it (a channel, a sync.Cond); else let more of them do this at once. hold.waiting should fall.", where)
	case measures.RootStarved:
		if root.HandOver() {
			return "Each turn wakes a goroutine, which takes longer than what it does: do more in each turn (batches), split what all want (by key, or one for each P), or use an atomic. hold.runnable should fall."
		}
		return "The one in the way waits for a P itself: free the Ps (waits.function says who holds them), or wake fewer goroutines at once. hold.runnable should fall."
	case measures.RootOpen:
		return "Look for what was taken and not given back: a return without Unlock, rows or a body that are not closed, a channel that nobody serves any more; a goroutine profile (debug=2) shows who is there now. hold.unknown should fall."
	case measures.RootRunning:
		if own := measures.OwnLock(p.Trace, r.place.Place); own != "" && where == p.FuncName(r.place.Place.Site.Func) {
			return evidence.LibraryLock(own) + " hold.running should fall."
		}
		if lock {
			return fmt.Sprintf("Do less under the lock in %s: prepare before, only swap under it; then split it (by key, or one for each P). hold.running should fall.", where)
		}
		return fmt.Sprintf("Make %s faster, or let more goroutines do it. hold.running should fall.", where)
	}
	return otherwise
}

// starved reports whether the one in the way waits for a P: what fills the Ps is the cause.
func (r *reason) starved() bool {
	root := &r.chain.Root
	return root.Kind == measures.RootStarved && !root.HandOver()
}

// syncs reports whether the call of the root brings a file to its disk, which takes as
// long for many writes as for one.
func (r *reason) syncs(p *analysis.Pass) bool {
	return slices.ContainsFunc(p.Trace.Stack(r.chain.Root.Stack), func(f parse.Frame) bool {
		switch p.Trace.String(f.Func) {
		case "os.(*File).Sync", "syscall.Fsync", "syscall.Fdatasync", "golang.org/x/sys/unix.Fsync", "golang.org/x/sys/unix.Fdatasync":
			return true
		}
		return false
	})
}

// where is what the root does, by its place: where that is in a library, the last place of
// the program that is in the way of it.
func (r *reason) where() string {
	root := &r.chain.Root
	if root.Kind != measures.RootNetwork || root.Place.Own {
		return root.Label
	}
	for i := len(r.chain.Steps) - 1; i > 0; i-- {
		if at := r.chain.Steps[i].Place; at.Place.Own {
			return at.Label
		}
	}
	return root.Label
}

// unlocked is where the holder of the last lock of the chain waits for what is no lock.
func (r *reason) unlocked() *measures.HeldPlace {
	at := r.chain.Steps[len(r.chain.Steps)-1].Place
	for i := len(r.chain.Steps) - 1; i > 0 && !r.chain.Steps[i].Place.Place.Prim.Lock(); i-- {
		at = r.chain.Steps[i].Place
	}
	return at
}

// besides is what else to change where the one at the end of the chain has no lock, but is
// waited for under one; ok is false where that is not the matter.
func (r *reason) besides() (then string, ok bool) {
	where := r.chain.Root.Label
	switch r.chain.Root.Kind {
	case measures.RootCall:
		return "; and make its call at " + where + " rarer or shorter", true
	case measures.RootNetwork:
		return "; and give what it waits for, which is outside, a time limit: " + where, true
	case measures.RootSleep, measures.RootTimer:
		return "; and shorten its pause at " + where, true
	case measures.RootRunning:
		return "; and make " + where + " faster, or let more goroutines do it", true
	case measures.RootMixed, measures.RootUnknown, measures.RootPlace:
		return "", true
	}
	return "", false
}

// evidence shows each step of the chain, and the longest time that one goroutine was in
// the way.
func (r *reason) evidence(p *analysis.Pass) []analysis.Evidence {
	var out []analysis.Evidence
	for _, s := range r.chain.Steps[:min(3, len(r.chain.Steps))] {
		if s.Part == nil || s.Part.Stack == 0 {
			continue
		}
		out = append(out, analysis.Evidence{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: s.Part.Label, Stack: p.Stack(s.Part.Stack),
			Note: fmt.Sprintf("%s of the time in which goroutines wait at %s: %s %s", analysis.FormatRatio(s.Share), s.Place.Label, s.Part.Holder, s.Part.State)})
	}
	if worst, ok := r.place.Worst(); ok {
		g := int64(worst.Holder)
		out = append(out, analysis.Evidence{From: p.Rel(worst.Since), To: p.Rel(worst.Until), G: &g, Func: worst.Kind, Note: "in the way for longest", Stack: p.Stack(worst.Stack)})
	}
	return out
}

// held adds to a finding about waits at a place why they last: the chain, who is in the
// way, and advice by what that one does.
func held(p *analysis.Pass, h *measures.HeldPlaces, w *measures.WaitingAt, f analysis.Finding) analysis.Finding {
	r, ok := reasonAt(p, h, w.Stack)
	if !ok {
		return f
	}
	f.Summary += r.text()
	f.Advice = r.advice(p, f.Advice)
	for _, s := range r.chain.Steps[1:] {
		if s.Place.Place.Prim == parse.PrimChanSend { // what they say is a part of this
			f.Explains = append(f.Explains, "saturated-stage", "saturated-stage/skewed", "saturated-stage/starved", "lock-convoy/senders")
			break
		}
	}
	if owner, _ := evidence.Busiest(p); r.place.Place.Prim.Lock() && r.chain.Root.Kind == measures.RootRunning && owner != nil && owner.Name == r.chain.Root.Holder {
		f.Explains = append(f.Explains, "serial-section", "limits/serial") // who holds the lock runs, the others wait
	}
	if r.chain.Root.Kind == measures.RootWrite {
		f.Explains = append(f.Explains, "slow-peer")
	}
	if root := &r.chain.Root; f.Code == "lock-convoy/pool" && (root.Kind == measures.RootSleep || root.Kind == measures.RootTimer || root.Kind == measures.RootNetwork) {
		meanwhile := "who has it is " + root.Text()
		switch {
		case len(r.chain.Steps) > 1 && r.chain.Steps[1].Place != r.place:
			if meanwhile = "who has it waits at " + r.chain.Steps[1].Place.Label; root.Kind == measures.RootSleep {
				meanwhile += ", for one that is " + root.Text()
			}
		case root.Kind == measures.RootTimer:
			meanwhile = "a timer gives it back"
		case root.Kind == measures.RootNetwork:
			meanwhile = "who has it waits for the network"
			if root.Label != "" {
				meanwhile += " at " + root.Label
			}
		}
		f.Advice = fmt.Sprintf("Have more of what is waited for%s, or hold it for less time: %s. hold.waiting should fall.", cmp.Or(evidence.LimitOf(p.Trace.String(r.place.Place.Inner)), " (connections, tokens, slots)"), meanwhile)
	}
	f.Because = append(f.Because, r.because(p)...)
	f.Evidence = append(f.Evidence, r.evidence(p)...)
	f.Evidence = f.Evidence[:min(len(f.Evidence), maxEvidence)]
	f.Caveat += " A chain of several places is made of their sums, not of one wait."
	return f
}

// because is what other checks say of the call that is in the way.
func (r *reason) because(p *analysis.Pass) (out []analysis.Because) {
	if root := &r.chain.Root; root.Kind == measures.RootCall {
		at, _, _ := strings.Cut(p.SiteName(root.Stack), " ")
		for _, check := range []string{"blocked-calls", "blocking-p-handoffs", "p-hostage", "serial-call"} {
			out = append(out, analysis.Because{Check: check, Place: at, Told: true})
		}
	}
	return out
}

const maxEvidence = 10 // rows of a finding

// goesBy is the name that goroutines with a stack go by, as measures.GoOrigin has it.
func goesBy(p *analysis.Pass, stack parse.StackID) string { return p.FuncName(p.Trace.Goes(stack)) }
