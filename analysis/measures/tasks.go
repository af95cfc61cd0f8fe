package measures

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var Tasks = &analysis.Analyzer{
	Name: "tasks",
	Doc:  say.Page(pages, "tasks"),
	Figures: []analysis.FigureDef{
		{Name: "tasks.tasks", Doc: "durations of user tasks by type"},
		{Name: "tasks.longest", Doc: "the longest user tasks, each from its start to its end"},
	},
	Kinds: parse.KindsOf(parse.KindRangeEnd, parse.KindLog),
	New: func() analysis.Collector {
		return &TasksFold{
			tasks:   newNames[Annotated](),
			regions: newNames[Annotated](),
			logs:    newNames[int64](),
			slowest: sketch.NewTop[slowTask](ganttTasks),
			oldest:  sketch.NewTop[slowTask](10),
		}
	},
	Run: runTasks,
}

// TasksFold holds what the program says of itself with package runtime/trace.
type TasksFold struct {
	tasks, regions names[Annotated]
	logs           names[int64]          // by category
	slowest        *sketch.Top[slowTask] // of the whole tasks
	oldest         *sketch.Top[slowTask] // of those open at the end, but begun in the trace
}

type Annotated struct {
	all, Total, cpu int64            // all of them, and their time in the trace; cpu of regions
	Unfinished      int64            // open at the end of the trace
	Lengths         sketch.Histogram // of those with start and end in the trace
	Open            tally.Coarse     // how long those open at the end, but begun in the trace, lasted so far
	BySpan          TaskSpans        // tasks of lengths
}

// TaskSpans are sums over the tasks of each bucket of coarse by length, so that
// slow ones can be told from usual ones when it is known what is usual.
type TaskSpans struct{ tally.Buckets[TaskSpan] }

// TaskSpan sums tasks of about the same length.
type TaskSpan struct {
	N, Total int64
	Spent    [parse.NumGoStates]int64
}

func (b *TaskSpan) add(o *TaskSpan) {
	b.N += o.N
	b.Total += o.Total
	for state, ns := range &o.Spent {
		b.Spent[state] += ns
	}
}

func (s *TaskSpans) add(r *parse.Range, held int64) {
	s.At(tally.CoarseIndex(held)).add(&TaskSpan{1, held, r.Spent})
}

func (s *TaskSpans) merge(o *TaskSpans) {
	for i, b := range o.All() {
		s.At(i).add(b)
	}
}

func (a *Annotated) Add(o *Annotated) {
	a.all += o.all
	a.Total += o.Total
	a.cpu += o.cpu
	a.Unfinished += o.Unfinished
	a.Lengths.Merge(&o.Lengths)
	a.Open.Merge(&o.Open)
	a.BySpan.merge(&o.BySpan)
}

type slowTask struct {
	Name   parse.StringID
	parent uint64
	G      parse.GoID
	Fn     parse.StringID
	Stack  parse.StackID // where it began
	last   parse.LastState
}

func newSlowTask(r *parse.Range) slowTask {
	return slowTask{r.Name, r.Parent, r.G, r.Func, r.Stack, r.Last}
}

func (f *TasksFold) Event(e *parse.Event) {
	if e.Kind == parse.KindLog {
		*f.logs.at(e.Log.Category, Annotation{Name: e.Log.Group}, addCount)++
		return
	}
	r := e.Range
	m := &f.tasks
	switch r.Kind {
	case parse.RangeTask:
	case parse.RangeRegion:
		m = &f.regions
	default:
		return
	}
	held := e.Held()
	a := m.at(r.Name, Annotation{Name: r.Group, Untold: r.Partial && r.Name == 0}, (*Annotated).Add)
	a.all++
	a.Total += held
	a.cpu += r.CPU
	if r.Unfinished {
		a.Unfinished++
	}
	if r.Unfinished && !r.Partial {
		a.Open.Add(held)
		if r.Kind == parse.RangeTask && f.oldest.Wants(held) {
			f.oldest.Add(sketch.Key{Value: held, Time: int64(r.Since), ID: int64(r.ID)}, newSlowTask(r))
		}
	}
	if r.Partial || r.Unfinished {
		return
	}
	a.Lengths.Add(held)
	if r.Kind == parse.RangeTask {
		a.BySpan.add(r, held)
	}
	if r.Kind == parse.RangeTask && f.slowest.Wants(held) {
		f.slowest.Add(sketch.Key{Value: held, Time: int64(r.Since), ID: int64(r.ID)}, newSlowTask(r))
	}
}

