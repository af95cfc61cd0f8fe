package measures

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"

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
func (f *LatencyFold) Headline() *sketch.Histogram {
	var h sketch.Histogram
	for r := range f.hist[parse.ClassUser] {
		if parse.Ready(r) != parse.ReadyYield {
			h.Merge(&f.hist[parse.ClassUser][r])
		}
	}
	return &h
}

// ofClass is the distribution of one class over all causes, yields included.
func (f *LatencyFold) ofClass(c parse.Class) *sketch.Histogram {
	var h sketch.Histogram
	for r := range f.hist[c] {
		h.Merge(&f.hist[c][r])
	}
	return &h
}

func runLatency(p *analysis.Pass) error {
	f := analysis.Fold[*LatencyFold](p)
	user := f.Headline()
	var all sketch.Histogram
	for c := range f.hist {
		all.Merge(f.ofClass(parse.Class(c)))
	}
	p.Metric("sched.starts", f.starts, f.starts)
	p.Metric("sched.starts.user", f.startsUser, f.startsUser)
	p.Metric("sched.migrations", f.migrations, f.placed)
	p.Quantiles("sched.latency.user", user)
	p.Quantiles("sched.latency.all", &all)
	for _, r := range []parse.Ready{
		parse.ReadyCreated, parse.ReadyUnblocked, parse.ReadyNetpoll, parse.ReadyTimer, parse.ReadyYield,
		parse.ReadyPreempted, parse.ReadyLockHandoff, parse.ReadySyscall, parse.ReadyGC,
	} {
		p.Quantiles("sched.latency."+r.String(), &f.hist[parse.ClassUser][r])
	}
	// The worst waits are those of the headline; the first of a cause is the worst of it.
	told := make(map[parse.Ready]bool)
	for i, e := range f.worst.Items() {
		if i == 0 {
			p.When("sched.latency.user.max", e.Item.Since)
		}
		if r := e.Item.Ready; !told[r] {
			told[r] = true
			p.When("sched.latency."+r.String()+".max", e.Item.Since)
		}
	}

	sayLatency(p, f, user)
	causes := causeTable(f, user.Sum())
	causes.N = f.ofClass(parse.ClassUser).N()
	p.Table(causes)
	p.Table(latencyByFunc(p, f, user))
	p.Table(latencyWorst(p, f, user))
	p.Table(latencyByClass(f, all.N()))

	byCause := say.ECDFTable("latency.ecdf.cause", "user goroutines: share of waits for a P up to a latency, by how they became runnable", "cause", f.ofClass(parse.ClassUser).N())
	say.AddECDF(byCause, "all but yields", user)
	for r := range f.hist[parse.ClassUser] {
		say.AddECDF(byCause, say.ReadyWord(parse.Ready(r)), &f.hist[parse.ClassUser][r])
	}
	p.Table(byCause)
	byClass := say.ECDFTable("latency.ecdf.class", "share of waits for a P up to a latency, by class of goroutine, yields included", "class", all.N())
	for c := range f.hist {
		say.AddECDF(byClass, parse.Class(c).String(), f.ofClass(parse.Class(c)))
	}
	p.Table(byClass)
	p.Table(latencyOverTime(p, f, user.N()))

	p.Figure(analysis.Figure{Name: "latency.cause", Title: latencyTitle(p, f, user), Mark: analysis.ECDF, Table: byCause.Name, X: "latency", Y: []string{"share"}, Series: "cause", Refs: say.QuantileRefs(p, user)})
	p.Figure(analysis.Figure{
		Name: "latency.class", Title: latencyByClassTitle(p, f), Mark: analysis.ECDF,
		Table: byClass.Name, X: "latency", Y: []string{"share"}, Series: "class", Refs: say.QuantileRefs(p, f.ofClass(parse.ClassUser)),
	})
	p.Figure(analysis.Figure{
		Name: "latency.time", Title: latencyTimeTitle(p, f, user),
		Mark: analysis.HeatTime, Table: "latency.time", X: "begin", Y: []string{"waits", "to"}, Series: "from", End: "end",
	})
	return nil
}

