package measures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// Of how many types the parts are told, and of how many slow requests are compared.
const (
	shownTypes    = 8
	comparedTypes = 3
)

func runRequests(p *analysis.Pass) error {
	f := analysis.Fold[*RequestsFold](p)
	ts := requestTypesOf(p, f)
	if len(ts.All) == 0 && len(ts.Left) > 0 && f.asked == nil {
		slices.Sort(ts.Left)
		p.NotApplicable(fmt.Sprintf("no type of requests has %q in its name; there are: %s", f.choice.Type, strings.Join(slices.Compact(ts.Left), ", ")))
		return nil
	}
	if f.choice.ID != "" && f.asked == nil {
		p.NotApplicable(fmt.Sprintf("no request %s in what was read: t17 is task 17, 12.3 the third request that ended in goroutine 12", f.choice.ID))
		return nil
	}
	if len(ts.All) == 0 && f.asked == nil {
		p.NotApplicable("no requests: the program has no runtime/trace tasks, and serves none with net/http or google.golang.org/grpc in the trace; name a function that serves one under requests in tracelens.yaml")
		return nil
	}
	n := f.lengths.N()
	p.Metric("requests.count", n, n)
	p.Quantiles("requests.duration", &f.lengths)
	if n > 0 {
		for c, id := range [...]string{"running", "runnable", "call", "network", "timer", "gc", "waiting", "unknown"} {
			p.Metric("requests."+id, f.classes[c], n)
		}
	}
	if p.Bare() {
		return nil
	}
	if !p.Brief() {
		sayTypes(p, ts)
	}
	p.Table(typesTable(p, ts))
	p.Table(partsTable(ts))
	if q := f.choice.Quantile; q > 0 {
		p.Table(quantileTable(ts, q))
	}
	if f.choice.Split > 0 {
		sides, parts := splitTables(ts)
		p.Table(sides)
		p.Table(parts)
	}
	if p.Brief() { // ServedOf reads these
		return nil
	}
	p.Table(differenceTable(ts))
	p.Table(boundsTable(ts))
	slowest, paths, logs := slowestTables(p, ts, f)
	p.Table(slowest)
	p.Table(paths)
	if len(logs.Rows) > 0 {
		p.Table(logs)
	}
	p.Table(inFlightTable(p, f))
	requestFigures(p, ts)
	return nil
}

// sayTypes says it of the two types with the most time.
func sayTypes(p *analysis.Pass, ts *RequestTypes) {
	for i, t := range ts.All[:min(len(ts.All), 2)] {
		sayType(p, ts, t)
		if text := ts.SlowText(p, t); text != "" && i == 0 {
			p.Say("%s.", text)
		}
	}
}

// sayType says how long requests of a type take, and where their time goes.
func sayType(p *analysis.Pass, ts *RequestTypes, t *RequestType) {
	n := t.lengths.N()
	if n == 0 {
		p.Say("%s: none began and was done in the trace; %s.", t.Of(), otherEnds(t))
		return
	}
	s := fmt.Sprintf("%s: %s", t.Counted(n), say.Spread(p, &t.lengths))
	all := t.Everything()
	if c := ts.Causes(t); len(c) > 0 {
		whose := "their time"
		if t.Sampled() {
			whose = fmt.Sprintf("the time of %s of them", analysis.FormatCount(all.N()))
		}
		s += fmt.Sprintf("; %s of %s %s", analysis.FormatRatio(say.Ratio(c[0].NS, all.total)), whose, ts.Why(t, c[0]))
	}
	if o := otherEnds(t); o != "" {
		s += "; besides " + o
	}
	if o := ts.Untold(t); o != "" {
		s += "; " + o
	}
	p.Say("%s.", s)
}

// SlowText is one sentence on what the slow requests of a type differ by; "" where there
// are too few, or where they are not much slower.
func (ts *RequestTypes) SlowText(p *analysis.Pass, t *RequestType) string {
	if t.beyond() == 0 {
		return ""
	}
	d := ts.Difference(t)
	if d.Slow.Mean() < 2*d.Usual.Mean() || len(d.Causes) == 0 {
		return ""
	}
	return fmt.Sprintf("The slow %s of them take %s longer (mean %s) than those up to the median: %s of it %s", t.slowWords(), p.Dur(d.Excess()), p.Dur(d.Slow.Mean()), analysis.FormatRatio(d.Share[0]), ts.Why(t, d.Causes[0]))
}

