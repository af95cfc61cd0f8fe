package syscalls

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// procTimeIn is the P time of from…to.
func procTimeIn(p *analysis.Pass, over *sketch.Series, from, to parse.Time) (ns int64) {
	for s := range int(measures.NumShares) {
		ns += window.Sum(p, over, s, from, to)
	}
	return ns
}
