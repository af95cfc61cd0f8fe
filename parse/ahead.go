package parse

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// batch is a stretch of a source's events with the tables they refer to, as far as
// these were known then: the source may go on adding to them.
type batch struct {
	events  []wire.Event
	err     error // after the events
	strings []string
	stacks  []stackInfo
	bytes   int64  // read so far
	fault   string // a panic of the source
}

// batchLen is large enough that handing a batch to another goroutine costs
// nothing by comparison, and small enough for it to stay in a cache.
const batchLen = 4096

func newBatch() *batch { return &batch{events: make([]wire.Event, batchLen)} }

// fill reads the next events of src.
func (b *batch) fill(src source, sym *Symbols, fr *frames) {
	b.events = b.events[:cap(b.events)]
	n, err := src.Read(b.events)
	b.events, b.err = b.events[:n], err
	b.strings, b.stacks, b.bytes = sym.strings, sym.stacks, fr.n
}

// ahead reads src in a goroutine of its own. next returns its batches, each valid
// until the next; stop ends the goroutine and waits for it.
func ahead(src source, sym *Symbols, fr *frames) (next func() *batch, stop func()) {
	const depth = 4
	free, full := make(chan *batch, depth), make(chan *batch, depth)
	for range depth {
		free <- newBatch()
	}
	read := func(b *batch) {
		defer func() {
			if v := recover(); v != nil {
				b.fault = fmt.Sprintf("%v\n%s", v, debug.Stack())
			}
		}()
		b.fill(src, sym, fr)
	}
	var stopped atomic.Bool
	go func() {
		defer close(full)
		for b := range free {
			if stopped.Load() {
				return
			}
			read(b)
			full <- b // N.B. never blocks: it holds all there are
			if b.err != nil || b.fault != "" {
				return
			}
		}
	}()
	var last *batch
	next = func() *batch {
		if last != nil {
			free <- last
		}
		last = <-full
		if last.fault != "" {
			panic(last.fault)
		}
		return last
	}
	stop = func() {
		stopped.Store(true)
		close(free)
		for range full {
		}
	}
	return next, stop
}

// inPlace is ahead without the goroutine.
func inPlace(src source, sym *Symbols, fr *frames) (next func() *batch, stop func()) {
	b := newBatch()
	return func() *batch {
		b.fill(src, sym, fr)
		return b
	}, func() {}
}
