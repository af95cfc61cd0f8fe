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

var Stealing = &analysis.Analyzer{
	Name:  "stealing",
	Doc:   say.Page(pages, "stealing"),
	Kinds: parse.KindsOf(parse.KindGoRunnable),
	New: func() analysis.Collector {
		return &StealingFold{series: sketch.NewSeries(3)}
	},
	Run: runStealing,
	Metrics: []analysis.MetricDef{
		{ID: "steal.count", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Inferred, Scale: analysis.Sum, Doc: "goroutines started from another P's queue"},
		{ID: "steal.ambiguous", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Inferred, Scale: analysis.Sum, Doc: "starts that may be steals: the true number lies in [count, count+ambiguous]"},
		{ID: "steal.rate", Unit: analysis.PerS, Polarity: analysis.Neutral, Confidence: analysis.Inferred, Doc: "steals per second"},
		{ID: "steal.share", Unit: analysis.Ratio, Polarity: analysis.Neutral, Confidence: analysis.Inferred, Doc: "steals of eligible starts"},
		{ID: "steal.operations", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Inferred, Scale: analysis.Sum, Doc: "steal operations; one moves up to half a queue"},
		{ID: "steal.latency.{p50,p99}", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Inferred, Doc: "scheduling latency of stolen starts"},
	},
	Figures: []analysis.FigureDef{
		{Name: "stealing.starts", Doc: "from which queue Ps take the goroutines they start"},
		{Name: "stealing.latency", Doc: "scheduling latency by the queue the goroutine came from"},
		{Name: "stealing.matrix", Doc: "who steals from whom", From: []analysis.From{{Metric: "steal.share", Value: .2}}},
		{Name: "stealing.time", Doc: "steals over time"},
		{Name: "stealing.queues", Doc: "goroutines on the run queue of each P over time"},
	},
}

// Lanes of stealingFold.series.
const (
	laneStolen = iota
	laneAmbiguous
	laneQueued // other eligible starts
)

// StealingFold sums the starts (runnable to running).
type StealingFold struct {
	shortened
	starts  [parse.NumOrigins][2]int64            // all, user and the runtime's own
	latency [parse.NumOrigins][2]sketch.Histogram // of whole waits, without voluntary yields and coroutine switches

	// unplaced are starts whose queue a v1 trace does not tell: readied by timers
	// or the poller under Ps that do not exist.
	unplaced [2]int64

	operations int64 // steals

	pairs  tally.Keyed[procPair, Stolen]
	sites  tally.Keyed[StealSite, Stolen]
	series *sketch.Series
	queues tally.ProcTable[queueSeries] // by the P whose queue a goroutine was put on; NoProc: the global one
}

// A queueSeries is the time (ns) that goroutines were on a queue, over time.
type queueSeries struct{ *sketch.Series }

func (q *queueSeries) merge(o *queueSeries) {
	if q.Series == nil {
		q.Series = sketch.NewSeries(1)
	}
	q.Series.Merge(o.Series)
}

// queuesKept is how many Ps' queues are told apart (4 KiB each).
const queuesKept = 256

type procPair struct{ victim, thief parse.ProcID }

// StealSite is who made a stolen goroutine runnable, and which.
type StealSite struct {
	Ready parse.Ready
	Stack parse.StackID
	Fn    parse.StringID
}

type Stolen struct{ N, ambiguous, Wait, longest int64 }

func (s *Stolen) Add(o *Stolen) {
	s.N += o.N
	s.ambiguous += o.ambiguous
	s.Wait += o.Wait
	s.longest = max(s.longest, o.longest)
}

func (s *Stolen) start(origin parse.Origin, held int64) {
	if origin == parse.OriginAmbiguous {
		s.ambiguous++
		return
	}
	s.N++
	s.Wait += held
	s.longest = max(s.longest, held)
}

// whose is the index of a class where user goroutines and the runtime's own are
// kept apart.
func whose(c parse.Class) int {
	if c == parse.ClassUser {
		return 0
	}
	return 1
}

