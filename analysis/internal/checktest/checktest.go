// Package checktest runs the cases of checks: traces made by hand, just below and just
// at each level, and real ones.
package checktest

import (
	"fmt"
	"math"
	"runtime/trace"
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

// alwaysApplicable are the checks that no trace keeps from checking.
var alwaysApplicable = []string{"incomplete-trace", "stw-by-tooling"}

// near is how close to a level a case has to be on either side, as a share of it.
const near = .1

// farCases are the thresholds whose cases stay farther than near from every level, on one
// side at least: mostly because another threshold decides first there.
var farCases = []string{
	"assist-queue-wait.share", "assist-queue-wait.waits", "blocking-p-handoffs.cost", "channel-ping-pong.trace",
	"chatty-syscalls.median", "cpu-throttled.chance", "gc-cpu-dominant.rate", "gomaxprocs-advice.spare",
	"idle-p-while-runnable.waited", "incomplete-trace.lost", "live-heap-growth.trend", "locked-thread-penalty.ratio",
	"locked-thread-penalty.wait", "memory-limit-thrash.allocation", "memory-limit-thrash.cpu", "mmu-low.taken",
	"oversubscribed-host.samples", "p-imbalance.unused", "preempt-heavy.count", "preempt-heavy.rate",
	"preempt-heavy.runnable", "runnable-burst.count", "rwmutex-writer-stall.behind", "serial-mark.idle",
	"slice-overrun.length", "slow-tasks.running", "stuck-goroutines.ended", "stuck-goroutines.nil",
	"stuck-goroutines.parked", "stuck-goroutines.steady", "stw-long.share", "stw-straggler.share",
	"syscall-return-wait.share", "syscall-return-wait.waits", "thread-growth.factor", "thread-growth.perp",
	"ticker-storm.trace",
}

// A handmade trace was checked by a case.
type handmade struct {
	trace  parse.Trace
	events []parse.Event
}

// tried keeps the traces of the cases under way, nil outside TestChecks.
var tried *[]handmade

// Concluded concludes a trace made by hand.
func Concluded(tr *parse.Trace, check *analysis.Analyzer, events []parse.Event) *analysis.Report {
	h := handmade{*tr, events}
	if tried != nil {
		*tried = append(*tried, h)
	}
	return h.report(check, nil)
}

func (h *handmade) report(check *analysis.Analyzer, levels map[string]analysis.Levels) *analysis.Report {
	p := analysis.NewPartial([]*analysis.Analyzer{check})
	for i := range h.events {
		p.Event(&h.events[i])
	}
	return analysis.ByThresholds(&h.trace, "synthetic", p, []*analysis.Analyzer{check}, levels)
}

// verdict is how a check ends with these levels in force.
func (h *handmade) verdict(check *analysis.Analyzer, levels map[string]analysis.Levels) string {
	res := h.report(check, levels).Results[0]
	out := string(res.Outcome)
	for _, f := range res.Findings {
		out += fmt.Sprintf(" %s %s", f.Code, f.Severity)
		for _, s := range f.Symptoms {
			out += fmt.Sprintf(" %s %s", s.Code, s.Severity)
		}
	}
	return out
}

// Run runs the cases of a check, and wants of them one that fires, one that is
// clear and one that is not applicable. A level moved a little must change the verdict
// of a case, up and down: so there are cases just below and at it.
func Run(t *testing.T, check *analysis.Analyzer, cases func(*testing.T)) {
	t.Helper()
	if trace.IsEnabled() {
		t.Skip("a trace of this process is being recorded already")
	}
	var all []handmade
	tried = &all
	defer func() { tried = nil }()
	cases(t)
	tried = nil

	outcomes := make(map[analysis.Outcome]bool)
	for i := range all {
		outcomes[all[i].report(check, nil).Results[0].Outcome] = true
	}
	for _, o := range []analysis.Outcome{analysis.Found, analysis.Clear, analysis.NotApplicable} {
		if !outcomes[o] && (o != analysis.NotApplicable || !slices.Contains(alwaysApplicable, check.Name)) {
			t.Errorf("no case is %s", o)
		}
	}
	for _, th := range check.Thresholds {
		if slices.Contains(farCases, th.Name) {
			continue
		}
		for _, up := range []bool{true, false} {
			if !slices.ContainsFunc(analysis.Severities, func(s analysis.Severity) bool { return levelTried(check, &th, s, up, all) }) {
				t.Errorf("%s: no case %s by less than %.0f %%", th.Name, sideOf(&th, up), 100*near)
			}
		}
	}
}

// sideOf says whether cases at a level or those short of it notice that it moved up
// or down.
func sideOf(th *analysis.Threshold, up bool) string {
	if up != th.Below {
		return "that meets it"
	}
	return "that misses it"
}

// levelTried reports whether some case ends otherwise when a level is moved by a
// share of it, counts and rates by one at least. Where another threshold hides that,
// it does with the other one out of the way.
func levelTried(check *analysis.Analyzer, th *analysis.Threshold, s analysis.Severity, up bool, all []handmade) bool {
	moved := th.Levels
	level := moved.At(s)
	if *level == 0 {
		return false
	}
	step := near * *level
	if th.Unit == analysis.Count || th.Unit == analysis.PerS {
		step = max(step, min(1, *level))
	}
	if !up {
		step = -step
	}
	*level += step
	if *level == 0 {
		*level = -1e-9 // 0 is no level
	}
	for _, other := range append([]analysis.Threshold{{}}, check.Thresholds...) {
		if other.Name == th.Name {
			continue
		}
		before := map[string]analysis.Levels{other.Name: alwaysMet(&other)}
		after := map[string]analysis.Levels{other.Name: alwaysMet(&other), th.Name: moved}
		for i := range all {
			if all[i].verdict(check, before) != all[i].verdict(check, after) {
				return true
			}
		}
	}
	return false
}

// alwaysMet are levels of a threshold that every value meets.
func alwaysMet(th *analysis.Threshold) (l analysis.Levels) {
	for _, s := range analysis.Severities {
		if *th.Levels.At(s) == 0 {
			continue
		}
		*l.At(s) = -1e-9
		if th.Below {
			*l.At(s) = math.MaxFloat64
		}
	}
	return l
}
