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

var Syscalls = &analysis.Analyzer{
	Name:  "syscalls",
	Doc:   say.Page(pages, "syscalls"),
	Kinds: parse.KindsOf(parse.KindGoRunnable, parse.KindGoRunning, parse.KindGoSyscall, parse.KindProc),
	New: func() analysis.Collector {
		return &SyscallsFold{series: sketch.NewSeries(2), load: sketch.NewSeries(loadLanes)}
	},
	Run: runSyscalls,
	Metrics: []analysis.MetricDef{
		{ID: "syscall.count", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "system and cgo calls begun, without the tracer's own"},
		{ID: "syscall.duration.{p50,p99,max}", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Doc: "start to end of calls"},
		{ID: "syscall.duration.total", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "start to end of calls"},
		{ID: "syscall.phandoff.count", Unit: analysis.Count, Polarity: analysis.Lower, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "Ps lost in a call"},
		{ID: "syscall.phandoff.{sysmon,stw,safepoint,exiting,self,other}", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "Ps lost in a call, by who took them"},
		{ID: "syscall.phandoff.latency.{p50,p99,max}", Unit: analysis.NS, Polarity: analysis.Neutral, Clock: analysis.PTime, Confidence: analysis.Measured, Doc: "start of call to loss of the P, taken by sysmon"},
		{ID: "syscall.hostage", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.PTime, Confidence: analysis.Inferred, Scale: analysis.Sum, Doc: "P time in calls beyond 20 µs while user work was runnable; an upper bound by at most 20 µs per call"},
		{ID: "syscall.reacquire.{p50,p99,max}", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Doc: "return from a blocking call to running"},
	},
	Figures: []analysis.FigureDef{
		{Name: "syscalls.durations", Doc: "durations of system and cgo calls", From: []analysis.From{{Metric: "procs.share.syscall", Value: .1}}},
		{Name: "syscalls.handoffs", Doc: "who took the P of calls"},
		{Name: "syscalls.handoff", Doc: "how long calls held their P until it was taken"},
		{Name: "syscalls.time", Doc: "system and cgo calls over time"},
	},
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
	LoadSysmon  = iota // Ps that sysmon took
	LoadHostage        // ns of P time, as hostage
	LoadInCall         // ns of goroutine time
	loadLanes
)

// SyscallsFold sums the calls of all goroutines but the tracer's own.
type SyscallsFold struct {
	shortened
	calls     int64            // begun
	untimed   int64            // v1: returned at once, the trace does not say when
	durations sketch.Histogram // of whole calls that returned

	lost      [parse.NumTakers]int64            // Ps, by who took them
	untilLost [parse.NumTakers]sketch.Histogram // start of the call to the loss, where the start is in the trace
	hostage   int64
	pTime     int64 // of Ps in calls

	reacquire [2]sketch.Histogram // user goroutines: return to running; with a P found at once, without

	sites  tally.ByID[parse.StackID, CallSite] // by where the call was entered
	series *sketch.Series
	load   *sketch.Series
}

type CallSite struct {
	Calls, Timed   int64 // begun; whole ones
	Total, Longest int64 // of whole calls
	Open, OpenFor  int64 // begun, and not over at the end of the trace; how long they had lasted by then
	OpenLongest    int64
	Durations      tally.Coarse
	Lost           [parse.NumTakers]int64
	Hostage        int64
	Wait           int64 // of user goroutines after the return, for a P
	ends           *callEnds
}

// callEnds are when calls of a ms and longer at a place end, each by the goroutine of the
// call before: Add leaves them out.
type callEnds struct {
	first, last   callEnd
	apart, length sketch.Histogram
}

type callEnd struct {
	at parse.Time
	g  parse.GoID
}

// pacingCall is from where on (ns) a call may be what a loop is paced by, pacingCalls how often
// one must follow another.
const (
	pacingCall  = 1_000_000
	pacingCalls = 10
)

