package parse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Trace is what is known of a trace as a whole once it has been read.
type Trace struct {
	*Symbols
	Version     int    // of the format: 11, 19, 21 (v1), 22, 23 (Go 1.23 and 1.24), 25, 26
	Compression string // "gzip", "zstd" or ""
	Bytes       int64  // uncompressed
	Events      int64  // as the reference reader delivers them, without Sync
	Generations int    // that were delivered whole
	Begun       int    // generations that the file begins

	First, Last Time // first and last event
	From, To    Time // what was analysed: First and Last, or the window
	Quantum     int64
	Wall        time.Time // wall clock at First; zero before Go 1.25
	Procs       int       // GOMAXPROCS at the end; 0 when never told
	Threads     int       // distinct thread ids seen
	Quiet       int64     // ns analysed in which no goroutine of the program ran or could run
	Initial     int       // goroutines that existed when the trace began
	Start       bool      // it begins with trace.Start, not in mid-flight as a flight recorder's does

	// Fault is why the trace is not complete: an *Error, or an I/O error. What
	// was read before it is analysed.
	Fault   error
	Quality Quality
}

// V1 reports whether the trace has the format of Go 1.11 to 1.21.
func (t *Trace) V1() bool { return t.Version < 22 }

// Duration is the analysed time in ns.
func (t *Trace) Duration() int64 { return int64(t.To - t.From) }

// Quality counts what is odd in a trace. Each counter is 0 in a sound one.
type Quality struct {
	StateMismatch    int64 `json:"state_mismatch"`     // a goroutine left a state it was not in
	ProcMismatch     int64 `json:"proc_mismatch"`      // an event on a P that was not in a fitting state
	UnpairedEnds     int64 `json:"unpaired_ends"`      // a range ended that had not begun in the trace
	NestedBegins     int64 `json:"nested_begins"`      // a range began that was open already
	Unnamed          int64 `json:"unnamed_goroutines"` // goroutines whose entry function is never told; counted as user
	ClockJumps       int64 `json:"clock_jumps"`        // more than an hour between two events
	ClockChanges     int64 `json:"clock_changes"`      // generations whose clock has another frequency than the one before
	ImplausibleClock int64 `json:"implausible_clock"`  // more than 1 event per 10 ns of trace time: the number of events
	CrossedRegions   int64 `json:"crossed_regions"`    // regions that ended before one begun inside them: legal, but most likely not meant
	ImplausibleProcs int64 `json:"implausible_procs"`  // P numbers beyond any GOMAXPROCS
}

// Options choose what Read reports.
type Options struct {
	From, To time.Duration                // window relative to the first event; To 0 is the end
	Progress func(bytes int64, last Time) // called now and then, if not nil
	MaxBytes int64                        // of a compressed trace, decompressed: more is a fault; 0 is what its size allows, see maxRatio
}

// Read reads a trace (plain, gzip or zstd) and calls emit with each event; an
// event is valid until emit returns. The error is nil when at least one event
// could be read; what is missing then is in Trace.Fault.
//
// A window is analysed as if the trace began and ended at its edges: spans
// that reach over an edge are cut there and marked Partial.
func Read(ctx context.Context, r io.Reader, opt Options, emit func(*Event)) (*Trace, error) {
	return ReadTo(ctx, r, opt, Sink{AllKinds, emit})
}

