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

// blockSiteName is where a wait is. "sync" is any semaphore, the runtime's own too
// (sema.go; mgc.go: markDoneSema, worldsema); of those it names the user.
func blockSiteName(p *analysis.Pass, reason string, stack parse.StackID) string {
	if reason == "sync" {
		if fn := runtimeSemaphore(p.Trace, stack); fn != "" {
			site, _ := p.Trace.Site(stack)
			return fmt.Sprintf("%s:%d (%s)", p.Trace.String(site.Func), site.Line, fn)
		}
	}
	return p.SiteName(stack)
}

func runBlocking(p *analysis.Pass) error {
	f := analysis.Fold[*BlockingFold](p)
	tr := p.Trace

	waits := make(map[BlockSite]*BlockWaits) // without coroutine switches and goroutines not known
	reasonOf := make(map[BlockSite]string)
	groups := make(map[string]*BlockWaits)
	var total, unnamed BlockWaits
	for _, e := range f.sites.Entries {
		k, w := e.Key, &e.V.BlockWaits
		if k.Told == BlockUnnamed {
			unnamed.Add(w)
			continue
		}
		if reason := BlockReasonOf(tr, k); reason != "" {
			waits[k], reasonOf[k] = w, reason
			tally.At(groups, blockGroup(reason)).Add(w)
			total.Add(w)
		}
	}
	for _, g := range blockGroups {
		w := tally.At(groups, g)
		p.Metric("block."+g+".total", w.Total, w.Spans)
	}
	if p.Brief() {
		return nil
	}

	siteLabel := func(k BlockSite) tally.Label { return tally.Label{reasonOf[k], blockSiteName(p, reasonOf[k], k.Stack)} }
	blockSay(p, &total, groups)
	blockReasons(p, f, waits, reasonOf)

	// Waiting for work is most of the waiting time of a sound program, so
	// what goroutines wait for in each other's way has a table of its own.
	contended, others := make(map[BlockSite]*BlockWaits), make(map[BlockSite]*BlockWaits)
	for k, w := range waits {
		if BlockContends(tr, reasonOf[k], k.Stack) {
			contended[k] = w
		} else {
			others[k] = w
		}
	}
	wakers := wokenBy(p, f, waits, siteLabel)
	if f.wakers.Limit != 0 {
		p.Say("More than %s pairs of a place that waits and one that ends the wait: only those of the places named first are told apart, the rest is (%s).", analysis.FormatCount(tally.PairsApart), say.ReadyWord(parse.ReadyUnblocked))
	}
	busy := (*BlockWaits).Busy
	contention := tally.Rank(contended, siteLabel, (*BlockWaits).Add, busy)
	var contentionNS int64
	for _, r := range contention {
		contentionNS += r.V.Busy()
	}
	switch {
	case total.Spans == 0: // said already
	case len(contention) == 0:
		p.Say("No user goroutine waited for a lock, a channel send or GC assist credit.")
	case contentionNS == 0:
		p.Say("For locks, channel sends and GC assist credit only goroutines waited that did so through the whole trace.")
	default:
		top := contention[0]
		s := fmt.Sprintf("For locks, channel sends and GC assist credit: %s of goroutine time; %s of it (%s) at %s", p.Dur(contentionNS), p.Dur(top.V.Busy()), top.Label[0], top.Label[1])
		if top.V.N > 0 {
			s += fmt.Sprintf(", mean %s, max %s", p.Dur(top.V.Sum/top.V.N), p.Dur(top.V.Max))
		}
		if by := wakers[top.Label]; len(by) > 0 {
			s += ", woken by " + by[0].name
		}
		p.Say("%s.", s)
	}
	p.Table(blockTable("blocking.contention", "waits of user goroutines for locks, channel sends and GC assist credit, by site", contention, wakers, 10))
	p.Table(blockTable("blocking.waits", "their other waits, by site", tally.Rank(others, siteLabel, (*BlockWaits).Add, busy), wakers, 10))

	idle := &analysis.Table{
		Name: "blocking.idle", Title: "user goroutines that waited through the whole trace: pools at rest, or stuck", N: total.Idle,
		Columns: []analysis.Column{{Name: "reason", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text}, {Name: "goroutines", Unit: analysis.Count}},
	}
	for _, r := range tally.Rank(waits, siteLabel, (*BlockWaits).Add, func(w *BlockWaits) int64 { return w.Idle }) {
		if r.V.Idle > 0 {
			idle.Add(r.Label[0], r.Label[1], r.V.Idle)
		}
	}
	var rest []string
	if len(idle.Rows) > 0 {
		first := idle.Rows[0]
		rest = append(rest, fmt.Sprintf("User goroutines that waited through the whole trace: %s, most (%s) at %s (%s).", analysis.FormatCount(total.Idle), analysis.FormatCount(first[2].(int64)), first[1], first[0]))
	}
	if unnamed.Spans > total.Spans/10 || len(idle.Rows) == 0 && unnamed.Idle > 0 {
		rest = append(rest, fmt.Sprintf("Left out: %s waits (%s of them through the whole trace) from before the trace, of goroutines that no stack had named yet.", analysis.FormatCount(unnamed.Spans), analysis.FormatCount(unnamed.Idle)))
	}
	if len(rest) > 0 {
		p.Say("%s", strings.Join(rest, " "))
	}
	idle.Limit(10)
	p.Table(idle)

	p.Table(blockDetail(tr, tally.Rank(waits, siteLabel, (*BlockWaits).Add, func(w *BlockWaits) int64 { return w.Total }), wakers))
	overTime, sums := blockOverTime(p, f)
	overTime.N = total.N
	p.Table(overTime)
	var columns []string
	for _, c := range overTime.Columns[1:] {
		columns = append(columns, c.Name)
	}
	p.Figure(analysis.Figure{
		Name: "blocking.waits", Title: blockTitle(p, overTime, sums), Mark: analysis.Area,
		Table: overTime.Name, X: "time", Y: columns,
	})
	return nil
}

