package measures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// lockKind is what a wait for a semaphore is about.
type lockKind uint8

const (
	lockNone  lockKind = iota
	LockMutex          // a sync.Mutex, or what is built on one; also the lock of a file descriptor
	LockOnce           // a sync.Once under way
	LockRead           // a sync.RWMutex, for reading
	LockWrite          // a sync.RWMutex, for the readers to leave
)

// lockOf tells locks by the stack of the wait: the reason "sync" is any semaphore.
func lockOf(tr *parse.Trace, stack parse.StackID) (k lockKind) {
	for _, f := range tr.Stack(stack) {
		switch fn := tr.String(f.Func); {
		case strings.HasPrefix(fn, "sync.(*Once)."), strings.HasPrefix(fn, "sync.OnceFunc"), strings.HasPrefix(fn, "sync.OnceValue"):
			return LockOnce
		case strings.HasPrefix(fn, "sync.(*RWMutex).RLock"), strings.HasPrefix(fn, "sync.(*RWMutex).rLock"):
			return LockRead
		case strings.HasPrefix(fn, "sync.(*RWMutex).Lock"):
			if k == LockMutex {
				return LockMutex // behind another writer
			}
			return LockWrite
		case strings.HasPrefix(fn, "sync.(*Mutex)."), strings.HasPrefix(fn, "internal/sync.(*Mutex)."), strings.HasPrefix(fn, "internal/poll.(*fdMutex)."):
			k = LockMutex
		case !strings.HasPrefix(fn, "runtime.") && !strings.HasPrefix(fn, "sync.runtime_") && !strings.HasPrefix(fn, "internal/"):
			return k // what is below waits for the goroutine, not for a lock
		}
	}
	return k
}

// WaitingAt is all waits at one place of the program.
type WaitingAt struct {
	Label tally.Label // reason, site
	Lock  lockKind
	BlockWaits
	lengths           tally.Coarse
	overTime          *sketch.Series // once asked for
	parts             []*sketch.Series
	Stack             parse.StackID // of the costliest
	top               int64
	Wakers            map[parse.StackID]int64
	Timers            int64      // waits that a timer ended
	turns             turns      // summed over its stacks: of a queue, the waits of each are in turn
	waiters, wakerIDs sketch.IDs // goroutines, where another one ended the wait
}

// Turns are the share of the goroutines that both wait there and end such waits, in all
// that do either, and of the waits that began before the one that ended last: 1 and 0 in
// the queue for what all give back, as of a pool.
func (w *WaitingAt) Turns() (own, late float64) {
	return w.waiters.Common(&w.wakerIDs), say.Ratio(w.turns.late, w.turns.n)
}

// WaitingSites returns the waits of user goroutines by place, the costliest first.
func WaitingSites(p *analysis.Pass) []*WaitingAt {
	f := analysis.FoldOf[*BlockingFold](p, Blocking)
	return slices.Clone(analysis.Model(p, func() []*WaitingAt { return newWaitingSites(p, f) }))
}

func newWaitingSites(p *analysis.Pass, f *BlockingFold) []*WaitingAt {
	tr := p.Trace
	byLabel := make(map[tally.Label]*WaitingAt)
	of := make(map[BlockSite]*WaitingAt)
	var out []*WaitingAt
	for _, e := range f.sites.Entries {
		reason := BlockReasonOf(tr, e.Key)
		if e.Key.Told == BlockUnnamed || reason == "" {
			continue
		}
		l := tally.Label{reason, blockSiteName(p, reason, e.Key.Stack)}
		w := byLabel[l]
		if w == nil {
			w = &WaitingAt{Label: l, Wakers: make(map[parse.StackID]int64)}
			if reason == "sync" {
				w.Lock = lockOf(tr, e.Key.Stack)
			}
			byLabel[l] = w
			out = append(out, w)
		}
		of[e.Key] = w
		w.Add(&e.V.BlockWaits)
		w.lengths.Merge(&e.V.lengths)
		w.parts = append(w.parts, e.V.overTime)
		w.turns.n += e.V.turns.n
		w.turns.late += e.V.turns.late
		w.waiters.Merge(&e.V.waiters)
		w.wakerIDs.Merge(&e.V.wokenBy)
		if w.Stack == 0 || e.V.Total > w.top {
			w.Stack, w.top = e.Key.Stack, e.V.Total
		}
	}
	for _, e := range f.wakers.Entries {
		w := of[e.Key.BlockSite]
		switch {
		case w == nil:
		case e.Key.Ready == parse.ReadyTimer:
			w.Timers += e.V
		case e.Key.Stack != 0:
			w.Wakers[e.Key.Stack] += e.V
		}
	}
	slices.SortStableFunc(out, func(a, b *WaitingAt) int {
		return cmp.Or(cmp.Compare(b.Busy(), a.Busy()), slices.Compare(a.Label[:], b.Label[:]))
	})
	return out
}

