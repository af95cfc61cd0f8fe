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

// ofClass is the distribution of one class over all causes, yields included.
func (f *LatencyFold) ofClass(c parse.Class) *sketch.Histogram {
	var h sketch.Histogram
	for r := range f.hist[c] {
		h.Merge(&f.hist[c][r])
	}
	return &h
}

func runLatency(p *analysis.Pass) error {
	f := analysis.Fold[*LatencyFold](p)
	user := f.Headline(p)
	var all sketch.Histogram
	for c := range f.hist {
		all.Merge(f.ofClass(parse.Class(c)))
	}
	p.Metric("sched.starts", f.starts, f.starts)
	p.Metric("sched.starts.user", f.startsUser, f.startsUser)
	p.Metric("sched.migrations", f.migrations, f.placed)
	p.Quantiles("sched.latency.user", user)
	p.Quantiles("sched.latency.all", &all)
	for _, r := range []parse.Ready{
		parse.ReadyCreated, parse.ReadyUnblocked, parse.ReadyNetpoll, parse.ReadyTimer, parse.ReadyYield,
		parse.ReadyPreempted, parse.ReadyLockHandoff, parse.ReadySyscall, parse.ReadyGC,
	} {
		p.Quantiles("sched.latency."+r.String(), &f.hist[parse.ClassUser][r])
	}
	// The worst waits are those of the headline; the first of a cause is the worst of it.
	told := make(map[parse.Ready]bool)
	for i, e := range f.worst.Items() {
		if i == 0 {
			p.When("sched.latency.user.max", e.Item.Since)
		}
		if r := e.Item.Ready; !told[r] {
			told[r] = true
			p.When("sched.latency."+r.String()+".max", e.Item.Since)
		}
	}

	if p.Brief() {
		return nil
	}
	sayLatency(p, f, user)
	causes := causeTable(f, user.Sum())
	causes.N = f.ofClass(parse.ClassUser).N()
	p.Table(causes)
	p.Table(latencyByFunc(p, f, user))
	p.Table(latencyWorst(p, f, user))
	p.Table(latencyByClass(f, all.N()))

	byCause := say.ECDFTable("latency.ecdf.cause", "user goroutines: share of waits for a P up to a latency, by how they became runnable", "cause", f.ofClass(parse.ClassUser).N())
	say.AddECDF(byCause, "all but yields", user)
	for r := range f.hist[parse.ClassUser] {
		say.AddECDF(byCause, say.ReadyWord(parse.Ready(r)), &f.hist[parse.ClassUser][r])
	}
	p.Table(byCause)
	byClass := say.ECDFTable("latency.ecdf.class", "share of waits for a P up to a latency, by class of goroutine, yields included", "class", all.N())
	for c := range f.hist {
		say.AddECDF(byClass, parse.Class(c).String(), f.ofClass(parse.Class(c)))
	}
	p.Table(byClass)
	p.Table(latencyOverTime(p, f, user.N()))

	p.Figure(analysis.Figure{Name: "latency.cause", Title: latencyTitle(p, f, user), Mark: analysis.ECDF, Table: byCause.Name, X: "latency", Y: []string{"share"}, Series: "cause", Refs: say.QuantileRefs(p, user)})
	p.Figure(analysis.Figure{
		Name: "latency.class", Title: latencyByClassTitle(p, f), Mark: analysis.ECDF,
		Table: byClass.Name, X: "latency", Y: []string{"share"}, Series: "class", Refs: say.QuantileRefs(p, f.ofClass(parse.ClassUser)),
	})
	p.Figure(analysis.Figure{
		Name: "latency.time", Title: latencyTimeTitle(p, f, user),
		Mark: analysis.HeatTime, Table: "latency.time", X: "start", Y: []string{"waits", "to"}, Series: "from", End: "end",
	})
	return nil
}

