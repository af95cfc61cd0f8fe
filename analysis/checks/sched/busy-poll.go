package sched

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var busyPoll = &analysis.Analyzer{
	Name: "busy-poll", Proof: "goroutines.functions",
	Doc:      say.Page(pages, "busy-poll"),
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Goroutines, measures.Kinds, measures.Holders},
	Thresholds: []analysis.Threshold{
		{
			Name: "busy-poll.running", Doc: "share of the lives of goroutines of one kind in which they run or could run", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .98}, Source: "who waits for something else, if only for a lock, is no poll; 2 % are stops and the tracer's own",
		},
		{
			Name: "busy-poll.ps", Doc: "Ps that they take, mean of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .5}, Source: "half of a CPU that others could have",
		},
		{
			Name: "busy-poll.time", Doc: "time that they run", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 200e6}, Source: "twenty time slices (proc.go:forcePreemptNS): a computation of that length may still end",
		},
		{
			Name: "busy-poll.waited", Doc: "share of the time in which others wait for them", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: .02}, Source: "with more it is a serial part: a lock that it holds for a moment now and then is none",
		},
		{
			Name: "busy-poll.polls", Doc: "share of their runs that ended in a function that asks without waiting (a select with default or a closed channel, a lock that is free, an atomic, a yield)", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .02, Warning: .2}, Source: "preemption strikes a loop where it is: one run in five in such a call says what the loop is about, one in fifty that it asks at all",
		},
	},
	Run: func(p *analysis.Pass) error {
		h := measures.HoldersOf(p)
		polls := pollsOf(p)
		var found []analysis.Finding
		any, polled, all := false, int64(0), int64(0)
		var near analysis.Gate
		for _, k := range h.Kinds.All {
			ran := k.State[parse.GoRunning]
			if ran == 0 || k.Life == 0 {
				continue
			}
			any, all = true, all+ran
			share := k.Share(ran + k.State[parse.GoRunnable])
			if k.Name == "main.main" {
				continue
			}
			ps, asks := say.Ratio(ran, p.Trace.Duration()), polls[k.Name]
			g := p.Gate(analysis.Grades("polls", asks.share(k.Count)), analysis.Needs("running", share), analysis.Needs("ps", ps), analysis.Needs("time", float64(ran)), analysis.Needs("waited", say.Ratio(waitedForBy(h, k), p.Trace.Duration())))
			if g.Severity == "" || len(found) == evidence.MaxFindings { // without polls it is a computation: what it is for is not in the trace
				near = near.Nearer(g.At(k.Name))
				continue
			}
			if g.Severity != analysis.Note {
				polled += ran
			}
			code := "busy-poll"
			if asks.name == "runtime.Gosched" {
				code = "busy-poll/yields" // gosched-spin counts them
			}
			advice := "Wait instead of asking: receive without default, a sync.Cond, a context; where something outside must be asked, a ticker."
			if strings.HasPrefix(asks.name, "runtime.selectgo") || strings.HasPrefix(asks.name, "runtime.chanrecv") {
				advice = "A channel that it receives from is always ready, closed by all appearance, or that of a timer that is set to no time: look at the second value of the receive, and return or set the channel to nil (break leaves the select, not the loop)."
			}
			found = append(found, analysis.Finding{
				Code: code, Severity: g.Severity, Explains: []string{"serial-section", "limits/serial"},
				Summary: fmt.Sprintf("%s polls: it runs all the time, %s Ps on average, never blocks, and nobody waits for it; %s of its runs end where it asks without waiting (%s)",
					k.Title(), say.Number(ps), analysis.FormatRatio(asks.share(k.Count)), asks.name),
				Cost: evidence.ProcTime(p, float64(ran)), Confidence: analysis.Heuristic,
				Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: k.Name, Note: fmt.Sprintf("ran for %s of %s", p.Dur(ran), p.Dur(k.Life)), Stack: p.Stack(asks.stack)})},
				Advice:   advice + " procs.share.user should fall by what it took.",
				Caveat:   "It is told from where the goroutine was preempted. A computation that looks at a channel between its steps looks the same where the steps are short.",
			})
		}
		for _, f := range found {
			if f.Severity != analysis.Note && evidence.Causes(polled, all) { // the Ps are full of asking
				f.Explains = append(f.Explains, "latency-tail", "late-timers", "netpoll-delay", "syscall-return-wait", "saturated", "slice-overrun", "limits/waits", "limits/cpu", "gomaxprocs-advice/more", "request-path/starved")
			}
			p.Find(f)
		}
		switch {
		case len(found) > 0:
		case !any:
			p.NotApplicable("no goroutine of the program ran")
		default:
			evidence.Clear(p, "no goroutine but main that ran", near)
		}
		return nil
	},
}