// slowWords says which are the slow ones: "1 % (24)".
func (t *RequestType) slowWords() string {
	slow := t.Slow()
	n := analysis.FormatCount(slow.N())
	if slow.N() < t.beyond() {
		return n
	}
	return fmt.Sprintf("%s (%s)", analysis.FormatRatio(1-t.SlowQuantile()), n)
}

// otherEnds counts the requests that are in no distribution.
func otherEnds(t *RequestType) string {
	var parts []string
	add := func(n int64, what string) {
		if n > 0 {
			parts = append(parts, analysis.FormatCount(n)+" "+what)
		}
	}
	add(t.ends[parse.RequestStream], "streamed")
	add(t.ends[parse.RequestHijacked], "hijacked")
	add(t.ends[parse.RequestAborted], "aborted")
	add(t.before, "begun before the trace")
	add(t.ends[parse.RequestOpen], "open at its end")
	s := ""
	for i, part := range parts {
		if i > 0 {
			s += ", "
		}
		s += part
	}
	return s
}

func typesTable(p *analysis.Pass, ts *RequestTypes) *analysis.Table {
	t := &analysis.Table{
		Name: "requests.types", Title: "requests by type, most time first; quantiles of those that began and were done in the trace",
		Columns: []analysis.Column{
			{Name: "requests", Unit: analysis.Text}, {Name: "kind", Unit: analysis.Text}, {Name: "whole", Unit: analysis.Count}, {Name: "rate", Unit: analysis.PerS}, {Name: "at once", Unit: analysis.Text},
			{Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p90", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p99.9", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "total", Unit: analysis.NS}, {Name: "others", Unit: analysis.Text}, {Name: "most of the time", Unit: analysis.Text},
		},
	}
	for i, r := range ts.All {
		h := &r.lengths
		t.N += h.N()
		most := any(nil)
		if all := r.Everything(); i < shownTypes {
			if c := ts.Causes(r); len(c) > 0 {
				most = fmt.Sprintf("%s %s", analysis.FormatRatio(say.Ratio(c[0].NS, all.total)), c[0].Text)
			}
		}
		rate := any(nil)
		if h.N() > 1 {
			rate = r.Rate()
		}
		others := any(nil)
		if o := otherEnds(r); o != "" {
			others = o
		}
		t.Add(r.Name, r.Kind.String(), h.N(), rate, say.Number(float64(r.seen)/float64(max(p.Trace.Duration(), 1))), say.QuantileCell(h, .5), say.QuantileCell(h, .9), say.QuantileCell(h, .99), say.QuantileCell(h, .999), say.MaxCell(h), h.Sum(), others, most)
	}
	t.Limit(30)
	return t
}

// partsTable is where the time of each type goes; shares of a type sum to 1.
func partsTable(ts *RequestTypes) *analysis.Table {
	t := &analysis.Table{
		Name: "requests.parts", Title: "where the time of requests goes: what each was at, and what that goroutine did for which it waited; of a type with more than 1,024, of a sample of so many", Detail: true,
		Columns: []analysis.Column{
			{Name: "requests", Unit: analysis.Text}, {Name: "kind", Unit: analysis.Text}, {Name: "at", Unit: analysis.Text}, {Name: "for", Unit: analysis.Text}, {Name: "which was", Unit: analysis.Text},
			{Name: "parts", Unit: analysis.Count}, {Name: "total", Unit: analysis.NS}, {Name: "share", Unit: analysis.Ratio},
		},
	}
	for _, r := range ts.All[:min(len(ts.All), shownTypes)] {
		all := r.Everything()
		t.N += all.N()
		for _, c := range ts.Causes(r) {
			for _, l := range c.leafs {
				t.Add(r.Name, r.Kind.String(), c.Text, l.whoCell(), l.Text, l.N, l.NS, say.RatioCell(l.NS, all.total))
			}
		}
	}
	t.Limit(1000)
	return t
}

// quantileTable is a quantile of each type.
func quantileTable(ts *RequestTypes, q float64) *analysis.Table {
	t := &analysis.Table{
		Name: "requests.quantile", Title: "the quantile that was asked for", Detail: true,
		Columns: []analysis.Column{{Name: "requests", Unit: analysis.Text}, {Name: "kind", Unit: analysis.Text}, {Name: "takes", Unit: analysis.NS}},
	}
	for _, r := range ts.All {
		if n := r.lengths.N(); float64(n)*(1-q) >= 1-1e-9 {
			t.N += n
			t.Add(r.Name, r.Kind.String(), r.lengths.QuantileAny(q))
		}
	}
	return t
}

