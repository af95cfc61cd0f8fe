// Package compare says what differs between traces before and after a change: whether they
// can be compared at all, which numbers differ by more than chance, and where the time of
// goroutines goes that the one side needs more than the other.
//
// The unit is the trace. Of one trace a side, stretches of time take its place, and the
// report says so: they do not tell what two runs of one program differ by.
package compare

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/fleet"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// A Trace is what is kept of one input.
type Trace struct {
	analysis.Summary
	Metrics  map[string]analysis.Metric
	Findings []analysis.Finding // flat
	Lives    []measures.Life    // none where they are not known
	Why      map[string]string  // why goroutines wait, by place
	Starts   map[string]int64   // GC cycles, by what began them
	Served   []*measures.Served // requests by type
	Timeline *analysis.Table    // P time by state over time; nil where it is not known

	pools     map[string]*sketch.Histogram
	stretches []*Trace
}

// OfReport keeps of a report what a comparison wants, and of its stretches.
func OfReport(rep *analysis.Report) *Trace {
	t := OfEntry(fleet.NewEntry(rep, "", ""))
	t.Lives, t.Starts, t.Served = measures.LivesOf(rep), measures.StartsOf(rep), measures.ServedOf(rep)
	t.Why = make(map[string]string)
	t.Timeline = TimelineOf(rep)
	for _, res := range rep.Results {
		for _, l := range res.Leading {
			if l.Kind == analysis.VerdictLimit {
				place := measures.Unlined(l.Place)
				if t.Why[place] == "" {
					t.Why[place] = l.Text
				}
			}
		}
	}
	for _, s := range rep.Stretches {
		t.stretches = append(t.stretches, OfReport(s))
	}
	return t
}

// TimelineOf is the table of a report that Trace.Timeline is, nil where it has none.
func TimelineOf(rep *analysis.Report) *analysis.Table {
	for _, res := range rep.Results {
		for _, t := range res.Tables {
			if t.Name == "timeline.time" {
				return t
			}
		}
	}
	return nil
}

// OfEntry is OfReport of what an audit kept.
func OfEntry(e *fleet.Entry) *Trace {
	return &Trace{Summary: e.Trace, Metrics: e.Metrics, Findings: e.Findings, pools: e.Pools}
}

// A Side is the traces before a change, or those after it.
type Side struct {
	Name   string
	Traces []*Trace
	Unread []string                     // inputs that could not be read
	pools  map[string]*sketch.Histogram // of all sound ones
}

// Add adds a trace to its side.
func (s *Side) Add(t *Trace) {
	if s.pools == nil {
		s.pools = make(map[string]*sketch.Histogram)
	}
	if t.Sound() {
		for id, h := range t.pools {
			if s.pools[id] == nil {
				s.pools[id] = new(sketch.Histogram)
			}
			s.pools[id].Merge(h)
		}
	}
	t.pools = nil
	s.Traces = append(s.Traces, t)
}

// Middle is the trace of a side of which as many others are more at work as are less: the
// one to show of them.
func (s *Side) Middle() *Trace {
	sound := slices.DeleteFunc(slices.Clone(s.Traces), func(t *Trace) bool { return !t.Sound() })
	if len(sound) == 0 {
		sound = slices.Clone(s.Traces)
	}
	slices.SortStableFunc(sound, func(a, b *Trace) int {
		return cmp.Or(cmp.Compare(a.Metrics["procs.share.user"].Value, b.Metrics["procs.share.user"].Value), strings.Compare(a.Name, b.Name))
	})
	if len(sound) == 0 {
		return nil
	}
	return sound[len(sound)/2]
}

// Options choose how sides are compared.
type Options struct {
	Per     string // what sums are divided by: "second", "request", "busy"; "" chooses
	Budgets []Budget
}

// What sums are divided by.
const (
	PerSecond  = "second"
	PerRequest = "request"
	PerBusy    = "busy"
)

type comparison struct {
	side  [2]Side // of sound traces
	basis analysis.Basis
	by    string // what sums are divided by
	// seconds are those of a trace for each unit of that: with them what matters in a second
	// is what matters per unit.
	seconds float64
	rep     *analysis.Report
	notes   []string // what is to be minded
	facts   []fact
	main    *typeKey // of requests; see findMain
	counted bool     // both sides have requests.count
	times   float64  // as much load on the new side, where it differs
	c       *analysis.Comparison
}

