package measures

import (
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var Blocking = &analysis.Analyzer{
	Name:  "blocking",
	Doc:   say.Page(pages, "blocking"),
	Kinds: parse.KindsOf(parse.KindGoWaiting, parse.KindRound),
	New:   func() analysis.Collector { return new(BlockingFold) },
	Run:   runBlocking,
	Metrics: []analysis.MetricDef{
		{ID: "block.{sync,chan,select,network,sleep,gcassist,other}.total", Unit: analysis.NS, Polarity: analysis.Neutral, Clock: analysis.GTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "waiting time of user goroutines by reason"},
	},
	Figures: []analysis.FigureDef{
		{Name: "blocking.waits", Doc: "what user goroutines wait for, over time", Always: .7},
	},
}

// BlockingFold holds the waits of user goroutines.
type BlockingFold struct {
	sites   tally.Keyed[BlockSite, blockedAt]
	reasons tally.Keyed[blockReason, sketch.Histogram] // lengths of the whole waits
	wakers  tally.Pairs[blockWaker, int64]             // waits ended
	rounds  tally.ByID[parse.PlaceID, roundsAt]
}

// blockReason is the reason the trace gives for a wait, or why it gives none.
type blockReason struct {
	Reason parse.StringID
	Told   blockTold
}

type blockTold uint8

const (
	blockToldReason blockTold = iota // as it says; "" is a coroutine switch since Go 1.22
	blockBefore                      // the wait began before the trace
	BlockUnnamed                     // and whose goroutine it is is not known either
)

type BlockSite struct {
	blockReason
	Stack parse.StackID
}

type blockWaker struct {
	BlockSite
	Ready parse.Ready
	Stack parse.StackID // of a goroutine that woke it
}

func (k *blockWaker) hash() uint32 {
	return tally.Mix(tally.Mix(uint32(k.BlockSite.Stack), uint32(k.Reason)), uint32(k.Stack))
}

// blockWakers lets those beyond the limit end waits at a place that is not told.
var blockWakers = tally.PairOf[blockWaker, int64]{
	ID:     func(k blockWaker) uint32 { return uint32(k.Stack) },
	Others: func(k blockWaker) (blockWaker, uint32) { k.Stack = 0; return k, k.hash() },
	Add:    func(n, more *int64) { *n += *more },
}

type BlockWaits struct {
	Spans, Total int64 // all, and their time in the trace
	N, Sum, Max  int64 // of those with start and end in the trace
	Open, Oldest int64 // that the end of the trace cut, and the longest of them
	Idle, idleNS int64 // of them, that lasted through the whole trace
}

func (w *BlockWaits) Add(o *BlockWaits) {
	w.Spans += o.Spans
	w.Total += o.Total
	w.N += o.N
	w.Sum += o.Sum
	w.Max = max(w.Max, o.Max)
	w.Open += o.Open
	w.Oldest = max(w.Oldest, o.Oldest)
	w.Idle += o.Idle
	w.idleNS += o.idleNS
}

// Busy is the waiting time of goroutines that did something else too.
func (w *BlockWaits) Busy() int64 { return w.Total - w.idleNS }

// mean returns the mean of the whole waits, nil as a cell when there is none.
func (w *BlockWaits) mean() any {
	if w.N == 0 {
		return nil
	}
	return w.Mean()
}

// Mean is the mean of whole waits, 0 when there is none.
func (w *BlockWaits) Mean() int64 { return w.Sum / max(w.N, 1) }

// longest returns the longest whole wait, nil as a cell when there is none.
func (w *BlockWaits) longest() any {
	if w.N == 0 {
		return nil
	}
	return w.Max
}

type blockedAt struct {
	BlockWaits
	reason   *sketch.Histogram // the whole waits of its reason
	lengths  tally.Coarse      // its own
	overTime *sketch.Series

	// Of waits of queueMin or longer.
	turns   turns
	waiters sketch.IDs // goroutines whose waits another one ended
	wokenBy sketch.IDs // and those that ended them
}

// queueMin is from where on (ns) a wait may be one in a queue.
const queueMin = 100_000

// turns is how often waits end in the order in which they began, as in a queue.
type turns struct {
	n, late     int64 // waits, and of them those that began before the one that ended last
	first, last parse.Time
}

func (t *turns) merge(next turns) {
	switch {
	case next.n == 0:
		return
	case t.n == 0:
		*t = next
		return
	case next.first < t.last:
		t.late++
	}
	t.n, t.late, t.last = t.n+next.n, t.late+next.late, next.last
}

// site returns what is held of a site.
func (f *BlockingFold) site(k BlockSite, hash uint32) *blockedAt {
	w := f.sites.At(k, hash)
	if w.reason == nil {
		w.reason = f.reason(k.blockReason)
		w.overTime = sketch.NewSeries(1)
	}
	return w
}

func (f *BlockingFold) reason(k blockReason) *sketch.Histogram {
	return f.reasons.At(k, tally.Mix(uint32(k.Reason), uint32(k.Told)))
}

func (f *BlockingFold) Event(e *parse.Event) {
	if e.Kind == parse.KindRound {
		f.round(e)
		return
	}
	g := e.Go
	if g.From != parse.GoWaiting || g.Class != parse.ClassUser || g.Ready == parse.ReadyCoroutine {
		return
	}
	k := BlockSite{blockReason{Reason: g.FromReason}, g.FromStack}
	switch {
	case g.FromReason == 0 && g.Partial && g.Func == 0:
		k.Told = BlockUnnamed
	case g.FromReason == 0 && g.Partial:
		k.Told = blockBefore
	}
	held, hash := int64(e.Time-g.Since), tally.Mix(uint32(k.Stack), uint32(k.Reason))
	w := f.site(k, hash)
	w.Spans++
	w.Total += held
	w.overTime.AddSpan(0, int64(g.Since), int64(e.Time), 1)
	if g.To == parse.GoUndetermined {
		w.Open++
		w.Oldest = max(w.Oldest, held)
		if g.Partial {
			w.Idle++
			w.idleNS += held
		}
		return
	}
	if held >= queueMin {
		w.turns.merge(turns{n: 1, first: g.Since, last: g.Since})
	}
	if !g.Partial {
		w.N++
		w.Sum += held
		w.Max = max(w.Max, held)
		w.lengths.Add(held)
		w.reason.Add(held)
	}
	waker := blockWaker{BlockSite: k, Ready: g.Ready}
	if g.Ready == parse.ReadyUnblocked {
		waker.Stack = g.WakerStack
		if held >= queueMin {
			w.waiters.Add(uint64(g.ID))
			w.wokenBy.Add(uint64(g.Waker))
		}
	}
	*f.wakers.At(waker, tally.Mix(hash, uint32(waker.Stack)), &blockWakers)++
}

func (f *BlockingFold) Merge(next analysis.Collector) {
	o := next.(*BlockingFold)
	for _, e := range o.sites.Entries {
		w := f.site(e.Key, e.Hash)
		w.Add(&e.V.BlockWaits)
		w.lengths.Merge(&e.V.lengths)
		w.overTime.Merge(e.V.overTime)
		w.turns.merge(e.V.turns)
		w.waiters.Merge(&e.V.waiters)
		w.wokenBy.Merge(&e.V.wokenBy)
	}
	f.reasons.Merge(&o.reasons, (*sketch.Histogram).Merge)
	f.wakers.Merge(&o.wakers, &blockWakers)
	f.rounds.Merge(&o.rounds, (*roundsAt).merge)
}

// blockGroups are the groups of reasons of the metrics, in the order of the report.
var blockGroups = []string{"sync", "chan", "select", "network", "sleep", "gcassist", "other"}

// blockWord is a group in words.
func blockWord(group string) string {
	switch group {
	case "chan":
		return "channel"
	case "gcassist":
		return "mark assist"
	}
	return group
}

// blockGroup returns the group of a reason (runtime/traceruntime.go:
// traceBlockReasonStrings).
func blockGroup(reason string) string {
	switch reason {
	case "sync", "sync.(*Cond).Wait":
		return "sync"
	case "chan send", "chan receive":
		return "chan"
	case "select", "network", "sleep":
		return reason
	case "GC mark assist wait for work":
		return "gcassist"
	}
	return "other"
}

const blockUntold = "(since before the trace)"

// BlockReasonOf names the reason of a wait. Of one that began before the trace it
// is told by the stack in the goroutine's status, which the runtime function that
// parked it is on. It is "" for waits that are none: coroutine switches.
func BlockReasonOf(tr *parse.Trace, k BlockSite) string {
	switch {
	case k.Told == blockToldReason && k.Reason != 0:
		return tr.String(k.Reason)
	case k.Told == blockToldReason && tr.V1():
		return "(not told)"
	case k.Told == blockToldReason:
		return ""
	}
	for _, f := range tr.Stack(k.Stack) {
		switch fn := tr.String(f.Func); fn {
		case "runtime.coroswitch", "runtime.coroswitch_m", "runtime.corostart":
			return ""
		case "runtime.selectgo":
			return "select"
		case "runtime.chanrecv", "runtime.chanrecv1", "runtime.chanrecv2":
			return "chan receive"
		case "runtime.chansend", "runtime.chansend1":
			return "chan send"
		case "internal/poll.runtime_pollWait":
			return "network"
		case "time.Sleep":
			return "sleep"
		case "sync.runtime_notifyListWait":
			return "sync.(*Cond).Wait"
		case "runtime.gcParkAssist":
			return "GC mark assist wait for work"
		case "runtime.block":
			return "forever"
		default:
			if strings.HasPrefix(fn, "runtime.semacquire") || strings.Contains(fn, ".runtime_Semacquire") {
				return "sync"
			}
		}
	}
	return blockUntold
}
