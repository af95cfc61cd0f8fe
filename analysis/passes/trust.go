package passes

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/sketch"
	"github.com/tracelens/tracelens/parse"
)

var trust = &analysis.Analyzer{
	Name:  "trust",
	Doc:   page("trust"),
	Kinds: parse.KindsOf(parse.KindGoLife, parse.KindProcLife, parse.KindInterval, parse.KindSample),
	New:   func() analysis.Collector { return newTrustFold() },
	Run:   runTrust,
}

const (
	// One event costs the traced program about this much (ns).
	trustEventLow, trustEventHigh = 100, 150

	trustSteps = 512 // changes of GOMAXPROCS that are kept

	// An account is balanced when its sides differ by no more than this part.
	trustTolerance = 1e-3
)

// trustFold adds up the same time in different ways: the spans of a life against its
// length, the goroutines' running time against that of the Ps.
type trustFold struct {
	goSpans, goLives int64                // ns: spans of goroutines; their lives
	goEnds           int64                // goroutines that ended (or the trace did)
	goWorst          *sketch.Top[trustGo] // whose spans miss its lifetime most

	ps              procTable[trustProc]
	goRan, procsRan int64 // ns: goroutines running; Ps running one
	busy            int64 // ns: Ps neither idle nor stopped

	allowed int64 // ns: integral of GOMAXPROCS while known
	unknown int64 // ns: GOMAXPROCS not known
	steps   gomaxprocsSteps

	samples int64 // of a CPU profile
}

type trustGo struct {
	id parse.GoID
	fn parse.StringID
}

// trustProc is what one P's spans cover, and its ends minus its begins, in ns.
type trustProc struct{ spans, lives int64 }

func newTrustFold() *trustFold {
	return &trustFold{goWorst: sketch.NewTop[trustGo](1)}
}

func (f *trustFold) Event(e *parse.Event) {
	switch e.Kind {
	case parse.KindGoLife:
		f.goroutine(e.Time, e.GoLife)
	case parse.KindProcLife:
		f.proc(e.Time, e.ProcLife)
	case parse.KindSample:
		f.samples++
	case parse.KindInterval:
		iv := e.Interval
		held, procs := int64(e.Time-iv.Since), int64(iv.Procs)
		if procs == 0 {
			f.unknown += held
			return
		}
		f.allowed += procs * held
		if procs != f.steps.last {
			f.steps.set(iv.Since, procs)
		}
	}
}

func (f *trustFold) goroutine(at parse.Time, l *parse.GoLife) {
	var spans int64
	for _, ns := range l.Spent {
		spans += ns
	}
	life := int64(at - l.Born)
	f.goSpans += spans
	f.goRan += l.Spent[parse.GoRunning]
	f.goLives += life
	f.goEnds++
	if off := distance(spans, life); off > 0 && f.goWorst.Wants(off) {
		f.goWorst.Add(sketch.Key{Value: off, Time: int64(l.Born), ID: int64(l.ID)}, trustGo{l.ID, l.Func})
	}
}

func (f *trustFold) proc(at parse.Time, l *parse.ProcLife) {
	c := f.ps.at(l.ID)
	c.lives += int64(at - l.Begin)
	for s, ns := range l.Spent {
		c.spans += ns
		state := parse.ProcState(s)
		if state.RunsG() {
			f.procsRan += ns
		}
		if state != parse.ProcIdle && state != parse.ProcStopped {
			f.busy += ns
		}
	}
}

func (f *trustFold) Merge(next analysis.Collector) {
	o := next.(*trustFold)
	f.goSpans += o.goSpans
	f.goLives += o.goLives
	f.goEnds += o.goEnds
	f.goWorst.Merge(o.goWorst)
	for id, c := range o.ps.byKey() {
		own := f.ps.at(id)
		own.spans += c.spans
		own.lives += c.lives
	}
	f.goRan += o.goRan
	f.procsRan += o.procsRan
	f.busy += o.busy
	f.allowed += o.allowed
	f.unknown += o.unknown
	f.steps.merge(&o.steps)
	f.samples += o.samples
}

// gomaxprocsSteps is GOMAXPROCS over time: the first steps, how many there are,
// and the extremes of all.
type gomaxprocsSteps struct {
	n        int64
	min, max int64
	last     int64
	first    []gomaxprocsStep
}

