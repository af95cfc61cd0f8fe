package tasks

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

// taskParts are what the time of a task is made of, by the state of the goroutine
// that began it.
var taskParts = []struct {
	state parse.GoState
	words string
	limit string // threshold of its share
}{
	{parse.GoRunning, "running", "running"},
	{parse.GoRunnable, "waiting for a P", "share"},
	{parse.GoWaiting, "blocked", "share"},
	{parse.GoSyscall, "in system calls", "share"},
}

var SlowTasks = &analysis.Analyzer{
	Name: "slow-tasks", Proof: "tasks.tasks",
	Doc:         say.Page(pages, "slow-tasks"),
	Interactive: true,
	Requires:    []*analysis.Analyzer{measures.Tasks, measures.Goroutines},
	Thresholds: []analysis.Threshold{
		{
			Name: "slow-tasks.ratio", Doc: "p99 of the tasks of a type over their p50", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 5}, Source: "a queue at half load has a tail of 3 to 4 medians",
		},
		{
			Name: "slow-tasks.excess", Doc: "p99 of the tasks of a type less their p50", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 1e6, Warning: 10e6}, Source: "1 ms is within the noise of a shared machine; 10 ms are a time slice",
		},
		{
			Name: "slow-tasks.tasks", Doc: "tasks of a type that started and ended in the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 100}, Source: "at least one task beyond the p99",
		},
		{
			Name: "slow-tasks.share", Doc: "share of the excess (p99 less p50) spent blocked, in system calls or waiting for a P, the largest of them", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .2, Warning: .5}, Source: "one component makes half of it: there is one thing to change",
		},
		{
			Name: "slow-tasks.running", Doc: "share of the excess (p99 less p50) spent running", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .2}, Source: "slow tasks that do more work are of another kind: never a warning",
		},
		{
			Name: "slow-tasks.longest", Doc: "longest task of a type over the p50, where the p99 is not slow", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 20}, Source: "four times slow-tasks.ratio for what is seen once: why a flight recorder was read",
		},
		{
			Name: "slow-tasks.beyond", Doc: "longest task of a type less the p50", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 10e6}, Source: "as slow-tasks.excess: a time slice",
		},
		{
			Name: "slow-tasks.few", Doc: "tasks of a type that started and ended in the trace, for its longest", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 20}, Source: "ten values on either side of the p50",
		},
	},
	Run: runSlowTasks,
}

// addLongest says that a single task of a type was much slower than usual, where one was.
func addLongest(p *analysis.Pass, f *measures.TasksFold, name string, a *measures.Annotated) analysis.Gate {
	p50, longest := a.Lengths.QuantileAny(.5), a.Lengths.Max()
	excess, slow := taskExcess(&a.BySpan, p50, longest)
	var total int64
	for _, ns := range excess {
		total += ns
	}
	part := 0
	for i := range taskParts {
		if excess[i] > excess[part] {
			part = i
		}
	}
	g := p.Gate(analysis.Grades("longest", float64(longest)/float64(max(p50, 1))), analysis.Grades("beyond", float64(longest-p50)), analysis.Needs("few", float64(a.Lengths.N()))).At(name)
	if g.Severity == "" {
		return g
	}
	var shown []analysis.Evidence
	for _, e := range f.Slowest().Items() {
		if measures.IsOf(p, e.Item.Name, name) && len(shown) == 0 {
			from := p.Rel(parse.Time(e.Time))
			shown = append(shown, analysis.Evidence{From: from, To: from + e.Value, G: evidence.IDOf(e.Item.G), Func: p.FuncName(e.Item.Fn), Note: "took " + p.Dur(e.Value), Stack: p.Stack(e.Item.Stack)})
		}
	}
	p.Find(analysis.Finding{
		Code: "slow-tasks/single", Severity: g.Severity,
		Summary: fmt.Sprintf("A task of type %s took %s, %s times as long as usual (p50 %s, n=%s), %s of the excess %s",
			name, p.Dur(longest), say.Number(float64(longest)/float64(max(p50, 1))), p.Dur(p50), analysis.FormatCount(a.Lengths.N()), analysis.FormatRatio(say.Ratio(excess[part], total)), taskParts[part].words),
		Cost:       analysis.Cost{Value: slow, Total: a.Total, Clock: analysis.GTime},
		Confidence: analysis.Inferred,
		Evidence:   shown,
		Advice:     "Look at that moment (--from, --to): " + taskAdvice[taskParts[part].state],
		Caveat:     "One task is no tail: whether it comes again only a longer trace tells. What else the machine does stretches running, and waiting for a P, once in a while.",
	})
	return g
}

