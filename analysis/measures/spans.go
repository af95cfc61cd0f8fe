package measures

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// A Window is a part of a trace, on the trace's clock.
type Window struct{ From, To parse.Time }

// Spans returns the analyzer that keeps what each P did as it was, span by span, in
// the windows: at most limit spans in all, shared by their lengths. It is no part of the
// catalogue, since the windows follow from a first report (see Windows). The windows
// must be in order and apart.
func Spans(windows []Window, limit int) *analysis.Analyzer {
	var total float64
	for _, w := range windows {
		total += float64(w.To - w.From)
	}
	return &analysis.Analyzer{
		Name:  "spans",
		Doc:   say.Page(pages, "spans"),
		Kinds: parse.KindsOf(parse.KindProc, parse.KindGoRunnable, parse.KindGoRunning, parse.KindRangeEnd),
		New: func() analysis.Collector {
			f := &spansFold{windows: make([]spansWindow, len(windows)), stw: sketch.NewTop[parse.Range](maxBands), gc: sketch.NewTop[parse.Range](maxBands)}
			for i, w := range windows {
				f.windows[i] = spansWindow{Window: w, limit: int(float64(limit) * float64(w.To-w.From) / total), cut: math.MaxInt64}
			}
			return f
		},
		Run: runSpans,
	}
}

// Windows returns where a second reading of the trace of a report should keep at most
// limit spans: the whole of a small trace; else where its findings point to, the graver
// ones first, and where its worst instances are.
func Windows(rep *analysis.Report, limit int) []Window {
	from, to := rep.Trace.From, rep.Trace.To
	if limit <= 0 || to <= from {
		return nil
	}
	first := rep.Trace.First
	spans := aboutSpans(rep)
	if spans <= int64(limit) {
		return []Window{{first + parse.Time(from), first + parse.Time(to)}}
	}
	var ws []Window
	add := func(begin, length int64) {
		if len(ws) >= maxWindows || length >= (to-from)/2 {
			return // all of the trace is no place
		}
		ws = append(ws, Window{first + parse.Time(max(begin, from)), first + parse.Time(min(begin+length, to))})
	}
	findings := rep.Findings()
	for i := range 3 { // the first evidence of each, then the second …
		for _, f := range findings {
			if i < len(f.Evidence) {
				add(f.Evidence[i].From, f.Evidence[i].To-f.Evidence[i].From)
			}
		}
	}
	for i := range 3 {
		for _, res := range rep.Results {
			for _, t := range res.Tables {
				if columns, worst := worstTables[t.Name]; worst && i < len(t.Rows) {
					at, _ := t.Cell(i, columns.at).(int64)
					long, _ := t.Cell(i, columns.length).(int64)
					add(at, long)
				}
			}
		}
	}
	if len(ws) == 0 {
		ws = []Window{{first + parse.Time(from), first + parse.Time(to)}}
	}
	ws = apart(ws)
	// All together as long as holds that many spans, the long ones cut; and each with
	// what is around it, more where there is room.
	budget := float64(to-from) * float64(limit) / float64(spans)
	longest, more := float64(to-from), 1.0
	length := func(w Window) int64 { return int64(min(more*(1.5*float64(w.To-w.From)+100_000), longest)) }
	all := func() (sum float64) {
		for _, w := range ws {
			sum += float64(length(w))
		}
		return sum
	}
	more = max(budget/all()/2, 1) // findings are where more happens than elsewhere
	for all() > budget {
		longest *= .9
	}
	for i, w := range ws {
		l := length(w)
		before := more * float64(int64(w.To-w.From)/4+50_000)
		begin := max(int64(w.From-first)-min(l/6, int64(before)), from)
		ws[i] = Window{first + parse.Time(begin), first + parse.Time(min(begin+l, to))}
	}
	return apart(ws)
}

// aboutSpans is about how many spans the Ps of a trace have, rather too many: a run of
// a goroutine, a call, a wake-up of a P and a mark assist each end two, an event at
// most as many.
func aboutSpans(rep *analysis.Report) int64 {
	most, n := 2*rep.Trace.Events, int64(0)
	for _, id := range []string{"sched.starts", "syscall.count", "procs.wakeups", "gc.assist.count"} {
		m, ok := rep.Metrics[id]
		if !ok {
			return most
		}
		n += 2 * int64(m.Value)
	}
	return min(most, n+n/10+1000)
}