func latencyTitle(p *analysis.Pass, f *LatencyFold, user *sketch.Histogram) string {
	yields := &f.hist[parse.ClassUser][parse.ReadyYield]
	switch {
	case user.N() == 0:
		return fmt.Sprintf("User goroutines waited for a P only after %s, %s", say.Counted(yields.N(), "yield", "yields"), say.Typical(p, yields))
	case yields.N() == 0:
		return fmt.Sprintf("User goroutines wait for a P %s", say.Typical(p, user))
	}
	return fmt.Sprintf("User goroutines wait for a P %s, yields left out", say.Typical(p, user))
}

func latencyByClassTitle(p *analysis.Pass, f *LatencyFold) string {
	var parts []string
	for c := range f.hist {
		if h := f.ofClass(parse.Class(c)); h.N() > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", parse.Class(c), p.Dur(h.Max())))
		}
	}
	return "Longest wait for a P: " + strings.Join(parts, ", ")
}

func latencyTimeTitle(p *analysis.Pass, f *LatencyFold, user *sketch.Histogram) string {
	if user.N() == 0 {
		return "No user goroutine waited for a P, yields left out"
	}
	const long = 1e6
	var n int64
	for lane := range f.overTime.Lanes() {
		if lane > 0 && latencyBounds[lane-1] >= long {
			for b := range f.overTime.Len() {
				n += f.overTime.At(b, lane)
			}
		}
	}
	worst := f.worst.Items()[0]
	if user.N() == 1 {
		return fmt.Sprintf("The only wait for a P took %s, from %s", p.Dur(worst.Value), p.At(worst.Item.Since))
	}
	none := "none"
	if n > 0 {
		none = analysis.FormatCount(n)
	}
	return fmt.Sprintf("Of %s for a P %s took 1 ms or more; the longest took %s from %s",
		say.Counted(user.N(), "wait", "waits"), none, p.Dur(worst.Value), p.At(worst.Item.Since))
}

func sayLatency(p *analysis.Pass, f *LatencyFold, user *sketch.Histogram) {
	if user.N() == 0 {
		p.Say("no user goroutine waited for a P in %s, yields left out (%s of any goroutine)",
			p.Dur(p.Trace.Duration()), say.Counted(f.starts, "start", "starts"))
	} else {
		var qs []string
		for _, q := range []struct {
			name string
			q    float64
		}{{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p99.9", .999}} {
			if v, ok := user.Quantile(q.q); ok {
				qs = append(qs, q.name+" "+p.Dur(v))
			}
		}
		worst := f.worst.Items()[0]
		qs = append(qs, fmt.Sprintf("longest %s at %s (%s, %s)", p.Dur(worst.Value), p.At(worst.Item.Since), p.FuncName(worst.Item.Fn), worst.Item.Ready))
		p.Say("user goroutines waited %s for a P in %s: %s", p.Dur(user.Sum()), say.Counted(user.N(), "wait", "waits"), strings.Join(qs, ", "))

		type part struct {
			ready parse.Ready
			h     *sketch.Histogram
		}
		var parts []part
		for r := range f.hist[parse.ClassUser] {
			if h := &f.hist[parse.ClassUser][r]; h.N() > 0 && parse.Ready(r) != parse.ReadyYield {
				parts = append(parts, part{parse.Ready(r), h})
			}
		}
		if len(parts) > 1 {
			slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(b.h.Sum(), a.h.Sum()) })
			var texts []string
			for _, c := range parts[:min(3, len(parts))] {
				texts = append(texts, fmt.Sprintf("%s %s (n=%s)", c.ready, analysis.FormatRatio(say.Ratio(c.h.Sum(), user.Sum())), analysis.FormatCount(c.h.N())))
			}
			p.Say("of that time, by how they became runnable: %s", strings.Join(texts, ", "))
		}
	}
	var apart []string
	add := func(n int64, one, many string) {
		if n > 0 {
			apart = append(apart, say.Counted(n, one, many))
		}
	}
	add(f.hist[parse.ClassUser][parse.ReadyYield].N(), "yield", "yields")
	add(f.coroutines, "coroutine switch", "coroutine switches")
	add(f.starts-f.startsUser, "start of the runtime's and the tracer's own goroutines", "starts of the runtime's and the tracer's own goroutines")
	add(f.begun, "wait begun before the trace", "waits begun before the trace")
	if f.open.n > 0 {
		apart = append(apart, fmt.Sprintf("%s not over at its end (longest so far %s)", say.Counted(f.open.n, "wait", "waits"), p.Dur(f.open.longest)))
	}
	if len(apart) > 0 {
		p.Say("not in these: %s", strings.Join(apart, ", "))
	}
}

