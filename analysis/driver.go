package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// A Partial is the folds of a set of analyzers over some events of a trace.
type Partial struct {
	Folds map[*Analyzer]Collector
	brief bool // what Options.Brief leaves out is
	bare  bool // likewise Options.Bare
	sink  *parse.Sink
}

// procWanter is a Collector that wants some of the events of KindProc only: those
// of a P that goes from one state to another.
type procWanter interface {
	WantsProc(from, to parse.ProcState) bool
}

// goWanter is a Collector that wants some of the events of goroutines only. Of these it is
// told From, To, Ready, and whether Preempt is PreemptNone, nothing else.
type goWanter interface{ WantsGo(*parse.Go) bool }

// briefly is a Collector that keeps something for what a brief report leaves out. Brief,
// called before the first event, says that nobody reads it.
type briefly interface{ Brief() }

// NewPartial returns the empty folds of the analyzers and all they require.
func NewPartial(analyzers []*Analyzer) *Partial {
	p := &Partial{Folds: make(map[*Analyzer]Collector)}
	for _, a := range Closure(analyzers) {
		if a.New != nil {
			p.Folds[a] = a.New()
		}
	}
	return p
}

// empty returns folds of the same analyzers over no events.
func (p *Partial) empty() *Partial {
	e := &Partial{Folds: make(map[*Analyzer]Collector), brief: p.brief, bare: p.bare}
	for a := range p.Folds {
		e.Folds[a] = a.New()
	}
	if p.brief {
		e.shorten()
	}
	return e
}

// shorten makes a brief report of the folds, which are empty.
func (p *Partial) shorten() {
	p.brief = true
	for _, c := range p.Folds {
		if c, some := c.(briefly); some {
			c.Brief()
		}
	}
}

// takes is what gives events to the collectors.
func (p *Partial) takes() *parse.Sink {
	if p.sink != nil {
		return p.sink
	}
	p.sink = new(parse.Sink)
	as := slices.SortedFunc(maps.Keys(p.Folds), func(a, b *Analyzer) int { return cmp.Compare(a.Name, b.Name) })
	for k := range p.sink.ByKind {
		var want []Collector
		for _, a := range as {
			if a.Kinds.Has(parse.Kind(k)) {
				want = append(want, p.Folds[a])
			}
		}
		switch {
		case len(want) == 0:
			continue
		case parse.Kind(k) == parse.KindProc:
			p.sink.ByKind[k] = eachProc(want)
		case parse.KindsGo.Has(parse.Kind(k)):
			p.sink.ByKind[k] = eachGo(parse.GoState(k), want)
		default:
			p.sink.ByKind[k] = each(want)
		}
		p.sink.Kinds |= 1 << k
	}
	return p.sink
}

// each returns a function that gives an event to each of some collectors. There are a
// few million events in a second of a busy trace, so it does that without a loop.
func each(cs []Collector) func(*parse.Event) {
	switch len(cs) {
	case 0:
		return func(*parse.Event) {}
	case 1:
		a := cs[0]
		return func(e *parse.Event) { a.Event(e) }
	case 2:
		a, b := cs[0], cs[1]
		return func(e *parse.Event) { a.Event(e); b.Event(e) }
	case 3:
		a, b, c := cs[0], cs[1], cs[2]
		return func(e *parse.Event) { a.Event(e); b.Event(e); c.Event(e) }
	}
	a, b, c, others := cs[0], cs[1], cs[2], each(cs[3:])
	return func(e *parse.Event) { a.Event(e); b.Event(e); c.Event(e); others(e) }
}

// A choice is each for those of some collectors that want an event, by a number of what
// it is. W is what a collector is that does not want all.
type choice[W any] struct {
	cs      []Collector
	choosy  []W
	bits    []uint64 // of each of them, as of who
	content uint64   // those that are not

	to   [256]func(*parse.Event)
	made map[uint64]func(*parse.Event) // by who wants it
	who  uint64                        // wanted the last one
	last func(*parse.Event)
}

