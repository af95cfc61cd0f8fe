package parse

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A compressed trace may be maxRatio times as long as its bytes, and minPlain more:
// traces are up to 5 times, and what is made to fill a disk or a day 1000 times or more.
const (
	maxRatio = 100
	minPlain = 64 << 20
)

// decompress recognises gzip and zstd by content and returns the plain bytes, at most
// most if that is not 0.
func decompress(r io.Reader, most int64) (*bufio.Reader, string, error) {
	in := &counted{r: r}
	br := bufio.NewReader(in) // whoever reads more at once reads past it
	head, err := br.Peek(4)
	if len(head) == 0 && err != nil && err != io.EOF {
		return nil, "", err
	}
	c := &compressed{in: in, most: most}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		c.format = "gzip"
		c.r, err = gzip.NewReader(bufio.NewReaderSize(br, 64<<10))
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		c.format = "zstd"
		c.r, err = zstd.NewReader(bufio.NewReaderSize(br, 64<<10), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	default:
		return br, "", nil
	}
	if err != nil {
		return nil, "", c.fault(err)
	}
	return bufio.NewReaderSize(c, 64<<10), c.format, nil
}

// maxWindow is what zstd's own command accepts without being told more.
const maxWindow = 128 << 20

// counted counts the bytes of the input, and keeps what it failed with.
type counted struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// compressed bounds a compressed stream, and turns its faults into faults of the trace.
type compressed struct {
	r      io.Reader
	in     *counted
	format string
	most   int64
	n      int64 // bytes delivered
}

func (c *compressed) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	switch {
	case c.most > 0 && c.n > c.most:
		return 0, &Error{Kind: ErrCorrupt, Detail: "the " + c.format + " stream is longer than allowed when decompressed"}
	case c.n > minPlain+maxRatio*c.in.n:
		return 0, &Error{Kind: ErrCorrupt, Detail: fmt.Sprintf("the %s stream decompresses to over %d times its size, as no trace does", c.format, maxRatio)}
	case err == nil || err == io.EOF:
		return n, err
	}
	return n, c.fault(err)
}

func (c *compressed) fault(err error) error {
	switch {
	case c.in.err != nil:
		return c.in.err
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		return &Error{Kind: ErrTruncated, Detail: "the " + c.format + " stream ends early"}
	}
	return &Error{Kind: ErrCorrupt, Detail: c.format + ": " + err.Error()}
}
