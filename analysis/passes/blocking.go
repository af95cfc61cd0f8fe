package passes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var blocking = &analysis.Analyzer{
	Name:  "blocking",
	Doc:   page("blocking"),
	Kinds: parse.KindsOf(parse.KindGoWaiting),
	New:   func() analysis.Collector { return new(blockingFold) },
	Run:   runBlocking,
}

// blockingFold holds the waits of user goroutines.
type blockingFold struct {
	sites   keyed[blockSite, blockedAt]
	reasons keyed[blockReason, sketch.Histogram] // lengths of the whole waits
	wakers  keyed[blockWaker, int64]             // waits ended
}

// blockReason is the reason the trace gives for a wait, or why it gives none.
type blockReason struct {
	reason parse.StringID
	told   blockTold
}

type blockTold uint8

const (
	blockToldReason blockTold = iota // as it says; "" is a coroutine switch since Go 1.22
	blockBefore                      // the wait began before the trace
	blockUnnamed                     // and whose goroutine it is is not known either
)

type blockSite struct {
	blockReason
	stack parse.StackID
}

type blockWaker struct {
	blockSite
	ready parse.Ready
	stack parse.StackID // of a goroutine that woke it
}

type blockWaits struct {
	spans, total int64 // all, and their time in the trace
	n, sum, max  int64 // of those with begin and end in the trace
	open, oldest int64 // that the end of the trace cut, and the longest of them
	idle, idleNS int64 // of them, that lasted through the whole trace
}

func (w *blockWaits) add(o *blockWaits) {
	w.spans += o.spans
	w.total += o.total
	w.n += o.n
	w.sum += o.sum
	w.max = max(w.max, o.max)
	w.open += o.open
	w.oldest = max(w.oldest, o.oldest)
	w.idle += o.idle
	w.idleNS += o.idleNS
}

// busy is the waiting time of goroutines that did something else too.
func (w *blockWaits) busy() int64 { return w.total - w.idleNS }

// mean returns the mean of the whole waits, nil as a cell when there is none.
func (w *blockWaits) mean() any {
	if w.n == 0 {
		return nil
	}
	return w.sum / w.n
}

// longest returns the longest whole wait, nil as a cell when there is none.
func (w *blockWaits) longest() any {
	if w.n == 0 {
		return nil
	}
	return w.max
}

type blockedAt struct {
	blockWaits
	reason   *sketch.Histogram // the whole waits of its reason
	lengths  coarse            // its own
	overTime *sketch.Series

	// Of waits of queueMin or longer.
	turns   turns
	waiters sketch.IDs // goroutines whose waits another one ended
	wokenBy sketch.IDs // and those that ended them
}

// queueMin is from where on (ns) a wait may be one in a queue.
const queueMin = 100_000

// turns is how often waits end in the order in which they began, as in a queue.
type turns struct {
	n, late     int64 // waits, and of them those that began before the one that ended last
	first, last parse.Time
}

func (t *turns) merge(next turns) {
	switch {
	case next.n == 0:
		return
	case t.n == 0:
		*t = next
		return
	case next.first < t.last:
		t.late++
	}
	t.n, t.late, t.last = t.n+next.n, t.late+next.late, next.last
}

// site returns what is held of a site.
func (f *blockingFold) site(k blockSite, hash uint32) *blockedAt {
	w := f.sites.at(k, hash)
	if w.reason == nil {
		w.reason = f.reason(k.blockReason)
		w.overTime = sketch.NewSeries(1)
	}
	return w
}

func (f *blockingFold) reason(k blockReason) *sketch.Histogram {
	return f.reasons.at(k, mix(uint32(k.reason), uint32(k.told)))
}