// apart joins windows that touch, and puts them in order.
func apart(ws []Window) []Window {
	slices.SortFunc(ws, func(a, b Window) int { return cmp.Compare(a.From, b.From) })
	out := ws[:0]
	for _, w := range ws {
		if n := len(out); n > 0 && w.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, w.To)
			continue
		}
		out = append(out, w)
	}
	return out
}

// maxWindows is among how many windows the spans are shared.
const maxWindows = 48

// worstTables are tables of worst instances: which columns say when one was.
var worstTables = map[string]struct{ at, length string }{
	"latency.worst":    {"at", "wait"},
	"stw.worst":        {"at", "total"},
	"preemption.worst": {"start", "length"},
	"gc.cycles":        {"at", "mark"},
}

// maxBands is how many stops of the world and how many GC cycles are given, the
// longest ones.
const maxBands = 512

type spansFold struct {
	windows []spansWindow
	stw, gc *sketch.Top[parse.Range]
}

// A spansWindow has the first spans that end in it, up to its limit. The one beyond
// ends what is exact: after it come only those that were open then.
type spansWindow struct {
	Window
	limit  int
	cut    parse.Time // the end of the first span beyond the limit
	procs  []keptSpan
	starts []goStart
	stops  []goStop
}

// A keptSpan is a P in one state with one goroutine.
type keptSpan struct {
	p        parse.ProcID
	from, to parse.Time
	state    parse.ProcState
	mode     parse.Mode
	g        parse.GoID
	fn       parse.StringID
	taker    parse.Taker
}

// A goStart is a goroutine that begins to run on a P, and how it came there.
type goStart struct {
	p             parse.ProcID
	at            parse.Time
	g             parse.GoID
	ready         parse.Ready
	wait          int64 // ns
	partial       bool  // it waited before the trace began
	origin        parse.Origin
	victim, home  parse.ProcID
	waker         parse.GoID
	wakerStack    parse.StackID
	blockedOn     parse.StringID
	blockedStack  parse.StackID
	blockedBefore int64 // ns; 0 if not seen
}

// A goStop is a goroutine that stops running on a P, and why.
type goStop struct {
	p       parse.ProcID
	at      parse.Time
	to      parse.GoState
	reason  parse.StringID
	preempt parse.Preempt
	stack   parse.StackID
}

func (f *spansFold) Event(e *parse.Event) {
	switch e.Kind {
	case parse.KindProc:
		p := e.Proc
		if p.From == parse.ProcNotExist || p.From == parse.ProcUndetermined || p.Since == e.Time {
			return
		}
		s := keptSpan{p.ID, p.Since, e.Time, p.From, p.Mode, p.G, p.Func, p.Taker}
		for i := f.after(p.Since); i < len(f.windows) && f.windows[i].From < e.Time; i++ {
			f.windows[i].add(s)
		}
	case parse.KindGoRunnable:
		if w, g := f.at(e.Time), e.Go; w != nil && g.To == parse.GoRunning {
			s := goStart{p: g.P, at: e.Time, g: g.ID, ready: g.Ready, wait: int64(e.Time - g.Since), partial: g.Partial, origin: g.Origin, victim: g.Victim, home: g.Home,
				waker: g.Waker, wakerStack: g.WakerStack, blockedOn: g.BlockedOn, blockedStack: g.BlockedStack}
			if g.BlockedSince != 0 {
				s.blockedBefore = int64(g.Since - g.BlockedSince)
			}
			w.start(s)
		}
	case parse.KindGoRunning:
		if w, g := f.at(e.Time), e.Go; w != nil && g.To != parse.GoUndetermined {
			w.stop(goStop{g.P, e.Time, g.To, g.Reason, g.Preempt, g.Stack})
		}
	case parse.KindRangeEnd:
		r := *e.Range
		if r.Kind != parse.RangeSTW && r.Kind != parse.RangeGC {
			return
		}
		top := f.stw
		if r.Kind == parse.RangeGC {
			top = f.gc
		}
		top.Add(sketch.Key{Value: int64(r.Until - r.Since), Time: int64(r.Since)}, r)
	}
}