// A Sink takes in the events of some kinds.
type Sink struct {
	Kinds Kinds
	Event func(*Event)
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
	fr := newFrames(br)
	src, err := open(bufio.NewReaderSize(fr, 64<<10), version, tr.Symbols)
	if err != nil {
		return nil, fault(err, tr, fr, 0, converted)
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
	if len(ts) == 1 {
		err = followInPlace(ctx, src, tr.Symbols, fr, t)
	} else {
		err = followBeside(ctx, src, tr.Symbols, fr, ts)
	}
	if t.opt.Progress != nil {
		t.opt.Progress(fr.n, t.now)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		tr.Fault = fault(err, tr, fr, max(1, min(t.syncs, fr.begun)), converted)
		if tr.V1() {
			return nil, tr.Fault // what it has lost may be of any time
		}
	}
	tr.Bytes = fr.n
	tr.Generations = t.generation
	tr.Begun = t.generation
	switch {
	case tr.V1(), t.done && t.fault == nil:
		// One generation, whole or unreadable; or the window ends before the file.
	case tr.Fault != nil:
		tr.Generations = max(0, t.syncs-1)
		if version < 26 && fr.tables > 0 {
			tr.Generations = min(tr.Generations, fr.tables) // a cut generation may be delivered empty
		}
		tr.Begun = max(fr.begun, tr.Generations)
	default:
		tr.Begun = max(fr.begun, t.generation)
		if fr.unfinished(version) {
			tr.Generations = min(tr.Generations, tr.Begun-1)
			tr.Fault = &Error{ErrTruncated, tr.Begun, fr.n, fmt.Sprintf("generation %d was begun but never ended: the program was killed, crashed or did not call trace.Stop, and its last moments are missing", tr.Begun)}
		}
	}
	// N.B. up to Go 1.25 a cut generation is delivered to where its tables are missed.
	if tr.Events == 0 || tr.Generations == 0 && errors.Is(tr.Fault, ErrTruncated) {
		if tr.Fault != nil {
			return nil, tr.Fault
		}
		if fr.begun == 0 && !tr.V1() {
			return nil, &Error{ErrTruncated, 0, fr.n, "the file ends after its header"}
		}
		if fr.begun == 1 && !fr.strings {
			return nil, &Error{ErrTruncated, tr.Begun, fr.n, "it ends before its first event"}
		}
		return nil, &Error{ErrCorrupt, tr.Begun, fr.n, "it holds no events"}
	}
	return tr, nil
}

// headerVersion reads the "go 1.N trace" header (internal/trace/version).
func headerVersion(head []byte) (int, error) {
	var v int
	if !strings.HasPrefix(string(head), "go 1.") {
		return 0, &Error{Kind: ErrUnsupported, Detail: foreign(head)}
	}
	if len(head) < 16 {
		return 0, &Error{Kind: ErrTruncated, Offset: int64(len(head)), Detail: "the file ends inside its header"}
	}
	if _, err := fmt.Sscanf(string(head[:16]), "go 1.%d trace\x00\x00\x00", &v); err != nil {
		return 0, &Error{Kind: ErrUnsupported, Detail: foreign(head)}
	}
	switch v {
	case 11, 19, 21, 22, 23, 25, 26:
		return v, nil
	case 5, 7, 8, 9, 10:
		return 0, &Error{Kind: ErrUnsupported, Detail: fmt.Sprintf("format go 1.%d; the oldest that can be read is go 1.11", v)}
	}
	return 0, &Error{Kind: ErrUnsupported, Detail: fmt.Sprintf("format go 1.%d is not known to this version, which reads go 1.11 to go 1.26", v)}
}

// fault turns an error of a reader into one that says whose fault
// it is and where. Errors of the input stream itself pass through.
func fault(err error, tr *Trace, fr *frames, generation int, converted string) error {
	if fr.err != nil {
		var e *Error
		if errors.As(fr.err, &e) {
			return &Error{e.Kind, generation, fr.n, e.Detail}
		}
		return fr.err
	}
	detail := err.Error()
	// Some messages carry a dump of the reader's state.
	if i := strings.IndexByte(detail, '\n'); i >= 0 {
		detail = strings.TrimSuffix(detail[:i], ":")
	}
	kind := ErrCorrupt
	switch {
	case tr.V1():
		if strings.Contains(detail, "EOF") || strings.Contains(detail, "malformatted base-128 varint") || strings.Contains(detail, "in trace.stack table") {
			kind = ErrTruncated
		}
		detail += "; a trace of Go 1.21 or older can only be read whole"
	case fr.another && generation > 1:
		detail = fmt.Sprintf("another trace begins at byte %d, and only the first is analysed: split the file there (tail -c +%d)", fr.at, fr.at+1)
	case fr.foreign && generation > 1:
		detail = fmt.Sprintf("bytes that are no part of a trace follow generation %d (%s)", generation-1, detail)
	case tr.Version < 26 && generation == fr.begun && (!fr.strings && strings.Contains(detail, "failed to advance") || strings.Contains(detail, "string ID") || strings.Contains(detail, "stack ID") ||
		strings.Contains(detail, "no frequency event") || strings.Contains(detail, "no clock snapshot")):
		// Up to Go 1.25 tables are written at the end of a generation, and nothing
		// marks that end: a cut generation is taken for a whole one.
		kind = ErrTruncated
		detail = "the last generation lacks its tables (" + detail + ")"
	case fr.inBatch() && strings.Contains(detail, "failed to read full batch"), strings.Contains(detail, "incomplete generation"),
		strings.HasPrefix(detail, "error reading batch") && strings.HasSuffix(detail, "EOF"):
		kind = ErrTruncated
	}
	if generation <= 1 && converted != "" {
		detail += "; " + converted
	}
	return &Error{kind, generation, fr.n, detail}
}
