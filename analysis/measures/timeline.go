package measures

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var Timeline = &analysis.Analyzer{
	Name:  "timeline",
	Doc:   say.Page(pages, "timeline"),
	Kinds: parse.KindsOf(parse.KindProc),
	New:   func() analysis.Collector { return newTimelineFold() },
	Run:   runTimeline,
	Metrics: []analysis.MetricDef{
		{ID: "procs.time", Unit: analysis.NS, Polarity: analysis.Neutral, Clock: analysis.PTime, Confidence: analysis.Measured, Scale: analysis.Extent, Doc: "integral of GOMAXPROCS over the trace: the whole of every procs.share"},
		{ID: "procs.share.{user,system,gcworker,assist,syscall,scheduler,idle,stw}", Unit: analysis.Ratio, Polarity: analysis.Neutral, Clock: analysis.PTime, Confidence: analysis.Measured, Doc: "share of P time in that state; the eight sum to 1"},
		{ID: "procs.wakeups", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "P from idle to running"},
		{ID: "procs.wakeups.fruitless", Unit: analysis.Count, Polarity: analysis.Lower, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "wake-ups that reach idle again without starting a goroutine"},
	},
	Figures: []analysis.FigureDef{
		{Name: "timeline.time", Doc: "P time by state over time", Always: .9},
		{Name: "timeline.lanes", Doc: "each P by state over time", Always: 1e12},
		{Name: "timeline.spans", Doc: "each P by state, exact spans, of a short time", Always: 1e12, Replaces: "timeline.lanes"},
	},
}

// timelineLanes is how many Ps have a lane over time (32 KiB each); the others are
// in every total.
const timelineLanes = 256

// A Share is one of the eight parts of P time: stopped Ps and the one that stops
// them are together.
type Share int

const (
	ShareUser Share = iota
	ShareSystem
	ShareWorker
	ShareAssist
	ShareSyscall
	shareScheduler
	ShareIdle
	shareSTW
	NumShares
)

// In metrics, and for people.
var (
	shareIDs   = [NumShares]string{"user", "system", "gcworker", "assist", "syscall", "scheduler", "idle", "stw"}
	shareNames = [NumShares]string{"user", "system", "GC worker", "assist", "syscall", "scheduler", "idle", "STW"}
)

var shareOf = [parse.NumProcStates]Share{
	parse.ProcIdle: ShareIdle, parse.ProcScheduler: shareScheduler, parse.ProcUser: ShareUser, parse.ProcSystem: ShareSystem,
	parse.ProcWorker: ShareWorker, parse.ProcAssist: ShareAssist, parse.ProcSyscall: ShareSyscall,
	parse.ProcStopped: shareSTW, parse.ProcStopper: shareSTW,
}

type Shares [NumShares]int64 // ns

func (s *Shares) Sum() (sum int64) {
	for _, v := range s {
		sum += v
	}
	return sum
}

type TimelineFold struct {
	procs tally.ProcTable[timelineProc]
	rest  *sketch.Series // by share, the Ps without a lane

	wakeups, restarts int64             // Idle to Scheduler; of them after a stop-the-world
	found, fruitless  *sketch.Histogram // ns from a wake-up to a goroutine, or to idle again

	spans int  // that the Ps hold
	dense bool // there are more than maxSpans, or nobody reads them: none is held

	stuck stuckThreads
}

// maxSpans is how many spans of Ps are kept as they are.
const maxSpans = 2048

// A timelineSpan is a P in one state, with one goroutine.
type timelineSpan struct {
	from, to parse.Time
	g        parse.GoID
	fn       parse.StringID
	state    Share
}

// joins reports whether o goes on where s ends.
func (s *timelineSpan) joins(o *timelineSpan) bool {
	return s.to == o.from && s.state == o.state && s.g == o.g && s.fn == o.fn
}

// stuckMin is how long (ns) a thread may be between goroutines: the scheduler
// neither blocks nor spins that long, so that a longer one had no CPU.
const stuckMin = 1_000_000

// stuckThreads are spans of Ps in the scheduler of stuckMin or longer.
type stuckThreads struct{ N, NS, Longest, At int64 }

func (s *stuckThreads) add(o stuckThreads) {
	s.N += o.N
	s.NS += o.NS
	if o.Longest > s.Longest || o.Longest == s.Longest && o.At < s.At {
		s.Longest, s.At = o.Longest, o.At
	}
}