// Split are all that take at most RequestChoice.Split, and all that take longer.
func (t *RequestType) Split() (c [2]RequestClass) {
	if t.split == nil {
		return c
	}
	for i := range c {
		s := &t.split[i]
		c[i] = RequestClass{parts: s.parts, n: s.lengths.N(), total: s.lengths.Sum()}
	}
	return c
}

// splitTables are the requests of each type in two, by RequestChoice.Split, and where the
// time of each half goes.
func splitTables(ts *RequestTypes) (sides, parts *analysis.Table) {
	sides = &analysis.Table{
		Name: "requests.sides", Title: "requests that take longer than asked for, and the others", Detail: true,
		Columns: []analysis.Column{
			{Name: "side", Unit: analysis.Text}, {Name: "requests", Unit: analysis.Text}, {Name: "kind", Unit: analysis.Text}, {Name: "whole", Unit: analysis.Count},
			{Name: "total", Unit: analysis.NS}, {Name: "p50", Unit: analysis.NS}, {Name: "p99", Unit: analysis.NS},
		},
	}
	parts = &analysis.Table{
		Name: "requests.sides.parts", Title: "where the time of requests goes that take longer than asked for, and that of the others", Detail: true,
		Columns: []analysis.Column{
			{Name: "side", Unit: analysis.Text}, {Name: "requests", Unit: analysis.Text}, {Name: "kind", Unit: analysis.Text}, {Name: "at", Unit: analysis.Text}, {Name: "for", Unit: analysis.Text}, {Name: "which was", Unit: analysis.Text},
			{Name: "parts", Unit: analysis.Count}, {Name: "total", Unit: analysis.NS},
		},
	}
	for _, r := range ts.All {
		if r.split == nil {
			continue
		}
		for i, class := range r.Split() {
			side, h := [2]string{SideOthers, SideLonger}[i], &r.split[i].lengths
			sides.Add(side, r.Name, r.Kind.String(), class.N(), class.Total(), say.QuantileCell(h, .5), say.QuantileCell(h, .99))
			sides.N += class.N()
			for _, c := range ts.causes(class) {
				for _, l := range c.leafs {
					parts.Add(side, r.Name, r.Kind.String(), c.Text, l.whoCell(), l.Text, l.N, l.NS)
				}
			}
		}
	}
	parts.N = sides.N
	return sides, parts
}

// differenceTable compares the slow requests of each type with the usual ones.
func differenceTable(ts *RequestTypes) *analysis.Table {
	t := &analysis.Table{
		Name: "requests.slow", Title: "what makes slow requests slow: mean time per request at each thing, of those up to the median and of the slow ones: 1 %, 10 % of fewer than 1,000, the slowest of fewer than 100",
		Columns: []analysis.Column{
			{Name: "requests", Unit: analysis.Text}, {Name: "at", Unit: analysis.Text}, {Name: "usual", Unit: analysis.NS}, {Name: "slow", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "of the difference", Unit: analysis.Ratio}, {Name: "mostly", Unit: analysis.Text},
		},
	}
	for _, r := range ts.All {
		if r.lengths.N() < 2 || len(t.Rows) >= 3*comparedTypes {
			continue
		}
		d := ts.Difference(r)
		t.N += d.Slow.N()
		for i, c := range d.Causes[:min(len(d.Causes), 3)] {
			var mostly any
			if c.Leaf.Who != "" {
				mostly = fmt.Sprintf("%s %s %s", analysis.FormatRatio(say.Ratio(c.Leaf.NS, c.NS)), c.Leaf.Who, c.Leaf.Text)
			}
			t.Add(r.Name, c.Text, c.Mean-d.More[i], c.Mean, d.Share[i], mostly)
		}
	}
	return t
}

