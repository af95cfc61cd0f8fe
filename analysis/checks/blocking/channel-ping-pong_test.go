package blocking

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestChannelPingPong(t *testing.T) { checktest.Run(t, channelPingPong, casesChannelPingPong) }

// sides is a goroutine that ran and was runnable for so long.
func sides(fn parse.StringID, ran, runnable int64) []parse.Event {
	e := checktest.Ran(fn, 0, ran, 1e9)
	e.GoLife.Spent[parse.GoRunnable] = runnable
	return []parse.Event{e}
}

func casesChannelPingPong(t *testing.T) {
	tr, w := checktest.Recorded(t)
	ping, pong := w["blkPing"], w["blkPong"]
	if ping.Waker == 0 || pong.Waker == 0 {
		t.Fatal(ping, pong)
	}
	for _, c := range []struct {
		name string
		end  int64
		n    int
		ran  int64 // of each side
		wake int64 // each side was runnable
		want string
	}{
		{"no waits", 1e9, 0, 0, 0, "not applicable"},
		{"10 ms", 10e6, 1000, 1e6, 1e6, "channel-ping-pong note"},
		{"too short", 10e6 - 1, 1000, 1e6, 1e6, ""},
		{"healthy: much work", 1e9, 9000, 300e6, 20e6, ""},
		{"healthy: now and then", 1e9, 500, 1e6, 20e6, ""},
		{"5,000 a second", 1e9, 5000, 25e6, 20e6, "channel-ping-pong note"},
		{"4,999 a second", 1e9, 4999, 10e6, 20e6, ""},
		{"more work", 1e9, 5000, 26e6, 20e6, ""},
		{"short burst", 150e6, 999, 1e6, 20e6, ""},
		{"longer burst", 150e6, 1000, 1e6, 20e6, "channel-ping-pong note"},
		{"woken at once", 1e9, 20000, 25e6, 49e5, ""},
		{"woken soon", 1e9, 20000, 25e6, 51e5, "channel-ping-pong note"},
		{"waking is not yet a quarter", 1e9, 20000, 25e6, 124e6, "channel-ping-pong note"},
		{"waking is a quarter", 1e9, 20000, 25e6, 125e6, "channel-ping-pong warning"},
		{"19,000 a second", 1e9, 19000, 25e6, 125e6, "channel-ping-pong note"},
	} {
		tr := *tr
		tr.To, tr.Last = parse.Time(c.end), parse.Time(c.end)
		r := checktest.RunOn(t, &tr, channelPingPong, checktest.Waits(ping, 0, 10e3, c.n, 1), checktest.Waits(pong, 0, 10e3, c.n, 1),
			slices.Concat(sides(ping.Fn, c.ran, c.wake), sides(pong.Fn, c.ran, c.wake)))
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	// Each side was woken 20,000 times, and was runnable for 200 ms in all, of which the scheduler had so much of one of two Ps.
	for _, c := range []struct {
		name     string
		cause    parse.Cause // of the waits for a P
		starts   int
		schedule int64
		want     string
	}{
		{"nobody ran meanwhile", parse.CauseWakeup, 40000, 0, "channel-ping-pong warning"},
		{"others ran meanwhile", parse.CauseUser, 40000, 99e6, ""},
		{"the scheduler has a twentieth", parse.CauseUser, 40000, 101e6, "channel-ping-pong note"},
		{"nearly a tenth", parse.CauseUser, 40000, 199e6, "channel-ping-pong note"},
		{"a tenth", parse.CauseUser, 40000, 201e6, "channel-ping-pong warning"},
		{"a tenth, most of it for others", parse.CauseUser, 90000, 201e6, ""},
	} {
		tr := *tr
		tr.To, tr.Last = 1e9, 1e9
		starts := make([]parse.Event, c.starts)
		for i := range starts {
			g := parse.Go{ID: 100, From: parse.GoRunnable, To: parse.GoRunning, Ready: parse.ReadyUnblocked, Since: parse.Time(i)}
			g.Wait[c.cause] = 10e3
			starts[i] = parse.Event{Time: parse.Time(i + 10e3), Kind: parse.KindGoRunnable, Go: &g}
		}
		r := checktest.RunOn(t, &tr, channelPingPong, checktest.Waits(ping, 0, 10e3, 20000, 1), checktest.Waits(pong, 0, 10e3, 20000, 1),
			slices.Concat(sides(ping.Fn, 25e6, 200e6), sides(pong.Fn, 25e6, 200e6)), starts,
			checktest.Procs(1, parse.ProcScheduler, c.schedule), checktest.Procs(1, parse.ProcUser, 2e9-c.schedule))
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q %q", c.name, got, c.want, r.Summary, r.Reason)
		}
	}
	for _, name := range []string{"sched/lockosthread-pingpong", "sync/chan-slow-stage", "io/net-echo"} { // 3,000 a second each way at most
		t.Run(name, func(t *testing.T) {
			if r := checktest.On(t, corpus.Trace(t, name), channelPingPong); r.Outcome != analysis.Clear {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestHandedByLibrary: what the program can do about a hand-over depends on whose it is.
func TestHandedByLibrary(t *testing.T) {
	for _, c := range []struct {
		sends, receives []string
		want            string
	}{
		{[]string{"runtime.chansend1", "main.send:3"}, []string{"runtime.chanrecv1", "main.receive:9"}, "Send batches"},
		{[]string{"runtime.selectgo", "io.(*pipe).write", "io.(*PipeWriter).Write", "main.send:3"}, []string{"runtime.selectgo", "io.(*pipe).read", "io.(*PipeReader).Read", "main.receive:9"}, "The standard library hands over there"},
		{[]string{"runtime.selectgo", "io.(*pipe).write", "io.(*PipeWriter).Write", "main.send:3"}, []string{"runtime.chanrecv1", "main.receive:9"}, "Send batches"},
	} {
		const each = 6000 // ns
		tr := checktest.Tell(t, 2000*each, func(s *checktest.Story) {
			a, b := s.Go("main.main.func1"), s.Go("main.main.func2")
			for i := range int64(1999) {
				at := i * each
				a.Wait(at+500, at+3000, b, c.receives[len(c.receives)-1], c.sends...)
				b.Wait(at+3500, at+each, a, c.sends[len(c.sends)-1], c.receives...)
			}
		})
		res := checktest.Report(t, channelPingPong, tr).Results[0]
		if len(res.Findings) != 1 || !strings.HasPrefix(res.Findings[0].Advice, c.want) {
			t.Errorf("%q and %q: %+v, want the advice %q", c.sends, c.receives, res, c.want)
		}
	}
}
