package parse

import (
	"math"
	"math/bits"
)

// waits says what runnable goroutines wait for, as integrals over time in ns. At each
// instant the wait of every one of them is made of: the stop-the-world, if one is under
// way; else wake-up, as far as idle Ps could take the runnable goroutines; else what the
// other Ps do, each an equal part. The parts of one wait are the differences of its ends.
type waits struct {
	parts [NumCauses]int64
	rest  int64 // of the division by the number of Ps

	busy    int64  // Ps that were, lately
	inverse uint64 // see divide

	quiet       int64 // time with no user goroutine running or runnable
	single      int64 // time of the kind that GoLife.Alone counts
	contended   int64 // time with a runnable user goroutine
	blamed      int64 // per busy P: time times waiting user goroutines (no yields)
	crowded     int64 // time with a runnable user goroutine and no idle P
	lastCrowded Time
}

// pass adds dt, which ends now, during which iv held and there were ps Ps.
func (w *waits) pass(now Time, dt int64, iv *Interval, ps int32) {
	user, yielding := int64(iv.User[GoRunnable]), int64(iv.Yielding)
	switch running := iv.User[GoRunning]; {
	case running == 0 && user == 0:
		w.quiet += dt
	case running == 1 && user == yielding && iv.P[ProcSyscall] == 0 && !iv.STW:
		w.single += dt
	}
	all := user + int64(iv.Runtime[GoRunnable])
	if all == 0 || dt == 0 {
		return
	}
	idle := int64(iv.P[ProcIdle])
	if user > 0 {
		w.contended += dt
		if idle == 0 {
			w.crowded += dt
			w.lastCrowded = now
		}
	}
	if iv.STW {
		w.parts[CauseSTW] += dt
		return
	}
	if idle > 0 {
		wake := dt
		if idle < all {
			wake = dt * idle / all
		}
		w.parts[CauseWakeup] += wake
		if dt -= wake; dt == 0 {
			return
		}
	}
	busy := int64(ps) - idle
	if busy == 0 {
		c := CauseUnknown
		if idle > 0 { // fewer idle Ps than goroutines, and nothing else to wait for
			c = CauseWakeup
		}
		w.parts[c] += dt
		return
	}
	dt += w.rest
	if busy != w.busy {
		w.busy, w.inverse = busy, math.MaxUint64/uint64(busy)
	}
	share := divide(dt, busy, w.inverse)
	w.rest = dt - share*busy
	w.blamed += share * (user - yielding)
	w.parts[CauseUser] += share * int64(iv.P[ProcUser])
	w.parts[CauseSystem] += share * int64(iv.P[ProcSystem])
	w.parts[CauseGC] += share * int64(iv.P[ProcWorker]+iv.P[ProcAssist])
	w.parts[CauseSyscall] += share * int64(iv.P[ProcSyscall])
	w.parts[CauseScheduler] += share * int64(iv.P[ProcScheduler])
	w.parts[CauseSTW] += share * int64(iv.P[ProcStopped]+iv.P[ProcStopper])
}

// divide is dt/n, where n is one of Ps and inverse is (2⁶⁴-1)/n: with one more than dt the
// high half of their product, exactly as long as n times that is not above 2⁶⁴.
func divide(dt, n int64, inverse uint64) int64 {
	if uint64(dt) >= 1<<47 {
		return dt / n
	}
	hi, _ := bits.Mul64(uint64(dt)+1, inverse)
	return int64(hi)
}

// split sets wait to the parts of a wait of held ns that ends now and began when the
// parts were those of from. They sum to held.
func (w *waits) split(wait, from *[NumCauses]int64, held int64) Cause {
	left := held
	most, longest := int(CauseUnknown), w.parts[CauseUnknown]-from[CauseUnknown]
	for c := range w.parts {
		part := w.parts[c] - from[c]
		wait[c] = part
		left -= part
		if part <= longest { // most are, and need not move the other two
			continue
		}
		most, longest = c, part
	}
	// The division by the number of Ps carries less than a ns per P over either
	// end of the wait.
	wait[most] += left
	for c := 0; wait[most] < 0; c++ {
		take := min(-wait[most], wait[c])
		if c != most && take > 0 {
			wait[c] -= take
			wait[most] += take
		}
	}
	return Cause(most)
}
