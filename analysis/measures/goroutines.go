package measures

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var Goroutines = &analysis.Analyzer{
	Name: "goroutines",
	Doc:  say.Page(pages, "goroutines"),
	Metrics: []analysis.MetricDef{
		{ID: "goroutines.created", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "goroutines created in the trace"},
		{ID: "goroutines.max", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Doc: "largest number alive"},
	},
	Figures: []analysis.FigureDef{
		{Name: "goroutines.alive", Doc: "goroutines alive over time", From: []analysis.From{{Metric: "goroutines.max", Value: 1000}}},
		{Name: "goroutines.functions", Doc: "running time by entry function"},
	},
	Kinds: parse.KindsOf(parse.KindGoCreate, parse.KindGoRunning, parse.KindGoLife),
	New: func() analysis.Collector {
		return &GoroutinesFold{
			overTime: sketch.NewSeries(numGoLanes),
			longest:  sketch.NewTop[goLife](5),
		}
	},
	Run: runGoroutines,
}

type GoroutinesFold struct {
	shortened
	created, callbacks int64 // by go statements and the like; by cgo callbacks
	all, user          aliveCount
	populations        tally.Keyed[GoOrigin, GoPopulation]
	overTime           *sketch.Series
	longest            *sketch.Top[goLife]               // of the user goroutines created in the trace
	runs               tally.ByID[parse.StackID, GoRuns] // of user goroutines, by where they ended
}

// GoRuns sums runs from getting a P to losing it. Alone is the part of Ran in which no
// other goroutine of the program ran or could: see parse.Go. Blocked is how many ended as
// the goroutine began to wait.
type GoRuns struct{ N, Ran, Alone, Longest, Blocked int64 }

func (r *GoRuns) Add(o *GoRuns) {
	r.N += o.N
	r.Ran += o.Ran
	r.Alone += o.Alone
	r.Longest = max(r.Longest, o.Longest)
	r.Blocked += o.Blocked
}

// Lanes of goroutinesFold.overTime: goroutine time alive, and creations.
const (
	goLaneUser = iota
	goLaneRuntime
	goLaneCreated
	numGoLanes
)

// GoOrigin is what tells populations apart.
type GoOrigin struct {
	Fn    parse.StringID
	Site  parse.StackID
	Class parse.Class
	Seen  bool // created in the trace
}

// UserTime is the time that user goroutines existed, in ns.
func (f *GoroutinesFold) UserTime() (ns int64) {
	for o, p := range f.populations.ByKey() {
		if o.Class == parse.ClassUser {
			for _, v := range p.States {
				ns += v
			}
		}
	}
	return ns
}

type GoPopulation struct {
	Count, Created, Ended int64 // goroutines, by their last span; of them, created and ended in the trace
	States                [parse.NumGoStates]int64
	life, Work            Lifetimes // of those created and ended in the trace; without waiting for a P
}

func (p *GoPopulation) Add(o *GoPopulation) {
	p.Count += o.Count
	p.Created += o.Created
	p.Ended += o.Ended
	for s, v := range o.States {
		p.States[s] += v
	}
	p.life.merge(&o.life)
	p.Work.merge(&o.Work)
}

type goLife struct {
	ID    parse.GoID
	Fn    parse.StringID
	site  parse.StackID
	Ended bool
}

func (f *GoroutinesFold) Event(e *parse.Event) {
	g := e.Go
	switch e.Kind {
	case parse.KindGoLife:
		f.end(e.Time, e.GoLife)
		return
	case parse.KindGoRunning:
		if g.Class == parse.ClassUser {
			held := e.Held()
			run := GoRuns{N: 1, Ran: held, Alone: g.Alone, Longest: held}
			if g.To == parse.GoWaiting {
				run.Blocked = 1
			}
			f.runs.At(g.Stack).Add(&run)
		}
		return
	}
	if g.To == parse.GoSyscall {
		f.callbacks++
	} else {
		f.created++
	}
	f.all.change(1, e.Time)
	if g.Class == parse.ClassUser {
		f.user.change(1, e.Time)
	}
	if !f.brief {
		f.overTime.AddPoint(goLaneCreated, int64(e.Time), 1)
	}
}

