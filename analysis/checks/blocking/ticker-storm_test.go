package blocking

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestTickerStorm(t *testing.T) { checktest.Run(t, tickerStorm, casesTickerStorm) }

func casesTickerStorm(t *testing.T) {
	tr, w := checktest.Recorded(t)
	sleep := w["blkSleeper"]
	others := sleep
	others.Waker = w["blkLocker"].Waker
	for _, c := range []struct {
		name   string
		end    int64
		n      int
		ran    int64
		others int
		want   string
	}{
		{"no waits", 1e9, 0, 0, 0, "not applicable"},
		{"too short", 99e6, 1000, 1e6, 0, "not applicable"},
		{"healthy: a beat", 1e9, 50, 1e6, 0, ""},
		{"1,000 a second", 1e9, 1000, 20e6, 0, "ticker-storm note"},
		{"10,000 a second", 1e9, 10_000, 20e6, 0, "ticker-storm warning"},
		{"999 a second", 1e9, 999, 1e6, 0, ""},
		{"healthy: real work", 1e9, 1000, 21e6, 0, ""},
		{"waits for little else", 1e9, 1000, 1e6, 52, "ticker-storm note"},
		{"waits for other things", 1e9, 1000, 1e6, 53, ""},
	} {
		tr := *tr
		tr.To, tr.Last = parse.Time(c.end), parse.Time(c.end)
		r := checktest.RunOn(t, &tr, tickerStorm, checktest.Waits(sleep, 0, 50e3, c.n, 1), checktest.Waits(others, 0, 50e3, c.others, 1), []parse.Event{checktest.Ran(sleep.Fn, 0, c.ran, 1e9)})
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	// What it wakes up for may be a system call.
	call := checktest.Ran(sleep.Fn, 0, 1e6, 1e9)
	call.GoLife.Spent[parse.GoSyscall] = 20e6
	if got := checktest.Found(checktest.RunOn(t, tr, tickerStorm, checktest.Waits(sleep, 0, 50e3, 1000, 1), []parse.Event{call})); got != "" {
		t.Errorf("with system calls: %s", got)
	}
	for _, name := range []string{"idle", "heartbeat", "http-healthy", "steal-timers"} {
		if got := checktest.Found(checktest.On(t, analysistest.Testdata(t, name), tickerStorm)); got != "" && got != "not applicable" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, name := range []string{"io/net-echo", "io/file-fsync", "cgo/cgo-thread-explosion", "sync/mutex-hold-sleep", "real/victoria-metrics"} {
		t.Run(name, func(t *testing.T) {
			if got := checktest.Found(checktest.On(t, corpus.Trace(t, name), tickerStorm)); got != "" {
				t.Error(got)
			}
		})
	}
}

// What others do that a group started is no work of those that a timer wakes.
func TestTickerInGroup(t *testing.T) {
	const group = "sync.(*WaitGroup).Go.func1"
	tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		main := s.Go("main.main")
		works := main.Start(1000, group, "sync.(*WaitGroup).Go", "main.main:4")
		works.Preempt(ms, "main.work")
		asks := main.Start(2000, group, "sync.(*WaitGroup).Go", "main.main:5")
		for i := range int64(1650) {
			asks.Wait((1+i)*600_000, (1+i)*600_000+590_000, nil, "", "time.Sleep", "main.ask:9")
		}
		asks.End(992 * ms)
	})
	r := checktest.Report(t, tickerStorm, tr).Results[0]
	if got := checktest.Found(r); got != "ticker-storm note" {
		t.Errorf("%q; %q", got, r.Summary)
	}
}
