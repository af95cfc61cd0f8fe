package measures

import (
	"github.com/tracelens/tracelens/analysis"
)

// TrustOf is the fold of trust, for an analyzer that requires it.
func TrustOf(p *analysis.Pass) *TrustFold { return analysis.FoldOf[*TrustFold](p, Trust) }

// ProcsRan is ns: goroutines running; Ps running one.
func (f *TrustFold) ProcsRan() int64 { return f.procsRan }

// Busy is ns: Ps neither idle nor stopped.
func (f *TrustFold) Busy() int64 { return f.busy }

// Steps is TODO.
func (f *TrustFold) Steps() *GomaxprocsSteps { return &f.steps }

// Samples is of a CPU profile.
func (f *TrustFold) Samples() int64 { return f.samples }
