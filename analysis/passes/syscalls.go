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

var syscalls = &analysis.Analyzer{
	Name:  "syscalls",
	Doc:   page("syscalls"),
	Kinds: parse.KindsOf(parse.KindGoRunnable, parse.KindGoRunning, parse.KindGoSyscall, parse.KindProc),
	New: func() analysis.Collector {
		return &syscallsFold{series: sketch.NewSeries(2), load: sketch.NewSeries(loadLanes)}
	},
	Run: runSyscalls,
}

// hostageGrace is the shortest time, in ns, after which sysmon retakes a P from a
// system call: it must see the same call at two of its ticks (proc.go:retake).
const hostageGrace = 20e3

// Lanes of syscallsFold.series.
const (
	laneCalls = iota
	laneLost
)

// Lanes of syscallsFold.load.
const (
	loadSysmon  = iota // Ps that sysmon took
	loadHostage        // ns of P time, as hostage
	loadInCall         // ns of goroutine time
	loadLanes
)

// syscallsFold sums the calls of all goroutines but the tracer's own.
type syscallsFold struct {
	calls     int64            // begun
	untimed   int64            // v1: returned at once, the trace does not say when
	durations sketch.Histogram // of whole calls that returned

	lost      [parse.NumTakers]int64            // Ps, by who took them
	untilLost [parse.NumTakers]sketch.Histogram // begin of the call to the loss, where the begin is in the trace
	hostage   int64
	pTime     int64 // of Ps in calls

	reacquire [2]sketch.Histogram // user goroutines: return to running; with a P found at once, without

	sites  byID[parse.StackID, callSite] // by where the call was entered
	series *sketch.Series
	load   *sketch.Series
}

type callSite struct {
	calls, timed   int64 // begun; whole ones
	total, longest int64 // of whole calls
	durations      coarse
	lost           [parse.NumTakers]int64
	hostage        int64
	wait           int64 // of user goroutines after the return, for a P
}

func (s *callSite) add(o *callSite) {
	s.calls += o.calls
	s.timed += o.timed
	s.total += o.total
	s.longest = max(s.longest, o.longest)
	s.durations.merge(&o.durations)
	for i, n := range o.lost {
		s.lost[i] += n
	}
	s.hostage += o.hostage
	s.wait += o.wait
}

// handoffs is how many Ps were lost there.
func (s *callSite) handoffs() int64 {
	var n int64
	for _, k := range s.lost {
		n += k
	}
	return n
}

// WantsProc wants what Ps lost in system calls.
func (f *syscallsFold) WantsProc(from, _ parse.ProcState) bool { return from == parse.ProcSyscall }

func (f *syscallsFold) Event(e *parse.Event) {
	if e.Kind == parse.KindProc {
		f.proc(e)
		return
	}
	g := e.Go
	if g.Class == parse.ClassTracer {
		return
	}
	if g.From == parse.GoSyscall {
		f.load.AddSpan(loadInCall, int64(g.Since), int64(e.Time), 1)
	}
	switch {
	case g.From == parse.GoRunning && g.To == parse.GoSyscall:
		f.calls++
		f.sites.at(g.Stack).calls++
		f.series.AddPoint(laneCalls, int64(e.Time), 1)

	case g.From == parse.GoSyscall && (g.To == parse.GoRunning || g.To == parse.GoRunnable):
		// A goroutine born in a call is a callback from a C thread: nothing returns.
		if g.Partial || g.First {
			return
		}
		held := int64(e.Time - g.Since)
		if held <= 1 {
			f.untimed++
			return
		}
		f.durations.Add(held)
		s := f.sites.at(g.FromStack)
		s.timed++
		s.total += held
		s.longest = max(s.longest, held)
		s.durations.add(held)

	case g.From == parse.GoRunnable && g.To == parse.GoRunning && g.Ready == parse.ReadySyscall:
		if g.Partial || g.Class != parse.ClassUser {
			return
		}
		held, without := int64(e.Time-g.Since), 0
		if g.Origin != parse.OriginSyscall {
			without = 1
		}
		f.reacquire[without].Add(held)
		if g.BlockedStack != 0 {
			f.sites.at(g.BlockedStack).wait += held
		}
	}
}

