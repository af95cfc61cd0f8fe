package measures

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// How many spans of one cycle are kept, the longest of each.
const (
	cycleStops   = 8
	cycleWorkers = 128
	cycleAssists = 128
)

// gcWorst keeps the spans of the longest cycle that is seen from start to end, and
// of cycles whose end is elsewhere.
type gcWorst struct {
	found  bool
	length sketch.Key
	cycle  parse.Range
	spans  map[parse.Time]*gcSpans // by start of the cycle
}

// gcSpans are spans of one cycle.
type gcSpans struct {
	stops, workers, assists *sketch.Top[gcSpan]
	n                       int64 // of all, kept or not
	background, assist      int64 // P time of all: dedicated and fractional workers, assists
}

type gcSpan struct {
	p    parse.ProcID // NoProc for a stop of the world
	g    parse.GoID
	mode parse.Mode
	mark bool // mark termination
}

func newGCSpans() *gcSpans {
	return &gcSpans{stops: sketch.NewTop[gcSpan](cycleStops), workers: sketch.NewTop[gcSpan](cycleWorkers), assists: sketch.NewTop[gcSpan](cycleAssists)}
}

func (s *gcSpans) merge(o *gcSpans) {
	s.stops.Merge(o.stops)
	s.workers.Merge(o.workers)
	s.assists.Merge(o.assists)
	s.n += o.n
	s.background += o.background
	s.assist += o.assist
}

// keeps reports whether the spans of the cycle that began then are kept.
func (w *gcWorst) keeps(begin parse.Time, d *ended) bool {
	return !d.has(begin) || w.found && w.cycle.Since == begin
}

// of returns what is kept of the cycle that began then, nil when nothing is.
func (w *gcWorst) of(begin parse.Time, d *ended) *gcSpans {
	if begin == 0 || !w.keeps(begin, d) {
		return nil
	}
	s := w.spans[begin]
	if s == nil {
		s = newGCSpans()
		w.spans[begin] = s
	}
	return s
}

// proc takes in the run of a worker or of a goroutine in mark assist.
func (w *gcWorst) proc(e *parse.Event, d *ended) {
	p, held := e.Proc, e.Held()
	s := w.of(e.GC, d)
	if s == nil || held == 0 {
		return
	}
	top := s.workers
	switch {
	case p.From == parse.ProcAssist:
		top = s.assists
		s.assist += held
	case p.Mode != parse.ModeIdle:
		s.background += held
	}
	s.n++
	top.Add(sketch.Key{Value: held, Time: int64(p.Since), ID: int64(p.ID)}, gcSpan{p: p.ID, g: p.G, mode: p.Mode})
}

// stop takes in a GC stop of the world.
func (w *gcWorst) stop(e *parse.Event, d *ended) {
	if s := w.of(e.GC, d); s != nil {
		s.n++
		s.stops.Add(sketch.Key{Value: STWHalt(e.Range), Time: int64(e.Range.Since)}, gcSpan{p: parse.NoProc, g: e.Range.G, mark: e.Range.Stop.Mark})
	}
}

// end takes in a cycle that has ended.
func (w *gcWorst) end(r *parse.Range, d *ended) {
	if !r.Partial && !r.Unfinished && r.MarkBegin != 0 {
		w.lengthen(sketch.Key{Value: GCMark(r), Time: int64(r.Since)}, r)
	}
	w.prune(d)
}

func (w *gcWorst) lengthen(k sketch.Key, r *parse.Range) {
	if !w.found || k.Value > w.length.Value || k.Value == w.length.Value && k.Time < w.length.Time {
		w.found, w.length, w.cycle = true, k, *r
	}
}

func (w *gcWorst) prune(d *ended) {
	for begin := range w.spans {
		if !w.keeps(begin, d) {
			delete(w.spans, begin)
		}
	}
}

// merge adds what o has; d already tells the cycles that ended in either.
func (w *gcWorst) merge(o *gcWorst, d *ended) {
	if o.found {
		w.lengthen(o.length, &o.cycle)
	}
	for begin, os := range o.spans {
		s := w.spans[begin]
		if s == nil {
			s = newGCSpans()
			w.spans[begin] = s
		}
		s.merge(os)
	}
	w.prune(d)
}

// gcWorstCycle shows the longest cycle span by span.
func gcWorstCycle(p *analysis.Pass, c *GCFold) {
	w := &c.worst
	if !w.found {
		return
	}
	t := &analysis.Table{
		Name: "gc.cycle", Title: "the longest GC cycle seen from start to end: its phases, and what Ps did for it", Detail: true,
		Columns: []analysis.Column{
			{Name: "row", Unit: analysis.Text}, {Name: "what", Unit: analysis.Text},
			{Name: "from", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment}, {Name: "g", Unit: analysis.G},
		},
	}
	add := func(row, what string, from, length int64, g parse.GoID) {
		t.Add(row, what, p.Rel(parse.Time(from)), p.Rel(parse.Time(from+length)), int64(g))
	}
	inTime := func(top *sketch.Top[gcSpan]) []sketch.Entry[gcSpan] {
		items := top.Items()
		slices.SortFunc(items, func(a, b sketch.Entry[gcSpan]) int {
			return cmp.Or(cmp.Compare(a.Item.p, b.Item.p), cmp.Compare(a.Time, b.Time))
		})
		return items
	}
	s := w.spans[w.cycle.Since]
	if s == nil {
		s = newGCSpans()
	}
	mark := sketch.Entry[gcSpan]{Key: sketch.Key{Value: w.length.Value, Time: int64(w.cycle.MarkBegin)}, Item: gcSpan{p: parse.NoProc, g: parse.NoGo}}
	for _, e := range inTime(s.stops) {
		what := "sweep termination STW"
		if e.Item.mark {
			what = "mark termination STW"
		}
		add("phases", what, e.Time, e.Value, e.Item.g)
	}
	add("phases", "mark", mark.Time, mark.Value, parse.NoGo)
	slices.SortStableFunc(t.Rows, func(a, b []any) int { return cmp.Compare(a[2].(int64), b[2].(int64)) })
	for _, e := range inTime(s.workers) {
		what := "dedicated worker"
		switch e.Item.mode {
		case parse.ModeFractional:
			what = "fractional worker"
		case parse.ModeIdle:
			what = "idle worker"
		case parse.ModeNone:
			what = "worker without label"
		}
		add(fmt.Sprintf("P %d worker", e.Item.p), what, e.Time, e.Value, e.Item.g)
	}
	for _, e := range inTime(s.assists) {
		add(fmt.Sprintf("P %d assist", e.Item.p), "mark assist", e.Time, e.Value, e.Item.g)
	}
	t.N = s.n + 1
	t.More = t.N - int64(len(t.Rows))
	p.Table(t)

	title := fmt.Sprintf("The longest GC cycle marks for %s from %s", p.Dur(w.length.Value), p.At(w.cycle.MarkBegin))
	if i := slices.IndexFunc(c.details, func(d *GCCycle) bool { return d.Since == w.cycle.Since }); i >= 0 {
		if all := int64(c.details[i].procs) * w.length.Value; all > 0 {
			title += fmt.Sprintf(": workers %s of P time, assists %s", analysis.FormatRatio(say.Ratio(s.background, all)), analysis.FormatRatio(say.Ratio(s.assist, all)))
		}
	}
	p.Figure(analysis.Figure{Name: "gc.cycle", Title: title, Mark: analysis.Gantt,
		Table: t.Name, X: "from", End: "to", Y: []string{"row"}, Series: "what"})
}