// blockTitle says what most of the time in the columns of t was waited for.
func blockTitle(p *analysis.Pass, t *analysis.Table, sums []int64) string {
	var all int64
	for _, v := range sums {
		all += v
	}
	if all == 0 {
		return "No user goroutine waited"
	}
	top := slices.Index(sums, slices.Max(sums))
	return fmt.Sprintf("User goroutines waited %s in all, the largest part, %s: %s", p.Dur(all), analysis.FormatRatio(say.Ratio(sums[top], all)), t.Columns[top+1].Name)
}

// blockSay states the time by group.
func blockSay(p *analysis.Pass, total *BlockWaits, groups map[string]*BlockWaits) {
	if total.Spans == 0 {
		p.Say("No user goroutine waited.")
		return
	}
	rate := ""
	if d := p.Trace.Duration(); d >= 100e6 {
		rate = " (" + analysis.FormatRate(float64(total.N)*1e9/float64(d)) + ")"
	}
	order := slices.Clone(blockGroups)
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(groups[b].Busy(), groups[a].Busy()) })
	var parts []string
	for _, g := range order {
		if b := groups[g].Busy(); b > 0 {
			parts = append(parts, blockWord(g)+" "+p.Dur(b))
		}
	}
	s := fmt.Sprintf("Waits of user goroutines: %s%s", analysis.FormatCount(total.N), rate)
	if len(parts) > 0 {
		s += "; goroutine time: " + strings.Join(parts, ", ")
	}
	if total.Idle > 0 {
		s += ", without those that waited through the whole trace"
	}
	p.Say("%s.", s)
}

// BlockContends tells waits that other goroutines of the program, or its own
// allocation, are in the way of from waits for work, time or the outside. A
// WaitGroup shares reason "sync" with locks, but waits for work to be done.
func BlockContends(tr *parse.Trace, reason string, stack parse.StackID) bool {
	switch reason {
	case "chan send", "GC mark assist wait for work":
		return true
	case "sync":
		op, _ := tr.Operation(stack)
		return tr.String(op.Func) != "sync.(*WaitGroup).Wait" && runtimeSemaphore(tr, stack) == ""
	}
	return false
}