func (f *GoroutinesFold) end(at parse.Time, l *parse.GoLife) {
	o := GoOrigin{l.Func, l.Site, l.Class, l.BornSeen}
	p := f.populations.At(o, tally.Mix(uint32(o.Fn), uint32(o.Site)))
	p.Count++
	if l.BornSeen {
		p.Created++
	}
	var lived int64
	for s, ns := range l.Spent {
		p.States[s] += ns
		lived += ns
	}
	p.States[parse.GoSyscall] -= l.Outside
	lived -= l.Outside
	user, lane := l.Class == parse.ClassUser, goLaneRuntime
	if user {
		lane = goLaneUser
	}
	if !f.brief {
		f.overTime.AddSpan(lane, int64(l.Born), int64(at), 1)
	}
	if l.Ended {
		p.Ended++
		f.all.change(-1, at)
		if user {
			f.user.change(-1, at)
		}
		if l.BornSeen {
			p.life.add(lived)
			p.Work.add(lived - l.Spent[parse.GoRunnable])
		}
	}
	if l.BornSeen && user && f.longest.Wants(lived) {
		f.longest.Add(sketch.Key{Value: lived, Time: int64(l.Born), ID: int64(l.ID)}, goLife{ID: l.ID, Fn: l.Func, site: l.Site, Ended: l.Ended})
	}
}

func (f *GoroutinesFold) Merge(next analysis.Collector) {
	o := next.(*GoroutinesFold)
	f.created += o.created
	f.callbacks += o.callbacks
	f.all.merge(o.all)
	f.user.merge(o.user)
	f.populations.Merge(&o.populations, (*GoPopulation).Add)
	f.overTime.Merge(o.overTime)
	f.longest.Merge(o.longest)
	f.runs.Merge(&o.runs, (*GoRuns).Add)
}

// aliveCount follows how many are alive, relative to the start: by how much the
// number changed, the largest change so far, and when it was first reached.
type aliveCount struct {
	net, max int64
	at       parse.Time // 0 while max is 0
}

func (a *aliveCount) change(by int64, at parse.Time) { a.merge(aliveCount{by, max(by, 0), at}) }

func (a *aliveCount) merge(next aliveCount) {
	if m := a.net + next.max; m > a.max {
		a.max, a.at = m, next.at
	}
	a.net += next.net
}

// Lifetimes is a distribution of durations in ns.
type Lifetimes struct {
	N, sum, Max int64
	Buckets     tally.Coarse
}

func (l *Lifetimes) add(ns int64) {
	l.N++
	l.sum += ns
	l.Max = max(l.Max, ns)
	l.Buckets.Add(ns)
}

func (l *Lifetimes) merge(o *Lifetimes) {
	l.N += o.N
	l.sum += o.sum
	l.Max = max(l.Max, o.Max)
	l.Buckets.Merge(&o.Buckets)
}

// quantile returns the p-th percentile, nil as a cell when there are too few.
func (l *Lifetimes) quantile(p int64) any { return l.Buckets.Quantile(p, l.Max) }

// mean returns the mean, nil as a cell when there is none.
func (l *Lifetimes) mean() any {
	if l.N == 0 {
		return nil
	}
	return l.sum / l.N
}

// longestLife returns the maximum, nil as a cell when there is none.
func (l *Lifetimes) longestLife() any {
	if l.N == 0 {
		return nil
	}
	return l.Max
}

const BeforeTrace = "(before the trace)"

