package blocking

import (
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestNetpollDelay(t *testing.T) { checktest.Run(t, netpollDelay, casesNetpollDelay) }

func casesNetpollDelay(t *testing.T) {
	tr, w := checktest.Recorded(t)
	for _, c := range []struct {
		name  string
		n     int
		delay int64
		ran   int64
		want  string
	}{
		{"no network", 0, 0, 1e9, "not applicable"},
		{"healthy", 5000, 20e3, 2e9, ""},
		{"short, but as much as it runs", 5000, 900e3, 1e9, ""},
		{"1 ms", 1000, 1e6, 10e9, "netpoll-delay note"},
		{"less than 1 ms", 1000, 990e3, 1e9, ""},
		{"5 ms", 1000, 5e6, 25e9, "netpoll-delay warning"},
		{"4.9 ms", 1000, 4900e3, 24e9, "netpoll-delay note"},
		{"20 ms", 1000, 20e6, 40e9, "netpoll-delay error"},
		{"20 ms, less than half", 1000, 20e6, 41e9, "netpoll-delay warning"},
		{"5 %", 1000, 5e6, 100e9, "netpoll-delay note"},
		{"less than 5 %", 1000, 5e6, 101e9, ""},
		{"too few for a p99, but a bad stretch", 20, 1e6, 100e6, "netpoll-delay note"},
		{"a very bad stretch", 20, 5e6, 100e6, "netpoll-delay warning"},
		{"one less", 19, 5e6, 100e6, ""},
		{"stretch below 1 ms", 20, 990e3, 100e6, ""},
	} {
		var events []parse.Event
		for range c.n {
			wake := checktest.BlkWait(parse.Go{To: parse.GoRunnable, Since: 10, Ready: parse.ReadyNetpoll, Home: 1, FromReason: w["blkPing"].Reason, FromStack: w["blkPing"].Stack}, 1000)
			wake.G = parse.NoGo
			events = append(events, wake, analysistest.Started(c.delay, parse.Go{Ready: parse.ReadyNetpoll, Home: 1, Origin: parse.OriginLocal, BlockedOn: w["blkPing"].Reason, BlockedStack: w["blkPing"].Stack}))
		}
		tr := *tr
		tr.To, tr.Last = 990e6, 990e6 // too short for a worst moment
		r := checktest.RunOn(t, &tr, netpollDelay, events, []parse.Event{checktest.Ran(w["blkPing"].Fn, 0, c.ran, 0)})
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	// Of 100 delays so many in one moment.
	for n, want := range map[int]string{79: "netpoll-delay warning", 81: "netpoll-delay note", 100: "netpoll-delay note"} {
		var events []parse.Event
		for i := range 100 {
			wake := checktest.BlkWait(parse.Go{To: parse.GoRunnable, Since: 10, Ready: parse.ReadyNetpoll, Home: 1, FromReason: w["blkPing"].Reason, FromStack: w["blkPing"].Stack}, 1000)
			wake.G = parse.NoGo
			run := analysistest.Started(6e6, parse.Go{Ready: parse.ReadyNetpoll, Home: 1, Origin: parse.OriginLocal, BlockedOn: w["blkPing"].Reason, BlockedStack: w["blkPing"].Stack})
			if i >= n {
				run.Time += parse.Time((10 + i) * 8e6)
				run.Go.Since += parse.Time((10 + i) * 8e6)
			}
			events = append(events, wake, run)
		}
		if got := checktest.Found(checktest.RunOn(t, tr, netpollDelay, events, []parse.Event{checktest.Ran(w["blkPing"].Fn, 0, 2e9, 0)})); got != want {
			t.Errorf("%d in a moment: %q, want %q", n, got, want)
		}
	}
	for name, want := range map[string]string{"http-healthy": "", "netpoll-echo": "", "idle": "not applicable"} {
		if got := checktest.Found(checktest.On(t, analysistest.Testdata(t, name), netpollDelay)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"arch/linux-s390x": "netpoll-delay note", "io/http-mix": "", "io/net-echo": "", "real/etcd-embed": ""} {
		t.Run(name, func(t *testing.T) {
			if got := checktest.Found(checktest.On(t, corpus.Trace(t, name), netpollDelay)); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// Where no runs are to blame for half of the waiting for a P it is said whose the running was,
// if that is one kind of goroutines.
func TestInstead(t *testing.T) {
	for at, want := range map[int64]string{300: "69.9 % of all running is that of main.match", 700: ""} {
		got := ""
		checktest.Report(t, &analysis.Analyzer{Name: "instead", Requires: []*analysis.Analyzer{measures.Waits, measures.Kinds}, Run: func(p *analysis.Pass) error {
			got = evidence.Instead(p)
			return nil
		}}, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			s.Go("main.match").Block(700*ms, "runtime.chanrecv1")
			s.Go("main.other").Block(at*ms, "runtime.chanrecv1")
			s.Go("main.third").Block(max(at-300, 1)*ms, "runtime.chanrecv1")
		}))
		if got != want {
			t.Errorf("%d ms: %q, want %q", at, got, want)
		}
	}
}
