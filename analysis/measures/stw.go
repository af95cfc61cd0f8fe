package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var STW = &analysis.Analyzer{
	Name:  "stw",
	Doc:   say.Page(pages, "stw"),
	Kinds: parse.KindsOf(parse.KindRangeEnd, parse.KindProc),
	New:   func() analysis.Collector { return newSTW() },
	Run:   runSTW,
	Metrics: []analysis.MetricDef{
		{ID: "stw.gc.count", Unit: analysis.Count, Polarity: analysis.Neutral, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "GC stop-the-world windows"},
		{ID: "stw.other.count", Unit: analysis.Count, Polarity: analysis.Lower, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "other stop-the-world windows, without the start of the trace"},
		{ID: "stw.{gc,other}.total.{p50,p99,max}", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.Wall, Confidence: analysis.Measured, Doc: "length of pauses, as /sched/pauses/total counts it"},
		{ID: "stw.{gc,other}.total.total", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.Wall, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "length of pauses, as /sched/pauses/total counts it"},
		{ID: "stw.{gc,other}.stopping.{p50,p99,max}", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.Wall, Confidence: analysis.Measured, Doc: "request to the last P stopped; a lower bound of /sched/pauses/stopping"},
		{ID: "stw.{gc,other}.stopping.total", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.Wall, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "request to the last P stopped; a lower bound of /sched/pauses/stopping"},
		{ID: "stw.cpu", Unit: analysis.NS, Polarity: analysis.Lower, Clock: analysis.PTime, Confidence: analysis.Measured, Scale: analysis.Sum, Doc: "P time lost in GC pauses, as /cpu/classes/gc/pause counts it since Go 1.23"},
	},
	Figures: []analysis.FigureDef{
		{Name: "stw.waterfall", Doc: "the longest stop of the world, P by P", From: []analysis.From{{Metric: "stw.gc.total.max", Value: 1e6}, {Metric: "stw.other.total.max", Value: 1e6}}},
		{Name: "stw.longest", Doc: "the longest stops of the world over time"},
		{Name: "stw.pauses", Doc: "share of time in which the world was stopping or stopped"},
	},
}

const stwWorst = 10

// Lanes of stwFold.time.
const (
	STWGCStopping = iota
	STWGCStopped
	STWOtherStopping
	STWOtherStopped
	stwLanes
)

type STWFold struct {
	shortened
	kinds map[parse.StringID]*STWKind
	sites map[STWSite]*STWSum
	last  map[STWLast]*STWSum // slow stops, by the program's code whose P stopped last; halt is their stopping part
	worst *sketch.Top[parse.Range]
	time  *sketch.Series
	peaks *sketch.Peaks[stwPeak]

	// What each P did in the longest stop, and in stops whose end is elsewhere.
	ended   ended
	whole   bool // a stop was seen from start to end
	longest sketch.Key
	rows    map[stwRow]stwProc
}

// stwPeak is what is shown of the longest stop of some stretch of time.
type stwPeak struct {
	kind     parse.StringID
	stopping int64
}

// STWKind is the stops of one reason.
type STWKind struct {
	GC              bool
	cut             int64 // not seen from start to end; in no other number but cpu
	cpu             int64
	Halt            int64 // until the world restarted
	Total, Stopping sketch.Histogram
}

// STWHalt is how long the world was stopping or stopped: what every goroutine
// waits, while the rest of the total falls on the one that stops the world.
func STWHalt(r *parse.Range) int64 {
	if r.Stop.Restart == 0 {
		return r.Total()
	}
	return int64(r.Stop.Restart - r.Since)
}

func (k *STWKind) Merge(o *STWKind) {
	k.GC = o.GC
	k.cut += o.cut
	k.cpu += o.cpu
	k.Halt += o.Halt
	k.Total.Merge(&o.Total)
	k.Stopping.Merge(&o.Stopping)
}

type STWSite struct {
	Kind  parse.StringID
	Stack parse.StackID
}

// STWLast is what ran on the P that stopped last.
type STWLast struct {
	Fn    parse.StringID
	Stack parse.StackID
}

// STWRunsProgram reports whether the P that stopped last ran the program's own code
// when the stop was requested.
func STWRunsProgram(r *parse.Range) bool {
	return r.Stop.LastFrom == parse.ProcUser || r.Stop.LastFrom == parse.ProcAssist
}

// STWSlow is, in ns, from where on the stopping part of a stop is slow: ten times
// what it takes on idle CPUs (10 to 20 µs, a signal and a wake-up).
const STWSlow = 200e3

type STWSum struct{ N, total, Halt, MaxHalt int64 }

func (s *STWSum) Add(o *STWSum) {
	s.N += o.N
	s.total += o.total
	s.Halt += o.Halt
	s.MaxHalt = max(s.MaxHalt, o.MaxHalt)
}

type stwRow struct {
	stop parse.Time // its start
	p    parse.ProcID
}

type stwProc struct {
	stopped, restarted parse.Time // 0 when not seen
	asked              parse.ProcState
	stopper            bool
	stack              parse.StackID
}

