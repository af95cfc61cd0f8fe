package parse

import (
	"bufio"
	"bytes"
	"context"
	"io"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// NewTables returns the tables that Read fills, for benchmarks of package wire.
func NewTables() wire.Tables { return tables{newSymbols()} }

// ReadReference is ReadTo with the events of the reference reader.
func ReadReference(ctx context.Context, r io.Reader, sink Sink) (*Trace, error) {
	return readTo(ctx, r, Options{}, func(r *bufio.Reader, version int, sym *Symbols) (source, error) {
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		ref, err := newXReader(bytes.NewReader(data), sym)
		if err != nil || !wire.Version(version).ByThread() {
			return ref, err
		}
		own, err := wire.NewReader(bufio.NewReader(bytes.NewReader(data)), wire.Version(version), tables{sym})
		return &foretelling{ref, singly{source: own}}, err
	}, sink)
}

// foretelling is the reference with what it does not look for: stacks that goroutines
// show only later.
type foretelling struct {
	source
	own singly
}

func (f *foretelling) Read(buf []wire.Event) (n int, err error) {
	n, err = f.source.Read(buf)
	for i := range buf[:n] {
		var e wire.Event
		if f.own.one(&e); e.Op == wire.OpGo {
			buf[i].Values = e.Values
		}
	}
	return n, err
}
