package tracetest

import (
	"encoding/binary"
	"slices"
	"strings"
)

// maxItems is what Mutate lets a trace grow to.
const maxItems = 50_000

// Mutate damages a trace as script says, which may be any bytes: it changes batches,
// the order of events, ids, times, counts, lengths and tables, not only single bits.
// An empty script changes nothing.
func (f *File) Mutate(script []byte) {
	m := &mutation{f, script}
	for len(m.script) > 0 && len(f.Batches) > 0 {
		m.step()
	}
}

type mutation struct {
	f      *File
	script []byte
}

// byte takes the next byte of the script, 0 at its end.
func (m *mutation) byte() byte {
	if len(m.script) == 0 {
		return 0
	}
	b := m.script[0]
	m.script = m.script[1:]
	return b
}

// below takes a number below n.
func (m *mutation) below(n int) int {
	if n <= 1 {
		return 0
	}
	v := uint64(m.byte())
	if n > 256 {
		v = v<<8 | uint64(m.byte())
	}
	return int(v % uint64(n))
}

// number takes a number of the kind that breaks things, or one near to old.
func (m *mutation) number(old uint64) uint64 {
	switch k := m.byte(); {
	case k < 64:
		return old + uint64(k) - 31
	case k < 128:
		return uint64(k - 64)
	case k < 192:
		return 1<<(k-128) + uint64(m.byte()%3) - 1
	case k < 200:
		return -uint64(m.byte())
	case k < 208:
		return uint64(m.byte()) * 0xF1DE83E19937733D // multiples of what makes Fibonacci hashing collide
	case k < 216:
		return old << (m.byte() % 64)
	}
	var b [8]byte
	for i := range b {
		b[i] = m.byte()
	}
	return binary.LittleEndian.Uint64(b[:])
}

func (m *mutation) batch() *Batch { return &m.f.Batches[m.below(len(m.f.Batches))] }

// item takes an item of a batch that has one, else nil.
func (m *mutation) item() (*Batch, int) {
	first := m.below(len(m.f.Batches))
	for i := range m.f.Batches {
		if b := &m.f.Batches[(first+i)%len(m.f.Batches)]; len(b.Items) > 0 {
			return b, m.below(len(b.Items))
		}
	}
	return nil, 0
}

// full reports whether the trace may not grow.
func (m *mutation) full() bool {
	n := 0
	for i := range m.f.Batches {
		n += 1 + len(m.f.Batches[i].Items)
	}
	return n > maxItems
}