func (f *syscallsFold) proc(e *parse.Event) {
	p := e.Proc
	if p.From != parse.ProcSyscall || p.Class == parse.ClassTracer {
		return
	}
	held := int64(e.Time - p.Since)
	f.pTime += held
	excess := max(0, min(held-hostageGrace, p.Contended))
	lost := p.Taker != parse.TakerNone && (p.To == parse.ProcIdle || p.To == parse.ProcStopped)
	if excess == 0 && !lost {
		return
	}
	site := f.sites.at(p.Stack)
	f.hostage += excess
	f.load.AddPoint(loadHostage, int64(e.Time), excess)
	site.hostage += excess
	if !lost {
		return
	}
	f.lost[p.Taker]++
	site.lost[p.Taker]++
	if !p.Partial {
		f.untilLost[p.Taker].Add(held)
	}
	f.series.AddPoint(laneLost, int64(e.Time), 1)
	if p.Taker == parse.TakerSysmon {
		f.load.AddPoint(loadSysmon, int64(e.Time), 1)
	}
}

func (f *syscallsFold) Merge(next analysis.Collector) {
	o := next.(*syscallsFold)
	f.calls += o.calls
	for w := range f.reacquire {
		f.reacquire[w].Merge(&o.reacquire[w])
	}
	f.untimed += o.untimed
	f.durations.Merge(&o.durations)
	for t := range f.lost {
		f.lost[t] += o.lost[t]
		f.untilLost[t].Merge(&o.untilLost[t])
	}
	f.hostage += o.hostage
	f.pTime += o.pTime
	f.sites.merge(&o.sites, (*callSite).add)
	f.series.Merge(o.series)
	f.load.Merge(o.load)
}

func runSyscalls(p *analysis.Pass) error {
	f := analysis.Fold[*syscallsFold](p)
	calls := f.calls
	p.Metric("syscall.count", calls, calls)
	if !p.Trace.V1() {
		p.Quantiles("syscall.duration", &f.durations)
	}

	var lost int64
	for _, n := range f.lost {
		lost += n
	}
	p.Metric("syscall.phandoff.count", lost, calls)
	if !p.Trace.V1() {
		for _, t := range takers {
			p.Metric("syscall.phandoff."+t.String(), f.lost[t], lost)
		}
		p.Quantiles("syscall.phandoff.latency", &f.untilLost[parse.TakerSysmon])
		p.Metric("syscall.hostage", f.hostage, calls)
	}
	var reacquire sketch.Histogram
	for i := range f.reacquire {
		reacquire.Merge(&f.reacquire[i])
	}
	p.Quantiles("syscall.reacquire", &reacquire)

	sites := rank(f.sites.byKey(), func(s parse.StackID) label { return label{p.SiteName(s)} }, (*callSite).add,
		func(s *callSite) int64 { return s.total })
	sayCalls(p, f, calls)
	sayHandoffs(p, f, lost, sites)
	if h := &f.reacquire[1]; h.N() > 0 {
		p.Say("user goroutines that returned without a P: %s; they waited for one %s", analysis.FormatCount(h.N()), spread(p, h))
	}
	callSites(p, sites)
	handoffTables(p, f, lost, sites)
	histogramTable(p, &f.durations, "syscalls.durations", "durations of system and cgo calls, all goroutines but the tracer's")
	p.Figure(analysis.Figure{Name: "syscalls.durations", Title: callsTitle(p, f, lost), Mark: analysis.HistBars,
		Table: "syscalls.durations", X: "from", End: "to", Y: []string{"count"}, Refs: quantileRefs(p, &f.durations)})
	if calls+lost > 0 {
		seriesTable(p, f.series, "syscalls.time", "calls and P handoffs over time, all goroutines but the tracer's", "calls", "P handoffs")
		p.Figure(analysis.Figure{Name: "syscalls.time", Title: callSeriesTitle(p, f.series), Mark: analysis.Line,
			Table: "syscalls.time", X: "time", Y: []string{"calls", "P handoffs"}})
	}
	return nil
}