// after is the first window that ends after t.
func (f *spansFold) after(t parse.Time) int {
	return sort.Search(len(f.windows), func(i int) bool { return f.windows[i].To > t })
}

// at is the window in which a goroutine starts or stops at t, nil if none.
func (f *spansFold) at(t parse.Time) *spansWindow {
	if i := f.after(t - 1); i < len(f.windows) && f.windows[i].From <= t {
		return &f.windows[i]
	}
	return nil
}

func (w *spansWindow) add(s keptSpan) {
	switch {
	case len(w.procs) == w.limit:
		w.cut = s.to
	case s.from >= w.cut:
		return
	}
	w.procs = append(w.procs, s)
}

func (w *spansWindow) start(s goStart) {
	if s.at <= w.cut && len(w.starts) < w.limit {
		w.starts = append(w.starts, s)
	}
}

func (w *spansWindow) stop(s goStop) {
	if s.at <= w.cut && len(w.stops) < w.limit {
		w.stops = append(w.stops, s)
	}
}

func (f *spansFold) Merge(next analysis.Collector) {
	o := next.(*spansFold)
	for i := range o.windows {
		// As they came: each of the three lists tells only where it is cut.
		w, n := &f.windows[i], &o.windows[i]
		for _, s := range n.procs {
			w.add(s)
		}
		for _, s := range n.starts {
			w.start(s)
		}
		for _, s := range n.stops {
			w.stop(s)
		}
	}
	f.stw.Merge(o.stw)
	f.gc.Merge(o.gc)
}

// onP is a moment on a P.
type onP struct {
	p  parse.ProcID
	at parse.Time
}

