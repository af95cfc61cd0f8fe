package sched

import (
	"cmp"
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var goschedSpin = &analysis.Analyzer{
	Name: "gosched-spin", Proof: "preemption.time",
	Doc: say.Page(pages, "gosched-spin"),
	Thresholds: []analysis.Threshold{
		{
			Name: "gosched-spin.rate", Doc: "calls of runtime.Gosched by user goroutines at one place, per second", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 5e3, Warning: 20e3},
			Source: "20,000 come every 50 µs, faster than a thread is woken: nobody waits in earnest; a planted spin lock has 97,000, etcd 7,100",
		},
		{
			Name: "gosched-spin.share", Doc: "share of one place's runtime.Gosched in all starts of user goroutines", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .1, Warning: .25},
			Source: "less is lost in the work around it",
		},
		{
			Name: "gosched-spin.time", Doc: "time run between the calls of runtime.Gosched at one place, and in the scheduler for them, as a share of P time", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .02, Warning: .1},
			Source: "a loop in runtime.GC that yields while it sweeps has 0.3 % and less, a planted spin lock 98 %",
		},
		{
			Name: "gosched-spin.count", Doc: "calls of runtime.Gosched by user goroutines at one place", Unit: analysis.Count, Levels: analysis.Levels{Note: 1000}, Source: "population",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Latency, measures.Preemption, measures.Kinds},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.PreemptionOf(p)
		starts, _ := p.Value("sched.starts.user")
		var top measures.PreemptSite
		var worst measures.Preempted
		yields := make(map[measures.PreemptSite]*measures.Preempted)
		for k, v := range f.Sites().ByKey() {
			if k.Kind == parse.PreemptYield && yieldsItself(p.Trace, k.Stack) {
				yields[k] = v
			}
		}
		for _, at := range measures.JoinSites(yields, func(k measures.PreemptSite) tally.Label { return tally.Label{p.SiteName(k.Stack), p.FuncName(k.Fn)} },
			(*measures.Preempted).Add, func(c *measures.Preempted) int64 { return c.N },
			func(a, b measures.PreemptSite) int {
				return cmp.Or(cmp.Compare(a.Stack, b.Stack), cmp.Compare(a.Fn, b.Fn))
			}) {
			top, worst = at.Key, *at.V
			break
		}
		if total, _ := p.Value("procs.time"); starts == 0 || total == 0 {
			p.NotApplicable("no user goroutine was started in this trace; record while the program works")
			return nil
		}
		rate, share := say.PerSecond(worst.N, p.Trace.Duration()), float64(worst.N)/starts
		total, _ := p.Value("procs.time")
		scheduler, _ := p.Value("procs.share.scheduler")
		spent := float64(worst.Ran) + min(share, 1)*scheduler*total // each call goes through the scheduler
		g := p.Gate(analysis.Grades("rate", rate), analysis.Grades("share", share), analysis.Grades("time", spent/total), analysis.Needs("count", float64(worst.N)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		advice := "Wait instead of asking again and again: a channel, sync.Cond or sync.Mutex wakes the goroutine when there is something to do."
		between := worst.Ran / worst.N
		if between >= worksBetween {
			advice = fmt.Sprintf("Wait instead of asking again and again (a channel, sync.Cond or sync.Mutex wakes the goroutine when there is something to do), or, if what it runs from one yield to the next (%s) is work, leave runtime.Gosched out: others get their turn after 10 ms anyway.", p.Dur(between))
		}
		explains := []string{"busy-poll/yields"}
		if user, _ := p.Value("procs.share.user"); evidence.Causes(worst.Ran, int64(user*total)) {
			explains = append(explains, "limits/cpu", "saturated", "preempt-heavy") // Ps that are busy with asking
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured, Explains: explains,
			Summary: fmt.Sprintf("%s yields in a loop: %s runtime.Gosched (%s) at %s, %s of all starts of user goroutines",
				evidence.About(p, top.Fn), analysis.FormatCount(worst.N), analysis.FormatRate(rate), p.SiteName(top.Stack), analysis.FormatRatio(share)),
			Cost:     evidence.ProcTime(p, spent),
			Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: evidence.About(p, top.Fn), Note: "yields here; running between yields " + p.Dur(worst.Ran), Stack: p.Stack(top.Stack)})},
			Advice:   advice + " preempt.yield should fall.",
			Caveat:   "A long computation that yields to be polite does not need to: the scheduler preempts it.",
		})
		return nil
	},
}

// worksBetween is how long (ns) a goroutine runs between two yields that does more than to
// look whether it may go on: 50 times what a lock that is free or an atomic takes.
const worksBetween = 10_000
