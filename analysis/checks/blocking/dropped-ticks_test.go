package blocking

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

func TestDroppedTicks(t *testing.T) { checktest.Run(t, droppedTicks, casesDroppedTicks) }

const us = 1000

// tickRound is what a loop does when it is woken at a moment.
type tickRound struct {
	at, length int64
	how        string // "": it runs
	other      bool   // no timer wakes it
}

// ticks are n rounds of 1 ms from a moment on.
func ticks(from, period int64, n int) (out []tickRound) {
	for i := range int64(n) {
		out = append(out, tickRound{at: from + i*period, length: ms})
	}
	return out
}

// tickLoop tells a loop that waits for a ticker between its rounds.
func tickLoop(s *checktest.Story, rounds []tickRound) {
	loop := s.Go("main.beat")
	feed := s.Go("main.feed")
	free, where := int64(500*us), "runtime.chanrecv1"
	if slices.ContainsFunc(rounds, func(r tickRound) bool { return r.other }) {
		where = "runtime.selectgo"
	}
	for _, r := range rounds {
		if r.other {
			loop.Wait(free, r.at, feed, "main.feed:40", where)
		} else {
			loop.Wait(free, r.at, nil, "", where)
		}
		from, to := r.at+us, r.at+r.length
		switch r.how {
		case "sleep":
			loop.Wait(from, to, nil, "", "time.Sleep", "main.rest:20")
		case "lock":
			loop.Wait(from, to, feed, "main.feed:41", "sync.(*Mutex).Lock", "main.renew:22")
		case "call":
			loop.Call(from, to, "os.(*File).Sync", "main.save:23")
		default:
			for at := from + 9*ms; at < to; at += 10 * ms {
				loop.Preempt(at, "main.compact:30")
			}
		}
		free = to + us
	}
	loop.Block(free, where)
}

