package parse

import (
	"bufio"
	"io"
	"math/bits"
	"sync"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// spare is memory that reading a trace takes for a while, whatever it holds. The next
// trace gets it as it was left: an audit reads thousands of small ones.
type spare struct {
	in     *bufio.Reader
	events []wire.Event // inPlaceLen
	rings  [3][]step    // of fewSteps, and of the next sizes
	walk   walk
}

// spareParts is the longest path of which the memory is kept.
const spareParts = 1 << 12

var spares = sync.Pool{New: func() any {
	return &spare{in: bufio.NewReaderSize(nil, 64<<10), events: make([]wire.Event, inPlaceLen)}
}}

// borrow returns memory for reading r, to be given back.
func borrow(r io.Reader) *spare {
	s := spares.Get().(*spare)
	s.in.Reset(r)
	return s
}

// giveBack is called when nothing reads or follows the trace any more.
func (s *spare) giveBack() {
	s.in.Reset(nil)
	if cap(s.walk.parts) > spareParts || cap(s.walk.goals) > spareParts {
		s.walk = walk{}
	}
	spares.Put(s)
}

// ring returns room for n steps. It is called once for each n.
func (s *spare) ring(n int) []step {
	if s == nil || n > fewSteps<<4 {
		return make([]step, n)
	}
	r := &s.rings[bits.Len(uint(n/fewSteps))/2]
	if *r == nil {
		*r = make([]step, n)
	}
	return *r
}
