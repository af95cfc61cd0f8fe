package passes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// blockingJudges judge locks, channels, the network and tasks.
var blockingJudges = []*analysis.Analyzer{
	lockConvoy, rwmutexWriterStall, channelPingPong, stuckGoroutines, tickerStorm,
	netpollDelay, deadlinesExpired, straggler, thunderingHerd,
}

// taskJudges judge user tasks.
var taskJudges = []*analysis.Analyzer{slowTasks, unfinishedTasks}

// blockingStretch is how long the worst stretch of time is, of which judges speak.
const blockingStretch = 100e6

// stretch is a part of a series, with its mean per ns or its sum.
type stretch struct {
	sum      int64
	mean     float64
	from, to parse.Time
}

// worst returns the stretch of s, blockingStretch long or the whole of a shorter
// trace, where value is largest. The first of equals counts.
func worst(p *analysis.Pass, s *sketch.Series, value func(from, to int) (sum int64, ok bool)) (w stretch) {
	if s.Empty() {
		return w
	}
	n := int((blockingStretch + s.Width() - 1) / s.Width())
	for i := 0; i == 0 || i+n <= s.Len(); i++ {
		end := min(i+n, s.Len())
		sum, ok := value(i, end)
		if !ok || sum <= w.sum {
			continue
		}
		from := max(parse.Time(s.Start()+int64(i)*s.Width()), p.Trace.From)
		to := min(parse.Time(s.Start()+int64(end)*s.Width()), p.Trace.To)
		length := max(int64(to-from), min(blockingStretch, p.Trace.Duration()))
		w = stretch{sum, ratio(sum, length), from, to}
	}
	return w
}

// worstMean is the stretch with the largest mean of one lane.
func worstMean(p *analysis.Pass, s *sketch.Series, lane int) stretch {
	return worst(p, s, func(from, to int) (sum int64, ok bool) {
		for i := from; i < to; i++ {
			sum += s.At(i, lane)
		}
		return sum, true
	})
}

// lockKind is what a wait for a semaphore is about.
type lockKind uint8

const (
	lockNone  lockKind = iota
	lockMutex          // a sync.Mutex, or what is built on one; also the lock of a file descriptor
	lockOnce           // a sync.Once under way
	lockRead           // a sync.RWMutex, for reading
	lockWrite          // a sync.RWMutex, for the readers to leave
)

// lockOf tells locks by the stack of the wait: the reason "sync" is any semaphore.
func lockOf(tr *parse.Trace, stack parse.StackID) (k lockKind) {
	for _, f := range tr.Stack(stack) {
		switch fn := tr.String(f.Func); {
		case strings.HasPrefix(fn, "sync.(*Once)."), strings.HasPrefix(fn, "sync.OnceFunc"), strings.HasPrefix(fn, "sync.OnceValue"):
			return lockOnce
		case strings.HasPrefix(fn, "sync.(*RWMutex).RLock"), strings.HasPrefix(fn, "sync.(*RWMutex).rLock"):
			return lockRead
		case strings.HasPrefix(fn, "sync.(*RWMutex).Lock"):
			if k == lockMutex {
				return lockMutex // behind another writer
			}
			return lockWrite
		case strings.HasPrefix(fn, "sync.(*Mutex)."), strings.HasPrefix(fn, "internal/sync.(*Mutex)."), strings.HasPrefix(fn, "internal/poll.(*fdMutex)."):
			k = lockMutex
		case !strings.HasPrefix(fn, "runtime.") && !strings.HasPrefix(fn, "sync.runtime_") && !strings.HasPrefix(fn, "internal/"):
			return k // what is below waits for the goroutine, not for a lock
		}
	}
	return k
}

// waitingAt is all waits at one place of the program.
type waitingAt struct {
	label label // reason, site
	lock  lockKind
	blockWaits
	lengths           coarse
	overTime          *sketch.Series
	stack             parse.StackID // of the costliest
	top               int64
	wakers            map[parse.StackID]int64
	timers            int64      // waits that a timer ended
	turns             turns      // summed over its stacks: of a queue, the waits of each are in turn
	waiters, wakerIDs sketch.IDs // goroutines, where another one ended the wait
}

// inTurn reports whether goroutines wait there for what others of them give back,
// each in its turn: a pool, a semaphore, a token. Workers that wait for work are woken
// by goroutines that do not wait there.
func (w *waitingAt) inTurn(p *analysis.Pass) bool {
	return p.Met("own", w.waiters.Common(&w.wakerIDs)) && p.Met("turns", ratio(w.turns.late, w.turns.n))
}

// waitingSites returns the waits of user goroutines by place, the costliest first.
func waitingSites(p *analysis.Pass) []*waitingAt {
	f, tr := analysis.FoldOf[*blockingFold](p, blocking), p.Trace
	byLabel := make(map[label]*waitingAt)
	of := make(map[blockSite]*waitingAt)
	var out []*waitingAt
	for _, e := range f.sites.entries {
		reason := blockReasonOf(tr, e.key)
		if e.key.told == blockUnnamed || reason == "" {
			continue
		}
		l := label{reason, blockSiteName(p, reason, e.key.stack)}
		w := byLabel[l]
		if w == nil {
			w = &waitingAt{label: l, overTime: sketch.NewSeries(1), wakers: make(map[parse.StackID]int64)}
			if reason == "sync" {
				w.lock = lockOf(tr, e.key.stack)
			}
			byLabel[l] = w
			out = append(out, w)
		}
		of[e.key] = w
		w.add(&e.v.blockWaits)
		w.lengths.merge(&e.v.lengths)
		w.overTime.Merge(e.v.overTime)
		w.turns.n += e.v.turns.n
		w.turns.late += e.v.turns.late
		w.waiters.Merge(&e.v.waiters)
		w.wakerIDs.Merge(&e.v.wokenBy)
		if w.stack == 0 || e.v.total > w.top {
			w.stack, w.top = e.key.stack, e.v.total
		}
	}
	for _, e := range f.wakers.entries {
		w := of[e.key.blockSite]
		switch {
		case w == nil:
		case e.key.ready == parse.ReadyTimer:
			w.timers += e.v
		case e.key.stack != 0:
			w.wakers[e.key.stack] += e.v
		}
	}
	slices.SortStableFunc(out, func(a, b *waitingAt) int {
		return cmp.Or(cmp.Compare(b.busy(), a.busy()), slices.Compare(a.label[:], b.label[:]))
	})
	return out
}

// waker returns the place that ended most of the waits.
func (w *waitingAt) waker() (stack parse.StackID, n int64) {
	for s, k := range w.wakers {
		if k > n || k == n && s < stack {
			stack, n = s, k
		}
	}
	return stack, n
}

// long is the length that waits with a tenth of the time reach: a bucket's upper
// edge, up to 25 % above.
func (w *waitingAt) long() int64 { return w.lengths.long(w.max) }

// wokenByOneOf reports whether most waits were ended by a function that waits at
// another of some places.
func (w *waitingAt) wokenByOneOf(p *analysis.Pass, places []*waitingAt) bool {
	by, _ := w.waker()
	f, ok := p.Trace.Site(by)
	own, _ := p.Trace.Site(w.stack)
	return ok && f.Func != own.Func && slices.ContainsFunc(places, func(o *waitingAt) bool {
		site, _ := p.Trace.Site(o.stack)
		return o != w && site.Func == f.Func
	})
}

// releaser is a place that ended waits.
type releaser struct {
	name  string
	n     int64
	stack parse.StackID
}

// releasers are the places that ended most of the waits, at most three. In a queue
// that feeds itself most are ended by those who waited, so the first place in
// another function, which made the queue, is always among them.
func (w *waitingAt) releasers(p *analysis.Pass) (out []releaser) {
	stacks := make(map[string]releaser)
	most := make(map[string]int64)
	for s, n := range w.wakers {
		r := stacks[p.SiteName(s)]
		r.name, r.n = p.SiteName(s), r.n+n
		if n > most[r.name] || n == most[r.name] && s < r.stack {
			most[r.name], r.stack = n, s
		}
		stacks[r.name] = r
	}
	for _, r := range stacks {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b releaser) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.name, b.name)) })
	own, _ := p.Trace.Site(w.stack)
	other := slices.IndexFunc(out, func(r releaser) bool { f, _ := p.Trace.Site(r.stack); return f.Func != own.Func })
	if other > 2 {
		out[2] = out[other]
	}
	return out[:min(len(out), 3)]
}