func runGoroutines(p *analysis.Pass) error {
	f := analysis.Fold[*GoroutinesFold](p)
	siteOf := func(o GoOrigin) string {
		switch {
		case !o.Seen:
			return BeforeTrace
		case o.Site == 0:
			// proc.go:newproc on the scheduler's stack: time.AfterFunc; cgocall.go:cgocallback.
			return "(timer or cgo callback)"
		}
		return p.SiteName(o.Site)
	}

	var total, user GoPopulation
	users := make(map[GoOrigin]*GoPopulation)
	for o, v := range f.populations.ByKey() {
		total.Add(v)
		if o.Class == parse.ClassUser {
			user.Add(v)
			users[o] = v
		}
	}
	// Every goroutine closes one last span, so those there were at the start are
	// those that were not created.
	begin := max(total.Count-f.created-f.callbacks, 0)
	most := begin + f.all.max
	p.Metric("goroutines.created", f.created, f.created)
	p.Metric("goroutines.max", most, begin+f.created+f.callbacks)
	if p.Brief() {
		return nil
	}

	sites := tally.Rank(users, func(o GoOrigin) tally.Label { return tally.Label{siteOf(o), p.FuncName(o.Fn)} }, (*GoPopulation).Add, func(v *GoPopulation) int64 { return v.Created })
	functions := f.Functions(p)

	// Where most of those that were created and are alive at the end come from.
	var leak tally.Ranked[GoPopulation]
	var alive, leaked int64
	for _, r := range sites {
		if r.V.Created > 0 {
			n := r.V.Count - r.V.Ended
			alive += n
			if n > leaked {
				leak, leaked = r, n
			}
		}
	}
	rate := ""
	if d := p.Trace.Duration(); d >= 100e6 {
		rate = " (" + analysis.FormatRate(float64(f.created)*1e9/float64(d)) + ")"
	}
	when := ""
	if f.all.max > 0 {
		when = " (at " + p.At(f.all.at) + ")"
	}
	p.Say("All goroutines: %s at the start, %s created%s, %s ended, %s at the end; at most %s at once%s.", analysis.FormatCount(begin), analysis.FormatCount(f.created+f.callbacks), rate,
		analysis.FormatCount(total.Ended), analysis.FormatCount(total.Count-total.Ended), analysis.FormatCount(most), when)
	ofThem := func(n, all int64) string {
		if n == all {
			return "all"
		}
		return analysis.FormatCount(n) + " of them"
	}
	created := user.Created
	switch {
	case created == 0:
		p.Say("No user goroutine was created.")
	case leaked == 0:
		p.Say("User goroutines created: %s, %s at %s; all ended.", analysis.FormatCount(created), ofThem(sites[0].V.Created, created), sites[0].Label[0])
	default:
		p.Say("User goroutines created: %s, %s at %s; alive at the end: %s, %s from %s.", analysis.FormatCount(created), ofThem(sites[0].V.Created, created), sites[0].Label[0],
			analysis.FormatCount(alive), ofThem(leaked, alive), leak.Label[0])
	}
	running := user.States[parse.GoRunning]
	if running > 0 {
		top := functions[0].V.States[parse.GoRunning]
		p.Say("User goroutines ran for %s in all, %s (%s) of it those of %s.", p.Dur(running), p.Dur(top), analysis.FormatRatio(float64(top)/float64(running)), functions[0].Label[0])
	} else {
		p.Say("No user goroutine ran.")
	}

	goSitesTable(p, &user, sites)
	byFunc := goFunctionsTable(p, &user, functions)
	goRunsTable(p, f, running)
	goLongestTable(p, f, created, siteOf)
	p.Table(goDetail(p, f, siteOf))
	overTime := goAlive(p, f)
	p.Table(overTime)
	p.Figure(analysis.Figure{
		Name: "goroutines.alive", Title: fmt.Sprintf("At most %s at once; created: %s", say.Counted(most, "goroutine was alive", "goroutines were alive"), analysis.FormatCount(f.created+f.callbacks)),
		Mark: analysis.Area, Table: overTime.Name, X: "time", Y: []string{"user", "runtime"},
	})
	p.Figure(analysis.Figure{
		Name: "goroutines.functions", Title: goFunctionsTitle(p, functions, running),
		Mark: analysis.Bars, Table: byFunc.Name, X: "function", Y: []string{"running"},
	})
	return nil
}