func runSlowTasks(p *analysis.Pass) error {
	f := measures.TasksOf(p)
	if len(f.Tasks()) == 0 {
		p.NotApplicable(evidence.NoTasks)
		return nil
	}
	types := tally.Rank(f.Tasks(), func(a measures.Annotation) tally.Label { return a.Label(p) }, (*measures.Annotated).Add, func(a *measures.Annotated) int64 { return a.Total })
	found, known := 0, false
	var near, nearLongest analysis.Gate
	// single looks at the longest task of a type whose p99 is not slow.
	single := func(name string, a *measures.Annotated) {
		g := addLongest(p, f, name, a)
		if nearLongest = nearLongest.Nearer(g); g.Severity != "" {
			found++
		}
	}
	var enough int64
	for _, r := range types {
		h := &r.V.Lengths
		enough = max(enough, h.N())
		if found == evidence.MaxFindings {
			continue
		}
		if !p.Met("tasks", float64(h.N())) {
			if h.N() > 0 {
				single(r.Label[0], r.V)
			}
			continue
		}
		p50, p99 := h.QuantileAny(.5), h.QuantileAny(.99)
		tail := float64(p99) / float64(max(p50, 1))
		known = true
		excess, slow := taskExcess(&r.V.BySpan, p50, p99)
		var total int64
		for _, ns := range excess {
			total += ns
		}
		part, other := 0, excess[len(taskParts)]
		for i := range taskParts {
			if excess[i] > excess[part] {
				part = i
			}
		}
		share := say.Ratio(excess[part], max(total, 1))
		g := p.Gate(analysis.Grades("excess", float64(p99-p50)), analysis.Grades(taskParts[part].limit, share), analysis.Needs("ratio", tail), analysis.Needs("tasks", float64(h.N())))
		if g.Severity == "" {
			near = near.Nearer(g.At(r.Label[0]))
			single(r.Label[0], r.V)
			continue
		}
		found++
		var texts []string
		for i, c := range taskParts {
			if excess[i]*20 >= total {
				texts = append(texts, analysis.FormatRatio(say.Ratio(excess[i], total))+" "+c.words)
			}
		}
		if other*20 >= total {
			texts = append(texts, analysis.FormatRatio(say.Ratio(other, total))+" after the goroutine that began it had ended")
		}
		region, regionRow := slowRegion(p, f, p99-p50)
		finding := analysis.Finding{
			Severity: g.Severity,
			Summary: fmt.Sprintf("Slow tasks of type %s take %s (p99), %s times as long as usual (p50 %s, n=%s), most of the excess %s: %s%s",
				r.Label[0], p.Dur(p99), say.Number(tail), p.Dur(p50), analysis.FormatCount(h.N()), taskParts[part].words, strings.Join(texts, ", "), region),
			Evidence:   regionRow,
			Cost:       analysis.Cost{Value: slow, Total: r.V.Total, Clock: analysis.GTime},
			Confidence: analysis.Inferred,
			Advice:     taskAdvice[taskParts[part].state],
			Caveat:     "It is the time of the goroutine that began the task: what others do for it counts as blocked. Requests of different kinds under one type also look like this: give them types of their own.",
		}
		for _, e := range f.Slowest().Items() {
			if measures.IsOf(p, e.Item.Name, r.Label[0]) && len(finding.Evidence) < 6 {
				g := int64(e.Item.G)
				from := p.Rel(parse.Time(e.Time))
				finding.Evidence = append(finding.Evidence, analysis.Evidence{From: from, To: from + e.Value, G: &g, Func: p.FuncName(e.Item.Fn), Note: "took " + p.Dur(e.Value), Stack: p.Stack(e.Item.Stack)})
			}
		}
		p.Find(finding)
	}
	switch {
	case found > 0:
	case known:
		p.Clear(near, nearLongest)
	default:
		p.NotApplicable(fmt.Sprintf("only %s of one type began and ended in the trace; record until there are %s", say.Counted(enough, "task", "tasks"), analysis.FormatCount(int64(p.Limit("tasks")))))
	}
	return nil
}

