package passes

import "strings"

// A FigureDoc says what a figure shows, whatever the trace.
type FigureDoc struct{ Name, Doc string }

// Analyzer is the one that draws it.
func (f FigureDoc) Analyzer() string {
	name, _, _ := strings.Cut(f.Name, ".")
	return name
}

// Figures lists all figures there can be, in the report's order. A trace has those
// of which it holds something.
var Figures = []FigureDoc{
	{"trust.gomaxprocs", "GOMAXPROCS over time, where it changed"},
	{"kinds.life", "where the lives of the program's goroutines go, by what they are about"},
	{"holders.places", "what holds up goroutines that wait for others, by place"},
	{"timeline.time", "P time by state over time"},
	{"timeline.lanes", "each P by state over time"},
	{"timeline.spans", "each P by state, exact spans, of a short time"},
	{"parallelism.profile", "how many user goroutines ran at once"},
	{"parallelism.runnable", "how many user goroutines were runnable at once"},
	{"parallelism.time", "running and runnable user goroutines, idle Ps and GOMAXPROCS over time"},
	{"latency.cause", "scheduling latency of user goroutines by how they became runnable"},
	{"latency.class", "scheduling latency by class of goroutine"},
	{"latency.time", "scheduling latency of user goroutines over time"},
	{"waits.cause", "what waiting for a P was made of"},
	{"waits.ready", "what waiting for a P was made of, by how the goroutine became runnable"},
	{"waits.function", "who made user goroutines wait for a P"},
	{"stealing.starts", "from which queue Ps take the goroutines they start"},
	{"stealing.latency", "scheduling latency by the queue the goroutine came from"},
	{"stealing.matrix", "who steals from whom"},
	{"stealing.time", "steals over time"},
	{"preemption.lengths", "lengths of time slices"},
	{"preemption.worst", "the longest time slices while work was runnable"},
	{"preemption.time", "preemptions by kind over time"},
	{"syscalls.durations", "durations of system and cgo calls"},
	{"syscalls.handoffs", "who took the P of calls"},
	{"syscalls.handoff", "how long calls held their P until it was taken"},
	{"syscalls.time", "system and cgo calls over time"},
	{"netpoll.time", "network wake-ups over time"},
	{"netpoll.latency", "how long goroutines wait for a P after network wake-ups"},
	{"stw.waterfall", "the longest stop of the world, P by P"},
	{"stw.longest", "the longest stops of the world over time"},
	{"stw.pauses", "share of time in which the world was stopping or stopped"},
	{"gc.cycle", "the worst GC cycle: phases, workers and assists"},
	{"gc.mmu", "minimum mutator utilization"},
	{"gc.share", "P time that the GC took, over time"},
	{"gc.heap", "heap in use and its goal over time"},
	{"goroutines.alive", "goroutines alive over time"},
	{"goroutines.functions", "running time by entry function"},
	{"blocking.waits", "what user goroutines wait for, over time"},
	{"tasks.tasks", "durations of user tasks by type"},
}
