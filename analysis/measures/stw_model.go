package measures

import (
	"slices"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// STWOf is the fold of stw, for an analyzer that requires it.
func STWOf(p *analysis.Pass) *STWFold { return analysis.FoldOf[*STWFold](p, STW) }

// Kinds are the stops of the world by reason.
func (f *STWFold) Kinds() map[parse.StringID]*STWKind { return f.kinds }

// Sites are the stops by reason and by the stack that asked for them.
func (f *STWFold) Sites() map[STWSite]*STWSum { return f.sites }

// Last are the slow stops by the program's code whose P stopped last; Halt is their stopping part.
func (f *STWFold) Last() map[STWLast]*STWSum { return f.last }

// Worst are the longest stops.
func (f *STWFold) Worst() *sketch.Top[parse.Range] { return f.worst }

// Time is the time in ns in which the world was stopping or stopped, over time.
func (f *STWFold) Time() *sketch.Series { return f.time }

// Requesters are those who stop the world, GC aside, the costliest first: labels are
// the reason and the site.
func (c *STWFold) Requesters(p *analysis.Pass) []tally.Ranked[STWSum] {
	return slices.DeleteFunc(stwSites(p, c), func(s tally.Ranked[STWSum]) bool { return s.Label[2] != "" })
}
