package parse_test

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// TestPeers: in a program that talks to itself over loopback, a wait to read that another
// goroutine's write ended is told with that goroutine; every such hold lies within
// parse.PeerLag after a call of its holder, and is the whole wait.
func TestPeers(t *testing.T) {
	for _, name := range []string{"netpoll-echo", "http-healthy"} {
		path := corpus.Trace(t, name)
		calls := make(map[parse.GoID]parse.Time) // when each goroutine entered its last call
		var peers, polled, held, all int64
		read(t, path, parse.Options{}, func(e *parse.Event) {
			switch {
			case e.Kind == parse.KindHold && e.Hold.Peer:
				h := e.Hold
				peers++
				held += h.Held
				at, ok := calls[h.Holder]
				if !ok || e.Time-at > parse.PeerLag || at < h.Since || h.Held != int64(e.Time-h.Since) || h.Holder == h.G {
					t.Errorf("%s at %d: goroutine %d waited since %d for %d, which was in a call since %d", name, e.Time, h.G, h.Since, h.Holder, at)
				}
			case e.Kind.IsGo():
				if e.Go.To == parse.GoSyscall {
					calls[e.Go.ID] = e.Time
				}
				if e.Go.From == parse.GoWaiting && e.Go.Ready == parse.ReadyNetpoll && e.Go.To != parse.GoUndetermined {
					polled++
					all += e.Held()
				}
			}
		})
		if 2*peers < polled || 2*held < all {
			t.Errorf("%s: %d of %d waits for the poller, %d of %d ns, have another end in the program", name, peers, polled, held, all)
		}
	}
	// Clients of idle's are none, and deadlines are no writes.
	for _, name := range []string{"idle", "lock-5ms"} {
		_, evs := analysistest.Events(t, corpus.Trace(t, name))
		for i := range evs {
			if e := &evs[i]; e.Kind == parse.KindHold && e.Hold.Peer {
				t.Errorf("%s: goroutine %d waits for %d", name, e.Hold.G, e.Hold.Holder)
			}
		}
	}
}
