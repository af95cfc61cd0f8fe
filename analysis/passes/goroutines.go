package passes

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var goroutines = &analysis.Analyzer{
	Name:  "goroutines",
	Doc:   page("goroutines"),
	Kinds: parse.KindsOf(parse.KindGoCreate, parse.KindGoRunning, parse.KindGoLife),
	New: func() analysis.Collector {
		return &goroutinesFold{
			overTime: sketch.NewSeries(numGoLanes),
			longest:  sketch.NewTop[goLife](5),
		}
	},
	Run: runGoroutines,
}

type goroutinesFold struct {
	created, callbacks int64 // by go statements and the like; by cgo callbacks
	all, user          aliveCount
	populations        keyed[goOrigin, goPopulation]
	overTime           *sketch.Series
	longest            *sketch.Top[goLife]         // of the user goroutines created in the trace
	runs               byID[parse.StackID, goRuns] // of user goroutines, by where they ended
}

// goRuns sums runs from getting a P to losing it.
type goRuns struct{ n, ran, longest int64 }

func (r *goRuns) add(o *goRuns) {
	r.n += o.n
	r.ran += o.ran
	r.longest = max(r.longest, o.longest)
}

// Lanes of goroutinesFold.overTime: goroutine time alive, and creations.
const (
	goLaneUser = iota
	goLaneRuntime
	goLaneCreated
	numGoLanes
)

// goOrigin is what tells populations apart.
type goOrigin struct {
	fn    parse.StringID
	site  parse.StackID
	class parse.Class
	seen  bool // created in the trace
}

// userTime is the time that user goroutines existed, in ns.
func (f *goroutinesFold) userTime() (ns int64) {
	for o, p := range f.populations.byKey() {
		if o.class == parse.ClassUser {
			for _, v := range p.states {
				ns += v
			}
		}
	}
	return ns
}

type goPopulation struct {
	count, created, ended int64 // goroutines, by their last span; of them, created and ended in the trace
	states                [parse.NumGoStates]int64
	life, work            lifetimes // of those created and ended in the trace; without waiting for a P
}

func (p *goPopulation) add(o *goPopulation) {
	p.count += o.count
	p.created += o.created
	p.ended += o.ended
	for s, v := range o.states {
		p.states[s] += v
	}
	p.life.merge(&o.life)
	p.work.merge(&o.work)
}

type goLife struct {
	id    parse.GoID
	fn    parse.StringID
	site  parse.StackID
	ended bool
}