func latencyTitle(p *analysis.Pass, f *LatencyFold, user *sketch.Histogram) string {
	yields := &f.hist[parse.ClassUser][parse.ReadyYield]
	switch {
	case user.N() == 0:
		return fmt.Sprintf("User goroutines waited for a P only after %s, %s", say.Counted(yields.N(), "yield", "yields"), say.Typical(p, yields))
	case yields.N() == 0:
		return fmt.Sprintf("User goroutines wait for a P %s", say.Typical(p, user))
	}
	return fmt.Sprintf("User goroutines wait for a P %s, yields left out", say.Typical(p, user))
}

func latencyByClassTitle(p *analysis.Pass, f *LatencyFold) string {
	var parts []string
	for c := range f.hist {
		if h := f.ofClass(parse.Class(c)); h.N() > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", parse.Class(c), p.Dur(h.Max())))
		}
	}
	return "Longest wait for a P: " + strings.Join(parts, ", ")
}

func latencyTimeTitle(p *analysis.Pass, f *LatencyFold, user *sketch.Histogram) string {
	if user.N() == 0 {
		return "No user goroutine waited for a P, yields left out"
	}
	const long = 1e6
	var n int64
	for lane := range f.overTime.Lanes() {
		if lane > 0 && latencyBounds[lane-1] >= long {
			for b := range f.overTime.Len() {
				n += f.overTime.At(b, lane)
			}
		}
	}
	worst := f.worst.Items()[0]
	if user.N() == 1 {
		return fmt.Sprintf("The only wait for a P took %s, from %s", p.Dur(worst.Value), p.At(worst.Item.Since))
	}
	none := "none"
	if n > 0 {
		none = analysis.FormatCount(n)
	}
	return fmt.Sprintf("Of %s for a P %s took 1 ms or more; the longest took %s from %s",
		say.Counted(user.N(), "wait", "waits"), none, p.Dur(worst.Value), p.At(worst.Item.Since))
}

func sayLatency(p *analysis.Pass, f *LatencyFold, user *sketch.Histogram) {
	if user.N() == 0 {
		p.Say("no user goroutine waited for a P in %s, yields left out (%s of any goroutine)",
			p.Dur(p.Trace.Duration()), say.Counted(f.starts, "start", "starts"))
	} else {
		var qs []string
		for _, q := range []struct {
			name string
			q    float64
		}{{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p99.9", .999}} {
			if v, ok := user.Quantile(q.q); ok {
				qs = append(qs, q.name+" "+p.Dur(v))
			}
		}
		worst := f.worst.Items()[0]
		qs = append(qs, fmt.Sprintf("longest %s at %s (%s, %s)", p.Dur(worst.Value), p.At(worst.Item.Since), p.FuncName(worst.Item.Fn), worst.Item.Ready))
		p.Say("user goroutines waited %s for a P in %s: %s", p.Dur(user.Sum()), say.Counted(user.N(), "wait", "waits"), strings.Join(qs, ", "))

		type part struct {
			ready parse.Ready
			h     *sketch.Histogram
		}
		var parts []part
		for r := range f.hist[parse.ClassUser] {
			if h := &f.hist[parse.ClassUser][r]; h.N() > 0 && parse.Ready(r) != parse.ReadyYield {
				parts = append(parts, part{parse.Ready(r), h})
			}
		}
		if len(parts) > 1 {
			slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(b.h.Sum(), a.h.Sum()) })
			var texts []string
			for _, c := range parts[:min(3, len(parts))] {
				texts = append(texts, fmt.Sprintf("%s %s (n=%s)", c.ready, analysis.FormatRatio(say.Ratio(c.h.Sum(), user.Sum())), analysis.FormatCount(c.h.N())))
			}
			p.Say("of that time, by how they became runnable: %s", strings.Join(texts, ", "))
		}
	}
	var apart []string
	add := func(n int64, one, many string) {
		if n > 0 {
			apart = append(apart, say.Counted(n, one, many))
		}
	}
	add(f.hist[parse.ClassUser][parse.ReadyYield].N(), "yield", "yields")
	add(f.coroutines, "coroutine switch", "coroutine switches")
	add(f.starts-f.startsUser, "start of the runtime's and the tracer's own goroutines", "starts of the runtime's and the tracer's own goroutines")
	add(f.begun, "wait begun before the trace", "waits begun before the trace")
	if f.open.n > 0 {
		apart = append(apart, fmt.Sprintf("%s not over at its end (longest so far %s)", say.Counted(f.open.n, "wait", "waits"), p.Dur(f.open.longest)))
	}
	if len(apart) > 0 {
		p.Say("not in these: %s", strings.Join(apart, ", "))
	}
}

