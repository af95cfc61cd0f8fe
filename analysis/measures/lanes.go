package measures

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/parse"
)

// A LaneWindow is a time in which goroutines wait at a place for one of them.
type LaneWindow struct {
	Window
	Place  string // of the program: "main.get:12"
	Holder parse.GoID
	shows  []*analysis.Finding // of the report, the gravest first
}

const (
	laneSpans   = 20_000 // spans of goroutines kept
	laneWaiters = 8      // goroutines that wait, in a figure
	laneWakers  = 2      // those that wake them, beside the holder
	laneRows    = 1500
)

// LaneFigures are the figures that Lanes may draw.
var LaneFigures = []analysis.FigureDef{
	{Name: "lanes.goroutines", Doc: "the goroutines of the gravest finding that some wait for another: who waits, who holds them up, who wakes whom"},
}

// LaneWindowOf returns where a second reading of the trace of a report should look at the
// goroutines of its gravest finding that one goroutine holds up others: when it did so
// longest. It is nil where there is none.
func LaneWindowOf(rep *analysis.Report) (w *LaneWindow) {
	var worst *analysis.Table
	for _, res := range rep.Results {
		for _, t := range res.Tables {
			if t.Name == "holders.worst" {
				worst = t
			}
		}
	}
	if worst == nil || rep.Trace.Duration <= 0 {
		return nil
	}
	// As long as holds half of the spans that are kept.
	long := int64(float64(rep.Trace.Duration) * laneSpans / 2 / float64(rep.Trace.Events+1))
	for _, f := range rep.Findings() {
		if f.Figure != "holders.graph" || len(f.Evidence) == 0 {
			continue
		}
		place := siteOnly(f.Evidence[0].Func)
		if w != nil {
			if w.Place == place {
				w.shows = append(w.shows, f)
			}
			continue
		}
		for i := range worst.Rows {
			label, _ := worst.Cell(i, "place").(string)
			since, _ := worst.Cell(i, "since").(int64)
			until, _ := worst.Cell(i, "until").(int64)
			holder, _ := worst.Cell(i, "holder").(int64)
			if siteOnly(label) != place {
				continue
			}
			held, first := min(until-since, long), rep.Trace.First
			w = &LaneWindow{Place: place, Holder: parse.GoID(holder), shows: []*analysis.Finding{f}, Window: Window{
				From: first + parse.Time(max(until-held-held/4, rep.Trace.From)), To: first + parse.Time(min(until+held/2+1, rep.Trace.To)),
			}}
			break
		}
	}
	return w
}

// siteOnly is the place in the program in the name of a place or site.
func siteOnly(label string) string {
	label, _, _ = strings.Cut(label, " (")
	label, _, _ = strings.Cut(label, " → ")
	return label
}

// ShowLanes adds the result of Lanes over a window to the report it is from: the findings
// there name its figure.
func ShowLanes(rep *analysis.Report, w *LaneWindow, lanes *analysis.Result) {
	if len(lanes.Figures) > 0 {
		rep.Results = append(rep.Results, lanes)
	}
	for _, f := range lanes.Figures {
		for _, finding := range w.shows {
			finding.Figure = f.Name
		}
	}
}

// Lanes returns the analyzer that draws what the goroutines of a finding did, span by span.
// It is no part of the catalogue, since the window follows from a first report.
func Lanes(w *LaneWindow) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:    "lanes",
		Doc:     say.Page(pages, "lanes"),
		Figures: LaneFigures,
		Kinds:   parse.KindsOf(parse.KindGoRunnable, parse.KindGoRunning, parse.KindGoWaiting, parse.KindGoSyscall),
		New:     func() analysis.Collector { return &lanesFold{window: *w, cut: math.MaxInt64} },
		Run:     runLanes,
	}
}

// lanesFold has the first laneSpans spans that end in the window or after it, and those that
// were open then.
type lanesFold struct {
	window LaneWindow
	spans  []laneSpan
	cut    parse.Time
}

// A laneSpan is a goroutine in one state.
type laneSpan struct {
	g        parse.GoID
	fn       parse.StringID // what it is about, or its entry function
	from, to parse.Time
	state    parse.GoState
	stack    parse.StackID // where it entered the state
	waker    parse.GoID    // of the end of a wait
}

func (f *lanesFold) Event(e *parse.Event) {
	g := e.Go
	if g.Since >= f.window.To || e.Time <= f.window.From {
		return
	}
	s := laneSpan{g: g.ID, fn: cmp.Or(g.Body, g.Func), from: g.Since, to: e.Time, state: g.From, stack: g.FromStack, waker: parse.NoGo}
	if g.From == parse.GoWaiting && g.To == parse.GoRunnable {
		s.waker = g.Waker
	}
	f.add(s)
}

func (f *lanesFold) add(s laneSpan) {
	switch {
	case len(f.spans) == laneSpans:
		f.cut = s.to
	case s.from >= f.cut:
		return
	}
	f.spans = append(f.spans, s)
}

func (f *lanesFold) Merge(next analysis.Collector) {
	for _, s := range next.(*lanesFold).spans {
		f.add(s)
	}
}

func runLanes(p *analysis.Pass) error {
	f := analysis.Fold[*lanesFold](p)
	w := f.window
	w.To = min(w.To, f.cut)
	drawLanes(p, &w, f.spans)
	return nil
}

