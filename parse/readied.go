package parse

import "github.com/tracelens/tracelens/parse/internal/wire"

// This file tells how goroutines become runnable, and what made them stop.

// readied tells how g becomes runnable.
func (t *tracker) readied(ev *wire.Event, g *goroutine, from GoState) {
	g.Waker, g.Home = NoGo, ProcID(ev.P)
	switch from {
	case GoRunning:
		switch g.Preempt {
		case PreemptYield:
			g.Ready, g.Home = ReadyYield, NoProc
		case PreemptLockHandoff:
			g.Ready = ReadyLockHandoff
		default:
			g.Ready = ReadyPreempted
			// proc.go:goschedImpl keeps g on its P since Go 1.26 if a stop-the-world waits.
			if !t.version.KeepsStopped() || !t.stw.active || t.stw.restarted {
				g.Home = NoProc
			}
		}
	case GoSyscall:
		g.Ready, g.BlockedStack, g.unblocked = ReadySyscall, g.FromStack, t.now
	case GoWaiting:
		g.Waker, g.WakerStack = GoID(ev.G), StackID(ev.Stack)
		g.BlockedOn, g.BlockedStack = g.FromReason, g.FromStack
		if !g.Partial {
			g.BlockedSince = g.Since
		}
		g.blockedKind = t.blockKind(g.FromReason)
		g.direct = g.blockedKind == blockSystem && GoID(ev.G) == NoGo
		g.Ready, g.unblocked = t.wakeKind(ev, g), t.now
		if g.Ready != ReadyUnblocked && g.Ready != ReadyCoroutine && g.Ready != ReadyGC {
			g.Waker = NoGo
		}
	}
}

func (t *tracker) wakeKind(ev *wire.Event, g *goroutine) Ready {
	if ev.Coro {
		return ReadyCoroutine
	}
	kind := g.blockedKind
	stopped := t.stw.active && !t.stw.restarted && t.stw.g != nil && GoID(ev.G) == t.stw.g.ID
	switch {
	case kind == blockAssist || kind == blockGC || kind == blockPreempted:
		return ReadyGC
	case kind == blockOther && g.Class == ClassUser && t.stacks[g.FromStack].top == topGCPhase:
		return ReadyGC
	case kind == blockNetwork && (GoID(ev.G) == NoGo || stopped):
		return ReadyNetpoll
	case GoID(ev.G) != NoGo && !(kind == blockSystem && stopped):
		return ReadyUnblocked
	case kind == blockSystem || g.Class != ClassUser:
		return ReadyRuntime
	case kind == blockNone && t.polls(g.FromStack):
		return ReadyNetpoll
	}
	return ReadyTimer
}

// polls reports whether a goroutine with this stack waits for the network
// poller: for waits that began before the trace.
func (t *tracker) polls(s StackID) bool {
	for _, f := range t.stacks[s].frames {
		if t.strings[f.Func] == "internal/poll.runtime_pollWait" {
			return true
		}
	}
	return false
}

// preempt tells how a running goroutine was made to stop.
func (t *tracker) preempt(ev *wire.Event, to GoState) Preempt {
	if to == GoWaiting {
		if StringID(ev.Reason) == t.preempted {
			return PreemptSuspend
		}
		return PreemptNone
	}
	if to != GoRunnable {
		return PreemptNone
	}
	if StringID(ev.Reason) == t.gosched {
		return PreemptYield
	}
	if StackID(ev.ResStack) == 0 {
		return PreemptUnknown
	}
	switch t.stacks[StackID(ev.ResStack)].top {
	case topAsyncPreempt:
		return PreemptAsync
	case topGoyield:
		return PreemptLockHandoff
	case topSemrelease:
		if t.version.HidesGoyield() {
			return PreemptLockHandoff
		}
	}
	return PreemptCooperative
}