var whoseName = [2]string{"user", "runtime"}

func (f *StealingFold) Event(e *parse.Event) {
	g := e.Go
	if g.From != parse.GoRunnable || g.To != parse.GoRunning {
		return
	}
	if !f.brief && g.Home < queuesKept && g.Origin != parse.OriginCoroutine && g.Origin != parse.OriginDirect && g.Origin != parse.OriginSyscall {
		q := f.queues.At(g.Home)
		if q.Series == nil {
			q.Series = sketch.NewSeries(1)
		}
		q.AddSpan(0, int64(g.Since), int64(e.Time), 1)
	}
	w, held := whose(g.Class), int64(e.Time-g.Since)
	f.starts[g.Origin][w]++
	if !g.Partial && g.Ready != parse.ReadyYield && g.Origin != parse.OriginCoroutine {
		f.latency[g.Origin][w].Add(held)
	}
	lane := laneQueued
	switch g.Origin {
	case parse.OriginUnknown, parse.OriginDirect, parse.OriginSyscall, parse.OriginCoroutine:
		return
	case parse.OriginStolen:
		lane = laneStolen
		if g.StealBatch > 0 {
			f.operations++
		}
	case parse.OriginAmbiguous:
		lane = laneAmbiguous
	case parse.OriginGlobal:
		if g.Home == parse.NoProc && (g.Ready == parse.ReadyTimer || g.Ready == parse.ReadyNetpoll) {
			f.unplaced[w]++
		}
	}
	if lane != laneQueued {
		site := StealSite{g.Ready, g.WakerStack, g.Func}
		f.sites.At(site, tally.Mix(uint32(site.Stack), uint32(site.Fn))).start(g.Origin, held)
		if g.Victim != parse.NoProc {
			pair := procPair{g.Victim, g.P}
			f.pairs.At(pair, tally.Mix(uint32(pair.victim), uint32(pair.thief))).start(g.Origin, held)
		}
	}
	if !f.brief {
		f.series.AddPoint(lane, int64(e.Time), 1)
	}
}

func (f *StealingFold) Merge(next analysis.Collector) {
	o := next.(*StealingFold)
	for i := range f.starts {
		for w := range f.starts[i] {
			f.starts[i][w] += o.starts[i][w]
			f.latency[i][w].Merge(&o.latency[i][w])
		}
	}
	for w := range f.unplaced {
		f.unplaced[w] += o.unplaced[w]
	}
	f.operations += o.operations
	f.pairs.Merge(&o.pairs, (*Stolen).Add)
	f.sites.Merge(&o.sites, (*Stolen).Add)
	f.series.Merge(o.series)
	for id, q := range o.queues.ByKey() {
		f.queues.At(id).merge(q)
	}
}

// eligible is how many starts came from a run queue.
func (f *StealingFold) eligible(w int) int64 {
	var n int64
	for _, o := range []parse.Origin{parse.OriginRunNext, parse.OriginLocal, parse.OriginStolen, parse.OriginGlobal, parse.OriginAmbiguous} {
		n += f.starts[o][w]
	}
	return n
}

func runStealing(p *analysis.Pass) error {
	f := analysis.Fold[*StealingFold](p)
	count := f.starts[parse.OriginStolen]
	ambiguous := f.starts[parse.OriginAmbiguous]
	if p.Trace.V1() {
		for w, n := range f.unplaced {
			ambiguous[w] += n
		}
	}
	n, a := count[0]+count[1], ambiguous[0]+ambiguous[1]
	eligible := f.eligible(0) + f.eligible(1)

	p.Metric("steal.count", n, eligible)
	p.Metric("steal.ambiguous", a, eligible)
	p.Metric("steal.operations", f.operations, n)
	if d := p.Trace.Duration(); d > 0 {
		p.Ratio("steal.rate", float64(n)/float64(d)*1e9, n)
	}
	if eligible > 0 {
		p.Ratio("steal.share", float64(n)/float64(eligible), eligible)
	}
	var waits sketch.Histogram
	for w := range count {
		waits.Merge(&f.latency[parse.OriginStolen][w])
	}
	p.Quantiles("steal.latency", &waits)

	if p.Brief() {
		return nil
	}
	saySteals(p, f, count, ambiguous)
	startsTable(p, f)
	startsECDF(p, f)
	pairTables(p, f)
	stealSites(p, f)
	stealSeries(p, f)
	queueLengths(p, f)
	return nil
}