func latencyColumns(first ...analysis.Column) []analysis.Column {
	return append(first,
		analysis.Column{Name: "n", Unit: analysis.Count},
		analysis.Column{Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower},
		analysis.Column{Name: "p90", Unit: analysis.NS, Polarity: analysis.Lower},
		analysis.Column{Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower},
		analysis.Column{Name: "max", Unit: analysis.NS, Polarity: analysis.Lower},
		analysis.Column{Name: "total", Unit: analysis.NS, Polarity: analysis.Lower},
	)
}

func latencyCells(h *sketch.Histogram) []any {
	return []any{h.N(), say.QuantileCell(h, .5), say.QuantileCell(h, .9), say.QuantileCell(h, .99), h.Max(), h.Sum()}
}

// causeTable has the user goroutines by cause, the largest total first; yields,
// which are not in the headline, come last.
func causeTable(f *LatencyFold, total int64) *analysis.Table {
	t := &analysis.Table{
		Name: "latency.cause", Title: "user goroutines: waits for a P by how they became runnable (yields are in no total)",
		Columns: append(latencyColumns(analysis.Column{Name: "ready by", Unit: analysis.Text}),
			analysis.Column{Name: "share", Unit: analysis.Ratio}),
	}
	var order []parse.Ready
	for r := range f.hist[parse.ClassUser] {
		if f.hist[parse.ClassUser][r].N() > 0 {
			order = append(order, parse.Ready(r))
		}
	}
	sum := func(r parse.Ready) int64 {
		if r == parse.ReadyYield {
			return -1
		}
		return f.hist[parse.ClassUser][r].Sum()
	}
	slices.SortStableFunc(order, func(a, b parse.Ready) int { return cmp.Compare(sum(b), sum(a)) })
	for _, r := range order {
		h := &f.hist[parse.ClassUser][r]
		share := say.RatioCell(h.Sum(), total)
		if r == parse.ReadyYield {
			share = nil
		}
		t.Add(append(append([]any{say.ReadyWord(r)}, latencyCells(h)...), share)...)
	}
	return t
}

// latencyByClass has every class and cause, user goroutines first.
func latencyByClass(f *LatencyFold, n int64) *analysis.Table {
	t := &analysis.Table{
		Name: "latency.class", Title: "all goroutines: waits for a P by class and how they became runnable", Detail: true, N: n,
		Columns: latencyColumns(analysis.Column{Name: "class", Unit: analysis.Text}, analysis.Column{Name: "ready by", Unit: analysis.Text}),
	}
	for c := range f.hist {
		for r := range f.hist[c] {
			if h := &f.hist[c][r]; h.N() > 0 {
				t.Add(append([]any{parse.Class(c).String(), say.ReadyWord(parse.Ready(r))}, latencyCells(h)...)...)
			}
		}
	}
	return t
}

