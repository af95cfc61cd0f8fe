package blocking

import (
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestThunderingHerd(t *testing.T) { checktest.Run(t, thunderingHerd, casesThunderingHerd) }

func casesThunderingHerd(t *testing.T) {
	tr, w := checktest.Recorded(t)
	cond := w["blkCond"]
	ran := func(n int, each int64) (out []parse.Event) {
		for range n {
			out = append(out, parse.Event{Time: parse.Time(each), Kind: parse.KindGoRunning,
				Go: &parse.Go{ID: 9, From: parse.GoRunning, To: parse.GoWaiting, Func: cond.Fn, Stack: cond.Stack}})
		}
		return out
	}
	signal := cond
	signal.Waker = w["blkLocker"].Waker
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"none", nil, "not applicable"},
		{"herd", slices.Concat(checktest.Waits(cond, 0, 10e6, 20000, 200), ran(20000, 1000)), "thundering-herd warning"},
		{"smaller", slices.Concat(checktest.Waits(cond, 0, 10e6, 19800, 198), ran(19800, 1000)), "thundering-herd note"},
		{"2,000 a second", slices.Concat(checktest.Waits(cond, 0, 10e6, 2000, 20), ran(2000, 1000)), "thundering-herd note"},
		{"less", slices.Concat(checktest.Waits(cond, 0, 10e6, 1999, 20), ran(1999, 1000)), ""},
		{"8 wait", slices.Concat(checktest.Waits(cond, 0, 4e6, 2000, 8), ran(2000, 1000)), "thundering-herd note"},
		{"nearly 8", slices.Concat(checktest.Waits(cond, 0, 3960e3, 2016, 8), ran(2016, 1000)), ""},
		{"20 µs", slices.Concat(checktest.Waits(cond, 0, 10e6, 2000, 20), ran(2000, 20000)), "thundering-herd note"},
		{"healthy: work for all", slices.Concat(checktest.Waits(cond, 0, 10e6, 2000, 20), ran(2000, 20001)), ""},
		{"healthy: Signal", slices.Concat(checktest.Waits(signal, 0, 10e6, 20000, 200), ran(20000, 1000)), ""},
	} {
		r := checktest.RunOn(t, tr, thunderingHerd, c.events)
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	// A single Broadcast to many is none, however short the trace.
	short := *tr
	short.To, short.Last = 100e6, 100e6
	for n, want := range map[int]string{999: "", 1000: "thundering-herd note"} {
		if got := checktest.Found(checktest.RunOn(t, &short, thunderingHerd, checktest.Waits(cond, 0, 100e6, n, n), ran(n, 1000))); got != want {
			t.Errorf("%d in 0.1 s: %q, want %q", n, got, want)
		}
	}
}
