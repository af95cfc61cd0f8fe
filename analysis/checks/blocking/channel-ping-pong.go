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

// wakePair is two functions, as parse.Symbols.Site names them, that wake each other.
type wakePair struct{ a, b parse.StringID }

var channelPingPong = &analysis.Analyzer{
	Name: "channel-ping-pong", Proof: "holders.graph",
	Doc:      say.Page(pages, "channel-ping-pong"),
	Requires: []*analysis.Analyzer{measures.Blocking, measures.Goroutines, measures.Latency, measures.Timeline, measures.Waits},
	Thresholds: []analysis.Threshold{
		{
			Name: "channel-ping-pong.rate", Doc: "wakes per second from each of two functions to the other", Unit: analysis.PerS,
			Levels: analysis.Levels{Note: 5000, Warning: 20000},
			Source: "a wake costs 1 to 50 µs in the scheduler, more with a thread switch: from here on it is a good part of a P",
		},
		{
			Name: "channel-ping-pong.handed", Doc: "goroutines of both that are woken and do not run yet though a P is idle, mean of the trace", Unit: analysis.Count,
			Levels: analysis.Levels{Note: .01, Warning: .25},
			Source: "a hundredth of a goroutine's time is nothing; as slow-handover.share: a quarter of the time is worth another design",
		},
		{
			Name: "channel-ping-pong.scheduling", Doc: "share of P time that the scheduler takes for these hand-overs, by their part in all starts", Unit: analysis.Ratio,
			Levels: analysis.Levels{Note: .05, Warning: .1},
			Source: "where Ps are busy a hand-over holds nobody up but for what it costs; a tenth of all P time is worth another design",
		},
		{
			Name: "channel-ping-pong.work", Doc: "running time of the goroutines of both, system calls included, for each of their waits", Unit: analysis.NS, Below: true,
			Levels: analysis.Levels{Note: 5000},
			Source: "less work than the wake-up of a thread (5 to 50 µs) is better done by one goroutine",
		},
		{
			Name: "channel-ping-pong.trace", Doc: "length of the trace", Unit: analysis.NS,
			Levels: analysis.Levels{Note: 10e6}, Source: "a time slice (proc.go:forcePreemptNS): so many wakes as below in less may be one burst",
		},
		{
			Name: "channel-ping-pong.wakes", Doc: "wakes from each of two functions to the other", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1000}, Source: "a rate of short bursts is none",
		},
	},
	Run: func(p *analysis.Pass) error {
		tr := p.Trace
		if evidence.NoWaits(p, measures.WaitingSites(p)) {
			return nil
		}
		f := measures.BlockingOf(p)
		wakes := make(map[wakePair]int64) // a waits, b wakes it
		stacks := make(map[wakePair]parse.StackID)
		most := make(map[wakePair]int64)
		waitsOf := make(map[string]int64) // by what goroutines go by
		for _, e := range f.Wakers().Entries {
			k := e.Key
			if k.Told == measures.BlockUnnamed || measures.BlockReasonOf(tr, k.BlockSite) == "" {
				continue
			}
			waitsOf[goesBy(p, k.BlockSite.Stack)] += e.V
			one, ok := tr.Site(k.BlockSite.Stack)
			other, also := tr.Site(k.Stack)
			if k.Ready != parse.ReadyUnblocked || !ok || !also {
				continue
			}
			pair := wakePair{one.Func, other.Func}
			wakes[pair] += e.V
			if e.V > most[pair] {
				most[pair], stacks[pair] = e.V, k.BlockSite.Stack
			}
		}
		running, woken := make(map[string]int64), make(map[string]int64)
		for o, v := range measures.GoroutinesOf(p).Populations().ByKey() {
			running[p.FuncName(o.Fn)] += v.States[parse.GoRunning] + v.States[parse.GoSyscall]
			woken[p.FuncName(o.Fn)] += v.States[parse.GoRunnable]
		}
		// work is for how long the goroutines of both were runnable, and what they ran for
		// each of their waits.
		work := func(pair wakePair) (handed, apiece int64) {
			a, b := goesBy(p, stacks[pair]), goesBy(p, stacks[wakePair{pair.b, pair.a}])
			handed, ran, each := woken[a], running[a], waitsOf[a]
			if a != b {
				handed, ran, each = handed+woken[b], ran+running[b], each+waitsOf[b]
			}
			return handed, ran / max(each, 1)
		}
		var pairs []wakePair
		for pair := range wakes {
			// By name, since ids are in the order in which a reader meets strings.
			if p.FuncName(pair.a) <= p.FuncName(pair.b) && min(wakes[pair], wakes[wakePair{pair.b, pair.a}]) > 0 {
				pairs = append(pairs, pair)
			}
		}
		each := func(pair wakePair) int64 {
			n := min(wakes[pair], wakes[wakePair{pair.b, pair.a}])
			if pair.a == pair.b {
				n /= 2 // either may be the one that waits
			}
			return n
		}
		slices.SortFunc(pairs, func(x, y wakePair) int {
			return cmp.Or(cmp.Compare(each(y), each(x)), cmp.Compare(p.FuncName(x.a), p.FuncName(y.a)), cmp.Compare(p.FuncName(x.b), p.FuncName(y.b)))
		})
		idle := 1 - measures.WaitsOf(p).Queued() // of waits of those that others woke: with a P idle
		scheduler, _ := p.Value("procs.share.scheduler")
		starts, _ := p.Value("sched.starts")
		found := 0
		var near analysis.Gate
		for _, pair := range pairs {
			back := wakePair{pair.b, pair.a}
			n := each(pair)
			woken, apiece := work(pair)
			handed := int64(float64(woken) * idle)
			scheduling := scheduler * min(1, 2*float64(n)/max(starts, 1))
			rate := say.PerSecond(n, tr.Duration())
			late := analysis.Grades("handed", say.Ratio(handed, tr.Duration()))
			g := p.Gate(analysis.Grades("rate", rate), analysis.Either(late, analysis.Grades("scheduling", scheduling)), analysis.Needs("work", float64(apiece)), analysis.Needs("wakes", float64(n)), analysis.Needs("trace", float64(tr.Duration())))
			if g.Severity == "" || found == evidence.MaxFindings {
				near = near.Nearer(g.At(p.FuncName(pair.a) + " and " + p.FuncName(pair.b)))
				continue
			}
			found++
			whole := analysis.Evidence{From: p.Rel(tr.From), To: p.Rel(tr.To)}
			one, other := whole, whole
			one.Func, one.Stack, one.Note = p.SiteName(stacks[pair]), p.Stack(stacks[pair]), fmt.Sprintf("waits here, woken %s times by the other", analysis.FormatCount(wakes[pair]))
			other.Func, other.Stack, other.Note = p.SiteName(stacks[back]), p.Stack(stacks[back]), fmt.Sprintf("waits here, woken %s times by the other", analysis.FormatCount(wakes[back]))
			shown := []analysis.Evidence{one}
			if other.Func != one.Func {
				shown = append(shown, other)
			}
			cost := evidence.GoTime(p, handed)
			if p.Gate(late).Severity != g.Severity {
				total, _ := p.Value("procs.time")
				cost = evidence.ProcTime(p, scheduling*total)
			}
			p.Find(analysis.Finding{
				Severity: g.Severity,
				Summary: fmt.Sprintf("Goroutines in %s and %s hand work to and fro %s (%s each way in %s), and run %s for each wait",
					p.FuncName(pair.a), p.FuncName(pair.b), analysis.FormatRate(rate), say.Counted(n, "time", "times"), p.Dur(tr.Duration()), p.Dur(apiece)),
				Cost:       cost,
				Confidence: analysis.Inferred, Evidence: shown,
				Advice: advice(p, stacks[pair], stacks[back]) + " sched.starts.user should fall.",
				Caveat: "Goroutines are told apart by function only: that each time the same two meet is assumed. One with a locked thread (runtime.LockOSThread) also pays two thread switches.",
			})
		}
		if found == 0 {
			evidence.Clear(p, "no pair of functions whose goroutines wake each other", near)
		}
		return nil
	},
}

// advice says what to do about a hand-over. Where the standard library makes it, the
// program can only ask for it more seldom.
func advice(p *analysis.Pass, stacks ...parse.StackID) string {
	for _, stack := range stacks {
		if !parse.IsStd(p.Trace.String(p.Trace.Place(p.Trace.PlaceOf(stack)).Inner)) {
			return "Send batches, or let one goroutine do both halves: a mutex or a plain call costs 10 to 100 times less than a wake."
		}
	}
	return "The standard library hands over there, at each call: do more with each (larger buffers, batches), or make fewer."
}
