package measures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

const (
	timeSlice    = 10e6 // ns, proc.go:forcePreemptNS
	overrunLimit = 20e6 // ns: sysmon sleeps up to 10 ms (proc.go:sysmon), so its request may come that late
	overrunClear = 30e6 // ns: later than sysmon and a busy machine explain
)

var Preemption = &analysis.Analyzer{
	Name: "preemption",
	Doc:  say.Page(pages, "preemption"),
	Metrics: []analysis.MetricDef{
		{ID: "preempt.async", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "preemptions by signal"},
		{ID: "preempt.cooperative", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "preemptions at a function prologue"},
		{ID: "preempt.unknown", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "preemptions without a stack to tell"},
		{ID: "preempt.lockhandoff", Unit: analysis.Count, Polarity: analysis.Lower, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "yields of a goroutine that unlocks a starving mutex"},
		{ID: "preempt.suspend", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "goroutines parked for a stack scan or the tracer"},
		{ID: "preempt.yield", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "runtime.Gosched of user goroutines"},
		{ID: "preempt.overrun.count", Unit: analysis.Count, Polarity: analysis.Lower, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "time slices over 20 ms while work was runnable"},
		{ID: "preempt.overrun.max", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.PTime, Confidence: analysis.Measured, Doc: "longest such time slice beyond 10 ms"},
	},
	Figures: []analysis.FigureDef{
		{Name: "preemption.lengths", Doc: "lengths of time slices", From: []analysis.From{{Metric: "preempt.overrun.count", Value: 1}}},
		{Name: "preemption.worst", Doc: "the longest time slices while work was runnable"},
		{Name: "preemption.time", Doc: "preemptions by kind over time"},
	},
	Kinds: parse.KindsOf(parse.KindGoWaiting, parse.KindGoRunning, parse.KindProc, parse.KindSlice),
	New: func() analysis.Collector {
		return &PreemptionFold{
			suspended: make(map[parse.StringID]*sketch.Histogram),
			runs:      make(map[longRunSite]*longRun), worst: sketch.NewTop[parse.Slice](10),
			series: sketch.NewSeries(int(parse.NumPreempts) - 1),
		}
	},
	Run: runPreemption,
}

// PreemptionFold counts what made goroutines stop running, and the time slices
// of Ps.
type PreemptionFold struct {
	shortened
	kinds [parse.NumPreempts][2]Preempted     // user goroutines, the runtime's own
	sites tally.Keyed[PreemptSite, Preempted] // the runtime's own yields are left out

	// suspended are the waits of user goroutines that the GC ended, by reason.
	suspended map[parse.StringID]*sketch.Histogram

	// slices are the whole time slices whose last run was that of a user
	// goroutine, by how they ended.
	slices [numSliceEnds]sketch.Histogram

	// Of all time slices but those of GC workers: how many, and with work
	// runnable those of 10 to 20 ms, over 20 ms, over 30 ms.
	all, late, over, far int64
	overWait             int64 // ns of those over 20 ms, beyond 10 ms, with work runnable
	worst                *sketch.Top[parse.Slice]

	runs   map[longRunSite]*longRun // of one user goroutine each
	series *sketch.Series           // a lane per kind
}

type PreemptSite struct {
	Kind  parse.Preempt
	Stack parse.StackID
	Fn    parse.StringID
}

type Preempted struct{ N, stw, longest, Ran int64 } // ran: ns of the runs before

func (c *Preempted) Add(o *Preempted) {
	c.N += o.N
	c.stw += o.stw
	c.longest = max(c.longest, o.longest)
	c.Ran += o.Ran
}

// sliceEnd is how a time slice ended.
type sliceEnd uint8

const (
	endBlocked sliceEnd = iota
	endExited
	endSyscall
	endYield
	EndUsedUp
	endSafepoint
	endSTW
	endSuspend
	endLockHandoff
	endOther
	numSliceEnds
)

