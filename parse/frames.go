package parse

import (
	"io"
	"strings"
)

// Types of bytes that begin a batch (internal/trace/tracev2/events.go).
const (
	wireEventBatch        = 1
	wireStrings           = 4
	wireExperimentalBatch = 49
	wireEndOfGeneration   = 52
)

// frames watches the bytes of a v2 trace on their way to the reader and counts
// what the reader does not tell: which generations begin and which end. The
// file of a process that was killed often ends so neatly that the reader
// accepts it.
type frames struct {
	r   io.Reader
	n   int64 // bytes passed on
	err error // what the input stream itself failed with, other than its end

	header  int    // bytes of the file header still to come
	field   int    // of the batch header: 0 type, 1 experiment, 2 generation, 3 thread, 4 time, 5 size
	value   uint64 // of the varint being read
	shift   uint
	gen     uint64
	size    uint64 // of the batch data still to come
	first   bool   // the next byte is the first of the batch data
	foreign bool   // bytes that are no batch: counting has stopped
	at      int64  // bytes watched before them
	another bool   // they look like the header of another trace

	begun, ended int  // generations
	strings      bool // the last generation has a string table
	tables       int  // generations that have one
}

func newFrames(r io.Reader) *frames { return &frames{r: r, header: 16} }

func (f *frames) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.n += int64(n)
	f.watch(p[:n])
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

func (f *frames) watch(p []byte) {
	for len(p) > 0 && !f.foreign {
		left := len(p)
		switch {
		case f.header > 0:
			n := min(f.header, len(p))
			f.header -= n
			p = p[n:]
		case f.size > 0:
			if f.first {
				f.first = false
				if p[0] == wireStrings && !f.strings {
					f.strings = true
					f.tables++
				}
			}
			n := int(min(f.size, uint64(len(p))))
			f.size -= uint64(n)
			p = p[n:]
		default:
			f.batchHeader(p[0])
			if f.foreign {
				f.another = strings.HasPrefix("go 1.", string(p[:min(len(p), 5)]))
				return
			}
			p = p[1:]
		}
		f.at += int64(left - len(p))
	}
}

func (f *frames) batchHeader(b byte) {
	switch f.field {
	case 0:
		switch b {
		case wireEventBatch:
			f.field = 2
		case wireExperimentalBatch:
			f.field = 1
		case wireEndOfGeneration:
			f.ended++
			f.gen = 0
		default:
			f.foreign = true
		}
		return
	case 1:
		f.field = 2
		return
	}
	if f.shift < 64 {
		f.value |= uint64(b&0x7f) << f.shift
	}
	f.shift += 7
	if b >= 0x80 {
		f.foreign = f.shift > 63
		return
	}
	switch f.field {
	case 2:
		if f.value != f.gen {
			f.gen = f.value
			f.begun++
			f.strings = false
		}
	case 5:
		f.size = f.value
		f.first = true
		f.field = -1
	}
	f.field++
	f.value, f.shift = 0, 0
}

// inBatch reports whether the bytes ended inside a batch.
func (f *frames) inBatch() bool { return f.field != 0 || f.size > 0 || f.header > 0 }

// unfinished reports whether the last generation was begun but not written to its
// end, although the bytes end between two batches. Go 1.26 marks the end of a
// generation; before, its string table comes last (trace.go:traceAdvance).
func (f *frames) unfinished(version int) bool {
	if version >= 26 {
		return f.ended < f.begun
	}
	return f.tables > 0 && !f.strings
}