func (s *CallSite) ended(e *parse.Event, held int64) {
	if held < pacingCall {
		return
	}
	end := callEnd{e.Time, e.Go.ID}
	if s.ends == nil {
		s.ends = &callEnds{first: end}
	} else if s.ends.last.g == end.g {
		s.ends.apart.Add(int64(end.at - s.ends.last.at))
	}
	s.ends.last = end
	s.ends.length.Add(held)
}

func (s *CallSite) merge(o *CallSite) {
	s.Add(o)
	switch {
	case o.ends == nil:
		return
	case s.ends == nil:
		s.ends = &callEnds{first: o.ends.first}
	case s.ends.last.g == o.ends.first.g:
		s.ends.apart.Add(int64(o.ends.first.at - s.ends.last.at))
	}
	s.ends.last = o.ends.last
	s.ends.apart.Merge(&o.ends.apart)
	s.ends.length.Merge(&o.ends.length)
}

func (s *CallSite) Add(o *CallSite) {
	s.Calls += o.Calls
	s.Timed += o.Timed
	s.Total += o.Total
	s.Longest = max(s.Longest, o.Longest)
	s.Open += o.Open
	s.OpenFor += o.OpenFor
	s.OpenLongest = max(s.OpenLongest, o.OpenLongest)
	s.Durations.Merge(&o.Durations)
	for i, n := range o.Lost {
		s.Lost[i] += n
	}
	s.Hostage += o.Hostage
	s.Wait += o.Wait
}

// InCalls is how long calls there lasted: whole ones, and those that were open at the end
// of the trace up to there.
func (s *CallSite) InCalls() int64 { return s.Total + s.OpenFor }

// handoffs is how many Ps were lost there.
func (s *CallSite) handoffs() int64 {
	var n int64
	for _, k := range s.Lost {
		n += k
	}
	return n
}

// WantsProc wants what Ps lost in system calls.
func (f *SyscallsFold) WantsProc(from, _ parse.ProcState) bool { return from == parse.ProcSyscall }

// WantsGo wants calls, and what waits for a P after one.
func (f *SyscallsFold) WantsGo(g *parse.Go) bool {
	return g.From == parse.GoSyscall || g.From == parse.GoRunning && g.To == parse.GoSyscall ||
		g.From == parse.GoRunnable && g.To == parse.GoRunning && g.Ready == parse.ReadySyscall
}

func (f *SyscallsFold) Event(e *parse.Event) {
	if e.Kind == parse.KindProc {
		f.proc(e)
		return
	}
	g := e.Go
	if g.Class == parse.ClassTracer || g.Outside {
		return
	}
	if g.From == parse.GoSyscall {
		f.load.AddSpan(LoadInCall, int64(g.Since), int64(e.Time), 1)
	}
	switch {
	case g.From == parse.GoRunning && g.To == parse.GoSyscall:
		f.calls++
		f.sites.At(g.Stack).Calls++
		if !f.brief {
			f.series.AddPoint(laneCalls, int64(e.Time), 1)
		}

	case g.From == parse.GoSyscall && (g.To == parse.GoRunning || g.To == parse.GoRunnable):
		if g.Partial {
			return
		}
		held := int64(e.Time - g.Since)
		if held <= 1 {
			f.untimed++
			return
		}
		f.durations.Add(held)
		s := f.sites.At(g.FromStack)
		s.Timed++
		s.Total += held
		s.Longest = max(s.Longest, held)
		s.Durations.Add(held)
		s.ended(e, held)

	case g.From == parse.GoSyscall && g.To == parse.GoUndetermined && !g.Partial:
		held := int64(e.Time - g.Since)
		s := f.sites.At(g.FromStack)
		s.Open++
		s.OpenFor += held
		s.OpenLongest = max(s.OpenLongest, held)

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
			f.sites.At(g.BlockedStack).Wait += held
		}
	}
}