func (f *blockingFold) Event(e *parse.Event) {
	g := e.Go
	if g.From != parse.GoWaiting || g.Class != parse.ClassUser || g.Ready == parse.ReadyCoroutine {
		return
	}
	k := blockSite{blockReason{reason: g.FromReason}, g.FromStack}
	switch {
	case g.FromReason == 0 && g.Partial && g.Func == 0:
		k.told = blockUnnamed
	case g.FromReason == 0 && g.Partial:
		k.told = blockBefore
	}
	held, hash := int64(e.Time-g.Since), mix(uint32(k.stack), uint32(k.reason))
	w := f.site(k, hash)
	w.spans++
	w.total += held
	w.overTime.AddSpan(0, int64(g.Since), int64(e.Time), 1)
	if g.To == parse.GoUndetermined {
		w.open++
		w.oldest = max(w.oldest, held)
		if g.Partial {
			w.idle++
			w.idleNS += held
		}
		return
	}
	if held >= queueMin {
		w.turns.merge(turns{n: 1, first: g.Since, last: g.Since})
	}
	if !g.Partial {
		w.n++
		w.sum += held
		w.max = max(w.max, held)
		w.lengths.add(held)
		w.reason.Add(held)
	}
	waker := blockWaker{blockSite: k, ready: g.Ready}
	if g.Ready == parse.ReadyUnblocked {
		waker.stack = g.WakerStack
		if held >= queueMin {
			w.waiters.Add(uint64(g.ID))
			w.wokenBy.Add(uint64(g.Waker))
		}
	}
	*f.wakers.at(waker, mix(hash, uint32(waker.stack)))++
}

func (f *blockingFold) Merge(next analysis.Collector) {
	o := next.(*blockingFold)
	for _, e := range o.sites.entries {
		w := f.site(e.key, e.hash)
		w.add(&e.v.blockWaits)
		w.lengths.merge(&e.v.lengths)
		w.overTime.Merge(e.v.overTime)
		w.turns.merge(e.v.turns)
		w.waiters.Merge(&e.v.waiters)
		w.wokenBy.Merge(&e.v.wokenBy)
	}
	f.reasons.merge(&o.reasons, (*sketch.Histogram).Merge)
	f.wakers.merge(&o.wakers, func(n, more *int64) { *n += *more })
}

// blockGroups are the groups of reasons of the metrics, in the order of the report.
var blockGroups = []string{"sync", "chan", "select", "network", "sleep", "gcassist", "other"}

// blockWord is a group in words.
func blockWord(group string) string {
	switch group {
	case "chan":
		return "channel"
	case "gcassist":
		return "mark assist"
	}
	return group
}

// blockGroup returns the group of a reason (runtime/traceruntime.go:
// traceBlockReasonStrings).
func blockGroup(reason string) string {
	switch reason {
	case "sync", "sync.(*Cond).Wait":
		return "sync"
	case "chan send", "chan receive":
		return "chan"
	case "select", "network", "sleep":
		return reason
	case "GC mark assist wait for work":
		return "gcassist"
	}
	return "other"
}

const blockUntold = "(since before the trace)"

// blockReasonOf names the reason of a wait. Of one that began before the trace it
// is told by the stack in the goroutine's status, which the runtime function that
// parked it is on. It is "" for waits that are none: coroutine switches.
func blockReasonOf(tr *parse.Trace, k blockSite) string {
	switch {
	case k.told == blockToldReason && k.reason != 0:
		return tr.String(k.reason)
	case k.told == blockToldReason && tr.V1():
		return "(not told)"
	case k.told == blockToldReason:
		return ""
	}
	for _, f := range tr.Stack(k.stack) {
		switch fn := tr.String(f.Func); fn {
		case "runtime.coroswitch", "runtime.coroswitch_m", "runtime.corostart":
			return ""
		case "runtime.selectgo":
			return "select"
		case "runtime.chanrecv", "runtime.chanrecv1", "runtime.chanrecv2":
			return "chan receive"
		case "runtime.chansend", "runtime.chansend1":
			return "chan send"
		case "internal/poll.runtime_pollWait":
			return "network"
		case "time.Sleep":
			return "sleep"
		case "sync.runtime_notifyListWait":
			return "sync.(*Cond).Wait"
		case "runtime.gcParkAssist":
			return "GC mark assist wait for work"
		case "runtime.block":
			return "forever"
		default:
			if strings.HasPrefix(fn, "runtime.semacquire") || strings.Contains(fn, ".runtime_Semacquire") {
				return "sync"
			}
		}
	}
	return blockUntold
}

