package parse

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestWaitsCauses: each state of the Ps is waited for as the type says.
func TestWaitsCauses(t *testing.T) {
	runnable := func(n int32, ps map[ProcState]int32) (iv Interval) {
		iv.User[GoRunnable] = n
		for s, k := range ps {
			iv.P[s] = k
		}
		return iv
	}
	stopped := runnable(1, map[ProcState]int32{ProcStopped: 3, ProcStopper: 1})
	stopped.STW = true
	for name, c := range map[string]struct {
		iv   Interval
		want map[Cause]int64 // of 1200 ns
	}{
		"nobody waits":                       {runnable(0, map[ProcState]int32{ProcUser: 4}), nil},
		"an idle P for each":                 {runnable(2, map[ProcState]int32{ProcUser: 2, ProcIdle: 2}), map[Cause]int64{CauseWakeup: 1200}},
		"one idle P for two, three are busy": {runnable(2, map[ProcState]int32{ProcUser: 2, ProcSyscall: 1, ProcIdle: 1}), map[Cause]int64{CauseWakeup: 600, CauseUser: 400, CauseSyscall: 200}},
		"all are busy":                       {runnable(5, map[ProcState]int32{ProcUser: 1, ProcSystem: 1, ProcAssist: 1, ProcScheduler: 1}), map[Cause]int64{CauseUser: 300, CauseSystem: 300, CauseGC: 300, CauseScheduler: 300}},
		"the world is stopped":               {stopped, map[Cause]int64{CauseSTW: 1200}},
		"nothing is known of Ps":             {runnable(1, nil), map[Cause]int64{CauseUnknown: 1200}},
	} {
		var ps int32
		for _, n := range c.iv.P {
			ps += n
		}
		var w waits
		w.pass(1200, 1200, &c.iv, ps)
		var got, from [NumCauses]int64
		var held int64
		for _, ns := range c.want {
			held += ns
		}
		w.split(&got, &from, held)
		for cause, ns := range got {
			if ns != c.want[Cause(cause)] {
				t.Errorf("%s: %d ns for %v, want %d", name, ns, Cause(cause), c.want[Cause(cause)])
			}
		}
	}
}

// TestWaitsSum: however time is cut and the states change, the parts of a wait sum to
// it and none is negative.
func TestWaitsSum(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var w waits
	var now, since Time
	var from [NumCauses]int64
	for range 20_000 {
		ps := 1 + rnd.Int32N(300)
		iv := Interval{STW: rnd.IntN(20) == 0}
		iv.User[GoRunnable] = 1 + rnd.Int32N(5)
		for left := ps; left > 0; {
			n := 1 + rnd.Int32N(left)
			iv.P[ProcIdle+ProcState(rnd.IntN(int(NumProcStates-ProcIdle)))] += n
			left -= n
		}
		dt := rnd.Int64N(50)
		now += Time(dt)
		w.pass(now, dt, &iv, ps)
		if rnd.IntN(10) > 0 {
			continue
		}
		var wait [NumCauses]int64
		held := int64(now - since)
		w.split(&wait, &from, held)
		sum := int64(0)
		for cause, ns := range wait {
			if sum += ns; ns < 0 {
				t.Fatalf("%d ns for %v", ns, Cause(cause))
			}
		}
		if sum != held {
			t.Fatalf("the parts of a wait of %d ns sum to %d", held, sum)
		}
		since, from = now, w.parts
	}
}

// TestDivide: a product with the inverse is the division, for any number of Ps.
func TestDivide(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for n := int64(1); n <= maxProcs; n += 1 + n/16 {
		inverse := math.MaxUint64 / uint64(n)
		for _, dt := range []int64{0, 1, n - 1, n, n + 1, 7*n - 1, 7 * n, 1<<47 - 1, 1 << 47, (1<<47-1)/n*n - 1, (1<<47 - 1) / n * n, math.MaxInt64, rnd.Int64N(1 << 47), rnd.Int64N(1 << 20)} {
			if got := divide(dt, n, inverse); dt >= 0 && got != dt/n {
				t.Fatalf("%d/%d = %d, want %d", dt, n, got, dt/n)
			}
		}
	}
}

// TestSplitMost: each cause can be most of a wait; of equal ones it is the first, but for
// what is not known.
func TestSplitMost(t *testing.T) {
	for c := range NumCauses {
		var w waits
		for other := range w.parts {
			w.parts[other] = 10 + int64(other)
		}
		from := w.parts
		w.parts[c] += 7
		w.parts[CauseUnknown] += 3
		held := w.parts[c] - from[c] + 3
		if c == CauseUnknown {
			held -= 3
		}
		var wait [NumCauses]int64
		if most := w.split(&wait, &from, held); most != c {
			t.Errorf("most of the wait is %v, want %v", most, c)
		}
		for other, ns := range wait {
			if want := w.parts[other] - from[other]; ns != want {
				t.Errorf("%v: %d ns of %v, want %d", c, ns, Cause(other), want)
			}
		}
	}
	var wait, from [NumCauses]int64
	w := waits{parts: [NumCauses]int64{CauseGC: 5, CauseSyscall: 5}}
	if most := w.split(&wait, &from, 10); most != CauseGC {
		t.Errorf("of equal parts %v is most", most)
	}
	w = waits{parts: [NumCauses]int64{CauseUser: 5, CauseUnknown: 5}}
	if most := w.split(&wait, &from, 10); most != CauseUnknown {
		t.Errorf("of equal parts %v is most", most)
	}
}