// evidence shows the waits at a place, and who ended them.
func (w *waitingAt) evidence(p *analysis.Pass, at stretch, note string) []analysis.Evidence {
	out := []analysis.Evidence{{From: p.Rel(at.from), To: p.Rel(at.to), Func: w.label[1], Note: note, Stack: p.Stack(w.stack)}}
	for _, r := range w.releasers(p) {
		out = append(out, analysis.Evidence{From: p.Rel(at.from), To: p.Rel(at.to), Func: r.name,
			Note: fmt.Sprintf("ended %s of %s waits", analysis.FormatCount(r.n), analysis.FormatCount(w.spans-w.open)), Stack: p.Stack(r.stack)})
	}
	return out
}

// wokenBy names who ended the waits, for sentences.
func (w *waitingAt) wokenBy(p *analysis.Pass) string {
	var by []string
	for _, r := range w.releasers(p) {
		by = append(by, fmt.Sprintf("%s (%s)", r.name, analysis.FormatCount(r.n)))
	}
	if by == nil {
		return ""
	}
	return ", ended by " + strings.Join(by, ", ")
}

// userTime is all time of user goroutines.
func userTime(p *analysis.Pass) int64 {
	return analysis.FoldOf[*goroutinesFold](p, goroutines).userTime()
}

// noWaits reports whether there is nothing to judge waits by, and says so.
func noWaits(p *analysis.Pass, sites []*waitingAt) bool {
	if len(sites) == 0 {
		p.NotApplicable("no user goroutine blocked in the trace; record one while the program does its work, for some seconds")
		return true
	}
	return false
}

// tooShort reports whether the trace is too short to judge rates by, and says so.
func tooShort(p *analysis.Pass) bool {
	if !p.Met("trace", float64(p.Trace.Duration())) {
		p.NotApplicable(fmt.Sprintf("%s are too short to tell a rate; record at least %s", p.Dur(p.Trace.Duration()), p.Dur(int64(p.Limit("trace")))))
		return true
	}
	return false
}

const maxFindings = 5 // of one kind by one judge: the costliest

var lockConvoy = &analysis.Analyzer{
	Name:     "lock-convoy",
	Doc:      judgePage("lock-convoy"),
	Covers:   []string{"limits/contention"},
	Requires: []*analysis.Analyzer{blocking, goroutines, preemption},
	Thresholds: []analysis.Threshold{
		{
			Name: "lock-convoy.waiters", Doc: "goroutines waiting at one place for a lock, mean of the worst 100 ms", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1, Warning: 4},
			Source: "a queue that grows to 8 and drains has a mean of 4; below 1 nobody waits most of the time",
		},
		{
			Name: "lock-convoy.length", Doc: "length that the waits with the longest tenth of the waiting time reach", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 4e6},
			Source: "sync.Mutex goes into starvation mode after a wait of 1 ms (sync/mutex.go: starvationThresholdNs); behind a lock that is held for half a time slice, 5 ms, waits are 4 to 6 ms",
		},
		{
			Name: "lock-convoy.waits", Doc: "waits at that place", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "ten values before a quantile is said",
		},
		{
			Name: "lock-convoy.longest", Doc: "the longest wait, where there are fewer", Unit: analysis.NS,
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
			Levels: analysis.Levels{Note: 1, Warning: 4}, Source: "as lock-convoy.waiters",
		},
		{
			Name: "lock-convoy.own", Doc: "share of the goroutines that both wait there and end such waits, in all that do either", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5}, Source: "who takes from a pool gives back to it: 1; work comes from somebody else: 0",
		},
		{
			Name: "lock-convoy.turns", Doc: "share of these waits that began before the one that ended last", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .1}, Source: "0 in a queue (chan.go: waitq is first in, first out), half where each waits for its own",
		},
	},
	Run: func(p *analysis.Pass) error {
		sites := waitingSites(p)
		if noWaits(p, sites) {
			return nil
		}
		found, worstLock := 0, (*waitingAt)(nil)
		var most stretch
		for _, w := range sites {
			if w.lock != lockMutex && w.lock != lockOnce {
				continue
			}
			at, long, n := worstMean(p, w.overTime, 0), w.long(), w.spans-w.idle
			if at.mean > most.mean {
				most, worstLock = at, w
			}
			s := analysis.Least(p.Severity("waiters", at.mean), p.Severity("length", float64(long)))
			if !p.Met("waits", float64(n)) {
				s = p.Severity("longest", float64(w.max))
			}
			if s == "" || found == maxFindings {
				continue
			}
			found++
			lock := "a lock"
			advice := "Hold the lock for less time: no I/O, sleep, channel operation or large copy under it; then split it (by key, or one for each P) or replace it by a copy that readers load atomically. block.sync.total should fall."
			if w.lock == lockOnce {
				lock, advice = "a sync.Once", "Do this initialization before the goroutines that need it start, or make it shorter. block.sync.total should fall."
			}
			var explains []string
			if handedOver(p, w) {
				explains = []string{"mutex-starvation"} // of the same lock
			}
			p.Find(analysis.Finding{
				Severity: s, Explains: explains,
				Summary: fmt.Sprintf("Goroutines queue for %s at %s: %s waited at once in the worst 100 ms (from %s), %s in %s, longest %s%s",
					lock, w.label[1], number(at.mean), p.At(at.from), p.Dur(w.busy()), counted(n, "wait", "waits"), p.Dur(w.max), w.wokenBy(p)),
				Cost: analysis.Cost{Value: w.busy(), Total: userTime(p), Clock: analysis.GTime}, Confidence: analysis.Measured,
				Evidence: w.evidence(p, at, fmt.Sprintf("%s waiting at once", number(at.mean))),
				Advice:   advice,
				Caveat:   "Which lock it is is not in the trace: waits are joined by where they are, and who ended them is where the lock was released.",
			})
		}
		pools := findPools(p, sites)
		var full []*waitingAt
		var sending float64
		for _, w := range sites {
			if slices.Contains(pools, w) {
				continue
			}
			if w.label[0] == "chan send" {
				sending = max(sending, ratio(w.busy(), p.Trace.Duration()))
			}
			if w.label[0] == "chan send" && p.Met("waits", float64(w.spans-w.idle)) && len(full) < maxFindings &&
				p.Met("senders", ratio(w.busy(), p.Trace.Duration())) && p.Met("length", float64(w.long())) {
				full = append(full, w)
			}
		}
		senders := 0
		for _, w := range full {
			if w.wokenByOneOf(p, full) {
				continue // of a pipeline, the last full channel is the cause
			}
			var explains []string
			if first := slices.IndexFunc(sites, func(o *waitingAt) bool { return blockContends(p.Trace, o.label[0], o.stack) }); sites[first].wokenByOneOf(p, full) {
				explains = []string{"limits/contention"} // which names the costliest place
			}
			mean, n := ratio(w.busy(), p.Trace.Duration()), w.spans-w.idle
			senders++
			p.Find(analysis.Finding{
				Code: "lock-convoy/senders", Explains: explains, Severity: analysis.Least(p.Severity("senders", mean), p.Severity("length", float64(w.long()))),
				Summary: fmt.Sprintf("The receiver sets the pace at %s: %s waited to send at any time, %s in %s%s",
					w.label[1], number(mean), p.Dur(w.busy()), counted(n, "wait", "waits"), w.wokenBy(p)),
				Cost: analysis.Cost{Value: w.busy(), Total: userTime(p), Clock: analysis.GTime}, Confidence: analysis.Measured,
				Evidence: w.evidence(p, worstMean(p, w.overTime, 0), "the most senders in 100 ms"),
				Advice:   "Where this is not meant as a limit: make the receiver faster, add receivers, or send in batches; a larger buffer only moves the queue. block.chan.total should fall.",
				Caveat:   "A channel that is used as a semaphore or to slow producers down looks the same.",
			})
		}
		switch {
		case found+senders+len(pools) > 0:
		case worstLock == nil:
			p.Say("no user goroutine waited for a lock; waiting to send on a channel at one place: %s on average, worth a note from %s on", number(sending), number(p.Limit("senders")))
		default:
			p.Say("at most %s waited at once for a lock in the worst 100 ms, at %s, longest %s; worth a note from %s on, of %s",
				number(most.mean), worstLock.label[1], p.Dur(worstLock.max), number(p.Limit("waiters")), p.Dur(int64(p.Limit("length"))))
		}
		return nil
	},
}

// handedOver reports whether most lock handoffs were made where the waits were ended.
func handedOver(p *analysis.Pass, w *waitingAt) bool {
	var here, all int64
	releasers := w.releasers(p)
	for stack, v := range lockHandoffs(analysis.FoldOf[*preemptionFold](p, preemption)) {
		all += v.n
		if slices.ContainsFunc(releasers, func(r releaser) bool { return r.name == p.SiteName(stack) }) {
			here += v.n
		}
	}
	return causes(here, all)
}

