package analysis

import (
	"slices"
	"strings"
)

// MetricDef is one entry of the flat list of metrics. An id never changes its
// meaning: budgets, audits and comparisons read it.
type MetricDef struct {
	ID         string
	Unit       Unit
	Polarity   Polarity
	Clock      Clock
	Confidence Confidence
	Doc        string
}

// metricList is the flat list. An id with {a,b} stands for several.
var metricList = []MetricDef{
	{"trace.duration", NS, Neutral, Wall, Measured, "first event to last event"},
	{"trace.events", Count, Neutral, "", Measured, "events as the reference reader delivers them, without Sync"},
	{"trace.generations", Count, Neutral, "", Measured, "generations read whole"},
	{"trace.complete", Ratio, Higher, "", Measured, "generations read whole of those begun"},
	{"trace.events_per_s", PerS, Neutral, "", Measured, "events per second of trace"},

	{"procs.gomaxprocs.{max,min}", Count, Neutral, "", Measured, "GOMAXPROCS"},
	{"procs.time", NS, Neutral, PTime, Measured, "integral of GOMAXPROCS over the trace: the whole of every procs.share"},
	{"procs.share.{user,system,gcworker,assist,syscall,scheduler,idle,stw}", Ratio, Neutral, PTime, Measured, "share of P time in that state; the eight sum to 1"},
	{"procs.wakeups", Count, Neutral, "", Measured, "P from idle to running"},
	{"procs.wakeups.fruitless", Count, Lower, "", Measured, "wake-ups that reach idle again without starting a goroutine"},
	{"procs.idle_while_runnable", NS, Lower, PTime, Measured, "integral of min(idle Ps, runnable user goroutines) outside stop-the-world, in stretches of 10 µs or more"},

	{"sched.starts", Count, Neutral, "", Measured, "runnable to running, all goroutines"},
	{"sched.starts.user", Count, Neutral, "", Measured, "runnable to running, user goroutines"},
	{"sched.latency.user.{p50,p90,p99,p999,max,total}", NS, Lower, GTime, Measured, "runnable to running of user goroutines, without voluntary yields and coroutine switches"},
	{"sched.latency.all.{p50,p90,p99,p999,max,total}", NS, Lower, GTime, Measured, "runnable to running of all goroutines and causes, without coroutine switches"},
	{"sched.latency.{created,unblocked,netpoll,timer,yield,preempted,lockhandoff,syscall,gc}.{p50,p99,max,total}", NS, Lower, GTime, Measured, "runnable to running of user goroutines that became runnable this way"},
	{"sched.migrations", Count, Neutral, "", Measured, "starts on another P than the goroutine's run before"},

	{"steal.count", Count, Neutral, "", Inferred, "goroutines started from another P's queue"},
	{"steal.ambiguous", Count, Neutral, "", Inferred, "starts that may be steals: the true number lies in [count, count+ambiguous]"},
	{"steal.rate", PerS, Neutral, "", Inferred, "steals per second"},
	{"steal.share", Ratio, Neutral, "", Inferred, "steals of eligible starts"},
	{"steal.operations", Count, Neutral, "", Inferred, "steal operations; one moves up to half a queue"},
	{"steal.latency.{p50,p99}", NS, Lower, GTime, Inferred, "scheduling latency of stolen starts"},

	{"preempt.async", Count, Neutral, "", Measured, "preemptions by signal"},
	{"preempt.cooperative", Count, Neutral, "", Measured, "preemptions at a function prologue"},
	{"preempt.unknown", Count, Neutral, "", Measured, "preemptions without a stack to tell"},
	{"preempt.lockhandoff", Count, Lower, "", Measured, "yields of a goroutine that unlocks a starving mutex"},
	{"preempt.suspend", Count, Neutral, "", Measured, "goroutines parked for a stack scan or the tracer"},
	{"preempt.yield", Count, Neutral, "", Measured, "runtime.Gosched of user goroutines"},
	{"preempt.overrun.count", Count, Lower, "", Measured, "time slices over 20 ms while work was runnable"},
	{"preempt.overrun.max", NS, Lower, PTime, Measured, "longest such time slice beyond 10 ms"},

	{"syscall.count", Count, Neutral, "", Measured, "system and cgo calls begun, without the tracer's own"},
	{"syscall.duration.{p50,p99,max,total}", NS, Lower, GTime, Measured, "begin to end of calls"},
	{"syscall.phandoff.count", Count, Lower, "", Measured, "Ps lost in a call"},
	{"syscall.phandoff.{sysmon,stw,safepoint,exiting,self,other}", Count, Neutral, "", Measured, "Ps lost in a call, by who took them"},
	{"syscall.phandoff.latency.{p50,p99,max}", NS, Neutral, PTime, Measured, "begin of call to loss of the P, taken by sysmon"},
	{"syscall.hostage", NS, Lower, PTime, Inferred, "P time in calls beyond 20 µs while user work was runnable; an upper bound by at most 20 µs per call"},
	{"syscall.reacquire.{p50,p99,max}", NS, Lower, GTime, Measured, "return from a blocking call to running"},

	{"netpoll.wakeups", Count, Neutral, "", Measured, "goroutines readied by the network poller"},
	{"netpoll.wakeups.nop", Count, Lower, "", Measured, "of them, readied without a P: by sysmon or a poller that found none idle"},
	{"netpoll.latency.{p50,p99,max}", NS, Lower, GTime, Measured, "readied by the poller to running"},

	{"stw.gc.count", Count, Neutral, "", Measured, "GC stop-the-world windows"},
	{"stw.other.count", Count, Lower, "", Measured, "other stop-the-world windows, without the start of the trace"},
	{"stw.{gc,other}.total.{p50,p99,max,total}", NS, Lower, Wall, Measured, "length of pauses, as /sched/pauses/total counts it"},
	{"stw.{gc,other}.stopping.{p50,p99,max,total}", NS, Lower, Wall, Measured, "request to the last P stopped; a lower bound of /sched/pauses/stopping"},
	{"stw.cpu", NS, Lower, PTime, Measured, "P time lost in GC pauses, as /cpu/classes/gc/pause counts it"},

	{"gc.cycles", Count, Neutral, "", Measured, "GC cycles ended"},
	{"gc.mark.wall", NS, Lower, Wall, Measured, "concurrent mark: restart after the first pause to the begin of the last"},
	{"gc.worker.{dedicated,fractional,idle}", NS, Neutral, PTime, Measured, "P time of mark workers by mode; an upper bound of /cpu/classes/gc/mark"},
	{"gc.assist.cpu", NS, Lower, PTime, Measured, "running time in mark assist; an upper bound of /cpu/classes/gc/mark/assist"},
	{"gc.assist.wall", NS, Lower, GTime, Measured, "time in mark assist, waiting and all"},
	{"gc.assist.count", Count, Lower, "", Measured, "mark assists"},
	{"gc.sweep.cpu", NS, Lower, PTime, Measured, "incremental sweeping on allocation"},
	{"gc.mmu.{1ms,10ms,100ms}", Ratio, Higher, PTime, Measured, "minimum mutator utilization: GC pauses, assists, dedicated and fractional workers"},

	{"heap.live.max", Bytes, Lower, "", Measured, "largest heapLive, which counts whole spans"},
	{"heap.goal.{max,last}", Bytes, Neutral, "", Measured, "heap goal"},

	{"goroutines.created", Count, Neutral, "", Measured, "goroutines created in the trace"},
	{"goroutines.max", Count, Neutral, "", Measured, "largest number alive"},
	{"goroutines.runnable.{mean,max}", Count, Lower, Wall, Measured, "runnable user goroutines"},
	{"goroutines.running.mean", Count, Neutral, Wall, Measured, "running user goroutines"},
	{"threads.seen", Count, Neutral, "", Measured, "distinct thread ids in the trace"},

	{"block.{sync,chan,select,network,sleep,gcassist,other}.total", NS, Neutral, GTime, Measured, "waiting time of user goroutines by reason"},

	{"kinds.{busy,parked}", NS, Neutral, GTime, Inferred, "lives of the program's goroutines: about something they began; waiting for something to do"},
	{"hold.time", NS, Lower, Wall, Measured, "time in which at least one goroutine waited for another, sum over places"},
	{"hold.waited", NS, Lower, GTime, Measured, "time that goroutines waited for another"},
	{"hold.{running,runnable,waiting,call,unstarted,unknown}", NS, Neutral, Wall, Measured, "of hold.time, by what the goroutine did that ended the next wait there; unknown: no goroutine ended it, or more happened since than is kept"},
}

var metricDefs = func() map[string]MetricDef {
	m := make(map[string]MetricDef)
	for _, d := range metricList {
		for _, id := range expand(d.ID) {
			d.ID = id
			m[id] = d
		}
	}
	return m
}()

// Metrics returns the flat list, sorted by id.
func Metrics() []MetricDef {
	var out []MetricDef
	for _, d := range metricDefs {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b MetricDef) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// expand writes out the alternatives of an id with {a,b}.
func expand(id string) []string {
	open := strings.IndexByte(id, '{')
	if open < 0 {
		return []string{id}
	}
	end := open + strings.IndexByte(id[open:], '}')
	var out []string
	for _, alt := range strings.Split(id[open+1:end], ",") {
		out = append(out, expand(id[:open]+alt+id[end+1:])...)
	}
	return out
}
