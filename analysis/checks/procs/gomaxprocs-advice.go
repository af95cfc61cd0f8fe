package procs

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var gomaxprocsAdvice = &analysis.Analyzer{
	Name: "gomaxprocs-advice", Proof: "parallelism.profile",
	Doc: say.Page(pages, "gomaxprocs-advice"),
	Thresholds: []analysis.Threshold{
		{
			Name: "gomaxprocs-advice.unused", Doc: "Ps that no user goroutine needed for 99.9 % of the time", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 4}, Source: "fewer are room for a peak",
		},
		{
			Name: "gomaxprocs-advice.spare", Doc: "share of these unused Ps in all Ps", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .5},
			Source: "half of the Ps is twice what was ever needed",
		},
		{
			Name: "gomaxprocs-advice.used", Doc: "running user goroutines, on average", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .02}, Source: "for a program that sleeps, the number of Ps does not matter: sched/idle has 0.001",
		},
		{
			Name: "gomaxprocs-advice.short", Doc: "share of the time in which more user goroutines could have run than there are Ps, all Ps busy", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5}, Source: "as saturated.share",
		},
		{
			Name: "gomaxprocs-advice.duration", Doc: "length of the trace", Unit: analysis.NS, Levels: analysis.Levels{Note: 1e9},
			Source: "a shorter one says nothing about peaks",
		},
	},
	Requires: []*analysis.Analyzer{measures.Trust, measures.Timeline, measures.Parallelism, measures.Waits},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		low, ok := p.Value("procs.gomaxprocs.min")
		high, _ := p.Value("procs.gomaxprocs.max")
		switch {
		case !ok:
			p.NotApplicable("the trace does not tell GOMAXPROCS; record with Go 1.22 or later")
			return nil
		case low != high:
			p.NotApplicable(fmt.Sprintf("GOMAXPROCS changed between %.0f and %.0f; analyse a part of the trace in which it does not", low, high))
			return nil
		}
		f := measures.ParallelismOf(p)
		wall, procs := p.Trace.Duration(), int64(high)
		need := min(levelQuantile(f.Demand(), 999, 1000), procs)
		mean := measures.WeightedMean(f.Running())
		short := say.Ratio(f.Saturated(), wall)
		duration := analysis.Needs("duration", float64(wall))
		more := p.Gate(analysis.Grades("short", short), duration)
		fewer := p.Gate(analysis.Grades("unused", float64(procs-need)), analysis.Grades("spare", say.Ratio(procs-need, procs)), analysis.Needs("used", mean), duration)
		window := []analysis.Evidence{evidence.Whole(p, analysis.Evidence{
			Note: fmt.Sprintf("user goroutines running %s on average, running or runnable at most %d for 99.9 %% of the time, %s at the peak",
				measures.MeanCount(mean), levelQuantile(f.Demand(), 999, 1000), analysis.FormatCount(f.Demand().Max()))})}
		_, js := p.Trace.Lookup("runtime.handleEvent") // lock_js.go: WebAssembly has one thread
		byGC := evidence.CauseShare(p, parse.CauseGC, parse.CauseSTW)
		served := 1 - say.Ratio(unmet(f.Demand(), 2*procs), unmet(f.Demand(), procs))
		switch {
		case more.Severity != "" && !js && byGC < evidence.ExplainsFrom && served >= leastServed:
			p.Find(analysis.Finding{
				Code: "gomaxprocs-advice/more", Severity: more.Severity, Confidence: analysis.Inferred,
				Summary: fmt.Sprintf("More Ps could help: for %s of the time all were busy (GOMAXPROCS %d) and as many goroutines or more waited; of %d, %s of the waiting would have found one",
					analysis.FormatRatio(short), procs, 2*procs, analysis.FormatRatio(served)),
				Cost: evidence.WallTime(p, f.Saturated()), Evidence: window,
				Advice: "Raise GOMAXPROCS if there are CPUs for it; goroutines.runnable.mean should fall.",
				Caveat: "It only helps when the machine has CPUs to spare, and when the goroutines do not wait for each other.",
			})
		case fewer.Severity != "":
			idle, _ := p.Value("procs.share.idle")
			p.Find(analysis.Finding{
				Code: "gomaxprocs-advice/fewer", Severity: fewer.Severity, Confidence: analysis.Inferred,
				Summary: fmt.Sprintf("%d of %d Ps would do: user goroutines used %s on average, and for 99.9 %% of the time at most %d ran or could have run",
					max(need, 1), procs, measures.MeanCount(mean), need),
				Cost: evidence.ProcTime(p, idle*float64(procs*wall)), Evidence: window,
				Advice: "Unless higher peaks are due, GOMAXPROCS may be lower: less is woken and searched in vain (procs.wakeups.fruitless), and the GC takes a quarter of fewer Ps while it marks.",
				Caveat: "The GC uses idle Ps for marking: fewer Ps make its cycles longer.",
			})
		default:
			text := fmt.Sprintf("user goroutines used %s of %d Ps on average, at most %d could have run at once for 99.9 %% of the time; all Ps were busy for %s of it",
				measures.MeanCount(mean), procs, levelQuantile(f.Demand(), 999, 1000), analysis.FormatRatio(say.Ratio(f.Full(), wall)))
			switch {
			case more.Severity == "":
			case js:
				text += "; WebAssembly has one thread"
			case served < leastServed:
				text += fmt.Sprintf("; of twice as many, %s of the waiting would have found one", analysis.FormatRatio(served))
			default:
				text += "; most of the waiting was for the GC, which takes its part of more Ps too"
			}
			p.Say("%s; looked at %s; and at %s", text, more.Said, fewer.Said)
		}
		return nil
	},
}

// leastServed is the share of the waiting that twice as many Ps must serve to be worth a
// word.
const leastServed = .1

// levelQuantile is the smallest count that holds for num of den of the time.
func levelQuantile(l *measures.Levels, num, den int64) (v int64) {
	var below int64
	all := l.N()
	l.Bins(func(_, hi, ns int64) bool {
		below += ns
		v = hi
		return float64(below)*float64(den) < float64(all)*float64(num)
	})
	return v
}

// unmet is ns × goroutines that would have found no P of n.
func unmet(demand *measures.Levels, n int64) (sum int64) {
	demand.Bins(func(lo, _, ns int64) bool {
		sum += max(0, lo-n) * ns
		return true
	})
	return sum
}