// findPools finds places where goroutines wait for their turn with what a channel
// holds, and says so: connections, tokens, slots.
func findPools(p *analysis.Pass, sites []*waitingAt) (pools []*waitingAt) {
	for _, w := range sites {
		mean, n := ratio(w.busy(), p.Trace.Duration()), w.spans-w.idle
		s := analysis.Least(p.Severity("queue", mean), p.Severity("length", float64(w.long())))
		if r := w.label[0]; r != "chan receive" && r != "chan send" && r != "select" ||
			s == "" || !p.Met("waits", float64(n)) || !w.inTurn(p) || len(pools) == maxFindings {
			continue
		}
		pools = append(pools, w)
		p.Find(analysis.Finding{
			Code: "lock-convoy/pool", Severity: s,
			Summary: fmt.Sprintf("Goroutines queue for what others of them give back at %s, a pool or semaphore that is too small: %s waited at any time, %s in %s, longest %s%s",
				w.label[1], number(mean), p.Dur(w.busy()), counted(n, "wait", "waits"), p.Dur(w.max), w.wokenBy(p)),
			Cost: analysis.Cost{Value: w.busy(), Total: userTime(p), Clock: analysis.GTime}, Confidence: analysis.Inferred,
			Evidence: w.evidence(p, worstMean(p, w.overTime, 0), "the longest queue in 100 ms"),
			Advice:   "Hold what is taken for less time, or have more of it (connections, tokens), unless it is a limit on purpose: then admit fewer goroutines. The waits there, in blocking.waits or blocking.contention, should fall.",
			Caveat:   "Told from who ends the waits and in which order. Workers that hand work to each other through one channel look the same.",
		})
	}
	return pools
}

// number writes a mean of goroutines.
func number(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

var rwmutexWriterStall = &analysis.Analyzer{
	Name:     "rwmutex-writer-stall",
	Doc:      judgePage("rwmutex-writer-stall"),
	Covers:   []string{"limits/contention"},
	Requires: []*analysis.Analyzer{blocking, goroutines},
	Thresholds: []analysis.Threshold{
		{
			Name: "rwmutex-writer-stall.readers", Doc: "readers waiting at one place, mean of the worst 100 ms", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .5, Warning: 4},
			Source: "as lock-convoy.waiters; a note from half of the time on, since readers are not meant to wait at all",
		},
		{
			Name: "rwmutex-writer-stall.length", Doc: "length that the waits with the longest tenth of the waiting time reach", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 4e6}, Source: "as lock-convoy.length",
		},
		{
			Name: "rwmutex-writer-stall.waits", Doc: "waits of readers at that place", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "ten values before a quantile is said",
		},
		{
			Name: "rwmutex-writer-stall.behind", Doc: "share of the readers' waiting time while a writer waited for readers to leave", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .25},
			Source: "a writer that waits keeps new readers out (sync/rwmutex.go: Lock); tells slow readers from long writes, which need other advice",
		},
	},
	Run: func(p *analysis.Pass) error {
		sites := waitingSites(p)
		if noWaits(p, sites) {
			return nil
		}
		found, any := 0, false
		var most stretch
		for _, r := range sites {
			if r.lock != lockRead {
				continue
			}
			any = true
			at, long, n := worstMean(p, r.overTime, 0), r.long(), r.spans-r.idle
			if at.mean > most.mean {
				most = at
			}
			s := analysis.Least(p.Severity("readers", at.mean), p.Severity("length", float64(long)))
			if !p.Met("waits", float64(n)) || s == "" || found == maxFindings {
				continue
			}
			found++
			writer, behind := writerBefore(p, r, sites)
			evidence := r.evidence(p, at, number(at.mean)+" readers waiting at once")
			why := "a writer held the lock"
			advice := "Make the write shorter: prepare the new value before the lock is taken and only swap it under it, or keep it in an atomic.Pointer that readers load. block.sync.total should fall."
			if writer != nil && p.Met("behind", behind) {
				why = fmt.Sprintf("%s of that while a writer waited at %s for slow readers to leave", analysis.FormatRatio(behind), writer.label[1])
				evidence = append(evidence, writer.evidence(p, worstMean(p, writer.overTime, 0), "the writer, and below the readers it waited for")...)
				advice = "Shorten what readers do under the lock: one that is slow makes the writer wait, and a waiting writer keeps all new readers out. Or let readers load an atomic.Pointer. block.sync.total should fall."
			}
			p.Find(analysis.Finding{
				Severity: s,
				Summary: fmt.Sprintf("Readers of a sync.RWMutex wait at %s: %s at once in the worst 100 ms (from %s), %s in %s, longest %s; %s",
					r.label[1], number(at.mean), p.At(at.from), p.Dur(r.busy()), counted(n, "wait", "waits"), p.Dur(r.max), why),
				Cost: analysis.Cost{Value: r.busy(), Total: userTime(p), Clock: analysis.GTime}, Confidence: analysis.Inferred,
				Evidence: evidence, Advice: advice,
				Caveat: "Which lock it is is not in the trace: reader and writer are taken for a pair because the function of one ends the waits of the other.",
			})
		}
		switch {
		case found > 0:
		case !any:
			p.Say("no user goroutine waited to read under a sync.RWMutex")
		default:
			p.Say("at most %s readers of a sync.RWMutex waited at once in the worst 100 ms; worth a note from %s on, of %s",
				number(most.mean), number(p.Limit("readers")), p.Dur(int64(p.Limit("length"))))
		}
		return nil
	},
}

// writerBefore returns the waiting writer that fits readers best, in a function
// that also ends their waits, and the share of their time that it waited too, as
// if both were spread evenly in each bucket.
func writerBefore(p *analysis.Pass, r *waitingAt, sites []*waitingAt) (writer *waitingAt, share float64) {
	for _, w := range sites {
		if w.lock != lockWrite || !releases(p, w, r) {
			continue
		}
		var both, all float64
		for i := range r.overTime.Len() {
			t := r.overTime.Start() + int64(i)*r.overTime.Width()
			v := float64(r.overTime.At(i, 0))
			all += v
			both += v * min(1, float64(sumBetween(w.overTime, t, t+r.overTime.Width()))/float64(r.overTime.Width()))
		}
		if all > 0 && both/all > share {
			writer, share = w, both/all
		}
	}
	return writer, share
}

// releases reports whether the function in which w waits ends waits of r.
func releases(p *analysis.Pass, w, r *waitingAt) bool {
	site, ok := p.Trace.Site(w.stack)
	for by := range r.wakers {
		if f, _ := p.Trace.Site(by); ok && f.Func == site.Func {
			return true
		}
	}
	return false
}

// sumBetween is the sum of lane 0 of s, with buckets cut in proportion.
func sumBetween(s *sketch.Series, from, to int64) (sum int64) {
	if s.Empty() {
		return 0
	}
	width := s.Width()
	for i := max((from-s.Start())/width, 0); i < int64(s.Len()); i++ {
		begin := s.Start() + i*width
		if begin >= to {
			break
		}
		if part := min(to, begin+width) - max(from, begin); part > 0 {
			sum += s.At(int(i), 0) * part / width
		}
	}
	return sum
}

// wakePair is two functions, as parse.Symbols.Site names them, that wake each other.
type wakePair struct{ a, b parse.StringID }