func newSTW() *STWFold {
	return &STWFold{
		kinds: make(map[parse.StringID]*STWKind), sites: make(map[STWSite]*STWSum), last: make(map[STWLast]*STWSum),
		worst: sketch.NewTop[parse.Range](stwWorst), time: sketch.NewSeries(stwLanes), peaks: sketch.NewPeaks[stwPeak](),
		rows: make(map[stwRow]stwProc),
	}
}

// WantsProc wants stops for a stop-the-world, and restarts after it.
func (c *STWFold) WantsProc(from, to parse.ProcState) bool {
	return to == parse.ProcStopped || to == parse.ProcStopper || from == parse.ProcStopper || from == parse.ProcIdle
}

func (c *STWFold) Event(e *parse.Event) {
	if e.Kind == parse.KindProc {
		c.proc(e)
		return
	}
	if e.Range.Kind == parse.RangeSTW {
		c.stop(e.Range)
	}
}

func (c *STWFold) stop(r *parse.Range) {
	c.ended.add(r.Since)
	defer c.prune()
	if r.Stop.Start {
		return
	}
	k := tally.At(c.kinds, r.Name)
	k.GC = r.Stop.GC
	total, stopping, halt := r.Total(), r.Stopping(), STWHalt(r)
	k.cpu += r.Stop.CPU
	lane := STWOtherStopping
	if r.Stop.GC {
		lane = STWGCStopping
	}
	c.time.AddSpan(lane, int64(r.Since), int64(r.Stop.LastStop), 1)
	c.time.AddSpan(lane+1, int64(r.Stop.LastStop), int64(r.Since)+halt, 1)
	if r.Partial || r.Unfinished {
		k.cut++
		return
	}
	k.Halt += halt
	k.Total.Add(total)
	k.Stopping.Add(stopping)
	tally.At(c.sites, STWSite{r.Name, r.Stack}).Add(&STWSum{1, total, halt, halt})
	if stopping >= STWSlow && STWRunsProgram(r) {
		tally.At(c.last, STWLast{r.Stop.LastFunc, r.Stop.LastStack}).Add(&STWSum{1, total, stopping, stopping})
	}
	key := sketch.Key{Value: halt, Time: int64(r.Since)}
	c.worst.Add(key, *r)
	if !c.brief {
		c.peaks.Add(key, stwPeak{r.Name, stopping})
	}
	c.lengthen(key)
}

// lengthen takes in a stop that may be the longest.
func (c *STWFold) lengthen(k sketch.Key) {
	if !c.whole || k.Value > c.longest.Value || k.Value == c.longest.Value && k.Time < c.longest.Time {
		c.whole, c.longest = true, k
	}
}

// keeps reports whether the rows of the stop that began then are kept.
func (c *STWFold) keeps(begin parse.Time) bool {
	return !c.ended.has(begin) || c.whole && int64(begin) == c.longest.Time
}

func (c *STWFold) prune() {
	for k := range c.rows {
		if !c.keeps(k.stop) {
			delete(c.rows, k)
		}
	}
}

func (c *STWFold) proc(e *parse.Event) {
	p := e.Proc
	var row stwProc
	switch {
	case p.To == parse.ProcStopped || p.To == parse.ProcStopper:
		row = stwProc{stopped: e.Time, asked: p.From, stopper: p.To == parse.ProcStopper, stack: p.Stack}
		if p.From == parse.ProcScheduler && p.Since > p.STW {
			row.asked = p.Prior // its goroutine stopped for this
		}
	case p.From == parse.ProcStopper, p.From == parse.ProcIdle && p.Prior == parse.ProcStopped:
		if p.To == parse.ProcUndetermined {
			return
		}
		row.restarted = e.Time
	default:
		return
	}
	if c.keeps(p.STW) {
		k := stwRow{p.STW, p.ID}
		c.rows[k] = c.rows[k].join(row)
	}
}

// join unites what two parts of the trace say of one P in one stop.
func (a stwProc) join(b stwProc) stwProc {
	if a.stopped == 0 {
		a.stopped, a.asked, a.stopper, a.stack = b.stopped, b.asked, b.stopper, b.stack
	}
	if a.restarted == 0 {
		a.restarted = b.restarted
	}
	return a
}

func (c *STWFold) Merge(next analysis.Collector) {
	o := next.(*STWFold)
	tally.MergeKeyed(c.kinds, o.kinds, (*STWKind).Merge)
	tally.MergeKeyed(c.sites, o.sites, (*STWSum).Add)
	tally.MergeKeyed(c.last, o.last, (*STWSum).Add)
	c.worst.Merge(o.worst)
	c.time.Merge(o.time)
	c.peaks.Merge(o.peaks)
	c.ended.merge(&o.ended)
	if o.whole {
		c.lengthen(o.longest)
	}
	for k, row := range o.rows {
		c.rows[k] = c.rows[k].join(row)
	}
	c.prune()
}
