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

// WaitsOf is the fold of waits, for an analyzer that requires it.
func WaitsOf(p *analysis.Pass) *WaitsFold { return analysis.FoldOf[*WaitsFold](p, Waits) }

// Whole are the parts of waits that started and ended in the trace, by how the goroutine became runnable.
func (f *WaitsFold) Whole() *[parse.NumReady]WaitParts { return &f.whole }

// Apart are the parts of waits cut by an edge of the trace.
func (f *WaitsFold) Apart() *WaitParts { return &f.apart }

// Worst are the longest waits with their parts.
func (f *WaitsFold) Worst() *sketch.Top[worstWait] { return f.worst }

// ByFunc is who made goroutines wait, by what the P did and by entry function.
func (f *WaitsFold) ByFunc() *[parse.NumProcStates]tally.ByID[parse.StringID, blame] {
	return &f.byFunc
}

// All is what whole waits were made of, however the goroutine became runnable.
func (f *WaitsFold) All() (all WaitParts) {
	for r := range f.whole {
		all.Add(&f.whole[r])
	}
	return all
}

// Largest is the cause with the largest part, and its share; the first of equals.
func (w *WaitParts) Largest() (c parse.Cause, share float64) {
	c, ns := Largest(&w.Parts)
	return c, say.Ratio(ns, w.Total)
}

// Queued is the share of the whole waits of goroutines that others woke in which no P was
// idle for them: a hand-over had been as quick as any, with a P to run it.
func (f *WaitsFold) Queued() float64 {
	woken := &f.whole[parse.ReadyUnblocked]
	return say.Ratio(woken.Total-woken.Parts[parse.CauseWakeup]-woken.Parts[parse.CauseUnknown], woken.Total)
}

// A Blamed is goroutines that waits of user goroutines for a P are blamed on, by what they
// are about.
type Blamed struct {
	Who   string
	Ended string  // the function in which half of those runs or more ended, "" for none
	Share float64 // of all waiting for a P
}

// InTheWay are those goroutines, where Ps ran user code, the largest share first. The pass
// must require the measure kinds.
func (f *WaitsFold) InTheWay(p *analysis.Pass) (all []Blamed) {
	type run struct{ who, ended string }
	waits, ends := make(map[string]int64), make(map[run]int64)
	kinds, whole := KindsOf(p), f.All()
	for stack, b := range f.bySite[parse.ProcUser].ByKey() {
		if stack == 0 {
			continue
		}
		who := p.FuncName(cmp.Or(p.Trace.Body(stack), p.Trace.Goes(stack)))
		if k := kinds.OfStack(stack); k != nil {
			who = k.Name
		}
		waits[who] += b.Waits
		if site, ok := p.Trace.Site(stack); ok {
			ends[run{who, p.FuncName(site.Func)}] += b.Waits
		}
	}
	for id, ns := range f.ended(p.Trace) {
		waits[kinds.Name(id.fn, id.body)] += ns
	}
	for who, ns := range waits {
		b := Blamed{Who: who, Share: say.Ratio(ns, whole.Total+f.apart.Total)}
		for r, n := range ends {
			if r.who == who && r.ended != who && 2*n > ns {
				b.Ended = r.ended
			}
		}
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b Blamed) int { return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Who, b.Who)) })
	return all
}

// ended are the waits that are blamed on the last runs of goroutines, which end without a
// stack, by the function that they are about: the entry function, with what that calls where it
// is nearly always the same. What those of libraries serve is not known.
func (f *WaitsFold) ended(tr *parse.Trace) map[kindID]int64 {
	told, bodies := make(map[parse.StringID]int64), make(map[kindID]int64)
	for stack, b := range f.bySite[parse.ProcUser].ByKey() {
		if stack != 0 {
			told[tr.Goes(stack)] += b.Waits
			bodies[kindID{tr.Goes(stack), tr.Body(stack)}] += b.Waits
		}
	}
	out := make(map[kindID]int64)
	for fn, b := range f.byFunc[parse.ProcUser].ByKey() {
		if rest := b.Waits - told[fn]; rest > 0 && fn != 0 && !parse.IsStd(tr.String(fn)) {
			out[kindID{fn: fn}] += rest
		}
	}
	for id, ns := range bodies {
		if rest, ok := out[kindID{fn: id.fn}]; ok && id.body != 0 && 10*ns >= 9*told[id.fn] {
			delete(out, kindID{fn: id.fn})
			out[id] += rest
		}
	}
	return out
}
