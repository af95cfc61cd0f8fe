package measures

import (
	"math/bits"

	"github.com/tracelens/tracelens/parse"
)

// pendingTime is how long counts stood at certain values.
type pendingTime struct {
	pendingKey
	ns, before             int64  // in the bucket of over, and in those before it
	wasted, stalled, ready uint32 // the weights of the conditions
	on                     uint8  // those that hold
}

// pendingKey is the counts, in few words. The zero value is none.
type pendingKey struct {
	user  uint64 // runnable and running
	apart uint64 // of them: yielding and stopping the world
	ps    uint64 // in system calls and stopped; the highest bit is set
	idle  int32  // Ps
	calls int32  // goroutines in system calls
}

const (
	pendingBits   = 9
	pendingCounts = 1 << pendingBits
)

// wait adds an interval, until to, to the k-th time that waits.
func (f *ParallelismFold) wait(k uint64, iv *parse.Interval, to int64) {
	t, from := &f.pending[k], int64(iv.Since)
	if t.on != f.on {
		f.turn(from, t.on)
	}
	f.to = to
	t.ns += to - from
	f.weigh(t, to-from)
	if to-from >= holeMin && !iv.Switch {
		f.hole(iv, from, to)
	}
}

// weigh adds to the masses of the conditions, which are of use where one of them holds.
func (f *ParallelismFold) weigh(t *pendingTime, held int64) {
	f.mass[onWasted] += int64(t.wasted) * held
	f.mass[onStalled] += int64(t.stalled) * held
	f.mass[onBurst] += int64(t.ready) * held
}

// pair packs two counts.
func pair(a, b int32) uint64 { return uint64(uint32(a)) | uint64(uint32(b))<<32 }

// replace makes the k-th time that waits that at the counts of an interval, until to.
func (f *ParallelismFold) replace(k uint64, iv *parse.Interval, to int64) {
	t := &f.pending[k]
	if t.pendingKey != (pendingKey{}) {
		c := f.counts(&t.pendingKey)
		f.add(&c, t.before+t.ns)
		over := overOf(&c)
		f.over.AddHeld(f.until-1, t.ns, over[:])
	}
	f.used[k/64] |= 1 << (k % 64)
	c := countsOf(iv)
	*t = pendingTime{pendingKey: pendingKeyOf(iv), wasted: uint32(c.wasted()), stalled: uint32(c.stalled()), ready: uint32(c.ready()), on: c.conditions()}
	f.wait(k, iv, to)
}

func pendingKeyOf(iv *parse.Interval) pendingKey {
	return pendingKey{
		pair(iv.User[parse.GoRunnable], iv.User[parse.GoRunning]), pair(iv.Yielding, iv.Stoppers), pair(iv.P[parse.ProcSyscall], iv.P[parse.ProcStopped]) | 1<<63,
		iv.P[parse.ProcIdle], iv.User[parse.GoSyscall] + iv.Runtime[parse.GoSyscall]}
}

// counts are those of a key.
func (f *ParallelismFold) counts(k *pendingKey) counts {
	return counts{
		running: int64(int32(k.user>>32) - int32(k.apart>>32)), runnable: int64(int32(k.user)), yielding: int64(int32(k.apart)), calls: int64(k.calls),
		idle: int64(k.idle), inCall: int64(int32(k.ps)), stopped: int64(k.ps << 1 >> 33), procs: int64(f.procs), gomaxprocs: int64(f.procs),
	}
}

// settleTime adds the time that waits to the sums.
func (f *ParallelismFold) settleTime() {
	f.settleBucket()
	for t := range f.waiting {
		c := f.counts(&t.pendingKey)
		f.add(&c, t.before)
		*t = pendingTime{}
	}
	f.until, f.procs, f.used = 0, 0, [len(f.used)]uint64{}
}

// settleBucket adds the time that waits to over.
func (f *ParallelismFold) settleBucket() {
	var sum counts // each times ns
	var all, saturated int64
	for t := range f.waiting {
		ns := t.ns
		if ns == 0 {
			continue
		}
		c := f.counts(&t.pendingKey)
		sum.running += c.running * ns
		sum.runnable += c.runnable * ns
		sum.idle += c.idle * ns
		sum.inCall += c.inCall * ns
		sum.stopped += c.stopped * ns
		sum.calls += c.calls * ns
		all += ns
		if c.saturated() {
			saturated += ns
		}
		t.before += ns
		t.ns = 0
	}
	if all == 0 {
		return
	}
	sum.procs, sum.gomaxprocs = int64(f.procs)*all, int64(f.procs)*all
	over := overOf(&sum)
	over[OverTime], over[OverSaturated] = all, saturated
	f.over.AddHeld(f.until-1, 1, over[:])
}

// waiting yields all times that wait.
func (f *ParallelismFold) waiting(yield func(*pendingTime) bool) {
	for i, used := range f.used {
		for ; used != 0; used &= used - 1 {
			if !yield(&f.pending[64*i+bits.TrailingZeros64(used)]) {
				return
			}
		}
	}
}
