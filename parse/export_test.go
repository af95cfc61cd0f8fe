package parse

import (
	"bufio"
	"context"
	"io"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// NewTables returns the tables that Read fills, for benchmarks of package wire.
func NewTables() wire.Tables { return tables{newSymbols()} }

// ReadReference is ReadTo with the events of the reference reader.
func ReadReference(ctx context.Context, r io.Reader, sink Sink) (*Trace, error) {
	return readTo(ctx, r, Options{}, func(r *bufio.Reader, _ int, sym *Symbols) (source, error) { return newXReader(r, sym) }, sink)
}
