package passes

import (
	"fmt"
	"strconv"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var tasks = &analysis.Analyzer{
	Name:  "tasks",
	Doc:   page("tasks"),
	Kinds: parse.KindsOf(parse.KindRangeEnd, parse.KindLog),
	New: func() analysis.Collector {
		return &tasksFold{
			tasks:   make(map[annotation]*annotated),
			regions: make(map[annotation]*annotated),
			logs:    make(map[parse.StringID]*int64),
			slowest: sketch.NewTop[slowTask](10),
			oldest:  sketch.NewTop[slowTask](10),
		}
	},
	Run: runTasks,
}

// tasksFold holds what the program says of itself with package runtime/trace.
type tasksFold struct {
	tasks, regions map[annotation]*annotated
	logs           map[parse.StringID]*int64 // by category
	slowest        *sketch.Top[slowTask]     // of the whole tasks
	oldest         *sketch.Top[slowTask]     // of those open at the end, but begun in the trace
}

// annotation is a type of task or region.
type annotation struct {
	name   parse.StringID
	untold bool // it began before the trace, which does not repeat its type
}

type annotated struct {
	all, total, cpu int64            // all of them, and their time in the trace; cpu of regions
	unfinished      int64            // open at the end of the trace
	lengths         sketch.Histogram // of those with begin and end in the trace
	open            coarse           // how long those open at the end, but begun in the trace, lasted so far
	bySpan          *taskSpans       // tasks of lengths; nil while empty
}

// taskSpans are sums over the tasks of each bucket of coarse by length, so that
// slow ones can be told from usual ones when it is known what is usual.
type taskSpans [coarseLen]struct {
	n, total int64
	spent    [parse.NumGoStates]int64
}

func (s *taskSpans) add(r *parse.Range, held int64) {
	b := &s[coarseIndex(held)]
	b.n++
	b.total += held
	for state, ns := range &r.Spent {
		b.spent[state] += ns
	}
}

func (s *taskSpans) merge(o *taskSpans) {
	for i := range o {
		s[i].n += o[i].n
		s[i].total += o[i].total
		for state, ns := range &o[i].spent {
			s[i].spent[state] += ns
		}
	}
}

func (a *annotated) add(o *annotated) {
	a.all += o.all
	a.total += o.total
	a.cpu += o.cpu
	a.unfinished += o.unfinished
	a.lengths.Merge(&o.lengths)
	a.open.merge(&o.open)
	if o.bySpan != nil {
		if a.bySpan == nil {
			a.bySpan = new(taskSpans)
		}
		a.bySpan.merge(o.bySpan)
	}
}

type slowTask struct {
	name   parse.StringID
	parent uint64
	g      parse.GoID
	fn     parse.StringID
	stack  parse.StackID // where it began
}

func newSlowTask(r *parse.Range) slowTask { return slowTask{r.Name, r.Parent, r.G, r.Func, r.Stack} }

func (f *tasksFold) Event(e *parse.Event) {
	if e.Kind == parse.KindLog {
		*at(f.logs, e.Log.Category)++
		return
	}
	r := e.Range
	m := f.tasks
	switch r.Kind {
	case parse.RangeTask:
	case parse.RangeRegion:
		m = f.regions
	default:
		return
	}
	held := e.Held()
	a := at(m, annotation{r.Name, r.Partial && r.Name == 0})
	a.all++
	a.total += held
	a.cpu += r.CPU
	if r.Unfinished {
		a.unfinished++
	}
	if r.Unfinished && !r.Partial {
		a.open.add(held)
		if r.Kind == parse.RangeTask && f.oldest.Wants(held) {
			f.oldest.Add(sketch.Key{Value: held, Time: int64(r.Since), ID: int64(r.ID)}, newSlowTask(r))
		}
	}
	if r.Partial || r.Unfinished {
		return
	}
	a.lengths.Add(held)
	if r.Kind == parse.RangeTask {
		if a.bySpan == nil {
			a.bySpan = new(taskSpans)
		}
		a.bySpan.add(r, held)
	}
	if r.Kind == parse.RangeTask && f.slowest.Wants(held) {
		f.slowest.Add(sketch.Key{Value: held, Time: int64(r.Since), ID: int64(r.ID)}, newSlowTask(r))
	}
}

func (f *tasksFold) Merge(next analysis.Collector) {
	o := next.(*tasksFold)
	mergeKeyed(f.tasks, o.tasks, (*annotated).add)
	mergeKeyed(f.regions, o.regions, (*annotated).add)
	mergeKeyed(f.logs, o.logs, func(n, m *int64) { *n += *m })
	f.slowest.Merge(o.slowest)
	f.oldest.Merge(o.oldest)
}

func runTasks(p *analysis.Pass) error {
	f := analysis.Fold[*tasksFold](p)
	if len(f.tasks)+len(f.regions)+len(f.logs) == 0 {
		p.NotApplicable("the program has no runtime/trace annotations; mark its requests with trace.NewTask, trace.WithRegion and trace.Log to see them here")
		return nil
	}
	name := func(a annotation) label {
		if a.untold {
			return label{beforeTrace}
		}
		return label{userText(p, a.name)}
	}
	total := func(a *annotated) int64 { return a.total }
	byTask := rank(f.tasks, name, (*annotated).add, total)
	byRegion := rank(f.regions, name, (*annotated).add, total)
	byCategory := rank(f.logs, func(c parse.StringID) label { return label{userText(p, c)} }, func(n, m *int64) { *n += *m }, func(n *int64) int64 { return *n })

	if len(byTask) > 0 {
		p.Say("%s.", annotationLine(p, "Tasks", byTask)+slowestTask(p, f))
	}
	if len(byRegion) > 0 {
		s := annotationLine(p, "Regions", byRegion)
		if top := byRegion[0]; top.v.total > 0 {
			s += fmt.Sprintf("; most time in %s: %s, %s of it running", top.label[0], p.Dur(top.v.total), analysis.FormatRatio(float64(top.v.cpu)/float64(top.v.total)))
		}
		p.Say("%s.", s)
	}
	if len(byCategory) > 0 {
		var n int64
		for _, c := range byCategory {
			n += *c.v
		}
		p.Say("Logs: %s, most (%s) of category %s.", analysis.FormatCount(n), analysis.FormatCount(*byCategory[0].v), byCategory[0].label[0])
	}

	tt := &analysis.Table{
		Name: "tasks.tasks", Title: "tasks by type, most time first; quantiles of those that began and ended in the trace",
		Columns: []analysis.Column{
			{Name: "task", Unit: analysis.Text}, {Name: "whole", Unit: analysis.Count},
			{Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p90", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "total", Unit: analysis.NS}, {Name: "unfinished", Unit: analysis.Count},
		},
	}
	for _, r := range byTask {
		h := &r.v.lengths
		tt.N += r.v.all
		tt.Add(r.label[0], h.N(), quantileCell(h, .5), quantileCell(h, .9), quantileCell(h, .99), maxCell(h), r.v.total, r.v.unfinished)
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
		h := &r.v.lengths
		rt.N += r.v.all
		rt.Add(r.label[0], h.N(), quantileCell(h, .5), quantileCell(h, .99), maxCell(h), r.v.total, ratioCell(r.v.cpu, r.v.total), r.v.unfinished)
	}
	rt.Limit(10)
	p.Table(rt)

	lt := &analysis.Table{
		Name: "tasks.logs", Title: "logs by category",
		Columns: []analysis.Column{{Name: "category", Unit: analysis.Text}, {Name: "logs", Unit: analysis.Count}},
	}
	for _, r := range byCategory {
		lt.N += *r.v
		lt.Add(r.label[0], *r.v)
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
		st.N += r.v.lengths.N()
	}
	for _, e := range f.slowest.Items() {
		var parent any
		if e.Item.parent != 0 {
			parent = int64(e.Item.parent)
		}
		st.Add(userText(p, e.Item.name), e.ID, parent, p.Rel(parse.Time(e.Time)), e.Value, int64(e.Item.g), p.FuncName(e.Item.fn))
	}
	st.Limit(10)
	p.Table(st)

	durations := taskDurations(byTask)
	p.Table(durations)
	var firstTask []analysis.Ref
	if len(byTask) > 0 {
		firstTask = quantileRefs(p, &byTask[0].v.lengths)
	}
	p.Figure(analysis.Figure{
		Name: "tasks.tasks", Title: tasksTitle(p, byTask), Mark: analysis.ECDF,
		Table: durations.Name, X: "duration", Y: []string{"share"}, Series: "task", Refs: firstTask,
	})
	return nil
}

func tasksTitle(p *analysis.Pass, rows []ranked[annotated]) string {
	rows = rows[:min(len(rows), taskSeries)]
	var all sketch.Histogram
	types := int64(0)
	for _, r := range rows {
		if r.v.lengths.N() > 0 {
			types++
		}
		all.Merge(&r.v.lengths)
	}
	if all.N() == 1 {
		return "The only task seen whole took " + p.Dur(all.Max())
	}
	return fmt.Sprintf("Tasks take %s; %s of %s", typical(p, &all), analysis.FormatCount(all.N()), counted(types, "type", "types"))
}

// taskSeries is how many types of tasks a figure tells apart.
const taskSeries = 8

// userText is a name the program chose: it may be empty or hold any bytes.
func userText(p *analysis.Pass, id parse.StringID) string {
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
func annotationLine(p *analysis.Pass, what string, rows []ranked[annotated]) string {
	var all, whole, unfinished int64
	for _, r := range rows {
		all += r.v.all
		whole += r.v.lengths.N()
		unfinished += r.v.unfinished
	}
	s := fmt.Sprintf("%s: %s, of %s types", what, analysis.FormatCount(all), analysis.FormatCount(int64(len(rows))))
	if len(rows) == 1 {
		s = fmt.Sprintf("%s: %s, all %s", what, analysis.FormatCount(all), rows[0].label[0])
	}
	if before := all - whole - unfinished; before > 0 {
		s += fmt.Sprintf("; begun before the trace: %s", analysis.FormatCount(before))
	}
	if unfinished > 0 {
		s += fmt.Sprintf("; unfinished: %s", analysis.FormatCount(unfinished))
	}
	return s
}

func slowestTask(p *analysis.Pass, f *tasksFold) string {
	items := f.slowest.Items()
	if len(items) == 0 {
		return ""
	}
	e := items[0]
	return fmt.Sprintf("; longest: %s for %s, from %s", userText(p, e.Item.name), p.Dur(e.Value), p.At(parse.Time(e.Time)))
}

// taskDurations is the cumulative distribution of the types with most time.
func taskDurations(rows []ranked[annotated]) *analysis.Table {
	t := &analysis.Table{
		Name: "tasks.durations", Title: "share of the whole tasks that took at most a duration", Detail: true,
		Columns: []analysis.Column{{Name: "task", Unit: analysis.Text}, {Name: "duration", Unit: analysis.NS}, {Name: "share", Unit: analysis.Ratio}},
	}
	for _, r := range rows[:min(len(rows), taskSeries)] {
		var n int64
		t.N += r.v.lengths.N()
		r.v.lengths.Bins(func(_, hi, k int64) bool {
			n += k
			t.Add(r.label[0], hi, float64(n)/float64(r.v.lengths.N()))
			return true
		})
	}
	return t
}