// slowRegion names the type of region whose p99 exceeds its p50 most, where that is
// enough to make slow tasks that much slower than usual.
func slowRegion(p *analysis.Pass, f *measures.TasksFold, excess int64) (words string, row []analysis.Evidence) {
	var most int64
	for _, r := range tally.Rank(f.Regions(), func(a measures.Annotation) tally.Label { return a.Label(p) }, (*measures.Annotated).Add, func(a *measures.Annotated) int64 { return a.Total }) {
		h := &r.V.Lengths
		p50, p99 := h.QuantileAny(.5), h.QuantileAny(.99)
		if more := p99 - p50; !p.Met("tasks", float64(h.N())) || !evidence.Causes(more, excess) || more <= most {
			continue
		}
		most = p99 - p50
		words = fmt.Sprintf("; regions %s take %s (p99), p50 %s", r.Label[0], p.Dur(p99), p.Dur(p50))
		row = []analysis.Evidence{evidence.Whole(p, analysis.Evidence{Func: r.Label[0], Note: fmt.Sprintf("region: p50 %s, p99 %s (n=%s)", p.Dur(p50), p.Dur(p99), analysis.FormatCount(h.N()))})}
	}
	return words, row
}

var taskAdvice = map[parse.GoState]string{
	parse.GoRunning:  "They do more work: look at their CPU profile, split it, or give them a task type of their own. The p99 in tasks.tasks should fall.",
	parse.GoRunnable: "They wait for a P: see latency-tail and what held the Ps (waits.function). sched.latency.user.p99 should fall.",
	parse.GoWaiting:  "They wait for something else: blocking.waits and blocking.contention list where; begin at the sites that the task's goroutine passes. The p99 in tasks.tasks should fall.",
	parse.GoSyscall:  "They are in system calls: syscalls lists the sites; bound their number, buffer, or move them out of the request. syscall.duration.p99 should fall.",
}

// taskExcess is by how much slow tasks exceed usual ones, mean of each part of
// taskParts and of the rest; and the time of all slow ones beyond the usual.
func taskExcess(s *measures.TaskSpans, p50, p99 int64) (excess []int64, slow int64) {
	type sums struct {
		n, total int64
		spent    [parse.NumGoStates]int64
	}
	var usual, tail sums
	for i, b := range s.All() {
		for _, side := range []struct {
			in bool
			s  *sums
		}{{i <= tally.CoarseIndex(p50), &usual}, {i >= tally.CoarseIndex(p99), &tail}} {
			if side.in {
				side.s.n += b.N
				side.s.total += b.Total
				for state, ns := range b.Spent {
					side.s.spent[state] += ns
				}
			}
		}
	}
	mean := func(v, w int64) int64 { return max(v/max(tail.n, 1)-w/max(usual.n, 1), 0) }
	tailRest, usualRest := tail.total, usual.total
	for _, c := range taskParts {
		excess = append(excess, mean(tail.spent[c.state], usual.spent[c.state]))
		tailRest -= tail.spent[c.state]
		usualRest -= usual.spent[c.state]
	}
	return append(excess, mean(tailRest, usualRest)), max(tail.total-tail.n*(usual.total/max(usual.n, 1)), 0)
}