var channelPingPong = &analysis.Analyzer{
	Name:     "channel-ping-pong",
	Doc:      judgePage("channel-ping-pong"),
	Requires: []*analysis.Analyzer{blocking, goroutines},
	Thresholds: []analysis.Threshold{
		{
			Name: "channel-ping-pong.rate", Doc: "wakes per second from each side to the other", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 5000},
			Source: "a wake costs 1 to 50 µs in the scheduler, more with a thread switch: from here on it is a good part of a P",
		},
		{
			Name: "channel-ping-pong.work", Doc: "running time of both, system calls included, for each wait", Unit: analysis.NS, Below: true,
			Levels: analysis.Levels{Note: 5000},
			Source: "less work than the wake-up of a thread (5 to 50 µs) is better done by one goroutine",
		},
		{
			Name: "channel-ping-pong.trace", Doc: "length of the trace", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6}, Source: "below it a rate says nothing",
		},
		{
			Name: "channel-ping-pong.wakes", Doc: "wakes from each side to the other", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1000}, Source: "a rate of short bursts is none",
		},
	},
	Run: func(p *analysis.Pass) error {
		tr := p.Trace
		if tooShort(p) || noWaits(p, waitingSites(p)) {
			return nil
		}
		f := analysis.FoldOf[*blockingFold](p, blocking)
		wakes := make(map[wakePair]int64) // a waits, b wakes it
		stacks := make(map[wakePair]parse.StackID)
		most := make(map[wakePair]int64)
		waitsOf := make(map[parse.StringID]int64) // by entry function
		for _, e := range f.wakers.entries {
			k := e.key
			if k.told == blockUnnamed || blockReasonOf(tr, k.blockSite) == "" {
				continue
			}
			waitsOf[tr.Entry(k.blockSite.stack)] += e.v
			one, ok := tr.Site(k.blockSite.stack)
			other, also := tr.Site(k.stack)
			if k.ready != parse.ReadyUnblocked || !ok || !also {
				continue
			}
			pair := wakePair{one.Func, other.Func}
			wakes[pair] += e.v
			if e.v > most[pair] {
				most[pair], stacks[pair] = e.v, k.blockSite.stack
			}
		}
		running := make(map[parse.StringID]int64)
		for o, v := range analysis.FoldOf[*goroutinesFold](p, goroutines).populations.byKey() {
			running[o.fn] += v.states[parse.GoRunning] + v.states[parse.GoSyscall]
		}
		// work is what the goroutines of both ran, and for each of their waits.
		work := func(pair wakePair) (ran, each int64) {
			a, b := tr.Entry(stacks[pair]), tr.Entry(stacks[wakePair{pair.b, pair.a}])
			ran, each = running[a], waitsOf[a]
			if a != b {
				ran, each = ran+running[b], each+waitsOf[b]
			}
			return ran, ran / max(each, 1)
		}
		var pairs []wakePair
		for pair := range wakes {
			// N.B. by name, since ids are in the order in which a reader meets strings.
			if p.FuncName(pair.a) <= p.FuncName(pair.b) && min(wakes[pair], wakes[wakePair{pair.b, pair.a}]) > 0 {
				pairs = append(pairs, pair)
			}
		}
		each := func(pair wakePair) int64 {
			n := min(wakes[pair], wakes[wakePair{pair.b, pair.a}])
			if pair.a == pair.b {
				n /= 2 // either may be the one that waits
			}
			return n
		}
		slices.SortFunc(pairs, func(x, y wakePair) int {
			return cmp.Or(cmp.Compare(each(y), each(x)), cmp.Compare(p.FuncName(x.a), p.FuncName(y.a)), cmp.Compare(p.FuncName(x.b), p.FuncName(y.b)))
		})
		found := 0
		for _, pair := range pairs {
			back := wakePair{pair.b, pair.a}
			n := each(pair)
			ran, apiece := work(pair)
			rate := ratePerSecond(n, tr.Duration())
			s := analysis.Least(p.Severity("rate", rate), p.Severity("work", float64(apiece)))
			if !p.Met("wakes", float64(n)) || s == "" || found == maxFindings {
				continue
			}
			found++
			whole := analysis.Evidence{From: p.Rel(tr.From), To: p.Rel(tr.To)}
			one, other := whole, whole
			one.Func, one.Stack, one.Note = p.SiteName(stacks[pair]), p.Stack(stacks[pair]), fmt.Sprintf("waits here, woken %s times by the other", analysis.FormatCount(wakes[pair]))
			other.Func, other.Stack, other.Note = p.SiteName(stacks[back]), p.Stack(stacks[back]), fmt.Sprintf("waits here, woken %s times by the other", analysis.FormatCount(wakes[back]))
			evidence := []analysis.Evidence{one}
			if other.Func != one.Func {
				evidence = append(evidence, other)
			}
			p.Find(analysis.Finding{
				Severity: s,
				Summary: fmt.Sprintf("Goroutines in %s and %s hand work to and fro %s, and run %s for each wait",
					p.FuncName(pair.a), p.FuncName(pair.b), analysis.FormatRate(rate), p.Dur(apiece)),
				Cost:       analysis.Cost{Value: ran, Total: userTime(p), Clock: analysis.GTime},
				Confidence: analysis.Inferred, Evidence: evidence,
				Advice: "Send batches, or let one goroutine do both halves: a mutex or a plain call costs 10 to 100 times less than a wake. sched.starts.user should fall.",
				Caveat: "Goroutines are told apart by function only: that each time the same two meet is assumed. One with a locked thread (runtime.LockOSThread) also pays two thread switches.",
			})
		}
		if found == 0 {
			if len(pairs) == 0 {
				p.Say("no two functions whose goroutines wake each other")
				return nil
			}
			pair := pairs[0]
			_, apiece := work(pair)
			p.Say("%s and %s wake each other most: %s, and run %s for each wait; worth a note from %s on, below %s", p.FuncName(pair.a), p.FuncName(pair.b),
				analysis.FormatRate(ratePerSecond(each(pair), tr.Duration())), p.Dur(apiece), analysis.FormatRate(p.Limit("rate")), p.Dur(int64(p.Limit("work"))))
		}
		return nil
	},
}

func ratePerSecond(n, ns int64) float64 {
	if ns <= 0 {
		return 0
	}
	return float64(n) * 1e9 / float64(ns)
}

var stuckGoroutines = &analysis.Analyzer{
	Name:     "stuck-goroutines",
	Doc:      judgePage("stuck-goroutines"),
	Requires: []*analysis.Analyzer{blocking, goroutines},
	Thresholds: []analysis.Threshold{
		{
			Name: "stuck-goroutines.trace", Doc: "length of the trace", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 500e6}, Source: "in less time a slow request and one that never ends look alike",
		},
		{
			Name: "stuck-goroutines.grown", Doc: "goroutines that began to wait at one place in the trace and still do at its end", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10, Warning: 20}, Source: "more than the workers of a pool that starts by and by",
		},
		{
			Name: "stuck-goroutines.growth", Doc: "of them, for each that waited there since before the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1}, Source: "a large group that changes a little is a pool",
		},
		{
			Name: "stuck-goroutines.ended", Doc: "share of the waits there that ended", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .05}, Source: "where goroutines are woken, they wait for work",
		},
		{
			Name: "stuck-goroutines.steady", Doc: "share of the growth in the lesser of the last two thirds of the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1}, Source: "an even leak has a third in each; a pool that starts has nearly all in one",
		},
		{
			Name: "stuck-goroutines.lock", Doc: "how long the oldest wait for a lock has lasted at the end of the trace", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 500e6, Warning: 1e9}, Source: "a lock that is held for a second is held over I/O, or for ever",
		},
		{
			Name: "stuck-goroutines.share", Doc: "that time as a share of the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .25}, Source: "in a long trace the end of one slow request is not a deadlock",
		},
		{
			Name: "stuck-goroutines.nil", Doc: "goroutines that use a nil channel", Unit: analysis.Count,
			Levels: analysis.Levels{Warning: 1}, Source: "they can never go on (runtime/chan.go: chansend, chanrecv)",
		},
		{
			Name: "stuck-goroutines.parked", Doc: "goroutines in a select without cases, but for main", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1}, Source: "they can never go on, but somebody wrote select{} on purpose",
		},
	},
	Run: runStuckGoroutines,
}