func (e sliceEnd) String() string {
	return [...]string{"blocked", "exited", "P lost in a system call", "yielded", "preempted after 10 ms", "preempted earlier (safepoint)",
		"preempted to stop the world", "suspended", "lock handoff", "other"}[e]
}

func EndOf(s *parse.Slice) sliceEnd {
	switch s.Preempt {
	case parse.PreemptAsync, parse.PreemptCooperative, parse.PreemptUnknown:
		switch {
		case s.STW:
			return endSTW
		case sliceLength(s) >= timeSlice:
			return EndUsedUp
		}
		return endSafepoint
	case parse.PreemptSuspend:
		return endSuspend
	case parse.PreemptYield:
		return endYield
	case parse.PreemptLockHandoff:
		return endLockHandoff
	}
	switch s.To {
	case parse.GoWaiting:
		return endBlocked
	case parse.GoSyscall:
		return endSyscall
	case parse.GoNotExist:
		return endExited
	}
	return endOther
}

// sliceLength is how long s lasted (ns), or its longest stretch between stops of the
// world by its own goroutine.
func sliceLength(s *parse.Slice) int64 { return int64(s.End-s.Start) - s.Cut }

type longRunSite struct {
	stack parse.StackID
	fn    parse.StringID
}

// longRun sums runs over 10 ms beside runnable goroutines.
type longRun struct{ n, excess, longest int64 }

func (r *longRun) add(o *longRun) {
	r.n += o.n
	r.excess += o.excess
	r.longest = max(r.longest, o.longest)
}

// WantsProc wants the runs of user goroutines.
func (f *PreemptionFold) WantsProc(from, _ parse.ProcState) bool { return from == parse.ProcUser }

// WantsGo wants preemptions, and what the GC let go on.
func (f *PreemptionFold) WantsGo(g *parse.Go) bool {
	if g.From == parse.GoWaiting {
		return g.Ready == parse.ReadyGC && g.To == parse.GoRunnable
	}
	return g.Preempt != parse.PreemptNone
}

func (f *PreemptionFold) Event(e *parse.Event) {
	switch e.Kind {
	case parse.KindSlice:
		f.slice(e.Slice)
		return
	case parse.KindProc:
		if held := int64(e.Time - e.Proc.Since); held > timeSlice && e.Proc.From == parse.ProcUser && e.Proc.Contended > 0 {
			tally.At(f.runs, longRunSite{e.Proc.Stack, e.Proc.Func}).add(&longRun{1, min(held-timeSlice, e.Proc.Contended), held})
		}
		return
	}
	g := e.Go
	if g.From == parse.GoWaiting {
		if g.Ready == parse.ReadyGC && g.To == parse.GoRunnable && g.Class == parse.ClassUser && !g.Partial {
			tally.At(f.suspended, g.FromReason).Add(e.Held())
		}
		return
	}
	if g.Preempt == parse.PreemptNone || g.From != parse.GoRunning {
		return
	}
	c := Preempted{N: 1, longest: e.Held(), Ran: e.Held()}
	if g.STW {
		c.stw = 1
	}
	f.kinds[g.Preempt][whose(g.Class)].Add(&c)
	if g.Preempt == parse.PreemptYield && g.Class != parse.ClassUser {
		return
	}
	f.sites.At(PreemptSite{g.Preempt, g.Stack, g.Func}, tally.Mix(uint32(g.Stack), uint32(g.Func))).Add(&c)
	if !f.brief {
		f.series.AddPoint(int(g.Preempt)-1, int64(e.Time), 1)
	}
}

func (f *PreemptionFold) slice(s *parse.Slice) {
	if s.Class == parse.ClassWorker {
		return
	}
	f.all++
	length := sliceLength(s)
	if s.Class == parse.ClassUser && !s.Partial {
		f.slices[EndOf(s)].Add(length)
	}
	switch {
	case length > overrunLimit && s.LateWait:
		f.over++
		f.overWait += min(length-timeSlice, s.Contended)
		if length > overrunClear {
			f.far++
		}
		f.worst.Add(sketch.Key{Value: length, Time: int64(s.Start), ID: int64(s.P)}, *s)
	case length >= timeSlice && length <= overrunLimit && s.Contended > 0:
		f.late++
	}
}