type gomaxprocsStep struct {
	at    parse.Time
	procs int64
}

func (s *gomaxprocsSteps) set(at parse.Time, procs int64) {
	if s.n > 0 && procs == s.last {
		return
	}
	s.add(gomaxprocsSteps{n: 1, min: procs, max: procs, last: procs}, []gomaxprocsStep{{at, procs}})
}

func (s *gomaxprocsSteps) merge(o *gomaxprocsSteps) {
	if o.n == 0 {
		return
	}
	next, first := *o, o.first
	if s.n > 0 && s.last == first[0].procs {
		next.n--
		first = first[1:]
	}
	s.add(next, first)
}

// add appends steps. A part keeps as many as the whole does, so that losing its
// first one to the part before costs none of those that the whole keeps.
func (s *gomaxprocsSteps) add(o gomaxprocsSteps, first []gomaxprocsStep) {
	if s.n == 0 {
		s.min, s.max = o.min, o.max
	} else {
		s.min, s.max = min(s.min, o.min), max(s.max, o.max)
	}
	s.n += o.n
	s.last = o.last
	s.first = append(s.first, first[:min(len(first), trustSteps-len(s.first))]...)
}

// An account is the same time added up in two ways.
type account struct {
	what        string
	left, right int64 // ns
	worst       int64 // ns: the largest difference of one goroutine or P
	who         string
}

func (a account) off() int64 { return max(distance(a.left, a.right), a.worst) }

func (a account) balanced() bool {
	return float64(a.off()) <= trustTolerance*float64(max(a.left, a.right))
}

func runTrust(p *analysis.Pass) error {
	f := analysis.Fold[*trustFold](p)
	tr := p.Trace

	complete := 1.0
	if tr.Fault != nil && tr.Begun > 0 {
		complete = float64(tr.Generations) / float64(tr.Begun)
	}
	p.Metric("trace.duration", tr.Duration(), tr.Events)
	p.Metric("trace.events", tr.Events, tr.Events)
	p.Metric("trace.generations", int64(tr.Generations), int64(tr.Begun))
	p.Ratio("trace.complete", complete, int64(tr.Begun))
	if read := int64(tr.Last - tr.First); read > 0 {
		p.Ratio("trace.events_per_s", float64(tr.Events)*1e9/float64(read), tr.Events)
	}
	p.Metric("threads.seen", int64(tr.Threads), int64(tr.Threads))
	if f.steps.n > 0 {
		p.Metric("procs.gomaxprocs.max", f.steps.max, f.steps.n)
		p.Metric("procs.gomaxprocs.min", f.steps.min, f.steps.n)
	}

	accounts := f.accounts(p)
	trustSay(p, f, accounts)
	trustFacts(p, f)
	trustQuality(p)
	trustSteppedProcs(p, f)

	t := &analysis.Table{
		Name: "trust.accounts", Title: "the same time added up in two ways, all goroutines and Ps", N: f.goEnds,
		Columns: []analysis.Column{
			{Name: "account", Unit: analysis.Text}, {Name: "one way", Unit: analysis.NS}, {Name: "other way", Unit: analysis.NS},
			{Name: "difference", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "largest of one", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "whose", Unit: analysis.Text},
		},
		Detail: !slices.ContainsFunc(accounts, func(a account) bool { return !a.balanced() }),
	}
	for _, a := range accounts {
		t.Add(a.what, a.left, a.right, distance(a.left, a.right), a.worst, a.who)
	}
	p.Table(t)
	return nil
}

func (f *trustFold) accounts(p *analysis.Pass) []account {
	tr := p.Trace
	gs := account{what: "goroutines: states = lifetimes", left: f.goSpans, right: f.goLives}
	// Inside a window a goroutine's birth may lie before what was added up.
	if worst := f.goWorst.Items(); len(worst) > 0 && tr.From == tr.First {
		gs.worst, gs.who = worst[0].Value, fmt.Sprintf("G %d %s", worst[0].Item.id, p.FuncName(worst[0].Item.fn))
	}
	ps := account{what: "Ps: states = lifetimes"}
	procs := f.ps.byKey()
	for _, id := range slices.Sorted(maps.Keys(procs)) {
		c := procs[id]
		ps.left += c.spans
		ps.right += c.lives
		if off := distance(c.spans, c.lives); off > ps.worst {
			ps.worst, ps.who = off, fmt.Sprintf("P %d", id)
		}
	}
	out := []account{gs, ps, {what: "goroutines running = Ps running one", left: f.goRan, right: f.procsRan}}
	// Up to Go 1.21 GOMAXPROCS is not told before the first stop-the-world.
	if f.steps.n > 0 && !tr.V1() {
		out = append(out, account{what: "Ps: states = GOMAXPROCS × time", left: ps.left, right: f.allowed + f.steps.first[0].procs*f.unknown})
	}
	return out
}