func newChoice[W any](cs []Collector) *choice[W] {
	ch := &choice[W]{cs: cs, made: make(map[uint64]func(*parse.Event))}
	for i, c := range cs {
		if some, choosy := c.(W); choosy {
			ch.choosy, ch.bits = append(ch.choosy, some), append(ch.bits, 1<<i)
		} else {
			ch.content |= 1 << i
		}
	}
	return ch
}

// set makes the choice for a number: those that are not choosy, and those that want it.
func (ch *choice[W]) set(number uint8, wants func(W) bool) {
	who := ch.content
	for i, some := range ch.choosy {
		if wants(some) {
			who |= ch.bits[i]
		}
	}
	if ch.last == nil || ch.who != who {
		ch.who, ch.last = who, ch.made[who]
	}
	if ch.last == nil {
		var want []Collector
		for i, c := range ch.cs {
			if who>>i&1 != 0 {
				want = append(want, c)
			}
		}
		ch.last = each(want)
		ch.made[who] = ch.last
	}
	ch.to[number] = ch.last
}

// eachProc is each for KindProc.
func eachProc(cs []Collector) func(*parse.Event) {
	ch := newChoice[procWanter](cs)
	for from := range parse.NumProcStates {
		for next := range parse.NumProcStates {
			ch.set(uint8(from<<4|next), func(some procWanter) bool { return some.WantsProc(from, next) })
		}
	}
	return func(e *parse.Event) { ch.to[e.Proc.From<<4|e.Proc.To](e) }
}

// eachGo is each for the kind of goroutines that leave a state.
func eachGo(from parse.GoState, cs []Collector) func(*parse.Event) {
	ch := newChoice[goWanter](cs)
	for _, preempt := range []parse.Preempt{parse.PreemptNone, parse.PreemptUnknown} {
		for next := range parse.NumGoStates {
			for ready := range parse.NumReady {
				g := &parse.Go{From: from, To: next, Ready: ready, Preempt: preempt}
				ch.set(goNumber(g), func(some goWanter) bool { return some.WantsGo(g) })
			}
		}
	}
	if len(ch.made) == 1 {
		return each(cs)
	}
	return func(e *parse.Event) { ch.to[goNumber(e.Go)](e) }
}

func goNumber(g *parse.Go) uint8 {
	n := uint8(g.To) | uint8(g.Ready)<<3
	if g.Preempt != parse.PreemptNone {
		n |= 1 << 7
	}
	return n
}

// split shares the collectors of p among at most n Partials. Those that want the same
// kinds of events come together, since for events that nobody wants, those of
// goroutines most of all, less has to be followed.
func (p *Partial) split(n int) []*Partial {
	if n == 1 {
		return []*Partial{p}
	}
	as := slices.SortedFunc(maps.Keys(p.Folds), func(a, b *Analyzer) int {
		return cmp.Or(cmp.Compare(a.Kinds&parse.KindsGo, b.Kinds&parse.KindsGo), cmp.Compare(a.Kinds, b.Kinds), cmp.Compare(a.Name, b.Name))
	})
	total := 0
	for _, a := range as {
		total += weight(a.Kinds)
	}
	shares := []map[*Analyzer]Collector{{}}
	done := 0
	for _, a := range as {
		if last := len(shares); last < n && (2*done+weight(a.Kinds))*n >= 2*last*total {
			shares = append(shares, map[*Analyzer]Collector{})
		}
		shares[len(shares)-1][a] = p.Folds[a]
		done += weight(a.Kinds)
	}
	var parts []*Partial
	for _, share := range shares {
		parts = append(parts, &Partial{Folds: share, brief: p.brief, bare: p.bare})
	}
	return parts
}

// weight is about what a collector of these kinds costs.
func weight(kinds parse.Kinds) int {
	w := 1
	for k, cost := range map[parse.Kind]int{parse.KindInterval: 20, parse.KindProc: 8, parse.KindGoRunnable: 8, parse.KindGoWaiting: 4, parse.KindGoRunning: 2, parse.KindHold: 8, parse.KindRequest: 8} {
		if kinds.Has(k) {
			w += cost
		}
	}
	return w
}

