package analysistest

import (
	"fmt"

	"github.com/tracelens/tracelens/parse"
)

// Accounts checks on the events of one trace what package parse promises of spans:
// they follow each other without gap and sum to lifetimes, the parts of a wait and
// of what held others up sum to it, intervals cover the trace.
type Accounts struct {
	gos   map[goKey]*goAccount
	procs map[parse.ProcID]*procAccount
	ended goKey // of the goroutine whose span was the last

	goRuns, procRuns  int64 // time of goroutines running, and of Ps that run one
	procTime, counted int64 // time of Ps by their spans, and by the intervals
	last, interval    parse.Time
	starts            int64
	waits, blame      [parse.NumProcStates]int64

	faults []string
}

type goKey struct {
	id          parse.GoID
	incarnation uint32
}

type goAccount struct {
	end   parse.Time
	state parse.GoState
	p     parse.ProcID // of its last run
	ran   bool
	spent [parse.NumGoStates]int64
}

type procAccount struct {
	end   parse.Time
	state parse.ProcState
	spent [parse.NumProcStates]int64
	open  bool // its life has not been told
}

// NewAccounts returns accounts for the events of one trace, all of them.
func NewAccounts() *Accounts {
	return &Accounts{gos: make(map[goKey]*goAccount), procs: make(map[parse.ProcID]*procAccount)}
}

func (a *Accounts) fault(format string, args ...any) {
	if len(a.faults) < 5 {
		a.faults = append(a.faults, fmt.Sprintf(format, args...))
	}
}

// Event takes in the next event.
func (a *Accounts) Event(e *parse.Event) {
	if e.Time < a.last {
		a.fault("at %d: time goes back from %d", e.Time, a.last)
	}
	a.last = e.Time
	if e.Held() < 0 {
		a.fault("at %d: a span of %d ns, kind %d", e.Time, e.Held(), e.Kind)
	}
	switch e.Kind {
	case parse.KindGoCreate, parse.KindGoRunnable, parse.KindGoRunning, parse.KindGoWaiting, parse.KindGoSyscall:
		a.goSpan(e)
	case parse.KindGoLife:
		l := e.GoLife
		var spent [parse.NumGoStates]int64
		if x := a.gos[a.ended]; x != nil {
			spent = x.spent
		}
		if l.ID != a.ended.id || sum(l.Spent[:]) != int64(e.Time-l.Born) || l.Spent != spent {
			a.fault("at %d: goroutine %d born at %d: spans %v, spent %v", e.Time, l.ID, l.Born, spent, l.Spent)
		}
		delete(a.gos, a.ended)
	case parse.KindProc:
		a.procSpan(e)
	case parse.KindProcLife:
		l := e.ProcLife
		x := a.proc(l.ID)
		if sum(l.Spent[:]) != int64(e.Time-l.Begin) || l.Spent != x.spent {
			a.fault("at %d: P %d from %d: spans %v, spent %v", e.Time, l.ID, l.Begin, x.spent, l.Spent)
		}
		x.spent, x.open = [parse.NumProcStates]int64{}, false
	case parse.KindHold:
		h := e.Hold
		left := h.Held
		for _, p := range h.Parts {
			if left -= p.NS; p.NS <= 0 {
				a.fault("at %d: a holder for %d ns", e.Time, p.NS)
			}
		}
		if left != 0 || h.Held < 0 || h.Waited < 0 || h.Waiters < 0 || int64(e.Time-h.Since) < h.Held {
			a.fault("at %d: a hold of %d ns since %d, %d more than its parts, %d waiting", e.Time, h.Held, h.Since, left, h.Waiters)
		}
	case parse.KindRound:
		r := e.Round
		if sum(r.Spent[:]) != e.Held() || e.Time < r.Until || r.Tick > 0 && r.Tick < e.Held() && r.Timers {
			a.fault("at %d: a round from %d to %d of %v, %d ns after a tick", e.Time, r.Since, r.Until, r.Spent, r.Tick)
		}
	case parse.KindInterval:
		iv := e.Interval
		if a.interval != 0 && iv.Since != a.interval {
			a.fault("at %d: an interval begins at %d, the one before ended at %d", e.Time, iv.Since, a.interval)
		}
		a.interval = e.Time
		var n int64
		for s, k := range iv.P {
			if k < 0 {
				a.fault("at %d: %d Ps %v", e.Time, k, parse.ProcState(s))
			}
			n += int64(k)
		}
		for s := range iv.User {
			if iv.User[s] < 0 || iv.Runtime[s] < 0 {
				a.fault("at %d: %d and %d goroutines %v", e.Time, iv.User[s], iv.Runtime[s], parse.GoState(s))
			}
		}
		a.counted += n * e.Held()
		if iv.GCPs < 0 || int64(iv.GCPs) > n {
			a.fault("at %d: GC has %d of %d Ps", e.Time, iv.GCPs, n)
		}
	}
}

