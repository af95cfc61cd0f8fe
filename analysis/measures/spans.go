package measures

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// Spans returns the analyzer that keeps what each P did as it was, span by span, in
// the windows: at most limit spans in all, those of evidence first. It is no part of the
// catalogue, since the windows follow from a first report (see Windows). The windows
// must be in order and must not overlap.
func Spans(windows []Window, limit int) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:  "spans",
		Doc:   say.Page(pages, "spans"),
		Kinds: parse.KindsOf(parse.KindProc, parse.KindGoRunnable, parse.KindGoRunning, parse.KindRangeEnd),
		New: func() analysis.Collector {
			f := &spansFold{limit: limit, windows: make([]spansWindow, len(windows)), stw: sketch.NewTop[parse.Range](maxBands), gc: sketch.NewTop[parse.Range](maxBands)}
			for i, w := range windows {
				f.windows[i] = spansWindow{Window: w, cut: math.MaxInt64}
			}
			f.share()
			return f
		},
		Run: runSpans,
	}
}

// maxBands is how many stops of the world and how many GC cycles are given, the
// longest ones.
const maxBands = 512

type spansFold struct {
	limit   int
	windows []spansWindow
	stw, gc *sketch.Top[parse.Range]
}

// A spansWindow has the first spans that end in it. Where it is cut, the one beyond
// ends what is exact: after it come only those that were open then.
type spansWindow struct {
	Window
	spans  int        // that there were
	most   int        // of them that may be kept; see share
	whole  int        // of procs, those before the cut
	cut    parse.Time // the end of the first span that is left out
	procs  []keptSpan
	starts []goStart
	stops  []goStop
}

// A keptSpan is a P in one state with one goroutine.
type keptSpan struct {
	from, to parse.Time
	g        parse.GoID
	p        parse.ProcID
	fn       parse.StringID
	state    parse.ProcState
	mode     parse.Mode
	taker    parse.Taker
}

// A goStart is a goroutine that begins to run on a P, and how it came there.
type goStart struct {
	onP
	g, waker      parse.GoID
	wait          int64 // ns
	blockedBefore int64 // ns; 0 if not seen
	victim, home  parse.ProcID
	wakerStack    parse.StackID
	blockedOn     parse.StringID
	blockedStack  parse.StackID
	ready         parse.Ready
	origin        parse.Origin
	partial       bool // it waited before the trace began
}

// A goStop is a goroutine that stops running on a P, and why.
type goStop struct {
	onP
	reason  parse.StringID
	stack   parse.StackID
	to      parse.GoState
	preempt parse.Preempt
}

// onP is a moment on a P.
type onP struct {
	at parse.Time
	p  parse.ProcID
}

func (m onP) moment() onP { return m }

func (m onP) compare(o onP) int { return cmp.Or(cmp.Compare(m.p, o.p), cmp.Compare(m.at, o.at)) }

// after is the first of those in order that come after at.
func after[T interface{ moment() onP }](all []T, at onP) int {
	return sort.Search(len(all), func(i int) bool { return all[i].moment().compare(at) > 0 })
}