// Of compares two sides.
func Of(old, new Side, opt Options) *analysis.Report {
	c := &comparison{side: [2]Side{old, new}, by: opt.Per}
	c.c = &analysis.Comparison{}
	c.rep = &analysis.Report{
		Schema: analysis.Schema, Metrics: make(map[string]analysis.Metric), Comparison: c.c,
		Trace: analysis.Summary{Name: old.Name + " → " + new.Name, Complete: true},
	}
	c.unsound()
	c.comparable()
	c.seconds = c.perUnit()
	c.metrics()
	c.uncompared()
	c.parts()
	c.c.Requests = c.requests()
	res := &analysis.Result{Name: "compare", Title: "what changed", Outcome: analysis.Clear}
	for _, t := range []*analysis.Table{c.requestsTable(), c.causesTable(), c.partsTable(), c.kindsTable(), c.metricsTable(), c.startsTable(), c.findingsTable(), c.sidesTable()} {
		if t != nil && len(t.Rows) > 0 {
			res.Tables = append(res.Tables, t)
		}
	}
	c.figures(res)
	c.rep.Results = []*analysis.Result{res}
	if budgets := c.budgets(opt.Budgets); budgets != nil {
		c.rep.Results = append(c.rep.Results, budgets)
	}
	c.rep.Verdict = c.verdict()
	return c.rep
}

// unsound takes out traces whose numbers cannot stand beside those of others.
func (c *comparison) unsound() {
	for i := range c.side {
		s := &c.side[i]
		if n := len(s.Unread); n > 0 {
			c.notes = append(c.notes, fmt.Sprintf("%s of %s cannot be read, and %s left out: %s.", counted(n, "input"), s.Name, map[bool]string{true: "is", false: "are"}[n == 1], s.Unread[0]))
		}
		all := len(s.Traces)
		sound := slices.DeleteFunc(slices.Clone(s.Traces), func(t *Trace) bool { return !t.Sound() })
		if n := all - len(sound); n > 0 && len(sound) > 0 {
			c.notes = append(c.notes, fmt.Sprintf("%d of %d traces of %s are cut or contradict themselves: they are left out.", n, all, s.Name))
			s.Traces = sound
		} else if n > 0 {
			c.notes = append(c.notes, fmt.Sprintf("Every trace of %s is cut or contradicts itself: its numbers are those of a part.", s.Name))
		}
		side := analysis.ComparedSide{Name: s.Name, Traces: len(s.Traces)}
		for _, t := range s.Traces {
			side.Duration += t.Duration
			side.Events += t.Events
		}
		if i == 0 {
			c.c.Old = side
		} else {
			c.c.New = side
		}
	}
	c.basis = analysis.Untested
	n := min(len(c.side[0].Traces), len(c.side[1].Traces))
	stretches := 0
	if len(c.side[0].Traces) == 1 && len(c.side[1].Traces) == 1 {
		stretches = min(len(c.side[0].Traces[0].stretches), len(c.side[1].Traces[0].stretches))
	}
	switch {
	case n >= minTraces:
		c.basis = analysis.BetweenTraces
	case stretches >= minStretches:
		c.basis = analysis.WithinTraces
	}
	c.c.Basis = c.basis
}

// samples are what the numbers of a side are taken from: its traces, or the stretches of
// the only one.
func (c *comparison) samples(side int) []*Trace {
	if c.basis == analysis.WithinTraces {
		return c.side[side].Traces[0].stretches
	}
	return c.side[side].Traces
}

// unit is what a sum of a trace is divided by, 0 where that is not there.
func (c *comparison) unit(t *Trace) float64 {
	switch c.by {
	case PerRequest:
		if c.main != nil && !c.counted {
			return c.mainRequests(t)
		}
		return requests(t)
	case PerBusy:
		return float64(t.Metrics["procs.share.user"].Value) * float64(t.Metrics["procs.time"].Value) / 1e9
	}
	return float64(t.Duration) / 1e9
}

func requests(t *Trace) float64 { return float64(t.Metrics["requests.count"].Value) }

