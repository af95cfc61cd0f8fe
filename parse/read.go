package parse

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"

	"github.com/tracelens/tracelens/parse/internal/v1"
	"github.com/tracelens/tracelens/parse/internal/wire"
)

// Options choose what Read reports.
type Options struct {
	From, To time.Duration                // window relative to the first event; To 0 is the end
	Requests []string                     // functions of which each call is a request, as in "main.(*Server).handle"; see RequestEntry
	Progress func(bytes int64, last Time) // called now and then, if not nil
	MaxBytes int64                        // of a compressed trace, decompressed: more is a fault; 0 is 100 times its size and 64 MiB
}

// Read reads a trace (plain, gzip or zstd) and calls emit with each event; an
// event is valid until emit returns. The error is nil when at least one event
// could be read; what is missing then is in Trace.Fault.
//
// A window is analysed as if the trace began and ended at its edges: spans
// that reach over an edge are cut there and marked Partial.
func Read(ctx context.Context, r io.Reader, opt Options, emit func(*Event)) (*Trace, error) {
	return ReadTo(ctx, r, opt, Sink{Kinds: AllKinds, Event: emit})
}

// A Sink takes in the events of some kinds.
type Sink struct {
	Kinds  Kinds
	Event  func(*Event)
	ByKind [NumKinds]func(*Event) // instead of Event, where not nil
}

// ReadTo is Read for several sinks. Each gets its events in the trace's order, but in
// a goroutine of its own, while another reads ahead; a single one gets them in the
// calling goroutine.
func ReadTo(ctx context.Context, r io.Reader, opt Options, sinks ...Sink) (*Trace, error) {
	return readTo(ctx, r, opt, newSource, sinks...)
}

func readTo(ctx context.Context, r io.Reader, opt Options, open opener, sinks ...Sink) (*Trace, error) {
	br, compression, err := decompress(r, opt.MaxBytes)
	if err != nil {
		return nil, err
	}
	head, err := br.Peek(4096)
	if err != nil && err != io.EOF {
		var e *Error
		if !errors.As(err, &e) || len(head) < 16 {
			return nil, err
		}
	}
	converted := textConverted(head)
	version, err := headerVersion(head)
	if err != nil {
		return nil, err
	}
	tr := &Trace{Symbols: newSymbols(), Version: version, Compression: compression}
	tr.Symbols.entries = entriesOf(opt.Requests)
	in := &counted{r: br}
	sp := borrow(in)
	defer sp.giveBack()
	src, err := open(sp.in, version, tr.Symbols)
	if err != nil {
		return nil, fault(err, 0, in.n, converted)
	}
	var ts []*tracker
	for i, sink := range sinks {
		own := *tr
		if i > 0 {
			opt.Progress = nil
		}
		ts = append(ts, newTracker(&own, opt, sink))
	}
	t := ts[0]
	tr = t.tr
	t.reqs.log.spare, t.reqs.walk = sp, sp.walk
	defer func() { sp.walk = t.reqs.walk }()
	if len(ts) == 1 {
		err = followInPlace(ctx, src, tr.Symbols, in, t, sp)
	} else {
		err = followBeside(ctx, src, tr.Symbols, in, ts)
	}
	tr.nameGroups(t.groupGos)
	if t.opt.Progress != nil {
		t.opt.Progress(in.n, t.now)
	}
	tr.Generations, tr.Begun = t.generation, t.generation
	if err != nil {
		at, begun, whole := in.n, max(1, t.syncs), t.syncs
		generation := 0 // v1 has none
		switch r := src.(type) {
		case *wire.Reader:
			r.Skim(func() bool { return ctx.Err() != nil })
			begun, whole = r.Generations()
			generation = min(max(1, t.syncs), begun)
		case *v1.Reader:
			begun, whole = r.Generations()
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		tr.Fault = fault(err, generation, at, converted)
		// Up to Go 1.25 a cut generation may be delivered empty.
		tr.Generations = min(max(0, t.syncs-1), whole)
		tr.Begun = max(begun, tr.Generations)
	}
	tr.Bytes = in.n
	switch {
	case tr.Events > 0 && (tr.Generations > 0 || tr.V1() || !errors.Is(tr.Fault, ErrTruncated)):
		return tr, nil
	case tr.Fault != nil: // up to Go 1.25 a cut generation is delivered to where its tables are missed
		return nil, tr.Fault
	}
	return nil, &Error{ErrCorrupt, tr.Begun, tr.Bytes, "it holds no events"}
}

// fault says what kind of fault err is and where it was found. What the input itself
// failed with passes through.
func fault(err error, generation int, offset int64, converted string) error {
	e := &Error{Generation: generation, Offset: offset}
	var own *Error // of a compressed stream, a tracker or the reference
	var read *wire.Error
	switch {
	case errors.As(err, &own):
		e.Kind, e.Detail = own.Kind, own.Detail
	case errors.As(err, &read):
		e.Kind, e.Offset, e.Detail = ErrCorrupt, read.Offset, read.Detail
		if read.Kind == wire.Truncated {
			e.Kind = ErrTruncated
		}
	default:
		return err
	}
	if generation <= 1 && converted != "" {
		e.Detail += "; " + converted
	}
	return e
}

// source delivers the events of a trace in order: see [wire.Reader.Read].
type source interface {
	Read([]wire.Event) (int, error)
}

// opener returns the reader for a format.
type opener func(r *bufio.Reader, version int, sym *Symbols) (source, error)

// newSource returns the reader for a format.
func newSource(r *bufio.Reader, version int, sym *Symbols) (source, error) {
	if v := wire.Version(version); v.ByThread() {
		return wire.NewReader(r, v, tables{sym})
	}
	return v1.NewReader(r, version, tables{sym})
}
