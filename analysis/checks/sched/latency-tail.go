package sched

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// waitEvidence are the longest waits of user goroutines for a P.
func waitEvidence(p *analysis.Pass, most int) (out []analysis.Evidence) {
	for _, e := range measures.LatencyOf(p).Worst().Items() {
		if len(out) == most {
			break
		}
		w := &e.Item
		c, _ := measures.Largest(&w.Parts)
		from := p.Rel(w.Since)
		out = append(out, analysis.Evidence{From: from, To: from + e.Value, P: evidence.IDOf(w.P), G: evidence.IDOf(w.G), Func: p.FuncName(w.Fn),
			Note: fmt.Sprintf("waited %s (%s), mostly %s", p.Dur(e.Value), say.ReadyWord(w.Ready), measures.CauseTexts[c]), Stack: p.Stack(w.Waker)})
	}
	return out
}

var LatencyTail = &analysis.Analyzer{
	Name: "latency-tail", Proof: "latency.time",
	Doc:         say.Page(pages, "latency-tail"),
	Interactive: true,
	Covers:      []string{"limits/waits"},
	Thresholds: []analysis.Threshold{
		{
			Name: "latency-tail.p99", Doc: "p99 of the waits of user goroutines for a P, in the trace or its worst second", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 5e6, Error: 10e6},
			Source: "10 ms is a whole time slice (proc.go:forcePreemptNS), 5 ms half of one; 1 ms the runtime's own limit for a starving mutex. Healthy services on a machine with too few CPUs have 1.2 ms, a sound mixed load on one P 3.3 ms",
		},
		{
			Name: "latency-tail.share", Doc: "waiting for a P, as a share of the running and waiting of user goroutines", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .01}, Source: "less is not felt",
		},
		{
			Name: "latency-tail.waits", Doc: "waits of user goroutines for a P", Unit: analysis.Count, Levels: analysis.Levels{Note: 1000},
			Source: "ten values lie beyond the p99",
		},
		{
			Name: "latency-tail.outside", Doc: "waits of user goroutines that timers and the network ended; with fewer the finding is a note", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 10}, Source: "where next to nobody comes from outside, as in a batch job, nobody minds who waits",
		},
		{
			Name: "latency-tail.moment", Doc: "share of the waits of 1 ms or longer that ended in the worst 100 ms, 0 in traces shorter than 1 s", Unit: analysis.Ratio, Below: true,
			Levels: analysis.Levels{Note: 1, Warning: .8, Error: .8}, Source: "what happens once, such as a start, makes no tail for those who come later",
		},
	},
	Requires: []*analysis.Analyzer{measures.Parallelism, measures.Latency, measures.Waits, measures.Kinds},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		f := measures.LatencyOf(p)
		user := f.Headline(p)
		n := user.N()
		if !p.Met("waits", float64(n)) {
			p.NotApplicable(fmt.Sprintf("%s of user goroutines for a P, longest %s: a p99 needs %.0f; record longer or under more load", say.Counted(n, "wait", "waits"), p.Dur(user.Max()), p.Limit("waits")))
			return nil
		}
		p99 := user.QuantileAny(.99)
		worst := worstSecond(p, f)
		least := int64(worst.Score)
		moment, inMoment := evidence.WorstMoment(p, f)
		cost := evidence.ActiveTime(p, user.Sum())
		g := p.Gate(analysis.Grades("p99", float64(max(p99, least))), analysis.Grades("moment", inMoment), analysis.Needs("share", cost.Share()), analysis.Needs("waits", float64(n)))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		severity := g.Severity
		if !p.Met("outside", evidence.WokenFromOutside(p)) || inMoment > .5 && evidence.MostlyCreated(f) { // a start, or a fan-out
			severity = analysis.Note
		}
		text := fmt.Sprintf("User goroutines waited long for a P: p99 %s, longest %s (n=%s); waiting is %s of their running and waiting",
			p.Dur(p99), p.Dur(user.Max()), analysis.FormatCount(n), analysis.FormatRatio(cost.Share()))
		if least > p99 {
			text += fmt.Sprintf("; p99 %s or more in the worst second", p.Dur(least))
		}
		if inMoment > .5 {
			text += fmt.Sprintf("; %s of those of 1 ms or longer ended in the 100 ms from %s", analysis.FormatRatio(inMoment), p.At(moment.From))
		}
		text += evidence.MostlyBecause(measures.WaitsOf(p).All())
		wakers, top := wakerEvidence(p, 3)
		if top != "" {
			text += "; most of the long ones after " + top
		}
		shown := append(waitEvidence(p, 5), wakers...)
		if least > 0 {
			shown = append(shown, analysis.Evidence{From: p.Rel(worst.From), To: p.Rel(worst.To), Note: "the worst second"})
		}
		advice := "See under waits who held the Ps: make those runs shorter, wake fewer goroutines at once, or add Ps."
		var explains []string
		switch who := evidence.InTheWay(p); {
		case who != "":
			advice = "Shorten " + who + ", wake fewer goroutines at once, or add Ps."
			explains = []string{"netpoll-delay", "request-path/starved"} // which wait for the same runs
		case evidence.CauseShare(p, parse.CauseGC) < evidence.ExplainsFrom:
		case p.Trace.Procs == 1:
			advice = "The GC marks on the only P: set GOMAXPROCS to 2 or more, allocate less, or raise GOGC."
		default:
			advice = "The GC has the Ps: allocate less, or raise GOGC."
		}
		if evidence.CauseShare(p, parse.CauseUser) >= evidence.ExplainsFrom {
			explains = append(explains, "late-timers")
		}
		p.Find(analysis.Finding{
			Severity: severity, Summary: text, Confidence: analysis.Measured, Cost: cost, Evidence: shown, Explains: explains,
			Advice: advice + " sched.latency.user.p99 should fall.",
			Caveat: "Yields and coroutine switches are left out. On an oversubscribed machine the operating system's queue is part of it.",
		})
		return nil
	},
}

// worstSecond is the one with the longest p99 among those with enough waits. Its score
// is the lower edge of that p99's class.
func worstSecond(p *analysis.Pass, f *measures.LatencyFold) window.Stretch {
	return window.Worst(p, f.OverTime(), window.Second, func(sums []int64, _ int64) float64 {
		var n int64
		for _, k := range sums {
			n += k
		}
		if !p.Met("waits", float64(n)) {
			return -1
		}
		lane := len(sums) - 1
		for beyond := sums[lane]; beyond*100 < n && lane > 0; beyond += sums[lane] {
			lane--
		}
		from, _ := measures.LatencyClass(lane)
		return float64(from)
	})
}
