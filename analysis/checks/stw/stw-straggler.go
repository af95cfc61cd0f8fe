package stw

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/gc"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// nextSeen says where goroutines that stop late are seen next: what keeps them is before.
func nextSeen(sites []measures.SiteSum[measures.STWSum]) string {
	if len(sites) == 0 || strings.HasPrefix(sites[0].Site, "(") {
		return ""
	}
	return "; what keeps it runs before " + sites[0].Site
}

// mostStopSoon reports whether the program's code stops soon in most stops of the world:
// then how many there are matters more than the few for which something is late.
func mostStopSoon(c *measures.STWFold) bool {
	var n, late int64
	for _, k := range c.Kinds() {
		n += k.Total.N()
	}
	for _, s := range c.Last() {
		late += s.N
	}
	return !evidence.Causes(late, n)
}

var stwStraggler = &analysis.Analyzer{
	Name: "stw-straggler", Proof: "stw.waterfall",
	Doc:      say.Page(pages, "stw-straggler"),
	Requires: []*analysis.Analyzer{measures.STW, measures.GC, measures.Waits},
	Thresholds: []analysis.Threshold{
		{Name: "stw-straggler.longest", Doc: "longest time from the request of a stop to the last P stopped, with this function on it", Unit: analysis.NS,
			Levels: analysis.Levels{Warning: 1e6, Error: 10e6}, Source: "a signal and a wake-up take 10 to 20 µs; 10 ms is a whole time slice (forcePreemptNS)"},
		{Name: "stw-straggler.stops", Doc: "stops of 200 µs of stopping or more that this function was likely the last to stop for", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 3}, Source: "once or twice may be the operating system, which took the thread from the CPU"},
		{Name: "stw-straggler.share", Doc: "share of this function in the stopping time of all such stops", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .5}, Source: "when many functions are late in turn, it is the machine"},
	},
	Run: func(p *analysis.Pass) error {
		if p.Trace.Version < 10 {
			p.NotApplicable(measures.NoStops)
			return nil
		}
		c := measures.STWOf(p)
		var n, all int64
		for _, k := range c.Kinds() {
			n += k.Total.N()
		}
		if n == 0 {
			p.NotApplicable(fmt.Sprintf("the world was not stopped in %s; record longer, with GC cycles in it", p.Dur(p.Trace.Duration())))
			return nil
		}
		byFunc := make(map[string]*measures.STWSum)
		for k, s := range c.Last() {
			all += s.Halt
			tally.At(byFunc, p.FuncName(k.Fn)).Add(s)
		}
		worst, sum := "", new(measures.STWSum)
		for fn, s := range byFunc {
			if s.Halt > sum.Halt || s.Halt == sum.Halt && fn < worst {
				worst, sum = fn, s
			}
		}
		if sum.N == 0 {
			p.Say("no stop took %s or more until the program's own code stopped", p.Dur(measures.STWSlow))
			return nil
		}
		g := p.Gate(analysis.Grades("longest", float64(sum.MaxHalt)), analysis.Needs("stops", float64(sum.N)), analysis.Needs("share", say.Ratio(sum.Halt, all))).At(worst)
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		var halt int64
		for _, k := range c.Kinds() {
			halt += k.Halt
		}
		stacks := make(map[measures.STWLast]*measures.STWSum)
		for k, s := range c.Last() {
			if p.FuncName(k.Fn) == worst {
				stacks[k] = s
			}
		}
		sites := measures.RankSites(p, stacks, func(k measures.STWLast) parse.StackID { return k.Stack }, (*measures.STWSum).Add, func(s *measures.STWSum) int64 { return s.Halt })
		shown := evidence.SiteEvidence(p, sites, p.Trace.From, p.Trace.To, func(s *measures.STWSum) string {
			return fmt.Sprintf("last to stop in %s, %s in all, the longest %s", say.Counted(s.N, "stop", "stops"), p.Dur(s.Halt), p.Dur(s.MaxHalt))
		})
		held := func(r *parse.Range) bool {
			return r.Stopping() >= measures.STWSlow && measures.STWRunsProgram(r) && p.FuncName(r.Stop.LastFunc) == worst
		}
		var during []analysis.Evidence
		for _, e := range c.Worst().Items() {
			if r := &e.Item; held(r) {
				during = append(during, analysis.Evidence{From: p.Rel(r.Since), To: p.Rel(r.Since) + measures.STWHalt(r)})
			}
		}
		finding := analysis.Finding{
			Severity: g.Severity, During: during,
			Summary: fmt.Sprintf("%s stops late when the world must stop: likely the last in %s that took 200 µs or more until then, the longest %s, %s in all (%s of such time)",
				worst, say.Counted(sum.N, "stop", "stops"), p.Dur(sum.MaxHalt), p.Dur(sum.Halt), say.Percent(say.Ratio(sum.Halt, all))) + nextSeen(sites),
			Cost:       evidence.WallTime(p, sum.Halt),
			Confidence: analysis.Inferred,
			Evidence:   append(shown, evidence.StopEvidence(p, c.Worst().Items(), held, false)...),
			Advice:     "Break up what cannot be interrupted there: copies and clears of very large memory, long loops without calls in code built or run without asynchronous preemption (GODEBUG=asyncpreemptoff). stw.gc.stopping.max should fall.",
			Caveat:     "The last P to stop is likely, not certain. A thread that the operating system took from its CPU is late in the same way: check whether GOMAXPROCS exceeds the CPUs.",
		}
		if say.Ratio(sum.Halt, halt) >= evidence.ExplainsFrom {
			finding.Explains = []string{"stw-long", "limits/stops"}
			if gc.PausePart(p) >= evidence.ExplainsFrom { // what the GC takes is the wait for it
				finding.Explains = append(finding.Explains, "gc-cpu-dominant", "limits/gc")
			}
			if evidence.CauseShare(p, parse.CauseSTW) >= evidence.ExplainsFrom {
				finding.Explains = append(finding.Explains, "latency-tail", "netpoll-delay", "syscall-return-wait", "mark-starves-users", "limits/waits", "request-path/starved")
			}
			if !mostStopSoon(c) {
				finding.Explains = append(finding.Explains, "stw-by-tooling")
			}
		}
		p.Find(finding)
		return nil
	},
}
