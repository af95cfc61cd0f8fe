package measures

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var Netpoll = &analysis.Analyzer{
	Name:  "netpoll",
	Doc:   say.Page(pages, "netpoll"),
	Kinds: parse.KindsOf(parse.KindGoWaiting, parse.KindGoRunnable),
	New: func() analysis.Collector {
		return &NetpollFold{series: sketch.NewSeries(int(numPollers)), delays: sketch.NewSeries(numDelayLanes)}
	},
	Run: runNetpoll,
	Metrics: []analysis.MetricDef{
		{ID: "netpoll.wakeups", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "goroutines readied by the network poller"},
		{ID: "netpoll.wakeups.nop", Unit: analysis.Count, Polarity: analysis.Lower, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "of them, readied without a P: by sysmon or a poller that found none idle"},
		{ID: "netpoll.latency.{p50,p99,max}", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.GTime, Confidence: analysis.Measured, Doc: "readied by the poller to running"},
	},
	Figures: []analysis.FigureDef{
		{Name: "netpoll.time", Doc: "network wake-ups over time"},
		{Name: "netpoll.latency", Doc: "how long goroutines wait for a P after network wake-ups", From: []analysis.From{{Metric: "netpoll.latency.p99", Value: 1e6}}},
	},
}

// poller is who asked the network poller.
type poller uint8

const (
	pollScheduler poller = iota
	pollSTW
	PollNoP
	numPollers
)

func (p poller) String() string {
	return [...]string{"scheduler on a P", "restart of the world", "without a P"}[p]
}

// delivery is how a readied goroutine gets to a P.
type delivery uint8

const (
	deliverDirect delivery = iota
	deliverLocal
	deliverGlobal
	numDeliveries
)

func (d delivery) String() string {
	return [...]string{"run at once by the P that polled", "queued by a P", "global queue, readied without a P"}[d]
}

type NetpollFold struct {
	shortened
	wakeups [numPollers]int64
	latency [numDeliveries]sketch.Histogram // readied to running, whole waits

	// sites are all waits of user goroutines: which are for the network is known
	// when the strings can be read.
	sites  tally.Keyed[WaitSite, NetworkWaits]
	series *sketch.Series // wake-ups by poller
	delays *sketch.Series // of user goroutines readied by it, by when they ran
}

// Lanes of netpollFold.delays.
const (
	DelayStarts = iota
	DelayTotal  // ns
	numDelayLanes
)

type WaitSite struct {
	reason parse.StringID
	Stack  parse.StackID
}

// NetworkWaits sums the waits at one site, and how long their goroutines then
// waited for a P.
type NetworkWaits struct {
	polled, other, open int64 // ended by the poller; by a goroutine or timer; not at all
	total, longest      int64 // of all; of those seen whole
	Delay, MaxDelay     int64
	delays              *tally.Coarse // nil while empty
}

func (w *NetworkWaits) Add(o *NetworkWaits) {
	w.polled += o.polled
	w.other += o.other
	w.open += o.open
	w.total += o.total
	w.longest = max(w.longest, o.longest)
	w.Delay += o.Delay
	w.MaxDelay = max(w.MaxDelay, o.MaxDelay)
	if o.delays != nil {
		if w.delays == nil {
			w.delays = new(tally.Coarse)
		}
		w.delays.Merge(o.delays)
	}
}

func (f *NetpollFold) site(reason parse.StringID, stack parse.StackID) *NetworkWaits {
	return f.sites.At(WaitSite{reason, stack}, tally.Mix(uint32(stack), uint32(reason)))
}

// WantsGo wants waits, and what starts after the poller ended one.
func (f *NetpollFold) WantsGo(g *parse.Go) bool {
	return g.From == parse.GoWaiting || g.From == parse.GoRunnable && g.To == parse.GoRunning && g.Ready == parse.ReadyNetpoll
}