func latencyColumns(first ...analysis.Column) []analysis.Column {
	return append(first,
		analysis.Column{Name: "n", Unit: analysis.Count},
		analysis.Column{Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower},
		analysis.Column{Name: "p90", Unit: analysis.NS, Polarity: analysis.Lower},
		analysis.Column{Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower},
		analysis.Column{Name: "max", Unit: analysis.NS, Polarity: analysis.Lower},
		analysis.Column{Name: "total", Unit: analysis.NS, Polarity: analysis.Lower},
	)
}

func latencyCells(h *sketch.Histogram) []any {
	return []any{h.N(), say.QuantileCell(h, .5), say.QuantileCell(h, .9), say.QuantileCell(h, .99), h.Max(), h.Sum()}
}

// causeTable has the user goroutines by cause, the largest total first; yields,
// which are not in the headline, come last.
func causeTable(f *LatencyFold, total int64) *analysis.Table {
	t := &analysis.Table{
		Name: "latency.cause", Title: "user goroutines: waits for a P by how they became runnable (yields are in no total)",
		Columns: append(latencyColumns(analysis.Column{Name: "ready by", Unit: analysis.Text}),
			analysis.Column{Name: "share", Unit: analysis.Ratio}),
	}
	var order []parse.Ready
	for r := range f.hist[parse.ClassUser] {
		if f.hist[parse.ClassUser][r].N() > 0 {
			order = append(order, parse.Ready(r))
		}
	}
	sum := func(r parse.Ready) int64 {
		if r == parse.ReadyYield {
			return -1
		}
		return f.hist[parse.ClassUser][r].Sum()
	}
	slices.SortStableFunc(order, func(a, b parse.Ready) int { return cmp.Compare(sum(b), sum(a)) })
	for _, r := range order {
		h := &f.hist[parse.ClassUser][r]
		share := say.RatioCell(h.Sum(), total)
		if r == parse.ReadyYield {
			share = nil
		}
		t.Add(append(append([]any{say.ReadyWord(r)}, latencyCells(h)...), share)...)
	}
	return t
}

// latencyByClass has every class and cause, user goroutines first.
func latencyByClass(f *LatencyFold, n int64) *analysis.Table {
	t := &analysis.Table{
		Name: "latency.class", Title: "all goroutines: waits for a P by class and how they became runnable", Detail: true, N: n,
		Columns: latencyColumns(analysis.Column{Name: "class", Unit: analysis.Text}, analysis.Column{Name: "ready by", Unit: analysis.Text}),
	}
	for c := range f.hist {
		for r := range f.hist[c] {
			if h := &f.hist[c][r]; h.N() > 0 {
				t.Add(append([]any{parse.Class(c).String(), say.ReadyWord(parse.Ready(r))}, latencyCells(h)...)...)
			}
		}
	}
	return t
}