type timelineProc struct {
	time    Shares
	wakeups int64
	Over    *sketch.Series // by share; nil from P timelineLanes on
	spans   []timelineSpan // neighbours differ

	// The spans from…to, which is one bucket, are not in the sums yet but here.
	from, to int64
	now      [parse.NumProcStates]int64 // ns
}

func newTimelineFold() *TimelineFold {
	return &TimelineFold{rest: sketch.NewSeries(int(NumShares)), found: new(sketch.Histogram), fruitless: new(sketch.Histogram)}
}

// Brief says that nobody reads the spans.
func (f *TimelineFold) Brief() { f.dense = true }

func (f *TimelineFold) proc(id parse.ProcID) *timelineProc {
	p := f.procs.At(id)
	if p.Over == nil && id < timelineLanes {
		p.Over = sketch.NewSeries(int(NumShares))
	}
	return p
}

func (f *TimelineFold) Event(e *parse.Event) {
	p, held := e.Proc, int64(e.Time-e.Proc.Since)
	own := f.procs.Known(p.ID)
	if own == nil || !f.dense || int64(p.Since) < own.from || held < 0 || int64(e.Time) > own.to || p.From <= parse.ProcNotExist {
		f.add(e)
		return
	}
	own.now[p.From] += held // mostly: a bucket has many spans
	switch p.From {
	case parse.ProcScheduler:
		if p.Prior == parse.ProcIdle || held >= stuckMin {
			f.scheduled(p, held)
		}
	case parse.ProcIdle:
		f.idled(own, p)
	}
}

// add adds a span to the sums. What follows it in the same bucket may wait.
func (f *TimelineFold) add(e *parse.Event) {
	p := e.Proc
	if p.From <= parse.ProcNotExist {
		return
	}
	own := f.proc(p.ID)
	f.settleProc(own)
	s, held := shareOf[p.From], int64(e.Time-p.Since)
	own.time[s] += held
	over := f.over(own)
	over.AddSpan(int(s), int64(p.Since), int64(e.Time), 1)
	if held > 0 {
		own.to = over.BucketEnd(int64(e.Time) - 1)
		own.from = own.to - over.Width()
	}
	if !f.dense {
		f.span(own, timelineSpan{p.Since, e.Time, p.G, p.Func, s})
	}
	switch p.From {
	case parse.ProcScheduler:
		f.scheduled(p, held)
	case parse.ProcIdle:
		f.idled(own, p)
	}
}

// over is where the time of a P belongs.
func (f *TimelineFold) over(own *timelineProc) *sketch.Series {
	if own.Over == nil {
		return f.rest
	}
	return own.Over
}

// settle adds the spans that wait to the sums.
func (f *TimelineFold) settle() {
	for _, own := range f.procs.ByKey() {
		f.settleProc(own)
	}
}

func (f *TimelineFold) settleProc(own *timelineProc) {
	var now Shares
	for s, ns := range own.now {
		now[shareOf[s]] += ns
	}
	if now != (Shares{}) {
		for s, ns := range now {
			own.time[s] += ns
		}
		f.over(own).AddHeld(own.from, 1, now[:])
	}
	own.from, own.to, own.now = 0, 0, [parse.NumProcStates]int64{}
}

// idled counts what ends the rest of a P.
func (f *TimelineFold) idled(own *timelineProc, p *parse.Proc) {
	if p.To == parse.ProcScheduler {
		f.wakeups++
		own.wakeups++
		if p.Prior == parse.ProcStopped {
			f.restarts++
		}
	}
}

// scheduled adds the time of a P between goroutines.
func (f *TimelineFold) scheduled(p *parse.Proc, held int64) {
	if held >= stuckMin {
		f.stuck.add(stuckThreads{1, held, held, int64(p.Since)})
	}
	switch {
	case p.Prior != parse.ProcIdle:
	case p.To == parse.ProcIdle:
		f.fruitless.Add(held)
	case p.To.RunsG():
		f.found.Add(held)
	}
}

// span keeps a span of own. How many there are in the end does not depend on where
// the trace is cut: joining neighbours never leaves fewer than a part has.
func (f *TimelineFold) span(own *timelineProc, s timelineSpan) {
	if s.from == s.to {
		return
	}
	if n := len(own.spans); n > 0 && own.spans[n-1].joins(&s) {
		own.spans[n-1].to = s.to
		return
	}
	if f.spans == maxSpans {
		f.thicken()
		return
	}
	f.spans++
	own.spans = append(own.spans, s)
}

// thicken forgets the spans, which are too many.
func (f *TimelineFold) thicken() {
	f.dense, f.spans = true, 0
	for _, p := range f.procs.ByKey() {
		p.spans = nil
	}
}