// blockSiteName is where a wait is. "sync" is any semaphore, the runtime's own too
// (sema.go; mgc.go: markDoneSema, worldsema); of those it names the user.
func blockSiteName(p *analysis.Pass, reason string, stack parse.StackID) string {
	name := p.SiteName(stack)
	site, _ := p.Trace.Site(stack)
	if op, _ := p.Trace.Operation(stack); reason != "sync" || op.Func != site.Func {
		return name
	}
	if fn := runtimeSemaphore(p.Trace, stack); fn != "" {
		return name + " (" + fn + ")"
	}
	return name
}

func runBlocking(p *analysis.Pass) error {
	f := analysis.Fold[*blockingFold](p)
	tr := p.Trace

	waits := make(map[blockSite]*blockWaits) // without coroutine switches and goroutines not known
	reasonOf := make(map[blockSite]string)
	groups := make(map[string]*blockWaits)
	var total, unnamed blockWaits
	for _, e := range f.sites.entries {
		k, w := e.key, &e.v.blockWaits
		if k.told == blockUnnamed {
			unnamed.add(w)
			continue
		}
		if reason := blockReasonOf(tr, k); reason != "" {
			waits[k], reasonOf[k] = w, reason
			at(groups, blockGroup(reason)).add(w)
			total.add(w)
		}
	}
	for _, g := range blockGroups {
		w := at(groups, g)
		p.Metric("block."+g+".total", w.total, w.spans)
	}

	siteLabel := func(k blockSite) label { return label{reasonOf[k], blockSiteName(p, reasonOf[k], k.stack)} }
	blockSay(p, &total, groups)
	blockReasons(p, f, waits, reasonOf)

	// N.B. Waiting for work is most of the waiting time of a sound program, so
	// what goroutines wait for in each other's way has a table of its own.
	contended, others := make(map[blockSite]*blockWaits), make(map[blockSite]*blockWaits)
	for k, w := range waits {
		if blockContends(tr, reasonOf[k], k.stack) {
			contended[k] = w
		} else {
			others[k] = w
		}
	}
	wakers := blockWakers(p, f, waits, siteLabel)
	busy := (*blockWaits).busy
	contention := rank(contended, siteLabel, (*blockWaits).add, busy)
	var contentionNS int64
	for _, r := range contention {
		contentionNS += r.v.busy()
	}
	switch {
	case total.spans == 0: // said already
	case len(contention) == 0:
		p.Say("No user goroutine waited for a lock, a channel send or GC assist credit.")
	case contentionNS == 0:
		p.Say("For locks, channel sends and GC assist credit only goroutines waited that did so through the whole trace.")
	default:
		top := contention[0]
		s := fmt.Sprintf("For locks, channel sends and GC assist credit: %s of goroutine time; %s of it (%s) at %s", p.Dur(contentionNS), p.Dur(top.v.busy()), top.label[0], top.label[1])
		if top.v.n > 0 {
			s += fmt.Sprintf(", mean %s, max %s", p.Dur(top.v.sum/top.v.n), p.Dur(top.v.max))
		}
		if by := wakers[top.label]; len(by) > 0 {
			s += ", woken by " + by[0].name
		}
		p.Say("%s.", s)
	}
	p.Table(blockTable("blocking.contention", "waits of user goroutines for locks, channel sends and GC assist credit, by site", contention, wakers, 10))
	p.Table(blockTable("blocking.waits", "their other waits, by site", rank(others, siteLabel, (*blockWaits).add, busy), wakers, 10))

	idle := &analysis.Table{
		Name: "blocking.idle", Title: "user goroutines that waited through the whole trace: pools at rest, or stuck", N: total.idle,
		Columns: []analysis.Column{{Name: "reason", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text}, {Name: "goroutines", Unit: analysis.Count}},
	}
	for _, r := range rank(waits, siteLabel, (*blockWaits).add, func(w *blockWaits) int64 { return w.idle }) {
		if r.v.idle > 0 {
			idle.Add(r.label[0], r.label[1], r.v.idle)
		}
	}
	var rest []string
	if len(idle.Rows) > 0 {
		first := idle.Rows[0]
		rest = append(rest, fmt.Sprintf("User goroutines that waited through the whole trace: %s, most (%s) at %s (%s).", analysis.FormatCount(total.idle), analysis.FormatCount(first[2].(int64)), first[1], first[0]))
	}
	if unnamed.spans > total.spans/10 || len(idle.Rows) == 0 && unnamed.idle > 0 {
		rest = append(rest, fmt.Sprintf("Left out: %s waits (%s of them through the whole trace) from before the trace, of goroutines that no stack had named yet.", analysis.FormatCount(unnamed.spans), analysis.FormatCount(unnamed.idle)))
	}
	if len(rest) > 0 {
		p.Say("%s", strings.Join(rest, " "))
	}
	idle.Limit(10)
	p.Table(idle)

	p.Table(blockDetail(tr, rank(waits, siteLabel, (*blockWaits).add, func(w *blockWaits) int64 { return w.total }), wakers))
	if p.Brief() {
		return nil
	}
	overTime, sums := blockOverTime(p, f)
	overTime.N = total.n
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
	return fmt.Sprintf("User goroutines waited %s in all, the largest part, %s: %s", p.Dur(all), analysis.FormatRatio(ratio(sums[top], all)), t.Columns[top+1].Name)
}