func (f *SyscallsFold) proc(e *parse.Event) {
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
	site := f.sites.At(p.Stack)
	f.hostage += excess
	f.load.AddPoint(LoadHostage, int64(e.Time), excess)
	site.Hostage += excess
	if !lost {
		return
	}
	f.lost[p.Taker]++
	site.Lost[p.Taker]++
	if !p.Partial {
		f.untilLost[p.Taker].Add(held)
	}
	if !f.brief {
		f.series.AddPoint(laneLost, int64(e.Time), 1)
	}
	if p.Taker == parse.TakerSysmon {
		f.load.AddPoint(LoadSysmon, int64(e.Time), 1)
	}
}

func (f *SyscallsFold) Merge(next analysis.Collector) {
	o := next.(*SyscallsFold)
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
	f.sites.Merge(&o.sites, (*CallSite).merge)
	f.series.Merge(o.series)
	f.load.Merge(o.load)
}

func runSyscalls(p *analysis.Pass) error {
	f := analysis.Fold[*SyscallsFold](p)
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
	if p.Brief() {
		return nil
	}

	sites := tally.Rank(f.sites.ByKey(), func(s parse.StackID) tally.Label { return tally.Label{p.SiteName(s)} }, (*CallSite).Add,
		(*CallSite).InCalls)
	sayCalls(p, f, calls)
	sayHandoffs(p, f, lost, sites)
	if h := &f.reacquire[1]; h.N() > 0 {
		p.Say("user goroutines that returned without a P: %s; they waited for one %s", analysis.FormatCount(h.N()), say.Spread(p, h))
	}
	callSites(p, sites)
	handoffTables(p, f, lost, sites)
	say.HistogramTable(p, &f.durations, "syscalls.durations", "durations of system and cgo calls, all goroutines but the tracer's")
	p.Figure(analysis.Figure{Name: "syscalls.durations", Title: callsTitle(p, f, lost), Mark: analysis.HistBars,
		Table: "syscalls.durations", X: "from", End: "to", Y: []string{"count"}, Refs: say.QuantileRefs(p, &f.durations)})
	if calls+lost > 0 {
		say.SeriesTable(p, f.series, "syscalls.time", "calls and P handoffs over time, all goroutines but the tracer's", "calls", "P handoffs")
		p.Figure(analysis.Figure{Name: "syscalls.time", Title: callSeriesTitle(p, f.series), Mark: analysis.Panels,
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

func callsTitle(p *analysis.Pass, f *SyscallsFold, lost int64) string {
	which := "System and cgo calls take"
	if f.untimed > 0 {
		which = "Blocking system and cgo calls take"
	}
	return fmt.Sprintf("%s %s; %s", which, say.Typical(p, &f.durations), say.Numbered(lost, "P handoff", "P handoffs"))
}

func callSeriesTitle(p *analysis.Pass, s *sketch.Series) string {
	var calls, lost, most int64
	for b := range s.Len() {
		calls += s.At(b, laneCalls)
		lost += s.At(b, laneLost)
		most = max(most, s.At(b, laneCalls))
	}
	return fmt.Sprintf("There are %s, at most %s in %s, and %s", say.Numbered(calls, "system or cgo call", "system and cgo calls"),
		analysis.FormatCount(most), p.Dur(s.Width()), say.Numbered(lost, "P handoff", "P handoffs"))
}

func sayCalls(p *analysis.Pass, f *SyscallsFold, calls int64) {
	if calls == 0 && f.durations.N() == 0 && f.pTime == 0 {
		p.Say("no system or cgo call in %s", p.Dur(p.Trace.Duration()))
		return
	}
	line := fmt.Sprintf("%s system and cgo calls", analysis.FormatCount(calls))
	switch {
	case f.durations.N() == 0:
	case f.untimed > 0:
		line += fmt.Sprintf("; %s returned at once (this trace does not tell how fast), %s took %s", analysis.FormatCount(f.untimed),
			analysis.FormatCount(f.durations.N()), say.Spread(p, &f.durations))
	default:
		line += fmt.Sprintf(" took %s, %s of goroutine time in all", say.Spread(p, &f.durations), p.Dur(f.durations.Sum()))
	}
	p.Say("%s; %d threads seen", line, p.Trace.Threads)
}

func sayHandoffs(p *analysis.Pass, f *SyscallsFold, lost int64, sites []tally.Ranked[CallSite]) {
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
					part += " after " + say.Spread(p, h)
				}
				parts = append(parts, part)
			}
		}
		if len(parts) > 0 {
			line += " (" + strings.Join(parts, "; ") + ")"
		}
	}
	if told {
		worst := slices.MaxFunc(sites, func(a, b tally.Ranked[CallSite]) int {
			return cmp.Or(cmp.Compare(a.V.Hostage, b.V.Hostage), strings.Compare(b.Label[0], a.Label[0]))
		})
		line += fmt.Sprintf("; held beyond 20 µs while user goroutines were runnable: %s of P time, most at %s", p.Dur(f.hostage), worst.Label[0])
	}
	p.Say("%s", line)
}

