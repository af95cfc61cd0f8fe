package measures

import (
	"math/bits"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var Latency = &analysis.Analyzer{
	Name:  "latency",
	Doc:   say.Page(pages, "latency"),
	Kinds: parse.KindsOf(parse.KindGoRunnable),
	New:   func() analysis.Collector { return newLatencyFold() },
	Run:   runLatency,
	Metrics: []analysis.MetricDef{
		{ID: "sched.starts", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "runnable to running, all goroutines"},
		{ID: "sched.starts.user", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "runnable to running, user goroutines"},
		{ID: "sched.latency.user.{p50,p90,p99,p999,max}", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Doc: "runnable to running of user goroutines, without voluntary yields and coroutine switches"},
		{ID: "sched.latency.user.total", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "runnable to running of user goroutines, without voluntary yields and coroutine switches"},
		{ID: "sched.latency.all.{p50,p90,p99,p999,max}", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Doc: "runnable to running of all goroutines and causes, without coroutine switches"},
		{ID: "sched.latency.all.total", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "runnable to running of all goroutines and causes, without coroutine switches"},
		{ID: "sched.latency.{created,unblocked,netpoll,timer,yield,preempted,lockhandoff,syscall,gc}.{p50,p99,max}", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Doc: "runnable to running of user goroutines that became runnable this way"},
		{ID: "sched.latency.{created,unblocked,netpoll,timer,yield,preempted,lockhandoff,syscall,gc}.total", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "runnable to running of user goroutines that became runnable this way"},
		{ID: "sched.migrations", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "starts on another P than the goroutine's run before"},
	},
	Figures: []analysis.FigureDef{
		{Name: "latency.cause", Doc: "scheduling latency of user goroutines by how they became runnable", Always: 1e11},
		{Name: "latency.class", Doc: "scheduling latency by class of goroutine"},
		{Name: "latency.time", Doc: "scheduling latency of user goroutines over time"},
	},
}

// awaitsP reports whether a runnable span is a wait that a user goroutine did not
// choose: yields and coroutine switches are none.
func awaitsP(g *parse.Go) bool {
	return g.Class == parse.ClassUser && g.Ready != parse.ReadyYield && !viaCoroutine(g)
}

func viaCoroutine(g *parse.Go) bool {
	return g.Ready == parse.ReadyCoroutine || g.Origin == parse.OriginCoroutine
}

// latencyBounds cut scheduling latencies into classes for the heat map: class i
// holds those of at least latencyBounds[i-1] and less than latencyBounds[i] ns.
var latencyBounds = func() []int64 {
	var b []int64
	for ns := int64(1e3); ns <= 1e8; ns *= 10 {
		b = append(b, ns, 2*ns, 5*ns)
	}
	return append(b, 1e9)
}()

// latencyFirst is the class of the shortest latency of as many bits.
var latencyFirst = func() (first [64]int) {
	for i := range first {
		first[i], _ = slices.BinarySearch(latencyBounds, int64(1)<<max(i-1, 0)+1)
	}
	return first
}()

// LatencyLane returns the class of a latency.
func LatencyLane(ns int64) int {
	lane := latencyFirst[bits.Len64(uint64(ns))&63]
	for lane < len(latencyBounds) && latencyBounds[lane] <= ns {
		lane++
	}
	return lane
}

// LatencyFold holds the scheduling latencies of a trace. Partial waits count in
// starts only.
type LatencyFold struct {
	starts, startsUser int64
	coroutines         int64 // of starts
	placed, migrations int64 // of starts without coroutines: that ran before, and on another P
	begun              int64 // user waits that were under way when the trace began
	open               openWaits
	hist               [parse.NumClasses][parse.NumReady]sketch.Histogram
	funcs              tally.ByID[parse.StringID, sketch.Histogram] // awaitsP, by entry function
	overTime           *sketch.Series                               // awaitsP, a lane for each class of latencyBounds
	during             sketch.Histogram                             // awaitsP, that touched a GC cycle
	worst              *sketch.Top[worstWait]
	wakers             tally.Keyed[LongWaitKey, LongWaits]  // awaitsP of longWait or longer
	threads            tally.ByID[parse.StackID, ThreadUse] // awaitsP of ReadyUnblocked, by where it had waited
}

// LongWait is from where on (ns) who made a goroutine wait is kept.
const LongWait = 1_000_000

// LongWaitKey is how and where goroutines that waited long became runnable.
type LongWaitKey struct {
	Ready parse.Ready
	Stack parse.StackID
}

type LongWaits struct{ N, Total, Longest int64 }

func (w *LongWaits) Add(o *LongWaits) {
	w.N += o.N
	w.Total += o.Total
	w.Longest = max(w.Longest, o.Longest)
}

// ThreadUse is on which threads goroutines were started that had waited at one
// place, and how long they waited for a P.
type ThreadUse struct {
	N       int64
	M       parse.ThreadID // of the first start
	Mixed   bool           // there are others
	Octaves [octaves]int64 // waits by their number of bits
}

const octaves = 40

func (u *ThreadUse) start(m parse.ThreadID, held int64) {
	if u.N == 0 {
		u.M = m
	}
	u.N++
	u.Mixed = u.Mixed || u.M != m
	u.Octaves[min(bits.Len64(uint64(held)), octaves-1)]++
}

func (u *ThreadUse) Add(o *ThreadUse) {
	if o.N == 0 {
		return
	}
	if u.N == 0 {
		u.M = o.M
	}
	u.N += o.N
	u.Mixed = u.Mixed || o.Mixed || u.M != o.M
	for i, n := range o.Octaves {
		u.Octaves[i] += n
	}
}

// openWaits are waits of user goroutines that outlast the trace.
type openWaits struct{ n, longest int64 }

// A worstWait is what the tables of the worst waits show of one.
type worstWait struct {
	G         parse.GoID
	P         parse.ProcID // that ended it
	Fn        parse.StringID
	Ready     parse.Ready
	blockedOn parse.StringID
	Waker     parse.StackID
	Since     parse.Time
	Parts     [parse.NumCauses]int64
}

func newWorstWait(g *parse.Go) worstWait {
	return worstWait{g.ID, g.P, g.Func, g.Ready, g.BlockedOn, g.WakerStack, g.Since, g.Wait}
}

var CauseTexts = [parse.NumCauses]string{
	parse.CauseUser:      "Ps busy with user work",
	parse.CauseSystem:    "Ps busy with the runtime's own goroutines",
	parse.CauseGC:        "Ps busy with GC marking",
	parse.CauseSTW:       "stopped world",
	parse.CauseWakeup:    "wake-up of idle Ps",
	parse.CauseSyscall:   "Ps held by system calls",
	parse.CauseScheduler: "Ps in the scheduler",
	parse.CauseUnknown:   "unknown state of Ps",
}

const worstWaits = 10

func newLatencyFold() *LatencyFold {
	return &LatencyFold{
		overTime: sketch.NewSeries(len(latencyBounds) + 1),
		worst:    sketch.NewTop[worstWait](worstWaits),
	}
}

func (f *LatencyFold) Event(e *parse.Event) {
	g := e.Go
	if g.From != parse.GoRunnable {
		return
	}
	held, class, waits := int64(e.Time-g.Since), g.Class, awaitsP(g)
	if g.To == parse.GoUndetermined && waits {
		f.open.n++
		f.open.longest = max(f.open.longest, held)
	}
	if g.To != parse.GoRunning {
		return
	}
	f.starts++
	if class == parse.ClassUser {
		f.startsUser++
	}
	if viaCoroutine(g) {
		f.coroutines++
		return
	}
	if g.LastP != parse.NoProc {
		f.placed++
		if g.LastP != g.P {
			f.migrations++
		}
	}
	if g.Partial {
		if waits {
			f.begun++
		}
		return
	}
	f.hist[class][g.Ready].Add(held)
	if !waits {
		return
	}
	f.funcs.At(g.Func).Add(held)
	if g.BlockedStack != 0 && g.Ready == parse.ReadyUnblocked {
		f.threads.At(g.BlockedStack).start(e.M, held)
	}
	if held >= LongWait {
		key := LongWaitKey{g.Ready, g.WakerStack}
		f.wakers.At(key, tally.Mix(uint32(key.Stack), uint32(key.Ready))).Add(&LongWaits{1, held, held})
	}
	f.overTime.AddPoint(LatencyLane(held), int64(e.Time), 1)
	// The queue that marking leaves behind is the cycle's, though it is over.
	if e.GC != 0 || g.Wait[parse.CauseGC] > 0 {
		f.during.Add(held)
	}
	if f.worst.Wants(held) {
		f.worst.Add(sketch.Key{Value: held, Time: int64(g.Since), ID: int64(g.ID)}, newWorstWait(g))
	}
}

func (f *LatencyFold) Merge(next analysis.Collector) {
	o := next.(*LatencyFold)
	f.starts += o.starts
	f.startsUser += o.startsUser
	f.coroutines += o.coroutines
	f.placed += o.placed
	f.migrations += o.migrations
	f.begun += o.begun
	f.open.n += o.open.n
	f.open.longest = max(f.open.longest, o.open.longest)
	for c := range f.hist {
		for r := range f.hist[c] {
			f.hist[c][r].Merge(&o.hist[c][r])
		}
	}
	f.funcs.Merge(&o.funcs, (*sketch.Histogram).Merge)
	f.overTime.Merge(o.overTime)
	f.during.Merge(&o.during)
	f.worst.Merge(o.worst)
	f.wakers.Merge(&o.wakers, (*LongWaits).Add)
	f.threads.Merge(&o.threads, (*ThreadUse).Add)
}

// Headline is the distribution of user waits without yields.
func (f *LatencyFold) Headline(p *analysis.Pass) *sketch.Histogram {
	return &analysis.Model(p, f.headline).Histogram
}

type headline struct{ sketch.Histogram }

func (f *LatencyFold) headline() *headline {
	h := new(headline)
	for r := range f.hist[parse.ClassUser] {
		if parse.Ready(r) != parse.ReadyYield {
			h.Merge(&f.hist[parse.ClassUser][r])
		}
	}
	return h
}
