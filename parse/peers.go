package parse

import "strings"

// This file tells which goroutine of the program is at the other end of a connection or
// pipe that a goroutine waits for. The trace has no file descriptors, so it is inferred:
// a wait to read that the network poller ends within a moment after another goroutine
// began to write, and the other way round.

// descriptor is what a stack does with a file descriptor.
type descriptor uint8

const (
	noDescriptor descriptor = iota
	reads                   // internal/poll.(*FD).Read and the like
	writes
)

// descriptorOf tells it by the method of internal/poll.FD that is called.
func (s *Symbols) descriptorOf(frames []Frame) descriptor {
	for _, f := range frames[:min(len(frames), 10)] {
		if method, ok := strings.CutPrefix(s.String(f.Func), "internal/poll.(*FD)."); ok {
			switch {
			case strings.HasPrefix(method, "Read"):
				return reads
			case strings.HasPrefix(method, "Write"):
				return writes
			}
			return noDescriptor
		}
	}
	return noDescriptor
}

// httpSide is which side of a connection of net/http a stack is at.
type httpSide uint8

const (
	noSide httpSide = iota
	clientSide
	serverSide
)

// httpSideOf tells it by the functions that only one side has.
func (s *Symbols) httpSideOf(frames []Frame) httpSide {
	for _, f := range frames {
		switch fn := s.String(f.Func); {
		case strings.HasPrefix(fn, "net/http.(*persistConn)."):
			return clientSide
		case strings.HasPrefix(fn, "net/http.(*connReader)."), strings.HasPrefix(fn, "net/http.checkConnErrorWriter."):
			return serverSide
		}
	}
	return noSide
}

// PeerLag is how long (ns) after a write the wait of the reader ends at most that is taken
// to be its doing. Waking an idle thread that polls takes some ten µs: in programs that
// talk to themselves half of the waits end within 30 µs of a write, in those that talk to
// others that last write was ms ago.
const PeerLag = 100_000

// peerCall is a read or write.
type peerCall struct {
	g     *goroutine
	id    GoID
	at    Time
	stack StackID
}

// peerCalls are the last calls of a kind.
type peerCalls struct {
	last [4]peerCall
	n    int64
}

// noteCall notes that g enters a call.
func (t *tracker) noteCall(g *goroutine) {
	if d := t.stacks[g.FromStack].descriptor; d != noDescriptor {
		c := &t.holds.calls[d]
		c.last[c.n&3] = peerCall{g, g.ID, t.now, g.FromStack}
		c.n++
	}
}

// endPoll tells how g's wait for the network poller came to its end, if it looks like
// another goroutine's doing.
func (t *tracker) endPoll(g *goroutine) {
	s := &t.stacks[g.FromStack]
	if s.descriptor == noDescriptor || g.Class != ClassUser {
		return
	}
	c := &t.holds.calls[reads+writes-s.descriptor]
	for i := int64(1); i <= min(c.n, int64(len(c.last))); i++ {
		call := &c.last[(c.n-i)&3]
		if call.at < g.Since || t.now-call.at > PeerLag {
			return
		}
		if side := t.stacks[call.stack].side; side != noSide && side == s.side {
			continue // of another connection
		}
		if by := call.g; by != g && by.ID == call.id {
			wait := int64(t.now - g.Since)
			t.holds.hold = Hold{
				Place: s.place, Since: g.Since, Held: wait, Waited: wait, Peer: true, Calls: c.n,
				G: g.ID, Func: g.Func, Body: g.Body, Stack: g.FromStack, Wait: wait, Ready: g.Ready,
				Holder: by.ID, HolderClass: by.Class, HolderFunc: by.Func, HolderBody: by.Body, HolderStack: call.stack,
			}
			t.sendHold(t.pastParts(by, append(t.holds.spans[:0], timeSpan{g.Since, t.now}), call.stack))
			return
		}
	}
}
