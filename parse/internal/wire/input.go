package wire

import (
	"bufio"
	"io"
)

// header is the head of a batch.
type header struct {
	exp  bool
	end  bool // EndOfGeneration
	gen  uint64
	m    int64
	time uint64
	size int
}

// input counts the bytes that are read of a trace.
type input struct {
	r *bufio.Reader
	n int64
}

func (in *input) byte() (byte, error) {
	b, err := in.r.ReadByte()
	if err == nil {
		in.n++
	}
	return b, err
}

func (in *input) uvarint() (uint64, error) {
	var x uint64
	for s := uint(0); ; s += 7 {
		b, err := in.byte()
		if err != nil {
			return 0, err
		}
		if b < 0x80 {
			if s == 63 && b > 1 || s > 63 {
				break
			}
			return x | uint64(b)<<s, nil
		}
		if s >= 63 {
			break
		}
		x |= uint64(b&0x7f) << s
	}
	return 0, corrupt("it overflows 64 bits")
}

// header reads the head of the next batch; io.EOF when there is none.
func (in *input) header() (h header, err error) {
	typ, err := in.byte()
	if err != nil {
		return h, err
	}
	switch typ {
	case EvEndOfGeneration:
		h.end = true
		return h, nil
	case EvExperimentalBatch:
		experiment, err := in.byte()
		if err != nil {
			return h, headerFault("experiment", err)
		}
		h.exp = experiment != 0 // 0 is none: a batch like any other
	case EvEventBatch:
	default:
		in.n--
		in.r.UnreadByte()
		e := corrupt("expected batch event, got event %d", typ)
		if next, _ := in.r.Peek(5); string(next) == "go 1." {
			return h, e.with(otherTrace)
		}
		return h, e.with(noBatch)
	}
	if h.gen, err = in.uvarint(); err != nil {
		return h, headerFault("gen", err)
	}
	m, err := in.uvarint()
	if err != nil {
		return h, headerFault("M ID", err)
	}
	h.m = int64(m)
	if h.time, err = in.uvarint(); err != nil {
		return h, headerFault("timestamp", err)
	}
	size, err := in.uvarint()
	if err != nil {
		return h, headerFault("size", err)
	}
	if size > MaxBatchSize {
		return h, corrupt("invalid batch size %d, maximum is %d", size, MaxBatchSize)
	}
	h.size = int(size)
	return h, nil
}

// headerFault says that a part of a header cannot be read.
func headerFault(part string, err error) error {
	switch e, ok := err.(*Error); {
	case ok:
		return corrupt("error reading batch %s: %s", part, e.Detail)
	case err == io.EOF:
		return truncated("error reading batch %s: %v", part, io.ErrUnexpectedEOF)
	}
	return err
}

// uvarint reads a varint at b[i:] and returns the index after it, or -1 if there
// is no whole one of at most 64 bits.
func uvarint(b []byte, i int) (uint64, int) {
	if i < len(b) && b[i] < 0x80 {
		return uint64(b[i]), i + 1
	}
	var x uint64
	for s := uint(0); i < len(b) && s < 70; s += 7 {
		c := b[i]
		i++
		if c < 0x80 {
			if s == 63 && c > 1 {
				return 0, -1
			}
			return x | uint64(c)<<s, i
		}
		x |= uint64(c&0x7f) << s
	}
	return 0, -1
}