func runStuckGoroutines(p *analysis.Pass) error {
	tr := p.Trace
	if !p.Met("trace", float64(tr.Duration())) {
		p.NotApplicable(fmt.Sprintf("in %s slow and stuck goroutines look alike; record at least %s, better some seconds, or take two goroutine profiles some minutes apart", p.Dur(tr.Duration()), p.Dur(int64(p.Limit("trace")))))
		return nil
	}
	sites := waitingSites(p)
	if noWaits(p, sites) {
		return nil
	}
	total := userTime(p)
	var leaks, locks, forever, most int
	var mostAt string
	var oldest int64 // of the waits for a lock
	slices.SortStableFunc(sites, func(a, b *waitingAt) int { return cmp.Compare(b.open, a.open) })
	for _, w := range sites {
		if w.open == 0 {
			break
		}
		end := analysis.Evidence{From: p.Rel(tr.To) - w.oldest, To: p.Rel(tr.To), Func: w.label[1], Stack: p.Stack(w.stack)}
		switch {
		case w.label[0] == "forever":
			if stuckForever(p, w, end, total) {
				forever++
			}
			continue
		case w.lock == lockMutex || w.lock == lockRead || w.lock == lockWrite:
			oldest = max(oldest, w.oldest)
			s := p.Severity("lock", float64(w.oldest))
			if s == "" || !p.Met("share", ratio(w.oldest, tr.Duration())) || locks == maxFindings {
				break
			}
			locks++
			end.Note = fmt.Sprintf("%s waiting, the oldest for %s", counted(w.open, "goroutine", "goroutines"), p.Dur(w.oldest))
			p.Find(analysis.Finding{
				Code: "stuck-goroutines/lock", Severity: s,
				Summary: fmt.Sprintf("%s at the end for a lock at %s, the oldest since %s (%s): a deadlock, or a lock held for very long",
					counted(w.open, "goroutine waits", "goroutines wait"), w.label[1], p.At(tr.To-parse.Time(w.oldest)), p.Dur(w.oldest)),
				Cost: analysis.Cost{Value: w.total, Total: total, Clock: analysis.GTime}, Confidence: analysis.Heuristic,
				Evidence: []analysis.Evidence{end},
				Advice:   "Look for goroutines that take the same locks in another order, and for a return without Unlock; a goroutine profile (debug=2) shows who holds what now. block.sync.total should fall.",
				Caveat:   "Who holds a lock is not in the trace.",
			})
			continue
		}
		if w.label[0] == "network" || w.label[0] == "sleep" {
			continue
		}
		grown := w.open - w.idle
		steady, growth := steadyGrowth(p, w)
		if int(grown) > most {
			most, mostAt = int(grown), w.label[1]
		}
		s := p.Severity("grown", float64(grown))
		if s == "" || leaks == maxFindings || !p.Met("growth", float64(grown)/float64(max(w.idle, 1))) ||
			!p.Met("ended", ratio(w.spans-w.open, w.spans)) || !p.Met("steady", steady) || growth <= 0 {
			continue
		}
		leaks++
		evidence := []analysis.Evidence{end}
		from := ""
		if site, n := startedBy(p, tr.Entry(w.stack)); n > 0 {
			from = fmt.Sprintf("; %s of that function were started at %s and did not end", analysis.FormatCount(n), p.SiteName(site))
			evidence = append(evidence, analysis.Evidence{From: p.Rel(tr.From), To: p.Rel(tr.To), Func: p.SiteName(site), Note: "where they were started", Stack: p.Stack(site)})
		}
		evidence[0].Note = fmt.Sprintf("%s more than at the begin", analysis.FormatCount(grown))
		p.Find(analysis.Finding{
			Severity: s,
			Summary: fmt.Sprintf("Goroutines pile up at %s (%s): %s more than at the begin (%s), %s of %s waits ended%s",
				w.label[1], w.label[0], analysis.FormatCount(grown), analysis.FormatRate(ratePerSecond(grown, tr.Duration())), analysis.FormatCount(w.spans-w.open), analysis.FormatCount(w.spans), from),
			Cost: analysis.Cost{Value: w.busy(), Total: total, Clock: analysis.GTime}, Confidence: analysis.Inferred,
			Evidence: evidence,
			Advice:   "Give each goroutine a way to end: a context, a channel that is closed, a buffer for the one result that nobody may fetch. goroutines.max should stop to grow from trace to trace. Go 1.26 has a profile of leaked goroutines (runtime/pprof, goroutineleak).",
			Caveat:   "The trace shows that they wait, not that nobody can wake them later.",
		})
	}
	if leaks+locks+forever > 0 {
		return nil
	}
	said := "no group of waiting goroutines grew"
	if most > 0 {
		said = fmt.Sprintf("most that began to wait and still do at the end: %s at %s", analysis.FormatCount(int64(most)), mostAt)
	}
	if oldest > 0 {
		said += "; oldest wait for a lock at the end: " + p.Dur(oldest)
	}
	p.Say("%s; worth a note from %s that grow through the trace or %s for a lock on", said, analysis.FormatCount(int64(p.Limit("grown"))), p.Dur(int64(p.Limit("lock"))))
	return nil
}

// steadyGrowth is by how much more goroutines waited at the end of w than a third
// into the trace, and which share of the whole growth lies in the lesser of the
// last two thirds.
func steadyGrowth(p *analysis.Pass, w *waitingAt) (share float64, growth float64) {
	d := p.Trace.Duration()
	level := func(third int64) float64 {
		to := int64(p.Trace.From) + d*third/3
		from := max(to-d/30, int64(p.Trace.From))
		if third == 0 {
			to = from + d/30
		}
		return float64(sumBetween(w.overTime, from, to)) / float64(max(to-from, 1))
	}
	l := [4]float64{level(0), level(1), level(2), level(3)}
	growth = l[3] - l[1]
	if all := l[3] - float64(w.idle); all > 0 {
		share = min(l[2]-l[1], l[3]-l[2]) / all
	}
	return share, growth
}

// startedBy returns the go statement with the most goroutines of a function that
// were started in the trace and did not end.
func startedBy(p *analysis.Pass, fn parse.StringID) (site parse.StackID, n int64) {
	for _, e := range analysis.FoldOf[*goroutinesFold](p, goroutines).populations.entries {
		if alive := e.v.created - e.v.ended; e.key.fn == fn && e.key.seen && e.key.site != 0 && alive > n {
			site, n = e.key.site, alive
		}
	}
	return site, n
}

// stuckForever finds waits that cannot end, but for those of main.
func stuckForever(p *analysis.Pass, w *waitingAt, at analysis.Evidence, total int64) bool {
	empty := false
	for _, f := range p.Trace.Stack(w.stack) {
		switch fn := p.Trace.String(f.Func); {
		case fn == "runtime.block":
			empty = true
		case fn == "main.main" && empty:
			return false // parks main by intent
		}
	}
	f := analysis.Finding{
		Code: "stuck-goroutines/forever", Severity: p.Severity("nil", float64(w.open)),
		Summary: fmt.Sprintf("%s for ever on a nil channel at %s", counted(w.open, "goroutine waits", "goroutines wait"), w.label[1]),
		Cost:    analysis.Cost{Value: w.total, Total: total, Clock: analysis.GTime}, Confidence: analysis.Measured,
		Evidence: []analysis.Evidence{at},
		Advice:   "Make the channel before it is used; where a nil channel stands for \"never\", it belongs in a select with another case. goroutines.max should fall.",
		Caveat:   "Nothing can wake them: all they refer to stays in memory.",
	}
	if empty {
		f.Severity = p.Severity("parked", float64(w.open))
		f.Summary = fmt.Sprintf("%s for ever in select{} at %s", counted(w.open, "goroutine waits", "goroutines wait"), w.label[1])
		f.Advice = "If it only keeps the program alive, one in main is enough; else let the goroutine return. goroutines.max should fall."
	}
	p.Find(f)
	return f.Severity != ""
}

var tickerStorm = &analysis.Analyzer{
	Name:     "ticker-storm",
	Doc:      judgePage("ticker-storm"),
	Requires: []*analysis.Analyzer{blocking, goroutines},
	Thresholds: []analysis.Threshold{
		{
			Name: "ticker-storm.rate", Doc: "waits per second at one place that a timer ended", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 1000}, Source: "each is a wake-up of a P or thread at 5 to 50 µs: 0.5 to 5 % of a CPU",
		},
		{
			Name: "ticker-storm.work", Doc: "running time of its goroutines, system calls included, for each of their waits", Unit: analysis.NS, Below: true,
			Levels: analysis.Levels{Note: 20e3}, Source: "less work than it costs to wake up for it",
		},
		{
			Name: "ticker-storm.alone", Doc: "share of these waits in all waits of goroutines with that entry function", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .95}, Source: "who also waits for other things pauses between pieces of work, and does not poll",
		},
		{
			Name: "ticker-storm.trace", Doc: "length of the trace", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6}, Source: "below it a rate says nothing",
		},
	},
	Run: func(p *analysis.Pass) error {
		sites := waitingSites(p)
		if tooShort(p) || noWaits(p, sites) {
			return nil
		}
		running, waited := make(map[parse.StringID]int64), make(map[parse.StringID]int64)
		for o, v := range analysis.FoldOf[*goroutinesFold](p, goroutines).populations.byKey() {
			running[o.fn] += v.states[parse.GoRunning] + v.states[parse.GoSyscall]
		}
		for _, w := range sites {
			waited[p.Trace.Entry(w.stack)] += w.spans - w.open
		}
		slices.SortStableFunc(sites, func(a, b *waitingAt) int { return cmp.Compare(b.timers, a.timers) })
		found := 0
		for _, w := range sites {
			fn := p.Trace.Entry(w.stack)
			rate, work := ratePerSecond(w.timers, p.Trace.Duration()), running[fn]/max(waited[fn], 1)
			s := analysis.Least(p.Severity("rate", rate), p.Severity("work", float64(work)))
			if s == "" || !p.Met("alone", ratio(w.timers, waited[fn])) || found == maxFindings {
				continue
			}
			found++
			p.Find(analysis.Finding{
				Severity: s,
				Summary:  fmt.Sprintf("Timers wake goroutines %s at %s, to run %s each time", analysis.FormatRate(rate), w.label[1], p.Dur(work)),
				Cost:     analysis.Cost{Value: w.timers * work, Total: int64(p.Trace.Procs) * p.Trace.Duration(), Clock: analysis.PTime}, Confidence: analysis.Inferred,
				Evidence: []analysis.Evidence{{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: w.label[1], Note: fmt.Sprintf("%s timers", analysis.FormatCount(w.timers)), Stack: p.Stack(w.stack)}},
				Advice:   "Wait for what is to happen instead of asking again and again (channel, sync.Cond, context), ask less often, or serve all from one ticker. sched.starts.user should fall.",
				Caveat:   "The time that waking up itself costs, in the scheduler and the kernel, is not in it and is mostly larger.",
			})
		}
		if found == 0 {
			if w := sites[0]; w.timers > 0 {
				fn := p.Trace.Entry(w.stack)
				p.Say("most timers: %s at %s, to run %s each time; worth a note from %s on, below %s, where they wait for nothing else", analysis.FormatRate(ratePerSecond(w.timers, p.Trace.Duration())), w.label[1],
					p.Dur(running[fn]/max(waited[fn], 1)), analysis.FormatRate(p.Limit("rate")), p.Dur(int64(p.Limit("work"))))
			} else {
				p.Say("no timer woke a user goroutine")
			}
		}
		return nil
	},
}

