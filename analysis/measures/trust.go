package measures

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var Trust = &analysis.Analyzer{
	Name:     "trust",
	Doc:      say.Page(pages, "trust"),
	Kinds:    parse.KindsOf(parse.KindGoLife, parse.KindProcLife, parse.KindSample),
	Requires: []*analysis.Analyzer{Parallelism},
	New:      func() analysis.Collector { return newTrustFold() },
	Run:      runTrust,
	Metrics: []analysis.MetricDef{
		{ID: "trace.duration", Unit: analysis.NS, Polarity: analysis.Neutral, Clock: analysis.Wall, Confidence: analysis.Measured, Scale: analysis.Extent, Doc: "first event to last event"},
		{ID: "trace.events", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Extent, Doc: "events as the reference reader delivers them, without Sync"},
		{ID: "trace.generations", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Extent, Doc: "generations read whole"},
		{ID: "trace.complete", Unit: analysis.Ratio, Polarity: analysis.Higher, Confidence: analysis.Measured, Scale: analysis.Extent, Doc: "generations read whole of those begun"},
		{ID: "trace.events_per_s", Unit: analysis.PerS, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Extent, Doc: "events per second of trace"},
		{ID: "procs.gomaxprocs.{max,min}", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Doc: "GOMAXPROCS"},
		{ID: "threads.seen", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Doc: "distinct thread ids in the trace"},
	},
	Figures: []analysis.FigureDef{
		{Name: "trust.gomaxprocs", Doc: "GOMAXPROCS over time, where it changed"},
	},
}

const (
	// One event costs the traced program about this much (ns).
	TrustEventLow, TrustEventHigh = 100, 150

	// An account is balanced when its sides differ by no more than this part.
	trustTolerance = 1e-3
)

// TrustFold adds up the same time in different ways: the spans of a life against its
// length, the goroutines' running time against that of the Ps.
type TrustFold struct {
	goSpans, goLives int64                // ns: spans of goroutines; their lives
	goEnds           int64                // goroutines that ended (or the trace did)
	goWorst          *sketch.Top[trustGo] // whose spans miss its lifetime most

	ps              tally.ProcTable[trustProc]
	goRan, procsRan int64 // ns: goroutines running; Ps running one
	busy            int64 // ns: Ps neither idle nor stopped

	samples int64 // of a CPU profile
}

type trustGo struct {
	id parse.GoID
	fn parse.StringID
}

// trustProc is what one P's spans cover, and its ends minus its starts, in ns.
type trustProc struct{ spans, lives int64 }

func newTrustFold() *TrustFold {
	return &TrustFold{goWorst: sketch.NewTop[trustGo](1)}
}

func (f *TrustFold) Event(e *parse.Event) {
	switch e.Kind {
	case parse.KindGoLife:
		f.goroutine(e.Time, e.GoLife)
	case parse.KindProcLife:
		f.proc(e.Time, e.ProcLife)
	case parse.KindSample:
		f.samples++
	}
}