// boundsTable is what taking things away could gain at most.
func boundsTable(ts *RequestTypes) *analysis.Table {
	t := &analysis.Table{
		Name: "requests.without", Title: "how long requests would take at least without one thing: lower bounds, since another may come to the fore", Detail: true,
		Columns: []analysis.Column{
			{Name: "requests", Unit: analysis.Text}, {Name: "without", Unit: analysis.Text}, {Name: "slow ones with it", Unit: analysis.Count},
			{Name: "p50", Unit: analysis.NS}, {Name: "p50 at least", Unit: analysis.NS}, {Name: "quantile", Unit: analysis.Text}, {Name: "is", Unit: analysis.NS}, {Name: "at least", Unit: analysis.NS},
		},
	}
	for _, r := range ts.All[:min(len(ts.All), shownTypes)] {
		p50, high := r.lengths.QuantileAny(.5), r.lengths.QuantileAny(r.SlowQuantile())
		for i, b := range ts.Bounds(r) {
			if i == 8 || 20*(high-b.P99) < high {
				break
			}
			least := any(nil)
			if b.P50 >= 0 {
				least = b.P50
			}
			t.N += b.N
			t.Add(r.Name, b.Without, b.N, p50, least, r.QuantileName(), high, b.P99)
		}
	}
	return t
}

// QuantileName is what SlowQuantile is called.
func (t *RequestType) QuantileName() string {
	switch t.SlowQuantile() {
	case .99:
		return "p99"
	case .9:
		return "p90"
	}
	return "max"
}

// slowestTables are the slowest requests, their paths part by part, and what the program
// logged in them.
func slowestTables(p *analysis.Pass, ts *RequestTypes, f *RequestsFold) (t, paths, logs *analysis.Table) {
	t = &analysis.Table{
		Name: "requests.slowest", Role: analysis.RoleRequests, Title: "the slowest requests of each type that began and were done in the trace", Detail: true,
		Columns: []analysis.Column{
			{Name: "id", Unit: analysis.Text}, {Name: "requests", Unit: analysis.Text}, {Name: "kind", Unit: analysis.Text}, {Name: "began", Unit: analysis.Moment}, {Name: "took", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "goroutine", Unit: analysis.G}, {Name: "ended", Unit: analysis.Text}, {Name: "most of the time", Unit: analysis.Text},
		},
	}
	paths = &analysis.Table{
		Name: "requests.paths", Role: analysis.RolePaths, Title: "the critical paths of these requests in order: what would have had to be shorter for them to be", Detail: true,
		Columns: []analysis.Column{
			{Name: "id", Unit: analysis.Text}, {Name: "from", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment}, {Name: "length", Unit: analysis.NS}, {Name: "goroutine", Unit: analysis.Text}, {Name: "hop", Unit: analysis.Count},
			{Name: "state", Unit: analysis.Text}, {Name: "what", Unit: analysis.Text}, {Name: "while", Unit: analysis.Text},
		},
	}
	logs = &analysis.Table{
		Name: "requests.logs", Role: analysis.RoleLogs, Title: fmt.Sprintf("what the program wrote in these requests with runtime/trace.Log, the first %d messages of each", parse.MaxRequestLogs), Detail: true,
		Columns: []analysis.Column{{Name: "id", Unit: analysis.Text}, {Name: "at", Unit: analysis.Moment}, {Name: "goroutine", Unit: analysis.G}, {Name: "category", Unit: analysis.Text}, {Name: "message", Unit: analysis.Text}},
	}
	add := func(kind, name string, s *RequestPath) {
		for _, m := range s.logs {
			logs.Add(s.ID(), p.Rel(m.At), goroutineCell(m.G), p.Trace.String(m.Category), LogText(p.Trace, m.Category, m.Message))
		}
		logs.N += int64(len(s.logs) + s.more)
		var most any
		if text := ts.Mostly(s); text != "" {
			most = text
		}
		ended := s.End.String()
		if s.Before {
			ended += ", begun before the trace"
		}
		t.Add(s.ID(), name, kind, p.Rel(s.Since), int64(s.Until-s.Since), goroutineCell(s.G), ended, most)
		for i := range s.Parts {
			x := &s.Parts[i]
			k := keyOf(&x.RequestPart)
			var while any
			if x.Hops > 0 {
				while = ts.causeText(k.cause())
			}
			who, what, class := ts.kinds.Name(x.Func, x.Body), ts.pathText(x), k.class().String()
			switch {
			case x.G == parse.NoGo && x.State == parse.GoUndetermined:
				who, what = "", "short parts"
			case x.G != parse.NoGo:
				who = fmt.Sprintf("%s (G %d)", who, x.G)
			}
			paths.Add(s.ID(), p.Rel(x.From), p.Rel(x.To), int64(x.To-x.From), who, int64(x.Hops), class, what, while)
		}
	}
	seen := make(map[string]bool)
	for _, r := range ts.All {
		if f.asked == nil && len(t.Rows) >= max(64, 4*f.choice.Slowest) {
			break
		}
		for _, e := range r.slowest.Items() {
			seen[e.Item.ID()] = true
			add(r.Kind.String(), r.Name, e.Item)
		}
		t.N += r.lengths.N()
	}
	if s := f.asked; s != nil && !seen[s.ID()] {
		name := UserText(p, s.Name)
		if s.Kind > parse.RequestRegion {
			name = requestName(p, s.Kind, Annotation{Name: s.Name})
		}
		add(s.Kind.String(), name, s)
	}
	paths.N = int64(len(paths.Rows))
	logs.More = logs.N - int64(len(logs.Rows))
	return t, paths, logs
}