var netpollDelay = &analysis.Analyzer{
	Name:     "netpoll-delay",
	Doc:      judgePage("netpoll-delay"),
	Requires: []*analysis.Analyzer{netpoll, goroutines, waits},
	Thresholds: []analysis.Threshold{
		{
			Name: "netpoll-delay.p99", Doc: "readied by the network poller to running, 99th percentile", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 5e6, Error: 20e6},
			Source: "1 ms shows in a client's latency; 5 and 20 ms are half of a time slice and two of them (runtime/proc.go: forcePreemptNS); sound servers on two shared CPUs reach 1.3 ms",
		},
		{
			Name: "netpoll-delay.stretch", Doc: "the same, mean of the worst 100 ms", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 5e6}, Source: "a mean of half a time slice: nearly all had to wait for a preemption",
		},
		{
			Name: "netpoll-delay.starts", Doc: "goroutines readied by the poller, for each of the above", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 20}, Source: "one late packet is not a delay",
		},
		{
			Name: "netpoll-delay.share", Doc: "all such delay for each ns that user goroutines ran", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05, Warning: .2, Error: .5}, Source: "the queue of a server at half load adds less than a tenth to its work",
		},
		{
			Name: "netpoll-delay.moment", Doc: "share of the worst 100 ms in all such delay, of traces of 1 s and more", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: 1, Warning: .8, Error: .8}, Source: "as latency-tail.moment",
		},
	},
	Run: func(p *analysis.Pass) error {
		f := analysis.FoldOf[*netpollFold](p, netpoll)
		var wakeups int64
		for _, n := range f.wakeups {
			wakeups += n
		}
		var all sketch.Histogram
		for i := range f.latency {
			all.Merge(&f.latency[i])
		}
		if wakeups == 0 || all.N() == 0 {
			p.NotApplicable("the network poller readied no goroutine; record the program while it serves requests")
			return nil
		}
		var running int64
		for o, v := range analysis.FoldOf[*goroutinesFold](p, goroutines).populations.byKey() {
			if o.class == parse.ClassUser {
				running += v.states[parse.GoRunning]
			}
		}
		var late analysis.Severity
		more := func(s analysis.Severity) {
			if s.Rank() > late.Rank() {
				late = s
			}
		}
		p99, known := all.Quantile(.99)
		if known {
			more(p.Severity("p99", float64(p99)))
		}
		mean, at := worstDelay(p, f.delays)
		more(p.Severity("stretch", float64(mean)))
		share := ratio(all.Sum(), running)
		s := analysis.Least(late, p.Severity("share", share))
		if p.Trace.Duration() >= 10*blockingStretch {
			s = analysis.Least(s, p.Severity("moment", ratio(worstMean(p, f.delays, delayTotal).sum, all.Sum())))
		}
		dist := fmt.Sprintf("%s; in the worst 100 ms mean %s", spread(p, &all), p.Dur(mean))
		if !p.Trace.V1() {
			dist += "; without a P " + analysis.FormatRatio(ratio(f.wakeups[pollNoP], wakeups))
		}
		if s == "" || !p.Met("starts", float64(all.N())) {
			p.Say("from the network poller to running: %s (n=%s); %s of the running time in all, worth a note from %s on and p99 %s",
				dist, analysis.FormatCount(all.N()), analysis.FormatRatio(share), analysis.FormatRatio(p.Limit("share")), p.Dur(int64(p.Limit("p99"))))
			return nil
		}
		finding := analysis.Finding{
			Severity: s,
			Summary: fmt.Sprintf("Goroutines that the network made ready wait for a P: %s (n=%s); %s of delay for %s of running%s",
				dist, analysis.FormatCount(all.N()), p.Dur(all.Sum()), p.Dur(running), mostlyBecause(p, "network poller")),
			Cost: analysis.Cost{Value: all.Sum(), Total: all.Sum() + running, Clock: analysis.GTime}, Confidence: analysis.Measured,
			Evidence: []analysis.Evidence{{From: p.Rel(at.from), To: p.Rel(at.to), Note: "the worst 100 ms: mean " + p.Dur(mean)}},
			Advice:   "Free the Ps: what they did instead is in waits.function. Split long computations, move batch work to times or processes of its own, or give the program more CPUs and as many Ps. netpoll.latency.p99 should fall.",
			Caveat:   "Time in the kernel's queues before the poller looked is not in it; with fewer CPUs than Ps it holds time in which the operating system ran something else.",
		}
		for _, r := range rank(f.sites.byKey(), func(k waitSite) label { return label{p.SiteName(k.stack)} }, (*networkWaits).add, func(w *networkWaits) int64 { return w.delay }) {
			if r.v.delay > 0 && len(finding.Evidence) < 4 {
				finding.Evidence = append(finding.Evidence, analysis.Evidence{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: r.label[0],
					Note: fmt.Sprintf("waited here for the network, then %s in all for a P, longest %s", p.Dur(r.v.delay), p.Dur(r.v.maxDelay)), Stack: delayedStack(p, f, r.label[0])})
			}
		}
		p.Find(finding)
		return nil
	},
}

// delayedStack is the stack with the most delay of those that print alike.
func delayedStack(p *analysis.Pass, f *netpollFold, name string) []analysis.Frame {
	var stack parse.StackID
	var most int64
	for _, e := range f.sites.entries {
		if e.v.delay > most && p.SiteName(e.key.stack) == name {
			stack, most = e.key.stack, e.v.delay
		}
	}
	return p.Stack(stack)
}

// worstDelay is the largest mean delay of a stretch with enough starts.
func worstDelay(p *analysis.Pass, s *sketch.Series) (mean int64, at stretch) {
	at = worst(p, s, func(from, to int) (int64, bool) {
		var n, sum int64
		for i := from; i < to; i++ {
			n += s.At(i, delayStarts)
			sum += s.At(i, delayTotal)
		}
		return sum / max(n, 1), p.Met("starts", float64(n))
	})
	return at.sum, at
}

// mostlyBecause says what most of the waits of goroutines readied in one way were
// made of.
func mostlyBecause(p *analysis.Pass, ready string) string {
	t := p.TableOf(waits, "waits.ready")
	var cause string
	var most, total int64
	for i := range t.Rows {
		if t.Cell(i, "ready by") != any(ready) {
			continue
		}
		v := t.Cell(i, "total").(int64)
		total += v
		if v > most {
			most, cause = v, t.Cell(i, "cause").(string)
		}
	}
	if most == 0 {
		return ""
	}
	return fmt.Sprintf("; %s of it: %s", analysis.FormatRatio(ratio(most, total)), cause)
}

// taskParts are what the time of a task is made of, by the state of the goroutine
// that began it.
var taskParts = []struct {
	state parse.GoState
	words string
	limit string // threshold of its share
}{
	{parse.GoRunning, "running", "running"},
	{parse.GoRunnable, "waiting for a P", "share"},
	{parse.GoWaiting, "blocked", "share"},
	{parse.GoSyscall, "in system calls", "share"},
}