// Event gives e to every collector that wants it.
func (p *Partial) Event(e *parse.Event) {
	if f := p.takes().ByKind[e.Kind]; f != nil {
		f(e)
	}
}

// Merge adds the folds of the events that follow p's.
func (p *Partial) Merge(next *Partial) {
	for a, c := range p.Folds {
		c.Merge(next.Folds[a])
	}
}

// Closure returns the analyzers and those they require, each after what it
// requires, otherwise in the given order.
func Closure(analyzers []*Analyzer) []*Analyzer {
	out := make([]*Analyzer, 0, len(analyzers))
	seen := make(map[*Analyzer]bool, len(analyzers))
	var visit func(a *Analyzer)
	visit = func(a *Analyzer) {
		if seen[a] {
			return
		}
		seen[a] = true
		for _, r := range a.Requires {
			visit(r)
		}
		out = append(out, a)
	}
	for _, a := range analyzers {
		visit(a)
	}
	return out
}

// Options choose what Analyze reports and how it works.
type Options struct {
	parse.Options
	Jobs   int               // how many CPUs to use; 0 is GOMAXPROCS; the report is the same
	Levels map[string]Levels // of thresholds by name, where not the default
	Brief  bool              // leave out summaries, figures, and tables that no comparison reads
	Bare   bool              // of a brief report, leave out all tables
	// Stretches is into how many parts of time, at most, the trace is cut as well, none
	// shorter than a second.
	Stretches int
}

// Analyze reads a trace and reports what the analyzers say of it, in their
// order. The error is about the input when it holds nothing to analyse; a trace
// that is readable in part gives a report whose Trace.Fault says what is lost.
func Analyze(ctx context.Context, r io.Reader, name string, opt Options, analyzers []*Analyzer) (*Report, error) {
	p := NewPartial(analyzers)
	if opt.Brief {
		p.shorten()
	}
	p.bare = opt.Brief && opt.Bare
	tr, stretches, err := p.read(ctx, r, opt)
	if err != nil {
		return nil, err
	}
	rep := Conclude(tr, name, p, analyzers, opt.Levels)
	rep.Stretches = stretches
	rep.Trace.Window = opt.From > 0 || opt.To > 0
	return rep, nil
}

// maxJobs is how many goroutines may fold, beside the one that reads. Each follows the
// whole trace. A second one costs about a tenth of the CPU time on top, a quarter where
// very many goroutines live (BenchmarkJobs); a third and a fourth add as much again each.
const maxJobs = 2

// read folds the events of a trace.
func (p *Partial) read(ctx context.Context, r io.Reader, opt Options) (*parse.Trace, []*Report, error) {
	jobs := opt.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	var sinks []parse.Sink
	var cut []*stretched
	for _, part := range p.split(min(jobs, maxJobs)) {
		sink := *part.takes()
		if opt.Stretches > 0 {
			s := newStretched(part, opt.Stretches)
			cut, sink = append(cut, s), parse.Sink{Kinds: sink.Kinds, Event: s.Event}
		}
		sinks = append(sinks, sink)
	}
	tr, err := parse.ReadTo(ctx, r, opt.Options, sinks...)
	if err != nil {
		return nil, nil, err
	}
	return tr, p.gather(tr, cut, opt.Levels), nil
}

// Conclude turns folds into a report.
func Conclude(tr *parse.Trace, name string, p *Partial, analyzers []*Analyzer, levels map[string]Levels) *Report {
	rep := ByThresholds(tr, name, p, analyzers, levels)
	rep.grade()
	rep.cover(analyzers)
	rep.Fold()
	return rep
}

