package measures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// stwKindRow is the stops of one reason under its name.
type stwKindRow struct {
	name string
	*STWKind
}

// NoStops is why nothing is told of stops of the world: Go 1.10 was the first to record
// them (runtime/trace.go: traceEvSTWStart is traceEvGCScanStart before).
const NoStops = "traces of Go 1.9 and older do not tell stops of the world; record with a later Go"

func runSTW(p *analysis.Pass) error {
	c := analysis.Fold[*STWFold](p)
	if p.Trace.Version < 10 {
		p.NotApplicable(NoStops)
		return nil
	}
	var gc, other STWKind
	var rows []stwKindRow
	for id, k := range c.kinds {
		rows = append(rows, stwKindRow{p.Trace.String(id), k})
		sum := &other
		if k.GC {
			sum = &gc
		}
		sum.Merge(k)
	}
	slices.SortFunc(rows, func(a, b stwKindRow) int {
		return cmp.Or(cmp.Compare(b.Halt, a.Halt), strings.Compare(a.name, b.name))
	})
	p.Metric("stw.gc.count", gc.Total.N()+gc.cut, gc.Total.N()+gc.cut)
	p.Metric("stw.other.count", other.Total.N()+other.cut, other.Total.N()+other.cut)
	p.Quantiles("stw.gc.total", &gc.Total)
	p.Quantiles("stw.gc.stopping", &gc.Stopping)
	p.Quantiles("stw.other.total", &other.Total)
	p.Quantiles("stw.other.stopping", &other.Stopping)
	p.Metric("stw.cpu", gc.cpu, gc.Total.N()+gc.cut)

	for _, e := range c.worst.Items() {
		for id, v := range map[string]int64{"total": e.Item.Total(), "stopping": e.Item.Stopping()} {
			group := "stw.other."
			if e.Item.Stop.GC {
				group = "stw.gc."
			}
			p.WhenIs(group+id+".max", v, e.Item.Since)
		}
	}

	if p.Brief() {
		return nil
	}
	sites := stwSites(p, c)
	stwSay(p, c, &gc, &other, sites)
	stwKindTable(p, rows, sites)
	stwWorstTable(p, c)
	stwRequesterTable(p, c, sites)
	stwWaterfall(p, c)
	stwTime(p, c)
	stwPeaks(p, c, gc.Total.N()+other.Total.N())
	return nil
}

// stwSites are the stops by reason and place of the request, the costliest first.
func stwSites(p *analysis.Pass, c *STWFold) []tally.Ranked[STWSum] {
	return tally.Rank(c.sites, func(s STWSite) tally.Label {
		gc := ""
		if c.kinds[s.Kind].GC {
			gc = "gc"
		}
		return tally.Label{p.Trace.String(s.Kind), p.SiteName(s.Stack), gc}
	}, (*STWSum).Add, func(s *STWSum) int64 { return s.Halt })
}