func (f *TimelineFold) Merge(next analysis.Collector) {
	o := next.(*TimelineFold)
	f.settle()
	o.settle()
	f.rest.Merge(o.rest)
	if o.dense && !f.dense {
		f.thicken()
	}
	for id, p := range o.procs.ByKey() {
		own := f.proc(id)
		for s, v := range p.time {
			own.time[s] += v
		}
		own.wakeups += p.wakeups
		for _, s := range p.spans {
			if f.dense {
				break
			}
			f.span(own, s)
		}
		if own.Over != nil {
			own.Over.Merge(p.Over)
		}
	}
	f.wakeups += o.wakeups
	f.restarts += o.restarts
	f.found.Merge(o.found)
	f.fruitless.Merge(o.fruitless)
	f.stuck.add(o.stuck)
}

// TimelineSums is a fold and what is summed up of its Ps.
type TimelineSums struct {
	*TimelineFold
	Ps    map[parse.ProcID]*timelineProc
	Total Shares
	Over  *sketch.Series // by share, all Ps
}

// Sums are those of the fold.
func (f *TimelineFold) Sums(p *analysis.Pass) *TimelineSums { return analysis.Model(p, f.sums) }

func (f *TimelineFold) sums() *TimelineSums {
	f.settle()
	t := &TimelineSums{TimelineFold: f, Ps: f.procs.ByKey(), Over: sketch.NewSeries(int(NumShares))}
	t.Over.Merge(f.rest)
	for _, own := range t.Ps {
		for s, v := range own.time {
			t.Total[s] += v
		}
		if own.Over != nil {
			t.Over.Merge(own.Over)
		}
	}
	return t
}

// ProcShares says how P time was spent: parts that sum to all of it, procs.share.ID each.
func ProcShares(of func(id string) float64) string {
	share := func(parts ...Share) string {
		var sum float64
		for _, s := range parts {
			sum += of(shareIDs[s])
		}
		return analysis.FormatRatio(sum)
	}
	return fmt.Sprintf("user %s, GC %s, other runtime %s, scheduler %s, in system calls %s, stopped %s, idle %s",
		share(ShareUser), share(ShareWorker, ShareAssist), share(ShareSystem), share(shareScheduler),
		share(ShareSyscall), share(shareSTW), share(ShareIdle))
}

func runTimeline(p *analysis.Pass) error {
	f := analysis.Fold[*TimelineFold](p).Sums(p)
	all, n := f.Total.Sum(), int64(len(f.Ps))
	p.Metric("procs.wakeups", f.wakeups, f.wakeups)
	p.Metric("procs.wakeups.fruitless", f.fruitless.N(), f.wakeups)
	if all == 0 {
		p.Say("no time of any P in %s", p.Dur(p.Trace.Duration()))
		return nil
	}
	p.Metric("procs.time", all, n)
	shares := make(map[string]float64)
	for s, v := range f.Total {
		shares[shareIDs[s]] = float64(v) / float64(all)
		p.Ratio("procs.share."+shareIDs[s], shares[shareIDs[s]], n)
	}

	if p.Brief() {
		leadBusy(p, f)
		return nil
	}
	p.Say("P time %s (Ps: %s): %s", p.Dur(all), analysis.FormatCount(n), ProcShares(func(id string) float64 { return shares[id] }))
	if f.wakeups == 0 {
		p.Say("no P was woken in %s", p.Dur(p.Trace.Duration()))
	} else {
		line := fmt.Sprintf("wake-ups of idle Ps: %s, of them %s after a stop-the-world and %s that found nothing to run",
			analysis.FormatCount(f.wakeups), analysis.FormatCount(f.restarts), analysis.FormatCount(f.fruitless.N()))
		if v, ok := f.found.Quantile(.5); ok {
			line += fmt.Sprintf("; thread running to goroutine running p50 %s", p.Dur(v))
		}
		p.Say("%s", line)
	}

	leadBusy(p, f)
	timelineTotals(p, f, all, n)
	timelinePs(p, f)
	timelineWakeups(p, f)
	timelineOver(p, f)
	timelineSpans(p, f)
	return nil
}

func timelineTotals(p *analysis.Pass, f *TimelineSums, all, n int64) {
	t := &analysis.Table{
		Name: "timeline.states", Title: "time of all Ps by state", N: n,
		Columns: []analysis.Column{{Name: "state", Unit: analysis.Text}, {Name: "time", Unit: analysis.NS}, {Name: "share", Unit: analysis.Ratio}},
	}
	order := make([]Share, NumShares)
	for s := range order {
		order[s] = Share(s)
	}
	slices.SortStableFunc(order, func(a, b Share) int { return cmp.Compare(f.Total[b], f.Total[a]) })
	for _, s := range order {
		t.Add(shareNames[s], f.Total[s], float64(f.Total[s])/float64(all))
	}
	p.Table(t)
}