// drawLanes draws the holder, the goroutines that wait for it and who wakes these.
func drawLanes(p *analysis.Pass, w *LaneWindow, spans []laneSpan) {
	there := atPlace(p, w.Place)
	waits := make(map[parse.GoID]laneSpan) // the first wait there that ends in the window, else the longest
	wakers := make(map[parse.GoID]int)
	var wait laneSpan // that the holder ended
	for _, s := range spans {
		if s.state != parse.GoWaiting || !there(s.stack) || s.g == w.Holder {
			continue
		}
		if first, some := waits[s.g]; !some || first.to > w.To && s.to <= w.To || s.to < first.to && s.to <= w.To {
			waits[s.g] = s
		}
		if s.waker == parse.NoGo || s.to > w.To {
			continue
		}
		wakers[s.waker]++
		if s.waker == w.Holder && s.to-s.from > wait.to-wait.from {
			wait = s
		}
	}
	if len(waits) == 0 {
		p.NotApplicable("no goroutine waits at the place in the window")
		return
	}
	order := func(a, b laneSpan) int {
		return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.from, b.from), cmp.Compare(a.g, b.g))
	}
	var waiting []parse.GoID
	for _, s := range slices.SortedFunc(maps.Values(waits), order) {
		waiting = append(waiting, s.g)
	}
	all := int64(len(waiting))
	waiting = waiting[:min(len(waiting), laneWaiters)]
	lanes := []parse.GoID{w.Holder}
	for _, g := range slices.SortedFunc(maps.Keys(wakers), func(a, b parse.GoID) int { return cmp.Or(wakers[b]-wakers[a], cmp.Compare(a, b)) }) {
		if len(lanes) <= laneWakers && g != w.Holder && !slices.Contains(waiting, g) {
			lanes = append(lanes, g)
		}
	}
	lanes = append(lanes, waiting...)
	names := laneTitles(p, spans, lanes)
	t := &analysis.Table{
		Name: "lanes.goroutines", Title: fmt.Sprintf("goroutines at %s: who held the others up for longest, and those that waited there meanwhile", w.Place), N: all, Detail: true,
		Columns: []analysis.Column{{Name: "goroutine", Unit: analysis.Text}, {Name: "from", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment}, {Name: "state", Unit: analysis.Text}, {Name: "where", Unit: analysis.Text}, {Name: "woken by", Unit: analysis.Text}},
	}
	for _, g := range lanes {
		for _, s := range spans {
			from, to := max(s.from, w.From), min(s.to, w.To)
			if s.g != g || from >= to {
				continue
			}
			row := []any{names[g], p.Rel(from), p.Rel(to), laneState(p.Trace, &s, there), nil, nil}
			if s.stack != 0 {
				row[4] = p.SiteName(s.stack)
			}
			if by, known := names[s.waker]; known && s.to <= w.To {
				row[5] = by
			}
			t.Add(row...)
		}
	}
	t.Limit(laneRows)
	p.Table(t)
	title := fmt.Sprintf("%s at %s, each until another wakes it", say.Counted(all, "goroutine waits", "goroutines wait"), say.Brief(w.Place))
	if wait.to > 0 {
		title = fmt.Sprintf("%s at %s, one for %s until G %d wakes it", say.Counted(all, "goroutine waits", "goroutines wait"), say.Brief(w.Place), p.Dur(int64(wait.to-wait.from)), w.Holder)
	}
	p.Say("%s.", title)
	p.Figure(analysis.Figure{
		Name: t.Name, Title: title, Mark: analysis.Goroutines, Table: t.Name, X: "from", End: "to", Series: "goroutine", Y: []string{"state", "woken by"},
	})
}

// atPlace tells which stacks are at a place of the program.
func atPlace(p *analysis.Pass, place string) func(parse.StackID) bool {
	known := make(map[parse.StackID]bool)
	return func(stack parse.StackID) bool {
		is, ok := known[stack]
		if !ok {
			is = siteOnly(PlaceName(p.Trace, p.Trace.PlaceOf(stack))) == place
			known[stack] = is
		}
		return is
	}
}

// laneTitles name goroutines by what they are about.
func laneTitles(p *analysis.Pass, spans []laneSpan, lanes []parse.GoID) map[parse.GoID]string {
	names := make(map[parse.GoID]string)
	for _, g := range lanes {
		names[g] = fmt.Sprintf("G %d", g)
		for _, s := range spans {
			if s.g == g && s.fn != 0 {
				names[g] = fmt.Sprintf("%s, G %d", say.Brief(p.FuncName(s.fn)), g)
				break
			}
		}
	}
	return names
}

// laneState is what a goroutine did in words; to be held up is to wait at the place.
func laneState(tr *parse.Trace, s *laneSpan, there func(parse.StackID) bool) string {
	switch s.state {
	case parse.GoRunning:
		return "running"
	case parse.GoRunnable:
		return "runnable"
	case parse.GoSyscall:
		return "in calls"
	}
	switch prim := tr.Place(tr.PlaceOf(s.stack)).Prim; {
	case there(s.stack):
		return "held up"
	case prim == parse.PrimNetwork:
		return "network"
	case prim == parse.PrimSleep:
		return "asleep"
	}
	return "waits elsewhere"
}
