package syscalls

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// A callKind is what a call that blocks waits for.
type callKind uint8

const (
	callFiles   callKind = iota // files, and locks of files: flock, fsync, write
	callOutside                 // somebody else's doing or time: input, a process, a sleep
	callC                       // C code, whatever it does
)

// outsideCalls are the system calls that wait for input, for a process or for time.
var outsideCalls = []string{
	"read", "readv", "recv", "recvfrom", "recvmsg", "accept", "accept4", "wait4", "waitid", "epollwait", "epollpwait", "kevent",
	"poll", "ppoll", "select", "pselect", "nanosleep", "clocknanosleep", "futex", "syscall", "syscall6", "rawsyscall",
}

// callOf names the call that a stack is in: the wrapper of the program's own system
// call, or the C function.
func callOf(tr *parse.Trace, stack parse.StackID) (name string, kind callKind) {
	for _, f := range tr.Stack(stack) {
		fn := tr.String(f.Func)
		short := fn[strings.LastIndexByte(fn, '.')+1:]
		pkg := strings.TrimSuffix(fn[:len(fn)-len(short)], ".")
		switch {
		case fn == "runtime.cgocall", strings.HasPrefix(short, "_Cfunc_"):
			name, kind = fn, callC
		case pkg == "syscall" || strings.HasPrefix(pkg, "internal/syscall/") || strings.HasPrefix(pkg, "golang.org/x/sys/"):
			name, kind = fn, callFiles
			if slices.Contains(outsideCalls, strings.ToLower(short)) {
				kind = callOutside
			}
		case name != "":
			return name, kind
		}
	}
	return name, kind
}

// fewerProcesses is what to do where a goroutine waits for a process that the program
// started.
const fewerProcesses = "Start fewer processes: do their work in the program, or keep one running and send it work; bound how many run at once. syscall.duration.total should fall."

// startsProcess reports whether a call is one that starts a process, or waits for its end.
func startsProcess(tr *parse.Trace, stack parse.StackID) bool {
	return slices.ContainsFunc(tr.Stack(stack), func(f parse.Frame) bool {
		fn := tr.String(f.Func)
		return strings.HasPrefix(fn, "os.(*Process).") || strings.HasPrefix(fn, "syscall.forkExec")
	})
}

var blockedCalls = &analysis.Analyzer{
	Name: "blocked-calls", Proof: "syscalls.durations",
	Doc:      say.Page(pages, "blocked-calls"),
	Requires: []*analysis.Analyzer{measures.Syscalls, measures.Goroutines},
	Thresholds: []analysis.Threshold{
		{Name: "blocked-calls.files", Doc: "goroutines in calls on files and their locks, or into C, at one place, mean of the trace (never a warning for C)", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .5, Warning: 4}, Source: "as limits.contention and lock-convoy.waiters: every second moment somebody waits there; a queue of four"},
		{Name: "blocked-calls.outside", Doc: "goroutines in calls that wait for input, a process or time, at one place, mean of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 2}, Source: "one goroutine that reads a terminal, a pipe or a signal is how programs wait"},
		{Name: "blocked-calls.length", Doc: "length of the calls there, on average", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6}, Source: "as limits.contention-wait; what takes less is chatty-syscalls's"},
		{Name: "blocked-calls.calls", Doc: "calls there", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "as lock-convoy.waits"},
	},
	Run: func(p *analysis.Pass) error {
		f := measures.SyscallsOf(p)
		if evidence.NoCalls(p, f.Calls() > 0) {
			return nil
		}
		found := 0
		all := window.Sum(p, f.Load(), measures.LoadInCall, p.Trace.From, p.Trace.To)
		var near analysis.Gate
		for _, s := range evidence.CallSitesBy(p, f, (*measures.CallSite).InCalls) {
			name, kind := callOf(p.Trace, s.Stack)
			calls := s.V.Timed + s.V.Open
			inCall, mean := say.Ratio(s.V.InCalls(), p.Trace.Duration()), s.V.InCalls()/max(calls, 1)
			limit, what := "files", "blocked in "+name
			advice := "Do it less often or not under way of others: batch writes and syncs, hold file locks shorter, use a goroutine of its own for slow files. syscall.duration.total should fall."
			switch {
			case startsProcess(p.Trace, s.Stack):
				advice = fewerProcesses
				if kind == callOutside {
					limit, what = "outside", "waiting for a process in "+name
				}
			case kind == callOutside:
				limit, what = "outside", "waiting in "+name
				advice = "Let the network poller wait where it can (os.Pipe, sockets, os.File with deadlines) and a timer instead of a sleep in a call: each such call holds a thread. syscall.duration.total should fall."
			case kind == callC:
				what = "in C code (" + name + ")"
				advice = "Look at the C code with a profiler of its own (perf); bound how many goroutines call it at once, and pass more at once if calls wait. syscall.duration.total should fall."
			}
			g := p.Gate(analysis.Grades(limit, inCall), analysis.Needs("length", float64(mean)), analysis.Needs("calls", float64(calls)))
			if g.Severity == "" || found == evidence.MaxFindings {
				near = near.Nearer(g.At(s.Site))
				continue
			}
			severity := g.Severity
			if kind == callC { // whether it works or waits is not in the trace
				severity = analysis.Note
			}
			found++
			open := ""
			if s.V.Open > 0 {
				open = fmt.Sprintf(", %s not over at the end of the trace", analysis.FormatCount(s.V.Open))
			}
			var explains []string
			if taken := f.Lost()[parse.TakerSysmon]; taken > 0 && evidence.Causes(s.V.Lost[parse.TakerSysmon], taken) {
				explains = []string{"blocking-p-handoffs"}
			}
			if severity != analysis.Note && evidence.Causes(s.V.InCalls(), all) { // it is no single goroutine that waits
				explains = append(explains, "serial-call")
			}
			p.Find(analysis.Finding{
				Severity: severity, Explains: explains,
				Summary: fmt.Sprintf("%s goroutines at any time are %s at %s: %s, mean %s, longest %s%s",
					say.Number(inCall), what, s.Site, say.Counted(calls, "call", "calls"), p.Dur(mean), p.Dur(max(s.V.Longest, s.V.OpenLongest)), open),
				Cost:       evidence.GoTime(p, s.V.InCalls()),
				Confidence: analysis.Measured,
				Evidence:   []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: measures.StackFunc(p, s.Stack), Note: p.Dur(s.V.InCalls()) + " in all", Stack: p.Stack(s.Stack)})},
				Advice:     advice,
				Caveat:     "The trace does not tell a call that the kernel works in from one that waits. A call that is not over at the end of the trace counts up to there; one from before it does not.",
			})
		}
		if found == 0 {
			evidence.Clear(p, "no place with a call", near)
		}
		return nil
	},
}
