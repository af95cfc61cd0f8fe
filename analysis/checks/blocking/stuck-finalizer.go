package blocking

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var stuckFinalizer = &analysis.Analyzer{
	Name: "stuck-finalizer", Proof: "kinds.flame",
	Doc:      say.Page(pages, "stuck-finalizer"),
	Requires: []*analysis.Analyzer{measures.Kinds, measures.GC, measures.Goroutines},
	Thresholds: []analysis.Threshold{
		{
			Name: "stuck-finalizer.blocked", Doc: "time that a finalizer or cleanup has been blocked at the end of the trace, or was at most", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6, Warning: 500e6, Error: 1e9},
			Source: "all finalizers run one after the other in one goroutine (mfinal.go: runFinalizers): a tenth of a second is a hundred short ones; as stuck-goroutines.lock",
		},
		{
			Name: "stuck-finalizer.busy", Doc: "share of the life of the goroutine that runs finalizers or cleanups in which it does not wait for the next", Unit: analysis.Ratio,
			Levels: analysis.Levels{Warning: .97}, Source: "as saturated-stage.busy: what is never done has a queue",
		},
		{
			Name: "stuck-finalizer.time", Doc: "time that it does not wait for the next", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 500e6}, Source: "as stuck-finalizer.blocked: shorter is what a cycle of the GC left at once",
		},
	},
	Run: func(p *analysis.Pass) error {
		any, found := false, 0
		var near analysis.Gate
		for _, k := range measures.KindsOf(p).All {
			what := finalizes(k)
			if what == "" {
				continue
			}
			any = true
			stuck := found
			for _, s := range k.Stays {
				if s.State != parse.GoWaiting && s.State != parse.GoSyscall || !s.Place.Own {
					continue
				}
				g := p.Gate(analysis.Grades("blocked", float64(s.Longest)))
				if g.Severity == "" || found == evidence.MaxFindings {
					near = near.Nearer(g.At(s.Label))
					continue
				}
				severity := g.Severity
				state := fmt.Sprintf("was blocked for %s at most", p.Dur(s.Longest))
				if s.Open > 0 && s.Oldest == s.Longest {
					state = fmt.Sprintf("has been blocked for %s at the end of the trace", p.Dur(s.Oldest))
				} else if severity == analysis.Error { // it went on
					severity = analysis.Warning
				}
				found++
				p.Find(analysis.Finding{
					Severity: severity, Explains: []string{"live-heap-growth"},
					Summary: fmt.Sprintf("A %s blocks the others: %s %s, at %s; no other runs meanwhile, and what waits for them stays in memory",
						what, k.Name, state, s.Label),
					Cost: evidence.WallTime(p, min(s.NS, p.Trace.Duration())), Confidence: analysis.Measured,
					Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: p.SiteName(s.Place.Stack), Note: "in the runtime's goroutine for all of them", Stack: p.Stack(s.Place.Stack)})},
					Advice:   "A finalizer must not wait: start a goroutine for what may block, or give the object a Close that its owner calls. heap.live.max should stop to grow.",
					Caveat:   "How many finalizers wait behind it is not in the trace.",
				})
			}
			g := p.Gate(analysis.Grades("busy", k.Share(k.Life-k.Parked)), analysis.Needs("time", float64(k.Life-k.Parked)))
			if g.Severity == "" || found > stuck || len(k.Stays) == 0 {
				near = near.Nearer(g.At(k.Name))
				continue
			}
			found++
			most := k.Stays[0]
			doing := most.Label
			if most.State == parse.GoWaiting || most.State == parse.GoSyscall {
				doing = "at " + doing
			}
			explains := []string{"live-heap-growth"}
			if owner, share := evidence.Alone(p); owner == k && share >= evidence.ExplainsFrom {
				explains = append(explains, "serial-section", "limits/serial") // nobody waits for it
			}
			p.Find(analysis.Finding{
				Code: "stuck-finalizer/behind", Severity: g.Severity, Explains: explains,
				Summary: fmt.Sprintf("Each %s waits for the one before: the goroutine that runs them is in %s for %s of its life, %s of it %s, and what waits for its turn stays in memory",
					what, finalizerOf(p, k), analysis.FormatRatio(k.Share(k.Life-k.Parked)), analysis.FormatRatio(k.Share(most.NS)), doing),
				Cost: evidence.WallTime(p, min(k.Life-k.Parked, p.Trace.Duration())), Confidence: analysis.Inferred,
				Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: k.Name, Note: fmt.Sprintf("%s %s in all", p.Dur(most.NS), doing), Stack: p.Stack(most.Place.Stack)})},
				Advice:   "Do less in it, and wait for nothing: give the object a Close that its owner calls, or start a goroutine for what takes long. heap.live.max should stop to grow.",
				Caveat:   "How many wait is not in the trace: a goroutine that is busy all the time has a queue, of what length is not told.",
			})
		}
		switch {
		case found > 0:
		case !any:
			p.NotApplicable("no finalizer or cleanup of the program was seen at work")
		default:
			evidence.Clear(p, "no wait in a finalizer or cleanup of the program", near)
		}
		return nil
	},
}

// finalizerOf names the function that the runtime calls in goroutines of a kind: the
// outermost of the program where they wait or run.
func finalizerOf(p *analysis.Pass, k *measures.GoKind) string {
	ks := measures.KindsOf(p)
	name, most := k.Name, int64(0)
	for stack, runs := range measures.GoroutinesOf(p).Runs().ByKey() {
		if runs.Ran <= most || ks.OfStack(stack) != k {
			continue
		}
		for _, f := range p.Trace.Stack(stack) {
			if p.Trace.Own(f) {
				name, most = p.FuncName(f.Func), runs.Ran
			}
		}
	}
	return name
}

// finalizes tells what goroutines of a kind run for the runtime: finalizers (runfinq
// before Go 1.25), cleanups (mcleanup.go), "" for neither.
func finalizes(k *measures.GoKind) string {
	switch {
	case k.Entry == "runtime.runFinalizers", k.Entry == "runtime.runfinq":
		return "finalizer"
	case strings.HasPrefix(k.Entry, "runtime.runCleanups"), strings.HasPrefix(k.Entry, "runtime.(*cleanupQueue)"):
		return "cleanup"
	}
	return ""
}
