package procs

import (
	"fmt"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
)

func holeEvidence(p *analysis.Pass, f *measures.ParallelismFold) (out []analysis.Evidence) {
	for _, e := range f.WorstHole().Items() {
		from := p.Rel(parse.Time(e.Time))
		out = append(out, analysis.Evidence{From: from, To: from + e.Value,
			Note: fmt.Sprintf("no event for %s, %s had work", p.Dur(e.Value), say.Counted(int64(e.Item), "P", "Ps"))})
	}
	return out
}

// stallFrom is from where on (ns) nothing happens for too long on Ps with work, the default of
// oversubscribed-host.stall.
const stallFrom = 100e6

// stalls are how often and for how long nothing happened on any P for stallFrom or longer
// though some had work; of the longest holes that are kept.
func stalls(p *analysis.Pass) (n, ns int64) {
	for _, e := range measures.ParallelismOf(p).WorstHole().Items() {
		if e.Value >= stallFrom {
			n, ns = n+1, ns+e.Value
		}
	}
	return n, ns
}

// alone is how long exactly one user goroutine ran and no other could, without the time
// that the process was stopped: stalls with one P at work, where preemption works.
func alone(p *analysis.Pass) int64 {
	f := measures.ParallelismOf(p)
	ns := f.Alone()
	if !inTime(measures.PreemptionOf(p)) {
		return ns
	}
	for _, e := range f.WorstHole().Items() {
		if e.Value >= stallFrom && e.Item == 1 {
			ns -= e.Value
		}
	}
	return max(ns, 0)
}