func (f *goroutinesFold) Event(e *parse.Event) {
	g := e.Go
	switch e.Kind {
	case parse.KindGoLife:
		f.end(e.Time, e.GoLife)
		return
	case parse.KindGoRunning:
		if g.Class == parse.ClassUser {
			held := e.Held()
			f.runs.at(g.Stack).add(&goRuns{1, held, held})
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
	f.overTime.AddPoint(goLaneCreated, int64(e.Time), 1)
}

func (f *goroutinesFold) end(at parse.Time, l *parse.GoLife) {
	o := goOrigin{l.Func, l.Site, l.Class, l.BornSeen}
	p := f.populations.at(o, mix(uint32(o.fn), uint32(o.site)))
	p.count++
	if l.BornSeen {
		p.created++
	}
	var lived int64
	for s, ns := range l.Spent {
		p.states[s] += ns
		lived += ns
	}
	user, lane := l.Class == parse.ClassUser, goLaneRuntime
	if user {
		lane = goLaneUser
	}
	f.overTime.AddSpan(lane, int64(l.Born), int64(at), 1)
	if l.Ended {
		p.ended++
		f.all.change(-1, at)
		if user {
			f.user.change(-1, at)
		}
		if l.BornSeen {
			p.life.add(lived)
			p.work.add(lived - l.Spent[parse.GoRunnable])
		}
	}
	if l.BornSeen && user && f.longest.Wants(lived) {
		f.longest.Add(sketch.Key{Value: lived, Time: int64(l.Born), ID: int64(l.ID)}, goLife{id: l.ID, fn: l.Func, site: l.Site, ended: l.Ended})
	}
}

func (f *goroutinesFold) Merge(next analysis.Collector) {
	o := next.(*goroutinesFold)
	f.created += o.created
	f.callbacks += o.callbacks
	f.all.merge(o.all)
	f.user.merge(o.user)
	f.populations.merge(&o.populations, (*goPopulation).add)
	f.overTime.Merge(o.overTime)
	f.longest.Merge(o.longest)
	f.runs.merge(&o.runs, (*goRuns).add)
}

// aliveCount follows how many are alive, relative to the begin: by how much the
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

// lifetimes is a distribution of durations in ns.
type lifetimes struct {
	n, sum, max int64
	buckets     coarse
}

func (l *lifetimes) add(ns int64) {
	l.n++
	l.sum += ns
	l.max = max(l.max, ns)
	l.buckets.add(ns)
}

func (l *lifetimes) merge(o *lifetimes) {
	l.n += o.n
	l.sum += o.sum
	l.max = max(l.max, o.max)
	l.buckets.merge(&o.buckets)
}

// quantile returns the p-th percentile, nil as a cell when there are too few.
func (l *lifetimes) quantile(p int64) any { return l.buckets.quantile(p, l.max) }

// mean returns the mean, nil as a cell when there is none.
func (l *lifetimes) mean() any {
	if l.n == 0 {
		return nil
	}
	return l.sum / l.n
}

// longestLife returns the maximum, nil as a cell when there is none.
func (l *lifetimes) longestLife() any {
	if l.n == 0 {
		return nil
	}
	return l.max
}

const beforeTrace = "(before the trace)"

func runGoroutines(p *analysis.Pass) error {
	f := analysis.Fold[*goroutinesFold](p)
	siteOf := func(o goOrigin) string {
		switch {
		case !o.seen:
			return beforeTrace
		case o.site == 0:
			// proc.go:newproc on the scheduler's stack: time.AfterFunc; cgocall.go:cgocallback.
			return "(timer or cgo callback)"
		}
		return p.SiteName(o.site)
	}

	var total, user goPopulation
	users := make(map[goOrigin]*goPopulation)
	for o, v := range f.populations.byKey() {
		total.add(v)
		if o.class == parse.ClassUser {
			user.add(v)
			users[o] = v
		}
	}
	// Every goroutine closes one last span, so those there were at the begin are
	// those that were not created.
	begin := max(total.count-f.created-f.callbacks, 0)
	most := begin + f.all.max
	p.Metric("goroutines.created", f.created, f.created)
	p.Metric("goroutines.max", most, begin+f.created+f.callbacks)

	sites := rank(users, func(o goOrigin) label { return label{siteOf(o), p.FuncName(o.fn)} }, (*goPopulation).add, func(v *goPopulation) int64 { return v.created })
	functions := rank(users, func(o goOrigin) label { return label{p.FuncName(o.fn)} }, (*goPopulation).add, func(v *goPopulation) int64 { return v.states[parse.GoRunning] })

	// Where most of those that were created and are alive at the end come from.
	var leak ranked[goPopulation]
	var alive, leaked int64
	for _, r := range sites {
		if r.v.created > 0 {
			n := r.v.count - r.v.ended
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
	p.Say("All goroutines: %s at the begin, %s created%s, %s ended, %s at the end; at most %s at once%s.", analysis.FormatCount(begin), analysis.FormatCount(f.created+f.callbacks), rate,
		analysis.FormatCount(total.ended), analysis.FormatCount(total.count-total.ended), analysis.FormatCount(most), when)
	ofThem := func(n, all int64) string {
		if n == all {
			return "all"
		}
		return analysis.FormatCount(n) + " of them"
	}
	created := user.created
	switch {
	case created == 0:
		p.Say("No user goroutine was created.")
	case leaked == 0:
		p.Say("User goroutines created: %s, %s at %s; all ended.", analysis.FormatCount(created), ofThem(sites[0].v.created, created), sites[0].label[0])
	default:
		p.Say("User goroutines created: %s, %s at %s; alive at the end: %s, %s from %s.", analysis.FormatCount(created), ofThem(sites[0].v.created, created), sites[0].label[0],
			analysis.FormatCount(alive), ofThem(leaked, alive), leak.label[0])
	}
	running := user.states[parse.GoRunning]
	if running > 0 {
		top := functions[0].v.states[parse.GoRunning]
		p.Say("User goroutines ran for %s in all, %s (%s) of it those of %s.", p.Dur(running), p.Dur(top), analysis.FormatRatio(float64(top)/float64(running)), functions[0].label[0])
	} else {
		p.Say("No user goroutine ran.")
	}

	bySite := &analysis.Table{
		Name: "goroutines.sites", Title: "user goroutines by creation site, most created first; lifetimes of those created and ended in the trace", N: user.count,
		Columns: []analysis.Column{
			{Name: "site", Unit: analysis.Text}, {Name: "function", Unit: analysis.Text},
			{Name: "goroutines", Unit: analysis.Count}, {Name: "alive at end", Unit: analysis.Count},
			{Name: "life p50", Unit: analysis.NS}, {Name: "life p99", Unit: analysis.NS}, {Name: "life max", Unit: analysis.NS}, {Name: "running", Unit: analysis.NS},
		},
	}
	for _, r := range sites {
		if r.v.count == 0 {
			continue // time of goroutines before they were named
		}
		bySite.Add(r.label[0], r.label[1], r.v.count, r.v.count-r.v.ended, r.v.life.quantile(50), r.v.life.quantile(99), r.v.life.longestLife(), r.v.states[parse.GoRunning])
	}
	bySite.Limit(10)
	p.Table(bySite)

	byFunc := &analysis.Table{
		Name: "goroutines.functions", Title: "user goroutines by entry function, most running time first; goroutine time by state", N: user.count,
		Columns: []analysis.Column{
			{Name: "function", Unit: analysis.Text}, {Name: "goroutines", Unit: analysis.Count},
			{Name: "running", Unit: analysis.NS}, {Name: "of running", Unit: analysis.Ratio}, {Name: "runnable", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "waiting", Unit: analysis.NS}, {Name: "syscall", Unit: analysis.NS},
		},
	}
	for _, r := range functions {
		st := &r.v.states
		byFunc.Add(r.label[0], r.v.count, st[parse.GoRunning], ratioCell(st[parse.GoRunning], running), st[parse.GoRunnable], st[parse.GoWaiting], st[parse.GoSyscall])
	}
	byFunc.Limit(10)
	p.Table(byFunc)

	byEnd := &analysis.Table{
		Name: "goroutines.runs", Title: "running time of user goroutines by where they gave up the P, lost it or entered a call",
		Columns: []analysis.Column{
			{Name: "site", Unit: analysis.Text}, {Name: "runs", Unit: analysis.Count},
			{Name: "running", Unit: analysis.NS}, {Name: "of running", Unit: analysis.Ratio}, {Name: "longest", Unit: analysis.NS},
		},
	}
	for _, r := range runSites(p, f) {
		byEnd.N += r.v.n
		if r.v.ran > 0 {
			byEnd.Add(r.site, r.v.n, r.v.ran, ratioCell(r.v.ran, running), r.v.longest)
		}
	}
	byEnd.Limit(10)
	p.Table(byEnd)

	longest := &analysis.Table{
		Name: "goroutines.longest", Title: "longest-lived user goroutines created in the trace", N: created,
		Columns: []analysis.Column{
			{Name: "goroutine", Unit: analysis.G}, {Name: "function", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text},
			{Name: "created", Unit: analysis.Moment}, {Name: "lived", Unit: analysis.NS}, {Name: "at end", Unit: analysis.Text},
		},
	}
	for _, e := range f.longest.Items() {
		end := "alive"
		if e.Item.ended {
			end = "ended"
		}
		longest.Add(int64(e.Item.id), p.FuncName(e.Item.fn), siteOf(goOrigin{site: e.Item.site, seen: true}), p.Rel(parse.Time(e.Time)), e.Value, end)
	}
	p.Table(longest)

	p.Table(goDetail(p, f, siteOf))
	overTime := goAlive(p, f)
	p.Table(overTime)
	p.Figure(analysis.Figure{
		Name: "goroutines.alive", Title: fmt.Sprintf("At most %s at once; created: %s", counted(most, "goroutine was alive", "goroutines were alive"), analysis.FormatCount(f.created+f.callbacks)),
		Mark: analysis.Area, Table: overTime.Name, X: "time", Y: []string{"user", "runtime"},
	})
	p.Figure(analysis.Figure{
		Name: "goroutines.functions", Title: goFunctionsTitle(p, functions, running),
		Mark: analysis.Bars, Table: byFunc.Name, X: "function", Y: []string{"running"},
	})
	return nil
}

func goFunctionsTitle(p *analysis.Pass, functions []ranked[goPopulation], running int64) string {
	if running == 0 {
		return "No user goroutine ran"
	}
	top := functions[0]
	return fmt.Sprintf("User goroutines ran for %s in all, %s of it those of %s", p.Dur(running),
		analysis.FormatRatio(ratio(top.v.states[parse.GoRunning], running)), brief(top.label[0]))
}

// goDetail is every population, the runtime's own too.
func goDetail(p *analysis.Pass, f *goroutinesFold, siteOf func(goOrigin) string) *analysis.Table {
	t := &analysis.Table{
		Name: "goroutines.populations", Title: "all goroutines by creation site, entry function and class; goroutine time by state", Detail: true,
		Columns: []analysis.Column{
			{Name: "class", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text}, {Name: "function", Unit: analysis.Text},
			{Name: "goroutines", Unit: analysis.Count}, {Name: "ended", Unit: analysis.Count},
			{Name: "life n", Unit: analysis.Count}, {Name: "life mean", Unit: analysis.NS}, {Name: "life p50", Unit: analysis.NS}, {Name: "life p99", Unit: analysis.NS}, {Name: "life max", Unit: analysis.NS},
			{Name: "running", Unit: analysis.NS}, {Name: "runnable", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "waiting", Unit: analysis.NS}, {Name: "syscall", Unit: analysis.NS},
		},
	}
	rows := rank(f.populations.byKey(), func(o goOrigin) label { return label{o.class.String(), siteOf(o), p.FuncName(o.fn)} },
		(*goPopulation).add, func(v *goPopulation) int64 { return v.count })
	for _, r := range rows {
		v, st := r.v, &r.v.states
		t.N += v.count
		t.Add(r.label[0], r.label[1], r.label[2], v.count, v.ended,
			v.life.n, v.life.mean(), v.life.quantile(50), v.life.quantile(99), v.life.longestLife(),
			st[parse.GoRunning], st[parse.GoRunnable], st[parse.GoWaiting], st[parse.GoSyscall])
	}
	t.Limit(500)
	return t
}

// goAlive is the number alive over time: the mean in each stretch of equal length.
func goAlive(p *analysis.Pass, f *goroutinesFold) *analysis.Table {
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
func runSites(p *analysis.Pass, f *goroutinesFold) []siteSum[goRuns] {
	return rankSites(p, f.runs.byKey(), func(s parse.StackID) parse.StackID { return s }, (*goRuns).add, func(r *goRuns) int64 { return r.ran })
}
