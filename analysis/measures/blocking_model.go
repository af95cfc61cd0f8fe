package measures

import (
	"cmp"
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// BlockingOf is the fold of blocking, for an analyzer that requires it.
func BlockingOf(p *analysis.Pass) *BlockingFold { return analysis.FoldOf[*BlockingFold](p, Blocking) }

// Sites are the waits of user goroutines by reason and stack.
func (f *BlockingFold) Sites() *tally.Keyed[BlockSite, blockedAt] { return &f.sites }

// Reasons are the lengths of whole waits, in ns, by reason.
func (f *BlockingFold) Reasons() *tally.Keyed[blockReason, sketch.Histogram] { return &f.reasons }

// Wakers counts the waits that ended, by where they were and by what ended them.
func (f *BlockingFold) Wakers() *tally.Keyed[blockWaker, int64] { return &f.wakers.Keyed }

// A BlockedFor is how long user goroutines waited for a kind of reason, in ns.
type BlockedFor struct {
	What string
	NS   int64
}

// BlockedBy is the waiting time of user goroutines by kind of reason, the longest first.
func BlockedBy(p *analysis.Pass) (all []BlockedFor) {
	for _, g := range blockGroups {
		if v, _ := p.Value("block." + g + ".total"); v > 0 {
			all = append(all, BlockedFor{blockWord(g), int64(v)})
		}
	}
	slices.SortStableFunc(all, func(a, b BlockedFor) int { return cmp.Compare(b.NS, a.NS) })
	return all
}
