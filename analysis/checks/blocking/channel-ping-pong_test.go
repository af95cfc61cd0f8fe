package blocking

import (
	"slices"
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
	for _, name := range []string{"sched/lockosthread-pingpong", "sync/chan-slow-stage", "io/net-echo"} { // 3,000 a second each way at most
		t.Run(name, func(t *testing.T) {
			if r := checktest.On(t, corpus.Trace(t, name), channelPingPong); r.Outcome != analysis.Clear {
				t.Errorf("%+v", r)
			}
		})
	}
}
