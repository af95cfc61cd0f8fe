package parse

import (
	"errors"
	"fmt"
)

// The kinds of fault a trace can have; test with errors.Is.
var (
	ErrCorrupt     = errors.New("corrupt trace")     // bytes that no tracer writes
	ErrTruncated   = errors.New("truncated trace")   // its end is missing
	ErrUnsupported = errors.New("unsupported input") // not a Go execution trace, or of a version we do not know
)

// Error is a fault of the input: not of tracelens, and not of the disk or
// network, whose errors are passed on as they are.
type Error struct {
	Kind       error  // ErrCorrupt, ErrTruncated or ErrUnsupported
	Generation int    // ordinal of the generation it was found in, from 1; 0 if before any
	Offset     int64  // bytes of the uncompressed input consumed when it was found
	Detail     string // what is wrong, for people
}

func (e *Error) Error() string {
	where := ""
	if e.Generation > 0 {
		where = fmt.Sprintf(" in generation %d", e.Generation)
	}
	if e.Offset > 0 {
		where += fmt.Sprintf(" near byte %d", e.Offset)
	}
	return fmt.Sprintf("%v%s: %s", e.Kind, where, e.Detail)
}

func (e *Error) Unwrap() error { return e.Kind }
