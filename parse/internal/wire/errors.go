package wire

import (
	"errors"
	"fmt"
)

// Kind is the kind of an Error.
type Kind uint8

const (
	Corrupt   Kind = iota // bytes that no tracer writes
	Truncated             // the bytes end before the trace does
)

// An Error is a fault of a trace. What the stream of its bytes fails with is passed on
// as it is.
type Error struct {
	Kind   Kind
	Offset int64  // bytes of the trace read when it was found
	Detail string // what is wrong, for people
	clue   clue
}

func (e *Error) Error() string { return e.Detail }

// clue is what may tell more of a fault once it is known where it was found.
type clue uint8

const (
	noClue     clue = iota
	noEntry         // a string, a stack or the clock is in no table
	noEvent         // others wait for one
	noBatch         // bytes begin none
	otherTrace      // they begin another trace
)

func corrupt(format string, args ...any) *Error {
	return &Error{Detail: fmt.Sprintf(format, args...)}
}

func truncated(format string, args ...any) *Error {
	return &Error{Kind: Truncated, Detail: fmt.Sprintf(format, args...)}
}

// with returns e with a clue.
func (e *Error) with(c clue) *Error {
	e.clue = c
	return e
}

var (
	errEmpty = truncated("the file ends after its header")

	errUnended = truncated("it was begun but never ended: the program was killed, crashed or did not call trace.Stop, and its last moments are missing")
)

// fail notes what ends the reading.
func (r *Reader) fail(err error) {
	r.err = err
	var found *Error
	if !errors.As(err, &found) {
		return
	}
	e := *found
	r.err = &e
	e.Offset = r.in.n
	if r.early != nil { // it is of what is being delivered
		e.Offset = r.g.end
	}
	switch e.clue {
	case noBatch:
		if r.whole > 0 {
			e.Detail = fmt.Sprintf("bytes that are no part of a trace follow generation %d (%s)", r.whole, e.Detail)
		}
	case otherTrace:
		if r.whole > 0 {
			e.Detail = fmt.Sprintf("another trace begins at byte %d, and only the first is analysed: split the file there (tail -c +%d)", r.in.n, r.in.n+1)
		}
	case noEntry, noEvent:
		// Up to Go 1.25 tables are written at the end of a generation, and nothing marks
		// that end: a cut generation is taken for a whole one.
		if !r.version.MarksEnds() && r.g.atEnd && (e.clue == noEntry || !r.g.hasStrings) {
			e.Kind = Truncated
			e.Detail = "the last generation lacks its tables (" + e.Detail + ")"
		}
	}
}