var slowTasks = &analysis.Analyzer{
	Name:     "slow-tasks",
	Doc:      judgePage("slow-tasks"),
	Requires: []*analysis.Analyzer{tasks, goroutines},
	Thresholds: []analysis.Threshold{
		{
			Name: "slow-tasks.ratio", Doc: "p99 of the tasks of a type over their p50", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "a queue at half load has a tail of 3 to 4 medians",
		},
		{
			Name: "slow-tasks.excess", Doc: "p99 less p50", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 10e6}, Source: "1 ms is within the noise of a shared machine; 10 ms are a time slice",
		},
		{
			Name: "slow-tasks.tasks", Doc: "tasks of the type that began and ended in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 100}, Source: "at least one task beyond the p99",
		},
		{
			Name: "slow-tasks.share", Doc: "share of the excess spent blocked, in system calls or waiting for a P, the largest of them", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .2, Warning: .5}, Source: "one component makes half of it: there is one thing to change",
		},
		{
			Name: "slow-tasks.running", Doc: "share of the excess spent running", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .2}, Source: "slow tasks that do more work are of another kind: never a warning",
		},
		{
			Name: "slow-tasks.longest", Doc: "longest task of a type over its p50, where the p99 is not slow", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 20}, Source: "four times slow-tasks.ratio for what is seen once: why a flight recorder was read",
		},
		{
			Name: "slow-tasks.beyond", Doc: "longest task less p50", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 10e6}, Source: "as slow-tasks.excess: a time slice",
		},
		{
			Name: "slow-tasks.few", Doc: "tasks of the type that began and ended in the trace, for the longest", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 20}, Source: "ten values on either side of the p50",
		},
	},
	Run: runSlowTasks,
}

// addLongest says that a single task of a type was much slower than usual, and
// reports whether one was.
func addLongest(p *analysis.Pass, f *tasksFold, name string, a *annotated) bool {
	p50, longest := a.lengths.QuantileAny(.5), a.lengths.Max()
	excess, slow := taskExcess(a.bySpan, p50, longest)
	var total int64
	for _, ns := range excess {
		total += ns
	}
	part := 0
	for i := range taskParts {
		if excess[i] > excess[part] {
			part = i
		}
	}
	s := analysis.Least(p.Severity("longest", float64(longest)/float64(max(p50, 1))), p.Severity("beyond", float64(longest-p50)))
	if s == "" || !p.Met("few", float64(a.lengths.N())) {
		return false
	}
	var evidence []analysis.Evidence
	for _, e := range f.slowest.Items() {
		if userText(p, e.Item.name) == name && len(evidence) == 0 {
			from := p.Rel(parse.Time(e.Time))
			evidence = append(evidence, analysis.Evidence{From: from, To: from + e.Value, G: idOf(e.Item.g), Func: p.FuncName(e.Item.fn), Note: "took " + p.Dur(e.Value), Stack: p.Stack(e.Item.stack)})
		}
	}
	p.Find(analysis.Finding{
		Code: "slow-tasks/single", Severity: s,
		Summary: fmt.Sprintf("A task of type %s took %s, %s times as long as usual (p50 %s, n=%s), %s of the excess %s",
			name, p.Dur(longest), number(float64(longest)/float64(max(p50, 1))), p.Dur(p50), analysis.FormatCount(a.lengths.N()), analysis.FormatRatio(ratio(excess[part], total)), taskParts[part].words),
		Cost:       analysis.Cost{Value: slow, Total: a.total, Clock: analysis.GTime},
		Confidence: analysis.Inferred,
		Evidence:   evidence,
		Advice:     "Look at that moment (--from, --to): " + taskAdvice[taskParts[part].state],
		Caveat:     "One task is no tail: whether it comes again only a longer trace tells. What else the machine does stretches running, and waiting for a P, once in a while.",
	})
	return true
}

const noTasks = "the program marks no tasks; call runtime/trace.NewTask at the begin of each request and its End, and record again"

func runSlowTasks(p *analysis.Pass) error {
	f := analysis.FoldOf[*tasksFold](p, tasks)
	if len(f.tasks) == 0 {
		p.NotApplicable(noTasks)
		return nil
	}
	types := rank(f.tasks, func(a annotation) label {
		if a.untold {
			return label{beforeTrace}
		}
		return label{userText(p, a.name)}
	}, (*annotated).add, func(a *annotated) int64 { return a.total })
	found, clear := 0, ""
	var enough int64
	for _, r := range types {
		h := &r.v.lengths
		enough = max(enough, h.N())
		if found == maxFindings {
			continue
		}
		if !p.Met("tasks", float64(h.N())) {
			if h.N() > 0 && addLongest(p, f, r.label[0], r.v) {
				found++
			}
			continue
		}
		p50, p99 := h.QuantileAny(.5), h.QuantileAny(.99)
		tail := float64(p99) / float64(max(p50, 1))
		if clear == "" {
			clear = fmt.Sprintf("tasks %s: p99 %s, p50 %s (n=%s); worth a note from %s times on", r.label[0], p.Dur(p99), p.Dur(p50), analysis.FormatCount(h.N()), number(p.Limit("ratio")))
		}
		excess, slow := taskExcess(r.v.bySpan, p50, p99)
		var total int64
		for _, ns := range excess {
			total += ns
		}
		part, other := 0, excess[len(taskParts)]
		for i := range taskParts {
			if excess[i] > excess[part] {
				part = i
			}
		}
		share := ratio(excess[part], max(total, 1))
		s := analysis.Least(p.Severity("excess", float64(p99-p50)), p.Severity(taskParts[part].limit, share))
		if s == "" || !p.Met("ratio", tail) {
			if addLongest(p, f, r.label[0], r.v) {
				found++
			}
			continue
		}
		found++
		var texts []string
		for i, c := range taskParts {
			if excess[i]*20 >= total {
				texts = append(texts, analysis.FormatRatio(ratio(excess[i], total))+" "+c.words)
			}
		}
		if other*20 >= total {
			texts = append(texts, analysis.FormatRatio(ratio(other, total))+" after the goroutine that began it had ended")
		}
		region, regionRow := slowRegion(p, f, p99-p50)
		finding := analysis.Finding{
			Severity: s,
			Summary: fmt.Sprintf("Slow tasks of type %s take %s (p99), %s times as long as usual (p50 %s, n=%s), most of the excess %s: %s%s",
				r.label[0], p.Dur(p99), number(tail), p.Dur(p50), analysis.FormatCount(h.N()), taskParts[part].words, strings.Join(texts, ", "), region),
			Evidence:   regionRow,
			Cost:       analysis.Cost{Value: slow, Total: r.v.total, Clock: analysis.GTime},
			Confidence: analysis.Inferred,
			Advice:     taskAdvice[taskParts[part].state],
			Caveat:     "It is the time of the goroutine that began the task: what others do for it counts as blocked. Requests of different kinds under one type also look like this: give them types of their own.",
		}
		for _, e := range f.slowest.Items() {
			if userText(p, e.Item.name) == r.label[0] && len(finding.Evidence) < 6 {
				g := int64(e.Item.g)
				from := p.Rel(parse.Time(e.Time))
				finding.Evidence = append(finding.Evidence, analysis.Evidence{From: from, To: from + e.Value, G: &g, Func: p.FuncName(e.Item.fn), Note: "took " + p.Dur(e.Value), Stack: p.Stack(e.Item.stack)})
			}
		}
		p.Find(finding)
	}
	switch {
	case found > 0:
	case clear != "":
		p.Say("%s", clear)
	default:
		p.NotApplicable(fmt.Sprintf("only %s of one type began and ended in the trace; record until there are %s", counted(enough, "task", "tasks"), analysis.FormatCount(int64(p.Limit("tasks")))))
	}
	return nil
}

// slowRegion names the type of region whose p99 exceeds its p50 most, where that is
// enough to make slow tasks that much slower than usual.
func slowRegion(p *analysis.Pass, f *tasksFold, excess int64) (words string, row []analysis.Evidence) {
	var most int64
	for _, r := range rank(f.regions, func(a annotation) label { return label{userText(p, a.name)} }, (*annotated).add, func(a *annotated) int64 { return a.total }) {
		h := &r.v.lengths
		p50, p99 := h.QuantileAny(.5), h.QuantileAny(.99)
		if more := p99 - p50; !p.Met("tasks", float64(h.N())) || !causes(more, excess) || more <= most {
			continue
		}
		most = p99 - p50
		words = fmt.Sprintf("; regions %s take %s (p99), p50 %s", r.label[0], p.Dur(p99), p.Dur(p50))
		row = []analysis.Evidence{{From: p.Rel(p.Trace.From), To: p.Rel(p.Trace.To), Func: r.label[0], Note: fmt.Sprintf("region: p50 %s, p99 %s (n=%s)", p.Dur(p50), p.Dur(p99), analysis.FormatCount(h.N()))}}
	}
	return words, row
}