func (m *mutation) step() {
	op := m.byte() % 32
	b, i := m.item()
	if b == nil {
		return
	}
	it := &b.Items[i]
	switch op {
	default: // one number of an event: the most frequent
		if len(it.Args) > 0 {
			v := &it.Args[m.below(len(it.Args))]
			*v = m.number(*v)
		}
	case 10: // an event lost
		b.Items = slices.Delete(b.Items, i, i+1)
	case 11: // twice
		b.Items = slices.Insert(b.Items, i, Item{it.Type, slices.Clone(it.Args), it.Text})
	case 12: // in another order
		k := m.below(len(b.Items))
		b.Items[i], b.Items[k] = b.Items[k], b.Items[i]
	case 13: // by another thread
		moved := *it
		b.Items = slices.Delete(b.Items, i, i+1)
		to := m.batch()
		to.Items = append(to.Items, moved)
	case 14: // of another type
		it.Type = Type(m.byte())
		if shape := shapes[it.Type]; shape != "-" {
			for len(it.Args) < len(shape) {
				it.Args = append(it.Args, m.number(1))
			}
			it.Args = it.Args[:len(shape)]
		}
	case 15: // a new event
		typ := Type(9 + m.byte()%40)
		it := Item{Type: typ}
		for range strings.TrimPrefix(shapes[typ], "-") {
			it.Args = append(it.Args, m.number(1))
		}
		b.Items = slices.Insert(b.Items, i, it)
	case 16: // text, or a frame
		names := []string{"preempted", "runtime.Gosched", "network", "sleep", "system goroutine wait", "GC mark assist wait for work", "", "\x00\xff\u202e", "GC mark termination", "start trace", "runtime.gcBgMarkWorker", "GC (dedicated)", strings.Repeat("x", 1024), strings.Repeat("y", 4000)}
		switch it.Type {
		case evString:
			it.Text = names[m.below(len(names))]
			it.Args[1] = uint64(len(it.Text))
		case evStack:
			n := m.below(300)
			for len(it.Args) < 2+4*n {
				it.Args = append(it.Args, m.number(1))
			}
			it.Args = it.Args[:2+4*n]
			it.Args[1] = uint64(n)
		}
	case 24: // the statuses of a kind are lost
		typ := []Type{GoStatus, ProcStatus}[m.below(2)]
		b.Items = slices.DeleteFunc(b.Items, func(it Item) bool { return it.Type == typ })
	case 25: // many threads do the same
		for k := range uint64(m.below(2000)) {
			if m.full() {
				break
			}
			c := Batch{Kind: b.Kind, Gen: b.Gen, M: 1_000_000 + k, Time: b.Time, Items: []Item{{it.Type, slices.Clone(it.Args), it.Text}}}
			m.f.Batches = append(m.f.Batches, c)
		}
	case 26: // many of what an event names, side by side or far apart
		shape, step := shapes[it.Type], m.number(1)
		where := strings.IndexAny(shape, "gpksnm")
		if where < 0 || where >= len(it.Args) {
			return
		}
		var more []Item
		for k := range uint64(m.below(4000)) {
			if m.full() {
				break
			}
			c := Item{it.Type, slices.Clone(it.Args), it.Text}
			c.Args[where] += (k + 1) * step
			more = append(more, c)
		}
		b.Items = slices.Insert(b.Items, i, more...)
	case 27: // a clock that goes back, for all that follows in the batch
		if strings.HasPrefix(shapes[it.Type], "t") && len(it.Args) > 0 {
			it.Args[0] = -(uint64(1) << m.below(63))
		}
	case 30: // the rest is lost
		b.Items = b.Items[:i]
	case 17, 18, 19, 20, 21, 22, 23, 28, 29, 31:
		m.wide(op, b)
	}
}

// wide damages batches, or all of the trace.
func (m *mutation) wide(op byte, b *Batch) {
	switch op {
	case 17: // a batch lost
		k := m.below(len(m.f.Batches))
		m.f.Batches = slices.Delete(m.f.Batches, k, k+1)
	case 18: // twice
		if !m.full() {
			k := m.below(len(m.f.Batches))
			m.f.Batches = slices.Insert(m.f.Batches, k, m.f.Batches[k].clone())
		}
	case 19: // in another order
		i, k := m.below(len(m.f.Batches)), m.below(len(m.f.Batches))
		m.f.Batches[i], m.f.Batches[k] = m.f.Batches[k], m.f.Batches[i]
	case 20:
		b.Gen = m.number(b.Gen)
	case 21:
		b.M = m.number(b.M)
	case 22:
		b.Time = m.number(b.Time)
	case 23:
		b.Claim = m.number(uint64(len(b.Items)))
	case 28:
		m.f.Version = []int{22, 23, 25, 26}[m.below(4)]
	case 29: // one whole kind of number moves
		what, by := "TgpmksqtnT"[m.below(10)], m.number(0)
		m.f.Each(func(w byte, v *uint64) {
			if w == what {
				*v += by
			}
		})
	case 31: // a generation again
		gen := b.Gen
		for _, c := range slices.Clone(m.f.Batches) {
			if c.Gen == gen && !m.full() {
				c = c.clone()
				c.Gen += 1 + uint64(m.byte()%2)
				m.f.Batches = append(m.f.Batches, c)
			}
		}
	}
}