func (f *TrustFold) goroutine(at parse.Time, l *parse.GoLife) {
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

func (f *TrustFold) proc(at parse.Time, l *parse.ProcLife) {
	c := f.ps.At(l.ID)
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

func (f *TrustFold) Merge(next analysis.Collector) {
	o := next.(*TrustFold)
	f.goSpans += o.goSpans
	f.goLives += o.goLives
	f.goEnds += o.goEnds
	f.goWorst.Merge(o.goWorst)
	for id, c := range o.ps.ByKey() {
		own := f.ps.At(id)
		own.spans += c.spans
		own.lives += c.lives
	}
	f.goRan += o.goRan
	f.procsRan += o.procsRan
	f.busy += o.busy
	f.samples += o.samples
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
	f := analysis.Fold[*TrustFold](p)
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
	if steps := ParallelismOf(p).Steps(); steps.N > 0 {
		p.Metric("procs.gomaxprocs.max", steps.Max, steps.N)
		p.Metric("procs.gomaxprocs.min", steps.min, steps.N)
	}

	if p.Brief() {
		return nil
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

func (f *TrustFold) accounts(p *analysis.Pass) []account {
	tr := p.Trace
	gs := account{what: "goroutines: states = lifetimes", left: f.goSpans, right: f.goLives}
	// Inside a window a goroutine's birth may lie before what was added up.
	if worst := f.goWorst.Items(); len(worst) > 0 && tr.From == tr.First {
		gs.worst, gs.who = worst[0].Value, fmt.Sprintf("G %d %s", worst[0].Item.id, p.FuncName(worst[0].Item.fn))
	}
	ps := account{what: "Ps: states = lifetimes"}
	procs := f.ps.ByKey()
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
	if par := ParallelismOf(p); par.Steps().N > 0 && !tr.V1() {
		out = append(out, account{what: "Ps: states = GOMAXPROCS × time", left: ps.left, right: par.allowed()})
	}
	return out
}

func trustSay(p *analysis.Pass, f *TrustFold, accounts []account) {
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
	clock := exactNS(tr.Quantum) + " clock"
	if tr.TickEstimated {
		clock = "clock with an estimated tick of " + exactNS(tr.Quantum)
	}
	if tr.Fault != nil {
		p.Say("INCOMPLETE: %v", tr.Fault)
		p.Say("%s, %s whole; %s; %s", what, trustGenerations(tr), books, clock)
	} else {
		p.Say("%s, %s, complete; %s; %s", what, trustGenerations(tr), books, clock)
	}
	odd := analysis.OddOf(&tr.Quality)
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(odd)) {
		parts = append(parts, fmt.Sprintf("%s: %s", trustWhat(tr, odd, code), analysis.FormatCount(odd[code])))
	}
	if len(parts) > 0 {
		p.Say("odd: %s", strings.Join(parts, "; "))
	}
	if tr.Shortened > 0 {
		p.Say("It has so many different stacks that of %s the ends alone are told apart: callers in the middle may be missing.", analysis.FormatCount(tr.Shortened))
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

func trustFacts(p *analysis.Pass, f *TrustFold) {
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
		t.Add("wall clock at start", "not told (Go 1.25 and later do)")
	} else {
		t.Add("wall clock at start", tr.Wall.UTC().Format("2006-01-02T15:04:05.000000Z07:00"))
	}
	procs := "not told (Go 1.21 and older do at a stop-the-world)"
	if steps := ParallelismOf(p).Steps(); steps.N > 0 {
		procs = fmt.Sprint(steps.Max)
		if steps.min != steps.Max {
			procs = fmt.Sprintf("%d to %d, %s changes", steps.min, steps.Max, analysis.FormatCount(steps.N-1))
		}
	}
	t.Add("GOMAXPROCS", procs)
	t.Add("threads seen", analysis.FormatCount(int64(tr.Threads)))
	t.Add("goroutines at start", analysis.FormatCount(int64(tr.Initial)))
	steps := "steps of " + exactNS(tr.Quantum)
	if tr.TickEstimated {
		steps = fmt.Sprintf("ticks of about %s, whose length the runtime estimated", exactNS(tr.Quantum))
	}
	t.Add("clock", steps+"; nothing shorter than about 0.5 µs is meaningful")
	if read, all := int64(tr.Last-tr.First), tr.Duration(); read > 0 && all > 0 && f.busy > 0 {
		// Events of the whole reading, scaled to the window.
		perNS := float64(tr.Events) / float64(read) * float64(all) / float64(f.busy)
		t.Add("cost of tracing", fmt.Sprintf("%s to %s of the time of busy Ps (guess: %d to %d ns per event)",
			analysis.FormatRatio(perNS*TrustEventLow), analysis.FormatRatio(perNS*TrustEventHigh), TrustEventLow, TrustEventHigh))
	}
	p.Table(t)
}

// trustWhat says what a counter counts.
func trustWhat(tr *parse.Trace, odd analysis.Odd, code string) string {
	if code == "moved_events" {
		return odd.What(code) + ", by up to " + exactNS(tr.Quality.LargestMove)
	}
	return odd.What(code)
}

func trustQuality(p *analysis.Pass) {
	t := &analysis.Table{
		Name: "trust.quality", Title: "what is odd in the trace (every counter is 0 in a sound one)", N: p.Trace.Events,
		Columns: []analysis.Column{{Name: "counter", Unit: analysis.Text}, {Name: "count", Unit: analysis.Count, Polarity: analysis.Lower}, {Name: "what", Unit: analysis.Text}},
	}
	odd := analysis.OddOf(&p.Trace.Quality)
	for _, code := range slices.Sorted(maps.Keys(odd)) {
		t.Add(code, odd[code], trustWhat(p.Trace, odd, code))
	}
	p.Table(t)
}

func trustSteppedProcs(p *analysis.Pass, f *TrustFold) {
	s := ParallelismOf(p).Steps()
	t := &analysis.Table{
		Name: "trust.gomaxprocs", Title: "GOMAXPROCS over time", N: s.N,
		Columns: []analysis.Column{{Name: "from", Unit: analysis.Moment}, {Name: "until", Unit: analysis.Moment}, {Name: "GOMAXPROCS", Unit: analysis.Count}},
		Detail:  s.N <= 1,
		More:    s.N - int64(len(s.First)),
	}
	for i, step := range s.First {
		var until any
		switch {
		case i+1 < len(s.First):
			until = p.Rel(s.First[i+1].At)
		case t.More == 0:
			until = p.Rel(p.Trace.To)
		}
		from := step.At
		if i == 0 && !p.Trace.V1() {
			from = p.Trace.From
		}
		t.Add(p.Rel(from), until, step.Procs)
	}
	p.Table(t)
	if s.N > 1 {
		title := fmt.Sprintf("GOMAXPROCS changed %s, between %d and %d", say.Times(s.N-1), s.min, s.Max)
		if s.N == 2 {
			title = fmt.Sprintf("GOMAXPROCS changed once, from %d to %d", s.First[0].Procs, s.First[1].Procs)
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