func goSitesTable(p *analysis.Pass, user *GoPopulation, sites []tally.Ranked[GoPopulation]) {
	bySite := &analysis.Table{
		Name: "goroutines.sites", Title: "user goroutines by creation site, most created first; lifetimes of those created and ended in the trace", N: user.Count,
		Columns: []analysis.Column{
			{Name: "site", Unit: analysis.Text}, {Name: "function", Unit: analysis.Text},
			{Name: "goroutines", Unit: analysis.Count}, {Name: "alive at end", Unit: analysis.Count},
			{Name: "life p50", Unit: analysis.NS}, {Name: "life p99", Unit: analysis.NS}, {Name: "life max", Unit: analysis.NS}, {Name: "running", Unit: analysis.NS},
		},
	}
	for _, r := range sites {
		if r.V.Count == 0 {
			continue // time of goroutines before they were named
		}
		bySite.Add(r.Label[0], r.Label[1], r.V.Count, r.V.Count-r.V.Ended, r.V.life.quantile(50), r.V.life.quantile(99), r.V.life.longestLife(), r.V.States[parse.GoRunning])
	}
	bySite.Limit(10)
	p.Table(bySite)
}

func goFunctionsTable(p *analysis.Pass, user *GoPopulation, functions []tally.Ranked[GoPopulation]) *analysis.Table {
	running := user.States[parse.GoRunning]
	byFunc := &analysis.Table{
		Name: "goroutines.functions", Title: "user goroutines by entry function, most running time first; goroutine time by state", N: user.Count,
		Columns: []analysis.Column{
			{Name: "function", Unit: analysis.Text}, {Name: "goroutines", Unit: analysis.Count},
			{Name: "running", Unit: analysis.NS}, {Name: "of running", Unit: analysis.Ratio}, {Name: "runnable", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "waiting", Unit: analysis.NS}, {Name: "syscall", Unit: analysis.NS},
		},
	}
	for _, r := range functions {
		st := &r.V.States
		byFunc.Add(r.Label[0], r.V.Count, st[parse.GoRunning], say.RatioCell(st[parse.GoRunning], running), st[parse.GoRunnable], st[parse.GoWaiting], st[parse.GoSyscall])
	}
	byFunc.Limit(10)
	p.Table(byFunc)
	return byFunc
}

func goRunsTable(p *analysis.Pass, f *GoroutinesFold, running int64) {
	byEnd := &analysis.Table{
		Name: "goroutines.runs", Title: "running time of user goroutines by where they gave up the P, lost it or entered a call",
		Columns: []analysis.Column{
			{Name: "site", Unit: analysis.Text}, {Name: "runs", Unit: analysis.Count},
			{Name: "running", Unit: analysis.NS}, {Name: "of running", Unit: analysis.Ratio}, {Name: "longest", Unit: analysis.NS},
		},
	}
	for _, r := range runSites(p, f) {
		byEnd.N += r.V.N
		if r.V.Ran > 0 {
			byEnd.Add(r.Site, r.V.N, r.V.Ran, say.RatioCell(r.V.Ran, running), r.V.Longest)
		}
	}
	byEnd.Limit(10)
	p.Table(byEnd)
}

func goLongestTable(p *analysis.Pass, f *GoroutinesFold, created int64, siteOf func(GoOrigin) string) {
	longest := &analysis.Table{
		Name: "goroutines.longest", Title: "longest-lived user goroutines created in the trace", N: created,
		Columns: []analysis.Column{
			{Name: "goroutine", Unit: analysis.G}, {Name: "function", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text},
			{Name: "created", Unit: analysis.Moment}, {Name: "lived", Unit: analysis.NS}, {Name: "at end", Unit: analysis.Text},
		},
	}
	for _, e := range f.longest.Items() {
		end := "alive"
		if e.Item.Ended {
			end = "ended"
		}
		longest.Add(int64(e.Item.ID), p.FuncName(e.Item.Fn), siteOf(GoOrigin{Site: e.Item.site, Seen: true}), p.Rel(parse.Time(e.Time)), e.Value, end)
	}
	p.Table(longest)
}

