package syscalls

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/window"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// fullBeside is the P time in which no P was idle, as a share of what calls held while user
// goroutines were runnable: with a P idle it is not the calls that these wait for, but to
// be woken.
func fullBeside(p *analysis.Pass, held, all int64) float64 {
	return say.Ratio(measures.ParallelismOf(p).Full(), p.Trace.Duration()) * float64(all) / float64(max(held, 1))
}

// procTimeIn is the P time of from…to.
func procTimeIn(p *analysis.Pass, over *sketch.Series, from, to parse.Time) (ns int64) {
	for s := range int(measures.NumShares) {
		ns += window.Sum(p, over, s, from, to)
	}
	return ns
}