// runtimeSemaphore is the function of the runtime that waits for a semaphore of its
// own (sema.go; mgc.go: gcStart, work.startSema; proc.go: stopTheWorld, worldsema), ""
// where the program waits: then a function of sync or internal/poll calls the runtime.
func runtimeSemaphore(tr *parse.Trace, stack parse.StackID) string {
	for _, f := range tr.Stack(stack) {
		switch fn := tr.String(f.Func); {
		case !strings.HasPrefix(fn, "runtime."):
			return ""
		case !strings.HasPrefix(fn, "runtime.gopark") && !strings.HasPrefix(fn, "runtime.semacquire"):
			return fn
		}
	}
	return ""
}

// blockReasons is the table by reason.
func blockReasons(p *analysis.Pass, f *BlockingFold, waits map[BlockSite]*BlockWaits, reasonOf map[BlockSite]string) {
	lengths := make(map[string]*sketch.Histogram)
	for k, r := range f.reasons.ByKey() {
		if reason := BlockReasonOf(p.Trace, BlockSite{blockReason: k}); k.Told == blockToldReason && reason != "" {
			tally.At(lengths, reason).Merge(r)
		}
	}
	t := &analysis.Table{
		Name: "blocking.reasons", Title: "waits of user goroutines by reason; p50, mean, p99 and max of whole waits",
		Columns: []analysis.Column{
			{Name: "reason", Unit: analysis.Text}, {Name: "waits", Unit: analysis.Count}, {Name: "rate", Unit: analysis.PerS},
			{Name: "p50", Unit: analysis.NS}, {Name: "mean", Unit: analysis.NS}, {Name: "p99", Unit: analysis.NS}, {Name: "max", Unit: analysis.NS},
			{Name: "total", Unit: analysis.NS}, {Name: "whole trace", Unit: analysis.Count},
		},
	}
	for _, r := range tally.Rank(waits, func(k BlockSite) tally.Label { return tally.Label{reasonOf[k]} }, (*BlockWaits).Add, func(w *BlockWaits) int64 { return w.Total }) {
		h := tally.At(lengths, r.Label[0])
		var rate any
		if d := p.Trace.Duration(); d > 0 {
			rate = say.PerSecond(r.V.N, d)
		}
		t.N += r.V.Spans
		t.Add(r.Label[0], r.V.N, rate, say.QuantileCell(h, .5), r.V.mean(), say.QuantileCell(h, .99), r.V.longest(), r.V.Total, r.V.Idle)
	}
	t.Limit(12)
	p.Table(t)
}

// blockWokenBy is who ended waits, and how many.
type blockWokenBy struct {
	name string
	n    int64
}

// wokenBy returns who ended the waits of each row of sites, most first.
func wokenBy(p *analysis.Pass, f *BlockingFold, waits map[BlockSite]*BlockWaits, siteLabel func(BlockSite) tally.Label) map[tally.Label][]blockWokenBy {
	counts := make(map[tally.Label]map[string]int64)
	for k, n := range f.wakers.ByKey() {
		if waits[k.BlockSite] == nil {
			continue
		}
		l := siteLabel(k.BlockSite)
		if counts[l] == nil {
			counts[l] = make(map[string]int64)
		}
		counts[l][say.ReadyName(p, k.Ready, k.Stack)] += *n
	}
	out := make(map[tally.Label][]blockWokenBy)
	for l, by := range counts {
		for name, n := range by {
			out[l] = append(out[l], blockWokenBy{name, n})
		}
		slices.SortFunc(out[l], func(a, b blockWokenBy) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.name, b.name)) })
	}
	return out
}