var takers = []parse.Taker{parse.TakerSysmon, parse.TakerSTW, parse.TakerSafepoint, parse.TakerExiting, parse.TakerSelf, parse.TakerOther}

// takerName says who took a P.
func takerName(t parse.Taker) string {
	switch t {
	case parse.TakerSTW:
		return "a stop-the-world"
	case parse.TakerSafepoint:
		return "a safepoint of all Ps"
	case parse.TakerExiting:
		return "a thread leaving its call"
	case parse.TakerSelf:
		return "given up at entry"
	}
	return t.String()
}

func callsTitle(p *analysis.Pass, f *syscallsFold, lost int64) string {
	which := "System and cgo calls take"
	if f.untimed > 0 {
		which = "Blocking system and cgo calls take"
	}
	return fmt.Sprintf("%s %s; %s", which, typical(p, &f.durations), numbered(lost, "P handoff", "P handoffs"))
}

func callSeriesTitle(p *analysis.Pass, s *sketch.Series) string {
	var calls, lost, most int64
	for b := range s.Len() {
		calls += s.At(b, laneCalls)
		lost += s.At(b, laneLost)
		most = max(most, s.At(b, laneCalls))
	}
	return fmt.Sprintf("There are %s, at most %s in %s, and %s", numbered(calls, "system or cgo call", "system and cgo calls"),
		analysis.FormatCount(most), p.Dur(s.Width()), numbered(lost, "P handoff", "P handoffs"))
}

func sayCalls(p *analysis.Pass, f *syscallsFold, calls int64) {
	if calls == 0 && f.durations.N() == 0 && f.pTime == 0 {
		p.Say("no system or cgo call in %s", p.Dur(p.Trace.Duration()))
		return
	}
	line := fmt.Sprintf("%s system and cgo calls", analysis.FormatCount(calls))
	switch {
	case f.durations.N() == 0:
	case f.untimed > 0:
		line += fmt.Sprintf("; %s returned at once (this trace does not tell how fast), %s took %s", analysis.FormatCount(f.untimed),
			analysis.FormatCount(f.durations.N()), spread(p, &f.durations))
	default:
		line += fmt.Sprintf(" took %s, %s of goroutine time in all", spread(p, &f.durations), p.Dur(f.durations.Sum()))
	}
	p.Say("%s; %d threads seen", line, p.Trace.Threads)
}

func sayHandoffs(p *analysis.Pass, f *syscallsFold, lost int64, sites []ranked[callSite]) {
	told := f.hostage > 0 && !p.Trace.V1()
	if lost == 0 && !told {
		return
	}
	line := fmt.Sprintf("P handoffs in calls: %s", analysis.FormatCount(lost))
	if !p.Trace.V1() {
		var parts []string
		for _, t := range takers {
			if n := f.lost[t]; n > 0 {
				part := analysis.FormatCount(n) + " " + takerName(t)
				if h := &f.untilLost[t]; t == parse.TakerSysmon && h.N() > 0 {
					part += " after " + spread(p, h)
				}
				parts = append(parts, part)
			}
		}
		if len(parts) > 0 {
			line += " (" + strings.Join(parts, "; ") + ")"
		}
	}
	if told {
		worst := slices.MaxFunc(sites, func(a, b ranked[callSite]) int {
			return cmp.Or(cmp.Compare(a.v.hostage, b.v.hostage), strings.Compare(b.label[0], a.label[0]))
		})
		line += fmt.Sprintf("; held beyond 20 µs while user goroutines were runnable: %s of P time, most at %s", p.Dur(f.hostage), worst.label[0])
	}
	p.Say("%s", line)
}