// timelinePs is a row per P: the ten busiest for the terminal, and all of them.
func timelinePs(p *analysis.Pass, f *TimelineSums) {
	cols := []analysis.Column{{Name: "P", Unit: analysis.P}, {Name: "time", Unit: analysis.NS}}
	for _, name := range shareNames {
		cols = append(cols, analysis.Column{Name: name, Unit: analysis.Ratio})
	}
	cols = append(cols, analysis.Column{Name: "wake-ups", Unit: analysis.Count})
	fill := func(t *analysis.Table, ids []parse.ProcID) {
		for _, id := range ids {
			own := f.Ps[id]
			sum := own.time.Sum()
			row := []any{int64(id), sum}
			for _, v := range own.time {
				row = append(row, say.RatioCell(v, sum))
			}
			t.Add(append(row, own.wakeups)...)
		}
	}
	ids := slices.Sorted(maps.Keys(f.Ps))
	every := &analysis.Table{Name: "timeline.ps", Title: "each P by share of its own time", N: int64(len(ids)), Columns: cols, Detail: true}
	fill(every, ids)
	p.Table(every)

	busy := func(id parse.ProcID) int64 { return f.Ps[id].time.Sum() - f.Ps[id].time[ShareIdle] }
	slices.SortStableFunc(ids, func(a, b parse.ProcID) int { return cmp.Compare(busy(b), busy(a)) })
	top := &analysis.Table{Name: "timeline.busiest", Title: "Ps by time not idle, as shares of their own time", N: int64(len(ids)), Columns: cols}
	fill(top, ids)
	top.Limit(10)
	p.Table(top)
}

