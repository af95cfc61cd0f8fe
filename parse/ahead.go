package parse

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// batch is a stretch of a source's events with the tables they refer to, as far as
// these were known then: the source may go on adding to them.
type batch struct {
	events  []wire.Event
	err     error // after the events
	strings []string
	groups  []StringID
	stacks  []stackInfo
	bytes   int64        // read so far
	readers atomic.Int32 // trackers that have still to follow it
}

// batchLen is large enough that handing a batch to another goroutine costs
// nothing by comparison, and small enough for it to stay in a cache.
const batchLen = 4096

// inPlaceLen is for a batch that is not handed over.
const inPlaceLen = 512

func newBatch(n int) *batch { return &batch{events: make([]wire.Event, n)} }

// fill reads the next events of src.
func (b *batch) fill(src source, sym *Symbols, in *counted) {
	b.events = b.events[:cap(b.events)]
	n, err := src.Read(b.events)
	b.events, b.err = b.events[:n], err
	sym.settle()
	b.strings, b.groups, b.stacks, b.bytes = sym.strings, sym.groups, sym.stacks, in.n
}

// followInPlace reads src to its end and gives it to t.
func followInPlace(ctx context.Context, src source, sym *Symbols, in *counted, t *tracker, sp *spare) error {
	b := &batch{events: sp.events}
	return t.run(ctx, func() *batch {
		b.fill(src, sym, in)
		return b
	})
}

// followBeside does so for several trackers, each in a goroutine of its own, and
// reads ahead of them in another. All follow all events: what one of them has to know
// of goroutines and Ps costs less than to tell it another. The goroutines have
// ended when it returns; a panic in one of them is passed on.
func followBeside(ctx context.Context, src source, sym *Symbols, in *counted, ts []*tracker) error {
	const depth = 4
	free := make(chan *batch, depth)
	for range depth {
		free <- newBatch(batchLen)
	}
	full := make([]chan *batch, len(ts))
	errs := make([]error, len(ts))
	faults := make([]string, 1+len(ts)) // the reader's first: it is the cause of the others
	guard := func(fault *string) {
		if v := recover(); v != nil {
			*fault = fmt.Sprintf("%v\n%s", v, debug.Stack())
		}
	}
	var all sync.WaitGroup
	var following atomic.Int32
	following.Store(int32(len(ts)))
	for i, t := range ts {
		full[i] = make(chan *batch, depth)
		all.Go(func() {
			var last *batch
			release := func() {
				if last != nil && last.readers.Add(-1) == 0 {
					free <- last // never blocks: it holds all there are
				}
				last = nil
			}
			next := func() *batch {
				release()
				last = <-full[i]
				return last
			}
			func() {
				defer guard(&faults[i+1])
				errs[i] = t.run(ctx, next)
			}()
			following.Add(-1)
			release()
			for last = range full[i] {
				release()
			}
		})
	}
	func() {
		defer guard(&faults[0])
		for following.Load() > 0 {
			b := <-free
			b.fill(src, sym, in)
			last := b.err != nil
			b.readers.Store(int32(len(ts)))
			for _, c := range full {
				c <- b
			}
			if last {
				break
			}
		}
	}()
	for _, c := range full {
		close(c)
	}
	all.Wait()
	for _, fault := range faults {
		if fault != "" {
			panic(fault)
		}
	}
	return errs[0]
}