func saySteals(p *analysis.Pass, f *StealingFold, count, ambiguous [2]int64) {
	n, a := count[0]+count[1], ambiguous[0]+ambiguous[1]
	eligible := f.eligible(0) + f.eligible(1)
	if eligible == 0 {
		p.Say("no goroutine was started from a run queue in %s", p.Dur(p.Trace.Duration()))
		return
	}
	line := fmt.Sprintf("%s of %s starts from run queues were stolen from another P (%s)", analysis.FormatCount(n),
		analysis.FormatCount(eligible), analysis.FormatRatio(float64(n)/float64(eligible)))
	if a > 0 {
		line = fmt.Sprintf("%s to %s of %s starts from run queues were stolen from another P (%s to %s; the difference is ambiguous)",
			analysis.FormatCount(n), analysis.FormatCount(n+a), analysis.FormatCount(eligible),
			analysis.FormatRatio(float64(n)/float64(eligible)), analysis.FormatRatio(float64(n+a)/float64(eligible)))
	}
	if d := p.Trace.Duration(); n > 0 && d > 0 {
		line += ", " + analysis.FormatRate(float64(n)/float64(d)*1e9)
	}
	if user := f.eligible(0); count[1]+ambiguous[1] > 0 || f.eligible(1) > eligible/2 {
		line += fmt.Sprintf("; user goroutines: %s of %s", analysis.FormatCount(count[0]), analysis.FormatCount(user))
	}
	p.Say("%s", line)

	if h := &f.latency[parse.OriginStolen][0]; h.N() > 0 {
		line := "stolen user goroutines waited " + say.Spread(p, h)
		var own sketch.Histogram
		own.Merge(&f.latency[parse.OriginRunNext][0])
		own.Merge(&f.latency[parse.OriginLocal][0])
		if own.N() > 0 {
			line += "; those started by the P they were queued on " + say.Spread(p, &own)
		}
		p.Say("%s", line)
	}

	var all int64
	for o := range f.starts {
		if parse.Origin(o) != parse.OriginCoroutine {
			all += f.starts[o][0] + f.starts[o][1]
		}
	}
	switch {
	case p.Trace.V1():
		p.Say("traces of Go 1.21 and older do not tell where timers and the network poller queue goroutines: the %s starts of such are counted as ambiguous",
			analysis.FormatCount(f.unplaced[0]+f.unplaced[1]))
	case n > 0 && n*100 < all:
		p.Say("fewer than 1 %% of all starts are stolen: up to a third of these may be something else, such as a queue drained by a GC worker")
	}
}

