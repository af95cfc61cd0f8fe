package measures

import (
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
