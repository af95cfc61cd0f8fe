package measures

import (
	"github.com/tracelens/tracelens/analysis"
)

// TrustOf is the fold of trust, for an analyzer that requires it.
func TrustOf(p *analysis.Pass) *TrustFold { return analysis.FoldOf[*TrustFold](p, Trust) }

// ProcsRan is the time in ns of Ps that ran a goroutine.
func (f *TrustFold) ProcsRan() int64 { return f.procsRan }

// Busy is the time in ns of Ps that were neither idle nor stopped.
func (f *TrustFold) Busy() int64 { return f.busy }

// Samples counts the samples of a CPU profile.
func (f *TrustFold) Samples() int64 { return f.samples }