func latencyByFunc(p *analysis.Pass, f *LatencyFold, user *sketch.Histogram) *analysis.Table {
	t := &analysis.Table{
		Name: "latency.function", Title: "user goroutines: waits for a P by entry function, without yields", N: user.N(),
		Columns: append(latencyColumns(analysis.Column{Name: "function", Unit: analysis.Text}),
			analysis.Column{Name: "share", Unit: analysis.Ratio}),
	}
	rows := tally.Rank(f.funcs.ByKey(), func(fn parse.StringID) tally.Label { return tally.Label{p.FuncName(fn)} },
		(*sketch.Histogram).Merge, (*sketch.Histogram).Sum)
	for _, r := range rows {
		t.Add(append(append([]any{r.Label[0]}, latencyCells(r.V)...), say.RatioCell(r.V.Sum(), user.Sum()))...)
	}
	t.Limit(10)
	return t
}

// Largest returns the cause with the largest part of a wait.
func Largest(parts *[parse.NumCauses]int64) (c parse.Cause, ns int64) {
	for i, v := range parts {
		if v > ns {
			c, ns = parse.Cause(i), v
		}
	}
	return c, ns
}

func latencyWorst(p *analysis.Pass, f *LatencyFold, user *sketch.Histogram) *analysis.Table {
	t := &analysis.Table{
		Name: "latency.worst", Title: "user goroutines: longest waits for a P and the largest part of each, without yields", N: user.N(),
		Columns: []analysis.Column{
			{Name: "at", Unit: analysis.Moment}, {Name: "wait", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "G", Unit: analysis.G}, {Name: "P", Unit: analysis.P}, {Name: "function", Unit: analysis.Text},
			{Name: "ready by", Unit: analysis.Text}, {Name: "blocked on", Unit: analysis.Text},
			{Name: "mostly", Unit: analysis.Text}, {Name: "share", Unit: analysis.Ratio}, {Name: "readied at", Unit: analysis.Text},
		},
	}
	for _, e := range f.worst.Items() {
		w := &e.Item
		var blockedOn, waker any
		if w.blockedOn != 0 {
			blockedOn = p.Trace.String(w.blockedOn)
		}
		if w.Waker != 0 {
			waker = p.SiteName(w.Waker)
		}
		c, ns := Largest(&w.Parts)
		t.Add(p.Rel(w.Since), e.Value, int64(w.G), int64(w.P), p.FuncName(w.Fn), say.ReadyWord(w.Ready), blockedOn, c.String(), say.RatioCell(ns, e.Value), waker)
	}
	return t
}

// latencyOverTime has the waits by when they ended and how long they were, in at
// most 128 columns of time.
func latencyOverTime(p *analysis.Pass, f *LatencyFold, n int64) *analysis.Table {
	t := &analysis.Table{
		Name: "latency.time", Title: "user goroutines: waits for a P by when they ended and how long they were, without yields", N: n, Detail: true,
		Columns: []analysis.Column{
			{Name: "start", Unit: analysis.Moment}, {Name: "end", Unit: analysis.Moment},
			{Name: "from", Unit: analysis.NS}, {Name: "to", Unit: analysis.NS}, {Name: "waits", Unit: analysis.Count},
		},
	}
	s := f.overTime
	step := (s.Len() + 127) / 128
	edge := func(bucket int) int64 {
		moment := parse.Time(s.Start() + int64(bucket)*s.Width())
		return p.Rel(min(max(moment, p.Trace.From), p.Trace.To))
	}
	for b := 0; b < s.Len(); b += step {
		for lane := range s.Lanes() {
			var sum int64
			for i := b; i < min(b+step, s.Len()); i++ {
				sum += s.At(i, lane)
			}
			if sum > 0 {
				from, to := LatencyClass(lane)
				t.Add(edge(b), edge(b+step), from, to, sum)
			}
		}
	}
	return t
}

// LatencyClass is from where on and below what a class of latencyBounds is. The
// last is drawn as if it ended.
func LatencyClass(lane int) (from, to int64) {
	if lane > 0 {
		from = latencyBounds[lane-1]
	}
	if lane < len(latencyBounds) {
		return from, latencyBounds[lane]
	}
	return from, 2 * from
}