// waitedForBy is the time in which goroutines waited for one of a kind.
func waitedForBy(h *measures.HeldPlaces, k *measures.GoKind) (ns int64) {
	for _, place := range h.Places {
		for _, by := range place.Holders {
			if by.Kind == k && place.Busy() > 0 {
				ns += by.NS
			}
		}
	}
	return ns
}

// asking is how often goroutines of a kind stopped running where they ask without
// waiting.
type asking struct {
	runs, asks int64
	most       int64
	name       string
	stack      parse.StackID
}

// share is that of the runs which end so. Each of the goroutines has one at least: where
// thousands end before they are preempted, the few that are not tell nothing of the others.
func (a *asking) share(goroutines int64) float64 {
	if a == nil {
		return 0
	}
	return say.Ratio(a.asks, max(a.runs, goroutines))
}

// pollFuncs are functions that ask whether something is so, and return at once.
var pollFuncs = []string{
	"runtime.selectnb", "runtime.selectgo", "runtime.chanrecv", "runtime.Gosched", "runtime.procyield", "runtime.osyield",
	"sync/atomic.", "internal/runtime/atomic.", "runtime/internal/atomic.", "sync.(*Mutex).", "internal/sync.(*Mutex).", "sync.(*RWMutex).",
}

// pollsOf counts by kind where runs ended, by those of the stacks that are long enough to
// tell: the functions between the preemption and the program.
func pollsOf(p *analysis.Pass) map[string]*asking {
	ks := measures.KindsOf(p)
	out := make(map[string]*asking)
	for stack, runs := range measures.GoroutinesOf(p).Runs().ByKey() {
		if stack == 0 {
			continue
		}
		k := ks.OfStack(stack)
		if k == nil {
			continue
		}
		a := out[k.Name]
		if a == nil {
			a = new(asking)
			out[k.Name] = a
		}
		a.runs += runs.N
		asks := runs.N - runs.Blocked // who waits there has the answer no
		if fn := asksAt(p.Trace, stack); asks > 0 && fn != "" && (fn != "runtime.Gosched" || runs.Ran < runs.N*asksBetween && yieldsItself(p.Trace, stack)) {
			a.asks += asks
			if asks > a.most || asks == a.most && stack < a.stack {
				a.most, a.name, a.stack = asks, fn, stack
			}
		}
	}
	return out
}

// asksBetween is how long a goroutine may run (ns) from one runtime.Gosched to the next to
// be one that asks: to ask takes a hundredth of it, who works for longer only lets others run.
const asksBetween = 100_000

// asksAt names the function of the runtime or library in which a stack asks, below where
// it was preempted.
func asksAt(tr *parse.Trace, stack parse.StackID) string {
	for _, f := range tr.Stack(stack) {
		fn := tr.String(f.Func)
		if strings.HasPrefix(fn, "runtime.asyncPreempt") {
			continue
		}
		for _, ask := range pollFuncs {
			if strings.HasPrefix(fn, ask) {
				return fn
			}
		}
		if !parse.IsStd(fn) {
			return ""
		}
	}
	return ""
}
