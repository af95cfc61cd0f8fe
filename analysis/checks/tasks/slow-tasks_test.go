package tasks

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestSlowTasks(t *testing.T) { checktest.Run(t, SlowTasks, casesSlowTasks) }

func casesSlowTasks(t *testing.T) {
	tr, w := checktest.Recorded(t)
	all := func(s parse.GoState) map[parse.GoState]int64 { return map[parse.GoState]int64{s: 100} }
	for _, c := range []struct {
		name        string
		n           int   // of usual length; two slow ones more
		usual, slow int64 // ns
		in          map[parse.GoState]int64
		want        string
	}{
		{"no tasks", 0, 0, 0, nil, "not applicable"},
		{"healthy", 500, 1e6, 2e6, all(parse.GoWaiting), ""},
		{"too few", 97, 1e6, 19e6, all(parse.GoWaiting), "not applicable"},
		{"100", 98, 1e6, 30e6, all(parse.GoWaiting), "slow-tasks warning"},
		{"wait for a P", 98, 1e6, 30e6, all(parse.GoRunnable), "slow-tasks warning"},
		{"system calls", 98, 1e6, 30e6, all(parse.GoSyscall), "slow-tasks warning"},
		{"more work", 98, 1e6, 30e6, all(parse.GoRunning), "slow-tasks note"},
		{"4.9 times", 98, 10e6, 49e6, all(parse.GoWaiting), ""},
		{"5.1 times", 98, 10e6, 51e6, all(parse.GoWaiting), "slow-tasks warning"},
		{"0.9 ms more", 98, 100e3, 1000e3, all(parse.GoWaiting), ""},
		{"1.1 ms more", 98, 100e3, 1200e3, all(parse.GoWaiting), "slow-tasks note"},
		{"9.8 ms more", 98, 1e6, 10800e3, all(parse.GoWaiting), "slow-tasks note"},
		{"10.2 ms more", 98, 1e6, 11200e3, all(parse.GoWaiting), "slow-tasks warning"},
		{"half", 98, 1e6, 31e6, map[parse.GoState]int64{parse.GoWaiting: 51, parse.GoRunnable: 49}, "slow-tasks warning"},
		{"less than half", 98, 1e6, 31e6, map[parse.GoState]int64{parse.GoWaiting: 49, parse.GoRunnable: 26, parse.GoSyscall: 25}, "slow-tasks note"},
	} {
		var events []parse.Event
		for range c.n {
			events = append(events, checktest.Task(c.usual, c.usual, nil))
		}
		for i := 0; i < 2 && c.n > 0; i++ {
			in := make(map[parse.GoState]int64)
			for s, percent := range c.in {
				in[s] = (c.slow - c.usual) * percent / 100
			}
			if c.n == 97 && i == 1 {
				break
			}
			events = append(events, checktest.Task(c.slow, c.usual, in))
		}
		r := checktest.RunOn(t, tr, SlowTasks, events)
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	r := checktest.RunOn(t, tr, SlowTasks, func() (out []parse.Event) {
		for range 98 {
			out = append(out, checktest.Task(1e6, 1e6, nil))
		}
		slow := checktest.Task(31e6, 1e6, map[parse.GoState]int64{parse.GoRunnable: 24e6, parse.GoWaiting: 6e6})
		return append(out, slow, slow)
	}())
	if s := r.Findings[0].Summary; !strings.Contains(s, "80 % waiting for a P, 20 % blocked") {
		t.Errorf("%s", s)
	}
	// One of many.
	for _, c := range []struct {
		name        string
		n           int
		usual, slow int64
		blocked     int64 // percent
		want        string
	}{
		{"one of 20", 19, 1e6, 40e6, 100, "slow-tasks/single note"},
		{"one of 19", 18, 1e6, 40e6, 100, "not applicable"},
		{"one of 1,000", 999, 1e6, 40e6, 100, "slow-tasks/single note"},
		{"20 times", 999, 1e6, 20100e3, 100, "slow-tasks/single note"},
		{"less", 999, 1e6, 19e6, 100, ""},
		{"10 ms beyond", 999, 100e3, 10200e3, 100, "slow-tasks/single note"},
		{"not 10 ms", 999, 100e3, 9900e3, 100, ""},
		{"waiting for a P", 999, 1e6, 40e6, 0, "slow-tasks/single note"},
	} {
		var events []parse.Event
		for range c.n {
			events = append(events, checktest.Task(c.usual, c.usual, nil))
		}
		more := c.slow - c.usual
		events = append(events, checktest.Task(c.slow, c.usual, map[parse.GoState]int64{parse.GoWaiting: more * c.blocked / 100, parse.GoRunnable: more * (100 - c.blocked) / 100}))
		r := checktest.RunOn(t, tr, SlowTasks, events)
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	// The region that is slow in the slow tasks is named, one that is as ever is not.
	region := func(name parse.StringID, slow int64) (out []parse.Event) {
		for i := range 100 {
			e := checktest.Task(500e3, 500e3, nil)
			if i >= 98 {
				e = checktest.Task(slow, 500e3, nil)
			}
			e.Range.Kind, e.Range.Name = parse.RangeRegion, name
			out = append(out, e)
		}
		return out
	}
	r = checktest.RunOn(t, tr, SlowTasks, func() (out []parse.Event) {
		for range 98 {
			out = append(out, checktest.Task(1e6, 1e6, nil))
		}
		slow := checktest.Task(31e6, 1e6, map[parse.GoState]int64{parse.GoWaiting: 30e6})
		return append(out, slow, slow)
	}(), region(tr.Entry(w["blkOnce"].Stack), 25e6), region(tr.Entry(w["blkSender"].Stack), 10e6))
	if s := r.Findings[0].Summary; !strings.Contains(s, "regions") || !strings.Contains(s, "blkOnce") || strings.Contains(s, "blkSender") {
		t.Errorf("%s", s)
	}
	for name, want := range map[string]string{"flight-recorder": "slow-tasks/single note", "annotations": "not applicable", "idle": "not applicable"} {
		if got := checktest.Found(checktest.On(t, analysistest.Testdata(t, name), SlowTasks)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
