package parse

// This file follows loops that a ticker wakes: what a goroutine does from the end of a
// wait at the place where timers end its waits until it is back there.

// Round is what a goroutine did between two waits at one place, of the program and for a
// channel, where a timer has ended waits of it. It is told when the second of them ends.
type Round struct {
	Place        PlaceID
	Since, Until Time
	Tick         int64 // a timer ended the second wait: ns since one ended a wait there before; else 0
	Timers       bool  // nothing but timers ended waits there so far

	G          GoID
	Func, Body StringID

	Spent   [NumGoStates]int64     // sums to Until-Since
	Longest [NumGoStates]RoundPart // the longest stay in each state; running: with nothing between but waits for a P
}

// RoundPart is a stay in one state.
type RoundPart struct {
	NS    int64
	Stack StackID // where it waited or entered the call; running: where the longest run ended, 0 for back at the place
}

// round is the one that a goroutine is in.
type round struct {
	Round
	idle bool      // it waits in the function that it is about
	tick Time      // when a timer ended a wait there last
	run  RoundPart // of the stay that it runs in
	most int64     // its longest run
}

// followRound takes in a span of g, which ends now.
func (t *tracker) followRound(g *goroutine) {
	r := g.round
	at := &t.stacks[g.FromStack]
	if g.From == GoWaiting && at.ticks {
		timer := g.Ready == ReadyTimer
		if timer && (r == nil || r.Place != at.place && at.idle && !r.idle) {
			r = new(round)
			r.Place, r.Timers, r.idle = at.place, true, at.idle
			g.round = r
		}
		if r.Place == at.place {
			t.endRound(g, r, timer)
			return
		}
	}
	held := int64(t.now - g.Since)
	r.Spent[g.From] += held
	switch g.From {
	case GoRunning:
		r.run.NS += held
		if s := &t.stacks[g.Stack]; held > r.most {
			if r.most, r.run.Stack = held, g.Stack; s.place == r.Place {
				r.run.Stack = 0
			}
		}
	case GoRunnable:
	default:
		r.endRun()
		if l := &r.Longest[g.From]; held > l.NS {
			*l = RoundPart{held, g.FromStack}
		}
	}
}

// endRun takes in the running before a wait or call.
func (r *round) endRun() {
	if l := &r.Longest[GoRunning]; r.run.NS > l.NS {
		*l = r.run
	}
	r.run, r.most = RoundPart{}, 0
}

// endRound tells the round that was over when g's wait began, which ends now, and begins
// the next.
func (t *tracker) endRound(g *goroutine, r *round, timer bool) {
	r.Timers = r.Timers && timer
	r.endRun()
	if r.Tick = 0; timer && r.tick != 0 {
		r.Tick = int64(t.now - r.tick)
	}
	if r.Since != 0 && t.on {
		r.Until, r.G, r.Func, r.Body = g.Since, g.ID, g.Func, g.Body
		t.ev.Round = &r.Round
		t.send(KindRound)
	}
	if timer {
		r.tick = t.now
	}
	r.Since, r.Spent, r.Longest = t.now, [NumGoStates]int64{}, [NumGoStates]RoundPart{}
}

// round has that of a goroutine that waits.
func (c *coder) round(g *goroutine) {
	known := g.round != nil
	var timers, idle bool
	if known {
		timers, idle = g.round.Timers, g.round.idle
	}
	if flags(c, &known, &timers, &idle); !known {
		return
	}
	if c.reading {
		g.round = new(round)
	}
	r := g.round
	r.Timers, r.idle = timers, idle
	number(c, &r.Place)
	moment(c, &r.Since)
	moment(c, &r.tick)
	number(c, &r.run.NS)
	number(c, &r.run.Stack)
	number(c, &r.most)
	for s := range r.Spent {
		number(c, &r.Spent[s])
		number(c, &r.Longest[s].NS)
		number(c, &r.Longest[s].Stack)
	}
}