func casesDroppedTicks(t *testing.T) {
	const period = 20 * ms
	// late is a loop with one late round, after which the next tick comes so long after.
	late := func(length, next int64, how string) []tickRound {
		out := ticks(period, period, 12)
		at := 13 * int64(period)
		out = append(out, tickRound{at: at, length: length, how: how})
		return append(out, ticks(at+next, period, 5)...)
	}
	with := func(rounds []tickRound, more ...tickRound) []tickRound { return slices.Concat(rounds, more) }
	uneven := func(odd int) (out []tickRound) {
		at := int64(period)
		for i := range 39 {
			if out = append(out, tickRound{at: at, length: ms}); i < odd {
				at += 5 * ms * int64(1-2*(i%2))
			}
			at += period
		}
		out = append(out, tickRound{at: at, length: 61 * ms})
		return with(out, tickRound{at: at + 80*ms, length: ms})
	}
	long := late(62*ms, 80*ms, "sleep")
	for _, c := range []struct {
		name   string
		length int64
		rounds []tickRound
		want   string
	}{
		{"no ticker", 1000 * ms, nil, "not applicable"},
		{"healthy", 1000 * ms, ticks(period, period, 40), ""},
		{"a tenth of the time is lost", 1000 * ms, late(120*ms+100*us, 140*ms, ""), "dropped-ticks warning"},
		{"less", 1000 * ms, late(119*ms, 120*ms, ""), "dropped-ticks note"},
		{"a fiftieth", 1000 * ms, late(40*ms+100*us, 60*ms, ""), "dropped-ticks note"},
		{"of a longer trace", 1050 * ms, late(40*ms+100*us, 60*ms, ""), ""},
		{"asleep", 1000 * ms, late(59*ms, 60*ms, "sleep"), "dropped-ticks note"},
		{"in a call", 1000 * ms, late(59*ms, 60*ms, "call"), "dropped-ticks note"},
		{"late by less than two periods", 1000 * ms, func() (out []tickRound) {
			out = ticks(period, period, 12)
			for i := range int64(4) {
				out = append(out, tickRound{at: 13*period + i*40*ms, length: 39 * ms})
			}
			return with(out, tickRound{at: 13*period + 160*ms, length: ms})
		}(), ""},
		{"held up by another", 1000 * ms, late(59*ms, 60*ms, "lock"), ""},
		{"partly", 1000 * ms, with(long, tickRound{at: 480 * ms, length: 40 * ms, how: "lock"}, tickRound{at: 540 * ms, length: ms}), "dropped-ticks note"},
		{"more than that", 1000 * ms, with(long, tickRound{at: 480 * ms, length: 43 * ms, how: "lock"}, tickRound{at: 540 * ms, length: ms}), ""},
		{"a timeout set anew", 1000 * ms, late(115*ms, 135*ms, "sleep"), ""},
		{"sooner than a timeout", 1000 * ms, late(115*ms, 131*ms, "sleep"), "dropped-ticks note"},
		{"as soon as one", 1000 * ms, late(115*ms, 133*ms, "sleep"), ""},
		{"nearly in time", 1000 * ms, late(101*ms, 120*ms+190*us, ""), "dropped-ticks note"},
		{"not in time", 1000 * ms, late(101*ms, 120*ms+220*us, ""), ""},
		{"ten ticks", 1000 * ms, with(ticks(period, period, 10), tickRound{at: 220 * ms, length: 59 * ms}, tickRound{at: 280 * ms, length: ms})[1:], "dropped-ticks note"},
		{"nine", 1000 * ms, with(ticks(period, period, 10), tickRound{at: 220 * ms, length: 59 * ms}, tickRound{at: 280 * ms, length: ms})[2:], ""},
		{"mostly regular", 1500 * ms, uneven(8), "dropped-ticks note"},
		{"not regular", 1500 * ms, uneven(9), ""},
	} {
		r := checktest.Report(t, droppedTicks, checktest.Tell(t, c.length, func(s *checktest.Story) { tickLoop(s, c.rounds) })).Results[0]
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	for _, name := range []string{"idle", "heartbeat", "http-healthy", "steal-timers"} {
		if got := checktest.Found(checktest.On(t, analysistest.Testdata(t, name), droppedTicks)); got != "" && got != "not applicable" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Where jobs wake the loop as well, many of them in a row are no late round, one long one is.
func TestDroppedTicksAmongJobs(t *testing.T) {
	rounds := func(job int64) (out []tickRound) {
		for i := range int64(12) {
			out = append(out, tickRound{at: (1 + i) * 20 * ms, length: ms}, tickRound{at: (1+i)*20*ms + 5*ms, length: ms, other: true})
		}
		out = append(out, tickRound{at: 260 * ms, length: ms})
		for at := 262 * int64(ms); at+job < 379*ms; at += job + ms {
			out = append(out, tickRound{at: at, length: job, how: "sleep", other: true})
		}
		return append(out, tickRound{at: 380 * ms, length: ms})
	}
	find := func(job int64) []string {
		r := checktest.Report(t, droppedTicks, checktest.Tell(t, 1000*ms, func(s *checktest.Story) { tickLoop(s, rounds(job)) })).Results[0]
		return []string{checktest.Found(r), strings.Join(r.Summary, " ")}
	}
	if got := find(5 * ms); got[0] != "" {
		t.Error(got)
	}
	if got := find(110 * ms); got[0] != "dropped-ticks note" {
		t.Error(got)
	}
}

func TestDroppedTicksSay(t *testing.T) {
	tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		rounds := append(ticks(20*ms, 20*ms, 12), tickRound{at: 260 * ms, length: 219 * ms, how: "sleep"})
		tickLoop(s, append(rounds, ticks(480*ms, 20*ms, 5)...))
	})
	const want = "main.beat misses ticks: one should wake it every 20 ms, but 1 of its 17 rounds took 219 ms, asleep at main.rest:20"
	if got := checktest.Report(t, droppedTicks, tr).Results[0].Findings[0].Summary; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A loop that other things wake as well gets ticks after waits of any length, where it would
// wait for a timeout as long each time: a busy machine lets both come late.
func TestTicksAmongMessages(t *testing.T) {
	for _, c := range []struct {
		message func(i int64) int64 // from a tick to the message after it
		want    string
	}{
		{func(i int64) int64 { return (2 + i%8*2) * ms }, "dropped-ticks note"},
		{func(i int64) int64 { return 5 * ms }, ""},
	} {
		var rounds []tickRound
		at := int64(20 * ms)
		for i := range int64(20) {
			after := c.message(i)
			rounds = append(rounds, tickRound{at: at, length: ms}, tickRound{at: at + after, length: ms, other: true})
			if at += 20 * ms; i%2 == 0 {
				at += 5 * ms // late
			}
			if c.want == "" {
				at = rounds[len(rounds)-1].at + 20*ms + i%2*5*ms
			}
		}
		rounds = append(rounds, tickRound{at: at, length: ms}, tickRound{at: at + 3*ms, length: 80 * ms, how: "sleep", other: true}, tickRound{at: at + 113*ms, length: ms})
		r := checktest.Report(t, droppedTicks, checktest.Tell(t, 1000*ms, func(s *checktest.Story) { tickLoop(s, rounds) })).Results[0]
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%q, want %q: %q", got, c.want, r.Summary)
		}
	}
}