func trustSay(p *analysis.Pass, f *trustFold, accounts []account) {
	tr := p.Trace
	// The worst account: unbalanced ones first, then the largest difference.
	worst := slices.MaxFunc(accounts, func(a, b account) int {
		if a.balanced() != b.balanced() {
			if a.balanced() {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.off(), b.off())
	})
	books := fmt.Sprintf("all time accounted for (worst difference %s)", exactNS(worst.off()))
	if !worst.balanced() {
		books = fmt.Sprintf("NOT all time accounted for: %s differ by %s of %s", worst.what, exactNS(worst.off()), p.Dur(max(worst.left, worst.right)))
	}
	what := fmt.Sprintf("%s trace, %s events in %s", trustVersion(tr.Version), analysis.FormatCount(tr.Events), p.Dur(tr.Duration()))
	if tr.From != tr.First || tr.To != tr.Last {
		what += fmt.Sprintf(" (window %s to %s)", p.At(tr.From), p.At(tr.To))
	}
	if tr.Fault != nil {
		p.Say("INCOMPLETE: %v", tr.Fault)
		p.Say("%s, %s whole; %s; %s clock", what, trustGenerations(tr), books, exactNS(tr.Quantum))
	} else {
		p.Say("%s, %s, complete; %s; %s clock", what, trustGenerations(tr), books, exactNS(tr.Quantum))
	}
	if odd := trustOdd(tr); len(odd) > 0 {
		var parts []string
		for _, q := range odd {
			parts = append(parts, fmt.Sprintf("%s: %s", q.what, analysis.FormatCount(q.n)))
		}
		p.Say("odd: %s", strings.Join(parts, "; "))
	}
}

func trustGenerations(tr *parse.Trace) string {
	switch {
	case tr.Fault != nil && tr.Begun > 0:
		return fmt.Sprintf("%d of %d generations", tr.Generations, tr.Begun)
	case tr.Generations == 1:
		return "1 generation"
	}
	return fmt.Sprintf("%d generations", tr.Generations)
}

// trustVersion names the Go versions that write a format (internal/trace/version).
func trustVersion(v int) string {
	switch v {
	case 11:
		return "Go 1.11–1.18"
	case 19:
		return "Go 1.19–1.20"
	case 23:
		return "Go 1.23–1.24"
	case 26:
		return "Go 1.26+"
	}
	return fmt.Sprintf("Go 1.%d", v)
}

func trustFacts(p *analysis.Pass, f *trustFold) {
	tr := p.Trace
	t := &analysis.Table{
		Name: "trust.facts", Title: "the trace as a whole", N: tr.Events,
		Columns: []analysis.Column{{Name: "fact", Unit: analysis.Text}, {Name: "value", Unit: analysis.Text}},
	}
	begin := "mid-flight: what ran before is not in it (flight recorder, or a cut file)"
	if tr.Start {
		begin = "trace.Start"
	} else if tr.V1() {
		begin = "not told by this format"
	}
	t.Add("begins with", begin)
	if tr.Wall.IsZero() {
		t.Add("wall clock at begin", "not told (Go 1.25 and later do)")
	} else {
		t.Add("wall clock at begin", tr.Wall.UTC().Format("2006-01-02T15:04:05.000000Z07:00"))
	}
	procs := "not told (Go 1.21 and older do at a stop-the-world)"
	if f.steps.n > 0 {
		procs = fmt.Sprint(f.steps.max)
		if f.steps.min != f.steps.max {
			procs = fmt.Sprintf("%d to %d, %s changes", f.steps.min, f.steps.max, analysis.FormatCount(f.steps.n-1))
		}
	}
	t.Add("GOMAXPROCS", procs)
	t.Add("threads seen", analysis.FormatCount(int64(tr.Threads)))
	t.Add("goroutines at begin", analysis.FormatCount(int64(tr.Initial)))
	t.Add("clock", fmt.Sprintf("steps of %s; nothing shorter than about 0.5 µs is meaningful", exactNS(tr.Quantum)))
	if read, all := int64(tr.Last-tr.First), tr.Duration(); read > 0 && all > 0 && f.busy > 0 {
		// Events of the whole reading, scaled to the window.
		perNS := float64(tr.Events) / float64(read) * float64(all) / float64(f.busy)
		t.Add("cost of tracing", fmt.Sprintf("%s to %s of the time of busy Ps (guess: %d to %d ns per event)",
			analysis.FormatRatio(perNS*trustEventLow), analysis.FormatRatio(perNS*trustEventHigh), trustEventLow, trustEventHigh))
	}
	p.Table(t)
}

type trustCounter struct {
	name string // as in the JSON form
	what string
	n    int64
}

// trustOdd returns the quality counters that are not 0.
func trustOdd(tr *parse.Trace) []trustCounter {
	q := &tr.Quality
	all := []trustCounter{
		{"state_mismatch", "goroutines left a state they were not in", q.StateMismatch},
		{"proc_mismatch", "events on a P in an unfitting state", q.ProcMismatch},
		{"unpaired_ends", "ends of ranges without begin", q.UnpairedEnds},
		{"nested_begins", "begins of ranges already open", q.NestedBegins},
		{"unnamed_goroutines", "goroutines without a name, counted as user", q.Unnamed},
		{"clock_jumps", "jumps of the clock by over an hour", q.ClockJumps},
		{"clock_changes", "changes of the clock's frequency: times cannot be trusted", q.ClockChanges},
		{"implausible_clock", "events in less time than they can take", q.ImplausibleClock},
		{"crossed_regions", "regions that ended before one begun inside them", q.CrossedRegions},
		{"implausible_procs", "P numbers beyond any GOMAXPROCS", q.ImplausibleProcs},
	}
	return slices.DeleteFunc(all, func(c trustCounter) bool { return c.n == 0 })
}

func trustQuality(p *analysis.Pass) {
	t := &analysis.Table{
		Name: "trust.quality", Title: "what is odd in the trace (every counter is 0 in a sound one)", N: p.Trace.Events,
		Columns: []analysis.Column{{Name: "counter", Unit: analysis.Text}, {Name: "count", Unit: analysis.Count, Polarity: analysis.Lower}, {Name: "what", Unit: analysis.Text}},
	}
	for _, c := range trustOdd(p.Trace) {
		t.Add(c.name, c.n, c.what)
	}
	p.Table(t)
}

func trustSteppedProcs(p *analysis.Pass, f *trustFold) {
	s := &f.steps
	t := &analysis.Table{
		Name: "trust.gomaxprocs", Title: "GOMAXPROCS over time", N: s.n,
		Columns: []analysis.Column{{Name: "from", Unit: analysis.Moment}, {Name: "until", Unit: analysis.Moment}, {Name: "GOMAXPROCS", Unit: analysis.Count}},
		Detail:  s.n <= 1,
		More:    s.n - int64(len(s.first)),
	}
	for i, step := range s.first {
		var until any
		switch {
		case i+1 < len(s.first):
			until = p.Rel(s.first[i+1].at)
		case t.More == 0:
			until = p.Rel(p.Trace.To)
		}
		from := step.at
		if i == 0 && !p.Trace.V1() {
			from = p.Trace.From
		}
		t.Add(p.Rel(from), until, step.procs)
	}
	p.Table(t)
	if s.n > 1 {
		title := fmt.Sprintf("GOMAXPROCS changed %s, between %d and %d", times(s.n-1), s.min, s.max)
		if s.n == 2 {
			title = fmt.Sprintf("GOMAXPROCS changed once, from %d to %d", s.first[0].procs, s.first[1].procs)
		}
		p.Figure(analysis.Figure{
			Name: "trust.gomaxprocs", Title: title,
			Mark: analysis.Steps, Table: t.Name, X: "from", End: "until", Y: []string{"GOMAXPROCS"},
		})
	}
}

// exactNS writes ns that are not a measured duration: no "<64 ns".
func exactNS(ns int64) string {
	if ns == 0 {
		return "0 ns"
	}
	return analysis.FormatDuration(ns, 1)
}

func distance(a, b int64) int64 {
	if a < b {
		return b - a
	}
	return a - b
}
