package measures

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

func TestNetpollLaw(t *testing.T) {
	for _, name := range []string{"netpoll-echo", "http-healthy", "mixed-go121"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Netpoll})
	}
}

func TestNetpollRules(t *testing.T) {
	wake := func(by parse.GoID, g parse.Go) parse.Event {
		g.From, g.To, g.Since = parse.GoWaiting, parse.GoRunnable, 1000
		return parse.Event{Time: 3000, Kind: parse.Kind(g.From), G: by, Go: &g}
	}
	start := func(held int64, g parse.Go) parse.Event {
		g.Ready = parse.ReadyNetpoll
		return analysistest.Started(held, g)
	}
	events := []parse.Event{
		wake(parse.NoGo, parse.Go{Ready: parse.ReadyNetpoll, Home: 1}),
		wake(parse.NoGo, parse.Go{Ready: parse.ReadyNetpoll, Home: parse.NoProc}),
		wake(parse.NoGo, parse.Go{Ready: parse.ReadyNetpoll, Home: parse.NoProc, Partial: true}),
		wake(7, parse.Go{Ready: parse.ReadyNetpoll, Home: 1}), // by who stopped the world
		wake(7, parse.Go{Ready: parse.ReadyUnblocked, Home: 1}),
		wake(parse.NoGo, parse.Go{Ready: parse.ReadyTimer, Home: 1}),
		start(10, parse.Go{Origin: parse.OriginDirect, Home: 1}),
		start(500, parse.Go{Origin: parse.OriginLocal, Home: 1}),
		start(700, parse.Go{Origin: parse.OriginStolen, Home: 1}),
		start(4000, parse.Go{Origin: parse.OriginGlobal, Home: parse.NoProc}),
		start(9000, parse.Go{Origin: parse.OriginUnknown, Partial: true}),
		analysistest.Started(9000, parse.Go{Ready: parse.ReadyTimer}),
	}
	rep := analysistest.Synthetic(t, 26, Netpoll, events...)
	analysistest.WantMetrics(t, rep, map[string]float64{"netpoll.wakeups": 4, "netpoll.wakeups.nop": 2, "netpoll.latency.max": 4000, "netpoll.latency.p50": -1})
	if n := rep.Metrics["netpoll.latency.max"].N; n != 4 {
		t.Errorf("%d latencies, want 4", n)
	}
	for _, c := range []struct {
		table, row, column string
		want               any
	}{
		{"netpoll.pollers", "scheduler on a P", "wake-ups", int64(1)},
		{"netpoll.pollers", "restart of the world", "wake-ups", int64(1)},
		{"netpoll.pollers", "without a P", "share", .5},
		{"netpoll.delivery", "run at once by the P that polled", "max", int64(10)},
		{"netpoll.delivery", "queued by a P", "total", int64(1200)},
		{"netpoll.delivery", "global queue, readied without a P", "starts", int64(1)},
	} {
		if got := analysistest.Cell(t, rep, c.table, c.row, c.column); got != c.want {
			t.Errorf("%s, %s: %s is %v, want %v", c.table, c.row, c.column, got, c.want)
		}
	}
	analysistest.WantMetrics(t, analysistest.Synthetic(t, 21, Netpoll, events...), map[string]float64{"netpoll.wakeups": 4, "netpoll.wakeups.nop": -1, "netpoll.latency.max": 4000})
}

// The sites hold exactly the waits that the runtime calls "network".
func TestNetpollSites(t *testing.T) {
	for _, name := range []string{"netpoll-echo", "http-healthy"} {
		path := analysistest.Testdata(t, name)
		tr, events := analysistest.Events(t, path)
		var polled, other, open, waited int64
		for i := range events {
			e := &events[i]
			if !e.Kind.IsGo() || e.Go.From != parse.GoWaiting || tr.String(e.Go.FromReason) != "network" {
				continue
			}
			waited += e.Held()
			switch {
			case e.Go.To == parse.GoUndetermined:
				open++
			case e.G == parse.NoGo || e.Go.Ready == parse.ReadyNetpoll:
				polled++
			default:
				other++
			}
		}
		if polled < 300 {
			t.Fatalf("%s: %d network waits: not the trace this test is about", name, polled)
		}
		rep := analysistest.Report(t, path, Netpoll)
		analysistest.WantMetrics(t, rep, map[string]float64{"netpoll.wakeups": float64(polled)})
		var got [4]int64
		for _, tb := range rep.Results[0].Tables {
			for _, r := range tb.Rows {
				if tb.Name == "netpoll.sites" {
					for i := range got {
						got[i] += r[1+i].(int64)
					}
				}
			}
		}
		if want := [4]int64{polled, other, open, waited}; got != want {
			t.Errorf("%s: sites sum to %v (polled, other, open, waited), want %v", name, got, want)
		}
	}
}

// 4 clients send 120 messages each and 60 go through a pipe; a read waits at most
// once per message, and once more for the end.
func TestNetpollEcho(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "netpoll-echo"), Netpoll)
	for fn, most := range map[string]int64{"main.echoConn:": 4*120 + 4, "main.sendAndAwaitEcho:": 4*120 + 4, "main.receiveMessages:": 60 + 1} {
		var n int64
		for _, tb := range rep.Results[0].Tables {
			for _, r := range tb.Rows {
				if tb.Name == "netpoll.sites" && strings.HasPrefix(r[0].(string), fn) {
					n += r[1].(int64)
				}
			}
		}
		if n > most || n < most/2 {
			t.Errorf("%d waits in %s, want at most %d and most of these", n, fn, most)
		}
	}
}