func goFunctionsTitle(p *analysis.Pass, functions []tally.Ranked[GoPopulation], running int64) string {
	if running == 0 {
		return "No user goroutine ran"
	}
	top := functions[0]
	return fmt.Sprintf("User goroutines ran for %s in all, %s of it those of %s", p.Dur(running),
		analysis.FormatRatio(say.Ratio(top.V.States[parse.GoRunning], running)), say.Brief(top.Label[0]))
}

// goDetail is every population, the runtime's own too.
func goDetail(p *analysis.Pass, f *GoroutinesFold, siteOf func(GoOrigin) string) *analysis.Table {
	t := &analysis.Table{
		Name: "goroutines.populations", Title: "all goroutines by creation site, entry function and class; goroutine time by state", Detail: true,
		Columns: []analysis.Column{
			{Name: "class", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text}, {Name: "function", Unit: analysis.Text},
			{Name: "goroutines", Unit: analysis.Count}, {Name: "ended", Unit: analysis.Count},
			{Name: "life n", Unit: analysis.Count}, {Name: "life mean", Unit: analysis.NS}, {Name: "life p50", Unit: analysis.NS}, {Name: "life p99", Unit: analysis.NS}, {Name: "life max", Unit: analysis.NS},
			{Name: "running", Unit: analysis.NS}, {Name: "runnable", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "waiting", Unit: analysis.NS}, {Name: "syscall", Unit: analysis.NS},
		},
	}
	rows := tally.Rank(f.populations.ByKey(), func(o GoOrigin) tally.Label { return tally.Label{o.Class.String(), siteOf(o), p.FuncName(o.Fn)} },
		(*GoPopulation).Add, func(v *GoPopulation) int64 { return v.Count })
	for _, r := range rows {
		v, st := r.V, &r.V.States
		t.N += v.Count
		t.Add(r.Label[0], r.Label[1], r.Label[2], v.Count, v.Ended,
			v.life.N, v.life.mean(), v.life.quantile(50), v.life.quantile(99), v.life.longestLife(),
			st[parse.GoRunning], st[parse.GoRunnable], st[parse.GoWaiting], st[parse.GoSyscall])
	}
	t.Limit(500)
	return t
}

// goAlive is the number alive over time: the mean in each stretch of equal length.
func goAlive(p *analysis.Pass, f *GoroutinesFold) *analysis.Table {
	t := &analysis.Table{
		Name: "goroutines.alive", Title: "goroutines alive, mean of each stretch of time, and all created per second", Detail: true, N: f.created + f.callbacks,
		Columns: []analysis.Column{
			{Name: "time", Unit: analysis.Moment}, {Name: "user", Unit: analysis.Count}, {Name: "runtime", Unit: analysis.Count}, {Name: "created", Unit: analysis.PerS},
		},
	}
	s := f.overTime
	for i := range s.Len() {
		from := s.Start() + int64(i)*s.Width()
		to := min(from+s.Width(), int64(p.Trace.To))
		from = max(from, int64(p.Trace.From))
		if width := to - from; width > 0 {
			t.Add(p.Rel(parse.Time(from)), (s.At(i, goLaneUser)+width/2)/width, (s.At(i, goLaneRuntime)+width/2)/width,
				float64(s.At(i, goLaneCreated))*1e9/float64(width))
		}
	}
	return t
}

// runSites are the places where runs of user goroutines ended, those with the most
// running time first.
func runSites(p *analysis.Pass, f *GoroutinesFold) []SiteSum[GoRuns] {
	return RankSites(p, f.runs.ByKey(), func(s parse.StackID) parse.StackID { return s }, (*GoRuns).Add, func(r *GoRuns) int64 { return r.Ran })
}
