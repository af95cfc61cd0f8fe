package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
)

// StealingOf is the fold of stealing, for an analyzer that requires it.
func StealingOf(p *analysis.Pass) *StealingFold { return analysis.FoldOf[*StealingFold](p, Stealing) }

// Sites are the stolen starts by what made the goroutine runnable.
func (f *StealingFold) Sites() *tally.Keyed[StealSite, Stolen] { return &f.sites }
