package blocking

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var tickerStorm = &analysis.Analyzer{
	Name: "ticker-storm", Proof: "blocking.waits",
	Doc:      say.Page(pages, "ticker-storm"),
	Requires: []*analysis.Analyzer{measures.Blocking, measures.Goroutines, measures.Timeline, measures.Latency},
	Thresholds: []analysis.Threshold{
		{
			Name: "ticker-storm.rate", Doc: "waits per second at one place that a timer ended", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 1000, Warning: 10e3}, Source: "each is a wake-up of a P or thread at 5 to 50 µs: 0.5 to 5 % of a CPU, ten times as much 5 to 50 %",
		},
		{
			Name: "ticker-storm.work", Doc: "running time of the goroutines there, system calls included, for each of their waits", Unit: analysis.NS, Below: true,
			Levels: analysis.Levels{Note: 20e3}, Source: "less work than it costs to wake up for it",
		},
		{
			Name: "ticker-storm.alone", Doc: "share of the waits that a timer ended in all waits of goroutines with that entry function", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .95}, Source: "who also waits for other things pauses between pieces of work, and does not poll",
		},
		{
			Name: "ticker-storm.trace", Doc: "length of the trace", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 100e6}, Source: "below it a rate says nothing",
		},
	},
	Run: func(p *analysis.Pass) error {
		sites := measures.WaitingSites(p)
		if evidence.TooShort(p) || evidence.NoWaits(p, sites) {
			return nil
		}
		running, waited := make(map[string]int64), make(map[string]int64) // by what goroutines go by
		for o, v := range measures.GoroutinesOf(p).Populations().ByKey() {
			running[p.FuncName(o.Fn)] += v.States[parse.GoRunning] + v.States[parse.GoSyscall]
		}
		for _, w := range sites {
			waited[goesBy(p, w.Stack)] += w.Spans - w.Open
		}
		slices.SortStableFunc(sites, func(a, b *measures.WaitingAt) int { return cmp.Compare(b.Timers, a.Timers) })
		total, _ := p.Value("procs.time")
		scheduler, _ := p.Value("procs.share.scheduler")
		starts, _ := p.Value("sched.starts.user")
		found := 0
		var near analysis.Gate
		for _, w := range sites {
			fn := goesBy(p, w.Stack)
			rate, work := say.PerSecond(w.Timers, p.Trace.Duration()), running[fn]/max(waited[fn], 1)
			g := p.Gate(analysis.Grades("rate", rate), analysis.Needs("work", float64(work)), analysis.Needs("alone", say.Ratio(w.Timers, waited[fn])), analysis.Needs("trace", float64(p.Trace.Duration())))
			if g.Severity == "" || found == evidence.MaxFindings {
				if w.Timers > 0 {
					near = near.Nearer(g.At(w.Label[1]))
				}
				continue
			}
			found++
			var explains []string
			if evidence.Causes(w.Timers, int64(starts)) {
				explains = []string{"migration-churn"}
			}
			p.Find(analysis.Finding{
				Severity: g.Severity, Explains: explains,
				Summary: fmt.Sprintf("Timers wake goroutines %s at %s, to run %s each time", analysis.FormatRate(rate), w.Label[1], p.Dur(work)),
				Cost:    evidence.ProcTime(p, float64(w.Timers*work)+min(say.Ratio(w.Timers, int64(starts)), 1)*scheduler*total), Confidence: analysis.Inferred,
				Evidence: []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: w.Label[1], Note: fmt.Sprintf("%s timers", analysis.FormatCount(w.Timers)), Stack: p.Stack(w.Stack)})},
				Advice:   "Wait for what is to happen instead of asking again and again (channel, sync.Cond, context), ask less often, or serve all from one ticker. sched.starts.user should fall.",
				Caveat:   "Of the time in the scheduler they are charged with their share of all starts; what waking up costs in the kernel is not in it.",
			})
		}
		if found == 0 {
			evidence.Clear(p, "no wait of a user goroutine that a timer ended", near)
		}
		return nil
	},
}
