package analysis

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/tracelens/tracelens/parse"
)

// stretch is a number of events, each with the part its kind fills only: a whole
// parse.Event is several times as large.
type stretch struct {
	heads     []head
	gos       []parse.Go
	goLives   []parse.GoLife
	procs     []parse.Proc
	procLives []parse.ProcLife
	slices    []parse.Slice
	intervals []parse.Interval
	ranges    []parse.Range
	metrics   []parse.Metric
	logs      []parse.Log
}

// head is what every event has.
type head struct {
	time, gc parse.Time
	g        parse.GoID
	m        parse.ThreadID
	p        parse.ProcID
	stack    parse.StackID
	kind     parse.Kind
}

const stretchLen = 4096

func (s *stretch) reset() {
	s.heads, s.gos, s.goLives, s.procs, s.procLives = s.heads[:0], s.gos[:0], s.goLives[:0], s.procs[:0], s.procLives[:0]
	s.slices = s.slices[:0]
	s.intervals, s.ranges, s.metrics, s.logs = s.intervals[:0], s.ranges[:0], s.metrics[:0], s.logs[:0]
}

func (s *stretch) add(e *parse.Event) {
	s.heads = append(s.heads, head{e.Time, e.GC, e.G, e.M, e.P, e.Stack, e.Kind})
	switch e.Kind {
	case parse.KindProc:
		s.procs = append(s.procs, *e.Proc)
	case parse.KindGoLife:
		s.goLives = append(s.goLives, *e.GoLife)
	case parse.KindProcLife:
		s.procLives = append(s.procLives, *e.ProcLife)
	case parse.KindSlice:
		s.slices = append(s.slices, *e.Slice)
	case parse.KindInterval:
		s.intervals = append(s.intervals, *e.Interval)
	case parse.KindRangeBegin, parse.KindRangeEnd:
		s.ranges = append(s.ranges, *e.Range)
	case parse.KindMetric:
		s.metrics = append(s.metrics, e.Metric)
	case parse.KindLog:
		s.logs = append(s.logs, e.Log)
	case parse.KindSample, parse.KindGeneration:
	default:
		s.gos = append(s.gos, *e.Go)
	}
}

// replay gives the events of s to those of p's collectors that want them.
func (s *stretch) replay(p *Partial) {
	var e parse.Event
	var g, goLife, proc, procLife, slice, interval, rng, metric, log int
	for i := range s.heads {
		h := &s.heads[i]
		e.Time, e.GC, e.G, e.M, e.P, e.Stack, e.Kind = h.time, h.gc, h.g, h.m, h.p, h.stack, h.kind
		switch h.kind {
		case parse.KindProc:
			e.Proc = &s.procs[proc]
			proc++
		case parse.KindGoLife:
			e.GoLife = &s.goLives[goLife]
			goLife++
		case parse.KindProcLife:
			e.ProcLife = &s.procLives[procLife]
			procLife++
		case parse.KindSlice:
			e.Slice = &s.slices[slice]
			slice++
		case parse.KindInterval:
			e.Interval = &s.intervals[interval]
			interval++
		case parse.KindRangeBegin, parse.KindRangeEnd:
			e.Range = &s.ranges[rng]
			rng++
		case parse.KindMetric:
			e.Metric = s.metrics[metric]
			metric++
		case parse.KindLog:
			e.Log = s.logs[log]
			log++
		case parse.KindSample, parse.KindGeneration:
		default:
			e.Go = &s.gos[g]
			g++
		}
		p.Event(&e)
	}
}

// goKinds are the kinds of events that tell of one goroutine: about half of the
// collectors' work. No collector's fold of these depends on its fold of the others,
// so that the two can be made apart and merged.
const goKinds = parse.KindsGo | parse.Kinds(1<<parse.KindGoLife)

// A folder folds events in a goroutine of its own.
type folder struct {
	p     *Partial
	fill  *stretch
	free  chan *stretch
	full  chan *stretch
	done  chan struct{}
	fault string // a panic of a collector
}

func newFolder(p *Partial) *folder {
	const depth = 4
	f := &folder{p: p, free: make(chan *stretch, depth), full: make(chan *stretch, depth), done: make(chan struct{})}
	for range depth {
		f.free <- new(stretch)
	}
	f.fill = <-f.free
	go func() {
		defer close(f.done)
		for s := range f.full {
			f.take(s)
			s.reset()
			f.free <- s
		}
	}()
	return f
}

func (f *folder) take(s *stretch) {
	defer func() {
		if v := recover(); v != nil {
			f.fault = fmt.Sprintf("%v\n%s", v, debug.Stack())
		}
	}()
	if f.fault == "" {
		s.replay(f.p)
	}
}

// Event takes in the next event.
func (f *folder) Event(e *parse.Event) {
	if len(f.p.byKind[e.Kind]) == 0 {
		return
	}
	if f.fill.add(e); len(f.fill.heads) == stretchLen {
		f.full <- f.fill
		f.fill = <-f.free
	}
}

// end waits until all is folded.
func (f *folder) end() {
	f.full <- f.fill
	close(f.full)
	<-f.done
	if f.fault != "" {
		panic(f.fault)
	}
}

// read folds the events of a trace into p. With more than one job the events of
// goroutines are folded beside the reading, with four or more all are.
func (p *Partial) read(ctx context.Context, r io.Reader, opt parse.Options, analyzers []*Analyzer) (*parse.Trace, error) {
	if opt.Jobs <= 0 {
		opt.Jobs = runtime.GOMAXPROCS(0)
	}
	if opt.Jobs == 1 {
		return parse.Read(ctx, r, opt, p.Event)
	}
	beside := NewPartial(analyzers)
	gos := newFolder(beside)
	others := p.Event
	end := gos.end
	if opt.Jobs >= 4 {
		f := newFolder(p)
		others = f.Event
		end = func() {
			gos.end()
			f.end()
		}
	}
	tr, err := parse.Read(ctx, r, opt, func(e *parse.Event) {
		if goKinds.Has(e.Kind) {
			gos.Event(e)
		} else {
			others(e)
		}
	})
	end()
	p.Merge(beside)
	return tr, err
}
