package blocking

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var lockConvoy = &analysis.Analyzer{
	Name: "lock-convoy", Proof: "holders.graph",
	Doc:      say.Page(pages, "lock-convoy"),
	Covers:   []string{"limits/contention"},
	Requires: []*analysis.Analyzer{measures.Blocking, measures.Goroutines, measures.Preemption, measures.Kinds, measures.Holders},
	Thresholds: []analysis.Threshold{
		{
			Name: "lock-convoy.waiters", Doc: "goroutines waiting at one place for a lock, mean of the worst 100 ms", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1, Warning: 4, Error: 16},
			Source: "a queue that grows to 8 and drains has a mean of 4; below 1 nobody waits most of the time; four times the warning",
		},
		{
			Name: "lock-convoy.length", Doc: "length that the waits there with the longest tenth of the waiting time reach", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 4e6, Error: 100e6},
			Source: "sync.Mutex goes into starvation mode after a wait of 1 ms (sync/mutex.go: starvationThresholdNs); behind a lock that is held for half a time slice, 5 ms, waits are 4 to 6 ms; a person notices a tenth of a second",
		},
		{
			Name: "lock-convoy.waits", Doc: "waits at this place", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "ten values before a quantile is said",
		},
		{
			Name: "lock-convoy.longest", Doc: "the longest wait for a lock at a place with fewer waits", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6, Warning: 250e6},
			Source: "ten time slices (proc.go:forcePreemptNS): no queue of short holders is that long with so few; a quarter of a second is a request that a person waits for",
		},
		{
			Name: "lock-convoy.senders", Doc: "goroutines waiting at one place to send on a channel, mean of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .8},
			Source: "one sender that waits four fifths of the time: its receiver sets the pace; full channels limit work on purpose",
		},
		{
			Name: "lock-convoy.queue", Doc: "goroutines waiting at one place for their turn with a channel's tokens, mean of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1, Warning: 4, Error: 16}, Source: "as lock-convoy.waiters",
		},
		{
			Name: "lock-convoy.own", Doc: "share of the goroutines that both wait there and end such waits in all that do either", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .75}, Source: "who takes from a pool gives back to it: 1; work comes from somebody else: 0; of three stages of a pipeline that are one function it is half",
		},
		{
			Name: "lock-convoy.closed", Doc: "share of the waits there that started before the one that ended last, where a channel is closed", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .75}, Source: "who waits last goes first (chan.go: closechan): of four that wait for one channel all but one; half where each waits for its own",
		},
		{
			Name: "lock-convoy.turns", Doc: "share of the waits there that started before the one that ended last", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .1}, Source: "0 in a queue (chan.go: waitq is first in, first out), half where each waits for its own",
		},
	},
	Run: func(p *analysis.Pass) error {
		sites := measures.WaitingSites(p)
		if evidence.NoWaits(p, sites) {
			return nil
		}
		h := measures.HoldersOf(p)
		found := 0
		var near, nearSender analysis.Gate
		for _, w := range sites {
			place := h.At(p.Trace.PlaceOf(w.Stack))
			shared := place != nil && (place.Shared() || forOne(p, w, place)) && h.Chain(place).Root.Kind != measures.RootOpen
			if w.Lock != measures.LockMutex && w.Lock != measures.LockOnce && w.Lock != measures.LockWrite && !shared {
				continue
			}
			at, long, n := window.Worst(p, w.OverTime(), window.Moment, window.Mean(0)), w.Long(), w.Spans-w.Idle
			queue := []analysis.Condition{analysis.Grades("waiters", at.Score), analysis.Grades("length", float64(long)), analysis.Needs("waits", float64(n))}
			if !p.Met("waits", float64(n)) {
				queue = []analysis.Condition{analysis.Either(analysis.Both(queue...), analysis.Grades("longest", float64(w.Max)))}
			}
			g := p.Gate(queue...)
			if g.Severity == "" || found == evidence.MaxFindings {
				near = near.Nearer(g.At(w.Label[1]))
				continue
			}
			found++
			lock := "a lock"
			advice := "Hold the lock for less time: no I/O, sleep, channel operation or large copy under it; then split it (by key, or one for each P) or replace it by a copy that readers load atomically. block.sync.total should fall."
			switch w.Lock {
			case measures.LockWrite:
				lock, advice = "the write lock of a sync.RWMutex", "Shorten what is done under the lock, by its readers too: a writer waits until all of them have left. block.sync.total should fall."
			case measures.LockOnce:
				lock, advice = "a sync.Once", "Do this initialization before the goroutines that need it start, or make it shorter. block.sync.total should fall."
			}
			var explains []string
			if handedOver(p, w) {
				explains = []string{"mutex-starvation"} // of the same lock
			}
			if shared {
				p.Find(sharedCall(p, h, w, at, g.Severity, place.Shared()))
				continue
			}
			code := ""
			if r, ok := reasonAt(p, h, w.Stack); ok && r.starved() {
				code = "lock-convoy/starved"
			}
			p.Find(held(p, h, w, analysis.Finding{
				Code: code, Severity: g.Severity, Explains: explains,
				Summary: fmt.Sprintf("Goroutines queue for %s at %s: %s waiting on average %s, %s in %s, longest %s%s",
					lock, w.Label[1], say.Number(at.Score), window.In(p, at.From, at.To), p.Dur(w.Busy()), say.Counted(n, "wait", "waits"), p.Dur(w.Max), w.WokenBy(p)),
				Cost: evidence.GoTime(p, w.Busy()), Confidence: analysis.Measured,
				Evidence: w.Evidence(p, at, say.Number(at.Score)+" waiting on average"),
				Advice:   advice,
				Caveat:   "Which lock it is is not in the trace: waits are joined by where they are, and who ended them is where the lock was released.",
			}))
		}
		pools, nearPool := findPools(p, h, sites)
		var full []*measures.WaitingAt
		for _, w := range sites {
			if slices.Contains(pools, w) {
				continue
			}
			if w.Label[0] != "chan send" {
				continue
			}
			if g := sendersGate(p, w); g.Severity == "" || len(full) == evidence.MaxFindings {
				nearSender = nearSender.Nearer(g.At(w.Label[1]))
			} else {
				full = append(full, w)
			}
		}
		senders := 0
		for _, w := range full {
			if w.WokenByOneOf(p, full) {
				continue // of a pipeline, the last full channel is the cause
			}
			var explains []string
			if first := slices.IndexFunc(sites, func(o *measures.WaitingAt) bool { return measures.BlockContends(p.Trace, o.Label[0], o.Stack) }); sites[first].WokenByOneOf(p, full) {
				explains = []string{"limits/contention"} // which names the costliest place
			}
			mean, n := say.Ratio(w.Busy(), p.Trace.Duration()), w.Spans-w.Idle
			senders++
			p.Find(held(p, h, w, analysis.Finding{
				Code: "lock-convoy/senders", Explains: explains, Severity: sendersGate(p, w).Severity,
				Summary: fmt.Sprintf("The receiver sets the pace at %s: %s waited to send at any time, %s in %s%s",
					w.Label[1], say.Number(mean), p.Dur(w.Busy()), say.Counted(n, "wait", "waits"), w.WokenBy(p)),
				Cost: evidence.GoTime(p, w.Busy()), Confidence: analysis.Measured,
				Evidence: w.Evidence(p, window.Worst(p, w.OverTime(), window.Moment, window.Mean(0)), "the most senders in 100 ms"),
				Advice:   "Where this is not meant as a limit: make the receiver faster, add receivers, or send in batches; a larger buffer only moves the queue. block.chan.total should fall.",
				Caveat:   "A channel that is used as a semaphore or to slow producers down looks the same.",
			}))
		}
		if found+senders+len(pools) == 0 {
			evidence.Clear(p, "no wait of a user goroutine for a lock, and none to send on a channel", near, nearSender, nearPool)
		}
		return nil
	},
}