func timelineWakeups(p *analysis.Pass, f *TimelineSums) {
	t := &analysis.Table{
		Name: "timeline.wakeups", Title: "wake-ups of idle Ps: from a thread running on the P to what it found", N: f.wakeups,
		Columns: []analysis.Column{
			{Name: "found", Unit: analysis.Text}, {Name: "count", Unit: analysis.Count}, {Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "total", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for _, row := range []struct {
		name string
		h    *sketch.Histogram
	}{{"a goroutine", f.found}, {"nothing: idle again", f.fruitless}} {
		if row.h.N() == 0 {
			continue
		}
		t.Add(row.name, row.h.N(), say.QuantileCell(row.h, .5), say.QuantileCell(row.h, .99), row.h.Max(), row.h.Sum())
	}
	p.Table(t)
}

// timelineOver gives the states over time, of all Ps and of each, in the same
// buckets. The cells are shares of GOMAXPROCS × time, or of the P's time, in the
// bucket.
func timelineOver(p *analysis.Pass, f *TimelineSums) {
	n := f.Over.Len()
	cols := []analysis.Column{{Name: "at", Unit: analysis.Moment}}
	for _, name := range shareNames {
		cols = append(cols, analysis.Column{Name: name, Unit: analysis.Ratio})
	}
	begin := func(bucket int) int64 {
		return max(f.Over.Start()+int64(bucket)*f.Over.Width(), int64(p.Trace.From))
	}
	row := func(t *analysis.Table, s *Shares, cells ...any) {
		sum := s.Sum()
		if sum == 0 {
			return
		}
		for _, v := range s {
			cells = append(cells, float64(v)/float64(sum))
		}
		t.Add(cells...)
	}
	all := f.Total.Sum()
	part := func(ns int64) string { return analysis.FormatRatio(say.Ratio(ns, all)) }
	over := &analysis.Table{Name: "timeline.time", Title: "all Ps by state over time, as shares of P time", N: int64(len(f.Ps)), Columns: cols, Detail: true}
	for b := range n {
		var s Shares
		for k := range s {
			s[k] = f.Over.At(b, k)
		}
		row(over, &s, p.Rel(parse.Time(begin(b))))
	}
	p.Table(over)
	p.Figure(analysis.Figure{
		Name: "timeline.time", Title: fmt.Sprintf("Ps ran user goroutines %s of their time, the GC %s, and were idle %s", part(f.Total[ShareUser]), part(f.Total[ShareWorker]+f.Total[ShareAssist]), part(f.Total[ShareIdle])),
		Mark: analysis.Area, Table: over.Name, X: "at", Y: shareNames[:],
	})

	title := "each P by state over time, as shares of its time"
	if len(f.Ps) > timelineLanes {
		title += fmt.Sprintf(" (P 0 to %d)", timelineLanes-1)
	}
	lanes := &analysis.Table{
		Name: "timeline.lanes", Role: analysis.RoleDensity, Title: title, N: int64(len(f.Ps)), Detail: true,
		Columns: slices.Insert(slices.Clone(cols), 1, analysis.Column{Name: "P", Unit: analysis.P}),
	}
	for _, id := range slices.Sorted(maps.Keys(f.Ps)) {
		own := f.Ps[id].Over
		if own == nil || own.Empty() {
			continue
		}
		// A P that lived for a part of the trace has finer buckets.
		buckets := make([]Shares, n)
		for b := range own.Len() {
			at := int((own.Start() + int64(b)*own.Width() - f.Over.Start()) / f.Over.Width())
			for k := range NumShares {
				buckets[at][k] += own.At(b, int(k))
			}
		}
		for b := range buckets {
			row(lanes, &buckets[b], p.Rel(parse.Time(begin(b))), int64(id))
		}
	}
	p.Table(lanes)
	p.Figure(analysis.Figure{
		Name: "timeline.lanes", Title: timelineBusiest(f),
		Mark: analysis.Lanes, Table: lanes.Name, X: "at", Y: shareNames[:], Series: "P",
	})
}

// timelineBusiest says which P was idle least and which most.
func timelineBusiest(f *TimelineSums) string {
	idle := func(id parse.ProcID) float64 { return say.Ratio(f.Ps[id].time[ShareIdle], f.Ps[id].time.Sum()) }
	text := func(id parse.ProcID) string { return analysis.FormatRatio(idle(id)) }
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(f.Ps)), func(id parse.ProcID) bool { return f.Ps[id].time.Sum() == 0 })
	if len(ids) == 0 {
		return "No P had any time"
	}
	byIdle := func(a, b parse.ProcID) int { return cmp.Compare(idle(a), idle(b)) }
	least, most := slices.MinFunc(ids, byIdle), slices.MaxFunc(ids, byIdle)
	switch {
	case len(ids) == 1:
		return fmt.Sprintf("P %d, the only one, was idle for %s of its time", least, text(least))
	case text(least) == text(most):
		return fmt.Sprintf("Each of %d Ps was idle for %s of its time", len(ids), text(least))
	}
	if idle(most)-idle(least) < .05 {
		return fmt.Sprintf("The %d Ps were idle for %s to %s of their time", len(ids), text(least), text(most))
	}
	return fmt.Sprintf("P %d was idle least, for %s of its time, P %d most, for %s",
		least, text(least), most, text(most))
}

// timelineSpans gives the exact spans of the Ps, when there are few.
func timelineSpans(p *analysis.Pass, f *TimelineSums) {
	if f.spans == 0 {
		return
	}
	t := &analysis.Table{
		Name: "timeline.spans", Role: analysis.RoleSpans, Title: "each P by state and goroutine, exact spans", N: int64(f.spans), Detail: true,
		Columns: []analysis.Column{
			{Name: "P", Unit: analysis.P}, {Name: "from", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment},
			{Name: "state", Unit: analysis.Text}, {Name: "function", Unit: analysis.Text}, {Name: "g", Unit: analysis.G},
		},
	}
	var longest timelineSpan
	var on parse.ProcID
	ps := 0
	for _, id := range slices.Sorted(maps.Keys(f.Ps)) {
		spans := f.Ps[id].spans
		if len(spans) > 0 {
			ps++
		}
		for _, s := range spans {
			if s.to-s.from > longest.to-longest.from {
				longest, on = s, id
			}
			var fn any
			if s.fn != 0 {
				fn = p.Trace.String(s.fn)
			}
			t.Add(int64(id), p.Rel(s.from), p.Rel(s.to), shareNames[s.state], fn, int64(s.g))
		}
	}
	p.Table(t)
	p.Figure(analysis.Figure{
		Name: "timeline.spans", Mark: analysis.Lanes, Table: t.Name, X: "from", End: "to", Y: []string{"state"}, Series: "P",
		Title: fmt.Sprintf("Of %s of %s the longest is %s: P %d, %s, from %s", say.Counted(t.N, "span", "spans"), say.Counted(int64(ps), "P", "Ps"),
			p.Dur(int64(longest.to-longest.from)), on, shareNames[longest.state], p.At(longest.from)),
	})
}