func goroutineCell(g parse.GoID) any {
	if g == parse.NoGo {
		return nil
	}
	return int64(g)
}

// inFlightTable is how many requests of each kind were under way over time.
func inFlightTable(p *analysis.Pass, f *RequestsFold) *analysis.Table {
	t := &analysis.Table{
		Name: "requests.in_flight", Title: "requests under way over time, mean of each moment, by kind", Detail: true, N: f.lengths.N(),
		Columns: []analysis.Column{{Name: "time", Unit: analysis.Moment}},
	}
	var kinds []int
	for k := range f.kinds {
		for b := range f.inFlight.Len() {
			if f.inFlight.At(b, k) > 0 && k != int(parse.RequestJob) {
				kinds = append(kinds, k)
				break
			}
		}
	}
	for _, k := range kinds {
		t.Columns = append(t.Columns, analysis.Column{Name: parse.RequestKind(k).String(), Unit: analysis.Ratio})
	}
	for b := range f.inFlight.Len() {
		at := parse.Time(f.inFlight.Start() + int64(b)*f.inFlight.Width())
		row := []any{p.Rel(max(at, p.Trace.From))}
		for _, k := range kinds {
			row = append(row, float64(f.inFlight.At(b, k))/float64(f.inFlight.Width()))
		}
		if len(kinds) > 0 {
			t.Add(row...)
		}
	}
	return t
}

// requestFigures draw requests over time, where their time goes, and the slowest.
func requestFigures(p *analysis.Pass, ts *RequestTypes) {
	var shown []*RequestType
	for _, r := range ts.All {
		if r.lengths.N() > 0 && served(r.Kind) && len(shown) < shownTypes {
			shown = append(shown, r)
		}
	}
	for _, r := range ts.All {
		if r.lengths.N() > 0 && !served(r.Kind) && len(shown) < shownTypes {
			shown = append(shown, r)
		}
	}
	if len(shown) == 0 {
		return
	}
	dots := &analysis.Table{
		Name: "requests.sample", Role: analysis.RoleDots, Title: "requests by when they began, how long they took and what most of that was: the slowest of each type, and a sample of the others", Detail: true,
		Columns: []analysis.Column{{Name: "began", Unit: analysis.Moment}, {Name: "took", Unit: analysis.NS}, {Name: "mostly", Unit: analysis.Text}, {Name: "requests", Unit: analysis.Text}, {Name: "id", Unit: analysis.Text}},
	}
	causes := &analysis.Table{
		Name: "requests.states", Title: "mean time of a request by type, of those up to the median and of the slow ones, by what it or the goroutine that it waited for did", Detail: true,
		Columns: []analysis.Column{{Name: "requests", Unit: analysis.Text}, {Name: "state", Unit: analysis.Text}, {Name: "time", Unit: analysis.NS}},
	}
	var worst *RequestPath
	for _, r := range shown {
		dots.N += r.lengths.N()
		seen := make(map[string]bool)
		for _, e := range slices.Concat(r.tail.Items(), r.sample.Items()) {
			if s := e.Item; !seen[s.ID()] {
				seen[s.ID()] = true
				dots.Add(p.Rel(s.Since), int64(s.Until-s.Since), mostOf(s).String(), r.Name, s.ID())
			}
		}
		if e := r.slowest.Items()[0]; worst == nil || e.Value > int64(worst.Until-worst.Since) && served(r.Kind) {
			worst = e.Item
		}
		for _, side := range []struct {
			words string
			RequestClass
		}{{"usual", r.Usual()}, {"slow", r.Slow()}} {
			for class, v := range side.classes() {
				if v > 0 {
					causes.Add(say.Brief(r.Name)+", "+side.words, PartClass(class).String(), v/max(side.N(), 1))
				}
			}
			causes.N += side.N()
		}
	}
	slices.SortStableFunc(dots.Rows, func(a, b []any) int { return cmp.Compare(a[0].(int64), b[0].(int64)) })
	dots.More = max(dots.N-int64(len(dots.Rows)), 0)
	p.Table(dots)
	p.Table(causes)
	first := shown[0]
	p.Figure(analysis.Figure{
		Name: "requests.latency", Mark: analysis.Points, Table: dots.Name, X: "began", Y: []string{"took"}, Series: "mostly",
		Title: fmt.Sprintf("Requests of %s take %s", say.Brief(first.Name), say.Typical(p, &first.lengths)), Refs: pauseRefs(p),
	})
	p.Figure(analysis.Figure{Name: "requests.causes", Mark: analysis.Bars, Table: causes.Name, X: "requests", Y: []string{"time"}, Series: "state", Title: causesTitle(p, ts, first)})
	path := &analysis.Table{
		Name: "requests.worst", Title: fmt.Sprintf("the critical path of request %s by goroutine", worst.ID()), N: int64(len(worst.Parts)), Detail: true,
		Columns: []analysis.Column{{Name: "goroutine", Unit: analysis.Text}, {Name: "from", Unit: analysis.Moment}, {Name: "to", Unit: analysis.Moment}, {Name: "state", Unit: analysis.Text}},
	}
	for i := range worst.Parts {
		x := &worst.Parts[i]
		k, who := keyOf(&x.RequestPart), "(short parts)"
		if x.G != parse.NoGo {
			who = fmt.Sprintf("%s G %d", say.Brief(ts.kinds.Name(x.Func, x.Body)), x.G)
		}
		path.Add(who, p.Rel(x.From), p.Rel(x.To), k.class().String())
	}
	p.Table(path)
	p.Figure(analysis.Figure{
		Name: "requests.worst", Mark: analysis.Gantt, Table: path.Name, X: "from", End: "to", Y: []string{"goroutine"}, Series: "state",
		Title: fmt.Sprintf("The slowest request took %s: %s", p.Dur(int64(worst.Until-worst.Since)), ts.Mostly(worst)),
	})
}

