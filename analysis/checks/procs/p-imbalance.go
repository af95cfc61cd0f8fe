package procs

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

const (
	imbalanceWindow = 500e6 // ns
)

var pImbalance = &analysis.Analyzer{
	Name: "p-imbalance", Proof: "timeline.lanes",
	Doc: say.Page(pages, "p-imbalance"),
	Thresholds: []analysis.Threshold{
		{
			Name: "p-imbalance.ratio", Doc: "running time of the busiest P over the mean of all, in each of several windows", Unit: analysis.Count,
			Levels: analysis.Levels{Note: 1.5, Warning: 2},
			Source: "the catalogue's; stealing keeps it near 1 when there is work for all",
		},
		{
			Name: "p-imbalance.windows", Doc: "windows of 0.5 s in a row in which all of this holds", Unit: analysis.Count, Levels: analysis.Levels{Note: 3},
			Source: "less is chance",
		},
		{
			Name: "p-imbalance.used", Doc: "share of P time running, in each window", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .2},
			Source: "with less to do a few Ps do it all, and should",
		},
		{
			Name: "p-imbalance.unused", Doc: "share of P time not running, in each window", Unit: analysis.Ratio, Levels: analysis.Levels{Note: .1},
			Source: "with less unused there is nothing to share better",
		},
		{
			Name: "p-imbalance.runnable", Doc: "runnable user goroutines per P on average, in each window", Unit: analysis.Count, Levels: analysis.Levels{Note: .25},
			Source: "an uneven load hurts only who waits beside idle Ps",
		},
	},
	Requires: []*analysis.Analyzer{measures.Timeline, measures.Parallelism},
	Run: func(p *analysis.Pass) error {
		if evidence.NoTime(p) {
			return nil
		}
		tl, f := measures.TimelineOf(p).Sums(p), measures.ParallelismOf(p)
		if len(tl.Ps) < 2 {
			p.NotApplicable("there is one P only; record with GOMAXPROCS 2 or more")
			return nil
		}
		if need := int64(p.Limit("windows") * imbalanceWindow); p.Trace.Duration() < need {
			p.NotApplicable(fmt.Sprintf("the trace has %s and uneven load shows in %s; record longer", p.Dur(p.Trace.Duration()), p.Dur(need)))
			return nil
		}
		windows := imbalances(tl, f.Over())
		// uneven is whether a window, the best of a row of so many, is worth a finding.
		uneven := func(w imbalance, row ...analysis.Condition) analysis.Gate {
			return p.Gate(append([]analysis.Condition{analysis.Grades("ratio", w.ratio), analysis.Needs("used", w.used),
				analysis.Needs("unused", 1-w.used), analysis.Needs("runnable", w.runnable)}, row...)...)
		}
		var row, best []imbalance
		var g analysis.Gate
		for _, w := range windows {
			if uneven(w).Severity != "" {
				row = append(row, w)
			} else {
				row = nil
				g = g.Nearer(uneven(w, analysis.Needs("windows", 0)))
			}
			if len(row) > len(best) {
				best = slices.Clone(row)
			}
		}
		var least imbalance
		if len(best) > 0 {
			least = slices.MinFunc(best, func(a, b imbalance) int { return int(1e6 * (a.ratio - b.ratio)) })
			g = uneven(least, analysis.Needs("windows", float64(len(best))))
		}
		if g.Severity == "" {
			p.Clear(g)
			return nil
		}
		from, to := best[0].from, best[len(best)-1].to
		lost := int64(0)
		var shown []analysis.Evidence
		for _, w := range best {
			lost += w.lost
			if len(shown) < 10 {
				shown = append(shown, analysis.Evidence{From: p.Rel(parse.Time(max(w.from, int64(p.Trace.From)))), To: p.Rel(parse.Time(min(w.to, int64(p.Trace.To)))), P: evidence.IDOf(w.busiest),
					Note: fmt.Sprintf("ran %.2f times the mean, %s goroutines waited per P", w.ratio, measures.MeanCount(w.runnable))})
			}
		}
		p.Find(analysis.Finding{
			Severity: g.Severity, Confidence: analysis.Measured,
			Summary: fmt.Sprintf("The Ps are unevenly loaded: for %s the busiest ran %.2f times the mean or more, while others were idle and user goroutines waited",
				p.Dur(to-from), least.ratio),
			Cost: evidence.ProcTime(p, float64(lost)), Evidence: shown,
			Advice: "Look for goroutines that must stay on one thread (runtime.LockOSThread) or wake each other on one P; procs.idle_while_runnable should fall.",
			Caveat: "On an oversubscribed machine a thread without a CPU makes its P look busy.",
		})
		return nil
	},
}

// imbalance is how unevenly Ps ran in one window.
type imbalance struct {
	from, to              int64
	busiest               parse.ProcID
	ratio, used, runnable float64 // runnable: per P
	lost                  int64   // P time of the busiest beyond the mean
}

// imbalances are the windows of the trace, a last shorter one left out.
func imbalances(tl *measures.TimelineSums, over *sketch.Series) (out []imbalance) {
	n, width := tl.Over.Len(), tl.Over.Width()
	k := max(1, int(imbalanceWindow/width))
	ids := slices.Sorted(maps.Keys(tl.Ps))
	ran := make(map[parse.ProcID][]int64)
	for _, id := range ids {
		s := tl.Ps[id].Over
		if s == nil {
			continue
		}
		by := make([]int64, n)
		for b := range s.Len() {
			at := int((s.Start() + int64(b)*s.Width() - tl.Over.Start()) / width)
			for _, share := range []measures.Share{measures.ShareUser, measures.ShareSystem, measures.ShareWorker, measures.ShareAssist} {
				by[at] += s.At(b, int(share))
			}
		}
		ran[id] = by
	}
	runnable := make([]int64, n)
	for b := range over.Len() {
		if at := int((over.Start() + int64(b)*over.Width() - tl.Over.Start()) / width); at >= 0 && at < n {
			runnable[at] += over.At(b, measures.OverRunnable)
		}
	}
	for b := 0; b+k <= n; b += k {
		w := imbalance{from: tl.Over.Start() + int64(b)*width, to: tl.Over.Start() + int64(b+k)*width}
		var sum, most, waited int64
		for _, id := range ids {
			var own int64
			for _, v := range ran[id][b:min(b+k, len(ran[id]))] {
				own += v
			}
			sum += own
			if own > most {
				most, w.busiest = own, id
			}
		}
		var all int64
		for i := b; i < b+k; i++ {
			waited += runnable[i]
			for s := range measures.NumShares {
				all += tl.Over.At(i, int(s))
			}
		}
		if sum == 0 || all == 0 {
			out = append(out, w)
			continue
		}
		mean := sum / int64(len(ids))
		w.ratio = say.Ratio(most*int64(len(ids)), sum)
		w.used = say.Ratio(sum, all)
		w.runnable = say.Ratio(waited, all)
		w.lost = most - mean
		out = append(out, w)
	}
	return out
}
