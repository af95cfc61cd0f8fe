package analysis

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

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

	readers atomic.Int32 // folders that have still to take it in
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

// folders fold events in goroutines of their own, each with some of the
// collectors of one Partial.
type folders struct {
	wanted parse.Kinds
	fill   *stretch
	free   chan *stretch
	full   []chan *stretch // by folder
	done   sync.WaitGroup
	fault  atomic.Pointer[string] // a panic of a collector
}

// fold starts n folders of p.
func (p *Partial) fold(n int) *folders {
	const depth = 4
	f := &folders{free: make(chan *stretch, depth)}
	for range depth {
		f.free <- new(stretch)
	}
	f.fill = <-f.free
	for _, part := range p.split(n) {
		for k, cs := range part.byKind {
			if len(cs) > 0 {
				f.wanted |= parse.KindsOf(parse.Kind(k))
			}
		}
		full := make(chan *stretch, depth)
		f.full = append(f.full, full)
		f.done.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					fault := fmt.Sprintf("%v\n%s", v, debug.Stack())
					f.fault.CompareAndSwap(nil, &fault)
					for s := range full {
						f.release(s)
					}
				}
			}()
			for s := range full {
				s.replay(part)
				f.release(s)
			}
		})
	}
	return f
}

func (f *folders) release(s *stretch) {
	if s.readers.Add(-1) == 0 {
		s.reset()
		f.free <- s
	}
}

// Event takes in the next event.
func (f *folders) Event(e *parse.Event) {
	if !f.wanted.Has(e.Kind) {
		return
	}
	if f.fill.add(e); len(f.fill.heads) == stretchLen {
		f.send()
		f.fill = <-f.free
	}
}

func (f *folders) send() {
	f.fill.readers.Store(int32(len(f.full)))
	for _, full := range f.full {
		full <- f.fill
	}
}

// end folds what is left and waits for it.
func (f *folders) end() {
	f.send()
	for _, full := range f.full {
		close(full)
	}
	f.done.Wait()
	if fault := f.fault.Load(); fault != nil {
		panic(*fault)
	}
}

// split shares the collectors of p among n Partials, so that each has its part of
// the work with every kind of event.
func (p *Partial) split(n int) []*Partial {
	parts := make([]*Partial, n)
	for i := range parts {
		parts[i] = new(Partial)
	}
	of := make(map[Collector]int)
	for k, cs := range p.byKind {
		for _, c := range cs {
			i, ok := of[c]
			if !ok {
				i = len(of) % n
				of[c] = i
			}
			parts[i].byKind[k] = append(parts[i].byKind[k], c)
		}
	}
	return parts
}