// OverTime is the time waited, over time.
func (w *WaitingAt) OverTime() *sketch.Series {
	if w.overTime == nil {
		w.overTime = sketch.NewSeries(1)
		for _, s := range w.parts {
			w.overTime.Merge(s)
		}
	}
	return w.overTime
}

// waker returns the place that ended most of the waits.
func (w *WaitingAt) waker() (stack parse.StackID, n int64) {
	for s, k := range w.Wakers {
		if k > n || k == n && s < stack {
			stack, n = s, k
		}
	}
	return stack, n
}

// Long is the length that waits with a tenth of the time reach: a bucket's upper
// edge, up to 25 % above.
func (w *WaitingAt) Long() int64 { return w.lengths.Long(w.Max) }

// WokenByOneOf reports whether most waits were ended by a function that waits at
// another of some places.
func (w *WaitingAt) WokenByOneOf(p *analysis.Pass, places []*WaitingAt) bool {
	by, _ := w.waker()
	f, ok := p.Trace.Site(by)
	own, _ := p.Trace.Site(w.Stack)
	return ok && f.Func != own.Func && slices.ContainsFunc(places, func(o *WaitingAt) bool {
		site, _ := p.Trace.Site(o.Stack)
		return o != w && site.Func == f.Func
	})
}

// Releaser is a place that ended waits.
type Releaser struct {
	Name  string
	n     int64
	stack parse.StackID
}

// Releasers are the places that ended most of the waits, at most three. In a queue
// that feeds itself most are ended by those who waited, so the first place in
// another function, which made the queue, is always among them.
func (w *WaitingAt) Releasers(p *analysis.Pass) (out []Releaser) {
	stacks := make(map[string]Releaser)
	most := make(map[string]int64)
	for s, n := range w.Wakers {
		r := stacks[p.SiteName(s)]
		r.Name, r.n = p.SiteName(s), r.n+n
		if n > most[r.Name] || n == most[r.Name] && s < r.stack {
			most[r.Name], r.stack = n, s
		}
		stacks[r.Name] = r
	}
	for _, r := range stacks {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Releaser) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.Name, b.Name)) })
	own, _ := p.Trace.Site(w.Stack)
	other := slices.IndexFunc(out, func(r Releaser) bool { f, _ := p.Trace.Site(r.stack); return f.Func != own.Func })
	if other > 2 {
		out[2] = out[other]
	}
	return out[:min(len(out), 3)]
}

// Evidence shows the waits at a place, and who ended them.
func (w *WaitingAt) Evidence(p *analysis.Pass, at window.Stretch, note string) []analysis.Evidence {
	out := []analysis.Evidence{{From: p.Rel(at.From), To: p.Rel(at.To), Func: w.Label[1], Note: note, Stack: p.Stack(w.Stack)}}
	for _, r := range w.Releasers(p) {
		out = append(out, analysis.Evidence{From: p.Rel(at.From), To: p.Rel(at.To), Func: r.Name,
			Note: fmt.Sprintf("ended %s of %s waits", analysis.FormatCount(r.n), analysis.FormatCount(w.Spans-w.Open)), Stack: p.Stack(r.stack)})
	}
	return out
}

// WokenBy names who ended the waits, for sentences.
func (w *WaitingAt) WokenBy(p *analysis.Pass) string {
	var by []string
	for _, r := range w.Releasers(p) {
		by = append(by, fmt.Sprintf("%s (%s)", r.Name, analysis.FormatCount(r.n)))
	}
	if by == nil {
		return ""
	}
	return ", ended by " + strings.Join(by, ", ")
}

// Releases reports whether the function in which w waits ends waits of r.
func Releases(p *analysis.Pass, w, r *WaitingAt) bool {
	site, ok := p.Trace.Site(w.Stack)
	for by := range r.Wakers {
		if f, _ := p.Trace.Site(by); ok && f.Func == site.Func {
			return true
		}
	}
	return false
}