func (f *PreemptionFold) Merge(next analysis.Collector) {
	o := next.(*PreemptionFold)
	for k := range f.kinds {
		for w := range f.kinds[k] {
			f.kinds[k][w].Add(&o.kinds[k][w])
		}
	}
	f.sites.Merge(&o.sites, (*Preempted).Add)
	tally.MergeKeyed(f.suspended, o.suspended, (*sketch.Histogram).Merge)
	for i := range f.slices {
		f.slices[i].Merge(&o.slices[i])
	}
	f.all += o.all
	f.late += o.late
	f.over += o.over
	f.overWait += o.overWait
	f.far += o.far
	tally.MergeKeyed(f.runs, o.runs, (*longRun).add)
	f.worst.Merge(o.worst)
	f.series.Merge(o.series)
}

// of is how often that happened to any goroutine.
func (f *PreemptionFold) of(k parse.Preempt) int64 { return f.kinds[k][0].N + f.kinds[k][1].N }

func runPreemption(p *analysis.Pass) error {
	f := analysis.Fold[*PreemptionFold](p)
	async, cooperative, unknown := f.of(parse.PreemptAsync), f.of(parse.PreemptCooperative), f.of(parse.PreemptUnknown)
	stops := async + cooperative + unknown
	p.Metric("preempt.async", async, stops)
	p.Metric("preempt.cooperative", cooperative, stops)
	p.Metric("preempt.unknown", unknown, stops)
	for id, k := range map[string]parse.Preempt{"preempt.lockhandoff": parse.PreemptLockHandoff, "preempt.suspend": parse.PreemptSuspend} {
		p.Metric(id, f.of(k), f.of(k))
	}
	yields := f.kinds[parse.PreemptYield][0].N
	p.Metric("preempt.yield", yields, yields)

	p.Metric("preempt.overrun.count", f.over, f.all)
	if f.over > 0 {
		longest := f.worst.Items()[0]
		p.Metric("preempt.overrun.max", longest.Value-timeSlice, f.over)
		p.When("preempt.overrun.max", parse.Time(longest.Time))
	}
	if p.Brief() {
		return nil
	}

	var lengths sketch.Histogram
	for i := range f.slices {
		lengths.Merge(&f.slices[i])
	}
	runs := RankLongRuns(p, f)
	sayPreemptions(p, f, stops)
	saySlices(p, f, runs)
	if id, ok := p.Trace.Lookup("preempted"); ok && f.suspended[id] != nil {
		h := f.suspended[id]
		p.Say("suspensions of user goroutines by stack scans and the tracer: %s, for %s", analysis.FormatCount(h.N()), say.Spread(p, h))
	}
	preemptKinds(p, f)
	longRuns(p, runs)
	worstSlices(p, f)
	preemptSites(p, f)
	sliceTables(p, f, &lengths)
	preemptSeries(p, f)
	return nil
}

// RankLongRuns are the runs beyond a time slice by where they ended and whose they
// were, those that ran longest beyond it first.
func RankLongRuns(p *analysis.Pass, f *PreemptionFold) []tally.Ranked[longRun] {
	return tally.Rank(f.runs, func(k longRunSite) tally.Label { return tally.Label{FuncAt(p, k.stack), p.FuncName(k.fn)} },
		(*longRun).add, func(r *longRun) int64 { return r.excess })
}