func (f *spansFold) Event(e *parse.Event) {
	switch e.Kind {
	case parse.KindProc:
		p := e.Proc
		if p.From == parse.ProcNotExist || p.From == parse.ProcUndetermined || p.Since == e.Time {
			return
		}
		s := keptSpan{p: p.ID, from: p.Since, to: e.Time, state: p.From, mode: p.Mode, g: p.G, fn: p.Func, taker: p.Taker}
		for i := f.after(p.Since); i < len(f.windows) && f.windows[i].From < e.Time; i++ {
			f.add(&f.windows[i], s)
		}
	case parse.KindGoRunnable:
		if w, g := f.at(e.Time), e.Go; w != nil && g.To == parse.GoRunning {
			s := goStart{onP: onP{e.Time, g.P}, g: g.ID, ready: g.Ready, wait: int64(e.Time - g.Since), partial: g.Partial, origin: g.Origin, victim: g.Victim, home: g.Home,
				waker: g.Waker, wakerStack: g.WakerStack, blockedOn: g.BlockedOn, blockedStack: g.BlockedStack}
			if g.BlockedSince != 0 {
				s.blockedBefore = int64(g.Since - g.BlockedSince)
			}
			w.start(s)
		}
	case parse.KindGoRunning:
		if w, g := f.at(e.Time), e.Go; w != nil && g.To != parse.GoUndetermined {
			w.stop(goStop{onP: onP{e.Time, g.P}, to: g.To, reason: g.Reason, preempt: g.Preempt, stack: g.Stack})
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

// add takes in a span.
func (f *spansFold) add(w *spansWindow, s keptSpan) {
	w.spans++
	switch {
	case w.cut != math.MaxInt64:
		if s.from < w.cut {
			w.procs = append(w.procs, s)
		}
	case w.whole == w.most:
		w.cut = s.to
		w.procs = append(w.procs, s)
	default:
		w.whole++
		w.procs = append(w.procs, s)
	}
	if n := roughly(w.spans); n != roughly(w.spans-1) && n > w.Least {
		f.share()
	}
}

// cutTo leaves a window at most so many spans, and those that were open where it is cut.
func (w *spansWindow) cutTo(most int) {
	w.most = most
	if w.whole <= most {
		return
	}
	w.whole, w.cut = most, w.procs[most].to
	open := slices.DeleteFunc(w.procs[most:], func(s keptSpan) bool { return s.from >= w.cut })
	w.procs = fitting(w.procs[:most+len(open)])
	w.starts = fitting(slices.DeleteFunc(w.starts, func(s goStart) bool { return s.at > w.cut }))
	w.stops = fitting(slices.DeleteFunc(w.stops, func(s goStop) bool { return s.at > w.cut }))
}

// fitting is a list that holds no more memory than it needs.
func fitting[T any](list []T) []T {
	if cap(list) > len(list)+len(list)/4 {
		return append([]T(nil), list...)
	}
	return list
}

func (w *spansWindow) start(s goStart) {
	if s.at <= w.cut {
		w.starts = append(w.starts, s)
	}
}

func (w *spansWindow) stop(s goStop) {
	if s.at <= w.cut {
		w.stops = append(w.stops, s)
	}
}

func (f *spansFold) Merge(next analysis.Collector) {
	o := next.(*spansFold)
	for i := range o.windows {
		w, n := &f.windows[i], &o.windows[i]
		w.spans += n.spans
		if w.cut == math.MaxInt64 {
			w.procs = append(w.procs, n.procs...)
			w.whole += n.whole
			w.cut = n.cut
		} else {
			for _, s := range n.procs {
				if s.from < w.cut {
					w.procs = append(w.procs, s)
				}
			}
		}
		for _, s := range n.starts {
			w.start(s)
		}
		for _, s := range n.stops {
			w.stop(s)
		}
	}
	f.share()
	f.stw.Merge(o.stw)
	f.gc.Merge(o.gc)
}

func runSpans(p *analysis.Pass) error {
	f := analysis.Fold[*spansFold](p)
	windows := f.exact(p)
	p.Table(windows)
	t := f.table(p)
	p.Table(t)
	f.bands(p)
	p.Say("%s in %s", say.Counted(t.N, "exact span", "exact spans"), say.Counted(windows.N, "window", "windows"))
	return nil
}

// clip is a time as the report has it, within what was analysed.
func clip(p *analysis.Pass, t parse.Time) int64 {
	return p.Rel(min(max(t, p.Trace.From), p.Trace.To))
}

// exact are the windows, as far as their spans are kept; those that touch as one.
func (f *spansFold) exact(p *analysis.Pass) *analysis.Table {
	t := &analysis.Table{
		Name: "spans.windows", Role: analysis.RoleWindows, Title: "windows whose spans are kept as they were", Detail: true,
		Columns: []analysis.Column{{Name: "from", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment}, {Name: "spans", Unit: analysis.Count}, {Name: "wanted to", Unit: analysis.Moment}},
	}
	for i := range f.windows {
		w := &f.windows[i]
		from, to, wanted, spans := clip(p, w.From), clip(p, min(w.To, w.cut)), clip(p, w.To), int64(len(w.procs))
		switch n := len(t.Rows); {
		case spans == 0 || to <= from:
		case n > 0 && t.Rows[n-1][1] == from:
			row := t.Rows[n-1]
			t.Rows[n-1] = []any{row[0], to, row[2].(int64) + spans, wanted}
		default:
			t.Add(from, to, spans, wanted)
		}
	}
	t.N = int64(len(t.Rows))
	return t
}

// table are the spans.
func (f *spansFold) table(p *analysis.Pass) *analysis.Table {
	var starts []goStart
	var stops []goStop
	n := 0
	for i := range f.windows {
		n += len(f.windows[i].procs)
	}
	procs := make([]keptSpan, 0, n)
	for i := range f.windows {
		w := &f.windows[i]
		starts, stops, procs = append(starts, w.starts...), append(stops, w.stops...), append(procs, w.procs...)
	}
	slices.SortFunc(procs, func(a, b keptSpan) int { return cmp.Or(cmp.Compare(a.p, b.p), cmp.Compare(a.from, b.from)) })
	procs = slices.Compact(procs) // one that reaches over two windows is in both
	slices.SortStableFunc(starts, func(a, b goStart) int { return a.compare(b.onP) })
	slices.SortStableFunc(stops, func(a, b goStop) int { return a.compare(b.onP) })

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
	c := newSpanCells(p, len(t.Columns), len(procs))
	for i, s := range procs {
		c.set(i, 0, int64(s.p))
		c.set(i, 1, p.Rel(s.from))
		c.set(i, 2, p.Rel(s.to))
		c.text(i, 3, shareNames[shareOf[s.state]])
		c.name(i, 4, s.fn)
		c.set(i, 5, int64(s.g))
		c.text(i, 6, s.detail())
		for k := after(starts, onP{s.from, s.p}) - 1; k >= 0 && starts[k].onP == (onP{s.from, s.p}); k-- {
			if starts[k].g == s.g {
				c.start(i, &starts[k])
				break
			}
		}
		if k := after(stops, onP{s.to, s.p}) - 1; s.g >= 0 && k >= 0 && stops[k].onP == (onP{s.to, s.p}) {
			c.text(i, 17, stops[k].why(p))
			c.site(i, 18, stops[k].stack)
		}
	}
	c.order(t.Columns)
	t.Packed = c.packed
	return t
}

// spanCells are the cells of the table of spans.
type spanCells struct {
	pass   *analysis.Pass
	packed *analysis.Packed
	texts  map[string]int64
	sites  map[parse.StackID]int64
}

func newSpanCells(p *analysis.Pass, columns, rows int) *spanCells {
	c := &spanCells{p, &analysis.Packed{Columns: make([][]int64, columns)}, make(map[string]int64), make(map[parse.StackID]int64)}
	for k := range c.packed.Columns {
		c.packed.Columns[k] = slices.Repeat([]int64{analysis.None}, rows)
	}
	return c
}

// order numbers the texts by where they are first, column by column, as a reader of the
// table would.
func (c *spanCells) order(columns []analysis.Column) {
	var texts []string
	ids := make(map[int64]int64)
	for k, column := range columns {
		if column.Unit != analysis.Text {
			continue
		}
		for i, v := range c.packed.Columns[k] {
			if v == analysis.None {
				continue
			}
			id, ok := ids[v]
			if !ok {
				id = int64(len(texts))
				ids[v] = id
				texts = append(texts, c.packed.Texts[v])
			}
			c.packed.Columns[k][i] = id
		}
	}
	c.packed.Texts = texts
}

func (c *spanCells) set(row, column int, v int64) { c.packed.Columns[column][row] = v }

// text sets a cell to what is not empty.
func (c *spanCells) text(row, column int, s string) {
	if s == "" {
		return
	}
	id, ok := c.texts[s]
	if !ok {
		id = int64(len(c.packed.Texts))
		c.texts[s] = id
		c.packed.Texts = append(c.packed.Texts, s)
	}
	c.set(row, column, id)
}

func (c *spanCells) name(row, column int, id parse.StringID) {
	if id != 0 {
		c.text(row, column, c.pass.Trace.String(id))
	}
}

// site sets a cell to where in the program a stack is, and its callers, outermost last.
func (c *spanCells) site(row, column int, id parse.StackID) {
	if cell, known := c.sites[id]; known {
		c.set(row, column, cell)
		return
	}
	if at, ok := c.pass.Trace.Site(id); ok {
		names, inside := []string{c.pass.SiteName(id)}, false
		for _, f := range c.pass.Trace.Stack(id) {
			if inside {
				names = append(names, fmt.Sprintf("%s:%d", parse.CleanFunc(c.pass.Trace.String(f.Func)), f.Line))
			}
			inside = inside || f == at
		}
		c.text(row, column, strings.Join(names, callers))
	}
	c.sites[id] = c.packed.Columns[column][row]
}

// callers stands between the functions of a stack.
const callers = " ← "

// start sets what is known of the begin of a span.
func (c *spanCells) start(row int, b *goStart) {
	c.text(row, 7, b.ready.String())
	if !b.partial {
		c.set(row, 8, b.wait)
	}
	c.set(row, 9, int64(b.waker))
	c.set(row, 10, int64(b.home))
	c.text(row, 11, b.origin.String())
	if b.origin == parse.OriginStolen {
		c.set(row, 12, int64(b.victim))
	}
	c.name(row, 13, b.blockedOn)
	c.site(row, 14, b.blockedStack)
	if b.blockedBefore > 0 {
		c.set(row, 15, b.blockedBefore)
	}
	c.site(row, 16, b.wakerStack)
}

// bands gives GC cycles and stops of the world.
func (f *spansFold) bands(p *analysis.Pass) {
	text := func(id parse.StringID) any {
		if id == 0 {
			return nil
		}
		return p.Trace.String(id)
	}
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
			bands.Add("GC cycle", clip(p, r.Item.Since), nil, clip(p, r.Item.Until), nil, int64(-1), nil)
			continue
		}
		bands.Add("STW", clip(p, r.Item.Since), clip(p, max(r.Item.Stop.LastStop, r.Item.Since)), clip(p, max(r.Item.Since+parse.Time(r.Item.Total()), r.Item.Since)), text(r.Item.Name), int64(r.Item.G), text(r.Item.Func))
	}
	bands.N = int64(len(bands.Rows))
	p.Table(bands)
}

// detail says of a state what its share does not, "" where there is no more.
func (s *keptSpan) detail() string {
	switch {
	case s.mode != parse.ModeNone:
		return s.mode.String() + " worker"
	case s.state == parse.ProcStopper:
		return "stops the world"
	case s.state == parse.ProcSyscall && s.taker != parse.TakerNone:
		return "P taken: " + s.taker.String()
	}
	return ""
}

// why says why a goroutine stopped, "" if that is not known.
func (e *goStop) why(p *analysis.Pass) string {
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
	return ""
}