func callSites(p *analysis.Pass, sites []ranked[callSite]) {
	t := &analysis.Table{
		Name:  "syscalls.sites",
		Title: "system and cgo calls by where they were made, all goroutines but the tracer's; quantiles are bucket edges, up to 25 % above",
		Columns: []analysis.Column{
			{Name: "call", Unit: analysis.Text}, {Name: "calls", Unit: analysis.Count},
			{Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "max", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "total", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "P handoffs", Unit: analysis.Count, Polarity: analysis.Lower}, {Name: "P held", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "wait for a P", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for _, r := range sites {
		s := r.v
		t.N += s.calls
		var longest, total any
		if s.timed > 0 {
			longest, total = s.longest, s.total
		}
		t.Add(r.label[0], s.calls, s.durations.quantile(50, s.longest), s.durations.quantile(99, s.longest), longest, total,
			s.handoffs(), s.hostage, s.wait)
	}
	t.Limit(10)
	p.Table(t)
}

func handoffTables(p *analysis.Pass, f *syscallsFold, lost int64, sites []ranked[callSite]) {
	t := &analysis.Table{
		Name:  "syscalls.handoffs",
		Title: "P handoffs by who took the P, and how long after the begin of the call; all goroutines but the tracer's",
		N:     lost,
		Columns: []analysis.Column{
			{Name: "taken by", Unit: analysis.Text}, {Name: "P handoffs", Unit: analysis.Count}, {Name: "share", Unit: analysis.Ratio},
			{Name: "p50", Unit: analysis.NS}, {Name: "p99", Unit: analysis.NS}, {Name: "max", Unit: analysis.NS},
		},
	}
	bySite := &analysis.Table{
		Name:  "syscalls.takers",
		Title: "P handoffs by call and taker, all goroutines but the tracer's",
		N:     lost, Detail: true,
		Columns: []analysis.Column{{Name: "call", Unit: analysis.Text}, {Name: "taken by", Unit: analysis.Text}, {Name: "P handoffs", Unit: analysis.Count}},
	}
	order := slices.Clone(takers)
	slices.SortStableFunc(order, func(a, b parse.Taker) int { return cmp.Compare(f.lost[b], f.lost[a]) })
	for _, k := range order {
		if n, h := f.lost[k], &f.untilLost[k]; n > 0 && !p.Trace.V1() {
			t.Add(takerName(k), n, float64(n)/float64(lost), quantileCell(h, .5), quantileCell(h, .99), maxCell(h))
		}
	}
	for _, r := range sites {
		for _, k := range takers {
			if n := r.v.lost[k]; n > 0 && !p.Trace.V1() {
				bySite.Add(r.label[0], takerName(k), n)
			}
		}
	}
	p.Table(t)
	p.Table(bySite)
	var names []string
	for k := range f.lost {
		names = append(names, takerName(parse.Taker(k)))
	}
	p.Figure(analysis.Figure{Name: "syscalls.handoffs", Title: fmt.Sprintf("Ps were taken from calls %s: %s", times(lost), mostly(names, f.lost[:])),
		Mark: analysis.Bars, Table: t.Name, X: "taken by", Y: []string{"P handoffs"}})
	handoffECDF(p, f)
}

// handoffECDF has how long the retaking of a P takes, and what the goroutine then
// waits.
func handoffECDF(p *analysis.Pass, f *syscallsFold) {
	t := ecdfTable("syscalls.handoff", "share up to a latency: from the begin of a call to sysmon taking its P, all goroutines but the tracer's; "+
		"from the return to running, user goroutines that had lost their P", "latency of", 0)
	var parts []string
	for _, row := range []struct {
		name, text string
		h          *sketch.Histogram
	}{
		{"sysmon taking the P", "sysmon takes the P after", &f.untilLost[parse.TakerSysmon]},
		{"return without a P", "a return without a P waits", &f.reacquire[1]},
		{"return with a P found at once", "a return with a P waits", &f.reacquire[0]},
	} {
		if row.h.N() == 0 {
			continue
		}
		t.N += row.h.N()
		addECDF(t, row.name, row.h)
		parts = append(parts, row.text+" "+middle(p, row.h))
	}
	if len(parts) == 0 {
		return
	}
	title := strings.Join(parts[:min(len(parts), 2)], "; ")
	p.Table(t)
	p.Figure(analysis.Figure{Name: "syscalls.handoff", Title: strings.ToUpper(title[:1]) + title[1:], Mark: analysis.ECDF,
		Table: t.Name, X: "latency", Y: []string{"share"}, Series: "latency of"})
}