func latencyByFunc(p *analysis.Pass, f *LatencyFold, user *sketch.Histogram) *analysis.Table {
	t := &analysis.Table{
		Name: "latency.function", Title: "user goroutines: waits for a P by entry function, without yields", N: user.N(),
		Columns: append(latencyColumns(analysis.Column{Name: "function", Unit: analysis.Text}),
			analysis.Column{Name: "share", Unit: analysis.Ratio}),
	}
	rows := tally.Rank(f.funcs.ByKey(), func(fn parse.StringID) tally.Label { return tally.Label{p.FuncName(fn)} },
		(*sketch.Histogram).Merge, (*sketch.Histogram).Sum)
	for _, r := range rows {
		t.Add(append(append([]any{r.Label[0]}, latencyCells(r.V)...), say.RatioCell(r.V.Sum(), user.Sum()))...)
	}
	t.Limit(10)
	return t
}

// Largest returns the cause with the largest part of a wait.
func Largest(parts *[parse.NumCauses]int64) (c parse.Cause, ns int64) {
	for i, v := range parts {
		if v > ns {
			c, ns = parse.Cause(i), v
		}
	}
	return c, ns
}

func latencyWorst(p *analysis.Pass, f *LatencyFold, user *sketch.Histogram) *analysis.Table {
	t := &analysis.Table{
		Name: "latency.worst", Title: "user goroutines: longest waits for a P and the largest part of each, without yields", N: user.N(),
		Columns: []analysis.Column{
			{Name: "at", Unit: analysis.Moment}, {Name: "wait", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "G", Unit: analysis.G}, {Name: "P", Unit: analysis.P}, {Name: "function", Unit: analysis.Text},
			{Name: "ready by", Unit: analysis.Text}, {Name: "blocked on", Unit: analysis.Text},
			{Name: "mostly", Unit: analysis.Text}, {Name: "share", Unit: analysis.Ratio}, {Name: "readied at", Unit: analysis.Text},
		},
	}
	for _, e := range f.worst.Items() {
		w := &e.Item
		var blockedOn, waker any
		if w.blockedOn != 0 {
			blockedOn = p.Trace.String(w.blockedOn)
		}
		if w.Waker != 0 {
			waker = p.SiteName(w.Waker)
		}
		c, ns := Largest(&w.Parts)
		t.Add(p.Rel(w.Since), e.Value, int64(w.G), int64(w.P), p.FuncName(w.Fn), say.ReadyWord(w.Ready), blockedOn, c.String(), say.RatioCell(ns, e.Value), waker)
	}
	return t
}

// latencyOverTime has the waits by when they ended and how long they were, in at
// most 128 columns of time.
func latencyOverTime(p *analysis.Pass, f *LatencyFold, n int64) *analysis.Table {
	t := &analysis.Table{
		Name: "latency.time", Title: "user goroutines: waits for a P by when they ended and how long they were, without yields", N: n, Detail: true,
		Columns: []analysis.Column{
			{Name: "begin", Unit: analysis.Moment}, {Name: "end", Unit: analysis.Moment},
			{Name: "from", Unit: analysis.NS}, {Name: "to", Unit: analysis.NS}, {Name: "waits", Unit: analysis.Count},
		},
	}
	s := f.overTime
	step := (s.Len() + 127) / 128
	edge := func(bucket int) int64 {
		moment := parse.Time(s.Start() + int64(bucket)*s.Width())
		return p.Rel(min(max(moment, p.Trace.From), p.Trace.To))
	}
	for b := 0; b < s.Len(); b += step {
		for lane := range s.Lanes() {
			var sum int64
			for i := b; i < min(b+step, s.Len()); i++ {
				sum += s.At(i, lane)
			}
			if sum > 0 {
				from, to := LatencyClass(lane)
				t.Add(edge(b), edge(b+step), from, to, sum)
			}
		}
	}
	return t
}

// LatencyClass is from where on and below what a class of latencyBounds is. The
// last is drawn as if it ended.
func LatencyClass(lane int) (from, to int64) {
	if lane > 0 {
		from = latencyBounds[lane-1]
	}
	if lane < len(latencyBounds) {
		return from, latencyBounds[lane]
	}
	return from, 2 * from
}