func callSites(p *analysis.Pass, sites []tally.Ranked[CallSite]) {
	t := &analysis.Table{
		Name:  "syscalls.sites",
		Title: "system and cgo calls by where they were made, all goroutines but the tracer's; quantiles are bucket edges, up to 25 % above",
		Columns: []analysis.Column{
			{Name: "call", Unit: analysis.Text}, {Name: "calls", Unit: analysis.Count},
			{Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "max", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "total", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "P handoffs", Unit: analysis.Count, Polarity: analysis.Lower}, {Name: "P held", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "wait for a P", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "open at the end", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for _, r := range sites {
		s := r.V
		t.N += s.Calls
		var longest, total, open any
		if s.Timed > 0 {
			longest, total = s.Longest, s.Total
		}
		if s.Open > 0 {
			open = s.OpenFor
		}
		t.Add(r.Label[0], s.Calls, s.Durations.Quantile(50, s.Longest), s.Durations.Quantile(99, s.Longest), longest, total,
			s.handoffs(), s.Hostage, s.Wait, open)
	}
	t.Limit(10)
	p.Table(t)
}

func handoffTables(p *analysis.Pass, f *SyscallsFold, lost int64, sites []tally.Ranked[CallSite]) {
	t := &analysis.Table{
		Name:  "syscalls.handoffs",
		Title: "P handoffs by who took the P, and how long after the start of the call; all goroutines but the tracer's",
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
			t.Add(takerName(k), n, float64(n)/float64(lost), say.QuantileCell(h, .5), say.QuantileCell(h, .99), say.MaxCell(h))
		}
	}
	for _, r := range sites {
		for _, k := range takers {
			if n := r.V.Lost[k]; n > 0 && !p.Trace.V1() {
				bySite.Add(r.Label[0], takerName(k), n)
			}
		}
	}
	p.Table(t)
	p.Table(bySite)
	var names []string
	for k := range f.lost {
		names = append(names, takerName(parse.Taker(k)))
	}
	p.Figure(analysis.Figure{Name: "syscalls.handoffs", Title: fmt.Sprintf("Ps were taken from calls %s: %s", say.Times(lost), say.Mostly(names, f.lost[:])),
		Mark: analysis.Bars, Table: t.Name, X: "taken by", Y: []string{"P handoffs"}})
	handoffECDF(p, f)
}

// handoffECDF has how long the retaking of a P takes, and what the goroutine then
// waits.
func handoffECDF(p *analysis.Pass, f *SyscallsFold) {
	t := say.ECDFTable("syscalls.handoff", "share up to a latency: from the start of a call to sysmon taking its P, all goroutines but the tracer's; "+
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
		say.AddECDF(t, row.name, row.h)
		parts = append(parts, row.text+" "+say.Middle(p, row.h))
	}
	if len(parts) == 0 {
		return
	}
	title := strings.Join(parts[:min(len(parts), 2)], "; ")
	p.Table(t)
	p.Figure(analysis.Figure{Name: "syscalls.handoff", Title: strings.ToUpper(title[:1]) + title[1:], Mark: analysis.ECDF,
		Table: t.Name, X: "latency", Y: []string{"share"}, Series: "latency of"})
}