func (f *NetpollFold) Event(e *parse.Event) {
	g := e.Go
	switch {
	case g.From == parse.GoWaiting:
		polled := g.To == parse.GoRunnable && g.Ready == parse.ReadyNetpoll
		if polled {
			by := pollScheduler
			switch {
			case e.G != parse.NoGo:
				by = pollSTW
			case g.Home == parse.NoProc:
				by = PollNoP
			}
			f.wakeups[by]++
			if !f.brief {
				f.series.AddPoint(int(by), int64(e.Time), 1)
			}
		}
		if g.Class != parse.ClassUser || g.Ready == parse.ReadyCoroutine {
			return
		}
		w, held := f.site(g.FromReason, g.FromStack), int64(e.Time-g.Since)
		w.total += held
		switch {
		case g.To == parse.GoUndetermined:
			w.open++
			return
		case polled:
			w.polled++
		default:
			w.other++
		}
		if !g.Partial {
			w.longest = max(w.longest, held)
		}

	case g.From == parse.GoRunnable && g.To == parse.GoRunning && g.Ready == parse.ReadyNetpoll:
		if g.Partial {
			return
		}
		held, how := int64(e.Time-g.Since), deliverLocal
		switch {
		case g.Origin == parse.OriginDirect:
			how = deliverDirect
		case g.Home == parse.NoProc:
			how = deliverGlobal
		}
		f.latency[how].Add(held)
		if g.Class != parse.ClassUser {
			return
		}
		f.delays.AddPoint(DelayStarts, int64(e.Time), 1)
		f.delays.AddPoint(DelayTotal, int64(e.Time), held)
		w := f.site(g.BlockedOn, g.BlockedStack)
		w.Delay += held
		w.MaxDelay = max(w.MaxDelay, held)
		if w.delays == nil {
			w.delays = new(tally.Coarse)
		}
		w.delays.Add(held)
	}
}

func (f *NetpollFold) Merge(next analysis.Collector) {
	o := next.(*NetpollFold)
	for i, n := range o.wakeups {
		f.wakeups[i] += n
	}
	for i := range f.latency {
		f.latency[i].Merge(&o.latency[i])
	}
	f.sites.Merge(&o.sites, (*NetworkWaits).Add)
	f.series.Merge(o.series)
	f.delays.Merge(o.delays)
}

func runNetpoll(p *analysis.Pass) error {
	f := analysis.Fold[*NetpollFold](p)
	var wakeups int64
	for _, n := range f.wakeups {
		wakeups += n
	}
	var latency sketch.Histogram
	for i := range f.latency {
		latency.Merge(&f.latency[i])
	}
	p.Metric("netpoll.wakeups", wakeups, wakeups)
	if !p.Trace.V1() {
		p.Metric("netpoll.wakeups.nop", f.wakeups[PollNoP], wakeups)
	}
	p.Quantiles("netpoll.latency", &latency)
	if p.Brief() {
		return nil
	}

	var all NetworkWaits
	sites := make(map[WaitSite]*NetworkWaits)
	for k, w := range f.sites.ByKey() {
		if onNetwork(p.Trace, k) {
			sites[k] = w
			all.Add(w)
		}
	}
	sayNetwork(p, f, wakeups, &latency, &all)
	pollerTables(p, f, wakeups, latency.N())
	networkSites(p, sites)
	if wakeups > 0 && !p.Trace.V1() {
		var names []string
		for by := range numPollers {
			names = append(names, by.String())
		}
		say.SeriesTable(p, f.series, "netpoll.time", "goroutines readied by the network poller over time, by who polled", names...)
		p.Figure(analysis.Figure{Name: "netpoll.time", Title: fmt.Sprintf("The poller woke goroutines %s: %s", say.Times(wakeups), say.Mostly(names, f.wakeups[:])), Mark: analysis.Panels,
			Table: "netpoll.time", X: "time", Y: names})
	}
	say.HistogramTable(p, &latency, "netpoll.latencies", "readied by the network poller to running, all goroutines")
	p.Figure(analysis.Figure{Name: "netpoll.latency", Title: fmt.Sprintf("After network wake-ups goroutines wait for a P %s", say.Typical(p, &latency)), Mark: analysis.HistBars,
		Table: "netpoll.latencies", X: "from", End: "to", Y: []string{"count"}, Refs: say.QuantileRefs(p, &latency)})
	return nil
}

// onNetwork tells waits for the network. Those begun before the trace have no
// reason.
func onNetwork(tr *parse.Trace, k WaitSite) bool {
	switch tr.String(k.reason) {
	case "network":
		return true
	case "":
		for _, f := range tr.Stack(k.Stack) {
			if tr.String(f.Func) == "internal/poll.runtime_pollWait" {
				return true
			}
		}
	}
	return false
}