func (a *Accounts) goSpan(e *parse.Event) {
	g := e.Go
	k := goKey{g.ID, g.Incarnation}
	x := a.gos[k]
	switch {
	case x == nil || g.From == parse.GoNotExist:
		x = &goAccount{end: g.Since}
		a.gos[k] = x
	case g.Since != x.end || g.From != x.state:
		a.fault("at %d: goroutine %d: span %v from %d, but the one before ended at %d in %v", e.Time, g.ID, g.From, g.Since, x.end, x.state)
	}
	x.end, x.state = e.Time, g.To
	x.spent[g.From] += e.Held()
	a.ended = k
	if g.From == parse.GoRunning {
		a.goRuns += e.Held()
	}
	if g.From != parse.GoRunnable || g.To != parse.GoRunning {
		return
	}
	if x.ran && g.LastP != x.p {
		a.fault("at %d: goroutine %d ran on P %d before, not %d", e.Time, g.ID, x.p, g.LastP)
	}
	if g.P != parse.NoProc {
		x.ran, x.p = true, g.P
	}
	for c, w := range g.Wait {
		if w < 0 {
			a.fault("at %d: negative wait for %v: %v", e.Time, parse.Cause(c), g.Wait)
		}
	}
	if n := sum(g.Wait[:]); n != e.Held() {
		a.fault("at %d: the parts of a wait sum to %d of %d", e.Time, n, e.Held())
	}
	if g.Class == parse.ClassUser && g.Ready != parse.ReadyYield && !g.Partial {
		a.starts++
		for s, c := range causeOf {
			a.waits[s] += g.Wait[c]
		}
	}
}

// causeOf are the parts of waits that are also the blame of Ps in a state.
var causeOf = map[parse.ProcState]parse.Cause{
	parse.ProcUser: parse.CauseUser, parse.ProcSystem: parse.CauseSystem, parse.ProcWorker: parse.CauseGC,
	parse.ProcSyscall: parse.CauseSyscall, parse.ProcScheduler: parse.CauseScheduler,
}

func (a *Accounts) proc(id parse.ProcID) *procAccount {
	x := a.procs[id]
	if x == nil {
		x = new(procAccount)
		a.procs[id] = x
	}
	return x
}

func (a *Accounts) procSpan(e *parse.Event) {
	p := e.Proc
	x := a.proc(p.ID)
	x.open = true
	x.spent[p.From] += e.Held()
	switch {
	case x.end == 0 || p.From == parse.ProcNotExist:
	case x.state == parse.ProcNotExist:
		if p.From != parse.ProcIdle {
			a.fault("at %d: P %d: comes back in state %v", e.Time, p.ID, p.From)
		}
	default:
		// What is told late, by a status, gives the span under way another state.
		late := p.From.RunsG() || p.From == parse.ProcScheduler || p.From == parse.ProcSyscall
		if p.Since != x.end || p.From != x.state && !late {
			a.fault("at %d: P %d: span %v from %d, but the one before ended at %d in %v", e.Time, p.ID, p.From, p.Since, x.end, x.state)
		}
	}
	x.end, x.state = e.Time, p.To
	a.procTime += e.Held()
	if p.From.RunsG() {
		a.procRuns += e.Held()
	}
	s := p.From
	if s == parse.ProcAssist {
		s = parse.ProcWorker
	}
	a.blame[s] += p.Blame
}

func sum(ns []int64) (total int64) {
	for _, n := range ns {
		total += n
	}
	return total
}

// Faults says what broke a promise, when the trace has been read. Each holds for any
// input.
func (a *Accounts) Faults() []string {
	open := 0
	for _, p := range a.procs {
		if p.open {
			open++
		}
	}
	if len(a.gos)+open > 0 {
		a.fault("the lives of %d goroutines and %d Ps have no end", len(a.gos), open)
	}
	return a.faults
}

// Unbalanced says in which accounts of a sound trace the sides differ. Those of a
// damaged one may, and then the report does not say that all time is accounted for.
func (a *Accounts) Unbalanced(tr *parse.Trace) (faults []string) {
	if a.goRuns != a.procRuns {
		faults = append(faults, fmt.Sprintf("goroutines ran %d ns, Ps ran goroutines %d ns", a.goRuns, a.procRuns))
	}
	// Ps that show themselves late count from the start of the trace in their spans,
	// but not in the intervals before.
	if d := a.procTime - a.counted; d < 0 || float64(d) > 0.001*float64(a.procTime)+float64(tr.Duration()) && !tr.V1() {
		faults = append(faults, fmt.Sprintf("Ps lived %d ns, intervals counted %d", a.procTime, a.counted))
	}
	// Blame is the same integral as the parts of waits, but for waits that the trace
	// cuts and divisions by the number of Ps.
	for s, w := range a.waits {
		slack := float64(a.starts*int64(2*max(tr.Procs, 8))) + 0.05*float64(a.blame[s]) + 20e6
		if w > 0 && float64(w-a.blame[s]) > slack {
			faults = append(faults, fmt.Sprintf("waits for Ps in state %v: %d ns in the waits, %d ns in the Ps", parse.ProcState(s), w, a.blame[s]))
		}
	}
	return faults
}