func stwSay(p *analysis.Pass, c *STWFold, gc, other *STWKind, sites []tally.Ranked[STWSum]) {
	wall := p.Trace.Duration()
	phrase := func(k *STWKind, what string) string {
		n := k.Total.N()
		if n == 0 {
			return "no " + what + " stop"
		}
		s := fmt.Sprintf("%s halted the world for %s (%s of wall)", say.Counted(n, what+" stop", what+" stops"),
			p.Dur(k.Halt), analysis.FormatRatio(say.Ratio(k.Halt, wall)))
		if more := k.Total.Sum() - k.Halt; more > k.Halt/10 {
			s += fmt.Sprintf(" and their callers for %s more", p.Dur(more))
		}
		return s
	}
	cut := ""
	if n := gc.cut + other.cut; n > 0 {
		cut = fmt.Sprintf("; %s cut by the edge of the trace left out", analysis.FormatCount(n))
	}
	if gc.Total.N()+other.Total.N() == 0 {
		p.Say("the world was not stopped in %s%s", p.Dur(wall), cut)
		return
	}
	line := fmt.Sprintf("%s; %s%s", phrase(gc, "GC"), phrase(other, "other"), cut)
	if i := slices.IndexFunc(sites, func(s tally.Ranked[STWSum]) bool { return s.Label[2] == "" }); i >= 0 {
		line += fmt.Sprintf("; most of the others: %s, %s from %s", sites[i].Label[0], analysis.FormatCount(sites[i].V.N), sites[i].Label[1])
	}
	p.Say("%s", line)
	r := c.worst.Items()[0].Item
	line = fmt.Sprintf("longest: %s at %s (%s), %s stopping, %s stopped",
		p.Dur(STWHalt(&r)), p.At(r.Since), p.Trace.String(r.Name), p.Dur(r.Stopping()), p.Dur(STWHalt(&r)-r.Stopping()))
	if r.Stop.LastP != parse.NoProc {
		line += fmt.Sprintf("; the last to stop was likely P %d, %s", r.Stop.LastP, STWDoing(p, &r.Stop))
	}
	p.Say("%s", line)
	if worst := stwWorstSecond(p, c); worst.Score > 0 {
		p.Say("the worst second starts at %s: stopped %s of it", p.At(worst.From), analysis.FormatRatio(worst.Score))
	}
}

// STWDoing says what the last P to stop did when the stop was requested.
func STWDoing(p *analysis.Pass, s *parse.Stop) string {
	var what string
	switch s.LastFrom {
	case parse.ProcScheduler:
		what = "in the scheduler"
		if s.LastFunc != 0 {
			what += " after " + p.FuncName(s.LastFunc)
		}
	case parse.ProcSyscall:
		what = "in a system call of " + p.FuncName(s.LastFunc)
	default:
		what = fmt.Sprintf("running %s (%s)", p.FuncName(s.LastFunc), s.LastFrom)
	}
	if s.LastStack != 0 {
		what += " at " + p.SiteName(s.LastStack)
	}
	return what
}

// stwWorstSecond is the second in which the world was stopped longest; its score is the
// share of it, 0 when the trace is shorter than two seconds.
func stwWorstSecond(p *analysis.Pass, c *STWFold) window.Stretch {
	if p.Trace.Duration() < 2*window.Second {
		return window.Stretch{}
	}
	return window.Worst(p, c.time, window.Second, func(sums []int64, ns int64) float64 {
		var stopped int64
		for _, lane := range sums {
			stopped += lane
		}
		return say.Ratio(stopped, ns)
	})
}

func stwStopped(s *sketch.Series, bucket int) int64 {
	var sum int64
	for lane := range stwLanes {
		sum += s.At(bucket, lane)
	}
	return sum
}