// blockTable is a table by site.
func blockTable(name, title string, rows []tally.Ranked[BlockWaits], wakers map[tally.Label][]blockWokenBy, limit int) *analysis.Table {
	t := &analysis.Table{
		Name: name, Title: title + "; without those through the whole trace",
		Columns: []analysis.Column{
			{Name: "reason", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text}, {Name: "waits", Unit: analysis.Count},
			{Name: "mean", Unit: analysis.NS}, {Name: "max", Unit: analysis.NS}, {Name: "total", Unit: analysis.NS},
			{Name: "open at end", Unit: analysis.Count}, {Name: "woken by", Unit: analysis.Text},
		},
	}
	for _, r := range rows {
		if r.V.Spans == r.V.Idle {
			continue
		}
		var by any
		if w := wakers[r.Label]; len(w) > 0 {
			s := w[0].name
			if len(w) > 1 {
				s += fmt.Sprintf(" and %d more", len(w)-1)
			}
			by = s
		}
		t.N += r.V.Spans - r.V.Idle
		t.Add(r.Label[0], r.Label[1], r.V.N, r.V.mean(), r.V.longest(), r.V.Busy(), r.V.Open-r.V.Idle, by)
	}
	t.Limit(limit)
	return t
}

// blockDetail is every site with each of its wakers.
func blockDetail(tr *parse.Trace, rows []tally.Ranked[BlockWaits], wakers map[tally.Label][]blockWokenBy) *analysis.Table {
	t := &analysis.Table{
		Name: "blocking.wakers", Title: "all waits of user goroutines by site, with who ended them", Detail: true,
		Columns: []analysis.Column{
			{Name: "reason", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text}, {Name: "waits", Unit: analysis.Count}, {Name: "total", Unit: analysis.NS},
			{Name: "whole trace", Unit: analysis.Count}, {Name: "woken by", Unit: analysis.Text}, {Name: "wakes", Unit: analysis.Count},
		},
	}
	for _, r := range rows {
		t.N += r.V.Spans
		if len(wakers[r.Label]) == 0 {
			t.Add(r.Label[0], r.Label[1], r.V.N, r.V.Total, r.V.Idle, nil, int64(0))
		}
		for _, w := range wakers[r.Label] {
			t.Add(r.Label[0], r.Label[1], r.V.N, r.V.Total, r.V.Idle, w.name, w.n)
		}
	}
	t.Limit(1000)
	return t
}

// blockOverTime is how many goroutines waited in each stretch of equal length, by
// group, and the groups' time in all. The stacks of waits that began before the
// trace are not told apart here.
func blockOverTime(p *analysis.Pass, f *BlockingFold) (t *analysis.Table, sums []int64) {
	s := sketch.NewSeries(len(blockGroups) + 1)
	if p.Trace.To > p.Trace.From {
		s.AddPoint(0, int64(p.Trace.From), 0)
		s.AddPoint(0, int64(p.Trace.To)-1, 0)
	}
	t = &analysis.Table{
		Name: "blocking.overtime", Title: "waiting user goroutines, mean number in each stretch of time, by reason", Detail: true,
		Columns: []analysis.Column{{Name: "time", Unit: analysis.Moment}},
	}
	for _, g := range blockGroups {
		t.Columns = append(t.Columns, analysis.Column{Name: blockWord(g), Unit: analysis.Count})
	}
	t.Columns = append(t.Columns, analysis.Column{Name: "untold", Unit: analysis.Count})
	byReason := make(map[blockReason]*sketch.Series)
	for _, e := range f.sites.Entries {
		r := byReason[e.Key.blockReason]
		if r == nil {
			r = sketch.NewSeries(1)
			byReason[e.Key.blockReason] = r
		}
		r.Merge(e.V.overTime)
	}
	for k, r := range byReason {
		lane := len(blockGroups)
		switch k.Told {
		case blockToldReason:
			reason := BlockReasonOf(p.Trace, BlockSite{blockReason: k})
			if reason == "" {
				continue
			}
			lane = slices.Index(blockGroups, blockGroup(reason))
		case BlockUnnamed:
			continue
		}
		for i := range r.Len() {
			from := r.Start() + int64(i)*r.Width()
			s.AddPoint(lane, max(from, int64(p.Trace.From)), r.At(i, 0))
		}
	}
	sums = make([]int64, s.Lanes())
	for i := range s.Len() {
		from, length := window.Bucket(p, s, i)
		if length <= 0 {
			continue
		}
		row := []any{p.Rel(from)}
		for lane := range s.Lanes() {
			row = append(row, say.Ratio(s.At(i, lane), length))
			sums[lane] += s.At(i, lane)
		}
		t.Add(row...)
	}
	return t, sums
}