// forOne reports whether goroutines wait at a place of the program's own for one of them:
// at a sync.WaitGroup, or until a channel is closed. Goroutines that start their own kind
// are a tree, in which each waits for those below it.
func forOne(p *analysis.Pass, w *measures.WaitingAt, place *measures.HeldPlace) bool {
	if call := p.Trace.String(place.Place.Call); call != "" && parse.IsStd(call) && !strings.HasPrefix(call, "sync.") || !place.ServesItself() {
		return false
	}
	switch place.Place.Prim {
	case parse.PrimWaitGroup:
	case parse.PrimChanReceive, parse.PrimSelect:
		own, late := w.Turns()
		if !p.Met("closed", late) || p.Met("own", own) && waitOnce(w, place) {
			return false
		}
	default:
		return false
	}
	return !startsItself(p, place.Holders[0].Kind)
}

// waitOnce reports whether each goroutine waits there once: where each ends such a wait as
// well, they are a chain in which one wakes the next.
func waitOnce(w *measures.WaitingAt, place *measures.HeldPlace) bool {
	var goroutines int64
	for _, k := range place.Waiters {
		goroutines += k.Kind.Count
	}
	return 4*w.Spans <= 5*goroutines
}

// startsItself reports whether most goroutines of a kind whose start is in the trace were
// started by one of the kind.
func startsItself(p *analysis.Pass, kind *measures.GoKind) bool {
	var own, all int64
	kinds := measures.KindsOf(p)
	for o, v := range measures.GoroutinesOf(p).Populations().ByKey() {
		if o.Seen && kinds.Started(o.Fn) == kind {
			if all += v.Created; kinds.OfStack(o.Site) == kind {
				own += v.Created
			}
		}
	}
	return evidence.Causes(own, all)
}

