package parse

import (
	"fmt"
	"math"
)

// This file bounds what an event may lead to, and tells where following them ends.

// closer looks at what only few events need, known by their time or by what sets next to
// 0: the first one, the edges of the window, a time that cannot be or that jumps, and
// goroutines to be parked. It is false where the event is not to be followed.
func (t *tracker) closer(at Time, coro bool) bool {
	if uint64(at) > t.latest {
		t.fault = &Error{Kind: ErrCorrupt, Detail: fmt.Sprintf("event time %d: the clock or its frequency is broken", at)}
		t.done = true
		return false
	}
	if t.parking.whole > t.parking.limit {
		t.park()
	}
	if t.first {
		t.start(at)
	} else if at-t.now > 3600e9 {
		t.tr.Quality.ClockJumps++
	}
	if coro {
		at = t.now
	}
	for at >= t.edge {
		if t.on {
			t.events++
			t.advance(t.edge - 1)
			t.done = true
			return false
		}
		t.advance(t.edge)
		t.openWindow()
	}
	t.next = min(t.latest+1, uint64(t.edge), uint64(at)+3600e9)
	if t.parking.whole > t.parking.limit {
		t.next = 0
	}
	return true
}

// work notes that n goroutines, Ps or regions are looked at for one event. Damage, or
// intent, can make a few bytes a reason to look at a great many again and again.
func (t *tracker) work(n int) {
	if t.effort += int64(n); t.effort > 1<<22+1024*t.events && t.fault == nil {
		t.fault, t.done = errEffort, true
	}
}

var errEffort = &Error{Kind: ErrCorrupt, Detail: "broken trace: more goroutines, Ps or regions than its events can be about"}

// limit keeps the time of all goroutines, and of all Ps, in 63 bits.
func (t *tracker) limit() {
	t.latest = uint64(t.tr.First) + math.MaxInt64/uint64(max(len(t.gs), len(t.ps)))
	t.latest = min(t.latest, math.MaxInt64)
	t.next = 0
}
