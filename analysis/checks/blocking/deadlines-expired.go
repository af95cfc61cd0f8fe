package blocking

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

var deadlinesExpired = &analysis.Analyzer{
	Name: "deadlines-expired", Proof: "blocking.waits",
	Doc: say.Page(pages, "deadlines-expired"),
	Thresholds: []analysis.Threshold{
		{
			Name: "deadlines-expired.count", Doc: "context deadlines that expired, or waits that they ended", Unit: analysis.Count, Levels: analysis.Levels{Note: 20, Warning: 100},
			Source: "single ones are what deadlines are for; a hundred are no exception",
		},
		{
			Name: "deadlines-expired.rate", Doc: "the same per second", Unit: analysis.PerS, Levels: analysis.Levels{Note: 5, Warning: 50},
			Source: "a program that gives up five times a second, or fifty",
		},
	},
	Requires: []*analysis.Analyzer{measures.Goroutines, measures.Blocking},
	Run: func(p *analysis.Pass) error {
		var n, created int64
		for k, v := range measures.GoroutinesOf(p).Populations().ByKey() {
			if k.Class == parse.ClassUser && k.Seen {
				created += v.Created
				if expiresDeadline(p.FuncName(k.Fn)) {
					n += v.Created
				}
			}
		}
		sites := measures.WaitingSites(p)
		if created == 0 && evidence.NoWaits(p, sites) {
			return nil
		}
		rate := say.PerSecond(n, p.Trace.Duration())
		whole := window.All(p)
		var shown []analysis.Evidence
		var cut, waited int64
		slices.SortStableFunc(sites, func(a, b *measures.WaitingAt) int { return cmp.Compare(cutOff(p, b), cutOff(p, a)) })
		for _, w := range sites {
			if k := cutOff(p, w); k > 0 {
				cut += k
				waited += w.Total * k / max(1, w.Spans)
				if len(shown) < 5 {
					shown = append(shown, analysis.Evidence{From: p.Rel(whole.From), To: p.Rel(whole.To), Func: w.Label[1],
						Note: fmt.Sprintf("%s ended by one", say.Counted(k, "wait", "waits")), Stack: p.Stack(w.Stack)})
				}
			}
		}
		most := max(n, cut) // a deadline ends the waits of all that inherit it
		g := p.Gate(analysis.Grades("count", float64(most)), analysis.Grades("rate", say.PerSecond(most, p.Trace.Duration())))
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		text := fmt.Sprintf("Context deadlines expire: %s (%s)", analysis.FormatCount(n), analysis.FormatRate(rate))
		if len(shown) > 0 {
			text += fmt.Sprintf("; they ended %s, most at %s", say.Counted(cut, "wait", "waits"), shown[0].Func)
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Inferred, Summary: text,
			Cost:     evidence.GoTime(p, waited),
			Evidence: shown,
			Advice:   "Find what makes it late (what these waits are for; whether goroutines wait for a P, a lock or the network), do less of it at once, or allow it the time it takes: work that is given up was for nothing. goroutines.created, which counts one for each, should fall.",
			Caveat:   "It is told from the goroutines that the context package starts for a timer. Deadlines of connections (SetReadDeadline) do not show in a trace, nor do those that expired with nobody waiting.",
		})
		return nil
	},
}

// expiresDeadline reports whether a goroutine of that entry function is what a timer
// of the context package starts (context.go: WithDeadlineCause; WithDeadline before
// Go 1.21).
func expiresDeadline(fn string) bool {
	return strings.HasPrefix(fn, "context.WithDeadline") && strings.Contains(fn, ".func")
}

// cutOff is how many of the waits a context's deadline ended.
func cutOff(p *analysis.Pass, w *measures.WaitingAt) (n int64) {
	for stack, k := range w.Wakers {
		if expiresDeadline(p.Trace.String(p.Trace.Entry(stack))) {
			n += k
		}
	}
	return n
}