// perUnit is how many seconds of the traces come to a unit that sums are divided by.
func (c *comparison) perUnit() float64 {
	if c.by == PerSecond {
		return 1
	}
	var all []float64
	for _, s := range c.side {
		for _, t := range s.Traces {
			if unit := c.unit(t); unit > 0 {
				all = append(all, float64(t.Duration)/1e9/unit)
			}
		}
	}
	return median(all)
}

// value is a metric of a trace as it compares: a sum per unit.
func (c *comparison) value(t *Trace, id string) (float64, bool) {
	m, ok := t.Metrics[id]
	if !ok {
		return 0, false
	}
	if m.Scale != analysis.Sum {
		return float64(m.Value), true
	}
	unit := c.unit(t)
	return float64(m.Value) / unit, unit > 0
}

// metrics compares each metric.
func (c *comparison) metrics() {
	about := make(map[string]analysis.Metric)
	for _, s := range c.side {
		for _, t := range s.Traces {
			maps.Copy(about, t.Metrics)
		}
	}
	var tested []*analysis.Change
	var values []sides
	for _, id := range slices.Sorted(maps.Keys(about)) {
		m := about[id]
		if m.Scale == analysis.Extent {
			continue
		}
		var whole, v sides
		for i := range v {
			for _, t := range c.side[i].Traces {
				if x, ok := c.value(t, id); ok {
					whole[i] = append(whole[i], x)
				}
			}
			for _, t := range c.samples(i) {
				if x, ok := c.value(t, id); ok {
					v[i] = append(v[i], x)
				}
			}
		}
		ch := &analysis.Change{Name: id, Unit: m.Unit, Old: analysis.Number(median(whole[0])), New: analysis.Number(median(whole[1])), N: [2]int{len(whole[0]), len(whole[1])}}
		for i, values := range whole {
			for _, x := range values {
				ch.Values[i] = append(ch.Values[i], analysis.Number(x))
			}
		}
		if m.Scale == analysis.Sum {
			ch.Per = c.by
		}
		if ch.Old == 0 && ch.New == 0 {
			continue
		}
		c.test(ch, v, whole)
		tested, values = append(tested, ch), append(values, whole)
	}
	adjust(tested)
	for i, ch := range tested {
		c.judge(ch, values[i], about[ch.Name].Polarity, barOf(ch), c.moreOf(ch.Name))
		c.c.Metrics = append(c.c.Metrics, *ch)
	}
}

// test says how probable a difference is by chance, where the values suffice for it.
func (c *comparison) test(ch *analysis.Change, v, whole sides) {
	for i, s := range c.side {
		if 2*len(whole[i]) < len(s.Traces) || len(whole[i]) == 0 {
			ch.Judged, ch.Reason = analysis.Unknown, fmt.Sprintf("%d of %d traces of %s have too few events for it", len(s.Traces)-len(whole[i]), len(s.Traces), s.Name)
			return
		}
	}
	need, test := minTraces, between
	switch c.basis {
	case analysis.Untested:
		return
	case analysis.WithinTraces:
		need, test = minStretches, within
	}
	if min(len(v[0]), len(v[1])) < need {
		return
	}
	p, lo, hi := test(v)
	ch.P = number(p)
	if !math.IsInf(lo, 0) && !math.IsInf(hi, 0) { // with four or five traces they are
		ch.Lo, ch.Hi = number(lo), number(hi)
	}
}

func number(v float64) *analysis.Number {
	n := analysis.Number(v)
	return &n
}

// part is a place where goroutines of a kind spend time.
type part struct{ kind, state, place string }