// sharedCall is goroutines that wait for a call that one of them makes for all, in a
// library that joins calls, or for what one of them does.
func sharedCall(p *analysis.Pass, h *measures.HeldPlaces, w *measures.WaitingAt, at window.Stretch, s analysis.Severity, joined bool) analysis.Finding {
	n := w.Spans - w.Idle
	what, advice, caveat := "one call that one of them makes for all", "Make the call itself faster, or keep its result for a while and renew it in the background, so that nobody waits for it; give it a time limit.", "That it is one call for all is told from who waits and who ends the waits."
	if !joined {
		what, advice, caveat = "what one of them does", "Make shorter what that one does: where it is a call for all, keep its result and renew it in the background; where all wait for the last of them, give them equal work.", "Whether it is a call for all, or a barrier that all must reach, is not in the trace."
	}
	f := held(p, h, w, analysis.Finding{
		Code: "lock-convoy/shared", Severity: s,
		Summary: fmt.Sprintf("Goroutines wait for %s, at %s: %s waiting on average %s, %s in %s, longest %s",
			what, w.Label[1], say.Number(at.Score), window.In(p, at.From, at.To), p.Dur(w.Busy()), say.Counted(n, "wait", "waits"), p.Dur(w.Max)),
		Cost: evidence.GoTime(p, w.Busy()), Confidence: analysis.Inferred,
		Evidence: w.Evidence(p, at, say.Number(at.Score)+" waiting on average"),
		Caveat:   caveat,
	})
	f.Advice = advice + " hold.time should fall."
	return f
}

// sendersGate is whether goroutines wait at a place to send for long enough.
func sendersGate(p *analysis.Pass, w *measures.WaitingAt) analysis.Gate {
	return p.Gate(analysis.Grades("senders", say.Ratio(w.Busy(), p.Trace.Duration())), analysis.Grades("length", float64(w.Long())), analysis.Needs("waits", float64(w.Spans-w.Idle)))
}

// handedOver reports whether most lock handoffs were made where the waits were ended.
func handedOver(p *analysis.Pass, w *measures.WaitingAt) bool {
	var here, all int64
	releasers := w.Releasers(p)
	for stack, v := range evidence.LockHandoffs(measures.PreemptionOf(p)) {
		all += v.N
		if slices.ContainsFunc(releasers, func(r measures.Releaser) bool { return r.Name == p.SiteName(stack) }) {
			here += v.N
		}
	}
	return evidence.Causes(here, all)
}