var taskAdvice = map[parse.GoState]string{
	parse.GoRunning:  "They do more work: look at their CPU profile, split it, or give them a task type of their own. The p99 in tasks.tasks should fall.",
	parse.GoRunnable: "They wait for a P: see latency-tail and what held the Ps (waits.function). sched.latency.user.p99 should fall.",
	parse.GoWaiting:  "They wait for something else: blocking.waits and blocking.contention list where; begin at the sites that the task's goroutine passes. The p99 in tasks.tasks should fall.",
	parse.GoSyscall:  "They are in system calls: syscalls lists the sites; bound their number, buffer, or move them out of the request. syscall.duration.p99 should fall.",
}

// taskExcess is by how much slow tasks exceed usual ones, mean of each part of
// taskParts and of the rest; and the time of all slow ones beyond the usual.
func taskExcess(s *taskSpans, p50, p99 int64) (excess []int64, slow int64) {
	type sums struct {
		n, total int64
		spent    [parse.NumGoStates]int64
	}
	var usual, tail sums
	for i, b := range s {
		for _, side := range []struct {
			in bool
			s  *sums
		}{{i <= coarseIndex(p50), &usual}, {i >= coarseIndex(p99), &tail}} {
			if side.in {
				side.s.n += b.n
				side.s.total += b.total
				for state, ns := range b.spent {
					side.s.spent[state] += ns
				}
			}
		}
	}
	mean := func(v, w int64) int64 { return max(v/max(tail.n, 1)-w/max(usual.n, 1), 0) }
	tailRest, usualRest := tail.total, usual.total
	for _, c := range taskParts {
		excess = append(excess, mean(tail.spent[c.state], usual.spent[c.state]))
		tailRest -= tail.spent[c.state]
		usualRest -= usual.spent[c.state]
	}
	return append(excess, mean(tailRest, usualRest)), max(tail.total-tail.n*(usual.total/max(usual.n, 1)), 0)
}

var unfinishedTasks = &analysis.Analyzer{
	Name:     "unfinished-tasks",
	Doc:      judgePage("unfinished-tasks"),
	Requires: []*analysis.Analyzer{tasks},
	Thresholds: []analysis.Threshold{
		{
			Name: "unfinished-tasks.share", Doc: "tasks of a type open at the end for longer than 99 % of its others took, of those that began in the trace", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05}, Source: "by definition 1 % take longer than p99",
		},
		{
			Name: "unfinished-tasks.open", Doc: "how many these are", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "a program may have some tasks that last as long as itself",
		},
	},
	Run: func(p *analysis.Pass) error {
		f := analysis.FoldOf[*tasksFold](p, tasks)
		if len(f.tasks) == 0 {
			p.NotApplicable(noTasks)
			return nil
		}
		found := 0
		var most, begunAll int64
		for _, r := range rank(f.tasks, func(a annotation) label { return label{userText(p, a.name)} }, (*annotated).add, func(a *annotated) int64 { return a.unfinished }) {
			h := &r.v.lengths
			usual := h.QuantileAny(.99) // 0 when none ended
			var open, old, oldNS int64
			for i, n := range r.v.open {
				open += n
				if coarseBottom(i) > usual {
					old += n
					oldNS += n * coarseBottom(i)
				}
			}
			begun := h.N() + open
			begunAll += begun
			most = max(most, old)
			s := analysis.Least(p.Severity("share", ratio(old, begun)), p.Severity("open", float64(old)))
			if s == "" || found == maxFindings {
				continue
			}
			found++
			than := "none of that type ended"
			if h.N() > 0 {
				than = "99 % of the others took at most " + p.Dur(usual)
			}
			finding := analysis.Finding{
				Severity: s,
				Summary: fmt.Sprintf("%s of %s tasks of type %s did not end (%s); %s",
					analysis.FormatCount(old), analysis.FormatCount(begun), r.label[0], analysis.FormatRatio(ratio(old, begun)), than),
				Cost:       analysis.Cost{Value: oldNS, Total: r.v.total, Clock: analysis.GTime},
				Confidence: analysis.Inferred,
				Advice:     "Call Task.End on every way out, best with defer where NewTask was called; if it is called, see what these tasks wait for. The column unfinished of tasks.tasks should fall.",
				Caveat:     "Tasks of very different length under one type look the same.",
			}
			for _, e := range f.oldest.Items() {
				if userText(p, e.Item.name) == r.label[0] && len(finding.Evidence) < 5 {
					g := int64(e.Item.g)
					from := p.Rel(parse.Time(e.Time))
					finding.Evidence = append(finding.Evidence, analysis.Evidence{From: from, To: from + e.Value, G: &g, Func: p.FuncName(e.Item.fn), Note: "open for " + p.Dur(e.Value), Stack: p.Stack(e.Item.stack)})
				}
			}
			p.Find(finding)
		}
		if found == 0 {
			p.Say("of %s, open for longer than usual at the end: at most %s of a type; worth a note from %s and %s of its type on",
				counted(begunAll, "task", "tasks"), analysis.FormatCount(most), analysis.FormatCount(int64(p.Limit("open"))), analysis.FormatRatio(p.Limit("share")))
		}
		return nil
	},
}

var deadlinesExpired = &analysis.Analyzer{
	Name: "deadlines-expired",
	Doc:  judgePage("deadlines-expired"),
	Thresholds: []analysis.Threshold{
		{
			Name: "deadlines-expired.count", Doc: "context deadlines that expired", Unit: analysis.Count, Levels: analysis.Levels{Note: 20},
			Source: "single ones are what deadlines are for",
		},
		{
			Name: "deadlines-expired.rate", Doc: "of them per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 5},
			Source: "a program that gives up five times a second",
		},
	},
	Requires: []*analysis.Analyzer{goroutines, blocking},
	Run: func(p *analysis.Pass) error {
		var n, created int64
		for k, v := range analysis.FoldOf[*goroutinesFold](p, goroutines).populations.byKey() {
			if k.class == parse.ClassUser && k.seen {
				created += v.created
				if expiresDeadline(p.FuncName(k.fn)) {
					n += v.created
				}
			}
		}
		sites := waitingSites(p)
		if created == 0 && noWaits(p, sites) {
			return nil
		}
		rate := perSecond(p, n)
		severity := analysis.Least(p.Severity("count", float64(n)), p.Severity("rate", rate))
		if severity == "" {
			p.Say("%s expired; limit %.0f and %s", counted(n, "context deadline", "context deadlines"), p.Limit("count"), analysis.FormatRate(p.Limit("rate")))
			return nil
		}
		whole := stretch{from: p.Trace.From, to: p.Trace.To}
		var evidence []analysis.Evidence
		var cut, waited int64
		slices.SortStableFunc(sites, func(a, b *waitingAt) int { return cmp.Compare(cutOff(p, b), cutOff(p, a)) })
		for _, w := range sites {
			if k := cutOff(p, w); k > 0 {
				cut += k
				waited += w.total * k / max(1, w.spans)
				if len(evidence) < 5 {
					evidence = append(evidence, analysis.Evidence{From: p.Rel(whole.from), To: p.Rel(whole.to), Func: w.label[1],
						Note: fmt.Sprintf("%s ended by one", counted(k, "wait", "waits")), Stack: p.Stack(w.stack)})
				}
			}
		}
		text := fmt.Sprintf("Context deadlines expire: %s (%s)", analysis.FormatCount(n), analysis.FormatRate(rate))
		if len(evidence) > 0 {
			text += fmt.Sprintf("; they ended %s, most at %s", counted(cut, "wait", "waits"), evidence[0].Func)
		}
		p.Find(analysis.Finding{
			Severity: severity, Confidence: analysis.Inferred, Summary: text,
			Cost:     analysis.Cost{Value: waited, Total: userTime(p), Clock: analysis.GTime},
			Evidence: evidence,
			Advice:   "Work that is given up was for nothing: find what makes it late (latency-tail, lock-convoy, netpoll-delay), do less of it at once, or allow it the time it takes. goroutines.created, which counts one for each, should fall.",
			Caveat:   "Told from the goroutines that the context package starts for a timer. Deadlines of connections (SetReadDeadline) do not show in a trace, nor do those that expired with nobody waiting.",
		})
		return nil
	},
}

// expiresDeadline reports whether a goroutine of that entry function is what a timer
// of the context package starts (context.go: WithDeadlineCause; WithDeadline before
// Go 1.21).
func expiresDeadline(fn string) bool {
	return strings.HasPrefix(fn, "context.WithDeadline") && strings.Contains(fn, ".func")
}

// cutOff is how many of the waits a context's deadline ended.
func cutOff(p *analysis.Pass, w *waitingAt) (n int64) {
	for stack, k := range w.wakers {
		if expiresDeadline(p.Trace.String(p.Trace.Entry(stack))) {
			n += k
		}
	}
	return n
}