// blockSay states the time by group.
func blockSay(p *analysis.Pass, total *blockWaits, groups map[string]*blockWaits) {
	if total.spans == 0 {
		p.Say("No user goroutine waited.")
		return
	}
	rate := ""
	if d := p.Trace.Duration(); d >= 100e6 {
		rate = " (" + analysis.FormatRate(float64(total.n)*1e9/float64(d)) + ")"
	}
	order := slices.Clone(blockGroups)
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(groups[b].busy(), groups[a].busy()) })
	var parts []string
	for _, g := range order {
		if b := groups[g].busy(); b > 0 {
			parts = append(parts, blockWord(g)+" "+p.Dur(b))
		}
	}
	s := fmt.Sprintf("Waits of user goroutines: %s%s", analysis.FormatCount(total.n), rate)
	if len(parts) > 0 {
		s += "; goroutine time: " + strings.Join(parts, ", ")
	}
	if total.idle > 0 {
		s += ", without those that waited through the whole trace"
	}
	p.Say("%s.", s)
}

// blockContends tells waits that other goroutines of the program, or its own
// allocation, are in the way of from waits for work, time or the outside. A
// WaitGroup shares reason "sync" with locks, but waits for work to be done.
func blockContends(tr *parse.Trace, reason string, stack parse.StackID) bool {
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
func blockReasons(p *analysis.Pass, f *blockingFold, waits map[blockSite]*blockWaits, reasonOf map[blockSite]string) {
	lengths := make(map[string]*sketch.Histogram)
	for k, r := range f.reasons.byKey() {
		if reason := blockReasonOf(p.Trace, blockSite{blockReason: k}); k.told == blockToldReason && reason != "" {
			at(lengths, reason).Merge(r)
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
	for _, r := range rank(waits, func(k blockSite) label { return label{reasonOf[k]} }, (*blockWaits).add, func(w *blockWaits) int64 { return w.total }) {
		h := at(lengths, r.label[0])
		var rate any
		if d := p.Trace.Duration(); d > 0 {
			rate = float64(r.v.n) * 1e9 / float64(d)
		}
		t.N += r.v.spans
		t.Add(r.label[0], r.v.n, rate, quantileCell(h, .5), r.v.mean(), quantileCell(h, .99), r.v.longest(), r.v.total, r.v.idle)
	}
	t.Limit(12)
	p.Table(t)
}

// blockWokenBy is who ended waits, and how many.
type blockWokenBy struct {
	name string
	n    int64
}

// blockWakers returns who ended the waits of each row of sites, most first.
func blockWakers(p *analysis.Pass, f *blockingFold, waits map[blockSite]*blockWaits, siteLabel func(blockSite) label) map[label][]blockWokenBy {
	counts := make(map[label]map[string]int64)
	for k, n := range f.wakers.byKey() {
		if waits[k.blockSite] == nil {
			continue
		}
		l := siteLabel(k.blockSite)
		if counts[l] == nil {
			counts[l] = make(map[string]int64)
		}
		counts[l][readyName(p, k.ready, k.stack)] += *n
	}
	out := make(map[label][]blockWokenBy)
	for l, by := range counts {
		for name, n := range by {
			out[l] = append(out[l], blockWokenBy{name, n})
		}
		slices.SortFunc(out[l], func(a, b blockWokenBy) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.name, b.name)) })
	}
	return out
}