// knownPool reports whether goroutines wait at a place in a library function that takes
// something from a pool. Of net/http it is the limit of connections where those in use end
// the waits, not dials.
func knownPool(p *analysis.Pass, place *measures.HeldPlace) bool {
	if place == nil {
		return false
	}
	inner := p.Trace.String(place.Place.Inner)
	if inner == httpConns {
		return len(place.Holders) > 0 && strings.HasPrefix(place.Holders[0].Kind.Name, "net/http.(*persistConn).")
	}
	return takes(inner)
}

// httpConns waits for a connection of an http.Transport, to be dialled or, at its limit, to
// be free.
const httpConns = "net/http.(*Transport).getConn"

// slots reports whether goroutines wait at a place to send, and most waits are ended by
// goroutines that end one and then end themselves: who is started has a slot of a channel,
// and gives it back.
func slots(place *measures.HeldPlace) bool {
	if place == nil || place.Place.Prim != parse.PrimChanSend {
		return false
	}
	var once int64
	for _, k := range place.Holders {
		once += min(k.N, k.Kind.Ended)
	}
	return evidence.Causes(once, place.Waits)
}

// waitsParallel reports whether tests wait for others to end, as t.Parallel has them do: what
// those that run wait for is in the way, not how many of them may.
func waitsParallel(p *analysis.Pass, w *measures.WaitingAt) bool {
	return slices.ContainsFunc(p.Trace.Stack(w.Stack), func(f parse.Frame) bool { return p.Trace.String(f.Func) == "testing.(*T).Parallel" })
}

// findPools finds places where goroutines wait for their turn with what a channel
// holds, and says so: connections, tokens, slots. Workers that wait for work are woken by
// goroutines that do not wait there.
func findPools(p *analysis.Pass, h *measures.HeldPlaces, sites []*measures.WaitingAt) (pools []*measures.WaitingAt, near analysis.Gate) {
	for _, w := range sites {
		mean, n := say.Ratio(w.Busy(), p.Trace.Duration()), w.Spans-w.Idle
		if r := w.Label[0]; r != "chan receive" && r != "chan send" && r != "select" || waitsParallel(p, w) {
			continue
		}
		many, place := analysis.Grades("queue", mean), h.At(p.Trace.PlaceOf(w.Stack))
		var turns []analysis.Condition
		switch own, late := w.Turns(); {
		case knownPool(p, place):
		case slots(place):
			many = analysis.Either(many, analysis.Grades("senders", mean)) // one that starts the others
		default:
			turns = []analysis.Condition{analysis.Needs("own", own), analysis.Needs("turns", late)}
		}
		g := p.Gate(append([]analysis.Condition{many, analysis.Grades("length", float64(w.Long())), analysis.Needs("waits", float64(n))}, turns...)...)
		if g.Severity == "" || len(pools) == evidence.MaxFindings {
			near = near.Nearer(g.At(w.Label[1]))
			continue
		}
		pools = append(pools, w)
		what := "a pool or semaphore that is too small"
		if r, ok := reasonAt(p, h, w.Stack); ok && r.chain.Root.Keeps() {
			what = "a pool or semaphore whose holders keep what they took for long"
		}
		p.Find(held(p, h, w, analysis.Finding{
			Code: "lock-convoy/pool", Severity: g.Severity,
			Summary: fmt.Sprintf("Goroutines queue for their turn at %s, %s: %s waited at any time, %s in %s, longest %s%s",
				w.Label[1], what, say.Number(mean), p.Dur(w.Busy()), say.Counted(n, "wait", "waits"), p.Dur(w.Max), w.WokenBy(p)),
			Cost: evidence.GoTime(p, w.Busy()), Confidence: analysis.Inferred,
			Evidence: w.Evidence(p, window.Worst(p, w.OverTime(), window.Moment, window.Mean(0)), "the longest queue in 100 ms"),
			Advice:   "Hold what is taken for less time, or have more of it (connections, tokens), unless it is a limit on purpose: then admit fewer goroutines. The waits there, in blocking.waits or blocking.contention, should fall.",
			Caveat:   "It is told from who ends the waits and in which order. Workers that hand work to each other through one channel look the same.",
		}))
	}
	return pools, near
}