// ByThresholds is the report in which each check stands for itself: findings have the
// severity of its thresholds, whatever they cost, and none is folded into another.
func ByThresholds(tr *parse.Trace, name string, p *Partial, analyzers []*Analyzer, levels map[string]Levels) *Report {
	all := Closure(analyzers)
	metrics := 0
	for _, a := range all {
		metrics += len(a.byID())
	}
	rep := &Report{Schema: Schema, Trace: summarize(tr, name), Metrics: make(map[string]Metric, metrics/2), Pools: make(map[string]*sketch.Histogram)}
	results, models := make(map[*Analyzer]*Result, len(all)), make(map[reflect.Type]any)
	for _, a := range all {
		results[a] = conclude(&Pass{Analyzer: a, Trace: tr, folds: p.Folds, results: results, report: rep, levels: levels, brief: p.brief, bare: p.bare, models: models})
	}
	for _, a := range analyzers {
		rep.Results = append(rep.Results, results[a])
	}
	for i, a := range analyzers {
		for k := range rep.Results[i].Figures {
			a.weigh(&rep.Results[i].Figures[k], rep.Metrics)
		}
	}
	return rep
}

// conclude runs one analyzer. A fault of ours in it costs its result, not the report.
func conclude(pass *Pass) (res *Result) {
	a, rep := pass.Analyzer, pass.report
	res = &Result{Name: a.Name, Title: a.Title(), Check: len(a.Thresholds) > 0, Leads: a.Leads, About: a.About}
	pass.result = res
	pass.defs = a.byID()
	fail := func(reason string) {
		for id := range pass.defs {
			delete(rep.Metrics, id)
		}
		for _, prefix := range pass.pools {
			delete(rep.Pools, prefix)
		}
		*res = Result{Name: res.Name, Title: res.Title, Check: res.Check, Leads: res.Leads, About: res.About, Outcome: Failed, Reason: reason}
	}
	defer func() {
		switch v := recover().(type) {
		case nil:
		case misuse:
			fail(fmt.Sprintf("a fault of analyzer %s: %s", a.Name, v))
		default:
			fail(fmt.Sprintf("internal error: %v at %s", v, panicSite(debug.Stack())))
		}
	}()
	if a.Needs != nil {
		if reason := a.Needs(pass.Trace); reason != "" {
			res.Outcome, res.Reason = NotApplicable, reason
			return res
		}
	}
	if err := a.Run(pass); err != nil {
		fail("internal error: " + err.Error())
		return res
	}
	for i := range res.Findings {
		if f := &res.Findings[i]; f.Figure == "" {
			f.Figure = a.Proof
		}
	}
	switch {
	case res.Outcome == NotApplicable:
	case len(res.Findings) > 0:
		res.Outcome = Found
	default:
		res.Outcome = Clear
	}
	return res
}

// panicSite names the frame that panicked.
func panicSite(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "panic(") })
	if i < 0 || i+3 >= len(lines) {
		return "?"
	}
	file, _, _ := strings.Cut(strings.TrimSpace(lines[i+3]), " ")
	return file[strings.LastIndexByte(file, '/')+1:]
}

// Title is the one sentence of the first line of the analyzer's page.
func (a *Analyzer) Title() string {
	line, _, _ := strings.Cut(a.Doc, "\n")
	_, title, _ := strings.Cut(line, ": ")
	return strings.TrimSpace(title)
}

func summarize(tr *parse.Trace, name string) Summary {
	s := Summary{
		Name: name, Format: fmt.Sprintf("go 1.%d", tr.Version), Compression: tr.Compression, Bytes: tr.Bytes,
		Events: tr.Events, Generations: tr.Generations, Complete: tr.Fault == nil,
		Duration: tr.Duration(), From: int64(tr.From - tr.First), To: int64(tr.To - tr.First),
		Quantum: tr.Quantum, Procs: tr.Procs, First: tr.First, Odd: OddOf(&tr.Quality),
	}
	if !tr.Wall.IsZero() {
		s.Start = tr.Wall.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
	}
	if tr.Fault != nil {
		s.Fault = tr.Fault.Error()
		s.FaultKind = "io"
		switch {
		case errors.Is(tr.Fault, parse.ErrTruncated):
			s.FaultKind = "truncated"
		case errors.Is(tr.Fault, parse.ErrCorrupt):
			s.FaultKind = "corrupt"
		}
	}
	return s
}