func sayPreemptions(p *analysis.Pass, f *PreemptionFold, stops int64) {
	var parts []string
	var stw int64
	for _, k := range []parse.Preempt{parse.PreemptAsync, parse.PreemptCooperative, parse.PreemptUnknown} {
		stw += f.kinds[k][0].stw + f.kinds[k][1].stw
		if n := f.of(k); n > 0 {
			parts = append(parts, analysis.FormatCount(n)+" "+preemptName(k))
		}
	}
	line := "no preemption in " + p.Dur(p.Trace.Duration())
	if stops > 0 {
		line = fmt.Sprintf("preemptions of all goroutines: %s (%s)", analysis.FormatCount(stops), strings.Join(parts, ", "))
		if stw > 0 {
			line += fmt.Sprintf(", %s of them to stop the world", analysis.FormatCount(stw))
		}
	}
	for _, k := range []parse.Preempt{parse.PreemptLockHandoff, parse.PreemptYield} {
		n := f.of(k)
		if k == parse.PreemptYield {
			n = f.kinds[k][0].N
		}
		if n > 0 {
			line += fmt.Sprintf("; %s %s", analysis.FormatCount(n), preemptPlural[k])
		}
	}
	p.Say("%s", line)
}

var preemptPlural = map[parse.Preempt]string{
	parse.PreemptLockHandoff: "lock handoffs", parse.PreemptYield: "runtime.Gosched by user goroutines",
}

func preemptName(k parse.Preempt) string {
	switch k {
	case parse.PreemptAsync:
		return "by signal"
	case parse.PreemptCooperative:
		return "cooperative"
	case parse.PreemptUnknown:
		return "without a stack to tell"
	case parse.PreemptSuspend:
		return "suspended"
	case parse.PreemptYield:
		return "runtime.Gosched"
	case parse.PreemptLockHandoff:
		return "lock handoff"
	}
	return k.String()
}

func saySlices(p *analysis.Pass, f *PreemptionFold, runs []tally.Ranked[longRun]) {
	if f.all == 0 {
		p.Say("no time slice of a goroutine in %s", p.Dur(p.Trace.Duration()))
		return
	}
	if f.over == 0 {
		line := fmt.Sprintf("none of %s time slices (GC workers' aside) took over 20 ms while work was runnable", analysis.FormatCount(f.all))
		if f.late > 0 {
			line += fmt.Sprintf("; %s took 10 to 20 ms, which is sysmon's granularity", analysis.FormatCount(f.late))
		}
		p.Say("%s", line)
		return
	}
	w := f.worst.Items()[0]
	line := fmt.Sprintf("%s of %s time slices (GC workers' aside) took over 20 ms while work was runnable, the longest %s from %s on P %d", analysis.FormatCount(f.over),
		analysis.FormatCount(f.all), p.Dur(w.Value), p.At(w.Item.Start), w.Item.P)
	if f.far == 0 {
		line += "; none over 30 ms, so sysmon or a busy machine may explain them"
	} else {
		line += fmt.Sprintf("; %s over 30 ms", analysis.FormatCount(f.far))
	}
	if len(runs) > 0 {
		r := runs[0]
		line += fmt.Sprintf("; most by %s, whose runs end in %s", r.Label[1], r.Label[0])
	}
	p.Say("%s", line)
}