func startsTable(p *analysis.Pass, f *StealingFold) {
	t := &analysis.Table{
		Name:  "stealing.starts",
		Title: "starts of goroutines by the queue they came from; latencies without voluntary yields and coroutine switches",
		Columns: []analysis.Column{
			{Name: "from", Unit: analysis.Text}, {Name: "goroutines", Unit: analysis.Text},
			{Name: "starts", Unit: analysis.Count}, {Name: "share", Unit: analysis.Ratio},
			{Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "max", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "total", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	type row struct{ origin, whose int }
	var rows []row
	for o := range f.starts {
		for w, n := range f.starts[o] {
			if n > 0 {
				rows = append(rows, row{o, w})
				t.N += n
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(f.starts[b.origin][b.whose], f.starts[a.origin][a.whose]) })
	for _, r := range rows {
		n, h := f.starts[r.origin][r.whose], &f.latency[r.origin][r.whose]
		t.Add(parse.Origin(r.origin).String(), whoseName[r.whose], n, float64(n)/float64(t.N),
			say.QuantileCell(h, .5), say.QuantileCell(h, .99), say.MaxCell(h), h.Sum())
	}
	p.Table(t)
	p.Figure(analysis.Figure{Name: "stealing.starts", Title: startsTitle(f, t.N), Mark: analysis.Bars,
		Table: "stealing.starts", X: "from", Y: []string{"starts"}, Series: "goroutines"})
}

// startsECDF has the scheduling latency of user goroutines by queue.
func startsECDF(p *analysis.Pass, f *StealingFold) {
	t := say.ECDFTable("stealing.latency", "user goroutines: share of waits for a P up to a latency, by the queue they came from; without yields and coroutine switches", "queue", 0)
	var medians, longest []string
	for o := range f.latency {
		h, name := &f.latency[o][0], parse.Origin(o).String()
		if h.N() == 0 {
			continue
		}
		t.N += h.N()
		say.AddECDF(t, name, h)
		switch parse.Origin(o) {
		case parse.OriginRunNext, parse.OriginLocal, parse.OriginStolen, parse.OriginGlobal:
			if v, ok := h.Quantile(.5); ok {
				medians = append(medians, name+" "+p.Dur(v))
			}
		}
		longest = append(longest, name+" "+p.Dur(h.Max()))
	}
	title := "Longest wait for a P by queue: " + strings.Join(longest[:min(len(longest), 4)], ", ")
	if len(medians) > 0 {
		title = "Median wait for a P by queue: " + strings.Join(medians, ", ")
	}
	p.Table(t)
	p.Figure(analysis.Figure{Name: "stealing.latency", Title: title, Mark: analysis.ECDF,
		Table: t.Name, X: "latency", Y: []string{"share"}, Series: "queue"})
}

func startsTitle(f *StealingFold, all int64) string {
	var names []string
	var counts []int64
	for o := range f.starts {
		names = append(names, parse.Origin(o).String())
		counts = append(counts, f.starts[o][0]+f.starts[o][1])
	}
	return fmt.Sprintf("Goroutines were started %s: %s", say.Times(all), say.Mostly(names, counts))
}

// matrixTitle says who steals most, and from whom.
func matrixTitle(pairs map[procPair]*Stolen) string {
	var all, ambiguous int64
	by := make(map[parse.ProcID]int64)
	for k, s := range pairs {
		all += s.N
		ambiguous += s.ambiguous
		by[k.thief] += s.N
	}
	if all == 0 {
		return fmt.Sprintf("No goroutine was stolen for certain; %s may have been", say.Counted(ambiguous, "start", "starts"))
	}
	thief, victim := parse.NoProc, parse.NoProc
	for id, n := range by {
		if thief == parse.NoProc || n > by[thief] || n == by[thief] && id < thief {
			thief = id
		}
	}
	var most int64
	for k, s := range pairs {
		if k.thief == thief && (s.N > most || s.N == most && k.victim < victim) {
			victim, most = k.victim, s.N
		}
	}
	how := "most"
	for id, n := range by {
		if id != thief && n == by[thief] {
			how = "as much as any"
		}
	}
	from := "all of them"
	if most < by[thief] {
		from = analysis.FormatRatio(say.Ratio(most, by[thief])) + " of them"
	}
	return fmt.Sprintf("P %d steals %s: %s of %s, %s from P %d", thief, how, analysis.FormatCount(by[thief]),
		say.Counted(all, "stolen goroutine", "stolen goroutines"), from, victim)
}

func stealSeriesTitle(p *analysis.Pass, s *sketch.Series) string {
	var sum [3]int64
	var most int64
	for b := range s.Len() {
		for lane := range sum {
			sum[lane] += s.At(b, lane)
		}
		most = max(most, s.At(b, laneStolen))
	}
	title := fmt.Sprintf("Of %s from run queues %s were stolen, at most %s in %s", say.Counted(sum[laneStolen]+sum[laneAmbiguous]+sum[laneQueued], "start", "starts"),
		analysis.FormatCount(sum[laneStolen]), analysis.FormatCount(most), p.Dur(s.Width()))
	if n := sum[laneAmbiguous]; n > 0 {
		title += fmt.Sprintf("; %s ambiguous", analysis.FormatCount(n))
	}
	return title
}

func pairTables(p *analysis.Pass, f *StealingFold) {
	var pairs []procPair
	var n int64
	byPair := f.pairs.ByKey()
	for k, s := range byPair {
		pairs = append(pairs, k)
		n += s.N + s.ambiguous
	}
	columns := []analysis.Column{
		{Name: "victim", Unit: analysis.P}, {Name: "thief", Unit: analysis.P},
		{Name: "stolen", Unit: analysis.Count}, {Name: "ambiguous", Unit: analysis.Count},
		{Name: "mean wait", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max wait", Unit: analysis.NS, Polarity: analysis.Lower},
	}
	fill := func(t *analysis.Table) {
		t.Columns, t.N = columns, n
		for _, k := range pairs {
			s := byPair[k]
			var mean, longest any
			if s.N > 0 {
				mean, longest = s.Wait/s.N, s.longest
			}
			t.Add(int64(k.victim), int64(k.thief), s.N, s.ambiguous, mean, longest)
		}
	}
	byID := func(a, b procPair) int {
		return cmp.Or(cmp.Compare(a.victim, b.victim), cmp.Compare(a.thief, b.thief))
	}
	slices.SortFunc(pairs, byID)
	matrix := &analysis.Table{Name: "stealing.matrix", Title: "stolen starts of all goroutines, from the P whose queue they were in to the P that ran them", Detail: true}
	fill(matrix)

	slices.SortFunc(pairs, func(a, b procPair) int {
		return cmp.Or(cmp.Compare(byPair[b].N, byPair[a].N), cmp.Compare(byPair[b].ambiguous, byPair[a].ambiguous), byID(a, b))
	})
	top := &analysis.Table{Name: "stealing.pairs", Title: "Ps that steal most from another, all goroutines"}
	fill(top)
	top.Limit(10)
	p.Table(top)
	p.Table(matrix)
	p.Figure(analysis.Figure{Name: "stealing.matrix", Title: matrixTitle(byPair), Mark: analysis.Matrix,
		Table: "stealing.matrix", X: "thief", Y: []string{"stolen"}, Series: "victim"})
}

func stealSites(p *analysis.Pass, f *StealingFold) {
	t := &analysis.Table{
		Name:  "stealing.sites",
		Title: "where stolen goroutines were made runnable, all goroutines",
		Columns: []analysis.Column{
			{Name: "made runnable at", Unit: analysis.Text}, {Name: "goroutine", Unit: analysis.Text},
			{Name: "stolen", Unit: analysis.Count}, {Name: "ambiguous", Unit: analysis.Count}, {Name: "share", Unit: analysis.Ratio},
			{Name: "mean wait", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "max wait", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	rows := tally.Rank(f.sites.ByKey(), func(k StealSite) tally.Label {
		return tally.Label{say.ReadyName(p, k.Ready, k.Stack), p.FuncName(k.Fn)}
	}, (*Stolen).Add, func(s *Stolen) int64 { return s.N })
	for _, r := range rows {
		t.N += r.V.N
	}
	for _, r := range rows {
		if r.V.N > 0 {
			t.Add(r.Label[0], r.Label[1], r.V.N, r.V.ambiguous, say.RatioCell(r.V.N, t.N), r.V.Wait/r.V.N, r.V.longest)
		}
	}
	t.Limit(10)
	p.Table(t)
}

func stealSeries(p *analysis.Pass, f *StealingFold) {
	if len(f.sites.Entries) == 0 {
		return
	}
	say.SeriesTable(p, f.series, "stealing.time", "starts from run queues over time, all goroutines", "stolen", "ambiguous", "not stolen")
	p.Figure(analysis.Figure{Name: "stealing.time", Title: stealSeriesTitle(p, f.series), Mark: analysis.Panels,
		Table: "stealing.time", X: "time", Y: []string{"stolen", "ambiguous"}})
}