// blockTable is a table by site.
func blockTable(name, title string, rows []ranked[blockWaits], wakers map[label][]blockWokenBy, limit int) *analysis.Table {
	t := &analysis.Table{
		Name: name, Title: title + "; without those through the whole trace",
		Columns: []analysis.Column{
			{Name: "reason", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text}, {Name: "waits", Unit: analysis.Count},
			{Name: "mean", Unit: analysis.NS}, {Name: "max", Unit: analysis.NS}, {Name: "total", Unit: analysis.NS},
			{Name: "open at end", Unit: analysis.Count}, {Name: "woken by", Unit: analysis.Text},
		},
	}
	for _, r := range rows {
		if r.v.spans == r.v.idle {
			continue
		}
		var by any
		if w := wakers[r.label]; len(w) > 0 {
			s := w[0].name
			if len(w) > 1 {
				s += fmt.Sprintf(" and %d more", len(w)-1)
			}
			by = s
		}
		t.N += r.v.spans - r.v.idle
		t.Add(r.label[0], r.label[1], r.v.n, r.v.mean(), r.v.longest(), r.v.busy(), r.v.open-r.v.idle, by)
	}
	t.Limit(limit)
	return t
}

// blockDetail is every site with each of its wakers.
func blockDetail(tr *parse.Trace, rows []ranked[blockWaits], wakers map[label][]blockWokenBy) *analysis.Table {
	t := &analysis.Table{
		Name: "blocking.wakers", Title: "all waits of user goroutines by site, with who ended them", Detail: true,
		Columns: []analysis.Column{
			{Name: "reason", Unit: analysis.Text}, {Name: "site", Unit: analysis.Text}, {Name: "waits", Unit: analysis.Count}, {Name: "total", Unit: analysis.NS},
			{Name: "whole trace", Unit: analysis.Count}, {Name: "woken by", Unit: analysis.Text}, {Name: "wakes", Unit: analysis.Count},
		},
	}
	for _, r := range rows {
		t.N += r.v.spans
		if len(wakers[r.label]) == 0 {
			t.Add(r.label[0], r.label[1], r.v.n, r.v.total, r.v.idle, nil, int64(0))
		}
		for _, w := range wakers[r.label] {
			t.Add(r.label[0], r.label[1], r.v.n, r.v.total, r.v.idle, w.name, w.n)
		}
	}
	t.Limit(1000)
	return t
}

// blockOverTime is how many goroutines waited in each stretch of equal length, by
// group, and the groups' time in all. The stacks of waits that began before the
// trace are not told apart here.
func blockOverTime(p *analysis.Pass, f *blockingFold) (t *analysis.Table, sums []int64) {
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
	for _, e := range f.sites.entries {
		r := byReason[e.key.blockReason]
		if r == nil {
			r = sketch.NewSeries(1)
			byReason[e.key.blockReason] = r
		}
		r.Merge(e.v.overTime)
	}
	for k, r := range byReason {
		lane := len(blockGroups)
		switch k.told {
		case blockToldReason:
			reason := blockReasonOf(p.Trace, blockSite{blockReason: k})
			if reason == "" {
				continue
			}
			lane = slices.Index(blockGroups, blockGroup(reason))
		case blockUnnamed:
			continue
		}
		for i := range r.Len() {
			from := r.Start() + int64(i)*r.Width()
			s.AddPoint(lane, max(from, int64(p.Trace.From)), r.At(i, 0))
		}
	}
	sums = make([]int64, s.Lanes())
	for i := range s.Len() {
		from, length := bucketSpan(p, s, i)
		if length <= 0 {
			continue
		}
		row := []any{p.Rel(from)}
		for lane := range s.Lanes() {
			row = append(row, ratio(s.At(i, lane), length))
			sums[lane] += s.At(i, lane)
		}
		t.Add(row...)
	}
	return t, sums
}