// pauseRefs are the longest GC cycles and stops of the world, as bands over time.
func pauseRefs(p *analysis.Pass) (refs []analysis.Ref) {
	for _, x := range []struct {
		top   *sketch.Top[parse.Range]
		label string
	}{{analysis.FoldOf[*GCFold](p, GC).Longest(), "GC mark"}, {analysis.FoldOf[*STWFold](p, STW).Worst(), "STW"}} {
		for _, e := range x.top.Items() {
			from, to := max(e.Item.Since, p.Trace.From), min(e.Item.Until, p.Trace.To)
			if x.label == "STW" {
				to = min(e.Item.Since+parse.Time(e.Item.Total()), p.Trace.To)
			}
			if from < to {
				refs = append(refs, analysis.Ref{Axis: "x", Value: analysis.Number(p.Rel(from)), Until: analysis.Number(p.Rel(to)), Label: x.label})
			}
		}
	}
	return refs
}

// mostOf is what most of a request was, whose parts are summed up.
func mostOf(s *RequestPath) (most PartClass) {
	var ns [NumPartClasses]int64
	for i := range s.sums {
		ns[s.sums[i].class()] += s.sums[i].ns
	}
	for c := range ns {
		if ns[c] > ns[most] {
			most = PartClass(c)
		}
	}
	return most
}

func causesTitle(p *analysis.Pass, ts *RequestTypes, t *RequestType) string {
	d := ts.Difference(t)
	usual, slow := d.Usual.classes(), d.Slow.classes()
	var all int64
	most, more := ClassRunning, int64(0)
	for c := range slow {
		by := max(slow[c]/max(d.Slow.N(), 1)-usual[c]/max(d.Usual.N(), 1), 0)
		if all += by; by > more {
			most, more = PartClass(c), by
		}
	}
	if d.Excess() <= 0 || all == 0 {
		return fmt.Sprintf("Slow requests of %s take no longer than usual ones: %s", say.Brief(t.Name), p.Dur(d.Slow.Mean()))
	}
	return fmt.Sprintf("Slow requests take %s, usual ones %s: %s of the difference %s", p.Dur(d.Slow.Mean()), p.Dur(d.Usual.Mean()), analysis.FormatRatio(say.Ratio(more, all)), most)
}