func preemptKinds(p *analysis.Pass, f *PreemptionFold) {
	t := &analysis.Table{
		Name:  "preemption.kinds",
		Title: "why running goroutines stopped without blocking, all goroutines",
		Columns: []analysis.Column{
			{Name: "kind", Unit: analysis.Text}, {Name: "user", Unit: analysis.Count}, {Name: "runtime", Unit: analysis.Count},
			{Name: "stopping the world", Unit: analysis.Count}, {Name: "per second", Unit: analysis.PerS},
			{Name: "longest run before", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for k := parse.PreemptNone + 1; k < parse.NumPreempts; k++ {
		user, own := f.kinds[k][0], f.kinds[k][1]
		n := user.N + own.N
		if n == 0 {
			continue
		}
		var rate any
		if d := p.Trace.Duration(); d > 0 {
			rate = float64(n) / float64(d) * 1e9
		}
		t.N += n
		t.Add(preemptName(k), user.N, own.N, user.stw+own.stw, rate, max(user.longest, own.longest))
	}
	p.Table(t)
}

// longRuns tells who runs too long: a time slice may end with a short run of
// another goroutine that inherits it.
func longRuns(p *analysis.Pass, runs []tally.Ranked[longRun]) {
	t := &analysis.Table{
		Name:  "preemption.runs",
		Title: "runs over 10 ms while others were runnable, by where they ended; user goroutines",
		Columns: []analysis.Column{
			{Name: "ended at", Unit: analysis.Text}, {Name: "goroutine", Unit: analysis.Text},
			{Name: "runs", Unit: analysis.Count, Polarity: analysis.Lower},
			{Name: "beyond 10 ms", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "longest", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for _, r := range runs {
		t.N += r.V.n
		t.Add(r.Label[0], r.Label[1], r.V.n, r.V.excess, r.V.longest)
	}
	t.Limit(10)
	p.Table(t)
}

func worstSlices(p *analysis.Pass, f *PreemptionFold) {
	worst := &analysis.Table{
		Name: "preemption.worst", Detail: true, N: f.over, More: max(0, f.over-10),
		Title: "longest time slices over 20 ms while work was runnable, without those of GC workers",
		Columns: []analysis.Column{
			{Name: "start", Unit: analysis.Moment}, {Name: "end", Unit: analysis.Moment}, {Name: "P", Unit: analysis.P}, {Name: "G", Unit: analysis.G},
			{Name: "last goroutine", Unit: analysis.Text}, {Name: "length", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "runs", Unit: analysis.Count}, {Name: "work runnable for", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "how it ended", Unit: analysis.Text}, {Name: "where", Unit: analysis.Text},
		},
	}
	for _, e := range f.worst.Items() {
		s := e.Item
		worst.Add(p.Rel(s.Start), p.Rel(s.End), int64(s.P), int64(s.G), p.FuncName(s.Func), sliceLength(&s),
			int64(s.Runs), s.Contended, EndOf(&s).String(), p.SiteName(s.Stack))
	}
	p.Table(worst)
	if f.over == 0 {
		return
	}
	w := f.worst.Items()[0]
	p.Figure(analysis.Figure{Name: "preemption.worst", Title: fmt.Sprintf("Over 20 ms while work was runnable: %s, the longest %s on P %d", say.Counted(f.over, "time slice", "time slices"), p.Dur(w.Value), w.Item.P), Mark: analysis.Gantt,
		Table: "preemption.worst", X: "start", End: "end", Y: []string{"P"}, Series: "last goroutine"})
}

func preemptSites(p *analysis.Pass, f *PreemptionFold) {
	table := func(name, title, at string, place func(*analysis.Pass, parse.StackID) string, of ...parse.Preempt) {
		t := &analysis.Table{
			Name: name, Title: title,
			Columns: []analysis.Column{
				{Name: at, Unit: analysis.Text}, {Name: "goroutine", Unit: analysis.Text}, {Name: "kind", Unit: analysis.Text},
				{Name: "count", Unit: analysis.Count, Polarity: analysis.Lower}, {Name: "stopping the world", Unit: analysis.Count},
				{Name: "longest run before", Unit: analysis.NS, Polarity: analysis.Lower},
			},
		}
		sites := make(map[PreemptSite]*Preempted)
		for k, c := range f.sites.ByKey() {
			for _, kind := range of {
				if k.Kind == kind {
					sites[k] = c
				}
			}
		}
		for _, r := range tally.Rank(sites, func(k PreemptSite) tally.Label {
			return tally.Label{place(p, k.Stack), p.FuncName(k.Fn), preemptName(k.Kind)}
		}, (*Preempted).Add, func(c *Preempted) int64 { return c.N }) {
			t.N += r.V.N
			t.Add(r.Label[0], r.Label[1], r.Label[2], r.V.N, r.V.stw, r.V.longest)
		}
		t.Limit(10)
		p.Table(t)
	}
	table("preemption.sites", "preempted and suspended goroutines by function, all goroutines", "function", FuncAt,
		parse.PreemptAsync, parse.PreemptCooperative, parse.PreemptUnknown, parse.PreemptSuspend)
	table("preemption.locks", "lock handoffs by where the mutex was unlocked, all goroutines", "unlocked at", (*analysis.Pass).SiteName, parse.PreemptLockHandoff)
	table("preemption.yields", "voluntary yields, user goroutines", "yielded at", (*analysis.Pass).SiteName, parse.PreemptYield)
}

// FuncAt is SiteName without the line: signals hit any line of a loop.
func FuncAt(p *analysis.Pass, stack parse.StackID) string {
	f, ok := p.Trace.Site(stack)
	if !ok {
		return "(no stack)"
	}
	name := p.Trace.String(f.Func)
	if op, _ := p.Trace.Operation(stack); op.Func != f.Func {
		name += " (" + p.Trace.String(op.Func) + ")"
	}
	return name
}

func sliceTables(p *analysis.Pass, f *PreemptionFold, lengths *sketch.Histogram) {
	t := &analysis.Table{
		Name:  "preemption.slices",
		Title: "time slices of user goroutines by how they ended",
		N:     lengths.N(),
		Columns: []analysis.Column{
			{Name: "ended", Unit: analysis.Text}, {Name: "slices", Unit: analysis.Count}, {Name: "p50", Unit: analysis.NS},
			{Name: "p99", Unit: analysis.NS}, {Name: "max", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "total", Unit: analysis.NS},
		},
	}
	ends := make([]sliceEnd, 0, numSliceEnds)
	for e := range numSliceEnds {
		ends = append(ends, e)
	}
	slices.SortStableFunc(ends, func(a, b sliceEnd) int { return cmp.Compare(f.slices[b].Sum(), f.slices[a].Sum()) })
	for _, i := range ends {
		if h := &f.slices[i]; h.N() > 0 {
			t.Add(i.String(), h.N(), say.QuantileCell(h, .5), say.QuantileCell(h, .99), h.Max(), h.Sum())
		}
	}
	p.Table(t)
	say.HistogramTable(p, lengths, "preemption.lengths", "lengths of time slices of user goroutines")
	p.Figure(analysis.Figure{Name: "preemption.lengths", Title: fmt.Sprintf("Time slices of user goroutines last %s", say.Typical(p, lengths)), Mark: analysis.HistBars,
		Table: "preemption.lengths", X: "from", End: "to", Y: []string{"count"},
		Refs: append(say.QuantileRefs(p, lengths), analysis.Ref{Axis: "x", Value: timeSlice, Label: "10 ms: sysmon asks for the P"})})
}

func preemptSeries(p *analysis.Pass, f *PreemptionFold) {
	if len(f.sites.Entries) == 0 {
		return
	}
	var names []string
	for k := parse.PreemptNone + 1; k < parse.NumPreempts; k++ {
		names = append(names, preemptName(k))
	}
	say.SeriesTable(p, f.series, "preemption.time", "stops over time by kind, without the runtime's own yields", names...)
	p.Figure(analysis.Figure{Name: "preemption.time", Title: preemptSeriesTitle(f.series, names), Mark: analysis.Panels,
		Table: "preemption.time", X: "time", Y: names})
}

func preemptSeriesTitle(s *sketch.Series, names []string) string {
	counts := make([]int64, len(names))
	var all int64
	for lane := range counts {
		for b := range s.Len() {
			counts[lane] += s.At(b, lane)
		}
		all += counts[lane]
	}
	return fmt.Sprintf("Running goroutines were stopped %s: %s", say.Times(all), say.Mostly(names, counts))
}