// parts compares where the time of goroutines goes.
func (c *comparison) parts() {
	for _, s := range c.side {
		for _, t := range s.Traces {
			if len(t.Lives) == 0 {
				return // of a saved entry they are not known
			}
		}
	}
	var values [2]map[part][]float64 // of all samples, in their order
	var whole, spans [2]map[part]float64
	for i := range values {
		values[i], whole[i], spans[i] = make(map[part][]float64), make(map[part]float64), make(map[part]float64)
		unit := 0.0
		for _, t := range c.side[i].Traces {
			unit += c.unit(t)
			for p, sum := range t.parts() {
				whole[i][p] += sum.ns
				spans[i][p] += sum.n
			}
		}
		for p := range whole[i] {
			whole[i][p] /= unit * 1e9
		}
		for k, t := range c.samples(i) {
			for p, sum := range t.parts() {
				for len(values[i][p]) < k {
					values[i][p] = append(values[i][p], 0)
				}
				values[i][p] = append(values[i][p], sum.ns/(c.unit(t)*1e9))
			}
		}
	}
	keys := make(map[part]bool)
	for i := range whole {
		for p := range whole[i] {
			keys[p] = true
		}
	}
	total := &analysis.Change{Name: "goroutines at work or held up", Unit: analysis.Ratio}
	var all []*analysis.Change
	var of []sides
	for _, p := range slices.SortedFunc(maps.Keys(keys), func(a, b part) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.state, b.state), cmp.Compare(a.place, b.place))
	}) {
		var v sides
		for i := range v {
			v[i] = values[i][p]
			for len(v[i]) < len(c.samples(i)) {
				v[i] = append(v[i], 0)
			}
		}
		ch := &analysis.Change{
			Name: p.name(), Kind: p.kind, State: p.state, Place: p.place, Unit: analysis.Ratio,
			Old: analysis.Number(whole[0][p]), New: analysis.Number(whole[1][p]), N: [2]int{len(c.side[0].Traces), len(c.side[1].Traces)},
		}
		total.Old += ch.Old
		total.New += ch.New
		c.test(ch, v, sides{v[0], v[1]})
		for _, t := range c.side[1].Traces {
			if ch.Why == "" {
				ch.Why = t.Why[p.place]
			}
		}
		all, of = append(all, ch), append(of, v)
	}
	adjust(all)
	for i, ch := range all {
		polarity, bar := analysis.Lower, stateBar
		switch ch.State {
		case "running":
			polarity = analysis.Neutral
		case "waiting":
			bar = waitBar
		}
		bar.least *= c.seconds
		p := part{ch.Kind, ch.State, ch.Place}
		n := spans[0][p]
		if ch.New > ch.Old {
			n = spans[1][p]
		}
		if c.judge(ch, of[i], polarity, bar, n); c.proportional(ch) {
			ch.Judged, ch.Reason = analysis.Unknown, "it differs as much as the load"
		}
	}
	slices.SortStableFunc(all, func(a, b *analysis.Change) int {
		return cmp.Compare(math.Abs(b.Delta()), math.Abs(a.Delta()))
	})
	for _, ch := range all {
		c.c.Parts = append(c.c.Parts, *ch)
	}
	c.c.Total = total
}

// proportional reports whether a sum in a second differs by what the load differs by.
func (c *comparison) proportional(ch *analysis.Change) bool {
	if c.by != PerSecond || c.times == 0 || ch.Delta() > 0 != (c.times > 1) {
		return false
	}
	expected := float64(ch.Old) * c.times
	return math.Abs(float64(ch.New)-expected) < waitBar.apart*max(float64(ch.New), expected)
}

type partSum struct{ n, ns float64 }

// parts are the times of goroutines that were at work or held up.
func (t *Trace) parts() map[part]partSum {
	out := make(map[part]partSum)
	for _, l := range t.Lives {
		if !l.Parked {
			p := part{l.Kind, l.State, measures.Unlined(l.Place)}
			had := out[p]
			out[p] = partSum{had.n + float64(l.N), had.ns + float64(l.NS)}
		}
	}
	return out
}

func (p part) name() string {
	switch {
	case p.state == "":
		return p.kind
	case p.place == "" || p.place == p.state:
		return p.kind + ": " + p.state
	case p.state == "waiting":
		return p.kind + ": " + p.place
	}
	return p.kind + ": " + p.place + ", " + p.state
}

// changeOf writes how a number changed: "+12 %", "×3.4", "new", "gone".
func changeOf(old, new float64) string {
	switch {
	case old == new:
		return "="
	case old == 0:
		return "new"
	case new == 0:
		return "gone"
	case new/old >= 1000:
		return "×" + analysis.FormatCount(int64(math.Round(new/old)))
	case new/old >= 2.5 || new/old <= .4:
		return "×" + strings.TrimSuffix(fmt.Sprintf("%.3g", new/old), ".0")
	}
	return fmt.Sprintf("%+.1f %%", 100*(new-old)/old)
}