func runSpans(p *analysis.Pass) error {
	f := analysis.Fold[*spansFold](p)
	clip := func(t parse.Time) int64 { return p.Rel(min(max(t, p.Trace.From), p.Trace.To)) }

	windows := &analysis.Table{
		Name: "spans.windows", Role: analysis.RoleWindows, Title: "windows whose spans are kept as they were", N: int64(len(f.windows)), Detail: true,
		Columns: []analysis.Column{{Name: "from", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment}, {Name: "spans", Unit: analysis.Count}, {Name: "wanted to", Unit: analysis.Moment}},
	}
	starts, stops := make(map[onP]*goStart), make(map[onP]*goStop)
	var procs []keptSpan
	for i := range f.windows {
		w := &f.windows[i]
		for k := range w.starts {
			starts[onP{w.starts[k].p, w.starts[k].at}] = &w.starts[k]
		}
		for k := range w.stops {
			stops[onP{w.stops[k].p, w.stops[k].at}] = &w.stops[k]
		}
		procs = append(procs, w.procs...)
		if to := min(w.To, w.cut); len(w.procs) > 0 && to > w.From {
			windows.Add(clip(w.From), clip(to), int64(len(w.procs)), clip(w.To))
		}
	}
	p.Table(windows)
	slices.SortFunc(procs, func(a, b keptSpan) int { return cmp.Or(cmp.Compare(a.p, b.p), cmp.Compare(a.from, b.from)) })
	procs = slices.Compact(procs) // one that reaches over two windows is in both

	text := func(id parse.StringID) any {
		if id == 0 {
			return nil
		}
		return p.Trace.String(id)
	}
	site := func(id parse.StackID) any {
		if _, ok := p.Trace.Site(id); !ok {
			return nil
		}
		return p.SiteName(id)
	}
	t := &analysis.Table{
		Name: "spans.spans", Role: analysis.RoleSpans, Title: "each P by state and goroutine in the windows, exact spans; how the goroutine came to run and why it stopped", N: int64(len(procs)), Detail: true,
		Columns: []analysis.Column{
			{Name: "P", Unit: analysis.P}, {Name: "from", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment},
			{Name: "state", Unit: analysis.Text}, {Name: "function", Unit: analysis.Text}, {Name: "g", Unit: analysis.G},
			{Name: "detail", Unit: analysis.Text},
			{Name: "became runnable", Unit: analysis.Text}, {Name: "wait", Unit: analysis.NS}, {Name: "waker", Unit: analysis.G}, {Name: "queued on", Unit: analysis.P},
			{Name: "taken from", Unit: analysis.Text}, {Name: "stolen from", Unit: analysis.P},
			{Name: "blocked on", Unit: analysis.Text}, {Name: "blocked at", Unit: analysis.Text}, {Name: "blocked for", Unit: analysis.NS}, {Name: "readied at", Unit: analysis.Text},
			{Name: "stopped by", Unit: analysis.Text}, {Name: "stopped at", Unit: analysis.Text},
		},
	}
	for _, s := range procs {
		row := make([]any, len(t.Columns))
		row[0], row[1], row[2] = int64(s.p), p.Rel(s.from), p.Rel(s.to)
		row[3], row[4], row[5] = shareNames[shareOf[s.state]], text(s.fn), int64(s.g)
		row[6] = s.detail()
		if b := starts[onP{s.p, s.from}]; b != nil && b.g == s.g {
			row[7], row[9], row[10] = b.ready.String(), int64(b.waker), int64(b.home)
			if !b.partial {
				row[8] = b.wait
			}
			row[11], row[13], row[14], row[16] = b.origin.String(), text(b.blockedOn), site(b.blockedStack), site(b.wakerStack)
			if b.origin == parse.OriginStolen {
				row[12] = int64(b.victim)
			}
			if b.blockedBefore > 0 {
				row[15] = b.blockedBefore
			}
		}
		if e := stops[onP{s.p, s.to}]; e != nil && s.g >= 0 {
			row[17], row[18] = e.why(p), site(e.stack)
		}
		t.Add(row...)
	}
	p.Table(t)

	bands := &analysis.Table{
		Name: "spans.bands", Role: analysis.RoleBands, Title: "GC cycles and stops of the world, the longest of each", Detail: true,
		Columns: []analysis.Column{
			{Name: "what", Unit: analysis.Text}, {Name: "from", Unit: analysis.Moment}, {Name: "stopped", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment},
			{Name: "reason", Unit: analysis.Text}, {Name: "g", Unit: analysis.G}, {Name: "function", Unit: analysis.Text},
		},
	}
	ranges := slices.Concat(f.gc.Items(), f.stw.Items())
	slices.SortStableFunc(ranges, func(a, b sketch.Entry[parse.Range]) int { return cmp.Compare(a.Time, b.Time) })
	for _, r := range ranges {
		if r.Item.Kind == parse.RangeGC {
			bands.Add("GC cycle", clip(r.Item.Since), nil, clip(r.Item.Until), nil, int64(-1), nil)
			continue
		}
		bands.Add("STW", clip(r.Item.Since), clip(max(r.Item.Stop.LastStop, r.Item.Since)), clip(max(r.Item.Since+parse.Time(r.Item.Total()), r.Item.Since)), text(r.Item.Name), int64(r.Item.G), text(r.Item.Func))
	}
	bands.N = int64(len(bands.Rows))
	p.Table(bands)
	p.Say("%s in %s", say.Counted(t.N, "exact span", "exact spans"), say.Counted(windows.N, "window", "windows"))
	return nil
}

// detail says of a state what its share does not.
func (s *keptSpan) detail() any {
	switch {
	case s.mode != parse.ModeNone:
		return s.mode.String() + " worker"
	case s.state == parse.ProcStopper:
		return "stops the world"
	case s.state == parse.ProcSyscall && s.taker != parse.TakerNone:
		return "P taken: " + s.taker.String()
	}
	return nil
}

// why says why a goroutine stopped.
func (e *goStop) why(p *analysis.Pass) any {
	switch {
	case e.preempt != parse.PreemptNone:
		return "preempted: " + e.preempt.String()
	case e.to == parse.GoNotExist:
		return "it ended"
	case e.to == parse.GoSyscall:
		return "system call"
	case e.reason != 0:
		return p.Trace.String(e.reason)
	}
	return nil
}