func stwKindTable(p *analysis.Pass, rows []stwKindRow, sites []tally.Ranked[STWSum]) {
	t := &analysis.Table{
		Name: "stw.kinds", Title: "stops by reason, wall clock of those seen whole; halt is until the world restarted",
		Columns: []analysis.Column{
			{Name: "reason", Unit: analysis.Text}, {Name: "count", Unit: analysis.Count},
			{Name: "halt", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "stopping share", Unit: analysis.Ratio, Polarity: analysis.Lower},
			{Name: "total", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "max", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "main requester", Unit: analysis.Text},
			{Name: "requesters", Unit: analysis.Count}, {Name: "P time", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for _, k := range rows {
		n := k.Total.N()
		t.N += n + k.cut
		var main any
		var requesters int64
		for _, s := range sites {
			if s.Label[0] == k.name {
				if requesters == 0 {
					main = s.Label[1]
				}
				requesters++
			}
		}
		t.Add(k.name, n+k.cut, k.Halt, say.RatioCell(k.Stopping.Sum(), k.Halt), k.Total.Sum(), say.QuantileCell(&k.Total, .5), say.MaxCell(&k.Total),
			main, requesters, k.cpu)
	}
	p.Table(t)
}

func stwWorstTable(p *analysis.Pass, c *STWFold) {
	t := &analysis.Table{
		Name: "stw.worst", Title: "longest stops; the last P to stop is likely, not certain",
		Columns: []analysis.Column{
			{Name: "at", Unit: analysis.Moment}, {Name: "reason", Unit: analysis.Text},
			{Name: "halt", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "stopping", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "last p", Unit: analysis.P}, {Name: "doing", Unit: analysis.Text}, {Name: "stopped at", Unit: analysis.Text},
			{Name: "requested at", Unit: analysis.Text}, {Name: "stopped", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "restart", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "total", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "function", Unit: analysis.Text}, {Name: "requester", Unit: analysis.Text},
		},
	}
	items := c.worst.Items()
	for _, it := range items {
		r := &it.Item
		var restart any
		if r.Stop.Restart != 0 {
			restart = int64(r.Until - r.Stop.Restart)
		}
		var doing, fn, at any
		if r.Stop.LastP != parse.NoProc {
			doing = r.Stop.LastFrom.String()
			if r.Stop.LastFunc != 0 {
				fn = p.FuncName(r.Stop.LastFunc)
			}
			if r.Stop.LastStack != 0 {
				at = p.SiteName(r.Stop.LastStack)
			}
		}
		t.Add(p.Rel(r.Since), p.Trace.String(r.Name), STWHalt(r), r.Stopping(), int64(r.Stop.LastP), doing, at, p.SiteName(r.Stack),
			STWHalt(r)-r.Stopping(), restart, r.Total(), fn, p.FuncName(r.Func))
	}
	for _, k := range c.kinds {
		t.N += k.Total.N()
	}
	t.More = t.N - int64(len(items))
	p.Table(t)
}

func stwRequesterTable(p *analysis.Pass, c *STWFold, sites []tally.Ranked[STWSum]) {
	t := &analysis.Table{
		Name: "stw.requesters", Title: "who stops the world, GC aside; stops seen whole, wall clock; halt is until the world restarted, total what the caller waited",
		Columns: []analysis.Column{
			{Name: "reason", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text},
			{Name: "count", Unit: analysis.Count, Polarity: analysis.Lower},
			{Name: "halt", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max halt", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "total", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for _, s := range sites {
		if s.Label[2] == "" {
			t.N += s.V.N
			t.Add(s.Label[0], s.Label[1], s.V.N, s.V.Halt, s.V.MaxHalt, s.V.total)
		}
	}
	t.Limit(10)
	p.Table(t)
}

// stwWaterfall shows the longest stop P by P.
func stwWaterfall(p *analysis.Pass, c *STWFold) {
	items := c.worst.Items()
	if len(items) == 0 {
		return
	}
	r := &items[0].Item
	t := &analysis.Table{
		Name: "stw.waterfall", Detail: true,
		Title: "the longest stop by P, from the request until the world restarted",
		Columns: []analysis.Column{
			{Name: "p", Unit: analysis.P}, {Name: "requested", Unit: analysis.Moment}, {Name: "stopped", Unit: analysis.Moment},
			{Name: "world restarted", Unit: analysis.Moment}, {Name: "restarted", Unit: analysis.Moment},
			{Name: "doing", Unit: analysis.Text}, {Name: "stopped at", Unit: analysis.Text},
		},
	}
	world := r.Stop.Restart
	if world == 0 {
		world = r.Until
	}
	var ps []parse.ProcID
	for k, row := range c.rows {
		if k.stop == r.Since && row.stopped != 0 {
			ps = append(ps, k.p)
		}
	}
	slices.Sort(ps)
	for _, id := range ps {
		row := c.rows[stwRow{r.Since, id}]
		restarted := row.restarted
		if restarted == 0 || row.asked == parse.ProcIdle {
			restarted = world
		}
		doing := row.asked.String()
		if row.stopper {
			doing = parse.ProcStopper.String()
		}
		var at any
		if row.stack != 0 {
			at = p.SiteName(row.stack)
		}
		t.Add(int64(id), p.Rel(r.Since), p.Rel(row.stopped), p.Rel(world), p.Rel(restarted), doing, at)
	}
	t.N = int64(len(ps))
	p.Table(t)
	p.Figure(analysis.Figure{
		Name: "stw.waterfall", Mark: analysis.Waterfall, Table: t.Name, X: "requested", Y: []string{"stopped"}, Series: "p", End: "world restarted",
		Title: fmt.Sprintf("The longest stop, %s at %s, took %s, %s of it stopping", p.Trace.String(r.Name), p.At(r.Since), p.Dur(STWHalt(r)), stwPart(p, r.Stopping())),
	})
}

func stwPart(p *analysis.Pass, ns int64) string {
	if ns == 0 {
		return "none"
	}
	return p.Dur(ns)
}

func stwTime(p *analysis.Pass, c *STWFold) {
	if c.time.Empty() {
		return
	}
	t := &analysis.Table{
		Name: "stw.time", Title: "share of wall time in which the world was stopping or stopped", Detail: true,
		Columns: []analysis.Column{
			{Name: "time", Unit: analysis.Moment},
			{Name: "GC stopping", Unit: analysis.Ratio, Polarity: analysis.Lower}, {Name: "GC stopped", Unit: analysis.Ratio, Polarity: analysis.Lower},
			{Name: "other stopping", Unit: analysis.Ratio, Polarity: analysis.Lower}, {Name: "other stopped", Unit: analysis.Ratio, Polarity: analysis.Lower},
		},
	}
	var stopped int64
	whole := window.Whole(p, c.time)
	for i := range whole.Len() {
		from, length := window.Bucket(p, whole, i)
		row := []any{p.Rel(from)}
		for lane := range stwLanes {
			row = append(row, say.Ratio(whole.At(i, lane), length))
		}
		stopped += stwStopped(whole, i)
		t.Add(row...)
	}
	t.N = int64(len(t.Rows))
	p.Table(t)
	p.Figure(analysis.Figure{
		Name: "stw.pauses", Mark: analysis.Area, Table: t.Name, X: "time", Y: []string{"GC stopping", "GC stopped", "other stopping", "other stopped"},
		Title: fmt.Sprintf("The world was stopping or stopped %s of the time", analysis.FormatRatio(say.Ratio(stopped, p.Trace.Duration()))),
	})
}

// stwPeaks gives the longest stop of each stretch of time. There are n stops.
func stwPeaks(p *analysis.Pass, c *STWFold, n int64) {
	if c.peaks.Empty() {
		return
	}
	t := &analysis.Table{
		Name: "stw.longest", Title: fmt.Sprintf("the longest stop in each %s, of those seen whole: until the last P stopped, and from then until the world restarted", p.Dur(c.peaks.Width())),
		Detail: true, N: n,
		Columns: []analysis.Column{
			{Name: "time", Unit: analysis.Moment}, {Name: "stopping", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "stopped", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "kind", Unit: analysis.Text},
		},
	}
	for _, e := range c.peaks.Items() {
		t.Add(p.Rel(parse.Time(e.Time)), e.Item.stopping, e.Value-e.Item.stopping, p.Trace.String(e.Item.kind))
	}
	t.More = n - int64(len(t.Rows))
	p.Table(t)
	longest := c.worst.Items()[0].Item
	which := fmt.Sprintf("The longest of %s stops", analysis.FormatCount(n))
	if n == 1 {
		which = "The only stop"
	}
	p.Figure(analysis.Figure{
		Name: "stw.longest", Mark: analysis.Stems, Table: t.Name, X: "time", Y: []string{"stopping", "stopped"},
		Title: fmt.Sprintf("%s, at %s, took %s, %s of it stopping", which, p.At(longest.Since), p.Dur(STWHalt(&longest)), stwPart(p, longest.Stopping())),
	})
}