func (f *TasksFold) Merge(next analysis.Collector) {
	o := next.(*TasksFold)
	f.tasks.merge(&o.tasks, (*Annotated).Add)
	f.regions.merge(&o.regions, (*Annotated).Add)
	f.logs.merge(&o.logs, addCount)
	f.slowest.Merge(o.slowest)
	f.oldest.Merge(o.oldest)
}

func addCount(n, m *int64) { *n += *m }

func runTasks(p *analysis.Pass) error {
	f := analysis.Fold[*TasksFold](p)
	tasks, regions, logs := f.Tasks(), f.Regions(), f.logs.byName()
	if len(tasks)+len(regions)+len(logs) == 0 {
		p.NotApplicable("the program has no runtime/trace annotations; mark its requests with trace.NewTask, trace.WithRegion and trace.Log to see them here")
		return nil
	}
	if p.Brief() {
		leadOpen(p, f)
		return nil
	}
	name := func(a Annotation) tally.Label { return a.Label(p) }
	total := func(a *Annotated) int64 { return a.Total }
	byTask := tally.Rank(tasks, name, (*Annotated).Add, total)
	byRegion := tally.Rank(regions, name, (*Annotated).Add, total)
	byCategory := tally.Rank(logs, name, addCount, func(n *int64) int64 { return *n })

	if len(byTask) > 0 {
		p.Say("%s.", annotationLine(p, "Tasks", byTask)+slowestTask(p, f))
	}
	if len(byRegion) > 0 {
		s := annotationLine(p, "Regions", byRegion)
		if top := byRegion[0]; top.V.Total > 0 {
			s += fmt.Sprintf("; most time in %s: %s, %s of it running", top.Label[0], p.Dur(top.V.Total), analysis.FormatRatio(float64(top.V.cpu)/float64(top.V.Total)))
		}
		p.Say("%s.", s)
	}
	if len(byCategory) > 0 {
		var n int64
		for _, c := range byCategory {
			n += *c.V
		}
		p.Say("Logs: %s, most (%s) of category %s.", analysis.FormatCount(n), analysis.FormatCount(*byCategory[0].V), byCategory[0].Label[0])
	}
	sayJoined(p, f)
	leadOpen(p, f)

	tt := &analysis.Table{
		Name: "tasks.tasks", Title: "tasks by type, most time first; quantiles of those that began and ended in the trace",
		Columns: []analysis.Column{
			{Name: "task", Unit: analysis.Text}, {Name: "whole", Unit: analysis.Count},
			{Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p90", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "total", Unit: analysis.NS}, {Name: "unfinished", Unit: analysis.Count},
		},
	}
	for _, r := range byTask {
		h := &r.V.Lengths
		tt.N += r.V.all
		tt.Add(r.Label[0], h.N(), say.QuantileCell(h, .5), say.QuantileCell(h, .9), say.QuantileCell(h, .99), say.MaxCell(h), r.V.Total, r.V.Unfinished)
	}
	tt.Limit(10)
	p.Table(tt)

	rt := &analysis.Table{
		Name: "tasks.regions", Title: "regions by type, most time first; quantiles of those that began and ended in the trace",
		Columns: []analysis.Column{
			{Name: "region", Unit: analysis.Text}, {Name: "whole", Unit: analysis.Count},
			{Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "total", Unit: analysis.NS}, {Name: "running", Unit: analysis.Ratio}, {Name: "unfinished", Unit: analysis.Count},
		},
	}
	for _, r := range byRegion {
		h := &r.V.Lengths
		rt.N += r.V.all
		rt.Add(r.Label[0], h.N(), say.QuantileCell(h, .5), say.QuantileCell(h, .99), say.MaxCell(h), r.V.Total, say.RatioCell(r.V.cpu, r.V.Total), r.V.Unfinished)
	}
	rt.Limit(10)
	p.Table(rt)

	lt := &analysis.Table{
		Name: "tasks.logs", Title: "logs by category",
		Columns: []analysis.Column{{Name: "category", Unit: analysis.Text}, {Name: "logs", Unit: analysis.Count}},
	}
	for _, r := range byCategory {
		lt.N += *r.V
		lt.Add(r.Label[0], *r.V)
	}
	lt.Limit(10)
	p.Table(lt)

	st := &analysis.Table{
		Name: "tasks.slowest", Title: "longest of the tasks that began and ended in the trace",
		Columns: []analysis.Column{
			{Name: "task", Unit: analysis.Text}, {Name: "id", Unit: analysis.G}, {Name: "parent", Unit: analysis.G}, {Name: "began", Unit: analysis.Moment}, {Name: "took", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "goroutine", Unit: analysis.G}, {Name: "function", Unit: analysis.Text},
		},
	}
	for _, r := range byTask {
		st.N += r.V.Lengths.N()
	}
	for _, e := range f.slowest.Items() {
		var parent any
		if e.Item.parent != 0 {
			parent = int64(e.Item.parent)
		}
		st.Add(UserText(p, e.Item.Name), e.ID, parent, p.Rel(parse.Time(e.Time)), e.Value, int64(e.Item.G), p.FuncName(e.Item.Fn))
	}
	st.Limit(10)
	p.Table(st)

	longestTasks(p, f)
	durations := taskDurations(byTask)
	p.Table(durations)
	var firstTask []analysis.Ref
	if len(byTask) > 0 {
		firstTask = say.QuantileRefs(p, &byTask[0].V.Lengths)
	}
	p.Figure(analysis.Figure{
		Name: "tasks.tasks", Title: tasksTitle(p, byTask), Mark: analysis.ECDF,
		Table: durations.Name, X: "duration", Y: []string{"share"}, Series: "task", Refs: firstTask,
	})
	return nil
}

// ganttTasks is how many of the longest tasks are drawn each by itself.
const ganttTasks = 24

// longestTasks are the longest of the tasks that ended, and of those that did not, in the
// order of their starts.
func longestTasks(p *analysis.Pass, f *TasksFold) {
	t := &analysis.Table{
		Name: "tasks.longest", Title: "the longest tasks that began in the trace, each from its start to its end; unfinished ones to the end of the trace", Detail: true,
		Columns: []analysis.Column{{Name: "name", Unit: analysis.Text}, {Name: "task", Unit: analysis.Text}, {Name: "from", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment}},
	}
	for _, top := range []*sketch.Top[slowTask]{f.slowest, f.oldest} {
		for _, e := range top.Items() {
			task := UserText(p, e.Item.Name)
			name := fmt.Sprintf("%s %d", task, e.ID)
			if top == f.oldest {
				name += " (unfinished)"
			}
			t.Add(name, task, p.Rel(parse.Time(e.Time)), p.Rel(parse.Time(e.Time+e.Value)))
		}
	}
	slices.SortStableFunc(t.Rows, func(a, b []any) int { return cmp.Compare(b[3].(int64)-b[2].(int64), a[3].(int64)-a[2].(int64)) })
	t.N = int64(len(t.Rows))
	t.Limit(ganttTasks)
	slices.SortStableFunc(t.Rows, func(a, b []any) int { return cmp.Compare(a[2].(int64), b[2].(int64)) })
	p.Table(t)
	if len(t.Rows) < 2 { // a title says as much
		return
	}
	last := slices.MaxFunc(t.Rows, func(a, b []any) int { return cmp.Compare(a[3].(int64)-a[2].(int64), b[3].(int64)-b[2].(int64)) })
	p.Figure(analysis.Figure{
		Name: t.Name, Title: fmt.Sprintf("The longest task, %s, took %s from %s", say.Brief(last[0].(string)), p.Dur(last[3].(int64)-last[2].(int64)), analysis.FormatMoment(last[2].(int64))),
		Mark: analysis.Gantt, Table: t.Name, X: "from", End: "to", Y: []string{"name"}, Series: "task",
	})
}

func tasksTitle(p *analysis.Pass, rows []tally.Ranked[Annotated]) string {
	rows = rows[:min(len(rows), taskSeries)]
	var all sketch.Histogram
	types := int64(0)
	for _, r := range rows {
		if r.V.Lengths.N() > 0 {
			types++
		}
		all.Merge(&r.V.Lengths)
	}
	if all.N() == 1 {
		return "The only task seen whole took " + p.Dur(all.Max())
	}
	return fmt.Sprintf("Tasks take %s; %s of %s", say.Typical(p, &all), analysis.FormatCount(all.N()), say.Counted(types, "type", "types"))
}

// taskSeries is how many types of tasks a figure tells apart.
const taskSeries = 8

// UserText is a name the program chose: it may be empty or hold any bytes.
func UserText(p *analysis.Pass, id parse.StringID) string {
	s := p.Trace.String(id)
	switch q := strconv.Quote(s); {
	case s == "":
		return "(no name)"
	case q[1:len(q)-1] != s:
		return q
	}
	return s
}

// annotationLine counts tasks or regions.
func annotationLine(p *analysis.Pass, what string, rows []tally.Ranked[Annotated]) string {
	var all, whole, unfinished int64
	for _, r := range rows {
		all += r.V.all
		whole += r.V.Lengths.N()
		unfinished += r.V.Unfinished
	}
	s := fmt.Sprintf("%s: %s, of %s types", what, analysis.FormatCount(all), analysis.FormatCount(int64(len(rows))))
	if len(rows) == 1 {
		s = fmt.Sprintf("%s: %s, all %s", what, analysis.FormatCount(all), rows[0].Label[0])
	}
	if before := all - whole - unfinished; before > 0 {
		s += fmt.Sprintf("; begun before the trace: %s", analysis.FormatCount(before))
	}
	if unfinished > 0 {
		s += fmt.Sprintf("; unfinished: %s", analysis.FormatCount(unfinished))
	}
	return s
}

func slowestTask(p *analysis.Pass, f *TasksFold) string {
	items := f.slowest.Items()
	if len(items) == 0 {
		return ""
	}
	e := items[0]
	return fmt.Sprintf("; longest: %s for %s, from %s", UserText(p, e.Item.Name), p.Dur(e.Value), p.At(parse.Time(e.Time)))
}

// taskDurations is the cumulative distribution of the types with most time.
func taskDurations(rows []tally.Ranked[Annotated]) *analysis.Table {
	t := &analysis.Table{
		Name: "tasks.durations", Title: "share of the whole tasks that took at most a duration", Detail: true,
		Columns: []analysis.Column{{Name: "task", Unit: analysis.Text}, {Name: "duration", Unit: analysis.NS}, {Name: "share", Unit: analysis.Ratio}},
	}
	for _, r := range rows[:min(len(rows), taskSeries)] {
		var n int64
		t.N += r.V.Lengths.N()
		r.V.Lengths.Bins(func(_, hi, k int64) bool {
			n += k
			t.Add(r.Label[0], hi, float64(n)/float64(r.V.Lengths.N()))
			return true
		})
	}
	return t
}
