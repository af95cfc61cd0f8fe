package syscalls

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var serialCall = &analysis.Analyzer{
	Name: "serial-call", Proof: "syscalls.durations",
	Doc:      say.Page(pages, "serial-call"),
	Requires: []*analysis.Analyzer{measures.Syscalls, measures.Kinds},
	Thresholds: []analysis.Threshold{
		{
			Name: "serial-call.alone", Doc: "share of the time in which a goroutine is in a call at one place and no goroutine of the program runs or could run", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .1, Warning: .25},
			Source: "what is gone if the call takes no time: a tenth shows, a quarter is the first thing to look at",
		},
		{
			Name: "serial-call.time", Doc: "time in which a goroutine is in a call there and no goroutine of the program runs or could run", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 10e6}, Source: "a time slice (proc.go:forcePreemptNS)",
		},
		{
			Name: "serial-call.length", Doc: "length of the calls there, on average", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e3}, Source: "what fast disks take for a sync; shorter ones are the kernel's own work, and chatty-syscalls's",
		},
		{
			Name: "serial-call.calls", Doc: "calls there (not needed where one of them lasts as long as the time above)", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "as lock-convoy.waits",
		},
	},
	Run: func(p *analysis.Pass) error {
		if evidence.NoCalls(p, measures.SyscallsOf(p).Calls() > 0) {
			return nil
		}
		wall := p.Trace.Duration()
		found := 0
		var near analysis.Gate
		for _, k := range measures.KindsOf(p).All {
			for _, s := range k.Stays {
				if s.State != parse.GoSyscall || s.Whole > 0 || s.PlaceID == 0 {
					continue
				}
				name, kind := callOf(p.Trace, s.Place.Stack)
				alone := min(s.Alone, p.Trace.Quiet) // calls at once count once
				share := say.Ratio(alone, wall)
				if kind == callOutside || name == "" || kind == callC && waitsForInput(name) || measures.SyscallsOf(p).Paces(p.Trace, s.PlaceID) {
					continue
				}
				conditions := []analysis.Condition{analysis.Grades("alone", share), analysis.Needs("length", float64(s.NS/max(s.N, 1))), analysis.Needs("time", float64(alone))}
				if !p.Met("time", float64(s.Longest)) {
					conditions = append(conditions, analysis.Needs("calls", float64(s.N)))
				}
				g := p.Gate(conditions...)
				if g.Severity == "" || found == evidence.MaxFindings {
					near = near.Nearer(g.At(s.Label))
					continue
				}
				severity := g.Severity
				if kind == callC { // whether it works or waits is not in the trace
					severity = analysis.Note
				}
				found++
				p.Find(analysis.Finding{
					Severity: severity,
					Summary: fmt.Sprintf("The program waits for a call: for %s of the time a goroutine of %s is in %s at %s and nothing else of the program runs or could run (%s, mean %s, longest %s)",
						analysis.FormatRatio(share), k.Title(), name, s.Label, say.Counted(s.N, "call", "calls"), p.Dur(s.NS/max(s.N, 1)), p.Dur(s.Longest)),
					Cost: evidence.WallTime(p, alone), Confidence: analysis.Measured,
					Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: p.SiteName(s.Place.Stack), Note: fmt.Sprintf("%s in calls, %s of it with nothing else to do", p.Dur(s.NS), p.Dur(alone)), Stack: p.Stack(s.Place.Stack)})},
					Advice:   "Do less often what takes so long (sync once for many writes, larger blocks), or go on meanwhile: hand it to a goroutine of its own, or work on the next piece. syscall.duration.total should fall.",
					Caveat:   "A program that has nothing else to do waits for its last call whatever happens: look at whether somebody waits for the program.",
				})
			}
		}
		if found == 0 {
			evidence.Clear(p, "no call that the program makes for itself", near)
		}
		return nil
	},
}

// waitsForInput reports whether a C function waits for something from outside, by its
// name: that is how a consumer of messages is idle.
func waitsForInput(fn string) bool {
	fn = strings.ToLower(parse.ShortName(fn))
	return slices.ContainsFunc([]string{"poll", "wait", "recv", "accept", "select", "consume"}, func(verb string) bool { return strings.Contains(fn, verb) })
}
