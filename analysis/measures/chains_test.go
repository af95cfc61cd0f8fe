package measures

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

const ms = int64(1_000_000)

// leads returns what the holders of a trace lead with.
func leads(t *testing.T, story func(*checktest.Story)) string {
	var texts []string
	for _, l := range checktest.Report(t, Holders, checktest.Tell(t, 1000*ms, story)).Results[0].Leading {
		texts = append(texts, l.Text)
	}
	return strings.Join(texts, "\n")
}

// Who waits for the answer of one that waits for time to pass is held up by that one, where
// that one was asked; not who waits for what it sends by itself.
func TestAnsweredByTimer(t *testing.T) {
	for _, asked := range []bool{true, false} {
		got := leads(t, func(s *checktest.Story) {
			batch, source, write := s.Go("main.batch"), s.Go("main.source"), s.Go("main.serve")
			for i := range int64(20) {
				at := (1 + 49*i) * ms
				by := source
				if asked {
					by = write
				}
				batch.Wait(at, at+ms, by, "main.write:3", "runtime.selectgo", "main.batch:12")
				write.Wait(at+2*ms, at+41*ms, batch, "main.flush:5", "runtime.chanrecv1", "main.write:7")
				batch.Wait(at+3*ms, at+40*ms, nil, "", "runtime.selectgo", "main.batch:12")
			}
		})
		if strings.HasSuffix(got, "blocked in select at main.batch:12 ← until a timer ends it") != asked {
			t.Errorf("asked %t: %s", asked, got)
		}
	}
}

// Long waits with many short ones between are not said to be ended by nobody.
func TestLongAmongShort(t *testing.T) {
	for _, ends := range []bool{true, false} {
		got := leads(t, func(s *checktest.Story) {
			reader, poll, call := s.Go("main.read"), s.Go("main.poll"), s.Go("main.call")
			stack := []string{"runtime.selectgo", "net/http.(*persistConn).roundTrip", "main.get:9"}
			if ends {
				for at := ms; at < 900*ms; at += 450 * ms {
					poll.Wait(at, at+440*ms, reader, "main.read:4", stack...)
				}
			} else {
				poll.Block(200*ms, stack...)
			}
			for i := range int64(40) {
				if at := (2 + 24*i) * ms; ends {
					call.Wait(at, at+ms, reader, "main.read:4", stack...)
				}
			}
		})
		if strings.Contains(got, "nobody ends it up to the end of the trace") == ends {
			t.Errorf("ends %t: %s", ends, got)
		}
	}
}

// Of who holds a lock, or ends waits, it is said in which function that is: the innermost one
// that both does what keeps the others and ends it.
func TestHeldWithin(t *testing.T) {
	for _, c := range []struct{ ends, want string }{
		{"sync.(*Mutex).Unlock main.(*state).sync:30 main.(*state).loop:8", " ← main.run holds it in main.(*state).sync:22 (9"},
		{"sync.(*Mutex).Unlock main.(*state).loop:9", " ← main.run holds it in main.(*state).loop:8 (9"},
		{"sync.(*Mutex).Unlock main.run:3", " ← main.run holds it (9"},
	} {
		got := leads(t, func(s *checktest.Story) {
			holder, get := s.Go("main.run"), s.Go("main.serve")
			for i := range int64(20) {
				at := (1 + 49*i) * ms
				holder.Wait(at, at+40*ms, nil, "", "time.Sleep", "main.(*client).ask:5", "main.(*state).sync:22", "main.(*state).loop:8")
				get.Wait(at+ms, at+41*ms, holder, c.ends, "sync.(*Mutex).Lock", "main.(*state).get:44")
			}
		})
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.ends, got, c.want)
		}
	}
}

// Who writes to another connection from the same side is not at the other end of one of
// net/http.
func TestPeerSides(t *testing.T) {
	tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		read, handler, write := s.Go("net/http.(*persistConn).readLoop"), s.Go("main.serve"), s.Go("net/http.(*persistConn).writeLoop")
		s.Go("main.main")
		for i := range int64(20) {
			at := (1 + 40*i) * ms
			read.Wait(at, at+20*ms, nil, "", "internal/poll.(*FD).Read", "net.(*conn).Read", "net/http.(*persistConn).Read:7")
			handler.Call(at+20*ms-50_000, at+20*ms-40_000, "internal/poll.(*FD).Write", "net.(*conn).Write", "net/http.checkConnErrorWriter.Write:9", "main.answer:3")
			write.Call(at+20*ms-20_000, at+20*ms-10_000, "internal/poll.(*FD).Write", "net.(*conn).Write", "net/http.persistConnWriter.Write:9", "net/http.(*persistConn).writeLoop:5")
		}
	})
	checktest.Report(t, &analysis.Analyzer{Name: "peers", Requires: []*analysis.Analyzer{Kinds, Holders}, Run: func(p *analysis.Pass) error {
		if peers := HoldersOf(p).Peers; len(peers) != 1 || len(peers[0].Holders) != 1 || peers[0].Holders[0].Kind.Name != "main.serve" {
			t.Errorf("%+v", peers)
		}
		return nil
	}}, tr)
}

// Who waits for what comes by a connection, as the chain tells already, is not at its other end.
func TestPeerWaits(t *testing.T) {
	for peer, want := range map[bool]string{true: "main.serve", false: "main.call"} {
		group := []*HeldPlace{{ID: 2, Peer: peer, Parts: []*HeldPart{
			{Holder: "main.call", State: parse.GoWaiting, ID: 1, NS: 60}, {Holder: "main.serve", State: parse.GoWaiting, ID: 3, NS: 40},
		}}}
		c := Chain{Steps: []ChainStep{{Place: &HeldPlace{ID: 1}}}}
		if part, _, _ := dominant(group, c.waiting(group)); part == nil || part.Holder != want {
			t.Errorf("peer %t: %+v, want %s", peer, part, want)
		}
	}
}

// A chain that comes by a connection to where it began ends at the network, also where what is
// left of the connection is not known.
func TestPeerCircle(t *testing.T) {
	network := parse.Place{Prim: parse.PrimNetwork}
	call := &HeldPlace{ID: 1, Held: 100, Parts: []*HeldPart{{Holder: "main.input", State: parse.GoWaiting, ID: 2, Place: network, Label: "main.recv:7 (network read)", NS: 100}}}
	peer := &HeldPlace{ID: 2, Held: 100, Peer: true, Place: network, Parts: []*HeldPart{
		{Holder: "main.call", State: parse.GoWaiting, ID: 1, Place: parse.Place{Prim: parse.PrimChanReceive}, NS: 60}, {Holder: "main.serve", State: parse.GoUndetermined, NS: 40},
	}}
	h := &HeldPlaces{Places: []*HeldPlace{call}, Peers: []*HeldPlace{peer}, Kinds: &GoKinds{}, byID: map[parse.PlaceID]*HeldPlace{1: call, 2: peer}}
	if c := h.Chain(call); c.Root.Kind != RootNetwork {
		t.Errorf("%+v", c.Root)
	}
}
