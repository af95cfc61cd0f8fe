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