func sayNetwork(p *analysis.Pass, f *NetpollFold, wakeups int64, latency *sketch.Histogram, all *NetworkWaits) {
	if wakeups == 0 {
		line := fmt.Sprintf("the network poller readied no goroutine in %s", p.Dur(p.Trace.Duration()))
		if all.open > 0 {
			line += fmt.Sprintf("; %s user goroutines wait for it at the end", analysis.FormatCount(all.open))
		}
		p.Say("%s", line)
		return
	}
	line := fmt.Sprintf("the network poller, or a deadline that expired, readied goroutines %s times", analysis.FormatCount(wakeups))
	if d := p.Trace.Duration(); d > 0 {
		line += fmt.Sprintf(" (%s)", analysis.FormatRate(float64(wakeups)/float64(d)*1e9))
	}
	if latency.N() > 0 {
		line += "; until they ran: " + say.Spread(p, latency)
	}
	if n := f.wakeups[PollNoP]; n > 0 && !p.Trace.V1() {
		line += fmt.Sprintf("; %s (%s) were readied without a P", analysis.FormatCount(n), analysis.FormatRatio(float64(n)/float64(wakeups)))
	}
	p.Say("%s", line)
	if all.other+all.open > 0 {
		p.Say("network waits of user goroutines: %s ended by the poller, %s by a goroutine (close, deadline, GC worker), %s open at the end",
			analysis.FormatCount(all.polled), analysis.FormatCount(all.other), analysis.FormatCount(all.open))
	}
}

func pollerTables(p *analysis.Pass, f *NetpollFold, wakeups, starts int64) {
	if p.Trace.V1() {
		return
	}
	t := &analysis.Table{
		Name: "netpoll.pollers", Title: "goroutines readied by the network poller, by who polled; all goroutines", N: wakeups,
		Columns: []analysis.Column{{Name: "polled by", Unit: analysis.Text}, {Name: "wake-ups", Unit: analysis.Count}, {Name: "share", Unit: analysis.Ratio}},
	}
	for by, n := range f.wakeups {
		if n > 0 {
			t.Add(poller(by).String(), n, float64(n)/float64(wakeups))
		}
	}
	p.Table(t)
	t = &analysis.Table{
		Name: "netpoll.delivery", Title: "readied by the network poller to running, by how the goroutine got to a P; all goroutines", N: starts,
		Columns: []analysis.Column{
			{Name: "delivery", Unit: analysis.Text}, {Name: "starts", Unit: analysis.Count},
			{Name: "p50", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "p99", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "max", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "total", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for i := range f.latency {
		if h := &f.latency[i]; h.N() > 0 {
			t.Add(delivery(i).String(), h.N(), say.QuantileCell(h, .5), say.QuantileCell(h, .99), h.Max(), h.Sum())
		}
	}
	p.Table(t)
}

func networkSites(p *analysis.Pass, sites map[WaitSite]*NetworkWaits) {
	t := &analysis.Table{
		Name:  "netpoll.sites",
		Title: "network waits of user goroutines by where, and how long they then waited for a P; quantiles are bucket edges, up to 25 % above",
		Columns: []analysis.Column{
			{Name: "waited at", Unit: analysis.Text}, {Name: "wake-ups", Unit: analysis.Count},
			{Name: "ended otherwise", Unit: analysis.Count}, {Name: "open", Unit: analysis.Count},
			{Name: "waited", Unit: analysis.NS}, {Name: "longest", Unit: analysis.NS},
			{Name: "to run p50", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "to run p99", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "to run max", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "to run total", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	for _, r := range tally.Rank(sites, func(k WaitSite) tally.Label { return tally.Label{p.SiteName(k.Stack)} }, (*NetworkWaits).Add,
		func(w *NetworkWaits) int64 { return w.Delay }) {
		w := r.V
		t.N += w.polled
		var longest, p50, p99, most any
		if w.longest > 0 {
			longest = w.longest
		}
		if w.delays != nil {
			p50, p99, most = w.delays.Quantile(50, w.MaxDelay), w.delays.Quantile(99, w.MaxDelay), w.MaxDelay
		}
		t.Add(r.Label[0], w.polled, w.other, w.open, w.total, longest, p50, p99, most, w.Delay)
	}
	t.Limit(10)
	p.Table(t)
}
