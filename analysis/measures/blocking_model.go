package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// BlockingOf is the fold of blocking, for an analyzer that requires it.
func BlockingOf(p *analysis.Pass) *BlockingFold { return analysis.FoldOf[*BlockingFold](p, Blocking) }

// Sites is TODO.
func (f *BlockingFold) Sites() *tally.Keyed[BlockSite, blockedAt] { return &f.sites }

// Reasons is lengths of the whole waits.
func (f *BlockingFold) Reasons() *tally.Keyed[blockReason, sketch.Histogram] { return &f.reasons }

// Wakers is waits ended.
func (f *BlockingFold) Wakers() *tally.Keyed[blockWaker, int64] { return &f.wakers }
