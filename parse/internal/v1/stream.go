package v1

// raw is an event as one P wrote it.
type raw struct {
	time  int64  // ticks
	g     uint64 // that ran, or that a start, exit or status is about; 0 for none
	args  [3]uint64
	stack uint32
	typ   uint8 // "local" forms are what they stand for, with noSeq
}

// noSeq is the sequence number of an event that follows the one before it on the same
// P, and so needs none.
const noSeq = ^uint64(0)

// stream is what one P wrote, in its order, and what is known of that P.
type stream struct {
	p       int32 // None: threads without a P
	batches []batch
	events  int

	last     int64 // time of the last event, and its type
	lastType uint8

	// Decoding.
	next int // batch
	off  int // in batches[next-1]
	time int64
	g    uint64
	evs  []raw // decoded
	at   int   // the next of them

	// The P, as far as its events are delivered.
	m       int64
	started bool
	cur     uint64 // the goroutine whose slot is known
	slot    uint32
}

// blockLen is how many events of a stream are decoded at a time.
const blockLen = 128

func newStream(p int32) *stream { return &stream{p: p, m: none} }

// refill decodes the next events; false at the end. Events of strings and stacks,
// and samples, are skipped: the index has them.
func (s *stream) refill(data []byte, want *[64]uint8) bool {
	if s.evs == nil {
		s.evs = make([]raw, 0, min(blockLen, s.events))
	}
	s.evs, s.at = s.evs[:0], 0
	for len(s.evs) < cap(s.evs) {
		if s.next == 0 || s.off >= s.batches[s.next-1].end {
			if s.next == len(s.batches) {
				break
			}
			b := &s.batches[s.next]
			s.next++
			s.off, s.time = b.off, b.time
			continue
		}
		s.evs = s.evs[:len(s.evs)+1]
		if !s.decode(data, want, &s.evs[len(s.evs)-1]) {
			s.evs = s.evs[:len(s.evs)-1]
		}
	}
	return len(s.evs) > 0
}

// number reads a number that the index has checked.
func number(data []byte, off int) (v uint64, next int) {
	b := data[off]
	if off++; b < 0x80 {
		return uint64(b), off
	}
	v = uint64(b & 0x7f)
	for shift := uint(7); ; shift += 7 {
		b = data[off]
		off++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, off
		}
	}
}

// decode reads the event at s.off; false if it is none of the P.
func (s *stream) decode(data []byte, want *[64]uint8, ev *raw) bool {
	off := s.off
	b := data[off]
	off++
	typ := b & 0x3f
	switch typ {
	case evString, evStack, evCPUSample, evFrequency, evTimerGoroutine:
		s.off = skip(data, s.off)
		return false
	}
	if b>>6 == 3 {
		_, off = number(data, off) // length
	}
	n := int(want[typ])
	delta, off := number(data, off)
	s.time += int64(delta)
	*ev = raw{time: s.time, typ: typ, g: s.g}
	n--
	if specs[typ].stack {
		n--
	}
	for i := range n {
		ev.args[i], off = number(data, off)
	}
	if specs[typ].stack {
		var id uint64
		id, off = number(data, off)
		ev.stack = uint32(id)
	}
	switch typ {
	case evGoStart, evGoStartLabel:
		s.g = ev.args[0]
		ev.g = s.g
	case evGoStartLocal:
		s.g = ev.args[0]
		ev.g, ev.typ, ev.args[1] = s.g, evGoStart, noSeq
	case evGoUnblockLocal:
		ev.typ, ev.args[1] = evGoUnblock, noSeq
	case evGoSysExitLocal:
		ev.g, ev.typ, ev.args[1] = ev.args[0], evGoSysExit, noSeq
	case evGoSysExit, evGoWaiting, evGoInSyscall:
		ev.g = ev.args[0]
	case evGoEnd, evGoStop, evGoSched, evGoPreempt, evGoSleep, evGoBlock, evGoBlockSend, evGoBlockRecv,
		evGoBlockSelect, evGoBlockSync, evGoBlockCond, evGoBlockNet, evGoSysBlock, evGoBlockGC:
		s.g = 0
	case evGoSysCall:
		if s.blocks(data, off) {
			ev.args[0] = 1
		}
	case evLog:
		ev.args[2] = uint64(off)
		size, next := number(data, off)
		off = next + int(size)
	}
	s.off = off
	return true
}

// skip returns where the event after the one at off begins.
func skip(data []byte, off int) int {
	b := data[off]
	off++
	typ := b & 0x3f
	switch {
	case typ == evString:
		_, off = number(data, off)
		size, off := number(data, off)
		return off + int(size)
	case b>>6 == 3:
		size, next := number(data, off)
		off = next + int(size)
	default:
		for range b>>6 + 1 {
			_, off = number(data, off)
		}
	}
	if typ == evLog {
		size, next := number(data, off)
		off = next + int(size)
	}
	return off
}

// blocks reports whether the next event of the goroutine that runs, from off on, says
// that its system call lost its P. If not, the call was short, or it ended with its P.
func (s *stream) blocks(data []byte, off int) bool {
	for next := s.next; ; {
		for off < s.batches[next-1].end {
			switch data[off] & 0x3f {
			case evGoSysBlock:
				return true
			case evString, evStack, evCPUSample, evFrequency, evTimerGoroutine:
				off = skip(data, off)
			default:
				return false
			}
		}
		if next == len(s.batches) {
			return false
		}
		off = s.batches[next].off
		next++
	}
}
