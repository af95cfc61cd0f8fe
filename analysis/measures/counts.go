package measures

import "github.com/tracelens/tracelens/parse"

// counts are what is of interest of an Interval: how many there are of what.
type counts struct {
	running, runnable, yielding, calls int64 // user goroutines; all that are in calls
	idle, inCall, stopped, procs       int64 // Ps
	gomaxprocs                         int64
	stw                                bool
}

func countsOf(iv *parse.Interval) counts {
	return counts{
		running: int64(iv.User[parse.GoRunning] - iv.Stoppers), runnable: int64(iv.User[parse.GoRunnable]), yielding: int64(iv.Yielding),
		calls: int64(iv.User[parse.GoSyscall] + iv.Runtime[parse.GoSyscall]),
		idle:  int64(iv.P[parse.ProcIdle]), inCall: int64(iv.P[parse.ProcSyscall]), stopped: int64(iv.P[parse.ProcStopped]), procs: procsOf(iv),
		gomaxprocs: int64(iv.Procs), stw: iv.STW,
	}
}

// procsOf is how many Ps there are: GOMAXPROCS, or those that are known.
func procsOf(iv *parse.Interval) int64 {
	procs := int64(iv.Procs)
	if procs == 0 {
		for _, n := range iv.P[parse.ProcIdle:] {
			procs += int64(n)
		}
	}
	return procs
}

func (c *counts) ready() int64 { return c.runnable - c.yielding }

// The weights of conditions.
func (c *counts) wasted() int64  { return min(c.idle, c.runnable) }
func (c *counts) stalled() int64 { return min(c.idle, c.ready()) }

// saturated reports whether no P is idle, few are in calls, and a goroutine waits for each.
func (c *counts) saturated() bool {
	return !c.stw && c.idle == 0 && c.ready() >= c.procs && c.procs > 0 && 4*c.inCall <= c.procs
}

// conditions are those that hold.
func (c *counts) conditions() (on uint8) {
	if c.wasted() > 0 && !c.stw {
		on |= 1 << onWasted
	}
	if c.stalled() > 0 && !c.stw {
		on |= 1 << onStalled
	}
	if c.ready() >= burstPerProc*c.procs && c.procs > 0 {
		on |= 1 << onBurst
	}
	return on
}
